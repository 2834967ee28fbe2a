"""People at work over HTTP, made cheap: threads with one raw keep-alive socket each, so that the server gets the cores.

Hides how a request is sent and timed. What a server speaks is a `Door`: how to ask for the next asset, how to answer it.
"""

import json
import os
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Door(Protocol):
    """What one kind of server is asked. Both give (method, path, body)."""

    def take(self) -> tuple[str, str, bytes]:
        """Ask for the next asset."""

    def submit(self, taken: dict[str, Any]) -> tuple[str, str, bytes] | None:
        """Answer what was taken; None when there was nothing."""


class Line:
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, port: int, authorization: str) -> None:
        self.where = ("127.0.0.1", port)
        self.head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\n"
        ).encode()
        self.socket: socket.socket | None = None

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """(status, body)."""
        if self.socket is not None and select.select([self.socket], [], [], 0)[0]:
            self.socket.close()  # it was idle for long, and the server hung up
            self.socket = None
        if self.socket is None:
            self.socket = socket.create_connection(self.where, timeout=120)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n".encode()
        self.socket.sendall(line + self.head + b"\r\n" + body)
        got = b""
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._more()
        head = got[:end].lower()
        if b"content-length:" in head:
            size = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            while len(got) < end + 4 + size:
                got += self._more()
        elif int(head[9:12]) not in (204, 304):
            raise ValueError(f"no content length: {head!r}")
        if b"connection: close" in head:
            self.socket.close()
            self.socket = None
        return int(head[9:12]), got[end + 4 :]

    def _more(self) -> bytes:
        assert self.socket is not None
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed the connection")
        return part


@dataclass
class Person(threading.Thread):
    """Takes and submits until told to stop; at most `pace` assets per second, as fast as it goes when 0."""

    line: Line
    door: Door
    halt: threading.Event
    pace: float = 0.0
    late_s: float = 0.0
    take_s: list[float] = field(default_factory=list)
    submit_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """The loop of a person."""
        due = time.perf_counter() + self.late_s
        while True:
            if self.halt.wait(max(due - time.perf_counter(), 0) if self.pace else 0):
                return
            due += 1 / self.pace if self.pace else 0
            try:
                taken = json.loads(self._timed(self.take_s, self.door.take()))
                answer = self.door.submit(taken)
                if answer is None:
                    self.errors.append(f"nothing to do: {taken}")
                    return
                self._timed(self.submit_s, answer)
            except (OSError, ValueError) as error:
                self.errors.append(repr(error))
                return

    def _timed(self, into: list[float], request: tuple[str, str, bytes]) -> bytes:
        began = time.perf_counter()
        status, body = self.line.call(*request)
        into.append(time.perf_counter() - began)
        if status not in (200, 201):
            raise ValueError(f"{status} {body[:300]!r}")
        return body


def cpu_s(pid: int) -> float:
    """Processor seconds a process and its children that are still there have used."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid or int(parts[1]) == pid:
            total += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    return total


def peak_mb(pid: int) -> float:
    """Most memory a process ever had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


COLUMNS = (
    "submits/s",
    "take p50",
    "take p95",
    "submit p50",
    "submit p95",
    "submit p99",
    "cpu server",
    "cpu clients",
)


def measure(
    server: int, people: list[tuple[Line, Door]], seconds: float, *, pace: float = 0.0
) -> dict[str, float]:
    """Let people work for some seconds: submits per second, times in ms, cores used by server and clients."""
    halt = threading.Event()
    crowd = [
        Person(line, door, halt, pace, late_s=i / len(people) / pace if pace else 0.0)
        for i, (line, door) in enumerate(people)
    ]
    before, own, began = cpu_s(server), time.process_time(), time.perf_counter()
    for person in crowd:
        person.start()
    time.sleep(seconds)
    halt.set()
    for person in crowd:
        person.join()
    took = time.perf_counter() - began
    errors = [e for person in crowd for e in person.errors]
    if errors:
        raise RuntimeError(f"{len(errors)} errors, first: {errors[0]}")
    takes = sorted(s for person in crowd for s in person.take_s)
    submits = sorted(s for person in crowd for s in person.submit_s)

    def q(values: list[float], share: float) -> float:
        return values[min(int(len(values) * share), len(values) - 1)] * 1000 if values else float("nan")

    found = (
        len(submits) / took, q(takes, 0.5), q(takes, 0.95), q(submits, 0.5), q(submits, 0.95), q(submits, 0.99),
        (cpu_s(server) - before) / took, (time.process_time() - own) / took,
    )  # fmt: skip
    return dict(zip(COLUMNS, found, strict=True))
