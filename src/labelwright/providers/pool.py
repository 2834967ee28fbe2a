"""The only place that opens connections to model endpoints.

Hides one event loop in a thread of its own, in which up to hundreds of requests are in flight, behind a plain call:
`Pool.ask` sends, retries, waits where an endpoint asks for it, stops when it is down, and hands every answer to the
caller's own thread. Nothing is sent before the project's privacy allows the address.
"""

import asyncio
import queue
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from labelwright.core.errors import ProviderError, Unreachable
from labelwright.core.exchange import Reply, Request, Usage
from labelwright.core.project import Capabilities
from labelwright.providers import chat
from labelwright.providers.lane import BreakerPolicy, Lane
from labelwright.providers.price import add_usage
from labelwright.providers.privacy import GuardedResolver, Privacy, host_of
from labelwright.providers.waits import backoff_s

OnReply = Callable[[Request, Reply | ProviderError], None]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Endpoint:
    """Where to ask.

    Attributes:
        base_url: Up to and including `/v1`.
        key: Sent as a bearer token; empty for none. Never shown in `repr`, errors or logs.
        concurrency: Most requests in flight, 1 to 512.
        timeout_s: Longest wait for one attempt, in seconds.
        capabilities: What a probe found; decides the first try where known.
    """

    base_url: str
    key: str = field(default="", repr=False)
    concurrency: int = 8
    timeout_s: float = 120.0
    capabilities: Capabilities | None = None


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
        self._lanes: dict[str, Lane] = {}
        self._resolver: GuardedResolver | None = None
        self._session: aiohttp.ClientSession | None = None
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
            should_stop: Looked at before each request; when True nothing new is sent and what is in flight is
                waited for.
            privacy: Of the project.

        Raises:
            PrivacyRefused: The project does not allow this endpoint; nothing was sent or looked up.
            Invalid: The address is not an http(s) URL.
        """
        self._check(endpoint, privacy)
        answers: queue.SimpleQueue[tuple[Request, Reply | ProviderError]] = queue.SimpleQueue()
        halted = threading.Event()
        lane = self._wait(self._enter(endpoint))
        waiting = 0
        source: Iterator[Request] | None = iter(requests)
        try:
            while source is not None or waiting:
                if should_stop():
                    halted.set()
                    source = None
                while source is not None and waiting < endpoint.concurrency:
                    request = next(source, None)
                    if request is None:
                        source = None
                        break
                    self._start(
                        self._one(lane, endpoint, request, halted.is_set),
                        request,
                        answers,
                    )
                    waiting += 1
                    if not answers.empty() or should_stop():
                        break
                try:
                    request, outcome = answers.get(timeout=0.02 if waiting else 0.0)
                except queue.Empty:
                    continue
                waiting -= 1
                on_reply(request, outcome)
        finally:
            halted.set()
            while waiting:
                answers.get()
                waiting -= 1
            self._loop.call_soon_threadsafe(lane.leave)

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
        return self._json(endpoint, "GET", path, None, privacy)

    def post_json(
        self, endpoint: Endpoint, path: str, body: dict[str, Any], *, privacy: Privacy
    ) -> dict[str, Any]:
        """The JSON object that `base_url + path` answers to this one, asked for once.

        Raises:
            ProviderError: No such object.
            PrivacyRefused: The project does not allow this endpoint.
        """
        return self._json(endpoint, "POST", path, body, privacy)

    def _json(
        self, endpoint: Endpoint, method: str, path: str, body: dict[str, Any] | None, privacy: Privacy
    ) -> dict[str, Any]:
        self._check(endpoint, privacy)

        async def fetch() -> dict[str, Any]:
            status, headers, raw = await self._exchange(endpoint, method, path, body)
            if status != 200:
                raise chat.failure(
                    status,
                    headers,
                    raw,
                    secrets=(endpoint.key,),
                    now=self._wall_clock(),
                )
            return chat.load(raw, headers, (endpoint.key,))

        return self._wait(fetch())

    def at(self, endpoint: Endpoint, privacy: Privacy) -> "BoundPool":
        """This pool as `core.ports.Answering`, for one endpoint."""
        return BoundPool(self, endpoint, privacy)

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._closed:
            return
        self._closed = True

        async def shut() -> None:
            if self._session is not None:
                await self._session.close()
            if self._resolver is not None:
                await self._resolver.close()

        self._wait(shut())
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
        self._loop.call_soon_threadsafe(self._allow, host, privacy.allows_host(host))

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

    def _allow(self, host: str, named: bool) -> None:
        if self._resolver is None:
            self._resolver = GuardedResolver()
        (self._resolver.allowed.add if named else self._resolver.allowed.discard)(host)

    async def _enter(self, endpoint: Endpoint) -> Lane:
        lane = self._lanes.get(endpoint.base_url)
        if lane is None:
            lane = self._lanes[endpoint.base_url] = Lane(self._clock, self._sleep, self._breaker)
        lane.enter(endpoint.concurrency)
        return lane

    async def _one(
        self,
        lane: Lane,
        endpoint: Endpoint,
        request: Request,
        should_stop: Callable[[], bool],
    ) -> Reply:
        """One request through all its attempts."""
        so_far = _Attempts()
        deadline = self._clock() + self._retry.deadline_s
        dialect: chat.Dialect | None = None  # set once this request needs its own
        wanted, enlarged = request, False
        while True:
            known = lane.dialects.setdefault(request.model, _first_dialect(endpoint.capabilities))
            spoken = dialect or known
            if not await lane.permit(deadline, should_stop):
                raise self._given_up(lane, so_far, should_stop)
            sent_at = self._clock()
            so_far.sent += 1
            try:
                reply = await self._attempt(endpoint, wanted, spoken)
            except ProviderError as error:
                lane.done(error, sent_at)
                simpler = chat.step_down(wanted, spoken, error)
                if simpler is not None:
                    # The number of steps is small and each is taken once, so this cannot go on for ever.
                    if simpler[1]:
                        lane.dialects[request.model] = simpler[0]
                    dialect = simpler[0]
                    continue
                await self._back_off(error, so_far, deadline, lane, should_stop)
                continue
            except BaseException:
                lane.in_flight -= 1
                raise
            lane.done(None, sent_at)
            so_far.usages.append(reply.usage)
            if reply.finish == "length" and not enlarged:
                enlarged = True
                weaker = chat.weaker(chat.structure_for(wanted, spoken))
                if _is_runaway(reply.text) and weaker is not None and wanted.structured == "auto":
                    # Some grammars let a model write blanks for ever; asking more loosely breaks the spell.
                    dialect = spoken.model_copy(update={"structured": weaker})
                else:
                    wanted = wanted.model_copy(update={"max_tokens": wanted.max_tokens * 2})
                if not should_stop():
                    continue
            return reply.model_copy(
                update={
                    "usage": so_far.usage(),
                    "attempts": so_far.sent,
                    "latency_s": max(0.0, self._clock() - sent_at),
                    "tag": request.tag,
                }
            )

    async def _back_off(
        self,
        error: ProviderError,
        so_far: _Attempts,
        deadline: float,
        lane: Lane,
        should_stop: Callable[[], bool],
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
        if error.retry_after_s is not None:
            wait = max(wait, error.retry_after_s)
        if not error.retryable or spent or self._clock() + wait >= deadline:
            error.attempts, error.usage = so_far.sent, so_far.usage()
            raise error
        end = self._clock() + wait
        while (left := end - self._clock()) > 0 and not should_stop() and lane.opened is None:
            await self._sleep(min(left, 0.25))

    def _given_up(self, lane: Lane, so_far: _Attempts, should_stop: Callable[[], bool]) -> ProviderError:
        """Why a request did not get a place."""
        if lane.opened is not None:
            cause = lane.opened
            error = ProviderError(
                "circuit_open", f"Not asked: the endpoint is down ({cause.code}). {cause.message}", cause.hint,
                retryable=True,
            )  # fmt: skip
        elif should_stop():
            error = ProviderError("stopped", "Not asked: the run was stopped.", retryable=True)
        else:
            error = ProviderError(
                "deadline", "The endpoint kept this request waiting for too long.", "Resume later.", retryable=True
            )  # fmt: skip
        error.attempts, error.usage = so_far.sent, so_far.usage()
        return error

    async def _attempt(self, endpoint: Endpoint, request: Request, dialect: chat.Dialect) -> Reply:
        status, headers, raw = await self._exchange(
            endpoint, "POST", "/chat/completions", chat.body(request, dialect)
        )
        return chat.parse(status, headers, raw, secrets=(endpoint.key,), now=self._wall_clock())

    async def _exchange(
        self, endpoint: Endpoint, method: str, path: str, sent: dict[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One HTTP exchange: (status, headers with lower-case names, whole body).

        Raises:
            ProviderError: No whole answer within the limits.
        """
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "labelwright",
        }
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        host = host_of(endpoint.base_url)
        try:
            async with self._http().request(
                method,
                endpoint.base_url.rstrip("/") + path,
                json=sent,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
            ) as response:
                raw = await self._read(response)
                return (
                    response.status,
                    {name.lower(): value for name, value in response.headers.items()},
                    raw,
                )
        except TimeoutError:
            raise Unreachable(
                "timeout", f"{host} did not answer within {endpoint.timeout_s:g} s.",
                "Raise the time limit of this provider, or lower its concurrency.",
            ) from None  # fmt: skip
        except aiohttp.ClientConnectorError as error:
            reason = error.os_error.strerror or type(error.os_error).__name__
            raise Unreachable(
                "unreachable", f"No connection to {host}: {reason}.",
                "Check that the model server runs and that the address and port are right.",
            ) from None  # fmt: skip
        except aiohttp.ClientError as error:
            raise Unreachable(
                "connection_cut",
                f"The connection to {host} broke off ({type(error).__name__}).",
            ) from None
        except OSError as error:
            raise Unreachable(
                "connection_cut",
                f"The connection to {host} broke off ({type(error).__name__}).",
            ) from None
        except ValueError as error:
            raise ProviderError(
                "bad_request", f"The request cannot be sent ({type(error).__name__})."
            ) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._retry.body_limit_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(2**16):
            size += len(chunk)
            if size > limit:
                response.close()
                raise ProviderError(
                    "answer_too_large",
                    f"The endpoint's answer is larger than {limit:,} bytes.",
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._resolver = self._resolver or GuardedResolver()
            self._session = aiohttp.ClientSession(
                # The lanes bound what is in flight; a limit here would only hide waiting from the time limit.
                connector=aiohttp.TCPConnector(resolver=self._resolver, limit=0, use_dns_cache=False),
                # No proxies or netrc from the environment: what leaves is decided here alone. No cookies either.
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


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


def _first_dialect(seen: Capabilities | None) -> chat.Dialect:
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
