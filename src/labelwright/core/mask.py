"""Masks: sets of pixels, their run-length encodings, and the one rasteriser that areas come from.

Hides the C code of pycocotools, and keeps what it would read past its memory away from it. A pixel belongs to a shape by
COCO's rule, so that an area computed here equals the one a trainer computes from our files. Works on runs: an image of
12 megapixels with thousands of shapes needs memory for their borders only.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from labelwright.core.shape import Box, Mask, Point, Polygon, RotatedBox, Shape, Size

Pixels = NDArray[np.bool_]
"""Bool array (height, width)."""

Runs = NDArray[np.int64]
"""Lengths of runs, column by column, the first one of background."""

Rle = dict[str, Any]
"""A mask as pycocotools takes it; made by `rle_of` only, which checked it."""

MOST_PIXELS = 2**32 - 1
"""The C code counts pixels in 32 bits."""


def encode(pixels: Pixels) -> Mask:
    """A mask from its pixels."""
    return _from_coco(coco.encode(np.asfortranarray(pixels, dtype=np.uint8)))


def decode(mask: Mask) -> Pixels:
    """The pixels of a mask.

    Raises:
        ValueError: The runs do not fill `size`.
    """
    height, width = mask.size
    return _filled(_checked(mask)).reshape(width, height).T


def check(mask: Mask) -> None:
    """Refuse runs that do not add up: the C code would read past its memory.

    Raises:
        ValueError: They do not fill `size`, or are no run-length encoding.
    """
    _checked(mask)


def runs_of(mask: Mask) -> list[int]:
    """Lengths of the runs, column by column, the first one of background.

    Raises:
        ValueError: No run-length encoding.
    """
    return cast(list[int], _runs(mask.counts).tolist())


def from_runs(runs: list[int], size: tuple[int, int]) -> Mask:
    """A mask from uncompressed COCO counts; `size` is (height, width).

    Raises:
        ValueError: The runs do not fill `size`.
    """
    # Python's own numbers first: foreign counts may be of any size.
    total, (height, width) = sum(runs), size
    if any(run < 0 for run in runs) or not _fills(total, height, width):
        raise ValueError(f"runs of {total} pixels in a mask of {height} x {width}")
    return _mask(np.array(runs, dtype=np.int64), size)


def rasterise(shape: Shape, size: Size) -> Mask:
    """The pixels of an area shape in an image of `size` = (width, height); lines and points have none.

    Args:
        shape: Valid or not: a ring that crosses itself is filled by the even-odd rule. A mask is given back as it is.
        size: Of the image.
    """
    return shape if isinstance(shape, Mask) else _from_coco(rle_of(shape, size))


def rle_of(shape: Shape, size: Size) -> Rle:
    """The same as pycocotools takes it, for its `iou`, `area` and `merge`.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    width, height = size
    match shape:
        case Mask():
            runs = _checked(shape)
            if (runs[1:] == 0).any():  # the C code stops at an empty run
                shape = _mask(runs, shape.size)
            return {"size": list(shape.size), "counts": shape.counts.encode("ascii")}
        case Polygon(parts=parts):
            found = [_part(rings, width, height) for rings in parts if rings]
            return found[0] if len(found) == 1 else _merged(found, width, height)
        case Box(x=x, y=y, width=w, height=h):
            return _ring(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), width, height)
        case RotatedBox():
            from labelwright.core.geometry import corners

            return _ring(corners(shape), width, height)
        case _:
            return _empty(width, height)


