"""Plans compared on the same gold assets: figures with intervals, which difference is real, and where they disagree.

Hides how trial runs are held together, which figure a kind of question gets, and the wording of the verdicts. The gold
set has two fixed halves: one to try things on, and one that is kept for the last word; every look at gold is counted.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import Literal

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.answer import Answer, Answers, ChoiceAnswer, RegionAnswer, SpanAnswer, same_meaning
from labelwright.core.compare import Tally, agreement, match_regions, match_spans
from labelwright.core.errors import Conflict, Invalid, NotFound
from labelwright.core.ontology import (
    ChoiceQuestion,
    Ontology,
    Question,
    RegionQuestion,
    ScalarQuestion,
    SpanQuestion,
)
from labelwright.core.paired import (
    Paired,
    Verdict,
    compare_f1,
    compare_right,
    compare_scores,
    f1_interval,
    judge,
    mean_interval,
    wilson,
)
from labelwright.core.predictor import RunState
from labelwright.core.stats import Interval
from labelwright.core.value import Value
from labelwright.flows import guard, predict
from labelwright.flows.prompts import Plan
from labelwright.store import asset as assets
from labelwright.store import comparison as store
from labelwright.store import provider as providers
from labelwright.store import run as runs
from labelwright.store.comparison import Ended, GoldPart
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

MOST_ASSETS = 5_000
_LIVE = ("queued", "running")
_TEXT = 600


class Figure(Value):
    """How good a plan is at one question.

    Attributes:
        measure: `accuracy`; `F1` over all marks or labels; `agreement`: mean likeness, for other kinds of question.
        value: In [0, 1].
        interval: 95 %.
    """

    measure: Literal["accuracy", "F1", "agreement"]
    n: int
    value: float
    interval: Interval


class Contestant(Value):
    """One plan of a comparison and what it came to.

    Attributes:
        title: What sets it apart from the other plans.
        figures: Question id -> figure, over the assets that ended under every plan.
        cost_usd: Of all its requests; None when the price is unknown.
    """

    run_id: int
    title: str
    plan: Plan
    state: RunState
    stop_reason: str = ""
    done: int
    failed: int
    total: int
    cost_usd: Decimal | None
    latency_p50_s: float | None
    figures: dict[str, Figure] = Field(default_factory=dict)


class Pair(Value):
    """Two plans at one question.

    Attributes:
        first: Place of the one among the plans; `second` of the other; the difference is second - first.
        sentence: The same in words.
    """

    question: str
    first: int
    second: int
    paired: Paired
    verdict: Verdict
    sentence: str


class Disagreement(Value):
    """A gold asset that not all plans have equally right.

    Attributes:
        scores: Per plan, likeness to the truth in [0, 1]; 1 is right.
        said: Per plan; None where it has no answer.
    """

    asset_id: int
    external_id: str | None
    text: str
    question: str
    truth: Answer | None
    scores: tuple[float, ...]
    said: tuple[Answer | None, ...]


class Comparison(Value):
    """Plans on the same gold assets.

    Attributes:
        compared: Assets that ended under every plan.
        pairs: Empty while plans still run.
        disagreements: The first of `disagreements_total`, most uneven first.
        looks_before: How often this part of the gold set had been looked at before.
        note: What that means for the figures.
    """

    id: int
    state: Literal["running", "done"]
    gold: GoldPart
    created_at: datetime
    plans: tuple[Contestant, ...]
    compared: int
    pairs: tuple[Pair, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    disagreements_total: int = 0
    looks_before: int
    note: str


class ComparisonCard(Value):
    """A comparison in a list."""

    id: int
    state: Literal["running", "done"]
    gold: GoldPart
    created_at: datetime
    titles: tuple[str, ...]
    total: int


class GoldState(Value):
    """What there is to compare on, and how often it was looked at."""

    total: int
    tuning: int
    gate: int
    looks: int
    looks_at_gate: int


# --- start and stop -------------------------------------------------------------------------------------------------


def start_comparison(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    plans: Sequence[Plan],
    gold: GoldPart = "all",
    n: int | None = None,
    cost_cap_usd: Decimal | None = None,
) -> Comparison:
    """Ask every plan about the same gold assets; the queue is left alone.

    Args:
        workbench: The windows to the world.
        actor: Who starts it.
        project_id: Where.
        plans: Two to four.
        gold: Which part of the gold set.
        n: At most so many assets of it; None for all of them.
        cost_cap_usd: For all plans together; each may spend its equal share.

    Raises:
        Invalid: Too few or too many plans, or a size out of range.
        Conflict: There is no gold.
        PrivacyRefused: The project does not allow an endpoint.
    """
    if not 2 <= len(plans) <= 4:
        raise Invalid("bad_plans", "a comparison has two to four plans")
    if n is not None and not 1 <= n <= MOST_ASSETS:
        raise Invalid("bad_sample", f"a comparison has 1 to {MOST_ASSETS:,} assets")
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        chosen = store.gold_ids(tx, project_id, gold)[: n or MOST_ASSETS]
        if not chosen:
            raise Conflict(
                "no_gold",
                "there are no gold assets to compare on"
                if gold == "all"
                else f"the {gold} half of the gold set is empty",
                "import texts with a column of trusted answers and mark that column as gold",
            )
        share = None if cost_cap_usd is None else cost_cap_usd / len(plans)
        ids = predict.add_trials(
            tx,
            workbench,
            project,
            plans,
            chosen,
            {"on": "gold", "gold": gold, "use_cache": False},
            actor,
            cost_cap_usd=share,
        )
        for run_id in ids:
            row = runs.get(tx, project_id, run_id)
            assert row is not None
            runs.change(tx, run_id, options=row.options | {"comparison": ids[0]})
        return _view(tx, workbench, project_id, ids[0], None, 0)


def cancel_comparison(workbench: Workbench, actor: Actor, project_id: int, comparison_id: int) -> Comparison:
    """Stop asking; what is known so far is compared."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "run_models")
        live = [r.run.id for r in _members(tx, workbench, project_id, comparison_id) if _is_live(r)]
    for run_id in live:
        try:
            predict.cancel_run(workbench, actor, project_id, run_id)
        except Conflict:
            # It ended by itself meanwhile.
            continue
    return view_comparison(workbench, actor, project_id, comparison_id)


