"""Relations between the mentions of a reply.

Hides how the ends are named and found again: each mention carries an id (`E1`, `E2`, ...) that relations refer to;
models that refer to the words instead are understood where the words name one mention. An end that is no mention of
the reply, or one of the wrong kind, is a problem, never a guess.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labelwright.core.answer import Relation, Span
from labelwright.core.conform import relation_ends
from labelwright.core.ontology import RelationQuestion
from labelwright.core.problem import Problem, excerpt
from labelwright.prompting.align import fold
from labelwright.prompting.entities import label_problem
from labelwright.prompting.naming import LabelNames
from labelwright.prompting.parse import Node

_RELATION_IDS = uuid.UUID("b1c9f0de-5a55-5c5c-8f0c-3b64f7a3d2f4")
_HEAD_KEYS = ("head", "from", "subject", "source", "from_id", "arg1", "e1", "start")
_TAIL_KEYS = ("tail", "to", "object", "target", "to_id", "arg2", "e2", "end")
_TYPE_KEYS = ("type", "relation", "label", "predicate", "relation_type", "kind", "name")
_ID_KEYS = ("id", "quote", "text", "mention", "name")
_MAX_RELATIONS = 5_000


def relation_id(question_id: str, from_id: str, to_id: str, label_id: str) -> str:
    """A relation's id: the same relation of the same question always has the same one."""
    return str(uuid.uuid5(_RELATION_IDS, f"{question_id}|{from_id}|{to_id}|{label_id}"))


