"""Text classifier: single choice, multiple choice, ratings and yes / no, all over the same hashed n-grams."""

from collections.abc import Sequence
from typing import Any

import numpy as np

HASHED = 2**18
LONG_TEXT = 200
"""Above this mean length words say enough, and character n-grams would only cost time."""


class TextFeatures:
    """Words and word pairs; character n-grams too where texts are short or written without spaces."""

    def __init__(self, *, characters: bool) -> None:
        """Whether character n-grams are used was decided when the model was trained."""
        self.characters = characters

    @classmethod
    def for_texts(cls, texts: Sequence[str]) -> "TextFeatures":
        """Decide by the training texts."""
        length = sum(map(len, texts)) / max(len(texts), 1)
        spaces = sum(text.count(" ") for text in texts) / max(sum(map(len, texts)), 1)
        return cls(characters=length < LONG_TEXT or spaces < 0.05)

    def __call__(self, texts: Sequence[str]) -> Any:
        """Sparse counts (texts, HASHED or twice as many), damped by the logarithm."""
        from scipy import sparse
        from sklearn.feature_extraction.text import HashingVectorizer

        # Half of a surrogate pair cannot be encoded for hashing.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        options: dict[str, Any] = {
            "n_features": HASHED,
            "alternate_sign": False,
            "norm": None,
            "dtype": np.float32,
        }
        words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+|[!?]", **options)  # noqa: S106
        found = words.transform(clean)
        if self.characters:
            grams = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), **options)
            found = sparse.hstack([found, grams.transform([text[:2_000] for text in clean])])
        found = found.tocsr()
        found.data = np.log1p(found.data)
        return found
