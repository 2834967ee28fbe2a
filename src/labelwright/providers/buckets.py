"""How much may be sent now: a bucket a person sets, and what an endpoint says is left.

Hides refill and correction; both answer one question, "how long must something of this size wait?". Times are seconds of
the caller's monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from labelwright.providers.waits import reset_s

Kind = Literal["requests", "tokens"]
KINDS: tuple[Kind, ...] = ("requests", "tokens")


class Bucket:
    """A steady flow of so much a minute.

    It holds at most what flows in one second, so that any minute sees at most 1/60 more than the limit. Something larger
    than that may still pass once the bucket is full, and leaves a debt that later ones wait for.
    """

    def __init__(self, per_min: float, now: float) -> None:
        """A full bucket."""
        self.per_min = per_min
        self._rate = per_min / 60.0
        self._most = max(1.0, self._rate)
        self._level, self._at = self._most, now

    def wait_s(self, size: float, now: float) -> float:
        """Seconds until something of this size may pass; 0 when it may now."""
        self._refill(now)
        missing = min(size, self._most) - self._level
        # A rounding error must not ask for a wait that never ends.
        return missing / self._rate if missing > 1e-9 else 0.0

    def take(self, size: float) -> None:
        """Let it pass. A negative size gives back what was taken too much."""
        self._level = min(self._most, self._level - size)

    def _refill(self, now: float) -> None:
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now


@dataclass
class Told:
    """What an endpoint said is left of one of its limits until it is whole again.

    Attributes:
        left: Of the limit, at `at`, less what was sent since.
        rate: What flows back per second; 0 where the endpoint did not say how large the limit is.
        until: When the limit is whole again; the word is forgotten then.
    """

    left: float
    at: float
    rate: float
    until: float

    def wait_s(self, size: float, now: float) -> float:
        """Seconds until something of this size fits; 0 when it does now."""
        if now >= self.until:
            return 0.0
        missing = size - self.left - self.rate * (now - self.at)
        if missing <= 1e-9:
            return 0.0
        return min(missing / self.rate if self.rate > 0 else self.until - now, self.until - now)


def told(headers: Mapping[str, str], kind: Kind, sent_since: float, now: float, wall: float) -> Told | None:
    """What `x-ratelimit-remaining-*`, `-reset-*` and `-limit-*` of an answer say; None when they say nothing usable.

    Args:
        headers: HTTP headers, names in lower case.
        kind: Which limit.
        sent_since: What was sent after the request of this answer: the endpoint had not counted it yet.
        now: The monotonic clock.
        wall: Seconds since 1970, for a reset that is a date.
    """
    left = _count(headers.get(f"x-ratelimit-remaining-{kind}"))
    wait = reset_s(headers.get(f"x-ratelimit-reset-{kind}", ""), wall)
    if left is None or wait is None or wait <= 0:
        return None
    limit = _count(headers.get(f"x-ratelimit-limit-{kind}"))
    rate = (limit - left) / wait if limit is not None and limit > left else 0.0
    return Told(left - sent_since, now, rate, now + wait)


def _count(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < 1e15 else None
