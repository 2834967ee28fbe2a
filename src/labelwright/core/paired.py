"""Two ways of answering, judged on the same assets: is one really better, or is it luck?

Everything here is paired: what both got right or both got wrong says nothing about the difference. Hides the
arithmetic of the tests and intervals and how chances are drawn (seeded, so that a page shows the same figures twice).
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from labelwright.core.compare import Tally
from labelwright.core.stats import Interval
from labelwright.core.value import Value

if TYPE_CHECKING:
    import numpy as np

ALPHA = 0.05
"""A difference is called real when its corrected p is below this."""

POWER = 0.8
"""`more_needed` is meant to show a difference of the size seen with this probability."""

DRAWS = 4_000
_DRAWS_AT_ONCE = 200
_MOST_NEEDED = 1_000_000

Outcome = Literal["better", "worse", "undecided"]


class Paired(Value):
    """The second way of answering against the first, on the same assets.

    Attributes:
        n: Assets compared.
        first: Figure of the first in [0, 1]: accuracy, F1 or mean agreement.
        second: The same of the second.
        difference: second - first.
        interval: Of the difference.
        interval_by: `Newcombe` or `bootstrap`.
        p: Two-sided, against "no difference".
        p_by: `McNemar exact` or `randomisation`.
        only_first: Assets that only the first has right; for figures that are no yes / no, those where it is better.
        only_second: The other way round.
        error: Standard error of the difference.
    """

    n: int
    first: float
    second: float
    difference: float
    interval: Interval
    interval_by: Literal["Newcombe", "bootstrap"]
    p: float
    p_by: Literal["McNemar exact", "randomisation"]
    only_first: int
    only_second: int
    error: float


class Verdict(Value):
    """What a paired difference comes to among all that were looked at together.

    Attributes:
        outcome: `better`: the second is; `worse`: it is not; `undecided`: no difference shown.
        p_corrected: p after Holm's correction.
        more_needed: While undecided, about how many more assets would show a difference of the size seen; None when
            none was seen, or when it would take more than a million.
    """

    outcome: Outcome
    p_corrected: float
    more_needed: int | None = None


# --- one proportion, two paired ones --------------------------------------------------------------------------------


def wilson(right: int, n: int) -> Interval:
    """95 % interval of a proportion; (0, 1) when nothing was counted.

    Source: Wilson 1927; recommended over the normal interval by Brown, Cai & DasGupta 2001.
    """
    if n == 0:
        return Interval(low=0.0, high=1.0)
    z, share = _z(ALPHA), right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(
        low=0.0 if right == 0 else max(0.0, middle - half),
        high=1.0 if right == n else min(1.0, middle + half),
    )


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test: a fair coin would part the assets on which they differ at least so unevenly.

    Source: the binomial form of McNemar 1947; conservative, where its mid-p variant is not.
    """
    n, few = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    # Summed as logarithms: the binomials of a few thousand assets leave the range of floats.
    logs = [_log_choose(n, k) - n * math.log(2) for k in range(few + 1)]
    top = max(logs)
    return min(1.0, 2.0 * math.exp(top) * sum(math.exp(each - top) for each in logs))


