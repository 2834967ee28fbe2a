"""Selective trust keeps its promise, and figures of the whole hold whatever order people reviewed in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core import trust
from labelwright.core.calibration import Calibration, fit
from labelwright.core.queue import EVERYTHING
from labelwright.core.trust import Population, Promise, Review

pairs = st.lists(
    st.integers(0, 150).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=10
)  # fmt: skip


def world(n: int = 3_000, seed: int = 0) -> tuple[Population, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    z = rng.normal(2, 1.2, n)
    scores, right = 1 / (1 + np.exp(-1.8 * z)), rng.random(n) < 1 / (1 + np.exp(-z))
    labels = [frozenset({"a"}) if x else frozenset({"b"}) for x in rng.random(n) < 0.3]
    return Population(np.arange(n), scores, labels, np.ones(n, dtype=bool)), right


def review(population: Population, right: np.ndarray, i: int, above: float | None) -> Review:  # type: ignore[type-arg]
    said = population.labels[i]
    true = said if right[i] else frozenset({"a", "b"}) - said
    return Review(i, float(population.scores[i]), bool(right[i]), above, said, true)


@given(pairs)
def test_what_is_chosen_is_shown_and_so_is_everything_stricter(found: list[tuple[int, int]]) -> None:
    promise = Promise()
    at = trust.loosest(found, promise)
    if at is not None:
        assert trust.shows(*found[at], promise)
        assert at + 1 == len(found) or not trust.shows(*found[at + 1], promise)
        tested = [pair for pair in found[: at + 1] if pair[0] >= 59]
        assert all(trust.shows(*pair, promise) for pair in tested)


@given(st.integers(1, 300), st.integers(0, 20))
def test_one_more_right_audit_never_breaks_a_promise(n: int, wrong: int) -> None:
    wrong = min(wrong, n)
    if trust.shows(n, wrong, Promise()):
        assert trust.shows(n + 1, wrong, Promise())
        assert trust.still_shown(n + 1, wrong, Promise(), proven=True)


def test_only_random_draws_from_a_wide_enough_range_are_evidence() -> None:
    made = [
        Review(1, 0.9, True, None),
        Review(2, 0.9, True, 0.8),
        Review(3, 0.9, False, 0.5),
        Review(4, 0.6, True, 0.5),
        Review(5, None, True, EVERYTHING),
    ]
    assert trust.evidence(made, 0.8) == (2, 1)
    assert trust.evidence(made, 0.5) == (2, 1)
    assert trust.evidence(made, 0.4) == (0, 0)


@pytest.mark.parametrize("accuracy", [0.85, 0.92])
def test_the_promise_is_kept_in_the_promised_share_of_draws(accuracy: float) -> None:
    population, right = world()
    promise, rng, draws = Promise(accuracy=accuracy, certainty=0.9), np.random.default_rng(5), 200
    kept = used = 0
    for _ in range(draws):
        sample = rng.choice(len(right), 300, replace=False)
        reviews = [review(population, right, int(i), EVERYTHING) for i in sample]
        steps = trust.steps(population, reviews, Calibration(), promise)
        at = trust.choose(steps, promise)
        used += at is not None
        kept += at is None or right[population.scores >= steps[at].above].mean() >= accuracy
    assert used > draws / 10
    assert kept >= 0.9 * draws


@pytest.mark.parametrize(("least", "checks"), [(0, 80), (300, 80), (600, 200)])
def test_the_interval_for_all_holds_although_the_least_confident_were_reviewed(
    least: int, checks: int
) -> None:
    population, right = world()
    order, rng, draws = np.argsort(population.scores), np.random.default_rng(3), 100
    held = shares = naive = 0
    true_share = np.mean([(label == {"a"}) == r for label, r in zip(population.labels, right, strict=True)])
    for _ in range(draws):
        drawn = rng.choice(order[least:], checks, replace=False)
        reviews = [review(population, right, int(i), None) for i in order[:least]]
        reviews += [review(population, right, int(i), EVERYTHING) for i in drawn]
        fitted = fit(
            [r.score or 0 for r in reviews], [r.right for r in reviews], trust.weights(population, reviews)
        )
        found = trust.outlook(population, reviews, fitted)
        held += found.accuracy.low <= right.mean() <= found.accuracy.high
        naive += abs(np.mean([r.right for r in reviews]) - right.mean()) <= found.half_width
        share = trust.shares(population, reviews, fitted, ["a", "b"])[0].share
        shares += share.low <= true_share <= share.high
    assert held >= 90 and shares >= 90
    if least >= 300:
        assert naive < 20, "reviewed answers alone would have been far off"


def test_what_no_check_could_reach_widens_the_interval() -> None:
    population, right = world()
    middle = float(np.median(population.scores))
    rng = np.random.default_rng(0)
    above = np.flatnonzero(population.scores >= middle)
    reviews = [review(population, right, int(i), middle) for i in rng.choice(above, 200, replace=False)]
    found = trust.outlook(population, reviews, Calibration())
    assert found.unreachable == pytest.approx(1_500, abs=320)
    assert found.accuracy.low <= right.mean() <= found.accuracy.high
    assert found.accuracy.high - found.accuracy.low > 0.4


def test_the_stop_rule_says_when_more_review_is_not_worth_it() -> None:
    population, right = world()
    few = [review(population, right, i, EVERYTHING) for i in range(50)]
    many = [review(population, right, i, EVERYTHING) for i in range(2_500)]
    assert "more are needed" in trust.verdict(trust.outlook(population, few, Calibration()))
    assert "hardly worth it" in trust.verdict(trust.outlook(population, many, Calibration()))
    nothing = trust.outlook(population, [], Calibration())
    assert nothing.accuracy.n == 0 and (nothing.accuracy.low, nothing.accuracy.high) == (0, 1)
    assert "Nothing can be said" in trust.verdict(nothing)


def test_answers_without_a_confidence_are_counted_but_never_trusted() -> None:
    scores = np.array([np.nan, np.nan, 0.9, 0.9])
    population = Population(np.arange(4), scores, [frozenset()] * 4, np.ones(4, dtype=bool))
    assert trust.grid(scores) == [0.9]
    assert trust.step(0.0, population, [], Calibration(), Promise()).waiting == 2
    assert trust.grid(np.array([np.nan])) == []
