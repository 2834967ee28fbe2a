"""How much of what real models wrote is read, and grounded to the right place.

Runs `read` and `align_marked` over recorded raw replies (folder `data/recorded` of the shared data; set
`LABELWRIGHT_DATA` to its parent) and prints a table. Nothing is sent anywhere.

    python benchmarks/prompting_real.py
"""

import gzip
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelwright.core.answer import ChoiceAnswer, SpanAnswer
from labelwright.core.exchange import Reply
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.prompting import align_marked, read
from labelwright.prompting.align import Mention, TextIndex, align

Row = dict[str, Any]


@dataclass
class Score:
    """`right` of `total`, with what went wrong."""

    title: str
    right: int = 0
    total: int = 0
    misses: list[str] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def add(self, right: bool, miss: str = "") -> None:
        """Count one."""
        self.total += 1
        self.right += right
        if not right and len(self.misses) < 2_000:
            self.misses.append(miss)

    @property
    def share(self) -> float:
        """In [0, 1]; 1 when there was nothing to get wrong."""
        return self.right / self.total if self.total else 1.0


def rows(folder: Path, name: str) -> Iterator[Row]:
    """The rows of a recorded file."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def choice(name: str, labels: Iterable[str]) -> ChoiceQuestion:
    """A single choice whose label ids are made from their names."""
    made = tuple(Label(id=f"l{i}", name=label) for i, label in enumerate(labels))
    return ChoiceQuestion(id=name.lower(), name=name, labels=made)


def chosen(ontology: Ontology, question_id: str, answer: object) -> str | None:
    """The name of the chosen label."""
    question = ontology.question(question_id)
    if not isinstance(answer, ChoiceAnswer) or not answer.labels or not isinstance(question, ChoiceQuestion):
        return None
    label = question.label(answer.labels[0])
    return label.name if label else None


def questions_and_answers(folder: Path) -> list[Score]:
    """BoolQ and SciQ: reasoning and answer as JSON, by 11 models; the origin's own parser gives the truth."""
    ontologies = {
        "boolq": Ontology(questions=(choice("Answer", ("True", "False")),)),
        "sciq": Ontology(questions=(choice("Answer", "ABCD"),)),
    }
    scores: list[Score] = []
    for name, ontology in ontologies.items():
        allowed = {label.name for label in ontology.questions[0].labels}  # type: ignore[union-attr]
        same = Score(f"{name}: the label the origin read")
        lost = Score(f"{name}: replies the origin's parser lost: the label that stands there")
        other = Score(f"{name}: answers in other words: none taken, or the label they begin with")
        for row in rows(folder, "boolq_sciq_responses"):
            if not row["item_id"].startswith(name):
                continue
            reading = read(ontology, "", [Reply(text=row["response"])])
            got = chosen(ontology, "answer", reading.answers.get("answer"))
            wanted = str(row["pred"])
            shown = f"{row['model']} {row['item_id']}: origin {wanted!r}, read {got!r} from {row['response'][-400:]!r}"
            if wanted in allowed:
                same.add(got == wanted, shown)
            elif wanted:
                begins = next((n for n in allowed if re.match(rf"{n}\b", wanted)), None)
                other.add(got in (None, begins), shown)
            else:
                stands = re.findall(r'"Answer":\s*"?(\w+)', row["response"])
                if stands and stands[-1].capitalize() in allowed:
                    lost.add(got == stands[-1].capitalize(), shown)
            same.problems.update(p.code for p in reading.problems)
        scores += [same, lost, other]
    return scores


