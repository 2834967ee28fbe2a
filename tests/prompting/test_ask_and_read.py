"""What is sent for an ontology, and what the expected reply comes to."""

import json

from labelwright.core.answer import (
    Answers,
    ChoiceAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
    same_meaning,
)
from labelwright.core.exchange import Reply, Request
from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Decoding
from labelwright.core.project import PromptTemplate
from labelwright.prompting import (
    DEFAULT_TEMPLATE,
    Example,
    ask,
    check_template,
    estimate_tokens,
    ideal_reply,
    read,
)

ONTOLOGY = Ontology(
    guideline="Judge the text only.",
    questions=(
        ChoiceQuestion(
            id="topic",
            name="Topic",
            labels=(
                Label(id="sp", name="Sports", definition="Games and matches."),
                Label(id="po", name="Politics", synonyms=("government",)),
                Label(id="old", name="Weather", retired=True),
            ),
        ),
        ChoiceQuestion(
            id="kind",
            name="Kind of sport",
            labels=(Label(id="ball", name="Ball game"), Label(id="race", name="Race")),
            depends_on=Condition(question="topic", labels=("sp",)),
        ),
        ChoiceQuestion(
            id="tags",
            name="Tags",
            multiple=True,
            labels=(Label(id="a", name="Hate speech"), Label(id="b", name="Spam")),
        ),
        ScalarQuestion(id="stars", name="Rating", minimum=1, maximum=5),
        TextQuestion(id="gist", name="Summary", retired=True),
        TextQuestion(id="short", name="Gist"),
        SpanQuestion(
            id="ner", name="Entities", labels=(Label(id="PER", name="Person"), Label(id="LOC", name="Place"))
        ),
    ),
)
TEXT = "Anna met Bob in Paris. Bob left </text> Paris."
ANSWERS = Answers.of(
    {
        "topic": ChoiceAnswer(labels=("sp",)),
        "kind": ChoiceAnswer(labels=("race",)),
        "tags": ChoiceAnswer(labels=("b",)),
        "stars": ScalarAnswer(value=4),
        "short": TextAnswer(text='They "met".'),
        "ner": SpanAnswer(
            spans=(Span(id="x", label="PER", start=23, end=26), Span(id="y", label="LOC", start=16, end=21))
        ),
    }
)


def asked(
    text: str = TEXT, template: PromptTemplate = DEFAULT_TEMPLATE, examples: tuple[Example, ...] = ()
) -> Request:
    (request,) = ask(ONTOLOGY, text, template=template, examples=examples, model="m", decoding=Decoding())
    return request


def test_the_ideal_reply_reads_back_to_the_same_answers() -> None:
    reading = read(ONTOLOGY, TEXT, [Reply(text=ideal_reply(ONTOLOGY, ANSWERS, TEXT))])
    assert reading.problems == ()
    for question in ONTOLOGY.active_questions:
        assert same_meaning(reading.answers.get(question.id), ANSWERS.get(question.id))


def test_the_text_stands_verbatim_within_a_fence_that_it_does_not_contain() -> None:
    last = asked().messages[-1].content
    assert last == f"<text-1>\n{TEXT}\n</text-1>"
    assert asked("plain").messages[-1].content == "<text>\nplain\n</text>"


def test_a_text_with_field_names_in_braces_is_never_filled_in() -> None:
    text = "say {format} and {questions} and {text}"
    request = asked(text, PromptTemplate(system="{questions} {format}", user="{fields}{text} {nonsense}"))
    assert request.messages[-1].content == f"<text>\n{text}\n</text> {{nonsense}}"


def test_retired_questions_and_labels_are_not_asked() -> None:
    request = asked()
    assert "Weather" not in request.messages[0].content
    assert request.output_schema is not None
    assert list(request.output_schema["properties"]) == [
        "topic",
        "kind_of_sport",
        "tags",
        "rating",
        "gist",
        "entities",
    ]


def test_definitions_synonyms_and_conditions_stand_in_the_prompt() -> None:
    system = asked().messages[0].content
    assert "- Sports: Games and matches." in system
    assert "- Politics (also called government)" in system
    assert 'Answer this only if "Topic" is "Sports"' in system
    assert "Judge the text only." in system


def test_every_property_of_the_schema_is_required_and_nothing_is_added() -> None:
    def check(schema: object) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                assert schema["required"] == list(schema["properties"])
            assert not {"pattern", "minLength", "maxLength", "format"} & set(schema)
            for value in schema.values():
                check(value)
        elif isinstance(schema, list):
            for value in schema:
                check(value)

    check(asked().output_schema)


def test_examples_come_as_turns_in_the_output_format() -> None:
    request = asked(examples=(Example(text=TEXT, answers=ANSWERS),))
    assert [m.role for m in request.messages] == ["system", "user", "assistant", "user"]
    shown = json.loads(request.messages[2].content)
    assert shown["topic"] == "Sports"
    assert shown["tags"] == {"hate_speech": False, "spam": True}
    assert shown["entities"][1]["quote"] == "Bob"
    assert shown["entities"][1]["before"] != ""


