"""Bulk rows in, snapshot rows out: what imports and exports need of the database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.annotation import Annotation
from labelwright.core.answer import Answers, same_meaning
from labelwright.core.problem import Problem
from labelwright.core.transfer import Outgoing
from labelwright.store import table, work
from labelwright.store import tables as t
from labelwright.store.asset import asset_from
from labelwright.store.db import Tx
from labelwright.store.picture import COLUMNS, OF_ASSET


def add_upload(
    tx: Tx, upload_id: str, user_id: int, name: str, blob: str, size_bytes: int, at: datetime
) -> None:
    """Remember an uploaded file."""
    tx.execute(
        t.upload.insert().values(
            id=upload_id, user_id=user_id, name=name, blob=blob, size_bytes=size_bytes, created_at=at
        )
    )


def upload(tx: Tx, upload_id: str) -> Any:
    """The row of an upload; None when unknown."""
    return tx.execute(sa.select(t.upload).where(t.upload.c.id == upload_id)).one_or_none()


def new_asset_ids(tx: Tx, n: int) -> Sequence[int]:
    """`n` fresh asset ids, in rising order, in the caller's write transaction."""
    if tx.dialect.name == "postgresql":
        drawn = tx.execute(
            sa.text("SELECT nextval(pg_get_serial_sequence('asset', 'id')) FROM generate_series(1, :n)"),
            {"n": n},
        )
        return sorted(drawn.scalars())
    last = tx.execute(sa.select(sa.func.max(t.asset.c.id))).scalar() or 0
    return range(last + 1, last + 1 + n)


def known_by_external_id(tx: Tx, project_id: int, external_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """External id -> (asset id, content hash)."""
    rows = tx.execute(
        sa.select(t.asset.c.external_id, t.asset.c.id, t.asset.c.sha256).where(
            t.asset.c.project_id == project_id, t.asset.c.external_id.in_(list(external_ids))
        )
    )
    return {row.external_id: (row.id, row.sha256) for row in rows}


def known_by_content(tx: Tx, project_id: int, hashes: Sequence[str]) -> dict[str, int]:
    """Content hash -> id of the first asset with it."""
    rows = tx.execute(
        sa.select(t.asset.c.sha256, sa.func.min(t.asset.c.id).label("id"))
        .where(t.asset.c.project_id == project_id, t.asset.c.sha256.in_(list(hashes)))
        .group_by(t.asset.c.sha256)
    )
    return {row.sha256: row.id for row in rows}


def insert_assets(tx: Tx, rows: Sequence[Mapping[str, Any]], contents: Sequence[Mapping[str, Any]]) -> None:
    """Many assets with their contents."""
    if rows:
        tx.execute(t.asset.insert(), list(rows))
        tx.execute(t.asset_content.insert(), list(contents))


def set_gold(tx: Tx, project_id: int, asset_id: int, answers: Answers, at: datetime) -> bool:
    """Store trusted answers for an asset; returns whether it had none before."""
    known = tx.execute(sa.select(t.gold.c.asset_id).where(t.gold.c.asset_id == asset_id)).first() is not None
    body = answers.model_dump(mode="json")
    if known:
        tx.execute(t.gold.update().where(t.gold.c.asset_id == asset_id).values(answers=body))
    else:
        tx.execute(
            t.gold.insert().values(asset_id=asset_id, project_id=project_id, answers=body, created_at=at)
        )
        tx.execute(t.asset.update().where(t.asset.c.id == asset_id).values(gold=True))
    return not known


def gold_among(tx: Tx, asset_ids: Sequence[int]) -> set[int]:
    """Which of these have trusted answers."""
    rows = tx.execute(sa.select(t.gold.c.asset_id).where(t.gold.c.asset_id.in_(list(asset_ids))))
    return set(rows.scalars())


def drop_gold(tx: Tx, asset_ids: Sequence[int]) -> None:
    """Forget the trusted answers of these assets."""
    tx.execute(t.gold.delete().where(t.gold.c.asset_id.in_(list(asset_ids))))
    tx.execute(t.asset.update().where(t.asset.c.id.in_(list(asset_ids))).values(gold=False))


def add_problems(
    tx: Tx, job_id: int, problems: Iterable[Problem], kept: Mapping[Problem, str] | None = None
) -> None:
    """Keep the bad rows of an import; `kept` names the blobs with the bytes of those that have any."""
    rows = [
        {
            "job_id": job_id, "where": p.where[:700], "code": p.code[:60], "message": p.message,
            "blob": (kept or {}).get(p),
        }
        for p in problems
    ]  # fmt: skip
    if rows:
        tx.execute(t.import_problem.insert(), rows)


def problems(tx: Tx, job_id: int, after: int, limit: int) -> list[tuple[int, Problem]]:
    """(id, problem) of an import, in order, after the id `after`."""
    rows = tx.execute(
        sa.select(t.import_problem)
        .where(t.import_problem.c.job_id == job_id, t.import_problem.c.id > after)
        .order_by(t.import_problem.c.id)
        .limit(limit)
    )
    return [(row.id, Problem(where=row.where, code=row.code, message=row.message)) for row in rows]


def kept_of_problem(tx: Tx, job_id: int, problem_id: int) -> tuple[str, str] | None:
    """(blob, where) of a bad row whose bytes were kept."""
    row = tx.execute(
        sa.select(t.import_problem.c.blob, t.import_problem.c.where).where(
            t.import_problem.c.job_id == job_id, t.import_problem.c.id == problem_id
        )
    ).one_or_none()
    return None if row is None or row.blob is None else (row.blob, row.where)


def count(tx: Tx, project_id: int, wanted: Mapping[str, Any]) -> int:
    """How many assets a filter finds."""
    query = (
        sa.select(sa.func.count())
        .select_from(t.asset.join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id))
        .where(*table.conditions(tx, project_id, wanted))
    )
    return int(tx.execute(query).scalar_one())


