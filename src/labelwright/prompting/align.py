"""Where in a text a quoted mention stands, in code points.

Models copy text almost verbatim and count characters badly, so they are asked for quotes and the counting is done
here. Hides the normalised copy of the text with its map back to the original, the tiers from exact to fuzzy, word
boundaries, and which mention of a repeated surface gets which occurrence.

Source: recipe of the project's design notes, section "Entity string -> offsets" (tiers as in LangExtract's resolver and
spaCy-llm's string matching, with their failures removed).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Literal

from rapidfuzz import fuzz

MIN_FUZZY_RATIO = 86.0
"""How alike (0 to 100) a stretch must be to a quote that is not in the text."""

_MIN_FUZZY_LENGTH = 5
_MAX_FUZZY_LENGTH = 1_000
_MAX_FUZZY_WORK = 1_000_000_000
_MIN_SQUEEZED_LENGTH = 3
_MAX_PLACES = 5_000
_MAX_CONTEXTS = 100_000

Tier = Literal["exact", "normalised", "fuzzy"]
Failure = Literal["not_found", "repeated_mention", "spans_overlap"]

_TRANSLATION = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‵´`ʼ＇", "'"),
        **dict.fromkeys("“”„‟″‶«»＂", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        # Soft hyphen, zero-width characters, byte-order mark, variation selectors.
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f", ""),
    }
)
_RUN = re.compile(r"\s+|[^\s]")


@dataclass(frozen=True, slots=True)
class Mention:
    """A quote as the model gave it.

    Attributes:
        quote: What the model says stands in the text.
        label: Label id; the same stretch may carry two labels where overlap is allowed.
        before: A few words that stand right before it, if the model gave them.
        after: A few words right after it.
    """

    quote: str
    label: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a mention stands: code points, half-open."""

    start: int
    end: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class _Copy:
    """A changed copy of the text; character i of it came from text[starts[i]:ends[i]]."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


class TextIndex:
    """A text prepared for looking up quotes. Prepare once, look up many."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def folded(self) -> _Copy:
        """NFKC per cluster, case folded, typographic signs made plain, white space runs one space."""
        text = self.text
        if text.isascii() and not re.search(r"\s\s|[\t\n\r\f\v`\x1c-\x1f]", text):
            return _Copy(text.lower(), range(len(text)), range(1, len(text) + 1))
        out: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for start, end in _clusters(text):
            piece = _fold_cluster(text[start:end])
            if piece == " " and out and out[-1] == " ":
                ends[-1] = end
                continue
            for character in piece:
                out.append(character)
                starts.append(start)
                ends.append(end)
        return _Copy("".join(out), starts, ends)

    @cached_property
    def squeezed(self) -> _Copy:
        """The folded copy without punctuation and white space."""
        folded = self.folded
        kept = [i for i, c in enumerate(folded.text) if c.isalnum()]
        return _Copy(
            "".join(folded.text[i] for i in kept),
            [folded.starts[i] for i in kept],
            [folded.ends[i] for i in kept],
        )

    def on_boundary(self, start: int, end: int) -> bool:
        """Whether text[start:end] begins and ends between words; scripts written without spaces have no boundaries."""
        text = self.text
        if start >= end:
            return False
        if start > 0 and _joined(text[start - 1], text[start]) and not text[start - 1].isdigit():
            return False
        if end >= len(text):
            return True
        return not _joined(text[end - 1], text[end]) and not unicodedata.combining(text[end])


def fold(text: str) -> str:
    """The form in which quotes are compared with the text."""
    return TextIndex(text).folded.text


def align(index: TextIndex, mentions: Sequence[Mention], *, overlap: bool = False) -> list[Found | Failure]:
    """Ground mentions in the text.

    Args:
        index: The text.
        mentions: In the order the model gave them.
        overlap: Whether two mentions may cover the same characters.

    Returns:
        For each mention its place, or why it has none: `not_found` (the text does not say this), `repeated_mention`
        (more mentions than occurrences), `spans_overlap` (every place is taken and overlap is not allowed).
        Where a model lists a repeated surface once, the first free occurrence is meant.
    """
    return _Alignment(index, mentions, overlap).run()


