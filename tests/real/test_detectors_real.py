"""Real networks on real photos, through the whole product: what it measures is what pycocotools measures."""

import contextlib
import io
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.detector import parse_spec
from labelwright.core.mask import decode
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.overlap import coco_figures, mean_average_precision
from labelwright.core.shape import Box, Mask, Size
from labelwright.flows import browse, detectors, export, ingest, jobs, predict, setup
from labelwright.workbench import Workbench
from tests.conftest import ROOT
from tests.factories import add_person

Truth = dict[str, tuple[Size, list[dict[str, Any]], np.ndarray[Any, Any]]]


def guide_spec(name: str) -> str:
    """A description as the guide prints it."""
    text = (ROOT / "docs/guides/detectors.md").read_text(encoding="utf-8")
    blocks = [
        block
        for block in text.split("```")[1::2]
        if block.startswith("yaml\n") and f"name: {name}\n" in block
    ]
    assert len(blocks) == 1, f"the guide has {len(blocks)} descriptions of {name}"
    return blocks[0].removeprefix("yaml\n")


@pytest.fixture(scope="module")
def photos(shared_folder: Path) -> Truth:
    """File name -> size, objects, and the map of object ids of the 24 COCO photos."""
    folder = shared_folder / "data" / "segmentation"
    found: Truth = {}
    for each in json.loads((folder / "objects.json").read_text(encoding="utf-8"))["images"]:
        if "coco_" in each["image"]:
            ids = np.asarray(Image.open(folder / each["mask"]))
            found[Path(each["image"]).name] = ((each["width"], each["height"]), each["objects"], ids)
    assert len(found) == 24
    return found


def predicted(
    bench: Workbench,
    tmp_path: Path,
    shared_folder: Path,
    photos: Truth,
    model: str,
    spec: str,
    shapes: tuple[str, ...],
) -> tuple[dict[str, Sequence[Region]], zipfile.ZipFile]:
    """File name -> what the detector's run stored for it; and the same exported as COCO."""
    boss = add_person(bench, "boss", is_admin=True)
    classes = parse_spec(spec).classes
    labels = tuple(Label(id=f"c{n}", name=name) for n, name in classes.items())
    question = RegionQuestion.model_validate(
        {"id": "objects", "name": "Objects", "labels": labels, "shapes": shapes}
    )
    project = setup.create_project(bench, boss, "Photos", Ontology(questions=(question,)), modality="image")
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in photos:
        shutil.copyfile(shared_folder / "data/segmentation/images" / name, folder / name)
    job = ingest.start_import_of_path(bench, boss, project.id, folder, None, None, ingest.ImportOptions())
    detector = detectors.add_file(bench, boss, shared_folder / "models" / model, spec)
    assert jobs.wait_for(bench, job.id).report["new"] == len(photos)
    run = detectors.start_run(bench, boss, project.id, detector.id)
    jobs.run_all(bench)
    ended = predict.view_run(bench, boss, project.id, run.id).run
    assert (ended.state, ended.done, ended.failed) == ("done", len(photos), 0)
    found: dict[str, Sequence[Region]] = {}
    for row in browse.page(bench, boss, project.id, browse.Filter(), "id", None, 100).rows:
        view = browse.view(bench, boss, project.id, row.asset.id)
        assert view.asset.image is not None and view.prediction is not None
        answer = view.prediction.answers.get("objects")
        assert isinstance(answer, RegionAnswer)
        found[view.asset.image.file_name] = answer.regions
    assert set(found) == set(photos)
    exported = export.start_export(bench, boss, project.id, export.ExportWanted(format="coco"))
    jobs.run_all(bench)
    return found, zipfile.ZipFile(export.export_file(bench, boss, project.id, exported.id)[0])


