"""How fast the queue is over HTTP: next asset and submit at 100,000 assets, with 1 and 8 clients, also during an import.

    python -m benchmarks.serving [--assets 100000] [--seconds 5] [--rounds 3]

A real server process on SQLite (`synchronous=FULL`), keep-alive connections with an API token,
without a pause (the limit) and with one (people). The baseline of the same
run is the disk itself: one bare `sqlite3` transaction per submission with the same durable settings.
"""

import argparse
import csv
import http.client
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.crowd import COLUMNS, Door, Line, measure, peak_mb
from labelwright.cli.common import local_person
from labelwright.core.project import ProjectSettings
from labelwright.flows import ingest, jobs, people, setup
from labelwright.settings import Settings
from labelwright.workbench import open_workbench


def prepare(home: Path, n: int) -> tuple[str, int, float]:
    """A project with `n` imported texts; returns (token, project id, imported rows per second)."""
    bench = open_workbench(Settings.read(home, {}))
    actor = local_person(bench)
    body = {"questions": [{"kind": "choice", "name": "Label", "labels": ["positive", "negative"]}]}
    project = setup.create_project(
        bench, actor, "Bench", setup.parse_ontology(body), settings=ProjectSettings(learn_every=0)
    )
    path = texts(home.parent / "texts.csv", n, "a")
    job = ingest.start_import_of_path(bench, actor, project.id, path, None, None, ingest.ImportOptions())
    started = time.perf_counter()
    jobs.run_all(bench)
    took = time.perf_counter() - started
    with bench.store.read() as tx:
        from labelwright.store import jobs as stored

        done = stored.get(tx, job.id)
    assert done is not None
    assert done.report["new"] == n, done
    with bench.store.write() as tx:
        # A realistic queue: two thirds predicted, with all kinds of confidence.
        tx.exec_driver_sql("UPDATE asset SET confidence = shuffle, order_key = shuffle WHERE id % 3 != 0")
    token = people.make_token(bench, actor, "bench", None)[1]
    bench.close()
    return token, project.id, n / took


def texts(path: Path, n: int, prefix: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        for i in range(n):
            writer.writerow(
                [
                    f"{prefix}{i}",
                    f"Review {prefix}{i}: a text of ordinary length that somebody might have written about a film.",
                ]
            )
    return path


def start(home: Path) -> tuple[subprocess.Popen[str], int, float]:
    """The server process, its port, and the seconds from start to the first page."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "labelwright.cli.main", "start", "--home", str(home), "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    port = 0
    for line in process.stdout:
        if "runs at http://" in line:
            port = int(line.rsplit(":", 1)[1])
        if "/sign-in" in line:
            break
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            if connection.getresponse().read() is not None:
                return process, port, time.perf_counter() - began
        except OSError:
            time.sleep(0.01)


class Queue:
    """How our server is asked."""

    def __init__(self, project: int) -> None:
        self.root = f"/api/projects/{project}"

    def take(self) -> tuple[str, str, bytes]:
        return "POST", f"{self.root}/take", b'{"n": 1, "hold": []}'

    def submit(self, taken: dict[str, Any]) -> tuple[str, str, bytes] | None:
        if not taken["turns"]:
            return None
        body = (
            f'{{"id": "{uuid.uuid4()}", "ontology_version": 1, '
            '"answers": {"label": {"kind": "choice", "labels": ["positive"]}}}'
        )
        return "POST", f"{self.root}/assets/{taken['turns'][0]['asset']['id']}/annotations", body.encode()


def people_at(port: int, tokens: list[str], project: int) -> list[tuple[Line, Door]]:
    return [(Line(port, f"Bearer {token}"), Queue(project)) for token in tokens]


def bare(folder: Path, seconds: float = 3.0) -> float:
    """Durable transactions per second of the disk: insert and update one row each, nothing else."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE a (id TEXT PRIMARY KEY, body TEXT)")
    connection.execute("CREATE TABLE n (k INTEGER PRIMARY KEY, n INTEGER)")
    connection.execute("INSERT INTO n VALUES (1, 0)")
    began, n = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO a VALUES (?, ?)", (str(uuid.uuid4()), '{"label": {"kind": "choice"}}' * 4)
        )
        connection.execute("UPDATE n SET n = n + 1 WHERE k = 1")
        connection.execute("COMMIT")
        n += 1
    return n / (time.perf_counter() - began)


def make_people(home: Path, project: int, first: str, n: int) -> list[str]:
    """Tokens of `n` people, the first of them being the owner of `first`."""
    bench = open_workbench(Settings.read(home, {}))
    tokens = [first]
    for i in range(n - 1):
        person = people.add_user(bench, f"p{i}")
        people.set_member(bench, local_person(bench), project, person.user_id, "annotator")
        tokens.append(people.make_token(bench, person, "bench", None)[1])
    bench.close()
    return tokens


def head() -> str:
    return f"{'':<34}{'/ bare':>8}" + "".join(f"{k:>12}" for k in COLUMNS)


def row(title: str, rounds: list[dict[str, float]], floor: float) -> str:
    """The medians over rounds, as a line."""
    found = {k: statistics.median(each[k] for each in rounds) for k in COLUMNS}
    shown = "".join(f"{v:>12.2f}" if k.startswith("cpu") else f"{v:>12.1f}" for k, v in found.items())
    return f"{title:<34}{found['submits/s'] / floor:>8.3f}{shown}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of each kind, taken in turn; medians are shown"
    )
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        token, project, rate = prepare(home, wanted.assets)
        print(f"import: {wanted.assets:,} texts at {rate:,.0f} rows/s")
        floor = bare(Path(scratch))
        print(f"baseline: {floor:,.0f} bare durable sqlite3 transactions/s")
        tokens = make_people(home, project, token, 100)
        process, port, cold = start(home)
        print(f"cold start to the first page: {cold:.2f} s; load average {os.getloadavg()[0]:.1f}")
        crowd = people_at(port, tokens, project)
        kinds = {
            "1 client": (1, 0.0),
            "8 clients": (8, 0.0),
            "8 clients, 4 submits/s each": (8, 4.0),
            "100 clients, 4 submits/min each": (100, 4 / 60),
        }
        rounds: dict[str, list[dict[str, float]]] = {title: [] for title in kinds}
        try:
            for _ in range(wanted.rounds):
                for title, (n, pace) in kinds.items():
                    seconds = wanted.seconds * (3 if n == 100 else 1)
                    rounds[title].append(measure(process.pid, crowd[:n], seconds, pace=pace))
            print(head())
            for title, found in rounds.items():
                print(row(title, found, floor))
            other = texts(Path(scratch) / "more.csv", 50_000, "b")
            loading = subprocess.Popen(
                [sys.executable, "-m", "labelwright.cli.main", "import", "Bench", str(other), "--home", str(home)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            print(
                row("8 clients, during an import", [measure(process.pid, crowd[:8], wanted.seconds)], floor)
            )
            loading.wait()
            print(f"\nserver: peak memory {peak_mb(process.pid):.0f} MB (times in ms, cpu in cores)")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
