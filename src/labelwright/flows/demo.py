"""Ready projects to feel the loop with: two of texts, where twenty answers let a model pre-label the rest, and one of images.

Hides where the demo texts lie, that the images are drawn on the spot, and how gold comes along. Calling it again changes
nothing.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from labelwright import demo
from labelwright.core.access import Actor
from labelwright.core.errors import LabelwrightError
from labelwright.core.project import Modality, Project, ProjectSettings
from labelwright.flows import ingest, jobs, setup
from labelwright.formats import Mapping
from labelwright.formats.native import FORMAT
from labelwright.workbench import Workbench

if TYPE_CHECKING:
    from labelwright.demo.fruit import Piece

SETTINGS = ProjectSettings(learn_every=5, private=True)
"""The models learn often, so that twenty answers are enough to see it; nothing leaves the machine."""

MESSAGES: dict[str, Any] = {
    "guideline": (
        "Messages of customers to a small shop for outdoor gear. Choose what the customer mainly wants; when two things are "
        "asked, choose the one that has to be answered first."
    ),
    "questions": [
        {
            "id": "topic",
            "kind": "choice",
            "name": "Topic",
            "labels": [
                {
                    "id": "delivery",
                    "name": "Delivery",
                    "definition": "Where a parcel is, when it comes, damage on the way.",
                },
                {
                    "id": "refund",
                    "name": "Refund",
                    "definition": "Returns, money back, exchanges, wrong charges.",
                },
                {
                    "id": "product_question",
                    "name": "Product question",
                    "definition": "How something works, fits, or is made.",
                },
                {
                    "id": "account",
                    "name": "Account",
                    "definition": "Sign-in, addresses, newsletters, data of the customer.",
                },
                {
                    "id": "praise",
                    "name": "Praise",
                    "definition": "Thanks and compliments that ask for nothing.",
                },
            ],
        },
        {
            "id": "urgency",
            "kind": "scalar",
            "name": "Urgency",
            "type": "integer",
            "minimum": 1,
            "maximum": 5,
            "required": False,
            "instruction": "1: no hurry at all. 5: must be answered today.",
        },
    ],
}
NOTES: dict[str, Any] = {
    "guideline": "Short local news and company notes. Mark every name; do not mark titles, pronouns or common nouns.",
    "questions": [
        {
            "id": "entities",
            "kind": "span",
            "name": "Entities",
            "labels": [
                {"id": "person", "name": "Person", "definition": "A named human, without title."},
                {
                    "id": "organisation",
                    "name": "Organisation",
                    "definition": "A company, club, school, authority or band.",
                },
                {"id": "place", "name": "Place", "definition": "A town, street, river, building or country."},
                {"id": "product", "name": "Product", "definition": "A named thing that is made or sold."},
            ],
        }
    ],
}


FRUIT: dict[str, Any] = {
    "guideline": (
        "Fruit on a table, photographed from above. Outline what can be seen of every piece; what lies under another one or "
        "is cut by the edge counts as partly hidden."
    ),
    "questions": [
        {
            "id": "fruit",
            "kind": "region",
            "name": "Fruit",
            "shapes": ["polygon", "box", "mask"],
            "attributes": [
                {"id": "condition", "name": "condition", "type": "choice", "options": ["fresh", "bruised"]},
                {"id": "hidden", "name": "partly hidden", "type": "boolean"},
            ],
            "labels": [
                {"id": "apple", "name": "Apple", "colour": "#D55E00", "definition": "Red or green, with a stalk."},
                {"id": "banana", "name": "Banana", "colour": "#F0E442"},
                {"id": "lemon", "name": "Lemon", "colour": "#90FAF3", "definition": "Yellow, with a tip at both ends."},
                {"id": "orange", "name": "Orange", "colour": "#E69F00"},
                {"id": "pear", "name": "Pear", "colour": "#009E73", "definition": "Narrow at the top, with a stalk."},
            ],
        },
        {
            "id": "pieces",
            "kind": "scalar",
            "name": "Pieces of fruit",
            "type": "integer",
            "minimum": 0,
            "maximum": 50,
            "required": False,
            "instruction": "How many lie on the table, partly hidden ones too.",
        },
    ],
}  # fmt: skip
DETECTOR = "simple colour detector"
"""Said wherever its answers are shown: it is no learned model, and its mistakes are its own."""


class Demo(NamedTuple):
    """One ready project and how it is filled."""

    name: str
    description: str
    modality: Modality
    questions: dict[str, Any]
    fill: Callable[[Workbench, Actor, Project], None]


def make_demo(
    workbench: Workbench, actor: Actor, which: tuple[str, ...] = ("messages", "notes", "fruit")
) -> list[Project]:
    """The demo projects, made if they do not exist.

    Raises:
        LabelwrightError: The texts or images could not be imported.
    """
    known = {card.project.name: card.project for card in setup.list_projects(workbench, actor)}
    made = []
    for demo_ in (_demos()[each] for each in which):
        if demo_.name not in known:
            project = setup.create_project(
                workbench, actor, demo_.name, setup.parse_ontology(demo_.questions), modality=demo_.modality,
                description=demo_.description,
                # Nothing local learns from images.
                settings=SETTINGS if demo_.modality == "text" else ProjectSettings(learn_every=0, private=True),
            )  # fmt: skip
            demo_.fill(workbench, actor, project)
            known[demo_.name] = project
        made.append(known[demo_.name])
    return made


def _demos() -> dict[str, Demo]:
    return {
        "messages": Demo(
            "Demo: support messages", "Classify messages and rate their urgency.", "text", MESSAGES, _import_messages
        ),
        "notes": Demo(
            "Demo: field notes", "Mark people, organisations, places and products.", "text", NOTES, _import_notes
        ),
        "fruit": Demo(
            "Demo: fruit on a table",
            "Outline fruit in drawn pictures. A detector that knows nothing but colours has looked first.",
            "image", FRUIT, _import_fruit,
        ),
    }  # fmt: skip


def _import_messages(workbench: Workbench, actor: Actor, project: Project) -> None:
    mapping = Mapping(
        text="text", external_id="id", metadata=(), gold={"topic": "gold_topic", "urgency": "gold_urgent"}
    )
    _import(workbench, actor, project, demo.support_messages_path(), "csv", mapping)


def _import_notes(workbench: Workbench, actor: Actor, project: Project) -> None:
    # The file holds the true entities of every note, for tests; only those of gold notes come into the project.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field_notes.jsonl"
        with (
            demo.field_notes_path().open(encoding="utf-8") as source,
            path.open("w", encoding="utf-8") as target,
        ):
            for line in source:
                note = json.loads(line)
                row = {"format": FORMAT, "external_id": note["id"], "text": note["text"]}
                if note.get("gold"):
                    row["gold"] = {"entities": note["entities"]}
                target.write(json.dumps(row, ensure_ascii=False) + "\n")
        _import(workbench, actor, project, path, "labelwright", None)


def _import_fruit(workbench: Workbench, actor: Actor, project: Project) -> None:
    from labelwright.demo import fruit

    with tempfile.TemporaryDirectory() as parent, ThreadPoolExecutor(4) as threads:
        folder = Path(parent) / "fruit"
        folder.mkdir()

        def drawn(n: int) -> str:
            scene = fruit.scene(n)
            scene.image.save(folder / scene.name, quality=90)
            found = fruit.detect(scene.image)
            row: dict[str, Any] = {
                "format": FORMAT, "external_id": scene.name, "image": {"file": scene.name},
                "prediction": {
                    "model": DETECTOR, "answers": _fruit_answers(found, scored=True),
                    "confidence": {"fruit": {"value": min((p.score for p in found), default=0.5)}},
                },
            }  # fmt: skip
            if n % 4 == 3:
                row["gold"] = _fruit_answers(scene.pieces, scored=False)
            return json.dumps(row)

        lines = list(threads.map(drawn, range(fruit.SCENES)))
        (folder / "assets.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _import(workbench, actor, project, folder, "labelwright", None)


def _fruit_answers(pieces: Sequence["Piece"], *, scored: bool) -> dict[str, Any]:
    from labelwright.demo import fruit

    regions = [fruit.body_of(piece, n, scored=scored) for n, piece in enumerate(pieces)]
    return {"fruit": regions, "pieces": len(regions)}


def _import(
    workbench: Workbench, actor: Actor, project: Project, path: Path, form: str, mapping: Mapping | None
) -> None:
    job = ingest.start_import_of_path(
        workbench, actor, project.id, path, form, mapping, ingest.ImportOptions()
    )
    done = jobs.wait_for(workbench, job.id, pause_s=0.02)
    if done.state != "done" or done.report["bad"]:
        raise LabelwrightError(
            "demo", f"{path.name} of the demo could not be imported: {done.message} {done.report}"
        )
