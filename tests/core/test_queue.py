"""Laws of the queue: a permutation, rising confidence, the audit share kept."""

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.queue import Candidate, arrange, audit_floor, shuffle_key, stream_of

confidences = st.none() | st.floats(0, 1)
candidates = st.lists(st.tuples(confidences, st.booleans()), max_size=60).map(
    lambda pairs: [Candidate(asset_id=i, confidence=c, skipped=s) for i, (c, s) in enumerate(pairs)]
)
shares = st.floats(0, 1)


@given(candidates, shares, st.integers(0, 5))
def test_the_order_is_a_permutation(given_: list[Candidate], share: float, seed: int) -> None:
    turns = arrange(given_, share, seed)
    assert sorted(t.asset_id for t in turns) == [c.asset_id for c in given_]


@given(candidates, shares, st.integers(0, 5))
def test_the_uncertain_stream_never_falls_in_confidence(
    given_: list[Candidate], share: float, seed: int
) -> None:
    by_id = {c.asset_id: c for c in given_}
    turns = [
        by_id[t.asset_id]
        for t in arrange(given_, share, seed)
        if t.why in ("least_confident", "not_predicted")
    ]
    places = [(c.skipped, c.confidence is None, c.confidence or 0.0) for c in turns]
    assert [p for p in places if not p[1]] == sorted(p for p in places if not p[1])
    assert [p[0] for p in places] == sorted(p[0] for p in places), "skipped assets come last"


@given(candidates, shares, st.integers(0, 5))
def test_audits_show_confident_assets_only(given_: list[Candidate], share: float, seed: int) -> None:
    floor = audit_floor([c.confidence for c in given_ if c.confidence is not None and not c.skipped])
    by_id = {c.asset_id: c for c in given_}
    for turn in arrange(given_, share, seed):
        if turn.why == "audit":
            confidence = by_id[turn.asset_id].confidence
            assert confidence is not None and confidence >= floor


@given(st.integers(0, 2000), shares)
def test_the_audit_share_is_kept_at_every_length(n: int, share: float) -> None:
    streams = [stream_of(i, share) for i in range(n)]
    assert abs(sum(s != "uncertain" for s in streams) - n * share) <= 1
    assert 0 <= streams.count("audit") - streams.count("sample") <= 1


def test_a_tenth_of_the_first_hundred_are_audits_when_enough_are_confident() -> None:
    many = [Candidate(asset_id=i, confidence=i / 1000) for i in range(1000)]
    first = arrange(many, 0.1, seed=3)[:100]
    assert sum(t.why == "audit" for t in first) == sum(t.why == "sample" for t in first) == 5
    assert arrange(many, 0.1, seed=3) == arrange(many, 0.1, seed=3)
    assert {t.asset_id for t in first if t.why == "audit"} != {
        t.asset_id for t in arrange(many, 0.1, seed=4)[:100] if t.why == "audit"
    }


@given(st.integers(0, 2**62), st.integers(0, 2**31))
def test_shuffle_keys_are_in_the_unit_interval(asset_id: int, seed: int) -> None:
    assert 0 <= shuffle_key(asset_id, seed) < 1


@given(candidates, st.integers(0, 5))
def test_what_was_drawn_for_an_audit_comes_before_everything_else(given_: list[Candidate], seed: int) -> None:
    marked = [
        c.model_copy(update={"audit": "first"}) if c.asset_id % 3 == 0 and not c.skipped else c
        for c in given_
    ]
    wanted = sum(c.audit is not None for c in marked)
    turns = arrange(marked, 0.0, seed)
    assert [t.why == "audit" for t in turns] == [True] * wanted + [False] * (len(turns) - wanted)
