"""What the model is asked to write for each question: property names, forms, and the JSON schema.

Hides the output format. Everything that writes it (`ask`, `ideal_reply`) and everything that reads it (`read`) goes
through the same `Field`s, so the two cannot drift apart. The schema stays within what every server with structured
output accepts: all properties required, nothing additional, nullable instead of optional, enums for labels, no
patterns and no lengths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    LabelledQuestion,
    Ontology,
    Question,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.prompting.linking import Offer
from labelwright.prompting.naming import ABSTAIN, LabelNames, key_of, normalised
from labelwright.prompting.shortlist import labels_of

MAX_BOOLEAN_LABELS = 40
"""Up to this many labels, a multi-label choice is one boolean per label; above, a list of names."""

MAX_NUMBERS_LISTED = 25
"""A bounded whole number with at most this many values is an enum."""

MAX_ENUM_LABELS = 500
MAX_ENUM_CHARACTERS = 15_000
"""Larger sets of labels are named in the prompt only; the schema then takes any string.

Source: documented limits of OpenAI's strict mode (1,000 enum values in all; 15,000 characters from 250 values on).
"""

SURE_KEYS = ("confidence", "certainty", "how_sure")
"""Names for the property that holds verbal confidence: the first that no question has."""

Form = Literal["label", "booleans", "names", "number", "boolean", "text", "entities", "relations"]


@dataclass(frozen=True, slots=True)
class Field:
    """How one question is written in JSON.

    Attributes:
        key: Property name at the top level.
        form: `label`: a label name; `booleans`: an object of one boolean per label; `names`: a list of label names;
            `entities`: a list of quotes; `relations`: a list of pairs of mentions.
        shown: Label id -> name as the model sees it, of labels that can be answered.
        label_keys: Label id -> property name, for `booleans`.
        with_ids: Whether mentions carry ids because a relation refers to them.
        with_links: Whether mentions are linked to a list of entities.
        nullable: Whether null is a proper answer: the question may not apply, or need not be answered.
    """

    question: Question
    key: str
    form: Form
    names: LabelNames | None
    shown: dict[str, str]
    label_keys: dict[str, str]
    nullable: bool
    with_ids: bool = False
    with_links: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        """All values of a small bounded whole number; empty otherwise."""
        question = self.question
        if not isinstance(question, ScalarQuestion) or question.type != "integer":
            return ()
        if question.minimum is None or question.maximum is None:
            return ()
        low, high = -int(-question.minimum // 1), int(question.maximum // 1)
        return tuple(range(low, high + 1)) if 0 <= high - low < MAX_NUMBERS_LISTED else ()


@dataclass(frozen=True, slots=True)
class Contract:
    """All fields of an ontology, in order. Questions that a language model is not asked here are in `left_out`.

    Attributes:
        sure_key: Property in which the model says how sure it is of each field, 0 to 100; empty where it is not asked.
    """

    fields: tuple[Field, ...]
    left_out: tuple[Question, ...]
    sure_key: str = ""

    def field_named(self, key: str) -> Field | None:
        """The field a model means by this property name: its key, the question's id or name, case and separators aside."""
        for exact in ("key", "id", "name"):
            for field in self.fields:
                if key == (field.key if exact == "key" else getattr(field.question, exact)):
                    return field
        folded = normalised(key)
        meant = [
            field
            for field in self.fields
            if folded and folded in (normalised(field.key), normalised(field.question.id), normalised(field.question.name))
        ]  # fmt: skip
        if not meant and folded in ("entities", "spans", "mentions", "named entities"):
            meant = [field for field in self.fields if field.form == "entities"]
        if not meant and folded in ("relations", "relation", "triples"):
            meant = [field for field in self.fields if field.form == "relations"]
        return meant[0] if len(meant) == 1 else None


