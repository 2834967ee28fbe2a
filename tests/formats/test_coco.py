"""COCO out, read by pycocotools, supervision and numpy; in again; and the law that what is lost is what is reported."""

import contextlib
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelwright.core import mask as masks
from labelwright.core.answer import Answers, Region, RegionAnswer
from labelwright.core.errors import Invalid
from labelwright.core.mask import area_px2, decode, rasterise
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.predictor import Prediction
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox
from labelwright.core.transfer import Outgoing
from labelwright.formats import registry
from tests.formats.image_made import (
    ALL_KINDS,
    SIZE,
    Folder,
    export,
    load,
    marked,
    picture,
    put,
    regions_of,
    same_pixels,
    shapes,
    shown,
)
from tests.formats.made import AT

OUTER = ((2.0, 2.0), (30.5, 3.25), (28.0, 30.0), (1.0, 25.75))
HOLE = ((8.0, 8.0), (8.0, 14.5), (14.25, 12.0))
OTHER = ((40.0, 10.0), (50.125, 11.0), (45.0, 30.0))
BLOT = np.zeros((40, 60), dtype=bool)
BLOT[5:20, 10:30] = True
BLOT[8:12, 15:20] = False
FACE = Points(
    points=((10.0, 10.0), (0.0, 0.0), (20.0, 12.0)),
    visibility=(2, 0, 1),
    box=Box(x=5, y=5, width=20, height=25),
)
EVERYTHING = marked(
    ("car", Box(x=3, y=4.5, width=20, height=10.25)),
    ("car", RotatedBox(x=20, y=10, width=20, height=8, angle_deg=30)),
    ("cat", Polygon(parts=((OUTER,),))),
    ("cat", Polygon(parts=((OUTER, HOLE), (OTHER,)))),
    ("cat", Polygon(parts=((OTHER,), (OUTER,)))),
    ("car", masks.encode(BLOT)),
    ("face", FACE),
    ("face", Box(x=1, y=1, width=8, height=8)),
    ("car", Polyline(points=((1.0, 1.0), (9.0, 9.0)))),
)  # fmt: skip


