"""What the probabilities of tokens say about an answer."""

import math
import re

import pytest

from labelwright.core.answer import ScalarAnswer, SpanAnswer
from labelwright.core.exchange import Reply, Token, TokenChance
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, ScalarQuestion, SpanQuestion
from labelwright.core.predictor import Confidence
from labelwright.prompting import read

SENTIMENT = ("positive", "negative", "possibly")


def choice(*names: str, multiple: bool = False) -> Ontology:
    labels = tuple(Label(id=re.sub(r"\W", "", f"id_{name}", flags=re.ASCII), name=name) for name in names)
    return Ontology(questions=(ChoiceQuestion(id="q", name="Mood", labels=labels, multiple=multiple),))


def token(text: str, chances: dict[str, float] | None = None) -> Token:
    """A token; `chances` are the probabilities at its place, its own included."""
    chances = chances or {text: 1.0}
    top = [
        TokenChance(token=t, logprob=math.log(p))
        for t, p in sorted(chances.items(), key=lambda pair: -pair[1])
    ]
    return Token(token=text, logprob=math.log(chances[text]), top=tuple(top))


def sure(ontology: Ontology, tokens: list[Token], text: str = "Anna met Bob.") -> Confidence:
    said = "".join(t.token for t in tokens)
    reading = read(ontology, text, [Reply(text=said, tokens=tuple(tokens))])
    return reading.confidence["q"]


def test_one_deciding_token_gives_the_whole_distribution() -> None:
    found = sure(
        choice("positive", "negative", "mixed"),
        [
            token('{"mood"'),
            token(': "'),
            token("positive", {"positive": 0.6, "negative": 0.2, "The": 0.15, "mixed": 0.05}),
            token('"}'),
        ],
    )
    assert found.scorer == "label_trie"
    assert found.value == pytest.approx(0.6 / 0.85)
    assert found.mass == pytest.approx(0.85)
    # Nothing is known of "none of them": it may have had as much as the least likely token shown.
    assert found.low == pytest.approx(0.6 / (0.85 + 0.05))
    assert found.distribution == pytest.approx(
        {"id_positive": 0.6 / 0.85, "id_negative": 0.2 / 0.85, "id_mixed": 0.05 / 0.85}
    )


def test_a_common_beginning_carries_no_information() -> None:
    found = sure(
        choice("positive", "possibly"),
        [
            token('{"mood": "'),
            token("pos", {"pos": 0.3, "I": 0.7}),
            token("itive", {"itive": 0.9, "sibly": 0.1}),
            token('"}', {'"}': 0.5, " ": 0.5}),
        ],
    )
    assert found.value == pytest.approx(0.9)
    # Before that, "none of them" was still open, and only so much went to any allowed answer.
    assert found.mass == pytest.approx(0.3)


def test_probabilities_of_several_deciding_tokens_multiply() -> None:
    found = sure(
        choice(*SENTIMENT),
        [
            token('{"mood": "'),
            token("pos", {"pos": 0.8, "neg": 0.2}),
            token("itive", {"itive": 0.5, "sibly": 0.5}),
            token('"}'),
        ],
    )
    assert found.value == pytest.approx(0.4)
    assert found.distribution == pytest.approx({"id_positive": 0.4, "id_negative": 0.2, "id_possibly": 0.4})


def test_other_ways_to_cut_the_same_label_count_for_it() -> None:
    found = sure(
        choice("positive", "negative"),
        [
            token('{"mood":'),
            token(' "positive', {' "positive': 0.5, ' "': 0.1, ' "pos': 0.2, ' "neg': 0.2}),
            token('"}'),
        ],
    )
    # `"` alone leaves both open: it counts for the chosen label as far as can be seen.
    assert found.value == pytest.approx(0.8)


def test_labels_nobody_saw_a_token_for_lower_the_bound() -> None:
    found = sure(
        choice("positive", "negative", "mixed"),
        [token('{"mood": "'), token("positive", {"positive": 0.9, "The": 0.06, "A": 0.04}), token('"}')],
    )
    assert found.value == pytest.approx(1.0)
    # Three more answers (two labels and "none of them") may each have had as much as the least likely token shown.
    assert found.low == pytest.approx(0.9 / (0.9 + 3 * 0.04))
    assert found.mass == pytest.approx(0.9)


def test_abstaining_competes_but_is_no_label() -> None:
    found = sure(
        choice("positive", "negative"),
        [token('{"mood": "'), token("positive", {"positive": 0.6, "__": 0.4}), token('"}')],
    )
    assert found.value == pytest.approx(0.6)
    assert found.distribution == pytest.approx({"id_positive": 0.6})


def test_a_bare_label_is_scored_like_one_in_json() -> None:
    tokens = (token("Pos", {"Pos": 0.7, "Neg": 0.3}), token("itive"), token("<|end|>"))
    reading = read(choice("positive", "negative"), "x", [Reply(text="Positive", tokens=tokens)])
    assert reading.confidence["q"].value == pytest.approx(0.7)


def test_tokens_given_as_bytes_may_split_a_character() -> None:
    said = '{"mood": "äh"}'
    raw = said.encode()
    cut = raw.index("ä".encode()) + 1
    tokens = tuple(
        Token(token="�", bytes=tuple(piece), logprob=lp, top=top)
        for piece, lp, top in (
            (raw[: cut - 1], 0.0, ()),
            (
                raw[cut - 1 : cut],
                math.log(0.75),
                (
                    TokenChance(token="�", bytes=tuple(raw[cut - 1 : cut]), logprob=math.log(0.75)),
                    TokenChance(token="no", logprob=math.log(0.25)),
                ),
            ),
            (raw[cut:], 0.0, ()),
        )
    )
    reading = read(choice("äh", "no"), "x", [Reply(text=said, tokens=tokens)])
    assert reading.confidence["q"].value == pytest.approx(0.75)


