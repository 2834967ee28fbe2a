"""COCO: instances, key points and results, in and out; panoptic files are read here too (`coco_panoptic`).

Hides what COCO holds in three ways at once: an outline, a run-length encoding, or only a box.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeGuard

from labelwright.core.errors import Invalid
from labelwright.core.mask import from_runs, runs_of
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Mask, Size
from labelwright.core.transfer import OBJECTS, Incoming, Opinion
from labelwright.formats import coco_panoptic
from labelwright.formats.coco_tables import attributes_of
from labelwright.formats.pictures import Images, attribute, is_hidden, read_head, read_json, sound

_MANY = 50  # label files that are looked into when a source is recognised
_HEAD = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')
_RESULT = re.compile(r'^\[\s*\{[^}]*"image_id"')


def recognises(files: Files) -> bool:
    """Whether a source holds COCO files."""
    found = [name for name in files.names() if name.lower().endswith(".json") and not is_hidden(name)]
    return any(_is_coco(read_head(files, name)) for name in found[:_MANY])


def _is_coco(head: str) -> bool:
    if _RESULT.match(head):
        return True
    # Licences and a description may come first; everything else that has `images` has something before it.
    return head.startswith("{") and '"shapes"' not in head and bool(_HEAD.search(head))


# --- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Category:
    """A class of a COCO file."""

    label: str
    question: str
    points: tuple[str, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    thing: bool = True


@dataclass
class Document:
    """One COCO file, its tables checked.

    Attributes:
        images: By id, in the order of the file.
        marks: Image id -> positions in `annotations`.
        panoptic: Whether its annotations are PNG files.
        masks: File name of such a PNG as the file says it -> its name in the source.
    """

    name: str
    annotator: str
    categories: dict[int | str, Category] = field(default_factory=dict)
    images: dict[int | str, dict[str, Any]] = field(default_factory=dict)
    annotations: list[Any] = field(default_factory=list)
    marks: dict[int | str, list[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    panoptic: bool = False
    masks: dict[str, str] = field(default_factory=dict)

    def problem(self, where: str, code: str, message: str) -> None:
        """Something of the file is wrong."""
        self.problems.append(Problem(where=f"{self.name}:{where}", code=code, message=message))


@dataclass
class _Result:
    """A line of a results file."""

    where: str
    model: str
    entry: dict[str, Any]


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image of every COCO file of the source, with its regions; images that no file lists come without any.

    Results are joined to the files beside them, or to images that were imported before.

    Raises:
        Invalid: A label file is not JSON, or none is COCO.
    """
    documents, results, problems = _load(files, name)
    yield from problems
    masks = {mask for document in documents for mask in document.masks.values()}
    images = Images(files, but=masks)
    seen: set[str] = set()
    first: dict[tuple[str, str], str] = {}
    for document in documents:
        yield from document.problems
        for image_id, entry in document.images.items():
            if document.marks.get(image_id):
                key = (entry["file_name"], document.annotator)
                other = first.setdefault(key, document.name)
                if other != document.name:
                    # They would be two versions by one person, and the later one would replace the earlier.
                    message = f"{entry['file_name'][:200]!r} has labels in {other} already; those here were left out"
                    yield Problem(where=document.name, code="two_files", message=message)
                    continue
            for each in _rows(files, images, document, image_id, entry, results.pop(image_id, [])):
                if isinstance(each, Incoming) and each.image is not None:
                    seen.add(each.image)
                yield each
    for image_id, found in results.items():
        yield from _results_only(documents, images, image_id, found)
    for unlisted in images.names if documents else ():
        if unlisted not in seen:
            yield Incoming(unlisted, "", external_id=unlisted[-500:], image=unlisted)


def _load(files: Files, name: str) -> tuple[list[Document], dict[int | str, list[_Result]], list[Problem]]:
    documents: list[Document] = []
    everything = Images(files)
    results: dict[int | str, list[_Result]] = {}
    problems: list[Problem] = []
    refused: Invalid | None = None
    for each in files.names():
        if not each.lower().endswith(".json") or is_hidden(each):
            continue
        try:
            content = read_json(files, each)
        except Invalid as error:
            refused = refused or error
            problems.append(Problem(where=each[:300], code=error.code, message=error.message))
            continue
        if isinstance(content, dict) and isinstance(content.get("images"), list):
            documents.append(_document(each, content))
            if documents[-1].panoptic:
                coco_panoptic.find_masks(documents[-1], everything)
        elif isinstance(content, list) and any(isinstance(e, dict) and "image_id" in e for e in content):
            problems += _results(each, content, results)
        else:
            problems.append(
                Problem(where=each[:300], code="not_coco", message="no COCO file; it was left out")
            )
    if not documents and not results:
        raise refused or Invalid("not_coco", f"{name} holds no COCO file", "a COCO file has a list `images`")
    return documents, results, problems


