"""Images per second of a detector's run, against bare ONNX Runtime calls with the same preprocessing in the same run; and
what it finds, measured as COCO does.

python benchmarks/detectors.py SHARED [--repeats 3]

SHARED holds `models/` and `data/segmentation/`. The model is loaded before either clock starts. The bare loop decodes
each photo with Pillow, resizes, runs and throws away; the product also decodes in a process of its own, works out boxes,
checks them, and stores predictions, status, queue order and counts.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import onnxruntime
from PIL import Image

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.detector import DetectorSpec, parse_spec
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.overlap import coco_figures, mean_average_precision
from labelwright.core.shape import Box
from labelwright.detectors.fit import place, tensor
from labelwright.flows import browse, detectors, ingest, jobs, people, predict, setup
from labelwright.settings import Settings
from labelwright.workbench import Workbench, open_workbench
from tests.real.test_detectors_real import guide_spec

MODEL = "picodet_s_320_coco.onnx"


def bare(files: list[Path], model: Path, spec: DetectorSpec, threads: int) -> float:
    """Seconds for the calls alone, with as many threads as the product gives the model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    session.run(None, {"image": np.zeros((1, 3, 320, 320), np.float32)})
    started = time.perf_counter()
    for file in files:
        pixels = np.asarray(Image.open(file).convert("RGB"))
        placed, _ = place(pixels, spec.input)
        session.run(None, {"image": tensor(placed[None], spec.input, "float32")})
    return time.perf_counter() - started


def run_over(bench: Workbench, folder: Path, model: Path, spec_text: str) -> tuple[float, Any, int, Any]:
    """(seconds of the run, the run, project, actor)."""
    boss = people.first_user(bench) or people.add_user(bench, "boss", is_admin=True)
    spec = parse_spec(spec_text)
    labels = tuple(Label(id=f"c{n}", name=name) for n, name in spec.classes.items())
    question = RegionQuestion(id="objects", name="Objects", labels=labels)
    project = setup.create_project(bench, boss, "Photos", Ontology(questions=(question,)), modality="image")
    ingest.start_import_of_path(bench, boss, project.id, folder, None, None, ingest.ImportOptions())
    jobs.run_all(bench)
    detector = detectors.add_file(bench, boss, model, spec_text)
    with bench.runners.use(f"{detector.model_sha256}:{detector.spec_sha256}", model, detector.spec) as runner:
        runner.see([np.zeros((9, 9, 3), np.uint8)])
    run = detectors.start_run(bench, boss, project.id, detector.id)
    started = time.perf_counter()
    jobs.run_all(bench)
    seconds = time.perf_counter() - started
    return seconds, predict.view_run(bench, boss, project.id, run.id).run, project.id, boss


def quality(bench: Workbench, project: int, boss: Any, truth: dict[str, Any], names: dict[str, int]) -> None:
    """Print AP, precision and recall at IoU 0.5 over the photos that have the truth."""
    pairs = []
    for row in browse.page(bench, boss, project, browse.Filter(), "id", None, 100_000).rows:
        view = browse.view(bench, boss, project, row.asset.id)
        picture = view.asset.image
        if picture is None or picture.file_name not in truth or view.prediction is None:
            continue
        answer = view.prediction.answers.get("objects")
        assert isinstance(answer, RegionAnswer)
        true = [
            Region(id=f"t{n}", label=f"c{names[each['label']]}", shape=_box(each["bbox"]))
            for n, each in enumerate(truth[picture.file_name]["objects"])
            if each["label"] in names
        ]
        pairs.append((answer.regions, true, (picture.width, picture.height)))
    found = coco_figures(pairs)
    hits = sum((each.recall or 0) * each.true for each in found.values())
    said, wanted = sum(each.predicted for each in found.values()), sum(each.true for each in found.values())
    mean = mean_average_precision(found)
    print(f"  mAP at IoU 0.5: {mean:.3f} over {len(pairs)} photos, {wanted} objects; {said} found")
    print(f"  precision {hits / said:.3f}, recall {hits / wanted:.3f}")


def _box(corners: list[float]) -> Box:
    x0, y0, x1, y1 = corners
    return Box(x=x0, y=y0, width=x1 - x0, height=y1 - y0)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("shared", type=Path)
    parser.add_argument(
        "--repeats", type=int, default=8, help="Copies of each photo; every one differs in a byte."
    )
    given = parser.parse_args()
    data, model = given.shared / "data/segmentation", given.shared / "models" / MODEL
    truth = {
        Path(each["image"]).name: each
        for each in json.loads((data / "objects.json").read_text())["images"]
        if "coco_" in each["image"]
    }
    text = guide_spec("PicoDet-S 320")
    spec = parse_spec(text)
    spec = spec.model_copy(update={"input": spec.input.model_copy(update={"size": (320, 320)})})
    names = {name: n for n, name in spec.classes.items()}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        for name in truth:
            shutil.copyfile(data / "images" / name, folder / name)
            for n in range(1, given.repeats):
                # The same picture with another hash: what follows the end of a JPEG is ignored.
                (folder / f"{n}_{name}").write_bytes((folder / name).read_bytes() + str(n).encode())
        files = sorted(folder.iterdir())
        threads = min(4, os.cpu_count() or 1)
        bench = open_workbench(Settings.read(Path(scratch) / "home", {}, reserve_mb=0))
        before = bare(files, model, spec, threads)
        seconds, run, project, boss = run_over(bench, folder, model, text)
        alone = (before + bare(files, model, spec, threads)) / 2
        print(f"{run.done} of {run.total} images, {threads} threads")
        print(
            f"  bare calls {len(files) / alone:.1f} images/s, the product's run {len(files) / seconds:.1f} images/s"
        )
        print(
            f"  ratio {alone / seconds:.2f}; median latency in the run {1000 * (run.latency_p50_s or 0):.0f} ms"
        )
        print("threshold 0.4 (as in the guide)")
        quality(bench, project, boss, truth, names)
        bench.close()
        bench = open_workbench(Settings.read(Path(scratch) / "home2", {}, reserve_mb=0))
        low = text.replace("score_threshold: 0.4", "score_threshold: 0.05")
        _, _, project, boss = run_over(bench, folder, model, low)
        print("threshold 0.05 (for the whole curve)")
        quality(bench, project, boss, truth, names)
        bench.close()


if __name__ == "__main__":
    main()
