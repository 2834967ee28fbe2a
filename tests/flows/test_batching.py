"""Runs through a provider's batch API: half the price, every asset once, and no batch forgotten or made twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from labelwright.core.predictor import Run
from labelwright.core.price import Price
from labelwright.flows import batching, jobs, models, predict, prompts
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.batches import BatchServer
from tests.endpoints.scripted import Step
from tests.flows.test_predict import WORKER, Bench, until

PRICE = Price(model="script*", input_usd_per_mtok=1.0, output_usd_per_mtok=2.0, batch_multiplier=0.5)


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as made:
        yield made


class BatchBench(Bench):
    """A clock that jumps to when the sleeping job wakes."""

    def __init__(self, workbench: Workbench, server: BatchServer, n: int = 12) -> None:
        super().__init__(workbench, server, n=n, prices=[PRICE])
        self.batches = server
        self.ahead = timedelta(0)
        real = workbench.clock
        workbench.clock = lambda: real() + self.ahead

    def begin(self, **more: Any) -> Run:
        return self.start(batch_size=100, how="batch", **more)

    def rounds(self, n: int = 1) -> None:
        for _ in range(n):
            jobs.run_all(self.workbench)
            self.ahead += timedelta(minutes=2)

    def remote(self, run: Run) -> Any:
        return predict.view_run(self.workbench, self.ana, self.project.id, run.id).remote


@pytest.fixture
def bench(workbench: Workbench, server: BatchServer) -> BatchBench:
    return BatchBench(workbench, server)


@pytest.fixture
def small(sqlite_workbench: Workbench, server: BatchServer) -> BatchBench:
    return BatchBench(sqlite_workbench, server)


def test_a_batch_is_sent_looked_at_and_taken_in_at_its_own_price(bench: BatchBench) -> None:
    bench.batches.looks_needed = 2
    bench.batches.script = Step(text='{"sentiment": "Positive"}', prompt_tokens=100, completion_tokens=10)
    run = bench.begin()
    bench.rounds(1)
    waiting = bench.remote(run)
    assert (bench.run(run).state, waiting.state, waiting.requests) == ("running", "sent", 12)
    # The worker is free meanwhile: the job sleeps.
    [job] = jobs.list_jobs(bench.workbench, bench.ana, bench.project.id, ("predict",))
    assert job.state == "queued"
    bench.rounds(2)
    done = bench.run(run)
    assert (done.state, done.done, done.failed, done.how) == ("done", 12, 0, "batch")
    assert bench.predicted() == bench.ids and len(bench.batches.batches) == 1
    assert done.cost_usd == 12 * (100 * Decimal(1) + 10 * Decimal(2)) / 1_000_000 / 2
    assert bench.remote(run).state == "ended" and bench.remote(run).completed == 12


def test_an_estimate_knows_the_price_of_a_batch(small: BatchBench) -> None:
    ask = (small.workbench, small.ana, small.project.id, small.plan())
    now, later = prompts.estimate(*ask), prompts.estimate(*ask, None, "batch")
    assert now.usd is not None and later.usd == now.usd / 2


def test_what_a_batch_could_not_answer_in_time_is_kept_for_a_resume(bench: BatchBench) -> None:
    bench.batches.ending, bench.batches.answered = "expired", 7
    run = bench.begin()
    bench.rounds(2)
    paused = bench.run(run)
    assert (paused.state, paused.done, paused.failed) == ("paused", 7, 0)
    assert "5 texts unanswered" in paused.stop_reason
    bench.batches.ending, bench.batches.answered = "completed", None
    predict.resume_run(bench.workbench, bench.ana, bench.project.id, run.id)
    bench.rounds(2)
    assert (bench.run(run).state, bench.run(run).done, bench.batches.chats) == ("done", 12, 12)
    assert bench.predicted() == bench.ids


def test_a_line_that_fails_for_the_servers_fault_goes_with_the_next_batch(small: BatchBench) -> None:
    good = small.batches.script
    assert callable(good)
    small.batches.script = lambda n, body: Step("error", status=500) if n <= 3 else good(n, body)
    run = small.begin()
    small.rounds(5)
    assert (small.run(run).state, small.run(run).done, len(small.batches.batches)) == ("done", 12, 2)


def test_a_line_that_keeps_failing_counts_as_failed(small: BatchBench) -> None:
    good = small.batches.script
    assert callable(good)
    bad = small.texts[3]
    small.batches.script = lambda n, body: (
        Step("error", status=500) if bad in body["messages"][-1]["content"] else good(n, body)
    )
    run = small.begin()
    small.rounds(8)
    done = small.run(run)
    assert (done.state, done.done, done.failures) == ("paused", 11, {}) or done.failed == 1
    assert len(small.batches.batches) <= 3


@pytest.mark.parametrize("lost", ["/files", "/batches"])
def test_a_batch_whose_id_was_never_heard_is_found_again_and_not_made_twice(
    bench: BatchBench, lost: str
) -> None:
    bench.batches.lose.add(lost)
    run = bench.begin()
    bench.rounds(4)
    assert (bench.run(run).state, bench.run(run).done) == ("done", 12)
    assert len(bench.batches.batches) == 1 and bench.batches.chats == 12


def test_a_cancelled_batch_is_stopped_and_what_it_answered_is_taken_in(bench: BatchBench) -> None:
    bench.batches.looks_needed, bench.batches.answered = 99, 4
    run = bench.begin()
    bench.rounds(2)
    ending = predict.cancel_run(bench.workbench, bench.ana, bench.project.id, run.id)
    assert "waiting for the provider" in ending.stop_reason
    bench.rounds(3)
    done = bench.run(run)
    assert (done.state, done.done) == ("cancelled", 4)
    assert [each["status"] for each in bench.batches.batches.values()] == ["cancelled"]
    assert predict.start_run(
        bench.workbench, bench.ana, bench.project.id, bench.plan(), batch_size=50
    ).total == 8  # fmt: skip


def test_a_refused_batch_pauses_the_run_and_says_why(small: BatchBench) -> None:
    small.batches.ending = "failed"
    run = small.begin()
    small.rounds(2)
    paused = small.run(run)
    assert paused.state == "paused" and "line 1 is no request" in paused.stop_reason


def test_an_endpoint_without_a_batch_api_says_so(small: BatchBench) -> None:
    small.batches._files = lambda call, parts: None  # type: ignore[method-assign]
    run = small.begin()
    small.rounds(1)
    paused = small.run(run)
    assert paused.state == "paused" and "no batch API" in paused.stop_reason
    assert {row.state for row in small.rows(sa.select(t.run_asset.c.state))} == {"pending"}


def test_a_dead_endpoint_is_looked_for_again_later(small: BatchBench) -> None:
    run = small.begin()
    small.rounds(1)
    truth = small.batches._batches
    small.batches._batches = lambda call, parts: call.reset()  # type: ignore[method-assign]
    small.rounds(2)
    assert small.run(run).state == "running"
    small.batches._batches = truth  # type: ignore[method-assign]
    small.rounds(2)
    assert (small.run(run).state, small.run(run).done) == ("done", 12)


def test_answers_that_make_no_sense_leave_their_assets_unanswered(small: BatchBench) -> None:
    run = small.begin()
    small.rounds(1)
    finish = small.batches._finish

    def spoil(batch: dict[str, Any], status: str) -> None:
        finish(batch, status)
        key = batch["output_file_id"]
        lines = small.batches.files[key].splitlines()
        rubbish = (
            b'{"custom_id": "999999:0", "response": {}}\n[1]\nnot json\n{"custom_id": "x", "error": null}\n'
        )
        small.batches.files[key] = rubbish + b"\n".join(lines[:-2]) + b"\n" + lines[0] + b"\n"

    small.batches._finish = spoil  # type: ignore[method-assign]
    small.rounds(1)
    small.batches._finish = finish  # type: ignore[method-assign]
    small.rounds(3)
    assert (small.run(run).state, small.run(run).done) == ("done", 12)
    assert sorted(small.predicted()) == small.ids


def test_after_kill_9_at_any_point_a_batch_is_neither_lost_nor_paid_for_twice(bench: BatchBench) -> None:
    bench.batches.looks_needed = 3
    run = bench.begin()
    settings = bench.workbench.settings
    script = WORKER.replace(
        "jobs.free_own_jobs(bench)",
        "from labelwright.flows import batching; batching.FIRST_LOOK_S = batching.LAST_LOOK_S = 0.05\n"
        "jobs.free_own_jobs(bench)",
    ).replace(
        "jobs.run_all(bench)",
        "import time\nfor _ in range(400):\n    jobs.run_all(bench)\n    time.sleep(0.02)",
    )
    command = [sys.executable, "-c", script, str(settings.home), settings.database_url]
    for wanted in ("files", "batches"):
        process = subprocess.Popen(command)
        until(lambda wanted=wanted: len(getattr(bench.batches, wanted)) >= 1, 60)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while bench.run(run).state not in ("done", "paused") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = bench.run(run)
    assert (done.state, done.done, done.failed) == ("done", 12, 0), done.stop_reason
    assert len(bench.batches.batches) == 1 and bench.batches.chats == 12
    assert bench.predicted() == bench.ids


def test_looks_come_at_growing_intervals() -> None:
    waits = [min(batching.LAST_LOOK_S, batching.FIRST_LOOK_S * 1.5**n) for n in range(12)]
    assert waits == sorted(waits) and waits[-1] == 60.0


def test_prices_of_a_provider_were_kept(small: BatchBench) -> None:
    assert models.get_provider(small.workbench, small.ana, small.provider.id).prices == (PRICE,)
