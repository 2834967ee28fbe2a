"""Local models learn from submissions and predict what is left; nothing held up, nothing lost, nothing piling up."""

import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from labelwright import training
from labelwright.core.access import Actor
from labelwright.core.errors import NotAllowed, NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology
from labelwright.core.predictor import Reading
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import annotate, jobs, people, setup, take, train
from labelwright.store import asset as assets
from labelwright.store import learning as store
from labelwright.store import project as projects
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, predict, submission

GOOD = ["a wonderful film", "wonderful acting", "I loved it", "loved every minute", "wonderful, moving"]
BAD = ["a dreadful film", "dreadful acting", "I hated it", "hated every minute", "dreadful, dull"]


def settings(**more: object) -> ProjectSettings:
    return ProjectSettings.model_validate({"audit_share": 0, "learn_every": 10, **more})


def prepare(bench: Workbench, left: int = 30, **more: object) -> tuple[Actor, Project, list[int], list[int]]:
    """A project with ten texts to answer and `left` others; returns (manager, project, ten, others)."""
    ana = add_person(bench)
    project = add_project(bench, ana, settings=settings(**more))
    ten = add_assets(bench, project, GOOD + BAD)
    words = ("wonderful", "dreadful")
    others = add_assets(bench, project, [f"{words[i % 2]} number {i}" for i in range(left)])
    return ana, project, ten, others


def answer(bench: Workbench, person: Actor, project: Project, ids: list[int], first: int = 0) -> None:
    for n, asset_id in enumerate(ids, start=first):
        answers = POSITIVE if n % 10 < 5 else NEGATIVE
        annotate.submit(bench, person, project.id, asset_id, submission(answers))


def learn_jobs(bench: Workbench, project: Project) -> list[Job]:
    from labelwright.store import jobs as stored

    with bench.store.read() as tx:
        return stored.of_project(tx, project.id, ("learn",))


def predictions(bench: Workbench, project: Project) -> list[Any]:
    with bench.store.read() as tx:
        c = t.prediction.c
        query = sa.select(c.id, c.asset_id).where(c.project_id == project.id)
        return list(tx.execute(query.order_by(c.id)).all())


def check_counters(bench: Workbench, project: Project) -> None:
    """Counters equal what the rows say."""
    with bench.store.read() as tx:
        rows = tx.execute(sa.select(t.asset.c.status).where(t.asset.c.project_id == project.id)).scalars()
        counters = assets.counters(tx, project.id)
    counted = {
        name: n
        for name, n in counters.items()
        if name in ("new", "predicted", "labelled", "skipped", "in_progress") and n
    }
    assert counted == Counter(rows)


def test_after_ten_submissions_the_rest_is_predicted_and_ordered(workbench: Workbench) -> None:
    ana, project, ten, others = prepare(workbench)
    answer(workbench, ana, project, ten[:9])
    assert learn_jobs(workbench, project) == []
    answer(workbench, ana, project, ten[9:], first=9)
    assert [job.state for job in learn_jobs(workbench, project)] == ["queued"]
    jobs.run_all(workbench)
    [job] = learn_jobs(workbench, project)
    assert (job.state, job.report["predicted"], job.report["trained_on"]) == ("done", 30, 10)
    assert (job.done, job.total) == (30, 30)
    hand = take.take(workbench, ana, project.id, 20)
    assert all(turn.prediction is not None and turn.asset.status == "predicted" for turn in hand.turns)
    sure = [turn.asset.confidence for turn in hand.turns]
    assert sure == sorted(sure, key=lambda c: c or 0.0)
    for turn in hand.turns:
        assert turn.prediction is not None
        expected = POSITIVE if others.index(turn.asset.id) % 2 == 0 else NEGATIVE
        assert turn.prediction.answers == expected
        assert turn.prediction.predictor_title == "local model (10 labels)"
    with workbench.store.read() as tx:
        assert projects.learning(tx, project.id).audit_floor > 0.5
    check_counters(workbench, project)


