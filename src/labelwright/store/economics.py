"""The facts of the economics: verdicts per label beside the submissions they judge, and sums over them.

Verdicts are written in the transaction of the submission, so that a report is one pass over narrow rows.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from labelwright.core.answer import Answers
from labelwright.core.arms import MOST_ROWS, WARM_UP, Arm, Made, draw
from labelwright.core.economics import judge
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert

# --- arms -----------------------------------------------------------------------------------------------------------


def draw_arms(
    tx: Tx, project_id: int, user_id: int, asset_ids: Sequence[int], share: float, seed: int
) -> None:
    """Draw an arm for each of these assets that the person has none for yet; a drawn one never changes."""
    known = arms(tx, user_id, asset_ids)
    fresh = [asset_id for asset_id in asset_ids if asset_id not in known]
    if not fresh:
        return
    mine = (t.arm.c.project_id == project_id, t.arm.c.user_id == user_id)
    n = tx.execute(sa.select(sa.func.count()).select_from(t.arm).where(*mine)).scalar_one()
    rows = [
        {
            "asset_id": each,
            "user_id": user_id,
            "project_id": project_id,
            "arm": draw(n + i, share, user_id, seed),
        }
        for i, each in enumerate(fresh)
    ]
    upsert(tx, t.arm, rows, key=("asset_id", "user_id"))


def arms(tx: Tx, user_id: int, asset_ids: Sequence[int]) -> dict[int, Arm]:
    """The arms that were drawn for a person, by asset."""
    rows = tx.execute(
        sa.select(t.arm.c.asset_id, t.arm.c.arm).where(
            t.arm.c.user_id == user_id, t.arm.c.asset_id.in_(list(asset_ids))
        )
    )
    return {row.asset_id: row.arm for row in rows}


def withheld_from(tx: Tx, user_id: int, asset_ids: Sequence[int]) -> set[int]:
    """Assets whose suggestion this person must not see yet: hidden from them, and not answered by them."""
    answered = sa.exists().where(
        t.annotation.c.asset_id == t.arm.c.asset_id,
        t.annotation.c.author_id == user_id,
        t.annotation.c.counts.is_(True),
    )
    rows = tx.execute(
        sa.select(t.arm.c.asset_id).where(
            t.arm.c.user_id == user_id,
            t.arm.c.asset_id.in_(list(asset_ids)),
            t.arm.c.arm == "hidden",
            ~answered,
        )
    )
    return set(rows.scalars())


# --- verdicts -------------------------------------------------------------------------------------------------------


def judge_asset(tx: Tx, project_id: int, asset_id: int) -> None:
    """Make the verdicts of an asset's submissions, and what they judge, anew from the facts."""
    a, p, r = t.annotation.c, t.prediction.c, t.run_asset.c
    ids = sa.select(a.id).where(a.asset_id == asset_id)
    tx.execute(t.verdict.delete().where(t.verdict.c.annotation_id.in_(ids)))
    gold = tx.execute(sa.select(t.gold.c.answers).where(t.gold.c.asset_id == asset_id)).scalar()
    truth = Answers.model_validate(gold) if gold is not None else None
    judged = sa.func.coalesce(a.prediction_id, a.withheld_id)
    rows = tx.execute(
        sa.select(
            a.id, a.author_id, a.arm, a.counts, a.answers, p.answers.label("said"), p.run_id, p.predictor_sha256,
            r.cost_usd,
        )
        .select_from(
            t.annotation.outerjoin(t.prediction, p.id == judged).outerjoin(
                t.run_asset, sa.and_(r.run_id == p.run_id, r.asset_id == a.asset_id)
            )
        )
        .where(a.asset_id == asset_id)
    ).all()  # fmt: skip
    found: list[dict[str, Any]] = []
    for row in rows:
        usd = None if row.cost_usd is None else float(row.cost_usd)
        tx.execute(
            t.annotation.update()
            .where(a.id == row.id)
            .values(judged_run_id=row.run_id, judged_predictor=row.predictor_sha256, judged_usd=usd)
        )
        if not row.counts:
            continue
        said = Answers.model_validate(row.said) if row.said is not None else None
        found += [
            {
                "annotation_id": row.id, "project_id": project_id, "author_id": row.author_id, "arm": row.arm,
                "run_id": row.run_id, "predictor_sha256": row.predictor_sha256, **verdict.model_dump(),
            }
            for verdict in judge(said, Answers.model_validate(row.answers), truth)
        ]  # fmt: skip
    if found:
        tx.execute(t.verdict.insert(), found)


def verdicts(tx: Tx, project_id: int, run_id: int | None = None) -> list[Any]:
    """Sums of verdicts by run, predictor, person, arm, question and label."""
    v = t.verdict.c
    keys = (v.run_id, v.predictor_sha256, v.author_id, v.arm, v.question, v.label)
    sums = [sa.func.sum(column).label(column.name) for column in (v.accepted, v.corrected, v.rejected, v.added, v.final, v.correct)]  # fmt: skip
    query = sa.select(*keys, *sums).where(v.project_id == project_id).group_by(*keys)
    return list(tx.execute(query if run_id is None else query.where(v.run_id == run_id)))


