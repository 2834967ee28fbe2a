"""The Trust tab in a real browser: empty at first, audits drawn, answers accepted and taken back by clicks."""

import re

from playwright.sync_api import Page, expect

from labelwright.core.project import ProjectSettings
from labelwright.flows import annotate, take, trust
from tests import factories
from tests.journeys.conftest import Served
from tests.journeys.house import House

SETTINGS = ProjectSettings(learn_every=0, audit_share=0, audit_accepted=0)


def test_a_manager_audits_accepts_and_takes_back(page: Page, served: Served) -> None:
    house = House(served)
    project, ids = house.add_project([f"text number {i}" for i in range(60)], settings=SETTINGS)
    page.goto(f"{house.address}/projects/{project.id}/trust")
    expect(page.get_by_text("No model has answered anything here yet")).to_be_visible()
    with house.bench() as bench:
        for i, asset_id in enumerate(ids):
            factories.predict(bench, project, asset_id, (i + 1) / 61)
    page.reload()
    expect(page.get_by_role("heading", name="Accept answers unseen")).to_be_visible()
    expect(page.get_by_text("below 30 reviews a confidence only ranks")).to_be_visible()
    page.get_by_label("At least this share right (%)").fill("80")
    page.get_by_label("With this certainty (%)").fill("80")
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    for _ in range(5):
        slider.press("ArrowRight")
    expect(page.get_by_role("button", name=re.compile("^Accept [0-9]"))).to_be_disabled()
    page.get_by_label("Audits").fill("8")
    page.get_by_role("button", name="Draw audits").click()
    expect(page.get_by_text("8 audits wait at the front of the queue.")).to_be_visible()
    with house.bench() as bench:
        for _ in range(8):
            [turn] = take.take(bench, house.person, project.id, 1).turns
            assert turn.why == "audit" and turn.prediction is not None
            sent = factories.submission(prediction_id=turn.prediction.id)
            annotate.submit(bench, house.person, project.id, turn.asset.id, sent)
    accept = page.get_by_role("button", name="Accept 29 answers")
    expect(accept).to_be_enabled(timeout=15_000)
    accept.click()
    expect(page.get_by_text("holds")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("29 answers from confidence")).to_be_visible(timeout=15_000)
    with house.bench() as bench:
        [made] = trust.view(bench, house.person, project.id).acceptances
        assert (made.standing, made.state, made.proven) == (29, "active", True)
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("taken back").first).to_be_visible(timeout=15_000)
    page.goto(f"{house.address}/projects/{project.id}")
    expect(page.get_by_text("52 pre-labelled")).to_be_visible()