class _Alignment:
    def __init__(self, index: TextIndex, mentions: Sequence[Mention], overlap: bool) -> None:
        self.index = index
        self.mentions = mentions
        self.overlap = overlap
        self.covered = bytearray(len(index.text))
        self.contexts = 0
        self.cursors: dict[tuple[str, str], int] = {}
        self.used: set[tuple[int, int, str]] = set()
        self.fuzzy_work = 0
        self.surfaces: dict[str, list[Found]] = {}

    def run(self) -> list[Found | Failure]:
        found: list[Found | Failure] = ["not_found"] * len(self.mentions)
        waiting: list[int] = []
        # Long quotes first, so that `York` is not given the end of `New York`; then those whose context decides.
        order = sorted(range(len(self.mentions)), key=lambda i: (-len(self.mentions[i].quote), i))
        for i in order:
            mention = self.mentions[i]
            if mention.before or mention.after:
                best = next((p for p in self.verbatim(mention) if not self.is_gone(mention, p)), None)
                if best is None:
                    best = self.best(mention, self.places(mention))
                    best = best if best is not None and self.context(mention, best) >= 2.0 else None
                if best is not None:
                    found[i] = self.take(mention, best)
                    continue
            waiting.append(i)
        group = Counter(self.mentions[i].quote for i in waiting)
        # First those that leave no choice; they tell where, in a list in text order, the others belong.
        for i in [i for i in waiting if group[self.mentions[i].quote] >= len(self.places(self.mentions[i]))]:
            self.settle(i, found, None)
            waiting.remove(i)
        in_text_order = self.is_in_text_order(found)
        for i in waiting:
            self.settle(i, found, self.window(i, found) if in_text_order else None)
        return found

    def settle(self, i: int, found: list[Found | Failure], window: tuple[int, int] | None) -> None:
        """Give mention `i` its place, or say why it has none."""
        mention = self.mentions[i]
        places = self.places(mention)
        best = self.best(mention, places, window)
        if best is None and places:
            # All verbatim occurrences are taken: the model may mean one in another spelling of case or signs.
            folded = self.index.folded
            others = self.occurrences(fold(mention.quote).strip(), folded.text, folded, "normalised")
            best = self.best(mention, list(others), window)
        if best is not None:
            found[i] = self.take(mention, best)
        elif places:
            same = any((p.start, p.end, mention.label) in self.used for p in places)
            found[i] = "repeated_mention" if same or self.overlap else "spans_overlap"

    def is_in_text_order(self, found: list[Found | Failure]) -> bool:
        """Whether the mentions placed so far were listed mostly as they stand in the text."""
        starts = [place.start for place in found if isinstance(place, Found)]
        rising = sum(a <= b for a, b in pairwise(starts))
        return rising >= 0.75 * (len(starts) - 1)

    def window(self, i: int, found: list[Found | Failure]) -> tuple[int, int] | None:
        """Between which characters mention `i` should start, by its neighbours in the list."""
        before = next((p.start for p in reversed(found[:i]) if isinstance(p, Found)), 0)
        after = next((p.start for p in found[i + 1 :] if isinstance(p, Found)), len(self.index.text))
        return (before, after) if before <= after else None

    def take(self, mention: Mention, place: Found) -> Found:
        self.used.add((place.start, place.end, mention.label))
        self.covered[place.start : place.end] = b"\1" * (place.end - place.start)
        return place

    def is_free(self, place: Found) -> bool:
        """Whether no mention placed so far touches the place."""
        return self.covered.find(1, place.start, place.end) < 0

    def is_gone(self, mention: Mention, place: Found) -> bool:
        """Whether the place can never be given to the mention any more."""
        if (place.start, place.end, mention.label) in self.used:
            return True
        return not self.overlap and not self.is_free(place)

    def best(
        self, mention: Mention, places: list[Found], window: tuple[int, int] | None = None
    ) -> Found | None:
        """The likeliest unused place: by context, free of others, same case, between its neighbours, then first."""
        best: Found | None = None
        best_rank: tuple[float, bool, bool, bool] = (-1.0, False, False, False)
        has_context = bool(mention.before.strip() or mention.after.strip()) and self.contexts < _MAX_CONTEXTS
        # What is gone stays gone: a surface that occurs often is not walked from its beginning for every mention.
        key = (mention.quote, mention.label)
        is_known = places is self.surfaces.get(mention.quote)
        at = self.cursors.get(key, 0) if is_known else 0
        while at < len(places) and self.is_gone(mention, places[at]):
            at += 1
        if is_known:
            self.cursors[key] = at
        for place in islice(places, at, None):
            if self.is_gone(mention, place):
                continue
            free = self.is_free(place)
            context = self.context(mention, place) if has_context else 0.0
            same_case = self.index.text[place.start : place.end] == mention.quote
            inside = window is None or window[0] <= place.start <= window[1]
            rank = (context, free, same_case, inside)
            if rank > best_rank:
                best, best_rank = place, rank
                if not has_context and free and same_case and inside:
                    break
        return best

    def context(self, mention: Mention, place: Found) -> float:
        """How well the words around a place agree with the mention's: 4 verbatim, 2 both sides folded, less partly."""
        text = self.index.text
        self.contexts += 1
        if (mention.before or mention.after) and (
            text.endswith(mention.before, 0, place.start) and text.startswith(mention.after, place.end)
        ):
            return 4.0
        before, after = fold(mention.before).strip(), fold(mention.after).strip()
        score = wanted = 0.0
        if before:
            wanted += 1
            actual = fold(text[max(0, place.start - 3 * len(mention.before) - 8) : place.start]).rstrip()
            score += _agreement(before[::-1], actual[::-1])
        if after:
            wanted += 1
            actual = fold(text[place.end : place.end + 3 * len(mention.after) + 8]).lstrip()
            score += _agreement(after, actual)
        return 2.0 * score / wanted if wanted else 0.0

    def places(self, mention: Mention) -> list[Found]:
        """All places the quote can mean, from the first tier that has any."""
        quote = mention.quote
        known = self.surfaces.get(quote)
        if known is None:
            known = self.surfaces[quote] = list(islice(self.search(quote), _MAX_PLACES))
        return known

    def verbatim(self, mention: Mention) -> Iterator[Found]:
        """Places where the quote stands between exactly the words given: such a place may lie inside a word, too."""
        if not mention.quote:
            return
        shift = len(mention.before)
        around = f"{mention.before}{mention.quote}{mention.after}"
        for place in islice(
            self.occurrences(around, self.index.text, None, "exact", bounded=False), _MAX_PLACES
        ):
            yield Found(place.start + shift, place.start + shift + len(mention.quote), "exact")

    def search(self, quote: str) -> Iterator[Found]:
        index, folded = self.index, fold(quote)
        stripped = folded.strip()
        core = stripped.strip("\"'.,;:!?()[]{}<>*_-/\\ …“”‘’")
        squeezed = "".join(c for c in folded if c.isalnum())
        tiers: list[Callable[[], Iterator[Found]]] = [
            lambda: self.occurrences(quote, index.text, None, "exact"),
            lambda: self.occurrences(quote.strip(), index.text, None, "exact"),
            lambda: self.occurrences(stripped, index.folded.text, index.folded, "normalised"),
            lambda: self.occurrences(core, index.folded.text, index.folded, "normalised"),
        ]
        if len(squeezed) >= _MIN_SQUEEZED_LENGTH:
            tiers.append(
                lambda: self.occurrences(squeezed, index.squeezed.text, index.squeezed, "normalised")
            )
        tiers.append(lambda: self.fuzzy(stripped))
        for tier in tiers:
            found = tier()
            first = next(found, None)
            if first is not None:
                yield first
                yield from found
                return

    def occurrences(
        self,
        needle: str,
        hay: str,
        copy: _Copy | None,
        tier: Tier,
        *,
        bounded: bool = True,
    ) -> Iterator[Found]:
        """Places where `needle` stands in `hay`, on word boundaries if `bounded`."""
        if not needle:
            return
        at = hay.find(needle)
        while at >= 0:
            start, end = at, at + len(needle)
            if copy is not None:
                start, end = copy.starts[at], copy.ends[at + len(needle) - 1]
            if not bounded or self.index.on_boundary(start, end):
                yield Found(start, end, tier)
            at = hay.find(needle, at + 1)

    def fuzzy(self, needle: str) -> Iterator[Found]:
        """Stretches that differ from the quote by spelling only, snapped to whole words."""
        copy = self.index.folded
        if not _MIN_FUZZY_LENGTH <= len(needle) <= min(_MAX_FUZZY_LENGTH, len(copy.text)):
            return
        at = 0
        while self.fuzzy_work < _MAX_FUZZY_WORK:
            hay = copy.text[at:]
            # Characters compared: what bounds the time of a reply full of long inventions.
            self.fuzzy_work += len(needle) * len(hay)
            if len(hay) < len(needle):
                return
            hit = fuzz.partial_ratio_alignment(needle, hay, score_cutoff=MIN_FUZZY_RATIO)
            if hit is None or hit.dest_end <= hit.dest_start:
                return
            low, high = _snap(copy.text, at + hit.dest_start, at + hit.dest_end)
            matched = copy.text[low:high]
            if high > low and _same_but_spelling(needle, matched):
                yield Found(copy.starts[low], copy.ends[high - 1], "fuzzy")
            at = max(high, at + hit.dest_end)


