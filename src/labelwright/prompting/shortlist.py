"""Which labels of a very large set are listed with a text.

Hides the choice: above `MAX_LISTED` labels, the prompt names only those that share the most telling words with the
text, in their own names, definitions, synonyms and the labels above them. Any other label may still be answered.
"""

import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache

from labelwright.core.ontology import ChoiceQuestion, Label, LabelledQuestion

MAX_LISTED = 250
"""Up to this many labels are all listed, in the constant part of the prompt."""

SHORTLIST = 200
"""How many are listed with each text where there are more."""

_WORD = re.compile(r"\w+")
_STEM = 4


def is_long(question: LabelledQuestion) -> bool:
    """Whether the labels are listed with each text instead of in the constant part."""
    return len(labels_of(question)) > MAX_LISTED


def labels_of(question: LabelledQuestion) -> tuple[Label, ...]:
    """The labels a model can answer with."""
    return question.choosable if isinstance(question, ChoiceQuestion) else question.active_labels


def shortlist(question: LabelledQuestion, text: str) -> list[Label]:
    """The labels most like the text, in the order of the question."""
    labels, weights = _index(question)
    here = set(_features(text))
    scores = [sum(weight for feature, weight in features.items() if feature in here) for features in weights]
    ranked = sorted(range(len(labels)), key=lambda n: (-scores[n], n))
    return [labels[n] for n in sorted(ranked[:SHORTLIST])]


@lru_cache(maxsize=16)
def _index(question: LabelledQuestion) -> tuple[tuple[Label, ...], list[dict[str, float]]]:
    """Per label its features with their weights, of length 1 together."""
    labels, shown = labels_of(question), question.shown_names
    counted = [
        Counter(_features(" ".join((shown[label.id], label.name, *label.synonyms, label.definition))))
        for label in labels
    ]
    frequency = Counter(feature for features in counted for feature in features)
    weights: list[dict[str, float]] = []
    for features in counted:
        raw = {f: n * math.log((1 + len(labels)) / (1 + frequency[f])) for f, n in features.items()}
        # Long definitions share words by chance: half of the usual normalisation.
        length = math.sqrt(math.sqrt(sum(w * w for w in raw.values()))) or 1.0
        weights.append({f: w / length for f, w in raw.items()})
    return labels, weights


def _features(text: str) -> list[str]:
    """Words, and the beginnings of long ones, so that `banking` finds `banks`."""
    words = [word for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()) if len(word) > 1]
    return words + [f"{word[:_STEM]}*" for word in words if len(word) >= _STEM]
