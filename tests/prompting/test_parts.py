"""Laws of parts: whatever pieces, groups and samples an asset is asked in, ideal replies give its answers back."""

import itertools
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
    same_meaning,
)
from labelwright.core.compare import comparable
from labelwright.core.conform import conform
from labelwright.core.exchange import Reply, Token, TokenChance, Usage
from labelwright.core.layout import Layout, Part
from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Confidence, Decoding, Reading
from labelwright.prompting import (
    DEFAULT_TEMPLATE,
    Cutter,
    Example,
    ask_part,
    ideal_reply,
    no_reply,
    part_ontology,
    read,
    read_parts,
)
from labelwright.prompting.merge import Piece, Said, merge
from labelwright.prompting.parts import groups_of
from labelwright.prompting.vote import vote
from tests.prompting.made import LISTS, TEXTS, labelled, ontologies

QUIET = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
Grouping = Literal["together", "each"]


def layout_of(ontology: Ontology, text: str, decoding: Decoding, context: int | None = None) -> Layout:
    return Cutter(ontology, DEFAULT_TEMPLATE, decoding, context).layout(text)


def inside(answers: Answers, part: Part) -> Answers:
    """The part of some answers that an ideal model gives about a piece: spans that stand whole in it."""
    found: dict[str, Answer] = {}
    for question_id, answer in answers.items():
        if question_id not in part.questions:
            continue
        if isinstance(answer, SpanAnswer):
            spans = [
                span.model_copy(update={"start": span.start - part.start, "end": span.end - part.start})
                for span in answer.spans
                if part.start <= span.start and span.end <= part.end
            ]
            found[question_id] = SpanAnswer(spans=tuple(spans))
        else:
            found[question_id] = answer
    return Answers.of(found)


def ideal_replies(ontology: Ontology, text: str, layout: Layout, answers: Answers) -> dict[int, list[Reply]]:
    return {
        number: [
            Reply(
                text=ideal_reply(
                    part_ontology(ontology, part.questions, part.sample),
                    inside(answers, part),
                    text[part.start : part.end],
                    LISTS,
                )
            )
        ]
        for number, part in enumerate(layout.parts)
    }


@QUIET
@given(labelled(), st.sampled_from(["together", "each"]), st.booleans())
def test_ideal_replies_to_any_groups_and_samples_give_the_answers_back(
    case: tuple[Ontology, str, Answers], questions: Grouping, sampled: bool
) -> None:
    ontology, text, answers = case
    decoding = Decoding(questions=questions, confidence="self_consistency" if sampled else "auto", samples=3)
    layout = layout_of(ontology, text, decoding)
    reading = read_parts(
        ontology, text, layout, ideal_replies(ontology, text, layout, answers), decoding, LISTS
    )
    said, meant = comparable(ontology, reading.answers), comparable(ontology, answers)
    for question in ontology.active_questions:
        assert same_meaning(said.get(question.id), meant.get(question.id)), reading.problems
    assert {p.code for p in reading.problems} <= {"abstained"}
    if sampled:
        assert all(c.value == 1.0 and c.scorer == "self_consistency" for c in reading.confidence.values())


@QUIET
@given(ontologies(), TEXTS, st.sampled_from(["together", "each"]))
def test_every_question_is_asked_exactly_once_of_every_character(
    ontology: Ontology, text: str, questions: Grouping
) -> None:
    decoding = Decoding(questions=questions)
    groups = groups_of(ontology, decoding)
    assert sorted(q for group in groups for q in group) == sorted(q.id for q in ontology.active_questions)
    layout = layout_of(ontology, text * 40, decoding, context=700)
    for group, pieces in layout.groups().items():
        assert pieces[0][0] == 0 and pieces[-1][1] == len(text * 40)
        assert all(start <= end for (_, end), (start, _) in itertools.pairwise(pieces)) is True or all(
            c <= b for (_, b), (c, _) in itertools.pairwise(pieces)
        )
        sub = part_ontology(ontology, group)
        assert {q.id for q in sub.active_questions} == set(group)
        for question in sub.active_questions:
            assert question.depends_on is None or question.depends_on.question in group


