"""Replies that may answer the same request again: kept per project, deflated, least recently used out first.

Hides what makes two requests the same. Only replies that were read well get in; errors never do.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from labelwright.core.exchange import Reply, Request, Usage
from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, upsert

CONTRACT = 1
"""Raised when what is asked changes in a way that the request itself does not show."""


class CacheSize(Value):
    """How much is kept.

    Attributes:
        hits: How often a reply was used again.
    """

    replies: int
    size_bytes: int
    hits: int


def key_of(base_url: str, request: Request) -> str:
    """SHA-256 of everything that decides the answer: address, model, messages, schema, decoding, contract."""
    body = request.model_dump(mode="json", exclude={"tag"})
    whole = {"contract": CONTRACT, "base_url": base_url.rstrip("/"), "request": body}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def may_repeat(request: Request) -> bool:
    """Whether the same answer is what the caller wants: nothing is drawn at random, or with a stated seed."""
    return request.temperature == 0 or request.seed is not None


def look(tx: Tx, project_id: int, keys: Sequence[str], at: datetime) -> dict[str, Reply]:
    """Kept replies by key; they cost nothing and took no time."""
    c = t.reply_cache.c
    here = sa.and_(c.project_id == project_id, c.sha256.in_(list(keys)))
    found = {
        row.sha256: Reply.model_validate_json(zlib.decompress(row.reply)).model_copy(update=_FREE)
        for row in tx.execute(sa.select(c.sha256, c.reply).where(here))
    }
    if found:
        tx.execute(t.reply_cache.update().where(here).values(hits=c.hits + 1, used_at=at))
    return found


_FREE = {
    "cached": True, "attempts": 0, "latency_s": 0.0,
    "usage": Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0, reasoning_tokens=0),
}  # fmt: skip


def put(tx: Tx, project_id: int, replies: Mapping[str, Reply], at: datetime) -> None:
    """Keep replies by key."""
    rows = []
    for key, reply in sorted(replies.items()):
        body = zlib.compress(reply.model_dump_json(exclude={"tag"}).encode(), 1)
        rows.append(
            {
                "project_id": project_id, "sha256": key, "reply": body, "size": len(body), "hits": 0,
                "created_at": at, "used_at": at,
            }
        )  # fmt: skip
    upsert(tx, t.reply_cache, rows, key=("project_id", "sha256"), replace=("reply", "size", "used_at"))


def trim(tx: Tx, limit_bytes: int) -> int:
    """Drop the least recently used until nine tenths of the limit are left, if it is passed; returns how many went."""
    c = t.reply_cache.c
    total = int(tx.execute(sa.select(sa.func.coalesce(sa.func.sum(c.size), 0))).scalar_one())
    if total <= limit_bytes:
        return 0
    dropped = 0
    oldest = sa.select(c.project_id, c.sha256, c.size).order_by(c.used_at, c.sha256).limit(1_000)
    while total > 0.9 * limit_bytes and (rows := tx.execute(oldest).all()):
        for row in rows:
            if total <= 0.9 * limit_bytes:
                break
            tx.execute(t.reply_cache.delete().where(c.project_id == row.project_id, c.sha256 == row.sha256))
            total -= row.size
            dropped += 1
    return dropped


def clear(tx: Tx, project_id: int | None) -> int:
    """Forget the replies of a project, or of all; returns how many."""
    query = t.reply_cache.delete()
    if project_id is not None:
        query = query.where(t.reply_cache.c.project_id == project_id)
    return int(tx.execute(query).rowcount)


def size(tx: Tx, project_id: int | None) -> CacheSize:
    """How much is kept of a project, or of all."""
    c = t.reply_cache.c
    query = sa.select(
        sa.func.count().label("n"), sa.func.coalesce(sa.func.sum(c.size), 0).label("size"),
        sa.func.coalesce(sa.func.sum(c.hits), 0).label("hits"),
    )  # fmt: skip
    row = tx.execute(query if project_id is None else query.where(c.project_id == project_id)).one()
    return CacheSize(replies=int(row.n), size_bytes=int(row.size), hits=int(row.hits))
