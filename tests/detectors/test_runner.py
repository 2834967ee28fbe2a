"""Models in their own process: what is wrong with a file is said, and what it does there stays there."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from labelwright.core.detector import parse_spec
from labelwright.core.errors import Invalid
from labelwright.core.shape import Box
from labelwright.detectors import Crashed, Runner, Runners
from labelwright.detectors.external import names_other_files
from labelwright.detectors.session import Session
from tests.detectors import made

RED = "name: red\nclasses: [red]\ninput: {size: [16, 16], resize: stretch}"
PICTURE = np.zeros((20, 40, 3), np.uint8)
PICTURE[..., 0] = 204


@contextmanager
def running(model: Path, spec: str = RED, look_s: float = 60.0, *, try_out: bool = False) -> Iterator[Runner]:
    runner = Runner(model, parse_spec(spec), look_s=look_s, try_out=try_out)
    try:
        yield runner
    finally:
        runner.close()


def refusal(model: Path, spec: str = RED) -> Invalid:
    with pytest.raises(Invalid) as refused:
        Session(model, parse_spec(spec), threads=1).try_out()
    return refused.value


def test_pictures_go_in_and_objects_come_out(tmp_path: Path) -> None:
    model = made.red_finder(tmp_path / "red.onnx", batch="n")
    with running(model, RED.replace("stretch", "stretch, batch: 2"), try_out=True) as runner:
        seen = runner.see([PICTURE, np.zeros_like(PICTURE), PICTURE])
    assert [[(round(o.score, 3), o.shape) for o in each.objects] for each in seen] == [
        [(0.8, Box(x=0, y=0, width=40, height=20))], [], [(0.8, Box(x=0, y=0, width=40, height=20))],
    ]  # fmt: skip
    assert seen[0].latency_s > 0


def test_a_killed_model_is_said_so_and_starts_anew(tmp_path: Path) -> None:
    with running(made.red_finder(tmp_path / "red.onnx")) as runner:
        os.kill(runner._process.pid, signal.SIGSEGV)
        runner._process.wait()
        # Dead before it was asked: simply started again.
        assert runner.see([PICTURE])[0].objects
        os.kill(runner._process.pid, signal.SIGSTOP)
        runner._look_s = 0.5
        with pytest.raises(Crashed, match="took longer") as late:
            runner.see([PICTURE])
        assert late.value.code == "too_slow"
        runner._look_s = 60
        assert runner.see([PICTURE])[0].objects


def endless(path: Path) -> Path:
    """Loops as often as it can count."""
    count = [
        numpy_helper.from_array(np.asarray(2**62, np.int64), "times"),
        numpy_helper.from_array(np.asarray(True), "go"),
    ]
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Neg", ["x"], ["y"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("c2", TensorProto.BOOL, []), helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 16, 16])],
    )  # fmt: skip
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 16, 16]) for name in ("image", "out")
    ]
    return made.saved(
        path,
        [helper.make_node("Loop", ["times", "go", "image"], ["out"], body=body)],
        ports[:1],
        ports[1:],
        count,
    )


def test_a_model_that_never_ends_is_ended(tmp_path: Path) -> None:
    spec = "name: x\ntask: segment_semantic\nclasses: [a, b, c]\noutput: {layout: logits_map}"
    with (
        running(endless(tmp_path / "m.onnx"), spec, look_s=1) as runner,
        pytest.raises(Crashed, match="took longer"),
    ):
        runner.see([PICTURE])


def test_a_model_that_wants_all_memory_fails_alone(tmp_path: Path) -> None:
    size = numpy_helper.from_array(np.asarray([1 << 20, 1 << 20, 4], np.int64), "size")
    nodes = [helper.make_node("ConstantOfShape", ["size"], ["out"])]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["a", "b", "c"])
    model = made.saved(tmp_path / "m.onnx", nodes, [given], [out], [size])
    with pytest.raises((Invalid, Crashed)) as refused, running(model, try_out=True):
        pass
    assert refused.value.code in ("bad_model", "bad_output", "model_crashed", "too_large")


@pytest.mark.parametrize(
    "content", [b"", b"not a model " * 50, b"\x3a\xff\xff\xff\xff\x0f", bytes(range(256)) * 9]
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    assert refusal(tmp_path / "m.onnx").code == "bad_model"


def test_a_model_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = made.red_finder(tmp_path / "m.onnx").read_bytes()
    for end in range(0, len(whole) - 1, 37):
        (tmp_path / "cut.onnx").write_bytes(whole[:end])
        with pytest.raises(Invalid):
            Session(tmp_path / "cut.onnx", parse_spec(RED), threads=1)


def test_weights_in_other_files_are_refused_and_not_opened(tmp_path: Path) -> None:
    model = onnx.load(str(made.red_finder(tmp_path / "whole.onnx")))
    onnx.save(model, str(tmp_path / "m.onnx"), save_as_external_data=True, size_threshold=0, location="w.bin")
    assert names_other_files((tmp_path / "m.onnx").read_bytes())
    assert not names_other_files((tmp_path / "whole.onnx").read_bytes())
    assert refusal(tmp_path / "m.onnx").code == "external_data"


def test_weights_in_other_files_are_found_inside_of_branches(tmp_path: Path) -> None:
    hidden = numpy_helper.from_array(np.asarray([1], np.float32), "w")
    hidden.data_location = TensorProto.EXTERNAL
    hidden.ClearField("raw_data")
    entry = hidden.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    branch = helper.make_graph([helper.make_node("Constant", [], ["y"], value=hidden)], "b", [], [])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    assert names_other_files(model.SerializeToString())


def test_operators_of_their_own_are_named(tmp_path: Path) -> None:
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 16, 16]) for name in ("image", "out")
    ]
    node = helper.make_node("Sharpen", ["image"], ["out"], domain="com.example")
    model = made.saved(tmp_path / "m.onnx", [node], ports[:1], ports[1:], domains=["com.example"])
    error = refusal(model)
    assert error.code == "custom_operators" and "Sharpen" in error.message


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ("name: x\nclasses: [a]\ninput: {size: [32, 16]}", "bad_input", "input.size is 32 x 16"),
        ("name: x\nclasses: [a]\ninput: {name: images}", "no_input", "no input 'images'"),
        ("name: x\nclasses: [a]\ninput: {layout: CHW}", "bad_input", "3 axes, the input has 4"),
        ("name: x\nclasses: [a]\ninput: {layout: NHWC}", "bad_input", "16 channels"),
        ("name: x\nclasses: [a]\ninput: {dtype: uint8}", "bad_input", "the model takes float32"),
        ("name: x\nclasses: [a]\ninput: {batch: 4}", "bad_input", "one picture at once"),
        ("name: x\nclasses: [a]\ninput: {resize: none}", "bad_input", "one size only"),
        ("name: x\nclasses: [a]\noutput: {layout: yolo, output: out0}", "no_output", "no output 'out0'"),
        ("name: x\nclasses: [a, b]", "bad_output", "2 classes is (6, ?)"),
        ("name: x", "no_classes", "names no classes"),
    ],
)
def test_what_does_not_belong_together_is_said_with_what_is_there(
    tmp_path: Path, spec: str, code: str, said: str
) -> None:
    error = refusal(made.red_finder(tmp_path / "m.onnx"), spec)
    assert error.code == code and said in error.message
    there = [(p.where, p.message) for p in error.problems]
    assert there == [("input image", "float32 (1, 3, 16, 16)"), ("output out", "float32 (1, 5, 1)")]


def test_half_precision_and_bytes_are_given_as_declared(tmp_path: Path) -> None:
    from labelwright.detectors.fit import place

    for dtype in ("float16", "uint8"):
        model = made.identity(tmp_path / f"{dtype}.onnx", dtype=dtype, shape=(1, 3, 16, 16))
        spec = "name: x\ntask: segment_semantic\nclasses: [red, green, blue]\noutput: {layout: logits_map, background: null}"
        session = Session(model, parse_spec(spec), threads=1)
        assert session.spec.input.dtype == dtype
        placed, fit = place(PICTURE, session.spec.input)
        (seen,) = session.see(placed[None], [fit], None)
        assert [o.class_number for o in seen.objects] == [0]


def test_an_idle_model_is_kept_a_while_and_used_again(tmp_path: Path) -> None:
    model, spec = made.red_finder(tmp_path / "m.onnx"), parse_spec(RED)
    runners = Runners(idle_s=60)
    with runners.use("a", model, spec) as first:
        first.see([PICTURE])
    with runners.use("a", model, spec) as second:
        assert second is first
    runners.close()
    assert first._process.poll() is not None
