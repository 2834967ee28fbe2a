"""A whole novel with planted names, in pieces of several sizes, beside one request per paragraph.

Baseline in the same run: the same text split at blank lines, each paragraph an asset of its own.

    python benchmarks/long_documents.py [--novels FILE] [--names 1000] [--latency 0.3] [--concurrency 16]
"""

import argparse
import gzip
import json
import random
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core.answer import SpanAnswer
from labelwright.core.ontology import Label, Ontology, SpanQuestion
from labelwright.core.predictor import Decoding
from labelwright.core.project import ProjectSettings
from labelwright.flows import browse, jobs, models, people, predict, prompts, setup
from labelwright.settings import Settings
from labelwright.workbench import open_workbench
from tests.endpoints.finder import FinderServer
from tests.factories import add_assets

NAMES = {"Zorvath Quillfeather": "Person", "Brindlemoor": "Place", "Dr. Ost Varrow": "Person"}
ASKED = Ontology(
    questions=(
        SpanQuestion(id="ner", name="Entities", labels=(Label(id="PER", name="Person"), Label(id="LOC", name="Place"))),
    )
)  # fmt: skip


def planted(text: str, n: int) -> tuple[str, int]:
    """The text with names between its words."""
    rng = random.Random(1)
    gaps = [m.start() for m in re.finditer(r"(?<=\w) (?=\w)", text)]
    pieces, done = [], 0
    for gap in sorted(rng.sample(gaps, n)):
        pieces += [text[done:gap], " ", rng.choice(list(NAMES))]
        done = gap
    return "".join([*pieces, text[done:]]), n


def measure(
    texts: list[str], decoding: Decoding, latency_s: float, concurrency: int
) -> tuple[int, int, int, float]:
    """(requests, prompt tokens, spans found, seconds)."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FinderServer(NAMES, keep_bodies=False, latency_s=latency_s) as server,
    ):
        bench = open_workbench(Settings.read(Path(folder), {}))
        ana = people.add_user(bench, "ana", is_admin=True)
        project = setup.create_project(bench, ana, "Books", ASKED, settings=ProjectSettings(learn_every=0))
        ids = add_assets(bench, project, texts)
        wanted = models.ProviderInput(name="f", base_url=server.base_url, concurrency=concurrency)
        provider = models.add_provider(bench, ana, wanted)
        plan = prompts.Plan(provider_id=provider.id, model="finder", decoding=decoding)
        started = time.perf_counter()
        run = predict.start_run(bench, ana, project.id, plan, batch_size=len(texts))
        jobs.run_all(bench)
        seconds = time.perf_counter() - started
        found = 0
        for asset_id in ids:
            prediction = browse.view(bench, ana, project.id, asset_id).prediction
            answer = prediction.answers.get("ner") if prediction is not None else None
            found += len(answer.spans) if isinstance(answer, SpanAnswer) else 0
        tokens = predict.view_run(bench, ana, project.id, run.id).run.prompt_tokens
        bench.close()
        return server.chats, tokens, found, seconds


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--novels", type=Path, default=Path("../shared/data/text/novels_full_text.jsonl.gz"))
    parser.add_argument("--names", type=int, default=1_000)
    parser.add_argument("--latency", type=float, default=0.3, help="seconds")
    parser.add_argument("--concurrency", type=int, default=16)
    args = parser.parse_args()
    with gzip.open(args.novels, "rt", encoding="utf-8") as file:
        text, n = planted(json.loads(next(file))["text"], args.names)
    print(f"{len(text):,} characters, {n} names; {args.latency} s per answer, {args.concurrency} in flight")
    cases = [("one request per paragraph", re.split(r"\n\s*\n", text), Decoding())]
    cases += [
        (f"pieces of {size} tokens", [text], Decoding(chunk_tokens=size)) for size in (500, 1_000, 1_900)
    ]
    for name, texts, decoding in cases:
        texts = [each for each in texts if each.strip()]
        requests, tokens, found, seconds = measure(texts, decoding, args.latency, args.concurrency)
        print(
            f"{name:28} {requests:6,} requests {tokens:10,} prompt tokens {found:6,} names {seconds:7.1f} s"
        )


if __name__ == "__main__":
    main()