def _document(name: str, content: dict[str, Any]) -> Document:
    info = content.get("info")
    annotator = info.get("annotator") if isinstance(info, dict) else None
    made = Document(name, annotator[:200] if isinstance(annotator, str) else "")
    for i, each in enumerate(_list(made, content, "categories")):
        _add_category(made, i, each)
    for i, each in enumerate(_list(made, content, "images")):
        where = f"images/{i}"
        key = each.get("id") if isinstance(each, dict) else None
        if (
            not isinstance(each, dict)
            or not _is_key(key)
            or not isinstance(each.get("file_name"), str)
            or not each["file_name"].strip()
        ):
            made.problem(where, "bad_image", "an image needs an `id` and a `file_name`")
        elif key in made.images:
            made.problem(where, "duplicate_id", f"the image id {key!r} is used twice; the first one counts")
        else:
            made.images[key] = each
    made.annotations = _list(made, content, "annotations")
    known: set[Any] = set()
    for i, each in enumerate(made.annotations):
        where = f"annotations/{i}"
        if not isinstance(each, dict) or not _is_key(each.get("image_id")):
            made.problem(where, "bad_annotation", "an annotation needs an `image_id`")
            continue
        if each["image_id"] not in made.images:
            made.problem(where, "unknown_image", f"there is no image {excerpt(each['image_id'])}")
            continue
        key = each.get("id")
        if _is_key(key) and key in known:
            made.problem(where, "duplicate_id", f"the annotation id {key!r} is used twice; both are read")
        known.add(key if _is_key(key) else None)
        made.panoptic = made.panoptic or isinstance(each.get("segments_info"), list)
        made.marks.setdefault(each["image_id"], []).append(i)
    return made


def _list(document: Document, content: dict[str, Any], key: str) -> list[Any]:
    found = content.get(key)
    if found is not None and not isinstance(found, list):
        document.problem(key, "bad_list", f"`{key}` must be a list")
    return found if isinstance(found, list) else []


def _add_category(document: Document, i: int, each: Any) -> None:
    where = f"categories/{i}"
    if not isinstance(each, dict) or not _is_key(each.get("id")) or not isinstance(each.get("name"), str):
        document.problem(where, "bad_category", "a category needs an `id` and a `name`")
        return
    if each["id"] in document.categories:
        document.problem(where, "duplicate_id", f"the category id {each['id']!r} is used twice")
        return
    label, question = each.get("label"), each.get("question")
    points = each.get("keypoints")
    names = (
        [str(p).strip()[:200] or str(n) for n, p in enumerate(points, 1)] if isinstance(points, list) else []
    )
    if len(set(names)) != len(names):
        names = [f"{n} {name}" for n, name in enumerate(names, 1)]
    edges = []
    for pair in each.get("skeleton") or [] if isinstance(each.get("skeleton"), list) else []:
        ends = _numbers(pair)
        if ends is None or len(ends) != 2 or not all(e == int(e) and 1 <= e <= len(names) for e in ends):
            document.problem(where, "bad_skeleton", f"the line {excerpt(pair)} joins no two key points")
        else:
            edges.append((int(ends[0]) - 1, int(ends[1]) - 1))
    document.categories[each["id"]] = Category(
        label=label if isinstance(label, str) else each["name"],
        question=question if isinstance(question, str) else OBJECTS,
        points=tuple(names),
        edges=tuple(edges),
        thing=each.get("isthing") != 0,
    )


