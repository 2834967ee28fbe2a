"""Pascal VOC and CVAT XML: read back by supervision, cvat_sdk and xml.etree; XML from strangers does no harm."""

import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core import mask as masks
from labelwright.core.answer import Answers, ChoiceAnswer, Region, ScalarAnswer, TextAnswer
from labelwright.core.errors import Invalid
from labelwright.core.geometry import bounds, corners
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    RegionQuestion,
    ScalarQuestion,
    TextQuestion,
)
from labelwright.core.shape import Box, Mask, Points, Polygon, RotatedBox, Shape
from labelwright.core.transfer import resolve
from labelwright.flows.setup import parse_ontology
from labelwright.formats.registry import image_questions, sniff_images
from labelwright.formats.xmls import pieces
from tests.formats.image_made import (
    LAW,
    OBJECTS,
    SIZE,
    Folder,
    close,
    export,
    load,
    marked,
    picture,
    put,
    regions_of,
    rings,
    shapes,
    shown,
)

# --- XML ----------------------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(f'<!ENTITY a{i} "{"&a;" * 10}">' for i in range(9)) + "]>"
EVIL = {
    "billion laughs": LAUGHS + "<annotation><object><name>&a8;</name></object></annotation>",
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation><filename>&e;</filename></annotation>',
    "external DTD": '<!DOCTYPE x SYSTEM "http://localhost:1/x.dtd"><annotation/>',
    "unknown entity": "<annotation><filename>&e;</filename></annotation>",
    "cut": "<annotation><object><name>ca",
    "no XML": "hello",
    "empty": "",
    "two roots": "<annotation/><annotation/>",
    "deep": "<annotation>" + "<a>" * 200_000,
    "NUL": "<annotation><name>a\0</name></annotation>",
    "wrong encoding": '<?xml version="1.0" encoding="no-such"?><annotation/>',
    "long line": "<annotation>" + "x" * 10_000_000,
}


@pytest.mark.parametrize("what", EVIL)
def test_xml_that_is_broken_or_evil_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(EVIL[what])
    with path.open("rb") as file, pytest.raises(Invalid) as caught:
        list(pieces(file, "a.xml"))
    assert caught.value.code == "bad_xml" and len(caught.value.message) < 300
    for form, text in (("voc", EVIL[what]), ("cvat", EVIL[what].replace("annotation", "annotations"))):
        files = put(tmp_path / form, {"a.xml": text, "a.png": picture()})
        good, bad = load(form, files)
        assert [p.code for p in bad] == ["bad_xml"]
        assert [r.opinions for r in good] == [()]
        assert sniff_images(files, "x")


# --- VOC ----------------------------------------------------------------------------------------------------------


def test_supervision_reads_our_pascal_voc(tmp_path: Path) -> None:
    sv = pytest.importorskip("supervision")
    red = Region(
        id="a",
        label="car",
        shape=Box(x=0, y=2, width=60, height=38),
        attributes={"occluded": True, "colour": "red"},
    )
    rows = [
        shown(1, marked(red, ("cat", Box(x=10, y=5, width=1, height=3)))),
        shown(2, marked()),
        shown(3, None),
    ]
    losses = export("voc", rows, tmp_path / "out")
    assert (losses.counts, losses.left_out_counts) == ({"attributes": 1}, {"no_answer": 1})
    found = sv.DetectionDataset.from_pascal_voc(
        images_directory_path=str(tmp_path / "out/JPEGImages"),
        annotations_directory_path=str(tmp_path / "out/Annotations"),
    )
    by_name = {
        Path(path).name: (marks.xyxy.tolist(), [found.classes[i] for i in marks.class_id])
        for path, _, marks in found
    }
    assert by_name == {
        "photo 1.png": ([[0, 2, 60, 40], [10, 5, 11, 8]], ["Car 🚗", 'Cat "x", y']), "photo 2.png": ([], []),
    }  # fmt: skip
    root = ET.parse(tmp_path / "out/Annotations/photo 1.xml").getroot()
    assert [e.text for e in root.find("object/bndbox") or ()] == ["1", "3", "60", "40"]
    assert (root.findtext("size/width"), root.findtext("size/depth"), root.findtext("object/occluded")) == (
        "60",
        "3",
        "1",
    )
    assert (tmp_path / "out/ImageSets/Main/train.txt").read_text() == "photo 1\nphoto 2\n"


