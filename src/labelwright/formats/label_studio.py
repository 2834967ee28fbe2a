"""Label Studio JSON, both ways. Its text offsets count UTF-16 units; ours count code points.

On the way out each question becomes a control tag of the labeling config that is written beside the tasks.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
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
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.problem import Problem, excerpt
from labelwright.core.transfer import Incoming, Opinion, Outgoing
from labelwright.formats import tabular
from labelwright.formats.edge import points_to_utf16, utf16_to_points
from labelwright.formats.mapping import TEXT_NAMES, check_text, plain
from labelwright.formats.output import Exporting, Losses, Written


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
    opinions: list[Opinion] = []
    table = utf16_to_points(text)
    for by, group in (("person", "annotations"), ("model", "predictions")):
        given = row.get(group) or []
        if not isinstance(given, list):
            yield Problem(where=f"{where}:{group}", code="bad_opinion", message="a list is wanted")
            continue
        for i, each in enumerate(given):
            place = f"{where}:{group}/{i}"
            if not isinstance(each, dict) or not isinstance(each.get("result") or [], list):
                yield Problem(
                    where=place, code="bad_opinion", message="an object with a list `result` is wanted"
                )
                continue
            if each.get("was_cancelled"):
                yield Problem(where=place, code="cancelled", message="a cancelled annotation was left out")
                continue
            answers: dict[str, Any] = {}
            for j, region in enumerate(each.get("result") or []):
                bad = _region(region, answers, table)
                if bad is None and isinstance(region, dict) and region.get("type") == "relation":
                    bad = _relation(region, answers, each["result"])
                if bad is not None:
                    yield Problem(where=f"{place}/result/{j}", code="bad_region", message=bad)
            score = each.get("score")
            confidence = {q: float(score) for q in answers} if isinstance(score, int | float) else {}
            if answers:
                title = str(each.get("model_version") or each.get("completed_by") or "")[:200]
                kind = "gold" if each.get("ground_truth") and by == "person" else by
                opinions.append(Opinion(kind, answers, title, confidence))  # type: ignore[arg-type]
    metadata = {str(k): plain(v) for k, v in data.items() if k not in (key, "external_id")}
    external_id = data.get("external_id", row.get("id"))
    yield Incoming(
        where, text, str(external_id)[:500] if external_id is not None else None, metadata, tuple(opinions)
    )


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


def config(ontology: Ontology) -> str:
    """The labeling config for the questions of an ontology."""
    parts = ["<View>", '  <Text name="text" value="$text"/>']
    for q in ontology.questions:
        name = quoteattr(q.id)
        if isinstance(q, ChoiceQuestion) and q.is_nested:
            leaves = ' leafsOnly="true"' if q.leaves_only else ""
            single = "" if q.multiple else ' maxUsages="1"'
            parts.append(f'  <Taxonomy name={name} toName="text"{leaves}{single}>')
            parts += _tree(q, None, "    ")
            parts.append("  </Taxonomy>")
        elif isinstance(q, RelationQuestion):
            parts.append("  <Relations>")
            parts += [f"    <Relation value={quoteattr(label.name)}/>" for label in q.labels]
            parts.append("  </Relations>")
        elif isinstance(q, ChoiceQuestion):
            how = "multiple" if q.multiple else "single"
            parts.append(f'  <Choices name={name} toName="text" choice="{how}">')
            parts += [f"    <Choice value={quoteattr(label.name)}/>" for label in q.labels]
            parts.append("  </Choices>")
        elif isinstance(q, SpanQuestion):
            parts.append(f'  <Labels name={name} toName="text">')
            parts += [
                f"    <Label value={quoteattr(x.name)} background={quoteattr(x.colour)}/>" for x in q.labels
            ]
            parts.append("  </Labels>")
        elif isinstance(q, ScalarQuestion) and q.type == "boolean":
            parts.append(
                f'  <Choices name={name} toName="text"><Choice value="yes"/><Choice value="no"/></Choices>'
            )
        elif isinstance(q, ScalarQuestion):
            parts.append(f'  <Number name={name} toName="text"/>')
        elif isinstance(q, TextQuestion):
            parts.append(f'  <TextArea name={name} toName="text"/>')
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


def _regions(answers: Answers, ontology: Ontology, text: str) -> list[dict[str, Any]]:
    table = points_to_utf16(text)
    found: list[dict[str, Any]] = []
    for question_id, answer in answers.items():
        question = ontology.question(question_id)
        if isinstance(question, ChoiceQuestion) and question.is_nested and isinstance(answer, ChoiceAnswer):
            paths = [question.shown_names[label].split(PATH_SEPARATOR) for label in answer.labels]
            value = {"taxonomy": paths}
            region = {"from_name": question_id, "to_name": "text", "id": question_id}
            found.append(region | {"type": "taxonomy", "value": value})
            continue
        names = {x.id: x.name for x in question.labels} if isinstance(question, LabelledQuestion) else {}
        directed = not isinstance(question, RelationQuestion) or question.directed
        found += _regions_of(question_id, answer, names, text, table, directed)
    return found


def _regions_of(
    question_id: str, answer: Answer, names: dict[str, str], text: str, table: list[int], directed: bool
) -> Iterator[dict[str, Any]]:
    base = {"from_name": question_id, "to_name": "text"}
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


def _report(row: Outgoing, losses: Losses) -> None:
    clash = sorted({"text", "external_id"} & row.asset.metadata.keys())
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
            if not isinstance(answer, SpanAnswer):
                continue
            if not answer.spans:
                message = f"{question_id!r} is answered with no spans, which reads like no answer"
                losses.add(row.asset, "no_spans", message)
            if any(span.attributes or span.alignment for span in answer.spans):
                losses.add(row.asset, "attributes", "attributes and alignment of spans are not held")


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`tasks.json` and `label_config.xml`."""
    ontology, folder, losses = to.ontology, to.folder, to.losses
    (folder / "label_config.xml").write_text(config(ontology), encoding="utf-8")
    n = 0
    with (folder / "tasks.json").open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for row in rows:
            text = row.asset.text or ""
            _report(row, losses)
            task: dict[str, Any] = {
                "id": row.asset.id,
                "data": {**row.asset.metadata, "external_id": row.asset.external_id, "text": text},
                "annotations": [
                    {
                        "result": _regions(a.answers, ontology, text),
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
                result = _regions(row.gold, ontology, text)
                task["annotations"].append({"result": result, "was_cancelled": False, "ground_truth": True})
            if row.prediction is not None:
                sure = [c.value for c in row.prediction.confidence.values() if c.value is not None]
                task["predictions"].append(
                    {
                        "result": _regions(row.prediction.answers, ontology, text),
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
    losses.note("confidence", "only the lowest confidence of a prediction is held, as its score")
    return Written(n)
