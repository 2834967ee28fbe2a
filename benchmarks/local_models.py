"""How fast the local models learn from corrections, and how much a person still has to do: CoNLL-2003 and DBpedia.

A simulated person corrects 50 texts at a time; after each batch the models are trained anew on everything corrected so
far and judged on 1,000 held-out texts. `touched` is the share of spans (texts, for DBpedia) that had to be added,
removed or changed in a batch, relative to what the model of that time proposed. Batches are taken in random order or
least confident first. Baselines in the same run: a list of the names marked so far (CoNLL); scikit-learn's TF-IDF and
logistic regression with their defaults (DBpedia).

    python benchmarks/local_models.py [--texts 1000] [conll dbpedia]
"""

import argparse
import gzip
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright import training
from labelwright.core.answer import Answer, Answers, ChoiceAnswer, Span, SpanAnswer, same_meaning
from labelwright.core.compare import Tally, match_spans
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.core.ports import Labeler
from labelwright.core.predictor import Reading

BATCH = 50
HELD_OUT = 1_000
QUESTION = "q"


@dataclass(frozen=True)
class Gold:
    """Texts with the right answers; `held_out` ones are never learned from."""

    ontology: Ontology
    pool: list[tuple[str, Answer]]
    held_out: list[tuple[str, Answer]]


@dataclass
class Course:
    """What happened over the batches.

    Attributes:
        corrected: Texts corrected before each step.
        quality: Held-out F1 or accuracy then.
        baseline: The same of the baseline.
        touched: Share of spans or texts that had to be changed in the batch that followed.
        expected_error: Expected calibration error on the held-out texts, 10 equal bins.
        train_s: Wall seconds of each training.
    """

    corrected: list[int] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    touched: list[float] = field(default_factory=list)
    expected_error: list[float] = field(default_factory=list)
    train_s: list[float] = field(default_factory=list)

    def at(self, corrected: int, column: str = "quality") -> float:
        """The value of a column after so many corrected texts."""
        return float(getattr(self, column)[self.corrected.index(corrected)])

    def effort(self, first: int, last: int) -> float:
        """Mean share touched in batches that began with `first` up to just below `last` corrected texts."""
        found = [t for n, t in zip(self.corrected, self.touched, strict=False) if first <= n < last]
        return sum(found) / len(found)

    def lines(self, name: str) -> list[str]:
        """As a table."""
        rows = zip(
            self.corrected, self.quality, self.baseline, [*self.touched, None], self.expected_error, self.train_s,
            strict=False,
        )  # fmt: skip
        out = [name, "corrected  quality  baseline  touched in next batch  calibration error  training"]
        out += [
            f"{n:9}  {q:7.3f}  {b:8.3f}  {'' if t is None else f'{t:21.1%}':>21}  {e:17.3f}  {s:6.1f} s"
            for n, q, b, t, e, s in rows
        ]
        return out


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def conll(shared: Path) -> Gold:
    """Sentences of CoNLL-2003; held-out ones come from other documents."""
    rows = _rows(shared / "data/text/conll2003/conll2003_en.jsonl.gz")
    documents = sorted({str(row["doc"]) for row in rows})
    random.Random(0).shuffle(documents)
    place = {document: n for n, document in enumerate(documents)}
    rows.sort(key=lambda row: place[str(row["doc"])])
    found: list[tuple[str, Answer]] = []
    for row in rows:
        spans = [
            Span(id=f"g{n}", start=each["start"], end=each["end"], label=each["label"])
            for n, each in enumerate(row["entities"])
        ]
        found.append((row["text"], SpanAnswer(spans=tuple(spans))))
    labels = tuple(Label(id=name, name=name) for name in ("PER", "ORG", "LOC", "MISC"))
    ontology = Ontology(version=1, questions=(SpanQuestion(id=QUESTION, name="Entities", labels=labels),))
    pool = found[HELD_OUT:]
    random.Random(1).shuffle(pool)
    return Gold(ontology, pool, found[:HELD_OUT])


