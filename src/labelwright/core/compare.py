"""How alike two answers are: agreement between model and person, person and person, anything and gold."""

import hashlib
from collections.abc import Iterable

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RegionAnswer,
    Relation,
    RelationAnswer,
    Span,
    SpanAnswer,
    same_meaning,
)
from labelwright.core.conform import relation_ends
from labelwright.core.ontology import Ontology, RelationQuestion
from labelwright.core.overlap import agreed, match
from labelwright.core.value import Value


class Tally(Value):
    """Counts of matched and unmatched things; precision, recall and F1 follow."""

    matched: int = 0
    extra: int = 0
    missing: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Counts of both."""
        return Tally(
            matched=self.matched + other.matched,
            extra=self.extra + other.extra,
            missing=self.missing + other.missing,
        )

    @property
    def precision(self) -> float:
        """Share of predicted things that are right; 1 when nothing was predicted."""
        return self.matched / (self.matched + self.extra) if self.matched + self.extra else 1.0

    @property
    def recall(self) -> float:
        """Share of true things that were found; 1 when there are none."""
        return self.matched / (self.matched + self.missing) if self.matched + self.missing else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 when both sides are empty."""
        found = 2 * self.matched + self.extra + self.missing
        return 2 * self.matched / found if found else 1.0


def match_spans(predicted: SpanAnswer, true: SpanAnswer) -> Tally:
    """Spans match when start, end and label are equal (strict matching, as in CoNLL scoring)."""
    left = {(s.start, s.end, s.label) for s in predicted.spans}
    right = {(s.start, s.end, s.label) for s in true.spans}
    return Tally(matched=len(left & right), extra=len(left - right), missing=len(right - left))


def match_regions(predicted: RegionAnswer, true: RegionAnswer) -> Tally:
    """Regions match by `overlap.agreed`: same label, IoU of at least 0.5, no attribute that differs."""
    both = len(agreed(predicted, true))
    return Tally(matched=both, extra=len(predicted.regions) - both, missing=len(true.regions) - both)


def match_relations(predicted: RelationAnswer, true: RelationAnswer) -> Tally:
    """Relations match when both ends and the label are equal. Give it `comparable` answers.

    Ends are then equal when their borders and labels are, the strict rule of relation extraction.
    """
    left = {(r.from_id, r.to_id, r.label) for r in predicted.relations}
    right = {(r.from_id, r.to_id, r.label) for r in true.relations}
    return Tally(matched=len(left & right), extra=len(left - right), missing=len(right - left))


def match_links(predicted: SpanAnswer, true: SpanAnswer) -> tuple[int, int]:
    """(right, total) links over the true spans that are linked (`NIL` counts as a link) and were found.

    A span that was not found says nothing about linking; it is missing in `match_spans`.
    """
    said = {(s.start, s.end, s.label): s.link for s in predicted.spans}
    asked = [s for s in true.spans if s.link is not None and (s.start, s.end, s.label) in said]
    return sum(said[s.start, s.end, s.label] == s.link for s in asked), len(asked)


def comparable(ontology: Ontology, answers: Answers) -> Answers:
    """The same answers with ids of spans made from what they mark, and relations between those.

    Two people, or a model and a person, give the same stretch different ids; after this, what is the same has the
    same id. Ends of a relation without direction are sorted.
    """
    if not any(isinstance(question, RelationQuestion) for question in ontology.questions):
        return answers
    ids: dict[str, str] = {}
    found: dict[str, Answer] = {}
    for question_id, answer in answers.items():
        if isinstance(answer, SpanAnswer):
            spans = tuple(_named(question_id, span, ids) for span in answer.spans)
            answer = answer.model_copy(update={"spans": spans})
        found[question_id] = answer
    for question_id, answer in found.items():
        question = ontology.question(question_id)
        if isinstance(answer, RelationAnswer) and isinstance(question, RelationQuestion):
            relations = tuple(_joined(question, relation, ids) for relation in answer.relations)
            found[question_id] = answer.model_copy(update={"relations": relations})
    return Answers.of(found)


def _named(question_id: str, span: Span, ids: dict[str, str]) -> Span:
    key = f"{question_id}|{span.start}|{span.end}|{span.label}"
    ids[span.id] = hashlib.sha256(key.encode()).hexdigest()[:32]
    return span.model_copy(update={"id": ids[span.id]})


