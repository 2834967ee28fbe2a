"""What a model takes for what."""

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.answer import Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer
from labelwright.core.confusions import confusions
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, ScalarQuestion, SpanQuestion

LABELS = tuple(Label(id=x, name=x.upper()) for x in "abc")
ONTOLOGY = Ontology(
    questions=(
        ChoiceQuestion(id="c", name="C", labels=LABELS),
        SpanQuestion(id="s", name="S", labels=LABELS),
        ScalarQuestion(id="n", name="N", type="boolean"),
    )
)


def spans(*marks: tuple[int, int, str]) -> Answers:
    return Answers.of(
        {
            "s": SpanAnswer(
                spans=tuple(Span(id=str(i), start=a, end=b, label=x) for i, (a, b, x) in enumerate(marks))
            )
        }
    )


def pairs(said: Answers, right: Answers) -> list[tuple[str | None, str | None]]:
    return [(each.said, each.right) for each in confusions(ONTOLOGY, [(1, said, right)])]


def test_a_label_that_people_replaced_is_counted_with_some_of_its_assets() -> None:
    a, b = (Answers.of({"c": ChoiceAnswer(labels=(x,))}) for x in "ab")
    rows = confusions(ONTOLOGY, [*((i, a, b) for i in range(9)), (20, b, a), (21, a, a)])
    assert [(r.question, r.said, r.right, r.n) for r in rows] == [("c", "a", "b", 9), ("c", "b", "a", 1)]
    assert rows[0].asset_ids == (0, 1, 2, 3, 4)


def test_marks_are_paired_where_they_overlap() -> None:
    assert pairs(spans((0, 3, "a")), spans((0, 3, "b"))) == [("a", "b")]
    assert pairs(spans((0, 3, "a")), spans((0, 5, "a"))) == [("a", "a")], "other borders"
    assert pairs(spans((0, 3, "a")), spans((7, 9, "b"))) == [(None, "b"), ("a", None)]
    assert pairs(spans((0, 3, "a")), Answers()) == [("a", None)]


def test_values_and_sets_of_labels_are_counted_too() -> None:
    yes, no = (Answers.of({"n": ScalarAnswer(value=value)}) for value in (True, False))
    assert pairs(yes, no) == [("True", "False")]
    many, few = (Answers.of({"c": ChoiceAnswer(labels=tuple(x))}) for x in ("ab", "b"))
    assert pairs(many, few) == [("a", None)] and pairs(few, many) == [(None, "a")]


marks = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.sampled_from("abc")), max_size=6)


@given(marks, marks)
def test_every_mark_that_differs_is_counted_once_on_its_side(
    one: list[tuple[int, int, str]], other: list[tuple[int, int, str]]
) -> None:
    ours, theirs = ({(a, a + n, x) for a, n, x in each} for each in (one, other))
    rows = confusions(ONTOLOGY, [(1, spans(*ours), spans(*theirs))])
    assert sum(row.n for row in rows if row.said is not None) == len(ours - theirs)
    assert sum(row.n for row in rows if row.right is not None) == len(theirs - ours)
