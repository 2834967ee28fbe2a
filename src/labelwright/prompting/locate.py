"""Where in the parsed reply the answer to each question stands.

Hides how replies are nested: the object that was asked for, the same inside a wrapper or a list, one object per
question, pairs of question and answer, or plain lines `name: value`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from labelwright.core.problem import Problem, excerpt
from labelwright.prompting.contract import Contract, Field
from labelwright.prompting.parse import Node, Parsed

_MAX_NODES = 20_000
_NAME_KEYS = frozenset({"question", "key", "property", "field", "id"})
_VALUE_KEYS = ("answer", "value", "label", "response", "result", "labels", "answers", "entities", "spans")
_LONE_KEYS = frozenset(
    {"answer", "answers", "label", "labels", "value", "result", "results", "category", "categories", "class", "output",
     "response", "prediction", "predictions", "choice", "data", "entities", "spans", "mentions", "annotations", "text",
     "score", "rating", "classification", "sentiment", "code", "ner", "items", "final_answer", "finalanswer"}
)  # fmt: skip
_COMMENT_KEYS = frozenset(
    {"reason", "reasoning", "explanation", "rationale", "confidence", "thought", "thoughts", "comment", "note", "notes",
     "analysis", "evidence", "justification", "certainty", "how_sure"}
)  # fmt: skip
_LINE = re.compile(
    r"^[ \t\-*#>]*+[\"'*`]{0,3}([^:=\n\"*`]{1,100})[\"'*`]{0,3}[ \t]*[:=][ \t]*(\S.*)$", re.MULTILINE
)


@dataclass(slots=True)
class Located:
    """Property name -> value, and what was left lying."""

    values: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def located(contract: Contract, parsed: Parsed) -> Located:
    """Find the value of each field.

    Problems:
        duplicate_key (the last of two different values counts), ignored_key.
    """
    found = Located()
    if not contract.fields:
        return found
    nodes = list(islice((node for root in parsed.roots for node in root.walk()), _MAX_NODES))
    named = [(node, _members_of(contract, node)) for node in nodes if node.kind == "object"]
    best = max(named, key=lambda pair: len(pair[1]), default=None)
    if best is not None and best[1]:
        _take(contract, found, best[0], best[1])
        _fill_up(found, named, best[0])
        return found
    found.values.update(_pairs(contract, nodes))
    if not found.values and len(contract.fields) == 1:
        lone = _lone(contract.fields[0], parsed)
        if lone is not None:
            found.values[contract.fields[0].key] = lone
    if not found.values and (len(contract.fields) > 1 or contract.fields[0].form not in ("entities", "text")):
        found.values.update(_lines(contract, parsed))
    return found


def _members_of(contract: Contract, node: Node) -> dict[str, list[Node]]:
    values: dict[str, list[Node]] = {}
    for key, value in node.members:
        each = contract.field_named(key.text)
        if each is not None:
            values.setdefault(each.key, []).append(value)
    return values


def _take(contract: Contract, found: Located, node: Node, members: dict[str, list[Node]]) -> None:
    for key, values in members.items():
        whole = [value for value in values if value.complete] or values
        found.values[key] = whole[-1]
        if len({(v.kind, v.text) for v in values}) > 1:
            message = f"{key!r} is given {len(values)} times; the last one counts"
            found.problems.append(Problem(where=f"reply/{key}", code="duplicate_key", message=message))
    for key_node, _ in node.members:
        if contract.field_named(key_node.text) is None and key_node.text.casefold() not in _COMMENT_KEYS:
            name = excerpt(key_node.text)
            message = f"{name!r} was not asked for"
            found.problems.append(Problem(where="reply", code="ignored_key", message=message))


def _fill_up(found: Located, named: list[tuple[Node, dict[str, list[Node]]]], best: Node) -> None:
    """Questions missing from the best object may stand in objects of their own, outside of it."""
    for node, members in named:
        if best.start <= node.start < best.end:
            continue
        for key, values in members.items():
            found.values.setdefault(key, values[-1])


def _pairs(contract: Contract, nodes: list[Node]) -> dict[str, Node]:
    """`[{"question": "topic", "answer": "sport"}]`."""
    values: dict[str, Node] = {}
    for node in nodes:
        members = {key.text.casefold(): value for key, value in node.members}
        named = next((members[key] for key in _NAME_KEYS if key in members), None)
        if named is None:
            continue
        each = contract.field_named(named.text)
        value = next((members[key] for key in _VALUE_KEYS if key in members), None)
        if each is not None and value is not None:
            values.setdefault(each.key, value)
    return values


def _lone(each: Field, parsed: Parsed) -> Node | None:
    """With a single question, the value may stand under any of the usual names, or alone."""
    for root in parsed.roots:
        node = root
        for _ in range(4):
            value = _unwrapped(each, node)
            if value is None:
                break
            if value is node:
                return node
            node = value
            if node.kind in ("string", "word"):
                return node
    return None


def _unwrapped(each: Field, node: Node) -> Node | None:
    """The node itself when it is a value for the field, its inside when it is a wrapper, None when it is neither."""
    if node.kind == "array":
        if each.form == "relations":
            return node
        if each.form == "entities":
            entities = [e for e in node.elements if e.kind != "word" or not e.complete]
            if len(node.elements) == 1 and node.elements[0].kind == "object":
                inner = node.elements[0]
                lone = [v for k, v in inner.members if k.text.casefold() in _LONE_KEYS and v.kind == "array"]
                if len(inner.members) == 1 and lone:
                    return lone[0]
            return node if entities or not node.elements else None
        if each.form == "names":
            return node
        return node.elements[0] if len(node.elements) == 1 else None
    if each.form == "booleans" and each.names is not None and node.members:
        known = sum(
            key.text in each.label_keys.values() or each.names.find(key.text).label is not None
            for key, _ in node.members
        )
        if known:
            return node
    lone_values = [v for k, v in node.members if k.text.casefold().replace(" ", "_") in _LONE_KEYS]
    if each.form == "entities":
        lists = [v for v in lone_values if v.kind in ("array", "object")]
        if lists:
            return lists[0]
        if each.names is not None and any(each.names.find(k.text).label is not None for k, _ in node.members):
            return node
        return node if {k.text.casefold() for k, _ in node.members} & {"quote", "type"} else None
    if lone_values:
        return lone_values[0]
    rest = [v for k, v in node.members if k.text.casefold() not in _COMMENT_KEYS]
    return rest[0] if len(rest) == 1 else None


def _lines(contract: Contract, parsed: Parsed) -> Iterator[tuple[str, Node]]:
    for line in _LINE.finditer(parsed.text, parsed.start, parsed.end):
        each = contract.field_named(line.group(1).strip())
        if each is None:
            continue
        said = line.group(2).strip().strip("*`").rstrip(",")
        if len(said) >= 2 and said[0] in "\"'" and said[-1] == said[0]:
            said = said[1:-1]
        start = line.start(2) + line.group(2).find(said) if said else line.start(2)
        yield each.key, Node("word", start, start + len(said), said, True)
