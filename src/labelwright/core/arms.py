"""The experiment that says what suggestions are worth: a random share of takes is made without one.

Hides how the share is drawn (per person, in shuffled blocks, so that everybody's arms stay balanced) and the comparison
of the two arms. A speed-up is only stated where enough was measured.
"""

import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from labelwright.core.value import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

Arm = Literal["shown", "hidden"]

BLOCK = 20
WARM_UP = 20
"""A person's first submissions in a project are learning, and left out."""
ENOUGH = 30
"""Below so many timed submissions per arm nothing is stated."""
DRAWS = 1_000
MOST_ROWS = 4_000
"""The newest so many submissions are compared."""


def draw(number: int, share: float, user_id: int, seed: int) -> Arm:
    """The arm of a person's `number`-th draw (from 0).

    In every block of 20 draws of a person, `20 * share` are hidden (rounded up or down at random, so that the mean is
    exact), at shuffled places.
    """
    block, place = divmod(number, BLOCK)
    key = hashlib.blake2b(f"arm:{seed}:{user_id}:{block}".encode(), digest_size=8).digest()
    rng = random.Random(int.from_bytes(key, "big"))
    hidden = int(BLOCK * share) + (rng.random() < BLOCK * share - int(BLOCK * share))
    places = list(range(BLOCK))
    rng.shuffle(places)
    return "hidden" if place in places[:hidden] else "shown"


class Made(Value):
    """One submission of the experiment.

    Attributes:
        active_s: Seconds over all visits of the person to the asset; 0 when not timed.
        right: Whether it agrees with gold; None where there is none.
        agrees: Share of what the model said, shown or not, that the person said too; None when it said nothing.
        labels: `question/label` of what was answered.
    """

    arm: Arm
    person: int
    active_s: float
    right: float | None = None
    agrees: float | None = None
    labels: tuple[str, ...] = ()


class Bootstrapped(Value):
    """A figure with its 95 % bootstrap interval; resampled within each person and arm."""

    value: float
    low: float
    high: float


class ArmFigures(Value):
    """One arm: how many submissions, how many of them timed or on gold, and means over those."""

    n: int = 0
    timed: int = 0
    active_s: float | None = None
    on_gold: int = 0
    right: float | None = None
    judged: int = 0
    agrees: float | None = None


class LabelShift(Value):
    """Share of submissions with this label in each arm; `shift` is shown minus hidden."""

    key: str
    shown: float
    hidden: float
    shift: Bootstrapped


class ArmsCompared(Value):
    """The two arms side by side.

    Attributes:
        speed_up: Geometric mean of active seconds without a suggestion over that with one: 1.3 means 30 % faster with.
        right: Difference in agreement with gold, shown minus hidden.
        agrees: Difference in agreement with the model, shown minus hidden: how far people follow what they are shown.
        left_out: Submissions not compared because their person was still learning.
        message: What can be said, in one sentence.
    """

    shown: ArmFigures
    hidden: ArmFigures
    left_out: int = 0
    enough: bool = False
    speed_up: Bootstrapped | None = None
    right: Bootstrapped | None = None
    agrees: Bootstrapped | None = None
    labels: tuple[LabelShift, ...] = ()
    message: str


