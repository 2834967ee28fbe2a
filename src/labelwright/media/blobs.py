"""Content-addressed files: the name of a blob is the SHA-256 of its bytes.

Hides where and how they lie on disk. A foreign file name is never used as a path. Blobs never change, so a live copy
of the folder is always safe.
"""

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from labelwright.core.errors import NotFound, StorageFull, TooLarge

LEFT_BEHIND_S = 86_400.0
_NAME = re.compile(r"^[0-9a-f]{64}$")


class Blobs:
    """A folder of content-addressed files."""

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        """Use (and make) the folder; `reserve_bytes` of disk space are left free."""
        self.folder = folder
        self.reserve_bytes = reserve_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def put(
        self, chunks: Iterable[bytes], *, limit_bytes: int | None = None, durable: bool = True
    ) -> tuple[str, int]:
        """Store bytes; returns (name, size in bytes). On disk for good when it returns.

        Args:
            chunks: The bytes.
            limit_bytes: Most that are taken.
            durable: False to leave the last step to one `sync` for many blobs.

        Raises:
            TooLarge: More than `limit_bytes` came.
            StorageFull: The reserve would be touched.
        """
        digest, size = hashlib.sha256(), 0
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix="incoming-")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if limit_bytes is not None and size > limit_bytes:
                        raise TooLarge("upload_too_large", f"more than {limit_bytes} bytes", "split the file")
                    self.check_space(len(chunk))
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            name = digest.hexdigest()
            target = self._place(Path(temporary), name)
            if durable:
                _sync_folder(target.parent)
            return name, size
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def adopt(self, file: Path) -> str:
        """Make a file of ours, on the same disk, a blob; returns its name. Not on disk for good before `sync`."""
        with file.open("rb") as opened:
            name = hashlib.file_digest(opened, "sha256").hexdigest()
        self._place(file, name)
        return name

    def sync(self, names: Iterable[str]) -> None:
        """Make these blobs durable."""
        paths = {self._path(name) for name in names}
        # One flush of the whole file system is far quicker than hundreds of single ones.
        if len(paths) > 4 and _sync_all(self.folder):
            return
        for path in paths:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        for folder in {path.parent for path in paths}:
            _sync_folder(folder)

    def _sweep(self) -> None:
        """Remove what writers left behind that died more than a day ago."""
        for each in self.folder.glob("incoming-*"):
            with contextlib.suppress(OSError):
                if each.stat().st_mtime < time.time() - LEFT_BEHIND_S:
                    shutil.rmtree(each) if each.is_dir() else each.unlink()

    def _place(self, file: Path, name: str) -> Path:
        target = self._path(name)
        target.parent.mkdir(exist_ok=True)
        return file.replace(target)

    def check_space(self, wanted_bytes: int = 0) -> None:
        """Refuse when writing `wanted_bytes` would touch the reserve.

        Raises:
            StorageFull: It would.
        """
        if shutil.disk_usage(self.folder).free - wanted_bytes < self.reserve_bytes:
            raise StorageFull(
                "disk_reserve", "too little disk space is left", "free some space and try again"
            )

    def path(self, name: str) -> Path:
        """Where the blob lies.

        Raises:
            NotFound: There is no such blob.
        """
        path = self._path(name)
        if not path.is_file():
            raise NotFound("no_blob", "this file is not stored here any more")
        return path

    def open(self, name: str) -> BinaryIO:
        """The blob for reading."""
        return self.path(name).open("rb")

    def read(self, name: str) -> bytes:
        """All bytes of a blob."""
        return self.path(name).read_bytes()

    def drop(self, name: str) -> None:
        """Remove a blob, if it is there. Only for callers that know that nothing points to it any more."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise NotFound("no_blob", "not the name of a stored file")
        return self.folder / name[:2] / name


def _sync_all(folder: Path) -> bool:
    """Write everything of this file system to disk; False where the system cannot."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None, use_errno=True).syncfs(handle) == 0)
    except (AttributeError, OSError):
        return False
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
