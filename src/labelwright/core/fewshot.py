"""Corrections become examples: which annotations are shown to the model with the next batch.

Only submitted annotations of earlier batches qualify; gold never does, nor the asset that is asked about. Random
choices are seeded, so the same seed and the same corrections give the same examples.
"""

import random
from collections.abc import Callable, Sequence

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer, SpanAnswer
from labelwright.core.ontology import ChoiceQuestion, Ontology, SpanQuestion
from labelwright.core.predictor import ExamplePolicy
from labelwright.core.value import Value


class Correction(Value):
    """A reviewed asset that may serve as an example.

    Attributes:
        changed: Whether the person changed what the model had said; such ones carry more information.
        batch: Batch of the asset; None for an asset labelled before any run.
    """

    annotation_id: str
    asset_id: int
    text: str
    answers: Answers
    batch: int | None = None
    changed: bool = False
    gold: bool = False


def qualifying(corrections: Sequence[Correction], batch: int | None) -> list[Correction]:
    """Corrections that may be shown to a run over `batch`: no gold, and only from earlier batches."""
    return [
        c for c in corrections if not c.gold and (batch is None or c.batch is None or c.batch < batch)
    ]  # fmt: skip


def categories(ontology: Ontology, answers: Answers) -> set[tuple[str, str]]:
    """(question id, label id) pairs that these answers show an example of; a scalar's value counts as a label."""
    found: set[tuple[str, str]] = set()
    for question in ontology.active_questions:
        answer: Answer | None = answers.get(question.id)
        match answer:
            case ChoiceAnswer(labels=labels):
                found |= {(question.id, label) for label in labels}
            case SpanAnswer(spans=spans):
                found |= {(question.id, span.label) for span in spans}
            case ScalarAnswer(value=value):
                found.add((question.id, str(value)))
            case _:
                pass
    return found


def per_label(corrections: Sequence[Correction], ontology: Ontology, k: int, seed: int) -> list[Correction]:
    """Up to `k` examples per label by seeded random sampling; one example may serve several labels.

    Labels are visited in ontology order and corrections in one shuffled order, so a text with several entity types
    covers them all at once.
    """
    shuffled = sorted(corrections, key=lambda c: c.annotation_id)
    random.Random(seed).shuffle(shuffled)
    wanted: list[tuple[str, str]] = []
    for question in ontology.active_questions:
        if isinstance(question, ChoiceQuestion | SpanQuestion):
            wanted += [(question.id, label.id) for label in question.active_labels]
    shown_by = {c.annotation_id: categories(ontology, c.answers) for c in shuffled}
    wanted += sorted({pair for shown in shown_by.values() for pair in shown} - set(wanted))
    chosen: dict[str, Correction] = {}
    held: dict[tuple[str, str], int] = {}
    for pair in wanted:
        for correction in shuffled:
            if held.get(pair, 0) >= k:
                break
            shown = shown_by[correction.annotation_id]
            if pair not in shown or correction.annotation_id in chosen:
                continue
            if any(held.get(other, 0) >= k for other in shown if other[0] == pair[0]):
                # Would push another label of the same question over its k.
                continue
            chosen[correction.annotation_id] = correction
            for other in shown:
                held[other] = held.get(other, 0) + 1
    return list(chosen.values())


def choose(
    policy: ExamplePolicy,
    corrections: Sequence[Correction],
    ontology: Ontology,
    batch: int | None,
    nearest: Callable[[Sequence[Correction], int], list[Correction]] | None = None,
) -> list[Correction]:
    """The examples for a run over `batch`.

    Args:
        policy: Kind, k and seed.
        corrections: Everything reviewed so far, any order.
        ontology: Current questions; examples with retired labels only still qualify for the others.
        batch: Number of the batch about to be predicted.
        nearest: Ranks by similarity; needed for the policy `nearest`.
    """
    usable = qualifying(corrections, batch)
    match policy.kind:
        case "none":
            return []
        case "per_label":
            return per_label(usable, ontology, policy.k, policy.seed)
        case "nearest":
            return nearest(usable, policy.k) if nearest is not None else []
