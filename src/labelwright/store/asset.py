"""Assets: the hot rows, their contents, and the derived facts (status, order, counters) that must never drift."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.asset import Asset, Status
from labelwright.core.flags import find_all, kinds_in, kinds_of, mask_of
from labelwright.core.project import ProjectSettings
from labelwright.core.workflow import Facts, is_open, status
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert
from labelwright.store.picture import COLUMNS, OF_ASSET, picture_from

SKIPPED_LAST = 10.0
"""Added to the order key of a skipped asset, so that it comes after everything else."""


def order_key(
    order: str,
    confidence: float | None,
    shuffle: float,
    *,
    skipped: bool,
    audit_first: bool | None = None,
    flags: int | None = None,
) -> float:
    """The place of an asset in the main stream; smaller comes first.

    Mirrors `core.queue.arrange`: predicted flagged ones, by confidence, then those without one in shuffled order, then
    skipped ones. One number per asset, so that one index serves the queue. `audit_first` is None unless the asset was drawn for an audit.
    """
    if audit_first is not None:
        key = shuffle - 1.0 if audit_first else shuffle
    elif order == "arrival":
        key = 0.0
    elif order == "random":
        key = shuffle
    else:
        key = confidence - bool(flags) if confidence is not None else 1.0 + shuffle
    return key + (SKIPPED_LAST if skipped else 0.0)


def reorder(tx: Tx, project_id: int, order: str) -> None:
    """Recompute every order key of a project after its setting changed."""
    tx.execute(
        t.asset.update().where(t.asset.c.project_id == project_id).values(order_key=order_expression(order))
    )


def order_expression(order: str) -> Any:
    """`order_key` in SQL."""
    a = t.asset.c
    base: Any
    if order == "arrival":
        base = sa.literal(0.0)
    elif order == "random":
        base = a.shuffle
    else:
        flagged = sa.case((sa.func.coalesce(a.flags, 0) != 0, 1.0), else_=0.0)
        base = sa.func.coalesce(a.confidence - flagged, 1.0 + a.shuffle)
    base = sa.case((a.audit_above.is_(None), base), (a.audit_first, a.shuffle - 1.0), else_=a.shuffle)
    return base + sa.case((a.status == "skipped", SKIPPED_LAST), else_=0.0)


def count(tx: Tx, project_id: int, changes: Mapping[str, int]) -> None:
    """Add to the counters of a project, in the caller's transaction."""
    rows = [
        {"project_id": project_id, "name": name, "n": n}
        # One order for everybody: two writers that touch the same counters then never deadlock.
        for name, n in sorted(changes.items())
        if n
    ]
    if rows:
        upsert(tx, t.counter, rows, key=("project_id", "name"), add=("n",))


def day_counter(day: str) -> str:
    """Name of the counter of submissions on a UTC day (`YYYY-MM-DD`)."""
    return f"day:{day}"


def counters(tx: Tx, project_id: int) -> dict[str, int]:
    """All counters of a project; assets by status are named after the status."""
    rows = tx.execute(sa.select(t.counter.c.name, t.counter.c.n).where(t.counter.c.project_id == project_id))
    return {name: int(n) for name, n in rows}


def counter(tx: Tx, project_id: int, name: str) -> int:
    """One counter; 0 when it was never touched."""
    return int(tx.execute(_COUNTER, {"project": project_id, "name": name}).scalar() or 0)


# Statements of the hot path are built once: building one costs more than running it.
_COUNTER = sa.select(t.counter.c.n).where(
    t.counter.c.project_id == sa.bindparam("project"), t.counter.c.name == sa.bindparam("name")
)


def refresh(
    tx: Tx,
    project_id: int,
    asset_id: int,
    settings: ProjectSettings,
    at: datetime,
    changes: Mapping[str, Any] | None = None,
) -> Status:
    """Derive an asset's status, openness, order and counters anew from the facts; returns the status.

    Args:
        tx: A write transaction.
        project_id: Its project.
        asset_id: The asset; its row is locked until commit.
        settings: Of the project.
        at: Time of the change.
        changes: Further columns of the row to set (`confidence`, `prediction_id`, `batch`), used for the order too.
    """
    return refresh_many(tx, project_id, {asset_id: changes or {}}, settings, at)[asset_id]


