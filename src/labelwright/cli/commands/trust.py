"""`trust`: what a model's confidence is worth, and accepting its answers unseen from a threshold on."""

from typing import TYPE_CHECKING, Annotated

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, follow, local_person, workbench

if TYPE_CHECKING:
    from labelwright.core.access import Actor
    from labelwright.core.project import Project
    from labelwright.flows.trust import TrustView
    from labelwright.workbench import Workbench


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trust)


def trust(
    project: ProjectName,
    question: Annotated[
        str, typer.Option("--question", help="Id of one question (default: whole assets).")
    ] = "",
    predictor: Annotated[
        str,
        typer.Option("--predictor", help="Key or title of the model (default: the one with most answers)."),
    ] = "",
    guarantee: Annotated[
        float,
        typer.Option("--guarantee", min=0.5, max=0.999, help="Accuracy that accepted answers must keep."),
    ] = 0.95,
    certainty: Annotated[
        float, typer.Option("--certainty", min=0.5, max=0.999, help="How certain that must be.")
    ] = 0.95,
    audit: Annotated[
        int, typer.Option("--audit", min=0, max=10_000, help="Draw so many audits; people get them first.")
    ] = 0,
    above: Annotated[
        float | None,
        typer.Option("--above", min=0, max=1, help="Draw them from this calibrated confidence on."),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept from the loosest threshold that the audits show.")
    ] = False,
    accept_above: Annotated[
        float | None,
        typer.Option("--accept-above", min=0, max=1, help="Accept from this calibrated confidence on."),
    ] = None,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Accept although the audits do not show the guarantee.")
    ] = False,
    revert: Annotated[
        bool, typer.Option("--revert", help="Put all accepted answers back into the queue.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Say how far a model can be trusted; accept its answers from a confidence on, or take that back."""
    from labelwright.core.trust import Promise
    from labelwright.flows import trust as flow

    promise = Promise(accuracy=guarantee, certainty=certainty)
    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        if revert:
            _revert(bench, actor, found)
        seen = flow.view(bench, actor, found.id, promise=promise)
        key = next((each.key for each in seen.predictors if predictor in (each.key, each.title)), None)
        if key is None and predictor:
            key = predictor  # said to be unknown by the flow
        whole = flow.view(bench, actor, found.id, predictor=key, promise=promise)
        if audit:
            raw = None if above is None else _raw(whole, above)
            drawn = flow.draw_audits(bench, actor, found.id, whole.predictor or "", audit, raw)
            typer.echo(f"{drawn} audits drawn; they come first in the queue")
        if accept or accept_above is not None:
            _accept(bench, actor, found, whole, accept_above, unproven)
        shown = flow.view(bench, actor, found.id, predictor=key, question=question or None, promise=promise)
        typer.echo(shown.model_dump_json(indent=1)) if as_json else _show(shown)


def _raw(seen: "TrustView", confidence: float) -> float:
    from labelwright.core.errors import Invalid

    raw = seen.report.calibration.raw_for(confidence) if seen.report is not None else None
    if raw is None:
        raise Invalid(
            "too_high", f"no answer reaches a calibrated confidence of {confidence}", "choose a lower one"
        )
    return raw


def _accept(
    bench: "Workbench",
    actor: "Actor",
    project: "Project",
    seen: "TrustView",
    above: float | None,
    unproven: bool,
) -> None:
    from labelwright.core.errors import Conflict
    from labelwright.flows import trust as flow

    if above is not None:
        raw = _raw(seen, above)
    elif seen.chosen is not None:
        raw = seen.steps[seen.chosen].above
    else:
        wanted = seen.promise.accuracy
        raise Conflict(
            "not_proven", f"no threshold is shown to keep {wanted:.1%} yet",
            "draw audits with --audit, promise less with --guarantee, or use --accept-above with --unproven",
        )  # fmt: skip
    wish = flow.AcceptWanted(
        predictor=seen.predictor or "", above=raw, promise=seen.promise, unproven=unproven
    )
    job = follow(bench, flow.accept(bench, actor, project.id, wish).id, "Accepting")
    typer.echo(f"{job.report.get('accepted', 0):,} answers accepted; --revert takes them back")


def _revert(bench: "Workbench", actor: "Actor", project: "Project") -> None:
    from labelwright.flows import trust as flow

    for each in flow.revert(bench, actor, project.id):
        job = follow(bench, each.id, "Putting back")
        typer.echo(f"{job.report.get('put_back', 0):,} answers put back into the queue")


def _show(seen: "TrustView") -> None:
    from rich.console import Console
    from rich.table import Table

    if not seen.predictors or seen.report is None or seen.outlook is None:
        typer.echo("No model has answered anything here yet.")
        return
    console = Console()
    title = next(each.title for each in seen.predictors if each.key == seen.predictor)
    typer.echo(
        f"{title}: {seen.outlook.answers:,} answers, {seen.reviewed:,} reviewed, {seen.random:,} of them at random"
    )
    report = seen.report
    if report.before is None or report.after is None:
        typer.echo(f"confidence: not calibrated yet, it only ranks ({report.n} of 30 reviews)")
    else:
        rank = f"{report.auroc:.3f}" if report.auroc is not None else "unknown"
        typer.echo(
            f"confidence: {report.calibration.method}, ECE {report.before.ece:.3f} before, {report.after.ece:.3f} after, AUROC {rank}"
        )
    accuracy = seen.outlook.accuracy
    typer.echo(f"accuracy of all answers: {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})")
    for share in seen.shares:
        s = share.share
        typer.echo(
            f"  {share.label}: {s.value:.1%} ({s.low:.1%} to {s.high:.1%}); the model says {share.said:.1%}"
        )
    typer.echo(seen.verdict)
    table = Table("from confidence", "answers", "audits", "wrong", "accuracy (95 %)", "guarantee", box=None)
    for i, step in enumerate(seen.steps):
        if step.proven:
            shown = "shown" + (" (loosest)" if i == seen.chosen else "")
        else:
            shown = f"about {step.more:,} more audits" if step.more is not None else "not in sight"
        span = f"{step.interval.low:.1%} to {step.interval.high:.1%}" if step.audits else ""
        table.add_row(
            f"{step.confidence:.3f}",
            f"{step.waiting:,} waiting",
            str(step.audits),
            str(step.wrong),
            span,
            shown,
        )
    console.print(table)
    for each in seen.acceptances:
        typer.echo(
            f"acceptance {each.id} ({each.state}): {each.standing:,} answers of {each.predictor_title}, "
            f"{each.audits} audits, {each.wrong} wrong"
        )
