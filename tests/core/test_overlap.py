"""Laws of likeness and matching; COCO's figures are COCO's; what comparing regions means for agreement and verdicts."""

import contextlib
import io
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelwright.core.answer import (
    Answers,
    Region,
    RegionAnswer,
    Relation,
    RelationAnswer,
    same_meaning,
)
from labelwright.core.compare import agreement, changed_questions, is_right
from labelwright.core.confusions import confusions
from labelwright.core.economics import Verdict, judge
from labelwright.core.geometry import bounds, is_area
from labelwright.core.likeness import likeness, likenesses
from labelwright.core.mask import encode, rasterise
from labelwright.core.ontology import Label, Ontology, RegionQuestion, RelationQuestion
from labelwright.core.overlap import Overlap, coco_figures, match, mean_average_precision
from labelwright.core.shape import Box, Points, Polygon, Polyline, RotatedBox, Shape, Size
from tests.strategies import SHAPE_KINDS, shapes_in, sizes


def box(x: float, y: float = 0.0, width: float = 10.0, height: float = 10.0) -> Box:
    return Box(x=x, y=y, width=width, height=height)


def region(shape: Shape, label: str = "a", key: str = "", **rest: Any) -> Region:
    return Region(id=key or "r", label=label, shape=shape, **rest)


def answer(*regions: Region) -> RegionAnswer:
    return RegionAnswer(regions=tuple(r.model_copy(update={"id": f"{i}"}) for i, r in enumerate(regions)))


# --- likeness -------------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.data())
def test_likeness_is_symmetric_in_0_to_1_and_1_with_itself(data: st.DataObject) -> None:
    size = data.draw(sizes)
    one, other = data.draw(shapes_in(size)), data.draw(shapes_in(size))
    value = likeness(one, other, size)
    assert 0.0 <= value <= 1.0
    assert value == pytest.approx(likeness(other, one, size), abs=1e-9)
    assert likeness(one, one.model_copy(), size) == 1.0
    assert likenesses([one, one], [one], size)[0][2] == pytest.approx(1.0)
    if is_area(one) != is_area(other):
        assert value == 0.0


@settings(max_examples=60)
@given(st.data())
def test_pixels_are_compared_as_masks_of_the_same_shapes_are(data: st.DataObject) -> None:
    size = data.draw(sizes)
    one = data.draw(shapes_in(size, "polygon"))
    other = data.draw(shapes_in(size, data.draw(st.sampled_from(("box", "rotated_box", "polygon", "mask")))))
    a, b = (np.array(rasterised(shape, size)) for shape in (one, other))
    expected = (a & b).sum() / (a | b).sum() if (a | b).any() else 0.0
    assert likeness(one, other, size) == pytest.approx(expected)


def rasterised(shape: Shape, size: Size) -> Any:
    from labelwright.core.mask import decode

    return decode(rasterise(shape, size))


def test_known_values() -> None:
    assert likeness(box(0), box(5)) == pytest.approx(1 / 3)
    assert likeness(box(0), box(10)) == 0.0
    diamond = RotatedBox(x=0, y=0, width=10, height=10, angle_deg=45)
    assert likeness(box(0), diamond) == pytest.approx(
        1 / 2**0.5, abs=1e-9
    )  # an octagon of 8 (sqrt 2 - 1) of 25 each
    assert likeness(box(0, height=1e-12), box(0)) == pytest.approx(1e-13)
    line = Polyline(points=((0, 0), (100, 0)))
    near, far = (Polyline(points=((0, d), (100, d))) for d in (1.0, 30.0))
    assert likeness(line, near) > 0.5 > likeness(line, far) == 0.0
    assert likeness(line, Polyline(points=((100, 0), (0, 0)))) == pytest.approx(1.0)
    assert likeness(line, box(0)) == 0.0


