"""Label Studio's image projects and LabelMe: what the SDK and supervision read of our files, and we of theirs."""

import base64
import io
import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelwright.core import mask as masks
from labelwright.core.answer import (
    Answers,
    ChoiceAnswer,
    Region,
    RegionAnswer,
    Relation,
    RelationAnswer,
    ScalarAnswer,
    TextAnswer,
)
from labelwright.core.geometry import corners
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    RelationQuestion,
    ScalarQuestion,
    TextQuestion,
)
from labelwright.core.shape import Box, Mask, Points, Polygon, RotatedBox, Shape
from labelwright.core.transfer import resolve
from labelwright.formats import label_studio_regions as marks
from labelwright.formats.registry import image_questions, sniff_images
from tests.formats.image_made import (
    LAW,
    OBJECTS,
    SIZE,
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
from tests.formats.made import annotation

VALUES = st.fixed_dictionaries({}, optional={
    "occluded": st.booleans(), "colour": st.sampled_from(["red", "blue & <green>"]), "doors": st.integers(-3, 9),
    "plate": st.sampled_from(['"a" & <b>', "true", "1.0", "😀", "two\nlines"]),
})  # fmt: skip


def check_sdk(folder: Path) -> list[dict[str, Any]]:
    """Tasks that the SDK accepts, and that hold to what it does not check."""
    import label_studio_sdk.label_interface as sdk

    interface: Any = sdk.LabelInterface((folder / "label_config.xml").read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        assert (folder / task["data"]["image"]).is_file()
        for opinion in task["annotations"] + task["predictions"]:
            shaped = {"model_version": "m", "score": opinion.get("score") or 0.0, "result": opinion["result"]}
            assert interface.validate_prediction(shaped, return_errors=True) == []
            for each in opinion["result"]:
                if "value" in each and "width" in each["value"]:
                    assert each["value"]["width"] > 0 and each["original_width"] == SIZE[0]
    return tasks


@LAW
@given(
    found=st.lists(st.tuples(st.sampled_from(["car", "cat", "face"]), shapes()), max_size=4), data=st.data()
)
def test_label_studio_gives_back_what_went_out_up_to_the_reported_losses(
    found: list[tuple[str, Shape]], data: st.DataObject
) -> None:
    regions = [
        Region(
            id=f"r{i}", label=label, shape=shape, z_order=data.draw(st.sampled_from([0, 0, -2, 5])), score=data.draw(st.sampled_from([None, 0.25])),
            attributes=data.draw(VALUES) if label == "car" else {},
        )
        for i, (label, shape) in enumerate(found)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        losses = export("label_studio", [shown(1, marked(*regions))], Path(name) / "out")
        check_sdk(Path(name) / "out")
        (row,), bad = load("label_studio", Path(name) / "out")
    assert bad == []
    assert losses.counts.keys() <= {"bridged", "as_box", "as_polygon"}
    back = {r.id: r for r in regions_of(row)}
    assert back.keys() == {r.id for r in regions}
    for before in regions:
        after = back[before.id]
        assert before.model_dump(exclude={"shape"}) == after.model_dump(exclude={"shape"})
        same(before.shape, after.shape)


def same(one: Shape, other: Shape) -> None:
    if isinstance(one, Polygon):
        assert isinstance(other, Polygon) and rings(one) == rings(other)
    elif isinstance(one, RotatedBox):
        turned = (
            other
            if isinstance(other, RotatedBox)
            else RotatedBox(**other.model_dump(exclude={"kind"}), angle_deg=0)
        )
        assert close(corners(one), corners(turned), 1e-6)
    else:
        assert close(one.model_dump(), other.model_dump(), 1e-6)


@LAW
@given(shapes(("mask",)))
def test_brushes_are_read_by_the_sdk_and_those_of_the_sdk_by_us(shape: Mask) -> None:
    from label_studio_sdk.converter import brush as sdk

    brush: Any = sdk
    pixels = masks.decode(shape)
    theirs = brush.decode_rle(marks.encode_rle(shape)).reshape(SIZE[1], SIZE[0], 4)
    assert (theirs[:, :, 3] == pixels * 255).all() and set(np.unique(theirs)) <= {0, 255}
    made = bytes(brush.mask2rle(pixels.astype(np.uint8) * 255))
    assert (marks.decode_rle(made, SIZE) == pixels * 255).all()


@pytest.mark.parametrize("damage", ["cut", "longer", "size", "empty", "word", "text", "numbers"])
def test_a_damaged_brush_costs_only_itself(tmp_path: Path, damage: str) -> None:
    pixels = np.zeros(SIZE[::-1], dtype=bool)
    pixels[3:9, 4:30] = True
    rle: Any = marks.encode_rle(masks.encode(pixels))
    match damage:
        case "cut":
            rle = rle[:12]
        case "longer":
            rle = rle[:7] + [255] * 40
        case "size":
            rle = marks.encode_rle(masks.encode(pixels[:-1]))
        case "word":
            rle = [*rle[:4], 0, *rle[5:]]
        case "empty":
            rle = marks.encode_rle(masks.encode(pixels & False))
        case "text":
            rle = "AAAA"
        case _:
            rle = [*rle, 300]
    bad, good = (
        item("brushlabels", {"rle": each, "format": "rle"})
        for each in (rle, marks.encode_rle(masks.encode(pixels)))
    )
    files = put(tmp_path, {"t.json": json.dumps([task(bad, good)]), "a.png": picture()})
    (row,), (problem,) = load("label_studio", files)
    assert (problem.code, problem.where) == ("bad_region", "t.json[0]:annotations/0/result/0")
    (region,) = row.opinions[0].answers["objects"]
    assert (masks.decode(Mask.model_validate(region["shape"])) == pixels).all()


def item(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {
        "id": "x1",
        "from_name": "label",
        "to_name": "image",
        "type": kind,
        "original_width": SIZE[0],
        "original_height": SIZE[1],
    }
    return base | {"value": {kind: ["car"]} | value} | more


def task(*results: Any, **data: Any) -> dict[str, Any]:
    return {
        "data": {"image": "/data/upload/3/0a1b2c3d-a.png"} | data,
        "annotations": [{"result": list(results)}],
    }


def test_a_box_turns_around_its_top_left_corner_in_pixels(tmp_path: Path) -> None:
    # 30 x 10 px from (30, 10), turned by 90 degrees: it hangs down to the left of its corner.
    turned = item("rectanglelabels", {"x": 50, "y": 25, "width": 50, "height": 25, "rotation": 90})
    files = put(tmp_path, {"t.json": json.dumps([task(turned)]), "images/a.png": picture()})
    (row,), bad = load("label_studio", files)
    assert (bad, row.image) == ([], "images/a.png")
    shape = RotatedBox.model_validate(row.opinions[0].answers["objects"][0]["shape"])
    assert close(sorted(corners(shape)), [(20, 10), (20, 40), (30, 10), (30, 40)], 1e-9)


def test_what_label_studio_writes_is_read(tmp_path: Path) -> None:
    results = [
        item(
            "rectanglelabels",
            {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["car", "red"]},
            id="A b/c",
        ),
        item("polygonlabels", {"points": [[0, 0], [50, 0], [50, 50]]}, id="p", score=0.5),
        item("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 0}, id="e"),
        item("keypointlabels", {"x": 50, "y": 25, "width": 0.3}, id="k"),
        {
            "id": "A b/c",
            "from_name": "colour",
            "to_name": "image",
            "type": "choices",
            "value": {"x": 10, "y": 10, "choices": ["red"]},
        },
        {
            "id": "c",
            "from_name": "weather",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": ["sun"]},
        },
        {"id": "s", "from_name": "stars", "to_name": "image", "type": "rating", "value": {"rating": 4}},
        {"type": "relation", "from_id": "A b/c", "to_id": "p", "direction": "right", "labels": ["on"]},
        {"id": "v", "from_name": "v", "to_name": "image", "type": "videorectangle", "value": {}},
    ]
    predictions = [{"model_version": "m1", "score": 0.9, "result": results[:1]}]
    files = put(
        tmp_path, {"t.json": json.dumps([task(*results) | {"predictions": predictions}]), "a.png": picture()}
    )
    assert sniff_images(files, "x") == "label_studio"
    (row,), bad = load("label_studio", files)
    assert [(p.code, p.where[-1]) for p in bad] == [("as_polygon", "2"), ("bad_region", "8")]
    person, model = row.opinions
    assert (person.by, model.by, model.name) == ("person", "model", "m1")
    regions = person.answers["objects"]
    assert [r["label"] for r in regions] == ["car", "red", "car", "car", "car"]
    assert regions[0]["shape"] == Box(x=6, y=4, width=30, height=20).model_dump() and regions[0][
        "attributes"
    ] == {"colour": "red"}
    assert regions[2]["score"] == 0.5
    area = masks.decode(masks.rasterise(Polygon.model_validate(regions[3]["shape"]), SIZE)).sum()
    assert abs(area - math.pi * 12 * 4) < 8
    assert regions[4]["shape"]["points"] == ((30.0, 10.0),)
    assert person.answers["weather"] == ["sun"] and person.answers["stars"] == 4
    (relation,) = person.answers["relations"]
    assert (relation["from_id"], relation["to_id"], relation["label"]) == (regions[0]["id"], "p", "on")
    asked = image_questions(files, "label_studio", [row])
    assert {(q["kind"], q["name"]) for q in asked} == {("region", "objects"), ("choice", "weather")}


@pytest.mark.parametrize(
    "wrong",
    [item("rectanglelabels", {"x": 1, "y": 1, "width": -5, "height": 5}), item("rectanglelabels", {"x": "1", "y": 1, "width": 5, "height": 5}),
     item("rectanglelabels", {"x": 1, "y": 1, "width": 5}), item("rectanglelabels", {"rectanglelabels": []}), item("polygonlabels", {"points": [[1, 1], [2, 2]]}),
     item("polygonlabels", {"points": [[1, 1], [2, 2], None]}), item("polygonlabels", {"points": 7}), item("keypointlabels", {"x": True, "y": 1}),
     item("ellipselabels", {"x": 1, "y": 1, "radiusX": 0, "radiusY": 1}), item("bitmasklabels", {"imageDataURL": "data:image/png;base64,AAAA"}),
     item("rectanglelabels", {"x": 1e300, "y": 1, "width": 1e300, "height": 5}), item("rectanglelabels", {}) | {"value": None}, 7, None, {"type": []}],
)  # fmt: skip
def test_a_bad_result_costs_only_itself(tmp_path: Path, wrong: Any) -> None:
    good = item("rectanglelabels", {"x": 0, "y": 0, "width": 100, "height": 100, "rotation": 0}, id="ok")
    files = put(tmp_path, {"t.json": json.dumps([task(wrong, good)]), "a.png": picture((60, 40), 1)})
    (row,), (bad,) = load("label_studio", files)
    assert (bad.code, bad.where) == ("bad_region", "t.json[0]:annotations/0/result/0")
    (region,) = row.opinions[0].answers["objects"]
    assert region["shape"] == Box(x=0, y=0, width=60, height=40).model_dump()


@pytest.mark.parametrize(
    "text",
    ["[{\"data\": {}, \"annotations\": []}]", '[{"data": 7, "annotations": []}]', '[{"data": {"image": "gone.png"}, "annotations": [{"result": [{"type": "rectanglelabels"}]}]}]',
     '[{"data": {"image": "a.png"}, "annotations": [{"result": [{"x": NaN}]}]}]', '[{"data": {"image": "a.png"}, "annotations": 7}]',
     '[{"data": {"image": "http://[bad"}, "annotations": []', '[{"data": {"image": "a.png"}, "annotations": ' + "[" * 5_000],
)  # fmt: skip
def test_broken_tasks_are_told(tmp_path: Path, text: str) -> None:
    files = put(tmp_path, {"t.json": text, "a.png": picture()})
    good, bad = load("label_studio", files)
    assert bad and all(len(p.message) < 300 for p in bad)
    assert [r.opinions for r in good] in ([()], [(), ()])


def test_answers_about_the_image_and_relations_and_a_second_person_survive(tmp_path: Path) -> None:
    topics = (Label(id="s", name="sun & fun"), Label(id="r", name="rain"))
    ontology = Ontology(questions=(
        *OBJECTS.questions, ChoiceQuestion(id="w", name="Weather", labels=topics, multiple=True), ScalarQuestion(id="n", name="Count"),
        ScalarQuestion(id="ok", name="Sharp?", type="boolean"), TextQuestion(id="t", name="Note"),
        RelationQuestion(id="rel", name="Part of", labels=(Label(id="of", name="of"),), from_question="things", to_question="things"),
    ))  # fmt: skip
    regions = (
        Region(id="a", label="car", shape=Box(x=1, y=1, width=5, height=5)),
        Region(id="b", label="face", shape=Points(points=((1, 1), (2, 2), (3, 3)))),
    )
    said = Answers.of({
        "things": RegionAnswer(regions=regions), "w": ChoiceAnswer(labels=("s", "r")), "n": ScalarAnswer(value=3), "ok": ScalarAnswer(value=False),
        "t": TextAnswer(text="<b>\n true"), "rel": RelationAnswer(relations=(Relation(id="x", label="of", from_id="b", to_id="a"),)),
    })  # fmt: skip
    row = shown(1, said)
    row = replace(row, annotations=(annotation(1, said), annotation(1, marked(), 8)), gold=said)
    losses = export("label_studio", [row], tmp_path / "out", ontology)
    assert losses.counts == {}
    check_sdk(tmp_path / "out")
    (back,), bad = load("label_studio", tmp_path / "out")
    assert bad == []
    found = [resolve(opinion, ontology, SIZE) for opinion in back.opinions]
    assert [problems for _, _, problems in found] == [[], [], []]
    assert [answers for answers, _, _ in found] == [said, marked(), said]
    assert [o.by for o in back.opinions] == ["person", "person", "gold"]
    assert (back.external_id, back.image) == ("photo 1.png", "images/photo 1.png")


# --- LabelMe ------------------------------------------------------------------------------------------------------


@LAW
@given(
    found=st.lists(st.tuples(st.sampled_from(["car", "cat", "face"]), shapes()), max_size=4), data=st.data()
)
def test_labelme_gives_back_what_went_out_up_to_the_reported_losses(
    found: list[tuple[str, Shape]], data: st.DataObject
) -> None:
    regions = [
        Region(
            id=f"r{i}",
            label=label,
            shape=shape,
            z_order=i,
            attributes=data.draw(VALUES) if label == "car" else {},
        )
        for i, (label, shape) in enumerate(found)
    ]
    with tempfile.TemporaryDirectory() as name:
        losses = export("labelme", [shown(1, marked(*regions))], Path(name) / "out")
        (row,), bad = load("labelme", Path(name) / "out")
    assert bad == []
    assert losses.counts.keys() <= {"bridged", "as_polygon", "points_box"}
    back = regions_of(row)
    assert [(r.label, r.z_order, r.attributes) for r in back] == [
        (r.label, r.z_order, r.attributes) for r in regions
    ]
    for before, after in zip(regions, back, strict=True):
        codes = {e["code"] for e in losses.listed if f"'{before.id}'" in e["message"]}
        one, other = before.shape, after.shape
        if codes == {"as_polygon"}:
            assert isinstance(one, RotatedBox) and same_pixels(one, other, share=0.02)
        elif codes == {"points_box"}:
            assert close(one.model_dump(exclude={"box"}), other.model_dump(exclude={"box"}))
        else:
            same(one, other)


def test_supervision_reads_our_labelme(tmp_path: Path) -> None:
    labelme = pytest.importorskip("supervision.dataset.formats.labelme")
    hole = Polygon(parts=((((5.0, 5.0), (55.0, 5.0), (55.0, 35.0)),),))
    rows = [
        shown(1, marked(("cat", Box(x=10, y=5, width=20, height=30)), ("car", hole))),
        shown(2, marked()),
        shown(3, None),
    ]
    losses = export("labelme", rows, tmp_path / "out")
    assert (losses.counts, losses.left_out_counts) == ({}, {"no_answer": 1})
    classes, paths, found = labelme.load_labelme_annotations(str(tmp_path / "out"), str(tmp_path / "out"))
    by_name = {Path(path).name: found[path] for path in paths}
    marks_found = by_name["photo 1.png"]
    assert [classes[i] for i in marks_found.class_id] == ['Cat "x", y', "Car 🚗"]
    assert np.allclose(marks_found.xyxy, [[10, 5, 30, 35], [5, 5, 55, 35]], atol=1)
    assert len(by_name["photo 2.png"]) == 0


def labelme_file(*shapes_given: Any, **more: Any) -> str:
    value = {
        "version": "5.0",
        "flags": {},
        "shapes": list(shapes_given),
        "imagePath": "..\\pics\\a.png",
        "imageWidth": 60,
        "imageHeight": 40,
    }
    return json.dumps(value | more)


def png(pixels: np.ndarray[Any, Any]) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def test_what_labelme_and_its_descendants_write_is_read(tmp_path: Path) -> None:
    ones = np.full((3, 5), True)
    given_shapes = [
        {
            "label": "car",
            "points": [[20, 30], [10, 10]],
            "shape_type": "rectangle",
            "flags": {"occluded": True},
        },
        {"label": "car", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon", "group_id": 3},
        {"label": "car", "points": [[20, 1], [29, 1], [29, 9]], "shape_type": "polygon", "group_id": 3},
        {"label": "car", "points": [[30, 20], [40, 20]], "shape_type": "circle"},
        {"label": "car", "points": [[1, 1], [2, 2]], "shape_type": "line"},
        {"label": "car", "points": [[1, 1], [2, 2], [3, 3]], "shape_type": "linestrip"},
        {"label": "car", "points": [[5, 6]], "shape_type": "point"},
        {"label": "car", "points": [[4, 2], [8, 4]], "shape_type": "mask", "mask": png(ones)},
        {
            "label": "car",
            "points": [[20, 10], [30, 20], [20, 30], [10, 20]],
            "shape_type": "rotation",
            "score": 0.5,
            "attributes": {"colour": "red"},
        },
    ]
    files = put(
        tmp_path,
        {
            "json/a.json": labelme_file(*given_shapes, flags={"night": True, "rain": False}),
            "pics/a.png": picture(),
            "pics/b.png": picture(),
        },
    )
    assert sniff_images(files, "x") == "labelme"
    good, bad = load("labelme", files)
    assert [p.code for p in bad] == ["as_polygon"]
    assert [(r.external_id, len(r.opinions)) for r in good] == [("pics/a.png", 1), ("pics/b.png", 0)]
    (opinion,) = good[0].opinions
    assert opinion.answers["flags"] == ["night"] and opinion.by == "model"
    found = opinion.answers["objects"]
    assert [r["shape"]["kind"] for r in found] == [
        "box",
        "polygon",
        "polygon",
        "polyline",
        "polyline",
        "points",
        "mask",
        "rotated_box",
    ]
    assert found[0]["shape"] == Box(x=10, y=10, width=10, height=20).model_dump() and found[0][
        "attributes"
    ] == {"occluded": True}
    assert len(found[1]["shape"]["parts"]) == 2
    pixels = masks.decode(Mask.model_validate(found[6]["shape"]))
    assert pixels.sum() == 15 and pixels[2:5, 4:9].all()
    assert found[7]["score"] == 0.5 and found[7]["attributes"] == {"colour": "red"}


@pytest.mark.parametrize(
    "wrong",
    [7, {}, {"label": "", "points": [[1, 1]]}, {"label": "car", "points": [[1, 1], [2, 2]]}, {"label": "car", "points": [[1, 1], [2, 2], [1, 1]]},
     {"label": "car", "points": [[1, 1], [1, 9]], "shape_type": "rectangle"}, {"label": "car", "points": [[1, "1"], [1, 9], [5, 5]]},
     {"label": "car", "points": "x"}, {"label": "car", "points": [[1, 1], [1, 1]], "shape_type": "circle"}, {"label": "car", "points": [], "shape_type": "point"},
     {"label": "car", "points": [[1, 1]], "shape_type": "brush"}, {"label": "car", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "!!"},
     {"label": "car", "points": [[1, 1], [9, 9]], "shape_type": "mask", "mask": png(np.full((2, 2), True))},
     {"label": "car", "points": [[59, 39], [60, 40]], "shape_type": "mask", "mask": png(np.full((2, 2), True))},
     {"label": "car", "points": [[1, 1], [1e300, 5], [5, 5]]}, {"label": "car", "points": [[1, 1], [float("nan"), 5], [5, 5]]}],
)  # fmt: skip
def test_a_bad_labelme_shape_costs_only_itself(tmp_path: Path, wrong: Any) -> None:
    good = {"label": "car", "points": [[0, 0], [10, 10]], "shape_type": "rectangle"}
    files = put(tmp_path, {"a.json": labelme_file(wrong, good), "pics/a.png": picture()})
    (row,), (bad,) = load("labelme", files)
    assert (bad.code, bad.where) == ("bad_shape", "a.json:shapes/0")
    assert len(row.opinions[0].answers["objects"]) == 1


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"shapes": 7}', "[" * 100_000, "\0", '{"shapes": []}'])
def test_a_broken_labelme_file_is_told(tmp_path: Path, text: str) -> None:
    good, (bad,) = load("labelme", put(tmp_path, {"gone.json": text, "a.png": picture()}))
    assert bad.code in ("bad_json", "not_labelme", "no_image")
    assert [r.opinions for r in good] == [()]
