"""Span tagger: a chain over hashed context features gives every token a tag; tags come back as spans.

Hides tokens and tags. Offsets are code points. A span that cuts a token splits it in training, so no example is lost;
the probability of a span is exact under the chain. Source of the features: Ratinov and Roth 2009, section 3.
"""

import itertools
import json
import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.core.compare import Tally
from labelwright.training import chain
from labelwright.training.arrays import Arrays
from labelwright.training.chain import Chain, Floats, Layout, Rules

HASHED = 2**20
MAX_WEIGHTS = 3_000_000
"""Features times tags: with many labels only the most frequent features are used, so that memory stays bounded."""
SEQUENCE = 120
"""Longer texts are cut near this many tokens, after a line or a sentence; features still look across the cut."""
MIN_TO_CALIBRATE = 30
CALIBRATED_ON = 1_200
FEW_TEXTS = 200
MANY_TAGS = 100
"""With more tags than this nothing is calibrated: that would take minutes."""
PENALTY = 0.2
NEGLIGIBLE = 0.01
"""A feature whose weights are all smaller than this is left out of the stored model."""
READY = (0.0, 0.25, 0.5, 0.75, 1.0)
FEW_TOKENS = 3_000
"""With more training tokens than this, a feature that occurs only once is left out."""
LONG_WORD = 80
MAX_TOKENS = 200_000
"""Training looks at the newest texts up to about this many tokens, so that it stays well under a minute."""
LISTED = 6
"""Longest known name, in tokens."""
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|\d+|(?:(?![{_CJK}\d_])\w)+|[^\s\w]|_")
_STOP = frozenset(".!?。！？")
Range = tuple[int, int]
Marked = tuple[int, int, int]
"""(start, end, label number)."""
Found = tuple[int, int, int, float]
"""(start, end, label number, probability)."""


def tokens(text: str, cuts: Sequence[int] = ()) -> list[Range]:
    """Half-open ranges of words, numbers, single CJK characters and single marks; `cuts` are further borders."""
    found = [match.span() for match in _TOKEN.finditer(text)]
    borders = sorted(set(cuts))
    if not borders:
        return found
    split: list[Range] = []
    at = 0
    for start, end in found:
        while at < len(borders) and borders[at] <= start:
            at += 1
        stop = at
        while stop < len(borders) and borders[stop] < end:
            stop += 1
        split += list(itertools.pairwise([start, *borders[at:stop], end]))
    return split