def test_submissions_while_one_waits_queue_no_second_training(workbench: Workbench) -> None:
    ana, project, ten, others = prepare(workbench, learn_every=2)
    answer(workbench, ana, project, ten)
    assert len(learn_jobs(workbench, project)) == 1
    assert train.learn_now(workbench, ana, project.id).id == learn_jobs(workbench, project)[0].id
    jobs.run_all(workbench)
    answer(workbench, ana, project, others[:1])
    assert len(learn_jobs(workbench, project)) == 1
    answer(workbench, ana, project, others[1:2])
    assert len(learn_jobs(workbench, project)) == 2


def test_learning_every_zero_submissions_means_never(workbench: Workbench) -> None:
    ana, project, ten, _ = prepare(workbench, learn_every=0)
    answer(workbench, ana, project, ten)
    assert learn_jobs(workbench, project) == []


def test_learning_again_replaces_predictions_and_models_instead_of_piling_them_up(
    workbench: Workbench,
) -> None:
    ana, project, ten, others = prepare(workbench)
    answer(workbench, ana, project, ten)
    jobs.run_all(workbench)
    answer(workbench, ana, project, others[:10])
    jobs.run_all(workbench)
    answer(workbench, ana, project, others[10:20])
    jobs.run_all(workbench)
    assert [job.report["trained_on"] for job in learn_jobs(workbench, project)] == [30, 20, 10]
    by_asset = Counter(row.asset_id for row in predictions(workbench, project))
    assert set(by_asset) == set(others) and set(by_asset.values()) == {1}
    with workbench.store.read() as tx:
        newest = projects.learning(tx, project.id).model_sha256
    assert newest is not None
    files = [path.name for path in workbench.blobs.folder.rglob("*") if path.is_file()]
    assert files == [newest]
    assert train.predict_with_local(workbench, newest, ["wonderful"])[0].answers == POSITIVE
    check_counters(workbench, project)


def test_what_an_annotation_or_a_person_at_work_refers_to_is_kept(workbench: Workbench) -> None:
    ana, project, ten, _ = prepare(workbench)
    answer(workbench, ana, project, ten)
    jobs.run_all(workbench)
    hand = take.take(workbench, ana, project.id, 3)
    drafted, answered, looking = (turn.asset.id for turn in hand.turns)
    shown = {turn.asset.id: turn.prediction.id for turn in hand.turns if turn.prediction}
    annotate.submit(workbench, ana, project.id, answered, submission(prediction_id=shown[answered]))
    train.learn_now(workbench, ana, project.id)
    jobs.run_all(workbench)
    kept = {row.id for row in predictions(workbench, project)}
    assert {shown[answered], shown[looking], shown[drafted]} <= kept
    receipt = annotate.submit(
        workbench, ana, project.id, looking, submission(NEGATIVE, prediction_id=shown[looking])
    )
    assert receipt.outcome == "stored"
    assert receipt.annotation.prediction_id == shown[looking]


def test_what_another_model_predicted_stays(workbench: Workbench) -> None:
    ana, project, ten, others = prepare(workbench)
    predict(workbench, project, others[0], 0.77, NEGATIVE)
    answer(workbench, ana, project, ten)
    jobs.run_all(workbench)
    with workbench.store.read() as tx:
        asset = assets.get_many(tx, [others[0]])[others[0]]
    assert asset.confidence == 0.77
    assert learn_jobs(workbench, project)[0].report["predicted"] == 29


