"""The command line as a person uses it: real processes, real files, a real endpoint."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.endpoints.scripted import ScriptedServer, Step, truth

TEXTS = [
    (
        f"r{i}",
        f"Review number {i}: {'lovely' if i % 3 else 'awful'} thing",
        "positive" if i % 3 else "negative",
    )
    for i in range(40)
]


def run(
    *arguments: str, home: Path, ok: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    import os

    done = subprocess.run(
        [sys.executable, "-m", "labelwright.cli.main", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"LABELWRIGHT_HOME": str(home)} | (env or {}),
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((key, text) for key, text, _ in TEXTS)
    return path


def test_a_csv_goes_in_and_a_labelled_csv_with_confidences_comes_out(tmp_path: Path, reviews: Path) -> None:
    truths = {text: label for _, text, label in TEXTS}
    with ScriptedServer(truth(truths, ["positive", "negative"], accuracy=0.9)) as server:
        out = tmp_path / "out.csv"
        done = run(
            "label", str(reviews), "--labels", "positive,negative", "--model", "m", "--url", server.base_url,
            "--out", str(out), home=tmp_path / "home",
        )  # fmt: skip
    assert "40 rows" in done.stdout
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["external_id"] for row in rows] == [key for key, _, _ in TEXTS]
    right = sum(row["label"].lower() == label for row, (_, _, label) in zip(rows, TEXTS, strict=True))
    assert right >= 28
    assert all(0 <= float(row["label_confidence"]) <= 1 for row in rows)
    assert {row["answered_by"] for row in rows} == {"model"}


def test_rows_that_the_model_fails_on_stay_in_the_output_without_a_label(
    tmp_path: Path, reviews: Path
) -> None:
    with ScriptedServer(
        lambda n, _: Step(text='{"label": "positive"}') if n % 2 else Step(text="I cannot say.")
    ) as server:
        out = tmp_path / "out.csv"
        run(
            "label", str(reviews), "--labels", "positive,negative", "--model", "m", "--url", server.base_url,
            "--out", str(out), home=tmp_path / "home",
        )  # fmt: skip
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert len(rows) == 40
    assert {row["label"] for row in rows} == {"Positive", ""} or {row["label"] for row in rows} == {
        "positive",
        "",
    }


def test_label_says_what_is_missing(tmp_path: Path, reviews: Path) -> None:
    done = run("label", str(reviews), "--labels", "a,b", home=tmp_path / "home", ok=False)
    assert "say which model to ask" in done.stderr
    assert "LABELWRIGHT_MODEL_URL" in done.stderr


def test_import_again_changes_nothing_and_export_writes_a_zip(tmp_path: Path, reviews: Path) -> None:
    home = tmp_path / "home"
    project = run("project", "create", "Reviews", "--labels", "positive,negative", home=home).stdout.strip()
    assert "40 new, 0 same" in run("import", project, str(reviews), home=home).stdout
    assert "0 new, 40 same" in run("import", "Reviews", str(reviews), home=home).stdout
    target = tmp_path / "out.zip"
    run("export", project, str(target), home=home)
    with zipfile.ZipFile(target) as archive:
        assert set(archive.namelist()) == {
            "assets.jsonl",
            "loss_report.json",
            "manifest.json",
            "ontology.json",
        }
        lines = archive.read("assets.jsonl").decode().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [text for _, text, _ in TEXTS]
    assert "40" in run("project", "list", home=home).stdout


def test_bad_calls_end_with_one_readable_line_and_status_1(tmp_path: Path, reviews: Path) -> None:
    home = tmp_path / "home"
    done = run("import", "nothing", str(reviews), home=home, ok=False)
    assert "no project is called 'nothing'" in done.stderr
    assert "Traceback" not in done.stderr
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"text\n\xff\xfe\xfd caf\xe9\n")
    run("project", "create", "P", "--labels", "a,b", home=home)
    done = run("import", "P", str(broken), home=home, ok=False)
    assert "UTF-8" in (done.stderr + done.stdout).upper().replace("UTF8", "UTF-8")
    assert "Traceback" not in done.stderr


def test_listening_beyond_this_machine_needs_a_word(tmp_path: Path) -> None:
    done = run("start", "--host", "0.0.0.0", "--port", "0", "--no-browser", home=tmp_path / "home", ok=False)
    assert "--insecure-network" in done.stderr


def test_trust_says_what_is_known_accepts_on_demand_and_takes_back(tmp_path: Path, reviews: Path) -> None:
    home = tmp_path / "home"
    truths = {text: label for _, text, label in TEXTS}
    with ScriptedServer(truth(truths, ["positive", "negative"], accuracy=1.0)) as server:
        run("label", str(reviews), "--labels", "positive,negative", "--url", server.base_url, "--model", "scripted",
            "--home", str(home), home=home)  # fmt: skip
    shown = run("trust", "reviews", home=home).stdout
    assert (
        "40 answers, 0 reviewed" in shown and "not calibrated yet" in shown and "Nothing can be said" in shown
    )
    refused = run("trust", "reviews", "--accept", home=home, ok=False)
    assert "no threshold is shown" in refused.stderr and "--audit" in refused.stderr
    assert "5 audits drawn" in run("trust", "reviews", "--audit", "5", home=home).stdout
    accepted = run("trust", "reviews", "--accept-above", "0", "--unproven", home=home).stdout
    assert "40 answers accepted" in accepted
    seen = json.loads(run("trust", "reviews", "--json", home=home).stdout)
    assert [a["standing"] for a in seen["acceptances"]] == [40]
    run("export", "reviews", str(tmp_path / "t.zip"), "--include", "trusted", home=home)
    with zipfile.ZipFile(tmp_path / "t.zip") as files:
        assert json.loads(files.read("manifest.json"))["answered_by"] == {"model, accepted": 40}
    assert "40 answers put back" in run("trust", "reviews", "--revert", home=home).stdout


def test_an_image_project_from_ready_questions_on_the_command_line(tmp_path: Path) -> None:
    from PIL import Image

    home = tmp_path / "home"
    assert "boxes " in run("project", "starters", home=home).stdout
    questions = tmp_path / "questions.yaml"
    questions.write_text(run("project", "starters", "keypoints", home=home).stdout, encoding="utf-8")
    # What is printed can be read again.
    run("project", "create", "People", "--ontology", str(questions), home=home)
    run("project", "create", "Cars", "--regions", "Car,Bus", "--shapes", "polygon", home=home)
    shown = json.loads(run("project", "show", "Cars", home=home).stdout)
    assert (shown["project"]["modality"], shown["ontology"]["questions"][0]["shapes"]) == (
        "image",
        ["polygon"],
    )
    refused = run("project", "create", "X", "--entities", "a", "--modality", "image", home=home, ok=False)
    assert "span cannot be asked of image" in refused.stderr
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (32, 24), (200, 30, 30)).save(photos / "a.jpg")
    (photos / "b.jpg").write_bytes(b"no image")
    assert "1 new, 0 same, 0 changed, 1 bad" in run("import", "Cars", str(photos), home=home).stdout
