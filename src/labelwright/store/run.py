"""Model runs: which assets they cover, what was answered, and the predictions that came of it.

Hides how progress, tokens and cost are counted beside the work they count, in the same transaction.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from labelwright.core.answer import Answers
from labelwright.core.layout import Layout
from labelwright.core.predictor import NextBatch, Predictor, Reading, Run
from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id, upsert

RATE_WINDOW_S = 30
"""The rate of a run is what it finished in the last so many seconds."""


class Pending(Value):
    """An asset a run still has to ask about."""

    asset_id: int
    attempts: int = 0


class Outcome(Value):
    """How an asset of a run ended.

    Attributes:
        cause: Why it failed; None for one that has a prediction.
    """

    asset_id: int
    prediction_id: int | None = None
    cause: str | None = None
    message: str | None = None
    latency_s: float | None = None
    cost_usd: Decimal | None = None


class RunRow(Value):
    """A run with what only the flows need.

    Attributes:
        options: Plan, batch size and batches left of a series.
    """

    run: Run
    options: dict[str, Any]
    job_id: int | None = None
    created_by: int | None = None


# --- predictors and predictions -----------------------------------------------------------------------------------


def add_predictor(tx: Tx, predictor: Predictor) -> str:
    """Store a predictor unless it is known; returns its hash."""
    row = {
        "sha256": predictor.sha256, "title": predictor.title[:400], "body": predictor.model_dump(mode="json"),
    }  # fmt: skip
    upsert(tx, t.predictor, row, key=("sha256",))
    return predictor.sha256


def add_prediction(
    tx: Tx,
    project_id: int,
    asset_id: int,
    run_id: int | None,
    predictor_sha256: str,
    ontology_version: int,
    reading: Reading,
    at: datetime,
) -> int:
    """Store what a model answered; returns the id. Making it the current one is `store.asset.refresh`."""
    return inserted_id(
        tx.execute(
            t.prediction.insert().values(
                project_id=project_id,
                asset_id=asset_id,
                run_id=run_id,
                predictor_sha256=predictor_sha256,
                ontology_version=ontology_version,
                answers=reading.answers.model_dump(mode="json"),
                confidence={key: value.model_dump(mode="json") for key, value in reading.confidence.items()},
                problems=[problem.model_dump(mode="json") for problem in reading.problems],
                pieces=[piece.model_dump(mode="json") for piece in reading.pieces]
                if reading.pieces
                else sa.null(),
                lowest=reading.lowest,
                created_at=at,
            )
        )
    )


# --- runs ---------------------------------------------------------------------------------------------------------


def add(
    tx: Tx,
    project_id: int,
    kind: str,
    batch: int | None,
    predictor: Predictor,
    asset_ids: Sequence[int],
    *,
    cost_cap_usd: Decimal | None,
    cost_known: bool,
    options: Mapping[str, Any],
    user_id: int | None,
    at: datetime,
) -> int:
    """Store a run over these assets; returns its id."""
    run_id = inserted_id(
        tx.execute(
            t.run.insert().values(
                project_id=project_id, kind=kind, batch=batch, predictor_sha256=add_predictor(tx, predictor),
                state="queued", total=len(asset_ids), failures={}, examples={"ids": [], "note": ""},
                cost_usd=Decimal(0) if cost_known else None, cost_cap_usd=cost_cap_usd, options=dict(options),
                created_by=user_id, created_at=at,
            )
        )
    )  # fmt: skip
    rows = [
        {"run_id": run_id, "asset_id": asset_id, "state": "pending", "attempts": 0} for asset_id in asset_ids
    ]
    if rows:
        tx.execute(t.run_asset.insert(), rows)
    return run_id


def _run(row: Any, pace: tuple[float | None, float | None], next_batch: NextBatch | None = None) -> Run:
    rate, latency = pace
    left = row.total - row.done - row.failed
    return Run(
        id=row.id,
        project_id=row.project_id,
        kind=row.kind,
        batch=row.batch,
        predictor=Predictor.model_validate(row.body),
        state=row.state,
        stop_reason=row.stop_reason,
        total=row.total,
        done=row.done,
        failed=row.failed,
        retried=row.retried,
        failures=row.failures,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cost_usd=row.cost_usd,
        cost_cap_usd=row.cost_cap_usd,
        rate_per_s=rate,
        eta_s=left / rate if rate and row.state == "running" else None,
        latency_p50_s=latency,
        example_ids=tuple(row.examples.get("ids", ())),
        examples_note=row.examples.get("note", ""),
        next_batch=next_batch,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


_SELECT = sa.select(t.run, t.predictor.c.body).join(
    t.predictor, t.predictor.c.sha256 == t.run.c.predictor_sha256
)


def get(
    tx: Tx, project_id: int, run_id: int, *, now: datetime | None = None, lock: bool = False
) -> RunRow | None:
    """One run; with `now`, its rate and latency too."""
    query = _SELECT.where(t.run.c.id == run_id, t.run.c.project_id == project_id)
    row = tx.execute(query.with_for_update(of=t.run) if lock else query).one_or_none()
    if row is None:
        return None
    pace = (None, None) if now is None else _pace(tx, row, now)
    following = None if now is None else _next_batch(tx, row)
    return RunRow(
        run=_run(row, pace, following), options=row.options, job_id=row.job_id, created_by=row.created_by
    )


def of_project(
    tx: Tx,
    project_id: int,
    *,
    now: datetime,
    kind: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Run]:
    """Runs of a project, newest first; those of the local models are left out."""
    query = _SELECT.where(t.run.c.project_id == project_id)
    query = query.where(t.run.c.kind == kind if kind is not None else t.run.c.kind.in_(("batch", "trial")))
    if before is not None:
        query = query.where(t.run.c.id < before)
    rows = tx.execute(query.order_by(t.run.c.id.desc()).limit(limit)).all()
    return [_run(row, _pace(tx, row, now), _next_batch(tx, row)) for row in rows]


def _pace(tx: Tx, row: Any, now: datetime) -> tuple[float | None, float | None]:
    """(assets per second over the recent past, median latency of the last answers)."""
    c = t.run_asset.c
    rate = None
    if row.state == "running" and row.started_at is not None:
        since = max(row.started_at, now - timedelta(seconds=RATE_WINDOW_S))
        finished = tx.execute(
            sa.select(sa.func.count()).where(c.run_id == row.id, c.finished_at >= since)
        ).scalar_one()
        seconds = (now - since).total_seconds()
        rate = finished / seconds if finished and seconds > 0 else None
    latencies = tx.execute(
        sa.select(c.latency_s)
        .where(c.run_id == row.id, c.state == "done", c.latency_s.is_not(None))
        .order_by(c.asset_id.desc())
        .limit(201)
    )
    ordered = sorted(latencies.scalars())
    return rate, ordered[len(ordered) // 2] if ordered else None


def _next_batch(tx: Tx, row: Any) -> NextBatch | None:
    share, left = row.options.get("review_share"), row.options.get("batches_left", 0)
    if share is None or left == 0 or row.state in ("cancelled", "failed"):
        return None
    queued = row.options.get("next_job")
    if queued is not None:
        state = tx.execute(sa.select(t.job.c.state).where(t.job.c.id == queued)).scalar()
        if state not in ("queued", "running"):
            return None
    return NextBatch(
        review_share=share,
        left=0 if queued is not None else left_to_review(tx, row.id, row.total, share),
        batches_left=left,
        starting=queued is not None,
    )


def waiting_for_review(tx: Tx, project_id: int, batch: int) -> int | None:
    """The run over this batch, if a further batch is to follow its review."""
    c = t.run.c
    return tx.execute(
        sa.select(c.id).where(
            c.project_id == project_id, c.batch == batch, c.kind == "batch", c.state == "done",
            c.options["review_share"].as_float().is_not(None),
        )
    ).scalar()  # fmt: skip


def left_to_review(tx: Tx, run_id: int, total: int, share: float) -> int:
    """How many more assets of a run people have to review (or set aside) until this share of it is done."""
    settled = tx.execute(
        sa.select(sa.func.count())
        .select_from(t.run_asset.join(t.asset, t.asset.c.id == t.run_asset.c.asset_id))
        .where(
            t.run_asset.c.run_id == run_id, sa.or_(t.asset.c.open.is_(False), t.asset.c.status == "skipped")
        )
    ).scalar_one()
    # A hair less, so that 0.1 of 30 is 3 and not 4.
    return max(0, math.ceil(share * total - 1e-9) - int(settled))


def change(tx: Tx, run_id: int, **columns: Any) -> None:
    """Set columns of a run."""
    tx.execute(t.run.update().where(t.run.c.id == run_id).values(**columns))


def state(tx: Tx, run_id: int) -> str | None:
    """The state alone; cheap enough to ask often."""
    found = tx.execute(sa.select(t.run.c.state).where(t.run.c.id == run_id)).scalar()
    return None if found is None else str(found)


def spend(
    tx: Tx, run_id: int, prompt_tokens: int, completion_tokens: int, retried: int, usd: Decimal | None
) -> None:
    """Add what was billed; an unknown cost stays unknown."""
    c = t.run.c
    changes: dict[str, Any] = {
        "prompt_tokens": c.prompt_tokens + prompt_tokens,
        "completion_tokens": c.completion_tokens + completion_tokens,
        "retried": c.retried + retried,
    }
    if usd is not None:
        spent = tx.execute(sa.select(c.cost_usd).where(c.id == run_id).with_for_update()).scalar()
        # Added here and not by the database: SQLite would add binary floats.
        changes["cost_usd"] = None if spent is None else Decimal(str(spent)) + usd
    tx.execute(t.run.update().where(c.id == run_id).values(**changes))


def next_batch(tx: Tx, project_id: int) -> int:
    """The number after the last batch."""
    last = tx.execute(sa.select(sa.func.max(t.run.c.batch)).where(t.run.c.project_id == project_id)).scalar()
    return int(last or 0) + 1


def choose_unpredicted(tx: Tx, project_id: int, n: int) -> list[int]:
    """The next assets that no model run covered and nobody answered, in the fixed random order of the project."""
    c = t.asset.c
    return list(
        tx.execute(
            sa.select(c.id)
            .where(c.project_id == project_id, c.open.is_(True), c.batch.is_(None), c.annotations == 0)
            .order_by(c.shuffle, c.id)
            .limit(n)
        ).scalars()
    )


def count_unpredicted(tx: Tx, project_id: int) -> int:
    """How many assets `choose_unpredicted` could choose."""
    c = t.asset.c
    return int(
        tx.execute(
            sa.select(sa.func.count()).where(
                c.project_id == project_id, c.open.is_(True), c.batch.is_(None), c.annotations == 0
            )
        ).scalar_one()
    )


def sample(tx: Tx, project_id: int, n: int, *, gold: bool) -> list[int]:
    """Assets for a trial: gold ones, or the far end of the random order, so that the next batch stays unseen."""
    c = t.asset.c
    query = sa.select(c.id).where(c.project_id == project_id)
    if gold:
        query = query.where(c.gold.is_(True))
    return list(tx.execute(query.order_by(c.shuffle.desc(), c.id).limit(n)).scalars())


def set_batch(tx: Tx, asset_ids: Sequence[int], batch: int | None) -> None:
    """Note which batch assets belong to, so that no other run takes them."""
    for start in range(0, len(asset_ids), 500):
        chunk = list(asset_ids[start : start + 500])
        tx.execute(t.asset.update().where(t.asset.c.id.in_(chunk)).values(batch=batch))


# --- the assets of a run ------------------------------------------------------------------------------------------


def asset_ids(tx: Tx, run_id: int, *states: str) -> list[int]:
    """Assets of a run in these states (all when none is given), by id."""
    c = t.run_asset.c
    query = sa.select(c.asset_id).where(c.run_id == run_id).order_by(c.asset_id)
    return list(tx.execute(query.where(c.state.in_(states)) if states else query).scalars())


def take_pending(tx: Tx, run_id: int, n: int) -> list[int]:
    """Up to `n` assets to ask about next; each is noted as asked, with one more attempt, before it is sent."""
    c = t.run_asset.c
    chosen = list(
        tx.execute(
            sa.select(c.asset_id)
            .where(c.run_id == run_id, c.state == "pending")
            .order_by(c.asset_id)
            .limit(n)
        ).scalars()
    )
    if chosen:
        tx.execute(
            t.run_asset.update()
            .where(c.run_id == run_id, c.asset_id.in_(chosen))
            .values(state="asked", attempts=c.attempts + 1)
        )
    return chosen


def layouts(tx: Tx, run_id: int, asset_ids: Sequence[int]) -> dict[int, Layout]:
    """Stored layouts of those of these assets that are asked in several requests."""
    c = t.run_asset.c
    query = sa.select(c.asset_id, c.layout).where(
        c.run_id == run_id, c.asset_id.in_(list(asset_ids)), c.layout.is_not(None)
    )
    # SQL null and JSON null both mean one request.
    return {row.asset_id: Layout.model_validate(row.layout) for row in tx.execute(query) if row.layout}


def set_layout(tx: Tx, run_id: int, asset_id: int, layout: Layout) -> None:
    """Note in which requests an asset is asked, before any of them is sent; what another layout was told is forgotten."""
    c = t.run_asset.c
    tx.execute(t.exchange.delete().where(t.exchange.c.run_id == run_id, t.exchange.c.asset_id == asset_id))
    tx.execute(
        t.run_asset.update()
        .where(c.run_id == run_id, c.asset_id == asset_id)
        .values(parts=len(layout.parts), layout=layout.model_dump(mode="json"))
    )


def put_back(tx: Tx, run_id: int, asset_ids: Sequence[int], *, sent: bool) -> None:
    """Assets that are to be asked about later after all; an attempt that was not sent does not count."""
    c = t.run_asset.c
    values: dict[str, Any] = {"state": "pending"}
    if not sent:
        values["attempts"] = c.attempts - 1
    for start in range(0, len(asset_ids), 500):
        chunk = list(asset_ids[start : start + 500])
        tx.execute(t.run_asset.update().where(c.run_id == run_id, c.asset_id.in_(chunk)).values(**values))


def reopen(tx: Tx, run_id: int) -> int:
    """Make failed assets pending again; returns how many."""
    c = t.run_asset.c
    changed = tx.execute(
        t.run_asset.update()
        .where(c.run_id == run_id, c.state == "failed")
        .values(state="pending", cause=None, message=None, finished_at=None, parts=1, layout=sa.null())
    )
    tx.execute(t.exchange.delete().where(t.exchange.c.run_id == run_id, ~sa.exists().where(
        c.run_id == run_id, c.asset_id == t.exchange.c.asset_id, c.state.in_(("asked", "done")))))  # fmt: skip
    change(tx, run_id, failed=0, failures={})
    return int(changed.rowcount)


def finish(tx: Tx, run_id: int, outcomes: Sequence[Outcome], at: datetime) -> None:
    """Note how assets ended, and count them."""
    if not outcomes:
        return
    c = t.run_asset.c
    tx.execute(
        t.run_asset.update()
        .where(c.run_id == run_id, c.asset_id == sa.bindparam("b_asset_id"))
        .values(
            state=sa.bindparam("b_state"), cause=sa.bindparam("b_cause"), message=sa.bindparam("b_message"),
            prediction_id=sa.bindparam("b_prediction_id"), latency_s=sa.bindparam("b_latency_s"),
            cost_usd=sa.bindparam("b_cost_usd"), finished_at=sa.bindparam("b_finished_at"),
        ),
        [
            {
                "b_asset_id": o.asset_id, "b_state": "done" if o.cause is None else "failed", "b_cause": o.cause,
                "b_message": o.message, "b_prediction_id": o.prediction_id, "b_latency_s": o.latency_s,
                "b_cost_usd": o.cost_usd, "b_finished_at": at,
            }
            for o in outcomes
        ],
    )  # fmt: skip
    row = tx.execute(sa.select(t.run.c.failures).where(t.run.c.id == run_id).with_for_update()).one()
    failures: dict[str, int] = dict(row.failures)
    for outcome in outcomes:
        if outcome.cause is not None:
            failures[outcome.cause] = failures.get(outcome.cause, 0) + 1
    failed = sum(outcome.cause is not None for outcome in outcomes)
    tx.execute(
        t.run.update()
        .where(t.run.c.id == run_id)
        .values(failures=failures, failed=t.run.c.failed + failed, done=t.run.c.done + len(outcomes) - failed)
    )


def failures_sample(tx: Tx, run_id: int, per_cause: int = 3) -> dict[str, list[tuple[int, str]]]:
    """Cause -> some (asset id, message)."""
    c = t.run_asset.c
    causes = tx.execute(
        sa.select(c.cause).where(c.run_id == run_id, c.state == "failed").group_by(c.cause).limit(50)
    ).scalars()
    return {
        str(cause): [
            (row.asset_id, row.message or "")
            for row in tx.execute(
                sa.select(c.asset_id, c.message)
                .where(c.run_id == run_id, c.state == "failed", c.cause == cause)
                .order_by(c.asset_id)
                .limit(per_cause)
            )
        ]
        for cause in list(causes)
    }


def outcomes(tx: Tx, run_id: int, after: int, limit: int) -> list[tuple[Outcome, str]]:
    """(outcome, state) of a run's assets by rising asset id."""
    c = t.run_asset.c
    query = (
        sa.select(t.run_asset).where(c.run_id == run_id, c.asset_id > after).order_by(c.asset_id).limit(limit)
    )
    return [
        (
            Outcome(
                asset_id=row.asset_id, prediction_id=row.prediction_id, cause=row.cause, message=row.message,
                latency_s=row.latency_s, cost_usd=row.cost_usd,
            ),
            row.state,
        )
        for row in tx.execute(query)
    ]  # fmt: skip


