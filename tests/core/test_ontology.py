"""Versions of an ontology: ids are stable, nothing disappears."""

import pytest
from hypothesis import given
from pydantic import ValidationError

from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    SpanQuestion,
    TextQuestion,
    successor,
    with_colours,
)
from tests.strategies import ontologies

A, B, C = (Label(id=x, name=x.upper()) for x in "abc")


@given(ontologies(), ontologies())
def test_no_id_ever_disappears(old: Ontology, new: Ontology) -> None:
    kinds = {q.id: q.kind for q in old.questions}
    if any(kinds.get(q.id, q.kind) != q.kind for q in new.questions):
        with pytest.raises(ValueError, match="cannot become"):
            successor(old, new)
        return
    following = successor(old, new)
    assert following.version == old.version + 1
    for question in old.questions:
        kept = following.question(question.id)
        assert kept is not None
        for label in getattr(question, "labels", ()):
            assert kept.label(label.id) is not None  # type: ignore[union-attr]


def test_a_label_that_is_left_out_is_retired_and_a_renamed_one_keeps_its_id() -> None:
    old = Ontology(version=1, questions=(ChoiceQuestion(id="q", name="Q", labels=(A, B)),))
    new = Ontology(questions=(ChoiceQuestion(id="q", name="Q", labels=(Label(id="a", name="Alpha"), C)),))
    question = successor(old, new).questions[0]
    assert isinstance(question, ChoiceQuestion)
    assert [(label.id, label.name, label.retired) for label in question.labels] == [
        ("a", "Alpha", False), ("c", "C", False), ("b", "B", True),
    ]  # fmt: skip


def test_empty_colours_are_filled_from_the_palette_and_given_ones_kept() -> None:
    red = Label(id="r", name="R", colour="#FF0000")
    coloured = with_colours(Ontology(questions=(SpanQuestion(id="q", name="Q", labels=(A, red)),))).questions[
        0
    ]
    assert isinstance(coloured, SpanQuestion)
    assert [label.colour for label in coloured.labels] == ["#0072B2", "#FF0000"]


@pytest.mark.parametrize(
    "questions",
    [
        (),
        (ChoiceQuestion(id="q", name="Q", labels=(A,)), TextQuestion(id="q", name="Q2")),
        (TextQuestion(id="t", name="T", depends_on=Condition(question="later", labels=("a",))),),
        (TextQuestion(id="t", name="T", retired=True),),
    ],
)
def test_malformed_ontologies_are_refused(questions: tuple[ChoiceQuestion, ...]) -> None:
    with pytest.raises(ValidationError):
        Ontology(questions=questions)


def test_duplicate_labels_are_refused() -> None:
    with pytest.raises(ValidationError, match="same id"):
        ChoiceQuestion(id="q", name="Q", labels=(A, A))
    with pytest.raises(ValidationError, match="same name"):
        ChoiceQuestion(id="q", name="Q", labels=(A, Label(id="z", name="a")))
