"""The formats by name: how each is recognised, read and written.

Texts are read from one file, images from a source with files (`core.ports.Files`): pictures, and labels beside them.
A new image format is one line in `READERS` and one in `_IMAGE_READERS`, or one in `WRITERS` and one in `_WRITE`.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelwright.core.errors import Invalid
from labelwright.core.ports import Files
from labelwright.core.problem import Problem
from labelwright.core.project import Modality
from labelwright.core.transfer import Incoming
from labelwright.core.value import Value
from labelwright.formats import (
    addresses,
    boxes_csv,
    coco,
    coco_export,
    coco_panoptic,
    conll,
    cvat,
    cvat_out,
    edge,
    imagefolder,
    label_studio,
    labelme,
    mapping,
    masks,
    native,
    output,
    pictures,
    spacy_docbin,
    tables,
    tabular,
    texts,
    voc,
    yolo,
    yolo_out,
)


class Reader(Value):
    """A format that can be imported.

    Attributes:
        columns: Whether the user says which column means what.
        modalities: What it holds.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    columns: bool
    modalities: tuple[Modality, ...] = ("text",)


class Writer(Value):
    """A format that can be exported.

    Attributes:
        modalities: What it can hold.
        everybody: Whether it holds the answers of every person; others hold those of one.
    """

    name: str
    title: str
    needs: str = ""
    notes: str = ""
    modalities: tuple[Modality, ...] = ("text",)
    everybody: bool = False


@dataclass(frozen=True)
class ImageReader:
    """How an image format is read.

    Attributes:
        recognises: Whether a source is of this format, by its content; looks at little of it, and never raises.
        read: Every image and every problem; the second argument is the name of the source, for messages.
        questions: What an ontology for it asks, as `flows.setup.parse_ontology` takes it; None where the regions that
            were read say enough (`pictures.questions_of`).
    """

    recognises: Callable[[Files], bool]
    read: Callable[[Files, str], Iterator[Incoming | Problem]]
    questions: Callable[[Files], list[dict[str, Any]]] | None = None


