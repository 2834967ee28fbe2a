"""How the regions of two answers lie over one another: which are the same thing, and what differs.

Hides the matching. Regions of one label are joined in pairs by the Hungarian method, as many pairs as can be with a
likeness (`core.likeness`) of at least the threshold, and among those the ones that are most alike; what is left is told
apart: another label, too little overlap, missing, extra. Nothing depends on the order of regions or of the two answers.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.likeness import Likeness, frame_of, likenesses
from labelwright.core.shape import Mask, Size

THRESHOLD = 0.5
"""From this likeness on two regions of one label are the same thing, as in Pascal VOC and COCO at 0.5."""
LEAST = 0.1
"""From this likeness on two regions of one label may be meant for the same thing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two regions by their positions, and how alike they are."""

    predicted: int
    true: int
    iou: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """What became of every region; each position stands in one place.

    Attributes:
        matched: Same label, likeness of at least the threshold.
        wrong_label: Likeness of at least the threshold, another label.
        low_overlap: Same label, likeness from `LEAST` to the threshold.
        extra: Predicted, and nothing true there.
        missing: True, and nothing predicted there.
    """

    matched: tuple[Pair, ...] = ()
    wrong_label: tuple[Pair, ...] = ()
    low_overlap: tuple[Pair, ...] = ()
    extra: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()

    @property
    def mean_iou(self) -> float:
        """Mean likeness of the matched pairs; 1 when there are none and nothing differs, else 0."""
        if self.matched:
            return sum(pair.iou for pair in self.matched) / len(self.matched)
        return 0.0 if self.differences else 1.0

    @property
    def differences(self) -> int:
        """How many things differ: a pair counts once."""
        return len(self.wrong_label) + len(self.low_overlap) + len(self.extra) + len(self.missing)

    @property
    def f1(self) -> float:
        """Matched regions over the mean number of regions of the two sides; 1 when there are none."""
        paired = len(self.wrong_label) + len(self.low_overlap)
        found = 2 * (len(self.matched) + paired) + len(self.extra) + len(self.missing)
        return 2 * len(self.matched) / found if found else 1.0

    def turned(self) -> "Overlap":
        """The same with the sides exchanged."""

        def flip(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
            return tuple(Pair(pair.true, pair.predicted, pair.iou) for pair in pairs)

        return Overlap(
            matched=flip(self.matched), wrong_label=flip(self.wrong_label), low_overlap=flip(self.low_overlap),
            extra=self.missing, missing=self.extra,
        )  # fmt: skip


def match(
    predicted: Sequence[Region],
    true: Sequence[Region],
    threshold: float = THRESHOLD,
    size: Size | None = None,
) -> Overlap:
    """Match the regions of two answers.

    Args:
        predicted: One side: of a model or a person.
        true: The other one.
        threshold: Likeness from which two regions are the same thing, in (0, 1].
        size: (width, height) of the image, where it is known.

    Raises:
        ValueError: The runs of a mask do not fill its size.
    """
    left, mine = _in_order(predicted)
    right, theirs = _in_order(true)
    if theirs < mine:  # ties are decided the same way whichever side comes first
        return match(true, predicted, threshold, size).turned()
    if mine == theirs:
        same = tuple(Pair(i, j, 1.0) for i, j in zip(left, right, strict=True))
        return Overlap(matched=same)
    values = likenesses([predicted[i].shape for i in left], [true[j].shape for j in right], size)
    alike = [predicted[left[i]].label == true[right[j]].label for i, j, _ in values]
    used_left: set[int] = set()
    used_right: set[int] = set()

    def chosen(label: bool, low: float, high: float) -> tuple[Pair, ...]:
        open_pairs = [
            pair
            for pair, same in zip(values, alike, strict=True)
            if same == label
            and low <= pair[2] < high
            and pair[0] not in used_left
            and pair[1] not in used_right
        ]
        found = sorted(_assigned(open_pairs))
        used_left.update(i for i, _, _ in found)
        used_right.update(j for _, j, _ in found)
        return tuple(Pair(left[i], right[j], value) for i, j, value in found)

    matched = chosen(label=True, low=threshold, high=2.0)
    wrong_label = chosen(label=False, low=threshold, high=2.0)
    low_overlap = chosen(label=True, low=min(LEAST, threshold), high=threshold)
    return Overlap(
        matched=matched,
        wrong_label=wrong_label,
        low_overlap=low_overlap,
        extra=tuple(sorted(at for i, at in enumerate(left) if i not in used_left)),
        missing=tuple(sorted(at for j, at in enumerate(right) if j not in used_right)),
    )


def _in_order(regions: Sequence[Region]) -> tuple[list[int], list[object]]:
    """Positions in an order that depends on what is marked only, and what it was sorted by."""
    keys = [_key(region) for region in regions]
    order = sorted(range(len(regions)), key=keys.__getitem__)
    return order, [keys[i] for i in order]


def _key(region: Region) -> tuple[object, ...]:
    shape = region.shape
    if isinstance(shape, Mask):
        values: tuple[object, ...] = (shape.size, shape.counts)
    else:
        # In the order of the fields, None as something that can be compared.
        values = tuple((v is not None, v) for k, v in shape if k not in ("kind", "box"))
    return region.label, shape.kind, values, sorted((k, str(v)) for k, v in region.attributes.items())


def _assigned(pairs: list[Likeness]) -> Iterator[Likeness]:
    """As many pairs as can be without a region in two of them; among those choices the one of the largest sum.

    Source: Kuhn 1955, in the variant of Jonker and Volgenant of scipy, on each connected piece for itself.
    """
    for piece in _pieces(pairs):
        rows, columns = sorted({i for i, _, _ in piece}), sorted({j for _, j, _ in piece})
        if len(rows) == 1 or len(columns) == 1:
            yield max(piece, key=lambda pair: (pair[2], -pair[0], -pair[1]))
            continue
        from scipy.optimize import linear_sum_assignment

        place = {i: at for at, i in enumerate(rows)}, {j: at for at, j in enumerate(columns)}
        worth = np.zeros((len(rows), len(columns)))
        bonus = min(worth.shape) + 1.0  # one pair more is worth more than any likeness
        by_place = {(place[0][i], place[1][j]): (i, j, value) for i, j, value in piece}
        for at, (_, _, value) in by_place.items():
            worth[at] = bonus + value
        for at in zip(*(axis.tolist() for axis in linear_sum_assignment(worth, maximize=True)), strict=True):
            if at in by_place:
                yield by_place[at]


def _pieces(pairs: list[Likeness]) -> Iterable[list[Likeness]]:
    """Pairs that share regions, directly or through others, together."""
    up: dict[int, int] = {}

    def root(node: int) -> int:
        while (above := up.setdefault(node, node)) != node:
            up[node] = up[above]
            node = above
        return node

    for i, j, _ in pairs:
        up[root(i)] = root(~j)
    found: dict[int, list[Likeness]] = defaultdict(list)
    for pair in pairs:
        found[root(pair[0])].append(pair)
    return found.values()


# --- what answers say -----------------------------------------------------------------------------------------------


def agreed(one: RegionAnswer, other: RegionAnswer) -> list[Pair]:
    """Matched pairs that say the same: an attribute that both answer has one value.

    One that only one side answers is a gap, as a question left open is, and no contradiction.
    """
    found = match(one.regions, other.regions)
    return [pair for pair in found.matched if fits(one.regions[pair.predicted], other.regions[pair.true])]


def fits(one: Region, other: Region) -> bool:
    """Whether no attribute that both regions answer differs."""
    return all(other.attributes.get(key, value) == value for key, value in one.attributes.items())


# --- COCO's evaluation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CocoFigures:
    """What COCOeval says of one label at one threshold.

    Attributes:
        average_precision: Mean of the precision at 101 recalls; None without a true region.
        recall: Share of the true regions that were found at all; None likewise.
        precision: Share of all that was predicted that is right; None when nothing was predicted.
        true: Regions to be found, crowds left out.
        predicted: Regions said, those on crowds left out.
    """

    average_precision: float | None
    recall: float | None
    precision: float | None
    true: int
    predicted: int


def is_crowd(region: Region) -> bool:
    """Whether a true region stands for many things, as COCO's `iscrowd`: what is found there counts neither way."""
    return bool(region.attributes.get("iscrowd", False))


