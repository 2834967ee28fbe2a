"""The story of a first project: a file, questions, labels, an export; and every screen in both themes."""

import csv
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Served, axe


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "mood"])
        for i in range(40):
            writer.writerow(
                [f"r{i}", f"Text {i}: {'what a lovely tent' if i % 2 else 'the zip is broken again'}", ""]
            )
        writer.writerow(["r40", "", ""])
    return path


def make_project(page: Page, reviews: Path) -> None:
    page.get_by_role("link", name="New project").first.click()
    page.get_by_label("Choose a file").set_input_files(str(reviews))
    expect(page.get_by_text("Rows with problems")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Question 1 (One label)").fill("Mood")
    page.get_by_label("Label 1", exact=True).fill("good")
    page.get_by_label("Label 2", exact=True).fill("bad")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Name of the project").fill("Tents")
    page.get_by_role("button", name="Create and import").click()
    expect(page.get_by_text("40 new, 0 known, 0 changed, 1 with problems")).to_be_visible()


def test_from_a_csv_to_an_export(page: Page, served: Served, reviews: Path, tmp_path: Path) -> None:
    make_project(page, reviews)
    page.get_by_role("link", name="Start labelling").click()
    before = "nothing yet"
    for n in range(1, 13):
        shown = page.get_by_role("document", name="Text")
        expect(shown).not_to_contain_text(before)
        before = shown.inner_text().split(":")[0] + ":"
        lovely = "lovely" in shown.inner_text()
        page.keyboard.press("1" if lovely else "2")
        expect(page.get_by_role("radio", name="good" if lovely else "bad")).to_be_checked()
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"{n} done now")).to_be_visible()
    expect(page.get_by_text("The local model has learned")).to_be_visible(timeout=40_000)
    page.get_by_role("link", name="Tents").click()
    expect(page.get_by_text("12 of 40 labelled")).to_be_visible()
    page.get_by_role("link", name="Data").click()
    expect(page.get_by_role("row").nth(3)).to_be_visible()
    page.get_by_role("link", name="Export").click()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    target = tmp_path / "out.zip"
    download.value.save_as(target)
    with zipfile.ZipFile(target) as archive:
        rows = [json.loads(line) for line in archive.read("assets.jsonl").splitlines()]
    labelled = [row for row in rows if row["annotations"]]
    assert len(rows) == 40
    assert len(labelled) == 12
    for row in labelled:
        (chosen,) = row["annotations"][0]["answers"]["mood"]["labels"]
        assert chosen == ("good" if "lovely" in row["text"] else "bad")
    predicted = [row for row in rows if row["prediction"] and not row["annotations"]]
    assert len(predicted) == 28, "the rest was pre-labelled by the local model"


SCREENS = ["", "/data", "/questions", "/prompts", "/runs", "/import", "/export", "/history", "/settings"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_renders_without_errors_and_is_accessible(
    page: Page, served: Served, reviews: Path, scheme: str
) -> None:
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    make_project(page, reviews)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    places = ["/", "/new", *[f"/projects/1{s}" for s in SCREENS], "/projects/1/label", "/projects/1/decide"]
    places += [
        "/settings",
        "/settings/models",
        "/settings/tokens",
        "/settings/people",
        "/settings/keys",
        "/nothing/here",
    ]
    found = {}
    for place in places:
        page.goto(served.address + place)
        page.get_by_role("banner").wait_for()
        page.wait_for_load_state("networkidle") if "projects" not in place else page.wait_for_timeout(700)
        violations = axe(page)
        if violations:
            found[place] = violations
    assert errors == []
    assert found == {}
