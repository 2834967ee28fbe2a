"""Carries a run out: asks about every asset, keeps each reply before reading it, and stores what it came to.

Hides the order of the small transactions that make a run safe against kill -9 at any point: an attempt is noted before
it is sent, a reply is kept before it is read, and a prediction is stored together with status, queue order and counts.
What was asked but not answered is asked again after a restart; what was answered is only read. An asset may take many
requests (`core.layout`): each of its replies is kept by itself, and a restart asks only for those that are missing.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import sqlalchemy as sa

from labelwright.core.asset import Asset
from labelwright.core.errors import ContextTooLong, LabelwrightError, NotFound, ProviderError
from labelwright.core.exchange import Message, Reply, Request, Usage
from labelwright.core.layout import Layout
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import PromptedModel, Reading, Run
from labelwright.core.price import Price
from labelwright.core.project import Project
from labelwright.flows import knowledge, models, prompts
from labelwright.flows.asked import Asked, longest_piece, read_answered, reply_of, sentence
from labelwright.flows.gauge import gauge_for
from labelwright.flows.jobs import Control
from labelwright.flows.settle import latency_of, store_readings
from labelwright.prompting import (
    FAILED,
    estimate_tokens,
    failure_of,
    put_together,
    read_part,
)
from labelwright.providers import Endpoint, cost_usd
from labelwright.providers.price import add_usage
from labelwright.store import asset as assets
from labelwright.store import cache, exchange, spending
from labelwright.store import project as projects
from labelwright.store import provider as providers
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
_MOST_HALVINGS = 6
_LOOK_UP = 16


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
        self._lists = knowledge.lists_of(workbench, ontology)
        self._open: dict[int, Asked] = {}
        # Assets with something to store or to read.
        self._touched: dict[int, None] = {}
        # (asset, part) to ask beside the assets that are still to come: repairs, and pieces cut smaller.
        self._more: deque[tuple[int, int]] = deque()
        self._halved = 0
        # What came for nothing but is billed: errors, and replies about pieces that were too long.
        self._stray: list[tuple[Request, Reply]] = []
        self._reserved: dict[str, Decimal] = {}
        self._spent = run.cost_usd or Decimal(0)
        self._recent: deque[str] = deque(maxlen=_WINDOW)
        self._looked_at = time.monotonic()
        self._live = True
        self._price: Price | None = None

    def go(self) -> None:
        """Ask about everything that is pending, until done or stopped; `halted` says why it should pause, if so."""
        try:
            endpoint = self._prepare()
        except LabelwrightError as error:
            self.halted = sentence(error)
            return
        self.read_kept()
        answering = self._workbench.pool.at(endpoint, models.privacy_of(self._project))
        try:
            answering.ask(self._requests(endpoint), self._on_reply, self._should_stop)
            self._flush()
            while self._more and not self._should_stop():
                answering.ask(self._more_requests(), self._on_reply, self._should_stop)
                self._flush()
        except ProviderError as error:
            self.halted = sentence(error)
        self._give_up_repairs()
        self._flush()
        with self._workbench.store.write() as tx:
            cache.trim(tx, self._workbench.settings.cache_mb * 1_000_000)
            if self._gauge.factor.n:
                providers.set_token_factor(tx, self.engine.provider_id, self.engine.model, self._gauge.factor)
            sent = [asset_id for asset_id, asked in self._open.items() if asked.sent]
            runs.put_back(tx, self._run.id, sent, sent=True)
            unsent = runs.asset_ids(tx, self._run.id, "asked")
            runs.put_back(tx, self._run.id, unsent, sent=False)

    # --- before ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> Endpoint:
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
            self._gauge = gauge_for(tx, self._workbench, self._project, provider, endpoint, self.engine.model)
            context = prompts.context_of(provider)
            self._prompts = prompts.Prompts(
                self._ontology, template, shown, self.engine, self._gauge, context, self._lists
            )
        return endpoint

    def read_kept(self, *, ask_again: bool = True) -> None:
        """After a crash: read replies that were kept but not read; what was only asked becomes pending again.

        Args:
            ask_again: False leaves what was only asked as it is: the answer lies elsewhere.
        """
        after, decoding = 0, self.engine.decoding
        while True:
            with self._workbench.store.read() as tx:
                kept = exchange.answered(tx, self._run.id, "asked", after, FLUSH_N)
                texts = assets.texts(tx, [each.asset_id for each in kept])
            if not kept:
                break
            after = kept[-1].asset_id
            readings = {
                each.asset_id: (
                    read_answered(self._ontology, texts[each.asset_id], each, decoding, self._lists),
                    latency_of(each.replies.values()),
                    self._usd(each.replies.values()),
                )
                for each in kept
            }
            with self._workbench.store.write() as tx:
                self._store(tx, readings)
        if not ask_again:
            return
        with self._workbench.store.write() as tx:
            runs.put_back(tx, self._run.id, runs.asset_ids(tx, self._run.id, "asked"), sent=True)

    # --- asking ---------------------------------------------------------------------------------------------------

    def _requests(self, endpoint: Endpoint) -> Iterator[Request]:
        """Requests in the order of the run, a few assets at a time, so that a long run needs little memory."""
        ahead = max(8, min(FLUSH_N, 2 * endpoint.concurrency))
        while not self.halted and not self._should_stop():
            with self._workbench.store.write() as tx:
                ids = runs.take_pending(tx, self._run.id, ahead)
                found = assets.get_many(tx, ids)
                layouts = runs.layouts(tx, self._run.id, ids)
                begun = exchange.kept(tx, self._run.id, list(layouts))
            if not ids:
                return
            short = self._short([found[asset_id] for asset_id in ids if asset_id not in layouts])
            known = self._known([request for _, request in short.values()])
            for asset_id in ids:
                yield from self._more_requests()
                if self.halted:
                    return
                asset = found[asset_id]
                layout, request = short.get(asset_id, (None, None))
                if layout is None or layout.halved != self._halved:
                    asked = self._begin(asset, layouts.get(asset_id), begun.get(asset_id, {}))
                    request = None
                else:
                    asked = Asked(asset, layout)
                self._open[asset_id] = asked
                if request is not None:
                    yield from self._ask_or_know(asked, request, known)
                else:
                    yield from self._part_requests(asked)
                if self.halted:
                    return

    def _short(self, found: Sequence[Asset]) -> dict[int, tuple[Layout, Request]]:
        """The assets among these that one request asks about whole, with it."""
        short = {}
        for asset in found:
            layout = self._prompts.layout(asset, self._halved)
            if len(layout.parts) == 1:
                short[asset.id] = (layout, self._prompts.request(asset, layout, 0))
        return short

    def _part_requests(self, asked: Asked) -> Iterator[Request]:
        """The requests of an asset that are not answered yet, a few at a time."""
        layout = asked.layout
        numbers = [n for n in range(len(layout.parts)) if n not in asked.replies]
        for start in range(0, len(numbers), _LOOK_UP):
            requests = [
                self._prompts.request(asked.asset, layout, n) for n in numbers[start : start + _LOOK_UP]
            ]
            known = self._known(requests)
            for request in requests:
                if asked.layout is not layout:
                    # A piece was too long: the smaller ones are among `_more`.
                    return
                yield from self._ask_or_know(asked, request, known)
                yield from self._more_requests()
                if self.halted:
                    return

    def _ask_or_know(self, asked: Asked, request: Request, known: dict[str, Reply]) -> Iterator[Request]:
        if request.tag in known:
            self._on_reply(request, known[request.tag])
        elif self._reserve(request):
            asked.sent = True
            yield request

    def _known(self, requests: Sequence[Request]) -> dict[str, Reply]:
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

    def _begin(self, asset: Asset, stored: Layout | None, begun: dict[int, Reply]) -> Asked:
        """Start on an asset, or go on with one of which some parts are answered."""
        if stored is None:
            layout = self._prompts.layout(asset, self._halved)
            if len(layout.parts) > 1:
                with self._workbench.store.write() as tx:
                    runs.set_layout(tx, self._run.id, asset.id, layout)
            return Asked(asset, layout)
        asked = Asked(asset, stored, usd=self._usd(begun.values()))
        for number, reply in sorted(begun.items()):
            self._took(asked, number, reply)
        self._touched[asset.id] = None
        return asked

    def _more_requests(self) -> Iterator[Request]:
        while self._more and not self.halted:
            asset_id, number = self._more[0]
            asked = self._open.get(asset_id)
            if asked is None:
                self._more.popleft()
                continue
            request = self._again(asked, number)
            if not self._reserve(request):
                return
            self._more.popleft()
            asked.sent = True
            yield request

    def _again(self, asked: Asked, number: int) -> Request:
        """The request of a part, or of the repair of one."""
        parts = len(asked.layout.parts)
        request = self._prompts.request(asked.asset, asked.layout, number % parts)
        if number < parts:
            return request
        reply = asked.replies[number - parts][0]
        reading = self._read_part(asked, number - parts)
        cause = self._failure(asked, number - parts, reading)
        complaint = next((problem.message for problem in reading.problems if problem.code == cause), cause)
        words = (
            Message(role="assistant", content=reply.text[:2_000] or "{}"),
            Message(
                role="user",
                content=f"Your answer cannot be used: {complaint}. Answer again about the same text, with nothing "
                "but the JSON object that was asked for.",
            ),
        )
        head, _, rest = request.tag.partition(":")
        _, _, halved = rest.partition(":")
        tag = f"{head}:{number}" + (f":{halved}" if halved else "")
        return request.model_copy(update={"messages": request.messages + words, "tag": tag})

    def _give_up_repairs(self) -> None:
        """Parts whose second question was never answered keep what the first one came to."""
        self._more.clear()
        for asked in self._open.values():
            for part in asked.repairs - asked.readings.keys():
                self._settle(asked, part)

    def _reserve(self, request: Request) -> bool:
        """Set aside what this request could cost at most; False when the cap would be passed."""
        cap = self._run.cost_cap_usd
        if cap is None:
            return True
        worst = self._cost(
            Usage(
                prompt_tokens=round(self._gauge.prompt_tokens(request) * 1.3),
                completion_tokens=request.max_tokens,
            )
        ) or Decimal(0)
        if self._spent + sum(self._reserved.values(), Decimal(0)) + worst > cap:
            self.halted = (
                f"the cost cap of {cap.normalize():f} USD would be passed ({self._spent:.6f} USD spent); "
                "raise it to go on"
            )
            return False
        self._reserved[request.tag] = worst
        return True

    def _on_reply(self, request: Request, outcome: Reply | ProviderError) -> None:
        asset_id, number, *halved = (int(piece) for piece in request.tag.split(":"))
        self._reserved.pop(request.tag, None)
        asked = self._open.get(asset_id)
        if asked is None or (halved[0] if halved else 0) != asked.layout.halved:
            # The asset is asked in smaller pieces by now: of no use, but billed.
            self._stray.append((request, reply_of(outcome)))
        elif isinstance(outcome, ProviderError):
            self._on_error(asked, number, request, outcome)
        else:
            if not outcome.cached:
                self._gauge.learn(request, outcome)
            asked.new.append((number, request, outcome))
            asked.sent = True
            self._touched[asset_id] = None
        if len(self._touched) >= FLUSH_N:
            self._flush()

    def _on_error(self, asked: Asked, number: int, request: Request, error: ProviderError) -> None:
        parts = len(asked.layout.parts)
        if error.code in _STOPS_THE_RUN and not self.halted:
            self.halted = sentence(error)
        if number >= parts:
            # The first reply stands, as unreadable as it is.
            self._settle(asked, number - parts)
            self._stray.append((request, reply_of(error)))
        elif self._is_asked_again(asked, error):
            asked.sent = error.attempts > 0 or bool(asked.replies)
            self._stray.append((request, reply_of(error)))
        elif isinstance(error, ContextTooLong) and self._cut_smaller(asked):
            self._stray.append((request, reply_of(error)))
        else:
            asked.new.append((number, request, reply_of(error)))
            self._touched[asked.asset.id] = None

    def _is_asked_again(self, asked: Asked, error: ProviderError) -> bool:
        """Whether the asset stays in the run, because the failure is not its fault."""
        del asked
        return error.code in _NOT_ITS_FAULT

    def _cut_smaller(self, asked: Asked) -> bool:
        """Ask the asset anew in pieces half as long; False when they are short already."""
        asset_id, halved = asked.asset.id, asked.layout.halved
        while halved < _MOST_HALVINGS:
            halved += 1
            layout = self._prompts.layout(asked.asset, halved)
            if longest_piece(layout) < longest_piece(asked.layout):
                break
        else:
            return False
        # The next texts will be too long in the same way.
        self._halved = max(self._halved, halved)
        self._stray += [(request, reply) for _, request, reply in asked.new]
        asked.layout, asked.replies, asked.readings, asked.new = layout, {}, {}, []
        asked.repairs = set()
        self._more = deque(each for each in self._more if each[0] != asset_id)
        self._more.extend((asset_id, number) for number in range(len(layout.parts)))
        with self._workbench.store.write() as tx:
            runs.set_layout(tx, self._run.id, asset_id, layout)
        return True

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
        touched, self._touched = list(self._touched), {}
        if not touched and not self._stray:
            return
        with self._workbench.store.write() as tx:
            self._keep(tx, [self._open[asset_id] for asset_id in touched])
        readings = {}
        fresh: dict[str, Reply] = {}
        for asset_id in touched:
            asked = self._open[asset_id]
            new, asked.new = asked.new, []
            for number, request, reply in new:
                self._took(asked, number, reply)
                if self._may_serve_again(asked, number, request, reply):
                    fresh[self._key(request)] = reply
            if asked.complete:
                text = asked.asset.text or ""
                reading = put_together(self._ontology, text, asked.layout, asked.readings)
                readings[asset_id] = (reading, latency_of(asked.every()), asked.usd)
                del self._open[asset_id]
        with self._workbench.store.write() as tx:
            self._store(tx, readings)
            cache.put(tx, self._project.id, fresh, self._workbench.now())

    def _may_serve_again(self, asked: Asked, number: int, request: Request, reply: Reply) -> bool:
        """Whether the reply may answer the same request again: whole, read without trouble, and not drawn at random."""
        if self._workbench.settings.cache_mb == 0 or reply.cached or reply.finish != "stop":
            return False
        reading = asked.readings.get(number)
        return (
            reading is not None
            and self._failure(asked, number, reading) is None
            and cache.may_repeat(request)
        )

    def _took(self, asked: Asked, number: int, reply: Reply) -> None:
        """Read a part's reply; one that cannot be read is asked about once more."""
        parts = len(asked.layout.parts)
        part = number % parts
        asked.replies.setdefault(part, []).append(reply)
        reading = self._read_part(asked, part)
        cause = self._failure(asked, part, reading)
        unreadable = cause is not None and cause not in _NOT_REPAIRED and not reply.finish.startswith(FAILED)
        if unreadable and part not in asked.repairs and number < parts and self._repairs():
            asked.repairs.add(part)
            self._more.append((asked.asset.id, parts + part))
            return
        asked.readings[part] = reading
        self._recent.append(cause or "")

    def _repairs(self) -> bool:
        """Whether a part that could not be read is asked about once more."""
        return not self.halted

    def _settle(self, asked: Asked, part: int) -> None:
        """There will be no better reply to this part."""
        asked.readings[part] = self._read_part(asked, part)
        self._touched[asked.asset.id] = None

    def _read_part(self, asked: Asked, part: int) -> Reading:
        text, replies = asked.asset.text or "", asked.replies[part]
        return read_part(self._ontology, text, asked.layout, part, replies, self.engine.decoding, self._lists)

    def _failure(self, asked: Asked, part: int, reading: Reading) -> str | None:
        return failure_of(self._prompts.ontology_of(asked.layout, part), reading)

    def _keep(self, tx: Tx, touched: Sequence[Asked]) -> None:
        """Raw replies and what they cost, of failed attempts too."""
        now, run_id = self._workbench.now(), self._run.id
        retried = 0
        spent = Decimal(0)
        came = [(each, number, request, reply) for each in touched for number, request, reply in each.new]
        stray, self._stray = self._stray, []
        kept: list[exchange.Kept] = []
        for asked, number, request, reply in came:
            kept.append(
                exchange.Kept(
                    asset_id=asked.asset.id, part=number, request_sha256=self._key(request), reply=reply
                )
            )
            # A repair is one more try.
            retried += number >= len(asked.layout.parts)
            cost = self._bill(request, reply)
            asked.usd = None if cost is None or asked.usd is None else asked.usd + cost
        exchange.keep_replies(tx, run_id, kept, now)
        every = [*((request, reply) for _, _, request, reply in came), *stray]
        for request, reply in every:
            retried += max(0, reply.attempts - 1)
            spent += self._bill(request, reply) or Decimal(0)
        total = add_usage([reply.usage for _, reply in every])
        spending.spend(
            tx,
            run_id,
            spending.Spent(
                prompt_tokens=total.prompt_tokens or 0, completion_tokens=total.completion_tokens or 0,
                cached_tokens=total.cached_tokens or 0, reasoning_tokens=total.reasoning_tokens or 0, retried=retried,
                from_cache=sum(reply.cached for _, reply in every), usd=None if self._price is None else spent,
            ),
        )  # fmt: skip
        self._spent += spent

    def _cost(self, usage: Usage) -> Decimal | None:
        return cost_usd(usage, self._price, batch=self.batch)

    def _bill(self, request: Request, reply: Reply) -> Decimal | None:
        """Cost of a reply; estimated where the endpoint did not count, so that the cap holds all the same."""
        if reply.cached:
            return Decimal(0)
        usage = reply.usage
        if reply.finish.startswith(FAILED):
            # Nothing came back: only what the endpoint says it billed counts.
            return self._cost(usage) or (None if self._price is None else Decimal(0))
        estimated: dict[str, int] = {}
        if usage.prompt_tokens is None:
            estimated["prompt_tokens"] = self._gauge.prompt_tokens(request)
        if usage.completion_tokens is None:
            estimated["completion_tokens"] = estimate_tokens(reply.text)
        return self._cost(usage.model_copy(update=estimated))

    def _usd(self, replies: Iterable[Reply]) -> Decimal | None:
        costs = [Decimal(0) if reply.cached else self._cost(reply.usage) for reply in replies]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))

    def _store(self, tx: Tx, readings: dict[int, tuple[Reading, float | None, Decimal | None]]) -> None:
        """Predictions, how each asset ended, its place in the queue, and the counts: all or nothing."""
        now = self._workbench.now()
        ended = store_readings(tx, self._project, self._run, self._ontology, readings, now)
        runs.finish(tx, self._run.id, ended, now)
        self._give_up_when_hopeless()
        if self._control is not None:
            row = tx.execute(
                sa.select(t.run.c.done, t.run.c.failed, t.run.c.total).where(t.run.c.id == self._run.id)
            ).one()
            self._control.save(tx, done=row.done + row.failed, total=row.total)

    def _give_up_when_hopeless(self) -> None:
        bad = [cause for cause in self._recent if cause]
        n = len(self._recent)
        all_of_first = n >= _HOPELESS_START and len(bad) == n
        if not self.halted and (all_of_first or (n == _WINDOW and len(bad) >= _HOPELESS_SHARE * n)):
            cause, times = Counter(bad).most_common(1)[0]
            self.halted = (
                f"{len(bad)} of the last {n} answers failed, {times} of them by {cause.replace('_', ' ')}; "
                "look at the failures, change the plan or resume"
            )


def project_of(tx: Tx, project_id: int) -> Project:
    """The project a job works for.

    Raises:
        NotFound: It is in the trash.
    """
    found = projects.get(tx, project_id)
    if found is None:
        raise NotFound("no_project", f"project {project_id} is in the trash", "restore it to go on")
    return found
