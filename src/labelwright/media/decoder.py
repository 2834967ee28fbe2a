"""The child that decodes foreign images; a program of its own, run by `media.pictures`.

It is started by its path with Python's `-I`, knows nothing of Labelwright, and reads one JSON line per file. What it
needs of memory and time is bounded by the size a file claims, before anything is decoded, so that a hostile file can
end this process and nothing else. Answers are JSON lines too: `{"claimed": [w, h]}` when the header was read, then
`{"ok": {...}}` or `{"wrong": {"code", "message"}}`; pixels and derived pictures are written to files that were named.
"""

import contextlib
import json
import os
import resource
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

PREVIEW, THUMBNAIL, TILE = 1600, 256, 512
ORIENTATION = 0x0112
JPEG_SIDE = 65_000  # the format holds 65,535
SPARE_BYTES, BYTES_PER_PIXEL = 384 << 20, 24
SPARE_S, S_PER_PIXEL = 30.0, 0.5e-6
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class Wrong(Exception):
    """The file cannot be used."""

    def __init__(self, code: str, message: str) -> None:
        """Why, for programs and for people."""
        super().__init__(message)
        self.code, self.message = code, message


def kind_of(head: bytes) -> str:
    """The format by the first bytes, as Pillow names it; the file's name says nothing.

    Raises:
        Wrong: It is no format that is read.
    """
    if not head:
        raise Wrong("empty_file", "the file is empty")
    for start, kind in (
        (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
        (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
    ):  # fmt: skip
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and head[14:18] in (
        b"\x28\0\0\0",
        b"\x0c\0\0\0",
        b"\x6c\0\0\0",
        b"\x7c\0\0\0",
        b"\x40\0\0\0",
    ):
        return "BMP"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"):
        return "HEIF"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text or text.startswith(b"<?xml"):
        raise Wrong("svg", "SVG is a program, not pixels; export it as PNG and import that")
    if b"%pdf-" in text[:1024]:
        raise Wrong("pdf", "PDF pages are not images; export them as PNG and import those")
    if head[4:8] == b"ftyp":
        raise Wrong("not_an_image", "this is a video or an AVIF image; convert it to JPEG or PNG")
    raise Wrong(
        "not_an_image", "this is no JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC image, whatever its name says"
    )


def opened(path: str, max_pixels: int) -> Image.Image:
    """The image with only its header read; limits are set for what it claims to be.

    Raises:
        Wrong: Of no known format, damaged, or larger than `max_pixels`.
    """
    with Path(path).open("rb") as file:
        kind = kind_of(file.read(2048))
    if kind == "HEIF":
        try:
            import pillow_heif
        except ImportError:
            raise Wrong("no_heic", "HEIC images need: pip install 'labelwright[heic]'") from None
        pillow_heif.register_heif_opener()
    try:
        image = Image.open(path, formats=[kind])
    except Exception as error:
        raise Wrong("bad_image", f"its header cannot be read as {kind} ({_said(error)})") from None
    width, height = image.size
    if width * height > max_pixels:
        raise Wrong(
            "too_many_pixels",
            f"it claims {width:,} x {height:,} pixels; at most {max_pixels / 1e6:,.0f} megapixels are read",
        )
    _limit(width * height)
    _say({"claimed": [width, height]})
    return image


def _limit(pixels: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        wanted = in_use + SPARE_BYTES + BYTES_PER_PIXEL * pixels
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + SPARE_S + S_PER_PIXEL * pixels) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def size_of(image: Image.Image) -> tuple[int, int]:
    """(width, height) upright. TIFF says its size upright already."""
    width, height = image.size
    turned = image.format != "TIFF" and _orientation(image) >= 5
    return (height, width) if turned else (width, height)


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1  # damaged EXIF says nothing
    return found if found in _TURN else 1


class Decoded:
    """An image as 8-bit upright RGB, and what that took."""

    def __init__(self, image: Image.Image) -> None:
        """Decode.

        Raises:
            Wrong: Truncated or damaged.
        """
        self.notes: list[str] = []
        self.kind = str(image.format)
        self.icc: bytes | None = image.info.get("icc_profile")
        bits = _bits(image)  # before anything closes the file
        turned = _orientation(image)
        frames = int(getattr(image, "n_frames", 1))
        try:
            image.load()
        except MemoryError:
            raise
        except Exception as error:
            raise Wrong("bad_image", f"it is damaged or cut off ({_said(error)})") from None
        # Loading a TIFF turns it upright and forgets the orientation; loading a PNG may find one.
        left = _orientation(image)
        self.as_it_is = (
            self.kind in ("JPEG", "PNG", "WEBP") and left == 1 and frames == 1 and bits <= 8
            and image.mode in ("1", "L", "P", "RGB", "RGBA", "LA", "PA")
        )  # fmt: skip
        self.lossless = self.kind in ("PNG", "BMP", "GIF", "TIFF")
        if frames > 1:
            what = "page" if self.kind == "TIFF" else "frame"
            self.notes.append(f"the first of {frames:,} {what}s is used")
        if left != 1 or turned != 1:
            self.notes.append("turned upright as its EXIF orientation says")
        image = self._eight_bits(image, bits)
        if left != 1:
            image = image.transpose(_TURN[left])
        self.image = image

    def _eight_bits(self, image: Image.Image, bits: int) -> Image.Image:
        mode = image.mode
        if mode in ("F", "I") or mode.startswith("I;"):
            self.icc = None
            return self._stretched(image, bits)
        if bits > 8:
            self.notes.append(f"{bits} bits per channel reduced to 8")
        if mode in ("CMYK", "LAB", "YCbCr", "HSV"):
            if mode != "YCbCr":
                self.notes.append(f"{mode} colours turned into RGB")
            image, self.icc = _managed(image, self.icc), None
        elif mode in ("P", "PA"):
            self.notes.append("a palette turned into RGB")
        elif mode in ("L", "LA", "1"):
            self.notes.append("black and white" if mode == "1" else "greyscale")
            if self.icc is not None and mode != "1":
                self.icc = None  # a profile of greys does not fit RGB
        if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
            image = image.convert("RGBA")
            lowest = image.getchannel("A").getextrema()[0]
            if isinstance(lowest, int | float) and lowest < 255:
                self.as_it_is = False
                self.lossless = True
                self.notes.append("transparent parts are shown on white")
                white = Image.new("RGBA", image.size, "white")
                white.alpha_composite(image)
                image = white
        return image if image.mode == "RGB" else image.convert("RGB")

    def _stretched(self, image: Image.Image, bits: int) -> Image.Image:
        import numpy as np

        values = np.asarray(image).astype(np.float32)
        usable = np.isfinite(values)
        low, high = (float(values[usable].min()), float(values[usable].max())) if usable.any() else (0.0, 0.0)
        values -= low
        values *= 255.0 / (high - low) if high > low else 0.0
        values[~usable] = 0.0
        what = "floating point" if image.mode == "F" else f"{max(bits, 16)} bits per channel"
        self.notes.append(f"greyscale, {what} reduced to 8: {low:g} is shown black, {high:g} white")
        return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")


def _bits(image: Image.Image) -> int:
    """Bits per channel of the file; Pillow's mode hides them where it reduced them itself."""
    file = getattr(image, "fp", None)
    if image.format == "PNG" and file is not None:
        at = file.tell()
        file.seek(24)
        bits = file.read(1)[0]
        file.seek(at)
        return int(bits)
    if image.format == "TIFF":
        found = getattr(image, "tag_v2", {}).get(258, (8,))
        return max(found) if isinstance(found, tuple) else int(found)
    return int(image.info.get("bit_depth", 8))


def _managed(image: Image.Image, icc: bytes | None) -> Image.Image:
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    with contextlib.suppress(Exception):
        if image.mode == "LAB":
            lab = ImageCms.createProfile("LAB")
            return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
        if image.mode == "CMYK" and icc:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            return ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB") or image
    return image.convert("RGB")


def make(path: str, folder: str, max_pixels: int, tile_above: int) -> dict[str, Any]:
    """Decode a file and write what the browser shows of it into `folder`: `display`, `preview`, `thumbnail`, `tiles`.

    A file that is missing there means: the larger one serves as well (the original for `display`).
    """
    made = Decoded(opened(path, max_pixels))
    image, width, height = made.image, made.image.width, made.image.height
    into = Path(folder)
    if not made.as_it_is:
        _save(image, into / "display", made.icc, lossless=made.lossless)
    levels = 0
    if width * height > tile_above:
        levels = _write_tiles(image, into / "tiles", made.icc)
    small = image
    for name, side in (("preview", PREVIEW), ("thumbnail", THUMBNAIL)):
        if max(width, height) > side:
            scale = side / max(width, height)
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            small = small.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
            _save(small, into / name, made.icc, lossless=False)
    return {
        "width": width, "height": height, "format": {"MPO": "jpeg", "HEIF": "heic"}.get(made.kind, made.kind.lower()),
        "notes": made.notes, "levels": levels,
    }  # fmt: skip


def _save(image: Image.Image, path: Path, icc: bytes | None, *, lossless: bool) -> None:
    profile = icc if icc is not None and len(icc) <= 65_536 else None
    if lossless or max(image.size) > JPEG_SIDE:
        level = 6 if image.width * image.height < 4_000_000 else 1
        image.save(path, "PNG", compress_level=level, icc_profile=profile)
    else:
        image.save(path, "JPEG", quality=90, icc_profile=profile)


def _write_tiles(image: Image.Image, path: Path, icc: bytes | None) -> int:
    """All tiles in one zip, largest level first so that one level is held at a time; returns the number of levels."""
    levels = 1
    while max(image.size) > TILE << (levels - 1):
        levels += 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for level in reversed(range(levels)):
            for y in range(0, image.height, TILE):
                for x in range(0, image.width, TILE):
                    tile = image.crop((x, y, min(x + TILE, image.width), min(y + TILE, image.height)))
                    kept = BytesIO()
                    tile.save(kept, "JPEG", quality=90, icc_profile=icc if icc and len(icc) < 4096 else None)
                    archive.writestr(f"{level}/{x // TILE}/{y // TILE}", kept.getvalue())
            if level:
                image = image.reduce(2)
    return levels


def write_pixels(path: str, into: str, max_pixels: int) -> dict[str, Any]:
    """Write the upright RGB pixels, row by row, three bytes each."""
    image = Decoded(opened(path, max_pixels)).image
    with Path(into).open("wb") as file:
        for y in range(0, image.height, TILE):
            file.write(image.crop((0, y, image.width, min(y + TILE, image.height))).tobytes())
    return {"width": image.width, "height": image.height}


def answer(wanted: dict[str, Any]) -> dict[str, Any]:
    """Do what one line asks for."""
    try:
        match wanted.pop("do"):
            case "make":
                return {"ok": make(**wanted)}
            case "pixels":
                return {"ok": write_pixels(**wanted)}
            case _:
                width, height = size_of(opened(**wanted))
                return {"ok": {"width": width, "height": height}}
    except Wrong as wrong:
        return {"wrong": {"code": wrong.code, "message": wrong.message}}
    except MemoryError:
        message = "decoding it would take more memory than an image of its size may"
        return {"wrong": {"code": "too_much_memory", "message": message}}
    except Exception as error:
        return {"wrong": {"code": "bad_image", "message": f"it cannot be decoded ({_said(error)})"}}


def _said(error: BaseException) -> str:
    # Paths of this machine are nobody's business.
    return " ".join(word for word in str(error).split() if "/" not in word)[:120] or type(error).__name__


_out = sys.stdout


def _say(value: dict[str, Any]) -> None:
    _out.write(json.dumps(value) + "\n")
    _out.flush()


def main() -> None:
    """Answer lines until the parent closes the pipe."""
    global _out
    # Whatever a library prints must not be taken for an answer.
    _out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.MAX_IMAGE_PIXELS = None  # checked here, against what was configured
    ImageOps  # noqa: B018  loaded now, because TIFF needs it inside the limits
    for line in sys.stdin:
        _say(answer(json.loads(line)))


if __name__ == "__main__":
    main()
