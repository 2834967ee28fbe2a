"""The cache of replies: the same request is not paid for twice, and nothing wrong is ever taken from it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from labelwright.core.errors import NotAllowed
from labelwright.core.exchange import Message, Reply, Request
from labelwright.core.predictor import Decoding, Run
from labelwright.flows import caching, jobs, predict, setup
from labelwright.settings import Settings
from labelwright.store import cache
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step
from tests.factories import add_person
from tests.flows.test_predict import Bench, priced


@pytest.fixture
def bench(workbench: Workbench, scripted: ScriptedServer) -> Bench:
    made = Bench(workbench, scripted, n=12)
    priced(made)
    return made


@pytest.fixture
def small(sqlite_workbench: Workbench, scripted: ScriptedServer) -> Bench:
    made = Bench(sqlite_workbench, scripted, n=12)
    priced(made)
    return made


def trial(bench: Bench, **changes: Any) -> Run:
    [run] = predict.start_trials(
        bench.workbench, bench.ana, bench.project.id, [bench.plan(**changes)], n=12
    )  # fmt: skip
    bench.work()
    return bench.run(run)


def test_the_same_plan_over_the_same_texts_is_answered_from_the_cache_at_no_cost(bench: Bench) -> None:
    first = trial(bench)
    chats = bench.server.chats
    second = trial(bench)
    assert bench.server.chats == chats == 12
    assert (first.from_cache, second.from_cache, second.done) == (0, 12, 12)
    assert second.cost_usd == Decimal(0) and second.prompt_tokens == 0
    assert second.latency_p50_s is None and first.latency_p50_s is not None
    rows = bench.rows(sa.select(t.prediction.c.answers, t.prediction.c.asset_id).order_by(t.prediction.c.id))
    said = {(row.asset_id, str(row.answers)) for row in rows}
    assert len(rows) == 24 and len(said) == 12
    size = caching.cache_size(bench.workbench, bench.ana, bench.project.id)
    assert (size.replies, size.hits) == (12, 12) and size.size_bytes > 0


def test_a_run_can_pass_the_cache_by(small: Bench) -> None:
    trial(small)
    run = small.start(batch_size=12, use_cache=False)
    small.work()
    assert small.run(run).from_cache == 0 and small.server.chats == 24
    again = trial(small)
    assert again.from_cache == 12


@pytest.mark.parametrize(
    "changes", [{"model": "other"}, {"decoding": Decoding(seed=7)}, {"decoding": Decoding(max_tokens=9)}]
)
def test_another_plan_is_another_request(small: Bench, changes: dict[str, object]) -> None:
    trial(small)
    assert trial(small, **changes).from_cache == 0 and small.server.chats == 24


def test_answers_drawn_at_random_are_not_kept(small: Bench) -> None:
    drawn = Decoding(temperature=0.7, seed=None)
    trial(small, decoding=drawn)
    assert caching.cache_size(small.workbench, small.ana, None).replies == 0


def test_what_could_not_be_read_or_failed_is_never_kept(small: Bench) -> None:
    good = small.server.script
    assert callable(good)
    bad = {
        1: Step("error", status=422),
        2: Step(text="I cannot help with that."),
        3: Step(text="{", finish="length"),
    }
    small.server.script = lambda n, body: bad.get(n) or good(n, body)
    run = small.start(batch_size=12)
    small.work()
    failed = small.run(run).failed
    assert failed > 0
    assert caching.cache_size(small.workbench, small.ana, None).replies <= 12 - failed
    predict.retry_failed(small.workbench, small.ana, small.project.id, run.id)
    small.work()
    assert small.run(run).done == 12 and small.run(run).from_cache == 0


def test_it_is_forgotten_on_request_and_with_the_project(bench: Bench) -> None:
    trial(bench)
    stranger = add_person(bench.workbench, "bob")
    with pytest.raises(NotAllowed):
        caching.clear_cache(bench.workbench, stranger, None)
    assert caching.clear_cache(bench.workbench, bench.ana, bench.project.id) == 12
    assert trial(bench).from_cache == 0
    setup.trash_project(bench.workbench, bench.ana, bench.project.id)
    assert caching.cache_size(bench.workbench, bench.ana, None).replies == 0


def test_the_least_recently_used_go_when_it_is_full(bench: Bench) -> None:
    now = bench.workbench.now()
    with bench.workbench.store.write() as tx:
        for i in range(20):
            cache.put(tx, bench.project.id, {f"{i:064}": Reply(text="x" * 50)}, now + timedelta(seconds=i))
        kept = cache.look(tx, bench.project.id, [f"{0:064}"], now + timedelta(hours=1))
        assert kept[f"{0:064}"].cached
        total = cache.size(tx, None).size_bytes
        assert cache.trim(tx, total) == 0
        assert cache.trim(tx, total // 2) >= 10
        left = set(tx.execute(sa.select(t.reply_cache.c.sha256)).scalars())
    assert f"{0:064}" in left and f"{19:064}" in left and f"{1:064}" not in left


def test_it_can_be_turned_off(small: Bench) -> None:
    small.workbench.settings = Settings.model_validate(
        small.workbench.settings.model_dump() | {"cache_mb": 0}
    )
    trial(small)
    assert trial(small).from_cache == 0 and small.server.chats == 24


def test_every_part_of_a_request_counts() -> None:
    one = Request(model="m", messages=(Message(role="user", content="x"),), tag="1")
    changes: list[dict[str, Any]] = [
        {"model": "n"}, {"messages": (Message(role="user", content="y"),)}, {"output_schema": {"a": 1}},
        {"max_tokens": 5}, {"temperature": 0.1}, {"top_logprobs": 3}, {"seed": 1}, {"structured": "none"},
    ]  # fmt: skip
    keys = {cache.key_of("http://a/v1", one.model_copy(update=change)) for change in [{}, *changes]}
    keys.add(cache.key_of("http://b/v1", one))
    assert len(keys) == len(changes) + 2
    assert cache.key_of("http://a/v1/", one.model_copy(update={"tag": "2"})) == cache.key_of(
        "http://a/v1", one
    )


def test_a_cost_per_confirmed_label_is_stated_once_people_confirmed_some(small: Bench) -> None:
    from labelwright.flows import annotate, take
    from tests.factories import NEGATIVE, submission

    run = small.start(batch_size=12)
    small.work()
    view = predict.view_run(small.workbench, small.ana, small.project.id, run.id)
    assert (view.confirmed, view.usd_per_confirmed) == (0, None)
    kept = 0
    for turn in take.take(small.workbench, small.ana, small.project.id, 6).turns:
        assert turn.prediction is not None
        wrong = turn.prediction.answers != NEGATIVE and turn.asset.id % 2 == 0
        answers = NEGATIVE if wrong else turn.prediction.answers
        kept += not wrong
        sent = submission(answers, prediction_id=turn.prediction.id)
        annotate.submit(small.workbench, small.ana, small.project.id, turn.asset.id, sent)
    view = predict.view_run(small.workbench, small.ana, small.project.id, run.id)
    assert view.confirmed == kept > 0 and view.run.cost_usd is not None
    assert view.usd_per_confirmed == view.run.cost_usd / kept
    assert jobs.list_jobs(small.workbench, small.ana, small.project.id)
