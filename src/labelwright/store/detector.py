"""Detectors as they were added, and what their runs left out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.detector import Detector, DetectorSpec, Signature
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id


def _detector(row: Any) -> Detector:
    return Detector(
        id=row.id,
        name=row.name,
        model_sha256=row.model_sha256,
        size_bytes=row.size_bytes,
        spec=DetectorSpec.model_validate(row.spec),
        signature=Signature.model_validate(row.signature),
        created_at=row.created_at,
    )


def add(
    tx: Tx, model_sha256: str, size_bytes: int, spec: DetectorSpec, signature: Signature, user_id: int, at: datetime
) -> int:  # fmt: skip
    """Store a detector; returns its id."""
    row = {
        "name": spec.name, "model_sha256": model_sha256, "size_bytes": size_bytes,
        "spec": spec.model_dump(mode="json"), "signature": signature.model_dump(mode="json"),
        "created_by": user_id, "created_at": at,
    }  # fmt: skip
    return inserted_id(tx.execute(t.detector.insert().values(row)))


def get(tx: Tx, detector_id: int) -> Detector | None:
    """One that was not removed."""
    c = t.detector.c
    row = tx.execute(sa.select(t.detector).where(c.id == detector_id, c.removed_at.is_(None))).one_or_none()
    return None if row is None else _detector(row)


def every(tx: Tx) -> list[Detector]:
    """All that were not removed, by name."""
    query = sa.select(t.detector).where(t.detector.c.removed_at.is_(None))
    return [_detector(row) for row in tx.execute(query.order_by(t.detector.c.name, t.detector.c.id))]


def remove(tx: Tx, detector_id: int, at: datetime) -> None:
    """Take a detector out of use; the row stays, since predictions name it."""
    tx.execute(t.detector.update().where(t.detector.c.id == detector_id).values(removed_at=at))


def is_file_used(tx: Tx, sha256: str) -> bool:
    """Whether a detector in use or an upload still needs this model file."""
    c = t.detector.c
    in_use = sa.select(c.id).where(c.model_sha256 == sha256, c.removed_at.is_(None))
    uploaded = sa.select(t.upload.c.id).where(t.upload.c.blob == sha256)
    return (
        tx.execute(in_use.limit(1)).first() is not None or tx.execute(uploaded.limit(1)).first() is not None
    )


def unfinished_run(tx: Tx, detector_id: int) -> int | None:
    """A run of this detector that has not ended, if there is one."""
    query = (
        sa.select(t.run.c.id)
        .join(t.predictor, t.predictor.c.sha256 == t.run.c.predictor_sha256)
        .where(
            t.run.c.state.in_(("queued", "running", "paused")),
            t.predictor.c.body["engine"]["kind"].as_string() == "detector",
            t.predictor.c.body["engine"]["detector_id"].as_integer() == detector_id,
        )
    )
    found = tx.execute(query.limit(1)).scalar()
    return None if found is None else int(found)


def leave_out(tx: Tx, run_id: int, counts: Mapping[str, int]) -> None:
    """Add to how many objects of which class a run left out because no label has its name."""
    if not counts:
        return
    options = tx.execute(
        sa.select(t.run.c.options).where(t.run.c.id == run_id).with_for_update()
    ).scalar_one()
    so_far: dict[str, int] = dict(options.get("left_out", {}))
    for name, n in counts.items():
        so_far[name] = so_far.get(name, 0) + n
    tx.execute(t.run.update().where(t.run.c.id == run_id).values(options=options | {"left_out": so_far}))
