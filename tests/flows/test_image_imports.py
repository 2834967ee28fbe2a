"""Files that may hold texts or images are read as their project is, and labels in them may be said to be anybody's."""

import json
from pathlib import Path

import pytest
from PIL import Image

from labelwright.flows import browse, ingest, jobs, setup
from labelwright.workbench import Workbench
from tests.factories import add_assets, add_person, add_project

BOX = {"kind": "box", "x": 2, "y": 2, "width": 8, "height": 6}


def _upload(bench: Workbench, who: object, path: Path) -> str:
    return ingest.keep_upload(bench, who, path.name, iter([path.read_bytes()])).upload_id  # type: ignore[arg-type]


def test_our_own_lines_of_texts_and_of_images_are_told_apart(
    sqlite_workbench: Workbench, tmp_path: Path
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench, is_admin=True)
    # A text that speaks of images in JSON is a text all the same.
    text = {"format": "labelwright/1", "external_id": "t", "text": 'it says "image": {"file": "a.png"}'}
    image = {"format": "labelwright/1", "external_id": "i", "image": {"file": "a.png"}}
    for row, found in ((text, "text"), (image, "image")):
        path = tmp_path / f"{found}.jsonl"
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        seen = ingest.preview(bench, ana, _upload(bench, ana, path), None, None)
        assert (seen.format, seen.modality) == ("labelwright", found)
    project = add_project(bench, ana)
    add_assets(bench, project, [])
    job = ingest.start_import_of_path(
        bench, ana, project.id, tmp_path / "text.jsonl", "labelwright", None, ingest.ImportOptions()
    )
    assert jobs.wait_for(bench, job.id).report["new"] == 1


@pytest.mark.parametrize(
    ("who", "counts"),
    [
        ("as_said", {"annotations": 1}),
        ("gold", {"gold": 1}),
        ("model", {"predictions": 1}),
    ],
)
def test_labels_of_images_are_whose_the_user_says(
    sqlite_workbench: Workbench, tmp_path: Path, who: str, counts: dict[str, int]
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench, is_admin=True)
    questions = {"questions": [{"kind": "region", "name": "Objects", "labels": ["A"]}]}
    project = setup.create_project(bench, ana, "P", setup.parse_ontology(questions), modality="image")
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (20, 16), (90, 120, 30)).save(folder / "a.png")
    row = {
        "format": "labelwright/1", "image": {"file": "a.png"},
        "annotations": [{"author": "", "answers": {"objects": [{"shape": BOX, "label": "A"}]}}],
    }  # fmt: skip
    (folder / "assets.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    options = ingest.ImportOptions.model_validate({"labels_are": who})
    job = ingest.start_import_of_path(bench, ana, project.id, folder, None, None, options)
    report = jobs.wait_for(bench, job.id).report
    assert {k: report[k] for k in ("annotations", "predictions", "gold") if report[k]} == counts
    (asset,) = browse.page(bench, ana, project.id, browse.Filter(text="a.PNG"), "id", None, 10).rows
    assert asset.asset.extent == (20, 16)
