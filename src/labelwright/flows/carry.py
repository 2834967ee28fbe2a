"""Carries the runs of a job out, one after the other, until each is done, paused or cancelled.

Hides who holds a run while it is carried out, and how one batch of a series follows another.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from labelwright.core.errors import LabelwrightError
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import Run
from labelwright.core.project import Project
from labelwright.flows import guard, series
from labelwright.flows.asking import Asking, project_of
from labelwright.flows.batching import Batching
from labelwright.flows.jobs import Control, Later, Report, Stopped
from labelwright.flows.predict import _add_batch, _cancel, _run, _set_state
from labelwright.flows.prompts import Plan
from labelwright.store import project as projects
from labelwright.store import run as runs
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

if TYPE_CHECKING:
    from labelwright.flows.detecting import Detecting


def run_predict(workbench: Workbench, job: Job, control: Control) -> Report:
    """The work of a `predict` job: its runs one after another, and the batches that follow in a series.

    Which run is next is read from the runs themselves: after a crash nothing else has to be remembered.

    Raises:
        Stopped: The process is shutting down or the job was cancelled.
    """
    assert job.project_id is not None
    carried_out: list[int] = []
    if "after" in job.params:
        _follow_reviewed(workbench, job.project_id, job.params["after"], job.id)
    while (run_id := _next_of(workbench, job.id)) is not None:
        try:
            _carry_out(workbench, job.project_id, run_id, control)
        except (Stopped, Later):
            raise
        except Exception as error:
            _pause_broken(workbench, job.project_id, run_id, error)
            raise
        carried_out.append(run_id)
    return {"run_ids": carried_out}


def _next_of(workbench: Workbench, job_id: int) -> int | None:
    with workbench.store.read() as tx:
        return next(iter(runs.waiting_of_job(tx, job_id)), None)


def _pause_broken(workbench: Workbench, project_id: int, run_id: int, error: Exception) -> None:
    """A run whose job failed is paused with the reason, so that a person can go on with it."""
    reason = (
        error.message
        if isinstance(error, LabelwrightError)
        else "internal error; the log of the server says more"
    )
    with workbench.store.write() as tx:
        if runs.state(tx, run_id) in ("queued", "running"):
            _set_state(tx, workbench, project_id, run_id, "paused", reason, None)
            runs.change(tx, run_id, job_id=None)


def _carry_out(workbench: Workbench, project_id: int, run_id: int, control: Control) -> None:
    """One run until it is done, paused or cancelled."""
    while True:
        with workbench.store.write() as tx:
            row = runs.get(tx, project_id, run_id, lock=True)
            if row is None:
                return
            if row.run.state not in ("queued", "running"):
                # In one transaction with the look: whoever resumes it either finds this job still holding it, or not.
                runs.change(tx, run_id, job_id=None)
                return
            waits = row.run.stop_reason if row.run.how == "batch" else ""
            runs.change(tx, run_id, state="running", stop_reason=waits)
            project = project_of(tx, project_id)
            ontology = guard.ontology(tx, project_id, row.run.predictor.ontology_version)
        work_on = _work_on(workbench, project, row.run, ontology, control)
        work_on.go()
        if work_on.cancelled:
            with workbench.store.write() as tx:
                _cancel(tx, workbench, row.run, None, "cancelled; what the provider had answered is taken in")
                runs.change(tx, run_id, job_id=None)
            return
        if control.cancelled:
            _cancel_all(workbench, project_id, row.job_id)
        control.check()
        with workbench.store.write() as tx:
            if _settle(tx, workbench, project, run_id, work_on.halted):
                return


def _work_on(
    workbench: Workbench, project: Project, run: Run, ontology: Ontology, control: Control
) -> "Asking | Detecting":
    if run.predictor.engine.kind == "detector":
        # Late: runs of language models need no image library.
        from labelwright.flows.detecting import Detecting

        return Detecting(workbench, project, run, ontology, control)
    kind = Batching if run.how == "batch" else Asking
    return kind(workbench, project, run, ontology, control)


def _cancel_all(workbench: Workbench, project_id: int, job_id: int | None) -> None:
    with workbench.store.write() as tx:
        for run_id in runs.waiting_of_job(tx, job_id) if job_id is not None else ():
            _cancel(tx, workbench, _run(tx, project_id, run_id), None, "its job was cancelled")


def _settle(tx: Tx, workbench: Workbench, project: Project, run_id: int, halted: str) -> bool:
    """Note how a round of asking ended; False when the run has to be looked at again."""
    row = runs.get(tx, project.id, run_id, lock=True)
    if row is None or row.run.state != "running":
        return False
    run = row.run
    if runs.is_unfinished(tx, run_id):
        if not halted:
            return False
        _set_state(tx, workbench, project.id, run_id, "paused", halted, None)
        runs.change(tx, run_id, job_id=None)
        return True
    state, reason = "done", ""
    if run.failed and not run.done:
        cause = max(run.failures, key=lambda name: run.failures[name])
        state, reason = "failed", f"every asset failed, most often by {cause.replace('_', ' ')}"
    runs.change(tx, run_id, finished_at=workbench.now())
    _set_state(tx, workbench, project.id, run_id, state, reason, None)
    if run.kind == "batch":
        projects.change(tx, project.id, audit_floor=runs.median_confidence(tx, project.id))
        if state == "done" and row.options.get("review_share") is None:
            _follow(tx, workbench, project, row, row.job_id)
        elif state == "done":
            # People may have been faster than the model.
            series.when_reviewed(tx, workbench, project, run.batch)
    return True


def _follow_reviewed(workbench: Workbench, project_id: int, run_id: int, job_id: int) -> None:
    """The work of a job that was queued when a batch had been reviewed: make the next one, unless that is done."""
    with workbench.store.write() as tx:
        row = runs.get(tx, project_id, run_id, lock=True)
        if row is not None and row.options.get("next_job") == job_id:
            _follow(tx, workbench, project_of(tx, project_id), row, job_id)


def _follow(tx: Tx, workbench: Workbench, project: Project, row: runs.RunRow, job_id: int | None) -> None:
    """The next batch of a series, made from what is known now and carried out by this job."""
    left = row.options.get("batches_left", 0)
    if left is not None and left <= 0:
        return
    options = row.options | {"batches_left": None if left is None else left - 1}
    options.pop("next_job", None)
    # It takes over the job; a repeated end of this run (after asking again about failures) starts no second series.
    runs.change(tx, row.run.id, options=row.options | {"batches_left": 0})
    if row.job_id == job_id:
        runs.change(tx, row.run.id, job_id=None)
    cap = row.run.cost_cap_usd
    if cap is not None and row.run.cost_usd is not None:
        cap = max(Decimal("0.000000001"), cap - row.run.cost_usd)
    try:
        run_id = _add_batch(
            tx, workbench, project, Plan.model_validate(row.options["plan"]), options, cap, row.created_by
        )
    except LabelwrightError as error:
        runs.change(tx, row.run.id, stop_reason=f"no further batch: {error.message}")
        return
    if run_id is not None:
        runs.change(tx, run_id, job_id=job_id)
