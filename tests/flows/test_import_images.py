"""Imports of images on both databases: once whatever happens, bad ones put aside, answers attached, and nobody else's network."""

import http.server
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from labelwright.core.access import Actor
from labelwright.core.answer import RegionAnswer
from labelwright.core.asset import Asset
from labelwright.core.errors import Invalid, PrivacyRefused
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology
from labelwright.core.ports import Files
from labelwright.core.project import Project, ProjectSettings
from labelwright.core.shape import Box
from labelwright.core.transfer import Incoming, Opinion
from labelwright.flows import browse, ingest, jobs, pictures, predict, prompts, setup, take, train
from labelwright.formats import registry
from labelwright.media.pictures import Made
from labelwright.workbench import Workbench
from tests.factories import add_person
from tests.media.made import claiming_png, encoded, photo, zipped

THINGS: Ontology = setup.parse_ontology(
    {
        "questions": [
            {"kind": "region", "id": "things", "name": "Things", "labels": [{"id": "cat", "name": "Cat"}]}
        ]
    }
)


def add_project(bench: Workbench, manager: Actor, **settings: Any) -> Project:
    return setup.create_project(
        bench, manager, "Cats", THINGS, modality="image", settings=ProjectSettings(**settings)
    )


def bring(
    bench: Workbench, actor: Actor, project: Project, content: bytes, name: str = "a.zip", **options: Any
) -> Job:
    upload = ingest.keep_upload(bench, actor, name, [content])
    wanted = ingest.ImportWanted(upload_id=upload.upload_id, options=ingest.ImportOptions(**options))
    started = ingest.start_import(bench, actor, project.id, wanted)
    jobs.run_all(bench)
    job = jobs.get_job(bench, actor, project.id, started.id)
    assert job.state == "done", job.message
    return job


def counts(job: Job) -> dict[str, int]:
    return {key: n for key, n in job.report.items() if isinstance(n, int) and n}


def png(seed: int, width: int = 40, height: int = 30) -> bytes:
    return encoded(photo(width, height, seed), "PNG")


def stored(bench: Workbench, actor: Actor, project: Project) -> list[Asset]:
    page = browse.page(bench, actor, project.id, browse.Filter(), "id", None, 500)
    return [row.asset for row in page.rows]


