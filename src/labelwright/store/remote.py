"""What runs have lying at a provider's batch API; written before and after each step, so that no batch is forgotten."""

import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id

NEVER_MADE = "never made"
"""Status of a batch that was prepared and then not taken by the provider."""


class RemoteBatch(Value):
    """Part of a run at a provider's batch API.

    Attributes:
        token: Ours; sent along, so that a batch whose id was never heard is found again.
        state: `preparing` until its id is known, `sent` until its answers are taken in, `ended`.
        status: In the provider's word, such as `in_progress`.
        completed: Requests the provider says are answered.
    """

    id: int
    run_id: int
    token: str
    state: str
    file_id: str | None = None
    batch_id: str | None = None
    status: str = ""
    requests: int
    completed: int = 0
    failed: int = 0
    looks: int = 0
    cancel_wanted: bool = False
    created_at: datetime
    looked_at: datetime | None = None


def add(tx: Tx, run_id: int, at: datetime) -> RemoteBatch:
    """Note that a batch is going to be made."""
    token = secrets.token_hex(16)
    values = {"run_id": run_id, "token": token, "state": "preparing", "requests": 0, "created_at": at}
    made = inserted_id(tx.execute(t.remote_batch.insert().values(values)))
    return RemoteBatch(id=made, **values)


def change(tx: Tx, remote_id: int, **columns: Any) -> RemoteBatch:
    """Set columns."""
    tx.execute(t.remote_batch.update().where(t.remote_batch.c.id == remote_id).values(**columns))
    row = tx.execute(sa.select(t.remote_batch).where(t.remote_batch.c.id == remote_id)).one()
    return RemoteBatch(**row._mapping)


def never_made(tx: Tx, run_id: int) -> int:
    """How many batches of a run were tried in vain since the last that was made."""
    c = t.remote_batch.c
    n = 0
    for status in tx.execute(
        sa.select(c.status).where(c.run_id == run_id, c.state == "ended").order_by(c.id.desc())
    ):
        if status[0] != NEVER_MADE:
            break
        n += 1
    return n


def newest(tx: Tx, run_id: int, *, only_open: bool = False) -> RemoteBatch | None:
    """The last batch of a run; with `only_open`, None when it has ended."""
    c = t.remote_batch.c
    query = sa.select(t.remote_batch).where(c.run_id == run_id).order_by(c.id.desc()).limit(1)
    row = tx.execute(query).one_or_none()
    if row is None or (only_open and row.state == "ended"):
        return None
    return RemoteBatch(**row._mapping)
