"""Trust over HTTP: figures, audits, accepting and taking back; strangers and bad input are refused."""

import json
import time
from typing import Any

from labelwright.flows import people
from tests.factories import add_assets, add_person, add_project, predict
from tests.server.conftest import Running


def test_audits_acceptance_and_revert_over_http(running: Running) -> None:
    bench, admin = running.bench, running.admin
    project = add_project(bench, admin)
    ids = add_assets(bench, project, [f"text {i}" for i in range(30)])
    for i, asset_id in enumerate(ids):
        predict(bench, project, asset_id, (i + 1) / 31)
    token = people.make_token(bench, admin, "test", None)[1]
    base = f"/api/projects/{project.id}/trust"

    def call(method: str, path: str, body: object = None, auth: str = token) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {auth}", "Content-Type": "application/json"}
        status, _, content = running.http(
            method, path, headers, json.dumps(body).encode() if body is not None else b""
        )
        return status, json.loads(content)

    status, seen = call("GET", base)
    assert status == 200 and seen["outlook"]["answers"] == 30 and len(seen["steps"]) == 10
    key = seen["predictor"]
    assert call("POST", f"{base}/audits", {"predictor": key, "n": 4, "above": 0.5}) == (201, {"n": 4})
    assert call("GET", base)[1]["waiting_audits"] == 4
    assert call("DELETE", f"{base}/audits") == (200, {"n": 4})
    wish = {"predictor": key, "above": 0.5}
    status, problem = call("POST", f"{base}/acceptances", wish)
    assert (status, problem["code"]) == (409, "not_proven") and problem["hint"]
    status, job = call("POST", f"{base}/acceptances", wish | {"unproven": True})
    assert status == 202 and job["kind"] == "accept"
    assert _until(lambda: call("GET", base)[1]["acceptances"][0]["standing"]) == 15
    acceptance = call("GET", base)[1]["acceptances"][0]
    assert (acceptance["state"], acceptance["proven"]) == ("active", False)
    assert call("POST", f"{base}/acceptances/{acceptance['id']}/revert")[0] == 202
    assert _until(lambda: call("GET", base)[1]["acceptances"][0]["state"] == "reverted")
    assert call("POST", f"{base}/acceptances/{acceptance['id']}/revert")[0] == 409
    for path, bad in (
        ("audits", {"predictor": key, "n": 0}), ("audits", {"predictor": key, "n": 5, "above": 2}),
        ("acceptances", {"predictor": key}), ("acceptances", wish | {"promise": {"accuracy": 1.0}}),
    ):  # fmt: skip
        assert call("POST", f"{base}/{path}", bad)[0] == 422
    assert call("GET", f"{base}?accuracy=2")[0] == 422
    stranger = people.make_token(bench, add_person(bench, "eve"), "test", None)[1]
    assert call("GET", base, auth=stranger)[0] == 404
    assert call("POST", f"{base}/acceptances", wish, auth=stranger)[0] == 404


def _until(found: Any) -> Any:
    for _ in range(200):
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen")
