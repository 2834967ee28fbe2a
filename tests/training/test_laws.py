"""Laws of the local models, over generated ontologies and answers."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelwright import training
from labelwright.core.answer import Answers
from labelwright.core.conform import conform, marks_of
from labelwright.core.ontology import Ontology, TextQuestion
from labelwright.core.predictor import Reading
from tests import strategies

ODD = ["", "\x00", "\ud800 lone", "a\x00b", "   \n", "กขค ไทย", "漢字かな", "😀👩‍👩‍👧", "É é", "İstanbul ß"]


@st.composite
def examples(draw: st.DrawFn) -> tuple[Ontology, list[str], list[Answers]]:
    """An ontology and up to 12 answered texts, some of them odd ones."""
    ontology = draw(strategies.ontologies())
    texts = draw(
        st.lists(
            st.one_of(strategies.texts, st.sampled_from(ODD)),
            min_size=draw(st.sampled_from([0, 6])),
            max_size=12,
        )
    )
    answers = [draw(strategies.answers_for(ontology, len(text), complete=False)) for text in texts]
    return ontology, texts, answers


def same(one: list[Reading], other: list[Reading]) -> bool:
    return [r.model_dump_json() for r in one] == [r.model_dump_json() for r in other]


laws = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@laws
@given(examples(), st.lists(strategies.texts, max_size=4))
def test_readings_conform_and_confidences_are_probabilities(
    made: tuple[Ontology, list[str], list[Answers]], more: list[str]
) -> None:
    ontology, texts, answers = made
    labeler = training.train(ontology, texts, answers, seed=3)
    asked = [*texts, *more, *ODD]
    readings = labeler.read(asked)
    assert len(readings) == len(asked)
    for text, reading in zip(asked, readings, strict=True):
        assert conform(ontology, reading.answers, len(text), complete=False) == []
        assert set(reading.confidence) == set(reading.answers.root) <= set(labeler.questions)
        for question_id, confidence in reading.confidence.items():
            assert confidence.scorer in ("classifier", "tagger")
            assert confidence.value is not None and 0 <= confidence.value <= 1
            question = ontology.question(question_id)
            if confidence.distribution is not None and not getattr(question, "multiple", False):
                assert math.isclose(sum(confidence.distribution.values()), 1, abs_tol=1e-6)
        for answer in reading.answers.root.values():
            assert all(mark.score is not None and 0 <= mark.score <= 1 for mark in marks_of(answer))


@laws
@given(examples())
def test_the_same_examples_and_seed_give_the_same_bytes(
    made: tuple[Ontology, list[str], list[Answers]],
) -> None:
    assert training.train(*made, seed=5).dump() == training.train(*made, seed=5).dump()


@laws
@given(examples(), st.lists(strategies.texts, max_size=4))
def test_a_stored_model_reads_like_the_one_that_was_stored(
    made: tuple[Ontology, list[str], list[Answers]], more: list[str]
) -> None:
    labeler = training.train(*made, seed=1)
    again = training.load(labeler.dump())
    assert again.questions == labeler.questions
    assert again.trained_on == labeler.trained_on
    assert same(again.read([*more, *ODD]), labeler.read([*more, *ODD]))


@laws
@given(examples(), st.lists(strategies.texts, min_size=2, max_size=5))
def test_a_text_is_read_alike_alone_and_among_others(
    made: tuple[Ontology, list[str], list[Answers]], more: list[str]
) -> None:
    labeler = training.train(*made, seed=1)
    together = labeler.read(more)
    for text, reading in zip(more, together, strict=True):
        alone = labeler.read([text])[0]
        assert alone.answers.root.keys() == reading.answers.root.keys()
        if alone.lowest is not None and reading.lowest is not None:
            assert math.isclose(alone.lowest, reading.lowest, abs_tol=1e-6)


@laws
@given(examples())
def test_free_texts_are_never_answered(made: tuple[Ontology, list[str], list[Answers]]) -> None:
    free = {q.id for q in made[0].questions if isinstance(q, TextQuestion)}
    assert not free & set(training.train(*made, seed=1).questions)


@laws
@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        training.load(content)
