"""Masks as PNG files: one of classes per image (semantic), or one of things with a table (instances), in and out.

A semantic mask holds the number of a class per pixel, 0 for none and 255 for what a trainer shall ignore, as Pascal VOC
has it; `classes.json` or `classes.txt` names the numbers. An instance mask holds the number of a thing, and
`instances.json` says what it is.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from labelwright.core.answer import Region
from labelwright.core.errors import Invalid
from labelwright.core.ontology import RegionQuestion
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats import painted
from labelwright.formats.coco_tables import Spool, image_entry, info
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images, is_hidden, read_bytes, read_head, read_json, sound
from labelwright.formats.regions import Classes, Held, chosen_regions, size_of

IGNORE = 255
_IGNORED = ("ignore", "void")
INSTANCES = "labelwright-instances/1"
_CLASS_FILES = ("classes.json", "classes.txt")


# --- semantic masks ---------------------------------------------------------------------------------------------


def recognises_semantic(files: Files) -> bool:
    """Whether there is a list of classes beside a folder of PNG files."""
    names = files.names()
    listed = [n for n in names if PurePosixPath(n).name in _CLASS_FILES and not is_hidden(n)]
    if not listed:
        return False
    folders = _mask_folders(names)
    return bool(folders) and not any(n.endswith(".txt") and _beside_image(n, names) for n in names[:200])


def _beside_image(name: str, names: Any) -> bool:
    """Whether a text file looks like the labels of one image, as YOLO has them."""
    return PurePosixPath(name).parent.name == "labels" and PurePosixPath(name).name not in _CLASS_FILES


def _mask_folders(names: Any) -> list[str]:
    known = {"masks", "mask", "semantic", "segmentationclass", "segmentation", "labels", "annotations"}
    found = dict.fromkeys(
        parent
        for name in names
        if name.lower().endswith(".png") and not is_hidden(name)
        for parent in [str(PurePosixPath(name).parent)]
        if any(part.lower() in known for part in PurePosixPath(parent).parts)
    )
    return list(found)


def read_semantic(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image with one mask region per class; images without a mask come without regions.

    Raises:
        Invalid: There is no list of classes, or no folder of masks.
    """
    classes, problems = _classes(files, name)
    yield from problems
    folders = _mask_folders(files.names())
    if not folders:
        raise Invalid("no_masks", f"{name} holds no folder of masks", "call it `masks`")
    masks = [
        n for n in files.names() if str(PurePosixPath(n).parent) in folders and n.lower().endswith(".png")
    ]
    taken = set(masks)
    images = Images(files, but=taken)
    by_image: dict[str, str] = {}
    for mask in masks:
        stem = _inside(mask, folders)
        image = images.find(stem)
        if image is None:
            # The image may have been imported before: its mask is named after it.
            yield from _semantic_row(files, stem, None, mask, classes)
        elif image in by_image:
            message = f"a second mask for {excerpt(image)}; the first one counts"
            yield Problem(where=mask[:300], code="two_masks", message=message)
        else:
            by_image[image] = mask
    for image in images.names:
        if image in by_image:
            yield from _semantic_row(files, image, image, by_image[image], classes)
        else:
            yield Incoming(image, "", external_id=image[-500:], image=image)


def _inside(mask: str, folders: list[str]) -> str:
    """The path of a mask inside of its folder, without the ending."""
    path = PurePosixPath(mask).with_suffix("")
    parent = next(folder for folder in sorted(folders, key=len) if str(path.parent).startswith(folder))
    return path.relative_to(parent).as_posix()


