"""Texts to try the workbench with, written for it and free of anyone's data.

This hides where the demo files lie in an installed package and what they are called. There are two sets: messages of
customers to a made-up shop for outdoor gear (one choice and one rating), and short notes of local news about made-up
people, organisations, places and products (spans). A part of each carries gold answers. The truth about every message
lies in a file of its own, so that a simulated annotator can be measured against it without the project seeing it.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

TOPICS: Final = ("delivery", "refund", "product_question", "account", "praise")
"""The topics of a support message; each message has exactly one."""

ENTITY_LABELS: Final = ("person", "organisation", "place", "product")
"""The labels of an entity in a field note."""


def support_messages_path() -> Path:
    """Where the messages lie: CSV with `id`, `text`, `gold_topic`, `gold_urgent` (1 to 5; gold empty for most)."""
    return _path_of("support_messages.csv")


def support_messages_truth_path() -> Path:
    """Where the truth about every message lies: CSV with `id`, `topic`, `urgency` (1 can wait, 5 needs help today)."""
    return _path_of("support_messages_truth.csv")


def field_notes_path() -> Path:
    """Where the notes lie: JSON Lines with `id`, `text`, `entities` and, for some, `gold`.

    An entity has `start`, `end` (Unicode code points, half-open) and `label`. `entities` is the truth of every note;
    `"gold": true` marks the notes whose truth may be shown to a project.
    """
    return _path_of("field_notes.jsonl")


def _path_of(name: str) -> Path:
    return Path(str(files(__name__) / name))
