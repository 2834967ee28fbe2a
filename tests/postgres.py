"""A real PostgreSQL for the tests: started from the binaries on this machine, on a free port, in a temporary folder.

`initdb` refuses to run as root, so under root everything runs as an unprivileged account of the system.
"""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_binaries() -> Path | None:
    """The folder with initdb and pg_ctl; the newest version where there are several."""
    found = sorted(
        glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: float(p.split("/")[-2]), reverse=True
    )
    for folder in found:
        if Path(folder, "initdb").exists():
            return Path(folder)
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError("running as root and neither `postgres` nor `nobody` exists")


@contextmanager
def server() -> Iterator[str]:
    """Yield `host:port` of a running server whose superuser is `labelwright` without a password."""
    binaries = find_binaries()
    assert binaries is not None
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="labelwright-pg-"))
    if account is not None:
        user = pwd.getpwnam(account)
        os.chown(folder, user.pw_uid, user.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        done = subprocess.run(
            command, user=account, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}\n{done.stderr}")

    options = (
        f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c full_page_writes=off -c max_connections=200"
    )
    try:
        run(
            str(binaries / "initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "labelwright",
            "-A",
            "trust",
            "-E",
            "UTF8",
        )
        run(
            str(binaries / "pg_ctl"),
            "-D",
            str(folder / "data"),
            "-l",
            str(folder / "log"),
            "-w",
            "-o",
            options,
            "start",
        )
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run(
            [str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop"],
            user=account, cwd="/", capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
