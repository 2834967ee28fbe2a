"""Projects: make, change, put into the trash; and the versions of their ontologies."""

from typing import Any

from pydantic import ValidationError

from labelwright.core.access import Actor, Role
from labelwright.core.annotation import Event
from labelwright.core.errors import Conflict, Invalid
from labelwright.core.ontology import (
    KINDS_BY_MODALITY,
    Ontology,
    SpanQuestion,
    successor,
    with_colours,
    with_whole_conditions,
)
from labelwright.core.problem import Problem
from labelwright.core.project import Modality, Project, ProjectSettings
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.flows.questions import parse_ontology as parse_ontology
from labelwright.store import asset as assets
from labelwright.store import cache, history, jobs, knowledge, people
from labelwright.store import project as store
from labelwright.workbench import Workbench


class LearningState(Value):
    """How far the local models are: what they learned from and when they learn again."""

    submissions: int
    submissions_since: int
    learn_every: int
    training: bool
    has_model: bool


class ProjectView(Value):
    """A project as its members see it."""

    project: Project
    ontology: Ontology
    role: Role
    counts: dict[str, int]
    learning: LearningState


class ProjectCard(Value):
    """A project in a list."""

    project: Project
    role: Role
    counts: dict[str, int]


STATUS_COUNTS = ("new", "predicted", "accepted", "in_progress", "labelled", "skipped")


def _status_counts(counters: dict[str, int]) -> dict[str, int]:
    return {name: counters.get(name, 0) for name in (*STATUS_COUNTS, "gold", "submissions")}


def _validated(ontology: Ontology, modality: Modality) -> Ontology:
    wrong = [q for q in ontology.questions if q.kind not in KINDS_BY_MODALITY[modality]]
    if wrong:
        problems = [
            Problem(
                where=f"questions/{q.id}",
                code="wrong_modality",
                message=f"{q.kind} cannot be asked of {modality}",
            )
            for q in wrong
        ]
        raise Invalid("bad_ontology", "some questions do not fit the kind of project", problems=problems)
    return with_whole_conditions(with_colours(ontology))


def _check_lists(ontology: Ontology, known: set[str]) -> None:
    """Spans can only be linked to lists that the project has."""
    unknown = [
        question
        for question in ontology.questions
        if isinstance(question, SpanQuestion) and question.knowledge and question.knowledge not in known
    ]
    if unknown:
        problems = [
            Problem(where=f"questions/{q.id}/knowledge", code="unknown_list", message="no such list")
            for q in unknown
        ]
        raise Invalid(
            "unknown_list", "spans are to be linked to a list that this project does not have",
            "upload the list to the project first", problems=problems,
        )  # fmt: skip


def create_project(
    workbench: Workbench,
    actor: Actor,
    name: str,
    ontology: Ontology,
    *,
    description: str = "",
    modality: Modality = "text",
    settings: ProjectSettings | None = None,
) -> Project:
    """Make a project; the actor becomes its manager.

    Raises:
        Invalid: A question does not fit the modality.
    """
    _check_lists(ontology, set())
    ontology, now = _validated(ontology, modality), workbench.now()
    if not name.strip():
        raise Invalid("no_name", "a project needs a name")
    with workbench.store.write() as tx:
        project_id = store.add(
            tx,
            name.strip(),
            description,
            modality,
            settings or ProjectSettings(),
            ontology,
            actor.user_id,
            now,
        )
        people.set_role(tx, project_id, actor.user_id, "manager")
        history.record(tx, now, "project_created", project_id=project_id, user_id=actor.user_id)
        found = store.get(tx, project_id)
    assert found is not None
    return found


def list_projects(workbench: Workbench, actor: Actor) -> list[ProjectCard]:
    """Projects the actor may see, newest first."""
    with workbench.store.read() as tx:
        rows = store.visible(tx, actor.user_id, is_admin=actor.is_admin)
        counters = store.counters_of(tx, [project.id for project, _ in rows])
    return [
        ProjectCard(project=project, role=role or "manager", counts=_status_counts(counters[project.id]))
        for project, role in rows
    ]


