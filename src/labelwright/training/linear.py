"""Multinomial logistic regression over sparse hashed features, kept as plain arrays.

Hides scikit-learn: it is imported only when something is trained or predicted. Only columns that occur in training are
kept, so a model is small; probabilities are calibrated by one temperature.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.training.arrays import Arrays

Floats = NDArray[np.float64]
MIN_TO_CALIBRATE = 25
CALIBRATED_ON = 1_500
STRENGTH = 10.0
"""Inverse regularisation."""
NEVER = -25.0
"""A bias below this marks a class without examples."""
PULLS = (0.0, 0.5, 1.0)
FEW_PER_CLASS = 10


@dataclass(frozen=True)
class Linear:
    """A trained model.

    Attributes:
        columns: int64 (n,), sorted: hashed feature numbers that occurred in training.
        scale: float32 (n,): inverse document frequency, or ones.
        weights: float32 (classes, n).
        bias: float32 (classes,).
        temperature: Logits are divided by it; above 1 the raw model was over-confident.
        unseen: Probability, in [0, 1], that the right class is one without any example; shared out among these.
    """

    columns: NDArray[np.int64]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    unseen: float = 0.0

    def probabilities(self, features: Any) -> Floats:
        """Probabilities (rows, classes); each row sums to 1."""
        used = _prepared(features[:, self.columns], self.scale)
        found = softmax((used @ self.weights.T + self.bias) / self.temperature)
        if self.unseen:
            missing = self.bias <= NEVER
            found = (1 - self.unseen) * found + self.unseen * missing / missing.sum()
        return found

    def arrays(self, prefix: str) -> Arrays:
        """The model as named arrays."""
        return {
            f"{prefix}columns": self.columns,
            f"{prefix}scale": self.scale,
            f"{prefix}weights": self.weights,
            f"{prefix}bias": self.bias,
            f"{prefix}temperature": np.array([self.temperature, self.unseen]),
        }

    @classmethod
    def of(cls, arrays: Arrays, prefix: str) -> "Linear":
        """A model from named arrays."""
        return cls(
            columns=arrays[f"{prefix}columns"],
            scale=arrays[f"{prefix}scale"],
            weights=arrays[f"{prefix}weights"],
            bias=arrays[f"{prefix}bias"],
            temperature=float(arrays[f"{prefix}temperature"][0]),
            unseen=float(arrays[f"{prefix}temperature"][1]),
        )


def softmax(logits: Any) -> Floats:
    """Row-wise softmax in double precision."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    found: Floats = exponents / exponents.sum(axis=1, keepdims=True)
    return found


def _prepared(features: Any, scale: NDArray[np.float32]) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(features.multiply(scale).tocsr())


def fit(
    features: Any, classes: NDArray[np.int64], n_classes: int, seed: int, *, calibrate: bool = True
) -> Linear:
    """Train.

    Columns are scaled by inverse document frequency, and rare classes weigh as much as frequent ones while fitting,
    which matters most while there are few answers; the calibration puts the frequencies back as far as they help.

    Args:
        features: Sparse (rows, hashed columns), non-negative; a row is a text.
        classes: (rows,) class numbers; at least two different ones.
        n_classes: How many classes there are; those without an example share what the Good-Turing estimate gives them.
        seed: Of the folds for calibration.
        calibrate: Off to save time.
    """
    columns = np.unique(features.indices).astype(np.int64)
    if columns.size == 0:
        # Empty texts only: an empty column, so that the frequencies of the classes are learned all the same.
        columns = np.zeros(1, dtype=np.int64)
    used = features[:, columns]
    rows_with = np.bincount(used.indices, minlength=len(columns))
    scale = (np.log((1 + used.shape[0]) / (1 + rows_with)) + 1).astype(np.float32)
    prepared = _prepared(used, scale)
    weights, bias = _solve(prepared, classes, n_classes)
    temperature, pull = _calibration(prepared, classes, n_classes, seed) if calibrate else (1.0, 0.0)
    counts = np.bincount(classes, minlength=n_classes)
    bias[counts > 0] += (pull * temperature * _prior(counts)[counts > 0]).astype(np.float32)
    unseen = float((counts == 1).sum() / len(classes)) if (counts == 0).any() else 0.0
    return Linear(columns, scale, weights, bias, temperature, min(unseen, 0.9))


def _prior(counts: NDArray[np.int64]) -> Floats:
    """Log share of each class, 0 on average over the classes that occur."""
    found = np.log(np.maximum(counts, 1) / max(counts.sum(), 1))
    centred: Floats = np.where(counts > 0, found - found[counts > 0].mean(), 0.0)
    return centred


def _solve(
    prepared: Any, classes: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    import warnings

    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=STRENGTH, max_iter=60, tol=1e-3, class_weight="balanced")
    with warnings.catch_warnings():
        # A model that stopped a little early is good enough and is calibrated afterwards; one example per class is
        # where everybody starts.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(prepared, classes)
    seen = model.classes_.astype(int)
    coefficients, intercept = model.coef_, model.intercept_
    if len(seen) == 2:
        # scikit-learn keeps one row for two classes; as two rows their softmax is the same probability.
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercept = np.array([-intercept[0], intercept[0]]) / 2
    weights = np.zeros((n_classes, prepared.shape[1]), dtype=np.float32)
    bias = np.full(n_classes, NEVER * 2, dtype=np.float32)
    weights[seen], bias[seen] = coefficients, intercept
    return weights, bias


def _calibration(prepared: Any, classes: NDArray[np.int64], n_classes: int, seed: int) -> tuple[float, float]:
    """(temperature, pull towards frequent classes) that fit held-out folds best, with a weak preference for (1, 0)."""
    from sklearn.model_selection import KFold

    if prepared.shape[0] > CALIBRATED_ON:
        # Many more rows would make training several times longer and change the two numbers little.
        rows = np.sort(np.random.default_rng(seed).permutation(prepared.shape[0])[:CALIBRATED_ON])
        prepared, classes = prepared[rows], classes[rows]
    n = prepared.shape[0]
    if n < MIN_TO_CALIBRATE:
        return 1.0, 0.0
    logits = np.zeros((n, n_classes))
    known = np.zeros(n, dtype=bool)
    for train_rows, test_rows in KFold(5 if n < 500 else 3, shuffle=True, random_state=seed).split(prepared):
        if len(np.unique(classes[train_rows])) < 2:
            return 1.0, 0.0
        weights, bias = _solve(prepared[train_rows], classes[train_rows], n_classes)
        logits[test_rows] = prepared[test_rows] @ weights.T + bias
        known[test_rows] = bias[classes[test_rows]] > NEVER
    if not known.any():
        return 1.0, 0.0
    logits, right = logits[known], classes[known]
    counts = np.bincount(classes, minlength=n_classes)
    prior = _prior(counts)
    # Held-out classes with one example were left out above, so with few examples the pull would look too good.
    pulls = PULLS if n >= FEW_PER_CLASS * (counts > 0).sum() else PULLS[:1]
    ways = [(float(t), pull) for t in np.exp(np.linspace(np.log(0.2), np.log(6.0), 40)) for pull in pulls]
    losses = [
        -np.log(softmax(logits / t + pull * prior)[np.arange(len(right)), right] + 1e-12).sum()
        + 0.5 * np.log(t) ** 2
        + 0.5 * pull
        for t, pull in ways
    ]
    return ways[int(np.argmin(losses))]
