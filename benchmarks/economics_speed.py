"""How long the economics of 100,000 submissions take, beside one plain count over the same rows in the same run.

python benchmarks/economics_speed.py [--submissions 100000]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import sqlalchemy as sa

from labelwright.core.arms import draw
from labelwright.core.predictor import ImportedModel, Predictor
from labelwright.flows import economics, people, setup
from labelwright.settings import Settings
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.workbench import open_workbench
from tests.factories import NEGATIVE, POSITIVE, SENTIMENT


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--submissions", type=int, default=100_000)
    n = parser.parse_args().submissions
    with tempfile.TemporaryDirectory() as folder:
        bench = open_workbench(Settings.read(Path(folder), {}, reserve_mb=0))
        crowd = [people.add_user(bench, f"p{i}", is_admin=i == 0) for i in range(10)]
        project = setup.create_project(bench, crowd[0], "Speed", SENTIMENT)
        now = bench.now()
        with bench.store.write() as tx:
            sha = runs.add_predictor(tx, Predictor(engine=ImportedModel(name="m"), ontology_version=1))
            ids = range(1, n + 1)
            said = {i: POSITIVE if i % 3 else NEGATIVE for i in ids}
            given = {i: POSITIVE if i % 4 else NEGATIVE for i in ids}
            author = {i: crowd[i % 10].user_id for i in ids}
            arm = {i: draw(i // 10, 0.2, author[i], 0) for i in ids}
            run = {"project_id": project.id, "kind": "batch", "predictor_sha256": sha, "state": "done", "total": n, "done": n, "failures": {}, "examples": {}, "options": {}, "created_at": now, "cost_usd": 1}  # fmt: skip
            tx.execute(t.run.insert(), [run | {"id": i, "batch": i} for i in range(1, 21)])
            tx.execute(t.asset.insert(), [{"id": i, "project_id": project.id, "sha256": str(i), "size": 1, "order_key": 0, "shuffle": 0, "updated_at": now} for i in ids])  # fmt: skip
            tx.execute(t.run_asset.insert(), [{"run_id": i % 20 + 1, "asset_id": i, "cost_usd": 0.0001} for i in ids])  # fmt: skip
            tx.execute(t.prediction.insert(), [{"id": i, "project_id": project.id, "asset_id": i, "run_id": i % 20 + 1, "predictor_sha256": sha, "ontology_version": 1, "answers": said[i].model_dump(), "confidence": {}, "problems": [], "created_at": now} for i in ids])  # fmt: skip
            tx.execute(t.annotation.insert(), [{"id": str(i), "project_id": project.id, "asset_id": i, "author_id": author[i], "ontology_version": 1, "answers": given[i].model_dump(), "arm": arm[i], "prediction_id": i if arm[i] == "shown" else None, "withheld_id": i if arm[i] == "hidden" else None, "active_ms": 3_000 + i % 999, "judged_run_id": i % 20 + 1, "judged_predictor": sha, "judged_usd": 0.0001, "request_sha256": "x", "created_at": now, "seq": i} for i in ids])  # fmt: skip
            from labelwright.core.economics import judge

            tx.execute(t.verdict.insert(), [{"annotation_id": str(i), "project_id": project.id, "author_id": author[i], "arm": arm[i], "run_id": i % 20 + 1, "predictor_sha256": sha, **v.model_dump()} for i in ids for v in judge(said[i], given[i])])  # fmt: skip

        def timed(name: str, what: object) -> None:
            assert callable(what)
            best = min(_once(what) for _ in range(3))
            print(f"{name:34} {best * 1000:7.0f} ms")

        def plain() -> None:
            with bench.store.read() as tx:
                tx.execute(sa.select(sa.func.sum(t.annotation.c.active_ms))).scalar()

        timed("one sum over the submissions", plain)
        timed("economics of the project", lambda: economics.economics(bench, crowd[0], project.id))
        timed("economics of one run", lambda: economics.economics(bench, crowd[0], project.id, 7))
        timed("comparison of the arms", lambda: economics.arms(bench, crowd[0], project.id))
        bench.close()


def _once(what: object) -> float:
    assert callable(what)
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