READERS = (
    Reader(name="csv", title="CSV", extensions=(".csv",), columns=True),
    Reader(name="tsv", title="TSV", extensions=(".tsv", ".tab"), columns=True),
    Reader(name="jsonl", title="JSON lines", extensions=(".jsonl", ".ndjson"), columns=True),
    Reader(name="json", title="JSON array", extensions=(".json",), columns=True),
    Reader(name="parquet", title="Parquet", extensions=(".parquet",), columns=True),
    Reader(name="conll", title="CoNLL-2003", extensions=(".conll", ".iob", ".iob2", ".bio"), columns=False),
    Reader(name="txt", title="A zip or folder of .txt files", extensions=(".zip",), columns=False),
    Reader(
        name="label_studio",
        title="Label Studio JSON",
        extensions=(),
        columns=False,
        modalities=("text", "image"),
    ),
    Reader(
        name="labelwright",
        title="Labelwright JSON lines",
        extensions=(),
        columns=False,
        modalities=("text", "image"),
    ),
    Reader(
        name="coco",
        title="COCO (instances, key points, results, panoptic)",
        extensions=(),
        columns=False,
        modalities=("image",),
    ),
    Reader(
        name="instance_masks",
        title="Instance masks (PNG)",
        extensions=(),
        columns=False,
        modalities=("image",),
    ),
    Reader(
        name="semantic_masks",
        title="Semantic masks (PNG)",
        extensions=(),
        columns=False,
        modalities=("image",),
    ),
    Reader(name="yolo", title="YOLO", extensions=(), columns=False, modalities=("image",)),
    Reader(name="voc", title="Pascal VOC", extensions=(), columns=False, modalities=("image",)),
    Reader(name="labelme", title="LabelMe JSON", extensions=(), columns=False, modalities=("image",)),
    Reader(
        name="boxes_csv",
        title="Boxes in a CSV file",
        extensions=(),
        columns=False,
        modalities=("image",),
    ),
    Reader(
        name="imagefolder",
        title="Image folder of Hugging Face datasets",
        extensions=(),
        columns=False,
        modalities=("image",),
    ),
    Reader(name="cvat", title="CVAT for images", extensions=(), columns=False, modalities=("image",)),
    Reader(name="images", title="Images", extensions=(), columns=False, modalities=("image",)),
    Reader(
        name="image_addresses",
        title="A list of image addresses (.txt, .csv, .tsv)",
        extensions=(),
        columns=False,
        modalities=("image",),
    ),
)
_IMAGE_READERS: dict[str, ImageReader] = {
    "labelwright": ImageReader(native.recognises, native.read_images, native.questions),
    # In the order in which a source is tried; whatever is none of them is a source of plain images.
    "label_studio": ImageReader(
        label_studio.recognises_images, label_studio.read_images, label_studio.image_questions
    ),
    "labelme": ImageReader(labelme.recognises, labelme.read),
    "cvat": ImageReader(cvat.recognises, cvat.read, cvat.questions),
    "voc": ImageReader(voc.recognises, voc.read),
    "yolo": ImageReader(yolo.recognises, yolo.read, yolo.questions),
    "imagefolder": ImageReader(imagefolder.recognises, imagefolder.read, imagefolder.questions),
    "boxes_csv": ImageReader(boxes_csv.recognises, boxes_csv.read),
    "instance_masks": ImageReader(masks.recognises_instances, masks.read_instances),
    "coco": ImageReader(coco.recognises, coco.read, coco.questions),
    "semantic_masks": ImageReader(masks.recognises_semantic, masks.read_semantic, masks.semantic_questions),
    "image_addresses": ImageReader(addresses.is_list, addresses.read),
    "images": ImageReader(pictures.has_images, pictures.read_images),
}
WRITERS = (
    Writer(
        name="labelwright",
        title="Labelwright JSON lines",
        notes="Lossless; can be imported again.",
        modalities=("text", "image"),
        everybody=True,
    ),
    Writer(
        name="csv", title="CSV", notes="One row per asset, one column per question; guarded against formulas."
    ),
    Writer(
        name="conll",
        title="CoNLL-2003",
        notes="Spans as IOB2 tags; nothing overlapping; offsets in a side file.",
    ),
    Writer(
        name="spacy",
        title="spaCy DocBin",
        needs="pip install 'labelwright[spacy]'",
        notes="Entities, span groups and categories.",
    ),
    Writer(
        name="label_studio",
        title="Label Studio JSON",
        notes="With the labeling config; offsets in UTF-16 units.",
        modalities=("text", "image"),
        everybody=True,
    ),
    Writer(
        name="parquet",
        title="Parquet for Hugging Face datasets",
        needs="pip install 'labelwright[parquet]'",
        notes="Typed features; labels in ontology order.",
    ),
    Writer(
        name="coco",
        title="COCO (instances, key points)",
        notes="Boxes, polygons, masks, key points; what models say as a results file.",
        modalities=("image",),
    ),
    Writer(
        name="coco_panoptic",
        title="COCO panoptic",
        notes="A PNG per image; every pixel belongs to the uppermost region.",
        modalities=("image",),
    ),
    Writer(
        name="semantic_masks",
        title="Semantic masks (PNG)",
        notes="The number of a label per pixel; 255 is ignored.",
        modalities=("image",),
    ),
    Writer(
        name="instance_masks",
        title="Instance masks (PNG)",
        notes="The number of a region per pixel, 16 bits, with a table.",
        modalities=("image",),
    ),
    Writer(
        name="yolo", title="YOLO detect", notes="Boxes, as Ultralytics wants them.", modalities=("image",)
    ),
    Writer(
        name="yolo_segment",
        title="YOLO segment",
        notes="One outline per thing; holes and parts tied together.",
        modalities=("image",),
    ),
    Writer(name="yolo_pose", title="YOLO pose", notes="Boxes with key points.", modalities=("image",)),
    Writer(name="yolo_obb", title="YOLO OBB", notes="Rotated boxes by their corners.", modalities=("image",)),
    Writer(
        name="voc",
        title="Pascal VOC",
        notes="Boxes in whole pixels that count from 1.",
        modalities=("image",),
    ),
    Writer(
        name="boxes_csv",
        title="Boxes in a CSV file",
        notes="A row per box, in pixels; guarded against formulas.",
        modalities=("image",),
    ),
    Writer(
        name="imagefolder",
        title="Image folder for Hugging Face datasets",
        notes="metadata.jsonl with boxes and answers about the image.",
        modalities=("image",),
    ),
    Writer(
        name="labelme",
        title="LabelMe JSON",
        notes="All shapes, beside the images; opens in LabelMe and its descendants.",
        modalities=("image",),
    ),
    Writer(
        name="cvat",
        title="CVAT for images 1.1",
        notes="All shapes, attributes, z-order.",
        modalities=("image",),
    ),
)
_WRITE: dict[str, output.Write] = {
    "labelwright": native.write,
    "csv": tables.write_csv,
    "conll": conll.write,
    "spacy": spacy_docbin.write,
    "label_studio": label_studio.write,
    "parquet": tables.write_parquet,
    "coco": coco_export.write,
    "coco_panoptic": coco_panoptic.write,
    "semantic_masks": masks.write_semantic,
    "instance_masks": masks.write_instances,
    "yolo": yolo_out.write_detect,
    "yolo_segment": yolo_out.write_segment,
    "yolo_pose": yolo_out.write_pose,
    "yolo_obb": yolo_out.write_obb,
    "voc": voc.write,
    "cvat": cvat_out.write,
    "labelme": labelme.write,
    "boxes_csv": boxes_csv.write,
    "imagefolder": imagefolder.write,
}


