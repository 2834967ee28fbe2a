"""Hypothesis strategies for the nouns: ontologies, texts, and answers that conform to them."""

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
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    Question,
    RelationQuestion,
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
def questions(draw: st.DrawFn, position: int, before: tuple[Question, ...] = ()) -> Question:
    """A question of any kind that a text can be asked."""
    key = {"id": f"q{position}", "name": f"Question {position}", "required": draw(st.booleans())}
    marks = [question for question in before if isinstance(question, SpanQuestion)]
    kinds = ["choice", "choices", "nested", "scalar", "boolean", "text", "span", "spans", "linked"]
    kind = draw(st.sampled_from([*kinds, *(["relation"] * 4 if marks else [])]))
    match kind:
        case "relation":
            ends = [draw(st.sampled_from(marks)).id for _ in range(2)]
            directed = draw(st.booleans())
            return RelationQuestion(
                **key, labels=draw(labels()), from_question=ends[0], to_question=ends[1], directed=directed
            )
        case "nested":
            flat = draw(labels())
            parents = [draw(st.sampled_from([None, *(x.id for x in flat[:i])])) for i in range(len(flat))]
            tree = tuple(x.model_copy(update={"parent": p}) for x, p in zip(flat, parents, strict=True))
            return ChoiceQuestion(
                **key, labels=tree, multiple=draw(st.booleans()), leaves_only=draw(st.booleans())
            )
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
            return SpanQuestion(
                **key,
                labels=draw(labels()),
                overlap=kind == "spans",
                knowledge=("a" * 64) if kind == "linked" else "",
            )


@st.composite
def ontologies(draw: st.DrawFn) -> Ontology:
    """One to four questions."""
    n = draw(st.integers(1, 4))
    made: tuple[Question, ...] = ()
    for i in range(n):
        made = (*made, draw(questions(i, made)))
    return Ontology(version=1, questions=made)


@st.composite
def answer_to(
    draw: st.DrawFn, question: Question, size: int, before: dict[str, Answer] | None = None
) -> Answer:
    """An answer that conforms, for a text of `size` code points; relations join spans of the answers `before`."""
    match question:
        case ChoiceQuestion():
            ids = [label.id for label in question.choosable]
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
        case RelationQuestion():
            return RelationAnswer(relations=draw(relations_in(question, before or {})))
        case _:
            raise AssertionError(question.kind)


@st.composite
def relations_in(
    draw: st.DrawFn, question: RelationQuestion, before: dict[str, Answer]
) -> tuple[Relation, ...]:
    """Relations between spans that were marked before."""
    ends = [
        [span.id for span in answer.spans] if isinstance(answer := before.get(asked), SpanAnswer) else []
        for asked in (question.from_question, question.to_question)
    ]
    found: dict[tuple[str, str, str], Relation] = {}
    for i in range(draw(st.integers(0, 3)) if all(ends) else 0):
        from_id, to_id = (draw(st.sampled_from(each)) for each in ends)
        label = draw(st.sampled_from(question.labels)).id
        if from_id != to_id:
            made = Relation(id=f"{question.id}-r{i}", label=label, from_id=from_id, to_id=to_id)
            found.setdefault((*relation_ends(question, from_id, to_id), label), made)
    return tuple(found.values())


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
        link = draw(st.sampled_from([None, NIL, "Q1", "http://x.org/é"])) if question.knowledge else None
        found.append(Span(id=f"{question.id}-{i}", start=start, end=end, label=label, link=link))
        at = end
    return tuple(found)


@st.composite
def answers_for(draw: st.DrawFn, ontology: Ontology, size: int, *, complete: bool = True) -> Answers:
    """Conforming answers; all questions when `complete`, any subset otherwise."""
    found: dict[str, Answer] = {}
    for question in ontology.active_questions:
        if complete or draw(st.booleans()):
            found[question.id] = draw(answer_to(question, size, found))
    return Answers.of(found)
