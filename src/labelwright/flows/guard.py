"""The guarded getters: the only way a flow reaches a project or an asset, so that no route can forget the access check.

A stranger gets "not found"; a member without the right gets "not allowed".
"""

from labelwright.core.access import Action, Actor, Role, may
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid, NotAllowed, NotFound
from labelwright.core.ontology import Ontology
from labelwright.core.project import Project
from labelwright.store import asset as assets
from labelwright.store import people
from labelwright.store import project as projects
from labelwright.store.db import Tx


def project(
    tx: Tx, actor: Actor, project_id: int, action: Action = "see_project", *, lock: bool = False
) -> Project:
    """The project, if the actor may do `action` in it.

    Raises:
        NotFound: There is none, or the actor is a stranger to it.
        NotAllowed: The actor's role does not allow the action.
    """
    found = projects.get(tx, project_id, lock=lock)
    role = people.role(tx, project_id, actor.user_id)
    if found is None or not may(role, "see_project", is_admin=actor.is_admin):
        raise NotFound("no_project", f"there is no project {project_id} that you can see")
    if not may(role, action, is_admin=actor.is_admin):
        raise NotAllowed(
            "role",
            f"your role here ({role}) does not allow: {action.replace('_', ' ')}",
            "ask a project manager",
        )
    return found


def role_in(tx: Tx, actor: Actor, project_id: int) -> Role:
    """The role the actor acts under; an administrator who is no member acts as manager."""
    return people.role(tx, project_id, actor.user_id) or "manager"


def asset(tx: Tx, project_id: int, asset_id: int) -> Asset:
    """An asset of a project that was already guarded.

    Raises:
        NotFound: The project has no such asset.
    """
    found = assets.get(tx, project_id, asset_id)
    if found is None:
        raise NotFound("no_asset", f"project {project_id} has no asset {asset_id}")
    return found


def texts(project: Project) -> None:
    """Only texts are put into prompts.

    Raises:
        Invalid: The project is of something else.
    """
    if project.modality != "text":
        raise Invalid(
            "not_asked", f"language models are not asked about {project.modality}s yet",
            "let a detector look at them, or import a model's answers",
        )  # fmt: skip


def ontology(tx: Tx, project_id: int, version: int) -> Ontology:
    """A version of the ontology of a guarded project.

    Raises:
        NotFound: There is no such version.
    """
    found = projects.ontology(tx, project_id, version)
    if found is None:
        raise NotFound("no_ontology", f"project {project_id} has no ontology version {version}")
    return found
