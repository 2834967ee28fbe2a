"""Image contents: what is known of each, and the blobs that show it. One row per content, whatever project it is in."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa

from labelwright.core.asset import Picture
from labelwright.core.shape import Size
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert

COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    t.picture.c.width, t.picture.c.height, t.picture.c.format.label("picture_format"), t.picture.c.notes,
    t.picture.c.levels, t.asset_content.c.file_name,
)  # fmt: skip
"""What `picture_from` reads, beside an asset and its content."""

OF_ASSET = sa.and_(t.picture.c.sha256 == t.asset.c.sha256, t.asset.c.modality == "image")
"""Condition that joins an asset to its picture; to be used in an outer join, texts have none."""


def picture_from(row: Any) -> Picture | None:
    """The picture of a row with `COLUMNS`; None for a text, and where they were not read."""
    if getattr(row, "width", None) is None:
        return None
    return Picture(
        width=row.width, height=row.height, format=row.picture_format, file_name=row.file_name or "",
        notes=tuple(row.notes), levels=row.levels,
    )  # fmt: skip


def add(tx: Tx, sha256: str, picture: Picture, files: Mapping[str, str | None], at: datetime) -> None:
    """Remember an image content, unless it is known; see `add_many`."""
    add_many(tx, [(sha256, picture, files)], at)


def add_many(tx: Tx, found: Iterable[tuple[str, Picture, Mapping[str, str | None]]], at: datetime) -> None:
    """Remember image contents; those that are known stay as they are.

    Args:
        tx: A write transaction.
        found: SHA-256 of the original, what is known of it (its file name belongs to an asset and is left out), and the
            names of blobs: `display`, `preview`, `thumbnail`, and `tiles` (or None).
        at: Now.
    """
    rows = {
        sha256: {
            "sha256": sha256, "width": picture.width, "height": picture.height, "format": picture.format,
            "notes": list(picture.notes), "levels": picture.levels, "created_at": at, **files,
        }
        for sha256, picture, files in found
    }  # fmt: skip
    upsert(tx, t.picture, list(rows.values()), key=("sha256",))


def row(tx: Tx, sha256: str) -> Any:
    """The whole row of an image content; None when it is not known."""
    return tx.execute(_ROW, {"key": sha256}).one_or_none()


_ROW = sa.select(t.picture).where(t.picture.c.sha256 == sa.bindparam("key"))


def sizes(tx: Tx, asset_ids: Sequence[int]) -> dict[int, Size]:
    """Asset id -> (width, height), of those that are images."""
    rows = tx.execute(
        sa.select(t.asset.c.id, t.picture.c.width, t.picture.c.height)
        .join(t.picture, OF_ASSET)
        .where(t.asset.c.id.in_(list(asset_ids)))
    )
    return {row.id: (row.width, row.height) for row in rows}


def by_name(tx: Tx, project_id: int, wanted: Sequence[str]) -> dict[str, int]:
    """Which image of a project a label file means, by the longest end of its path that only one image has.

    Args:
        tx: A transaction.
        project_id: Of the images.
        wanted: Paths, names, or names without their ending.
    """
    rows = tx.execute(
        sa.select(t.asset.c.id, t.asset.c.external_id, t.asset_content.c.file_name)
        .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
        .where(t.asset.c.project_id == project_id)
    )
    tails = {tail for name in wanted for tail in _tails(name)}
    found: dict[str, set[int]] = {}
    for row in rows:
        for tail in {
            each for name in (row.external_id, row.file_name) if name for each in _tails(name)
        } & tails:
            found.setdefault(tail, set()).add(row.id)
    chosen = {}
    for name in wanted:
        fits = next((found[tail] for tail in _tails(name) if tail in found), set())
        if len(fits) == 1:
            chosen[name] = min(fits)
    return chosen


def _tails(name: str) -> list[str]:
    """The ends of a path, longest first, each also without its file's ending."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    whole = ["/".join(parts[i:]) for i in range(len(parts))]
    return whole + [str(PurePosixPath(each).with_suffix("")) for each in whole]
