"""Tiny ONNX models made by the tests: what they give is written down beforehand, so that every box can be worked out by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def saved(path: Path, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], initializers: Sequence[Any] = (),
          metadata: Mapping[str, str] | None = None, domains: Sequence[str] = ()) -> Path:  # fmt: skip
    graph = helper.make_graph(list(nodes), "made", list(inputs), list(outputs), list(initializers))
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if metadata:
        helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(path))
    return path


def constant(
    path: Path, outputs: Mapping[str, NDArray[Any]], *, shape: Sequence[int | str] = (1, 3, 32, 64), dtype: str = "float32",
    metadata: Mapping[str, str] | None = None,
) -> Path:  # fmt: skip
    """A network that says the same about every picture: these arrays, batch axis and all."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.ascontiguousarray(value)))
        for name, value in outputs.items()
    ]
    ports = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in outputs.items()
    ]
    given = helper.make_tensor_value_info("image", TYPES[dtype], list(shape))
    return saved(path, nodes, [given], ports, metadata=metadata)


def identity(path: Path, *, shape: Sequence[int | str] = (1, 3, 32, 64), dtype: str = "float32") -> Path:
    """A network that gives back what it is given: it segments red, green and blue."""
    ports = [helper.make_tensor_value_info(name, TYPES[dtype], list(shape)) for name in ("image", "map")]
    return saved(path, [helper.make_node("Identity", ["image"], ["map"])], ports[:1], ports[1:])


def red_finder(path: Path, *, side: int = 16, batch: int | str = 1) -> Path:
    """A YOLO v8 network for stretched pictures: one candidate over the whole input, as sure as the picture is red."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["means", "zero", "one", "one"], ["red"]),
        helper.make_node("Shape", ["red"], ["rows"]),
        helper.make_node("Expand", ["box", "rows"], ["boxes"]),
        helper.make_node("Concat", ["boxes", "red"], ["flat"], axis=1),
        helper.make_node("Unsqueeze", ["flat", "two"], ["out"]),
    ]
    box = np.asarray([[side / 2, side / 2, side, side]], np.float32)
    values = {"zero": [0], "one": [1], "two": [2]}
    fixed = [numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in values.items()]
    fixed.append(numpy_helper.from_array(box, "box"))
    nodes[1] = helper.make_node("Slice", ["means", "zero", "one", "one"], ["red"])
    return saved(
        path, nodes, [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 5, 1])], fixed,
    )  # fmt: skip
