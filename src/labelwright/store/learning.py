"""What training the local models reads and writes."""

from collections.abc import Sequence

import sqlalchemy as sa

from labelwright.core.answer import Answers
from labelwright.store import tables as t
from labelwright.store.db import Tx


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
            t.predictor.c.title.not_like("local model (%"),
        ),
        t.predictor.c.sha256 == t.prediction.c.predictor_sha256,
    )
    wanted = [a.project_id == project_id, a.open.is_(True), a.annotations == 0, ~mine.exists()]
    first = list(
        tx.execute(
            sa.select(a.id).where(*wanted).order_by(a.order_key, a.id).limit(max(window // 2, 1))
        ).scalars()
    )
    spread = tx.execute(sa.select(a.id).where(*wanted).order_by(a.shuffle, a.id).limit(window)).scalars()
    return list(dict.fromkeys([*first, *spread]))[:window]


def still_open(tx: Tx, asset_ids: Sequence[int]) -> dict[int, int | None]:
    """Asset id -> current prediction, for those nobody has answered yet."""
    rows = tx.execute(
        sa.select(t.asset.c.id, t.asset.c.prediction_id)
        .where(t.asset.c.id.in_(list(asset_ids)), t.asset.c.open.is_(True), t.asset.c.annotations == 0)
        .order_by(t.asset.c.id)
        .with_for_update()
    )
    return {row.id: row.prediction_id for row in rows}


def drop_if_replaced(tx: Tx, prediction_id: int) -> None:
    """Remove a local model's prediction that was replaced and that no annotation, draft or lease holder may refer to."""
    p = t.prediction.c
    used = [
        sa.exists().where(t.annotation.c.prediction_id == p.id, t.annotation.c.asset_id == p.asset_id),
        sa.exists().where(t.draft.c.asset_id == p.asset_id),
        # Somebody may be looking at it right now and submit with its id.
        sa.exists().where(t.lease.c.asset_id == p.asset_id),
    ]
    local = sa.exists().where(
        t.predictor.c.sha256 == p.predictor_sha256, t.predictor.c.title.like("local model (%")
    )
    tx.execute(t.prediction.delete().where(p.id == prediction_id, local, *[~each for each in used]))