def dbpedia(shared: Path) -> Gold:
    """Descriptions from Wikipedia in nine classes."""
    rows = _rows(shared / "data/text/dbpedia9.jsonl.gz")
    names = sorted({str(row["label"]) for row in rows})
    labels = tuple(Label(id=f"c{n}", name=name) for n, name in enumerate(names))
    ids = {name: f"c{n}" for n, name in enumerate(names)}
    found: list[tuple[str, Answer]] = [
        (str(row["text"]), ChoiceAnswer(labels=(ids[str(row["label"])],))) for row in rows
    ]
    random.Random(1).shuffle(found)
    ontology = Ontology(version=1, questions=(ChoiceQuestion(id=QUESTION, name="Class", labels=labels),))
    return Gold(ontology, found[HELD_OUT:], found[:HELD_OUT])


Baseline = Callable[[Sequence[tuple[str, Answer]], Sequence[str]], list[Answer]]


def listed_names(known: Sequence[tuple[str, Answer]], texts: Sequence[str]) -> list[Answer]:
    """Marks every occurrence of a name that was marked before, longest first, with its most frequent label."""
    counts: dict[str, dict[str, int]] = {}
    for text, answer in known:
        for span in answer.spans if isinstance(answer, SpanAnswer) else ():
            each = counts.setdefault(f" {text[span.start : span.end]} ", {})
            each[span.label] = each.get(span.label, 0) + 1
    names = sorted(counts, key=lambda name: (-len(name), name))
    found: list[Answer] = []
    for text in texts:
        padded, free = f" {text} ", [True] * (len(text) + 2)
        spans = []
        for name in names:
            start = padded.find(name)
            while start >= 0:
                if all(free[start + 1 : start + len(name) - 1]):
                    free[start + 1 : start + len(name) - 1] = [False] * (len(name) - 2)
                    label = max(sorted(counts[name]), key=lambda k: counts[name][k])
                    spans.append(Span(id=f"b{start}", start=start, end=start + len(name) - 2, label=label))
                start = padded.find(name, start + 1)
        found.append(SpanAnswer(spans=tuple(spans)))
    return found


