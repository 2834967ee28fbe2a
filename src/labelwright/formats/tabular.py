"""Tables: CSV, TSV, JSON lines, JSON arrays, Parquet. Each yields rows as mappings, one at a time."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelwright.core.errors import Invalid, LabelwrightError
from labelwright.core.problem import Problem
from labelwright.formats import edge

Row = tuple[str, dict[str, Any] | Problem]
"""(`file:line`, columns) or the problem of that place."""


def delimited(path: Path, name: str, encoding: str | None, delimiter: str | None) -> Iterator[Row]:
    """Rows of a CSV or TSV file; quoted line ends are fine, the delimiter is guessed from the header when not given."""
    found = edge.encoding_of(path, encoding)
    csv.field_size_limit(edge.MAX_LINE_BYTES)
    state = {"line": 0}
    skipped: list[int] = []

    def source() -> Iterator[str]:
        for number, line in edge.lines(path, found):
            state["line"] = number
            if line is None:
                skipped.append(number)
                continue
            yield line

    lines = source()
    first = next((line for line in lines if line.strip() or skipped), None)
    if skipped:
        raise Invalid("bad_header", f"{name}: the line with the column names is too long")
    if first is None:
        raise Invalid("empty_file", f"{name} is empty")
    if delimiter is None:
        delimiter = max(",;\t|", key=lambda mark: first.count(mark))
        if first.count(delimiter) == 0:
            delimiter = ","

    def with_first() -> Iterator[str]:
        yield first
        yield from lines

    # Strict: a stray or never closed quote is a problem of its row, not a silent merge of rows.
    reader = csv.reader(with_first(), delimiter=delimiter, strict=True)
    try:
        header = [column.strip() for column in next(reader)]
    except (csv.Error, StopIteration) as error:
        raise Invalid(
            "bad_header", f"{name}: the line with the column names cannot be read: {error}"
        ) from None
    if any(edge.forbidden(column) for column in header):
        raise Invalid("bad_header", f"{name}: a column name contains a character that cannot be stored")
    if len(set(header)) != len(header):
        twice = next(column for column in header if header.count(column) > 1)
        raise Invalid("duplicate_column", f"{name}: the column {twice!r} occurs twice", "rename one of them")
    before = state["line"]
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            message = str(error)
            if "unexpected end" in message:
                message = "a quote is opened here and never closed; the lines after it were not read"
            yield (
                f"{name}:{before + 1}",
                Problem(where=f"{name}:{before + 1}", code="bad_row", message=message),
            )
            before = state["line"]
            continue
        where, before = f"{name}:{before + 1}", state["line"]
        while skipped:
            long = f"{name}:{skipped.pop()}"
            yield long, edge.too_long(long)
        if not cells:
            continue
        if len(cells) != len(header):
            message = f"{len(cells)} cells where the header has {len(header)}"
            yield where, Problem(where=where, code="ragged_row", message=message)
        else:
            yield where, dict(zip(header, cells, strict=True))
    while skipped:
        long = f"{name}:{skipped.pop()}"
        yield long, edge.too_long(long)


def json_lines(path: Path, name: str, encoding: str | None) -> Iterator[Row]:
    """One JSON object per line."""
    found = edge.encoding_of(path, encoding)
    for number, line in edge.lines(path, found):
        where = f"{name}:{number}"
        if line is None:
            yield where, edge.too_long(where)
        elif line.strip():
            yield where, _row(line, where)


def _row(text: str, where: str) -> dict[str, Any] | Problem:
    try:
        value = edge.parse_json(text)
    except ValueError as error:
        return Problem(where=where, code="bad_json", message=str(error))
    if not isinstance(value, dict):
        return Problem(where=where, code="not_an_object", message="each row must be a JSON object")
    return value


def json_array(path: Path, name: str, encoding: str | None) -> Iterator[Row]:
    """The objects of one JSON array, read piece by piece, so that a huge file needs little memory.

    Raises:
        Invalid: The file is not a JSON array of objects.
    """
    found = edge.encoding_of(path, encoding)
    with path.open("r", encoding=found) as file:
        text, at, number, ended = file.read(1 << 20).lstrip("\ufeff \t\r\n"), 0, 0, False
        if text[:1] == "{":
            raise Invalid(
                "not_an_array",
                f"{name} holds one JSON object",
                "a JSON array of objects is wanted, or JSON lines",
            )
        if text[:1] != "[":
            raise Invalid("bad_json", f"{name} is not JSON", "a JSON array of objects is wanted")
        at = 1
        while True:
            while at < len(text) and text[at] in " \t\r\n,":
                at += 1
            if at < len(text) and text[at] == "]":
                if (text[at + 1 :] + file.read(1 << 16)).strip():
                    where = f"{name}[{number}]"
                    message = "something follows the end of the array; it was not read"
                    yield where, Problem(where=where, code="bad_json", message=message)
                return
            where = f"{name}[{number}]"
            try:
                value, at = edge.DECODER.raw_decode(text, at)
                edge.check_depth(value)
            except (ValueError, RecursionError) as error:
                after = _end_of(text, at)
                if after is not None and (after < len(text) or ended):
                    # Well-formed but refused (NaN, a key twice, too deep): only this row is lost.
                    number, at = number + 1, after
                    yield where, Problem(where=where, code="bad_json", message=str(error))
                    continue
                more = "" if ended or len(text) - at > edge.MAX_LINE_BYTES else file.read(1 << 20)
                if more:
                    # Perhaps only cut: read on and try this element again. Doubling keeps the work linear.
                    text, at = text[at:] + more + file.read(len(text) - at), 0
                    continue
                message = "nested too deep" if isinstance(error, RecursionError) else str(error)
                yield (
                    where,
                    Problem(
                        where=where, code="bad_json", message=f"{message}; the rest of the file was not read"
                    ),
                )
                return
            number += 1
            if isinstance(value, dict):
                yield where, value
            else:
                yield (
                    where,
                    Problem(where=where, code="not_an_object", message="each row must be a JSON object"),
                )
            if not ended and len(text) - at < 1 << 19:
                more = file.read(1 << 20)
                ended = not more
                text, at = text[at:] + more, 0
            if ended and not text[at:].strip(" \t\r\n,"):
                yield (
                    where,
                    Problem(where=where, code="cut_file", message="the file ends before the array does"),
                )
                return


def _end_of(text: str, at: int) -> int | None:
    try:
        return edge.LENIENT.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return None


def parquet(path: Path, name: str) -> Iterator[Row]:
    """Rows of a Parquet file, a batch at a time.

    Raises:
        Invalid: Not a Parquet file.
        LabelwrightError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LabelwrightError(
            "no_pyarrow",
            "Parquet needs pyarrow, which is not installed",
            "pip install 'labelwright[parquet]'",
        ) from None

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise Invalid("bad_parquet", f"{name} is not a Parquet file: {str(error)[:200]}") from None
    number = 0
    try:
        for batch in file.iter_batches(batch_size=1_000):
            for row in batch.to_pylist():
                number += 1
                yield f"{name}:{number}", row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        where = f"{name}:{number + 1}"
        message = f"the rest of the file cannot be read: {str(error)[:200]}"
        yield where, Problem(where=where, code="bad_parquet", message=message)
