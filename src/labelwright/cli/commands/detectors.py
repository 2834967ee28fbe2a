"""`detectors`: networks trained elsewhere that mark regions or choose labels, from ONNX files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelwright.cli.common import Database, Home, ProjectName, find_project, local_person, workbench
from labelwright.core.errors import Invalid

if TYPE_CHECKING:
    from labelwright.core.access import Actor
    from labelwright.core.detected import Fitting
    from labelwright.core.detector import Detector
    from labelwright.workbench import Workbench

detectors_app = typer.Typer(help="ONNX detectors and segmenters that label images.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(detectors_app, name="detectors")


@detectors_app.command("add")
def add_detector(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="model.onnx, or a description that names it."
        ),
    ],
    spec: Annotated[
        Path | None,
        typer.Option("--spec", exists=True, dir_okay=False, help="Its description, YAML or JSON."),
    ] = None,
    home: Home = None,
    database: Database = None,
) -> None:
    """Add a model with its description. It is loaded and tried first; see docs/guides/detectors.md."""
    from labelwright.flows import detectors

    model, text = files_of(path, spec)
    with workbench(home, database) as bench:
        added = detectors.add_file(bench, local_person(bench), model, text)
        typer.echo(_row(added))
        typer.echo(f"Use it: labelwright predict PROJECT --detector {added.name!r}", err=True)


@detectors_app.command("list")
def list_detectors(home: Home = None, database: Database = None) -> None:
    """All detectors."""
    from labelwright.flows import detectors

    with workbench(home, database) as bench:
        for each in detectors.list_detectors(bench, local_person(bench)):
            typer.echo(_row(each))


@detectors_app.command("show")
def show_detector(
    project: ProjectName,
    name: Annotated[str, typer.Argument(metavar="DETECTOR", help="Name or id of the detector.")],
    home: Home = None,
    database: Database = None,
) -> None:
    """Which label of a project each class of a detector becomes."""
    from labelwright.flows import detectors

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = detectors.detector_named(bench, actor, name)
        every = detectors.uses(bench, actor, find_project(bench, actor, project).id)
        use = next(each for each in every if each.detector.id == found.id)
        if use.problem:
            raise Invalid("no_question", use.problem)
        for fit in use.fittings:
            typer.echo(f"question {fit.question}" + (f", marked with {fit.marks}" if fit.marks else ""))
            _say_classes(fit)


@detectors_app.command("remove")
def remove_detector(
    name: Annotated[str, typer.Argument(metavar="DETECTOR", help="Name or id of the detector.")],
    home: Home = None,
    database: Database = None,
) -> None:
    """Take a detector out of use and delete its model file; what it predicted stays."""
    from labelwright.flows import detectors

    with workbench(home, database) as bench:
        actor = local_person(bench)
        found = detectors.detector_named(bench, actor, name)
        detectors.remove_detector(bench, actor, found.id)
        typer.echo(f"{found.name} removed")


def files_of(path: Path, spec: Path | None) -> tuple[Path, str]:
    """The model file and the text of its description, from either of them.

    Raises:
        Invalid: One of them is missing.
    """
    from labelwright.core.detector import parse_spec

    if spec is None and path.suffix.lower() == ".onnx":
        raise Invalid(
            "no_spec",
            f"{path.name} needs a description",
            "--spec detector.yaml; see docs/guides/detectors.md",
        )
    described = spec or path
    text = described.read_text(encoding="utf-8", errors="replace")
    if spec is not None:
        return path, text
    named = parse_spec(text).model
    model = path.with_name(named) if named else path.with_suffix(".onnx")
    if not model.is_file():
        hint = "write model: FILE into it" if not named else "it is looked for beside the description"
        raise Invalid("no_model", f"there is no model file {model.name} beside {path.name}", hint)
    return model, text


def added_or_same(bench: "Workbench", actor: "Actor", model: Path, text: str) -> "Detector":
    """Add a detector, unless the one of its name is this model with this description.

    Raises:
        Conflict: Another one has the name.
    """
    import hashlib

    from labelwright.core.detector import parse_spec
    from labelwright.detectors import Runner
    from labelwright.flows import detectors

    same = [each for each in detectors.list_detectors(bench, actor) if each.name == parse_spec(text).name]
    if same:
        with model.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        runner = Runner(model, parse_spec(text))
        runner.close()
        if same[0].model_sha256 == sha256 and same[0].spec == runner.spec:
            return same[0]
    return detectors.add_file(bench, actor, model, text)


def _row(found: "Detector") -> str:
    size = found.spec.input.size
    takes = f"{size[0]} x {size[1]}" if size is not None else "any size"
    return (
        f"{found.name}\t{found.spec.task}\t{found.spec.output.layout}\t{takes}\t{len(found.spec.classes)} classes\t"
        f"{found.size_bytes / 1e6:.1f} MB\t{found.signature.runs_on}"
    )


def _say_classes(fit: "Fitting") -> None:
    for row in fit.classes:
        if row.label is not None:
            typer.echo(f"  {row.name} -> {row.label}")
    left = [row.name for row in fit.classes if row.label is None]
    if left:
        typer.echo(f"  no label: {', '.join(left)}")