def test_key_points_are_compared_as_coco_does_with_absent_ones_counted_as_wrong() -> None:
    extent = Box(x=0, y=0, width=100, height=100)
    one = Points(points=((10, 10), (20, 20)), visibility=(2, 2), box=extent)
    moved = Points(points=((10, 10), (20, 20 + 13.4)), visibility=(2, 1), box=extent)
    absent = Points(points=((10, 10), (99, 0)), visibility=(2, 0), box=extent)
    assert likeness(one, moved) == pytest.approx((1 + np.exp(-0.5)) / 2)
    assert likeness(one, absent) == 0.5
    # A single point has no extent: half of the likeness is lost after some five pixels.
    spot = Points(points=((50, 50),))
    assert likeness(spot, Points(points=((55, 50),))) > 0.5 > likeness(spot, Points(points=((56, 50),)))


# --- matching -------------------------------------------------------------------------------------------------------


@st.composite
def some_regions(draw: st.DrawFn, size: Size) -> list[Region]:
    n = draw(st.integers(0, 6))
    kind = draw(st.sampled_from([*SHAPE_KINDS, None, "box"]))
    return [
        Region(id=f"{i}", label=draw(st.sampled_from("ab")), shape=draw(shapes_in(size, kind)))
        for i in range(n)
    ]


def counts(found: Overlap) -> tuple[int, ...]:
    kinds = (found.matched, found.wrong_label, found.low_overlap, found.extra, found.missing)
    return tuple(len(kind) for kind in kinds)


@settings(max_examples=80)
@given(st.data(), st.sampled_from([0.3, 0.5, 0.9]))
def test_matching_does_not_depend_on_sides_and_order_and_keeps_every_region(
    data: st.DataObject, threshold: float
) -> None:
    size = data.draw(sizes)
    one = data.draw(some_regions(size))
    # Alike enough to be worth matching: some of the other side, and some of one's own moved a little.
    other = data.draw(some_regions(size)) + [r for r in one if data.draw(st.booleans())]
    found = match(one, other, threshold, size)
    assert match(other, one, threshold, size) == found.turned()
    for side, n in ((0, len(one)), (1, len(other))):
        pairs = (*found.matched, *found.wrong_label, *found.low_overlap)
        alone = found.missing if side else found.extra
        assert sorted([p.true if side else p.predicted for p in pairs] + list(alone)) == list(range(n))
    assert all(one[p.predicted].label == other[p.true].label and p.iou >= threshold for p in found.matched)
    assert all(one[p.predicted].label != other[p.true].label for p in found.wrong_label)
    assert all(0.1 <= p.iou < threshold for p in found.low_overlap)
    order, shuffled = list(range(len(one))), data.draw(st.permutations(range(len(one))))
    again = match([one[i] for i in shuffled], other, threshold, size)
    assert counts(again) == counts(found) and len(order) == len(one)
    assert 0.0 <= found.f1 <= 1.0 and 0.0 <= found.mean_iou <= 1.0


@settings(max_examples=40)
@given(st.data())
def test_identical_answers_score_1(data: st.DataObject) -> None:
    size = data.draw(sizes)
    one = data.draw(some_regions(size))
    twin = [r.model_copy(update={"id": f"t{r.id}", "score": 0.3}) for r in reversed(one)]
    found = match(one, twin, 0.5, size)
    assert (found.f1, found.mean_iou, found.differences) == (1.0, 1.0, 0)
    assert same_meaning(RegionAnswer(regions=tuple(one)), RegionAnswer(regions=tuple(twin)))


def test_the_assignment_finds_the_most_pairs_where_the_greedy_one_would_not() -> None:
    # The first lies best on the second true one, but then the second would have none.
    predicted = [region(box(0)), region(box(3))]
    true = [region(box(1)), region(box(-3))]
    found = match(predicted, true)
    assert {(p.predicted, p.true) for p in found.matched} == {(0, 1), (1, 0)}


def test_every_difference_has_its_kind() -> None:
    predicted = [region(box(0)), region(box(20)), region(box(40)), region(box(60), "b"), region(box(80))]
    true = [region(box(1)), region(box(27)), region(box(40), "b"), region(box(100))]
    found = match(predicted, true)
    assert [(p.predicted, p.true) for p in found.matched] == [(0, 0)]
    assert [(p.predicted, p.true) for p in found.low_overlap] == [(1, 1)]
    assert [(p.predicted, p.true) for p in found.wrong_label] == [(2, 2)]
    assert (found.extra, found.missing, found.differences) == ((3, 4), (3,), 5)


