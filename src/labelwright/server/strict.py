"""Strict JSON at the edge: what every later layer may rely on.

Refuses NaN and Infinity (also written as 1e999), nesting over 100, duplicate keys, lone surrogates, NUL, and integers
beyond 64 bits, each with a clear message. PostgreSQL cannot hold NUL or lone surrogates; refusing them everywhere keeps
both databases alike.
"""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from labelwright.core.errors import Invalid, TooLarge

MAX_DEPTH = 100
MAX_BODY_BYTES = 32 * 1024 * 1024
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError("an integer is beyond 64 bits; send it as a string")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is beyond what a number can hold")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, n in names.items() if n > 1)
        raise ValueError(f"the key {twice[:60]!r} occurs twice")
    return found


def loads(body: bytes) -> Any:
    """Parse a JSON body.

    Raises:
        TooLarge: More than 32 MiB.
        Invalid: Not JSON in the strict sense above.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(
            "body_too_large", f"the body has {len(body)} bytes, at most {MAX_BODY_BYTES} are allowed"
        )
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_float,
            object_pairs_hook=_object,
        )
        check(value)
    except UnicodeDecodeError as error:
        raise Invalid("bad_json", f"the body is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise Invalid("bad_json", f"the body is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise Invalid("bad_json", f"the body is not valid JSON: {error}") from error
    return value


def check_parameter(value: str, *, whole: bool) -> None:
    """Refuse a part of the address that no database can hold.

    Args:
        value: What stands in the path or the query.
        whole: Whether it is read as a whole number.

    Raises:
        ValueError: NUL, half of a surrogate pair, or a whole number beyond 64 bits.
    """
    if _FORBIDDEN.search(value):
        raise ValueError("contains NUL or half of a surrogate pair")
    # Python reads no number of thousands of digits; that is left to the check of the form.
    if whole and re.fullmatch(r"[+-]?[0-9_]{18,1000}", value.strip()):
        number = int(value.replace("_", ""))
        if not -(2**63) <= number < 2**63:
            raise ValueError("is beyond 64 bits")


def check(value: Any) -> None:
    """Refuse too deep nesting and characters that no database can hold.

    Raises:
        ValueError: The value has one of these.
    """
    stack: list[tuple[Any, int]] = [(value, 1)]
    while stack:
        part, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(part, str):
            if _FORBIDDEN.search(part):
                raise ValueError("a string contains NUL or half of a surrogate pair")
        elif isinstance(part, dict):
            stack += [(key, depth + 1) for key in part]
            stack += [(each, depth + 1) for each in part.values()]
        elif isinstance(part, list):
            stack += [(each, depth + 1) for each in part]
