"""A real HTTP server in this process, over a workbench on SQLite."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from labelwright.client import Client
from labelwright.core.access import Actor
from labelwright.flows import people
from labelwright.server.app import create_app
from labelwright.workbench import Workbench


@dataclass
class Running:
    bench: Workbench
    url: str
    port: int
    admin: Actor

    def client(self, person: Actor | None = None) -> Client:
        return Client(self.url, people.make_token(self.bench, person or self.admin, "test", None)[1])

    def raw(self, request: bytes) -> bytes:
        """Send bytes, get bytes: what no well-behaved client would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            connection.settimeout(10)
            parts = []
            try:
                while chunk := connection.recv(65536):
                    parts.append(chunk)
            except TimeoutError:
                pass
        return b"".join(parts)

    def http(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body=body or None, headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
        found = {key.lower(): value for key, value in answer.getheaders()}
        connection.close()
        return answer.status, found, content


@pytest.fixture
def running(sqlite_workbench: Workbench) -> Iterator[Running]:
    admin = people.add_user(sqlite_workbench, "root", is_admin=True)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(sqlite_workbench, workers=1), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Running(sqlite_workbench, f"http://127.0.0.1:{port}", port, admin)
    server.should_exit = True
    thread.join(timeout=20)


def ontology(*labels: str) -> dict[str, Any]:
    return {"questions": [{"kind": "choice", "name": "Label", "labels": list(labels)}]}
