"""People's work: who holds which asset, drafts, submissions, skips."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.annotation import ActiveTime, Annotation, Draft, Skip
from labelwright.core.answer import Answers
from labelwright.core.predictor import Prediction
from labelwright.core.queue import Stream, Why
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert

# Statements of the hot path (take and submit) are built once: building one costs more than running it.
_asset_is: sa.BindParameter[int] = sa.bindparam("asset")
_user_is: sa.BindParameter[int] = sa.bindparam("user")

LOOKED_AT = sa.func.coalesce(t.annotation.c.why, "") != "bulk"
"""Condition of submissions for which somebody looked at the asset by itself, not at many of them at once."""

# --- the queue --------------------------------------------------------------------------------------------------


def take_number(tx: Tx, project_id: int, user_id: int) -> int:
    """How many assets this person was handed so far in this project."""
    return int(tx.execute(_TAKE_NUMBER, {"project": project_id, "user": user_id}).scalar() or 0)


_TAKE_NUMBER = sa.select(t.take_count.c.n).where(
    t.take_count.c.project_id == sa.bindparam("project"), t.take_count.c.user_id == _user_is
)


def add_takes(tx: Tx, project_id: int, user_id: int, n: int) -> None:
    """Count hand-outs."""
    upsert(
        tx, t.take_count, {"project_id": project_id, "user_id": user_id, "n": n},
        key=("project_id", "user_id"), add=("n",),
    )  # fmt: skip


def held_by(tx: Tx, project_id: int, user_id: int, now: datetime) -> list[tuple[int, Why]]:
    """Assets this person holds a running lease on, in queue order."""
    # In two steps: joined, the database may walk all assets of the project to find a handful of leases.
    mine = {row.asset_id: row.why for row in tx.execute(_LEASES, {"user": user_id, "now": now})}
    if not mine:
        return []
    here = tx.execute(
        sa.select(t.asset.c.id)
        .where(t.asset.c.id.in_(list(mine)), t.asset.c.project_id == project_id)
        .order_by(t.asset.c.order_key, t.asset.c.id)
    ).scalars()
    return [(asset_id, mine[asset_id]) for asset_id in here]


_LEASES = sa.select(t.lease.c.asset_id, t.lease.c.why).where(
    t.lease.c.user_id == _user_is, t.lease.c.until > sa.bindparam("now", type_=t.Utc)
)


def next_in(
    tx: Tx,
    project_id: int,
    user_id: int,
    stream: Stream,
    *,
    people_per_asset: int,
    audit_floor: float,
    now: datetime,
    leave_out: Sequence[int],
    limit: int,
) -> list[Any]:
    """The next assets of a stream that this person may be handed: rows of `id`, `confidence`, `audit_above`, `flags`.

    Open; not answered or skipped by them; and fewer people hold or answered it than are wanted. One index walk: it
    stops at the first hits, so its cost does not grow with the project.
    """
    values = {
        "project": project_id, "user": user_id, "now": now, "people": people_per_asset, "floor": audit_floor,
        "leave_out": list(leave_out), "most": limit,
    }  # fmt: skip
    wanted = _next_in(stream, people_per_asset > 1)
    return list(tx.execute(wanted, values))


@functools.cache
def _next_in(stream: Stream, several: bool) -> sa.Select[Any]:
    """The statement behind `next_in`, built once: it is the hottest of all."""
    a, now = t.asset.c, sa.bindparam("now", type_=t.Utc)
    me: sa.BindParameter[int] = sa.bindparam("user")
    others = (
        sa.select(sa.func.count())
        .select_from(t.lease)
        .where(t.lease.c.asset_id == a.id, t.lease.c.user_id != me, t.lease.c.until > now)
        .scalar_subquery()
    )
    skipped = sa.exists().where(t.skip.c.asset_id == a.id, t.skip.c.user_id == me)
    query = sa.select(a.id, a.confidence, a.audit_above, a.flags).where(
        a.project_id == sa.bindparam("project"),
        a.open.is_(True),
        others + a.annotations < sa.bindparam("people"),
        ~skipped,
        a.id.not_in(sa.bindparam("leave_out", expanding=True)),
    )
    if several:
        mine = [
            t.annotation.c.asset_id == a.id,
            t.annotation.c.author_id == me,
            t.annotation.c.counts.is_(True),
        ]
        query = query.where(~sa.exists().where(*mine))
    if stream == "audit":
        # The sum keeps SQLite from walking (and sorting) all confident assets by the index on confidence.
        query = query.where(a.confidence + 0.0 >= sa.bindparam("floor")).order_by(a.shuffle, a.id)
    elif stream == "sample":
        query = query.where((a.confidence + 0.0).is_not(None)).order_by(a.shuffle.desc(), a.id.desc())
    else:
        query = query.order_by(a.order_key, a.id)
    return query.limit(sa.bindparam("most"))


def lease(
    tx: Tx, asset_id: int, user_id: int, until: datetime, why: Why, drawn_above: float | None = None
) -> None:
    """Reserve an asset for a person; `drawn_above` says that it was drawn at random from this confidence on."""
    row = {
        "asset_id": asset_id, "user_id": user_id, "until": until, "why": why, "drawn_above": drawn_above,
    }  # fmt: skip
    upsert(tx, t.lease, row, key=("asset_id", "user_id"), replace=("until", "why", "drawn_above"))


def why_handed_out(tx: Tx, asset_id: int, user_id: int) -> tuple[str | None, float | None]:
    """(why, drawn at random above which confidence) of what this person answers now.

    What they were first told when they come back to an answer of theirs; else what the lease says, even one that ran
    out meanwhile; (None, None) for answers that nobody asked for.
    """
    n = t.annotation.c
    row = tx.execute(
        sa.select(n.why, n.drawn_above)
        .where(n.asset_id == asset_id, n.author_id == user_id, LOOKED_AT)
        .order_by(n.seq)
        .limit(1)
    ).one_or_none()
    if row is None:
        held = [t.lease.c.asset_id == asset_id, t.lease.c.user_id == user_id]
        row = tx.execute(sa.select(t.lease.c.why, t.lease.c.drawn_above).where(*held)).one_or_none()
    return (None, None) if row is None else (row.why, row.drawn_above)


def renew(tx: Tx, asset_ids: Sequence[int], user_id: int, until: datetime) -> int:
    """Extend leases that still exist; returns how many."""
    changed = tx.execute(
        t.lease.update()
        .where(t.lease.c.asset_id.in_(list(asset_ids)), t.lease.c.user_id == user_id)
        .values(until=until)
    )
    return int(changed.rowcount)


def release(tx: Tx, asset_ids: Sequence[int], user_id: int) -> None:
    """Give assets back."""
    tx.execute(_RELEASE, {"assets": list(asset_ids), "user": user_id})


_RELEASE = t.lease.delete().where(
    t.lease.c.asset_id.in_(sa.bindparam("assets", expanding=True)), t.lease.c.user_id == _user_is
)


def release_from_all(tx: Tx, asset_ids: Sequence[int]) -> None:
    """Give assets back, whoever holds them; drafts stay."""
    tx.execute(t.lease.delete().where(t.lease.c.asset_id.in_(list(asset_ids))))


def held(tx: Tx, asset_ids: Sequence[int], now: datetime) -> set[int]:
    """Which of these somebody holds right now."""
    rows = tx.execute(
        sa.select(t.lease.c.asset_id).where(t.lease.c.asset_id.in_(list(asset_ids)), t.lease.c.until > now)
    )
    return set(rows.scalars())


def held_by_others(tx: Tx, user_id: int, asset_ids: Sequence[int], now: datetime) -> set[int]:
    """Which of these somebody else holds right now."""
    held = (t.lease.c.asset_id.in_(list(asset_ids)), t.lease.c.until > now, t.lease.c.user_id != user_id)
    return set(tx.execute(sa.select(t.lease.c.asset_id).where(*held)).scalars())


def others_holding(tx: Tx, project_id: int, user_id: int, now: datetime) -> int:
    """How many assets other people hold right now."""
    return int(
        tx.execute(
            sa.select(sa.func.count())
            .select_from(t.lease.join(t.asset, t.asset.c.id == t.lease.c.asset_id))
            .where(t.asset.c.project_id == project_id, t.lease.c.user_id != user_id, t.lease.c.until > now)
        ).scalar_one()
    )


# --- annotations ------------------------------------------------------------------------------------------------


def _annotation(row: Any, names: Mapping[int, str] | None = None) -> Annotation:
    return Annotation(
        id=row.id,
        asset_id=row.asset_id,
        author_id=row.author_id,
        author_name=(names or {}).get(row.author_id, ""),
        ontology_version=row.ontology_version,
        answers=Answers.model_validate(row.answers),
        prediction_id=row.prediction_id,
        parent_id=row.parent_id,
        time=ActiveTime(active_ms=row.active_ms, idle_ms=row.idle_ms, wait_ms=row.wait_ms),
        arm=row.arm,
        taken_back=row.taken_back,
        created_at=row.created_at,
    )


def body_hash(asset_id: int, author_id: int, answers: Answers) -> str:
    """Identity of a submission's content, to tell a repeated request from another one with the same id."""
    body = json.dumps([asset_id, author_id, answers.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


def annotation(tx: Tx, project_id: int, annotation_id: str) -> tuple[Annotation, str] | None:
    """(annotation, hash of its body)."""
    row = tx.execute(_ANNOTATION, {"id": annotation_id}).one_or_none()
    return None if row is None or row.project_id != project_id else (_annotation(row), row.request_sha256)


_ANNOTATION = sa.select(t.annotation).where(t.annotation.c.id == sa.bindparam("id"))


def annotation_exists(tx: Tx, annotation_id: str) -> bool:
    """Whether any project has an annotation with this id."""
    return tx.execute(_ANNOTATION, {"id": annotation_id}).first() is not None


def annotations_of(tx: Tx, asset_id: int, names: dict[int, str] | None = None) -> list[Annotation]:
    """All submissions for an asset, oldest first, taken back and replaced ones too."""
    rows = tx.execute(
        sa.select(t.annotation).where(t.annotation.c.asset_id == asset_id).order_by(t.annotation.c.seq)
    )
    return [_annotation(row, names) for row in rows]


def current_of(tx: Tx, asset_id: int, author_id: int) -> Annotation | None:
    """The submission of this person for this asset that counts."""
    row = tx.execute(_CURRENT, {"asset": asset_id, "user": author_id}).one_or_none()
    return None if row is None else _annotation(row)


_CURRENT = (
    sa.select(t.annotation)
    .where(
        t.annotation.c.asset_id == _asset_is,
        t.annotation.c.author_id == _user_is,
        t.annotation.c.counts.is_(True),
    )
    .order_by(t.annotation.c.seq.desc())
    .limit(1)
)


def answered_by(tx: Tx, author_id: int, asset_ids: Sequence[int]) -> dict[int, str]:
    """Asset id -> this person's submission that counts, of those they answered."""
    n = t.annotation.c
    rows = tx.execute(
        sa.select(n.asset_id, n.id).where(
            n.asset_id.in_(list(asset_ids)), n.author_id == author_id, n.counts.is_(True)
        )
    )
    return {row.asset_id: row.id for row in rows}


def current_for_asset(tx: Tx, asset_id: int) -> list[Annotation]:
    """Submissions that count, oldest first."""
    rows = tx.execute(
        sa.select(t.annotation)
        .where(t.annotation.c.asset_id == asset_id, t.annotation.c.counts.is_(True))
        .order_by(t.annotation.c.seq)
    )
    return [_annotation(row) for row in rows]


def current_for_assets(
    tx: Tx, asset_ids: Sequence[int], names: Mapping[int, str]
) -> dict[int, list[Annotation]]:
    """Submissions that count, oldest first, by asset id."""
    rows = tx.execute(
        sa.select(t.annotation)
        .where(t.annotation.c.asset_id.in_(list(asset_ids)), t.annotation.c.counts.is_(True))
        .order_by(t.annotation.c.seq)
    )
    found: dict[int, list[Annotation]] = {}
    for row in rows:
        found.setdefault(row.asset_id, []).append(_annotation(row, names))
    return found


def add_annotation(
    tx: Tx,
    project_id: int,
    new: Annotation,
    *,
    changed: bool,
    seq: int,
    why: str | None = None,
    drawn_above: float | None = None,
    model_right: bool | None = None,
    withheld_id: int | None = None,
) -> None:
    """Store a submission; an earlier one of the same author for the same asset no longer counts."""
    tx.execute(_REPLACE, {"asset": new.asset_id, "user": new.author_id})
    tx.execute(
        _ADD,
        {
            "id": new.id,
            "project_id": project_id,
            "asset_id": new.asset_id,
            "author_id": new.author_id,
            "ontology_version": new.ontology_version,
            "answers": new.answers.model_dump(mode="json"),
            "prediction_id": new.prediction_id,
            "parent_id": new.parent_id,
            "changed": changed,
            "counts": True,
            "taken_back": False,
            "active_ms": new.time.active_ms,
            "idle_ms": new.time.idle_ms,
            "wait_ms": new.time.wait_ms,
            "request_sha256": body_hash(new.asset_id, new.author_id, new.answers),
            "created_at": new.created_at,
            "seq": seq,
            "why": why,
            "drawn_above": drawn_above,
            "model_right": model_right,
            "arm": new.arm,
            "withheld_id": withheld_id,
        },
    )


_ADD = t.annotation.insert()
_REPLACE = (
    t.annotation.update()
    .where(t.annotation.c.asset_id == _asset_is, t.annotation.c.author_id == _user_is)
    .values(counts=False)
)


def take_back(tx: Tx, annotation_id: str) -> None:
    """The submission no longer counts."""
    tx.execute(
        t.annotation.update().where(t.annotation.c.id == annotation_id).values(taken_back=True, counts=False)
    )


def last_of(tx: Tx, project_id: int, author_id: int, limit: int) -> list[Annotation]:
    """A person's last submissions that count, newest first."""
    rows = tx.execute(
        sa.select(t.annotation)
        .where(
            t.annotation.c.project_id == project_id,
            t.annotation.c.author_id == author_id,
            t.annotation.c.counts.is_(True),
        )
        .order_by(t.annotation.c.seq.desc())
        .limit(limit)
    )
    return [_annotation(row) for row in rows]


# --- drafts and skips -------------------------------------------------------------------------------------------


def draft(tx: Tx, asset_id: int, user_id: int) -> Draft | None:
    """Unsubmitted work of a person on an asset."""
    row = tx.execute(_DRAFT, {"asset": asset_id, "user": user_id}).one_or_none()
    if row is None:
        return None
    return Draft(
        asset_id=asset_id,
        answers=Answers.model_validate(row.answers),
        prediction_id=row.prediction_id,
        revision=row.revision,
        updated_at=row.updated_at,
    )


_DRAFT = sa.select(t.draft).where(t.draft.c.asset_id == _asset_is, t.draft.c.user_id == _user_is)


def save_draft(tx: Tx, user_id: int, new: Draft) -> None:
    """Store a draft over the older one."""
    row = {
        "asset_id": new.asset_id,
        "user_id": user_id,
        "answers": new.answers.model_dump(mode="json"),
        "prediction_id": new.prediction_id,
        "revision": new.revision,
        "updated_at": new.updated_at,
    }
    upsert(
        tx, t.draft, row, key=("asset_id", "user_id"),
        replace=("answers", "prediction_id", "revision", "updated_at"),
    )  # fmt: skip


def drop_draft(tx: Tx, asset_id: int, user_id: int) -> None:
    """Forget a person's draft for an asset."""
    tx.execute(_DROP_DRAFT, {"asset": asset_id, "user": user_id})


_DROP_DRAFT = t.draft.delete().where(t.draft.c.asset_id == _asset_is, t.draft.c.user_id == _user_is)


def add_skip(tx: Tx, new: Skip, at: datetime) -> None:
    """Note that a person set an asset aside."""
    row = {"asset_id": new.asset_id, "user_id": new.user_id, "reason": new.reason, "created_at": at}
    upsert(tx, t.skip, row, key=("asset_id", "user_id"), replace=("reason", "created_at"))


def skips_of(tx: Tx, asset_id: int) -> list[Skip]:
    """Who set an asset aside, and why."""
    rows = tx.execute(
        sa.select(t.skip.c.asset_id, t.skip.c.user_id, t.skip.c.reason).where(t.skip.c.asset_id == asset_id)
    )
    return [Skip(**row._mapping) for row in rows]


def set_aside_by(tx: Tx, user_id: int, asset_ids: Sequence[int]) -> set[int]:
    """Which of these a person set aside."""
    k = t.skip.c
    return set(
        tx.execute(
            sa.select(k.asset_id).where(k.user_id == user_id, k.asset_id.in_(list(asset_ids)))
        ).scalars()
    )


def forget(tx: Tx, user_id: int, asset_ids: Sequence[int]) -> None:
    """Drop what a person had begun on these assets: draft, lease, skip."""
    for table in (t.draft, t.lease, t.skip):
        tx.execute(table.delete().where(table.c.user_id == user_id, table.c.asset_id.in_(list(asset_ids))))


def skipped_by(tx: Tx, project_id: int, user_id: int) -> list[int]:
    """Assets a person set aside and nobody finished."""
    rows = tx.execute(
        sa.select(t.skip.c.asset_id)
        .join(t.asset, t.asset.c.id == t.skip.c.asset_id)
        .where(t.asset.c.project_id == project_id, t.skip.c.user_id == user_id, t.asset.c.open.is_(True))
    )
    return list(rows.scalars())


def drop_skip(tx: Tx, asset_id: int, user_id: int) -> None:
    """The person may be asked again."""
    tx.execute(_DROP_SKIP, {"asset": asset_id, "user": user_id})


_DROP_SKIP = t.skip.delete().where(t.skip.c.asset_id == _asset_is, t.skip.c.user_id == _user_is)


# --- predictions shown to people --------------------------------------------------------------------------------


def predictions(tx: Tx, prediction_ids: Sequence[int]) -> dict[int, Prediction]:
    """Predictions by id."""
    rows = tx.execute(
        sa.select(t.prediction, t.predictor.c.title)
        .join(t.predictor, t.predictor.c.sha256 == t.prediction.c.predictor_sha256)
        .where(t.prediction.c.id.in_(list(prediction_ids)))
    )
    return {
        row.id: Prediction(
            id=row.id,
            asset_id=row.asset_id,
            run_id=row.run_id,
            predictor_sha256=row.predictor_sha256,
            predictor_title=row.title,
            ontology_version=row.ontology_version,
            answers=Answers.model_validate(row.answers),
            confidence=row.confidence,
            problems=row.problems,
            pieces=row.pieces or (),
            created_at=row.created_at,
        )
        for row in rows
    }


def current_predictions(tx: Tx, asset_ids: Sequence[int]) -> dict[int, Prediction]:
    """The current prediction of each of these assets, by asset id."""
    rows = tx.execute(_PREDICTED, {"assets": list(asset_ids)}).all()
    if not rows:
        return {}
    found = predictions(tx, [row.prediction_id for row in rows])
    return {row.id: found[row.prediction_id] for row in rows if row.prediction_id in found}


_PREDICTED = sa.select(t.asset.c.id, t.asset.c.prediction_id).where(
    t.asset.c.id.in_(sa.bindparam("assets", expanding=True)), t.asset.c.prediction_id.is_not(None)
)
