"""Training of the local models."""

from labelwright.core.job import Job
from labelwright.flows import train
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


@router.post("/projects/{project_id}/learn", status_code=202)
def learn(project_id: int, actor: SignedIn, bench: Bench) -> Job:
    """Train the local models now."""
    return train.learn_now(bench, actor, project_id)
