"""How close a run comes to what an endpoint can give, with faults: rate, losses, repeats, and CPU per request.

The endpoint is a process of its own on loopback: latency log-normal with a median of 300 ms (sigma 0.4), and of every
100 requests five go wrong: 5/3 are answered 429 after 20 ms, 5/3 are answered 500 after their latency, 5/3 hang until
the client gives up after 5 s. What happens to the n-th attempt about a text depends on nothing but the seed, the text
and n, so the ideal is computed from the very same draws: a scheduler that needs no time, keeps all places filled, sends
a failed text again at once, and reads an answer in no time (`ideal_s`). The hanging requests and the tail of the run
are therefore in the ideal too.

    python -m benchmarks.predict_limits [--assets 2000] [--concurrency 16 64 256] [--peer /path/to/python]

`--peer` is a Python that has refuel-autolabel 0.0.16; without it the baseline is `httpx` with a semaphore, four lines
that many people write, in this same process.
"""

import argparse
import asyncio
import contextlib
import hashlib
import heapq
import json
import math
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

MEDIAN_S, SIGMA, FAULTS, SEED = 0.3, 0.4, 0.05, 11
TIMEOUT_S, REFUSAL_S = 5.0, 0.02
_NAME = re.compile(rb"text (\d+) of the limits")
_TEXT = (
    "This is text {i} of the limits: a film about a man who waits for a bus, and for nothing else. "
    + "Rain. " * 60
)


def draw(number: int, attempt: int) -> tuple[str, float]:
    """(`ok`, `429`, `500` or `hang`, seconds until the answer) of an attempt, counted from 0."""
    rng = random.Random(hashlib.sha256(f"{SEED}:{number}:{attempt}".encode()).digest())
    latency = MEDIAN_S * math.exp(SIGMA * rng.gauss(0.0, 1.0))
    roll = rng.random() / FAULTS
    if roll >= 1.0:
        return "ok", latency
    return (("429", REFUSAL_S), ("500", latency), ("hang", TIMEOUT_S))[int(roll * 3)]


def ideal_s(assets: int, concurrency: int) -> float:
    """Seconds a scheduler without any cost of its own needs for these very draws; failed texts go first."""
    waiting: list[tuple[float, int, int]] = [(-1.0, number, 0) for number in range(assets)]
    heapq.heapify(waiting)
    running: list[tuple[float, int, int, bool]] = []
    now = 0.0
    while waiting or running:
        while waiting and len(running) < concurrency:
            _, number, attempt = heapq.heappop(waiting)
            kind, seconds = draw(number, attempt)
            heapq.heappush(running, (now + seconds, number, attempt, kind == "ok"))
        now, number, attempt, ok = heapq.heappop(running)
        if not ok:
            heapq.heappush(waiting, (-2.0, number, attempt + 1))
    return now


# --- the endpoint, a process of its own ---------------------------------------------------------------------------------


def answer_body() -> bytes:
    """A finished completion with log-probabilities of five alternatives per token."""

    def token(text: str, p: float) -> dict[str, Any]:
        return {"token": text, "bytes": list(text.encode()), "logprob": math.log(p)}

    pieces = ['{"', "sent", "iment", '":"', "Positive", '"}']
    other = ["Negative", "Neutral", "positive", "Pos"]
    content = [
        {**token(piece, 0.8), "top_logprobs": [token(piece, 0.8)] + [token(each, 0.05) for each in other]}
        for piece in pieces
    ]
    return json.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": {"content": content},
                "message": {"role": "assistant", "content": "".join(pieces)},
            }],
            "usage": {"prompt_tokens": 400, "completion_tokens": 6, "total_tokens": 406},
        }
    ).encode()  # fmt: skip