def newcombe(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """95 % interval of (share right in the second) - (share right in the first) over paired assets.

    Source: Newcombe 1998, Statistics in Medicine 17, method 10 (Wilson's limits, correlation with his continuity rule).
    """
    n = both + only_first + only_second + neither
    if n == 0:
        return Interval(low=-1.0, high=1.0)
    one, two = (both + only_first) / n, (both + only_second) / n
    of_one, of_two = wilson(both + only_first, n), wilson(both + only_second, n)
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    lean = both * neither - only_first * only_second
    leaning = max(lean - n / 2, 0.0) if lean > 0 else float(lean)
    phi = leaning / math.sqrt(margins) if margins else 0.0

    def reach(up: float, down: float) -> float:
        return math.sqrt(max(0.0, up * up - 2 * phi * up * down + down * down))

    difference = two - one
    return Interval(
        low=max(-1.0, difference - reach(two - of_two.low, of_one.high - one)),
        high=min(1.0, difference + reach(of_two.high - two, one - of_one.low)),
    )


# --- comparing ------------------------------------------------------------------------------------------------------


def compare_right(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Two columns of right / wrong over the same assets: accuracy, Newcombe's interval, McNemar's exact p.

    Raises:
        ValueError: They are empty or not equally long.
    """
    n = _paired_length(first, second)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    only_first, only_second = sum(first) - both, sum(second) - both
    apart, difference = (only_first + only_second) / n, (only_second - only_first) / n
    return Paired(
        n=n, first=sum(first) / n, second=sum(second) / n, difference=difference,
        interval=newcombe(both, only_first, only_second, n - both - only_first - only_second),
        interval_by="Newcombe", p=mcnemar_exact(only_first, only_second), p_by="McNemar exact",
        only_first=only_first, only_second=only_second,
        error=math.sqrt(max(0.0, apart - difference * difference) / n),
    )  # fmt: skip


def compare_f1(first: Sequence[Tally], second: Sequence[Tally], *, seed: int = 0) -> Paired:
    """Two columns of matches over the same assets: F1 over all of them, a bootstrap interval, a randomisation p.

    Assets are drawn, not spans: spans of one text stand and fall together.

    Raises:
        ValueError: They are empty or not equally long.
    """
    better = [(b.f1 > a.f1) - (b.f1 < a.f1) for a, b in zip(first, second, strict=True)]
    return _compare([_counts(a) for a in first], [_counts(b) for b in second], _f1, better, seed)


def compare_scores(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Paired:
    """Two columns of scores in [0, 1] over the same assets: means, a bootstrap interval, a randomisation p.

    Raises:
        ValueError: They are empty or not equally long.
    """
    better = [(b > a) - (b < a) for a, b in zip(first, second, strict=True)]
    return _compare([(a, 1.0) for a in first], [(b, 1.0) for b in second], _mean, better, seed)


def f1_interval(tallies: Sequence[Tally], *, seed: int = 0) -> Interval:
    """95 % bootstrap interval of the F1 over all these assets; (0, 1) for none."""
    return _own_interval([_counts(tally) for tally in tallies], _f1, seed)


def mean_interval(scores: Sequence[float], *, seed: int = 0) -> Interval:
    """95 % bootstrap interval of a mean; (0, 1) for none."""
    return _own_interval([(score, 1.0) for score in scores], _mean, seed)


def judge(pairs: Sequence[Paired]) -> list[Verdict]:
    """Which of several differences are real, with Holm's correction for having looked at all of them."""
    corrected = holm([pair.p for pair in pairs])
    found: list[Verdict] = []
    for pair, p in zip(pairs, corrected, strict=True):
        if p < ALPHA and pair.difference != 0:
            found.append(Verdict(outcome="better" if pair.difference > 0 else "worse", p_corrected=p))
        else:
            more = _more_needed(pair, ALPHA / len(pairs))
            found.append(Verdict(outcome="undecided", p_corrected=p, more_needed=more))
    return found


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's corrected p values, in the order given.

    Source: Holm 1979. The chance of calling any false difference real stays below the level for all together.
    """
    corrected = [1.0] * len(ps)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = highest
    return corrected


def _more_needed(pair: Paired, alpha: float) -> int | None:
    """Further assets for a difference of this size to be shown.

    Source: Connor 1987 for paired proportions; for F1 and means the standard error falls with the root of n.
    """
    if pair.difference == 0 or pair.error == 0:
        return None
    size = abs(pair.difference)
    if pair.p_by == "McNemar exact":
        apart = (pair.only_first + pair.only_second) / pair.n
        wide = _z(alpha) * math.sqrt(apart) + _z_power() * math.sqrt(max(0.0, apart - size * size))
        wanted = (wide / size) ** 2
    else:
        wanted = pair.n * ((_z(alpha) + _z_power()) * pair.error / size) ** 2
    more = math.ceil(wanted) - pair.n
    return max(1, more) if more <= _MOST_NEEDED else None


# --- drawing --------------------------------------------------------------------------------------------------------


def _counts(tally: Tally) -> tuple[float, ...]:
    return (tally.matched, tally.extra, tally.missing)


def _f1(sums: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """F1 of (..., 3) sums of matched, extra and missing; 1 where there is nothing."""
    import numpy as np

    found = 2 * sums[..., 0] + sums[..., 1] + sums[..., 2]
    return np.where(found > 0, 2 * sums[..., 0] / np.maximum(found, 1e-12), 1.0)


def _mean(sums: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    import numpy as np

    return np.asarray(sums[..., 0] / sums[..., 1])


Figure = Callable[["np.ndarray[Any, Any]"], "np.ndarray[Any, Any]"]


def _compare(
    first: Sequence[tuple[float, ...]], second: Sequence[tuple[float, ...]], figure: Figure,
    better: Sequence[int], seed: int,
) -> Paired:  # fmt: skip
    """Percentile bootstrap over assets, and random swaps of the two answers to an asset.

    Source: Efron & Tibshirani 1993; the swaps are approximate randomisation (Noreen 1989, Yeh 2000 for F1).
    """
    import numpy as np

    n = _paired_length(first, second)
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    of_one, of_two = float(figure(one.sum(axis=0))), float(figure(two.sum(axis=0)))
    seen = of_two - of_one
    rng = np.random.default_rng(seed)
    drawn: list[Any] = []
    as_far = 0
    for _ in range(DRAWS // _DRAWS_AT_ONCE):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS_AT_ONCE).astype(float)
        drawn.append(figure(weights @ two) - figure(weights @ one))
        swap = rng.integers(0, 2, size=(_DRAWS_AT_ONCE, n)).astype(float)
        moved = swap @ (two - one)
        swapped = figure(two.sum(axis=0) - moved) - figure(one.sum(axis=0) + moved)
        # A hair of slack: the same sums in another order differ in the last digit.
        as_far += int((np.abs(swapped) >= abs(seen) - 1e-9).sum())
    differences = np.concatenate(drawn)
    low, high = np.quantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return Paired(
        n=n, first=of_one, second=of_two, difference=seen,
        interval=Interval(low=min(float(low), seen), high=max(float(high), seen)), interval_by="bootstrap",
        p=(1 + as_far) / (1 + DRAWS), p_by="randomisation",
        only_first=sum(each < 0 for each in better), only_second=sum(each > 0 for each in better),
        error=float(differences.std()),
    )  # fmt: skip


def _own_interval(rows: Sequence[tuple[float, ...]], figure: Figure, seed: int) -> Interval:
    if not rows:
        return Interval(low=0.0, high=1.0)
    import numpy as np

    n, matrix, rng = len(rows), np.asarray(rows, dtype=float), np.random.default_rng(seed)
    drawn = [
        figure(rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS_AT_ONCE).astype(float) @ matrix)
        for _ in range(DRAWS // _DRAWS_AT_ONCE)
    ]
    low, high = np.quantile(np.concatenate(drawn), [ALPHA / 2, 1 - ALPHA / 2])
    seen = float(figure(matrix.sum(axis=0)))
    return Interval(low=min(float(low), seen), high=max(float(high), seen))


def _paired_length(first: Sequence[object], second: Sequence[object]) -> int:
    if not first or len(first) != len(second):
        raise ValueError("two columns over the same assets are needed")
    return len(first)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _z(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha / 2)


def _z_power() -> float:
    return NormalDist().inv_cdf(POWER)
