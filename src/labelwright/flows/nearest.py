"""Which reviewed texts are most like a text, without any model or network: overlap of character pieces, weighted.

Hides the vectors (TF-IDF over character n-grams of 3 to 5, within words).
"""

from collections.abc import Callable, Sequence

from labelwright.core.fewshot import Correction

_MOST_CHARACTERS = 20_000


def ranker(corrections: Sequence[Correction]) -> Callable[[str, int], list[Correction]]:
    """A function `(text, k) -> k most similar corrections, the most similar last`.

    Last, because models give most weight to the example right before the text. Equal texts are left out: they would
    hand the model the answer. Deterministic; ties go to the lower annotation id.
    """
    pool = sorted(corrections, key=lambda c: c.annotation_id)
    if not pool:
        return lambda _text, _k: []
    # Imported late: a process that never needs it starts half a second sooner.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=200_000
    )
    try:
        known = vectorizer.fit_transform([c.text[:_MOST_CHARACTERS] for c in pool])
    except ValueError:
        # Not a single piece of three characters in any text.
        return lambda text, k: [c for c in pool if c.text != text][:k]

    def rank(text: str, k: int) -> list[Correction]:
        likeness = (known @ vectorizer.transform([text[:_MOST_CHARACTERS]]).T).toarray().ravel()
        order = sorted(range(len(pool)), key=lambda i: (-likeness[i], i))
        return [pool[i] for i in order if pool[i].text != text][:k][::-1]

    return rank