def test_readings_that_come_too_late_change_nothing(workbench: Workbench) -> None:
    ana, project, ten, others = prepare(workbench)
    answer(workbench, ana, project, ten)
    jobs.run_all(workbench)
    annotate.submit(workbench, ana, project.id, others[0], submission())
    predict(workbench, project, others[1], 0.5)
    before = predictions(workbench, project)
    with workbench.store.read() as tx:
        body = tx.execute(
            sa.select(t.predictor.c.body).where(t.predictor.c.title.like("local%"))
        ).scalar_one()
    from labelwright.core.predictor import Predictor

    predictor = Predictor.model_validate(body)
    readings = {asset_id: Reading(answers=NEGATIVE) for asset_id in others[:2]}
    with workbench.store.write() as tx:
        assert store.keep(tx, project, predictor, readings, workbench.now()) == 0
    assert predictions(workbench, project) == before


def test_a_skipped_asset_stays_skipped_and_last(workbench: Workbench) -> None:
    ana, project, ten, others = prepare(workbench)
    skipped = take.take(workbench, ana, project.id, 1).turns[0].asset.id
    annotate.skip(workbench, ana, project.id, skipped, "unclear")
    answer(
        workbench, ana, project, [i for i in ten if i != skipped] + [i for i in others if i != skipped][:1]
    )
    jobs.run_all(workbench)
    with workbench.store.read() as tx:
        asset = assets.get_many(tx, [skipped])[skipped]
        key = tx.execute(sa.select(t.asset.c.order_key).where(t.asset.c.id == skipped)).scalar_one()
    assert asset.status == "skipped" and key >= assets.SKIPPED_LAST
    check_counters(workbench, project)


def test_too_few_or_equal_answers_teach_nothing_and_say_so(workbench: Workbench) -> None:
    ana, project, ten, _ = prepare(workbench)
    answer(workbench, ana, project, ten[:5])
    train.learn_now(workbench, ana, project.id)
    jobs.run_all(workbench)
    [job] = learn_jobs(workbench, project)
    assert job.state == "done" and "not enough different answers" in job.report["note"]
    assert predictions(workbench, project) == []


def test_gold_is_never_learned_from(workbench: Workbench) -> None:
    ana, project, ten, _ = prepare(workbench)
    answer(workbench, ana, project, ten)
    with workbench.store.write() as tx:
        tx.execute(t.asset.update().where(t.asset.c.id.in_(ten[:3])).values(gold=True))
    with workbench.store.read() as tx:
        learned_from = [text for text, _ in store.answered(tx, project.id, 100)]
    assert learned_from == (GOOD + BAD)[3:]


def test_a_killed_training_is_done_again_and_predicts_what_is_missing(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, project, ten, others = prepare(workbench)
    monkeypatch.setattr(train, "CHUNK", 8)
    answer(workbench, ana, project, ten)
    real, calls = store.keep, []

    def dies(*given: object) -> int:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "keep", dies)
    with pytest.raises(KeyboardInterrupt):
        jobs.run_all(workbench)
    halfway = predictions(workbench, project)
    assert len(halfway) == 16
    with workbench.store.write() as tx:
        tx.execute(t.job.update().values(state="queued", worker=None, lease_until=None))
    jobs.run_all(workbench)
    [job] = learn_jobs(workbench, project)
    assert (job.state, job.report["predicted"]) == ("done", 14)
    after = predictions(workbench, project)
    assert after[:16] == halfway
    assert sorted(row.asset_id for row in after) == others
    check_counters(workbench, project)


