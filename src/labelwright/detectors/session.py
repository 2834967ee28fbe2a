"""A model file at work, in the process that may crash over it: load, look at pictures.

Only `labelwright.detectors.child` uses this: a file from elsewhere meets native code here.
"""

import ast
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelwright.core.detector import DetectorSpec, Marks, Port, Seen, Signature
from labelwright.core.errors import Invalid
from labelwright.core.problem import excerpt
from labelwright.detectors.check import completed
from labelwright.detectors.decode import Unfit, decode, of_picture
from labelwright.detectors.external import names_other_files
from labelwright.detectors.fit import Bytes, Fit, fit_of, tensor

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
# The first that this build of the runtime has is used; the CPU always takes what is left.
_ACCELERATORS = {
    "CUDAExecutionProvider": "CUDA",
    "CoreMLExecutionProvider": "CoreML",
    "DmlExecutionProvider": "DirectML",
}
MOST_NAMES = 1_000_000


class Session:
    """One loaded model.

    Attributes:
        signature: What the file says of itself.
        spec: The description with what the file adds.
    """

    def __init__(self, path: Path, spec: DetectorSpec, threads: int) -> None:
        """Load a model file and hold it against its description.

        Raises:
            Invalid: It cannot be loaded, or they do not belong together.
        """
        import onnxruntime

        content = path.read_bytes()
        others = names_other_files(content)
        if others:
            raise Invalid(
                "external_data", "the model keeps its weights in other files, which are not read",
                "save it in one file: onnx.save(onnx.load('model.onnx'), 'whole.onnx')",
            )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        # Waiting threads must not take the cores from people who are labelling.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        have = onnxruntime.get_available_providers()
        chosen = [name for name in _ACCELERATORS if name in have][:1]
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=[*chosen, "CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime raises a dozen kinds of its own
            raise _unloadable(str(error)) from None
        used = self._session.get_providers()[0]
        self.signature = Signature(
            inputs=tuple(_port(each) for each in self._session.get_inputs()),
            outputs=tuple(_port(each) for each in self._session.get_outputs()),
            names=_names(self._session.get_modelmeta().custom_metadata_map),
            runs_on=_ACCELERATORS.get(used, "CPU"),
        )
        self.spec = completed(spec, self.signature)

    def try_out(self) -> None:
        """Look at a grey picture once.

        Raises:
            Invalid: It fails, or the outputs are not laid out as described.
        """
        fit = fit_of((320, 240), self.spec.input)
        grey = np.full((1, fit.size[1], fit.size[0], 3), 128, np.uint8)
        (seen,) = self.see(grey, [fit], None)
        if seen.error:
            raise Invalid(
                "bad_output", seen.error, "docs/guides/detectors.md explains each layout", self.signature.lines
            )  # fmt: skip

    def see(self, placed: Bytes, fits: Sequence[Fit], marks: Marks | None) -> list[Seen]:
        """What is in each of these pictures (n, height, width, 3), which lie in the input as `fits` says."""
        started = time.perf_counter()
        try:
            given = tensor(placed, self.spec.input, self.spec.input.dtype)
            names = [each.name for each in self.signature.outputs]
            outputs = dict(zip(names, self._session.run(names, {self.spec.input.name: given}), strict=True))
        except Exception as error:
            return [Seen(error=f"the model failed: {excerpt(_plain(error), 300)}")] * len(fits)
        ran = (time.perf_counter() - started) / len(fits)
        found = []
        for n, fit in enumerate(fits):
            started = time.perf_counter()
            try:
                seen = decode(of_picture(outputs, self.spec, n, len(fits)), self.spec, fit, marks)
            except Unfit as error:
                seen = Seen(error=str(error))
            latency = ran + time.perf_counter() - started
            found.append(seen.model_copy(update={"latency_s": latency}))
        return found


def _port(given: Any) -> Port:
    shape = tuple(axis if isinstance(axis, int) and axis >= 0 else -1 for axis in given.shape)
    return Port(name=given.name, dtype=_DTYPES.get(given.type, given.type), shape=shape)


def _names(metadata: dict[str, str]) -> dict[int, str]:
    """Class names as Ultralytics writes them into the file: `{0: 'person', 1: 'bicycle'}`."""
    text = metadata.get("names", "")
    try:
        body = ast.literal_eval(text) if 0 < len(text) <= MOST_NAMES else {}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if isinstance(body, list | tuple):
        body = dict(enumerate(body))
    if not isinstance(body, dict):
        return {}
    return {
        key: str(name)[:200]
        for key, name in body.items()
        if isinstance(key, int) and key >= 0 and str(name).strip()
    }


def _unloadable(said: str) -> Invalid:
    said = _plain(said)
    if (
        "not a registered function/op" in said
        or "is not a registered function" in said
        or "custom op" in said.lower()
    ):
        return Invalid(
            "custom_operators", f"the model needs operators of its own: {excerpt(said, 300)}",
            "export it with standard ONNX operators only",
        )  # fmt: skip
    return Invalid(
        "bad_model", f"the model cannot be loaded: {excerpt(said, 300)}",
        "is it an ONNX file, and whole? onnx.checker.check_model says more",
    )  # fmt: skip


def _plain(error: object) -> str:
    """What the runtime says, without its own paths and line numbers."""
    text = str(error).replace("\n", " ")
    _, mark, rest = text.partition(" : ")
    while mark and len(rest) > 20 and text.startswith("["):
        text = rest
        _, mark, rest = text.partition(" : ")
    return text.strip()
