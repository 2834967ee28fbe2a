"""The process a model file runs in: `python -m labelwright.detectors.child`, talked to over its standard streams.

A hostile or broken file can crash this process or make it wait; nothing else. It gets no environment worth having, may
write no file, and has a ceiling for memory. That is containment of faults, not a sandbox.
"""

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from labelwright.core.detector import DetectorSpec, Marks
from labelwright.core.errors import Invalid
from labelwright.detectors import wire
from labelwright.detectors.fit import Fit


def main() -> None:
    """Answer messages until the other side closes."""
    # What a library prints must not get between the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked = sys.stdin.buffer
    _limit()
    try:
        _serve(asked, answers)
    except (wire.Broken, BrokenPipeError):
        return


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    from labelwright.detectors.session import Session

    message, _ = wire.receive(asked)
    try:
        session = Session(
            Path(message["model"]), DetectorSpec.model_validate(message["spec"]), int(message["threads"])
        )
        if message["try_out"]:
            session.try_out()
    except Invalid as error:
        problems = [each.model_dump() for each in error.problems]
        wire.send(answers, {"error": [error.code, error.message, error.hint], "problems": problems})
        return
    except MemoryError:
        wire.send(answers, {"error": ["too_large", "the model needs more memory than there is", ""]})
        return
    opened = {
        "signature": session.signature.model_dump(mode="json"), "spec": session.spec.model_dump(mode="json"),
    }  # fmt: skip
    wire.send(answers, opened)
    while True:
        message, placed = wire.receive(asked)
        assert placed is not None
        fits = [_fit(each) for each in message["fits"]]
        marks: Marks | None = message["marks"]
        try:
            seen = [each.model_dump(mode="json") for each in session.see(placed, fits, marks)]
        except MemoryError:
            seen = [{"error": "the model needs more memory than there is"}] * len(fits)
        wire.send(answers, {"seen": seen})


def _fit(given: Any) -> Fit:
    picture, size, placed = (tuple(int(n) for n in each) for each in given)
    return Fit(picture, size, placed)  # type: ignore[arg-type]


def _limit() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import onnxruntime

    if onnxruntime.get_available_providers()[0] == "CPUExecutionProvider":
        # Accelerators reserve addresses far beyond what they use.
        _lower(resource.RLIMIT_AS, max(3 << 30, physical * 3 // 4))
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)


def _lower(which: int, to: int) -> None:
    import resource

    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        to = min(to, hard)
    resource.setrlimit(which, (to, to))


if __name__ == "__main__":
    main()