def test_without_alternatives_the_scorer_says_so() -> None:
    found = sure(
        choice("positive", "negative"),
        [
            Token(token='{"mood": "', logprob=0.0),
            Token(token="positive", logprob=math.log(0.7)),
            Token(token='"}', logprob=0.0),
        ],
    )
    assert found.scorer == "token_product"
    assert found.value == pytest.approx(0.7)
    assert found.low is None
    assert found.distribution is None


def test_tokens_of_another_text_give_no_number() -> None:
    reading = read(
        choice("a1", "b1"), "x", [Reply(text='{"mood": "a1"}', tokens=(token("b1", {"b1": 0.5, "a1": 0.5}),))]
    )
    assert reading.confidence == {}


def test_tokens_may_hold_more_than_the_message() -> None:
    tokens = (
        token("<think>a1?</think>\n"),
        token('{"mood": "'),
        token("a1", {"a1": 0.8, "b1": 0.2}),
        token('"}'),
        token("<eos>"),
    )
    reading = read(choice("a1", "b1"), "x", [Reply(text='{"mood": "a1"}', tokens=tokens)])
    assert reading.confidence["q"].value == pytest.approx(0.8)


def test_several_labels_are_as_sure_as_the_least_sure_of_them() -> None:
    found = sure(
        choice("spam", "rude", multiple=True),
        [
            token('{"mood": {"spam": '),
            token("true", {"true": 0.9, "false": 0.1}),
            token(', "rude": '),
            token("false", {"false": 0.6, "true": 0.4}),
            token("}}"),
        ],
    )
    assert found.value == pytest.approx(0.6)
    assert found.distribution == pytest.approx({"id_spam": 0.9, "id_rude": 0.4})


def test_a_rating_has_a_distribution_over_its_values() -> None:
    ontology = Ontology(questions=(ScalarQuestion(id="q", name="Mood", minimum=1, maximum=10),))
    found = sure(
        ontology,
        [
            token('{"mood": '),
            token("1", {"1": 0.6, "2": 0.3, "5": 0.1}),
            token("0", {"0": 0.5, "}": 0.5}),
            token("}"),
        ],
    )
    assert found.value == pytest.approx(0.3)
    assert found.distribution == pytest.approx({"10": 0.3, "1": 0.3, "2": 0.3, "5": 0.1})


def test_the_end_of_a_number_decides_too() -> None:
    ontology = Ontology(questions=(ScalarQuestion(id="q", name="Mood", minimum=1, maximum=10),))
    found = sure(ontology, [token('{"mood": '), token("1", {"1": 1.0}), token("}", {"}": 0.8, "0": 0.2})])
    assert found.value == pytest.approx(0.8)


def test_an_open_number_has_the_probability_of_its_tokens() -> None:
    ontology = Ontology(questions=(ScalarQuestion(id="q", name="Mood", type="number"),))
    found = sure(
        ontology,
        [
            token('{"mood": '),
            token("12", {"12": 0.5, "13": 0.5}),
            token(".5", {".5": 0.5, "}": 0.5}),
            token("}"),
        ],
    )
    assert found.scorer == "token_product"
    assert found.value == pytest.approx(0.25)


NER = Ontology(
    questions=(
        SpanQuestion(
            id="q", name="Mood", labels=(Label(id="PER", name="person"), Label(id="LOC", name="place"))
        ),
    )
)


def test_a_mention_is_as_sure_as_its_type_and_its_words() -> None:
    tokens = [
        token('{"entities": [{"quote": "'),
        token("An", {"An": 0.64, "Bob": 0.36}),
        token("na", {"na": 1.0}),
        token('", "type": "'),
        token("person", {"person": 0.9, "place": 0.1}),
        token('"}'),
        token("]}", {"]}": 0.7, ",": 0.3}),
    ]
    reading = read(NER, "Anna met Bob.", [Reply(text="".join(t.token for t in tokens), tokens=tuple(tokens))])
    answer = reading.answers.get("q")
    assert isinstance(answer, SpanAnswer)
    assert answer.spans[0].score == pytest.approx(0.8)
    assert reading.confidence["q"].scorer == "span_min"
    # The list might have gone on: a mention may be missing.
    assert reading.confidence["q"].value == pytest.approx(0.7)


def test_an_empty_list_is_as_sure_as_its_end() -> None:
    found = sure(NER, [token('{"entities": '), token("[]", {"[]": 0.9, "[{": 0.1}), token("}")])
    assert found.value == pytest.approx(0.9)


def test_a_fuzzy_label_is_scored_against_the_real_ones() -> None:
    found = sure(
        choice("mixed feelings", "negative"),
        [token('{"mood": "'), token("mixed", {"mixed": 0.6, "neg": 0.4}), token(" feeling"), token('"}')],
    )
    assert found.value == pytest.approx(0.6)


def test_an_answer_without_tokens_of_its_own_has_no_confidence() -> None:
    reading = read(
        Ontology(questions=(ScalarQuestion(id="q", name="Mood"),)),
        "x",
        [Reply(text='{"mood": 4}', tokens=None)],
    )
    assert reading.answers.get("q") == ScalarAnswer(value=4)
    assert reading.confidence == {}
    assert reading.lowest is None
