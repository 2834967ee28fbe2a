"""Local models learn from the answers given so far and answer what is left again.

A `learn` job trains on every submission that counts, keeps the model as a blob, and re-predicts open assets in small
transactions, so that submits are never held up. Predictions that a newer local model replaces and nothing refers to
are removed, so that storage does not grow with every retraining.
"""

import time
from collections.abc import Sequence

from labelwright.core.access import Actor
from labelwright.core.errors import NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology
from labelwright.core.ports import Labeler
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

CHUNK = 100
"""Assets predicted per transaction: a submit waits for at most one of these."""
WINDOW = 20_000
"""At most this many open assets are predicted anew by one training: those next in the queue and a random sample."""
ENOUGH = 2_000
"""A training goes on for at least this many assets before it makes way for a newer one that waits."""
PAUSE_S = 0.2
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
        return _queue(tx, workbench, project_id, actor.user_id)


def run_learn(workbench: Workbench, job: Job, control: Control) -> Report:
    """The work of a learn job. A restart trains again (same answers, same model) and predicts what is still missing."""
    from labelwright import training

    assert job.project_id is not None
    _wait_for_earlier(workbench, job.project_id, job.id, control)
    with workbench.store.write() as tx:
        project, ontology = _current(tx, job.project_id)
        if project.modality != "text":
            note = f"there is no local model that learns from {project.modality}s yet"
            return {"trained_on": 0, "predicted": 0, "note": note}
        before = projects.learning(tx, project.id)
        # Submissions from here on count towards the next training, also while this one is running.
        projects.change(tx, project.id, learned_at_submissions=assets.counter(tx, project.id, "submissions"))
    with workbench.store.read() as tx:
        answered = store.answered(tx, project.id, MAX_ANSWERS)
    if len(answered) < MIN_ANSWERS:
        return _nothing_learned(len(answered))
    labeler = training.train(ontology, [text for text, _ in answered], [a for _, a in answered], before.seed)
    if not labeler.questions:
        return _nothing_learned(len(answered))
    control.check()
    blob, _ = workbench.blobs.put([labeler.dump()])
    predictor = Predictor(
        engine=LocalModel(model_sha256=blob, trained_on=len(answered)), ontology_version=ontology.version
    )
    with workbench.store.write() as tx:
        projects.change(tx, project.id, model_sha256=blob)
        runs.add_predictor(tx, predictor)
        waiting = store.to_predict(tx, project.id, predictor.sha256, WINDOW)
        control.save(tx, total=len(waiting), done=0, message=f"learned from {len(answered):,} answers")
        replaced = before.model_sha256
        unused = replaced not in (None, blob) and not store.is_used_elsewhere(tx, project.id, str(replaced))
    if replaced is not None and unused:
        # A crash before this line leaves one file behind; nothing points to it.
        workbench.blobs.drop(replaced)
    predicted, stopped = _predict(workbench, project.id, predictor, labeler, waiting, job, control)
    with workbench.store.read() as tx:
        median = runs.median_confidence(tx, project.id)
    with workbench.store.write() as tx:
        projects.change(tx, project.id, audit_floor=median)
        body: history.Body = {"answers": len(answered), "predicted": predicted, "model": blob[:12]}
        history.record(tx, workbench.now(), "learned", project_id=project.id, user_id=None, body=body)
    report: Report = {
        "trained_on": len(answered), "predicted": predicted, "questions": list(labeler.questions),
    }  # fmt: skip
    return report | ({"note": stopped} if stopped else {})


def _wait_for_earlier(workbench: Workbench, project_id: int, job_id: int, control: Control) -> None:
    """Two trainings of a project at once would overwrite each other's predictions: the later one waits.

    Not for long: the earlier one makes way as soon as it has predicted enough.
    """
    while True:
        with workbench.store.read() as tx:
            if not store.is_training(tx, project_id, job_id, workbench.now()):
                return
        control.check()
        time.sleep(PAUSE_S)


def _nothing_learned(answers: int) -> Report:
    note = "not enough different answers to learn from yet"
    return {"trained_on": answers, "predicted": 0, "note": note}


def _current(tx: Tx, project_id: int) -> tuple[Project, Ontology]:
    project = projects.get(tx, project_id)
    if project is None:
        raise NotFound("no_project", "the project is in the trash")
    ontology = projects.ontology(tx, project_id, project.ontology_version)
    assert ontology is not None
    return project, ontology


def _predict(
    workbench: Workbench,
    project_id: int,
    predictor: Predictor,
    labeler: Labeler,
    waiting: Sequence[int],
    job: Job,
    control: Control,
) -> tuple[int, str]:
    """Predict asset by asset in small transactions; returns how many, and why it stopped early."""
    predicted = 0
    for start in range(0, len(waiting), CHUNK):
        control.check()
        chunk = waiting[start : start + CHUNK]
        with workbench.store.read() as tx:
            texts = assets.texts(tx, chunk)
        # The model works between transactions, never inside one.
        readings = dict(zip(texts, labeler.read(list(texts.values())), strict=True))
        with workbench.store.write() as tx:
            project, _ = _current(tx, project_id)
            if project.ontology_version != predictor.ontology_version:
                _queue(tx, workbench, project_id, job.created_by)
                return predicted, "the questions changed; it learns again"
            predicted += store.keep(tx, project, predictor, readings, workbench.now())
            control.save(tx, done=min(start + CHUNK, len(waiting)))
            live = jobs.of_project(tx, project_id, ("learn",), live=True)
            if start >= ENOUGH and any(each.id > job.id for each in live):
                return predicted, "newer answers wait to be learned from"
    return predicted, ""


def _waits(tx: Tx, project_id: int) -> Job | None:
    """The training of a project that waits, if one does."""
    live = jobs.of_project(tx, project_id, ("learn",), live=True)
    return next((job for job in live if job.state == "queued"), None)


def _queue(tx: Tx, workbench: Workbench, project_id: int, user_id: int | None) -> Job:
    """A training that waits: the one that does already, or a new one."""
    job = _waits(tx, project_id)
    if job is None:
        job = jobs.get(tx, jobs.add(tx, "learn", project_id, {}, user_id, workbench.now()))
    assert job is not None
    return job


def predict_with_local(workbench: Workbench, blob: str, texts: Sequence[str]) -> list[Reading]:
    """Answers of a stored local model, without storing anything."""
    from labelwright import training

    return training.load(workbench.blobs.read(blob)).read(texts)
