"""YOLO text labels, both ways: boxes, outlines, key points and turned boxes, in the folders of Ultralytics or Darknet.

Coordinates are shares of the upright image with six decimals, so that 0.001 px of an image of 600 px survives.
A data set holds rows of one kind: readers guess the kind from the number of columns, and mixed rows break training.
"""

import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import yaml

from labelwright.core.errors import Invalid
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Point, Points, Polygon, Shape, Size
from labelwright.core.transfer import OBJECTS, Incoming, Opinion
from labelwright.formats import edge
from labelwright.formats.fit import rectangle
from labelwright.formats.outline import parts_of_ring
from labelwright.formats.pictures import Images, is_hidden, read_bytes

Kind = Literal["detect", "segment", "pose", "obb"]

MAX_SHEET_BYTES = 4 * 2**20
MAX_BRACKETS = 2_000
"""In `data.yaml`: the parser needs quadratic time for nested ones."""
MAX_ROW = 1_000_000
"""Characters of a row: an outline of some 50,000 points."""
MAX_LABELS_BYTES = 64 * 2**20
SAMPLE = 500
"""Label files looked at to tell turned boxes from outlines of four corners."""
SLACK = 0.001
"""How far beyond 0 and 1 a share may lie: rounding of other writers."""
SPLITS = ("train", "val", "test")


# --- what a data set is -----------------------------------------------------------------------------------------


@dataclass
class Sheet:
    """What `data.yaml` or `obj.names` says.

    Attributes:
        names: Class number -> name.
        points: (K, values per point) of a key point data set.
        point_names: Class number -> names of its key points.
        splits: Folder or list file -> split.
        task: What the rows hold, where the file says it; trainers pass over it.
    """

    names: dict[int, str] = field(default_factory=dict)
    points: tuple[int, int] | None = None
    point_names: dict[int, tuple[str, ...]] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    task: Kind | None = None


def sheet_of_yaml(text: str, name: str) -> Sheet:
    """Read `data.yaml`.

    Raises:
        Invalid: Not YAML, or without usable `names`.
    """
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise Invalid("bad_yaml", f"{name} is nested too deep")
    try:
        value = yaml.safe_load(io.StringIO(text))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise Invalid("bad_yaml", f"{name} is not YAML: {excerpt(str(error), 120)}") from None
    names = value.get("names") if isinstance(value, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        found = {int(k): str(v) for k, v in names.items()} if isinstance(names, dict) else {}
    except (TypeError, ValueError):
        found = {}
    if not found or len(found) > 100_000 or any(edge.forbidden(each) for each in found.values()):
        raise Invalid("bad_names", f"{name} needs `names`: a list, or class numbers with names")
    sheet = Sheet(found)
    shape = value.get("kpt_shape")
    if shape is not None:
        if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)):
            raise Invalid("bad_kpt_shape", f"{name}: `kpt_shape` is [number of key points, 2 or 3]")
        if not (1 <= shape[0] <= 1_000 and shape[1] in (2, 3)):
            raise Invalid("bad_kpt_shape", f"{name}: `kpt_shape` is [number of key points, 2 or 3]")
        sheet.points = (shape[0], shape[1])
    given = value.get("kpt_names")
    for number, points in given.items() if isinstance(given, dict) else ():
        if type(number) is int and isinstance(points, list):
            sheet.point_names[number] = tuple(map(str, points))
    if value.get("task") in ("detect", "segment", "obb"):
        sheet.task = value["task"]
    for split in SPLITS:
        places = value.get(split)
        for place in places if isinstance(places, list) else [places]:
            if isinstance(place, str):
                sheet.splits[place.replace("\\", "/").removeprefix("./").strip("/")] = split
    return sheet


def find_sheet(files: Files) -> tuple[str, Literal["yaml", "names"]] | None:
    """The file that names the classes: the `data.yaml` nearest to the top, else a `.names` of Darknet, else `classes.txt`."""
    names = sorted((n for n in files.names() if not is_hidden(n)), key=lambda n: (n.count("/"), n))
    for wanted in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"):
        for name in names:
            if PurePosixPath(name).name.lower() == wanted:
                return name, "yaml"
    loose = [n for n in names if n.lower().endswith((".yaml", ".yml"))]
    if len(loose) == 1:
        return loose[0], "yaml"
    for name in names:
        if name.lower().endswith(".names") or PurePosixPath(name).name.lower() == "classes.txt":
            return name, "names"
    return None


