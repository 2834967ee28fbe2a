"""Detectors in a project: added once, run over images, resumed after kill -9, and told what they left out."""

import hashlib
import io
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from PIL import Image

from labelwright.core.access import Actor
from labelwright.core.answer import RegionAnswer
from labelwright.core.asset import Picture
from labelwright.core.detector import Detector
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, RegionQuestion
from labelwright.core.project import Project
from labelwright.core.queue import shuffle_key
from labelwright.core.shape import Box
from labelwright.flows import browse, detectors, jobs, people, predict, setup, take
from labelwright.flows.detecting import Detecting
from labelwright.store import asset as assets
from labelwright.store import picture as pictures
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.detectors import made
from tests.factories import add_person

SPEC = "name: Red finder\nclasses: [red]\ninput: {resize: stretch}\nscore_threshold: 0.3\n"
OBJECTS = RegionQuestion(
    id="objects", name="Objects", labels=(Label(id="tomato", name="Tomato", synonyms=("red",)),)
)
ONTOLOGY = Ontology(questions=(OBJECTS,))


def coloured(red: int, width: int = 40, height: int = 20) -> NDArray[np.uint8]:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = red
    return picture


def add_images(bench: Workbench, project: Project, images: Sequence[NDArray[np.uint8] | bytes]) -> list[int]:
    """Image assets with these pixels, or these bytes; returns their ids."""
    ids = []
    for n, image in enumerate(images):
        if isinstance(image, bytes):
            content, size = image, (8, 8)
        else:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "png")
            # No two assets of a project have the same content.
            content, size = file.getvalue() + str(n).encode(), (image.shape[1], image.shape[0])
        sha256, _ = bench.blobs.put([content])
        assert sha256 == hashlib.sha256(content).hexdigest()
        with bench.store.write() as tx:
            row = {
                "project_id": project.id, "sha256": sha256, "size": len(content), "modality": "image", "status": "new",
                "open": True, "order_key": 0.0, "shuffle": 0.0, "updated_at": bench.now(),
            }  # fmt: skip
            key = tx.execute(t.asset.insert().values(row)).inserted_primary_key
            assert key is not None
            shuffle = shuffle_key(key[0], 0)
            order = assets.order_key(project.settings.order, None, shuffle, skipped=False)
            tx.execute(
                t.asset.update().where(t.asset.c.id == key[0]).values(shuffle=shuffle, order_key=order)
            )
            tx.execute(t.asset_content.insert().values(asset_id=key[0], text="", metadata={}))
            picture = Picture(width=size[0], height=size[1], format="png")
            files = {"display": sha256, "preview": sha256, "thumbnail": sha256, "tiles": None}
            pictures.add(tx, sha256, picture, files, bench.now())
            assets.count(tx, project.id, {"new": 1})
            ids.append(int(key[0]))
    return ids


def ready(
    bench: Workbench, tmp_path: Path, ontology: Ontology = ONTOLOGY, spec: str = SPEC
) -> tuple[Actor, Project, Detector]:
    boss = add_person(bench, "boss", is_admin=True)
    project = setup.create_project(bench, boss, "Photos", ontology, modality="image")
    detector = detectors.add_file(bench, boss, made.red_finder(tmp_path / "red.onnx"), spec)
    return boss, project, detector


def test_a_detector_marks_images_and_the_least_sure_come_first(workbench: Workbench, tmp_path: Path) -> None:
    boss, project, detector = ready(workbench, tmp_path)
    assert (detector.spec.input.size, detector.signature.runs_on) == ((16, 16), "CPU")
    ids = add_images(workbench, project, [coloured(red) for red in (240, 120, 10, 200)])
    run = detectors.start_run(workbench, boss, project.id, detector.id)
    assert run.state == "queued" and run.total == 4 and run.predictor.title == "Red finder"
    jobs.run_all(workbench)
    view = predict.view_run(workbench, boss, project.id, run.id)
    assert (view.run.state, view.run.done, view.run.failed, view.run.cost_usd) == ("done", 4, 0, Decimal(0))
    assert view.run.latency_p50_s is not None and view.run.latency_p50_s > 0
    found = {i: browse.view(workbench, boss, project.id, i) for i in ids}
    shown = {}
    for key, each in found.items():
        assert each.prediction is not None
        answer = each.prediction.answers.get("objects")
        assert isinstance(answer, RegionAnswer)
        shown[key] = [(r.label, r.shape, round(r.score or 0, 2)) for r in answer.regions]
    whole = Box(x=0, y=0, width=40, height=20)
    assert shown == {
        ids[0]: [("tomato", whole, 0.94)], ids[1]: [("tomato", whole, 0.47)], ids[2]: [], ids[3]: [("tomato", whole, 0.78)],
    }  # fmt: skip
    assert [round(found[i].asset.confidence or -1, 2) for i in ids] == [0.94, 0.47, -1, 0.78]
    hand = take.take(workbench, boss, project.id, 4)
    assert [turn.asset.id for turn in hand.turns] == [ids[1], ids[3], ids[0], ids[2]]
    with pytest.raises(Conflict, match="every image"):
        detectors.start_run(workbench, boss, project.id, detector.id)


