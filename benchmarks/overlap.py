"""How long the overlap of regions takes: a whole project, and one image with thousands of outlines.

    python -m benchmarks.overlap [--images 5000] [--regions 20]

Boxes and polygons of random places, the model's a few pixels off. The baseline of the same run is COCOeval of pycocotools
on the same boxes at one threshold, its files already in memory.
"""

import argparse
import contextlib
import io
import math
import random
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelwright.core.answer import Answers, Region, RegionAnswer
from labelwright.core.conform import conform
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.overlap import match
from labelwright.core.predictor import ImportedModel, Predictor
from labelwright.core.shape import Box, Polygon
from labelwright.flows import overlap, people, setup
from labelwright.settings import Settings
from labelwright.store import tables as t
from labelwright.workbench import open_workbench

LABELS = tuple(Label(id=f"l{i}", name=f"Label {i}") for i in range(8))
SIZE = (1600, 1200)


def boxes(rng: random.Random, n: int) -> tuple[Answers, Answers]:
    """(the model's, the person's) boxes of one image."""
    true, said = [], []
    for i in range(n):
        x, y, w, h = rng.uniform(0, 1400), rng.uniform(0, 1000), rng.uniform(30, 200), rng.uniform(30, 200)
        label = rng.choice(LABELS).id
        true.append(Region(id=f"t{i}", label=label, shape=Box(x=x, y=y, width=w, height=h)))
        moved = Box(x=max(0, x + rng.gauss(0, 12)), y=y, width=w, height=h)
        said.append(Region(id=f"p{i}", label=label, shape=moved, score=rng.random()))
    answers = (RegionAnswer(regions=tuple(side)) for side in (said, true))
    predicted, given = (Answers.of({"q": answer}) for answer in answers)
    return predicted, given


def project(images: int, regions: int) -> None:
    """Time the figures of a whole project, and COCOeval on the same."""
    rng = random.Random(1)
    rows = [boxes(rng, regions) for _ in range(images)]
    question = RegionQuestion(id="q", name="Things", labels=LABELS)
    with tempfile.TemporaryDirectory() as folder:
        bench = open_workbench(Settings.read(Path(folder), {}, reserve_mb=0))
        ana = people.add_user(bench, "ana", is_admin=True)
        made = setup.create_project(bench, ana, "P", Ontology(questions=(question,)), modality="image")
        predictor = Predictor(engine=ImportedModel(name="m"), ontology_version=1)
        with bench.store.write() as tx:
            body = predictor.model_dump(mode="json")
            tx.execute(t.predictor.insert().values(sha256=predictor.sha256, title="m", body=body))
            for i, (said, given) in enumerate(rows, 1):
                tx.execute(t.asset.insert().values(
                    id=i, project_id=made.id, modality="image", sha256=f"{i:064}", size=1, order_key=0.0, shuffle=0.0,
                    prediction_id=i, annotations=1, status="labelled", updated_at=bench.now(),
                ))  # fmt: skip
                tx.execute(t.asset_content.insert().values(asset_id=i, text="", metadata={}))
                tx.execute(t.prediction.insert().values(
                    id=i, project_id=made.id, asset_id=i, predictor_sha256=predictor.sha256, ontology_version=1,
                    answers=said.model_dump(mode="json"), confidence={}, problems=[], created_at=bench.now(),
                ))  # fmt: skip
                tx.execute(t.annotation.insert().values(
                    id=f"a{i}", project_id=made.id, asset_id=i, author_id=ana.user_id, ontology_version=1, seq=i,
                    answers=given.model_dump(mode="json"), request_sha256="", created_at=bench.now(),
                ))  # fmt: skip
        started = time.perf_counter()
        view = overlap.view(bench, ana, made.id)
        first = time.perf_counter() - started
        started = time.perf_counter()
        overlap.differences(bench, ana, made.id, overlap.Wanted(question="q"))
        again = time.perf_counter() - started
        bench.close()
    total = view.questions[0].total
    started = time.perf_counter()
    coco_eval(rows)
    baseline = time.perf_counter() - started
    print(
        f"{images:,} images x {regions} boxes: figures {first:.1f} s, then a page of images {again * 1e3:.0f} ms"
    )
    print(
        f"  F1 {total.f1:.3f}, AP {total.average_precision:.3f}; COCOeval alone {baseline:.1f} s ({first / baseline:.1f} x)"
    )


def coco_eval(rows: list[tuple[Answers, Answers]]) -> None:
    """The baseline."""
    truth: dict[str, Any] = {"images": [{"id": i} for i in range(len(rows))], "annotations": []}
    truth["categories"] = [{"id": i} for i in range(len(LABELS))]
    results: list[dict[str, Any]] = []
    for i, sides in enumerate(rows):
        for answers, found in zip(sides, (results, truth["annotations"]), strict=True):
            for region in answers.root["q"].regions:  # type: ignore[union-attr]
                b: Any = region.shape
                row = {
                    "image_id": i,
                    "category_id": int(region.label[1:]),
                    "bbox": [b.x, b.y, b.width, b.height],
                }
                row |= {"id": len(found) + 1, "iscrowd": 0, "area": b.width * b.height, "score": region.score}
                found.append(row)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()


def outlines(n: int) -> None:
    """Time one image of 12 megapixels with `n` polygons on each side."""
    rng = random.Random(2)
    size, found = (4000, 3000), []
    for side in range(2):
        regions = []
        for i in range(n):
            x, y = 30 + (i % 80) * 49 + rng.random() * 4, 30 + (i // 80) * 47 + rng.random() * 4
            ring = tuple((x + 22 * math.cos(a / 2), y + 22 * math.sin(a / 2)) for a in range(12))
            regions.append(Region(id=f"{side}-{i}", label=LABELS[i % 8].id, shape=Polygon(parts=((ring,),))))
        found.append(RegionAnswer(regions=tuple(regions)))
    ontology = Ontology(questions=(RegionQuestion(id="q", name="Q", labels=LABELS, shapes=("polygon",)),))
    started = time.perf_counter()
    problems = conform(ontology, Answers.of({"q": found[0]}), size)
    checked = time.perf_counter() - started
    started = time.perf_counter()
    matched = match(found[0].regions, found[1].regions, size=size)
    compared = time.perf_counter() - started
    tracemalloc.start()
    match(found[0].regions, found[1].regions, size=size)
    peak = tracemalloc.get_traced_memory()[1]
    print(
        f"{n:,} polygons on 12 megapixels: checked {checked:.2f} s, matched with {n:,} others {compared:.2f} s,"
    )
    print(f"  {peak / 1e6:.0f} MB at most ({len(problems)} problems, {len(matched.matched):,} matched)")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--regions", type=int, default=20)
    given = parser.parse_args()
    outlines(5_000)
    project(given.images, given.regions)


if __name__ == "__main__":
    main()