def read_sheet(files: Files) -> Sheet:
    """The classes of a source.

    Raises:
        Invalid: There is no file with classes, or it cannot be used.
    """
    found = find_sheet(files)
    if found is None:
        raise Invalid("no_names", "no data.yaml or obj.names with the names of the classes was found")
    name, how = found
    try:
        text = read_bytes(files, name, MAX_SHEET_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("bad_encoding", f"{name} is not UTF-8 at byte {error.start}") from None
    if how == "yaml":
        return sheet_of_yaml(text, name)
    lines = [line.strip() for line in text.splitlines()]
    names = {i: line for i, line in enumerate(lines) if line and not edge.forbidden(line)}
    if not names:
        raise Invalid("bad_names", f"{name} names no classes")
    return Sheet(names)


# --- rows in ----------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def read_row(line: str, sheet: Sheet, kind: Kind, size: Size) -> dict[str, Any] | str:
    """One row as a region, or what is wrong with it.

    Args:
        line: The row.
        sheet: Of the data set.
        kind: Of the data set; `detect` and `segment` rows are told apart by their columns.
        size: (width, height) of the image.
    """
    cells = line.split()
    if not all(_NUMBER.fullmatch(cell) for cell in cells):
        return f"numbers wanted, got {excerpt(line)!r}"
    values = [float(cell) for cell in cells]
    if not all(map(math.isfinite, values)):
        return "a number is beyond what a number can hold"
    if not values[0].is_integer() or int(values[0]) not in sheet.names:
        return f"class {excerpt(cells[0])} is not among the {len(sheet.names)} names"
    found = _shape(values[1:], sheet, kind, size, int(values[0]))
    if isinstance(found, str):
        return found
    shape, score = found
    region = {"shape": shape.model_dump(), "label": sheet.names[int(values[0])]}
    if score is not None and not 0 <= score <= 1:
        return f"a confidence in 0 to 1 wanted, got {score}"
    return region | ({"score": score} if score is not None else {})


def _shape(
    values: list[float], sheet: Sheet, kind: Kind, size: Size, number: int
) -> tuple[Shape, float | None] | str:
    n, score = len(values), None
    if kind == "pose":
        assert sheet.points is not None
        wanted = 4 + sheet.points[0] * sheet.points[1]
        if n == wanted + 1:
            values, score = values[:-1], values[-1]
        if len(values) != wanted:
            return f"{n + 1} columns where `kpt_shape` demands {wanted + 1}"
        box = _box(values[:4], size)
        if isinstance(box, str):
            return box
        points = _points(values[4:], sheet.points[1], size, len(sheet.point_names.get(number, ())) or None)
        return points if isinstance(points, str) else (points.model_copy(update={"box": box}), score)
    if n in (4, 5):
        box = _box(values[:4], size)
        return box if isinstance(box, str) else (box, values[4] if n == 5 else None)
    if n < 6:
        return f"{n + 1} columns: a box has 5, an outline at least 7"
    if n % 2:
        values, score = values[:-1], values[-1]
    wrong = _outside(values)
    if wrong:
        return wrong
    ring = _ring(values, size)
    if kind == "obb" and len(ring) == 4:
        turned = rectangle(ring)
        if turned is not None:
            return (turned, score) if turned.width > 0 and turned.height > 0 else "the box has no area"
    parts = parts_of_ring(ring)
    if not parts:
        return "an outline of fewer than three different points"
    return Polygon(parts=parts), score


def _box(values: list[float], size: Size) -> Box | str:
    wrong = _outside(values)
    if wrong:
        return wrong
    (xc, yc, w, h), (width, height) = values, size
    if w <= 0 or h <= 0:
        return f"width and height must be above 0, got {w} and {h}"
    left, top = _snap((xc - w / 2) * width, width), _snap((yc - h / 2) * height, height)
    right, bottom = _snap((xc + w / 2) * width, width), _snap((yc + h / 2) * height, height)
    # Six decimals may put an edge a hair outside.
    left, top = _near(left, 0.0, width), _near(top, 0.0, height)
    right, bottom = _near(right, float(width), width), _near(bottom, float(height), height)
    return Box(x=left, y=top, width=right - left, height=bottom - top)


def _near(value: float, border: float, length: int) -> float:
    return (
        border
        if abs(value - border) <= max(SLACK * length, 0.01) and (value - border) * (border or -1) > 0
        else value
    )


def _points(values: list[float], dims: int, size: Size, count: int | None) -> Points | str:
    found: list[Point] = []
    visibility: list[Literal[0, 1, 2]] = []
    for at in range(0, len(values), dims):
        x, y = values[at : at + 2]
        seen = values[at + 2] if dims == 3 else (2.0 if x or y else 0.0)
        if seen not in (0, 1, 2):
            # Predictions hold a confidence there.
            if not 0 < seen < 1:
                return f"visibility is 0, 1 or 2, got {seen}"
            seen = 2.0 if seen >= 0.5 else 1.0
        wrong = _outside([x, y]) if seen else ""
        if wrong:
            return wrong
        ((px, py),) = _ring([x, y], size) if seen else ((0.0, 0.0),)
        found.append((px, py))
        visibility.append(0 if seen == 0 else 1 if seen == 1 else 2)
    if count is not None and count < len(found) and not any(visibility[count:]):
        found, visibility = found[:count], visibility[:count]
    every = all(v == 2 for v in visibility)
    return Points(points=tuple(found), visibility=None if every else tuple(visibility))


def _outside(values: Sequence[float]) -> str:
    bad = next((v for v in values if not -SLACK <= v <= 1 + SLACK), None)
    return "" if bad is None else f"shares of the image lie in 0 to 1, got {bad}"


def _ring(values: Sequence[float], size: Size) -> tuple[Point, ...]:
    width, height = size
    return tuple(
        (
            _snap(min(max(values[i], 0.0), 1.0) * width, width),
            _snap(min(max(values[i + 1], 0.0), 1.0) * height, height),
        )
        for i in range(0, len(values), 2)
    )


def _snap(px: float, length: int) -> float:
    """Pixels rounded to what six decimals of `length` can tell, so that whole pixels come back whole."""
    return round(px, max(math.floor(-math.log10(1.5e-6 * max(length, 1))), 0))


# --- data sets in -----------------------------------------------------------------------------------------------


def recognises(files: Files) -> bool:
    """Whether there are classes and text labels beside images or in a folder `labels`."""
    found = find_sheet(files)
    if found is None:
        return False
    if found[1] == "yaml":
        try:
            read_sheet(files)
        except Invalid:
            return False
        return True
    return any(name.endswith(".txt") and name != found[0] for name in files.names())


def questions(files: Files) -> list[dict[str, Any]]:
    """All classes in their order, and the kind of shape the rows hold.

    Raises:
        Invalid: The classes cannot be read.
    """
    sheet, names = read_sheet(files), set(files.names())
    labels = [found for image in Images(files).names if (found := label_file_of(image, names)) is not None]
    kind = kind_of_rows(files, sheet, labels)
    shapes = {"pose": ["points"], "obb": ["rotated_box"], "detect": ["box"], "segment": ["polygon"]}[kind]
    made: list[dict[str, Any]] = []
    for number in sorted(sheet.names):
        label: dict[str, Any] = {"name": sheet.names[number]}
        if sheet.points is not None:
            points = list(sheet.point_names.get(number, ())) or [
                f"point {i + 1}" for i in range(sheet.points[0])
            ]
            label["skeleton"] = {"points": points}
        made.append(label)
    return [{"kind": "region", "name": OBJECTS, "shapes": shapes, "labels": made}]


def label_file_of(image: str, names: set[str]) -> str | None:
    """The label file of an image: the last folder `images` is `labels`, else beside the image."""
    path = PurePosixPath(image)
    parts = list(path.parts)
    stem = path.stem + ".txt"
    candidates = [str(path.with_name(stem))]
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            candidates.insert(0, "/".join([*parts[:i], "labels", *parts[i + 1 : -1], stem]))
            break
    if "images" in parts:  # `train/images` and the labels at the top
        candidates.append(f"labels/{stem}")
    return next((each for each in candidates if each in names), None)


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image with the regions of its label file; an image without one comes without an answer.

    Problems:
        no_image: A label file without its image, whose size is needed.
        bad_image, bad_encoding, file_too_large, line_too_long: A file that cannot be used.
        bad_row: A row that is none; the others of the file are kept.

    Raises:
        Invalid: The classes cannot be read.
    """
    del name
    sheet = read_sheet(files)
    names = set(files.names())
    images = Images(files).names
    pairs = {image: label_file_of(image, names) for image in images}
    kind = kind_of_rows(files, sheet, [each for each in pairs.values() if each is not None])
    ids = short_ids(images)
    for image in images:
        yield from _image(files, image, pairs[image], sheet, kind, ids[image])
    used = {*pairs.values(), (find_sheet(files) or ("",))[0]}
    lists = _list_files(sheet, names)
    for each in sorted(names - used - lists):
        if each.endswith(".txt") and not is_hidden(each) and _looks_like_labels(files, each):
            message = "there is no image for these labels, and without its size they mean nothing"
            yield Problem(where=each[:300], code="no_image", message=message)


def short_ids(images: Iterable[str]) -> dict[str, str]:
    """Image -> the key it gets: its path inside of `images/<split>` where that is unique, else its whole path."""
    short: dict[str, str] = {}
    for image in images:
        parts = list(PurePosixPath(image).parts)
        while len(parts) > 1 and parts[0] in ("images", *SPLITS, "valid", "obj_train_data", "obj_valid_data"):
            parts = parts[1:]
        short[image] = "/".join(parts)
    counts: dict[str, int] = {}
    for each in short.values():
        counts[each] = counts.get(each, 0) + 1
    return {image: (each if counts[each] == 1 else image)[-500:] for image, each in short.items()}


def _image(
    files: Files, image: str, labels: str | None, sheet: Sheet, kind: Kind, external_id: str
) -> Iterator[Incoming | Problem]:
    metadata = {"split": split} if (split := _split_of(image, sheet)) else {}
    opinions: tuple[Opinion, ...] = ()
    if labels is not None:
        size = files.dimensions(image)
        if size is None:
            yield Problem(where=image[:300], code="bad_image", message="the image cannot be decoded")
            return
        regions: list[dict[str, Any]] = []
        for where, found in _rows(files, labels, sheet, kind, size):
            if isinstance(found, Problem):
                yield found
            elif isinstance(found, str):
                yield Problem(where=where, code="bad_row", message=found)
            else:
                regions.append(found)
        by: Literal["model", "person"] = "model" if any("score" in each for each in regions) else "person"
        opinions = (Opinion(by, {OBJECTS: regions}, "yolo"),)
    yield Incoming(labels or image, "", external_id, dict(metadata), opinions, image)


def _rows(
    files: Files, labels: str, sheet: Sheet, kind: Kind, size: Size
) -> Iterator[tuple[str, dict[str, Any] | str | Problem]]:
    text = _text(files, labels)
    if isinstance(text, Problem):
        yield labels, text
        return
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{labels}:{number}"
        if len(line) > MAX_ROW:
            message = f"a row of {len(line)} characters, at most {MAX_ROW} are read"
            yield where, Problem(where=where, code="line_too_long", message=message)
        elif line.strip():
            yield where, read_row(line, sheet, kind, size)


def _text(files: Files, labels: str) -> str | Problem:
    try:
        return read_bytes(files, labels, MAX_LABELS_BYTES).decode("utf-8-sig")
    except Invalid as error:
        return Problem(where=labels[:300], code=error.code, message=error.message)
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
        return Problem(where=labels[:300], code="bad_encoding", message=message)


def kind_of_rows(files: Files, sheet: Sheet, labels: Sequence[str]) -> Kind:
    """What the rows of a data set are: as `data.yaml` says, else by the number of columns.

    Rows of four numbers are boxes. Eight numbers may be a turned box or an outline of four corners. A set in which every sampled row has eight holds
    turned boxes; a row of it that is no rectangle is still read as an outline.
    """
    if sheet.points is not None:
        return "pose"
    if sheet.task is not None:
        return sheet.task
    seen: Counter[int] = Counter()
    for each in labels[:SAMPLE]:
        text = _text(files, each)
        for line in text.splitlines() if isinstance(text, str) else ():
            if cells := line.split():
                seen[len(cells)] += 1
    if seen.keys() <= {9, 10} and seen:
        return "obb"
    return "detect" if seen.keys() <= {5, 6} else "segment"


def _split_of(image: str, sheet: Sheet) -> str:
    for place, split in sheet.splits.items():
        if place and (image.startswith(place + "/") or f"/{place}/" in f"/{image}"):
            return split
    parts = PurePosixPath(image).parts[:-1]
    found = next((part for part in reversed(parts) if part in (*SPLITS, "valid")), "")
    return "val" if found == "valid" else found


def _list_files(sheet: Sheet, names: set[str]) -> set[str]:
    lists = {place for place in sheet.splits if place.endswith(".txt")}
    return {
        n
        for n in names
        if n in lists or PurePosixPath(n).name in ("train.txt", "valid.txt", "val.txt", "test.txt")
    }


def _looks_like_labels(files: Files, name: str) -> bool:
    text = _text(files, name)
    first = next((line for line in text.splitlines() if line.strip()), "") if isinstance(text, str) else ""
    cells = first.split()
    return len(cells) >= 5 and all(_NUMBER.fullmatch(cell) for cell in cells)
