"""What every reader needs at the edge: encodings, bounded lines, strict JSON, forbidden characters, offsets.

PostgreSQL can hold neither NUL nor lone surrogates, so they are refused on both databases, row by row.
"""

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from labelwright.core.errors import Invalid
from labelwright.core.problem import Problem, excerpt

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_TEXT = 10_000_000
MAX_DEPTH = 100
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def encoding_of(path: Path, wanted: str | None = None) -> str:
    """The encoding of a text file: as told, else by its byte-order mark, else UTF-8.

    The whole file is checked before anything is imported from it.

    Raises:
        Invalid: The bytes are not in that encoding; the message names the place.
    """
    with path.open("rb") as file:
        head = file.read(4)
    found = _named(wanted) if wanted else "utf-8"
    if head.startswith(codecs.BOM_UTF8) and found == "utf-8":
        found = "utf-8-sig"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and (not wanted or "utf-16" in found):
        found = "utf-16"
    _check_bytes(path, found, head)
    return found


def _named(wanted: str) -> str:
    try:
        info = codecs.lookup(wanted)
        known = info._is_text_encoding and info.name not in ("idna", "punycode", "undefined")
    except (LookupError, ValueError):
        known = False
    if not known:
        raise Invalid("bad_encoding", f"unknown encoding {excerpt(wanted)!r}", "try utf-8, utf-16 or cp1252")
    return info.name


def _check_bytes(path: Path, encoding: str, head: bytes) -> None:
    # The checking decoders leave the byte-order mark in the text, so that positions count from the first byte.
    big = head.startswith(codecs.BOM_UTF16_BE)
    plain = {"utf-8-sig": "utf-8", "utf-16": "utf-16-be" if big else "utf-16-le"}.get(encoding, encoding)
    decoder, at = codecs.getincrementaldecoder(plain)(), 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(1 << 20)
            pending = decoder.getstate()[0]
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                start = error.start if isinstance(error, UnicodeDecodeError) else 0
                byte = (pending + chunk)[start : start + 1].hex()
                raise Invalid(
                    "bad_encoding",
                    f"{path.name} is not {encoding}: byte 0x{byte} at offset {at - len(pending) + start}",
                    "save it as UTF-8, or name its encoding (for example cp1252)",
                ) from None
            if not chunk:
                return
            at += len(chunk)


def lines(path: Path, encoding: str) -> Iterator[tuple[int, str | None]]:
    """(line number from 1, text with its line end); None for a line over the limit, which is skipped whole."""
    with path.open("r", encoding=encoding, newline="") as file:
        number = 0
        while True:
            line = file.readline(MAX_LINE_BYTES)
            if not line:
                return
            number += 1
            if len(line) >= MAX_LINE_BYTES and not line.endswith("\n"):
                while True:
                    rest = file.readline(MAX_LINE_BYTES)
                    if not rest or rest.endswith("\n"):
                        break
                yield number, None
            else:
                yield number, line


def too_long(where: str) -> Problem:
    """The problem of a line over the limit."""
    return Problem(
        where=where,
        code="line_too_long",
        message=f"longer than {MAX_LINE_BYTES // 2**20} MiB; it was skipped",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _integer(digits: str) -> int | str:
    if len(digits) > 20:
        raise ValueError("an integer is beyond 64 bits")
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"the key {excerpt(next(k for k, n in names.items() if n > 1))!r} occurs twice")
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is beyond what a number can hold")
    return number


DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=_integer, parse_float=_float, object_pairs_hook=_object
)
LENIENT = json.JSONDecoder(parse_int=str, parse_float=str)
"""Finds where a refused value ends, so that what follows it can still be read."""


def parse_json(text: str) -> Any:
    """Strict JSON.

    Raises:
        ValueError: Not JSON, NaN, a duplicate key, nested too deep.
    """
    try:
        value = DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse too deep nesting.

    Raises:
        ValueError: Deeper than the limit.
    """
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        level = [
            child
            for part in level
            if isinstance(part, dict | list)
            for child in (part.values() if isinstance(part, dict) else part)
            if isinstance(child, dict | list)
        ]


def forbidden(text: str) -> str | None:
    """Why this string cannot be stored; None when it can."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    what = "NUL" if found[0] == "\0" else "half of a surrogate pair"
    return f"contains {what} at character {found.start()}"


def unstorable(value: Any, depth: int = 0) -> str | None:
    """Why a nested value cannot be stored: a forbidden character in a text or key, NaN, infinity, or too deep."""
    if isinstance(value, str):
        return forbidden(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else "contains a number that is not finite"
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, dict):
        parts: Iterable[Any] = (part for pair in value.items() for part in pair)
    elif isinstance(value, list | tuple):
        parts = value
    else:
        return None
    return next((why for part in parts if (why := unstorable(part, depth + 1))), None)


def printable(text: str) -> str:
    """A text that can be stored: what is forbidden becomes U+FFFD."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


# --- offsets ----------------------------------------------------------------------------------------------------


def utf16_to_points(text: str) -> list[int]:
    """For each UTF-16 offset of the text (0 to its UTF-16 length), the code point offset; the middle of a pair is its start."""
    table: list[int] = []
    for i, character in enumerate(text):
        table += [i] if ord(character) < 0x10000 else [i, i]
    return [*table, len(text)]


def points_to_utf16(text: str) -> list[int]:
    """For each code point offset (0 to the length), the UTF-16 offset."""
    table, at = [0], 0
    for character in text:
        at += 1 if ord(character) < 0x10000 else 2
        table.append(at)
    return table
