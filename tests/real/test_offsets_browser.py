"""Texts with every rare Unicode feature through the real editor: what is marked on the screen is what is stored."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import browser, page, served, zygote
from tests.journeys.house import House
from tests.journeys.test_annotate import ENTITIES, go, house, settled, stage_of

__all__ = ["browser", "house", "page", "served", "zygote"]

PER_FEATURE = 2


def picked(folder: Path) -> Iterator[str]:
    """A few texts for each feature."""
    seen: dict[str, int] = {}
    texts: set[str] = set()
    with gzip.open(folder / "data/text/offset_torture.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if (
                any(seen.get(feature, 0) < PER_FEATURE for feature in row["features"])
                and row["text"] not in texts
            ):
                for feature in row["features"]:
                    seen[feature] = seen.get(feature, 0) + 1
                texts.add(row["text"])
                yield row["text"]


@pytest.mark.timeout(300)
def test_spans_made_in_the_browser_have_code_point_offsets(
    shared_folder: Path, house: House, page: Any
) -> None:
    texts = list(picked(shared_folder))
    project, ids = house.add_project(texts, ENTITIES)
    go(page, house, project)
    shown: list[list[str]] = []
    for n in range(len(texts)):
        page.get_by_text(f"{n} done now" if n else "Entities").first.wait_for()
        stage_of(page).wait_for()
        # The first word, the third, and the last three: before, between and after whatever is odd.
        for key in ("1", "ArrowRight", "2", "End", "Shift+ArrowLeft", "Shift+ArrowLeft", "3"):
            page.keyboard.press(key)
        page.locator("mark").first.wait_for()
        shown.append(
            page.evaluate(
                "() => [...document.querySelectorAll('.lw-spans .lw-span-row .lw-grow')].map(e => e.textContent)"
            )
        )
        page.keyboard.press("Enter")
    page.get_by_text("Nothing to label right now").wait_for()
    settled(page)
    for text, asset_id, words in zip(texts, ids, shown, strict=True):
        (found,) = house.answers([asset_id])
        spans = found[0].model_dump()["entities"]["spans"]
        # Python counts code points: the slice is what the person saw.
        assert sorted(text[s["start"] : s["end"]] for s in spans) == sorted(words)
        assert all(text[s["start"] : s["end"]].strip() for s in spans)