class Connection(asyncio.Protocol):
    """One connection; requests come one after another on it."""

    seen: ClassVar[Counter[int]] = Counter()
    answered: ClassVar[Counter[int]] = Counter()
    in_flight = peak = 0
    whole = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""
        self.waiting: asyncio.TimerHandle | None = None

    def connection_lost(self, _: Exception | None) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            Connection.in_flight -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)content-length: (\d+)", head)
        size = int(length.group(1)) if length else 0
        if len(rest) < size:
            return
        body, self.buffer = rest[:size], rest[size:]
        cls = Connection
        if head.startswith(b"GET"):
            usage = resource.getrusage(resource.RUSAGE_SELF)
            told = {"seen": sum(cls.seen.values()), "answered": sum(cls.answered.values()),
                    "twice": sum(n > 1 for n in cls.answered.values()), "peak": cls.peak,
                    "cpu_s": usage.ru_utime + usage.ru_stime}  # fmt: skip
            self.send(b"200", json.dumps(told).encode())
            return
        names = _NAME.findall(body)
        number = int(names[-1])
        kind, seconds = draw(number, cls.seen[number])
        cls.seen[number] += 1
        cls.in_flight += 1
        cls.peak = max(cls.peak, cls.in_flight)
        if kind == "hang":
            self.waiting = asyncio.get_running_loop().call_later(3_600, lambda: None)
            return
        self.waiting = asyncio.get_running_loop().call_later(seconds, self.finish, kind, number)

    def finish(self, kind: str, number: int) -> None:
        self.waiting = None
        Connection.in_flight -= 1
        if kind == "ok":
            Connection.answered[number] += 1
            self.send(b"200", Connection.whole)
        else:
            self.send(kind.encode(), b'{"error":{"message":"scripted"}}')

    def send(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %s X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            status,
            len(body),
        )
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(head + body)


async def serve() -> None:
    """Listen on a free port, print it, and answer until killed."""
    Connection.whole = answer_body()
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def endpoint() -> Iterator[str]:
    """The base URL of a fresh endpoint."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


def seen_by(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/stats") as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# --- who asks -----------------------------------------------------------------------------------------------------------


def ours(assets: int, concurrency: int, profile: str = "") -> dict[str, Any]:
    """A whole run: prompt, request, retries, parse, confidence, store, queue order."""
    from labelwright.core.project import ProjectSettings
    from labelwright.flows import jobs, models, people, predict, prompts, setup
    from labelwright.settings import Settings
    from labelwright.workbench import open_workbench
    from tests.factories import SENTIMENT, add_assets

    with tempfile.TemporaryDirectory() as folder, endpoint() as url:
        bench = open_workbench(Settings.read(Path(folder), {}))
        ana = people.add_user(bench, "ana", is_admin=True)
        project = setup.create_project(
            bench, ana, "Limits", SENTIMENT, settings=ProjectSettings(learn_every=0)
        )
        add_assets(bench, project, [_TEXT.format(i=i) for i in range(assets)])
        wanted = models.ProviderInput(name="s", base_url=url, concurrency=concurrency, timeout_s=TIMEOUT_S)
        provider = models.add_provider(bench, ana, wanted)
        plan = prompts.Plan(provider_id=provider.id, model="m")
        run = predict.start_run(bench, ana, project.id, plan, batch_size=assets)
        cpu, started = cpu_s(), time.perf_counter()
        jobs.run_all(bench)
        seconds, cpu = time.perf_counter() - started, cpu_s() - cpu
        done = predict.view_run(bench, ana, project.id, run.id).run
        seen = seen_by(url)
        bench.close()
    return {
        "seconds": seconds,
        "cpu_ms": 1000 * cpu / seen["seen"],
        "done": done.done,
        "failed": done.failed,
        **seen,
    }


def plain_httpx(assets: int, concurrency: int) -> dict[str, Any]:
    """The baseline: httpx, a semaphore, and a retry with growing waits; nothing is read or stored."""
    import httpx

    done = failed = 0

    async def ask(client: httpx.AsyncClient, gate: asyncio.Semaphore, url: str, i: int) -> None:
        nonlocal done, failed
        body = {"model": "m", "messages": [{"role": "user", "content": _TEXT.format(i=i)}], "logprobs": True}
        for attempt in range(6):
            async with gate:
                try:
                    answer = await client.post(f"{url}/chat/completions", json=body)
                    answer.raise_for_status()
                    answer.json()["choices"][0]["message"]["content"]
                    done += 1
                    return
                except httpx.HTTPError:
                    pass
            await asyncio.sleep(random.uniform(0, 2**attempt))
        failed += 1

    async def everything(url: str) -> None:
        gate = asyncio.Semaphore(concurrency)
        limits = httpx.Limits(max_connections=concurrency)
        async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
            await asyncio.gather(*(ask(client, gate, url, i) for i in range(assets)))

    with endpoint() as url:
        cpu, started = cpu_s(), time.perf_counter()
        asyncio.run(everything(url))
        seconds, cpu = time.perf_counter() - started, cpu_s() - cpu
        seen = seen_by(url)
    return {"seconds": seconds, "cpu_ms": 1000 * cpu / seen["seen"], "done": done, "failed": failed, **seen}


_PEER = """
import csv, json, os, sys, time
from autolabel import LabelingAgent, AutolabelDataset
url, n, text = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open("rows.csv", "w", newline="") as f:
    w = csv.writer(f); w.writerow(["example", "label"])
    for i in range(n): w.writerow([text.replace("{i}", str(i)), "Positive"])
