"""COCO instances, key points and results, out. One annotation is held at a time, whatever the export's size."""

import json
from collections.abc import Iterable
from typing import Any

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.asset import Asset
from labelwright.core.geometry import bounds
from labelwright.core.mask import area_px2, rle_of
from labelwright.core.ontology import Ontology, RegionQuestion
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import Outgoing
from labelwright.formats.coco_tables import CROWD, Spool, categories, image_entry, info
from labelwright.formats.output import Exporting, Losses, Written
from labelwright.formats.regions import Classes, Held, chosen_regions, size_of


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`annotations/instances.json`, and `annotations/results.json` with what models say where they give scores."""
    work = _Work(to)
    folder = to.folder / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    n = 0
    with Spool() as images, Spool() as annotations, Spool() as results:
        for row in rows:
            if row.asset.image is None:
                to.losses.left_out(row.asset, "no_image")
                continue
            name = to.image_name(row.asset)
            to.place(row.asset, f"images/{name}")
            images.add(image_entry(row, to.ontology, name))
            for question, region in chosen_regions(row, to.ontology, to.losses, _HELD):
                mark = work.annotation(row.asset, question, region)
                if mark is not None:
                    annotations.add({"id": annotations.n + 1, "image_id": row.asset.id, **mark})
            for result in work.results(row):
                results.add(result)
            n += 1
        with (folder / "instances.json").open("w", encoding="utf-8", newline="\n") as file:
            file.write(f'{{"info": {json.dumps(info(to), ensure_ascii=False)},\n"images": [')
            images.copy(file)
            file.write('],\n"annotations": [')
            if work.needs_padding:
                for line in annotations.lines():
                    file.write(work.padded(line))
            else:
                annotations.copy(file)
            table = json.dumps(categories(work.classes, work.free_points), ensure_ascii=False)
            file.write(f'],\n"categories": {table}}}\n')
        if results.n:
            with (folder / "results.json").open("w", encoding="utf-8", newline="\n") as file:
                file.write("[")
                results.copy(file)
                file.write("]\n")
    to.losses.note("ids", "ids of regions are not held")
    return Written(n)


_HELD = Held(attributes=True, score=True)


class _Work:
    def __init__(self, to: Exporting) -> None:
        self.losses: Losses = to.losses
        self.ontology: Ontology = to.ontology
        self.classes = Classes.of(to.ontology)
        # Category id -> fewest and most points of one region, for labels without a skeleton.
        self._points: dict[int, tuple[int, int]] = {}

    @property
    def free_points(self) -> dict[int, int]:
        return {category: most for category, (_, most) in self._points.items()}

    @property
    def needs_padding(self) -> bool:
        return any(few != most for few, most in self._points.values())

    def padded(self, line: str) -> str:
        """A line of the spool; every annotation of a category needs the same number of key points."""
        comma, brace, entry = line.partition("{")
        if not brace:
            return line
        mark = json.loads(brace + entry.rstrip().removesuffix(","))
        most = self.free_points.get(mark["category_id"])
        if "keypoints" not in mark or most is None:
            return line
        mark["keypoints"] += [0] * (3 * most - len(mark["keypoints"]))
        return (
            comma + json.dumps(mark, ensure_ascii=False) + (",\n" if entry.rstrip().endswith(",") else "\n")
        )

    def annotation(self, asset: Asset, question: RegionQuestion, region: Region) -> dict[str, Any] | None:
        """One entry without its ids; None for what COCO cannot hold, which is told."""
        size, shape = size_of(asset), region.shape
        attributes = dict(region.attributes)
        crowd = attributes.pop(CROWD, False) is True
        if crowd and not isinstance(shape, Mask | Points | Polyline):
            self.losses.add(asset, "crowd", f"region {region.id!r}: a group of things is held as a mask")
        mark = self._shaped(asset, region, size, as_mask=crowd)
        if mark is None:
            return None
        category = self.classes.number(question, region.label) + 1
        mark = {"category_id": category, **mark, "iscrowd": int(crowd)}
        if isinstance(shape, Points):
            self._count(asset, question, region, category, len(shape.points))
        elif absent := _absent_points(question, region):
            mark |= {"keypoints": absent, "num_keypoints": 0}
        label = question.label(region.label)
        names = {a.id: a.name for a in label.attributes} if label is not None else {}
        if attributes:
            mark["attributes"] = {names.get(key, key): value for key, value in attributes.items()}
        if region.score is not None:
            mark["score"] = region.score
        return mark

    def _count(
        self, asset: Asset, question: RegionQuestion, region: Region, category: int, points: int
    ) -> None:
        label = question.label(region.label)
        if label is not None and label.skeleton is not None:
            return
        self.losses.add(asset, "free_points", f"points {region.id!r} get the names of a skeleton")
        few, most = self._points.get(category, (points, points))
        self._points[category] = (min(few, points), max(most, points))

    def _shaped(self, asset: Asset, region: Region, size: Size, *, as_mask: bool) -> dict[str, Any] | None:
        shape = region.shape
        around = bounds(shape)
        match shape:
            case Polyline():
                self.losses.add(asset, "polyline", f"polyline {region.id!r} is not held")
                return None
            case Points():
                return _key_points(shape, size)
            case RotatedBox():
                self.losses.add(asset, "rotated_box", f"rotated box {region.id!r} is held as four corners")
            case Polygon(parts=parts) if any(len(part) > 1 for part in parts):
                self.losses.add(asset, "holes", f"polygon {region.id!r} has holes and is held as a mask")
                as_mask = True
            case Polygon() if _looks_like_box(shape, around):
                self.losses.add(asset, "rectangle", f"polygon {region.id!r} reads back as a box")
        if around is None:
            self.losses.add(asset, "empty", f"region {region.id!r} has no pixels")
            return None
        as_mask = as_mask or isinstance(shape, Mask)
        return {
            "bbox": [around.x, around.y, around.width, around.height],
            "area": area_px2(shape, size),
            "segmentation": _rle(rle_of(shape, size)) if as_mask else _outlines(shape),
        }

    def results(self, row: Outgoing) -> Iterable[dict[str, Any]]:
        """Lines of a results file: the regions of the model's answers that have a score."""
        if row.prediction is None:
            return
        size = size_of(row.asset)
        for question_id, answer in row.prediction.answers.items():
            question = self.ontology.question(question_id)
            if not isinstance(question, RegionQuestion) or not isinstance(answer, RegionAnswer):
                continue
            for region in answer.regions:
                around, shape = bounds(region.shape), region.shape
                if isinstance(shape, Polyline) or around is None:
                    message = f"{shape.kind} {region.id!r} of the model is no result"
                    self.losses.add(row.asset, "no_result", message)
                    continue
                if region.score is None:
                    message = f"region {region.id!r} of the model has no score and is no result"
                    self.losses.add(row.asset, "no_score", message)
                    continue
                line: dict[str, Any] = {
                    "image_id": row.asset.id,
                    "category_id": self.classes.number(question, region.label) + 1,
                    "bbox": [around.x, around.y, around.width, around.height],
                    "score": region.score,
                }
                if isinstance(shape, Points):
                    line |= {k: v for k, v in _key_points(shape, size).items() if k in ("keypoints", "bbox")}
                elif absent := _absent_points(question, region):
                    line["keypoints"] = absent
                if not isinstance(shape, Box | Points):
                    line["segmentation"] = _rle(rle_of(shape, size))
                yield line