def refresh_many(
    tx: Tx,
    project_id: int,
    changes: Mapping[int, Mapping[str, Any]],
    settings: ProjectSettings,
    at: datetime,
) -> dict[int, Status]:
    """`refresh` for several assets of a project at once: asset id -> its changes; returns each status."""
    found: dict[int, Status] = {}
    ids = sorted(changes)
    for start in range(0, len(ids), 500):
        found |= _refresh(tx, project_id, ids[start : start + 500], changes, settings, at)
    return found


def _refresh(
    tx: Tx,
    project_id: int,
    ids: Sequence[int],
    changes: Mapping[int, Mapping[str, Any]],
    settings: ProjectSettings,
    at: datetime,
) -> dict[int, Status]:
    a, n, k = t.asset.c, t.annotation.c, t.skip.c
    rows = tx.execute(
        sa.select(
            a.id,
            a.status,
            a.confidence,
            a.shuffle,
            a.prediction_id,
            a.acceptance_id,
            a.audit_above,
            a.audit_first,
            a.flags,
        )
        .where(a.id.in_(ids))
        .order_by(a.id)
        .with_for_update()
    ).all()
    if len(rows) != len(ids):
        raise LookupError(f"no such assets: {sorted(set(ids) - {row.id for row in rows})}")
    authors: dict[int, set[int]] = {asset_id: set() for asset_id in ids}
    for asset_id, user_id in tx.execute(
        sa.select(n.asset_id, n.author_id).where(n.asset_id.in_(ids), n.counts.is_(True))
    ):
        authors[asset_id].add(user_id)
    skippers: dict[int, set[int]] = {asset_id: set() for asset_id in ids}
    for asset_id, user_id in tx.execute(sa.select(k.asset_id, k.user_id).where(k.asset_id.in_(ids))):
        skippers[asset_id].add(user_id)
    found: dict[int, Status] = {}
    moved: dict[str, int] = {}
    updates: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        new = dict(changes[row.id])
        if new.get("prediction_id", row.prediction_id) != row.prediction_id:
            # What was accepted was the old answer.
            new["acceptance_id"] = None
        audit = row.audit_above is not None
        stage = status(
            Facts(
                predicted=new.get("prediction_id", row.prediction_id) is not None,
                authors=frozenset(authors[row.id]),
                skippers=frozenset(skippers[row.id]),
                people_wanted=settings.people_per_asset,
                accepted=new.get("acceptance_id", row.acceptance_id) is not None,
            )
        )
        confidence = new.get("confidence", row.confidence)
        values: dict[str, Any] = {
            "status": stage, "open": is_open(stage, audit=audit), "annotations": len(authors[row.id]), "updated_at": at,
            "order_key": order_key(
                settings.order, confidence, row.shuffle, skipped=stage == "skipped",
                audit_first=row.audit_first if audit else None, flags=row.flags,
            ), **new,
        }  # fmt: skip
        updates.setdefault(tuple(sorted(values)), []).append(
            {"b_id": row.id} | {f"b_{name}": value for name, value in values.items()}
        )
        if stage != row.status:
            moved[row.status] = moved.get(row.status, 0) - 1
            moved[stage] = moved.get(stage, 0) + 1
        found[row.id] = stage
    for names, parameters in updates.items():
        tx.execute(_update(names), parameters)
    count(tx, project_id, moved)
    return found


@functools.cache
def _update(names: tuple[str, ...]) -> sa.Update:
    # Building the statement costs more than running it.
    bound: dict[str, Any] = {name: sa.bindparam(f"b_{name}") for name in names}
    return t.asset.update().where(t.asset.c.id == sa.bindparam("b_id")).values(**bound)


