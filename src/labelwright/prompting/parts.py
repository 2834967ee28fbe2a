"""One asset asked in several requests: which pieces, which questions, how often, and how the replies become one reading.

Hides budgets, the order of parts, and what differs between samples. Each part by itself is an ordinary `ask` and `read`
of fewer questions about a shorter text.
"""

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache

from labelwright.core.answer import Answers
from labelwright.core.asset import Metadata
from labelwright.core.exchange import Reply, Request, Usage
from labelwright.core.layout import Layout, Part
from labelwright.core.ontology import LabelledQuestion, Ontology, Question, RelationQuestion, SpanQuestion
from labelwright.core.predictor import Decoding, Reading
from labelwright.core.problem import Problem
from labelwright.core.project import PromptTemplate
from labelwright.prompting.ask import MAX_OUTPUT_TOKENS, Example, ask, output_tokens
from labelwright.prompting.chunk import Measure, chunks
from labelwright.prompting.linking import KnowledgeLists
from labelwright.prompting.merge import Piece, Said, merge
from labelwright.prompting.read import read
from labelwright.prompting.template import shown_fields
from labelwright.prompting.tokens import token_cost
from labelwright.prompting.vote import vote

UNKNOWN_CONTEXT_TOKENS = 8_192
"""Assumed of a model whose endpoint does not say how much it takes."""

LEAST_PIECE_TOKENS = 64
"""Texts and pieces shorter than this are not cut further."""

SPARE = 0.05
"""Share of the context that stays free, for what counting missed."""

FAILED = "error:"
"""A reply whose `finish` begins with this stands for a part that got none; the rest is the cause."""

_SAMPLE_TEMPERATURE = 0.7
_CONTEXT_SHARE = 0.25
_MOST_KNOWN = 64


def groups_of(ontology: Ontology, decoding: Decoding) -> tuple[tuple[str, ...], ...]:
    """Ids of the active questions that are asked in one request.

    All together, or each by itself; a question that depends on another, and a relation, stay with what they refer to.
    """
    active = ontology.active_questions
    if decoding.questions == "together" or len(active) < 2:
        return (tuple(question.id for question in active),)
    group = {question.id: {question.id} for question in active}
    for question in active:
        for other in _refers_to(question):
            if other in group:
                joined = group[question.id] | group[other]
                for each in joined:
                    group[each] = joined
    found = dict.fromkeys(tuple(q.id for q in active if q.id in group[question.id]) for question in active)
    return tuple(found)


def _refers_to(question: Question) -> tuple[str, ...]:
    on = (question.depends_on.question,) if question.depends_on is not None else ()
    return (
        (*on, question.from_question, question.to_question) if isinstance(question, RelationQuestion) else on
    )


@lru_cache(maxsize=256)
def part_ontology(ontology: Ontology, questions: tuple[str, ...], sample: int = 0) -> Ontology:
    """The ontology of one part; samples after the first show their labels in another order."""
    chosen = {*questions}
    kept = tuple(question for question in ontology.questions if question.id in chosen)
    if len(kept) == len(ontology.active_questions) == len(ontology.questions) and not sample:
        return ontology
    if sample:
        rng = random.Random(f"{sample}:{','.join(questions)}")
        kept = tuple(_shuffled(question, rng) for question in kept)
    return ontology.model_copy(update={"questions": kept or ontology.questions})


def _shuffled(question: Question, rng: random.Random) -> Question:
    if not isinstance(question, LabelledQuestion):
        return question
    return question.model_copy(update={"labels": tuple(rng.sample(question.labels, len(question.labels)))})


class Cutter:
    """Makes layouts for one run: everything but the text, its examples and its fields is fixed."""

    def __init__(
        self,
        ontology: Ontology,
        template: PromptTemplate,
        decoding: Decoding,
        context_tokens: int | None = None,
        measure: Measure | None = None,
        lists: KnowledgeLists = {},  # noqa: B006 - never changed
    ) -> None:
        """Prepare.

        Args:
            ontology: What is asked.
            template: Wording.
            decoding: Says how questions are grouped, how large pieces are, how much they overlap, how many samples.
            context_tokens: What the model takes, prompt and answer together; None where unknown.
            measure: Counts tokens as the model does; the estimate when None.
            lists: Indexed lists of entities, for questions whose spans are linked.
        """
        self._ontology, self._template, self._decoding = ontology, template, decoding
        self._context, self._measure, self._lists = context_tokens, measure, lists
        self._groups = groups_of(ontology, decoding)
        self._fixed: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}

    def layout(
        self,
        text: str,
        examples: Sequence[Example] = (),
        fields: Metadata = {},  # noqa: B006 - never changed
        halved: int = 0,
    ) -> Layout:
        """The parts of one asset; with `halved`, in pieces 2**halved times smaller than what should fit."""
        samples = self._decoding.samples if self._decoding.confidence == "self_consistency" else 1
        beside = self._count(shown_fields(fields)) if fields and "{fields}" in self._template.user else 0.0
        parts: list[Part] = []
        for group in self._groups:
            asked = part_ontology(self._ontology, group)
            room = self._room(asked, self._prompt_tokens(asked, group, examples) + beside) / 2**halved
            # Overlap only serves mentions that a border would cut; judging the same words twice serves nothing.
            marks = any(isinstance(question, SpanQuestion) for question in asked.active_questions)
            overlap = self._decoding.overlap if marks else 0.0
            room = max(room, float(LEAST_PIECE_TOKENS))
            for start, end in chunks(text, room, overlap=overlap, measure=self._measure):
                parts += [Part(start=start, end=end, questions=group, sample=n) for n in range(samples)]
        return Layout(parts=tuple(parts), halved=halved)

    def _count(self, text: str) -> float:
        return (self._measure or token_cost)(text)

    def _prompt_tokens(self, asked: Ontology, group: tuple[str, ...], examples: Sequence[Example]) -> float:
        """Tokens of a request without its text."""
        key = (group, tuple(example.text for example in examples))
        if key not in self._fixed:
            if len(self._fixed) > _MOST_KNOWN:
                self._fixed.clear()
            (empty,) = ask(
                asked, "", template=self._template, examples=examples, model="", decoding=self._decoding, piece=(0, 2),
                lists=self._lists,
            )  # fmt: skip
            self._fixed[key] = sum(self._count(message.content) + 4 for message in empty.messages)
        return self._fixed[key]

    def _room(self, asked: Ontology, fixed: float) -> float:
        """How many tokens of text fit: context - answer - everything else in the prompt - 5 %.

        The answer grows with the text where mentions are listed, and has an upper bound; both are kept.
        """
        decoding = self._decoding
        context = (self._context or UNKNOWN_CONTEXT_TOKENS) * (1 - SPARE)
        base = output_tokens(asked, 0.0)
        each = output_tokens(asked, 1.0) - base
        if decoding.max_tokens is not None:
            room = context - fixed - decoding.max_tokens
        else:
            room = (context - fixed - min(base, MAX_OUTPUT_TOKENS)) / (1 + each)
            if each:
                room = min(room, (MAX_OUTPUT_TOKENS - base) / each)
        if room < LEAST_PIECE_TOKENS:
            # Better a piece of some use that the endpoint may refuse than crumbs.
            room = context * _CONTEXT_SHARE
        return min(room, float(decoding.chunk_tokens)) if decoding.chunk_tokens else room


