"""Geometry of shapes: corners, bounds, validity, cutting at the image's border, simpler outlines, and how alike two are.

Hides shapely. Polygons are filled by the even-odd rule where a ring crosses itself, as the rasteriser does it.
"""

import math
from collections.abc import Iterable
from typing import Any

import shapely
import shapely.geometry

from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox, Shape, Size


def corners(box: RotatedBox) -> tuple[Point, ...]:
    """The four corners, clockwise on the screen, beginning with what is the top-left one at angle 0."""
    cx, cy = box.x + box.width / 2, box.y + box.height / 2
    turn = math.radians(box.angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    half_width, half_height = box.width / 2, box.height / 2
    offsets = (
        (-half_width, -half_height), (half_width, -half_height), (half_width, half_height), (-half_width, half_height),
    )  # fmt: skip
    return tuple((cx + dx * cos - dy * sin, cy + dx * sin + dy * cos) for dx, dy in offsets)


def is_area(shape: Shape) -> bool:
    """Whether a shape encloses pixels; lines and points do not."""
    return not isinstance(shape, Polyline | Points)


def vertices(shape: Shape) -> tuple[Point, ...]:
    """Every point a shape is given by; of points those that are not absent; none for a mask."""
    match shape:
        case Box(x=x, y=y, width=w, height=h):
            return ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
        case RotatedBox():
            return corners(shape)
        case Polygon(parts=parts):
            return tuple(point for part in parts for ring in part for point in ring)
        case Polyline(points=points):
            return points
        case Points():
            return tuple(point for point in present(shape) if point is not None)
        case Mask():
            return ()


def present(shape: Points) -> list[Point | None]:
    """Its points in order, None for absent ones."""
    seen = shape.visibility
    return [p if seen is None or i >= len(seen) or seen[i] else None for i, p in enumerate(shape.points)]


def bounds(shape: Shape) -> Box | None:
    """The smallest upright box around a shape; None for an empty mask or points that are all absent.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    if isinstance(shape, Box):
        return shape
    if isinstance(shape, Mask):
        from labelwright.core.mask import extent_of

        around = extent_of(shape)
        if around is None:
            return None
        x, y, w, h = map(float, around)
        return Box(x=x, y=y, width=w, height=h)
    found = vertices(shape)
    if not found:
        return None
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return Box(x=min(xs), y=min(ys), width=max(xs) - min(xs), height=max(ys) - min(ys))


def crossing(shape: Polygon) -> Point | None:
    """Where a ring crosses or touches itself, or where a hole leaves its part; None for a polygon without such a place.

    Parts are looked at one by one: two that overlap are filled once.
    """
    for part in shape.parts:
        if any(len(ring) < 3 for ring in part) or not part:
            continue
        made = shapely.geometry.Polygon(part[0], part[1:])
        if not shapely.is_valid(made):
            reason = str(shapely.is_valid_reason(made))
            inside = reason.partition("[")[2].rstrip("]").split()
            return (float(inside[0]), float(inside[1])) if len(inside) >= 2 else part[0][0]
    return None


def repaired(shape: Polygon) -> Polygon | None:
    """The same filled area without rings that cross themselves; None when there is no area."""
    return _polygon(filled(shape))


def simplified(shape: Polygon, tolerance_px: float) -> Polygon | None:
    """Fewer points; no border moves by more than the tolerance, and no ring crosses itself. None when there is no area.

    Source: Douglas and Peucker 1973, in the variant of shapely that keeps the topology.
    """
    return _polygon(shapely.simplify(filled(shape), tolerance_px, preserve_topology=True))


def clip(shape: Shape, size: Size) -> Shape | None:
    """What of a shape lies in an image of `size` = (width, height); None when nothing does.

    Args:
        shape: A rotated box that sticks out becomes a polygon, for what is left is no rectangle. Of a line that leaves
            and comes back the longest piece stays. Points outside become absent; a mask is cut to the size.
        size: Of the image.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    width, height = size
    match shape:
        case Mask():
            from labelwright.core import mask as masks

            return shape if shape.size == (height, width) else masks.resized(shape, size)
        case Points():
            return _points_inside(shape, size)
        case _ if all(_is_inside(point, size) for point in vertices(shape)):
            return shape
        case Box():
            left, top = max(shape.x, 0.0), max(shape.y, 0.0)
            right, bottom = min(shape.x + shape.width, width), min(shape.y + shape.height, height)
            return _spanned(left, top, right, bottom) if right > left and bottom > top else None
        case Polyline(points=points):
            cut = shapely.clip_by_rect(shapely.geometry.LineString(points), 0, 0, width, height)
            lines = [line for line in shapely.get_parts(cut) if line.length > 0]
            if not lines:
                return None
            longest = max(lines, key=lambda line: float(line.length))
            return Polyline(points=_within(longest.coords, size))
        case Polygon() | RotatedBox():
            frame = shapely.box(0, 0, width, height)
            return _polygon(shapely.intersection(filled(shape), frame), size)


def rotated_around(shape: Polygon | RotatedBox | Box) -> RotatedBox | None:
    """The smallest rotated box around a shape, its angle in [0, 90); None when it has no area."""
    around = shapely.minimum_rotated_rectangle(shapely.MultiPoint(vertices(shape)))
    if around.geom_type != "Polygon" or around.area <= 0:
        return None
    a, b, c, _ = list(around.exterior.coords)[:4]
    angle = math.degrees(math.atan2(b[1] - a[1], b[0] - a[0])) % 180.0
    first, second = math.dist(a, b), math.dist(b, c)
    if angle >= 90.0:
        angle, first, second = angle - 90.0, second, first
    cx, cy = (a[0] + c[0]) / 2, (a[1] + c[1]) / 2
    return RotatedBox(x=cx - first / 2, y=cy - second / 2, width=first, height=second, angle_deg=angle)


# --- shapely --------------------------------------------------------------------------------------------------------


def filled(shape: Polygon | RotatedBox | Box) -> Any:
    """The area of a shape as shapely has it; parts that overlap are one, holes that leave their part end at its border."""
    parts = shape.parts if isinstance(shape, Polygon) else ((vertices(shape),),)
    found = []
    for part in parts:
        outline, *holes = [
            shapely.make_valid(shapely.geometry.Polygon(ring)) for ring in part if len(ring) >= 3
        ] or [shapely.geometry.Polygon()]
        found.append(shapely.difference(outline, shapely.union_all(holes)) if holes else outline)
    return found[0] if len(found) == 1 else shapely.union_all(found)


def _polygon(found: Any, size: Size | None = None) -> Polygon | None:
    parts = []
    for each in _polygons(found):
        rings = [each.exterior, *each.interiors]
        parts.append(tuple(_within(list(ring.coords)[:-1], size) for ring in rings))
    return Polygon(parts=tuple(parts)) if parts else None


def _polygons(found: Any) -> Iterable[Any]:
    if found.geom_type == "Polygon":
        return [found] if found.area > 0 else []
    return [each for part in getattr(found, "geoms", ()) for each in _polygons(part)]


def _within(points: Iterable[Any], size: Size | None) -> tuple[Point, ...]:
    """Points as floats; those that rounding put outside of `size` moved back onto its border."""
    width, height = (math.inf, math.inf) if size is None else size
    low = -math.inf if size is None else 0.0
    return tuple(
        (min(max(float(x), low), float(width)), min(max(float(y), low), float(height))) for x, y, *_ in points
    )


def _points_inside(shape: Points, size: Size) -> Points | None:
    points = present(shape)
    outside = [point is not None and not _is_inside(point, size) for point in points]
    around = clip(shape.box, size) if shape.box is not None else None
    if not any(outside):
        return shape if around == shape.box else shape.model_copy(update={"box": around})
    if all(gone or point is None for gone, point in zip(outside, points, strict=True)):
        return None
    seen = shape.visibility or (2,) * len(points)
    return Points(
        points=tuple(
            (0.0, 0.0) if gone else point for gone, point in zip(outside, shape.points, strict=True)
        ),
        visibility=tuple(0 if gone else v for gone, v in zip(outside, seen, strict=True)),
        box=around if isinstance(around, Box) else None,
    )


def _spanned(left: float, top: float, right: float, bottom: float) -> Box:
    """A box between two corners; a width that rounding made too large is made smaller."""
    width, height = right - left, bottom - top
    if left + width > right:
        width = math.nextafter(width, 0.0)
    if top + height > bottom:
        height = math.nextafter(height, 0.0)
    return Box(x=left, y=top, width=width, height=height)


def _is_inside(point: Point, size: Size) -> bool:
    return 0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]
