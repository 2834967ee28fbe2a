"""Cutting long texts: nothing lost, nothing too long, borders where a reader would put them."""

import itertools
import unicodedata

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelwright.prompting.chunk import chunks
from labelwright.prompting.tokens import token_cost
from tests.prompting.made import TEXTS

QUIET = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
LONG = st.lists(TEXTS, min_size=1, max_size=12).map("\n\n".join) | st.lists(TEXTS, max_size=12).map(". ".join)


def join(text: str, found: tuple[tuple[int, int], ...]) -> str:
    joined, done = "", 0
    for start, end in found:
        assert start <= done
        joined += text[done:end]
        done = end
    return joined


@QUIET
@given(LONG, st.integers(1, 60), st.sampled_from([0.0, 0.12, 0.5]))
def test_joined_without_overlaps_the_chunks_are_the_text(text: str, budget: int, overlap: float) -> None:
    found = chunks(text, budget, overlap=overlap)
    assert join(text, found) == text
    assert found[0][0] == 0 and found[-1][1] == len(text)
    assert all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(found))
    if not overlap:
        assert all(b == c for (_, b), (c, _) in itertools.pairwise(found))


@QUIET
@given(LONG, st.integers(16, 80))
def test_no_chunk_is_over_its_budget_unless_it_is_one_piece_of_writing(text: str, budget: int) -> None:
    for start, end in chunks(text, budget):
        assert token_cost(text[start:end]) <= budget + 1 or end - start <= 70


@QUIET
@given(LONG, st.integers(8, 60), st.floats(0.3, 4.0))
def test_another_way_of_counting_is_kept_too(text: str, budget: int, factor: float) -> None:
    def measure(piece: str) -> float:
        return len(piece.encode()) / factor

    found = chunks(text, budget, measure=measure)
    assert join(text, found) == text
    for start, end in found:
        # The smallest stretch between two borders may be larger where few bytes count for many tokens.
        assert measure(text[start:end]) <= budget or end - start <= 70


def test_a_short_text_is_one_chunk_and_an_empty_one_too() -> None:
    assert chunks("Hello there.", 50) == ((0, 12),)
    assert chunks("", 1) == ((0, 0),)


def test_chunks_end_at_paragraphs_then_sentences_then_words() -> None:
    sentence = "The quick brown fox jumps over the lazy dog. "
    paragraphs = "\n\n".join([sentence * 4] * 6)
    ends = [paragraphs[:end].endswith("\n\n") for _, end in chunks(paragraphs, 60, overlap=0)][:-1]
    assert ends and all(ends)
    run = sentence * 40
    assert all(run[:end].endswith(". ") for _, end in chunks(run, 55))
    words = "word " * 500
    assert all(words[:end].endswith(" ") for _, end in chunks(words, 55))
    chinese = "昨天下午市政府召开了会议。" * 40
    assert all(chinese[:end].endswith("。") for _, end in chunks(chinese, 60))


def test_the_overlap_begins_at_a_sentence_and_is_about_as_long_as_asked_for() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 200
    found = chunks(text, 400, overlap=0.12)
    for (_, end), (start, _) in itertools.pairwise(found):
        assert text[:start].endswith(". ")
        assert 0 < token_cost(text[start:end]) <= 60


def test_no_letter_is_parted_from_its_marks() -> None:
    text = "e\u0301\u0323" * 3_000 + "👩🏽\u200d🚀" * 300
    for start, _ in chunks(text, 80):
        assert not unicodedata.combining(text[start]) if start < len(text) else True
        assert text[start] not in "\u200d🏽"


def test_writing_without_borders_is_cut_all_the_same() -> None:
    for text in ("x" * 20_000, "東" * 20_000, "\u0301" * 5_000, "🇩🇪" * 3_000, " " * 9_000, "\n" * 9_000):
        found = chunks(text, 200)
        assert join(text, found) == text
        assert len(found) < 400
