"""What the image editor's engine costs per frame, in a real browser, next to a canvas that draws everything each time.

    python -m benchmarks.editor [--polygons 5000] [--frames 60]

An image of 12 megapixels with so many polygons of 12 to 28 corners, a view of 1280 x 800, no GPU. JavaScript time is what
the engine's own frames take; the browser draws after that, which the time between frames shows. `naive` is canvas 2D with
one path per polygon and a full redraw per frame, on the same page, image, polygons and gestures.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import FLAGS, quantile
from labelwright.devtools import ui

ROOT = Path(__file__).parent.parent
GESTURES = ("pan", "zoom", "drag", "add", "brush")
# The naive mask is coloured pixel by pixel in every frame: some frames are enough to see it.
FEWER = {("naive", "brush"): 10}


def measure(page: Page, script: Path, kind: str, polygons: int, frames: int) -> dict[str, Any]:
    page.set_content("<body></body>")
    page.add_script_tag(path=script)
    page.evaluate("([kind, count]) => bench.start(kind, count)", [kind, polygons])
    for gesture in GESTURES:  # the first ones compile the code
        page.evaluate(f"(frames) => bench.{gesture}(frames)", 3)
    return {
        gesture: page.evaluate(f"(frames) => bench.{gesture}(frames)", FEWER.get((kind, gesture), frames))
        for gesture in GESTURES
    }


def drew(counters: dict[str, int]) -> str:
    names = {
        "gestureFrames": "moved", "fullRedraws": "full", "dirtyRedraws": "dirty",
        "overlayRedraws": "top", "tilesPainted": "tiles", "imageRedraws": "image",
    }  # fmt: skip
    return ", ".join(f"{value} {names[name]}" for name, value in counters.items() if value)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--polygons", type=int, default=5000)
    parser.add_argument("--frames", type=int, default=60)
    wanted = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        if ui.npm(ROOT, "run", "build:bench", "--", "--outDir", scratch, "--emptyOutDir") != 0:
            raise SystemExit("the page of the benchmark cannot be built")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        found = {
            kind: measure(page, Path(scratch) / "bench.js", kind, wanted.polygons, wanted.frames)
            for kind in ("ours", "naive")
        }
        browser.close()
    print(
        "| gesture | JS ms/frame p50 / p95 | naive p50 / p95 | ratio p50 | between frames p50 | naive | drawn |"
    )
    print("|---|---|---|---|---|---|---|")
    for gesture in GESTURES:
        ours, naive = found["ours"][gesture], found["naive"][gesture]
        js, slow = ([quantile(each["js"], share) for share in (0.5, 0.95)] for each in (ours, naive))
        gaps = [quantile(each["between"], 0.5) for each in (ours, naive)]
        print(
            f"| {gesture}, {ours['frames']} frames | {js[0]:.1f} / {js[1]:.1f} | {slow[0]:.1f} / {slow[1]:.1f} "
            f"| {slow[0] / max(js[0], 0.1):.0f} | {gaps[0]:.0f} ms | {gaps[1]:.0f} ms | {drew(ours['counters'])} |"
        )


if __name__ == "__main__":
    main()
