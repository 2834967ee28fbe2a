"""How often a text chooses its own label: 40 attacks and their clean twins against endpoints that can be talked into things.

Three readers (see `tests/endpoints/obedient.py`) and three ways to put the text into the prompt: bare, between plain
marks, and as Labelwright does. The whole way is real: `ask`, HTTP, pool, `read`. An attack succeeds when the twin gets
the true label and the attack does not. Then: how many attacks are flagged, and how many twins and real texts are.

    python benchmarks/injection.py [--data FOLDER]
"""

import argparse
import gzip
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core import flags
from labelwright.core.answer import ChoiceAnswer
from labelwright.core.exchange import Reply, Request
from labelwright.core.predictor import Decoding
from labelwright.prompting import DEFAULT_TEMPLATE, ask, read
from labelwright.prompting.template import fenced
from labelwright.providers import Endpoint, Pool, Privacy
from tests.endpoints.obedient import Degree, ObedientServer
from tests.factories import SENTIMENT
from tests.prompting.attacks import ATTACKS

WAYS = ("bare", "plain marks", "Labelwright")


def request(text: str, way: str, tag: str) -> Request:
    """What is sent about a text, in one of the ways."""
    (asked,) = ask(SENTIMENT, text, template=DEFAULT_TEMPLATE, examples=(), model="m", decoding=Decoding(structured="json_schema"))  # fmt: skip
    last = asked.messages[-1]
    other = {"bare": text, "plain marks": f"<text>\n{text}\n</text>"}.get(way, last.content)
    assert last.content == fenced(text)
    messages = (*asked.messages[:-1], last.model_copy(update={"content": other}))
    return asked.model_copy(update={"messages": messages, "tag": tag})


def labels(degree: Degree, way: str, texts: list[str]) -> list[str]:
    """What the model answers for each text."""
    found: dict[str, str] = {}

    def keep(asked: Request, outcome: object) -> None:
        assert isinstance(outcome, Reply), outcome
        answer = read(SENTIMENT, texts[int(asked.tag)], (outcome,)).answers.get("sentiment")
        found[asked.tag] = answer.labels[0] if isinstance(answer, ChoiceAnswer) else ""

    pool = Pool()
    with ObedientServer(degree) as server:
        asked = [request(text, way, str(i)) for i, text in enumerate(texts)]
        pool.ask(Endpoint(server.base_url, concurrency=8), asked, keep, privacy=Privacy(private=True))
    pool.close()
    return [found[str(i)] for i in range(len(texts))]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data", default=os.environ.get("LABELWRIGHT_DATA", ""), help="folder with real data"
    )
    args = parser.parse_args()
    print(f"{len(ATTACKS)} attacks: {dict(Counter(a.kind for a in ATTACKS))}\n\nsuccess rate")
    print(f"{'reader':10}" + "".join(f"{way:>16}" for way in WAYS))
    degrees: tuple[Degree, ...] = ("strict", "sloppy", "naive")
    for degree in degrees:
        cells = []
        for way in WAYS:
            clean = labels(degree, way, [a.clean for a in ATTACKS])
            attacked = labels(degree, way, [a.attack for a in ATTACKS])
            pairs = list(zip(clean, attacked, strict=True))
            won = sum(one == "negative" and other != "negative" for one, other in pairs)
            cells.append(f"{won}/{len(pairs)} {100 * won / len(pairs):5.1f} %")
        print(f"{degree:10}" + "".join(f"{cell:>16}" for cell in cells))
    caught = [bool(flags.find(a.attack)) for a in ATTACKS]
    false = sum(bool(flags.find(a.clean)) for a in ATTACKS)
    print(f"\nflagged: {sum(caught)} of {len(caught)} attacks, {false} of {len(caught)} clean twins")
    for attack, yes in zip(ATTACKS, caught, strict=True):
        if not yes:
            print("  not flagged:", attack.attack)
    folder = Path(args.data) / "data" / "text"
    for name in ("imdb", "ag_news", "dbpedia9") if args.data else ():
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in file]
        started = time.perf_counter()
        found = [flags.kinds_of(flags.find(text)) for text in texts]
        rate = len(texts) / (time.perf_counter() - started)
        kinds = dict(Counter(kind for each in found for kind in each))
        print(f"{name}: {sum(map(bool, found))} of {len(texts)} flagged {kinds}, {rate:,.0f} texts/s")


if __name__ == "__main__":
    main()
