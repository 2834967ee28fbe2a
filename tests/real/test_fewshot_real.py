"""Few-shot against zero-shot on BABE with the recorded answers of real models, through the product's own comparison."""

from pathlib import Path

import pytest

from benchmarks.fewshot_compare import measure, recorded
from labelwright.flows.compare import Comparison, Pair

# 8,940 requests: about 40 s on two free cores, minutes on busy ones.
pytestmark = pytest.mark.timeout(900)
CONFIGS = ("zero-shot", "2-shot", "8-shot")


@pytest.fixture(scope="module")
def found(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Comparison]:
    home = tmp_path_factory.mktemp("home")
    return measure(shared_folder, home, ["mistral_7b", "gpt_4"], (0, 1, 4))


def pair(found: Comparison, first: int, second: int) -> Pair:
    return next(each for each in found.pairs if (each.first, each.second) == (first, second))


def test_the_table_is_that_of_the_recorded_answers(found: dict[str, Comparison], shared_folder: Path) -> None:
    rows = recorded(shared_folder)
    for model, comparison in found.items():
        assert [plan.title for plan in comparison.plans] == ["zero-shot", "1 per label", "4 per label"]
        for config, plan in zip(CONFIGS, comparison.plans, strict=True):
            right = sum(row["predictions"][config][model] == row["gold"] for row in rows)  # type: ignore[index]
            assert plan.figures["bias"].n == len(rows) == 1_490 and plan.failed == 0
            assert plan.figures["bias"].value == pytest.approx(right / 1_490)


def test_mistral_gets_worse_with_two_examples_and_gpt_4_better_with_eight(
    found: dict[str, Comparison],
) -> None:
    worse, better = pair(found["mistral_7b"], 0, 1), pair(found["gpt_4"], 0, 2)
    assert (worse.verdict.outcome, better.verdict.outcome) == ("worse", "better")
    assert "1 per label is worse than zero-shot" in worse.sentence
    assert "4 per label is better than zero-shot" in better.sentence
    assert worse.paired.interval.high < -0.1 and better.paired.interval.low > 0
    unproved = pair(found["mistral_7b"], 0, 2)
    assert unproved.verdict.outcome == "undecided" and (unproved.verdict.more_needed or 0) > 1_000


def test_the_second_look_at_the_same_gold_says_that_it_is_one(found: dict[str, Comparison]) -> None:
    assert [each.looks_before for each in found.values()] == [0, 1]
    assert "used once before" in found["gpt_4"].note
