"""One module of routes per noun; each has a `router` made by `labelwright.server.edge.new_router`."""

import pkgutil
from importlib import import_module

from fastapi import APIRouter


def all_routers() -> list[APIRouter]:
    """The router of every module in this package, by name."""
    found = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        router = import_module(f"{__name__}.{module.name}").router
        assert isinstance(router, APIRouter)
        found.append(router)
    return found
