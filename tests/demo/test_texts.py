"""The demo texts hold what their descriptions promise."""

import csv
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from labelwright.demo import (
    ENTITY_LABELS,
    TOPICS,
    field_notes_path,
    support_messages_path,
    support_messages_truth_path,
)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def messages() -> list[dict[str, str]]:
    return _rows(support_messages_path())


@pytest.fixture(scope="module")
def truth() -> list[dict[str, str]]:
    return _rows(support_messages_truth_path())


@pytest.fixture(scope="module")
def notes() -> list[dict[str, Any]]:
    return [json.loads(line) for line in field_notes_path().read_text(encoding="utf-8").splitlines()]


def _normalised(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())


def _mentions(note: dict[str, Any]) -> list[tuple[str, str]]:
    return [(note["text"][e["start"] : e["end"]], e["label"]) for e in note["entities"]]


def test_messages_are_about_three_hundred_and_notes_two_hundred_and_forty(
    messages: list[dict[str, str]], notes: list[dict[str, Any]]
) -> None:
    assert 290 <= len(messages) <= 320
    assert 230 <= len(notes) <= 250


def test_columns_are_as_documented(messages: list[dict[str, str]], truth: list[dict[str, str]]) -> None:
    assert list(messages[0]) == ["id", "text", "gold_topic", "gold_urgent"]
    assert list(truth[0]) == ["id", "topic", "urgency"]


def test_ids_are_unique(messages: list[dict[str, str]], notes: list[dict[str, Any]]) -> None:
    assert len({row["id"] for row in messages}) == len(messages)
    assert len({note["id"] for note in notes}) == len(notes)


def test_truth_covers_every_message_with_known_values(
    messages: list[dict[str, str]], truth: list[dict[str, str]]
) -> None:
    assert [row["id"] for row in truth] == [row["id"] for row in messages]
    assert {row["topic"] for row in truth} == set(TOPICS)
    assert {row["urgency"] for row in truth} == {"1", "2", "3", "4", "5"}


def test_gold_of_messages_is_whole_agrees_with_the_truth_and_spreads_over_the_file(
    messages: list[dict[str, str]], truth: list[dict[str, str]]
) -> None:
    gold = [n for n, row in enumerate(messages) if row["gold_topic"]]
    assert 50 <= len(gold) <= 70
    assert gold == [n for n, row in enumerate(messages) if row["gold_urgent"]]
    for n in gold:
        assert (messages[n]["gold_topic"], messages[n]["gold_urgent"]) == (
            truth[n]["topic"],
            truth[n]["urgency"],
        )
    fifth = len(messages) / 5
    assert min(Counter(int(n // fifth) for n in gold).values()) >= 8
    assert min(Counter(messages[n]["gold_topic"] for n in gold)[topic] for topic in TOPICS) >= 6


def test_topics_are_in_reasonable_balance(truth: list[dict[str, str]]) -> None:
    counts = Counter(row["topic"] for row in truth)
    assert min(counts.values()) * 2 >= max(counts.values())


@pytest.mark.parametrize("which", ["messages", "notes"])
def test_no_text_comes_twice_even_when_normalised(which: str, request: pytest.FixtureRequest) -> None:
    counts = Counter(_normalised(row["text"]) for row in request.getfixturevalue(which))
    assert [text for text, count in counts.items() if count > 1] == []


def test_most_messages_have_fifteen_to_sixty_words_and_none_more(messages: list[dict[str, str]]) -> None:
    words = [len(row["text"].split()) for row in messages]
    assert max(words) <= 60
    assert sum(count >= 15 for count in words) >= len(words) * 3 // 4


def test_texts_are_clean_lines(messages: list[dict[str, str]], notes: list[dict[str, Any]]) -> None:
    for text in [row["text"] for row in messages] + [note["text"] for note in notes]:
        assert text and text == text.strip()
        assert not set(text) & set("[]|\n\r\t\ufffd")
        assert unicodedata.is_normalized("NFC", text)


def test_entities_are_sorted_apart_inside_the_text_and_begin_and_end_on_a_word(
    notes: list[dict[str, Any]],
) -> None:
    for note in notes:
        reached = 0
        for entity in note["entities"]:
            assert set(entity) == {"start", "end", "label"}
            assert entity["label"] in ENTITY_LABELS
            assert reached <= entity["start"] < entity["end"] <= len(note["text"]), note["id"]
            mention = note["text"][entity["start"] : entity["end"]]
            around = note["text"][: entity["start"]][-1:] + note["text"][entity["end"] :][:1]
            assert mention[0].isalnum() and mention[-1].isalnum(), note["id"]
            assert not any(c.isalnum() for c in around), note["id"]
            reached = entity["end"]


def test_one_name_has_one_label_and_is_marked_wherever_it_stands(notes: list[dict[str, Any]]) -> None:
    label_of: dict[str, str] = {}
    for note in notes:
        for mention, label in _mentions(note):
            assert label_of.setdefault(mention, label) == label, mention
    for note in notes:
        hidden = note["text"]
        for mention, _ in sorted(_mentions(note), key=lambda pair: -len(pair[0])):
            hidden = hidden.replace(mention, "")
        assert [name for name in label_of if name in hidden] == [], note["id"]


def test_every_label_is_frequent_and_has_names_seen_once_and_names_seen_often(
    notes: list[dict[str, Any]],
) -> None:
    counts = Counter(pair for note in notes for pair in _mentions(note))
    for label in ENTITY_LABELS:
        of_label = [count for (_, its_label), count in counts.items() if its_label == label]
        assert sum(of_label) >= 50
        assert sum(count == 1 for count in of_label) >= 4
        assert sum(count >= 4 for count in of_label) >= 4


def test_notes_include_none_at_all_repeated_mentions_and_characters_beyond_latin(
    notes: list[dict[str, Any]],
) -> None:
    assert sum(not note["entities"] for note in notes) >= 20
    assert any(len(_mentions(note)) > len(set(_mentions(note))) for note in notes)
    everything = "".join(note["text"] for note in notes)
    assert any(ord(c) > 0xFFFF for c in everything)
    for script in ("CJK", "ARABIC", "HANGUL", "LATIN SMALL LETTER E WITH ACUTE"):
        assert any(unicodedata.name(c, "").startswith(script) for c in everything), script


def test_gold_notes_are_about_fifty_and_spread_over_the_file(notes: list[dict[str, Any]]) -> None:
    gold = [n for n, note in enumerate(notes) if note.get("gold")]
    assert 45 <= len(gold) <= 55
    assert {note["gold"] for note in notes if "gold" in note} == {True}
    fifth = len(notes) / 5
    assert min(Counter(int(n // fifth) for n in gold).values()) >= 7
