"""Finds out whether an ONNX file keeps tensors in other files, by reading just as much of it as that takes.

The runtime would open whatever path stands there. Hides the wire format of protocol buffers and the few field numbers
of `onnx.proto` that lead to a tensor.
"""

from collections.abc import Iterator

from labelwright.core.errors import Invalid

# Message -> field -> message, for every way from a model to its tensors (onnx.proto).
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION = range(7)
_INSIDE: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TENSOR: {},
}
_DATA_LOCATION, _EXTERNAL_DATA = 14, 13
_DEEPEST = 100


def names_other_files(content: bytes) -> bool:
    """Whether some tensor of the model lies in another file.

    Raises:
        Invalid: This is no ONNX file, or it is cut off.
    """
    view = memoryview(content)
    try:
        if not any(field == 7 for field, _, _ in _fields(view, 0, len(view))):
            raise ValueError
        return _looks(view, 0, len(view), _MODEL, 0)
    except (ValueError, IndexError):
        raise Invalid("bad_model", "this is no ONNX model, or it is cut off", "export it again") from None


def _looks(view: memoryview, start: int, end: int, message: int, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    inside = _INSIDE[message]
    for field, at, stop in _fields(view, start, end):
        if message == _TENSOR:
            # An enum with the one value EXTERNAL; the field with the paths is only there for such tensors.
            if field == _EXTERNAL_DATA or (field == _DATA_LOCATION and view[at] != 0):
                return True
        elif field in inside and _looks(view, at, stop, inside[field], depth + 1):
            return True
    return False


def _fields(view: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end of its content) of a message."""
    while at < end:
        key, at = _varint(view, at, end)
        kind = key & 7
        if kind == 0:
            _, stop = _varint(view, at, end)
        elif kind == 1:
            stop = at + 8
        elif kind == 2:
            length, at = _varint(view, at, end)
            stop = at + length
        elif kind == 5:
            stop = at + 4
        else:
            raise ValueError("no such wire type")
        if stop > end:
            raise ValueError("cut off")
        yield key >> 3, at, stop
        at = stop


def _varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < end and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("cut off")
