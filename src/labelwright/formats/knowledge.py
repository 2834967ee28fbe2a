"""Lists of entities: CSV, TSV, JSON lines or a JSON array with `id`, `name`, `aliases` and `description`."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labelwright.core.answer import NIL
from labelwright.core.errors import Invalid
from labelwright.core.knowledge import MAX_ALIASES, MAX_ENTITIES, Entity
from labelwright.core.problem import Problem, excerpt
from labelwright.formats import edge, registry

_IDS = ("id", "entity_id", "kb_id", "qid", "key", "code")
_NAMES = ("name", "title", "label", "canonical_name")
_ALIASES = ("aliases", "alias", "synonyms", "also")
_DESCRIPTIONS = ("description", "definition", "desc")


def read(path: Path, name: str, encoding: str | None = None) -> tuple[list[Entity], list[Problem]]:
    """All entities of a file, and every row that is none.

    In a table several aliases stand in one cell, separated by `|`, or as a JSON list.

    Raises:
        Invalid: The file as a whole cannot be read, or holds more than 100,000 entities.

    Problems:
        no_id, no_name, bad_entity, duplicate_entity (the first counts), too_many_aliases (the first 100 are kept),
        forbidden_character, and what the reader of the format reports.
    """
    entities: dict[str, Entity] = {}
    problems: list[Problem] = []
    for where, row in registry.rows(path, name, registry.sniff(path, name), encoding):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        found = _entity(where, row, problems)
        if isinstance(found, Problem):
            problems.append(found)
        elif found.id in entities:
            message = f"the id {excerpt(found.id)!r} occurs twice; the first entity counts"
            problems.append(Problem(where=where, code="duplicate_entity", message=message))
        elif len(entities) >= MAX_ENTITIES:
            raise Invalid("too_many_entities", f"{name} holds more than {MAX_ENTITIES:,} entities")
        else:
            entities[found.id] = found
    return list(entities.values()), problems


def _entity(where: str, row: dict[str, Any], problems: list[Problem]) -> Entity | Problem:
    plain = {str(key).strip().casefold(): value for key, value in row.items()}

    def first(names: tuple[str, ...]) -> Any:
        return next((plain[key] for key in names if plain.get(key) not in (None, "")), None)

    key, name = first(_IDS), first(_NAMES)
    if key is None or isinstance(key, list | dict | bool):
        return Problem(where=where, code="no_id", message=f"an id wanted (columns: {', '.join(_IDS[:3])})")
    if str(key).strip() == NIL:
        return Problem(where=where, code="bad_entity", message=f"{NIL!r} is no id: it means none of the list")
    if not isinstance(name, str):
        return Problem(where=where, code="no_name", message="a name wanted")
    aliases = [alias for alias in _aliases(first(_ALIASES)) if alias != name.strip()]
    if len(aliases) > MAX_ALIASES:
        message = f"{len(aliases)} aliases; the first {MAX_ALIASES} are kept"
        problems.append(Problem(where=where, code="too_many_aliases", message=message))
    description = first(_DESCRIPTIONS)
    body = {
        "id": str(key).strip(), "name": name, "aliases": tuple(aliases[:MAX_ALIASES]),
        "description": description if isinstance(description, str) else "",
    }  # fmt: skip
    wrong = edge.unstorable([body["id"], name, *aliases, body["description"]])
    if wrong is not None:
        return Problem(where=where, code="forbidden_character", message=f"the row {wrong}")
    try:
        return Entity.model_validate(body)
    except ValidationError as error:
        first_error = error.errors()[0]
        place = "/".join(map(str, first_error["loc"]))
        return Problem(where=f"{where}:{place}", code="bad_entity", message=first_error["msg"])


def _aliases(value: Any) -> list[str]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError):
            value = edge.parse_json(value)
    names = value.split("|") if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return list(dict.fromkeys(str(each).strip() for each in names if str(each).strip()))


def lines(entities: Iterable[Entity]) -> Iterator[bytes]:
    """The list as canonical JSON lines: the same entities in the same order give the same bytes."""
    for entity in entities:
        body = entity.model_dump(mode="json", exclude_defaults=True)
        yield (json.dumps(body, ensure_ascii=False, sort_keys=True) + "\n").encode()


def parse(content: bytes) -> list[Entity]:
    """The entities of canonical JSON lines."""
    return [Entity.model_validate_json(line) for line in content.splitlines() if line]
