"""LabelMe JSON, one file per image, both ways; the attributes and scores of X-AnyLabeling as well.

Flags of the image are the answer to a question called `flags`; flags of a shape are attributes that are on or off.
"""

import base64
import io
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from labelwright.core import mask as masks
from labelwright.core.answer import Region
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid
from labelwright.core.geometry import corners
from labelwright.core.ontology import Label
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats.fit import ellipse, rectangle
from labelwright.formats.outline import one_ring, parts_of_ring
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images, is_hidden, read_head, read_json
from labelwright.formats.regions import Classes, Held, chosen_regions, is_answered, kind_of, size_of

FLAGS = "flags"
MAX_MASK_PIXELS = 100_000_000


def recognises(files: Files) -> bool:
    """Whether one of the first JSON files has shapes and an image."""
    return any('"shapes"' in head and '"imagePath"' in head for head in _heads(files))


def _heads(files: Files) -> Iterator[str]:
    names = [n for n in files.names() if n.lower().endswith(".json") and not is_hidden(n)]
    for each in names[:20]:
        head = read_head(files, each)
        # A large list of shapes may push the name of the image out of sight.
        yield head + ('"imagePath"' if '"shape_type"' in head else "")


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image with the shapes of its JSON file; images without one come without an answer.

    Problems:
        bad_json, not_labelme: A file that cannot be used.
        bad_shape, as_polygon: A shape that cannot be used; a circle that is kept as a polygon.
        no_image, bad_image, other_size.
    """
    del name
    images, used = Images(files), set[str | None]()
    for each in files.names():
        if each.lower().endswith(".json") and not is_hidden(each):
            try:
                value = read_json(files, each)
            except Invalid as error:
                yield Problem(where=each[:300], code=error.code, message=error.message)
                continue
            if not isinstance(value, dict) or not isinstance(value.get("shapes"), list):
                message = "an object with a list `shapes` is wanted"
                yield Problem(where=each[:300], code="not_labelme", message=message)
                continue
            for found in _file(files, each, value, images):
                if isinstance(found, Incoming):
                    used.add(found.image)
                yield found
    for image in images.names:
        if image not in used:
            yield Incoming(image, "", image[-500:], {}, (), image)


def _file(files: Files, name: str, value: dict[str, Any], images: Images) -> Iterator[Incoming | Problem]:
    named = value.get("imagePath")
    named = named.replace("\\", "/") if isinstance(named, str) and named.strip() else PurePosixPath(name).stem
    image = images.find(named, name) or images.find(PurePosixPath(name).stem, name)
    size = files.dimensions(image) if image is not None else None
    if image is not None and size is None:
        yield Problem(where=image[:300], code="bad_image", message="the image cannot be decoded")
        return
    sides = [value.get(side) for side in ("imageWidth", "imageHeight")]
    known = (int(sides[0]), int(sides[1])) if all(type(s) is int and 0 < s < 10**6 for s in sides) else None  # type: ignore[arg-type]
    if size is not None and known is not None and size != known:
        message = f"the file says {known[0]} x {known[1]}, the upright image has {size[0]} x {size[1]} pixels"
        yield Problem(where=name[:300], code="other_size", message=message)
    size = size or known
    if size is None:
        yield Problem(where=name[:300], code="no_image", message="neither the image nor its size is there")
        return
    regions: list[dict[str, Any]] = []
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for i, shape in enumerate(value["shapes"]):
        where = f"{name}:shapes/{i}"
        region = read_shape(shape, size)
        if isinstance(region, str):
            yield Problem(where=where, code="bad_shape", message=region)
            continue
        if shape.get("shape_type") == "circle":
            yield Problem(
                where=where, code="as_polygon", message="a circle is kept as a polygon of 72 corners"
            )
        group = shape.get("group_id")
        if group is not None and region["shape"]["kind"] == "polygon":
            # The parts of one thing.
            first = groups.setdefault((region["label"], str(group)), region)
            if first is not region:
                first["shape"]["parts"] = (*first["shape"]["parts"], *region["shape"]["parts"])
                continue
        regions.append(region)
    answers: dict[str, Any] = {OBJECTS: regions}
    flags = value.get("flags")
    if isinstance(flags, dict) and flags:
        answers[FLAGS] = [key for key, on in flags.items() if on is True]
    model = any("score" in region for region in regions)
    opinion = Opinion("model" if model else "person", answers, "labelme")
    yield Incoming(name, "", (image or named)[-500:], {}, (opinion,), image)


def read_shape(value: Any, size: Size) -> dict[str, Any] | str:
    """One shape as a region, or what is wrong with it."""
    if not isinstance(value, dict) or not isinstance(value.get("label"), str) or not value["label"].strip():
        return "a shape needs a label"
    points = _points(value.get("points"))
    if points is None:
        return "`points` is a list of pairs of numbers"
    shape = _shape(value, points, size)
    if isinstance(shape, str):
        return shape
    region: dict[str, Any] = {"shape": shape.model_dump(), "label": value["label"], "attributes": {}}
    for key in ("flags", "attributes"):
        given = value.get(key)
        for name, said in given.items() if isinstance(given, dict) else ():
            if isinstance(said, str | bool | int | float):
                region["attributes"][name] = said
    score = value.get("score")
    if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
        region["score"] = score
    if type(value.get("z_order")) is int and abs(value["z_order"]) < 2**31:
        region["z_order"] = value["z_order"]
    return region


def _points(value: Any) -> tuple[Point, ...] | None:
    if not isinstance(value, list):
        return None
    found = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            return None
        if not all(type(c) in (int, float) and math.isfinite(c) and abs(c) < 1e9 for c in pair):
            return None
        found.append((float(pair[0]), float(pair[1])))
    return tuple(found)


def _shape(value: dict[str, Any], points: tuple[Point, ...], size: Size) -> Shape | str:
    kind = value.get("shape_type", "polygon")
    match kind:
        case "rectangle" if len(points) == 2:
            (x0, y0), (x1, y1) = points
            left, top, width, height = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
            return (
                Box(x=left, y=top, width=width, height=height) if width and height else "the box has no area"
            )
        case "rectangle" | "rotation" | "oriented_rectangle" if len(points) == 4:
            box = rectangle(points)
            if box is None or not box.width or not box.height:
                return "the four corners are no rectangle"
            upright = box.angle_deg == 0 and kind == "rectangle"
            return Box(x=box.x, y=box.y, width=box.width, height=box.height) if upright else box
        case "polygon" if len(points) >= 3:
            parts = parts_of_ring(points)
            return Polygon(parts=parts) if parts else "the outline encloses nothing"
        case "circle" if len(points) == 2:
            radius = math.dist(*points)
            return ellipse(*points[0], radius, radius) if radius else "the circle has no area"
        case "line" | "linestrip" if len(points) >= 2:
            return Polyline(points=points)
        case "point" | "points" if points:
            return _marked(value, points)
        case "mask":
            return _mask(value.get("mask"), points, size)
    return f"a {excerpt(kind)} of {len(points)} points is not read"


def _marked(value: dict[str, Any], points: tuple[Point, ...]) -> Points:
    seen = value.get("visibility")
    known = isinstance(seen, list) and len(seen) == len(points) and all(v in (0, 1, 2) for v in seen)
    return Points(points=points, visibility=tuple(seen) if known else None)  # type: ignore[arg-type]


def _mask(text: Any, points: tuple[Point, ...], size: Size) -> Mask | str:
    if not isinstance(text, str) or len(points) != 2:
        return "a mask needs its picture and two corners"
    (x0, y0), (x1, y1) = ((round(x), round(y)) for x, y in points)
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            width, height = image.size
            if (width, height) != (x1 - x0 + 1, y1 - y0 + 1):
                return f"the mask has {width} x {height} pixels, its corners are {x1 - x0 + 1} x {y1 - y0 + 1} apart"
            if x0 < 0 or y0 < 0 or x1 >= size[0] or y1 >= size[1]:
                return f"the mask does not fit into an image of {size[0]} x {size[1]}"
            if size[0] * size[1] > MAX_MASK_PIXELS:
                return f"masks are read on images of up to {MAX_MASK_PIXELS // 10**6} megapixels"
            crop = np.asarray(image.convert("L")) > 0
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return "the mask is no PNG in base64"
    pixels = np.zeros((size[1], size[0]), dtype=bool)
    pixels[y0 : y1 + 1, x0 : x1 + 1] = crop
    return masks.encode(pixels) if crop.any() else "the mask is empty"


# --- out --------------------------------------------------------------------------------------------------------


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """A JSON file per image beside it; images that nobody answered are left out."""
    classes, n = Classes.of(to.ontology), 0
    for row in rows:
        if not is_answered(row, to.ontology):
            to.losses.left_out(row.asset, "no_answer")
            continue
        name = to.image_name(row.asset)
        to.place(row.asset, name)
        width, height = size_of(row.asset)
        shapes: list[dict[str, Any]] = []
        for question, region in chosen_regions(row, to.ontology, to.losses, Held(True, True, True)):
            label = question.label(region.label)
            made = write_shape(
                region, classes.names[classes.number(question, region.label)], label, row.asset, to
            )
            shapes += [made] if made is not None else []
        value: dict[str, Any] = {
            "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": PurePosixPath(name).name, "imageData": None,
            "imageHeight": height, "imageWidth": width,
        }  # fmt: skip
        target = to.folder / PurePosixPath(name).with_suffix(".json")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(value, ensure_ascii=False, indent=1)
        target.write_text(text + "\n", encoding="utf-8", newline="\n")
        n += 1
    to.losses.note("ids", "ids of regions and who answered are not held")
    return Written(n)


def write_shape(
    region: Region, name: str, label: Label | None, asset: Asset, to: Exporting
) -> dict[str, Any] | None:
    """A region as a shape; None for what cannot be held."""
    shape, named = region.shape, f"{kind_of(region.shape)} {region.id!r}"
    names = {a.id: a.name for a in label.attributes} if label is not None else {}
    attributes = {names.get(key, key): value for key, value in region.attributes.items()}
    made: dict[str, Any] = {
        "label": name, "points": [], "group_id": None, "description": "", "shape_type": "", "mask": None,
        "flags": {key: value for key, value in attributes.items() if isinstance(value, bool)},
    }  # fmt: skip
    rest = {key: value for key, value in attributes.items() if not isinstance(value, bool)}
    made |= {"attributes": rest} if rest else {}
    made |= {"score": region.score} if region.score is not None else {}
    made |= {"z_order": region.z_order} if region.z_order else {}
    match shape:
        case Box():
            far = [shape.x + shape.width, shape.y + shape.height]
            return made | {"shape_type": "rectangle", "points": [[shape.x, shape.y], far]}
        case RotatedBox():
            # LabelMe's descendants know turned boxes, each in its own way; LabelMe refuses the whole file then.
            to.losses.add(asset, "as_polygon", f"{named} is held as its outline")
            return made | {"shape_type": "polygon", "points": [list(p) for p in corners(shape)]}
        case Polygon(parts=parts):
            rings = sum(map(len, parts))
            if rings > 1:
                message = f"the {rings} rings of {named} are tied together by lines without area"
                to.losses.add(asset, "bridged", message)
            return made | {"shape_type": "polygon", "points": [list(p) for p in one_ring(parts)]}
        case Polyline(points=points):
            return made | {"shape_type": "linestrip", "points": [list(p) for p in points]}
        case Points(points=points, visibility=visibility):
            if shape.box is not None:
                to.losses.add(asset, "points_box", f"the box of {named} is not held")
            made |= {"visibility": list(visibility)} if visibility is not None else {}
            return made | {
                "shape_type": "points" if len(points) > 1 else "point",
                "points": [list(p) for p in points],
            }
        case Mask():
            x, y, pixels = masks.crop(shape)
            if not pixels.size:
                to.losses.add(asset, "not_held", f"{named} is empty and is not held")
                return None
            out = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8) * 255).save(out, "PNG")
            far = [float(x + pixels.shape[1] - 1), float(y + pixels.shape[0] - 1)]
            text = base64.b64encode(out.getvalue()).decode("ascii")
            return made | {"shape_type": "mask", "points": [[float(x), float(y)], far], "mask": text}
