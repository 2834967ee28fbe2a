"""Every reader tried with broken, hostile and huge files: a clear refusal or a problem with its place, good rows kept."""

import gzip
import json
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.errors import Invalid
from labelwright.core.problem import Problem
from labelwright.core.transfer import Incoming
from labelwright.formats import Mapping, open_source, sniff
from labelwright.formats import mapping as maps


def read(
    path: Path, form: str | None = None, mapping: Mapping | None = None
) -> tuple[list[Incoming], list[Problem]]:
    form = form or sniff(path, path.name)
    rows, problems = [], []
    for each in open_source(path, path.name, form, mapping or Mapping(external_id="id")):
        (problems if isinstance(each, Problem) else rows).append(each)  # type: ignore[arg-type]
    return rows, problems


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


CSV = "id,text\n"


@pytest.mark.parametrize(
    ("content", "good", "codes"),
    [
        (CSV + '1,plain\n2,"two\nlines"\n', ["plain", "two\nlines"], []),
        (CSV + "1,a\n2\n3,b,c\n4,d\n", ["a", "d"], ["ragged_row", "ragged_row"]),
        (CSV + "1,a\x00b\n2,c\n", ["c"], ["forbidden_character"]),
        (CSV + '1,""\n2,  \n3,x\n', ["x"], ["empty_text", "empty_text"]),
        (CSV + '1,a\n2,"never closed\n3,b\n', ["a"], ["bad_row"]),
        ("id;text\n1;semi, colon\n", ["semi, colon"], []),
        ("\ufeffid,text\n1,bom\n", ["bom"], []),
        (CSV + "1," + "x" * (17 * 2**20) + "\n2,after\n", ["after"], ["line_too_long"]),
    ],
)
def test_csv(tmp_path: Path, content: str, good: list[str], codes: list[str]) -> None:
    rows, problems = read(write(tmp_path, "f.csv", content))
    assert [row.text for row in rows] == good
    assert [p.code for p in problems] == codes
    assert all(p.where.startswith("f.csv:") for p in problems)


def test_a_problem_names_file_line_and_column(tmp_path: Path) -> None:
    rows, problems = read(write(tmp_path, "r.csv", 'id,text\n1,"a\nb"\n2,\n3\n'))
    assert [row.where for row in rows] == ["r.csv:2"]
    assert [p.where for p in problems] == ["r.csv:4:text", "r.csv:5"]


def test_utf_16_is_read_and_a_wrong_encoding_is_refused_with_its_place(tmp_path: Path) -> None:
    rows, _ = read(write(tmp_path, "f.csv", "id,text\n1,żółw 😀\n".encode("utf-16")))
    assert rows[0].text == "żółw 😀"
    latin = write(tmp_path, "latin.csv", "id,text\n1,caf\xe9\n".encode("cp1252"))
    with pytest.raises(Invalid, match="13"):
        read(latin)
    rows, _ = read(latin, mapping=Mapping(external_id="id", encoding="cp1252"))
    assert rows[0].text == "café"
    with pytest.raises(Invalid, match="unknown encoding"):
        read(latin, mapping=Mapping(encoding="klingon"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "bad_json"),
        ("[]", "not_an_object"),
        ('"text"', "not_an_object"),
        ('{"text": NaN}', "bad_json"),
        ('{"text": "a", "text": "b"}', "bad_json"),
        ('{"text": "\\u0000"}', "forbidden_character"),
        ('{"text": "\\ud800 lone"}', "forbidden_character"),
        ('{"text": null}', "not_a_text"),
        ('{"text": ["a"]}', "not_a_text"),
        ('{"other": "a"}', "no_text"),
        ('{"text": "a", "id": ""}', "bad_id"),
        ('{"text": "a", "id": "' + "x" * 501 + '"}', "bad_id"),
        ('{"text": ' + "[" * 10_000 + "]" * 10_000 + "}", "bad_json"),
        ('{"text": ' + "1" * 5_000 + "}", "bad_json"),
        ('{"text": "a", "meta": "\\ud83d"}', "forbidden_character"),
    ],
)
def test_json_lines(tmp_path: Path, line: str, code: str) -> None:
    path = write(tmp_path, "f.jsonl", '{"text": "before"}\n' + line + '\n{"text": "after"}\n')
    rows, problems = read(path)
    assert [row.text for row in rows] == ["before", "after"]
    assert [(p.code, p.where.split(":")[1]) for p in problems] == [(code, "2")]


def test_a_json_array_is_read_piece_by_piece_and_a_cut_one_keeps_what_came_before(tmp_path: Path) -> None:
    many = [{"id": str(i), "text": f"text {i} " + "y" * 300} for i in range(12_000)]
    whole = json.dumps(many, indent=1)
    rows, problems = read(write(tmp_path, "f.json", whole))
    assert (len(rows), problems) == (12_000, [])
    assert rows[-1].text == many[-1]["text"]
    rows, problems = read(write(tmp_path, "cut.json", whole[: len(whole) // 2]))
    assert 5_000 < len(rows) < 7_000
    assert len(problems) == 1
    with pytest.raises(Invalid, match="one JSON object"):
        read(write(tmp_path, "one.json", '{"text": "a"}'), "json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.csv", b""),
        ("x.exe", b"MZ\x00\x01"),
        ("f.parquet", b"PAR1 not really"),
        ("z.zip", b"PK\x03\x04 broken"),
        ("d.csv", b"a,a\n1,2\n"),
    ],
)
def test_files_that_are_nothing_we_know_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(Invalid):
        read(write(tmp_path, name, content))


def test_a_zip_of_texts_is_read_and_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.txt", "a name is data, never a path")
        archive.writestr("b/two.txt", "second\r\nline")
        archive.writestr("b/bad.txt", b"\xff\xfe\xfa")
        archive.writestr("skip.csv", "x")
    rows, problems = read(path, mapping=Mapping())
    assert [row.text for row in rows] == ["a name is data, never a path", "second\r\nline"]
    assert [p.code for p in problems] == ["bad_encoding"]
    assert not (tmp_path.parent.parent / "evil.txt").exists()
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "0" * 30_000_000)
    with pytest.raises(Invalid, match="inflates"):
        read(bomb)


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"id": [1, 2, 3], "text": ["a", None, "c"], "tags": [["x"], [], ["y"]]})
    pq.write_table(table, tmp_path / "f.parquet")
    rows, problems = read(tmp_path / "f.parquet")
    assert [(row.external_id, row.text, row.metadata["tags"]) for row in rows] == [
        ("1", "a", '["x"]'),
        ("3", "c", '["y"]'),
    ]
    assert [p.code for p in problems] == ["not_a_text"]


