"""Every reader: good files are read as they are, broken ones keep their good rows and say what was bad, and where."""

import json
import zipfile
from pathlib import Path

import pytest

from labelwright.core.errors import Invalid
from labelwright.core.transfer import resolve
from labelwright.formats import Mapping, edge, sniff
from tests.formats.made import ENTITIES, FULL, read

GOOD = "fine"


def file(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- meaning ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,text\n1,"one\r\ntwo, ""three"""\n2,fine\n'),
        ("b.csv", 'id;text\r\n1;"one\r\ntwo, ""three"""\r\n2;fine'),
        ("c.tsv", 'id\ttext\n1\t"one\r\ntwo, ""three"""\n2\tfine\n'),
        ("bom.csv", '\ufeffid,text\n1,"one\r\ntwo, ""three"""\n2,fine\n'),
        ("blank.csv", '\n\nid,text\n\n1,"one\r\ntwo, ""three"""\n\n2,fine\n\n'),
        ("a.jsonl", '{"id":1,"text":"one\\r\\ntwo, \\"three\\""}\n\n{"id":2,"text":"fine"}'),
        ("a.json", '[{"id":1,"text":"one\\r\\ntwo, \\"three\\""},\n{"id":2,"text":"fine"}]\n'),
        ("u.json", '\ufeff [ {"id":1,"text":"one\\r\\ntwo, \\"three\\""} , {"id":2,"text":"fine"} ] '),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_any_dialect_give_the_same_rows(
    tmp_path: Path, name: str, content: str, encoding: str
) -> None:
    path = file(tmp_path, name, content.encode(encoding) if encoding == "utf-16" else content)
    if encoding == "utf-16" and "\ufeff" in content:
        path.write_bytes(content.lstrip("\ufeff").encode("utf-16"))
    good, bad = read(path, sniff(path, name), Mapping(external_id="id"))
    assert [(row.external_id, row.text) for row in good] == [("1", 'one\r\ntwo, "three"'), ("2", "fine")]
    assert bad == []


def test_cp1252_is_read_when_named_and_refused_with_the_byte_offset_when_not(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", "text\n" + "x" * 2_000_000 + "\ncafé\n".encode().decode())
    path.write_bytes(b"text\n" + b"x" * 2_000_000 + b"\ncaf\xe9 \x80\n")
    with pytest.raises(Invalid) as caught:
        read(path, "csv")
    assert caught.value.code == "bad_encoding"
    assert "byte 0xe9 at offset 2000009" in caught.value.message
    good, _ = read(path, "csv", Mapping(encoding="cp1252"))
    assert good[1].text == "café €"


def test_a_file_cut_in_the_middle_of_a_character_names_the_place(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", b"text\nabc\xe2\x82")
    with pytest.raises(Invalid, match="byte 0xe2 at offset 8"):
        read(path, "csv")


@pytest.mark.parametrize("name", ["rot13", "hex", "idna", "no-such", "undefined", "a\0b"])
def test_an_encoding_that_is_none_for_text_is_refused(tmp_path: Path, name: str) -> None:
    path = file(tmp_path, "a.csv", "text\nfine\n")
    with pytest.raises(Invalid, match="unknown encoding"):
        read(path, "csv", Mapping(encoding=name))


def test_the_mapping_says_what_columns_mean(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "a.csv",
        "key,body,topic,guess,sure,truth,extra\nk1,hello,he said no,sport games,0.7,sport games,x\n",
    )
    mapping = Mapping(
        text="body", external_id="key", answers={"Topic": "topic"}, predictions={"topic": "guess"},
        gold={"topic": "truth"}, confidence={"topic": "sure"},
    )  # fmt: skip
    (row,), bad = read(path, "csv", mapping)
    assert bad == []
    assert (row.external_id, row.text, row.metadata) == ("k1", "hello", {"extra": "x"})
    found = {opinion.by: resolve(opinion, FULL, len(row.text)) for opinion in row.opinions}
    assert {by: answers.model_dump()["topic"]["labels"] for by, (answers, _, _) in found.items()} == {
        "person": ("b",), "model": ("a",), "gold": ("a",),
    }  # fmt: skip
    assert found["model"][1]["topic"].value == 0.7


@pytest.mark.parametrize("sure", ["1.5", "high", "nan", "-0.1"])
def test_a_confidence_that_is_none_is_a_problem_and_the_answer_is_kept(tmp_path: Path, sure: str) -> None:
    path = file(tmp_path, "a.csv", f"text,guess,sure\nhello,sport games,{sure}\n")
    mapping = Mapping(predictions={"topic": "guess"}, confidence={"topic": "sure"})
    (row,), _ = read(path, "csv", mapping)
    answers, confidence, problems = resolve(row.opinions[0], FULL, 5)
    assert "topic" in answers
    assert confidence == {}
    assert [p.code for p in problems] == ["bad_confidence"]


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BILOU"])
def test_conll_is_read_in_every_tag_scheme(tmp_path: Path, scheme: str) -> None:
    tags = {
        "IOB1": ["I-PER", "I-PER", "B-PER", "O", "I-LOC"],
        "IOB2": ["B-PER", "I-PER", "B-PER", "O", "B-LOC"],
        "BIOES": ["B-PER", "E-PER", "S-PER", "O", "S-LOC"],
        "BILOU": ["B-PER", "L-PER", "U-PER", "O", "U-LOC"],
    }[scheme]
    lines = [
        f"{word} NN I-NP {tag}" for word, tag in zip(["Ana", "Li", "Bo", "in", "Rio"], tags, strict=True)
    ]
    path = file(tmp_path, "a.conll", "-DOCSTART- -X- -X- O\n\n" + "\n".join(lines) + "\n\nlast NN O O")
    good, bad = read(path, sniff(path, path.name))
    assert bad == []
    assert [row.text for row in good] == ["Ana Li Bo in Rio", "last"]
    answers, _, problems = resolve(
        good[0].opinions[0].__class__("person", {"ner": good[0].opinions[0].answers["entities"]}),
        ENTITIES,
        16,
    )
    assert problems == []
    found = [(s["start"], s["end"], s["label"]) for s in answers.model_dump()["ner"]["spans"]]
    assert found == [(0, 6, "per"), (7, 9, "per"), (13, 16, "loc")]


def test_an_odd_space_inside_a_conll_token_stays(tmp_path: Path) -> None:
    path = file(tmp_path, "a.conll", "10\u00a0km NN I-NP B-LOC\n\u3000 NN I-NP O\n")
    (row,), bad = read(path, "conll")
    assert (row.text, bad) == ("10\u00a0km \u3000", [])


def test_label_studio_offsets_become_code_points(tmp_path: Path) -> None:
    region = {
        "from_name": "ner", "to_name": "text", "type": "labels", "id": "x",
        "value": {"start": 3, "end": 6, "text": "Bob", "labels": ["PER"]},
    }  # fmt: skip
    half = {**region, "value": {**region["value"], "start": 1}}  # type: ignore[dict-item]
    rows = [{"data": {"text": "😀 Bob"}, "annotations": [{"result": [region, half]}]}]
    path = file(tmp_path, "a.json", json.dumps(rows))
    assert sniff(path, path.name) == "label_studio"
    (row,), bad = read(path, "label_studio")
    assert [(s["start"], s["end"]) for s in row.opinions[0].answers["ner"]] == [(2, 5)]
    assert [(p.where, p.code) for p in bad] == [("a.json[0]:annotations/0/result/1", "bad_region")]
    assert "in half" in bad[0].message


def test_a_zip_and_a_folder_of_texts(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    file(folder, "b.txt", "second\r\n")
    file(folder / "sub", "c.txt", b"caf\xe9")
    file(folder, "a.txt", "first")
    file(folder, "note.md", "not a text")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for path in folder.rglob("*.txt"):
            archive.write(path, path.relative_to(folder).as_posix())
        archive.writestr("../evil.txt", "only a name")
    good, bad = read(folder, sniff(folder, "texts"))
    assert [(row.external_id, row.text) for row in good] == [("a.txt", "first"), ("b.txt", "second\r\n")]
    assert [(p.where, p.code) for p in bad] == [("sub/c.txt", "bad_encoding")]
    zipped, _ = read(tmp_path / "t.zip", sniff(tmp_path / "t.zip", "t.zip"))
    assert {row.external_id for row in zipped} == {"a.txt", "b.txt", "../evil.txt"}
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "0" * 20_000_000)
    with pytest.raises(Invalid) as caught:
        read(tmp_path / "t.zip", "txt")
    assert caught.value.code == "zip_bomb"


# --- hostile ----------------------------------------------------------------------------------------------------

BAD_ROWS = {
    "a.csv": [
        ("id,text\n1,fine\n2,too,many\n3,fine\n", "ragged_row", "a.csv:3"),
        ("id,text\n1,fine\n2\n3,fine\n", "ragged_row", "a.csv:3"),
        ("id,text\n1,fine\n2,nul\0here\n3,fine\n", "forbidden_character", "a.csv:3:text"),
        ("id,text\n1,fine\n2,\n3,fine\n", "empty_text", "a.csv:3:text"),
        ("id,text\n1,fine\n2,  \n3,fine\n", "empty_text", "a.csv:3:text"),
        ('id,text\n1,fine\n2,"a"b\n3,fine\n', "bad_row", "a.csv:3"),
        ('id,text\n1,fine\n3,fine\n2,"never closed\n4,x\n', "bad_row", "a.csv:4"),
        (f"id,text\n1,fine\n{'9' * 501},fine too\n3,fine\n", "bad_id", "a.csv:3:id"),
        ("id,text,x\n1,fine,\n2,fine too,a\0\n3,fine,\n", "forbidden_character", "a.csv:3:x"),
    ],
    "a.jsonl": [
        ('{"text":"fine"}\n{"text": NaN}\n{"text":"fine"}\n', "bad_json", "a.jsonl:2"),
        ('{"text":"fine"}\n{"text":"x","n":1e999}\n{"text":"fine"}\n', "bad_json", "a.jsonl:2"),
        ('{"text":"fine"}\n{"text":"a","text":"b"}\n{"text":"fine"}\n', "bad_json", "a.jsonl:2"),
        ('{"text":"fine"}\n{"text":"\\ud83d"}\n{"text":"fine"}\n', "forbidden_character", "a.jsonl:2:text"),
        ('{"text":"fine"}\n{"text":"a\\u0000"}\n{"text":"fine"}\n', "forbidden_character", "a.jsonl:2:text"),
        ('{"text":"fine"}\n{"text":"a","m":{"\\udc00":1}}\n{"text":"fine"}\n', "forbidden_character", "a.jsonl:2:m"),
        ('{"text":"fine"}\n{"text":"a","\\u0000":1}\n{"text":"fine"}\n', "forbidden_character", "a.jsonl:2"),
        ('{"text":"fine"}\n{"text":"a"\n{"text":"fine"}\n', "bad_json", "a.jsonl:2"),
        ('{"text":"fine"}\n[1]\n{"text":"fine"}\n', "not_an_object", "a.jsonl:2"),
        ('{"text":"fine"}\n{"txt":"a"}\n{"text":"fine"}\n', "no_text", "a.jsonl:2:text"),
        ('{"text":"fine"}\n{"text":{"a":1}}\n{"text":"fine"}\n', "not_a_text", "a.jsonl:2:text"),
        (f'{{"text":"fine"}}\n{{"text":"x","n":{"9" * 30}}}\n{{"text":"fine"}}', "bad_json", "a.jsonl:2"),
        (
            '{"text":"fine"}\n{"text":"x","a":' + "[" * 150 + "]" * 150 + '}\n{"text":"fine"}',
            "bad_json",
            "a.jsonl:2",
        ),
        ('{"text":"fine"}\n' + "[" * 200_000 + '\n{"text":"fine"}', "bad_json", "a.jsonl:2"),
    ],
    "a.json": [
        ('[{"text":"fine"},{"text":NaN},{"text":"fine"}]', "bad_json", "a.json[1]"),
        ('[{"text":"fine"},{"text":"a","text":"b"},{"text":"fine"}]', "bad_json", "a.json[1]"),
        ('[{"text":"fine"},7,{"text":"fine"}]', "not_an_object", "a.json[1]"),
        ('[{"text":"fine"},{"text":"fine"}', "cut_file", "a.json[1]"),
        ('[{"text":"fine"},{"text":"fine"},{"te', "bad_json", "a.json[2]"),
        ('[{"text":"fine"},{"text":"fine"}] what', "bad_json", "a.json[2]"),
        ('[{"text":"fine"},{"text":"fine"},' + "[" * 200_000, "bad_json", "a.json[2]"),
    ],
    "a.conll": [
        ("fine NN O O\n\nbad\nfine NN O O\n", "no_tag", "a.conll:3"),
        ("fine NN O O\n\nfine NN O weird\n", "bad_tag", "a.conll:3"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "code", "where"),
    [(name, *case) for name, cases in BAD_ROWS.items() for case in cases],
)
def test_a_bad_row_is_a_problem_with_its_place_and_the_others_are_kept(
    tmp_path: Path, name: str, content: str, code: str, where: str
) -> None:
    path = file(tmp_path, name, content)
    good, bad = read(path, sniff(path, name), Mapping(external_id="id" if name.endswith("csv") else None))
    assert [row.text for row in good] == [GOOD, GOOD]
    assert [(p.code, p.where) for p in bad] == [(code, where)]


def test_a_line_of_50_mb_is_skipped_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    for name, content in (
        ("a.jsonl", b'{"text":"fine"}\n{"text":"' + b"x" * 50_000_000 + b'"}\n{"text":"fine"}\n'),
        ("a.csv", b"text\nfine\n" + b"x" * 50_000_000 + b"\nfine\n"),
    ):
        path = file(tmp_path, name, content)
        good, bad = read(path, sniff(path, name))
        assert [row.text for row in good] == [GOOD, GOOD]
        assert [p.code for p in bad] == ["line_too_long"]


def test_a_text_over_the_limit_is_a_problem(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", "text\nfine\n" + "x" * (edge.MAX_TEXT + 1) + "\n")
    good, bad = read(path, "csv")
    assert [row.text for row in good] == [GOOD]
    assert [p.code for p in bad] == ["text_too_long"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", b"", "empty_file"),
        ("a.csv", b"text,text\na,b\n", "duplicate_column"),
        ("a.csv", b'"text\na,b\n', "bad_header"),
        ("a.csv", b"te\0xt\na\n", "bad_header"),
        ("a.csv", b"\n\n\n", "empty_file"),
        ("a.json", b'{"text":"one object"\n}', "not_an_array"),
        ("a.parquet", b"PAR1 but no more", "bad_parquet"),
        ("a.zip", b"PK\x03\x04 but no more", "bad_zip"),
        ("a.bin", b"\x00\x01\x02", "unknown_format"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_a_clear_error(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    path = file(tmp_path, name, content)
    with pytest.raises(Invalid) as caught:
        read(path, sniff(path, name))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "line",
    [
        '{"format":"labelwright/1","text":"x","annotations":[{"answers":{"q":"\\u0000"}}]}',
        '{"format":"labelwright/1","text":"x","annotations":[{"author":"\\ud800","answers":{"q":"a"}}]}',
        '{"format":"labelwright/1","text":"x","metadata":{"a":"\\u0000"}}',
        '{"format":"labelwright/1","text":"x","metadata":{"\\ud800":1}}',
        '{"format":"labelwright/1","text":"x","metadata":[1]}',
        '{"format":"labelwright/1","text":"x","annotations":7}',
        '{"format":"labelwright/1","text":"x","annotations":[[]]}',
        '{"format":"labelwright/1","text":"x","prediction":{"answers":3}}',
        '{"format":"labelwright/1","text":"x","prediction":{"answers":{},"confidence":{"q":3}}}',
        '{"format":"labelwright/1","text":"x","gold":5}',
    ],
)
def test_our_own_lines_are_not_trusted(tmp_path: Path, line: str) -> None:
    path = file(tmp_path, "a.jsonl", line + '\n{"format":"labelwright/1","text":"fine"}\n')
    good, bad = read(path, sniff(path, path.name) if "metadata" not in line else "labelwright")
    assert [row.text for row in good] == [GOOD]
    assert len(bad) == 1


@pytest.mark.parametrize(
    "opinion",
    [
        7, [], {"result": 7}, {"result": [7]}, {"result": [{}]}, {"result": [{"value": {}, "from_name": "q"}]},
        {"result": [{"value": {"start": -1, "end": 2, "labels": ["A"]}, "from_name": "q", "type": "labels"}]},
        {"result": [{"value": {"start": 0, "end": 99, "labels": ["A"]}, "from_name": "q", "type": "labels"}]},
        {"result": [{"value": {"start": "0", "end": 1, "labels": ["A"]}, "from_name": "q", "type": "labels"}]},
        {"result": [{"value": {"start": 0, "end": 1, "labels": 7}, "from_name": "q", "type": "labels"}]},
        {"result": [{"value": {"globalOffsets": 1, "labels": ["A"]}, "from_name": "q", "type": "labels"}]},
        {"result": [{"value": {"choices": "A"}, "from_name": "q", "type": "choices"}]},
        {"result": [{"value": {"ranker": 1}, "from_name": "q", "type": "ranker"}]},
        {"was_cancelled": True, "result": []},
    ],
)  # fmt: skip
def test_a_bad_opinion_of_label_studio_is_a_problem_and_the_text_is_kept(
    tmp_path: Path, opinion: object
) -> None:
    path = file(tmp_path, "a.json", json.dumps([{"data": {"text": GOOD}, "annotations": [opinion]}]))
    good, bad = read(path, "label_studio")
    assert [row.text for row in good] == [GOOD]
    assert len(bad) == 1


def test_a_large_array_is_read_in_pieces(tmp_path: Path) -> None:
    rows = [{"id": i, "text": f"text {i} " + "é" * (i % 900)} for i in range(6_000)]
    rows[100]["text"] = "x" * 3_000_000
    path = file(tmp_path, "a.json", json.dumps(rows, ensure_ascii=False))
    good, bad = read(path, "json")
    assert [row.text for row in good] == [row["text"] for row in rows]
    assert bad == []


def test_parquet_is_read_with_odd_values_as_metadata(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import datetime

    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {
            "text": ["fine", "fine", None],
            "score": [float("nan"), 0.5, float("inf")],
            "day": [datetime.date(2024, 1, 2), None, None],
            "many": [[1, 2], [], None],
        }
    )
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table, path)
    good, bad = read(path, sniff(path, path.name))
    assert [row.metadata for row in good] == [
        {"score": None, "day": "2024-01-02", "many": "[1, 2]"},
        {"score": 0.5, "day": None, "many": "[]"},
    ]
    assert [(p.where, p.code) for p in bad] == [("a.parquet:3:text", "not_a_text")]
