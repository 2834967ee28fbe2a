"""Semantic and instance masks out, read by PIL and numpy; in again."""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelwright.core import mask as masks
from labelwright.core.answer import Region
from labelwright.core.errors import Invalid
from labelwright.core.mask import decode, rasterise
from labelwright.core.ontology import Label, Ontology, RegionQuestion
from labelwright.core.shape import Box, Mask
from labelwright.formats import registry
from tests.formats.image_made import (
    OBJECTS,
    SIZE,
    Folder,
    export,
    load,
    marked,
    picture,
    put,
    regions_of,
    shapes,
    shown,
)

CAR = Box(x=0, y=0, width=30, height=20)
CAT = Box(x=10, y=10, width=30, height=20)


def png(numbers: Any, mode: str | None = None) -> bytes:
    out = io.BytesIO()
    Image.fromarray(numbers, mode).save(out, "PNG")
    return out.getvalue()


def test_a_semantic_mask_holds_the_number_of_each_label(tmp_path: Path) -> None:
    rows = [shown(1, marked(("car", CAR), ("cat", CAT)), name="a/b.jpg"), shown(2, None), shown(3, marked())]
    losses = export("semantic_masks", rows, tmp_path / "out")
    with Image.open(tmp_path / "out/masks/a/b.png") as image:
        assert image.mode == "P" and image.getpalette()[:3] == [0, 0, 0]  # type: ignore[index]
        numbers = np.array(image)
    wanted = np.where(decode(rasterise(CAT, SIZE)), 2, np.where(decode(rasterise(CAR, SIZE)), 1, 0))
    assert (numbers == wanted).all()
    assert (tmp_path / "out/classes.txt").read_text().splitlines() == [
        "background",
        "Car 🚗",
        'Cat "x", y',
        "face",
    ]
    assert losses.counts == {"pixels": 2, "overlap": 1} and losses.left_out_counts == {"no_answer": 1}
    assert not (np.array(Image.open(tmp_path / "out/masks/photo 3.png"))).any()
    files = Folder(tmp_path / "out")
    assert registry.sniff_images(files, "out") == "semantic_masks"
    found, bad = load("semantic_masks", files)
    assert bad == []
    row = next(each for each in found if each.image == "images/a/b.jpg")
    assert {r.label: decode(r.shape).sum() for r in regions_of(row) if isinstance(r.shape, Mask)} == {
        "car": 400,
        "cat": 600,
    }
    assert [each.opinions for each in found if each is not row] == [(), ()]
    (question,) = registry.image_questions(files, "semantic_masks", found)
    assert list(question["labels"]) == ["Car 🚗", 'Cat "x", y', "face"]


def test_pixels_to_be_ignored_are_255_and_no_region_unless_there_is_a_label_for_them(tmp_path: Path) -> None:
    labels = (Label(id="car", name="car"), Label(id="void", name="Void"))
    ontology = Ontology(
        questions=(RegionQuestion(id="things", name="t", labels=labels, shapes=("box", "mask")),)
    )
    export("semantic_masks", [shown(1, marked(("car", CAR), ("void", CAT)))], tmp_path / "out", ontology)
    numbers = np.array(Image.open(tmp_path / "out/masks/photo 1.png"))
    assert set(np.unique(numbers).tolist()) == {0, 1, 255}
    (row,), bad = load("semantic_masks", tmp_path / "out")
    assert bad == [] and [r.label for r in regions_of(row, ontology)] == ["car", "void"]
    (tmp_path / "out/classes.json").unlink()
    (row,), bad = load("semantic_masks", tmp_path / "out")  # `classes.txt` knows 0 to 2 only
    assert bad == [] and [r["label"] for r in row.opinions[0].answers["objects"]] == ["car"]


def test_masks_of_other_tools_are_read_with_a_list_of_names(tmp_path: Path) -> None:
    numbers = np.zeros((40, 60), dtype=np.uint8)
    numbers[:5, :5], numbers[30:, 30:], numbers[0, 59] = 1, 7, 255
    files = put(
        tmp_path,
        {"images/x.jpg": picture(form="JPEG"), "masks/x.png": png(numbers), "classes.txt": "none\nroad\n"},
    )
    (row,), (problem,) = load("semantic_masks", files)
    assert problem.code == "unknown_class" and row.image == "images/x.jpg"
    (region,) = row.opinions[0].answers["objects"]
    assert region["label"] == "road" and masks.area_px2(Mask(**region["shape"]), SIZE) == 25


