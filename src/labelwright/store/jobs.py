"""Background jobs: queued, claimed by one worker at a time with a lease, resumable from their cursor."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from labelwright.core.job import Job, JobKind
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id

_NOUN_COLUMNS = [t.job.c[name] for name in Job.model_fields]


def add(
    tx: Tx,
    kind: JobKind,
    project_id: int | None,
    params: Mapping[str, Any],
    user_id: int | None,
    at: datetime,
) -> int:
    """Queue a job; returns the id."""
    return inserted_id(
        tx.execute(
            t.job.insert().values(
                kind=kind, project_id=project_id, state="queued", params=dict(params), cursor={}, report={},
                created_by=user_id, created_at=at,
            )
        )
    )  # fmt: skip


def get(tx: Tx, job_id: int) -> Job | None:
    """One job."""
    row = tx.execute(sa.select(*_NOUN_COLUMNS).where(t.job.c.id == job_id)).one_or_none()
    return None if row is None else Job(**row._mapping)


def of_project(
    tx: Tx, project_id: int, kinds: tuple[JobKind, ...] = (), limit: int = 50, *, live: bool = False
) -> list[Job]:
    """Jobs of a project, newest first; `live`: only queued and running ones."""
    query = sa.select(*_NOUN_COLUMNS).where(t.job.c.project_id == project_id)
    if kinds:
        query = query.where(t.job.c.kind.in_(kinds))
    if live:
        query = query.where(t.job.c.state.in_(("queued", "running")))
    return [Job(**row._mapping) for row in tx.execute(query.order_by(t.job.c.id.desc()).limit(limit))]


def claim(tx: Tx, worker: str, now: datetime, lease_s: float) -> Job | None:
    """Take the oldest job that waits for a worker."""
    row = tx.execute(
        sa.select(t.job.c.id, t.job.c.started_at)
        .where(_free(now))
        .order_by(t.job.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    tx.execute(
        t.job.update()
        .where(t.job.c.id == row.id)
        .values(
            state="running",
            worker=worker,
            lease_until=now + timedelta(seconds=lease_s),
            started_at=row.started_at or now,
            attempts=t.job.c.attempts + 1,
        )
    )
    return get(tx, row.id)


def any_waiting(tx: Tx, now: datetime) -> bool:
    """Whether `claim` would find something."""
    return tx.execute(sa.select(t.job.c.id).where(_free(now)).limit(1)).first() is not None


def _free(now: datetime) -> sa.ColumnElement[bool]:
    # Queued and not asleep, or running under a lease that ran out: its worker died.
    awake = sa.or_(t.job.c.wake_at.is_(None), t.job.c.wake_at <= now)
    return sa.or_(
        sa.and_(t.job.c.state == "queued", awake),
        sa.and_(t.job.c.state == "running", t.job.c.lease_until < now),
    )


def finish(tx: Tx, job_id: int, worker: str, /, **columns: Any) -> None:
    """Set the last columns of a job, unless another worker has taken it over."""
    tx.execute(t.job.update().where(t.job.c.id == job_id, t.job.c.worker == worker).values(**columns))


def renew(tx: Tx, job_id: int, worker: str, until: datetime) -> bool:
    """Extend the lease; False when the job now belongs to somebody else."""
    changed = tx.execute(
        t.job.update().where(t.job.c.id == job_id, t.job.c.worker == worker).values(lease_until=until)
    )
    return bool(changed.rowcount)


def change(tx: Tx, job_id: int, **columns: Any) -> None:
    """Set columns of a job: `done`, `total`, `cursor`, `message`, `report`, `state` and so on."""
    tx.execute(t.job.update().where(t.job.c.id == job_id).values(**columns))


def cancel_wanted(tx: Tx, job_id: int) -> bool:
    """Whether somebody asked the job to stop."""
    return bool(tx.execute(sa.select(t.job.c.cancel_wanted).where(t.job.c.id == job_id)).scalar())
