"""A chat endpoint that misbehaves on purpose, by script, and counts what it saw.

`Step` is one behaviour. A script decides the step of each chat request by its number (from 1) and body. `truth` makes
a script that answers like a model of a stated accuracy whose log-probabilities are calibrated.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from time import time
from typing import Any

from .shaping import labels_in, schema_in, shaped, tokens_with
from .wire import Call, WireServer, completion


@dataclass(frozen=True)
class Step:
    """One behaviour.

    Attributes:
        kind: `answer`, or the fault to cause; see `ScriptedServer.answer`.
        text: What the model says.
        chances: Label -> probability, for log-probabilities of `label` inside `text`.
        latency_s: Wait before anything is sent.
        status: HTTP status of `error`.
        headers: More headers.
        body: Body of `error` and `raw`.
    """

    kind: str = "answer"
    text: str = "{}"
    label: str = ""
    chances: Mapping[str, float] | None = None
    finish: str = "stop"
    latency_s: float = 0.0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    prompt_tokens: int = 10
    completion_tokens: int | None = None


Script = Callable[[int, dict[str, Any]], Step]


class ScriptedServer(WireServer):
    """Behaves as its script says; the script can be replaced at any time."""

    def __init__(self, script: Script | Sequence[Step] | Step = Step(), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.script = script
        self.chats = 0
        self.models: list[dict[str, Any]] = [{"id": "scripted", "object": "model", "max_model_len": 4096}]

    def step(self, number: int, body: dict[str, Any]) -> Step:
        """The step for this chat request; the last one of a list repeats."""
        if isinstance(self.script, Step):
            return self.script
        if callable(self.script):
            return self.script(number, body)
        return self.script[min(number, len(self.script)) - 1]

    async def answer(self, call: Call) -> None:
        """Answer one request."""
        if call.path.endswith("/models"):
            await call.send({"object": "list", "data": self.models})
            return
        if not call.path.endswith("/chat/completions"):
            await call.send({"error": {"message": "no such path"}}, 404)
            return
        self.chats += 1
        body = call.json
        await self.act(self.step(self.chats, body), call, body)

    async def act(self, step: Step, call: Call, body: dict[str, Any]) -> None:
        """Do what a step says."""
        if step.latency_s:
            await asyncio.sleep(step.latency_s)
        whole = json.dumps(self._completion(step, body)).encode()
        match step.kind:
            case "answer":
                await call.send(whole, headers=dict(step.headers))
            case "error" | "raw":
                sent = step.body if step.body is not None else {"error": {"message": "scripted failure"}}
                status = step.status if step.kind == "error" else 200
                await call.send(sent, status, dict(step.headers))
            case "rate_limited":
                await call.send({"error": {"message": "slow down"}}, 429, dict(step.headers))
            case "rate_limited_date":
                await call.send({}, 429, {"Retry-After": formatdate(time() + 1, usegmt=True)})
            case "reset":
                call.reset()
            case "slow_body":
                await call.start(200, {"Content-Length": str(len(whole))})
                for i in range(0, len(whole), 16):
                    call.writer.write(whole[i : i + 16])
                    await call.writer.drain()
                    await asyncio.sleep(0.05)
            case "half_json":
                await call.send(whole[: len(whole) // 2])
            case "cut_stream":
                await call.start(200, {"Content-Length": str(len(whole))})
                call.writer.write(whole[: len(whole) // 2])
                await call.writer.drain()
                call.writer.close()
            case "endless_body":
                await call.start(200, {"Transfer-Encoding": "chunked"})
                while not call.writer.is_closing():
                    call.writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
                    await call.writer.drain()
            case "hang":
                await asyncio.sleep(3600)
            case "redirect":
                await call.send(b"", 307, {"Location": step.text})
            case "html":
                await call.send(
                    b"<!doctype html><h1>Welcome</h1>",
                    headers={"Content-Type": "text/html"},
                )
            case "wrong_type":
                await call.send(whole, headers={"Content-Type": "text/plain"})
            case "garbage_head":
                call.writer.write(b"\x00\xff nonsense\r\n\r\n")
                await call.writer.drain()
                call.writer.close()
            case other:
                raise AssertionError(f"no such step: {other}")

    def _completion(self, step: Step, body: dict[str, Any]) -> dict[str, Any]:
        tokens = None
        if step.chances and step.label and body.get("logprobs"):
            top = int(body.get("top_logprobs", 0))
            kept = sorted(step.chances.items(), key=lambda pair: -pair[1])[:top]
            tokens = tokens_with(
                step.text,
                step.label,
                {**dict(kept), step.label: step.chances[step.label]},
            )
        return completion(
            step.text,
            tokens=tokens,
            finish=step.finish,
            prompt_tokens=step.prompt_tokens,
            completion_tokens=step.completion_tokens,
        )


def unit(text: str) -> float:
    """A fixed number in [0, 1) for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def truth(
    truths: Mapping[str, str],
    labels: Sequence[str],
    accuracy: float,
    *,
    seed: int = 0,
    base: Step | None = None,
) -> Script:
    """A script that answers like a model of this accuracy whose probabilities are calibrated.

    For each text, the probability p of the label it will say is a fixed number drawn so that its mean is `accuracy`;
    it says the truth with probability p, and reports p. So confidence means what it says, and errors gather where it
    is low. Texts are found in the last user message; unknown ones get the first label at chance level.

    Args:
        truths: Text -> true label.
        labels: All labels, at least two.
        accuracy: Mean accuracy, above 1 / len(labels) and below 1.
        seed: Another seed, other mistakes.
        base: Further traits of every answer, such as its latency.
    """
    floor = 1.0 / len(labels)
    exponent = (1.0 - floor) / (accuracy - floor) - 1.0
    by_length = sorted(truths, key=len, reverse=True)

    def script(_number: int, body: dict[str, Any]) -> Step:
        last = body["messages"][-1]["content"]
        text = next((known for known in by_length if known in last), "")
        true = truths.get(text, labels[0])
        p = floor + (1.0 - floor) * unit(f"{seed}:p:{text}") ** exponent
        says = true
        if unit(f"{seed}:hit:{text}") >= p:
            others = [label for label in labels if label != true]
            says = others[int(unit(f"{seed}:which:{text}") * len(others))]
        schema = schema_in(body)
        written, spelled = shaped(schema, says) if schema else (json.dumps({"label": says}), says)
        names = [n for n in labels_in(schema) if not n.startswith("__")] or list(labels)
        rest = (1.0 - p) / max(1, len(names) - 1)
        chances = {name: p if name == spelled else rest for name in names}
        return replace(base or Step(), text=written, label=spelled, chances={**chances, spelled: p})

    return script
