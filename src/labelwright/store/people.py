"""People, their sign-ins, tokens and memberships. Secrets are stored as hashes only."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from labelwright.core.access import Actor, Role
from labelwright.core.value import Value
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id, upsert


class TokenRow(Value):
    """An API token without its secret."""

    id: int
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None


class MemberRow(Value):
    """A person's role in a project."""

    user_id: int
    name: str
    display_name: str
    role: Role


def _actor(row: sa.Row[tuple[object, ...]]) -> Actor:
    return Actor(
        user_id=row.id,
        name=row.name,
        display_name=row.display_name,
        is_admin=row.is_admin,
        has_password=row.password_hash is not None,
    )


def add(
    tx: Tx, name: str, display_name: str, password_hash: str | None, *, is_admin: bool, at: datetime
) -> int:
    """Add a person; returns the id."""
    return inserted_id(
        tx.execute(
            t.user.insert().values(
                name=name,
                display_name=display_name,
                password_hash=password_hash,
                is_admin=is_admin,
                disabled=False,
                created_at=at,
            )
        )
    )


def by_name(tx: Tx, name: str) -> tuple[Actor, str | None] | None:
    """(person, password hash) of an enabled account."""
    row = tx.execute(
        sa.select(t.user).where(t.user.c.name == name, t.user.c.disabled.is_(False))
    ).one_or_none()
    return None if row is None else (_actor(row), row.password_hash)


def by_id(tx: Tx, user_id: int) -> Actor | None:
    """An enabled account."""
    row = tx.execute(
        sa.select(t.user).where(t.user.c.id == user_id, t.user.c.disabled.is_(False))
    ).one_or_none()
    return None if row is None else _actor(row)


def all_people(tx: Tx) -> list[Actor]:
    """Every enabled account, by name."""
    return [
        _actor(row)
        for row in tx.execute(sa.select(t.user).where(t.user.c.disabled.is_(False)).order_by(t.user.c.name))
    ]


def display_names(tx: Tx, user_ids: Sequence[int]) -> dict[int, str]:
    """What to call these people."""
    rows = tx.execute(
        sa.select(t.user.c.id, t.user.c.name, t.user.c.display_name).where(t.user.c.id.in_(user_ids))
    )
    return {row.id: row.display_name or row.name for row in rows}


def set_password(tx: Tx, user_id: int, password_hash: str) -> None:
    """Store a new password hash."""
    tx.execute(t.user.update().where(t.user.c.id == user_id).values(password_hash=password_hash))


def password_hash(tx: Tx, user_id: int) -> str | None:
    """The stored hash."""
    return tx.execute(sa.select(t.user.c.password_hash).where(t.user.c.id == user_id)).scalar()


# --- sign-ins ---------------------------------------------------------------------------------------------------


def add_session(tx: Tx, token_sha256: str, user_id: int, user_agent: str, at: datetime) -> None:
    """Remember a signed-in browser."""
    tx.execute(
        t.session.insert().values(
            token_sha256=token_sha256, user_id=user_id, created_at=at, seen_at=at, user_agent=user_agent[:300]
        )
    )


def session(tx: Tx, token_sha256: str) -> tuple[Actor, datetime, datetime] | None:
    """(person, created, last seen) of a signed-in browser."""
    row = tx.execute(_SESSION, {"key": token_sha256}).one_or_none()
    return None if row is None else (_actor(row), row.since, row.seen_at)


# Statements of every request are built once: building one costs more than running it.
_SESSION = (
    sa.select(t.user, t.session.c.created_at.label("since"), t.session.c.seen_at)
    .join(t.session, t.session.c.user_id == t.user.c.id)
    .where(t.session.c.token_sha256 == sa.bindparam("key"), t.user.c.disabled.is_(False))
)


def touch_session(tx: Tx, token_sha256: str, at: datetime) -> None:
    """Note that the browser was seen."""
    tx.execute(t.session.update().where(t.session.c.token_sha256 == token_sha256).values(seen_at=at))


def end_session(tx: Tx, token_sha256: str) -> None:
    """Sign one browser out."""
    tx.execute(t.session.delete().where(t.session.c.token_sha256 == token_sha256))


def end_other_sessions(tx: Tx, user_id: int, keep_sha256: str) -> None:
    """Sign all other browsers of a person out."""
    tx.execute(
        t.session.delete().where(t.session.c.user_id == user_id, t.session.c.token_sha256 != keep_sha256)
    )


