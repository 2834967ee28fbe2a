"""Detectors of this installation: add one from a model file and its description, see what it could answer, run it.

A model file meets native code, so only administrators add one; every manager may use it. See
docs/decisions/detectors-run-in-a-child.md.
"""

from pathlib import Path

from labelwright.core.access import Actor
from labelwright.core.detected import Fitting, fitting
from labelwright.core.detector import Detector, parse_spec
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.ontology import ChoiceQuestion, Ontology, RegionQuestion
from labelwright.core.predictor import DetectorModel, Predictor, Run
from labelwright.core.value import Value
from labelwright.flows import guard, models
from labelwright.flows.ingest import file_of
from labelwright.flows.predict import queue_job
from labelwright.store import detector as store
from labelwright.store import history
from labelwright.store import run as runs
from labelwright.store.db import Tx, lock_project
from labelwright.workbench import Workbench

MOST_IMAGES = 100_000
"""Of one run, as of every batch."""


class Use(Value):
    """What a detector could answer in a project.

    Attributes:
        fittings: One per question it can answer.
        problem: Why there are none.
    """

    detector: Detector
    fittings: tuple[Fitting, ...]
    problem: str = ""


def list_detectors(workbench: Workbench, actor: Actor) -> list[Detector]:
    """All detectors, by name.

    Raises:
        NotAllowed: The actor is neither an administrator nor a manager of any project.
    """
    with workbench.store.read() as tx:
        models.guard_models(tx, actor)
        return store.every(tx)


def add_file(workbench: Workbench, actor: Actor, model: Path, spec_text: str) -> Detector:
    """Add a model file with its description; it is loaded and tried on a grey picture first.

    Raises:
        Invalid: The description is wrong, the file cannot be loaded, or they do not belong together.
        Conflict: The name is taken.
        Crashed: The file ended the process it was loaded in.
        NotAllowed: Only administrators may.
    """
    _check_admin(actor)
    from labelwright.detectors import Runner

    spec = parse_spec(spec_text)
    with workbench.store.read() as tx:
        _check_name(tx, spec.name)
    runner = Runner(model, spec, try_out=True)
    runner.close()
    with model.open("rb") as file:
        sha256, size = workbench.blobs.put(iter(lambda: file.read(1 << 20), b""))
    with workbench.store.write() as tx:
        _check_name(tx, spec.name)
        now = workbench.now()
        key = store.add(tx, sha256, size, runner.spec, runner.signature, actor.user_id, now)
        history.record(
            tx, now, "detector_changed", user_id=actor.user_id, body={"name": spec.name, "what": "added"}
        )
        return _detector(tx, key)


def add_upload(workbench: Workbench, actor: Actor, upload_id: str, spec_text: str) -> Detector:
    """Add an uploaded model file; see `add_file`."""
    with workbench.store.read() as tx:
        path, _ = file_of(workbench, tx, actor, upload_id)
    return add_file(workbench, actor, path, spec_text)


def remove_detector(workbench: Workbench, actor: Actor, detector_id: int) -> None:
    """Take a detector out of use and forget its model file; what it predicted stays.

    Raises:
        Conflict: A run of it has not ended.
    """
    _check_admin(actor)
    with workbench.store.write() as tx:
        found = _detector(tx, detector_id)
        run = store.unfinished_run(tx, detector_id)
        if run is not None:
            raise Conflict("in_use", f"run {run} still needs {found.name!r}", "let it end, or cancel it")
        now = workbench.now()
        store.remove(tx, detector_id, now)
        body: history.Body = {"name": found.name, "what": "removed"}
        history.record(tx, now, "detector_changed", user_id=actor.user_id, body=body)
        is_used = store.is_file_used(tx, found.model_sha256)
    if not is_used:
        workbench.blobs.drop(found.model_sha256)


