"""What several pieces of a text said, and what that makes of the whole.

Hides the rule of each kind of question and the mapping of offsets. Rules (a question may name another, see
`core.ontology.QuestionBase.document_rule`):

| kind | rule |
|---|---|
| one label | `mean`: length-weighted mean of the pieces' log-odds; the majority by length where a piece has no confidence |
| several labels, yes / no | `any`: what holds in one piece holds for the whole |
| number | `median`: length-weighted |
| text | `first`: the first piece that says something |
| mentions | all of them; one found by two pieces once |

Source: design notes, section "Long documents".
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    Relation,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.conform import is_asked
from labelwright.core.ontology import (
    ChoiceQuestion,
    Ontology,
    Question,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Confidence, PieceSaid, Reading
from labelwright.core.problem import Problem
from labelwright.prompting.overlap import cluster, without_overlaps
from labelwright.prompting.read import failure_of
from labelwright.prompting.reader import span_id

MAX_PROBLEMS = 300
"""More problems than this are counted, not listed."""

_MOST_SURE = 0.999
_T = TypeVar("_T")
_ALIGNMENTS = {"exact": 0, None: 0, "normalised": 1, "fuzzy": 2}


@dataclass(frozen=True, slots=True)
class Piece:
    """What one piece of the text came to; offsets inside are those of the piece."""

    start: int
    end: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Said:
    """What the pieces said about one group of questions."""

    ontology: Ontology
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class _Vote:
    """One piece's answer to one question."""

    weight: float
    answer: Answer
    confidence: Confidence | None


def merge(ontology: Ontology, said: Sequence[Said]) -> Reading:
    """One reading of a text from the readings of its pieces."""
    answers: dict[str, Answer] = {}
    confidence: dict[str, Confidence] = {}
    problems: list[Problem] = []
    evidence: dict[tuple[int, int], PieceSaid] = {}
    for group in said:
        several = len(group.pieces) > 1
        weights = _own_lengths(group.pieces)
        for i, piece in enumerate(group.pieces):
            where = f"part {i + 1} of {len(group.pieces)}: " if several else ""
            problems += [p.model_copy(update={"message": where + p.message}) for p in piece.reading.problems]
            cause = failure_of(group.ontology, piece.reading)
            if cause is not None:
                problems.append(_unread(group, piece, cause))
            if several:
                _note(evidence, group.ontology, piece)
        merged: dict[str, dict[tuple[int, str], str]] = {}
        for question in group.ontology.active_questions:
            votes = [
                _Vote(weight, answer, piece.reading.confidence.get(question.id))
                for piece, weight in zip(group.pieces, weights, strict=True)
                if (answer := piece.reading.answers.get(question.id)) is not None
            ]
            if not votes:
                continue
            if isinstance(question, SpanQuestion):
                spans, ids, lost = _merge_spans(question, group.pieces, several)
                merged[question.id] = ids
                problems += lost
                answers[question.id] = SpanAnswer(spans=spans)
                sure = _lowest(votes, several)
            elif all(isinstance(vote.answer, RelationAnswer) for vote in votes):
                ids = {key: value for each in merged.values() for key, value in each.items()}
                answers[question.id] = _merge_relations(question, group.pieces, ids)
                sure = _lowest(votes, several)
            elif not several:
                answers[question.id], sure = votes[0].answer, votes[0].confidence
            else:
                answers[question.id], sure = _merge_votes(question, votes)
                sure = None if sure is None else _renamed(sure)
            if sure is not None:
                confidence[question.id] = sure
    kept: dict[str, Answer] = {}
    for question in ontology.active_questions:
        # Pieces judged the condition each for itself; the whole may have come out differently.
        if question.id in answers and is_asked(question, Answers.of(kept)):
            kept[question.id] = answers[question.id]
    return Reading(
        answers=Answers.of(kept),
        confidence={key: value for key, value in confidence.items() if key in kept},
        problems=_bounded(problems),
        pieces=tuple(evidence[place] for place in sorted(evidence)),
    )


def _own_lengths(pieces: Sequence[Piece]) -> list[float]:
    """Characters of each piece that no earlier one has; at least one, so that every piece counts."""
    lengths: list[float] = []
    done = 0
    for piece in pieces:
        lengths.append(float(max(1, piece.end - max(piece.start, done))))
        done = max(done, piece.end)
    return lengths


