"""Real masks and boxes: outlines give the mask back, COCO's figures are COCO's, counts of dice are those of their boxes."""

import gzip
import json
import random
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelwright.core.answer import Answers, Region, RegionAnswer, ScalarAnswer
from labelwright.core.conform import conform, remarks
from labelwright.core.geometry import simplified
from labelwright.core.likeness import likeness
from labelwright.core.mask import area_px2, decode, encode, outline, rasterise
from labelwright.core.ontology import CountOf, Label, Ontology, RegionQuestion, ScalarQuestion
from labelwright.core.overlap import coco_figures, match
from labelwright.core.shape import Box, Mask, Size
from tests.core.test_overlap import coco_eval


def objects(shared_folder: Path) -> list[tuple[list[tuple[str, Mask, int]], Size]]:
    """(label, mask, area) of every object, image by image."""
    folder = shared_folder / "data/segmentation"
    found = []
    for image in json.loads((folder / "objects.json").read_text())["images"]:
        pixels = np.asarray(Image.open(folder / image["mask"]))
        rows = [(each["label"], encode(pixels == each["id"]), each["area"]) for each in image["objects"]]
        found.append((rows, (image["width"], image["height"])))
    return found


def test_every_mask_of_photos_and_nuclei_comes_back_from_its_outline(shared_folder: Path) -> None:
    kept: list[float] = []
    for rows, size in objects(shared_folder):
        for _, mask, area in rows:
            polygon = outline(mask)
            assert polygon is not None and rasterise(polygon, size) == mask and area_px2(mask, size) == area
            simpler = simplified(polygon, 1.0)
            assert simpler is not None
            if area >= 32**2:
                kept.append(likeness(simpler, mask, size))
    assert len(kept) > 100 and min(kept) > 0.85 and float(np.median(kept)) > 0.97


@pytest.mark.parametrize("by", ["bbox", "segm"])
def test_average_precision_on_real_masks_is_that_of_cocoeval(shared_folder: Path, by: Any) -> None:
    rng = random.Random(5)
    images: list[Any] = []
    names: dict[str, str] = {}
    for rows, size in objects(shared_folder)[::2]:
        true, said = [], []
        for i, (name, mask, _) in enumerate(rows):
            label = names.setdefault(name, string.ascii_letters[len(names)])
            true.append(Region(id=f"t{i}", label=label, shape=mask, attributes={"iscrowd": i == 7}))
            moved = np.roll(decode(mask), (rng.randint(-9, 9), rng.randint(-9, 9)), axis=(0, 1))
            if rng.random() < 0.9:
                wrong = rng.choice(list(names.values())) if rng.random() < 0.1 else label
                said.append(
                    Region(id=f"p{i}", label=wrong, shape=encode(moved), score=round(rng.random(), 2))
                )
        images.append((said, true, size))
        found = match(said, true, size=size)
        assert match(true, said, size=size) == found.turned()
    labels = "".join(names.values())
    precision, recall = coco_eval(images, labels, by)
    ours = coco_figures(images, by=by)
    assert len(ours) > 20
    for name in labels:
        figures = ours[name]
        # COCO says -1 where there is nothing to be found.
        assert (-1 if figures.average_precision is None else figures.average_precision) == pytest.approx(
            precision[name], abs=1e-6
        )
        assert (-1 if figures.recall is None else figures.recall) == pytest.approx(recall[name], abs=1e-6)


def test_the_number_of_dice_is_that_of_their_boxes(shared_folder: Path) -> None:
    with gzip.open(shared_folder / "data/images/dice.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    labels = tuple(
        Label(id=name, name=name) for name in sorted({b["label"] for r in rows for b in r["boxes"]})
    )
    dice = RegionQuestion(id="dice", name="Dice", labels=labels)
    counts = (
        ScalarQuestion(id="n", name="How many dice", count_of=CountOf(question="dice")),
        ScalarQuestion(id="sixes", name="Sixes", count_of=CountOf(question="dice", labels=("six",))),
    )
    ontology = Ontology(questions=(dice, *counts))
    for row in rows:
        boxes = [Box(**{key: b[key] for key in ("x", "y", "width", "height")}) for b in row["boxes"]]
        regions = tuple(
            Region(id=f"b{i}", label=b["label"], shape=box)
            for i, (b, box) in enumerate(zip(row["boxes"], boxes, strict=True))
        )
        sixes = sum(b["pips"] == 6 for b in row["boxes"])

        def said(n: int, sixes: int = sixes, regions: tuple[Region, ...] = regions) -> Answers:
            numbers = {"n": ScalarAnswer(value=n), "sixes": ScalarAnswer(value=sixes)}
            return Answers.of({"dice": RegionAnswer(regions=regions), **numbers})

        right = said(row["n_dice"])
        assert conform(ontology, right, (row["width"], row["height"])) == [] == remarks(ontology, right)
        (found,) = remarks(ontology, said(row["n_dice"] + 1))
        assert (found.where, found.code) == ("n", "count_differs")
