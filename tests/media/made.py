"""Image files made in code, good and hostile."""

import random
import struct
import zipfile
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture whose four corners differ, so that turning it shows: red, green, blue and white quarters, some noise."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (200, 20, 20)
    pixels[: height // 2, width // 2 :] = (20, 200, 20)
    pixels[height // 2 :, : width // 2] = (20, 20, 200)
    pixels[height // 2 :, width // 2 :] = (220, 220, 220)
    pixels += np.random.default_rng(seed).integers(0, 20, pixels.shape, np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, *, orientation: int | None = None, **given: Any) -> bytes:
    """The image as a file."""
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        given["exif"] = exif
    file = BytesIO()
    image.save(file, kind, **given)
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of files."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def claiming_png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header claims a size, whatever follows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", body or zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def noise(size: int, seed: int = 1) -> bytes:
    """Random bytes."""
    return random.Random(seed).randbytes(size)
