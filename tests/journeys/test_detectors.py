"""A detector from the first upload to the images a person sees next, in a real browser."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.detectors import made
from tests.journeys.conftest import Served, Watched, axe


def test_a_detector_is_added_run_and_says_what_it_left_out(
    page: Page, served: Served, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, red in enumerate((240, 10, 200)):
        Image.new("RGB", (40 + n, 20), (red, 0, 0)).save(folder / f"{n}.png")
    project = served.command("project", "create", "Photos", "--regions", "Tomato,Pear").split()[0]
    served.command("import", project, str(folder))
    watched = Watched(page)

    page.goto(f"{served.address}/projects/{project}/runs")
    expect(page.get_by_text("No detector yet")).to_be_visible()
    page.get_by_role("button", name="Add a detector").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").first.set_input_files(made.red_finder(tmp_path / "red.onnx"))
    description = dialog.get_by_label("Description")
    description.fill("name: Red finder\nclasses: [tomato, plum]\ninput: {resize: stretch}\n")
    dialog.get_by_role("button", name="Add a detector").click()
    # What is there is said beside what was expected.
    expect(dialog.get_by_role("alert")).to_contain_text("which for 2 classes is (6, ?)")
    expect(dialog.get_by_role("alert")).to_contain_text("float32 (1, 5, 1)")
    description.fill("name: Red finder\nclasses: [plum]\ninput: {resize: stretch}\n")
    dialog.get_by_role("button", name="Add a detector").click()
    card = page.get_by_role("region", name="Red finder")
    expect(card).to_contain_text("0 of 1 classes have a label")
    expect(card).to_contain_text("what is found of them is left out: plum")
    expect(card.get_by_role("button", name="Run")).to_be_disabled()

    # A better description; the first one goes.
    page.on("dialog", lambda asked: asked.accept())
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)
    page.get_by_role("button", name="Add a detector").click()
    dialog.locator("input[type=file]").first.set_input_files(tmp_path / "red.onnx")
    dialog.get_by_label("Description").fill("name: Red finder\nclasses: [tomato]\ninput: {resize: stretch}\n")
    dialog.get_by_role("button", name="Add a detector").click()
    expect(card).to_contain_text("1 of 1 classes has a label")
    assert axe(page) == []
    card.get_by_role("button", name="Run").click()
    run = page.get_by_role("region", name="Red finder").nth(1)
    expect(run).to_contain_text("ms per image", timeout=30_000)
    expect(run).to_contain_text("Done 3 / 3 · Failed 0")
    expect(run.get_by_role("status")).to_have_text("done", timeout=30_000)
    assert [error for error in watched.errors if "422" not in error] == []
