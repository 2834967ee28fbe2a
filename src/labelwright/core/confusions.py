"""What a model takes for what: its labels against those that people gave, counted."""

from collections.abc import Iterable, Iterator, Sequence

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    Region,
    RegionAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
)
from labelwright.core.ontology import Ontology
from labelwright.core.overlap import match
from labelwright.core.value import Value

_EXAMPLES = 5


class Confusion(Value):
    """A label of the model that people replaced by another.

    Attributes:
        said: What the model said: a label id or a value; None for nothing.
        right: What people said; None for nothing. The same as `said` for a mark with other borders.
        n: How often.
        asset_ids: Some assets where it happened.
    """

    question: str
    said: str | None
    right: str | None
    n: int
    asset_ids: tuple[int, ...]


def confusions(ontology: Ontology, judged: Sequence[tuple[int, Answers, Answers]]) -> list[Confusion]:
    """Confusions of the active questions, most frequent first.

    Args:
        ontology: What is asked.
        judged: (asset id, what the model said, what the person said).
    """
    found: dict[tuple[str, str | None, str | None], list[int]] = {}
    for asset_id, said, right in judged:
        for question in ontology.active_questions:
            for pair in _differences(said.get(question.id), right.get(question.id)):
                found.setdefault((question.id, *pair), []).append(asset_id)
    rows = [
        Confusion(question=key, said=said, right=right, n=len(ids), asset_ids=tuple(dict.fromkeys(ids))[:_EXAMPLES])
        for (key, said, right), ids in found.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda each: (-each.n, each.question, each.said or "", each.right or ""))


def _differences(said: Answer | None, right: Answer | None) -> Iterator[tuple[str | None, str | None]]:
    match said, right:
        case (SpanAnswer() | None, SpanAnswer() | None):
            yield from _marks(said.spans if said else (), right.spans if right else ())
        case (RegionAnswer() | None, RegionAnswer() | None):
            yield from _regions(said.regions if said else (), right.regions if right else ())
        case (ChoiceAnswer() | None, ChoiceAnswer() | None):
            extra = sorted(set(said.labels if said else ()) - set(right.labels if right else ()))
            missing = sorted(set(right.labels if right else ()) - set(said.labels if said else ()))
            if len(extra) == len(missing) == 1:
                yield extra[0], missing[0]
            else:
                yield from ((label, None) for label in extra)
                yield from ((None, label) for label in missing)
        case (ScalarAnswer() | None, ScalarAnswer() | None):
            one, two = (None if each is None else str(each.value) for each in (said, right))
            if one != two:
                yield one, two
        case _:
            return


def _regions(said: Sequence[Region], right: Sequence[Region]) -> Iterator[tuple[str | None, str | None]]:
    """Regions without a match: taken for another label, drawn too far off (the label on both sides), extra, missing."""
    found = match(said, right)
    for pair in (*found.wrong_label, *found.low_overlap):
        yield said[pair.predicted].label, right[pair.true].label
    yield from ((said[i].label, None) for i in found.extra)
    yield from ((None, right[j].label) for j in found.missing)


def _marks(said: Iterable[Span], right: Iterable[Span]) -> Iterator[tuple[str | None, str | None]]:
    """Marks that are not the same on both sides: paired where they overlap, the larger overlap first."""
    ours = {(s.start, s.end, s.label) for s in said}
    theirs = {(s.start, s.end, s.label) for s in right}
    left, open_ = sorted(ours - theirs), sorted(theirs - ours)
    overlaps = sorted(
        (-(min(a[1], b[1]) - max(a[0], b[0])), a, b)
        for a in left
        for b in open_
        if a[0] < b[1] and b[0] < a[1]
    )
    for _, a, b in overlaps:
        if a in left and b in open_:
            left.remove(a)
            open_.remove(b)
            yield a[2], b[2]
    yield from ((label, None) for _, _, label in left)
    yield from ((None, label) for _, _, label in open_)
