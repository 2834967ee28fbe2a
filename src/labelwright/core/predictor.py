"""Predictor, run and prediction: who answered for the machine, over what, and what it said.

A predictor is identified by the hash of its content, so that every prediction can be traced to exactly one model,
prompt, ontology and way of choosing examples.
"""

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from labelwright.core.answer import Answers
from labelwright.core.problem import Problem
from labelwright.core.value import Probability, Value


class ExamplePolicy(Value):
    """How corrections become few-shot examples.

    Attributes:
        kind: `none` (zero-shot), `per_label` (k per category by seeded random sampling), `nearest` (most similar texts),
            `nearest_per_label` (the most similar of each category), `mmr` (similar to the text, not to each other).
        k: Examples per label, or in total for `nearest` and `mmr`.
        seed: Same seed and same corrections, same examples.
    """

    kind: Literal["none", "per_label", "nearest", "nearest_per_label", "mmr"] = "none"
    k: int = Field(default=1, ge=1, le=50)
    seed: int = 0


Scoring = Literal["auto", "logprobs", "verbal", "self_consistency", "seed_top5", "none"]
"""Where confidence comes from.

`auto`: token log-probabilities where the endpoint gives them, else no number. `logprobs`: the same, and a reply without
them is reported. `verbal`: what the model says about itself, 0 to 100. `self_consistency`: the share of several samples
that agree. `seed_top5`: product of the first five tokens' probabilities, for comparison. `none`: no confidence.
"""


class Decoding(Value):
    """How an asset is asked about and how the answer is generated.

    Attributes:
        confidence: Where confidence comes from.
        samples: Answers per question for `self_consistency`; each is asked and paid for.
        questions: All questions in one request, or each in its own (with what it depends on).
        chunk_tokens: Longest piece of a text in one request; None for what fits the model's context.
        overlap: Share of a piece that is repeated in the next one, where mentions are marked.
    """

    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)
    top_logprobs: int = Field(default=5, ge=0, le=20)
    seed: int | None = 0
    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    confidence: Scoring = "auto"
    samples: int = Field(default=5, ge=2, le=20)
    questions: Literal["together", "each"] = "together"
    chunk_tokens: int | None = Field(default=None, ge=64, le=1_000_000)
    overlap: float = Field(default=0.12, ge=0.0, le=0.5)


class PromptedModel(Value):
    """A language model behind a provider, with its prompt."""

    kind: Literal["prompted"] = "prompted"
    provider_id: int
    provider_url: str
    model: str = Field(min_length=1, max_length=300)
    template_version: int = 0
    template_sha256: str = ""
    examples: ExamplePolicy = ExamplePolicy()
    decoding: Decoding = Decoding()


class LocalModel(Value):
    """A small model trained here from the annotations made so far."""

    kind: Literal["local"] = "local"
    model_sha256: str
    trained_on: int
    training_version: int = 1


class DetectorModel(Value):
    """A network trained elsewhere, with the description of how it is used.

    Attributes:
        name: What it was called when it was added.
        spec_sha256: Of the description.
        question: The one it answers.
    """

    kind: Literal["detector"] = "detector"
    detector_id: int
    name: str
    model_sha256: str
    spec_sha256: str
    question: str


class SegmenterModel(Value):
    """A promptable segmenter that marks objects by itself.

    Attributes:
        task: `everything`: a grid of points over each image. `boxes`: the boxes of `source` become masks.
        segmenter_id: 0 for the one without weights.
        model_sha256: Of its encoder and decoder together; empty without weights.
        question: The region question it answers.
        label: Label id of what is found by `everything`; empty for the first one.
        source: Region question the boxes are taken from; may be the same as `question`.
        settings: Numbers of the task: points per side, least score, least area...
    """

    kind: Literal["segmenter"] = "segmenter"
    segmenter_id: int
    name: str
    model_sha256: str = ""
    task: Literal["everything", "boxes"]
    question: str
    label: str = ""
    source: str = ""
    settings: dict[str, float] = Field(default_factory=dict)


class ImportedModel(Value):
    """Predictions that came along with an import."""

    kind: Literal["imported"] = "imported"
    name: str


class Predictor(Value):
    """Everything that decides what a model answers."""

    engine: Annotated[
        PromptedModel | LocalModel | DetectorModel | SegmenterModel | ImportedModel,
        Field(discriminator="kind"),
    ]
    ontology_version: int

    @property
    def sha256(self) -> str:
        """Identity: hash of the canonical JSON."""
        body = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()

    @property
    def title(self) -> str:
        """A short name for lists."""
        match self.engine:
            case PromptedModel(model=model, examples=examples):
                return f"{model} ({'zero-shot' if examples.kind == 'none' else 'few-shot'})"
            case LocalModel(trained_on=n):
                return f"local model ({n} labels)"
            case DetectorModel(name=name) | SegmenterModel(name=name) | ImportedModel(name=name):
                return name


