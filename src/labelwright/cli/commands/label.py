"""`label`: the whole job without a browser.

A table of texts in, the same table with labels and confidences out; or a folder of images in, and what a detector sees in
them out.
"""

import csv
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelwright.cli.common import follow, local_person, workbench

if TYPE_CHECKING:
    from labelwright.core.access import Actor
    from labelwright.core.detector import DetectorSpec
    from labelwright.core.predictor import Run
    from labelwright.core.project import Project
    from labelwright.workbench import Workbench


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(label)


def label(
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, JSON lines or Parquet with a text column; with --detector images: a folder or zip.",
            exists=True,
        ),
    ],
    labels: Annotated[str, typer.Option("--labels", help="The classes, a,b,c.")] = "",
    entities: Annotated[str, typer.Option("--entities", help="Entity types to mark, a,b,c.")] = "",
    ontology: Annotated[
        Path | None,
        typer.Option("--ontology", help="JSON or YAML file with the questions instead.", exists=True),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            "--detector",
            help="Description of an ONNX detector that looks at images.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="With --detector: coco, yolo, labelwright… (see `export`).")
    ] = "coco",
    model: Annotated[str, typer.Option("--model", help="Model name (default: $LABELWRIGHT_MODEL).")] = "",
    url: Annotated[
        str, typer.Option("--url", help="Endpoint up to /v1 (default: $LABELWRIGHT_MODEL_URL).")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write (default: NAME.labelled.csv or .zip).")
    ] = None,
    text: Annotated[str, typer.Option("--text", help="Column with the text; guessed by default.")] = "",
    cap: Annotated[float | None, typer.Option("--cap", help="Stop before so many USD are passed.")] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Keep the project here, to review it with `labelwright start --home …`."),
    ] = None,
) -> None:
    """Label a file with a language model, or images with a detector.

    labelwright label reviews.csv --labels positive,negative --model NAME

    labelwright label ./photos --detector yolo.yaml

    The key is read from $LABELWRIGHT_MODEL_API_KEY. Rows the model fails on stay in the output, without a label.
    """
    from labelwright.core.errors import Invalid

    if detector is not None:
        _label_images(path, detector, labels, ontology, form, out, home)
        return
    url = url or os.environ.get("LABELWRIGHT_MODEL_URL", "")
    model = model or os.environ.get("LABELWRIGHT_MODEL", "")
    if not url or not model:
        raise Invalid(
            "no_model",
            "say which model to ask",
            "use --url http://127.0.0.1:11434/v1 --model NAME, or set $LABELWRIGHT_MODEL_URL",
        )
    target = out or path.with_name(f"{path.stem}.labelled.csv")
    with (
        tempfile.TemporaryDirectory(prefix="labelwright-") as scratch,
        workbench(home or Path(scratch)) as bench,
    ):
        actor = local_person(bench)
        project = _project(bench, actor, path, labels, entities, ontology)
        imported = _import(bench, actor, project, path, text)
        run = _predict(bench, actor, project, url, model, cap)
        rows = _export(bench, actor, project, target)
    failed = f", {run.failed} failed ({', '.join(run.failures)})" if run.failed else ""
    typer.echo(f"{rows} rows in {target}: {run.done} labelled{failed}")
    if imported["bad"]:
        typer.echo(f"{imported['bad']} rows could not be read and are not in the output", err=True)
    if run.cost_usd is not None:
        typer.echo(f"cost: {run.cost_usd:.4f} USD", err=True)
    if home is not None:
        typer.echo(f"Review it: labelwright start --home {home}", err=True)
    if run.state != "done":
        typer.secho(f"The run {run.state}: {run.stop_reason}", fg="red", err=True)
        raise typer.Exit(1)


