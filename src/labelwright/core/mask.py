"""Masks: sets of pixels, their run-length encodings, and the one rasteriser that areas come from.

Hides the C code of pycocotools. A pixel belongs to a shape by COCO's rule, so that an area computed here equals the one
a trainer computes from our files.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from labelwright.core.shape import Box, Mask, Point, Polygon, RotatedBox, Shape, Size

Pixels = NDArray[np.bool_]
"""Bool array (height, width)."""


def encode(pixels: Pixels) -> Mask:
    """A mask from its pixels."""
    found = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return _from_coco(found)


def decode(mask: Mask) -> Pixels:
    """The pixels of a mask.

    Raises:
        ValueError: The runs do not fill `size`.
    """
    check(mask)
    return cast(Pixels, coco.decode(_coco(mask)).astype(bool))


def check(mask: Mask) -> None:
    """Refuse runs that do not add up: the C code would read past its memory.

    Raises:
        ValueError: They do not fill `size`, or are no run-length encoding.
    """
    height, width = mask.size
    total = sum(runs_of(mask))
    if height < 1 or width < 1 or total != height * width:
        raise ValueError(f"runs of {total} pixels in a mask of {height} x {width}")


def runs_of(mask: Mask) -> list[int]:
    """Lengths of the runs, column by column, the first one of background.

    Source: `rleFrString` of pycocotools (maskApi.c), bounded.

    Raises:
        ValueError: No run-length encoding.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for char in mask.counts:
        code = ord(char) - 48
        if not 0 <= code < 64 or shift > 30:
            raise ValueError("no run-length encoding")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value |= -1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise ValueError("a run of negative length")
        runs.append(value)
        value, shift = 0, 0
    if shift:
        raise ValueError("the run-length encoding is cut off")
    return runs


def from_runs(runs: list[int], size: tuple[int, int]) -> Mask:
    """A mask from uncompressed COCO counts; `size` is (height, width).

    Raises:
        ValueError: The runs do not fill `size`.
    """
    height, width = size
    if any(run < 0 for run in runs) or sum(runs) != height * width or height < 1 or width < 1:
        raise ValueError(f"runs of {sum(runs)} pixels in a mask of {height} x {width}")
    return _from_coco(coco.frPyObjects({"size": [height, width], "counts": runs}, height, width))


def rasterise(shape: Shape, size: Size) -> Mask:
    """The pixels of an area shape in an image of `size` = (width, height); lines and points have none."""
    width, height = size
    match shape:
        case Mask():
            return shape
        case Polygon(parts=parts):
            whole = np.zeros((height, width), dtype=bool)
            for outline, *holes in parts:
                part = _ring(outline, size)
                for hole in holes:
                    part &= ~_ring(hole, size)
                whole |= part
            return encode(whole)
        case Box(x=x, y=y, width=w, height=h):
            return encode(_ring(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), size))
        case RotatedBox():
            from labelwright.core.geometry import corners

            return encode(_ring(corners(shape), size))
        case _:
            return encode(np.zeros((height, width), dtype=bool))


def _ring(ring: tuple[Point, ...], size: Size) -> Pixels:
    width, height = size
    if len(ring) < 3:
        return np.zeros((height, width), dtype=bool)
    flat = [float(c) for point in ring for c in point]
    return cast(Pixels, coco.decode(coco.frPyObjects([flat], height, width))[:, :, 0].astype(bool))


def _coco(mask: Mask) -> dict[str, object]:
    return {"size": list(mask.size), "counts": mask.counts.encode("ascii")}


def _from_coco(found: dict[str, object]) -> Mask:
    counts, size = found["counts"], cast(list[int], found["size"])
    text = counts.decode("ascii") if isinstance(counts, bytes) else str(counts)
    return Mask(size=(int(size[0]), int(size[1])), counts=text)
