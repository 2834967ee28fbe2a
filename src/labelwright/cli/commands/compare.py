"""`compare`: which plan is better, on the same gold assets."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, follow, local_person, workbench
from labelwright.core.errors import Invalid

if TYPE_CHECKING:
    from labelwright.core.ontology import Ontology
    from labelwright.flows.compare import Comparison

_KEYS = ("model", "provider", "examples", "k", "seed", "prompt", "questions", "temperature")


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    project: ProjectName,
    plan: Annotated[
        list[str],
        typer.Option(
            "--plan",
            help="KEY=VALUE,… of: model, provider, examples (none, per_label, nearest, nearest_per_label, mmr), k, seed, "
            "prompt, questions (versions), temperature. Two to four times.",
        ),
    ],
    gold: Annotated[
        str, typer.Option("--gold", help="all, tuning (to try things on) or gate (for the last word).")
    ] = "all",
    n: Annotated[int | None, typer.Option("--n", min=1, help="At most so many gold assets.")] = None,
    cap: Annotated[
        str, typer.Option("--cap", help="Stop before so many USD are passed, all plans together.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Compare zero-shot with few-shot, prompts, models or example policies on gold, and say which difference is real."""
    from labelwright.cli.commands.predict import amount, provider_named
    from labelwright.flows import compare as flow
    from labelwright.flows import jobs, setup
    from labelwright.flows.prompts import Plan

    if gold not in ("all", "tuning", "gate"):
        raise Invalid("bad_option", f"{gold!r} is no part of the gold set", "all, tuning or gate")
    wishes = [_wish(text) for text in plan]
    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        plans = []
        for wish in wishes:
            provider = provider_named(bench, actor, wish.pop("provider", ""))
            known = provider.models or (provider.capabilities.models if provider.capabilities else ())
            if "model" not in wish and not known:
                raise Invalid("no_model", f"{provider.name!r} names no model", "say which: --plan model=NAME")
            body: dict[str, Any] = {
                "provider_id": provider.id, "model": wish.get("model") or known[0],
                "template_version": wish.get("prompt", 0), "ontology_version": wish.get("questions"),
                "examples": {"kind": wish.get("examples", "none"), "k": wish.get("k", 1), "seed": wish.get("seed", 0)},
                "decoding": {"temperature": wish.get("temperature", 0)},
            }  # fmt: skip
            try:
                plans.append(Plan.model_validate(body))
            except ValueError as error:
                raise Invalid("bad_option", f"this plan cannot be read: {_first(error)}") from None
        started = flow.start_comparison(bench, actor, found.id, plans, gold, n, amount(cap))  # type: ignore[arg-type]
        first = started.plans[0].run_id
        job = next(
            j for j in jobs.list_jobs(bench, actor, found.id, ("predict",)) if first in j.params["run_ids"]
        )
        follow(bench, job.id, f"Asking {len(plans)} plans")
        ended = flow.view_comparison(bench, actor, found.id, started.id, limit=1_000 if as_json else 10)
        if as_json:
            typer.echo(ended.model_dump_json(indent=1))
        else:
            _say(ended, setup.current_ontology(bench, actor, found.id))
        if any(each.state != "done" for each in ended.plans):
            raise typer.Exit(1)


def _say(found: "Comparison", ontology: "Ontology") -> None:
    names = {question.id: question.name for question in ontology.questions}
    for each in found.plans:
        cost = "cost unknown" if each.cost_usd is None else f"{each.cost_usd:.4f} USD"
        latency = "" if each.latency_p50_s is None else f", median {each.latency_p50_s:.2f} s"
        typer.echo(
            f"{each.title}: {each.done} of {each.total} answered, {each.failed} failed, {cost}{latency}"
        )
        for key, figure in each.figures.items():
            typer.echo(
                f"  {names.get(key, key)}: {figure.measure} {100 * figure.value:.1f} % "
                f"({100 * figure.interval.low:.1f} to {100 * figure.interval.high:.1f}), n = {figure.n:,}"
            )
        if each.stop_reason:
            typer.secho(f"  {each.stop_reason}", fg="yellow", err=True)
    for pair in found.pairs:
        typer.echo(pair.sentence)
    if found.disagreements_total:
        ids = ", ".join(each.external_id or str(each.asset_id) for each in found.disagreements)
        typer.echo(f"{found.disagreements_total:,} disagreements, such as {ids}")
    typer.secho(found.note, fg="yellow")


def _wish(text: str) -> dict[str, Any]:
    wish: dict[str, Any] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or key not in _KEYS:
            raise Invalid(
                "bad_option", f"{part!r} is no part of a plan", f"KEY=VALUE with {', '.join(_KEYS)}"
            )
        wish[key] = value
    return wish


def _first(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    one = errors()[0]
    return f"{'/'.join(map(str, one['loc']))}: {one['msg']}"
