"""Many rings as one ring, for formats that know nothing else.

Most formats hold one ring per thing. Holes and further parts are tied to it by bridges, lines walked there and back:
they have no area, and by the even-odd rule (COCO's rasteriser) the ring covers exactly what the rings covered.
`parts_of_ring` cuts the bridges again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from labelwright.core.geometry import vertices
from labelwright.core.mask import outline
from labelwright.core.shape import Box, Mask, Point, Polygon, RotatedBox, Shape

Ring = tuple[Point, ...]
Parts = tuple[tuple[Ring, ...], ...]
"""As in `core.shape.Polygon`: per part the outline, then its holes."""


def parts_of(shape: Shape) -> Parts:
    """The outlines of an area shape; none for lines, points and empty masks."""
    match shape:
        case Polygon(parts=parts):
            return parts
        case Mask():
            found = outline(shape)
            return found.parts if found is not None else ()
        case Box() | RotatedBox():
            return ((vertices(shape),),)
        case _:
            return ()


# --- one ring ---------------------------------------------------------------------------------------------------


def signed_area(ring: Ring) -> float:
    """Area of a ring in px^2, positive when it runs clockwise on the screen."""
    if len(ring) < 3:
        return 0.0
    points = np.asarray(ring) - np.asarray(ring[0])
    x, y = points[:, 0], points[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def one_ring(parts: Parts) -> Ring:
    """All rings in one, tied together by bridges between their nearest corners.

    Holes are turned against their outline, so that readers which count windings see them as holes too.
    """
    rings = [
        np.asarray(ring if (signed_area(ring) > 0) == (i == 0) else ring[::-1])
        for part in parts
        for i, ring in enumerate(part)
        if len(ring) >= 3
    ]
    if not rings:
        return ()
    whole, *rest = rings
    while rest:
        # The nearest one first, so that bridges stay short and rarely cross others.
        found = [_nearest(whole, ring) for ring in rest]
        best = min(range(len(rest)), key=lambda i: found[i][0])
        _, a, b = found[best]
        ring = rest.pop(best)
        whole = np.concatenate([whole[: a + 1], ring[b:], ring[: b + 1], whole[a:]])
    return tuple((float(x), float(y)) for x, y in whole)


def _nearest(one: NDArray[Any], other: NDArray[Any]) -> tuple[float, int, int]:
    far = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=2)
    a, b = np.unravel_index(int(far.argmin()), far.shape)
    return float(far[a, b]), int(a), int(b)


def parts_of_ring(ring: Ring) -> Parts:
    """The parts and holes of a ring that was put together with bridges; a plain ring is one part.

    Wherever the ring comes back to a point, the way since then is a ring of its own; a bridge leaves one of two points,
    which has no area. A ring that encloses nothing has no parts.
    """
    way: list[Point] = []
    at: dict[Point, int] = {}
    rings: list[Ring] = []
    for point in (*ring, *ring[:1]):
        back = at.get(point)
        if back is None:
            at[point] = len(way)
            way.append(point)
            continue
        if len(way) - back >= 3:
            rings.append(tuple(way[back:]))
        for left in way[back + 1 :]:
            del at[left]
        del way[back + 1 :]
    return nest(rings)


def nest(rings: Sequence[Ring]) -> Parts:
    """Rings as parts with holes: a ring inside an odd number of others is a hole of the smallest one around it."""
    if len(rings) <= 1:
        return tuple((ring,) for ring in rings)
    areas = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    order = sorted(range(len(rings)), key=lambda i: -abs(signed_area(rings[i])))
    around: dict[int, list[int]] = {}
    for place, i in enumerate(order):
        inside = areas[i].representative_point()
        around[i] = [j for j in order[:place] if areas[j].contains(inside)]
    parts: dict[int, list[Ring]] = {i: [rings[i]] for i in order if len(around[i]) % 2 == 0}
    for i in order:
        if i not in parts:
            parts[next(j for j in reversed(around[i]) if j in parts)].append(rings[i])
    return tuple(tuple(parts[i]) for i in sorted(parts))
