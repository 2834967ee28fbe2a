"""A chat endpoint that answers with what real models answered before, joined to the texts they were asked about.

What is real: the answers (raw text, or the label they came to), and for `imdb_gpt3_curie_conf` one number per review,
the summed probability of those of the top five tokens that mean the predicted label. Nothing else of that model's
log-probabilities was recorded. They are laid out here as one label token of exactly that probability, the rest of the
mass on the other label of the schema, and every other token certain: so a correct reader gets the recorded number
back, but margins, alternatives and token splits are not evidence of anything.

Modes: `raw` returns the recorded text as it is; `contract` writes the recorded label in the JSON schema found in the
request, as a model with structured output would have. An asset nobody recorded an answer for gets HTTP 404.

Where a file holds several models, the `model` of the request chooses; where the answers were recorded with different
numbers of examples, the number of examples in the request does. Which examples those were is not compared.

    python -m tests.endpoints.replay --recorded ../shared/data/recorded --file imdb_gpt3_curie_conf --port 8099
"""

import argparse
import contextlib
import gzip
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .shaping import labels_in, schema_in, shaped, tokens_with
from .wire import Call, WireServer, completion

Mode = Literal["raw", "contract"]
_PROBE = 48


@dataclass(frozen=True)
class Recorded:
    """What a model once said about a text.

    Attributes:
        text: The text, as it stands in the prompt.
        response: The raw answer; None where only the label was recorded.
        label: What it came to; None when the answer named no label.
        confidence: Recorded probability of that label in [0, 1]; None where there is none.
        model: Which model said so; "" where the file holds one model only.
        shots: How many examples it had been shown; None where that is not part of the record.
    """

    text: str
    response: str | None
    label: str | None
    confidence: float | None = None
    model: str = ""
    shots: int | None = None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _imdb(folder: Path, _: dict[str, str]) -> Iterator[Recorded]:
    texts = {row["id"]: row["text"] for row in _lines(folder.parent / "text" / "imdb.jsonl.gz")}
    for row in _lines(folder / "imdb_gpt3_curie_conf.jsonl.gz"):
        if row["key"] in texts:
            said = row["gpt3_pred"]
            yield Recorded(
                texts[row["key"]],
                said or "neither",
                said,
                row["gpt3_conf"] if said else None,
            )


def _joined(
    name: str, text: Callable[[dict[str, Any]], str], label: str | None
) -> Callable[..., Iterator[Recorded]]:
    def load(folder: Path, only: dict[str, str]) -> Iterator[Recorded]:
        items = {row["id"]: row for row in _lines(folder / f"{name}_items.jsonl.gz")}
        for row in _lines(folder / f"{name}_responses.jsonl.gz"):
            if all(str(row.get(field)) == value for field, value in only.items()) and row["item_id"] in items:
                said = row.get(label) if label else None
                yield Recorded(text(items[row["item_id"]]), row["response"], said)

    return load


BABE_SHOTS = {"zero-shot": 0, "2-shot": 2, "4-shot": 4, "8-shot": 8}
"""Prompt configurations of the BABE table that differ in the number of examples alone, and that number."""


def _babe(folder: Path, _: dict[str, str]) -> Iterator[Recorded]:
    for row in _lines(folder / "babe_bias_13llm_9prompts.jsonl.gz"):
        for config, shots in BABE_SHOTS.items():
            for model, said in row["predictions"].get(config, {}).items():
                label = {0: "Unbiased", 1: "Biased"}.get(said)
                yield Recorded(row["text"], label or "?", label, model=model, shots=shots)


READERS: dict[str, Callable[[Path, dict[str, str]], Iterator[Recorded]]] = {
    "imdb_gpt3_curie_conf": _imdb,
    "babe_bias": _babe,
    "sci_ner": _joined("sci_ner", lambda item: item["text"], None),
    "clinical_ner": _joined("clinical_ner", lambda item: item["text"], None),
    "boolq_sciq": _joined("boolq_sciq", lambda item: item["text"], "pred"),
    "deductive_coding": _joined("deductive_coding", lambda item: item["claim"], "pred_theme"),
}
"""Recorded files that can be replayed. Where several answers exist for a text, the first that passes the filter."""


