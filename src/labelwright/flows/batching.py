"""Carries a run out through the provider's batch API: cheaper, within a day.

Hides that a batch outlives the process. Each round is one look: the job then sleeps, gives its worker free, and comes
back. An intent is stored before the batch is made and its id right after; a batch whose id was lost to a crash is found
again by the token it carries, so none is paid for twice.
"""

import io
import re
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import IO

from labelwright.core.errors import LabelwrightError, ProviderError
from labelwright.core.exchange import Reply, Request
from labelwright.flows import models
from labelwright.flows.asked import Asked, sentence
from labelwright.flows.asking import Asking
from labelwright.flows.jobs import Later
from labelwright.providers import BatchApi, Endpoint
from labelwright.providers import batch as api
from labelwright.store import asset as assets
from labelwright.store import exchange, remote
from labelwright.store import run as runs
from labelwright.store.remote import RemoteBatch

FIRST_LOOK_S, LAST_LOOK_S = 5.0, 60.0
"""The first look comes after so many seconds, later ones at growing intervals up to the second number."""

GIVE_UP = timedelta(hours=30)
"""A batch that cannot even be looked at for so long pauses the run."""

_TRIES = 3
_CHUNK = 64


class Batching(Asking):
    """One look at a run that goes through the batch API; `go` raises `Later` while there is nothing to do."""

    batch = True

    def go(self) -> None:
        """Send what is pending, or look at what was sent and take its answers in.

        Raises:
            Later: The provider is at work.
        """
        try:
            endpoint = self._prepare()
        except LabelwrightError as error:
            self.halted = sentence(error)
            return
        self._speaks = BatchApi(self._workbench.pool, endpoint, models.privacy_of(self._project))
        self._attempts: dict[int, int] = {}
        with self._workbench.store.read() as tx:
            lying = remote.newest(tx, self._run.id, only_open=True)
        try:
            if lying is not None and lying.state == "preparing":
                lying = self._find(lying)
            if lying is None:
                self.read_kept()
                lying = self._send(endpoint)
                if lying is None:
                    return
                raise self._later(lying)
            self.read_kept(ask_again=False)
            self._look(lying)
        except ProviderError as error:
            with self._workbench.store.read() as tx:
                lying = remote.newest(tx, self._run.id, only_open=True)
                in_vain = remote.never_made(tx, self._run.id)
            too_long = lying is None or self._workbench.now() - lying.created_at > GIVE_UP
            if lying is None or not error.retryable or too_long or in_vain >= _TRIES:
                self.halted = sentence(error)
                return
            raise self._later(lying) from None

    def _later(self, lying: RemoteBatch) -> Later:
        wait = min(LAST_LOOK_S, FIRST_LOOK_S * 1.5 ** min(lying.looks, 20))
        return Later(self._workbench.now() + timedelta(seconds=wait))

    # --- out ------------------------------------------------------------------------------------------------------

    def _find(self, lying: RemoteBatch) -> RemoteBatch | None:
        """After a crash between intent and answer: the batch, if it was made; None when it was not."""
        found = self._speaks.find(lying.token)
        with self._workbench.store.write() as tx:
            if found is None:
                remote.change(tx, lying.id, state="ended", status=remote.NEVER_MADE)
                return None
            return remote.change(tx, lying.id, batch_id=found.batch_id, state="sent", status=found.status)

    def _send(self, endpoint: Endpoint) -> RemoteBatch | None:
        """Make a batch of what is pending; None when nothing is, or nothing may be sent."""
        with tempfile.TemporaryFile() as file:
            n = self._write(file, endpoint)
            self._flush()
            if n == 0:
                return None
            with self._workbench.store.write() as tx:
                # What was taken but did not fit into the file waits for the next batch.
                left = set(runs.asset_ids(tx, self._run.id, "asked")) - set(self._open)
                runs.put_back(tx, self._run.id, sorted(left), sent=False)
                lying = remote.add(tx, self._run.id, self._workbench.now())
            file.seek(0)
            try:
                file_id = self._speaks.upload(f"labelwright-{lying.token}.jsonl", file)
                with self._workbench.store.write() as tx:
                    remote.change(tx, lying.id, file_id=file_id, requests=n)
                state = self._speaks.create(file_id, lying.token)
            except ProviderError as error:
                if not error.retryable:
                    with self._workbench.store.write() as tx:
                        remote.change(tx, lying.id, state="ended", status=remote.NEVER_MADE)
                        runs.put_back(tx, self._run.id, runs.asset_ids(tx, self._run.id, "asked"), sent=False)
                # Otherwise it may have been made all the same; the next round looks for it by its token.
                raise
        with self._workbench.store.write() as tx:
            return remote.change(tx, lying.id, batch_id=state.batch_id, state="sent", status=state.status)

    def _write(self, file: IO[bytes], endpoint: Endpoint) -> int:
        n = size = 0
        for request in self._requests(endpoint):
            line = self._speaks.line(request)
            if n >= api.MOST_REQUESTS or size + len(line) > api.MOST_BYTES:
                # What is left of this asset goes with the next batch, like the assets after it.
                break
            file.write(line)
            n, size = n + 1, size + len(line)
        return n

    # --- back -----------------------------------------------------------------------------------------------------

    def _look(self, lying: RemoteBatch) -> None:
        assert lying.batch_id is not None
        state = self._speaks.look(lying.batch_id)
        if lying.cancel_wanted and state.ended is None and state.status != "cancelling":
            state = self._speaks.cancel(lying.batch_id)
        with self._workbench.store.write() as tx:
            lying = remote.change(
                tx, lying.id, status=state.status, completed=state.completed, failed=state.failed,
                looks=lying.looks + 1, looked_at=self._workbench.now(),
            )  # fmt: skip
        if state.ended is None:
            raise self._later(lying)
        for file_id in (state.output_file_id, state.error_file_id):
            if file_id is not None:
                with tempfile.TemporaryFile() as file:
                    self._speaks.download(file_id, file)
                    file.seek(0)
                    self._take_in(self._speaks.answers(io.BufferedReader(file)))
        self._flush()
        with self._workbench.store.write() as tx:
            unanswered = runs.asset_ids(tx, self._run.id, "asked")
            runs.put_back(tx, self._run.id, unanswered, sent=True)
            remote.change(tx, lying.id, state="ended")
            left = len(runs.asset_ids(tx, self._run.id, "pending"))
        self.cancelled = lying.cancel_wanted
        if not self.halted and left:
            self.halted = {
                "completed": ""
                if state.completed
                else "the provider's batch answered nothing; look at the failures",
                "expired": f"the provider's batch ran out of time with {left} texts unanswered; "
                "resume to send them again",
                "cancelled": "the batch was cancelled at the provider; resume to send the rest again",
                "failed": f"the provider refused the batch: {state.message or 'it did not say why'}",
            }[state.ended]

    def _take_in(self, answers: Iterator[tuple[str, Reply | ProviderError]]) -> None:
        """Read answers of assets that still wait for them; what was taken in before a crash is passed over."""
        while chunk := list(islice(answers, _CHUNK)):
            asset_ids = sorted({int(tag.split(":")[0]) for tag, _ in chunk if _OURS.fullmatch(tag)})
            with self._workbench.store.read() as tx:
                waiting = runs.waiting_among(tx, self._run.id, asset_ids)
                found = assets.get_many(tx, [each for each in waiting if each not in self._open])
                layouts = runs.layouts(tx, self._run.id, list(found))
                begun = exchange.kept(tx, self._run.id, list(layouts))
            self._attempts |= waiting
            for asset_id, asset in found.items():
                layout = layouts.get(asset_id) or self._prompts.layout(asset)
                if asset_id in layouts or len(layout.parts) == 1:
                    self._open[asset_id] = self._begin(asset, layouts.get(asset_id), begun.get(asset_id, {}))
            for tag, outcome in chunk:
                if _OURS.fullmatch(tag):
                    self._take_one(tag, outcome)

    def _take_one(self, tag: str, outcome: Reply | ProviderError) -> None:
        asset_id, number, *_ = (int(piece) for piece in tag.split(":"))
        asked = self._open.get(asset_id)
        if asked is None or number >= len(asked.layout.parts):
            return
        if number not in asked.replies and number not in {n for n, _, _ in asked.new}:
            request = self._prompts.request(asked.asset, asked.layout, number)
            self._on_reply(request.model_copy(update={"tag": tag}), outcome)

    def _on_reply(self, request: Request, outcome: Reply | ProviderError) -> None:
        if isinstance(outcome, ProviderError):
            # One line of a file says nothing about the endpoint now.
            outcome.code = f"batch_{outcome.code}" if not outcome.code.startswith("batch_") else outcome.code
        super()._on_reply(request, outcome)

    def _repairs(self) -> bool:
        # A second question would wait another day; "retry failed" sends all of them together.
        return False

    def _is_asked_again(self, asked: Asked, error: ProviderError) -> bool:
        if error.code in ("batch_expired", "batch_cancelled"):
            return True
        return error.retryable and self._attempts.get(asked.asset.id, 0) < _TRIES


_OURS = re.compile(r"\d{1,18}:\d{1,9}(:\d)?")
