"""Labels per second end to end (prompt, request, parse, confidence, store) against an endpoint of 200 ms latency.

Baseline in the same run: the bare pool against the same endpoint, which neither reads nor stores anything.

    python benchmarks/predict_throughput.py [--assets 2000] [--concurrency 64] [--latency 0.2]
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core.exchange import Message, Request
from labelwright.core.project import ProjectSettings
from labelwright.flows import jobs, models, people, predict, prompts, setup
from labelwright.providers import Endpoint, Pool, Privacy
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
from tests.endpoints.scripted import ScriptedServer, Step
from tests.factories import SENTIMENT, add_assets


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--assets", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    args = parser.parse_args()
    answer = Step(
        text='{"sentiment":"Positive"}', label="Positive", chances={"Positive": 0.8, "Negative": 0.2},
        latency_s=args.latency,
    )  # fmt: skip
    text = "A film about a man who waits for a bus, and for nothing else. " * 8
    with tempfile.TemporaryDirectory() as folder, ScriptedServer(answer, keep_bodies=False) as server:
        pool = Pool()
        asked = [
            Request(model="m", messages=(Message(role="user", content=text),), top_logprobs=5)
        ] * args.assets
        started = time.perf_counter()
        endpoint = Endpoint(server.base_url, concurrency=args.concurrency)
        pool.ask(endpoint, asked, lambda _, __: None, privacy=Privacy(private=True))
        bare = args.assets / (time.perf_counter() - started)
        pool.close()
        bench = open_workbench(Settings.read(Path(folder), {}))
        ana = people.add_user(bench, "ana", is_admin=True)
        project = setup.create_project(
            bench, ana, "Speed", SENTIMENT, settings=ProjectSettings(learn_every=0)
        )
        add_assets(bench, project, [f"{i}: {text}" for i in range(args.assets)])
        wanted = models.ProviderInput(name="s", base_url=server.base_url, concurrency=args.concurrency)
        provider = models.add_provider(bench, ana, wanted)
        plan = prompts.Plan(provider_id=provider.id, model="m")
        started = time.perf_counter()
        run = predict.start_run(bench, ana, project.id, plan, batch_size=args.assets)
        jobs.run_all(bench)
        whole = args.assets / (time.perf_counter() - started)
        done = predict.view_run(bench, ana, project.id, run.id).run
        bench.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"ideal {args.concurrency / args.latency:.0f}/s, bare pool {bare:.0f}/s, whole run {whole:.0f} labels/s"
    )
    print(f"{done.done} done, {done.failed} failed; peak memory {memory:.0f} MB (endpoint included)")


if __name__ == "__main__":
    main()
