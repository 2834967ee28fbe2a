"""Comparisons: trial runs of several plans over the same gold assets, held together by the id of the first of them."""

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from labelwright.core.answer import Answers
from labelwright.core.value import Value
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.store.db import Tx

GoldPart = Literal["all", "tuning", "gate"]
"""All of the gold set, or one of two fixed random halves: one to try things on, one for the last word."""


class Ended(Value):
    """How one asset ended under one plan; `answers` is None where there is no prediction."""

    asset_id: int
    answers: Answers | None
    latency_s: float | None


def gold_ids(tx: Tx, project_id: int, part: GoldPart) -> list[int]:
    """Gold assets in the fixed random order of the project; the halves are the two ends of that order."""
    c = t.asset.c
    query = sa.select(c.id).where(c.project_id == project_id, c.gold.is_(True))
    if part == "tuning":
        query = query.where(c.shuffle < 0.5)
    elif part == "gate":
        query = query.where(c.shuffle >= 0.5)
    return list(tx.execute(query.order_by(c.shuffle.desc(), c.id)).scalars())


def members(tx: Tx, project_id: int, comparison_id: int, now: Any) -> list[runs.RunRow]:
    """The trial runs of a comparison, in the order of its plans."""
    ids = tx.execute(
        sa.select(t.run.c.id)
        .where(
            t.run.c.project_id == project_id,
            t.run.c.kind == "trial",
            t.run.c.options["comparison"].as_integer() == comparison_id,
        )
        .order_by(t.run.c.id)
    ).scalars()
    found = [runs.get(tx, project_id, run_id, now=now) for run_id in list(ids)]
    return [row for row in found if row is not None]


def looks_at_gold(tx: Tx, project_id: int) -> list[tuple[int, GoldPart]]:
    """(comparison or single trial, part of the gold set) of everything that was ever tried on gold, oldest first."""
    c = t.run.c
    rows = tx.execute(
        sa.select(c.id, c.options)
        .where(c.project_id == project_id, c.kind == "trial", c.options["on"].as_string() == "gold")
        .order_by(c.id)
    )
    found: dict[int, GoldPart] = {}
    for row in rows:
        found.setdefault(int(row.options.get("comparison", row.id)), row.options.get("gold", "all"))
    return list(found.items())


def ended(tx: Tx, run_id: int) -> list[Ended]:
    """Assets of a run that ended, with what was answered."""
    c, p = t.run_asset.c, t.prediction.c
    rows = tx.execute(
        sa.select(c.asset_id, c.latency_s, p.answers)
        .select_from(t.run_asset.outerjoin(t.prediction, p.id == c.prediction_id))
        .where(c.run_id == run_id, c.state.in_(("done", "failed")))
        .order_by(c.asset_id)
    )
    return [
        Ended(
            asset_id=row.asset_id,
            answers=None if row.answers is None else Answers.model_validate(row.answers),
            latency_s=row.latency_s,
        )
        for row in rows
    ]


def truths(tx: Tx, run_id: int) -> dict[int, Answers]:
    """Trusted answers of the assets of a run, as they are now."""
    rows = tx.execute(
        sa.select(t.gold.c.asset_id, t.gold.c.answers)
        .join(t.run_asset, t.run_asset.c.asset_id == t.gold.c.asset_id)
        .where(t.run_asset.c.run_id == run_id)
    )
    return {row.asset_id: Answers.model_validate(row.answers) for row in rows}


def names(tx: Tx, asset_ids: Sequence[int]) -> dict[int, str | None]:
    """External ids by asset id."""
    rows = tx.execute(sa.select(t.asset.c.id, t.asset.c.external_id).where(t.asset.c.id.in_(list(asset_ids))))
    return {row.id: row.external_id for row in rows}


def judged(tx: Tx, project_id: int, limit: int) -> list[tuple[int, Answers, Answers]]:
    """(asset, what the model said, what the person said) of the newest reviewed predictions; never of gold assets."""
    n = t.annotation.c
    rows = tx.execute(
        sa.select(n.asset_id, t.prediction.c.answers.label("said"), n.answers.label("right"))
        .join(t.prediction, t.prediction.c.id == n.prediction_id)
        .join(t.asset, t.asset.c.id == n.asset_id)
        .where(n.project_id == project_id, n.counts.is_(True), t.asset.c.gold.is_(False))
        .order_by(n.seq.desc())
        .limit(limit)
    )
    return [
        (row.asset_id, Answers.model_validate(row.said), Answers.model_validate(row.right)) for row in rows
    ]
