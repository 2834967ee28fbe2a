"""How alike two shapes are, in [0, 1]: IoU of areas, and measures of the same range for lines and key points.

Hides which computation is exact for which kinds, and keeps the work to pairs that can touch.
- Boxes, upright or rotated: IoU worked out from their corners, without rounding to pixels.
- As soon as a polygon or a mask takes part: IoU of pixels by the one rasteriser (`core.mask`), as COCO evaluates it.
- Lines: IoU of the lines made broad, as lane detection is scored (Pan et al. 2018, "Spatial as deep", section 4: lines
  30 pixels wide in frames of 1640 x 590); the width here follows the extent of the two lines.
- Points: object keypoint similarity of COCO, with one spread for all points (the mean of COCO's for people), points that
  only one side has counted as 0, and the mean of both extents as the scale, which makes it symmetric.
- An area is not compared with a line or points: 0.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import shapely
from numpy.typing import NDArray

from labelwright.core import geometry
from labelwright.core import mask as masks
from labelwright.core.shape import Box, Mask, Point, Points, Polyline, RotatedBox, Shape, Size

Likeness = tuple[int, int, float]
"""(position on the left, position on the right, value above 0)."""

Numbers = NDArray[np.float64]

KEYPOINT_SPREAD = 0.134
"""Two sigma: the mean over the 17 key points of COCO's evaluation."""
LEAST_SCALE_PX = 32.0
"""A single point has no extent: it is taken as one of a thing at COCO's border between small and medium."""
LINE_WIDTH = 0.04
"""Of a broad line, as a share of the diagonal around both lines."""
LEAST_LINE_WIDTH_PX = 3.0
MOST_EDGE_PX = 2**16 - 1
"""Of an image made up around shapes: the C code counts its pixels in 32 bits."""
AT_ONCE = 1_000_000
"""Pairs of bounds compared at once."""


def likeness(one: Shape, other: Shape, size: Size | None = None) -> float:
    """The value of one pair: 1 for equal shapes, symmetric.

    Args:
        one: A shape.
        other: Another one.
        size: (width, height) of the image, which cuts off what sticks out where pixels are compared.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    if one == other:
        return 1.0
    return next((value for _, _, value in likenesses([one], [other], size)), 0.0)


def likenesses(left: Sequence[Shape], right: Sequence[Shape], size: Size | None = None) -> list[Likeness]:
    """All pairs that are alike at all, in order.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    found: list[Likeness] = []
    kinds: tuple[tuple[Callable[[Shape], bool], Any], ...] = (
        (geometry.is_area, _areas),
        (lambda shape: isinstance(shape, Polyline), _lines),
        (lambda shape: isinstance(shape, Points), _points),
    )
    for belongs, measure in kinds:
        mine = [i for i, shape in enumerate(left) if belongs(shape)]
        theirs = [j for j, shape in enumerate(right) if belongs(shape)]
        if mine and theirs:
            values = measure([left[i] for i in mine], [right[j] for j in theirs], size)
            found += [(mine[i], theirs[j], min(value, 1.0)) for i, j, value in values if value > 0]
    return sorted(found)


def frame_of(shapes: Sequence[Shape]) -> Size:
    """(width, height) of an image that holds all of them."""
    ends = np.nan_to_num(_reaches(shapes)[:, 2:], nan=0.0).max(axis=0, initial=0.0)
    sizes = [shape.size for shape in shapes if isinstance(shape, Mask)]
    width = max([math.ceil(ends[0]) + 1, *(w for _, w in sizes)])
    height = max([math.ceil(ends[1]) + 1, *(h for h, _ in sizes)])
    return min(width, MOST_EDGE_PX), min(height, MOST_EDGE_PX)


def _reaches(shapes: Sequence[Shape]) -> Numbers:
    """Bounds as rows of left, top, right, bottom; not-a-number, which touches nothing, for what has none."""
    rows = np.full((len(shapes), 4), np.nan)
    for i, shape in enumerate(shapes):
        around = geometry.bounds(shape)
        if around is not None:
            rows[i] = (around.x, around.y, around.x + around.width, around.y + around.height)
    return rows