class Confidence(Value):
    """How sure a model was of its answer to one question.

    Attributes:
        value: In [0, 1], or None where nothing supports a number: never invented.
        scorer: How it was computed: `label_trie`, `token_product`, `span_min`, `relation_min`, `classifier`, `tagger`,
            `verbal`, `self_consistency`, `seed_top5`, `detector`, `given`; with `+parts` where several pieces of a text were put
            together.
        distribution: Label id -> probability, where known.
        low: A lower bound that assumes the worst for unseen tokens.
        mass: How much probability the model gave to any valid label at the deciding token.
    """

    value: Probability | None = None
    scorer: str = ""
    distribution: dict[str, float] | None = None
    low: Probability | None = None
    mass: Probability | None = None


class PieceSaid(Value):
    """What one piece of a long text said: the evidence behind an answer about the whole.

    Attributes:
        start: Of the piece, in code points of the whole text.
        answers: Without marked things: they show where they are.
        confidence: Question -> confidence of this piece's answer.
        mentions: How many spans were marked in it.
    """

    start: int
    end: int
    answers: Answers = Field(default_factory=Answers)
    confidence: dict[str, float] = Field(default_factory=dict)
    mentions: int = 0


class Reading(Value):
    """What a reply came to: answers, confidence per question, and everything refused.

    Attributes:
        pieces: What each piece of the text said, where it was asked in several; empty otherwise.
    """

    answers: Answers
    confidence: dict[str, Confidence] = Field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    pieces: tuple[PieceSaid, ...] = ()

    @property
    def lowest(self) -> float | None:
        """The confidence that orders the queue: the lowest over the questions; None when none has one."""
        values = [c.value for c in self.confidence.values() if c.value is not None]
        return min(values, default=None)


class Prediction(Value):
    """A model's answers for an asset; immutable."""

    id: int
    asset_id: int
    run_id: int | None
    predictor_sha256: str
    predictor_title: str = ""
    ontology_version: int
    answers: Answers
    confidence: dict[str, Confidence] = Field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    pieces: tuple[PieceSaid, ...] = ()
    created_at: datetime


RunState = Literal["queued", "running", "paused", "done", "cancelled", "failed"]
"""`failed` always comes with `stop_reason`; `paused` by a person, by the cost cap, or by a provider that stopped."""


How = Literal["now", "batch"]
"""`now`: answers as fast as the endpoint gives them; `batch`: through the provider's batch API, cheaper, within 24 h."""


class NextBatch(Value):
    """The batch that follows a run once people have reviewed this one.

    Attributes:
        review_share: Share of this batch that has to be reviewed (or set aside).
        left: How many assets that still are.
        batches_left: Batches that follow in all; None for as many as there are.
        starting: Everything is reviewed and the next batch is on its way.
    """

    review_share: float
    left: int
    batches_left: int | None
    starting: bool = False


class Run(Value):
    """One predictor over one batch; resumable.

    Attributes:
        kind: `batch` fills the queue; `trial` is a sample in the prompt studio that leaves the queue alone.
        failures: Failed assets by cause.
        how: Asked at once, or through the provider's batch API.
        use_cache: Whether replies of this installation's cache count.
        cached_tokens: Prompt tokens the provider had in its cache, part of `prompt_tokens`.
        reasoning_tokens: Part of `completion_tokens`.
        from_cache: Replies taken from this installation's cache; they cost nothing.
        cost_usd: Sum over every attempt, failed ones too; None when the price is unknown.
        cost_cap_usd: The run pauses before it would pass this.
        rate_per_s: Finished assets per second over the recent past; None before there is one.
        example_ids: Annotations shown as few-shot examples.
        examples_note: Why there are fewer or no examples, when there are.
        next_batch: What it waits for before the next batch of its series; None when nothing is to follow a review.
    """

    id: int
    project_id: int
    kind: Literal["batch", "trial"] = "batch"
    batch: int | None
    predictor: Predictor
    state: RunState
    stop_reason: str = ""
    total: int
    done: int = 0
    failed: int = 0
    retried: int = 0
    failures: dict[str, int] = Field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    from_cache: int = 0
    how: How = "now"
    use_cache: bool = True
    cost_usd: Decimal | None = None
    cost_cap_usd: Decimal | None = None
    rate_per_s: float | None = None
    eta_s: float | None = None
    latency_p50_s: float | None = None
    example_ids: tuple[str, ...] = ()
    examples_note: str = ""
    next_batch: NextBatch | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
