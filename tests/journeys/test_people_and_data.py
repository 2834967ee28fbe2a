"""The team and the data in a real browser: people and roles, filters, a second import with bad rows, another format."""

import csv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import factories
from tests.journeys.conftest import Served, axe, until
from tests.journeys.house import House

TEXTS = [f"Review {n}: {'lovely tea' if n % 2 else 'the soup was cold'}." for n in range(1, 9)]


@pytest.fixture
def house(served: Served) -> House:
    """The data behind the page."""
    return House(served)


def test_a_person_comes_in_by_a_link_and_sees_what_their_role_allows(house: House, page: Any) -> None:
    project, _ = house.add_project(TEXTS)
    hidden, _ = house.add_project(["Not for everybody."])
    page.goto(f"{house.address}/settings/people")
    page.get_by_label("Name").first.fill("ben")
    page.get_by_label("Name as shown").fill("Ben B.")
    page.get_by_role("button", name="Add a person").click()
    page.get_by_text("Send this one-time link to ben").wait_for()
    first = page.locator(".mantine-Code-root", has_text="/sign-in?link=").inner_text()
    page.get_by_role("button", name="New sign-in link: ben").click()
    until(page, "old => document.querySelector('.mantine-Code-root')?.innerText !== old", first)
    link = page.locator(".mantine-Code-root", has_text="/sign-in?link=").inner_text()
    assert axe(page) == []
    page.goto(f"{house.address}/projects/{project.id}/settings")
    page.get_by_role("combobox", name="Add a member").click()
    page.get_by_role("option", name="Ben B.").click()
    page.get_by_role("combobox", name="Role: ben").wait_for()

    context = page.context.browser.new_context()
    theirs = context.new_page()
    theirs.set_default_timeout(15_000)
    theirs.goto(link)
    theirs.get_by_role("link", name="Ben B.").wait_for()
    theirs.get_by_role("link", name="Continue labelling").first.wait_for()
    assert theirs.get_by_role("link", name="Continue labelling").count() == 1, "one project is theirs"
    theirs.goto(f"{house.address}/projects/{project.id}")
    tabs = theirs.get_by_role("navigation", name="Reviews").get_by_role("link")
    tabs.first.wait_for()
    assert tabs.all_inner_texts() == ["Overview"]
    assert theirs.request.get(f"{house.address}/api/projects/{project.id}/assets").status == 403
    assert theirs.request.get(f"{house.address}/api/projects/{hidden.id}").status == 404
    assert theirs.request.post(f"{house.address}/api/users/1/link").status == 403

    page.get_by_role("combobox", name="Role: ben").click()
    page.get_by_role("option", name="reviewer").last.click()
    until(page, "() => document.querySelector('input[aria-label=\"Role: ben\"]').value === 'reviewer'")
    theirs.reload()
    theirs.get_by_role("link", name="Data").wait_for()
    context.close()


def test_filters_stay_when_one_comes_back_from_the_editor(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS)
    with house.bench() as bench:
        for n, asset_id in enumerate(ids[:6]):
            answers = factories.NEGATIVE if n % 2 else factories.POSITIVE
            factories.predict(bench, project, asset_id, (n + 1) / 10, answers)
    page.goto(f"{house.address}/projects/{project.id}/data")
    count = page.get_by_role("status").filter(has_text="row")
    count.get_by_text("8 of 8 rows loaded").wait_for()
    page.get_by_role("combobox", name="Status").click()
    page.get_by_role("option", name="pre-labelled").click()
    count.get_by_text("6 rows").wait_for()
    page.get_by_label("Confidence below").fill("0.45")
    count.get_by_text("4 rows").wait_for()
    page.get_by_label("Confidence above").fill("0.15")
    count.get_by_text("3 rows").wait_for()
    page.get_by_label("Search in texts and ids").fill("soup")
    count.get_by_text("2 rows").wait_for()
    page.get_by_role("button", name="Least confident first").click()
    assert axe(page) == []
    page.get_by_role("cell", name=TEXTS[1]).click()
    page.get_by_role("dialog").get_by_role("link", name="Open in the editor").click()
    page.locator(".lw-text", has_text=TEXTS[1]).wait_for()
    page.go_back()
    count.get_by_text("2 rows").wait_for()
    assert page.get_by_label("Search in texts and ids").input_value() == "soup"
    page.get_by_role("button", name="Clear the filters").click()
    count.get_by_text("8 of 8 rows loaded").wait_for()
    page.goto(f"{house.address}/projects/{project.id}/data?below=nonsense&status=predicted&text=nowhere")
    page.get_by_text("Nothing passes all of these filters.").wait_for()