def effort(tx: Tx, project_id: int, run_id: int | None = None) -> list[Any]:
    """Sums of people's time by run, predictor, person and arm, over all submissions; and what the judged assets cost."""
    a = t.annotation.c
    keys = (a.judged_run_id.label("run_id"), a.judged_predictor.label("predictor_sha256"), a.author_id, a.arm)
    judged = sa.and_(a.counts.is_(True), a.judged_predictor.is_not(None))
    priced = sa.and_(judged, a.judged_usd.is_not(None))
    sums = {
        "timed": sa.case((a.active_ms > 0, 1), else_=0), "active_ms": a.active_ms, "idle_ms": a.idle_ms,
        "wait_ms": a.wait_ms, "judged": sa.case((judged, 1), else_=0), "priced": sa.case((priced, 1), else_=0),
        "judged_usd": sa.case((judged, a.judged_usd), else_=0.0),
    }  # fmt: skip
    query = (
        sa.select(
            *keys,
            sa.func.count().label("submissions"),
            *(sa.func.sum(x).label(name) for name, x in sums.items()),
        )
        .where(a.project_id == project_id)
        .group_by(a.judged_run_id, a.judged_predictor, a.author_id, a.arm)
    )
    return list(tx.execute(query if run_id is None else query.where(a.judged_run_id == run_id)))


def run_costs(tx: Tx, project_id: int) -> list[Any]:
    """Every run with its predictor's title, kind and cost."""
    r = t.run.c
    return list(
        tx.execute(
            sa.select(r.id, r.kind, r.batch, r.done, r.cost_usd, r.predictor_sha256, t.predictor.c.title)
            .join(t.predictor, t.predictor.c.sha256 == r.predictor_sha256)
            .where(r.project_id == project_id)
            .order_by(r.id)
        )
    )


def predictors(tx: Tx, hashes: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """(title, whether its answers were imported, so that nobody knows what they cost) of predictors by hash."""
    rows = tx.execute(
        sa.select(t.predictor.c.sha256, t.predictor.c.title, t.predictor.c.body).where(
            t.predictor.c.sha256.in_(list(hashes))
        )
    )
    return {row.sha256: (row.title, row.body["engine"]["kind"] == "imported") for row in rows}


def made(tx: Tx, project_id: int) -> tuple[list[Made], int]:
    """(newest submissions of the experiment, how many of the newest were left out because their person still learned)."""
    a = t.annotation.c
    mine = (a.project_id == project_id, a.counts.is_(True))
    nth = sa.func.row_number().over(partition_by=a.author_id, order_by=a.seq).label("nth")
    ranked = sa.select(a.author_id, a.seq, nth).where(*mine).subquery()
    learned = {
        row.author_id: row.seq
        for row in tx.execute(sa.select(ranked.c.author_id, ranked.c.seq).where(ranked.c.nth == WARM_UP))
    }
    newest = tx.execute(
        sa.select(a.id, a.asset_id, a.author_id, a.arm, a.answers, a.seq)
        .where(*mine, a.arm.is_not(None))
        .order_by(a.seq.desc())
        .limit(MOST_ROWS)
    ).all()
    rows = [row for row in newest if row.author_id in learned and row.seq > learned[row.author_id]]
    found: list[Made] = []
    for start in range(0, len(rows), 500):
        part = rows[start : start + 500]
        assets = [row.asset_id for row in part]
        visits = {
            (row.asset_id, row.author_id): int(row.active_ms)
            for row in tx.execute(
                sa.select(a.asset_id, a.author_id, sa.func.sum(a.active_ms).label("active_ms"))
                .where(a.asset_id.in_(assets))
                .group_by(a.asset_id, a.author_id)
            )
        }
        gold = {
            row.asset_id: Answers.model_validate(row.answers)
            for row in tx.execute(
                sa.select(t.gold.c.asset_id, t.gold.c.answers).where(t.gold.c.asset_id.in_(assets))
            )
        }
        v = t.verdict.c
        said = {
            row.annotation_id: (int(row.accepted), int(row.said))
            for row in tx.execute(
                sa.select(
                    v.annotation_id,
                    sa.func.sum(v.accepted).label("accepted"),
                    sa.func.sum(v.accepted + v.corrected + v.rejected).label("said"),
                )
                .where(v.annotation_id.in_([row.id for row in part]))
                .group_by(v.annotation_id)
            )
        }
        for row in part:
            active_ms = visits[row.asset_id, row.author_id]
            found.append(_made(row, active_ms, gold.get(row.asset_id), *said.get(row.id, (0, 0))))
    return found[::-1], len(newest) - len(rows)


def _made(row: Any, active_ms: int, gold: Answers | None, accepted: int, said: int) -> Made:
    given = Answers.model_validate(row.answers)
    right: float | None = None
    if gold is not None:
        against = judge(gold, given)
        things = sum(v.accepted + v.corrected + v.rejected for v in against)
        right = sum(v.accepted for v in against) / things if things else None
    labels = tuple(sorted({f"{v.question}/{v.label}" for v in judge(None, given) if v.label}))
    return Made(
        arm=row.arm, person=row.author_id, active_s=active_ms / 1000, right=right,
        agrees=accepted / said if said else None, labels=labels,
    )  # fmt: skip