def plain_regression(known: Sequence[tuple[str, Answer]], texts: Sequence[str]) -> list[Answer]:
    """TF-IDF of words and logistic regression, both with scikit-learn's defaults."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    labels = [answer.labels[0] for _, answer in known if isinstance(answer, ChoiceAnswer)]
    if len(set(labels)) < 2:
        return [ChoiceAnswer(labels=tuple(labels[:1])) for _ in texts]
    words = TfidfVectorizer()
    model = LogisticRegression(max_iter=300).fit(words.fit_transform([text for text, _ in known]), labels)
    return [ChoiceAnswer(labels=(str(label),)) for label in model.predict(words.transform(list(texts)))]


def quality(pairs: Sequence[tuple[Answer | None, Answer]]) -> float:
    """Strict F1 for spans, accuracy otherwise."""
    if isinstance(pairs[0][1], SpanAnswer):
        total = Tally()
        for found, true in pairs:
            total += match_spans(
                found if isinstance(found, SpanAnswer) else SpanAnswer(spans=()), _spans(true)
            )
        return total.f1
    return sum(same_meaning(found, true) for found, true in pairs) / len(pairs)


def _spans(answer: Answer) -> SpanAnswer:
    assert isinstance(answer, SpanAnswer)
    return answer


def touched(pairs: Sequence[tuple[Answer | None, Answer]]) -> float:
    """Share of what a person had to touch.

    For spans: additions, removals and changes (of label or border: a wrong span that overlaps a missing one is one
    change) over all spans that were right in the end or had to be removed. Otherwise: wrong texts.
    """
    if not isinstance(pairs[0][1], SpanAnswer):
        return sum(not same_meaning(found, true) for found, true in pairs) / len(pairs)
    acts = total = 0
    for found, true in pairs:
        left = {(s.start, s.end, s.label) for s in found.spans} if isinstance(found, SpanAnswer) else set()
        right = {(s.start, s.end, s.label) for s in _spans(true).spans}
        extra, missing = sorted(left - right), sorted(right - left)
        changed = 0
        for start, end, _ in extra:
            match = next((m for m in missing if m[0] < end and start < m[1]), None)
            if match is not None:
                missing.remove(match)
                changed += 1
        removed = len(extra) - changed
        acts += changed + removed + len(missing)
        total += len(right) + removed
    return acts / max(total, 1)


def calibration_error(readings: Sequence[Reading], right: Sequence[bool]) -> float:
    """Expected calibration error of the confidence in whole answers, 10 equal bins.

    Source: Guo et al. 2017, equation 3.
    """
    bins: dict[int, list[tuple[float, bool]]] = {}
    for reading, ok in zip(readings, right, strict=True):
        p = reading.lowest or 0.0
        bins.setdefault(min(int(p * 10), 9), []).append((p, ok))
    return sum(abs(sum(p for p, _ in each) - sum(ok for _, ok in each)) for each in bins.values()) / len(
        right
    )


def learn(
    gold: Gold, texts: int, baseline: Baseline | None, *, least_sure_first: bool, step: int = BATCH
) -> Course:
    """Correct `texts` texts in batches of 50; judge (and run the baseline) after every `step`."""
    course = Course()
    known: list[tuple[str, Answer]] = []
    left = list(gold.pool)
    asked = [text for text, _ in gold.held_out]
    while len(known) <= texts:
        started = time.perf_counter()
        labeler: Labeler = training.train(
            gold.ontology, [text for text, _ in known], [Answers.of({QUESTION: a}) for _, a in known], 0
        )
        seconds = time.perf_counter() - started
        if len(known) % step == 0:
            readings = labeler.read(asked)
            pairs = [(r.answers.get(QUESTION), a) for r, (_, a) in zip(readings, gold.held_out, strict=True)]
            course.quality.append(quality(pairs))
            right = [same_meaning(found, true) for found, true in pairs]
            course.expected_error.append(calibration_error(readings, right))
            simple = baseline(known, asked) if baseline is not None and known else [None] * len(asked)
            course.baseline.append(
                quality([(found, a) for found, (_, a) in zip(simple, gold.held_out, strict=True)])
            )
        else:
            for column in (course.quality, course.baseline, course.expected_error):
                column.append(float("nan"))
        course.corrected.append(len(known))
        course.train_s.append(seconds)
        if least_sure_first and known:
            sure = [
                r.lowest if r.lowest is not None else 0.0 for r in labeler.read([text for text, _ in left])
            ]
            order = sorted(range(len(left)), key=lambda i: sure[i])
        else:
            order = list(range(len(left)))
        batch = [left[i] for i in order[:BATCH]]
        taken = set(order[:BATCH])
        left = [each for i, each in enumerate(left) if i not in taken]
        proposed = [r.answers.get(QUESTION) for r in labeler.read([text for text, _ in batch])]
        course.touched.append(touched([(p, a) for p, (_, a) in zip(proposed, batch, strict=True)]))
        known += batch
    return course


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sets", nargs="*", default=["conll", "dbpedia"])
    parser.add_argument("--texts", type=int, default=1_000, help="how many texts are corrected")
    parser.add_argument("--step", type=int, default=100, help="judge after every so many")
    args = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("LABELWRIGHT_DATA", root.parent / "shared"))
    if not (shared / "data").is_dir():
        sys.exit(f"{shared} holds no data; set LABELWRIGHT_DATA")
    for name in args.sets:
        gold = conll(shared) if name == "conll" else dbpedia(shared)
        baseline = listed_names if name == "conll" else plain_regression
        for first in (False, True):
            started = time.perf_counter()
            course = learn(gold, args.texts, baseline, least_sure_first=first, step=args.step)
            title = f"{name}, {'least confident first' if first else 'random order'}"
            print("\n".join(course.lines(title)), flush=True)
            print(f"({time.perf_counter() - started:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