def test_a_second_file_is_checked_then_imported_and_its_bad_rows_are_named(
    house: House, page: Any, tmp_path: Path
) -> None:
    project, _ = house.add_project(TEXTS)
    path = tmp_path / "more.csv"
    path.write_text(
        'id,text\nx1,A new one.\nx2,\nx3,"Another\nin two lines."\nx1,A new one.\n', encoding="utf-8"
    )
    page.goto(f"{house.address}/projects/{project.id}/import")
    page.get_by_label("Choose a file").set_input_files(str(path))
    page.get_by_text("Rows with problems").wait_for()
    page.get_by_label("Only check, store nothing").check()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Checked: nothing was stored.").wait_for()
    page.get_by_label("Only check, store nothing").uncheck()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("heading", name="Imports").wait_for()
    first = page.locator(".lw-card").first
    first.get_by_text("2 new").wait_for()
    first.get_by_text("more.csv:3").wait_for()
    assert axe(page) == []
    page.goto(f"{house.address}/projects/{project.id}/data")
    page.get_by_text("10 of 10 rows loaded").wait_for()


def test_a_folder_of_texts_comes_in_as_it_is(house: House, page: Any, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    (folder / "May").mkdir(parents=True)
    (folder / "one.txt").write_text("Grüße aus Köln", encoding="utf-8")
    (folder / "May" / "zwei 😀.txt").write_text("Second letter\nwith two lines", encoding="utf-8")
    (folder / "readme.md").write_text("not a text to label", encoding="utf-8")
    project, _ = house.add_project(TEXTS)
    page.goto(f"{house.address}/projects/{project.id}/import")
    page.get_by_label("Choose a folder of .txt files").set_input_files(str(folder))
    page.get_by_role("cell", name="Grüße aus Köln").wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("2 new, 0 known, 0 changed, 0 with problems").wait_for()
    page.goto(f"{house.address}/projects/{project.id}/data?text=letter")
    page.get_by_role("cell", name="Second letter").wait_for()
    page.get_by_text("zwei 😀").wait_for()


def test_an_export_in_another_format_says_what_it_cannot_hold(
    house: House, page: Any, tmp_path: Path
) -> None:
    project, ids = house.add_project(TEXTS)
    with house.bench() as bench:
        factories.predict(bench, project, ids[0], 0.8)
    page.goto(f"{house.address}/projects/{project.id}/export")
    page.get_by_role("radio", name="CSV").check()
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    target = tmp_path / "out.zip"
    download.value.save_as(target)
    with zipfile.ZipFile(target) as archive:
        rows = list(csv.DictReader(archive.read("assets.csv").decode("utf-8-sig").splitlines()))
    assert [row["text"] for row in rows] == TEXTS
    page.get_by_role("radio", name="CoNLL-2003").check()
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_text("Not held by the format: answers").or_(
        page.get_by_text("needs a question")
    ).first.wait_for()


def test_a_project_comes_back_from_the_trash(house: House, page: Any) -> None:
    project, _ = house.add_project(TEXTS)
    page.goto(f"{house.address}/projects/{project.id}/settings")
    page.get_by_role("button", name="Move the project to the trash").click()
    page.get_by_text("Label your first texts").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Reviews").wait_for()


def test_a_key_that_is_taken_is_refused(house: House, page: Any) -> None:
    page.goto(f"{house.address}/settings/keys")
    skip = page.get_by_role("row", name="Skip").first
    skip.get_by_role("button", name="Change").click()
    page.keyboard.press("u")
    page.get_by_text("U is already used for “Take back the last submission”.").wait_for()
    skip.get_by_role("button", name="Change").click()
    page.keyboard.press("w")
    skip.get_by_text("W", exact=True).wait_for()
    assert page.get_by_role("alert").count() == 0
