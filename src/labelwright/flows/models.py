"""Model endpoints: set up, change, probe. A key goes in and never comes out, and is bound to its address.

Hides who may do so, how keys are sealed, and how an endpoint is put together for the pool.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.problem import Problem
from labelwright.core.project import Capabilities, Project, Provider
from labelwright.core.value import Name, Value
from labelwright.providers import Endpoint, Privacy, probe
from labelwright.providers.privacy import host_of
from labelwright.store import history
from labelwright.store import provider as store
from labelwright.store import tables as t
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

_KEY_ENV = re.compile(r"^(LABELWRIGHT_[A-Z0-9_]{1,80}|[A-Z][A-Z0-9_]{0,80}_API_KEY)$")
_PROBE_TIMEOUT_S = 60.0


class ProviderInput(Value):
    """What a person sets; `key` is write-only."""

    name: Name
    base_url: str = Field(max_length=2_000)
    key: str = Field(default="", max_length=10_000)
    key_env: str = ""
    models: tuple[Name, ...] = Field(default=(), max_length=1_000)
    input_usd_per_mtok: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    output_usd_per_mtok: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    concurrency: int = Field(default=8, ge=1, le=512)
    timeout_s: float = Field(default=120.0, gt=0, le=3_600)


class ProviderChange(Value):
    """What to change; only the given fields do. `key`: "" forgets the stored key."""

    name: Name | None = None
    base_url: str | None = Field(default=None, max_length=2_000)
    key: str | None = Field(default=None, max_length=10_000)
    key_env: str | None = None
    models: tuple[Name, ...] | None = Field(default=None, max_length=1_000)
    input_usd_per_mtok: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    output_usd_per_mtok: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    concurrency: int | None = Field(default=None, ge=1, le=512)
    timeout_s: float | None = Field(default=None, gt=0, le=3_600)


def list_providers(workbench: Workbench, actor: Actor) -> list[Provider]:
    """All endpoints, by name; whether a key is stored, never the key."""
    with workbench.store.read() as tx:
        _guard(tx, actor)
        return store.every(tx)


def get_provider(workbench: Workbench, actor: Actor, provider_id: int) -> Provider:
    """One endpoint.

    Raises:
        NotFound: There is none with that id.
    """
    with workbench.store.read() as tx:
        _guard(tx, actor)
        return provider(tx, provider_id)


def add_provider(workbench: Workbench, actor: Actor, new: ProviderInput) -> Provider:
    """Set up an endpoint; nothing is sent to it yet.

    Raises:
        Invalid: The address or the name of the environment variable cannot be used.
        Conflict: The name is taken.
    """
    with workbench.store.write() as tx:
        _guard(tx, actor)
        return _add(tx, workbench, actor, new)


def _add(tx: Tx, workbench: Workbench, actor: Actor | None, new: ProviderInput) -> Provider:
    _check(actor, new.base_url, new.key_env, new.key)
    if store.named(tx, new.name) is not None:
        raise Conflict("name_taken", f"there is a provider named {new.name!r} already", "choose another name")
    made = Provider(id=0, **new.model_dump(exclude={"key"}))
    sealed = workbench.secrets.seal(new.key) if new.key else None
    provider_id = store.add(tx, made, sealed, workbench.now())
    _record(tx, workbench, actor, new.name, "added")
    return provider(tx, provider_id)


def change_provider(workbench: Workbench, actor: Actor, provider_id: int, change: ProviderChange) -> Provider:
    """Change an endpoint. Another address forgets the key, unless a new one is given with it.

    Raises:
        NotFound: There is none with that id.
        Invalid: The address or the name of the environment variable cannot be used.
        Conflict: The name is taken.
    """
    with workbench.store.write() as tx:
        _guard(tx, actor)
        before = store.get(tx, provider_id, lock=True)
        if before is None:
            raise NotFound("no_provider", f"there is no provider {provider_id}")
        changes: dict[str, Any] = {
            name: getattr(change, name) for name in change.model_fields_set if name not in ("key",)
        }
        for name in ("name", "base_url", "key_env", "models", "concurrency", "timeout_s"):
            # Prices may be set back to unknown; everything else needs a value.
            if changes.get(name, "") is None:
                del changes[name]
        moved = "base_url" in changes and changes["base_url"] != before.base_url
        if moved:
            changes.setdefault("key_env", "")
        after = Provider.model_validate(before.model_dump() | changes)
        _check(
            actor, after.base_url, after.key_env if after.key_env != before.key_env else "", change.key or ""
        )
        other = store.named(tx, after.name)
        if other is not None and other.id != provider_id:
            raise Conflict("name_taken", f"there is a provider named {after.name!r} already")
        store.change(tx, after)
        if change.key:
            store.set_key(tx, provider_id, workbench.secrets.seal(change.key))
        elif moved or change.key == "":
            store.set_key(tx, provider_id, None)
        if moved or change.key is not None:
            store.set_capabilities(tx, provider_id, None)
        _record(tx, workbench, actor, after.name, "moved" if moved else "changed")
        return provider(tx, provider_id)


def remove_provider(workbench: Workbench, actor: Actor, provider_id: int) -> None:
    """Forget an endpoint with its key; what it answered stays."""
    with workbench.store.write() as tx:
        _guard(tx, actor)
        found = provider(tx, provider_id)
        store.remove(tx, provider_id)
        _record(tx, workbench, actor, found.name, "removed")


def probe_provider(workbench: Workbench, actor: Actor, provider_id: int, model: str = "") -> Capabilities:
    """Ask an endpoint what it can do, and keep the answer.

    Raises:
        ProviderError: It cannot be reached, refuses the key, or has no model.
    """
    with workbench.store.read() as tx:
        _guard(tx, actor)
        found = provider(tx, provider_id)
        asked = endpoint(tx, workbench, found)
    asked = Endpoint(asked.base_url, asked.key, asked.concurrency, min(asked.timeout_s, _PROBE_TIMEOUT_S))
    wanted = model or next(iter(found.models), "")
    seen = probe(workbench.pool, asked, workbench.now(), privacy=Privacy(), model=wanted)
    with workbench.store.write() as tx:
        current = store.get(tx, provider_id, lock=True)
        if current is not None and current.base_url == found.base_url:
            store.set_capabilities(tx, provider_id, seen)
    return seen


def provider_from_environment(
    workbench: Workbench, environ: Mapping[str, str] = os.environ
) -> Provider | None:
    """Set up the endpoint that the environment names; called when the program starts.

    `LABELWRIGHT_MODEL_URL` is its address; `LABELWRIGHT_MODEL_API_KEY` holds its key and is read when it is used,
    never stored; `LABELWRIGHT_MODEL` names a model. An endpoint named "environment" is made or brought up to date.

    Raises:
        Invalid: The address cannot be used.
    """
    url = environ.get("LABELWRIGHT_MODEL_URL", "").strip()
    if not url:
        return None
    model = environ.get("LABELWRIGHT_MODEL", "").strip()
    wanted = ProviderInput(
        name="environment",
        base_url=url,
        key_env="LABELWRIGHT_MODEL_API_KEY" if environ.get("LABELWRIGHT_MODEL_API_KEY") else "",
        models=(model,) if model else (),
    )
    with workbench.store.write() as tx:
        before = store.named(tx, wanted.name)
        if before is None:
            return _add(tx, workbench, None, wanted)
        host_of(url)
        same = {"base_url": url, "key_env": wanted.key_env}
        after = before.model_copy(update=same | ({"models": wanted.models} if model else {}))
        if after != before:
            store.change(tx, after)
            if url != before.base_url:
                store.set_key(tx, before.id, None)
                store.set_capabilities(tx, before.id, None)
        return provider(tx, before.id)


# --- for other flows ------------------------------------------------------------------------------------------------


def provider(tx: Tx, provider_id: int) -> Provider:
    """The endpoint with this id.

    Raises:
        NotFound: There is none.
    """
    found = store.get(tx, provider_id)
    if found is None:
        raise NotFound("no_provider", f"there is no provider {provider_id}", "set one up in the settings")
    return found


def endpoint(tx: Tx, workbench: Workbench, of: Provider) -> Endpoint:
    """The endpoint with its key, ready for the pool.

    Raises:
        LabelwrightError: The stored key was sealed with another key file.
    """
    sealed = store.sealed_key(tx, of.id)
    key = os.environ.get(of.key_env, "") if of.key_env else ""
    if not key and sealed is not None:
        key = workbench.secrets.open(sealed)
    return Endpoint(of.base_url, key.strip(), of.concurrency, of.timeout_s, of.capabilities)


def privacy_of(project: Project) -> Privacy:
    """What the project allows."""
    return Privacy(project.settings.private, project.settings.allowed_hosts)


def _guard(tx: Tx, actor: Actor) -> None:
    """Administrators, and managers of at least one project.

    Raises:
        NotAllowed: Anybody else.
    """
    if actor.is_admin:
        return
    c = t.member.c
    if (
        tx.execute(
            sa.select(c.user_id).where(c.user_id == actor.user_id, c.role == "manager").limit(1)
        ).first()
        is None
    ):
        raise NotAllowed(
            "role", "only project managers see and change model providers", "ask a project manager"
        )


def _check(actor: Actor | None, base_url: str, key_env: str, key: str) -> None:
    host_of(base_url)
    if key and not all(33 <= ord(c) < 127 for c in key):
        raise Invalid("bad_key", "the key has characters that no key has", "copy it again, without blanks")
    if not key_env:
        return
    if not _KEY_ENV.match(key_env):
        # Otherwise a manager could have any secret of the server's environment sent to an address of their choice.
        raise Invalid(
            "bad_key_env", f"{key_env!r} cannot hold a model key here", "use a variable that ends with _API_KEY",
            [Problem(where="key_env", code="bad_key_env", message="must end with _API_KEY or begin with LABELWRIGHT_")],
        )  # fmt: skip
    if actor is not None and not actor.is_admin:
        raise NotAllowed("admin_only", "only an administrator may use a key of the server's environment")


def _record(tx: Tx, workbench: Workbench, actor: Actor | None, name: str, what: str) -> None:
    user_id = actor.user_id if actor is not None else None
    history.record(
        tx, workbench.now(), "provider_changed", user_id=user_id, body={"provider": name, "what": what}
    )
