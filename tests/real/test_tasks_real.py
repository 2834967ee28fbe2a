"""Relations between real medical terms, and a list of real names: what comes back, what is found."""

from pathlib import Path

from benchmarks.tasks_real import links, relations


def test_every_relation_between_real_terms_comes_back_at_its_places(shared_folder: Path) -> None:
    right, total = relations(shared_folder / "data")
    assert right == total > 2_000


def test_misspelled_names_are_among_the_first_candidates(shared_folder: Path) -> None:
    found = links(shared_folder / "data")
    assert found["0 changed"]["at 1"] == 1.0
    assert found["1 changed"]["at 1"] > 0.95 and found["1 changed"]["at 10"] > 0.99
    assert found["2 changed"]["at 10"] > 0.95