@QUIET
@given(labelled(), st.integers(20, 60), st.data())
def test_a_mention_is_found_once_at_its_place_whatever_the_pieces(
    case: tuple[Ontology, str, Answers], size: int, data: st.DataObject
) -> None:
    ontology, text, answers = case
    every = [s for _, answer in answers.items() if isinstance(answer, SpanAnswer) for s in answer.spans]
    longest = max((s.end - s.start for s in every), default=2)
    everything = tuple(q.id for q in ontology.active_questions)
    parts, start = [], 0
    while True:
        end = min(len(text), start + max(size, 2 * longest + 2) + data.draw(st.integers(0, 9)))
        parts.append(Part(start=start, end=end, questions=everything))
        if end == len(text):
            break
        start = end - longest - data.draw(st.integers(0, 3))
    layout = Layout(parts=tuple(parts))
    reading = read_parts(
        ontology, text, layout, ideal_replies(ontology, text, layout, answers), Decoding(), LISTS
    )
    assert conform(ontology, reading.answers, len(text), complete=False) == []
    for question_id, answer in answers.items():
        if isinstance(answer, SpanAnswer):
            read_answer = reading.answers.get(question_id)
            assert isinstance(read_answer, SpanAnswer)
            wanted = {(s.start, s.end, s.label) for s in answer.spans}
            got = [(s.start, s.end, s.label) for s in read_answer.spans]
            assert len(got) == len(set(got)) and set(got) <= wanted
            if not getattr(ontology.question(question_id), "overlap", False):
                assert set(got) == wanted
        elif isinstance(answer, RelationAnswer):
            # Those whose ends stand in different pieces cannot be seen; none is invented.
            joined = reading.answers.get(question_id)
            assert isinstance(joined, RelationAnswer) and len(joined.relations) <= len(answer.relations)
        else:
            assert same_meaning(reading.answers.get(question_id), answer)


@QUIET
@given(labelled(), st.text(max_size=60), st.sampled_from(["auto", "verbal", "logprobs", "self_consistency"]))
def test_no_reply_to_any_part_raises_and_what_is_read_conforms(
    case: tuple[Ontology, str, Answers], said: str, scorer: Any
) -> None:
    ontology, text, _ = case
    decoding = Decoding(questions="each", confidence=scorer, samples=2)
    layout = layout_of(ontology, text * 30, decoding, context=600)
    replies = {n: [Reply(text=said)] for n in range(len(layout.parts)) if n % 2}
    reading = read_parts(ontology, text * 30, layout, replies, decoding, LISTS)
    assert conform(ontology, reading.answers, len(text) * 30, complete=False) == []
    if len(layout.parts) > 1:
        # Of two samples one may have said that nothing fits.
        missing = {"no_reply"} if scorer == "self_consistency" else {"part_unread"}
        assert missing <= {p.code for p in reading.problems}
    for confidence in reading.confidence.values():
        assert confidence.value is None or 0.0 <= confidence.value <= 1.0


LABELS = (Label(id="PER", name="Person"), Label(id="LOC", name="Place"))
NER = Ontology(questions=(SpanQuestion(id="ner", name="Entities", labels=LABELS),))


def span(start: int, end: int, label: str = "PER", **more: Any) -> Span:
    return Span(id=f"{start}-{end}-{label}", start=start, end=end, label=label, **more)


def spans_of(
    pieces: list[tuple[int, int, list[Span]]], ontology: Ontology = NER
) -> list[tuple[int, int, str]]:
    made = tuple(
        Piece(start, end, Reading(answers=Answers.of({"ner": SpanAnswer(spans=tuple(found))})))
        for start, end, found in pieces
    )
    answer = merge(ontology, [Said(ontology, made)]).answers.get("ner")
    assert isinstance(answer, SpanAnswer)
    return [(s.start, s.end, s.label) for s in answer.spans]


