"""Relations and links on real text: `python -m benchmarks.tasks_real [shared data folder]`.

Relations: sentences with two medical terms and a relation between them (CrowdTruth) are asked about, answered by a
stub that follows the rules it is given, and read back. Links: a list of entities is made of the distinct chemical and
disease names of biomedical texts, most with a variant spelling as alias left out; each is looked up by its name with
one or two letters changed.
"""

import gzip
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelwright.core.answer import Answers, Relation, RelationAnswer, Span, SpanAnswer
from labelwright.core.compare import changed_questions
from labelwright.core.exchange import Reply
from labelwright.core.knowledge import Entity, Knowledge, spelled
from labelwright.core.ontology import Label, Ontology, RelationQuestion, SpanQuestion
from labelwright.prompting import ideal_reply, read

ONTOLOGY = Ontology(
    questions=(
        SpanQuestion(id="terms", name="Terms", overlap=True, labels=(Label(id="term", name="Medical term"),)),
        RelationQuestion(
            id="relations", name="Relations", from_question="terms", to_question="terms",
            labels=(Label(id="cause", name="causes"), Label(id="treat", name="treats")),
        ),
    )
)  # fmt: skip


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a compressed JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def relations(shared: Path) -> tuple[int, int]:
    """(sentences whose relation came back at the right places, all whose terms have places in the data)."""
    right = total = 0
    for row in rows(shared / "crowd" / "crowdtruth_medical_relations.jsonl.gz"):
        one, other = row["term1"], row["term2"]
        places = [(each["start"], each["end"]) for each in (one, other)]
        inside = all(0 <= start < end <= len(row["text"]) for start, end in places)
        if row["relation"] not in ("cause", "treat") or places[0] == places[1] or not inside:
            continue
        spans = tuple(Span(id=str(n), start=s, end=e, label="term") for n, (s, e) in enumerate(places))
        joined = Relation(id="r", label=row["relation"], from_id="0", to_id="1")
        answers = Answers.of(
            {"terms": SpanAnswer(spans=spans), "relations": RelationAnswer(relations=(joined,))}
        )
        reading = read(ONTOLOGY, row["text"], [Reply(text=ideal_reply(ONTOLOGY, answers, row["text"]))])
        total += 1
        right += not changed_questions(ONTOLOGY, reading.answers, answers)
    return right, total


def misspelled(name: str, changes: int, rng: random.Random) -> str:
    """The name with so many letters replaced, dropped or swapped."""
    letters = list(name)
    for _ in range(changes):
        at = rng.randrange(len(letters) - 1)
        match rng.choice("rds"):
            case "r":
                letters[at] = rng.choice("abcdefghijklmnopqrstuvwxyz")
            case "d":
                del letters[at]
            case _:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def links(shared: Path, seed: int = 1) -> dict[str, Any]:
    """Share of entities among the first 1 and 10 candidates, by how many letters were changed, and time per search."""
    names: dict[str, str] = {}
    for row in rows(shared / "text" / "biomed_ner.jsonl.gz"):
        for entity in row["entities"]:
            if len(spelled(entity["text"])) >= 6:
                names.setdefault(spelled(entity["text"]), entity["text"])
    entities = [Entity(id=f"M{n}", name=name) for n, name in enumerate(names.values())]
    index, rng = Knowledge(entities), random.Random(seed)
    asked = rng.sample(entities, min(2_000, len(entities)))
    found: dict[str, Any] = {"entities": len(entities), "asked": len(asked)}
    index.search("warm up", 1)
    for changes in (0, 1, 2):
        hits, began = [0, 0], time.perf_counter()
        for entity in asked:
            ids = [c.entity.id for c in index.search(misspelled(entity.name, changes, rng), 10)]
            hits[0] += ids[:1] == [entity.id]
            hits[1] += entity.id in ids
        ms = (time.perf_counter() - began) / len(asked) * 1000
        found[f"{changes} changed"] = {"at 1": hits[0] / len(asked), "at 10": hits[1] / len(asked), "ms": ms}
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data")
    print("relations", relations(folder))
    print(json.dumps(links(folder), indent=1))
