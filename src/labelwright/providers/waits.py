"""How long to wait: what an endpoint asked for, and full-jitter back-off where it did not say."""

import math
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_S = 7 * 86_400.0
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds an endpoint asked to wait, in [0, one week]; None when it did not say or it cannot be read.

    Reads `retry-after-ms`, `Retry-After` in seconds or as an HTTP date, and the reset times that go with an empty
    `x-ratelimit-remaining-*`.

    Args:
        headers: HTTP headers, names in lower case.
        now: Wall clock as seconds since 1970.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        seconds = _number(value)
        if seconds is not None:
            return _bounded(seconds * unit)
        if name == "retry-after":
            at = _date(value)
            if at is not None:
                return _bounded(at - now)
    resets = [
        reset_s(headers.get(f"x-ratelimit-reset-{kind}", ""), now)
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
    ]
    known = [reset for reset in resets if reset is not None]
    return _bounded(max(known)) if known else None


def duration_s(text: str) -> float | None:
    """Seconds of a duration such as `6m0s`, `20ms` or `1.5`; None when it cannot be read."""
    text = text.strip()[:100]
    plain = _number(text)
    if plain is not None:
        return plain
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def reset_s(text: str, now: float) -> float | None:
    """Seconds until a limit is whole again, in [0, one week]; None when it cannot be read.

    Reads a duration, or a point in time as seconds or milliseconds since 1970 or as a date.
    """
    found = duration_s(text)
    if found is None:
        at = _date(text) if text.strip() else None
        if at is None:
            try:
                at = datetime.fromisoformat(text.strip()[:40]).timestamp()
            except (ValueError, OverflowError, OSError):
                return None
        return _bounded(at - now)
    if found > 1e12:
        return _bounded(found / 1000.0 - now)
    return _bounded(found - now if found > 1e9 else found)


def backoff_s(attempt: int, base_s: float, cap_s: float, rng: random.Random) -> float:
    """Full-jitter exponential back-off before the next try: uniform in [0, min(cap, base * 2^(attempt - 1))].

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0.0, min(cap_s, base_s * 2.0 ** min(attempt - 1, 30)))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(_LONGEST_S, max(0.0, seconds))