def _label_images(
    path: Path,
    described: Path,
    labels: str,
    ontology: Path | None,
    form: str,
    out: Path | None,
    home: Path | None,
) -> None:
    """Import images, let a detector look at them, and export what it saw as a zip."""
    from labelwright.cli.commands.detectors import added_or_same, files_of
    from labelwright.cli.commands.predict import detect
    from labelwright.cli.commands.project import ontology_body
    from labelwright.core.project import ProjectSettings
    from labelwright.flows import export, ingest, setup

    target = out or path.with_name(f"{path.stem}.labelled.zip")
    with (
        tempfile.TemporaryDirectory(prefix="labelwright-") as scratch,
        workbench(home or Path(scratch)) as bench,
    ):
        actor = local_person(bench)
        chosen = added_or_same(bench, actor, *files_of(described, None))
        body = ontology_body(ontology, "", "") if ontology is not None else _asked(chosen.spec, labels)
        project = setup.create_project(
            bench, actor, path.stem, setup.parse_ontology(body), modality="image", settings=ProjectSettings(learn_every=0)
        )  # fmt: skip
        options = ingest.ImportOptions()
        job = ingest.start_import_of_path(bench, actor, project.id, path, None, None, options)
        job = follow(bench, job.id, f"Reading {path.name}")
        if job.state != "done":
            typer.secho(job.message, fg="red", err=True)
            raise typer.Exit(1)
        for problem in job.report["problems"][:10]:
            typer.echo(f"  {problem['where']}: {problem['message']}", err=True)
        run = detect(bench, actor, project.id, chosen, "", None)
        wanted = export.ExportWanted(format=form, include="answered")
        written = follow(bench, export.start_export(bench, actor, project.id, wanted).id, "Writing")
        archive, _ = export.export_file(bench, actor, project.id, written.id)
        shutil.copyfile(archive, target)
    typer.echo(f"{run.done:,} images in {target}")
    if home is not None:
        typer.echo(f"Review them: labelwright start --home {home}", err=True)
    if run.state != "done":
        raise typer.Exit(1)


def _asked(spec: "DetectorSpec", labels: str) -> dict[str, Any]:
    """A question with these labels, or with all classes of a detector."""
    named = [name.strip() for name in labels.split(",") if name.strip()] or [
        name for number, name in sorted(spec.classes.items()) if number != spec.background
    ]
    if spec.task == "classify":
        return {"questions": [{"kind": "choice", "name": "Label", "labels": named}]}
    return {"questions": [{"kind": "region", "name": "Objects", "shapes": [spec.marks], "labels": named}]}


def _project(
    bench: "Workbench", actor: "Actor", path: Path, labels: str, entities: str, ontology: Path | None
) -> "Project":
    from labelwright.cli.commands.project import ontology_body
    from labelwright.core.project import ProjectSettings
    from labelwright.flows import setup

    body = ontology_body(ontology, labels, entities)
    return setup.create_project(
        bench, actor, path.stem, setup.parse_ontology(body), settings=ProjectSettings(learn_every=0)
    )


def _import(bench: "Workbench", actor: "Actor", project: "Project", path: Path, text: str) -> dict[str, int]:
    from labelwright.flows import ingest
    from labelwright.formats import mapping as maps
    from labelwright.formats.registry import head, sniff

    form = sniff(path, path.name)
    mapping = maps.guess(maps.columns_of(head(path, path.name, form, None, 200)[0]))
    if text:
        mapping = mapping.model_copy(update={"text": text})
    job = ingest.start_import_of_path(bench, actor, project.id, path, form, mapping, ingest.ImportOptions())
    job = follow(bench, job.id, f"Reading {path.name}")
    if job.state != "done":
        typer.secho(job.message, fg="red", err=True)
        raise typer.Exit(1)
    for problem in job.report["problems"][:10]:
        typer.echo(f"  {problem['where']}: {problem['message']}", err=True)
    return {key: int(job.report[key]) for key in ("new", "bad")}


def _predict(
    bench: "Workbench", actor: "Actor", project: "Project", url: str, model: str, cap: float | None
) -> "Run":
    from decimal import Decimal

    from labelwright.core.errors import NotFound
    from labelwright.flows import jobs, models, predict, prompts

    environment = os.environ | {"LABELWRIGHT_MODEL_URL": url, "LABELWRIGHT_MODEL": model}
    provider = models.provider_from_environment(bench, environment)
    if provider is None:
        raise NotFound("no_provider", "no endpoint was given")
    # What the endpoint can do decides how it is asked: with a schema or in words, with log-probabilities or without.
    models.probe_provider(bench, actor, provider.id, model)
    plan = prompts.Plan(provider_id=provider.id, model=model)
    run = predict.start_run(
        bench, actor, project.id, plan, batch_size=100_000, batches=1,
        cost_cap_usd=Decimal(str(cap)) if cap is not None else None,
    )  # fmt: skip
    for job in jobs.list_jobs(bench, actor, project.id, ("predict",)):
        if job.state in ("queued", "running"):
            follow(bench, job.id, f"Asking {model}")
    return predict.view_run(bench, actor, project.id, run.id).run


def _export(bench: "Workbench", actor: "Actor", project: "Project", target: Path) -> int:
    from labelwright.flows import export

    job = follow(
        bench, export.start_export(bench, actor, project.id, export.ExportWanted(format="csv")).id, "Writing"
    )
    archive, _ = export.export_file(bench, actor, project.id, job.id)
    partial = target.with_name(target.name + ".part")
    with zipfile.ZipFile(archive) as files:
        partial.write_bytes(files.read("assets.csv"))
    partial.replace(target)
    with target.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1
