"""Model runs: start, watch, pause, resume, cancel, ask again about what failed, read again.

Hides the life of a run. A run belongs to at most one job at a time; a series goes batch by batch in one job, and each
batch is made when the one before it has ended, so that its examples are the newest corrections.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.errors import Conflict, Invalid, NotFound
from labelwright.core.predictor import How, PromptedModel, Run
from labelwright.core.project import Project, Provider
from labelwright.core.value import Value
from labelwright.flows import guard, models, prompts, series
from labelwright.flows.prompts import Plan, ShownExample
from labelwright.store import history, jobs, remote, spending
from labelwright.store import provider as providers
from labelwright.store import run as runs
from labelwright.store.db import Tx, lock_project
from labelwright.store.remote import RemoteBatch
from labelwright.workbench import Workbench


class FailedAsset(Value):
    """An asset of a run that has no prediction."""

    asset_id: int
    message: str


class RunView(Value):
    """A run with what a person wants to look into.

    Attributes:
        confirmed: Assets whose prediction a person submitted unchanged.
        usd_per_confirmed: Cost of the run over these; None while there is none, or the cost is unknown.
        remote: What lies at the provider's batch API, or did last.
        left_out: Of a detector's run: class -> objects that have no label here.
    """

    run: Run
    failures_sample: dict[str, tuple[FailedAsset, ...]]
    examples: tuple[ShownExample, ...]
    plan: Plan | None = None
    confirmed: int = 0
    usd_per_confirmed: Decimal | None = None
    remote: RemoteBatch | None = None
    left_out: dict[str, int] = Field(default_factory=dict)


# --- start ----------------------------------------------------------------------------------------------------------


def start_run(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    plan: Plan,
    *,
    batch_size: int | None = None,
    batches: int | None = 1,
    cost_cap_usd: Decimal | None = None,
    how: How = "now",
    use_cache: bool = True,
    review_share: float | None = None,
) -> Run:
    """Queue a run over the next unpredicted assets; returns the first run of the series.

    Args:
        workbench: The windows to the world.
        actor: Who starts it.
        project_id: Where.
        plan: Model, prompt, examples, decoding.
        batch_size: Assets per batch; the project's setting when None.
        batches: How many batches one after another; None for all that is left.
        cost_cap_usd: The series pauses before it would pass this.
        how: At once, or through the provider's batch API.
        use_cache: Take replies from the cache of this installation where it has them.
        review_share: Each further batch waits until people have reviewed this share of the one before it, so that its
            examples are their corrections; None to go on at once.

    Raises:
        Conflict: Everything has been predicted.
        Invalid: A cap for a provider without prices, or a size out of range.
        PrivacyRefused: The project does not allow the endpoint.
    """
    if batches is not None and batches < 1:
        raise Invalid("bad_batches", "a run has at least one batch")
    if batch_size is not None and not 1 <= batch_size <= 100_000:
        raise Invalid("bad_batch_size", "a batch has 1 to 100,000 assets")
    if review_share is not None and not 0 < review_share <= 1:
        raise Invalid("bad_share", "the share to review is above 0 and at most 1")
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        _check_cap(tx, workbench, project, plan, cost_cap_usd)
        if plan.ontology_version not in (None, project.ontology_version):
            raise Invalid(
                "old_questions",
                "a batch is asked the current questions",
                "older ones can be compared on gold",
            )
        options = {
            "plan": plan.model_dump(mode="json"),
            "batch_size": batch_size or project.settings.batch_size,
            "batches_left": None if batches is None else batches - 1,
            "how": how,
            "use_cache": use_cache,
            "review_share": review_share,
        }
        run_id = _add_batch(tx, workbench, project, plan, options, cost_cap_usd, actor.user_id)
        if run_id is None:
            raise Conflict(
                "nothing_left",
                "every asset that is still open has been covered by a run",
                "import more assets",
            )
        queue_job(tx, workbench, project_id, [run_id], actor.user_id)
        history.record(
            tx, workbench.now(), "run_created", project_id=project_id, user_id=actor.user_id,
            body={"run": run_id, "model": plan.model},
        )  # fmt: skip
        return _run(tx, project_id, run_id)


def _check_cap(tx: Tx, workbench: Workbench, project: Project, plan: Plan, cap: Decimal | None) -> None:
    _, provider = prompts.predictor_of(tx, project, plan)
    if cap is None:
        return
    if not cap.is_finite() or cap <= 0:
        raise Invalid("bad_cap", "the cost cap is an amount above 0")
    if models.price(provider, plan.model, workbench) is None:
        raise Invalid(
            "no_price", f"the price of {plan.model!r} at {provider.name!r} is not set, so a cost cap cannot be kept",
            "enter it in the price table of the provider, or start without a cap",
        )  # fmt: skip


def _add_batch(
    tx: Tx,
    workbench: Workbench,
    project: Project,
    plan: Plan,
    options: dict[str, Any],
    cap: Decimal | None,
    user_id: int | None,
) -> int | None:
    """Make a run over the next unpredicted assets; None when there are none."""
    lock_project(tx, project.id, "batch")
    chosen = runs.choose_unpredicted(tx, project.id, int(options["batch_size"]))
    if not chosen:
        return None
    batch = runs.next_batch(tx, project.id)
    predictor, provider = prompts.predictor_of(tx, project, plan)
    priced = models.price(provider, plan.model, workbench) is not None
    runs.set_batch(tx, chosen, batch)
    return runs.add(
        tx, project.id, "batch", batch, predictor, chosen,
        cost_cap_usd=cap, cost_known=priced, options=options, user_id=user_id, at=workbench.now(),
    )  # fmt: skip


def start_trials(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    plans: Sequence[Plan],
    n: int = 20,
    on: Literal["sample", "gold"] = "sample",
) -> list[Run]:
    """Try up to four plans on the same few assets; the queue is left alone.

    Raises:
        Invalid: No plan or too many, or a sample out of range.
        Conflict: There is nothing to try it on.
        PrivacyRefused: The project does not allow an endpoint.
    """
    if not 1 <= len(plans) <= 4:
        raise Invalid("bad_plans", "a trial compares one to four plans")
    if not 1 <= n <= 500:
        raise Invalid("bad_sample", "a trial has 1 to 500 assets")
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        chosen = runs.sample(tx, project_id, n, gold=on == "gold")
        if not chosen:
            raise Conflict(
                "nothing_to_try", "there are no such assets yet", "import some, or mark some as gold"
            )
        ids = add_trials(tx, workbench, project, plans, chosen, {"on": on}, actor)
        return [_run(tx, project_id, run_id) for run_id in ids]


def add_trials(
    tx: Tx,
    workbench: Workbench,
    project: Project,
    plans: Sequence[Plan],
    asset_ids: Sequence[int],
    options: dict[str, Any],
    actor: Actor,
    cost_cap_usd: Decimal | None = None,
) -> list[int]:
    """Queue a trial run of each plan over the same assets, in one job; returns their ids. The caller guards."""
    ids = []
    for plan in plans:
        _check_cap(tx, workbench, project, plan, cost_cap_usd)
        predictor, provider = prompts.predictor_of(tx, project, plan)
        priced = models.price(provider, plan.model, workbench) is not None
        ids.append(
            runs.add(
                tx, project.id, "trial", None, predictor, asset_ids, cost_cap_usd=cost_cap_usd, cost_known=priced,
                options={"plan": plan.model_dump(mode="json")} | options, user_id=actor.user_id, at=workbench.now(),
            )
        )  # fmt: skip
    queue_job(tx, workbench, project.id, ids, actor.user_id)
    return ids


def queue_job(tx: Tx, workbench: Workbench, project_id: int, run_ids: list[int], user_id: int | None) -> None:
    """Queue a job that carries out these runs."""
    job_id = jobs.add(tx, "predict", project_id, {"run_ids": run_ids}, user_id, workbench.now())
    for run_id in run_ids:
        runs.change(tx, run_id, job_id=job_id)


# --- watch ----------------------------------------------------------------------------------------------------------


def list_runs(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    kind: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Run]:
    """Runs of a project, newest first."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        return runs.of_project(tx, project_id, now=workbench.now(), kind=kind, before=before, limit=limit)


