"""Regions as Label Studio holds them: percent of the image, boxes turned around their corner, brush strokes as runs of bits.

A region of ours is one result of the right control tag, or for key points one result per point; what Label Studio has no
place for travels in `meta`, which it keeps and passes over.
"""

import base64
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelwright.core import mask as masks
from labelwright.core.answer import Region
from labelwright.core.asset import Asset
from labelwright.core.ontology import Attribute, RegionQuestion
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import OBJECTS
from labelwright.formats.fit import ellipse, from_corner
from labelwright.formats.outline import one_ring, parts_of_ring
from labelwright.formats.output import Losses
from labelwright.formats.regions import kind_of

MAX_MASK_PIXELS = 100_000_000
PER_REGION = ("choices", "rating", "number", "textarea", "taxonomy")
"""Results that belong to a region when they have its id."""
_CONTROLS = {
    "box": ("rectangle", "RectangleLabels"),
    "rotated_box": ("rectangle", "RectangleLabels"),
    "polygon": ("polygon", "PolygonLabels"),
    "polyline": ("polygon", "PolygonLabels"),
    "points": ("keypoint", "KeyPointLabels"),
    "mask": ("brush", "BrushLabels"),
}
TYPES = (
    "rectanglelabels",
    "polygonlabels",
    "brushlabels",
    "keypointlabels",
    "ellipselabels",
    "bitmasklabels",
)
_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


# --- in ---------------------------------------------------------------------------------------------------------


@dataclass
class Read:
    """What the results of one annotation say about regions.

    Attributes:
        answers: Question -> regions.
        ids: Result id -> id of its region.
        problems: (position of the result, code, what is wrong).
    """

    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[int, str, str]] = field(default_factory=list)


def size_in(results: Iterable[Any]) -> Size | None:
    """(width, height) that the results were made for."""
    for each in results:
        if isinstance(each, dict):
            width, height = each.get("original_width"), each.get("original_height")
            if type(width) is int and type(height) is int and 0 < width < 10**6 and 0 < height < 10**6:
                return width, height
    return None


def read_regions(results: list[Any], size: Size) -> Read:
    """Everything that marks a place on an image of `size` = (width, height), with what was said about each."""
    found = Read()
    said = _said_of_regions(results)
    points: dict[str, dict[str, Any]] = {}
    for i, each in enumerate(results):
        if not isinstance(each, dict) or each.get("type") not in TYPES:
            continue
        made = _region(each, size)
        if isinstance(made, str):
            found.problems.append((i, "bad_region", made))
            continue
        labels, shape = made
        if each["type"] == "ellipselabels":
            found.problems.append((i, "as_polygon", "an ellipse is kept as a polygon of 72 corners"))
        key = str(each.get("id") or f"result-{i}")
        given = each.get("meta")
        meta: dict[str, Any] = given if isinstance(given, dict) else {}
        region_id = _id(str(meta.get("region") or key))
        found.ids[key] = region_id
        if each["type"] == "keypointlabels" and "region" in meta and "position" in meta:
            first = points.setdefault(region_id, {"meta": meta, "at": {}, "label": labels[0]})
            first["at"][meta["position"]] = (shape["points"][0], meta.get("visibility"))
            if len(first["at"]) > 1:
                continue
        if meta.get("kind") == "polyline" and shape["kind"] == "polygon":
            shape = {"kind": "polyline", "points": shape["parts"][0][0]}
        for k, label in enumerate(labels):
            region = {
                "id": region_id if k == 0 else f"{region_id[:60]}.{k}", "label": label, "shape": shape,
                "attributes": said.get(key, {}), "z_order": meta.get("z_order", 0),
            }  # fmt: skip
            if isinstance(each.get("score"), int | float):
                region["score"] = each["score"]
            if region_id in points:
                points[region_id]["region"] = region
            found.answers.setdefault(question_of(each.get("from_name")), []).append(region)
    for group in points.values():
        group["region"]["shape"] = _joined_points(group["at"], group["meta"])
    return found


def question_of(from_name: Any) -> str:
    """The question that a control tag belongs to: ours are called `question.kind`, those of others are all one question."""
    base, dot, kind = str(from_name).rpartition(".")
    return base if dot and kind in {kind for kind, _ in _CONTROLS.values()} else OBJECTS


def _id(text: str) -> str:
    # Ids of others may hold anything; relations must still find them.
    return text if _ID.fullmatch(text) else "ls-" + hashlib.sha256(text.encode()).hexdigest()[:20]