def test_a_span_over_a_chunk_border_is_found_once() -> None:
    # "New York" at 95..103: whole in the second piece, cut to "New Y" in the first.
    assert spans_of([(0, 100, [span(95, 100)]), (90, 200, [span(5, 13)])]) == [(95, 103, "PER")]


def test_the_same_span_of_two_pieces_is_one_and_other_ones_stay() -> None:
    pieces = [(0, 100, [span(10, 14), span(92, 97)]), (90, 200, [span(2, 7), span(50, 54)])]
    assert spans_of(pieces) == [(10, 14, "PER"), (92, 97, "PER"), (140, 144, "PER")]


def test_a_span_only_one_piece_found_is_kept() -> None:
    assert spans_of([(0, 100, [span(92, 97)]), (90, 200, [])]) == [(92, 97, "PER")]


def test_where_pieces_disagree_the_verbatim_find_wins_and_the_other_is_reported() -> None:
    pieces = (
        Piece(
            0,
            100,
            Reading(answers=Answers.of({"ner": SpanAnswer(spans=(span(91, 96, "LOC", alignment="fuzzy"),))})),
        ),
        Piece(
            90, 200, Reading(answers=Answers.of({"ner": SpanAnswer(spans=(span(1, 6, alignment="exact"),))}))
        ),
    )
    reading = merge(NER, [Said(NER, pieces)])
    answer = reading.answers.get("ner")
    assert isinstance(answer, SpanAnswer) and [(s.start, s.label) for s in answer.spans] == [(91, "PER")]
    assert [p.code for p in reading.problems] == ["spans_overlap"]


# --- rules about the whole text ---------------------------------------------------------------------------------------

TOPIC = ChoiceQuestion(id="q", name="Topic", labels=(Label(id="a", name="A"), Label(id="b", name="B")))


def merged(question: Any, *said: tuple[int, Answer | None, float | None, dict[str, float] | None]) -> Reading:
    """(length, answer, confidence, distribution) of each piece."""
    ontology = Ontology(questions=(question,))
    pieces, at = [], 0
    for length, answer, value, distribution in said:
        sure = (
            {}
            if value is None
            else {"q": Confidence(value=value, scorer="label_trie", distribution=distribution)}
        )
        answers = Answers() if answer is None else Answers.of({"q": answer})
        pieces.append(Piece(at, at + length, Reading(answers=answers, confidence=sure)))
        at += length
    return merge(ontology, [Said(ontology, tuple(pieces))])


def a_label(*labels: str) -> ChoiceAnswer:
    return ChoiceAnswer(labels=labels)


def test_a_long_doubtful_text_yields_to_a_certain_piece_by_log_odds() -> None:
    reading = merged(
        TOPIC,
        (100, a_label("a"), 0.55, {"a": 0.55, "b": 0.45}),
        (100, a_label("b"), 0.99, {"a": 0.01, "b": 0.99}),
    )
    assert reading.answers.get("q") == a_label("b")
    sure = reading.confidence["q"]
    assert sure.scorer == "label_trie+parts" and sure.value is not None and 0.5 < sure.value < 0.99
    assert sure.distribution is not None and sum(sure.distribution.values()) == pytest.approx(1.0)


def test_pieces_without_confidence_vote_by_length_and_give_no_number() -> None:
    reading = merged(TOPIC, (300, a_label("a"), None, None), (100, a_label("b"), None, None))
    assert reading.answers.get("q") == a_label("a") and "q" not in reading.confidence


def test_pieces_that_abstain_do_not_count() -> None:
    reading = merged(TOPIC, (900, None, None, None), (100, a_label("b"), 0.8, {"b": 0.8, "a": 0.2}))
    assert reading.answers.get("q") == a_label("b")
    assert reading.confidence["q"].value == pytest.approx(0.8)


