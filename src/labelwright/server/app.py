"""The HTTP application: puts the routes, the edge and the browser app together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI

from labelwright import __version__
from labelwright.server import edge
from labelwright.server.routes import all_routers
from labelwright.server.static import add_browser_app
from labelwright.workbench import Workbench
from labelwright.worker import Workers

STATIC = Path(__file__).parent / "static"


def create_app(workbench: Workbench, *, workers: int | None = None) -> FastAPI:
    """The application over a workbench.

    Args:
        workbench: The windows to the world.
        workers: Background threads; the setting of the workbench when None.
    """
    background = Workers(workbench, workbench.settings.workers if workers is None else workers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(background.start)
        yield
        app.state.stopping = True
        await asyncio.to_thread(background.stop)

    app = FastAPI(
        title="Labelwright", version=__version__, lifespan=lifespan, openapi_url="/api/openapi.json",
        docs_url=None, redoc_url=None, generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,
    )  # fmt: skip
    app.state.workbench = workbench
    app.state.stopping = False
    edge.handle_errors(app)
    api = APIRouter(prefix="/api")
    for router in all_routers():
        api.include_router(router)
    app.include_router(api)
    add_browser_app(app, STATIC)
    settings = workbench.settings
    names = edge.LOOPBACK_NAMES | {name.lower() for name in settings.host_names} | {settings.host.lower()}
    app.add_middleware(edge.Edge, host_names=frozenset(names))
    return app
