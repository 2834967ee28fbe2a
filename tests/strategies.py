"""Hypothesis strategies for the nouns: ontologies, texts, and answers that conform to them."""

from hypothesis import strategies as st

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer, TextAnswer
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    Question,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=80)


@st.composite
def labels(draw: st.DrawFn) -> tuple[Label, ...]:
    """One to five labels with distinct ids and names."""
    n = draw(st.integers(1, 5))
    return tuple(Label(id=f"l{i}", name=f"Label {i}") for i in range(n))


@st.composite
def questions(draw: st.DrawFn, position: int) -> Question:
    """A question of any kind that a text can be asked."""
    key = {"id": f"q{position}", "name": f"Question {position}", "required": draw(st.booleans())}
    kind = draw(st.sampled_from(["choice", "choices", "scalar", "boolean", "text", "span", "spans"]))
    match kind:
        case "choice" | "choices":
            return ChoiceQuestion(**key, labels=draw(labels()), multiple=kind == "choices")
        case "scalar":
            low = draw(st.integers(-5, 5))
            return ScalarQuestion(**key, type="integer", minimum=low, maximum=low + draw(st.integers(0, 9)))
        case "boolean":
            return ScalarQuestion(**key, type="boolean")
        case "text":
            return TextQuestion(**key)
        case _:
            return SpanQuestion(**key, labels=draw(labels()), overlap=kind == "spans")


@st.composite
def ontologies(draw: st.DrawFn) -> Ontology:
    """One to four questions."""
    n = draw(st.integers(1, 4))
    return Ontology(version=1, questions=tuple(draw(questions(i)) for i in range(n)))


@st.composite
def answer_to(draw: st.DrawFn, question: Question, size: int) -> Answer:
    """An answer that conforms, for a text of `size` code points."""
    match question:
        case ChoiceQuestion():
            ids = [label.id for label in question.active_labels]
            least, most = (0, len(ids)) if question.multiple else (1, 1)
            chosen = draw(st.lists(st.sampled_from(ids), unique=True, min_size=least, max_size=most))
            return ChoiceAnswer(labels=tuple(chosen))
        case ScalarQuestion(type="boolean"):
            return ScalarAnswer(value=draw(st.booleans()))
        case ScalarQuestion():
            assert question.minimum is not None and question.maximum is not None
            return ScalarAnswer(value=draw(st.integers(int(question.minimum), int(question.maximum))))
        case TextQuestion():
            return TextAnswer(text=draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)))
        case SpanQuestion():
            return SpanAnswer(spans=draw(spans_in(question, size)))
        case _:
            raise AssertionError(question.kind)


@st.composite
def spans_in(draw: st.DrawFn, question: SpanQuestion, size: int) -> tuple[Span, ...]:
    """Spans inside a text, overlapping only where the question allows it."""
    found: list[Span] = []
    at = 0
    for i in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0 if question.overlap else at, size))
        if start >= size:
            break
        end = draw(st.integers(start + 1, size))
        label = draw(st.sampled_from([label.id for label in question.active_labels]))
        found.append(Span(id=f"{question.id}-{i}", start=start, end=end, label=label))
        at = end
    return tuple(found)


@st.composite
def answers_for(draw: st.DrawFn, ontology: Ontology, size: int, *, complete: bool = True) -> Answers:
    """Conforming answers; all questions when `complete`, any subset otherwise."""
    found = {}
    for question in ontology.active_questions:
        if complete or draw(st.booleans()):
            found[question.id] = draw(answer_to(question, size))
    return Answers.of(found)
