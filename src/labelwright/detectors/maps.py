"""Regions from maps: masks and polygons in the picture from probabilities over a network's input.

Hides where a map's cells lie in the picture, and connected parts.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelwright.core.detector import DetectorSpec, Found, LogitsMap, Marks, Seen
from labelwright.core.geometry import bounds, vertices
from labelwright.core.mask import Pixels, encode, outline, rasterise
from labelwright.core.shape import Box, Mask, Point, Polygon, RotatedBox, Size
from labelwright.detectors.fit import Fit, sample

Array = NDArray[Any]
Drawn = Box | RotatedBox | Polygon | Mask
MOST_PIXELS = 16_000_000
"""A larger picture is segmented at this many pixels and the regions are enlarged."""


def mask_of(values: Array, fit: Fit, box: Box, at_least: float = 0.5) -> Mask | None:
    """The pixels of the picture inside `box` where a map over the input reaches `at_least`; None when there are none."""
    width, height = fit.picture
    x0, y0 = int(np.floor(box.x)), int(np.floor(box.y))
    x1, y1 = min(width, int(np.ceil(box.x + box.width))), min(height, int(np.ceil(box.y + box.height)))
    inside = sample(np.asarray(values, np.float32), fit, (x0, y0, x1 - x0, y1 - y0)) >= at_least
    if not inside.any():
        return None
    whole = np.zeros((height, width), bool)
    whole[y0:y1, x0:x1] = inside
    return encode(whole)


def regions(probabilities: Array, layout: LogitsMap, spec: DetectorSpec, fit: Fit) -> Seen:
    """The regions of a map (classes, h, w): most probable class per pixel, or every class above the threshold.

    A region's score is the mean probability of its class over its pixels.
    """
    width, height = fit.picture
    shrink = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    found: list[tuple[float, int, Pixels]] = []
    for number, member, certainty in _members(probabilities, layout, fit, size):
        found += _parts(number, member, certainty, layout, (width * height) / (size[0] * size[1]))
    found.sort(key=lambda each: -each[0])
    kept = [each for each in found if each[0] >= spec.score_threshold]
    objects = tuple(
        Found(class_number=number, score=min(1.0, score), shape=encode(_enlarged(member, fit.picture)))
        for score, number, member in kept[: spec.max_objects]
    )
    return Seen(objects=objects, cut=max(0, len(kept) - spec.max_objects))


def _members(
    probabilities: Array, layout: LogitsMap, fit: Fit, size: Size
) -> list[tuple[int, Pixels, Array]]:
    """(class, its pixels, its probability at each of all pixels) at `size` = (width, height)."""
    window = (0, 0, *fit.picture)
    highest = probabilities.reshape(len(probabilities), -1).max(axis=1)
    if layout.threshold is not None:
        found = []
        for number in np.flatnonzero(highest >= layout.threshold).tolist():
            if number != layout.background:
                certainty = sample(probabilities[number], fit, window, size)
                found.append((number, certainty >= layout.threshold, certainty))
        return found
    # A class that is nowhere above the lowest winner wins nowhere between two cells either.
    possible = np.flatnonzero(highest >= float(probabilities.max(axis=0).min())).tolist()
    best = np.full(size[::-1], -1, np.float32)
    winner = np.full(size[::-1], -1, np.int32)
    for number in possible:
        certainty = sample(probabilities[number], fit, window, size)
        above = certainty > best
        best[above], winner[above] = certainty[above], number
    return [
        (number, winner == number, best)
        for number in possible
        if number != layout.background and (winner == number).any()
    ]


def _parts(
    number: int, member: Pixels, certainty: Array, layout: LogitsMap, area_px2: float
) -> list[tuple[float, int, Pixels]]:
    """(score, class, pixels) of the regions of one class; `area_px2` is how much of the picture a pixel stands for."""
    n, labels, stats, _ = cv2.connectedComponentsWithStats(member.astype(np.uint8), connectivity=8)
    large = [k for k in range(1, n) if stats[k, cv2.CC_STAT_AREA] * area_px2 >= layout.min_area_px2]
    if not large:
        return []
    if layout.per == "class":
        whole = np.isin(labels, large)
        return [(float(certainty[whole].mean(dtype=np.float64)), number, whole)]
    found = []
    for k in large:
        part = labels == k
        found.append((float(certainty[part].mean(dtype=np.float64)), number, part))
    return found


def _enlarged(member: Pixels, picture: Size) -> Pixels:
    if member.shape == picture[::-1]:
        return member
    return np.asarray(cv2.resize(member.astype(np.uint8), picture, interpolation=cv2.INTER_NEAREST), bool)


def drawn(shape: Box | Mask, marks: Marks, picture: Size, simplify_px: float = 1.0) -> Drawn:
    """The same thing as another kind of shape: exact from a box; from a mask its outline, or the box around it."""
    if isinstance(shape, Mask):
        if marks == "mask":
            return shape
        if marks == "polygon":
            return _outline(shape, simplify_px)
        around = bounds(shape)
        assert around is not None
        shape = around
    match marks:
        case "box":
            return shape
        case "rotated_box":
            return RotatedBox(x=shape.x, y=shape.y, width=shape.width, height=shape.height, angle_deg=0.0)
        case "polygon":
            return Polygon(parts=((vertices(shape),),))
        case "mask":
            return rasterise(shape, picture)


def _outline(mask: Mask, simplify_px: float) -> Polygon:
    """The outline of a mask, moved by at most `simplify_px` to need fewer points."""
    exact = outline(mask)
    assert exact is not None
    parts = []
    for outer, *holes in exact.parts:
        kept = [short for hole in holes if (short := _simple(hole, simplify_px))]
        parts.append((_simple(outer, simplify_px) or outer, *kept))
    return Polygon(parts=tuple(parts))


def _simple(ring: tuple[Point, ...], simplify_px: float) -> tuple[Point, ...]:
    """The ring with fewer points; empty when nothing of it is left."""
    if simplify_px <= 0:
        return ring
    short = cv2.approxPolyDP(np.array(ring, np.float32).reshape(-1, 1, 2), simplify_px, True).reshape(-1, 2)
    return tuple((float(x), float(y)) for x, y in short) if len(short) >= 3 else ()
