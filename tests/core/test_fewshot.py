"""Laws of example selection."""

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.answer import Answers, ChoiceAnswer, Span, SpanAnswer
from labelwright.core.fewshot import (
    NEAR_DUPLICATE,
    Correction,
    Likeness,
    categories_of,
    choose,
    choose_for,
    mmr,
    per_label,
)
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


def marked(i: int, *labels: str) -> Correction:
    spans = tuple(Span(id=f"{i}{n}", start=n, end=n + 1, label=x) for n, x in enumerate(labels))
    return Correction(
        annotation_id=f"n{i}",
        asset_id=i,
        text=f"text {i}",
        answers=Answers.of({"s": SpanAnswer(spans=spans)}),
    )


def test_a_rare_entity_type_is_shown_although_it_comes_with_common_ones() -> None:
    ontology = Ontology(version=1, questions=(SpanQuestion(id="s", name="S", labels=LABELS),))
    rows = [
        *(marked(i, "a", "b") for i in range(20)),
        marked(20, "a", "b", "d"),
        *(marked(i, "a", "c") for i in (21, 22)),
    ]
    for seed in range(10):
        chosen = per_label(rows, ontology, 1, seed)
        shown = {span.label for c in chosen for span in c.answers.get("s").spans}  # type: ignore[union-attr]
        assert shown == set("abcd") and len(chosen) == 2


def test_one_question_that_is_full_does_not_keep_the_others_from_examples() -> None:
    urgent = ChoiceQuestion(id="u", name="U", labels=LABELS[:2])
    ontology = Ontology(version=1, questions=(ONTOLOGY.questions[0], urgent))
    rows = [
        Correction(
            annotation_id=f"n{i}", asset_id=i, text=f"t{i}",
            answers=Answers.of({"c": ChoiceAnswer(labels=("abcd"[i % 4],)), "u": ChoiceAnswer(labels=("a",))}),
        )
        for i in range(12)
    ]  # fmt: skip
    chosen = per_label(rows, ontology, 1, 0)
    assert sorted(c.answers.get("c").labels[0] for c in chosen) == list("abcd")  # type: ignore[union-attr]


likened = st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1)), min_size=1, max_size=30)


@given(likened, st.integers(1, 4), st.sampled_from(["nearest", "nearest_per_label", "mmr"]))
def test_what_is_chosen_by_likeness_is_no_copy_and_stands_nearest_last(
    rows: list[tuple[str, float]], k: int, kind: str
) -> None:
    given_ = [
        Correction(
            annotation_id=f"n{i:02}",
            asset_id=i,
            text=f"t{i}",
            answers=Answers.of({"c": ChoiceAnswer(labels=(x,))}),
        )
        for i, (x, _) in enumerate(rows)
    ]
    like = Likeness({f"n{i:02}": p for i, (_, p) in enumerate(rows)}, lambda _a, _b: 0.0)
    policy = ExamplePolicy.model_validate({"kind": kind, "k": k})
    chosen = choose_for(policy, given_, ONTOLOGY, 0, "T1!", like, categories_of(ONTOLOGY, given_))
    scores = [like.asked[c.annotation_id] for c in chosen]
    assert scores == sorted(scores) and all(score < NEAR_DUPLICATE for score in scores)
    assert not {0, 1} & {c.asset_id for c in chosen}, "neither the asset itself nor its text in other letters"
    usable = [c for c in given_ if like.asked[c.annotation_id] < NEAR_DUPLICATE and c.asset_id > 1]
    if kind == "nearest_per_label":
        for label in "abcd":
            of_it = sorted((c for c in usable if c.answers == Answers.of({"c": ChoiceAnswer(labels=(label,))})),
                           key=lambda c: (-like.asked[c.annotation_id], c.annotation_id))  # fmt: skip
            assert [c for c in chosen[::-1] if c in of_it] == of_it[:k]
    else:
        best = sorted(usable, key=lambda c: (-like.asked[c.annotation_id], c.annotation_id))[:k]
        assert chosen[::-1] == best, "texts that are not alike among themselves: the most similar win"


def test_mmr_takes_the_second_best_when_the_best_two_say_the_same() -> None:
    rows = [marked(i, "a") for i in range(3)]
    like = Likeness({"n0": 0.8, "n1": 0.78, "n2": 0.6}, lambda a, b: 0.99 if {a, b} == {"n0", "n1"} else 0.1)
    assert [c.annotation_id for c in mmr(rows, 2, like)] == ["n2", "n0"]
