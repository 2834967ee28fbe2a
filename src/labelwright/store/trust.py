"""What trusting a model rests on: its answers and their reviews, and the acceptances with the assets under them.

Local models are one predictor here: each training makes a new one, and reviews of the earlier ones tell about it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.ontology import ChoiceQuestion, Question, ScalarQuestion
from labelwright.core.queue import EVERYTHING
from labelwright.core.workflow import Facts, is_open, status
from labelwright.store import tables as t
from labelwright.store import work
from labelwright.store.asset import IS_UNFLAGGED, count, order_expression
from labelwright.store.db import Tx, inserted_id

LOCAL = "local"
"""Key of the local models of a project."""

_IS_LOCAL = t.predictor.c.title.like("local model (%")
_KEY = sa.case((_IS_LOCAL, LOCAL), else_=t.predictor.c.sha256)


def _of(key: str) -> sa.ColumnElement[bool]:
    """A prediction is by the predictor with this key."""
    if key != LOCAL:
        return t.prediction.c.predictor_sha256 == key
    return t.prediction.c.predictor_sha256.in_(sa.select(t.predictor.c.sha256).where(_IS_LOCAL))


def fingerprint(tx: Tx, project_id: int) -> tuple[Any, ...]:
    """Changes whenever a figure of trust may have changed."""
    last = tx.execute(sa.select(sa.func.max(t.event.c.id)).where(t.event.c.project_id == project_id)).scalar()
    counted = tx.execute(
        sa.select(t.counter.c.name, t.counter.c.n).where(t.counter.c.project_id == project_id)
    )
    return (last, *sorted((row.name, row.n) for row in counted))


def predictors(tx: Tx, project_id: int) -> list[tuple[str, str, int]]:
    """(key, title, current answers) of each predictor, most answers first."""
    a, p = t.asset.c, t.prediction.c
    rows = tx.execute(
        sa.select(p.predictor_sha256, sa.func.count().label("n"))
        .select_from(t.asset.join(t.prediction, p.id == a.prediction_id))
        .where(a.project_id == project_id)
        .group_by(p.predictor_sha256)
    ).all()
    known = tx.execute(
        sa.select(t.predictor.c.sha256, t.predictor.c.title, _KEY.label("key")).where(
            t.predictor.c.sha256.in_([row.predictor_sha256 for row in rows])
        )
    )
    names = {row.sha256: (row.key, "local model" if row.key == LOCAL else row.title) for row in known}
    total: dict[tuple[str, str], int] = {}
    for row in rows:
        total[names[row.predictor_sha256]] = total.get(names[row.predictor_sha256], 0) + row.n
    return sorted(
        ((key, title, n) for (key, title), n in total.items()), key=lambda each: (-each[2], each[0])
    )


def answers(tx: Tx, project_id: int, key: str, question: Question | None, *, whole: bool) -> list[Any]:
    """All current answers of a predictor by rising asset id: rows of `id`, `status`, `score`, `said`.

    `whole`: the score is that of the whole asset, and every asset counts; else that of the question, and only assets
    where it was answered. `said` is what shares are counted of: labels of a choice, the value of a yes / no; None else.
    """
    a, p = t.asset.c, t.prediction.c
    said: Any = sa.null()
    if isinstance(question, ChoiceQuestion):
        said = p.answers[(question.id, "labels")]
    elif isinstance(question, ScalarQuestion) and question.type == "boolean":
        said = p.answers[(question.id, "value")]
    query = (
        sa.select(a.id, a.status, said.label("said"))
        .select_from(t.asset.join(t.prediction, p.id == a.prediction_id))
        .where(a.project_id == project_id, _of(key))
        .order_by(a.id)
    )
    if whole or question is None:
        return list(tx.execute(query.add_columns(a.confidence.label("score"))))
    score: Any = p.confidence[(question.id, "value")].as_float()
    given = p.answers[(question.id, "kind")].as_string().is_not(None)
    return list(tx.execute(query.add_columns(score.label("score")).where(given)))


def reviews(tx: Tx, project_id: int, key: str) -> list[Any]:
    """Submissions that count and that were shown an answer of this predictor, oldest first."""
    n, p = t.annotation.c, t.prediction.c
    return list(
        tx.execute(
            sa.select(
                n.asset_id, n.drawn_above, n.model_right, n.answers.label("given"), p.answers.label("predicted"),
                p.confidence, p.lowest,
            )
            .join(t.prediction, p.id == n.prediction_id)
            .where(n.project_id == project_id, n.counts.is_(True), work.LOOKED_AT, _of(key))
            .order_by(n.seq)
        )
    )  # fmt: skip


# --- audits -------------------------------------------------------------------------------------------------------


def auditable(tx: Tx, project_id: int, key: str, above: float) -> list[int]:
    """Assets from this confidence on that nobody answered, set aside or drew for an audit; accepted ones too."""
    a = t.asset.c
    query = (
        sa.select(a.id)
        .select_from(t.asset.join(t.prediction, t.prediction.c.id == a.prediction_id))
        .where(
            a.project_id == project_id,
            a.status.in_(("predicted", "accepted")),
            a.audit_above.is_(None),
            _of(key),
        )
        .order_by(a.id)
    )
    if above != EVERYTHING:
        query = query.where(a.confidence >= above)
    return list(tx.execute(query).scalars())


def draw(tx: Tx, asset_ids: Sequence[int], above: float, *, first: bool, order: str, at: datetime) -> None:
    """Mark assets as drawn at random from this confidence on, and open them for people."""
    for chunk in _chunks(asset_ids):
        here = t.asset.c.id.in_(chunk)
        tx.execute(
            t.asset.update()
            .where(here)
            .values(audit_above=above, audit_first=first, open=True, updated_at=at)
        )
        tx.execute(t.asset.update().where(here).values(order_key=order_expression(order)))


def waiting_audits(tx: Tx, project_id: int) -> int:
    """Assets that were drawn to be audited first and nobody answered yet."""
    a = t.asset.c
    waits = [a.project_id == project_id, a.open.is_(True), a.order_key < 0, a.audit_first, a.annotations == 0]
    return int(tx.execute(sa.select(sa.func.count()).where(*waits)).scalar_one())


def drop_audits(tx: Tx, project_id: int, order: str) -> int:
    """Give unanswered audits that were to come first back to the order they had; returns how many."""
    a = t.asset.c
    ids = list(
        tx.execute(
            sa.select(a.id).where(
                a.project_id == project_id,
                a.open.is_(True),
                a.order_key < 0,
                a.audit_first,
                a.annotations == 0,
            )
        ).scalars()
    )
    for chunk in _chunks(ids):
        here = a.id.in_(chunk)
        tx.execute(
            t.asset.update()
            .where(here)
            .values(audit_above=None, audit_first=False, open=a.status != "accepted")
        )
        tx.execute(t.asset.update().where(here).values(order_key=order_expression(order)))
    return len(ids)


# --- acceptances --------------------------------------------------------------------------------------------------


def add_acceptance(tx: Tx, **columns: Any) -> int:
    """Store an acceptance; returns the id."""
    return inserted_id(tx.execute(t.acceptance.insert().values(**columns)))


def change_acceptance(tx: Tx, acceptance_id: int, **columns: Any) -> None:
    """Set columns of an acceptance."""
    tx.execute(t.acceptance.update().where(t.acceptance.c.id == acceptance_id).values(**columns))


def acceptances(tx: Tx, project_id: int, *, active: bool = False) -> list[Any]:
    """Rows of acceptances, newest first."""
    query = sa.select(t.acceptance).where(t.acceptance.c.project_id == project_id)
    if active:  # or broken: its assets still count
        query = query.where(t.acceptance.c.state.in_(("active", "broken")))
    return list(tx.execute(query.order_by(t.acceptance.c.id.desc()).limit(50)))


def acceptance(tx: Tx, acceptance_id: int) -> Any:
    """One row; None when there is none."""
    return tx.execute(sa.select(t.acceptance).where(t.acceptance.c.id == acceptance_id)).one_or_none()


def standing(tx: Tx, acceptance_id: int) -> int:
    """How many assets count as answered under an acceptance now."""
    a = t.asset.c
    found = sa.select(sa.func.count()).where(a.acceptance_id == acceptance_id, a.status == "accepted")
    return int(tx.execute(found).scalar_one())


def audits_above(tx: Tx, project_id: int, key: str, above: float) -> tuple[int, int]:
    """(random checks, wrong ones) that tell about answers from this confidence on; `core.trust.evidence` in SQL."""
    n, p = t.annotation.c, t.prediction.c
    newest = (
        sa.select(n.asset_id, sa.func.max(n.seq).label("seq"))
        .where(n.project_id == project_id, n.counts.is_(True))
        .group_by(n.asset_id)
        .subquery()
    )
    row = tx.execute(
        sa.select(sa.func.count(), sa.func.sum(sa.case((n.model_right.is_(False), 1), else_=0)))
        .join(t.prediction, p.id == n.prediction_id)
        .join(newest, sa.and_(newest.c.asset_id == n.asset_id, newest.c.seq == n.seq))
        .where(
            n.project_id == project_id,
            n.counts.is_(True),
            n.drawn_above <= above,
            p.lowest >= above,
            _of(key),
        )
    ).one()
    return int(row[0]), int(row[1] or 0)


def to_accept(tx: Tx, project_id: int, key: str, above: float, after: int, limit: int) -> list[Any]:
    """The next assets an acceptance covers, by rising id: rows of `id`, `audit_above`.

    Flagged ones, and those nobody looked at for flags, are left for people: their text may have chosen the answer.
    """
    a = t.asset.c
    return list(
        tx.execute(
            sa.select(a.id, a.audit_above)
            .select_from(t.asset.join(t.prediction, t.prediction.c.id == a.prediction_id))
            .where(
                a.project_id == project_id, a.status == "predicted", a.confidence >= above, a.id > after,
                IS_UNFLAGGED,
                _of(key),
            )
            .order_by(a.id)
            .limit(limit)
        )
    )  # fmt: skip


def accept(
    tx: Tx,
    project_id: int,
    acceptance_id: int,
    asset_ids: Sequence[int],
    audited: Sequence[int],
    above: float,
    order: str,
    at: datetime,
) -> int:
    """Let the predictions of these assets count, unless people came first; returns how many.

    Args:
        tx: A write transaction.
        project_id: Of what.
        acceptance_id: Under which acceptance.
        asset_ids: Candidates.
        audited: Those of them that stay open, to be audited.
        above: Where the audited ones were drawn from.
        order: Of the project's queue.
        at: Time of the change.
    """
    a = t.asset.c
    done = status(Facts(predicted=True, accepted=True))
    still = [a.id.in_(list(asset_ids)), a.status == "predicted"]
    tx.execute(
        t.asset.update()
        .where(*still, a.id.in_(list(audited)), a.audit_above.is_(None))
        .values(audit_above=above, audit_first=False)
    )
    changed = tx.execute(
        t.asset.update()
        .where(*still)
        .values(
            acceptance_id=acceptance_id, status=done, updated_at=at,
            open=sa.case((a.audit_above.is_not(None), is_open(done, audit=True)), else_=is_open(done)),
        )
    ).rowcount  # fmt: skip
    tx.execute(
        t.asset.update()
        .where(a.id.in_(list(audited)), a.acceptance_id == acceptance_id)
        .values(order_key=order_expression(order))
    )
    count(tx, project_id, {"predicted": -changed, done: changed})
    return int(changed)


def put_back(tx: Tx, project_id: int, acceptance_id: int, order: str, at: datetime, limit: int) -> int:
    """Undo an acceptance for up to `limit` assets; returns how many it found. Answers of people stay."""
    a = t.asset.c
    rows = tx.execute(
        sa.select(a.id, a.status).where(a.acceptance_id == acceptance_id).order_by(a.id).limit(limit)
        .with_for_update()
    ).all()  # fmt: skip
    waiting = [row.id for row in rows if row.status == "accepted"]
    tx.execute(
        t.asset.update().where(a.id.in_([row.id for row in rows])).values(acceptance_id=None, updated_at=at)
    )
    tx.execute(t.asset.update().where(a.id.in_(waiting), a.audit_first.is_(False)).values(audit_above=None))
    stage = status(Facts(predicted=True))
    tx.execute(t.asset.update().where(a.id.in_(waiting)).values(status=stage, open=is_open(stage)))
    tx.execute(t.asset.update().where(a.id.in_(waiting)).values(order_key=order_expression(order)))
    count(tx, project_id, {"accepted": -len(waiting), stage: len(waiting)})
    return len(rows)


def _chunks(ids: Sequence[int], size: int = 500) -> list[list[int]]:
    return [list(ids[i : i + size]) for i in range(0, len(ids), size)]
