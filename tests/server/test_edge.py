"""Attacks on the edge: foreign hosts, cross-site writes, broken bodies, strangers, and what they get."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from labelwright.core.errors import Invalid, NotAllowed, NotFound, SignInRequired
from labelwright.flows import people
from tests.server.conftest import Running, ontology


def sign_in(running: Running) -> dict[str, str]:
    link = people.make_link(running.bench, running.admin.user_id)
    status, headers, _ = running.http("GET", f"/sign-in?link={link}")
    assert status == 303
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    return {"Cookie": cookie.split(";")[0], "Content-Type": "application/json"}


def test_a_one_time_link_signs_in_once(running: Running) -> None:
    link = people.make_link(running.bench, running.admin.user_id)
    assert running.http("GET", f"/sign-in?link={link}")[0] == 303
    assert running.http("GET", f"/sign-in?link={link}")[0] == 401
    assert running.http("GET", "/sign-in?link=guess")[0] == 401


def test_nothing_but_health_answers_without_sign_in(running: Running) -> None:
    assert running.http("GET", "/api/health")[0] == 200
    _, _, content = running.http("GET", "/api/openapi.json")
    open_routes = {"/api/health", "/api/session"}
    for path, methods in json.loads(content)["paths"].items():
        for method in methods:
            if path in open_routes:
                continue
            url = path.replace("{", "").replace("}", "")
            for name in ("project_id", "asset_id", "job_id", "run_id", "version", "token_id", "provider_id"):
                url = url.replace(name, "1")
            status, _, body = running.http(method.upper(), url, {"Content-Type": "application/json"}, b"{}")
            assert status in (401, 422), (method, path, status, body[:200])
            if status == 422:
                # Only the shape of the call was judged; nothing was looked up for a stranger.
                assert json.loads(body)["code"] == "bad_request"


def test_a_foreign_host_name_is_refused(running: Running) -> None:
    status, _, content = running.http("GET", "/api/health", {"Host": "evil.example"})
    assert status == 421
    assert json.loads(content)["code"] == "wrong_host"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
    ],
)
def test_a_page_of_another_site_cannot_change_anything(running: Running, headers: dict[str, str]) -> None:
    body = json.dumps({"name": "x", "ontology": ontology("a", "b")}).encode()
    cookie = sign_in(running)
    assert running.http("POST", "/api/projects", cookie | headers, body)[0] == 403
    assert running.client().get("/projects") == []
    own = {"Origin": running.url, "Sec-Fetch-Site": "same-origin"}
    assert running.http("POST", "/api/projects", cookie | own, body)[0] == 201


def test_security_headers_are_on_every_answer(running: Running) -> None:
    for path in ("/", "/api/health", "/api/nothing", "/nothing.js"):
        _, headers, _ = running.http("GET", path)
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/assets/../../app.py",
        "/%2e%2e/app.py",
        "/assets/%00",
        "//etc/passwd",
    ],
)
def test_no_path_of_a_request_reaches_the_disk(running: Running, path: str) -> None:
    answer = running.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert b"root:" not in answer
    assert b"create_app" not in answer


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b'{"name": NaN}', "bad_json"),
        (b'{"name": "a", "name": "b"}', "bad_json"),
        (b'{"name": "\\u0000"}', "bad_json"),
        (b'{"name": "\\ud800"}', "bad_json"),
        (b'{"name": ' + b"[" * 200 + b"]" * 200 + b"}", "bad_json"),
        (b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_json"),
        (b'{"name": 123456789012345678901234567890}', "bad_json"),
        (b'{"name": "x", "ontology": {"questions": "no"}}', "bad_ontology"),
        (b'{"name": "x", "ontology": {"questions": []}}', "bad_ontology"),
        (b'{"name": "x", "ontology": {}, "is_admin": true}', "bad_request"),
        (b'"hello"', "bad_request"),
        (b"[]", "bad_request"),
    ],
)
def test_broken_bodies_get_a_clear_error(running: Running, body: bytes, code: str) -> None:
    token = people.make_token(running.bench, running.admin, "t", None)[1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    status, kind, content = running.http("POST", "/api/projects", headers, body)
    found = json.loads(content)
    assert status == 422, content
    assert kind["content-type"] == "application/problem+json"
    assert found["code"] == code, found


def test_a_huge_ontology_is_refused(running: Running) -> None:
    with pytest.raises(Invalid):
        running.client().create_project("x", labels=[f"label {i}" for i in range(3_000)])


def test_strangers_get_not_found_and_annotators_not_allowed(running: Running) -> None:
    project = running.client().create_project("Secret", labels=["a", "b"])
    eve = people.add_user(running.bench, "eve")
    client = running.client(eve)
    for path in ("", "/assets", "/members", "/jobs", "/events", "/ontology", "/exports", "/runs", "/live"):
        with pytest.raises(NotFound):
            client.get(f"/projects/{project['id']}{path}")
    with pytest.raises(NotFound):
        client.post(f"/projects/{project['id']}/take", {"n": 1})
    people.set_member(running.bench, running.admin, project["id"], eve.user_id, "annotator")
    assert client.post(f"/projects/{project['id']}/take", {"n": 1})["reason"] == "empty"
    base = f"/projects/{project['id']}"
    calls: list[Callable[[], Any]] = [
        partial(client.get, f"{base}/assets"),
        partial(client.patch, base, {"name": "mine"}),
        partial(client.post, f"{base}/exports", {"format": "csv"}),
        partial(client.put, f"{base}/members", {"user_id": eve.user_id, "role": "manager"}),
        partial(client.delete, base),
        partial(client.post, "/users", {"name": "x", "is_admin": True}),
    ]
    for call in calls:
        with pytest.raises(NotAllowed):
            call()


def test_guessing_passwords_is_slowed_down_and_says_nothing_about_names(running: Running) -> None:
    people.add_user(running.bench, "ana", password="correct horse battery")
    answers = set()
    statuses = []
    for name in ("ana", "nobody") * 8:
        status, _, content = running.http(
            "POST",
            "/api/session",
            {"Content-Type": "application/json"},
            json.dumps({"name": name, "password": "wrong"}).encode(),
        )
        statuses.append(status)
        if status == 401:
            answers.add(json.loads(content)["detail"])
    assert len(answers) == 1
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_a_revoked_token_and_an_unknown_one_are_refused(running: Running) -> None:
    client = running.client()
    made = client.post("/tokens", {"name": "ci"})
    other = type(client)(running.url, made["secret"])
    assert other.get("/me")["user"]["name"] == "root"
    client.delete(f"/tokens/{made['token']['id']}")
    for secret in (made["secret"], "lw_1_x", "lw_99999999999999999999_x", "lw__", "x"):
        with pytest.raises(SignInRequired):
            type(client)(running.url, secret).get("/me")


def test_secrets_are_stored_as_hashes_and_never_listed(running: Running) -> None:
    client = running.client()
    secret = client.post("/tokens", {"name": "ci"})["secret"]
    client.post("/providers", {"name": "p", "base_url": "http://127.0.0.1:9/v1", "key": "sk-very-secret"})
    listed = json.dumps([client.get("/tokens"), client.get("/providers"), client.get("/users")])
    assert "sk-very-secret" not in listed
    assert secret not in listed
    stored = b"".join(p.read_bytes() for p in running.bench.settings.home.glob("labelwright.db*"))
    assert b"sk-very-secret" not in stored
    assert secret.split("_", 2)[2].encode() not in stored


def test_the_loop_over_http_with_the_python_client(running: Running, tmp_path: Any) -> None:
    client = running.client()
    project = client.create_project("Reviews", labels=["positive", "negative"])
    path = tmp_path / "reviews.csv"
    path.write_text("id,text\n1,good film\n2,bad film\n", encoding="utf-8")
    assert client.import_file(project["id"], path)["new"] == 2
    turn = client.post(f"/projects/{project['id']}/take", {"n": 1})["turns"][0]
    receipt = client.post(
        f"/projects/{project['id']}/assets/{turn['asset']['id']}/annotations",
        {
            "id": "one",
            "ontology_version": 1,
            "answers": {"label": {"kind": "choice", "labels": ["positive"]}},
        },
    )
    assert receipt["status"] == "labelled"
    report = client.export(project["id"], "csv", tmp_path / "out.zip")
    assert report["rows"] == 2
    assert [row["asset"]["status"] for row in client.assets(project["id"])].count("labelled") == 1


def test_an_upload_over_the_limit_or_cut_off_leaves_nothing_behind(running: Running) -> None:
    token = people.make_token(running.bench, running.admin, "t", None)[1]
    head = f"POST /api/uploads?name=x.csv HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n"
    running.raw(head.encode() + b"text\nonly a part")
    blobs = running.bench.settings.home / "blobs"
    for _ in range(100):
        left = [p for p in blobs.rglob("*") if p.is_file()]
        if not left:
            break
        time.sleep(0.1)
    assert left == []
