"""How fast one endpoint may be asked: places, limits, pauses, and a breaker that stops asking a dead one.

Hides the state that all requests to one endpoint (one address and key) share, and who gets the next place. Runs inside
the pool's event loop only, so it needs no locks.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from labelwright.core.errors import ProviderError
from labelwright.providers import buckets
from labelwright.providers.buckets import Bucket, Kind, Told
from labelwright.providers.chat import Dialect

_LOOK_S = 0.25
"""Waiting goes on in slices of so many seconds."""

_RECENT, _TOO_MANY = 50, 6
"""So many refusals among so many recent answers mean that we are too fast; fewer are chance and only tried again."""


@dataclass(frozen=True)
class BreakerPolicy:
    """When an endpoint counts as down: so many failures in a row, with no success between.

    Attributes:
        unreachable: Failed connections or time-outs.
        unauthorized: Refused keys.
        server_error: Answers that say the server failed.
        span_s: The row must also have lasted this long, in seconds (a restarting server is not down). Refused keys
            and used-up quotas do not wait for it.
    """

    unreachable: int = 6
    unauthorized: int = 3
    server_error: int = 30
    span_s: float = 5.0


@dataclass(frozen=True)
class Limits:
    """What a person allows.

    Attributes:
        places: Most requests in flight.
        requests_per_min: None for no limit.
        tokens_per_min: Prompt and answer together; None for no limit.
    """

    places: int = 8
    requests_per_min: int | None = None
    tokens_per_min: int | None = None


@dataclass
class Ticket:
    """The right to send one request.

    Attributes:
        tokens: What it was estimated to take.
        raw: The estimate before what was learned of this endpoint.
        before: What had been sent of each kind when it was given, this request included.
    """

    tokens: float
    raw: float
    sent_at: float
    before: dict[Kind, float]


@dataclass(eq=False)
class Asker:
    """One caller; askers take turns, however many requests each has waiting.

    Attributes:
        halted: Nothing of it is sent any more.
        resting: Its requests that wait before another attempt; they hold no place.
    """

    halted: bool = False
    resting: int = 0
    waiting: "deque[tuple[float, asyncio.Future[Ticket | None]]]" = field(default_factory=deque)


class Lane:
    """The shared state of one endpoint.

    Attributes:
        limit: How many requests may be in flight now; between 1 and the places allowed.
        dialects: What each model of the endpoint was seen to understand.
        opened: The failure that opened the breaker; None while it is closed.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        breaker: BreakerPolicy,
        *,
        wall_clock: Callable[[], float] = lambda: 0.0,
        longest_pause_s: float = 900.0,
    ) -> None:
        """A lane with an open road; a pause longer than `longest_pause_s` turns everybody away."""
        self.limit = 1.0
        self.in_flight = 0
        self.dialects: dict[str, Dialect] = {}
        self.opened: ProviderError | None = None
        self._clock, self._sleep, self._breaker = clock, sleep, breaker
        self._wall_clock, self._longest_pause_s = wall_clock, longest_pause_s
        self._limits = Limits()
        self._askers: deque[Asker] = deque()
        self._buckets: dict[Kind, Bucket] = {}
        self._told: dict[Kind, Told] = {}
        self._sent: dict[Kind, float] = {"requests": 0.0, "tokens": 0.0}
        self._tokens_per_raw = 1.0
        self._paused_until = 0.0
        self._ticker: asyncio.Task[None] | None = None
        self._halved_at = -1.0
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._latencies: deque[float] = deque(maxlen=200)
        self._row: dict[str, int] = {}
        self._row_since = 0.0

    # --- who asks -------------------------------------------------------------------------------------------------

    def enter(self, limits: Limits) -> Asker:
        """Somebody starts asking. When nobody else was, the endpoint gets a fresh chance."""
        if not self._askers:
            self.limit, self.opened, self._row, self._paused_until = float(limits.places), None, {}, 0.0
            self._recent.clear()
        self._limits = limits
        self.limit = min(max(self.limit, 1.0), limits.places)
        wanted: dict[Kind, int | None] = {
            "requests": limits.requests_per_min, "tokens": limits.tokens_per_min,
        }  # fmt: skip
        for kind, per_min in wanted.items():
            if per_min is None:
                self._buckets.pop(kind, None)
            elif kind not in self._buckets or self._buckets[kind].per_min != per_min:
                self._buckets[kind] = Bucket(per_min, self._clock())
        asker = Asker()
        self._askers.append(asker)
        return asker

    def leave(self, asker: Asker) -> None:
        """Somebody stopped asking."""
        self._askers.remove(asker)

    def halt(self, asker: Asker) -> None:
        """Send nothing more of this asker."""
        asker.halted = True
        self._turn_away(asker)

    # --- places ---------------------------------------------------------------------------------------------------

    @property
    def pause_s(self) -> float:
        """Seconds until the endpoint may be asked again; 0 when it may now."""
        return max(0.0, self._paused_until - self._clock())

    def estimate(self, raw: float) -> float:
        """Tokens that a request of this raw size will take, by what earlier ones took."""
        return raw * self._tokens_per_raw

    async def permit(self, asker: Asker, raw: float, *, again: bool = False) -> Ticket | None:
        """Wait for the right to send; None when it will not come: halted, breaker open, or a very long pause.

        Args:
            asker: Who asks.
            raw: Rough size in tokens, before anything is learned.
            again: A further attempt; goes before requests that were not sent yet.
        """
        if asker.halted or self.opened is not None:
            return None
        future: asyncio.Future[Ticket | None] = asyncio.get_running_loop().create_future()
        (asker.waiting.appendleft if again else asker.waiting.append)((raw, future))
        self._grant()
        return await future

    def permit_now(self, raw: float) -> Ticket | None:
        """The right to send, if there is a free place that nobody waits for."""
        waited_for = any(asker.waiting for asker in self._askers)
        if waited_for or self.opened is not None or self._is_full() or self._wait_s(self.estimate(raw)) > 0:
            return None
        return self._ticket(raw)

    def slow_s(self) -> float | None:
        """The 95th percentile of recent latencies, in seconds; None before there are twenty."""
        if len(self._latencies) < 20:
            return None
        ordered = sorted(self._latencies)
        return ordered[int(0.95 * (len(ordered) - 1))]

    def _is_full(self) -> bool:
        return self.in_flight >= max(1, int(self.limit))

    def _grant(self) -> None:
        """Give free places to those who wait, one asker after the other."""
        while True:
            while self._askers and any(asker.waiting for asker in self._askers):
                if self._askers[0].waiting:
                    break
                self._askers.rotate(-1)
            else:
                return
            if self.opened is not None or self.pause_s > self._longest_pause_s:
                for asker in self._askers:
                    self._turn_away(asker)
                return
            if self._is_full():
                return
            raw, future = self._askers[0].waiting[0]
            wait = self._wait_s(self.estimate(raw))
            if wait > 0:
                if self._ticker is None:
                    self._ticker = asyncio.get_running_loop().create_task(self._tick(wait))
                return
            self._askers[0].waiting.popleft()
            self._askers.rotate(-1)
            if not future.done():
                future.set_result(self._ticket(raw))

    async def _tick(self, wait: float) -> None:
        # In slices, so that a stop is noticed while a long pause lasts.
        await self._sleep(min(wait, _LOOK_S))
        self._ticker = None
        self._grant()

    def _wait_s(self, tokens: float) -> float:
        now = self._clock()
        sizes: dict[Kind, float] = {"requests": 1.0, "tokens": tokens}
        waits = [self.pause_s]
        for kind, size in sizes.items():
            waits += [
                limit.wait_s(size, now) for limit in (self._buckets.get(kind), self._told.get(kind)) if limit
            ]
        return max(waits)

    def _ticket(self, raw: float) -> Ticket:
        tokens = self.estimate(raw)
        sizes: dict[Kind, float] = {"requests": 1.0, "tokens": tokens}
        for kind, size in sizes.items():
            self._sent[kind] += size
            if kind in self._buckets:
                self._buckets[kind].take(size)
            if kind in self._told:
                self._told[kind].left -= size
        self.in_flight += 1
        return Ticket(tokens, raw, self._clock(), dict(self._sent))

    def _turn_away(self, asker: Asker) -> None:
        while asker.waiting:
            _, future = asker.waiting.popleft()
            if not future.done():
                future.set_result(None)

    # --- what is learned ------------------------------------------------------------------------------------------

    def heard(self, ticket: Ticket, headers: Mapping[str, str]) -> None:
        """What the headers of an answer say about the endpoint's own limits."""
        if not any(name.startswith("x-ratelimit-") for name in headers):
            return
        for kind in buckets.KINDS:
            since = self._sent[kind] - ticket.before[kind]
            word = buckets.told(headers, kind, since, self._clock(), self._wall_clock())
            if word is not None:
                self._told[kind] = word
                if word.left < 1 and word.until - self._clock() > self._longest_pause_s:
                    self._paused_until = max(self._paused_until, word.until)  # a daily limit, say

    def done(self, ticket: Ticket, error: ProviderError | None, used: int | None = None) -> None:
        """A request came back: give its place free, and learn from how it went.

        Args:
            ticket: What it was sent with.
            error: What went wrong, None for an answer.
            used: Tokens that the endpoint counted.
        """
        self.in_flight -= 1
        if error is None:
            self._latencies.append(self._clock() - ticket.sent_at)
            self._correct(ticket, used)
            # One more place each time all of them have answered; faster where there are many.
            step = max(1.0, self._limits.places / 32)
            self.limit = min(float(self._limits.places), self.limit + step / max(1.0, self.limit))
            self._recent.append(False)
            self._row = {}
        else:
            if error.code in ("rate_limited", "overloaded"):
                self._slow_down(ticket, error)
            self._count(error)
        self._grant()

    def release(self, ticket: Ticket) -> None:
        """A request was given up without an answer; nothing is learned from it."""
        del ticket
        self.in_flight -= 1
        self._grant()

    def _correct(self, ticket: Ticket, used: int | None) -> None:
        if used is None:
            return
        if "tokens" in self._buckets:
            self._buckets["tokens"].take(used - ticket.tokens)
        if ticket.raw > 0:
            self._tokens_per_raw += 0.1 * (used / ticket.raw - self._tokens_per_raw)

    def _slow_down(self, ticket: Ticket, error: ProviderError) -> None:
        if "tokens" in self._buckets:
            self._buckets["tokens"].take(-ticket.tokens)  # it was turned away at the door
        if error.retry_after_s is not None:
            self._paused_until = max(self._paused_until, self._clock() + error.retry_after_s)
        self._recent.append(True)
        # A stated wait is meant; single refusals without one also come from a busy neighbour. One burst is one signal:
        # requests sent before the last halving do not halve again.
        meant = error.retry_after_s is not None or sum(self._recent) >= _TOO_MANY
        if meant and ticket.sent_at > self._halved_at:
            self.limit = max(1.0, self.limit / 2)
            self._halved_at = self._clock()
            self._recent.clear()

    def _count(self, error: ProviderError) -> None:
        kind = {"overloaded": "server_error", "timeout": "unreachable"}.get(error.code, error.code)
        if kind == "quota_exhausted":
            self.opened = error
            return
        limit = {
            "unreachable": self._breaker.unreachable,
            "unauthorized": self._breaker.unauthorized,
            "server_error": self._breaker.server_error,
            "connection_cut": self._breaker.server_error,
        }.get(kind)
        if limit is None:
            # Any other answer shows that the endpoint lives and knows us.
            self._row = {}
            return
        if not self._row:
            self._row_since = self._clock()
        self._row[kind] = self._row.get(kind, 0) + 1
        long_enough = self._clock() - self._row_since >= self._breaker.span_s or kind == "unauthorized"
        if self._row[kind] >= limit and long_enough:
            self.opened = error
