"""COCO panoptic: every pixel belongs to one thing at most; a PNG per image, and a table of its segments.

Source: https://cocodataset.org/#format-data, section 4: the id of a segment is R + 256 G + 65536 B, 0 is nothing.
"""

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from labelwright.core.answer import Region
from labelwright.core.mask import area_px2, extent_of
from labelwright.core.ontology import RegionQuestion
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Size
from labelwright.core.transfer import Outgoing
from labelwright.formats import painted
from labelwright.formats.coco_tables import CROWD, Spool, attributes_of, categories, image_entry, info
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images
from labelwright.formats.regions import Classes, Held, chosen_regions, size_of

if TYPE_CHECKING:
    from labelwright.formats.coco import Document


def find_masks(document: "Document", images: Images) -> None:
    """Note where the PNG files of a document lie: in a folder called like it, or anywhere."""
    folder = str(PurePosixPath(document.name).with_suffix(""))
    for mark in document.annotations:
        named = mark.get("file_name") if isinstance(mark, dict) else None
        if not isinstance(named, str):
            continue
        found = images.find(named, beside=f"{folder}/x")
        if found is not None:
            document.masks[named] = found


def regions(
    files: Files,
    document: "Document",
    mark: dict[str, Any],
    where: str,
    size: Size | None,
    answers: dict[str, list[Any]],
) -> list[Problem]:
    """Add the segments of an image to the answers of their questions."""
    segments = mark.get("segments_info")
    named = mark.get("file_name")
    if not isinstance(segments, list):
        return [Problem(where=where, code="bad_annotation", message="a panoptic annotation needs segments")]
    if not isinstance(named, str) or named not in document.masks:
        return [Problem(where=where, code="no_mask", message=f"the mask {excerpt(named)} is not there")]
    try:
        found = painted.masks(painted.read(files, document.masks[named], size))
    except ValueError as error:
        return [Problem(where=where, code="bad_mask", message=str(error))]
    problems: list[Problem] = []
    for i, each in enumerate(segments):
        place = f"{where}/segments_info/{i}"
        key = each.get("id") if isinstance(each, dict) else None
        category = each.get("category_id") if isinstance(each, dict) else None
        mask = found.pop(key, None) if isinstance(key, int) else None
        known = document.categories.get(category) if isinstance(category, int | str) else None
        if mask is None:
            message = f"the segment {excerpt(key)} has no pixels in the mask, or occurs twice"
            problems.append(Problem(where=place, code="no_pixels", message=message))
        elif known is None:
            message = f"there is no category {excerpt(category)}"
            problems.append(Problem(where=place, code="unknown_category", message=message))
        else:
            given = attributes_of(each)
            region = {"id": f"s{key}", "label": known.label, "shape": mask.model_dump()}
            answers.setdefault(known.question, []).append(region | ({"attributes": given} if given else {}))
    if found:
        message = f"{len(found)} numbers of the mask are no segments of the table"
        problems.append(Problem(where=where, code="unknown_segment", message=message))
    return problems


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`annotations/panoptic.json` with a PNG per image in `annotations/panoptic`."""
    classes = Classes.of(to.ontology)
    folder = to.folder / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    n = 0
    with Spool() as images, Spool() as annotations:
        for row in rows:
            if row.asset.image is None:
                to.losses.left_out(row.asset, "no_image")
                continue
            name = to.image_name(row.asset)
            to.place(row.asset, f"images/{name}")
            images.add(image_entry(row, to.ontology, name))
            held = Held(attributes=True)
            found = [
                (question, region)
                for question, region in chosen_regions(row, to.ontology, to.losses, held)
                if _is_area(row, region, to)
            ]
            mask = str(PurePosixPath(name).with_suffix(".png"))
            segments = _segments(row, found, classes, to, mask)
            annotations.add({"image_id": row.asset.id, "file_name": mask, "segments_info": segments})
            n += 1
        with (folder / "panoptic.json").open("w", encoding="utf-8", newline="\n") as file:
            file.write(f'{{"info": {json.dumps(info(to), ensure_ascii=False)},\n"images": [')
            images.copy(file)
            file.write('],\n"annotations": [')
            annotations.copy(file)
            table = [
                {**each, "isthing": 1, "color": painted.colour_of(label.colour)}
                for each, (_, label) in zip(categories(classes, {}), classes.entries, strict=True)
            ]
            file.write(f'],\n"categories": {json.dumps(table, ensure_ascii=False)}}}\n')
    to.losses.note("isthing", "every label is written as a thing that can be counted, none as stuff")
    to.losses.note("ids", "ids of regions are not held")
    return Written(n)


def _is_area(row: Outgoing, region: Region, to: Exporting) -> bool:
    kind = region.shape.kind
    if kind in ("points", "polyline"):
        to.losses.add(row.asset, "not_held", f"{kind} {region.id!r} has no area and is not held")
        return False
    if kind != "mask":
        to.losses.add(row.asset, "pixels", f"{kind.replace('_', ' ')} {region.id!r} is held as its pixels")
    return True


def _segments(
    row: Outgoing, found: list[tuple[RegionQuestion, Region]], classes: Classes, to: Exporting, mask: str
) -> list[dict[str, Any]]:
    numbers, covered = painted.paint(
        ((n, region.shape) for n, (_, region) in enumerate(found, 1)), size_of(row.asset)
    )
    painted.save(numbers, to.folder / "annotations" / "panoptic" / mask, "rgb")
    left = painted.masks(numbers) if found else {}
    segments: list[dict[str, Any]] = []
    for n, (question, region) in enumerate(found, 1):
        if covered[n]:
            message = f"region {region.id!r} lost {covered[n]} pixels to regions above it"
            to.losses.add(row.asset, "overlap", message)
        if n not in left:
            to.losses.add(row.asset, "no_pixels", f"nothing is left of region {region.id!r}")
            continue
        around = extent_of(left[n])
        attributes = dict(region.attributes)
        crowd = attributes.pop(CROWD, False) is True
        segment: dict[str, Any] = {
            "id": n,
            "category_id": classes.number(question, region.label) + 1,
            "area": area_px2(left[n], size_of(row.asset)),
            "bbox": list(around or ()),
            "iscrowd": int(crowd),
        }
        label = question.label(region.label)
        names = {a.id: a.name for a in label.attributes} if label is not None else {}
        if attributes:
            segment["attributes"] = {names.get(key, key): value for key, value in attributes.items()}
        segments.append(segment)
    return segments