def codes(folder: Path) -> list[Score]:
    """Deductive coding: 31 codes of a code book and 6 themes, by three models."""
    template = next(rows(folder, "deductive_coding_prompts"))["prompt_template"]
    book = template.partition("=== CODEBOOK ===")[2].partition("=== DISAMBIGUATION")[0]
    names = re.findall(r"^- (.+)$", book, re.MULTILINE)
    themes = re.findall(r"^-- THEME: (.+) --$", book, re.MULTILINE)
    ontology = Ontology(questions=(choice("Code", names), choice("Theme", themes)))
    exact = Score("coding: the code the origin read")
    near = Score("coding: a code where the model misquotes the book")
    themed = Score("coding: the theme the origin read")
    for row in rows(folder, "deductive_coding_responses"):
        reading = read(ontology, "", [Reply(text=row["response"])])
        got = chosen(ontology, "code", reading.answers.get("code"))
        wanted = row["pred_code"]
        shown = f"{row['item_id']} {row['model']}: origin {wanted!r}, read {got!r}"
        if wanted in names:
            exact.add(got == wanted, shown)
        else:
            near.add(got is not None, shown)
        theme = chosen(ontology, "theme", reading.answers.get("theme"))
        if row["pred_theme"] in themes:
            themed.add(theme == row["pred_theme"], f"{row['item_id']}: {row['pred_theme']!r}, read {theme!r}")
        exact.problems.update(p.code for p in reading.problems)
    return [exact, near, themed]


def entities(folder: Path) -> list[Score]:
    """Scientific NER: plain lines `words (TYPE)` and Python lists, by four models."""
    items = {row["id"]: row for row in rows(folder, "sci_ner_items")}
    labels = {
        name: sorted(
            {e["label"] for item in items.values() if item["id"].startswith(name) for e in item["entities"]}
        )
        for name in ("biodivner", "ccner")
    }
    ontologies = {
        name: Ontology(
            questions=(
                SpanQuestion(
                    id="e", name="Entities", overlap=True, labels=tuple(Label(id=n, name=n) for n in names)
                ),
            )
        )
        for name, names in labels.items()
    }
    lines = Score("sci NER, lines: mentions the origin read, found at a verbatim place")
    repeated = Score("sci NER, lines: all occurrences of a word listed, each at its own place")
    lists = Score("sci NER, lists: mentions at the very tokens the model named")
    lists_repeated = Score("sci NER, lists: of these, words that occur more than once")
    invented = Score("sci NER: words that do not stand in the text are refused")
    for row in rows(folder, "sci_ner_responses"):
        item = items.get(row["item_id"])
        if item is None:
            continue
        text, allowed = item["text"], set(labels[row["dataset"]])
        reading = read(ontologies[row["dataset"]], text, [Reply(text=row["response"])])
        answer = reading.answers.get("e")
        got = [(s.start, s.end, s.label) for s in answer.spans] if isinstance(answer, SpanAnswer) else []
        parsed = [e for e in row["authors_parsed"] or [] if len(e) >= 2 and e[1] in allowed and e[0]]
        counted: Counter[tuple[str, str]] = Counter((e[0], e[1]) for e in parsed)
        for entity in parsed:
            quote, label = entity[0], entity[1]
            places = _places(text, quote)
            shown = f"{row['item_id']} {row['model']} {row['format']}: {quote!r} {label} in {text[:150]!r}"
            if not places:
                if len(quote) >= 3 and _letters(quote) not in _letters(text):
                    here = [text[s:e] for s, e, found in got if found == label]
                    invented.add(not any(_letters(h) == _letters(quote) for h in here), shown)
                continue
            if row["format"] == "tokens" and len(entity) >= 4:
                place = _tokens(item, entity[2], entity[3])
                if place is None or text[place[0] : place[1]] != quote:
                    continue
                right = (*place, label) in got
                lists.add(right, shown)
                if len(places) > 1:
                    lists_repeated.add(right, shown)
            elif row["format"] == "strings":
                lines.add(any((s, e, label) in got for s, e in places), shown)
                if len(places) > 1 and counted[quote, label] == len(places):
                    repeated.add(all((*place, label) in got for place in places), shown)
        lines.problems.update(p.code for p in reading.problems)
    return [lines, repeated, lists, lists_repeated, invented]


def gold_mentions(folder: Path) -> list[Score]:
    """Gold mentions given as bare quotes in text order: are they put where the gold has them?"""
    every = Score("gold quotes without context: right place")
    repeated = Score("gold quotes without context: words that occur more than once")
    for name in ("sci_ner_items", "clinical_ner_items"):
        for item in rows(folder, name):
            text = item["text"]
            gold = sorted(item["entities"], key=lambda e: (e["start"], e["end"]))
            mentions = [Mention(text[e["start"] : e["end"]], e["label"]) for e in gold]
            for entity, place in zip(gold, align(TextIndex(text), mentions, overlap=True), strict=True):
                right = not isinstance(place, str) and (place.start, place.end) == (
                    entity["start"],
                    entity["end"],
                )
                shown = f"{item['id']}: {entity} as {place}"
                every.add(right, shown)
                if len(_places(text, text[entity["start"] : entity["end"]])) > 1:
                    repeated.add(right, shown)
    return [every, repeated]


