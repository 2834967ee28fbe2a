"""A real llama.cpp server accepts every schema, and what its grammar lets through is read without a problem."""

from labelwright.core.answer import SpanAnswer
from labelwright.core.conform import conform
from labelwright.core.errors import ProviderError
from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    Question,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Decoding
from labelwright.prompting import DEFAULT_TEMPLATE, ask, read
from labelwright.providers import Endpoint, Pool, Privacy

TEXT = "Anna met Bob."
TWO = (Label(id="a", name="Hate speech"), Label(id="b", name="Größe"))
QUESTIONS: tuple[Question, ...] = (
    ChoiceQuestion(id="one", name="Topic", labels=TWO),
    ChoiceQuestion(id="tags", name="Tags", labels=TWO, multiple=True, required=False),
    ChoiceQuestion(
        id="many",
        name="Many",
        multiple=True,
        labels=tuple(Label(id=f"l{i}", name=f"Label {i}") for i in range(45)),
    ),
    ScalarQuestion(id="yes", name="Spam?", type="boolean", required=False),
    ScalarQuestion(id="stars", name="Rating", minimum=1, maximum=5, required=False),
    ScalarQuestion(id="open", name="Price", type="number"),
    TextQuestion(id="gist", name="Gist"),
    SpanQuestion(id="ner", name="Entities", labels=TWO),
)


def answered(url: str, pool: Pool, ontology: Ontology) -> None:
    decoding = Decoding(max_tokens=400, structured="json_schema")
    (request,) = ask(ontology, TEXT, template=DEFAULT_TEMPLATE, examples=[], model="tiny", decoding=decoding)
    try:
        reply = pool.ask_one(Endpoint(url), request, privacy=Privacy())
    except ProviderError as error:
        # The server took the schema, but random weights ran into the limit and it will not hand out half a JSON text.
        if "does not match the expected" not in error.message:
            raise
        return
    reading = read(ontology, TEXT, [reply])
    assert conform(ontology, reading.answers, len(TEXT), complete=False) == []
    if reply.finish == "length":
        assert "cut_reply" in {p.code for p in reading.problems}
        return
    # Random weights write nonsense, but only nonsense that the schema allows.
    assert {p.code for p in reading.problems} <= {
        "abstained", "not_found", "repeated_mention", "missing_quote", "spans_overlap", "out_of_bounds", "not_a_number",
    }  # fmt: skip
    for question_id, answer in reading.answers.items():
        if isinstance(answer, SpanAnswer) or question_id == "gist":
            continue
        confidence = reading.confidence[question_id]
        assert confidence.value is not None and 0.0 <= confidence.value <= 1.0
        assert confidence.scorer in ("label_trie", "token_product")


def test_every_kind_of_question_is_accepted_alone(tiny_llama_url: str, pool: Pool) -> None:
    for question in QUESTIONS:
        answered(tiny_llama_url, pool, Ontology(questions=(question,)))


def test_all_kinds_are_accepted_together(tiny_llama_url: str, pool: Pool) -> None:
    depends = ChoiceQuestion(
        id="why", name="Why", labels=TWO, depends_on=Condition(question="one", labels=("a",))
    )
    answered(tiny_llama_url, pool, Ontology(questions=(*QUESTIONS, depends)))
