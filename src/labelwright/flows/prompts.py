"""What a model will be asked: templates, plans, examples, previews, and what a run would cost.

Hides how a plan becomes a predictor, and which corrections are shown as examples for which text.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.exchange import Message, Request, Usage
from labelwright.core.fewshot import (
    Correction,
    categories_of,
    choose,
    choose_for,
    needs_likeness,
    qualifying,
)
from labelwright.core.layout import Layout
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import Decoding, ExamplePolicy, How, Predictor, PromptedModel
from labelwright.core.problem import Problem
from labelwright.core.project import Project, PromptTemplate, Provider, TokenFactor
from labelwright.core.value import Value
from labelwright.flows import guard, knowledge, models
from labelwright.flows.gauge import Gauge, gauge_for
from labelwright.flows.nearest import likeness_to
from labelwright.prompting import (
    DEFAULT_TEMPLATE,
    Cutter,
    Example,
    KnowledgeLists,
    ask_part,
    check_template,
    estimate_tokens,
    part_ontology,
)
from labelwright.providers import cost_usd
from labelwright.store import asset as assets
from labelwright.store import history, people, spending
from labelwright.store import provider as providers
from labelwright.store import run as runs
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

MOST_CORRECTIONS = 2_000
"""Examples are chosen among the newest so many corrections."""

_SAMPLE = 30
_SAMPLE_CHARACTERS = 1_000_000
_DEFAULT_EXAMPLE_TOKENS = 6_000
_TOKENIZER_ERROR = 0.25
_ANSWER_TOKENS_SHARE = 0.25


class Plan(Value):
    """What a person chooses for a run.

    Attributes:
        ontology_version: Questions to ask; None for the current ones. Older ones can be tried and compared only.
    """

    provider_id: int
    model: str = Field(min_length=1, max_length=300)
    template_version: int = Field(default=0, ge=0)
    examples: ExamplePolicy = ExamplePolicy()
    decoding: Decoding = Decoding()
    ontology_version: int | None = Field(default=None, ge=1)


class ShownExample(Value):
    """A correction that is shown to a model: which, whose, and since when it is known.

    Attributes:
        author: Who gave these answers.
        batch: Batch of its asset; None for one that was labelled before any run.
        changed: Whether the person changed what the model had said.
        counts: False once it was taken back or replaced; the run was made before that.
    """

    annotation_id: str
    asset_id: int
    text: str
    answers: dict[str, Any]
    author: str = ""
    created_at: datetime | None = None
    batch: int | None = None
    changed: bool = False
    counts: bool = True


class Preview(Value):
    """The exact prompt of one request about an asset, and where its examples come from.

    Attributes:
        part: Number of this request, from 0, of `parts`.
        piece: Which piece of the text it is about, from 0, of `pieces`; text[start:end].
        questions: Asked in it.
        sample: Which of several equal requests it is, from 0.
    """

    messages: tuple[Message, ...]
    output_schema: dict[str, Any] | None
    prompt_tokens: int
    examples: tuple[ShownExample, ...]
    examples_note: str
    problems: tuple[Problem, ...]
    part: int = 0
    parts: int = 1
    piece: int = 0
    pieces: int = 1
    start: int = 0
    end: int = 0
    questions: tuple[str, ...] = ()
    sample: int = 0


class Estimate(Value):
    """What a run would take, before it starts.

    Attributes:
        assets: How many it would cover.
        requests: How many requests that takes; more than assets where texts are long, questions are asked each by
            itself, or answers are sampled.
        usd_low: Lower end of the interval; None, like the others, when a price is unknown.
        note: What the figures rest on.
    """

    assets: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    usd_low: Decimal | None
    usd: Decimal | None
    usd_high: Decimal | None
    note: str


# --- templates ------------------------------------------------------------------------------------------------------


def list_templates(workbench: Workbench, actor: Actor, project_id: int) -> list[PromptTemplate]:
    """Versions of the prompt, newest first; the built-in one (version 0) last."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        return [*providers.templates(tx, project_id), DEFAULT_TEMPLATE]


