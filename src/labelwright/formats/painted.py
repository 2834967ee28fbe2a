"""Images of numbers: which pixel belongs to which thing, one number each, as PNG files in and out.

Hides how overlaps are resolved, and the kinds of PNG that hold numbers: grey, palette, 16 bits, and three colours.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from labelwright.core.errors import NotFound
from labelwright.core.mask import crop, encode, rasterise
from labelwright.core.ports import Files
from labelwright.core.problem import excerpt
from labelwright.core.shape import Mask, Shape, Size

Numbers = NDArray[np.int32]
"""Int array (height, width); 0 is nothing."""

MAX_PIXELS = 2**27
MAX_THINGS = 5_000
"""On one image; a photo saved as a mask has hundreds of thousands of numbers."""


def paint(shapes: Iterable[tuple[int, Shape]], size: Size) -> tuple[Numbers, dict[int, int]]:
    """Every shape with its number, later ones over earlier ones.

    Args:
        shapes: (number from 1, area shape), the lowest first.
        size: (width, height).

    Returns:
        (numbers, how many of its pixels each number lost to later ones).
    """
    width, height = size
    numbers = np.zeros((height, width), dtype=np.int32)
    areas: dict[int, int] = {}
    for number, shape in shapes:
        x, y, pixels = crop(rasterise(shape, size))
        window = numbers[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        # A number that is painted twice (a class) does not cover itself.
        areas[number] = areas.get(number, 0) + int((pixels & (window != number)).sum())
        window[pixels] = number
    left = np.bincount(numbers.ravel(), minlength=max(areas, default=0) + 1)
    return numbers, {number: area - int(left[number]) for number, area in areas.items()}


def masks(numbers: Numbers) -> dict[int, Mask]:
    """The mask of every number but 0, in rising order.

    Raises:
        ValueError: There are more than `MAX_THINGS`.
    """
    found = [int(number) for number in np.unique(numbers) if number]
    if len(found) > MAX_THINGS:
        raise ValueError(f"{len(found)} different values, at most {MAX_THINGS} are read; is this a photo?")
    return {number: encode(numbers == number) for number in found}


def read(files: Files, name: str, size: Size | None) -> Numbers:
    """The numbers of a PNG file: grey values, palette indices, 16-bit values, or R + 256 G + 65536 B.

    Args:
        files: The source.
        name: Of the PNG.
        size: (width, height) it has to have; None for any.

    Raises:
        ValueError: It is no PNG, of another size, too large, or cannot be read.
    """
    try:
        with files.open(name) as file, Image.open(file, formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            if size is not None and image.size != size:
                raise ValueError(
                    f"the mask has {image.width} x {image.height} pixels, the image {size[0]} x {size[1]}"
                )
            if image.mode in ("RGB", "RGBA"):
                colours = np.asarray(image.convert("RGB"), dtype=np.int32)
                return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]
            if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
                raise ValueError(f"a PNG of kind {image.mode} holds no numbers")
            return np.asarray(image).astype(np.int32)
    except (NotFound, UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"the mask cannot be read as PNG: {excerpt(str(error), 120)}") from None


def save(numbers: Numbers, path: Path, kind: str, palette: Sequence[tuple[int, int, int]] = ()) -> None:
    """Write a PNG.

    Args:
        numbers: What to write.
        path: Where; folders are made.
        kind: `palette` (to 255), `grey16` (to 65,535) or `rgb` (R + 256 G + 65536 B).
        palette: Colours from number 0, for `palette`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "palette":
            image = Image.fromarray(numbers.astype(np.uint8))
            image.putpalette([value for colour in palette for value in colour])
        case "grey16":
            image = Image.fromarray(numbers.astype(np.uint16))
        case _:
            image = Image.fromarray(
                np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16 & 255], axis=-1).astype(np.uint8)
            )
    image.save(path, format="PNG", compress_level=4)


def colour_of(text: str) -> tuple[int, int, int]:
    """The red, green and blue of `#RRGGBB`; grey when there is none."""
    if len(text) != 7:
        return (128, 128, 128)
    return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
