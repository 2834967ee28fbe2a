"""Every declared layout, on networks whose answers are written down: the boxes are worked out by hand.

The input of these networks is 64 wide and 32 high. A picture of 128 x 128 is letterboxed into it at a quarter of its
size, 16 pixels from the left; so (16, 0) to (32, 16) of the input is (0, 0) to (64, 64) of the picture.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labelwright.core.detector import DetectorSpec, Marks, Seen, parse_spec
from labelwright.core.geometry import bounds
from labelwright.core.mask import decode
from labelwright.core.shape import Box, Mask, Polygon
from labelwright.detectors.fit import place
from labelwright.detectors.session import Session
from tests.detectors import made

SQUARE = np.zeros((128, 128, 3), np.uint8)
QUARTER = (0.0, 0.0, 64.0, 64.0)


def look(
    model: Path, spec: str, picture: NDArray[np.uint8] = SQUARE, marks: Marks | None = None
) -> tuple[Seen, DetectorSpec]:
    session = Session(model, parse_spec("name: made\n" + spec), threads=1)
    placed, fit = place(picture, session.spec.input)
    (seen,) = session.see(placed[None], [fit], marks)
    return seen, session.spec


def objects(seen: Seen) -> list[tuple[int, float, tuple[float, ...]]]:
    assert seen.error == ""
    found = []
    for each in seen.objects:
        assert isinstance(each.shape, Box)
        box = (each.shape.x, each.shape.y, each.shape.width, each.shape.height)
        found.append((each.class_number, round(each.score, 4), tuple(round(c, 3) for c in box)))
    return found


def f32(*rows: Any) -> NDArray[np.float32]:
    return np.asarray(rows, np.float32)


# --- yolo -----------------------------------------------------------------------------------------------------------

V8 = f32(  # cx, cy, w, h, class 0, class 1
    (24, 8, 16, 16, 0.1, 0.9),
    (24, 8, 16, 14, 0.0, 0.8),  # 14 / 16 of the first, same class: suppressed
    (24, 8, 16, 16, 0.6, 0.1),  # the same box, another class: stays
    (40, 24, 16, 16, 0.2, 0.24),  # below the threshold
    (8, 16, 8, 8, 0.0, 0.7),  # in the padding: nothing of it is in the picture
    (40, 8, 32, 16, 0.0, 0.5),  # half of it is beyond the right edge
)


def test_yolo_v8_needs_two_lines(tmp_path: Path) -> None:
    model = made.constant(
        tmp_path / "m.onnx", {"out": V8.T[None]}, metadata={"names": "{0: 'cat', 1: 'dog'}"}
    )
    seen, spec = look(model, "")
    assert spec.classes == {0: "cat", 1: "dog"}
    assert objects(seen) == [
        (1, 0.9, QUARTER),
        (0, 0.6, QUARTER),
        (1, 0.5, (32.0, 0.0, 96.0, 64.0)),
    ]


def test_yolo_v5_multiplies_by_the_objectness(tmp_path: Path) -> None:
    rows = f32((24, 8, 16, 16, 0.5, 0.1, 0.9), (24, 8, 16, 16, 0.2, 1.0, 1.0))[None]
    model = made.constant(tmp_path / "m.onnx", {"out": rows})
    seen, _ = look(model, "output: {layout: yolo, version: v5}\nclasses: [cat, dog]")
    assert objects(seen) == [(1, 0.45, QUARTER)]


def test_yolo_in_shares_of_the_input_with_corners(tmp_path: Path) -> None:
    rows = f32((0.25, 0, 0.5, 0.5, 2.0))[None].transpose(0, 2, 1)
    model = made.constant(tmp_path / "m.onnx", {"out": rows})
    seen, _ = look(
        model, "output: {layout: yolo, box: xyxy, normalised: true, activation: sigmoid}\nclasses: [cat]"
    )
    assert objects(seen) == [(0, 0.8808, QUARTER)]


def test_a_wrong_version_is_named(tmp_path: Path) -> None:
    model = made.constant(tmp_path / "m.onnx", {"out": np.zeros((1, 100, 7), np.float32)})
    seen, _ = look(model, "classes: [cat, dog]")
    assert "it looks like version: v5" in seen.error and "(100, 7)" in seen.error


def test_yolo_masks_are_prototypes_weighed_and_cut_to_the_box(tmp_path: Path) -> None:
    # Two prototypes over the input at half its size: left half on, top half on.
    prototypes = np.full((1, 2, 16, 32), -1, np.float32)
    prototypes[0, 0, :, :16] = 1
    prototypes[0, 1, :8] = 1
    rows = f32((32, 16, 32, 32, 0.9, 10, 0), (32, 16, 32, 32, 0.8, 0, 10))
    rows[1, :4] += (0, 0, -2, 0)
    model = made.constant(tmp_path / "m.onnx", {"out": rows.T[None], "proto": prototypes})
    spec = "task: segment_instance\noutput: {layout: yolo, output: out, masks: proto, nms_iou: null}\nclasses: [cat]"
    seen, _ = look(model, spec)
    left, top = (decode(each.shape) for each in seen.objects if isinstance(each.shape, Mask))
    assert left[:, :64].all() and not left[:, 64:].any()
    assert top[:64, 4:-4].all() and not top[64:].any() and not top[:, :4].any()


# --- boxes, scores, classes ----------------------------------------------------------------------------------------


def test_torchvision_style(tmp_path: Path) -> None:
    outputs: dict[str, NDArray[Any]] = {
        "boxes": f32((16, 0, 32, 16), (16, 0, 32, 16)), "labels": np.asarray([2, 0], np.int64), "scores": np.asarray([0.9, 0.8], np.float32),
    }  # fmt: skip
    model = made.constant(tmp_path / "m.onnx", outputs, shape=("C", "H", "W"))
    spec = """
