"""Every writer, read back by a reader that is not ours; and the law that what is lost is what is reported."""

import csv
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelwright.core.answer import Answers, ChoiceAnswer, SpanAnswer
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.core.transfer import Outgoing, resolve
from labelwright.formats import conll
from tests.formats.made import (
    AT,
    ENTITIES,
    FULL,
    FULL_ANSWERS,
    TEXT,
    TOPICS,
    annotation,
    asset,
    outgoing,
    read,
    spans,
    write,
)
from tests.strategies import answers_for, ontologies, texts

NONE_LEFT: dict[str, Any] = {"lost": {}, "left_out": {}}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- our own ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_our_own_format_gives_back_what_went_in(data: st.DataObject) -> None:
    ontology = data.draw(ontologies())
    text = data.draw(texts.filter(lambda text: text.strip()))
    mine, theirs, model, gold = (data.draw(answers_for(ontology, len(text))) for _ in range(4))
    row = outgoing(1, text, mine, model=model)
    row = Outgoing(
        asset=row.asset, annotations=(annotation(1, mine), annotation(1, theirs, 8)),
        prediction=row.prediction, gold=gold, chosen=mine, chosen_by="person", updated_at=AT,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        losses = write("labelwright", [row], ontology, folder)
        (back,), bad = read(folder / "assets.jsonl", "labelwright")
    assert bad == []
    assert losses.counts == {}
    assert (back.text, back.external_id, back.metadata) == (text, "row-1", row.asset.metadata)
    found = [resolve(opinion, ontology, len(text)) for opinion in back.opinions]
    assert [problems for _, _, problems in found] == [[]] * len(found)
    wanted = [answers for answers in (mine, theirs, model, gold) if len(answers)]
    assert [answers for answers, _, _ in found if len(answers)] == wanted
    assert [o.name for o in back.opinions if o.by == "person"] == ["person 7", "person 8"]


# --- CSV ----------------------------------------------------------------------------------------------------------


def test_csv_is_read_by_the_csv_module(tmp_path: Path) -> None:
    losses = write("csv", [outgoing(1, TEXT, FULL_ANSWERS, model=FULL_ANSWERS)], FULL, tmp_path)
    with (tmp_path / "assets.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["external_id"], row["answered_by"]) == (TEXT, "row-1", "person")
    assert (row["topic"], row["stars"], row["odd"]) == ('He said "no"', "4", "false")
    assert row["note"] == "größer\n“quoted”, comma"
    assert json.loads(row["tags"]) == ["Sport & Games", 'He said "no"']
    assert [TEXT[s["start"] : s["end"]] for s in json.loads(row["ner"])] == ["Anna", "Bob", "São Paulo"]
    assert row["topic_confidence"] == "0.25"
    assert losses.counts == {}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_begins_like_a_formula_is_guarded_and_reported(tmp_path: Path, text: str) -> None:
    losses = write("csv", [outgoing(1, text, None)], FULL, tmp_path)
    with (tmp_path / "assets.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["text"] == "'" + text
    assert losses.counts == {"formula_guard": 1}


def test_our_csv_comes_back_with_the_same_answers(tmp_path: Path) -> None:
    from labelwright.formats import Mapping

    write("csv", [outgoing(1, TEXT, FULL_ANSWERS)], FULL, tmp_path)
    mapping = Mapping(external_id="external_id", answers={q.id: q.id for q in FULL.questions})
    (row,), bad = read(tmp_path / "assets.csv", "csv", mapping)
    answers, _, problems = resolve(row.opinions[0], FULL, len(row.text))
    assert bad == problems == []
    assert {key: value for key, value in answers.items() if key != "ner"} == {
        key: value for key, value in FULL_ANSWERS.items() if key != "ner"
    }
    assert marks(answers) == marks(FULL_ANSWERS)


def marks(answers: Answers, question: str = "ner") -> set[tuple[int, int, str]]:
    answer = answers.get(question)
    assert isinstance(answer, SpanAnswer)
    return {(span.start, span.end, span.label) for span in answer.spans}


# --- CoNLL --------------------------------------------------------------------------------------------------------


def conll_tags(path: Path) -> list[list[list[str]]]:
    """Sentences of a CoNLL file as the format is defined, without our reader."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    assert blocks[0] == "-DOCSTART- -X- -X- O"
    return [[line.split(" ") for line in block.split("\n")] for block in blocks[1:] if block]


def test_conll_is_read_by_spacy_and_seqeval(tmp_path: Path) -> None:
    rows = [
        outgoing(1, "Anna met Bob Li.", spans((0, 4, "per"), (9, 15, "per"))),
        outgoing(2, "in São Paulo", spans((3, 12, "loc"))),
    ]
    losses = write("conll", rows, ENTITIES, tmp_path)
    assert losses.report() | NONE_LEFT == losses.report()
    sentences = conll_tags(tmp_path / "ner.conll")
    assert {len(token) for sentence in sentences for token in sentence} == {4}
    from seqeval.metrics.sequence_labeling import get_entities
    from seqeval.scheme import IOB2, Entities

    tags = [[token[3] for token in sentence] for sentence in sentences]
    strict = [[(e.tag, e.start, e.end) for e in found] for found in Entities(tags, IOB2).entities]
    assert strict == [[("PER", 0, 1), ("PER", 2, 4)], [("LOC", 1, 3)]]
    assert [len(get_entities(sequence)) for sequence in tags] == [2, 1]
    spacy = pytest.importorskip("spacy")
    from spacy.training import converters

    convert: Any = converters.conll_ner_to_docs  # type: ignore[attr-defined]
    docs = list(convert((tmp_path / "ner.conll").read_text(encoding="utf-8"), no_print=True))
    found = [(ent.text, ent.label_) for doc in docs for ent in doc.ents]
    assert found == [("Anna", "PER"), ("Bob Li", "PER"), ("São Paulo", "LOC")]
    assert spacy.__version__


def test_a_span_that_cuts_a_token_is_widened_and_an_overlap_left_out_both_reported(tmp_path: Path) -> None:
    ontology = Ontology(
        questions=(SpanQuestion(id="ner", name="E", labels=ENTITIES.questions[0].labels, overlap=True),)  # type: ignore[union-attr]
    )
    rows = [outgoing(1, "Annabel went home", spans((0, 4, "per"), (8, 17, "loc"), (13, 17, "per")))]
    losses = write("conll", rows, ontology, tmp_path)
    assert losses.counts == {"expanded": 1, "overlap": 1}
    assert [token[3] for token in conll_tags(tmp_path / "ner.conll")[0]] == ["B-PER", "B-LOC", "I-LOC"]
    assert {entry["code"] for entry in losses.report()["per_asset"]} == {"expanded", "overlap"}


@settings(max_examples=150, deadline=None)
@given(text=texts, data=st.data())
def test_tokens_cover_all_but_white_space_and_spans_on_tokens_survive_conll(
    text: str, data: st.DataObject
) -> None:
    ranges = conll.tokens(text)
    inside = {i for start, end in ranges for i in range(start, end)}
    assert {i for i, c in enumerate(text) if not c.isspace()} == inside
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(ranges))
    chosen: list[tuple[int, int, str]] = []
    at = 0
    while at < len(ranges):
        length = data.draw(st.integers(1, 3))
        if data.draw(st.booleans()):
            last = min(at + length, len(ranges)) - 1
            chosen.append((ranges[at][0], ranges[last][1], data.draw(st.sampled_from(["per", "loc"]))))
        at += length
    if not text.strip():
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        losses = write("conll", [outgoing(1, text, spans(*chosen))], ENTITIES, folder)
        assert losses.counts == {}
        (sentence,) = conll_tags(folder / "ner.conll")
        (sidecar,) = lines_of(folder / "offsets.jsonl")
    assert [token[0] for token in sentence] == [text[start:end] for start, end in sidecar["tokens"]]
    found = conll.spans_of([tuple(r) for r in sidecar["tokens"]], [token[3] for token in sentence])
    assert [(s.start, s.end, s.label.lower()) for s in found] == chosen


def test_marks_and_joiners_stay_with_their_letter() -> None:
    for text in ("नमस्ते दुनिया", "e\u0301tude ọ\u0300rọ̀", "می\u200cخواهم برو"):
        assert [text[start:end] for start, end in conll.tokens(text)] == text.split(" ")


# --- spaCy --------------------------------------------------------------------------------------------------------


def test_spacy_reads_the_docbin(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    losses = write(
        "spacy",
        [
            outgoing(1, TEXT, FULL_ANSWERS),
            outgoing(2, "Annabel", spans((0, 4, "per"))),
            outgoing(3, "x", None),
        ],
        FULL,
        tmp_path,
    )
    one, two = DocBin().from_disk(tmp_path / "assets.spacy").get_docs(spacy.blank("xx").vocab)
    assert one.text == TEXT
    assert [(e.start_char, e.end_char, e.label_) for e in one.ents] == [
        (2, 6, "PER"), (11, 14, "PER"), (19, 28, "LOC"),
    ]  # fmt: skip
    assert one.cats == {
        "topic/Sport & Games": 0.0, 'topic/He said "no"': 1.0,
        "tags/Sport & Games": 1.0, 'tags/He said "no"': 1.0,
    }  # fmt: skip
    assert [(e.text, e.label_) for e in two.ents] == [("Annabel", "PER")]
    assert losses.counts == {"expanded": 1, "not_held": 3}
    assert losses.left_out_counts == {"no_answer": 1}


def test_overlapping_spans_go_to_a_span_group(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    labels = (Label(id="per", name="PER"), Label(id="loc", name="LOC"))
    ontology = Ontology(questions=(SpanQuestion(id="ner", name="E", labels=labels, overlap=True),))
    losses = write(
        "spacy", [outgoing(1, "Bank of Rio", spans((0, 11, "per"), (8, 11, "loc")))], ontology, tmp_path
    )
    (doc,) = DocBin().from_disk(tmp_path / "assets.spacy").get_docs(spacy.blank("xx").vocab)
    assert [(s.text, s.label_) for s in doc.spans["sc"]] == [("Bank of Rio", "PER"), ("Rio", "LOC")]
    assert losses.counts == {}


# --- Label Studio -------------------------------------------------------------------------------------------------


def check_label_studio(folder: Path) -> list[dict[str, Any]]:
    """Tasks that the SDK accepts, and that hold to what it does not check."""
    import label_studio_sdk.label_interface as sdk

    interface: Any = sdk.LabelInterface(  # type: ignore[attr-defined]
        (folder / "label_config.xml").read_text(encoding="utf-8")
    )
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        units = task["data"]["text"].encode("utf-16-le", "surrogatepass")
        for opinion in task["annotations"] + task["predictions"]:
            shaped = {"model_version": "m", "score": opinion.get("score") or 0.0, "result": opinion["result"]}
            assert interface.validate_prediction(shaped, return_errors=True) == []
            assert len({region["id"] for region in opinion["result"]}) == len(opinion["result"])
            for region in opinion["result"]:
                assert region["to_name"] == "text"
                if region["type"] == "labels":
                    start, end = region["value"]["start"], region["value"]["end"]
                    assert 0 <= start < end <= len(units) // 2
                    assert units[2 * start : 2 * end].decode("utf-16-le") == region["value"]["text"]
    return tasks


def test_label_studio_accepts_our_tasks_and_their_offsets_are_utf_16(tmp_path: Path) -> None:
    losses = write("label_studio", [outgoing(1, TEXT, FULL_ANSWERS, model=FULL_ANSWERS)], FULL, tmp_path)
    (task,) = check_label_studio(tmp_path)
    assert losses.counts == {}
    (annotated,) = task["annotations"]
    assert annotated["completed_by"] == 7
    assert task["predictions"][0]["model_version"] == "made model"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_label_studio_json_comes_back_unless_reported(data: st.DataObject) -> None:
    ontology = data.draw(ontologies())
    text = data.draw(texts.filter(lambda text: text.strip()))
    answers = data.draw(answers_for(ontology, len(text)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        losses = write("label_studio", [outgoing(1, text, answers)], ontology, folder)
        (row,), bad = read(folder / "tasks.json", "label_studio")
    assert bad == []
    assert (row.text, row.external_id) == (text, "row-1")
    back = resolve(row.opinions[0], ontology, len(text)) if row.opinions else (Answers.of({}), {}, [])
    assert back[2] == []
    missing = {key for key, _ in answers.items()} - {key for key, _ in back[0].items()}
    reported = [entry["message"] for entry in losses.report()["per_asset"]]
    assert all(any(repr(key) in message for message in reported) for key in missing)
    assert dict(back[0].items()) == {key: value for key, value in answers.items() if key not in missing}


# --- Parquet ------------------------------------------------------------------------------------------------------


def test_hugging_face_datasets_reads_the_parquet_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = [outgoing(1, TEXT, FULL_ANSWERS), outgoing(2, "none", None)]
    losses = write("parquet", rows, FULL, tmp_path)
    found = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "data.parquet"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    names = [label.name for label in TOPICS]
    assert found.features["topic"].names == names
    assert found.features["tags"].feature.names == names
    assert found.features["ner"].feature["label"].names == ["PER", "LOC"]
    one, two = found
    assert (one["text"], one["topic"], one["tags"], one["stars"], one["odd"]) == (TEXT, 1, [0, 1], 4, False)
    assert [TEXT[s["start"] : s["end"]] for s in one["ner"]] == ["Anna", "Bob", "São Paulo"]
    assert [two[key] for key in ("topic", "tags", "ner", "stars", "odd", "note")] == [None] * 6
    assert losses.counts == {}


# --- all ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "conll", "spacy", "parquet"])
def test_formats_for_one_set_of_answers_report_the_others(tmp_path: Path, form: str) -> None:
    answers = spans((0, 4, "per"))
    row = Outgoing(
        asset=asset(1, "Anna"), annotations=(annotation(1, answers), annotation(1, spans(), 8)),
        prediction=None, gold=None, chosen=answers, chosen_by="person", updated_at=AT,
    )  # fmt: skip
    assert write(form, [row], ENTITIES, tmp_path).counts == {"one_of_several": 1}


@pytest.mark.parametrize("form", ["csv", "conll", "spacy", "parquet"])
def test_an_answer_to_a_retired_question_is_reported(tmp_path: Path, form: str) -> None:
    retired = ChoiceQuestion(id="old", name="Old", labels=TOPICS, retired=True)
    ontology = Ontology(questions=(*ENTITIES.questions, retired))
    answers = Answers.of({"ner": SpanAnswer(spans=()), "old": ChoiceAnswer(labels=("a",))})
    assert write(form, [outgoing(1, "Anna", answers)], ontology, tmp_path).counts["retired_question"] == 1


@pytest.mark.parametrize("form", ["labelwright", "csv", "conll", "spacy", "label_studio", "parquet"])
def test_the_same_rows_give_the_same_bytes_and_no_rows_a_readable_file(tmp_path: Path, form: str) -> None:
    rows = [outgoing(n, f"{TEXT} {n}", FULL_ANSWERS, model=FULL_ANSWERS) for n in range(3)]
    write(form, rows, FULL, tmp_path / "one")
    write(form, rows, FULL, tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert write(form, [], FULL, tmp_path / "none").counts == {}