def _rows(
    files: Files,
    images: Images,
    document: Document,
    image_id: int | str,
    entry: dict[str, Any],
    results: list[_Result],
) -> Iterator[Incoming | Problem]:
    where = f"{document.name}:{entry['file_name'][:200]}"
    image = images.find(entry["file_name"], beside=document.name)
    said = _said_size(entry)
    size = files.dimensions(image) if image is not None else None
    row = Incoming(where, "", external_id=entry["file_name"][-500:], image=image)
    if said is not None and size is not None and said != size:
        message = (
            f"the file says {said[0]} x {said[1]} pixels, the upright image has {size[0]} x {size[1]}; "
            "the image is kept without its labels"
        )
        yield Problem(where=where, code="other_size", message=message)
        yield row
        return
    size = size or said
    answers: dict[str, list[Any]] = {}
    given = entry.get("answered")
    for question in given if isinstance(given, list) else []:
        # Our own files tell "there is nothing" from "nobody looked".
        answers.setdefault(str(question), [])
    for i in document.marks.get(image_id, []):
        place = f"{document.name}:annotations/{i}"
        if document.panoptic:
            problems = coco_panoptic.regions(files, document, document.annotations[i], place, size, answers)
        else:
            problems = _region(document.categories, document.annotations[i], place, f"a{i}", size, answers)
        yield from problems
    opinions: list[Opinion] = []
    problems = _sound(answers, size, where)
    yield from problems
    if answers:
        by = "model" if entry.get("answered_by") == "model" else "person"
        opinions.append(Opinion(by, answers, document.annotator))  # type: ignore[arg-type]
    for model in dict.fromkeys(result.model for result in results):
        opinion, problems = _predicted(
            document.categories, [r for r in results if r.model == model], size, where
        )
        yield from problems
        opinions += opinion
    yield Incoming(row.where, "", row.external_id, opinions=tuple(opinions), image=image)


def _sound(answers: dict[str, list[Any]], size: Size | None, where: str) -> list[Problem]:
    found: list[Problem] = []
    for question in answers:
        answers[question], problems = sound(answers[question], size, where)
        found += problems
    return found


def _said_size(entry: dict[str, Any]) -> Size | None:
    width, height = entry.get("width"), entry.get("height")
    if not (isinstance(width, int) and isinstance(height, int)) or width < 1 or height < 1:
        return None
    return (width, height)


def _region(
    categories: dict[int | str, Category],
    mark: dict[str, Any],
    where: str,
    region_id: str,
    size: Size | None,
    answers: dict[str, list[Any]],
) -> list[Problem]:
    """Add an annotation to the answers of its question."""
    category = categories.get(key) if _is_key(key := mark.get("category_id")) else None
    if category is None:
        message = f"there is no category {excerpt(mark.get('category_id'))}"
        return [Problem(where=where, code="unknown_category", message=message)]
    problems: list[Problem] = []
    try:
        shape, lost = _shape(mark, category, size)
    except ValueError as error:
        return [Problem(where=where, code="bad_region", message=str(error))]
    if lost:
        problems.append(Problem(where=where, code="left_out", message=lost))
    region: dict[str, Any] = {"id": region_id, "label": category.label, "shape": shape}
    attributes = attributes_of(mark)
    if attributes:
        region["attributes"] = attributes
    given = mark.get("attributes")
    if isinstance(given, dict) and not given.keys() <= attributes.keys():
        message = "attributes that are no text, number, or yes or no were left out"
        problems.append(Problem(where=where, code="bad_attribute", message=message))
    score = mark.get("score")
    if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
        region["score"] = float(score)
    answers.setdefault(category.question, []).append(region)
    return problems


def _shape(mark: dict[str, Any], category: Category, size: Size | None) -> tuple[dict[str, Any], str]:
    """The shape of an annotation, and what of it could not be taken along.

    Raises:
        ValueError: It has none that means anything.
    """
    outline, box = mark.get("segmentation"), _box(mark.get("bbox"))
    if mark.get("keypoints"):
        points = _points(mark["keypoints"], box, category)
        if points is not None:
            beside = bool(outline) and not (isinstance(outline, list) and _is_rectangle(outline, box))
            return points, "an outline beside key points" if beside else ""
    if isinstance(outline, dict):
        return _mask(outline, size).model_dump(), ""
    if isinstance(outline, list) and outline:
        if _is_rectangle(outline, box) and box is not None:
            return box, ""
        return _polygon(outline)
    if outline not in (None, []):
        raise ValueError(f"a `segmentation` is a list of outlines or a mask, got {excerpt(outline)}")
    if box is None:
        raise ValueError(f"no outline, and no box of four numbers: {excerpt(mark.get('bbox'))}")
    if box["width"] <= 0 or box["height"] <= 0:
        raise ValueError(f"a box of {box['width']:g} x {box['height']:g} pixels")
    return box, ""


def _box(given: Any) -> dict[str, Any] | None:
    numbers = _numbers(given)
    if numbers is None or len(numbers) != 4:
        return None
    x, y, width, height = numbers
    return {"kind": "box", "x": x, "y": y, "width": width, "height": height}