input: {layout: CHW, resize: none}
output: {layout: boxes_scores_classes, classes: labels, background: 0}
classes: [background, cat, dog]
"""
    seen, _ = look(model, spec)
    # Given whole, its boxes are in pixels of the picture.
    assert objects(seen) == [(2, 0.9, (16.0, 0.0, 16.0, 16.0))]


def test_tensorflow_style(tmp_path: Path) -> None:
    outputs: dict[str, NDArray[Any]] = {
        "boxes": f32((0, 0.25, 0.5, 0.5), (0, 0, 1, 1))[None], "classes": f32((1, 2)), "scores": f32((0.9, 0.9)),
        "num": np.asarray([1], np.float32),
    }  # fmt: skip
    model = made.constant(tmp_path / "m.onnx", outputs, shape=(1, 32, 64, 3))
    spec = """
input: {layout: NHWC}
output: {layout: boxes_scores_classes, classes: classes, count: num, box: yxyx, normalised: true, class_offset: -1}
classes: [cat, dog]
"""
    assert objects(look(model, spec)[0]) == [(0, 0.9, QUARTER)]


def test_detr_style(tmp_path: Path) -> None:
    logits = np.log(f32((0.1, 0.8, 0.1), (0.1, 0.2, 0.7), (0.3, 0.1, 0.6)))[None]
    boxes = f32((0.375, 0.25, 0.25, 0.5), (0.5, 0.5, 1, 1), (0.375, 0.25, 0.25, 0.5))[None]
    model = made.constant(tmp_path / "m.onnx", {"logits": logits, "pred_boxes": boxes})
    spec = """
output: {layout: boxes_scores_classes, boxes: pred_boxes, scores: logits, box: cxcywh, normalised: true,
         activation: softmax, background: last}
classes: [cat, dog, nothing]
"""
    # The second is most likely nothing, and its best class is below the threshold.
    assert objects(look(model, spec)[0]) == [(1, 0.8, QUARTER), (0, 0.3, QUARTER)]


def test_ssd_style_with_classes_first(tmp_path: Path) -> None:
    boxes = f32((16, 0, 16, 16), (16, 0, 16, 15), (48, 0, 4, 4))[None]
    scores = f32((0.9, 0.8, 0.1), (0.0, 0.1, 0.2))[None]
    model = made.constant(tmp_path / "m.onnx", {"boxes": boxes, "scores": scores})
    spec = "output: {layout: boxes_scores_classes, box: xywh, nms_iou: 0.5}\nclasses: [cat, dog]"
    assert objects(look(model, spec)[0]) == [(0, 0.9, QUARTER)]


def test_torchvision_masks(tmp_path: Path) -> None:
    mask = np.zeros((1, 1, 128, 128), np.float32)
    mask[0, 0, 10:20, 30:50] = 0.9
    outputs: dict[str, NDArray[Any]] = {
        "boxes": f32((25, 5, 45, 60)), "labels": np.asarray([1], np.int64), "scores": np.asarray([0.9], np.float32), "masks": mask,
    }  # fmt: skip
    model = made.constant(tmp_path / "m.onnx", outputs, shape=("C", "H", "W"))
    spec = """
