"""Model endpoints and prompt templates as they were set up. Keys are kept sealed and only handed out for use."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from labelwright.core.project import Capabilities, PromptTemplate, Provider, TokenFactor
from labelwright.store import tables as t
from labelwright.store.db import Tx, inserted_id

_BESIDE_BODY = {"id", "name", "has_key", "capabilities"}


def _provider(row: Any) -> Provider:
    return Provider(
        id=row.id,
        name=row.name,
        has_key=row.sealed_key is not None,
        capabilities=None if row.capabilities is None else Capabilities.model_validate(row.capabilities),
        **row.body,
    )


def add(tx: Tx, new: Provider, sealed_key: str | None, at: datetime) -> int:
    """Store a provider; its id is given by the database and returned."""
    body = new.model_dump(mode="json", exclude=_BESIDE_BODY)
    return inserted_id(
        tx.execute(t.provider.insert().values(name=new.name, body=body, sealed_key=sealed_key, created_at=at))
    )


def get(tx: Tx, provider_id: int, *, lock: bool = False) -> Provider | None:
    """One provider."""
    query = sa.select(t.provider).where(t.provider.c.id == provider_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _provider(row)


def named(tx: Tx, name: str) -> Provider | None:
    """The provider with this name."""
    row = tx.execute(sa.select(t.provider).where(t.provider.c.name == name)).one_or_none()
    return None if row is None else _provider(row)


def every(tx: Tx) -> list[Provider]:
    """All providers, by name."""
    return [_provider(row) for row in tx.execute(sa.select(t.provider).order_by(t.provider.c.name))]


def sealed_key(tx: Tx, provider_id: int) -> str | None:
    """The stored key, sealed; None when there is none."""
    found = tx.execute(sa.select(t.provider.c.sealed_key).where(t.provider.c.id == provider_id)).scalar()
    return None if found is None else str(found)


def change(tx: Tx, changed: Provider) -> None:
    """Replace everything but the key and the capabilities."""
    body = changed.model_dump(mode="json", exclude=_BESIDE_BODY)
    tx.execute(t.provider.update().where(t.provider.c.id == changed.id).values(name=changed.name, body=body))


def set_key(tx: Tx, provider_id: int, sealed: str | None) -> None:
    """Store or forget the key."""
    tx.execute(t.provider.update().where(t.provider.c.id == provider_id).values(sealed_key=sealed))


def set_capabilities(tx: Tx, provider_id: int, found: Capabilities | None) -> None:
    """Store what a probe found, or forget it."""
    value = sa.null() if found is None else found.model_dump(mode="json")
    tx.execute(t.provider.update().where(t.provider.c.id == provider_id).values(capabilities=value))


def token_factor(tx: Tx, provider_id: int, model: str) -> TokenFactor:
    """What was learned about how this model counts; the start value when nothing was."""
    known = tx.execute(sa.select(t.provider.c.token_factors).where(t.provider.c.id == provider_id)).scalar()
    return TokenFactor.model_validate((known or {}).get(model, {}))


def set_token_factor(tx: Tx, provider_id: int, model: str, learned: TokenFactor) -> None:
    """Keep what was learned; of many models the newest hundred stay."""
    c = t.provider.c
    known = tx.execute(sa.select(c.token_factors).where(c.id == provider_id).with_for_update()).scalar() or {}
    known.pop(model, None)
    kept = dict(list(known.items())[-99:]) | {model: learned.model_dump(mode="json")}
    tx.execute(t.provider.update().where(c.id == provider_id).values(token_factors=kept))


def remove(tx: Tx, provider_id: int) -> None:
    """Forget a provider with its key; predictors that used it keep its address."""
    tx.execute(t.provider.delete().where(t.provider.c.id == provider_id))


# --- templates ----------------------------------------------------------------------------------------------------


def _template(row: Any) -> PromptTemplate:
    return PromptTemplate(
        version=row.version, name=row.name, system=row.system, user=row.user, created_at=row.created_at
    )


def template(tx: Tx, project_id: int, version: int) -> PromptTemplate | None:
    """One stored version; None for version 0, which is built in."""
    c = t.prompt_template.c
    row = tx.execute(
        sa.select(t.prompt_template).where(c.project_id == project_id, c.version == version)
    ).one_or_none()
    return None if row is None else _template(row)


def templates(tx: Tx, project_id: int) -> list[PromptTemplate]:
    """All stored versions, newest first."""
    c = t.prompt_template.c
    query = sa.select(t.prompt_template).where(c.project_id == project_id).order_by(c.version.desc())
    return [_template(row) for row in tx.execute(query)]


def add_template(tx: Tx, project_id: int, new: PromptTemplate, user_id: int, at: datetime) -> PromptTemplate:
    """Store the next version."""
    c = t.prompt_template.c
    last = tx.execute(sa.select(sa.func.max(c.version)).where(c.project_id == project_id)).scalar()
    version = int(last or 0) + 1
    tx.execute(
        t.prompt_template.insert().values(
            project_id=project_id, version=version, name=new.name, system=new.system, user=new.user,
            created_at=at, created_by=user_id,
        )
    )  # fmt: skip
    return new.model_copy(update={"version": version, "created_at": at})
