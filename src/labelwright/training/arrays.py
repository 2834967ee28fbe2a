"""Models as bytes: named numpy arrays and JSON in one compressed archive, read without unpickling anything."""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def dump(meta: dict[str, Any], arrays: Arrays) -> bytes:
    """Bytes that hold `meta` (JSON) and `arrays`."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), dtype=np.uint8)
    named: Any = {"meta": text, **arrays}
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def load(content: bytes) -> tuple[dict[str, Any], Arrays]:
    """What `dump` was given.

    Raises:
        ValueError: Not such bytes.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("meta").tobytes().decode())
    except Exception as error:
        # For damaged bytes numpy and zipfile raise a dozen kinds of errors, some of them undocumented.
        raise ValueError(f"not a stored model: {error}") from None
    if not isinstance(meta, dict):
        raise ValueError("not a stored model")
    return meta, arrays
