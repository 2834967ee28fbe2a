"""Pascal VOC: one XML file per image, both ways. Its pixels count from 1 and both corners belong to the box.

The pixels 1 to 10 of a row are our x = 0, width = 10: on the way in the lower corner loses one, the upper one does not.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from labelwright.core.answer import Region
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid
from labelwright.core.geometry import bounds, clip
from labelwright.core.ontology import RegionQuestion
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images, is_hidden, read_head
from labelwright.formats.regions import Classes, Held, chosen_regions, is_answered, kind_of, size_of
from labelwright.formats.xmls import number, pieces, text_of, writable

FLAGS = ("difficult", "truncated", "occluded")
LOOK = 40


def recognises(files: Files) -> bool:
    """Whether one of the first XML files is an annotation of VOC."""
    names = [n for n in files.names() if n.lower().endswith(".xml") and not is_hidden(n)]
    return any(re.search(r"<annotation[\s>]", read_head(files, each)) for each in names[:LOOK])


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image with the objects of its XML file; images without one come without an answer.

    Problems:
        no_image: An XML file whose image is not among the files; its answers go to the image of that name, if it was
            imported before.
        bad_xml, bad_object: A file or object that cannot be used.
        other_size: The file says another size than the upright image has.
    """
    del name
    images = Images(files)
    splits = _splits(files)
    used = set()
    for each in files.names():
        if each.lower().endswith(".xml") and not is_hidden(each):
            for found in _file(files, each, images, splits):
                if isinstance(found, Incoming):
                    used.add(found.image)
                yield found
    for image in images.names:
        if image not in used and "SegmentationClass" not in image and "SegmentationObject" not in image:
            yield Incoming(image, "", _id(image), _metadata(image, splits), (), image)


def _id(image: str) -> str:
    return image.rpartition("JPEGImages/")[2][-500:]


def _metadata(image: str, splits: dict[str, str]) -> dict[str, Any]:
    split = splits.get(PurePosixPath(image).stem)
    return {"split": split} if split else {}


def _splits(files: Files) -> dict[str, str]:
    """Image name without ending -> split, by the lists in `ImageSets/Main`."""
    found: dict[str, str] = {}
    for name in files.names():
        path = PurePosixPath(name)
        if path.parent.name == "Main" and path.name in ("train.txt", "val.txt", "test.txt"):
            for line in read_head(files, name, 64 * 2**20).splitlines():
                found.setdefault(line.split()[0] if line.split() else "", path.stem)
    return found


def _file(files: Files, name: str, images: Images, splits: dict[str, str]) -> Iterator[Incoming | Problem]:
    root = ET.Element("annotation")
    try:
        with files.open(name) as file:
            for tag, child in pieces(file, name):
                if tag != "annotation":
                    message = f"the root is <{excerpt(tag)}>, <annotation> is wanted"
                    yield Problem(where=name[:300], code="bad_xml", message=message)
                    return
                root.append(child)
    except Invalid as error:
        yield Problem(where=name[:300], code=error.code, message=error.message)
        return
    named = text_of(root, "filename") or PurePosixPath(name).stem
    image = images.find(named, name) or images.find(PurePosixPath(name).stem)
    size = files.dimensions(image) if image is not None else None
    if image is not None and size is None:
        yield Problem(where=image[:300], code="bad_image", message="the image cannot be decoded")
        return
    said = [number(text_of(root, f"size/{side}")) for side in ("width", "height")]
    known = (int(said[0]), int(said[1])) if said[0] and said[1] else None
    if size is not None and known is not None and known != size:
        message = f"the file says {known[0]} x {known[1]}, the upright image has {size[0]} x {size[1]} pixels"
        yield Problem(where=name[:300], code="other_size", message=message)
    size = size or known
    if size is None or min(size) < 1:
        yield Problem(where=name[:300], code="no_image", message="neither the image nor its size is there")
        return
    regions: list[dict[str, Any]] = []
    for i, each in enumerate(root.findall("object")):
        where = f"{name}:object/{i}"
        found = _object(each)
        if isinstance(found, str):
            yield Problem(where=where, code="bad_object", message=found)
            continue
        regions.append(found)
    external_id = _id(image) if image is not None else named.replace("\\", "/")[-500:]
    metadata = _metadata(image or named, splits)
    yield Incoming(name, "", external_id, metadata, (Opinion("person", {OBJECTS: regions}, "voc"),), image)


