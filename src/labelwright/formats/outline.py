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
from scipy.spatial import cKDTree

from labelwright.core.geometry import vertices
from labelwright.core.mask import outline
from labelwright.core.shape import Box, Mask, Point, Polygon, RotatedBox, Shape

Ring = tuple[Point, ...]
Parts = tuple[tuple[Ring, ...], ...]
"""As in `core.shape.Polygon`: per part the outline, then its holes."""

MAX_RINGS = 2_000
"""A ring that falls into more is left whole: which lies in which takes the square of their number in the worst case."""


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
    if len(rings) < 2:
        return tuple((float(x), float(y)) for ring in rings for x, y in ring)
    bridges = _bridges(rings)
    whole: list[NDArray[Any]] = []
    # A step is a point, or a ring with the corner at which it is entered.
    steps: list[tuple[int, int, bool]] = [(0, 0, True)]
    while steps:
        r, at, is_ring = steps.pop()
        if not is_ring:
            whole.append(rings[r][at])
            continue
        walk: list[tuple[int, int, bool]] = []
        for k in range(len(rings[r])):
            corner = (at + k) % len(rings[r])
            walk.append((r, corner, False))
            for child, entry in bridges.get((r, corner), ()):
                walk += [(child, entry, True), (child, entry, False), (r, corner, False)]
        steps += reversed(walk)
    return tuple((float(x), float(y)) for x, y in whole)


def _bridges(rings: list[NDArray[Any]]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """(ring, corner) -> (ring, corner) of the rings that hang there: the shortest tree over all rings.

    Source: Prim 1957, with the corners of the ring added last in a k-d tree.
    """
    points = np.concatenate(rings)
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    first = np.searchsorted(owner, np.arange(len(rings)))
    far = np.full(len(points), np.inf)
    link = np.zeros((len(points), 2), dtype=np.int64)
    waiting = owner != 0
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    last = 0
    while waiting.any():
        rest = np.flatnonzero(waiting)
        distance, corner = cKDTree(rings[last]).query(points[rest])
        nearer = distance < far[rest]
        far[rest[nearer]] = distance[nearer]
        link[rest[nearer]] = np.stack([np.full(nearer.sum(), last), corner[nearer]], axis=1)
        best = int(rest[far[rest].argmin()])
        last = int(owner[best])
        waiting &= owner != last
        found.setdefault((int(link[best, 0]), int(link[best, 1])), []).append((last, best - int(first[last])))
    return found


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
    return nest(rings) if len(rings) <= MAX_RINGS else ((ring,),)


def nest(rings: Sequence[Ring]) -> Parts:
    """Rings as parts with holes: a ring inside an odd number of others is a hole of the smallest one around it."""
    if len(rings) <= 1:
        return tuple((ring,) for ring in rings)
    areas = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    size = [abs(signed_area(ring)) for ring in rings]
    order = sorted(range(len(rings)), key=lambda i: -size[i])
    inner, outer = shapely.STRtree(areas).query([each.representative_point() for each in areas], "within")
    around: dict[int, list[int]] = {i: [] for i in order}
    for i, j in sorted(zip(inner.tolist(), outer.tolist(), strict=True), key=lambda pair: -size[pair[1]]):
        if size[j] > size[i]:
            around[i].append(j)
    parts: dict[int, list[Ring]] = {i: [rings[i]] for i in order if len(around[i]) % 2 == 0}
    for i in order:
        if i not in parts:
            parts[next(j for j in reversed(around[i]) if j in parts)].append(rings[i])
    return tuple(tuple(parts[i]) for i in sorted(parts))
