"""YOLO: read back by supervision and by us; what is lost is told; broken rows cost only themselves."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.answer import Region
from labelwright.core.errors import Invalid
from labelwright.core.geometry import bounds, corners
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.shape import Box, Points, Polygon, Polyline, RotatedBox, Shape
from labelwright.formats import yolo_out
from labelwright.formats.registry import image_questions, sniff_images
from tests.formats.image_made import (
    FACE,
    LAW,
    close,
    export,
    load,
    marked,
    picture,
    put,
    regions_of,
    rings,
    same_pixels,
    shapes,
    shown,
)

SHEET = "names: [car, cat]\n"
FORMS = {"detect": "yolo", "segment": "yolo_segment", "pose": "yolo_pose", "obb": "yolo_obb"}


def supervision_reads(folder: Path, **how: Any) -> Any:
    sv = pytest.importorskip("supervision")
    return sv.DetectionDataset.from_yolo(
        images_directory_path=str(folder / "images/train"),
        annotations_directory_path=str(folder / "labels/train"),
        data_yaml_path=str(folder / "data.yaml"),
        **how,
    )


def test_supervision_reads_boxes(tmp_path: Path) -> None:
    rows = [
        shown(
            1,
            marked(("cat", Box(x=10, y=5, width=20, height=30)), ("car", Box(x=0, y=0, width=60, height=40))),
        ),
        shown(2, marked()),
        shown(3, None),
    ]
    losses = export("yolo", rows, tmp_path / "out")
    assert (losses.counts, losses.left_out_counts) == ({}, {"no_answer": 1})
    found = supervision_reads(tmp_path / "out")
    assert found.classes == ["Car 🚗", 'Cat "x", y', "face"]
    by_name = {Path(path).name: marks for path, _, marks in found}
    assert by_name.keys() == {"photo 1.png", "photo 2.png"}
    assert by_name["photo 1.png"].class_id.tolist() == [1, 0]
    assert np.allclose(by_name["photo 1.png"].xyxy, [[10, 5, 30, 35], [0, 0, 60, 40]], atol=1e-3)
    assert len(by_name["photo 2.png"]) == 0


def test_supervision_reads_outlines_with_a_hole(tmp_path: Path) -> None:
    shape = Polygon(
        parts=(
            (
                (((5.0, 5.0), (55.0, 5.0), (55.0, 35.0), (5.0, 35.0))),
                (((15.0, 10.0), (15.0, 30.0), (45.0, 30.0), (45.0, 10.0))),
            ),
        )
    )
    losses = export("yolo_segment", [shown(1, marked(("car", shape)))], tmp_path / "out")
    assert losses.counts == {"bridged": 1}
    ((_, _, marks),) = supervision_reads(tmp_path / "out", force_masks=True)
    # OpenCV also fills the border of what it fills, so the hole is a pixel smaller on each side; it is still a hole.
    assert not marks.mask[0][12:29, 17:44].any()
    assert marks.mask[0][6:9, 6:54].all()


def test_supervision_reads_turned_boxes(tmp_path: Path) -> None:
    box = RotatedBox(x=20, y=10, width=20, height=10, angle_deg=30)
    losses = export("yolo_obb", [shown(1, marked(("car", box)))], tmp_path / "out")
    assert losses.counts == {}
    ((_, _, marks),) = supervision_reads(tmp_path / "out", is_obb=True)
    assert np.allclose(marks.data["xyxyxyxy"][0], corners(box), atol=1e-3)


def test_key_points_go_with_their_names_and_what_a_mirror_does(tmp_path: Path) -> None:
    shape = Points(
        points=((30, 20), (20, 10), (0, 0)), visibility=(2, 1, 0), box=Box(x=10, y=5, width=30, height=30)
    )
    losses = export(
        "yolo_pose",
        [shown(1, marked(("face", shape), ("car", Box(x=1, y=1, width=5, height=5))))],
        tmp_path / "out",
    )
    assert losses.counts == {"not_held": 1}
    sheet = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert (sheet["kpt_shape"], sheet["flip_idx"]) == ([3, 3], [0, 2, 1])
    assert sheet["kpt_names"] == {2: list(FACE.points)}
    row = (tmp_path / "out/labels/train/photo 1.txt").read_text().split()
    assert row == [
        "2",
        "0.416667",
        "0.500000",
        "0.500000",
        "0.750000",
        "0.500000",
        "0.500000",
        "2",
        "0.333333",
        "0.250000",
        "1",
        "0",
        "0",
        "0",
    ]
    ((_, _, marks),) = supervision_reads(tmp_path / "out")
    assert np.allclose(marks.xyxy, [[10, 5, 40, 35]], atol=1e-3)


def test_one_image_per_label_file_whatever_the_names(tmp_path: Path) -> None:
    box = marked(("car", Box(x=0, y=0, width=1, height=1)))
    names = ["a.jpg", "A.png", "b/a.jpg", "b_a.jpg", "=cmd.png", "Größe 😀.png", "../../x.png"]
    rows = [
        shown(i, box, name=name, metadata={"split": "val" if i % 2 else "train"})
        for i, name in enumerate(names)
    ]
    losses = export("yolo", rows, tmp_path / "out")
    written = [
        p.relative_to(tmp_path / "out/labels").as_posix()
        for p in sorted((tmp_path / "out/labels").rglob("*.txt"))
    ]
    assert len({w.casefold() for w in written}) == len(names)
    assert losses.counts["renamed"] >= 2
    good, bad = load("yolo", tmp_path / "out")
    assert bad == []
    assert sorted(str(r.metadata["split"]) for r in good) == ["train"] * 4 + ["val"] * 3
    assert len({r.external_id for r in good}) == len(names)


@LAW
@given(
    kind=st.sampled_from(list(FORMS)),
    found=st.lists(st.tuples(st.sampled_from(["car", "cat", "face"]), shapes()), max_size=4),
)
def test_what_comes_back_is_what_went_out_up_to_the_reported_losses(
    kind: str, found: list[tuple[str, Shape]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        losses = export(FORMS[kind], [shown(1, marked(*found))], Path(name) / "out")
        good, bad = load("yolo", Path(name) / "out")
    assert bad == []
    back = regions_of(good[0])
    told = [entry["message"] for entry in losses.listed]
    kept = [
        (f"r{i}'", each)
        for i, each in enumerate(found)
        if not any(f"'r{i}'" in m and "not held" in m for m in told)
    ]
    assert [r.label for r in back] == [label for _, (label, _) in kept]
    allowed = {
        "as_box",
        "as_rotated_box",
        "as_polygon",
        "bridged",
        "box_added",
        "clipped",
        "not_held",
        "outside",
    }
    assert losses.counts.keys() <= allowed
    for (key, (_, shape)), region in zip(kept, back, strict=True):
        codes = {entry["code"] for entry in losses.listed if f"'{key}" in entry["message"]}
        check(shape, region, codes)


def check(shape: Shape, region: Region, codes: set[str]) -> None:
    made = region.shape
    if "as_box" in codes:
        around = bounds(shape)
        assert around is not None and close(made.model_dump(), around.model_dump())
    elif codes & {"as_polygon", "bridged"}:
        assert isinstance(made, Polygon)
        if isinstance(shape, Polygon):
            assert rings(made) == rings(shape)
        else:
            assert same_pixels(shape, made, share=0.02 if isinstance(shape, RotatedBox) else 0.0)
    elif "as_rotated_box" in codes:
        assert isinstance(made, RotatedBox)
        whole, part = bounds(made), bounds(shape)
        assert whole is not None and part is not None
        if not codes & {"clipped"}:
            assert whole.x <= part.x + 0.01 and whole.x + whole.width >= part.x + part.width - 0.01
    elif codes & {"clipped"}:
        return
    elif "box_added" in codes:
        assert isinstance(made, Points) and isinstance(shape, Points)
        assert close(made.model_dump(exclude={"box"}), shape.model_dump(exclude={"box"}))
    elif isinstance(shape, RotatedBox):
        assert isinstance(made, RotatedBox)
        assert close(corners(made), corners(shape), 0.01)
    elif isinstance(shape, Polygon):
        assert isinstance(made, Polygon) and rings(made) == rings(shape)
    else:
        assert close(made.model_dump(), shape.model_dump())


def test_boxes_of_whole_pixels_come_back_whole(tmp_path: Path) -> None:
    box = Box(x=7, y=3, width=11, height=23)
    export("yolo", [shown(1, marked(("car", box)))], tmp_path / "out")
    (row,), _ = load("yolo", tmp_path / "out")
    assert regions_of(row)[0].shape == box


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0 0.5 0.5 nan 0.2", "numbers wanted"),
        ("0 0.5 0.5 inf 0.2", "numbers wanted"),
        ("0 0.5 0.5 1e999 0.2", "beyond"),
        ("0 0.5 0.5 ١ 0.2", "numbers wanted"),
        ("0 0.5 0.5 1_0 0.2", "numbers wanted"),
        ("9 0.5 0.5 0.2 0.2", "not among the 2 names"),
        ("-1 0.5 0.5 0.2 0.2", "not among the 2 names"),
        ("0.5 0.5 0.5 0.2 0.2", "not among the 2 names"),
        ("0 0.5 0.5 -0.2 0.2", "got -0.2"),
        ("0 0.5 0.5 0 0.2", "above 0"),
        ("0 1.5 0.5 0.2 0.2", "in 0 to 1, got 1.5"),
        ("0 0.5 0.5 0.2", "4 columns"),
        ("0", "1 columns"),
        ("0 0.1 0.1 0.2 0.2 0.1 0.1", "three different points"),
        ("0 0.1 0.1 0.2 0.2 0.1 1.2", "in 0 to 1, got 1.2"),
        ("0 0.5 0.5 0.2 0.2 7", "confidence"),
        ("😀 0.5 0.5 0.2 0.2", "numbers wanted"),
        ("\0 0.5 0.5 0.2 0.2", "numbers wanted"),
        ("0 " + "0.5 " * 2_000, "three different points"),
        ("0 " + "0.5 " * 2_500_000, "10000002 characters"),
    ],
)
def test_a_bad_row_costs_only_itself(tmp_path: Path, row: str, said: str) -> None:
    files: dict[str, bytes | str] = {"data.yaml": SHEET, "images/a.png": picture()}
    files |= {"labels/a.txt": f"{row}\n\n1 0.5 0.5 0.5 0.5\r\n"}
    (good,), (bad,) = load("yolo", put(tmp_path, files))
    assert (bad.code, bad.where) == ("line_too_long" if len(row) > 10**6 else "bad_row", "labels/a.txt:1")
    assert said in bad.message and len(bad.message) < 200
    assert [r["label"] for r in good.opinions[0].answers["objects"]] == ["cat"]


@pytest.mark.parametrize(
    "sheet",
    ["", "a: [", "names:", "names: 7", "names: []", "[1, 2]", "names: {x: y}", "names: [a]\nkpt_shape: [0, 3]", "- " * 5_000,
     "names: [a]\nkpt_shape: 17", "\0", "names: !!python/object/apply:os.system [ls]", "names: ['a\0']", "[" * 20_000],
)  # fmt: skip
def test_a_sheet_that_names_no_classes_is_refused(tmp_path: Path, sheet: str) -> None:
    files = put(
        tmp_path, {"data.yaml": sheet, "images/a.png": picture(), "labels/a.txt": "0 0.5 0.5 0.2 0.2"}
    )
    with pytest.raises(Invalid):
        load("yolo", files)
    assert sniff_images(files, "x") == "images"


def test_a_photo_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    files = put(
        tmp_path,
        {"data.yaml": SHEET, "images/a.jpg": picture((60, 40), 6, "JPEG"), "labels/a.txt": "0 0.5 0.5 1 1"},
    )
    (row,), bad = load("yolo", files)
    assert bad == []
    assert row.opinions[0].answers["objects"][0]["shape"] == Box(x=0, y=0, width=60, height=40).model_dump()


def test_labels_without_an_image_and_images_without_labels_are_told_apart(tmp_path: Path) -> None:
    files = put(tmp_path, {
        "data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames: {1: cat, 0: car}\n",
        "images/train/a.png": picture(), "images/val/b.png": picture(), "images/val/c.png": b"no image",
        "labels/train/a.txt": "", "labels/train/gone.txt": "0 0.5 0.5 0.2 0.2", "labels/val/c.txt": "0 0.5 0.5 0.2 0.2",
        "README.txt": "hello world",
    })  # fmt: skip
    assert sniff_images(files, "x") == "yolo"
    good, bad = load("yolo", files)
    assert [(r.external_id, r.metadata, len(r.opinions)) for r in good] == [
        ("a.png", {"split": "train"}, 1),
        ("b.png", {"split": "val"}, 0),
    ]
    assert good[0].opinions[0].answers == {"objects": []}
    assert [(p.where, p.code) for p in bad] == [
        ("images/val/c.png", "bad_image"),
        ("labels/train/gone.txt", "no_image"),
    ]


def test_darknet_folders_are_read_too(tmp_path: Path) -> None:
    files = put(tmp_path, {
        "obj.data": "classes = 2\nnames = data/obj.names\n", "obj.names": "car\ncat\n",
        "train.txt": "data/obj_train_data/a.png\n", "obj_train_data/a.png": picture(), "obj_train_data/a.txt": "1 0.5 0.5 1 1\n",
    })  # fmt: skip
    assert sniff_images(files, "x") == "yolo"
    (row,), bad = load("yolo", files)
    assert (bad, row.external_id) == ([], "a.png")
    assert row.opinions[0].answers["objects"][0]["label"] == "cat"


@pytest.mark.parametrize(
    ("sheet", "rows", "kind", "scores"),
    [
        (SHEET, "0 .5 .5 .5 .5 0.75\n", "box", 0.75),
        (SHEET, "0 .1 .1 .5 .1 .5 .5\n0 .5 .5 .2 .2\n", "polygon", None),
        (SHEET, "0 .1 .1 .5 .1 .5 .5 0.5\n", "polygon", 0.5),
        (SHEET, "0 .1 .1 .5 .1 .5 .5 .1 .5\n", "rotated_box", None),
        (SHEET + "kpt_shape: [2, 2]\n", "0 .5 .5 1 1 .1 .1 0 0\n", "points", None),
        (SHEET + "kpt_shape: [2, 3]\n", "0 .5 .5 1 1 .1 .1 2 .2 .2 1 0.25\n", "points", 0.25),
    ],
)
def test_the_columns_say_what_a_row_is(
    tmp_path: Path, sheet: str, rows: str, kind: str, scores: float | None
) -> None:
    files = put(tmp_path, {"data.yaml": sheet, "images/a.png": picture(), "labels/a.txt": rows})
    (row,), bad = load("yolo", files)
    assert bad == []
    (opinion,) = row.opinions
    first = opinion.answers["objects"][0]
    assert (first["shape"]["kind"], first.get("score")) == (kind, scores)
    assert opinion.by == ("person" if scores is None else "model")
    asked = image_questions(files, "yolo", [row])
    assert [label["name"] for label in asked[0]["labels"]] == ["car", "cat"]
    assert asked[0]["shapes"] == [kind]


def test_two_questions_with_the_same_label_have_two_classes(tmp_path: Path) -> None:
    labels = (Label(id="a", name="Car"),)
    ontology = Ontology(questions=tuple(RegionQuestion(id=q, name=q, labels=labels) for q in ("one", "two")))
    row = shown(1, marked(("a", Box(x=1, y=1, width=2, height=2)), question="two"))
    export("yolo", [row], tmp_path / "out", ontology)
    assert yaml.safe_load((tmp_path / "out/data.yaml").read_text())["names"] == {0: "one: Car", 1: "two: Car"}
    assert (tmp_path / "out/labels/train/photo 1.txt").read_text().startswith("1 ")


def test_lines_are_no_areas_and_are_told(tmp_path: Path) -> None:
    line = Polyline(points=((1, 1), (1, 9)))
    losses = export(
        "yolo",
        [
            shown(
                1,
                marked(
                    ("car", line),
                    ("car", Box(x=100, y=1, width=2, height=2)),
                    ("car", Box(x=50, y=30, width=20, height=20)),
                ),
            )
        ],
        tmp_path / "out",
    )
    assert losses.counts == {"not_held": 1, "outside": 1, "clipped": 1}


def test_left_and_right_are_swapped_by_their_names() -> None:
    assert yolo_out.flip_idx(("nose", "left_eye", "right_eye", "L-Hand", "R-Hand", "left foot")) == [
        0,
        2,
        1,
        4,
        3,
        5,
    ]
