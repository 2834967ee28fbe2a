"""Confidences of real models, recorded: calibration on answers not fitted, promises kept by simulation."""

from pathlib import Path

import pytest

from benchmarks import trust as benchmark
from labelwright.core.trust import Promise

DRAWS = 200


def test_calibration_makes_gpt3s_confidence_mean_what_it_says(shared_folder: Path) -> None:
    [found] = benchmark.imdb(shared_folder)
    figures = benchmark.calibrate(found)
    assert figures.judged_on > 6_000
    assert figures.ece_before > 0.05
    assert figures.ece_after <= 0.03
    assert figures.early > 0.5 and (figures.auroc or 0) > 0.75


def test_calibration_helps_nearly_every_model_with_token_probabilities(shared_folder: Path) -> None:
    figures = [benchmark.calibrate(each) for each in benchmark.mcq(shared_folder)]
    assert len(figures) == 40
    better = [f for f in figures if f.ece_after < f.ece_before]
    assert len(better) >= 38
    # What remains is little more than what chance alone shows on so many answers.
    rest = [f.ece_after - f.ece_chance for f in figures if f.fitted_on >= 1_000]
    assert sum(rest) / len(rest) < 0.015


def test_verbal_confidences_are_brought_closer_to_the_truth(shared_folder: Path) -> None:
    figures = [benchmark.calibrate(each) for each in benchmark.boolq_sciq(shared_folder)]
    assert sum(f.ece_after for f in figures) < 0.6 * sum(f.ece_before for f in figures)


@pytest.mark.parametrize("accuracy", [0.8, 0.9, 0.95])
def test_promises_are_kept_on_real_answers(shared_folder: Path, accuracy: float) -> None:
    promise = Promise(accuracy=accuracy, certainty=0.9)
    for found in [*benchmark.imdb(shared_folder), *benchmark.deductive(shared_folder)]:
        drawn = benchmark.simulate_trust(found, promise, 300, DRAWS)
        assert drawn.kept >= promise.certainty, found.name


def test_estimates_hold_on_real_answers(shared_folder: Path) -> None:
    [found] = benchmark.imdb(shared_folder)
    held, width, _ = benchmark.simulate_estimates(found, 100, 300, 60)
    assert held >= 0.9 and width < 0.08
