"""Laws of `conform`: good answers have no problems, each kind of damage is reported at its path."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    Relation,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.conform import conform
from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from tests.strategies import answers_for, ontologies, sizes, texts

YES_NO = (Label(id="yes", name="Yes"), Label(id="no", name="No"), Label(id="old", name="Old", retired=True))
ONTOLOGY = Ontology(
    version=1,
    questions=(
        ChoiceQuestion(id="one", name="One", labels=YES_NO, required=False),
        ChoiceQuestion(id="many", name="Many", labels=YES_NO, multiple=True, required=False),
        ScalarQuestion(id="rating", name="Rating", minimum=1, maximum=5, required=False),
        ScalarQuestion(id="flag", name="Flag", type="boolean", required=False),
        TextQuestion(id="note", name="Note", max_length=5, required=False),
        SpanQuestion(id="flat", name="Flat", labels=YES_NO, required=False),
        SpanQuestion(id="nested", name="Nested", labels=YES_NO, overlap=True, required=False),
        ChoiceQuestion(
            id="tree",
            name="Tree",
            leaves_only=True,
            required=False,
            labels=(Label(id="top", name="Top"), Label(id="leaf", name="Leaf", parent="top")),
        ),
        RelationQuestion(
            id="rel",
            name="Rel",
            labels=YES_NO,
            from_question="flat",
            to_question="nested",
            to_labels=("yes",),
            required=False,
        ),
        RelationQuestion(
            id="pair",
            name="Pair",
            labels=YES_NO,
            from_question="nested",
            to_question="nested",
            directed=False,
            required=False,
        ),
        TextQuestion(id="why", name="Why", depends_on=Condition(question="one", labels=("no",))),
    ),
)


@given(st.data())
def test_generated_answers_have_no_problems(data: st.DataObject) -> None:
    ontology, text = data.draw(ontologies()), data.draw(texts)
    answers = data.draw(answers_for(ontology, len(text)))
    assert conform(ontology, answers, len(text)) == []


@given(st.data())
def test_partial_answers_have_no_problems_where_completeness_is_not_asked(data: st.DataObject) -> None:
    ontology, text = data.draw(ontologies()), data.draw(texts)
    answers = data.draw(answers_for(ontology, len(text), complete=False))
    assert conform(ontology, answers, len(text), complete=False) == []


@settings(max_examples=40)
@given(st.data())
def test_generated_answers_to_an_image_have_no_problems(data: st.DataObject) -> None:
    ontology, size = data.draw(ontologies("image")), data.draw(sizes)
    answers = data.draw(answers_for(ontology, size))
    assert conform(ontology, answers, size) == []
    fewer = data.draw(answers_for(ontology, size, complete=False))
    assert conform(ontology, fewer, size, complete=False) == []


def span(start: int, end: int, label: str = "yes", key: str = "s") -> Span:
    return Span(id=key, start=start, end=end, label=label)


@pytest.mark.parametrize(
    ("question", "answer", "code", "where"),
    [
        ("nobody", TextAnswer(text="x"), "unknown_question", "nobody"),
        ("one", TextAnswer(text="x"), "wrong_kind", "one"),
        ("one", ChoiceAnswer(labels=("maybe",)), "unknown_label", "one/labels/0"),
        ("one", ChoiceAnswer(labels=("old",)), "retired_label", "one/labels/0"),
        ("one", ChoiceAnswer(labels=("yes", "no")), "too_many_labels", "one/labels"),
        ("one", ChoiceAnswer(labels=()), "missing_answer", "one/labels"),
        ("many", ChoiceAnswer(labels=("yes", "yes")), "duplicate_label", "many/labels"),
        ("rating", ScalarAnswer(value=6), "out_of_bounds", "rating/value"),
        ("rating", ScalarAnswer(value=2.5), "not_an_integer", "rating/value"),
        ("rating", ScalarAnswer(value=True), "wrong_kind", "rating/value"),
        ("flag", ScalarAnswer(value=1), "wrong_kind", "flag/value"),
        ("note", TextAnswer(text="too long"), "too_long", "note/text"),
        ("flat", SpanAnswer(spans=(span(3, 3),)), "empty_span", "flat/spans/0"),
        ("flat", SpanAnswer(spans=(span(8, 11),)), "span_outside", "flat/spans/0"),
        ("flat", SpanAnswer(spans=(span(0, 5), span(4, 8, key="t"))), "spans_overlap", "flat/spans/1"),
        ("flat", SpanAnswer(spans=(span(0, 2), span(4, 8))), "duplicate_id", "flat"),
        (
            "flat",
            SpanAnswer(spans=(span(0, 2).model_copy(update={"link": "Q1"}),)),
            "not_linked",
            "flat/spans/0/link",
        ),
        ("tree", ChoiceAnswer(labels=("top",)), "not_a_leaf", "tree/labels/0"),
        ("why", TextAnswer(text="because"), "not_asked", "why"),
    ],
)
def test_each_damage_is_reported_at_its_path(question: str, answer: Answer, code: str, where: str) -> None:
    problems = conform(ONTOLOGY, Answers.of({question: answer}), 10, complete=False)
    assert [(p.code, p.where) for p in problems] == [(code, where)]


MARKED: dict[str, Answer] = {
    "flat": SpanAnswer(spans=(span(0, 2, key="f"),)),
    "nested": SpanAnswer(spans=(span(0, 5, key="n"), span(4, 8, "no", key="m"), span(0, 1, key="o"))),
}


def joined(from_id: str, to_id: str, label: str = "yes", key: str = "r") -> Relation:
    return Relation(id=key, from_id=from_id, to_id=to_id, label=label)


@pytest.mark.parametrize(
    ("question", "relations", "code", "where"),
    [
        ("rel", (joined("f", "n", "maybe"),), "unknown_label", "rel/relations/0/label"),
        ("rel", (joined("f", "n"), joined("x", "n", key="s")), "unknown_end", "rel/relations/1/from_id"),
        ("rel", (joined("n", "n"),), "unknown_end", "rel/relations/0/from_id"),
        ("rel", (joined("f", "m"),), "wrong_end", "rel/relations/0/to_id"),
        ("rel", (joined("f", "n"), joined("f", "n", key="s")), "duplicate_relation", "rel/relations/1"),
        ("rel", (joined("f", "n"), joined("f", "o")), "duplicate_id", "rel"),
        ("pair", (joined("n", "n"),), "self_relation", "pair/relations/0"),
        ("pair", (joined("n", "m"), joined("m", "n", key="s")), "duplicate_relation", "pair/relations/1"),
    ],
)
def test_each_damage_of_a_relation_is_reported_at_its_path(
    question: str, relations: tuple[Relation, ...], code: str, where: str
) -> None:
    answers = Answers.of({**MARKED, question: RelationAnswer(relations=relations)})
    found = [(p.code, p.where) for p in conform(ONTOLOGY, answers, 10, complete=False)]
    # A start that is of another question is also the end itself here.
    assert (code, where) in found and {c for c, _ in found} <= {code, "self_relation"}
    assert conform(ONTOLOGY, Answers.of(MARKED), 10, complete=False) == []


def test_overlap_is_fine_where_the_question_allows_it() -> None:
    answer = SpanAnswer(spans=(span(0, 5), span(4, 8, key="t")))
    assert conform(ONTOLOGY, Answers.of({"nested": answer}), 10) == []


def test_a_dependent_question_is_required_only_when_it_is_asked() -> None:
    yes, no = ChoiceAnswer(labels=("yes",)), ChoiceAnswer(labels=("no",))
    assert conform(ONTOLOGY, Answers.of({"one": yes}), 10) == []
    assert [p.code for p in conform(ONTOLOGY, Answers.of({"one": no}), 10)] == ["missing_answer"]
