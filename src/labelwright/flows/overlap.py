"""How well marked regions lie over one another: a model against people, people among themselves, either against gold.

Hides the walk over a project and what is kept of it, so that every figure can be opened: the assets behind it, the
worst first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from labelwright.core.access import Action, Actor
from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.asset import Picture
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.ontology import Ontology, RegionQuestion
from labelwright.core.overlap import LEAST, THRESHOLD, CocoTally, Overlap, match
from labelwright.core.shape import Size
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import asset as assets
from labelwright.store import economics, people, trust
from labelwright.store import overlap as store
from labelwright.store.db import Tx
from labelwright.store.overlap import Between, Side
from labelwright.workbench import Workbench

Kind = Literal["matched", "wrong_label", "low_overlap", "extra", "missing"]

BINS = 10
"""Of the histogram of IoU, over [0, 1]."""
KEPT = 8
"""Figures of this many walks stay in memory until something changes."""


class LabelOverlap(Value):
    """Counts and measures of one label, or of all when `label` is empty.

    Attributes:
        wrong_label: True regions of this label that were given another one.
        low_overlap: Of this label on both sides, with an IoU between 0.1 and the threshold.
        predicted: Regions said to have this label.
        true: Regions that have it.
        precision: `matched / predicted`; None when nothing was predicted.
        recall: `matched / true`; None when there is nothing.
        f1: Of both; None when both sides are empty.
        mean_iou: Over the matched pairs; None without one.
        average_precision: By COCO's rule at this threshold; None without scores.
    """

    label: str = ""
    name: str = ""
    matched: int = 0
    wrong_label: int = 0
    low_overlap: int = 0
    extra: int = 0
    missing: int = 0
    predicted: int = 0
    true: int = 0
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    mean_iou: float | None = None
    average_precision: float | None = None


class Mixed(Value):
    """How often regions of the label `right` were given the label `said`."""

    said: str
    right: str
    n: int


class Sides(Value):
    """What two sides have in common, over the assets that both answered."""

    predicted_by: str
    true_by: str
    n: int
    matched: int
    f1: float
    mean_iou: float | None


class QuestionOverlap(Value):
    """Figures of one region question.

    Attributes:
        n: Pairs of answers compared.
        histogram: Pairs of regions of one label by IoU, ten bins over [0, 1]; below 0.1 nothing is paired.
    """

    question: str
    name: str
    n: int
    total: LabelOverlap
    labels: list[LabelOverlap]
    histogram: list[int]
    mixed: list[Mixed]
    sides: list[Sides]


class OverlapView(Value):
    """Figures of a project."""

    between: Between
    threshold: float
    questions: list[QuestionOverlap]
    note: str = ""


class Difference(Value):
    """Two answers to one asset and what became of every region, in the order of the regions.

    Attributes:
        f1: Share of the regions that match, in [0, 1].
    """

    asset_id: int
    external_id: str | None
    image: Picture | None
    predicted_by: str
    true_by: str
    predicted: tuple[Region, ...]
    true: tuple[Region, ...]
    predicted_kinds: tuple[Kind, ...]
    true_kinds: tuple[Kind, ...]
    f1: float
    mean_iou: float


class Wanted(Value):
    """Which pairs of answers to list.

    Attributes:
        label: Only where a region of this label (of the true side, or said where nothing is true) is of the `kind`.
        kind: `different` for anything but matched.
        said: With `kind` wrong_label: only where this label was said.
    """

    question: str = Field(max_length=64)
    label: str | None = Field(default=None, max_length=64)
    kind: Kind | Literal["different", "any"] = "different"
    said: str | None = Field(default=None, max_length=64)


class DifferencePage(Value):
    """Pairs of answers, the worst first, and the cursor of the next page."""

    rows: list[Difference]
    next: str | None
    total: int


def view(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    between: Between = "model_people",
    threshold: float = THRESHOLD,
) -> OverlapView:
    """Figures of every region question.

    Raises:
        Invalid: The threshold is not in [0.1, 1].
    """
    _check(threshold)
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        walked = _walk(workbench, tx, project_id, ontology, between, threshold)
        names = _Names(tx)
    note = (
        "People saw the model's suggestion: compare with gold for an accuracy."
        if between == "model_people"
        else ""
    )
    questions = [walked[q.id].figures(q, names) for q in _questions(ontology)]
    return OverlapView(between=between, threshold=threshold, questions=questions, note=note)


def differences(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    wanted: Wanted,
    between: Between = "model_people",
    threshold: float = THRESHOLD,
    after: str | None = None,
    limit: int = 24,
) -> DifferencePage:
    """The pairs of answers behind a figure, the worst first.

    Raises:
        Invalid: The threshold is not in [0.1, 1], or the cursor is not one of this list.
        NotAllowed: Gold is shown to those only who may run models on it.
        NotFound: There is no such region question.
    """
    _check(threshold)
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 12):
        raise Invalid("bad_cursor", "the cursor is not one of this list", "start from the first page")
    start = int(after or 0)
    with workbench.store.read() as tx:
        action: Action = "run_models" if between.endswith("gold") else "see_assets"
        project = guard.project(tx, actor, project_id, action)
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        if wanted.question not in {question.id for question in _questions(ontology)}:
            raise NotFound("no_question", f"there is no region question {wanted.question!r} here")
        walked = _walk(workbench, tx, project_id, ontology, between, threshold)[wanted.question]
        chosen = [row for row in walked.worst_first if row.is_wanted(wanted)]
        shown = chosen[start : start + limit]
        if between.startswith("model"):
            # Whoever is to label an asset without a suggestion does not see it here either.
            hidden = economics.withheld_from(tx, actor.user_id, [row.asset_id for row in shown])
            shown = [row for row in shown if row.asset_id not in hidden]
        rows = _shown(tx, project_id, between, threshold, wanted.question, shown)
    more = start + limit < len(chosen)
    return DifferencePage(rows=rows, next=str(start + limit) if more else None, total=len(chosen))


def _check(threshold: float) -> None:
    if not LEAST <= threshold <= 1.0:
        raise Invalid("bad_threshold", f"a threshold from {LEAST} to 1 wanted, got {threshold}")


def _questions(ontology: Ontology) -> list[RegionQuestion]:
    return [question for question in ontology.active_questions if isinstance(question, RegionQuestion)]


# --- the walk -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """What is kept of a pair of answers; `counts` by (label, kind, label said where it is another one)."""

    asset_id: int
    predicted: str
    true: str
    f1: float
    mean_iou: float
    counts: dict[tuple[str, Kind, str], int]

    def is_wanted(self, wanted: Wanted) -> bool:
        """Whether it stands behind this figure."""
        if wanted.kind == "any" and wanted.label is None:
            return True
        return any(
            (wanted.label is None or label == wanted.label)
            and (wanted.said is None or said == wanted.said)
            and (
                wanted.kind == "any"
                or (kind != "matched" if wanted.kind == "different" else kind == wanted.kind)
            )
            for label, kind, said in self.counts
        )


@dataclass(slots=True)
class _Sum:
    """Counts of one pair of sides."""

    n: int = 0
    matched: int = 0
    regions: int = 0
    iou: float = 0.0


@dataclass
class _Walked:
    """Everything found for one question."""

    coco: CocoTally
    counts: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    mixed: Counter[tuple[str, str]] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)
    iou: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)
    sides: defaultdict[tuple[Any, Any], _Sum] = field(default_factory=lambda: defaultdict(_Sum))
    worst_first: list[_Row] = field(default_factory=list)
    scored: bool = False

    def add(
        self, asset_id: int, sides: tuple[Side, Side], predicted: RegionAnswer, true: RegionAnswer,
        threshold: float, size: Size | None,
    ) -> None:  # fmt: skip
        """Count one pair of answers."""
        said, asked = predicted.regions, true.regions
        found = match(said, asked, threshold, size)
        counts: Counter[tuple[str, Kind, str]] = Counter()
        for pair in found.matched:
            counts[asked[pair.true].label, "matched", ""] += 1
            self.iou[asked[pair.true].label] += pair.iou
        for pair in (*found.matched, *found.low_overlap):
            self.histogram[min(int(pair.iou * BINS), BINS - 1)] += 1
        for pair in found.low_overlap:
            counts[asked[pair.true].label, "low_overlap", ""] += 1
        for pair in found.wrong_label:
            counts[asked[pair.true].label, "wrong_label", said[pair.predicted].label] += 1
        for i in found.extra:
            counts[said[i].label, "extra", ""] += 1
        for j in found.missing:
            counts[asked[j].label, "missing", ""] += 1
        for (label, kind, other), n in counts.items():
            self.counts[label, kind] += n
            if kind == "wrong_label":
                self.mixed[other, label] += n
        self.predicted.update(region.label for region in said)
        self.true.update(region.label for region in asked)
        both = self.sides[sides[0].who, sides[1].who]
        both.n += 1
        both.matched += len(found.matched)
        both.regions += len(said) + len(asked)
        both.iou += sum(pair.iou for pair in found.matched)
        self.scored = self.scored or any(region.score is not None for region in said)
        if sides[0].by == "model":
            self.coco.add(said, asked, size)
        keys = sides[0].key, sides[1].key
        self.worst_first.append(_Row(asset_id, *keys, found.f1, found.mean_iou, dict(counts)))

    def figures(self, question: RegionQuestion, names: "_Names") -> QuestionOverlap:
        """What is shown of it."""
        precisions = self.coco.figures() if self.scored else {}
        shown = question.shown_names
        seen = {label for label, _ in self.counts} | set(self.predicted)
        ids = [label.id for label in question.labels if label.id in seen]
        ids += sorted(seen - set(ids))
        labels = []
        for label in ids:
            ap = precisions[label].average_precision if label in precisions else None
            labels.append(self._label([label], label, shown.get(label, label), ap))
        known = [row.average_precision for row in labels if row.average_precision is not None]
        total = self._label(ids, "", "", sum(known) / len(known) if known else None)
        return QuestionOverlap(
            question=question.id,
            name=question.name,
            n=len(self.worst_first),
            total=total,
            labels=labels,
            histogram=self.histogram,
            mixed=[Mixed(said=said, right=right, n=n) for (said, right), n in self.mixed.most_common()],
            sides=[
                Sides(
                    predicted_by=names.of(one), true_by=names.of(other), n=each.n, matched=each.matched,
                    f1=2 * each.matched / each.regions if each.regions else 1.0,
                    mean_iou=each.iou / each.matched if each.matched else None,
                )
                for (one, other), each in self.sides.items()
            ],
        )  # fmt: skip

    def _label(self, ids: Sequence[str], label: str, name: str, ap: float | None) -> LabelOverlap:
        kinds: tuple[Kind, ...] = ("matched", "wrong_label", "low_overlap", "extra", "missing")
        counted = {kind: sum(self.counts[each, kind] for each in ids) for kind in kinds}
        said, asked = (sum(side[each] for each in ids) for side in (self.predicted, self.true))
        matched = counted["matched"]
        return LabelOverlap(
            label=label, name=name, **counted, predicted=said, true=asked,
            precision=matched / said if said else None,
            recall=matched / asked if asked else None,
            f1=2 * matched / (said + asked) if said + asked else None,
            mean_iou=sum(self.iou[each] for each in ids) / matched if matched else None,
            average_precision=ap,
        )  # fmt: skip


def _walk(
    workbench: Workbench, tx: Tx, project_id: int, ontology: Ontology, between: Between, threshold: float
) -> dict[str, _Walked]:
    """Kept in memory until the history or a counter of the project says that something changed."""
    place = ("overlap", project_id, between, threshold)
    state = (ontology.version, *trust.fingerprint(tx, project_id))
    kept = workbench.memo.get(place)
    if kept is not None and kept[0] == state:
        found: dict[str, _Walked] = kept[1]
        return found
    questions = _questions(ontology)
    found = {q.id: _Walked(CocoTally(threshold, "segm" if _has_outlines(q) else "bbox")) for q in questions}
    for pair in store.pairs(tx, project_id, between) if questions else ():
        for question in questions:
            true = store.regions(pair.true, question.id)
            if true is None:
                continue
            predicted = store.regions(pair.predicted, question.id) or RegionAnswer(regions=())
            sides = (pair.predicted, pair.true)
            found[question.id].add(pair.asset_id, sides, predicted, true, threshold, pair.size)
    for walked in found.values():
        walked.worst_first.sort(key=lambda row: (row.f1, row.mean_iou, row.asset_id))
    while len(workbench.memo) >= KEPT:
        workbench.memo.pop(next(iter(workbench.memo)), None)
    workbench.memo[place] = (state, found)
    return found


def _has_outlines(question: RegionQuestion) -> bool:
    return bool({"polygon", "mask"} & set(question.shapes))


class _Names:
    """What to call the two sides."""

    def __init__(self, tx: Tx) -> None:
        self._titles = store.titles(tx)
        self._people = people.display_names(tx, [person.user_id for person in people.all_people(tx)])

    def of(self, who: int | str | None) -> str:
        """A predictor's title, a person's name, or gold."""
        if who is None:
            return "gold"
        return self._people.get(who, "") if isinstance(who, int) else self._titles.get(who, "model")


# --- the list -------------------------------------------------------------------------------------------------------


def _shown(
    tx: Tx, project_id: int, between: Between, threshold: float, question: str, rows: Sequence[_Row]
) -> list[Difference]:
    ids = [row.asset_id for row in rows]
    pairs = {
        (pair.asset_id, pair.predicted.key, pair.true.key): pair
        for pair in (store.pairs(tx, project_id, between, ids) if ids else ())
    }
    known, names = assets.get_many(tx, ids), _Names(tx)
    found: list[Difference] = []
    for row in rows:
        pair = pairs[row.asset_id, row.predicted, row.true]
        predicted, true = (store.regions(side, question) for side in (pair.predicted, pair.true))
        said = predicted.regions if predicted is not None else ()
        asked = true.regions if true is not None else ()
        overlap = match(said, asked, threshold, pair.size)
        asset = known[row.asset_id]
        found.append(
            Difference(
                asset_id=row.asset_id, external_id=asset.external_id, image=asset.image,
                predicted_by=names.of(pair.predicted.who), true_by=names.of(pair.true.who),
                predicted=said, true=asked,
                predicted_kinds=_kinds(overlap, len(said), "extra"),
                true_kinds=_kinds(overlap.turned(), len(asked), "missing"),
                f1=row.f1, mean_iou=row.mean_iou,
            )
        )  # fmt: skip
    return found


def _kinds(overlap: Overlap, n: int, alone: Kind) -> tuple[Kind, ...]:
    """What became of each region of the side that `overlap` calls predicted; `alone` for those without a partner."""
    kinds: dict[int, Kind] = {}
    named: Iterable[tuple[Kind, Iterable[int]]] = (
        ("matched", (pair.predicted for pair in overlap.matched)),
        ("wrong_label", (pair.predicted for pair in overlap.wrong_label)),
        ("low_overlap", (pair.predicted for pair in overlap.low_overlap)),
    )
    for kind, places in named:
        kinds.update(dict.fromkeys(places, kind))
    return tuple(kinds.get(i, alone) for i in range(n))
