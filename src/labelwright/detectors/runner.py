"""A detector at work, as the rest of the house sees it: pictures in, what is in them out.

Hides the process the model runs in: starting it, its time limits, and starting it anew after a crash.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

import labelwright
from labelwright.core.detector import DetectorSpec, Marks, Seen, Signature
from labelwright.core.errors import Invalid, LabelwrightError
from labelwright.core.problem import Problem
from labelwright.detectors import wire
from labelwright.detectors.fit import Bytes, place

LOAD_S = 300.0
LOOK_S = 120.0
"""Longest time for one call; what takes longer is ended."""
MOST_THREADS = 4
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "CUDA_VISIBLE_DEVICES", "CUDA_PATH")
_SEEN = TypeAdapter(list[Seen])


class Crashed(LabelwrightError):
    """The process of a model ended or took too long."""

    status = 422


class Runner:
    """One model in a process of its own. Not for several threads at once.

    Attributes:
        signature: What the model file says of itself.
        spec: The description with what the file adds.
    """

    def __init__(
        self, model: Path, spec: DetectorSpec, *, threads: int | None = None, try_out: bool = False, load_s: float = LOAD_S,
        look_s: float = LOOK_S,
    ) -> None:  # fmt: skip
        """Load a model file.

        Args:
            model: The ONNX file.
            spec: How it is used.
            threads: Of the model; at most four and no more than there are cores by default.
            try_out: Also look at a grey picture, so that a wrong layout is found now.
            load_s: Longest time for loading.
            look_s: Longest time for one call.

        Raises:
            Invalid: It cannot be loaded, or description and model do not belong together.
            Crashed: Loading it ended the process, or took too long.
        """
        self._model, self._threads = model, threads or min(MOST_THREADS, os.cpu_count() or 1)
        self._load_s, self._look_s = load_s, look_s
        self.spec = spec
        self._open(try_out)

    def _open(self, try_out: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="labelwright-detector-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labelwright.detectors.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=self._folder.name, env=_environment(self._folder.name), start_new_session=True,
        )  # fmt: skip
        wanted = {
            "model": str(self._model.resolve()), "spec": self.spec.model_dump(mode="json"), "threads": self._threads,
            "try_out": try_out,
        }  # fmt: skip
        try:
            told = self._exchange(wanted, None, self._load_s)
            if "error" in told:
                code, message, hint = (str(each) for each in told["error"])
                problems = [Problem.model_validate(each) for each in told.get("problems", ())]
                raise Invalid(code, message, hint, problems)
            self.signature = Signature.model_validate(told["signature"])
            self.spec = DetectorSpec.model_validate(told["spec"])
        except (KeyError, ValueError, TypeError) as error:
            self.close()
            raise Crashed("model_crashed", "the model's process answered nonsense") from error
        except LabelwrightError:
            self.close()
            raise

    def see(self, pictures: Sequence[Bytes], marks: Marks | None = None) -> list[Seen]:
        """What is in each of these pictures: uint8 (h, w, 3), RGB, upright.

        Args:
            pictures: Up to `spec.input.batch` at once are given to the model together.
            marks: Kind of shape to mark objects with; None for what the network gives.

        Raises:
            Crashed: The model ended its process over them, or took too long; the next call starts a new one.
        """
        found: list[Seen] = []
        for start in range(0, len(pictures), self.spec.input.batch):
            placed = [
                place(each, self.spec.input) for each in pictures[start : start + self.spec.input.batch]
            ]
            fits = [[fit.picture, fit.size, fit.placed] for _, fit in placed]
            if self._process.poll() is not None:
                self._open(False)
            told = self._exchange(
                {"fits": fits, "marks": marks},
                np.stack([each for each, _ in placed]),
                self._look_s * len(placed),
            )
            try:
                seen = _SEEN.validate_python(told["seen"])
            except (KeyError, ValidationError):
                seen = []
            if len(seen) != len(placed):
                self.close()
                raise Crashed("model_crashed", "the model's process answered nonsense")
            found += seen
        return found

    def _exchange(self, message: dict[str, Any], pictures: Bytes | None, longest_s: float) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        limit = threading.Timer(longest_s, end)
        limit.daemon = True
        limit.start()
        try:
            wire.send(self._process.stdin, message, pictures)
            return wire.receive(self._process.stdout)[0]
        except (wire.Broken, OSError):
            self.close()
            if late.is_set():
                raise Crashed(
                    "too_slow", f"the model took longer than {longest_s:,.0f} s and was ended"
                ) from None
            code = self._process.returncode
            how = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
            raise Crashed(
                "model_crashed", f"the model ended its process ({how})",
                "the file may be damaged, or need more memory than there is",
            ) from None  # fmt: skip
        finally:
            limit.cancel()

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # What was still to be written has no reader any more.
                with suppress(OSError):
                    pipe.close()
        self._folder.cleanup()


class Runners:
    """The models at work in this process; one that is idle is kept a while, since loading takes seconds."""

    def __init__(self, idle_s: float = 60.0) -> None:
        """Keep idle models for so long."""
        self._idle_s = idle_s
        self._idle: dict[str, tuple[Runner, threading.Timer]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(self, key: str, model: Path, spec: DetectorSpec) -> Iterator[Runner]:
        """The model of this key, loaded now or still there.

        Raises:
            Invalid: It cannot be loaded.
            Crashed: Loading it ended the process, or took too long.
        """
        with self._lock:
            kept = self._idle.pop(key, None)
        if kept is not None:
            kept[1].cancel()
        runner = kept[0] if kept is not None else Runner(model, spec)
        try:
            yield runner
        except BaseException:
            runner.close()
            raise
        timer = threading.Timer(self._idle_s, self._end, (key, runner))
        timer.daemon = True
        with self._lock:
            before = self._idle.pop(key, None)
            self._idle[key] = (runner, timer)
        timer.start()
        if before is not None:
            before[1].cancel()
            before[0].close()

    def _end(self, key: str, runner: Runner) -> None:
        with self._lock:
            kept = self._idle.get(key)
            if kept is None or kept[0] is not runner:
                return
            del self._idle[key]
        runner.close()

    def close(self) -> None:
        """End all idle models."""
        with self._lock:
            kept, self._idle = list(self._idle.values()), {}
        for runner, timer in kept:
            timer.cancel()
            runner.close()


def _environment(folder: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    source = str(Path(labelwright.__file__).resolve().parent.parent)
    return kept | {"PYTHONPATH": source, "HOME": folder, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}
