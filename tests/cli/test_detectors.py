"""Detectors from the terminal: a folder of images in, files for a trainer out."""

import json
import zipfile
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from labelwright.cli.main import app
from labelwright.core.errors import LabelwrightError
from tests.detectors import made

RUNNER = CliRunner()


def prepared(tmp_path: Path) -> Path:
    """A folder of three images, and beside it a description with its model."""
    (tmp_path / "photos").mkdir()
    for n, red in enumerate((240, 10, 200)):
        Image.new("RGB", (40 + n, 20), (red, 0, 0)).save(tmp_path / "photos" / f"{n}.png")
    made.red_finder(tmp_path / "red.onnx")
    (tmp_path / "red.yaml").write_text("name: Red finder\nclasses: [red]\ninput: {resize: stretch}\n")
    return tmp_path


def test_a_folder_of_images_is_labelled_in_one_command(tmp_path: Path) -> None:
    folder, home = prepared(tmp_path), tmp_path / "home"
    wanted = ["label", str(folder / "photos"), "--detector", str(folder / "red.yaml"), "--home", str(home)]
    done = RUNNER.invoke(app, wanted)
    assert done.exit_code == 0, done.output
    assert "batch 1: done, 3 of 3, 0 failed, 0.0000 USD" in done.output
    with zipfile.ZipFile(folder / "photos.labelled.zip") as archive:
        found = json.loads(archive.read("annotations/instances.json"))
    names = {image["id"]: image["file_name"] for image in found["images"]}
    boxes = {names[each["image_id"]]: [round(c, 3) for c in each["bbox"]] for each in found["annotations"]}
    assert boxes == {"0.png": [0, 0, 40, 20], "2.png": [0, 0, 42, 20]}
    # Once more: the detector is there already.
    again = RUNNER.invoke(app, [*wanted, "--labels", "blue", "--out", str(tmp_path / "second.zip")])
    assert isinstance(again.exception, LabelwrightError) and "it knows red" in str(again.exception)
    shown = RUNNER.invoke(app, ["detectors", "list", "--home", str(home)])
    assert "Red finder\tdetect\tyolo\t16 x 16\t1 classes" in shown.output
    shown = RUNNER.invoke(app, ["detectors", "show", "1", "Red finder", "--home", str(home)])
    assert "red -> red" in shown.output
    assert RUNNER.invoke(app, ["detectors", "remove", "Red finder", "--home", str(home)]).exit_code == 0


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    alone = RUNNER.invoke(app, ["detectors", "add", str(folder / "red.onnx"), "--home", str(tmp_path / "h")])
    assert isinstance(alone.exception, LabelwrightError) and "needs a description" in str(alone.exception)
    (folder / "red.yaml").write_text("name: r\nmodel: ../gone.onnx\nclasses: [red]\n")
    gone = RUNNER.invoke(app, ["detectors", "add", str(folder / "red.yaml"), "--home", str(tmp_path / "h")])
    assert isinstance(gone.exception, LabelwrightError)
