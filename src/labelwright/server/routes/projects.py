"""Projects, their ontologies, members, history and figures."""

from typing import Any

from fastapi import Response
from pydantic import Field

from labelwright.core.access import Role
from labelwright.core.annotation import Event
from labelwright.core.arms import ArmsCompared
from labelwright.core.ontology import Ontology
from labelwright.core.project import Modality, Project, ProjectSettings
from labelwright.core.value import Name, Value
from labelwright.flows import economics, measure, people, setup, starters
from labelwright.server.edge import Bench, SignedIn, new_router
from labelwright.store.people import MemberRow

router = new_router()


class NewProject(Value):
    """A wanted project. Ids of questions and labels may be left out: they are made from the names."""

    name: Name
    description: str = Field(default="", max_length=10_000)
    modality: Modality = "text"
    ontology: dict[str, Any]
    settings: dict[str, Any] = Field(default_factory=dict)


class ProjectChange(Value):
    """What to change; only the given fields do."""

    name: Name | None = None
    description: str | None = Field(default=None, max_length=10_000)
    settings: dict[str, Any] | None = None


class OntologyChange(Value):
    """The next version of the ontology, made from `base_version`."""

    base_version: int
    ontology: dict[str, Any]


class MemberChange(Value):
    """A person's role; None ends the membership."""

    user_id: int
    role: Role | None


class History(Value):
    """A page of history, newest first; `next` is the cursor of the following page."""

    rows: list[Event]
    names: dict[int, str]
    next: int | None


@router.get("/starters")
def list_starters(actor: SignedIn) -> tuple[starters.Starter, ...]:
    """Ready sets of questions to start a project from."""
    return starters.all_starters()


@router.get("/projects")
def list_projects(actor: SignedIn, bench: Bench) -> list[setup.ProjectCard]:
    """Projects that the caller may see, newest first."""
    return setup.list_projects(bench, actor)


@router.post("/projects", status_code=201)
def create_project(actor: SignedIn, bench: Bench, body: NewProject) -> Project:
    """Make a project; the caller becomes its manager."""
    return setup.create_project(
        bench, actor, body.name, setup.parse_ontology(body.ontology), description=body.description,
        modality=body.modality, settings=setup.merge_settings(ProjectSettings(), body.settings),
    )  # fmt: skip


@router.get("/projects/{project_id}")
def view_project(project_id: int, actor: SignedIn, bench: Bench) -> setup.ProjectView:
    """One project with its ontology, counts and learning state."""
    return setup.view_project(bench, actor, project_id)


@router.patch("/projects/{project_id}")
def change_project(project_id: int, actor: SignedIn, bench: Bench, body: ProjectChange) -> Project:
    """Change name, description or some settings."""
    return setup.change_project(
        bench, actor, project_id, name=body.name, description=body.description, settings=body.settings
    )


@router.delete("/projects/{project_id}", status_code=204)
def trash_project(project_id: int, actor: SignedIn, bench: Bench) -> None:
    """Put a project into the trash; nothing is deleted."""
    setup.trash_project(bench, actor, project_id)


@router.post("/projects/{project_id}/restore")
def restore_project(project_id: int, actor: SignedIn, bench: Bench) -> Project:
    """Take a project out of the trash."""
    return setup.restore_project(bench, actor, project_id)


@router.get("/projects/{project_id}/ontology")
def current_ontology(project_id: int, actor: SignedIn, bench: Bench) -> Ontology:
    """The current ontology."""
    return setup.current_ontology(bench, actor, project_id)


@router.get("/projects/{project_id}/ontology/{version}")
def ontology_version(project_id: int, version: int, actor: SignedIn, bench: Bench) -> Ontology:
    """An earlier version of the ontology."""
    return setup.current_ontology(bench, actor, project_id, version)


@router.put("/projects/{project_id}/ontology")
def change_ontology(project_id: int, actor: SignedIn, bench: Bench, body: OntologyChange) -> Ontology:
    """Store the next version; what is left out is retired, never lost."""
    return setup.change_ontology(
        bench, actor, project_id, body.base_version, setup.parse_ontology(body.ontology)
    )


@router.get("/projects/{project_id}/members")
def list_members(project_id: int, actor: SignedIn, bench: Bench) -> list[MemberRow]:
    """Everybody in the project."""
    return people.list_members(bench, actor, project_id)


@router.put("/projects/{project_id}/members")
def set_member(project_id: int, actor: SignedIn, bench: Bench, body: MemberChange) -> list[MemberRow]:
    """Give a role or end a membership."""
    people.set_member(bench, actor, project_id, body.user_id, body.role)
    return people.list_members(bench, actor, project_id)


@router.get("/projects/{project_id}/events")
def project_history(
    project_id: int, actor: SignedIn, bench: Bench, after: int | None = None, limit: int = 50
) -> History:
    """What happened, newest first."""
    limit = min(max(limit, 1), 500)
    events, names = setup.project_history(bench, actor, project_id, after, limit)
    return History(rows=events, names=names, next=events[-1].id if len(events) == limit else None)


@router.get("/projects/{project_id}/numbers")
def numbers(project_id: int, actor: SignedIn, bench: Bench) -> measure.Numbers:
    """Figures for the overview."""
    return measure.numbers(bench, actor, project_id)


@router.get("/projects/{project_id}/economics")
def project_economics(
    project_id: int, actor: SignedIn, bench: Bench, run: int | None = None
) -> economics.Economics:
    """What the work cost and what it was worth, of the project or of one run."""
    return economics.economics(bench, actor, project_id, run)


@router.get("/projects/{project_id}/economics.csv", response_class=Response)
def economics_csv(project_id: int, actor: SignedIn, bench: Bench) -> Response:
    """The same as a table."""
    body = economics.as_csv(economics.economics(bench, actor, project_id))
    headers = {"Content-Disposition": f'attachment; filename="economics-{project_id}.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/projects/{project_id}/arms")
def compare_arms(project_id: int, actor: SignedIn, bench: Bench) -> ArmsCompared:
    """With a suggestion against without one, where takes were drawn at random."""
    return economics.arms(bench, actor, project_id)
