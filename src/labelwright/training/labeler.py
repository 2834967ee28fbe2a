"""One labeler for a whole ontology: each question it can learn gets a model of its own over shared features."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from labelwright.core.answer import Answer, Answers, Span, SpanAnswer
from labelwright.core.conform import is_asked
from labelwright.core.ontology import ChoiceQuestion, Ontology, Question, ScalarQuestion, SpanQuestion
from labelwright.core.predictor import Confidence, Reading
from labelwright.training import arrays as stored
from labelwright.training import tagger
from labelwright.training.classifier import TextFeatures
from labelwright.training.tagger import Tagger
from labelwright.training.values import Amount, AnyOf, Given, OneOf, train_choice, train_scalar, unit

FORMAT = 2
MAX_CHARACTERS = 20_000_000
AT_ONCE = 1_000_000
"""Texts are read in groups of about this many characters, so that memory stays bounded."""


@dataclass(frozen=True)
class Marks:
    """Spans: one tagger, or one per label where spans may overlap."""

    labels: list[str]
    taggers: list[Tagger | None]
    overlap: bool

    def read(self, texts: Sequence[str], prefix: str) -> list[Given]:
        """The spans of each text; their ids begin with `prefix`."""
        columns = [t.spans(texts) for t in self.taggers if t is not None]
        numbers = [n for n, t in enumerate(self.taggers) if t is not None]
        found: list[Given] = []
        for i in range(len(texts)):
            spans: list[Span] = []
            for number, column in zip(numbers, columns, strict=True):
                for start, end, label, p in column[i][0]:
                    k = number if self.overlap else label
                    key = f"{prefix}-{start}-{end}-{k}"
                    spans.append(Span(id=key, start=start, end=end, label=self.labels[k], score=unit(p)))
            spans.sort(key=lambda s: (s.start, s.end, s.id))
            sure = min(column[i][1] for column in columns)
            confidence = Confidence(value=unit(sure), scorer="tagger")
            found.append((SpanAnswer(spans=tuple(spans)), confidence))
        return found

    def save(self, prefix: str) -> tuple[dict[str, Any], stored.Arrays]:
        """As JSON and named arrays."""
        arrays: stored.Arrays = {}
        for k, each in enumerate(self.taggers):
            arrays |= each.arrays(f"{prefix}{k}/") if each is not None else {}
        known = [each is not None for each in self.taggers]
        return {"is": "marks", "labels": self.labels, "overlap": self.overlap, "known": known}, arrays

    @classmethod
    def of(cls, body: dict[str, Any], arrays: stored.Arrays, prefix: str) -> "Marks":
        """What `save` wrote."""
        taggers = [
            Tagger.of(arrays, f"{prefix}{k}/") if known else None for k, known in enumerate(body["known"])
        ]
        return cls(body["labels"], taggers, body["overlap"])


Part = OneOf | AnyOf | Amount | Marks
_KINDS: dict[str, type[OneOf] | type[AnyOf] | type[Amount] | type[Marks]] = {
    "one_of": OneOf, "any_of": AnyOf, "amount": Amount, "marks": Marks,
}  # fmt: skip


class LocalLabeler:
    """Answers every question it learned."""

    def __init__(
        self, ontology: Ontology, parts: dict[str, Part], features: TextFeatures, trained_on: int
    ) -> None:
        """Made by `train` or `load`."""
        self._ontology, self._parts, self._features, self.trained_on = ontology, parts, features, trained_on

    @property
    def questions(self) -> tuple[str, ...]:
        """Ids of the questions it answers."""
        return tuple(self._parts)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading per text, in order; a question that the other answers rule out is left out."""
        found: list[Reading] = []
        group: list[str] = []
        size = 0
        for text in texts:
            group.append(text)
            size += len(text)
            if size > AT_ONCE:
                found += self._read(group)
                group, size = [], 0
        return found + self._read(group)

    def _read(self, texts: Sequence[str]) -> list[Reading]:
        if not texts or not self._parts:
            return [Reading(answers=Answers()) for _ in texts]
        with one_thread():
            return self._read_together(texts)

    def _read_together(self, texts: Sequence[str]) -> list[Reading]:
        needs_features = any(not isinstance(part, Marks) for part in self._parts.values())
        features = self._features(texts) if needs_features else None
        columns = {
            question: part.read(texts, f"m{n}") if isinstance(part, Marks) else part.read(features)
            for n, (question, part) in enumerate(self._parts.items())
        }
        return [
            self._reading({question: column[i] for question, column in columns.items()})
            for i in range(len(texts))
        ]

    def _reading(self, given: dict[str, Given]) -> Reading:
        answers: dict[str, Answer] = {}
        # Earlier questions first: whether a later one is asked depends only on them.
        for question in self._ontology.active_questions:
            if question.id in given and is_asked(question, Answers.of(answers)):
                answers[question.id] = given[question.id][0]
        return Reading(answers=Answers.of(answers), confidence={key: given[key][1] for key in answers})

    def dump(self) -> bytes:
        """The model as bytes without code; `load` brings it back."""
        arrays: stored.Arrays = {}
        parts: dict[str, dict[str, Any]] = {}
        for n, (question, part) in enumerate(self._parts.items()):
            parts[question], mine = part.save(f"{n}/")
            arrays |= mine
        meta = {
            "format": FORMAT,
            "characters": self._features.characters,
            "trained_on": self.trained_on,
            "ontology": self._ontology.model_dump(mode="json"),
            "parts": list(parts.items()),
        }
        return stored.dump(meta, arrays)


