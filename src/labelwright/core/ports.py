"""What the rules expect of the outside world, as protocols: a clock, a labeler that learns, an endpoint that answers."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from labelwright.core.answer import Answers
from labelwright.core.errors import ProviderError
from labelwright.core.exchange import Reply, Request
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import Reading
from labelwright.core.shape import Size

Clock = Callable[[], datetime]
"""Now, in UTC, timezone-aware."""


class Files(Protocol):
    """The files of an import, wherever they lie: a folder, a zip, a tar, a list of addresses."""

    def names(self) -> Sequence[str]:
        """Every file, sorted: relative paths with forward slashes; none leaves the source."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file for reading.

        Raises:
            NotFound: There is none of this name, or it cannot be read.
        """
        ...

    def dimensions(self, name: str) -> Size | None:
        """(width, height) of an image in pixels, upright; None when it is none or cannot be decoded."""
        ...


class Labeler(Protocol):
    """A trained local model: texts in, readings out. Never touches the store."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading per text, in order; answers only questions it learned."""
        ...

    def dump(self) -> bytes:
        """The model as bytes that hold no code (no pickle)."""
        ...


class Trainer(Protocol):
    """Learns a labeler from finished answers."""

    def __call__(
        self, ontology: Ontology, texts: Sequence[str], answers: Sequence[Answers], seed: int
    ) -> Labeler:
        """Train; deterministic for the same input."""
        ...


class Answering(Protocol):
    """The door to model endpoints as flows see it."""

    def ask(
        self,
        requests: Sequence[Request],
        on_reply: Callable[[Request, Reply | ProviderError], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """Send all requests concurrently; call `on_reply` once for each, as they come, from the calling thread."""
        ...
