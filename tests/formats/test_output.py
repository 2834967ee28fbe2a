"""The names of images in an export: those they came with, safe to unpack anywhere, and no two alike."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.ontology import Ontology
from labelwright.formats.output import Exporting, Losses, safe_path
from tests.formats.image_made import OBJECTS, shown


def names(*given: str, ontology: Ontology = OBJECTS, **how: Any) -> tuple[list[str], dict[str, int]]:
    losses = Losses()
    to = Exporting(ontology, Path("."), losses)
    return [
        to.image_name(shown(n, None, name=name).asset, **how) for n, name in enumerate(given)
    ], losses.counts


def test_names_stay_and_namesakes_get_numbers() -> None:
    found, lost = names(
        "a.jpg", "a.png", "A.jpg", "b/a.jpg", "a_2.jpg", "größe 1.jpg", "images/c.jpg", "no ending"
    )
    assert found == [
        "a.jpg",
        "a_2.png",
        "A_3.jpg",
        "b/a.jpg",
        "a_2_2.jpg",
        "größe 1.jpg",
        "c.jpg",
        "no ending.png",
    ]
    assert lost == {"renamed": 4}
    assert names("x/a.jpg", "x_a.png", flat=True)[0] == ["x_a.jpg", "x_a_2.png"]


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd.png", "etc/passwd.png"), ("/root/a.png", "root/a.png"), ("C:\\x\\a.png", "C_/x/a.png"),
        ("a\n.png", "a_.png"), ("con.png", "_con.png"), ("...", "file"), ("", "file"), ("a. ", "a"), ("x" * 300 + ".png", "x" * 50 + ".png"),
    ],
)  # fmt: skip
def test_names_that_lead_out_or_cannot_be_unpacked_are_changed(given: str, safe: str) -> None:
    assert safe_path(given) == safe


@given(given=st.lists(st.text(max_size=30), max_size=8))
def test_whatever_the_names_are_they_stay_inside_and_apart(given: list[str]) -> None:
    found, _ = names(*given)
    assert len({Path(name).with_suffix("").as_posix().casefold() for name in found}) == len(given)
    for name in found:
        assert not name.startswith("/") and not {"..", ".", ""} & set(name.split("/")) and "\\" not in name
