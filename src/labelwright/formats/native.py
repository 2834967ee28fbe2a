"""Our own JSON lines: lossless, one asset per line with every annotation, the prediction and gold. Can be read back."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from labelwright.core.problem import Problem
from labelwright.core.transfer import Incoming, Opinion, Outgoing
from labelwright.formats import mapping as maps
from labelwright.formats import tabular
from labelwright.formats.output import Exporting, Written

FORMAT = "labelwright/1"


def is_native(row: dict[str, Any]) -> bool:
    """Whether a JSON object is one of our lines."""
    return row.get("format") == FORMAT


def read(path: Path, name: str, encoding: str | None) -> Iterator[Incoming | Problem]:
    """Assets with their annotations, prediction and gold."""
    for where, row in tabular.json_lines(path, name, encoding):
        yield row if isinstance(row, Problem) else _incoming(where, row)


def _incoming(where: str, row: dict[str, Any]) -> Incoming | Problem:
    base = maps.apply(
        where,
        row,
        maps.Mapping(text="text", external_id="external_id" if row.get("external_id") else None, metadata=()),
    )
    if isinstance(base, Problem):
        return base
    opinions: list[Opinion] = []
    try:
        for each in row.get("annotations") or []:
            opinions.append(Opinion("person", dict(each["answers"]), str(each.get("author", ""))))
        prediction = row.get("prediction")
        if prediction:
            confidence = {
                q: c["value"]
                for q, c in (prediction.get("confidence") or {}).items()
                if c.get("value") is not None
            }
            opinions.append(
                Opinion("model", dict(prediction["answers"]), str(prediction.get("model", "")), confidence)
            )
        if row.get("gold"):
            opinions.append(Opinion("gold", dict(row["gold"])))
        metadata = {str(k): maps.plain(v) for k, v in (row.get("metadata") or {}).items()}
    except (TypeError, KeyError, AttributeError, ValueError):
        return Problem(
            where=where, code="bad_row", message="annotations, prediction or gold are not of our form"
        )
    return Incoming(where, base.text, base.external_id, metadata, tuple(opinions))


def line(row: Outgoing) -> dict[str, Any]:
    """One asset as a JSON object."""
    prediction = row.prediction
    return {
        "format": FORMAT,
        "id": row.asset.id,
        "external_id": row.asset.external_id,
        "text": row.asset.text,
        "metadata": row.asset.metadata,
        "status": row.asset.status,
        "batch": row.asset.batch,
        "sha256": row.asset.sha256,
        "annotations": [
            {
                "id": a.id,
                "author": a.author_name,
                "answers": a.answers.model_dump(mode="json"),
                "created_at": a.created_at.isoformat(),
                "ontology_version": a.ontology_version,
                "prediction_id": a.prediction_id,
                "parent_id": a.parent_id,
                "active_ms": a.time.active_ms,
            }
            for a in row.annotations
        ],
        "prediction": None
        if prediction is None
        else {
            "id": prediction.id,
            "model": prediction.predictor_title,
            "predictor_sha256": prediction.predictor_sha256,
            "answers": prediction.answers.model_dump(mode="json"),
            "confidence": {
                q: c.model_dump(mode="json", exclude_none=True) for q, c in prediction.confidence.items()
            },
            "problems": [p.model_dump() for p in prediction.problems],
            "created_at": prediction.created_at.isoformat(),
        },
        "gold": row.gold.model_dump(mode="json") if row.gold is not None else None,
    }


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`assets.jsonl` and `ontology.json`; nothing is lost."""
    ontology, folder = to.ontology, to.folder
    (folder / "ontology.json").write_text(ontology.model_dump_json(indent=1) + "\n", encoding="utf-8")
    n = 0
    with (folder / "assets.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(line(row), ensure_ascii=False) + "\n")
            n += 1
    return Written(n)
