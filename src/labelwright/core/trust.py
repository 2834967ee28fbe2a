"""How far a model's answers can be trusted: which confidence to accept from, and what holds for the whole project.

Hides how reviews that were drawn in different ways are put together. Only reviews drawn at random say something about
answers that nobody looked at; the others count for themselves alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelwright.core.calibration import Calibration
from labelwright.core.queue import EVERYTHING
from labelwright.core.stats import (
    Estimated,
    Floats,
    Interval,
    binomial_test,
    clopper_pearson,
    fewest_tries,
    likely_change,
    more_for_width,
    more_tries,
    prediction_powered_mean,
)
from labelwright.core.value import Probability, Value

STEPS = 10
"""Thresholds tried. Few, because each failed test ends the search, and fine steps run into chance failures earlier."""

CELLS = 10
FIRST_CHECKS = 100


class Promise(Value):
    """What accepted answers must keep.

    Attributes:
        accuracy: At least this share of them is right.
        certainty: Probability that what is accepted keeps it; 1 minus the accepted chance of a wrong promise.
    """

    accuracy: float = Field(default=0.95, ge=0.5, le=0.999)
    certainty: float = Field(default=0.95, ge=0.5, le=0.999)

    @property
    def risk(self) -> float:
        """The highest allowed error rate."""
        return 1 - self.accuracy

    @property
    def chance(self) -> float:
        """The accepted probability of promising wrongly."""
        return 1 - self.certainty


class Step(Value):
    """One threshold, and what is known of the answers from it on.

    Attributes:
        above: Raw confidence from which on answers count.
        confidence: The same, calibrated.
        waiting: Answers there that nobody reviewed or accepted yet.
        coverage: Share of all answers that lie there.
        audits: Random checks that tell about them; `wrong` of these were wrong.
        interval: Of the accuracy, exact, two-sided 95 %.
        at_least: Accuracy that is shown with the promised certainty (exact, one-sided).
        proven: Whether the promise is shown for this threshold alone.
        more: Further audits that would show it if errors go on at the rate seen; None: not in sight.
    """

    above: float
    confidence: float
    waiting: int
    coverage: Probability
    audits: int
    wrong: int
    interval: Interval
    at_least: Probability
    proven: bool
    more: int | None


@dataclass(frozen=True)
class Review:
    """A person's verdict on one answer of the model.

    Attributes:
        score: Raw confidence; None where the model gave none.
        drawn_above: The asset was drawn at random among those with at least this confidence; None when it was not
            drawn at random.
        predicted: Labels the model chose, for shares; empty for other questions.
    """

    asset_id: int
    score: float | None
    right: bool
    drawn_above: float | None
    predicted: frozenset[str] = frozenset()
    true: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Population:
    """All current answers of a predictor to a question.

    Attributes:
        asset_ids: (N,), rising.
        scores: (N,), NaN where there is no confidence.
        labels: Chosen labels, N sets; empty for questions without shares.
        waiting: (N,) bool: nobody reviewed or accepted it.
    """

    asset_ids: NDArray[np.int64]
    scores: Floats
    labels: Sequence[frozenset[str]]
    waiting: NDArray[np.bool_]


# --- accepting ----------------------------------------------------------------------------------------------------


def evidence(reviews: Sequence[Review], above: float) -> tuple[int, int]:
    """(audits, wrong ones) that tell about answers from this confidence on.

    A check counts if it was drawn at random from a range that holds them all; it then is a fair draw among them.
    """
    found = [
        review.right
        for review in reviews
        if review.score is not None and review.score >= above
        and review.drawn_above is not None and review.drawn_above <= above
    ]  # fmt: skip
    return len(found), len(found) - sum(found)


def step(
    above: float,
    population: Population,
    reviews: Sequence[Review],
    calibration: Calibration,
    promise: Promise,
) -> Step:
    """What is known of the answers from one confidence on."""
    audits, wrong = evidence(reviews, above)
    inside = population.scores >= above  # NaN is inside nothing
    return Step(
        above=above,
        confidence=float(calibration.apply(above)),
        waiting=int((inside & population.waiting).sum()),
        coverage=float(inside.mean()) if len(inside) else 0.0,
        audits=audits,
        wrong=wrong,
        interval=clopper_pearson(audits - wrong, audits),
        at_least=clopper_pearson(audits - wrong, audits, promise.certainty, "lower").low,
        proven=shows(audits, wrong, promise),
        more=more_tries(wrong, audits, promise.risk, promise.chance),
    )


def shows(audits: int, wrong: int, promise: Promise) -> bool:
    """Whether this many wrong ones among so many audits show the promise (exact binomial test)."""
    return audits > 0 and binomial_test(wrong, audits, promise.risk, "less") <= promise.chance


def still_shown(audits: int, wrong: int, promise: Promise, *, proven: bool) -> bool:
    """Whether what was accepted may stand. Where nothing was proven, until the audits show the opposite."""
    if proven:
        return shows(audits, wrong, promise)
    return not audits or clopper_pearson(audits - wrong, audits).high >= promise.accuracy


def grid(scores: Floats) -> list[float]:
    """Thresholds from strict to loose: ten quantiles of the raw confidences of all answers. Blind to any review."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return []
    at = np.linspace(1 - 1 / STEPS, 0, STEPS)
    found = np.quantile(known, at, method="lower")
    return [float(x) for x in dict.fromkeys(found.tolist())]


