"""Who may call which route, walked over the OpenAPI description, and numbers and strings that no database can hold."""

import json
from typing import Any

import pytest

from labelwright.core.access import Actor
from labelwright.flows import people
from labelwright.store import tables as t
from tests.factories import add_assets, add_person, add_project, predict
from tests.server.conftest import Running

BEYOND = str(10**23)
PLAN = {"provider_id": 1, "model": "m"}
TEMPLATE = {"name": "", "system": "s", "user": "{text}"}
ANSWERS = {"sentiment": {"kind": "choice", "labels": ["positive"]}}
QUESTION = {"kind": "choice", "name": "Q", "labels": ["a", "b"]}
BODIES: dict[str, Any] = {
    "POST /comparisons": {"plans": [PLAN, PLAN | {"model": "n"}]},
    "POST /definition-drafts": {"question": "sentiment", "label": "positive"} | PLAN,
    "POST /trust/audits": {"predictor": "x", "n": 1},
    "POST /templates": TEMPLATE,
    "POST /prompt-preview": {"template": TEMPLATE},
    "POST /estimates": {"plan": PLAN},
    "POST /runs": {"plan": PLAN},
    "POST /trials": {"plans": [PLAN]},
    "POST /detector-runs": {"detector_id": 1},
    "POST /release": {"asset_ids": [1]},
    "POST /renew": {"asset_ids": [1]},
    "PUT /assets/{asset_id}/draft": {"answers": ANSWERS, "revision": 1},
    "POST /assets/{asset_id}/annotations": {"id": "one", "answers": ANSWERS, "ontology_version": 1},
    "POST /knowledge": {"upload_id": "x"},
    "POST /imports": {"upload_id": "x"},
    "POST /exports": {"format": "csv"},
    "POST /bulk": {"action": "accept", "asset_ids": [1]},
    "PUT /ontology": {"base_version": 1, "ontology": {"questions": [QUESTION]}},
    "PUT /members": {"user_id": 1, "role": "viewer"},
    "PATCH ": {"name": "mine"},
}
QUERIES = {
    "/search": "?words=a", "/entity": "?entity_id=a", "/examples": "?asset_id=1", "/overlap/assets": "?question=a",
}  # fmt: skip
READING = {"POST /prompt-preview"}
"""Routes that send something and change nothing."""

LABELLING = {
    "POST /take", "POST /release", "POST /renew", "POST /unskip", "POST /assets/{asset_id}/open", "PUT /assets/{asset_id}/draft",
    "DELETE /assets/{asset_id}/draft", "POST /assets/{asset_id}/annotations", "POST /assets/{asset_id}/skip",
    "POST /annotations/{annotation_id}/take-back", "POST /learn",
}  # fmt: skip
"""What an annotator may change."""


