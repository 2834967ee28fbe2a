"""Raw replies of models, kept before anybody reads them, so that reading can be done again without asking again."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from labelwright.core.exchange import Reply
from labelwright.core.layout import Layout
from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert


class Answered(Value):
    """Stored replies that were not read yet, or are to be read again.

    Attributes:
        replies: Part number -> reply; numbers from `len(layout.parts)` on are repairs, see `core.layout`.
        layout: In which requests it was asked; None for one about the whole text.
    """

    asset_id: int
    replies: dict[int, Reply]
    layout: Layout | None = None
    prediction_id: int | None = None


def keep_reply(
    tx: Tx, run_id: int, asset_id: int, part: int, request_sha256: str, reply: Reply, at: datetime
) -> None:
    """Keep a raw reply, before anybody reads it."""
    row = {
        "run_id": run_id, "asset_id": asset_id, "part": part, "request_sha256": request_sha256,
        "reply": reply.model_dump(mode="json"), "created_at": at,
    }  # fmt: skip
    upsert(
        tx,
        t.exchange,
        row,
        key=("run_id", "asset_id", "part"),
        replace=("request_sha256", "reply", "created_at"),
    )


def answered(tx: Tx, run_id: int, state: str, after: int, limit: int) -> list[Answered]:
    """Assets of a run in this state that have a stored reply to every part, by rising asset id."""
    c, e = t.run_asset.c, t.exchange.c
    enough = (
        sa.select(sa.func.count())
        .select_from(t.exchange)
        .where(e.run_id == c.run_id, e.asset_id == c.asset_id, e.part < c.parts)
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(c.asset_id, c.prediction_id, c.layout)
        .where(c.run_id == run_id, c.state == state, c.asset_id > after, enough >= c.parts)
        .order_by(c.asset_id)
        .limit(limit)
    ).all()
    found = kept(tx, run_id, [row.asset_id for row in rows])
    return [
        Answered(
            asset_id=row.asset_id, replies=found[row.asset_id], prediction_id=row.prediction_id,
            layout=Layout.model_validate(row.layout) if row.layout else None,
        )
        for row in rows
    ]  # fmt: skip


def kept(tx: Tx, run_id: int, asset_ids: Sequence[int]) -> dict[int, dict[int, Reply]]:
    """Asset -> part number -> stored reply, for each of these assets."""
    e = t.exchange.c
    found: dict[int, dict[int, Reply]] = {asset_id: {} for asset_id in asset_ids}
    query = sa.select(e.asset_id, e.part, e.reply).where(e.run_id == run_id, e.asset_id.in_(list(asset_ids)))
    for row in tx.execute(query.order_by(e.asset_id, e.part)):
        found[row.asset_id][row.part] = Reply.model_validate(row.reply)
    return found
