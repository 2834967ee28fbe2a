"""Projects and the versions of their ontologies."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.access import Role
from labelwright.core.ontology import Ontology
from labelwright.core.project import Modality, Project, ProjectSettings
from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id


class Learning(Value):
    """What the store keeps beside a project for its queue and its local models."""

    seed: int
    audit_floor: float
    learned_at_submissions: int
    model_sha256: str | None


def _project(row: Any) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        description=row.description,
        modality=row.modality,
        ontology_version=row.ontology_version,
        settings=ProjectSettings.model_validate(row.settings),
        created_at=row.created_at,
    )


def add(
    tx: Tx,
    name: str,
    description: str,
    modality: Modality,
    settings: ProjectSettings,
    ontology: Ontology,
    user_id: int,
    at: datetime,
) -> int:
    """Add a project with version 1 of its ontology; returns the id."""
    project_id = inserted_id(
        tx.execute(
            t.project.insert().values(
                name=name,
                description=description,
                modality=modality,
                ontology_version=0,
                settings=settings.model_dump(mode="json"),
                seed=0,
                created_at=at,
            )
        )
    )
    add_ontology(tx, project_id, ontology.model_copy(update={"version": 1}), user_id, at)
    return project_id


def get(tx: Tx, project_id: int, *, lock: bool = False) -> Project | None:
    """A project that is not in the trash; `lock` keeps others from changing it until commit."""
    row = tx.execute(_GET.with_for_update() if lock else _GET, {"key": project_id}).one_or_none()
    return None if row is None else _project(row)


# Statements of the hot path are built once: building one costs more than running it.
_GET = sa.select(t.project).where(t.project.c.id == sa.bindparam("key"), t.project.c.deleted_at.is_(None))


def learning(tx: Tx, project_id: int) -> Learning:
    """What is kept for the queue and the local models."""
    return Learning(**tx.execute(_LEARNING, {"key": project_id}).one()._mapping)


_LEARNING = sa.select(
    t.project.c.seed, t.project.c.audit_floor, t.project.c.learned_at_submissions, t.project.c.model_sha256
).where(t.project.c.id == sa.bindparam("key"))


def visible(tx: Tx, user_id: int, *, is_admin: bool) -> list[tuple[Project, Role | None]]:
    """Projects a person may see with the role there, newest first."""
    mine = sa.and_(t.member.c.project_id == t.project.c.id, t.member.c.user_id == user_id)
    query = (
        sa.select(t.project, t.member.c.role)
        .select_from(t.project.outerjoin(t.member, mine))
        .where(t.project.c.deleted_at.is_(None))
        .order_by(t.project.c.id.desc())
    )
    if not is_admin:
        query = query.where(t.member.c.role.is_not(None))
    return [(_project(row), row.role) for row in tx.execute(query)]


def change(tx: Tx, project_id: int, **columns: Any) -> None:
    """Set columns of a project's row."""
    tx.execute(t.project.update().where(t.project.c.id == project_id).values(**columns))


def add_ontology(tx: Tx, project_id: int, ontology: Ontology, user_id: int, at: datetime) -> None:
    """Store a version and make it the current one."""
    tx.execute(
        t.ontology.insert().values(
            project_id=project_id,
            version=ontology.version,
            body=ontology.model_dump(mode="json"),
            created_at=at,
            created_by=user_id,
        )
    )
    change(tx, project_id, ontology_version=ontology.version)


def ontology(tx: Tx, project_id: int, version: int) -> Ontology | None:
    """One version."""
    body = tx.execute(_ONTOLOGY, {"key": project_id, "at": version}).scalar()
    return None if body is None else Ontology.model_validate(body)


_ONTOLOGY = sa.select(t.ontology.c.body).where(
    t.ontology.c.project_id == sa.bindparam("key"), t.ontology.c.version == sa.bindparam("at")
)


def counters_of(tx: Tx, project_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Counters by project."""
    found: dict[int, dict[str, int]] = {project_id: {} for project_id in project_ids}
    for row in tx.execute(sa.select(t.counter).where(t.counter.c.project_id.in_(list(project_ids)))):
        found[row.project_id][row.name] = int(row.n)
    return found
