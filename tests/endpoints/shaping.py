"""Writes a known label in whatever JSON schema a request asks for, with log-probabilities for the label alone.

Hides the walk through the schema, so that the endpoints stay independent of how prompts are built.
"""

import json
import math
from typing import Any

CERTAIN = 1.0 - 1e-7
_LEAST = 1e-9


def schema_in(request: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema a request carries, if any."""
    wanted = request.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    schema = wanted.get("json_schema", {}).get("schema")
    return schema if isinstance(schema, dict) else None


def labels_in(schema: dict[str, Any] | None) -> list[str]:
    """The labels of the first single choice in a schema."""
    for sub in ((schema or {}).get("properties") or {}).values():
        names = [value for value in sub.get("enum", []) if isinstance(value, str)]
        if names:
            return names
    return []


def shaped(
    schema: dict[str, Any], label: str, entities: list[dict[str, str]] | None = None
) -> tuple[str, str]:
    """(JSON text that obeys the schema, the label as it is spelled there).

    Every single choice with such a label gets it, other choices their first value; booleans say whether their name is
    the label; numbers get their smallest value; texts the label; lists of entities the given ones.
    """
    spelled = next((name for name in labels_in(schema) if _same(name, label)), label)
    answer = {
        key: _value(key, sub, label, entities or []) for key, sub in schema.get("properties", {}).items()
    }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")), spelled


def _value(key: str, schema: dict[str, Any], label: str, entities: list[dict[str, str]]) -> Any:
    if "anyOf" in schema:
        return _value(key, schema["anyOf"][0], label, entities)
    if "enum" in schema:
        return next(
            (v for v in schema["enum"] if isinstance(v, str) and _same(v, label)),
            schema["enum"][0],
        )
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            return {
                name: _value(name, sub, label, entities) for name, sub in schema.get("properties", {}).items()
            }
        case "boolean":
            return _same(key, label)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "array" if "properties" in schema.get("items", {}):
            wanted = schema["items"]["properties"]
            return [{name: entity.get(name, "") for name in wanted} for entity in entities]
        case "array":
            allowed = schema.get("items", {}).get("enum", [])
            return [value for value in allowed if _same(str(value), label)]
        case _:
            return label


def _same(one: str, other: str) -> bool:
    return one.casefold().replace("_", " ").strip() == other.casefold().replace("_", " ").strip()


def tokens_with(text: str, label: str, chances: dict[str, float]) -> list[dict[str, Any]]:
    """Tokens of a JSON text: `label` is one token with these probabilities, everything else is certain.

    Args:
        text: The whole answer.
        label: The label as it is spelled in it; its last quoted occurrence is taken.
        chances: Label -> probability; must hold `label`.
    """
    quoted = json.dumps(label, ensure_ascii=False)
    at = text.rfind(quoted)
    if at < 0:
        return [_token(piece, {piece: 1.0}) for piece in _pieces(text)]
    start = at + 1
    inner = quoted[1:-1]
    return [
        *(_token(piece, {piece: 1.0}) for piece in _pieces(text[:start])),
        _token(inner, chances),
        *(_token(piece, {piece: 1.0}) for piece in _pieces(text[start + len(inner) :])),
    ]


def _pieces(text: str) -> list[str]:
    return [text[i : i + 6] for i in range(0, len(text), 6)]


def _token(token: str, chances: dict[str, float]) -> dict[str, Any]:
    def chance(name: str, p: float) -> dict[str, Any]:
        return {
            "token": name,
            "bytes": list(name.encode()),
            "logprob": math.log(min(1.0, max(_LEAST, p))),
        }

    ordered = sorted(chances.items(), key=lambda pair: -pair[1])
    return {
        **chance(token, chances[token]),
        "top_logprobs": [chance(name, p) for name, p in ordered],
    }