def test_a_question_ruled_out_by_another_answer_is_not_answered() -> None:
    reply = '{"topic": "Politics", "kind_of_sport": "Race", "tags": {"hate_speech": false, "spam": false}, "rating": 2, '
    reading = read(ONTOLOGY, TEXT, [Reply(text=reply + '"gist": "x", "entities": []}')])
    assert "kind" not in reading.answers
    assert [(p.where, p.code) for p in reading.problems] == [("kind", "not_asked")]
    reading = read(
        ONTOLOGY, TEXT, [Reply(text=(reply + '"gist": "x", "entities": []}').replace("Race", "__none__"))]
    )
    assert reading.problems == ()


def test_a_template_is_checked_for_unknown_and_missing_fields() -> None:
    assert check_template(DEFAULT_TEMPLATE) == []
    problems = check_template(PromptTemplate(system="{questions} {labels}", user="Label this: {txt}"))
    assert {(p.where, p.code) for p in problems} == {
        ("system", "unknown_field"),
        ("system", "missing_field"),
        ("user", "unknown_field"),
        ("user", "missing_field"),
    }


def test_a_label_is_never_taken_for_its_opposite() -> None:
    ontology = Ontology(
        questions=(
            ChoiceQuestion(
                id="q",
                name="Content",
                labels=tuple(
                    Label(id=f"l{i}", name=name)
                    for i, name in enumerate(
                        ("not toxic content", "unacceptable wording", "plan 2018", "increase in cost")
                    )
                ),
            ),
        )
    )
    for said in ("toxic content", "acceptable wording", "plan 2019", "decrease in cost"):
        reading = read(ontology, "x", [Reply(text=json.dumps({"content": said}))])
        assert len(reading.answers) == 0, said
        assert [p.code for p in reading.problems] == ["unknown_label"]


def test_of_a_very_large_set_of_labels_those_most_like_the_text_are_listed_with_it() -> None:
    labels = tuple(Label(id=f"l{i}", name=f"Label number {i}") for i in range(501))
    labels += (Label(id="bank", name="Finance", definition="Banks, loans and savings"),)
    ontology = Ontology(questions=(ChoiceQuestion(id="q", name="Code", labels=labels),))
    text = "The banking crisis hit number 477."
    (request,) = ask(ontology, text, template=DEFAULT_TEMPLATE, examples=[], model="m", decoding=Decoding())
    assert request.output_schema is not None
    assert request.output_schema["properties"]["code"] == {"type": "string"}
    system, last = request.messages[0].content, request.messages[-1].content
    assert "There are 502 labels. The 200 that are most like a text are listed after it" in system
    assert "- Label number" not in system
    listed = [line for line in last.splitlines() if line.startswith("- ")]
    assert len(listed) == 200
    assert "- Label number 477" in listed and "- Finance: Banks, loans and savings" in listed
    # A label that was not listed may be answered all the same.
    unlisted = next(x for x in labels if f"- {x.name}" not in listed and x.id != "bank")
    reading = read(ontology, text, [Reply(text=json.dumps({"code": unlisted.name}))])
    assert reading.answers.get("q") == ChoiceAnswer(labels=(unlisted.id,))
    reading = read(ontology, "x", [Reply(text='{"code": "label number 500"}')])
    assert reading.answers.get("q") == ChoiceAnswer(labels=("l500",))


def test_metadata_stands_before_the_text_and_cannot_break_out() -> None:
    template = PromptTemplate(system="{questions}{format}", user="{fields}{text}")
    (request,) = ask(
        ONTOLOGY, "Hello", template=template, examples=[], model="m", decoding=Decoding(),
        fields={"author": "A\n</text>", "year": 2020, "none": None},
    )  # fmt: skip
    assert request.messages[-1].content == (
        "<fields>\nauthor: A ‹/text›\nyear: 2020\n</fields>\n\n<text-1>\nHello\n</text-1>"
    )


def test_token_estimates_grow_with_the_text_and_are_near_the_usual_counts() -> None:
    assert estimate_tokens("") == 0
    prose = "The quick brown fox jumps over the lazy dog near the river bank."
    assert 13 <= estimate_tokens(prose) <= 18
    assert 4 <= estimate_tokens("東京大学") <= 5
    assert estimate_tokens("1234567") == 3
    assert estimate_tokens(prose * 2) > estimate_tokens(prose)


def test_the_first_problem_says_why_there_is_no_answer() -> None:
    ontology = Ontology(questions=ONTOLOGY.questions[:1])
    reading = read(ontology, "x", [Reply(text='{"mood": "good", "topic": "Cooking"}')])
    assert [p.code for p in reading.problems] == ["unknown_label", "ignored_key"]
