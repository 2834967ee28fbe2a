"""Figures for the overview: progress, how often people agreed with the model, cost so far."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.compare import agreement, aligned
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import asset as assets
from labelwright.store import tables as t
from labelwright.store import work
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

SAMPLE = 500
"""Model-vs-person figures look at the last this many submissions that corrected or confirmed a prediction."""


class Agreement(Value):
    """How far people agreed with what the model had said.

    Attributes:
        n: Submissions compared.
        same: How many kept the model's answer unchanged.
        mean: Mean agreement in [0, 1] (1 = same; F1 for spans, Jaccard for several labels).
        note: People saw the suggestion, so this is not an accuracy.
    """

    question: str
    n: int
    same: int
    mean: float
    note: str = "people saw the suggestion; use gold for an accuracy"


class Day(Value):
    """Submissions on one UTC day."""

    day: str
    submissions: int


class Numbers(Value):
    """The figures."""

    counts: dict[str, int]
    agreement: list[Agreement]
    days: list[Day]
    cost_usd: Decimal | None
    active_s_median: float | None
    timed: int


def numbers(workbench: Workbench, actor: Actor, project_id: int) -> Numbers:
    """Figures of a project; cheap enough to ask for at every visit."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        counters = assets.counters(tx, project_id)
        recent = [aligned(ontology, said, given) for said, given in _recent(tx, project_id)]
        found = []
        for question in ontology.active_questions:
            pairs = [(p.get(question.id), a.get(question.id)) for p, a in recent if question.id in p]
            if pairs:
                scores = [agreement(one, other) for one, other in pairs]
                found.append(
                    Agreement(
                        question=question.id,
                        n=len(scores),
                        same=sum(score == 1.0 for score in scores),
                        mean=sum(scores) / len(scores),
                    )
                )
        cost = tx.execute(
            sa.select(sa.func.sum(t.run.c.cost_usd)).where(t.run.c.project_id == project_id)
        ).scalar()
        median, timed = _active(tx, project_id)
        return Numbers(
            counts={name: n for name, n in counters.items() if ":" not in name},
            agreement=found,
            days=_days(workbench, counters),
            cost_usd=Decimal(str(cost)) if cost is not None else None,
            active_s_median=median,
            timed=timed,
        )


def _recent(tx: Tx, project_id: int) -> list[tuple[Answers, Answers]]:
    rows = tx.execute(
        sa.select(t.prediction.c.answers.label("predicted"), t.annotation.c.answers.label("given"))
        .join(t.prediction, t.prediction.c.id == t.annotation.c.prediction_id)
        .where(t.annotation.c.project_id == project_id, t.annotation.c.counts.is_(True), work.LOOKED_AT)
        .order_by(t.annotation.c.seq.desc())
        .limit(SAMPLE)
    )
    return [(Answers.model_validate(row.predicted), Answers.model_validate(row.given)) for row in rows]


def _active(tx: Tx, project_id: int) -> tuple[float | None, int]:
    rows: list[Any] = list(
        tx.execute(
            sa.select(t.annotation.c.active_ms)
            .where(t.annotation.c.project_id == project_id, t.annotation.c.active_ms > 0)
            .order_by(t.annotation.c.seq.desc())
            .limit(SAMPLE)
        ).scalars()
    )
    return (sorted(rows)[len(rows) // 2] / 1000, len(rows)) if rows else (None, 0)


def _days(workbench: Workbench, counters: dict[str, int]) -> list[Day]:
    today = workbench.now()
    days = [(today - timedelta(days=back)).date().isoformat() for back in range(13, -1, -1)]
    return [Day(day=day, submissions=counters.get(assets.day_counter(day), 0)) for day in days]
