"""From the key press to the next text on the screen, in a real browser against a real server.

    python -m benchmarks.browser [--assets 10000] [--submissions 150]

Each text gets a digit and Enter; the clock runs from the Enter event's own time stamp to the frame after the one in which
the next text stands on the page. The baseline of the same run is a bare page that swaps one paragraph on Enter, measured by
the same code: what the browser and the measuring itself cost.
"""

import argparse
import shutil
import tempfile
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.serving import prepare, start
from labelwright.cli.common import local_person
from labelwright.flows import people
from labelwright.settings import Settings
from labelwright.workbench import open_workbench

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
CLOCK = """
() => {
  window.painted = [];
  const shown = () => document.querySelector('.lw-text')?.textContent ?? '';
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    const pressed = event.timeStamp, before = shown();
    const look = () => {
      const now = shown();
      if (now === before || now === '') requestAnimationFrame(look);
      else requestAnimationFrame(() => window.painted.push(performance.now() - pressed));
    };
    requestAnimationFrame(look);
  }, true);
}
"""
BARE = """
<p class="lw-text">Review 0</p>
<script>
  let n = 0;
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') document.querySelector('.lw-text').textContent = `Review ${++n}`;
  });
</script>
"""


def walk(page: Page, times: int, pause_ms: int) -> list[float]:
    """Milliseconds per text."""
    page.evaluate(CLOCK)
    for n in range(times):
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        while page.evaluate("() => window.painted.length") <= n:
            page.wait_for_timeout(5)
        page.wait_for_timeout(pause_ms)
    found: list[float] = page.evaluate("() => window.painted")
    return found


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--submissions", type=int, default=150)
    wanted = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        home = Path(scratch) / "home"
        home.mkdir()
        _, project, _ = prepare(home, wanted.assets)
        bench = open_workbench(Settings.read(home, {}))
        link = people.make_link(bench, local_person(bench).user_id)
        bench.close()
        process, port, _ = start(home)
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_content(BARE)
            rows = {"bare page (baseline)": walk(page, wanted.submissions, 100)}
            page.goto(f"http://127.0.0.1:{port}/sign-in?link={link}")
            page.goto(f"http://127.0.0.1:{port}/projects/{project}/label")
            page.locator(".lw-text").wait_for()
            walk(page, 10, 100)  # the first ones compile the app's code
            for name, pause in (("reading 0.5 s", 500), ("as fast as it goes", 0)):
                page.reload()
                page.locator(".lw-text").wait_for()
                rows[name] = walk(page, wanted.submissions, pause)
            browser.close()
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5).close()
        finally:
            process.terminate()
            process.wait(timeout=20)
    floor = quantile(rows["bare page (baseline)"], 0.5)
    print(f"{'':24}{'p50 ms':>8}{'p95 ms':>8}{'worst':>8}{'p50 / baseline':>16}")
    for name, values in rows.items():
        p50, p95 = quantile(values, 0.5), quantile(values, 0.95)
        print(f"{name:24}{p50:8.1f}{p95:8.1f}{max(values):8.1f}{p50 / floor:16.2f}")


if __name__ == "__main__":
    main()