def _shape(word: str) -> str:
    kinds = ["X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word[:20]]
    return "".join(kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind)


class Names:
    """Known names: token sequences that were marked, with their labels and the texts they were marked in."""

    def __init__(self, known: dict[tuple[str, ...], dict[int, int]]) -> None:
        """`known`: lower-cased tokens -> label number -> in how many texts."""
        self.known = known
        self._longest = min(max(map(len, known), default=0), LISTED)

    def mentions(self, low: Sequence[str], own: set[tuple[tuple[str, ...], int]]) -> list[list[str]]:
        """Features of each token: whether it starts or continues a known name (the longest one).

        `own` are the (name, label) of the text itself while training: they are not counted once, so that the model
        learns how much a list of *other* texts' names is worth.
        """
        found: list[list[str]] = [[] for _ in low]
        i = 0
        while i < len(low):
            step = 1
            for size in range(min(self._longest, len(low) - i), 0, -1):
                name = tuple(low[i : i + size])
                labels = [k for k, n in self.known.get(name, {}).items() if n > ((name, k) in own)]
                if labels:
                    for label in labels:
                        for j in range(size):
                            found[i + j].append(f"g{'b' if j == 0 else 'i'}={label}")
                    step = size
                    break
            i += step
        return found


def _word(text: str, start: int, end: int) -> str:
    # Half of a surrogate pair cannot be hashed; and a "word" of a million letters shall not be copied thirty times.
    word = text[start:end] if end - start <= LONG_WORD else text[start : start + 40] + text[end - 20 : end]
    return word.encode("utf-8", "replace").decode()


def _low(text: str, ranges: Sequence[Range]) -> list[str]:
    return [_word(text, start, end).lower() for start, end in ranges]


def features(
    text: str, ranges: Sequence[Range], names: Names, own: set[tuple[tuple[str, ...], int]]
) -> Iterator[list[str]]:
    """Names of the features of each token: the word, its form and affixes, neighbours, and known names.

    Made one token at a time: those of a whole novel would take a gigabyte.
    """
    words = [_word(text, start, end) for start, end in ranges]
    low = [word.lower() for word in words]
    shapes = [_shape(word) for word in words]
    listed = names.mentions(low, own)
    low = ["#", "#", *low, "#", "#"]
    shapes = ["#", "#", *shapes, "#", "#"]
    # A text written in capitals says nothing by its capitals.
    letters = [c for c in text[:2_000] if c.isalpha()]
    loud = "^" if letters and sum(c.isupper() for c in letters) > 0.7 * len(letters) else ""
    for i, word in enumerate(words):
        k = i + 2
        w, s = low[k], shapes[k] + loud
        found = [
            "b", "w=" + w, "W=" + word, "s=" + s, "p1=" + w[:1], "p2=" + w[:2], "p3=" + w[:3], "p4=" + w[:4],
            "e1=" + w[-1:], "e2=" + w[-2:], "e3=" + w[-3:], "e4=" + w[-4:],
            "w-1=" + low[k - 1], "w+1=" + low[k + 1], "w-2=" + low[k - 2], "w+2=" + low[k + 2],
            "s-1=" + shapes[k - 1], "s+1=" + shapes[k + 1], "s-2=" + shapes[k - 2], "s+2=" + shapes[k + 2],
            "l=" + low[k - 1] + " " + w, "r=" + w + " " + low[k + 1], "n=" + low[k - 1] + " " + low[k + 1],
            "s3=" + shapes[k - 1] + " " + s + " " + shapes[k + 1],
            "e-1=" + low[k - 1][-3:], "e+1=" + low[k + 1][-3:],
            *listed[i],
        ]  # fmt: skip
        if i > 0 and ranges[i - 1][1] == ranges[i][0]:
            found.append("glued")
        if i == 0:
            found += ["first", "first " + s]
        yield found


def _hashed(rows: Iterable[list[str]]) -> Any:
    from sklearn.feature_extraction import FeatureHasher

    return FeatureHasher(HASHED, input_type="string", alternate_sign=False, dtype=np.float32).transform(rows)


def _lengths(text: str, ranges: Sequence[Range], inside: Sequence[bool]) -> list[int]:
    """How many tokens each sequence of the text has; a cut never falls where `inside` says that a span goes on."""
    lengths: list[int] = []
    size = 0
    for i in range(len(ranges)):
        size += 1
        if i + 1 == len(ranges) or inside[i + 1]:
            continue
        start, end = ranges[i]
        new_line = size >= 8 and "\n" in text[end : ranges[i + 1][0]]
        sentence = size >= SEQUENCE // 2 and text[start:end] in _STOP
        if new_line or sentence or size >= SEQUENCE:
            lengths.append(size)
            size = 0
    return [*lengths, size] if size else lengths


# Tags: 0 outside; label k has 1 + 4k begin, 2 + 4k inside, 3 + 4k end, 4 + 4k single.
def _tags(size: int, label: int) -> list[int]:
    first = 1 + 4 * label
    return [first + 3] if size == 1 else [first, *[first + 1] * (size - 2), first + 2]


def _rules(n_labels: int) -> Rules:
    n = 1 + 4 * n_labels
    goes_on = np.zeros(n, dtype=bool)
    goes_on[1::4] = goes_on[2::4] = True
    fresh = np.ones(n, dtype=bool)
    fresh[2::4] = fresh[3::4] = False
    follows = np.outer(~goes_on, fresh)
    for first in range(1, n, 4):
        for tag in (first, first + 1):
            follows[tag, [first + 1, first + 2]] = True
    return Rules(follows=follows, starts=fresh, ends=~goes_on)


@dataclass(frozen=True)
class Tagger:
    """A trained tagger.

    Attributes:
        chain: Over `columns`.
        columns: int64, sorted: hashed features that are used.
        labels: int64: label numbers that occurred; the chain's label k is `labels[k]`.
        names: Known names.
        ready: How much the score of "outside" is lowered when spans are chosen. A model that saw little marks too
            seldom; probabilities are those of the unchanged chain.
    """

    chain: Chain
    columns: NDArray[np.int64]
    labels: NDArray[np.int64]
    names: Names
    ready: float

    def spans(self, texts: Sequence[str]) -> list[tuple[list[Found], float]]:
        """For each text its spans and the confidence in the whole answer.

        The confidence is the lowest, over the sequences (about: sentences) of the text, of the probability that the
        sequence is right as it stands, neither a span wrong nor one missing.
        """
        ranges = [tokens(text) for text in texts]
        lengths = [_lengths(t, r, [False] * len(r)) for t, r in zip(texts, ranges, strict=True)]
        if not any(ranges):
            return [([], 1.0) for _ in texts]
        rows = (row for t, r in zip(texts, ranges, strict=True) for row in features(t, r, self.names, set()))
        scores = self.chain.scores(_hashed(rows)[:, self.columns])
        rules = _rules(len(self.labels))
        flat = [size for each in lengths for size in each]
        layout = Layout(flat)
        steps = self.chain.steps(rules)
        scores = scores[layout.rows]
        found = chain.sums(scores, steps, rules, layout)
        scores[:, 0] -= self.ready / self.chain.temperature
        path = chain.best_path(scores, steps, rules, layout)
        decoded = _Decoded(found, path, layout, steps, flat)
        answers: list[tuple[list[Found], float]] = []
        token = sequence = 0
        for mine, sizes in zip(ranges, lengths, strict=True):
            sure = min((decoded.sure(sequence + k) for k in range(len(sizes))), default=1.0)
            spans = [
                (mine[i][0], mine[j - 1][1], int(self.labels[label]), p)
                for i, j, label, p in decoded.spans(token, len(mine))
            ]
            answers.append((spans, sure))
            token += len(mine)
            sequence += len(sizes)
        return answers

    def arrays(self, prefix: str) -> Arrays:
        """The tagger as named arrays."""
        names = [[list(name), sorted(counts.items())] for name, counts in self.names.known.items()]
        return self.chain.arrays(prefix) | {
            f"{prefix}columns": self.columns,
            f"{prefix}labels": self.labels,
            f"{prefix}ready": np.array([self.ready]),
            f"{prefix}names": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8),
        }

    @classmethod
    def of(cls, arrays: Arrays, prefix: str) -> "Tagger":
        """A tagger from named arrays."""
        rows = json.loads(arrays[f"{prefix}names"].tobytes())
        known = {tuple(name): {int(label): int(n) for label, n in counts} for name, counts in rows}
        labels, ready = arrays[f"{prefix}labels"], float(arrays[f"{prefix}ready"][0])
        return cls(Chain.of(arrays, prefix), arrays[f"{prefix}columns"], labels, Names(known), ready)


