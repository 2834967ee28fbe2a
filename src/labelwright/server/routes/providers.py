"""Model endpoints: set up, change, probe. Keys go in and never come out."""

from typing import Annotated

from fastapi import Body
from pydantic import Field

from labelwright.core.price import Price
from labelwright.core.project import Capabilities, Provider
from labelwright.core.value import Name, Value
from labelwright.flows import models
from labelwright.flows.models import MOST_PRICES
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class ProbeWish(Value):
    """Which model to try; the first one the endpoint names when empty."""

    model: str = Field(default="", max_length=300)


class PriceList(Value):
    """A price list as text; `only` names models (with `*`), by default those the endpoint is known to have."""

    text: str = Field(max_length=20_000_000)
    only: tuple[Name, ...] = Field(default=(), max_length=1_000)


@router.get("/providers")
def list_providers(actor: SignedIn, bench: Bench) -> list[Provider]:
    """All endpoints, by name."""
    return models.list_providers(bench, actor)


@router.post("/providers", status_code=201)
def add_provider(actor: SignedIn, bench: Bench, body: models.ProviderInput) -> Provider:
    """Set up an endpoint; nothing is sent to it yet."""
    return models.add_provider(bench, actor, body)


@router.get("/providers/{provider_id}")
def get_provider(provider_id: int, actor: SignedIn, bench: Bench) -> Provider:
    """One endpoint."""
    return models.get_provider(bench, actor, provider_id)


@router.patch("/providers/{provider_id}")
def change_provider(provider_id: int, actor: SignedIn, bench: Bench, body: models.ProviderChange) -> Provider:
    """Change an endpoint; another address forgets the key, unless a new one is given with it."""
    return models.change_provider(bench, actor, provider_id, body)


@router.delete("/providers/{provider_id}", status_code=204)
def remove_provider(provider_id: int, actor: SignedIn, bench: Bench) -> None:
    """Forget an endpoint and its key; what it answered stays."""
    models.remove_provider(bench, actor, provider_id)


@router.put("/providers/{provider_id}/prices")
def set_prices(
    provider_id: int, actor: SignedIn, bench: Bench, body: Annotated[list[Price], Body(max_length=MOST_PRICES)]
) -> Provider:  # fmt: skip
    """Replace the price table."""
    return models.set_prices(bench, actor, provider_id, body)


@router.post("/providers/{provider_id}/prices/import")
def import_prices(provider_id: int, actor: SignedIn, bench: Bench, body: PriceList) -> models.PriceImport:
    """Take prices from LiteLLM's JSON or from a CSV."""
    return models.import_prices(bench, actor, provider_id, body.text, body.only)


@router.post("/providers/{provider_id}/probe")
def probe_provider(
    provider_id: int, actor: SignedIn, bench: Bench, body: ProbeWish | None = None
) -> Capabilities:
    """Find out what an endpoint can do, with one tiny request each."""
    return models.probe_provider(bench, actor, provider_id, body.model if body is not None else "")
