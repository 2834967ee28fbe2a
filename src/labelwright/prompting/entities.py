"""From what a model wrote as a list of mentions to quotes with label ids, before they are looked up in the text.

Hides the shapes such lists come in: objects with any of the usual property names, pairs, strings with the type in
brackets, an object keyed by type, plain lines, or the whole text rewritten with marks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from labelwright.core.ontology import Label
from labelwright.core.problem import Problem, excerpt
from labelwright.prompting.naming import LabelNames
from labelwright.prompting.parse import Node

_QUOTE_KEYS = (
    "quote",
    "text",
    "mention",
    "span",
    "entity",
    "word",
    "name",
    "phrase",
    "surface",
    "string",
    "value",
)
_TYPE_KEYS = ("type", "label", "class", "category", "entity_type", "entity_group", "tag", "kind", "entity")
_LINK_KEYS = ("link", "entity_id", "linked_to", "kb_id", "candidate")
_BEFORE_KEYS = ("before", "left", "context_before")
_AFTER_KEYS = ("after", "right", "context_after")
_NOTHING = re.compile(
    r"\W*(?:answer\W+)?(?:there\s+(?:are|is)\s+)?(?:no|none|nothing|0|zero|empty)\b"
    r"(?:\s+\w+){0,4}(?:\s+(?:found|detected|present|identified))?(?:\s+in\s+(?:the|this)\s+\w+)?\W*",
    re.IGNORECASE,
)
_LINE_FORMS = (
    re.compile(r"^(?P<quote>.+?)\s*[(\[](?P<type>[^()\[\]]{1,200})[)\]]\s*[.,;]?$"),
    re.compile(r"^(?P<quote>.+?)\s*(?:\||\t|->|=>|→|::)\s*(?P<type>[^|\t]{1,200}?)\s*[.,;]?$"),
    re.compile(r"^(?P<quote>.+?)\s*[:=–—]\s*(?P<type>[^:=]{1,200}?)\s*[.,;]?$"),
    re.compile(r"^(?P<quote>.+?)\s+-\s+(?P<type>.{1,200}?)\s*[.,;]?$"),
    re.compile(r"^(?P<type>[^:=|\t]{1,200}?)\s*(?:[:=|\t]|->|=>|→)\s*(?P<quote>.+?)\s*[,;]?$"),
)
_MAX_ENTITIES = 5_000
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.)])\s+")


@dataclass(slots=True)
class Claimed:
    """A mention the model claims, with the places of its words in the reply (for the confidence)."""

    position: int
    quote: str
    label: Label
    before: str = ""
    after: str = ""
    quote_node: Node | None = None
    type_node: Node | None = None
    said_id: str = ""
    link_node: Node | None = None


def claims_of(node: Node, names: LabelNames, only: Label | None) -> tuple[list[Claimed], list[Problem]]:
    """All mentions in a list (or an object keyed by type).

    Args:
        node: The model's value for a span question.
        names: Labels of the question.
        only: The single label of the question, if it has just one: then a type may be missing.

    Problems:
        cut_reply, unknown_label, abstained, retired_label, ambiguous_label, fuzzy_label (kept), not_an_entity,
        missing_quote, too_many_entities. `where` is the position in the list.
    """
    claims: list[Claimed] = []
    problems: list[Problem] = []
    for position, (quote, kind, before, after, whole) in enumerate(_entries(node, names)):
        where = str(position)
        if position >= _MAX_ENTITIES:
            message = f"more than {_MAX_ENTITIES} mentions; the rest was not read"
            problems.append(Problem(where=where, code="too_many_entities", message=message))
            break
        if not whole.complete or (quote is not None and not quote.complete):
            message = f"the reply was cut within {excerpt(quote.text if quote else whole.text)!r}"
            problems.append(Problem(where=where, code="cut_reply", message=message))
            continue
        if quote is None or quote.kind not in ("string", "word") or not quote.text:
            problems.append(Problem(where=where, code="missing_quote", message="a mention without its words"))
            continue
        label = only
        if kind is not None and kind.kind in ("string", "word"):
            found = label_problem(names, kind.text)
            if isinstance(found, Problem):
                problems.append(found.under(f"{where}/type"))
                continue
            label, note = found
            if note is not None:
                problems.append(note.under(f"{where}/type"))
        if label is None:
            message = f"{excerpt(quote.text)!r} has no type"
            problems.append(Problem(where=where, code="unknown_label", message=message))
            continue
        claims.append(
            Claimed(
                position,
                quote.text,
                label,
                before.text if before is not None and before.kind == "string" else "",
                after.text if after is not None and after.kind == "string" else "",
                quote,
                kind,
                _id_of(whole),
                _member(whole, _LINK_KEYS),
            )
        )
    return claims, problems


def _id_of(whole: Node) -> str:
    said = _member(whole, ("id", "mention_id"))
    return said.text.strip() if said is not None and said.kind in ("string", "word") else ""


def label_problem(names: LabelNames, said: str) -> Problem | tuple[Label, Problem | None]:
    """The label that `said` names, with a note when only a near match was found; or why there is none."""
    match = names.find(said)
    shown = excerpt(said)
    if match.label is not None:
        if match.how == "same":
            return match.label, None
        message = f"{shown!r} was taken for {match.label.name!r}"
        return match.label, Problem(where="", code="fuzzy_label", message=message)
    code, message = {
        "abstained": ("abstained", "the model says that no label fits"),
        "retired": ("retired_label", f"label {shown!r} is retired"),
        "ambiguous": ("ambiguous_label", f"{shown!r} may mean more than one label"),
    }.get(match.how, ("unknown_label", f"{shown!r} is not a label of this question"))
    return Problem(where="", code=code, message=message)


Entry = tuple[Node | None, Node | None, Node | None, Node | None, Node]


def _entries(node: Node, names: LabelNames) -> Iterator[Entry]:
    """(quote, type, before, after, whole entry) for every entry, in whatever shape it came."""
    if node.kind == "array":
        for element in node.elements:
            yield from _entry(element, names)
        return
    if node.kind == "object":
        if _has_quote(node):
            yield from _entry(node, names)
            return
        for key, value in node.members:
            if names.find(key.text).label is not None or value.kind == "array":
                # {"PER": ["Anna", {"quote": "Bob"}]}
                inner = value.elements if value.kind == "array" else [value]
                for element in inner:
                    quote = _member(element, _QUOTE_KEYS) if element.kind == "object" else element
                    yield (quote, key, _member(element, _BEFORE_KEYS), _member(element, _AFTER_KEYS), element)
            else:
                # {"Anna": "PER"}
                yield key, value, None, None, value
        for element in node.elements:
            yield from _entry(element, names)
        return
    yield from _entry(node, names)


def _entry(element: Node, names: LabelNames) -> Iterator[Entry]:
    if element.kind == "object":
        kind = None
        for key in _TYPE_KEYS:
            member = _member(element, (key,))
            if member is not None and member.kind in ("string", "word"):
                if names.find(member.text).label is not None:
                    kind = member
                    break
                # `entity` is a type for some models and the words for others; only a known label makes it a type.
                if kind is None and key != "entity":
                    kind = member
        quote = next(
            (m for key in _QUOTE_KEYS if (m := _member(element, (key,))) is not None and m is not kind), None
        )
        yield quote, kind, _member(element, _BEFORE_KEYS), _member(element, _AFTER_KEYS), element
    elif element.kind == "array":
        words = [each for each in element.elements if each.kind == "string"] or element.elements
        kind = next((each for each in words[1:] if names.find(each.text).label is not None), None)
        if kind is None and words and len(words) > 1 and names.find(words[0].text).label is not None:
            kind = words[0]
        if kind is None and len(words) > 1:
            kind = words[1]
        yield next((each for each in words if each is not kind), None), kind, None, None, element
    else:
        words_said, kind_said = split_line(element.text, names)
        if kind_said is None:
            yield element, None, None, None, element
        else:
            yield _part(element, words_said), _part(element, kind_said), None, None, element


def _part(whole: Node, words: str) -> Node:
    at = whole.text.find(words)
    # Of a string the place of its inside is known only where nothing was escaped.
    shift = 1 if whole.kind == "string" else 0
    known = at >= 0 and whole.end - whole.start == len(whole.text) + 2 * shift
    start = whole.start + shift + at if known else -1
    return Node("word", start, start + len(words) if known else -1, words, whole.complete)


def _has_quote(node: Node) -> bool:
    return any(key.text.casefold() in _QUOTE_KEYS for key, _ in node.members) and any(
        key.text.casefold() in _TYPE_KEYS + _BEFORE_KEYS for key, _ in node.members
    )


def _member(node: Node, keys: tuple[str, ...]) -> Node | None:
    for key, value in node.members:
        if key.text.casefold() in keys:
            return value
    return None


def split_line(line: str, names: LabelNames) -> tuple[str, str | None]:
    """(quote, type) of a line such as `Anna (PER)` or `PER: Anna`; the type is None when the line names no label."""
    line = _BULLET.sub("", line.strip()).strip("`* ")
    if len(line) > 500:
        return line, None
    best: tuple[str, str | None] = (line, None)
    for form in _LINE_FORMS:
        found = form.match(line)
        if found and names.find(found["type"]).label is not None:
            return _unquoted(found["quote"]), found["type"]
        if found and best[1] is None and form is _LINE_FORMS[0]:
            best = (_unquoted(found["quote"]), found["type"])
    return best


def lines_of(text: str, start: int, end: int, names: LabelNames, only: Label | None) -> Node | None:
    """Plain lines as a list of mentions, or None when the reply does not look like such a list.

    Lines that name no type (`Here is the answer:`) are prose when other lines do.
    """
    node = Node("array", start, end, complete=True)
    prose = 0
    at = start
    for line in text[start:end].split("\n"):
        stripped = line.strip()
        here = at + (len(line) - len(line.lstrip()))
        at += len(line) + 1
        if not stripped or stripped.startswith("```") or re.fullmatch(r"[\w ]{1,40}:", stripped):
            continue
        _, kind = split_line(stripped, names)
        if kind is None and (only is None or stripped.endswith(":") or len(stripped) > 300):
            prose += 1
            continue
        node.elements.append(Node("word", here, here + len(stripped), stripped, True))
    return node if node.elements and len(node.elements) >= prose else None


def says_nothing(text: str) -> bool:
    """Whether a reply in plain words says that there are no mentions."""
    stripped = text.strip().strip("`\"'")
    return len(stripped) <= 120 and _NOTHING.fullmatch(stripped) is not None


def _unquoted(words: str) -> str:
    words = words.strip()
    if len(words) >= 2 and words[0] in "\"'“`" and words[-1] in "\"'”`":
        return words[1:-1]
    return words
