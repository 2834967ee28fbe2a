"""A number that counts regions: a mismatch is remarked on and never refused."""

import pytest

from labelwright.core.answer import Answers, Region, RegionAnswer, ScalarAnswer
from labelwright.core.conform import conform, remarks
from labelwright.core.ontology import CountOf, Label, Ontology, Question, RegionQuestion, ScalarQuestion
from labelwright.core.shape import Box
from labelwright.flows import annotate, setup
from labelwright.workbench import Workbench
from tests.factories import add_images, add_person, submission

DICE = RegionQuestion(
    id="dice", name="Dice", labels=(Label(id="one", name="One"), Label(id="six", name="Six"))
)


def asked(*labels: str) -> ScalarQuestion:
    return ScalarQuestion(id="n", name="How many", count_of=CountOf(question="dice", labels=labels))


def said(n: int, *labels: str) -> Answers:
    regions = tuple(
        Region(id=f"r{i}", label=label, shape=Box(x=3 * i, y=1, width=2, height=2))
        for i, label in enumerate(labels)
    )
    return Answers.of({"dice": RegionAnswer(regions=regions), "n": ScalarAnswer(value=n)})


def test_a_number_is_compared_with_the_regions_of_its_labels() -> None:
    every, sixes = (Ontology(questions=(DICE, asked(*labels))) for labels in ((), ("six",)))
    assert remarks(every, said(3, "one", "six", "six")) == []
    assert remarks(sixes, said(2, "one", "six", "six")) == []
    (found,) = remarks(sixes, said(3, "one", "six", "six"))
    assert (found.code, found.where, found.message) == (
        "count_differs",
        "n",
        "'How many' says 3, 2 are marked",
    )
    assert conform(sixes, said(3, "one", "six", "six"), (40, 40)) == []
    assert remarks(sixes, Answers.of({"n": ScalarAnswer(value=3)})) == []


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ((DICE, asked("seven")), "unknown label"),
        ((asked(),), "marks no regions"),
        ((DICE.model_copy(update={"retired": True}), asked()), "marks no regions"),
    ],
)
def test_what_is_counted_has_to_be_there(questions: tuple[Question, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ontology(questions=questions)
    with pytest.raises(ValueError, match="whole number"):
        ScalarQuestion(id="n", name="N", type="boolean", count_of=CountOf(question="dice"))


def test_a_submission_with_another_count_is_stored_and_remarked_on(sqlite_workbench: Workbench) -> None:
    ana = add_person(sqlite_workbench)
    ontology = Ontology(questions=(DICE, asked()))
    project = setup.create_project(sqlite_workbench, ana, "Dice", ontology, modality="image")
    first, second = add_images(sqlite_workbench, project, 2)
    good = annotate.submit(sqlite_workbench, ana, project.id, first, submission(said(1, "six")))
    assert good.problems == ()
    bad = annotate.submit(sqlite_workbench, ana, project.id, second, submission(said(2, "six")))
    assert bad.outcome == "stored" and [p.code for p in bad.problems] == ["count_differs"]