def outgoing(
    tx: Tx,
    project_id: int,
    wanted: Mapping[str, Any],
    which: str,
    names: Mapping[int, str],
    chunk: int = 500,
    author_id: int | None = None,
) -> Iterator[Outgoing]:
    """Assets of a filter by id, with everything that is exported of them; memory stays that of one chunk.

    Args:
        tx: A read transaction: the snapshot of the export.
        project_id: Of what.
        wanted: Filter as for the table.
        which: `latest` or `majority`: whose answers a one-answer format writes.
        names: Author id -> name.
        chunk: Assets read at a time.
        author_id: Only what this person answered, as if nobody else had; None for everybody.
    """
    last = 0
    query = (
        sa.select(t.asset, t.asset_content.c.text, t.asset_content.c.metadata, *COLUMNS)
        .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
        .outerjoin(t.picture, OF_ASSET)
        .where(*table.conditions(tx, project_id, wanted))
        .order_by(t.asset.c.id)
        .limit(chunk)
    )
    while True:
        rows = tx.execute(query.where(t.asset.c.id > last)).all()
        if not rows:
            return
        last = rows[-1].id
        ids = [row.id for row in rows]
        predictions = work.current_predictions(tx, ids)
        annotations = work.current_for_assets(tx, ids, names)
        gold = {
            row.asset_id: Answers.model_validate(row.answers)
            for row in tx.execute(
                sa.select(t.gold.c.asset_id, t.gold.c.answers).where(t.gold.c.asset_id.in_(ids))
            )
        }
        for row in rows:
            mine = tuple(a for a in annotations.get(row.id, ()) if author_id in (None, a.author_id))
            if author_id is not None and not mine:
                continue
            prediction = predictions.get(row.id)
            chosen = _chosen(mine, which)
            yield Outgoing(
                asset=asset_from(row, row.text, row.metadata),
                annotations=mine,
                prediction=prediction,
                gold=gold.get(row.id),
                chosen=chosen if chosen is not None else prediction.answers if prediction else None,
                chosen_by="person" if chosen is not None else "model" if prediction else None,
                updated_at=row.updated_at,
            )


def _chosen(annotations: Sequence[Annotation], which: str) -> Answers | None:
    if not annotations:
        return None
    if which != "majority":
        return annotations[-1].answers
    # Per whole set of answers: the most frequent one, the later one where two are equally frequent. Nobody draws a box
    # twice with the same numbers, so what counts is whether two sets say the same.
    sets = [a.answers for a in annotations]
    votes = [sum(_same(one, other) for other in sets) for one in sets]
    best = max(range(len(sets)), key=lambda i: (votes[i], i))
    return sets[best]


def _same(one: Answers, other: Answers) -> bool:
    if one is other:
        return True
    return one.root.keys() == other.root.keys() and all(
        same_meaning(answer, other.get(question_id)) for question_id, answer in one.items()
    )


def _of_filter(tx: Tx, project_id: int, wanted: Mapping[str, Any]) -> Any:
    return (
        sa.select(t.asset.c.id)
        .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
        .where(*table.conditions(tx, project_id, wanted))
    )


def authors(tx: Tx, project_id: int, wanted: Mapping[str, Any]) -> dict[int, int]:
    """Who answered assets of a filter: author id -> how many of them."""
    rows = tx.execute(
        sa.select(t.annotation.c.author_id, sa.func.count())
        .where(
            t.annotation.c.asset_id.in_(_of_filter(tx, project_id, wanted)), t.annotation.c.counts.is_(True)
        )
        .group_by(t.annotation.c.author_id)
        .order_by(t.annotation.c.author_id)
    )
    return {int(author): int(n) for author, n in rows}


def unanswered(tx: Tx, project_id: int, wanted: Mapping[str, Any]) -> int:
    """How many assets of a filter no person answered."""
    answered = sa.select(t.annotation.c.asset_id).where(t.annotation.c.counts.is_(True))
    found = _of_filter(tx, project_id, wanted).where(t.asset.c.id.not_in(answered)).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(found)).scalar_one())
