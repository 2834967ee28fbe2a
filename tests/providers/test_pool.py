"""The pool against an endpoint that misbehaves: nothing is lost, everything is answered exactly once."""

import itertools
import logging
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from labelwright.core.errors import ContextTooLong, ProviderError, RateLimited, Refused
from labelwright.core.exchange import Message, Reply, Request
from labelwright.core.project import Capabilities
from labelwright.providers import Endpoint, Pool, Privacy, RetryPolicy
from labelwright.providers.lane import BreakerPolicy
from tests.endpoints.scripted import ScriptedServer, Step
from tests.endpoints.wire import Call

OPEN = Privacy()
SCHEMA = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}
OK = Step(text="yes")


def question(tag: str = "0", **changes: Any) -> Request:
    made = Request(model="m", messages=(Message(role="user", content=f"text {tag}"),), tag=tag)
    return made.model_copy(update=changes)


def questions(n: int) -> list[Request]:
    return [question(str(i)) for i in range(n)]


class Outcomes:
    """Collects what comes back, and in which thread."""

    def __init__(self) -> None:
        self.by_tag: dict[str, list[Reply | ProviderError]] = {}
        self.threads: set[int] = set()

    def __call__(self, request: Request, outcome: Reply | ProviderError) -> None:
        self.by_tag.setdefault(request.tag, []).append(outcome)
        self.threads.add(threading.get_ident())

    @property
    def kinds(self) -> Counter[str]:
        return Counter(
            "reply" if isinstance(o, Reply) else o.code for o in itertools.chain(*self.by_tag.values())
        )

    def each_once(self, n: int) -> bool:
        return len(self.by_tag) == n and all(len(outcomes) == 1 for outcomes in self.by_tag.values())


def ask(pool: Pool, server: ScriptedServer, requests: Any, **endpoint: Any) -> Outcomes:
    outcomes = Outcomes()
    pool.ask(Endpoint(server.base_url, **endpoint), requests, outcomes, privacy=OPEN)
    return outcomes


def one(pool: Pool, server: ScriptedServer, request: Request | None = None, **endpoint: Any) -> Reply:
    return pool.ask_one(Endpoint(server.base_url, **endpoint), request or question(), privacy=OPEN)


def error_of(
    pool: Pool, server: ScriptedServer, request: Request | None = None, **endpoint: Any
) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        one(pool, server, request, **endpoint)
    return caught.value


