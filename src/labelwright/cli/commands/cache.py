"""`cache`: replies of models that are kept to answer the same request again."""

from typing import Annotated

import typer

from labelwright.cli.common import Database, Home, find_project, local_person, workbench

cache_app = typer.Typer(no_args_is_help=True, help="Kept replies: the same request is not paid for twice.")
Which = Annotated[str, typer.Argument(metavar="[PROJECT]", help="Name or id; all projects when left out.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(cache_app, name="cache")


@cache_app.command("show")
def show(project: Which = "", home: Home = None, database: Database = None) -> None:
    """How much is kept, and how often it was used again."""
    from labelwright.flows import caching

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project).id if project else None
        size = caching.cache_size(bench, actor, found)
        typer.echo(f"{size.replies} replies, {size.size_bytes / 1e6:.1f} MB, used again {size.hits} times")


@cache_app.command("clear")
def clear(project: Which = "", home: Home = None, database: Database = None) -> None:
    """Forget kept replies; predictions stay."""
    from labelwright.flows import caching

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project).id if project else None
        typer.echo(f"{caching.clear_cache(bench, actor, found)} replies forgotten")
