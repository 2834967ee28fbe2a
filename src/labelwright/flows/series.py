"""What follows a batch: the next one at once, or as soon as people have reviewed this one.

Hides how it is found out that a batch is reviewed, and that the batch after it starts exactly once: whoever finishes the
review queues one job under the lock of the run, and the job is what makes the next batch. After a crash it is still
queued; until it ran, nothing of the next batch exists.
"""

from labelwright.core.project import Project
from labelwright.store import jobs
from labelwright.store import run as runs
from labelwright.store.db import Tx
from labelwright.workbench import Workbench


def when_reviewed(tx: Tx, workbench: Workbench, project: Project, batch: int | None) -> None:
    """Queue the batch after this one if it waits for a review that is now complete.

    To be called in the transaction of whatever may have completed it, after the asset's status was derived anew.
    """
    if batch is None:
        return
    run_id = runs.waiting_for_review(tx, project.id, batch)
    if run_id is None:
        return
    # Locked before counting: of two people who finish at the same time, the second one sees what the first did.
    row = runs.get(tx, project.id, run_id, lock=True)
    if row is None or row.run.state != "done" or not waits(row):
        return
    if runs.left_to_review(tx, run_id, row.run.total, row.options["review_share"]) == 0:
        queue_next(tx, workbench, project.id, row, row.created_by)


def waits(row: runs.RunRow) -> bool:
    """Whether a further batch is wanted after a review, and nobody has queued it."""
    return (
        row.options.get("review_share") is not None
        and row.options.get("batches_left", 0) != 0
        and "next_job" not in row.options
    )


def queue_next(tx: Tx, workbench: Workbench, project_id: int, row: runs.RunRow, user_id: int | None) -> int:
    """Queue the job that makes the next batch; the caller holds the lock of the run. Returns the job's id."""
    job_id = jobs.add(
        tx, "predict", project_id, {"run_ids": [], "after": row.run.id}, user_id, workbench.now()
    )
    runs.change(tx, row.run.id, options=row.options | {"next_job": job_id})
    return job_id
