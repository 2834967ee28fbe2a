"""From a text rewritten with marks around its mentions to places in the original.

Hides the styles (`<span class="PER">Anna</span>`, `<PER>Anna</PER>`, `@@Anna##`) and the comparison of the copy with the original:
models copy almost, but not quite, verbatim.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from labelwright.core.problem import Problem, excerpt
from labelwright.prompting.align import Mention, TextIndex, Tier, align

MIN_COPY_SIMILARITY = 0.98
"""Below this likeness (0 to 1) the rewriting is no copy any more and each mention is looked up on its own."""

_NAMES = "span|mark|entity|ent|em|b"
_MARK = (
    rf"<(?P<name>{_NAMES})\b[^<>]{{0,300}}?"
    r"(?:class|type|label|data-label)\s*=\s*[\"']?(?P<label>[^\"'<>]{1,200}?)[\"']?\s*/?>"
    rf"|</(?P<close>{_NAMES})\s*>"
    r"|(?P<open_at>@@)|(?P<close_at>\#\#)"
)
_FENCE = re.compile(r"^\s*```[\w+-]*\n(.*?)\n?```\s*$", re.DOTALL)
_MAX_COMPARED = 20_000
_CONTEXT = 24


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """A marked stretch: code points of the original, half-open; `label` as the mark names it, empty for `@@..##`."""

    start: int
    end: int
    label: str
    tier: Tier


def looks_marked(reply: str, text: str, tags: Collection[str] = ()) -> bool:
    """Whether a reply is a text with marks in it that the text itself does not have."""
    found = next((mark for mark in _pattern(tags).finditer(reply) if mark.group() not in text), None)
    return found is not None and ("<" in found.group() or ("@@" in reply and "##" in reply))


def align_marked(
    text: str, marked: str, tags: Collection[str] = ()
) -> tuple[list[MarkedSpan], list[Problem]]:
    """Find the marked stretches of a rewritten text in the original.

    Args:
        text: The original. Marks that it contains itself are no marks.
        marked: The model's copy with marks; a code fence around it is allowed.
        tags: Names that are marks of their own: with `PER` in it, `<PER>Anna</PER>` is one.

    Problems:
        rewritten (the copy differs from the text too much; mentions were looked up one by one), cut_reply (a mark
        never ends), empty_span, not_found, repeated_mention. `where` is the position of the mark.
    """
    fence = _FENCE.match(marked)
    if fence is not None:
        marked = fence.group(1)
    plain, pieces, problems = _strip(marked, text, _pattern(tags))
    offsets = _mapping(plain, text)
    spans: list[MarkedSpan] = []
    if offsets is not None:
        for position, (start, end, label) in enumerate(pieces):
            low, high, exact = _project(offsets, plain, text, start, end)
            if low >= high:
                problems.append(_missing(position, plain[start:end], "not_found"))
                continue
            spans.append(MarkedSpan(low, high, label, "exact" if exact else "fuzzy"))
        return spans, problems
    if pieces:
        message = "the model changed the text while marking it; its mentions were looked up one by one"
        problems.append(Problem(where="", code="rewritten", message=message))
    mentions = [
        Mention(plain[s:e], label, plain[max(0, s - _CONTEXT) : s], plain[e : e + _CONTEXT])
        for s, e, label in pieces
    ]
    for position, (mention, place) in enumerate(
        zip(mentions, align(TextIndex(text), mentions, overlap=True), strict=True)
    ):
        if isinstance(place, str):
            problems.append(_missing(position, mention.quote, place))
        else:
            spans.append(MarkedSpan(place.start, place.end, mention.label, place.tier))
    return spans, problems


def _missing(position: int, quote: str, code: str) -> Problem:
    return Problem(where=str(position), code=code, message=f"{excerpt(quote)!r} does not stand in the text")


def _pattern(tags: Collection[str]) -> re.Pattern[str]:
    if not tags:
        return re.compile(_MARK, re.IGNORECASE)
    either = "|".join(re.escape(tag) for tag in sorted(tags, key=len, reverse=True))
    return re.compile(rf"{_MARK}|<(?P<tag>{either})>|</(?P<close_tag>{either})\s*>", re.IGNORECASE)


def _strip(
    marked: str, text: str, pattern: re.Pattern[str]
) -> tuple[str, list[tuple[int, int, str]], list[Problem]]:
    """The copy without marks, the stretches that were marked, and marks that never end."""
    parts: list[str] = []
    pieces: list[tuple[int, int, str]] = []
    open_marks: list[tuple[int, str]] = []
    problems: list[Problem] = []
    own: dict[str, bool] = {}
    length = at = 0
    for mark in pattern.finditer(marked):
        words = mark.group()
        if own.setdefault(words, words in text):
            continue
        parts.append(marked[at : mark.start()])
        length += mark.start() - at
        at = mark.end()
        groups = mark.groupdict()
        if groups["name"]:
            open_marks.append((length, groups["label"].strip()))
        elif groups.get("tag"):
            open_marks.append((length, groups["tag"]))
        elif groups["open_at"]:
            open_marks.append((length, ""))
        elif open_marks:
            start, label = open_marks.pop()
            if start < length:
                pieces.append((start, length, label))
            else:
                problems.append(
                    Problem(where=str(len(pieces)), code="empty_span", message="a mark around nothing")
                )
    parts.append(marked[at:])
    for _, label in open_marks:
        message = f"the mark {excerpt(label)!r} never ends"
        problems.append(Problem(where=str(len(pieces)), code="cut_reply", message=message))
    return "".join(parts), sorted(pieces), problems


def _mapping(plain: str, text: str) -> list[int] | None:
    """For each place of the copy (and its end) the place in the text, -1 where it has none; None if it is no copy."""
    # White space is where copies differ most and means least: compare without it.
    left = [i for i, c in enumerate(plain) if not c.isspace()]
    right = [i for i, c in enumerate(text) if not c.isspace()]
    one, other = "".join(plain[i] for i in left), "".join(text[i] for i in right)
    offsets = [-1] * len(plain)
    if one == other:
        for i, j in zip(left, right, strict=True):
            offsets[i] = j
        return offsets
    # A cut copy is a copy of the beginning.
    if one and other.startswith(one):
        for i, j in zip(left, right, strict=False):
            offsets[i] = j
        return offsets
    if len(one) > _MAX_COMPARED or len(other) > _MAX_COMPARED or not one:
        return None
    if Indel.normalized_similarity(one, other, score_cutoff=MIN_COPY_SIMILARITY) < MIN_COPY_SIMILARITY:
        return None
    for block in Indel.opcodes(one, other):
        if block.tag == "equal":
            for k in range(block.src_end - block.src_start):
                offsets[left[block.src_start + k]] = right[block.dest_start + k]
    return offsets


def _project(offsets: list[int], plain: str, text: str, start: int, end: int) -> tuple[int, int, bool]:
    """A stretch of the copy in the text, and whether it is verbatim."""
    while start < end and plain[start].isspace():
        start += 1
    while end > start and plain[end - 1].isspace():
        end -= 1
    placed = [offset for offset in offsets[start:end] if offset >= 0]
    kept = sum(not c.isspace() for c in plain[start:end])
    if not placed or len(placed) < 0.8 * kept:
        return 0, 0, False
    low, high = placed[0], placed[-1] + 1
    same = "".join(plain[start:end].split()) == "".join(text[low:high].split())
    return low, high, same
