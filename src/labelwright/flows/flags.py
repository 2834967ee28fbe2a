"""Looking for texts that may be aimed at the model, in what was imported before there were flags or with older rules."""

from labelwright.core.access import Actor
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import asset as assets
from labelwright.workbench import Workbench

CHUNK = 1_000


class Looked(Value):
    """How many assets of the project are flagged now."""

    flagged: int


def look(workbench: Workbench, actor: Actor, project_id: int, *, anew: bool = False) -> Looked:
    """Flag the assets nobody looked at, or with `anew` all of them; in short transactions, so that nobody waits.

    Looking again changes nothing unless the rules did.
    """
    last = 0
    while True:
        with workbench.store.write() as tx:
            project = guard.project(tx, actor, project_id, "import")
            reached = assets.look(tx, project_id, project.settings, CHUNK, anew=anew, after=last)
        if not reached:
            break
        last = reached
    with workbench.store.read() as tx:
        return Looked(flagged=assets.counter(tx, project_id, "flagged"))
