"""From the numbers of a network to objects in a picture: one function per declared layout, then one way on for all.

Hides how each family lays its output out. Every function checks the shapes it is given, so that a wrong description
gives a sentence that says what is there instead of nonsense.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.core.detector import (
    BoxesScoresClasses,
    DetectorSpec,
    Found,
    Gfl,
    LogitsMap,
    Marks,
    Rows,
    Scores,
    Seen,
    Yolo,
)
from labelwright.core.shape import Box, Mask
from labelwright.detectors import maps
from labelwright.detectors.fit import Fit

Array = NDArray[Any]
Outputs = Mapping[str, Array]
"""Of one picture: without the batch axis, except where a layout says that there may be none."""

MOST_CANDIDATES = 10_000
"""Of more than these the surest are suppressed among each other; the work grows with the square."""


class Unfit(ValueError):
    """The output is not laid out as the description says."""


@dataclass
class Candidates:
    """Boxes (n, 4) as x0, y0, x1, y1 in input pixels, scores (n,), class numbers (n,), and maybe what masks are made of."""

    boxes: Array
    scores: Array
    classes: Array
    coefficients: Array | None = None
    prototypes: Array | None = None
    masks: Array | None = None

    def only(self, keep: Array) -> "Candidates":
        """Those at these places."""
        part = None if self.coefficients is None else self.coefficients[keep]
        masks = None if self.masks is None else self.masks[keep]
        return Candidates(
            self.boxes[keep], self.scores[keep], self.classes[keep], part, self.prototypes, masks
        )


def decode(outputs: Outputs, spec: DetectorSpec, fit: Fit, marks: Marks | None = None) -> Seen:
    """What a network's outputs for one picture say.

    Args:
        outputs: Name -> numbers.
        spec: How they are laid out; complete (`check.completed`).
        fit: Where the picture lies in the input.
        marks: Kind of shape that objects are marked with; None for what the network gives.

    Raises:
        Unfit: They are not laid out as described.
    """
    match spec.output:
        case LogitsMap() as layout:
            seen = maps.regions(_logits(_one(outputs, layout.output), layout, spec), layout, spec, fit)
        case Scores() as layout:
            given = _one(outputs, layout.output).reshape(-1)
            _want(given.shape, (spec.n_classes,), layout.output, "(batch, classes)", spec)
            scores = _sure(activate(given, layout.activation))
            return Seen(scores={n: float(scores[n]) for n in spec.classes})
        case Yolo() as layout:
            seen = _objects(_yolo(outputs, layout, spec, fit), spec, fit)
        case BoxesScoresClasses() as layout:
            seen = _objects(_boxes_scores_classes(outputs, layout, spec, fit), spec, fit)
        case Rows() as layout:
            seen = _objects(_rows(outputs, layout, spec, fit), spec, fit)
        case Gfl() as layout:
            seen = _objects(_gfl(outputs, layout, spec, fit), spec, fit)
    marks = marks or spec.marks
    simplify_px = spec.output.simplify_px if isinstance(spec.output, LogitsMap) else 1.0
    objects = []
    for each in seen.objects:
        assert isinstance(each.shape, Box | Mask)
        shape = maps.drawn(each.shape, marks, fit.picture, simplify_px)
        objects.append(each.model_copy(update={"shape": shape}))
    return seen.model_copy(update={"objects": tuple(objects)})


def of_picture(outputs: Mapping[str, Any], spec: DetectorSpec, n: int, pictures: int) -> dict[str, Array]:
    """The outputs that the layout reads, of the n-th picture of a call: without the batch axis where there is one.

    Raises:
        Unfit: There is none, and the call was for several pictures.
    """
    found: dict[str, Array] = {}
    for name, axes in _axes_of(spec).items():
        value = outputs.get(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            raise Unfit(f"output {name!r} holds no numbers")
        if value.ndim > axes and value.shape[0] == pictures:
            value = value[n]
        elif pictures > 1:
            raise Unfit(f"output {name!r} is not divided by pictures: set input.batch to 1")
        found[name] = value
    return found


def _axes_of(spec: DetectorSpec) -> dict[str, int]:
    """Output -> how many axes it has for one picture."""
    match spec.output:
        case Yolo(output=name, masks=masks):
            axes = {name: 2, masks: 3}
        case BoxesScoresClasses() as layout:
            axes = {layout.boxes: 2, layout.scores: 1 if layout.classes else 2, layout.classes: 1}
            axes |= {layout.count: 0, layout.masks: 3}
        case Gfl(output=name, scores=scores, distances=distances):
            axes = {name: 2, **dict.fromkeys((*scores, *distances), 2)}
        case LogitsMap(output=name):
            axes = {name: 3}
        case Rows(output=name):
            axes = {name: 2}
        case Scores(output=name):
            axes = {name: 1}
    return {name: n for name, n in axes.items() if name}


# --- layouts --------------------------------------------------------------------------------------------------------


def _yolo(outputs: Outputs, layout: Yolo, spec: DetectorSpec, fit: Fit) -> Candidates:
    given = _one(outputs, layout.output)
    prototypes = None if not layout.masks else _named(outputs, layout.masks)
    if prototypes is not None and prototypes.ndim != 3:
        raise Unfit(_said(layout.masks, prototypes.shape, "(batch, coefficients, height, width)"))
    more = 0 if prototypes is None else prototypes.shape[0]
    head = 5 if layout.version == "v5" else 4
    wide = head + spec.n_classes + more
    as_v8 = "(batch, 4 + classes, candidates)"
    if layout.version == "v8":
        _want(given.shape, (wide, None), layout.output, as_v8, spec)
        given = given.T
    else:
        _want(given.shape, (None, wide), layout.output, "(batch, candidates, 5 + classes)", spec)
    given = given.astype(np.float32, copy=False)
    scores = activate(given[:, head : head + spec.n_classes], layout.activation)
    if layout.version == "v5":
        scores = scores * activate(given[:, 4:5], layout.activation)
    boxes = _xyxy(given[:, :4], layout.box, layout.normalised, fit)
    best = _best(boxes, scores, spec)
    if prototypes is not None:
        best.coefficients, best.prototypes = given[:, head + spec.n_classes :], prototypes
    return best


def _boxes_scores_classes(
    outputs: Outputs, layout: BoxesScoresClasses, spec: DetectorSpec, fit: Fit
) -> Candidates:
    boxes = _named(outputs, layout.boxes)
    scores = _named(outputs, layout.scores)
    _want(boxes.shape, (None, 4), layout.boxes, "(batch, objects, 4)", spec)
    n = len(boxes)
    if layout.count:
        n = max(0, min(n, int(_named(outputs, layout.count).reshape(-1)[0])))
    corners = _xyxy(boxes.astype(np.float32)[:n], layout.box, layout.normalised, fit)
    if layout.classes:
        numbers = _named(outputs, layout.classes)
        _want(scores.shape, (len(boxes),), layout.scores, "(batch, objects)", spec)
        _want(numbers.shape, (len(boxes),), layout.classes, "(batch, objects)", spec)
        if not np.isfinite(numbers[:n].astype(np.float64)).all():
            raise Unfit(f"output {layout.classes!r} holds numbers that are no class")
        classes = np.rint(numbers[:n]).astype(np.int64) + layout.class_offset
        found = Candidates(corners, activate(scores[:n].astype(np.float32), layout.activation), classes)
        keep = np.ones(n, bool) if spec.background is None else np.asarray(classes != spec.background, bool)
    else:
        wide = spec.n_classes
        if scores.shape == (wide, len(boxes)) and scores.shape != (len(boxes), wide):
            scores = scores.T
        _want(scores.shape, (len(boxes), wide), layout.scores, "(batch, objects, classes)", spec)
        found = _best(corners, activate(scores[:n].astype(np.float32), layout.activation), spec)
        keep = np.ones(n, bool)
    if layout.masks:
        masks = _named(outputs, layout.masks)
        masks = masks[:, 0] if masks.ndim == 4 and masks.shape[1] == 1 else masks
        _want(masks.shape, (len(boxes), None, None), layout.masks, "(batch, objects, 1, height, width)", spec)
        found.masks = masks[:n]
    return found.only(keep)


def _rows(outputs: Outputs, layout: Rows, spec: DetectorSpec, fit: Fit) -> Candidates:
    given = _one(outputs, layout.output)
    # Some exports have one more axis of length 1: (batch, 1, objects, 7).
    given = given[0] if given.ndim == 3 and given.shape[0] == 1 else given
    expected = f"(batch, objects, {len(layout.columns)})"
    _want(given.shape, (None, len(layout.columns)), layout.output, expected, spec)
    given = given.astype(np.float32)
    at = {name: layout.columns.index(name) for name in ("x0", "y0", "x1", "y1", "score", "class")}
    boxes = _xyxy(given[:, [at["x0"], at["y0"], at["x1"], at["y1"]]], "xyxy", layout.normalised, fit)
    # Unused rows are filled with zeros, minus ones or NaN.
    real = np.isfinite(given).all(axis=1) & (given[:, at["class"]] >= 0)
    numbers = np.rint(np.where(real, given[:, at["class"]], 0)).astype(np.int64)
    return Candidates(boxes, given[:, at["score"]], numbers).only(real)


def _gfl(outputs: Outputs, layout: Gfl, spec: DetectorSpec, fit: Fit) -> Candidates:
    bins = layout.reg_max + 1
    cells = [_cells(fit, stride) for stride in layout.strides]
    if layout.output:
        joined = _one(outputs, layout.output)
        wide = spec.n_classes + 4 * bins
        expected = "(batch, cells of all strides, classes + 4 * (reg_max + 1))"
        _want(joined.shape, (sum(len(c) for c in cells), wide), layout.output, expected, spec)
        ends = np.cumsum([len(c) for c in cells])[:-1]
        levels = [(part[:, : spec.n_classes], part[:, spec.n_classes :]) for part in np.split(joined, ends)]
    else:
        levels = []
        for name_s, name_d, centres in zip(layout.scores, layout.distances, cells, strict=True):
            scores, distances = _named(outputs, name_s), _named(outputs, name_d)
            _want(scores.shape, (len(centres), spec.n_classes), name_s, "(batch, cells, classes)", spec)
            _want(
                distances.shape, (len(centres), 4 * bins), name_d, "(batch, cells, 4 * (reg_max + 1))", spec
            )
            levels.append((scores, distances))
    scores = np.concatenate([level[0] for level in levels]).astype(np.float32)
    distances = np.concatenate([level[1] for level in levels]).astype(np.float32)
    is_raw = scores.size > 0 and (float(scores.min()) < 0 or float(scores.max()) > 1)
    if layout.activation == "sigmoid" or (layout.activation == "auto" and is_raw):
        scores = activate(scores, "sigmoid")
    centres = np.concatenate(
        [grid + stride * layout.cell_offset for grid, stride in zip(cells, layout.strides, strict=True)]
    )
    strides = np.concatenate(
        [np.full(len(c), s, np.float32) for c, s in zip(cells, layout.strides, strict=True)]
    )
    best = _best(np.zeros((len(scores), 4), np.float32), scores, spec)
    # The expectation is only worked out where something may be.
    keep = np.flatnonzero(best.scores >= spec.score_threshold)
    shares = activate(distances[keep].reshape(-1, 4, bins), "softmax")
    sides = (shares @ np.arange(bins, dtype=np.float32)) * strides[keep, None]
    middle = centres[keep]
    corners = np.concatenate([middle - sides[:, :2], middle + sides[:, 2:]], axis=1)
    return Candidates(corners, best.scores[keep], best.classes[keep])


def _cells(fit: Fit, stride: int) -> Array:
    """Corners (x, y) of the cells of a grid over the input, row by row."""
    width, height = (-(-side // stride) for side in fit.size)
    ys, xs = np.mgrid[:height, :width]
    return np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float32) * stride


def _logits(given: Array, layout: LogitsMap, spec: DetectorSpec) -> Array:
    if layout.axis == "channels_last":
        _want(
            given.shape, (None, None, spec.n_classes), layout.output, "(batch, height, width, classes)", spec
        )
        given = given.transpose(2, 0, 1) if given.ndim == 3 else given
    else:
        _want(
            given.shape, (spec.n_classes, None, None), layout.output, "(batch, classes, height, width)", spec
        )
    return _sure(activate(given.astype(np.float32), layout.activation, axis=0))


# --- on the way -----------------------------------------------------------------------------------------------------


def _best(boxes: Array, scores: Array, spec: DetectorSpec) -> Candidates:
    """Each candidate with its most probable class, the background aside."""
    if spec.background is not None and 0 <= spec.background < scores.shape[1]:
        scores = scores.copy()
        scores[:, spec.background] = -1
    if not scores.shape[1]:
        raise Unfit("the description names no classes")
    # NaN would win every comparison.
    scores = np.nan_to_num(scores, nan=-1.0)
    classes = scores.argmax(axis=1)
    return Candidates(boxes, scores[np.arange(len(scores)), classes], classes)


def _objects(found: Candidates, spec: DetectorSpec, fit: Fit) -> Seen:
    """The objects that are kept, measured in the picture and cut off at its edges."""
    good = (found.scores >= spec.score_threshold) & np.isfinite(found.boxes).all(axis=1)
    found = found.only(np.flatnonzero(good))
    found.scores = _sure(found.scores)
    order = np.argsort(-found.scores, kind="stable")
    overlap = getattr(spec.output, "nms_iou", None)
    if overlap is not None:
        kept = suppress(found.boxes, found.scores, found.classes, overlap, order[:MOST_CANDIDATES])
        order = np.asarray(kept, np.intp)
    width, height = fit.picture
    corners = fit.to_picture(found.boxes)
    corners = np.clip(corners, 0, (width, height, width, height))
    objects: list[Found] = []
    cut = 0
    for at in order.tolist():
        x0, y0, x1, y1 = (float(c) for c in corners[at])
        if x1 <= x0 or y1 <= y0:
            # Nothing of it is in the picture.
            continue
        if len(objects) == spec.max_objects:
            cut += 1
            continue
        box = Box(x=x0, y=y0, width=x1 - x0, height=y1 - y0)
        shape = maps.mask_of(_mask_values(found, at), fit, box) if spec.task == "segment_instance" else box
        if shape is not None:
            objects.append(
                Found(class_number=int(found.classes[at]), score=float(found.scores[at]), shape=shape)
            )
    return Seen(objects=tuple(objects), cut=cut)


def _mask_values(found: Candidates, at: int) -> Array:
    """Probabilities over the input of one object's mask."""
    if found.coefficients is not None and found.prototypes is not None:
        wide, high = found.prototypes.shape[0], found.prototypes.shape[1:]
        flat = found.coefficients[at] @ found.prototypes.reshape(wide, -1).astype(np.float32)
        return activate(flat.reshape(high), "sigmoid")
    assert found.masks is not None
    return np.asarray(found.masks[at], np.float32)


