"""Sign-in, one's own account, API tokens, and the accounts of others."""

import threading
import time
from typing import Annotated

from fastapi import Request, Response
from pydantic import Field

from labelwright import __version__
from labelwright.core.access import Actor
from labelwright.core.errors import SignInRequired, TooManyAttempts
from labelwright.core.value import Name, Value
from labelwright.flows import people
from labelwright.server.edge import COOKIE, Bench, SignedIn, new_router
from labelwright.server.static import set_cookie
from labelwright.store.people import TokenRow

router = new_router()


class Health(Value):
    """Whether the server runs."""

    status: str
    version: str
    ui: bool


class Me(Value):
    """Who is signed in."""

    user: Actor
    version: str


class SignIn(Value):
    """Name and password."""

    name: Annotated[str, Field(max_length=200)]
    password: Annotated[str, Field(max_length=1000)]


class NewPassword(Value):
    """A password change."""

    new: Annotated[str, Field(max_length=1000)]
    current: Annotated[str, Field(max_length=1000)] | None = None


class NewToken(Value):
    """Wanted API token; `days` None for no expiry."""

    name: Name
    days: int | None = Field(default=None, ge=1, le=3650)


class TokenSecret(Value):
    """A new token with its secret, shown this once."""

    token: TokenRow
    secret: str


class NewUser(Value):
    """A wanted account."""

    name: Name
    display_name: str = Field(default="", max_length=200)
    password: Annotated[str, Field(max_length=1000)] | None = None
    is_admin: bool = False


class UserLink(Value):
    """A new account; `link` is a one-time sign-in path when no password was given."""

    user: Actor
    link: str | None = None


class Throttle:
    """Slows password guessing down: at most `n` failures per key in a window, kept in memory."""

    def __init__(self, n: int = 10, window_s: float = 300.0) -> None:
        """Allow `n` failures in `window_s` seconds."""
        self._n, self._window_s = n, window_s
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def check(self, key: str) -> None:
        """Refuse when this key failed too often.

        Raises:
            TooManyAttempts: It did.
        """
        with self._lock:
            recent = [at for at in self._failures.get(key, []) if time.monotonic() - at < self._window_s]
            self._failures[key] = recent
            if len(recent) >= self._n:
                raise TooManyAttempts("too_many_attempts", "too many failed sign-ins", "wait a few minutes")

    def failed(self, key: str) -> None:
        """Note a failure; the table is bounded."""
        with self._lock:
            if len(self._failures) > 10_000:
                self._failures.clear()
            self._failures.setdefault(key, []).append(time.monotonic())


_throttle = Throttle()


@router.get("/health")
def health(request: Request) -> Health:
    """Whether the server runs and which version it is."""
    return Health(status="ok", version=__version__, ui=bool(request.app.state.has_ui))


@router.post("/session")
def sign_in(request: Request, response: Response, bench: Bench, body: SignIn) -> Me:
    """Sign in with name and password; sets the session cookie."""
    keys = (f"name:{body.name.strip().lower()}", f"address:{request.client.host if request.client else ''}")
    for key in keys:
        _throttle.check(key)
    try:
        actor, cookie = people.sign_in(bench, body.name, body.password, request.headers.get("user-agent", ""))
    except SignInRequired:
        for key in keys:
            _throttle.failed(key)
        raise
    set_cookie(request, response, cookie)
    return Me(user=actor, version=__version__)


@router.delete("/session", status_code=204)
def sign_out(request: Request, response: Response, bench: Bench) -> None:
    """Sign this browser out."""
    cookie = request.cookies.get(COOKIE)
    if cookie:
        people.sign_out(bench, cookie)
    response.delete_cookie(COOKIE, path="/")


@router.get("/me")
def me(actor: SignedIn) -> Me:
    """Who is signed in."""
    return Me(user=actor, version=__version__)


@router.put("/me/password", status_code=204)
def set_password(request: Request, actor: SignedIn, bench: Bench, body: NewPassword) -> None:
    """Set one's own password; every other browser is signed out."""
    people.set_password(bench, actor, body.new, current=body.current, cookie=request.cookies.get(COOKIE, ""))


@router.get("/tokens")
def list_tokens(actor: SignedIn, bench: Bench) -> list[TokenRow]:
    """One's own API tokens, without their secrets."""
    return people.list_tokens(bench, actor)


@router.post("/tokens", status_code=201)
def make_token(actor: SignedIn, bench: Bench, body: NewToken) -> TokenSecret:
    """Make an API token; the secret is in this answer only."""
    token, secret = people.make_token(bench, actor, body.name, body.days)
    return TokenSecret(token=token, secret=secret)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(token_id: int, actor: SignedIn, bench: Bench) -> None:
    """Revoke one of one's own tokens."""
    people.revoke_token(bench, actor, token_id)


@router.get("/users")
def list_users(actor: SignedIn, bench: Bench) -> list[Actor]:
    """Accounts, to choose members from."""
    return people.list_users(bench, actor)


@router.post("/users", status_code=201)
def add_user(actor: SignedIn, bench: Bench, body: NewUser) -> UserLink:
    """Add an account (administrators only)."""
    people.require_admin(actor)
    user = people.add_user(
        bench, body.name, display_name=body.display_name, password=body.password, is_admin=body.is_admin
    )
    link = None if body.password is not None else f"/sign-in?link={people.make_link(bench, user.user_id)}"
    return UserLink(user=user, link=link)


@router.post("/users/{user_id}/link", status_code=201)
def make_sign_in_link(user_id: int, actor: SignedIn, bench: Bench) -> UserLink:
    """A new one-time sign-in link for a person who lost theirs or their password (administrators only)."""
    user = people.find_user_by_id(bench, actor, user_id)
    return UserLink(user=user, link=f"/sign-in?link={people.make_link(bench, user_id)}")
