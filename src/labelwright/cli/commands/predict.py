"""`predict` and `provider`: run models, and set up where they answer."""

import os
import re
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, follow, local_person, workbench
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.predictor import Scoring

if TYPE_CHECKING:
    from labelwright.core.access import Actor
    from labelwright.core.detector import Detector
    from labelwright.core.predictor import Run
    from labelwright.core.price import Price
    from labelwright.core.project import Provider
    from labelwright.flows.prompts import Estimate
    from labelwright.workbench import Workbench

provider_app = typer.Typer(no_args_is_help=True, help="Model endpoints that speak the OpenAI protocol.")
price_app = typer.Typer(no_args_is_help=True, help="What the models of an endpoint cost.")
provider_app.add_typer(price_app, name="price")
ProviderName = Annotated[str, typer.Argument(metavar="PROVIDER", help="Name of the provider.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(predict)
    app.add_typer(provider_app, name="provider")


@provider_app.command("add")
def add_provider(
    name: ProviderName,
    url: Annotated[str, typer.Argument(help="Address up to /v1, such as http://127.0.0.1:11434/v1.")],
    key_env: Annotated[
        str, typer.Option("--key-env", help="Environment variable (…_API_KEY) that holds the key.")
    ] = "",
    model: Annotated[list[str] | None, typer.Option("--model", help="A model it offers.")] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=512, help="Requests in flight.")
    ] = 8,
    input_usd: Annotated[
        float | None, typer.Option("--input-usd", help="USD per million prompt tokens.")
    ] = None,
    output_usd: Annotated[
        float | None, typer.Option("--output-usd", help="USD per million answer tokens.")
    ] = None,
    home: Home = None,
    database: Database = None,
) -> None:
    """Set up an endpoint. The key is read from the environment when it is used; it is never an argument."""
    from labelwright.flows import models

    with workbench(home, database) as bench:
        wanted = models.ProviderInput(
            name=name, base_url=url, key_env=key_env, models=tuple(model or ()), concurrency=concurrency,
            input_usd_per_mtok=input_usd, output_usd_per_mtok=output_usd,
        )  # fmt: skip
        made = models.add_provider(bench, local_person(bench), wanted)
        typer.echo(f"{made.name}: {made.base_url}")


@provider_app.command("list")
def list_providers(home: Home = None, database: Database = None) -> None:
    """All endpoints."""
    from labelwright.flows import models

    with workbench(home, database) as bench:
        for each in models.list_providers(bench, local_person(bench)):
            key = f"key from {each.key_env}" if each.key_env else "has a key" if each.has_key else "no key"
            typer.echo(f"{each.name}\t{each.base_url}\t{key}\t{', '.join(each.models)}")


@provider_app.command("probe")
def probe_provider(
    name: ProviderName,
    model: Annotated[str, typer.Option("--model", help="Which model to try; the first one by default.")] = "",
    home: Home = None,
    database: Database = None,
) -> None:
    """Find out what an endpoint can do, with one tiny request each."""
    from labelwright.flows import models

    with workbench(home, database) as bench:
        actor = local_person(bench)
        seen = models.probe_provider(bench, actor, provider_named(bench, actor, name).id, model)
        typer.echo(f"structured output: {seen.structured}")
        typer.echo(f"log-probabilities: {f'yes, top {seen.top_logprobs_max}' if seen.logprobs else 'no'}")
        typer.echo(f"context: {seen.context_tokens or 'unknown'} tokens")
        typer.echo(
            f"counts tokens: {f'yes, as {seen.tokenizer}' if seen.tokenizer else 'no, they are estimated'}"
        )
        typer.echo(f"models: {', '.join(seen.models[:20])}")


def _row(price: "Price") -> str:
    cached = (
        ""
        if price.cached_input_usd_per_mtok is None
        else f", cached input {price.cached_input_usd_per_mtok:g}"
    )
    batch = "" if price.batch_multiplier == 1 else f", batch x {price.batch_multiplier:g}"
    since = "" if price.valid_from is None else f", from {price.valid_from}"
    return (
        f"{price.model}\tinput {price.input_usd_per_mtok:g}{cached}, output {price.output_usd_per_mtok:g} "
        f"USD per million tokens{batch}{since}"
    )