def test_every_request_is_answered_once_in_the_calling_thread(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = OK
    outcomes = ask(pool, scripted, questions(100), concurrency=16)
    assert outcomes.each_once(100) and outcomes.kinds == {"reply": 100}
    assert outcomes.threads == {threading.get_ident()}


def test_no_more_than_the_stated_number_is_in_flight(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step(latency_s=0.02)
    ask(pool, scripted, questions(40), concurrency=5)
    assert 1 < scripted.seen.peak <= 5


def test_requests_are_taken_lazily(pool: Pool, scripted: ScriptedServer) -> None:
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        for taken in itertools.count(1):
            yield question(str(taken))

    outcomes = Outcomes()
    pool.ask(
        Endpoint(scripted.base_url, concurrency=4),
        endless(),
        outcomes,
        lambda: len(outcomes.by_tag) >= 30,
        privacy=OPEN,
    )
    assert outcomes.each_once(taken)
    assert 30 <= taken <= 40


def test_a_stop_waits_for_what_is_in_flight_and_sends_nothing_new(
    pool: Pool, scripted: ScriptedServer
) -> None:
    scripted.script = Step(latency_s=0.1)
    outcomes = Outcomes()
    pool.ask(
        Endpoint(scripted.base_url, concurrency=4),
        questions(50),
        outcomes,
        lambda: scripted.chats >= 4,
        privacy=OPEN,
    )
    assert scripted.chats < 12
    assert outcomes.each_once(len(outcomes.by_tag))
    assert outcomes.kinds["reply"] == scripted.chats


FAULTS = {
    "429 without a wait": Step("rate_limited"),
    "429 with seconds": Step("rate_limited", headers={"Retry-After": "0.02"}),
    "429 with a date": Step("rate_limited_date"),
    "500": Step("error"),
    "503": Step("error", status=503),
    "reset": Step("reset"),
    "half an answer as JSON": Step("half_json"),
    "cut stream": Step("cut_stream"),
    "nonsense instead of HTTP": Step("garbage_head"),
    "empty body": Step("raw", body=b""),
    "a JSON list": Step("raw", body=[]),
    "no choices": Step("raw", body={"choices": []}),
    "a failure inside a success": Step("raw", body={"error": {"code": 502, "message": "upstream"}}),
    "deep JSON": Step("raw", body=b"[" * 50_000),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_is_tried_again(pool: Pool, scripted: ScriptedServer, fault: Step) -> None:
    scripted.script = [fault, fault, OK]
    reply = one(pool, scripted)
    assert (reply.text, reply.attempts, scripted.chats) == ("yes", 3, 3)


FINAL = {
    "unauthorized": Step("error", status=401),
    "not_found": Step("error", status=404),
    "bad_request": Step("error", status=400),
    "redirected": Step("redirect", text="http://127.0.0.1:9/"),
    "not_an_api": Step("html"),
    "answer_too_large": Step("endless_body"),
    "quota_exhausted": Step(
        "error",
        status=429,
        body={"error": {"code": "insufficient_quota", "message": "no"}},
    ),
}


@pytest.mark.parametrize("code", FINAL)
def test_a_lasting_fault_is_not_tried_again(pool: Pool, scripted: ScriptedServer, code: str) -> None:
    scripted.script = FINAL[code]
    error = error_of(pool, scripted)
    assert (error.code, error.attempts, scripted.chats) == (code, 1, 1)


def test_a_slow_answer_is_waited_for_up_to_the_time_limit(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("slow_body", text="yes")
    assert one(pool, scripted).text == "yes"
    assert error_of(pool, scripted, timeout_s=0.1).code == "timeout"


def test_an_answer_of_the_wrong_type_is_read_all_the_same(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("wrong_type", text="yes")
    assert one(pool, scripted).text == "yes"


def test_storms_of_every_fault_lose_nothing(scripted: ScriptedServer) -> None:
    rng = random.Random(7)
    faults = [step for name, step in FAULTS.items() if name != "429 with a date"]

    def script(_: int, __: dict[str, Any]) -> Step:
        roll = rng.random()
        if roll < 0.4:
            return Step("rate_limited")
        return rng.choice(faults) if roll < 0.5 else OK

    scripted.script = script
    stubborn = Pool(RetryPolicy(attempts=12, base_s=0.002, cap_s=0.01), rng=random.Random(1))
    outcomes = ask(stubborn, scripted, questions(400), concurrency=24)
    stubborn.close()
    assert outcomes.each_once(400)
    assert outcomes.kinds == {"reply": 400}


def test_a_request_is_given_up_after_the_last_attempt(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("error")
    error = error_of(pool, scripted)
    assert (error.code, error.attempts, scripted.chats) == ("server_error", 6, 6)


def test_tokens_of_every_attempt_are_added_up(pool: Pool, scripted: ScriptedServer) -> None:
    cut = Step(text="lab", finish="length", prompt_tokens=10, completion_tokens=5)
    scripted.script = [cut, Step(text="label", prompt_tokens=10, completion_tokens=7)]
    reply = one(pool, scripted, question(max_tokens=5))
    assert (
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
        reply.attempts,
    ) == (20, 12, 2)
    assert [body["max_tokens"] for body in scripted.seen.bodies] == [5, 10]


def test_an_answer_that_is_cut_twice_says_so(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step(text="never ends", finish="length")
    reply = one(pool, scripted)
    assert (reply.finish, scripted.chats) == ("length", 2)


def test_runaway_blanks_are_asked_for_again_more_loosely(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = [
        Step(text="{" + " \n" * 50, finish="length"),
        Step(text='{"a":1}'),
    ]
    assert one(pool, scripted, question(output_schema=SCHEMA)).text == '{"a":1}'
    assert [body["response_format"]["type"] for body in scripted.seen.bodies] == [
        "json_schema",
        "json_object",
    ]


def test_a_refusal_comes_back_as_one(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("raw", body={"choices": [{"message": {"content": None, "refusal": "No."}}]})
    assert one(pool, scripted).finish == "refused"
    scripted.script = Step(
        "error",
        status=400,
        body={"error": {"code": "content_filter", "message": "filtered"}},
    )
    assert isinstance(error_of(pool, scripted), Refused)


def test_a_text_that_does_not_fit_says_so(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step(
        "error",
        status=400,
        body={"error": {"code": "context_length_exceeded", "message": "long"}},
    )
    assert isinstance(error_of(pool, scripted), ContextTooLong)


def test_a_field_the_endpoint_does_not_know_is_left_out_from_then_on(
    pool: Pool, scripted: ScriptedServer
) -> None:
    def script(_: int, body: dict[str, Any]) -> Step:
        kind = body.get("response_format", {}).get("type")
        if kind == "json_schema":
            return Step(
                "error",
                status=400,
                body={"error": {"message": "response_format json_schema unsupported"}},
            )
        if "logprobs" in body:
            return Step(
                "error",
                status=400,
                body={"error": {"message": "logprobs is not supported"}},
            )
        return OK

    scripted.script = script
    asked = [question(str(i), output_schema=SCHEMA, top_logprobs=5) for i in range(5)]
    outcomes = ask(pool, scripted, asked, concurrency=1)
    assert outcomes.kinds == {"reply": 5}
    # The one that waited for its turn meanwhile may learn one of the two for itself.
    assert scripted.chats in (7, 8)


def test_known_capabilities_save_the_detour(pool: Pool, scripted: ScriptedServer) -> None:
    from datetime import UTC, datetime

    seen = Capabilities(structured="json_object", logprobs=False, checked_at=datetime.now(UTC))
    asked = question(output_schema=SCHEMA, top_logprobs=5)
    one(pool, scripted, asked, capabilities=seen)
    body = scripted.seen.bodies[0]
    assert body["response_format"] == {"type": "json_object"} and "logprobs" not in body


class FakeTime:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        import asyncio

        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def timed() -> Iterator[tuple[Pool, FakeTime]]:
    fake = FakeTime()
    made = Pool(
        RetryPolicy(deadline_s=900),
        clock=fake.clock,
        sleep=fake.sleep,
        wall_clock=lambda: 1_700_000_000.0,
    )
    yield made, fake
    made.close()


@pytest.mark.parametrize("value", ["30", "Tue, 14 Nov 2023 22:13:50 GMT"])
def test_a_stated_wait_pauses_the_whole_endpoint(
    timed: tuple[Pool, FakeTime], scripted: ScriptedServer, value: str
) -> None:
    pool, fake = timed
    sent_at: list[float] = []

    def script(number: int, _: dict[str, Any]) -> Step:
        sent_at.append(fake.now)
        return Step("rate_limited", headers={"Retry-After": value}) if number == 1 else OK

    scripted.script = script
    outcomes = ask(pool, scripted, questions(5), concurrency=1)
    assert outcomes.kinds == {"reply": 5}
    assert sent_at[0] == 1000.0 and min(sent_at[1:]) >= 1030.0


def test_a_wait_beyond_the_deadline_is_not_waited_for(
    timed: tuple[Pool, FakeTime], scripted: ScriptedServer
) -> None:
    pool, fake = timed
    scripted.script = Step("rate_limited", headers={"Retry-After": "3600"})
    error = error_of(pool, scripted)
    assert isinstance(error, RateLimited) and error.retry_after_s == 3600.0
    assert fake.now < 1001.0


def test_back_off_grows_up_to_its_cap_with_full_jitter() -> None:
    from labelwright.providers.waits import backoff_s

    rng = random.Random(0)
    for attempt, most in [(1, 1.0), (2, 2.0), (5, 16.0), (9, 60.0), (10_000, 60.0)]:
        drawn = [backoff_s(attempt, 1.0, 60.0, rng) for _ in range(200)]
        assert 0.0 <= min(drawn) < most * 0.1 and most * 0.9 < max(drawn) <= most


def test_refusals_halve_the_concurrency_and_answers_raise_it_again() -> None:
    import asyncio

    from labelwright.providers.lane import Lane, Limits

    async def story() -> list[float]:
        lane = Lane(lambda: 5.0, asyncio.sleep, BreakerPolicy())
        asker = lane.enter(Limits(16))
        limits = [lane.limit]
        burst = [await lane.permit(asker, 1.0) for _ in range(10)]
        for ticket in burst:  # one burst: all sent before the first halving
            assert ticket is not None
            ticket.sent_at = 4.0 if lane.limit == 16 else -2.0
            lane.done(ticket, RateLimited("slow"))
            limits.append(lane.limit)
        for _ in range(8):
            ticket = await lane.permit(asker, 1.0)
            assert ticket is not None
            lane.done(ticket, None)
        return [*limits, lane.limit]

    limits = asyncio.run(story())
    # Five refusals could be chance; the sixth among fifty answers is a sign.
    assert limits[:6] == [16.0] * 6 and limits[6:11] == [8.0] * 5
    assert 8.9 < limits[-1] < 9.1


def test_a_dead_endpoint_is_left_alone_after_a_few_failures(pool: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcomes = Outcomes()
    pool.ask(
        Endpoint(f"http://127.0.0.1:{port}/v1", concurrency=2),
        questions(200),
        outcomes,
        privacy=OPEN,
    )
    assert outcomes.each_once(200)
    assert set(outcomes.kinds) <= {"unreachable", "circuit_open"}
    assert outcomes.kinds["circuit_open"] > 190
    message = next(
        o for [o] in outcomes.by_tag.values() if isinstance(o, ProviderError) and o.code == "circuit_open"
    )
    assert "unreachable" in message.message and message.hint


def test_a_refused_key_stops_the_asking(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("error", status=401)
    outcomes = ask(pool, scripted, questions(100), concurrency=2, key="wrong")
    assert outcomes.each_once(100)
    assert outcomes.kinds["unauthorized"] >= 3 and outcomes.kinds["circuit_open"] > 90
    assert scripted.chats < 10


def test_a_recovered_endpoint_is_asked_again_the_next_time(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("error", status=401)
    ask(pool, scripted, questions(10), concurrency=1)
    scripted.script = OK
    assert ask(pool, scripted, questions(10)).kinds == {"reply": 10}


def test_single_failures_between_answers_do_not_count_as_down(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = lambda number, _: Step("error", status=401) if number % 3 == 0 else OK
    kinds = ask(pool, scripted, questions(60), concurrency=1).kinds
    assert kinds["circuit_open"] == 0 and kinds["reply"] == 40


def test_the_key_is_sent_and_never_shown(
    pool: Pool, scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-this-is-a-marked-secret"
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"the key {key} is unknown"}}
    scripted.script = [
        Step("error", status=401, body=echo),
        Step("error", body=echo),
        Step("half_json", text=key),
        OK,
    ]
    first = error_of(pool, scripted, key=key)
    assert scripted.seen.authorizations[0] == f"Bearer {key}"
    reply = one(pool, scripted, key=key)
    assert reply.text == "yes"
    assert key not in str(first) + first.hint + repr(first) + repr(Endpoint("http://h/v1", key)) + caplog.text


def test_a_key_that_would_forge_headers_is_refused(pool: Pool, scripted: ScriptedServer) -> None:
    assert error_of(pool, scripted, key="a\r\nX-Evil: 1").code == "bad_key"
    assert scripted.seen.requests == 0


def test_proxies_of_the_environment_are_not_used(
    pool: Pool, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    scripted.script = OK
    assert one(pool, scripted).text == "yes"


def test_an_exception_of_the_caller_ends_the_asking_and_comes_through(
    pool: Pool, scripted: ScriptedServer
) -> None:
    def fail(_: Request, __: Any) -> None:
        raise RuntimeError("the store is full")

    with pytest.raises(RuntimeError, match="store is full"):
        pool.ask(
            Endpoint(scripted.base_url, concurrency=4),
            questions(50),
            fail,
            privacy=OPEN,
        )
    assert scripted.chats < 10


def test_two_threads_may_ask_the_same_endpoint(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step(text="yes", latency_s=0.01)
    collected = [Outcomes(), Outcomes()]
    threads = [
        threading.Thread(
            target=pool.ask, args=(Endpoint(scripted.base_url, concurrency=4), questions(30), outcomes),
            kwargs={"privacy": OPEN},
        )
        for outcomes in collected
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(outcomes.each_once(30) and outcomes.kinds == {"reply": 30} for outcomes in collected)
    assert scripted.seen.peak <= 4


def test_an_answer_in_pieces_is_put_together(pool: Pool) -> None:
    class InPieces(ScriptedServer):
        async def answer(self, call: Call) -> None:
            await call.start(200, {"Transfer-Encoding": "chunked"})
            for piece in (
                b'{"choices":[{"mess',
                b'age":{"content":"\xc3',
                b'\xa9"}}]}',
            ):
                call.writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await call.writer.drain()
            call.writer.write(b"0\r\n\r\n")
            await call.writer.drain()

    with InPieces() as server:
        assert one(pool, server).text == "é"
