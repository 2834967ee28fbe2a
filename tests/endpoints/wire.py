"""A small HTTP/1.1 server with full control over the bytes, so that a test can misbehave in any way.

Hides the event loop's thread, request parsing and the counters. Loopback only; the port is free unless given.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Call:
    """One request as it arrived, and the way to answer it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter
    number: int

    @property
    def json(self) -> Any:
        """The body as JSON; an empty object when there is none."""
        return json.loads(self.body) if self.body else {}

    async def send(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """A whole answer: bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.start(status, {"Content-Length": str(len(raw)), **(headers or {})})
        self.writer.write(raw)
        await self.writer.drain()

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """The head of an answer whose body the caller writes."""
        lines = [f"HTTP/1.1 {status} Scripted"]
        head = {"Content-Type": "application/json", **headers}
        lines += [f"{name}: {value}" for name, value in head.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        await self.writer.drain()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None:
            # Linger 0 makes close() send RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()


@dataclass
class Seen:
    """What a server has seen so far.

    Attributes:
        accepts: TCP connections opened.
        in_flight: Requests being answered now.
        peak: Most at once.
        authorizations: Every Authorization header, in order; empty string where there was none.
        bodies: JSON bodies of chat requests, in order.
    """

    accepts: int = 0
    requests: int = 0
    in_flight: int = 0
    peak: int = 0
    authorizations: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class WireServer:
    """Answers every request through `answer`; a context manager."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, keep_bodies: bool = True) -> None:
        self.seen = Seen()
        self._host, self._port, self._keep_bodies = host, port, keep_bodies
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    async def answer(self, call: Call) -> None:
        """Answer one request."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def base_url(self) -> str:
        """The address to give to a client."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/v1"

    def start(self) -> Self:
        """Listen."""
        self._thread.start()

        async def listen() -> None:
            self._server = await asyncio.start_server(self._connection, self._host, self._port)

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Close the port and every connection."""

        async def shut() -> None:
            if self._server is not None:
                self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.accepts += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._request(reader, writer):
                pass
        except (
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            asyncio.CancelledError,
        ):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = [line.split(":", 1) for line in head[1:] if ":" in line]
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen = self.seen
        seen.requests += 1
        seen.in_flight += 1
        seen.peak = max(seen.peak, seen.in_flight)
        seen.authorizations.append(headers.get("authorization", ""))
        seen.paths.append(path)
        call = Call(method, path, headers, body, writer, seen.requests)
        if self._keep_bodies and body and "json" in headers.get("content-type", ""):
            seen.bodies.append(call.json)
        try:
            await self.answer(call)
        finally:
            seen.in_flight -= 1
        return not writer.is_closing()


Answerer = Callable[[Call], Awaitable[None]]


def completion(
    text: str,
    *,
    tokens: list[dict[str, Any]] | None = None,
    finish: str = "stop",
    prompt_tokens: int = 10,
    completion_tokens: int | None = None,
    model: str = "scripted",
    refusal: str | None = None,
) -> dict[str, Any]:
    """The body of a finished chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if refusal is not None:
        message["refusal"] = refusal
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
    if tokens is not None:
        choice["logprobs"] = {"content": tokens}
    billed = completion_tokens if completion_tokens is not None else max(1, len(text) // 4)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": billed,
            "total_tokens": prompt_tokens + billed,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
