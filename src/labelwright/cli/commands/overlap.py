"""`overlap`: how well marked regions of models, people and gold lie over one another."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, local_person, workbench

if TYPE_CHECKING:
    from labelwright.flows.overlap import LabelOverlap, QuestionOverlap
    from labelwright.store.overlap import Between


class Against(StrEnum):
    """What is compared; the second is taken as true."""

    model_people = "model-people"
    people = "people"
    model_gold = "model-gold"
    people_gold = "people-gold"


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(overlap)


def overlap(
    project: ProjectName,
    between: Annotated[
        Against, typer.Option("--between", help="What is compared; the second is taken as true.")
    ] = Against.model_people,
    threshold: Annotated[
        float,
        typer.Option("--threshold", min=0.1, max=1.0, help="IoU from which two regions are the same thing."),
    ] = 0.5,
    limit: Annotated[int, typer.Option("--limit", min=0, max=100, help="Differing images to print.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and images as JSON.")] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Print precision, recall and IoU of marked regions, and the images that differ most."""
    import json

    from rich.console import Console

    from labelwright.flows import overlap as measuring

    with workbench(home, database) as bench:
        actor = local_person(bench)
        sides = cast("Between", between.name)
        found = find_project(bench, actor, project)
        view = measuring.view(bench, actor, found.id, sides, threshold)
        worst = {
            question.question: measuring.differences(
                bench, actor, found.id, measuring.Wanted(question=question.question), sides, threshold,
                None, max(limit, 1),
            )
            for question in view.questions
        }  # fmt: skip
    if as_json:
        body = view.model_dump(mode="json")
        body["assets"] = {
            key: [row.model_dump(mode="json") for row in page.rows[:limit]] for key, page in worst.items()
        }
        typer.echo(json.dumps(body, indent=2))
        return
    if not view.questions:
        typer.echo("This project marks no regions.")
    for question in view.questions:
        typer.secho(f"\n{question.name}: {question.n} pairs of answers, IoU from {threshold:g} on", bold=True)
        if question.n:
            Console().print(_table(question))
        for mixed in question.mixed[:10]:
            typer.echo(f"{mixed.n} of {mixed.right} taken for {mixed.said}")
        for pair in question.sides if len(question.sides) > 1 else ():
            typer.echo(f"{pair.predicted_by} against {pair.true_by}: F1 {pair.f1:.3f} over {pair.n}")
        page = worst[question.question]
        typer.echo(f"{page.total} differ" + (", the worst first:" if page.total and limit else ""))
        for row in page.rows[:limit]:
            kinds: list[str] = [
                kind for kind in (*row.predicted_kinds, *row.true_kinds) if kind in ("extra", "missing")
            ]
            kinds += [kind for kind in row.true_kinds if kind in ("wrong_label", "low_overlap")]
            counts = ", ".join(f"{kinds.count(k)} {k.replace('_', ' ')}" for k in dict.fromkeys(kinds))
            typer.echo(f"  {row.external_id or row.asset_id}\tF1 {row.f1:.2f}\t{counts}")
    if view.note:
        typer.echo(view.note, err=True)


def _table(question: "QuestionOverlap") -> object:
    from rich.table import Table

    table = Table(
        "label", "true", "said", "matched", "wrong label", "low overlap", "extra", "missing", "precision", "recall",
        "F1", "mean IoU", "AP", box=None,
    )  # fmt: skip
    for row in (*question.labels, question.total):
        table.add_row(
            row.name or "all", str(row.true), str(row.predicted), str(row.matched), str(row.wrong_label),
            str(row.low_overlap), str(row.extra), str(row.missing), *_measures(row),
        )  # fmt: skip
    return table


def _measures(row: "LabelOverlap") -> list[str]:
    measures = (row.precision, row.recall, row.f1, row.mean_iou, row.average_precision)
    return ["–" if value is None else f"{value:.3f}" for value in measures]
