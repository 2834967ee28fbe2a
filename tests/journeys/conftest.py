"""A real server in a process of its own and a real Chromium; what a person would do, done."""

import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.journeys.zygote import Command, Zygote

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "src" / "labelwright" / "server" / "static"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Served:
    """A running workbench that can be killed and started again on the same port and data."""

    home: Path
    zygote: Zygote
    running: Command | None = None
    address: str = ""
    link: str = ""

    def start(self) -> "Served":
        port = self.address.rsplit(":", 1)[-1] if self.address else "0"
        log = self.home.with_name(f"{self.home.name}.log")
        before = log.stat().st_size if log.exists() else 0
        self.running = self.zygote.start(
            ["start", "--home", str(self.home), "--port", port, "--no-browser"], log
        )
        while True:
            said = log.read_text(encoding="utf-8")[before:] if log.exists() else ""
            found = re.search(r"(http://[\d.]+:\d+)/sign-in\?link=\S+\n", said)
            if found:
                self.address, self.link = found[1], found[0].strip()
                break
            if not self.running.is_running():
                raise RuntimeError("the server did not start:\n" + said)
            time.sleep(0.02)
        self._wait()
        return self

    def _wait(self) -> None:
        for _ in range(1_000):
            try:
                with urllib.request.urlopen(f"{self.address}/api/health", timeout=10):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the server does not answer")

    def kill(self) -> None:
        """kill -9: no goodbye."""
        assert self.running is not None
        self.running.stop(signal.SIGKILL)

    def end(self) -> None:
        """The way ctrl+C ends it."""
        assert self.running is not None
        self.running.stop(signal.SIGTERM)

    def command(self, *arguments: str) -> str:
        """Run `labelwright …` on the same data."""
        done = subprocess.run(
            [sys.executable, "-m", "labelwright.cli.main", *arguments, "--home", str(self.home)],
            capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


_running: list[Browser] = []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Tests elsewhere import this fixture, which makes it another one to pytest; a process can have one browser only.
    if _running:
        yield _running[0]
        return
    # The shell is the same engine without the window around it, which no journey looks at; it opens pages twice as fast.
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no chromium on this machine")
    if not (STATIC / "index.html").exists():
        pytest.skip("the browser app is not built: run `make ui`")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        _running.append(found)
        yield found
        _running.clear()
        found.close()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    found = Zygote()
    yield found
    found.close()


@pytest.fixture
def served(migrated: Path, zygote: Zygote, tmp_path: Path) -> Iterator[Served]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copyfile(migrated, home / migrated.name)
    server = Served(home, zygote)
    try:
        yield server.start()
    finally:
        server.end()


class Watched:
    """A page whose console errors and failed scripts are remembered."""

    def __init__(self, page: Page) -> None:
        self.page, self.errors = page, list[str]()
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A signed-in page at the home screen."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
    )
    found = context.new_page()
    found.set_default_timeout(15_000)
    found.goto(served.link)
    found.get_by_role("banner").wait_for()
    yield found
    context.close()


def until(page: Page, holds: str, argument: Any = None) -> None:
    """Wait until a JavaScript function is true of the page.

    Playwright's own `wait_for_function` evaluates text inside the page again and again, which our content security
    policy forbids; it only works where the first look succeeds.
    """
    for _ in range(300):
        if page.evaluate(holds, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never became true: {holds}")


def axe(page: Page) -> list[str]:
    """Violations that axe-core finds on the page, in words; empty when there are none."""
    # A dialog that is still fading in has other colours than the one a person reads.
    until(
        page,
        "() => document.getAnimations().every(a => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)",
    )
    script = (ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(script)
    found: Any = page.evaluate(
        "() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
    )
    return [
        f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes']][:3]}: {v['nodes'][0].get('failureSummary', '')[:300]}"
        for v in found["violations"]
    ]
