"""`import` and `export`: files in and out."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, follow, local_person, workbench


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_file)
    app.command("export")(export_project)


def _pairs(given: list[str] | None) -> dict[str, str]:
    from labelwright.core.errors import Invalid

    found = {}
    for each in given or []:
        question, mark, column = each.partition("=")
        if not mark or not question or not column:
            raise Invalid("bad_option", f"{each!r} is not of the form QUESTION=COLUMN")
        found[question] = column
    return found


def import_file(
    project: ProjectName,
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH_OR_URL",
            help="A file, a folder, a zip or tar, a list of image addresses, or a bucket (s3://, gs://, az://).",
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl, conll, txt, label_studio, images, ...; guessed by default from what is in it.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Column with the text.")] = None,
    external_id: Annotated[
        str | None, typer.Option("--id", help="Column with your own key; makes a repeated import safe.")
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option("--answers", help="QUESTION=COLUMN with people's labels; may be repeated."),
    ] = None,
    predictions: Annotated[
        list[str] | None, typer.Option("--predictions", help="QUESTION=COLUMN with a model's labels.")
    ] = None,
    gold: Annotated[
        list[str] | None, typer.Option("--gold", help="QUESTION=COLUMN with trusted labels.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="For example cp1252; UTF-8 by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, store nothing.")
    ] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Import a file, folder, archive or bucket into a project. Importing the same again changes nothing."""
    from labelwright.flows import ingest
    from labelwright.formats import mapping as maps
    from labelwright.formats.registry import READERS, head

    path: Path | str = source if ingest.is_address(source) else Path(source)
    called = path.name if isinstance(path, Path) else path
    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        form = form or ingest.format_of(bench, path, called, found.modality)
        mapping = maps.Mapping()
        if isinstance(path, Path) and any(reader.name == form and reader.columns for reader in READERS):
            mapping = maps.guess(maps.columns_of(head(path, called, form, encoding, 200)[0]))
        given = {
            "text": text, "external_id": external_id, "encoding": encoding, "answers": _pairs(answers) or None,
            "predictions": _pairs(predictions) or None, "gold": _pairs(gold) or None,
        }  # fmt: skip
        mapping = mapping.model_copy(update={k: v for k, v in given.items() if v is not None})
        job = ingest.start_import_of_path(
            bench, actor, found.id, path, form, mapping, ingest.ImportOptions(dry_run=dry_run)
        )
        job = follow(bench, job.id, f"Importing {called}")
        report = job.report
        if job.state != "done":
            typer.secho(f"The import {job.state}: {job.message}", fg="red", err=True)
            raise typer.Exit(1)
        typer.echo(
            f"{'Would import' if dry_run else 'Imported'}: {report['new']} new, {report['same']} same, "
            f"{report['changed']} changed, {report['bad']} bad"
        )
        if report["duplicates"]:
            typer.echo(f"{report['duplicates']} of them are the same image under another name")
        extras = {k: report[k] for k in ("annotations", "predictions", "gold") if report[k]}
        if extras:
            typer.echo("With " + ", ".join(f"{n} {kind}" for kind, n in extras.items()))
        for problem in report["problems"][:20]:
            typer.echo(f"  {problem['where']}: {problem['message']} [{problem['code']}]", err=True)
        if len(report["problems"]) > 20:
            typer.echo("  … more in the browser, under the project's imports", err=True)


def export_project(
    project: ProjectName,
    target: Annotated[Path, typer.Argument(help="Zip file to write.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="labelwright, csv, conll, spacy, label_studio, parquet; for images coco, coco_panoptic, semantic_masks, ...",
        ),
    ] = "labelwright",
    which: Annotated[
        str, typer.Option("--which", help="latest, majority, or each person's apart.")
    ] = "latest",
    include: Annotated[
        str,
        typer.Option(
            "--include",
            help="all, answered, labelled, or trusted (labelled by people or accepted from a model).",
        ),
    ] = "all",
    with_images: Annotated[
        bool, typer.Option("--with-images", help="Put the images beside their labels.")
    ] = False,
    home: Home = None,
    database: Database = None,
) -> None:
    """Export a project as a zip with a manifest and a report of what the format could not hold."""
    from pydantic import ValidationError

    from labelwright.core.errors import Invalid
    from labelwright.flows import export

    try:
        given = {"format": form, "which": which, "include": include, "with_images": with_images}
        wanted = export.ExportWanted.model_validate(given)
    except ValidationError as error:
        raise Invalid("bad_option", error.errors()[0]["msg"]) from None
    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = find_project(bench, actor, project)
        job = follow(bench, export.start_export(bench, actor, found.id, wanted).id, f"Exporting {found.name}")
        if job.state != "done":
            typer.secho(f"The export {job.state}: {job.message}", fg="red", err=True)
            raise typer.Exit(1)
        path, _ = export.export_file(bench, actor, found.id, job.id)
        partial = target.with_name(target.name + ".part")
        shutil.copyfile(path, partial)
        partial.replace(target)
        typer.echo(f"{job.report['rows']} rows in {target}")
        for code, n in job.report["lost"].items():
            typer.echo(f"  {code}: {n} (see loss_report.json)", err=True)
