"""What every reader needs at the edge: encodings, bounded lines, strict JSON, forbidden characters, offsets.

PostgreSQL can hold neither NUL nor lone surrogates, so they are refused on both databases, row by row.
"""

import codecs
import json
import re
from collections.abc import Iterator
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
    if wanted:
        try:
            found = codecs.lookup(wanted).name
        except LookupError:
            raise Invalid("bad_encoding", f"unknown encoding {wanted!r}", "try utf-8 or cp1252") from None
    elif head.startswith(codecs.BOM_UTF8):
        found = "utf-8-sig"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = "utf-16"
    else:
        found = "utf-8"
    decoder, at = codecs.getincrementaldecoder(found)(), 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(1 << 20)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                where = max(at + error.start - 3, 0)
                raise Invalid(
                    "bad_encoding",
                    f"{path.name} is not {found}: byte {chunk[error.start : error.start + 1].hex() or 'end'} "
                    f"near position {where}",
                    "save it as UTF-8, or name its encoding (for example cp1252)",
                ) from None
            if not chunk:
                return found
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
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {excerpt(next(n for n in names if names.count(n) > 1))!r} occurs twice")
    return found


DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer, object_pairs_hook=_object)


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