def steps(
    population: Population, reviews: Sequence[Review], calibration: Calibration, promise: Promise
) -> list[Step]:
    """The ten thresholds, strict to loose."""
    return [step(above, population, reviews, calibration, promise) for above in grid(population.scores)]


def choose(found: Sequence[Step], promise: Promise) -> int | None:
    """The loosest threshold that may be promised, as an index; None when there is none yet.

    Fixed-sequence testing: from strict to loose, beginning with the first that has enough audits to pass at all, each
    threshold is tested at the full level, and the first failure ends the search. The chance that what is chosen breaks
    the promise is then at most `promise.chance`, with no price for having looked at several.

    Source: Angelopoulos et al., Learn then Test (arXiv 2110.01052), section on fixed-sequence testing.
    """
    return loosest([(each.audits, each.wrong) for each in found], promise)


def loosest(found: Sequence[tuple[int, int]], promise: Promise) -> int | None:
    """`choose` over bare (audits, wrong) pairs, strict to loose."""
    enough = fewest_tries(promise.risk, promise.chance)
    last: int | None = None
    for i, (audits, wrong) in enumerate(found):
        if last is None and audits < enough:
            continue
        if not shows(audits, wrong, promise):
            break
        last = i
    return last


# --- the whole project --------------------------------------------------------------------------------------------


def inclusion(population: Population, reviews: Sequence[Review]) -> tuple[Floats, NDArray[np.bool_]]:
    """How likely each review came about, and which answers random checks could reach.

    Within each tenth of the confidences, checks drawn at random stand for all answers that were not looked at for another
    reason (such as being the least confident); those stand for themselves.

    Returns:
        Probability per review (n,), 1 for those not drawn at random; reachable (N,) bool, reviewed answers included.
    """
    place = {int(asset_id): i for i, asset_id in enumerate(population.asset_ids)}
    scores = np.where(np.isnan(population.scores), EVERYTHING, population.scores)
    cell = _cells(scores)
    at = np.array([place[r.asset_id] for r in reviews], dtype=int)
    drawn = np.array([r.drawn_above is not None for r in reviews], dtype=bool)
    cells = int(cell.max()) + 1 if len(cell) else 0
    size = np.bincount(cell, minlength=cells)
    sure = np.bincount(cell[at[~drawn]], minlength=cells) if len(at) else np.zeros(cells, dtype=int)
    checks = np.bincount(cell[at[drawn]], minlength=cells) if len(at) else np.zeros(cells, dtype=int)
    lowest = min((r.drawn_above for r in reviews if r.drawn_above is not None), default=np.inf)
    middle = np.array([np.median(scores[cell == h]) if (cell == h).any() else 0.0 for h in range(cells)])
    group = _merged(checks, reach=middle >= lowest)
    pi = np.ones(len(reviews))
    reachable = np.zeros(len(scores), dtype=bool)
    for g in np.unique(group[group >= 0]):
        rest, n = int((size - sure)[group == g].sum()), int(checks[group == g].sum())
        if n:
            reachable |= np.isin(cell, np.flatnonzero(group == g))
            pi[drawn & (group[cell[at]] == g)] = min(1.0, n / rest)
    reachable[at] = True
    return pi, reachable


def _cells(scores: Floats) -> NDArray[np.int64]:
    """Number of the tenth that each score falls into; equal scores fall together."""
    edges = (
        np.unique(np.quantile(scores, np.linspace(0, 1, CELLS + 1)[1:-1])) if len(scores) else np.array([])
    )
    _, found = np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)
    return found.astype(np.int64)


def _merged(checks: NDArray[Any], reach: NDArray[np.bool_], least: int = 2) -> NDArray[np.int64]:
    """Group of each cell: neighbours within reach are joined until each group has `least` checks; -1 out of reach."""
    group = np.full(len(checks), -1)
    number, held = 0, 0
    for h in range(len(checks)):
        if not reach[h]:
            continue
        group[h] = number
        held += checks[h]
        if held >= least:
            number, held = number + 1, 0
    if held < least and number > 0:
        group[group == number] = number - 1
    return group


