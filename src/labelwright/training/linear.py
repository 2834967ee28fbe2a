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


@dataclass(frozen=True)
class Linear:
    """A trained model.

    Attributes:
        columns: int64 (n,), sorted: hashed feature numbers that occurred in training.
        scale: float32 (n,): inverse document frequency, or ones.
        weights: float32 (classes, n).
        bias: float32 (classes,).
        temperature: Logits are divided by it; above 1 the raw model was over-confident.
    """

    columns: NDArray[np.int64]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float

    def probabilities(self, features: Any) -> Floats:
        """Probabilities (rows, classes); each row sums to 1."""
        used = _prepared(features[:, self.columns], self.scale)
        return softmax((used @ self.weights.T + self.bias) / self.temperature)

    def arrays(self, prefix: str) -> Arrays:
        """The model as named arrays."""
        return {
            f"{prefix}columns": self.columns,
            f"{prefix}scale": self.scale,
            f"{prefix}weights": self.weights,
            f"{prefix}bias": self.bias,
            f"{prefix}temperature": np.array([self.temperature]),
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
    features: Any,
    classes: NDArray[np.int64],
    n_classes: int,
    seed: int,
    *,
    strength: float,
    for_texts: bool,
) -> Linear:
    """Train.

    Args:
        features: Sparse (rows, hashed columns), non-negative.
        classes: (rows,) class numbers; at least two different ones.
        n_classes: How many classes there are; those without an example get no probability.
        seed: Of the folds for calibration.
        strength: Inverse regularisation.
        for_texts: Rows are whole texts: columns are scaled by inverse document frequency and rare classes weigh as
            much as frequent ones, which matters most while there are few labels.
    """
    columns = np.unique(features.indices).astype(np.int64)
    used = features[:, columns]
    scale = np.ones(len(columns), dtype=np.float32)
    if for_texts:
        rows_with = np.bincount(used.indices, minlength=len(columns))
        scale = (np.log((1 + used.shape[0]) / (1 + rows_with)) + 1).astype(np.float32)
    prepared = _prepared(used, scale)
    weights, bias = _solve(prepared, classes, n_classes, strength, balanced=for_texts)
    temperature = _temperature(prepared, classes, n_classes, strength, seed, balanced=for_texts)
    return Linear(columns, scale, weights, bias, temperature)


def _solve(
    prepared: Any, classes: NDArray[np.int64], n_classes: int, strength: float, *, balanced: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=strength, max_iter=60, tol=1e-3, class_weight="balanced" if balanced else None
    )
    with warnings.catch_warnings():
        # A model that stopped a little early is good enough and is calibrated afterwards.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(prepared, classes)
    seen = model.classes_.astype(int)
    coefficients, intercept = model.coef_, model.intercept_
    if len(seen) == 2:
        # scikit-learn keeps one row for two classes; as two rows their softmax is the same probability.
        coefficients, intercept = (
            np.vstack([-coefficients, coefficients]) / 2,
            np.array([-intercept[0], intercept[0]]) / 2,
        )
    weights = np.zeros((n_classes, prepared.shape[1]), dtype=np.float32)
    bias = np.full(n_classes, -50.0, dtype=np.float32)
    weights[seen], bias[seen] = coefficients, intercept
    return weights, bias


def _temperature(
    prepared: Any, classes: NDArray[np.int64], n_classes: int, strength: float, seed: int, *, balanced: bool
) -> float:
    """The temperature that fits held-out folds best, with a weak pull to 1; 1 when there is too little to tell."""
    from sklearn.model_selection import KFold

    n = prepared.shape[0]
    if n < MIN_TO_CALIBRATE or n > 20_000:
        return 1.0
    logits = np.zeros((n, n_classes))
    known = np.zeros(n, dtype=bool)
    for train_rows, test_rows in KFold(3, shuffle=True, random_state=seed).split(prepared):
        if len(np.unique(classes[train_rows])) < 2:
            return 1.0
        weights, bias = _solve(
            prepared[train_rows], classes[train_rows], n_classes, strength, balanced=balanced
        )
        logits[test_rows] = prepared[test_rows] @ weights.T + bias
        known[test_rows] = bias[classes[test_rows]] > -49
    if not known.any():
        return 1.0
    logits, right = logits[known], classes[known]
    grid = np.exp(np.linspace(np.log(0.15), np.log(6.0), 60))
    losses = [
        -np.log(softmax(logits / t)[np.arange(len(right)), right] + 1e-12).sum() + 0.5 * np.log(t) ** 2
        for t in grid
    ]
    return float(grid[int(np.argmin(losses))])
