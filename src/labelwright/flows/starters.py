"""Sets of questions to start from, so that nobody begins with an empty form.

They are written as a person would write them in a file, and read by the same code.
"""

from functools import cache
from typing import Any

from labelwright.core.errors import Invalid
from labelwright.core.ontology import Ontology, with_colours
from labelwright.core.project import Modality
from labelwright.core.value import Value
from labelwright.flows.questions import parse_ontology


class Starter(Value):
    """Questions that fit a common task.

    Attributes:
        name: Short name for the command line.
        title: What it is for.
        description: One sentence more.
        ontology: To be changed before a project is made of it.
    """

    name: str
    modality: Modality
    title: str
    description: str
    ontology: Ontology


_PERSON = {
    "name": "Person",
    "skeleton": {
        "points": [
            "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
            "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee",
            "right knee", "left ankle", "right ankle",
        ],
        "edges": [
            "left ankle - left knee", "left knee - left hip", "right ankle - right knee", "right knee - right hip",
            "left hip - right hip", "left shoulder - left hip", "right shoulder - right hip",
            "left shoulder - right shoulder", "left shoulder - left elbow", "right shoulder - right elbow",
            "left elbow - left wrist", "right elbow - right wrist", "left eye - right eye", "nose - left eye",
            "nose - right eye", "left eye - left ear", "right eye - right ear", "left ear - left shoulder",
            "right ear - right shoulder",
        ],
    },
}  # fmt: skip
"""The 17 points of a person as COCO has them, so that files for its trainers fit."""

_STARTERS: tuple[tuple[str, Modality, str, str, list[dict[str, Any]]], ...] = (
    (
        "boxes", "image", "Object detection", "A box around every object, with its class.",
        [
            {
                "kind": "region", "name": "Objects", "shapes": ["box"], "labels": ["Person", "Vehicle", "Animal"],
                "attributes": {"cut off or hidden": "boolean"},
                "instruction": "One box per object, tight around what can be seen of it.",
            }
        ],
    ),
    (
        "segments", "image", "Segmentation", "The exact outline of every object, as polygons or painted masks.",
        [
            {
                "kind": "region", "name": "Objects", "shapes": ["polygon", "mask"],
                "labels": ["Person", "Vehicle", "Animal"],
                "instruction": "Follow the outline; leave out holes through which the background is seen.",
            }
        ],
    ),
    (
        "keypoints", "image", "Key points", "The joints of a person, joined by a skeleton.",
        [
            {
                "kind": "region", "name": "People", "shapes": ["points"], "labels": [_PERSON],
                "instruction": "Left and right are those of the person, not of the picture.",
            }
        ],
    ),
    (
        "classify", "image", "Image classification", "One label for the whole image.",
        [{"kind": "choice", "name": "Class", "labels": ["Indoors", "Outdoors", "Cannot be said"]}],
    ),
    (
        "form", "image", "Ratings and counts", "A short form about every image: stars, numbers, yes or no, a caption.",
        [
            {"kind": "scalar", "name": "Quality", "type": "integer", "minimum": 1, "maximum": 5, "unit": "stars"},
            {"kind": "scalar", "name": "People", "type": "integer", "minimum": 0, "instruction": "How many can be seen."},
            {"kind": "scalar", "name": "Text can be read", "type": "boolean"},
            {"kind": "text", "name": "Caption", "required": False, "instruction": "One sentence on what the image shows."},
        ],
    ),
    (
        "topics", "text", "Text classification", "One label for the whole text.",
        [{"kind": "choice", "name": "Topic", "labels": ["Question", "Complaint", "Praise"]}],
    ),
    (
        "names", "text", "Names in texts", "Every person, organisation and place that is named.",
        [
            {"kind": "span", "name": "Entities", "labels": ["Person", "Organisation", "Place"],
             "instruction": "Mark every name; no titles, pronouns or common nouns."}
        ],
    ),
)  # fmt: skip


@cache
def all_starters() -> tuple[Starter, ...]:
    """Every set, in the order in which they are offered."""
    return tuple(
        Starter(
            name=name, modality=modality, title=title, description=description,
            ontology=with_colours(parse_ontology({"questions": questions})),
        )
        for name, modality, title, description, questions in _STARTERS
    )  # fmt: skip


def starter(name: str) -> Starter:
    """One set by its name.

    Raises:
        Invalid: There is none.
    """
    found = next((each for each in all_starters() if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in all_starters())
        raise Invalid("no_starter", f"there are no ready questions called {name!r}", f"there are: {names}")
    return found