def writer(name: str) -> output.Write:
    """The exporter of a format.

    Raises:
        Invalid: There is no such format.
    """
    if name not in _WRITE:
        raise Invalid(
            "unknown_format", f"there is no export format {name!r}", f"formats: {', '.join(_WRITE)}"
        )
    return _WRITE[name]


def holds_everybody(name: str) -> bool:
    """Whether an export format holds the answers of every person."""
    return any(each.name == name and each.everybody for each in WRITERS)


def for_modality(modality: Modality) -> tuple[tuple[Reader, ...], tuple[Writer, ...]]:
    """(readers, writers) that fit a project."""
    return (
        tuple(each for each in READERS if modality in each.modalities),
        tuple(each for each in WRITERS if modality in each.modalities),
    )


def holds_images(files: Files, form: str) -> bool:
    """Whether a source of a format that can hold texts and images holds images."""
    return form in _IMAGE_READERS and _IMAGE_READERS[form].recognises(files)


def sniff_images(files: Files, name: str) -> str:
    """The format of a source of images.

    Raises:
        Invalid: It holds no images and no labels of them.
    """
    for form, reader in _IMAGE_READERS.items():
        if reader.recognises(files):
            return form
    formats = ", ".join(each.title for each in for_modality("image")[0])
    raise Invalid(
        "unknown_format", f"{name} holds no images and no labels that can be read", f"formats: {formats}"
    )


def open_images(files: Files, name: str, form: str) -> Iterator[Incoming | Problem]:
    """Every image of a source, and every problem, in a stable order; all of it can be stored.

    Raises:
        Invalid: There is no such format, or the source as a whole cannot be read.
    """
    return (_storable(each) for each in image_reader(form).read(files, name))


def image_questions(files: Files, form: str, rows: list[Incoming]) -> list[dict[str, Any]]:
    """Questions for a new project that takes this source: as `flows.setup.parse_ontology` takes them.

    Args:
        files: The source.
        form: Its format.
        rows: The first of it, for formats that say nothing about their labels beforehand.

    Raises:
        Invalid: There is no such format, or the source as a whole cannot be read.
    """
    asked = image_reader(form).questions
    return asked(files) if asked is not None else pictures.questions_of(rows)


def image_reader(form: str) -> ImageReader:
    """The reader of an image format.

    Raises:
        Invalid: There is no such format.
    """
    if form not in _IMAGE_READERS:
        raise Invalid(
            "unknown_format", f"there is no image format {form!r}", f"formats: {', '.join(_IMAGE_READERS)}"
        )
    return _IMAGE_READERS[form]


