"""A folder or a zip of .txt files: one asset per file, named by its path inside."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from labelwright.core.errors import Invalid
from labelwright.core.problem import Problem
from labelwright.core.transfer import Incoming
from labelwright.formats.edge import MAX_TEXT
from labelwright.formats.mapping import check_text

MAX_MEMBERS = 1_000_000
MAX_TOTAL_BYTES = 4 * 2**30
MAX_RATIO = 200


def read_folder(path: Path, name: str) -> Iterator[Incoming | Problem]:
    """Every .txt below a folder, in order of its path; links are not followed."""
    del name
    for file in sorted(path.rglob("*.txt")):
        if file.is_symlink() or not file.is_file():
            continue
        member = file.relative_to(path).as_posix()
        if file.stat().st_size > 4 * MAX_TEXT:
            yield _too_large(member)
        else:
            yield _one(member, file.read_bytes())


def read_zip(path: Path, name: str) -> Iterator[Incoming | Problem]:
    """Every .txt in a zip. Members are read by stream and never written to disk; bombs are refused.

    Raises:
        Invalid: Not a zip, too many members, or it would inflate beyond the limits.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError):
        raise Invalid("bad_zip", f"{name} is not a zip file") from None
    with archive:
        members = [
            info for info in archive.infolist() if info.filename.endswith(".txt") and not info.is_dir()
        ]
        if len(members) > MAX_MEMBERS:
            raise Invalid(
                "too_many_members", f"{name} holds {len(members)} files, at most {MAX_MEMBERS} are read"
            )
        total = 0
        for info in sorted(members, key=lambda each: each.filename):
            if info.filename.startswith("__MACOSX/"):
                continue
            try:
                with archive.open(info) as file:
                    # Counted after inflation: what the archive says about itself is not believed.
                    content = file.read(4 * MAX_TEXT + 1)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
                yield Problem(where=info.filename[:300], code="bad_member", message=str(error)[:200])
                continue
            total += len(content)
            if total > MAX_TOTAL_BYTES or len(content) > MAX_RATIO * max(info.compress_size, 5_000):
                raise Invalid("zip_bomb", f"{name} inflates beyond the limits at {info.filename[:100]!r}")
            yield _too_large(info.filename) if len(content) > 4 * MAX_TEXT else _one(info.filename, content)


def _too_large(member: str) -> Problem:
    return Problem(
        where=member[:300], code="text_too_long", message=f"at most {MAX_TEXT} characters are allowed"
    )


def _one(member: str, content: bytes) -> Incoming | Problem:
    try:
        # Line ends stay as they are: offsets refer to the file's own characters.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem(where=member[:300], code="bad_encoding", message=f"not UTF-8 at byte {error.start}")
    problem = check_text(text, member[:300])
    return problem or Incoming(member, text, member[-500:], {})
