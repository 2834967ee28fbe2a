"""Any image people have becomes upright 8-bit RGB, and is told how; any hostile file is refused and hurts nobody else."""

import os
import signal
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelwright.core.errors import NotFound
from labelwright.media.blobs import Blobs
from labelwright.media.pictures import BadImage, Made, Pictures
from tests.media.made import chunk, claiming_png, encoded, noise, photo


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pictures]:
    found = Pictures(Blobs(tmp_path_factory.mktemp("blobs")), max_pixels=20_000_000, children=2)
    yield found
    found.close()


def kept(pictures: Pictures, content: bytes) -> str:
    return pictures._blobs.put([content])[0]


def shown(pictures: Pictures, blob: str) -> Image.Image:
    return Image.open(pictures._blobs.path(blob))


def make(pictures: Pictures, content: bytes) -> tuple[Made, np.ndarray]:  # type: ignore[type-arg]
    sha256 = kept(pictures, content)
    return pictures.make(sha256), pictures.pixels(sha256)


def quarters(pixels: np.ndarray) -> list[str]:  # type: ignore[type-arg]
    """The colours of the four quarters, in reading order."""
    height, width = pixels.shape[:2]
    found = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            r, g, b = (int(v) for v in pixels[y, x])
            found.append(
                "white" if min(r, g, b) > 150 else "red" if r > 150 else "green" if g > 150 else "blue"
            )
    return found


UPRIGHT = ["red", "green", "blue", "white"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_once(pictures: Pictures, kind: str, orientation: int) -> None:
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = photo(60, 40, seed=orientation)
    stored = upright.transpose(turn[orientation]) if orientation > 1 else upright
    made, pixels = make(pictures, encoded(stored, kind, orientation=orientation, quality=95))
    assert (made.picture.width, made.picture.height) == (60, 40) == pixels.shape[1::-1]
    assert quarters(pixels) == UPRIGHT
    display = shown(pictures, made.display)
    assert quarters(np.asarray(display.convert("RGB"))) == UPRIGHT
    assert display.getexif().get(0x0112, 1) == 1
    assert any("orientation" in note for note in made.picture.notes) == (orientation > 1)
    assert pictures.size_at(
        pictures._blobs.path(kept(pictures, encoded(stored, kind, orientation=orientation)))
    ) == (60, 40)


def rgb(made: Image.Image) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(made.convert("RGB"))


def test_what_the_browser_can_show_is_its_own_display(pictures: Pictures) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        content = encoded(photo(50, 30), kind)
        made, pixels = make(pictures, content)
        assert made.display == made.preview == made.thumbnail == kept(pictures, content)
        assert made.picture.format == kind.lower()
        assert np.array_equal(pixels, rgb(Image.open(BytesIO(content))))


def test_the_smaller_versions_keep_the_shape(pictures: Pictures) -> None:
    made, _ = make(pictures, encoded(photo(2000, 900), "JPEG"))
    assert shown(pictures, made.preview).size == (1600, 720)
    assert shown(pictures, made.thumbnail).size == (256, 115)
    made, _ = make(pictures, encoded(photo(3000, 2), "PNG"))
    assert shown(pictures, made.thumbnail).size == (256, 1)


def test_every_kind_of_pixel_becomes_rgb_and_is_told(pictures: Pictures) -> None:
    colours = photo(48, 32)
    deep = np.linspace(100, 4000, 48 * 32).reshape(32, 48).astype(np.uint16)
    floating = np.where(deep > 3900, np.nan, deep / 7.0).astype(np.float32)
    alpha = colours.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize((48, 32)))
    clear = colours.quantize(16)
    clear.info["transparency"] = 0
    frames = BytesIO()
    colours.save(frames, "GIF", save_all=True, append_images=[photo(48, 32, 5)])
    pages = BytesIO()
    colours.save(pages, "TIFF", save_all=True, append_images=[photo(20, 20)])
    wanted = [
        (encoded(Image.fromarray(deep), "PNG"), "16 bits", "png"),
        (encoded(Image.fromarray(deep), "TIFF"), "16 bits", "tiff"),
        (encoded(Image.fromarray(floating), "TIFF"), "floating point", "tiff"),
        (encoded(colours.convert("CMYK"), "JPEG"), "CMYK", "jpeg"),
        (encoded(colours.convert("CMYK"), "TIFF"), "CMYK", "tiff"),
        (encoded(Image.new("LAB", (48, 32), (50, 128, 128)), "TIFF"), "LAB", "tiff"),
        (encoded(colours.convert("L"), "PNG"), "greyscale", "png"),
        (encoded(colours.convert("1"), "PNG"), "black and white", "png"),
        (encoded(colours.quantize(16), "PNG"), "palette", "png"),
        (encoded(clear, "PNG", transparency=0), "transparent", "png"),
        (encoded(alpha, "PNG"), "transparent", "png"),
        (encoded(alpha, "WEBP", lossless=True), "transparent", "webp"),
        (encoded(alpha, "TIFF"), "transparent", "tiff"),
        (encoded(colours.convert("LA"), "PNG"), "greyscale", "png"),
        (frames.getvalue(), "first of 2 frames", "gif"),
        (pages.getvalue(), "first of 2 pages", "tiff"),
        (encoded(colours, "BMP"), "", "bmp"),
        (sixteen_bit_rgb_png(), "16 bits per channel reduced", "png"),
    ]
    for content, told, kind in wanted:
        made, pixels = make(pictures, content)
        assert pixels.dtype == np.uint8 and pixels.shape == (32, 48, 3), told
        assert made.picture.format == kind
        assert told in " ".join(made.picture.notes), (told, made.picture.notes)
        display = shown(pictures, made.display)
        assert display.format in ("JPEG", "PNG", "WEBP") and display.mode in (
            "RGB",
            "L",
            "P",
            "1",
            "RGBA",
            "LA",
        )
        # What people see is what models see.
        assert np.abs(rgb(display).astype(int) - pixels).mean() < 8, told
    # 12 bits in 16 are seen, not black; what is no number is black.
    _, pixels = make(pictures, wanted[0][0])
    assert (pixels.min(), pixels.max()) == (0, 255)
    _, pixels = make(pictures, wanted[2][0])
    assert pixels[-1, -1].tolist() == [0, 0, 0]
    # A pixel that is not there at all is white.
    _, pixels = make(pictures, wanted[10][0])
    assert pixels[0].min() > 240