def _joined(question: RelationQuestion, relation: Relation, ids: dict[str, str]) -> Relation:
    ends = (ids.get(end, end) for end in (relation.from_id, relation.to_id))
    from_id, to_id = relation_ends(question, *ends)
    return relation.model_copy(update={"from_id": from_id, "to_id": to_id})


def aligned(ontology: Ontology, one: Answers, other: Answers) -> tuple[Answers, Answers]:
    """Both answers as `comparable`, and regions that match under one id, so that relations between them compare too."""
    if not any(isinstance(question, RelationQuestion) for question in ontology.questions):
        return one, other
    ids: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for question_id, mine in one.items():
        theirs = other.get(question_id)
        if isinstance(mine, RegionAnswer) and isinstance(theirs, RegionAnswer):
            for n, pair in enumerate(match(mine.regions, theirs.regions).matched):
                joined = f"{question_id}|{n}"
                ids[0][mine.regions[pair.predicted].id] = ids[1][theirs.regions[pair.true].id] = joined
    return (
        comparable(ontology, _renamed(one, ids[0], "1")),
        comparable(ontology, _renamed(other, ids[1], "2")),
    )


def _renamed(answers: Answers, ids: dict[str, str], side: str) -> Answers:
    """Regions under these ids; those without one under an id that the other side cannot have."""
    known = dict(ids)
    found: dict[str, Answer] = {}
    for question_id, answer in answers.items():
        if isinstance(answer, RegionAnswer):
            for region in answer.regions:
                known.setdefault(region.id, f"{side}|{region.id}")
            regions = tuple(r.model_copy(update={"id": known[r.id]}) for r in answer.regions)
            answer = answer.model_copy(update={"regions": regions})
        found[question_id] = answer
    for question_id, answer in found.items():
        if isinstance(answer, RelationAnswer):
            relations = tuple(
                r.model_copy(
                    update={"from_id": known.get(r.from_id, r.from_id), "to_id": known.get(r.to_id, r.to_id)}
                )
                for r in answer.relations
            )
            found[question_id] = answer.model_copy(update={"relations": relations})
    return Answers.of(found)


def agreement(one: Answer | None, other: Answer | None) -> float:
    """Likeness in [0, 1]: 1 for the same meaning, F1 for spans, regions and relations, Jaccard for several labels, else 0.

    Symmetric. Links of spans count, and attributes of regions that both sides give; relations want `aligned` answers.
    """
    if same_meaning(one, other):
        return 1.0
    match one, other:
        case SpanAnswer(spans=left), SpanAnswer(spans=right):
            mine = {(s.start, s.end, s.label, s.link) for s in left}
            theirs = {(s.start, s.end, s.label, s.link) for s in right}
            both = len(mine & theirs)
            return Tally(matched=both, extra=len(mine) - both, missing=len(theirs) - both).f1
        case RegionAnswer(), RegionAnswer():
            return match_regions(one, other).f1
        case RelationAnswer(), RelationAnswer():
            return match_relations(one, other).f1
        case ChoiceAnswer(labels=chosen), ChoiceAnswer(labels=wanted):
            shared, either = set(chosen) & set(wanted), set(chosen) | set(wanted)
            return len(shared) / len(either) if either else 1.0
        case _:
            return 0.0


def changed_questions(ontology: Ontology, before: Answers, after: Answers) -> list[str]:
    """Ids of questions whose meaning differs, in ontology order."""
    before, after = aligned(ontology, before, after)
    return [q.id for q in ontology.questions if not same_meaning(before.get(q.id), after.get(q.id))]


def accuracy(pairs: Iterable[tuple[Answer | None, Answer | None]]) -> tuple[int, int]:
    """(right, total) over pairs of (predicted, true)."""
    right = total = 0
    for predicted, true in pairs:
        total += 1
        right += same_meaning(predicted, true)
    return right, total


def is_right(ontology: Ontology, predicted: Answers, given: Answers) -> bool:
    """Whether accepting a prediction as it stands would have been right.

    Every question that it answers, or that must be answered, has the meaning the person gave it. An optional question
    that the model left open is a gap and not an error.
    """
    return all(
        same_meaning(predicted.get(q.id), given.get(q.id))
        for q in ontology.active_questions
        if q.id in predicted or (q.required and q.id in given)
    )