def _agreement(wanted: str, actual: str) -> float:
    """Share of `wanted` that `actual` begins with."""
    n = 0
    for a, b in zip(wanted, actual, strict=False):
        if a != b:
            break
        n += 1
    return n / len(wanted)


def _snap(text: str, low: int, high: int) -> tuple[int, int]:
    """Widen to whole words, then drop white space and punctuation at the edges that only the search brought in."""
    while low < high and not text[low].isalnum():
        low += 1
    while high > low and not text[high - 1].isalnum():
        high -= 1
    if low >= high:
        return low, low
    while low > 0 and _joined(text[low - 1], text[low]):
        low -= 1
    while high < len(text) and _joined(text[high - 1], text[high]):
        high += 1
    return low, high


def _same_but_spelling(quote: str, matched: str) -> bool:
    """Whether the difference can be a slip of the pen: alike overall and word by word, and no number changed."""
    if fuzz.ratio(quote, matched) < MIN_FUZZY_RATIO:
        return False
    if re.findall(r"\d+", quote) != re.findall(r"\d+", matched):
        return False
    said, there = quote.split(), matched.split()
    if len(said) != len(there):
        return len(quote) >= 12
    return all(fuzz.ratio(a, b) >= 60.0 for a, b in zip(said, there, strict=True))


