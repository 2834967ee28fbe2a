"""Nested labels, relations and links by example: what is asked, what models write instead, what it comes to."""

import json
from typing import Any

import pytest

from labelwright.core.answer import (
    NIL,
    Answers,
    ChoiceAnswer,
    Relation,
    RelationAnswer,
    Span,
    SpanAnswer,
)
from labelwright.core.exchange import Reply, Request, Token, TokenChance
from labelwright.core.knowledge import Entity, Knowledge
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, RelationQuestion, SpanQuestion
from labelwright.core.predictor import Decoding, Reading
from labelwright.prompting import DEFAULT_TEMPLATE, Example, ask, ideal_reply, read
from tests.prompting.made import LIST

TEXT = "Anna leads Acme in Paris. Bob leads Bolt. Anna met Bob."
PEOPLE = (Label(id="per", name="Person"), Label(id="org", name="Company"), Label(id="loc", name="Place"))
LEADS = (Label(id="leads", name="leads"), Label(id="owns", name="owns"))
SPANS = SpanQuestion(id="e", name="Entities", labels=PEOPLE)
RELATION = RelationQuestion(
    id="r", name="Relations", labels=LEADS, from_question="e", to_question="e", from_labels=("per",), to_labels=("org",)
)  # fmt: skip
RELATED = Ontology(questions=(SPANS, RELATION))
MENTIONS = [
    {"id": "E1", "quote": "Anna", "type": "Person", "before": "", "after": "leads Acme in"},
    {"id": "E2", "quote": "Acme", "type": "Company", "before": "", "after": ""},
    {"id": "E3", "quote": "Bob", "type": "Person", "before": "", "after": "leads Bolt."},
    {"id": "E4", "quote": "Bolt", "type": "Company", "before": "", "after": ""},
]


def asked(ontology: Ontology, text: str = TEXT, examples: tuple[Example, ...] = (), **more: Any) -> Request:
    (request,) = ask(
        ontology, text, template=DEFAULT_TEMPLATE, examples=examples, model="m", decoding=Decoding(), **more
    )
    return request


def related(relations: Any, mentions: Any = MENTIONS, ontology: Ontology = RELATED) -> Reading:
    return read(ontology, TEXT, [Reply(text=json.dumps({"entities": mentions, "relations": relations}))])


def triples(reading: Reading) -> list[tuple[str, str, str]]:
    spans, answer = reading.answers.get("e"), reading.answers.get("r")
    assert isinstance(spans, SpanAnswer) and isinstance(answer, RelationAnswer)
    words = {span.id: TEXT[span.start : span.end] for span in spans.spans}
    return [(words[r.from_id], r.label, words[r.to_id]) for r in answer.relations]


def codes(reading: Reading) -> list[tuple[str, str]]:
    return [(p.code, p.where) for p in reading.problems]


def test_mentions_carry_ids_that_relations_refer_to_and_the_schema_says_so() -> None:
    request = asked(RELATED)
    schema = request.output_schema
    assert schema is not None
    assert next(iter(schema["properties"]["entities"]["items"]["properties"])) == "id"
    pair = schema["properties"]["relations"]["items"]
    assert pair["required"] == ["head", "type", "tail"]
    assert pair["properties"]["type"]["enum"] == ["leads", "owns"]
    system = request.messages[0].content
    assert "`head` is the id of a mention in `entities` of type Person." in system
    assert "`tail` is the id of a mention in `entities` of type Company." in system
    # Without a relation nobody needs ids.
    alone = asked(Ontology(questions=(SPANS,))).output_schema
    assert alone is not None and "id" not in alone["properties"]["entities"]["items"]["properties"]


def test_relations_join_the_mentions_of_the_reply() -> None:
    reading = related(
        [{"head": "E1", "type": "leads", "tail": "E2"}, {"head": "E3", "type": "leads", "tail": "E4"}]
    )
    assert triples(reading) == [("Anna", "leads", "Acme"), ("Bob", "leads", "Bolt")]
    assert codes(reading) == []


@pytest.mark.parametrize(
    "said",
    [
        [["E1", "leads", "E2"]],
        [["E1", "E2", "leads"]],
        ["E1", "leads", "E2"],
        {"head": "E1", "type": "leads", "tail": "E2"},
        [{"subject": "e1", "predicate": "Leads", "object": "[E2]"}],
        [{"head": {"id": "E1", "quote": "Anna"}, "relation": "leads", "tail": {"id": "E2"}}],
        [{"head": "1", "type": "leads", "tail": "2"}],
        [{"head": "Anna", "type": "leads", "tail": "acme"}],
    ],
)
def test_other_ways_of_writing_a_relation_are_understood(said: Any) -> None:
    assert triples(related(said)) == [("Anna", "leads", "Acme")]