def test_images_become_assets_once_and_bad_ones_are_put_aside(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    bad = claiming_png(60_000, 60_000)
    files = {
        "a/one.png": png(1), "a/two.jpg": encoded(photo(40, 30, 2), "JPEG", orientation=6), "again.png": png(1),
        "bad.png": bad, "cut.jpg": encoded(photo(90, 90), "JPEG")[:-300], "script.png": b"<svg onload=alert(1)>",
        "empty.png": b"", "../up.png": png(3),
    }  # fmt: skip
    job = bring(workbench, ana, project, zipped(files))
    assert counts(job) == {"new": 3, "duplicates": 1, "bad": 5}
    assert (job.done, job.total) == (8, 8)
    found = ingest.import_problems(workbench, ana, project.id, job.id, 0, 100)
    assert {(problem.where, problem.code) for _, problem in found} == {
        ("bad.png", "too_many_pixels"), ("cut.jpg", "bad_image"), ("script.png", "svg"), ("empty.png", "empty_file"),
        ("../up.png", "unsafe_name"), ("again.png", "same_image"),
    }  # fmt: skip
    # What cannot be used can still be looked at.
    number = next(number for number, problem in found if problem.where == "bad.png")
    path, name = ingest.bad_file(workbench, ana, project.id, job.id, number)
    assert path.read_bytes() == bad and name == "bad.png"
    one, two, again = stored(workbench, ana, project)
    assert (one.external_id, one.modality, one.size, one.text) == ("a/one.png", "image", len(png(1)), None)
    assert one.image is not None and one.image.file_name == "a/one.png" and one.extent == (40, 30)
    assert two.extent == (30, 40) and two.image is not None and "orientation" in two.image.notes[0]
    assert again.sha256 == one.sha256
    # The same file again changes nothing and decodes nothing.
    workbench.pictures.close()
    assert counts(bring(workbench, ana, project, zipped(files))) == {"same": 3, "bad": 5}
    assert len(stored(workbench, ana, project)) == 3
    # Under a known name another image: told, and the stored one stays.
    job = bring(workbench, ana, project, zipped({"a/one.png": png(9)}))
    assert counts(job) == {"changed": 1}
    assert stored(workbench, ana, project)[0] == one
    assert counts(bring(workbench, ana, project, zipped({"a/one.png": png(9)}), changed="add")) == {
        "new": 1,
        "changed": 1,
    }
    assert counts(bring(workbench, ana, project, zipped({"a/one.png": png(9)}), changed="add")) == {"same": 1}


def test_an_image_is_there_wherever_an_asset_is_read(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    bring(workbench, ana, project, png(1), "me.png")
    (row,) = stored(workbench, ana, project)
    view = browse.view(workbench, ana, project.id, row.id)
    turn = take.open_asset(workbench, ana, project.id, row.id)
    assert row.image == view.asset.image == turn.asset.image
    assert row.image is not None and (row.image.width, row.image.height) == (40, 30)
    assert (row.status, row.flags) == ("new", ())
    assert browse.page(workbench, ana, project.id, browse.Filter(text="ME.P"), "id", None, 9).rows
    for version in ("display", "preview", "thumbnail", "original"):
        shown = pictures.find(workbench, ana, project.id, row.id, version)
        assert workbench.blobs.read(shown.blob) == png(1)
    assert workbench.pictures.pixels(row.sha256).shape == (30, 40, 3)


def test_a_dry_run_decodes_everything_and_keeps_nothing(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    files = {"a.png": png(1), "b.png": png(1), "c.png": png(2)[:-40]}
    before = {path.name for path in workbench.blobs.folder.rglob("*") if path.is_file()}
    job = bring(workbench, ana, project, zipped(files), dry_run=True)
    assert counts(job) == {"new": 2, "duplicates": 1, "bad": 1}
    assert stored(workbench, ana, project) == []
    after = {path.name for path in workbench.blobs.folder.rglob("*") if path.is_file()}
    assert len(after - before) == 1  # the upload itself


BOX = {"kind": "box", "x": 1, "y": 2, "width": 10, "height": 12}


def test_answers_come_with_their_image_or_find_it_later(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)

    def opinion(by: Any, width: float = 10) -> Opinion:
        return Opinion(by=by, answers={"Things": [{"label": "cat", "shape": BOX | {"width": width}}]})

    rows: list[Incoming] = []

    def read(files: Files, name: str) -> Iterator[Incoming]:
        yield from rows

    monkeypatch.setitem(registry._IMAGE_READERS, "images", registry.ImageReader(lambda files: True, read))
    files = zipped({"train/a.png": png(1), "train/b.png": png(2), "val/b.png": png(3)})
    rows[:] = [
        Incoming("labels:1", "", "train/a.png", opinions=(opinion("person"),), image="train/a.png"),
        Incoming("labels:2", "", "train/b.png", image="train/b.png"),
        Incoming("labels:3", "", "val/b.png", image="val/b.png"),
        Incoming("labels:4", "", "gone.png", image="gone.png"),
    ]
    assert counts(bring(workbench, ana, project, files)) == {"new": 3, "bad": 1, "annotations": 1}
    rows[:] = [
        Incoming("later:1", "", "a.png", opinions=(opinion("model"),)),
        Incoming("later:2", "", "/home/me/val/b.jpg", opinions=(opinion("gold"),)),
        Incoming("later:3", "", "b.png", opinions=(opinion("person"),)),
        Incoming("later:4", "", "nobody.png", opinions=(opinion("person"),)),
        Incoming("later:5", "", "train/b.png", opinions=(opinion("person", 1000),)),
    ]
    job = bring(workbench, ana, project, b"{}", "labels.json")
    assert counts(job) == {"same": 3, "bad": 2, "predictions": 1, "gold": 1, "annotations": 1}
    assert {p["where"].split("/")[0]: p["code"] for p in job.report["problems"]} == {
        "later:3": "no_image", "later:4": "no_image", "later:5": "mended",
    }  # fmt: skip
    a, _, val = stored(workbench, ana, project)
    answers = browse.view(workbench, ana, project.id, a.id).annotations[0].answers.root["things"]
    assert isinstance(answers, RegionAnswer)
    assert answers.regions[0].shape == Box(x=1, y=2, width=10, height=12)
    assert browse.view(workbench, ana, project.id, a.id).prediction is not None
    page = browse.page(workbench, ana, project.id, browse.Filter(gold=True), "id", None, 9)
    assert [row.asset.id for row in page.rows] == [val.id]


def test_formats_of_texts_do_not_fit_and_models_of_texts_are_not_asked(workbench: Workbench) -> None:
    ana = add_person(workbench, is_admin=True)
    project = add_project(workbench, ana)
    upload = ingest.keep_upload(workbench, ana, "a.csv", [b"id,text\n1,hello\n"])
    for form in (None, "csv"):
        wanted = ingest.ImportWanted(upload_id=upload.upload_id, format=form)
        with pytest.raises(Invalid):
            ingest.start_import(workbench, ana, project.id, wanted)
    bring(workbench, ana, project, png(1), "me.png")
    plan = prompts.Plan(provider_id=1, model="m")
    for call in (
        lambda: predict.start_run(workbench, ana, project.id, plan),
        lambda: predict.start_trials(workbench, ana, project.id, [plan]),
        lambda: prompts.estimate(workbench, ana, project.id, plan),
    ):
        with pytest.raises(Invalid, match="not asked about images"):
            call()
    job = train.learn_now(workbench, ana, project.id)
    jobs.run_all(workbench)
    job = jobs.get_job(workbench, ana, project.id, job.id)
    assert job.state == "done" and "images" in job.report["note"]


# --- stopping and dying -------------------------------------------------------------------------------------------

CHILD = """
import sys, time
from pathlib import Path
from labelwright.settings import Settings
from labelwright.media.pictures import Made
from labelwright.workbench import open_workbench
from labelwright.flows import ingest, jobs
ingest.IMAGE_CHUNK = 10
bench = open_workbench(Settings.read(Path(sys.argv[1]), {}, database_url=sys.argv[2], reserve_mb=0))
before = ingest.store_chunk
def slowly(*args):
    before(*args)
    print("stored", flush=True)
    time.sleep(0.2)
ingest.store_chunk = slowly
jobs.run_all(bench)
"""


def test_an_import_goes_on_after_kill_9_without_decoding_anything_twice(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    files = {f"{i:03}.png": png(i, 12, 12) for i in range(60)}
    upload = ingest.keep_upload(workbench, ana, "a.zip", [zipped(files)])
    job = ingest.start_import(workbench, ana, project.id, ingest.ImportWanted(upload_id=upload.upload_id))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, workbench.settings.home, workbench.settings.database_url], stdout=subprocess.PIPE
    )  # fmt: skip
    assert child.stdout is not None
    for _ in range(3):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = len(stored(workbench, ana, project))
    assert 20 <= done < 60 and done % 10 == 0
    decoded: list[str] = []
    make = workbench.pictures.make

    def counted(sha256: str) -> Made:
        decoded.append(sha256)
        return make(sha256)

    monkeypatch.setattr(workbench.pictures, "make", counted)
    jobs.free_own_jobs(workbench)
    jobs.run_all(workbench)
    finished = jobs.get_job(workbench, ana, project.id, job.id)
    assert finished.state == "done" and counts(finished) == {"new": 60}
    assert [asset.external_id for asset in stored(workbench, ana, project)] == sorted(files)
    assert len(decoded) == 60 - done


def test_an_import_stops_when_it_is_told_and_keeps_what_it_has(sqlite_workbench: Workbench) -> None:
    bench = sqlite_workbench
    ana = add_person(bench)
    project = add_project(bench, ana)
    files = {f"{i:03}.png": png(i, 12, 12) for i in range(30)}
    upload = ingest.keep_upload(bench, ana, "a.zip", [zipped(files)])
    job = ingest.start_import(bench, ana, project.id, ingest.ImportWanted(upload_id=upload.upload_id))
    shutdown = threading.Event()
    runner = threading.Thread(target=jobs.run_next, args=(bench, jobs.worker_name(), shutdown))
    runner.start()
    while not bench._pictures or not bench.pictures.processes():
        time.sleep(0.01)
    shutdown.set()
    runner.join(timeout=30)
    assert not runner.is_alive()
    left = jobs.get_job(bench, ana, project.id, job.id)
    assert left.state == "queued"
    jobs.run_all(bench)
    assert len(stored(bench, ana, project)) == 30


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path[4:])
                self.end_headers()
            elif self.path.startswith("/img/"):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(png(int(self.path[5:].split("?")[0])))
            else:
                self.send_error(404)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_images_are_fetched_by_their_addresses_only_from_where_the_project_allows(
    sqlite_workbench: Workbench, web: str
) -> None:
    bench = sqlite_workbench
    ana = add_person(bench)
    listed = (
        f"url,place\n{web}/img/1,north\n{web}/to//img/2,south\n{web}/gone,x\n"
        f"{web}/to/http://169.254.169.254/latest,x\nftp://x/y,x\n{web}/img/1,x\n"
    ).encode()
    closed = add_project(bench, ana)
    job = bring(bench, ana, closed, listed, "list.csv")
    assert counts(job) == {"bad": 6}
    assert {p["code"] for p in job.report["problems"]} == {"not_public", "no_address", "duplicate_name"}
    project = add_project(bench, ana, allowed_hosts=("127.0.0.1",))
    job = bring(bench, ana, project, listed, "list.csv")
    assert counts(job) == {"new": 2, "bad": 4}
    assert {p["code"] for p in job.report["problems"]} == {
        "not_there", "not_public", "no_address", "duplicate_name"
    }  # fmt: skip
    first, second = (browse.view(bench, ana, project.id, row.id).asset for row in stored(bench, ana, project))
    assert first.metadata == {"place": "north"} and first.external_id == f"{web}/img/1"
    assert first.extent == second.extent == (40, 30)
    private = add_project(bench, ana, private=True)
    job = bring(bench, ana, private, b"http://example.org/a.png\n", "list.txt")
    assert [p["code"] for p in job.report["problems"]] == ["private_project"]
    with pytest.raises(PrivacyRefused):
        ingest.start_import_of_path(
            bench, ana, private.id, "s3://bucket/x", "images", None, ingest.ImportOptions()
        )