task: segment_instance
input: {layout: CHW, resize: none}
output: {layout: boxes_scores_classes, classes: labels, masks: masks, background: 0}
classes: [background, cat]
"""
    (found,) = look(model, spec)[0].objects
    assert isinstance(found.shape, Mask)
    # Columns 45 to 49 of the mask are outside the box.
    assert bounds(found.shape) == Box(x=30, y=10, width=15, height=10)


# --- rows -----------------------------------------------------------------------------------------------------------


def test_rows_with_a_batch_column_and_unused_rows(tmp_path: Path) -> None:
    rows = f32((0, 16, 0, 32, 16, 1, 0.9), (0, 16, 0, 32, 16, 0, 0.1), (-1, -1, -1, -1, -1, -1, -1))
    rows = np.concatenate([rows, np.full((1, 7), np.nan, np.float32)])
    model = made.constant(tmp_path / "m.onnx", {"out": rows})
    spec = "output: {layout: rows, columns: [skip, x0, y0, x1, y1, class, score]}\nclasses: [cat, dog]"
    assert objects(look(model, spec)[0]) == [(1, 0.9, QUARTER)]


# --- gfl ------------------------------------------------------------------------------------------------------------


def grid_outputs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stride 16: cells (0, 0) to (3, 1). In cell (1, 0), whose middle is (24, 8), all sides are half a stride away."""
    scores = np.full((1, 8, 3), 0.01, np.float32)
    scores[0, 1, 2] = 0.9
    distances = np.zeros((1, 8, 4, 3), np.float32)
    # Half of the probability on no distance, half on one stride: the expectation is 8 pixels.
    distances[0, 1] = (50, 50, 0)
    # Two strides to the right, which is beyond the picture.
    scores[0, 2, 0] = 0.5
    distances[0, 2] = ((50, 0, 0), (50, 0, 0), (0, 0, 50), (0, 50, 0))
    return scores, distances.reshape(1, 8, 12)


@pytest.mark.parametrize("joined", [False, True])
def test_gfl_takes_the_expectation_of_the_distances(tmp_path: Path, joined: bool) -> None:
    scores, distances = grid_outputs()
    outputs = (
        {"out": np.concatenate([scores, distances], axis=2)} if joined else {"cls": scores, "reg": distances}
    )
    model = made.constant(tmp_path / "m.onnx", outputs)
    seen, _ = look(model, "output: {layout: gfl, strides: [16], reg_max: 2}\nclasses: [a, b, c]")
    # (40, 8) to (72, 24) of the input, cut off at its picture's edge: 48.
    assert objects(seen) == [(2, 0.9, QUARTER), (0, 0.5, (96.0, 32.0, 32.0, 64.0))]


def test_gfl_applies_the_sigmoid_to_raw_scores(tmp_path: Path) -> None:
    scores, distances = grid_outputs()
    model = made.constant(tmp_path / "m.onnx", {"cls": np.log(scores / (1 - scores)), "reg": distances})
    seen, _ = look(
        model, "output: {layout: gfl, strides: [16], reg_max: 2, cell_offset: 0}\nclasses: [a, b, c]"
    )
    assert objects(seen)[0] == (2, 0.9, (0.0, 0.0, 32.0, 32.0))


def test_gfl_of_another_grid_is_refused(tmp_path: Path) -> None:
    from labelwright.core.errors import Invalid

    scores, distances = grid_outputs()
    model = made.constant(tmp_path / "m.onnx", {"cls": scores, "reg": distances})
    with pytest.raises(Invalid, match="4 outputs that end with 3"):
        look(model, "output: {layout: gfl, reg_max: 2}\nclasses: [a, b, c]")


# --- logits ---------------------------------------------------------------------------------------------------------


