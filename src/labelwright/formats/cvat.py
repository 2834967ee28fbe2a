"""CVAT XML 1.1 for images, both ways: every shape it knows, attributes, skeletons, z-order.

A question that marks nothing travels as a tag with the name of the question and an attribute `answer`; tags of other
files are the answer to a question called `tags`.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import XMLGenerator

import numpy as np

from labelwright.core import mask as masks
from labelwright.core.answer import ChoiceAnswer, Region, ScalarAnswer, TextAnswer
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid
from labelwright.core.ontology import (
    Attribute,
    ChoiceQuestion,
    Label,
    Question,
    RegionQuestion,
    ScalarQuestion,
    Skeleton,
    TextQuestion,
)
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats.fit import ellipse
from labelwright.formats.outline import one_ring, parts_of_ring
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images, is_hidden, read_head
from labelwright.formats.regions import Classes, Held, chosen_regions, is_answered, kind_of, size_of
from labelwright.formats.xmls import number, pieces, text_of, writable

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


# --- out --------------------------------------------------------------------------------------------------------


class _Out:
    """An XML file written element by element; what XML cannot hold is replaced."""

    def __init__(self, file: Any) -> None:
        self._out, self._depth = XMLGenerator(file, "utf-8", short_empty_elements=True), 0
        self._out.startDocument()

    def open(self, tag: str, **attributes: str) -> None:
        self._out.ignorableWhitespace("  " * self._depth)
        self._out.startElement(tag, {k: writable(v) for k, v in attributes.items()})  # type: ignore[arg-type]
        self._out.ignorableWhitespace("\n")
        self._depth += 1

    def close(self, tag: str) -> None:
        self._depth -= 1
        self._out.ignorableWhitespace("  " * self._depth)
        self._out.endElement(tag)
        self._out.ignorableWhitespace("\n")

    def leaf(self, tag: str, text: str = "", **attributes: str) -> None:
        self._out.ignorableWhitespace("  " * self._depth)
        self._out.startElement(tag, {k: writable(v) for k, v in attributes.items()})  # type: ignore[arg-type]
        if text:
            self._out.characters(writable(text))
        self._out.endElement(tag)
        self._out.ignorableWhitespace("\n")

    def end(self) -> None:
        self._out.endDocument()


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`annotations.xml` and, where wanted, `images`; images that nobody answered are listed without shapes."""
    classes, n = Classes.of(to.ontology), 0
    with (to.folder / "annotations.xml").open("w", encoding="utf-8", newline="\n") as file:
        out = _Out(file)
        out.open("annotations")
        out.leaf("version", "1.1")
        _write_meta(out, to, classes)
        for row in rows:
            name = to.image_name(row.asset)
            to.place(row.asset, f"images/{name}")
            width, height = size_of(row.asset)
            split = row.asset.metadata.get("split")
            subset = {"subset": str(split)} if isinstance(split, str) and split else {}
            out.open("image", id=str(n), name=name, **subset, width=str(width), height=str(height))
            if is_answered(row, to.ontology) or row.chosen is not None:
                _write_row(out, row, to, classes)
            else:
                to.losses.add(
                    row.asset, "no_answer", "an image without an answer reads like one with nothing on it"
                )
            out.close("image")
            n += 1
        out.close("annotations")
        out.end()
    to.losses.note("ids", "ids of regions and who answered are not held")
    return Written(n)


def _write_meta(out: _Out, to: Exporting, classes: Classes) -> None:
    out.open("meta")
    out.open("task")
    out.leaf("name", "Labelwright")
    out.leaf("mode", "annotation")
    out.open("labels")
    for name, (_, label) in zip(classes.names, classes.entries, strict=True):
        out.open("label")
        out.leaf("name", name)
        out.leaf("color", label.colour or "#0072b2")
        out.leaf("type", "skeleton" if label.skeleton else "any")
        out.open("attributes")
        for attribute in label.attributes:
            _write_attribute(out, attribute)
        out.close("attributes")
        if label.skeleton:
            out.leaf("svg", _svg(label.skeleton))
        out.close("label")
        for point in label.skeleton.points if label.skeleton else ():
            out.open("label")
            out.leaf("name", point)
            out.leaf("type", "points")
            out.leaf("attributes")
            out.leaf("parent", name)
            out.close("label")
    for question in to.ontology.active_questions:
        if not isinstance(question, RegionQuestion) and (spec := _answer_spec(question)) is not None:
            out.open("label")
            out.leaf("name", question.name)
            out.leaf("type", "tag")
            out.open("attributes")
            _write_attribute(out, spec)
            out.close("attributes")
            out.close("label")
    out.close("labels")
    out.close("task")
    out.close("meta")


