"""Documentation that cannot rot: commands, variables and links are those that exist."""

import re
from pathlib import Path
from typing import Any

from typer.main import get_command

from labelwright.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_every_command_is_in_the_guide_and_nothing_else() -> None:
    found: set[str] = set()

    def walk(command: Any, path: list[str]) -> None:
        for name, sub in command.commands.items():
            if hasattr(sub, "commands"):
                walk(sub, [*path, name])
            else:
                found.add(" ".join([*path, name]))

    walk(get_command(app), [])
    guide = (ROOT / "docs" / "guides" / "cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `labelwright ([a-z -]+)` \|", guide, re.M)) == found


def test_every_environment_variable_is_explained() -> None:
    used = set()
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("conftest.py")]:
        used |= set(re.findall(r"LABELWRIGHT_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8")))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in used if name not in text} == set()


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