def load(content: bytes) -> LocalLabeler:
    """A labeler from its bytes.

    Raises:
        ValueError: The bytes are no model of this version.
    """
    try:
        meta, arrays = stored.load(content)
        if meta.get("format") != FORMAT:
            raise ValueError(f"a model of format {meta.get('format')!r}; this version reads format {FORMAT}")
        parts: dict[str, Part] = {
            question: _KINDS[body["is"]].of(body, arrays, f"{n}/")
            for n, (question, body) in enumerate(meta["parts"])
        }
        features = TextFeatures(characters=bool(meta["characters"]))
        return LocalLabeler(
            Ontology.model_validate(meta["ontology"]), parts, features, int(meta["trained_on"])
        )
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"not a stored model: {error}") from None


def train(ontology: Ontology, texts: Sequence[str], answers: Sequence[Answers], seed: int) -> LocalLabeler:
    """Learn every active question with at least two different answers (spans: with at least one span).

    Args:
        ontology: Current questions; labels that are retired are not learned.
        texts: One per answers, oldest first: of very many or very long ones only the newest are used.
        answers: Finished answers; what no longer fits the ontology is passed over.
        seed: Same input and seed, same model.
    """
    texts, answers = _newest(texts, answers)
    rule = TextFeatures.for_texts(texts)
    features: Any = None
    parts: dict[str, Part] = {}
    with one_thread():
        for question in ontology.active_questions:
            part: Part | None = None
            if isinstance(question, SpanQuestion):
                part = _train_marks(question, texts, answers, seed)
            elif isinstance(question, ChoiceQuestion | ScalarQuestion) and _is_answered(question, answers):
                features = rule(texts) if features is None else features
                if isinstance(question, ChoiceQuestion):
                    part = train_choice(question, features, answers, seed)
                else:
                    part = train_scalar(question, features, answers, seed)
            if part is not None:
                parts[question.id] = part
    return LocalLabeler(ontology, parts, rule, len(texts))


def _newest(texts: Sequence[str], answers: Sequence[Answers]) -> tuple[Sequence[str], Sequence[Answers]]:
    """The last texts that fit into the budget of characters; at least one."""
    size, start = 0, len(texts)
    while start > 0 and (size := size + len(texts[start - 1])) <= MAX_CHARACTERS:
        start -= 1
    start = min(start, max(len(texts) - 1, 0))
    return texts[start:], answers[start:]


def one_thread() -> contextlib.AbstractContextManager[object]:
    """Keeps the linear algebra on one core.

    The products here are small: more threads are slower, take cores from people who are labelling, and make sums
    depend on the machine.
    """
    import scipy.optimize
    import sklearn.linear_model
    from threadpoolctl import threadpool_limits

    # Only libraries that are loaded already are limited.
    assert scipy.optimize and sklearn.linear_model
    return cast(contextlib.AbstractContextManager[object], threadpool_limits(limits=1))


def _is_answered(question: Question, answers: Sequence[Answers]) -> bool:
    return any(question.id in each for each in answers)


def _train_marks(
    question: SpanQuestion, texts: Sequence[str], answers: Sequence[Answers], seed: int
) -> Marks | None:
    labels = [label.id for label in question.active_labels]
    at = {label: n for n, label in enumerate(labels)}
    found = [
        (text, a)
        for text, each in zip(texts, answers, strict=True)
        if isinstance(a := each.get(question.id), SpanAnswer)
    ]
    known = [
        [(s.start, min(s.end, len(text)), at[s.label]) for s in a.spans if s.label in at] for text, a in found
    ]
    read_texts = [text for text, _ in found]
    taggers: list[Tagger | None]
    if question.overlap:
        present = {k for spans in known for _, _, k in spans}
        taggers = [
            tagger.train(
                read_texts, [_apart([(s, e, 0) for s, e, k in spans if k == n]) for spans in known], seed
            )
            if n in present
            else None
            for n in range(len(labels))
        ]
    else:
        taggers = [tagger.train(read_texts, [_apart(spans) for spans in known], seed)]
    return Marks(labels, taggers, question.overlap) if any(taggers) else None


def _apart(spans: list[tagger.Marked]) -> list[tagger.Marked]:
    """Spans without overlaps: the longer one of two is kept, since a chain of tags holds only one."""
    kept: list[tagger.Marked] = []
    for start, end, label in sorted(spans, key=lambda s: (s[0] - s[1], s[0], s[2])):
        if start < end and all(end <= s or e <= start for s, e, _ in kept):
            kept.append((start, end, label))
    return sorted(kept)
