"""The cache of models' replies as people see it: how much it holds, and forgetting it."""

from labelwright.core.access import Actor
from labelwright.core.errors import NotAllowed
from labelwright.flows import guard
from labelwright.store import cache
from labelwright.store.cache import CacheSize
from labelwright.store.db import Tx
from labelwright.workbench import Workbench


def cache_size(workbench: Workbench, actor: Actor, project_id: int | None) -> CacheSize:
    """What is kept of a project, or of all (administrators only)."""
    with workbench.store.read() as tx:
        _guard(tx, actor, project_id)
        return cache.size(tx, project_id)


def clear_cache(workbench: Workbench, actor: Actor, project_id: int | None) -> int:
    """Forget kept replies; the next run asks again. Predictions stay. Returns how many went."""
    with workbench.store.write() as tx:
        _guard(tx, actor, project_id)
        return cache.clear(tx, project_id)


def _guard(tx: Tx, actor: Actor, project_id: int | None) -> None:
    if project_id is not None:
        guard.project(tx, actor, project_id, "run_models")
    elif not actor.is_admin:
        raise NotAllowed(
            "admin_only", "only an administrator sees the replies of all projects", "name a project"
        )
