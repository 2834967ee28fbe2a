"""Image folders of Hugging Face `datasets`, both ways: `metadata.jsonl` with a row per image, or a folder per class.

Boxes are `[x, y, width, height]` in pixels. Names of classes stand in the rows as texts; `features.json` says their
order, so that class numbers come from the questions and not from what happens to occur.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, TextIO

from labelwright.core.answer import Answer, ChoiceAnswer, RegionAnswer, ScalarAnswer, TextAnswer
from labelwright.core.errors import Invalid
from labelwright.core.ontology import ChoiceQuestion, Question, RegionQuestion, ScalarQuestion, TextQuestion
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats import tabular
from labelwright.formats.boxes_csv import box_in
from labelwright.formats.mapping import plain
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import (
    Images,
    is_hidden,
    is_image,
    on_disk,
    questions_of,
    read_head,
    read_json,
)
from labelwright.formats.regions import Classes, Held, chosen_regions

SPLITS = ("train", "validation", "val", "dev", "test")
_CATEGORIES = ("category", "categories", "label", "labels", "class", "classes")
_LABELS = ("label", "labels", "class")
LOOK = 500
TASK_FILES = ("metadata.jsonl", "metadata.csv")


def recognises(files: Files) -> bool:
    """Whether there is a metadata file, or nothing but images in a folder per class below folders per split."""
    return any("file_name" in read_head(files, each) for each in _tables(files)) or bool(_classes(files))


def _tables(files: Files) -> list[str]:
    return [n for n in files.names() if PurePosixPath(n).name in TASK_FILES and not is_hidden(n)]


def _classes(files: Files) -> dict[str, str]:
    """Image -> class, of a source of `split/class/image` with at least two classes; nothing for any other."""
    found: dict[str, str] = {}
    for name in files.names():
        if is_hidden(name) or PurePosixPath(name).name.lower() in ("readme.md", "features.json"):
            continue
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or parts[-3].lower() not in SPLITS or not is_image(name):
            return {}
        found[name] = parts[-2]
    return found if len(set(found.values())) > 1 else {}


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image with what its row says of it; without metadata, its folder is the answer to a question `label`.

    Columns named `label` or `labels`, and those that `features.json` calls classes, are answers; others are metadata.

    Problems:
        no_image: A row without its image.
        bad_objects: Boxes that cannot be used.
    """
    del name
    images, used = Images(files), set[str]()
    known = _features(files)
    for table in _tables(files):
        with on_disk(files, table) as path:
            rows = (
                tabular.json_lines(path, table, None)
                if table.endswith(".jsonl")
                else tabular.delimited(path, table, None, None)
            )
            for where, row in rows:
                if isinstance(row, Problem):
                    yield row
                    continue
                named = row.get("file_name")
                found = images.find(named, table) if isinstance(named, str) else None
                if found is None:
                    message = f"the image {excerpt(named)!r} is not there"
                    yield Problem(where=where, code="no_image", message=message)
                    continue
                used.add(found)
                yield from _row(where, row, found, known, _split(found))
    folders = {} if _tables(files) else {n: PurePosixPath(n).parent.name for n in images.names if "/" in n}
    for image in images.names:
        if image in used:
            continue
        label = folders.get(image)
        opinions = (
            (Opinion("person", {"label": label}, "imagefolder"),)
            if label and label.lower() not in SPLITS
            else ()
        )
        yield Incoming(image, "", image[-500:], _split(image), opinions, image)


def questions(files: Files) -> list[dict[str, Any]]:
    """Boxes and choices, with the classes of `features.json` where there is one, else those of the first images."""
    known = _features(files)
    rows = [each for each in itertools.islice(read(files, ""), LOOK) if isinstance(each, Incoming)]
    asked = questions_of(rows)
    if asked and known.get("objects"):
        asked[0]["labels"] = [{"name": name} for name in known["objects"]]
    choices: dict[str, dict[str, None]] = {
        column: dict.fromkeys(names) for column, names in known.items() if column != "objects"
    }
    several = set()
    for opinion in (opinion for row in rows for opinion in row.opinions):
        for column, value in opinion.answers.items():
            if column != OBJECTS:
                names = value if isinstance(value, list) else [value]
                choices.setdefault(column, {}).update(dict.fromkeys(map(str, names)))
                several |= {column} if len(names) > 1 else set()
    return asked + [
        {"kind": "choice", "name": column, "labels": list(names), "multiple": column in several}
        for column, names in choices.items()
    ]


