"""Writes YOLO data sets; `yolo` reads them and says what a data set is."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from labelwright.core.answer import Region
from labelwright.core.asset import Asset
from labelwright.core.geometry import bounds, clip, corners, rotated_around
from labelwright.core.ontology import RegionQuestion
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import Outgoing
from labelwright.formats.outline import one_ring, parts_of
from labelwright.formats.output import Exporting, Written
from labelwright.formats.regions import Classes, Held, chosen_regions, is_answered, kind_of, size_of
from labelwright.formats.yolo import SPLITS, Kind


def write_detect(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """Boxes."""
    return _write(rows, to, "detect")


def write_segment(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """Outlines."""
    return _write(rows, to, "segment")


def write_pose(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """Boxes with key points."""
    return _write(rows, to, "pose")


def write_obb(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """Turned boxes by their corners."""
    return _write(rows, to, "obb")


def _write(rows: Iterable[Outgoing], to: Exporting, kind: Kind) -> Written:
    """`images/<split>`, `labels/<split>` and `data.yaml`; images that nobody answered are left out."""
    classes = Classes.of(to.ontology)
    points = max((len(label.skeleton.points) for _, label in classes.entries if label.skeleton), default=0)
    n, splits = 0, set[str]()
    for row in rows:
        if not is_answered(row, to.ontology):
            to.losses.left_out(row.asset, "no_answer")
            continue
        split = str(row.asset.metadata.get("split"))
        split = split if split in SPLITS else "train"
        splits.add(split)
        name = to.image_name(row.asset, flat=True)
        to.place(row.asset, f"images/{split}/{name}")
        target = to.folder / "labels" / split / PurePosixPath(name).with_suffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for question, region in chosen_regions(row, to.ontology, to.losses, Held()):
            values = _values(question, region, row.asset, to, kind, points)
            if values is not None:
                number = classes.number(question, region.label)
                lines.append(" ".join([str(number), *map(_share, values)]) + "\n")
        target.write_text("".join(lines), encoding="utf-8", newline="\n")
        n += 1
    _write_sheet(to, classes, kind, points, splits)
    return Written(n)


def _write_sheet(to: Exporting, classes: Classes, kind: Kind, points: int, splits: set[str]) -> None:
    # Trainers want both folders to be named, so a set without a split is its own validation set.
    sheet: dict[str, Any] = {"path": ".", "train": "images/train", "val": "images/val"}
    if "train" not in splits or "val" not in splits:
        only = next((split for split in SPLITS if split in splits), "train")
        sheet["train"] = f"images/{'train' if 'train' in splits else only}"
        sheet["val"] = f"images/{'val' if 'val' in splits else only}"
        message = "there is no metadata `split` with train and val: both point to the same images"
        to.losses.note("no_split", message)
    if "test" in splits:
        sheet["test"] = "images/test"
    if kind == "pose" and points:
        sheet["kpt_shape"] = [points, 3]
        skeletons = {label.skeleton.points for _, label in classes.entries if label.skeleton}
        flips = flip_idx(next(iter(skeletons))) if len(skeletons) == 1 else list(range(points))
        sheet["flip_idx"] = flips
        if len(skeletons) > 1:
            message = "labels have different key points: `flip_idx` swaps none, and shorter ones are filled up with absent points"
            to.losses.note("several_skeletons", message)
        sheet["kpt_names"] = {
            i: list(label.skeleton.points) for i, (_, label) in enumerate(classes.entries) if label.skeleton
        }
    # Eight numbers are a turned box or an outline: this says which.
    sheet["task"] = kind
    sheet["names"] = dict(enumerate(classes.names))
    text = yaml.safe_dump(sheet, sort_keys=False, allow_unicode=True, width=1_000)
    (to.folder / "data.yaml").write_text(text, encoding="utf-8", newline="\n")
    to.losses.note("ids", "ids of regions, who answered and empty answers to several questions are not held")


def flip_idx(points: Sequence[str]) -> list[int]:
    """For each key point the one it becomes in a mirrored image: left and right by their names."""

    def mirrored(name: str) -> str:
        return re.sub(
            r"(?<![a-z])(left|right|l|r)(?![a-z])",
            lambda m: {"left": "right", "right": "left", "l": "r", "r": "l"}[m[0]],
            name.casefold(),
        )

    at = {name.casefold(): i for i, name in enumerate(points)}
    swapped = [at.get(mirrored(name), i) for i, name in enumerate(points)]
    return [j if swapped[j] == i else i for i, j in enumerate(swapped)]


def _values(
    question: RegionQuestion, region: Region, asset: Asset, to: Exporting, kind: Kind, points: int
) -> list[float] | None:
    """The columns of a region behind its class, in shares of the image; None when the format cannot hold it."""
    size, shape = size_of(asset), region.shape
    named = f"{kind_of(shape)} {region.id!r}"
    inside = clip(shape, size)
    if inside is None:
        to.losses.add(asset, "outside", f"{named} lies outside of the image and is not held")
        return None
    if kind == "pose":
        return _pose(question, region, inside, asset, to, points)
    if isinstance(shape, Polyline | Points) and kind != "detect":
        to.losses.add(asset, "not_held", f"{named} has no area and is not held")
        return None
    if kind == "obb":
        return _obb(inside, shape, asset, to, named)
    if inside != shape:
        to.losses.add(asset, "clipped", f"{named} was cut at the border of the image")
    if kind == "detect":
        box = bounds(inside)
        if box is None or box.width <= 0 or box.height <= 0:
            to.losses.add(asset, "not_held", f"{named} has no area and is not held")
            return None
        if not isinstance(shape, Box):
            to.losses.add(asset, "as_box", f"{named} is held as its box")
        return _centred(box, size)
    ring = one_ring(parts_of(inside))
    if len(ring) < 3:
        to.losses.add(asset, "not_held", f"{named} has no area and is not held")
        return None
    if not isinstance(shape, Polygon):
        to.losses.add(asset, "as_polygon", f"{named} is held as its outline")
    rings = sum(len(part) for part in parts_of(inside))
    if rings > 1:
        to.losses.add(
            asset, "bridged", f"the {rings} rings of {named} are tied together by lines without area"
        )
    return [share for x, y in ring for share in (x / size[0], y / size[1])]


def _centred(box: Box, size: Size) -> list[float]:
    width, height = size
    x, y = (box.x + box.width / 2) / width, (box.y + box.height / 2) / height
    return [x, y, box.width / width, box.height / height]


def _obb(inside: Shape, shape: Shape, asset: Asset, to: Exporting, named: str) -> list[float] | None:
    size = size_of(asset)
    match shape:
        case RotatedBox():
            box: RotatedBox | None = shape
        case Box():
            assert isinstance(inside, Box)
            box = _turned(inside)
            to.losses.add(asset, "as_rotated_box", f"{named} is held as a box turned by 0 degrees")
        case _:
            assert isinstance(inside, Polygon | Mask)
            around = Polygon(parts=parts_of(inside)) if parts_of(inside) else None
            box = rotated_around(around) if around is not None else None
            if box is not None and any(
                not (0 <= x <= size[0] and 0 <= y <= size[1]) for x, y in corners(box)
            ):
                box = _turned(bounds(inside))  # the smallest one would stick out of the image
            to.losses.add(asset, "as_rotated_box", f"{named} is held as the smallest turned box around it")
    if box is None or box.width <= 0 or box.height <= 0:
        to.losses.add(asset, "not_held", f"{named} has no area and is not held")
        return None
    found = [(x / size[0], y / size[1]) for x, y in corners(box)]
    kept = [(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)) for x, y in found]
    if max(abs(a - b) for p, q in zip(found, kept, strict=True) for a, b in zip(p, q, strict=True)) > 1e-9:
        to.losses.add(asset, "clipped", f"corners of {named} were moved onto the border of the image")
    return [share for point in kept for share in point]


def _turned(box: Box | None) -> RotatedBox | None:
    return (
        None
        if box is None
        else RotatedBox(x=box.x, y=box.y, width=box.width, height=box.height, angle_deg=0.0)
    )


def _pose(
    question: RegionQuestion, region: Region, inside: Shape, asset: Asset, to: Exporting, points: int
) -> list[float] | None:
    size = size_of(asset)
    label = question.label(region.label)
    skeleton = label.skeleton if label is not None else None
    if not isinstance(inside, Points) or skeleton is None or len(inside.points) > points:
        message = f"{kind_of(region.shape)} {region.id!r} has no key points of a skeleton and is not held"
        to.losses.add(asset, "not_held", message)
        return None
    if inside != region.shape:
        to.losses.add(asset, "clipped", f"key points of {region.id!r} outside of the image are absent")
    box = inside.box or bounds(inside)
    assert box is not None  # otherwise it lay outside
    if inside.box is None:
        to.losses.add(asset, "box_added", f"key points {region.id!r} got the box around them")
    if box.width <= 0 or box.height <= 0:
        # One point, or several in a row: a box of one pixel, so that the row is valid.
        x, y = min(box.x, size[0] - 1), min(box.y, size[1] - 1)
        box = Box(x=x, y=y, width=max(box.width, 1.0), height=max(box.height, 1.0))
    values = _centred(clip(box, size) or box, size)  # type: ignore[arg-type]
    seen = inside.visibility or (2,) * len(inside.points)
    for i in range(points):
        here = i < len(inside.points) and (seen[i] if i < len(seen) else 2)
        x, y = inside.points[i] if here else (0.0, 0.0)
        values += [x / size[0], y / size[1], float(here)]
    return values


def _share(value: float) -> str:
    text = f"{min(max(value, 0.0), 2.0):.6f}"
    return text[0] if text in ("0.000000", "1.000000", "2.000000") else text
