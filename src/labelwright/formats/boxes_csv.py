"""Boxes in a CSV file, one row each, both ways. Which column means what is guessed from its name.

Known dialects: corners or a corner with width and height, in pixels or in shares of the image, with a header or as
RetinaNet's `path,x1,y1,x2,y2,class`. A row with a file and nothing else says that nothing is on the image.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labelwright.core.answer import Region
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid
from labelwright.core.geometry import bounds, clip
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Size
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats import edge, tabular
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images, is_hidden, is_image, on_disk, read_head
from labelwright.formats.regions import Classes, Held, chosen_regions, is_answered, kind_of, size_of
from labelwright.formats.tables import guarded
from labelwright.formats.xmls import number

MAX_ROWS = 5_000_000
_NAMES = {
    "file": ("file", "filename", "imagename", "image", "imagepath", "imageid", "path", "img", "imgpath", "filepath"),
    "label": ("label", "class", "classname", "category", "labelname", "name", "object", "type"),
    "left": ("xmin", "x1", "left", "bboxxmin", "bboxx1", "minx", "x0"),
    "top": ("ymin", "y1", "top", "bboxymin", "bboxy1", "miny", "y0"),
    "right": ("xmax", "x2", "right", "bboxxmax", "bboxx2", "maxx"),
    "bottom": ("ymax", "y2", "bottom", "bboxymax", "bboxy2", "maxy"),
    "x": ("x", "bboxx"),
    "y": ("y", "bboxy"),
    "w": ("w", "width", "bboxwidth", "bboxw", "boxwidth"),
    "h": ("h", "height", "bboxheight", "bboxh", "boxheight"),
    "box": ("bbox", "box"),
    "score": ("score", "confidence", "conf", "probability"),
    "attributes": ("attributes",),
    "by": ("answeredby",),
}  # fmt: skip
_QUIET = {"width", "height", "imagewidth", "imageheight"}
"""Columns about the image, whose size is read from itself."""


@dataclass(frozen=True)
class Columns:
    """Meaning -> column; `corners` when the box is given by two corners."""

    of: dict[str, str]
    corners: bool
    unused: tuple[str, ...] = ()


def guess(header: Sequence[str]) -> Columns | None:
    """What the columns mean; None when they are not those of boxes."""
    plain = {re.sub(r"[^a-z0-9]", "", name.casefold()): name for name in reversed(header)}
    found = {
        meaning: next((plain[name] for name in names if name in plain), "")
        for meaning, names in _NAMES.items()
    }
    found = {meaning: name for meaning, name in found.items() if name}
    corners = {"left", "top", "right", "bottom"} <= found.keys()
    if not corners and "x" not in found and {"left", "top"} <= found.keys():
        found |= {"x": found["left"], "y": found["top"]}
    whole = corners or {"x", "y", "w", "h"} <= found.keys() or "box" in found
    if not whole or "file" not in found:
        return None
    used = {"file", "label", "score", "attributes", "by"}
    used |= (
        {"left", "top", "right", "bottom"} if corners else {"x", "y", "w", "h"} if "w" in found else {"box"}
    )
    kept = {meaning: name for meaning, name in found.items() if meaning in used}
    unused = [
        n for n in header if n not in kept.values() and re.sub(r"[^a-z0-9]", "", n.casefold()) not in _QUIET
    ]
    return Columns(kept, corners, tuple(unused))


def _tables(files: Files) -> Iterator[tuple[str, Columns, bool]]:
    """(file, columns, whether it has a header) of every table of boxes."""
    for name in files.names():
        if not name.lower().endswith((".csv", ".tsv")) or is_hidden(name):
            continue
        first = next((line for line in read_head(files, name).splitlines() if line.strip()), "")
        mark = max(",;\t|", key=first.count)
        cells = [cell.strip().strip('"') for cell in first.split(mark)]
        columns = guess(cells)
        if columns is not None:
            yield name, columns, True
        elif (
            len(cells) == 6 and is_image(cells[0]) and all(number(c) is not None or not c for c in cells[1:5])
        ):
            names = dict(zip(("file", "left", "top", "right", "bottom", "label"), range(6), strict=True))
            yield name, Columns({meaning: str(i) for meaning, i in names.items()}, True), False


def recognises(files: Files) -> bool:
    """Whether a table has columns of boxes."""
    return next(_tables(files), None) is not None


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image that a table names, with its boxes, and images that none names.

    Problems:
        bad_row, unused_column, no_image, bad_image, and those of tables.

    Raises:
        Invalid: More rows than can be held.
    """
    del name
    images, used = Images(files), set[str]()
    for table, columns, has_header in _tables(files):
        if columns.unused:
            message = f"columns {', '.join(map(excerpt, columns.unused[:8]))} are not read"
            yield Problem(where=table[:300], code="unused_column", message=message)
        rows: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        n, relative, fractions = 0, "by" not in columns.of, False  # our own are in pixels
        for where, row in _rows(files, table, has_header):
            if isinstance(row, Problem):
                yield row
                continue
            named = str(row.get(columns.of["file"]) or "").strip()
            if not named:
                yield Problem(where=where, code="bad_row", message="the row names no file")
                continue
            n += 1
            if n > MAX_ROWS:
                raise Invalid(
                    "too_many_rows", f"{table} has more than {MAX_ROWS:,} rows", "cut it into several files"
                )
            rows.setdefault(named, []).append((where, row))
            edges = _edges(row, columns)
            # Shares of the image when nothing in the whole table is larger than 1, and something is between 0 and 1.
            relative = relative and (edges is None or max(map(abs, edges)) <= 1.0)
            fractions = fractions or (edges is not None and any(0 < each < 1 for each in edges))
        for named, group in rows.items():
            for found in _image(files, table, named, group, columns, images, relative and fractions):
                if isinstance(found, Incoming) and found.image is not None:
                    used.add(found.image)
                yield found
    for image in images.names:
        if image not in used:
            yield Incoming(image, "", image[-500:], {}, (), image)


