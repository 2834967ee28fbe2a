"""Texts with every rare Unicode feature: each offset stays unchanged through import and every export."""

import csv
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from labelwright.core.answer import SpanAnswer
from labelwright.core.ontology import Label, Ontology, SpanQuestion
from labelwright.core.transfer import Opinion, Outgoing, resolve
from tests.formats.made import outgoing, read, write
from tests.formats.test_writers import check_label_studio, conll_tags, lines_of

Marks = list[tuple[int, int, str]]


@pytest.fixture(scope="module")
def torture(shared_folder: Path) -> list[dict[str, Any]]:
    path = shared_folder / "data/text/offset_torture.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for line in lines]
    for n, row in enumerate(rows):
        # Few of these texts come with entities: mark up to 20 rare characters and three random stretches of each too.
        draw, size = random.Random(n), row["n_codepoints"]
        rare = [i for i, c in enumerate(row["text"]) if not c.isascii()]
        edges = [(i, i + 1) for i in sorted(draw.sample(rare, min(len(rare), 20)))]
        for _ in range(3):
            start = draw.randrange(size)
            edges.append((start, draw.randint(start + 1, min(start + 40, size))))
        known = {(e["start"], e["end"]) for e in row["entities"] or ()}
        marks = [
            {"start": s, "end": e, "label": "mark"} for s, e in dict.fromkeys(edges) if (s, e) not in known
        ]
        row["entities"] = [*(row["entities"] or ()), *marks]
    return rows


@pytest.fixture(scope="module")
def ontology(torture: list[dict[str, Any]]) -> Ontology:
    names = sorted({e["label"] for row in torture for e in row["entities"] or ()})
    labels = tuple(Label(id=f"l{i}", name=name) for i, name in enumerate(names))
    return Ontology(questions=(SpanQuestion(id="ner", name="Entities", labels=labels, overlap=True),))


@pytest.fixture(scope="module")
def loaded(
    torture: list[dict[str, Any]], ontology: Ontology, tmp_path_factory: pytest.TempPathFactory
) -> list[Outgoing]:
    """The rows as the importer reads them from our own JSON lines."""
    path = tmp_path_factory.mktemp("torture") / "rows.jsonl"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in torture:
            line = {
                "format": "labelwright/1", "text": row["text"], "external_id": row["id"],
                "annotations": [{"author": "a", "answers": {"ner": row["entities"] or []}}],
            }  # fmt: skip
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    good, bad = read(path, "labelwright")
    assert bad == []
    rows = []
    for n, (incoming, row) in enumerate(zip(good, torture, strict=True), 1):
        assert incoming.text == row["text"]
        assert len(incoming.text) == row["n_codepoints"]
        answers, _, problems = resolve(incoming.opinions[0], ontology, len(incoming.text))
        assert problems == []
        rows.append(outgoing(n, incoming.text, answers))
    return rows


def wanted(torture: list[dict[str, Any]]) -> list[Marks]:
    return [sorted((e["start"], e["end"], e["label"]) for e in row["entities"] or ()) for row in torture]


def test_the_offsets_are_those_of_the_file(
    torture: list[dict[str, Any]], loaded: list[Outgoing], ontology: Ontology
) -> None:
    names = {label.id: label.name for label in ontology.questions[0].labels}  # type: ignore[union-attr]
    found = []
    for row in loaded:
        answer = row.chosen.get("ner") if row.chosen else None
        assert isinstance(answer, SpanAnswer)
        found.append(sorted((s.start, s.end, names[s.label]) for s in answer.spans))
    assert found == wanted(torture)
    assert sum(map(len, found)) > 4_000


