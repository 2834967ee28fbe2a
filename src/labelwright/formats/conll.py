"""CoNLL-2003: one token per line, blank line between sentences; the last column is the tag (IOB1 or IOB2 on the way in).

A sentence becomes one text, tokens joined by one space. On the way out tokens are made by `tokens`, tags are IOB2, and
a sidecar keeps the character offsets that the format itself loses.
"""

import bisect
import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from labelwright.core.answer import Span, SpanAnswer
from labelwright.core.ontology import SpanQuestion
from labelwright.core.problem import Problem
from labelwright.core.transfer import Incoming, Opinion, Outgoing
from labelwright.formats import edge
from labelwright.formats.output import Exporting, Losses, Written, safe_name


@functools.cache
def _token_pattern() -> re.Pattern[str]:
    # Marks (vowel signs, accents that stand alone) and joiners belong to the word they follow; `re` has no class for them.
    marks = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c)[0] == "M")
    marks += "".join(map(chr, range(0xE0100, 0xE01F0))) + "\u200c\u200d"
    word = rf"[^\W_][^\W_{marks}]*(?:[{marks}]+[^\W_{marks}]*)*"
    return re.compile(rf"{word}(?:['’\-.]{word})*|[^\s][{marks}]*")


def read(path: Path, name: str, encoding: str | None) -> Iterator[Incoming | Problem]:
    """Sentences with their spans as a person's answers to the question `entities`."""
    found = edge.encoding_of(path, encoding)
    tokens: list[str] = []
    tags: list[str] = []
    start = document = 0
    for number, line in edge.lines(path, found):
        where = f"{name}:{number}"
        if line is None:
            yield edge.too_long(where)
            continue
        # Only blanks and tabs part the columns: an odd space (U+00A0, U+3000) may be a token of its own.
        parts = line.strip(" \t\r\n").replace("\t", " ").split(" ")
        parts = [part for part in parts if part]
        if parts and parts[0] == "-DOCSTART-":
            document += 1
        elif parts and len(parts) < 2:
            yield Problem(where=where, code="no_tag", message="a line needs a token and a tag")
        elif parts:
            if not tokens:
                start = number
            tokens.append(parts[0])
            tags.append(parts[-1])
        if (not parts or parts[0] == "-DOCSTART-") and tokens:
            yield from _sentence(f"{name}:{start}", tokens, tags, document)
            tokens, tags = [], []
    if tokens:
        yield from _sentence(f"{name}:{start}", tokens, tags, document)


def _sentence(where: str, tokens: list[str], tags: list[str], document: int) -> Iterator[Incoming | Problem]:
    starts, at = [], 0
    for token in tokens:
        starts.append(at)
        at += len(token) + 1
    text = " ".join(tokens)
    wrong = edge.forbidden(text)
    if wrong:
        yield Problem(where=where, code="forbidden_character", message=f"the text {wrong}")
        return
    spans: list[dict[str, object]] = []
    before = "O"
    for i, tag in enumerate(tags):
        kind, _, label = tag.partition("-")
        if kind not in ("B", "I", "E", "S", "L", "U") or not label:
            if tag not in ("O", "_"):
                yield Problem(
                    where=where, code="bad_tag", message=f"tag {tag[:40]!r} is neither O nor like B-PER"
                )
            before = "O"
            continue
        # IOB1 opens with I unless it touches one of the same label; IOB2, BIOES and BILOU always open with B, S or U.
        if kind in ("I", "E", "L") and before == label:
            spans[-1]["end"] = starts[i] + len(tokens[i])
        else:
            spans.append({"start": starts[i], "end": starts[i] + len(tokens[i]), "label": label})
        before = "O" if kind in ("E", "S", "L", "U") else label
    yield Incoming(
        where, text, None, {"document": document} if document else {},
        (Opinion("person", {"entities": spans}, "conll"),),
    )  # fmt: skip


