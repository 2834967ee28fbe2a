"""Statistics of right and wrong: shares, confidences, and estimates for all from a few.

Intervals and tests for a share; how well confidences rank and mean what they say; figures of a whole project from many
model answers and few human ones. Pure functions over numpy arrays. The special functions come from scipy, imported when first needed.
"""

import math
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelwright.core.value import Value

Floats = NDArray[np.float64]
Sides = Literal["both", "lower", "upper"]


class Interval(Value):
    """A range that holds the true number with the stated probability; both ends in the range of the number."""

    low: float
    high: float


class Estimated(Value):
    """A number with its interval.

    Attributes:
        n: How many random observations it rests on.
    """

    value: float
    low: float
    high: float
    n: int


class Bin(Value):
    """Answers of like confidence.

    Attributes:
        confidence: Mean confidence in the bin.
        accuracy: Share of right answers in the bin.
        n: Answers in it (unweighted).
    """

    confidence: float
    accuracy: float
    n: int


def _special() -> Any:
    from scipy import special

    return special


# --- one share ----------------------------------------------------------------------------------------------------


def _tails(level: float, sides: Sides) -> tuple[float, float]:
    """Probability left outside below and above."""
    if not 0 < level < 1:
        raise ValueError(f"a level between 0 and 1 wanted, got {level}")
    out = 1 - level
    return {"both": (out / 2, out / 2), "lower": (out, 0.0), "upper": (0.0, out)}[sides]


def _check(k: int, n: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"0 <= k <= n wanted, got k={k}, n={n}")


def clopper_pearson(k: int, n: int, level: float = 0.95, sides: Sides = "both") -> Interval:
    """Exact interval for a share after `k` hits in `n` tries; [0, 1] when there are none.

    `lower` gives [bound, 1] and `upper` [0, bound], each with the whole error probability on its side.

    Raises:
        ValueError: `k` is not in 0..n, or the level is not in (0, 1).

    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    _check(k, n)
    below, above = _tails(level, sides)
    special = _special()
    low = float(special.betaincinv(k, n - k + 1, below)) if k > 0 and below > 0 else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - above)) if k < n and above > 0 else 1.0
    return Interval(low=low, high=high)


def wilson(k: int, n: int, level: float = 0.95, sides: Sides = "both") -> Interval:
    """Score interval for a share: shorter than the exact one, right on average; [0, 1] when there are no tries.

    Raises:
        ValueError: `k` is not in 0..n, or the level is not in (0, 1).

    Source: Wilson, JASA 22 (1927).
    """
    _check(k, n)
    below, above = _tails(level, sides)
    if n == 0:
        return Interval(low=0.0, high=1.0)

    def end(tail: float, sign: int) -> float:
        z = NormalDist().inv_cdf(1 - tail)
        p = k / n
        middle = p + z * z / (2 * n)
        spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return min(1.0, max(0.0, (middle + sign * spread) / (1 + z * z / n)))

    low = end(below, -1) if below > 0 and k > 0 else 0.0
    high = end(above, 1) if above > 0 and k < n else 1.0
    return Interval(low=low, high=high)


def binomial_test(
    k: int, n: int, p: float, alternative: Literal["less", "greater", "two-sided"] = "two-sided"
) -> float:
    """Probability of a result at least as extreme as `k` hits in `n` tries when each hits with probability `p`.

    Two-sided: all results that are no likelier than the one seen.

    Raises:
        ValueError: `k` is not in 0..n.
    """
    _check(k, n)
    special = _special()
    if alternative == "less":
        return float(special.bdtr(k, n, p))
    if alternative == "greater":
        return float(special.bdtrc(k - 1, n, p)) if k > 0 else 1.0
    counts = np.arange(n + 1)
    with np.errstate(divide="ignore"):
        chances = np.exp(
            special.gammaln(n + 1) - special.gammaln(counts + 1) - special.gammaln(n - counts + 1)
            + special.xlogy(counts, p) + special.xlog1py(n - counts, -p)
        )  # fmt: skip
    return min(1.0, float(chances[chances <= chances[k] * (1 + 1e-7)].sum()))


def fewest_tries(risk: float, chance: float) -> int:
    """Below this many tries not even a spotless sample shows that the error rate is at most `risk`.

    `chance` is the accepted probability of saying so wrongly.
    """
    return math.ceil(math.log(chance) / math.log1p(-risk))


def more_tries(errors: int, n: int, risk: float, chance: float, most: int = 100_000) -> int | None:
    """How many more tries would show an error rate of at most `risk`, if errors go on at the rate seen so far.

    0 when it is shown already; None when the rate seen is not below the risk, or it would take more than `most`.
    """
    _check(errors, n)
    special = _special()
    rate = errors / n if n else 0.0
    if rate >= risk:
        return None

    def shown(m: int) -> bool:
        return float(special.bdtr(errors + math.ceil(rate * m - 1e-9), n + m, risk)) <= chance

    if n and shown(0):
        return 0
    high = 1
    while not shown(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


# --- confidences --------------------------------------------------------------------------------------------------


def _arrays(scores: ArrayLike, right: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    s, y = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    w = np.ones_like(s) if weights is None else np.asarray(weights, dtype=float)
    if not s.shape == y.shape == w.shape:
        raise ValueError(
            f"one confidence, outcome and weight each wanted, got {s.shape}, {y.shape}, {w.shape}"
        )
    return s, y, w


def auroc(scores: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Probability that a right answer has a higher confidence than a wrong one; ties count half.

    None when all are right or all are wrong. Shapes: each (n,).
    """
    s, y, w = _arrays(scores, right, weights)
    good, bad = float((w * y).sum()), float((w * (1 - y)).sum())
    if good <= 0 or bad <= 0:
        return None
    _, place = np.unique(s, return_inverse=True)
    good_at = np.bincount(place, weights=w * y)
    bad_at = np.bincount(place, weights=w * (1 - y))
    bad_below = np.cumsum(bad_at) - bad_at
    return float((good_at * (bad_below + bad_at / 2)).sum() / (good * bad))