def add_template(
    workbench: Workbench, actor: Actor, project_id: int, name: str, system: str, user: str
) -> PromptTemplate:
    """Store the next version of the prompt.

    Raises:
        Invalid: The text would never be sent, or a field does not exist.
    """
    new = PromptTemplate(name=name.strip(), system=system, user=user)
    problems = check_template(new)
    if any(problem.code == "unknown_field" or problem.where == "user" for problem in problems):
        raise Invalid("bad_template", "this prompt cannot be used", "see the marked places", problems)
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "edit_prompts", lock=True)
        stored = providers.add_template(tx, project_id, new, actor.user_id, workbench.now())
        history.record(
            tx, workbench.now(), "template_changed", project_id=project_id, user_id=actor.user_id,
            body={"version": stored.version, "name": stored.name},
        )  # fmt: skip
        return stored


def template_of(tx: Tx, project_id: int, version: int) -> PromptTemplate:
    """A version of the prompt; 0 is built in.

    Raises:
        NotFound: There is no such version.
    """
    if version == 0:
        return DEFAULT_TEMPLATE
    found = providers.template(tx, project_id, version)
    if found is None:
        raise NotFound("no_template", f"project {project_id} has no prompt version {version}")
    return found


# --- plans ----------------------------------------------------------------------------------------------------------


def predictor_of(tx: Tx, project: Project, plan: Plan) -> tuple[Predictor, Provider]:
    """The predictor that a plan makes under the current ontology, and its endpoint.

    Raises:
        NotFound: There is no such provider or template.
        PrivacyRefused: The project does not allow the endpoint.
        Invalid: The project is not of texts.
    """
    guard.texts(project)
    provider = models.provider(tx, plan.provider_id)
    models.privacy_of(project).check(provider.base_url)
    template = template_of(tx, project.id, plan.template_version)
    wording = f"{template.system}\x00{template.user}".encode()
    engine = PromptedModel(
        provider_id=provider.id,
        provider_url=provider.base_url,
        model=plan.model,
        template_version=plan.template_version,
        template_sha256=hashlib.sha256(wording).hexdigest(),
        examples=plan.examples,
        decoding=plan.decoding,
    )
    version = plan.ontology_version or project.ontology_version
    guard.ontology(tx, project.id, version)
    return Predictor(engine=engine, ontology_version=version), provider


class Shown:
    """The examples for a batch: the same for every text, or the nearest for each.

    Attributes:
        ids: Annotations that may be shown.
        note: Why there are fewer or none, when there are.
    """

    def __init__(self, ids: Sequence[str], note: str, pick: Callable[[int, str], list[Correction]]) -> None:
        """Made by `examples_for` and `examples_again`."""
        self.ids, self.note, self._pick = tuple(ids), note, pick

    def picked(self, asset_id: int, text: str) -> list[Correction]:
        """The corrections shown with one text, in order; never the text itself."""
        return [c for c in self._pick(asset_id, text) if c.asset_id != asset_id and c.text != text]

    def for_asset(self, asset_id: int, text: str) -> list[Example]:
        """The same as examples of the conversation."""
        return [Example(text=c.text, answers=c.answers) for c in self.picked(asset_id, text)]


def corrections_of(tx: Tx, project_id: int, batch: int | None) -> list[Correction]:
    """Reviewed assets of earlier batches that may serve as examples; gold never does."""
    return [
        Correction(
            annotation_id=row.id, asset_id=row.asset_id, text=row.text, answers=Answers.model_validate(row.answers),
            batch=row.batch, changed=row.changed, gold=row.gold, author_id=row.author_id, created_at=row.created_at,
        )
        for row in runs.corrections(tx, project_id, batch, MOST_CORRECTIONS)
    ]  # fmt: skip


def sources_of(tx: Tx, project_id: int, annotation_ids: Sequence[str]) -> list[ShownExample]:
    """Where examples come from, in the order given."""
    rows = runs.corrections_named(tx, project_id, annotation_ids)
    names = people.display_names(tx, sorted({row.author_id for row in rows.values()}))
    return [
        ShownExample(
            annotation_id=each, asset_id=row.asset_id, text=row.text[:500], answers=row.answers,
            author=names.get(row.author_id, ""), created_at=row.created_at, batch=row.batch, changed=row.changed,
            counts=row.counts,
        )
        for each in annotation_ids
        if (row := rows.get(each)) is not None
    ]  # fmt: skip