def view_run(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> RunView:
    """One run with some of its failures and its examples.

    Raises:
        NotFound: The project has no such run.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        row = runs.get(tx, project_id, run_id, now=workbench.now())
        if row is None:
            raise _no_run(project_id, run_id)
        sample = runs.failures_sample(tx, run_id)
        shown = prompts.sources_of(tx, project_id, row.run.example_ids[:100])
        confirmed = spending.confirmed(tx, run_id)
        lying = remote.newest(tx, run_id)
    cost = row.run.cost_usd
    return RunView(
        run=row.run,
        failures_sample={
            cause: tuple(FailedAsset(asset_id=asset_id, message=message) for asset_id, message in some)
            for cause, some in sample.items()
        },
        examples=tuple(shown),
        plan=Plan.model_validate(row.options["plan"]) if "plan" in row.options else None,
        confirmed=confirmed,
        usd_per_confirmed=cost / confirmed if cost is not None and confirmed else None,
        remote=lying,
        left_out=row.options.get("left_out", {}),
    )


def examples_shown(
    workbench: Workbench, actor: Actor, project_id: int, run_id: int, asset_id: int
) -> list[ShownExample]:
    """The examples that a run showed with one asset, where they are chosen for each text too.

    Raises:
        NotFound: The project has no such run or asset.
    """
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        row = runs.get(tx, project_id, run_id)
        if row is None or not isinstance(row.run.predictor.engine, PromptedModel):
            raise _no_run(project_id, run_id)
        asset = guard.asset(tx, project_id, asset_id)
        engine, run = row.run.predictor.engine, row.run
        provider = providers.get(tx, engine.provider_id) or Provider(id=0, name="removed", base_url="")
        shown = prompts.examples_again(
            tx, project, guard.ontology(tx, project_id, run.predictor.ontology_version), engine.examples, run.batch,
            provider, run.example_ids, run.examples_note,
        )  # fmt: skip
        ids = [c.annotation_id for c in shown.picked(asset_id, asset.text or "")]
        return prompts.sources_of(tx, project_id, ids)


# --- steer ----------------------------------------------------------------------------------------------------------


def pause_run(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> Run:
    """Stop asking; what is in flight is still taken in.

    Raises:
        Conflict: It is not running.
    """
    with workbench.store.write() as tx:
        steered(tx, actor, project_id, run_id, ("queued", "running"), "pause")
        reason = f"paused by {actor.display_name or actor.name}"
        _set_state(tx, workbench, project_id, run_id, "paused", reason, actor.user_id)
        return _run(tx, project_id, run_id)


def resume_run(
    workbench: Workbench, actor: Actor, project_id: int, run_id: int, cost_cap_usd: Decimal | None = None
) -> Run:
    """Go on with a paused run; what is done is not asked again.

    Args:
        workbench: The windows to the world.
        actor: Who resumes it.
        project_id: Where.
        run_id: Which.
        cost_cap_usd: A new cap, when given.

    Raises:
        Conflict: It is not paused.
    """
    with workbench.store.write() as tx:
        row = steered(tx, actor, project_id, run_id, ("paused", "queued", "running"), "resume")
        if row.run.state != "paused" and _has_live_job(tx, row):
            raise Conflict("wrong_state", f"run {run_id} is {row.run.state} already")
        if cost_cap_usd is not None:
            if not cost_cap_usd.is_finite() or cost_cap_usd <= 0 or row.run.cost_usd is None:
                raise Invalid(
                    "bad_cap", "the cost cap is an amount above 0, for a provider whose prices are set"
                )
            runs.change(tx, run_id, cost_cap_usd=cost_cap_usd)
        _go_on(tx, workbench, project_id, row, actor.user_id)
        return _run(tx, project_id, run_id)


def cancel_run(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> Run:
    """End a run; its predictions stay, assets it did not reach may be covered by another run.

    One that lies at a provider's batch API ends when the provider has cancelled the batch and what it answered before
    is taken in: that is billed all the same.

    Raises:
        Conflict: It has ended.
    """
    with workbench.store.write() as tx:
        row = steered(tx, actor, project_id, run_id, ("queued", "running", "paused"), "cancel")
        reason = f"cancelled by {actor.display_name or actor.name}"
        lying = remote.newest(tx, run_id, only_open=True)
        if lying is not None and not lying.cancel_wanted:
            remote.change(tx, lying.id, cancel_wanted=True)
            _go_on(tx, workbench, project_id, row, actor.user_id)
            runs.change(tx, run_id, stop_reason=f"{reason}; waiting for the provider to stop")
        else:
            _cancel(tx, workbench, row.run, actor.user_id, reason)
        return _run(tx, project_id, run_id)


def _cancel(tx: Tx, workbench: Workbench, run: Run, user_id: int | None, reason: str) -> None:
    runs.change(tx, run.id, finished_at=workbench.now())
    _set_state(tx, workbench, run.project_id, run.id, "cancelled", reason, user_id)
    if run.kind == "batch":
        runs.set_batch(tx, runs.asset_ids(tx, run.id, "pending", "asked"), None)


def go_on(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> Run:
    """Start the next batch of a series now, without waiting for the rest of the review.

    Raises:
        Conflict: Nothing waits.
    """
    with workbench.store.write() as tx:
        row = steered(tx, actor, project_id, run_id, ("done",), "go on with")
        _check_waits(row)
        series.queue_next(tx, workbench, project_id, row, actor.user_id)
        return _run(tx, project_id, run_id, workbench.now())


def end_series(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> Run:
    """Let no further batch follow this run.

    Raises:
        Conflict: Nothing waits.
    """
    with workbench.store.write() as tx:
        row = steered(tx, actor, project_id, run_id, ("queued", "running", "paused", "done"), "end")
        _check_waits(row)
        runs.change(tx, run_id, options=row.options | {"batches_left": 0})
        history.record(
            tx, workbench.now(), "run_state", project_id=project_id, user_id=actor.user_id,
            body={"run": run_id, "state": row.run.state, "reason": "no further batch"},
        )  # fmt: skip
        return _run(tx, project_id, run_id, workbench.now())


def _check_waits(row: runs.RunRow) -> None:
    if not series.waits(row):
        raise Conflict("nothing_waits", f"no further batch waits for a review of run {row.run.id}")


def retry_failed(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> Run:
    """Ask again about the assets that failed.

    Raises:
        Conflict: It is running, or nothing failed.
    """
    with workbench.store.write() as tx:
        row = steered(tx, actor, project_id, run_id, ("done", "failed", "paused"), "retry")
        if runs.reopen(tx, run_id) == 0:
            raise Conflict("nothing_failed", "no asset of this run failed")
        runs.change(tx, run_id, finished_at=None)
        _go_on(tx, workbench, project_id, row, actor.user_id)
        return _run(tx, project_id, run_id)


def _go_on(tx: Tx, workbench: Workbench, project_id: int, row: runs.RunRow, user_id: int) -> None:
    _set_state(tx, workbench, project_id, row.run.id, "queued", "", user_id)
    if _has_live_job(tx, row):
        # The job that is about to leave it sees the new state and stays; one that sleeps wakes up.
        assert row.job_id is not None
        jobs.change(tx, row.job_id, wake_at=None)
    else:
        queue_job(tx, workbench, project_id, [row.run.id], user_id)


def _has_live_job(tx: Tx, row: runs.RunRow) -> bool:
    job = jobs.get(tx, row.job_id) if row.job_id is not None else None
    return job is not None and job.state in ("queued", "running")


def steered(
    tx: Tx, actor: Actor, project_id: int, run_id: int, states: tuple[str, ...], what: str
) -> runs.RunRow:
    """The run, locked, if the actor may steer it and it is in one of these states.

    Raises:
        NotFound: The project has no such run.
        Conflict: It is in another state.
    """
    guard.project(tx, actor, project_id, "run_models")
    row = runs.get(tx, project_id, run_id, lock=True)
    if row is None:
        raise _no_run(project_id, run_id)
    if row.run.state not in states:
        raise Conflict("wrong_state", f"run {run_id} is {row.run.state}, so there is nothing to {what}")
    return row


def _set_state(
    tx: Tx, workbench: Workbench, project_id: int, run_id: int, state: str, reason: str, user_id: int | None
) -> None:
    runs.change(tx, run_id, state=state, stop_reason=reason)
    history.record(
        tx, workbench.now(), "run_state", project_id=project_id, user_id=user_id,
        body={"run": run_id, "state": state, "reason": reason[:300]},
    )  # fmt: skip


def _run(tx: Tx, project_id: int, run_id: int, now: datetime | None = None) -> Run:
    row = runs.get(tx, project_id, run_id, now=now)
    if row is None:
        raise _no_run(project_id, run_id)
    return row.run


def _no_run(project_id: int, run_id: int) -> NotFound:
    return NotFound("no_run", f"project {project_id} has no run {run_id}")