def quietly(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def scores(truth: COCO, results: Any, kind: str, categories: tuple[int, ...] = (1, 2, 3)) -> float:
    """Average precision by the reference."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(truth, truth.loadRes(results), kind)
        run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = [[0, 1e10]], ["all"], [100]
        run.params.catIds = list(categories)
        run.params.kpt_oks_sigmas = np.full(3, 0.05)
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"]
    return round(float(precision[precision > -1].mean()), 12)


def predicted(row: Outgoing, answers: Answers) -> Outgoing:
    prediction = Prediction(
        id=1, run_id=None, asset_id=row.asset.id, predictor_sha256="1" * 64, predictor_title="m", ontology_version=1,
        answers=answers, created_at=AT,
    )  # fmt: skip
    return Outgoing(**{**{k: getattr(row, k) for k in row.__slots__}, "prediction": prediction})


def scored(answers: Answers, score: float = 0.75) -> Answers:
    return Answers.of({
        q: RegionAnswer(regions=tuple(r.model_copy(update={"score": score}) for r in a.regions))
        for q, a in answers.items() if isinstance(a, RegionAnswer)
    })  # fmt: skip


# --- instances, by pycocotools ------------------------------------------------------------------------------------


def test_pycocotools_sees_every_pixel_and_area_of_what_is_written(tmp_path: Path) -> None:
    losses = export("coco", [shown(1, EVERYTHING), shown(2, None), shown(3, marked())], tmp_path / "out")
    coco = quietly(tmp_path / "out" / "annotations" / "instances.json")
    assert losses.counts == {"polyline": 1, "rotated_box": 1, "holes": 1}
    assert len(coco.getImgIds()) == 3 and sorted(coco.getAnnIds()) == list(range(1, 9))
    assert [c["name"] for c in coco.loadCats([1, 2, 3])] == ["Car 🚗", 'Cat "x", y', "face"]
    answer = EVERYTHING.get("things")
    assert isinstance(answer, RegionAnswer)
    area_regions = [r for r in answer.regions if not isinstance(r.shape, Points | Polyline)]
    found = [a for a in coco.loadAnns(coco.getAnnIds()) if not a.get("num_keypoints")]
    for region, mark in zip(area_regions, found, strict=True):
        ours = decode(rasterise(region.shape, SIZE))
        assert (coco.annToMask(mark).astype(bool) == ours).all(), region.shape.kind
        assert mark["area"] == ours.sum()
    (face,) = [a for a in coco.loadAnns(coco.getAnnIds()) if a.get("num_keypoints")]
    assert face["keypoints"] == [10, 10, 2, 0, 0, 0, 20, 12, 1] and face["num_keypoints"] == 2
    assert face["bbox"] == [5, 5, 20, 25] and coco.annToMask(face).sum() == face["area"] == 500
    (category,) = coco.loadCats([3])
    assert category["keypoints"] == ["nose", "left eye", "right eye"] and category["skeleton"] == [
        [1, 2],
        [1, 3],
    ]


def test_a_file_evaluated_against_itself_is_perfect(tmp_path: Path) -> None:
    row = predicted(shown(1, EVERYTHING), scored(EVERYTHING))
    export("coco", [row], tmp_path / "out")
    truth = quietly(tmp_path / "out" / "annotations" / "instances.json")
    path = str(tmp_path / "out" / "annotations" / "results.json")
    assert scores(truth, path, "bbox") == 1.0
    faces = [r for r in json.loads(Path(path).read_text()) if "keypoints" in r]
    assert scores(truth, faces, "keypoints", (3,)) == 1.0
    areas = [r for r in json.loads(Path(path).read_text()) if "keypoints" not in r]
    assert scores(truth, areas, "segm", (1, 2)) == 1.0


def test_supervision_reads_boxes_and_masks(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    answers = marked(("car", Box(x=3, y=4, width=20, height=10)), ("cat", masks.encode(BLOT)))
    export("coco", [shown(1, answers, name="sub/a b.png")], tmp_path / "linked")
    shutil.copytree(tmp_path / "linked", tmp_path / "out")  # as the zip has it
    found = supervision.DetectionDataset.from_coco(
        str(tmp_path / "out" / "images"),
        str(tmp_path / "out" / "annotations" / "instances.json"),
        force_masks=True,
    )
    ((_, image, detections),) = list(found)
    assert image.shape == (40, 60, 3)
    assert detections.xyxy.tolist() == [[3, 4, 23, 14], [10, 5, 30, 20]]
    assert (detections.mask[1] == BLOT).all()
    assert [found.classes[i] for i in detections.class_id] == ["Car 🚗", 'Cat "x", y']


# --- and in again -------------------------------------------------------------------------------------------------


def test_everything_comes_back_but_what_was_reported(tmp_path: Path) -> None:
    export("coco", [shown(1, EVERYTHING), shown(2, None), shown(3, marked())], tmp_path / "out")
    files = Folder(tmp_path / "out")
    assert registry.sniff_images(files, "out") == "coco"
    (first, second, third), bad = load("coco", files)
    assert bad == []
    assert (first.image, first.external_id) == ("images/photo 1.png", "photo 1.png")
    box, rotated, polygon, holed, parts, blot, face, plain = (r.shape for r in regions_of(first))
    wanted = [r.shape for r in EVERYTHING.root["things"].regions]  # type: ignore[union-attr]
    assert (box, polygon, parts, blot, face, plain) == tuple(wanted[i] for i in (0, 2, 4, 5, 6, 7))
    assert isinstance(rotated, Polygon) and same_pixels(rotated, wanted[1])
    assert isinstance(holed, Mask) and same_pixels(holed, wanted[3])
    assert second.opinions == ()  # nobody looked
    assert third.opinions[0].answers == {"things": []}  # somebody found nothing


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_is_lost_is_what_is_reported(data: st.DataObject) -> None:
    labels = {"points": "face"}
    drawn = data.draw(st.lists(shapes(ALL_KINDS), max_size=4))
    attributes = st.dictionaries(st.sampled_from(["occluded"]), st.booleans())
    regions = [
        Region(id=f"r{i}", label=labels.get(shape.kind, "car"), shape=shape, attributes={} if shape.kind == "points" else data.draw(attributes))
        for i, shape in enumerate(drawn)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        losses = export("coco", [shown(1, marked(*regions))], Path(name) / "out")
        (row,), bad = load("coco", Path(name) / "out")
    assert bad == []
    assert sum(losses.counts.values()) == len(losses.listed)
    lost = {
        region.id: loss["code"]
        for loss in losses.listed for region in regions if f"'{region.id}'" in loss["message"]
    }  # fmt: skip
    kept = [region for region in regions if lost.get(region.id) != "polyline"]
    found = regions_of(row)
    assert len(found) == len(kept)
    for before, after in zip(kept, found, strict=True):
        assert (after.label, after.attributes) == (before.label, before.attributes)
        if before.id in lost:
            assert same_pixels(before.shape, after.shape)
        else:
            assert after.shape == before.shape


def test_attributes_crowds_and_scores_have_their_place(tmp_path: Path) -> None:
    label = Label.model_validate(
        {"id": "car", "name": "Car", "attributes": [
            {"id": "colour", "name": "Colour of it", "options": ["red"]}, {"id": "iscrowd", "name": "iscrowd", "type": "boolean"},
        ]}
    )  # fmt: skip
    ontology = Ontology(
        questions=(RegionQuestion(id="things", name="Things", labels=(label,), shapes=ALL_KINDS),)
    )
    regions = (
        Region(id="a", label="car", shape=Box(x=1, y=1, width=5, height=5), attributes={"colour": "red"}),
        Region(id="b", label="car", shape=masks.encode(BLOT), attributes={"iscrowd": True}),
    )
    losses = export("coco", [shown(1, marked(*regions))], tmp_path / "out", ontology)
    assert losses.counts == {}
    first, crowd = json.loads((tmp_path / "out/annotations/instances.json").read_text())["annotations"]
    assert first["attributes"] == {"Colour of it": "red"} and first["iscrowd"] == 0
    assert (
        crowd["iscrowd"] == 1
        and "attributes" not in crowd
        and set(crowd["segmentation"]) == {"size", "counts"}
    )
    (row,), _ = load("coco", tmp_path / "out")
    assert [r.attributes for r in regions_of(row, ontology)] == [{"colour": "red"}, {"iscrowd": True}]
    (question,) = registry.image_questions(Folder(tmp_path / "out"), "coco", [row])
    assert question["shapes"] == ["box", "mask"]
    assert question["labels"][0]["attributes"] == [
        {"id": "Colour_of_it", "name": "Colour of it", "type": "choice", "options": ["red"]},
        {"id": "iscrowd", "name": "iscrowd", "type": "boolean"},
    ]


def test_points_without_a_skeleton_are_padded_to_the_most(tmp_path: Path) -> None:
    few = Points(points=((3.0, 3.0),))
    many = Points(points=((5.0, 5.0), (9.0, 9.0)))
    losses = export(
        "coco",
        [shown(1, marked(("car", few), ("car", many), ("cat", Box(x=0, y=0, width=9, height=9))))],
        tmp_path / "out",
    )
    assert losses.counts == {"free_points": 2}
    content = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    assert [a.get("keypoints") for a in content["annotations"]] == [
        [3, 3, 2, 0, 0, 0],
        [5, 5, 2, 9, 9, 2],
        None,
    ]
    assert (
        content["categories"][0]["keypoints"] == ["point 1", "point 2"]
        and "keypoints" not in content["categories"][1]
    )


def test_results_come_in_as_a_models_opinions(tmp_path: Path) -> None:
    row = predicted(shown(1, marked(("car", Box(x=1, y=1, width=9, height=9)))), scored(EVERYTHING, 0.25))
    losses = export("coco", [row, predicted(shown(2, None), EVERYTHING)], tmp_path / "out")
    assert losses.counts == {"no_score": 8, "no_result": 2}
    (first, _), bad = load("coco", tmp_path / "out")
    assert bad == []
    person, model = first.opinions
    assert (person.by, model.by, model.name, model.confidence) == (
        "person",
        "model",
        "results",
        {"things": 0.25},
    )
    assert [r["score"] for r in model.answers["things"]] == [0.25] * 8
    # Key points, and the pixels of everything else, are those of the model.
    shapes_back = [r["shape"]["kind"] for r in model.answers["things"]]
    assert shapes_back == ["box", "mask", "mask", "mask", "mask", "mask", "points", "box"]


def test_results_alone_mean_images_that_are_known_by_name(tmp_path: Path) -> None:
    by_name = [{"image_id": "a.png", "category_id": "car", "bbox": [1, 1, 5, 5], "score": 0.5}]
    by_number = [{"image_id": 7, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]
    (row,), bad = load("coco", put(tmp_path / "a", {"my_model.json": json.dumps(by_name)}))
    assert bad == [] and (row.external_id, row.image, row.opinions[0].name) == ("a.png", None, "my_model")
    _, (problem,) = load("coco", put(tmp_path / "b", {"results.json": json.dumps(by_number)}))
    assert problem.code == "no_categories"


def test_a_question_is_suggested_in_the_order_of_the_file(tmp_path: Path) -> None:
    export("coco", [shown(1, EVERYTHING)], tmp_path / "out")
    (question,) = registry.image_questions(Folder(tmp_path / "out"), "coco", [])
    assert [label["name"] for label in question["labels"]] == ["Car 🚗", 'Cat "x", y', "face"]
    assert question["labels"][2]["skeleton"] == {
        "points": ("nose", "left eye", "right eye"),
        "edges": ((0, 1), (0, 2)),
    }
    assert question["shapes"] == ["box", "polygon", "mask", "points"]


def test_two_questions_with_labels_of_one_name_stay_apart(tmp_path: Path) -> None:
    ontology = Ontology(
        questions=(
            RegionQuestion(id="left", name="Left", labels=(Label(id="x", name="Thing"),)),
            RegionQuestion(id="right", name="Right", labels=(Label(id="y", name="Thing"),)),
        )
    )
    box = Region(id="a", label="y", shape=Box(x=1, y=1, width=5, height=5))
    answers = Answers.of({"left": RegionAnswer(regions=()), "right": RegionAnswer(regions=(box,))})
    export("coco", [shown(1, answers)], tmp_path / "out", ontology)
    assert [c["name"] for c in quietly(tmp_path / "out/annotations/instances.json").loadCats([1, 2])] == [
        "Left: Thing",
        "Right: Thing",
    ]
    (row,), _ = load("coco", tmp_path / "out")
    assert [(r.label, r.shape) for r in regions_of(row, ontology)] == [("y", box.shape)]
    assert row.opinions[0].answers["left"] == []


def test_two_files_on_one_image_are_two_people_or_told(tmp_path: Path) -> None:
    for name, annotator in (("a", "ana"), ("b", "bob"), ("c", "ana")):
        content = coco({}, info={"annotator": annotator})
        put(
            tmp_path, {f"people/{name}/annotations/i.json": content, f"people/{name}/images/a.png": picture()}
        )
    good, bad = load("coco", tmp_path)
    assert [p.code for p in bad] == ["two_files"]
    assert [(row.image, row.opinions[0].name) for row in good if row.opinions] == [
        ("people/a/images/a.png", "ana"),
        ("people/b/images/a.png", "bob"),
    ]


# --- hostile files ------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}


def coco(*annotations: Any, **more: Any) -> str:
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
        "categories": [{"id": 1, "name": "car"}, {"id": 3, "name": "face", "keypoints": ["n", "l", "r"], "skeleton": [[1, 2]]}],
        "annotations": [{**GOOD, "id": 100 + i, **each} if isinstance(each, dict) else each for i, each in enumerate(annotations)],
    }  # fmt: skip
    return json.dumps(content | more)


@pytest.mark.parametrize(
    ("annotation", "code"),
    [
        ({"segmentation": {"size": [40, 61], "counts": [2440]}}, "bad_region"),
        ({"segmentation": {"size": [40, 60], "counts": [2399]}}, "bad_region"),
        ({"segmentation": {"size": [40, 60], "counts": [3000, -600]}}, "bad_region"),
        ({"segmentation": {"size": [40, 60], "counts": "0" * 50}}, "bad_region"),
        ({"segmentation": {"size": [40, 60], "counts": "\u1234"}}, "bad_region"),
        ({"segmentation": {"size": [40, 60], "counts": [2**80]}}, "bad_region"),
        ({"segmentation": {"size": [2**40, 2**40], "counts": "0"}}, "bad_region"),
        ({"segmentation": {"size": "big", "counts": None}}, "bad_region"),
        ({"segmentation": [[1, 1, 5, 5]]}, "bad_region"),
        ({"segmentation": [[1, 1, 5, 5, 9]]}, "bad_region"),
        ({"segmentation": [[1, 1, 5, 5, float("nan"), 9]]}, "bad_region"),
        ({"segmentation": [[1, 1, 5, 5, 1e300, 9]]}, "bad_region"),
        ({"segmentation": [[[1, 1], [5, 5], [1, 9]]]}, "bad_region"),
        ({"segmentation": "outline"}, "bad_region"),
        ({"segmentation": [[5, 5, 5, 5, 5, 5]]}, "too_few_points"),
        ({"segmentation": [[1, 1, 5, 1, 9, 1]]}, "empty_shape"),
        ({"segmentation": {"size": [40, 60], "counts": [2400]}}, "empty_shape"),
        ({"segmentation": [], "bbox": [1, 1, -5, 5]}, "bad_region"),
        ({"segmentation": [], "bbox": [1, 1, 5, True]}, "bad_region"),
        ({"segmentation": [], "bbox": [1, 1, 5]}, "bad_region"),
        ({"bbox": None}, "bad_region"),
        ({"bbox": [500, 500, 5, 5]}, "outside_image"),
        ({"category_id": 2}, "unknown_category"),
        ({"category_id": [1]}, "unknown_category"),
        ({"category_id": None}, "unknown_category"),
        ({"image_id": 9}, "unknown_image"),
        ({"image_id": {}}, "bad_annotation"),
        ("annotation", "bad_annotation"),
        (None, "bad_annotation"),
        ({"category_id": 3, "keypoints": [1, 1, 2]}, "bad_region"),
        ({"category_id": 3, "keypoints": [1, 1, 3, 1, 1, 2, 1, 1, 2]}, "bad_region"),
        ({"category_id": 3, "keypoints": "points"}, "bad_region"),
        ({"attributes": {"deep": [1], "list": {}}}, "bad_attribute"),
    ],
)
def test_a_bad_annotation_costs_only_itself(tmp_path: Path, annotation: Any, code: str) -> None:
    files = put(tmp_path, {"a.png": picture(), "i.json": coco(annotation, {"bbox": [20, 20, 5, 5]})})
    (row,), bad = load("coco", files)
    assert [problem.code for problem in bad] == [code]
    kept = [region["shape"]["kind"] for region in row.opinions[0].answers["objects"]]
    assert kept == (["box", "box"] if code == "bad_attribute" else ["box"])


def test_a_part_that_is_bad_costs_only_that_part(tmp_path: Path) -> None:
    files = put(tmp_path, {"i.json": coco({"segmentation": [[1, 1, 5, 5], [1, 1, 9, 1, 9, 9]]})})
    (row,), (problem,) = load("coco", files)
    assert problem.code == "left_out"
    assert row.opinions[0].answers["objects"][0]["shape"]["parts"] == [[[(1, 1), (9, 1), (9, 9)]]]


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ({"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]}, ["duplicate_id"]),
        ({"images": [{"id": 1, "file_name": "a.png"}, {"id": 2}, 7]}, ["bad_image", "bad_image"]),
        ({"categories": [{"id": 1, "name": "car"}, {"id": 1, "name": "bus"}]}, ["duplicate_id"]),
        ({"categories": [{"id": 1, "name": "car"}, {"id": 2}, []]}, ["bad_category"] * 2),
        ({"categories": [{"id": 1, "name": "car", "keypoints": ["a"], "skeleton": [[1, 9], "x"]}]}, ["bad_skeleton"] * 2),
        ({"annotations": {"a": 1}}, ["bad_list"]),
        ({"annotations": [GOOD, GOOD]}, ["duplicate_id"]),
    ],
)  # fmt: skip
def test_bad_tables_are_told_and_the_rest_is_read(tmp_path: Path, more: Any, codes: list[str]) -> None:
    files = put(tmp_path, {"a.png": picture(), "i.json": coco({}, **more)})
    good, bad = load("coco", files)
    assert [problem.code for problem in bad] == codes
    assert [row.image for row in good] == ["a.png"]
    if "annotations" not in more:
        assert [r["label"] for r in good[0].opinions[0].answers["objects"]] == ["car"]


def test_images_that_are_not_there_and_images_that_nobody_lists(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "../../etc/a.png"}, {"id": 2, "file_name": "gone.png"}]
    files = put(
        tmp_path, {"deep/a.png": picture(), "more/b.png": picture(), "i.json": coco({}, images=images)}
    )
    (known, gone, unlisted), bad = load("coco", files)
    assert bad == []
    assert (known.image, known.external_id) == ("deep/a.png", "../../etc/a.png")
    assert (gone.image, gone.external_id, gone.opinions) == (None, "gone.png", ())
    assert (unlisted.image, unlisted.opinions) == ("more/b.png", ())


def test_labels_for_another_size_are_not_laid_over_the_image(tmp_path: Path) -> None:
    # The file counts the pixels as they are stored, the camera was turned.
    files = put(tmp_path, {"a.png": picture((40, 60), orientation=6), "i.json": coco({})})
    (row,), (problem,) = load("coco", files)
    assert problem.code == "other_size" and row.opinions == () and row.image == "a.png"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"images": [', "\xff", '{"images": 5}', "[]", "null"])
def test_a_file_that_is_none_is_refused_with_a_reason(tmp_path: Path, content: str) -> None:
    with pytest.raises(Invalid):
        load("coco", put(tmp_path, {"i.json": content.encode("latin-1")}))


def test_nesting_in_fields_nobody_reads_does_no_harm(tmp_path: Path) -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"x": [deep]}
    (row,), bad = load("coco", put(tmp_path, {"i.json": coco({"extra": deep, "attributes": deep})}))
    assert len(row.opinions) == 1 and [problem.code for problem in bad] == ["bad_attribute"]


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelwright.formats import pictures

    monkeypatch.setattr(pictures.read_bytes, "__defaults__", (1_000,))
    with pytest.raises(Invalid, match="larger than"):
        load("coco", put(tmp_path, {"i.json": coco(*[{}] * 100)}))


# --- panoptic -----------------------------------------------------------------------------------------------------


def ids_of(path: Path) -> Any:
    """The numbers of a panoptic PNG, by numpy."""
    colours = np.array(Image.open(path).convert("RGB"), dtype=np.uint32)
    return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]


def test_a_panoptic_file_and_its_png_say_the_same(tmp_path: Path) -> None:
    regions = (
        Region(id="low", label="car", shape=Box(x=0, y=0, width=30, height=20), z_order=1),
        Region(id="high", label="cat", shape=Box(x=10, y=10, width=30, height=20), z_order=2),
        Region(id="under", label="car", shape=Box(x=12, y=12, width=3, height=3)),
        Region(id="dots", label="face", shape=FACE),
    )
    losses = export(
        "coco_panoptic", [shown(1, marked(*regions), name="a/b.jpg"), shown(2, None)], tmp_path / "out"
    )
    content = json.loads((tmp_path / "out/annotations/panoptic.json").read_text())
    assert [c["isthing"] for c in content["categories"]] == [1, 1, 1]
    for mark in content["annotations"]:
        numbers = ids_of(tmp_path / "out/annotations/panoptic" / mark["file_name"])
        assert numbers.shape == (40, 60)
        assert {s["id"] for s in mark["segments_info"]} == set(np.unique(numbers).tolist()) - {0}
        for segment in mark["segments_info"]:
            ys, xs = np.nonzero(numbers == segment["id"])
            assert segment["area"] == len(xs)
            assert segment["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
    assert losses.counts == {"not_held": 1, "pixels": 3, "overlap": 2, "no_pixels": 1, "z_order": 1}
    (row, empty), bad = load("coco", tmp_path / "out")
    assert (
        bad == [] and empty.opinions == () and (row.image, row.external_id) == ("images/a/b.jpg", "a/b.jpg")
    )
    low, high = regions_of(row)
    assert (low.label, high.label) == ("car", "cat")
    assert same_pixels(high.shape, regions[1].shape) and area_px2(low.shape, SIZE) == 600 - 200


@settings(max_examples=30, deadline=None)
@given(drawn=st.lists(shapes(("mask", "polygon", "box", "rotated_box")), max_size=4))
def test_panoptic_loses_only_what_overlaps(drawn: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        answers = marked(*(("car", shape) for shape in drawn))
        losses = export("coco_panoptic", [shown(1, answers)], Path(name) / "out")
        (row,), bad = load("coco", Path(name) / "out")
    assert bad == []
    found = {r.id: r.shape for r in regions_of(row)}
    told = " ".join(loss["message"] for loss in losses.listed if loss["code"] in ("overlap", "no_pixels"))
    for n, shape in enumerate(drawn, 1):
        if f"'r{n - 1}'" not in told:
            assert same_pixels(found[f"s{n}"], shape)
        else:
            left = area_px2(found[f"s{n}"], SIZE) if f"s{n}" in found else 0
            lost = (
                next(
                    loss["message"]
                    for loss in losses.listed
                    if f"'r{n - 1}'" in loss["message"] and loss["code"] == "overlap"
                )
                if area_px2(shape, SIZE)
                else "lost 0 pixels"
            )
            assert f"lost {area_px2(shape, SIZE) - left} pixels" in lost


def test_a_panoptic_table_that_does_not_fit_its_png_is_told(tmp_path: Path) -> None:
    numbers = np.zeros((40, 60, 3), dtype=np.uint8)
    numbers[:10, :10, 0] = 1
    numbers[20:, :, 0] = 2
    png = io.BytesIO()
    Image.fromarray(numbers).save(png, "PNG")
    segments = [{"id": 1, "category_id": 1}, {"id": 5, "category_id": 1}, {"id": 1, "category_id": 1}, 7]
    content = coco({"file_name": "a.png", "segments_info": segments})
    files = put(
        tmp_path, {"images/a.png": picture(), "ann/pan.json": content, "ann/pan/a.png": png.getvalue()}
    )
    (row,), bad = load("coco", files)
    assert [p.code for p in bad] == ["no_pixels"] * 3 + ["unknown_segment"]
    assert len(row.opinions[0].answers["objects"]) == 1 and row.image == "images/a.png"
    for broken, code in ((b"no png", "bad_mask"), (picture((10, 10)), "bad_mask")):
        files = put(tmp_path, {"ann/pan/a.png": broken})
        (row,), bad = load("coco", files)
        assert [p.code for p in bad] == [code] and row.opinions == ()
