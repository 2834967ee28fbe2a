"""Prompts, estimates, model runs and trials of a project."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from labelwright.core.predictor import Decoding, ExamplePolicy, Run
from labelwright.core.project import PromptTemplate
from labelwright.core.value import Value
from labelwright.flows import predict, prompts, trial
from labelwright.flows import reread as again
from labelwright.flows.prompts import Plan
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class NewTemplate(Value):
    """The wording of a prompt, see `PromptTemplate`."""

    name: str = Field(default="", max_length=200)
    system: str = Field(max_length=100_000)
    user: str = Field(max_length=100_000)


class PreviewWish(Value):
    """Which prompt to show: of an unsaved `template`, or of a stored version; for an asset, or for the next one.

    Of an asset that takes several requests, the one with number `part`; `provider_id` and `decoding` decide how it is cut.
    """

    asset_id: int | None = None
    template: NewTemplate | None = None
    template_version: int = Field(default=0, ge=0)
    examples: ExamplePolicy = ExamplePolicy()
    model: str = Field(default="", max_length=300)
    provider_id: int | None = None
    decoding: Decoding = Decoding()
    part: int = Field(default=0, ge=0)


class EstimateWish(Value):
    """What to estimate: everything unpredicted, or so many batches of so many assets."""

    plan: Plan
    batch_size: int | None = Field(default=None, ge=1, le=100_000)
    batches: int | None = Field(default=None, ge=1, le=1_000_000)


class NewRun(Value):
    """A wanted run.

    Attributes:
        batches: How many, one after another; null for all that is left.
        review_share: Each further batch waits until people have reviewed this share of the one before; null: at once.
    """

    plan: Plan
    batch_size: int | None = Field(default=None, ge=1, le=100_000)
    batches: int | None = Field(default=1, ge=1, le=1_000_000)
    cost_cap_usd: Decimal | None = Field(default=None, gt=0, max_digits=15, decimal_places=6)
    review_share: float | None = Field(default=None, gt=0, le=1)


class ResumeWish(Value):
    """Go on; with a new cap when given."""

    cost_cap_usd: Decimal | None = Field(default=None, gt=0, max_digits=15, decimal_places=6)


class NewTrials(Value):
    """Plans to try on the same assets."""

    plans: list[Plan] = Field(min_length=1, max_length=4)
    n: int = Field(default=20, ge=1, le=500)
    on: Literal["sample", "gold"] = "sample"


class Runs(Value):
    """A page of runs, newest first; `next` is the cursor of the following page."""

    rows: list[Run]
    next: int | None


class Reread(Value):
    """How many kept replies came out differently."""

    changed: int


@router.get("/projects/{project_id}/templates")
def list_templates(project_id: int, actor: SignedIn, bench: Bench) -> list[PromptTemplate]:
    """Versions of the prompt, newest first; version 0 is built in."""
    return prompts.list_templates(bench, actor, project_id)


@router.post("/projects/{project_id}/templates", status_code=201)
def add_template(project_id: int, actor: SignedIn, bench: Bench, body: NewTemplate) -> PromptTemplate:
    """Store the next version of the prompt."""
    return prompts.add_template(bench, actor, project_id, body.name, body.system, body.user)


@router.post("/projects/{project_id}/prompt-preview")
def prompt_preview(project_id: int, actor: SignedIn, bench: Bench, body: PreviewWish) -> prompts.Preview:
    """The exact prompt for an asset; nothing is sent."""
    unsaved = body.template
    return prompts.preview(
        bench, actor, project_id, asset_id=body.asset_id,
        template=None if unsaved is None else PromptTemplate(name=unsaved.name, system=unsaved.system, user=unsaved.user),
        template_version=body.template_version, examples=body.examples, model=body.model,
        decoding=body.decoding, provider_id=body.provider_id, part=body.part,
    )  # fmt: skip


@router.post("/projects/{project_id}/estimates")
def estimate_run(project_id: int, actor: SignedIn, bench: Bench, body: EstimateWish) -> prompts.Estimate:
    """What a run would take, before it starts."""
    limit = None
    if body.batches is not None:
        limit = prompts.planned(bench, actor, project_id, body.batch_size, body.batches)
    return prompts.estimate(bench, actor, project_id, body.plan, limit)


@router.get("/projects/{project_id}/runs")
def list_runs(
    project_id: int, actor: SignedIn, bench: Bench, after: int | None = None,
    kind: Literal["batch", "trial"] | None = None,
) -> Runs:  # fmt: skip
    """Runs, newest first."""
    rows = predict.list_runs(bench, actor, project_id, kind, after)
    return Runs(rows=rows, next=rows[-1].id if len(rows) == 50 else None)


@router.post("/projects/{project_id}/runs", status_code=201)
def start_run(project_id: int, actor: SignedIn, bench: Bench, body: NewRun) -> Run:
    """Start a run over the next unpredicted assets; the first one of the series."""
    return predict.start_run(
        bench, actor, project_id, body.plan, batch_size=body.batch_size, batches=body.batches,
        cost_cap_usd=body.cost_cap_usd, review_share=body.review_share,
    )  # fmt: skip


@router.get("/projects/{project_id}/runs/{run_id}")
def view_run(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> predict.RunView:
    """One run with some of its failures and its examples."""
    return predict.view_run(bench, actor, project_id, run_id)


@router.get("/projects/{project_id}/runs/{run_id}/examples")
def examples_shown(
    project_id: int, run_id: int, asset_id: int, actor: SignedIn, bench: Bench
) -> list[prompts.ShownExample]:
    """The examples that were shown with one asset: which, whose, from when."""
    return predict.examples_shown(bench, actor, project_id, run_id, asset_id)


@router.post("/projects/{project_id}/runs/{run_id}/go-on")
def go_on(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> Run:
    """Start the next batch now, without waiting for the rest of the review."""
    return predict.go_on(bench, actor, project_id, run_id)


@router.post("/projects/{project_id}/runs/{run_id}/end-series")
def end_series(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> Run:
    """Let no further batch follow."""
    return predict.end_series(bench, actor, project_id, run_id)


@router.post("/projects/{project_id}/runs/{run_id}/pause")
def pause_run(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> Run:
    """Stop asking; what is in flight is still taken in."""
    return predict.pause_run(bench, actor, project_id, run_id)


@router.post("/projects/{project_id}/runs/{run_id}/resume")
def resume_run(
    project_id: int, run_id: int, actor: SignedIn, bench: Bench, body: ResumeWish | None = None
) -> Run:
    """Go on with a paused run; what is done is not asked again."""
    cap = body.cost_cap_usd if body is not None else None
    return predict.resume_run(bench, actor, project_id, run_id, cap)


@router.post("/projects/{project_id}/runs/{run_id}/cancel")
def cancel_run(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> Run:
    """End a run; its predictions stay."""
    return predict.cancel_run(bench, actor, project_id, run_id)


@router.post("/projects/{project_id}/runs/{run_id}/retry-failed")
def retry_failed(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> Run:
    """Ask again about the assets that failed."""
    return predict.retry_failed(bench, actor, project_id, run_id)


@router.post("/projects/{project_id}/runs/{run_id}/reread")
def reread(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> Reread:
    """Read the kept replies of an ended run again, without asking."""
    return Reread(changed=again.reread(bench, actor, project_id, run_id))


@router.post("/projects/{project_id}/trials", status_code=201)
def start_trials(project_id: int, actor: SignedIn, bench: Bench, body: NewTrials) -> list[Run]:
    """Try plans on the same few assets; the queue is left alone."""
    return predict.start_trials(bench, actor, project_id, body.plans, body.n, body.on)


@router.get("/projects/{project_id}/trials/{run_id}")
def view_trial(project_id: int, run_id: int, actor: SignedIn, bench: Bench) -> trial.Trial:
    """What a trial came to, beside the truth where it is known."""
    return trial.view_trial(bench, actor, project_id, run_id)