def _touching(left: Numbers, right: Numbers) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs whose bounds share an area, in bounded pieces."""
    step = max(1, AT_ONCE // max(1, len(right)))
    for start in range(0, len(left), step):
        part = left[start : start + step, None]
        meet = (part[..., :2] < right[None, :, 2:]).all(axis=2) & (right[None, :, :2] < part[..., 2:]).all(
            axis=2
        )
        i, j = np.nonzero(meet)
        if len(i):
            yield i + start, j


def _areas(left: list[Shape], right: list[Shape], size: Size | None) -> Iterator[Likeness]:
    a, b = _reaches(left), _reaches(right)
    if all(isinstance(shape, Box) for shape in (*left, *right)):
        for i, j in _touching(a, b):
            yield from zip(i.tolist(), j.tolist(), _iou_of_bounds(a[i], b[j]).tolist(), strict=True)
        return
    exact = Box, RotatedBox
    frame = size if size is not None else frame_of([*left, *right])
    pixels = _Pixels(frame)
    for i, j in _touching(a, b):
        sharp = np.array(
            [isinstance(left[x], exact) and isinstance(right[y], exact) for x, y in zip(i, j, strict=True)]
        )
        if sharp.any():
            mine, theirs = [left[x] for x in i[sharp]], [right[y] for y in j[sharp]]
            yield from zip(i[sharp].tolist(), j[sharp].tolist(), _iou_of_outlines(mine, theirs), strict=True)
        for x in np.unique(i[~sharp]).tolist():
            partners = j[~sharp & (i == x)].tolist()
            values = pixels.iou(left[x], [right[y] for y in partners])
            yield from zip([x] * len(partners), partners, values, strict=True)


def _iou_of_bounds(a: Numbers, b: Numbers) -> Numbers:
    both = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).prod(axis=1)
    either = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - both
    return cast(Numbers, both / either)


def _iou_of_outlines(mine: list[Shape], theirs: list[Shape]) -> list[float]:
    one, other = (shapely.polygons([geometry.vertices(shape) for shape in side]) for side in (mine, theirs))
    both = shapely.area(shapely.intersection(one, other))
    either = shapely.area(one) + shapely.area(other) - both
    values = np.divide(both, either, out=np.zeros(len(mine)), where=either > 0).tolist()
    return [1.0 if a == b else value for a, b, value in zip(mine, theirs, values, strict=True)]


class _Pixels:
    """Shapes as pycocotools takes them, each rasterised once."""

    def __init__(self, frame: Size) -> None:
        self._frame = frame
        self._known: dict[int, masks.Rle] = {}

    def iou(self, one: Shape, others: list[Shape]) -> list[float]:
        from pycocotools import mask as coco

        rows = coco.iou([self._rle(one)], [self._rle(other) for other in others], [0] * len(others))
        return [
            float(value) if value > 0 else self._iou_of_slivers(one, other)
            for value, other in zip(rows[0], others, strict=True)
        ]

    def _iou_of_slivers(self, one: Shape, other: Shape) -> float:
        """Shapes too thin for a single pixel have an area all the same."""
        from pycocotools import mask as coco

        if isinstance(one, Mask | Polyline | Points) or isinstance(other, Mask | Polyline | Points):
            return 0.0
        if coco.area([self._rle(one), self._rle(other)]).any():
            return 0.0
        both, either = (
            join(geometry.filled(one), geometry.filled(other)).area
            for join in (shapely.intersection, shapely.union)
        )
        return 1.0 if one == other else both / either if either > 0 else 0.0

    def _rle(self, shape: Shape) -> masks.Rle:
        # By identity: the lists of shapes outlive this.
        found = self._known.get(id(shape))
        if found is None:
            whole = masks.resized(shape, self._frame) if isinstance(shape, Mask) else shape
            found = self._known[id(shape)] = masks.rle_of(whole, self._frame)
        return found


def _lines(left: list[Shape], right: list[Shape], size: Size | None) -> Iterator[Likeness]:
    a, b = _reaches(left), _reaches(right)
    mine, theirs = ([shapely.linestrings(geometry.vertices(s)) for s in side] for side in (left, right))
    wide = _grown(a), _grown(b)
    for rows, columns in _touching(*wide):
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
            low, high = np.minimum(a[i, :2], b[j, :2]), np.maximum(a[i, 2:], b[j, 2:])
            width = max(LEAST_LINE_WIDTH_PX, LINE_WIDTH * float(np.hypot(*(high - low))))
            one, other = (line.buffer(width / 2, quad_segs=4) for line in (mine[i], theirs[j]))
            both = one.intersection(other).area
            yield i, j, 1.0 if left[i] == right[j] else both / (one.area + other.area - both)


def _points(left: list[Shape], right: list[Shape], size: Size | None) -> Iterator[Likeness]:
    a, b = _reaches(left), _reaches(right)
    for rows, columns in _touching(_grown(a), _grown(b)):
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
            one, other = left[i], right[j]
            if isinstance(one, Points) and isinstance(other, Points):
                yield i, j, _similarity(one, other)


def _grown(reaches: Numbers) -> Numbers:
    """Bounds with room around: what lies further apart is not alike."""
    room = np.maximum((reaches[:, 2:] - reaches[:, :2]).max(axis=1, keepdims=True), 2 * LEAST_SCALE_PX)
    return np.concatenate([reaches[:, :2] - room, reaches[:, 2:] + room], axis=1)


def _similarity(one: Points, other: Points) -> float:
    scale2 = max((_extent_px2(one) + _extent_px2(other)) / 2, LEAST_SCALE_PX**2)
    mine, theirs = geometry.present(one), geometry.present(other)
    longest = max(len(mine), len(theirs))
    total, n = 0.0, 0
    for i in range(longest):
        p: Point | None = mine[i] if i < len(mine) else None
        q: Point | None = theirs[i] if i < len(theirs) else None
        n += p is not None or q is not None
        if p is not None and q is not None:
            total += math.exp(-((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) / (2 * scale2 * KEYPOINT_SPREAD**2))
    return total / n if n else 0.0


def _extent_px2(points: Points) -> float:
    around = points.box or geometry.bounds(points)
    return around.width * around.height if around is not None else 0.0
