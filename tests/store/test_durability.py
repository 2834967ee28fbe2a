"""What was acknowledged is there after kill -9, exactly once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from labelwright.settings import Settings
from labelwright.store import asset as assets
from labelwright.store import tables as t
from labelwright.workbench import open_workbench
from tests.factories import add_assets, add_person, add_project

ROUNDS = 6
WORK = """
import sys
from pathlib import Path
from labelwright.flows import annotate, people, take
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
from tests.factories import submission
bench = open_workbench(Settings.read(Path(sys.argv[1]), {}))
ana = people.find_user(bench, "ana")
while True:
    for turn in take.take(bench, ana, 1, 1).turns:
        sent = submission(ontology_version=1)
        annotate.submit(bench, ana, 1, turn.asset.id, sent)
        print(sent.id, flush=True)
"""


def test_acknowledged_submissions_survive_kill_9_exactly_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    bench = open_workbench(Settings.read(home, {}))
    project = add_project(bench, add_person(bench))
    add_assets(bench, project, [f"text {i}" for i in range(3_000)])
    acknowledged: list[str] = []
    for round_ in range(ROUNDS):
        process = subprocess.Popen([sys.executable, "-c", WORK, str(home)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.15 + 0.07 * round_)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        # The last line may have been cut in the middle by the kill.
        acknowledged += [line for line in (first + rest).split("\n") if len(line) == 36]
    with bench.store.read() as tx:
        stored = list(tx.execute(sa.select(t.annotation.c.id)).scalars())
        counters = assets.counters(tx, project.id)
        labelled = tx.execute(sa.select(sa.func.count()).where(t.asset.c.status == "labelled")).scalar_one()
    assert len(acknowledged) >= ROUNDS
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored)) == counters["submissions"] == counters["labelled"] == labelled
    assert len(stored) - len(acknowledged) <= ROUNDS, (
        "at most the one in flight per kill was not acknowledged"
    )
    bench.close()