def sniff(path: Path, name: str) -> str:
    """The format of a file, by its name and its beginning.

    Raises:
        Invalid: It is none that can be read.
    """
    if path.is_dir():
        return "txt"
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    with path.open("rb") as file:
        head = file.read(65_536)
    if not head:
        raise Invalid("empty_file", f"{name} is empty")
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:4] == b"PK\x03\x04":
        return "txt"
    text = head.decode(
        "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="replace"
    ).lstrip("\ufeff \r\n\t")
    if text.startswith("-DOCSTART-"):
        return "conll"
    if text[:1] == "[":
        return "label_studio" if _first_object(text, label_studio.is_label_studio) else "json"
    if text[:1] == "{":
        first = text.splitlines()[0]
        try:
            row = json.loads(first)
        except ValueError:
            # A line longer than what was looked at, or one pretty-printed object: its reader will say.
            return "jsonl" if suffix in (".jsonl", ".ndjson") or f'"{native.FORMAT}"' in first else "json"
        return "labelwright" if isinstance(row, dict) and native.is_native(row) else "jsonl"
    found = next((reader.name for reader in READERS if suffix in reader.extensions), None)
    if found is None and suffix in ("", ".txt"):
        found = "csv" if "," in text.splitlines()[0] else None
    if found is None:
        names = ", ".join(extension for reader in for_modality("text")[0] for extension in reader.extensions)
        raise Invalid("unknown_format", f"{name} is of no format that can be read", f"known endings: {names}")
    return found


def _first_object(text: str, test: Any) -> bool:
    try:
        value, _ = edge.DECODER.raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return '"data"' in text and '"result"' in text
    return isinstance(value, dict) and bool(test(value))


def rows(path: Path, name: str, form: str, encoding: str | None) -> Iterator[tabular.Row]:
    """Rows of a format with columns.

    Raises:
        Invalid: The file as a whole cannot be read.
    """
    match form:
        case "csv":
            return tabular.delimited(path, name, encoding, None)
        case "tsv":
            return tabular.delimited(path, name, encoding, "\t")
        case "jsonl":
            return tabular.json_lines(path, name, encoding)
        case "json":
            return tabular.json_array(path, name, encoding)
        case "parquet":
            return tabular.parquet(path, name)
    raise Invalid("unknown_format", f"{form!r} is no format with columns")


def open_source(path: Path, name: str, form: str, columns: mapping.Mapping) -> Iterator[Incoming | Problem]:
    """Every asset of a file, and every problem, in the order of the file; all of it can be stored.

    Raises:
        Invalid: The file as a whole cannot be read.
    """
    return (_storable(each) for each in _source(path, name, form, columns))


def _source(path: Path, name: str, form: str, columns: mapping.Mapping) -> Iterator[Incoming | Problem]:
    match form:
        case "conll":
            return conll.read(path, name, columns.encoding)
        case "txt":
            return texts.read_folder(path, name) if path.is_dir() else texts.read_zip(path, name)
        case "label_studio":
            return label_studio.read(path, name, columns.encoding)
        case "labelwright":
            return native.read(path, name, columns.encoding)
    source = rows(path, name, form, columns.encoding)
    return (row if isinstance(row, Problem) else mapping.apply(where, row, columns) for where, row in source)


def _storable(each: Incoming | Problem) -> Incoming | Problem:
    # The last gate of every format: what passes here can be held by both databases.
    if isinstance(each, Incoming):
        values = [each.external_id, *each.metadata, *each.metadata.values()]
        # One search over all of a row's texts is many times faster than one per text; which it was is asked only then.
        joined = "".join(value for value in values if isinstance(value, str))
        wrong = None
        if edge.forbidden(joined) or any(isinstance(value, float) for value in values):
            wrong = edge.unstorable(values)
        if each.opinions and wrong is None:
            wrong = edge.unstorable([[opinion.name, opinion.answers] for opinion in each.opinions])
        if wrong is None:
            return each
        each = Problem(where=each.where, code="forbidden_character", message=f"the row {wrong}")
    return Problem(where=edge.printable(each.where), code=each.code, message=edge.printable(each.message))


def head(
    path: Path, name: str, form: str, encoding: str | None, n: int
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The first `n` rows of a format with columns, and the problems met on the way."""
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for _, row in itertools.islice(rows(path, name, form, encoding), n):
        if isinstance(row, Problem):
            problems.append(row)
        else:
            found.append(row)
    return found, problems