def _split(image: str) -> dict[str, Any]:
    found = next((part.lower() for part in PurePosixPath(image).parts[:-1] if part.lower() in SPLITS), "")
    return {"split": {"validation": "val", "dev": "val"}.get(found, found)} if found else {}


def _features(files: Files) -> dict[str, list[str]]:
    """Column -> names of its classes, by `features.json`; the categories of boxes are under `objects`."""
    found: dict[str, list[str]] = {}
    if "features.json" not in files.names():
        return found
    try:
        value = read_json(files, "features.json")
    except Invalid:
        return found
    for column, feature in value.items() if isinstance(value, dict) else ():
        if column == "objects" and isinstance(feature, dict):
            feature = next((feature[key] for key in _CATEGORIES if key in feature), None)
        if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
            feature = feature["feature"]
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list):
            found[column] = [str(each) for each in names]
    return found


def _row(
    where: str, row: dict[str, Any], image: str, known: dict[str, list[str]], metadata: dict[str, Any]
) -> Iterator[Incoming | Problem]:
    answers: dict[str, Any] = {}
    for column, value in row.items():
        if column == "file_name" or column.endswith(("_file_name", "_file_names")):
            continue
        if column == "objects":
            regions, problems = _objects(value, known.get("objects", []), where)
            yield from problems
            if regions is not None:
                answers[OBJECTS] = regions
        elif value is None or value == "":
            continue
        elif column in known or column.lower() in _LABELS:
            names = known.get(column, [])
            each = value if isinstance(value, list) else [value]
            answers[column] = [_name(one, names) for one in each]
        else:
            metadata[column] = plain(value)
    model = any("score" in region for region in answers.get(OBJECTS, []))
    opinions = (Opinion("model" if model else "person", answers, "imagefolder"),) if answers else ()
    yield Incoming(where, "", image[-500:], metadata, opinions, image)


def _name(value: Any, names: list[str]) -> Any:
    """A class by its name; files may hold its number."""
    if type(value) is int and 0 <= value < len(names):
        return names[value]
    return value if isinstance(value, str) else str(value)


def _objects(value: Any, names: list[str], where: str) -> tuple[list[dict[str, Any]] | None, list[Problem]]:
    """The regions of a column `objects`, as a mapping of lists or a list of mappings, and what is wrong with them."""
    if value is None:
        return None, []
    if isinstance(value, dict):
        lists = {key: each for key, each in value.items() if isinstance(each, list)}
        n = len(lists.get("bbox", []))
        if "bbox" not in lists or any(len(each) != n for each in lists.values()):
            message = "`objects` needs lists of equal length, `bbox` among them"
            return None, [Problem(where=f"{where}:objects", code="bad_objects", message=message)]
        value = [{key: each[i] for key, each in lists.items()} for i in range(n)]
    if not isinstance(value, list):
        message = "`objects` holds lists `bbox` and `category`"
        return None, [Problem(where=f"{where}:objects", code="bad_objects", message=message)]
    regions: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for i, each in enumerate(value):
        made = _object(each, names)
        if isinstance(made, str):
            problems.append(Problem(where=f"{where}:objects/{i}", code="bad_objects", message=made))
        else:
            regions.append(made)
    return regions, problems


def _object(each: Any, names: list[str]) -> dict[str, Any] | str:
    box = each.get("bbox") if isinstance(each, dict) else None
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(type(v) in (int, float) and abs(v) < 1e9 for v in box)
    ):
        return "a box is four numbers x, y, width and height"
    x, y, width, height = map(float, box)
    if width <= 0 or height <= 0:
        return f"a box needs a width and a height above 0, got {width:g} and {height:g}"
    label = next((each[key] for key in _CATEGORIES if each.get(key) is not None), None)
    if not isinstance(label, str | int) or isinstance(label, bool) or label == "":
        return "a box needs a `category`"
    made: dict[str, Any] = {
        "shape": Box(x=x, y=y, width=width, height=height).model_dump(),
        "label": _name(label, names),
    }
    score = each.get("score")
    if type(score) in (int, float) and 0 <= score <= 1:
        made["score"] = score
    return made