def load(folder: Path, name: str, only: dict[str, str] | None = None) -> list[Recorded]:
    """Recorded answers of one file; `only` keeps rows whose fields have these values, such as a model."""
    return list(READERS[name](folder, only or {}))


class ReplayServer(WireServer):
    """Answers from recorded rows."""

    def __init__(self, rows: Iterable[Recorded], mode: Mode = "contract", **kwargs: Any) -> None:
        super().__init__(keep_bodies=False, **kwargs)
        self.mode = mode
        self.missing = 0
        self._by_start: dict[str, list[Recorded]] = {}
        self._short: list[Recorded] = []
        known: set[str] = set()
        self._variants: dict[tuple[str, str, int], Recorded] = {}
        for row in rows:
            text = row.text.strip()
            if row.shots is not None:
                self._variants.setdefault((text, row.model, row.shots), row)
            if text in known:
                continue
            known.add(text)
            if len(text) >= _PROBE:
                self._by_start.setdefault(text[:_PROBE], []).append(row)
            else:
                self._short.append(row)
        self._short.sort(key=lambda row: -len(row.text))

    def find(self, message: str) -> Recorded | None:
        """The row whose text stands in this message, the longest where several do."""
        hits: list[Recorded] = []
        for start in range(len(message) - _PROBE + 1):
            rows = self._by_start.get(message[start : start + _PROBE], ())
            hits += [row for row in rows if message.startswith(row.text.strip(), start)]
        if hits:
            return max(hits, key=lambda row: len(row.text))
        return next((row for row in self._short if row.text.strip() in message), None)

    async def answer(self, call: Call) -> None:
        """Answer one request."""
        if call.path.endswith("/models"):
            await call.send({"object": "list", "data": [{"id": "recorded", "object": "model"}]})
            return
        if not call.path.endswith("/chat/completions"):
            await call.send({"error": {"message": "no such path"}}, 404)
            return
        request = call.json
        last = request["messages"][-1]["content"]
        row = self.find(last)
        if row is not None and row.shots is not None:
            shown = sum(message["role"] == "assistant" for message in request["messages"])
            row = self._variants.get((row.text.strip(), request["model"], shown))
        if row is None:
            self.missing += 1
            await call.send({"error": {"message": "nothing was recorded for this text"}}, 404)
            return
        text, tokens = self._reply(row, request)
        words = sum(len(message["content"]) for message in request["messages"]) // 4
        await call.send(completion(text, tokens=tokens, prompt_tokens=words, model="recorded"))

    def _reply(self, row: Recorded, request: dict[str, Any]) -> tuple[str, list[dict[str, Any]] | None]:
        schema = schema_in(request) if self.mode == "contract" else None
        if schema is None:
            return row.response or row.label or "", None
        text, spelled = shaped(schema, row.label or "__none__")
        if row.confidence is None or not request.get("logprobs"):
            return text, None
        others = [name for name in labels_in(schema) if name != spelled and not name.startswith("__")]
        rest = (1.0 - row.confidence) / max(1, len(others))
        return text, tokens_with(text, spelled, {spelled: row.confidence, **dict.fromkeys(others, rest)})


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recorded", type=Path, required=True, help="folder of the recorded answers")
    parser.add_argument("--file", choices=sorted(READERS), default="imdb_gpt3_curie_conf")
    parser.add_argument("--mode", choices=("raw", "contract"), default="contract")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="such as model=gpt-4o",
    )
    parser.add_argument("--port", type=int, default=8099)
    args = parser.parse_args()
    rows = load(args.recorded, args.file, dict(pair.split("=", 1) for pair in args.only))
    with ReplayServer(rows, args.mode, port=args.port) as server:
        print(f"replaying {len(rows):,} answers at {server.base_url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