def tokens(text: str) -> list[tuple[int, int]]:
    """Half-open code point ranges of the tokens: words with inner apostrophes, hyphens or dots, and single other marks."""
    return [match.span() for match in _token_pattern().finditer(text)]


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """One file per span question; assets without an answer are left out and counted."""
    ontology, folder, losses = to.ontology, to.folder, to.losses
    questions = [q for q in ontology.active_questions if isinstance(q, SpanQuestion)]
    if not questions:
        losses.note("no_span_question", "the ontology has no span question; CoNLL holds nothing else")
    if any(len(label.name.split()) > 1 for q in questions for label in q.labels):
        losses.note("label_names", "blanks in label names are written as `_`")
    paths = {q.id: folder / f"{safe_name(q.id)}.conll" for q in questions}
    files = {q.id: paths[q.id].open("w", encoding="utf-8", newline="\n") for q in questions}
    sidecar = (folder / "offsets.jsonl").open("w", encoding="utf-8", newline="\n")
    written = 0
    try:
        for file in files.values():
            file.write("-DOCSTART- -X- -X- O\n\n")
        for row in rows:
            losses.of_chosen(row, ontology)
            losses.of_links(row)
            others = [k for k in (row.chosen.root if row.chosen else {}) if k not in files]
            if others:
                losses.add(row.asset, "not_a_span", f"answers to {', '.join(others)} cannot be held")
            for question in questions:
                answer = row.chosen.get(question.id) if row.chosen else None
                if not isinstance(answer, SpanAnswer):
                    losses.left_out(row.asset, "no_answer")
                    continue
                names = {label.id: label.name for label in question.labels}
                ranges, tags = _tags(row, answer, names, losses)
                for (start, end), tag in zip(ranges, tags, strict=True):
                    files[question.id].write(f"{(row.asset.text or '')[start:end]} -X- -X- {tag}\n")
                files[question.id].write("\n")
                line = {
                    "asset": row.asset.id,
                    "external_id": row.asset.external_id,
                    "question": question.id,
                    "tokens": ranges,
                }
                sidecar.write(json.dumps(line, ensure_ascii=False) + "\n")
                written += 1
    finally:
        for file in files.values():
            file.close()
        sidecar.close()
    return Written(written)


def _tags(
    row: Outgoing, answer: SpanAnswer, names: dict[str, str], losses: Losses
) -> tuple[list[tuple[int, int]], list[str]]:
    text = row.asset.text or ""
    ranges = tokens(text)
    tags = ["O"] * len(ranges)
    starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
    # Longest first: of two overlapping spans the outer one is kept, and the other one reported.
    for span in sorted(answer.spans, key=lambda s: (s.start - s.end, s.start)):
        first, after = bisect.bisect_right(ends, span.start), bisect.bisect_left(starts, span.end)
        inside = range(first, after)
        what = f"{names[span.label]} {span.start}-{span.end}"
        if not inside:
            losses.add(row.asset, "no_token", f"{what} holds no token")
        elif any(tags[i] != "O" for i in inside):
            losses.add(row.asset, "overlap", f"{what} overlaps another span")
        else:
            if ranges[inside[0]][0] != span.start or ranges[inside[-1]][1] != span.end:
                losses.add(row.asset, "expanded", f"{what} cuts a token and was widened to whole tokens")
            label = "_".join(names[span.label].split())
            for n, i in enumerate(inside):
                tags[i] = f"{'I' if n else 'B'}-{label}"
    return ranges, tags


def spans_of(ranges: list[tuple[int, int]], tags: list[str]) -> list[Span]:
    """Spans of IOB2 tags over token ranges."""
    found: list[Span] = []
    for (start, end), tag in zip(ranges, tags, strict=True):
        kind, _, label = tag.partition("-")
        if kind == "B" or (kind == "I" and (not found or found[-1].label != label)):
            found.append(Span(id=f"t{start}", start=start, end=end, label=label))
        elif kind == "I":
            found[-1] = found[-1].model_copy(update={"end": end})
    return found
