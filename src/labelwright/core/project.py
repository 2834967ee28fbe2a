"""A project: one body of work, its settings, and who may do what in it (roles are in `access`)."""

from datetime import datetime
from typing import Literal

from pydantic import Field, computed_field

from labelwright.core.price import Price
from labelwright.core.value import Name, Probability, Value

Modality = Literal["text", "image", "video"]


class ProjectSettings(Value):
    """What a manager can set.

    Attributes:
        people_per_asset: How many people label each asset.
        order: How the queue is ordered. `uncertain`: least confident first, with audits mixed in; `random`; `arrival`.
        audit_share: Share of takes drawn at random as checks: in turn from the confident assets, so that they are not
            neglected, and from all that a model answered, so that figures hold for all.
        audit_accepted: Share of accepted assets that is handed out all the same, to keep watch.
        revert_when_broken: Put accepted assets back into the queue as soon as audits no longer show what was promised.
        lease_s: How long an asset stays reserved for the person who took it, in seconds.
        private: Refuse every provider that is neither on this machine nor in `allowed_hosts`.
        allowed_hosts: Host names a private project may still reach.
        auto_submit: A single choice submits at once.
        learn_every: Retrain the local models after this many new submissions; 0 turns them off.
        batch_size: Assets per batch of a model run.
        idle_after_s: A pause longer than this does not count as active time.
        no_suggestion_share: Share of takes, drawn at random, that show no suggestion, so that its help can be measured.
        person_usd_per_hour: What an hour of a person's work costs; None when unknown (their cost is then not counted).
    """

    people_per_asset: int = Field(default=1, ge=1, le=20)
    order: Literal["uncertain", "random", "arrival"] = "uncertain"
    audit_share: Probability = 0.1
    audit_accepted: Probability = 0.05
    revert_when_broken: bool = False
    lease_s: int = Field(default=900, ge=10, le=86_400)
    private: bool = False
    allowed_hosts: tuple[str, ...] = ()
    auto_submit: bool = False
    learn_every: int = Field(default=10, ge=0, le=100_000)
    batch_size: int = Field(default=100, ge=1, le=100_000)
    idle_after_s: int = Field(default=15, ge=1, le=3_600)
    no_suggestion_share: float = Field(default=0.0, ge=0, le=0.5, allow_inf_nan=False)
    person_usd_per_hour: float | None = Field(default=None, ge=0, le=10_000, allow_inf_nan=False)


class Project(Value):
    """One body of work."""

    id: int
    name: Name
    description: str = Field(default="", max_length=10_000)
    modality: Modality = "text"
    ontology_version: int
    settings: ProjectSettings = ProjectSettings()
    created_at: datetime


class Provider(Value):
    """An endpoint that models answer at. The key is never part of this value: it is write-only.

    Attributes:
        kind: `openai` speaks the OpenAI chat protocol (OpenAI, vLLM, Ollama, llama.cpp server, LM Studio, gateways).
        base_url: Up to and including `/v1`. The key is bound to it: changing it clears the key.
        has_key: Whether a key is stored.
        key_env: Name of an environment variable that holds the key, instead of a stored one.
        models: Model names offered to the user.
        prices: What its models cost; the cost of a model without a row is unknown, not zero.
        requests_per_min: Most requests sent in a minute by one process; None for no limit of ours.
        tokens_per_min: Most tokens, prompt and answer together, likewise.
        hedge: Ask a second time when an answer takes longer than 19 of 20 do; the first one counts, both are billed.
        capabilities: What a probe found; None before the first probe.
    """

    id: int
    name: Name
    kind: Literal["openai"] = "openai"
    base_url: str
    has_key: bool = False
    key_env: str = ""
    models: tuple[str, ...] = ()
    prices: tuple[Price, ...] = ()
    concurrency: int = Field(default=8, ge=1, le=512)
    requests_per_min: int | None = Field(default=None, ge=1, le=10_000_000)
    tokens_per_min: int | None = Field(default=None, ge=1, le=10_000_000_000)
    hedge: bool = False
    timeout_s: float = Field(default=120.0, gt=0, le=3_600)
    capabilities: "Capabilities | None" = None

    @property
    def price_of_any(self) -> Price | None:
        """The undated row `*`: what models without a row of their own cost."""
        return next((price for price in self.prices if price.model == "*" and price.valid_from is None), None)

    @computed_field(description="USD per million prompt tokens of the row `*`; null when there is none")  # type: ignore[prop-decorator]
    @property
    def input_usd_per_mtok(self) -> float | None:
        """Of the row `*`."""
        return None if self.price_of_any is None else self.price_of_any.input_usd_per_mtok

    @computed_field(description="USD per million answer tokens of the row `*`; null when there is none")  # type: ignore[prop-decorator]
    @property
    def output_usd_per_mtok(self) -> float | None:
        """Of the row `*`."""
        return None if self.price_of_any is None else self.price_of_any.output_usd_per_mtok


class Capabilities(Value):
    """What an endpoint was seen to do with one tiny request each.

    Attributes:
        tokenizer: In which way it counts tokens for us; empty when it does not.
    """

    structured: Literal["json_schema", "json_object", "none"] = "none"
    logprobs: bool = False
    top_logprobs_max: int = 0
    models: tuple[str, ...] = ()
    context_tokens: int | None = None
    batches: bool = False
    tokenizer: Literal["", "llama.cpp", "vllm"] = ""
    checked_at: datetime


class TokenFactor(Value):
    """How a model's own token counts compare with the estimate, learned from what its endpoint reported.

    Attributes:
        mean: True count over estimate, exponentially averaged.
        spread: Mean absolute deviation from it.
        n: Answers it was learned from.
    """

    mean: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    spread: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    n: int = 0

    @property
    def safe(self) -> float:
        """A factor that is rarely too low."""
        return self.mean + 2 * self.spread


class PromptTemplate(Value):
    """A version of the prompt of a project; plain named substitution only.

    Attributes:
        version: 1, 2, ... within the project; 0 for the built-in default.
        system: The constant part. Fields: {role} {guideline} {questions} {format}.
        user: One asset. Fields: {text} {fields} (the fence around the text is added by `ask`).
    """

    version: int = 0
    name: str = Field(default="", max_length=200)
    system: str = Field(max_length=100_000)
    user: str = Field(max_length=100_000)
    created_at: datetime | None = None
