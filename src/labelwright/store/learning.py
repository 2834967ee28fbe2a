"""What training the local models reads and writes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.answer import Answers
from labelwright.core.predictor import Predictor, Reading
from labelwright.core.project import Project
from labelwright.core.workflow import Facts, status
from labelwright.store import tables as t
from labelwright.store.asset import count, order_key
from labelwright.store.db import Tx

_IS_LOCAL = t.predictor.c.title.like("local model (%")


def answered(tx: Tx, project_id: int, limit: int) -> list[tuple[str, Answers]]:
    """(text, answers) of the newest submissions that count, oldest first; gold is never learned from."""
    rows = tx.execute(
        sa.select(t.asset_content.c.text, t.annotation.c.answers)
        .join(t.asset, t.asset.c.id == t.annotation.c.asset_id)
        .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
        .where(
            t.annotation.c.project_id == project_id,
            t.annotation.c.counts.is_(True),
            t.asset.c.gold.is_(False),
        )
        .order_by(t.annotation.c.seq.desc())
        .limit(limit)
    ).all()
    return [(row.text, Answers.model_validate(row.answers)) for row in reversed(rows)]


def to_predict(tx: Tx, project_id: int, predictor_sha256: str, window: int) -> list[int]:
    """Open assets that this predictor has not answered, where people's next assets come first.

    Answers of a prompted or imported model stay: the local models fill in where there is none, or only an older local
    one. Beyond `window` assets: half of it are those next in the queue, the rest a fixed random sample.
    """
    a = t.asset.c
    mine = sa.select(t.prediction.c.id).where(
        t.prediction.c.id == a.prediction_id,
        sa.or_(
            t.prediction.c.predictor_sha256 == predictor_sha256,
            ~_IS_LOCAL,
        ),
        t.predictor.c.sha256 == t.prediction.c.predictor_sha256,
    )
    wanted = [
        a.project_id == project_id, a.open.is_(True), a.annotations == 0, a.acceptance_id.is_(None), ~mine.exists(),
    ]  # fmt: skip
    first = list(
        tx.execute(
            sa.select(a.id).where(*wanted).order_by(a.order_key, a.id).limit(max(window // 2, 1))
        ).scalars()
    )
    spread = tx.execute(sa.select(a.id).where(*wanted).order_by(a.shuffle, a.id).limit(window)).scalars()
    return list(dict.fromkeys([*first, *spread]))[:window]


def keep(
    tx: Tx, project: Project, predictor: Predictor, readings: Mapping[int, Reading], at: datetime
) -> int:
    """Make readings the current predictions of their assets, with status, order and counters; returns how many.

    Assets that were answered meanwhile, or that another kind of model predicted meanwhile, are left as they are.
    Local predictions that this replaces are removed, unless an annotation, a draft or somebody who is looking at the
    asset may refer to them.
    """
    found = _still_open(tx, list(readings))
    if not found:
        return 0
    rows = [
        {
            "project_id": project.id, "asset_id": row.id, "run_id": None, "predictor_sha256": predictor.sha256,
            "ontology_version": predictor.ontology_version,
            "answers": readings[row.id].answers.model_dump(mode="json"),
            "confidence": {k: c.model_dump(mode="json") for k, c in readings[row.id].confidence.items()},
            "problems": [p.model_dump(mode="json") for p in readings[row.id].problems],
            "lowest": readings[row.id].lowest, "created_at": at,
        }
        for row in found
    ]  # fmt: skip
    p = t.prediction.c
    made = {
        row.asset_id: row.id for row in tx.execute(t.prediction.insert().returning(p.id, p.asset_id), rows)
    }
    skipped: dict[int, set[int]] = {}
    for skip in tx.execute(sa.select(t.skip.c.asset_id, t.skip.c.user_id).where(t.skip.c.asset_id.in_(made))):
        skipped.setdefault(skip.asset_id, set()).add(skip.user_id)
    changes, counts = [], Counter[str]()
    for row in found:
        stage = status(
            Facts(
                predicted=True,
                skippers=frozenset(skipped.get(row.id, ())),
                people_wanted=project.settings.people_per_asset,
            )
        )
        confidence = readings[row.id].lowest
        order = order_key(
            project.settings.order, confidence, row.shuffle, skipped=stage == "skipped",
            audit_first=row.audit_first if row.audit_above is not None else None, flags=row.flags,
        )  # fmt: skip
        changes.append(
            {"key": row.id, "now": made[row.id], "sure": confidence, "stage": stage, "place": order}
        )
        if stage != row.status:
            counts.update({row.status: -1, stage: 1})
    tx.execute(
        t.asset.update()
        .where(t.asset.c.id == sa.bindparam("key"))
        .values(
            prediction_id=sa.bindparam("now"), confidence=sa.bindparam("sure"), status=sa.bindparam("stage"),
            order_key=sa.bindparam("place"), updated_at=at,
        ),
        changes,
    )  # fmt: skip
    count(tx, project.id, counts)
    _drop_replaced(tx, made)
    return len(made)


def _still_open(tx: Tx, asset_ids: Sequence[int]) -> Sequence[Any]:
    """Assets nobody has answered yet and only local models, if any, have predicted."""
    a = t.asset.c
    foreign = sa.exists().where(
        t.prediction.c.id == a.prediction_id,
        t.predictor.c.sha256 == t.prediction.c.predictor_sha256,
        ~_IS_LOCAL,
    )
    return tx.execute(
        sa.select(a.id, a.status, a.shuffle, a.audit_above, a.audit_first, a.flags)
        .where(a.id.in_(asset_ids), a.open.is_(True), a.annotations == 0, a.acceptance_id.is_(None), ~foreign)
        .order_by(a.id)
        .with_for_update()
    ).all()


def _drop_replaced(tx: Tx, made: Mapping[int, int]) -> None:
    p = t.prediction.c
    used = [
        sa.exists().where(t.annotation.c.asset_id == p.asset_id, t.annotation.c.prediction_id == p.id),
        sa.exists().where(t.annotation.c.asset_id == p.asset_id, t.annotation.c.withheld_id == p.id),
        sa.exists().where(t.draft.c.asset_id == p.asset_id),
        # Somebody may be looking at it right now and submit with its id.
        sa.exists().where(t.lease.c.asset_id == p.asset_id),
    ]
    local = sa.exists().where(t.predictor.c.sha256 == p.predictor_sha256, _IS_LOCAL)
    tx.execute(
        t.prediction.delete().where(
            p.asset_id.in_(made), p.id.not_in(list(made.values())), p.run_id.is_(None), local,
            *[~each for each in used],
        )
    )  # fmt: skip


def is_training(tx: Tx, project_id: int, before_job_id: int, now: datetime) -> bool:
    """Whether an earlier training of the project is being done by a worker that is alive."""
    c = t.job.c
    query = sa.select(c.id).where(
        c.project_id == project_id, c.kind == "learn", c.state == "running", c.id < before_job_id,
        c.lease_until > now,
    )  # fmt: skip
    return tx.execute(query.limit(1)).first() is not None


def is_used_elsewhere(tx: Tx, project_id: int, model_sha256: str) -> bool:
    """Whether another project's newest model has the same bytes."""
    c = t.project.c
    query = sa.select(c.id).where(c.model_sha256 == model_sha256, c.id != project_id).limit(1)
    return tx.execute(query).first() is not None