def _rows(files: Files, table: str, has_header: bool) -> Iterator[tuple[str, dict[str, Any] | Problem]]:
    with on_disk(files, table) as path:
        try:
            if has_header:
                yield from tabular.delimited(path, table, None, None)
                return
            with path.open("r", encoding=edge.encoding_of(path), newline="") as file:
                for i, cells in enumerate(csv.reader(file), 1):
                    where = f"{table}:{i}"
                    if len(cells) == 6:
                        yield where, {str(k): cell for k, cell in enumerate(cells)}
                    elif cells:
                        message = f"6 cells wanted, got {len(cells)}"
                        yield where, Problem(where=where, code="ragged_row", message=message)
        except (Invalid, csv.Error) as error:
            message = error.message if isinstance(error, Invalid) else str(error)
            yield table, Problem(where=table[:300], code="bad_table", message=message[:300])


def _edges(row: dict[str, Any], columns: Columns) -> list[float] | None:
    if "box" in columns.of:
        text = str(row.get(columns.of["box"]) or "")
        cells = re.sub(r"[\[\](){}]", " ", text[:400]).replace(",", " ").split()
    else:
        wanted = ("left", "top", "right", "bottom") if columns.corners else ("x", "y", "w", "h")
        cells = [str(row.get(columns.of[key]) or "") for key in wanted]
    found = [number(cell) for cell in cells]
    return [each for each in found if each is not None] if len(found) == 4 and None not in found else None


def _is_background(row: dict[str, Any], columns: Columns) -> bool:
    return not any(
        str(row.get(name) or "").strip() for key, name in columns.of.items() if key not in ("file", "by")
    )


def _image(
    files: Files,
    table: str,
    named: str,
    group: list[tuple[str, dict[str, Any]]],
    columns: Columns,
    images: Images,
    relative: bool,
) -> Iterator[Incoming | Problem]:
    image = images.find(named, table)
    size = files.dimensions(image) if image is not None else None
    if image is not None and size is None:
        yield Problem(where=group[0][0], code="bad_image", message=f"{excerpt(image)} cannot be decoded")
        return
    if size is None and relative and any(not _is_background(row, columns) for _, row in group):
        message = f"{excerpt(named)} is not there, and shares of an image need its size"
        yield Problem(where=group[0][0], code="no_image", message=message)
        return
    regions: list[dict[str, Any]] = []
    for where, row in group:
        if _is_background(row, columns):
            continue
        region = _region(row, columns, size if relative else None)
        if isinstance(region, str):
            yield Problem(where=where, code="bad_row", message=region)
        else:
            regions.append(region)
    said = {str(row.get(columns.of["by"]) or "") for _, row in group} if "by" in columns.of else set()
    model = "model" in said or (not said and any("score" in region for region in regions))
    opinion = Opinion("model" if model else "person", {OBJECTS: regions}, "csv")
    external_id = named.replace("\\", "/")[-500:]
    yield Incoming(group[0][0], "", external_id, {}, (opinion,), image)


