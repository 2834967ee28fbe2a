"""Carries a run out: asks about every asset, keeps each reply before reading it, and stores what it came to.

Hides the order of the small transactions that make a run safe against kill -9 at any point: an attempt is noted before
it is sent, a reply is kept before it is read, and a prediction is stored together with status, queue order and counts.
What was asked but not answered is asked again after a restart; what was answered is only read.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import sqlalchemy as sa

from labelwright.core.errors import LabelwrightError, NotFound, ProviderError
from labelwright.core.exchange import Message, Reply, Request, Usage
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import PromptedModel, Reading, Run
from labelwright.core.price import Price
from labelwright.core.problem import excerpt
from labelwright.core.project import Project, PromptTemplate
from labelwright.flows import models, prompts
from labelwright.flows.jobs import Control
from labelwright.flows.settle import failure_of, store_readings
from labelwright.prompting import estimate_tokens, read
from labelwright.providers import Endpoint, cost_usd
from labelwright.providers.price import add_usage
from labelwright.store import asset as assets
from labelwright.store import cache, exchange, spending
from labelwright.store import project as projects
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

FLUSH_N = 64
"""Replies that are stored together at most."""

STATE_LOOK_S = 0.4

# Not the asset's fault but the endpoint's: the run pauses, the asset stays in it to be asked about again.
_STOPS_THE_RUN = frozenset(
    {"circuit_open", "deadline", "rate_limited", "unauthorized", "quota_exhausted", "unreachable", "bad_key"}
)
_NOT_ITS_FAULT = _STOPS_THE_RUN | {"stopped"}
# Asking once more helps against a slip of form, not against a refusal or a limit.
_NOT_REPAIRED = frozenset({"refused", "cut_reply", "no_reply", "huge_reply", "too_deep"})
_WINDOW = 50
_HOPELESS_SHARE = 0.9
_HOPELESS_START = 20


@dataclass
class _Asked:
    """An asset that is being asked about.

    Attributes:
        kept: How many replies are stored and billed already.
        keys: Part -> key of its request in the cache.
        repair: Whether it was asked once more because the first reply could not be read.
    """

    text: str
    parts: int
    replies: dict[int, tuple[Request, Reply]] = field(default_factory=dict)
    kept: int = 0
    repair: bool = False
    keys: dict[int, str] = field(default_factory=dict)
    error: ProviderError | None = None
    repair_error: ProviderError | None = None
    sent: bool = False
    usd: Decimal | None = None

    @property
    def complete(self) -> bool:
        return self.error is not None or len(self.replies) >= self.parts


class Asking:
    """One run being carried out by one worker.

    Attributes:
        halted: Why the run should pause; empty when it should not.
        cancelled: A person cancelled it, and all that could be taken in is.
    """

    batch = False
    cancelled = False

    def __init__(
        self, workbench: Workbench, project: Project, run: Run, ontology: Ontology, control: Control | None
    ) -> None:
        """Prepare; `go` does the work."""
        engine = run.predictor.engine
        if not isinstance(engine, PromptedModel):
            raise NotFound("not_prompted", "this run has no language model")
        self.engine = engine
        self.halted = ""
        self._workbench, self._project, self._run, self._ontology = workbench, project, run, ontology
        self._control = control
        self._open: dict[int, _Asked] = {}
        self._ready: list[int] = []
        self._repairs: deque[Request] = deque()
        self._reserved: dict[str, Decimal] = {}
        self._spent = run.cost_usd or Decimal(0)
        self._recent: deque[str] = deque(maxlen=_WINDOW)
        self._looked_at = time.monotonic()
        self._live = True
        self._price: Price | None = None

    def go(self) -> None:
        """Ask about everything that is pending, until done or stopped; `halted` says why it should pause, if so."""
        try:
            endpoint, template, shown = self._prepare()
        except LabelwrightError as error:
            self.halted = _sentence(error)
            return
        self.read_kept()
        answering = self._workbench.pool.at(endpoint, models.privacy_of(self._project))
        try:
            answering.ask(self._requests(template, shown, endpoint), self._on_reply, self._should_stop)
            self._flush()
            while self._repairs and not self._should_stop():
                answering.ask(self._repair_requests(), self._on_reply, self._should_stop)
                self._flush()
        except ProviderError as error:
            self.halted = _sentence(error)
        self._give_up_repairs()
        self._flush()
        with self._workbench.store.write() as tx:
            cache.trim(tx, self._workbench.settings.cache_mb * 1_000_000)
            sent = [asset_id for asset_id, asked in self._open.items() if asked.sent]
            runs.put_back(tx, self._run.id, sent, sent=True)
            unsent = runs.asset_ids(tx, self._run.id, "asked")
            runs.put_back(tx, self._run.id, unsent, sent=False)

    # --- before ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> tuple[Endpoint, PromptTemplate, prompts.Shown]:
        run, policy = self._run, self.engine.examples
        with self._workbench.store.write() as tx:
            provider = models.provider(tx, self.engine.provider_id)
            if provider.base_url != self.engine.provider_url:
                # The plan named an address; its texts must not go elsewhere because somebody edited the provider.
                raise NotFound("provider_moved", f"the provider {provider.name!r} has another address now",
                               "start a new run")  # fmt: skip
            endpoint = models.endpoint(tx, self._workbench, provider)
            template = prompts.template_of(tx, run.project_id, self.engine.template_version)
            self._price = models.price(provider, self.engine.model, self._workbench)
            if run.started_at is None:
                shown = prompts.examples_for(tx, self._project, self._ontology, policy, run.batch, provider)
                runs.change(
                    tx, run.id, started_at=self._workbench.now(),
                    examples={"ids": list(shown.ids), "note": shown.note},
                )  # fmt: skip
            else:
                shown = prompts.examples_again(
                    tx,
                    self._project,
                    self._ontology,
                    policy,
                    run.batch,
                    provider,
                    run.example_ids,
                    run.examples_note,
                )
        return endpoint, template, shown

    def read_kept(self, *, ask_again: bool = True) -> None:
        """After a crash: read replies that were kept but not read; what was only asked becomes pending again.

        Args:
            ask_again: False leaves what was only asked as it is: the answer lies elsewhere.
        """
        parts, after = self._parts(), 0
        while True:
            with self._workbench.store.read() as tx:
                kept = exchange.answered(tx, self._run.id, "asked", parts, after, FLUSH_N)
                texts = assets.texts(tx, [each.asset_id for each in kept])
            if not kept:
                break
            after = kept[-1].asset_id
            readings = {
                each.asset_id: (
                    read(self._ontology, texts[each.asset_id], each.replies),
                    each.replies,
                    self._usd(each.replies),
                )
                for each in kept
            }
            with self._workbench.store.write() as tx:
                self._store(tx, readings)
        if not ask_again:
            return
        with self._workbench.store.write() as tx:
            runs.put_back(tx, self._run.id, runs.asset_ids(tx, self._run.id, "asked"), sent=True)

    def _parts(self) -> int:
        # Long texts are not cut yet: one request asks everything about an asset.
        return 1

    # --- asking ---------------------------------------------------------------------------------------------------

    def _requests(
        self, template: PromptTemplate, shown: prompts.Shown, endpoint: Endpoint
    ) -> Iterator[Request]:
        """Requests in the order of the run, a few assets at a time, so that a long run needs little memory."""
        chunk = max(8, min(FLUSH_N, 2 * endpoint.concurrency))
        while not self.halted and not self._should_stop():
            with self._workbench.store.write() as tx:
                ids = runs.take_pending(tx, self._run.id, chunk)
                found = assets.get_many(tx, ids)
            if not ids:
                return
            every = {
                asset_id: prompts.requests_for(
                    self._ontology, asset_id, found[asset_id].text or "", dict(found[asset_id].metadata),
                    template=template, shown=shown, engine=self.engine,
                )
                for asset_id in ids
            }  # fmt: skip
            known = self._known([request for asked in every.values() for request in asked])
            for asset_id, asked in every.items():
                yield from self._repair_requests()
                wanted = tuple(request for request in asked if request.tag not in known)
                if not self._reserve(wanted):
                    return
                self._open[asset_id] = _Asked(found[asset_id].text or "", len(asked), sent=True)
                for request in asked:
                    if request.tag in known:
                        self._on_reply(request, known[request.tag])
                yield from wanted

    def _known(self, requests: list[Request]) -> dict[str, Reply]:
        """Replies of the cache to some of these requests, by tag."""
        if not self._run.use_cache or self._workbench.settings.cache_mb == 0:
            return {}
        keys = {request.tag: self._key(request) for request in requests if cache.may_repeat(request)}
        if not keys:
            return {}
        with self._workbench.store.write() as tx:
            found = cache.look(tx, self._project.id, list(keys.values()), self._workbench.now())
        return {tag: found[key].model_copy(update={"tag": tag}) for tag, key in keys.items() if key in found}

    def _key(self, request: Request) -> str:
        return cache.key_of(self.engine.provider_url, request)

    def _repair_requests(self) -> Iterator[Request]:
        while self._repairs and not self.halted:
            request = self._repairs.popleft()
            if not self._reserve((request,)):
                self._repairs.appendleft(request)
                return
            yield request

    def _ask_once_more(self, asset_id: int, asked: _Asked, reading: Reading) -> bool:
        """Ask for a reply that can be read, once; False when that makes no sense."""
        cause = failure_of(self._ontology, reading)
        if cause is None or asked.repair or cause in _NOT_REPAIRED or self.halted:
            return False
        request, reply = asked.replies[0]
        complaint = next((problem.message for problem in reading.problems if problem.code == cause), cause)
        words = (
            Message(role="assistant", content=reply.text[:2_000] or "{}"),
            Message(
                role="user",
                content=f"Your answer cannot be used: {complaint}. Answer again about the same text, with nothing but "
                "the JSON object that was asked for.",
            ),
        )
        asked.repair, asked.parts = True, 2
        again = {"messages": request.messages + words, "tag": f"{asset_id}:1"}
        self._repairs.append(request.model_copy(update=again))
        self._open[asset_id] = asked
        return True

    def _give_up_repairs(self) -> None:
        """Assets whose second question was never sent keep what the first one came to."""
        self._repairs.clear()
        for asset_id, asked in self._open.items():
            if asked.repair and asset_id not in self._ready:
                asked.parts = 1
                self._ready.append(asset_id)

    def _reserve(self, asked: tuple[Request, ...]) -> bool:
        """Set aside what these requests could cost at most; False when the cap would be passed."""
        cap = self._run.cost_cap_usd
        if cap is None:
            return True
        worst = {
            request.tag: self._cost(
                Usage(
                    prompt_tokens=round(prompts.prompt_tokens(request) * 1.3),
                    completion_tokens=request.max_tokens,
                )
            )
            or Decimal(0)
            for request in asked
        }
        if self._spent + sum(self._reserved.values(), Decimal(0)) + sum(worst.values(), Decimal(0)) > cap:
            self.halted = (
                f"the cost cap of {cap.normalize():f} USD would be passed ({self._spent:.6f} USD spent); "
                "raise it to go on"
            )
            return False
        self._reserved |= worst
        return True

    def _on_reply(self, request: Request, outcome: Reply | ProviderError) -> None:
        asset_id, part = (int(piece) for piece in request.tag.split(":"))
        self._reserved.pop(request.tag, None)
        asked = self._open.get(asset_id)
        if asked is None:
            # Another part of it failed and the asset is settled; there is nothing to add.
            return
        if isinstance(outcome, Reply):
            asked.replies[part] = (request, outcome)
        else:
            if asked.repair:
                # The first reply stands, as unreadable as it is.
                asked.parts, asked.repair_error = 1, outcome
            else:
                asked.error = asked.error or outcome
                asked.sent = outcome.attempts > 0
            if outcome.code in _STOPS_THE_RUN and not self.halted:
                self.halted = _sentence(outcome)
        if asked.complete and asset_id not in self._ready:
            self._ready.append(asset_id)
        if len(self._ready) >= FLUSH_N:
            self._flush()

    def _should_stop(self) -> bool:
        # Before anything new is sent: what a crash can lose is then bounded by the places.
        self._flush()
        now = time.monotonic()
        if now - self._looked_at >= STATE_LOOK_S:
            self._looked_at = now
            with self._workbench.store.read() as tx:
                self._live = runs.state(tx, self._run.id) == "running"
        stopping = self._control is not None and self._control.stop_wanted()
        return bool(self.halted) or stopping or not self._live

    # --- keeping and reading --------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Keep what came in, then read it, then store what it came to."""
        ready = {asset_id: self._open.pop(asset_id) for asset_id in self._ready}
        self._ready = []
        if not ready:
            return
        failed = {asset_id: asked for asset_id, asked in ready.items() if asked.error is not None}
        with self._workbench.store.write() as tx:
            self._keep(tx, ready)
        readings = {}
        fresh: dict[str, Reply] = {}
        for asset_id, asked in ready.items():
            if asked.error is None:
                replies = tuple(reply for _, (_, reply) in sorted(asked.replies.items()))
                reading = read(self._ontology, asked.text, replies)
                if not self._ask_once_more(asset_id, asked, reading):
                    readings[asset_id] = (reading, replies, asked.usd)
                    if not asked.repair and failure_of(self._ontology, reading) is None:
                        fresh |= self._cacheable(asked)
        with self._workbench.store.write() as tx:
            self._store(tx, readings, failed)
            cache.put(tx, self._project.id, fresh, self._workbench.now())

    def _cacheable(self, asked: _Asked) -> dict[str, Reply]:
        """Replies that may answer the same request again, by key."""
        if self._workbench.settings.cache_mb == 0:
            return {}
        return {
            asked.keys[part]: reply
            for part, (request, reply) in asked.replies.items()
            if not reply.cached and reply.finish == "stop" and cache.may_repeat(request)
        }

    def _keep(self, tx: Tx, ready: dict[int, _Asked]) -> None:
        """Raw replies and what they cost, of failed attempts too."""
        now, run_id = self._workbench.now(), self._run.id
        usages: list[Usage] = []
        retried = from_cache = 0
        usd: Decimal | None = Decimal(0)
        kept: list[exchange.Kept] = []
        for asset_id, asked in ready.items():
            costs: list[Decimal | None] = []
            for part, (request, reply) in sorted(asked.replies.items())[asked.kept :]:
                key = asked.keys[part] = self._key(request)
                kept.append(exchange.Kept(asset_id=asset_id, part=part, request_sha256=key, reply=reply))
                usages.append(reply.usage)
                retried += max(0, reply.attempts - 1) + asked.repair * (part > 0)
                from_cache += reply.cached
                costs.append(Decimal(0) if reply.cached else self._bill(request, reply.usage, reply.text))
            asked.kept = len(asked.replies)
            error = asked.error or asked.repair_error
            if error is not None:
                usages.append(error.usage or Usage())
                retried += max(0, error.attempts - 1)
                costs.append(self._cost(error.usage or Usage()) or Decimal(0))
            known = [cost for cost in costs if cost is not None]
            asked.usd = sum(known, asked.usd or Decimal(0)) if len(known) == len(costs) else None
            usd = None if usd is None or asked.usd is None else usd + sum(known, Decimal(0))
        exchange.keep_replies(tx, run_id, kept, now)
        total = add_usage(usages)
        spending.spend(
            tx,
            run_id,
            spending.Spent(
                prompt_tokens=total.prompt_tokens or 0, completion_tokens=total.completion_tokens or 0,
                cached_tokens=total.cached_tokens or 0, reasoning_tokens=total.reasoning_tokens or 0,
                retried=retried, from_cache=from_cache, usd=usd if self._price is not None else None,
            ),
        )  # fmt: skip
        self._spent += usd or Decimal(0)

    def _cost(self, usage: Usage) -> Decimal | None:
        return cost_usd(usage, self._price, batch=self.batch)

    def _bill(self, request: Request, usage: Usage, text: str) -> Decimal | None:
        """Cost of a reply; estimated where the endpoint did not count, so that the cap holds all the same."""
        estimated: dict[str, int] = {}
        if usage.prompt_tokens is None:
            estimated["prompt_tokens"] = prompts.prompt_tokens(request)
        if usage.completion_tokens is None:
            estimated["completion_tokens"] = estimate_tokens(text)
        return self._cost(usage.model_copy(update=estimated))

    def _usd(self, replies: tuple[Reply, ...]) -> Decimal | None:
        costs = [Decimal(0) if reply.cached else self._cost(reply.usage) for reply in replies]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))

    def _store(
        self,
        tx: Tx,
        readings: dict[int, tuple[Reading, tuple[Reply, ...], Decimal | None]],
        failed: dict[int, _Asked] | None = None,
    ) -> None:
        """Predictions, how each asset ended, its place in the queue, and the counts: all or nothing."""
        now = self._workbench.now()
        ended: list[runs.Outcome] = []
        for asset_id, asked in (failed or {}).items():
            error = asked.error
            assert error is not None
            if self._is_asked_again(asset_id, error):
                runs.put_back(tx, self._run.id, [asset_id], sent=asked.sent)
            else:
                message = excerpt(_sentence(error), 400)
                ended.append(
                    runs.Outcome(
                        asset_id=asset_id, cause=error.code[:60], message=message, cost_usd=asked.usd
                    )
                )
        ended += store_readings(tx, self._project, self._run, self._ontology, readings, now)
        runs.finish(tx, self._run.id, ended, now)
        self._recent.extend(outcome.cause or "" for outcome in ended)
        self._give_up_when_hopeless()
        if self._control is not None:
            row = tx.execute(
                sa.select(t.run.c.done, t.run.c.failed, t.run.c.total).where(t.run.c.id == self._run.id)
            ).one()
            self._control.save(tx, done=row.done + row.failed, total=row.total)

    def _is_asked_again(self, asset_id: int, error: ProviderError) -> bool:
        """Whether the asset stays in the run, because the failure is not its fault."""
        del asset_id
        return error.code in _NOT_ITS_FAULT

    def _give_up_when_hopeless(self) -> None:
        bad = [cause for cause in self._recent if cause]
        n = len(self._recent)
        all_of_first = n >= _HOPELESS_START and len(bad) == n
        if not self.halted and (all_of_first or (n == _WINDOW and len(bad) >= _HOPELESS_SHARE * n)):
            cause, times = Counter(bad).most_common(1)[0]
            self.halted = (
                f"{len(bad)} of the last {n} assets failed, {times} of them by {cause.replace('_', ' ')}; "
                "look at the failures, change the plan or resume"
            )


def _sentence(error: LabelwrightError) -> str:
    wait = getattr(error, "retry_after_s", None)
    asked = f" It asked to wait {wait:,.0f} s; resume then." if wait else ""
    return f"{error.message}{asked} {error.hint}".strip()


def project_of(tx: Tx, project_id: int) -> Project:
    """The project a job works for.

    Raises:
        NotFound: It is in the trash.
    """
    found = projects.get(tx, project_id)
    if found is None:
        raise NotFound("no_project", f"project {project_id} is in the trash", "restore it to go on")
    return found
