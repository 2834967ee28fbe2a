"""Makes a confidence mean what it says: fitted on reviewed answers, judged on reviewed answers it was not fitted on.

Hides which method is used for how many reviews, and how each is fitted. Every method keeps the order of the raw scores,
so a threshold on a calibrated confidence is a threshold on the raw one.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from labelwright.core.stats import Bin, Floats, auroc, brier, ece, log_loss, reliability
from labelwright.core.value import Value

Method = Literal["none", "temperature", "platt", "isotonic"]

LEAST = 30
"""Below this many reviews a score only ranks."""
PLATT_FROM = 300
ISOTONIC_FROM = 1_000
FOLDS = 5


class Calibration(Value):
    """A non-decreasing map from raw to calibrated confidence.

    Attributes:
        n: Reviews it was fitted on.
        temperature: Of `temperature`: logits are divided by it; above 1 means the model was too sure of itself.
        slope: Of `platt`: calibrated logit = slope * raw logit + shift.
        knots: Of `isotonic`: (raw, calibrated) points, straight lines between them.
    """

    method: Method = "none"
    n: int = 0
    temperature: float = 1.0
    slope: float = 1.0
    shift: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def apply(self, scores: ArrayLike) -> Floats:
        """Calibrated confidences, same shape."""
        raw = np.asarray(scores, dtype=float)
        match self.method:
            case "none":
                return raw
            case "temperature":
                return _sigmoid(_logit(raw) / self.temperature)
            case "platt":
                return _sigmoid(self.slope * _logit(raw) + self.shift)
            case "isotonic":
                x, y = np.array(self.knots).T
                found: Floats = np.interp(raw, x, y)
                return found

    def raw_for(self, confidence: float) -> float | None:
        """The lowest raw score whose calibrated confidence is at least this; None when none reaches it."""
        if self.method == "none":
            return confidence
        if float(self.apply(1.0)) < confidence:
            return None
        low, high = 0.0, 1.0
        if float(self.apply(low)) >= confidence:
            return low
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if float(self.apply(middle)) >= confidence else (middle, high)
        return high


class Quality(Value):
    """How well confidences fit outcomes; smaller is better. `log_loss` in nats."""

    ece: float
    brier: float
    log_loss: float


class Report(Value):
    """What calibration does for a predictor's confidences.

    Attributes:
        calibration: Fitted on all reviews.
        before: Raw confidences.
        after: Calibrated ones, each by a map that was not fitted on it (cross-fitted).
        worth: Reviews drawn at random that would say as much; less than `n` where a few stand for many answers.
        auroc: How well confidence tells right from wrong answers; 0.5 is chance. None when all are right or wrong.
        curve_before: Reliability of raw confidences, ten bins of equal mass.
        curve_after: The same, cross-fitted.
    """

    calibration: Calibration
    n: int
    right: int
    worth: float
    auroc: float | None
    before: Quality | None = None
    after: Quality | None = None
    curve_before: tuple[Bin, ...] = ()
    curve_after: tuple[Bin, ...] = ()


_Fit = Callable[[Floats, Floats, Floats], Calibration]


def _logit(p: ArrayLike) -> Floats:
    clipped = np.clip(np.asarray(p, dtype=float), 1e-6, 1 - 1e-6)
    found: Floats = np.log(clipped) - np.log1p(-clipped)
    return found


def _sigmoid(x: ArrayLike) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(np.asarray(x, dtype=float), -40, 40)))
    return found


def fit(scores: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """The map for these reviews, by the policy for their number (what they are `worth`, from 30 on).

    Below 30: none. Below 300: temperature, or Platt where cross-validation clearly asks for it (temperature cannot
    bring a sure score below one half). Below 1,000: Platt, or isotonic where that is clearly better, as for scores with
    few values. From there on Platt or isotonic, by cross-validated log loss.

    Args:
        scores: Raw confidences, (n,).
        right: Whether the person agreed, (n,).
        weights: How many answers each review stands for, (n,); reviews that were not drawn at random need them.
    """
    s, y = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, dtype=float)
    if len(s) < LEAST:
        return Calibration(n=len(s))
    # A few reviews that each stand for many answers are worth less than their number (Kish's effective sample size).
    n = worth(w)
    w = w * n / w.sum()
    if n < PLATT_FROM:
        return (
            _temperature(s, y, w) if not _clearly_better(_platt, _temperature, s, y, w) else _platt(s, y, w)
        )
    if n < ISOTONIC_FROM:
        return _isotonic(s, y, w) if _clearly_better(_isotonic, _platt, s, y, w) else _platt(s, y, w)
    platt, isotonic = _losses(_platt, s, y, w), _losses(_isotonic, s, y, w)
    return _isotonic(s, y, w) if isotonic.sum() < platt.sum() else _platt(s, y, w)


def worth(weights: ArrayLike) -> float:
    """How many equally weighted reviews carry as much as these."""
    w = np.asarray(weights, dtype=float)
    return float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0


def evaluate(scores: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> Report:
    """The fitted map, and what it does for answers it was not fitted on. Arguments as in `fit`."""
    s, y = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, dtype=float)
    calibration = fit(s, y, w)
    report = Report(
        calibration=calibration, n=len(s), right=int(y.sum()), worth=worth(w), auroc=auroc(s, y, w)
    )
    if calibration.method == "none":
        return report
    crossed = np.empty(len(s))
    for held in _folds(len(s)):
        crossed[held] = fit(s[~held], y[~held], w[~held]).apply(s[held])
    return report.model_copy(
        update={
            "before": _quality(s, y, w),
            "after": _quality(crossed, y, w),
            "curve_before": tuple(reliability(s, y, w)),
            "curve_after": tuple(reliability(crossed, y, w)),
        }
    )


def _quality(p: Floats, y: Floats, w: Floats) -> Quality:
    return Quality(ece=ece(p, y, w), brier=brier(p, y, w), log_loss=log_loss(p, y, w))


def _folds(n: int) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Boolean masks (n,) of the held-out fold, each answer in one; fixed, so that the same reviews give the same report."""
    fold = np.random.default_rng(n).permutation(n) % FOLDS
    return [fold == k for k in range(FOLDS)]