def reliability(
    confidences: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None, bins: int = 10
) -> list[Bin]:
    """Bins of equal mass by rising confidence; equal confidences stay together. Shapes: each (n,)."""
    return [bin_ for bin_, _ in _binned(*_arrays(confidences, right, weights), bins)]


def _binned(p: Floats, y: Floats, w: Floats, bins: int) -> list[tuple[Bin, float]]:
    found: list[tuple[Bin, float]] = []
    if not len(p):
        return found
    order = np.argsort(p, kind="stable")
    p, y, w = p[order], y[order], w[order]
    # Where the middle of a run of equal confidences falls decides its bin.
    values, start, count = np.unique(p, return_index=True, return_counts=True)
    mass = np.add.reduceat(w, start)
    middle = np.cumsum(mass) - mass / 2
    bin_of_value = np.minimum((middle / mass.sum() * bins).astype(int), bins - 1)
    bin_of = np.repeat(bin_of_value, count)
    del values
    for b in np.unique(bin_of):
        at = bin_of == b
        total = float(w[at].sum())
        if total > 0:
            confidence, accuracy = float((w[at] * p[at]).sum() / total), float((w[at] * y[at]).sum() / total)
            found.append((Bin(confidence=confidence, accuracy=accuracy, n=int(at.sum())), total))
    return found