@price_app.command("list")
def list_prices(name: ProviderName, home: Home = None, database: Database = None) -> None:
    """The price table of an endpoint."""
    with workbench(home, database) as bench:
        found = provider_named(bench, local_person(bench), name)
        for price in found.prices:
            typer.echo(_row(price))
        if not found.prices:
            typer.echo("no prices: costs are unknown")


@price_app.command("set")
def set_price(
    name: ProviderName,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of the model; * stands for any letters.")
    ],
    input_usd: Annotated[float, typer.Option("--input-usd", min=0, help="USD per million prompt tokens.")],
    output_usd: Annotated[float, typer.Option("--output-usd", min=0, help="USD per million answer tokens.")],
    cached_usd: Annotated[
        float | None, typer.Option("--cached-usd", min=0, help="Of prompt tokens in the provider's cache.")
    ] = None,
    batch: Annotated[float, typer.Option("--batch", min=0, help="What the batch API costs of it.")] = 1.0,
    since: Annotated[str, typer.Option("--from", help="First day it holds, YYYY-MM-DD.")] = "",
    home: Home = None,
    database: Database = None,
) -> None:
    """Enter a price; one for the same model and day is replaced."""
    from pydantic import ValidationError

    from labelwright.core.price import Price
    from labelwright.flows import models

    try:
        price = Price(
            model=model, input_usd_per_mtok=input_usd, output_usd_per_mtok=output_usd,
            cached_input_usd_per_mtok=cached_usd, batch_multiplier=batch,
            valid_from=date.fromisoformat(since) if since else None,
        )  # fmt: skip
    except (ValidationError, ValueError):
        raise Invalid(
            "bad_option", "this is no price", "amounts from 0 on, and a day as YYYY-MM-DD"
        ) from None
    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = provider_named(bench, actor, name)
        kept = [p for p in found.prices if (p.model, p.valid_from) != (price.model, price.valid_from)]
        models.set_prices(bench, actor, found.id, [*kept, price])
        typer.echo(_row(price))


@price_app.command("remove")
def remove_price(
    name: ProviderName,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of the model as it stands in the table.")
    ],
    home: Home = None,
    database: Database = None,
) -> None:
    """Take all prices of a model out of the table; its costs are unknown then."""
    from labelwright.flows import models

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = provider_named(bench, actor, name)
        kept = [price for price in found.prices if price.model != model]
        if len(kept) == len(found.prices):
            raise NotFound(
                "no_price", f"there is no price for {model!r}", "labelwright provider price list NAME"
            )
        models.set_prices(bench, actor, found.id, kept)


@price_app.command("import")
def import_prices(
    name: ProviderName,
    path: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON or CSV.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A model; * stands for any letters.")
    ] = None,
    home: Home = None,
    database: Database = None,
) -> None:
    """Take prices from LiteLLM's JSON, or from a CSV with the columns of the table."""
    from labelwright.flows import models

    with workbench(home, database) as bench:
        actor = local_person(bench)
        text = path.read_text(encoding="utf-8", errors="replace")
        found = models.import_prices(bench, actor, provider_named(bench, actor, name).id, text, only or ())
        typer.echo(f"{found.taken} prices taken")
        for problem in found.problems[:20]:
            typer.secho(f"  {problem.where}: {problem.message}", fg="yellow", err=True)


