"""The replay server over the recorded answers of real models."""

import subprocess
import sys
from pathlib import Path

import pytest

from labelwright.core.exchange import Message, Request
from labelwright.providers import Endpoint, Pool, Privacy
from tests.endpoints.replay import READERS, ReplayServer, load


def test_the_replay_server_runs_by_itself(pool: Pool, shared_folder: Path) -> None:
    recorded = str(shared_folder / "data/recorded")
    command = [sys.executable, "-m", "tests.endpoints.replay", "--recorded", recorded, "--port", "0"]
    command += ["--file", "boolq_sciq", "--mode", "raw", "--only", "model=gpt-4o"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert "replaying" in said
        first = load(shared_folder / "data/recorded", "boolq_sciq", {"model": "gpt-4o"})[0]
        endpoint = Endpoint(said.split()[-1])
        reply = pool.ask_one(
            endpoint,
            Request(model="m", messages=(Message(role="user", content=first.text),)),
            privacy=Privacy(private=True),
        )
        assert reply.text == first.response
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_recorded_file_can_be_replayed(shared_folder: Path, name: str) -> None:
    rows = load(shared_folder / "data/recorded", name)
    assert len(rows) > 500 and all(row.text.strip() for row in rows)
    server = ReplayServer(rows)
    for row in rows[:: len(rows) // 50]:
        found = server.find(f"<text>\n{row.text}\n</text>")
        assert found is not None and found.text.strip() == row.text.strip()
