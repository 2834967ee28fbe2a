"""Models from the terminal: set up, probe, estimate, predict."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from labelwright.cli.common import local_person
from labelwright.cli.main import app
from labelwright.core.errors import LabelwrightError
from labelwright.flows import setup
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
from tests.endpoints.scripted import ScriptedServer, Step, truth
from tests.factories import SENTIMENT, add_assets

TEXTS = [f"A text with the number {i} in it." for i in range(12)]


@pytest.fixture
def home(tmp_path: Path, scripted: ScriptedServer) -> Path:
    folder = tmp_path / "home"
    bench = open_workbench(Settings.read(folder, {}))
    project = setup.create_project(bench, local_person(bench), "Reviews", SENTIMENT)
    add_assets(bench, project, TEXTS)
    bench.close()
    scripted.script = truth(dict.fromkeys(TEXTS, "Positive"), ["Positive", "Negative"], 0.9)
    return folder


def call(home: Path, *args: str) -> Result:
    return CliRunner().invoke(app, [*args, "--home", str(home)])


def test_a_project_is_predicted_from_the_terminal(home: Path, scripted: ScriptedServer) -> None:
    assert call(home, "provider", "add", "mine", scripted.base_url, "--model", "scripted").exit_code == 0
    assert "mine" in call(home, "provider", "list").output
    assert "12 assets" in call(home, "predict", "Reviews", "--all", "--estimate").output
    done = call(home, "predict", "Reviews", "--batch-size", "5", "--all")
    assert done.exit_code == 0, done.output
    assert "batch 1: done, 5 of 5" in done.output and "batch 3: done, 2 of 2" in done.output
    assert scripted.chats == 12


def test_a_probe_says_what_the_endpoint_can_do(home: Path, scripted: ScriptedServer) -> None:
    call(home, "provider", "add", "mine", scripted.base_url)
    scripted.script = Step(text="hello")
    assert "structured output: none" in call(home, "provider", "probe", "mine").output


def test_the_endpoint_of_the_environment_is_used_with_its_key(
    home: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELWRIGHT_MODEL_URL", scripted.base_url)
    monkeypatch.setenv("LABELWRIGHT_MODEL", "scripted")
    monkeypatch.setenv("LABELWRIGHT_MODEL_API_KEY", "from-the-environment")
    assert call(home, "predict", "Reviews").exit_code == 0
    assert set(scripted.seen.authorizations) == {"Bearer from-the-environment"}
    assert not any(b"from-the-environment" in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_paused_run_says_why_and_fails_the_command(home: Path, scripted: ScriptedServer) -> None:
    call(home, "provider", "add", "mine", scripted.base_url, "--model", "scripted")
    scripted.script = Step("error", status=401)
    ended = call(home, "predict", "Reviews")
    assert ended.exit_code == 1 and "paused" in ended.output and "key" in ended.output


@pytest.mark.parametrize(
    "args",
    [
        ["--provider", "nobody"],
        ["--examples", "best"],
        ["--cap", "much"],
        ["--cap", "1"],
        ["--template", "9"],
    ],
)
def test_a_wrong_option_is_explained(home: Path, scripted: ScriptedServer, args: list[str]) -> None:
    call(home, "provider", "add", "mine", scripted.base_url, "--model", "scripted")
    result: Any = call(home, "predict", "Reviews", *args)
    assert result.exit_code != 0 and isinstance(result.exception, LabelwrightError)
    assert scripted.seen.requests == 0


def test_plans_are_compared_from_the_terminal(home: Path, scripted: ScriptedServer) -> None:
    from tests.factories import POSITIVE
    from tests.flows.test_compare import make_gold

    call(home, "provider", "add", "mine", scripted.base_url, "--model", "scripted")
    plans = ["--plan", "model=scripted", "--plan", "model=other,provider=mine,examples=per_label,k=2"]
    refused = call(home, "compare", "Reviews", *plans)
    assert isinstance(refused.exception, LabelwrightError) and refused.exception.code == "no_gold"
    bench = open_workbench(Settings.read(home, {}))
    [card] = setup.list_projects(bench, local_person(bench))
    make_gold(bench, card.project, dict.fromkeys(range(1, 13), POSITIVE))
    bench.close()
    done = call(home, "compare", "Reviews", *plans)
    assert done.exit_code == 0, done.output
    assert "scripted, zero-shot: 12 of 12 answered" in done.output and "No difference shown" in done.output
    assert '"verdict"' in call(home, "compare", "Reviews", *plans, "--json").output
    for bad in (["--plan", "speed=9"], ["--plan", "k=many"], ["--gold", "silver"]):
        wrong = call(home, "compare", "Reviews", *plans, *bad)
        assert isinstance(wrong.exception, LabelwrightError), bad
