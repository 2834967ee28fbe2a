"""Few-shot against zero-shot on BABE (media bias), from the recorded answers of 13 models, by the product's own comparison.

Imports the 1,490 sentences as gold, reviews eight made-up sentences (four per label) that serve as examples, and
compares zero-shot with 2, 4 and 8 examples for each model, over HTTP through the replay server. The recorded answers
were given to the study's own examples; which examples are shown here does not change them, only how many.

    python benchmarks/fewshot_compare.py [--model gpt_4 ...] [--database postgresql://...]
"""

import argparse
import csv
import gzip
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core.access import Actor
from labelwright.core.answer import Answers, ChoiceAnswer
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology
from labelwright.core.predictor import ExamplePolicy
from labelwright.core.project import ProjectSettings
from labelwright.flows import annotate, browse, compare, ingest, jobs, models, people, setup
from labelwright.flows.compare import Comparison
from labelwright.flows.prompts import Plan
from labelwright.formats import Mapping
from labelwright.settings import Settings
from labelwright.workbench import Workbench, open_workbench
from tests.endpoints.replay import ReplayServer, load

ONTOLOGY = Ontology(
    guideline="Decide whether the sentence is biased by its choice of words.",
    questions=(
        ChoiceQuestion(
            id="bias",
            name="Bias",
            labels=(Label(id="biased", name="Biased"), Label(id="unbiased", name="Unbiased")),
        ),
    ),
)
EXAMPLES = {
    "biased": (
        "The reckless council once again squandered the money of honest citizens.",
        "Only a fool could still believe the excuses of this shameless lobby.",
        "Their so-called plan is nothing but a cruel attack on working families.",
        "The hero of the streets humiliated the whining elites on live television.",
    ),
    "unbiased": (
        "The council approved a budget of 40 million dollars on Tuesday.",
        "The lobby group said it would publish its records in March.",
        "The plan would change the income limit for families with two children.",
        "The mayor and two ministers took part in a televised debate.",
    ),
}


def recorded(shared: Path) -> list[dict[str, object]]:
    """Rows of the BABE table."""
    path = shared / "data/recorded/babe_bias_13llm_9prompts.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def measure(
    shared: Path,
    home: Path,
    wanted: Sequence[str],
    per_label: Sequence[int] = (0, 1, 2, 4),
    database_url: str | None = None,
) -> dict[str, Comparison]:
    """Model -> comparison of zero-shot (0) and so many examples per label; plans nobody recorded are left out."""
    rows = recorded(shared)
    replayed = load(shared / "data/recorded", "babe_bias")
    have = {(row.model, row.shots) for row in replayed}
    bench = open_workbench(Settings.read(home, {}, database_url=database_url, reserve_mb=0))
    try:
        ana = people.add_user(bench, "ana", is_admin=True)
        settings = ProjectSettings(audit_share=0, learn_every=0, private=True)
        project = setup.create_project(bench, ana, "BABE", ONTOLOGY, settings=settings)
        path = home / "babe.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(("id", "text", "gold"))
            out.writerows((row["id"], row["text"], "Biased" if row["gold"] else "Unbiased") for row in rows)
            out.writerows(
                (f"{label}-{i}", text, "")
                for label, texts in EXAMPLES.items()
                for i, text in enumerate(texts)
            )
        mapping = Mapping(text="text", external_id="id", gold={"bias": "gold"})
        ingest.start_import_of_path(bench, ana, project.id, path, "csv", mapping, ingest.ImportOptions())
        jobs.run_all(bench)
        _review(bench, ana, project.id)
        found: dict[str, Comparison] = {}
        with ReplayServer(replayed) as server:
            endpoint = models.ProviderInput(name="replay", base_url=server.base_url, concurrency=32)
            provider = models.add_provider(bench, ana, endpoint)
            for model in wanted:
                plans = [
                    Plan(provider_id=provider.id, model=model, examples=ExamplePolicy(kind="per_label", k=k))
                    if k
                    else Plan(provider_id=provider.id, model=model)
                    for k in per_label
                    if (model, 2 * k) in have
                ]
                started = compare.start_comparison(bench, ana, project.id, plans)
                jobs.run_all(bench)
                found[model] = compare.view_comparison(bench, ana, project.id, started.id)
        return found
    finally:
        bench.close()


def _review(bench: Workbench, ana: Actor, project_id: int) -> None:
    """A person labels the made-up sentences."""
    not_gold = browse.page(bench, ana, project_id, browse.Filter(gold=False), "id", None, 100).rows
    for row in not_gold:
        label = (row.asset.external_id or "").split("-")[0]
        answers = Answers.of({"bias": ChoiceAnswer(labels=(label,))})
        sent = annotate.Submission(id=str(uuid.uuid4()), answers=answers, ontology_version=1)
        annotate.submit(bench, ana, project_id, row.asset.id, sent)


def main() -> None:
    """Print the table and the sentences."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", action="append", help="such as gpt_4; all thirteen when left out")
    parser.add_argument("--database", help="a database URL; a fresh SQLite file when left out")
    args = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("LABELWRIGHT_DATA", root.parent / "shared"))
    if not (shared / "data").is_dir():
        sys.exit(f"{shared} holds no data; set LABELWRIGHT_DATA")
    rows = recorded(shared)
    first = rows[0]["predictions"]
    assert isinstance(first, dict)
    wanted = args.model or sorted(first["zero-shot"])
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(shared, Path(folder), wanted, database_url=args.database)
    asked = sum(plan.done for each in found.values() for plan in each.plans)
    print(f"{asked:,} answers in {time.perf_counter() - started:.0f} s")
    for model, each in found.items():
        print(f"| {model} | " + " | ".join(_cell(each, i) for i in range(len(each.plans))) + " |")
    for model, each in found.items():
        print(model)
        print("\n".join(f"  {pair.sentence}" for pair in each.pairs if pair.first == 0))


def _cell(found: Comparison, i: int) -> str:
    figure = found.plans[i].figures["bias"]
    text = f"{100 * figure.value:.1f}"
    if i == 0:
        return f"{text} ({100 * figure.interval.low:.1f} to {100 * figure.interval.high:.1f})"
    pair = next(each for each in found.pairs if (each.first, each.second) == (0, i))
    low, high = pair.paired.interval.low, pair.paired.interval.high
    mark = {"better": "better", "worse": "worse", "undecided": "none shown"}[pair.verdict.outcome]
    return f"{text}: {100 * pair.paired.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) {mark}"


if __name__ == "__main__":
    main()
