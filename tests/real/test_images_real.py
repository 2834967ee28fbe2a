"""Real pictures through the import: everything is read, sizes are those that were published, and nothing is told twice."""

import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image

from labelwright.flows import browse, ingest, jobs, pictures, setup
from labelwright.workbench import Workbench
from tests.factories import add_person


def test_every_picture_is_read_with_its_published_size(
    shared_folder: Path, sqlite_workbench: Workbench
) -> None:
    bench, folder = sqlite_workbench, shared_folder / "data/images"
    ana = add_person(bench)
    ontology = setup.parse_ontology({"questions": [{"kind": "region", "name": "Dice", "labels": ["die"]}]})
    project = setup.create_project(bench, ana, "Dice", ontology, modality="image")
    job = ingest.start_import_of_path(
        bench, ana, project.id, folder / "dice", "images", None, ingest.ImportOptions()
    )
    jobs.run_all(bench)
    assert jobs.get_job(bench, ana, project.id, job.id).state == "done"
    with gzip.open(folder / "dice.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = {Path(row["image"]).name: row for row in map(json.loads, lines)}
    page = browse.page(bench, ana, project.id, browse.Filter(), "id", None, 500)
    found = {row.asset.external_id: row.asset for row in page.rows}
    assert set(found) == set(rows)
    for name, row in rows.items():
        assert found[name].extent == (row["width"], row["height"])
    for asset in list(found.values())[:5]:
        pixels = bench.pictures.pixels(asset.sha256)
        assert asset.external_id is not None
        assert np.array_equal(
            pixels, np.asarray(Image.open(folder / "dice" / asset.external_id).convert("RGB"))
        )
        small = Image.open(
            bench.blobs.path(pictures.find(bench, ana, project.id, asset.id, "thumbnail").blob)
        )
        assert max(small.size) == 256