class CocoTally:
    """Average precision and recall per label by the rules of COCO, image by image.

    Regions of one label are matched greedily, the surest first, each with the true one it overlaps most.
    Source: `COCOeval` of pycocotools 2.0 (`evaluateImg`, `accumulate`), area range `all`.
    """

    def __init__(
        self,
        threshold: float = THRESHOLD,
        by: Literal["bbox", "segm"] = "bbox",
        most: int = 100,
        crowd: Callable[[Region], bool] = is_crowd,
    ) -> None:
        """An empty tally.

        Args:
            threshold: Of the IoU.
            by: Compare bounds, or pixels.
            most: So many predictions of a label count per image, the surest.
            crowd: Tells true regions that stand for many things.
        """
        self._threshold, self._by, self._most, self._crowd = threshold, by, most, crowd
        self._scores: dict[str, list[float]] = defaultdict(list)
        self._right: dict[str, list[bool]] = defaultdict(list)
        self._wanted: dict[str, int] = defaultdict(int)

    def add(self, predicted: Sequence[Region], true: Sequence[Region], size: Size | None = None) -> None:
        """Count one image; a region without a score comes last.

        Raises:
            ValueError: The runs of a mask do not fill its size.
        """
        for label in {region.label for region in (*predicted, *true)}:
            said = [region for region in predicted if region.label == label]
            said = sorted(said, key=lambda region: -(region.score or 0.0))[: self._most]
            asked = sorted((region for region in true if region.label == label), key=self._crowd)
            crowds = [self._crowd(region) for region in asked]
            self._wanted[label] += crowds.count(False)
            iou = _coco_iou(said, asked, crowds, size, self._by)
            for region, hit in zip(said, _greedy(iou, crowds, self._threshold), strict=True):
                if hit is not None:
                    self._scores[label].append(region.score or 0.0)
                    self._right[label].append(hit)

    def figures(self) -> dict[str, CocoFigures]:
        """What was counted, by label."""
        return {
            label: _figures(self._scores[label], self._right[label], n)
            for label, n in sorted(self._wanted.items())
        }


