"""What runs cost, and what they brought: tokens and USD billed, and labels that people confirmed."""

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx


class Spent(Value):
    """What some replies came to; see `Run`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    retried: int = 0
    from_cache: int = 0
    usd: Decimal | None = None


def spend(tx: Tx, run_id: int, spent: Spent) -> None:
    """Add what was billed; an unknown cost stays unknown."""
    c = t.run.c
    changes: dict[str, Any] = {
        name: c[name] + n for name, n in spent.model_dump(exclude={"usd"}).items() if n
    }
    if spent.usd is not None:
        before = tx.execute(sa.select(c.cost_usd).where(c.id == run_id).with_for_update()).scalar()
        # Added here and not by the database: SQLite would add binary floats.
        changes["cost_usd"] = None if before is None else Decimal(str(before)) + spent.usd
    if changes:
        tx.execute(t.run.update().where(c.id == run_id).values(**changes))


def confirmed(tx: Tx, run_id: int) -> int:
    """How many assets of a run have a submission that counts and kept its prediction unchanged."""
    n, p = t.annotation.c, t.prediction.c
    query = (
        sa.select(sa.func.count(sa.distinct(n.asset_id)))
        .join(t.prediction, p.id == n.prediction_id)
        .where(p.run_id == run_id, n.counts.is_(True), n.changed.is_(False))
    )
    return int(tx.execute(query).scalar_one())


def billed_before(tx: Tx, project_id: int, predictor_sha256: str) -> tuple[int, int, int] | None:
    """(assets, prompt tokens, completion tokens) that earlier runs of this predictor came to; None without any."""
    c = t.run.c
    row = tx.execute(
        sa.select(
            sa.func.sum(c.done).label("n"),
            sa.func.sum(c.prompt_tokens).label("prompt"),
            sa.func.sum(c.completion_tokens).label("completion"),
        ).where(c.project_id == project_id, c.predictor_sha256 == predictor_sha256, c.prompt_tokens > 0)
    ).one()
    return (int(row.n), int(row.prompt), int(row.completion)) if row.n else None
