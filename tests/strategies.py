"""Hypothesis strategies for the nouns: ontologies, texts, sizes of images, and answers that conform to them."""

import math
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from labelwright.core.answer import (
    NIL,
    Answer,
    Answers,
    ChoiceAnswer,
    Region,
    RegionAnswer,
    Relation,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.conform import marks_of, relation_ends
from labelwright.core.geometry import crossing
from labelwright.core.mask import encode
from labelwright.core.ontology import (
    Attribute,
    ChoiceQuestion,
    Label,
    Ontology,
    Question,
    RegionQuestion,
    RelationQuestion,
    ScalarQuestion,
    Skeleton,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.shape import (
    Box,
    Mask,
    Point,
    Points,
    Polygon,
    Polyline,
    RotatedBox,
    Shape,
    ShapeKind,
    Size,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=80)


sizes: st.SearchStrategy[Size] = st.tuples(st.integers(8, 40), st.integers(8, 40))
"""(width, height) of a small image."""

SHAPE_KINDS: tuple[ShapeKind, ...] = ("box", "rotated_box", "polygon", "polyline", "points", "mask")


@st.composite
def labels(draw: st.DrawFn) -> tuple[Label, ...]:
    """One to five labels with distinct ids and names."""
    n = draw(st.integers(1, 5))
    return tuple(Label(id=f"l{i}", name=f"Label {i}") for i in range(n))


@st.composite
def region_labels(draw: st.DrawFn) -> tuple[Label, ...]:
    """One to three labels, some with attributes or a skeleton."""
    attributes = [
        Attribute(id="colour", name="Colour", options=("red", "green blue"), required=draw(st.booleans())),
        Attribute(id="hidden", name="Hidden", type="boolean"),
        Attribute(id="pips", name="Pips", type="integer", minimum=1, maximum=6),
        Attribute(id="weight", name="Weight", type="number", minimum=0),
        Attribute(id="note", name="Note", type="text"),
    ]
    skeleton = Skeleton(points=("head", "left hand", "right hand"), edges=((0, 1), (0, 2)))
    return tuple(
        Label(
            id=f"l{i}",
            name=f"Label {i}",
            attributes=tuple(
                draw(st.lists(st.sampled_from(attributes), unique_by=lambda a: a.id, max_size=3))
            ),
            skeleton=draw(st.sampled_from([None, skeleton])),
        )
        for i in range(draw(st.integers(1, 3)))
    )


@st.composite
def questions(
    draw: st.DrawFn,
    position: int,
    before: tuple[Question, ...] = (),
    modality: Literal["text", "image"] = "text",
) -> Question:
    """A question of any kind that a text or an image can be asked."""
    key = {"id": f"q{position}", "name": f"Question {position}", "required": draw(st.booleans())}
    marks = [question for question in before if isinstance(question, SpanQuestion | RegionQuestion)]
    kinds = ["choice", "choices", "nested", "scalar", "boolean", "text"]
    kinds += ["span", "spans", "linked"] if modality == "text" else ["region"] * 4
    kind = draw(st.sampled_from([*kinds, *(["relation"] * 4 if marks else [])]))
    match kind:
        case "relation":
            ends = [draw(st.sampled_from(marks)).id for _ in range(2)]
            directed = draw(st.booleans())
            return RelationQuestion(
                **key, labels=draw(labels()), from_question=ends[0], to_question=ends[1], directed=directed
            )
        case "nested":
            flat = draw(labels())
            parents = [draw(st.sampled_from([None, *(x.id for x in flat[:i])])) for i in range(len(flat))]
            tree = tuple(x.model_copy(update={"parent": p}) for x, p in zip(flat, parents, strict=True))
            return ChoiceQuestion(
                **key, labels=tree, multiple=draw(st.booleans()), leaves_only=draw(st.booleans())
            )
        case "choice" | "choices":
            return ChoiceQuestion(**key, labels=draw(labels()), multiple=kind == "choices")
        case "scalar":
            low = draw(st.integers(-5, 5))
            return ScalarQuestion(**key, type="integer", minimum=low, maximum=low + draw(st.integers(0, 9)))
        case "boolean":
            return ScalarQuestion(**key, type="boolean")
        case "text":
            return TextQuestion(**key)
        case "region":
            shapes = draw(st.lists(st.sampled_from(SHAPE_KINDS), unique=True, min_size=1, max_size=6))
            return RegionQuestion(**key, labels=draw(region_labels()), shapes=tuple(shapes))
        case _:
            return SpanQuestion(
                **key,
                labels=draw(labels()),
                overlap=kind == "spans",
                knowledge=("a" * 64) if kind == "linked" else "",
            )


@st.composite
def ontologies(draw: st.DrawFn, modality: Literal["text", "image"] = "text") -> Ontology:
    """One to four questions."""
    n = draw(st.integers(1, 4))
    made: tuple[Question, ...] = ()
    for i in range(n):
        made = (*made, draw(questions(i, made, modality)))
    return Ontology(version=1, questions=made)


@st.composite
def answer_to(
    draw: st.DrawFn, question: Question, extent: int | Size, before: dict[str, Answer] | None = None
) -> Answer:
    """An answer that conforms, for a text of so many code points or an image of (width, height) pixels.

    Relations join spans or regions of the answers `before`.
    """
    match question:
        case ChoiceQuestion():
            ids = [label.id for label in question.choosable]
            least, most = (0, len(ids)) if question.multiple else (1, 1)
            chosen = draw(st.lists(st.sampled_from(ids), unique=True, min_size=least, max_size=most))
            return ChoiceAnswer(labels=tuple(chosen))
        case ScalarQuestion(type="boolean"):
            return ScalarAnswer(value=draw(st.booleans()))
        case ScalarQuestion():
            assert question.minimum is not None and question.maximum is not None
            return ScalarAnswer(value=draw(st.integers(int(question.minimum), int(question.maximum))))
        case TextQuestion():
            return TextAnswer(text=draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)))
        case SpanQuestion():
            assert isinstance(extent, int)
            return SpanAnswer(spans=draw(spans_in(question, extent)))
        case RegionQuestion():
            assert isinstance(extent, tuple)
            return RegionAnswer(regions=draw(regions_in(question, extent)))
        case RelationQuestion():
            return RelationAnswer(relations=draw(relations_in(question, before or {})))
        case _:
            raise AssertionError(question.kind)