def area_px2(shape: Shape, size: Size) -> int:
    """Pixels of an area shape in an image of `size` = (width, height), by the rasteriser; 0 for lines and points.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    if isinstance(shape, Mask):
        return int(_checked(shape)[1::2].sum())
    return int(coco.area(rle_of(shape, size)))


def extent_of(mask: Mask) -> tuple[int, int, int, int] | None:
    """(x, y, width, height) of the smallest box around a mask's pixels; None for an empty one.

    Raises:
        ValueError: The runs do not fill `size`.
    """
    height = mask.size[0]
    starts, ends = _spans(_checked(mask))
    if not len(starts):
        return None
    left, right = int(starts[0] // height), int((ends[-1] - 1) // height)
    # A run that goes on in the next column touches the top and the bottom.
    wraps = bool((starts // height != (ends - 1) // height).any())
    top = 0 if wraps else int((starts % height).min())
    bottom = height - 1 if wraps else int(((ends - 1) % height).max())
    return left, top, right - left + 1, bottom - top + 1


def crop(mask: Mask) -> tuple[int, int, Pixels]:
    """(x, y, pixels) of the smallest box around a mask: its pixels without an array of the whole image.

    Raises:
        ValueError: The runs do not fill `size`.
    """
    around, height = extent_of(mask), mask.size[0]
    if around is None:
        return 0, 0, np.zeros((0, 0), dtype=bool)
    x, y, w, h = around
    starts, ends = _spans(_runs(mask.counts))
    edges = np.stack([starts, ends], axis=1).ravel() - x * height
    runs = np.diff(edges, prepend=0, append=w * height)
    return x, y, _filled(runs).reshape(w, height).T[y : y + h]


def resized(mask: Mask, size: Size) -> Mask:
    """The mask cut, or filled up with background, at the right and at the bottom to an image of `size`."""
    width, height = size
    if mask.size == (height, width):
        return mask
    x, y, pixels = crop(mask)
    whole = np.zeros((height, width), dtype=bool)
    inside = pixels[: max(0, height - y), : max(0, width - x)]
    whole[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return encode(whole)


def outline(mask: Mask) -> Polygon | None:
    """The border of a mask along its pixels' edges, with its holes; None for an empty mask.

    Pixels that touch at a corner only are parts of their own, so every part is a valid polygon. Rasterised in an image
    of the mask's size it gives exactly the mask.

    Raises:
        ValueError: The runs do not fill `size`.
    """
    import cv2

    x, y, pixels = crop(mask)
    if not pixels.size:
        return None
    _, islands = cv2.connectedComponents(pixels.astype(np.uint8), connectivity=4)
    outlines: dict[int, tuple[Point, ...]] = {}
    holes: dict[int, list[tuple[Point, ...]]] = {}
    for ring in _borders(pixels):
        area2 = sum(a * d - b * c for (a, b), (c, d) in zip(ring, (*ring[1:], ring[0]), strict=True))
        (ax, ay), bx = ring[0], ring[1][0]
        left = min(ax, bx)
        # A ring begins with a horizontal edge: the pixel above or the one below it is the mask's.
        island = int((islands[ay, left] if ay < len(islands) else 0) or islands[ay - 1, left])
        moved = tuple((float(px + x), float(py + y)) for px, py in ring)
        if area2 > 0:
            outlines[island] = moved
        else:
            holes.setdefault(island, []).append(moved)
    return Polygon(parts=tuple((ring, *holes.get(key, ())) for key, ring in sorted(outlines.items())))


def _borders(pixels: Pixels) -> list[list[tuple[int, int]]]:
    """Simple rings along pixel edges: outlines clockwise on the screen (positive area, y down), holes the other way.

    Corners of the border are joined in pairs along rows, then along columns; a ring takes both kinds in turn.
    """
    padded = np.pad(pixels, 1).astype(np.int8)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    ones = above_left + above_right + below_left + below_right
    crossing = (ones == 2) & (above_left == below_right)
    corner = (ones == 1) | (ones == 3) | crossing
    ys, xs = np.nonzero(corner)
    twice = crossing[ys, xs]
    # At a crossing two corners lie on one another: the first has the edge to the left, the second that to the right.
    index = np.repeat(np.arange(len(xs)), 1 + twice)
    ys, xs, second = ys[index], xs[index], np.zeros(len(index), dtype=bool)
    second[1:] = index[1:] == index[:-1]
    along_row = np.arange(len(xs)) ^ 1
    # The edge to the left goes on upwards around a pixel that lies there, and downwards around one below.
    down = np.where(above_left[ys, xs].astype(bool), second, ~second) & twice[index]
    order = np.lexsort((down, ys, xs))
    along_column = np.empty(len(xs), dtype=np.int64)
    along_column[order] = order[np.arange(len(xs)) ^ 1]
    # Clockwise: a horizontal edge with the mask below it is walked to the right.
    has_below = padded[ys + 1, np.minimum(xs, xs[along_row]) + 1].astype(bool)
    starts = np.nonzero(has_below == (xs < xs[along_row]))[0]
    row_next, column_next = along_row.tolist(), along_column.tolist()
    points = list(zip(xs.tolist(), ys.tolist(), strict=True))
    seen = bytearray(len(points))
    rings: list[list[tuple[int, int]]] = []
    for start in starts.tolist():
        if seen[start]:
            continue
        ring: list[tuple[int, int]] = []
        at = start
        while not seen[at]:
            other = row_next[at]
            seen[at] = seen[other] = 1
            ring += (points[at], points[other])
            at = column_next[other]
        rings += _simple(ring)
    return rings


def _simple(ring: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """The ring cut where it touches itself; each piece begins with a horizontal edge."""
    if len(set(ring)) == len(ring):
        return [ring]
    pieces: list[list[tuple[int, int]]] = []
    way: list[tuple[int, int]] = []
    place: dict[tuple[int, int], int] = {}
    for point in ring:
        if point in place:
            cut = place[point]
            pieces.append(way[cut:])
            for gone in way[cut + 1 :]:
                del place[gone]
            del way[cut + 1 :]
        else:
            place[point] = len(way)
            way.append(point)
    pieces.append(way)
    return [piece if piece[0][1] == piece[1][1] else piece[1:] + piece[:1] for piece in pieces]


# --- pycocotools ----------------------------------------------------------------------------------------------------


def _part(rings: tuple[tuple[Point, ...], ...], width: int, height: int) -> Rle:
    part = _ring(rings[0], width, height)
    for hole in rings[1:]:
        part = cast(Rle, coco.merge([part, _complement(_ring(hole, width, height))], intersect=True))
    return part


def _ring(ring: tuple[Point, ...], width: int, height: int) -> Rle:
    """One filled ring; the work is that of its border, so what lies far outside is pulled nearer first."""
    if len(ring) < 3:
        return _empty(width, height)
    reach = 4.0 * max(width, height)
    flat = [coordinate for point in ring for coordinate in point]
    if min(flat) < -reach or max(flat) > reach:
        flat = [min(max(coordinate, -reach), reach) for coordinate in flat]
    return cast(Rle, coco.frPyObjects([flat], height, width)[0])


def _merged(found: list[Rle], width: int, height: int) -> Rle:
    return cast(Rle, coco.merge(found, intersect=False)) if found else _empty(width, height)


def _complement(rle: Rle) -> Rle:
    runs = _runs(rle["counts"].decode("ascii"))
    flipped = runs[1:] if runs[0] == 0 else np.concatenate([[0], runs])
    height, width = rle["size"]
    return _packed(flipped, height, width)


def _empty(width: int, height: int) -> Rle:
    return _packed(np.array([width * height]), height, width)


def _packed(runs: Runs, height: int, width: int) -> Rle:
    found = coco.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)
    return cast(Rle, found)


def _from_coco(found: Rle) -> Mask:
    counts, size = found["counts"], found["size"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else str(counts)
    return Mask(size=(int(size[0]), int(size[1])), counts=text)


# --- runs -----------------------------------------------------------------------------------------------------------


def _runs(counts: str) -> Runs:
    """Source: `rleFrString` of pycocotools (maskApi.c): 5 bits a character, from the third run on as a difference."""
    try:
        codes = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise ValueError("no run-length encoding") from None
    if not len(codes):
        return codes
    last = (codes & 0x20) == 0
    ends = np.nonzero(last)[0]
    if (codes < 0).any() or (codes > 63).any() or not last[-1]:
        raise ValueError("no run-length encoding, or one that is cut off")
    firsts = np.concatenate([[0], ends[:-1] + 1])
    shift = 5 * (np.arange(len(codes)) - np.repeat(firsts, ends - firsts + 1))
    if (shift > 30).any():
        raise ValueError("no run-length encoding")
    values = np.add.reduceat((codes & 0x1F) << shift, firsts)
    negative = (codes[ends] & 0x10) != 0
    values[negative] -= 1 << (shift[ends][negative] + 5)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if (values < 0).any():
        raise ValueError("a run of negative length")
    return values


def _checked(mask: Mask) -> Runs:
    runs, (height, width) = _runs(mask.counts), mask.size
    total = int(runs.sum())
    if not _fills(total, height, width):
        raise ValueError(f"runs of {total} pixels in a mask of {height} x {width}")
    return runs


def _fills(total: int, height: int, width: int) -> bool:
    return height > 0 and width > 0 and total == height * width <= MOST_PIXELS


def _mask(runs: Runs, size: tuple[int, int]) -> Mask:
    """From runs that fill `size`, without the empty ones: the C code would stop at them."""
    height, width = size
    starts, ends = _spans(runs)
    joined = np.ones(len(starts), dtype=bool)
    joined[1:] = starts[1:] != ends[:-1]
    first = np.nonzero(joined)[0]
    starts, ends = starts[joined], ends[np.append(first[1:] - 1, len(ends) - 1)] if len(first) else ends
    edges: Runs = np.stack([starts, ends], axis=1).ravel()
    if len(edges) and edges[-1] == height * width:
        edges = edges[:-1]
    return _from_coco(_packed(np.diff(edges, prepend=0, append=height * width), height, width))


def _spans(runs: Runs) -> tuple[Runs, Runs]:
    """(starts, ends) of what is not empty of the mask, counted in pixels column by column."""
    ends = np.cumsum(runs)
    starts, ends = (ends - runs)[1::2], ends[1::2]
    some = ends > starts
    return starts[some], ends[some]


def _filled(runs: Runs) -> Pixels:
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)
