"""Overlap of a model, people and gold on both databases: figures, and the assets behind each of them."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from labelwright.cli.main import app
from labelwright.core.access import Actor
from labelwright.core.answer import Answers, Region, RegionAnswer
from labelwright.core.errors import Invalid, NotAllowed, NotFound
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.project import Project, ProjectSettings
from labelwright.core.shape import Box
from labelwright.flows import annotate, overlap, people, setup
from labelwright.flows.overlap import Wanted
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.factories import add_images, add_person, predict, submission

ONTOLOGY = Ontology(
    questions=(
        RegionQuestion(
            id="dice", name="Dice", labels=(Label(id="one", name="One"), Label(id="two", name="Two"))
        ),
    )
)
QUIET = ProjectSettings(order="arrival", learn_every=0, audit_share=0, people_per_asset=2)


def marked(*given: tuple[float, str], score: float | None = None) -> Answers:
    regions = tuple(
        Region(id=f"r{i}", label=label, shape=Box(x=x, y=5, width=10, height=10), score=score)
        for i, (x, label) in enumerate(given)
    )
    return Answers.of({"dice": RegionAnswer(regions=regions)})


def submit(bench: Workbench, actor: Actor, project: Project, asset_id: int, answers: Answers) -> None:
    annotate.submit(bench, actor, project.id, asset_id, submission(answers))


@pytest.fixture
def made(workbench: Workbench) -> tuple[Workbench, Actor, Actor, Project, list[int]]:
    """Three photos: on the second the model is a little off, on the third everything that can differ differs."""
    ana, ben = add_person(workbench, is_admin=True), add_person(workbench, "ben")
    project = setup.create_project(workbench, ana, "Dice", ONTOLOGY, modality="image", settings=QUIET)
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    ids = add_images(workbench, project, 3)
    true = [marked((5, "one")), marked((5, "one"), (30, "two")), marked((0, "one"), (20, "one"), (40, "two"))]
    said = [marked((5, "one"), score=0.9), marked((6, "one"), (30, "two"), score=0.8)]
    said.append(marked((0, "two"), (26, "one"), (54, "two"), score=0.7))
    for asset_id, model, person in zip(ids, said, true, strict=True):
        predict(workbench, project, asset_id, 0.7, model)
        submit(workbench, ana, project, asset_id, person)
    with workbench.store.write() as tx:
        for asset_id, person in zip(ids[:2], true, strict=False):
            row = {"asset_id": asset_id, "project_id": project.id, "answers": person.model_dump(mode="json")}
            tx.execute(t.gold.insert().values(**row, created_at=workbench.now()))
            tx.execute(t.asset.update().where(t.asset.c.id == asset_id).values(gold=True))
    return workbench, ana, ben, project, ids


Made = tuple[Workbench, Actor, Actor, Project, list[int]]


def test_a_model_against_people_is_counted_by_label_and_kind(made: Made) -> None:
    bench, ana, _, project, _ = made
    (found,) = overlap.view(bench, ana, project.id).questions
    total = found.total
    assert (total.matched, total.wrong_label, total.low_overlap, total.extra, total.missing) == (
        3,
        1,
        1,
        1,
        1,
    )
    assert (total.predicted, total.true, total.precision, total.recall) == (6, 6, 0.5, 0.5)
    one, two = found.labels
    assert (one.name, one.matched, one.wrong_label, one.low_overlap, one.true) == ("One", 2, 1, 1, 4)
    assert (two.matched, two.extra, two.missing, two.predicted, two.true) == (1, 1, 1, 3, 2)
    assert [(m.said, m.right, m.n) for m in found.mixed] == [("two", "one", 1)]
    assert one.mean_iou == pytest.approx((1 + 9 / 11) / 2) and sum(found.histogram) == 4
    assert one.average_precision is not None and found.n == 3
    # A higher threshold makes the box that is a little off a low overlap.
    stricter = overlap.view(bench, ana, project.id, threshold=0.9).questions[0].total
    assert (stricter.matched, stricter.low_overlap) == (2, 2)


def test_every_figure_opens_the_assets_behind_it_worst_first(made: Made) -> None:
    bench, ana, _, project, ids = made

    def listed(**wanted: Any) -> list[int]:
        page = overlap.differences(bench, ana, project.id, Wanted(question="dice", **wanted))
        assert page.total == len(page.rows)
        return [row.asset_id for row in page.rows]

    assert listed() == [ids[2]]
    assert listed(kind="any") == [ids[2], ids[1], ids[0]]
    assert listed(kind="matched", label="two") == [ids[1]]
    assert listed(kind="wrong_label", label="one", said="two") == [ids[2]]
    assert listed(kind="wrong_label", label="one", said="one") == []
    assert listed(kind="low_overlap", label="two") == []
    (worst,) = overlap.differences(bench, ana, project.id, Wanted(question="dice")).rows
    assert worst.predicted_kinds == ("wrong_label", "low_overlap", "extra")
    assert worst.true_kinds == ("wrong_label", "low_overlap", "missing")
    assert (worst.predicted_by, worst.true_by, worst.external_id) == ("test", "ana", "photo-2.png")
    assert worst.image is not None and (worst.image.width, worst.image.height) == (64, 48)
    every = Wanted(question="dice", kind="any")
    first = overlap.differences(bench, ana, project.id, every, limit=2)
    rest = overlap.differences(bench, ana, project.id, every, limit=2, after=first.next)
    assert [len(first.rows), len(rest.rows), rest.next, rest.total] == [2, 1, None, 3]


def test_people_are_compared_two_by_two_and_a_submission_changes_the_figures(made: Made) -> None:
    bench, ana, ben, project, ids = made
    assert overlap.view(bench, ana, project.id, "people").questions[0].n == 0
    submit(bench, ben, project, ids[0], marked((6, "one")))
    (found,) = overlap.view(bench, ana, project.id, "people").questions
    assert found.n == 1 and found.total.matched == 1 and found.total.average_precision is None
    assert [(s.predicted_by, s.true_by, s.f1) for s in found.sides] == [("ben", "ana", 1.0)]


def test_gold_is_what_models_and_people_are_measured_by_and_annotators_do_not_see_it(made: Made) -> None:
    bench, ana, ben, project, _ = made
    model = overlap.view(bench, ana, project.id, "model_gold").questions[0]
    assert (model.n, model.total.matched, model.total.recall) == (2, 3, 1.0)
    person = overlap.view(bench, ana, project.id, "people_gold").questions[0]
    assert (person.total.f1, [side.true_by for side in person.sides]) == (1.0, ["gold"])
    people.set_member(bench, ana, project.id, ben.user_id, "reviewer")
    wanted = Wanted(question="dice", kind="any")
    assert len(overlap.differences(bench, ben, project.id, wanted).rows) == 3
    with pytest.raises(NotAllowed):
        overlap.differences(bench, ben, project.id, wanted, "model_gold")
    people.set_member(bench, ana, project.id, ben.user_id, "annotator")
    with pytest.raises(NotAllowed):
        overlap.view(bench, ben, project.id)


def test_wrong_calls_say_what_is_wrong(made: Made) -> None:
    bench, ana, _, project, _ = made
    with pytest.raises(Invalid, match="threshold"):
        overlap.view(bench, ana, project.id, threshold=0.0)
    with pytest.raises(NotFound):
        overlap.differences(bench, ana, project.id, Wanted(question="nobody"))
    with pytest.raises(Invalid, match="cursor"):
        overlap.differences(bench, ana, project.id, Wanted(question="dice"), after="-1")


def test_the_command_prints_a_table_and_json(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, _, _, _, _ = made
    if bench.store.engine.dialect.name != "sqlite":
        pytest.skip("the command opens its own workbench; one database is enough")
    home = str(bench.settings.home)
    shown = CliRunner().invoke(app, ["overlap", "Dice", "--home", home])
    assert shown.exit_code == 0, shown.output
    assert (
        "1 differ" in shown.output
        and "photo-2.png" in shown.output
        and "1 of one taken for two" in shown.output
    )
    body = json.loads(CliRunner().invoke(app, ["overlap", "Dice", "--json", "--home", home]).output)
    assert body["questions"][0]["total"]["matched"] == 3
    assert body["assets"]["dice"][0]["external_id"] == "photo-2.png"
