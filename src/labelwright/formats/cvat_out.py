"""Writes CVAT XML 1.1 for images; `cvat` reads it and says what its labels mean."""

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import XMLGenerator

import numpy as np

from labelwright.core import mask as masks
from labelwright.core.answer import ChoiceAnswer, Region, ScalarAnswer, TextAnswer
from labelwright.core.asset import Asset
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
from labelwright.core.shape import Box, Mask, Point, Points, Polygon, Polyline, RotatedBox
from labelwright.core.transfer import Outgoing
from labelwright.formats.cvat import ANSWER
from labelwright.formats.outline import one_ring
from labelwright.formats.output import Exporting, Written
from labelwright.formats.regions import Classes, Held, chosen_regions, is_answered, kind_of, size_of
from labelwright.formats.xmls import writable


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
