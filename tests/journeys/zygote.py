"""Starts commands of the workbench by forking a process that has imported everything already.

A server of its own for every journey costs seconds of imports each; forked it is there in a fraction of one. What is
forked has neither threads nor connections yet, so the child is like a fresh process. Run as a program this is that
process: a line of JSON on stdin `{"arguments": [...], "log": path}` starts a command, its process id comes back on stdout.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]


class Command:
    """A running command; it may be killed like any process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def is_running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        if not self.is_running():
            return
        os.kill(self.pid, number)
        for _ in range(2_000):
            if not self.is_running():
                return
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        raise RuntimeError(f"the command did not end after {number.name}")


class Zygote:
    """The process that is forked; one per test process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to: IO[str] = self._process.stdin
        self._back: IO[str] = self._process.stdout

    def start(self, arguments: list[str], log: Path) -> Command:
        """Run `labelwright <arguments>`; what it prints is appended to the log."""
        self._to.write(json.dumps({"arguments": arguments, "log": str(log)}) + "\n")
        self._to.flush()
        return Command(int(self._back.readline()))

    def close(self) -> None:
        self._to.close()
        self._process.wait(timeout=20)


def _serve() -> None:
    import uvicorn  # noqa: F401

    import labelwright.workbench  # noqa: F401
    from labelwright.cli.main import main
    from labelwright.server.routes import all_routers

    all_routers()

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system collects children that ended
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = ["labelwright", *wanted["arguments"]]
        code = 1
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


if __name__ == "__main__":
    _serve()
