"""`knowledge`: lists of entities that spans are linked to."""

from pathlib import Path
from typing import Annotated

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, local_person, workbench

knowledge_app = typer.Typer(help="Lists of entities that spans are linked to.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(knowledge_app, name="knowledge")


@knowledge_app.command("add")
def add_list(
    project: ProjectName,
    path: Annotated[
        Path, typer.Argument(help="CSV, TSV or JSONL: id, name, aliases, description.", exists=True)
    ],
    name: Annotated[
        str, typer.Option("--name", help="What to call the list; the file's name by default.")
    ] = "",
    question: Annotated[
        str, typer.Option("--question", help="Span question whose spans are linked to it from now on.")
    ] = "",
    home: Home = None,
    database: Database = None,
) -> None:
    """Store a list of entities, and let the spans of a question be linked to it."""
    from labelwright.flows import knowledge

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        added = knowledge.add_file(bench, actor, found.id, path, path.name, name)
        for problem in added.problems[:20]:
            typer.echo(f"  {problem.where}: {problem.message}", err=True)
        if added.bad > 20:
            typer.echo(f"  and {added.bad - 20} more rows", err=True)
        typer.echo(
            f"{added.added.entities:,} entities, {added.bad} rows not taken; list {added.added.sha256}"
        )
        if question:
            version = knowledge.link_question(bench, actor, found.id, question, added.added.sha256)
            typer.echo(f"spans of {question} are linked to it (version {version} of the questions)")


@knowledge_app.command("list")
def show_lists(project: ProjectName, home: Home = None, database: Database = None) -> None:
    """List the lists of a project."""
    from labelwright.flows import knowledge

    with workbench(home, database) as bench:
        actor = local_person(bench)
        for each in knowledge.all_lists(bench, actor, find_project(bench, actor, project).id):
            typer.echo(f"{each.sha256}\t{each.entities}\t{each.name}")