def sixteen_bit_rgb_png() -> bytes:
    header = struct.pack(">IIBBBBB", 48, 32, 16, 2, 0, 0, 0)
    row = b"\0" + b"\xff\x10\x80\x20\x01\x30" * 48
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row * 32))
        + chunk(b"IEND", b"")
    )


def test_heic_is_read_where_its_decoder_is_installed(pictures: Pictures) -> None:
    heif = pytest.importorskip("pillow_heif")
    file = BytesIO()
    heif.from_pillow(photo(64, 48)).save(file, quality=90)
    made, pixels = make(pictures, file.getvalue())
    assert (made.picture.format, made.picture.width, made.picture.height) == ("heic", 64, 48)
    assert quarters(pixels) == UPRIGHT
    assert shown(pictures, made.display).format == "JPEG"


def test_an_opaque_alpha_channel_changes_nothing(pictures: Pictures) -> None:
    content = encoded(photo(20, 20).convert("RGBA"), "PNG")
    made, _ = make(pictures, content)
    assert made.display == kept(pictures, content)
    assert made.picture.notes == ()


GIF_JS = b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//" + b"\0" * 40
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
HOSTILE: list[tuple[str, bytes, set[str]]] = [
    ("empty", b"", {"empty_file"}),
    ("text", b"hello, I am a.png", {"not_an_image"}),
    ("svg", SVG, {"svg"}),
    ("svg without a head", b"\n <svg onload='x()'/>", {"svg"}),
    ("pdf", b"%PDF-1.7\n" + noise(200), {"pdf"}),
    ("pdf that ends as a jpeg", b"%PDF-1.4\n" + encoded(photo(9, 9), "JPEG"), {"pdf"}),
    ("a program in a gif", GIF_JS, {"bad_image"}),
    ("claims 60,000 x 60,000", claiming_png(60_000, 60_000), {"too_many_pixels"}),
    ("claims 2^31 x 2^31", claiming_png(2**31 - 1, 2**31 - 1), {"too_many_pixels", "bad_image"}),
    ("claims no width", claiming_png(0, 10), {"bad_image"}),
    ("png that is cut", encoded(photo(80, 80), "PNG")[:-400], {"bad_image"}),
    ("jpeg that is cut", encoded(photo(80, 80), "JPEG")[:-400], {"bad_image"}),
    ("webp that is cut", encoded(photo(80, 80), "WEBP")[:-100], {"bad_image"}),
    ("tiff that is cut", encoded(photo(80, 80), "TIFF")[:2000], {"bad_image"}),
    ("only a head", b"\x89PNG\r\n\x1a\n", {"bad_image"}),
    ("jpeg of noise", b"\xff\xd8\xff\xe0" + noise(5000), {"bad_image"}),
    ("bmp of noise", b"BM" + noise(12) + b"\x28\0\0\0" + noise(3000), {"bad_image", "too_many_pixels"}),
    ("tiff of noise", b"II*\0" + noise(3000), {"bad_image"}),
    ("webp of noise", b"RIFF\xff\0\0\0WEBPVP8 " + noise(300), {"bad_image"}),
    ("heic of noise", b"\0\0\0\x18ftypheic" + noise(300), {"bad_image"}),
    ("a film", b"\0\0\0\x18ftypisom" + noise(300), {"not_an_image"}),
    # 3,000 x 3,000 pixels are allowed; what its data inflates to is far more and never looked at.
    ("inflates beyond what it claims", claiming_png(4, 4, zlib.compress(b"\0" * 50_000_000, 9)), {""}),
    ("a text chunk that is a bomb",
     b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
     + chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 100_000_000, 9)), {"bad_image"}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "codes"), [pytest.param(c, w, id=n) for n, c, w in HOSTILE])
