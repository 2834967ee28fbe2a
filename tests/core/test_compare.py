"""Laws of comparison: symmetric, in [0, 1], 1 for the same meaning."""

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.answer import ChoiceAnswer, ScalarAnswer, Span, SpanAnswer, same_meaning
from labelwright.core.compare import Tally, agreement, match_spans
from tests.strategies import answer_to, ontologies


@given(st.data())
def test_agreement_is_symmetric_and_one_with_itself(data: st.DataObject) -> None:
    question = data.draw(ontologies()).questions[0]
    one, other = data.draw(answer_to(question, 30)), data.draw(answer_to(question, 30))
    assert agreement(one, one) == 1.0
    assert agreement(one, other) == agreement(other, one)
    assert 0.0 <= agreement(one, other) <= 1.0
    assert same_meaning(one, other) == (agreement(one, other) == 1.0)


def test_ids_scores_and_order_do_not_change_the_meaning() -> None:
    left = SpanAnswer(
        spans=(Span(id="a", start=0, end=2, label="x", score=0.1), Span(id="b", start=3, end=4, label="y"))
    )
    right = SpanAnswer(
        spans=(Span(id="c", start=3, end=4, label="y"), Span(id="d", start=0, end=2, label="x"))
    )
    assert same_meaning(left, right)
    assert same_meaning(ChoiceAnswer(labels=("a", "b")), ChoiceAnswer(labels=("b", "a")))
    assert same_meaning(ScalarAnswer(value=3), ScalarAnswer(value=3.0))
    assert not same_meaning(ScalarAnswer(value=True), ScalarAnswer(value=1))


def test_span_tally_counts_strictly() -> None:
    predicted = SpanAnswer(
        spans=(Span(id="1", start=0, end=2, label="x"), Span(id="2", start=5, end=6, label="x"))
    )
    true = SpanAnswer(
        spans=(Span(id="3", start=0, end=2, label="x"), Span(id="4", start=5, end=7, label="x"))
    )
    tally = match_spans(predicted, true)
    assert tally == Tally(matched=1, extra=1, missing=1)
    assert (tally.precision, tally.recall, tally.f1) == (0.5, 0.5, 0.5)
