"""The loop on real reviews with a real model's recorded answers, over HTTP: import, predict, review order, export."""

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.imdb_review_order import PARTS, Figures, measure, shares

MOST = 1_000
"""Reviews that are walked here; the benchmark walks all 3,000."""


@pytest.fixture(scope="module")
def figures(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Figures:
    home = tmp_path_factory.mktemp("home")
    return measure(shared_folder, home, most=MOST)


def recorded(folder: Path) -> list[dict[str, object]]:
    """Recorded answers to the reviews that are here."""
    with gzip.open(folder / "data/text/imdb.jsonl.gz", "rt", encoding="utf-8") as lines:
        here = {json.loads(line)["id"] for line in list(lines)[:MOST]}
    with gzip.open(folder / "data/recorded/imdb_gpt3_curie_conf.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row["key"] in here]


def test_every_review_is_accounted_for(figures: Figures, shared_folder: Path) -> None:
    answered = len(recorded(shared_folder))
    assert figures.imported == figures.exported == MOST
    assert 500 < answered < MOST
    assert (figures.predicted, figures.failed) == (answered, {"not_found": MOST - answered})


def test_the_queue_finds_errors_as_early_as_the_recorded_confidence_allows(
    figures: Figures, shared_folder: Path
) -> None:
    rows = sorted(recorded(shared_folder), key=lambda row: float(str(row["gpt3_conf"])))
    direct = shares([row["gpt3_pred"] != row["gold"] for row in rows], PARTS)
    assert figures.errors == sum(row["gpt3_pred"] != row["gold"] for row in rows)
    for part in PARTS:
        # Equal confidences may stand in any order.
        assert figures.found[part] == pytest.approx(direct[part], abs=0.01)
    assert figures.found[0.20] > 0.5


def test_what_the_model_did_not_answer_comes_first(figures: Figures) -> None:
    abstained = figures.abstained
    assert abstained > 0
    assert figures.first_confidences[:abstained] == [0.0] * abstained
    next_one = figures.first_confidences[abstained]
    assert next_one is not None and next_one > 0
