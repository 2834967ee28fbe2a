"""What models write instead of what they were asked, one line per kind."""

import pytest

from labelwright.core.answer import ChoiceAnswer, ScalarAnswer, SpanAnswer, TextAnswer
from labelwright.core.exchange import Reply
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Reading
from labelwright.prompting import read

SENTIMENT = Ontology(
    questions=(
        ChoiceQuestion(
            id="s",
            name="Sentiment",
            labels=(
                Label(id="pos", name="positive", synonyms=("favourable",)),
                Label(id="neg", name="negative"),
                Label(id="mix", name="mixed_feelings"),
                Label(id="old", name="neutral", retired=True),
            ),
        ),
    )
)
STARS = Ontology(questions=(ScalarQuestion(id="r", name="Rating", minimum=1, maximum=5),))
SHARE = Ontology(questions=(ScalarQuestion(id="r", name="Share", type="number", minimum=0, maximum=1),))
SPAM = Ontology(questions=(ScalarQuestion(id="b", name="Spam", type="boolean"),))
GIST = Ontology(questions=(TextQuestion(id="t", name="Summary", max_length=40),))
TAGS = Ontology(
    questions=(
        ChoiceQuestion(
            id="m",
            name="Tags",
            multiple=True,
            labels=(
                Label(id="toxic", name="Toxic"),
                Label(id="spam", name="Spam"),
                Label(id="ad", name="Advert, paid"),
            ),
        ),
    )
)
NER = Ontology(
    questions=(
        SpanQuestion(
            id="e", name="Entities", labels=(Label(id="PER", name="Person"), Label(id="LOC", name="Place"))
        ),
    )
)
TWO = Ontology(questions=(*SENTIMENT.questions, *STARS.questions))
TEXT = "Anna met Bob in Paris. Bob left."


def said(ontology: Ontology, reply: str, finish: str = "stop") -> Reading:
    return read(ontology, TEXT, [Reply(text=reply, finish=finish)])


def codes(reading: Reading) -> set[str]:
    return {problem.code for problem in reading.problems}


