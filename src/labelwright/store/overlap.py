"""Pairs of answers to the same asset: a model's and people's, people's among themselves, and any against gold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from labelwright.core.answer import RegionAnswer
from labelwright.core.shape import Size
from labelwright.store import tables as t
from labelwright.store.db import Tx
from labelwright.store.picture import OF_ASSET

Between = Literal["model_people", "people", "model_gold", "people_gold"]
"""Which answers are compared; the second ones are taken as true."""

AT_ONCE = 200
"""Assets read at once."""


class Side(NamedTuple):
    """One of the two answers: who gave it, where it is stored, and the JSON of its answers.

    `key` is an annotation id, or empty for the current prediction and for gold.
    """

    by: Literal["model", "person", "gold"]
    key: str
    who: int | str | None
    answers: Mapping[str, Any]


class Pair(NamedTuple):
    """Two answers to one asset."""

    asset_id: int
    size: Size | None
    predicted: Side
    true: Side


def pairs(
    tx: Tx, project_id: int, between: Between, asset_ids: Sequence[int] | None = None
) -> Iterator[Pair]:
    """Every pair of answers of a project, or of some of its assets, in the order of the assets.

    The current prediction is compared with every submission that counts; people are compared two by two, the one of the
    higher user id as predicted. `who` is the predictor's hash, or the user's id.
    """
    a, wanted = t.asset.c, None if asset_ids is None else sorted(set(asset_ids))
    after = 0
    while True:
        query = (
            sa.select(a.id, a.prediction_id, t.picture.c.width, t.picture.c.height)
            .select_from(t.asset.outerjoin(t.picture, OF_ASSET))
            .where(a.project_id == project_id, a.id > after)
            .order_by(a.id)
            .limit(AT_ONCE)
        )
        if between in ("model_gold", "people_gold"):
            query = query.where(a.gold.is_(True))
        if between in ("model_people", "model_gold"):
            query = query.where(a.prediction_id.is_not(None))
        if between != "model_gold":
            query = query.where(a.annotations > 0)
        if wanted is not None:
            query = query.where(a.id.in_(wanted))
        rows = tx.execute(query).all()
        if not rows:
            return
        yield from _of(tx, between, rows)
        after = rows[-1].id


def _of(tx: Tx, between: Between, rows: Sequence[Any]) -> Iterator[Pair]:
    ids = [row.id for row in rows]
    said = _predictions(tx, [row.prediction_id for row in rows]) if between.startswith("model") else {}
    given = {} if between == "model_gold" else _annotations(tx, ids)
    trusted = _gold(tx, ids) if between.endswith("gold") else {}
    for row in rows:
        size = None if row.width is None else (row.width, row.height)
        people = given.get(row.id, [])
        if between == "people":
            left = [(one, other) for i, other in enumerate(people) for one in people[i + 1 :]]
        elif between == "model_people":
            left = [(said[row.id], person) for person in people if row.id in said]
        else:
            first = people if between == "people_gold" else [said[row.id]] if row.id in said else []
            left = [(one, trusted[row.id]) for one in first if row.id in trusted]
        for predicted, true in left:
            yield Pair(row.id, size, predicted, true)


def _predictions(tx: Tx, prediction_ids: Sequence[int]) -> dict[int, Side]:
    p = t.prediction.c
    rows = tx.execute(sa.select(p.asset_id, p.predictor_sha256, p.answers).where(p.id.in_(prediction_ids)))
    return {row.asset_id: Side("model", "", row.predictor_sha256, row.answers) for row in rows}


def _annotations(tx: Tx, asset_ids: Sequence[int]) -> dict[int, list[Side]]:
    n = t.annotation.c
    rows = tx.execute(
        sa.select(n.asset_id, n.id, n.author_id, n.answers)
        .where(n.asset_id.in_(asset_ids), n.counts.is_(True))
        .order_by(n.author_id)
    )
    found: dict[int, list[Side]] = {}
    for row in rows:
        found.setdefault(row.asset_id, []).append(Side("person", row.id, row.author_id, row.answers))
    return found


def _gold(tx: Tx, asset_ids: Sequence[int]) -> dict[int, Side]:
    rows = tx.execute(sa.select(t.gold.c.asset_id, t.gold.c.answers).where(t.gold.c.asset_id.in_(asset_ids)))
    return {row.asset_id: Side("gold", "", None, row.answers) for row in rows}


def regions(side: Side, question_id: str) -> RegionAnswer | None:
    """What one side marked for a question; None when it did not answer it."""
    body = side.answers.get(question_id)
    return None if body is None or body.get("kind") != "region" else RegionAnswer.model_validate(body)


def titles(tx: Tx) -> dict[str, str]:
    """Titles of predictors by their hash."""
    return {row.sha256: row.title for row in tx.execute(sa.select(t.predictor.c.sha256, t.predictor.c.title))}
