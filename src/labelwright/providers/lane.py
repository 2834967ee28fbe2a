"""How fast one endpoint may be asked: adaptive concurrency, pauses, and a breaker that stops asking a dead one.

Hides the state that all requests to one endpoint share. Runs inside the pool's event loop only, so it needs no locks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from labelwright.core.errors import ProviderError
from labelwright.providers.chat import Dialect


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


class Lane:
    """The shared state of one endpoint.

    Attributes:
        limit: How many requests may be in flight now; between 1 and `cap`.
        dialects: What each model of the endpoint was seen to understand.
        opened: The failure that opened the breaker; None while it is closed.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        breaker: BreakerPolicy,
    ) -> None:
        """A lane with an open road."""
        self.cap = 1
        self.limit = 1.0
        self.in_flight = 0
        self.asking = 0
        self.dialects: dict[str, Dialect] = {}
        self.opened: ProviderError | None = None
        self._clock = clock
        self._sleep = sleep
        self._breaker = breaker
        self._paused_until = 0.0
        self._halved_at = -1.0
        self._row: dict[str, int] = {}
        self._row_since = 0.0
        self._free = asyncio.Event()

    def enter(self, cap: int) -> None:
        """Somebody starts asking. When nobody else was, the endpoint gets a fresh chance."""
        if self.asking == 0:
            self.limit, self.opened, self._row, self._paused_until = (
                float(cap),
                None,
                {},
                0.0,
            )
        self.asking += 1
        self.cap = cap
        self.limit = min(max(self.limit, 1.0), cap)

    def leave(self) -> None:
        """Somebody stopped asking."""
        self.asking -= 1

    @property
    def pause_s(self) -> float:
        """Seconds until the endpoint may be asked again; 0 when it may now."""
        return max(0.0, self._paused_until - self._clock())

    async def permit(self, until: float, should_stop: Callable[[], bool]) -> bool:
        """Wait for a place; False when stopped, when the breaker opened, or when the deadline passed meanwhile."""
        while True:
            if should_stop() or self.opened is not None or self._clock() >= until:
                return False
            pause = self.pause_s
            if pause > 0:
                # In slices, so that a stop is noticed while a long pause lasts.
                await self._sleep(min(pause, 0.25))
            elif self.in_flight >= max(1, int(self.limit)):
                self._free.clear()
                try:
                    await asyncio.wait_for(self._free.wait(), 0.25)
                except TimeoutError:
                    continue
            else:
                self.in_flight += 1
                return True

    def done(self, error: ProviderError | None, sent_at: float) -> None:
        """A request came back: give its place free, and learn from how it went.

        Args:
            error: What went wrong, None for an answer.
            sent_at: When it was sent, by the lane's clock.
        """
        self.in_flight -= 1
        self._free.set()
        if error is None:
            self.limit = min(float(self.cap), self.limit + 1.0 / max(1.0, self.limit))
            self._row = {}
            return
        if error.code in ("rate_limited", "overloaded"):
            # One burst of refusals is one signal: those sent before the last halving do not halve again.
            if sent_at > self._halved_at:
                self.limit = max(1.0, self.limit / 2)
                self._halved_at = self._clock()
            if error.retry_after_s is not None:
                self._paused_until = max(self._paused_until, self._clock() + error.retry_after_s)
        self._count(error)

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
