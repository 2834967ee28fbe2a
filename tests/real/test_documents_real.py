"""Whole novels, filings and chapters: import, chunked prediction against a server that follows rules, export."""

import gzip
import json
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labelwright.core.answer import Answers, Span, SpanAnswer
from labelwright.core.exchange import Reply
from labelwright.core.layout import Part
from labelwright.core.ontology import Label, Ontology, SpanQuestion
from labelwright.core.predictor import Decoding
from labelwright.core.project import ProjectSettings
from labelwright.flows import browse, export, ingest, jobs, models, predict, prompts
from labelwright.prompting import DEFAULT_TEMPLATE, Cutter, ideal_reply, read_parts
from labelwright.store import run as runs
from labelwright.workbench import Workbench
from tests.endpoints.finder import FinderServer
from tests.factories import add_person, add_project

NER = Ontology(
    questions=(
        SpanQuestion(
            id="ner", name="Entities", labels=(Label(id="PER", name="Person"), Label(id="LOC", name="Place"))
        ),
    )
)
PLANTED = {"Zorvath Quillfeather": "Person", "Brindlemoor": "Place", "Ignatia Throckwell-Ndiaye": "Person", "Dr. Ost Varrow": "Person"}  # fmt: skip
# A sentence may seem to end within the last name: there, chunks end in the middle of it.


def novels(folder: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / "data/text/novels_full_text.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def planted(text: str, n: int, seed: int) -> tuple[str, set[tuple[int, int, str]]]:
    """The text with names between its words, and where they stand."""
    rng = random.Random(seed)
    gaps = [m.start() for m in re.finditer(r"(?<=\w) (?=\w)", text)]
    pieces, places, done, length = [], set(), 0, 0
    for gap in sorted(rng.sample(gaps, n)):
        name = rng.choice(list(PLANTED))
        before = text[done:gap] + " "
        pieces += [before, name]
        start = length + len(before)
        places.add((start, start + len(name), "PER" if PLANTED[name] == "Person" else "LOC"))
        length, done = start + len(name), gap
    return "".join([*pieces, text[done:]]), places


def test_a_novel_of_five_hundred_pages_gives_every_planted_name_once_at_its_place(
    shared_folder: Path, sqlite_workbench: Workbench, tmp_path: Path
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench, is_admin=True)
    project = add_project(bench, ana, NER, ProjectSettings(batch_size=10, audit_share=0, learn_every=0))
    truth, lines = {}, []
    for i, row in enumerate(novels(shared_folder)):
        text, places = planted(row["text"], 1_000, seed=i)
        # A page has some 1,800 characters.
        assert len(text) > 500 * 1_800
        truth[text] = places
        lines.append(json.dumps({"id": row["id"], "text": text}))
    file = tmp_path / "novels.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    ingest.start_import_of_path(bench, ana, project.id, file, None, None, ingest.ImportOptions())
    jobs.run_all(bench)
    with FinderServer(PLANTED, keep_bodies=False) as server:
        wanted = models.ProviderInput(name="finder", base_url=server.base_url, concurrency=16)
        provider = models.add_provider(bench, ana, wanted)
        plan = prompts.Plan(provider_id=provider.id, model="finder", decoding=Decoding(chunk_tokens=1_000))
        run = predict.start_run(bench, ana, project.id, plan)
        jobs.run_all(bench)
        done = predict.view_run(bench, ana, project.id, run.id).run
        assert (done.done, done.failed) == (2, 0)
        assert server.chats > 400
    over_borders = 0
    with bench.store.read() as tx:
        ids = runs.asset_ids(tx, run.id)
    for asset_id in ids:
        seen = browse.view(bench, ana, project.id, asset_id)
        assert seen.prediction is not None and seen.asset.text is not None
        answer = seen.prediction.answers.get("ner")
        assert isinstance(answer, SpanAnswer)
        found = [(s.start, s.end, s.label) for s in answer.spans]
        assert len(found) == len(set(found))
        assert set(found) == truth[seen.asset.text]
        edges = [piece.end for piece in seen.prediction.pieces] + [
            piece.start for piece in seen.prediction.pieces
        ]
        over_borders += sum(any(start < edge < end for edge in edges) for start, end, _ in found)
        assert {s.alignment for s in answer.spans} == {"exact"}
    assert over_borders > 5
    job = export.start_export(bench, ana, project.id, export.ExportWanted(format="labelwright"))
    jobs.run_all(bench)
    with zipfile.ZipFile(export.export_file(bench, ana, project.id, job.id)[0]) as packed:
        name = next(n for n in packed.namelist() if n.endswith(".jsonl"))
        out = [json.loads(line) for line in packed.read(name).splitlines()]
    assert len(out) == 2 and {row["text"] for row in out} == set(truth)


@pytest.mark.parametrize("name", ["legal_edgar_long_docs", "litbank_nested_ner"])
def test_gold_entities_of_long_documents_survive_being_cut_and_put_together(
    shared_folder: Path, name: str
) -> None:
    """An ideal model that sees each chunk alone gives the gold entities back, those over borders included."""
    documents = list(_documents(shared_folder / f"data/text/{name}.jsonl.gz"))
    labels = sorted({_label_id(e["label"]) for row in documents for e in row["entities"]})
    question = SpanQuestion(
        id="ner", name="Entities", overlap=True, labels=tuple(Label(id=label, name=label) for label in labels)
    )
    ontology = Ontology(questions=(question,))
    over_borders = missed = total = 0
    for row in documents:
        text = row["text"]
        gold = {(e["start"], e["end"], _label_id(e["label"])) for e in row["entities"]}
        layout = Cutter(ontology, DEFAULT_TEMPLATE, Decoding(chunk_tokens=300)).layout(text)
        replies = {
            n: [Reply(text=ideal_reply(ontology, _inside(gold, part), text[part.start : part.end]))]
            for n, part in enumerate(layout.parts)
        }
        answer = read_parts(ontology, text, layout, replies, Decoding()).answers.get("ner")
        assert isinstance(answer, SpanAnswer)
        found = [(s.start, s.end, s.label) for s in answer.spans]
        assert len(found) == len(set(found)) and set(found) <= gold
        total += len(gold)
        missed += len(gold - set(found))
        edges = {part.start for part in layout.parts[1:]} | {part.end for part in layout.parts[:-1]}
        over_borders += sum(any(start < edge < end for edge in edges) for start, end, _ in gold)
    assert over_borders > 10
    # Lost: mentions longer than the overlap, and of two nested ones of a label more than half alike.
    assert missed / total < 0.02, f"{missed} of {total}"


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _label_id(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _inside(gold: set[tuple[int, int, str]], part: Part) -> Answers:
    spans = [
        Span(id=f"{start}-{end}-{label}", start=start - part.start, end=end - part.start, label=label)
        for start, end, label in sorted(gold)
        if part.start <= start and end <= part.end
    ]
    return Answers.of({"ner": SpanAnswer(spans=tuple(spans))})