def ask_part(
    ontology: Ontology,
    text: str,
    layout: Layout,
    number: int,
    *,
    template: PromptTemplate,
    examples: Sequence[Example],
    model: str,
    decoding: Decoding,
    fields: Metadata = {},  # noqa: B006 - never changed
    lists: KnowledgeLists = {},  # noqa: B006 - never changed
) -> Request:
    """The request of one part of an asset."""
    part = layout.parts[number]
    if decoding.confidence == "self_consistency":
        temperature = decoding.temperature or _SAMPLE_TEMPERATURE
        seed = None if decoding.seed is None else decoding.seed + part.sample
        decoding = decoding.model_copy(update={"temperature": temperature, "seed": seed})
    (request,) = ask(
        part_ontology(ontology, part.questions, part.sample), text[part.start : part.end],
        template=template, examples=examples, model=model, decoding=decoding, fields=fields, piece=layout.place(number),
        lists=lists,
    )  # fmt: skip
    return request


def read_part(
    ontology: Ontology,
    text: str,
    layout: Layout,
    number: int,
    replies: Sequence[Reply],
    decoding: Decoding,
    lists: KnowledgeLists = {},  # noqa: B006 - never changed
) -> Reading:
    """What one part came to; offsets are those of its piece.

    Args:
        ontology: The version that was asked.
        text: The whole text.
        layout: What was asked.
        number: Which part.
        replies: Its replies, the repair last. One made by `no_reply` stands for a part that got none.
        decoding: What was asked with; decides which confidence is read.
        lists: The lists of entities that the part was asked with.
    """
    part = layout.parts[number]
    kept = [reply for reply in replies if not reply.finish.startswith(FAILED)]
    if replies and not kept:
        cause, said = replies[0].finish[len(FAILED) :], replies[0].text
        problem = Problem(where="reply", code=cause, message=said or "the endpoint gave no answer")
        return Reading(answers=Answers(), problems=(problem,))
    # As it was asked: where names are much alike, the order of the labels decides which key stands for which.
    asked = part_ontology(ontology, part.questions, part.sample)
    return read(asked, text[part.start : part.end], kept, lists, scorer=decoding.confidence)


def no_reply(code: str, message: str, usage: Usage, attempts: int) -> Reply:
    """What is kept of a part that ended with an error."""
    return Reply(text=message, finish=FAILED + code, usage=usage, attempts=attempts)


def put_together(ontology: Ontology, text: str, layout: Layout, readings: Mapping[int, Reading]) -> Reading:
    """One reading from those of all parts.

    Problems:
        Those of the parts, with the piece in the message where there are several, and `part_unread`: the answers of a
        piece are missing, so that the whole is not covered.
    """
    if len(layout.parts) == 1:
        return readings[0]
    numbers: dict[tuple[tuple[str, ...], int, int], list[int]] = {}
    for number, part in enumerate(layout.parts):
        numbers.setdefault((part.questions, part.start, part.end), []).append(number)
    said: list[Said] = []
    for questions, pieces in layout.groups().items():
        asked = part_ontology(ontology, questions)
        group: list[Piece] = []
        for start, end in pieces:
            samples = [readings[number] for number in numbers[questions, start, end]]
            group.append(Piece(start, end, vote(asked, samples) if len(samples) > 1 else samples[0]))
        said.append(Said(asked, tuple(group)))
    return merge(ontology, said)


def read_parts(
    ontology: Ontology,
    text: str,
    layout: Layout,
    replies: Mapping[int, Sequence[Reply]],
    decoding: Decoding,
    lists: KnowledgeLists = {},  # noqa: B006 - never changed
) -> Reading:
    """Turn the replies to all parts (part number -> its replies) into one reading."""
    readings = {
        number: read_part(ontology, text, layout, number, replies.get(number, ()), decoding, lists)
        for number in range(len(layout.parts))
    }
    return put_together(ontology, text, layout, readings)
