"""Real files through the readers and writers: CoNLL-2003 as it was published, and many languages."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from labelwright.core.answer import Answers, Span, SpanAnswer
from labelwright.core.ontology import Label, Ontology, SpanQuestion
from labelwright.formats import Mapping, sniff
from tests.formats.made import outgoing, read, write
from tests.formats.test_writers import check_label_studio, conll_tags

MULTILINGUAL = [
    "am_masakhaner", "ar_tweet_sentiment", "hi_tweet_sentiment", "ja_wikipedia_ner", "ko_klue_ner",
    "th_wisesight_sentiment", "yo_masakhaner", "zh_weibo_ner",
]  # fmt: skip


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def test_conll_2003_is_read_with_the_published_entities(shared_folder: Path, tmp_path: Path) -> None:
    folder = shared_folder / "data/text/conll2003"
    path = tmp_path / "dev.conll"
    path.write_bytes(gzip.decompress((folder / "conll2003_en.dev.conll.gz").read_bytes()))
    good, bad = read(path, sniff(path, path.name))
    assert bad == []
    # A text that occurs twice may be annotated in two ways, so each text has a list of readings.
    wanted: dict[str, list[list[tuple[int, int, str]]]] = {}
    for line in rows_of(folder / "conll2003_en.jsonl.gz"):
        marks = [(e["start"], e["end"], e["label"]) for e in line["entities"]]
        wanted.setdefault(line["text"], []).append(marks)
    assert len(good) > 3_000
    compared = 0
    for row in good:
        if row.text in wanted:
            spans = row.opinions[0].answers["entities"]
            assert [(s["start"], s["end"], s["label"]) for s in spans] in wanted[row.text], row.where
            compared += 1
    assert compared > 0.9 * len(good)


@pytest.mark.parametrize("name", MULTILINGUAL)
def test_texts_of_many_languages_pass_unchanged(shared_folder: Path, tmp_path: Path, name: str) -> None:
    rows = rows_of(shared_folder / f"data/text/multilingual/{name}.jsonl.gz")
    path = tmp_path / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    good, bad = read(path, sniff(path, path.name), Mapping(external_id="id"))
    assert [row.text for row in good] == [row["text"] for row in rows if row["text"].strip()]
    assert len(good) + len(bad) == len(rows)
    labels = sorted({e["label"] for row in rows for e in row.get("entities", ())})
    if not labels:
        return
    ids = {label: f"l{i}" for i, label in enumerate(labels)}
    question = SpanQuestion(id="ner", name="E", labels=tuple(Label(id=ids[x], name=x) for x in labels))
    out = []
    for n, row in enumerate(rows[:300], 1):
        marks = tuple(
            Span(id=f"m{i}", start=e["start"], end=e["end"], label=ids[e["label"]])
            for i, e in enumerate(row["entities"])
        )
        out.append(outgoing(n, row["text"], Answers.of({"ner": SpanAnswer(spans=marks)})))
    ontology = Ontology(questions=(question,))
    check_label_studio_folder = tmp_path / "ls"
    assert write("label_studio", out, ontology, check_label_studio_folder).counts.keys() <= {"no_spans"}
    check_label_studio(check_label_studio_folder)
    losses = write("conll", out, ontology, tmp_path / "conll")
    begun = sum(t[3].startswith("B-") for s in conll_tags(tmp_path / "conll/ner.conll") for t in s)
    total = sum(len(row["entities"]) for row in rows[:300])
    left_out = losses.counts.get("overlap", 0) + losses.counts.get("no_token", 0)
    assert begun + left_out == total