@LAW
@given(found=st.lists(st.tuples(st.sampled_from(["car", "cat"]), shapes()), max_size=4))
def test_voc_gives_back_boxes_and_tells_the_rest(found: list[tuple[str, Shape]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        losses = export("voc", [shown(1, marked(*found))], Path(name) / "out")
        (row,), bad = load("voc", Path(name) / "out")
    assert bad == []
    told = {i: {e["code"] for e in losses.listed if f"'r{i}'" in e["message"]} for i in range(len(found))}
    kept = [i for i in told if not told[i] & {"not_held", "outside"}]
    back = regions_of(row)
    assert [r.label for r in back] == [found[i][0] for i in kept]
    for i, region in zip(kept, back, strict=True):
        shape, around = found[i][1], bounds(found[i][1])
        assert isinstance(region.shape, Box) and around is not None
        assert ("as_box" in told[i]) == (not isinstance(shape, Box))
        if "clipped" not in told[i]:
            assert close(
                region.shape.model_dump(), around.model_dump(), 1.01 if "rounded" in told[i] else 1e-9
            )


def voc(*objects: str, size: str = "<size><width>60</width><height>40</height></size>") -> str:
    inner = "".join(f"<object>{each}</object>" for each in objects)
    return f"<annotation><filename>a.png</filename>{size}{inner}</annotation>"


def box(x0: object, y0: object, x1: object, y1: object, name: str = "car", more: str = "") -> str:
    edges = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
    return f"<name>{name}</name>{more}<bndbox>{edges}</bndbox>"


@pytest.mark.parametrize(
    "wrong",
    [box("nan", 1, 5, 5), box(1, 1, "1e400", 5), box(9, 1, 5, 5), box("", 1, 5, 5), box("١", 1, 5, 5), box(1, 1, 5, 5, " "),
     "<name>car</name>", ""],
)  # fmt: skip
def test_a_bad_object_costs_only_itself(tmp_path: Path, wrong: str) -> None:
    files = put(
        tmp_path, {"Annotations/a.xml": voc(wrong, box(1, 1, 10, 10, "cat")), "JPEGImages/a.png": picture()}
    )
    (row,), (bad,) = load("voc", files)
    assert (bad.code, bad.where) == ("bad_object", "Annotations/a.xml:object/0")
    (region,) = row.opinions[0].answers["objects"]
    assert (region["label"], region["shape"]) == ("cat", Box(x=0, y=0, width=10, height=10).model_dump())


def test_voc_flags_are_attributes_only_where_they_are_set(tmp_path: Path) -> None:
    more = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult><occluded>1</occluded>"
    files = put(tmp_path, {
        "VOC/Annotations/a.xml": voc(box(1, 1, 9, 9, more=more)), "VOC/JPEGImages/a.png": picture(), "VOC/JPEGImages/b.png": picture(),
        "VOC/ImageSets/Main/train.txt": "a\n", "VOC/ImageSets/Main/val.txt": "b 1\n",
    })  # fmt: skip
    assert sniff_images(files, "x") == "voc"
    good, bad = load("voc", files)
    assert bad == []
    assert [(r.external_id, r.metadata, len(r.opinions)) for r in good] == [
        ("a.png", {"split": "train"}, 1),
        ("b.png", {"split": "val"}, 0),
    ]
    assert good[0].opinions[0].answers["objects"][0]["attributes"] == {
        "truncated": True,
        "occluded": True,
        "pose": "Left",
    }


def test_a_box_that_sticks_out_and_another_size_are_told(tmp_path: Path) -> None:
    files = put(
        tmp_path,
        {
            "a.xml": voc(box(50, 30, 100, 35), size="<size><width>40</width><height>60</height></size>"),
            "a.jpg": picture((60, 40), 6, "JPEG"),
        },
    )
    (row,), (bad,) = load("voc", files)
    assert bad.code == "other_size" and "40 x 60" in bad.message
    answers, _, problems = resolve(row.opinions[0], NAMED, SIZE)
    assert [p.code for p in problems] == ["mended"] and len(answers) == 1


NAMED = parse_ontology({"questions": [{"kind": "region", "name": "Things", "labels": ["car", "cat"]}]})


def test_labels_without_their_image_go_to_the_one_imported_before(tmp_path: Path) -> None:
    (row,), bad = load("voc", put(tmp_path, {"x.xml": voc(box(1, 1, 9, 9))}))
    assert (row.image, row.external_id, bad) == (None, "a.png", [])
    good, (bad_one,) = load("voc", put(tmp_path / "y", {"x.xml": voc(box(1, 1, 9, 9), size="")}))
    assert (good, bad_one.code) == ([], "no_image")


# --- CVAT ---------------------------------------------------------------------------------------------------------


@LAW
@given(
    found=st.lists(st.tuples(st.sampled_from(["car", "cat", "face"]), shapes()), max_size=4), data=st.data()
)
def test_cvat_gives_back_what_went_out_up_to_the_reported_losses(
    found: list[tuple[str, Shape]], data: st.DataObject
) -> None:
    given_values = st.fixed_dictionaries({}, optional={
        "occluded": st.booleans(), "colour": st.sampled_from(["red", "blue & <green>"]), "doors": st.integers(-3, 9),
        "plate": st.sampled_from(['"a" & <b>', "true", "1.0", "😀", "two\nlines"]),
    })  # fmt: skip
    regions = [
        Region(
            id=f"r{i}",
            label=label,
            shape=shape,
            z_order=i - 1,
            attributes=data.draw(given_values) if label == "car" else {},
        )
        for i, (label, shape) in enumerate(found)
    ]
    with tempfile.TemporaryDirectory() as name:
        losses = export("cvat", [shown(1, marked(*regions))], Path(name) / "out")
        (row,), bad = load("cvat", Path(name) / "out")
        asked = image_questions(Folder(Path(name) / "out"), "cvat", [row])
    assert bad == []
    assert losses.counts.keys() <= {"bridged", "points_box", "visibility", "as_box"}
    back = regions_of(row)
    assert [(r.label, r.z_order, r.attributes) for r in back] == [
        (r.label, r.z_order, r.attributes) for r in regions
    ]
    for before, after in zip(regions, back, strict=True):
        codes = {e["code"] for e in losses.listed if f"'{before.id}'" in e["message"]}
        one, other = before.shape, after.shape
        if isinstance(one, Polygon):
            assert isinstance(other, Polygon) and rings(one) == rings(other)
        elif isinstance(one, RotatedBox):
            assert close(
                corners(one),
                corners(
                    other
                    if isinstance(other, RotatedBox)
                    else RotatedBox(**other.model_dump(exclude={"kind"}), angle_deg=0)
                ),
                1e-6,
            )
        elif isinstance(one, Points) and codes:
            assert isinstance(other, Points)
            assert "visibility" in codes or close(
                one.model_dump(exclude={"box"}), other.model_dump(exclude={"box"})
            )
        else:
            assert close(one.model_dump(), other.model_dump(), 1e-9)
    ontology = parse_ontology({"questions": asked})
    (made,), (wanted,) = ontology.questions, OBJECTS.questions
    assert isinstance(made, RegionQuestion) and isinstance(wanted, RegionQuestion)
    assert [(x.name, x.skeleton) for x in made.labels] == [(x.name, x.skeleton) for x in wanted.labels]


@LAW
@given(shapes(("mask",)))
def test_cvat_itself_decodes_our_masks(shape: Mask) -> None:
    cvat = pytest.importorskip("cvat_sdk.masks")
    with tempfile.TemporaryDirectory() as name:
        export("cvat", [shown(1, marked(("car", shape)))], Path(name) / "out")
        root = ET.parse(Path(name) / "out/annotations.xml").getroot()
    mask = root.find("image/mask")
    assert mask is not None
    left, top, width, height = (int(mask.get(key) or "") for key in ("left", "top", "width", "height"))
    runs = [int(each) for each in (mask.get("rle") or "").split(",")]
    found = cvat.decode_mask(
        [*runs, left, top, left + width - 1, top + height - 1], image_width=SIZE[0], image_height=SIZE[1]
    )
    assert (found == masks.decode(shape)).all()
    assert runs == [int(n) for n in cvat.encode_mask(masks.decode(shape))[:-4]]


def test_answers_about_the_whole_image_are_tags(tmp_path: Path) -> None:
    ontology = Ontology(questions=(
        *OBJECTS.questions,
        ChoiceQuestion(id="w", name="Weather", labels=(Label(id="s", name="sun & fun"), Label(id="r", name="rain")), multiple=True),
        ScalarQuestion(id="n", name="Count", type="integer"), ScalarQuestion(id="ok", name="Sharp?", type="boolean"), TextQuestion(id="t", name="Note"),
    ))  # fmt: skip
    said = Answers.of({
        **marked().root, "w": ChoiceAnswer(labels=("s", "r")), "n": ScalarAnswer(value=3), "ok": ScalarAnswer(value=False),
        "t": TextAnswer(text="<b>\n true"),
    })  # fmt: skip
    losses = export("cvat", [shown(1, said), shown(2, None)], tmp_path / "out", ontology)
    assert losses.counts == {"no_answer": 1}
    good, bad = load("cvat", tmp_path / "out")
    answers, _, problems = resolve(good[0].opinions[0], ontology, SIZE)
    assert (answers, problems, bad) == (said, [], [])
    asked = image_questions(Folder(tmp_path / "out"), "cvat", good)
    assert [(q["kind"], q["name"]) for q in asked] == [
        ("region", "objects"), ("choice", "Weather"), ("scalar", "Count"), ("scalar", "Sharp?"), ("text", "Note"),
    ]  # fmt: skip


CVAT = """<annotations><version>1.1</version><meta><job><labels>
<label><name>car</name><type>rectangle</type><attributes><attribute><name>seats</name><input_type>number</input_type><values>1
9
1</values></attribute></attributes></label><label><name>dog</name><type>tag</type></label></labels></job></meta>
<image id="0" name="sub/a.png" width="60" height="40" subset="Train">{}</image></annotations>"""


def test_what_cvat_writes_is_read(tmp_path: Path) -> None:
    inner = """<box label="car" source="auto" occluded="1" xtl="1.5" ytl="2" xbr="11.5" ybr="22" rotation="90" z_order="3"><attribute name="seats">4</attribute></box>
    <polygon label="pond" source="auto" points="1,1;9,1;9,9" group_id="7"/><polygon label="pond" source="auto" points="20,20;30,20;30,30" group_id="7"/>
    <ellipse label="pond" source="auto" cx="30" cy="20" rx="10" ry="5"/><tag label="dog"/>"""
    files = put(
        tmp_path,
        {"annotations.xml": CVAT.format(inner), "images/sub/a.png": picture(), "images/other.png": picture()},
    )
    assert sniff_images(files, "x") == "cvat"
    good, bad = load("cvat", files)
    assert [(r.external_id, r.metadata) for r in good] == [
        ("sub/a.png", {"split": "train"}),
        ("images/other.png", {}),
    ]
    assert [p.code for p in bad] == ["as_polygon"]
    (opinion,) = good[0].opinions
    assert opinion.by == "model" and opinion.answers["tags"] == ["dog"]
    car, pond, ellipse = opinion.answers["objects"]
    assert car["shape"] == RotatedBox(x=1.5, y=2, width=10, height=20, angle_deg=90).model_dump()
    assert car["attributes"] == {"seats": 4, "occluded": True} and car["z_order"] == 3
    assert len(pond["shape"]["parts"]) == 2
    area = masks.decode(masks.rasterise(Polygon.model_validate(ellipse["shape"]), SIZE)).sum()
    assert abs(area - np.pi * 50) < 6
    asked = image_questions(files, "cvat", good)
    assert {(q["kind"], q["name"]) for q in asked} == {("region", "objects"), ("choice", "tags")}
    assert asked[0]["shapes"] == ["rotated_box", "polygon", "box"]


@pytest.mark.parametrize(
    "wrong",
    ['<box label="car" xtl="nan" ytl="1" xbr="5" ybr="5"/>', '<box label="car" xtl="6" ytl="1" xbr="5" ybr="5"/>', '<box xtl="1" ytl="1" xbr="5" ybr="5"/>',
     '<polygon label="car" points="1,1;2,2"/>', '<polygon label="car" points="1,1;2,2;1,1"/>', '<polygon label="car" points="1,1;2,x;3,3"/>',
     '<polyline label="car" points="1,1"/>', '<points label="car" points=""/>', '<ellipse label="car" cx="1" cy="1" rx="-1" ry="2"/>',
     '<mask label="car" rle="0, 9" left="0" top="0" width="2" height="4"/>', '<mask label="car" rle="0, 8" left="59" top="0" width="2" height="4"/>',
     '<mask label="car" rle="-1, 9" left="0" top="0" width="2" height="4"/>', '<mask label="car" rle="8" left="0" top="0" width="2" height="4"/>',
     '<mask label="car" rle="0, 999999999" left="0" top="0" width="999999999" height="1"/>', '<cuboid label="car" xtl1="1"/>',
     '<skeleton label="car"/>', '<skeleton label="car"><points label="a" points="1,1;2,2"/></skeleton>', '<tag label=""/>'],
)  # fmt: skip
def test_a_bad_shape_costs_only_itself(tmp_path: Path, wrong: str) -> None:
    files = put(
        tmp_path,
        {
            "a.xml": CVAT.format(wrong + '<box label="dog" xtl="1" ytl="1" xbr="5" ybr="5"/>'),
            "sub/a.png": picture(),
        },
    )
    (row,), (bad,) = load("cvat", files)
    assert bad.code == "bad_shape" and bad.where.startswith("a.xml:sub/a.png/") and len(bad.message) < 200
    assert [r["label"] for r in row.opinions[0].answers["objects"]] == ["dog"]


def test_what_xml_cannot_hold_is_told(tmp_path: Path) -> None:
    region = Region(
        id="a", label="car", shape=Box(x=1, y=1, width=2, height=2), attributes={"plate": "a\x01b"}
    )
    for form in ("cvat",):
        losses = export(form, [shown(1, marked(region))], tmp_path / form)
        assert losses.counts == {"characters": 1}
        (row,), _ = load(form, tmp_path / form)
        assert regions_of(row)[0].attributes == {"plate": "a\ufffdb"}