@pytest.mark.parametrize(
    "content", [b"", b"no png", png(np.zeros((9, 9), dtype=np.uint8)), picture(form="JPEG")]
)
def test_a_mask_that_does_not_fit_costs_only_its_image(tmp_path: Path, content: bytes) -> None:
    files = put(
        tmp_path,
        {"images/x.jpg": picture(form="JPEG"), "masks/x.png": content, "classes.txt": "none\nroad\n"},
    )
    (row,), (problem,) = load("semantic_masks", files)
    assert problem.code == "bad_mask" and (row.image, row.opinions) == ("images/x.jpg", ())


def test_a_photo_is_no_mask(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    files = put(tmp_path, {"masks/x.png": png(noise), "classes.txt": "none\nroad\n"})
    _, (problem,) = load("semantic_masks", files)
    assert problem.code == "bad_mask" and "photo" in problem.message


def test_more_labels_than_a_byte_holds_are_refused(tmp_path: Path) -> None:
    labels = tuple(Label(id=f"l{i}", name=f"l{i}") for i in range(300))
    ontology = Ontology(questions=(RegionQuestion(id="things", name="t", labels=labels),))
    with pytest.raises(Invalid, match="254"):
        export("semantic_masks", [shown(1, marked(("l299", CAR)))], tmp_path / "out", ontology)


def test_instance_masks_keep_things_apart(tmp_path: Path) -> None:
    regions = (
        Region(id="one", label="car", shape=CAR, attributes={"colour": "red"}, z_order=3, score=0.5),
        Region(id="two", label="car", shape=CAT),
        Region(id="gone", label="cat", shape=Box(x=11, y=11, width=2, height=2), z_order=-1),
    )
    losses = export(
        "instance_masks", [shown(1, marked(*regions)), shown(2, None), shown(3, marked())], tmp_path / "out"
    )
    numbers = np.array(Image.open(tmp_path / "out/instances/photo 1.png"))
    assert numbers.dtype in (np.uint16, np.int32)
    content = json.loads((tmp_path / "out/instances.json").read_text())
    things = {thing["region"]: thing for thing in content["images"][0]["instances"]}
    assert (numbers == things["one"]["id"]).sum() == 600 and (numbers == things["two"]["id"]).sum() == 400
    assert losses.counts == {"pixels": 3, "overlap": 2, "no_pixels": 1}
    files = Folder(tmp_path / "out")
    assert registry.sniff_images(files, "out") == "instance_masks"
    (row, nobody, nothing), bad = load("instance_masks", files)
    assert bad == [] and nobody.opinions == () and nothing.opinions[0].answers == {"things": []}
    back = {region.id: region for region in regions_of(row)}
    assert (back["one"].attributes, back["one"].z_order, back["one"].score) == ({"colour": "red"}, 3, 0.5)
    assert decode(back["one"].shape).tolist() == decode(rasterise(CAR, SIZE)).tolist()  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(drawn=st.lists(shapes(("mask",)), max_size=4))
def test_masks_that_do_not_overlap_come_back_bit_for_bit(drawn: list[Mask]) -> None:
    taken = np.zeros((SIZE[1], SIZE[0]), dtype=bool)
    apart = []
    for mask in drawn:
        pixels = decode(mask) & ~taken
        taken |= pixels
        if pixels.any():
            apart.append(("car", masks.encode(pixels)))
    with tempfile.TemporaryDirectory() as name:
        losses = export("instance_masks", [shown(1, marked(*apart))], Path(name) / "out")
        (row,), bad = load("instance_masks", Path(name) / "out")
    assert bad == [] and losses.counts == {}
    assert [r.shape for r in regions_of(row)] == [shape for _, shape in apart]


def test_three_colours_are_a_number_too(tmp_path: Path) -> None:
    numbers = np.zeros((40, 60, 3), dtype=np.uint8)
    numbers[:5, :5] = (1, 2, 0)
    table = {
        "format": "labelwright-instances/1",
        "images": [
            {"file_name": "x.jpg", "mask": "m/x.png", "instances": [{"id": 513, "label": "car"}, {"id": 9, "label": "car"}, "thing"]},
            {"file_name": 7}, "image", {"file_name": "y.jpg", "mask": "gone.png"},
        ],
    }  # fmt: skip
    files = put(
        tmp_path,
        {"x.jpg": picture(form="JPEG"), "m/x.png": png(numbers), "instances.json": json.dumps(table)},
    )
    (row, other), bad = load("instance_masks", files)
    assert [p.code for p in bad] == ["bad_image", "bad_image", "bad_instance", "bad_instance", "bad_mask"]
    assert len(regions_of(row, OBJECTS)) == 1 and row.image == "x.jpg"
    assert other.image is None and other.opinions == ()
