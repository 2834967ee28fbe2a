"""Exports on both databases: one snapshot, the same bytes again, a manifest that fits, and a way back in."""

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from labelwright.core.access import Actor
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.job import Job
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import annotate, export, ingest, jobs, people
from labelwright.formats.registry import for_modality
from labelwright.store import transfer as store
from labelwright.workbench import Workbench
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, predict, submission

FORMATS = [writer.name for writer in for_modality("text")[1]]


def take_out(bench: Workbench, actor: Actor, project: Project, form: str, **more: object) -> tuple[Job, Path]:
    """Export; returns the finished job and the zip."""
    wanted = export.ExportWanted.model_validate({"format": form, **more})
    started = export.start_export(bench, actor, project.id, wanted)
    jobs.run_all(bench)
    job = jobs.get_job(bench, actor, project.id, started.id)
    assert job.state == "done", job.message
    return job, export.export_file(bench, actor, project.id, started.id)[0]


def labelled_project(bench: Workbench, ana: Actor) -> tuple[Project, list[int]]:
    """Four texts: labelled by a person over a model, predicted, new, and labelled."""
    project = add_project(bench, ana, settings=ProjectSettings(learn_every=0))
    ids = add_assets(bench, project, ["one 😀", "two", "=three", "four"])
    predict(bench, project, ids[0], 0.4)
    predict(bench, project, ids[1], 0.7)
    annotate.submit(bench, ana, project.id, ids[0], submission(NEGATIVE))
    annotate.submit(bench, ana, project.id, ids[3], submission(POSITIVE))
    return project, ids


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_a_manifest_and_the_same_snapshot_gives_the_same_bytes(
    workbench: Workbench, form: str
) -> None:
    ana = add_person(workbench)
    project, _ = labelled_project(workbench, ana)
    job, path = take_out(workbench, ana, project, form)
    _, again = take_out(workbench, ana, project, form)
    assert path.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        report = json.loads(archive.read("loss_report.json"))
        files = set(archive.namelist()) - {"manifest.json"}
        assert set(manifest["files"]) == files
        for name in files:
            assert hashlib.sha256(archive.read(name)).hexdigest() == manifest["files"][name]
    assert manifest["project"] == {"id": project.id, "name": "Reviews", "ontology_version": 1}
    assert manifest["counts"]["labelled"] == 2
    assert manifest["rows"] == job.report["rows"]
    assert report["lost"] == job.report["lost"]


@pytest.mark.parametrize(
    ("include", "texts"),
    [
        ("all", ["one 😀", "two", "'=three", "four"]),
        ("answered", ["one 😀", "two", "four"]),
        ("labelled", ["one 😀", "four"]),
    ],
)
def test_what_is_included_is_chosen_and_the_rest_is_counted(
    workbench: Workbench, include: str, texts: list[str]
) -> None:
    ana = add_person(workbench)
    project, _ = labelled_project(workbench, ana)
    job, path = take_out(workbench, ana, project, "csv", include=include)
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("assets.csv").decode(), newline="")))
    assert [row["text"] for row in rows] == texts
    assert rows[0]["sentiment"] == "Negative"
    assert sum(job.report["left_out"].values()) == 4 - len(texts)


def test_our_own_format_makes_the_same_project_anew(workbench: Workbench, tmp_path: Path) -> None:
    ana = add_person(workbench)
    project, _ = labelled_project(workbench, ana)
    _, path = take_out(workbench, ana, project, "labelwright")
    with zipfile.ZipFile(path) as archive:
        content = archive.read("assets.jsonl")
    other = add_project(workbench, ana, settings=ProjectSettings(learn_every=0))
    upload = ingest.keep_upload(workbench, ana, "assets.jsonl", [content])
    assert upload.format == "labelwright"
    started = ingest.start_import(workbench, ana, other.id, ingest.ImportWanted(upload_id=upload.upload_id))
    jobs.run_all(workbench)
    assert jobs.get_job(workbench, ana, other.id, started.id).report["bad"] == 0

    def content_of(project_id: int) -> list[object]:
        with workbench.store.read() as tx:
            return [
                (row.asset.text, row.asset.status, row.chosen, row.chosen_by,
                 row.prediction.answers if row.prediction else None, len(row.annotations))
                for row in store.outgoing(tx, project_id, {}, "latest", {})
            ]  # fmt: skip

    assert content_of(other.id) == content_of(project.id)


def test_of_several_people_the_latest_or_the_majority_is_written(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana, settings=ProjectSettings(learn_every=0, people_per_asset=3))
    (asset_id,) = add_assets(workbench, project, ["one"])
    crowd = [add_person(workbench, f"p{n}") for n in range(3)]
    for person, answers in zip(crowd, (POSITIVE, POSITIVE, NEGATIVE), strict=True):
        people.set_member(workbench, ana, project.id, person.user_id, "annotator")
        annotate.submit(workbench, person, project.id, asset_id, submission(answers))
    for which, label in (("latest", "Negative"), ("majority", "Positive")):
        job, path = take_out(workbench, ana, project, "csv", which=which)
        with zipfile.ZipFile(path) as archive:
            (row,) = csv.DictReader(io.StringIO(archive.read("assets.csv").decode(), newline=""))
            assert which in json.loads(archive.read("manifest.json"))["answers"]
        assert row["sentiment"] == label
        assert job.report["lost"] == {"one_of_several": 1}


def test_an_export_is_one_snapshot_even_while_people_work(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project, ids = labelled_project(workbench, ana)
    with workbench.store.read() as tx:
        rows = store.outgoing(tx, project.id, {}, "latest", {}, chunk=1)
        first = next(rows)
        annotate.submit(workbench, ana, project.id, ids[2], submission(POSITIVE))
        rest = list(rows)
    assert first.asset.id == ids[0]
    assert [row.asset.status for row in rest] == ["predicted", "new", "labelled"]


def test_only_a_finished_export_of_ones_own_project_is_handed_out(sqlite_workbench: Workbench) -> None:
    bench = sqlite_workbench
    ana, eve = add_person(bench), add_person(bench, "eve")
    project, _ = labelled_project(bench, ana)
    other = add_project(bench, eve)
    with pytest.raises(Invalid):
        export.start_export(bench, ana, project.id, export.ExportWanted(format="../../etc/passwd"))
    with pytest.raises((NotAllowed, NotFound)):
        export.start_export(bench, eve, project.id, export.ExportWanted(format="csv"))
    started = export.start_export(bench, ana, project.id, export.ExportWanted(format="csv"))
    with pytest.raises(Conflict):
        export.export_file(bench, ana, project.id, started.id)
    jobs.run_all(bench)
    with pytest.raises(NotFound):
        export.export_file(bench, eve, other.id, started.id)
    assert not list(Path(bench.settings.home).glob("export-*")), "nothing half-written stays behind"
