"""Several answers to the same question, and what they agree on: `self_consistency`.

Hides how each kind of answer is put to the vote. The confidence is the share of samples that say the same; samples
that could not be read count as disagreeing.

Source: self-consistency as in Wang et al. 2023 (arXiv 2203.11171); shuffled label orders as in the design notes,
section "Confidence of a label from token logprobs".
"""

from collections import Counter
from collections.abc import Sequence

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.ontology import ChoiceQuestion, Ontology, Question, SpanQuestion
from labelwright.core.predictor import Confidence, Reading
from labelwright.core.problem import Problem
from labelwright.prompting.overlap import cluster, without_overlaps

SCORER = "self_consistency"


def vote(ontology: Ontology, readings: Sequence[Reading]) -> Reading:
    """The answers most samples agree on, each with the share of samples that agree.

    A single choice, a number and a text go to the commonest answer (the earliest of several); of several labels and of
    mentions those stay that more than half of the samples name. Mentions are the same when their labels are and they
    overlap by half.

    Problems:
        Those of every sample, each kind once per place.
    """
    answers: dict[str, Answer] = {}
    confidence: dict[str, Confidence] = {}
    for question in ontology.active_questions:
        said = [reading.answers.get(question.id) for reading in readings]
        if not any(said):
            continue
        agreed, sure = _agreed(question, said)
        if agreed is not None:
            answers[question.id] = agreed
            confidence[question.id] = sure
    seen: dict[tuple[str, str], Problem] = {}
    for reading in readings:
        for problem in reading.problems:
            # A position in one sample's list means nothing in another's.
            seen.setdefault(("/".join(problem.where.split("/")[:2]), problem.code), problem)
    return Reading(
        answers=_consistent(answers, readings), confidence=confidence, problems=tuple(seen.values())
    )


def _consistent(answers: dict[str, Answer], readings: Sequence[Reading]) -> Answers:
    """Relations whose ends lost the vote go with them."""
    marks = {
        span.id for answer in answers.values() if isinstance(answer, SpanAnswer) for span in answer.spans
    }
    for question_id, answer in answers.items():
        if isinstance(answer, RelationAnswer):
            kept = tuple(r for r in answer.relations if r.from_id in marks and r.to_id in marks)
            answers[question_id] = RelationAnswer(relations=kept)
    return Answers.of(answers)


def _agreed(question: Question, said: Sequence[Answer | None]) -> tuple[Answer | None, Confidence]:
    n = len(said)
    if isinstance(question, SpanQuestion):
        return _spans(question, [answer for answer in said if isinstance(answer, SpanAnswer)], n)
    if isinstance(question, ChoiceQuestion) and question.multiple:
        return _labels(question, [answer for answer in said if isinstance(answer, ChoiceAnswer)], n)
    votes = Counter(_ballot(answer) for answer in said)
    best, count = votes.most_common(1)[0]
    chosen = next(answer for answer in said if _ballot(answer) == best)
    distribution = None
    if isinstance(question, ChoiceQuestion):
        distribution = {
            label.id: votes[("choice", frozenset([label.id]))] / n
            for label in question.active_labels
            if ("choice", frozenset([label.id])) in votes
        }
    return chosen, Confidence(value=count / n, scorer=SCORER, distribution=distribution or None)


def _ballot(answer: Answer | None) -> object:
    match answer:
        case None:
            return None
        case ChoiceAnswer(labels=labels):
            return ("choice", frozenset(labels))
        case ScalarAnswer(value=value):
            return ("scalar", float(value))
        case TextAnswer(text=text):
            return ("text", " ".join(text.split()).casefold())
        case RelationAnswer(relations=relations):
            return ("relation", frozenset((r.from_id, r.to_id, r.label) for r in relations))
        case _:
            return answer.model_dump_json()


def _labels(question: ChoiceQuestion, said: Sequence[ChoiceAnswer], n: int) -> tuple[Answer, Confidence]:
    share = {
        label.id: sum(label.id in answer.labels for answer in said) / n for label in question.active_labels
    }
    chosen = tuple(label_id for label_id, part in share.items() if part > 0.5)
    # A sample without an answer agrees with nothing, so an absent label has at most the samples that were read.
    value = min((part if part > 0.5 else len(said) / n - part) for part in share.values()) if share else None
    return ChoiceAnswer(labels=chosen), Confidence(value=value, scorer=SCORER, distribution=share)


def _spans(question: SpanQuestion, said: Sequence[SpanAnswer], n: int) -> tuple[Answer, Confidence]:
    every = [(sample, span) for sample, answer in enumerate(said) for span in answer.spans]
    kept: list[Span] = []
    agreement = [len(said) / n]
    for group in cluster(every):
        share = len({sample for sample, _ in group}) / n
        agreement.append(share if share > 0.5 else len(said) / n - share)
        if share > 0.5:
            places = Counter((span.start, span.end) for _, span in group)
            start, end = places.most_common(1)[0][0]
            span = next(span for _, span in group if (span.start, span.end) == (start, end))
            kept.append(span.model_copy(update={"score": share}))
    if not question.overlap:
        kept, _ = without_overlaps(kept)
    kept.sort(key=lambda span: (span.start, span.end, span.label))
    return SpanAnswer(spans=tuple(kept)), Confidence(value=max(0.0, min(agreement)), scorer=SCORER)
