"""The append-only history of a project."""

from datetime import datetime

import sqlalchemy as sa

from labelwright.core.annotation import Event, EventKind
from labelwright.store import tables as t
from labelwright.store.db import Tx

Body = dict[str, str | int | float | bool | None]


def record(
    tx: Tx,
    at: datetime,
    kind: EventKind,
    *,
    project_id: int | None = None,
    asset_id: int | None = None,
    user_id: int | None = None,
    body: Body | None = None,
) -> None:
    """Append one event."""
    row = {
        "at": at, "kind": kind, "project_id": project_id, "asset_id": asset_id, "user_id": user_id,
        "body": body or {},
    }  # fmt: skip
    tx.execute(_ADD, row)


_ADD = t.event.insert()


def of_project(tx: Tx, project_id: int, before: int | None, limit: int) -> list[Event]:
    """Events of a project, newest first, older than the event id `before`."""
    query = sa.select(t.event).where(t.event.c.project_id == project_id)
    if before is not None:
        query = query.where(t.event.c.id < before)
    return [Event(**row._mapping) for row in tx.execute(query.order_by(t.event.c.id.desc()).limit(limit))]


def of_asset(tx: Tx, asset_id: int, limit: int = 200) -> list[Event]:
    """Events of an asset, newest first."""
    query = (
        sa.select(t.event).where(t.event.c.asset_id == asset_id).order_by(t.event.c.id.desc()).limit(limit)
    )
    return [Event(**row._mapping) for row in tx.execute(query)]