def _region(row: dict[str, Any], columns: Columns, shares_of: Size | None) -> dict[str, Any] | str:
    """One row as a region, or what is wrong with it; `shares_of` is the image's size where edges are shares of it."""
    edges = _edges(row, columns)
    if edges is None:
        return "four numbers are wanted for the box"
    x, y, third, fourth = edges
    width, height = (third - x, fourth - y) if columns.corners else (third, fourth)
    if width <= 0 or height <= 0:
        return f"a box needs a width and a height above 0, got {width:g} and {height:g}"
    if shares_of is not None:
        x, width, y, height = x * shares_of[0], width * shares_of[0], y * shares_of[1], height * shares_of[1]
    label = str(row.get(columns.of.get("label", "")) or "").strip() if "label" in columns.of else "object"
    if not label:
        return "the row has no label"
    region: dict[str, Any] = {"shape": Box(x=x, y=y, width=width, height=height).model_dump(), "label": label}
    said = str(row.get(columns.of.get("score", "")) or "").strip()
    if said:
        score = number(said)
        if score is None or not 0 <= score <= 1:
            return f"a score in 0 to 1 wanted, got {excerpt(said)!r}"
        region["score"] = score
    given = str(row.get(columns.of.get("attributes", "")) or "").strip()
    if given:
        try:
            value = edge.parse_json(given)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            return "`attributes` is no JSON object"
        region["attributes"] = {k: v for k, v in value.items() if isinstance(v, str | bool | int | float)}
    return region


# --- out --------------------------------------------------------------------------------------------------------

HEADER = (
    "file", "image_width", "image_height", "label", "xmin", "ymin", "xmax", "ymax", "score", "attributes", "answered_by",
)  # fmt: skip


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`boxes.csv`: a row per box in pixels; an image with nothing on it has a row with empty cells.

    Images that nobody answered are left out.
    """
    classes, n = Classes.of(to.ontology), 0
    with (to.folder / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for row in rows:
            if not is_answered(row, to.ontology):
                to.losses.left_out(row.asset, "no_answer")
                continue
            name = to.image_name(row.asset)
            to.place(row.asset, f"images/{name}")
            lines = []
            for question, region in chosen_regions(
                row, to.ontology, to.losses, Held(attributes=True, score=True)
            ):
                box = box_in(region, row.asset, to)
                if box is None:
                    continue
                label = question.label(region.label)
                names = {a.id: a.name for a in label.attributes} if label is not None else {}
                said = {names.get(key, key): value for key, value in region.attributes.items()}
                edges = (box.x, box.y, box.x + box.width, box.y + box.height)
                number_of_label = classes.number(question, region.label)
                lines.append([
                    classes.names[number_of_label], *map(_plain, edges), "" if region.score is None else _plain(region.score),
                    json.dumps(said, ensure_ascii=False) if said else "",
                ])  # fmt: skip
            for line in lines or [[""] * 7]:
                cells = [name, *size_of(row.asset), *line, row.chosen_by or ""]
                safe = [*map(guarded, cells[:4]), *cells[4:8], *map(guarded, cells[8:])]
                if safe != cells:
                    message = "a cell that begins like a formula got a leading apostrophe"
                    to.losses.add(row.asset, "formula_guard", message)
                writer.writerow(safe)
            n += 1
    to.losses.note("ids", "ids of regions are not held, nor who of several people answered")
    return Written(n)


def box_in(region: Region, asset: Asset, to: Exporting) -> Box | None:
    """The box of a region inside its image; None for what has none. What had to change is told."""
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
    return box


def _plain(value: float) -> str:
    return f"{value:.12g}"
