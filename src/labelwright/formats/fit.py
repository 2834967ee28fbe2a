"""Shapes of other tools as ours: four corners, boxes turned around a corner, ellipses."""

import math
from collections.abc import Sequence

from labelwright.core.geometry import corners
from labelwright.core.shape import Polygon, RotatedBox

RECTANGLE_PX = 0.5
"""Four corners that are nowhere farther than this from a rectangle are one."""


def rectangle(quad: Sequence[Sequence[float]], tolerance_px: float = RECTANGLE_PX) -> RotatedBox | None:
    """Four corners in order, either way round, as a turned box; None when they are no rectangle."""
    points = [(float(x), float(y)) for x, y in quad]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True))
    if (
        area < 0
    ):  # counter-clockwise on the screen: the same corners from the same first one, the other way round
        points = [points[0], *points[:0:-1]]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    width, height = math.hypot(bx - ax, by - ay), math.hypot(dx - ax, dy - ay)
    middle = ((ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4)
    angle = math.degrees(math.atan2(by - ay, bx - ax)) if width else 0.0
    box = RotatedBox(
        x=middle[0] - width / 2, y=middle[1] - height / 2, width=width, height=height, angle_deg=angle
    )
    off = max(math.dist(p, q) for p, q in zip(points, corners(box), strict=True))
    return box if off <= tolerance_px else None


def from_corner(x: float, y: float, width: float, height: float, angle_deg: float) -> RotatedBox:
    """A box turned clockwise around its top-left corner (`x`, `y`), as Label Studio means it."""
    turn = math.radians(angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    middle = (x + width / 2 * cos - height / 2 * sin, y + width / 2 * sin + height / 2 * cos)
    return RotatedBox(
        x=middle[0] - width / 2, y=middle[1] - height / 2, width=width, height=height, angle_deg=angle_deg
    )


def ellipse(cx: float, cy: float, rx: float, ry: float, angle_deg: float = 0.0, steps: int = 72) -> Polygon:
    """An ellipse as a polygon of the same area within 0.1 %."""
    turn = math.radians(angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    # On a circle the inscribed polygon is too small by this factor; half of it on each axis makes the areas equal.
    step = 2 * math.pi / steps
    grown = math.sqrt(step / math.sin(step))
    ring = []
    for i in range(steps):
        x, y = rx * grown * math.cos(i * step), ry * grown * math.sin(i * step)
        ring.append((cx + x * cos - y * sin, cy + x * sin + y * cos))
    return Polygon(parts=((tuple(ring),),))
