"""Laws: what is asked for reads back; nothing raises; nothing is dropped without a word."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelwright.core.answer import Answers, SpanAnswer, same_meaning
from labelwright.core.compare import comparable
from labelwright.core.conform import conform
from labelwright.core.exchange import Reply, Token, TokenChance
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Decoding
from labelwright.prompting import DEFAULT_TEMPLATE, Example, ask, ideal_reply, read
from tests.prompting.made import LIST, LISTS, TEXTS, labelled, ontologies

QUIET = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "entities",
                    "quote",
                    "type",
                    "topic",
                    "label",
                    "q0",
                    "relations",
                    "head",
                    "tail",
                    "id",
                    "link",
                ]
            )
            | st.text(max_size=6),
            inner,
        )
    ),
    max_leaves=20,
)
FRAGMENTS = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", '"', "'", ":", ",", "\\", "```json\n", "```", "null", "True", "NaN", "-", "1e999", "4/5", "\n",
         '"entities"', '"quote"', '"type"', '"Topic"', "Sports", "<span class=\"Person\">", "</span>", "@@", "##", "<think>",
         "</think>", "\\ud83d", "\\u0000", "//", "/*", "*/", "“", "”", " ", "Anna", "(Person)", "\x00", "É", "😀", "__none__",
         '"relations"', '"head"', '"tail"', '"id"', '"link"', '"E1"', "1", "Other"]
    ),
    max_size=40,
).map("".join)  # fmt: skip
ONTOLOGY = Ontology(
    questions=(
        ChoiceQuestion(
            id="topic", name="Topic", labels=(Label(id="sp", name="Sports"), Label(id="po", name="Politics"))
        ),
        ChoiceQuestion(
            id="tags",
            name="Tags",
            multiple=True,
            labels=(Label(id="a", name="Hate"), Label(id="b", name="Spam")),
        ),
        ScalarQuestion(id="stars", name="Rating", minimum=1, maximum=5),
        TextQuestion(id="gist", name="Gist", max_length=50),
        SpanQuestion(id="ner", name="Entities", labels=(Label(id="PER", name="Person"),)),
    )
)
TASKS = Ontology(
    questions=(
        ChoiceQuestion(
            id="topic",
            name="Topic",
            leaves_only=True,
            labels=(
                Label(id="sp", name="Sports"),
                Label(id="ball", name="Ball games", parent="sp"),
                Label(id="other", name="Other", parent="sp"),
                Label(id="po", name="Politics"),
                Label(id="po-other", name="Other", parent="po"),
            ),
        ),
        SpanQuestion(
            id="ner",
            name="Entities",
            labels=(Label(id="PER", name="Person"), Label(id="LOC", name="Place")),
            knowledge=LIST,
        ),
        RelationQuestion(
            id="rel",
            name="Relations",
            labels=(Label(id="in", name="lives in"), Label(id="of", name="leads")),
            from_question="ner",
            to_question="ner",
            from_labels=("PER",),
        ),
    )
)
"""Nested labels, linked mentions and relations."""
ALONE = [Ontology(questions=(question,)) for question in ONTOLOGY.questions]


@QUIET
@given(labelled())
def test_the_ideal_reply_reads_back_to_its_answers(case: tuple[Ontology, str, Answers]) -> None:
    ontology, text, answers = case
    assert conform(ontology, answers, len(text), complete=False) == []
    reply = Reply(text=ideal_reply(ontology, answers, text, LISTS))
    reading = read(ontology, text, [reply], LISTS)
    said, meant = comparable(ontology, reading.answers), comparable(ontology, answers)
    for question in ontology.active_questions:
        assert same_meaning(said.get(question.id), meant.get(question.id)), reading.problems
        answer = reading.answers.get(question.id)
        if isinstance(answer, SpanAnswer):
            assert all(span.alignment == "exact" for span in answer.spans)
    assert {p.code for p in reading.problems} <= {"abstained"}


@QUIET
@given(ontologies(), TEXTS)
def test_a_request_can_be_made_for_any_ontology_and_text(ontology: Ontology, text: str) -> None:
    (request,) = ask(
        ontology,
        text,
        template=DEFAULT_TEMPLATE,
        examples=[Example(text=text, answers=Answers())],
        model="m",
        decoding=Decoding(),
    )
    assert text in request.messages[-1].content
    assert request.max_tokens >= 1
    json.dumps(request.output_schema)


@QUIET
@given(
    st.text(max_size=200) | FRAGMENTS | JSON.map(json.dumps) | JSON.map(repr),
    TEXTS,
    st.sampled_from(["stop", "length", "tool"]),
)
def test_reading_never_raises_and_its_answers_conform(said: str, text: str, finish: str) -> None:
    for ontology in (ONTOLOGY, TASKS, *ALONE):
        reading = read(ontology, text, [Reply(text=said, finish=finish)], LISTS)
        assert conform(ontology, reading.answers, len(text), complete=False) == []
        for question in ontology.questions:
            told = any(p.where.partition("/")[0] in (question.id, "reply") for p in reading.problems)
            assert question.id in reading.answers or told
        assert reading.confidence == {}


@QUIET
@given(st.binary(max_size=200), TEXTS)
def test_bytes_that_are_no_text_do_not_raise(said: bytes, text: str) -> None:
    for errors in ("replace", "surrogateescape", "ignore"):
        reply = Reply.model_construct(text=said.decode("utf-8", errors), tokens=None, finish="stop")
        read(ONTOLOGY, text, [reply])


@QUIET
@given(labelled(), st.integers(0, 400))
def test_a_reply_cut_at_its_limit_never_gives_a_label(case: tuple[Ontology, str, Answers], cut: int) -> None:
    ontology, text, answers = case
    whole = ideal_reply(ontology, answers, text)
    reading = read(ontology, text, [Reply(text=whole[:cut], finish="length")])
    assert all(isinstance(answer, SpanAnswer) for _, answer in reading.answers.items())
    assert "cut_reply" in {p.code for p in reading.problems}
    for question_id, answer in reading.answers.items():
        wanted = answers.get(question_id)
        assert isinstance(answer, SpanAnswer) and isinstance(wanted, SpanAnswer)
        assert {(s.start, s.end, s.label) for s in answer.spans} <= {
            (s.start, s.end, s.label) for s in wanted.spans
        }


@QUIET
@given(
    st.lists(
        st.tuples(st.sampled_from(["Anna", "Zoe", "Bob", "x", ""]), st.sampled_from(["Person", "Place", ""])),
        max_size=8,
    )
)
def test_every_mention_becomes_a_span_or_a_problem(claimed: list[tuple[str, str]]) -> None:
    reply = json.dumps({"entities": [{"quote": q, "type": t, "before": "", "after": ""} for q, t in claimed]})
    reading = read(ALONE[-1], "Anna and Bob and Anna", [Reply(text=reply)])
    answer = reading.answers.get("ner")
    assert isinstance(answer, SpanAnswer)
    refused = {p.where.split("/")[2] for p in reading.problems if p.where.startswith("ner/spans/")}
    assert len(answer.spans) + len(refused) == len(claimed)


def spelled(words: list[str], chances: list[list[tuple[str, float]]]) -> tuple[Token, ...]:
    """Tokens with alternatives."""
    return tuple(
        Token(
            token=word,
            logprob=tops[0][1] if tops else 0.0,
            top=tuple(TokenChance(token=t, logprob=p) for t, p in tops),
        )
        for word, tops in zip(words, chances, strict=True)
    )


LOGPROBS = st.floats(-30, 0)


@QUIET
@given(LOGPROBS, LOGPROBS, LOGPROBS, LOGPROBS)
def test_confidence_is_a_probability_and_rises_with_the_chosen_token(
    own: float, more: float, other: float, third: float
) -> None:
    def sure(logprob: float) -> tuple[float, float, float]:
        tops = [("Sports", logprob), ("Politics", other), ("The", third)]
        tokens = spelled(['{"', "topic", '": "', "Sports", '"}'], [[], [], [], tops, []])
        reading = read(ALONE[0], "x", [Reply(text='{"topic": "Sports"}', tokens=tokens)])
        confidence = reading.confidence["topic"]
        assert confidence.value is not None and confidence.low is not None and confidence.mass is not None
        assert confidence.distribution is not None and sum(confidence.distribution.values()) <= 1.0 + 1e-9
        return confidence.value, confidence.low, confidence.mass

    low, high = sorted((own, more))
    for less, greater in zip(sure(low), sure(high), strict=True):
        assert 0.0 <= less <= greater + 1e-12 <= 1.0 + 1e-9


@QUIET
@given(
    st.lists(st.floats(-1e5, 1) | st.just(math.nan), min_size=12, max_size=12),
    st.lists(st.integers(0, 60), max_size=12),
)
def test_any_cut_into_tokens_gives_confidences_between_0_and_1(
    logprobs: list[float], cuts: list[int]
) -> None:
    text = '{"topic": "Sports", "tags": {"hate": true, "spam": false}, "rating": 4, "gist": "é", "entities": [{"quote": "Anna", "type": "Person"}]}'
    edges = sorted({0, len(text), *(c * 2 for c in cuts)})
    pieces = [text[a:b] for a, b in pairwise(edges)]
    tokens = tuple(
        Token.model_construct(
            token=piece,
            bytes=tuple(piece.encode()),
            logprob=logprobs[i % 12],
            top=tuple(
                TokenChance.model_construct(token=t, bytes=None, logprob=logprobs[(i + j) % 12])
                for j, t in enumerate([piece, "x", '"', "]", "false"])
            ),
        )
        for i, piece in enumerate(pieces)
    )
    reply = Reply.model_construct(text=text, tokens=tokens, finish="stop")
    reading = read(ONTOLOGY, "Anna", [reply])
    assert len(reading.answers) == 5
    for confidence in reading.confidence.values():
        for number in (
            confidence.value,
            confidence.low,
            confidence.mass,
            *(confidence.distribution or {}).values(),
        ):
            assert number is None or 0.0 <= number <= 1.0
    assert "gist" not in reading.confidence


@pytest.mark.parametrize("tokens", [None, ()])
def test_without_log_probabilities_there_is_no_confidence(tokens: tuple[Token, ...] | None) -> None:
    said = '{"topic": "Sports", "entities": [{"quote": "Anna", "type": "Person"}], "confidence": 0.99}'
    reading = read(ONTOLOGY, "Anna", [Reply(text=said, tokens=tokens)])
    assert reading.confidence == {}
    assert reading.lowest is None
    answer = reading.answers.get("ner")
    assert isinstance(answer, SpanAnswer)
    assert answer.spans[0].score is None
