"""Nested labels and relations: what an ontology may say, and when two sets of answers mean the same."""

from typing import Any

import pytest

from labelwright.core.answer import Answers, Relation, RelationAnswer, Span, SpanAnswer
from labelwright.core.compare import (
    Tally,
    agreement,
    changed_questions,
    comparable,
    match_links,
    match_relations,
)
from labelwright.core.errors import Invalid
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, RelationQuestion, SpanQuestion
from labelwright.core.transfer import Opinion, resolve
from labelwright.flows.setup import parse_ontology

SPANS = SpanQuestion(id="e", name="E", labels=(Label(id="per", name="Person"), Label(id="org", name="Org")))
RELATION = RelationQuestion(
    id="r", name="R", labels=(Label(id="of", name="of"),), from_question="e", to_question="e", directed=False
)
ONTOLOGY = Ontology(questions=(SPANS, RELATION))


def answers(prefix: str, *pairs: tuple[int, int], third: str = "org") -> Answers:
    spans = tuple(
        Span(id=f"{prefix}{n}", start=5 * n, end=5 * n + 4, label=third if n == 2 else "per")
        for n in range(3)
    )
    relations = tuple(
        Relation(id=f"{prefix}r{i}", label="of", from_id=f"{prefix}{a}", to_id=f"{prefix}{b}")
        for i, (a, b) in enumerate(pairs)
    )
    return Answers.of({"e": SpanAnswer(spans=spans), "r": RelationAnswer(relations=relations)})


def test_relations_of_two_people_are_compared_by_what_they_join() -> None:
    one, other = answers("a", (0, 1), (1, 2)), answers("b", (2, 1), (1, 0))
    assert changed_questions(ONTOLOGY, one, other) == []
    directed = Ontology(questions=(SPANS, RELATION.model_copy(update={"directed": True})))
    assert changed_questions(directed, one, other) == ["r"]


def test_relation_f1_is_strict_about_borders_and_labels_of_the_ends() -> None:
    predicted, true = (
        comparable(ONTOLOGY, each)
        for each in (answers("a", (0, 1), (1, 2), third="per"), answers("b", (0, 1), (1, 2)))
    )
    said, meant = predicted.get("r"), true.get("r")
    assert isinstance(said, RelationAnswer) and isinstance(meant, RelationAnswer)
    assert match_relations(said, meant) == Tally(matched=1, extra=1, missing=1)
    assert agreement(said, meant) == agreement(meant, said) == 0.5


def test_links_count_where_the_span_was_found() -> None:
    def spans(*links: str | None) -> SpanAnswer:
        return SpanAnswer(
            spans=tuple(Span(id=str(n), start=n, end=n + 1, label="per", link=x) for n, x in enumerate(links))
        )

    assert match_links(spans("Q1", "NIL", "Q3"), spans("Q1", "Q2", None, "Q4")) == (1, 2)
    assert agreement(spans("Q1"), spans("Q2")) == 0.0
    assert agreement(spans("Q1"), spans("Q1")) == 1.0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([Label(id="a", name="A", parent="b"), Label(id="b", name="B", parent="a")], "circle"),
        ([Label(id="a", name="A", parent="zzz")], "unknown label"),
        ([Label(id="a", name="A", retired=True), Label(id="b", name="B", parent="a")], "retired label"),
        ([Label(id="a", name="A"), Label(id="b", name="X", parent="a"), Label(id="c", name="x", parent="a")], "same name"),
        ([Label(id="a", name="A"), Label(id="b", name="B", parent="a"), Label(id="c", name="A > B")], "same name"),
    ],
)  # fmt: skip
def test_a_tree_of_labels_must_be_one(labels: list[Label], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChoiceQuestion(id="q", name="Q", labels=tuple(labels))
    with pytest.raises(ValueError, match="cannot be nested"):
        SpanQuestion(id="q", name="Q", labels=(Label(id="a", name="A"), Label(id="b", name="B", parent="a")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"from_question": "zzz"}, "marks nothing"),
        ({"to_labels": ("zzz",)}, "unknown label"),
    ],
)
def test_a_relation_joins_marks_that_exist(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ontology(questions=(SPANS, RELATION.model_copy(update=changes)))
    with pytest.raises(ValueError, match="must come after"):
        Ontology(questions=(RELATION, SPANS))
    with pytest.raises(ValueError, match="is retired"):
        Ontology(questions=(SPANS.model_copy(update={"retired": True}), RELATION))


def test_children_and_names_in_a_request_become_parents_and_ids() -> None:
    found = parse_ontology(
        {
            "questions": [
                {"kind": "choice", "name": "Topic", "labels": [{"name": "A", "children": ["Other", {"name": "B", "children": ["C"]}]}, {"name": "D", "children": ["Other"]}]},
                {"kind": "span", "name": "Things", "labels": ["x y"], "depends_on": {"question": "Topic", "labels": ["B"]}},
                {"kind": "relation", "name": "Joined", "labels": ["with"], "from_question": "Things", "to_question": "Things", "from_labels": ["x y"]},
            ]
        }
    )  # fmt: skip
    topic, things, joined = found.questions
    assert isinstance(topic, ChoiceQuestion) and isinstance(joined, RelationQuestion)
    assert list(topic.shown_names.values()) == ["A", "A > Other", "A > B", "A > B > C", "D", "D > Other"]
    assert [label.id for label in topic.labels] == ["a", "other", "b", "c", "d", "other_2"]
    assert joined.from_labels == ("x_y",) and joined.from_question == things.id == "things"
    assert things.depends_on is not None and things.depends_on.labels == ("b",)
    deep: Any = ["z"]
    for _ in range(20):
        deep = [{"name": "y", "children": deep}]
    with pytest.raises(Invalid):
        parse_ontology({"questions": [{"kind": "choice", "name": "Q", "labels": deep}]})


def test_an_imported_relation_goes_with_the_spans_it_joins() -> None:
    spans = [
        {"id": "1", "start": 0, "end": 4, "label": "Person"},
        {"id": "2", "start": 5, "end": 9, "label": "org"},
    ]
    good = resolve(Opinion("person", {"r": [("1", "of", "2")], "e": spans}), ONTOLOGY, 20)
    assert [len(good[0]), good[2]] == [2, []]
    bad = resolve(Opinion("person", {"r": [("1", "of", "2")], "e": [*spans, spans[0]]}), ONTOLOGY, 20)
    assert len(bad[0]) == 0
    assert {p.code for p in bad[2]} == {"spans_overlap", "duplicate_id", "unknown_end"}