@pytest.mark.parametrize(
    ("reply", "label", "noted"),
    [
        ('{"sentiment": "positive"}', "pos", set()),
        ('```json\n{"sentiment": "positive"}\n```', "pos", set()),
        ('```\n{"sentiment": "positive"}', "pos", set()),
        ('Sure! Here it is:\n{"sentiment": "positive"}\nHope this helps.', "pos", set()),
        ("{'sentiment': 'positive'}", "pos", set()),
        ('{"sentiment": "positive",}', "pos", set()),
        ("{sentiment: positive}", "pos", set()),
        ('{"sentiment" "positive"}', "pos", {"label_in_prose"}),
        ('{"sentiment": "positive"', "pos", {"cut_reply"}),
        ('{"sentiment": "posit', None, {"cut_reply"}),
        ('{"sentiment": "POSITIVE"}', "pos", set()),
        ('{"sentiment": " Positive. "}', "pos", set()),
        ('{"sentiment": "pos"}', "pos", set()),
        ('{"sentiment": "Favourable"}', "pos", set()),
        ('{"sentiment": "mixed feelings"}', "mix", set()),
        ('{"sentiment": "mixed-feelings"}', "mix", set()),
        ('{"sentiment": "mixed_feeling"}', "mix", {"fuzzy_label"}),
        ('{"sentiment": "posative"}', None, {"unknown_label"}),
        ('{"sentiment": "neutral"}', None, {"retired_label"}),
        ('{"sentiment": "happy"}', None, {"unknown_label"}),
        ('{"sentiment": "__none__"}', None, {"abstained"}),
        ('{"sentiment": null}', None, {"abstained"}),
        ('{"sentiment": None}', None, {"abstained"}),
        ('{"sentiment": ""}', None, {"abstained"}),
        ('{"sentiment": ["positive"]}', "pos", set()),
        ('{"sentiment": ["positive", "negative"]}', None, {"too_many_labels"}),
        ('{"sentiment": {"label": "positive", "score": 0.9}}', "pos", set()),
        ('{"answer": "positive"}', "pos", set()),
        ('{"answer": {"sentiment": "positive"}}', "pos", set()),
        ('[{"sentiment": "positive"}]', "pos", set()),
        ('[{"question": "Sentiment", "answer": "positive"}]', "pos", set()),
        ('{"Sentiment": "positive"}', "pos", set()),
        ('{"s": "positive"}', "pos", set()),
        ('{"sentiment": "negative", "sentiment": "positive"}', "pos", {"duplicate_key"}),
        ('{"sentiment": "positive", "mood": "good"}', "pos", {"ignored_key"}),
        ('{"reason": "she said "great" twice", "sentiment": "positive"}', "pos", set()),
        ('{"reason": "line\none\ttab", "sentiment": "positive"}', "pos", set()),
        ('{"reason": "C:\\new \\d", "sentiment": "positive"}', "pos", set()),
        ('// my answer\n{"sentiment": /* sure */ "positive"} // done', "pos", set()),
        ("positive", "pos", set()),
        ('"positive"', "pos", set()),
        ("**Positive**", "pos", set()),
        ("Label: positive", "pos", set()),
        ("The answer is positive.", "pos", set()),
        ("sentiment = positive", "pos", set()),
        ("I would call this positive overall", "pos", {"label_in_prose"}),
        ("This is not positive", None, {"unknown_label"}),
        ("positive or negative", None, {"unknown_label"}),
        ("<think>negative? no. {\"sentiment\": \"negative\"}</think>\n{\"sentiment\": \"positive\"}", "pos", set()),
        ("<think>negative, I think", None, {"cut_reply", "unreadable_reply"}),
        ("I'm sorry, but I can't help with that.", None, {"refused"}),
        ("", None, {"unreadable_reply"}),
        ("\ufeff{“sentiment”: “positive”}", "pos", set()),
        ('{"sentiment": NaN}', None, {"abstained"}),
        ('{"sentiment": 1}', None, {"unknown_label"}),
        ('{"sentiment": "positive"}{"sentiment": "negative"}', "pos", set()),
        ("[" * 5_000 + '{"sentiment": "positive"}' + "]" * 5_000, None, {"too_deep", "unreadable_reply", "missing_answer"}),
        ("\x00\x01{\"sentiment\": \"positive\"}", "pos", set()),
    ],
)  # fmt: skip
def test_a_single_choice(reply: str, label: str | None, noted: set[str]) -> None:
    reading = said(SENTIMENT, reply)
    answer = reading.answers.get("s")
    assert answer == (ChoiceAnswer(labels=(label,)) if label else None)
    assert codes(reading) <= noted
    assert bool(codes(reading)) == bool(noted)


