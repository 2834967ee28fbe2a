"""What every exporter shares: the report of what a format could not hold, file names, and the outcome."""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from labelwright.core.answer import SpanAnswer
from labelwright.core.asset import Asset
from labelwright.core.ontology import Ontology
from labelwright.core.transfer import Outgoing

MAX_LISTED = 10_000


@dataclass
class Losses:
    """What an export could not hold, per asset; counted in full, listed up to a limit."""

    counts: dict[str, int] = field(default_factory=dict)
    listed: list[dict[str, Any]] = field(default_factory=list)
    left_out_counts: dict[str, int] = field(default_factory=dict)
    notes: list[dict[str, str]] = field(default_factory=list)

    def add(self, asset: Asset, code: str, message: str) -> None:
        """Something of this asset is not in the file."""
        self.counts[code] = self.counts.get(code, 0) + 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(
                {"asset": asset.id, "external_id": asset.external_id, "code": code, "message": message}
            )

    def of_chosen(self, row: Outgoing, ontology: Ontology) -> None:
        """What every format loses that holds one set of answers to the questions of today."""
        if len(row.annotations) > 1:
            message = f"one of {len(row.annotations)} people's answers is written"
            self.add(row.asset, "one_of_several", message)
        for question_id, answer in row.chosen.items() if row.chosen is not None else ():
            question = ontology.question(question_id)
            if question is None or question.retired:
                message = f"the answer to the retired question {question_id!r} is not held"
                self.add(row.asset, "retired_question", message)
            if isinstance(answer, SpanAnswer) and any(s.attributes for s in answer.spans):
                self.add(row.asset, "attributes", f"attributes of spans of {question_id!r} are not held")

    def of_links(self, row: Outgoing) -> None:
        """What formats lose that hold spans but not what they mean."""
        for question_id, answer in row.chosen.items() if row.chosen is not None else ():
            if isinstance(answer, SpanAnswer) and any(s.link is not None for s in answer.spans):
                self.add(row.asset, "links", f"links of spans of {question_id!r} are not held")

    def left_out(self, asset: Asset, code: str) -> None:
        """The asset itself is not in the file."""
        del asset
        self.left_out_counts[code] = self.left_out_counts.get(code, 0) + 1

    def note(self, code: str, message: str) -> None:
        """Something about the whole export."""
        self.notes.append({"code": code, "message": message})

    def report(self) -> dict[str, Any]:
        """The machine-readable report."""
        return {
            "lost": self.counts,
            "left_out": self.left_out_counts,
            "notes": self.notes,
            "per_asset": self.listed,
            "per_asset_is_complete": sum(self.counts.values()) == len(self.listed),
        }

    def write(self, folder: Path) -> None:
        """Write `loss_report.json`."""
        text = json.dumps(self.report(), indent=1, ensure_ascii=False, sort_keys=True)
        (folder / "loss_report.json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Written:
    """How many assets (or sentences, rows) were written."""

    rows: int


@dataclass
class Exporting:
    """What an exporter is given besides the rows.

    Attributes:
        folder: Where it writes; sub-folders are its own matter.
        original: Where the file of an image lies; None for an export without the images.
        author: Display name of the person whose answers these are, where each person's are written for themselves.
    """

    ontology: Ontology
    folder: Path
    losses: Losses
    original: Callable[[Asset], Path] | None = None
    author: str = ""
    _taken: set[str] = field(default_factory=set)

    def image_name(self, asset: Asset, *, flat: bool = False) -> str:
        """The file name of an image in this export: once per asset.

        It is the one the image came with, made safe where it has to be, and no other image of the export has the same
        one up to its ending, whatever the case: label files are named after it. What had to change is told.

        Args:
            asset: An image.
            flat: Without folders: `a/b.jpg` becomes `a_b.jpg`.
        """
        given = (asset.image.file_name if asset.image else "") or asset.external_id or str(asset.id)
        if asset.external_id and given.endswith(f"/{asset.external_id}"):
            given = asset.external_id  # as the label file called it that it came with
        # Writers put images into a folder of that name themselves.
        given = given.removeprefix("images/") or given
        safe = safe_path(given)
        path = PurePosixPath(safe.replace("/", "_") if flat else safe)
        if not path.suffix and asset.image is not None:
            path = path.with_name(path.name + "." + _ENDINGS.get(asset.image.format, asset.image.format))
        made, n = path, 1
        while made.with_suffix("").as_posix().casefold() in self._taken:
            n += 1
            made = path.with_name(f"{path.stem}_{n}{path.suffix}")
        self._taken.add(made.with_suffix("").as_posix().casefold())
        if made.as_posix() != (given.replace("/", "_") if flat else given):
            self.losses.add(asset, "renamed", f"{given!r} is called {made.as_posix()!r} here")
        return made.as_posix()

    def place(self, asset: Asset, name: str) -> None:
        """Put the image beside its labels, byte for byte, where the export is one with images.

        Args:
            asset: An image.
            name: Path inside of `folder`.
        """
        if self.original is None:
            return
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = self.original(asset)
        try:
            # The zip is written from here: a second copy on the disk would be for nothing.
            target.symlink_to(source.resolve())
        except OSError:  # pragma: no cover - file systems without links
            shutil.copyfile(source, target)

    def inside(self, folder: str, author: str) -> "Exporting":
        """The same for a sub-folder that holds one person's answers."""
        made = self.folder / folder
        made.mkdir(parents=True)
        return Exporting(self.ontology, made, self.losses, self.original, author)


Write = Callable[[Iterable[Outgoing], Exporting], Written]

_ENDINGS = {"jpeg": "jpg", "tiff": "tif"}
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """A file name made from an id."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".")[:60] or "file"


def safe_path(name: str) -> str:
    """A relative path that can be unpacked anywhere: letters of all scripts stay, nothing leads out of the folder."""
    parts = []
    for part in name.replace("\\", "/").split("/"):
        part = re.sub(r'[<>:"|?*]', "_", "".join(c if c.isprintable() else "_" for c in part))
        part = part.strip(" ").rstrip(".")
        if part in ("", ".", ".."):
            continue
        if _RESERVED.fullmatch(part):
            part = f"_{part}"
        stem, dot, ending = part.rpartition(".")
        # 255 bytes is what file systems allow; four bytes a letter at most.
        parts.append(f"{stem[:50]}{dot}{ending[:10]}" if len(part.encode()) > 200 else part)
    return "/".join(parts[-8:]) or "file"