def _said_of_regions(results: list[Any]) -> dict[str, dict[str, Any]]:
    places = {str(each.get("id")) for each in results if isinstance(each, dict) and each.get("type") in TYPES}
    found: dict[str, dict[str, Any]] = {}
    for each in results:
        if is_about_a_region(each, places):
            value, kind = each["value"], each["type"]
            said = value.get("text") if kind == "textarea" else value.get(kind)
            if isinstance(said, list):
                said = said[0] if len(said) == 1 else ", ".join(map(str, said))
            name = str(each.get("from_name")).rpartition(".")[2]
            if isinstance(said, str | bool | int | float):
                found.setdefault(str(each.get("id")), {})[name] = said
    return found


def places_in(results: list[Any]) -> set[str]:
    """Ids of the results that mark a place."""
    return {str(each.get("id")) for each in results if isinstance(each, dict) and each.get("type") in TYPES}


def is_about_a_region(each: Any, places: set[str]) -> bool:
    """Whether a result says something about a marked place, not about the image."""
    return (
        isinstance(each, dict)
        and each.get("type") in PER_REGION
        and isinstance(each.get("value"), dict)
        and str(each.get("id")) in places
    )


def _joined_points(at: dict[Any, Any], meta: dict[str, Any]) -> dict[str, Any]:
    count = meta.get("count")
    count = count if type(count) is int and len(at) <= count <= 200 else len(at)
    order = range(count) if all(position in range(count) for position in at) else list(at)
    points, seen = [], []
    for position in order:
        point, visible = at.get(position, ((0.0, 0.0), 0))
        points.append(point)
        seen.append(visible if visible in (0, 1, 2) else 2)
    shape: dict[str, Any] = {"kind": "points", "points": points}
    if set(seen) != {2}:
        shape["visibility"] = seen
    if isinstance(meta.get("box"), dict):
        shape["box"] = meta["box"]
    return shape


def _region(each: dict[str, Any], size: Size) -> tuple[list[str], dict[str, Any]] | str:
    value, kind = each.get("value"), each["type"]
    if not isinstance(value, dict):
        return "a region needs an object `value`"
    labels = value.get(kind)
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        return "a region needs a list of labels"
    shape = _shape(kind, value, each, size)
    return shape if isinstance(shape, str) else (labels, shape.model_dump())


def _shape(kind: str, value: dict[str, Any], each: dict[str, Any], size: Size) -> Shape | str:
    match kind:
        case "brushlabels":
            return _brush(value.get("rle"), each, size)
        case "bitmasklabels":
            return _bitmask(value.get("imageDataURL"), size)
        case "polygonlabels":
            given = value.get("points")
            points = [_point(pair, size) for pair in given] if isinstance(given, list) else []
            if len(points) < 2 or any(point is None for point in points):
                return "a polygon needs a list of pairs of numbers"
            ring = tuple(point for point in points if point is not None)
            if isinstance(each.get("meta"), dict) and each["meta"].get("kind") == "polyline":
                return Polygon(parts=((ring,),))  # read as a line by the caller
            parts = parts_of_ring(ring)
            return Polygon(parts=parts) if parts else "the outline encloses nothing"
    numbers = [_number(value.get(key)) for key in ("x", "y")]
    if numbers[0] is None or numbers[1] is None:
        return "x and y must be numbers"
    x, y = numbers[0] * size[0] / 100, numbers[1] * size[1] / 100
    if kind == "keypointlabels":
        return Points(points=((_snapped(x), _snapped(y)),))
    sides = ("radiusX", "radiusY") if kind == "ellipselabels" else ("width", "height")
    width, height, turn = (_number(value.get(key)) for key in (*sides, "rotation"))
    if width is None or height is None or width <= 0 or height <= 0:
        return f"{sides[0]} and {sides[1]} must be above 0"
    width, height = width * size[0] / 100, height * size[1] / 100
    if kind == "ellipselabels":
        return ellipse(x, y, width, height, turn or 0.0)
    if turn:
        # In pixels: percents of an image that is no square would shear the box.
        return from_corner(x, y, width, height, turn)
    return Box(x=_snapped(x), y=_snapped(y), width=_snapped(width), height=_snapped(height))


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if known else None


def _point(pair: Any, size: Size) -> tuple[float, float] | None:
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    x, y = map(_number, pair)
    return None if x is None or y is None else (_snapped(x * size[0] / 100), _snapped(y * size[1] / 100))


def _snapped(value: float) -> float:
    """Without the last digits, which percents cannot hold."""
    return round(value, 9)


