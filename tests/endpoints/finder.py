"""A chat endpoint that does what it is told by simple rules: it finds given words in the text it is shown.

It answers in the schema of the request: mentions of known names with their types, a label by the word that stands for
it, a number by counting. It can have a context of so many tokens, in which case it refuses what is longer as llama.cpp
does, and count tokens as llama.cpp or vLLM do (here: one per so many bytes).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from .shaping import schema_in, tokens_with
from .wire import Call, WireServer, completion

_TEXT = re.compile(r"<(text(?:-\d+)?)>\n(.*)\n</\1>", re.DOTALL)


class FinderServer(WireServer):
    """Finds names.

    Attributes:
        names: What to find -> its type, as spelled in the schema.
        context: Most tokens of prompt and answer together; None for no limit.
        bytes_per_token: Of its tokenizer.
        tokenizer: Which server's route it offers to count tokens; empty for none.
        shown: The texts it was shown, in order.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        *,
        words: Mapping[str, str] | None = None,
        context: int | None = None,
        bytes_per_token: float = 4.0,
        tokenizer: str = "",
        latency_s: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.names, self.words, self.context, self.latency_s = (
            dict(names),
            dict(words or {}),
            context,
            latency_s,
        )
        self.bytes_per_token, self.tokenizer = bytes_per_token, tokenizer
        self.shown: list[str] = []
        self.chats = self.counted = self.refused = 0
        ordered = sorted(self.names, key=len, reverse=True)
        self._find = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in ordered) or r"(?!)")

    def tokens(self, text: str) -> int:
        """Tokens of a text."""
        return int(len(text.encode()) / self.bytes_per_token + 0.999)

    async def answer(self, call: Call) -> None:
        """Answer one request."""
        if call.path.endswith("/models"):
            await call.send({"data": [{"id": "finder", "max_model_len": self.context or 100_000}]})
        elif call.path == "/tokenize" and self.tokenizer:
            text = call.json.get("content" if self.tokenizer == "llama.cpp" else "prompt")
            if text is None:
                await call.send({"error": {"message": "missing field"}}, 400)
                return
            self.counted += 1
            n = self.tokens(text)
            await call.send(
                {"tokens": [0] * n} if self.tokenizer == "llama.cpp" else {"count": n, "tokens": []}
            )
        elif call.path.endswith("/chat/completions"):
            await self.chat(call)
        else:
            await call.send({"error": {"message": "no such path"}}, 404)

    async def chat(self, call: Call) -> None:
        """Label the last message's text."""
        import asyncio

        self.chats += 1
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        request = call.json
        prompt = sum(self.tokens(message["content"]) + 4 for message in request["messages"])
        if self.context is not None and prompt + request.get("max_tokens", 0) > self.context:
            self.refused += 1
            said = f"the request exceeds the available context size ({self.context} tokens)"
            await call.send({"error": {"message": said, "type": "exceed_context_size_error"}}, 400)
            return
        found = _TEXT.findall(request["messages"][-1]["content"])
        text = found[-1][1] if found else ""
        self.shown.append(text)
        schema = schema_in(request) or {"properties": {}}
        label = ""
        answer: dict[str, Any] = {}
        for key, sub in schema["properties"].items():
            answer[key] = value = self.value(key, sub, text)
            label = value if isinstance(value, str) and "enum" in sub else label
        said = json.dumps(answer, ensure_ascii=False)
        tokens = None
        if request.get("logprobs") and label:
            chances = {label: 0.9} | {other: 0.05 for other in self.labels(schema) if other != label}
            tokens = tokens_with(said, label, chances)
        await call.send(completion(said, tokens=tokens, prompt_tokens=prompt, model="finder"))

    @staticmethod
    def labels(schema: dict[str, Any]) -> list[str]:
        """The values of the first enum."""
        return next((sub["enum"] for sub in schema["properties"].values() if "enum" in sub), [])

    def value(self, key: str, schema: dict[str, Any], text: str) -> Any:
        """What to answer for one property."""
        if key == "confidence":
            return dict.fromkeys(schema["properties"], 80)
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "array" and "properties" in schema.get("items", {}):
            return [
                {"quote": m.group(), "type": self.names[m.group()], "before": text[max(0, m.start() - 20) : m.start()],
                 "after": text[m.end() : m.end() + 20]}
                for m in self._find.finditer(text)
            ]  # fmt: skip
        if "enum" in schema and kind == "string":
            said = [label for word, label in self.words.items() if word in text and label in schema["enum"]]
            return said[0] if said else schema["enum"][0]
        if kind in ("integer", "number"):
            return len(self._find.findall(text))
        if kind == "boolean":
            return any(word in text for word in self.words)
        if kind == "object":
            return {
                name: any(w in text and v == name for w, v in self.words.items())
                for name in schema["properties"]
            }
        return text[:40]