def suppress(boxes: Array, scores: Array, classes: Array, overlap: float, order: Array) -> list[int]:
    """Greedy suppression per class: the places of the boxes that stay, surest first.

    Args:
        boxes: (n, 4) as x0, y0, x1, y1.
        scores: (n,).
        classes: (n,); boxes of different classes never suppress each other.
        overlap: A box goes when its IoU with a surer one of its class is greater.
        order: Places to look at, by falling score.
    """
    areas = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    kept: list[int] = []
    left = np.asarray(order, np.intp)
    while left.size:
        at, left = int(left[0]), left[1:]
        kept.append(at)
        low = np.maximum(boxes[at, :2], boxes[left, :2])
        high = np.minimum(boxes[at, 2:], boxes[left, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = np.maximum(areas[at] + areas[left] - shared, 1e-9)
        left = left[(shared / union <= overlap) | (classes[left] != classes[at])]
    return kept


def activate(values: Array, how: str, axis: int = -1) -> Array:
    """Probabilities from scores."""
    if how == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * values.astype(np.float32))))
    if how == "softmax":
        raised = np.exp(values.astype(np.float32) - values.max(axis=axis, keepdims=True, initial=-np.inf))
        return np.asarray(raised / raised.sum(axis=axis, keepdims=True))
    return values.astype(np.float32, copy=False)


