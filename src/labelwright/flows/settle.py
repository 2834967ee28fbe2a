"""What a reading comes to: a prediction with its place in the queue, or a failure with its cause.

Shared by runs being carried out and by kept replies being read again.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from labelwright.core.exchange import Reply
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import DetectorModel, Reading, Run
from labelwright.core.problem import excerpt
from labelwright.core.project import Project
from labelwright.prompting import failure_of
from labelwright.store import asset as assets
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.store.db import Tx

__all__ = ["failure_of", "latency_of", "order_confidence", "store_readings"]


def store_readings(
    tx: Tx,
    project: Project,
    run: Run,
    ontology: Ontology,
    readings: dict[int, tuple[Reading, float | None, Decimal | None]],
    now: datetime,
) -> list[runs.Outcome]:
    """Store predictions and, unless the run is a trial, make them current; returns how each asset ended.

    Args:
        tx: Transaction.
        project: Of the run.
        run: Of which the assets are.
        ontology: As the run knows it.
        readings: Asset -> (what was answered, seconds it took, what it cost).
        now: The time.
    """
    ended: list[runs.Outcome] = []
    ids = sorted(readings)
    # All rows are locked first and in one order: two writers then never wait for each other in a circle.
    locked = tx.execute(
        sa.select(t.asset.c.id, t.asset.c.annotations)
        .where(t.asset.c.id.in_(ids))
        .order_by(t.asset.c.id)
        .with_for_update()
    )
    answered_by_people = {row.id: row.annotations > 0 for row in locked}
    causes = {asset_id: failure_of(ontology, readings[asset_id][0]) for asset_id in ids}
    good = {asset_id: readings[asset_id][0] for asset_id in ids if causes[asset_id] is None}
    predicted = runs.add_predictions(
        tx, project.id, run.id, run.predictor.sha256, ontology.version, good, now
    )
    current: dict[int, dict[str, object]] = {}
    for asset_id in ids:
        reading, latency, usd = readings[asset_id]
        cause = causes[asset_id]
        if cause is not None:
            message = next((p.message for p in reading.problems if p.code == cause), "")
            ended.append(
                runs.Outcome(asset_id=asset_id, cause=cause[:60], message=excerpt(message, 400), latency_s=latency, cost_usd=usd)
            )  # fmt: skip
            continue
        ended.append(
            runs.Outcome(
                asset_id=asset_id, prediction_id=predicted[asset_id], latency_s=latency, cost_usd=usd
            )
        )
        if run.kind == "batch" and not answered_by_people.get(asset_id):
            current[asset_id] = {
                "prediction_id": predicted[asset_id], "confidence": order_confidence(ontology, reading, run), "batch": run.batch,
            }  # fmt: skip
    assets.refresh_many(tx, project.id, current, project.settings, now)
    return ended


def latency_of(replies: Iterable[Reply]) -> float | None:
    """How long somebody waited for these replies; None when all came from the cache."""
    asked = [reply.latency_s for reply in replies if not reply.cached]
    return sum(asked) if asked else None


def order_confidence(ontology: Ontology, reading: Reading, run: Run) -> float | None:
    """The confidence that orders the queue.

    A required question without an answer counts as 0: nothing that was answered can be right, and a person should see
    it before anything else. So does a text of which a part was not read. The prediction itself keeps None. A detector
    is only ever asked one question, so its order is that of its objects.
    """
    if isinstance(run.predictor.engine, DetectorModel):
        return reading.lowest
    missing = any(problem.code == "part_unread" for problem in reading.problems) or any(
        question.required and question.depends_on is None and question.id not in reading.answers
        for question in ontology.active_questions
        if question.kind in ("choice", "scalar", "text", "span", "relation")
    )
    return 0.0 if missing else reading.lowest
