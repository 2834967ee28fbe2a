"""Wrong calls as exceptions.

    LabelwrightError            anything this package raises on purpose
      NotFound          404     no such thing, or none that you may see
      SignInRequired    401     nobody is signed in
      NotAllowed        403     you may see it but not do this
      Conflict          409     somebody or something changed it first
      Invalid           422     the input breaks a rule; carries `problems`
      TooLarge          413     the input is over a stated limit
      TooManyAttempts   429     the caller should wait
      StorageFull       507     the disk has no room; nothing was written
      ProviderError     502     a model endpoint failed
        RateLimited             it asked to slow down; carries `retry_after_s`
        ContextTooLong          the request does not fit the model
        Refused                 it answered that it will not
        Unreachable             no connection, cut stream, or time-out
        PrivacyRefused          the project is private and the endpoint is not allowed

Wrong *data* is not an exception: see `labelwright.core.problem`.
"""

from collections.abc import Sequence
from typing import ClassVar

from labelwright.core.exchange import Usage
from labelwright.core.problem import Problem


class LabelwrightError(Exception):
    """Base of all errors raised on purpose; the message says what happened, to what, and what to do next."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        """Make an error.

        Args:
            code: Stable machine-readable kind.
            message: What happened, to what.
            hint: What to do next.
        """
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class NotFound(LabelwrightError):
    """No such thing, or none that the caller may see."""

    status = 404


class SignInRequired(LabelwrightError):
    """Nobody is signed in, or the sign-in has ended."""

    status = 401


class NotAllowed(LabelwrightError):
    """The caller may see the thing but not do this with it."""

    status = 403


class Conflict(LabelwrightError):
    """Somebody or something changed the thing first."""

    status = 409


class TooLarge(LabelwrightError):
    """The input is over a stated limit."""

    status = 413


class TooManyAttempts(LabelwrightError):
    """The caller should wait before the next attempt."""

    status = 429


class StorageFull(LabelwrightError):
    """The disk has no room left; nothing was written."""

    status = 507


class Invalid(LabelwrightError):
    """The input breaks a rule; `problems` says where."""

    status = 422

    def __init__(self, code: str, message: str, hint: str = "", problems: Sequence[Problem] = ()) -> None:
        """Make an error that carries the problems found."""
        super().__init__(code, message, hint)
        self.problems = tuple(problems)


class ProviderError(LabelwrightError):
    """A model endpoint failed. `retryable` says whether the same request may succeed later.

    Attributes:
        attempts: How many times the request was sent before this was given up; each may have been billed.
        usage: Tokens billed over those attempts, where the endpoint said so.
        retry_after_s: The wait the endpoint asked for, in seconds, if it did.
    """

    status = 502
    retryable: bool = False
    attempts: int = 0
    usage: Usage | None = None
    retry_after_s: float | None = None

    def __init__(self, code: str, message: str, hint: str = "", *, retryable: bool | None = None) -> None:
        """Make an error; `retryable` overrides the default of the class."""
        super().__init__(code, message, hint)
        if retryable is not None:
            self.retryable = retryable


class RateLimited(ProviderError):
    """The endpoint asked to slow down."""

    retryable = True

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        """Make an error; `retry_after_s` is the wait the endpoint asked for, if it did."""
        super().__init__("rate_limited", message, hint)
        self.retry_after_s = retry_after_s


class ContextTooLong(ProviderError):
    """The request does not fit the model's context."""


class Refused(ProviderError):
    """The model or its filter answered that it will not do this."""


class Unreachable(ProviderError):
    """No connection, a cut stream, or a time-out."""

    retryable = True


class PrivacyRefused(ProviderError):
    """The project is private and the endpoint is neither on this machine nor allowed."""