def test_an_image_that_cannot_be_read_fails_alone_and_can_be_tried_again(
    workbench: Workbench, tmp_path: Path
) -> None:
    boss, project, detector = ready(workbench, tmp_path)
    ids = add_images(workbench, project, [coloured(240), b"this is no image", coloured(230)])
    run = detectors.start_run(workbench, boss, project.id, detector.id)
    jobs.run_all(workbench)
    view = predict.view_run(workbench, boss, project.id, run.id)
    assert (view.run.state, view.run.done, view.run.failed) == ("done", 2, 1)
    ((cause, (failed,)),) = view.failures_sample.items()
    assert cause and failed.asset_id == ids[1] and failed.message
    predict.retry_failed(workbench, boss, project.id, run.id)
    jobs.run_all(workbench)
    assert predict.view_run(workbench, boss, project.id, run.id).run.failed == 1


def test_what_has_no_label_is_left_out_and_counted(sqlite_workbench: Workbench, tmp_path: Path) -> None:
    bench = sqlite_workbench
    boss = add_person(bench, "boss", is_admin=True)
    project = setup.create_project(bench, boss, "Photos", ONTOLOGY, modality="image")
    rows = np.asarray([(8, 8, 4, 4, 0.9, 0.1), (8, 8, 8, 8, 0.1, 0.8), (4, 4, 4, 4, 0.1, 0.7)], np.float32)
    model = made.constant(tmp_path / "m.onnx", {"out": rows.T[None]}, shape=(1, 3, 16, 16))
    detector = detectors.add_file(
        bench, boss, model, "name: two\nclasses: [red, blue]\noutput: {layout: yolo, nms_iou: null}"
    )
    add_images(bench, project, [coloured(0), coloured(1)])
    run = detectors.start_run(bench, boss, project.id, detector.id, images=1)
    jobs.run_all(bench)
    assert predict.view_run(bench, boss, project.id, run.id).left_out == {"blue": 2}
    (use,) = detectors.uses(bench, boss, project.id)
    assert [(row.name, row.label) for row in use.fittings[0].classes] == [("red", "tomato"), ("blue", None)]


def test_a_run_killed_at_any_point_goes_on_and_counts_once(
    sqlite_workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = sqlite_workbench
    boss, project, detector = ready(bench, tmp_path)
    add_images(bench, project, [coloured(100 + n) for n in range(6)])
    run = detectors.start_run(bench, boss, project.id, detector.id)
    monkeypatch.setattr("labelwright.flows.detecting.FLUSH_S", 0.0)

    class Killed(BaseException):
        """What no handler of errors catches, as kill -9."""

    looked = 0
    look = Detecting._look

    def dying(self: Detecting, *given: object) -> None:
        nonlocal looked
        looked += 1
        if looked in (3, 5):
            raise Killed
        look(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Detecting, "_look", dying)
    for _ in range(2):
        with pytest.raises(Killed):
            jobs.run_next(bench, "host:1:0", threading.Event())
        with bench.store.write() as tx:
            tx.execute(t.job.update().values(state="queued", worker=None, lease_until=None))
    jobs.run_all(bench)
    ended = predict.view_run(bench, boss, project.id, run.id).run
    assert (ended.state, ended.done, ended.failed) == ("done", 6, 0)
    with bench.store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(t.prediction)).scalar_one() == 6


