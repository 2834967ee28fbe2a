"""What every exporter shares: the report of what a format could not hold, file names, and the outcome."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
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


Write = Callable[[Iterable[Outgoing], Ontology, Path, Losses], Written]


def safe_name(name: str) -> str:
    """A file name made from an id."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".")[:60] or "file"