@lru_cache(maxsize=128)
def contract_of(ontology: Ontology, verbal: bool = False) -> Contract:
    """The output format for the active questions of an ontology; `verbal` also asks how sure the model is."""
    # Cached: building the label index of a large ontology costs more than reading a reply.
    fields: list[Field] = []
    left_out: list[Question] = []
    active = ontology.active_questions
    joined = {
        end
        for question in active
        if isinstance(question, RelationQuestion)
        for end in (question.from_question, question.to_question)
    }
    for question in active:
        form = _form_of(question)
        if form is None or (isinstance(question, LabelledQuestion) and not labels_of(question)):
            left_out.append(question)
            continue
        if isinstance(question, RelationQuestion):
            asked = {each.question.id for each in fields if each.form == "entities"}
            if not {question.from_question, question.to_question} <= asked:
                left_out.append(question)
                continue
        taken = [field.key for field in fields]
        if form == "entities" and len(active) == 1:
            key = "entities"
        else:
            key = key_of(question.name, taken, question.id)
        label_keys: dict[str, str] = {}
        if isinstance(question, ChoiceQuestion) and form == "booleans":
            for label in question.choosable:
                label_keys[label.id] = key_of(_key_name(question, label), label_keys.values(), label.id)
        names, shown = None, {}
        if isinstance(question, LabelledQuestion):
            names, paths = LabelNames(question), question.shown_names
            shown = {each.id: paths[each.id] for each in labels_of(question)}
        nullable = question.depends_on is not None or not question.required
        fields.append(
            Field(
                question, key, form, names, shown, label_keys, nullable,
                with_ids=question.id in joined and form == "entities",
                with_links=isinstance(question, SpanQuestion) and bool(question.knowledge),
            )
        )  # fmt: skip
    keys = {field.key for field in fields}
    sure_key = next((key for key in SURE_KEYS if key not in keys), "") if verbal and fields else ""
    return Contract(tuple(fields), tuple(left_out), sure_key)


def _key_name(question: ChoiceQuestion, label: Label) -> str:
    """What a label's property is named after: its own name, with the label above it where that tells more."""
    above = question.label(label.parent) if label.parent is not None else None
    return f"{above.name} {label.name}" if above is not None else label.name


def _form_of(question: Question) -> Form | None:
    match question:
        case ChoiceQuestion(multiple=False):
            return "label"
        case ChoiceQuestion():
            return "booleans" if len(question.choosable) <= MAX_BOOLEAN_LABELS else "names"
        case ScalarQuestion(type="boolean"):
            return "boolean"
        case ScalarQuestion():
            return "number"
        case TextQuestion():
            return "text"
        case SpanQuestion():
            return "entities"
        case RelationQuestion():
            return "relations"
        case _:
            return None


def schema_of(contract: Contract, offered: Mapping[str, Offer] = {}) -> dict[str, Any]:
    """The JSON schema of a reply, in the strict common subset; `offered` are the candidates mentions are linked to."""
    properties = {
        field.key: _schema_of_field(field, offered.get(field.question.id)) for field in contract.fields
    }
    if contract.sure_key:
        properties[contract.sure_key] = _closed({field.key: {"type": "integer"} for field in contract.fields})
    return _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema_of_field(field: Field, offer: Offer | None) -> dict[str, Any]:
    question = field.question
    match question, field.form:
        case ChoiceQuestion(), "label":
            # Conditional questions use the same word for "does not apply": one string enum, one place to look.
            return _names(field, ABSTAIN)
        case ChoiceQuestion(), "booleans":
            each = _closed({key: {"type": "boolean"} for key in field.label_keys.values()})
            return {"anyOf": [each, {"type": "null"}]} if field.nullable else each
        case ChoiceQuestion(), _:
            return {"type": _type("array", field), "items": _names(field)}
        case ScalarQuestion(), "boolean":
            return {"type": _type("boolean", field)}
        case ScalarQuestion(), _:
            plain = {"type": _type(question.type, field)}
            if field.numbers:
                return {**plain, "enum": [*field.numbers, *([None] if field.nullable else [])]}
            return plain
        case SpanQuestion(), _:
            ids = {"id": {"type": "string"}} if field.with_ids else {}
            links: dict[str, Any] = {}
            if field.with_links and offer is not None:
                links = {"link": {"type": "integer", "enum": list(range(len(offer.candidates) + 1))}}
            entity = _closed(
                {
                    **ids,
                    "quote": {"type": "string"},
                    "type": _names(field),
                    "before": {"type": "string"},
                    "after": {"type": "string"},
                    **links,
                }
            )
            return {"type": _type("array", field), "items": entity}
        case RelationQuestion(), _:
            # Which ids there are is only known once the mentions are written, so a schema cannot list them.
            pair = {"head": {"type": "string"}, "type": _names(field), "tail": {"type": "string"}}
            return {"type": _type("array", field), "items": _closed(pair)}
        case _:
            return {"type": _type("string", field)}


def _names(field: Field, *more: str) -> dict[str, Any]:
    names = [*field.shown.values(), *more]
    if len(names) > MAX_ENUM_LABELS or (len(names) >= 250 and sum(map(len, names)) > MAX_ENUM_CHARACTERS):
        return {"type": "string"}
    return {"type": "string", "enum": names}


def _type(name: str, field: Field) -> str | list[str]:
    return [name, "null"] if field.nullable else name
