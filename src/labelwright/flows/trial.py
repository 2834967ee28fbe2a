"""What a trial of a plan came to: each asset's answer beside the truth where it is known, and the sums."""

from decimal import Decimal

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.compare import changed_questions
from labelwright.core.errors import NotFound
from labelwright.core.predictor import Prediction, Run
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import asset as assets
from labelwright.store import run as runs
from labelwright.store import work
from labelwright.store.db import Tx
from labelwright.workbench import Workbench


class TrialRow(Value):
    """One asset of a trial.

    Attributes:
        truth: Gold answers, else those of the newest submission that counts; None when nobody knows.
        right: Question -> whether the model's answer means the same as the truth.
        failure: Why there is no prediction, when there is none.
    """

    asset_id: int
    external_id: str | None
    text: str
    state: str
    prediction: Prediction | None
    failure: str = ""
    message: str = ""
    cost_usd: Decimal | None = None
    latency_s: float | None = None
    truth: Answers | None = None
    right: dict[str, bool] = Field(default_factory=dict)


class TrialSummary(Value):
    """Sums over a trial.

    Attributes:
        compared: Question -> assets whose truth is known and that were answered or failed.
        right: Question -> how many of them were right; a failed asset is wrong.
        mean_confidence: Over the answered assets with a confidence, lowest question each.
    """

    done: int
    failed: int
    compared: dict[str, int]
    right: dict[str, int]
    mean_confidence: float | None
    cost_usd: Decimal | None
    latency_p50_s: float | None


class Trial(Value):
    """A trial run with its rows."""

    run: Run
    rows: tuple[TrialRow, ...]
    summary: TrialSummary


def view_trial(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> Trial:
    """The rows of a trial (or the first 500 of any run) with what is known to be right.

    Raises:
        NotFound: The project has no such run.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "run_models")
        row = runs.get(tx, project_id, run_id, now=workbench.now())
        if row is None:
            raise NotFound("no_run", f"project {project_id} has no run {run_id}")
        ontology = guard.ontology(tx, project_id, row.run.predictor.ontology_version)
        ended = runs.outcomes(tx, run_id, 0, 500)
        ids = [outcome.asset_id for outcome, _ in ended]
        found = assets.get_many(tx, ids)
        predicted = work.predictions(tx, [o.prediction_id for o, _ in ended if o.prediction_id is not None])
        truths = _truths(tx, ids)
    rows: list[TrialRow] = []
    asked = [question.id for question in ontology.active_questions]
    for outcome, state in ended:
        prediction = predicted.get(outcome.prediction_id or 0)
        truth = truths.get(outcome.asset_id)
        right: dict[str, bool] = {}
        if truth is not None and state in ("done", "failed"):
            said = prediction.answers if prediction is not None else Answers()
            wrong = set(changed_questions(ontology, said, truth))
            right = {
                key: prediction is not None and key not in wrong
                for key in asked
                if key in truth or key in said
            }
        asset = found[outcome.asset_id]
        rows.append(
            TrialRow(
                asset_id=asset.id, external_id=asset.external_id, text=(asset.text or "")[:2_000], state=state,
                prediction=prediction, failure=outcome.cause or "", message=outcome.message or "",
                cost_usd=outcome.cost_usd, latency_s=outcome.latency_s, truth=truth, right=right,
            )
        )  # fmt: skip
    return Trial(run=row.run, rows=tuple(rows), summary=_summary(row.run, rows))


def _truths(tx: Tx, asset_ids: list[int]) -> dict[int, Answers]:
    known = runs.gold_answers(tx, asset_ids)
    for asset_id in asset_ids:
        if asset_id not in known:
            given = work.current_for_asset(tx, asset_id)
            if given:
                known[asset_id] = given[-1].answers
    return known


def _summary(run: Run, rows: list[TrialRow]) -> TrialSummary:
    compared: dict[str, int] = {}
    right: dict[str, int] = {}
    confidences: list[float] = []
    for row in rows:
        for key, is_right in row.right.items():
            compared[key] = compared.get(key, 0) + 1
            right[key] = right.get(key, 0) + is_right
        if row.prediction is not None:
            values = [c.value for c in row.prediction.confidence.values() if c.value is not None]
            if values:
                confidences.append(min(values))
    return TrialSummary(
        done=run.done,
        failed=run.failed,
        compared=compared,
        right=right,
        mean_confidence=sum(confidences) / len(confidences) if confidences else None,
        cost_usd=run.cost_usd,
        latency_p50_s=run.latency_p50_s,
    )