def _semantic_row(
    files: Files, external_id: str, image: str | None, mask: str, classes: dict[int, dict[str, str]]
) -> Iterator[Incoming | Problem]:
    size = files.dimensions(image) if image is not None else None
    answers: dict[str, list[Any]] = {each["question"]: [] for each in classes.values()}
    try:
        found = painted.masks(painted.read(files, mask, size))
    except ValueError as error:
        found, answers = {}, {}
        yield Problem(where=mask[:300], code="bad_mask", message=str(error))
    unknown = [number for number in found if number not in classes and number != IGNORE]
    if unknown:
        message = f"the numbers {excerpt(unknown)} are no classes and were left out"
        yield Problem(where=mask[:300], code="unknown_class", message=message)
    for number, shape in found.items():
        if number in classes:
            each = classes[number]
            region = {"id": f"c{number}", "label": each["label"], "shape": shape.model_dump()}
            answers[each["question"]].append(region)
    opinions = (Opinion("person", answers),) if any(answers.values()) else ()
    yield Incoming(mask[:300], "", external_id[-500:], opinions=opinions, image=image)


def _classes(files: Files, name: str) -> tuple[dict[int, dict[str, str]], list[Problem]]:
    """Number -> {label, question}."""
    problems: list[Problem] = []
    listed = sorted(n for n in files.names() if PurePosixPath(n).name in _CLASS_FILES and not is_hidden(n))
    if not listed:
        raise Invalid(
            "no_classes", f"{name} holds no `classes.json` or `classes.txt`", "one class a line, from 0"
        )
    where = listed[0]
    if where.endswith(".txt"):
        text = read_bytes(files, where, 2**20).decode("utf-8-sig", errors="replace")
        entries: list[Any] = [{"index": i, "name": line.strip()} for i, line in enumerate(text.splitlines())]
    else:
        content = read_json(files, where)
        given = content.get("classes") if isinstance(content, dict) else content
        entries = given if isinstance(given, list) else []
        entries = [{"index": i, "name": e} if isinstance(e, str) else e for i, e in enumerate(entries)]
    found: dict[int, dict[str, str]] = {}
    for i, each in enumerate(entries):
        number = each.get("index", i) if isinstance(each, dict) else None
        label = each.get("label", each.get("name")) if isinstance(each, dict) else None
        if (
            type(number) is not int
            or not 0 <= number <= 65_535
            or not isinstance(label, str)
            or number in found
        ):
            message = f"a class needs an `index` of its own and a `name`, got {excerpt(each)}"
            problems.append(Problem(where=f"{where}/{i}", code="bad_class", message=message))
        elif number and label.strip() and (label.casefold() not in _IGNORED or "question" in each):
            found[number] = {"label": label, "question": str(each.get("question", OBJECTS))}
    return found, problems


def semantic_questions(files: Files) -> list[dict[str, Any]]:
    """One mask question with the classes in their order."""
    asked: dict[str, list[str]] = {}
    for each in _classes(files, "the source")[0].values():
        asked.setdefault(each["question"], []).append(each["label"])
    return [
        {
            "kind": "region",
            "name": question,
            "shapes": ["mask", "polygon"],
            "labels": list(dict.fromkeys(labels)),
        }
        for question, labels in asked.items()
    ]


