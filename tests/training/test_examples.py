"""What the local models learn, by example."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence

import pytest

from labelwright import training
from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer
from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    Question,
    ScalarQuestion,
    SpanQuestion,
)

GOOD = ["a wonderful film", "wonderful acting", "I loved it", "loved every minute", "wonderful and moving"]
BAD = ["a dreadful film", "dreadful acting", "I hated it", "hated every minute", "dreadful and dull"]
LABELS = (Label(id="good", name="good"), Label(id="bad", name="bad"))


def ask(*questions: Question) -> Ontology:
    return Ontology(version=1, questions=questions)


def each(question: str, values: Sequence[Answer]) -> list[Answers]:
    return [Answers.of({question: value}) for value in values]


def chosen(*labels: str) -> ChoiceAnswer:
    return ChoiceAnswer(labels=labels)


def marked(text: str, *mentions: tuple[str, str]) -> SpanAnswer:
    spans = []
    for n, (mention, label) in enumerate(mentions):
        start = text.index(mention)
        spans.append(Span(id=f"s{n}", start=start, end=start + len(mention), label=label))
    return SpanAnswer(spans=tuple(spans))


def mentions(text: str, answer: Answer | None) -> list[tuple[str, str]]:
    assert isinstance(answer, SpanAnswer)
    return [(text[s.start : s.end], s.label) for s in answer.spans]


SENTIMENT = ask(ChoiceQuestion(id="q", name="Q", labels=LABELS))


def test_two_examples_of_two_classes_are_enough_to_begin() -> None:
    labeler = training.train(SENTIMENT, [GOOD[0], BAD[0]], each("q", [chosen("good"), chosen("bad")]), 0)
    found = labeler.read(["wonderful", "dreadful"])
    assert [r.answers.get("q") for r in found] == [chosen("good"), chosen("bad")]


def test_a_question_with_one_answer_only_is_not_learned() -> None:
    labeler = training.train(SENTIMENT, GOOD, each("q", [chosen("good")] * 5), 0)
    assert labeler.questions == ()
    assert labeler.read(["wonderful"])[0].answers.root == {}


def test_no_examples_at_all_give_an_empty_labeler() -> None:
    labeler = training.train(SENTIMENT, [], [], 0)
    assert labeler.questions == () and labeler.read(["x"])[0].lowest is None


@pytest.mark.parametrize("multiple", [False, True])
def test_texts_without_anything_to_learn_from_teach_how_frequent_a_label_is(multiple: bool) -> None:
    question = ChoiceQuestion(id="q", name="Q", labels=LABELS, multiple=multiple)
    answers = each("q", [chosen("good")] * 3 + [chosen("bad")])
    labeler = training.train(ask(question), ["", " ", "\n", ""], answers, 0)
    distribution = labeler.read([""])[0].confidence["q"].distribution
    assert distribution is not None
    assert distribution["good"] >= distribution["bad"]


def test_more_and_clearer_examples_make_it_surer() -> None:
    answers = each("q", [chosen("good")] * 5 + [chosen("bad")] * 5)
    labeler = training.train(SENTIMENT, GOOD + BAD, answers, 0)
    clear, unknown = labeler.read(["wonderful, loved it", "xyzzy"])
    assert clear.lowest is not None and unknown.lowest is not None
    assert clear.lowest > unknown.lowest + 0.1


def test_a_retired_label_is_never_chosen() -> None:
    labels = (*LABELS, Label(id="old", name="old", retired=True))
    ontology = ask(ChoiceQuestion(id="q", name="Q", labels=labels))
    answers = each("q", [chosen("good"), chosen("bad"), chosen("old"), chosen("old"), chosen("old")])
    labeler = training.train(ontology, ["wonderful", "dreadful", "meh", "meh meh", "so meh"], answers, 0)
    [reading] = labeler.read(["meh meh meh"])
    assert reading.answers.get("q") in (chosen("good"), chosen("bad"))
    assert "old" not in (reading.confidence["q"].distribution or {})


def test_labels_nobody_used_yet_keep_some_probability() -> None:
    labels = (*LABELS, Label(id="new", name="new"))
    ontology = ask(ChoiceQuestion(id="q", name="Q", labels=labels))
    labeler = training.train(ontology, [GOOD[0], BAD[0]], each("q", [chosen("good"), chosen("bad")]), 0)
    spread = labeler.read(["wonderful"])[0].confidence["q"].distribution
    assert spread is not None and spread["new"] > 0.5


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (["อร่อยมากครับ", "อาหารอร่อยดี", "อร่อยสุดๆ", "ร้านนี้อร่อย"], ["บริการแย่มาก", "แย่จริงๆ", "แย่ที่สุด", "ร้านนี้แย่"]),
        (
            ["这个产品很好用", "非常好用", "真好用", "好用极了"],
            ["质量太差了", "太差不买", "真的太差", "这个太差"],
        ),
        (
            ["خدمة ممتازة جدا", "طعام ممتاز", "ممتازة", "مكان ممتاز"],
            ["خدمة سيئة", "سيئة جدا", "طعام سيئ", "مكان سيئ"],
        ),
    ],
)
def test_scripts_without_latin_letters_or_spaces_are_learned(good: list[str], bad: list[str]) -> None:
    answers = each("q", [chosen("good")] * 3 + [chosen("bad")] * 3)
    labeler = training.train(SENTIMENT, good[:3] + bad[:3], answers, 0)
    assert [r.answers.get("q") for r in labeler.read([good[3], bad[3]])] == [chosen("good"), chosen("bad")]


def test_five_hundred_labels_are_learned() -> None:
    labels = tuple(Label(id=f"l{n}", name=f"label {n}") for n in range(500))
    ontology = ask(
        ChoiceQuestion(id="q", name="Q", labels=labels), SpanQuestion(id="s", name="S", labels=labels)
    )
    texts = [f"about word{n} here" for n in range(500)]
    answers = [
        Answers.of({"q": chosen(f"l{n}"), "s": marked(text, (f"word{n}", f"l{n}"))}) if n < 60 else Answers()
        for n, text in enumerate(texts)
    ]
    labeler = training.train(ontology, texts, answers, 0)
    [reading] = labeler.read(["about word7 here"])
    assert reading.answers.get("q") == chosen("l7")
    assert sum((reading.confidence["q"].distribution or {}).values()) == pytest.approx(1.0)


def test_several_labels_are_learned_each_for_itself() -> None:
    labels = (Label(id="price", name="price"), Label(id="taste", name="taste"), Label(id="rare", name="rare"))
    ontology = ask(ChoiceQuestion(id="q", name="Q", labels=labels, multiple=True))
    texts = ["too expensive", "expensive but tasty", "tasty food", "nothing to say", "tasty", "expensive"] * 3
    given: list[Answer] = [
        chosen("price"), chosen("price", "taste"), chosen("taste"), chosen(), chosen("taste"), chosen("price"),
    ] * 3  # fmt: skip
    labeler = training.train(ontology, texts, each("q", given), 0)
    found = [
        r.answers.get("q") for r in labeler.read(["expensive", "tasty", "expensive and tasty", "nothing"])
    ]
    assert found == [chosen("price"), chosen("taste"), chosen("price", "taste"), chosen()]


def test_ratings_and_yes_or_no_stay_within_what_was_given() -> None:
    ontology = ask(
        ScalarQuestion(id="stars", name="Stars", minimum=1, maximum=5),
        ScalarQuestion(id="ok", name="OK", type="boolean"),
    )
    answers = [
        Answers.of({"stars": ScalarAnswer(value=stars), "ok": ScalarAnswer(value=stars > 3)})
        for stars in [5] * 5 + [1] * 5
    ]
    answers[0] = Answers.of({"stars": ScalarAnswer(value=9), "ok": ScalarAnswer(value=True)})
    reading = training.train(ontology, GOOD + BAD, answers, 0).read(["dreadful"])[0]
    assert reading.answers.get("stars") == ScalarAnswer(value=1)
    assert reading.answers.get("ok") == ScalarAnswer(value=False)
    assert set(reading.confidence["stars"].distribution or {}) == {"1", "5"}


def test_a_number_with_many_values_is_estimated_within_its_bounds() -> None:
    ontology = ask(ScalarQuestion(id="n", name="N", type="number", minimum=0, maximum=100))
    texts = [("cheap " if n < 50 else "dear ") + f"offer {n}" for n in range(100)]
    answers = each("n", [ScalarAnswer(value=n + 0.5) for n in range(100)])
    low, high = (
        r.answers.get("n") for r in training.train(ontology, texts, answers, 0).read(["cheap", "dear"])
    )
    assert isinstance(low, ScalarAnswer) and isinstance(high, ScalarAnswer)
    assert 0 <= low.value < 50 < high.value <= 100


def test_a_question_that_the_other_answers_rule_out_is_not_answered() -> None:
    ontology = ask(
        ChoiceQuestion(id="q", name="Q", labels=LABELS),
        ScalarQuestion(
            id="why", name="Why", type="boolean", depends_on=Condition(question="q", labels=("bad",))
        ),
    )
    answers = [Answers.of({"q": chosen("good")})] * 5 + [
        Answers.of({"q": chosen("bad"), "why": ScalarAnswer(value=n % 2 == 0)}) for n in range(5)
    ]
    good, bad = training.train(ontology, GOOD + BAD, answers, 0).read(["wonderful loved", "dreadful hated"])
    assert set(good.answers.root) == {"q"} and set(good.confidence) == {"q"}
    assert set(bad.answers.root) == {"q", "why"}


PEOPLE = SpanQuestion(
    id="e", name="E", labels=(Label(id="per", name="person"), Label(id="loc", name="place"))
)


def people_in(texts: list[str]) -> list[Answers]:
    names = ("Ada Byron", "Alan Turing", "Grace Hopper", "Mary Shelley")
    return each(
        "e",
        [
            marked(
                t,
                *[(n, "per") for n in names if n in t],
                *[(p, "loc") for p in ("London", "Paris") if p in t],
            )
            for t in texts
        ],
    )


TEXTS = [
    "yesterday Ada Byron went to London .", "we met Alan Turing in Paris today .",
    "Grace Hopper lives in London .", "nobody was there .", "they asked Mary Shelley about it .",
    "the train from Paris was late .", "I saw Ada Byron and Alan Turing .", "rain in London again .",
]  # fmt: skip


def test_names_are_found_in_new_sentences_with_exact_offsets() -> None:
    labeler = training.train(ask(PEOPLE), TEXTS, people_in(TEXTS), 0)
    text = "tomorrow Grace Hopper goes to Paris ."
    [reading] = labeler.read([text])
    assert mentions(text, reading.answers.get("e")) == [("Grace Hopper", "per"), ("Paris", "loc")]


def test_offsets_count_code_points_before_and_after_wide_characters() -> None:
    wide = ["😀👩‍👩‍👧 " + text for text in TEXTS]
    labeler = training.train(ask(PEOPLE), wide, people_in(wide), 0)
    text = "👩‍👩‍👧😀😀 tomorrow Grace Hopper goes to Paris ."
    assert mentions(text, labeler.read([text])[0].answers.get("e")) == [
        ("Grace Hopper", "per"),
        ("Paris", "loc"),
    ]


def test_a_span_that_cuts_a_word_is_learned_not_lost() -> None:
    question = SpanQuestion(id="e", name="E", labels=(Label(id="stem", name="stem"),))
    texts = [f"{word}ing now" for word in ("walk", "talk", "jump", "sing", "read")]
    answers = each("e", [marked(text, (text.split("ing now")[0], "stem")) for text in texts])
    labeler = training.train(ask(question), texts, answers, 0)
    assert labeler.questions == ("e",)
    labeler.read(["walking now"])


def test_nested_spans_are_found_where_overlap_is_allowed() -> None:
    question = SpanQuestion(id="e", name="E", labels=PEOPLE.labels, overlap=True)
    texts = [f"the University of {place} is old ." for place in ("London", "Paris", "Rome", "Oslo")] * 2
    answers = each(
        "e",
        [marked(t, (t[4 : t.index(" is")], "per"), (t[18 : t.index(" is")], "loc")) for t in texts],
    )
    text = "the University of Paris is large ."
    found = mentions(text, training.train(ask(question), texts, answers, 0).read([text])[0].answers.get("e"))
    assert set(found) == {("University of Paris", "per"), ("Paris", "loc")}


def test_a_text_with_a_likely_missed_name_is_less_sure_than_one_without() -> None:
    labeler = training.train(ask(PEOPLE), TEXTS, people_in(TEXTS), 0)
    likely, plain = labeler.read(["we met Xavier Unknown in it .", "nobody was there ."])
    assert likely.lowest is not None and plain.lowest is not None
    assert likely.lowest < plain.lowest


def test_a_long_text_is_read_in_pieces_and_every_piece_is_labelled() -> None:
    labeler = training.train(ask(PEOPLE), TEXTS, people_in(TEXTS), 0)
    text = "yesterday Ada Byron went to London .\n" * 400
    found = mentions(text, labeler.read([text])[0].answers.get("e"))
    assert len(found) > 700


def test_importing_the_package_does_not_import_scikit_learn() -> None:
    code = "import sys, labelwright.training; sys.exit('sklearn' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_word_of_a_million_letters_and_a_text_of_a_million_words_are_read() -> None:
    labeler = training.train(ask(PEOPLE), TEXTS, people_in(TEXTS), 0)
    readings = labeler.read(["x" * 1_000_000, "so " * 100_000 + "we met Ada Byron today .", "", "\ud800\x00"])
    assert mentions("so " * 100_000 + "we met Ada Byron today .", readings[1].answers.get("e")) == [
        ("Ada Byron", "per")
    ]
    assert readings[2].answers.get("e") == SpanAnswer(spans=())


def test_of_too_many_texts_the_newest_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelwright.training.labeler.MAX_CHARACTERS", 100)
    answers = each("q", [chosen("good"), chosen("bad")] * 20)
    labeler = training.train(SENTIMENT, ["wonderful", "dreadful"] * 20, answers, 0)
    assert 0 < labeler.trained_on < 40
    assert training.train(SENTIMENT, ["w" * 500], answers[:1], 0).trained_on == 1


def test_another_process_learns_the_same_bytes() -> None:
    code = (
        "import hashlib; from tests.training import test_examples as t; from labelwright import training;"
        "model = training.train(t.ask(t.PEOPLE), t.TEXTS * 5, t.people_in(t.TEXTS * 5), 0);"
        "print(hashlib.sha256(model.dump()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_damaged_bytes_of_a_model_are_refused_or_read_never_worse() -> None:
    whole = training.train(ask(PEOPLE), TEXTS, people_in(TEXTS), 0).dump()
    rng = random.Random(0)
    refused = 0
    for n in range(400):
        damaged = bytearray(whole)
        if n % 2:
            damaged = damaged[: rng.randrange(len(damaged))]
        else:
            for _ in range(4):
                damaged[-rng.randrange(1, 600)] = rng.randrange(256)
        try:
            training.load(bytes(damaged))
        except ValueError:
            refused += 1
    assert refused > 300


def test_a_label_that_has_others_under_it_is_not_learned_where_only_leaves_count() -> None:
    labels = (
        Label(id="animal", name="Animal"),
        Label(id="dog", name="Dog", parent="animal"),
        Label(id="cat", name="Cat", parent="animal"),
    )
    question = ChoiceQuestion(id="q", name="Q", labels=labels, leaves_only=True)
    ontology = Ontology(version=1, questions=(question,))
    # Given before only leaves counted.
    texts = ["bark bark", "meow meow", "some beast", "bark now", "meow now", "any beast"]
    given = [Answers.of({"q": ChoiceAnswer(labels=(label,))}) for label in ("dog", "cat", "animal") * 2]
    readings = training.train(ontology, texts, given, seed=1).read(texts)
    chosen = {label for reading in readings for label in reading.answers.root["q"].labels}  # type: ignore[union-attr]
    assert chosen == {"dog", "cat"}
