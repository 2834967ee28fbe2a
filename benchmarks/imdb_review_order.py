"""Which share of a model's errors comes first in the review queue: IMDb with recorded GPT-3 answers, over HTTP.

Imports 3,000 reviews, predicts them through the replay server (recorded for 2,500 of them; the others are refused and
reported as failed), walks the review queue, exports, and prints how many of the model's errors stand in its first part.

    python benchmarks/imdb_review_order.py [--database postgresql://...]
"""

import argparse
import csv
import gzip
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core.access import Actor
from labelwright.core.answer import ChoiceAnswer
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology
from labelwright.core.predictor import Run
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import export, ingest, jobs, models, people, predict, prompts, setup, take
from labelwright.formats import Mapping
from labelwright.settings import Settings
from labelwright.workbench import Workbench, open_workbench
from tests.endpoints.replay import ReplayServer, load

PARTS = (0.05, 0.10, 0.20, 0.30)
ONTOLOGY = Ontology(
    guideline="Decide whether the reviewer liked the film.",
    questions=(
        ChoiceQuestion(
            id="sentiment",
            name="Sentiment",
            labels=(Label(id="positive", name="positive"), Label(id="negative", name="negative")),
        ),
    ),
)


@dataclass
class Figures:
    """What was measured.

    Attributes:
        found: Part of the queue -> share of the model's errors in it.
        by_chance: The same for a random order.
        failed: Assets by cause that no answer was recorded for.
        predict_s: Wall seconds of the run.
    """

    imported: int
    predicted: int
    failed: dict[str, int]
    errors: int
    abstained: int
    found: dict[float, float]
    first_confidences: list[float | None]
    exported: int
    import_s: float
    predict_s: float
    run: Run

    def lines(self) -> list[str]:
        """As a table."""
        accuracy = 1 - self.errors / self.predicted
        return [
            f"imported {self.imported} reviews in {self.import_s:.1f} s",
            f"predicted {self.predicted} over HTTP in {self.predict_s:.1f} s ({self.predicted / self.predict_s:.0f}/s)",
            f"not recorded: {self.failed}",
            f"accuracy {accuracy:.3f}; {self.errors} errors, of them {self.abstained} answers that were neither word",
            *(
                f"first {part:4.0%} of the queue: {share:6.1%} of the errors"
                for part, share in self.found.items()
            ),
            f"exported {self.exported} rows",
        ]


def measure(
    shared: Path,
    home: Path,
    database_url: str | None = None,
    *,
    batch_size: int = 500,
    most: int | None = None,
) -> Figures:
    """Do the loop in `home` on all reviews, or the first `most`; `shared` is the folder with `data/`."""
    with gzip.open(shared / "data/text/imdb.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:most]
    truth = {row["id"]: row["label"] for row in rows}
    bench = open_workbench(Settings.read(home, {}, database_url=database_url, reserve_mb=0))
    try:
        ana = people.add_user(bench, "ana", is_admin=True)
        settings = ProjectSettings(audit_share=0, learn_every=0, private=True, lease_s=86_400)
        project = setup.create_project(bench, ana, "IMDb", ONTOLOGY, settings=settings)
        started = time.perf_counter()
        imported = _import(bench, ana, project, home / "imdb.csv", [(row["id"], row["text"]) for row in rows])
        import_s = time.perf_counter() - started
        with ReplayServer(load(shared / "data/recorded", "imdb_gpt3_curie_conf")) as server:
            wanted = models.ProviderInput(name="replay", base_url=server.base_url, concurrency=16)
            provider = models.add_provider(bench, ana, wanted)
            plan = prompts.Plan(provider_id=provider.id, model="text-curie-001")
            started = time.perf_counter()
            predict.start_run(bench, ana, project.id, plan, batch_size=batch_size, batches=None)
            jobs.run_all(bench)
            predict_s = time.perf_counter() - started
        listed = predict.list_runs(bench, ana, project.id)
        if any(run.state != "done" for run in listed):
            raise RuntimeError(f"a run did not end: {[(run.state, run.stop_reason) for run in listed]}")
        failed: dict[str, int] = {}
        for run in listed:
            for cause, n in run.failures.items():
                failed[cause] = failed.get(cause, 0) + n
        wrong, confidences, abstained = _walk(bench, ana, project, truth)
        return Figures(
            imported=imported,
            predicted=sum(run.done for run in listed),
            failed=failed,
            errors=sum(wrong),
            abstained=abstained,
            found=shares(wrong, PARTS),
            first_confidences=confidences[:50],
            exported=_export(bench, ana, project),
            import_s=import_s,
            predict_s=predict_s,
            run=listed[0],
        )
    finally:
        bench.close()


def shares(wrong: Sequence[bool], parts: Sequence[float]) -> dict[float, float]:
    """Part of an order -> share of all errors that stand in it."""
    return {part: sum(wrong[: round(len(wrong) * part)]) / max(1, sum(wrong)) for part in parts}


def _import(bench: Workbench, ana: Actor, project: Project, path: Path, rows: list[tuple[str, str]]) -> int:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("id", "text"))
        out.writerows(rows)
    mapping = Mapping(text="text", external_id="id")
    ingest.start_import_of_path(bench, ana, project.id, path, "csv", mapping, ingest.ImportOptions())
    jobs.run_all(bench)
    counts = setup.view_project(bench, ana, project.id).counts
    return counts["new"]


def _walk(
    bench: Workbench, ana: Actor, project: Project, truth: dict[str, str]
) -> tuple[list[bool], list[float | None], int]:
    """(whether the model is wrong, its confidence) in queue order over the predicted assets; how many it abstained on."""
    held: list[int] = []
    wrong: list[bool] = []
    confidences: list[float | None] = []
    abstained = 0
    while True:
        turns = take.take(bench, ana, project.id, 20, tuple(held)).turns
        predicted = [turn for turn in turns if turn.prediction is not None]
        for turn in predicted:
            held.append(turn.asset.id)
            assert turn.prediction is not None
            answer = turn.prediction.answers.get("sentiment")
            said = answer.labels[0] if isinstance(answer, ChoiceAnswer) and answer.labels else None
            abstained += said is None
            wrong.append(said != truth[turn.asset.external_id or ""])
            confidences.append(turn.asset.confidence)
        if len(predicted) < 20:
            # Assets without a prediction come after all others.
            return wrong, confidences, abstained


def _export(bench: Workbench, ana: Actor, project: Project) -> int:
    """Rows of our own JSONL."""
    job = export.start_export(bench, ana, project.id, export.ExportWanted(format="labelwright"))
    jobs.run_all(bench)
    path, _ = export.export_file(bench, ana, project.id, job.id)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jsonl")]
        return sum(len(archive.read(name).splitlines()) for name in names)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--database", help="a database URL; a fresh SQLite file when left out")
    args = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("LABELWRIGHT_DATA", root.parent / "shared"))
    if not (shared / "data").is_dir():
        sys.exit(f"{shared} holds no data; set LABELWRIGHT_DATA")
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(measure(shared, Path(folder), args.database).lines()))


if __name__ == "__main__":
    main()