@pytest.mark.parametrize(
    ("ontology", "reply", "value", "code"),
    [
        (STARS, '{"rating": 4}', 4, None),
        (STARS, '{"rating": "4"}', 4, None),
        (STARS, '{"rating": 4.0}', 4, None),
        (STARS, '{"rating": "4/5"}', 4, None),
        (STARS, '{"rating": 4/5}', 4, None),
        (STARS, '{"rating": "4 out of 5 stars"}', 4, None),
        (STARS, '{"rating": "four"}', 4, None),
        (STARS, '{"rating": "4 stars"}', 4, None),
        (STARS, "4", 4, None),
        (STARS, "Rating: 4/5", 4, None),
        (STARS, '{"rating": "8/10"}', None, "not_a_number"),
        (STARS, '{"rating": 4.5}', None, "not_an_integer"),
        (STARS, '{"rating": 6}', None, "out_of_bounds"),
        (STARS, '{"rating": "3-4"}', None, "not_a_number"),
        (STARS, '{"rating": NaN}', None, "not_a_number"),
        (STARS, '{"rating": Infinity}', None, "not_a_number"),
        (STARS, '{"rating": 1e999}', None, "not_a_number"),
        (STARS, '{"rating": ' + "9" * 5000 + "}", None, "not_a_number"),
        (STARS, '{"rating": true}', None, "wrong_kind"),
        (STARS, '{"rating": "good"}', None, "not_a_number"),
        (STARS, '{"rating": [4]}', 4, None),
        (STARS, '{"rating": [4, 5]}', None, "wrong_kind"),
        (STARS, '{"rating": null}', None, "abstained"),
        (STARS, '{"rating": 4', None, "cut_reply"),
        (SHARE, '{"share": 0.25}', 0.25, None),
        (SHARE, '{"share": "25%"}', 0.25, None),
        (SHARE, '{"share": "1/4"}', 0.25, None),
        (SHARE, '{"share": "1,000"}', None, "out_of_bounds"),
        (SPAM, '{"spam": true}', True, None),
        (SPAM, '{"spam": "Yes"}', True, None),
        (SPAM, '{"spam": False}', False, None),
        (SPAM, '{"spam": 0}', False, None),
        (SPAM, "Yes.", True, None),
        (SPAM, "No, it is a letter.", False, None),
        (STARS, "**Rating**: 4", 4, None),
        (SPAM, '{"spam": "maybe"}', None, "not_a_boolean"),
    ],
)
def test_a_scalar(ontology: Ontology, reply: str, value: float | None, code: str | None) -> None:
    reading = said(ontology, reply)
    answer = reading.answers.get(ontology.questions[0].id)
    assert answer == (None if value is None else ScalarAnswer(value=value))
    assert code is None or code in codes(reading)
    assert code is not None or codes(reading) == set()


@pytest.mark.parametrize(
    ("reply", "text", "code"),
    [
        ('{"summary": "Two people met."}', "Two people met.", None),
        ('{"summary": "They said "hi" and left."}', 'They said "hi" and left.', None),
        ('{"summary": "a, "b", c"}', 'a, "b", c', None),
        ('{"summary": "caf\\u00e9 \\ud83d\\ude00 \\ud83d"}', "café 😀 \N{REPLACEMENT CHARACTER}", None),
        ('{"summary": ""}', "", None),
        ('{"text": "Two people met."}', "Two people met.", None),
        ("Two people met.", "Two people met.", None),
        ('{"summary": "' + "x" * 41 + '"}', None, "too_long"),
        ('{"summary": "Two peo', None, "cut_reply"),
        ('{"summary": ["a", "b"]}', None, "wrong_kind"),
    ],
)
def test_a_text(reply: str, text: str | None, code: str | None) -> None:
    reading = said(GIST, reply)
    assert reading.answers.get("t") == (None if text is None else TextAnswer(text=text))
    assert code is None or code in codes(reading)


@pytest.mark.parametrize(
    ("reply", "labels", "noted"),
    [
        ('{"tags": {"toxic": true, "spam": false, "advert_paid": false}}', ("toxic",), set()),
        ('{"toxic": true, "spam": false, "advert_paid": true}', ("toxic", "ad"), set()),
        ('{"tags": {"Toxic": "yes", "Spam": 0, "Advert, paid": "false"}}', ("toxic",), set()),
        ('{"tags": {"toxic": true, "spam": false}}', ("toxic",), {"missing_label"}),
        (
            '{"tags": {"toxic": "maybe", "spam": false, "advert_paid": false}}',
            (),
            {"not_a_boolean", "missing_label"},
        ),
        (
            '{"tags": {"toxic": true, "spam": false, "advert_paid": false, "rude": true}}',
            ("toxic",),
            {"unknown_label"},
        ),
        ('{"tags": ["Spam", "Toxic"]}', ("toxic", "spam"), set()),
        ('{"tags": []}', (), set()),
        ('{"tags": ["__none__"]}', (), set()),
        ('{"tags": "Spam, toxic"}', ("toxic", "spam"), set()),
        ('{"tags": "Advert, paid"}', ("ad",), set()),
        ('{"tags": ["Rude"]}', None, {"unknown_label"}),
        ('{"tags": null}', None, {"abstained"}),
        ('{"tags": {"toxic": true, "spam": fal', None, {"cut_reply"}),
        ("Spam", ("spam",), set()),
    ],
)
def test_several_labels(reply: str, labels: tuple[str, ...] | None, noted: set[str]) -> None:
    reading = said(TAGS, reply)
    assert reading.answers.get("m") == (None if labels is None else ChoiceAnswer(labels=labels))
    assert codes(reading) == noted


