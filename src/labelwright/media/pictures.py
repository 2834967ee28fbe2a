"""Images: what a foreign file is, decoded where it can do no harm, and what the browser and models see of it.

Hides a few warm child processes (`media.decoder`) that do all decoding under limits of memory and time. A child that
crashes or hangs is replaced, and only the file it had in hand suffers. What is derived of an image is made once and
kept in blobs: the same image is never decoded for the browser twice.
"""

import contextlib
import hashlib
import json
import os
import queue
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from labelwright.core.asset import Picture
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.shape import Size
from labelwright.media.blobs import LEFT_BEHIND_S, Blobs

MAX_PIXELS = 400_000_000
TILE_ABOVE = 50_000_000
PATIENCE_S = 45.0
S_PER_PIXEL = 1e-6
RETIRE_AFTER = 2_000
"""Files a child decodes before it is replaced, so that what a decoder leaks does not add up."""
RETIRE_AFTER_S = LEFT_BEHIND_S / 2
"""Its folder must not be taken for what a dead process left behind."""
CACHE_BYTES = 256 << 20
DECODER = Path(__file__).with_name("decoder.py")

Pixels = NDArray[np.uint8]
"""uint8 array (height, width, 3): upright RGB."""


@dataclass(frozen=True)
class Made:
    """An image and the blobs derived of it.

    Attributes:
        picture: What is known of it.
        display: Blob of the full-size upright 8-bit version; often the original itself.
        preview: Blob of at most 1600 x 1600 pixels.
        thumbnail: Blob of at most 256 x 256 pixels.
        tiles: Blob of the pyramid (a zip of `level/x/y`); None for an image shown whole.
    """

    picture: Picture
    display: str
    preview: str
    thumbnail: str
    tiles: str | None = None

    @property
    def files(self) -> dict[str, str | None]:
        """The blobs by name."""
        return {
            "display": self.display, "preview": self.preview, "thumbnail": self.thumbnail, "tiles": self.tiles,
        }  # fmt: skip


class BadImage(Invalid):
    """This file is no image that can be used; `code` and `message` say why."""


def check_kind(head: bytes) -> None:
    """Look at the first 2 KiB of a file.

    Raises:
        BadImage: It is of no format that is read, whatever its name says.
    """
    from labelwright.media import decoder

    try:
        decoder.kind_of(head)
    except decoder.Wrong as wrong:
        raise BadImage(wrong.code, wrong.message) from None