def _absent_points(question: RegionQuestion, region: Region) -> list[int]:
    """Key points for a box or mask of something that has a skeleton: evaluators want them of every annotation of a class."""
    label = question.label(region.label)
    return [0] * (3 * len(label.skeleton.points)) if label is not None and label.skeleton is not None else []


def _key_points(shape: Points, size: Size) -> dict[str, Any]:
    seen = shape.visibility or (2,) * len(shape.points)
    flat: list[float] = []
    for (x, y), v in zip(shape.points, seen, strict=True):
        flat += [x, y, v] if v else [0, 0, 0]
    box = shape.box or bounds(shape) or Box(x=0, y=0, width=0, height=0)
    return {
        "bbox": [box.x, box.y, box.width, box.height],
        "area": area_px2(box, size),
        "segmentation": _outlines(box),
        "keypoints": flat,
        "num_keypoints": sum(v > 0 for v in seen),
    }


def _looks_like_box(shape: Polygon, around: Box | None) -> bool:
    if around is None or len(shape.parts) != 1 or len(shape.parts[0][0]) != 4:
        return False
    corners = {
        (x, y) for x in (around.x, around.x + around.width) for y in (around.y, around.y + around.height)
    }
    return {(round(x, 3), round(y, 3)) for x, y in shape.parts[0][0]} == {
        (round(x, 3), round(y, 3)) for x, y in corners
    }


def _outlines(shape: Shape) -> list[list[float]]:
    from labelwright.core.geometry import vertices

    if isinstance(shape, Polygon):
        return [[c for point in part[0] for c in point] for part in shape.parts if part and len(part[0]) >= 3]
    return [[c for point in vertices(shape) for c in point]]


def _rle(rle: dict[str, Any]) -> dict[str, Any]:
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}