ANNA, BOB, BOB2, PARIS = (0, 4, "PER"), (9, 12, "PER"), (23, 26, "PER"), (16, 21, "LOC")


@pytest.mark.parametrize(
    ("reply", "spans", "noted"),
    [
        ('{"entities": [{"quote": "Anna", "type": "Person", "before": "", "after": ""}]}', [ANNA], set()),
        ('{"entities": [{"quote": "Bob", "type": "Person", "before": "Paris.", "after": "left"}]}', [BOB2], set()),
        ('{"entities": [{"quote": "Bob", "type": "Person"}, {"quote": "Bob", "type": "Person"}]}', [BOB, BOB2], set()),
        ('{"entities": [{"text": "Anna", "label": "person"}, {"entity": "Paris", "class": "LOC"}]}', [ANNA, PARIS], set()),
        ('{"entities": [{"entity": "PER", "word": "Anna"}]}', [ANNA], set()),
        ('[{"quote": "Anna", "type": "Person"}]', [ANNA], set()),
        ('[["Anna", "Person"], ["Paris", "Place", 4, 4]]', [ANNA, PARIS], set()),
        ("[('Anna', 'Person'), ('Paris', 'Place')]", [ANNA, PARIS], set()),
        ('{"Person": ["Anna", "Bob"], "Place": ["Paris"]}', [ANNA, BOB, PARIS], set()),
        ('{"entities": {"Anna": "Person"}}', [ANNA], set()),
        ('{"entities": ["Anna (Person)", "Place: Paris"]}', [ANNA, PARIS], set()),
        ("Anna (Person)\nParis (Place)", [ANNA, PARIS], set()),
        ("Here is the answer:\n\n1. Anna (Person)\n2. Paris (Place)", [ANNA, PARIS], set()),
        ("- Anna: Person\n- Paris: Place", [ANNA, PARIS], set()),
        ('{"entities": []}', [], set()),
        ("[]", [], set()),
        ("no entities", [], set()),
        ("There are no named entities in the text.", [], set()),
        ('{"entities": "none"}', [], set()),
        (TEXT, [], set()),
        ('<span class="Person">Anna</span> met Bob in <span class="Place">Paris</span>. Bob left.', [ANNA, PARIS], set()),
        ('{"entities": [{"quote": "Zoe", "type": "Person"}, {"quote": "Anna", "type": "Person"}]}', [ANNA], {"not_found"}),
        ('{"entities": [{"quote": "Anna", "type": "Robot"}]}', [], {"unknown_label"}),
        ('{"entities": [{"quote": "Anna"}]}', [], {"unknown_label"}),
        ('{"entities": [{"type": "Person"}]}', [], {"missing_quote"}),
        ('{"entities": [{"quote": "", "type": "Person"}]}', [], {"missing_quote"}),
        ('{"entities": [{"quote": "Anna", "type": "Person"}, {"quote": "Anna", "type": "Person"}]}', [ANNA], {"repeated_mention"}),
        ('{"entities": [{"quote": "Anna met", "type": "Person"}, {"quote": "Anna", "type": "Place"}]}', [(0, 8, "PER")], {"spans_overlap"}),
        ('{"entities": [{"quote": "Anna", "type": "Person"}, {"quote": "Par', [ANNA], {"cut_reply"}),
        ('{"entities": [{"quote": "Anna", "type": "Person"}', [ANNA], {"cut_reply"}),
        ('{"entities": [{"quote": "An', None, {"cut_reply"}),
        ('{"entities": [', None, {"cut_reply"}),
        ("I cannot assist with this request.", None, {"refused"}),
    ],
)  # fmt: skip
def test_mentions(reply: str, spans: list[tuple[int, int, str]] | None, noted: set[str]) -> None:
    reading = said(NER, reply)
    answer = reading.answers.get("e")
    got = [(s.start, s.end, s.label) for s in answer.spans] if isinstance(answer, SpanAnswer) else None
    assert got == (sorted(spans) if spans is not None else None)
    assert codes(reading) == noted


