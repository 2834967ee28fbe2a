"""Descriptions of detectors, and how what they see becomes answers."""

import pytest

from labelwright.core.answer import ChoiceAnswer, RegionAnswer
from labelwright.core.detected import fitting, read
from labelwright.core.detector import Found, Gfl, Seen, Yolo, parse_spec, spec_hash
from labelwright.core.errors import Invalid
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, RegionQuestion
from labelwright.core.shape import Box

OBJECTS = RegionQuestion(
    id="objects",
    name="Objects",
    labels=(
        Label(id="cat", name="Cat"),
        Label(id="bike", name="Two-wheeler", synonyms=("bicycle", "motor bike")),
        Label(id="old", name="Dog", retired=True),
    ),
)
ONTOLOGY = Ontology(questions=(OBJECTS,))
SPEC = parse_spec("name: d\nclasses: [cat, bicycle, motorbike, dog]\n")


def found(number: int, score: float, x: float = 0) -> Found:
    return Found(class_number=number, score=score, shape=Box(x=x, y=0, width=5, height=5))


def problems(text: str) -> list[str]:
    with pytest.raises(Invalid) as refused:
        parse_spec(text)
    return [f"{p.where}: {p.message}" for p in refused.value.problems] or [refused.value.message]


def test_a_description_of_two_lines_is_a_yolo_export() -> None:
    spec = parse_spec("name: mine\nclasses: [a, b]")
    assert isinstance(spec.output, Yolo) and spec.output.version == "v8"
    assert (spec.input.resize, spec.input.layout, spec.input.scale) == ("letterbox", "NCHW", 1 / 255)
    assert spec.classes == {0: "a", 1: "b"}


def test_numbers_are_written_as_people_do() -> None:
    spec = parse_spec("name: m\nclasses: {0: a, 7: b}\ninput: {scale: 1/127.5, mean: 1, pad: 0}")
    assert spec.input.scale == pytest.approx(1 / 127.5)
    assert spec.input.mean == (1, 1, 1) and spec.input.pad == (0, 0, 0)
    assert spec.n_classes == 8


