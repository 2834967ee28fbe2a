"""Whether answers fit the ontology and the asset. Every misfit is a `Problem` at its path; nothing is changed."""

from collections.abc import Iterator

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    Mark,
    RegionAnswer,
    RelationAnswer,
    ScalarAnswer,
    SpanAnswer,
    TextAnswer,
    TrackAnswer,
)
from labelwright.core.ontology import (
    ChoiceQuestion,
    LabelledQuestion,
    Ontology,
    Question,
    RegionQuestion,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.problem import Problem, excerpt
from labelwright.core.regions import check_regions
from labelwright.core.shape import Size


def conform(
    ontology: Ontology, answers: Answers, extent: int | Size, *, complete: bool = True
) -> list[Problem]:
    """Check answers against the ontology and the extent of an asset.

    Args:
        ontology: The version the answers were given under.
        answers: What was answered.
        extent: Length of the text in code points, or (width, height) of the image in pixels.
        complete: Also demand every required question that applies (off for drafts and predictions).

    Problems:
        unknown_question, wrong_kind, unknown_label, retired_label, too_many_labels, duplicate_label, out_of_bounds,
        not_an_integer, not_a_leaf, too_long, empty_span, span_outside, spans_overlap, not_linked, duplicate_id,
        unknown_end, wrong_end, self_relation, duplicate_relation, missing_answer, not_asked, and those of
        `regions.check_regions`.
    """
    problems: list[Problem] = []
    for question_id, answer in answers.items():
        question = ontology.question(question_id)
        if question is None:
            problems.append(Problem(where=question_id, code="unknown_question", message="no such question"))
        elif question.kind != answer.kind:
            message = f"question is a {question.kind}, the answer is a {answer.kind}"
            problems.append(Problem(where=question_id, code="wrong_kind", message=message))
        elif not is_asked(question, answers):
            message = "answered although the answer it depends on rules it out"
            problems.append(Problem(where=question_id, code="not_asked", message=message))
        else:
            found = _check(question, answer, answers, extent, complete=complete)
            problems += [problem.under(question_id) for problem in found]
    problems += list(_duplicate_ids(answers))
    if complete:
        for question in ontology.active_questions:
            if question.required and question.id not in answers and is_asked(question, answers):
                message = f"{question.name!r} needs an answer"
                problems.append(Problem(where=question.id, code="missing_answer", message=message))
    return problems


def remarks(ontology: Ontology, answers: Answers) -> list[Problem]:
    """What is worth a second look although it may be stored: answers that contradict one another.

    Problems:
        count_differs: A number that should be that of some regions (`ScalarQuestion.count_of`) is another one.
    """
    found: list[Problem] = []
    for question in ontology.active_questions:
        wanted = question.count_of if isinstance(question, ScalarQuestion) else None
        given = answers.get(question.id)
        marked = answers.get(wanted.question) if wanted is not None else None
        if wanted is None or not isinstance(given, ScalarAnswer) or not isinstance(marked, RegionAnswer):
            continue
        n = sum(not wanted.labels or region.label in wanted.labels for region in marked.regions)
        if given.value != n:
            message = f"{question.name!r} says {given.value:g}, {n} {'is' if n == 1 else 'are'} marked"
            found.append(Problem(where=question.id, code="count_differs", message=message))
    return found


def is_asked(question: Question, answers: Answers) -> bool:
    """Whether the question applies, given the answers so far."""
    if question.depends_on is None:
        return True
    other = answers.get(question.depends_on.question)
    return isinstance(other, ChoiceAnswer) and bool(set(other.labels) & set(question.depends_on.labels))


def _check(
    question: Question, answer: Answer, answers: Answers, extent: int | Size, *, complete: bool
) -> Iterator[Problem]:
    match question, answer:
        case ChoiceQuestion(), ChoiceAnswer():
            yield from _check_choice(question, answer)
        case ScalarQuestion(), ScalarAnswer():
            yield from _check_scalar(question, answer)
        case TextQuestion(), TextAnswer():
            if len(answer.text) > question.max_length:
                message = f"{len(answer.text)} characters, at most {question.max_length} allowed"
                yield Problem(where="text", code="too_long", message=message)
        case SpanQuestion(), SpanAnswer():
            yield from _check_spans(question, answer, extent if isinstance(extent, int) else 0)
        case RelationQuestion(), RelationAnswer():
            yield from _check_relations(question, answer, answers)
        case RegionQuestion(), RegionAnswer():
            labels = {label.id for label in question.active_labels}
            for i, region in enumerate(answer.regions):
                if region.label not in labels:
                    yield from _check_label(question, region.label, f"regions/{i}/label")
            size = extent if isinstance(extent, tuple) else (0, 0)
            yield from check_regions(question, answer, size, complete=complete)
        case _, TrackAnswer() if isinstance(question, LabelledQuestion):
            for i, mark in enumerate(marks_of(answer)):
                yield from _check_label(question, mark.label, f"{i}/label")
        case _:  # pragma: no cover - kinds were compared before
            yield Problem(where="", code="wrong_kind", message="question and answer are of different kinds")


def _check_label(question: LabelledQuestion, label_id: str, where: str) -> Iterator[Problem]:
    label = question.label(label_id)
    if label is None:
        known = ", ".join(each.id for each in question.active_labels[:8])
        message = f"{excerpt(label_id)!r} is not a label of {question.id!r} (labels: {known})"
        yield Problem(where=where, code="unknown_label", message=message)
    elif label.retired:
        yield Problem(where=where, code="retired_label", message=f"label {label_id!r} is retired")


def _check_choice(question: ChoiceQuestion, answer: ChoiceAnswer) -> Iterator[Problem]:
    for i, label_id in enumerate(answer.labels):
        yield from _check_label(question, label_id, f"labels/{i}")
    inner = {label.parent for label in question.active_labels} if question.leaves_only else set()
    for i, label_id in enumerate(answer.labels):
        if label_id in inner:
            message = f"{label_id!r} has labels under it; choose one of those"
            yield Problem(where=f"labels/{i}", code="not_a_leaf", message=message)
    if len(set(answer.labels)) != len(answer.labels):
        yield Problem(where="labels", code="duplicate_label", message="the same label twice")
    if not question.multiple and len(answer.labels) > 1:
        message = f"{len(answer.labels)} labels where one is allowed"
        yield Problem(where="labels", code="too_many_labels", message=message)
    if not question.multiple and not answer.labels:
        yield Problem(where="labels", code="missing_answer", message="no label chosen")


def _check_scalar(question: ScalarQuestion, answer: ScalarAnswer) -> Iterator[Problem]:
    value = answer.value
    if question.type == "boolean":
        if not isinstance(value, bool):
            yield Problem(where="value", code="wrong_kind", message=f"yes or no wanted, got {value!r}")
        return
    if isinstance(value, bool):
        yield Problem(where="value", code="wrong_kind", message="a number wanted, got yes or no")
        return
    if question.type == "integer" and value != int(value):
        yield Problem(where="value", code="not_an_integer", message=f"a whole number wanted, got {value!r}")
    low, high = question.minimum, question.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        message = f"{value!r} is outside {'-∞' if low is None else low:} to {'∞' if high is None else high:}"
        yield Problem(where="value", code="out_of_bounds", message=message)


def _check_spans(question: SpanQuestion, answer: SpanAnswer, size: int) -> Iterator[Problem]:
    for i, span in enumerate(answer.spans):
        yield from _check_label(question, span.label, f"spans/{i}/label")
        if span.start >= span.end:
            message = f"starts at {span.start} and ends at {span.end}"
            yield Problem(where=f"spans/{i}", code="empty_span", message=message)
        elif span.end > size:
            message = f"ends at {span.end} in a text of {size} characters"
            yield Problem(where=f"spans/{i}", code="span_outside", message=message)
        if span.link is not None and not question.knowledge:
            message = f"spans of {question.id!r} are not linked to a list of entities"
            yield Problem(where=f"spans/{i}/link", code="not_linked", message=message)
    if not question.overlap:
        ordered = sorted(enumerate(answer.spans), key=lambda pair: (pair[1].start, pair[1].end))
        reach = 0
        for i, span in ordered:
            if span.start < reach:
                yield Problem(where=f"spans/{i}", code="spans_overlap", message="overlaps an earlier span")
            reach = max(reach, span.end)


def _check_relations(
    question: RelationQuestion, answer: RelationAnswer, answers: Answers
) -> Iterator[Problem]:
    ends = {
        end: {mark.id: mark for mark in marks_of(found)} if (found := answers.get(asked)) is not None else {}
        for end, asked in (("from_id", question.from_question), ("to_id", question.to_question))
    }
    allowed = {"from_id": question.from_labels, "to_id": question.to_labels}
    seen: set[tuple[str, str, str]] = set()
    for i, relation in enumerate(answer.relations):
        yield from _check_label(question, relation.label, f"relations/{i}/label")
        for end in ("from_id", "to_id"):
            mark = ends[end].get(getattr(relation, end))
            if mark is None:
                asked = question.from_question if end == "from_id" else question.to_question
                message = f"joins nothing that {asked!r} marks"
                yield Problem(where=f"relations/{i}/{end}", code="unknown_end", message=message)
            elif allowed[end] and mark.label not in allowed[end]:
                message = f"{mark.label!r} cannot be joined here (labels: {', '.join(allowed[end][:8])})"
                yield Problem(where=f"relations/{i}/{end}", code="wrong_end", message=message)
        if relation.from_id == relation.to_id:
            yield Problem(where=f"relations/{i}", code="self_relation", message="joins a thing with itself")
        key = (*relation_ends(question, relation.from_id, relation.to_id), relation.label)
        if key in seen:
            yield Problem(
                where=f"relations/{i}", code="duplicate_relation", message="the same relation twice"
            )
        seen.add(key)


def relation_ends(question: RelationQuestion, from_id: str, to_id: str) -> tuple[str, str]:
    """The two ends in an order in which equal relations are equal: sorted where direction means nothing."""
    return (from_id, to_id) if question.directed or from_id <= to_id else (to_id, from_id)


def _duplicate_ids(answers: Answers) -> Iterator[Problem]:
    seen: set[str] = set()
    for question_id, answer in answers.items():
        for mark in marks_of(answer):
            if mark.id in seen:
                yield Problem(where=question_id, code="duplicate_id", message=f"id {mark.id!r} is used twice")
            seen.add(mark.id)


def marks_of(answer: Answer) -> tuple[Mark, ...]:
    """The marked things of an answer; empty for answers that mark nothing."""
    match answer:
        case SpanAnswer(spans=marks):
            return marks
        case RegionAnswer(regions=marks):
            return marks
        case RelationAnswer(relations=marks):
            return marks
        case TrackAnswer(tracks=marks):
            return marks
        case _:
            return ()