def _brush(rle: Any, each: dict[str, Any], size: Size) -> Mask | str:
    if not isinstance(rle, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in rle):
        return "a brush needs `rle`, a list of bytes"
    made_for = size_in([each]) or size
    if made_for != size:
        return f"the brush was drawn on {made_for[0]} x {made_for[1]} pixels, the image has {size[0]} x {size[1]}"
    try:
        alpha = decode_rle(bytes(rle), size)
    except ValueError as error:
        return str(error)
    # Some writers put 0 and 1 where 0 and 255 are meant.
    limit = (int(alpha.max()) + 1) // 2
    return masks.encode(alpha >= limit) if limit else "the brush marks nothing"


def _bitmask(url: Any, size: Size) -> Mask | str:
    if not isinstance(url, str) or not url.startswith("data:image/png;base64,"):
        return "a bit mask needs `imageDataURL`, a PNG in base64"
    try:
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])), formats=["PNG"]) as image:
            if image.size != size:
                return (
                    f"the mask has {image.size[0]} x {image.size[1]} pixels, the image {size[0]} x {size[1]}"
                )
            pixels = np.asarray(image.convert("RGBA"))
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return "a bit mask needs `imageDataURL`, a PNG in base64"
    marked = (pixels[:, :, 3] > 127) & (pixels[:, :, :3].max(axis=2) > 127)
    return masks.encode(marked) if marked.any() else "the mask is empty"


# --- the runs of brushes ----------------------------------------------------------------------------------------


def decode_rle(data: bytes, size: Size) -> NDArray[np.uint8]:
    """The alpha channel (height, width) of a brush.

    Source: `rle-pack` of thi.ng/umbrella: 32 bits number of values, 5 bits their width, four times 4 bits the widths of
    lengths; then runs: one bit whether a value repeats, two bits which width, the length less one, and the value(s).

    Raises:
        ValueError: Cut off, or of another size.
    """
    width, height = size
    bits = _Bits(data)
    n, word = bits.take(32), bits.take(5) + 1
    lengths = [bits.take(4) + 1 for _ in range(4)]
    if n != 4 * width * height or word != 8 or n > 4 * MAX_MASK_PIXELS:
        raise ValueError(
            f"the brush has {n} values where {width} x {height} pixels need {4 * width * height}"
        )
    values = np.zeros(n, dtype=np.uint8)
    i = 0
    while i < n:
        repeats = bits.take(1)
        end = i + bits.take(lengths[bits.take(2)]) + 1
        if end > n:
            raise ValueError("the brush is longer than its image")
        if repeats:
            values[i:end] = bits.take(word)
        else:
            values[i:end] = [bits.take(word) for _ in range(end - i)]
        i = end
    return values[3::4].reshape(height, width)


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, n: int) -> int:
        end = self._at + n
        if end > 8 * len(self._data):
            raise ValueError("the brush is cut off")
        found = int.from_bytes(self._data[self._at // 8 : (end + 7) // 8], "big")
        self._at = end
        return (found >> (-end % 8)) & ((1 << n) - 1)


def encode_rle(mask: Mask) -> list[int]:
    """A mask as the bytes of a brush: four channels of 0 or 255."""
    pixels = masks.decode(mask).ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [pixels.size]])) * 4
    out = [f"{4 * pixels.size:032b}{7:05b}", *(f"{width - 1:04b}" for width in (3, 4, 8, 16))]
    for value, length in zip(pixels[starts].tolist(), lengths.tolist(), strict=True):
        while length:
            part = min(length, 1 << 16)
            which, width = next((i, w) for i, w in enumerate((3, 4, 8, 16)) if part <= 1 << w)
            out.append(f"1{which:02b}{part - 1:0{width}b}{255 if value else 0:08b}")
            length -= part
    text = "".join(out)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


# --- out --------------------------------------------------------------------------------------------------------


def controls(question: RegionQuestion, used: Iterable[str]) -> Iterator[str]:
    """The control tags of a region question, for the shapes it allows and those that occur."""
    wanted = dict.fromkeys(_CONTROLS[kind] for kind in (*question.shapes, *used))
    for kind, tag in wanted:
        yield f'  <{tag} name={quoteattr(f"{question.id}.{kind}")} toName="image">'
        for label in question.labels:
            yield f"    <Label value={quoteattr(label.name)} background={quoteattr(label.colour or '#0072B2')}/>"
        yield f"  </{tag}>"
    for label in question.labels:
        for attribute in label.attributes:
            name = quoteattr(f"{question.id}.{label.id}.{attribute.id}")
            start = f'name={name} toName="image" perRegion="true" whenLabelValue={quoteattr(label.name)}'
            yield from _attribute_control(attribute, start)


