"""What crosses the border: assets as files hold them on the way in, and as exporters get them on the way out.

Hides how label names, ids and synonyms of foreign files become ids of the ontology.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from labelwright.core.annotation import Annotation
from labelwright.core.answer import (
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
from labelwright.core.asset import Asset, Metadata
from labelwright.core.conform import conform
from labelwright.core.ontology import (
    PATH_SEPARATOR,
    Attribute,
    ChoiceQuestion,
    Label,
    LabelledQuestion,
    Ontology,
    Question,
    RegionQuestion,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Confidence, Prediction
from labelwright.core.problem import Problem, excerpt
from labelwright.core.regions import mend
from labelwright.core.shape import Size


@dataclass(frozen=True, slots=True)
class Opinion:
    """Answers that came along with an asset, as the file says them.

    Attributes:
        by: Who gave them: a `person`, a `model`, or `gold` (trusted).
        name: Of the person or model, as in the file.
        answers: Question id or name -> label name(s) (of a nested label also the list of names from the top), number,
            text, spans `{start, end, label, id?, link?}` in code points, regions `{shape, label, id?, attributes?, z_order?}`
            with `shape` as in `core.shape` in pixels, or relations `{from_id, to_id, label}` between ids of those.
        confidence: Question id or name -> number in [0, 1].
    """

    by: Literal["person", "model", "gold"]
    answers: dict[str, Any]
    name: str = ""
    confidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One asset as a file holds it.

    Attributes:
        where: `file:line` for messages.
        text: Content of a text; empty for an image.
        external_id: The user's own key; None when the file has none.
        image: Name of the image among the files of the import (`core.ports.Files`); None for a text, and for answers to
            an image that was imported before, which `external_id` then names.
    """

    where: str
    text: str
    external_id: str | None = None
    metadata: Metadata = field(default_factory=dict)
    opinions: tuple[Opinion, ...] = ()
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One asset with everything that is exported of it.

    Attributes:
        annotations: Submissions that count, oldest first.
        prediction: The current one.
        gold: Trusted answers.
        chosen: The answers a one-answer format writes, by the rule the export names; None when there are none.
        chosen_by: Who gave them.
    """

    asset: Asset
    annotations: tuple[Annotation, ...]
    prediction: Prediction | None
    gold: Answers | None
    chosen: Answers | None
    chosen_by: Literal["person", "model"] | None
    updated_at: datetime

    @property
    def accepted(self) -> bool:
        """Whether the answers are a model's that nobody looked at and that count by rule."""
        return self.asset.status == "accepted" and self.chosen_by == "model"


OBJECTS = "objects"
"""What image formats that know of no questions call theirs: the one region question of a project, whatever its name."""


def find_question(ontology: Ontology, named: str) -> Question | None:
    """A question by id, or by name whatever the case; `OBJECTS` also finds the only question that asks for regions."""
    found = ontology.question(named)
    if found is not None:
        return found
    matches = [q for q in ontology.questions if q.name.casefold() == named.strip().casefold()]
    if not matches and named == OBJECTS:
        matches = [q for q in ontology.active_questions if isinstance(q, RegionQuestion)]
    return matches[0] if len(matches) == 1 else None


def find_label(question: LabelledQuestion, named: str) -> str | None:
    """A label's id by id, name or synonym, whatever the case and the separators."""

    def plain(text: str) -> str:
        return "".join(c for c in text.casefold() if c.isalnum())

    if question.label(named) is not None:
        return named
    shown = question.shown_names
    for key in (lambda text: text.strip().casefold(), plain):
        wanted = key(named)
        matches = {
            label.id
            for label in question.labels
            if wanted
            and wanted
            in {key(shown[label.id]), key(label.name), key(label.id), *(key(s) for s in label.synonyms)}
        }
        if len(matches) > 1:
            # Of nested labels with equal names the one whose whole path was said, if any.
            matches = {label_id for label_id in matches if key(shown[label_id]) == wanted} or matches
        if len(matches) == 1:
            return matches.pop()
    return None


