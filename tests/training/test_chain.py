"""The chain's recursions against plain enumeration of every tag sequence."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from labelwright.training import chain
from labelwright.training.chain import Chain, Floats, Layout, Rules
from labelwright.training.tagger import _Decoded, _rules, _spans_of

RULES = _rules(1)
N_TAGS = 5


def allowed(path: tuple[int, ...], rules: Rules) -> bool:
    return bool(
        rules.starts[path[0]]
        and rules.ends[path[-1]]
        and all(rules.follows[a, b] for a, b in itertools.pairwise(path))
    )


def every_path(scores: Floats, moves: Floats) -> dict[tuple[int, ...], float]:
    """Well-formed tag sequences with their unnormalised weight."""
    return {
        path: math.exp(
            sum(scores[i, tag] for i, tag in enumerate(path))
            + sum(moves[a, b] for a, b in itertools.pairwise(path))
        )
        for path in itertools.product(range(N_TAGS), repeat=len(scores))
        if allowed(path, RULES)
    }


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[int], Floats, Floats]:
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    width = draw(st.sampled_from([0.1, 1.0, 6.0]))
    return lengths, rng.normal(0, width, (sum(lengths), N_TAGS)), rng.normal(0, 1, (N_TAGS, N_TAGS))


@settings(max_examples=40, deadline=None)
@given(sequences())
def test_marginals_best_paths_and_span_probabilities_equal_those_of_enumeration(
    made: tuple[list[int], Floats, Floats],
) -> None:
    lengths, scores, moves = made
    layout = Layout(lengths)
    steps = np.where(RULES.follows, np.exp(moves), 0.0)
    laid = scores[layout.rows]
    found = chain.sums(laid, steps, RULES, layout)
    path = chain.best_path(laid, steps, RULES, layout)
    decoded = _Decoded(found, path, layout, steps, lengths)
    marginals = np.empty_like(scores)
    marginals[layout.rows] = found.forward * found.backward
    total, first = 0.0, 0
    for number, size in enumerate(lengths):
        ways = every_path(scores[first : first + size], moves)
        mass = sum(ways.values())
        total += math.log(mass)
        best = max(ways, key=lambda way: ways[way])
        assert tuple(decoded._path[first : first + size]) == best
        assert decoded.sure(number) == pytest.approx(ways[best] / mass, rel=1e-6)
        for i, tag in itertools.product(range(size), range(N_TAGS)):
            share = sum(weight for way, weight in ways.items() if way[i] == tag) / mass
            assert marginals[first + i, tag] == pytest.approx(share, abs=1e-9)
        for start, end, label, probability in decoded.spans(first, size):
            with_it = sum(w for way, w in ways.items() if (start, end, label) in _spans_of(np.array(way)))
            assert probability == pytest.approx(with_it / mass, rel=1e-6)
        first += size
    assert found.total == pytest.approx(total, rel=1e-9)


def test_training_makes_the_examples_probable() -> None:
    tags = np.array([0, 1, 2, 3, 0, 4, 0, 0, 1, 3])
    lengths = [5, 3, 2]
    words = sparse.csr_matrix(np.eye(10))
    trained = chain.fit(words, tags, lengths, RULES, 0.01)
    untrained = Chain(np.zeros((10, N_TAGS), np.float32), np.zeros((N_TAGS, N_TAGS), np.float32), 1.0)
    after = trained.negative_log_likelihood(words, tags, lengths, RULES, 1.0)
    before = untrained.negative_log_likelihood(words, tags, lengths, RULES, 1.0)
    assert after < 0.1 * before
    layout = Layout(lengths)
    path = np.empty(10, dtype=np.int64)
    scores = trained.scores(words)[layout.rows]
    path[layout.rows] = chain.best_path(scores, trained.steps(RULES), RULES, layout)
    assert (path == tags).all()


def test_very_large_scores_neither_overflow_nor_vanish() -> None:
    layout = Layout([50])
    scores = np.random.default_rng(0).normal(0, 400, (50, N_TAGS))
    found = chain.sums(scores, np.where(RULES.follows, 1.0, 0.0), RULES, layout)
    assert np.isfinite(found.total)
    assert (found.forward * found.backward).sum(axis=1) == pytest.approx(1.0, abs=1e-6)