def _attribute_control(attribute: Attribute, start: str) -> Iterator[str]:
    match attribute.type:
        case "choice" | "boolean":
            options = attribute.options or ("true", "false")
            inner = "".join(f"<Choice value={quoteattr(option)}/>" for option in options)
            yield f'  <Choices {start} choice="single">{inner}</Choices>'
        case "text":
            yield f"  <TextArea {start}/>"
        case _:
            yield f"  <Number {start}/>"


def results_of(
    region: Region, question: RegionQuestion, asset: Asset, size: Size, losses: Losses
) -> Iterator[dict[str, Any]]:
    """The results that hold a region, in percent of an image of `size` = (width, height)."""
    label = question.label(region.label)
    name = label.name if label is not None else region.label
    kind, tag = _CONTROLS[region.shape.kind]
    base: dict[str, Any] = {
        "to_name": "image", "image_rotation": 0, "original_width": size[0], "original_height": size[1], "id": region.id,
    }  # fmt: skip
    placed = base | {"from_name": f"{question.id}.{kind}", "type": tag.lower()}
    placed |= {"score": region.score} if region.score is not None else {}
    values = list(_values(region.shape, size, f"{kind_of(region.shape)} {region.id!r}", asset, losses))
    for i, (value, meta) in enumerate(values):
        meta |= {"z_order": region.z_order} if region.z_order else {}
        if len(values) > 1 or "position" in meta:
            meta |= {"region": region.id}
        result = placed | {"value": value | {tag.lower(): [name]}} | ({"meta": meta} if meta else {})
        yield result if i == 0 else result | {"id": f"{region.id}.{i}"}
    if not values:
        return
    attributes = {a.id: a for a in label.attributes} if label is not None else {}
    for key, said in region.attributes.items():
        attribute = attributes.get(key)
        if attribute is None:
            losses.add(asset, "attributes", f"attribute {key!r} of region {region.id!r} is not held")
            continue
        about = base | {"from_name": f"{question.id}.{region.label}.{key}"}
        if attribute.type in ("choice", "boolean"):
            text = str(said).lower() if isinstance(said, bool) else str(said)
            yield about | {"type": "choices", "value": values[0][0] | {"choices": [text]}}
        elif attribute.type == "text":
            yield about | {"type": "textarea", "value": values[0][0] | {"text": [str(said)]}}
        else:
            yield about | {"type": "number", "value": values[0][0] | {"number": said}}


def _values(
    shape: Shape, size: Size, named: str, asset: Asset, losses: Losses
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(value, meta) of each result of a shape."""

    def at(x: float, y: float) -> tuple[float, float]:
        return x * 100 / size[0], y * 100 / size[1]

    match shape:
        case Box(x=left, y=top) | RotatedBox(x=left, y=top):
            angle = shape.angle_deg if isinstance(shape, RotatedBox) else 0.0
            if isinstance(shape, RotatedBox):
                from labelwright.core.geometry import corners

                left, top = corners(shape)[0]
                if angle % 360 == 0:
                    angle = 0.0
                    losses.add(asset, "as_box", f"{named} is turned by 0 degrees and is held as a box")
            (x, y), (width, height) = at(left, top), at(shape.width, shape.height)
            yield {"x": x, "y": y, "width": width, "height": height, "rotation": angle}, {}
        case Polygon(parts=parts):
            rings = sum(map(len, parts))
            if rings > 1:
                message = f"the {rings} rings of {named} are tied together by lines without area"
                losses.add(asset, "bridged", message)
            yield {"points": [list(at(x, y)) for x, y in one_ring(parts)], "closed": True}, {}
        case Polyline(points=points):
            losses.add(
                asset, "as_polygon", f"{named} looks like a polygon in Label Studio, which has no lines"
            )
            yield {"points": [list(at(x, y)) for x, y in points], "closed": True}, {"kind": "polyline"}
        case Points(points=points, visibility=visibility):
            more: dict[str, Any] = {"count": len(points)}
            more |= {"box": shape.box.model_dump()} if shape.box is not None else {}
            for i, (px, py) in enumerate(points):
                seen = visibility[i] if visibility is not None and i < len(visibility) else 2
                if seen:
                    x, y = at(px, py)
                    yield {"x": x, "y": y, "width": 0.5}, {"position": i, "visibility": seen, **more}
        case Mask():
            yield {"format": "rle", "rle": encode_rle(shape)}, {}