@pytest.mark.parametrize(
    ("said", "code", "where"),
    [
        ({"head": "E9", "type": "leads", "tail": "E2"}, "unknown_end", "r/relations/0/head"),
        ({"head": "E1", "type": "leads", "tail": "Zoe"}, "unknown_end", "r/relations/0/tail"),
        ({"head": "E2", "type": "leads", "tail": "E2"}, "wrong_end", "r/relations/0/head"),
        ({"head": "E1", "type": "leads", "tail": "E3"}, "wrong_end", "r/relations/0/tail"),
        ({"head": "E1", "type": "hates", "tail": "E2"}, "unknown_label", "r/relations/0/type"),
        ({"head": "E1", "tail": "E2"}, "abstained", "r/relations/0/type"),
        ({"head": "E1", "type": "leads"}, "missing_end", "r/relations/0/tail"),
        ("E1 leads E2", "not_a_relation", "r/relations/0"),
    ],
)
def test_what_is_no_relation_is_reported_at_its_place(said: Any, code: str, where: str) -> None:
    reading = related([said, {"head": "E3", "type": "leads", "tail": "E4"}])
    assert triples(reading) == [("Bob", "leads", "Bolt")]
    assert codes(reading) == [(code, where)]


def test_an_end_that_was_not_found_in_the_text_takes_its_relation_with_it() -> None:
    mentions = [*MENTIONS[:3], MENTIONS[3] | {"quote": "Zeppelin"}]
    reading = related([{"head": "E3", "type": "leads", "tail": "E4"}], mentions)
    assert triples(reading) == []
    assert codes(reading) == [("not_found", "e/spans/3"), ("unknown_end", "r/relations/0/tail")]


def test_words_that_occur_twice_name_no_end() -> None:
    mentions = [*MENTIONS, {"id": "E5", "quote": "Anna", "type": "Person", "before": "", "after": "met Bob."}]
    reading = related([{"head": "Anna", "type": "leads", "tail": "E2"}], mentions)
    assert codes(reading) == [("ambiguous_end", "r/relations/0/head")]


def test_without_a_direction_the_ends_may_come_in_any_order_but_each_pair_counts_once() -> None:
    question = RELATION.model_copy(update={"directed": False})
    both = [{"head": "E2", "type": "leads", "tail": "E1"}, {"head": "E1", "type": "leads", "tail": "E2"}]
    reading = related(both, ontology=Ontology(questions=(SPANS, question)))
    assert triples(reading) == [("Anna", "leads", "Acme")]
    assert codes(reading) == [("duplicate_relation", "r/relations/1")]


def test_a_relation_is_as_sure_as_its_least_sure_part() -> None:
    head = [("E1", -0.05), ("E3", -3.0)]
    kind = [("leads", -0.5), ("owns", -1.0)]
    listed = [each | {"before": "", "after": ""} for each in MENTIONS[:3]]
    mentions = json.dumps({"entities": listed})[:-1] + ', "relations": [{"head": "'
    pieces: list[tuple[str, list[tuple[str, float]]]] = [
        (mentions, []),
        ("E1", head), ('", "type": "', []), ("leads", kind), ('", "tail": "', []), ("E2", [("E2", 0.0)]), ('"}]}', []),
    ]  # fmt: skip
    tokens = tuple(
        Token(
            token=t, logprob=tops[0][1] if tops else 0.0, top=tuple(TokenChance(token=a, logprob=p) for a, p in tops)
        )
        for t, tops in pieces
    )  # fmt: skip
    reading = read(RELATED, TEXT, [Reply(text="".join(t for t, _ in pieces), tokens=tokens)])
    answer = reading.answers.get("r")
    assert isinstance(answer, RelationAnswer)
    # exp(-0.5) against exp(-1.0): the type is what the model doubted most.
    assert answer.relations[0].score == pytest.approx(0.6225, abs=1e-3)
    assert reading.confidence["r"].value == answer.relations[0].score
    assert reading.confidence["r"].scorer == "relation_min"


def test_a_correction_becomes_an_example_with_its_relations() -> None:
    spans = (
        Span(id="x", label="org", start=11, end=15),
        Span(id="y", label="per", start=0, end=4),
    )
    answers = Answers.of(
        {
            "e": SpanAnswer(spans=spans),
            "r": RelationAnswer(relations=(Relation(id="z", label="leads", from_id="y", to_id="x"),)),
        }
    )
    written = json.loads(ideal_reply(RELATED, answers, TEXT))
    assert written["relations"] == [{"head": "E1", "type": "leads", "tail": "E2"}]
    assert [each["quote"] for each in written["entities"]] == ["Anna", "Acme"]


# -- nested labels ----------------------------------------------------------------------------------------------------

