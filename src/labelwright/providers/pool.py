"""The only way out to model endpoints.

Hides one event loop in a thread of its own, in which up to hundreds of requests are in flight, behind a plain call:
`Pool.ask` sends, retries, waits where an endpoint asks for it, stops when it is down, and hands every answer to the
caller's own thread. Nothing is sent before the project's privacy allows the address.
"""

import asyncio
import math
import queue
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin

from labelwright.core.errors import ProviderError
from labelwright.core.exchange import Reply, Request, Usage
from labelwright.core.project import Capabilities
from labelwright.providers import chat
from labelwright.providers.lane import Asker, BreakerPolicy, Lane, Ticket
from labelwright.providers.price import add_usage
from labelwright.providers.privacy import Privacy, check_public
from labelwright.providers.waits import backoff_s
from labelwright.providers.wire import Endpoint, Form, Wire

MOST_HOPS = 3
_SPARE = 4
_LOOK_S = 0.02
_GATHER_S = 0.02  # answers that come within it are handled together, before new requests are taken

OnReply = Callable[[Request, Reply | ProviderError], None]
_T = TypeVar("_T")


@dataclass(frozen=True)
class RetryPolicy:
    """How stubborn a single request is.

    Attributes:
        attempts: Most attempts that may fail for the endpoint's or the network's fault.
        limited_attempts: Most attempts an endpoint may turn away to slow us down (429, 503).
        base_s: First back-off, in seconds; doubled each time, with full jitter.
        cap_s: Longest back-off.
        deadline_s: Longest time from the first attempt to giving up.
        body_limit_bytes: Largest answer read, after decompression.
    """

    attempts: int = 6
    limited_attempts: int = 60
    base_s: float = 1.0
    cap_s: float = 60.0
    deadline_s: float = 900.0
    body_limit_bytes: int = 16 * 2**20


@dataclass
class _Attempts:
    """What one request has been through so far."""

    deadline: float = math.inf
    sent: int = 0
    faults: int = 0
    limited: int = 0
    usages: list[Usage] = field(default_factory=list)

    def usage(self) -> Usage:
        return add_usage(self.usages)