def _joined(left: str, right: str) -> bool:
    """Whether no word boundary lies between two neighbouring characters."""
    if not (left.isalnum() or unicodedata.combining(left)) or not (
        right.isalnum() or unicodedata.combining(right)
    ):
        return False
    return not (_without_spaces(left) or _without_spaces(right))


def _without_spaces(character: str) -> bool:
    """Whether the script does not put spaces between words (Han, kana, Hangul with its endings, Thai, Lao, Khmer)."""
    code = ord(character)
    return (
        0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1100 <= code <= 0x11FF
        or 0x1780 <= code <= 0x17FF
        or 0x2E80 <= code <= 0x9FFF
        or 0xA960 <= code <= 0xA97F
        or 0xAC00 <= code <= 0xD7FF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF66 <= code <= 0xFFDC
        or 0x20000 <= code <= 0x3FFFF
    )


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """A base character with its combining marks; a run of white space."""
    at, size = 0, len(text)
    while at < size:
        end = at + 1
        if text[at].isspace():
            while end < size and text[end].isspace():
                end += 1
        else:
            while end < size and text[end] >= "\u0300" and unicodedata.combining(text[end]):
                end += 1
        yield at, end
        at = end


def _fold_cluster(cluster: str) -> str:
    if len(cluster) == 1 and cluster.isascii():
        return " " if cluster.isspace() else ("'" if cluster == "`" else cluster.lower())
    if cluster.isspace():
        return " "
    folded = unicodedata.normalize("NFKC", cluster.translate(_TRANSLATION)).casefold()
    # Some clusters compose to a space plus a mark, or fold to several spaces: keep one form of white space.
    return " " if folded.isspace() else folded.translate(_TRANSLATION)