def resolve(
    opinion: Opinion, ontology: Ontology, extent: int | Size
) -> tuple[Answers, dict[str, Confidence], list[Problem]]:
    """Answers with ids, confidences, and everything that could not be used.

    Args:
        opinion: As the file says it.
        ontology: Of the project.
        extent: Length of the text in code points, or (width, height) of the image.

    Problems:
        unknown_question, unknown_label, unknown_attribute, bad_answer, and all of `conform`. A question with a problem
        is left out whole; an unknown attribute costs only itself. mended, for a region kept with a shape put right.
    """
    answers: dict[str, Answer] = {}
    confidence: dict[str, Confidence] = {}
    problems: list[Problem] = []
    # Relations come last: they are checked against the spans they join.
    given = [(named, find_question(ontology, named), value) for named, value in opinion.answers.items()]
    for named, question, value in sorted(given, key=lambda each: isinstance(each[1], RelationQuestion)):
        if question is None:
            problems.append(
                Problem(where=named, code="unknown_question", message=f"no question {excerpt(named)!r}")
            )
            continue
        if value is None or value == "":
            continue
        try:
            answer = _answer(question, value, problems)
        except _Bad as bad:
            problems.append(Problem(where=f"{named}{bad.where}", code=bad.code, message=bad.message))
            continue
        if isinstance(answer, RegionAnswer) and isinstance(extent, tuple):
            answer, mended = mend(answer, extent)
            problems += [problem.under(question.id) for problem in mended]
        joined = {q: a for q, a in answers.items() if isinstance(a, SpanAnswer | RegionAnswer)}
        beside = joined if isinstance(question, RelationQuestion) else {}
        found = conform(ontology, Answers.of({**beside, question.id: answer}), extent, complete=False)
        # Conditions are judged on all answers together, below.
        found = [p for p in found if p.code != "not_asked" and p.where.split("/")[0] not in beside]
        if found:
            problems += found
            continue
        answers[question.id] = answer
        sure = next(
            (opinion.confidence[k] for k in (named, question.id, question.name) if k in opinion.confidence),
            None,
        )
        if sure is not None and not 0 <= sure <= 1:
            message = f"a confidence in 0 to 1 wanted, got {sure}; the answer is kept without it"
            problems.append(Problem(where=named, code="bad_confidence", message=message))
        elif sure is not None:
            confidence[question.id] = Confidence(value=sure, scorer="given")
    # An answer that goes may take others with it: relations to its spans, questions that depend on it.
    while found := conform(ontology, Answers.of(answers), extent, complete=False):
        problems += found
        for problem in found:
            answers.pop(problem.where.split("/")[0], None)
    confidence = {q: sure for q, sure in confidence.items() if q in answers}
    return Answers.of(answers), confidence, problems


class _Bad(Exception):
    def __init__(self, code: str, message: str, where: str = "") -> None:
        self.code, self.message, self.where = code, message, where


def _answer(question: Question, value: Any, problems: list[Problem]) -> Answer:
    if isinstance(value, dict) and value.get("kind") == question.kind:
        return _native(question, value)
    match question:
        case ChoiceQuestion():
            names = value if isinstance(value, list | tuple) else [value]
            return ChoiceAnswer(labels=tuple(dict.fromkeys(_label(question, _path(each)) for each in names)))
        case ScalarQuestion():
            return ScalarAnswer(value=_number(question, value))
        case TextQuestion():
            if not isinstance(value, str):
                raise _Bad("bad_answer", f"a text wanted, got {excerpt(value)}")
            return TextAnswer(text=value)
        case SpanQuestion():
            if not isinstance(value, list | tuple):
                raise _Bad("bad_answer", f"a list of spans wanted, got {excerpt(value)}")
            return SpanAnswer(spans=tuple(_span(question, each, i) for i, each in enumerate(value)))
        case RelationQuestion():
            if not isinstance(value, list | tuple):
                raise _Bad("bad_answer", f"a list of relations wanted, got {excerpt(value)}")
            return RelationAnswer(
                relations=tuple(_relation(question, each, i) for i, each in enumerate(value))
            )
        case RegionQuestion():
            if not isinstance(value, list | tuple):
                raise _Bad("bad_answer", f"a list of regions wanted, got {excerpt(value)}")
            return RegionAnswer(
                regions=tuple(_region(question, each, i, problems) for i, each in enumerate(value))
            )
        case _:
            raise _Bad("bad_answer", f"{question.kind} answers cannot be imported")


def _native(question: Question, value: dict[str, Any]) -> Answer:
    from pydantic import TypeAdapter

    try:
        answer: Answer = TypeAdapter(Answer).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise _Bad("bad_answer", first["msg"], "/" + "/".join(map(str, first["loc"]))) from None
    if isinstance(answer, ChoiceAnswer) and isinstance(question, LabelledQuestion):
        return ChoiceAnswer(labels=tuple(_label(question, each) for each in answer.labels))
    return answer


def _path(value: Any) -> Any:
    """A nested label given as the list of names from the top, as Label Studio's taxonomies are."""
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return PATH_SEPARATOR.join(value)
    return value


def _label(question: LabelledQuestion, named: Any, where: str = "") -> str:
    if not isinstance(named, str | int | float | bool):
        raise _Bad("bad_answer", f"a label wanted, got {excerpt(named)}", where)
    found = find_label(question, str(named))
    if found is None:
        known = ", ".join(label.name for label in question.active_labels[:8])
        raise _Bad(
            "unknown_label", f"{excerpt(str(named))!r} is not a label of {question.name!r} ({known})", where
        )
    return found


