"""How fast the queue is over HTTP: next asset and submit at 100,000 assets, with 1 and 8 clients, also during an import.

    python -m benchmarks.serving [--assets 100000] [--seconds 15]

A real server process on SQLite (`synchronous=FULL`), keep-alive connections with an API token. The baseline of the same
run is the disk itself: one bare `sqlite3` transaction per submission with the same durable settings.
"""

import argparse
import csv
import http.client
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

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


class Person(threading.Thread):
    """Takes and submits until told to stop."""

    def __init__(self, port: int, token: str, project: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.port, self.token, self.project, self.halt = port, token, project, stop
        self.take_s: list[float] = []
        self.submit_s: list[float] = []
        self.errors: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

        def call(path: str, body: object) -> tuple[dict, float]:  # type: ignore[type-arg]
            began = time.perf_counter()
            connection.request("POST", f"/api/projects/{self.project}{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            if answer.status != 200:
                self.errors.append(f"{answer.status} {content}")
            return content, time.perf_counter() - began

        while not self.halt.is_set():
            hand, took = call("/take", {"n": 1, "hold": []})
            self.take_s.append(took)
            for turn in hand.get("turns", []):
                _, took = call(
                    f"/assets/{turn['asset']['id']}/annotations",
                    {
                        "id": str(uuid.uuid4()),
                        "ontology_version": 1,
                        "answers": {"label": {"kind": "choice", "labels": ["positive"]}},
                    },
                )
                self.submit_s.append(took)


def measure(port: int, tokens: list[str], project: int, seconds: float) -> dict[str, float]:
    stop = threading.Event()
    crowd = [Person(port, token, project, stop) for token in tokens]
    began = time.perf_counter()
    for person in crowd:
        person.start()
    time.sleep(seconds)
    stop.set()
    for person in crowd:
        person.join()
    took = time.perf_counter() - began
    submits = [s for person in crowd for s in person.submit_s]
    takes = [s for person in crowd for s in person.take_s]
    errors = [e for person in crowd for e in person.errors]
    assert not errors, errors[:3]

    def q(values: list[float], share: float) -> float:
        return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1000

    return {
        "submits/s": len(submits) / took, "take p50": q(takes, 0.5), "take p95": q(takes, 0.95),
        "submit p50": q(submits, 0.5), "submit p95": q(submits, 0.95), "submit p99": q(submits, 0.99),
    }  # fmt: skip


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


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=15)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        token, project, rate = prepare(home, wanted.assets)
        print(f"import: {wanted.assets:,} texts at {rate:,.0f} rows/s")
        floor = bare(Path(scratch))
        print(f"baseline: {floor:,.0f} bare durable sqlite3 transactions/s\n")
        bench = open_workbench(Settings.read(home, {}))
        tokens = [token]
        for i in range(7):
            person = people.add_user(bench, f"p{i}")
            people.set_member(bench, local_person(bench), project, person.user_id, "annotator")
            tokens.append(people.make_token(bench, person, "bench", None)[1])
        bench.close()
        process, port, cold = start(home)
        print(f"cold start to the first page: {cold:.2f} s")
        print(
            f"{'':<26}"
            + "".join(
                f"{k:>12}"
                for k in (
                    "submits/s",
                    "ratio",
                    "take p50",
                    "take p95",
                    "submit p50",
                    "submit p95",
                    "submit p99",
                )
            )
        )

        def row(title: str, found: dict[str, float]) -> None:
            shown = [
                found["submits/s"],
                found["submits/s"] / floor,
                *[found[k] for k in ("take p50", "take p95", "submit p50", "submit p95", "submit p99")],
            ]
            print(
                f"{title:<26}"
                + "".join(f"{v:>12.2f}" if i == 1 else f"{v:>12.1f}" for i, v in enumerate(shown))
            )

        row("1 client", measure(port, tokens[:1], project, wanted.seconds))
        row("8 clients", measure(port, tokens, project, wanted.seconds))
        other = texts(Path(scratch) / "more.csv", 50_000, "b")
        loading = subprocess.Popen(
            [sys.executable, "-m", "labelwright.cli.main", "import", "Bench", str(other), "--home", str(home)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        row("8 clients, during import", measure(port, tokens, project, min(wanted.seconds, 8)))
        loading.wait()
        print(f"\nserver: peak memory {peak_mb(process.pid):.0f} MB (times in ms)")
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