# --- see ------------------------------------------------------------------------------------------------------------


def gold_state(workbench: Workbench, actor: Actor, project_id: int) -> GoldState:
    """How large the gold set and its halves are, and how often they were looked at."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "run_models")
        looks = store.looks_at_gold(tx, project_id)
        tuning, gate = (len(store.gold_ids(tx, project_id, part)) for part in ("tuning", "gate"))
    return GoldState(
        total=tuning + gate,
        tuning=tuning,
        gate=gate,
        looks=len(looks),
        looks_at_gate=sum(part != "tuning" for _, part in looks),
    )


def list_comparisons(workbench: Workbench, actor: Actor, project_id: int) -> list[ComparisonCard]:
    """Comparisons of a project, newest first, at most fifty."""
    found = []
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "run_models")
        for comparison_id, gold in store.looks_at_gold(tx, project_id)[::-1]:
            rows = store.members(tx, project_id, comparison_id, workbench.now())
            if not rows:
                # A trial of a single plan on gold: a look, but no comparison.
                continue
            found.append(
                ComparisonCard(
                    id=comparison_id,
                    state="running" if any(map(_is_live, rows)) else "done",
                    gold=gold,
                    created_at=rows[0].run.created_at,
                    titles=tuple(_titles(tx, [_plan(row) for row in rows])),
                    total=rows[0].run.total,
                )
            )
            if len(found) == 50:
                break
    return found


def view_comparison(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    comparison_id: int,
    question: str | None = None,
    limit: int = 50,
) -> Comparison:
    """A comparison with up to `limit` disagreements, of one question when named.

    Raises:
        NotFound: The project has no such comparison.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "run_models")
        return _view(tx, workbench, project_id, comparison_id, question, limit)


