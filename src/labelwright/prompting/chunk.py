"""Cuts a long text into windows that fit a model, at the ends of paragraphs and sentences.

Hides where a text may be cut and how full a window gets. Windows overlap, so that what lies over one's border stands
whole in the next; joined without the overlaps they are the text again.

Source: design notes, section "Long documents".
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labelwright.prompting.tokens import token_cost

OVERLAP = 0.12
"""Share of a window that is repeated in the next one."""

LEAST_OVERLAP_TOKENS = 40
"""The overlap is at least this long (or a third of the window): a mention and some words around it."""

_PARAGRAPH, _SENTENCE, _LINE, _WORD, _CLUSTER = 4, 3, 2, 1, 0
_BORDERS = re.compile(
    r"(?P<paragraph>\n[^\S\n]*\n\s*)"
    r"|(?P<sentence>(?:[.!?…]+[\"'”’)\]»]*\s+)|(?:[。！？｡]+[」』”’）]*\s*)|(?:[।؟۔]\s*))"
    r"|(?P<line>\n\s*)"
)
_RANKS = {"paragraph": _PARAGRAPH, "sentence": _SENTENCE, "line": _LINE}
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_WORDS = re.compile(r"\s+")
_TRIES = 6
# A letter with more marks than this is no writing; without a bound it could outgrow every window.
_LONGEST_CLUSTER = 64

Measure = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class _Borders:
    """Places where the text may be cut, rising; `cost[i]` is what text[:at[i]] costs."""

    at: list[int]
    rank: list[int]
    cost: list[float]


def chunks(
    text: str, budget: float, *, overlap: float = OVERLAP, measure: Measure | None = None
) -> tuple[tuple[int, int], ...]:
    """Windows (start, end) in code points, each of at most `budget` tokens.

    The first begins at 0, the last ends with the text, starts and ends rise, and no window begins behind the end of the
    one before. A window ends at a paragraph, else at a sentence, a line, a word; a single word longer than the budget
    is cut between characters, never inside a composed one.

    Args:
        text: Any text; the empty one is one empty window.
        budget: Tokens per window, at least 1.
        overlap: Share of the budget that two neighbours share, 0 to 0.5; 0 for none.
        measure: Tokens of a stretch; the estimate when None. Called about once per window.
    """
    budget = max(1.0, budget)
    count = measure or token_cost
    # A token has at least one byte, so a short text need not be counted.
    if len(text.encode("utf-8", "surrogatepass")) <= budget or count(text) <= budget:
        return ((0, len(text)),)
    borders = _borders(text, budget)
    wanted = overlap and min(budget / 3, max(overlap * budget, LEAST_OVERLAP_TOKENS))
    found: list[tuple[int, int]] = []
    first, ratio = 0, 1.0
    while True:
        last, ratio = _fill(text, borders, first, budget, ratio, count if measure else None)
        if found and borders.at[last] <= found[-1][1]:
            # The overlap fills the whole window: go on without one, so that every window brings something new.
            first = borders.at.index(found[-1][1])
            last, ratio = _fill(text, borders, first, budget, ratio, count if measure else None)
        found.append((borders.at[first], borders.at[last]))
        if borders.at[last] == len(text):
            return tuple(found)
        first = _next_start(borders, first, last, wanted / ratio)


def _fill(
    text: str, borders: _Borders, first: int, budget: float, ratio: float, measure: Measure | None
) -> tuple[int, float]:
    """(index of the border where the window from `first` ends, true cost per estimated cost)."""
    room = budget / ratio
    last = _end(borders, first, room)
    for _ in range(_TRIES if measure else 0):
        assert measure is not None
        true = measure(text[borders.at[first] : borders.at[last]])
        estimated = borders.cost[last] - borders.cost[first]
        if true > 0 and estimated > 0:
            ratio = true / estimated
        if true <= budget or last == first + 1:
            break
        room = min(room * 0.9, budget / ratio * 0.97)
        last = _end(borders, first, room)
    return last, ratio


def _end(borders: _Borders, first: int, room: float) -> int:
    """The best border within `room` behind `first`: a paragraph in the last third, a sentence in the last half, ..."""
    limit = borders.cost[first] + room
    furthest = max(first + 1, bisect_right(borders.cost, limit + 1e-9) - 1)
    if furthest == len(borders.at) - 1:
        return furthest
    for rank, share in ((_PARAGRAPH, 2 / 3), (_SENTENCE, 0.5), (_LINE, 0.5), (_WORD, 0.0)):
        least = max(first + 1, bisect_left(borders.cost, borders.cost[first] + share * room))
        for i in range(furthest, least - 1, -1):
            if borders.rank[i] >= rank:
                return i
    return furthest


def _next_start(borders: _Borders, first: int, last: int, wanted: float) -> int:
    """Where the next window begins: `wanted` before the end of this one, at a sentence if one begins there."""
    if not wanted:
        return last
    earliest = max(first + 1, bisect_left(borders.cost, borders.cost[last] - wanted))
    half = bisect_left(borders.cost, borders.cost[last] - wanted / 2)
    for rank in (_SENTENCE, _LINE, _WORD):
        for i in range(earliest, min(half + 1, last)):
            if borders.rank[i] >= rank:
                return i
    return min(earliest, last)


def _borders(text: str, budget: float) -> _Borders:
    """Borders so fine that no stretch between two of them costs more than an eighth of the budget, if words allow it."""
    fine = max(1.0, budget / 8)
    at, rank, cost = [0], [_PARAGRAPH], [0.0]
    for start, end, kind in _sentences(text):
        spent = token_cost(text[start:end])
        if spent > fine:
            for middle, inner, piece in _pieces(text, start, end, fine):
                at.append(middle)
                rank.append(inner)
                cost.append(cost[-1] + piece)
            rank[-1] = kind
        else:
            at.append(end)
            rank.append(kind)
            cost.append(cost[-1] + spent)
    return _Borders(at, rank, cost)


def _sentences(text: str) -> Iterator[tuple[int, int, int]]:
    start = 0
    for border in _BORDERS.finditer(text):
        if border.end() < len(text):
            blank_line = _BLANK_LINE.search(border.group()) is not None
            yield start, border.end(), _PARAGRAPH if blank_line else _RANKS[border.lastgroup or "line"]
            start = border.end()
    if start < len(text):
        yield start, len(text), _PARAGRAPH


def _pieces(text: str, start: int, end: int, fine: float) -> Iterator[tuple[int, int, float]]:
    """(end, rank, cost) of the words of a stretch; of its characters where a word is too long."""
    at = start
    ends = [gap.end() for gap in _WORDS.finditer(text, start, end)]
    if not ends or ends[-1] != end:
        ends.append(end)
    for word_end in ends:
        spent = token_cost(text[at:word_end])
        if spent > fine:
            yield from _characters(text, at, word_end, fine)
        else:
            yield word_end, _WORD, spent
        at = word_end


def _characters(text: str, start: int, end: int, fine: float) -> Iterator[tuple[int, int, float]]:
    """Runs of whole characters with their marks, so short that many fit into a window."""
    at = start
    # No character costs more than a handful of tokens, so this many stay below the wanted size, and there is progress.
    step = max(1, int(fine / 4))
    while at < end:
        cut = min(end, at + step)
        while cut < min(end, at + step + _LONGEST_CLUSTER) and _goes_on(text[cut - 1], text[cut]):
            cut += 1
        yield cut, _WORD if cut == end else _CLUSTER, token_cost(text[at:cut])
        at = cut


def _goes_on(before: str, here: str) -> bool:
    """Whether `here` belongs to the same character as what stands before it: marks, joiners, flags, skin tones."""
    return (
        unicodedata.category(here) in ("Mn", "Me", "Mc")
        or here in "\u200d\ufe0e\ufe0f"
        or before == "\u200d"
        or "\U0001f3fb" <= here <= "\U0001f3ff"
        or ("\U0001f1e6" <= here <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")
        or (before == "\r" and here == "\n")
    )
