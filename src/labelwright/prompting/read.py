"""From what a model wrote to answers.

Hides everything models do instead of what they were asked. Reading never raises for any text; a piece that is not
taken is reported as a `Problem` at its place, and half an answer is never taken for a whole one.
"""

from collections.abc import Sequence

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RelationAnswer,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.conform import is_asked
from labelwright.core.exchange import Reply
from labelwright.core.ontology import (
    Ontology,
)
from labelwright.core.predictor import Confidence, Reading, Scoring
from labelwright.core.problem import Problem
from labelwright.prompting.align import TextIndex
from labelwright.prompting.contract import Contract, contract_of
from labelwright.prompting.linking import KnowledgeLists, offers
from labelwright.prompting.reader import Reader


def read(
    ontology: Ontology,
    text: str,
    replies: Sequence[Reply],
    lists: KnowledgeLists = {},  # noqa: B006 - never changed
    *,
    scorer: Scoring = "auto",
) -> Reading:
    """Turn the replies to `ask` into answers.

    Args:
        ontology: The version that was asked.
        text: The text that was asked about.
        replies: One reply per request, in order. A question answered twice keeps the first answer.
        lists: The lists of entities that `ask` was given.
        scorer: Which confidence to read; must be what was asked for, see `core.predictor.Scoring`.

    Problems:
        no_reply, refused, cut_reply, missing_answer, abstained, not_asked, wrong_kind, unknown_label,
        retired_label, ambiguous_label, fuzzy_label (the answer is kept), label_in_prose (the answer is kept),
        too_many_labels, missing_label, not_a_number, not_an_integer, out_of_bounds, not_a_boolean, too_long, not_found,
        repeated_mention, spans_overlap, missing_quote, too_many_entities, unknown_entity (the span is kept without a
        link), not_a_leaf, missing_end, unknown_end, wrong_end, ambiguous_end, self_relation, duplicate_relation,
        not_a_relation, too_many_relations, duplicate_key, ignored_key, rewritten, huge_reply, too_deep,
        no_logprobs, bad_confidence.
    """
    contract = contract_of(ontology, scorer == "verbal")
    index = TextIndex(text)
    offered = offers(ontology, text, lists)
    answers: dict[str, Answer] = {}
    confidence: dict[str, Confidence] = {}
    problems: list[Problem] = []
    if not replies:
        problems.append(Problem(where="reply", code="no_reply", message="there is no reply to read"))
    for reply in replies:
        reader = Reader(contract, index, reply, offered, scorer)
        reader.read()
        problems += reader.problems
        for question_id, answer in reader.answers.items():
            if question_id not in answers:
                answers[question_id] = answer
                if question_id in reader.confidence:
                    confidence[question_id] = reader.confidence[question_id]
    return _settled(contract, answers, confidence, problems)


def failure_of(ontology: Ontology, reading: Reading) -> str | None:
    """Why a reading is no prediction: the first problem, where nothing at all was answered; None otherwise.

    Saying that no label fits is an answer.
    """
    if len(reading.answers) or not ontology.active_questions:
        return None
    # That a part was not read says less than why.
    codes = [p.code for p in reading.problems if p.code != "part_unread"]
    if "abstained" in codes:
        return None
    return codes[0] if codes else "no_reply"


def _settled(
    contract: Contract, answers: dict[str, Answer], confidence: dict[str, Confidence], problems: list[Problem]
) -> Reading:
    """Drop answers to questions that do not apply, and say what is missing."""
    kept: dict[str, Answer] = {}
    explained = {p.where.partition("/")[0] for p in problems}
    # When the whole reply is at fault, that is said once.
    unread = any(p.code in ("no_reply", "refused", "unreadable_reply") for p in problems)
    for each in contract.fields:
        question = each.question
        so_far = Answers.of(kept)
        if not is_asked(question, so_far):
            problems = [
                p
                for p in problems
                if not (p.where == question.id and p.code in ("abstained", "missing_answer"))
            ]
            answer = answers.get(question.id)
            if answer is not None and not _says_none(answer):
                message = "answered although the answer it depends on rules it out"
                problems.append(Problem(where=question.id, code="not_asked", message=message))
            continue
        if question.id in answers:
            kept[question.id] = answers[question.id]
            if isinstance(kept[question.id], RelationAnswer):
                _drop_dangling(question.id, kept, problems)
        elif question.id not in explained and not unread:
            message = f"the reply does not answer {question.name!r}"
            problems.append(Problem(where=question.id, code="missing_answer", message=message))
    sure = {question_id: c for question_id, c in confidence.items() if question_id in kept}
    return Reading(answers=Answers.of(kept), confidence=sure, problems=tuple(problems))


def _drop_dangling(question_id: str, kept: dict[str, Answer], problems: list[Problem]) -> None:
    """Relations whose ends are not among the kept spans: another reply, or a question that is not asked."""
    answer = kept[question_id]
    assert isinstance(answer, RelationAnswer)
    spans = {s.id for other in kept.values() if isinstance(other, SpanAnswer) for s in other.spans}
    whole = tuple(r for r in answer.relations if r.from_id in spans and r.to_id in spans)
    for position, relation in enumerate(answer.relations):
        if relation not in whole:
            where = f"{question_id}/relations/{position}"
            message = "it joins a mention that was not taken"
            problems.append(Problem(where=where, code="unknown_end", message=message))
    kept[question_id] = RelationAnswer(relations=whole)


def _says_none(answer: Answer) -> bool:
    match answer:
        case (
            ChoiceAnswer(labels=())
            | SpanAnswer(spans=())
            | TextAnswer(text="")
            | RelationAnswer(relations=())
        ):
            return True
        case _:
            return False
