"""The list of entities that spans are linked to, and finding the few that a mention or a text may mean.

Hides the index: names and aliases under one spelling (case, accents, punctuation aside) found by look-up, everything
else by shared letter trigrams, weighted by how rare they are. A list of 100,000 entities is searched in milliseconds;
the trigrams are counted when they are first needed.

Source: cosine similarity of TF-IDF vectors over character n-grams (Salton and Buckley, 1988).
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from pydantic import Field

from labelwright.core.value import Name, Value

MAX_ENTITIES = 100_000
MAX_ALIASES = 100

MAX_IN_TEXT = 60
"""At most this many entities are offered for one text."""

_PER_MENTION = 5
_MAX_WORDS = 8
_MAX_FUZZY_MENTIONS = 40
_MIN_FUZZY = 0.55
_PREFIX_SCORE = 0.95
_WORD = re.compile(r"\w+(?:['’.\-]\w+)*")
_CAPITALISED = re.compile(r"[^\W\d_a-z]\w*(?:[ \-][^\W\d_a-z]\w*){0,5}")


class Entity(Value):
    """Something that mentions can mean.

    Attributes:
        id: The list's own key, such as `Q64`; never `NIL`.
        aliases: Other names of it.
        description: What tells it from others of the same name.
    """

    id: str = Field(min_length=1, max_length=200)
    name: Name
    aliases: tuple[Name, ...] = Field(default=(), max_length=MAX_ALIASES)
    description: str = Field(default="", max_length=2_000)


class Candidate(Value):
    """An entity that may be meant. `score` in [0, 1]: how alike the closest of its names is; 1 for the same name."""

    entity: Entity
    score: float


def spelled(name: str) -> str:
    """The form in which names are compared: no case, no accents, everything but letters and digits one space."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", " ", plain).strip()


