"""Model endpoints: set up, change, probe. A key goes in and never comes out, and is bound to its address.

Hides who may do so, how keys are sealed, and how an endpoint is put together for the pool.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.price import Price, price_of
from labelwright.core.problem import Problem
from labelwright.core.project import Capabilities, Project, Provider
from labelwright.core.value import Name, Value
from labelwright.providers import Endpoint, Privacy, probe
from labelwright.providers.price_list import read_prices
from labelwright.providers.privacy import host_of
from labelwright.store import history
from labelwright.store import provider as store
from labelwright.store import tables as t
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

_KEY_ENV = re.compile(r"^(LABELWRIGHT_[A-Z0-9_]{1,80}|[A-Z][A-Z0-9_]{0,80}_API_KEY)$")
_PROBE_TIMEOUT_S = 60.0
_TWO_PRICES = ("input_usd_per_mtok", "output_usd_per_mtok")
MOST_PRICES = 2_000


class ProviderInput(Value):
    """What a person sets; `key` is write-only. The two prices are short for a row `*` in `prices`."""

    name: Name
    base_url: str = Field(max_length=2_000)
    key: str = Field(default="", max_length=10_000)
    key_env: str = ""
    models: tuple[Name, ...] = Field(default=(), max_length=1_000)
    input_usd_per_mtok: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    output_usd_per_mtok: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    prices: tuple[Price, ...] = Field(default=(), max_length=MOST_PRICES)
    concurrency: int = Field(default=8, ge=1, le=512)
    requests_per_min: int | None = Field(default=None, ge=1, le=10_000_000)
    tokens_per_min: int | None = Field(default=None, ge=1, le=10_000_000_000)
    hedge: bool = False
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
    prices: tuple[Price, ...] | None = Field(default=None, max_length=MOST_PRICES)
    concurrency: int | None = Field(default=None, ge=1, le=512)
    requests_per_min: int | None = Field(default=None, ge=1, le=10_000_000)
    tokens_per_min: int | None = Field(default=None, ge=1, le=10_000_000_000)
    hedge: bool | None = None
    timeout_s: float | None = Field(default=None, gt=0, le=3_600)


def list_providers(workbench: Workbench, actor: Actor) -> list[Provider]:
    """All endpoints, by name; whether a key is stored, never the key."""
    with workbench.store.read() as tx:
        guard_models(tx, actor)
        return store.every(tx)


def get_provider(workbench: Workbench, actor: Actor, provider_id: int) -> Provider:
    """One endpoint.

    Raises:
        NotFound: There is none with that id.
    """
    with workbench.store.read() as tx:
        guard_models(tx, actor)
        return provider(tx, provider_id)


def add_provider(workbench: Workbench, actor: Actor, new: ProviderInput) -> Provider:
    """Set up an endpoint; nothing is sent to it yet.

    Raises:
        Invalid: The address or the name of the environment variable cannot be used.
        Conflict: The name is taken.
    """
    with workbench.store.write() as tx:
        guard_models(tx, actor)
        return _add(tx, workbench, actor, new)


def _add(tx: Tx, workbench: Workbench, actor: Actor | None, new: ProviderInput) -> Provider:
    _check(actor, new.base_url, new.key_env, new.key)
    if store.named(tx, new.name) is not None:
        raise Conflict("name_taken", f"there is a provider named {new.name!r} already", "choose another name")
    kept = new.model_dump(exclude={"key", *_TWO_PRICES})
    kept["prices"] = new.prices
    if new.input_usd_per_mtok is not None or new.output_usd_per_mtok is not None:
        kept["prices"] = _with_any(new.prices, new.input_usd_per_mtok, new.output_usd_per_mtok)
    made = Provider(id=0, **kept)
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
        guard_models(tx, actor)
        before = store.get(tx, provider_id, lock=True)
        if before is None:
            raise NotFound("no_provider", f"there is no provider {provider_id}")
        changes: dict[str, Any] = {
            name: getattr(change, name)
            for name in change.model_fields_set
            if name not in ("key", *_TWO_PRICES)
        }
        for name in ("name", "base_url", "key_env", "models", "prices", "concurrency", "timeout_s", "hedge"):
            # Limits may be set back to none; everything else needs a value.
            if changes.get(name, "") is None:
                del changes[name]
        moved = "base_url" in changes and changes["base_url"] != before.base_url
        if moved:
            changes.setdefault("key_env", "")
        if change.model_fields_set & set(_TWO_PRICES):
            given = {
                name: getattr(change if name in change.model_fields_set else before, name)
                for name in _TWO_PRICES
            }
            changes["prices"] = _with_any(changes.get("prices", before.prices), *given.values())
        after = Provider.model_validate(
            before.model_dump(exclude=set(Provider.model_computed_fields)) | changes
        )
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


class PriceImport(Value):
    """What a price list came to.

    Attributes:
        prices: The rows of the endpoint now.
        taken: How many the list gave or changed.
        problems: Rows that cannot be used.
    """

    prices: tuple[Price, ...]
    taken: int
    problems: tuple[Problem, ...]


def set_prices(workbench: Workbench, actor: Actor, provider_id: int, prices: Sequence[Price]) -> Provider:
    """Replace the price table of an endpoint.

    Raises:
        Invalid: Two rows for the same name and day.
    """
    keys = [(price.model.casefold(), price.valid_from) for price in prices]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(keys) <= MOST_PRICES else None
    if twice is not None:
        raise Invalid("price_twice", f"there are two prices for {twice[0]!r} from the same day", "remove one")
    return change_provider(workbench, actor, provider_id, ProviderChange(prices=tuple(prices)))


def import_prices(
    workbench: Workbench, actor: Actor, provider_id: int, text: str, only: Sequence[str] = ()
) -> PriceImport:
    """Take prices from a list: LiteLLM's JSON, or CSV with the columns of `Price`.

    Args:
        workbench: The windows to the world.
        actor: Who does it.
        provider_id: Where.
        text: The list.
        only: Names of models, with `*` and `?`; by default the models the endpoint is known to have.

    Raises:
        Invalid: The list cannot be read, or holds none of these models.
    """
    found = get_provider(workbench, actor, provider_id)
    known = (*found.models, *(found.capabilities.models if found.capabilities is not None else ()))
    patterns = [name.casefold() for name in (only or known or ("*",))]
    rows, problems = read_prices(text, _matcher(patterns, exact=not only and bool(known)))
    if not rows:
        why = problems[0].message if problems else f"it names none of {', '.join(patterns[:5])}"
        raise Invalid(
            "no_prices", f"no price could be taken from this list: {why}", "say which models", problems
        )
    taken = {(price.model.casefold(), price.valid_from): price for price in rows}
    kept = [price for price in found.prices if (price.model.casefold(), price.valid_from) not in taken]
    if len(kept) + len(rows) > MOST_PRICES:
        raise Invalid("too_many_prices", f"{len(rows):,} rows are too many", "say which models: only")
    after = change_provider(workbench, actor, provider_id, ProviderChange(prices=(*kept, *rows)))
    return PriceImport(prices=after.prices, taken=len(rows), problems=tuple(problems[:1_000]))


def _matcher(patterns: Sequence[str], *, exact: bool) -> Callable[[str], bool]:
    if exact:
        return lambda name: name.casefold() in patterns
    return lambda name: any(fnmatchcase(name.casefold(), pattern) for pattern in patterns)


def remove_provider(workbench: Workbench, actor: Actor, provider_id: int) -> None:
    """Forget an endpoint with its key; what it answered stays."""
    with workbench.store.write() as tx:
        guard_models(tx, actor)
        found = provider(tx, provider_id)
        store.remove(tx, provider_id)
        _record(tx, workbench, actor, found.name, "removed")


def probe_provider(workbench: Workbench, actor: Actor, provider_id: int, model: str = "") -> Capabilities:
    """Ask an endpoint what it can do, and keep the answer.

    Raises:
        ProviderError: It cannot be reached, refuses the key, or has no model.
    """
    with workbench.store.read() as tx:
        guard_models(tx, actor)
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


def price(of: Provider, model: str, workbench: Workbench) -> Price | None:
    """What a model costs today; None when nobody said."""
    return price_of(of.prices, model, workbench.now().date())


def endpoint(tx: Tx, workbench: Workbench, of: Provider) -> Endpoint:
    """The endpoint with its key, ready for the pool.

    Raises:
        LabelwrightError: The stored key was sealed with another key file.
    """
    sealed = store.sealed_key(tx, of.id)
    key = os.environ.get(of.key_env, "") if of.key_env else ""
    if not key and sealed is not None:
        key = workbench.secrets.open(sealed)
    return Endpoint(
        of.base_url, key.strip(), of.concurrency, of.timeout_s, of.capabilities,
        requests_per_min=of.requests_per_min, tokens_per_min=of.tokens_per_min, hedge=of.hedge,
    )  # fmt: skip


def _with_any(
    prices: Sequence[Price], input_usd: float | None, output_usd: float | None
) -> tuple[Price, ...]:
    """The rows, with these two prices as the row `*`; without them no such row."""
    others = tuple(price for price in prices if price.model != "*" or price.valid_from is not None)
    if input_usd is None and output_usd is None:
        return others
    if input_usd is None or output_usd is None:
        raise Invalid(
            "half_price", "one of the two prices is missing", "enter both, or neither: a cost needs both"
        )
    return (Price(input_usd_per_mtok=input_usd, output_usd_per_mtok=output_usd), *others)


def privacy_of(project: Project) -> Privacy:
    """What the project allows."""
    return Privacy(project.settings.private, project.settings.allowed_hosts)


def guard_models(tx: Tx, actor: Actor) -> None:
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
