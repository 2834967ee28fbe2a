"""Geometry of shapes: corners, bounds, areas."""

import math

from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox, Shape


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
        case Points(points=points, visibility=visibility):
            return tuple(
                p for i, p in enumerate(points) if visibility is None or i >= len(visibility) or visibility[i]
            )
        case Mask():
            return ()


def bounds(shape: Shape) -> Box | None:
    """The smallest upright box around a shape; None for an empty mask or points that are all absent."""
    if isinstance(shape, Mask):
        from pycocotools import mask as coco

        from labelwright.core.mask import check

        check(shape)
        x, y, w, h = coco.toBbox({"size": list(shape.size), "counts": shape.counts.encode("ascii")})
        return Box(x=float(x), y=float(y), width=float(w), height=float(h)) if w and h else None
    found = vertices(shape)
    if not found:
        return None
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return Box(x=min(xs), y=min(ys), width=max(xs) - min(xs), height=max(ys) - min(ys))
