"""How a picture comes to lie in a network's input, and how what is found there is measured in the picture again.

Hides letterboxes. Coordinates are continuous on both sides: a pixel is a unit square, the corner of the picture is 0.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelwright.core.detector import InputSpec
from labelwright.core.shape import Size

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a picture lies in an input.

    Attributes:
        picture: (width, height) of the original.
        size: (width, height) of the input.
        placed: x, y, width, height of the resized picture in the input, in whole pixels.
    """

    picture: Size
    size: Size
    placed: tuple[int, int, int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per picture pixel, across and down: exactly those of the resizing."""
        return self.placed[2] / self.picture[0], self.placed[3] / self.picture[1]

    def to_picture(self, boxes: NDArray[Any]) -> NDArray[np.float64]:
        """Boxes (n, 4) as x0, y0, x1, y1 in input pixels, measured in the picture; not clipped."""
        x, y, _, _ = self.placed
        across, down = self.scale
        moved = np.asarray(boxes, np.float64) - np.array([x, y, x, y])
        return np.asarray(moved / np.array([across, down, across, down]), np.float64)

    def to_input(self, boxes: NDArray[Any]) -> NDArray[np.float64]:
        """The inverse of `to_picture`."""
        x, y, _, _ = self.placed
        across, down = self.scale
        scaled = np.asarray(boxes, np.float64) * np.array([across, down, across, down])
        return np.asarray(scaled + np.array([x, y, x, y]), np.float64)


def fit_of(picture: Size, spec: InputSpec) -> Fit:
    """Where a picture of this size comes to lie."""
    if spec.resize == "none" or spec.size is None:
        return Fit(picture, picture, (0, 0, *picture))
    (width, height), (w, h) = picture, spec.size
    if spec.resize == "stretch":
        return Fit(picture, spec.size, (0, 0, w, h))
    scale = min(w / width, h / height)
    new_w, new_h = max(1, min(w, round(width * scale))), max(1, min(h, round(height * scale)))
    x, y = ((w - new_w) // 2, (h - new_h) // 2) if spec.position == "centre" else (0, 0)
    return Fit(picture, spec.size, (x, y, new_w, new_h))


def place(pixels: Bytes, spec: InputSpec) -> tuple[Bytes, Fit]:
    """A picture (h, w, 3), RGB, resized and padded to the input: (height, width, 3), still RGB."""
    height, width = pixels.shape[:2]
    fit = fit_of((width, height), spec)
    x, y, w, h = fit.placed
    small = pixels if (w, h) == fit.picture else cv2.resize(pixels, (w, h), interpolation=cv2.INTER_LINEAR)
    if (w, h) == fit.size:
        return np.ascontiguousarray(small, np.uint8), fit
    pad = spec.pad if spec.colour == "RGB" else spec.pad[::-1]
    whole = np.empty((fit.size[1], fit.size[0], 3), np.uint8)
    whole[:] = np.round(pad).astype(np.uint8)
    whole[y : y + h, x : x + w] = small
    return whole, fit


def tensor(pictures: Bytes, spec: InputSpec, dtype: str) -> NDArray[Any]:
    """What the network is given of placed pictures (n, height, width, 3)."""
    ordered = pictures if spec.colour == "RGB" else pictures[..., ::-1]
    if dtype == "uint8":
        # Whole numbers only: scale, mean and std are for networks that take fractions.
        numbers: NDArray[Any] = ordered
    else:
        mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
        numbers = ordered.astype(np.float32) * (np.float32(spec.scale) / std)
        numbers -= mean / std
        numbers = numbers.astype(dtype, copy=False)
    if spec.layout in ("NCHW", "CHW"):
        numbers = numbers.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(numbers if spec.layout.startswith("N") else numbers[0])


def sample(
    values: Floats, fit: Fit, window: tuple[int, int, int, int], size: Size | None = None
) -> NDArray[np.float32]:
    """A map over the input (h, w), read bilinearly at the centres of the picture's pixels in `window` = x, y, width, height.

    Args:
        values: Covers the whole input, whatever its own size.
        fit: Where the picture lies.
        window: Part of the picture.
        size: (width, height) of the answer, if it is to be coarser than the window.
    """
    x, y, width, height = window
    columns, rows = size or (width, height)
    at_x = _places(values.shape[1], fit.size[0], fit.placed[0], fit.scale[0], x, width, columns)
    at_y = _places(values.shape[0], fit.size[1], fit.placed[1], fit.scale[1], y, height, rows)
    low, high, share = at_y
    down = values[low] + (values[high] - values[low]) * share[:, None]
    low, high, share = at_x
    return np.asarray(down[:, low] + (down[:, high] - down[:, low]) * share, np.float32)


def _places(
    cells: int, side: int, offset: int, scale: float, start: int, length: int, n: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each of `n` points along an axis the two cells it lies between, and how far from the first."""
    centres = start + (np.arange(n) + 0.5) * (length / n)
    at = np.clip((centres * scale + offset) * (cells / side) - 0.5, 0, cells - 1)
    low = np.floor(at).astype(np.intp)
    return low, np.minimum(low + 1, cells - 1), (at - low).astype(np.float32)