def test_a_description_is_the_same_after_a_trip_through_json() -> None:
    spec = parse_spec("name: m\nclasses: {0: a, 7: b}\noutput: {layout: gfl, strides: [8, 16]}")
    assert isinstance(spec.output, Gfl)
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec
    assert spec_hash(type(spec).model_validate_json(spec.model_dump_json())) == spec_hash(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes: [a]", "name: Field required"),
        ("name: m\nclases: [a]", "clases: Extra inputs are not permitted"),
        ("name: m\nclasses: [yes, b]", "class 0: put 'true' in quotes"),
        ("name: m\noutput: {layout: yolov8}", "'yolo', 'boxes_scores_classes', 'rows', 'gfl', 'logits_map', 'scores'"),
        ("name: m\ntask: classify", "task classify reads layout scores, not yolo"),
        ("name: m\ntask: segment_instance", "names the output with the masks"),
        ("name: m\ninput: {std: [1, 0, 1]}", "std divides"),
        ("name: m\ninput: {size: [0, 3]}", "size is (width, height)"),
        ("name: m\noutput: {layout: rows, columns: [x0, y0]}", "columns name each of"),
        ("name: m\noutput: {layout: gfl, scores: [a], distances: [b]}", "4 strides want 4 scores"),
        ("name: m\nscore_threshold: 1.5", "score_threshold"),
        ("- a\n- b", "is a mapping"),
        ("name: [", "no YAML"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("name: !!python/object/apply:os.system [ls]", "no YAML"),
        ("", "is a mapping"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_place(text: str, said: str) -> None:
    assert any(said in line for line in problems(text)), problems(text)


def test_classes_become_labels_by_name_and_synonym() -> None:
    fit = fitting(SPEC, ONTOLOGY)
    assert [row.label for row in fit.classes] == ["cat", "bike", "bike", None]
    assert fit.marks == "box"


def test_the_least_sure_object_is_the_confidence_and_what_has_no_label_is_told() -> None:
    seen = Seen(
        objects=(found(0, 0.9), found(3, 0.1), found(3, 0.2), found(2, 0.4, 10), found(9, 0.3)), cut=2
    )
    reading, left = read(seen, SPEC, fitting(SPEC, ONTOLOGY), ONTOLOGY, (40, 40))
    answer = reading.answers.get("objects")
    assert isinstance(answer, RegionAnswer)
    assert [(r.id, r.label, r.score) for r in answer.regions] == [("d1", "cat", 0.9), ("d2", "bike", 0.4)]
    assert reading.confidence["objects"].value == reading.lowest == 0.4
    assert left == {"dog": 2, "class 9": 1}
    assert [p.code for p in reading.problems] == ["no_label", "no_label", "too_many_objects"]


def test_an_image_without_objects_is_answered_without_a_confidence() -> None:
    reading, _ = read(Seen(), SPEC, fitting(SPEC, ONTOLOGY), ONTOLOGY, (40, 40))
    assert reading.answers.get("objects") == RegionAnswer(regions=())
    assert reading.lowest is None


def test_a_failure_answers_nothing() -> None:
    reading, _ = read(Seen(error="the model failed"), SPEC, fitting(SPEC, ONTOLOGY), ONTOLOGY, (40, 40))
    assert len(reading.answers) == 0 and reading.problems[0].code == "detector_failed"


def test_a_question_without_boxes_gets_what_it_takes() -> None:
    for shapes, marks in ((("polygon",), "polygon"), (("mask", "rotated_box"), "rotated_box")):
        ontology = Ontology(questions=(OBJECTS.model_copy(update={"shapes": shapes}),))
        assert fitting(SPEC, ontology).marks == marks
    with pytest.raises(Invalid, match="takes polyline"):
        fitting(SPEC, Ontology(questions=(OBJECTS.model_copy(update={"shapes": ("polyline",)}),)))


def test_which_question_is_asked_when_several_fit() -> None:
    other = OBJECTS.model_copy(update={"id": "more", "name": "More"})
    ontology = Ontology(questions=(OBJECTS, other))
    with pytest.raises(Invalid, match="several questions"):
        fitting(SPEC, ontology)
    assert fitting(SPEC, ontology, "more").question == "more"
    with pytest.raises(Invalid, match="no question for regions"):
        fitting(SPEC, ontology, "nothing")


KIND = ChoiceQuestion(id="kind", name="Kind", labels=(Label(id="a", name="A"), Label(id="b", name="B")))
CLASSIFIER = parse_spec(
    "name: c\ntask: classify\noutput: {layout: scores}\nclasses: [a, b, c]\nscore_threshold: 0.5"
)


def test_a_classifier_chooses_one_or_several() -> None:
    seen = Seen(scores={0: 0.2, 1: 0.7, 2: 0.1})
    one = Ontology(questions=(KIND,))
    reading, _ = read(seen, CLASSIFIER, fitting(CLASSIFIER, one), one, (9, 9))
    assert reading.answers.get("kind") == ChoiceAnswer(labels=("b",))
    assert reading.confidence["kind"].value == 0.7
    several = Ontology(questions=(KIND.model_copy(update={"multiple": True}),))
    both = Seen(scores={0: 0.6, 1: 0.9, 2: 0.9})
    reading, _ = read(both, CLASSIFIER, fitting(CLASSIFIER, several), several, (9, 9))
    assert reading.answers.get("kind") == ChoiceAnswer(labels=("a", "b"))
    assert reading.confidence["kind"].value == 0.6


def test_a_class_without_a_label_is_no_answer() -> None:
    ontology = Ontology(questions=(KIND,))
    reading, left = read(
        Seen(scores={0: 0.1, 1: 0.1, 2: 0.8}), CLASSIFIER, fitting(CLASSIFIER, ontology), ontology, (9, 9)
    )
    assert len(reading.answers) == 0 and left == {"c": 1}
    assert reading.problems[0].code == "no_label"
