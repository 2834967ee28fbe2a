"""How alike two answers are: agreement between model and person, person and person, anything and gold."""

from collections.abc import Iterable

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, SpanAnswer, same_meaning
from labelwright.core.ontology import Ontology
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


def agreement(one: Answer | None, other: Answer | None) -> float:
    """Likeness in [0, 1]: 1 for the same meaning, F1 for spans, Jaccard for several labels, else 0. Symmetric."""
    if same_meaning(one, other):
        return 1.0
    match one, other:
        case SpanAnswer(), SpanAnswer():
            return match_spans(one, other).f1
        case ChoiceAnswer(labels=left), ChoiceAnswer(labels=right):
            both, either = set(left) & set(right), set(left) | set(right)
            return len(both) / len(either) if either else 1.0
        case _:
            return 0.0


def changed_questions(ontology: Ontology, before: Answers, after: Answers) -> list[str]:
    """Ids of questions whose meaning differs, in ontology order."""
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