@dataclass
class Mentions:
    """The mentions of a reply by the id the model gave them, and by their words."""

    by_id: dict[str, list[tuple[str, Span]]] = field(default_factory=dict)
    by_words: dict[str, list[tuple[str, Span]]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def add(self, question_id: str, said_id: str, quote: str, span: Span) -> None:
        """A mention that was found in the text."""
        if said_id:
            self.by_id.setdefault(said_id.casefold(), []).append((question_id, span))
        self.by_words.setdefault(fold(quote).strip(), []).append((question_id, span))

    def find(self, said: str, question_id: str, labels: tuple[str, ...]) -> Span | Problem:
        """The mention of a question that `said` names.

        Problems:
            unknown_end, wrong_end, ambiguous_end; `where` is empty.
        """
        said = said.strip().strip("[]")
        key = said.casefold()
        found = self.by_id.get(key) or self.by_id.get(f"e{key}") or self.by_words.get(fold(said).strip(), [])
        fitting = [
            span for asked, span in found if asked == question_id and (not labels or span.label in labels)
        ]
        if len({span.id for span in fitting}) == 1:
            return fitting[0]
        if fitting:
            return Problem(
                where="", code="ambiguous_end", message=f"{excerpt(said)!r} names {len(fitting)} mentions"
            )
        if found:
            message = f"{excerpt(said)!r} is a mention that cannot stand here"
            return Problem(where="", code="wrong_end", message=message)
        why = "names a mention that was not taken" if key in self.refused else "names no mention"
        return Problem(where="", code="unknown_end", message=f"{excerpt(said)!r} {why} of the reply")


@dataclass(slots=True)
class Read:
    """A relation that was understood, with the places of its parts in the reply (for the confidence)."""

    relation: Relation
    head: Node
    tail: Node
    kind: Node | None


def relations_of(
    question: RelationQuestion, names: LabelNames, node: Node, mentions: Mentions
) -> tuple[list[Read], list[Problem]]:
    """All relations in a list.

    Problems:
        cut_reply, not_a_relation, missing_end, unknown_end, wrong_end, ambiguous_end, self_relation,
        duplicate_relation, unknown_label, abstained, retired_label, ambiguous_label, fuzzy_label (kept),
        too_many_relations. `where` is the position in the list.
    """
    found: list[Read] = []
    problems: list[Problem] = []
    seen: set[tuple[str, str, str]] = set()
    for position, entry in enumerate(_entries(node)):
        where = str(position)
        if position >= _MAX_RELATIONS:
            message = f"more than {_MAX_RELATIONS} relations; the rest was not read"
            problems.append(Problem(where=where, code="too_many_relations", message=message))
            break
        if not entry.complete:
            problems.append(
                Problem(where=where, code="cut_reply", message="the reply ends within this relation")
            )
            continue
        read = _one(question, names, entry, mentions)
        if isinstance(read, Problem):
            problems.append(read.under(where) if not read.where else Problem(
                where=f"{where}/{read.where}", code=read.code, message=read.message
            ))  # fmt: skip
            continue
        one, note = read
        if note is not None:
            problems.append(note.under(where))
        relation = one.relation
        key = (*relation_ends(question, relation.from_id, relation.to_id), relation.label)
        if key in seen:
            problems.append(
                Problem(where=where, code="duplicate_relation", message="the same relation twice")
            )
            continue
        seen.add(key)
        found.append(one)
    return found, problems


def _entries(node: Node) -> Iterator[Node]:
    if node.kind == "array":
        if node.elements and all(element.kind in ("string", "word") for element in node.elements):
            yield node
        else:
            yield from node.elements
    elif node.kind == "object":
        lists = [value for _, value in node.members if value.kind == "array"]
        if len(node.members) == 1 and lists:
            yield from _entries(lists[0])
        else:
            yield node
    elif node.text.strip():
        yield node


def _one(
    question: RelationQuestion, names: LabelNames, entry: Node, mentions: Mentions
) -> tuple[Read, Problem | None] | Problem:
    head, kind, tail = _parts(entry, names)
    if head is None or tail is None:
        if entry.kind not in ("object", "array"):
            return Problem(where="", code="not_a_relation", message=f"{excerpt(entry.text)!r} is no relation")
        missing = "head" if head is None else "tail"
        return Problem(where=missing, code="missing_end", message=f"the relation has no {missing}")
    note = None
    if kind is None or not kind.text.strip():
        if len(question.active_labels) != 1:
            return Problem(where="type", code="abstained", message="the relation has no type")
        label, kind = question.active_labels[0], None
    else:
        named = label_problem(names, kind.text)
        if isinstance(named, Problem):
            return named.under("type")
        label, note = named
    ends = _ends(question, head.text, tail.text, mentions)
    if isinstance(ends, Problem):
        return ends
    from_, to = ends
    if from_.id == to.id:
        return Problem(where="", code="self_relation", message="joins a mention with itself")
    made = relation_id(question.id, from_.id, to.id, label.id)
    relation = Relation(id=made, label=label.id, from_id=from_.id, to_id=to.id)
    return Read(relation, head, tail, kind), note.under("type") if note is not None else None


def _ends(
    question: RelationQuestion, head: str, tail: str, mentions: Mentions
) -> tuple[Span, Span] | Problem:
    from_ = mentions.find(head, question.from_question, question.from_labels)
    to = mentions.find(tail, question.to_question, question.to_labels)
    if isinstance(from_, Span) and isinstance(to, Span):
        return from_, to
    if not question.directed:
        # Without a direction the ends may come in either order.
        other_from = mentions.find(tail, question.from_question, question.from_labels)
        other_to = mentions.find(head, question.to_question, question.to_labels)
        if isinstance(other_from, Span) and isinstance(other_to, Span):
            return other_from, other_to
    if isinstance(from_, Problem):
        return from_.under("head")
    assert isinstance(to, Problem)
    return to.under("tail")


def _parts(entry: Node, names: LabelNames) -> tuple[Node | None, Node | None, Node | None]:
    """(head, type, tail) of an object, or of a triple in either usual order."""
    if entry.kind == "object":
        return tuple(_leaf(entry, keys) for keys in (_HEAD_KEYS, _TYPE_KEYS, _TAIL_KEYS))  # type: ignore[return-value]
    if entry.kind == "array" and len(entry.elements) == 3:
        one, two, three = entry.elements
        if names.find(two.text).label is None and names.find(three.text).label is not None:
            return one, three, two
        return one, two, three
    if entry.kind == "array" and len(entry.elements) == 2:
        return entry.elements[0], None, entry.elements[1]
    return None, None, None


def _leaf(node: Node, keys: tuple[str, ...]) -> Node | None:
    for key, value in node.members:
        if key.text.casefold() in keys:
            if value.kind == "object":
                # {"head": {"id": "E1", "quote": "Anna"}}
                return _leaf(value, _ID_KEYS)
            return value if value.kind in ("string", "word") else None
    return None


def shown_ends(question: RelationQuestion, titles: Mapping[str, tuple[str, Mapping[str, str]]]) -> list[str]:
    """What may stand at the ends, as sentences of the prompt.

    Args:
        question: The relation question.
        titles: Question id -> (property name in the reply, label id -> name).
    """
    sentences = []
    for end, asked, labels in (
        ("head", question.from_question, question.from_labels),
        ("tail", question.to_question, question.to_labels),
    ):
        key, names = titles[asked]
        of = f" of type {' or '.join(names[label] for label in labels if label in names)}" if labels else ""
        sentences.append(f"`{end}` is the id of a mention in `{key}`{of}.")
    if question.directed:
        sentences.append("The order matters: the relation goes from `head` to `tail`.")
    else:
        sentences.append("The order of the two does not matter; list each pair once.")
    return sentences
