"""Real outlines through every label format and back: areas to the pixel where the format can, and nothing lost unreported."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.geometry import bounds
from labelwright.core.mask import area_px2, encode, outline
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.shape import Box, Mask, Polygon, Size
from labelwright.core.transfer import resolve
from labelwright.formats import writer
from labelwright.formats.output import Exporting, Losses
from tests.formats.image_made import ALL_KINDS, Folder, close, load, marked, shown

AREAS = {"yolo_segment": "yolo", "cvat": "cvat", "label_studio": "label_studio", "labelme": "labelme"}
BOXES = {"yolo": "yolo", "voc": "voc", "boxes_csv": "boxes_csv", "imagefolder": "imagefolder"}


def ontology_of(images: list[dict[str, Any]]) -> tuple[Ontology, dict[str, str]]:
    names = sorted({o["label"] for image in images for o in image["objects"]})
    ids = {name: f"l{i}" for i, name in enumerate(names)}
    labels = tuple(Label(id=ids[name], name=name) for name in names)
    return Ontology(
        questions=(RegionQuestion(id="things", name="Things", labels=labels, shapes=ALL_KINDS),)
    ), ids


@pytest.fixture(scope="module")
def photos(shared_folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    folder = shared_folder / "data/segmentation"
    # Of each origin some; all 44 take a minute.
    return folder, json.loads((folder / "objects.json").read_text())["images"][::8]


def masks_of(folder: Path, image: dict[str, Any]) -> list[Mask]:
    numbers = np.array(Image.open(folder / image["mask"]))
    return [encode(numbers == each["id"]) for each in image["objects"]]


@pytest.mark.parametrize("form", [*AREAS, *BOXES])
def test_real_outlines_survive(photos: tuple[Path, list[dict[str, Any]]], tmp_path: Path, form: str) -> None:
    folder, images = photos
    ontology, ids = ontology_of(images)
    rows, wanted = [], {}
    for n, image in enumerate(images, 1):
        size: Size = (image["width"], image["height"])
        regions = []
        for i, (mask, each) in enumerate(zip(masks_of(folder, image), image["objects"], strict=True)):
            # By turns as a mask and as the polygon along its pixels, with its holes and parts.
            traced = outline(mask)
            assert traced is not None
            shape: Mask | Polygon = mask if i % 2 else traced
            regions.append(Region(id=f"r{i}", label=ids[each["label"]], shape=shape))
            assert area_px2(shape, size) == each["area"]
        name = Path(image["image"]).name
        wanted[name] = (size, regions, image["objects"])
        rows.append(shown(n, marked(*regions), name=name, size=size))
    losses, target = Losses(), tmp_path / "out"
    target.mkdir()
    writer(form)(
        iter(rows),
        Exporting(ontology, target, losses, lambda asset: folder / "images" / str(asset.external_id)),
    )
    good, bad = load((AREAS | BOXES)[form], Folder(target))
    assert bad == []
    assert len(good) == len(images)
    told = Counter((each["asset"], each["code"]) for each in losses.listed)
    for n, name in enumerate(wanted, 1):
        row = next(r for r in good if Path(str(r.external_id)).name == name)
        size, regions, objects = wanted[name]
        answers, _, problems = resolve(row.opinions[0], ontology, size)
        assert problems == []
        (answer,) = (a for _, a in answers.items())
        assert isinstance(answer, RegionAnswer)
        back = answer.regions
        assert [r.label for r in back] == [r.label for r in regions]
        if form in BOXES:
            assert told[n, "as_box"] == len(regions)
            for before, after in zip(regions, back, strict=True):
                around = bounds(before.shape)
                assert isinstance(after.shape, Box) and around is not None
                assert close(after.shape.model_dump(), around.model_dump(), 2e-3)
            continue
        several = sum(
            (isinstance(r.shape, Polygon) and sum(map(len, r.shape.parts)) > 1)
            or (isinstance(r.shape, Mask) and form == "yolo_segment" and rings_in(r.shape) > 1)
            for r in regions
        )
        assert told[n, "bridged"] == several
        assert told[n, "as_polygon"] == (
            sum(isinstance(r.shape, Mask) for r in regions) if form == "yolo_segment" else 0
        )
        for after, each in zip(back, objects, strict=True):
            # Bridges have no area, and whole pixels come back whole.
            assert abs(area_px2(after.shape, size) - each["area"]) <= 0.01 * each["area"]
        assert sum(area_px2(r.shape, size) for r in back) == sum(o["area"] for o in objects)
    shutil.rmtree(target)


def rings_in(mask: Mask) -> int:
    traced = outline(mask)
    return 0 if traced is None else sum(map(len, traced.parts))
