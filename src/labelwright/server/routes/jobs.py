"""Background jobs of a project: imports, exports, model runs, trainings."""

from labelwright.core.job import Job, JobKind
from labelwright.flows import jobs
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


@router.get("/projects/{project_id}/jobs")
def list_jobs(project_id: int, actor: SignedIn, bench: Bench, kind: JobKind | None = None) -> list[Job]:
    """Jobs, newest first."""
    return jobs.list_jobs(bench, actor, project_id, (kind,) if kind is not None else ())


@router.get("/projects/{project_id}/jobs/{job_id}")
def get_job(project_id: int, job_id: int, actor: SignedIn, bench: Bench) -> Job:
    """One job with its progress and report."""
    return jobs.get_job(bench, actor, project_id, job_id)


@router.post("/projects/{project_id}/jobs/{job_id}/cancel")
def cancel_job(project_id: int, job_id: int, actor: SignedIn, bench: Bench) -> Job:
    """Ask a job to stop; what it committed so far stays."""
    return jobs.cancel_job(bench, actor, project_id, job_id)
