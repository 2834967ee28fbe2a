"""Seconds and peak memory of a COCO export, against Label Studio's converter on the same content in the same run.

Both read one JSON file with the annotations and write one COCO file; each runs in a process of its own. What both wrote
is then compared by pycocotools: the same number of annotations, and the same pixels in a sample.

python benchmarks/export_coco.py [--images 5000] [--polygons 20] [--points 12]
"""

import argparse
import contextlib
import importlib
import io
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SIZE = (1280, 960)
LABELS = ("car", "person", "tree", "house", "sign")
CONFIG = (
    '<View><Image name="image" value="$image"/><PolygonLabels name="things" toName="image">'
    + "".join(f'<Label value="{label}"/>' for label in LABELS)
    + "</PolygonLabels></View>"
)


def polygon(chance: random.Random, points: int) -> list[tuple[float, float]]:
    cx, cy, far = chance.uniform(150, 1130), chance.uniform(150, 810), chance.uniform(20, 140)
    spread = [(2 * math.pi * i / points, far * chance.uniform(0.6, 1)) for i in range(points)]
    return [(round(cx + r * math.cos(a), 2), round(cy + r * math.sin(a), 2)) for a, r in spread]


def write_inputs(folder: Path, images: int, polygons: int, points: int) -> None:
    """The same polygons as Label Studio has them (percents), and as our own lines have them (pixels)."""
    chance = random.Random(0)
    with (folder / "tasks.json").open("w") as theirs, (folder / "assets.jsonl").open("w") as ours:
        theirs.write("[")
        for n in range(images):
            result, regions = [], []
            for i in range(polygons):
                ring, label = polygon(chance, points), chance.choice(LABELS)
                percents = [[100 * x / SIZE[0], 100 * y / SIZE[1]] for x, y in ring]
                result.append({
                    "id": f"r{i}", "from_name": "things", "to_name": "image", "type": "polygonlabels",
                    "original_width": SIZE[0], "original_height": SIZE[1],
                    "value": {"points": percents, "polygonlabels": [label], "closed": True},
                })  # fmt: skip
                shape = {"kind": "polygon", "parts": [[ring]]}
                regions.append({"id": f"r{i}", "label": label, "shape": shape})
            annotation = {"id": n, "completed_by": 1, "was_cancelled": False, "result": result}
            task = {"id": n, "data": {"image": f"/data/photo{n}.jpg"}, "annotations": [annotation]}
            theirs.write(("," if n else "") + json.dumps(task))
            ours.write(json.dumps({"things": {"kind": "region", "regions": regions}}) + "\n")
        theirs.write("]")


def run_ours(folder: Path) -> int:
    from labelwright.core.annotation import Annotation
    from labelwright.core.answer import Answers
    from labelwright.core.asset import Asset, Picture
    from labelwright.core.ontology import Label, Ontology, RegionQuestion
    from labelwright.core.transfer import Outgoing
    from labelwright.formats import writer
    from labelwright.formats.output import Exporting, Losses

    labels = tuple(Label(id=name, name=name) for name in LABELS)
    ontology = Ontology(
        questions=(RegionQuestion(id="things", name="Things", labels=labels, shapes=("polygon",)),)
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def rows() -> Iterator[Outgoing]:
        with (folder / "assets.jsonl").open() as lines:
            for n, line in enumerate(lines):
                answers = Answers.model_validate_json(line)
                picture = Picture(width=SIZE[0], height=SIZE[1], format="jpeg", file_name=f"photo{n}.jpg")
                asset = Asset(
                    id=n + 1, project_id=1, modality="image", sha256="0" * 64, size=1, image=picture
                )
                given = Annotation(
                    id=f"a{n}",
                    asset_id=n + 1,
                    author_id=1,
                    ontology_version=1,
                    answers=answers,
                    created_at=at,
                )
                yield Outgoing(asset, (given,), None, None, answers, "person", at)

    return writer("coco")(rows(), Exporting(ontology, folder, Losses())).rows


def run_theirs(folder: Path) -> int:
    converter: Any = importlib.import_module("label_studio_sdk.converter").Converter(
        CONFIG, str(folder), download_resources=False
    )
    (folder / "theirs").mkdir()
    converter.convert_to_coco(
        str(folder / "tasks.json"),
        str(folder / "theirs"),
        output_image_dir=str(folder / "theirs"),
        is_dir=False,
    )
    return len(json.loads((folder / "theirs" / "result.json").read_text())["images"])


def measured(side: str, folder: Path) -> dict[str, Any]:
    """Runs a side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(folder: Path) -> str:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        ours, theirs = (
            COCO(str(folder / "annotations" / "instances.json")),
            COCO(str(folder / "theirs" / "result.json")),
        )
    names = {
        Path(image["file_name"]).stem.rpartition("__")[2]: image["id"]
        for image in theirs.loadImgs(theirs.getImgIds())
    }
    apart = seen = area_ours = area_theirs = 0
    for image in random.Random(1).sample(ours.loadImgs(ours.getImgIds()), 50):
        pairs = zip(
            ours.loadAnns(ours.getAnnIds(image["id"])),
            theirs.loadAnns(theirs.getAnnIds(names[Path(image["file_name"]).stem])),
            strict=True,
        )
        for mine, other in pairs:
            pixels = ours.annToMask(mine)
            apart += int((pixels != theirs.annToMask(other)).sum())
            seen += int(pixels.sum())
            area_ours += abs(int(pixels.sum()) - mine["area"])
            area_theirs += abs(int(pixels.sum()) - other["area"])
    return (
        f"annotations {len(ours.anns)} and {len(theirs.anns)}; pixels apart in 50 images: {apart} of {seen}; "
        f"stated areas off by {area_ours / seen:.3%} (ours) and {area_theirs / seen:.3%} (theirs)"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--polygons", type=int, default=20)
    parser.add_argument("--points", type=int, default=12)
    parser.add_argument("--side")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side:
        run = {"ours": run_ours, "theirs": run_theirs}[given.side]
        # Imports count for neither side.
        importlib.import_module("label_studio_sdk.converter")
        importlib.import_module("labelwright.formats.registry")

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, started_cpu = time.perf_counter(), time.process_time()
        rows = run(given.folder)
        seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            json.dumps(
                {
                    "rows": rows,
                    "seconds": seconds,
                    "cpu": cpu,
                    "peak_mb": peak / 1024,
                    "before_mb": before / 1024,
                }
            )
        )
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, given.images, given.polygons, given.points)
        found = {side: measured(side, folder) for side in ("ours", "theirs")}
        for side, each in found.items():
            print(
                f"{side}: {each['rows']} images in {each['seconds']:.1f} s ({each['cpu']:.1f} s of CPU), peak {each['peak_mb']:.0f} MB "
                f"({each['peak_mb'] - each['before_mb']:.0f} MB above the imports)"
            )
        for what in ("seconds", "cpu"):
            print(f"theirs / ours, {what}: {found['theirs'][what] / found['ours'][what]:.2f}")
        print(compare(folder))


if __name__ == "__main__":
    main()