def asset_from(row: Any, text: str | None = None, metadata: dict[str, Any] | None = None) -> Asset:
    """An `Asset` from a hot row and, where read, its content and the columns of `store.picture`."""
    return Asset(
        id=row.id,
        project_id=row.project_id,
        modality=row.modality,
        external_id=row.external_id,
        sha256=row.sha256,
        size=row.size,
        text=text if row.modality == "text" else None,
        image=picture_from(row),
        metadata=metadata or {},
        status=row.status,
        batch=row.batch,
        confidence=row.confidence,
        flags=None if row.flags is None else kinds_in(row.flags),
    )


IS_UNFLAGGED = t.asset.c.flags == 0
"""Condition of assets that were looked at and have no flag: only their answers may be accepted without a person."""


def flags_of(text: str, metadata: Mapping[str, Any]) -> int:
    """What is stored as the flags of an asset with this content."""
    return mask_of(kinds_of(find_all(text, metadata)))


def look(
    tx: Tx, project_id: int, settings: ProjectSettings, limit: int, *, anew: bool = False, after: int = 0
) -> int:
    """Look for flags in up to `limit` assets that nobody looked at (all, from id `after` on, with `anew`).

    Returns the id of the last one; 0 when none is left.
    """
    a = t.asset.c
    rows = tx.execute(
        sa.select(a.id, a.flags, t.asset_content.c.text, t.asset_content.c.metadata)
        .join(t.asset_content, t.asset_content.c.asset_id == a.id)
        .where(a.project_id == project_id, a.id > after, *([] if anew else [a.flags.is_(None)]))
        .order_by(a.id)
        .limit(limit)
        .with_for_update(of=t.asset)
    ).all()
    change, found = 0, []
    for row in rows:
        flags = flags_of(row.text, row.metadata)
        change += (flags != 0) - bool(row.flags)
        if flags != row.flags:
            found.append({"b_id": row.id, "b_flags": flags})
    if found:
        tx.execute(_update(("flags",)), found)
        flagged = [each["b_id"] for each in found]
        tx.execute(
            t.asset.update().where(a.id.in_(flagged)).values(order_key=order_expression(settings.order))
        )
    count(tx, project_id, {"flagged": change})
    return rows[-1].id if rows else 0


def get(tx: Tx, project_id: int, asset_id: int) -> Asset | None:
    """One asset with its content; None when this project has none with that id."""
    found = get_many(tx, [asset_id]).get(asset_id)
    return None if found is None or found.project_id != project_id else found


def ids_in(tx: Tx, project_id: int, asset_ids: Sequence[int]) -> set[int]:
    """Which of these are assets of the project."""
    a = t.asset.c
    rows = tx.execute(sa.select(a.id).where(a.project_id == project_id, a.id.in_(list(asset_ids))))
    return set(rows.scalars())


def drawn_for_audit(tx: Tx, asset_ids: Sequence[int]) -> set[int]:
    """Which of these were drawn at random for somebody to look at."""
    a = t.asset.c
    rows = tx.execute(sa.select(a.id).where(a.id.in_(list(asset_ids)), a.audit_above.is_not(None)))
    return set(rows.scalars())


def get_many(tx: Tx, asset_ids: Sequence[int]) -> dict[int, Asset]:
    """Assets with content by id; ids that do not exist are left out."""
    rows = tx.execute(_WITH_CONTENT, {"keys": list(asset_ids)})
    return {row.id: asset_from(row, row.text, row.metadata) for row in rows}


_WITH_CONTENT = (
    sa.select(t.asset, t.asset_content.c.text, t.asset_content.c.metadata, *COLUMNS)
    .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
    .outerjoin(t.picture, OF_ASSET)
    .where(t.asset.c.id.in_(sa.bindparam("keys", expanding=True)))
)


def texts(tx: Tx, asset_ids: Iterable[int]) -> dict[int, str]:
    """Texts by asset id."""
    rows = tx.execute(
        sa.select(t.asset_content.c.asset_id, t.asset_content.c.text).where(
            t.asset_content.c.asset_id.in_(list(asset_ids))
        )
    )
    return {row.asset_id: row.text for row in rows}
