"""Server-sent events: counts, jobs and runs as they change. One stream per tab."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from labelwright.core.access import Actor
from labelwright.flows import jobs, predict, setup
from labelwright.server.edge import Bench, SignedIn, new_router
from labelwright.workbench import Workbench

router = new_router()

PERIOD_S = 0.7
"""The store is looked at this often while somebody listens; it works across processes without a message broker."""


def _state(bench: Workbench, actor: Actor, project_id: int) -> dict[str, Any]:
    view = setup.view_project(bench, actor, project_id)
    found: dict[str, Any] = {
        "counts": {"counts": view.counts, "learning": view.learning.model_dump(mode="json")}
    }
    if view.role in ("manager", "reviewer", "viewer"):
        for job in jobs.list_jobs(bench, actor, project_id)[:20]:
            found[f"job:{job.id}"] = job.model_dump(mode="json", exclude={"params", "cursor"})
        for run in predict.list_runs(bench, actor, project_id, limit=10):
            found[f"run:{run.id}"] = run.model_dump(mode="json", exclude={"predictor", "example_ids"})
    return found


@router.get("/projects/{project_id}/live", response_class=StreamingResponse)
async def live(project_id: int, request: Request, actor: SignedIn, bench: Bench) -> StreamingResponse:
    """Events `counts`, `job` and `run` (JSON), each sent when it changed; a comment line every few seconds keeps the line open."""
    # The first look checks access, so that a stranger gets a clean 404 instead of a broken stream.
    first = await run_in_threadpool(_state, bench, actor, project_id)

    async def events() -> AsyncIterator[str]:
        sent: dict[str, Any] = {}
        state, quiet = first, 0.0
        while not request.app.state.stopping:
            for key, value in state.items():
                if sent.get(key) != value:
                    sent[key], quiet = value, 0.0
                    yield f"event: {key.split(':')[0]}\ndata: {json.dumps(value)}\n\n"
            if quiet >= 10:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(PERIOD_S)
            quiet += PERIOD_S
            if await request.is_disconnected():
                return
            state = await run_in_threadpool(_state, bench, actor, project_id)

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
