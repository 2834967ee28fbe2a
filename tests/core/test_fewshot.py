"""Laws of example selection."""

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.answer import Answers, ChoiceAnswer, Span, SpanAnswer
from labelwright.core.fewshot import Correction, choose, per_label
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.core.predictor import ExamplePolicy

LABELS = tuple(Label(id=x, name=x) for x in "abcd")
ONTOLOGY = Ontology(version=1, questions=(ChoiceQuestion(id="c", name="C", labels=LABELS),))
corrections = st.lists(
    st.tuples(st.sampled_from("abcd"), st.none() | st.integers(1, 4), st.booleans()), max_size=40
).map(
    lambda rows: [
        Correction(
            annotation_id=f"n{i}", asset_id=i, text=f"t{i}", batch=batch, gold=gold,
            answers=Answers.of({"c": ChoiceAnswer(labels=(label,))}),
        )
        for i, (label, batch, gold) in enumerate(rows)
    ]
)  # fmt: skip


@given(corrections, st.integers(1, 3), st.integers(0, 9), st.integers(1, 5))
def test_at_most_k_per_label_from_earlier_batches_and_never_gold(
    rows: list[Correction], k: int, seed: int, batch: int
) -> None:
    chosen = choose(ExamplePolicy(kind="per_label", k=k, seed=seed), rows, ONTOLOGY, batch)
    for label in "abcd":
        shown = [c for c in chosen if c.answers.get("c") == ChoiceAnswer(labels=(label,))]
        usable = [
            c
            for c in rows
            if not c.gold
            and (c.batch is None or c.batch < batch)
            and c.answers.get("c") == ChoiceAnswer(labels=(label,))
        ]
        assert len(shown) == min(k, len(usable))
    assert not any(c.gold or (c.batch is not None and c.batch >= batch) for c in chosen)


@given(corrections, st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_choice_whatever_the_order(
    rows: list[Correction], seed: int, rnd: object
) -> None:
    mixed = list(rows)
    rnd.shuffle(mixed)  # type: ignore[attr-defined]
    policy = ExamplePolicy(kind="per_label", seed=seed)
    assert choose(policy, rows, ONTOLOGY, 9) == choose(policy, mixed, ONTOLOGY, 9)


def test_zero_shot_shows_nothing() -> None:
    rows = [
        Correction(
            annotation_id="n", asset_id=1, text="t", answers=Answers.of({"c": ChoiceAnswer(labels=("a",))})
        )
    ]
    assert choose(ExamplePolicy(), rows, ONTOLOGY, 2) == []


def test_one_sentence_can_serve_several_entity_types() -> None:
    ontology = Ontology(version=1, questions=(SpanQuestion(id="s", name="S", labels=LABELS[:2]),))
    both = Answers.of(
        {
            "s": SpanAnswer(
                spans=(Span(id="1", start=0, end=1, label="a"), Span(id="2", start=2, end=3, label="b"))
            )
        }
    )
    rows = [Correction(annotation_id=f"n{i}", asset_id=i, text="x y z", answers=both) for i in range(5)]
    assert len(per_label(rows, ontology, 1, seed=0)) == 1