def predict(
    project: ProjectName,
    provider: Annotated[
        str, typer.Option("--provider", help="Name of the provider; may be left out when there is only one.")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="Model; the provider's first one by default.")] = "",
    template: Annotated[
        int, typer.Option("--template", min=0, help="Version of the prompt; 0 is built in.")
    ] = 0,
    examples: Annotated[
        str, typer.Option("--examples", help="none, per_label, nearest, nearest_per_label or mmr.")
    ] = "none",
    k: Annotated[
        int, typer.Option("--k", min=1, max=50, help="Examples per label, or in total for nearest and mmr.")
    ] = 1,
    confidence: Annotated[
        str,
        typer.Option(
            "--confidence",
            help="auto, logprobs, verbal, self_consistency, self_consistency(N), seed_top5 or none.",
        ),
    ] = "auto",
    questions: Annotated[
        str, typer.Option("--questions", help="All in one request (together), or each in its own (each).")
    ] = "together",
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            "--chunk-tokens", min=64, help="Longest piece of a text in one request; what fits by default."
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Assets per batch.")] = None,
    batches: Annotated[int, typer.Option("--batches", min=1, help="Batches one after another.")] = 1,
    everything: Annotated[bool, typer.Option("--all", help="Go on until nothing is left.")] = False,
    review: Annotated[
        float | None,
        typer.Option(
            "--review",
            min=0.01,
            max=1,
            help="Let each further batch wait until people have reviewed this share of the one before (1: all of it).",
        ),
    ] = None,
    cap: Annotated[str, typer.Option("--cap", help="Pause before so many USD are passed.")] = "",
    batch_api: Annotated[
        bool, typer.Option("--batch-api", help="Through the provider's batch API: cheaper, within a day.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask also where the reply to the same request is kept here.")
    ] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say what it would take.")] = False,
    detector: Annotated[
        str, typer.Option("--detector", help="Let this detector look at images, instead of a language model.")
    ] = "",
    question: Annotated[
        str,
        typer.Option("--question", help="Question the detector answers; the only one that fits by default."),
    ] = "",
    home: Home = None,
    database: Database = None,
) -> None:
    """Let a model answer for the next assets that nobody and no run has covered."""
    from labelwright.flows import predict as runs
    from labelwright.flows import prompts

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        if detector:
            from labelwright.flows import detectors

            chosen_detector = detectors.detector_named(bench, actor, detector)
            images = None if everything else batch_size
            if detect(bench, actor, found.id, chosen_detector, question, images).state != "done":
                raise typer.Exit(1)
            return
        chosen = provider_named(bench, actor, provider)
        known = chosen.models or (chosen.capabilities.models if chosen.capabilities is not None else ())
        if not model and not known:
            raise Invalid("no_model", f"{chosen.name!r} names no model", "say which: --model NAME")
        ways = ("none", "per_label", "nearest", "nearest_per_label", "mmr")
        if examples not in ways:
            raise Invalid("bad_option", f"{examples!r} is no way to choose examples", ", ".join(ways))
        if questions not in ("together", "each"):
            raise Invalid("bad_option", f"{questions!r} is no way to group questions", "together or each")
        decoding = _confidence(confidence) | {"questions": questions, "chunk_tokens": chunk_tokens}
        plan = prompts.Plan.model_validate(
            {"provider_id": chosen.id, "model": model or known[0], "template_version": template,
             "examples": {"kind": examples, "k": k}, "decoding": decoding}
        )  # fmt: skip
        if estimate:
            limit = None if everything else prompts.planned(bench, actor, found.id, batch_size, batches)
            _say(prompts.estimate(bench, actor, found.id, plan, limit, "batch" if batch_api else "now"))
            return
        run = runs.start_run(
            bench, actor, found.id, plan, batch_size=batch_size, batches=None if everything else batches,
            cost_cap_usd=amount(cap), review_share=review, how="batch" if batch_api else "now",
            use_cache=not no_cache,
        )  # fmt: skip
        follow(bench, job_of(bench, actor, found.id, run.id), f"Asking {plan.model}")
        ended = [each for each in runs.list_runs(bench, actor, found.id, "batch") if each.id >= run.id]
        for each in reversed(ended):
            _say_ended(each)
        if any(each.state != "done" for each in ended):
            raise typer.Exit(1)


