"""Runs background jobs one at a time per worker; resumable after a crash, cancellable, with progress.

A job's work is a function `(workbench, job, control) -> report`. It commits its progress together with its effects
(`control.save` inside the same transaction), so that after kill -9 it goes on where the last commit left it.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from labelwright.core.access import Action, Actor
from labelwright.core.errors import Conflict, LabelwrightError, NotFound
from labelwright.core.job import Job, JobKind
from labelwright.flows import guard
from labelwright.store import jobs as store
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

log = logging.getLogger(__name__)

LEASE_S = 30.0
"""A job whose worker was silent for this long is taken over by another."""

Report = dict[str, Any]
Work = Callable[[Workbench, Job, "Control"], Report]


class Stopped(Exception):
    """The work stopped because it was asked to; raised by `Control.check`."""


class Later(Exception):
    """There is nothing to do before a point in time; the job gives its worker free and sleeps until then."""

    def __init__(self, at: datetime) -> None:
        """Sleep until `at` (UTC)."""
        super().__init__(at.isoformat())
        self.at = at


class Control:
    """How a job's work hears that it should stop and says how far it is."""

    def __init__(self, workbench: Workbench, job: Job, worker: str, shutdown: threading.Event) -> None:
        """Made by the worker."""
        self._workbench, self._job, self._worker, self._shutdown = workbench, job, worker, shutdown
        self._lost = threading.Event()
        self._cancelled = threading.Event()
        self._finished = threading.Event()
        self._beat = threading.Thread(target=self._heart, name=f"job-{job.id}-heart", daemon=True)
        self._beat.start()

    def _heart(self) -> None:
        # Renews the lease and listens for a cancel, so that the work itself only has to look at flags.
        while not self._finished.wait(1.0):
            try:
                with self._workbench.store.write() as tx:
                    until = self._workbench.now() + timedelta(seconds=LEASE_S)
                    if not store.renew(tx, self._job.id, self._worker, until):
                        self._lost.set()
                    if store.cancel_wanted(tx, self._job.id):
                        self._cancelled.set()
            except Exception:
                log.exception("heart-beat of job %s failed", self._job.id)

    @property
    def cancelled(self) -> bool:
        """Whether a person asked the job to stop."""
        return self._cancelled.is_set()

    def stop_wanted(self) -> bool:
        """Whether the work should end soon: cancelled, the process is shutting down, or the lease was lost."""
        return self._shutdown.is_set() or self._cancelled.is_set() or self._lost.is_set()

    def check(self) -> None:
        """Leave the work if it should stop.

        Raises:
            Stopped: It should.
        """
        if self.stop_wanted():
            raise Stopped

    def save(self, tx: Tx, **columns: Any) -> None:
        """Store progress (`done`, `total`, `cursor`, `message`, `report`) in the transaction of the work itself.

        Raises:
            Stopped: The job belongs to another worker now; the transaction must not be committed.
        """
        if self._lost.is_set():
            raise Stopped
        store.change(tx, self._job.id, **columns)

    def close(self) -> None:
        """End the heart-beat."""
        self._finished.set()
        self._beat.join(timeout=10)


def work_for(kind: JobKind) -> Work:
    """The function that does this kind of job; imported late, so that a small command stays small."""
    match kind:
        case "import":
            from labelwright.flows.ingest import run_import

            return run_import
        case "export":
            from labelwright.flows.export import run_export

            return run_export
        case "predict":
            from labelwright.flows.carry import run_predict

            return run_predict
        case "learn":
            from labelwright.flows.train import run_learn

            return run_learn
        case "accept":
            from labelwright.flows.trust import run_accept

            return run_accept


def worker_name(n: int = 0) -> str:
    """`host:pid:n`; the host part lets a restarted process free its own jobs at once."""
    return f"{socket.gethostname()}:{os.getpid()}:{n}"