# --- corrections --------------------------------------------------------------------------------------------------


_CORRECTION = (
    sa.select(
        t.annotation.c.id, t.annotation.c.asset_id, t.annotation.c.answers, t.annotation.c.changed,
        t.annotation.c.counts, t.annotation.c.author_id, t.annotation.c.created_at, t.asset.c.batch, t.asset.c.gold,
        t.asset_content.c.text,
    )
    .join(t.asset, t.asset.c.id == t.annotation.c.asset_id)
    .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
)  # fmt: skip


def corrections(tx: Tx, project_id: int, before_batch: int | None, limit: int) -> list[Any]:
    """Rows of submissions that count, newest first, with text, batch and whether the asset is gold."""
    n, a = t.annotation.c, t.asset.c
    query = _CORRECTION.where(n.project_id == project_id, n.counts.is_(True), a.gold.is_(False))
    if before_batch is not None:
        query = query.where(sa.or_(a.batch.is_(None), a.batch < before_batch))
    return list(tx.execute(query.order_by(n.seq.desc()).limit(limit)))


def corrections_named(tx: Tx, project_id: int, annotation_ids: Sequence[str]) -> dict[str, Any]:
    """The same rows by annotation id, also of what no longer counts."""
    n = t.annotation.c
    rows = tx.execute(_CORRECTION.where(n.project_id == project_id, n.id.in_(list(annotation_ids))))
    return {row.id: row for row in rows}


