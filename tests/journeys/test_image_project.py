"""The story of a project of images: a folder goes in, a model's labels are looked at and accepted, a COCO file comes out."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelwright.demo import fruit
from tests.journeys.conftest import Served, axe

N = 8


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder as people have it: images, a label file from a detector, one broken file, and what a Mac leaves behind."""
    folder = tmp_path / "Fruit"
    folder.mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for n in range(N):
        scene = fruit.scene(n)
        scene.image.resize((320, 240)).save(folder / scene.name, quality=80)
        images.append({"id": n, "file_name": scene.name, "width": 320, "height": 240})
        for piece in scene.pieces:
            xs, ys = ([point[k] / 2 for part in piece.parts for point in part[0]] for k in (0, 1))
            box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
            annotations.append(
                {
                    "id": len(annotations), "image_id": n, "category_id": fruit.LABELS.index(piece.label), "bbox": box,
                    "area": box[2] * box[3], "iscrowd": 0,
                }
            )  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(fruit.LABELS)]
    body = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "detections.json").write_text(json.dumps(body), encoding="utf-8")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this was never an image")
    (folder / ".DS_Store").write_bytes(b"\0" * 64)
    return folder


def test_from_a_folder_of_images_to_a_coco_file(
    page: Page, served: Served, photos: Path, tmp_path: Path
) -> None:
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))

    page.get_by_role("link", name="New project").first.click()
    page.get_by_text("Images", exact=True).click()
    assert axe(page) == []
    page.get_by_label("Choose a folder").set_input_files(str(photos))
    expect(page.get_by_text("table-001.jpg")).to_be_visible()
    page.get_by_role("combobox", name="Labels in the files are").click()
    page.get_by_role("option", name="a model's answers").click()
    page.get_by_role("button", name="Next").click()
    # The labels of the file are suggested; another start can be looked at and left again.
    expect(page.get_by_label("Label 1", exact=True)).to_have_value("apple")
    page.get_by_role("button", name="Key points").click()
    expect(page.get_by_label("Label 1", exact=True)).to_have_value("Person")
    page.get_by_role("button", name="Attributes, skeleton").click()
    expect(page.get_by_role("img", name="17 points, 19 lines")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="What the files hold").click()
    page.get_by_role("button", name="Attributes").first.click()
    page.get_by_label("Attribute", exact=True).fill("partly hidden")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Name of the project").fill("Market")
    page.get_by_role("button", name="Create and import").click()
    expect(page.get_by_text(f"{N} new, 0 known, 0 changed")).to_be_visible()
    expect(page.get_by_text("broken.jpg")).to_be_visible()

    page.goto(f"{served.address}/projects/1/data")
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(N)
    expect(page.locator(".lw-tile svg path").first).to_be_attached()
    loaded = page.locator(".lw-tile img").evaluate_all(
        "all => all.every(i => i.complete && i.naturalWidth > 0)"
    )
    assert loaded, "every thumbnail is shown"
    tiles.nth(1).click()
    tiles.nth(4).click(modifiers=["Shift"])
    tiles.nth(2).click(modifiers=["Control"])
    expect(page.get_by_text("3 chosen")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []
    page.get_by_role("button", name="Accept suggestions").click()
    assert axe(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Accept suggestions").click()
    expect(page.get_by_text("3 suggestions accepted.")).to_be_visible()
    expect(page.locator(".lw-tile", has_text="pre-labelled")).to_have_count(N - 3)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".lw-tile", has_text="pre-labelled")).to_have_count(N)

    # By keyboard: two to the right with shift, all of the filter, the details.
    grid = page.get_by_role("grid", name="Data")
    tiles.nth(0).click()
    grid.press("Shift+ArrowRight")
    grid.press("Shift+ArrowRight")
    expect(page.get_by_text("3 chosen")).to_be_visible()
    grid.press("Space")
    expect(page.get_by_role("dialog").get_by_text("320 × 240")).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Accept suggestions").click()
    page.get_by_role("dialog").get_by_role("button", name="Accept suggestions").click()
    expect(page.locator(".lw-tile", has_text="pre-labelled")).to_have_count(N - 3)
    page.get_by_role("button", name="Mark as gold").click()
    expect(page.locator(".lw-tile", has_text="gold")).to_have_count(3)
    page.get_by_role("button", name="Export just these").click()

    expect(page.get_by_text("Only the 3 chosen assets")).to_be_visible()
    assert axe(page) == []
    page.get_by_label("Put the images into the zip too").check()
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    target = tmp_path / "out.zip"
    download.value.save_as(target)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        found = json.loads(archive.read(next(n for n in names if n.endswith(".json") and "instances" in n)))
    assert len(found["images"]) == 3
    assert sum(name.endswith(".jpg") for name in names) == 3
    assert {c["name"] for c in found["categories"]} == set(fruit.LABELS)
    truth = sum(len(fruit.scene(n).pieces) for n in range(3))
    assert len(found["annotations"]) == truth
    assert errors == []
