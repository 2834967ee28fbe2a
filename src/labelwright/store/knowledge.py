"""Which lists of entities a project has."""

from datetime import datetime

import sqlalchemy as sa

from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx


class KnowledgeList(Value):
    """A list of entities; `sha256` is of its content and names it everywhere."""

    sha256: str
    name: str
    entities: int
    created_at: datetime


def add(
    tx: Tx, project_id: int, sha256: str, name: str, entities: int, user_id: int | None, at: datetime
) -> None:
    """Remember a list; the same content again only gets the new name."""
    key = sa.and_(t.knowledge.c.project_id == project_id, t.knowledge.c.sha256 == sha256)
    if tx.execute(t.knowledge.update().where(key).values(name=name)).rowcount == 0:
        tx.execute(
            t.knowledge.insert().values(
                project_id=project_id, sha256=sha256, name=name, entities=entities, created_by=user_id, created_at=at
            )
        )  # fmt: skip


def of_project(tx: Tx, project_id: int) -> list[KnowledgeList]:
    """Lists of a project, newest first."""
    k = t.knowledge.c
    rows = tx.execute(
        sa.select(k.sha256, k.name, k.entities, k.created_at)
        .where(k.project_id == project_id)
        .order_by(k.created_at.desc(), k.sha256)
    )
    return [KnowledgeList(**row) for row in rows.mappings()]
