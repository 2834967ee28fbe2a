"""The order in which people see assets: least confident first, with an audit share of confident ones mixed in.

Hides the two streams and how they are merged. `arrange` is the whole order in memory; the store serves the same order
a few assets at a time by asking `stream_of` which stream the next take comes from.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

from labelwright.core.value import Probability, Value

Stream = Literal["uncertain", "audit", "sample"]
Why = Literal[
    "least_confident",
    "audit",
    "sample",
    "not_predicted",
    "arrival",
    "random",
    "sent_back",
    "again",
    "flagged",
]
"""Why an asset is next, shown to the person."""

EVERYTHING = -1.0
"""A draw from above this confidence is one from all assets, those without a confidence too."""


class Candidate(Value):
    """An asset that could be handed out.

    Attributes:
        audit: Drawn for an audit: `first` comes before everything else, `spread` anywhere.
    """

    asset_id: int
    confidence: Probability | None = None
    skipped: bool = False
    audit: Literal["first", "spread"] | None = None
    flagged: bool = False


class Turn(Value):
    """One place in the order."""

    asset_id: int
    why: Why


def shuffle_key(asset_id: int, seed: int) -> float:
    """A fixed pseudo-random number in [0, 1) for an asset: the order of audits, and of assets without a prediction."""
    digest = hashlib.blake2b(f"{seed}:{asset_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def stream_of(take: int, audit_share: float) -> Stream:
    """Which stream the `take`-th hand-out (from 0) comes from.

    Random checks are spread evenly: among the first n takes there are floor(n * share) of them. In turn they come from
    the confident assets (`audit`) and from all that a model answered (`sample`): without the latter nothing could be
    said of the middle, which neither stream reaches for long.
    """
    before, after = (int(n * audit_share + 1e-9) for n in (take, take + 1))
    if after == before:
        return "uncertain"
    return "audit" if after % 2 else "sample"


def audit_floor(confidences: Sequence[float]) -> float:
    """From which confidence on an asset counts as confident: the median. 0 when there are none."""
    ordered = sorted(confidences)
    return ordered[len(ordered) // 2] if ordered else 0.0


def arrange(candidates: Sequence[Candidate], audit_share: float, seed: int) -> list[Turn]:
    """The whole order: every candidate exactly once.

    Predicted assets come by rising confidence; those without a number after them in a fixed random order, which is a
    fair sample to start from; skipped ones last. At the turns `stream_of` names, a random one comes instead. What was
    drawn for an audit before comes first, or has a random place. Flagged assets with a prediction come before unflagged
    ones: their confidence may be what the text asked for.
    """
    predicted = [c for c in candidates if c.confidence is not None and not c.skipped]
    floor = audit_floor([c.confidence for c in predicted if c.confidence is not None])
    drawn = {c.asset_id: shuffle_key(c.asset_id, seed) for c in candidates}

    def rank(c: Candidate) -> tuple[bool, float, int]:
        chance = drawn[c.asset_id]
        if c.audit is not None:
            return (c.skipped, chance - 1 if c.audit == "first" else chance, c.asset_id)
        return (c.skipped, c.confidence - c.flagged if c.confidence is not None else 1 + chance, c.asset_id)

    def shuffled(some: Sequence[Candidate]) -> list[Candidate]:
        return sorted(some, key=lambda c: (drawn[c.asset_id], c.asset_id), reverse=True)

    sources: dict[Stream, list[Candidate]] = {
        "uncertain": sorted(candidates, key=rank, reverse=True),
        "audit": shuffled([c for c in predicted if c.confidence is not None and c.confidence >= floor]),
        # From the other end of the same shuffle: what the audits took leaves no hole where this stream draws.
        "sample": shuffled(predicted)[::-1],
    }
    turns: list[Turn] = []
    given: set[int] = set()
    while len(turns) < len(candidates):
        stream = stream_of(len(turns), audit_share)
        if not sources[stream]:
            stream = "uncertain"
        chosen = sources[stream].pop()
        if chosen.asset_id in given:
            # Already handed out by another stream: this source moves on, the turn stays.
            continue
        given.add(chosen.asset_id)
        turns.append(
            Turn(
                asset_id=chosen.asset_id,
                why=why_of(stream, chosen.confidence, chosen.audit is not None, chosen.flagged),
            )
        )
    return turns


def why_of(stream: Stream, confidence: float | None, drawn_for_audit: bool, flagged: bool) -> Why:
    """Why an asset of the ordered queue is next."""
    if drawn_for_audit:
        return "audit"
    if stream != "uncertain":
        return stream
    if flagged and confidence is not None:
        return "flagged"
    return "least_confident" if confidence is not None else "not_predicted"
