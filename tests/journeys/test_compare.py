"""Plans compared on gold, a batch that waits for a review, and a better definition, in a real browser."""

import json

import pytest
from playwright.sync_api import Page, expect

from labelwright.core.predictor import ExamplePolicy
from labelwright.flows import annotate, jobs, models, predict, prompts
from labelwright.store import work
from tests.endpoints.scripted import ScriptedServer, Step, truth
from tests.factories import NEGATIVE, POSITIVE, submission
from tests.flows.test_compare import make_gold
from tests.journeys.conftest import Served, axe
from tests.journeys.house import House

GOLD = [f"Gold text number {i}: it is what it is." for i in range(40)]
TEXTS = [f"Plain text {word}, nothing more." for word in ("one", "two", "three", "four", "five", "six")]


@pytest.fixture
def models_at(scripted: ScriptedServer) -> ScriptedServer:
    truths = {text: "Positive" if i % 2 else "Negative" for i, text in enumerate([*GOLD, *TEXTS])}
    good = truth(truths, ["Positive", "Negative"], 0.97)
    poor = truth(truths, ["Positive", "Negative"], 0.55, seed=4)
    better = Step(text=json.dumps({"definition": "Praise on the whole.", "why": "Irony."}))
    scripted.script = lambda n, body: (
        better
        if "You improve" in body["messages"][0]["content"]
        else (good if body["model"] == "good" else poor)(n, body)
    )
    return scripted


def test_a_person_compares_two_models_and_reads_which_is_better(
    page: Page, served: Served, models_at: ScriptedServer
) -> None:
    house = House(served)
    project, ids = house.add_project([*GOLD, *TEXTS])
    with house.bench() as bench:
        make_gold(bench, project, {a: POSITIVE if i % 2 else NEGATIVE for i, a in enumerate(ids[:40])})
        wanted = models.ProviderInput(name="here", base_url=models_at.base_url, models=("poor", "good"))
        models.add_provider(bench, house.person, wanted)
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(f"{house.address}/projects/{project.id}/prompts")
    box = page.get_by_role("region", name="Compare on gold")
    expect(box.get_by_text("40 gold texts")).to_be_visible()
    box.get_by_role("group", name="Plan 2").get_by_label("Model").first.click()
    page.get_by_role("option", name="good").click()
    box.get_by_label("Which gold").first.click()
    page.get_by_role("option", name="all of it").click()
    box.get_by_role("button", name="Compare", exact=True).click()
    expect(box.get_by_text("is better than poor")).to_be_visible(timeout=60_000)
    expect(box.get_by_text("Nobody looked at these gold answers before.")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []
    box.get_by_role("link", name="Open text").first.click()
    expect(page.get_by_role("document", name="Text")).to_contain_text("Gold text number")
    assert errors == []


def test_the_next_batch_starts_by_itself_and_a_definition_is_taken_from_a_proposal(
    page: Page, served: Served, models_at: ScriptedServer
) -> None:
    house = House(served)
    project, ids = house.add_project(TEXTS)
    with house.bench() as bench:
        wanted = models.ProviderInput(name="here", base_url=models_at.base_url, models=("poor",))
        provider = models.add_provider(bench, house.person, wanted)
        plan = prompts.Plan(provider_id=provider.id, model="poor", examples=ExamplePolicy(kind="per_label"))
        predict.start_run(bench, house.person, project.id, plan, batch_size=4, batches=2, review_share=1.0)
        jobs.run_all(bench)
        with bench.store.read() as tx:
            found = work.current_predictions(tx, ids)
        batch = sorted(found)
        for asset_id in batch[:3]:
            said = found[asset_id].answers
            sent = submission(NEGATIVE if said == POSITIVE else POSITIVE, prediction_id=found[asset_id].id)
            annotate.submit(bench, house.person, project.id, asset_id, sent)
    page.goto(f"{house.address}/projects/{project.id}")
    expect(page.get_by_text("The next batch starts when 1 more text is reviewed.")).to_be_visible()
    page.goto(f"{house.address}/projects/{project.id}/label?asset={batch[3]}")
    expect(page.get_by_role("document", name="Text")).to_contain_text("Plain text")
    page.keyboard.press("1")
    expect(page.get_by_role("radio", name="Positive")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 done now")).to_be_visible()
    page.goto(f"{house.address}/projects/{project.id}/runs")
    second = page.get_by_role("region", name="Batch 2")
    expect(second.get_by_role("status").first).to_have_text("done", timeout=30_000)
    second.get_by_role("button", name="Details").click()
    expect(second.get_by_role("region", name="Where the examples come from")).to_contain_text(
        "corrected the model"
    )
    assert axe(page) == []
    page.goto(f"{house.address}/projects/{project.id}/questions")
    page.get_by_role("button", name="Ask a model for a better definition").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Praise on the whole.")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Put it into the draft below").click()
    expect(page.get_by_text("This is version 1.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is version 2.")).to_be_visible()
