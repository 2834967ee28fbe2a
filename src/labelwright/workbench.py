"""The windows to the outside world, wired once: store, blobs, secrets, model endpoints, clock, randomness.

Flows get a `Workbench` as their first argument and reach the world only through it, so that a test can bring its own.
"""

import secrets as _secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labelwright.core.ports import Clock
from labelwright.media.blobs import Blobs
from labelwright.media.secrets import Secrets
from labelwright.settings import Settings
from labelwright.store.db import Store

if TYPE_CHECKING:
    from labelwright.detectors import Runners
    from labelwright.media.pictures import Pictures
    from labelwright.providers.pool import Pool


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Workbench:
    """Everything a flow may use of the world."""

    settings: Settings
    store: Store
    blobs: Blobs
    secrets: Secrets
    clock: Clock = _utc_now
    random_bytes: Callable[[int], bytes] = _secrets.token_bytes
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)
    """What flows worked out and would work out again the same; may be emptied at any time."""
    _pool: "Pool | None" = field(default=None, repr=False)
    _runners: "Runners | None" = field(default=None, repr=False)
    _pictures: "Pictures | None" = field(default=None, repr=False)
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def pool(self) -> "Pool":
        """The only door to model endpoints; made when first needed (it starts a thread)."""
        if self._pool is None:
            from labelwright.providers.pool import Pool

            self._pool = Pool()
        return self._pool

    @property
    def runners(self) -> "Runners":
        """Detectors at work; made when first needed."""
        with self._making:
            if self._runners is None:
                from labelwright.detectors import Runners

                self._runners = Runners()
            return self._runners

    @property
    def pictures(self) -> "Pictures":
        """Images and their decoding; made when first needed."""
        with self._making:
            if self._pictures is None:
                from labelwright.media.pictures import Pictures

                self._pictures = Pictures(self.blobs, max_pixels=self.settings.max_megapixels * 1_000_000)
            return self._pictures

    def now(self) -> datetime:
        """The time, in UTC."""
        return self.clock()

    def close(self) -> None:
        """Close what was opened."""
        if self._pool is not None:
            self._pool.close()
        if self._runners is not None:
            self._runners.close()
        if self._pictures is not None:
            self._pictures.close()
        self.store.close()


def open_workbench(settings: Settings, *, clock: Clock = _utc_now) -> Workbench:
    """Make the data folder if needed, open the database and bring it up to date."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store(settings.database_url)
    store.migrate()
    return Workbench(
        settings=settings,
        store=store,
        blobs=Blobs(settings.home / "blobs", reserve_bytes=settings.reserve_mb * 1_000_000),
        secrets=Secrets(settings.home / "secret.key"),
        clock=clock,
    )
