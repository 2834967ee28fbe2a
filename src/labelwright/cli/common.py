"""What the commands share: opening the workbench, the local person, progress bars, choosing a project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelwright.core.errors import NotFound

if TYPE_CHECKING:
    from labelwright.core.access import Actor
    from labelwright.core.job import Job
    from labelwright.core.project import Project
    from labelwright.workbench import Workbench

Home = Annotated[
    Path | None, typer.Option("--home", help="Data folder (default: $LABELWRIGHT_HOME or ~/.labelwright).")
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database", help="Database URL (default: $LABELWRIGHT_DATABASE_URL or SQLite in the data folder)."
    ),
]
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="Id or name of the project.")]


@contextmanager
def workbench(home: Path | None, database: str | None = None) -> Iterator["Workbench"]:
    """The workbench of the data folder, closed at the end."""
    from labelwright.settings import Settings
    from labelwright.workbench import open_workbench

    bench = open_workbench(Settings.read(home, database_url=database))
    try:
        yield bench
    finally:
        bench.close()


def local_person(bench: "Workbench") -> "Actor":
    """Who the command line acts as: the first administrator, made on a fresh installation.

    Whoever can run a command on the data folder can read it anyway, so no further sign-in is asked for.
    """
    import getpass

    from labelwright.flows import people

    found = people.first_user(bench)
    if found is not None:
        return found
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "admin"
    return people.add_user(bench, name or "admin", is_admin=True)


def find_project(bench: "Workbench", actor: "Actor", wanted: str) -> "Project":
    """The project with this id or name.

    Raises:
        NotFound: There is none, or several have the name.
    """
    from labelwright.flows import setup

    cards = setup.list_projects(bench, actor)
    matches = [c.project for c in cards if str(c.project.id) == wanted] or [
        c.project for c in cards if c.project.name == wanted
    ]
    if len(matches) != 1:
        names = ", ".join(f"{c.project.id} ({c.project.name})" for c in cards[:10]) or "none yet"
        many = "several projects are" if matches else "no project is"
        raise NotFound("no_project", f"{many} called {wanted!r}", f"projects: {names}")
    return matches[0]


def follow(bench: "Workbench", job_id: int, title: str) -> "Job":
    """Do a job in this process with a progress bar; returns it when it has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from labelwright.flows import jobs

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        line = progress.add_task(title, total=None, rate="")

        def show(job: "Job") -> None:
            speed = progress.tasks[0].speed
            progress.update(
                line, completed=job.done, total=job.total, rate=f"{speed:,.0f}/s" if speed else "",
                description=job.message or title,
            )  # fmt: skip

        job = jobs.wait_for(bench, job_id, show)
        # A finished job is full, also where its total was never known.
        progress.update(line, completed=job.done, total=job.done or 1)
    return job