def median_confidence(tx: Tx, project_id: int) -> float:
    """The median confidence over the predicted assets of a project; 0 when there are none."""
    c = t.asset.c
    known = (c.project_id == project_id, c.confidence.is_not(None))
    n = tx.execute(sa.select(sa.func.count()).where(*known)).scalar_one()
    found = tx.execute(
        sa.select(c.confidence).where(*known).order_by(c.confidence, c.id).offset(n // 2).limit(1)
    ).scalar()
    return float(found or 0.0)


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


def recount(tx: Tx, run_id: int) -> None:
    """Count a run's assets anew, after some of them ended differently than before."""
    c = t.run_asset.c
    rows = tx.execute(
        sa.select(c.state, c.cause, sa.func.count().label("n"))
        .where(c.run_id == run_id)
        .group_by(c.state, c.cause)
    ).all()
    failures = {str(row.cause): int(row.n) for row in rows if row.state == "failed"}
    done = sum(int(row.n) for row in rows if row.state == "done")
    change(tx, run_id, done=done, failed=sum(failures.values()), failures=failures)


def gold_answers(tx: Tx, asset_ids: Sequence[int]) -> dict[int, Answers]:
    """Trusted answers of those of these assets that are gold."""
    rows = tx.execute(
        sa.select(t.gold.c.asset_id, t.gold.c.answers).where(t.gold.c.asset_id.in_(list(asset_ids)))
    )
    return {row.asset_id: Answers.model_validate(row.answers) for row in rows}


def waiting_of_job(tx: Tx, job_id: int) -> list[int]:
    """Runs that this job still has to carry out, oldest first."""
    c = t.run.c
    query = sa.select(c.id).where(c.job_id == job_id, c.state.in_(("queued", "running"))).order_by(c.id)
    return list(tx.execute(query).scalars())


def is_unfinished(tx: Tx, run_id: int) -> bool:
    """Whether any asset of the run is still to be asked about."""
    c = t.run_asset.c
    query = sa.select(c.asset_id).where(c.run_id == run_id, c.state.in_(("pending", "asked"))).limit(1)
    return tx.execute(query).first() is not None
