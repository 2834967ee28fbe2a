"""Reads price lists that others keep: LiteLLM's JSON (USD per token) and a CSV with the columns of `Price`."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from typing import Any

from pydantic import ValidationError

from labelwright.core.price import Price
from labelwright.core.problem import Problem

_COLUMNS = {
    "input": "input_usd_per_mtok", "cached_input": "cached_input_usd_per_mtok", "output": "output_usd_per_mtok",
}  # fmt: skip
_NOT_CHAT = {"embedding", "image_generation", "audio_transcription", "audio_speech", "rerank", "moderation"}


def read_prices(text: str, wanted: Callable[[str], bool]) -> tuple[list[Price], list[Problem]]:
    """Prices of the models that are wanted, and every row that cannot be used.

    Problems:
        unreadable: Neither JSON nor CSV with a column `model`.
        bad_price: A row without both prices, or with a value out of range.
    """
    if text.lstrip().startswith("{"):
        return _litellm(text, wanted)
    return _csv(text, wanted)


def _litellm(text: str, wanted: Callable[[str], bool]) -> tuple[list[Price], list[Problem]]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return [], [_problem("", "unreadable", "this is no whole JSON")]
    found: list[Price] = []
    problems: list[Problem] = []
    for key, row in table.items():
        if not isinstance(row, dict) or key == "sample_spec" or row.get("mode") in _NOT_CHAT:
            continue
        # "openai/gpt-4o" is what a gateway calls it; the provider itself says "gpt-4o".
        names = [name for name in dict.fromkeys((key, key.rpartition("/")[2])) if name and wanted(name)]
        if not names:
            continue
        input_, output = row.get("input_cost_per_token"), row.get("output_cost_per_token")
        batch = row.get("input_cost_per_token_batches")
        values = {
            "input_usd_per_mtok": _million(input_), "output_usd_per_mtok": _million(output),
            "cached_input_usd_per_mtok": _million(row.get("cache_read_input_token_cost")),
        }  # fmt: skip
        at_once, in_batch = _million(input_), _million(batch)
        if at_once and in_batch is not None:
            values["batch_multiplier"] = round(in_batch / at_once, 4)
        _add(names[-1], values, key[:200], found, problems)
    return _once(found), problems


def _csv(text: str, wanted: Callable[[str], bool]) -> tuple[list[Price], list[Problem]]:
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    found: list[Price] = []
    problems: list[Problem] = []
    try:
        if "model" not in (rows.fieldnames or ()):
            return [], [_problem("", "unreadable", "neither JSON nor CSV with a column named model")]
        for number, row in enumerate(rows, 2):
            model = (row.get("model") or "").strip()
            if not model or not wanted(model):
                continue
            values: dict[str, Any] = {}
            for name, text_ in row.items():
                name = _COLUMNS.get(name, name)
                if name in Price.model_fields and name != "model" and text_ and text_.strip():
                    values[name] = text_.strip()
            _add(model, values, f"row {number}", found, problems)
    except csv.Error as error:
        problems.append(_problem("", "unreadable", f"the CSV breaks off: {error}"))
    return _once(found), problems


def _add(model: str, values: dict[str, Any], where: str, found: list[Price], problems: list[Problem]) -> None:
    known = {name: value for name, value in values.items() if value is not None}
    try:
        found.append(Price.model_validate({"model": model, **known}))
    except ValidationError as error:
        wrong = ", ".join(str(each["loc"][0]) for each in error.errors()[:3])
        problems.append(_problem(where, "bad_price", f"{model[:100]}: {wrong} is missing or out of range"))


def _once(prices: list[Price]) -> list[Price]:
    # The last row wins: a name may stand in a list with and without the gateway in front.
    by_key: dict[tuple[str, date | None], Price] = {(p.model.casefold(), p.valid_from): p for p in prices}
    return list(by_key.values())


def _million(usd: object) -> float | None:
    # Ten digits: 1.5e-07 * 1e6 is 0.15, not 0.15000000000000002.
    return round(usd * 1e6, 10) if isinstance(usd, int | float) and not isinstance(usd, bool) else None


def _problem(where: str, code: str, message: str) -> Problem:
    return Problem(where=where, code=code, message=message)