def _sure(scores: Array) -> Array:
    """Scores that are probabilities, rounding apart.

    Raises:
        Unfit: They are none.
    """
    if scores.size and not (float(scores.min()) >= -1e-3 and float(scores.max()) <= 1 + 1e-3):
        raise Unfit(
            f"scores from {float(scores.min()):.3g} to {float(scores.max()):.3g} are no probabilities: set activation"
        )
    return np.asarray(np.clip(scores, 0, 1))


def _xyxy(boxes: Array, kind: str, normalised: bool, fit: Fit) -> Array:
    """Boxes (n, 4) of any kind as x0, y0, x1, y1 in input pixels."""
    a, b, c, d = (boxes[:, n] for n in range(4))
    match kind:
        case "cxcywh":
            corners = np.stack([a - c / 2, b - d / 2, a + c / 2, b + d / 2], axis=1)
        case "xywh":
            corners = np.stack([a, b, a + c, b + d], axis=1)
        case "yxyx":
            corners = np.stack([b, a, d, c], axis=1)
        case _:
            corners = boxes
    width, height = fit.size
    return corners * np.array([width, height, width, height], np.float32) if normalised else corners


def _one(outputs: Outputs, name: str) -> Array:
    """The output of this name, or the only one."""
    if not name and len(outputs) == 1:
        return next(iter(outputs.values()))
    return _named(outputs, name)