@pytest.mark.parametrize(
    "reply",
    [
        "Sentiment: positive\nRating: 4",
        "**Sentiment:** positive\n**Rating:** 4/5",
        '{"sentiment": "positive"}\n{"rating": 4}',
        '[{"question": "Sentiment", "answer": "positive"}, {"question": "Rating", "answer": 4}]',
        '{"result": {"sentiment": "positive", "rating": "4"}}',
        '{"example": {"sentiment": "negative"}}\nFinal: {"sentiment": "positive", "rating": 4}',
    ],
)
def test_two_questions_in_one_reply(reply: str) -> None:
    reading = said(TWO, reply)
    assert reading.answers.get("s") == ChoiceAnswer(labels=("pos",))
    assert reading.answers.get("r") == ScalarAnswer(value=4)
    assert codes(reading) == set()


def test_a_question_left_out_is_reported() -> None:
    reading = said(TWO, '{"sentiment": "positive"}')
    assert [(p.where, p.code) for p in reading.problems] == [("r", "missing_answer")]


@pytest.mark.parametrize("finish", ["length", "max_tokens"])
def test_a_reply_at_its_length_limit_is_no_label_even_when_it_looks_whole(finish: str) -> None:
    reading = said(SENTIMENT, '{"sentiment": "positive"}          ', finish)
    assert len(reading.answers) == 0
    assert codes(reading) == {"cut_reply"}


def test_a_list_at_its_length_limit_keeps_whole_mentions() -> None:
    reading = said(NER, '{"entities": [{"quote": "Anna", "type": "Person"}, {"quote": "Bob", "ty', "length")
    answer = reading.answers.get("e")
    assert isinstance(answer, SpanAnswer) and [s.start for s in answer.spans] == [0]
    assert codes(reading) == {"cut_reply"}


@pytest.mark.parametrize("finish", ["refused", "content_filter"])
def test_a_refused_reply_is_no_label(finish: str) -> None:
    reading = said(SENTIMENT, '{"sentiment": "positive"}', finish)
    assert len(reading.answers) == 0
    assert codes(reading) == {"refused"}


def test_no_reply_at_all_is_a_problem() -> None:
    assert codes(read(SENTIMENT, TEXT, [])) == {"no_reply"}


HUGE = 300_000


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "unit",
    ["{", "[", '"', "'", '{"a":', "[1,", '{"sentiment":"x",', '","', "\\", "\\u", " ", "\n", "/*", "//", "<span ", "@@", "(a) ",
     "<think>", "</think>", "a: b\n", '{"entities":[{"quote":"Anna","type":"Person"},', "[[", "{}", "```", "4/5 ", "- ", "“", "a(",
     '" ', '"\n"', "<span class=", "no ", "', '", '": "', "#", "positive ",
     '<span class="Person">Anna</span>', '<span class="Person">', "@@Anna## ", "<Person>a</Person>", '{"quote":"a","before":"b"},'],
)  # fmt: skip
def test_huge_input_is_read_to_its_end(unit: str) -> None:
    """A reader that takes time in the square of the input would not come back."""
    for ontology in (SENTIMENT, NER, TWO):
        reading = read(ontology, TEXT, [Reply(text=unit * (HUGE // len(unit)))])
        assert reading.problems or reading.answers
