"""Accounts, sign-ins and tokens. There is no default account and no default password."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from labelwright.core.access import Actor, Role
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound, SignInRequired
from labelwright.flows import guard
from labelwright.store import history
from labelwright.store import people as store
from labelwright.store.people import MemberRow, TokenRow
from labelwright.workbench import Workbench

SESSION_IDLE = timedelta(hours=12)
SESSION_LIFE = timedelta(days=30)
LINK_LIFE = timedelta(hours=24)
MIN_PASSWORD = 10

_hasher = PasswordHasher()
# Verified when the name is unknown, so that the answer takes as long as for a known one.
_NOBODY = _hasher.hash(secrets.token_hex(16))


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD or len(password) > 1_000:
        raise Invalid("weak_password", f"a password needs {MIN_PASSWORD} to 1000 characters")


def add_user(
    workbench: Workbench,
    name: str,
    *,
    display_name: str = "",
    password: str | None = None,
    is_admin: bool = False,
) -> Actor:
    """Add an account.

    Raises:
        Invalid: The name is empty or too long, or the password too short.
        Conflict: The name is taken.
    """
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise Invalid("bad_name", "a user name needs 1 to 200 printable characters")
    if password is not None:
        _check_password(password)
    password_hash = _hasher.hash(password) if password is not None else None
    with workbench.store.write() as tx:
        if store.by_name(tx, name) is not None:
            raise Conflict("name_taken", f"there is already a user {name!r}")
        user_id = store.add(tx, name, display_name, password_hash, is_admin=is_admin, at=workbench.now())
        found = store.by_id(tx, user_id)
    assert found is not None
    return found


def list_users(workbench: Workbench, actor: Actor) -> list[Actor]:
    """All accounts; for administrators, and for managers who add members."""
    with workbench.store.read() as tx:
        return store.all_people(tx)


def require_admin(actor: Actor) -> None:
    """Refuse anybody but a server administrator.

    Raises:
        NotAllowed: The actor is none.
    """
    if not actor.is_admin:
        raise NotAllowed("admin_only", "only a server administrator may do this")


def find_user_by_id(workbench: Workbench, actor: Actor, user_id: int) -> Actor:
    """The account with this id; for administrators.

    Raises:
        NotAllowed: The actor is no administrator.
        NotFound: There is none.
    """
    require_admin(actor)
    with workbench.store.read() as tx:
        found = store.by_id(tx, user_id)
    if found is None:
        raise NotFound("no_user", f"there is no user {user_id}")
    return found


def find_user(workbench: Workbench, name: str) -> Actor:
    """The account with this name.

    Raises:
        NotFound: There is none.
    """
    with workbench.store.read() as tx:
        found = store.by_name(tx, name)
    if found is None:
        raise NotFound("no_user", f"there is no user {name!r}")
    return found[0]


def first_user(workbench: Workbench) -> Actor | None:
    """The oldest administrator; None on a fresh installation."""
    with workbench.store.read() as tx:
        admins = [person for person in store.all_people(tx) if person.is_admin]
    return min(admins, key=lambda person: person.user_id, default=None)


def make_link(workbench: Workbench, user_id: int) -> str:
    """The secret of a one-time sign-in link, good for 24 hours."""
    secret = secrets.token_urlsafe(32)
    with workbench.store.write() as tx:
        store.add_link(tx, _sha256(secret), user_id, workbench.now() + LINK_LIFE)
    return secret


def sign_in_by_link(workbench: Workbench, secret: str, user_agent: str) -> tuple[Actor, str]:
    """(person, new cookie value); the link is used up.

    Raises:
        SignInRequired: The link is unknown, used or too old.
    """
    with workbench.store.write() as tx:
        person = store.use_link(tx, _sha256(secret), workbench.now())
        cookie = secrets.token_urlsafe(32)
        if person is not None:
            store.add_session(tx, _sha256(cookie), person.user_id, user_agent, workbench.now())
    if person is None:
        raise SignInRequired(
            "bad_link", "this sign-in link was used already or is too old",
            "run `labelwright user link NAME`, or start the workbench again, for a new one",
        )  # fmt: skip
    return person, cookie


def sign_in(workbench: Workbench, name: str, password: str, user_agent: str) -> tuple[Actor, str]:
    """(person, new cookie value).

    Raises:
        SignInRequired: Name or password is wrong; which of them is not said.
    """
    with workbench.store.read() as tx:
        found = store.by_name(tx, name.strip())
    known = found[1] if found is not None and found[1] is not None else _NOBODY
    try:
        right: bool = _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        right = False
    if not right or found is None:
        raise SignInRequired("wrong_password", "name or password is wrong")
    cookie = secrets.token_urlsafe(32)
    with workbench.store.write() as tx:
        store.add_session(tx, _sha256(cookie), found[0].user_id, user_agent, workbench.now())
    return found[0], cookie


def who_is(workbench: Workbench, *, cookie: str | None = None, token: str | None = None) -> Actor:
    """The signed-in person behind a cookie or an API token `lw_<id>_<secret>`.

    Raises:
        SignInRequired: Neither is valid.
    """
    if token is not None:
        return _by_token(workbench, token)
    if cookie:
        digest, now = _sha256(cookie), workbench.now()
        with workbench.store.read() as tx:
            found = store.session(tx, digest)
        if found is not None:
            person, since, seen = found
            if now - seen < SESSION_IDLE and now - since < SESSION_LIFE:
                if now - seen > timedelta(minutes=10):
                    with workbench.store.write() as tx:
                        store.touch_session(tx, digest, now)
                return person
    raise SignInRequired("sign_in", "please sign in", "use your password or a one-time link")


def _by_token(workbench: Workbench, token: str) -> Actor:
    parts = token.split("_", 2)
    if (
        len(parts) == 3
        and parts[0] == "lw"
        and parts[1].isascii()
        and parts[1].isdigit()
        and len(parts[1]) < 18
    ):
        now = workbench.now()
        with workbench.store.read() as tx:
            found = store.token(tx, int(parts[1]))
        if found is not None:
            person, digest, expires, used = found
            right = hmac.compare_digest(digest, _sha256(parts[2]))
            if right and (expires is None or expires > now):
                if used is None or now - used > timedelta(minutes=10):
                    with workbench.store.write() as tx:
                        store.touch_token(tx, int(parts[1]), now)
                return person
    raise SignInRequired(
        "bad_token", "this API token is unknown, revoked or expired", "make a new one in Settings"
    )


def sign_out(workbench: Workbench, cookie: str) -> None:
    """End this browser's session."""
    with workbench.store.write() as tx:
        store.end_session(tx, _sha256(cookie))