class _Decoded:
    """Reads spans and probabilities out of the sums; token numbers are those before the layout."""

    def __init__(
        self,
        found: chain.Sums,
        path: NDArray[np.int64],
        layout: Layout,
        steps: Floats,
        lengths: Sequence[int],
    ) -> None:
        place = np.empty(len(path), dtype=np.int64)
        place[layout.rows] = np.arange(len(path))
        self._path = path[place]
        with np.errstate(divide="ignore"):
            emission = np.log(found.emission[place, self._path])
            self._forward = np.log(found.forward[place, self._path])
            self._backward = np.log(found.backward[place, self._path])
            self._scale = np.log(found.scale[place])
            # The chain's own step to each token: from the tag before to this one, relative to all ways.
            self._step = emission - self._scale
            firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
            inner = np.ones(len(path), dtype=bool)
            inner[firsts] = False
            at = np.flatnonzero(inner)
            self._step[at] += np.log(steps[self._path[at - 1], self._path[at]])
        self._sure = np.exp(np.add.reduceat(self._step, firsts))

    def sure(self, sequence: int) -> float:
        """Probability of the whole path of a sequence."""
        return float(np.clip(self._sure[sequence], 0.0, 1.0))

    def spans(self, first: int, n: int) -> list[tuple[int, int, int, float]]:
        """(first token, token after the last, label, probability of exactly this span), tokens counted from `first`."""
        found = []
        for i, j, label in _spans_of(self._path[first : first + n]):
            a, b = first + i, first + j
            mass = self._forward[a] + self._step[a + 1 : b].sum() + self._backward[b - 1]
            found.append((i, j, label, math.exp(min(float(mass), 0.0))))
        return found