TREE = (
    Label(id="animals", name="Animals", definition="Living things that move"),
    Label(id="dogs", name="Dogs", parent="animals"),
    Label(id="a-other", name="Other", parent="animals"),
    Label(id="plants", name="Plants"),
    Label(id="p-other", name="Other", parent="plants"),
)


def tree(**more: Any) -> Ontology:
    return Ontology(questions=(ChoiceQuestion(id="t", name="Topic", labels=TREE, **more),))


def test_nested_labels_are_listed_and_answered_with_their_paths() -> None:
    request = asked(tree())
    assert "- Animals > Dogs" in request.messages[0].content
    assert request.output_schema is not None
    assert request.output_schema["properties"]["topic"]["enum"] == [
        "Animals", "Animals > Dogs", "Animals > Other", "Plants", "Plants > Other", "__none__",
    ]  # fmt: skip
    leaves = asked(tree(leaves_only=True))
    assert leaves.output_schema is not None
    assert "Animals" not in leaves.output_schema["properties"]["topic"]["enum"]
    assert "Groups (no answers themselves):\n- Animals: Living things that move" in leaves.messages[0].content


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Animals > Dogs", "dogs"),
        ("dogs", "dogs"),
        ("animals/dogs", "dogs"),
        ("Animals → Other", "a-other"),
        ("Plants > Other", "p-other"),
        ("Other", "ambiguous_label"),
        ("Animals > Cats", "unknown_label"),
        ("Animals", "animals"),
    ],
)
def test_paths_and_last_names_are_understood_where_they_mean_one_label(said: str, wanted: str) -> None:
    reading = read(tree(), "x", [Reply(text=json.dumps({"topic": said}))])
    answer = reading.answers.get("t")
    found = answer.labels[0] if isinstance(answer, ChoiceAnswer) else reading.problems[0].code
    assert found == wanted


def test_a_group_is_no_answer_where_only_leaves_are() -> None:
    for said, multiple in (
        ("Animals", False),
        (["Animals"], False),
        (["Animals"], True),
        ({"Animals": True}, True),
    ):
        reply = Reply(text=json.dumps({"topic": said}))
        reading = read(tree(leaves_only=True, multiple=multiple), "x", [reply])
        assert "t" not in reading.answers
        assert "not_a_leaf" in {p.code for p in reading.problems}


# -- links ------------------------------------------------------------------------------------------------------------

LINKED = Ontology(questions=(SPANS.model_copy(update={"knowledge": LIST}),))
ENTITIES = [
    Entity(id="Q90", name="Paris", description="capital of France"),
    Entity(id="Q167646", name="Paris", description="son of Priam"),
    Entity(id="Q1", name="Acme Corporation", aliases=("Acme",)),
    Entity(id="Q2", name="Berlin"),
]
LISTS = {LIST: Knowledge(ENTITIES)}


def test_the_entities_a_text_may_mention_are_listed_after_it() -> None:
    request = asked(LINKED, lists=LISTS)
    assert request.messages[-1].content.endswith(
        "Known entities that the text may mention:\n0. none of these\n1. Acme Corporation [Q1] (also Acme)\n"
        "2. Paris [Q90]: capital of France\n3. Paris [Q167646]: son of Priam"
    )
    assert request.output_schema is not None
    items = request.output_schema["properties"]["entities"]["items"]
    assert items["properties"]["link"] == {"type": "integer", "enum": [0, 1, 2, 3]}


@pytest.mark.parametrize(
    ("said", "link", "problems"),
    [
        (2, "Q90", []),
        ("3", "Q167646", []),
        (0, NIL, []),
        ("Q90", "Q90", []),
        ("id:Q2", "Q2", []),
        ("none", NIL, []),
        (None, None, []),
        (4, None, ["unknown_entity"]),
        ("Rome", None, ["unknown_entity"]),
        # Two entities of that name: not guessed.
        ("Paris", None, ["unknown_entity"]),
    ],
)
def test_a_number_a_known_id_or_nothing(said: Any, link: str | None, problems: list[str]) -> None:
    mention = {"quote": "Paris", "type": "Place", "before": "", "after": "", "link": said}
    reading = read(LINKED, TEXT, [Reply(text=json.dumps({"entities": [mention]}))], LISTS)
    answer = reading.answers.get("e")
    assert isinstance(answer, SpanAnswer)
    assert [span.link for span in answer.spans] == [link]
    assert [p.code for p in reading.problems] == problems


def test_examples_show_the_candidates_their_numbers_come_from() -> None:
    span = Span(id="s", label="loc", start=3, end=8, link="Q167646")
    example = Example(text="In Paris", answers=Answers.of({"e": SpanAnswer(spans=(span,))}))
    messages = asked(LINKED, examples=(example,), lists=LISTS).messages
    assert "2. Paris [Q167646]: son of Priam" in messages[1].content
    assert json.loads(messages[2].content)["entities"][0]["link"] == 2
