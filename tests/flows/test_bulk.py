"""One action on many assets: what it changes, what it leaves out and why, and that its opposite undoes it."""

import pytest

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.errors import NotAllowed, NotFound
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import annotate, browse, bulk, export, jobs, measure, people, setup, take
from labelwright.store import asset as assets
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, predict, submission


def _act(bench: Workbench, who: Actor, project: Project, action: bulk.BulkAction, *ids: int) -> bulk.BulkDone:
    return bulk.act(bench, who, project.id, bulk.BulkWanted(action=action, asset_ids=ids))


def _counts(bench: Workbench, who: Actor, project: Project) -> dict[str, int]:
    return {name: n for name, n in setup.view_project(bench, who, project.id).counts.items() if n}


def _ready(
    bench: Workbench, n: int, settings: ProjectSettings | None = None
) -> tuple[Actor, Project, list[int]]:
    ana = add_person(bench, is_admin=True)
    project = add_project(bench, ana, settings=settings or ProjectSettings(learn_every=0))
    ids = add_assets(bench, project, [f"text {i}" for i in range(n)])
    for asset_id in ids:
        predict(bench, project, asset_id, 0.8, POSITIVE)
    return ana, project, ids


def test_accepted_answers_are_the_persons_own_and_taking_them_back_undoes_it(workbench: Workbench) -> None:
    ana, project, ids = _ready(workbench, 4)
    before = _counts(workbench, ana, project)
    done = _act(workbench, ana, project, "accept", *ids, ids[0])
    assert (done.changed, done.left_out) == (tuple(ids), {})
    assert _counts(workbench, ana, project) == {"labelled": 4, "submissions": 4}
    view = browse.view(workbench, ana, project.id, ids[0])
    (mine,) = view.annotations
    assert view.prediction is not None
    assert (mine.author_id, mine.answers, mine.prediction_id) == (ana.user_id, POSITIVE, view.prediction.id)
    assert [event.kind for event in view.events] == ["submitted"]
    # Again changes nothing; the opposite puts everything back.
    assert _act(workbench, ana, project, "accept", *ids).left_out == {"answered": 4}
    assert _act(workbench, ana, project, "take_back", *done.changed).changed == tuple(ids)
    assert _counts(workbench, ana, project) == before | {"submissions": 4}
    assert take.take(workbench, ana, project.id, 4).turns[0].prediction is not None


def test_what_must_not_be_accepted_unseen_is_left_out_with_its_reason(workbench: Workbench) -> None:
    ana, project, ids = _ready(workbench, 5, ProjectSettings(learn_every=0, no_suggestion_share=0.5))
    bob = add_person(workbench, "bob")
    people.set_member(workbench, ana, project.id, bob.user_id, "annotator")
    hidden, audit, held, empty, fine = ids
    with workbench.store.write() as tx:
        tx.execute(
            t.arm.insert().values(asset_id=hidden, user_id=ana.user_id, project_id=project.id, arm="hidden")
        )
        tx.execute(t.asset.update().where(t.asset.c.id == audit).values(audit_above=0.5, audit_first=True))
        work_until = workbench.now().replace(year=workbench.now().year + 1)
        tx.execute(t.lease.insert().values(asset_id=held, user_id=bob.user_id, until=work_until, why="again"))
    predict(workbench, project, empty, 0.7, Answers.of({}))
    foreign = add_assets(workbench, add_project(workbench, ana), ["elsewhere"])[0]
    done = _act(workbench, ana, project, "accept", *ids, foreign)
    assert done.changed == (fine,)
    assert done.left_out == {"audit": 1, "held": 1, "no_answer": 1, "not_here": 1, "withheld": 1}
    # What was left out is as it was.
    assert browse.view(workbench, ana, project.id, hidden).annotations == []
    # Whoever holds it can be made to give it back.
    assert _act(workbench, ana, project, "release", *ids).changed == (held,)
    assert _act(workbench, ana, project, "accept", held).changed == (held,)


def test_an_answer_that_lacks_a_required_question_is_unfit(workbench: Workbench) -> None:
    ana, project, ids = _ready(workbench, 1)
    grown = {
        "questions": [
            setup.current_ontology(workbench, ana, project.id).questions[0].model_dump(mode="json"),
            {"kind": "scalar", "name": "Stars"},
        ]
    }
    setup.change_ontology(workbench, ana, project.id, 1, setup.parse_ontology(grown))
    assert _act(workbench, ana, project, "accept", *ids).left_out == {"unfit": 1}


def test_accepting_many_is_no_measured_agreement(sqlite_workbench: Workbench) -> None:
    ana, project, ids = _ready(sqlite_workbench, 3)
    _act(sqlite_workbench, ana, project, "accept", *ids[:2])
    turn = take.open_asset(sqlite_workbench, ana, project.id, ids[2])
    assert turn.prediction is not None
    sent = submission(NEGATIVE, prediction_id=turn.prediction.id)
    annotate.submit(sqlite_workbench, ana, project.id, ids[2], sent)
    (figure,) = measure.numbers(sqlite_workbench, ana, project.id).agreement
    assert (figure.n, figure.same) == (1, 0)
    # Looked at again by itself, one of them counts from then on.
    turn = take.open_asset(sqlite_workbench, ana, project.id, ids[0])
    assert turn.prediction is not None
    sent = submission(POSITIVE, prediction_id=turn.prediction.id, parent_id=turn.parent_id)
    annotate.submit(sqlite_workbench, ana, project.id, ids[0], sent)
    (figure,) = measure.numbers(sqlite_workbench, ana, project.id).agreement
    assert (figure.n, figure.same) == (2, 1)


