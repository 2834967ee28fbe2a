"""Tables on the way out: CSV, and Parquet with the feature types that Hugging Face `datasets` reads."""

import csv
import json
from collections.abc import Iterable
from typing import Any

from labelwright.core.answer import (
    Answer,
    ChoiceAnswer,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.errors import LabelwrightError
from labelwright.core.ontology import (
    ChoiceQuestion,
    LabelledQuestion,
    Ontology,
    Question,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
)
from labelwright.core.transfer import Outgoing
from labelwright.formats.output import Exporting, Written

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(cell: Any) -> Any:
    """A cell that a spreadsheet will not run as a formula: such texts get a leading apostrophe."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _names(question: Question) -> dict[str, str]:
    return question.shown_names if isinstance(question, LabelledQuestion) else {}


def _joined(ontology: Ontology) -> set[str]:
    """Span questions whose spans need ids, because a relation refers to them."""
    return {
        end
        for question in ontology.active_questions
        if isinstance(question, RelationQuestion)
        for end in (question.from_question, question.to_question)
    }


def _span(question: Question, span: Span, label: Any, joined: set[str]) -> dict[str, Any]:
    """A span as a table holds it: an id where relations refer to it, a link where it can have one."""
    held: dict[str, Any] = {"start": span.start, "end": span.end, "label": label}
    if isinstance(question, SpanQuestion) and question.knowledge:
        held["link"] = span.link
    return held | ({"id": span.id} if question.id in joined else {})


def _cell(question: Question, answer: Answer | None, joined: set[str]) -> Any:
    names = _names(question)
    match answer:
        case None:
            return ""
        case ChoiceAnswer(labels=labels):
            chosen = [names.get(label, label) for label in labels]
            multiple = isinstance(question, ChoiceQuestion) and question.multiple
            return json.dumps(chosen, ensure_ascii=False) if multiple else (chosen[0] if chosen else "")
        case ScalarAnswer(value=bool() as value):
            return "true" if value else "false"
        case ScalarAnswer(value=value):
            return value
        case TextAnswer(text=text):
            return text
        case SpanAnswer(spans=spans):
            found = [_span(question, s, names.get(s.label, s.label), joined) for s in spans]
            return json.dumps(found, ensure_ascii=False)
        case RelationAnswer(relations=relations):
            pairs = [
                {"from_id": r.from_id, "to_id": r.to_id, "label": names.get(r.label, r.label)}
                for r in relations
            ]
            return json.dumps(pairs, ensure_ascii=False)
        case _:
            return json.dumps(answer.model_dump(mode="json"), ensure_ascii=False)


def write_csv(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`assets.csv`: one row per asset, one column per question, with who answered and the model's confidence."""
    ontology, folder, losses = to.ontology, to.folder, to.losses
    questions = ontology.active_questions
    joined = _joined(ontology)
    header = ["id", "external_id", "text", "status", "answered_by"]
    for question in questions:
        header += [question.id, f"{question.id}_confidence"]
    n = 0
    with (folder / "assets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*header, "metadata"])
        for row in rows:
            cells: list[Any] = [
                row.asset.id,
                row.asset.external_id or "",
                row.asset.text,
                row.asset.status,
                row.chosen_by or "",
            ]
            for question in questions:
                sure = row.prediction.confidence.get(question.id) if row.prediction else None
                cells.append(_cell(question, row.chosen.get(question.id) if row.chosen else None, joined))
                cells.append(sure.value if sure is not None and sure.value is not None else "")
            cells.append(json.dumps(row.asset.metadata, ensure_ascii=False) if row.asset.metadata else "")
            safe = [guarded(cell) for cell in cells]
            if safe != cells:
                losses.add(
                    row.asset, "formula_guard", "a cell that begins like a formula got a leading apostrophe"
                )
            losses.of_chosen(row, ontology)
            writer.writerow(safe)
            n += 1
    losses.note("history", "gold, who annotated when, and answers that were not chosen are not held")
    return Written(n)


def write_parquet(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`data.parquet`: label names come from the ontology, never from the values; a missing answer is null.

    Raises:
        LabelwrightError: pyarrow is not installed.
    """
    ontology, folder, losses = to.ontology, to.folder, to.losses
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LabelwrightError(
            "no_pyarrow",
            "Parquet needs pyarrow, which is not installed",
            "pip install 'labelwright[parquet]'",
        ) from None

    fields = [
        ("id", pyarrow.int64()),
        ("external_id", pyarrow.string()),
        ("text", pyarrow.string()),
        ("answered_by", pyarrow.string()),
    ]
    features: dict[str, Any] = {
        "id": {"dtype": "int64", "_type": "Value"},
        **{name: {"dtype": "string", "_type": "Value"} for name in ("external_id", "text", "answered_by")},
    }
    questions, joined = ontology.active_questions, _joined(ontology)
    for question in questions:
        kind, feature = _column(question, pyarrow, joined)
        fields.append((question.id, kind))
        features[question.id] = feature
    info = json.dumps({"info": {"features": features}})
    layout = pyarrow.schema(fields, metadata={"huggingface": info})
    n, batch = 0, []
    with pyarrow.parquet.ParquetWriter(folder / "data.parquet", layout) as writer:
        for row in rows:
            losses.of_chosen(row, ontology)
            line: dict[str, Any] = {
                "id": row.asset.id, "external_id": row.asset.external_id, "text": row.asset.text, "answered_by": row.chosen_by,
            }  # fmt: skip
            for question in questions:
                line[question.id] = _typed(
                    question, row.chosen.get(question.id) if row.chosen else None, joined
                )
            batch.append(line)
            n += 1
            if len(batch) == 1_000:
                writer.write_table(pyarrow.Table.from_pylist(batch, schema=layout))
                batch = []
        writer.write_table(pyarrow.Table.from_pylist(batch, schema=layout))
    losses.note("metadata", "metadata, confidences and all but one annotation of an asset are not held")
    return Written(n)


def _column(question: Question, pyarrow: Any, joined: set[str]) -> tuple[Any, dict[str, Any]]:
    match question:
        case ChoiceQuestion(multiple=multiple):
            one = {"names": list(question.shown_names.values()), "_type": "ClassLabel"}
            return (
                (pyarrow.list_(pyarrow.int64()), {"feature": one, "_type": "List"})
                if multiple
                else (pyarrow.int64(), one)
            )
        case ScalarQuestion(type="boolean"):
            return pyarrow.bool_(), {"dtype": "bool", "_type": "Value"}
        case ScalarQuestion(type="integer"):
            return pyarrow.int64(), {"dtype": "int64", "_type": "Value"}
        case ScalarQuestion():
            return pyarrow.float64(), {"dtype": "float64", "_type": "Value"}
        case RelationQuestion():
            text, number = {"dtype": "string", "_type": "Value"}, pyarrow.int64()
            pair = pyarrow.struct(
                [("from_id", pyarrow.string()), ("to_id", pyarrow.string()), ("label", number)]
            )
            names = [label.name for label in question.labels]
            held: dict[str, Any] = {
                "from_id": text,
                "to_id": text,
                "label": {"names": names, "_type": "ClassLabel"},
            }
            return pyarrow.list_(pair), {"feature": held, "_type": "List"}
        case SpanQuestion():
            more = [*(["link"] if question.knowledge else []), *(["id"] if question.id in joined else [])]
            struct = pyarrow.struct(
                [
                    ("start", pyarrow.int64()),
                    ("end", pyarrow.int64()),
                    ("label", pyarrow.int64()),
                    *((name, pyarrow.string()) for name in more),
                ]
            )
            names = [label.name for label in question.labels]
            inner = {
                "start": {"dtype": "int64", "_type": "Value"},
                "end": {"dtype": "int64", "_type": "Value"},
                "label": {"names": names, "_type": "ClassLabel"},
                **{name: {"dtype": "string", "_type": "Value"} for name in more},
            }
            return pyarrow.list_(struct), {"feature": inner, "_type": "List"}
        case _:
            return pyarrow.string(), {"dtype": "string", "_type": "Value"}


def _typed(question: Question, answer: Answer | None, joined: set[str]) -> Any:
    at = (
        {label.id: i for i, label in enumerate(question.labels)}
        if isinstance(question, LabelledQuestion)
        else {}
    )
    match answer:
        case None:
            return None
        case ChoiceAnswer(labels=labels):
            if isinstance(question, ChoiceQuestion) and question.multiple:
                return [at[label] for label in labels]
            return at[labels[0]] if labels else None
        case ScalarAnswer(value=bool() as value):
            return value
        case ScalarAnswer(value=value):
            return (
                float(value)
                if isinstance(question, ScalarQuestion) and question.type == "number"
                else int(value)
            )
        case TextAnswer(text=text):
            return text
        case SpanAnswer(spans=spans):
            return [_span(question, s, at[s.label], joined) for s in spans]
        case RelationAnswer(relations=relations):
            return [{"from_id": r.from_id, "to_id": r.to_id, "label": at[r.label]} for r in relations]
        case _:
            return json.dumps(answer.model_dump(mode="json"))
