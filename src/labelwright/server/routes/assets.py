"""The data table and everything about one asset."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from labelwright.flows import browse, bulk
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class PageWanted(browse.Filter):
    """A filter, an order, and where to go on."""

    order: browse.Order = "id"
    after: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=50, ge=1, le=500)

    @property
    def filter(self) -> browse.Filter:
        """The filter alone."""
        return browse.Filter(**self.model_dump(exclude={"order", "after", "limit"}))


@router.get("/projects/{project_id}/assets")
def list_assets(
    project_id: int, actor: SignedIn, bench: Bench, wanted: Annotated[PageWanted, Query()]
) -> browse.Page:
    """A page of the data table."""
    return browse.page(bench, actor, project_id, wanted.filter, wanted.order, wanted.after, wanted.limit)


class IdsWanted(browse.Filter):
    """A filter and an order."""

    order: browse.Order = "id"

    @property
    def filter(self) -> browse.Filter:
        """The filter alone."""
        return browse.Filter(**self.model_dump(exclude={"order"}))


@router.get("/projects/{project_id}/asset-ids")
def list_asset_ids(
    project_id: int, actor: SignedIn, bench: Bench, wanted: Annotated[IdsWanted, Query()]
) -> browse.Ids:
    """All assets of a filter by id, up to 10,000, to do something with them at once."""
    return browse.ids(bench, actor, project_id, wanted.filter, wanted.order)


@router.post("/projects/{project_id}/bulk")
def act_on_assets(project_id: int, actor: SignedIn, bench: Bench, body: bulk.BulkWanted) -> bulk.BulkDone:
    """Do one thing to up to 500 assets in one transaction; `changed` is what the opposite action takes back."""
    return bulk.act(bench, actor, project_id, body)


@router.get("/projects/{project_id}/assets/{asset_id}")
def view_asset(project_id: int, asset_id: int, actor: SignedIn, bench: Bench) -> browse.AssetView:
    """One asset with its prediction, annotations, draft, skips and history."""
    return browse.view(bench, actor, project_id, asset_id)
