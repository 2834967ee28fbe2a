"""Label Studio JSON, both ways, for texts and images. Its text offsets count UTF-16 units; ours count code points.

On the way out each question becomes a control tag of the labeling config that is written beside the tasks; regions of
images are in `label_studio_regions`.
"""

import itertools
import json
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RegionAnswer,
    RelationAnswer,
    ScalarAnswer,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.ontology import (
    PATH_SEPARATOR,
    ChoiceQuestion,
    LabelledQuestion,
    Ontology,
    RegionQuestion,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.transfer import OBJECTS, Incoming, Opinion, Outgoing
from labelwright.formats import label_studio_regions as marks
from labelwright.formats import pictures, tabular
from labelwright.formats.edge import points_to_utf16, utf16_to_points
from labelwright.formats.mapping import TEXT_NAMES, check_text, plain
from labelwright.formats.output import Exporting, Losses, Written
from labelwright.formats.regions import size_of


def is_label_studio(row: dict[str, Any]) -> bool:
    """Whether a JSON object looks like a Label Studio task."""
    return isinstance(row.get("data"), dict) and ("annotations" in row or "predictions" in row or "id" in row)


def read(path: Path, name: str, encoding: str | None) -> Iterator[Incoming | Problem]:
    """Tasks with their annotations and predictions."""
    for where, row in tabular.json_array(path, name, encoding):
        if isinstance(row, Problem):
            yield row
        elif not isinstance(row.get("data"), dict):
            yield Problem(where=where, code="no_data", message="a task needs an object `data`")
        else:
            yield from _task(where, row)


def _task(where: str, row: dict[str, Any]) -> Iterator[Incoming | Problem]:
    data = row["data"]
    key = next((k for k in TEXT_NAMES if isinstance(data.get(k), str)), None)
    key = key or next((k for k, v in data.items() if isinstance(v, str)), None)
    if key is None:
        yield Problem(where=where, code="no_text", message="`data` holds no text")
        return
    text = data[key]
    problem = check_text(text, f"{where}:data/{key}")
    if problem is not None:
        yield problem
        return
    table = utf16_to_points(text)
    opinions: list[Opinion] = []
    for by, place, each in _given(where, row):
        if isinstance(each, Problem):
            yield each
            continue
        answers: dict[str, Any] = {}
        for j, region in enumerate(each.get("result") or []):
            bad = _region(region, answers, table)
            if bad is None and isinstance(region, dict) and region.get("type") == "relation":
                bad = _relation(region, answers, each["result"])
            if bad is not None:
                yield Problem(where=f"{place}/result/{j}", code="bad_region", message=bad)
        opinions += _opinion(by, each, answers)
    metadata = {str(k): plain(v) for k, v in data.items() if k not in (key, "external_id")}
    external_id = data.get("external_id", row.get("id"))
    yield Incoming(
        where, text, str(external_id)[:500] if external_id is not None else None, metadata, tuple(opinions)
    )


def _given(where: str, row: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(by whom, place, annotation or prediction); a problem in place of what cannot be used."""
    for by, group in (("person", "annotations"), ("model", "predictions")):
        given = row.get(group) or []
        if not isinstance(given, list):
            where = f"{where}:{group}"
            yield by, where, Problem(where=where, code="bad_opinion", message="a list is wanted")
            continue
        for i, each in enumerate(given):
            place = f"{where}:{group}/{i}"
            if not isinstance(each, dict) or not isinstance(each.get("result") or [], list):
                message = "an object with a list `result` is wanted"
                yield by, place, Problem(where=place, code="bad_opinion", message=message)
            elif each.get("was_cancelled"):
                message = "a cancelled annotation was left out"
                yield by, place, Problem(where=place, code="cancelled", message=message)
            else:
                yield by, place, each


def _opinion(by: str, each: dict[str, Any], answers: dict[str, Any]) -> list[Opinion]:
    if not answers:
        return []
    score = each.get("score")
    confidence = {q: float(score) for q in answers} if isinstance(score, int | float) else {}
    title = str(each.get("model_version") or each.get("completed_by") or "")[:200]
    kind = "gold" if each.get("ground_truth") and by == "person" else by
    return [Opinion(kind, answers, title, confidence)]  # type: ignore[arg-type]


# --- images in --------------------------------------------------------------------------------------------------

IMAGE_NAMES = ("image", "img", "image_url", "url", "photo", "picture")
LOOK = 500


def task_files(files: Files) -> list[str]:
    """Files that hold tasks about images."""
    names = [n for n in files.names() if n.lower().endswith(".json") and not pictures.is_hidden(n)]
    found = []
    for each in names[:50]:
        head = pictures.read_head(files, each)
        if (
            head.startswith("[")
            and '"data"' in head
            and re.search(r'"(annotations|predictions|result)"', head)
        ):
            found.append(each)
    return found


def recognises_images(files: Files) -> bool:
    """Whether there are tasks; texts are never asked about."""
    return bool(task_files(files))


def read_images(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Tasks about images with their annotations and predictions, and images that no task names.

    Problems:
        bad_region: A result that cannot be used; those besides are kept.
        no_data, no_image, bad_image, bad_opinion, cancelled, as_polygon.
    """
    del name
    images, used = pictures.Images(files), set[str | None]()
    for each in task_files(files):
        for where, row in _tasks(files, each):
            if isinstance(row, Problem):
                yield row
            elif not isinstance(row.get("data"), dict):
                yield Problem(where=where, code="no_data", message="a task needs an object `data`")
            else:
                for found in _image_task(files, each, where, row, images):
                    if isinstance(found, Incoming):
                        used.add(found.image)
                    yield found
    for image in images.names:
        if image not in used:
            yield Incoming(image, "", image[-500:], {}, (), image)


def _tasks(files: Files, name: str) -> Iterator[tabular.Row]:
    with pictures.on_disk(files, name) as path:
        yield from tabular.json_array(path, name, None)


def _image_task(
    files: Files, name: str, where: str, row: dict[str, Any], images: pictures.Images
) -> Iterator[Incoming | Problem]:
    data = row["data"]
    key = next((k for k in IMAGE_NAMES if isinstance(data.get(k), str)), None)
    key = key or next(
        (k for k, v in data.items() if isinstance(v, str) and pictures.is_image(_path(v))), None
    )
    if key is None:
        yield Problem(where=where, code="no_image", message="`data` names no image")
        return
    named = _path(data[key])
    image = images.find(named, name)
    if image is None:  # uploads get eight letters in front of their name
        folder, _, last = named.rpartition("/")
        image = images.find(f"{folder}/{re.sub(r'^[0-9a-f]{8}-', '', last)}", name)
    size = files.dimensions(image) if image is not None else None
    if image is not None and size is None:
        yield Problem(where=where, code="bad_image", message=f"{excerpt(image)} cannot be decoded")
        return
    opinions: list[Opinion] = []
    for by, place, each in _given(where, row):
        if isinstance(each, Problem):
            yield each
            continue
        results = each.get("result") or []
        extent = size or marks.size_in(results)
        if extent is None and marks.places_in(results):
            message = "neither the image nor `original_width` and `original_height` are there"
            yield Problem(where=place, code="no_image", message=message)
            continue
        answers = yield from _image_answers(results, extent or (1, 1), place)
        if not results and by == "person":
            answers = {OBJECTS: []}  # submitted with nothing marked: there is nothing on it
        opinions += _opinion(by, each, answers)
    metadata = {str(k): plain(v) for k, v in data.items() if k not in (key, "external_id")}
    external_id = data.get("external_id") or image or named
    yield Incoming(where, "", str(external_id)[-500:], metadata, tuple(opinions), image)


def _path(text: str) -> str:
    """The path of an image in an address of Label Studio; `?d=` holds that of local files."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    local = parse_qs(parts.query).get("d")
    return unquote(local[0] if local else parts.path)


def _image_answers(
    results: list[Any], size: tuple[int, int], place: str
) -> Generator[Problem, None, dict[str, Any]]:
    found = marks.read_regions(results, size)
    for j, code, message in found.problems:
        yield Problem(where=f"{place}/result/{j}", code=code, message=message)
    answers: dict[str, Any] = dict(found.answers)
    places = marks.places_in(results)
    for j, each in enumerate(results):
        bad = None
        if isinstance(each, dict) and each.get("type") == "relation":
            ends = {end: found.ids.get(str(each.get(end)), each.get(end)) for end in ("from_id", "to_id")}
            known = [{"id": region} for region in found.ids.values()]
            bad = _relation({**each, **ends}, answers, known)
        elif not (isinstance(each, dict) and each.get("type") in marks.TYPES) and not marks.is_about_a_region(
            each, places
        ):
            bad = _region(each, answers, [0])
        if bad is not None:
            yield Problem(where=f"{place}/result/{j}", code="bad_region", message=bad)
    return answers


def image_questions(files: Files) -> list[dict[str, Any]]:
    """Questions for the regions and the choices of the first tasks."""
    rows = [each for each in itertools.islice(read_images(files, ""), LOOK) if isinstance(each, Incoming)]
    asked = pictures.questions_of(rows)
    regions = {question["name"] for question in asked}
    choices: dict[str, dict[str, None]] = {}
    several = set()
    for opinion in (opinion for row in rows for opinion in row.opinions):
        for question, value in opinion.answers.items():
            if question not in regions and isinstance(value, list) and all(isinstance(v, str) for v in value):
                choices.setdefault(question, {}).update(dict.fromkeys(value))
                several |= {question} if len(value) > 1 else set()
    return asked + [
        {"kind": "choice", "name": question, "labels": list(labels), "multiple": question in several}
        for question, labels in choices.items()
        if labels
    ]


# --- results in -------------------------------------------------------------------------------------------------


def _region(region: Any, answers: dict[str, Any], table: list[int]) -> str | None:
    """Add a region to the answers of its control tag; returns what is wrong with it."""
    if isinstance(region, dict) and region.get("type") == "relation":
        return None
    if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
        return "a region needs an object `value`"
    named, kind, value = region.get("from_name"), region.get("type"), region["value"]
    if not isinstance(named, str):
        return "a region needs `from_name`"
    match kind:
        case "choices" if isinstance(value.get("choices"), list):
            answers[named] = value["choices"]
        case "taxonomy" if isinstance(value.get("taxonomy"), list):
            answers[named] = value["taxonomy"]
        case "rating" | "number":
            answers[named] = value.get(kind)
        case "textarea":
            found = value.get("text")
            answers[named] = "\n".join(map(str, found)) if isinstance(found, list) else found
        case "labels" | "hypertextlabels":
            offsets = value.get("globalOffsets", value)
            if not isinstance(offsets, dict):
                return "`globalOffsets` must be an object"
            start: Any = offsets.get("start")
            end: Any = offsets.get("end")
            if not all(isinstance(edge, int) and 0 <= edge < len(table) for edge in (start, end)):
                return f"offsets {excerpt(start)} to {excerpt(end)} are outside the text"
            if any(0 < edge < len(table) - 1 and table[edge] == table[edge - 1] for edge in (start, end)):
                return f"offsets {start} to {end} cut a character in half"
            labels = value.get(kind) or value.get("labels")
            if not isinstance(labels, list) or not labels:
                return "a region needs a list of labels"
            for label in labels:
                span = {"start": table[start], "end": table[end], "label": label, "id": region.get("id")}
                if isinstance(region.get("score"), int | float):
                    span["score"] = region["score"]
                meta = region.get("meta")
                if isinstance(meta, dict) and isinstance(meta.get("entity"), str):
                    span["link"] = meta["entity"]
                answers.setdefault(named, []).append(span)
        case _:
            return f"regions of type {excerpt(kind)!r} are not read"
    return None


def _relation(region: dict[str, Any], answers: dict[str, Any], regions: list[Any]) -> str | None:
    """Add a relation to the answers of its question; Label Studio's own files do not say which that is.

    Ours name it in `meta`. Elsewhere all relations go to a question called `relations`.
    """
    from_id, to_id, labels = region.get("from_id"), region.get("to_id"), region.get("labels")
    if not isinstance(from_id, str) or not isinstance(to_id, str):
        return "a relation needs `from_id` and `to_id`"
    if not any(isinstance(each, dict) and each.get("id") == from_id for each in regions):
        return f"the relation begins at {excerpt(from_id)!r}, which is no region"
    meta = region.get("meta")
    named = meta.get("question") if isinstance(meta, dict) else None
    if region.get("direction") == "left":
        from_id, to_id = to_id, from_id
    for label in labels if isinstance(labels, list) and labels else [None]:
        made: dict[str, Any] = {"from_id": from_id, "to_id": to_id, "label": label}
        if isinstance(meta, dict) and isinstance(meta.get("id"), str):
            made["id"] = meta["id"]
        if isinstance(region.get("score"), int | float):
            made["score"] = region["score"]
        answers.setdefault(named if isinstance(named, str) else "relations", []).append(made)
    return None


def config(ontology: Ontology, content: str = "text", used: dict[str, set[str]] | None = None) -> str:
    """The labeling config for the questions of an ontology.

    Args:
        ontology: The questions.
        content: What they are about: `text` or `image`.
        used: Question -> kinds of shapes that occur although they can no longer be drawn.
    """
    parts = ["<View>", f'  <{content.capitalize()} name="{content}" value="${content}"/>']
    for q in ontology.questions:
        name = quoteattr(q.id)
        if isinstance(q, ChoiceQuestion) and q.is_nested:
            leaves = ' leafsOnly="true"' if q.leaves_only else ""
            single = "" if q.multiple else ' maxUsages="1"'
            parts.append(f'  <Taxonomy name={name} toName="{content}"{leaves}{single}>')
            parts += _tree(q, None, "    ")
            parts.append("  </Taxonomy>")
        elif isinstance(q, RegionQuestion):
            parts += marks.controls(q, sorted((used or {}).get(q.id, ())))
        elif isinstance(q, RelationQuestion):
            parts.append("  <Relations>")
            parts += [f"    <Relation value={quoteattr(label.name)}/>" for label in q.labels]
            parts.append("  </Relations>")
        elif isinstance(q, ChoiceQuestion):
            how = "multiple" if q.multiple else "single"
            parts.append(f'  <Choices name={name} toName="{content}" choice="{how}">')
            parts += [f"    <Choice value={quoteattr(label.name)}/>" for label in q.labels]
            parts.append("  </Choices>")
        elif isinstance(q, SpanQuestion):
            parts.append(f'  <Labels name={name} toName="{content}">')
            parts += [
                f"    <Label value={quoteattr(x.name)} background={quoteattr(x.colour)}/>" for x in q.labels
            ]
            parts.append("  </Labels>")
        elif isinstance(q, ScalarQuestion) and q.type == "boolean":
            parts.append(
                f'  <Choices name={name} toName="{content}"><Choice value="yes"/><Choice value="no"/></Choices>'
            )
        elif isinstance(q, ScalarQuestion):
            parts.append(f'  <Number name={name} toName="{content}"/>')
        elif isinstance(q, TextQuestion):
            parts.append(f'  <TextArea name={name} toName="{content}"/>')
    return "\n".join([*parts, "</View>"]) + "\n"


def _tree(question: ChoiceQuestion, parent: str | None, indent: str) -> Iterator[str]:
    for label in question.labels:
        if label.parent == parent:
            below = list(_tree(question, label.id, indent + "  "))
            name = quoteattr(label.name)
            yield f"{indent}<Choice value={name}>" if below else f"{indent}<Choice value={name}/>"
            yield from below
            if below:
                yield f"{indent}</Choice>"


def _results(answers: Answers, row: Outgoing, to: Exporting, content: str) -> list[dict[str, Any]]:
    ontology, text = to.ontology, row.asset.text or ""
    table = points_to_utf16(text)
    found: list[dict[str, Any]] = []
    for question_id, answer in answers.items():
        question = ontology.question(question_id)
        if isinstance(answer, RegionAnswer):
            if isinstance(question, RegionQuestion):
                for each in answer.regions:
                    found += marks.results_of(each, question, row.asset, size_of(row.asset), to.losses)
            continue
        if isinstance(question, ChoiceQuestion) and question.is_nested and isinstance(answer, ChoiceAnswer):
            paths = [question.shown_names[label].split(PATH_SEPARATOR) for label in answer.labels]
            value = {"taxonomy": paths}
            region = {"from_name": question_id, "to_name": content, "id": question_id}
            found.append(region | {"type": "taxonomy", "value": value})
            continue
        names = {x.id: x.name for x in question.labels} if isinstance(question, LabelledQuestion) else {}
        directed = not isinstance(question, RelationQuestion) or question.directed
        base = {"from_name": question_id, "to_name": content}
        found += _results_of(base, question_id, answer, names, text, table, directed)
    return found


def _results_of(
    base: dict[str, Any],
    question_id: str,
    answer: Answer,
    names: dict[str, str],
    text: str,
    table: list[int],
    directed: bool,
) -> Iterator[dict[str, Any]]:
    match answer:
        case ChoiceAnswer(labels=labels):
            chosen = [names.get(label, label) for label in labels]
            yield base | {"id": question_id, "type": "choices", "value": {"choices": chosen}}
        case ScalarAnswer(value=bool() as value):
            yield base | {
                "id": question_id,
                "type": "choices",
                "value": {"choices": ["yes" if value else "no"]},
            }
        case ScalarAnswer(value=value):
            yield base | {"id": question_id, "type": "number", "value": {"number": value}}
        case TextAnswer(text=written):
            yield base | {"id": question_id, "type": "textarea", "value": {"text": [written]}}
        case SpanAnswer(spans=spans):
            for span in spans:
                marked: dict[str, Any] = {
                    "start": table[span.start],
                    "end": table[span.end],
                    "text": text[span.start : span.end],
                    "labels": [names.get(span.label, span.label)],
                }
                region = base | {"id": span.id, "type": "labels", "value": marked}
                if span.link is not None:
                    region |= {"meta": {"entity": span.link}}
                yield region | ({"score": span.score} if span.score is not None else {})

        case RelationAnswer(relations=relations):
            for relation in relations:
                joined: dict[str, Any] = {
                    "type": "relation",
                    "from_id": relation.from_id,
                    "to_id": relation.to_id,
                    "direction": "right" if directed else "bi",
                    "labels": [names.get(relation.label, relation.label)],
                    "meta": {"question": question_id, "id": relation.id},
                }
                yield joined | ({"score": relation.score} if relation.score is not None else {})


def _report(row: Outgoing, losses: Losses, content: str) -> None:
    clash = sorted({content, "external_id"} & row.asset.metadata.keys())
    if clash:
        losses.add(row.asset, "metadata", f"metadata {', '.join(clash)} give way to the fields of that name")
    given = [a.answers for a in row.annotations]
    given += [row.prediction.answers] if row.prediction else []
    for answers in [*given, *([row.gold] if row.gold is not None else [])]:
        for question_id, answer in answers.items():
            if isinstance(answer, TextAnswer) and not answer.text:
                message = f"{question_id!r} is answered with an empty text, which reads like no answer"
                losses.add(row.asset, "empty_text", message)
            if isinstance(answer, RelationAnswer) and not answer.relations:
                message = f"{question_id!r} is answered with no relations, which reads like no answer"
                losses.add(row.asset, "no_relations", message)
            if isinstance(answer, RegionAnswer) and not answer.regions and len(answers) > 1:
                message = f"{question_id!r} is answered with no regions, which reads like no answer"
                losses.add(row.asset, "no_regions", message)
            if not isinstance(answer, SpanAnswer):
                continue
            if not answer.spans:
                message = f"{question_id!r} is answered with no spans, which reads like no answer"
                losses.add(row.asset, "no_spans", message)
            if any(span.attributes or span.alignment for span in answer.spans):
                losses.add(row.asset, "attributes", "attributes and alignment of spans are not held")


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`tasks.json` and `label_config.xml`; of images also `images`, where they are wanted."""
    folder, losses = to.folder, to.losses
    rows = iter(rows)
    first = next(rows, None)
    content = "image" if first is not None and first.asset.modality == "image" else "text"
    used: dict[str, set[str]] = {}
    n = 0
    with (folder / "tasks.json").open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for row in itertools.chain([first] if first is not None else [], rows):
            _report(row, losses, content)
            held = row.asset.text or ""
            if content == "image":
                held = f"images/{to.image_name(row.asset)}"
                to.place(row.asset, held)
                _note_kinds(row, used)
            task: dict[str, Any] = {
                "id": row.asset.id,
                "data": {**row.asset.metadata, "external_id": row.asset.external_id, content: held},
                "annotations": [
                    {
                        "result": _results(a.answers, row, to, content),
                        "completed_by": a.author_id,
                        "was_cancelled": False,
                        "ground_truth": False,
                        "lead_time": a.time.active_ms / 1000,
                        "created_at": a.created_at.isoformat(),
                    }
                    for a in row.annotations
                ],
                "predictions": [],
            }
            if row.gold is not None:
                result = _results(row.gold, row, to, content)
                task["annotations"].append({"result": result, "was_cancelled": False, "ground_truth": True})
            if row.prediction is not None:
                sure = [c.value for c in row.prediction.confidence.values() if c.value is not None]
                task["predictions"].append(
                    {
                        "result": _results(row.prediction.answers, row, to, content),
                        "model_version": row.prediction.predictor_title,
                        "score": min(sure, default=None),
                    }
                )
                if row.prediction.problems:
                    losses.add(row.asset, "problems", "problems of the prediction cannot be held")
            file.write(",\n" if n else "\n")
            file.write(json.dumps(task, ensure_ascii=False))
            n += 1
        file.write("\n]\n")
    (folder / "label_config.xml").write_text(config(to.ontology, content, used), encoding="utf-8")
    losses.note("confidence", "only the lowest confidence of a prediction is held, as its score")
    return Written(n)


def _note_kinds(row: Outgoing, used: dict[str, set[str]]) -> None:
    given = [a.answers for a in row.annotations] + ([row.gold] if row.gold is not None else [])
    given += [row.prediction.answers] if row.prediction is not None else []
    for answers in given:
        for question_id, answer in answers.items():
            if isinstance(answer, RegionAnswer):
                used.setdefault(question_id, set()).update(each.shape.kind for each in answer.regions)
