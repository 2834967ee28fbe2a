"""What the work cost and what it was worth: per project, run, predictor, label and person; and the two arms."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from labelwright.core.access import Actor, may
from labelwright.core.arms import ArmsCompared, compare
from labelwright.core.economics import Figures, total
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import economics as store
from labelwright.store import people
from labelwright.store import project as projects
from labelwright.workbench import Workbench


class Line(Value):
    """Figures of one run, predictor, label or person, with its name as people know it."""

    key: str
    name: str
    figures: Figures


class Economics(Value):
    """All figures. `people` is None for those who may not see who did what.

    Attributes:
        unpriced_runs: Runs whose cost is unknown; then the total is unknown too.
    """

    total: Figures
    unpriced_runs: int
    runs: tuple[Line, ...]
    predictors: tuple[Line, ...]
    labels: tuple[Line, ...]
    people: tuple[Line, ...] | None


def economics(workbench: Workbench, actor: Actor, project_id: int, run_id: int | None = None) -> Economics:
    """Figures of a project, or of one run of it."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        role = guard.role_in(tx, actor, project_id)
        efforts, verdicts = store.effort(tx, project_id, run_id), store.verdicts(tx, project_id, run_id)
        runs = [run for run in store.run_costs(tx, project_id) if run_id in (None, run.id)]
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        names = people.display_names(tx, sorted({row.author_id for row in efforts}))
        models = store.predictors(tx, sorted({r.predictor_sha256 for r in efforts if r.predictor_sha256}))
    rate = project.settings.person_usd_per_hour
    parts = [(row, _of_effort(row)) for row in efforts] + [(row, _of_verdict(row)) for row in verdicts]
    costs = {str(run.id): (None if run.cost_usd is None else float(run.cost_usd), run.done) for run in runs}
    used = [cost for cost, done in costs.values() if done]
    whole = None if None in used else sum(cost for cost in used if cost is not None)
    # Answers of a run cost what it says, local models nothing; what an imported model cost nobody knows.
    unpriced = {
        (row.run_id, row.predictor_sha256)
        for row in efforts
        if row.judged > row.priced and (row.run_id is not None or models[row.predictor_sha256][1])
    }

    def lines(
        key: str, named: dict[str, str], only: Iterable[tuple[Any, Figures]] = parts
    ) -> tuple[Line, ...]:
        groups: dict[str, list[tuple[Any, Figures]]] = {}
        for row, figures in only:
            value = getattr(row, key, None)
            if value is not None:
                groups.setdefault(str(value), []).append((row, figures))
        return tuple(
            Line(key=each, name=named.get(each, each), figures=_figures(groups.get(each, []), unpriced, rate))
            for each in dict.fromkeys([*named, *groups])
            if each in groups or key == "run_id"
        )

    by_run = tuple(
        line.model_copy(update={"figures": line.figures.model_copy(update={"cost_usd": costs[line.key][0]})})
        for line in lines("run_id", {str(run.id): f"{_kind(run)}: {run.title}" for run in runs})
        if line.key in costs
    )
    question_names = {question.id: question for question in ontology.questions}
    labels: list[Line] = []
    for question, label in dict.fromkeys((row.question, row.label) for row in verdicts):
        mine = [(r, f) for r, f in parts if getattr(r, "question", None) == question and r.label == label]
        known = question_names.get(question)
        found = known.label(label) if known is not None and hasattr(known, "label") else None
        title = known.name if known is not None else question
        name = f"{title}: {found.name if found is not None else label}" if label else title
        figures = _figures(mine, unpriced, None).model_copy(update={"judged_usd": None})
        labels.append(Line(key=f"{question}/{label}", name=name, figures=figures))
    whole_figures = _figures(parts, unpriced, rate).model_copy(update={"cost_usd": whole})
    return Economics(
        total=whole_figures, unpriced_runs=sum(cost is None for cost in used), runs=by_run,
        predictors=lines("predictor_sha256", {key: title for key, (title, _) in models.items()}), labels=tuple(labels),
        people=lines("author_id", {str(k): v for k, v in names.items()}) if may(role, "review", is_admin=actor.is_admin) else None,
    )  # fmt: skip


def _kind(run: Any) -> str:
    return f"Batch {run.batch}" if run.kind == "batch" else str(run.kind).capitalize()


def _of_effort(row: Any) -> Figures:
    return Figures(
        submissions=row.submissions, timed=row.timed, active_min=row.active_ms / 60_000,
        idle_min=row.idle_ms / 60_000, wait_min=row.wait_ms / 60_000, judged=row.judged,
    )  # fmt: skip


def _of_verdict(row: Any) -> Figures:
    # Agreement with what somebody did not see is no acceptance.
    shown = 0 if row.arm == "hidden" else 1
    has_model = row.predictor_sha256 is not None
    return Figures(
        accepted=shown * row.accepted, corrected=shown * row.corrected, rejected=shown * row.rejected,
        added=shown * row.added, final=row.final, correct=row.correct if has_model else 0,
        said=row.accepted + row.corrected + row.rejected,
    )  # fmt: skip


def _figures(
    parts: list[tuple[Any, Figures]], unpriced: set[tuple[int | None, str | None]], rate: float | None
) -> Figures:
    summed = total(figures for _, figures in parts)
    rows = [row for row, _ in parts]
    judged_usd: float | None = sum(float(getattr(row, "judged_usd", 0) or 0) for row in rows)
    if any((row.run_id, row.predictor_sha256) in unpriced for row in rows):
        judged_usd = None
    return summed.model_copy(update={"judged_usd": judged_usd}).worked_out(rate)


def arms(workbench: Workbench, actor: Actor, project_id: int) -> ArmsCompared:
    """With a suggestion against without: speed, agreement with gold and with the model, label shares."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        made, left_out = store.made(tx, project_id)
        seed = projects.learning(tx, project_id).seed
    return compare(made, left_out, seed)


COLUMNS = tuple(Figures.model_fields)


def as_csv(found: Economics) -> str:
    """One row per part: `part, key, name`, then every figure; an unknown one is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "key", "name", *COLUMNS])
    parts: list[tuple[str, Line]] = [("total", Line(key="", name="", figures=found.total))]
    for part, rows in (
        ("run", found.runs), ("predictor", found.predictors), ("label", found.labels), ("person", found.people or ()),
    ):  # fmt: skip
        parts += [(part, line) for line in rows]
    for part, line in parts:
        writer.writerow(
            [part, _harmless(line.key), _harmless(line.name), *(getattr(line.figures, c) for c in COLUMNS)]
        )
    return out.getvalue()


def _harmless(text: str) -> str:
    """A name that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
