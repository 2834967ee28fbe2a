"""How well marked regions lie over one another, and the assets behind each figure."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from labelwright.core.overlap import THRESHOLD
from labelwright.flows import overlap
from labelwright.server.edge import Bench, SignedIn, new_router
from labelwright.store.overlap import Between

router = new_router()

Threshold = Annotated[float, Query(ge=0.1, le=1.0)]


class DifferencesWanted(overlap.Wanted):
    """Which list, and where to go on."""

    between: Between = "model_people"
    threshold: float = Field(default=THRESHOLD, ge=0.1, le=1.0)
    after: str | None = Field(default=None, max_length=20)
    limit: int = Field(default=24, ge=1, le=100)


@router.get("/projects/{project_id}/overlap")
def view_overlap(
    project_id: int,
    actor: SignedIn,
    bench: Bench,
    between: Between = "model_people",
    threshold: Threshold = THRESHOLD,
) -> overlap.OverlapView:
    """Precision, recall and IoU per region question and label, and what was taken for what."""
    return overlap.view(bench, actor, project_id, between, threshold)


@router.get("/projects/{project_id}/overlap/assets")
def list_overlap_assets(
    project_id: int, actor: SignedIn, bench: Bench, wanted: Annotated[DifferencesWanted, Query()]
) -> overlap.DifferencePage:
    """Pairs of answers behind a figure, the worst first."""
    which = overlap.Wanted(**wanted.model_dump(include=set(overlap.Wanted.model_fields)))
    return overlap.differences(
        bench, actor, project_id, which, wanted.between, wanted.threshold, wanted.after, wanted.limit
    )
