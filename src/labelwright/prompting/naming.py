"""From what a model called a label, or a question, back to the thing itself.

Hides how names are compared: case, separators, wrapping quotes and Markdown do not matter, synonyms and ids count,
and a near match is taken only when exactly one label is meant and nothing but spelling differs.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz, process

from labelwright.core.ontology import PATH_SEPARATOR, Label, LabelledQuestion

ABSTAIN = "__none__"
"""What a model writes when no label of a single choice fits."""

_ABSTAINED = frozenset(
    {
        "", "none", "null", "nil", "na", "n a", "nan", "none of these", "none of them", "none of the above", "no label",
        "unknown", "uncertain", "unclear", "unsure", "i don t know", "i do not know", "abstain", "cannot tell", "neither",
        "not applicable", "no answer",
    }
)  # fmt: skip
_NO_LABEL = re.compile(
    r"(?:there is )?(?:no|none of the)(?: \w+){0,3} (?:label|labels|code|category|class|type|match|fits|applies)"
)
_SEPARATORS = re.compile(r"[\s\W_]+")
_NEGATIONS = ("un", "in", "im", "ir", "il", "non", "not", "no", "dis", "anti", "mis", "a", "de", "ab")
_DENIALS = frozenset(
    {
        "not",
        "no",
        "non",
        "never",
        "without",
        "negative",
        "positive",
        "decrease",
        "increase",
        "low",
        "high",
        "anti",
        "un",
    }
)
_MIN_FUZZY_RATIO = 88.0
_MIN_FUZZY_LEAD = 4.0
_MIN_FUZZY_LENGTH = 5
_MAX_FUZZY_LENGTH = 300


def normalised(name: str) -> str:
    """The form in which names are compared: NFKC, case folded, everything but letters, digits and marks one space.

    Names made of symbols only (`+`, `-`, `C++` against `C`) keep their symbols.
    """
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    words = _SEPARATORS.sub(" ", folded).strip()
    symbols = "".join(c for c in folded if c in "+#<>=!?%&@$€*")
    return f"{words} {symbols}".strip() if symbols.strip("*") else words


@dataclass(frozen=True, slots=True)
class Match:
    """What a name was found to mean: one label, none, or the reason why not."""

    how: Literal["same", "fuzzy", "abstained", "retired", "ambiguous", "unknown"]
    label: Label | None = None


class LabelNames:
    """Looks up the labels of one question."""

    def __init__(self, question: LabelledQuestion) -> None:
        self._exact: dict[str, Label] = {}
        self._folded: dict[str, set[str]] = {}
        self._by_id = {label.id: label for label in question.labels}
        active, shown = question.active_labels, question.shown_names
        nested = any(label.parent is not None for label in active)
        for names in (
            [(shown[label.id], label) for label in active],
            [(label.id, label) for label in active],
            [(synonym, label) for label in active for synonym in label.synonyms],
            # Of nested labels also the last name alone, and the path with other separators.
            [(name, label) for label in active for name in _short_of(label, shown)] if nested else [],
        ):
            # A name beats an id, an id beats a synonym: what the prompt showed comes first.
            folded: dict[str, set[str]] = {}
            for name, label in names:
                folded.setdefault(normalised(name), set()).add(label.id)
            for name, label in names:
                if len(folded[normalised(name)]) == 1 or not nested:
                    self._exact.setdefault(name, label)
            for name_folded, ids in folded.items():
                self._folded.setdefault(name_folded, ids)
        self._folded.pop("", None)
        self._retired = {
            normalised(n) for each in question.labels if each.retired for n in (each.name, each.id)
        }

    def find(self, said: str) -> Match:
        """What `said` means, tried from the strictest reading to the loosest."""
        said = said.strip()
        if said in self._exact:
            return Match("same", self._exact[said])
        if said == ABSTAIN:
            return Match("abstained")
        bare = said.strip("\"'`*“”‘’ \t\r\n")
        if bare in self._exact:
            return Match("same", self._exact[bare])
        folded = normalised(said[: _MAX_FUZZY_LENGTH * 4])
        match = self._folded_match(folded)
        if match is not None:
            return match
        if folded in _ABSTAINED or _NO_LABEL.fullmatch(folded):
            return Match("abstained")
        if folded in self._retired:
            return Match("retired")
        # "Sports: games and matches", "2. Sports", "Sports (sport)": the line of the prompt, copied whole.
        for piece in _pieces(said):
            if piece in self._exact:
                return Match("same", self._exact[piece])
            found = self._folded_match(normalised(piece))
            if found is not None:
                return found
        return self._near(folded)

    def mentioned(self, text: str) -> list[Label]:
        """Labels whose name or synonym stands in `text` as whole words, longest names first, none inside another."""
        folded = f" {normalised(text)} "
        found: list[Label] = []
        for name, ids in sorted(self._folded.items(), key=lambda pair: -len(pair[0])):
            if len(ids) == 1 and f" {name} " in folded:
                folded = folded.replace(f" {name} ", " \0 ")
                label = self._by_id[next(iter(ids))]
                if label not in found:
                    found.append(label)
        return found

    def _folded_match(self, folded: str) -> Match | None:
        ids = self._folded.get(folded)
        if ids is None:
            return None
        return Match("same", self._by_id[next(iter(ids))]) if len(ids) == 1 else Match("ambiguous")

    def _near(self, folded: str) -> Match:
        if not _MIN_FUZZY_LENGTH <= len(folded) <= _MAX_FUZZY_LENGTH:
            return Match("unknown")
        close = process.extract(folded, list(self._folded), scorer=fuzz.ratio, score_cutoff=80.0, limit=8)
        best: dict[str, tuple[float, str]] = {}
        for name, score, _ in close:
            for label_id in self._folded[name]:
                if score > best.get(label_id, (0.0, ""))[0]:
                    best[label_id] = (score, name)
        ranked = sorted(((score, name, label_id) for label_id, (score, name) in best.items()), reverse=True)
        if not ranked or ranked[0][0] < _MIN_FUZZY_RATIO:
            return self._part_of(folded)
        score, name, label_id = ranked[0]
        if len(ranked) > 1 and score - ranked[1][0] < _MIN_FUZZY_LEAD:
            return Match("ambiguous")
        if not _spelling_only(folded, name):
            return Match("unknown")
        return Match("fuzzy", self._by_id[label_id])

    def _part_of(self, folded: str) -> Match:
        """The only label whose name contains all of what was said, when that is most of the name."""
        whole = {
            label_id
            for name, ids in self._folded.items()
            if f" {folded} " in f" {name} " and len(folded) >= 0.5 * len(name)
            for label_id in ids
        }
        if len(folded.split()) < 2 or len(whole) != 1:
            return Match("unknown")
        label = self._by_id[whole.pop()]
        # "toxic content" is part of "not toxic content" and its opposite.
        if (set(folded.split()) ^ set(normalised(label.name).split())) & _DENIALS:
            return Match("unknown")
        return Match("fuzzy", label)


def _short_of(label: Label, shown: dict[str, str]) -> tuple[str, str]:
    return label.name, shown[label.id].replace(PATH_SEPARATOR, " ")


def _pieces(said: str) -> Iterable[str]:
    found = re.match(r"\s*(?:[-*•]|\(?\d{1,3}[.)])\s+(.+)", said, re.DOTALL)
    if found:
        yield found.group(1).strip()
    for separator in (": ", " (", " - ", " – ", " — ", "\n"):
        head, divider, _ = said.partition(separator)
        if divider and head.strip():
            yield head.strip()


def _spelling_only(one: str, other: str) -> bool:
    """Whether two near names can be the same word: numbers agree and neither denies the other."""
    if re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    left, right = one.split(), other.split()
    if (set(left) ^ set(right)) & _DENIALS:
        return False
    for a in left:
        for b in right:
            longer, shorter = (a, b) if len(a) > len(b) else (b, a)
            if longer != shorter and longer.endswith(shorter) and longer[: -len(shorter)] in _NEGATIONS:
                return False
    return True


def key_of(name: str, taken: Iterable[str], fallback: str) -> str:
    """A property name for JSON: lower-case letters, digits and `_`, at most 40 characters, not among `taken`.

    Servers differ in what they allow; this is what all of them accept.
    """
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].strip("_")
    if not any(c.isalpha() for c in key):
        key = re.sub(r"[^a-zA-Z0-9_-]+", "_", fallback)[:40]
    used = set(taken)
    base, n = key, 2
    while key in used:
        key, n = f"{base}_{n}", n + 1
    return key