def test_a_hostile_file_is_refused_with_a_reason_and_the_next_one_is_read(
    pictures: Pictures, content: bytes, codes: set[str]
) -> None:
    sha256 = kept(pictures, content)
    if "" not in codes:
        with pytest.raises(BadImage) as refused:
            pictures.make(sha256)
        assert refused.value.code in codes
        # A reason, and nothing of this machine in it.
        assert refused.value.message and str(pictures._blobs.folder) not in refused.value.message
    assert pictures.make(kept(pictures, encoded(photo(9, 9), "PNG"))).picture.width == 9
    assert len(pictures.processes()) <= 2


def test_a_gif_with_a_program_behind_its_pixels_is_shown_as_another_file(pictures: Pictures) -> None:
    content = encoded(photo(16, 16), "GIF") + b"*/=1;alert(1)//<script>alert(1)</script>"
    made, _ = make(pictures, content)
    assert made.display != kept(pictures, content)
    assert b"script" not in pictures._blobs.read(made.display)


def test_memory_is_bounded_by_what_a_file_claims(pictures: Pictures) -> None:
    """A file of a few bytes that makes its decoder ask for gigabytes ends with a reason."""
    # One strip of a TIFF that says it needs 3 GB, in an image of 16 pixels.
    tags = [
        (256, 4, 4), (257, 4, 4), (258, 3, 8), (259, 3, 5), (262, 3, 1), (273, 4, 8), (277, 3, 1),
        (278, 4, 0x7FFFFFFF), (279, 4, 0x7FFFFFF0),
    ]  # fmt: skip
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    content = b"II*\0" + struct.pack("<I", 8) + body + b"\0" * 4 + noise(64)
    with pytest.raises(BadImage):
        pictures.make(kept(pictures, content))
    assert pictures.make(kept(pictures, encoded(photo(7, 7), "PNG"))).picture.width == 7


def test_a_child_that_hangs_or_is_killed_is_replaced_and_only_its_file_suffers(tmp_path: Path) -> None:
    pictures = Pictures(Blobs(tmp_path), children=2, patience_s=1.0)
    good = [kept(pictures, encoded(photo(30, 30, seed), "PNG")) for seed in range(40)]
    pictures.make(good[0])
    (first,) = pictures.processes()
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(BadImage, match="too long"):
        pictures.make(good[1])
    assert pictures.make(good[1]).picture.width == 30
    assert first not in pictures.processes()
    failed: list[str] = []

    def work(mine: list[str]) -> None:
        for each in mine:
            try:
                pictures.make(each)
            except BadImage as error:
                failed.append(error.code)

    threads = [threading.Thread(target=work, args=(good[i::2],)) for i in range(2)]
    for thread in threads:
        thread.start()
    killed = 0
    while killed < 2:
        for pid in pictures.processes():
            os.kill(pid, signal.SIGKILL)
            killed += 1
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert len(failed) <= killed + 1 and set(failed) <= {"decoder_died"}
    assert all(pictures.make(each).picture.width == 30 for each in good[:4])
    pictures.close()
    assert pictures.processes() == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("incoming")]


def test_a_large_image_gets_a_pyramid_of_tiles(tmp_path: Path) -> None:
    pictures = Pictures(Blobs(tmp_path), tile_above=500_000, children=1)
    image = photo(1300, 700)
    made, _ = make(pictures, encoded(image, "PNG"))
    assert made.picture.levels == 3 and made.tiles is not None
    for level, (width, height) in enumerate([(325, 175), (650, 350), (1300, 700)]):
        whole = Image.new("RGB", (width, height))
        for x in range(-(-width // 512)):
            for y in range(-(-height // 512)):
                tile = Image.open(BytesIO(pictures.tile(made.tiles, level, x, y)))
                assert tile.size == (min(512, width - 512 * x), min(512, height - 512 * y))
                whole.paste(tile, (512 * x, 512 * y))
        wanted = np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(int)
        assert np.abs(np.asarray(whole) - wanted).mean() < 8
    for place in ((3, 0, 0), (0, 1, 0), (2, -1, 0), (-1, 0, 0)):
        with pytest.raises(NotFound):
            pictures.tile(made.tiles, *place)
    assert shown(pictures, made.preview).size == (1300, 700)
    pictures.close()


def test_pixels_are_the_same_array_while_it_is_kept_and_cannot_be_changed(pictures: Pictures) -> None:
    sha256 = kept(pictures, encoded(photo(10, 10), "PNG"))
    first = pictures.pixels(sha256)
    assert pictures.pixels(sha256) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0
