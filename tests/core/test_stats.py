"""Statistics against independent implementations, and the laws they keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference
from sklearn import metrics

from labelwright.core import stats

counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
outcomes = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=80)


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_exact_and_wilson_intervals_are_those_of_scipy(kn: tuple[int, int], level: float) -> None:
    k, n = kn
    if n == 0:
        assert (
            stats.clopper_pearson(0, 0, level) == stats.wilson(0, 0, level) == stats.Interval(low=0, high=1)
        )
        return
    for ours, method in ((stats.clopper_pearson, "exact"), (stats.wilson, "wilson")):
        theirs = reference.binomtest(k, n).proportion_ci(level, method)
        assert ours(k, n, level).low == pytest.approx(theirs.low, abs=1e-9)
        assert ours(k, n, level).high == pytest.approx(theirs.high, abs=1e-9)
    lower = reference.binomtest(k, n, alternative="greater").proportion_ci(level, "exact")
    assert stats.clopper_pearson(k, n, level, "lower").low == pytest.approx(lower.low, abs=1e-9)
    assert stats.clopper_pearson(k, n, level, "lower").high == 1
    assert stats.clopper_pearson(k, n, level).low <= k / n <= stats.clopper_pearson(k, n, level).high


@given(counts, st.floats(0.01, 0.99))
def test_the_binomial_test_is_that_of_scipy(kn: tuple[int, int], p: float) -> None:
    k, n = kn
    if n:
        for side in ("less", "greater", "two-sided"):
            theirs = reference.binomtest(k, n, p, alternative=side).pvalue
            assert stats.binomial_test(k, n, p, side) == pytest.approx(theirs, abs=1e-7)


def test_an_impossible_count_is_refused() -> None:
    for call in (stats.clopper_pearson, stats.wilson):
        with pytest.raises(ValueError, match="k=3"):
            call(3, 2)
    with pytest.raises(ValueError, match="level"):
        stats.clopper_pearson(1, 2, 95)


@given(outcomes)
def test_auroc_and_brier_are_those_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    p, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    assert stats.brier(p, y) == pytest.approx(float(np.mean((p - y) ** 2)))
    if y.all() or not y.any():
        assert stats.auroc(p, y) is None
    else:
        assert stats.auroc(p, y) == pytest.approx(metrics.roc_auc_score(y, p))
        w = np.arange(1, len(p) + 1)
        assert stats.auroc(p, y, w) == pytest.approx(metrics.roc_auc_score(y, p, sample_weight=w))
        clipped = np.clip(p, 1e-6, 1 - 1e-6)
        assert stats.log_loss(p, y) == pytest.approx(metrics.log_loss(y, clipped), rel=1e-6)


@given(outcomes)
def test_bins_hold_every_answer_once_and_ece_is_a_share(pairs: list[tuple[float, bool]]) -> None:
    p, y = [a for a, _ in pairs], [b for _, b in pairs]
    bins = stats.reliability(p, y)
    assert sum(b.n for b in bins) == len(pairs) and len(bins) <= 10
    assert [b.confidence for b in bins] == sorted(b.confidence for b in bins)
    assert 0 <= stats.ece(p, y) <= 1


def test_ece_of_an_example_by_hand() -> None:
    # Two bins: 0.9 said and half right, 0.2 said and none right.
    assert stats.ece([0.9, 0.9, 0.2, 0.2], [1, 0, 0, 0], bins=2) == pytest.approx((0.4 + 0.2) / 2)
    assert stats.ece([], []) == 0


def test_how_many_audits_it_takes() -> None:
    # 0.95 ** 59 < 0.05 < 0.95 ** 58; one error asks for 93 (tables of acceptance sampling).
    assert stats.fewest_tries(0.05, 0.05) == stats.more_tries(0, 0, 0.05, 0.05) == 59
    assert stats.more_tries(0, 20, 0.05, 0.05) == 39
    assert stats.more_tries(1, 93, 0.05, 0.05) == 0
    assert stats.more_tries(1, 92, 0.05, 0.05) != 0
    assert stats.more_tries(6, 100, 0.05, 0.05) is None


@given(st.integers(0, 5), st.integers(20, 200), st.sampled_from([0.05, 0.1, 0.2]))
def test_the_promised_number_of_audits_is_enough_and_one_less_is_not(
    errors: int, n: int, risk: float
) -> None:
    more = stats.more_tries(errors, n, risk, 0.05)
    if more:
        rate = errors / n
        after = errors + int(np.ceil(rate * more - 1e-9))
        assert stats.binomial_test(after, n + more, risk, "less") <= 0.05
        assert stats.binomial_test(errors, n, risk, "less") > 0.05


def test_an_estimate_without_guesses_is_horvitz_thompson() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(4_000) < 0.3).astype(float)
    pi = np.where(np.arange(4_000) < 1_000, 0.5, 0.05)
    seen = rng.random(4_000) < pi
    found = stats.prediction_powered_mean(np.zeros(4_000), np.zeros(seen.sum()), truth[seen], pi[seen])
    assert found.value == pytest.approx(float((truth[seen] / pi[seen]).sum()) / 4_000)
    assert found.low < truth.mean() < found.high


def test_good_guesses_shorten_the_interval_and_bad_ones_do_not_shift_it() -> None:
    rng = np.random.default_rng(1)
    chance = rng.beta(3, 1, 5_000)
    truth = (rng.random(5_000) < chance).astype(float)
    widths: dict[str, list[float]] = {"plain": [], "guessed": []}
    held, values = 0, []
    for _ in range(200):
        at = rng.choice(5_000, 150, replace=False)
        pi = np.full(150, 150 / 5_000)
        plain = stats.prediction_powered_mean(np.full(5_000, 0.5), np.full(150, 0.5), truth[at], pi)
        guessed = stats.prediction_powered_mean(chance, chance[at], truth[at], pi)
        wrong = stats.prediction_powered_mean(1 - chance, 1 - chance[at], truth[at], pi)
        widths["plain"].append(plain.high - plain.low)
        widths["guessed"].append(guessed.high - guessed.low)
        held += guessed.low <= truth.mean() <= guessed.high
        values.append(wrong.value)
    assert np.mean(widths["guessed"]) < 0.9 * np.mean(widths["plain"])
    assert held >= 185
    assert np.mean(values) == pytest.approx(truth.mean(), abs=0.01)


def test_a_census_is_certain_and_nothing_seen_is_not() -> None:
    everyone = stats.prediction_powered_mean([0.5] * 4, [0.5] * 4, [1, 1, 0, 1], [1] * 4)
    assert (everyone.low, everyone.value, everyone.high) == (0.75, 0.75, 0.75)
    nobody = stats.prediction_powered_mean([0.5] * 4, [], [], [])
    assert (nobody.low, nobody.high, nobody.n) == (0, 1, 0)
    with pytest.raises(ValueError, match="inclusion"):
        stats.prediction_powered_mean([0.5], [0.5], [1], [0])


def test_a_short_spotless_sample_is_not_taken_for_certainty() -> None:
    guess, pi = np.full(1_000, 0.95), np.full(30, 0.03)
    blind = stats.prediction_powered_mean(guess, guess[:30], np.ones(30), pi)
    careful = stats.prediction_powered_mean(
        guess, guess[:30], np.ones(30), pi, expected_square=np.full(30, 0.0475)
    )
    assert careful.high - careful.low > 2 * (blind.high - blind.low)
