"""`report` and `flags`: what the work cost and was worth, and which texts deserve a second look."""

from pathlib import Path
from typing import Annotated

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, local_person, workbench


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(report)
    app.command()(flags)


def report(
    project: ProjectName,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write all figures to this CSV file as well.")
    ] = None,
    home: Home = None,
    database: Database = None,
) -> None:
    """Print what a project's labels cost in money and minutes, and what suggestions were worth."""
    from rich.console import Console
    from rich.table import Table

    from labelwright.flows import economics

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        figures = economics.economics(bench, actor, found.id)
        arms = economics.arms(bench, actor, found.id)
    table = Table(
        "", "submitted", "active min", "accepted", "corrected", "rejected", "added", "model USD", "USD/correct",
        box=None,
    )  # fmt: skip
    lines = [
        economics.Line(key="", name="whole project", figures=figures.total), *figures.runs, *figures.labels,
        *(figures.people or ()),
    ]  # fmt: skip
    for line in lines:
        f = line.figures
        table.add_row(
            line.name, str(f.submissions or "–"), f"{f.active_min:.1f}" if f.timed else "–", str(f.accepted),
            str(f.corrected), str(f.rejected), str(f.added), _usd(f.cost_usd), _usd(f.usd_per_correct),
        )  # fmt: skip
    Console().print(table)
    typer.echo(f"\nWith and without suggestions: {arms.message}")
    if csv is not None:
        csv.write_text(economics.as_csv(figures), encoding="utf-8")
        typer.echo(f"All figures are in {csv}")


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.4f}"


def flags(
    project: ProjectName,
    anew: Annotated[
        bool, typer.Option("--anew", help="Look at every text again, not only at new ones.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Flagged texts to print.")] = 20,
    home: Home = None,
    database: Database = None,
) -> None:
    """List texts that may be aimed at the model or hide characters, after looking at those not looked at yet."""
    from labelwright.core.flags import find_all
    from labelwright.flows import browse
    from labelwright.flows import flags as looking

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        total = looking.look(bench, actor, found.id, anew=anew).flagged
        page = browse.page(bench, actor, found.id, browse.Filter(flag="any"), "id", None, max(limit, 1))
        for row in page.rows[:limit]:
            asset = browse.view(bench, actor, found.id, row.asset.id).asset
            notes = "; ".join(f"{f.kind}: {f.note}" for f in find_all(asset.text or "", asset.metadata)[:3])
            typer.echo(f"{asset.external_id or asset.id}\t{notes}")
    typer.echo(f"{total} flagged", err=True)