def _unread(group: Said, piece: Piece, cause: str) -> Problem:
    names = ", ".join(question.name for question in group.ontology.active_questions)
    message = f"characters {piece.start} to {piece.end} are not covered ({names}): {cause.replace('_', ' ')}"
    return Problem(where="reply", code="part_unread", message=message)


def _note(evidence: dict[tuple[int, int], PieceSaid], ontology: Ontology, piece: Piece) -> None:
    """Keep what this piece said, without its mentions: they show where they are."""
    place = (piece.start, piece.end)
    before = evidence.get(place) or PieceSaid(start=piece.start, end=piece.end)
    own = {
        question.id: answer
        for question in ontology.active_questions
        if (answer := piece.reading.answers.get(question.id)) is not None
        and not isinstance(answer, SpanAnswer | RelationAnswer)
    }
    sure = {key: c.value for key, c in piece.reading.confidence.items() if c.value is not None}
    spans = sum(len(a.spans) for _, a in piece.reading.answers.items() if isinstance(a, SpanAnswer))
    evidence[place] = PieceSaid(
        start=piece.start,
        end=piece.end,
        answers=Answers.of({**before.answers.root, **own}),
        confidence={**before.confidence, **sure},
        mentions=before.mentions + spans,
    )


def _bounded(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    # What was not covered matters most and is said first.
    ordered = sorted(problems, key=lambda p: p.code != "part_unread")
    if len(ordered) <= MAX_PROBLEMS:
        return tuple(ordered)
    message = f"{len(ordered) - MAX_PROBLEMS} more problems of this text are not listed"
    return (*ordered[:MAX_PROBLEMS], Problem(where="reply", code="more_problems", message=message))


def _renamed(sure: Confidence) -> Confidence:
    return sure.model_copy(update={"scorer": f"{sure.scorer}+parts"})


# --- answers about the whole text -----------------------------------------------------------------------------------


def _merge_votes(question: Question, votes: Sequence[_Vote]) -> tuple[Answer, Confidence | None]:
    rule = question.document_rule
    if isinstance(question, ChoiceQuestion) and question.multiple:
        return _several(question, votes, "any" if rule == "default" else rule)
    if isinstance(question, ChoiceQuestion):
        return _single(question, votes, "mean" if rule == "default" else rule)
    if isinstance(question, ScalarQuestion) and question.type == "boolean":
        return _boolean(votes, "any" if rule == "default" else rule)
    if isinstance(question, ScalarQuestion):
        return _number(question, votes, "median" if rule == "default" else rule)
    if isinstance(question, TextQuestion):
        return _text(question, votes, "first" if rule == "default" else rule)
    return votes[0].answer, votes[0].confidence


def _single(question: ChoiceQuestion, votes: Sequence[_Vote], rule: str) -> tuple[Answer, Confidence | None]:
    ids = [label.id for label in question.active_labels]
    chosen = [(vote, _only(vote.answer)) for vote in votes]
    chosen = [(vote, label) for vote, label in chosen if label in ids]
    if not chosen:
        return votes[0].answer, None
    if rule == "surest" and all(_value(vote) is not None for vote, _ in chosen):
        vote, label = max(chosen, key=lambda pair: _value(pair[0]) or 0.0)
        return ChoiceAnswer(labels=(label,)), vote.confidence
    spread = [_spread(ids, vote, label) for vote, label in chosen]
    known = [each for each in spread if each is not None]
    if rule == "most" or len(known) < len(spread):
        weight: dict[str, float] = defaultdict(float)
        for vote, label in chosen:
            weight[label] += vote.weight
        best = max(ids, key=lambda label: weight[label])
        return ChoiceAnswer(labels=(best,)), _share_of(weight[best] / sum(weight.values()), chosen, best)
    total = sum(vote.weight for vote, _ in chosen)
    odds = {
        label: sum(
            vote.weight * _logit(each[label]) for (vote, _), each in zip(chosen, known, strict=True)
        ) / total
        for label in ids
    }  # fmt: skip
    shares = {label: 1.0 / (1.0 + math.exp(-score)) for label, score in odds.items()}
    whole = sum(shares.values())
    distribution = {label: share / whole for label, share in shares.items()}
    best = max(ids, key=lambda label: distribution[label])
    scorer = next(vote.confidence.scorer for vote, _ in chosen if vote.confidence is not None)
    value = distribution[best]
    return ChoiceAnswer(labels=(best,)), Confidence(value=value, scorer=scorer, distribution=distribution)


def _only(answer: Answer) -> str:
    return answer.labels[0] if isinstance(answer, ChoiceAnswer) and answer.labels else ""


def _value(vote: _Vote) -> float | None:
    return None if vote.confidence is None else vote.confidence.value


def _spread(ids: Sequence[str], vote: _Vote, label: str) -> dict[str, float] | None:
    """A probability for every label; labels that were not seen share what is left."""
    value = _value(vote)
    if value is None or vote.confidence is None:
        return None
    seen = {key: p for key, p in (vote.confidence.distribution or {}).items() if key in ids}
    seen[label] = value
    unseen = [key for key in ids if key not in seen]
    rest = max(0.0, 1.0 - sum(seen.values())) / max(1, len(unseen))
    return {key: seen.get(key, rest) for key in ids}


def _logit(p: float) -> float:
    # Bounded, so that no single piece decides over all others by being quite certain.
    p = min(_MOST_SURE, max(1.0 - _MOST_SURE, p))
    return math.log(p / (1.0 - p))


def _share_of(share: float, chosen: Sequence[tuple[_Vote, str]], best: str) -> Confidence | None:
    """The share of the text that says so, times how sure its pieces were; None where one of them does not say."""
    own = [vote for vote, label in chosen if label == best]
    values = [(_value(vote), vote.weight) for vote in own]
    if any(value is None for value, _ in values):
        return None
    mean = sum((value or 0.0) * weight for value, weight in values) / sum(weight for _, weight in values)
    scorer = next((vote.confidence.scorer for vote in own if vote.confidence is not None), "")
    return Confidence(value=min(1.0, share * mean), scorer=scorer)


def _several(question: ChoiceQuestion, votes: Sequence[_Vote], rule: str) -> tuple[Answer, Confidence | None]:
    total = sum(vote.weight for vote in votes)
    chosen: list[str] = []
    true: dict[str, float] = {}
    known = all(_value(vote) is not None for vote in votes)
    listed = known and all(vote.confidence and vote.confidence.distribution for vote in votes)
    for label in question.active_labels:
        says = [
            (vote, isinstance(vote.answer, ChoiceAnswer) and label.id in vote.answer.labels) for vote in votes
        ]
        if listed:
            chances = [
                (vote.confidence.distribution or {}).get(label.id, float(yes))
                for vote, yes in says
                if vote.confidence is not None
            ]
            mean = sum(c * vote.weight for c, (vote, _) in zip(chances, says, strict=True)) / total
            true[label.id] = max(chances) if rule == "any" else mean
        share = sum(vote.weight for vote, yes in says if yes) / total
        if share > 0 if rule == "any" else share > 0.5:
            chosen.append(label.id)
    answer = ChoiceAnswer(labels=tuple(chosen))
    if not known:
        return answer, None
    scorer = next(vote.confidence.scorer for vote in votes if vote.confidence is not None)
    values = [
        vote.confidence.value for vote in votes if vote.confidence and vote.confidence.value is not None
    ]
    sure = [p if label in chosen else 1.0 - p for label, p in true.items()] or values
    return answer, Confidence(value=min(sure), scorer=scorer, distribution=true or None)


def _boolean(votes: Sequence[_Vote], rule: str) -> tuple[Answer, Confidence | None]:
    says = [(vote, isinstance(vote.answer, ScalarAnswer) and bool(vote.answer.value)) for vote in votes]
    total = sum(vote.weight for vote in votes)
    share = sum(vote.weight for vote, yes in says if yes) / total
    truth = share > 0 if rule == "any" else share > 0.5
    chances = [None if (v := _value(vote)) is None else (v if yes else 1.0 - v) for vote, yes in says]
    if any(chance is None for chance in chances):
        return ScalarAnswer(value=truth), None
    known = [chance for chance in chances if chance is not None]
    p = (
        max(known)
        if rule == "any"
        else sum(c * vote.weight for c, (vote, _) in zip(known, says, strict=True)) / total
    )
    scorer = next(vote.confidence.scorer for vote in votes if vote.confidence is not None)
    return ScalarAnswer(value=truth), Confidence(value=p if truth else 1.0 - p, scorer=scorer)


def _number(question: ScalarQuestion, votes: Sequence[_Vote], rule: str) -> tuple[Answer, Confidence | None]:
    said = [(float(vote.answer.value), vote) for vote in votes if isinstance(vote.answer, ScalarAnswer)]
    weights = [vote.weight for _, vote in said]
    numbers = [number for number, _ in said]
    match rule:
        case "sum":
            number = sum(numbers)
        case "max":
            number = max(numbers)
        case "mean":
            number = sum(n * w for n, w in zip(numbers, weights, strict=True)) / sum(weights)
        case _:
            number = _weighted_median(numbers, weights)
    if question.maximum is not None:
        number = min(number, question.maximum)
    number = round(number) if question.type == "integer" else number
    values = [_value(vote) for _, vote in said]
    if any(value is None for value in values):
        return ScalarAnswer(value=number), None
    if rule in ("sum", "mean"):
        value = min(v for v in values if v is not None)
    else:
        # How much of the text says this number, and how sure it is of it.
        agreeing = sum(
            (v or 0.0) * vote.weight for v, (n, vote) in zip(values, said, strict=True) if n == number
        )
        value = agreeing / sum(weights)
    scorer = next(vote.confidence.scorer for _, vote in said if vote.confidence is not None)
    return ScalarAnswer(value=number), Confidence(value=min(1.0, value), scorer=scorer)


def _weighted_median(numbers: Sequence[float], weights: Sequence[float]) -> float:
    """The smallest number at or below which half of the weight lies."""
    half, so_far = sum(weights) / 2, 0.0
    for number, weight in sorted(zip(numbers, weights, strict=True)):
        so_far += weight
        if so_far >= half:
            return number
    return max(numbers)


def _text(question: TextQuestion, votes: Sequence[_Vote], rule: str) -> tuple[Answer, Confidence | None]:
    said = [(vote.answer.text.strip(), vote) for vote in votes if isinstance(vote.answer, TextAnswer)]
    spoken = [(text, vote) for text, vote in said if text] or said
    if rule == "join":
        joined = "\n".join(dict.fromkeys(text for text, _ in spoken))
        if len(joined) <= question.max_length:
            values = [_value(vote) for _, vote in spoken]
            lowest = None if any(v is None for v in values) else min(v for v in values if v is not None)
            scorer = next((vote.confidence.scorer for _, vote in spoken if vote.confidence), "")
            sure = None if lowest is None else Confidence(value=lowest, scorer=scorer)
            return TextAnswer(text=joined), sure
    text, vote = spoken[0]
    return TextAnswer(text=text), vote.confidence


def _lowest(votes: Sequence[_Vote], several: bool) -> Confidence | None:
    """A list is as sure as its weakest piece; None where a piece does not say."""
    if not several:
        return votes[0].confidence
    values = [_value(vote) for vote in votes]
    if any(value is None for value in values):
        return None
    scorer = next(vote.confidence.scorer for vote in votes if vote.confidence is not None)
    return Confidence(value=min(v for v in values if v is not None), scorer=f"{scorer}+parts")


# --- mentions -------------------------------------------------------------------------------------------------------


def _merge_spans(
    question: SpanQuestion, pieces: Sequence[Piece], several: bool
) -> tuple[tuple[Span, ...], dict[tuple[int, str], str], list[Problem]]:
    """All mentions once, at their place in the whole text.

    A mention belongs to the piece whose middle is nearest to it. Of the same mention found by several pieces the one
    that no border cuts is taken, then the one that was found verbatim, then the owner's, then the surest.

    Returns:
        The mentions; (piece, id there) -> id here; what was dropped.
    """
    found: list[tuple[int, Span]] = []
    names: dict[tuple[int, str], str] = {}
    old: dict[tuple[int, str], str] = {}
    for i, piece in enumerate(pieces):
        answer = piece.reading.answers.get(question.id)
        for span in answer.spans if isinstance(answer, SpanAnswer) else ():
            start, end = span.start + piece.start, span.end + piece.start
            moved = span.model_copy(
                update={"start": start, "end": end, "id": span_id(question.id, start, end, span.label)}
            )
            old[(i, moved.id)] = span.id
            found.append((i, moved))
    if not several:
        return tuple(span for _, span in found), {(i, old[(i, s.id)]): s.id for i, s in found}, []
    owner = _owners(pieces)

    def rank(pair: tuple[int, Span]) -> tuple[bool, int, bool, float, int]:
        i, span = pair
        cut = _is_cut(pieces, i, span)
        score = span.score if span.score is not None else 0.0
        return (cut, _ALIGNMENTS[span.alignment], owner(span) != i, -score, span.start - span.end)

    best: list[tuple[tuple[int, Span], list[tuple[int, Span]]]] = []
    for group in cluster(found):
        best.append((min(group, key=rank), group))
    best = _without_cut(best, pieces)
    best.sort(key=lambda each: rank(each[0]))
    spans = [chosen for (_, chosen), _ in best]
    lost: list[Span] = []
    if not question.overlap:
        spans, lost = without_overlaps(spans)
    kept = {span.id for span in spans}
    for (_, chosen), group in best:
        if chosen.id in kept:
            names |= {(i, old[(i, span.id)]): chosen.id for i, span in group}
    problems = [
        Problem(
            where=f"{question.id}/spans",
            code="spans_overlap",
            message=f"two parts of the text disagree about characters {span.start} to {span.end}; the surer one is kept",
        )
        for span in lost
    ]
    unique = {span.id: span for span in sorted(spans, key=lambda s: (s.start, s.end, s.label))}
    return tuple(unique.values()), names, problems


def _owners(pieces: Sequence[Piece]) -> Callable[[Span], int]:
    middles = [(piece.start + piece.end) / 2 for piece in pieces]

    def owner(span: Span) -> int:
        middle = (span.start + span.end) / 2
        # Middles rise, so the nearest is beside the place where this one would stand.
        low, high = 0, len(middles) - 1
        while low < high:
            here = (low + high) // 2
            if middles[here] < middle:
                low = here + 1
            else:
                high = here
        return low - 1 if low > 0 and middle - middles[low - 1] <= middles[low] - middle else low

    return owner


def _is_cut(pieces: Sequence[Piece], i: int, span: Span) -> bool:
    """Whether a mention ends right at a border of its piece inside the text, so that it may go on behind it."""
    return (i > 0 and span.start == pieces[i].start) or (i + 1 < len(pieces) and span.end == pieces[i].end)


def _without_cut(
    best: list[tuple[tuple[int, Span], list[tuple[int, Span]]]], pieces: Sequence[Piece]
) -> list[tuple[tuple[int, Span], list[tuple[int, Span]]]]:
    """Drop halves: a mention cut by a border inside a longer one of the same label that no border cuts."""
    whole = [each for each in best if not _is_cut(pieces, *each[0])]
    for each in [each for each in best if _is_cut(pieces, *each[0])]:
        (i, half) = each[0]
        around = [
            full
            for full in whole
            if full[0][1].label == half.label and full[0][1].start <= half.start and half.end <= full[0][1].end
            and full[0][0] != i
        ]  # fmt: skip
        if around:
            around[0][1].extend(each[1])
        else:
            whole.append(each)
    return whole


def _merge_relations(
    question: Question, pieces: Sequence[Piece], ids: dict[tuple[int, str], str]
) -> RelationAnswer:
    """Relations join mentions of one piece; the same one found twice counts once."""
    found: dict[tuple[str, str, str], Relation] = {}
    for i, piece in enumerate(pieces):
        answer = piece.reading.answers.get(question.id)
        for relation in answer.relations if isinstance(answer, RelationAnswer) else ():
            head, tail = ids.get((i, relation.from_id)), ids.get((i, relation.to_id))
            if head is None or tail is None:
                continue
            key = (head, tail, relation.label)
            name = f"{question.id}|{head}|{tail}"
            made = relation.model_copy(
                update={"from_id": head, "to_id": tail, "id": span_id(name, 0, 0, relation.label)}
            )
            found.setdefault(key, made)
    return RelationAnswer(relations=tuple(found.values()))
