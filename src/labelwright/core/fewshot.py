"""Corrections become examples: which annotations are shown to the model with the next batch.

Only submitted annotations of earlier batches qualify; gold never does, nor the asset that is asked about. Random
choices are seeded, so the same seed and the same corrections give the same examples.
"""

import heapq
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, RegionAnswer, ScalarAnswer, SpanAnswer
from labelwright.core.ontology import Ontology, SpanQuestion
from labelwright.core.predictor import ExamplePolicy
from labelwright.core.value import Value


class Correction(Value):
    """A reviewed asset that may serve as an example.

    Attributes:
        changed: Whether the person changed what the model had said; such ones carry more information.
        batch: Batch of the asset; None for an asset labelled before any run.
        author_id: Whose annotation it is.
        created_at: When it was submitted.
    """

    annotation_id: str
    asset_id: int
    text: str
    answers: Answers
    batch: int | None = None
    changed: bool = False
    gold: bool = False
    author_id: int | None = None
    created_at: datetime | None = None


NEAR_DUPLICATE = 0.95
"""A text at least this much like the asked one would hand the model the answer, so it is never shown."""

_RELEVANCE = 0.7
_MMR_POOL = 200


@dataclass(frozen=True)
class Likeness:
    """How alike texts are, in [0, 1].

    Attributes:
        asked: Annotation id -> likeness of that correction's text to the text that is asked about.
        between: Likeness of the texts of two corrections, by annotation id.
    """

    asked: Mapping[str, float]
    between: Callable[[str, str], float]


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
            case RegionAnswer(regions=regions):
                found |= {(question.id, region.label) for region in regions}
            case ScalarAnswer(value=value):
                found.add((question.id, str(value)))
            case _:
                pass
    return found


Categories = Mapping[str, set[tuple[str, str]]]
"""Annotation id -> `categories` of its answers."""


def categories_of(ontology: Ontology, corrections: Sequence[Correction]) -> Categories:
    """What each of these corrections shows an example of."""
    return {c.annotation_id: categories(ontology, c.answers) for c in corrections}


def per_label(corrections: Sequence[Correction], ontology: Ontology, k: int, seed: int) -> list[Correction]:
    """Up to `k` examples per label by seeded random sampling; one example may serve several labels."""
    shuffled = sorted(corrections, key=lambda c: c.annotation_id)
    random.Random(seed).shuffle(shuffled)
    return _cover(shuffled, ontology, categories_of(ontology, shuffled), k)


def _cover(
    ordered: Sequence[Correction], ontology: Ontology, shown_by: Categories, k: int
) -> list[Correction]:
    """Greedy set cover: always the correction that shows most of the labels still wanted, the first of equals.

    A label is wanted until `k` examples show it; a correction does not count for a question of which it would push
    another label over its k. For marked text there is a second round for labels that are shown by nothing yet: rare
    entity types come with common ones.
    """
    held: dict[tuple[str, str], int] = {}

    def gain(i: int) -> int:
        shown = shown_by[ordered[i].annotation_id]
        full = {question for question, label in shown if held.get((question, label), 0) >= k}
        return sum(pair[0] not in full for pair in shown)

    marked = {q.id for q in ontology.active_questions if isinstance(q, SpanQuestion)}

    def unseen(i: int) -> int:
        shown = shown_by[ordered[i].annotation_id]
        return sum(pair not in held and pair[0] in marked for pair in shown)

    chosen: list[int] = []
    for worth in (gain, unseen):
        # Lazily: what a correction is worth only ever falls, so the top of the heap is right once it is up to date.
        heap = [(-worth(i), i) for i in range(len(ordered)) if i not in chosen]
        heapq.heapify(heap)
        while heap:
            before, i = heapq.heappop(heap)
            now = worth(i)
            if now == 0:
                continue
            if now < -before:
                heapq.heappush(heap, (-now, i))
                continue
            chosen.append(i)
            for pair in shown_by[ordered[i].annotation_id]:
                held[pair] = held.get(pair, 0) + 1
    return [ordered[i] for i in chosen]


