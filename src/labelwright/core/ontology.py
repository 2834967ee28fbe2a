"""What is asked of each asset: questions and labels, versioned and immutable.

Ids are stable: renaming keeps the id, removing retires it, so that answers given under an older version stay
readable. Hides the rules of a well-formed ontology.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from labelwright.core.value import Id, Name, Probability, Value

LABEL_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
    "#F0E442", "#892218", "#90FAF3", "#332288", "#6E4E6B", "#A2D496",
)  # fmt: skip
"""Colour-blind-safe palette (Okabe-Ito first); cycles after twelve."""

MAX_LABELS = 2_000
MAX_QUESTIONS = 200


class Condition(Value):
    """Ask a question only if another one was answered with one of these labels."""

    question: Id
    labels: tuple[Id, ...] = Field(min_length=1)


class Label(Value):
    """A class within a question.

    Attributes:
        id: Stable id; kept when the name changes.
        definition: What belongs here and what does not; goes to the prompt and to the guide.
        colour: `#RRGGBB`; filled from the palette when empty.
        synonyms: Other names that models and imports use for it.
        retired: True for a label that can no longer be chosen but still occurs in old answers.
    """

    id: Id
    name: Name
    definition: str = Field(default="", max_length=10_000)
    colour: str = Field(default="", pattern=r"^(#[0-9A-Fa-f]{6})?$")
    synonyms: tuple[Name, ...] = ()
    retired: bool = False


DocumentRule = Literal["default", "mean", "most", "surest", "any", "median", "sum", "max", "first", "join"]


class QuestionBase(Value):
    """What all questions share.

    Attributes:
        instruction: Guidance for people and for the prompt.
        required: Whether a submission must answer it.
        gate: Accuracy a predictor must reach on gold before a large run, in [0, 1].
        depends_on: Ask only when this holds.
        document_rule: What several pieces of a long text make of the whole. One label: `mean` (default), `most`,
            `surest`; several labels and yes / no: `any` (default), `most`; numbers: `median` (default), `mean`, `sum`,
            `max`; text: `first` (default), `join`.
    """

    id: Id
    name: Name
    instruction: str = Field(default="", max_length=20_000)
    required: bool = True
    retired: bool = False
    gate: Probability = 0.90
    depends_on: Condition | None = None
    document_rule: DocumentRule = "default"

    @model_validator(mode="after")
    def _rule_fits(self) -> Self:
        allowed = self._document_rules()
        if self.document_rule not in ("default", *allowed):
            known = ", ".join(("default", *allowed))
            raise ValueError(f"question {self.id!r}: document_rule is one of {known}")
        return self

    def _document_rules(self) -> tuple[DocumentRule, ...]:
        """Rules that make sense for this kind of question, besides the default."""
        return ()


class LabelledQuestion(QuestionBase):
    """A question whose answers use labels."""

    labels: tuple[Label, ...] = Field(min_length=1, max_length=MAX_LABELS)

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        ids = [label.id for label in self.labels]
        if len(set(ids)) != len(ids):
            raise ValueError(f"question {self.id!r} has two labels with the same id")
        names = [label.name.casefold() for label in self.labels if not label.retired]
        if len(set(names)) != len(names):
            raise ValueError(f"question {self.id!r} has two labels with the same name")
        return self

    def label(self, label_id: str) -> Label | None:
        """The label with this id, retired or not."""
        return next((label for label in self.labels if label.id == label_id), None)

    @property
    def active_labels(self) -> tuple[Label, ...]:
        """Labels that can be chosen now, in order."""
        return tuple(label for label in self.labels if not label.retired)


class ChoiceQuestion(LabelledQuestion):
    """Choose one label, or several when `multiple`."""

    kind: Literal["choice"] = "choice"
    multiple: bool = False

    def _document_rules(self) -> tuple[DocumentRule, ...]:
        return ("any", "most") if self.multiple else ("mean", "most", "surest")


class ScalarQuestion(QuestionBase):
    """Give a number or a yes / no: a rating, a count, a measure.

    Attributes:
        type: `boolean`, `integer` or `number`.
        minimum: Smallest allowed value, inclusive; None for no bound.
        maximum: Largest allowed value, inclusive.
        unit: What the number counts, such as `stars`.
    """

    kind: Literal["scalar"] = "scalar"
    type: Literal["boolean", "integer", "number"] = "integer"
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    unit: str = Field(default="", max_length=40)

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"question {self.id!r}: minimum is above maximum")
        return self

    def _document_rules(self) -> tuple[DocumentRule, ...]:
        return ("any", "most") if self.type == "boolean" else ("median", "mean", "sum", "max")


class TextQuestion(QuestionBase):
    """Write a free text."""

    kind: Literal["text"] = "text"
    max_length: int = Field(default=10_000, ge=1, le=1_000_000)

    def _document_rules(self) -> tuple[DocumentRule, ...]:
        return ("first", "join")


class SpanQuestion(LabelledQuestion):
    """Mark stretches of a text with labels."""

    kind: Literal["span"] = "span"
    overlap: bool = False


class RegionQuestion(LabelledQuestion):
    """Mark shapes on an image with labels."""

    kind: Literal["region"] = "region"
    shapes: tuple[Literal["box", "rotated_box", "polygon", "polyline", "points", "mask"], ...] = ("box",)


class RelationQuestion(LabelledQuestion):
    """Join two marked things of other questions with a label."""

    kind: Literal["relation"] = "relation"
    from_question: Id
    to_question: Id


class TrackQuestion(LabelledQuestion):
    """Follow a labelled shape over the frames of a video."""

    kind: Literal["track"] = "track"
    shapes: tuple[Literal["box", "rotated_box", "polygon", "mask"], ...] = ("box",)


Question = Annotated[
    ChoiceQuestion
    | ScalarQuestion
    | TextQuestion
    | SpanQuestion
    | RegionQuestion
    | RelationQuestion
    | TrackQuestion,
    Field(discriminator="kind"),
]

KINDS_BY_MODALITY: dict[str, frozenset[str]] = {
    "text": frozenset({"choice", "scalar", "text", "span", "relation"}),
    "image": frozenset({"choice", "scalar", "text", "region", "relation"}),
    "video": frozenset({"choice", "scalar", "text", "track"}),
}


class Ontology(Value):
    """The ordered questions of a project at one version.

    Attributes:
        version: 1, 2, ...; assigned when stored. 0 for one not yet stored.
        guideline: Text for annotators and for the base prompt.
    """

    version: int = Field(default=0, ge=0)
    guideline: str = Field(default="", max_length=100_000)
    questions: tuple[Question, ...] = Field(min_length=1, max_length=MAX_QUESTIONS)

    @model_validator(mode="after")
    def _is_well_formed(self) -> Self:
        ids = [question.id for question in self.questions]
        if len(set(ids)) != len(ids):
            raise ValueError("two questions have the same id")
        if all(question.retired for question in self.questions):
            raise ValueError("every question is retired; keep at least one")
        by_id = {question.id: question for question in self.questions}
        for position, question in enumerate(self.questions):
            if question.depends_on is not None:
                other = by_id.get(question.depends_on.question)
                # Only earlier questions: no cycle is possible, and a form can be filled from top to bottom.
                if other is None or ids.index(other.id) >= position or not isinstance(other, ChoiceQuestion):
                    raise ValueError(
                        f"question {question.id!r} depends on something that is not an earlier choice"
                    )
                if any(other.label(label) is None for label in question.depends_on.labels):
                    raise ValueError(f"question {question.id!r} depends on an unknown label of {other.id!r}")
            if isinstance(question, RelationQuestion):
                for end in (question.from_question, question.to_question):
                    if not isinstance(by_id.get(end), SpanQuestion | RegionQuestion):
                        raise ValueError(f"relation {question.id!r} joins {end!r}, which marks nothing")
        return self

    def question(self, question_id: str) -> Question | None:
        """The question with this id, retired or not."""
        return next((question for question in self.questions if question.id == question_id), None)

    @property
    def active_questions(self) -> tuple[Question, ...]:
        """Questions asked now, in order."""
        return tuple(question for question in self.questions if not question.retired)


def successor(old: Ontology, new: Ontology) -> Ontology:
    """The next version: `new` with everything it left out of `old` kept as retired.

    Answers given under `old` stay readable because no id disappears. A question keeps its kind for ever.

    Raises:
        ValueError: A question id changed its kind.
    """
    kept = {question.id: question for question in new.questions}
    questions: list[Question] = []
    for question in new.questions:
        before = old.question(question.id)
        if before is not None and before.kind != question.kind:
            raise ValueError(
                f"question {question.id!r} was {before.kind!r} and cannot become {question.kind!r}"
            )
        if isinstance(question, LabelledQuestion) and isinstance(before, LabelledQuestion):
            present = {label.id for label in question.labels}
            gone = tuple(
                label.model_copy(update={"retired": True})
                for label in before.labels
                if label.id not in present
            )
            question = question.model_copy(update={"labels": question.labels + gone})
        questions.append(question)
    questions += [
        question.model_copy(update={"retired": True}) for question in old.questions if question.id not in kept
    ]
    return Ontology(version=old.version + 1, guideline=new.guideline, questions=tuple(questions))


def with_colours(ontology: Ontology) -> Ontology:
    """The same ontology with every empty label colour filled from the palette, by position."""
    questions: list[Question] = []
    for question in ontology.questions:
        if isinstance(question, LabelledQuestion):
            labels = tuple(
                label
                if label.colour
                else label.model_copy(update={"colour": LABEL_COLOURS[i % len(LABEL_COLOURS)]})
                for i, label in enumerate(question.labels)
            )
            question = question.model_copy(update={"labels": labels})
        questions.append(question)
    return ontology.model_copy(update={"questions": tuple(questions)})
