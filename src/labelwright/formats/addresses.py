"""A list of addresses of images: a text file with one a line, or a table with a column of them."""

import csv
import io
from collections.abc import Iterator

from labelwright.core.asset import Metadata
from labelwright.core.errors import NotFound
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.transfer import Incoming

LOOKED_AT = 65_536
MAX_LINE = 1_000_000
MAX_ADDRESS = 1_000


def is_list(files: Files) -> bool:
    """Whether a source is a single file whose first lines name addresses."""
    if len(files.names()) != 1:
        return False
    try:
        with files.open(files.names()[0]) as file:
            text = file.read(LOOKED_AT).decode("utf-8-sig", errors="replace")
    except (NotFound, OSError):
        return False
    lines = text.splitlines()[:2]
    return not text.startswith(("{", "[", "<")) and any(
        _address_in(_cells(line)) is not None for line in lines
    )


def read(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """A row per address; the other columns of a table are metadata. `image` is the address, not a name of the source."""
    seen: set[str] = set()
    header: list[str] | None = None
    at: int | None = None
    with io.TextIOWrapper(files.open(files.names()[0]), encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), 1):
            where, cells = f"{name}:{number}", _cells(line.strip())
            if not any(cells) or line.startswith("#"):
                continue
            found = _address_in(cells)
            if at is None and found is None and header is None:
                header = cells
                continue
            at = found if at is None else at
            url = cells[at] if at is not None and at < len(cells) else ""
            if not _is_address(url):
                yield Problem(
                    where=where, code="no_address", message=f"no http(s) address: {excerpt(url or line)!r}"
                )
            elif len(url) > MAX_ADDRESS:
                message = f"addresses have at most {MAX_ADDRESS:,} characters"
                yield Problem(where=where, code="bad_name", message=message)
            elif url in seen:
                yield Problem(
                    where=where, code="duplicate_name", message="this address stands in the list twice"
                )
            else:
                seen.add(url)
                names = header or [f"column {i + 1}" for i in range(len(cells))]
                metadata: Metadata = {
                    key[:200]: value
                    for i, (key, value) in enumerate(zip(names, cells, strict=False))
                    if i != at and key
                }
                yield Incoming(
                    where, "", external_id=url if len(url) <= 500 else None, metadata=metadata, image=url
                )


def _cells(line: str) -> list[str]:
    if _is_address(line) and "\t" not in line and " " not in line and '"' not in line and "," not in line:
        return [line]
    try:
        return [
            cell.strip()
            for cell in next(csv.reader(io.StringIO(line), delimiter="\t" if "\t" in line else ","), [])
        ]
    except csv.Error:
        return [line]


def _address_in(cells: list[str]) -> int | None:
    return next((i for i, cell in enumerate(cells) if _is_address(cell)), None)


def _is_address(cell: str) -> bool:
    return (
        cell[:8].lower().startswith(("http://", "https://"))
        and len(cell) > 10
        and not any(c.isspace() for c in cell)
    )
