"""Imports on both databases: exactly once whatever happens, idempotent, counted, and nothing dropped silently."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from labelwright.core.access import Actor
from labelwright.core.errors import Invalid, NotAllowed, NotFound
from labelwright.core.job import Job
from labelwright.core.project import Project
from labelwright.flows import ingest, jobs, people
from labelwright.formats import Mapping
from labelwright.settings import Settings
from labelwright.store import asset as assets
from labelwright.store import tables as t
from labelwright.workbench import Workbench, open_workbench
from tests.factories import add_person, add_project

MAPPED = Mapping(external_id="id")


def bring(
    bench: Workbench,
    actor: Actor,
    project: Project,
    content: str,
    name: str = "a.csv",
    mapping: Mapping | None = MAPPED,
    **options: object,
) -> Job:
    """Upload and import a file; returns the finished job."""
    upload = ingest.keep_upload(bench, actor, name, [content.encode()])
    wanted = ingest.ImportWanted(
        upload_id=upload.upload_id, mapping=mapping, options=ingest.ImportOptions.model_validate(options)
    )
    started = ingest.start_import(bench, actor, project.id, wanted)
    jobs.run_all(bench)
    job = jobs.get_job(bench, actor, project.id, started.id)
    assert job.state == "done", job.message
    return job


def counts(job: Job) -> dict[str, int]:
    return {key: n for key, n in job.report.items() if isinstance(n, int) and n}


def stored(bench: Workbench, project: Project) -> list[tuple[str | None, str]]:
    query = (
        sa.select(t.asset.c.external_id, t.asset_content.c.text)
        .join(t.asset_content, t.asset_content.c.asset_id == t.asset.c.id)
        .where(t.asset.c.project_id == project.id)
        .order_by(t.asset.c.id)
    )
    with bench.store.read() as tx:
        return [(row.external_id, row.text) for row in tx.execute(query)]


def counters(bench: Workbench, project: Project) -> dict[str, int]:
    with bench.store.read() as tx:
        return {key: n for key, n in assets.counters(tx, project.id).items() if n}


def test_rows_become_assets_once_and_bad_ones_are_reported(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    content = "id,text,source\n1,one,web\n2,\n3,nul\0,web\n4,four 😀,web\n1,one,web\n1,other,web\n"
    job = bring(workbench, ana, project, content)
    assert counts(job) == {"new": 2, "same": 1, "changed": 1, "bad": 2}
    assert stored(workbench, project) == [("1", "one"), ("4", "four 😀")]
    assert counters(workbench, project) == {"new": 2}
    found = ingest.import_problems(workbench, ana, project.id, job.id, 0, 100)
    assert {(p.where, p.code) for _, p in found} == {
        ("a.csv:7", "changed"), ("a.csv:3", "ragged_row"), ("a.csv:4:text", "forbidden_character"),
    }  # fmt: skip
    assert job.done == job.total == 6


@pytest.mark.parametrize("mapping", [MAPPED, Mapping()])
def test_importing_again_stores_nothing_twice(workbench: Workbench, mapping: Mapping) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    content = "id,text\n" + "".join(f"{i},text {i}\n" for i in range(5_000))
    assert counts(bring(workbench, ana, project, content, mapping=mapping)) == {"new": 5_000}
    assert counts(bring(workbench, ana, project, content + "x,more\n", mapping=mapping)) == {
        "same": 5_000, "new": 1,
    }  # fmt: skip
    assert len(stored(workbench, project)) == counters(workbench, project)["new"] == 5_001


def test_changed_rows_are_reported_or_added_but_never_overwrite(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    bring(workbench, ana, project, "id,text\n1,one\n")
    assert counts(bring(workbench, ana, project, "id,text\n1,two\n")) == {"changed": 1}
    assert stored(workbench, project) == [("1", "one")]
    assert counts(bring(workbench, ana, project, "id,text\n1,two\n", changed="add")) == {
        "changed": 1,
        "new": 1,
    }
    assert counts(bring(workbench, ana, project, "id,text\n1,two\n", changed="add")) == {"same": 1}
    assert stored(workbench, project) == [("1", "one"), (None, "two")]


def test_a_dry_run_counts_the_same_and_stores_nothing(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    content = "id,text,sentiment\n" + "".join(f"{i % 250},text {i % 250},positive\n" for i in range(450))
    content += "0,changed,positive\n9999,x,nonsense\n"
    monkeypatch.setattr(ingest, "CHUNK", 200)  # so that what is known came with an earlier chunk
    mapping = Mapping(external_id="id", answers={"sentiment": "sentiment"})
    dry = bring(workbench, ana, project, content, mapping=mapping, dry_run=True)
    assert stored(workbench, project) == []
    assert counters(workbench, project) == {}
    real = bring(workbench, ana, project, content, mapping=mapping)
    for key in ("new", "same", "changed", "bad"):
        assert dry.report[key] == real.report[key], key
    assert [p["code"] for p in dry.report["problems"]] == ["changed", "unknown_label"]


def test_answers_that_come_along_are_annotations_predictions_and_gold(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    content = (
        "text,mine,guess,sure,truth\none,Positive,negative,0.6,positive\ntwo,,NEGATIVE,0.9,\nthree,bad,,,\n"
    )
    mapping = Mapping(
        answers={"sentiment": "mine"}, predictions={"Sentiment": "guess"}, confidence={"sentiment": "sure"},
        gold={"sentiment": "truth"},
    )  # fmt: skip
    job = bring(workbench, ana, project, content, mapping=mapping)
    assert counts(job) == {
        "new": 3, "annotations": 1, "predictions": 2, "gold": 1, "dropped_answers": 1,
    }  # fmt: skip
    assert [p["where"] for p in job.report["problems"]] == ["a.csv:4/sentiment"]
    assert counters(workbench, project) == {
        "labelled": 1, "predicted": 1, "new": 1, "gold": 1, "submissions": 1,
    }  # fmt: skip
    again = bring(workbench, ana, project, content, mapping=mapping)
    assert again.report["same"] == 3
    with workbench.store.read() as tx:
        for table, n in ((t.annotation, 1), (t.prediction, 2), (t.gold, 1)):
            assert tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == n
    assert counters(workbench, project)["submissions"] == 1


def test_a_preview_guesses_the_mapping_and_suggests_an_ontology(sqlite_workbench: Workbench) -> None:
    ana = add_person(sqlite_workbench)
    content = "uid,review,topic\n" + "".join(f"{i},a long text {i},{'ab'[i % 2]}\n" for i in range(40))
    upload = ingest.keep_upload(sqlite_workbench, ana, "C:\\x\\..\\reviews.csv", [content.encode()])
    assert (upload.name, upload.format) == ("reviews.csv", "csv")
    shown = ingest.preview(sqlite_workbench, ana, upload.upload_id, None, None)
    assert (shown.mapping.text, shown.mapping.external_id) == ("review", "uid")
    assert len(shown.rows) == 20
    assert shown.suggested is not None
    assert [q.name for q in shown.suggested.questions] == ["topic"]


def test_an_upload_belongs_to_who_sent_it_and_imports_need_the_role(sqlite_workbench: Workbench) -> None:
    bench = sqlite_workbench
    ana, eve = add_person(bench, "ana"), add_person(bench, "eve")
    project = add_project(bench, ana)
    upload = ingest.keep_upload(bench, ana, "a.csv", [b"text\nx\n"])
    with pytest.raises(NotFound):
        ingest.preview(bench, eve, upload.upload_id, None, None)
    people.set_member(bench, ana, project.id, eve.user_id, "annotator")
    with pytest.raises(NotAllowed):
        ingest.start_import(bench, eve, project.id, ingest.ImportWanted(upload_id=upload.upload_id))
    with pytest.raises(Invalid):
        ingest.preview(bench, ana, upload.upload_id, "no such format", None)


def test_a_file_that_cannot_be_read_fails_with_the_reason(sqlite_workbench: Workbench) -> None:
    ana = add_person(sqlite_workbench)
    project = add_project(sqlite_workbench, ana)
    upload = ingest.keep_upload(sqlite_workbench, ana, "a.csv", [b"text\n" + b"x\n" * 200_000 + b"caf\xe9\n"])
    wanted = ingest.ImportWanted(upload_id=upload.upload_id, format="csv", mapping=Mapping())
    started = ingest.start_import(sqlite_workbench, ana, project.id, wanted)
    jobs.run_all(sqlite_workbench)
    job = jobs.get_job(sqlite_workbench, ana, project.id, started.id)
    assert job.state == "failed"
    assert "0xe9 at offset 400008" in job.message
    assert stored(sqlite_workbench, project) == []


WORK = """
import sys
from pathlib import Path
from labelwright.flows import jobs
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
bench = open_workbench(Settings.read(Path(sys.argv[1]), {}, database_url=sys.argv[2], reserve_mb=0))
jobs.free_own_jobs(bench)
print("ready", flush=True)
jobs.run_all(bench)
print("done", flush=True)
"""


def test_an_import_killed_again_and_again_ends_with_every_row_once(tmp_path: Path, database_url: str) -> None:
    home = tmp_path / "home"
    bench = open_workbench(Settings.read(home, {}, database_url=database_url, reserve_mb=0))
    ana = add_person(bench)
    project = add_project(bench, ana)
    n = 30_000
    rows = [json.dumps({"id": i, "text": f"text {i}"}) for i in range(n)] + ["{broken", ""]
    upload = ingest.keep_upload(bench, ana, "a.jsonl", ["\n".join(rows).encode()])
    wanted = ingest.ImportWanted(upload_id=upload.upload_id, mapping=MAPPED)
    started = ingest.start_import(bench, ana, project.id, wanted)
    kills, finished = 0, False
    for round_ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(home), database_url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = jobs.get_job(bench, ana, project.id, started.id).done
        deadline = time.monotonic() + 60
        while round_ < 3 and time.monotonic() < deadline and process.poll() is None:
            if jobs.get_job(bench, ana, project.id, started.id).done > before:
                break
        if round_ < 3 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate(timeout=120)
        finished = jobs.get_job(bench, ana, project.id, started.id).state == "done"
        if finished:
            break
    assert finished
    assert kills >= 1
    job = jobs.get_job(bench, ana, project.id, started.id)
    assert counts(job) == {"new": n, "bad": 1}
    assert sorted(int(key or -1) for key, _ in stored(bench, project)) == list(range(n))
    assert counters(bench, project) == {"new": n}
    assert len(ingest.import_problems(bench, ana, project.id, job.id, 0, 10)) == 1
    bench.close()
