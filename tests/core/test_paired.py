"""Paired comparisons: the laws they obey, the references they agree with, and how often their intervals hold."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labelwright.core.compare import Tally
from labelwright.core.paired import (
    ALPHA,
    compare_f1,
    compare_right,
    compare_scores,
    f1_interval,
    holm,
    judge,
    mcnemar_exact,
    newcombe,
    wilson,
)

pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)
counts = st.integers(0, 60)
tallies = st.builds(Tally, matched=st.integers(0, 4), extra=st.integers(0, 3), missing=st.integers(0, 3))


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test_of_scipy(only_first: int, only_second: int) -> None:
    n = only_first + only_second
    wanted = stats.binomtest(only_first, n, 0.5).pvalue if n else 1.0
    assert mcnemar_exact(only_first, only_second) == pytest.approx(wanted, rel=1e-6)


def test_mcnemar_of_many_thousands_is_still_a_number() -> None:
    assert 0 < mcnemar_exact(10_000, 10_400) < 0.01
    assert mcnemar_exact(0, 5_000) == pytest.approx(0.0)


@given(counts, st.integers(0, 60))
def test_wilson_is_the_interval_of_scipy(right: int, more: int) -> None:
    n = right + more
    if n:
        wanted = stats.binomtest(right, n).proportion_ci(method="wilson")
        assert (wilson(right, n).low, wilson(right, n).high) == pytest.approx(
            (wanted.low, wanted.high), abs=1e-9
        )


def test_newcombe_gives_the_published_interval() -> None:
    # Newcombe 1998, the first worked example of method 10: 36, 12, 2 and 0 of 50.
    found = newcombe(36, 2, 12, 0)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


@given(pairs)
def test_swapping_the_two_turns_the_sign_and_nothing_else(rows: list[tuple[bool, bool]]) -> None:
    one, two = [a for a, _ in rows], [b for _, b in rows]
    there, back = compare_right(one, two), compare_right(two, one)
    assert there.difference == pytest.approx(-back.difference)
    assert there.p == back.p
    assert (there.interval.low, there.interval.high) == pytest.approx(
        (-back.interval.high, -back.interval.low)
    )
    assert there.interval.low - 1e-9 <= there.difference <= there.interval.high + 1e-9


@given(pairs)
def test_what_both_get_right_does_not_change_p(rows: list[tuple[bool, bool]]) -> None:
    more = [*rows, (True, True), (False, False)]
    few, many = (compare_right([a for a, _ in r], [b for _, b in r]) for r in (rows, more))
    assert few.p == many.p


@settings(max_examples=25)
@given(st.lists(st.tuples(tallies, tallies), min_size=1, max_size=30), st.integers(0, 3))
def test_f1_is_that_of_the_sums_and_lies_in_its_interval(rows: list[tuple[Tally, Tally]], seed: int) -> None:
    one, two = [a for a, _ in rows], [b for _, b in rows]
    found = compare_f1(one, two, seed=seed)
    assert found.first == pytest.approx(sum(one, Tally()).f1) and found.second == pytest.approx(
        sum(two, Tally()).f1
    )
    assert found.interval.low <= found.difference <= found.interval.high
    assert compare_f1(one, two, seed=seed) == found
    assert 0 < found.p <= 1
    mine = f1_interval(one, seed=seed)
    assert mine.low <= found.first <= mine.high


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_and_keeps_their_order(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(p <= q <= min(1.0, len(ps) * p) + 1e-12 for p, q in zip(ps, corrected, strict=True))
    assert [q for _, q in sorted(zip(ps, corrected, strict=True))] == sorted(corrected)


def test_holm_gives_the_textbook_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_same_answers_show_no_difference_and_no_number_that_would() -> None:
    same = compare_right([True, False, True], [True, False, True])
    [verdict] = judge([same])
    assert (verdict.outcome, verdict.more_needed, same.p) == ("undecided", None, 1.0)


def test_a_clear_difference_is_real_and_one_among_many_has_to_be_clearer() -> None:
    # 12 assets against 2: p = 0.013 alone, 0.077 as one of six.
    first = [True] * 50 + [False] * 12 + [True] * 2
    second = [True] * 50 + [True] * 12 + [False] * 2
    pair = compare_right(first, second)
    assert pair.p == pytest.approx(0.0129, abs=1e-4)
    assert judge([pair])[0].outcome == "better"
    assert judge([compare_right(second, first)])[0].outcome == "worse"
    among = judge([pair] + [compare_right(first, first)] * 5)
    assert among[0].outcome == "undecided" and among[0].more_needed is not None


@pytest.mark.parametrize("apart", [(14, 22), (30, 45)])
def test_about_so_many_more_gold_assets_do_show_it(apart: tuple[int, int]) -> None:
    rnd = random.Random(7)
    only_first, only_second = apart
    n = 300
    pair = compare_right(
        [True] * only_first + [False] * only_second + [True] * (n - sum(apart)),
        [False] * only_first + [True] * only_second + [True] * (n - sum(apart)),
    )
    [verdict] = judge([pair])
    assert verdict.outcome == "undecided" and verdict.more_needed is not None
    total, shown = n + verdict.more_needed, 0
    for _ in range(200):
        drawn = [rnd.random() for _ in range(total)]
        b = sum(x < only_first / n for x in drawn)
        c = sum(only_first / n <= x < sum(apart) / n for x in drawn)
        shown += mcnemar_exact(b, c) < ALPHA
    assert 0.70 <= shown / 200 <= 0.90


def test_newcombes_interval_holds_as_often_as_it_says() -> None:
    rnd = random.Random(3)
    for p_first, p_second, tie in [(0.85, 0.9, 0.5), (0.95, 0.95, 0.0), (0.6, 0.7, 0.8)]:
        held = 0
        for _ in range(600):
            one, two = [], []
            for _ in range(80):
                x = rnd.random()
                y = x if rnd.random() < tie else rnd.random()
                one.append(x < p_first)
                two.append(y < p_second)
            interval = compare_right(one, two).interval
            held += interval.low <= p_second - p_first <= interval.high
        assert held / 600 >= 0.93


def test_the_bootstrap_holds_about_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelwright.core.paired.DRAWS", 400)
    rnd = random.Random(5)
    held = false_alarms = 0
    for i in range(150):
        one = [min(1.0, max(0.0, rnd.gauss(0.6, 0.2))) for _ in range(60)]
        two = [min(1.0, max(0.0, score + rnd.gauss(0.05, 0.1))) for score in one]
        # Cut at 1 and 0, so the true difference is a little below 0.05; estimated once from many.
        found = compare_scores(one, two, seed=i)
        held += found.interval.low <= 0.0477 <= found.interval.high
        mixed = [(a, b) if rnd.random() < 0.5 else (b, a) for a, b in zip(one, two, strict=True)]
        false_alarms += compare_scores([a for a, _ in mixed], [b for _, b in mixed], seed=i).p < ALPHA
    assert held / 150 >= 0.88
    assert false_alarms / 150 <= 0.10


def test_columns_of_unequal_length_are_a_wrong_call() -> None:
    with pytest.raises(ValueError, match="same assets"):
        compare_right([True], [])
    assert math.isfinite(compare_right([True], [False]).error)
