"""Calibration keeps order and range, helps on answers it was not fitted on, and does not pretend with few reviews."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from labelwright.core import calibration
from labelwright.core.stats import ece

reviews = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=0, max_size=120)
METHODS = (calibration._temperature, calibration._platt, calibration._isotonic)


def overconfident(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    z = rng.normal(1, 1.2, n)
    return 1 / (1 + np.exp(-3 * z)), rng.random(n) < 1 / (1 + np.exp(-z))


@given(reviews)
def test_every_map_keeps_the_order_and_stays_in_range(pairs: list[tuple[float, bool]]) -> None:
    s, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs], dtype=float)
    grid = np.linspace(0, 1, 101)
    maps = [calibration.fit(s, y)]
    if pairs:
        maps += [method(s, y, np.ones(len(s))) for method in METHODS]
    for made in maps:
        found = made.apply(grid)
        assert ((found >= 0) & (found <= 1)).all()
        assert (np.diff(found) >= -1e-12).all()


@given(reviews, st.floats(0.01, 0.99))
def test_a_threshold_on_the_calibrated_score_is_one_on_the_raw_score(
    pairs: list[tuple[float, bool]], wanted: float
) -> None:
    made = calibration.fit([a for a, _ in pairs], [b for _, b in pairs])
    raw = made.raw_for(wanted)
    if raw is None:
        assert made.apply(1.0) < wanted
    else:
        assert made.apply(raw) >= wanted - 1e-9
        assert raw < 1e-6 or made.apply(raw - 1e-6) <= wanted + 1e-6


@pytest.mark.parametrize(
    ("n", "method"), [(0, "none"), (29, "none"), (30, "temperature"), (120, "temperature"), (400, "platt")]
)
def test_the_method_follows_the_number_of_reviews(n: int, method: str) -> None:
    s, y = overconfident(n)
    assert calibration.evaluate(s, y).calibration.method == method


@pytest.mark.parametrize("n", [60, 200, 600, 1_500])
def test_it_helps_on_answers_it_was_not_fitted_on(n: int) -> None:
    s, y = overconfident(n)
    other, truth = overconfident(4_000, seed=1)
    assert ece(calibration.fit(s, y).apply(other), truth) < 0.7 * ece(other, truth)


def test_scores_that_are_right_already_are_left_nearly_alone() -> None:
    rng = np.random.default_rng(0)
    s = rng.beta(4, 1, 100)
    made = calibration.fit(s, rng.random(100) < s)
    assert made.method == "temperature" and 0.6 < made.temperature < 1.6


def test_a_sure_model_that_is_mostly_wrong_is_brought_below_one_half() -> None:
    rng = np.random.default_rng(0)
    s = rng.uniform(0.8, 1.0, 200)
    made = calibration.fit(s, rng.random(200) < 0.25)
    assert made.method == "platt" and made.apply(0.9) == pytest.approx(0.25, abs=0.08)


def test_a_score_that_ranks_the_wrong_way_is_flattened() -> None:
    rng = np.random.default_rng(0)
    s = rng.random(500)
    y = (rng.random(500) < 1 - s).astype(float)
    made = calibration._platt(s, y, np.ones(500))
    assert made.apply(0.9) - made.apply(0.1) < 0.05
    assert made.apply(0.5) == pytest.approx(y.mean(), abs=0.03)


def test_isotonic_follows_the_reference_but_for_its_rounded_ends() -> None:
    s, y = overconfident(3_000)
    made = calibration._isotonic(s, y.astype(float), np.ones(len(s)))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(s, y)
    inner = np.quantile(s, np.linspace(0.05, 0.95, 50))
    assert np.abs(made.apply(inner) - theirs.predict(inner)).mean() < 0.03


def test_the_report_is_cross_fitted() -> None:
    # Outcomes that have nothing to do with the score cannot be predicted, however well a fit follows them.
    rng = np.random.default_rng(0)
    s, y = rng.random(1_200), rng.random(1_200) < 0.5
    report = calibration.evaluate(s, y)
    assert report.after is not None and report.after.brier >= 0.249
    assert report.auroc == pytest.approx(0.5, abs=0.05)


def test_a_few_heavy_reviews_count_as_few() -> None:
    s, y = overconfident(400)
    weights = np.where(np.arange(400) < 20, 100.0, 1.0)
    report = calibration.evaluate(s, y, weights)
    assert report.worth < 30 and report.calibration.method == "temperature"