def rewritten(folder: Path) -> list[Score]:
    """Clinical NER: the text rewritten with `<span class="...">` marks by two models."""
    items = {row["id"]: row for row in rows(folder, "clinical_ner_items")}
    faithful = Score("clinical NER: marks in faithful copies at the right place")
    changed = Score("clinical NER: marks in changed copies, found with the same letters")
    for row in rows(folder, "clinical_ner_responses"):
        item = items.get(row["item_id"])
        if item is None:
            continue
        text, marked = item["text"], row["response"]
        spans, problems = align_marked(text, marked)
        wanted = _marks(marked)
        copied = re.sub(r"</?span[^>]*>", "", marked)
        same = _letters(copied) == _letters(text) and "".join(copied.split()) == "".join(text.split())
        spaces = [i for i, c in enumerate(text) if not c.isspace()]
        got = [(s.start, s.end, s.label) for s in spans]
        for start, end, label, quote in wanted:
            shown = f"{item['id']} {row['config']}: {quote!r} {label} in {text[:120]!r}, got {got}"
            if same:
                faithful.add((spaces[start], spaces[end - 1] + 1, label) in got, shown)
            else:
                changed.add(
                    any(_letters(text[s:e]) == _letters(quote) and n == label for s, e, n in got), shown
                )
        faithful.problems.update(p.code for p in problems)
    return [faithful, changed]


def _marks(marked: str) -> list[tuple[int, int, str, str]]:
    """(start, end, label, words) of each mark that ends, counted in characters that are not white space."""
    found, count, at = [], 0, 0
    for mark in re.finditer(r'<span class="([^"]*)">((?:(?!</?span).)*)</span>', marked, re.DOTALL):
        outside = re.sub(r"</?span[^>]*>", "", marked[at : mark.start()])
        start = count + len("".join(outside.split()))
        end = start + len("".join(mark.group(2).split()))
        if end > start:
            found.append((start, end, mark.group(1), mark.group(2)))
        count, at = end, mark.end()
    return found


def _places(text: str, quote: str) -> list[tuple[int, int]]:
    """Verbatim whole-word places of a quote."""
    pattern = rf"(?<![^\W_]){re.escape(quote)}(?![^\W_])"
    return [found.span() for found in re.finditer(pattern, text)]


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _tokens(item: Row, first: object, last: object) -> tuple[int, int] | None:
    tokens = item["tokens"]
    if not isinstance(first, int) or not isinstance(last, int) or not 0 <= first <= last < len(tokens):
        return None
    at, places = 0, []
    for token in tokens:
        at = item["text"].find(token, at)
        if at < 0:
            return None
        places.append((at, at + len(token)))
        at += len(token)
    return places[first][0], places[last][1]


def measure(folder: Path) -> list[Score]:
    """All tables."""
    return [
        *questions_and_answers(folder),
        *codes(folder),
        *entities(folder),
        *gold_mentions(folder),
        *rewritten(folder),
    ]


def main() -> None:
    """Print the table; `-v` adds what was missed, `-p` the problems reported."""
    folder = Path(os.environ.get("LABELWRIGHT_DATA", "../shared")) / "data" / "recorded"
    if not folder.is_dir():
        sys.exit(f"no recorded replies in {folder}; set LABELWRIGHT_DATA")
    began = time.perf_counter()
    print(f"{'':70} {'right':>6} / {'of':>6}  share")
    for score in measure(folder):
        print(f"{score.title:70} {score.right:>6} / {score.total:>6}  {100 * score.share:6.2f} %")
        if "-p" in sys.argv and score.problems:
            print("    ", dict(score.problems.most_common(12)))
        if "-v" in sys.argv:
            for miss in score.misses[:25]:
                print("    ", miss)
    print(f"{time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
