"""Working with a language model in a real browser: the endpoint, the prompt, a trial of two plans, and runs."""

import re
from typing import Any

import pytest

from labelwright.flows import models
from tests.endpoints.scripted import ScriptedServer, Step, truth
from tests.journeys.conftest import Served, axe, until
from tests.journeys.house import House

TEXTS = [f"Review {n}: {'lovely tea' if n % 2 else 'the soup was cold'}." for n in range(1, 25)]
TRUTHS = {text: "Positive" if "lovely" in text else "Negative" for text in TEXTS}
KEY = "sk-never-to-be-seen-again"


@pytest.fixture
def house(served: Served) -> House:
    """The data behind the page."""
    return House(served)


def answering(server: ScriptedServer, latency_s: float = 0.0, accuracy: float = 0.9) -> None:
    server.script = truth(TRUTHS, ["Positive", "Negative"], accuracy, base=Step(latency_s=latency_s))


def add_endpoint(house: House, server: ScriptedServer) -> None:
    with house.bench() as bench:
        models.add_provider(
            bench,
            house.person,
            models.ProviderInput(
                name="Scripted", base_url=server.base_url, models=("scripted", "other"), concurrency=2,
                input_usd_per_mtok=1, output_usd_per_mtok=2,
            ),
        )  # fmt: skip


def test_an_endpoint_is_added_and_its_key_is_never_shown_again(
    house: House, page: Any, scripted: ScriptedServer
) -> None:
    answering(scripted)
    bodies: list[str] = []
    page.on("response", lambda r: bodies.append(r.text()) if "/api/providers" in r.url and r.ok else None)
    page.goto(f"{house.address}/settings/models")
    page.get_by_label("Name").fill("Scripted")
    page.get_by_label("Base URL").fill(scripted.base_url)
    page.get_by_label("Key (stored sealed").fill(KEY)
    page.get_by_label("Models, separated").fill("scripted")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("a key is stored").wait_for()
    page.get_by_role("button", name="Test").click()
    page.get_by_text("Reached. Structured answers: json_schema.").wait_for()
    assert set(scripted.seen.authorizations) == {f"Bearer {KEY}"}, "the key was used"
    page.reload()
    page.get_by_role("button", name="Change").click()
    keys = page.get_by_label("Key (stored sealed")
    assert [keys.nth(n).input_value() for n in range(keys.count())] == ["", ""]
    page.wait_for_load_state("networkidle")
    assert len(bodies) >= 3 and not any(KEY in body for body in [*bodies, page.content()])
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("No endpoint yet.").wait_for()


def test_an_edited_prompt_is_seen_stored_and_tried_beside_the_built_in_one(
    house: House, page: Any, scripted: ScriptedServer
) -> None:
    answering(scripted)
    project, _ = house.add_project(TEXTS)
    add_endpoint(house, scripted)
    page.goto(f"{house.address}/projects/{project.id}/prompts")
    preview = page.get_by_role("region", name="Exact prompt for one text")
    preview.get_by_text("lovely tea").wait_for()
    wording = page.get_by_label("System part")
    wording.fill(wording.input_value() + "\nTea is always good.")
    preview.get_by_text("Tea is always good.").wait_for()
    page.get_by_label("Name of the version").fill("tea")
    page.get_by_role("button", name="Store as a new version").click()
    page.get_by_role("combobox", name="Prompt version").first.wait_for()
    until(page, "() => document.querySelector('input[value=\"Version 1 tea\"]') !== null")
    page.get_by_label("Compare with another plan").check()
    second = page.get_by_role("combobox", name="Prompt version").nth(1)
    second.click()
    page.get_by_role("option", name="Built in (version 0)").last.click()
    page.get_by_label("Texts").fill("6")
    page.get_by_role("button", name="Run the sample").click()
    results = page.get_by_role("region", name="Results")
    page.get_by_text("6 of 6 read").nth(1).wait_for()
    assert results.get_by_role("row").count() == 7
    systems = {body["messages"][0]["content"] for body in scripted.seen.bodies}
    assert len(scripted.seen.bodies) == 12
    assert len(systems) == 2 and sum("Tea is always good." in each for each in systems) == 1
    assert axe(page) == []


def test_a_run_is_paused_resumed_and_its_failures_are_told_by_cause(
    house: House, page: Any, scripted: ScriptedServer
) -> None:
    normal = truth(TRUTHS, ["Positive", "Negative"], 0.9, base=Step(latency_s=0.25))

    def script(number: int, body: dict[str, Any]) -> Step:
        if "Review 3:" in body["messages"][-1]["content"]:
            return Step(kind="error", status=400, body={"error": {"message": "that text is refused"}})
        return normal(number, body)

    scripted.script = script
    project, _ = house.add_project(TEXTS)
    add_endpoint(house, scripted)
    page.goto(f"{house.address}/projects/{project.id}/runs")
    page.get_by_role("button", name="New run").click()
    dialog = page.get_by_role("dialog")
    # The only endpoint and its first model are chosen already, so the estimate is there at once.
    dialog.get_by_text("Estimate:").wait_for()
    dialog.get_by_text("USD").last.wait_for()
    dialog.get_by_role("button", name="Start").click()
    card = page.get_by_role("region", name="Batch 1 scripted")
    card.get_by_role("button", name="Pause").click()
    card.get_by_text("paused by").wait_for()
    page.wait_for_timeout(800)  # what was being asked is still answered
    asked = len(scripted.seen.bodies)
    page.wait_for_timeout(600)
    assert len(scripted.seen.bodies) == asked < len(TEXTS), "a paused run asks nothing"
    card.get_by_role("button", name="Resume").click()
    card.get_by_text("Done 23 / 24 · Failed 1").wait_for()
    card.get_by_role("button", name="Details").click()
    card.get_by_text("that text is refused").wait_for()
    assert axe(page) == []
    answering(scripted)
    card.get_by_role("button", name="Retry failed").click()
    card.get_by_text("Done 24 / 24 · Failed 0").wait_for()


def test_a_cancelled_run_keeps_what_it_has_and_stops_asking(
    house: House, page: Any, scripted: ScriptedServer
) -> None:
    answering(scripted, latency_s=0.3)
    project, _ = house.add_project(TEXTS)
    add_endpoint(house, scripted)
    page.goto(f"{house.address}/projects/{project.id}/runs")
    page.get_by_role("button", name="New run").click()
    page.get_by_role("dialog").get_by_role("button", name="Start").click()
    card = page.get_by_role("region", name="Batch 1 scripted")
    card.get_by_text(re.compile(r"Done [1-9]\d* / 24")).first.wait_for()
    card.get_by_role("button", name="Cancel").click()
    card.get_by_text("cancelled", exact=True).wait_for()
    page.wait_for_timeout(900)  # what was being asked is still answered
    asked = len(scripted.seen.bodies)
    page.wait_for_timeout(600)
    assert len(scripted.seen.bodies) == asked < len(TEXTS)
    page.goto(f"{house.address}/projects/{project.id}/data?status=predicted")
    page.get_by_role("row").nth(3).wait_for()