def examples_for(
    tx: Tx, project: Project, ontology: Ontology, policy: ExamplePolicy, batch: int | None, provider: Provider
) -> Shown:
    """Choose the examples of a batch from the corrections of earlier batches."""
    if policy.kind == "none":
        return Shown((), "", lambda _id, _text: [])
    usable = corrections_of(tx, project.id, batch)
    if not usable:
        return Shown(
            (), "nothing of an earlier batch is corrected yet, so no examples are shown", lambda _i, _t: []
        )
    budget = _example_budget(provider)
    if needs_likeness(policy):
        return _by_likeness(usable, policy, ontology, batch, budget)
    chosen = choose(policy, usable, ontology, batch)
    kept = _within(chosen, budget)
    note = (
        ""
        if len(kept) == len(chosen)
        else f"{len(chosen) - len(kept)} examples were left out: they are too long"
    )
    return Shown([c.annotation_id for c in kept], note, lambda _i, _t: kept)


def _by_likeness(
    corrections: list[Correction], policy: ExamplePolicy, ontology: Ontology, batch: int | None, budget: int
) -> Shown:
    usable = qualifying(corrections, batch)
    like, shown_by = likeness_to(usable), categories_of(ontology, usable)

    def pick(asset_id: int, text: str) -> list[Correction]:
        found = choose_for(policy, usable, ontology, asset_id, text, like(text), shown_by)
        # The most similar one stands last; what does not fit is left out from the other end.
        return _within(found[::-1], budget)[::-1]

    return Shown([c.annotation_id for c in usable], "examples are chosen for each text", pick)


def examples_again(
    tx: Tx, project: Project, ontology: Ontology, policy: ExamplePolicy, batch: int | None, provider: Provider,
    ids: Sequence[str], note: str,
) -> Shown:  # fmt: skip
    """The examples a run chose when it started, so that a restart does not change what is asked."""
    if policy.kind == "none" or not ids:
        return Shown((), note, lambda _i, _t: [])
    by_id = {c.annotation_id: c for c in corrections_of(tx, project.id, batch)}
    kept = [by_id[each] for each in ids if each in by_id]
    if needs_likeness(policy):
        return (
            _by_likeness(kept, policy, ontology, batch, _example_budget(provider))
            if kept
            else Shown(ids, note, lambda _i, _t: [])
        )
    return Shown(ids, note, lambda _i, _t: kept)