def coco_eval(truth: dict[str, Any], results: list[dict[str, Any]], by: str) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        wanted = COCO()
        wanted.dataset = truth
        wanted.createIndex()
        evaluation = COCOeval(wanted, wanted.loadRes(results), by)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def test_boxes_of_picodet_are_measured_as_pycocotools_measures_them(
    sqlite_workbench: Workbench, tmp_path: Path, shared_folder: Path, photos: Truth
) -> None:
    # A low threshold, as benchmarks use: the whole curve of precision over recall is compared.
    spec = guide_spec("PicoDet-S 320").replace("score_threshold: 0.4", "score_threshold: 0.05")
    assert "0.05" in spec
    found, exported = predicted(
        sqlite_workbench, tmp_path, shared_folder, photos, "picodet_s_320_coco.onnx", spec, ("box",)
    )
    number = {name: n for n, name in parse_spec(spec).classes.items()}
    # What pycocotools reads are the files a user would export; the truth is beside them, in their numbers.
    written = json.loads(exported.read("annotations/instances.json"))
    results = json.loads(exported.read("annotations/results.json"))
    category = {each["name"]: each["id"] for each in written["categories"]}
    truth: dict[str, Any] = written | {"annotations": []}
    pairs = []
    for image in written["images"]:
        size, objects, _ = photos[image["file_name"]]
        assert size == (image["width"], image["height"])
        true = []
        for each in objects:
            if each["label"] not in number:
                continue  # what panoptic COCO calls stuff
            x0, y0, x1, y1 = each["bbox"]
            box = [x0, y0, x1 - x0, y1 - y0]
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": image["id"], "category_id": category[each["label"]],
                 "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            )  # fmt: skip
            shape = Box(x=x0, y=y0, width=x1 - x0, height=y1 - y0)
            true.append(Region(id=f"t{each['id']}", label=f"c{number[each['label']]}", shape=shape))
        pairs.append((found[image["file_name"]], true, size))
    assert len(truth["annotations"]) > 100
    assert len(results) == sum(len(regions) for regions in found.values()) > 200
    evaluation = coco_eval(truth, results, "bbox")
    # [IoU 0.5, recall, class, area: all, at most 100]
    precision, recall = evaluation.eval["precision"][0, :, :, 0, 2], evaluation.eval["recall"][0, :, 0, 2]
    ours = coco_figures(pairs)
    named = evaluation.params.catIds
    of_label = {f"c{n}": category[name] for name, n in number.items()}
    for label, figures in ours.items():
        k = named.index(of_label[label])
        if figures.average_precision is not None:
            assert figures.average_precision == pytest.approx(float(precision[:, k].mean()), abs=1e-9), label
            assert figures.recall == pytest.approx(float(recall[k]), abs=1e-9), label
    theirs = float(precision[precision > -1].mean())
    mean = mean_average_precision(ours)
    assert mean == pytest.approx(theirs, abs=1e-9)
    # These photos are among those the network was trained on.
    assert mean is not None and mean > 0.5


def test_regions_of_deeplab_lie_on_the_things(
    sqlite_workbench: Workbench, tmp_path: Path, shared_folder: Path, photos: Truth
) -> None:
    spec = guide_spec("DeepLabV3 VOC")
    found, _ = predicted(
        sqlite_workbench, tmp_path, shared_folder, photos, "deeplabv3_mnv2_voc_257.onnx", spec, ("mask",)
    )
    # COCO's words for the classes of Pascal VOC.
    voc = {"airplane": "aeroplane", "motorcycle": "motorbike", "couch": "sofa", "tv": "tvmonitor", "dining table": "diningtable",
           "potted plant": "pottedplant"}  # fmt: skip
    classes = parse_spec(spec).classes
    shared, union = dict.fromkeys(classes.values(), 0), dict.fromkeys(classes.values(), 0)
    for name, (size, objects, ids) in photos.items():
        true = {kind: np.zeros(size[::-1], bool) for kind in shared}
        for each in objects:
            kind = voc.get(each["label"], each["label"])
            if kind in true:
                true[kind] |= ids == each["id"]
        said = {kind: np.zeros(size[::-1], bool) for kind in shared}
        for region in found[name]:
            assert isinstance(region.shape, Mask) and 0 < (region.score or 0) <= 1
            said[classes[int(region.label[1:])]] |= decode(region.shape)
        for kind in shared:
            shared[kind] += int((true[kind] & said[kind]).sum())
            union[kind] += int((true[kind] | said[kind]).sum())
    iou = {kind: round(shared[kind] / union[kind], 3) for kind in shared if shared[kind]}
    print("IoU per class over all photos:", iou)
    # Misplaced by a few pixels or given to another class, these would fall.
    assert iou["person"] > 0.5 and iou["bus"] > 0.5
