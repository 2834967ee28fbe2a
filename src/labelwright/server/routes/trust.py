"""How far a model can be trusted: figures, audits, accepting answers unseen and taking that back."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from labelwright.core.job import Job
from labelwright.core.trust import Promise
from labelwright.core.value import Probability, Value
from labelwright.flows import trust
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class NewAudits(Value):
    """Audits to draw among answers with at least this raw confidence; null for all answers."""

    predictor: str = Field(max_length=64)
    n: int = Field(ge=1, le=10_000)
    above: Probability | None = None


class Audits(Value):
    """How many audits were drawn, or taken out of the queue."""

    n: int


@router.get("/projects/{project_id}/trust")
def view_trust(
    project_id: int,
    actor: SignedIn,
    bench: Bench,
    predictor: Annotated[str | None, Query(max_length=64)] = None,
    question: Annotated[str | None, Query(max_length=64)] = None,
    accuracy: Annotated[float, Query(ge=0.5, le=0.999)] = 0.95,
    certainty: Annotated[float, Query(ge=0.5, le=0.999)] = 0.95,
    within: Annotated[float, Query(ge=0.001, le=0.5)] = 0.02,
) -> trust.TrustView:
    """Calibration, thresholds, estimates and acceptances; of whole assets when no question is named."""
    promise = Promise(accuracy=accuracy, certainty=certainty)
    return trust.view(
        bench, actor, project_id, predictor=predictor, question=question, promise=promise, within=within
    )


@router.post("/projects/{project_id}/trust/audits", status_code=201)
def draw_audits(project_id: int, actor: SignedIn, bench: Bench, body: NewAudits) -> Audits:
    """Draw answers at random; they are handed out before everything else."""
    return Audits(n=trust.draw_audits(bench, actor, project_id, body.predictor, body.n, body.above))


@router.delete("/projects/{project_id}/trust/audits")
def drop_audits(project_id: int, actor: SignedIn, bench: Bench) -> Audits:
    """Take drawn audits that nobody answered yet out of the front of the queue."""
    return Audits(n=trust.drop_audits(bench, actor, project_id))


@router.post("/projects/{project_id}/trust/acceptances", status_code=202)
def accept(project_id: int, actor: SignedIn, bench: Bench, body: trust.AcceptWanted) -> Job:
    """Let a predictor's answers from a confidence on count unseen."""
    return trust.accept(bench, actor, project_id, body)


@router.post("/projects/{project_id}/trust/acceptances/{acceptance_id}/revert", status_code=202)
def revert(project_id: int, acceptance_id: int, actor: SignedIn, bench: Bench) -> Job:
    """Put what was accepted back into the queue."""
    return trust.revert(bench, actor, project_id, acceptance_id)[0]
