"""Whether regions fit their question and their image. Every misfit is a `Problem` at its path; see `core.conform`.

Hides the rules of each kind of shape, and bounds the work that hostile answers can cause.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from labelwright.core.ontology import Attribute, Label, RegionQuestion
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox, Shape, Size

if TYPE_CHECKING:
    from labelwright.core.answer import Region, RegionAnswer

MOST_REGIONS = 20_000
"""In one answer."""
MOST_POINTS = 20_000
"""In one shape."""
MOST_POINTS_IN_ALL = 1_000_000
MOST_MENDED_POINTS = 1_000
"""Putting a ring right takes the square of its points in the worst case."""
MOST_TEXT = 2_000
"""Characters of a free text about one region."""

TOLERANCE_PX = 1.0
"""How far a shape may stick out of its image: files round coordinates, and some count pixels from 1."""


def check_regions(
    question: RegionQuestion, answer: "RegionAnswer", size: Size, *, complete: bool
) -> Iterator[Problem]:
    """Problems of regions in an image of `size` = (width, height); labels are checked by the caller.

    Args:
        question: What was asked.
        answer: The regions.
        size: Of the upright image in pixels.
        complete: Also demand required attributes; a box without them is a natural half-done state.

    Problems:
        too_many_regions, too_many_points, shape_not_allowed, empty_shape, too_few_points, self_crossing, outside_image,
        mask_size, bad_mask, wrong_points, bad_visibility, unknown_attribute, wrong_kind, unknown_option, not_an_integer,
        out_of_bounds, too_long, missing_attribute.
    """
    if len(answer.regions) > MOST_REGIONS:
        message = f"{len(answer.regions)} regions, at most {MOST_REGIONS} allowed in one answer"
        yield Problem(where="regions", code="too_many_regions", message=message)
        return
    in_all = sum(_count(region.shape) for region in answer.regions)
    if in_all > MOST_POINTS_IN_ALL:
        message = (
            f"{in_all} points, at most {MOST_POINTS_IN_ALL} allowed in one answer; draw simpler outlines"
        )
        yield Problem(where="regions", code="too_many_points", message=message)
        return
    labels = {label.id: label for label in question.labels}
    for i, region in enumerate(answer.regions):
        label = labels.get(region.label)
        for problem in _check_region(question, region, label, size, complete=complete):
            yield problem.under(f"regions/{i}")


def mend(answer: "RegionAnswer", size: Size) -> tuple["RegionAnswer", list[Problem]]:
    """What files often hold slightly wrong, put right: for imports and models, where nobody could move a point.

    A box, polygon or line that sticks out of its image is cut at the border; points outside become absent; a ring that
    crosses itself is filled by the even-odd rule. Fitting regions stay the same objects.

    Problems:
        mended, one for each region that changed. What cannot be put right is left for `check_regions` to refuse.
    """
    found: list[Problem] = []
    regions: list[Region] = []
    for i, region in enumerate(answer.regions[:MOST_REGIONS]):
        mended, what = _mended(region.shape, size)
        if what:
            found.append(Problem(where=f"regions/{i}/shape", code="mended", message=what))
            region = region.model_copy(update={"shape": mended})
        regions.append(region)
    return (answer.model_copy(update={"regions": tuple(regions)}), found) if found else (answer, [])


def _mended(shape: Shape, size: Size) -> tuple[Shape, str]:
    from labelwright.core.geometry import clip, repaired

    if isinstance(shape, Mask | RotatedBox) or _count(shape) > MOST_MENDED_POINTS:
        return shape, ""
    problems = {problem.code for problem in _check_shape(shape, None, size)}
    if not problems or not problems <= {"outside_image", "self_crossing"}:
        return shape, ""
    whole = repaired(shape) if isinstance(shape, Polygon) else shape
    inside = clip(whole, size) if whole is not None else None
    if inside is None or any(_check_shape(inside, None, size)):
        return shape, ""
    crossed = isinstance(shape, Polygon) and "self_crossing" in problems
    what = (
        "outline crossed itself; made of simple parts"
        if crossed
        else "stuck out of the image; cut at the border"
    )
    return inside, what


def _check_region(
    question: RegionQuestion, region: "Region", label: Label | None, size: Size, *, complete: bool
) -> Iterator[Problem]:
    shape = region.shape
    if shape.kind not in question.shapes:
        allowed = ", ".join(question.shapes)
        message = f"a {_named(shape)} cannot be drawn for {question.name!r} (allowed: {allowed})"
        yield Problem(where="shape", code="shape_not_allowed", message=message)
    elif _count(shape) > MOST_POINTS:
        message = (
            f"{_count(shape)} points, at most {MOST_POINTS} allowed in one shape; draw a simpler outline"
        )
        yield Problem(where="shape", code="too_many_points", message=message)
    else:
        yield from _check_shape(shape, label, size)
    if label is not None:
        yield from _check_attributes(label, region.attributes, complete=complete)


def _check_shape(shape: Shape, label: Label | None, size: Size) -> Iterator[Problem]:
    match shape:
        case Box() | RotatedBox():
            if shape.width <= 0 or shape.height <= 0:
                message = f"a {_named(shape)} of {shape.width:g} x {shape.height:g} pixels encloses nothing"
                yield Problem(where="shape", code="empty_shape", message=message)
            else:
                yield from _check_border(shape, size)
        case Polygon():
            yield from _check_polygon(shape, size)
        case Polyline(points=points):
            if all(point == points[0] for point in points):
                message = "all points of the line are the same"
                yield Problem(where="shape", code="empty_shape", message=message)
            else:
                yield from _check_border(shape, size)
        case Points():
            yield from _check_points(shape, label, size)
        case Mask():
            yield from _check_mask(shape, size)


def _check_polygon(shape: Polygon, size: Size) -> Iterator[Problem]:
    from labelwright.core.geometry import crossing

    for p, part in enumerate(shape.parts):
        for r, ring in enumerate(part):
            if len(ring) < 3 or len(set(ring)) < 3:
                message = (
                    f"a ring of {len(set(ring))} different points encloses nothing; at least 3 are needed"
                )
                yield Problem(where=f"shape/parts/{p}/{r}", code="too_few_points", message=message)
                return
        if not part:
            message = "a part without an outline encloses nothing"
            yield Problem(where=f"shape/parts/{p}", code="too_few_points", message=message)
            return
        if not _extent(part[0]):
            message = "all points of the outline lie on one upright line, it encloses nothing"
            yield Problem(where=f"shape/parts/{p}", code="empty_shape", message=message)
            return
    outside = list(_check_border(shape, size))
    yield from outside
    # Only inside the image: the check for crossings works on coordinates of a sane size.
    at = None if outside else crossing(shape)
    if at is not None:
        message = f"the outline crosses itself, or a hole leaves it, near ({at[0]:.0f}, {at[1]:.0f})"
        yield Problem(where="shape", code="self_crossing", message=message)


def _check_points(shape: Points, label: Label | None, size: Size) -> Iterator[Problem]:
    skeleton = label.skeleton if label is not None else None
    if label is not None and skeleton is not None and len(shape.points) != len(skeleton.points):
        message = f"{len(shape.points)} points, {label.name!r} has {len(skeleton.points)}; mark missing ones as absent"
        yield Problem(where="shape/points", code="wrong_points", message=message)
    seen = shape.visibility
    if seen is not None and len(seen) != len(shape.points):
        message = f"visibility of {len(seen)} points, there are {len(shape.points)}"
        yield Problem(where="shape/visibility", code="bad_visibility", message=message)
    elif seen is not None and not any(seen):
        yield Problem(where="shape", code="empty_shape", message="every point is absent")
    else:
        yield from _check_border(shape, size)
    if shape.box is not None:
        yield from (p.under("shape/box") for p in _check_border(shape.box, size, where=""))


def _check_mask(shape: Mask, size: Size) -> Iterator[Problem]:
    height, width = shape.size
    if (width, height) != size:
        message = f"a mask of {width} x {height} pixels on an image of {size[0]} x {size[1]}"
        yield Problem(where="shape/size", code="mask_size", message=message)
        return
    from labelwright.core.mask import area_px2

    try:
        area = area_px2(shape, size)
    except ValueError as error:
        yield Problem(where="shape/counts", code="bad_mask", message=str(error))
        return
    if not area:
        yield Problem(where="shape", code="empty_shape", message="the mask has no pixels")


def _check_border(shape: Shape, size: Size, where: str = "shape") -> Iterator[Problem]:
    from labelwright.core.geometry import bounds

    around = bounds(shape)
    if around is None:
        return
    width, height = size
    left, top, right, bottom = around.x, around.y, around.x + around.width, around.y + around.height
    if isinstance(shape, RotatedBox):
        # The box around a thing cut by the border sticks out by nature: its centre has to be inside.
        left = right = shape.x + shape.width / 2
        top = bottom = shape.y + shape.height / 2
    low = -TOLERANCE_PX
    if left < low or top < low or right > width + TOLERANCE_PX or bottom > height + TOLERANCE_PX:
        message = f"reaches from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) in an image of {width} x {height} pixels"
        yield Problem(where=where, code="outside_image", message=message)
    elif (isinstance(shape, Box) and (left >= width or top >= height or right <= 0 or bottom <= 0)) or (
        isinstance(shape, RotatedBox) and max(shape.width, shape.height) > 4 * max(size)
    ):
        message = f"lies outside of the image of {width} x {height} pixels"
        yield Problem(where=where, code="outside_image", message=message)


def _check_attributes(
    label: Label, given: Mapping[str, str | bool | int | float], *, complete: bool
) -> Iterator[Problem]:
    known = {attribute.id: attribute for attribute in label.attributes}
    for key, value in given.items():
        where = f"attributes/{key}"
        attribute = known.get(key)
        if attribute is None:
            names = ", ".join(list(known)[:8]) or "none"
            message = f"{excerpt(key)!r} is not asked of {label.name!r} (attributes: {names})"
            yield Problem(where=where, code="unknown_attribute", message=message)
        else:
            yield from _check_attribute(attribute, value, where)
    for attribute in label.attributes if complete else ():
        if attribute.required and attribute.id not in given:
            message = f"{attribute.name!r} of {label.name!r} needs an answer"
            yield Problem(where=f"attributes/{attribute.id}", code="missing_attribute", message=message)


def _check_attribute(attribute: Attribute, value: str | bool | float, where: str) -> Iterator[Problem]:
    wanted = {"choice": "one of its options", "text": "a text", "boolean": "yes or no"}.get(
        attribute.type, "a number"
    )
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "choice": isinstance(value, str),
        "text": isinstance(value, str),
        "boolean": isinstance(value, bool),
    }
    if not fits.get(attribute.type, is_number):
        message = f"{attribute.name!r} wants {wanted}, got {excerpt(value)}"
        yield Problem(where=where, code="wrong_kind", message=message)
    elif attribute.type == "choice" and value not in attribute.options:
        options = ", ".join(attribute.options[:8])
        message = f"{excerpt(value)!r} is not an option of {attribute.name!r} (options: {options})"
        yield Problem(where=where, code="unknown_option", message=message)
    elif isinstance(value, str) and len(value) > MOST_TEXT:
        message = f"{len(value)} characters, at most {MOST_TEXT} allowed"
        yield Problem(where=where, code="too_long", message=message)
    elif isinstance(value, int | float) and attribute.type in ("integer", "number"):
        yield from _check_number(attribute, value, where)


def _check_number(attribute: Attribute, value: float, where: str) -> Iterator[Problem]:
    low, high = attribute.minimum, attribute.maximum
    if isinstance(value, float) and value - value != 0:
        yield Problem(where=where, code="wrong_kind", message=f"a finite number wanted, got {value!r}")
    elif attribute.type == "integer" and value != int(value):
        yield Problem(where=where, code="not_an_integer", message=f"a whole number wanted, got {value!r}")
    elif (low is not None and value < low) or (high is not None and value > high):
        message = f"{value!r} is outside {'-∞' if low is None else low:} to {'∞' if high is None else high:}"
        yield Problem(where=where, code="out_of_bounds", message=message)


def _count(shape: Shape) -> int:
    match shape:
        case Polygon(parts=parts):
            return sum(len(ring) for part in parts for ring in part)
        case Polyline(points=points) | Points(points=points):
            return len(points)
        case _:
            return 4


def _extent(ring: tuple[Point, ...]) -> bool:
    return all(min(p[axis] for p in ring) < max(p[axis] for p in ring) for axis in (0, 1))


def _named(shape: Shape) -> str:
    return shape.kind.replace("_", " ")
