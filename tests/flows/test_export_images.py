"""Images all the way: a zip in, people draw, a zip out with the images, and in again as another project."""

import hashlib
import json
import uuid
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from labelwright.core import mask as masks
from labelwright.core.access import Actor
from labelwright.core.answer import Answers, Region, RegionAnswer
from labelwright.core.errors import Invalid
from labelwright.core.job import Job
from labelwright.core.project import Project, ProjectSettings
from labelwright.core.shape import Box, Polygon, Shape
from labelwright.flows import annotate, export, ingest, jobs, people, setup
from labelwright.formats.registry import for_modality
from labelwright.store import transfer as store
from labelwright.workbench import Workbench
from tests.factories import add_person, submission
from tests.formats.image_made import picture
from tests.media.made import zipped

TREE = Polygon(
    parts=(
        (((5.0, 5.0), (30.0, 5.0), (30.0, 30.0)),),
        (((40.0, 20.0), (50.0, 20.0), (45.0, 30.0)),),
    )
)
BLOT = np.zeros((40, 60), dtype=bool)
BLOT[5:20, 10:30] = True
BLOT[8:12, 15:20] = False


def bring_in(bench: Workbench, actor: Actor, project: Project, content: bytes, folder: Path) -> Job:
    path = folder / f"{uuid.uuid4().hex}.zip"
    path.write_bytes(content)
    started = ingest.start_import_of_path(bench, actor, project.id, path, None, None, ingest.ImportOptions())
    jobs.run_all(bench)
    job = jobs.get_job(bench, actor, project.id, started.id)
    assert job.state == "done", job.message
    return job


def new_project(bench: Workbench, actor: Actor, name: str = "Trees") -> Project:
    question = {
        "kind": "region",
        "name": "Plants",
        "labels": ["tree", "bush"],
        "shapes": ["polygon", "box", "mask"],
    }
    settings = ProjectSettings(learn_every=0, people_per_asset=3)
    ontology = setup.parse_ontology({"questions": [question]})
    return setup.create_project(bench, actor, name, ontology, modality="image", settings=settings)


def drawn(*shapes: Shape) -> Answers:
    regions = tuple(Region(id=uuid.uuid4().hex, label="tree", shape=shape) for shape in shapes)
    return Answers.of({"plants": RegionAnswer(regions=regions)})


def take_out(
    bench: Workbench, actor: Actor, project: Project, form: str, **more: object
) -> tuple[Job, dict[str, bytes]]:
    wanted = export.ExportWanted.model_validate({"format": form, **more})
    started = export.start_export(bench, actor, project.id, wanted)
    jobs.run_all(bench)
    job = jobs.get_job(bench, actor, project.id, started.id)
    assert job.state == "done", job.message
    with zipfile.ZipFile(export.export_file(bench, actor, project.id, started.id)[0]) as archive:
        return job, {name: archive.read(name) for name in archive.namelist()}


def stored(bench: Workbench, project: Project) -> dict[str | None, list[Shape]]:
    """Shapes of what counts, by external id."""
    with bench.store.read() as tx:
        return {
            row.asset.external_id: [
                region.shape
                for _, answer in (row.chosen.items() if row.chosen else ())
                if isinstance(answer, RegionAnswer) for region in answer.regions
            ]
            for row in store.outgoing(tx, project.id, {}, "latest", {})
        }  # fmt: skip


def project_with_three(bench: Workbench, ana: Actor, folder: Path) -> tuple[Project, list[int]]:
    project = new_project(bench, ana)
    files = {"a/one.png": picture(), "two.jpg": picture((40, 60), 6, "JPEG"), "b/one.png": picture((60, 41))}
    assert bring_in(bench, ana, project, zipped(files), folder).report["new"] == 3
    with bench.store.read() as tx:
        ids = {
            row.asset.external_id: row.asset.id for row in store.outgoing(tx, project.id, {}, "latest", {})
        }
    return project, [ids[name] for name in ("a/one.png", "b/one.png", "two.jpg")]


