"""What arrives in an import, ready to be stored: texts counted, images kept as blobs and decoded several at a time.

A bad image is put aside with the reason and its bytes, and the rest goes on. Decoding happens between transactions, in
the order of the source, and never further ahead than a few files, so that memory stays that of those.
"""

import hashlib
import itertools
import tempfile
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from labelwright.core.errors import NotFound, TooLarge
from labelwright.core.ports import Files
from labelwright.core.problem import Problem
from labelwright.core.project import Project
from labelwright.core.shape import Size
from labelwright.core.transfer import Incoming
from labelwright.flows.models import privacy_of
from labelwright.store import picture as pictures
from labelwright.workbench import Workbench

if TYPE_CHECKING:
    from labelwright.media.files import Source, Web
    from labelwright.media.pictures import Made

MAX_IMAGE_BYTES = 2 * 2**30
MAX_FETCHED_BYTES = 500_000_000
AHEAD = 32
"""Files in the hands of each decoder, waiting ones included: enough to go on while what came before is stored."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One row of an import.

    Attributes:
        sha256: Of the content; empty for answers to an image that was imported before.
        size: Code points of a text, bytes of an image.
        extent: What its marks have to stay inside of; None where only the stored asset knows.
        made: What is shown of an image.
    """

    row: Incoming
    sha256: str
    size: int
    extent: int | Size | None
    made: "Made | None" = None

    @property
    def blobs(self) -> tuple[str, ...]:
        """Every blob of an image."""
        if self.made is None:
            return ()
        return tuple({each for each in (self.sha256, *self.made.files.values()) if each})


class Quarantined(Problem):
    """An image that cannot be used; its bytes are kept as a blob, to be looked at."""

    sha256: str


def of_text(row: Incoming | Problem) -> Arrival | Problem:
    """A text as it is."""
    if isinstance(row, Problem):
        return row
    return Arrival(row, hashlib.sha256(row.text.encode()).hexdigest(), len(row.text), len(row.text))


def is_address(where: str) -> bool:
    """Whether this names something on another machine rather than a path."""
    return "://" in where[:12]


@contextmanager
def files_at(workbench: Workbench, where: Path | str, name: str) -> Iterator["Source"]:
    """The files of an import, closed at the end.

    Raises:
        Invalid: It cannot be listed.
    """
    from labelwright.media.files import open_files

    source = open_files(where, name, measure=workbench.pictures.size, scratch=workbench.settings.home)
    try:
        yield source
    finally:
        source.close()


def on_the_web(workbench: Workbench, project: Project) -> "Web":
    """Images by their addresses, as far as the project's privacy goes."""
    from labelwright.media.files import Web

    def fetch(url: str) -> BinaryIO:
        file = tempfile.TemporaryFile(dir=workbench.settings.home)  # noqa: SIM115  the caller closes it
        try:
            workbench.pool.fetch(url, file, privacy=privacy_of(project), limit_bytes=MAX_FETCHED_BYTES)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return cast(BinaryIO, file)

    return Web(fetch, workbench.pictures.size)


def of_images(
    workbench: Workbench, files: Files, rows: Iterator[Incoming | Problem], *, dry_run: bool
) -> Generator[Arrival | Problem]:
    """One arrival or problem per row, in order.

    Args:
        workbench: Blobs and decoders.
        files: Where the images lie.
        rows: As a reader of a format gives them.
        dry_run: Decode, but keep nothing.
    """
    most = AHEAD * workbench.pictures.children
    waiting: deque[Problem | Future[Arrival | Problem]] = deque()
    threads = ThreadPoolExecutor(workbench.pictures.children, thread_name_prefix="image")
    try:
        while True:
            for row in itertools.islice(rows, most - len(waiting)):
                if isinstance(row, Problem):
                    waiting.append(row)
                else:
                    waiting.append(threads.submit(_one, workbench, files, row, dry_run))
            if not waiting:
                return
            first = waiting.popleft()
            yield first if isinstance(first, Problem) else first.result()
    finally:
        threads.shutdown(cancel_futures=True)


def _one(workbench: Workbench, files: Files, row: Incoming, dry_run: bool) -> Arrival | Problem:
    from labelwright.media.pictures import BadImage, check_kind

    if row.image is None:
        return Arrival(row, "", 0, None)
    try:
        with files.open(row.image) as file:
            head = file.read(2048)
            # What is no image at all is not kept.
            check_kind(head)
            content = itertools.chain([head], iter(lambda: file.read(1 << 20), b""))
            if dry_run:
                return _tried(workbench, row, content)
            sha256, size = workbench.blobs.put(content, limit_bytes=MAX_IMAGE_BYTES, durable=False)
    except (NotFound, BadImage) as error:
        return _problem(row, error.code, error.message)
    except (OSError, TooLarge) as error:
        return _problem(row, "unreadable", f"it cannot be read: {str(error)[:200]}")
    with workbench.store.read() as tx:
        known = pictures.row(tx, sha256)
    try:
        made = workbench.pictures.known(known) if known is not None else workbench.pictures.make(sha256)
    except BadImage as error:
        return Quarantined(where=row.where[:700], code=error.code, message=error.message, sha256=sha256)
    return Arrival(row, sha256, size, (made.picture.width, made.picture.height), made)


def _tried(workbench: Workbench, row: Incoming, content: Iterator[bytes]) -> Arrival:
    picture, sha256, size = workbench.pictures.try_out(content)
    return Arrival(row, sha256, size, (picture.width, picture.height))


def _problem(row: Incoming, code: str, message: str) -> Problem:
    return Problem(where=row.where[:700], code=code, message=message)