TOKENS = ["Anna", "Lee", "met", "Bo", "in", "New", "York"]


@pytest.mark.parametrize(
    "tags",
    [
        ["I-PER", "I-PER", "O", "B-PER", "O", "I-LOC", "I-LOC"],  # IOB1
        ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC", "I-LOC"],  # IOB2
        ["B-PER", "E-PER", "O", "S-PER", "O", "B-LOC", "E-LOC"],  # BIOES
        ["B-PER", "L-PER", "O", "U-PER", "O", "B-LOC", "L-LOC"],  # BILOU
    ],
)
def test_conll_in_every_scheme_gives_the_same_spans(tmp_path: Path, tags: list[str]) -> None:
    body = "-DOCSTART- -X- O O\n\n" + "".join(f"{w} NN x {t}\n" for w, t in zip(TOKENS, tags, strict=True))
    rows, problems = read(write(tmp_path, "f.conll", body))
    assert problems == []
    spans = rows[0].opinions[0].answers["entities"]
    assert [(rows[0].text[s["start"] : s["end"]], s["label"]) for s in spans] == [
        ("Anna Lee", "PER"), ("Bo", "PER"), ("New York", "LOC"),
    ]  # fmt: skip


def test_broken_conll_keeps_the_good_tokens(tmp_path: Path) -> None:
    rows, problems = read(
        write(tmp_path, "f.conll", "-DOCSTART- O\n\nAnna B-PER\nalone\nx ?-what\n\nBo S-PER\n")
    )
    assert [row.text for row in rows] == ["Anna x", "Bo"]
    assert [p.code for p in problems] == ["no_tag", "bad_tag"]


def test_label_studio_counts_utf_16_and_bad_regions_are_reported(tmp_path: Path) -> None:
    text = "😀 Bob met Ann"
    region = {"from_name": "ner", "to_name": "text", "type": "labels", "id": "r1"}
    task = {
        "id": 7, "data": {"text": text, "extra": 1},
        "annotations": [{"result": [
            {**region, "value": {"start": 3, "end": 6, "labels": ["PER"]}},
            {**region, "value": {"start": 3, "end": 600, "labels": ["PER"]}},
            {**region, "type": "brushlabels", "value": {}},
            "nonsense",
            {"from_name": "c", "type": "choices", "value": {"choices": ["good"]}},
        ]}],
        "predictions": [{"model_version": "m1", "score": 0.4, "result": [{"from_name": "c", "type": "choices", "value": {"choices": ["bad"]}}]}],
    }  # fmt: skip
    rows, problems = read(write(tmp_path, "ls.json", json.dumps([task, {"data": 3}])), "label_studio")
    assert len(rows) == 1
    person, model = rows[0].opinions
    (span,) = person.answers["ner"]
    assert text[span["start"] : span["end"]] == "Bob"
    assert person.answers["c"] == ["good"]
    assert (model.name, model.answers, model.confidence) == ("m1", {"c": ["bad"]}, {"c": 0.4})
    assert [p.code for p in problems] == ["bad_region", "bad_region", "bad_region", "no_data"]


@given(
    st.binary(max_size=400),
    st.sampled_from(
        ["csv", "tsv", "jsonl", "json", "conll", "label_studio", "labelwright", "parquet", "txt"]
    ),
)
def test_no_bytes_ever_make_a_reader_raise_anything_but_a_clear_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, form: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f"
    path.write_bytes(content)
    try:
        rows, _ = read(path, form)
    except Invalid:
        return
    for row in rows:
        assert row.text.strip()
        row.text.encode()


def test_random_damage_to_a_good_file_never_loses_the_rows_before_it(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(i), "text": f"text {i}"}) for i in range(50)]
    rnd = random.Random(1)
    for _ in range(100):
        at = rnd.randrange(50)
        damaged = [*lines]
        damaged[at] = damaged[at][: rnd.randrange(len(damaged[at]))]
        rows, problems = read(write(tmp_path, "d.jsonl", "\n".join(damaged)))
        assert len(rows) + len(problems) >= 49
        assert {f"text {i}" for i in range(50) if i != at} <= {row.text for row in rows}


def test_columns_are_guessed_and_label_like_ones_found() -> None:
    rows = [
        {"Review": f"a long text number {i}", "ID": i, "mood": "good" if i % 2 else "bad"} for i in range(30)
    ]
    columns = maps.columns_of(rows)
    mapping = maps.guess(columns)
    assert (mapping.text, mapping.external_id) == ("Review", "ID")
    assert [c.name for c in maps.label_columns(columns, mapping)] == ["mood"]


def test_a_gzip_is_not_mistaken_for_text(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        read(write(tmp_path, "f.jsonl.gz", gzip.compress(b'{"text": "a"}\n')))
