"""Our own lines hold images and their regions without any loss, with the files of the images or without."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from labelwright.core.transfer import Outgoing, resolve
from labelwright.formats import registry
from tests.formats.image_made import Folder, export, load, put, shown
from tests.formats.made import AT, annotation
from tests.formats.made import outgoing as text_row
from tests.strategies import answers_for, ontologies, sizes


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_our_own_format_gives_back_images_as_they_went_in(data: st.DataObject) -> None:
    ontology, size = data.draw(ontologies("image")), data.draw(sizes)
    mine, theirs, model, gold = (data.draw(answers_for(ontology, size)) for _ in range(4))
    row = shown(1, mine, name="a/b c.png", size=size)
    row = Outgoing(
        asset=row.asset, annotations=(annotation(1, mine), annotation(1, theirs, 8)),
        prediction=text_row(1, "x", None, model=model).prediction, gold=gold, chosen=mine, chosen_by="person",
        updated_at=AT,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        losses = export("labelwright", [row], Path(name) / "out", ontology)
        files = Folder(Path(name) / "out")
        assert registry.sniff_images(files, "out") == "labelwright"
        (back,), bad = load("labelwright", files)
        alone = put(Path(name) / "alone", {"x.jsonl": (Path(name) / "out" / "assets.jsonl").read_bytes()})
        (without,), also_bad = load("labelwright", alone)
        asked = registry.image_questions(files, "labelwright", [])
    assert bad == also_bad == [] and losses.counts == {}
    assert (back.external_id, back.image) == ("a/b c.png", "images/a/b c.png")
    assert (without.external_id, without.image, without.opinions) == ("a/b c.png", None, back.opinions)
    assert [question["id"] for question in asked] == [question.id for question in ontology.questions]
    found = [resolve(opinion, ontology, size) for opinion in back.opinions]
    assert [problems for _, _, problems in found] == [[]] * len(found)
    wanted = [answers for answers in (mine, theirs, model, gold) if len(answers)]
    assert [answers for answers, _, _ in found if len(answers)] == wanted
    assert [o.name for o in back.opinions if o.by == "person"] == ["person 7", "person 8"]


def test_a_line_of_a_text_is_no_image(tmp_path: Path) -> None:
    files = put(
        tmp_path, {"x.jsonl": '{"format": "labelwright/1", "text": "hello", "annotations": []}\n{"format": 5'}
    )
    good, bad = load("labelwright", files)
    assert good == [] and [problem.code for problem in bad] == ["no_image", "bad_json"]