def view_project(workbench: Workbench, actor: Actor, project_id: int) -> ProjectView:
    """One project with its ontology, counts and learning state."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id)
        counters = assets.counters(tx, project_id)
        learning = store.learning(tx, project_id)
        submissions = counters.get("submissions", 0)
        return ProjectView(
            project=project,
            ontology=guard.ontology(tx, project_id, project.ontology_version),
            role=guard.role_in(tx, actor, project_id),
            counts=_status_counts(counters),
            learning=LearningState(
                submissions=submissions,
                submissions_since=submissions - learning.learned_at_submissions,
                learn_every=project.settings.learn_every,
                training=bool(jobs.of_project(tx, project_id, ("learn",), live=True)),
                has_model=learning.model_sha256 is not None,
            ),
        )


def change_project(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    *,
    name: str | None = None,
    description: str | None = None,
    settings: dict[str, Any] | None = None,
) -> Project:
    """Change name, description or some settings.

    Raises:
        Invalid: A setting is unknown or out of range.
    """
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "edit_settings", lock=True)
        columns: dict[str, Any] = {}
        if name is not None:
            if not name.strip():
                raise Invalid("no_name", "a project needs a name")
            columns["name"] = name.strip()[:200]
        if description is not None:
            columns["description"] = description
        if settings is not None:
            new = merge_settings(project.settings, settings)
            columns["settings"] = new.model_dump(mode="json")
            if new.order != project.settings.order:
                assets.reorder(tx, project_id, new.order)
            if new.people_per_asset != project.settings.people_per_asset:
                _refresh_answered(workbench, tx, project_id, new)
        if columns:
            store.change(tx, project_id, **columns)
        history.record(
            tx, workbench.now(), "settings_changed", project_id=project_id, user_id=actor.user_id,
            body={"changed": ", ".join(sorted((settings or {}).keys() | columns.keys() - {"settings"}))},
        )  # fmt: skip
        found = store.get(tx, project_id)
    assert found is not None
    return found


def merge_settings(old: ProjectSettings, changes: dict[str, Any]) -> ProjectSettings:
    """Settings with some changed.

    Raises:
        Invalid: A setting is unknown or out of range.
    """
    try:
        return ProjectSettings.model_validate(old.model_dump() | changes)
    except ValidationError as error:
        problems = [
            Problem(where="settings/" + "/".join(map(str, e["loc"])), code=e["type"], message=e["msg"])
            for e in error.errors()
        ]
        raise Invalid("bad_settings", "some settings are not valid", problems=problems) from error


def _refresh_answered(workbench: Workbench, tx: Any, project_id: int, settings: ProjectSettings) -> None:
    """How many people an asset needs decides which ones are finished, so derive those with answers again."""
    import sqlalchemy as sa

    from labelwright.store import tables as t

    rows = tx.execute(
        sa.select(t.asset.c.id).where(t.asset.c.project_id == project_id, t.asset.c.annotations > 0)
    ).scalars()
    for asset_id in list(rows):
        assets.refresh(tx, project_id, asset_id, settings, workbench.now())


def trash_project(workbench: Workbench, actor: Actor, project_id: int) -> None:
    """Put a project into the trash; nothing is deleted but its cached replies."""
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "delete_project", lock=True)
        store.change(tx, project_id, deleted_at=workbench.now())
        cache.clear(tx, project_id)
        history.record(tx, workbench.now(), "trashed", project_id=project_id, user_id=actor.user_id)


def restore_project(workbench: Workbench, actor: Actor, project_id: int) -> Project:
    """Take a project out of the trash.

    Raises:
        NotFound: There is none there that the actor may restore.
    """
    with workbench.store.write() as tx:
        store.change(tx, project_id, deleted_at=None)
        # Guarded after the change because a trashed project is not found; a refusal rolls the change back.
        project = guard.project(tx, actor, project_id, "delete_project")
        history.record(tx, workbench.now(), "restored", project_id=project_id, user_id=actor.user_id)
        return project


def current_ontology(
    workbench: Workbench, actor: Actor, project_id: int, version: int | None = None
) -> Ontology:
    """A version of the ontology, the current one by default."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id)
        return guard.ontology(tx, project_id, version or project.ontology_version)


def change_ontology(
    workbench: Workbench, actor: Actor, project_id: int, base_version: int, new: Ontology
) -> Ontology:
    """Store the next version. Questions and labels left out are retired, so that old answers stay readable.

    Raises:
        Conflict: Somebody stored a newer version than `base_version`.
        Invalid: A question changed its kind or does not fit the modality.
    """
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "edit_ontology", lock=True)
        if project.ontology_version != base_version:
            raise Conflict(
                "ontology_changed",
                f"the ontology is at version {project.ontology_version} now, you changed version {base_version}",
                "load it again and repeat your change",
            )
        old = guard.ontology(tx, project_id, base_version)
        _check_lists(new, {each.sha256 for each in knowledge.of_project(tx, project_id)})
        try:
            following = _validated(successor(old, new), project.modality)
        except ValueError as error:
            raise Invalid("bad_ontology", str(error)) from error
        store.add_ontology(tx, project_id, following, actor.user_id, workbench.now())
        history.record(
            tx, workbench.now(), "ontology_changed", project_id=project_id, user_id=actor.user_id,
            body={"version": following.version},
        )  # fmt: skip
        return following


def project_history(
    workbench: Workbench, actor: Actor, project_id: int, before: int | None, limit: int
) -> tuple[list[Event], dict[int, str]]:
    """(events newest first, names of the people in them)."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        events = history.of_project(tx, project_id, before, limit)
        return events, people.display_names(tx, sorted({e.user_id for e in events if e.user_id is not None}))