def compare(made: Sequence[Made], left_out: int = 0, seed: int = 0) -> ArmsCompared:
    """Compare the arms; figures without enough data are None."""
    shown, hidden = ([m for m in made if m.arm == arm] for arm in ("shown", "hidden"))
    figures = {"shown": _figures(shown), "hidden": _figures(hidden), "left_out": left_out}
    fewest = min(figures["shown"].timed, figures["hidden"].timed)  # type: ignore[attr-defined]
    if fewest < ENOUGH:
        message = (
            f"Not enough yet: {ENOUGH} timed submissions in each arm are needed, there are "
            f"{figures['shown'].timed} with and {figures['hidden'].timed} without a suggestion"  # type: ignore[attr-defined]
            f" (the first {WARM_UP} of each person do not count)."
        )
        return ArmsCompared.model_validate(figures | {"message": message})
    import numpy as np

    logs = [[np.log(m.active_s) if m.active_s > 0 else np.nan for m in arm] for arm in (shown, hidden)]
    keys = sorted({label for m in made for label in m.labels})
    columns = [
        np.array(
            [
                [lg, _or_nan(m.right), _or_nan(m.agrees), *(float(key in m.labels) for key in keys)]
                for lg, m in zip(logs[i], arm, strict=True)
            ]
        )
        for i, arm in enumerate((shown, hidden))
    ]
    rng = np.random.default_rng(seed)
    (now_s, drawn_s), (now_h, drawn_h) = (
        _bootstrap(table, np.array([m.person for m in arm]), rng)
        for table, arm in zip(columns, (shown, hidden), strict=True)
    )
    enough_gold = min(figures["shown"].on_gold, figures["hidden"].on_gold) >= ENOUGH  # type: ignore[attr-defined]
    enough_judged = min(figures["shown"].judged, figures["hidden"].judged) >= ENOUGH  # type: ignore[attr-defined]
    speed = _estimate(np.exp(now_h[0] - now_s[0]), np.exp(drawn_h[:, 0] - drawn_s[:, 0]))
    return ArmsCompared.model_validate(
        figures
        | {
            "enough": True,
            "speed_up": speed,
            "right": _estimate(now_s[1] - now_h[1], drawn_s[:, 1] - drawn_h[:, 1]) if enough_gold else None,
            "agrees": _estimate(now_s[2] - now_h[2], drawn_s[:, 2] - drawn_h[:, 2]) if enough_judged else None,
            "labels": [
                LabelShift(
                    key=key, shown=now_s[3 + i], hidden=now_h[3 + i],
                    shift=_estimate(now_s[3 + i] - now_h[3 + i], drawn_s[:, 3 + i] - drawn_h[:, 3 + i]),
                )
                for i, key in enumerate(keys)
            ],
            "message": _message(speed),
        }
    )  # fmt: skip


def _message(speed: Bootstrapped) -> str:
    if speed.low > 1:
        return f"With a suggestion people were {speed.value:.2f} times as fast (95 % interval {speed.low:.2f} to {speed.high:.2f})."
    if speed.high < 1:
        return f"With a suggestion people were slower: {speed.value:.2f} times as fast (95 % interval {speed.low:.2f} to {speed.high:.2f})."
    return f"No difference in speed can be told yet: {speed.value:.2f} times as fast (95 % interval {speed.low:.2f} to {speed.high:.2f})."


def _figures(arm: Sequence[Made]) -> ArmFigures:
    timed = [m.active_s for m in arm if m.active_s > 0]
    right = [m.right for m in arm if m.right is not None]
    agrees = [m.agrees for m in arm if m.agrees is not None]
    return ArmFigures(
        n=len(arm), timed=len(timed), active_s=_geometric(timed), on_gold=len(right), right=_mean(right),
        judged=len(agrees), agrees=_mean(agrees),
    )  # fmt: skip


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _geometric(values: Sequence[float]) -> float | None:
    import math

    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _bootstrap(
    table: "Numbers", people: "NDArray[np.int64]", rng: "np.random.Generator"
) -> tuple["Numbers", "Numbers"]:
    """Column means that skip NaN, of the table (n, k) and of draws from it: (k,) and (DRAWS, k)."""
    import numpy as np

    known = (~np.isnan(table)).astype(float)
    values = np.nan_to_num(table)
    sums, counts = np.zeros((DRAWS, table.shape[1])), np.zeros((DRAWS, table.shape[1]))
    for person in np.unique(people):
        rows = np.flatnonzero(people == person)
        for start in range(0, DRAWS, 100):  # weights of a hundred draws at a time keep the memory small
            weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=100)
            sums[start : start + 100] += weights @ values[rows]
            counts[start : start + 100] += weights @ known[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        return values.sum(0) / known.sum(0), sums / counts


def _estimate(value: float, drawn: "Numbers") -> Bootstrapped:
    import numpy as np

    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    # A percentile interval of a skewed figure may miss the figure itself by a hair.
    return Bootstrapped(value=float(value), low=float(min(low, value)), high=float(max(high, value)))
