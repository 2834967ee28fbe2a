"""Answers: question id -> what was answered. One type for predictions, annotations, gold and few-shot examples."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, RootModel, field_validator

from labelwright.core.shape import Shape
from labelwright.core.value import Id, Probability, Value


class Mark(Value):
    """What every marked thing has.

    Attributes:
        id: Made by whoever made the thing (a UUID in practice); unique within the answers.
        label: Label id.
        attributes: Nested answers by attribute id.
        score: The model's confidence in this thing; None for things made by people or without log-probabilities.
    """

    id: Id
    label: Id
    attributes: dict[Id, str | bool | int | float] = Field(default_factory=dict)
    score: Probability | None = None


NIL = "NIL"
"""The link of a span that means something which is not in the list of entities."""


class Span(Mark):
    """A stretch of text: code points, `start` inclusive, `end` exclusive.

    Attributes:
        link: Id of the entity it means, in the question's list of entities, or `NIL`; None when nobody said.
        alignment: How a quoted text was found (`exact`, `normalised`, `fuzzy`); None for spans made by people.
    """

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    link: str | None = Field(default=None, min_length=1, max_length=200)
    alignment: Literal["exact", "normalised", "fuzzy"] | None = None


class Region(Mark):
    """A shape on an image."""

    shape: Shape
    z_order: int = 0


class Relation(Mark):
    """A directed link between two marked things, by their ids."""

    from_id: Id
    to_id: Id


class Keyframe(Value):
    """A track's shape at one decoded frame; `outside` when the thing is not in view from here on."""

    frame: int = Field(ge=0)
    shape: Shape
    outside: bool = False


class Track(Mark):
    """A labelled shape over time."""

    keyframes: tuple[Keyframe, ...]


class ChoiceAnswer(Value):
    """Chosen label ids; exactly one unless the question allows several. Empty means none of them applies."""

    kind: Literal["choice"] = "choice"
    labels: tuple[Id, ...]


class ScalarAnswer(Value):
    """A yes / no or a number."""

    kind: Literal["scalar"] = "scalar"
    value: bool | int | float

    @field_validator("value")
    @classmethod
    def _is_finite(cls, value: bool | float) -> bool | int | float:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value


class TextAnswer(Value):
    """A free text."""

    kind: Literal["text"] = "text"
    text: str


class SpanAnswer(Value):
    """Marked stretches of the text. Empty means there are none."""

    kind: Literal["span"] = "span"
    spans: tuple[Span, ...]


class RegionAnswer(Value):
    """Marked shapes on the image."""

    kind: Literal["region"] = "region"
    regions: tuple[Region, ...]


class RelationAnswer(Value):
    """Links between marked things."""

    kind: Literal["relation"] = "relation"
    relations: tuple[Relation, ...]


class TrackAnswer(Value):
    """Things followed over frames."""

    kind: Literal["track"] = "track"
    tracks: tuple[Track, ...]


Answer = Annotated[
    ChoiceAnswer | ScalarAnswer | TextAnswer | SpanAnswer | RegionAnswer | RelationAnswer | TrackAnswer,
    Field(discriminator="kind"),
]


class Answers(RootModel[dict[Id, Answer]]):
    """Question id -> answer. A question that is missing was not answered."""

    model_config = {"frozen": True}
    root: dict[Id, Answer] = Field(default_factory=dict)

    @classmethod
    def of(cls, answers: Mapping[str, Answer]) -> "Answers":
        """Answers from a plain mapping."""
        return cls(dict(answers))

    def get(self, question_id: str) -> Answer | None:
        """The answer to this question, or None."""
        return self.root.get(question_id)

    def items(self) -> Iterator[tuple[str, Answer]]:
        """Pairs of question id and answer."""
        return iter(self.root.items())

    def __contains__(self, question_id: object) -> bool:
        """Whether the question was answered."""
        return question_id in self.root

    def __len__(self) -> int:
        """How many questions were answered."""
        return len(self.root)


def same_meaning(one: Answer | None, other: Answer | None) -> bool:
    """Whether two answers say the same, whoever made them.

    Ids, scores, alignment and the order of labels, spans or regions do not matter; numbers are compared by value. Regions
    say the same when each has its partner by `overlap.match`: nobody draws a box twice with the same numbers. Relations
    are compared by the ids of what they join: see `compare.aligned` for answers whose ids differ.
    """
    if isinstance(one, RegionAnswer) and isinstance(other, RegionAnswer):
        from labelwright.core.overlap import agreed  # shapes are costly to load, and texts have none

        return len(one.regions) == len(other.regions) == len(agreed(one, other))
    return _meaning(one) == _meaning(other)


def _meaning(answer: Answer | None) -> object:
    match answer:
        case None:
            return None
        case ChoiceAnswer(labels=labels):
            return ("choice", frozenset(labels))
        case ScalarAnswer(value=value):
            return ("scalar", isinstance(value, bool), float(value))
        case TextAnswer(text=text):
            return ("text", text.strip())
        case SpanAnswer(spans=spans):
            return ("span", sorted((s.start, s.end, s.label, s.link or "") for s in spans))
        case RelationAnswer(relations=relations):
            return ("relation", sorted((r.from_id, r.to_id, r.label) for r in relations))
        case _:
            return answer.model_dump()
