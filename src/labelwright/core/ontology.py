"""What is asked of each asset: questions and labels, versioned and immutable.

Ids are stable: renaming keeps the id, removing retires it, so that answers given under an older version stay
readable. Hides the rules of a well-formed ontology.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from labelwright.core.shape import ShapeKind
from labelwright.core.value import Id, Name, Probability, Value

LABEL_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
    "#F0E442", "#892218", "#90FAF3", "#332288", "#6E4E6B", "#A2D496",
)  # fmt: skip
"""Colour-blind-safe palette (Okabe-Ito first); cycles after twelve."""

MAX_LABELS = 2_000
MAX_QUESTIONS = 200
MAX_DEPTH = 12
"""How deep labels may be nested."""

PATH_SEPARATOR = " > "
"""Between the names of a nested label and of those it stands under."""


class Condition(Value):
    """Ask a question only if another one was answered with one of these labels."""

    question: Id
    labels: tuple[Id, ...] = Field(min_length=1)


class Attribute(Value):
    """Something asked of each marked thing of a label: `occluded`, `colour`, `number of doors`.

    Attributes:
        options: What can be chosen, for `choice`; an answer is one of these texts.
        minimum: Smallest allowed number, inclusive; None for no bound.
        maximum: Largest allowed number, inclusive.
        required: Whether a submission must answer it.
    """

    id: Id
    name: Name
    type: Literal["choice", "boolean", "integer", "number", "text"] = "choice"
    options: tuple[Name, ...] = Field(default=(), max_length=200)
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    required: bool = False

    @model_validator(mode="after")
    def _is_well_formed(self) -> Self:
        if (self.type == "choice") != bool(self.options):
            raise ValueError(f"attribute {self.id!r}: a choice has options, and nothing else has")
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"attribute {self.id!r} has the same option twice")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"attribute {self.id!r}: minimum is above maximum")
        return self


class Skeleton(Value):
    """Named key points and the lines drawn between them.

    Attributes:
        points: Names in the order in which `Points` lists them.
        edges: Pairs of positions in `points`, from 0.
    """

    points: tuple[Name, ...] = Field(min_length=1, max_length=200)
    edges: tuple[tuple[int, int], ...] = Field(default=(), max_length=1_000)

    @model_validator(mode="after")
    def _is_well_formed(self) -> Self:
        if len(set(self.points)) != len(self.points):
            raise ValueError("two key points have the same name")
        if any(not 0 <= end < len(self.points) for edge in self.edges for end in edge):
            raise ValueError("an edge of the skeleton ends at a point that is not there")
        return self


class Label(Value):
    """A class within a question.

    Attributes:
        id: Stable id; kept when the name changes.
        definition: What belongs here and what does not; goes to the prompt and to the guide.
        colour: `#RRGGBB`; filled from the palette when empty.
        synonyms: Other names that models and imports use for it.
        parent: Label it stands under, in a nested choice; None at the top.
        attributes: Asked of each marked thing with this label.
        skeleton: Key points that a `points` shape of this label consists of; None for free points.
        retired: True for a label that can no longer be chosen but still occurs in old answers.
    """

    id: Id
    name: Name
    definition: str = Field(default="", max_length=10_000)
    colour: str = Field(default="", pattern=r"^(#[0-9A-Fa-f]{6})?$")
    synonyms: tuple[Name, ...] = ()
    parent: Id | None = None
    attributes: tuple[Attribute, ...] = Field(default=(), max_length=50)
    skeleton: Skeleton | None = None
    retired: bool = False

    @model_validator(mode="after")
    def _attributes_are_distinct(self) -> Self:
        ids = [attribute.id for attribute in self.attributes]
        if len(set(ids)) != len(ids):
            raise ValueError(f"label {self.id!r} has two attributes with the same id")
        return self


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
        if any(label.parent is not None for label in self.labels):
            if not isinstance(self, ChoiceQuestion):
                raise ValueError(f"labels of {self.id!r} cannot be nested; only those of a choice can")
            _check_tree(self.id, self.labels)
        shown = self.shown_names
        names = [shown[label.id].casefold() for label in self.labels if not label.retired]
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

    @property
    def shown_names(self) -> dict[str, str]:
        """Label id -> name; of a nested label with those it stands under: `Animals > Dogs`."""
        by_id = {label.id: label for label in self.labels}
        shown: dict[str, str] = {}
        for label in self.labels:
            names, at = [label.name], label
            while at.parent is not None and at.parent in by_id and len(names) <= MAX_DEPTH:
                at = by_id[at.parent]
                names.append(at.name)
            shown[label.id] = PATH_SEPARATOR.join(reversed(names))
        return shown


def _check_tree(question_id: str, labels: tuple[Label, ...]) -> None:
    by_id = {label.id: label for label in labels}
    for label in labels:
        depth, at = 1, label
        while at.parent is not None:
            above = by_id.get(at.parent)
            if above is None:
                raise ValueError(f"question {question_id!r}: label {at.id!r} stands under an unknown label")
            if above.retired and not label.retired:
                raise ValueError(f"question {question_id!r}: label {label.id!r} stands under a retired label")
            depth, at = depth + 1, above
            if depth > MAX_DEPTH:
                raise ValueError(
                    f"question {question_id!r}: labels go round in a circle or deeper than {MAX_DEPTH}"
                )


class ChoiceQuestion(LabelledQuestion):
    """Choose one label, or several when `multiple`. Labels may be nested (`Label.parent`).

    Attributes:
        leaves_only: Of nested labels only those without any below them can be chosen.
    """

    kind: Literal["choice"] = "choice"
    multiple: bool = False
    leaves_only: bool = False

    @property
    def is_nested(self) -> bool:
        """Whether some label stands under another."""
        return any(label.parent is not None for label in self.labels)

    @property
    def choosable(self) -> tuple[Label, ...]:
        """Labels that can be an answer now, in order."""
        if not self.leaves_only:
            return self.active_labels
        inner = {label.parent for label in self.active_labels}
        return tuple(label for label in self.active_labels if label.id not in inner)

    def with_descendants(self, label_ids: tuple[str, ...]) -> tuple[str, ...]:
        """These labels and all that stand under them, in the order of the question."""
        wanted, grew = set(label_ids), True
        while grew:
            more = {label.id for label in self.labels if label.parent in wanted} - wanted
            wanted, grew = wanted | more, bool(more)
        return tuple(label.id for label in self.labels if label.id in wanted)

    def _document_rules(self) -> tuple[DocumentRule, ...]:
        return ("any", "most") if self.multiple else ("mean", "most", "surest")


class CountOf(Value):
    """What a number counts: the regions of a question, of these labels or, without any, of all."""

    question: Id
    labels: tuple[Id, ...] = ()


class ScalarQuestion(QuestionBase):
    """Give a number or a yes / no: a rating, a count, a measure.

    Attributes:
        type: `boolean`, `integer` or `number`.
        minimum: Smallest allowed value, inclusive; None for no bound.
        maximum: Largest allowed value, inclusive.
        unit: What the number counts, such as `stars`.
        count_of: Regions whose number it should be; another number is remarked on, and not refused.
    """

    kind: Literal["scalar"] = "scalar"
    type: Literal["boolean", "integer", "number"] = "integer"
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    unit: str = Field(default="", max_length=40)
    count_of: CountOf | None = None

    @model_validator(mode="after")
    def _counts_are_whole(self) -> Self:
        if self.count_of is not None and self.type != "integer":
            raise ValueError(f"question {self.id!r}: only a whole number can count regions")
        return self

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
    """Mark stretches of a text with labels.

    Attributes:
        overlap: Whether spans may overlap.
        knowledge: SHA-256 of the list of entities that spans are linked to; empty when they are not linked.
    """

    kind: Literal["span"] = "span"
    overlap: bool = False
    knowledge: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class RegionQuestion(LabelledQuestion):
    """Mark shapes on an image with labels.

    Attributes:
        shapes: Kinds that may be drawn, the first one to begin with.
    """

    kind: Literal["region"] = "region"
    shapes: tuple[ShapeKind, ...] = Field(default=("box",), min_length=1)


class RelationQuestion(LabelledQuestion):
    """Join two marked things of other questions with a label.

    Attributes:
        from_question: Question whose marked things a relation starts from.
        to_question: Question whose marked things it ends at; may be the same one.
        from_labels: Labels that a start must have; empty for any.
        to_labels: Labels that an end must have; empty for any.
        directed: Whether `A of B` differs from `B of A`.
    """

    kind: Literal["relation"] = "relation"
    from_question: Id
    to_question: Id
    from_labels: tuple[Id, ...] = ()
    to_labels: tuple[Id, ...] = ()
    directed: bool = True


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
            if isinstance(question, ScalarQuestion) and question.count_of is not None:
                marks = by_id.get(question.count_of.question)
                if not isinstance(marks, RegionQuestion) or (marks.retired and not question.retired):
                    raise ValueError(
                        f"question {question.id!r} counts {question.count_of.question!r}, which marks no regions"
                    )
                if any(marks.label(label) is None for label in question.count_of.labels):
                    raise ValueError(f"question {question.id!r} counts an unknown label of {marks.id!r}")
            if isinstance(question, RelationQuestion):
                self._check_ends(question, by_id, ids[:position])
        return self

    def _check_ends(self, question: RelationQuestion, by_id: dict[str, Question], earlier: list[str]) -> None:
        for end, labels in (
            (question.from_question, question.from_labels),
            (question.to_question, question.to_labels),
        ):
            marks = by_id.get(end)
            if not isinstance(marks, SpanQuestion | RegionQuestion):
                raise ValueError(f"relation {question.id!r} joins {end!r}, which marks nothing")
            # Only earlier ones: what is joined is marked before.
            if end not in earlier:
                raise ValueError(f"relation {question.id!r} must come after {end!r}, which it joins")
            if marks.retired and not question.retired:
                raise ValueError(f"relation {question.id!r} joins {end!r}, which is retired")
            if any(marks.label(label) is None for label in labels):
                raise ValueError(f"relation {question.id!r} names an unknown label of {end!r}")

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


def with_whole_conditions(ontology: Ontology) -> Ontology:
    """The same ontology where a condition on a nested label also holds for every label under it."""
    questions: list[Question] = []
    for question in ontology.questions:
        condition = question.depends_on
        other = ontology.question(condition.question) if condition is not None else None
        if condition is not None and isinstance(other, ChoiceQuestion) and other.is_nested:
            labels = other.with_descendants(condition.labels)
            question = question.model_copy(
                update={"depends_on": condition.model_copy(update={"labels": labels})}
            )
        questions.append(question)
    return ontology.model_copy(update={"questions": tuple(questions)})


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
