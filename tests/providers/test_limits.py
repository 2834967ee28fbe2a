"""Limits per minute, what an endpoint says is left, fair turns, and second requests for slow answers."""

import asyncio
import threading
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.providers import Endpoint, Pool, RetryPolicy
from labelwright.providers.buckets import Bucket, told
from labelwright.providers.lane import BreakerPolicy, Lane, Limits
from labelwright.providers.waits import reset_s
from tests.endpoints.scripted import ScriptedServer, Step
from tests.providers.test_pool import OK, OPEN, FakeTime, Outcomes, ask, questions

WALL = 1_700_000_000.0


@pytest.fixture
def timed() -> Iterator[tuple[Pool, FakeTime]]:
    fake = FakeTime()
    made = Pool(RetryPolicy(), clock=fake.clock, sleep=fake.sleep, wall_clock=lambda: WALL)
    yield made, fake
    made.close()


@given(
    st.integers(1, 100_000),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 500)), min_size=1, max_size=200),
)
def test_no_minute_sees_more_than_the_limit_and_one_second_of_it(
    per_min: int, wishes: list[tuple[float, float]]
) -> None:
    now, bucket = 0.0, Bucket(per_min, 0.0)
    passed: list[tuple[float, float]] = []
    for pause, size in wishes:
        now += pause
        now += bucket.wait_s(size, now)
        assert bucket.wait_s(size, now) <= 1e-6
        bucket.take(size)
        passed.append((now, size))
    for start, _ in passed:
        within = [(at, size) for at, size in passed if start <= at < start + 60]
        # The last one may be larger than what is left; it is a debt that the next ones wait for.
        assert sum(size for _, size in within[:-1]) <= per_min + max(1.0, per_min / 60) + 1e-6


def test_requests_per_minute_are_kept(timed: tuple[Pool, FakeTime], scripted: ScriptedServer) -> None:
    pool, fake = timed
    scripted.script = OK
    outcomes = ask(pool, scripted, questions(30), concurrency=8, requests_per_min=60)
    assert outcomes.kinds == {"reply": 30}
    assert 29.0 <= fake.now - 1000.0 <= 40.0


def test_tokens_per_minute_are_corrected_by_what_the_endpoint_counts(
    timed: tuple[Pool, FakeTime], scripted: ScriptedServer
) -> None:
    pool, fake = timed
    scripted.script = Step(text="yes", prompt_tokens=90, completion_tokens=10)
    outcomes = ask(pool, scripted, questions(60), concurrency=1, tokens_per_min=6_000)
    assert outcomes.kinds == {"reply": 60}
    # 60 answers of 100 tokens at 100 a second; the first were estimated at 260.
    assert 55.0 <= fake.now - 1000.0 <= 75.0


def test_a_request_larger_than_the_limit_of_a_minute_still_goes_out(
    timed: tuple[Pool, FakeTime], scripted: ScriptedServer
) -> None:
    pool, _ = timed
    scripted.script = OK
    assert ask(pool, scripted, questions(3), tokens_per_min=10).kinds == {"reply": 3}


@pytest.mark.parametrize(
    ("reset", "seconds"), [("20s", 20.0), ("1m0s", 60.0), ("20", 20.0), (str(int(WALL) + 20), 20.0),
                           (str(int(WALL * 1000) + 20_000), 20.0), ("2023-11-14T22:13:40Z", 20.0),
                           (formatdate(WALL + 20, usegmt=True), 20.0)],
)  # fmt: skip
def test_nothing_is_sent_after_an_answer_says_that_nothing_is_left(
    timed: tuple[Pool, FakeTime], scripted: ScriptedServer, reset: str, seconds: float
) -> None:
    assert reset_s(reset, WALL) == seconds
    pool, fake = timed
    sent_at: list[float] = []

    def script(number: int, _: dict[str, Any]) -> Step:
        sent_at.append(fake.now)
        left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
        return Step(text="yes", headers=left if number == 3 else {})

    scripted.script = script
    assert ask(pool, scripted, questions(6), concurrency=1).kinds == {"reply": 6}
    assert sent_at[2] == 1000.0 and sent_at[3] >= 1000.0 + seconds


def test_what_is_left_flows_back_at_the_rate_the_endpoint_states() -> None:
    headers = {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "9s",
    }
    word = told(headers, "tokens", 50.0, 0.0, WALL)
    assert word is not None and word.wait_s(50, 0.0) == 0.0
    assert word.wait_s(150, 0.0) == pytest.approx(1.0) and word.wait_s(150, 1.0) == 0.0
    assert word.wait_s(5_000, 0.0) == 9.0 and word.wait_s(5_000, 9.0) == 0.0


