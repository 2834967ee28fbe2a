"""Model runs on both databases: every asset once, spending kept, and nothing lost whatever the endpoint does."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from labelwright.core.access import Actor
from labelwright.core.answer import ChoiceAnswer
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound, PrivacyRefused
from labelwright.core.predictor import ExamplePolicy, Run
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import annotate, jobs, models, predict, prompts, setup, take, trial
from labelwright.flows import reread as again
from labelwright.store import asset as assets
from labelwright.store import jobs as job_store
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step, truth, unit
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, submission


class Bench:
    """A project with texts and a scripted model, ready for a run."""

    def __init__(
        self,
        workbench: Workbench,
        server: ScriptedServer,
        n: int = 30,
        accuracy: float = 0.85,
        **provider: Any,
    ) -> None:
        self.workbench, self.server = workbench, server
        self.ana: Actor = add_person(workbench, is_admin=True)
        self.project: Project = add_project(
            workbench, self.ana, settings=ProjectSettings(batch_size=10, audit_share=0)
        )
        self.texts = [f"This is review number {i}, and it says what it says." for i in range(n)]
        self.truths = {text: "Positive" if unit(text) < 0.5 else "Negative" for text in self.texts}
        self.ids = add_assets(workbench, self.project, self.texts)
        server.script = truth(self.truths, ["Positive", "Negative"], accuracy, base=Step(prompt_tokens=100))
        given = {"name": "scripted", "base_url": server.base_url, "concurrency": 4} | provider
        self.provider = models.add_provider(workbench, self.ana, models.ProviderInput.model_validate(given))

    def plan(self, **changes: Any) -> prompts.Plan:
        return prompts.Plan.model_validate({"provider_id": self.provider.id, "model": "scripted"} | changes)

    def start(self, **more: Any) -> Run:
        plan = more.pop("plan", None) or self.plan()
        return predict.start_run(self.workbench, self.ana, self.project.id, plan, **more)

    def work(self) -> None:
        jobs.run_all(self.workbench)

    def run(self, run: Run) -> Run:
        return predict.view_run(self.workbench, self.ana, self.project.id, run.id).run

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.workbench.store.read() as tx:
            return list(tx.execute(query))

    def predicted(self) -> list[int]:
        rows = self.rows(sa.select(t.prediction.c.asset_id).where(t.prediction.c.run_id.is_not(None)))
        return sorted(row.asset_id for row in rows)

    def counts(self) -> dict[str, int]:
        with self.workbench.store.read() as tx:
            return assets.counters(tx, self.project.id)


@pytest.fixture
def bench(workbench: Workbench, scripted: ScriptedServer) -> Bench:
    return Bench(workbench, scripted)


@pytest.fixture
def small(sqlite_workbench: Workbench, scripted: ScriptedServer) -> Bench:
    return Bench(sqlite_workbench, scripted)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def in_background(bench: Bench) -> threading.Thread:
    thread = threading.Thread(target=bench.work)
    thread.start()
    return thread


# --- the plain way ----------------------------------------------------------------------------------------------------


def test_a_run_predicts_its_batch_and_orders_the_queue_by_confidence(bench: Bench) -> None:
    run = bench.start(batch_size=20)
    assert (run.state, run.total, run.batch) == ("queued", 20, 1)
    bench.work()
    done = bench.run(run)
    assert (done.state, done.done, done.failed) == ("done", 20, 0)
    assert len(bench.predicted()) == len(set(bench.predicted())) == 20
    assert bench.counts()["predicted"] == 20 and bench.counts()["new"] == 10
    assert done.prompt_tokens == 2_000 and done.completion_tokens > 0 and done.latency_p50_s is not None
    hand = take.take(bench.workbench, bench.ana, bench.project.id, 20)
    confidences = [turn.asset.confidence for turn in hand.turns]
    assert None not in confidences and confidences == sorted(confidences)  # type: ignore[type-var]
    first = hand.turns[0].prediction
    assert first is not None and first.confidence["sentiment"].scorer == "label_trie"


def test_a_series_goes_batch_by_batch_until_nothing_is_left(bench: Bench) -> None:
    first = bench.start(batch_size=12, batches=None)
    bench.work()
    listed = predict.list_runs(bench.workbench, bench.ana, bench.project.id)
    assert [(run.batch, run.total, run.state) for run in reversed(listed)] == [
        (1, 12, "done"), (2, 12, "done"), (3, 6, "done"),
    ]  # fmt: skip
    assert bench.predicted() == bench.ids
    assert first.batch == 1
    with pytest.raises(Conflict) as caught:
        bench.start()
    assert caught.value.code == "nothing_left"


def test_batches_are_drawn_at_random_and_never_overlap(bench: Bench) -> None:
    one, other = bench.start(batch_size=10), bench.start(batch_size=10)
    covered = [row.asset_id for row in bench.rows(sa.select(t.run_asset.c.asset_id))]
    assert len(covered) == len(set(covered)) == 20
    assert sorted(covered)[:10] != bench.ids[:10]
    bench.work()
    assert {bench.run(one).state, bench.run(other).state} == {"done"}


def test_a_raw_reply_is_kept_for_every_prediction(bench: Bench) -> None:
    bench.start(batch_size=5)
    bench.work()
    kept = bench.rows(sa.select(t.exchange))
    assert (
        len(kept) == 5
        and all(row.reply["tokens"] for row in kept)
        and len({r.request_sha256 for r in kept}) == 5
    )


def test_an_abstention_is_a_prediction_without_an_answer_that_comes_first(bench: Bench) -> None:
    likely = bench.server.script
    assert callable(likely)
    bench.server.script = lambda n, body: (
        Step(text='{"sentiment": "__none__"}') if n == 3 else likely(n, body)
    )
    run = bench.start(batch_size=10, plan=bench.plan())
    bench.work()
    assert bench.run(run).done == 10
    turn = take.take(bench.workbench, bench.ana, bench.project.id, 1).turns[0]
    assert turn.prediction is not None and len(turn.prediction.answers) == 0
    assert (
        turn.prediction.confidence.get("sentiment") is None
        or turn.prediction.confidence["sentiment"].value is None
    )


def test_a_person_who_was_faster_keeps_the_asset(bench: Bench) -> None:
    run = bench.start(batch_size=30)
    annotate.submit(bench.workbench, bench.ana, bench.project.id, bench.ids[0], submission(NEGATIVE))
    bench.work()
    assert bench.run(run).done == 30
    [row] = bench.rows(sa.select(t.asset).where(t.asset.c.id == bench.ids[0]))
    assert (row.status, row.prediction_id) == ("labelled", None)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_failures_are_grouped_by_cause_and_can_be_asked_again(bench: Bench) -> None:
    likely = bench.server.script
    assert callable(likely)
    bad = {
        2: Step(
            "error", status=400, body={"error": {"message": "This model's maximum context length is 10"}}
        ),
        4: Step(text="I'm sorry, I can't help with that.", finish="stop"),
        6: Step(text='{"sentiment": "Purple"}'),
        8: Step("error", status=422),
    }
    bench.server.script = lambda n, body: bad.get(n) or likely(n, body)
    run = bench.start(batch_size=20)
    bench.work()
    done = bench.run(run)
    # The unknown label was put right when it was asked about once more.
    assert (done.state, done.done, done.failed) == ("done", 17, 3)
    assert set(done.failures) == {"context_too_long", "refused", "bad_request"}
    view = predict.view_run(bench.workbench, bench.ana, bench.project.id, run.id)
    assert all(some[0].message for some in view.failures_sample.values())
    asked = bench.server.chats
    again = predict.retry_failed(bench.workbench, bench.ana, bench.project.id, run.id)
    assert (again.state, again.failed) == ("queued", 0)
    bench.work()
    assert (bench.run(run).done, bench.run(run).failed, bench.server.chats) == (20, 0, asked + 3)
    assert len(set(bench.predicted())) == 20


def test_an_unreadable_answer_is_asked_about_once_more_and_both_are_kept_and_billed(bench: Bench) -> None:
    priced(bench)
    good = Step(text='{"sentiment": "Negative"}', prompt_tokens=100, completion_tokens=10)
    bench.server.script = lambda n, _: (
        good if n > 1 else Step(text="Purple!", prompt_tokens=50, completion_tokens=5)
    )
    run = bench.start(batch_size=1)
    bench.work()
    done = bench.run(run)
    assert (done.done, done.failed, done.retried, bench.server.chats) == (1, 0, 1, 2)
    assert (done.prompt_tokens, done.completion_tokens) == (150, 15)
    assert done.cost_usd == (150 * Decimal(1) + 15 * Decimal(2)) / 1_000_000
    second = bench.server.seen.bodies[-1]["messages"]
    assert (
        second[-2] == {"role": "assistant", "content": "Purple!"}
        and "cannot be used" in second[-1]["content"]
    )
    assert [row.part for row in bench.rows(sa.select(t.exchange).order_by(t.exchange.c.part))] == [0, 1]
    turn = take.take(bench.workbench, bench.ana, bench.project.id, 1).turns[0]
    assert turn.prediction is not None and turn.prediction.answers == NEGATIVE


def test_an_answer_that_stays_unreadable_fails_with_its_first_cause(bench: Bench) -> None:
    bench.server.script = Step(text='{"sentiment": "Purple"}')
    run = bench.start(batch_size=3)
    bench.work()
    done = bench.run(run)
    assert (done.state, done.failures, bench.server.chats) == ("failed", {"unknown_label": 3}, 6)
    assert "unknown label" in done.stop_reason


def test_a_storm_of_faults_loses_nothing(bench: Bench) -> None:
    likely = bench.server.script
    assert callable(likely)
    faults = [Step("rate_limited", headers={"Retry-After": "0.01"}), Step("half_json"), Step("cut_stream")]
    bench.server.script = lambda n, body: faults[n % 3] if unit(f"storm{n}") < 0.3 else likely(n, body)
    run = bench.start(batch_size=30)
    bench.work()
    done = bench.run(run)
    assert (done.state, done.done, done.failed) == ("done", 30, 0)
    assert done.retried == bench.server.chats - 30 > 0


def test_a_refused_key_pauses_the_run_and_says_what_to_do(bench: Bench) -> None:
    bench.server.script = Step("error", status=401)
    run = bench.start(batch_size=30)
    bench.work()
    paused = bench.run(run)
    assert (paused.state, paused.done, paused.failed) == ("paused", 0, 0)
    assert "key" in paused.stop_reason
    bench.server.script = truth(bench.truths, ["Positive", "Negative"], 0.85)
    assert predict.resume_run(bench.workbench, bench.ana, bench.project.id, run.id).state == "queued"
    bench.work()
    assert bench.run(run).done == 30 and len(set(bench.predicted())) == 30


def test_a_refused_key_pauses_even_the_smallest_run(bench: Bench) -> None:
    bench.server.script = Step("error", status=401)
    run = bench.start(batch_size=1)
    bench.work()
    assert bench.run(run).state == "paused" and bench.server.chats == 1


def test_a_wait_of_an_hour_pauses_the_run_and_says_so(small: Bench) -> None:
    small.server.script = Step("rate_limited", headers={"Retry-After": "3600"})
    run = small.start()
    small.work()
    paused = small.run(run)
    assert (paused.state, paused.failed) == ("paused", 0) and "3,600 s" in paused.stop_reason


def test_a_batch_that_follows_is_not_forgotten_when_the_process_dies_between_the_two(bench: Bench) -> None:
    likely = bench.server.script
    assert callable(likely)
    shutdown = threading.Event()

    def script(n: int, body: dict[str, Any]) -> Step:
        if n == 10:
            shutdown.set()
        return likely(n, body)

    bench.server.script = script
    bench.start(batch_size=10, batches=None)
    jobs.run_next(bench.workbench, "first", shutdown)
    assert bench.server.chats < 30
    bench.work()
    assert bench.predicted() == bench.ids and bench.server.chats == 30


def test_cancelling_the_job_cancels_its_runs(bench: Bench) -> None:
    bench.server.script = truth(bench.truths, ["Positive", "Negative"], 0.85, base=Step(latency_s=0.2))
    trials = predict.start_trials(bench.workbench, bench.ana, bench.project.id, [bench.plan()] * 2, n=30)
    worker = in_background(bench)
    until(lambda: bench.server.chats >= 4)
    [job] = jobs.list_jobs(bench.workbench, bench.ana, bench.project.id, ("predict",))
    jobs.cancel_job(bench.workbench, bench.ana, bench.project.id, job.id)
    worker.join(30)
    assert [bench.run(each).state for each in trials] == ["cancelled", "cancelled"]


def test_a_dead_endpoint_pauses_the_run(small: Bench) -> None:
    run = small.start(batch_size=30)
    small.server._server.close()  # type: ignore[union-attr]
    small.workbench._pool = None
    from labelwright.providers import Pool, RetryPolicy
    from labelwright.providers.lane import BreakerPolicy

    small.workbench._pool = Pool(RetryPolicy(base_s=0.01, cap_s=0.02), BreakerPolicy(span_s=0.0))
    small.work()
    paused = small.run(run)
    assert (paused.state, paused.done, paused.failed) == ("paused", 0, 0)
    assert "unreachable" in paused.stop_reason
    states = {row.state for row in small.rows(sa.select(t.run_asset.c.state))}
    assert states == {"pending"}


def test_a_hopeless_run_is_paused_before_it_costs_much(small: Bench) -> None:
    extra = add_assets(small.workbench, small.project, [f"more {i}" for i in range(200)])
    small.server.script = Step(text="no idea what you want")
    run = small.start(batch_size=230)
    small.work()
    paused = small.run(run)
    assert paused.state == "paused" and 20 <= paused.failed < 150 and "failed" in paused.stop_reason
    assert len(extra) == 200


# --- money ------------------------------------------------------------------------------------------------------------


def priced(bench: Bench) -> None:
    change = models.ProviderChange(input_usd_per_mtok=1.0, output_usd_per_mtok=2.0)
    models.change_provider(bench.workbench, bench.ana, bench.provider.id, change)


def test_cost_is_the_sum_of_what_was_billed_to_the_last_digit(bench: Bench) -> None:
    priced(bench)
    bench.server.script = Step(text='{"sentiment": "Positive"}', prompt_tokens=101, completion_tokens=7)
    run = bench.start(batch_size=13)
    bench.work()
    assert bench.run(run).cost_usd == 13 * (101 * Decimal(1) + 7 * Decimal(2)) / 1_000_000


def test_cost_is_unknown_without_prices_and_a_cap_is_then_refused(small: Bench) -> None:
    run = small.start()
    small.work()
    assert small.run(run).cost_usd is None
    with pytest.raises(Invalid) as caught:
        small.start(cost_cap_usd=Decimal(1))
    assert caught.value.code == "no_price"


def test_the_cap_is_never_passed_and_a_higher_one_goes_on(bench: Bench) -> None:
    priced(bench)
    full = predict.start_run(bench.workbench, bench.ana, bench.project.id, bench.plan(), batch_size=1)
    bench.work()
    each = bench.run(full).cost_usd
    assert each is not None
    cap = each * 12
    run = bench.start(batch_size=25, cost_cap_usd=cap)
    bench.work()
    paused = bench.run(run)
    assert paused.state == "paused" and "cap" in paused.stop_reason
    assert paused.cost_usd is not None and 0 < paused.cost_usd <= cap and 0 < paused.done < 25
    predict.resume_run(bench.workbench, bench.ana, bench.project.id, run.id, Decimal(5))
    bench.work()
    assert (bench.run(run).state, bench.run(run).done) == ("done", 25)


def test_an_estimate_is_made_from_real_prompts_and_later_from_real_bills(small: Bench) -> None:
    priced(small)
    before = prompts.estimate(small.workbench, small.ana, small.project.id, small.plan())
    assert before.assets == 30 and before.prompt_tokens > 1_000
    assert before.usd_low is not None and before.usd is not None and before.usd_high is not None
    assert before.usd_low < before.usd < before.usd_high
    small.start(batch_size=10)
    small.work()
    after = prompts.estimate(small.workbench, small.ana, small.project.id, small.plan())
    assert (after.assets, after.prompt_tokens) == (20, 2_000) and "10 answers" in after.note


# --- steering ---------------------------------------------------------------------------------------------------------


def test_a_paused_run_stops_asking_and_goes_on_where_it_was(bench: Bench) -> None:
    bench.server.script = truth(bench.truths, ["Positive", "Negative"], 0.85, base=Step(latency_s=0.15))
    run = bench.start(batch_size=30)
    worker = in_background(bench)
    until(lambda: bench.server.chats >= 6 and bench.run(run).rate_per_s is not None)
    assert bench.run(run).eta_s is not None
    paused = predict.pause_run(bench.workbench, bench.ana, bench.project.id, run.id)
    assert paused.state == "paused" and "ana" in paused.stop_reason
    worker.join(20)
    asked = bench.server.chats
    assert asked < 30 and bench.run(run).done == asked
    predict.resume_run(bench.workbench, bench.ana, bench.project.id, run.id)
    bench.work()
    assert bench.run(run).state == "done" and bench.server.chats == 30
    assert bench.predicted() == bench.ids


def test_resuming_at_once_neither_loses_the_run_nor_asks_twice(bench: Bench) -> None:
    bench.server.script = truth(bench.truths, ["Positive", "Negative"], 0.85, base=Step(latency_s=0.1))
    run = bench.start(batch_size=30)
    worker = in_background(bench)
    for wanted in (4, 8, 12):
        until(lambda wanted=wanted: bench.server.chats >= wanted)  # type: ignore[misc]
        predict.pause_run(bench.workbench, bench.ana, bench.project.id, run.id)
        predict.resume_run(bench.workbench, bench.ana, bench.project.id, run.id)
    worker.join(30)
    bench.work()
    assert (bench.run(run).state, bench.run(run).done, bench.server.chats) == ("done", 30, 30)


def test_a_cancelled_run_gives_its_assets_back(bench: Bench) -> None:
    run = bench.start(batch_size=30)
    predict.cancel_run(bench.workbench, bench.ana, bench.project.id, run.id)
    bench.work()
    assert bench.server.chats == 0 and bench.run(run).state == "cancelled"
    again = bench.start(batch_size=30)
    bench.work()
    assert bench.run(again).done == 30
    with pytest.raises(Conflict):
        predict.cancel_run(bench.workbench, bench.ana, bench.project.id, again.id)


WORKER = """
import sys
from pathlib import Path
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
from labelwright.flows import jobs
bench = open_workbench(Settings.read(Path(sys.argv[1]), {}, database_url=sys.argv[2], reserve_mb=0))
jobs.free_own_jobs(bench)
jobs.run_all(bench)
bench.close()
"""


def test_after_kill_9_only_what_was_unfinished_is_asked_again(bench: Bench) -> None:
    bench.server.script = truth(bench.truths, ["Positive", "Negative"], 0.85, base=Step(latency_s=0.1))
    run = bench.start(batch_size=30)
    settings = bench.workbench.settings
    command = [sys.executable, "-c", WORKER, str(settings.home), settings.database_url]
    kills = 0
    for wanted in (12, 26):
        process = subprocess.Popen(command)
        until(lambda wanted=wanted: bench.server.chats >= wanted, 60)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    done_before = bench.run(run).done
    subprocess.run(command, check=True, timeout=120)
    done = bench.run(run)
    assert (done.state, done.done, done.failed) == ("done", 30, 0)
    assert bench.predicted() == bench.ids
    assert 0 < done_before < 30
    # Repeated: only what was sent and not stored: the places (4), and a quarter more that waits for a place.
    asked = Counter(body["messages"][-1]["content"] for body in bench.server.seen.bodies)
    assert len(asked) == 30 and sum(n - 1 for n in asked.values()) <= kills * (4 + 1)
    kept = bench.rows(sa.select(sa.func.count()).select_from(t.exchange))
    assert kept[0][0] == 30


def test_a_reply_that_was_kept_but_not_read_is_read_and_not_asked_again(bench: Bench) -> None:
    run = bench.start(batch_size=10)
    bench.work()
    chats = bench.server.chats
    # As a crash right between keeping and reading would have left it.
    with bench.workbench.store.write() as tx:
        tx.execute(t.run_asset.update().values(state="asked", prediction_id=None, finished_at=None))
        tx.execute(t.run.update().values(state="running", done=0, finished_at=None))
        tx.execute(t.asset.update().values(prediction_id=None))
        tx.execute(t.prediction.delete())
        at = bench.workbench.now()
        job_id = job_store.add(tx, "predict", bench.project.id, {"run_ids": [run.id]}, bench.ana.user_id, at)
        runs.change(tx, run.id, job_id=job_id)
    bench.work()
    assert (bench.run(run).state, bench.run(run).done, bench.server.chats) == ("done", 10, chats)
    assert len(bench.predicted()) == 10


def test_reading_again_asks_nobody_and_changes_only_what_reads_differently(bench: Bench) -> None:
    run = bench.start(batch_size=10)
    bench.work()
    chats = bench.server.chats
    assert again.reread(bench.workbench, bench.ana, bench.project.id, run.id) == 0
    with bench.workbench.store.write() as tx:
        first = tx.execute(
            sa.select(t.exchange.c.asset_id).order_by(t.exchange.c.asset_id).limit(1)
        ).scalar_one()
        tx.execute(
            t.exchange.update()
            .where(t.exchange.c.asset_id == first)
            .values(reply={"text": '{"sentiment": "Negative"}', "finish": "stop"})
        )
    assert again.reread(bench.workbench, bench.ana, bench.project.id, run.id) <= 1
    assert (bench.server.chats, bench.run(run).done) == (chats, 10)


# --- examples, trials, previews ---------------------------------------------------------------------------------------


def corrected(bench: Bench, n: int = 6) -> None:
    """Six reviewed assets, three of each label."""
    for i, asset_id in enumerate(bench.ids[:n]):
        answers = POSITIVE if i % 2 else NEGATIVE
        annotate.submit(bench.workbench, bench.ana, bench.project.id, asset_id, submission(answers))


@pytest.mark.parametrize("kind", ["per_label", "nearest"])
def test_corrections_of_earlier_batches_become_examples(
    bench: Bench, kind: Literal["per_label", "nearest"]
) -> None:
    corrected(bench)
    plan = bench.plan(examples=ExamplePolicy(kind=kind, k=2))
    run = bench.start(plan=plan, batch_size=3)
    bench.work()
    shown = bench.server.seen.bodies[-1]["messages"]
    assert [message["role"] for message in shown][:3] == ["system", "user", "assistant"]
    assert len(shown) == 2 + 2 * (4 if kind == "per_label" else 2)
    assert bench.run(run).example_ids
    asked = {text for text in bench.texts if text in shown[-1]["content"]}
    assert not any(text in message["content"] for text in asked for message in shown[1:-1])


def test_without_corrections_a_few_shot_run_says_that_it_shows_none(bench: Bench) -> None:
    run = bench.start(plan=bench.plan(examples=ExamplePolicy(kind="per_label")), batch_size=2)
    bench.work()
    assert bench.run(run).example_ids == () and "no examples" in bench.run(run).examples_note


def test_gold_is_never_an_example(bench: Bench) -> None:
    corrected(bench)
    with bench.workbench.store.write() as tx:
        tx.execute(t.asset.update().where(t.asset.c.id.in_(bench.ids[:6])).values(gold=True))
    run = bench.start(plan=bench.plan(examples=ExamplePolicy(kind="per_label")), batch_size=2)
    bench.work()
    assert bench.run(run).example_ids == ()


def test_the_next_batch_of_a_series_learns_from_the_one_before(small: Bench) -> None:
    plan = small.plan(examples=ExamplePolicy(kind="per_label", k=1))
    small.start(plan=plan, batch_size=10)
    small.work()
    for turn in take.take(small.workbench, small.ana, small.project.id, 4).turns:
        truth_of = POSITIVE if small.truths[turn.asset.text or ""] == "Positive" else NEGATIVE
        sent = submission(truth_of, prediction_id=turn.prediction.id if turn.prediction else None)
        annotate.submit(small.workbench, small.ana, small.project.id, turn.asset.id, sent)
    second = small.start(plan=plan, batch_size=10)
    small.work()
    view = predict.view_run(small.workbench, small.ana, small.project.id, second.id)
    assert 1 <= len(view.examples) <= 2
    assert isinstance(view.examples[0].answers, dict)


def test_a_trial_compares_plans_and_leaves_the_queue_alone(bench: Bench) -> None:
    corrected(bench)
    before = bench.counts()
    trials = predict.start_trials(
        bench.workbench, bench.ana, bench.project.id, [bench.plan(), bench.plan(model="other")], n=8
    )
    bench.work()
    assert [bench.run(each).done for each in trials] == [8, 8]
    assert bench.counts() == before
    assert not bench.rows(sa.select(t.asset.c.id).where(t.asset.c.batch.is_not(None)))
    pages = [trial.view_trial(bench.workbench, bench.ana, bench.project.id, each.id) for each in trials]
    assert [row.asset_id for row in pages[0].rows] == [row.asset_id for row in pages[1].rows]
    assert pages[0].summary.done == 8
    known = [row for row in pages[0].rows if row.truth is not None]
    assert pages[0].summary.compared.get("sentiment", 0) == len(known)


def test_a_trial_on_gold_knows_what_is_right(bench: Bench) -> None:
    with bench.workbench.store.write() as tx:
        for asset_id, text in list(zip(bench.ids, bench.texts, strict=True))[:10]:
            label = bench.truths[text].lower()
            answers = {"sentiment": ChoiceAnswer(labels=(label,)).model_dump(mode="json")}
            tx.execute(
                t.gold.insert().values(
                    asset_id=asset_id,
                    project_id=bench.project.id,
                    answers=answers,
                    created_at=bench.workbench.now(),
                )
            )
            tx.execute(t.asset.update().where(t.asset.c.id == asset_id).values(gold=True))
    bench.server.script = truth(bench.truths, ["Positive", "Negative"], 0.999)
    [tried] = predict.start_trials(bench.workbench, bench.ana, bench.project.id, [bench.plan()], on="gold")
    bench.work()
    view = trial.view_trial(bench.workbench, bench.ana, bench.project.id, tried.id)
    assert (view.summary.compared["sentiment"], view.summary.right["sentiment"]) == (10, 10)
    assert all(row.right == {"sentiment": True} for row in view.rows)


def test_the_preview_is_exactly_what_is_sent(bench: Bench) -> None:
    stored = prompts.add_template(
        bench.workbench,
        bench.ana,
        bench.project.id,
        "mine",
        "{role}\nBe brief.\n{questions}\n{format}",
        "Text: {text}",
    )
    shown = prompts.preview(
        bench.workbench, bench.ana, bench.project.id, asset_id=None, template=None, template_version=stored.version,
        examples=ExamplePolicy(), model="scripted",
    )  # fmt: skip
    bench.start(plan=bench.plan(template_version=stored.version), batch_size=1)
    bench.work()
    sent = bench.server.seen.bodies[-1]["messages"]
    assert [(m.role, m.content) for m in shown.messages] == [(m["role"], m["content"]) for m in sent]
    assert "Be brief." in sent[0]["content"] and shown.prompt_tokens > 50


def test_a_template_that_never_sends_the_text_is_refused(small: Bench) -> None:
    with pytest.raises(Invalid):
        prompts.add_template(
            small.workbench, small.ana, small.project.id, "x", "{questions}{format}", "no text"
        )
    versions = prompts.list_templates(small.workbench, small.ana, small.project.id)
    assert [each.version for each in versions] == [0]


def test_columns_of_the_import_are_only_sent_when_the_template_asks_for_them(bench: Bench) -> None:
    with bench.workbench.store.write() as tx:
        tx.execute(t.asset_content.update().values(metadata={"reviewer": "secret person"}))
    bench.start(batch_size=1)
    bench.work()
    assert "secret person" not in str(bench.server.seen.bodies)
    stored = prompts.add_template(
        bench.workbench, bench.ana, bench.project.id, "with", "{questions}{format}", "{fields}{text}"
    )
    bench.start(plan=bench.plan(template_version=stored.version), batch_size=1)
    bench.work()
    assert "secret person" in str(bench.server.seen.bodies[-1])


# --- privacy and access -----------------------------------------------------------------------------------------------


def test_a_private_project_refuses_a_foreign_endpoint_before_anything_is_sent(small: Bench) -> None:
    setup.change_project(small.workbench, small.ana, small.project.id, settings={"private": True})
    change = models.ProviderChange(base_url="http://models.example.org/v1")
    models.change_provider(small.workbench, small.ana, small.provider.id, change)
    with pytest.raises(PrivacyRefused):
        small.start()
    assert not small.rows(sa.select(t.run))


def test_a_project_made_private_during_a_run_stops_it(small: Bench) -> None:
    change = models.ProviderChange(base_url="http://10.255.255.1/v1")
    models.change_provider(small.workbench, small.ana, small.provider.id, change)
    run = small.start()
    setup.change_project(small.workbench, small.ana, small.project.id, settings={"private": True})
    small.work()
    assert small.run(run).state == "paused" and "private" in small.run(run).stop_reason


def test_a_moved_provider_does_not_get_the_texts_of_an_older_run(small: Bench) -> None:
    run = small.start()
    with ScriptedServer() as other:
        change = models.ProviderChange(base_url=other.base_url)
        models.change_provider(small.workbench, small.ana, small.provider.id, change)
        small.work()
        assert other.seen.requests == 0
    assert small.run(run).state == "paused" and "address" in small.run(run).stop_reason


def test_only_managers_run_models(small: Bench) -> None:
    from labelwright.flows import people

    bo = add_person(small.workbench, "bo")
    with pytest.raises(NotFound):
        predict.start_run(small.workbench, bo, small.project.id, small.plan())
    people.set_member(small.workbench, small.ana, small.project.id, bo.user_id, "annotator")
    with pytest.raises(NotAllowed):
        predict.start_run(small.workbench, bo, small.project.id, small.plan())
    with pytest.raises(NotAllowed):
        predict.list_runs(small.workbench, bo, small.project.id)


def test_a_run_of_another_project_is_not_found(small: Bench) -> None:
    run = small.start()
    other = add_project(small.workbench, small.ana)
    for flow in (predict.view_run, predict.pause_run, trial.view_trial):
        with pytest.raises(NotFound):
            flow(small.workbench, small.ana, other.id, run.id)


def test_counters_never_drift_from_the_assets(bench: Bench) -> None:
    bench.start(batch_size=12, batches=2)
    bench.work()
    rows = bench.rows(
        sa.select(t.asset.c.status, sa.func.count().label("n"))
        .where(t.asset.c.project_id == bench.project.id)
        .group_by(t.asset.c.status)
    )
    counts = bench.counts()
    assert {row.status: row.n for row in rows} == {
        name: counts[name] for name in counts if name in ("new", "predicted")
    }
    with bench.workbench.store.read() as tx:
        assert runs.median_confidence(tx, bench.project.id) > 0
