"""Our own JSON lines: lossless, one asset per line with every annotation, the prediction and gold. Can be read back."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelwright.core.errors import Invalid
from labelwright.core.ports import Files
from labelwright.core.problem import Problem
from labelwright.core.transfer import Incoming, Opinion, Outgoing
from labelwright.formats import mapping as maps
from labelwright.formats import tabular
from labelwright.formats.output import Exporting, Written
from labelwright.formats.pictures import Images, is_hidden, on_disk, read_head, read_json

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


def recognises(files: Files) -> bool:
    """Whether a source of images holds our lines."""
    return any(_is_of_images(read_head(files, name, 4_000)) for name in _lines_in(files))


def _is_of_images(head: str) -> bool:
    # Not with a backslash before it, which would be something that a text says.
    return f'"{FORMAT}"' in head and re.search(r'(?<!\\)"image"\s*:\s*\{', head) is not None


def _lines_in(files: Files) -> list[str]:
    return [
        name for name in files.names() if name.lower().endswith((".jsonl", ".ndjson")) and not is_hidden(name)
    ]


def read_images(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Images with their annotations, prediction and gold; the files of the images may lie beside the lines or not.

    Raises:
        Invalid: There are no lines.
    """
    found = [each for each in _lines_in(files) if f'"{FORMAT}"' in read_head(files, each, 1_000)]
    if not found:
        raise Invalid("no_lines", f"{name} holds no lines of Labelwright")
    images = Images(files)
    for each in found:
        with on_disk(files, each) as path:
            for where, row in tabular.json_lines(path, each, None):
                yield row if isinstance(row, Problem) else _image(where, row, images, each)


def _image(where: str, row: dict[str, Any], images: Images, beside: str) -> Incoming | Problem:
    picture = row.get("image")
    named = picture.get("file") or picture.get("file_name") if isinstance(picture, dict) else None
    if not isinstance(named, str):
        return Problem(where=where, code="no_image", message="the line is of no image")
    # The rest of the line is that of a text.
    found = _incoming(where, row | {"text": named})
    if isinstance(found, Problem):
        return found
    return replace(
        found, text="", image=images.find(named, beside=beside), external_id=found.external_id or named[-500:]
    )


def questions(files: Files) -> list[dict[str, Any]]:
    """The questions of the export, as they were."""
    found = next((name for name in files.names() if name.rsplit("/", 1)[-1] == "ontology.json"), None)
    content = read_json(files, found) if found is not None else None
    given = content.get("questions") if isinstance(content, dict) else None
    return [dict(each) for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def line(row: Outgoing) -> dict[str, Any]:
    """One asset as a JSON object."""
    prediction = row.prediction
    return {
        "format": FORMAT,
        "id": row.asset.id,
        "external_id": row.asset.external_id,
        **(
            {"text": row.asset.text}
            if row.asset.image is None
            else {"image": row.asset.image.model_dump(mode="json")}
        ),
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
    """`assets.jsonl`, `ontology.json`, and the images where they are wanted; nothing is lost."""
    ontology, folder = to.ontology, to.folder
    (folder / "ontology.json").write_text(ontology.model_dump_json(indent=1) + "\n", encoding="utf-8")
    n = 0
    with (folder / "assets.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            found = line(row)
            if row.asset.image is not None:
                file_name = to.image_name(row.asset)
                to.place(row.asset, f"images/{file_name}")
                found["image"]["file"] = f"images/{file_name}"
            file.write(json.dumps(found, ensure_ascii=False) + "\n")
            n += 1
    return Written(n)
