"""Texts per second of an import into SQLite, against plain `sqlite3.executemany` of the same columns in the same run.

python benchmarks/import_speed.py [--texts 100000] [--length 200]
"""

import argparse
import csv
import hashlib
import json
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core.project import ProjectSettings
from labelwright.flows import ingest, jobs, people, setup
from labelwright.formats import Mapping
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
from tests.factories import SENTIMENT

ASSET = "project_id, external_id, sha256, size, status, open, order_key, shuffle, updated_at"


def baseline(path: Path, file: Path) -> float:
    """Seconds for the bare rows: CSV, hash, two tables, three indexes, one transaction."""
    started = time.perf_counter()
    bare = sqlite3.connect(path)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute(f"CREATE TABLE asset (id INTEGER PRIMARY KEY, {ASSET})")
    bare.execute("CREATE TABLE content (asset_id INTEGER PRIMARY KEY, text, metadata)")
    bare.execute("CREATE UNIQUE INDEX a ON asset (project_id, external_id)")
    bare.execute("CREATE INDEX b ON asset (project_id, sha256)")
    bare.execute("CREATE INDEX c ON asset (project_id, open, order_key)")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(n, row) for n, row in enumerate(csv.DictReader(lines))]
    marks = ",".join("?" * 10)
    bare.executemany(
        f"INSERT INTO asset VALUES ({marks})",
        (
            (n, 1, row["id"], hashlib.sha256(row["text"].encode()).hexdigest(), len(row["text"]), "new", 1, 0.5, 0.5, "x")
            for n, row in rows
        ),
    )  # fmt: skip
    bare.executemany(
        "INSERT INTO content VALUES (?,?,?)",
        ((n, row["text"], json.dumps({"source": row["source"]})) for n, row in rows),
    )
    bare.commit()
    bare.close()
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--length", type=int, default=200, help="characters")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "texts.csv"
        filler = "A film about a man who waits for a bus, and for nothing else. " * (args.length // 60 + 1)
        with file.open("w", encoding="utf-8", newline="") as target:
            writer = csv.writer(target)
            writer.writerow(["id", "text", "source"])
            writer.writerows((i, f"{i}: {filler}"[: args.length], "made") for i in range(args.texts))
        bench = open_workbench(Settings.read(folder / "home", {}))
        ana = people.add_user(bench, "ana", is_admin=True)
        project = setup.create_project(
            bench, ana, "Speed", SENTIMENT, settings=ProjectSettings(learn_every=0)
        )
        for what in ("first", "again"):
            started = time.perf_counter()
            ingest.start_import_of_path(
                bench, ana, project.id, file, None, Mapping(external_id="id"), ingest.ImportOptions()
            )
            jobs.run_all(bench)
            seconds = time.perf_counter() - started
            print(f"import, {what}: {args.texts / seconds:,.0f} texts/s ({seconds:.1f} s)")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory {peak:,.0f} MB, pages of the mapped database included")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(("RssAnon", "RssFile")):
                print(f"  {line}")
        bench.close()
        bare = baseline(folder / "bare.db", file)
        print(f"bare sqlite3: {args.texts / bare:,.0f} texts/s ({bare:.1f} s)")


if __name__ == "__main__":
    main()