def ece(confidences: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None, bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of equal mass; 0 for nothing.

    Source: Naeini et al., AAAI 2015; bins of equal mass as in Nixon et al., CVPR workshops 2019.
    """
    found = _binned(*_arrays(confidences, right, weights), bins)
    total = sum(mass for _, mass in found)
    return sum(mass * abs(b.confidence - b.accuracy) for b, mass in found) / total if total else 0.0


def brier(confidences: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean squared distance of confidence and outcome."""
    p, y, w = _arrays(confidences, right, weights)
    return float((w * (p - y) ** 2).sum() / w.sum()) if len(p) else 0.0


def log_loss(confidences: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean negative logarithm (nats) of the probability given to what happened; confidences are kept off 0 and 1."""
    p, y, w = _arrays(confidences, right, weights)
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(w * (y * np.log(p) + (1 - y) * np.log1p(-p))).sum() / w.sum()) if len(p) else 0.0


# --- from a few to all --------------------------------------------------------------------------------------------


def prediction_powered_mean(
    proxies: ArrayLike,
    proxies_seen: ArrayLike,
    truths_seen: ArrayLike,
    inclusion: ArrayLike,
    *,
    level: float = 0.95,
    expected_square: ArrayLike | None = None,
    within: tuple[float, float] = (0.0, 1.0),
) -> Estimated:
    """Mean truth over a whole population from a model's guess for each member and the truth for a random few.

    The mean guess, corrected by the inverse-probability-weighted errors of the guesses that were checked (the difference
    estimator; with guesses of 0 it is Horvitz-Thompson). Unbiased whatever the guesses are; the better they are, the
    shorter the interval. The interval is Student's over the weighted errors; its variance is never taken smaller than
    the guesses themselves expect, because a short spotless sample would otherwise promise certainty.

    Args:
        proxies: The guess for each member, (N,).
        proxies_seen: The guess for each checked member, (n,).
        truths_seen: The truth for each checked member, (n,).
        inclusion: Probability with which each of these came to be checked, (n,), in (0, 1]; 1 for a certainty.
        level: Of the interval.
        expected_square: Squared error of the guess that is expected for each checked member, (n,); none when left out.
        within: The range in which a mean can lie.

    Raises:
        ValueError: A probability is not in (0, 1], or there is no population.

    Source: Angelopoulos et al., Science 382 (2023); with unequal probabilities Zrnic and Candes, ICML 2024
    (arXiv 2403.03208); Horvitz and Thompson, JASA 47 (1952).
    """
    everyone = np.asarray(proxies, dtype=float)
    guess, truth = np.asarray(proxies_seen, dtype=float), np.asarray(truths_seen, dtype=float)
    pi = np.asarray(inclusion, dtype=float)
    total = len(everyone)
    if not total:
        raise ValueError("there is nothing to estimate the mean of")
    if len(pi) and not ((pi > 0) & (pi <= 1)).all():
        raise ValueError("probabilities of inclusion in (0, 1] wanted")
    errors = truth - guess
    value = float(everyone.mean() + (errors / pi).sum() / total)
    drawn = pi < 1
    n = int(drawn.sum())
    low, high = within
    if n < 2:
        known = not drawn.any() and len(pi) == total
        bounds = (value, value) if known else (low, high)
        return Estimated(value=min(max(value, low), high), low=bounds[0], high=bounds[1], n=n)
    weight = (1 - pi) / pi**2
    squares = float((weight * errors**2).sum())
    if expected_square is not None:
        squares = max(squares, float((weight * np.asarray(expected_square, dtype=float)).sum()))
    t = float(_special().stdtrit(n - 1, 0.5 + level / 2))
    half = t * math.sqrt(squares) / total
    return Estimated(
        value=min(max(value, low), high), low=max(low, value - half), high=min(high, value + half), n=n
    )


def more_for_width(n: int, half_width: float, target: float) -> int:
    """How many more random observations bring a half width down to `target`, as it shrinks with the root of n."""
    if half_width <= target:
        return 0
    return math.ceil(n * (half_width / target) ** 2) - n


def likely_change(n: int, half_width: float, more: int) -> float:
    """By how much `more` further random observations would move an estimate at most, at the level of its interval.

    The estimate after n + m observations differs from the one after n with variance var(n) - var(n + m).
    """
    return half_width * math.sqrt(more / (n + more)) if n + more else 0.0