def add_link(tx: Tx, token_sha256: str, user_id: int, expires_at: datetime) -> None:
    """Remember a one-time sign-in link."""
    tx.execute(
        t.sign_in_link.insert().values(token_sha256=token_sha256, user_id=user_id, expires_at=expires_at)
    )


def use_link(tx: Tx, token_sha256: str, at: datetime) -> Actor | None:
    """Use up a link; the person it was for, or None when it is unknown, used or too old."""
    row = tx.execute(
        sa.select(t.sign_in_link).where(t.sign_in_link.c.token_sha256 == token_sha256)
    ).one_or_none()
    tx.execute(t.sign_in_link.delete().where(t.sign_in_link.c.token_sha256 == token_sha256))
    return by_id(tx, row.user_id) if row is not None and row.expires_at > at else None


# --- tokens -----------------------------------------------------------------------------------------------------


def add_token(
    tx: Tx, user_id: int, name: str, secret_sha256: str, expires_at: datetime | None, at: datetime
) -> int:
    """Remember an API token by the hash of its secret; returns the id."""
    return inserted_id(
        tx.execute(
            t.token.insert().values(
                user_id=user_id, name=name, secret_sha256=secret_sha256, expires_at=expires_at, created_at=at
            )
        )
    )


def tokens(tx: Tx, user_id: int) -> list[TokenRow]:
    """A person's tokens."""
    rows = tx.execute(
        sa.select(t.token.c.id, t.token.c.name, t.token.c.created_at, t.token.c.expires_at, t.token.c.used_at)
        .where(t.token.c.user_id == user_id)
        .order_by(t.token.c.id)
    )
    return [TokenRow(**row._mapping) for row in rows]


def token(tx: Tx, token_id: int) -> tuple[Actor, str, datetime | None, datetime | None] | None:
    """(person, secret hash, expiry, last use) of a token."""
    row = tx.execute(_TOKEN, {"key": token_id}).one_or_none()
    return None if row is None else (_actor(row), row.secret_sha256, row.expires_at, row.used_at)


_TOKEN = (
    sa.select(t.user, t.token.c.secret_sha256, t.token.c.expires_at, t.token.c.used_at)
    .join(t.token, t.token.c.user_id == t.user.c.id)
    .where(t.token.c.id == sa.bindparam("key"), t.user.c.disabled.is_(False))
)


def touch_token(tx: Tx, token_id: int, at: datetime) -> None:
    """Note that the token was used."""
    tx.execute(t.token.update().where(t.token.c.id == token_id).values(used_at=at))


def delete_token(tx: Tx, user_id: int, token_id: int) -> bool:
    """Revoke a token; False when the person has no such token."""
    gone = tx.execute(t.token.delete().where(t.token.c.id == token_id, t.token.c.user_id == user_id))
    return bool(gone.rowcount)


# --- memberships ------------------------------------------------------------------------------------------------


def role(tx: Tx, project_id: int, user_id: int) -> Role | None:
    """A person's role in a project."""
    return tx.execute(_ROLE, {"project": project_id, "user": user_id}).scalar()


_ROLE = sa.select(t.member.c.role).where(
    t.member.c.project_id == sa.bindparam("project"), t.member.c.user_id == sa.bindparam("user")
)


def set_role(tx: Tx, project_id: int, user_id: int, new: Role | None) -> None:
    """Give or (None) end a membership."""
    if new is None:
        tx.execute(
            t.member.delete().where(t.member.c.project_id == project_id, t.member.c.user_id == user_id)
        )
    else:
        upsert(
            tx,
            t.member,
            {"project_id": project_id, "user_id": user_id, "role": new},
            key=("project_id", "user_id"),
            replace=("role",),
        )


def members(tx: Tx, project_id: int) -> list[MemberRow]:
    """Everybody in a project, by name."""
    rows = tx.execute(
        sa.select(t.user.c.id.label("user_id"), t.user.c.name, t.user.c.display_name, t.member.c.role)
        .join(t.member, t.member.c.user_id == t.user.c.id)
        .where(t.member.c.project_id == project_id)
        .order_by(t.user.c.name)
    )
    return [MemberRow(**row._mapping) for row in rows]