@st.composite
def relations_in(
    draw: st.DrawFn, question: RelationQuestion, before: dict[str, Answer]
) -> tuple[Relation, ...]:
    """Relations between spans or regions that were marked before."""
    ends = [
        [mark.id for mark in marks_of(before[asked])] if asked in before else []
        for asked in (question.from_question, question.to_question)
    ]
    found: dict[tuple[str, str, str], Relation] = {}
    for i in range(draw(st.integers(0, 3)) if all(ends) else 0):
        from_id, to_id = (draw(st.sampled_from(each)) for each in ends)
        label = draw(st.sampled_from(question.labels)).id
        if from_id != to_id:
            made = Relation(id=f"{question.id}-r{i}", label=label, from_id=from_id, to_id=to_id)
            found.setdefault((*relation_ends(question, from_id, to_id), label), made)
    return tuple(found.values())


@st.composite
def spans_in(draw: st.DrawFn, question: SpanQuestion, size: int) -> tuple[Span, ...]:
    """Spans inside a text, overlapping only where the question allows it."""
    found: list[Span] = []
    at = 0
    for i in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0 if question.overlap else at, size))
        if start >= size:
            break
        end = draw(st.integers(start + 1, size))
        label = draw(st.sampled_from([label.id for label in question.active_labels]))
        link = draw(st.sampled_from([None, NIL, "Q1", "http://x.org/é"])) if question.knowledge else None
        found.append(Span(id=f"{question.id}-{i}", start=start, end=end, label=label, link=link))
        at = end
    return tuple(found)


@st.composite
def regions_in(draw: st.DrawFn, question: RegionQuestion, size: Size) -> tuple[Region, ...]:
    """Regions inside an image, with every required attribute."""
    found: list[Region] = []
    for i in range(draw(st.integers(0, 4))):
        label = draw(st.sampled_from(question.active_labels))
        attributes = {
            attribute.id: draw(_attribute_values(attribute))
            for attribute in label.attributes
            if attribute.required or draw(st.booleans())
        }
        n = len(label.skeleton.points) if label.skeleton is not None else None
        shape = draw(shapes_in(size, draw(st.sampled_from(question.shapes)), n))
        key, z_order = f"{question.id}-{i}", draw(st.integers(-2, 2))
        found.append(Region(id=key, label=label.id, shape=shape, attributes=attributes, z_order=z_order))
    return tuple(found)