def _say_ended(run: "Run") -> None:
    cost = "cost unknown" if run.cost_usd is None else f"{run.cost_usd:.4f} USD"
    cached = f", {run.from_cache} from the cache" if run.from_cache else ""
    pace = "" if run.latency_p50_s is None else f", {1000 * run.latency_p50_s:,.0f} ms each"
    typer.echo(
        f"batch {run.batch}: {run.state}, {run.done} of {run.total}, {run.failed} failed, {cost}{cached}{pace}"
    )
    for cause, n in run.failures.items():
        typer.echo(f"  {n} by {cause.replace('_', ' ')}", err=True)
    if run.stop_reason:
        typer.secho(f"  {run.stop_reason}", fg="yellow", err=True)
    if run.next_batch is not None:
        typer.echo(f"  the next batch starts when {run.next_batch.left:,} more are reviewed")


def detect(
    bench: "Workbench", actor: "Actor", project_id: int, chosen: "Detector", question: str, images: int | None
) -> "Run":
    """Run a detector and say what came of it; returns the run when it has ended."""
    from labelwright.flows import detectors
    from labelwright.flows import predict as runs

    run = detectors.start_run(bench, actor, project_id, chosen.id, question=question, images=images)
    follow(bench, job_of(bench, actor, project_id, run.id), f"{chosen.name} looks at {run.total:,} images")
    view = runs.view_run(bench, actor, project_id, run.id)
    _say_ended(view.run)
    if view.left_out:
        named = ", ".join(
            f"{n:,} {kind}" for kind, n in sorted(view.left_out.items(), key=lambda each: -each[1])
        )
        typer.echo(f"  left out, since no label has their name: {named}")
    return view.run


def job_of(bench: "Workbench", actor: "Actor", project_id: int, run_id: int) -> int:
    """The job that carries out a run that was just started."""
    from labelwright.flows import jobs

    every = jobs.list_jobs(bench, actor, project_id, ("predict",))
    return next(job.id for job in every if run_id in job.params.get("run_ids", ()))


def _say(found: "Estimate") -> None:
    typer.echo(
        f"{found.assets} assets, {found.requests:,} requests, {found.prompt_tokens:,} + {found.completion_tokens:,} tokens"
    )
    if found.usd is not None and found.usd_low is not None and found.usd_high is not None:
        typer.echo(f"{found.usd:.4f} USD ({found.usd_low:.4f} to {found.usd_high:.4f})")
    typer.echo(found.note)


def _confidence(text: str) -> dict[str, object]:
    """The setting behind `self_consistency(5)` and the like."""
    found = re.fullmatch(r"(\w+)(?:\((\d{1,2})\))?", text.strip())
    known = get_args(Scoring)
    if found is None or found[1] not in known or (found[2] and found[1] != "self_consistency"):
        raise Invalid("bad_option", f"{text!r} is no way to get a confidence", ", ".join(known))
    if found[2] and not 2 <= int(found[2]) <= 20:
        raise Invalid("bad_option", f"{found[2]} samples: 2 to 20 can be asked for")
    return {"confidence": found[1]} | ({"samples": int(found[2])} if found[2] else {})


def amount(text: str) -> Decimal | None:
    """An amount in USD from an option; None when it was left out.

    Raises:
        Invalid: It is no number.
    """
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Invalid("bad_option", f"{text!r} is not an amount in USD") from None


def provider_named(bench: "Workbench", actor: "Actor", name: str) -> "Provider":
    """The provider with this name, the only one, or the one the environment names."""
    from labelwright.flows import models

    if os.environ.get("LABELWRIGHT_MODEL_URL"):
        models.provider_from_environment(bench)
    every = models.list_providers(bench, actor)
    matches = [each for each in every if each.name == name] if name else every
    if len(matches) != 1:
        names = ", ".join(each.name for each in every) or "none yet: labelwright provider add NAME URL"
        raise NotFound(
            "no_provider", f"there is no provider {name!r}" if name else "say which provider", names
        )
    return matches[0]
