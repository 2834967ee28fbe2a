"""What goes between the two processes of a detector: a length, JSON, and for pictures their raw bytes.

Nothing here can run code on arrival, whichever side is the broken one.
"""

import json
import struct
from typing import IO, Any

import numpy as np

from labelwright.detectors.fit import Bytes

MOST_BYTES = 1_000_000_000
_LENGTH = struct.Struct(">Q")


class Broken(Exception):
    """The other side ended, or does not keep to the form."""


def send(to: IO[bytes], message: dict[str, Any], pictures: Bytes | None = None) -> None:
    """Write one message, with pictures (n, height, width, 3) if there are any."""
    if pictures is not None:
        message = message | {"pictures": list(pictures.shape)}
    body = json.dumps(message).encode()
    to.write(_LENGTH.pack(len(body)))
    to.write(body)
    if pictures is not None:
        to.write(np.ascontiguousarray(pictures).data)
    to.flush()


def receive(source: IO[bytes]) -> tuple[dict[str, Any], Bytes | None]:
    """Read one message.

    Raises:
        Broken: There is none, or it is none.
    """
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    try:
        message = json.loads(_exactly(source, length))
    except (ValueError, RecursionError):
        raise Broken("no JSON") from None
    if not isinstance(message, dict):
        raise Broken("no message")
    shape = message.pop("pictures", None)
    if shape is None:
        return message, None
    flat = np.frombuffer(_exactly(source, int(np.prod(shape, dtype=np.int64))), np.uint8)
    return message, flat.reshape(shape)


def _exactly(source: IO[bytes], n: int) -> bytes:
    if n > MOST_BYTES:
        raise Broken("too long")
    found = source.read(n)
    if len(found) != n:
        raise Broken("it ended")
    return found
