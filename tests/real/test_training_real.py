"""The local models on real texts: what a simulated person's corrections teach them, and how much is left to do."""

from pathlib import Path

import pytest

from benchmarks.local_models import Course, conll, dbpedia, learn, listed_names, plain_regression


@pytest.fixture(scope="module")
def names(shared_folder: Path) -> Course:
    """Entities in 500 sentences, in random order."""
    return learn(conll(shared_folder), 500, listed_names, least_sure_first=False, step=100)


@pytest.fixture(scope="module")
def classes(shared_folder: Path) -> Course:
    """Nine classes of 500 descriptions, in random order."""
    return learn(dbpedia(shared_folder), 500, plain_regression, least_sure_first=False, step=100)


def test_entities_are_found_better_with_every_hundred_corrections(names: Course) -> None:
    assert names.at(0) == 0
    assert names.at(100) > 0.40
    assert names.at(300) > names.at(100) + 0.10
    assert names.at(500) > names.at(100) + 0.15
    assert names.at(500) > 0.66


def test_the_tagger_beats_a_list_of_the_names_marked_so_far(names: Course) -> None:
    for corrected in (100, 300, 500):
        assert names.at(corrected) > names.at(corrected, "baseline") + 0.15


def test_a_person_touches_less_as_the_tagger_learns(names: Course) -> None:
    assert names.touched[0] == 1.0
    assert names.effort(350, 550) < 0.8 * names.effort(50, 200)


def test_a_taggers_confidence_in_a_sentence_means_what_it_says(names: Course) -> None:
    assert names.at(500, "expected_error") < 0.12


def test_least_confident_first_teaches_more_per_correction(names: Course, shared_folder: Path) -> None:
    directed = learn(conll(shared_folder), 300, None, least_sure_first=True, step=300)
    assert directed.at(300) > names.at(300)


def test_classes_are_told_apart_better_with_every_hundred_corrections(classes: Course) -> None:
    assert classes.at(100) > 0.6
    assert classes.at(500) > classes.at(100) + 0.07
    assert classes.at(500) > 0.78


def test_the_classifier_beats_plain_logistic_regression(classes: Course) -> None:
    for corrected in (100, 300, 500):
        assert classes.at(corrected) > classes.at(corrected, "baseline") + 0.04


def test_a_classifiers_confidence_means_what_it_says(classes: Course) -> None:
    assert classes.at(500, "expected_error") < 0.10
