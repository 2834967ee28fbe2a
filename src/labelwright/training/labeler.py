"""One labeler for a whole ontology: each question it can learn gets a model of its own over shared features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer
from labelwright.core.ontology import ChoiceQuestion, Ontology, Question, ScalarQuestion, SpanQuestion
from labelwright.core.predictor import Confidence, Reading
from labelwright.training import arrays as stored
from labelwright.training import tagger
from labelwright.training.classifier import TextFeatures
from labelwright.training.linear import Linear, fit
from labelwright.training.tagger import Tagger

FORMAT = 1
MAX_VALUES = 30
"""A rating with more different values than this is not learned."""
STRENGTH = 10.0


@dataclass(frozen=True)
class _Choice:
    """One choice or one rating among `values`."""

    question: str
    kind: str  # choice | scalar
    values: list[Any]
    model: Linear

    def read(self, features: Any, texts: Sequence[str]) -> list[tuple[Answer, Confidence]]:
        del texts
        chances = self.model.probabilities(features)
        found = []
        for row in chances:
            best = int(row.argmax())
            answer: Answer = (
                ChoiceAnswer(labels=(self.values[best],))
                if self.kind == "choice"
                else ScalarAnswer(value=self.values[best])
            )
            spread = {str(v): float(p) for v, p in zip(self.values, row, strict=True)}
            found.append(
                (answer, Confidence(value=_unit(row[best]), scorer="classifier", distribution=spread))
            )
        return found


@dataclass(frozen=True)
class _Choices:
    """Any number of labels: one yes / no model per label; the confidence is that of the least sure label."""

    question: str
    values: list[str]
    models: list[Linear | None]

    def read(self, features: Any, texts: Sequence[str]) -> list[tuple[Answer, Confidence]]:
        n = len(texts)
        chances = np.stack(
            [m.probabilities(features)[:, 1] if m is not None else np.zeros(n) for m in self.models], axis=1
        )
        found: list[tuple[Answer, Confidence]] = []
        for row in chances:
            labels = tuple(label for label, p in zip(self.values, row, strict=True) if p >= 0.5)
            sure = float(np.maximum(row, 1 - row).min())
            spread = {label: float(p) for label, p in zip(self.values, row, strict=True)}
            confidence = Confidence(value=_unit(sure), scorer="classifier", distribution=spread)
            found.append((ChoiceAnswer(labels=labels), confidence))
        return found


@dataclass(frozen=True)
class _Spans:
    """Spans: one tagger, or one per label where spans may overlap."""

    question: str
    labels: list[str]
    taggers: list[Tagger | None]
    overlap: bool

    def read(self, features: Any, texts: Sequence[str]) -> list[tuple[Answer, Confidence]]:
        del features
        per_tagger: list[list[tuple[list[tuple[int, int, int, float]], float]]] = [
            t.spans(texts) if t is not None else [([], 1.0)] * len(texts) for t in self.taggers
        ]
        found: list[tuple[Answer, Confidence]] = []
        for i in range(len(texts)):
            spans: list[Span] = []
            for number, answers in enumerate(per_tagger):
                for start, end, label, p in answers[i][0]:
                    name = self.labels[number if self.overlap else label]
                    spans.append(
                        Span(
                            id=f"{self.question}-{start}-{end}-{name}"[:64],
                            start=start,
                            end=end,
                            label=name,
                            score=_unit(p),
                        )
                    )
            spans.sort(key=lambda s: (s.start, s.end, s.label))
            sure = min(answers[i][1] for answers in per_tagger)
            found.append((SpanAnswer(spans=tuple(spans)), Confidence(value=_unit(sure), scorer="tagger")))
        return found


_Part = _Choice | _Choices | _Spans


def _unit(value: float) -> float:
    return float(min(max(value, 0.0), 1.0))


class LocalLabeler:
    """Answers every question it learned."""

    def __init__(self, parts: list[_Part], characters: bool, trained_on: int) -> None:
        """Made by `train` or `load`."""
        self._parts, self._features, self.trained_on = parts, TextFeatures(characters=characters), trained_on

    @property
    def questions(self) -> tuple[str, ...]:
        """Ids of the questions it answers."""
        return tuple(part.question for part in self._parts)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading per text, in order."""
        if not texts or not self._parts:
            return [Reading(answers=Answers()) for _ in texts]
        needs_features = any(not isinstance(part, _Spans) for part in self._parts)
        features = self._features(texts) if needs_features else None
        columns = {part.question: part.read(features, texts) for part in self._parts}
        return [
            Reading(
                answers=Answers.of({q: column[i][0] for q, column in columns.items()}),
                confidence={q: column[i][1] for q, column in columns.items()},
            )
            for i in range(len(texts))
        ]

    def dump(self) -> bytes:
        """The model as bytes without code; `load` brings it back."""
        meta: dict[str, Any] = {
            "format": FORMAT,
            "characters": self._features.characters,
            "trained_on": self.trained_on,
        }
        arrays: stored.Arrays = {}
        parts: list[dict[str, Any]] = []
        for n, part in enumerate(self._parts):
            match part:
                case _Choice():
                    arrays |= part.model.arrays(f"{n}/")
                    parts.append(
                        {"is": "choice", "question": part.question, "kind": part.kind, "values": part.values}
                    )
                case _Choices():
                    for k, model in enumerate(part.models):
                        arrays |= model.arrays(f"{n}/{k}/") if model is not None else {}
                    known = [model is not None for model in part.models]
                    parts.append(
                        {"is": "choices", "question": part.question, "values": part.values, "known": known}
                    )
                case _Spans():
                    for k, each in enumerate(part.taggers):
                        arrays |= each.arrays(f"{n}/{k}/") if each is not None else {}
                    known = [each is not None for each in part.taggers]
                    parts.append(
                        {
                            "is": "spans",
                            "question": part.question,
                            "labels": part.labels,
                            "overlap": part.overlap,
                            "known": known,
                        }
                    )
        return stored.dump(meta | {"parts": parts}, arrays)