@given(st.dictionaries(st.sampled_from(["limit", "remaining", "reset"]), st.text(max_size=12)))
def test_odd_headers_never_hurt(values: dict[str, str]) -> None:
    headers = {f"x-ratelimit-{name}-requests": value for name, value in values.items()}
    word = told(headers, "requests", 0.0, 0.0, WALL)
    assert word is None or 0.0 <= word.wait_s(1.0, 0.0) <= 7 * 86_400


def test_a_daily_limit_turns_away_and_says_how_long(
    timed: tuple[Pool, FakeTime], scripted: ScriptedServer
) -> None:
    pool, fake = timed
    scripted.script = Step(
        text="yes", headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8h"}
    )
    outcomes = ask(pool, scripted, questions(5), concurrency=1)
    assert outcomes.kinds == {"reply": 1, "deadline": 4} and fake.now < 1001.0


def test_askers_take_turns_however_much_each_has_waiting() -> None:
    async def story() -> list[str]:
        lane = Lane(lambda: 0.0, asyncio.sleep, BreakerPolicy())
        many, few = lane.enter(Limits(1)), lane.enter(Limits(1))
        order: list[str] = []

        async def one(name: str, asker: Any) -> None:
            ticket = await lane.permit(asker, 1.0)
            assert ticket is not None
            order.append(name)
            await asyncio.sleep(0)
            lane.done(ticket, None)

        await asyncio.gather(*(one("many", many) for _ in range(20)), *(one("few", few) for _ in range(5)))
        return order

    order = asyncio.run(story())
    assert len(order) == 25 and order[:11].count("few") == 5


def test_two_runs_at_one_endpoint_get_about_the_same(pool: Pool, scripted: ScriptedServer) -> None:
    seen: list[str] = []

    def script(_: int, body: dict[str, Any]) -> Step:
        seen.append(body["messages"][0]["content"].split()[0])
        return Step(text="yes", latency_s=0.005)

    scripted.script = script
    threads = []
    for name, n in (("long", 200), ("short", 40)):
        asked = [
            each.model_copy(
                update={"messages": (each.messages[0].model_copy(update={"content": f"{name} x"}),)}
            )
            for each in questions(n)
        ]
        threads.append(
            threading.Thread(
                target=pool.ask, args=(Endpoint(scripted.base_url, concurrency=4), asked, Outcomes()),
                kwargs={"privacy": OPEN},
            )
        )  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    first, last = seen.index("short"), len(seen) - seen[::-1].index("short")
    between = seen[first:last]
    assert between.count("long") <= 2 * between.count("short")


def test_keys_of_one_address_do_not_share_a_breaker(pool: Pool, scripted: ScriptedServer) -> None:
    class ByKey(ScriptedServer):
        async def answer(self, call: Any) -> None:
            self.script = Step("error", status=401) if "bad" in call.headers["authorization"] else OK
            await super().answer(call)

    with ByKey() as server:
        assert ask(pool, server, questions(20), concurrency=1, key="bad").kinds["circuit_open"] > 0
        assert ask(pool, server, questions(5), concurrency=1, key="good").kinds == {"reply": 5}


@pytest.mark.parametrize("hedge", [False, True])
def test_a_slow_answer_is_asked_for_twice_only_when_wanted_and_both_are_billed(
    pool: Pool, scripted: ScriptedServer, hedge: bool
) -> None:
    slow_at = 40

    def script(number: int, _: dict[str, Any]) -> Step:
        return Step(
            text="yes", latency_s=1.0 if number == slow_at else 0.01, prompt_tokens=10, completion_tokens=1
        )

    scripted.script = script
    outcomes = ask(pool, scripted, questions(45), concurrency=2, hedge=hedge)
    replies: Any = [reply for [reply] in outcomes.by_tag.values()]
    assert outcomes.kinds == {"reply": 45}
    attempts = sum(reply.attempts for reply in replies)
    billed = sum(reply.usage.prompt_tokens for reply in replies)
    assert billed == 10 * attempts
    assert (attempts > 45) is hedge


def test_many_random_refusals_do_not_halve_the_places(scripted: ScriptedServer) -> None:
    stubborn = Pool(RetryPolicy(base_s=0.001, cap_s=0.002))
    scripted.script = lambda n, _: Step("rate_limited") if n % 30 == 0 else OK
    outcomes = ask(stubborn, scripted, questions(600), concurrency=32)
    [lane] = stubborn._lanes.values()
    stubborn.close()
    assert outcomes.kinds == {"reply": 600} and lane.limit == 32.0
