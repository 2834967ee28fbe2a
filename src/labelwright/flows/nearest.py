"""How alike reviewed texts are to a text, without any model or network: overlap of character pieces, weighted.

Hides the vectors (TF-IDF over character n-grams of 3 to 5, within words).
"""

from collections.abc import Callable, Sequence

from labelwright.core.fewshot import Correction, Likeness

_MOST_CHARACTERS = 20_000


def likeness_to(corrections: Sequence[Correction]) -> Callable[[str], Likeness]:
    """A function `text -> Likeness` over these corrections; the vectors are made once. Deterministic."""
    pool = sorted(corrections, key=lambda c: c.annotation_id)
    ids = [c.annotation_id for c in pool]
    place = {each: i for i, each in enumerate(ids)}
    nothing = Likeness(dict.fromkeys(ids, 0.0), lambda _one, _other: 0.0)
    if not pool:
        return lambda _text: nothing
    # Imported late: a process that never needs it starts half a second sooner.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=200_000
    )
    try:
        known = vectorizer.fit_transform([c.text[:_MOST_CHARACTERS] for c in pool])
    except ValueError:
        # Not a single piece of three characters in any text.
        return lambda _text: nothing

    def between(one: str, other: str) -> float:
        return float(known[place[one]].multiply(known[place[other]]).sum())

    def like(text: str) -> Likeness:
        found = (known @ vectorizer.transform([text[:_MOST_CHARACTERS]]).T).toarray().ravel()
        return Likeness(dict(zip(ids, map(float, found), strict=True)), between)

    return like
