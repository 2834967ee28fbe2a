"""The chat protocol: what is sent, and that whatever comes back is a reply or one kind of provider error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.errors import ContextTooLong, ProviderError, RateLimited, Refused
from labelwright.core.exchange import Message, Reply, Request
from labelwright.providers import chat

NOW = 1_700_000_000.0
SCHEMA = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}


def request(**changes: Any) -> Request:
    made = Request(
        model="m",
        messages=(Message(role="user", content="hi"),),
        output_schema=SCHEMA,
        top_logprobs=20,
    )
    return made.model_copy(update=changes)


def parsed(body: Any, status: int = 200, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return chat.parse(status, headers, raw, now=NOW)


def failed(status: int, body: Any = None, **headers: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        parsed(
            body if body is not None else {"error": {"message": "no"}},
            status,
            **headers,
        )
    return caught.value


def said(content: Any, **choice: Any) -> dict[str, Any]:
    return {
        "choices": [
            {
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
                **choice,
            }
        ]
    }


def test_a_strict_schema_and_log_probabilities_are_asked_for() -> None:
    sent = chat.body(request(seed=3), chat.Dialect())
    assert sent["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": SCHEMA,
        "strict": True,
    }
    assert (
        sent["logprobs"],
        sent["top_logprobs"],
        sent["seed"],
        sent["max_tokens"],
    ) == (True, 20, 3, 256)


def test_no_log_probabilities_are_asked_for_when_none_are_wanted() -> None:
    assert not {"logprobs", "top_logprobs"} & set(chat.body(request(top_logprobs=0), chat.Dialect()))


def test_plain_text_is_asked_for_without_a_format() -> None:
    assert "response_format" not in chat.body(request(output_schema=None), chat.Dialect())


@pytest.mark.parametrize(
    ("message", "changed"),
    [
        (
            "'response_format' of type json_schema is not supported",
            {"structured": "json_object"},
        ),
        ("top_logprobs must be at most 5", {"top_max": 5}),
        (
            "Use 'max_completion_tokens' instead of 'max_tokens'",
            {"tokens_field": "max_completion_tokens"},
        ),
        ("'temperature' does not support 0", {"temperature": False}),
    ],
)
def test_a_refused_field_leads_one_step_down(message: str, changed: dict[str, Any]) -> None:
    step = chat.step_down(request(), chat.Dialect(), failed(400, {"error": {"message": message}}))
    assert step == (chat.Dialect().model_copy(update=changed), True)


def test_a_refused_schema_is_dropped_for_this_request_only() -> None:
    error = failed(400, {"error": {"message": "JSON schema conversion failed: unresolved $ref"}})
    assert error.code == "bad_schema"
    step = chat.step_down(request(), chat.Dialect(), error)
    assert step is not None and step[1] is False
    assert chat.step_down(request(structured="json_schema"), chat.Dialect(), error) is None


def test_going_down_always_ends() -> None:
    dialect, steps = chat.Dialect(), 0
    error = failed(
        400,
        {"error": {"message": "response_format logprobs max_completion_tokens temperature seed"}},
    )
    while (step := chat.step_down(request(seed=1), dialect, error)) is not None:
        dialect, steps = step[0], steps + 1
        assert steps < 20


def test_tokens_carry_bytes_and_alternatives_most_likely_first() -> None:
    entry = {
        "token": "pos", "bytes": [112, 111, 115], "logprob": -0.1,
        "top_logprobs": [{"token": "neg", "logprob": -2.5}, {"token": "pos", "logprob": -0.1}],
    }  # fmt: skip
    reply = parsed(said("pos", logprobs={"content": [entry]}))
    assert reply.tokens is not None
    assert reply.tokens[0].bytes == (112, 111, 115)
    assert [other.token for other in reply.tokens[0].top] == ["pos", "neg"]


def test_the_shape_of_plain_completions_is_read_too() -> None:
    logprobs = {
        "tokens": ["a"],
        "token_logprobs": [-1.0],
        "top_logprobs": [{"a": -1.0, "b": -2.0}],
    }
    reply = parsed({"choices": [{"text": "a", "logprobs": logprobs}]})
    assert reply.text == "a" and reply.tokens is not None and len(reply.tokens[0].top) == 2


def test_impossible_log_probabilities_are_bounded() -> None:
    body = b'{"choices":[{"message":{"content":"x"},"logprobs":{"content":[{"token":"x","logprob":-Infinity}]}}]}'
    reply = parsed(body)
    assert reply.tokens is not None and reply.tokens[0].logprob == -1e4
    rounded = parsed(said("x", logprobs={"content": [{"token": "x", "logprob": 1e-9}]})).tokens
    assert rounded is not None and rounded[0].logprob == 0.0


def test_one_unreadable_token_makes_the_list_worthless() -> None:
    tokens = [{"token": "a", "logprob": -1}, {"token": None, "logprob": -1}]
    assert parsed(said("ab", logprobs={"content": tokens})).tokens is None


def test_a_refusal_is_a_reply_that_says_so() -> None:
    body = {
        "choices": [
            {
                "message": {"content": None, "refusal": "I will not."},
                "finish_reason": "stop",
            }
        ]
    }
    assert parsed(body).finish == "refused"
    assert parsed(said("", finish_reason="content_filter")).finish == "refused"


def test_text_that_no_database_holds_is_replaced() -> None:
    reply = parsed(rb'{"choices":[{"message":{"content":"a\ud800b\u0000c"}}]}')
    assert reply.text == "a\ufffdb\ufffdc"


def test_usage_includes_cached_tokens_and_ignores_nonsense() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": -1,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    reply = parsed(said("x") | {"usage": usage})
    assert (
        reply.usage.prompt_tokens,
        reply.usage.cached_tokens,
        reply.usage.completion_tokens,
    ) == (7, 3, None)


@pytest.mark.parametrize(
    ("status", "message", "kind", "code", "retryable"),
    [
        (401, "bad key", ProviderError, "unauthorized", False),
        (404, "model not found", ProviderError, "not_found", False),
        (429, "slow down", RateLimited, "rate_limited", True),
        (
            429,
            "You exceeded your current quota",
            ProviderError,
            "quota_exhausted",
            False,
        ),
        (500, "oops", ProviderError, "server_error", True),
        (503, "loading model", ProviderError, "overloaded", True),
        (
            400,
            "This model's maximum context length is 8192 tokens",
            ContextTooLong,
            "context_too_long",
            False,
        ),
        (400, "violates our content management policy", Refused, "refused", False),
        (422, "unknown field", ProviderError, "bad_request", False),
        (302, "", ProviderError, "redirected", False),
    ],
)
def test_each_failure_has_its_kind(
    status: int, message: str, kind: type[ProviderError], code: str, retryable: bool
) -> None:
    error = failed(status, {"error": {"message": message}})
    assert (type(error), error.code, error.retryable) == (kind, code, retryable)


def test_a_failure_inside_a_success_is_a_failure() -> None:
    assert failed(200, {"error": {"code": 429, "message": "busy"}}).code == "rate_limited"


def test_a_web_page_says_that_the_address_is_wrong() -> None:
    assert failed(200, b"<!DOCTYPE html><html>hi</html>").code == "not_an_api"


def test_an_error_quotes_at_most_300_characters_and_never_the_key() -> None:
    key = "sk-very-secret-value"
    raw = json.dumps({"error": {"message": f"key {key} is wrong " + "x" * 5_000}}).encode()
    error = chat.failure(401, {}, raw, secrets=(key,), now=NOW)
    assert key not in error.message and "[key]" in error.message
    assert len(chat.upstream_words(raw, (key,))) <= 300


def test_a_key_cut_by_the_limit_of_the_excerpt_does_not_show_its_beginning() -> None:
    key = "sk-" + "s" * 60
    raw = json.dumps({"error": {"message": "x" * 280 + key}}).encode()
    assert "ssss" not in chat.upstream_words(raw, (key,))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(value: str, seconds: float | None) -> None:
    assert failed(429, **{"retry-after": value}).retry_after_s == seconds


def test_reset_times_count_when_nothing_remains() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2s"}
    assert failed(429, **headers).retry_after_s == 62.0


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "logprobs", "top_logprobs", "token", "logprob", "usage",
                         "error", "finish_reason", "bytes", "text", "tokens", "token_logprobs", "prompt_tokens"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(
    body=json_values | st.binary(max_size=60),
    status=st.sampled_from([200, 200, 200, 301, 400, 401, 429, 500]),
)
def test_whatever_comes_back_is_a_reply_or_a_provider_error(body: Any, status: int) -> None:
    try:
        reply = parsed(body, status)
    except ProviderError:
        return
    reply.model_dump_json()
    reply.text.encode()


@given(inner=json_values)
def test_any_choice_is_a_reply_or_a_provider_error(inner: Any) -> None:
    try:
        parsed(
            {
                "choices": [
                    {
                        "message": {"content": inner},
                        "logprobs": inner,
                        "finish_reason": inner,
                    }
                ],
                "usage": inner,
            }
        )
    except ProviderError:
        return


def test_deep_json_is_a_malformed_reply() -> None:
    assert failed(200, b"[" * 100_000).code == "malformed_reply"
    assert failed(400, b'{"a":' * 100_000).code == "bad_request"


def test_a_huge_integer_is_a_malformed_reply() -> None:
    assert failed(200, b'{"choices": ' + b"9" * 10_000 + b"}").code == "malformed_reply"
