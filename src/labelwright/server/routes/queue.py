"""The queue: being handed assets, and handing work in."""

from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError

from labelwright.core.annotation import Draft
from labelwright.core.answer import Answers
from labelwright.core.asset import Status
from labelwright.core.value import Value
from labelwright.flows import annotate
from labelwright.flows import take as taking
from labelwright.server import strict
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()

AssetIds = Annotated[tuple[int, ...], Field(max_length=200)]


class Take(Value):
    """How many assets are wanted, and which the browser has already."""

    n: int = Field(default=1, ge=1, le=20)
    hold: AssetIds = ()


class Assets(Value):
    """Assets by id."""

    asset_ids: AssetIds


class Renewed(Value):
    """How many leases still existed."""

    renewed: int


class Unskipped(Value):
    """How many assets come back."""

    assets: int


class DraftSent(Value):
    """Unsubmitted work."""

    answers: Answers
    prediction_id: int | None = None
    revision: int = Field(ge=0)


class SkipSent(Value):
    """Why an asset is set aside."""

    reason: str = Field(default="", max_length=2_000)


class Skipped(Value):
    """The asset's status after the skip."""

    status: Status


@router.post("/projects/{project_id}/take")
def take(project_id: int, actor: SignedIn, bench: Bench, body: Take) -> taking.Hand:
    """Be handed up to n assets, least confident first with audits mixed in; they are leased to the caller."""
    return taking.take(bench, actor, project_id, body.n, body.hold)


@router.post("/projects/{project_id}/release", status_code=204)
async def release(project_id: int, request: Request, actor: SignedIn, bench: Bench) -> None:
    """Give assets back. Also takes the `text/plain` body that `navigator.sendBeacon` sends."""
    from starlette.concurrency import run_in_threadpool

    body: Any = strict.loads(await request.body())
    try:
        wanted = Assets.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    await run_in_threadpool(taking.release, bench, actor, project_id, wanted.asset_ids)


@router.post("/projects/{project_id}/renew")
def renew(project_id: int, actor: SignedIn, bench: Bench, body: Assets) -> Renewed:
    """Heart-beat: keep assets for longer."""
    return Renewed(renewed=taking.renew(bench, actor, project_id, body.asset_ids))


@router.post("/projects/{project_id}/unskip")
def unskip(project_id: int, actor: SignedIn, bench: Bench) -> Unskipped:
    """Show the assets the caller set aside again."""
    return Unskipped(assets=taking.unskip(bench, actor, project_id))


@router.post("/projects/{project_id}/assets/{asset_id}/open")
def open_asset(project_id: int, asset_id: int, actor: SignedIn, bench: Bench) -> taking.Turn:
    """Take one chosen asset, out of order."""
    return taking.open_asset(bench, actor, project_id, asset_id)


@router.put("/projects/{project_id}/assets/{asset_id}/draft")
def save_draft(project_id: int, asset_id: int, actor: SignedIn, bench: Bench, body: DraftSent) -> Draft:
    """Keep unsubmitted work; an older revision never replaces a newer one."""
    return annotate.save_draft(
        bench, actor, project_id, asset_id, body.answers, body.prediction_id, body.revision
    )


@router.delete("/projects/{project_id}/assets/{asset_id}/draft", status_code=204)
def drop_draft(project_id: int, asset_id: int, actor: SignedIn, bench: Bench) -> None:
    """Forget unsubmitted work."""
    annotate.drop_draft(bench, actor, project_id, asset_id)


@router.post("/projects/{project_id}/assets/{asset_id}/annotations")
def submit(
    project_id: int, asset_id: int, actor: SignedIn, bench: Bench, body: annotate.Submission
) -> annotate.Receipt:
    """Submit answers. The same id again answers the same and stores nothing twice."""
    return annotate.submit(bench, actor, project_id, asset_id, body)


@router.post("/projects/{project_id}/assets/{asset_id}/skip")
def skip(project_id: int, asset_id: int, actor: SignedIn, bench: Bench, body: SkipSent) -> Skipped:
    """Set an asset aside."""
    return Skipped(status=annotate.skip(bench, actor, project_id, asset_id, body.reason))


@router.get("/projects/{project_id}/mine")
def last_submissions(project_id: int, actor: SignedIn, bench: Bench, limit: int = 10) -> list[annotate.Mine]:
    """The caller's last submissions, newest first."""
    return annotate.last_submissions(bench, actor, project_id, min(max(limit, 1), 100))


@router.post("/projects/{project_id}/annotations/{annotation_id}/take-back")
def take_back(project_id: int, annotation_id: str, actor: SignedIn, bench: Bench) -> taking.Turn:
    """Undo one's own submission; the asset comes back with its answers as the draft."""
    return annotate.take_back(bench, actor, project_id, annotation_id)
