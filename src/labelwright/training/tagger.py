"""Span tagger: a linear model over hashed context features gives every token B, I or O of a label.

Decoding allows only well-formed sequences, and span scores are exact probabilities under that constrained chain. Offsets are code points. A span that cuts a token splits it in training, so no example is lost.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.training.arrays import Arrays
from labelwright.training.linear import Linear, fit

HASHED = 2**20
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|\d+|(?:(?![{_CJK}\d_])\w)+|[^\s\w]|_")
Range = tuple[int, int]
Marked = tuple[int, int, int]
"""(start, end, label number)."""


def tokens(text: str, cuts: Sequence[int] = ()) -> list[Range]:
    """Half-open ranges of words, numbers, single CJK characters and single marks; `cuts` are further borders."""
    found = [match.span() for match in _TOKEN.finditer(text)]
    borders = sorted(set(cuts))
    if not borders:
        return found
    split: list[Range] = []
    for start, end in found:
        inner = [b for b in borders if start < b < end]
        edges = [start, *inner, end]
        split += list(itertools.pairwise(edges))
    return split


def _shape(word: str) -> str:
    kinds = ["X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word[:20]]
    return "".join(kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind)


def features(text: str, ranges: Sequence[Range]) -> list[list[str]]:
    """Names of the features of each token: the word, its form and affixes, and two neighbours on each side."""
    words = [text[start:end].encode("utf-8", "replace").decode() for start, end in ranges]
    low = [word.lower() for word in words]
    shapes = [_shape(word) for word in words]
    n = len(words)
    found = []
    for i, word in enumerate(words):
        w = low[i]
        mine = ["b", f"w={w}", f"W={word}", f"s={shapes[i]}", f"p2={w[:2]}", f"p3={w[:3]}", f"p4={w[:4]}",
                f"e2={w[-2:]}", f"e3={w[-3:]}", f"e4={w[-4:]}"]  # fmt: skip
        for step in (-2, -1, 1, 2):
            j = i + step
            inside = 0 <= j < n
            mine.append(f"w{step}={low[j] if inside else '#'}")
            mine.append(f"s{step}={shapes[j] if inside else '#'}")
        left, right = (low[i - 1] if i else "#"), (low[i + 1] if i + 1 < n else "#")
        mine += [
            f"l+={left}_{w}",
            f"r+={w}_{right}",
            f"s3={shapes[i - 1] if i else '#'}_{shapes[i]}_{shapes[i + 1] if i + 1 < n else '#'}",
        ]
        if i > 0 and ranges[i - 1][1] == ranges[i][0]:
            mine.append("glued")
        found.append(mine)
    return found


def _hashed(rows: list[list[str]]) -> Any:
    from sklearn.feature_extraction import FeatureHasher

    return FeatureHasher(HASHED, input_type="string", alternate_sign=False, dtype=np.float32).transform(rows)


@dataclass(frozen=True)
class Tagger:
    """A trained tagger; tags are 0 = O, 1 + 2k = B of label k, 2 + 2k = I of label k."""

    model: Linear
    n_labels: int

    def spans(self, texts: Sequence[str]) -> list[tuple[list[tuple[int, int, int, float]], float]]:
        """For each text (spans as (start, end, label number, probability), confidence in the whole answer).

        The confidence is the lowest of the spans' probabilities and of every unmarked token being rightly unmarked, so
        a text with a likely missed mention is doubtful too.
        """
        ranges = [tokens(text) for text in texts]
        rows = [row for text, found in zip(texts, ranges, strict=True) for row in features(text, found)]
        if not rows:
            return [([], 1.0) for _ in texts]
        chances = self.model.probabilities(_hashed(rows))
        answers, at = [], 0
        for found in ranges:
            answers.append(self._decode(found, chances[at : at + len(found)]))
            at += len(found)
        return answers

    def _decode(
        self, ranges: Sequence[Range], chances: NDArray[np.float64]
    ) -> tuple[list[tuple[int, int, int, float]], float]:
        if not ranges:
            return [], 1.0
        with np.errstate(divide="ignore"):
            emission = np.log(np.maximum(chances, 1e-12))
        allowed = _allowed(self.n_labels)
        forward, backward, total = _forward_backward(emission, allowed)
        path = _viterbi(emission, allowed)
        single = np.exp(forward + backward - total)
        spans, sure = [], [1.0]
        i, n = 0, len(path)
        while i < n:
            if path[i] == 0:
                sure.append(float(single[i, 0]))
                i += 1
                continue
            label = (path[i] - 1) // 2
            j = i + 1
            while j < n and path[j] == 2 + 2 * label:
                j += 1
            # Exactly these tokens: the chain's mass over B I … I followed by anything that does not continue it.
            mass = forward[i, path[i]] + emission[i + 1 : j, 2 + 2 * label].sum()
            if j < n:
                others = np.ones(emission.shape[1], dtype=bool)
                others[2 + 2 * label] = False
                others &= allowed[path[j - 1]]
                mass = mass + np.logaddexp.reduce((emission[j] + backward[j])[others])
            probability = float(np.clip(np.exp(mass - total), 0.0, 1.0))
            spans.append((ranges[i][0], ranges[j - 1][1], label, probability))
            sure.append(probability)
            i = j
        return spans, float(np.clip(min(sure), 0.0, 1.0))

    def arrays(self, prefix: str) -> Arrays:
        """The tagger as named arrays."""
        return self.model.arrays(prefix) | {f"{prefix}labels": np.array([self.n_labels])}

    @classmethod
    def of(cls, arrays: Arrays, prefix: str) -> "Tagger":
        """A tagger from named arrays."""
        return cls(Linear.of(arrays, prefix), int(arrays[f"{prefix}labels"][0]))


def _allowed(n_labels: int) -> NDArray[np.bool_]:
    """(tags, tags): whether the second may follow the first. I only continues B or I of its own label."""
    n = 1 + 2 * n_labels
    allowed = np.ones((n, n), dtype=bool)
    for label in range(n_labels):
        allowed[:, 2 + 2 * label] = False
        allowed[1 + 2 * label, 2 + 2 * label] = allowed[2 + 2 * label, 2 + 2 * label] = True
    return allowed


def _start(n: int) -> NDArray[np.bool_]:
    starts = np.ones(n, dtype=bool)
    starts[2::2] = False
    return starts


def _forward_backward(
    emission: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Log forward (includes the token's own emission), log backward, and the log of the total."""
    length, n = emission.shape
    gate = np.where(allowed, 0.0, -1e9)
    forward = np.empty((length, n))
    backward = np.zeros((length, n))
    forward[0] = emission[0] + np.where(_start(n), 0.0, -1e9)
    for i in range(1, length):
        forward[i] = emission[i] + np.logaddexp.reduce(forward[i - 1][:, None] + gate, axis=0)
    for i in range(length - 2, -1, -1):
        backward[i] = np.logaddexp.reduce(gate + (emission[i + 1] + backward[i + 1])[None, :], axis=1)
    return forward, backward, float(np.logaddexp.reduce(forward[-1]))