def _members(tx: Tx, workbench: Workbench, project_id: int, comparison_id: int) -> list[runs.RunRow]:
    rows = store.members(tx, project_id, comparison_id, workbench.now())
    if not rows:
        raise NotFound("no_comparison", f"project {project_id} has no comparison {comparison_id}")
    return rows


def _is_live(row: runs.RunRow) -> bool:
    return row.run.state in _LIVE


def _plan(row: runs.RunRow) -> Plan:
    return Plan.model_validate(row.options["plan"])


def _view(
    tx: Tx, workbench: Workbench, project_id: int, comparison_id: int, question: str | None, limit: int
) -> Comparison:
    rows = _members(tx, workbench, project_id, comparison_id)
    gold: GoldPart = rows[0].options.get("gold", "all")
    plans = [_plan(row) for row in rows]
    titles = _titles(tx, plans)
    live = any(map(_is_live, rows))
    columns = _columns(tx, project_id, rows)
    known = list(columns.values())
    figures = [{c.question.id: c.figure(i) for c in known if c.truths} for i in range(len(rows))]
    pairs = [] if live else _pairs(known, titles)
    disagreements = [] if live else _disagreements([c for c in known if question in (None, c.question.id)])
    shown = disagreements[:limit]
    texts = assets.texts(tx, [each[0] for each in shown])
    names = store.names(tx, [each[0] for each in shown])
    looks = [part for other, part in store.looks_at_gold(tx, project_id) if other < comparison_id]
    before = sum(gold == "all" or part in ("all", gold) for part in looks)
    return Comparison(
        id=comparison_id,
        state="running" if live else "done",
        gold=gold,
        created_at=rows[0].run.created_at,
        plans=tuple(
            Contestant(
                run_id=row.run.id, title=title, plan=plan, state=row.run.state, stop_reason=row.run.stop_reason,
                done=row.run.done, failed=row.run.failed, total=row.run.total, cost_usd=row.run.cost_usd,
                latency_p50_s=row.run.latency_p50_s, figures=of_it,
            )
            for row, title, plan, of_it in zip(rows, titles, plans, figures, strict=True)
        ),
        compared=len({asset_id for c in known for asset_id in c.truths}),
        pairs=tuple(pairs),
        disagreements=tuple(
            Disagreement(
                asset_id=asset_id, external_id=names.get(asset_id), text=texts.get(asset_id, "")[:_TEXT],
                question=column.question.id, truth=column.truths[asset_id], scores=column.scores(asset_id),
                said=tuple(said.get(asset_id) for said in column.said),
            )
            for asset_id, column in shown
        ),
        disagreements_total=len(disagreements),
        looks_before=before,
        note=_note(gold, before),
    )  # fmt: skip


def _note(gold: GoldPart, before: int) -> str:
    if before == 0:
        return "Nobody looked at these gold answers before."
    times = "once" if before == 1 else f"{before} times"
    advice = (
        "a gate that was used to choose is no gate any more: add fresh gold for the last word"
        if gold == "gate"
        else "confirm the plan you choose once on the gate half"
    )
    return f"These gold answers were used {times} before. The best of many tries looks better than it is; {advice}."


# --- columns: one question, all plans -------------------------------------------------------------------------------