def test_our_own_format_and_csv(
    torture: list[dict[str, Any]], loaded: list[Outgoing], ontology: Ontology, tmp_path: Path
) -> None:
    write("labelwright", loaded, ontology, tmp_path)
    good, bad = read(tmp_path / "assets.jsonl", "labelwright")
    assert bad == []
    assert [row.text for row in good] == [row["text"] for row in torture]
    again = [resolve(row.opinions[0], ontology, len(row.text))[0] for row in good]
    assert again == [row.chosen for row in loaded]
    write("csv", loaded, ontology, tmp_path)
    with (tmp_path / "assets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [
        sorted((s["start"], s["end"], s["label"]) for s in json.loads(row["ner"])) for row in rows
    ] == wanted(torture)
    guarded = ("=", "+", "-", "@", "\t", "\r")
    assert [row["text"] for row in rows] == [
        "'" + row["text"] if row["text"].startswith(guarded) else row["text"] for row in torture
    ]


def test_label_studio_counts_utf_16_units(
    torture: list[dict[str, Any]], loaded: list[Outgoing], ontology: Ontology, tmp_path: Path
) -> None:
    write("label_studio", loaded, ontology, tmp_path)
    tasks = check_label_studio(tmp_path)
    for task, row in zip(tasks, torture, strict=True):
        assert task["data"]["text"] == row["text"]
        assert len(row["text"].encode("utf-16-le")) // 2 == row["n_utf16"]
        marked = sorted(region["value"]["text"] for region in task["annotations"][0]["result"])
        assert marked == sorted(row["text"][e["start"] : e["end"]] for e in row["entities"] or ())
    good, bad = read(tmp_path / "tasks.json", "label_studio")
    assert bad == []
    found = [
        sorted((s["start"], s["end"], s["label"]) for o in row.opinions for s in o.answers["ner"])
        for row in good
    ]
    assert found == wanted(torture)


def test_spacy_and_conll_hold_every_span_or_say_which_not(
    torture: list[dict[str, Any]], loaded: list[Outgoing], ontology: Ontology, tmp_path: Path
) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    losses = write("spacy", loaded, ontology, tmp_path)
    reported = losses.report()["per_asset"]
    widened = {entry["asset"] for entry in reported}
    docs = list(DocBin().from_disk(tmp_path / "assets.spacy").get_docs(spacy.blank("xx").vocab))
    for n, (doc, row, marks) in enumerate(zip(docs, torture, wanted(torture), strict=True), 1):
        assert doc.text == row["text"]
        found = sorted((s.start_char, s.end_char, s.label_) for s in doc.spans["sc"])
        assert found == marks or n in widened
        lost = sum(entry["asset"] == n and entry["code"] == "no_token" for entry in reported)
        assert len(found) + lost == len(marks)
    losses = write("conll", loaded, ontology, tmp_path)
    touched = {entry["asset"] for entry in losses.report()["per_asset"]}
    for sidecar, sentence, marks in zip(
        lines_of(tmp_path / "offsets.jsonl"), conll_tags(tmp_path / "ner.conll"), wanted(torture), strict=True
    ):
        found, ranges = [], sidecar["tokens"]
        for (start, end), token in zip(ranges, sentence, strict=True):
            if token[3].startswith("B-"):
                found.append((start, end, token[3][2:]))
            elif token[3] != "O":
                found[-1] = (found[-1][0], end, found[-1][2])
        assert found == [(s, e, "_".join(x.split())) for s, e, x in marks] or sidecar["asset"] in touched


def test_hugging_face_datasets(
    torture: list[dict[str, Any]],
    loaded: list[Outgoing],
    ontology: Ontology,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write("parquet", loaded, ontology, tmp_path)
    rows = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "data.parquet"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    names = rows.features["ner"].feature["label"].names
    assert [row["text"] for row in rows] == [row["text"] for row in torture]
    assert [sorted((s["start"], s["end"], names[s["label"]]) for s in row["ner"]) for row in rows] == wanted(
        torture
    )


def test_an_opinion_by_list_of_three_is_read_too(ontology: Ontology) -> None:
    name = ontology.questions[0].labels[0].name  # type: ignore[union-attr]
    answers, _, problems = resolve(Opinion("person", {"Entities": [[0, 1, name]]}), ontology, 3)
    assert problems == []
    assert "ner" in answers
