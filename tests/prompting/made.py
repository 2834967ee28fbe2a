"""Generated ontologies, texts and answers for the laws of prompting."""

from hypothesis import strategies as st

from labelwright.core.answer import (
    NIL,
    Answer,
    Answers,
    ChoiceAnswer,
    Relation,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.conform import relation_ends
from labelwright.core.knowledge import Entity, Knowledge
from labelwright.core.ontology import (
    ChoiceQuestion,
    Condition,
    Label,
    Ontology,
    Question,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)

LIST = "a" * 64
KNOWLEDGE = Knowledge(
    [
        Entity(id="Q1", name="Anna", aliases=("Ann",)),
        Entity(id="Q90", name="Paris", description="capital of France"),
        Entity(id="Q167646", name="Paris", description="son of Priam"),
        Entity(id="Q60", name="New York", aliases=("N.Y.", "York")),
        Entity(id="2", name="\u6771\u4eac"),
        Entity(id="http://x.org/none", name="Elsewhere", aliases=("0", "a")),
    ]
)
LISTS = {LIST: KNOWLEDGE}

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
    marks = [q for q in before if isinstance(q, SpanQuestion)]
    kinds = ["choice", "several", "many", "nested", "boolean", "integer", "number", "text", "span"]
    match draw(st.sampled_from([*kinds, *(["relation"] * 6 if marks else [])])):
        case "relation":
            ends = [draw(st.sampled_from(marks)) for _ in range(2)]
            allowed = [
                draw(st.just(()) | st.lists(st.sampled_from([x.id for x in q.labels]), max_size=2).map(tuple))
                for q in ends
            ]
            return RelationQuestion(
                **common, labels=draw(labels()), from_question=ends[0].id, to_question=ends[1].id,
                from_labels=allowed[0], to_labels=allowed[1], directed=draw(st.booleans()),
            )  # fmt: skip
        case "nested":
            return draw(nested(common))
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
            return SpanQuestion(
                **common,
                labels=draw(labels()),
                overlap=draw(st.booleans()),
                knowledge=draw(st.sampled_from(["", LIST])),
            )


@st.composite
def nested(draw: st.DrawFn, common: dict[str, object]) -> ChoiceQuestion:
    """A choice whose labels stand under one another; names repeat in different places."""
    made: list[Label] = []
    taken: set[str] = set()
    for i in range(draw(st.integers(2, 8))):
        parent = draw(st.sampled_from([None, *made]))
        name = draw(st.sampled_from(["Other", "Sports", "C", "C++", "Größe", "a"]))
        path = f"{parent.id if parent else ''}/{name.casefold()}"
        if path not in taken:
            taken.add(path)
            made.append(Label(id=f"l{i}", name=name, parent=parent.id if parent else None))
    return ChoiceQuestion(
        **common, labels=tuple(made), multiple=draw(st.booleans()), leaves_only=draw(st.booleans())
    )


@st.composite
def ontologies(draw: st.DrawFn) -> Ontology:
    made: tuple[Question, ...] = ()
    for n in range(draw(st.integers(1, 4))):
        made = (*made, draw(question(n, made)))
    return Ontology(questions=made)


@st.composite
def answer(draw: st.DrawFn, asked: Question, text: str, before: dict[str, Answer]) -> Answer | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    match asked:
        case ChoiceQuestion(multiple=False):
            return ChoiceAnswer(labels=(draw(st.sampled_from(asked.choosable)).id,))
        case ChoiceQuestion():
            chosen = draw(st.sets(st.sampled_from([label.id for label in asked.choosable])))
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
        case RelationQuestion():
            return draw(relations(asked, before))
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
    links = st.sampled_from([None, NIL, *KNOWLEDGE.by_id]) if asked.knowledge else st.none()
    return SpanAnswer(
        spans=tuple(
            Span(id=f"{asked.id}-{i}", label=label, start=s, end=e, link=draw(links))
            for i, (s, e, label) in enumerate(places)
        )
    )


@st.composite
def relations(draw: st.DrawFn, asked: RelationQuestion, before: dict[str, Answer]) -> RelationAnswer | None:
    ends = []
    for question_id, allowed in (
        (asked.from_question, asked.from_labels),
        (asked.to_question, asked.to_labels),
    ):
        marked = before.get(question_id)
        if not isinstance(marked, SpanAnswer):
            return None
        ends.append([span.id for span in marked.spans if not allowed or span.label in allowed])
    made: dict[tuple[str, str, str], Relation] = {}
    for i in range(draw(st.integers(0, 4)) if all(ends) else 0):
        from_id, to_id = (draw(st.sampled_from(each)) for each in ends)
        label = draw(st.sampled_from(asked.labels)).id
        if from_id != to_id:
            key = (*relation_ends(asked, from_id, to_id), label)
            made.setdefault(key, Relation(id=f"{asked.id}-r{i}", label=label, from_id=from_id, to_id=to_id))
    return RelationAnswer(relations=tuple(made.values()))


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
        made = draw(answer(each, text, given_))
        if made is not None:
            given_[each.id] = made
    return ontology, text, Answers.of(given_)