def set_password(workbench: Workbench, actor: Actor, new: str, *, current: str | None, cookie: str) -> None:
    """Set one's own password; every other browser is signed out.

    Raises:
        NotAllowed: There is a password already and `current` is not it.
        Invalid: The new one is too short.
    """
    _check_password(new)
    with workbench.store.read() as tx:
        stored = store.password_hash(tx, actor.user_id)
    if stored is not None:
        try:
            _hasher.verify(stored, current or "")
        except (VerificationError, InvalidHashError) as error:
            raise NotAllowed("wrong_password", "the current password is wrong") from error
    password_hash = _hasher.hash(new)
    with workbench.store.write() as tx:
        store.set_password(tx, actor.user_id, password_hash)
        store.end_other_sessions(tx, actor.user_id, _sha256(cookie))


def make_token(workbench: Workbench, actor: Actor, name: str, days: int | None) -> tuple[TokenRow, str]:
    """(token, its secret form `lw_<id>_<secret>`, shown this once)."""
    secret, now = secrets.token_urlsafe(32), workbench.now()
    expires = now + timedelta(days=days) if days is not None else None
    with workbench.store.write() as tx:
        token_id = store.add_token(tx, actor.user_id, name, _sha256(secret), expires, now)
    return TokenRow(id=token_id, name=name, created_at=now, expires_at=expires), f"lw_{token_id}_{secret}"


def list_tokens(workbench: Workbench, actor: Actor) -> list[TokenRow]:
    """One's own tokens."""
    with workbench.store.read() as tx:
        return store.tokens(tx, actor.user_id)


def revoke_token(workbench: Workbench, actor: Actor, token_id: int) -> None:
    """Revoke one's own token.

    Raises:
        NotFound: No such token of this person.
    """
    with workbench.store.write() as tx:
        if not store.delete_token(tx, actor.user_id, token_id):
            raise NotFound("no_token", f"you have no token {token_id}")


def list_members(workbench: Workbench, actor: Actor, project_id: int) -> list[MemberRow]:
    """Everybody in a project."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        return store.members(tx, project_id)


def set_member(workbench: Workbench, actor: Actor, project_id: int, user_id: int, role: Role | None) -> None:
    """Give a person a role in a project, or (None) end the membership.

    Raises:
        NotFound: No such person.
        Conflict: The project would be left without a manager.
    """
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "edit_members", lock=True)
        if store.by_id(tx, user_id) is None:
            raise NotFound("no_user", f"there is no user {user_id}")
        store.set_role(tx, project_id, user_id, role)
        if not any(member.role == "manager" for member in store.members(tx, project_id)):
            raise Conflict(
                "last_manager", "a project needs at least one manager", "make somebody else manager first"
            )
        history.record(
            tx, workbench.now(), "member_changed", project_id=project_id, user_id=actor.user_id,
            body={"member": user_id, "role": role},
        )  # fmt: skip
