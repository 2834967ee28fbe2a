"""The batch API of OpenAI, spoken through the pool: a file of requests goes in, a file of answers comes out within a day.

Hides the paths, the lines of both files, and what a batch's states mean. Every call is one exchange; whoever calls keeps
the ids. Source: OpenAI API reference, "Batch" and "Files".
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

from labelwright.core.errors import ProviderError
from labelwright.core.exchange import Reply, Request
from labelwright.providers import chat
from labelwright.providers.pool import Pool, first_dialect
from labelwright.providers.privacy import Privacy
from labelwright.providers.wire import Endpoint, Form

MOST_REQUESTS = 50_000
MOST_BYTES = 90_000_000
_FILE_TIMEOUT_S = 1_800.0

Ended = Literal["completed", "expired", "cancelled", "failed"]
_ENDED = ("completed", "expired", "cancelled", "failed")


@dataclass(frozen=True)
class State:
    """How a batch stands.

    Attributes:
        status: In the provider's word.
        ended: None while it goes on.
        message: Why it failed as a whole.
    """

    batch_id: str
    status: str
    ended: Ended | None
    completed: int
    failed: int
    output_file_id: str | None
    error_file_id: str | None
    message: str = ""


class BatchApi:
    """The batch API of one endpoint."""

    def __init__(self, pool: Pool, endpoint: Endpoint, privacy: Privacy) -> None:
        """Nothing is sent yet."""
        self._pool, self._endpoint, self._privacy = pool, endpoint, privacy
        self._dialect = first_dialect(endpoint.capabilities)

    def line(self, request: Request) -> bytes:
        """A request as a line of the input file; its tag is the `custom_id`."""
        sent = {
            "custom_id": request.tag, "method": "POST", "url": "/v1/chat/completions",
            "body": chat.body(request, self._dialect),
        }  # fmt: skip
        return json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def upload(self, name: str, file: BinaryIO) -> str:
        """Send the input file; returns its id.

        Raises:
            ProviderError: It was not taken; `no_batch_api` where there is none.
        """
        return _text(self._call("POST", "/files", Form({"purpose": "batch"}, name, file)), "id")

    def create(self, file_id: str, token: str) -> State:
        """Start a batch over the file, marked with our token."""
        body = {
            "input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "metadata": {"labelwright": token},
        }  # fmt: skip
        return _state(self._call("POST", "/batches", body))

    def find(self, token: str) -> State | None:
        """The batch that carries our token, among the newest hundred; None when it was never made."""
        rows = self._call("GET", "/batches?limit=100", None).get("data")
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and (row.get("metadata") or {}).get("labelwright") == token:
                return _state(row)
        return None

    def look(self, batch_id: str) -> State:
        """How a batch stands."""
        return _state(self._call("GET", f"/batches/{quote(batch_id, safe='')}", None))

    def cancel(self, batch_id: str) -> State:
        """Ask for a batch to be cancelled."""
        return _state(self._call("POST", f"/batches/{quote(batch_id, safe='')}/cancel", {}))

    def download(self, file_id: str, into: BinaryIO) -> None:
        """Write a file of answers."""
        self._call("GET", f"/files/{quote(file_id, safe='')}/content", None, into)

    def answers(self, file: BinaryIO) -> Iterator[tuple[str, Reply | ProviderError]]:
        """(custom_id, what it came to) of each line; a line that cannot be read at all is left out, and so stays unanswered."""
        for line in file:
            try:
                row = json.loads(line)
                tag = row["custom_id"]
            except (ValueError, RecursionError, KeyError, TypeError):
                continue
            if isinstance(tag, str):
                yield tag, self._outcome(row, tag)

    def _outcome(self, row: dict[str, Any], tag: str) -> Reply | ProviderError:
        response, error = row.get("response"), row.get("error")
        if not isinstance(response, dict):
            said = error if isinstance(error, dict) else {}
            code, message = str(said.get("code") or "batch_failed")[:60], str(said.get("message") or "")[:300]
            return ProviderError(code, message or "The batch has no answer to this.", retryable=True)
        status = response.get("status_code")
        body = json.dumps(response.get("body")).encode()
        try:
            reply = chat.parse(
                status if isinstance(status, int) else 500, {}, body, secrets=(self._endpoint.key,), now=0.0
            )
        except ProviderError as failed:
            failed.attempts = 1
            return failed
        return reply.model_copy(update={"tag": tag})

    def _call(
        self, method: str, path: str, sent: dict[str, Any] | Form | None, into: BinaryIO | None = None
    ) -> dict[str, Any]:
        endpoint = replace(self._endpoint, timeout_s=max(_FILE_TIMEOUT_S, self._endpoint.timeout_s))
        try:
            return self._pool.call(endpoint, method, path, sent, into, privacy=self._privacy)
        except ProviderError as error:
            if (
                error.code in ("not_found", "not_an_api")
                and method == "POST"
                and not path.endswith("/cancel")
            ):
                raise ProviderError(
                    "no_batch_api", "The endpoint has no batch API.", "Run it at once instead of as a batch."
                ) from None
            raise


def _state(row: dict[str, Any]) -> State:
    status = _text(row, "status")
    counts = row.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    errors = row.get("errors")
    said = errors.get("data") if isinstance(errors, dict) else None
    first = said[0] if isinstance(said, list) and said and isinstance(said[0], dict) else {}
    return State(
        batch_id=_text(row, "id"),
        status=status,
        ended=status if status in _ENDED else None,  # type: ignore[arg-type]
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        output_file_id=_maybe(row.get("output_file_id")),
        error_file_id=_maybe(row.get("error_file_id")),
        message=chat.clean(str(first.get("message") or ""))[:300],
    )


def _text(row: dict[str, Any], name: str) -> str:
    found = _maybe(row.get(name))
    if found is None:
        raise ProviderError("malformed_reply", f"The batch API's answer has no {name}.", retryable=True)
    return found


def _maybe(value: object) -> str | None:
    return chat.clean(value)[:300] if isinstance(value, str) and value else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
