"""Training over HTTP with a real background worker: label ten, and the rest comes back predicted."""

import time
from typing import Any

from starlette.testclient import TestClient

from labelwright.core.project import ProjectSettings
from labelwright.flows import people
from labelwright.server.app import create_app
from labelwright.workbench import Workbench
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, submission


def test_a_worker_learns_from_ten_labels_sent_over_http(workbench: Workbench) -> None:
    ana = add_person(workbench, is_admin=True)
    project = add_project(workbench, ana, settings=ProjectSettings(learn_every=10, audit_share=0))
    ids = add_assets(workbench, project, [f"a {('good', 'bad')[i % 2]} day, number {i}" for i in range(30)])
    token = people.make_token(workbench, ana, "test", None)[1]
    with TestClient(create_app(workbench, workers=1), base_url="http://127.0.0.1") as http:
        http.headers["Authorization"] = f"Bearer {token}"
        base = f"/api/projects/{project.id}"

        def learning() -> Any:
            return http.get(base).json()["learning"]

        def learned() -> Any:
            for _ in range(600):
                state = learning()
                if state["has_model"] and not state["training"]:
                    return state
                time.sleep(0.1)
            raise AssertionError(learning())

        assert not learning()["has_model"]
        for n, asset_id in enumerate(ids[:10]):
            sent = submission(POSITIVE if n % 2 == 0 else NEGATIVE)
            answer = http.post(f"{base}/assets/{asset_id}/annotations", json=sent.model_dump(mode="json"))
            assert answer.is_success, answer.text
        assert learned()["submissions_since"] == 0
        [turn] = http.post(f"{base}/take", json={"n": 1}).json()["turns"]
        assert turn["prediction"]["predictor_title"] == "local model (10 labels)"
        wanted = (POSITIVE, NEGATIVE)[ids.index(turn["asset"]["id"]) % 2]
        assert turn["prediction"]["answers"] == wanted.model_dump(mode="json")
        again = http.post(f"{base}/learn")
        assert again.status_code == 202 and again.json()["kind"] == "learn"
        learned()