def coco_figures(
    images: Iterable[tuple[Sequence[Region], Sequence[Region], Size]],
    threshold: float = THRESHOLD,
    by: Literal["bbox", "segm"] = "bbox",
) -> dict[str, CocoFigures]:
    """`CocoTally` of (predicted, true, (width, height)) of each image."""
    tally = CocoTally(threshold, by)
    for predicted, true, size in images:
        tally.add(predicted, true, size)
    return tally.figures()


def _coco_iou(
    said: list[Region],
    asked: list[Region],
    crowds: list[bool],
    size: Size | None,
    by: Literal["bbox", "segm"],
) -> list[list[float]]:
    if not said or not asked:
        return [[] for _ in said]
    from pycocotools import mask as coco

    from labelwright.core.geometry import bounds
    from labelwright.core.mask import rle_of

    frame = size if size is not None else frame_of([region.shape for region in (*said, *asked)])

    def taken(region: Region) -> Any:
        if by == "segm":
            return rle_of(region.shape, frame)
        around = bounds(region.shape)
        return [0.0] * 4 if around is None else [around.x, around.y, around.width, around.height]

    sides: list[Any] = [[taken(region) for region in side] for side in (said, asked)]
    if by == "bbox":
        sides = [np.array(side) for side in sides]
    return [[float(value) for value in row] for row in coco.iou(*sides, crowds)]


def _greedy(iou: Sequence[Sequence[float]], crowds: list[bool], threshold: float) -> Iterator[bool | None]:
    """Right, wrong, or None for what lies on a crowd; true regions come with the crowds last."""
    taken: set[int] = set()
    for row in iou:
        best, value = -1, min(threshold, 1 - 1e-10)
        for j, each in enumerate(row):
            if j in taken and not crowds[j]:
                continue
            if best >= 0 and not crowds[best] and crowds[j]:
                break
            if each >= value:
                best, value = j, each
        taken.add(best)
        yield best >= 0 if best < 0 or not crowds[best] else None


def _figures(scores: list[float], right: list[bool], wanted: int) -> CocoFigures:
    order = np.argsort(-np.array(scores), kind="mergesort")
    hits = np.array(right, dtype=float)[order]
    said, found = len(hits), int(hits.sum())
    precision = found / said if said else None
    if not wanted:
        return CocoFigures(None, None, precision, 0, said)
    so_far = np.cumsum(hits)
    recalls = so_far / wanted
    precisions = so_far / (np.arange(1, said + 1) + np.spacing(1))
    envelope = np.maximum.accumulate(precisions[::-1])[::-1]
    at = np.searchsorted(recalls, np.linspace(0.0, 1.0, 101), side="left")
    averaged = np.where(at < said, np.append(envelope, 0.0)[np.minimum(at, said)], 0.0)
    return CocoFigures(float(averaged.mean()), found / wanted, precision, wanted, said)


def mean_average_precision(figures: Mapping[str, CocoFigures]) -> float | None:
    """Over the labels that have something to be found; None when none has."""
    known = [f.average_precision for f in figures.values() if f.average_precision is not None]
    return sum(known) / len(known) if known else None