def _attribute_values(attribute: Attribute) -> st.SearchStrategy[str | bool | int | float]:
    match attribute.type:
        case "choice":
            return st.sampled_from(attribute.options)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(1, 6)
        case "number":
            return st.floats(0, 1_000, allow_nan=False)
        case _:
            return st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@st.composite
def shapes_in(draw: st.DrawFn, size: Size, kind: ShapeKind | None = None, n: int | None = None) -> Shape:
    """A valid shape of a kind, or of any, inside an image of (width, height) of at least 8 pixels; `n` key points."""
    match kind or draw(st.sampled_from(SHAPE_KINDS)):
        case "box":
            (left, top), (right, bottom) = draw(_spread(size))
            return Box(x=left, y=top, width=right - left, height=bottom - top)
        case "rotated_box":
            (left, top), (right, bottom) = draw(_spread(size))
            angle = draw(st.floats(-180, 180, allow_nan=False))
            return RotatedBox(x=left, y=top, width=right - left, height=bottom - top, angle_deg=angle)
        case "polygon":
            parts = draw(st.lists(_parts(size), min_size=1, max_size=2))
            return Polygon(parts=tuple(parts))
        case "polyline":
            points = draw(st.lists(_points(size), min_size=1, max_size=5))
            return Polyline(points=(*points, draw(_points(size).filter(lambda point: point != points[0]))))
        case "points":
            count = n if n is not None else draw(st.integers(1, 4))
            points = draw(st.lists(_points(size), min_size=count, max_size=count))
            seen: tuple[Literal[0, 1, 2], ...] = tuple(draw(st.sampled_from((0, 1, 2))) for _ in points)
            return Points(
                points=tuple(points), visibility=draw(st.sampled_from((None, seen if any(seen) else None)))
            )
        case _:
            return draw(masks(size))


@st.composite
def masks(draw: st.DrawFn, size: Size) -> Mask:
    """A mask with at least one pixel: blots, their holes, or noise."""
    width, height = size
    pixels = np.zeros((height, width), dtype=bool)
    for _ in range(draw(st.integers(1, 3))):
        (left, top), (right, bottom) = draw(_spread(size))
        filled = draw(st.booleans()) or not pixels.any()
        pixels[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = filled
    if draw(st.booleans()):
        pixels ^= np.random.default_rng(draw(st.integers(0, 99))).random(pixels.shape) < 0.1
    pixels[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    return encode(pixels)


def _points(size: Size) -> st.SearchStrategy[Point]:
    return st.tuples(*(st.floats(0, edge, allow_nan=False, allow_subnormal=False) for edge in size))


@st.composite
def _spread(draw: st.DrawFn, size: Size) -> tuple[Point, Point]:
    """The top-left and the bottom-right corner of a stretch of at least two pixels each way."""
    low = draw(st.tuples(*(st.floats(0, edge - 2.5, allow_nan=False) for edge in size)))
    high = tuple(draw(st.floats(a + 2, edge, allow_nan=False)) for a, edge in zip(low, size, strict=True))
    return low, (high[0], high[1])


@st.composite
def _parts(draw: st.DrawFn, size: Size) -> tuple[tuple[Point, ...], ...]:
    """A star-shaped outline around a centre, with a hole of the same form or without."""
    (left, top), (right, bottom) = draw(_spread(size))
    cx, cy, rx, ry = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    n = draw(st.integers(3, 9))
    far = [draw(st.floats(0.5, 1.0)) for _ in range(n)]

    def ring(scale: float) -> tuple[Point, ...]:
        turns = [2 * math.pi * i / n for i in range(n)]
        return tuple(
            (cx + rx * r * scale * math.cos(turn), cy + ry * r * scale * math.sin(turn))
            for r, turn in zip(far, turns, strict=True)
        )

    part = (ring(1.0), ring(0.5)) if draw(st.booleans()) else (ring(1.0),)
    assert crossing(Polygon(parts=(part,))) is None
    return part


@st.composite
def answers_for(draw: st.DrawFn, ontology: Ontology, size: int | Size, *, complete: bool = True) -> Answers:
    """Conforming answers; all questions when `complete`, any subset otherwise."""
    found: dict[str, Answer] = {}
    for question in ontology.active_questions:
        if complete or draw(st.booleans()):
            found[question.id] = draw(answer_to(question, size, found))
    return Answers.of(found)
