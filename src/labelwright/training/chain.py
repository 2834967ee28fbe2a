"""Linear-chain conditional random field over sparse features: exact training, decoding and probabilities in numpy.

Hides the recursions and how they are laid out: all sequences are worked on at once, ordered by length, so that each
step is one small matrix product. Only well-formed tag sequences have any probability.
Source: Lafferty, McCallum and Pereira 2001, section 3; scaled recursions as in Rabiner 1989, section V.A.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.training.arrays import Arrays

Floats = NDArray[np.float64]
ITERATIONS = 80
FARTHEST = 100.0
"""Scores further below a token's best than this are treated alike."""
AT_ONCE = 8_000_000
"""Most numbers in one block while decoding, so that memory stays bounded with hundreds of tags."""
MEMORY = 6
"""Pairs of vectors that L-BFGS keeps: more learns a little faster per step and costs memory."""


@dataclass(frozen=True)
class Rules:
    """Which tag sequences are well formed.

    Attributes:
        follows: bool (tags, tags): whether the second may come after the first.
        starts: bool (tags,): whether a sequence may start with it.
        ends: bool (tags,): whether a sequence may end with it.
    """

    follows: NDArray[np.bool_]
    starts: NDArray[np.bool_]
    ends: NDArray[np.bool_]


class Layout:
    """Sequences laid out step by step: the first tokens of all sequences, then the second ones, and so on."""

    def __init__(self, lengths: Sequence[int]) -> None:
        """`lengths`: tokens per sequence, each at least 1, in the order in which the tokens come."""
        sizes = np.asarray(lengths, dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
        self.order = np.argsort(-sizes, kind="stable")
        steps = int(sizes.max(initial=0))
        ordered, self.active = sizes[self.order], []
        rows = []
        for step in range(steps):
            n = int(np.searchsorted(-ordered, -step, side="left"))
            self.active.append(n)
            rows.append(first[self.order[:n]] + step)
        self.rows = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        """Number of the token (in the order in which they came) that stands at each place."""
        self.offsets = np.concatenate([[0], np.cumsum(self.active)]).astype(np.int64)
        self.last = self.offsets[ordered - 1] + np.arange(len(ordered)) if len(ordered) else ordered
        """Place of the last token of each sequence, longest sequence first."""


@dataclass(frozen=True)
class Sums:
    """What the recursions give; places are those of the layout.

    Attributes:
        emission: (places, tags): exponentials of the scores, each row divided by its largest.
        forward: (places, tags): each row sums to 1.
        backward: (places, tags), scaled so that `forward * backward` are the marginal probabilities.
        scale: (places,): what `forward` was divided by.
        total: Sum over sequences of the logarithm of the partition function.
    """

    emission: Floats
    forward: Floats
    backward: Floats
    scale: Floats
    total: float


def sums(scores: Floats, moves: Floats, rules: Rules, layout: Layout) -> Sums:
    """Forward and backward sums.

    Args:
        scores: (places, tags).
        moves: (tags, tags): exponentials of the transition scores, 0 where not allowed.
        rules: For starts and ends.
        layout: Of the places.
    """
    peak = scores.max(axis=1, keepdims=True)
    # A tag that is all but impossible must not take a whole sequence to an exact zero.
    emission = np.exp(np.maximum(scores - peak, -FARTHEST))
    emission[: layout.active[0]] *= rules.starts
    emission[layout.last] *= rules.ends
    forward, backward = np.empty_like(emission), np.ones_like(emission)
    scale = np.empty(len(emission))
    for step, n in enumerate(layout.active):
        at = layout.offsets[step]
        row = emission[at : at + n]
        if step:
            before = layout.offsets[step - 1]
            row = (forward[before : before + n] @ moves) * row
        size = row.sum(axis=1)
        size = np.where(size > 0, size, 1e-300)
        scale[at : at + n] = size
        forward[at : at + n] = row / size[:, None]
    for step in range(len(layout.active) - 2, -1, -1):
        at, after, n = layout.offsets[step], layout.offsets[step + 1], layout.active[step + 1]
        ahead = emission[after : after + n] * backward[after : after + n] / scale[after : after + n, None]
        backward[at : at + n] = ahead @ moves.T
    return Sums(emission, forward, backward, scale, float(np.log(scale).sum() + peak.sum()))


def best_path(scores: Floats, moves: Floats, rules: Rules, layout: Layout) -> NDArray[np.int64]:
    """The most probable tag of each place as part of the most probable well-formed sequence (Viterbi)."""
    with np.errstate(divide="ignore"):
        steps = np.log(moves)
        emission = scores.copy()
        emission[: layout.active[0]] += np.log(rules.starts.astype(float))
        emission[layout.last] += np.log(rules.ends.astype(float))
    pointers = np.zeros(emission.shape, dtype=np.int32)
    best = emission.copy()
    for step in range(1, len(layout.active)):
        at, before, n = layout.offsets[step], layout.offsets[step - 1], layout.active[step]
        block = max(1, AT_ONCE // steps.size)
        for low in range(0, n, block):
            high = min(low + block, n)
            ways = best[before + low : before + high, :, None] + steps[None]
            pointers[at + low : at + high] = ways.argmax(axis=1)
            best[at + low : at + high] = ways.max(axis=1) + emission[at + low : at + high]
    path = np.empty(len(scores), dtype=np.int64)
    path[layout.last] = best[layout.last].argmax(axis=1)
    for step in range(len(layout.active) - 1, 0, -1):
        at, before, n = layout.offsets[step], layout.offsets[step - 1], layout.active[step]
        path[before : before + n] = pointers[at : at + n][np.arange(n), path[at : at + n]]
    return path


@dataclass(frozen=True)
class Chain:
    """A trained chain.

    Attributes:
        weights: float32 (columns, tags).
        moves: float32 (tags, tags): transition scores.
        temperature: All scores are divided by it; above 1 the trained model was over-confident.
    """

    weights: NDArray[np.float32]
    moves: NDArray[np.float32]
    temperature: float

    def scores(self, features: Any) -> Floats:
        """(tokens, tags) of sparse features (tokens, columns)."""
        found: Floats = np.asarray(features @ self.weights, dtype=np.float64) / self.temperature
        return found

    def steps(self, rules: Rules) -> Floats:
        """Exponentials of the transition scores; 0 where the rules do not allow the step."""
        return np.where(rules.follows, np.exp(self.moves.astype(np.float64) / self.temperature), 0.0)

    def negative_log_likelihood(
        self, features: Any, tags: NDArray[np.int64], lengths: Sequence[int], rules: Rules, temperature: float
    ) -> float:
        """Of the right tags under the chain at another temperature; for choosing it."""
        layout = Layout(lengths)
        hot = Chain(self.weights, self.moves, temperature)
        scores, steps = hot.scores(features)[layout.rows], hot.steps(rules)
        right = tags[layout.rows]
        value = sums(scores, steps, rules, layout).total - scores[np.arange(len(right)), right].sum()
        for step in range(1, len(layout.active)):
            at, before, n = layout.offsets[step], layout.offsets[step - 1], layout.active[step]
            value -= np.log(np.maximum(steps[right[before : before + n], right[at : at + n]], 1e-300)).sum()
        return float(value)

    def arrays(self, prefix: str) -> Arrays:
        """The chain as named arrays."""
        return {
            f"{prefix}weights": self.weights,
            f"{prefix}moves": self.moves,
            f"{prefix}temperature": np.array([self.temperature]),
        }

    @classmethod
    def of(cls, arrays: Arrays, prefix: str) -> "Chain":
        """A chain from named arrays."""
        return cls(
            arrays[f"{prefix}weights"], arrays[f"{prefix}moves"], float(arrays[f"{prefix}temperature"][0])
        )


def fit(
    features: Any, tags: NDArray[np.int64], lengths: Sequence[int], rules: Rules, penalty: float
) -> Chain:
    """Maximum likelihood with an L2 penalty; the problem is convex, so the same input gives the same chain.

    Args:
        features: Sparse (tokens, columns).
        tags: (tokens,): well-formed under `rules`.
        lengths: Tokens per sequence.
        rules: Which sequences are well formed.
        penalty: Half of it times the squared weights is added to the loss.
    """
    from scipy.optimize import minimize

    layout = Layout(lengths)
    n_tags, n_columns = len(rules.starts), features.shape[1]
    used = features[layout.rows].tocsr().astype(np.float64)
    turned = used.T.tocsr()
    right = tags[layout.rows]
    one_hot = np.zeros((len(right), n_tags))
    one_hot[np.arange(len(right)), right] = 1.0
    seen = np.zeros((n_tags, n_tags))
    for step in range(1, len(layout.active)):
        at, before, n = layout.offsets[step], layout.offsets[step - 1], layout.active[step]
        np.add.at(seen, (right[before : before + n], right[at : at + n]), 1.0)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat[: n_columns * n_tags].reshape(n_columns, n_tags)
        moves = flat[n_columns * n_tags :].reshape(n_tags, n_tags)
        scores = used @ weights
        steps = np.where(rules.follows, np.exp(np.clip(moves, -50, 50)), 0.0)
        found = sums(scores, steps, rules, layout)
        value = found.total - (scores * one_hot).sum() - (moves * seen).sum() + penalty / 2 * (flat @ flat)
        slope = np.empty_like(flat)
        slope[: n_columns * n_tags] = (turned @ (found.forward * found.backward - one_hot)).ravel()
        slope[n_columns * n_tags :] = (_expected(found, steps, layout) - seen).ravel()
        slope += penalty * flat
        return float(value), slope

    start = np.zeros(n_columns * n_tags + n_tags * n_tags)
    options = {"maxiter": ITERATIONS, "maxcor": MEMORY, "ftol": 1e-5, "gtol": 1e-4}
    flat = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return Chain(
        weights=flat[: n_columns * n_tags].reshape(n_columns, n_tags).astype(np.float32),
        moves=flat[n_columns * n_tags :].reshape(n_tags, n_tags).astype(np.float32),
        temperature=1.0,
    )


def _expected(found: Sums, steps: Floats, layout: Layout) -> Floats:
    """How often each transition is expected."""
    total = np.zeros_like(steps)
    for step in range(1, len(layout.active)):
        at, before, n = layout.offsets[step], layout.offsets[step - 1], layout.active[step]
        ahead = found.emission[at : at + n] * found.backward[at : at + n] / found.scale[at : at + n, None]
        total += found.forward[before : before + n].T @ ahead
    return total * steps
