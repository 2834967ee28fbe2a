"""Whether a model file and its description belong together, and what the file adds to a short description.

Everything that can be wrong before a picture is looked at is said here, with what is there.
"""

from labelwright.core.detector import (
    MAX_SIDE,
    BoxesScoresClasses,
    DetectorSpec,
    Gfl,
    InputSpec,
    Port,
    Signature,
)
from labelwright.core.errors import Invalid

_HINT = "compare the description with the model; docs/guides/detectors.md explains each field"
_DTYPES = ("float32", "float16", "uint8")


def completed(spec: DetectorSpec, signature: Signature) -> DetectorSpec:
    """The description with what the model file declares filled in: names, size, number type, classes.

    Raises:
        Invalid: They contradict each other.
    """
    port = _named(spec.input.name, signature.inputs, "input", signature)
    classes = spec.classes or signature.names
    if not classes:
        raise _unfit(
            "no_classes", "the description names no classes, and the model file carries none", signature
        )
    given = _input(spec.input, port, signature)
    output = spec.output
    names = {each.name for each in signature.outputs}
    if isinstance(output, BoxesScoresClasses):
        wanted = [output.boxes, output.scores, output.classes, output.count, output.masks]
    elif isinstance(output, Gfl):
        if not output.scores and not output.output:
            output = _gfl(output, max(classes) + 1, signature)
        wanted = [*output.scores, *output.distances, output.output]
    else:
        masks = getattr(output, "masks", "")
        others = tuple(each for each in signature.outputs if each.name != masks)
        only = _named(output.output, others, "output", signature).name
        output = output.model_copy(update={"output": only})
        wanted = [masks]
    missing = [name for name in wanted if name and name not in names]
    if missing:
        raise _unfit("no_output", f"the model has no output {missing[0]!r}", signature)
    return spec.model_copy(update={"input": given, "output": output, "classes": classes})


def _gfl(output: Gfl, n_classes: int, signature: Signature) -> Gfl:
    """The outputs of a grid detector by the length of their last axis, in the order of the file."""
    sides = 4 * (output.reg_max + 1)

    def ending(length: int) -> tuple[str, ...]:
        return tuple(port.name for port in signature.outputs if port.shape and port.shape[-1] == length)

    joined = ending(n_classes + sides)
    if len(joined) == 1:
        return output.model_copy(update={"output": joined[0]})
    scores, distances = ending(n_classes), ending(sides)
    if n_classes == sides or not len(scores) == len(distances) == len(output.strides):
        said = (
            f"layout gfl looks for {len(output.strides)} outputs that end with {n_classes} (a score per class) and as many "
            f"that end with {sides} (4 times reg_max + 1)"
        )
        raise _unfit("bad_output", said, signature)
    return output.model_copy(update={"scores": scores, "distances": distances})


def _named(name: str, ports: tuple[Port, ...], what: str, signature: Signature) -> Port:
    matches = [port for port in ports if port.name == name] if name else list(ports)
    if len(matches) == 1:
        return matches[0]
    said = f"the model has no {what} {name!r}" if name else f"the model has {len(ports)} {what}s: say which"
    raise _unfit(f"no_{what}", said, signature)


def _input(given: InputSpec, port: Port, signature: Signature) -> InputSpec:
    if len(port.shape) != len(given.layout):
        said = f"layout {given.layout} has {len(given.layout)} axes, the input has {len(port.shape)}"
        raise _unfit("bad_input", said, signature)
    axes = dict(zip(given.layout, port.shape, strict=True))
    if axes["C"] not in (3, -1):
        raise _unfit(
            "bad_input",
            f"the input has {axes['C']} channels where {given.layout} has its colours; three are given",
            signature,
        )
    if axes.get("N", 1) > 1:
        raise _unfit(
            "bad_input",
            f"the model takes exactly {axes['N']} pictures at once; export it with 1, or with an open axis",
            signature,
        )
    if given.batch > 1 and axes.get("N") != -1:
        raise _unfit(
            "bad_input", f"batch is {given.batch}, but the model takes one picture at once", signature
        )
    declared = (axes["W"], axes["H"])
    size = given.size
    if given.resize == "none":
        if declared != (-1, -1):
            raise _unfit("bad_input", "resize is none, but the model takes one size only", signature)
    elif size is None:
        if -1 in declared:
            raise _unfit(
                "bad_input", "the model leaves its size open: set input.size to [width, height]", signature
            )
        size = declared
    elif any(d not in (-1, s) for d, s in zip(declared, size, strict=True)):
        raise _unfit(
            "bad_input", f"input.size is {size[0]} x {size[1]}, the model takes another one", signature
        )
    if size is not None and not all(1 <= side <= MAX_SIDE for side in size):
        raise _unfit("bad_input", f"an input has 1 to {MAX_SIDE} pixels per side", signature)
    if port.dtype not in _DTYPES:
        raise _unfit("bad_input", f"the input is {port.dtype}; {', '.join(_DTYPES)} can be given", signature)
    if given.dtype not in ("auto", port.dtype):
        raise _unfit("bad_input", f"input.dtype is {given.dtype}, the model takes {port.dtype}", signature)
    return given.model_copy(update={"name": port.name, "size": size, "dtype": port.dtype})


def _unfit(code: str, message: str, signature: Signature) -> Invalid:
    return Invalid(code, message, _HINT, signature.lines)
