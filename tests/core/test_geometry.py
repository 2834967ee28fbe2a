"""Laws of shapes and masks: areas, clipping, outlines that rasterise back, and encodings that attack."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from labelwright.core import mask as masks
from labelwright.core.geometry import (
    bounds,
    clip,
    corners,
    crossing,
    is_area,
    repaired,
    rotated_around,
    simplified,
    vertices,
)
from labelwright.core.likeness import likeness
from labelwright.core.mask import (
    area_px2,
    crop,
    decode,
    encode,
    from_runs,
    outline,
    rasterise,
    rle_of,
    runs_of,
)
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox, Shape
from tests.strategies import shapes_in, sizes

pixels = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(max_examples=100)
@given(st.data())
def test_areas_are_counts_of_pixels_and_bounds_hold_every_one(data: st.DataObject) -> None:
    size = data.draw(sizes)
    shape = data.draw(shapes_in(size))
    found = decode(rasterise(shape, size)) if is_area(shape) else np.zeros((1, 1), bool)
    assert area_px2(shape, size) == found.sum() >= 0
    around = bounds(shape)
    assert around is not None
    ys, xs = np.nonzero(found)
    # A pixel belongs to a shape that covers its centre, give or take half a pixel.
    for axis, low, extent in ((xs, around.x, around.width), (ys, around.y, around.height)):
        assert not len(axis) or (axis.min() >= low - 1 and axis.max() <= low + extent + 1)


@settings(max_examples=100)
@given(st.data(), st.tuples(st.integers(-40, 40), st.integers(-40, 40)))
def test_a_clip_stays_inside_and_leaves_what_is_inside_alone(
    data: st.DataObject, by: tuple[int, int]
) -> None:
    size = data.draw(sizes)
    shape = data.draw(shapes_in(size))
    assert isinstance(shape, RotatedBox) or clip(shape, size) == shape
    moved = shifted(shape, *by)
    inside = clip(moved, size)
    for x, y in () if inside is None else vertices(inside):
        assert 0 <= x <= size[0] and 0 <= y <= size[1]
    if inside is not None and not isinstance(shape, Mask) and is_area(shape):
        # The rasteriser rounds each border on its own; nothing is lost but a rim.
        before, after = area_px2(moved, size), area_px2(inside, size)
        assert abs(before - after) <= 2 * sum(size)
    if isinstance(shape, Polygon) and isinstance(inside, Polygon):
        assert crossing(inside) is None


def shifted(shape: Shape, dx: float, dy: float) -> Shape:
    def ring(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        return tuple((x + dx, y + dy) for x, y in points)

    match shape:
        case Box() | RotatedBox():
            return shape.model_copy(update={"x": shape.x + dx, "y": shape.y + dy})
        case Polygon(parts=parts):
            return Polygon(parts=tuple(tuple(ring(each) for each in part) for part in parts))
        case Polyline(points=points) | Points(points=points):
            return shape.model_copy(update={"points": ring(points)})
        case Mask():
            return shape


@settings(max_examples=150)
@given(pixels)
def test_runs_and_outlines_give_the_pixels_back(found: masks.Pixels) -> None:
    mask = encode(found)
    assert (decode(mask) == found).all()
    assert from_runs(runs_of(mask), mask.size) == mask
    x, y, cut = crop(mask)
    whole = np.zeros_like(found)
    whole[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    assert (whole == found).all()
    polygon = outline(mask)
    if polygon is None:
        assert not found.any()
        return
    # Exactly: holes, parts and pixels that touch at a corner survive.
    assert rasterise(polygon, (found.shape[1], found.shape[0])) == mask
    assert crossing(polygon) is None


def test_holes_and_parts_survive_as_such() -> None:
    found = np.zeros((12, 20), bool)
    found[1:9, 1:9] = True
    found[3:6, 3:6] = False
    found[4, 4] = True  # an island in the hole
    found[9:11, 9:11] = True  # touches the first part at a corner
    polygon = outline(encode(found))
    assert polygon is not None
    assert sorted(len(part) for part in polygon.parts) == [1, 1, 2]
    assert rasterise(polygon, (20, 12)) == encode(found)


@settings(max_examples=60)
@given(st.data())
def test_a_simpler_outline_stays_within_its_tolerance(data: st.DataObject) -> None:
    size = data.draw(sizes)
    shape = data.draw(shapes_in(size, "polygon"))
    assert isinstance(shape, Polygon)
    tolerance = data.draw(st.sampled_from([0.1, 0.5, 1.0]))
    simpler = simplified(shape, tolerance)
    assert simpler is not None and crossing(simpler) is None
    if len(shape.parts) == 1:
        assert len(vertices(simpler)) <= len(vertices(shape))
    assert area_px2(simpler, size) <= area_px2(shape, size) + 2 * (tolerance + 1) * 2 * sum(size)


def test_simplifying_the_outline_of_a_disc_keeps_it_and_drops_its_stairs() -> None:
    yy, xx = np.mgrid[:400, :400]
    mask = encode((xx - 200) ** 2 + (yy - 200) ** 2 < 150**2)
    polygon = outline(mask)
    assert polygon is not None
    simpler = simplified(polygon, 1.0)
    assert simpler is not None
    assert len(vertices(simpler)) < len(vertices(polygon)) / 4
    assert likeness(simpler, mask, (400, 400)) > 0.99


def test_a_ring_that_crosses_itself_is_found_and_filled_as_the_rasteriser_fills_it() -> None:
    bow = Polygon(parts=((((2.0, 2.0), (30.0, 30.0), (30.0, 2.0), (2.0, 30.0)),),))
    assert crossing(bow) == (16.0, 16.0)
    mended = repaired(bow)
    assert mended is not None and crossing(mended) is None and len(mended.parts) == 2
    assert likeness(mended, rasterise(bow, (40, 40))) > 0.9
    assert repaired(Polygon(parts=((((1.0, 1.0), (5.0, 5.0), (9.0, 9.0)),),))) is None


@settings(max_examples=60)
@given(st.data())
def test_the_rotated_box_around_a_rotated_box_is_itself(data: st.DataObject) -> None:
    box = data.draw(shapes_in((40, 40), "rotated_box"))
    assert isinstance(box, RotatedBox)
    around = rotated_around(box)
    assert around is not None and 0 <= around.angle_deg < 90
    assert around.width * around.height == pytest.approx(box.width * box.height)
    for x, y in corners(box):
        assert min(math.dist((x, y), corner) for corner in corners(around)) < 1e-6


@settings(max_examples=200)
@given(
    st.tuples(st.integers(-1, 2**33), st.integers(-1, 2**33))
    | st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.text(st.characters(min_codepoint=40, max_codepoint=130), max_size=40),
)
def test_a_hostile_encoding_is_refused_or_means_what_coco_says(size: tuple[int, int], counts: str) -> None:
    mask = Mask(size=size, counts=counts)
    for reads in (decode, outline, bounds, lambda m: area_px2(m, (4, 4)), lambda m: rle_of(m, (4, 4))):
        try:
            masks.check(mask)
        except ValueError:
            with pytest.raises(ValueError):
                reads(mask)
            continue
        if size[0] * size[1] < 10_000:
            reads(mask)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_empty_runs_in_the_middle_do_not_hide_what_follows(runs: list[int]) -> None:
    """The C code stops at an empty run; foreign files have them."""
    total = sum(runs)
    if total == 0:
        return
    wanted = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(1, total, order="F")
    mask = from_runs(runs, (1, total))
    assert (decode(mask) == wanted).all() and area_px2(mask, (total, 1)) == wanted.sum()
    # The same runs as a compressed text, empty ones and all.
    text = coco.frPyObjects({"size": [1, total], "counts": runs}, 1, total)["counts"].decode()
    raw = Mask(size=(1, total), counts=text)
    assert (decode(raw) == wanted).all()
    assert likeness(raw, encode(wanted)) == (1.0 if wanted.any() or raw == encode(wanted) else 0.0)


def test_coordinates_far_outside_cost_no_more_than_the_image() -> None:
    far = 1e300
    huge = Polygon(parts=((((-far, -far), (far, -far), (far, far), (-far, far)),),))
    assert area_px2(huge, (40, 30)) == 1200
    assert area_px2(Box(x=5, y=0, width=far, height=far), (40, 30)) == 35 * 30


def test_thousands_of_shapes_on_a_large_image_take_no_array_of_it_each() -> None:
    size = (4000, 3000)
    rings = [
        tuple((x + 20 * math.cos(i), y + 20 * math.sin(i)) for i in (0.0, 1.5, 3.0, 4.5))
        for x in range(50, 3950, 400) for y in range(50, 2950, 300)
    ]  # fmt: skip
    polygons = [Polygon(parts=((ring,),)) for ring in rings]
    tracemalloc.start()
    areas = [area_px2(polygon, size) for polygon in polygons]
    drawn = [outline(rasterise(polygon, size)) for polygon in polygons]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert min(areas) > 500 and None not in drawn
    assert peak < size[0] * size[1]  # bytes: less than one array of bools
