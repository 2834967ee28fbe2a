"""Pages of assets by filter, for the data table. Columns and orders come from a closed list."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from labelwright.core.answer import Answers
from labelwright.core.errors import Invalid
from labelwright.core.flags import KINDS, mask_of
from labelwright.store import tables as t
from labelwright.store.db import Tx
from labelwright.store.picture import COLUMNS, OF_ASSET

CUT = 300


class Rows(NamedTuple):
    """Hot rows (with `cut`, the beginning of the text) and the cursor of the next page."""

    rows: list[Any]
    next: str | None


def conditions(tx: Tx, project_id: int, wanted: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """SQL for a filter: keys as in `flows.browse.Filter`, all of them together."""
    a = t.asset.c
    found: list[sa.ColumnElement[bool]] = [a.project_id == project_id]
    if "status" in wanted:
        found.append(a.status == wanted["status"])
    if "confidence_below" in wanted:
        found.append(a.confidence < wanted["confidence_below"])
    if "confidence_above" in wanted:
        found.append(a.confidence >= wanted["confidence_above"])
    if "asset_ids" in wanted:
        found.append(a.id.in_(wanted["asset_ids"]))
    if "batch" in wanted:
        found.append(a.batch == wanted["batch"])
    if "gold" in wanted:
        found.append(a.gold.is_(bool(wanted["gold"])))
    if "flag" in wanted:
        wanted_bits = mask_of(KINDS if wanted["flag"] == "any" else (wanted["flag"],))
        found.append(sa.func.coalesce(a.flags, 0).op("&")(wanted_bits) != 0)
    if wanted.get("text"):
        pattern = "%" + wanted["text"].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        found.append(
            sa.or_(
                t.asset_content.c.text.ilike(pattern, escape="\\"),
                a.external_id.ilike(pattern, escape="\\"),
                t.asset_content.c.file_name.ilike(pattern, escape="\\"),
            )
        )
    mine = [t.annotation.c.asset_id == a.id, t.annotation.c.counts.is_(True)]
    if "author_id" in wanted:
        found.append(sa.exists().where(*mine, t.annotation.c.author_id == wanted["author_id"]))
    if "model_vs_human" in wanted:
        changed = t.annotation.c.changed.is_(wanted["model_vs_human"] == "changed")
        found.append(sa.exists().where(*mine, t.annotation.c.prediction_id.is_not(None), changed))
    if "label" in wanted:
        # Ids are quoted in the JSON text and cannot contain quotes, so this finds whole ids only.
        pattern = f'%"{wanted["label"].replace("_", chr(92) + "_")}"%'
        by_person = sa.exists().where(
            *mine, sa.cast(t.annotation.c.answers, sa.Text).like(pattern, escape="\\")
        )
        by_model = sa.exists().where(
            t.prediction.c.id == a.prediction_id,
            sa.cast(t.prediction.c.answers, sa.Text).like(pattern, escape="\\"),
        )
        found.append(sa.case((a.annotations > 0, by_person), else_=by_model))
    return found


def page(
    tx: Tx, project_id: int, wanted: Mapping[str, Any], order: str, after: str | None, limit: int
) -> Rows:
    """A page by key.

    Raises:
        Invalid: The cursor is not one of ours.
    """
    a = t.asset.c
    query = (
        sa.select(t.asset, sa.func.substr(t.asset_content.c.text, 1, CUT).label("cut"), *COLUMNS)
        .join(t.asset_content, t.asset_content.c.asset_id == a.id)
        .outerjoin(t.picture, OF_ASSET)
        .where(*conditions(tx, project_id, wanted))
    )
    # Assets without a number come after all others, as if their confidence were 2.
    place: Any = sa.func.coalesce(a.confidence, 2.0)
    query = query.order_by(place, a.id) if order == "confidence" else query.order_by(a.id)
    if after is not None:
        try:
            at, last = after.split(":")
            key, last_id = float(at), int(last)
        except ValueError:
            raise Invalid(
                "bad_cursor", "the cursor is not one of this list", "start from the first page"
            ) from None
        if order == "confidence":
            query = query.where(sa.or_(place > key, sa.and_(place == key, a.id > last_id)))
        else:
            query = query.where(a.id > last_id)
    rows = list(tx.execute(query.limit(limit + 1)))
    if len(rows) <= limit:
        return Rows(rows, None)
    last_row = rows[limit - 1]
    confidence = 2.0 if last_row.confidence is None else last_row.confidence
    return Rows(rows[:limit], f"{confidence!r}:{last_row.id}")


def ids(tx: Tx, project_id: int, wanted: Mapping[str, Any], order: str, limit: int) -> list[int]:
    """Ids of a filter, in the order of the table."""
    a = t.asset.c
    query = (
        sa.select(a.id)
        .join(t.asset_content, t.asset_content.c.asset_id == a.id)
        .where(*conditions(tx, project_id, wanted))
    )
    place: Any = sa.func.coalesce(a.confidence, 2.0)
    query = query.order_by(place, a.id) if order == "confidence" else query.order_by(a.id)
    return list(tx.execute(query.limit(limit)).scalars())


def latest_answers(tx: Tx, asset_ids: Sequence[int]) -> dict[int, Answers]:
    """The newest submission that counts, by asset id."""
    rows = tx.execute(
        sa.select(t.annotation.c.asset_id, t.annotation.c.answers)
        .where(t.annotation.c.asset_id.in_(list(asset_ids)), t.annotation.c.counts.is_(True))
        .order_by(t.annotation.c.seq)
    )
    return {row.asset_id: Answers.model_validate(row.answers) for row in rows}
