"""Shapes marked on images and frames, as one tagged union.

Coordinates are pixels of the original image after its EXIF orientation: origin top-left corner, floats, x right,
y down. Masks are COCO run-length encodings, column-major, `size = [height, width]`.
"""

from typing import Annotated, Literal

from pydantic import Field

from labelwright.core.value import Value

Size = tuple[int, int]
"""(width, height) of an image in pixels, upright."""

Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]


class Box(Value):
    """An upright rectangle; (`x`, `y`) is its top-left corner."""

    kind: Literal["box"] = "box"
    x: Coordinate
    y: Coordinate
    width: Length
    height: Length


class RotatedBox(Value):
    """A rectangle turned clockwise by `angle_deg` around its centre."""

    kind: Literal["rotated_box"] = "rotated_box"
    x: Coordinate
    y: Coordinate
    width: Length
    height: Length
    angle_deg: Coordinate


class Polygon(Value):
    """One or more parts; the first ring of a part is its outline, further rings are holes."""

    kind: Literal["polygon"] = "polygon"
    parts: tuple[tuple[tuple[Point, ...], ...], ...] = Field(min_length=1)


class Polyline(Value):
    """An open chain of at least two points."""

    kind: Literal["polyline"] = "polyline"
    points: tuple[Point, ...] = Field(min_length=2)


class Points(Value):
    """Single points or the key points of a skeleton, in the order of `Label.skeleton`.

    Attributes:
        visibility: One per point: 0 absent (its coordinates mean nothing), 1 hidden, 2 visible; None when all are visible.
        box: Extent of the whole thing where it is known, as the key point formats of COCO and YOLO carry it.
    """

    kind: Literal["points"] = "points"
    points: tuple[Point, ...] = Field(min_length=1)
    visibility: tuple[Literal[0, 1, 2], ...] | None = None
    box: Box | None = None


class Mask(Value):
    """A set of pixels as a compressed COCO run-length encoding; `size` is (height, width). See `core.mask`."""

    kind: Literal["mask"] = "mask"
    size: tuple[int, int]
    counts: str


Shape = Annotated[Box | RotatedBox | Polygon | Polyline | Points | Mask, Field(discriminator="kind")]

ShapeKind = Literal["box", "rotated_box", "polygon", "polyline", "points", "mask"]
