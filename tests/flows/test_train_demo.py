"""The loop on the demo texts: label twenty, and what the local models say about the rest gets better and better."""

import csv
import json

import pytest

from labelwright import demo
from labelwright.core.access import Actor
from labelwright.core.answer import Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer, same_meaning
from labelwright.core.compare import Tally, match_spans
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, ScalarQuestion, SpanQuestion
from labelwright.core.predictor import Prediction
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import annotate, jobs, take
from labelwright.store import asset as assets
from labelwright.store import work
from labelwright.workbench import Workbench
from tests.factories import add_assets, add_person, add_project, submission

MESSAGES = Ontology(
    questions=(
        ChoiceQuestion(id="topic", name="Topic", labels=tuple(Label(id=t, name=t) for t in demo.TOPICS)),
        ScalarQuestion(id="urgency", name="Urgency", minimum=1, maximum=5),
    )
)
NOTES = Ontology(
    questions=(
        SpanQuestion(id="names", name="Names", labels=tuple(Label(id=t, name=t) for t in demo.ENTITY_LABELS)),
    )
)


def messages() -> list[tuple[str, Answers]]:
    with demo.support_messages_path().open(encoding="utf-8", newline="") as file:
        texts = {row["id"]: row["text"] for row in csv.DictReader(file)}
    with demo.support_messages_truth_path().open(encoding="utf-8", newline="") as file:
        return [
            (
                texts[row["id"]],
                Answers.of(
                    {
                        "topic": ChoiceAnswer(labels=(row["topic"],)),
                        "urgency": ScalarAnswer(value=int(row["urgency"])),
                    }
                ),
            )
            for row in csv.DictReader(file)
        ]


def notes() -> list[tuple[str, Answers]]:
    found = []
    with demo.field_notes_path().open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            spans = tuple(Span(id=f"t{n}", **each) for n, each in enumerate(row["entities"]))
            found.append((row["text"], Answers.of({"names": SpanAnswer(spans=spans)})))
    return found


def label(bench: Workbench, ana: Actor, project: Project, truth: dict[int, Answers], n: int) -> None:
    """Answer the next `n` assets rightly, in the order in which they are handed out; the models learn every twenty."""
    for _ in range(n):
        turn = take.take(bench, ana, project.id, 1).turns[0]
        annotate.submit(bench, ana, project.id, turn.asset.id, submission(truth[turn.asset.id]))
        jobs.run_all(bench)


def left(bench: Workbench, truth: dict[int, Answers]) -> list[tuple[Prediction, Answers]]:
    """Current predictions of the assets nobody has answered, with the truth."""
    ids = list(truth)
    with bench.store.read() as tx:
        found = assets.get_many(tx, ids)
        rest = [i for i in ids if found[i].status != "labelled"]
        predictions = work.current_predictions(tx, rest)
    assert set(predictions) == set(rest)
    return [(predictions[i], truth[i]) for i in rest]


@pytest.fixture
def ana(sqlite_workbench: Workbench) -> Actor:
    return add_person(sqlite_workbench, "ana")


def start(
    bench: Workbench, ana: Actor, ontology: Ontology, rows: list[tuple[str, Answers]]
) -> tuple[Project, dict[int, Answers]]:
    project = add_project(bench, ana, ontology, ProjectSettings(learn_every=20, audit_share=0))
    ids = add_assets(bench, project, [text for text, _ in rows])
    return project, dict(zip(ids, (answers for _, answers in rows), strict=True))


def test_twenty_labelled_messages_already_help_and_a_hundred_help_more(
    sqlite_workbench: Workbench, ana: Actor
) -> None:
    project, truth = start(sqlite_workbench, ana, MESSAGES, messages())
    shares = []
    for n in (20, 40, 40):
        label(sqlite_workbench, ana, project, truth, n)
        pairs = left(sqlite_workbench, truth)
        assert all(p.answers.get("topic") and p.answers.get("urgency") for p, _ in pairs)
        right = sum(same_meaning(p.answers.get("topic"), t.get("topic")) for p, t in pairs)
        shares.append(right / len(pairs))
    assert shares[0] > 1.5 / len(demo.TOPICS)
    assert shares[2] > shares[0] + 0.1


def test_names_in_field_notes_are_found_after_a_few_dozen_notes(
    sqlite_workbench: Workbench, ana: Actor
) -> None:
    project, truth = start(sqlite_workbench, ana, NOTES, notes())
    scores = []
    for n in (20, 40, 40):
        label(sqlite_workbench, ana, project, truth, n)
        total = Tally()
        for prediction, answers in left(sqlite_workbench, truth):
            found, true = prediction.answers.get("names"), answers.get("names")
            assert isinstance(found, SpanAnswer) and isinstance(true, SpanAnswer)
            total += match_spans(found, true)
        scores.append(total.f1)
    assert scores[0] > 0.15
    assert scores[2] > scores[0] + 0.1