def _answer_spec(question: Question) -> Attribute | None:
    """The attribute of a tag that holds the answer to a question; None for what cannot be held."""
    match question:
        case ChoiceQuestion():
            names = tuple(
                dict.fromkeys(question.shown_names[label.id][:200] for label in question.active_labels)
            )
            return Attribute(id=ANSWER, name=ANSWER, options=names[:200])
        case ScalarQuestion():
            return Attribute(id=ANSWER, name=ANSWER, type=question.type)
        case TextQuestion():
            return Attribute(id=ANSWER, name=ANSWER, type="text")
    return None


def _write_attribute(out: _Out, attribute: Attribute) -> None:
    kind = {"choice": "select", "boolean": "checkbox", "text": "text"}.get(attribute.type, "number")
    values = list(attribute.options)
    if kind == "checkbox":
        values = ["false"]
    elif kind == "number":
        low = attribute.minimum if attribute.minimum is not None else -1_000_000
        high = attribute.maximum if attribute.maximum is not None else 1_000_000
        values = [f"{low:g}", f"{high:g}", "1" if attribute.type == "integer" else "0.001"]
    out.open("attribute")
    out.leaf("name", attribute.name)
    out.leaf("mutable", "False")
    out.leaf("input_type", kind)
    out.leaf("default_value", values[0] if values else "")
    out.leaf("values", "\n".join(values))
    out.close("attribute")


def _svg(skeleton: Skeleton) -> str:
    """A drawing of a skeleton as CVAT wants one: nodes on a circle, which count from 1."""
    n = len(skeleton.points)
    turns = [2 * np.pi * i / n for i in range(n)]
    at = [(50 + 40 * float(np.sin(t)), 50 - 40 * float(np.cos(t))) for t in turns]
    lines = [
        f'<line x1="{at[a][0]:.2f}" y1="{at[a][1]:.2f}" x2="{at[b][0]:.2f}" y2="{at[b][1]:.2f}" '
        f'data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"></line>'
        for a, b in skeleton.edges
    ]
    nodes = [
        f'<circle r="1.5" cx="{x:.2f}" cy="{y:.2f}" data-type="element node" data-element-id="{i}" data-node-id="{i}" '
        f'data-label-name="{_quoted(name)}"></circle>'
        for i, ((x, y), name) in enumerate(zip(at, skeleton.points, strict=True), 1)
    ]
    return "".join([*lines, *nodes])


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _write_row(out: _Out, row: Outgoing, to: Exporting, classes: Classes) -> None:
    held = Held(attributes=True, z_order=True, other_questions=True)
    for question, region in chosen_regions(row, to.ontology, to.losses, held):
        name = classes.names[classes.number(question, region.label)]
        label = question.label(region.label)
        texts = [name, *map(str, region.attributes.values())]
        if any(writable(text) != text for text in texts):
            to.losses.add(
                row.asset, "characters", f"region {region.id!r} holds characters that XML cannot hold"
            )
        _write_region(out, region, name, label, row, to)
    for question_id, answer in row.chosen.items() if row.chosen is not None else ():
        asked = to.ontology.question(question_id)
        match asked, answer:
            case ChoiceQuestion(), ChoiceAnswer(labels=labels):
                if not labels:
                    message = f"{question_id!r} is answered with no label, which reads like no answer"
                    to.losses.add(row.asset, "no_labels", message)
                values = [asked.shown_names.get(label, label) for label in labels]
            case ScalarQuestion(), ScalarAnswer(value=value):
                values = [_text(value)]
            case TextQuestion(), TextAnswer(text=text):
                values = [text]
                if writable(text) != text or text.strip("\n\r") != text or "\r" in text:
                    message = f"the answer to {question_id!r} holds characters that XML cannot hold"
                    to.losses.add(row.asset, "characters", message)
            case RegionQuestion(), _:
                continue
            case _:
                to.losses.add(row.asset, "not_held", f"the answer to {question_id!r} is not held")
                continue
        for said in values:
            assert asked is not None
            out.open("tag", label=asked.name, source="manual")
            out.leaf("attribute", said, name=ANSWER)
            out.close("tag")


