"""How fast images are imported, against plain Pillow in one process: images/s, peak memory, and going on after kill -9.

    python benchmarks/import_images.py [--images 10000] [--side 320]

The baseline opens every image of the same zip, decodes it and makes a 256 px thumbnail as JPEG, and keeps nothing. The
import does that too, and besides checks the file in a child with limits, keeps original and thumbnail as durable blobs
and stores the assets. Both run in this order, then the import again in a process that is killed half-way.
"""

import argparse
import io
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

WORK = """
import sys, threading, time, resource
from pathlib import Path
from labelwright.flows import jobs
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
bench = open_workbench(Settings.read(Path(sys.argv[1]), {}, reserve_mb=0))
jobs.free_own_jobs(bench)
jobs.run_all(bench)
bench.close()
# Not `ru_maxrss` of this process: that counts what started it, too.
own = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"peak memory: {own // 1024} MiB in this process, at most {children // 1024} MiB in a child")
"""


def made(folder: Path, n: int, side: int) -> Path:
    """A zip of `n` JPEG images that all differ."""
    path = folder / "images.zip"
    rng = np.random.default_rng(0)
    base = Image.fromarray(rng.integers(0, 255, (side // 8, side // 8, 3), np.uint8)).resize((side, side))
    pixels = np.asarray(base)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i in range(n):
            file = io.BytesIO()
            Image.fromarray(np.roll(pixels, (i * 7, i * 3), (0, 1)) ^ np.uint8(i % 251)).save(
                file, "JPEG", quality=85
            )
            archive.writestr(f"{i // 1000:02}/{i:06}.jpg", file.getvalue())
    return path


def baseline(path: Path) -> float:
    """Seconds for plain Pillow."""
    before = time.perf_counter()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file, Image.open(io.BytesIO(file.read())) as image:
                image.load()
                image.thumbnail((256, 256))
                image.save(io.BytesIO(), "JPEG", quality=90)
    return time.perf_counter() - before


def prepared(home: Path, path: Path) -> None:
    """A data folder with a queued import."""
    from labelwright.flows import ingest, people, setup
    from labelwright.settings import Settings
    from labelwright.workbench import open_workbench

    bench = open_workbench(Settings.read(home, {}, reserve_mb=0))
    ana = people.add_user(bench, "ana", is_admin=True)
    ontology = setup.parse_ontology({"questions": [{"kind": "region", "name": "Things", "labels": ["cat"]}]})
    project = setup.create_project(bench, ana, "Images", ontology, modality="image")
    ingest.start_import_of_path(bench, ana, project.id, path, "images", None, ingest.ImportOptions())
    bench.close()


def state(home: Path) -> tuple[int, int, str]:
    """Assets, distinct names, and the state of the import."""
    import sqlite3

    connection = sqlite3.connect(home / "labelwright.db")
    n, names = connection.execute("SELECT count(*), count(DISTINCT external_id) FROM asset").fetchone()
    (job,) = connection.execute("SELECT state FROM job").fetchone()
    connection.close()
    return n, names, job


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=320)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = made(folder, given.images, given.side)
        print(
            f"{given.images:,} JPEG images of {given.side} x {given.side}, {path.stat().st_size / 1e6:,.0f} MB"
        )
        plain = baseline(path)
        print(f"plain Pillow, one process: {given.images / plain:,.0f} images/s")
        for home in (folder / "whole", folder / "killed"):
            prepared(home, path)
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", WORK, folder / "whole"], check=True, capture_output=True, text=True
        )
        took = time.perf_counter() - before
        print(f"import: {given.images / took:,.0f} images/s, {plain / took:.2f} of the speed of plain Pillow")
        print(done.stdout.strip())
        print("assets, names, job:", state(folder / "whole"))
        child = subprocess.Popen([sys.executable, "-c", WORK, folder / "killed"])
        while state(folder / "killed")[0] < given.images // 2:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        half = state(folder / "killed")
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", WORK, folder / "killed"], check=True, capture_output=True)
        rest = time.perf_counter() - before
        print(
            f"killed at {half[0]:,}; the rest in {rest:.1f} s; assets, names, job: {state(folder / 'killed')}"
        )


if __name__ == "__main__":
    main()