def _is_rectangle(outline: list[Any], box: dict[str, Any] | None) -> bool:
    """Whether an outline is nothing but the four corners of the box, as tools write that know only boxes."""
    ring = _numbers(outline[0]) if len(outline) == 1 else None
    if ring is None or box is None or len(ring) != 8:
        return False
    xs, ys = (box["x"], box["x"] + box["width"]), (box["y"], box["y"] + box["height"])
    corners = {(round(x, 3), round(y, 3)) for x in xs for y in ys}
    return {(round(x, 3), round(y, 3)) for x, y in _pairs(ring)} == corners


def _polygon(outline: list[Any]) -> tuple[dict[str, Any], str]:
    rings = [outline] if _numbers(outline) is not None else outline
    parts: list[Any] = []
    bad = 0
    for each in rings:
        ring = _numbers(each)
        if ring is None or len(ring) < 6 or len(ring) % 2:
            bad += 1
        else:
            points = _pairs(ring)
            # Some tools write the first point again at the end.
            parts.append([points[:-1] if len(points) > 3 and points[0] == points[-1] else points])
    if not parts:
        raise ValueError("an outline needs at least three points, as a flat list of finite numbers")
    lost = f"{bad} of {len(rings)} outlines with fewer than three points, or no numbers" if bad else ""
    return {"kind": "polygon", "parts": parts}, lost


def _points(given: Any, box: dict[str, Any] | None, category: Category) -> dict[str, Any] | None:
    """Key points; None when all are absent."""
    numbers = _numbers(given)
    if numbers is None or len(numbers) % 3 or (category.points and len(numbers) != 3 * len(category.points)):
        wanted = f"{3 * len(category.points)} numbers" if category.points else "three numbers per point"
        raise ValueError(f"key points are {wanted}, got {excerpt(given)}")
    seen = [int(v) for v in numbers[2::3]]
    if any(v not in (0, 1, 2) for v in numbers[2::3]):
        raise ValueError("the visibility of a key point is 0, 1 or 2")
    if not any(seen):
        return None
    found = list(zip(numbers[0::3], numbers[1::3], strict=True))
    shape: dict[str, Any] = {"kind": "points", "points": found}
    if set(seen) != {2}:
        shape["visibility"] = seen
    marked = [point for point, v in zip(found, seen, strict=True) if v]
    (left, *_, right), (top, *_, bottom) = ((*sorted(axis), max(axis)) for axis in zip(*marked, strict=True))
    around = {"kind": "box", "x": left, "y": top, "width": right - left, "height": bottom - top}
    # A box that only goes around the points says nothing of the thing itself.
    if box is not None and box["width"] > 0 and box["height"] > 0 and not _same_box(box, around):
        shape["box"] = box
    return shape