def train(texts: Sequence[str], marked: Sequence[Sequence[Marked]], seed: int) -> Tagger | None:
    """Train on texts, oldest first, with their spans (not overlapping); None when no span was ever marked."""
    texts, marked = _newest(texts, marked)
    present = sorted({label for spans in marked for _, _, label in spans})
    numbers = {label: k for k, label in enumerate(present)}
    known: dict[tuple[str, ...], dict[int, int]] = {}
    ranges: list[list[Range]] = []
    own: list[set[tuple[tuple[str, ...], int]]] = []
    tags: list[list[int]] = []
    for text, spans in zip(texts, marked, strict=True):
        cut = tokens(text, [edge for start, end, _ in spans for edge in (start, end)])
        low, mine, said = _low(text, cut), [0] * len(cut), set()
        firsts = [first for first, _ in cut]
        for start, end, label in spans:
            # Borders of spans split tokens, so those that begin inside also end inside.
            i, j = bisect_left(firsts, start), bisect_left(firsts, end)
            if i < j:
                mine[i:j] = _tags(j - i, numbers[label])
                if j - i <= LISTED:
                    said.add((tuple(low[i:j]), label))
        for name, label in sorted(said):
            counts = known.setdefault(name, {})
            counts[label] = counts.get(label, 0) + 1
        ranges.append(cut)
        own.append(said)
        tags.append(mine)
    if not any(map(any, tags)):
        return None
    names = Names(known)
    sizes: list[list[int]] = []
    for text, cut, mine in zip(texts, ranges, tags, strict=True):
        goes_on = [tag > 0 and (tag - 1) % 4 in (1, 2) for tag in mine]
        sizes.append(_lengths(text, cut, goes_on))
    parts = zip(texts, ranges, own, strict=True)
    hashed = _hashed(row for text, cut, said in parts for row in features(text, cut, names, said))
    columns = _columns(hashed, 1 + 4 * len(present))
    used, right = hashed[:, columns], np.array(list(itertools.chain(*tags)), dtype=np.int64)
    rules = _rules(len(present))
    fitted = chain.fit(used, right, list(itertools.chain(*sizes)), rules, PENALTY)
    fitted, ready = _calibrated(fitted, used, right, sizes, rules, seed)
    kept = np.abs(fitted.weights).max(axis=1) > NEGLIGIBLE
    small = Chain(fitted.weights[kept], fitted.moves, fitted.temperature)
    return Tagger(small, columns[kept], np.array(present, dtype=np.int64), names, ready)


def _newest(
    texts: Sequence[str], marked: Sequence[Sequence[Marked]]
) -> tuple[Sequence[str], Sequence[Sequence[Marked]]]:
    """The last texts that fit into the budget of tokens; at least one."""
    size, start = 0, len(texts)
    while start > 0 and (size := size + len(tokens(texts[start - 1]))) <= MAX_TOKENS:
        start -= 1
    start = min(start, max(len(texts) - 1, 0))
    return texts[start:], marked[start:]


