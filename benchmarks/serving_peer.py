"""The same loop, next asset and submit over HTTP, on this server and on Label Studio (SQLite, loopback), turn by turn.

    python -m venv peer && peer/bin/pip install 'label-studio==1.23.*'
    python -m benchmarks.serving_peer --peer-python peer/bin/python [--assets 100000] [--seconds 5] [--rounds 3]

Without `--peer-python` there is nothing to compare with, and it says so.
"""

import argparse
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import serving
from benchmarks.crowd import Door, Line, measure

TOKEN = "0123456789abcdef0123456789abcdef01234567"
LABELS = """<View><Text name="text" value="$text"/><Choices name="label" toName="text">
<Choice value="positive"/><Choice value="negative"/></Choices></View>"""


class Tasks:
    """How Label Studio is asked."""

    def __init__(self, project: int) -> None:
        self.project = project

    def take(self) -> tuple[str, str, bytes]:
        return "GET", f"/api/projects/{self.project}/next", b""

    def submit(self, taken: dict[str, Any]) -> tuple[str, str, bytes] | None:
        answer = {
            "from_name": "label",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["positive"]},
        }
        body = json.dumps({"result": [answer], "lead_time": 1.0})
        return "POST", f"/api/tasks/{taken['id']}/annotations/", body.encode()


def start_peer(python: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The peer's server and its port. Telemetry and update checks are off."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LATEST_VERSION_CHECK": "false", "COLLECT_ANALYTICS": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "",
        "PYTHONPATH": "", "DEBUG": "false", "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    process = subprocess.Popen(
        [str(python.parent / "label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1",
         "--port", str(port), "--data-dir", str(folder), "--username", "bench@example.com",
         "--password", "bench-password", "--user-token", TOKEN],
        env=environment, stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 600
    while time.monotonic() < until and process.poll() is None:
        try:
            if Line(port, f"Token {TOKEN}").call("GET", "/api/version")[0] == 200:
                return process, port
        except (OSError, ValueError):
            time.sleep(0.5)
    raise SystemExit(f"the peer did not start:\n{(folder / 'log').read_text()[-2000:]}")


def fill_peer(port: int, n: int, limit_s: float) -> tuple[int, int, float]:
    """A project with up to `n` texts, as many as fit in the time; (project, texts, texts per second)."""
    line = Line(port, f"Token {TOKEN}")
    made = _ok(
        line.call("POST", "/api/projects", json.dumps({"title": "Bench", "label_config": LABELS}).encode())
    )
    project, done, began = made["id"], 0, time.perf_counter()
    while done < n and time.perf_counter() - began < limit_s:
        texts = [
            {"text": f"Review a{i}: a text of ordinary length that somebody might have written about a film."}
            for i in range(done, min(done + 5_000, n))
        ]
        _ok(line.call("POST", f"/api/projects/{project}/import", json.dumps(texts).encode()))
        done += len(texts)
    return project, done, done / (time.perf_counter() - began)


def hire(port: int, folder: Path, n: int) -> list[str]:
    """Tokens of `n` people: a task is handed to one of them only, as with us."""
    line, tokens = Line(port, f"Token {TOKEN}"), [TOKEN]
    for i in range(n - 1):
        person = {"email": f"p{i}@example.com", "username": f"p{i}"}
        user = _ok(line.call("POST", "/api/users/", json.dumps(person).encode()))
        tokens.append(f"{i:040x}")
        with sqlite3.connect(folder / "label_studio.sqlite3", timeout=30) as db:
            db.execute("UPDATE authtoken_token SET key = ? WHERE user_id = ?", (tokens[-1], user["id"]))
    return tokens


def _ok(answer: tuple[int, bytes]) -> Any:
    if answer[0] not in (200, 201):
        raise SystemExit(f"the peer answered {answer[0]}: {answer[1][:500]!r}")
    return json.loads(answer[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--import-limit", type=float, default=600, help="seconds the peer may import for")
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    if wanted.peer_python is None:
        print("skipped: say --peer-python, see the head of benchmarks/serving_peer.py")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "peer"
        folder.mkdir()
        peer, peer_port = start_peer(wanted.peer_python, folder)
        ours = None
        try:
            task_project, n, rate = fill_peer(peer_port, wanted.assets, wanted.import_limit)
            print(f"peer: {n:,} of {wanted.assets:,} texts imported, {rate:,.0f} texts/s")
            home = Path(scratch) / "home"
            home.mkdir()
            token, project, rate = serving.prepare(home, n)
            print(f"ours: {n:,} texts imported, {rate:,.0f} texts/s; load average {os.getloadavg()[0]:.1f}")
            tokens = serving.make_people(home, project, token, 8)
            ours, port, _ = serving.start(home)
            crowds: dict[str, tuple[int, list[tuple[Line, Door]]]] = {
                "ours": (ours.pid, serving.people_at(port, tokens, project)),
                "peer": (
                    peer.pid,
                    [
                        (Line(peer_port, f"Token {each}"), Tasks(task_project))
                        for each in hire(peer_port, folder, 8)
                    ],
                ),
            }
            print(serving.head())
            for clients in (1, 8):
                rounds: dict[str, list[dict[str, float]]] = {name: [] for name in crowds}
                for _ in range(wanted.rounds):
                    for name, (pid, crowd) in crowds.items():
                        rounds[name].append(measure(pid, crowd[:clients], wanted.seconds))
                speed = {k: statistics.median(r["submits/s"] for r in v) for k, v in rounds.items()}
                for name, found in rounds.items():
                    print(serving.row(f"{name}, {clients} clients", found, float("nan")))
                print(
                    f"ratio of submits/s with {clients} clients: {speed['ours'] / speed['peer']:.1f}",
                    flush=True,
                )
        finally:
            os.killpg(peer.pid, signal.SIGTERM)
            peer.wait()
            if ours is not None:
                ours.terminate()
                ours.wait()


if __name__ == "__main__":
    main()