# --- out --------------------------------------------------------------------------------------------------------


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`<split>/metadata.jsonl` beside the images, `features.json` and a card; unanswered images are written with nulls."""
    classes, n = Classes.of(to.ontology), 0
    has_regions = bool(classes.entries)
    files: dict[str, TextIO] = {}
    seen: dict[str, set[str]] = {}
    try:
        for row in rows:
            split = {"val": "validation", "test": "test"}.get(str(row.asset.metadata.get("split")), "train")
            name = to.image_name(row.asset)
            to.place(row.asset, f"{split}/{name}")
            if split not in files:
                (to.folder / split).mkdir(exist_ok=True)
                files[split] = (to.folder / split / "metadata.jsonl").open(
                    "w", encoding="utf-8", newline="\n"
                )
            line: dict[str, Any] = {"file_name": name}
            if has_regions:
                line["objects"] = _held(row, to, classes)
            else:
                to.losses.of_chosen(row, to.ontology)
            for question in to.ontology.active_questions:
                if not isinstance(question, RegionQuestion):
                    answer = row.chosen.get(question.id) if row.chosen is not None else None
                    line[question.id] = _value(question, answer)
            seen.setdefault(split, set()).update(_kinds(line))
            files[split].write(json.dumps(line, ensure_ascii=False) + "\n")
            n += 1
    finally:
        for file in files.values():
            file.close()
    if len({frozenset(kinds) for kinds in seen.values()}) > 1:
        message = "a column is empty in one split only, and `datasets` refuses to load such splits together: load them one by one"
        to.losses.note("empty_column", message)
    _write_features(to, classes)
    to.losses.note("ids", "ids of regions, who answered, and confidences of answers are not held")
    to.losses.note("metadata", "numbers and texts come back as metadata of the image")
    return Written(n)


def _held(row: Outgoing, to: Exporting, classes: Classes) -> dict[str, Any] | None:
    held: dict[str, Any] = {"bbox": [], "category": [], "score": []}
    for question, region in chosen_regions(
        row, to.ontology, to.losses, Held(score=True, other_questions=True)
    ):
        box = box_in(region, row.asset, to)
        if box is not None:
            held["bbox"].append([box.x, box.y, box.width, box.height])
            held["category"].append(classes.names[classes.number(question, region.label)])
            held["score"].append(region.score)
    answered = row.chosen is not None and any(isinstance(a, RegionAnswer) for _, a in row.chosen.items())
    if not answered:
        to.losses.add(row.asset, "no_answer", "nobody said what is on the image: `objects` is null")
    if all(score is None for score in held["score"]):
        del held["score"]
    return held if answered else None


def _value(question: Question, answer: Answer | None) -> Any:
    match question, answer:
        case ChoiceQuestion(), ChoiceAnswer(labels=labels):
            chosen = [question.shown_names.get(label, label) for label in labels]
            return chosen if question.multiple else (chosen[0] if chosen else None)
        case ScalarQuestion(), ScalarAnswer(value=value):
            return value
        case TextQuestion(), TextAnswer(text=text):
            return text
    return None


def _kinds(line: dict[str, Any]) -> Iterator[str]:
    """Columns that hold something, for what `datasets` makes of their types."""
    for column, value in line.items():
        if isinstance(value, dict):
            yield from (
                f"{column}.{key}" for key, each in value.items() if each and each != [None] * len(each)
            )
        elif value not in (None, []):
            yield column


def _write_features(to: Exporting, classes: Classes) -> None:
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if classes.entries:
        number = {"dtype": "float64", "_type": "Value"}
        features["objects"] = {
            "bbox": {"feature": {"feature": number, "_type": "List"}, "_type": "List"},
            "category": {"feature": {"names": list(classes.names), "_type": "ClassLabel"}, "_type": "List"},
        }
    for question in to.ontology.active_questions:
        match question:
            case ChoiceQuestion():
                one = {"names": [question.shown_names[x.id] for x in question.labels], "_type": "ClassLabel"}
                features[question.id] = {"feature": one, "_type": "List"} if question.multiple else one
            case ScalarQuestion():
                kind = {"boolean": "bool", "integer": "int64"}.get(question.type, "float64")
                features[question.id] = {"dtype": kind, "_type": "Value"}
            case TextQuestion():
                features[question.id] = {"dtype": "string", "_type": "Value"}
    text = json.dumps(features, ensure_ascii=False, indent=1)
    (to.folder / "features.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    (to.folder / "README.md").write_text(_CARD, encoding="utf-8", newline="\n")


_CARD = """# Images with labels

```python
from datasets import load_dataset

dataset = load_dataset("imagefolder", data_dir="this/folder")
```

Boxes are `[x, y, width, height]` in pixels of the upright image. The numbers of classes are their places in
`features.json`, whatever occurs in the rows:

```python
import json
from datasets import Features

features = Features.from_dict(json.load(open("this/folder/features.json")))
names = features["objects"]["category"].feature  # a ClassLabel
```
"""