class Knowledge:
    """An indexed list of entities."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        """Index by name and alias; of two entities with the same id the first counts."""
        self.by_id = {entity.id: entity for entity in reversed(entities)}
        self.entities = list(dict.fromkeys(self.by_id[entity.id] for entity in entities))
        self._surfaces: list[str] = []
        self._owner: list[int] = []
        self._exact: dict[str, list[int]] = {}
        for n, entity in enumerate(self.entities):
            for surface in dict.fromkeys(map(spelled, (entity.name, *entity.aliases))):
                if surface:
                    self._exact.setdefault(surface, []).append(n)
                    self._surfaces.append(surface)
                    self._owner.append(n)

    def __len__(self) -> int:
        """How many entities there are."""
        return len(self.entities)

    def search(self, words: str, k: int = 10) -> list[Candidate]:
        """The `k` entities whose names are most like `words`, best first: equal, beginning with it, then alike."""
        wanted = spelled(words[:300])
        if not wanted or not self.entities:
            return []
        scores: dict[int, float] = {}
        for n in self._exact.get(wanted, ()):
            scores[n] = 1.0
        if len(scores) < k:
            for n in self._beginning_with(wanted, 4 * k):
                scores.setdefault(n, _PREFIX_SCORE)
        if len(scores) < k:
            for n, score in self._alike(wanted, 4 * k):
                scores[n] = max(scores.get(n, 0.0), min(score, _PREFIX_SCORE))
        # The same score for several: the list's own order decides, which is often one of prominence.
        best = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
        return [Candidate(entity=self.entities[n], score=score) for n, score in best]

    def in_text(self, text: str) -> list[Entity]:
        """The entities that a text may mention, in the order of the text, at most `MAX_IN_TEXT`.

        Every name or alias that stands in it counts; of capitalised words that are no name, those that are alike.
        """
        found: dict[int, None] = {}
        covered: list[tuple[int, int]] = []
        words = list(_WORD.finditer(text[:200_000]))
        at = 0
        while at < len(words) and len(found) < MAX_IN_TEXT:
            step = 1
            for size in range(min(_MAX_WORDS, len(words) - at), 0, -1):
                start, end = words[at].start(), words[at + size - 1].end()
                meant = self._exact.get(spelled(text[start:end]), ())
                # A common word in lower case is rarely a name of one letter case less.
                if meant and (size > 1 or end - start > 2 or text[start].isupper()):
                    found |= dict.fromkeys(meant[:_PER_MENTION])
                    covered.append((start, end))
                    step = size
                    break
            at += step
        for start, end in self._unknown_names(text, covered):
            if len(found) >= MAX_IN_TEXT:
                break
            alike = self._alike(spelled(text[start:end]), _PER_MENTION)
            found |= dict.fromkeys(n for n, score in alike if score >= _MIN_FUZZY)
        return [self.entities[n] for n in list(found)[:MAX_IN_TEXT]]

    def _unknown_names(self, text: str, covered: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        seen = 0
        for name in _CAPITALISED.finditer(text[:200_000]):
            if seen >= _MAX_FUZZY_MENTIONS:
                return
            if not any(s < name.end() and name.start() < e for s, e in covered) and len(name.group()) > 3:
                seen += 1
                yield name.span()

    # -- the index ----------------------------------------------------------------------------------------------------

    @cached_property
    def _sorted(self) -> list[tuple[str, int]]:
        return sorted(zip(self._surfaces, self._owner, strict=True))

    def _beginning_with(self, wanted: str, most: int) -> list[int]:
        at = bisect_left(self._sorted, (wanted, -1))
        found: list[int] = []
        for surface, n in self._sorted[at : at + most]:
            if not surface.startswith(wanted):
                break
            found.append(n)
        return found

    @cached_property
    def _grams(self) -> tuple[dict[str, int], Any, Any, Any, Any]:
        """(gram -> number, first posting per gram, postings, weight per gram, length per surface)."""
        import numpy as np

        numbers: dict[str, int] = {}
        gram_of: list[int] = []
        surface_of: list[int] = []
        for n, surface in enumerate(self._surfaces):
            grams = _grams_of(surface)
            gram_of += [numbers.setdefault(gram, len(numbers)) for gram in grams]
            surface_of += [n] * len(grams)
        gram, surface_at = np.array(gram_of, np.int32), np.array(surface_of, np.int32)
        counts = np.bincount(gram, minlength=len(numbers))
        weight = np.log((1 + len(self._surfaces)) / (1 + counts)) + 1.0
        length = np.sqrt(np.bincount(surface_at, weight[gram] ** 2, minlength=len(self._surfaces)))
        first = np.concatenate([[0], np.cumsum(counts)])
        return numbers, first, surface_at[np.argsort(gram, kind="stable")], weight, length

    def _alike(self, wanted: str, k: int) -> list[tuple[int, float]]:
        import numpy as np

        if not self._surfaces or not wanted:
            return []
        numbers, first, postings, weight, length = self._grams
        grams = _grams_of(wanted)
        known = [numbers[gram] for gram in grams if gram in numbers]
        if not known:
            return []
        rarest = float(weight.max())
        norm = float(np.sqrt(sum(weight[g] ** 2 for g in known) + (len(grams) - len(known)) * rarest**2))
        score = np.zeros(len(self._surfaces))
        for g in known:
            score[postings[first[g] : first[g + 1]]] += weight[g] ** 2
        score /= length * norm
        top = np.argpartition(-score, min(4 * k, len(score) - 1))[: 4 * k]
        best: dict[int, float] = {}
        for n in top:
            owner = self._owner[int(n)]
            best[owner] = max(best.get(owner, 0.0), float(score[n]))
        ranked = sorted(((n, s) for n, s in best.items() if s > 0.0), key=lambda pair: (-pair[1], pair[0]))
        return ranked[:k]


def _grams_of(surface: str) -> list[str]:
    padded = f" {surface} "
    if len(padded) < 4:
        return [padded]
    pairs = [a + b for a, b in pairwise(padded)]
    return list(dict.fromkeys(a + b[1] for a, b in pairwise(pairs)))