def _same_box(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(math.isclose(one[k], other[k], abs_tol=1e-6) for k in ("x", "y", "width", "height"))


def _mask(given: dict[str, Any], size: Size | None) -> Mask:
    height_width = _numbers(given.get("size"))
    if height_width is None or len(height_width) != 2 or any(n != int(n) or n < 1 for n in height_width):
        raise ValueError(f"a mask needs a size [height, width], got {excerpt(given.get('size'))}")
    height, width = int(height_width[0]), int(height_width[1])
    if size is not None and (width, height) != size:
        raise ValueError(f"a mask of {width} x {height} pixels on an image of {size[0]} x {size[1]}")
    counts = given.get("counts")
    if isinstance(counts, str):
        mask = Mask(size=(height, width), counts=counts)
        return from_runs(runs_of(mask), (height, width))
    runs = _numbers(counts)
    if runs is None or any(run != int(run) for run in runs):
        raise ValueError("the counts of a mask are a text or a list of whole numbers")
    return from_runs([int(run) for run in runs], (height, width))


def _numbers(given: Any) -> list[float] | None:
    """A list of finite numbers as such; None for anything else."""
    if not isinstance(given, list):
        return None
    if not all(type(n) in (int, float) and -1e15 < n < 1e15 for n in given):
        return None
    return [float(n) for n in given]


def _pairs(flat: list[float]) -> list[tuple[float, float]]:
    return list(zip(flat[0::2], flat[1::2], strict=True))


def _is_key(value: Any) -> TypeGuard[int | str]:
    return isinstance(value, int | str) and not isinstance(value, bool)


# --- results ----------------------------------------------------------------------------------------------------


def _results(name: str, content: list[Any], results: dict[int | str, list[_Result]]) -> list[Problem]:
    problems = []
    model = PurePosixPath(name).stem
    for i, each in enumerate(content):
        where = f"{name}:{i}"
        if not isinstance(each, dict) or not _is_key(each.get("image_id")):
            problems.append(Problem(where=where, code="bad_result", message="a result needs an `image_id`"))
        else:
            results.setdefault(each["image_id"], []).append(_Result(where, model, each))
    return problems


def _predicted(
    categories: dict[int | str, Category], results: list[_Result], size: Size | None, where: str
) -> tuple[list[Opinion], list[Problem]]:
    """What one model says of one image."""
    answers: dict[str, list[Any]] = {}
    problems: list[Problem] = []
    for i, result in enumerate(results):
        problems += _region(categories, result.entry, result.where, f"r{i}", size, answers)
    problems += _sound(answers, size, where)
    sure: dict[str, float] = {}
    for question, regions in answers.items():
        scores = [region["score"] for region in regions if "score" in region]
        if scores:
            sure[question] = min(scores)
    return [Opinion("model", answers, results[0].model, sure)] if answers else [], problems


def _results_only(
    documents: list[Document], images: Images, image_id: int | str, results: list[_Result]
) -> Iterator[Incoming | Problem]:
    """Results for an image that no file of the source lists: it may have been imported before."""
    where = results[0].where
    if documents:
        message = f"no image has the id {excerpt(image_id)}; {len(results)} results were left out"
        yield Problem(where=where, code="unknown_image", message=message)
        return
    named = results[0].entry.get("file_name")
    file_name = named if isinstance(named, str) and named else str(image_id)
    # Without a file that says what the numbers mean, a category can only be its own name.
    categories: dict[int | str, Category] = {}
    for result in results:
        key = result.entry.get("category_id")
        said = result.entry.get("category_name", key if isinstance(key, str) else None)
        if _is_key(key) and isinstance(said, str):
            categories[key] = Category(said, OBJECTS)
    if not categories:
        message = "results name categories by number only; put the COCO file with its images and categories beside them"
        yield Problem(where=where, code="no_categories", message=message)
        return
    for model in dict.fromkeys(result.model for result in results):
        opinions, problems = _predicted(categories, [r for r in results if r.model == model], None, where)
        yield from problems
        yield Incoming(where, "", file_name[-500:], opinions=tuple(opinions), image=images.find(file_name))


# --- what to ask ------------------------------------------------------------------------------------------------


def questions(files: Files) -> list[dict[str, Any]]:
    """A region question with the categories in their order, skeletons, and the shapes and attributes that occur.

    Raises:
        Invalid: No COCO file can be read.
    """
    documents, results, _ = _load(files, "the source")
    found: dict[str, dict[str, Any]] = {}
    for document in documents:
        for category in document.categories.values():
            asked = found.setdefault(category.question, {"labels": {}, "shapes": {}})
            label = asked["labels"].setdefault(category.label, {"name": category.label, "seen": {}})
            if category.points:
                label["skeleton"] = {"points": category.points, "edges": category.edges}
        marks = [*document.annotations, *(r.entry for each in results.values() for r in each)]
        for mark in marks:
            segments = mark.get("segments_info") if isinstance(mark, dict) else None
            for each in segments if isinstance(segments, list) else [mark]:
                _notice(document, each, segments is not None, found)
    made = []
    for question, asked in found.items():
        labels = []
        for label in asked["labels"].values():
            seen = label.pop("seen")
            labels.append(label | {"attributes": [attribute(name, values) for name, values in seen.items()]})
        shapes = [kind for kind in ("box", "polygon", "mask", "points") if kind in asked["shapes"]] or ["box"]
        made.append({"kind": "region", "name": question, "shapes": shapes, "labels": labels})
    return made


def _notice(document: Document, mark: Any, panoptic: bool, found: dict[str, dict[str, Any]]) -> None:
    """Note the shape and the attributes of an annotation."""
    category = (
        document.categories.get(key)
        if isinstance(mark, dict) and _is_key(key := mark.get("category_id"))
        else None
    )
    if category is None:
        return
    asked = found[category.question]
    outline = mark.get("segmentation")
    if panoptic or isinstance(outline, dict):
        kind = "mask"
    elif isinstance(mark.get("keypoints"), list) and any(mark["keypoints"]):
        kind = "points"
    else:
        box = _box(mark.get("bbox"))
        is_outline = isinstance(outline, list) and outline and not _is_rectangle(outline, box)
        kind = "polygon" if is_outline else "box"
    asked["shapes"][kind] = None
    seen = asked["labels"][category.label]["seen"]
    for name, value in attributes_of(mark).items():
        values = seen.setdefault(name, [])
        if len(values) < 10_000:
            values.append(value)
