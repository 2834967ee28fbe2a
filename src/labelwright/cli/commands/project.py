"""`project` and `user`: look at and make projects and accounts."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, local_person, workbench

project_app = typer.Typer(help="Make, list and change projects.", no_args_is_help=True)
user_app = typer.Typer(help="Accounts and sign-in links.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the command groups."""
    app.add_typer(project_app, name="project")
    app.add_typer(user_app, name="user")


@project_app.command("list")
def list_projects(home: Home = None, database: Database = None) -> None:
    """List projects with their counts."""
    from rich.console import Console
    from rich.table import Table

    from labelwright.flows import setup

    with workbench(home, database) as bench:
        table = Table("id", "name", "new", "predicted", "accepted", "labelled", "skipped", box=None)
        for card in setup.list_projects(bench, local_person(bench)):
            c = card.counts
            table.add_row(
                str(card.project.id), card.project.name, str(c["new"]), str(c["predicted"]),
                str(c["accepted"]), str(c["labelled"]), str(c["skipped"]),
            )  # fmt: skip
        Console().print(table)


@project_app.command("create")
def create_project(
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    ontology: Annotated[
        Path | None,
        typer.Option("--ontology", help="JSON or YAML file with the questions.", exists=True, dir_okay=False),
    ] = None,
    labels: Annotated[
        str, typer.Option("--labels", help="Shortcut: one single-choice question with these labels, a,b,c.")
    ] = "",
    entities: Annotated[
        str, typer.Option("--entities", help="Shortcut: one span question with these labels, a,b,c.")
    ] = "",
    regions: Annotated[
        str, typer.Option("--regions", help="Shortcut for images: mark objects with these labels, a,b,c.")
    ] = "",
    shapes: Annotated[
        str,
        typer.Option("--shapes", help="With --regions: box, rotated_box, polygon, polyline, points, mask."),
    ] = "box",
    starter: Annotated[
        str, typer.Option("--starter", help="Ready questions; see `labelwright project starters`.")
    ] = "",
    modality: Annotated[
        str | None,
        typer.Option("--modality", help="text or image; guessed from the questions when left out."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Refuse models that are not on this machine.")
    ] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Make a project; prints its id."""
    from labelwright.core.errors import Invalid
    from labelwright.core.project import ProjectSettings
    from labelwright.flows import setup, starters

    if starter:
        ready = starters.starter(starter)
        questions, guessed = ready.ontology, ready.modality
    else:
        body = ontology_body(ontology, labels, entities, regions, shapes)
        questions = setup.parse_ontology(body)
        guessed = "image" if any(q.kind == "region" for q in questions.questions) else "text"
    wanted = modality or guessed
    if wanted not in ("text", "image"):
        raise Invalid("bad_option", f"--modality is text or image, not {wanted!r}")
    with workbench(home, database) as bench:
        project = setup.create_project(
            bench,
            local_person(bench),
            name,
            questions,
            modality="image" if wanted == "image" else "text",
            settings=ProjectSettings(private=private),
        )
        typer.echo(project.id)


@project_app.command("starters")
def list_starters(
    name: Annotated[
        str, typer.Argument(help="Print this one as YAML, to change it and pass it to --ontology.")
    ] = "",
) -> None:
    """Ready questions to start a project from."""
    import yaml

    from labelwright.flows import starters

    if name:
        questions = starters.starter(name).ontology.questions
        # The kind is a default of each question, and what the file has to say first.
        body = [{"kind": q.kind} | q.model_dump(mode="json", exclude_defaults=True) for q in questions]
        text = yaml.safe_dump(
            {"questions": body}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
        )
        typer.echo(text, nl=False)
        return
    for each in starters.all_starters():
        typer.echo(f"{each.name:<12}{each.modality:<7}{each.title}. {each.description}")


def ontology_body(
    ontology: Path | None, labels: str, entities: str, regions: str = "", shapes: str = "box"
) -> dict[str, Any]:
    """The questions of a new project: from a file, or from lists of labels.

    Raises:
        Invalid: Nothing was given, or the file cannot be read.
    """
    from labelwright.core.errors import Invalid

    if ontology is not None:
        import yaml

        try:
            body: Any = yaml.safe_load(ontology.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise Invalid("bad_ontology", f"{ontology} cannot be read: {error}") from error
        if not isinstance(body, dict):
            raise Invalid("bad_ontology", f"{ontology} must hold an object with `questions`")
        return body
    questions: list[dict[str, Any]] = []
    if labels:
        questions.append(
            {"kind": "choice", "name": "Label", "labels": [x.strip() for x in labels.split(",")]}
        )
    if entities:
        questions.append(
            {"kind": "span", "name": "Entities", "labels": [x.strip() for x in entities.split(",")]}
        )
    if regions:
        questions.append(
            {
                "kind": "region",
                "name": "Objects",
                "shapes": shapes,
                "labels": [x.strip() for x in regions.split(",")],
            }
        )
    if not questions:
        raise Invalid(
            "no_questions",
            "say what to ask",
            "use --labels a,b or --entities a,b or --regions a,b or --starter NAME or --ontology FILE",
        )
    return {"questions": questions}


@project_app.command("show")
def show_project(project: ProjectName, home: Home = None, database: Database = None) -> None:
    """Print a project with its ontology and counts as JSON."""
    from labelwright.flows import setup

    with workbench(home, database) as bench:
        actor = local_person(bench)
        view = setup.view_project(bench, actor, find_project(bench, actor, project).id)
        typer.echo(json.dumps(view.model_dump(mode="json"), indent=2, ensure_ascii=False))


@project_app.command("trash")
def trash_project(project: ProjectName, home: Home = None, database: Database = None) -> None:
    """Put a project into the trash; `project restore ID` brings it back."""
    from labelwright.flows import setup

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        setup.trash_project(bench, actor, found.id)
        typer.echo(f"{found.name} is in the trash; restore it with: labelwright project restore {found.id}")


@project_app.command("restore")
def restore_project(
    project_id: Annotated[int, typer.Argument(help="Id of the project.")],
    home: Home = None,
    database: Database = None,
) -> None:
    """Take a project out of the trash."""
    from labelwright.flows import setup

    with workbench(home, database) as bench:
        typer.echo(setup.restore_project(bench, local_person(bench), project_id).name)


@user_app.command("list")
def list_users(home: Home = None, database: Database = None) -> None:
    """List accounts."""
    from labelwright.flows import people

    with workbench(home, database) as bench:
        for person in people.list_users(bench, local_person(bench)):
            typer.echo(f"{person.user_id}\t{person.name}\t{'admin' if person.is_admin else ''}")


@user_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Sign-in name.")],
    admin: Annotated[bool, typer.Option("--admin", help="May do everything on this server.")] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Add an account; prints a one-time sign-in path with which the person sets a password."""
    from labelwright.flows import people

    with workbench(home, database) as bench:
        person = people.add_user(bench, name, is_admin=admin)
        typer.echo(f"/sign-in?link={people.make_link(bench, person.user_id)}")


@user_app.command("link")
def make_link(
    name: Annotated[str, typer.Argument(help="Sign-in name.")], home: Home = None, database: Database = None
) -> None:
    """Print a new one-time sign-in path for an account."""
    from labelwright.flows import people

    with workbench(home, database) as bench:
        typer.echo(f"/sign-in?link={people.make_link(bench, people.find_user(bench, name).user_id)}")
