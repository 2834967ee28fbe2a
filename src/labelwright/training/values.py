"""Models of questions that are answered with labels, yes / no or a number, all over the same text features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer
from labelwright.core.ontology import ChoiceQuestion, ScalarQuestion
from labelwright.core.predictor import Confidence
from labelwright.training.arrays import Arrays
from labelwright.training.linear import Floats, Linear, fit

MAX_VALUES = 12
"""Numbers with more different values than this are learned as ranges."""
RANGES = 10
MANY_LABELS = 40
"""With more labels than this a multiple choice is not calibrated label by label: that would take minutes."""
Given = tuple[Answer, Confidence]


@dataclass(frozen=True)
class OneOf:
    """One value out of several: a label, a yes / no, a rating."""

    kind: str  # choice | scalar
    values: list[Any]
    model: Linear

    def read(self, features: Any) -> list[Given]:
        """The most probable value of each text."""
        found: list[Given] = []
        for row in self.model.probabilities(features):
            best = int(row.argmax())
            value = self.values[best]
            answer: Answer = (
                ChoiceAnswer(labels=(value,)) if self.kind == "choice" else ScalarAnswer(value=value)
            )
            found.append((answer, _confidence(float(row[best]), self.values, row)))
        return found

    def save(self, prefix: str) -> tuple[dict[str, Any], Arrays]:
        """As JSON and named arrays."""
        return {"is": "one_of", "kind": self.kind, "values": self.values}, self.model.arrays(prefix)

    @classmethod
    def of(cls, body: dict[str, Any], arrays: Arrays, prefix: str) -> "OneOf":
        """What `save` wrote."""
        return cls(body["kind"], body["values"], Linear.of(arrays, prefix))


@dataclass(frozen=True)
class AnyOf:
    """Any number of labels: one yes / no model per label that was sometimes chosen and sometimes not.

    The confidence is that of the least sure label. A label that was always (or never) chosen stays so.
    """

    labels: list[str]
    models: list[Linear | None]
    always: list[bool]

    def read(self, features: Any) -> list[Given]:
        """The labels that are more probable than not, of each text."""
        n = features.shape[0]
        chances = np.stack(
            [
                m.probabilities(features)[:, 1] if m is not None else np.full(n, float(always))
                for m, always in zip(self.models, self.always, strict=True)
            ],
            axis=1,
        )
        learned = [i for i, model in enumerate(self.models) if model is not None]
        found: list[Given] = []
        for row in chances:
            labels = tuple(label for label, p in zip(self.labels, row, strict=True) if p >= 0.5)
            sure = float(np.maximum(row, 1 - row)[learned].min())
            found.append((ChoiceAnswer(labels=labels), _confidence(sure, self.labels, row)))
        return found

    def save(self, prefix: str) -> tuple[dict[str, Any], Arrays]:
        """As JSON and named arrays."""
        arrays: Arrays = {}
        for k, model in enumerate(self.models):
            arrays |= model.arrays(f"{prefix}{k}/") if model is not None else {}
        known = [model is not None for model in self.models]
        return {"is": "any_of", "labels": self.labels, "known": known, "always": self.always}, arrays

    @classmethod
    def of(cls, body: dict[str, Any], arrays: Arrays, prefix: str) -> "AnyOf":
        """What `save` wrote."""
        models = [
            Linear.of(arrays, f"{prefix}{k}/") if known else None for k, known in enumerate(body["known"])
        ]
        return cls(body["labels"], models, body["always"])


@dataclass(frozen=True)
class Amount:
    """A number with many values: ranges that hold equally many answers are told apart.

    The answer is the mean over the ranges, weighted by their probability; the confidence is the probability that the
    number lies in the answer's range or one beside it.
    """

    means: list[float]
    whole: bool
    model: Linear

    def read(self, features: Any) -> list[Given]:
        """The expected number of each text."""
        means = np.array(self.means)
        found: list[Given] = []
        for row in self.model.probabilities(features):
            value = float(row @ means)
            nearest = int(np.abs(means - value).argmin())
            sure = float(row[max(nearest - 1, 0) : nearest + 2].sum())
            answer = ScalarAnswer(value=round(value) if self.whole else value)
            found.append((answer, Confidence(value=unit(sure), scorer="classifier")))
        return found

    def save(self, prefix: str) -> tuple[dict[str, Any], Arrays]:
        """As JSON and named arrays."""
        return {"is": "amount", "means": self.means, "whole": self.whole}, self.model.arrays(prefix)

    @classmethod
    def of(cls, body: dict[str, Any], arrays: Arrays, prefix: str) -> "Amount":
        """What `save` wrote."""
        return cls(body["means"], body["whole"], Linear.of(arrays, prefix))


def unit(value: float) -> float:
    """Into [0, 1]: sums of probabilities may miss it by a rounding error."""
    return float(min(max(value, 0.0), 1.0))


def _confidence(value: float, names: Sequence[Any], chances: Floats) -> Confidence:
    spread = {str(name): unit(p) for name, p in zip(names, chances, strict=True)}
    return Confidence(value=unit(value), scorer="classifier", distribution=spread)


def train_choice(
    question: ChoiceQuestion, features: Any, answers: Sequence[Answers], seed: int
) -> OneOf | AnyOf | None:
    """A model of a choice; None unless there are at least two different answers to learn from."""
    found = [
        (i, a.labels)
        for i, each in enumerate(answers)
        if isinstance(a := each.get(question.id), ChoiceAnswer)
    ]
    labels = [label.id for label in question.choosable]
    if question.multiple:
        return _train_any(labels, features, found, seed)
    found = [(i, given) for i, given in found if len(given) == 1 and given[0] in labels]
    if len({given for _, given in found}) < 2:
        return None
    at = {label: n for n, label in enumerate(labels)}
    classes = np.array([at[given[0]] for _, given in found], dtype=np.int64)
    return OneOf("choice", labels, fit(features[[i for i, _ in found]], classes, len(labels), seed))


def _train_any(
    labels: list[str], features: Any, found: Sequence[tuple[int, tuple[str, ...]]], seed: int
) -> AnyOf | None:
    if not found:
        return None
    used = features[[i for i, _ in found]]
    models: list[Linear | None] = []
    always: list[bool] = []
    for label in labels:
        yes: NDArray[np.int64] = np.array([label in given for _, given in found], dtype=np.int64)
        learnable = bool(0 < yes.sum() < len(yes))
        calibrate = len(labels) <= MANY_LABELS
        models.append(fit(used, yes, 2, seed, calibrate=calibrate) if learnable else None)
        always.append(bool(yes.all()))
    return AnyOf(labels, models, always) if any(models) else None


def train_scalar(
    question: ScalarQuestion, features: Any, answers: Sequence[Answers], seed: int
) -> OneOf | Amount | None:
    """A model of a number or a yes / no; None unless there are at least two different answers to learn from."""
    found = [
        (i, a.value)
        for i, each in enumerate(answers)
        if isinstance(a := each.get(question.id), ScalarAnswer) and _is_allowed(question, a.value)
    ]
    values = sorted({value for _, value in found})
    if len(values) < 2:
        return None
    rows = features[[i for i, _ in found]]
    if len(values) <= MAX_VALUES:
        at = {value: n for n, value in enumerate(values)}
        classes = np.array([at[value] for _, value in found], dtype=np.int64)
        return OneOf("scalar", list(values), fit(rows, classes, len(values), seed))
    given = np.array([float(value) for _, value in found])
    borders = np.unique(np.quantile(given, np.linspace(0, 1, RANGES + 1)[1:-1]))
    ranges = np.searchsorted(borders, given, side="right")
    present, classes = np.unique(ranges, return_inverse=True)
    if len(present) < 2:
        return None
    means = [float(given[classes == n].mean()) for n in range(len(present))]
    return Amount(means, question.type == "integer", fit(rows, classes.astype(np.int64), len(present), seed))


def _is_allowed(question: ScalarQuestion, value: bool | float) -> bool:
    """Whether the value still fits: bounds and type may have changed since it was given."""
    if isinstance(value, bool) or question.type == "boolean":
        return isinstance(value, bool) and question.type == "boolean"
    if question.type == "integer" and value != int(value):
        return False
    return (question.minimum is None or value >= question.minimum) and (
        question.maximum is None or value <= question.maximum
    )
