"""Makes projects, people and assets for tests, through the store and the flows."""

import hashlib
import io
import uuid
from collections.abc import Sequence

from PIL import Image

from labelwright.core.access import Actor
from labelwright.core.answer import Answer, Answers, ChoiceAnswer
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology
from labelwright.core.predictor import ImportedModel, Predictor
from labelwright.core.project import Project, ProjectSettings
from labelwright.core.queue import shuffle_key
from labelwright.core.shape import Size
from labelwright.flows import annotate, people, setup
from labelwright.store import asset as assets
from labelwright.store import picture as pictures
from labelwright.store import tables as t
from labelwright.workbench import Workbench

SENTIMENT = Ontology(
    questions=(
        ChoiceQuestion(
            id="sentiment",
            name="Sentiment",
            labels=(Label(id="positive", name="Positive"), Label(id="negative", name="Negative")),
        ),
    )
)
POSITIVE = Answers.of({"sentiment": ChoiceAnswer(labels=("positive",))})
NEGATIVE = Answers.of({"sentiment": ChoiceAnswer(labels=("negative",))})


def add_person(bench: Workbench, name: str = "ana", *, is_admin: bool = False) -> Actor:
    return people.add_user(bench, name, is_admin=is_admin)


def add_project(
    bench: Workbench, manager: Actor, ontology: Ontology = SENTIMENT, settings: ProjectSettings | None = None
) -> Project:
    return setup.create_project(bench, manager, "Reviews", ontology, settings=settings)


def add_assets(bench: Workbench, project: Project, texts: Sequence[str]) -> list[int]:
    """Assets with these texts, not predicted; returns their ids."""
    ids = []
    with bench.store.write() as tx:
        for text in texts:
            row = {
                "project_id": project.id, "sha256": hashlib.sha256(text.encode()).hexdigest(), "size": len(text),
                "status": "new", "open": True, "order_key": 0.0, "shuffle": 0.0, "updated_at": bench.now(),
            }  # fmt: skip
            key = tx.execute(t.asset.insert().values(row)).inserted_primary_key
            assert key is not None
            shuffle = shuffle_key(key[0], 0)
            order = assets.order_key(project.settings.order, None, shuffle, skipped=False)
            tx.execute(
                t.asset.update().where(t.asset.c.id == key[0]).values(shuffle=shuffle, order_key=order)
            )
            tx.execute(t.asset_content.insert().values(asset_id=key[0], text=text, metadata={}))
            ids.append(int(key[0]))
        assets.count(tx, project.id, {"new": len(ids)})
    return ids


def add_images(bench: Workbench, project: Project, n: int, size: Size = (64, 48)) -> list[int]:
    """Image assets with real pixels, not predicted; returns their ids."""
    import numpy as np

    ids = []
    for i in range(n):
        pixels = np.full((size[1], size[0], 3), i % 250, np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        sha256, _ = bench.blobs.put([file.getvalue()])
        made = bench.pictures.make(sha256)
        with bench.store.write() as tx:
            names = {
                "display": made.display,
                "preview": made.preview,
                "thumbnail": made.thumbnail,
                "tiles": made.tiles,
            }
            pictures.add(tx, sha256, made.picture, names, bench.now())
            row = {
                "project_id": project.id, "modality": "image", "sha256": sha256, "size": len(file.getvalue()),
                "external_id": f"photo-{i}.png", "status": "new", "open": True, "order_key": float(i), "shuffle": 0.0,
                "updated_at": bench.now(),
            }  # fmt: skip
            key = tx.execute(t.asset.insert().values(row)).inserted_primary_key
            assert key is not None
            content = {"asset_id": key[0], "text": "", "metadata": {}, "file_name": f"photo-{i}.png"}
            tx.execute(t.asset_content.insert().values(content))
            assets.count(tx, project.id, {"new": 1})
            ids.append(int(key[0]))
    return ids


def predict(
    bench: Workbench, project: Project, asset_id: int, confidence: float | None, answers: Answers = POSITIVE
) -> int:
    """A prediction by an imported model; returns its id."""
    predictor = Predictor(engine=ImportedModel(name="test"), ontology_version=project.ontology_version)
    with bench.store.write() as tx:
        known = tx.execute(t.predictor.select().where(t.predictor.c.sha256 == predictor.sha256)).first()
        if known is None:
            tx.execute(
                t.predictor.insert().values(
                    sha256=predictor.sha256, title=predictor.title, body=predictor.model_dump(mode="json")
                )
            )
        key = tx.execute(
            t.prediction.insert().values(
                project_id=project.id, asset_id=asset_id, predictor_sha256=predictor.sha256,
                ontology_version=project.ontology_version, answers=answers.model_dump(mode="json"),
                confidence={}, problems=[], lowest=confidence, created_at=bench.now(),
            )
        ).inserted_primary_key  # fmt: skip
        assert key is not None
        assets.refresh(
            tx, project.id, asset_id, project.settings, bench.now(),
            {"prediction_id": key[0], "confidence": confidence},
        )  # fmt: skip
    return int(key[0])


def submission(answers: Answers = POSITIVE, **more: object) -> annotate.Submission:
    """A submission with a fresh id."""
    return annotate.Submission.model_validate(
        {"id": str(uuid.uuid4()), "answers": answers, "ontology_version": 1, **more}
    )


def choice(label: str) -> Answer:
    return ChoiceAnswer(labels=(label,))