class Walk:
    """Every route of a project, called as somebody."""

    def __init__(self, running: Running) -> None:
        self.running = running
        project = add_project(running.bench, running.admin)
        self.project_id = project.id
        ids = add_assets(running.bench, project, ["good", "bad", "odd"])
        for asset_id in ids[:2]:
            predict(running.bench, project, asset_id, 0.5)
        # An ended job and a real model, so that the role is what refuses, not a thing that does not exist.
        ended = {
            "project_id": project.id,
            "kind": "export",
            "state": "done",
            "params": {},
            "cursor": {},
            "report": {},
        }
        with running.bench.store.write() as tx:
            tx.execute(t.job.insert().values(**ended, created_at=running.bench.now()))
        model = running.client().get(f"/projects/{project.id}/trust")["predictor"]
        self.bodies = BODIES | {"POST /trust/acceptances": {"predictor": model, "above": 0.1}}
        described = json.loads(running.http("GET", "/api/openapi.json")[2])["paths"]
        base = "/api/projects/{project_id}"
        self.routes = [
            (method.upper(), path.removeprefix(base))
            for path, methods in described.items()
            if path.startswith(base)
            for method in methods
        ]
        assert len(self.routes) > 60

    def token(self, person: Actor) -> dict[str, str]:
        secret = people.make_token(self.running.bench, person, "t", None)[1]
        return {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def member(self, role: Any) -> dict[str, str]:
        person = add_person(self.running.bench, str(role))
        people.set_member(self.running.bench, self.running.admin, self.project_id, person.user_id, role)
        return self.token(person)

    def call(self, headers: dict[str, str], method: str, path: str) -> int:
        url = path.replace("{sha256}", "0" * 64)
        while "{" in url:
            url = url[: url.index("{")] + "1" + url[url.index("}") + 1 :]
        query = next((q for end, q in QUERIES.items() if path.endswith(end)), "")
        body = json.dumps(self.bodies.get(f"{method} {path}", {})).encode() if method != "GET" else b""
        full = f"/api/projects/{self.project_id}{url}{query}"
        return self.running.http(method, full, headers, body)[0]

    def state(self) -> dict[str, list[str]]:
        """All rows of all tables that are about work."""
        with self.running.bench.store.read() as tx:
            return {
                table.name: sorted(repr(tuple(row)) for row in tx.execute(table.select()))
                for table in t.metadata.sorted_tables
                if table.name not in ("session", "token", "api_token", "user")
            }


def test_strangers_find_no_route_of_a_project(running: Running) -> None:
    walk = Walk(running)
    eve = walk.token(add_person(running.bench, "eve"))
    before = walk.state()
    # A body that is refused for its form would hide a missing check, so each route gets one that is well formed.
    found = {f"{method} {path}": walk.call(eve, method, path) for method, path in walk.routes}
    assert {name: status for name, status in found.items() if status != 404} == {}
    assert walk.state() == before


def test_a_viewer_changes_nothing_and_an_annotator_only_the_own_work(running: Running) -> None:
    walk = Walk(running)
    viewer, annotator = walk.member("viewer"), walk.member("annotator")
    before = walk.state()
    writes = [(m, p) for m, p in walk.routes if m != "GET" and f"{m} {p}" not in READING]
    found = {f"{m} {p}": walk.call(viewer, m, p) for m, p in writes}
    assert {name: status for name, status in found.items() if status != 403} == {}
    assert walk.state() == before
    found = {f"{m} {p}": walk.call(annotator, m, p) for m, p in writes if f"{m} {p}" not in LABELLING}
    assert {name: status for name, status in found.items() if status != 403} == {}
    assert walk.state() == before


def test_reading_changes_nothing(running: Running) -> None:
    walk = Walk(running)
    root = walk.token(running.admin)
    before = walk.state()
    found = {p: walk.call(root, m, p) for m, p in walk.routes if m == "GET" and p != "/live"}
    assert {path: status for path, status in found.items() if status not in (200, 404)} == {}
    assert walk.state() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/projects/{BEYOND}", b""),
        ("POST", f"/projects/{BEYOND}/learn", b""),
        ("POST", f"/projects/1/runs/-{BEYOND}/pause", b""),
        ("DELETE", f"/providers/{BEYOND}", b""),
        ("GET", f"/projects/1/economics?run={BEYOND}", b""),
        ("GET", f"/projects/1/assets?batch={BEYOND}", b""),
        ("GET", "/projects/1/assets?text=%00", b""),
        ("GET", "/projects/1/trust?predictor=%00", b""),
        ("GET", "/projects/1/knowledge/%00/search?words=a", b""),
        ("POST", "/projects/1/annotations/%00/take-back", b""),
        ("POST", "/uploads?name=%00", b"text"),
        ("POST", "/projects/1/release", b"{}"),
        ("POST", "/projects/1/bulk", f'{{"action": "gold", "asset_ids": [{BEYOND}]}}'.encode()),
        ("POST", "/projects/1/bulk", b'{"action": "gold", "asset_ids": []}'),
        ("POST", "/projects/1/bulk", b'{"action": "drop", "asset_ids": [1]}'),
        ("POST", "/projects/1/release", b'{"asset_ids": ["a"]}'),
        ("POST", "/projects/1/take", b'{"n": 1e999}'),
    ],
)
def test_what_no_database_can_hold_is_refused_at_the_edge(
    running: Running, method: str, path: str, body: bytes
) -> None:
    walk = Walk(running)
    status, kind, content = running.http(method, f"/api{path}", walk.token(running.admin), body)
    assert status == 422, content
    assert kind["content-type"] == "application/problem+json"


def test_one_key_twice_among_many_is_found_at_once(running: Running) -> None:
    walk = Walk(running)
    keys = ",".join(f'"{i}":1' for i in range(300_000))
    body = ("{" + keys + ',"299999":2}').encode()
    # Looking at every pair of keys would take longer than the client waits.
    status, _, content = running.http("POST", "/api/projects", walk.token(running.admin), body)
    assert (status, json.loads(content)["code"]) == (422, "bad_json")
    assert "'299999' occurs twice" in json.loads(content)["detail"]