def load(content: bytes) -> LocalLabeler:
    """A labeler from its bytes.

    Raises:
        ValueError: The bytes are no model of this version.
    """
    meta, arrays = stored.load(content)
    if meta.get("format") != FORMAT:
        raise ValueError(f"a model of format {meta.get('format')!r}; this version reads format {FORMAT}")
    parts: list[_Part] = []
    for n, body in enumerate(meta["parts"]):
        match body["is"]:
            case "choice":
                parts.append(
                    _Choice(body["question"], body["kind"], body["values"], Linear.of(arrays, f"{n}/"))
                )
            case "choices":
                models = [
                    Linear.of(arrays, f"{n}/{k}/") if known else None for k, known in enumerate(body["known"])
                ]
                parts.append(_Choices(body["question"], body["values"], models))
            case _:
                taggers = [
                    Tagger.of(arrays, f"{n}/{k}/") if known else None for k, known in enumerate(body["known"])
                ]
                parts.append(_Spans(body["question"], body["labels"], taggers, body["overlap"]))
    return LocalLabeler(parts, bool(meta["characters"]), int(meta["trained_on"]))


def train(ontology: Ontology, texts: Sequence[str], answers: Sequence[Answers], seed: int) -> LocalLabeler:
    """Learn every active question that has examples of at least two different answers (spans: of at least one span).

    Args:
        ontology: Current questions; labels that are retired are not learned.
        texts: One per answers.
        answers: Finished answers.
        seed: Same input and seed, same model.
    """
    rule = TextFeatures.for_texts(texts)
    features: Any = None
    parts: list[_Part] = []
    for question in ontology.active_questions:
        if isinstance(question, SpanQuestion):
            part: _Part | None = _train_spans(question, texts, answers, seed)
        elif isinstance(question, ChoiceQuestion | ScalarQuestion):
            features = rule(texts) if features is None and texts else features
            part = _train_values(question, features, answers, seed)
        else:
            part = None
        if part is not None:
            parts.append(part)
    return LocalLabeler(parts, rule.characters, len(texts))


def _train_values(question: Question, features: Any, answers: Sequence[Answers], seed: int) -> _Part | None:
    if isinstance(question, ChoiceQuestion) and question.multiple:
        return _train_choices(question, features, answers, seed)
    known: list[Any] = (
        [label.id for label in question.active_labels] if isinstance(question, ChoiceQuestion) else []
    )
    rows: list[int] = []
    given: list[Any] = []
    for i, each in enumerate(answers):
        match each.get(question.id):
            case ChoiceAnswer(labels=(label,)) if label in known:
                rows.append(i)
                given.append(label)
            case ScalarAnswer(value=value):
                rows.append(i)
                given.append(value)
            case _:
                pass
    values = known or sorted(set(given), key=lambda v: (isinstance(v, bool), v))
    if len(set(given)) < 2 or (not known and len(values) > MAX_VALUES):
        return None
    at = {value: n for n, value in enumerate(values)}
    classes = np.array([at[value] for value in given], dtype=np.int64)
    model = fit(features[rows], classes, len(values), seed, strength=STRENGTH, for_texts=True)
    return _Choice(question.id, question.kind, list(values), model)


def _train_choices(
    question: ChoiceQuestion, features: Any, answers: Sequence[Answers], seed: int
) -> _Part | None:
    found = [(i, a) for i, each in enumerate(answers) if isinstance(a := each.get(question.id), ChoiceAnswer)]
    rows = [i for i, _ in found]
    labels = [label.id for label in question.active_labels]
    models: list[Linear | None] = []
    for label in labels:
        yes: NDArray[np.int64] = np.array([label in a.labels for _, a in found], dtype=np.int64)
        learnable = len(found) > 1 and 0 < yes.sum() < len(yes)
        models.append(
            fit(features[rows], yes, 2, seed, strength=STRENGTH, for_texts=True) if learnable else None
        )
    return _Choices(question.id, labels, models) if any(m is not None for m in models) else None


def _train_spans(
    question: SpanQuestion, texts: Sequence[str], answers: Sequence[Answers], seed: int
) -> _Part | None:
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
    if question.overlap:
        taggers = [
            tagger.train(
                read_texts, [_apart([(s, e, 0) for s, e, k in spans if k == n]) for spans in known], 1, seed
            )
            for n in range(len(labels))
        ]
    else:
        taggers = [tagger.train(read_texts, [_apart(spans) for spans in known], len(labels), seed)]
    if not any(t is not None for t in taggers):
        return None
    return _Spans(question.id, labels, taggers, question.overlap)


def _apart(spans: list[tagger.Marked]) -> list[tagger.Marked]:
    """Spans without overlaps: the longer one of two is kept, since a chain of tags holds only one."""
    kept: list[tagger.Marked] = []
    for start, end, label in sorted(spans, key=lambda s: (s[0] - s[1], s[0])):
        if all(end <= s or e <= start for s, e, _ in kept):
            kept.append((start, end, label))
    return sorted(kept)