def _named(outputs: Outputs, name: str) -> Array:
    if name not in outputs:
        raise Unfit(f"there is no output {name!r}; the model has {', '.join(outputs)}")
    return outputs[name]


def _want(
    shape: tuple[int, ...], wanted: tuple[int | None, ...], name: str, expected: str, spec: DetectorSpec
) -> None:
    fits = len(shape) == len(wanted) and all(w is None or w == s for w, s in zip(wanted, shape, strict=True))
    if not fits:
        needed = ", ".join("?" if each is None else str(each) for each in wanted)
        raise Unfit(
            _said(name, shape, expected)
            + f", which for {spec.n_classes} classes is ({needed}) for each picture{_guess(shape, spec)}"
        )


def _said(name: str, shape: tuple[int, ...], expected: str) -> str:
    given = ", ".join(map(str, shape))
    return f"output {name or 'of the model'} is ({given}) for each picture; this layout expects {expected}"


def _guess(shape: tuple[int, ...], spec: DetectorSpec) -> str:
    """What the shape looks like instead."""
    if isinstance(spec.output, Yolo) and len(shape) == 2:
        low = min(shape)
        if spec.output.version == "v8" and shape[1] == 5 + spec.n_classes:
            return "; it looks like version: v5"
        if spec.output.version == "v5" and shape[0] == 4 + spec.n_classes:
            return "; it looks like version: v8"
        if low == 6 or shape[1] == 6:
            return "; it looks like layout: rows"
        return f"; {low - 4 if spec.output.version == 'v8' else low - 5} classes would fit" if low > 5 else ""
    return ""