def test_a_certain_piece_never_outweighs_everything() -> None:
    said = [(100, a_label("a"), 0.9, {"a": 0.9, "b": 0.1})] * 20
    reading = merged(TOPIC, *said, (100, a_label("b"), 1.0, {"b": 1.0}))
    assert reading.answers.get("q") == a_label("a")


@pytest.mark.parametrize(("rule", "expected"), [("default", ("a", "b")), ("most", ("a",))])
def test_several_labels_hold_for_the_whole_when_they_hold_in_a_piece_or_in_most(
    rule: Any, expected: Any
) -> None:
    question = ChoiceQuestion(id="q", name="Tags", labels=TOPIC.labels, multiple=True, document_rule=rule)
    reading = merged(
        question,
        (300, a_label("a"), 0.9, {"a": 0.9, "b": 0.05}),
        (100, a_label("a", "b"), 0.8, {"a": 0.95, "b": 0.8}),
    )
    assert reading.answers.get("q") == a_label(*expected)
    value = reading.confidence["q"].value
    assert value is not None and 0.7 < value <= 0.95


@pytest.mark.parametrize(
    ("kind", "rule", "said", "expected"),
    [
        ("boolean", "default", [(900, False), (100, True)], True),
        ("boolean", "most", [(900, False), (100, True)], False),
        ("integer", "default", [(100, 1), (100, 2), (300, 4)], 4),
        ("integer", "median", [(100, 1), (100, 2), (100, 4)], 2),
        ("integer", "sum", [(100, 1), (100, 2), (100, 4)], 7),
        ("integer", "max", [(100, 1), (100, 9)], 9),
        ("number", "mean", [(100, 1.0), (300, 2.0)], 1.75),
    ],
)
def test_numbers_and_yes_or_no_follow_their_rule(kind: Any, rule: Any, said: Any, expected: Any) -> None:
    question = ScalarQuestion(id="q", name="N", type=kind, document_rule=rule)
    reading = merged(question, *((n, ScalarAnswer(value=v), 0.9, None) for n, v in said))
    assert reading.answers.get("q") == ScalarAnswer(value=expected)
    assert reading.confidence["q"].value is not None


@pytest.mark.parametrize(("rule", "expected"), [("default", "one"), ("join", "one\ntwo")])
def test_texts_are_the_first_or_all(rule: Any, expected: str) -> None:
    question = TextQuestion(id="q", name="Gist", document_rule=rule)
    said = [TextAnswer(text=each) for each in ("", "one", "two", "one")]
    reading = merged(question, *((10, each, None, None) for each in said))
    assert reading.answers.get("q") == TextAnswer(text=expected)


def test_a_rule_of_another_kind_of_question_is_refused() -> None:
    with pytest.raises(ValueError, match="document_rule"):
        TextQuestion(id="q", name="Gist", document_rule="sum")
    with pytest.raises(ValueError, match="document_rule"):
        ScalarQuestion(id="q", name="N", type="integer", document_rule="any")


def test_what_each_piece_said_is_kept_for_the_reviewer() -> None:
    reading = merged(TOPIC, (300, a_label("a"), 0.9, {"a": 0.9}), (100, a_label("b"), 0.6, {"b": 0.6}))
    assert [(p.start, p.end, p.answers.get("q"), p.confidence) for p in reading.pieces] == [
        (0, 300, a_label("a"), {"q": 0.9}), (300, 400, a_label("b"), {"q": 0.6}),
    ]  # fmt: skip