def free_own_jobs(workbench: Workbench) -> None:
    """After a crash: jobs of earlier processes on this machine that are no longer alive start again at once."""
    import sqlalchemy as sa

    from labelwright.store import tables as t

    host = socket.gethostname()
    with workbench.store.write() as tx:
        running = tx.execute(sa.select(t.job.c.id, t.job.c.worker).where(t.job.c.state == "running")).all()
        for row in running:
            parts = (row.worker or "").rsplit(":", 2)
            if len(parts) == 3 and parts[0] == host and not _alive(int(parts[1])):
                store.change(tx, row.id, state="queued", worker=None, lease_until=None)


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def run_next(workbench: Workbench, worker: str, shutdown: threading.Event) -> bool:
    """Do one job if there is one; returns whether there was."""
    with workbench.store.read() as tx:
        # Looking costs no write lock; claiming does.
        waiting = store.any_waiting(tx, workbench.now())
    if not waiting:
        return False
    with workbench.store.write() as tx:
        job = store.claim(tx, worker, workbench.now(), LEASE_S)
    if job is None:
        return False
    control = Control(workbench, job, worker, shutdown)
    columns: dict[str, Any]
    try:
        report = work_for(job.kind)(workbench, job, control)
        columns = {"state": "done", "report": report, "finished_at": workbench.now()}
    except Stopped:
        if control.cancelled:
            columns = {"state": "cancelled", "finished_at": workbench.now(), "message": "cancelled"}
        else:
            columns = {"state": "queued", "worker": None, "lease_until": None}
    except Later as later:
        columns = {"state": "queued", "worker": None, "lease_until": None, "wake_at": later.at}
    except LabelwrightError as error:
        message = f"{error.message}. {error.hint}" if error.hint else error.message
        columns = {"state": "failed", "message": message, "finished_at": workbench.now()}
        problems = getattr(error, "problems", ())
        if problems:
            columns["report"] = {"problems": [p.model_dump() for p in problems[:1000]]}
    except Exception as error:
        log.exception("job %s (%s) failed", job.id, job.kind)
        columns = {
            "state": "failed",
            "message": f"internal error: {type(error).__name__}; the log of the server says more",
            "finished_at": workbench.now(),
        }
    finally:
        control.close()
    with workbench.store.write() as tx:
        store.finish(tx, job.id, worker, **columns)
    return True


def run_all(workbench: Workbench) -> None:
    """Do queued jobs until none is left; for the command line and for tests."""
    shutdown = threading.Event()
    while run_next(workbench, worker_name(), shutdown):
        pass


def wait_for(
    workbench: Workbench,
    job_id: int,
    on_progress: Callable[[Job], None] = lambda job: None,
    pause_s: float = 0.1,
) -> Job:
    """Run jobs in this process until this one has ended; calls `on_progress` as it goes on."""
    shutdown, ended = threading.Event(), threading.Event()

    def loop() -> None:
        while not ended.is_set():
            if not run_next(workbench, worker_name(), shutdown):
                ended.wait(pause_s)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        while True:
            with workbench.store.read() as tx:
                job = store.get(tx, job_id)
            if job is None:
                raise NotFound("no_job", f"there is no job {job_id}")
            on_progress(job)
            if job.state in ("done", "failed", "cancelled"):
                return job
            ended.wait(pause_s)
    except KeyboardInterrupt:
        shutdown.set()
        raise
    finally:
        ended.set()
        thread.join(timeout=LEASE_S)


# --- for people -------------------------------------------------------------------------------------------------

_NEEDED: dict[JobKind, Action] = {
    "import": "import", "export": "export", "predict": "run_models", "learn": "run_models", "accept": "run_models",
}  # fmt: skip


def list_jobs(
    workbench: Workbench, actor: Actor, project_id: int, kinds: tuple[JobKind, ...] = ()
) -> list[Job]:
    """Jobs of a project, newest first."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        return store.of_project(tx, project_id, kinds)


def get_job(workbench: Workbench, actor: Actor, project_id: int, job_id: int) -> Job:
    """One job.

    Raises:
        NotFound: The project has no such job.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        job = store.get(tx, job_id)
    if job is None or job.project_id != project_id:
        raise NotFound("no_job", f"project {project_id} has no job {job_id}")
    return job


def cancel_job(workbench: Workbench, actor: Actor, project_id: int, job_id: int) -> Job:
    """Ask a job to stop; what it committed so far stays.

    Raises:
        Conflict: It has ended already.
    """
    job = get_job(workbench, actor, project_id, job_id)
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, _NEEDED[job.kind])
        if job.state == "queued":
            store.change(tx, job_id, state="cancelled", finished_at=workbench.now())
        elif job.state == "running":
            store.change(tx, job_id, cancel_wanted=True)
        else:
            raise Conflict("job_ended", f"this {job.kind} has ended already ({job.state})")
    return get_job(workbench, actor, project_id, job_id)