def write_semantic(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`masks/*.png` with the number of a class per pixel, `classes.json`, `classes.txt`.

    Raises:
        Invalid: There are more than 254 labels.
    """
    classes = Classes.of(to.ontology)
    n = 0
    for row in rows:
        if row.asset.image is None:
            to.losses.left_out(row.asset, "no_image")
            continue
        name = to.image_name(row.asset)
        to.place(row.asset, f"images/{name}")
        n += 1
        if row.chosen is None:
            to.losses.left_out(row.asset, "no_answer")
            continue
        shapes, labels = [], []
        for question, region in chosen_regions(row, to.ontology, to.losses, Held()):
            number = _number(classes, question, region)
            if _has_area(row, region, to):
                shapes.append((number, region.shape))
                labels.append(number)
        if len(set(labels)) < len(labels):
            to.losses.add(row.asset, "merged", "regions of the same label are one")
        numbers, covered = painted.paint(shapes, size_of(row.asset))
        if any(covered.values()):
            message = f"{sum(covered.values())} pixels belong to several labels; the uppermost is held"
            to.losses.add(row.asset, "overlap", message)
        path = to.folder / "masks" / PurePosixPath(name).with_suffix(".png")
        painted.save(numbers, path, "palette", _palette(classes))
    _write_classes(classes, to)
    to.losses.note("ids", "ids of regions are not held")
    return Written(n)


def _number(classes: Classes, question: RegionQuestion, region: Region) -> int:
    label = question.label(region.label)
    if label is not None and label.name.casefold() in _IGNORED:
        return IGNORE
    number = classes.number(question, region.label) + 1
    if number >= IGNORE:
        raise Invalid(
            "too_many_labels", "a mask of one byte holds 254 labels", "export instance masks instead"
        )
    return number


def _has_area(row: Outgoing, region: Region, to: Exporting) -> bool:
    kind = region.shape.kind
    if kind in ("points", "polyline"):
        to.losses.add(row.asset, "not_held", f"{kind} {region.id!r} has no area and is not held")
        return False
    if kind != "mask":
        to.losses.add(row.asset, "pixels", f"{kind.replace('_', ' ')} {region.id!r} is held as its pixels")
    return True


def _palette(classes: Classes) -> list[tuple[int, int, int]]:
    colours = [(0, 0, 0), *(painted.colour_of(label.colour) for _, label in classes.entries)][:IGNORE]
    return [*colours, *[(0, 0, 0)] * (IGNORE - len(colours)), (224, 224, 192)]


def _write_classes(classes: Classes, to: Exporting) -> None:
    table: list[dict[str, Any]] = [{"index": 0, "name": "background"}]
    for i, ((question, label), name) in enumerate(zip(classes.entries, classes.names, strict=True), 1):
        number = IGNORE if label.name.casefold() in _IGNORED else i
        table.append({"index": number, "name": name, "label": label.name, "question": question.id})
    body = {"ignore": IGNORE, "classes": table}
    text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    (to.folder / "classes.json").write_text(text, encoding="utf-8")
    # One class a line, by its number: what most training scripts read.
    names = ["background", *(" ".join(name.split()) for name in classes.names)]
    (to.folder / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


# --- instance masks ---------------------------------------------------------------------------------------------


def recognises_instances(files: Files) -> bool:
    """Whether there is a table of instances."""
    return any(
        f'"{INSTANCES}"' in read_head(files, name, 1_000)
        for name in files.names()
        if PurePosixPath(name).name == "instances.json" and not is_hidden(name)
    )


def read_instances(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image of the table with a mask region per thing; other images come without any.

    Raises:
        Invalid: There is no table.
    """
    tables = [n for n in files.names() if PurePosixPath(n).name == "instances.json" and not is_hidden(n)]
    if not tables:
        raise Invalid("no_table", f"{name} holds no `instances.json`")
    everything = Images(files)
    masks: set[str] = set()
    entries: list[tuple[str, str, dict[str, Any], str | None]] = []
    for table in tables:
        content = read_json(files, table)
        given = content.get("images") if isinstance(content, dict) else None
        if not isinstance(given, list):
            yield Problem(
                where=table[:300], code="bad_table", message="a table of instances has a list `images`"
            )
            continue
        annotator = content.get("annotator")
        for i, each in enumerate(given):
            where = f"{table}:images/{i}"
            if not isinstance(each, dict) or not all(
                isinstance(each.get(k), str) for k in ("file_name", "mask")
            ):
                message = "an image needs a `file_name` and a `mask`"
                yield Problem(where=where, code="bad_image", message=message)
                continue
            mask = everything.find(each["mask"], beside=table)
            masks |= {mask} if mask is not None else set()
            entries.append((where, annotator[:200] if isinstance(annotator, str) else "", each, mask))
    images = Images(files, but=masks)
    seen: set[str] = set()
    for where, who, each, mask in entries:
        image = images.find(each["file_name"], beside=where.partition(":")[0])
        seen |= {image} if image is not None else set()
        yield from _instances_row(files, each, image, mask, who, where)
    for unlisted in images.names:
        if unlisted not in seen:
            yield Incoming(unlisted, "", external_id=unlisted[-500:], image=unlisted)


def _instances_row(
    files: Files, entry: dict[str, Any], image: str | None, mask: str | None, who: str, where: str
) -> Iterator[Incoming | Problem]:
    answers: dict[str, list[Any]] = {}
    answered, things = entry.get("answered"), entry.get("instances")
    for question in answered if isinstance(answered, list) else []:
        answers.setdefault(str(question), [])
    try:
        size = files.dimensions(image) if image is not None else None
        if mask is None:
            raise ValueError(f"the mask {excerpt(entry['mask'])} is not there")
        found = painted.masks(painted.read(files, mask, size))
    except ValueError as error:
        found, answers, things = {}, {}, []
        yield Problem(where=where, code="bad_mask", message=str(error))
    for i, each in enumerate(things if isinstance(things, list) else []):
        place = f"{where}/instances/{i}"
        number = each.get("id") if isinstance(each, dict) else None
        shape = found.pop(number, None) if isinstance(number, int) else None
        if shape is None or not isinstance(each.get("label"), str):
            message = f"an instance needs a `label` and an `id` with pixels of its own, got {excerpt(each)}"
            yield Problem(where=place, code="bad_instance", message=message)
            continue
        kept = {key: each[key] for key in ("attributes", "score", "z_order") if each.get(key) is not None}
        region = {"id": str(each.get("region") or f"i{number}"), "label": each["label"], **kept}
        answers.setdefault(str(each.get("question", OBJECTS)), []).append(
            region | {"shape": shape.model_dump()}
        )
    if found:
        message = f"the numbers {excerpt(list(found))} are not in the table and were left out"
        yield Problem(where=where, code="unknown_instance", message=message)
    for question in answers:
        answers[question], problems = sound(answers[question], None, where)
        yield from problems
    by = "model" if entry.get("answered_by") == "model" else "person"
    opinions = (Opinion(by, answers, who),) if answers else ()  # type: ignore[arg-type]
    yield Incoming(where, "", entry["file_name"][-500:], opinions=opinions, image=image)


def write_instances(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`instances/*.png` of 16 bits with the number of a thing per pixel, and `instances.json`."""
    n = 0
    with Spool() as images:
        for row in rows:
            if row.asset.image is None:
                to.losses.left_out(row.asset, "no_image")
                continue
            name = to.image_name(row.asset)
            to.place(row.asset, f"images/{name}")
            mask = f"instances/{PurePosixPath(name).with_suffix('.png')}"
            entry = image_entry(row, to.ontology, name)
            del entry["id"]
            found = [
                (question, region)
                for question, region in chosen_regions(
                    row, to.ontology, to.losses, Held(attributes=True, score=True, z_order=True)
                )
                if _has_area(row, region, to)
            ]
            numbers, covered = painted.paint(
                ((i, region.shape) for i, (_, region) in enumerate(found, 1)), size_of(row.asset)
            )
            left = painted.masks(numbers) if found else {}
            painted.save(numbers, to.folder / mask, "grey16")
            things = []
            for i, (question, region) in enumerate(found, 1):
                if covered[i]:
                    message = f"region {region.id!r} lost {covered[i]} pixels to regions above it"
                    to.losses.add(row.asset, "overlap", message)
                if i in left:
                    things.append(_thing(i, question, region))
                else:
                    to.losses.add(row.asset, "no_pixels", f"nothing is left of region {region.id!r}")
            images.add(entry | {"mask": mask, "instances": things})
            n += 1
        with (to.folder / "instances.json").open("w", encoding="utf-8", newline="\n") as file:
            head = {"format": INSTANCES, **info(to)}
            file.write(json.dumps(head, ensure_ascii=False).removesuffix("}") + ',\n"images": [')
            images.copy(file)
            file.write("]}\n")
    return Written(n)


def _thing(number: int, question: RegionQuestion, region: Region) -> dict[str, Any]:
    label = question.label(region.label)
    found: dict[str, Any] = {
        "id": number,
        "region": region.id,
        "label": label.name if label is not None else region.label,
        "question": question.id,
        "z_order": region.z_order,
    }
    if region.attributes:
        found["attributes"] = dict(region.attributes)
    return found | ({"score": region.score} if region.score is not None else {})
