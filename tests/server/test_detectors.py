"""Detectors over HTTP: uploaded, added, run, removed; and what is wrong with one is said in the answer."""

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from labelwright.flows import jobs, people, setup
from labelwright.server.app import create_app
from labelwright.workbench import Workbench
from tests.detectors import made
from tests.factories import add_person
from tests.flows.test_detectors import ONTOLOGY, SPEC, add_images, coloured


def test_a_detector_is_uploaded_run_and_removed(sqlite_workbench: Workbench, tmp_path: Path) -> None:
    bench = sqlite_workbench
    boss = add_person(bench, "boss", is_admin=True)
    project = setup.create_project(bench, boss, "Photos", ONTOLOGY, modality="image")
    add_images(bench, project, [coloured(240), coloured(10)])
    token = people.make_token(bench, boss, "test", None)[1]
    http = TestClient(create_app(bench, workers=0), base_url="http://127.0.0.1")

    def call(
        method: str, path: str, body: Any = None, expect: int = 200, content: bytes | None = None
    ) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = http.request(method, f"/api{path}", json=body, content=content, headers=headers)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.text else None

    model = made.red_finder(tmp_path / "red.onnx").read_bytes()
    upload = call("POST", "/uploads?name=red.onnx", content=model, expect=201)["upload_id"]
    wrong = call("POST", "/detectors", {"upload_id": upload, "spec": "name: x\nclases: [a]"}, 422)
    assert [p["where"] for p in wrong["problems"]] == ["clases"]
    unfit = call("POST", "/detectors", {"upload_id": upload, "spec": "name: x\nclasses: [a, b]"}, 422)
    assert (
        "2 classes" in unfit["detail"]
        and {"where": "output out", "code": "is_there", "message": "float32 (1, 5, 1)"} in unfit["problems"]
    )
    broken = call("POST", "/uploads?name=b.onnx", content=b"not a model" * 99, expect=201)["upload_id"]
    assert call("POST", "/detectors", {"upload_id": broken, "spec": SPEC}, 422)["code"] == "bad_model"
    assert call("POST", "/detectors", {"upload_id": "nothing", "spec": SPEC}, 404)["code"] == "no_upload"

    added = call("POST", "/detectors", {"upload_id": upload, "spec": SPEC}, 201)
    assert added["spec"]["output"] | {"output": "out", "layout": "yolo"} == added["spec"]["output"]
    (use,) = call("GET", f"/projects/{project.id}/detectors")
    assert use["fittings"][0]["classes"] == [{"number": 0, "name": "red", "label": "tomato"}]
    run = call(
        "POST", f"/projects/{project.id}/detector-runs", {"detector_id": added["id"], "images": 1}, 201
    )
    assert run["total"] == 1 and run["predictor"]["engine"]["kind"] == "detector"
    jobs.run_all(bench)
    view = call("GET", f"/projects/{project.id}/runs/{run['id']}")
    assert view["run"]["state"] == "done" and view["left_out"] == {} and view["plan"] is None
    call("DELETE", f"/detectors/{added['id']}", expect=204)
    assert call("GET", "/detectors") == []
    call("DELETE", f"/detectors/{added['id']}", expect=404)
