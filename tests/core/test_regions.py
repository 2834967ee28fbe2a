"""Rules of regions: each damage is reported at its path, hostile shapes cost little, imports are put right."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelwright.core.answer import Answers, Region, RegionAnswer
from labelwright.core.conform import conform
from labelwright.core.mask import area_px2, encode
from labelwright.core.ontology import Attribute, Label, Ontology, RegionQuestion, Skeleton
from labelwright.core.regions import MOST_POINTS, MOST_REGIONS, mend
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox, Shape
from labelwright.core.transfer import Opinion, resolve
from tests.strategies import SHAPE_KINDS, answers_for, ontologies, shapes_in, sizes

SIZE = (40, 30)
DOOR = Label(
    id="door",
    name="Door",
    attributes=(
        Attribute(id="open", name="Open", type="boolean", required=True),
        Attribute(id="colour", name="Colour", options=("red", "blue")),
        Attribute(id="panes", name="Panes", type="integer", minimum=0, maximum=9),
        Attribute(id="note", name="Note", type="text"),
    ),
)
HAND = Label(id="hand", name="Hand", skeleton=Skeleton(points=("thumb", "palm")))
ALL = RegionQuestion(
    id="q", name="Things", shapes=SHAPE_KINDS, labels=(DOOR, HAND, Label(id="old", name="Old", retired=True))
)
ONLY_BOXES = RegionQuestion(id="boxes", name="Boxes", labels=(Label(id="x", name="X"),), required=False)
ONTOLOGY = Ontology(version=1, questions=(ALL, ONLY_BOXES))


def square(x: float, y: float, edge: float) -> tuple[tuple[float, float], ...]:
    return ((x, y), (x + edge, y), (x + edge, y + edge), (x, y + edge))


def poly(*rings: tuple[tuple[float, float], ...]) -> Polygon:
    return Polygon(parts=(rings,))


GOOD = Box(x=1, y=1, width=5, height=5)


def problems_of(
    shape: Shape, label: str = "door", question: str = "q", **attributes: Any
) -> list[tuple[str, str]]:
    given = {"open": True, **attributes} if label == "door" else attributes
    region = Region(id="r", label=label, shape=shape, attributes=given)
    answers = Answers.of({question: RegionAnswer(regions=(region,))})
    return [(p.code, p.where) for p in conform(ONTOLOGY, answers, SIZE, complete=False)]


@pytest.mark.parametrize(
    ("shape", "code", "where"),
    [
        (Box(x=1, y=1, width=0, height=4), "empty_shape", "shape"),
        (Box(x=-3, y=1, width=9, height=4), "outside_image", "shape"),
        (Box(x=40.5, y=1, width=0.5, height=4), "outside_image", "shape"),
        (RotatedBox(x=1, y=1, width=4, height=0, angle_deg=3), "empty_shape", "shape"),
        (RotatedBox(x=39, y=1, width=9, height=9, angle_deg=3), "outside_image", "shape"),
        (RotatedBox(x=-1e9, y=1, width=2e9, height=9, angle_deg=3), "outside_image", "shape"),
        (poly(((0, 0), (5, 5))), "too_few_points", "shape/parts/0/0"),
        (poly(((0, 0), (5, 5), (0, 0))), "too_few_points", "shape/parts/0/0"),
        (poly(square(1, 1, 9), ((2, 2), (3, 3))), "too_few_points", "shape/parts/0/1"),
        (Polygon(parts=((),)), "too_few_points", "shape/parts/0"),
        (poly(((1, 0), (1, 5), (1, 9))), "empty_shape", "shape/parts/0"),
        (poly(((1, 1), (2, 2), (3, 3))), "self_crossing", "shape"),
        (poly(((0, 0), (9, 9), (9, 0), (0, 9))), "self_crossing", "shape"),
        (poly(square(1, 1, 9), square(8, 8, 9)), "self_crossing", "shape"),
        (poly(square(1, 1, 9), square(20, 20, 9)), "self_crossing", "shape"),
        (poly(square(25, 25, 9)), "outside_image", "shape"),
        (Polyline(points=((1, 1), (1, 1))), "empty_shape", "shape"),
        (Polyline(points=((1, 1), (1, 42))), "outside_image", "shape"),
        (Points(points=((1, 1), (50, 1))), "outside_image", "shape"),
        (Points(points=((1, 1),), visibility=(2, 2)), "bad_visibility", "shape/visibility"),
        (Points(points=((1, 1),), visibility=(0,)), "empty_shape", "shape"),
        (Points(points=((1, 1),), box=Box(x=-9, y=1, width=20, height=2)), "outside_image", "shape/box"),
        (Mask(size=(40, 30), counts="`Z1"), "mask_size", "shape/size"),
        (Mask(size=(30, 40), counts="1"), "bad_mask", "shape/counts"),
        (Mask(size=(30, 40), counts="~~"), "bad_mask", "shape/counts"),
        (Mask(size=(30, 40), counts="ü"), "bad_mask", "shape/counts"),
        (Mask(size=(30, 40), counts=""), "bad_mask", "shape/counts"),
        (encode(np.zeros((30, 40), dtype=bool)), "empty_shape", "shape"),
    ],
)  # fmt: skip
def test_each_damage_of_a_shape_is_reported_at_its_path(shape: Shape, code: str, where: str) -> None:
    assert problems_of(shape) == [(code, f"q/regions/0/{where}")]


@pytest.mark.parametrize(
    ("attributes", "code", "key"),
    [
        ({"size": 3}, "unknown_attribute", "size"),
        ({"open": "yes"}, "wrong_kind", "open"),
        ({"open": 1}, "wrong_kind", "open"),
        ({"colour": "green"}, "unknown_option", "colour"),
        ({"colour": 1}, "wrong_kind", "colour"),
        ({"panes": 2.5}, "not_an_integer", "panes"),
        ({"panes": 10}, "out_of_bounds", "panes"),
        ({"panes": True}, "wrong_kind", "panes"),
        ({"panes": math.nan}, "wrong_kind", "panes"),
        ({"note": "x" * 2001}, "too_long", "note"),
    ],
)
def test_each_damage_of_an_attribute_is_reported_at_its_path(
    attributes: dict[str, Any], code: str, key: str
) -> None:
    assert problems_of(GOOD, **attributes) == [(code, f"q/regions/0/attributes/{key}")]


def test_what_the_question_and_its_labels_say_holds() -> None:
    assert problems_of(GOOD) == []
    assert problems_of(Polyline(points=((1, 1), (2, 2))), "x", "boxes") == [
        ("shape_not_allowed", "boxes/regions/0/shape")
    ]
    assert problems_of(GOOD, "old") == [("retired_label", "q/regions/0/label")]
    assert problems_of(GOOD, "none") == [("unknown_label", "q/regions/0/label")]
    assert problems_of(Points(points=((1, 1),)), "hand") == [("wrong_points", "q/regions/0/shape/points")]
    assert problems_of(Points(points=((1, 1), (99, 99)), visibility=(2, 0)), "hand") == []


def test_a_shape_may_stick_out_by_a_pixel_and_a_rotated_box_by_its_corners() -> None:
    assert problems_of(Box(x=-1, y=-1, width=42, height=32)) == []
    assert problems_of(RotatedBox(x=-5, y=10, width=20, height=4, angle_deg=30)) == []


def test_required_attributes_are_asked_of_submissions_and_not_of_drafts() -> None:
    answers = Answers.of({"q": RegionAnswer(regions=(Region(id="r", label="door", shape=GOOD),))})
    assert conform(ONTOLOGY, answers, SIZE, complete=False) == []
    found = conform(ONTOLOGY, answers, SIZE)
    assert [(p.code, p.where) for p in found] == [("missing_attribute", "q/regions/0/attributes/open")]


def test_two_regions_with_one_id_are_reported() -> None:
    region = Region(id="r", label="x", shape=GOOD)
    answers = Answers.of({"boxes": RegionAnswer(regions=(region, region))})
    assert [p.code for p in conform(ONTOLOGY, answers, SIZE, complete=False)] == ["duplicate_id"]


def test_too_much_is_refused_before_anything_is_worked_out() -> None:
    ring = tuple((float(i % 7), float(i % 11)) for i in range(MOST_POINTS + 1))
    assert problems_of(poly(ring)) == [("too_many_points", "q/regions/0/shape")]
    region = Region(id="r", label="x", shape=Box(x=-9, y=0, width=1, height=1))
    many = tuple(region.model_copy(update={"id": f"r{i}"}) for i in range(MOST_REGIONS + 1))
    found = conform(ONTOLOGY, Answers.of({"boxes": RegionAnswer(regions=many)}), SIZE, complete=False)
    assert [p.code for p in found] == ["too_many_regions"]


@settings(max_examples=30)
@given(st.data())
def test_what_fits_is_not_mended(data: st.DataObject) -> None:
    ontology, size = data.draw(ontologies("image")), data.draw(sizes)
    for _, answer in data.draw(answers_for(ontology, size)).items():
        if isinstance(answer, RegionAnswer):
            assert mend(answer, size) == (answer, [])


@settings(max_examples=40)
@given(st.data(), st.tuples(st.integers(-60, 60), st.integers(-60, 60)))
def test_a_mended_region_fits(data: st.DataObject, by: tuple[int, int]) -> None:
    size = data.draw(sizes)
    shape = data.draw(shapes_in(size, "polygon"))
    assert isinstance(shape, Polygon)
    moved = Polygon(
        parts=tuple(
            tuple(tuple((x + by[0], y + by[1]) for x, y in ring) for ring in part) for part in shape.parts
        )
    )
    answer = RegionAnswer(regions=(Region(id="r", label="door", shape=moved),))
    mended, problems = mend(answer, size)
    left = conform(ONTOLOGY, Answers.of({"q": mended}), size, complete=False)
    assert (not left) if problems else (mended == answer)


def test_an_import_keeps_a_crossed_outline_and_a_box_over_the_border_and_says_so() -> None:
    bow = {"kind": "polygon", "parts": [[[[0, 0], [10, 10], [10, 0], [0, 10]]]]}
    out = {"kind": "box", "x": -5, "y": 0, "width": 10, "height": 10}
    said = Opinion(
        by="person", answers={"Things": [{"shape": bow, "label": "Door"}, {"shape": out, "label": "Door"}]}
    )
    answers, _, problems = resolve(said, ONTOLOGY, SIZE)
    answer = answers.get("q")
    assert isinstance(answer, RegionAnswer)
    assert [p.code for p in problems] == ["mended", "mended"]
    assert answer.regions[1].shape == Box(x=0, y=0, width=5, height=10)
    assert isinstance(answer.regions[0].shape, Polygon) and len(answer.regions[0].shape.parts) == 2
    assert 45 <= area_px2(answer.regions[0].shape, SIZE) <= 60