def _example_budget(provider: Provider) -> int:
    context = context_of(provider)
    return _DEFAULT_EXAMPLE_TOKENS if context is None else min(_DEFAULT_EXAMPLE_TOKENS, context // 2)


def _within(chosen: Sequence[Correction], budget: int) -> list[Correction]:
    """The examples that fit into so many tokens, in order; a long one is skipped, not cut."""
    kept: list[Correction] = []
    for correction in chosen:
        cost = estimate_tokens(correction.text) + 40
        if cost <= budget:
            kept.append(correction)
            budget -= cost
    return kept


class Prompts:
    """Makes the requests of a run: everything but the asset is fixed."""

    def __init__(
        self,
        ontology: Ontology,
        template: PromptTemplate,
        shown: Shown,
        engine: PromptedModel,
        gauge: Gauge,
        context_tokens: int | None,
        lists: KnowledgeLists,
    ) -> None:
        """Prepare; `context_tokens` is what the model takes, None where unknown; `lists` what mentions are linked to."""
        self.ontology, self.gauge, self._engine = ontology, gauge, engine
        self._template, self._shown, self._lists = template, shown, lists
        self._cutter = Cutter(ontology, template, engine.decoding, context_tokens, gauge.count, lists)
        self._latest: tuple[int, list[Example]] = (0, [])

    def layout(self, asset: Asset, halved: int = 0) -> Layout:
        """In which requests an asset is asked about."""
        return self._cutter.layout(asset.text or "", self._examples(asset), self._fields(asset), halved)

    def request(self, asset: Asset, layout: Layout, number: int) -> Request:
        """One of them, tagged `asset id:part`, and `:times halved` where the pieces were made smaller."""
        asked = ask_part(
            self.ontology, asset.text or "", layout, number, template=self._template, examples=self._examples(asset),
            model=self._engine.model, decoding=self._engine.decoding, fields=self._fields(asset),
            lists=self._lists,
        )  # fmt: skip
        halved = f":{layout.halved}" if layout.halved else ""
        return asked.model_copy(update={"tag": f"{asset.id}:{number}{halved}"})

    def ontology_of(self, layout: Layout, number: int) -> Ontology:
        """The questions of one of them."""
        return part_ontology(self.ontology, layout.parts[number].questions)

    def requests(self, asset: Asset) -> list[Request]:
        """All of them."""
        layout = self.layout(asset)
        return [self.request(asset, layout, number) for number in range(len(layout.parts))]

    def _examples(self, asset: Asset) -> list[Example]:
        # Choosing the nearest is not free, and an asset may have hundreds of parts.
        if self._latest[0] != asset.id:
            self._latest = (asset.id, self._shown.for_asset(asset.id, asset.text or ""))
        return self._latest[1]

    def _fields(self, asset: Asset) -> dict[str, Any]:
        wanted = "{fields}" in self._template.user and self._template.version
        return dict(asset.metadata) if wanted else {}


def context_of(provider: Provider) -> int | None:
    """Tokens that its models take, where a probe found out."""
    return provider.capabilities.context_tokens if provider.capabilities is not None else None


# --- before the start -----------------------------------------------------------------------------------------------


def preview(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    *,
    asset_id: int | None,
    template: PromptTemplate | None,
    template_version: int,
    examples: ExamplePolicy,
    model: str,
    decoding: Decoding | None = None,
    provider_id: int | None = None,
    part: int = 0,
) -> Preview:
    """The exact prompt for an asset (the next unpredicted one when none is named) with an unsaved or stored template.

    Of an asset that takes several requests, the part with this number. With a provider, pieces are as large as its
    model takes; without one, as large as a model of unknown context would get.

    Raises:
        NotFound: No such asset, template, provider or part.
        PrivacyRefused: The project does not allow the provider, which would be asked to count tokens.
    """
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        guard.texts(project)
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        wording = template if template is not None else template_of(tx, project_id, template_version)
        if asset_id is None:
            ids = runs.choose_unpredicted(tx, project_id, 1) or runs.sample(tx, project_id, 1, gold=False)
            if not ids:
                raise NotFound("no_asset", "the project has no assets yet", "import some first")
            asset_id = ids[0]
        asset = guard.asset(tx, project_id, asset_id)
        provider, endpoint = Provider(id=0, name="preview", base_url=""), None
        if provider_id is not None:
            guard.project(tx, actor, project_id, "run_models")
            provider = models.provider(tx, provider_id)
            endpoint = models.endpoint(tx, workbench, provider)
            models.privacy_of(project).check(provider.base_url)
        shown = examples_for(tx, project, ontology, examples, None, provider)
        picked = [c.annotation_id for c in shown.picked(asset.id, asset.text or "")]
        sources = tuple(sources_of(tx, project_id, picked))
        gauge = gauge_for(tx, workbench, project, provider, endpoint, model)
    engine = PromptedModel(
        provider_id=provider.id, provider_url="", model=model or "model", decoding=decoding or Decoding()
    )
    # An unsaved template counts as one of the project's own.
    wording = (
        wording.model_copy(update={"version": wording.version or 1}) if template is not None else wording
    )
    asking = Prompts(
        ontology, wording, shown, engine, gauge, context_of(provider), knowledge.lists_of(workbench, ontology)
    )
    layout = asking.layout(asset)
    if not 0 <= part < len(layout.parts):
        raise NotFound(
            "no_part", f"this asset is asked in {len(layout.parts)} requests; there is no number {part}"
        )
    asked = asking.request(asset, layout, part)
    piece, pieces = layout.place(part)
    here = layout.parts[part]
    return Preview(
        messages=asked.messages,
        output_schema=asked.output_schema,
        prompt_tokens=gauge.prompt_tokens(asked),
        examples=sources,
        examples_note=shown.note,
        problems=tuple(check_template(wording)),
        part=part,
        parts=len(layout.parts),
        piece=piece,
        pieces=pieces,
        start=here.start,
        end=here.end,
        questions=here.questions,
        sample=here.sample,
    )


def estimate(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    plan: Plan,
    limit: int | None = None,
    how: How = "now",
) -> Estimate:
    """What a run over everything unpredicted (or `limit` assets of it) would take.

    From earlier answers of the same predictor where there are some, else from a sample of real prompts; the interval
    covers the spread of the sample and what the token count may be off without the model's own tokenizer.
    """
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        predictor, provider = predictor_of(tx, project, plan)
        total = runs.count_unpredicted(tx, project_id)
        total = total if limit is None else min(total, limit)
        known = spending.billed_before(tx, project_id, predictor.sha256)
        sizes, answers, counts, factor = _sampled(workbench, tx, project, plan, predictor, provider)
    if sizes:
        requests = round(total * sum(counts) / len(counts))
    if known is not None and sizes:
        n, prompt, completion = known
        note, spread = f"from {n} answers of the same plan", 0.05 + 1.0 / math.sqrt(n)
        sizes, answers = [prompt / n], [completion / n]
    elif not sizes:
        return Estimate(
            assets=0, requests=0, prompt_tokens=0, completion_tokens=0, usd_low=None, usd=None, usd_high=None,
            note="there is nothing left to predict",
        )  # fmt: skip
    else:
        learned = (
            f"its counts of {factor.n} earlier prompts" if factor.n else "without the model's own tokenizer"
        )
        note = f"from a sample of {len(sizes)} assets, {learned}"
        error = min(_TOKENIZER_ERROR, 2 * factor.spread / factor.mean) if factor.n else _TOKENIZER_ERROR
        spread = error + 1.96 * _relative_error(sizes)
    if requests != total:
        note += f"; about {requests / max(1, total):.3g} requests per asset"
    prompt_total, completion_total = (total * sum(each) / len(each) for each in (sizes, answers))
    billed = Usage(prompt_tokens=round(prompt_total), completion_tokens=round(completion_total))
    usd = cost_usd(billed, models.price(provider, plan.model, workbench), batch=how == "batch")
    if usd is None:
        note += "; the price of this model is not set, so the cost is unknown"
    low, high = Decimal(str(max(0.0, 1.0 - spread))), Decimal(str(1.0 + spread))
    return Estimate(
        assets=total,
        requests=requests,
        prompt_tokens=round(prompt_total),
        completion_tokens=round(completion_total),
        usd_low=None if usd is None else usd * low,
        usd=usd,
        usd_high=None if usd is None else usd * high,
        note=note,
    )


def _sampled(
    workbench: Workbench, tx: Tx, project: Project, plan: Plan, predictor: Predictor, provider: Provider
) -> tuple[list[float], list[float], list[int], TokenFactor]:
    """Prompt tokens, expected answer tokens and number of requests of some assets; what was learned about counting."""
    ontology = guard.ontology(tx, project.id, project.ontology_version)
    lists = knowledge.lists_of(workbench, ontology)
    template = template_of(tx, project.id, plan.template_version)
    shown = examples_for(tx, project, ontology, plan.examples, None, provider)
    engine = predictor.engine
    assert isinstance(engine, PromptedModel)
    gauge = gauge_for(tx, workbench, project, provider, None, engine.model)
    asking = Prompts(ontology, template, shown, engine, gauge, context_of(provider), lists)
    sizes: list[float] = []
    answers: list[float] = []
    counts: list[int] = []
    seen = 0
    for asset in assets.get_many(tx, runs.choose_unpredicted(tx, project.id, _SAMPLE)).values():
        if seen > _SAMPLE_CHARACTERS:
            # Books: a few tell enough, and cutting thirty takes long.
            break
        seen += len(asset.text or "")
        asked = asking.requests(asset)
        counts.append(len(asked))
        sizes.append(sum(gauge.prompt_tokens(request) for request in asked))
        # The bound is several times what a good answer needs.
        answers.append(sum(request.max_tokens for request in asked) * _ANSWER_TOKENS_SHARE)
    return sizes, answers, counts, gauge.factor


def _relative_error(sizes: Sequence[float]) -> float:
    """Standard error of the mean over the mean."""
    n, mean = len(sizes), sum(sizes) / len(sizes)
    if n < 2 or mean == 0:
        return 0.0
    variance = sum((size - mean) ** 2 for size in sizes) / (n - 1)
    return math.sqrt(variance / n) / mean


def planned(workbench: Workbench, actor: Actor, project_id: int, batch_size: int | None, batches: int) -> int:
    """How many assets so many batches would hold at most."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
    return (batch_size or project.settings.batch_size) * batches
