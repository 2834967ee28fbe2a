"""Boxes in CSV files, and image folders: read back by the csv module and by `datasets`."""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.answer import Answers, ChoiceAnswer, Region, ScalarAnswer, TextAnswer
from labelwright.core.geometry import bounds
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    RegionQuestion,
    ScalarQuestion,
    TextQuestion,
)
from labelwright.core.shape import Box, Shape
from labelwright.core.transfer import resolve
from labelwright.formats.registry import image_questions, sniff_images
from tests.formats.image_made import (
    LAW,
    OBJECTS,
    SIZE,
    Folder,
    close,
    export,
    load,
    marked,
    picture,
    put,
    regions_of,
    shapes,
    shown,
)

CAR = Region(
    id="a",
    label="car",
    shape=Box(x=1.5, y=2, width=10, height=20.25),
    attributes={"colour": "red", "doors": 4},
    score=0.5,
)


# --- CSV ----------------------------------------------------------------------------------------------------------


def test_the_csv_module_reads_our_boxes(tmp_path: Path) -> None:
    rows = [
        shown(1, marked(CAR)),
        shown(2, marked()),
        shown(3, None),
        shown(4, marked(("cat", Box(x=0, y=0, width=1, height=1))), name="=cmd.png"),
    ]
    losses = export("boxes_csv", rows, tmp_path / "out")
    with (tmp_path / "out/boxes.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [r["file"] for r in found] == ["photo 1.png", "photo 2.png", "'=cmd.png"]
    assert found[0]["label"] == "Car 🚗" and json.loads(found[0]["attributes"]) == {
        "Colour": "red",
        "Doors": 4,
    }
    assert [float(found[0][key]) for key in ("xmin", "ymin", "xmax", "ymax", "score")] == [
        1.5,
        2,
        11.5,
        22.25,
        0.5,
    ]
    assert found[1]["label"] == found[1]["xmin"] == ""
    assert losses.counts == {"formula_guard": 1} and losses.left_out_counts == {"no_answer": 1}


@LAW
@given(found=st.lists(st.tuples(st.sampled_from(["car", "cat", "face"]), shapes()), max_size=4))
def test_csv_and_image_folders_give_back_boxes_and_tell_the_rest(found: list[tuple[str, Shape]]) -> None:
    for form in ("boxes_csv", "imagefolder"):
        with tempfile.TemporaryDirectory() as name:
            losses = export(form, [shown(1, marked(*found))], Path(name) / "out")
            (row,), bad = load(form, Path(name) / "out")
        assert bad == []
        told = {i: {e["code"] for e in losses.listed if f"'r{i}'" in e["message"]} for i in range(len(found))}
        kept = [i for i in told if not told[i] & {"not_held", "outside"}]
        assert all(bounds(found[i][1]) is not None for i in kept)
        back = regions_of(row)
        assert [r.label for r in back] == [found[i][0] for i in kept]
        for i, region in zip(kept, back, strict=True):
            around = bounds(found[i][1])
            assert around is not None
            assert ("as_box" in told[i]) == (not isinstance(found[i][1], Box))
            if "clipped" not in told[i]:
                assert close(region.shape.model_dump(), around.model_dump(), 1e-9)


@pytest.mark.parametrize(
    "text",
    ["filename,width,height,class,xmin,ymin,xmax,ymax\na.png,60,40,car,6,8,36,28\n", "image;label;x;y;w;h\nsub\\a.png;car;6;8;30;20\n",
     "ImageID,LabelName,XMin,YMin,XMax,YMax\na,car,0.1,0.2,0.6,0.7\n", "path\tname\tbbox\n/data/x/a.png\tcar\t\"[6, 8, 30, 20]\"\n",
     "a.png,6,8,36,28,car\n", "file,category,left,top,width,height\na.png,car,6,8,30,20\n", '\ufeffimage_path,class_name,x1,y1,x2,y2\n"a.png","car",6,8,36,28'],
)  # fmt: skip
def test_columns_are_guessed_whatever_they_are_called(tmp_path: Path, text: str) -> None:
    files = put(tmp_path, {"labels.csv": text, "images/a.png": picture(), "images/b.png": picture()})
    assert sniff_images(files, "x") == "boxes_csv"
    good, bad = load("boxes_csv", files)
    assert bad == []
    assert [(r.image, len(r.opinions)) for r in good] == [("images/a.png", 1), ("images/b.png", 0)]
    (region,) = good[0].opinions[0].answers["objects"]
    assert region["label"] == "car" and close(
        region["shape"], Box(x=6, y=8, width=30, height=20).model_dump(), 1e-9
    )


@pytest.mark.parametrize(
    "row",
    ["a.png,car,nan,1,5,5", "a.png,car,5,1,5,5", "a.png,car,9,1,5,5", "a.png,car,,1,5,5", "a.png,,1,1,5,5", ",car,1,1,5,5", "a.png,car,1e999,1,5,5",
     "a.png,car,1,1,5", "a.png,car,1_0,1,50,5", "a.png,car,😀,1,5,5"],
)  # fmt: skip
def test_a_bad_row_costs_only_itself(tmp_path: Path, row: str) -> None:
    text = f"file,label,xmin,ymin,xmax,ymax,colour\n{row},x\na.png,cat,2,2,9,9,y\n"
    (good,), (first, second) = load("boxes_csv", put(tmp_path, {"a.csv": text, "a.png": picture()}))
    assert (first.code, "colour" in first.message) == ("unused_column", True)
    assert second.where == "a.csv:2" and second.code in ("bad_row", "ragged_row")
    assert [r["label"] for r in good.opinions[0].answers["objects"]] == ["cat"]


def test_a_long_line_and_shares_without_an_image_are_told(tmp_path: Path) -> None:
    text = "file,label,xmin,ymin,xmax,ymax\n" + "x" * 17_000_000 + "\ngone.png,cat,0.2,0.2,0.9,0.9\n"
    good, bad = load("boxes_csv", put(tmp_path, {"a.csv": text, "a.png": picture()}))
    assert sorted(p.code for p in bad) == ["line_too_long", "no_image"] and [r.opinions for r in good] == [()]
    text = "file,label,xmin,ymin,xmax,ymax\ngone.png,cat,2,2,9,9\n"
    good, bad = load("boxes_csv", put(tmp_path / "b", {"a.csv": text}))
    assert [(r.image, r.external_id) for r in good] == [(None, "gone.png")] and bad == []


# --- image folders ------------------------------------------------------------------------------------------------

FULL = Ontology(
    questions=(
        *OBJECTS.questions,
        ChoiceQuestion(
            id="weather",
            name="Weather",
            labels=(Label(id="s", name="sun"), Label(id="r", name="rain"), Label(id="f", name="fog")),
        ),
        ChoiceQuestion(
            id="tags",
            name="Tags",
            labels=(Label(id="x", name="x, y"), Label(id="z", name="z")),
            multiple=True,
        ),
        ScalarQuestion(id="stars", name="Stars", type="integer"),
        TextQuestion(id="note", name="Note"),
    )
)
SAID = Answers.of({
    **marked(CAR, ("cat", Box(x=0, y=0, width=1, height=1))).root, "weather": ChoiceAnswer(labels=("r",)), "tags": ChoiceAnswer(labels=("x", "z")),
    "stars": ScalarAnswer(value=4), "note": TextAnswer(text="größer 😀"),
})  # fmt: skip
READ = """
import json, sys
from datasets import Features, load_dataset
data = load_dataset("imagefolder", data_dir=sys.argv[1])
features = Features.from_dict(json.load(open(sys.argv[1] + "/features.json")))
rows = {split: [{**row, "image": list(row["image"].size)} for row in data[split]] for split in data}
print(json.dumps([rows, features["objects"]["category"].feature.names, features["weather"].str2int("fog")]))
"""


def test_datasets_reads_our_image_folder_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    split: dict[str, Any] = {"metadata": {"split": "val"}}
    rows = [
        shown(1, SAID),
        shown(2, marked(), name="sub/b.png"),
        shown(3, None),
        shown(4, SAID, **split),
        shown(5, marked(), **split),
        shown(6, None, **split),
    ]
    losses = export("imagefolder", rows, tmp_path / "out", FULL)
    assert losses.counts == {"attributes": 2, "no_answer": 2}
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env={**os.environ, **quiet},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found, names, fog = json.loads(done.stdout.splitlines()[-1])
    assert (names, fog) == (["Car 🚗", 'Cat "x", y', "face"], 2)
    first, second, third = found["train"]
    assert first["image"] == list(SIZE)
    assert first["objects"]["bbox"] == [[1.5, 2, 10, 20.25], [0, 0, 1, 1]] and first["objects"][
        "category"
    ] == ["Car 🚗", 'Cat "x", y']
    assert (first["weather"], first["tags"], first["stars"], first["note"]) == (
        "rain",
        ["x, y", "z"],
        4,
        "größer 😀",
    )
    assert second["objects"]["bbox"] == [] and third["objects"] is None
    assert len(found["validation"]) == 3


def test_our_image_folder_comes_back_with_the_same_answers(tmp_path: Path) -> None:
    export("imagefolder", [shown(1, SAID), shown(2, None)], tmp_path / "out", FULL)
    assert sniff_images(Folder(tmp_path / "out"), "x") == "imagefolder"
    good, bad = load("imagefolder", tmp_path / "out")
    answers, _, problems = resolve(good[0].opinions[0], FULL, SIZE)
    assert bad == problems == [] and good[1].opinions == ()
    assert {q: a for q, a in answers.items() if q != "things"} == {
        q: SAID.get(q) for q in ("weather", "tags")
    }
    assert good[0].metadata == {"split": "train", "stars": 4, "note": "größer 😀"}
    assert [(r.label, r.shape, r.score) for r in regions_of_first(good[0])] == [
        ("car", CAR.shape, 0.5),
        ("cat", Box(x=0, y=0, width=1, height=1), None),
    ]
    asked = image_questions(Folder(tmp_path / "out"), "imagefolder", good)
    assert [(q["kind"], q["name"], [x if isinstance(x, str) else x["name"] for x in q["labels"]]) for q in asked] == [
        ("region", "objects", ["Car 🚗", 'Cat "x", y', "face"]), ("choice", "weather", ["sun", "rain", "fog"]), ("choice", "tags", ["x, y", "z"]),
    ]  # fmt: skip


def regions_of_first(row: Any) -> tuple[Region, ...]:
    answers, _, _ = resolve(row.opinions[0], FULL, SIZE)
    found: Any = answers.get("things")
    return tuple(found.regions)


def test_a_folder_per_class_is_the_answer_to_a_question_label(tmp_path: Path) -> None:
    files = put(
        tmp_path, {"train/cat/a.png": picture(), "train/dog/a.png": picture(), "test/dog/c.png": picture()}
    )
    assert sniff_images(files, "x") == "imagefolder"
    good, bad = load("imagefolder", files)
    assert bad == []
    assert [(r.external_id, r.metadata["split"], r.opinions[0].answers) for r in good] == [
        ("test/dog/c.png", "test", {"label": "dog"}), ("train/cat/a.png", "train", {"label": "cat"}), ("train/dog/a.png", "train", {"label": "dog"}),
    ]  # fmt: skip
    assert (
        sniff_images(
            put(tmp_path / "x", {"holiday/cat/a.png": picture(), "holiday/dog/b.png": picture()}), "x"
        )
        == "images"
    )
    asked = image_questions(files, "imagefolder", good)
    assert [(q["name"], sorted(q["labels"])) for q in asked] == [("label", ["cat", "dog"])]


@pytest.mark.parametrize(
    "wrong",
    [{"bbox": [[1, 1, 5]], "category": ["car"]}, {"bbox": [[1, 1, -5, 5]], "category": ["car"]}, {"bbox": [[1, 1, 5, 5]], "category": []}, {"bbox": 7},
     {"bbox": [[1, 1, 5, 5]]}, {"bbox": [[1, 1, 5, 5]], "category": [None]}, [7], 7, {"bbox": [["1", 1, 5, 5]], "category": ["car"]}, {"bbox": [[1e300, 1, 5, 5]], "category": ["car"]}],
)  # fmt: skip
def test_bad_objects_are_told(tmp_path: Path, wrong: Any) -> None:
    rows = [
        {"file_name": "a.png", "objects": wrong},
        {"file_name": "b.png", "objects": [{"bbox": [1, 1, 5, 5], "category": 1}], "label": 0},
    ]
    text = (
        "".join(json.dumps(row) + "\n" for row in rows)
        + '{"file_name": NaN}\n{"file_name": "gone.png"}\n[]\n'
    )
    files = put(tmp_path, {
        "metadata.jsonl": text, "a.png": picture(), "b.png": picture(),
        "features.json": json.dumps({"objects": {"category": {"feature": {"names": ["car", "cat"]}}}, "label": {"names": ["day"]}}),
    })  # fmt: skip
    good, bad = load("imagefolder", files)
    assert [p.code for p in bad] == ["bad_objects", "bad_json", "no_image", "not_an_object"]
    assert good[1].opinions[0].answers["objects"][0]["label"] == "cat" and good[1].opinions[0].answers[
        "label"
    ] == ["day"]


def test_a_column_that_is_empty_in_one_split_only_is_told(tmp_path: Path) -> None:
    rows = [shown(1, SAID), shown(2, marked(), metadata={"split": "val"})]
    losses = export("imagefolder", rows, tmp_path / "out", FULL)
    assert "empty_column" in {note["code"] for note in losses.notes}


def test_images_without_region_questions_are_classes(tmp_path: Path) -> None:
    ontology = Ontology(questions=(FULL.questions[1],))
    assert not isinstance(ontology.questions[0], RegionQuestion)
    export(
        "imagefolder",
        [shown(1, Answers.of({"weather": ChoiceAnswer(labels=("r",))})), shown(2, None)],
        tmp_path / "out",
        ontology,
    )
    lines = [json.loads(line) for line in (tmp_path / "out/train/metadata.jsonl").read_text().splitlines()]
    assert lines == [
        {"file_name": "photo 1.png", "weather": "rain"},
        {"file_name": "photo 2.png", "weather": None},
    ]