def test_a_piece_that_failed_is_said_to_be_missing_and_the_rest_stays() -> None:
    text = "Anna went to Paris. " * 60
    decoding = Decoding()
    layout = layout_of(NER, text, decoding, context=700)
    assert len(layout.parts) > 2
    good = '{"entities": [{"quote": "Anna", "type": "Person", "before": "", "after": "went"}]}'
    replies = {n: [Reply(text=good)] for n in range(len(layout.parts))}
    replies[1] = [no_reply("refused", "the filter said no", Usage(), 1)]
    reading = read_parts(NER, text, layout, replies, decoding)
    first = reading.problems[0]
    assert (
        first.code == "part_unread"
        and str(layout.parts[1].start) in first.message
        and "refused" in first.message
    )
    assert len(reading.answers) == 1


def test_conditions_hold_for_the_whole_text() -> None:
    asked = Ontology(
        questions=(
            TOPIC,
            TextQuestion(id="why", name="Why", depends_on=Condition(question="q", labels=("b",))),
        )
    )
    pieces = (
        Piece(0, 300, Reading(answers=Answers.of({"q": a_label("a")}))),
        Piece(300, 400, Reading(answers=Answers.of({"q": a_label("b"), "why": TextAnswer(text="so")}))),
    )
    reading = merge(asked, [Said(asked, pieces)])
    assert reading.answers.get("q") == a_label("a") and "why" not in reading.answers


# --- confidence without log-probabilities -----------------------------------------------------------------------------


def said(label: str | None) -> Reading:
    return Reading(answers=Answers() if label is None else Answers.of({"q": a_label(label)}))


def test_the_vote_share_is_the_confidence_and_unread_samples_agree_with_nothing() -> None:
    ontology = Ontology(questions=(TOPIC,))
    reading = vote(ontology, [said("a"), said("b"), said("a"), said(None), said("a")])
    assert reading.answers.get("q") == a_label("a")
    sure = reading.confidence["q"]
    assert (sure.value, sure.scorer) == (0.6, "self_consistency")
    assert sure.distribution == {"a": 0.6, "b": 0.2}


def test_mentions_most_samples_name_are_kept_with_their_share() -> None:
    def found(*spans: Span) -> Reading:
        return Reading(answers=Answers.of({"ner": SpanAnswer(spans=spans)}))

    reading = vote(
        NER, [found(span(0, 4), span(9, 15)), found(span(0, 4)), found(span(0, 5), span(20, 25, "LOC"))]
    )
    answer = reading.answers.get("ner")
    assert isinstance(answer, SpanAnswer)
    assert [(s.start, s.end, s.score) for s in answer.spans] == [(0, 4, 1.0)]
    # One of three named something else twice: that is how sure the list is.
    assert reading.confidence["ner"].value == pytest.approx(2 / 3)


def test_samples_differ_in_seed_and_in_the_order_of_labels_only() -> None:
    labels = tuple(Label(id=f"l{i}", name=f"Label {i}") for i in range(8))
    ontology = Ontology(questions=(ChoiceQuestion(id="q", name="Q", labels=labels),))
    decoding = Decoding(confidence="self_consistency", samples=3)
    layout = layout_of(ontology, "Hello.", decoding)
    assert [part.sample for part in layout.parts] == [0, 1, 2]
    asked = [
        ask_part(
            ontology,
            "Hello.",
            layout,
            n,
            template=DEFAULT_TEMPLATE,
            examples=[],
            model="m",
            decoding=decoding,
        )
        for n in range(3)
    ]
    assert [request.temperature for request in asked] == [0.7] * 3
    assert [request.seed for request in asked] == [0, 1, 2]
    assert all(request.top_logprobs == 0 for request in asked)
    orders = [
        [w for w in request.messages[0].content.split("\n") if w.startswith("- Label")] for request in asked
    ]
    assert sorted(orders[1]) == sorted(orders[0]) and orders[1] != orders[0]