def _text(value: str | bool | float | int) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, str)
        else _plain(value)
    )


def _plain(value: float) -> str:
    """A number without a loss that anybody could see: 12 digits."""
    return f"{value:.12g}"


def _write_region(
    out: _Out, region: Region, name: str, label: Label | None, row: Outgoing, to: Exporting
) -> None:
    names = {a.id: a.name for a in label.attributes} if label is not None else {}
    flag = next((v for k, v in region.attributes.items() if names.get(k, k).casefold() == "occluded"), False)
    common = {
        "label": name,
        "source": "auto" if row.chosen_by == "model" else "manual",
        "occluded": str(int(flag is True)),
    }
    order = {"z_order": str(region.z_order)}
    skeleton = label.skeleton if label is not None else None
    tag, more = _geometry(region, row.asset, to, skeleton)
    if not tag:
        return
    out.open(tag, **common, **more, **order)
    if tag == "skeleton":
        assert isinstance(region.shape, Points) and skeleton is not None
        _write_points(out, region.shape, skeleton, common["source"])
    for key, value in region.attributes.items():
        out.leaf("attribute", _text(value), name=names.get(key, key))
    out.close(tag)


def _write_points(out: _Out, shape: Points, skeleton: Skeleton, source: str) -> None:
    seen = shape.visibility or (2,) * len(shape.points)
    for i, point in enumerate(skeleton.points):
        here = (seen[i] if i < len(seen) else 2) if i < len(shape.points) else 0
        x, y = shape.points[i] if here else (0.0, 0.0)
        flags = {"outside": str(int(here == 0)), "occluded": str(int(here == 1))}
        out.leaf("points", label=point, source=source, **flags, points=f"{_plain(x)},{_plain(y)}")


def _geometry(
    region: Region, asset: Asset, to: Exporting, skeleton: Skeleton | None
) -> tuple[str, dict[str, str]]:
    """(tag, attributes) of a shape; an empty tag for what cannot be held."""
    shape, named = region.shape, f"{kind_of(region.shape)} {region.id!r}"
    match shape:
        case Box() | RotatedBox():
            edges = (shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)
            found = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(_plain, edges), strict=True))
            if isinstance(shape, RotatedBox):
                found["rotation"] = _plain(shape.angle_deg % 360)
                if shape.angle_deg % 360 == 0:
                    to.losses.add(asset, "as_box", f"{named} is turned by 0 degrees and is held as a box")
            return "box", found
        case Polygon(parts=parts):
            if len(parts) > 1 or len(parts[0]) > 1:
                rings = sum(map(len, parts))
                message = f"the {rings} rings of {named} are tied together by lines without area"
                to.losses.add(asset, "bridged", message)
            return "polygon", {"points": _joined(one_ring(parts))}
        case Polyline(points=points):
            return "polyline", {"points": _joined(points)}
        case Points() if skeleton is not None and len(shape.points) <= len(skeleton.points):
            if shape.box is not None:
                to.losses.add(asset, "points_box", f"the box of {named} is not held")
            return "skeleton", {}
        case Points(points=points, visibility=visibility):
            if shape.box is not None:
                to.losses.add(asset, "points_box", f"the box of {named} is not held")
            if visibility is not None and set(visibility) != {2}:
                to.losses.add(asset, "visibility", f"which points of {named} are hidden is not held")
                points = tuple(p for p, seen in zip(points, visibility, strict=False) if seen)
            return ("points", {"points": _joined(points)}) if points else ("", {})
        case Mask():
            left, top, pixels = masks.crop(shape)
            if not pixels.size:
                to.losses.add(asset, "not_held", f"{named} is empty and is not held")
                return "", {}
            crop = pixels.ravel()
            borders = np.flatnonzero(np.diff(crop.astype(np.int8))) + 1
            runs = np.diff([0, *borders.tolist(), crop.size]).tolist()
            text = ", ".join(map(str, [0, *runs] if crop[0] else runs))
            sides = {"left": left, "top": top, "width": pixels.shape[1], "height": pixels.shape[0]}
            return "mask", {"rle": text, **{key: str(value) for key, value in sides.items()}}


def _joined(points: Iterable[Point]) -> str:
    return ";".join(f"{_plain(x)},{_plain(y)}" for x, y in points)
