"""Runs, trials and providers over HTTP: shapes of the routes, and that a key that went in never comes out."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from labelwright.flows import jobs, people
from labelwright.server.app import create_app
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step, truth, unit
from tests.factories import add_assets, add_person, add_project

KEY = "sk-a-marked-secret-value"


class Api:
    """A signed-in program over a project with thirty texts."""

    def __init__(self, bench: Workbench, server: ScriptedServer) -> None:
        self.bench, self.server = bench, server
        self.ana = add_person(bench, is_admin=True)
        self.project = add_project(bench, self.ana)
        self.texts = [f"A text with the number {i} in it." for i in range(30)]
        self.ids = add_assets(bench, self.project, self.texts)
        truths = {text: "Positive" if unit(text) < 0.5 else "Negative" for text in self.texts}
        server.script = truth(truths, ["Positive", "Negative"], 0.9)
        self.http = TestClient(create_app(bench, workers=0), base_url="http://127.0.0.1")
        self.token = people.make_token(bench, self.ana, "test", None)[1]
        self.seen: list[str] = []

    def call(
        self, method: str, path: str, body: Any = None, expect: int = 200, token: str | None = None
    ) -> Any:
        answer = self.http.request(
            method, f"/api{path}", json=body, headers={"Authorization": f"Bearer {token or self.token}"}
        )
        self.seen.append(answer.text)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.text else None

    def provider(self, **more: Any) -> Any:
        body = {"name": "scripted", "base_url": self.server.base_url, "key": KEY} | more
        return self.call("POST", "/providers", body, 201)

    def plan(self, provider: Any) -> dict[str, Any]:
        return {"provider_id": provider["id"], "model": "scripted"}


@pytest.fixture
def api(sqlite_workbench: Workbench, scripted: ScriptedServer) -> Api:
    return Api(sqlite_workbench, scripted)


def test_a_run_is_estimated_started_watched_and_listed(api: Api) -> None:
    provider = api.provider(input_usd_per_mtok=1, output_usd_per_mtok=2)
    base = f"/projects/{api.project.id}"
    plan = api.plan(provider)
    estimate = api.call("POST", f"{base}/estimates", {"plan": plan, "batch_size": 10, "batches": 2})
    assert estimate["assets"] == 20 and float(estimate["usd"]) > 0
    run = api.call(
        "POST", f"{base}/runs", {"plan": plan, "batch_size": 10, "batches": 2, "cost_cap_usd": 5}, 201
    )
    assert (run["state"], run["total"]) == ("queued", 10)
    jobs.run_all(api.bench)
    listed = api.call("GET", f"{base}/runs")
    assert [row["state"] for row in listed["rows"]] == ["done", "done"] and listed["next"] is None
    view = api.call("GET", f"{base}/runs/{run['id']}")
    assert view["run"]["done"] == 10 and view["plan"]["model"] == "scripted"
    assert api.call("POST", f"{base}/runs/{run['id']}/reread")["changed"] == 0
    assert api.server.seen.authorizations[-1] == f"Bearer {KEY}"


def test_a_run_is_paused_resumed_and_cancelled(api: Api) -> None:
    base = f"/projects/{api.project.id}/runs"
    run = api.call("POST", base, {"plan": api.plan(api.provider())}, 201)["id"]
    assert api.call("POST", f"{base}/{run}/pause")["state"] == "paused"
    assert api.call("POST", f"{base}/{run}/pause", expect=409)["code"] == "wrong_state"
    assert api.call("POST", f"{base}/{run}/resume")["state"] == "queued"
    assert api.call("POST", f"{base}/{run}/cancel")["state"] == "cancelled"
    assert api.call("POST", f"{base}/{run}/retry-failed", expect=409)["code"] == "wrong_state"
    assert api.call("GET", f"{base}/99999", expect=404)["code"] == "no_run"


def test_a_trial_shows_its_rows(api: Api) -> None:
    base = f"/projects/{api.project.id}"
    plan = api.plan(api.provider())
    trials = api.call("POST", f"{base}/trials", {"plans": [plan, plan | {"model": "other"}], "n": 4}, 201)
    jobs.run_all(api.bench)
    view = api.call("GET", f"{base}/trials/{trials[0]['id']}")
    assert len(view["rows"]) == 4 and view["summary"]["done"] == 4
    assert view["rows"][0]["prediction"]["answers"]["sentiment"]["labels"]


def test_prompts_are_versioned_and_previewed(api: Api) -> None:
    base = f"/projects/{api.project.id}"
    wording = {"name": "short", "system": "{questions}\n{format}", "user": "{text}"}
    unsaved = api.call("POST", f"{base}/prompt-preview", {"template": wording})
    assert unsaved["messages"][-1]["content"].count("A text with the number") == 1
    assert api.call("POST", f"{base}/templates", wording, 201)["version"] == 1
    assert [row["version"] for row in api.call("GET", f"{base}/templates")] == [1, 0]
    named = api.call("POST", f"{base}/prompt-preview", {"asset_id": api.ids[3], "template_version": 1})
    assert api.texts[3] in named["messages"][-1]["content"]
    bad = api.call("POST", f"{base}/templates", wording | {"user": "no"}, 422)
    assert bad["problems"][0]["code"] == "missing_field"


def test_a_key_goes_in_and_never_comes_out(api: Api) -> None:
    api.server.script = Step("error", status=401, body={"error": {"message": f"bad key {KEY}"}})
    provider = api.provider()
    assert provider["has_key"] is True
    api.call("POST", f"/providers/{provider['id']}/probe", expect=502)
    run = api.call("POST", f"/projects/{api.project.id}/runs", {"plan": api.plan(provider)}, 201)
    jobs.run_all(api.bench)
    view = api.call("GET", f"/projects/{api.project.id}/runs/{run['id']}")
    assert view["run"]["state"] == "paused"
    api.call("GET", "/providers")
    api.call("GET", f"/projects/{api.project.id}/events")
    api.call("GET", f"/projects/{api.project.id}/jobs")
    assert KEY not in "".join(api.seen)
    everything = api.bench.settings.home.rglob("*")
    assert not any(KEY.encode() in path.read_bytes() for path in everything if path.is_file())


def test_another_address_forgets_the_key(api: Api) -> None:
    provider = api.provider()
    path = f"/providers/{provider['id']}"
    assert api.call("PATCH", path, {"name": "renamed"})["has_key"] is True
    with ScriptedServer() as other:
        moved = api.call("PATCH", path, {"base_url": other.base_url})
        assert moved["has_key"] is False
        api.call("POST", f"{path}/probe")
        assert set(other.seen.authorizations) == {""}
        kept = api.call("PATCH", path, {"base_url": api.server.base_url, "key": "sk-new"})
        assert kept["has_key"] is True


def test_a_probe_is_stored_with_the_provider(api: Api) -> None:
    api.server.script = Step(text="hello")
    provider = api.provider()
    seen = api.call("POST", f"/providers/{provider['id']}/probe", {"model": "scripted"})
    assert seen["models"] == ["scripted"] and seen["context_tokens"] == 4096
    assert api.call("GET", f"/providers/{provider['id']}")["capabilities"] == seen


@pytest.mark.parametrize("name", ["PATH", "AWS_SECRET_ACCESS_KEY", "x; rm", "DATABASE_URL"])
def test_only_model_keys_of_the_environment_can_be_named(api: Api, name: str) -> None:
    body = {"name": "env", "base_url": "http://127.0.0.1:1/v1", "key_env": name}
    assert api.call("POST", "/providers", body, 422)["code"] == "bad_key_env"


def test_a_key_of_the_environment_is_read_when_used_and_only_for_administrators(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_API_KEY", "from-the-environment")
    api.server.script = Step(text="hello")
    provider = api.provider(key="", key_env="SCRIPTED_API_KEY")
    assert provider["has_key"] is False
    api.call("POST", f"/providers/{provider['id']}/probe")
    assert api.server.seen.authorizations[-1] == "Bearer from-the-environment"
    manager = add_person(api.bench, "mia")
    add_project(api.bench, manager)
    token = people.make_token(api.bench, manager, "test", None)[1]
    body = {"name": "hers", "base_url": "http://127.0.0.1:1/v1", "key_env": "SCRIPTED_API_KEY"}
    assert api.call("POST", "/providers", body, 403, token)["code"] == "admin_only"


def test_annotators_neither_see_nor_set_providers(api: Api) -> None:
    provider = api.provider()
    bo = add_person(api.bench, "bo")
    people.set_member(api.bench, api.ana, api.project.id, bo.user_id, "annotator")
    token = people.make_token(api.bench, bo, "test", None)[1]
    for method, path, body in [
        ("GET", "/providers", None), ("POST", "/providers", {"name": "x", "base_url": "http://127.0.0.1/v1"}),
        ("PATCH", f"/providers/{provider['id']}", {"base_url": "http://127.0.0.1:9/v1"}),
        ("DELETE", f"/providers/{provider['id']}", None), ("POST", f"/providers/{provider['id']}/probe", None),
        ("POST", f"/projects/{api.project.id}/runs", {"plan": api.plan(provider)}),
        ("GET", f"/projects/{api.project.id}/runs", None),
    ]:  # fmt: skip
        api.call(method, path, body, 403, token)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "base_url": "file:///etc/passwd"},
        {"name": "x", "base_url": "http://me:pw@127.0.0.1/v1"},
        {"name": "x", "base_url": "http://127.0.0.1/v1", "key": "two words"},
        {"name": "x", "base_url": "http://127.0.0.1/v1", "concurrency": 0},
        {"name": "x", "base_url": "http://127.0.0.1/v1", "unknown": 1},
        {"name": "", "base_url": "http://127.0.0.1/v1"},
    ],
)
def test_a_provider_that_cannot_work_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.call("POST", "/providers", body, 422)["code"]
    assert api.call("GET", "/providers") == []


def test_a_removed_provider_pauses_its_run(api: Api) -> None:
    provider = api.provider()
    run = api.call("POST", f"/projects/{api.project.id}/runs", {"plan": api.plan(provider)}, 201)["id"]
    api.call("DELETE", f"/providers/{provider['id']}", expect=204)
    jobs.run_all(api.bench)
    view = api.call("GET", f"/projects/{api.project.id}/runs/{run}")
    assert view["run"]["state"] == "paused" and "provider" in view["run"]["stop_reason"]
    assert json.dumps(view)


def test_prices_are_a_table_that_is_edited_imported_and_never_zero_when_unknown(api: Api) -> None:
    row = {"model": "script*", "input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "batch_multiplier": 0.5}
    provider = api.provider(prices=[row, {"model": "*", "input_usd_per_mtok": 8, "output_usd_per_mtok": 9}])
    path = f"/providers/{provider['id']}"
    assert [each["model"] for each in provider["prices"]] == ["script*", "*"] and provider[
        "input_usd_per_mtok"
    ] == 8
    assert api.call("PATCH", path, {"output_usd_per_mtok": 5})["output_usd_per_mtok"] == 5
    gone = api.call("PATCH", path, {"input_usd_per_mtok": None, "output_usd_per_mtok": None})
    assert [each["model"] for each in gone["prices"]] == ["script*"]
    assert api.call("PATCH", path, {"input_usd_per_mtok": 1}, 422)["code"] == "half_price"
    assert api.call("PUT", f"{path}/prices", [row, row | {"model": "SCRIPT*"}], 422)["code"] == "price_twice"
    assert api.call("PUT", f"{path}/prices", [row | {"input_usd_per_mtok": -1}], 422)
    taken = api.call(
        "POST", f"{path}/prices/import", {"text": "model,input,output\na,1,2\nb,x,2\n", "only": ["a", "b"]}
    )
    assert taken["taken"] == 1 and len(taken["problems"]) == 1 and len(taken["prices"]) == 2
    assert api.call("POST", f"{path}/prices/import", {"text": "{}"}, 422)["code"] == "no_prices"
    base = f"/projects/{api.project.id}"
    unknown = api.call("POST", f"{base}/estimates", {"plan": api.plan(provider) | {"model": "other"}})
    assert unknown["usd"] is None and "price of this model" in unknown["note"]
    later = api.call("POST", f"{base}/estimates", {"plan": api.plan(provider), "how": "batch"})
    assert later["usd"] is not None


def test_the_cache_is_seen_and_cleared_and_a_run_can_pass_it_by(api: Api) -> None:
    base = f"/projects/{api.project.id}"
    run = {"plan": api.plan(api.provider()), "batch_size": 5, "use_cache": False}
    assert api.call("POST", f"{base}/runs", run, 201)["use_cache"] is False
    jobs.run_all(api.bench)
    assert api.call("GET", f"{base}/cache")["replies"] == 5
    assert api.call("DELETE", f"{base}/cache") == {"cleared": 5}


def test_plans_are_compared_on_gold_over_http(api: Api) -> None:
    from tests.factories import NEGATIVE, POSITIVE
    from tests.flows.test_compare import make_gold

    base = f"/projects/{api.project.id}"
    plan = api.plan(api.provider())
    assert api.call("POST", f"{base}/comparisons", {"plans": [plan, plan]}, 409)["code"] == "no_gold"
    make_gold(
        api.bench,
        api.project,
        {i: POSITIVE if unit(x) < 0.5 else NEGATIVE for i, x in zip(api.ids, api.texts, strict=True)},
    )
    assert api.call("POST", f"{base}/comparisons", {"plans": [plan]}, 422)
    made = api.call("POST", f"{base}/comparisons", {"plans": [plan, plan | {"model": "b"}], "n": 8}, 201)
    jobs.run_all(api.bench)
    view = api.call("GET", f"{base}/comparisons/{made['id']}?limit=3")
    assert view["state"] == "done" and view["compared"] == 8 and view["pairs"][0]["sentence"]
    assert [row["id"] for row in api.call("GET", f"{base}/comparisons")] == [made["id"]]
    assert api.call("GET", f"{base}/gold")["looks"] == 1
    assert api.call("POST", f"{base}/comparisons/{made['id']}/cancel")["state"] == "done"
    assert api.call("GET", f"{base}/confusions") == []
    bo = add_person(api.bench, "bo")
    people.set_member(api.bench, api.ana, api.project.id, bo.user_id, "annotator")
    token = people.make_token(api.bench, bo, "test", None)[1]
    for path in ("gold", "comparisons", f"comparisons/{made['id']}", "confusions"):
        api.call("GET", f"{base}/{path}", expect=403, token=token)


def test_a_series_that_waits_is_hurried_and_ended_over_http(api: Api) -> None:
    base = f"/projects/{api.project.id}/runs"
    body = {"plan": api.plan(api.provider()), "batch_size": 5, "batches": None, "review_share": 0.5}
    first = api.call("POST", base, body, 201)["id"]
    jobs.run_all(api.bench)
    assert api.call("GET", f"{base}/{first}")["run"]["next_batch"]["left"] == 3
    assert api.call("POST", f"{base}/{first}/go-on")["next_batch"]["starting"] is True
    jobs.run_all(api.bench)
    second = api.call("GET", base)["rows"][0]
    assert second["id"] != first and second["next_batch"]["left"] == 3
    assert api.call("POST", f"{base}/{second['id']}/end-series")["next_batch"] is None
    assert api.call("POST", f"{base}/{second['id']}/end-series", expect=409)["code"] == "nothing_waits"
    assert api.call("GET", f"{base}/{second['id']}/examples?asset_id={api.ids[0]}") == []