def test_skipping_many_and_back(workbench: Workbench) -> None:
    ana, project, ids = _ready(workbench, 3)
    _act(workbench, ana, project, "accept", ids[0])
    done = _act(workbench, ana, project, "skip", *ids)
    assert (done.changed, done.left_out) == (tuple(ids[1:]), {"answered": 1})
    assert _counts(workbench, ana, project)["skipped"] == 2
    assert not take.take(workbench, ana, project.id, 3).turns
    back = _act(workbench, ana, project, "unskip", *ids)
    assert (back.changed, back.left_out) == (tuple(ids[1:]), {"unchanged": 1})
    assert len(take.take(workbench, ana, project.id, 3).turns) == 2


def test_gold_is_made_of_the_newest_answers_and_can_be_unmade(workbench: Workbench) -> None:
    ana, project, ids = _ready(workbench, 2)
    _act(workbench, ana, project, "accept", ids[0])
    view = browse.view(workbench, ana, project.id, ids[0])
    sent = submission(NEGATIVE, parent_id=view.annotations[0].id)
    annotate.submit(workbench, ana, project.id, ids[0], sent)
    done = _act(workbench, ana, project, "gold", *ids)
    assert (done.changed, done.left_out) == ((ids[0],), {"no_answer": 1})
    assert _counts(workbench, ana, project)["gold"] == 1
    page = browse.page(workbench, ana, project.id, browse.Filter(gold=True), "id", None, 10)
    assert [row.asset.id for row in page.rows] == [ids[0]]
    with workbench.store.read() as tx:
        assert [row.answers for row in tx.execute(t.gold.select())] == [NEGATIVE.model_dump(mode="json")]
    # A later answer does not change what is trusted.
    assert _act(workbench, ana, project, "gold", ids[0]).left_out == {"unchanged": 1}
    assert _act(workbench, ana, project, "not_gold", *ids).changed == (ids[0],)
    assert "gold" not in _counts(workbench, ana, project)
    kinds = [event.kind for event in browse.view(workbench, ana, project.id, ids[0]).events]
    assert kinds[:2] == ["gold_unmarked", "gold_marked"]


def test_roles(sqlite_workbench: Workbench) -> None:
    ana, project, ids = _ready(sqlite_workbench, 1)
    people_of = {
        role: add_person(sqlite_workbench, role) for role in ("reviewer", "annotator", "viewer", "stranger")
    }
    for role in ("reviewer", "annotator", "viewer"):
        people.set_member(sqlite_workbench, ana, project.id, people_of[role].user_id, role)
    for action in bulk._NEEDS:
        for role in ("annotator", "viewer"):
            with pytest.raises(NotAllowed):
                _act(sqlite_workbench, people_of[role], project, action, *ids)
        with pytest.raises(NotFound):
            _act(sqlite_workbench, people_of["stranger"], project, action, *ids)
    assert _act(sqlite_workbench, people_of["reviewer"], project, "accept", *ids).changed == tuple(ids)


def test_all_of_a_filter_in_the_order_of_the_table_and_an_export_of_just_these(workbench: Workbench) -> None:
    ana, project, ids = _ready(workbench, 4)
    predict(workbench, project, ids[2], 0.1, NEGATIVE)
    wanted = browse.Filter(label="positive")
    assert browse.ids(workbench, ana, project.id, wanted, "id").asset_ids == [ids[0], ids[1], ids[3]]
    found = browse.ids(workbench, ana, project.id, browse.Filter(), "confidence")
    assert (found.asset_ids[0], found.more) == (ids[2], False)
    job = export.start_export(
        workbench, ana, project.id, export.ExportWanted(format="labelwright", asset_ids=(ids[1], ids[2]))
    )
    assert jobs.wait_for(workbench, job.id).report["rows"] == 2


def test_counters_stay_what_the_rows_say(sqlite_workbench: Workbench) -> None:
    ana, project, ids = _ready(sqlite_workbench, 6)
    for action, some in (
        ("accept", ids[:3]), ("skip", ids[2:5]), ("gold", ids), ("take_back", ids[:2]), ("unskip", ids),
        ("not_gold", ids),
    ):  # fmt: skip
        _act(sqlite_workbench, ana, project, action, *some)  # type: ignore[arg-type]
        with sqlite_workbench.store.read() as tx:
            rows = tx.execute(t.asset.select().where(t.asset.c.project_id == project.id)).all()
            counted = assets.counters(tx, project.id)
        for stage in ("new", "predicted", "labelled", "skipped"):
            assert counted.get(stage, 0) == sum(row.status == stage for row in rows), (action, stage)
        assert counted.get("gold", 0) == sum(row.gold for row in rows), action
