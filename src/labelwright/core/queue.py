"""The order in which people see assets: least confident first, with an audit share of confident ones mixed in.

Hides the two streams and how they are merged. `arrange` is the whole order in memory; the store serves the same order
a few assets at a time by asking `stream_of` which stream the next take comes from.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

from labelwright.core.value import Probability, Value

Stream = Literal["uncertain", "audit"]
Why = Literal[
    "least_confident", "audit", "not_predicted", "arrival", "random", "sent_back", "again", "flagged"
]
"""Why an asset is next, shown to the person."""


class Candidate(Value):
    """An asset that could be handed out."""

    asset_id: int
    confidence: Probability | None = None
    skipped: bool = False
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

    Audits are spread evenly: among the first n takes there are floor(n * share) of them.
    """
    return "audit" if int((take + 1) * audit_share + 1e-9) > int(take * audit_share + 1e-9) else "uncertain"


def audit_floor(confidences: Sequence[float]) -> float:
    """From which confidence on an asset counts as confident: the median. 0 when there are none."""
    ordered = sorted(confidences)
    return ordered[len(ordered) // 2] if ordered else 0.0


def arrange(candidates: Sequence[Candidate], audit_share: float, seed: int) -> list[Turn]:
    """The whole order: every candidate exactly once.

    Flagged assets with a prediction come first, because its confidence may be what the text asked for; then predicted
    assets come by rising confidence; those without a number after them in a fixed random order, which is a
    fair sample to start from; skipped ones last. At the turns `stream_of` names, a random confident one comes instead.
    """
    predicted = [c for c in candidates if c.confidence is not None and not c.skipped]
    floor = audit_floor([c.confidence for c in predicted if c.confidence is not None])

    def rank(c: Candidate) -> tuple[bool, bool, float, int]:
        unknown = c.confidence is None
        order = c.confidence if c.confidence is not None else shuffle_key(c.asset_id, seed)
        return (c.skipped, unknown, order - (c.flagged and not unknown), c.asset_id)

    uncertain = sorted(candidates, key=rank, reverse=True)
    audits = sorted(
        (c for c in predicted if c.confidence is not None and c.confidence >= floor),
        key=lambda c: (shuffle_key(c.asset_id, seed), c.asset_id),
        reverse=True,
    )
    turns: list[Turn] = []
    given: set[int] = set()
    while len(turns) < len(candidates):
        stream = stream_of(len(turns), audit_share)
        source = audits if stream == "audit" and audits else uncertain
        chosen = source.pop()
        if chosen.asset_id in given:
            # Already handed out by the other stream: this source moves on, the turn stays.
            continue
        given.add(chosen.asset_id)
        if source is audits:
            why: Why = "audit"
        else:
            why = "least_confident" if chosen.confidence is not None else "not_predicted"
            if chosen.flagged and chosen.confidence is not None:
                why = "flagged"
        turns.append(Turn(asset_id=chosen.asset_id, why=why))
    return turns