def nearest(corrections: Sequence[Correction], k: int, likeness: Likeness) -> list[Correction]:
    """The `k` most similar, the most similar last: models give most weight to what stands right before the text."""
    return _by_likeness(corrections, likeness)[:k][::-1]


def nearest_per_label(
    corrections: Sequence[Correction], ontology: Ontology, shown_by: Categories, k: int, likeness: Likeness
) -> list[Correction]:
    """Up to `k` of each label, the most similar ones, so that no label is missing; the most similar last."""
    chosen = _cover(_by_likeness(corrections, likeness), ontology, shown_by, k)
    return _by_likeness(chosen, likeness)[::-1]


def mmr(corrections: Sequence[Correction], k: int, likeness: Likeness) -> list[Correction]:
    """`k` that are similar to the text but not to each other; the most similar last.

    Source: maximal marginal relevance, Carbonell & Goldstein 1998, with lambda 0.7, over the 200 most similar.
    """
    left = _by_likeness(corrections, likeness)[:_MMR_POOL]
    chosen: list[Correction] = []
    echo = dict.fromkeys((c.annotation_id for c in left), 0.0)

    def worth(c: Correction) -> float:
        return _RELEVANCE * likeness.asked[c.annotation_id] - (1 - _RELEVANCE) * echo[c.annotation_id]

    while left and len(chosen) < k:
        best = max(left, key=worth)
        chosen.append(best)
        left.remove(best)
        for c in left:
            echo[c.annotation_id] = max(
                echo[c.annotation_id], likeness.between(c.annotation_id, best.annotation_id)
            )
    return _by_likeness(chosen, likeness)[::-1]


def _by_likeness(corrections: Sequence[Correction], likeness: Likeness) -> list[Correction]:
    """Most similar first, ties by id."""
    return sorted(corrections, key=lambda c: (-likeness.asked[c.annotation_id], c.annotation_id))


def plain(text: str) -> str:
    """A text without case, punctuation and spacing, to tell copies."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip() or text.strip()


def needs_likeness(policy: ExamplePolicy) -> bool:
    """Whether this policy chooses anew for each text."""
    return policy.kind in ("nearest", "nearest_per_label", "mmr")


def choose(
    policy: ExamplePolicy, corrections: Sequence[Correction], ontology: Ontology, batch: int | None
) -> list[Correction]:
    """The examples for a run over `batch` under a policy that shows every text the same ones.

    Args:
        policy: Kind, k and seed.
        corrections: Everything reviewed so far, any order.
        ontology: Current questions; examples with retired labels only still qualify for the others.
        batch: Number of the batch about to be predicted.
    """
    if policy.kind != "per_label":
        return []
    return per_label(qualifying(corrections, batch), ontology, policy.k, policy.seed)


def choose_for(
    policy: ExamplePolicy,
    corrections: Sequence[Correction],
    ontology: Ontology,
    asset_id: int,
    text: str,
    likeness: Likeness,
    shown_by: Categories,
) -> list[Correction]:
    """The examples for one text under a policy that chooses by likeness; never the text itself or a copy of it.

    Args:
        policy: Kind and k.
        corrections: Qualifying ones, see `qualifying`.
        ontology: Questions of the run.
        asset_id: The asset that is asked about.
        text: Its text.
        likeness: Covers all of the corrections.
        shown_by: Covers all of them too.
    """
    asked = plain(text)
    usable = [
        c
        for c in corrections
        if c.asset_id != asset_id
        and likeness.asked[c.annotation_id] < NEAR_DUPLICATE
        and plain(c.text) != asked
    ]
    match policy.kind:
        case "nearest":
            return nearest(usable, policy.k, likeness)
        case "nearest_per_label":
            return nearest_per_label(usable, ontology, shown_by, policy.k, likeness)
        case "mmr":
            return mmr(usable, policy.k, likeness)
        case _:
            return []
