"""Real photos and real outlines through the formats: imported from COCO, exported to every mask format, read back."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pydantic import TypeAdapter

from labelwright.core.mask import area_px2, decode, encode, outline, rasterise
from labelwright.core.shape import Mask, Shape, Size
from labelwright.flows import export, ingest, jobs, setup
from labelwright.formats import registry
from labelwright.workbench import Workbench
from tests.factories import add_person
from tests.formats.image_made import Folder, load

FORMS = {
    "coco": "coco", "coco_panoptic": "coco", "instance_masks": "instance_masks", "semantic_masks": "semantic_masks",
    "labelwright": "labelwright",
}  # fmt: skip
SHAPES: TypeAdapter[Shape] = TypeAdapter(Shape)


def truth_of(folder: Path) -> dict[str, list[tuple[str, Mask]]]:
    """Image -> (label, mask) of every object."""
    listed = json.loads((folder / "objects.json").read_text())["images"][::4]  # of each origin some
    found = {}
    for each in listed:
        numbers = np.array(Image.open(folder / each["mask"]))
        found[each["image"]] = [(o["label"], encode(numbers == o["id"])) for o in each["objects"]]
    return found


def as_coco(truth: dict[str, list[tuple[str, Mask]]]) -> dict[str, Any]:
    """A COCO file of it: by turns compressed, uncompressed, and as outlines where there is no hole."""
    names = sorted({label for marks in truth.values() for label, _ in marks})
    images: list[Any] = []
    annotations: list[Any] = []
    for image_id, (name, marks) in enumerate(truth.items(), 1):
        height, width = marks[0][1].size
        images.append({"id": image_id, "file_name": Path(name).name, "width": width, "height": height})
        for label, mask in marks:
            n = len(annotations) + 1
            traced = outline(mask)
            assert traced is not None
            segmentation: Any = {"size": list(mask.size), "counts": mask.counts}
            if n % 3 == 0 and all(len(part) == 1 for part in traced.parts):
                segmentation = [[c for point in part[0] for c in point] for part in traced.parts]
            elif n % 3 == 1:
                flat = np.asfortranarray(decode(mask)).ravel(order="F")
                edges = np.flatnonzero(np.diff(flat, prepend=False)).tolist()
                segmentation["counts"] = np.diff([0, *edges, flat.size]).tolist()
            rle = {"size": list(mask.size), "counts": mask.counts.encode()}
            annotations.append({
                "id": n, "image_id": image_id, "category_id": names.index(label) + 1, "iscrowd": 0,
                "segmentation": segmentation, "bbox": coco.toBbox(rle).tolist(), "area": float(coco.area(rle)),
            })  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def pixels(shape: Shape, size: Size) -> bytes:
    return decode(rasterise(shape, size)).tobytes()


@pytest.mark.slow
def test_real_masks_survive_every_format_to_the_pixel(
    sqlite_workbench: Workbench, shared_folder: Path, tmp_path: Path
) -> None:
    folder = shared_folder / "data/segmentation"
    truth = truth_of(folder)
    n = len(truth)
    assert n == 11 and sum(map(len, truth.values())) > 50
    path = tmp_path / "source.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations/instances.json", json.dumps(as_coco(truth)))
        for name in truth:
            archive.write(folder / name, name)
    bench, ana = sqlite_workbench, add_person(sqlite_workbench)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "source")
    asked = registry.image_questions(Folder(tmp_path / "source"), "coco", [])
    ontology = setup.parse_ontology({"questions": asked})
    project = setup.create_project(bench, ana, "Photos", ontology, modality="image")
    job = ingest.start_import_of_path(bench, ana, project.id, path, None, None, ingest.ImportOptions())
    jobs.run_all(bench)
    report = jobs.get_job(bench, ana, project.id, job.id).report
    assert (report["new"], report["annotations"], report["bad"], report["problems"]) == (n, n, 0, [])
    holes = sum(
        any(len(part) > 1 for part in o.parts)
        for m in truth.values()
        for _, mask in m
        if (o := outline(mask))
    )
    parts = sum(len(o.parts) > 1 for m in truth.values() for _, mask in m if (o := outline(mask)))
    assert holes > 2 and parts > 2  # else this test shows little
    for form, reader in FORMS.items():
        started = export.start_export(
            bench, ana, project.id, export.ExportWanted(format=form, with_images=True)
        )
        jobs.run_all(bench)
        out = tmp_path / form
        with zipfile.ZipFile(export.export_file(bench, ana, project.id, started.id)[0]) as archive:
            archive.extractall(out)
        lost = json.loads((out / "loss_report.json").read_text())["lost"]
        assert set(lost) <= {"pixels", "merged"}, form  # outlines as their pixels, things of one label as one
        good, bad = load(reader, Folder(out))
        assert bad == [] and len(good) == n
        for row in good:
            name = next(name for name in truth if Path(name).name == Path(row.external_id or "").name)
            assert (out / (row.image or "")).read_bytes() == (folder / name).read_bytes()
            found = row.opinions[0].answers["objects"]
            regions = found["regions"] if form == "labelwright" else found
            compare(form, truth[name], regions)


def compare(form: str, wanted: list[tuple[str, Mask]], regions: list[dict[str, Any]]) -> None:
    size = wanted[0][1].size[::-1]
    shapes = [SHAPES.validate_python(region["shape"]) for region in regions]
    if form == "semantic_masks":  # things of one label are one
        for label in {label for label, _ in wanted}:
            whole = np.any([decode(mask) for name, mask in wanted if name == label], axis=0)
            (mine,) = (s for s, r in zip(shapes, regions, strict=True) if r["label"] == label)
            assert pixels(mine, size) == whole.tobytes()
        return
    assert len(regions) == len(wanted), form
    assert {pixels(shape, size) for shape in shapes} == {pixels(mask, size) for _, mask in wanted}, form
    assert sum(area_px2(s, size) for s in shapes) == sum(area_px2(mask, size) for _, mask in wanted)