config = {"task_name": "limits", "task_type": "classification", "dataset": {"label_column": "label", "delimiter": ","},
          "model": {"provider": "openai", "name": "gpt-3.5-turbo"},
          "prompt": {"task_guidelines": "Say the sentiment: {labels}", "labels": ["Positive", "Negative"],
                     "example_template": "Text: {example}\\nSentiment: {label}"}}
agent = LabelingAgent(config=config, cache=False)
data = AutolabelDataset("rows.csv", config=config)
started = time.time()
agent.run(data, skip_eval=True)
out = data.df
column = [c for c in out.columns if c.endswith("_label") and c != "label"][0]
print("RESULT", json.dumps({"seconds": time.time() - started, "done": int((out[column] == "Positive").sum()), "rows": len(out)}))
"""


def autolabel(python: str, assets: int) -> str:
    """What refuel-autolabel does with (fewer of) the same texts: it asks one after another."""
    with tempfile.TemporaryDirectory() as folder, endpoint() as url:
        env = os.environ | {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": url, "OPENAI_BASE_URL": url}
        try:
            done = subprocess.run(
                [python, "-c", _PEER, url, str(assets), _TEXT], cwd=folder, env=env, capture_output=True, text=True,
                timeout=300, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"not done after 300 s; endpoint saw {seen_by(url)}"
        result = re.search(r"RESULT (.*)", done.stdout)
        said = done.stderr.strip().splitlines()
        return f"{result.group(1) if result else 'no result: ' + (said or ['?'])[-1]}; endpoint saw {seen_by(url)}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--assets", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--peer", default="", help="a Python with refuel-autolabel")
    parser.add_argument("--peer-assets", type=int, default=100)
    parser.add_argument("--only", choices=("ours", "plain"), default="")
    parser.add_argument("--serve", action="store_true", help="be the endpoint (used by the other modes)")
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve())
        return
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(f"{args.assets} texts, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for concurrency in args.concurrency:
        ideal = ideal_s(args.assets, concurrency)
        print(f"{concurrency} in flight, ideal {ideal:.1f} s, {args.assets / ideal:.0f} texts/s")
        for name, who in (("labelwright", ours), ("httpx + semaphore", plain_httpx)):
            if args.only and args.only != ("ours" if who is ours else "plain"):
                continue
            r = who(args.assets, concurrency)
            print(
                f"  {name}: {r['seconds']:.1f} s, {args.assets / r['seconds']:.0f}/s = {100 * ideal / r['seconds']:.1f} % of the "
                f"ideal; {r['done']} done, {r['failed']} failed; {r['seen']} requests, {r['twice']} texts answered twice, "
                f"peak {r['peak']}; CPU {r['cpu_ms']:.2f} ms per request (endpoint {1000 * r['cpu_s'] / r['seen']:.2f})",
                flush=True,
            )
    if args.peer:
        print(f"refuel-autolabel, {args.peer_assets} texts: {autolabel(args.peer, args.peer_assets)}")


if __name__ == "__main__":
    main()
