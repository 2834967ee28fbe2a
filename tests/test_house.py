"""Rules of the house that no linter knows: where names may appear, how large things may grow, what a wheel holds."""

import ast
import gzip
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labelwright.core.ontology import LABEL_COLOURS
from labelwright.devtools import ui
from tests.conftest import ROOT

MOST_LINES = 600
# A longer file needs a reason: path -> why it is one piece.
LONGER: dict[str, str] = {
    "ui/src/api/schema.d.ts": "generated",
}
# Reading any of these can run code that came with the bytes.
CODE_IN_DATA = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
RAW_HTML = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write\b|createContextualFragment")


def python_sources() -> Iterator[Path]:
    return (ROOT / "src").rglob("*.py")


def browser_sources() -> list[Path]:
    return [path for path in (ROOT / "ui/src").rglob("*") if path.suffix in {".ts", ".tsx"}]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lock_entries() -> dict[str, dict[str, Any]]:
    lock = json.loads((ROOT / "ui/package-lock.json").read_text(encoding="utf-8"))
    return {name: entry for name, entry in lock["packages"].items() if name}


def test_no_floor_imports_from_above() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_source_file_grows_without_a_reason() -> None:
    too_long = {}
    for path in [*python_sources(), *browser_sources()]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES and relative(path) not in LONGER:
            too_long[relative(path)] = lines
    assert too_long == {}


def test_every_reason_for_a_long_file_is_still_needed() -> None:
    for name in LONGER:
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) > MOST_LINES, name


def test_nothing_that_is_read_can_run_code() -> None:
    found = []
    for path in python_sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [(node.module or "").split(".")[0]]
            if CODE_IN_DATA & set(names):
                found.append(f"{relative(path)}:{node.lineno} imports {names}")  # type: ignore[attr-defined]
            if isinstance(node, ast.Call):
                callee = ast.unparse(node.func)
                keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if (
                    callee in {"eval", "exec", "yaml.load", "yaml.unsafe_load"}
                    or keywords.get("allow_pickle") == "True"
                ):
                    found.append(f"{relative(path)}:{node.lineno} calls {callee}")
    assert found == []


def test_the_browser_app_never_writes_raw_html() -> None:
    found = [
        relative(path)
        for path in browser_sources()
        if re.search(r"dangerouslySetInnerHTML", path.read_text(encoding="utf-8"))
        or RAW_HTML.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_editor_engine_knows_no_framework_and_no_network() -> None:
    # eslint says so too; here it also holds for files that eslint is told to skip.
    wrong = re.compile(
        r"from\s+['\"](react|react-.*|@mantine/.*|@tanstack/.*|.*/(api|app|parts|screens)/.*)['\"]"
        r"|\b(fetch|XMLHttpRequest|WebSocket|EventSource)\("
    )
    found = [
        relative(path)
        for path in browser_sources()
        if "editor" in path.relative_to(ROOT / "ui/src").parts
        and "screens" not in path.parts
        and ".test." not in path.name
        and wrong.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_browser_packages_are_pinned_and_come_from_no_named_registry() -> None:
    package = json.loads((ROOT / "ui/package.json").read_text(encoding="utf-8"))
    pins = package["dependencies"] | package["devDependencies"]
    assert {name: pin for name, pin in pins.items() if not re.fullmatch(r"\d+\.\d+\.\d+", pin)} == {}
    assert [name for name, entry in lock_entries().items() if "resolved" in entry] == []
    assert [name for name, entry in lock_entries().items() if "integrity" not in entry] == []


def test_there_is_one_version_of_mantine() -> None:
    versions = {entry["version"] for name, entry in lock_entries().items() if "@mantine/" in name}
    assert len(versions) == 1


def test_server_and_browser_have_the_same_label_colours() -> None:
    palette = (ROOT / "ui/src/palette.ts").read_text(encoding="utf-8")
    listed = palette[: palette.index("] as const")]
    assert re.findall(r"#[0-9A-F]{6}", listed) == list(LABEL_COLOURS)


def _closure(manifest: dict[str, Any], start: str) -> set[str]:
    """Keys of the chunks that must be loaded before `start` runs."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            waiting += manifest[key].get("imports", [])
    return seen


def test_the_first_load_of_an_annotator_stays_small() -> None:
    static = ui.static_folder(ROOT)
    if not (static / ".vite/manifest.json").exists():
        pytest.skip("the browser app is not built: python -m labelwright.devtools.ui build")
    manifest = json.loads((static / ".vite/manifest.json").read_text(encoding="utf-8"))
    chunks = _closure(manifest, "index.html")
    for key in manifest:
        if re.search(r"screens/annotate/\w*(Annotate|Decide)", key):
            chunks |= _closure(manifest, key)

    def packed_kb(names: set[str]) -> float:
        return sum(len(gzip.compress((static / name).read_bytes())) for name in names) / 1000

    scripts = packed_kb({manifest[key]["file"] for key in chunks if manifest[key]["file"].endswith(".js")})
    styles = packed_kb({name for key in chunks for name in manifest[key].get("css", [])})
    assert scripts <= 250
    assert styles <= 45


@pytest.mark.slow
def test_a_wheel_holds_the_browser_app_and_no_tests(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "LABELWRIGHT_UI"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        index = archive.read("labelwright/server/static/index.html").decode()
    # Everything the page asks for first is there too, packed and unpacked.
    asked = re.findall(r'(?:src|href)="/(assets/[^"]+)"', index)
    assert asked
    for name in asked:
        assert f"labelwright/server/static/{name}" in names
        assert f"labelwright/server/static/{name}.gz" in names
    assert "labelwright/server/static/THIRD_PARTY_NOTICES.txt" in names
    assert "labelwright/py.typed" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"labelwright"}


def test_every_value_of_the_api_has_a_name_of_its_own() -> None:
    # Two classes of one name would reach the browser as `labelwright__flows__x__Name`.
    described = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))
    assert [name for name in described["components"]["schemas"] if "__" in name] == []