def test_verbal_confidence_is_asked_for_and_named_for_what_it_is() -> None:
    ontology = Ontology(questions=(TOPIC, TextQuestion(id="t", name="Gist")))
    decoding = Decoding(confidence="verbal")
    layout = layout_of(ontology, "Hello.", decoding)
    request = ask_part(
        ontology, "Hello.", layout, 0, template=DEFAULT_TEMPLATE, decoding=decoding, model="m",
        examples=[Example(text="x", answers=Answers.of({"q": a_label("a")}))],
    )  # fmt: skip
    assert request.output_schema is not None
    assert list(request.output_schema["properties"]) == ["topic", "gist", "confidence"]
    assert '"confidence": {"topic": 90, "gist": 90}' in request.messages[2].content
    assert request.top_logprobs == 0
    reply = '{"topic": "B", "gist": "x", "confidence": {"topic": 72, "gist": "35%"}}'
    reading = read_parts(ontology, "Hello.", layout, {0: [Reply(text=reply)]}, decoding)
    assert {k: (c.value, c.scorer) for k, c in reading.confidence.items()} == {
        "q": (0.72, "verbal"), "t": (0.35, "verbal"),
    }  # fmt: skip
    assert reading.problems == ()


@pytest.mark.parametrize("sure", ["101", "-1", '"very"', "null", "[]"])
def test_what_is_no_percentage_is_reported_and_no_confidence(sure: str) -> None:
    ontology = Ontology(questions=(TOPIC,))
    reading = read(ontology, "x", [Reply(text=f'{{"topic": "A", "confidence": {sure}}}')], scorer="verbal")
    assert reading.confidence == {} and [p.code for p in reading.problems] == ["bad_confidence"]


def test_a_question_named_confidence_keeps_its_property() -> None:
    ontology = Ontology(questions=(ScalarQuestion(id="c", name="Confidence", minimum=0, maximum=9),))
    reading = read(
        ontology, "x", [Reply(text='{"confidence": 7, "certainty": {"confidence": 50}}')], scorer="verbal"
    )
    assert reading.answers.get("c") == ScalarAnswer(value=7)
    assert reading.confidence["c"].value == 0.5


def test_verbal_confidence_is_not_used_unless_it_was_asked_for() -> None:
    reading = read(
        Ontology(questions=(TOPIC,)), "x", [Reply(text='{"topic": "A", "confidence": {"topic": 99}}')]
    )
    assert reading.confidence == {}


def test_seed_top5_is_the_product_of_the_first_five_tokens() -> None:
    tokens = tuple(
        Token(token=word, logprob=-0.1, top=(TokenChance(token=word, logprob=-0.1),))
        for word in ['{"', "topic", '": "', "A", '"', "}"]
    )
    reply = Reply(text='{"topic": "A"}', tokens=tokens)
    reading = read(Ontology(questions=(TOPIC,)), "x", [reply], scorer="seed_top5")
    sure = reading.confidence["q"]
    assert sure.value == pytest.approx(0.6065, abs=1e-3) and sure.scorer == "seed_top5"


def test_wanted_log_probabilities_that_are_missing_are_reported() -> None:
    reading = read(Ontology(questions=(TOPIC,)), "x", [Reply(text='{"topic": "A"}')], scorer="logprobs")
    assert [p.code for p in reading.problems] == ["no_logprobs"] and reading.confidence == {}


def test_budgets_leave_room_for_prompt_and_answer() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 2_000
    for context in (1_024, 4_096, 16_384):
        for ontology in (NER, Ontology(questions=(TOPIC,))):
            decoding = Decoding()
            layout = layout_of(ontology, text, decoding, context)
            for number in (0, len(layout.parts) // 2, len(layout.parts) - 1):
                request = ask_part(
                    ontology, text, layout, number, template=DEFAULT_TEMPLATE, examples=[], model="m", decoding=decoding
                )  # fmt: skip
                from labelwright.prompting import estimate_tokens

                prompt = sum(estimate_tokens(m.content) + 4 for m in request.messages)
                assert prompt + request.max_tokens <= context
    whole = layout_of(Ontology(questions=(TOPIC,)), text, Decoding(), 128_000)
    assert len(whole.parts) == 1
