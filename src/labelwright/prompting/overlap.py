"""Mentions that were found more than once, or that lie over each other.

Hides intersection over union of stretches of text, and how groups are found without comparing each with each.
"""

from collections.abc import Sequence
from typing import TypeVar

from labelwright.core.answer import Span

SAME_IOU = 0.5
"""Two mentions of one label are the same when they share at least this much of what they cover together."""

_From = TypeVar("_From")


def iou(one: Span, other: Span) -> float:
    """Shared characters over covered characters, in [0, 1]."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    covered = max(one.end, other.end) - min(one.start, other.start)
    return shared / covered if shared > 0 and covered > 0 else 0.0


def cluster(spans: Sequence[tuple[_From, Span]]) -> list[list[tuple[_From, Span]]]:
    """Groups of mentions of different origin that are the same as the group's first one; in text order.

    Two mentions of the same origin are never the same: whoever named both meant two.
    """
    groups: list[list[tuple[_From, Span]]] = []
    open_groups: list[list[tuple[_From, Span]]] = []
    for origin, span in sorted(spans, key=lambda pair: (pair[1].start, pair[1].end, pair[1].label)):
        open_groups = [group for group in open_groups if group[0][1].end > span.start]
        candidates = [
            group
            for group in open_groups
            if group[0][1].label == span.label
            and iou(group[0][1], span) >= SAME_IOU
            and all(origin != other for other, _ in group)
        ]
        if candidates:
            max(candidates, key=lambda group: iou(group[0][1], span)).append((origin, span))
        else:
            group = [(origin, span)]
            groups.append(group)
            open_groups.append(group)
    return groups


def without_overlaps(spans: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """(those that stay, those that lie over one that stays); earlier ones in the sequence win."""
    kept: list[Span] = []
    lost: list[Span] = []
    starts: dict[int, list[Span]] = {}
    for span in spans:
        # Hashing by blocks keeps this linear for thousands of mentions.
        blocks = range(span.start // _BLOCK, max(span.start, span.end - 1) // _BLOCK + 1)
        if any(o.start < span.end and span.start < o.end for block in blocks for o in starts.get(block, ())):
            lost.append(span)
            continue
        kept.append(span)
        for block in blocks:
            starts.setdefault(block, []).append(span)
    return kept, lost


_BLOCK = 256