class Outlook(Value):
    """What is known of a whole project, and what more review would bring.

    Attributes:
        accuracy: Of all answers of the predictor, reviewed or not.
        unreachable: Answers no random check could have reached; the interval allows for the worst and the best of them.
        half_width: Of the interval of the accuracy.
        change: By how much the next `next_checks` random checks would move the accuracy at most (95 %).
        more: Random checks until the half width is `within`; 0 when it is reached.
    """

    accuracy: Estimated
    answers: int
    reviewed: int
    unreachable: int
    half_width: float
    change: float
    next_checks: int
    more: int
    within: float


def verdict(found: Outlook) -> str:
    """The stop rule in words."""
    points = f"{100 * found.half_width:.1f} points"
    if not found.accuracy.n:
        return (
            "Nothing can be said of the answers nobody looked at: none was checked at random yet. "
            f"{found.more:,} random checks are a start."
        )
    if found.more == 0:
        tail = (
            f"; {found.next_checks} more random checks would move it by less than {100 * found.change:.1f} points"
            if found.next_checks
            else ""
        )
        return f"Further review is hardly worth it for this figure: it is known to \u00b1{points}{tail}."
    return (
        f"The next {found.next_checks} random checks could move the accuracy by up to {100 * found.change:.1f} points. "
        f"{found.more:,} more are needed to know it to \u00b1{100 * found.within:.1f} points (now \u00b1{points})."
    )


class Share(Value):
    """How frequent a label is.

    Attributes:
        said: Share of answers in which the model chose it.
        share: Estimated of its true share.
    """

    label: str
    said: float
    share: Estimated


def outlook(
    population: Population, reviews: Sequence[Review], calibration: Calibration, within: float = 0.02
) -> Outlook:
    """Accuracy over all answers by prediction-powered inference, the calibrated confidence being the guess."""
    guess = _guesses(population, reviews, calibration)
    seen = guess[_places(population, reviews)]
    truth = np.array([float(r.right) for r in reviews])
    accuracy, unreachable = _powered(population, reviews, guess, truth, seen * (1 - seen))
    half = (accuracy.high - accuracy.low) / 2
    left = int(population.waiting.sum())
    ahead = min(100, left)
    n = max(accuracy.n, 1)
    return Outlook(
        accuracy=accuracy,
        answers=len(population.scores),
        reviewed=len(reviews),
        unreachable=unreachable,
        half_width=half,
        change=likely_change(n, half, ahead) if accuracy.n else half,
        next_checks=ahead,
        more=min(left, more_for_width(n, half, within) if accuracy.n else FIRST_CHECKS),
        within=within,
    )


def shares(
    population: Population, reviews: Sequence[Review], calibration: Calibration, labels: Sequence[str]
) -> list[Share]:
    """True shares of labels over all answers, the model's choice being the guess."""
    sure = _guesses(population, reviews, calibration)[_places(population, reviews)]
    found = []
    for label in labels:
        guess = np.array([float(label in chosen) for chosen in population.labels])
        said = np.array([float(label in r.predicted) for r in reviews])
        truth = np.array([float(label in r.true) for r in reviews])
        # Where the model is wrong, each other label is as likely to be the true one.
        off = np.where(said > 0, 1 - sure, (1 - sure) / max(1, len(labels) - 1))
        estimate, _ = _powered(population, reviews, guess, truth, off)
        found.append(Share(label=label, said=float(guess.mean()) if len(guess) else 0.0, share=estimate))
    return found


def weights(population: Population, reviews: Sequence[Review]) -> Floats:
    """How many answers each review stands for (n,), for calibration."""
    found: Floats = 1 / inclusion(population, reviews)[0]
    return found


def _places(population: Population, reviews: Sequence[Review]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.searchsorted(population.asset_ids, [r.asset_id for r in reviews])
    return found


def _guesses(population: Population, reviews: Sequence[Review], calibration: Calibration) -> Floats:
    """How likely each answer is right, (N,)."""
    rate = sum(r.right for r in reviews) / len(reviews) if reviews else 0.5
    guess = calibration.apply(np.clip(population.scores, 0.01, 0.99))
    return np.where(np.isnan(guess), rate, guess)


def _powered(
    population: Population, reviews: Sequence[Review], guess: Floats, truth: Floats, expected_square: Floats
) -> tuple[Estimated, int]:
    """The estimate, widened by what lies out of reach; and how many answers lie there."""
    pi, reachable = inclusion(population, reviews)
    total, out = len(guess), int((~reachable).sum())
    if not total or out == total:
        value = float(guess.mean()) if total else 0.0
        return Estimated(value=value, low=0.0, high=1.0, n=0), out
    inner = prediction_powered_mean(
        guess[reachable], guess[_places(population, reviews)], truth, pi, expected_square=expected_square
    )
    part = (total - out) / total
    beyond = float(guess[~reachable].sum()) / total
    return Estimated(
        value=inner.value * part + beyond,
        low=inner.low * part,
        high=inner.high * part + out / total,
        n=inner.n,
    ), out