def test_a_thousand_touching_regions_are_matched_one_to_one() -> None:
    rng = random.Random(3)
    true = [region(box(7 * (i % 40), 7 * (i // 40)), key=f"{i}") for i in range(1000)]
    predicted = [
        region(box(r.shape.x + rng.random(), r.shape.y), key=r.id) for r in true if isinstance(r.shape, Box)
    ]
    rng.shuffle(predicted)
    found = match(predicted, true)
    assert len(found.matched) == 1000
    assert all(predicted[p.predicted].id == true[p.true].id for p in found.matched)


# --- COCO -----------------------------------------------------------------------------------------------------------


def coco_eval(
    images: list[tuple[list[Region], list[Region], Size]], labels: str, by: Any
) -> tuple[dict[str, float], dict[str, float]]:
    """AP and recall at 0.5 per label, by pycocotools itself."""
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": i, "name": name} for i, name in enumerate(labels, 1)]
    results: list[dict[str, Any]] = []
    for image_id, (predicted, true, size) in enumerate(images, 1):
        truth["images"].append({"id": image_id, "width": size[0], "height": size[1]})
        for side, rows in ((true, truth["annotations"]), (predicted, results)):
            for r in side:
                around, pixels = bounds(r.shape), rasterise(r.shape, size)
                assert around is not None
                row: dict[str, Any] = {"image_id": image_id, "category_id": labels.index(r.label) + 1}
                row["bbox"] = [around.x, around.y, around.width, around.height]
                row["segmentation"] = {"size": list(pixels.size), "counts": pixels.counts.encode()}
                row["area"] = around.width * around.height
                if side is true:
                    row |= {"id": len(rows) + 1, "iscrowd": int(bool(r.attributes.get("iscrowd")))}
                else:
                    row["score"] = r.score
                rows.append(row)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        for row in results:
            row.pop("bbox" if by == "segm" else "segmentation")
        evaluation = COCOeval(coco, coco.loadRes(results), by)
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    last = len(evaluation.params.maxDets) - 1
    return (
        {name: float(precision[0, :, k, 0, last].mean()) for k, name in enumerate(labels)},
        {name: float(recall[0, k, 0, last]) for k, name in enumerate(labels)},
    )


@pytest.mark.parametrize("by", ["bbox", "segm"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_average_precision_and_recall_are_those_of_cocoeval(by: Any, seed: int) -> None:
    rng = random.Random(seed)

    def some(n: int, scored: bool) -> list[Region]:
        found = []
        for i in range(n):
            width, height = rng.uniform(6, 20), rng.uniform(6, 20)
            shape = Box(x=rng.uniform(0, 40), y=rng.uniform(0, 30), width=width, height=height)
            crowd = {"iscrowd": True} if not scored and rng.random() < 0.15 else {}
            score = rng.choice([0.1, 0.3, 0.5, rng.random()]) if scored else None
            found.append(
                Region(id=f"{i}", label=rng.choice("abc"), shape=shape, score=score, attributes=crowd)
            )
        return found

    images = []
    for _ in range(25):
        true = some(rng.randrange(8), scored=False)
        near = [r for r in true if rng.random() < 0.7]
        predicted = some(rng.randrange(5), scored=True)
        for r in near:
            assert isinstance(r.shape, Box)
            moved = r.shape.model_copy(update={"x": r.shape.x + rng.uniform(-3, 3)})
            predicted.append(Region(id=f"n{len(predicted)}", label=r.label, shape=moved, score=rng.random()))
        images.append((predicted, true, (64, 64)))
    ours = coco_figures(images, by=by)
    precision, recall = coco_eval(images, "abc", by)
    assert {k: f.average_precision for k, f in ours.items()} == pytest.approx(precision, abs=1e-6)
    assert {k: f.recall for k, f in ours.items()} == pytest.approx(recall, abs=1e-6)
    assert mean_average_precision(ours) == pytest.approx(sum(precision.values()) / 3, abs=1e-6)


def test_coco_figures_without_truth_or_predictions() -> None:
    figures = coco_figures([([region(box(0), score=0.5)], [region(box(0), "b")], (20, 20))])
    assert (figures["a"].average_precision, figures["a"].precision) == (None, 0.0)
    assert (figures["b"].average_precision, figures["b"].recall, figures["b"].precision) == (0.0, 0.0, None)
    assert coco_figures([]) == {} and mean_average_precision({}) is None


# --- what answers say -----------------------------------------------------------------------------------------------

QUESTION = RegionQuestion(id="q", name="Q", labels=(Label(id="a", name="A"), Label(id="b", name="B")))
JOINS = RelationQuestion(
    id="j", name="J", labels=(Label(id="on", name="On"),), from_question="q", to_question="q", required=False
)
ONTOLOGY = Ontology(version=1, questions=(QUESTION, JOINS))


def test_a_box_drawn_a_little_differently_says_the_same_and_another_label_does_not() -> None:
    one, near = answer(region(box(0)), region(box(30))), answer(region(box(31)), region(box(1)))
    assert same_meaning(one, near) and agreement(one, near) == 1.0
    other = answer(region(box(0)), region(box(30), "b"))
    assert not same_meaning(one, other) and agreement(one, other) == agreement(other, one) == 0.5
    assert not same_meaning(one, answer(region(box(0)))) and same_meaning(answer(), answer())
    before, after = Answers.of({"q": one}), Answers.of({"q": near})
    assert changed_questions(ONTOLOGY, before, after) == [] and is_right(ONTOLOGY, before, after)
    assert changed_questions(ONTOLOGY, before, Answers.of({"q": other})) == ["q"]


def test_an_attribute_that_differs_is_a_difference_and_one_left_open_is_not() -> None:
    red, blue = (answer(region(box(0), attributes={"colour": c})) for c in ("red", "blue"))
    assert not same_meaning(red, blue) and agreement(red, blue) == 0.0
    assert same_meaning(red, answer(region(box(0))))


def test_relations_between_regions_are_compared_through_their_matches() -> None:
    def joined(answers: RegionAnswer, from_id: str, to_id: str) -> Answers:
        relation = Relation(id="r", label="on", from_id=from_id, to_id=to_id)
        return Answers.of({"q": answers, "j": RelationAnswer(relations=(relation,))})

    one = joined(answer(region(box(0)), region(box(30))), "0", "1")
    turned = joined(answer(region(box(31)), region(box(1))), "1", "0")
    assert changed_questions(ONTOLOGY, one, turned) == []
    wrong = joined(answer(region(box(31)), region(box(1))), "0", "1")
    assert changed_questions(ONTOLOGY, one, wrong) == ["j"]


def test_verdicts_and_confusions_count_regions() -> None:
    said = answer(region(box(0)), region(box(20)), region(box(40)), region(box(60)))
    given = answer(region(box(1)), region(box(27)), region(box(40), "b"), region(box(90), "b"))
    verdicts = judge(Answers.of({"q": said}), Answers.of({"q": given}))
    assert verdicts == [
        Verdict(question="q", label="a", accepted=1, corrected=2, rejected=1, final=2, correct=1),
        Verdict(question="q", label="b", added=1, final=2),
    ]
    found = confusions(ONTOLOGY, [(7, Answers.of({"q": said}), Answers.of({"q": given}))])
    assert {(c.said, c.right) for c in found} == {("a", "a"), ("a", "b"), ("a", None), (None, "b")}


@settings(max_examples=40)
@given(st.data())
def test_same_meaning_and_full_agreement_are_one(data: st.DataObject) -> None:
    size = data.draw(sizes)
    one, other = (RegionAnswer(regions=tuple(data.draw(some_regions(size)))) for _ in range(2))
    assert same_meaning(one, other) == (agreement(one, other) == 1.0)
    assert agreement(one, other) == agreement(other, one)
    said = judge(Answers.of({"q": one}), Answers.of({"q": other}))
    for side, names in (
        (one, ("accepted", "corrected", "rejected")),
        (other, ("accepted", "corrected", "added")),
    ):
        assert sum(getattr(verdict, name) for verdict in said for name in names) == len(side.regions)


def test_masks_of_the_same_thing_match_polygons() -> None:
    ring = ((5.0, 5.0), (25.0, 5.0), (25.0, 25.0))
    polygon = Polygon(parts=((ring,),))
    pixels = np.array(rasterised(polygon, (40, 40)))
    assert likeness(polygon, encode(pixels)) == 1.0