def uses(workbench: Workbench, actor: Actor, project_id: int) -> list[Use]:
    """What each detector could answer in a project, and which of its classes have no label there."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        every = store.every(tx)
    return [_use(each, ontology) for each in every]


def _use(detector: Detector, ontology: Ontology) -> Use:
    kind = ChoiceQuestion if detector.spec.task == "classify" else RegionQuestion
    found, problem = [], ""
    for question in ontology.active_questions:
        if isinstance(question, kind):
            try:
                found.append(fitting(detector.spec, ontology, question.id))
            except Invalid as error:
                problem = error.message
    if not found and not problem:
        problem = "no question of this project asks for what it finds"
    return Use(detector=detector, fittings=tuple(found), problem="" if found else problem)


def start_run(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    detector_id: int,
    *,
    question: str = "",
    images: int | None = None,
) -> Run:
    """Queue a run of a detector over the next images that nobody and no run has covered.

    Args:
        workbench: The windows to the world.
        actor: Who starts it.
        project_id: Where.
        detector_id: Which.
        question: Id or name of the question to answer; empty for the only one that fits.
        images: How many at most; None for all that are left.

    Raises:
        Invalid: The project has no images or no question for it, or no class of it is a label there.
        Conflict: Everything has been covered.
    """
    if images is not None and not 1 <= images <= MOST_IMAGES:
        raise Invalid("bad_size", f"a run covers 1 to {MOST_IMAGES:,} images")
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        detector = _detector(tx, detector_id)
        if project.modality != "image":
            raise Invalid(
                "wrong_modality", f"{detector.name!r} looks at images; this project has {project.modality}s"
            )
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        fit = fitting(detector.spec, ontology, question)
        if not fit.labels:
            some = ", ".join(row.name for row in fit.classes[:8])
            raise Invalid(
                "no_labels", f"no class of {detector.name!r} is a label here: it knows {some}",
                "give a label the name of a class, or add the name as a synonym",
            )  # fmt: skip
        lock_project(tx, project_id, "batch")
        chosen = runs.choose_unpredicted(tx, project_id, images or MOST_IMAGES)
        if not chosen:
            raise Conflict(
                "nothing_left",
                "every image that is still open has been covered by a run",
                "import more images",
            )
        batch = runs.next_batch(tx, project_id)
        runs.set_batch(tx, chosen, batch)
        engine = DetectorModel(
            detector_id=detector.id, name=detector.name, model_sha256=detector.model_sha256,
            spec_sha256=detector.spec_sha256, question=fit.question,
        )  # fmt: skip
        now = workbench.now()
        run_id = runs.add(
            tx, project_id, "batch", batch, Predictor(engine=engine, ontology_version=ontology.version), chosen,
            cost_cap_usd=None, cost_known=True, options={"batches_left": 0}, user_id=actor.user_id, at=now,
        )  # fmt: skip
        queue_job(tx, workbench, project_id, [run_id], actor.user_id)
        history.record(
            tx, now, "run_created", project_id=project_id, user_id=actor.user_id,
            body={"run": run_id, "model": detector.name},
        )  # fmt: skip
        row = runs.get(tx, project_id, run_id)
    assert row is not None
    return row.run


def detector_named(workbench: Workbench, actor: Actor, name: str) -> Detector:
    """The detector with this name or id.

    Raises:
        NotFound: There is none.
    """
    every = list_detectors(workbench, actor)
    found = next((each for each in every if name in (each.name, str(each.id))), None)
    if found is None:
        names = (
            ", ".join(each.name for each in every) or "none yet: labelwright detectors add MODEL --spec FILE"
        )
        raise NotFound("no_detector", f"there is no detector {name!r}", f"detectors: {names}")
    return found


def _detector(tx: Tx, detector_id: int) -> Detector:
    found = store.get(tx, detector_id)
    if found is None:
        raise NotFound("no_detector", f"there is no detector {detector_id}")
    return found


def _check_admin(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed(
            "admins_only",
            "only an administrator adds or removes detectors",
            "a model file runs on the server",
        )


def _check_name(tx: Tx, name: str) -> None:
    if any(each.name == name for each in store.every(tx)):
        raise Conflict(
            "name_taken", f"there is a detector named {name!r} already", "remove it, or choose another name"
        )
