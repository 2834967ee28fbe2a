"""CVAT XML 1.1 for images, both ways: every shape it knows, attributes, skeletons, z-order.

A question that marks nothing travels as a tag with the name of the question and an attribute `answer`; tags of other
files are the answer to a question called `tags`.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labelwright.core import mask as masks
from labelwright.core.errors import Invalid
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import OBJECTS, Incoming, Opinion
from labelwright.formats.fit import ellipse
from labelwright.formats.outline import parts_of_ring
from labelwright.formats.pictures import Images, is_hidden, read_head
from labelwright.formats.xmls import number, pieces, text_of

TAGS = "tags"
ANSWER = "answer"
MAX_MASK_PIXELS = 200_000_000
_SHAPES = {
    "box": "box", "polygon": "polygon", "polyline": "polyline", "points": "points", "skeleton": "points", "mask": "mask", "ellipse": "polygon",
}  # fmt: skip
_TYPES = {
    "rectangle": ["box", "rotated_box"], "polygon": ["polygon"], "polyline": ["polyline"], "points": ["points"],
    "skeleton": ["points"], "mask": ["mask"], "ellipse": ["polygon"],
}  # fmt: skip


# --- what the labels mean ---------------------------------------------------------------------------------------


@dataclass
class LabelSpec:
    """A label as `<meta>` defines it: the kind of shape, its attributes (name -> (kind, options, default)), its points."""

    kind: str = "any"
    attributes: dict[str, tuple[str, list[str], str]] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)


Specs = dict[str, LabelSpec]


def specs_of(meta: ET.Element) -> Specs:
    """Label name -> definition, in the order of the file."""
    found: Specs = {}
    inner: list[tuple[str, str]] = []
    for element in meta.iter("label"):
        name, parent = text_of(element, "name"), text_of(element, "parent")
        if not name:
            continue
        if parent:
            inner.append((parent, name))
            continue
        spec = found.setdefault(name, LabelSpec(text_of(element, "type") or "any"))
        for each in element.findall("attributes/attribute"):
            key = text_of(each, "name")
            values = [v for v in text_of(each, "values").splitlines() if v.strip()]
            if key:
                spec.attributes[key] = (text_of(each, "input_type"), values, text_of(each, "default_value"))
        if svg := text_of(element, "svg"):
            spec.edges = _edges(svg)
    for parent, name in inner:
        if parent in found:
            found[parent].points.append(name)
    return found


def _edges(svg: str) -> list[tuple[int, int]]:
    """Edges of a skeleton's drawing, as positions from 0; its nodes count from 1."""
    found = []
    for line in re.findall(r"<line\b[^>]{0,500}>", svg[:200_000]):
        ends = [re.search(rf'data-node-{end}="(\d{{1,4}})"', line) for end in ("from", "to")]
        if ends[0] and ends[1]:
            found.append((int(ends[0][1]) - 1, int(ends[1][1]) - 1))
    return found


def _value(text: str, spec: LabelSpec | None, name: str) -> str | bool | float | int:
    kind = spec.attributes[name][0] if spec is not None and name in spec.attributes else ""
    if kind == "checkbox" or (not kind and text in ("true", "false")):
        return text.casefold() == "true"
    found = number(text) if kind == "number" else None
    return text if found is None else int(found) if found.is_integer() else found


# --- in ---------------------------------------------------------------------------------------------------------


def recognises(files: Files) -> bool:
    """Whether an XML file begins like CVAT's."""
    return any(
        re.search(r"<annotations[\s>]", read_head(files, each, 4_096)) is not None
        for each in _xml_files(files)[:20]
    )