class _Column:
    """One question: the truth and what each plan said, over the assets that ended under every plan."""

    def __init__(self, question: Question, plans: int) -> None:
        self.question = question
        self.truths: dict[int, Answer | None] = {}
        self.said: list[dict[int, Answer | None]] = [{} for _ in range(plans)]

    @property
    def measure(self) -> Literal["accuracy", "F1", "agreement"]:
        match self.question:
            case SpanQuestion() | RegionQuestion():
                return "F1"
            case ChoiceQuestion(multiple=True):
                return "F1"
            case ChoiceQuestion() | ScalarQuestion():
                return "accuracy"
            case _:
                return "agreement"

    def right(self, i: int) -> list[bool]:
        return [same_meaning(self.said[i].get(each), truth) for each, truth in self.truths.items()]

    def tallies(self, i: int) -> list[Tally]:
        return [_tally(self.said[i].get(each), truth) for each, truth in self.truths.items()]

    def likeness(self, i: int) -> list[float]:
        return [agreement(self.said[i].get(each), truth) for each, truth in self.truths.items()]

    def scores(self, asset_id: int) -> tuple[float, ...]:
        truth = self.truths[asset_id]
        if self.measure == "accuracy":
            return tuple(float(same_meaning(said.get(asset_id), truth)) for said in self.said)
        return tuple(agreement(said.get(asset_id), truth) for said in self.said)

    def figure(self, i: int) -> Figure:
        n = len(self.truths)
        if self.measure == "accuracy":
            right = sum(self.right(i))
            return Figure(measure="accuracy", n=n, value=right / n, interval=wilson(right, n))
        if self.measure == "F1":
            tallies = self.tallies(i)
            return Figure(measure="F1", n=n, value=sum(tallies, Tally()).f1, interval=f1_interval(tallies))
        likeness = self.likeness(i)
        return Figure(measure="agreement", n=n, value=sum(likeness) / n, interval=mean_interval(likeness))

    def paired(self, i: int, k: int) -> Paired:
        if self.measure == "accuracy":
            return compare_right(self.right(i), self.right(k))
        if self.measure == "F1":
            return compare_f1(self.tallies(i), self.tallies(k))
        return compare_scores(self.likeness(i), self.likeness(k))


def _tally(said: Answer | None, truth: Answer | None) -> Tally:
    """Marks or labels that match; no answer is an empty one."""
    if isinstance(said, SpanAnswer) or isinstance(truth, SpanAnswer):
        empty = SpanAnswer(spans=())
        return match_spans(
            said if isinstance(said, SpanAnswer) else empty, truth if isinstance(truth, SpanAnswer) else empty
        )
    if isinstance(said, RegionAnswer) or isinstance(truth, RegionAnswer):
        none = RegionAnswer(regions=())
        return match_regions(
            said if isinstance(said, RegionAnswer) else none,
            truth if isinstance(truth, RegionAnswer) else none,
        )
    left = set(said.labels) if isinstance(said, ChoiceAnswer) else set()
    right = set(truth.labels) if isinstance(truth, ChoiceAnswer) else set()
    return Tally(matched=len(left & right), extra=len(left - right), missing=len(right - left))


def _columns(tx: Tx, project_id: int, rows: Sequence[runs.RunRow]) -> dict[str, _Column]:
    """Question id -> column; a question counts for an asset when the truth or any plan answers it."""
    truths = store.truths(tx, rows[0].run.id)
    ended: list[dict[int, Ended]] = [
        {each.asset_id: each for each in store.ended(tx, row.run.id)} for row in rows
    ]
    everywhere = [a for a in truths if all(a in under for under in ended)]
    columns: dict[str, _Column] = {}
    for row in rows:
        ontology: Ontology = guard.ontology(tx, project_id, row.run.predictor.ontology_version)
        for question in ontology.active_questions:
            columns.setdefault(question.id, _Column(question, len(rows)))
    for asset_id in everywhere:
        given = [under[asset_id].answers or Answers() for under in ended]
        for key, column in columns.items():
            if key in truths[asset_id] or any(key in answers for answers in given):
                column.truths[asset_id] = truths[asset_id].get(key)
                for said, answers in zip(column.said, given, strict=True):
                    said[asset_id] = answers.get(key)
    return columns