def _viterbi(emission: NDArray[np.float64], allowed: NDArray[np.bool_]) -> list[int]:
    length, n = emission.shape
    gate = np.where(allowed, 0.0, -1e9)
    best = emission[0] + np.where(_start(n), 0.0, -1e9)
    back = np.zeros((length, n), dtype=np.int64)
    for i in range(1, length):
        scores = best[:, None] + gate
        back[i] = scores.argmax(axis=0)
        best = scores.max(axis=0) + emission[i]
    path = [int(best.argmax())]
    for i in range(length - 1, 0, -1):
        path.append(int(back[i, path[-1]]))
    return path[::-1]


def train(
    texts: Sequence[str], marked: Sequence[Sequence[Marked]], n_labels: int, seed: int
) -> Tagger | None:
    """Train on texts with their spans (not overlapping); None when no span was ever marked."""
    rows: list[list[str]] = []
    tags: list[int] = []
    for text, spans in zip(texts, marked, strict=True):
        ranges = tokens(text, [edge for start, end, _ in spans for edge in (start, end)])
        mine = [0] * len(ranges)
        for start, end, label in spans:
            inside = [i for i, (s, e) in enumerate(ranges) if s >= start and e <= end]
            for n, i in enumerate(inside):
                mine[i] = (2 if n else 1) + 2 * label
        rows += features(text, ranges)
        tags += mine
    if not any(tags) or all(tags):
        return None
    model = fit(
        _hashed(rows),
        np.array(tags, dtype=np.int64),
        1 + 2 * n_labels,
        seed,
        strength=30.0,
        for_texts=False,
    )
    return Tagger(model, n_labels)