def test_a_run_can_be_paused_and_goes_on(
    sqlite_workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = sqlite_workbench
    boss, project, detector = ready(bench, tmp_path)
    add_images(bench, project, [coloured(100 + n) for n in range(4)])
    run = detectors.start_run(bench, boss, project.id, detector.id)
    monkeypatch.setattr("labelwright.flows.detecting.FLUSH_S", 0.0)
    flush = Detecting._flush

    def pausing(self: Detecting) -> None:
        flush(self)
        with bench.store.write() as tx:
            if runs.state(tx, run.id) == "running":
                runs.change(tx, run.id, state="paused")

    monkeypatch.setattr(Detecting, "_flush", pausing)
    jobs.run_all(bench)
    paused = predict.view_run(bench, boss, project.id, run.id).run
    assert paused.state == "paused" and 0 < paused.done < 4
    monkeypatch.setattr(Detecting, "_flush", flush)
    predict.resume_run(bench, boss, project.id, run.id)
    jobs.run_all(bench)
    ended = predict.view_run(bench, boss, project.id, run.id).run
    assert (ended.state, ended.done) == ("done", 4)


def test_a_removed_detector_is_needed_by_no_run_and_leaves_no_file(
    sqlite_workbench: Workbench, tmp_path: Path
) -> None:
    bench = sqlite_workbench
    boss, project, detector = ready(bench, tmp_path)
    ids = add_images(bench, project, [coloured(240)])
    run = detectors.start_run(bench, boss, project.id, detector.id)
    with pytest.raises(Conflict, match=f"run {run.id} still needs"):
        detectors.remove_detector(bench, boss, detector.id)
    jobs.run_all(bench)
    detectors.remove_detector(bench, boss, detector.id)
    assert detectors.list_detectors(bench, boss) == []
    with pytest.raises(NotFound):
        bench.blobs.path(detector.model_sha256)
    kept = browse.view(bench, boss, project.id, ids[0]).prediction
    assert kept is not None and kept.predictor_title == "Red finder"
    assert predict.view_run(bench, boss, project.id, run.id).run.predictor.title == "Red finder"


def test_who_may_do_what(sqlite_workbench: Workbench, tmp_path: Path) -> None:
    bench = sqlite_workbench
    boss, project, detector = ready(bench, tmp_path)
    manager, annotator, stranger = (add_person(bench, name) for name in ("mia", "ana", "sam"))
    people.set_member(bench, boss, project.id, manager.user_id, "manager")
    people.set_member(bench, boss, project.id, annotator.user_id, "annotator")
    add_images(bench, project, [coloured(240)])
    for actor in (manager, annotator, stranger):
        with pytest.raises(NotAllowed):
            detectors.add_file(bench, actor, tmp_path / "red.onnx", SPEC)
        with pytest.raises(NotAllowed):
            detectors.remove_detector(bench, actor, detector.id)
    with pytest.raises(NotAllowed):
        detectors.list_detectors(bench, stranger)
    with pytest.raises(NotAllowed):
        detectors.start_run(bench, annotator, project.id, detector.id)
    with pytest.raises(NotFound):
        detectors.start_run(bench, stranger, project.id, detector.id)
    with pytest.raises(NotFound):
        detectors.uses(bench, stranger, project.id)
    assert detectors.start_run(bench, manager, project.id, detector.id).total == 1


def test_what_cannot_work_is_said_before_it_starts(sqlite_workbench: Workbench, tmp_path: Path) -> None:
    bench = sqlite_workbench
    boss, project, detector = ready(bench, tmp_path)
    add_images(bench, project, [coloured(240)])
    with pytest.raises(Conflict, match="named 'Red finder' already"):
        detectors.add_file(bench, boss, tmp_path / "red.onnx", SPEC)
    with pytest.raises(Invalid, match="2 classes"):
        detectors.add_file(bench, boss, tmp_path / "red.onnx", "name: x\nclasses: [a, b]")
    texts = setup.create_project(
        bench, boss, "Texts", Ontology(questions=(ChoiceQuestion(id="q", name="Q", labels=OBJECTS.labels),))
    )
    with pytest.raises(Invalid, match="looks at images"):
        detectors.start_run(bench, boss, texts.id, detector.id)
    other = Ontology(questions=(OBJECTS.model_copy(update={"labels": (Label(id="car", name="Car"),)}),))
    cars = setup.create_project(bench, boss, "Cars", other, modality="image")
    with pytest.raises(Invalid, match="it knows red"):
        detectors.start_run(bench, boss, cars.id, detector.id)
    (use,) = detectors.uses(bench, boss, texts.id)
    assert use.fittings == () and "no question" in use.problem
