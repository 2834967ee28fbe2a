"""The stand-in endpoints themselves, and the probe against each of them."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from labelwright.core.errors import ContextTooLong, ProviderError
from labelwright.core.exchange import Message, Reply, Request
from labelwright.providers import Endpoint, Pool, Privacy, probe
from tests.endpoints.replay import Recorded, ReplayServer
from tests.endpoints.scripted import ScriptedServer, Step, truth, unit

OPEN = Privacy()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENTIMENT = {
    "type": "object",
    "properties": {"sentiment": {"type": "string", "enum": ["positive", "negative", "__none__"]}},
    "required": ["sentiment"],
    "additionalProperties": False,
}


def about(text: str, **changes: Any) -> Request:
    made = Request(
        model="m", messages=(Message(role="user", content=f"<<<\n{text}\n>>>"),), output_schema=SENTIMENT,
        top_logprobs=5, tag=text,
    )  # fmt: skip
    return made.model_copy(update=changes)


LONG = "A film that goes on for ever and a day, and then some more, without reaching any port."
ROWS = [
    Recorded(LONG, "negative, I think", "negative", 0.83),
    Recorded("fine", "neither", None),
]


def test_replay_writes_the_recorded_label_with_its_recorded_probability(
    pool: Pool,
) -> None:
    with ReplayServer(ROWS) as server:
        reply = pool.ask_one(Endpoint(server.base_url), about(LONG), privacy=OPEN)
    assert json.loads(reply.text) == {"sentiment": "negative"}
    assert reply.tokens is not None and "".join(token.token for token in reply.tokens) == reply.text
    [label] = [token for token in reply.tokens if token.token == "negative"]
    assert math.exp(label.logprob) == pytest.approx(0.83)
    assert {other.token for other in label.top} == {"negative", "positive"}


def test_replay_abstains_where_no_label_was_recorded_and_says_nothing_about_chances(
    pool: Pool,
) -> None:
    with ReplayServer(ROWS) as server:
        reply = pool.ask_one(Endpoint(server.base_url), about("fine"), privacy=OPEN)
    assert json.loads(reply.text) == {"sentiment": "__none__"} and reply.tokens is None


def test_replay_returns_the_raw_text_when_asked_to(pool: Pool) -> None:
    with ReplayServer(ROWS, mode="raw") as server:
        assert pool.ask_one(Endpoint(server.base_url), about(LONG), privacy=OPEN).text == "negative, I think"


def test_replay_makes_nothing_up_for_an_unknown_text(pool: Pool) -> None:
    with ReplayServer(ROWS) as server, pytest.raises(ProviderError) as caught:
        pool.ask_one(Endpoint(server.base_url), about("never seen"), privacy=OPEN)
    assert caught.value.code == "not_found"


def test_the_scripted_model_is_as_accurate_as_stated_and_knows_it(
    pool: Pool, scripted: ScriptedServer
) -> None:
    truths = {f"text number {i} here": "positive" if unit(f"t{i}") < 0.5 else "negative" for i in range(400)}
    scripted.script = truth(truths, ["positive", "negative"], 0.85)
    seen: list[tuple[float, bool]] = []

    def keep(request: Request, outcome: Reply | ProviderError) -> None:
        assert isinstance(outcome, Reply) and outcome.tokens is not None
        says = json.loads(outcome.text)["sentiment"]
        [label] = [token for token in outcome.tokens if token.token == says]
        seen.append((math.exp(label.logprob), says == truths[request.tag]))

    pool.ask(Endpoint(scripted.base_url), map(about, truths), keep, privacy=OPEN)
    assert sum(hit for _, hit in seen) / 400 == pytest.approx(0.85, abs=0.05)
    assert sum(p for p, _ in seen) / 400 == pytest.approx(0.85, abs=0.05)
    unsure = [hit for p, hit in seen if p < 0.8]
    sure = [hit for p, hit in seen if p > 0.95]
    assert sum(unsure) / len(unsure) < sum(sure) / len(sure)


def test_a_probe_finds_what_the_endpoint_takes(pool: Pool, scripted: ScriptedServer) -> None:
    def script(_: int, body: dict[str, Any]) -> Step:
        kind = body.get("response_format", {}).get("type")
        if kind == "json_schema":
            return Step(
                "error",
                status=400,
                body={"error": {"message": "response_format: only json_object"}},
            )
        if body.get("top_logprobs", 0) > 5:
            return Step(
                "error",
                status=400,
                body={"error": {"message": "top_logprobs must be <= 5"}},
            )
        chances = {"hello": 0.6, "hi": 0.2, "hey": 0.1, "a": 0.05, "b": 0.05}
        text = '{"hello": "world"}' if kind else '"hello"'
        return Step(text=text, label="hello", chances=chances)

    scripted.script = script
    found = probe(pool, Endpoint(scripted.base_url), NOW, privacy=OPEN)
    assert (found.structured, found.logprobs, found.top_logprobs_max) == (
        "json_object",
        True,
        5,
    )
    assert (found.models, found.context_tokens) == (("scripted",), 4096)


def test_a_schema_that_is_taken_but_not_kept_does_not_count(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step(text="Hello!")
    found = probe(pool, Endpoint(scripted.base_url), NOW, privacy=OPEN)
    assert (found.structured, found.logprobs, found.top_logprobs_max) == (
        "none",
        False,
        0,
    )


def test_a_probe_of_a_refused_key_fails_with_the_reason(pool: Pool, scripted: ScriptedServer) -> None:
    scripted.script = Step("error", status=401)
    with pytest.raises(ProviderError) as caught:
        probe(pool, Endpoint(scripted.base_url), NOW, privacy=OPEN)
    assert caught.value.code == "unauthorized"


# --- llama.cpp's own server ---------------------------------------------------------------------------------------


def test_llama_keeps_the_schema_and_gives_alternatives(pool: Pool, tiny_llama_url: str) -> None:
    endpoint = Endpoint(tiny_llama_url, concurrency=2)
    for seed in range(4):
        request = about(
            f"text {seed}",
            seed=seed,
            temperature=1.0,
            max_tokens=400,
            structured="json_schema",
        )
        reply = pool.ask_one(endpoint, request, privacy=OPEN)
        assert reply.finish == "stop"
        assert json.loads(reply.text)["sentiment"] in (
            "positive",
            "negative",
            "__none__",
        )
        assert reply.tokens and all(len(token.top) == 5 for token in reply.tokens)
        assert all(token.bytes is not None for token in reply.tokens)
        assert reply.usage.prompt_tokens and reply.usage.completion_tokens


def test_llama_repeats_itself_for_the_same_seed(pool: Pool, tiny_llama_url: str) -> None:
    texts = {
        pool.ask_one(Endpoint(tiny_llama_url), about("x", seed=5, temperature=1.0), privacy=OPEN).text
        for _ in range(3)
    }
    assert len(texts) == 1


def test_llama_says_when_a_text_is_too_long(pool: Pool, tiny_llama_url: str) -> None:
    with pytest.raises(ContextTooLong):
        pool.ask_one(Endpoint(tiny_llama_url), about("word " * 5_000), privacy=OPEN)


def test_llama_refuses_a_broken_schema_and_auto_goes_round_it(pool: Pool, tiny_llama_url: str) -> None:
    broken = {
        "type": "object",
        "properties": {"a": {"$ref": "#/nowhere"}},
        "required": ["a"],
    }
    request = about("x", output_schema=broken, max_tokens=60)
    with pytest.raises(ProviderError) as caught:
        pool.ask_one(
            Endpoint(tiny_llama_url),
            request.model_copy(update={"structured": "json_schema"}),
            privacy=OPEN,
        )
    assert caught.value.code == "bad_schema" and not caught.value.retryable
    assert pool.ask_one(Endpoint(tiny_llama_url), request, privacy=OPEN).attempts >= 2


def test_a_probe_of_llama_finds_schema_log_probabilities_and_context(pool: Pool, tiny_llama_url: str) -> None:
    found = probe(pool, Endpoint(tiny_llama_url), NOW, privacy=Privacy(private=True))
    assert (found.structured, found.logprobs, found.top_logprobs_max) == (
        "json_schema",
        True,
        20,
    )
    assert found.models and found.context_tokens


def test_many_requests_to_llama_are_each_answered_once(pool: Pool, tiny_llama_url: str) -> None:
    seen: list[str] = []
    requests = [about(f"t{i}", max_tokens=40, top_logprobs=0) for i in range(20)]
    pool.ask(
        Endpoint(tiny_llama_url, concurrency=4),
        requests,
        lambda request, outcome: seen.append(request.tag),
        privacy=OPEN,
    )
    assert sorted(seen) == sorted(request.tag for request in requests)
