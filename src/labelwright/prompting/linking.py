"""Linking mentions to a list of entities, in the request that asks for the mentions.

Hides how candidates are offered and chosen: the entities that the text may mention are listed with it, numbered from
1, and each mention carries the number of the one it means, or 0. The list follows from the text alone, so a kept reply
can be read again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labelwright.core.answer import NIL
from labelwright.core.knowledge import Entity, Knowledge, spelled
from labelwright.core.ontology import Ontology, SpanQuestion
from labelwright.core.problem import Problem, excerpt

KnowledgeLists = Mapping[str, Knowledge]
"""Indexed lists by SHA-256, as span questions name them."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one question offers with one text: candidates in the order of their numbers."""

    knowledge: Knowledge
    candidates: tuple[Entity, ...]

    def number_of(self, link: str | None) -> int | str | None:
        """How a link is written: the candidate's number, 0 for `NIL`, `id:...` for one that is not offered."""
        if link is None:
            return None
        if link == NIL:
            return 0
        ids = [entity.id for entity in self.candidates]
        return ids.index(link) + 1 if link in ids else f"id:{link}"

    def link_of(self, said: str) -> str | Problem | None:
        """The entity that a model's words mean; None when it said nothing.

        Problems:
            unknown_entity; `where` is empty.
        """
        if said.startswith("id:") and said[3:] in self.knowledge.by_id:
            return said[3:]
        said = said.strip().strip("[]()#")
        if said.casefold() in ("", "null"):
            return None
        if said.isascii() and said.isdigit() and len(said) < 6:
            number = int(said)
            if number == 0:
                return NIL
            if number <= len(self.candidates):
                return self.candidates[number - 1].id
        if said in self.knowledge.by_id:
            return said
        if said.casefold() in ("nil", "none", "none of them", "none of these", "n/a"):
            return NIL
        same = [entity for entity in self.candidates if spelled(entity.name) == spelled(said)]
        if len(same) == 1:
            return same[0].id
        message = f"{excerpt(said)!r} is neither a number of a candidate nor an id of the list"
        return Problem(where="", code="unknown_entity", message=message)


def offers(ontology: Ontology, text: str, lists: KnowledgeLists) -> dict[str, Offer]:
    """Question id -> its candidates for this text; questions whose list is not at hand are left out."""
    found: dict[str, Offer] = {}
    by_list: dict[str, tuple[Entity, ...]] = {}
    for question in ontology.active_questions:
        if isinstance(question, SpanQuestion) and question.knowledge in lists:
            knowledge = lists[question.knowledge]
            if question.knowledge not in by_list:
                by_list[question.knowledge] = tuple(knowledge.in_text(text))
            found[question.id] = Offer(knowledge, by_list[question.knowledge])
    return found


def shown_candidates(offered: Mapping[str, Offer], keys: Mapping[str, str]) -> str:
    """The candidates as lines, one block per list; empty without any offer."""
    blocks: list[str] = []
    told: set[int] = set()
    for question_id, offer in offered.items():
        if id(offer.candidates) in told or question_id not in keys:
            continue
        told.add(id(offer.candidates))
        lines = [f"{n}. {_line(entity)}" for n, entity in enumerate(offer.candidates, start=1)]
        blocks.append("\n".join(["Known entities that the text may mention:", "0. none of these", *lines]))
    return "\n\n".join(blocks)


def _line(entity: Entity) -> str:
    also = f" (also {', '.join(entity.aliases[:5])})" if entity.aliases else ""
    meaning = f": {' '.join(entity.description.split())[:200]}" if entity.description.strip() else ""
    return f"{' '.join(entity.name.split())} [{entity.id}]{also}{meaning}"
