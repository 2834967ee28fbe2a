"""Which column of a table means what; guesses it, previews it, and applies it row by row."""

import json
import math
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from typing import Any

from pydantic import Field

from labelwright.core.problem import Problem, excerpt
from labelwright.core.transfer import Incoming, Opinion
from labelwright.core.value import Value
from labelwright.formats.edge import MAX_TEXT, forbidden, parse_json

TEXT_NAMES = (
    "text",
    "content",
    "review",
    "sentence",
    "message",
    "body",
    "document",
    "comment",
    "tweet",
    "question",
    "title",
)
ID_NAMES = ("id", "external_id", "uid", "uuid", "key", "doc_id", "document_id")


class Mapping(Value):
    """Columns by meaning.

    Attributes:
        text: Column with the text.
        external_id: Column with the user's own key; None for none (the content then identifies an asset).
        metadata: Columns kept beside the text; None for all others.
        answers: Question id or name -> column with a person's answers.
        predictions: Question id or name -> column with a model's answers.
        gold: Question id or name -> column with trusted answers.
        confidence: Question id or name -> column with the model's confidence in [0, 1].
        encoding: Of a text file; None for the byte-order mark, else UTF-8.
    """

    text: str = "text"
    external_id: str | None = None
    metadata: tuple[str, ...] | None = None
    answers: dict[str, str] = Field(default_factory=dict)
    predictions: dict[str, str] = Field(default_factory=dict)
    gold: dict[str, str] = Field(default_factory=dict)
    confidence: dict[str, str] = Field(default_factory=dict)
    encoding: str | None = None


class Column(Value):
    """A column as seen in the first rows; `values` are all distinct ones where there are few."""

    name: str
    examples: tuple[str, ...]
    distinct: int
    filled: int
    mean_length: float
    values: tuple[str, ...] = ()


def columns_of(rows: Iterable[MappingOf[str, Any]]) -> list[Column]:
    """Columns of some rows, in order of appearance."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    found = []
    for name, seen in values.items():
        texts = [v if isinstance(v, str) else repr(v) for v in seen if v is not None and v != ""]
        found.append(
            Column(
                name=name,
                examples=tuple(dict.fromkeys(excerpt(each, 80) for each in texts))[:3],
                distinct=len(set(texts)),
                filled=len(texts),
                mean_length=sum(map(len, texts)) / len(texts) if texts else 0.0,
                values=tuple(sorted(set(texts))) if len(set(texts)) <= 50 else (),
            )
        )
    return found


def guess(columns: list[Column]) -> Mapping:
    """A first mapping: by well-known names, else the column with the longest texts."""
    by_name = {column.name.strip().lower(): column.name for column in columns}
    text = next((by_name[name] for name in TEXT_NAMES if name in by_name), None)
    if text is None and columns:
        text = max(columns, key=lambda column: column.mean_length).name
    external_id = next(
        (by_name[name] for name in ID_NAMES if name in by_name and by_name[name] != text), None
    )
    return Mapping(text=text or "text", external_id=external_id)


def label_columns(columns: list[Column], mapping: Mapping) -> list[Column]:
    """Columns that look like labels: few distinct short values that repeat."""
    return [
        column
        for column in columns
        if column.name not in (mapping.text, mapping.external_id)
        and 2 <= column.distinct <= max(2, column.filled // 3)
        and column.distinct <= 50
        and column.mean_length <= 40
    ]


def apply(where: str, row: MappingOf[str, Any], mapping: Mapping) -> Incoming | Problem:
    """One row as an asset.

    Problems:
        no_text, not_a_text, empty_text, text_too_long, forbidden_character, bad_id.
    """
    if mapping.text not in row:
        known = ", ".join(excerpt(str(name), 30) for name in list(row)[:8])
        return Problem(
            where=f"{where}:{mapping.text}", code="no_text", message=f"no such column (columns: {known})"
        )
    text = row[mapping.text]
    if isinstance(text, int | float) and not isinstance(text, bool) and text == text:
        text = str(text)
    if not isinstance(text, str):
        return Problem(
            where=f"{where}:{mapping.text}", code="not_a_text", message=f"a text wanted, got {excerpt(text)}"
        )
    problem = check_text(text, f"{where}:{mapping.text}")
    if problem is not None:
        return problem
    external_id = row.get(mapping.external_id) if mapping.external_id else None
    if external_id is not None:
        external_id = str(external_id).strip()
        wrong = forbidden(external_id)
        if not external_id or len(external_id) > 500 or wrong:
            reason = wrong or ("empty" if not external_id else "longer than 500 characters")
            return Problem(
                where=f"{where}:{mapping.external_id}", code="bad_id", message=f"the id is unusable: {reason}"
            )
    used = {mapping.text, mapping.external_id, *mapping.answers.values(), *mapping.predictions.values(),
            *mapping.gold.values(), *mapping.confidence.values()}  # fmt: skip
    names = mapping.metadata if mapping.metadata is not None else [name for name in row if name not in used]
    metadata = {}
    for name in names:
        if name in row:
            value = plain(row[name])
            wrong = forbidden(value) if isinstance(value, str) else None
            if wrong:
                return Problem(
                    where=f"{where}:{excerpt(name, 40)}", code="forbidden_character", message=wrong
                )
            metadata[name] = value
    return Incoming(where, text, external_id, metadata, _opinions(row, mapping))


def check_text(text: str, where: str) -> Problem | None:
    """What is wrong with a text; None when it can be stored."""
    if not text.strip():
        return Problem(where=where, code="empty_text", message="the text is empty")
    if len(text) > MAX_TEXT:
        message = f"{len(text)} characters, at most {MAX_TEXT} allowed"
        return Problem(where=where, code="text_too_long", message=message)
    wrong = forbidden(text)
    return Problem(where=where, code="forbidden_character", message=f"the text {wrong}") if wrong else None


def plain(value: Any) -> str | int | float | bool | None:
    """A value as metadata can hold it; nested values become JSON text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None  # how tables write "no value"
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _opinions(row: MappingOf[str, Any], mapping: Mapping) -> tuple[Opinion, ...]:
    found = []
    for by, columns in (("person", mapping.answers), ("model", mapping.predictions), ("gold", mapping.gold)):
        answers = {q: _value(row[c]) for q, c in columns.items() if row.get(c) not in (None, "")}
        if answers:
            confidence = {}
            if by == "model":
                for question, column in mapping.confidence.items():
                    if row.get(column) in (None, ""):
                        continue
                    try:
                        confidence[question] = float(row[column])
                    except (TypeError, ValueError):
                        confidence[question] = math.nan  # reported where names are resolved
            found.append(Opinion(by, answers, "import", confidence))  # type: ignore[arg-type]
    return tuple(found)


def _value(value: Any) -> Any:
    # A cell of a CSV file may hold a JSON list, as our own CSV export writes several labels and spans.
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return parse_json(value)
        except ValueError:
            return value
    return value
