"""Ready projects to feel the loop with: label twenty texts and watch the rest being pre-labelled and re-ordered.

Hides where the demo texts lie and how their gold comes along. Calling it again changes nothing.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from labelwright import demo
from labelwright.core.access import Actor
from labelwright.core.errors import LabelwrightError
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import ingest, jobs, setup
from labelwright.formats import Mapping
from labelwright.formats.native import FORMAT
from labelwright.workbench import Workbench

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


def make_demo(workbench: Workbench, actor: Actor) -> list[Project]:
    """The two demo projects, made if they do not exist.

    Raises:
        LabelwrightError: The texts could not be imported.
    """
    known = {card.project.name: card.project for card in setup.list_projects(workbench, actor)}
    made = []
    for name, description, body, fill in (
        ("Demo: support messages", "Classify messages and rate their urgency.", MESSAGES, _import_messages),
        ("Demo: field notes", "Mark people, organisations, places and products.", NOTES, _import_notes),
    ):
        if name not in known:
            project = setup.create_project(
                workbench, actor, name, setup.parse_ontology(body), description=description, settings=SETTINGS
            )
            fill(workbench, actor, project)
            known[name] = project
        made.append(known[name])
    return made


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


def _import(
    workbench: Workbench, actor: Actor, project: Project, path: Path, form: str, mapping: Mapping | None
) -> None:
    job = ingest.start_import_of_path(
        workbench, actor, project.id, path, form, mapping, ingest.ImportOptions()
    )
    done = jobs.wait_for(workbench, job.id, pause_s=0.02)
    if done.state != "done" or done.report["bad"]:
        raise LabelwrightError("demo", f"the demo texts could not be imported: {done.message} {done.report}")