def _object(element: ET.Element) -> dict[str, Any] | str:
    label = text_of(element, "name")
    if not label:
        return "an object needs a <name>"
    edges = [number(text_of(element, f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")]
    if any(edge is None for edge in edges):
        return "<bndbox> needs the numbers xmin, ymin, xmax and ymax"
    x0, y0, x1, y1 = (float(edge) for edge in edges if edge is not None)
    if x1 < x0 or y1 < y0:
        return f"the box begins at {x0:g}, {y0:g} and ends before, at {x1:g}, {y1:g}"
    # A tool that counts from 0 writes 0 where a box touches the border.
    box = Box(x=x0 - 1, y=y0 - 1, width=x1 - x0 + 1, height=y1 - y0 + 1)
    box = box if x0 >= 1 else box.model_copy(update={"x": 0.0, "width": max(x1, 1.0)}) if x0 >= 0 else box
    box = box if y0 >= 1 else box.model_copy(update={"y": 0.0, "height": max(y1, 1.0)}) if y0 >= 0 else box
    attributes: dict[str, Any] = {}
    for flag in FLAGS:
        said = text_of(element, flag)
        if said == "1":  # 0 is what all tools write where nobody looked
            attributes[flag] = True
    pose = text_of(element, "pose")
    if pose and pose.casefold() != "unspecified":
        attributes["pose"] = pose
    for each in element.findall("attributes/attribute"):  # as CVAT writes them
        if key := text_of(each, "name"):
            attributes[key] = text_of(each, "value")
    return {"shape": box.model_dump(), "label": label, "attributes": attributes}


# --- out --------------------------------------------------------------------------------------------------------


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`Annotations`, `ImageSets/Main` and `JPEGImages`; images that nobody answered are left out."""
    classes, n = Classes.of(to.ontology), 0
    lists: dict[str, list[str]] = {}
    (to.folder / "Annotations").mkdir()
    for row in rows:
        if not is_answered(row, to.ontology):
            to.losses.left_out(row.asset, "no_answer")
            continue
        name = to.image_name(row.asset, flat=True)
        to.place(row.asset, f"JPEGImages/{name}")
        stem = PurePosixPath(name).stem
        root = _annotation(row, name, to, classes)
        ET.indent(root)
        text = ET.tostring(root, encoding="unicode") + "\n"
        (to.folder / "Annotations" / f"{stem}.xml").write_text(text, encoding="utf-8", newline="\n")
        split = str(row.asset.metadata.get("split"))
        lists.setdefault(split if split in ("train", "val", "test") else "train", []).append(stem)
        n += 1
    sets = to.folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    both = sorted([*lists.get("train", []), *lists.get("val", [])])
    for split, stems in {**lists, "trainval": both}.items():
        (sets / f"{split}.txt").write_text("".join(f"{s}\n" for s in stems), encoding="utf-8", newline="\n")
    to.losses.note("pixels", "corners are whole pixels that count from 1; the upper one belongs to the box")
    to.losses.note("ids", "ids of regions and who answered are not held")
    return Written(n)


def _annotation(row: Outgoing, name: str, to: Exporting, classes: Classes) -> ET.Element:
    width, height = size_of(row.asset)
    root = ET.Element("annotation")
    _add(root, "folder", "JPEGImages")
    _add(root, "filename", name)
    _add(ET.SubElement(root, "source"), "database", "Labelwright")
    size = ET.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        _add(size, key, str(value))
    _add(root, "segmented", "0")
    for question, region in chosen_regions(row, to.ontology, to.losses, Held(attributes=True)):
        box = _box(region, row.asset, to)
        if box is None:
            continue
        made = ET.SubElement(root, "object")
        label = classes.names[classes.number(question, region.label)]
        if writable(label) != label:
            to.losses.add(
                row.asset, "characters", f"the label {label!r} holds characters that XML cannot hold"
            )
        _add(made, "name", label)
        flags, pose, lost = _attributes(question, region)
        _add(made, "pose", pose or "Unspecified")
        for flag in ("truncated", "difficult"):
            _add(made, flag, str(int(flags.get(flag, False))))
        if "occluded" in flags:
            _add(made, "occluded", str(int(flags["occluded"])))
        off = [flag for flag, on in flags.items() if not on]
        if off:
            message = f"that region {region.id!r} is not {', '.join(off)} reads like nobody said it"
            to.losses.add(row.asset, "flag_off", message)
        if lost:
            message = f"attributes {', '.join(lost)} of region {region.id!r} are not held"
            to.losses.add(row.asset, "attributes", message)
        corners = ET.SubElement(made, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            _add(corners, key, str(value))
    return root


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = writable(text)


def _box(region: Region, asset: Asset, to: Exporting) -> tuple[int, int, int, int] | None:
    """(xmin, ymin, xmax, ymax) from 1, all inclusive."""
    shape, named = region.shape, f"{kind_of(region.shape)} {region.id!r}"
    inside = clip(shape, size_of(asset))
    box = bounds(inside) if inside is not None else None
    if box is None or box.width <= 0 or box.height <= 0:
        why = "lies outside of the image" if inside is None else "has no area"
        to.losses.add(asset, "outside" if inside is None else "not_held", f"{named} {why} and is not held")
        return None
    if inside != shape:
        to.losses.add(asset, "clipped", f"{named} was cut at the border of the image")
    if not isinstance(shape, Box):
        to.losses.add(asset, "as_box", f"{named} is held as its box")
    x0, y0, x1, y1 = box.x, box.y, box.x + box.width, box.y + box.height
    left, top = round(x0), round(y0)
    right, bottom = max(round(x1), left + 1), max(round(y1), top + 1)
    if max(abs(left - x0), abs(top - y0), abs(right - x1), abs(bottom - y1)) > 1e-9:
        to.losses.add(asset, "rounded", f"{named} was rounded to whole pixels")
    width, height = size_of(asset)
    left, top = min(left, width - 1), min(top, height - 1)
    return left + 1, top + 1, min(right, width), min(bottom, height)


def _attributes(question: RegionQuestion, region: Region) -> tuple[dict[str, bool], str, list[str]]:
    """(flags, pose, names of those that VOC has no place for)."""
    label = question.label(region.label)
    names = {a.id: a.name for a in label.attributes} if label is not None else {}
    flags: dict[str, bool] = {}
    pose, lost = "", []
    for key, value in region.attributes.items():
        plain = {key.casefold(), names.get(key, key).casefold()}
        flag = next((each for each in FLAGS if each in plain), None)
        if flag is not None and isinstance(value, bool):
            flags[flag] = value
        elif "pose" in plain and isinstance(value, str) and writable(value) == value:
            pose = value
        else:
            lost.append(repr(names.get(key, key)))
    return flags, pose, lost
