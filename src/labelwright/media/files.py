"""Where the files of an import lie: a folder, a zip, a tar, addresses on the web, a bucket; all of them as `core.ports.Files`.

Hides what such sources can do to a server. Names are only ever looked up in the list that was made of them, never used
as a path to write to; links, devices, names that leave the source and archives that inflate beyond measure are refused,
and every file that is left out is told.
"""

import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Protocol, cast

from labelwright.core.errors import Invalid, LabelwrightError, NotFound
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Size

MAX_FILES = 2_000_000
MAX_NAME = 1_000
MAX_FILE_BYTES = 2 * 2**30
MAX_RATIO = 200
"""An archive may inflate to this many times its size."""
FREE_BYTES = 2**30
"""What any archive may inflate to, however small it is."""
CLOUDS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory")
_JUNK = {".ds_store", "thumbs.db", "desktop.ini", "__macosx"}

Measure = Callable[[BinaryIO], Size | None]
"""(width, height) of an image file, upright; None when it is none."""
Fetch = Callable[[str], BinaryIO]
"""The content of an address, through the one way out; raises `LabelwrightError`."""


class Source(Protocol):
    """A source of files that says what it left out."""

    @property
    def problems(self) -> Sequence[Problem]: ...  # noqa: D102
    def names(self) -> Sequence[str]: ...  # noqa: D102
    def open(self, name: str) -> BinaryIO: ...  # noqa: D102
    def dimensions(self, name: str) -> Size | None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class _Listed:
    """What all sources share: a checked list of names, each with what its own kind needs to open it."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._known: dict[str, Any] = {}
        self._problems: list[Problem] = []

    @property
    def problems(self) -> Sequence[Problem]:
        """Files that were left out, and why."""
        return self._problems

    def names(self) -> Sequence[str]:
        """Every file, sorted."""
        return sorted(self._known)

    def open(self, name: str) -> BinaryIO:
        """A file for reading.

        Raises:
            NotFound: There is none, or it cannot be read.
        """
        if name not in self._known:
            raise NotFound("no_file", f"there is no file {excerpt(name)!r}")
        try:
            return self._open(name, self._known[name])
        except NotFound:
            raise
        except LabelwrightError as error:
            raise NotFound(error.code, error.message, error.hint) from None
        except (
            OSError,
            RuntimeError,
            NotImplementedError,
            zipfile.BadZipFile,
            tarfile.TarError,
            ValueError,
        ) as error:
            raise NotFound("unreadable", f"it cannot be read ({excerpt(type(error).__name__)})") from None

    def dimensions(self, name: str) -> Size | None:
        """(width, height) of an image in pixels, upright; None when it is none."""
        try:
            with self.open(name) as file:
                return self._measure(file)
        except (NotFound, OSError):
            return None

    def close(self) -> None:
        """Let go of what is open."""

    def _open(self, name: str, key: Any) -> BinaryIO:
        raise NotImplementedError

    def _add(self, given: str, key: Any, refused: tuple[str, str] | None = None) -> None:
        """Take a file into the list, or say why not."""
        name = given.replace("\\", "/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if any(part.casefold() in _JUNK or part.startswith("._") for part in parts):
            return  # what archivers and file browsers leave behind
        name = "/".join(parts)
        if refused is None:
            if given.startswith(("/", "\\")) or given[1:3] in (":\\", ":/") or ".." in parts or "\0" in given:
                refused = "unsafe_name", "its name leads out of the source; it was left out"
            elif not parts or len(name) > MAX_NAME:
                refused = "bad_name", f"a name of 1 to {MAX_NAME} characters is wanted; it was left out"
            elif name in self._known:
                refused = "duplicate_name", "the source holds this name twice; the first one counts"
        if refused is not None:
            self._problems.append(Problem(where=excerpt(given, 300), code=refused[0], message=refused[1]))
            return
        if len(self._known) >= MAX_FILES:
            raise Invalid("too_many_files", f"at most {MAX_FILES:,} files are read", "split the source")
        self._known[name] = key


_LINK = ("link", "links are not followed; it was left out")
_SPECIAL = ("special_file", "neither a file nor a folder; it was left out")


class Folder(_Listed):
    """The files below a folder of this machine."""

    def __init__(self, root: Path, measure: Measure) -> None:
        """List them; links are not followed."""
        super().__init__(measure)
        for folder, folders, files in os.walk(root):
            folders.sort()
            for each in [*files, *(name for name in folders if (Path(folder) / name).is_symlink())]:
                path = Path(folder) / each
                mode = path.lstat().st_mode
                refused = _LINK if stat.S_ISLNK(mode) else None if stat.S_ISREG(mode) else _SPECIAL
                self._add(path.relative_to(root).as_posix(), path, refused)

    def _open(self, name: str, key: Any) -> BinaryIO:
        del name
        # Between listing and opening the file may have become a link.
        handle = os.open(key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        return cast(BinaryIO, os.fdopen(handle, "rb"))


class OneFile(_Listed):
    """A single file under the name it was given."""

    def __init__(self, path: Path, name: str, measure: Measure) -> None:
        """Under `name`, wherever it lies."""
        super().__init__(measure)
        self._known[PurePosixPath(name.replace("\\", "/")).name or "file"] = path

    def _open(self, name: str, key: Any) -> BinaryIO:
        del name
        return cast(BinaryIO, key.open("rb"))


class _Counted(io.RawIOBase):
    """A member of an archive, read by stream: errors of its archive are `OSError`, its bytes are counted."""

    def __init__(self, inner: IO[bytes], count: Callable[[int], None]) -> None:
        self._inner, self._count, self._read = inner, count, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._inner.read(len(buffer))
        except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, tarfile.TarError) as error:
            raise OSError(f"the archive is damaged here ({type(error).__name__})") from None
        except Exception as error:  # zlib.error, lzma.LZMAError: each decompressor has its own
            raise OSError(f"the archive is damaged here ({type(error).__name__})") from None
        self._read += len(chunk)
        if self._read > MAX_FILE_BYTES:
            raise OSError(f"it is larger than {MAX_FILE_BYTES / 2**30:.0f} GiB")
        self._count(len(chunk))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Budget:
    """How much an archive may still inflate; what it says of itself is not believed."""

    def __init__(self, packed_bytes: int) -> None:
        self._left = max(FREE_BYTES, MAX_RATIO * packed_bytes)

    def count(self, n: int) -> None:
        self._left -= n
        if self._left < 0:
            raise OSError("the archive inflates beyond measure")


class Zip(_Listed):
    """The members of a zip."""

    def __init__(self, path: Path, name: str, measure: Measure) -> None:
        """List them.

        Raises:
            Invalid: Not a zip, or members that share bytes, as bombs do.
        """
        super().__init__(measure)
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise Invalid("bad_zip", f"{excerpt(name)} is not a whole zip file", "pack it again") from None
        self._budget = _Budget(path.stat().st_size)
        members = self._archive.infolist()
        end = 0
        for info in sorted(members, key=lambda each: each.header_offset):
            if info.header_offset < end:
                raise Invalid("zip_bomb", f"{excerpt(name)} holds members that share bytes; it is not read")
            end = info.header_offset + info.compress_size
        for info in members:
            if info.is_dir():
                continue
            refused = None
            kind = info.external_attr >> 16
            if stat.S_ISLNK(kind):
                refused = _LINK
            elif stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                refused = _SPECIAL
            elif info.flag_bits & 1:
                refused = "encrypted", "it is encrypted; it was left out"
            elif info.file_size > MAX_FILE_BYTES:
                refused = (
                    "file_too_large",
                    f"it is larger than {MAX_FILE_BYTES / 2**30:.0f} GiB; it was left out",
                )
            self._add(_name_of(info), info, refused)

    def _open(self, name: str, key: Any) -> BinaryIO:
        del name
        return cast(
            BinaryIO, io.BufferedReader(_Counted(self._archive.open(key), self._budget.count), 1 << 16)
        )

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


def _name_of(info: zipfile.ZipInfo) -> str:
    # Many programs write UTF-8 without saying so.
    if not info.flag_bits & 0x800:
        try:
            return info.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return info.filename


class Tar(_Listed):
    """The members of a tar, compressed or not."""

    def __init__(self, path: Path, name: str, measure: Measure, scratch: Path) -> None:
        """List them; a compressed one is unpacked to one unnamed file first, because members are read in any order.

        Raises:
            Invalid: Not a tar, damaged, or it inflates beyond measure.
        """
        super().__init__(measure)
        self._file: IO[bytes] = path.open("rb")
        try:
            self._inflate(path, scratch)
            for info in tarfile.open(fileobj=self._file, mode="r:"):  # noqa: SIM115  its file is ours
                if info.isdir():
                    continue
                refused = None
                if info.issym() or info.islnk():
                    refused = _LINK
                elif not info.isreg():
                    refused = _SPECIAL
                elif info.size > MAX_FILE_BYTES:
                    refused = "file_too_large", f"it is larger than {MAX_FILE_BYTES / 2**30:.0f} GiB"
                self._add(info.name, (info.offset_data, info.size), refused)
        except Invalid:
            self._file.close()
            raise
        except Exception as error:
            self._file.close()
            raise Invalid(
                "bad_tar", f"{excerpt(name)} is not a whole tar file ({excerpt(str(error))})", "pack it again"
            ) from None

    def _inflate(self, path: Path, scratch: Path) -> None:
        opened = _decompressor(path)
        if opened is None:
            return
        budget = _Budget(path.stat().st_size)
        unpacked = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115
        with opened as source:
            while chunk := source.read(1 << 20):
                budget.count(len(chunk))
                unpacked.write(chunk)
        self._file.close()
        self._file = unpacked
        unpacked.seek(0)

    def _open(self, name: str, key: Any) -> BinaryIO:
        del name
        # Read by position, so that several threads may read at once.
        return cast(BinaryIO, io.BufferedReader(_Slice(self._file.fileno(), *key), 1 << 16))

    def close(self) -> None:
        """Close the archive."""
        self._file.close()


class _Slice(io.RawIOBase):
    def __init__(self, handle: int, start: int, size: int) -> None:
        self._handle, self._at, self._end = handle, start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = os.pread(self._handle, min(len(buffer), self._end - self._at), self._at)
        if not chunk and self._at < self._end:
            raise OSError("the archive is cut off here")
        self._at += len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _decompressor(path: Path) -> IO[bytes] | None:
    with path.open("rb") as file:
        head = file.read(6)
    if head[:2] == b"\x1f\x8b":
        import gzip

        return cast(IO[bytes], gzip.open(path))
    if head[:3] == b"BZh":
        import bz2

        return bz2.open(path)
    if head == b"\xfd7zXZ\0":
        import lzma

        return lzma.open(path)
    return None


class Web:
    """Files by their addresses on the web, each fetched when it is opened, through the one way out."""

    problems: Sequence[Problem] = ()

    def __init__(self, fetch: Fetch, measure: Measure) -> None:
        """Nothing is fetched yet."""
        self._fetch, self._measure = fetch, measure

    def names(self) -> Sequence[str]:
        """None: an address is known to whoever asks for it."""
        return ()

    def open(self, name: str) -> BinaryIO:
        """The content of an address.

        Raises:
            NotFound: It cannot be had.
        """
        try:
            return self._fetch(name)
        except LabelwrightError as error:
            raise NotFound(error.code, error.message, error.hint) from None

    def dimensions(self, name: str) -> Size | None:
        """(width, height) of an image in pixels, upright; None when it is none."""
        try:
            with self.open(name) as file:
                return self._measure(file)
        except (NotFound, OSError):
            return None

    def close(self) -> None:
        """Nothing is open."""


class Cloud(_Listed):
    """The files below an address of a bucket: `s3://`, `gs://`, `az://`."""

    def __init__(self, url: str, measure: Measure) -> None:
        """List them, with the credentials that the environment of this process has.

        Raises:
            Invalid: A kind of address that is not read, its driver is not installed, or it cannot be listed.
        """
        super().__init__(measure)
        kind = url.partition("://")[0].lower()
        if kind not in CLOUDS:
            raise Invalid("bad_url", f"{excerpt(kind)}:// is not read", f"addresses: {', '.join(CLOUDS)}")
        try:
            import fsspec

            self._fs, root = fsspec.core.url_to_fs(url)
            found = self._fs.find(root)
        except ImportError:
            extra = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}.get(kind, "azure")
            raise Invalid(
                "no_driver", f"{kind}:// is not installed", f"pip install 'labelwright[{extra}]'"
            ) from None
        except Exception as error:
            # What the other side said may hold its secrets.
            raise Invalid(
                "unreachable", f"{excerpt(url)} cannot be listed ({type(error).__name__})"
            ) from None
        if not found:
            raise Invalid("empty_source", f"there is nothing at {excerpt(url)}")
        root = root.rstrip("/")
        for path in found:
            inner = path[len(root) + 1 :] if path.startswith(root + "/") else path.rpartition("/")[2]
            self._add(inner, path)

    def _open(self, name: str, key: Any) -> BinaryIO:
        del name
        try:
            return cast(BinaryIO, self._fs.open(key, "rb"))
        except Exception as error:
            raise OSError(type(error).__name__) from None


def open_files(where: Path | str, name: str, *, measure: Measure, scratch: Path) -> Source:
    """The files of a path on this machine or a bucket, by what lies there; a file of no known archive is one file.

    Args:
        where: A path, or an address of a bucket.
        name: What to call it in messages, and a single file.
        measure: For `dimensions`.
        scratch: Where a compressed tar is unpacked, to a file without a name.

    Raises:
        Invalid: It cannot be listed.
    """
    if isinstance(where, str):
        return Cloud(where, measure)
    if where.is_dir():
        return Folder(where, measure)
    with where.open("rb") as file:
        head = file.read(512)
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return Zip(where, name, measure)
    low = name.lower()
    is_tar = head[257:262] == b"ustar" or low.endswith((".tar", ".tgz", ".tbz2", ".txz"))
    if is_tar or (".tar." in low and _decompressor(where) is not None):
        return Tar(where, name, measure, scratch)
    return OneFile(where, name, measure)