class Pool:
    """The door to model endpoints; safe to use from several threads."""

    def __init__(
        self,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """Start the loop's thread; clock, sleep and randomness can be replaced in tests."""
        self._retry = retry or RetryPolicy()
        self._breaker = breaker or BreakerPolicy()
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._wire = Wire(self._retry.body_limit_bytes)
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="labelwright-pool", daemon=True)
        self._thread.start()

    # --- the calling side -----------------------------------------------------------------------------------------

    def ask(
        self,
        endpoint: Endpoint,
        requests: Iterable[Request],
        on_reply: OnReply,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        privacy: Privacy,
    ) -> None:
        """Send the requests concurrently and hand each answer to `on_reply`, in the calling thread, as it comes.

        Requests are taken from the iterable one by one as places get free, in the calling thread. Every request that
        was taken gets exactly one `on_reply`: a `Reply`, or the error it ended with. The code of the error is
        `stopped` for one that was not sent (again) because of `should_stop`, and `circuit_open` for one that was not
        sent because the endpoint is down.

        Args:
            endpoint: Where to ask.
            requests: May be endless.
            on_reply: Must not call `ask` of the same endpoint.
            should_stop: Looked at before each request is taken, after the answers so far were handed over: a caller
                that stores them here never has more to lose than what is in flight and a quarter more. When True nothing new is sent and what is in flight is
                waited for.
            privacy: Of the project.

        Raises:
            PrivacyRefused: The project does not allow this endpoint; nothing was sent or looked up.
            Invalid: The address is not an http(s) URL.
        """
        self._check(endpoint, privacy)
        answers: queue.SimpleQueue[tuple[Request, Reply | ProviderError]] = queue.SimpleQueue()
        lane, asker = self._wait(self._enter(endpoint))
        # A few more than there are places wait their turn, so that a place is filled while this thread is at work.
        most = endpoint.concurrency + max(1, endpoint.concurrency // _SPARE)
        waiting = 0
        source: Iterator[Request] | None = iter(requests)

        def halt() -> None:
            asker.halted = True
            self._loop.call_soon_threadsafe(lane.halt, asker)

        try:
            while source is not None or waiting:
                if source is not None and should_stop():
                    halt()
                    source = None
                while source is not None and waiting - min(asker.resting, endpoint.concurrency) < most:
                    request = next(source, None)
                    if request is None:
                        source = None
                        break
                    self._start(self._one(lane, asker, endpoint, request), request, answers)
                    waiting += 1
                    if not answers.empty() or should_stop():
                        break
                try:
                    request, outcome = answers.get(timeout=_LOOK_S if waiting else 0.0)
                    together = time.monotonic() + _GATHER_S
                    while True:
                        waiting -= 1
                        on_reply(request, outcome)
                        request, outcome = answers.get(timeout=max(0.0, together - time.monotonic()))
                except queue.Empty:
                    if not asker.halted and should_stop():
                        halt()
                        source = None
        finally:
            halt()
            while waiting:
                answers.get()
                waiting -= 1
            self._loop.call_soon_threadsafe(lane.leave, asker)

    def ask_one(self, endpoint: Endpoint, request: Request, *, privacy: Privacy) -> Reply:
        """Ask one question and wait for the answer.

        Raises:
            ProviderError: There is none.
        """
        outcomes: list[Reply | ProviderError] = []
        self.ask(
            endpoint,
            [request],
            lambda _, outcome: outcomes.append(outcome),
            privacy=privacy,
        )
        if isinstance(outcomes[0], ProviderError):
            raise outcomes[0]
        return outcomes[0]

    def get_json(self, endpoint: Endpoint, path: str, *, privacy: Privacy) -> dict[str, Any]:
        """The JSON object at `base_url + path`, asked for once.

        Raises:
            ProviderError: No such object.
            PrivacyRefused: The project does not allow this endpoint.
        """
        return self.call(endpoint, "GET", path, privacy=privacy)

    def call(
        self, endpoint: Endpoint, method: str, path: str, sent: dict[str, Any] | Form | None = None,
        into: BinaryIO | None = None, *, privacy: Privacy,
    ) -> dict[str, Any]:  # fmt: skip
        """One exchange outside the lanes: the JSON object that came back; empty when the body went `into` a file.

        Raises:
            ProviderError: Anything but a success.
            PrivacyRefused: The project does not allow this endpoint.
        """
        self._check(endpoint, privacy)

        async def exchange() -> dict[str, Any]:
            status, headers, raw = await self._wire.exchange(endpoint, method, path, sent, into)
            if status != 200:
                raise chat.failure(status, headers, raw, secrets=(endpoint.key,), now=self._wall_clock())
            return {} if into is not None else chat.load(raw, headers, (endpoint.key,))

        return self._wait(exchange())

    def fetch(
        self, url: str, into: BinaryIO, *, privacy: Privacy, limit_bytes: int, timeout_s: float = 120.0
    ) -> None:
        """The content of an address on the web, written to a file; every hop of a redirect is checked anew.

        Raises:
            ProviderError: No whole file came.
            PrivacyRefused: The project is private, or the address is in no public network.
            Invalid: Not an http(s) address.
        """
        for _ in range(MOST_HOPS + 1):
            named = privacy.allows_host(check_public(url, privacy))
            status, location = self._wait(self._wire.fetch(url, named, into, limit_bytes, timeout_s))
            if status == 200:
                return
            if status not in (301, 302, 303, 307, 308) or not location:
                raise ProviderError("not_there", f"the server answered {status} instead of a file")
            url = urljoin(url, location)
        raise ProviderError("too_many_redirects", f"it redirects more than {MOST_HOPS} times")

    def at(self, endpoint: Endpoint, privacy: Privacy) -> "BoundPool":
        """This pool as `core.ports.Answering`, for one endpoint."""
        return BoundPool(self, endpoint, privacy)

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._closed:
            return
        self._closed = True

        self._wait(self._wire.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()

    def _check(self, endpoint: Endpoint, privacy: Privacy) -> None:
        host = privacy.check(endpoint.base_url)
        if not all(33 <= ord(c) < 127 for c in endpoint.key):
            raise ProviderError(
                "bad_key",
                "The stored key has characters that no key has.",
                "Enter the key again.",
            )
        self._loop.call_soon_threadsafe(self._wire.allow, host, privacy.allows_host(host))

    def _wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _start(
        self,
        coroutine: Coroutine[Any, Any, Reply],
        request: Request,
        answers: "queue.SimpleQueue[tuple[Request, Reply | ProviderError]]",
    ) -> None:
        async def settle() -> None:
            outcome: Reply | ProviderError
            try:
                outcome = await coroutine
            except ProviderError as error:
                outcome = error
            except BaseException as error:
                # Whatever it was, the caller waits for exactly one outcome; only the kind of it is told, since the
                # text could quote what was sent.
                outcome = ProviderError("internal", f"Asking the endpoint failed ({type(error).__name__}).")
            answers.put((request, outcome))

        asyncio.run_coroutine_threadsafe(settle(), self._loop)

    # --- the loop's side ------------------------------------------------------------------------------------------

    async def _enter(self, endpoint: Endpoint) -> tuple[Lane, Asker]:
        which = (endpoint.base_url, endpoint.key)
        lane = self._lanes.get(which)
        if lane is None:
            lane = self._lanes[which] = Lane(
                self._clock, self._sleep, self._breaker, wall_clock=self._wall_clock,
                longest_pause_s=self._retry.deadline_s,
            )  # fmt: skip
        return lane, lane.enter(endpoint.limits)

    async def _one(self, lane: Lane, asker: Asker, endpoint: Endpoint, request: Request) -> Reply:
        """One request through all its attempts."""
        so_far = _Attempts()
        dialect: chat.Dialect | None = None  # set once this request needs its own
        wanted, enlarged = request, False
        while True:
            ticket = await lane.permit(asker, _raw_tokens(wanted), again=so_far.sent > 0)
            if ticket is None:
                raise self._given_up(lane, so_far, asker)
            # Only now: others may have learned meanwhile what the endpoint does not understand.
            spoken = dialect or lane.dialects.setdefault(request.model, first_dialect(endpoint.capabilities))
            if so_far.sent == 0:
                so_far.deadline = ticket.sent_at + self._retry.deadline_s
            so_far.sent += 1
            try:
                reply = await self._hedged(lane, endpoint, wanted, spoken, ticket, so_far)
            except ProviderError as error:
                simpler = chat.step_down(wanted, spoken, error)
                if simpler is not None:
                    # The number of steps is small and each is taken once, so this cannot go on for ever.
                    if simpler[1]:
                        lane.dialects[request.model] = simpler[0]
                    dialect = simpler[0]
                    continue
                await self._back_off(error, so_far, ticket.sent_at, lane, asker)
                continue
            so_far.usages.append(reply.usage)
            if reply.finish == "length" and not enlarged:
                enlarged = True
                weaker = chat.weaker(chat.structure_for(wanted, spoken))
                if _is_runaway(reply.text) and weaker is not None and wanted.structured == "auto":
                    # Some grammars let a model write blanks for ever; asking more loosely breaks the spell.
                    dialect = spoken.model_copy(update={"structured": weaker})
                else:
                    wanted = wanted.model_copy(update={"max_tokens": wanted.max_tokens * 2})
                if not asker.halted:
                    continue
            return reply.model_copy(
                update={
                    "usage": so_far.usage(),
                    "attempts": so_far.sent,
                    "latency_s": max(0.0, self._clock() - ticket.sent_at),
                    "tag": request.tag,
                }
            )

    async def _hedged(
        self, lane: Lane, endpoint: Endpoint, request: Request, dialect: chat.Dialect, ticket: Ticket, so_far: _Attempts
    ) -> Reply:  # fmt: skip
        """One attempt; with `hedge`, a second one beside it when it is unusually slow and there is a free place."""
        first = self._attempt(lane, endpoint, request, dialect, ticket)
        slow_s = lane.slow_s() if endpoint.hedge else None
        if slow_s is None:
            return await first
        racing = {asyncio.ensure_future(first)}
        try:
            done, _ = await asyncio.wait(racing, timeout=slow_s)
            other = None
            # Requests that were never sent come first, so this takes a place that nobody waits for.
            while not done and (other := lane.permit_now(ticket.raw)) is None:
                done, _ = await asyncio.wait(racing, timeout=_LOOK_S)
            if other is not None:
                so_far.sent += 1
                racing.add(asyncio.ensure_future(self._attempt(lane, endpoint, request, dialect, other)))
            while True:
                done, racing = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
                good = next((each for each in done if each.exception() is None), None)
                if good is None and racing:
                    continue
                reply = (good or done.pop()).result()
                # Nobody tells what the one that is dropped here costs; it is billed like the one that is kept.
                dropped = len(racing) + sum(each is not good and each.exception() is None for each in done)
                so_far.usages += [reply.usage] * dropped
                return reply
        finally:
            for each in racing:
                each.cancel()
            await asyncio.gather(*racing, return_exceptions=True)

    async def _back_off(
        self, error: ProviderError, so_far: _Attempts, sent_at: float, lane: Lane, asker: Asker
    ) -> None:
        """Wait before the next attempt, or raise the error when there is none."""
        limited = error.code in ("rate_limited", "overloaded")
        if limited:
            so_far.limited += 1
            spent = so_far.limited >= self._retry.limited_attempts
            tries = so_far.limited
        else:
            so_far.faults += 1
            spent = so_far.faults >= self._retry.attempts
            tries = so_far.faults
        wait = backoff_s(tries, self._retry.base_s, self._retry.cap_s, self._rng)
        if not limited:
            # Whoever waited for a time-out has given the endpoint that time already.
            wait -= self._clock() - sent_at
        wait = max(wait, error.retry_after_s or 0.0)
        if not error.retryable or spent or self._clock() + wait >= so_far.deadline:
            error.attempts, error.usage = so_far.sent, so_far.usage()
            raise error
        end = self._clock() + wait
        asker.resting += 1
        try:
            while (left := end - self._clock()) > 0 and not asker.halted and lane.opened is None:
                await self._sleep(min(left, 0.25))
        finally:
            asker.resting -= 1

    def _given_up(self, lane: Lane, so_far: _Attempts, asker: Asker) -> ProviderError:
        """Why a request did not get a place."""
        if lane.opened is not None:
            cause = lane.opened
            error = ProviderError(
                "circuit_open", f"Not asked: the endpoint is down ({cause.code}). {cause.message}", cause.hint,
                retryable=True,
            )  # fmt: skip
        elif asker.halted:
            error = ProviderError("stopped", "Not asked: the run was stopped.", retryable=True)
        else:
            error = ProviderError(
                "deadline", "The endpoint asked for a long pause.", "Resume later.", retryable=True
            )
            error.retry_after_s = lane.pause_s
        error.attempts, error.usage = so_far.sent, so_far.usage()
        return error

    async def _attempt(
        self, lane: Lane, endpoint: Endpoint, request: Request, dialect: chat.Dialect, ticket: Ticket
    ) -> Reply:
        """Send once, and tell the lane how it went."""
        try:
            status, headers, raw = await self._wire.exchange(
                endpoint, "POST", "/chat/completions", chat.body(request, dialect)
            )
            lane.heard(ticket, headers)
            reply = chat.parse(status, headers, raw, secrets=(endpoint.key,), now=self._wall_clock())
        except ProviderError as error:
            lane.done(ticket, error)
            raise
        except BaseException:
            lane.release(ticket)
            raise
        lane.done(ticket, None, _total(reply.usage))
        return reply


class BoundPool:
    """A pool that asks one endpoint; satisfies `core.ports.Answering`."""

    def __init__(self, pool: Pool, endpoint: Endpoint, privacy: Privacy) -> None:
        """Bind."""
        self._pool, self._endpoint, self._privacy = pool, endpoint, privacy

    def ask(
        self,
        requests: Iterable[Request],
        on_reply: OnReply,
        should_stop: Callable[[], bool],
    ) -> None:
        """See `Pool.ask`."""
        self._pool.ask(self._endpoint, requests, on_reply, should_stop, privacy=self._privacy)


def first_dialect(seen: Capabilities | None) -> chat.Dialect:
    """What to try first, by what a probe found."""
    if seen is None:
        return chat.Dialect()
    return chat.Dialect(
        structured=seen.structured,
        logprobs=seen.logprobs,
        top_max=seen.top_logprobs_max or 20,
    )


def _is_runaway(text: str) -> bool:
    """Whether more than half of a cut answer is blanks at its end."""
    return len(text.rstrip()) * 2 < len(text) or not text.strip()


def _raw_tokens(request: Request) -> float:
    """Roughly what a request takes, answer included; what is learned from the endpoint's own counts corrects it."""
    return sum(len(message.content) for message in request.messages) / 3.0 + request.max_tokens


def _total(usage: Usage) -> int | None:
    if usage.prompt_tokens is None:
        return None
    return usage.prompt_tokens + (usage.completion_tokens or 0)
