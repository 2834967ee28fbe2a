"""Local models learn from the answers given so far and answer what is left again.

A `learn` job trains on every submission that counts, keeps the model as a blob, and re-predicts open assets in small
transactions, so that submits are never held up. Predictions that a newer local model replaces and nothing refers to
are removed, so that storage does not grow with every retraining.
"""

from collections.abc import Sequence
from typing import Any

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import LocalModel, Predictor, Reading
from labelwright.core.project import Project
from labelwright.flows import guard
from labelwright.flows.jobs import Control, Report
from labelwright.store import asset as assets
from labelwright.store import history, jobs
from labelwright.store import learning as store
from labelwright.store import project as projects
from labelwright.store import run as runs
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

CHUNK = 250
"""Assets predicted per transaction: a submit waits for at most one of these."""
WINDOW = 20_000
"""At most this many open assets are predicted anew by one training: those next in the queue and a random sample."""
MIN_ANSWERS = 4
MAX_ANSWERS = 20_000
"""A training looks at the newest answers up to this number, so that it stays a matter of seconds."""


def learn_now(workbench: Workbench, actor: Actor, project_id: int) -> Job:
    """Queue a training, unless one waits already.

    Raises:
        NotAllowed: Only managers may.
    """
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "run_models")
        waiting = [
            job for job in jobs.of_project(tx, project_id, ("learn",), live=True) if job.state == "queued"
        ]
        if waiting:
            return waiting[0]
        job_id = jobs.add(tx, "learn", project_id, {}, actor.user_id, workbench.now())
        job = jobs.get(tx, job_id)
    assert job is not None
    return job


def run_learn(workbench: Workbench, job: Job, control: Control) -> Report:
    """The work of a learn job. A restart trains again (same answers, same model) and predicts what is still missing."""
    from labelwright import training

    assert job.project_id is not None
    with workbench.store.read() as tx:
        project, ontology, answered = _examples(tx, job.project_id)
        submissions = assets.counter(tx, job.project_id, "submissions")
        seed = projects.learning(tx, job.project_id).seed
    labeler = None
    if len(answered) >= MIN_ANSWERS:
        labeler = training.train(ontology, [text for text, _ in answered], [a for _, a in answered], seed)
    if labeler is None or not labeler.questions:
        with workbench.store.write() as tx:
            projects.change(tx, project.id, learned_at_submissions=submissions)
        message = "not enough different answers to learn from yet"
        return {"trained_on": len(answered), "predicted": 0, "note": message}
    control.check()
    blob, _ = workbench.blobs.put([labeler.dump()])
    predictor = Predictor(
        engine=LocalModel(model_sha256=blob, trained_on=len(answered)), ontology_version=ontology.version
    )
    with workbench.store.write() as tx:
        projects.change(tx, project.id, learned_at_submissions=submissions, model_sha256=blob)
        runs.add_predictor(tx, predictor)
        waiting = store.to_predict(tx, project.id, predictor.sha256, WINDOW)
        control.save(tx, total=len(waiting), done=0, message=f"learned from {len(answered):,} answers")
    predicted = 0
    for start in range(0, len(waiting), CHUNK):
        control.check()
        chunk = waiting[start : start + CHUNK]
        with workbench.store.read() as tx:
            texts = assets.texts(tx, chunk)
        readings = dict(zip(texts, labeler.read(list(texts.values())), strict=True))
        with workbench.store.write() as tx:
            predicted += _keep(tx, workbench, project, predictor, readings)
            control.save(tx, done=min(start + CHUNK, len(waiting)))
    with workbench.store.write() as tx:
        projects.change(tx, project.id, audit_floor=runs.median_confidence(tx, project.id))
        body: history.Body = {"answers": len(answered), "predicted": predicted, "model": blob[:12]}
        history.record(tx, workbench.now(), "learned", project_id=project.id, user_id=None, body=body)
    return {"trained_on": len(answered), "predicted": predicted, "questions": list(labeler.questions)}


def _examples(tx: Tx, project_id: int) -> tuple[Project, Ontology, list[tuple[str, Answers]]]:
    project = projects.get(tx, project_id)
    if project is None:
        from labelwright.core.errors import NotFound

        raise NotFound("no_project", "the project is in the trash")
    ontology = projects.ontology(tx, project_id, project.ontology_version)
    assert ontology is not None
    return project, ontology, store.answered(tx, project_id, MAX_ANSWERS)


def _keep(
    tx: Tx, workbench: Workbench, project: Project, predictor: Predictor, readings: dict[int, Reading]
) -> int:
    """Store readings as the current predictions of assets that are still open; returns how many."""
    kept = 0
    now = workbench.now()
    open_now = store.still_open(tx, list(readings))
    for asset_id in open_now:
        reading = readings[asset_id]
        before = open_now[asset_id]
        prediction_id = runs.add_prediction(
            tx, project.id, asset_id, None, predictor.sha256, predictor.ontology_version, reading, now
        )
        changes: dict[str, Any] = {"prediction_id": prediction_id, "confidence": reading.lowest}
        assets.refresh(tx, project.id, asset_id, project.settings, now, changes)
        if before is not None:
            store.drop_if_replaced(tx, before)
        kept += 1
    return kept


def predict_with_local(workbench: Workbench, blob: str, texts: Sequence[str]) -> list[Reading]:
    """Answers of a stored local model, without storing anything."""
    from labelwright import training

    return training.load(workbench.blobs.read(blob)).read(texts)