class Pictures:
    """Everything that is done with the pixels of foreign files; safe to use from several threads."""

    def __init__(
        self,
        blobs: Blobs,
        *,
        max_pixels: int = MAX_PIXELS,
        tile_above: int = TILE_ABOVE,
        children: int | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Nothing is started before the first file.

        Args:
            blobs: Where originals and derived files lie.
            max_pixels: Images that claim more are refused before they are decoded.
            tile_above: Images with more pixels get a tile pyramid.
            children: Most files decoded at the same time; 2 to 4 by the number of processors when None.
            patience_s: Longest wait for the header of a file, and for the rest of a small one.
        """
        self.children = children or min(max(os.cpu_count() or 2, 2), 4)
        self.max_pixels, self._tile_above, self._patience_s = max_pixels, tile_above, patience_s
        self._blobs = blobs
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(self.children):
            self._idle.put(None)
        self._lock = threading.Lock()
        self._living: set[_Child] = set()
        self._pixels: OrderedDict[str, Pixels] = OrderedDict()
        self._tiles: OrderedDict[str, zipfile.ZipFile] = OrderedDict()

    def make(self, sha256: str) -> Made:
        """Decode a stored original and store what is shown of it. Not durable before `Blobs.sync`.

        Raises:
            BadImage: It cannot be used: of no known format, damaged, too large, or the decoder died of it.
            NotFound: There is no such blob.
        """
        path = self._blobs.path(sha256)
        with self._child() as child:
            picture = self._made(child, path)
            kept: dict[str, str | None] = {}
            for name in ("display", "preview", "thumbnail", "tiles"):
                file = child.folder / name
                kept[name] = self._blobs.adopt(file) if file.is_file() else None
        display = kept["display"] or sha256
        preview = kept["preview"] or display
        return Made(
            picture=picture, display=display, preview=preview,
            thumbnail=kept["thumbnail"] or preview, tiles=kept["tiles"],
        )  # fmt: skip

    def known(self, row: Any) -> Made:
        """What was made before, as it was remembered: anything with the attributes of `Picture` and `Made`."""
        picture = Picture(
            width=row.width, height=row.height, format=row.format, notes=tuple(row.notes), levels=row.levels
        )
        return Made(picture, row.display, row.preview, row.thumbnail, row.tiles)

    def try_out(self, content: Iterable[bytes]) -> tuple[Picture, str, int]:
        """Decode a file and keep nothing: (what is known of it, its SHA-256, its size in bytes).

        Raises:
            BadImage: It cannot be used.
        """
        with self._child() as child:
            digest, size = hashlib.sha256(), 0
            with (child.folder / "file").open("wb") as file:
                for chunk in content:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            return self._made(child, child.folder / "file"), digest.hexdigest(), size

    def _made(self, child: "_Child", path: Path) -> Picture:
        wanted = {
            "do": "make", "path": str(path), "folder": str(child.folder), "max_pixels": self.max_pixels,
            "tile_above": self._tile_above,
        }  # fmt: skip
        return Picture.model_validate(child.ask(wanted, self._patience_s))

    def pixels(self, sha256: str) -> Pixels:
        """The pixels of a stored original, for models: read-only uint8 array (height, width, 3), upright RGB.

        Raises:
            BadImage: It cannot be decoded.
            NotFound: There is no such blob.
        """
        with self._lock:
            if sha256 in self._pixels:
                self._pixels.move_to_end(sha256)
                return self._pixels[sha256]
        path = self._blobs.path(sha256)
        with self._child() as child:
            raw = child.folder / "pixels"
            wanted = {"do": "pixels", "path": str(path), "into": str(raw), "max_pixels": self.max_pixels}
            said = child.ask(wanted, self._patience_s)
            found: Pixels = np.fromfile(raw, np.uint8).reshape(said["height"], said["width"], 3)
        found.setflags(write=False)
        with self._lock:
            if found.nbytes <= CACHE_BYTES // 2:
                self._pixels[sha256] = found
                while sum(each.nbytes for each in self._pixels.values()) > CACHE_BYTES:
                    self._pixels.popitem(last=False)
        return found

    def size(self, file: BinaryIO) -> Size | None:
        """(width, height) of any image file, upright; None when it is none that can be used."""
        with self._child() as child:
            copy = child.folder / "file"
            with copy.open("wb") as target:
                shutil.copyfileobj(file, target)
            return self._size(child, copy)

    def size_at(self, path: Path) -> Size | None:
        """The same of a file on this machine."""
        with self._child() as child:
            return self._size(child, path)

    def _size(self, child: "_Child", path: Path) -> Size | None:
        try:
            said = child.ask(
                {"do": "size", "path": str(path), "max_pixels": self.max_pixels}, self._patience_s
            )
        except BadImage:
            return None
        return said["width"], said["height"]

    def tile(self, tiles: str, level: int, x: int, y: int) -> bytes:
        """One tile of a pyramid, a JPEG of at most 512 x 512 pixels.

        Raises:
            NotFound: The pyramid has none there.
        """
        with self._lock:
            archive = self._tiles.pop(tiles, None) or zipfile.ZipFile(self._blobs.path(tiles))
            self._tiles[tiles] = archive
            while len(self._tiles) > 8:
                self._tiles.popitem(last=False)[1].close()
            try:
                return archive.read(f"{level}/{x}/{y}")
            except KeyError:
                raise NotFound("no_tile", f"this image has no tile {x}, {y} on level {level}") from None

    def close(self) -> None:
        """End the children."""
        with self._lock:
            living = list(self._living)
            self._living.clear()
            for archive in self._tiles.values():
                archive.close()
            self._tiles.clear()
        for child in living:
            child.end()

    def processes(self) -> list[int]:
        """Ids of the living children."""
        with self._lock:
            return [child.pid for child in self._living if child.is_alive()]

    @contextlib.contextmanager
    def _child(self) -> Iterator["_Child"]:
        """A child for one file; its folder is empty before and after."""
        child = self._idle.get()
        try:
            if child is None or not child.is_alive() or child.is_worn():
                self._retire(child)
                child = None
                child = _Child(self._blobs.folder)
                with self._lock:
                    self._living.add(child)
            yield child
        finally:
            if child is not None and child.broken:
                self._retire(child)
                child = None
            if child is not None:
                child.clear()
            self._idle.put(child)

    def _retire(self, child: "_Child | None") -> None:
        if child is not None:
            with self._lock:
                self._living.discard(child)
            child.end()


class _Child:
    """One decoding process and the pipes to it."""

    def __init__(self, beside: Path) -> None:
        # Beside the blobs, so that a derived file becomes a blob by a rename.
        self.folder = Path(tempfile.mkdtemp(dir=beside, prefix="incoming-"))
        # Nothing of the server is forked into it: a fresh interpreter with an empty environment, no open files of ours.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(DECODER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, cwd="/", start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._pending = b""
        self.pid = self._process.pid
        self.answered, self._born = 0, time.monotonic()
        self.broken = False

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_worn(self) -> bool:
        return self.answered >= RETIRE_AFTER or time.monotonic() - self._born > RETIRE_AFTER_S

    def ask(self, wanted: dict[str, Any], patience_s: float) -> dict[str, Any]:
        """One answer.

        Raises:
            BadImage: The file cannot be used, or the child died or hung of it and is `broken`.
        """
        deadline = time.monotonic() + patience_s
        self.broken = True  # until it has answered: what comes late must not be taken for the next answer
        try:
            self._in.write(json.dumps(wanted).encode() + b"\n")
            while True:
                said: dict[str, Any] = json.loads(self._line(deadline))
                if "claimed" not in said:
                    break
                width, height = said["claimed"]
                deadline = time.monotonic() + patience_s + S_PER_PIXEL * width * height
        except TimeoutError:
            raise BadImage("took_too_long", "decoding it took too long; it was given up") from None
        except (OSError, EOFError, ValueError):
            raise BadImage("decoder_died", "the decoder broke on this file; it was given up") from None
        self.answered, self.broken = self.answered + 1, False
        if "wrong" in said:
            raise BadImage(str(said["wrong"]["code"]), str(said["wrong"]["message"]))
        return dict(said["ok"])

    def _line(self, deadline: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise TimeoutError
                chunk = os.read(self._out.fileno(), 65_536)
                if not chunk:
                    raise EOFError
                self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def clear(self) -> None:
        """Remove what the last file left behind."""
        with os.scandir(self.folder) as found:
            for each in found:
                Path(each).unlink(missing_ok=True)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)
