"""Model endpoints: set up, change, probe. Keys go in and never come out."""

from pydantic import Field

from labelwright.core.project import Capabilities, Provider
from labelwright.core.value import Value
from labelwright.flows import models
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class ProbeWish(Value):
    """Which model to try; the first one the endpoint names when empty."""

    model: str = Field(default="", max_length=300)


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


@router.post("/providers/{provider_id}/probe")
def probe_provider(
    provider_id: int, actor: SignedIn, bench: Bench, body: ProbeWish | None = None
) -> Capabilities:
    """Find out what an endpoint can do, with one tiny request each."""
    return models.probe_provider(bench, actor, provider_id, body.model if body is not None else "")