def _losses(method: _Fit, s: Floats, y: Floats, w: Floats) -> Floats:
    """Cross-validated weighted log loss of each answer."""
    found = np.empty(len(s))
    for held in _folds(len(s)):
        p = np.clip(method(s[~held], y[~held], w[~held]).apply(s[held]), 1e-6, 1 - 1e-6)
        found[held] = -w[held] * (y[held] * np.log(p) + (1 - y[held]) * np.log1p(-p))
    return found


def _clearly_better(one: _Fit, other: _Fit, s: Floats, y: Floats, w: Floats) -> bool:
    gain = _losses(other, s, y, w) - _losses(one, s, y, w)
    return bool(gain.mean() > gain.std() / np.sqrt(len(gain)))


def _temperature(s: Floats, y: Floats, w: Floats) -> Calibration:
    """One number by maximum likelihood, with the weak prior that its logarithm is near 0 (sd 1).

    Source: Guo et al., ICML 2017.
    """
    x = _logit(s)

    def cost(log_t: float) -> float:
        z = (2 * y - 1) * x / np.exp(log_t)
        return float((w * np.logaddexp(0, -z)).sum() + log_t**2 / 2)

    low, high = -3.0, 5.0
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if cost(a) < cost(b) else (a, high)
    return Calibration(method="temperature", n=len(s), temperature=float(np.exp((low + high) / 2)))


def _platt(s: Floats, y: Floats, w: Floats) -> Calibration:
    """Slope and shift of the logit by Newton's method, with a weak prior (slope 1, shift 0; sd 2) that keeps them finite.

    The slope is never negative: a score that ranks the wrong way is flattened, not turned round.

    Source: Platt 1999; the prior takes the place of his target smoothing.
    """
    x = np.stack([_logit(s), np.ones(len(s))], axis=1)
    start, tightness = np.array([1.0, 0.0]), np.eye(2) / 4
    theta = start.copy()

    def cost(at: Floats) -> float:
        fits = w * np.logaddexp(0, -(2 * y - 1) * (x @ at))
        return float(fits.sum() + (at - start) @ tightness @ (at - start) / 2)

    for _ in range(50):
        p = _sigmoid(x @ theta)
        gradient = x.T @ (w * (p - y)) + tightness @ (theta - start)
        curvature = (x * (w * p * (1 - p))[:, None]).T @ x + tightness
        step, length = np.linalg.solve(curvature, gradient), 1.0
        # Far from the minimum a full step can overshoot.
        while length > 1e-6 and cost(theta - length * step) > cost(theta):
            length /= 2
        theta = theta - length * step
        if np.abs(length * step).max() < 1e-9:
            break
    slope, shift = float(theta[0]), float(theta[1])
    if slope < 0.01:
        # Nearly flat: the share of right answers, with an order that is still that of the scores.
        base = float(np.clip((w * y).sum() / w.sum(), 1e-3, 1 - 1e-3))
        slope, shift = 0.01, float(_logit(base) - 0.01 * (w * x[:, 0]).sum() / w.sum())
    return Calibration(method="platt", n=len(s), slope=slope, shift=shift)


def _isotonic(s: Floats, y: Floats, w: Floats) -> Calibration:
    """Pool adjacent violators, joined by straight lines; ends are kept half an answer away from 0 and 1.

    Source: Zadrozny and Elkan, KDD 2002.
    """
    values, place = np.unique(s, return_inverse=True)
    mass = np.bincount(place, weights=w)
    means = np.bincount(place, weights=w * y) / mass
    blocks: list[list[float]] = []  # mean outcome, mass, mass * score
    for value, m, mean in zip(values, mass, means, strict=True):
        blocks.append([float(mean), float(m), float(m * value)])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            right, left = blocks.pop(), blocks.pop()
            total = left[1] + right[1]
            blocks.append([(left[0] * left[1] + right[0] * right[1]) / total, total, left[2] + right[2]])
    knots = [(b[2] / b[1], (b[0] * b[1] + 0.5) / (b[1] + 1)) for b in blocks]
    # Smoothing by block size may break the order a little.
    heights = np.maximum.accumulate([height for _, height in knots])
    return Calibration(
        method="isotonic",
        n=len(s),
        knots=tuple((x, float(h)) for (x, _), h in zip(knots, heights, strict=True)),
    )