@pytest.mark.parametrize("form", [writer.name for writer in for_modality("image")[1]])
def test_every_image_format_keeps_its_manifest_and_its_images(
    sqlite_workbench: Workbench, tmp_path: Path, form: str
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench)
    project, ids = project_with_three(bench, ana, tmp_path)
    annotate.submit(bench, ana, project.id, ids[0], submission(drawn(TREE, masks.encode(BLOT))))
    job, files = take_out(bench, ana, project, form, with_images=True)
    assert files == take_out(bench, ana, project, form, with_images=True)[1]
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert job.report["lost"] == json.loads(files["loss_report.json"])["lost"]
    if form not in ("csv",):
        images = Counter(
            content for name, content in files.items() if content[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")
        )
        assert picture() in images
    assert all(not name.startswith("/") and ".." not in name for name in files)
    without = take_out(bench, ana, project, form)[1]
    assert picture() not in without.values()


def test_what_people_drew_comes_back_as_another_project(workbench: Workbench, tmp_path: Path) -> None:
    ana = add_person(workbench)
    project, ids = project_with_three(workbench, ana, tmp_path)
    box = Box(x=1, y=2, width=9.5, height=8)
    for asset_id, answers in zip(ids, (drawn(TREE, masks.encode(BLOT)), drawn(box), drawn()), strict=True):
        annotate.submit(workbench, ana, project.id, asset_id, submission(answers))
    truth = stored(workbench, project)
    for form in ("coco", "labelwright"):
        _, files = take_out(workbench, ana, project, form, with_images=True)
        other = new_project(workbench, ana, form)
        job = bring_in(workbench, ana, other, zipped(files), tmp_path)
        assert (job.report["new"], job.report["annotations"], job.report["problems"]) == (3, 3, [])
        found = stored(workbench, other)
        assert Counter(map(repr, found.values())) == Counter(map(repr, truth.values()))
        again = bring_in(workbench, ana, other, zipped(files), tmp_path)
        assert (again.report["new"], again.report["same"]) == (0, 3)


def test_labels_without_their_images_find_the_images_of_the_project(
    sqlite_workbench: Workbench, tmp_path: Path
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench)
    project, ids = project_with_three(bench, ana, tmp_path)
    annotate.submit(bench, ana, project.id, ids[0], submission(drawn(TREE)))
    _, files = take_out(bench, ana, project, "coco")
    other, _ = project_with_three(bench, ana, tmp_path)
    job = bring_in(
        bench, ana, other, zipped({k: v for k, v in files.items() if k.startswith("annotations/")}), tmp_path
    )
    assert (job.report["new"], job.report["annotations"], job.report["problems"]) == (0, 1, [])
    assert stored(bench, other)["a/one.png"] == [TREE]


def test_each_persons_work_is_a_folder_of_its_own(workbench: Workbench, tmp_path: Path) -> None:
    ana = add_person(workbench)
    project, ids = project_with_three(workbench, ana, tmp_path)
    bob, cleo = (add_person(workbench, name) for name in ("bob", "cleo"))
    for person, asset_ids in ((bob, ids[:2]), (cleo, ids[:1])):
        people.set_member(workbench, ana, project.id, person.user_id, "annotator")
        for asset_id in asset_ids:
            annotate.submit(workbench, person, project.id, asset_id, submission(drawn(TREE)))
    job, files = take_out(workbench, ana, project, "coco", which="each")
    assert (job.report["rows"], job.report["left_out"], job.report["lost"]) == (3, {"not_labelled": 1}, {})
    for name, n in (("bob", 2), ("cleo", 1)):
        content = json.loads(files[f"people/{name}/annotations/instances.json"])
        assert (len(content["images"]), len(content["annotations"]), content["info"]["annotator"]) == (
            n,
            n,
            name,
        )
    assert json.loads(files["manifest.json"])["answers"].startswith("each person")
    _, files = take_out(workbench, ana, project, "labelwright", which="each")  # holds everybody's anyway
    lines = [json.loads(line) for line in files["assets.jsonl"].splitlines()]
    assert sorted(len(line["annotations"]) for line in lines) == [0, 1, 2]


def test_the_majority_is_who_drew_the_same_not_the_same_numbers(
    sqlite_workbench: Workbench, tmp_path: Path
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench)
    project, ids = project_with_three(bench, ana, tmp_path)
    shapes = (
        Box(x=5, y=5, width=20, height=20),
        Box(x=5.5, y=5, width=20, height=20),
        Box(x=30, y=5, width=9, height=9),
    )
    for n, shape in enumerate(shapes):
        person = add_person(bench, f"p{n}")
        people.set_member(bench, ana, project.id, person.user_id, "annotator")
        annotate.submit(bench, person, project.id, ids[0], submission(drawn(shape)))
    for which, x in (("latest", 30), ("majority", 5.5)):
        _, files = take_out(bench, ana, project, "coco", which=which)
        (mark,) = json.loads(files["annotations/instances.json"])["annotations"]
        assert mark["bbox"][0] == x


def test_a_format_for_images_is_refused_for_texts_and_the_other_way_round(
    sqlite_workbench: Workbench,
) -> None:
    ana = add_person(sqlite_workbench)
    images = new_project(sqlite_workbench, ana)
    for form in ("conll", "spacy"):
        with pytest.raises(Invalid, match="holds no image assets"):
            export.start_export(sqlite_workbench, ana, images.id, export.ExportWanted(format=form))