def test_a_changed_ontology_stops_a_training_and_starts_another(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, project, ten, _ = prepare(workbench)
    answer(workbench, ana, project, ten)
    real = training.LocalLabeler.read
    changed: list[int] = []

    def changes(self: training.LocalLabeler, texts: list[str]) -> list[Reading]:
        if not changed:
            labels = tuple(Label(id=i, name=i) for i in ("positive", "negative", "mixed"))
            question = ChoiceQuestion(id="sentiment", name="Sentiment", labels=labels)
            changed.append(1)
            setup.change_ontology(workbench, ana, project.id, 1, Ontology(questions=(question,)))
        return real(self, texts)

    monkeypatch.setattr(training.LocalLabeler, "read", changes)
    jobs.run_all(workbench)
    second, first = learn_jobs(workbench, project)
    assert (first.report["predicted"], second.report["predicted"]) == (0, 30)
    with workbench.store.read() as tx:
        versions = tx.execute(sa.select(t.prediction.c.ontology_version).distinct()).scalars().all()
    assert versions == [2]


def test_a_newer_training_takes_over_once_enough_was_predicted(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, project, ten, _ = prepare(workbench)
    monkeypatch.setattr(train, "CHUNK", 5)
    monkeypatch.setattr(train, "ENOUGH", 10)
    answer(workbench, ana, project, ten)
    real = train._current

    def asks_again(tx: object, project_id: int) -> tuple[Project, Ontology]:
        if len(learn_jobs(workbench, project)) == 1 and learn_jobs(workbench, project)[0].done:
            from labelwright.store import jobs as stored

            stored.add(tx, "learn", project_id, {}, None, workbench.now())  # type: ignore[arg-type]
        return real(tx, project_id)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "_current", asks_again)
    jobs.run_all(workbench)
    second, first = learn_jobs(workbench, project)
    assert (first.report["predicted"], first.report["note"]) == (15, "newer answers wait to be learned from")
    assert second.report["predicted"] == 15  # same answers, same model: only what is missing


def test_of_many_open_assets_only_a_window_is_predicted(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, project, ten, _ = prepare(workbench)
    monkeypatch.setattr(train, "WINDOW", 12)
    following = [turn.asset.id for turn in take.take(workbench, ana, project.id, 20, tuple(ten)).turns][:6]
    answer(workbench, ana, project, ten)
    jobs.run_all(workbench)
    predicted = {row.asset_id for row in predictions(workbench, project)}
    assert len(predicted) == 12
    assert set(following) <= predicted


def test_submits_go_on_while_a_training_runs(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, project, ten, others = prepare(workbench, left=120, learn_every=10)
    monkeypatch.setattr(train, "CHUNK", 7)
    answer(workbench, ana, project, ten)
    worker = threading.Thread(target=jobs.run_all, args=(workbench,))
    worker.start()
    answer(workbench, ana, project, others[::3])
    worker.join()
    jobs.run_all(workbench)
    with workbench.store.read() as tx:
        counters = assets.counters(tx, project.id)
    assert counters["labelled"] == 50 and counters["predicted"] == 80
    check_counters(workbench, project)


def test_only_managers_start_a_training_and_strangers_find_nothing(workbench: Workbench) -> None:
    ana, project, _, _ = prepare(workbench, left=0)
    ben, eve = add_person(workbench, "ben"), add_person(workbench, "eve")
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    with pytest.raises(NotAllowed):
        train.learn_now(workbench, ben, project.id)
    with pytest.raises(NotFound):
        train.learn_now(workbench, eve, project.id)


def test_two_trainings_of_a_project_never_run_at_once(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, project, ten, _ = prepare(workbench, learn_every=5)
    answer(workbench, ana, project, ten)
    started, go_on = threading.Event(), threading.Event()
    real, inside, most = training.train, [0], [0]

    def slow(*given: Any) -> training.LocalLabeler:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        started.set()
        go_on.wait(20)
        made = real(*given)
        inside[0] -= 1
        return made

    monkeypatch.setattr(training, "train", slow)
    first = threading.Thread(target=jobs.run_all, args=(workbench,))
    first.start()
    assert started.wait(20)
    train.learn_now(workbench, ana, project.id)
    second = threading.Thread(target=jobs.run_all, args=(workbench,))
    second.start()
    while [job.state for job in learn_jobs(workbench, project)] != ["running", "running"]:
        assert second.is_alive()
    second.join(1.0)  # long enough to do wrong
    go_on.set()
    first.join()
    second.join()
    assert most == [1]
    assert [job.state for job in learn_jobs(workbench, project)] == ["done", "done"]
    check_counters(workbench, project)