def _number(question: ScalarQuestion, value: Any) -> bool | int | float:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]  # a yes / no asked as a choice between two
    if question.type == "boolean":
        word = str(value).strip().lower()
        if word in ("true", "yes", "1", "1.0", "y"):
            return True
        if word in ("false", "no", "0", "0.0", "n"):
            return False
        raise _Bad("bad_answer", f"yes or no wanted, got {excerpt(value)}")
    if isinstance(value, bool):
        raise _Bad("bad_answer", "a number wanted, got yes or no")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _Bad("bad_answer", f"a number wanted, got {excerpt(value)}") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise _Bad("bad_answer", "a finite number wanted")
    return int(number) if number.is_integer() else number


def _span(question: SpanQuestion, value: Any, i: int) -> Span:
    where = f"/{i}"
    if isinstance(value, list | tuple) and len(value) == 3:
        value = {"start": value[0], "end": value[1], "label": value[2]}
    if not isinstance(value, dict):
        raise _Bad("bad_answer", f"a span {{start, end, label}} wanted, got {excerpt(value)}", where)
    start, end = value.get("start", value.get("start_offset")), value.get("end", value.get("end_offset"))
    for edge in (start, end):
        if not isinstance(edge, int) or isinstance(edge, bool) or edge < 0:
            raise _Bad(
                "bad_answer", f"start and end must be counts of characters, got {excerpt(edge)}", where
            )
    label = _label(question, value.get("label"), where)
    link = value.get("link")
    try:
        return Span(
            id=str(value.get("id") or f"s{i}-{start}-{end}"),
            start=start,
            end=end,
            label=label,
            link=None if link is None else str(link),
            score=_score(value),
        )
    except ValidationError as error:
        raise _Bad("bad_answer", error.errors()[0]["msg"], where) from None


def _region(question: RegionQuestion, value: Any, i: int, problems: list[Problem]) -> Region:
    where = f"/{i}"
    if not isinstance(value, dict):
        raise _Bad("bad_answer", f"a region {{shape, label}} wanted, got {excerpt(value)}", where)
    label = question.label(_label(question, value.get("label"), where))
    assert label is not None
    try:
        return Region(
            id=str(value.get("id") or f"g{i}"),
            label=label.id,
            shape=value.get("shape"),
            score=_score(value),
            attributes=_attributes(label, value.get("attributes"), f"{question.id}{where}", problems),
            z_order=value.get("z_order") or 0,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise _Bad("bad_answer", first["msg"], "/".join([where, *map(str, first["loc"])])) from None


def _attributes(label: Label, given: Any, where: str, problems: list[Problem]) -> dict[str, Any]:
    """Values by attribute id; those nobody asks for are told and left out, and the region is kept."""
    found: dict[str, Any] = {}
    for named, value in given.items() if isinstance(given, dict) else ():
        wanted = str(named).strip().casefold()
        asked = [a for a in label.attributes if wanted in (a.id.casefold(), a.name.casefold())]
        if len(asked) == 1:
            found[asked[0].id] = _typed(asked[0], value)
        else:
            message = f"{excerpt(named)!r} is not asked of {label.name!r}; the region is kept without it"
            problems.append(Problem(where=f"{where}/attributes", code="unknown_attribute", message=message))
    return found


def _typed(attribute: Attribute, value: Any) -> Any:
    """A value as its attribute has it: files that hold only texts write `true` and `4`."""
    word = value.strip().casefold() if isinstance(value, str) else ""
    if attribute.type == "boolean" and word in ("true", "yes", "1", "false", "no", "0"):
        return word in ("true", "yes", "1")
    if attribute.type in ("integer", "number") and word:
        try:
            number = float(word)
        except ValueError:
            return value
        return value if not math.isfinite(number) else int(number) if number.is_integer() else number
    return value


def _relation(question: RelationQuestion, value: Any, i: int) -> Relation:
    where = f"/{i}"
    if isinstance(value, list | tuple) and len(value) == 3:
        value = {"from_id": value[0], "label": value[1], "to_id": value[2]}
    if not isinstance(value, dict):
        raise _Bad("bad_answer", f"a relation {{from_id, to_id, label}} wanted, got {excerpt(value)}", where)
    named = value.get("label", value.get("type"))
    if named is None and len(question.active_labels) == 1:
        named = question.active_labels[0].id
    label = _label(question, named, where)
    try:
        return Relation(
            id=str(value.get("id") or f"r{i}"),
            label=label,
            from_id=str(value.get("from_id")),
            to_id=str(value.get("to_id")),
            score=_score(value),
        )
    except ValidationError as error:
        raise _Bad("bad_answer", error.errors()[0]["msg"], where) from None


def _score(value: dict[str, Any]) -> float | None:
    score = value.get("score")
    known = isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1
    return float(score) if known and score is not None else None