def _pairs(columns: Sequence[_Column], titles: Sequence[str]) -> list[Pair]:
    """Every pair of plans at every question that gold answers; all of them are corrected for together."""
    wanted = [
        (column, i, k) for column in columns if column.truths for i, k in combinations(range(len(titles)), 2)
    ]
    paired = [column.paired(i, k) for column, i, k in wanted]
    verdicts = judge(paired)
    return [
        Pair(
            question=column.question.id, first=i, second=k, paired=each, verdict=verdict,
            sentence=_sentence(column, titles[i], titles[k], each, verdict, len(wanted)),
        )
        for (column, i, k), each, verdict in zip(wanted, paired, verdicts, strict=True)
    ]  # fmt: skip


def _disagreements(columns: Sequence[_Column]) -> list[tuple[int, _Column]]:
    """(asset, column) where the plans are not equally right, the most uneven first."""
    found: list[tuple[float, int, int]] = []
    for n, column in enumerate(columns):
        for asset_id in column.truths:
            scores = column.scores(asset_id)
            if max(scores) > min(scores):
                found.append((min(scores) - max(scores), asset_id, n))
    return [(asset_id, columns[n]) for _, asset_id, n in sorted(found)]


# --- words ----------------------------------------------------------------------------------------------------------


def _sentence(column: _Column, first: str, second: str, pair: Paired, verdict: Verdict, looks: int) -> str:
    at = f"at “{column.question.name}”"
    measure = {"accuracy": "right on", "F1": "F1", "agreement": "agreement"}[column.measure]

    def said(share: float) -> str:
        return f"{100 * share:.1f} %"

    figures = (
        f"{measure} {said(pair.second)} against {said(pair.first)} of {pair.n:,} gold assets"
        if column.measure == "accuracy"
        else f"{measure} {said(pair.second)} against {said(pair.first)} over {pair.n:,} gold assets"
    )
    corrected = "" if looks == 1 else f", corrected for {looks} pairs"
    numbers = (
        f"{figures}, {100 * pair.difference:+.1f} points "
        f"(95 % interval {100 * pair.interval.low:+.1f} to {100 * pair.interval.high:+.1f}; "
        f"{pair.p_by} p {_p(verdict.p_corrected)}{corrected})"
    )
    match verdict.outcome:
        case "better":
            return f"{second} is better than {first} {at}: {numbers}."
        case "worse":
            return f"{second} is worse than {first} {at}: {numbers}."
        case "undecided":
            more = (
                f" About {verdict.more_needed:,} more gold assets would show a difference of this size."
                if verdict.more_needed is not None
                else ""
            )
            return f"No difference shown between {first} and {second} {at}: {numbers}.{more}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


_EXAMPLES = {
    "none": "zero-shot", "per_label": "{k} per label", "nearest": "{k} nearest",
    "nearest_per_label": "{k} nearest per label", "mmr": "{k} near but varied",
}  # fmt: skip


def _titles(tx: Tx, plans: Sequence[Plan]) -> list[str]:
    """What sets the plans apart; numbers where nothing does."""
    parts: list[list[str]] = []
    for plan in plans:
        provider = providers.get(tx, plan.provider_id)
        examples = _EXAMPLES[plan.examples.kind].format(k=plan.examples.k)
        if plan.examples.seed:
            examples += f" (seed {plan.examples.seed})"
        parts.append([
            plan.model,
            f"at {provider.name}" if provider is not None else f"at provider {plan.provider_id}",
            examples,
            f"prompt {plan.template_version}" if plan.template_version else "built-in prompt",
            f"questions {plan.ontology_version}" if plan.ontology_version else "current questions",
            f"temperature {plan.decoding.temperature:g}",
        ])  # fmt: skip
    differ = [n for n in range(6) if len({part[n] for part in parts}) > 1] or [0]
    titles = [", ".join(part[n] for n in differ) for part in parts]
    return [
        title if titles.count(title) == 1 else f"{title} ({titles[: i + 1].count(title)})"
        for i, title in enumerate(titles)
    ]
