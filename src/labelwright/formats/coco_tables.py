"""What all COCO files share: the tables of images and categories, attributes, and lists too long for the memory."""

import json
import shutil
import tempfile
from typing import IO, Any, Self

from labelwright import __version__
from labelwright.core.answer import RegionAnswer
from labelwright.core.ontology import Ontology, RegionQuestion
from labelwright.core.transfer import Outgoing
from labelwright.formats.output import Exporting
from labelwright.formats.regions import Classes

CROWD = "iscrowd"
"""The attribute that says of a region that it is a group of things; COCO has a field of its own for it."""


class Spool:
    """The entries of a JSON list, one a line, kept on the disk until the list is written."""

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")
        self.n = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: dict[str, Any]) -> None:
        """One more entry."""
        self._file.write((",\n" if self.n else "\n") + json.dumps(entry, ensure_ascii=False))
        self.n += 1

    def copy(self, target: IO[str]) -> None:
        """Write the list without its brackets."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, target, 1 << 20)

    def lines(self) -> Any:
        """Each entry as it was written, with the comma that follows the one before."""
        self._file.seek(0)
        return self._file


def info(to: Exporting) -> dict[str, Any]:
    """The head of a COCO file."""
    found = {"description": "Labelwright export", "version": __version__}
    return found | ({"annotator": to.author} if to.author else {})


def image_entry(row: Outgoing, ontology: Ontology, name: str) -> dict[str, Any]:
    """An image of the table. `answered` tells an image with nothing on it from one that nobody looked at."""
    assert row.asset.image is not None
    entry = {
        "id": row.asset.id, "file_name": name, "width": row.asset.image.width, "height": row.asset.image.height,
    }  # fmt: skip
    answered = [
        question_id
        for question_id, answer in (row.chosen.items() if row.chosen is not None else ())
        if isinstance(answer, RegionAnswer) and isinstance(ontology.question(question_id), RegionQuestion)
    ]
    return entry | ({"answered": answered, "answered_by": row.chosen_by} if answered else {})


def categories(classes: Classes, free_points: dict[int, int]) -> list[dict[str, Any]]:
    """The table of categories, with ids from 1.

    Args:
        classes: Labels in the order of the ontology.
        free_points: Category id -> most points of one region, for labels without a skeleton.
    """
    found = []
    for n, ((question, label), name) in enumerate(zip(classes.entries, classes.names, strict=True), 1):
        entry: dict[str, Any] = {
            "id": n, "name": name, "supercategory": question.name, "question": question.id, "label": label.name,
        }  # fmt: skip
        if label.skeleton is not None:
            entry["keypoints"] = list(label.skeleton.points)
            entry["skeleton"] = [[a + 1, b + 1] for a, b in label.skeleton.edges]
        elif n in free_points:
            entry["keypoints"] = [f"point {i}" for i in range(1, free_points[n] + 1)]
            entry["skeleton"] = []
        found.append(entry)
    return found


def attributes_of(mark: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an annotation or segment, as `core.answer.Region` has them; what is no plain value is left out."""
    given = mark.get("attributes")
    found = given.items() if isinstance(given, dict) else ()
    kept: dict[str, Any] = {
        str(key): value for key, value in found if isinstance(value, str | bool | int | float)
    }
    if mark.get("iscrowd") in (1, True):
        kept[CROWD] = True
    return kept