def _xml_files(files: Files) -> list[str]:
    return [name for name in files.names() if name.lower().endswith(".xml") and not is_hidden(name)]


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every `<image>` of every XML file, and images that none of them names.

    Problems:
        bad_xml: The rest of the file was not read.
        bad_shape, as_polygon, no_image, bad_image, other_size, track, tag_attribute.
    """
    del name
    images, used = Images(files), set[str | None]()
    for each in _xml_files(files):
        specs: Specs = {}
        try:
            with files.open(each) as file:
                for root, element in pieces(file, each):
                    if root != "annotations":
                        break
                    if element.tag == "meta":
                        specs = specs_of(element)
                    elif element.tag == "image":
                        for found in _image(files, each, element, specs, images):
                            if isinstance(found, Incoming):
                                used.add(found.image)
                            yield found
                    elif element.tag == "track":
                        message = "tracks belong to a video; they are not read as an image"
                        yield Problem(where=each[:300], code="track", message=message)
        except Invalid as error:
            yield Problem(where=each[:300], code=error.code, message=error.message)
    for image in images.names:
        if image not in used:
            yield Incoming(image, "", image[-500:], {}, (), image)


def _image(
    files: Files, name: str, element: ET.Element, specs: Specs, images: Images
) -> Iterator[Incoming | Problem]:
    named = (element.get("name") or "").strip()
    where = f"{name}:{named or element.get('id') or '?'}"[:300]
    if not named:
        yield Problem(where=where, code="no_image", message="an <image> needs a name")
        return
    image = images.find(named, name)
    said = (number(element.get("width")), number(element.get("height")))
    known = (int(said[0]), int(said[1])) if said[0] and said[1] else None
    size = files.dimensions(image) if image is not None else None
    if image is not None and size is None:
        yield Problem(where=where, code="bad_image", message=f"{excerpt(image)} cannot be decoded")
        return
    if size is not None and known is not None and size != known:
        message = f"the file says {known[0]} x {known[1]}, the upright image has {size[0]} x {size[1]} pixels"
        yield Problem(where=where, code="other_size", message=message)
    size = size or known
    if size is None or min(size) < 1 or size[0] * size[1] > 2**40:
        yield Problem(where=where, code="no_image", message="neither the image nor its size is there")
        return
    answers: dict[str, Any] = {}
    regions: list[dict[str, Any]] = []
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    sources = set()
    for i, shape in enumerate(element):
        place = f"{where}/{shape.tag}/{i}"
        label = (shape.get("label") or "").strip()
        if shape.tag == "tag":
            yield from _tag(shape, label, answers, place, specs)
            continue
        region = _region(shape, label, specs.get(label), size)
        if isinstance(region, str):
            yield Problem(where=place, code="bad_shape", message=region)
            continue
        if shape.tag == "ellipse":
            yield Problem(
                where=place, code="as_polygon", message="an ellipse is kept as a polygon of 72 corners"
            )
        sources.add(shape.get("source") or "manual")
        group = shape.get("group_id") or "0"
        if group != "0" and shape.tag == "polygon":
            # How CVAT holds the parts of one thing.
            first = groups.setdefault((label, group), region)
            if first is not region:
                first["shape"]["parts"] = (*first["shape"]["parts"], *region["shape"]["parts"])
                continue
        regions.append(region)
    model = sources == {"auto"}
    opinion = Opinion("model" if model else "person", {OBJECTS: regions, **answers}, "cvat")
    subset = element.get("subset")
    metadata: dict[str, Any] = {"split": subset.lower()} if subset and subset != "default" else {}
    yield Incoming(where, "", named[-500:], metadata, (opinion,), image)


def _tag(
    element: ET.Element, label: str, answers: dict[str, Any], where: str, specs: Specs
) -> Iterator[Problem]:
    given = {each.get("name") or "": (each.text or "").strip("\n") for each in element.findall("attribute")}
    if not label:
        yield Problem(where=where, code="bad_shape", message="a tag needs a label")
    elif ANSWER in given:
        spec = specs.get(label)
        value = _value(given[ANSWER], spec, ANSWER)
        if spec is not None and spec.attributes.get(ANSWER, ("",))[0] in ("select", "radio"):
            answers.setdefault(label, []).append(given[ANSWER])
        else:
            answers[label] = value
    else:
        answers.setdefault(TAGS, []).append(label)
        if given:
            message = f"attributes of the tag {excerpt(label)!r} are not read"
            yield Problem(where=where, code="tag_attribute", message=message)


def _region(element: ET.Element, label: str, spec: LabelSpec | None, size: Size) -> dict[str, Any] | str:
    """One shape as a region, or what is wrong with it."""
    if not label:
        return "a shape needs a label"
    shape = _shape(element, spec, size)
    if isinstance(shape, str):
        return shape
    attributes = {
        each.get("name") or "": _value((each.text or "").strip("\n"), spec, each.get("name") or "")
        for each in element.findall("attribute")
    }
    if element.get("occluded") == "1" and "occluded" not in attributes:
        attributes["occluded"] = True
    z_order = number(element.get("z_order"))
    region: dict[str, Any] = {"shape": shape.model_dump(), "label": label, "attributes": attributes}
    if z_order is not None and abs(z_order) < 2**31:
        region["z_order"] = int(z_order)
    return region


def _shape(element: ET.Element, spec: LabelSpec | None, size: Size) -> Shape | str:
    match element.tag:
        case "box":
            found = [number(element.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")]
            if any(each is None for each in found):
                return "a box needs the numbers xtl, ytl, xbr and ybr"
            x0, y0, x1, y1 = (float(each) for each in found if each is not None)
            if x1 <= x0 or y1 <= y0:
                return f"a box needs a width and a height above 0, got {x1 - x0:g} and {y1 - y0:g}"
            angle = number(element.get("rotation"))
            if angle:
                return RotatedBox(x=x0, y=y0, width=x1 - x0, height=y1 - y0, angle_deg=angle)
            return Box(x=x0, y=y0, width=x1 - x0, height=y1 - y0)
        case "ellipse":
            found = [number(element.get(key)) for key in ("cx", "cy", "rx", "ry")]
            if any(each is None for each in found) or min(each or 0.0 for each in found[2:]) <= 0:
                return "an ellipse needs cx, cy and radii above 0"
            cx, cy, rx, ry = (float(each) for each in found if each is not None)
            return ellipse(cx, cy, rx, ry, number(element.get("rotation")) or 0.0)
        case "polygon" | "polyline" | "points":
            points = _points(element.get("points") or "")
            least = {"polygon": 3, "polyline": 2, "points": 1}[element.tag]
            if points is None or len(points) < least:
                return f"a {element.tag} needs at least {least} points `x,y` with semicolons between them"
            if element.tag == "polyline":
                return Polyline(points=points)
            if element.tag == "points":
                return Points(points=points)
            parts = parts_of_ring(points)
            return Polygon(parts=parts) if parts else "the outline encloses nothing"
        case "mask":
            return _mask(element, size)
        case "skeleton":
            return _skeleton(element, spec)
    return f"shapes of type {excerpt(element.tag)!r} are not read"


def _points(text: str) -> tuple[Point, ...] | None:
    found = []
    for pair in text.split(";") if text.strip() else ():
        x, _, y = pair.partition(",")
        px, py = number(x), number(y)
        if px is None or py is None:
            return None
        found.append((px, py))
    return tuple(found)


def _mask(element: ET.Element, size: Size) -> Mask | str:
    sides = [element.get(key) or "" for key in ("left", "top", "width", "height")]
    if not all(re.fullmatch(r"\d{1,9}", each) for each in sides):
        return "a mask needs whole numbers left, top, width and height"
    left, top, width, height = map(int, sides)
    if width < 1 or height < 1 or left + width > size[0] or top + height > size[1]:
        return f"the mask of {width} x {height} at {left}, {top} does not fit into an image of {size[0]} x {size[1]}"
    if size[0] * size[1] > MAX_MASK_PIXELS:
        return f"masks are read on images of up to {MAX_MASK_PIXELS // 10**6} megapixels"
    text = element.get("rle") or ""
    if not re.fullmatch(r"\s*\d{1,9}(\s*,\s*\d{1,9})*\s*", text):
        return "the run-length encoding is no list of whole numbers"
    runs = np.array([int(each) for each in text.split(",")], dtype=np.int64)
    if runs.sum() != width * height:
        return f"the runs make {runs.sum()} pixels, the mask has {width} x {height}"
    crop = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    pixels = np.zeros((size[1], size[0]), dtype=bool)
    pixels[top : top + height, left : left + width] = crop
    return masks.encode(pixels) if crop.any() else "the mask is empty"


def _skeleton(element: ET.Element, spec: LabelSpec | None) -> Points | str:
    given: dict[str, tuple[Point, int]] = {}
    for each in element.findall("points"):
        found = _points(each.get("points") or "")
        key = (each.get("label") or "").strip()
        if not key or found is None or len(found) != 1:
            return "each point of a skeleton needs a label and one place `x,y`"
        seen = 0 if each.get("outside") == "1" else 1 if each.get("occluded") == "1" else 2
        given[key] = (found[0] if seen else (0.0, 0.0), seen)
    order = spec.points if spec is not None and spec.points else list(given)
    unknown = [key for key in given if key not in order]
    if unknown or not given:
        return (
            f"the skeleton has no point {excerpt(unknown[0])!r}" if unknown else "a skeleton without points"
        )
    points = [given.get(key, ((0.0, 0.0), 0)) for key in order]
    every = all(seen == 2 for _, seen in points)
    visibility = None if every else tuple(seen for _, seen in points)
    return Points(points=tuple(p for p, _ in points), visibility=visibility)


# --- suggested questions ----------------------------------------------------------------------------------------


def questions(files: Files) -> list[dict[str, Any]]:
    """What the label definitions ask, and what kinds of shapes the first images hold.

    Raises:
        Invalid: A file is no XML before its first image.
    """
    specs: Specs = {}
    shapes: dict[str, None] = {}
    regions: dict[str, dict[str, Any]] = {}
    tags: dict[str, dict[str, None]] = {}
    for each in _xml_files(files)[:20]:
        with files.open(each) as file:
            for n, (_, element) in enumerate(pieces(file, each)):
                if element.tag == "meta":
                    specs |= specs_of(element)
                elif element.tag == "image":
                    for shape in element:
                        label = (shape.get("label") or "").strip()
                        if label and shape.tag == "tag":
                            tags.setdefault(label, {})
                        elif label and shape.tag in _SHAPES:
                            turned = shape.tag == "box" and number(shape.get("rotation"))
                            shapes["rotated_box" if turned else _SHAPES[shape.tag]] = None
                            regions.setdefault(label, {})
                            if shape.get("occluded") == "1":
                                regions[label]["occluded"] = None
                if n > 500:
                    break
    asked: list[dict[str, Any]] = []
    labels = []
    for name, spec in specs.items():
        if spec.kind == "tag" or ANSWER in spec.attributes or (name in tags and name not in regions):
            asked += _question_of_tag(name, spec)
            tags.pop(name, None) if ANSWER in spec.attributes else tags.setdefault(name, {})
            continue
        labels.append(_label_of(name, spec, "occluded" in regions.get(name, {})))
        for kind in _TYPES.get(spec.kind, []):
            shapes[kind] = None
    labels += [{"name": name} for name in regions if name not in specs]
    if labels:
        kinds = list(shapes) or ["box", "polygon"]
        asked.insert(0, {"kind": "region", "name": OBJECTS, "shapes": kinds, "labels": labels})
    plain = [name for name in tags if ANSWER not in specs.get(name, LabelSpec()).attributes]
    if plain:
        asked.append({"kind": "choice", "name": TAGS, "multiple": True, "required": False, "labels": plain})
    return asked


def _question_of_tag(name: str, spec: LabelSpec) -> list[dict[str, Any]]:
    kind, options, _ = spec.attributes.get(ANSWER, ("", [], ""))
    match kind:
        case "select" | "radio" if options:
            return [{"kind": "choice", "name": name, "labels": options}]
        case "checkbox":
            return [{"kind": "scalar", "name": name, "type": "boolean"}]
        case "number":
            return [{"kind": "scalar", "name": name, "type": "number"}]
        case "text":
            return [{"kind": "text", "name": name}]
    return []


def _label_of(name: str, spec: LabelSpec, occluded: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "attributes": []}
    for key, (kind, options, _) in spec.attributes.items():
        one = {"id": re.sub(r"[^A-Za-z0-9_.-]", "_", key)[:64] or "attribute", "name": key}
        match kind:
            case "select" | "radio" if options:
                one |= {"type": "choice", "options": options}  # type: ignore[dict-item]
            case "checkbox":
                one |= {"type": "boolean"}
            case "number":
                one |= {"type": "number"}
            case _:
                one |= {"type": "text"}
        made["attributes"].append(one)
    if occluded and "occluded" not in spec.attributes:
        made["attributes"].append({"id": "occluded", "name": "occluded", "type": "boolean"})
    if spec.points:
        edges = [edge for edge in spec.edges if max(edge) < len(spec.points)]
        made["skeleton"] = {"points": spec.points, "edges": edges}
    return made
