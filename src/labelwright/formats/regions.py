"""Regions on their way out: the classes of an ontology as one list, and what most formats cannot hold of a region."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.asset import Asset
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.shape import Mask, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import Outgoing
from labelwright.formats.output import Losses


@dataclass
class Classes:
    """The labels of all region questions as one list of classes, in the order of the ontology.

    Retired labels come last, and only those that occur.
    """

    entries: list[tuple[RegionQuestion, Label]]
    names: list[str] = field(default_factory=list)
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, ontology: Ontology) -> "Classes":
        """The classes of an ontology."""
        made = cls([])
        asked = [q for q in ontology.active_questions if isinstance(q, RegionQuestion)]
        labels = [(question, label) for question in asked for label in question.active_labels]
        plain = [label.name.casefold() for _, label in labels]
        for question, label in labels:
            twice = plain.count(label.name.casefold()) > 1
            made._add(question, label, f"{question.name}: {label.name}" if twice else label.name)
        return made

    def _add(self, question: RegionQuestion, label: Label, name: str) -> int:
        while name in self.names:
            name += " (2)"
        self.entries.append((question, label))
        self.names.append(name)
        self._numbers[question.id, label.id] = len(self.names) - 1
        return len(self.names) - 1

    def number(self, question: RegionQuestion, label_id: str) -> int:
        """The position of a label, from 0; one that was retired, or is unknown to the ontology, gets the next free one."""
        found = self._numbers.get((question.id, label_id))
        if found is not None:
            return found
        label = question.label(label_id) or Label(id=label_id, name=label_id)
        name = label.name
        return self._add(question, label, f"{name} (retired)" if name in self.names else name)


@dataclass(frozen=True)
class Held:
    """What a format holds of a region besides its label and shape."""

    attributes: bool = False
    z_order: bool = False
    score: bool = False
    other_questions: bool = False


def is_answered(row: Outgoing, ontology: Ontology) -> bool:
    """Whether somebody said what is on the image, were it nothing; others are no background for a trainer."""
    return row.chosen is not None and any(
        isinstance(answer, RegionAnswer) and ontology.question(question_id) is not None
        for question_id, answer in row.chosen.items()
    )


def chosen_regions(
    row: Outgoing, ontology: Ontology, losses: Losses, held: Held
) -> Iterator[tuple[RegionQuestion, Region]]:
    """The regions of the answers that are written, lowest first; what the format does not hold of them is told."""
    losses.of_chosen(row, ontology)
    found: list[tuple[RegionQuestion, Region]] = []
    for question_id, answer in row.chosen.items() if row.chosen is not None else ():
        question = ontology.question(question_id)
        if isinstance(question, RegionQuestion) and isinstance(answer, RegionAnswer):
            found += [(question, region) for region in answer.regions]
        elif not held.other_questions:
            losses.add(row.asset, "not_held", f"the answer to {question_id!r} marks nothing and is not held")
    if not held.z_order and len({region.z_order for _, region in found}) > 1:
        losses.add(row.asset, "z_order", "what lies above what is held only by the order of the rows")
    # The lowest is written first: readers paint in that order.
    for question, region in sorted(found, key=lambda pair: pair[1].z_order):
        if region.attributes and not held.attributes:
            losses.add(row.asset, "attributes", f"attributes of region {region.id!r} are not held")
        if region.score is not None and not held.score:
            losses.add(row.asset, "score", f"the score of region {region.id!r} is not held")
        yield question, region


def size_of(asset: Asset) -> Size:
    """(width, height) of an image asset."""
    extent = asset.extent
    return extent if isinstance(extent, tuple) else (1, 1)


def kind_of(shape: Shape) -> str:
    """What a person calls it."""
    match shape:
        case RotatedBox():
            return "rotated box"
        case Polygon():
            return "polygon"
        case Polyline():
            return "polyline"
        case Points():
            return "points"
        case Mask():
            return "mask"
        case _:
            return "box"