def blocks() -> NDArray[np.uint8]:
    """64 x 32: red, with two blue blocks of 8 x 8 and one of 2 x 2, and a green one with a hole."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[..., 0] = 255
    for y, x, size, channel in ((4, 4, 8, 2), (4, 20, 8, 2), (4, 40, 2, 2), (16, 40, 12, 1), (20, 44, 4, 0)):
        picture[y : y + size, x : x + size] = 0
        picture[y : y + size, x : x + size, channel] = 255
    return picture


LOGITS = "task: segment_semantic\nclasses: [red, green, blue]\n"


def test_a_region_per_connected_part(tmp_path: Path) -> None:
    model = made.identity(tmp_path / "m.onnx")
    seen, _ = look(model, LOGITS + "output: {layout: logits_map, min_area_px2: 10}", blocks())
    found = [(o.class_number, bounds(o.shape)) for o in seen.objects]
    assert len(found) == 3
    assert {(n, b.x, b.y, b.width, b.height) for n, b in found if b is not None} == {
        (1, 40, 16, 12, 12), (2, 4, 4, 8, 8), (2, 20, 4, 8, 8),
    }  # fmt: skip
    # Softmax of (1, 0, 0).
    assert all(abs(o.score - np.e / (np.e + 2)) < 1e-6 for o in seen.objects)


def test_a_region_per_class_and_a_threshold(tmp_path: Path) -> None:
    model = made.identity(tmp_path / "m.onnx")
    spec = (
        LOGITS
        + "output: {layout: logits_map, per: class, min_area_px2: 10, activation: none, threshold: 0.9, background: null}"
    )
    seen, _ = look(model, spec, blocks())
    areas = {o.class_number: int(decode(o.shape).sum()) for o in seen.objects if isinstance(o.shape, Mask)}
    assert areas == {0: 64 * 32 - 64 - 64 - 4 - 144 + 16, 1: 144 - 16, 2: 128}
    assert {o.score for o in seen.objects} == {1.0}


def test_regions_as_polygons_keep_their_holes(tmp_path: Path) -> None:
    model = made.identity(tmp_path / "m.onnx", shape=(1, 32, 64, 3))
    spec = (
        LOGITS
        + "input: {layout: NHWC}\noutput: {layout: logits_map, axis: channels_last, shape: polygon, min_area_px2: 100}"
    )
    (green,) = look(model, spec, blocks())[0].objects
    assert isinstance(green.shape, Polygon)
    ((outline, hole),) = green.shape.parts
    assert set(outline) == {(40, 16), (52, 16), (52, 28), (40, 28)}
    assert set(hole) == {(44, 20), (48, 20), (48, 24), (44, 24)}


def test_a_map_is_read_where_the_picture_lies(tmp_path: Path) -> None:
    model = made.identity(tmp_path / "m.onnx")
    large = np.kron(blocks()[:, :32], np.ones((4, 4, 1), np.uint8))
    seen, _ = look(model, LOGITS + "output: {layout: logits_map, min_area_px2: 0}", large)
    found = {bounds(o.shape) for o in seen.objects}
    # A 128 x 128 picture in the middle of the input, four times as large as the map.
    assert found == {Box(x=16, y=16, width=32, height=32), Box(x=80, y=16, width=32, height=32)}


def test_a_region_is_marked_as_the_question_wants_it(tmp_path: Path) -> None:
    model = made.identity(tmp_path / "m.onnx")
    seen, _ = look(model, LOGITS + "output: {layout: logits_map, min_area_px2: 100}", blocks(), "box")
    assert [o.shape for o in seen.objects] == [Box(x=40, y=16, width=12, height=12)]
    box = made.constant(tmp_path / "b.onnx", {"out": V8[:1].T[None]})
    (found,) = look(box, "classes: [cat, dog]", SQUARE, "polygon")[0].objects
    assert isinstance(found.shape, Polygon)
    assert found.shape.parts[0][0] == ((0, 0), (64, 0), (64, 64), (0, 64))


# --- classes --------------------------------------------------------------------------------------------------------


def test_scores_of_a_classifier(tmp_path: Path) -> None:
    model = made.constant(tmp_path / "m.onnx", {"out": np.log(f32((0.2, 0.7, 0.1)))})
    seen, _ = look(model, "task: classify\noutput: {layout: scores}\nclasses: [a, b, c]")
    assert seen.scores is not None
    assert {n: round(share, 5) for n, share in seen.scores.items()} == {0: 0.2, 1: 0.7, 2: 0.1}


def test_scores_that_are_no_probabilities_are_named(tmp_path: Path) -> None:
    model = made.constant(tmp_path / "m.onnx", {"out": f32((24, 8, 16, 16, 3.5))[None].transpose(0, 2, 1)})
    assert "set activation" in look(model, "classes: [a]")[0].error


def test_the_surest_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    rows = np.repeat(f32((24, 8, 16, 16, 0.5)), 5, axis=0)
    rows[:, 4] = (0.5, 0.9, 0.6, 0.8, 0.7)
    model = made.constant(tmp_path / "m.onnx", {"out": rows.T[None]})
    seen, _ = look(model, "output: {layout: yolo, nms_iou: null}\nmax_objects: 2\nclasses: [a]")
    assert [round(o.score, 2) for o in seen.objects] == [0.9, 0.8]
    assert seen.cut == 3
