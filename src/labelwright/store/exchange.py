"""Raw replies of models, kept before anybody reads them, so that reading can be done again without asking again."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from labelwright.core.exchange import Reply
from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert


class Answered(Value):
    """A stored reply that was not read yet, or is to be read again."""

    asset_id: int
    replies: tuple[Reply, ...]
    prediction_id: int | None = None


class Kept(Value):
    """A raw reply to keep, with the hash of the request it answers."""

    asset_id: int
    part: int
    request_sha256: str
    reply: Reply


def keep_replies(tx: Tx, run_id: int, replies: Sequence[Kept], at: datetime) -> None:
    """Keep raw replies, before anybody reads them."""
    rows = [
        {
            "run_id": run_id, "asset_id": kept.asset_id, "part": kept.part, "request_sha256": kept.request_sha256,
            "reply": kept.reply.model_dump(mode="json"), "created_at": at,
        }
        for kept in replies
    ]  # fmt: skip
    upsert(
        tx,
        t.exchange,
        rows,
        key=("run_id", "asset_id", "part"),
        replace=("request_sha256", "reply", "created_at"),
    )


def answered(tx: Tx, run_id: int, state: str, parts: int, after: int, limit: int) -> list[Answered]:
    """Assets of a run in this state whose replies (all `parts` of them) are stored, by rising asset id."""
    c, e = t.run_asset.c, t.exchange.c
    enough = (
        sa.select(sa.func.count())
        .select_from(t.exchange)
        .where(e.run_id == c.run_id, e.asset_id == c.asset_id)
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(c.asset_id, c.prediction_id)
        .where(c.run_id == run_id, c.state == state, c.asset_id > after, enough >= parts)
        .order_by(c.asset_id)
        .limit(limit)
    ).all()
    replies: dict[int, list[Reply]] = {row.asset_id: [] for row in rows}
    for row in tx.execute(
        sa.select(e.asset_id, e.reply)
        .where(e.run_id == run_id, e.asset_id.in_(list(replies)))
        .order_by(e.asset_id, e.part)
    ):
        replies[row.asset_id].append(Reply.model_validate(row.reply))
    return [
        Answered(asset_id=row.asset_id, replies=tuple(replies[row.asset_id]), prediction_id=row.prediction_id)
        for row in rows
    ]
