"""The demo projects: ready at once, made once, and the loop is felt after twenty answers."""

import csv
import json

from labelwright import demo
from labelwright.core.access import Actor
from labelwright.core.answer import Answers, ChoiceAnswer, RegionAnswer, Span, SpanAnswer
from labelwright.core.compare import Tally, match_regions, match_spans
from labelwright.core.conform import conform
from labelwright.flows import annotate, browse, jobs, setup, take
from labelwright.flows.demo import make_demo
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.factories import add_person, submission


def _topics() -> dict[str, str]:
    with demo.support_messages_truth_path().open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["topic"] for row in csv.DictReader(file)}


def _entities() -> dict[str, SpanAnswer]:
    found = {}
    for line in demo.field_notes_path().read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        spans = tuple(Span(id=f"s{i}", **each) for i, each in enumerate(note["entities"]))
        found[note["id"]] = SpanAnswer(spans=spans)
    return found


def _label(bench: Workbench, actor: Actor, project: int, truth: dict[str, Answers], n: int) -> None:
    for _ in range(n):
        turn = take.take(bench, actor, project, 1).turns[0]
        assert turn.asset.external_id is not None
        annotate.submit(bench, actor, project, turn.asset.id, submission(truth[turn.asset.external_id]))
        jobs.run_all(bench)


def _predicted(bench: Workbench, actor: Actor, project: int) -> dict[str, Answers]:
    found: dict[str, Answers] = {}
    after = None
    while True:
        page = browse.page(bench, actor, project, browse.Filter(status="predicted"), "id", after, 200)
        for row in page.rows:
            assert row.asset.external_id is not None
            assert row.answers is not None
            found[row.asset.external_id] = row.answers
        after = page.next
        if after is None:
            return found


def test_the_demo_is_made_once_with_its_gold(sqlite_workbench: Workbench) -> None:
    ana = add_person(sqlite_workbench, is_admin=True)
    first = make_demo(sqlite_workbench, ana)
    assert make_demo(sqlite_workbench, ana) == first
    counts = [setup.view_project(sqlite_workbench, ana, p.id).counts for p in first]
    assert [c["new"] for c in counts] == [304, 240, 0]
    assert [c["gold"] for c in counts] == [60, 50, 12]
    # The images come with what a simple detector says of them: worth correcting, and better than nothing.
    assert counts[2]["predicted"] == 48
    assert [p.modality for p in first] == ["text", "text", "image"]
    page = browse.page(sqlite_workbench, ana, first[2].id, browse.Filter(gold=True), "id", None, 50)
    with sqlite_workbench.store.read() as tx:
        gold = {row.asset_id: Answers.model_validate(row.answers) for row in tx.execute(t.gold.select())}
    tally = Tally()
    for row in page.rows:
        assert row.asset.image is not None and row.answers is not None
        said, true = row.answers.get("fruit"), gold[row.asset.id].get("fruit")
        assert isinstance(said, RegionAnswer) and isinstance(true, RegionAnswer)
        assert (
            conform(
                setup.current_ontology(sqlite_workbench, ana, first[2].id),
                gold[row.asset.id],
                row.asset.extent,
            )
            == []
        )
        tally += match_regions(said, true)
    assert 0.4 < tally.f1 < 0.95


def test_after_twenty_messages_the_rest_is_prelabelled_and_better_than_chance(
    sqlite_workbench: Workbench,
) -> None:
    ana = add_person(sqlite_workbench, is_admin=True)
    project = make_demo(sqlite_workbench, ana, ("messages",))[0]
    topics = _topics()
    truth = {key: Answers.of({"topic": ChoiceAnswer(labels=(topic,))}) for key, topic in topics.items()}
    _label(sqlite_workbench, ana, project.id, truth, 20)
    predicted = _predicted(sqlite_workbench, ana, project.id)
    assert len(predicted) == 304 - 20
    right = sum(answers.get("topic") == truth[key].get("topic") for key, answers in predicted.items())
    most = max(sum(topics[key] == topic for key in predicted) for topic in set(topics.values()))
    assert right > most * 1.3, "clearly more than always naming the most frequent topic"
    turn = take.take(sqlite_workbench, ana, project.id, 1).turns[0]
    assert turn.prediction is not None
    assert turn.why in ("least_confident", "audit")


def test_the_tagger_finds_more_names_the_more_notes_are_labelled(sqlite_workbench: Workbench) -> None:
    ana = add_person(sqlite_workbench, is_admin=True)
    project = make_demo(sqlite_workbench, ana, ("notes",))[0]
    # Every training costs a second; the two that are looked at are enough.
    setup.change_project(sqlite_workbench, ana, project.id, settings={"learn_every": 20})
    spans = _entities()
    truth = {key: Answers.of({"entities": answer}) for key, answer in spans.items()}
    scores = []
    for n in (20, 60):
        _label(sqlite_workbench, ana, project.id, truth, n)
        tally = Tally()
        for key, answers in _predicted(sqlite_workbench, ana, project.id).items():
            answer = answers.get("entities")
            assert isinstance(answer, SpanAnswer)
            tally += match_spans(answer, spans[key])
        scores.append(tally.f1)
    assert scores[0] > 0.05
    assert scores[1] > scores[0] + 0.05
