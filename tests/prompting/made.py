"""Generated ontologies, texts and answers for the laws of prompting."""

from hypothesis import strategies as st

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer, TextAnswer
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

# Names as people give them: several scripts, symbols, near twins; no surrogates, no empty ones.
NAMES = st.one_of(
    st.sampled_from(
        [
            "Sports",
            "Politics",
            "Hate speech",
            "hate-speech!",
            "C",
            "C++",
            "C#",
            "+",
            "-",
            "1",
            "2",
            "None",
            "true",
            "null",
        ]
    ),
    st.sampled_from(
        [
            "スポーツ",
            "政治",
            "Größe",
            "GROSSE",
            "label",
            "answer",
            "type",
            "entities",
            'say "hi"',
            "a: b",
            "x, y",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12),
).filter(lambda name: bool(name.strip()) and name.strip() != "__none__")
WORDS = st.sampled_from(
    ["Anna", "Ann", "Annual", "Paris", "in", "the", "New York", "York", "東京", "タワー", "İzmir", "ﬁle", "e\u0301te", "😀", "a", "A",
     "“Bob”", "Bob's", "—", ".", ",", "\n", "  ", "\u00a0", "U.S.", "<text>", '"', "\\", "{", "naïve", "STRASSE", "Straße"]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=25).map(" ".join),
    st.lists(WORDS, min_size=1, max_size=12).map("".join),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    st.text(st.sampled_from("ab "), min_size=1, max_size=40),
)


@st.composite
def labels(draw: st.DrawFn, most: int = 5) -> tuple[Label, ...]:
    names = draw(st.lists(NAMES, min_size=1, max_size=most, unique_by=lambda name: name.strip().casefold()))
    return tuple(Label(id=f"l{i}", name=name) for i, name in enumerate(names))


@st.composite
def question(draw: st.DrawFn, n: int, before: tuple[Question, ...]) -> Question:
    common = {"id": f"q{n}", "name": draw(NAMES), "required": draw(st.booleans())}
    choices = [q for q in before if isinstance(q, ChoiceQuestion)]
    if choices and draw(st.integers(0, 3)) == 0:
        other = draw(st.sampled_from(choices))
        common["depends_on"] = Condition(question=other.id, labels=(draw(st.sampled_from(other.labels)).id,))
    match draw(
        st.sampled_from(["choice", "several", "many", "boolean", "integer", "number", "text", "span"])
    ):
        case "choice":
            return ChoiceQuestion(**common, labels=draw(labels()))
        case "several":
            return ChoiceQuestion(**common, labels=draw(labels()), multiple=True)
        case "many":
            return ChoiceQuestion(
                **common, labels=tuple(Label(id=f"l{i}", name=f"Label {i}") for i in range(45)), multiple=True
            )
        case "boolean":
            return ScalarQuestion(**common, type="boolean")
        case "integer":
            return ScalarQuestion(
                **common, type="integer", minimum=draw(st.sampled_from([None, -3, 0, 1])), maximum=5
            )
        case "number":
            return ScalarQuestion(**common, type="number")
        case "text":
            return TextQuestion(**common)
        case _:
            return SpanQuestion(**common, labels=draw(labels()), overlap=draw(st.booleans()))


@st.composite
def ontologies(draw: st.DrawFn) -> Ontology:
    made: tuple[Question, ...] = ()
    for n in range(draw(st.integers(1, 4))):
        made = (*made, draw(question(n, made)))
    return Ontology(questions=made)


@st.composite
def answer(draw: st.DrawFn, asked: Question, text: str) -> Answer | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    match asked:
        case ChoiceQuestion(multiple=False):
            return ChoiceAnswer(labels=(draw(st.sampled_from(asked.labels)).id,))
        case ChoiceQuestion():
            chosen = draw(st.sets(st.sampled_from([label.id for label in asked.labels])))
            return ChoiceAnswer(labels=tuple(sorted(chosen)))
        case ScalarQuestion(type="boolean"):
            return ScalarAnswer(value=draw(st.booleans()))
        case ScalarQuestion(type="integer"):
            low = -1_000_000 if asked.minimum is None else int(asked.minimum)
            return ScalarAnswer(value=draw(st.integers(low, 5)))
        case ScalarQuestion():
            return ScalarAnswer(value=draw(st.floats(-1e30, 1e30, allow_nan=False)))
        case TextQuestion():
            return TextAnswer(text=draw(st.text(st.characters(codec="utf-8"), max_size=30)))
        case SpanQuestion():
            return draw(spans(asked, text))
        case _:
            return None


@st.composite
def spans(draw: st.DrawFn, asked: SpanQuestion, text: str) -> SpanAnswer:
    places: list[tuple[int, int, str]] = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, min(len(text), start + 8)))
        place = (start, end, draw(st.sampled_from(asked.labels)).id)
        if place in places:
            continue
        if not asked.overlap and any(s < end and start < e for s, e, _ in places):
            continue
        places.append(place)
    return SpanAnswer(
        spans=tuple(Span(id=f"s{i}", label=label, start=s, end=e) for i, (s, e, label) in enumerate(places))
    )


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Ontology, str, Answers]:
    """An ontology, a text, and answers that conform to both."""
    ontology, text = draw(ontologies()), draw(TEXTS)
    given_: dict[str, Answer] = {}
    for each in ontology.questions:
        if each.depends_on is not None:
            other = given_.get(each.depends_on.question)
            if not (isinstance(other, ChoiceAnswer) and set(other.labels) & set(each.depends_on.labels)):
                continue
        made = draw(answer(each, text))
        if made is not None:
            given_[each.id] = made
    return ontology, text, Answers.of(given_)