def _columns(hashed: Any, n_tags: int) -> NDArray[np.int64]:
    """Columns to use: all that occur, or the most frequent ones when that would be too many weights."""
    counts = np.bincount(hashed.indices, minlength=HASHED)
    found = np.flatnonzero(counts >= (2 if hashed.shape[0] > FEW_TOKENS else 1))
    most = MAX_WEIGHTS // n_tags
    if len(found) > most:
        found = np.sort(found[np.argsort(-counts[found], kind="stable")[:most]])
    return found.astype(np.int64)


@dataclass(frozen=True)
class _Fold:
    """A chain trained without some texts, and those texts."""

    chain: Chain
    features: Any
    right: NDArray[np.int64]
    lengths: list[int]


def _folds(
    used: Any, right: NDArray[np.int64], sizes: Sequence[Sequence[int]], rules: Rules, seed: int
) -> Iterator[_Fold]:
    """Quarters of the texts, each with a chain trained on the other three; one quarter where there are many texts."""
    order = np.random.default_rng(seed).permutation(len(sizes))[:CALIBRATED_ON]
    firsts = np.concatenate([[0], np.cumsum([sum(s) for s in sizes])]).astype(np.int64)

    def part(texts: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64], list[int]]:
        rows = np.concatenate([np.arange(firsts[i], firsts[i + 1]) for i in texts]).astype(np.int64)
        return used[rows], right[rows], [size for i in texts for size in sizes[i]]

    for quarter in range(4 if len(order) < FEW_TEXTS else 1):
        inner, held = part(order[np.arange(len(order)) % 4 != quarter]), part(order[quarter::4])
        if inner[1].any() and held[2]:
            yield _Fold(chain.fit(*inner, rules, PENALTY), *held)


def _calibrated(
    fitted: Chain,
    used: Any,
    right: NDArray[np.int64],
    sizes: Sequence[Sequence[int]],
    rules: Rules,
    seed: int,
) -> tuple[Chain, float]:
    """The chain with its temperature, and the readiness to mark; both fit texts it was not trained on best."""
    wanted = len(sizes) >= MIN_TO_CALIBRATE and len(rules.starts) <= MANY_TAGS
    folds = list(_folds(used, right, sizes, rules, seed)) if wanted else []
    if not folds:
        return fitted, READY[-1] if len(sizes) < MIN_TO_CALIBRATE else 0.0
    grid = np.exp(np.linspace(np.log(0.5), np.log(4.0), 22))
    losses = [
        sum(f.chain.negative_log_likelihood(f.features, f.right, f.lengths, rules, float(t)) for f in folds)
        + 0.5 * math.log(t) ** 2
        for t in grid
    ]
    f1 = [sum((_matches(f, rules, ready) for f in folds), start=Tally()).f1 for ready in READY]
    best = max(range(len(READY)), key=lambda i: (round(f1[i], 3), -READY[i]))
    return Chain(fitted.weights, fitted.moves, float(grid[int(np.argmin(losses))])), READY[best]


def _matches(fold: _Fold, rules: Rules, ready: float) -> Tally:
    """Strictly matched, extra and missing spans of the texts a fold was not trained on."""
    layout = Layout(fold.lengths)
    scores = fold.chain.scores(fold.features)
    scores[:, 0] -= ready
    path = np.empty(len(scores), dtype=np.int64)
    path[layout.rows] = chain.best_path(scores[layout.rows], fold.chain.steps(rules), rules, layout)
    found, true = set(_spans_of(path)), set(_spans_of(fold.right))
    return Tally(matched=len(found & true), extra=len(found - true), missing=len(true - found))


def _spans_of(path: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(first token, token after the last, label) of a well-formed path."""
    found = []
    for i in np.flatnonzero((path > 0) & np.isin((path - 1) % 4, (0, 3))):
        label, j = (int(path[i]) - 1) // 4, int(i)
        while (int(path[j]) - 1) % 4 not in (2, 3):
            j += 1
        found.append((int(i), j + 1, label))
    return found
