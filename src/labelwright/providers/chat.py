"""The OpenAI chat protocol, as bytes out and bytes in, without any network.

Hides how a `Request` becomes the body of `/chat/completions`, what the many servers that speak it do differently,
and how their answers and refusals become a `Reply` or one kind of `ProviderError`. Whatever comes in, nothing else is
ever raised.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from labelwright.core.errors import ContextTooLong, ProviderError, RateLimited, Refused
from labelwright.core.exchange import Reply, Request, Token, TokenChance, Usage
from labelwright.core.problem import excerpt
from labelwright.core.value import Value
from labelwright.providers.waits import retry_after_s

UPSTREAM_EXCERPT = 300
"""Longest piece of an endpoint's own words in an error message, in characters."""

_LOWEST_LOGPROB = -1e4
_MOST_TOKENS = 2**53

_CONTEXT_MARKS = (
    "exceed_context_size", "context_length_exceeded", "maximum context length", "context size", "context window",
    "context length", "prompt is too long", "too many tokens", "max_model_len", "input is too long",
)  # fmt: skip
_FILTER_MARKS = (
    "content_filter",
    "content_policy",
    "content management policy",
    "safety system",
)
_QUOTA_MARKS = (
    "insufficient_quota",
    "billing_hard_limit",
    "exceeded your current quota",
    "insufficient balance",
)
_BAD_SCHEMA_MARKS = (
    "schema conversion", "$ref", "unresolved", "invalid schema", "invalid_json_schema", "failed to initialize samplers",
    "failed to parse grammar",
)  # fmt: skip

Structure = Literal["json_schema", "json_object", "none"]
_LESS: dict[Structure, Structure | None] = {
    "json_schema": "json_object",
    "json_object": "none",
    "none": None,
}


class Dialect(Value):
    """Which parts of the protocol an endpoint was seen to understand.

    Attributes:
        structured: The strongest structured output it takes.
        logprobs: Whether it takes the request for log-probabilities.
        top_max: Most alternatives per token it takes.
        tokens_field: Its name for the upper bound of the answer.
        seed: Whether it takes a seed.
        temperature: Whether it takes a temperature.
    """

    structured: Structure = "json_schema"
    logprobs: bool = True
    top_max: int = 20
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: bool = True
    temperature: bool = True


def body(request: Request, dialect: Dialect) -> dict[str, Any]:
    """The JSON body of one call."""
    sent: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        dialect.tokens_field: request.max_tokens,
        "stream": False,
    }
    if dialect.temperature:
        sent["temperature"] = request.temperature
    if request.seed is not None and dialect.seed:
        sent["seed"] = request.seed
    top = min(request.top_logprobs, dialect.top_max)
    if top > 0 and dialect.logprobs:
        # llama.cpp gives no log-probabilities at all for `top_logprobs: 0`, so the two always go together.
        sent["logprobs"] = True
        sent["top_logprobs"] = top
    match structure_for(request, dialect):
        case "json_schema" if request.output_schema is not None:
            sent["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": request.schema_name,
                    "schema": request.output_schema,
                    "strict": True,
                },
            }
        case "json_object":
            sent["response_format"] = {"type": "json_object"}
        case _:
            pass
    return sent


def structure_for(request: Request, dialect: Dialect) -> Structure:
    """How structure is asked for in this call."""
    if request.output_schema is None:
        return "none"
    return dialect.structured if request.structured == "auto" else request.structured


def step_down(request: Request, dialect: Dialect, error: ProviderError) -> tuple[Dialect, bool] | None:
    """A simpler way to say the same, after an endpoint refused one; None when the refusal is about something else.

    Returns:
        The simpler dialect, and whether it holds for the endpoint (True) or for this one request (False: the endpoint
        takes schemas but not this one).
    """
    said = error.message.casefold()
    if error.code == "bad_schema":
        if request.structured != "auto" or structure_for(request, dialect) != "json_schema":
            return None
        return dialect.model_copy(update={"structured": "json_object"}), False
    if error.code != "bad_request":
        return None
    if "logprob" in said and dialect.logprobs and request.top_logprobs > 0:
        if dialect.top_max > 5 and request.top_logprobs > 5:
            return dialect.model_copy(update={"top_max": 5}), True
        return dialect.model_copy(update={"logprobs": False}), True
    if "max_completion_tokens" in said and dialect.tokens_field == "max_tokens":
        return dialect.model_copy(update={"tokens_field": "max_completion_tokens"}), True
    if "response_format" in said or "json_schema" in said or "json_object" in said or "guided" in said:
        structure = structure_for(request, dialect)
        less = _LESS[structure]
        if request.structured == "auto" and less is not None:
            return dialect.model_copy(update={"structured": less}), True
        return None
    if "temperature" in said and dialect.temperature:
        return dialect.model_copy(update={"temperature": False}), True
    if "seed" in said and dialect.seed and request.seed is not None:
        return dialect.model_copy(update={"seed": False}), True
    return None


def weaker(structure: Structure) -> Structure | None:
    """The next weaker way to ask for structure."""
    return _LESS[structure]


# --- what came back -----------------------------------------------------------------------------------------------


def parse(
    status: int,
    headers: Mapping[str, str],
    raw: bytes,
    *,
    secrets: tuple[str, ...] = (),
    now: float,
) -> Reply:
    """The reply in a finished HTTP answer.

    Args:
        status: HTTP status.
        headers: HTTP headers, names in lower case.
        raw: The whole body.
        secrets: Values that must not occur in any message.
        now: Wall clock as seconds since 1970, to read a `Retry-After` date.

    Raises:
        ProviderError: Anything but a usable answer; the class and code say what.
    """
    if not 200 <= status < 300:
        raise failure(status, headers, raw, secrets=secrets, now=now)
    answer = load(raw, headers, secrets)
    embedded = answer.get("error")
    if embedded and not answer.get("choices"):
        # Gateways wrap the failure of the server behind them in a success.
        code = embedded.get("code") if isinstance(embedded, dict) else None
        inner = code if isinstance(code, int) and 400 <= code < 600 else 502
        raise failure(inner, headers, raw, secrets=secrets, now=now)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _malformed("has no choices", raw, secrets)
    choice: dict[str, Any] = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict) and not isinstance(choice.get("text"), str):
        raise _malformed("has no message", raw, secrets)
    text, refusal = _content(message if isinstance(message, dict) else {"content": choice["text"]})
    finish = choice.get("finish_reason")
    finish = clean(finish)[:40] if isinstance(finish, str) and finish else "stop"
    if refusal or finish == "content_filter":
        text, finish = text or refusal, "refused"
    model = answer.get("model")
    return Reply(
        text=text,
        tokens=_tokens(choice.get("logprobs")),
        finish=finish,
        usage=_usage(answer.get("usage")),
        model=clean(model)[:300] if isinstance(model, str) else "",
    )


def load(raw: bytes, headers: Mapping[str, str], secrets: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        ProviderError: `not_an_api` for a web page, `malformed_reply` for anything else that is not a JSON object.
    """
    start = raw[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")) or "text/html" in headers.get("content-type", "").lower():
        raise ProviderError(
            "not_an_api",
            "The endpoint answered with a web page, not with a model's answer.",
            "Check the address: it usually ends with /v1.",
        )
    try:
        answer = json.loads(raw.decode("utf-8"), parse_constant=_constant)
    except (ValueError, RecursionError):
        raise _malformed("is not whole JSON", raw, secrets) from None
    if not isinstance(answer, dict):
        raise _malformed("is not a JSON object", raw, secrets)
    return answer


def failure(
    status: int,
    headers: Mapping[str, str],
    raw: bytes,
    *,
    secrets: tuple[str, ...] = (),
    now: float,
) -> ProviderError:
    """The error that an HTTP answer outside 200-299 stands for."""
    said = upstream_words(raw, secrets)
    low = raw[:20_000].decode("utf-8", "replace").casefold()
    quote = f": {said}" if said else "."
    if 300 <= status < 400:
        return ProviderError("redirected", f"The endpoint redirects elsewhere (HTTP {status}); that is not followed.",
                             "Enter the address it redirects to.")  # fmt: skip
    if status == 402 or (status in (403, 429) and any(mark in low for mark in _QUOTA_MARKS)):
        return ProviderError("quota_exhausted", f"The endpoint says the quota is used up{quote}",
                             "Raise the limit or add credit at the provider, then resume.")  # fmt: skip
    if status == 429:
        return RateLimited(
            f"The endpoint asked to slow down{quote}",
            retry_after_s=retry_after_s(headers, now),
        )
    if status in (401, 403):
        return ProviderError("unauthorized", f"The endpoint refused the key (HTTP {status}){quote}",
                             "Check the key of this provider.")  # fmt: skip
    if status in (400, 413, 422, 500) and any(mark in low for mark in _CONTEXT_MARKS):
        return ContextTooLong("context_too_long", f"The text with its prompt does not fit the model{quote}",
                              "Use a model with a larger context, shorter texts, or fewer examples.")  # fmt: skip
    if any(mark in low for mark in _FILTER_MARKS):
        return Refused("refused", f"The provider's filter refused this text{quote}")
    if status in (400, 422, 500) and any(mark in low for mark in _BAD_SCHEMA_MARKS):
        return ProviderError("bad_schema", f"The endpoint cannot use the output schema{quote}")
    if status in (502, 503, 504, 529):
        error = ProviderError("overloaded", f"The endpoint is overloaded or starting (HTTP {status}){quote}",
                              retryable=True)  # fmt: skip
        error.retry_after_s = retry_after_s(headers, now)
        return error
    if status in (408, 409, 425) or status >= 500:
        return ProviderError(
            "server_error",
            f"The endpoint failed (HTTP {status}){quote}",
            retryable=True,
        )
    if status == 404:
        return ProviderError("not_found", f"The endpoint knows neither this path nor this model (HTTP 404){quote}",
                             "Check the address (it usually ends with /v1) and the model name.")  # fmt: skip
    return ProviderError("bad_request", f"The endpoint refused the request (HTTP {status}){quote}")


def upstream_words(raw: bytes, secrets: tuple[str, ...] = ()) -> str:
    """What an endpoint said in an error body: at most 300 characters, one line, without secrets."""
    text = raw[:20_000].decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        error = answer.get("error", answer.get("detail", answer.get("message")))
        inner = error.get("message") if isinstance(error, dict) else error
        kind = error.get("type") or error.get("code") if isinstance(error, dict) else None
        if isinstance(inner, str):
            text = inner if not isinstance(kind, str) or kind in inner else f"{inner} ({kind})"
    elif text.lstrip().startswith("<"):
        return ""
    return excerpt(redact(" ".join(text.split()), secrets), UPSTREAM_EXCERPT)


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every secret value replaced."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    return text


def clean(text: str) -> str:
    """The text without what no database can hold: lone surrogates and NUL become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _constant(name: str) -> float | None:
    return _LOWEST_LOGPROB if name == "-Infinity" else None


def _malformed(what: str, raw: bytes, secrets: tuple[str, ...]) -> ProviderError:
    said = excerpt(redact(" ".join(raw[:1_000].decode("utf-8", "replace").split()), secrets), 120)
    # Mostly a cut connection or a proxy's doing, so the same request may succeed.
    return ProviderError(
        "malformed_reply",
        f"The endpoint's answer {what}: {said or 'it is empty'}",
        retryable=True,
    )


def _content(message: dict[str, Any]) -> tuple[str, str]:
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    refusal = message.get("refusal")
    return (
        clean(content) if isinstance(content, str) else "",
        clean(refusal) if isinstance(refusal, str) else "",
    )


def _usage(usage: object) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    details, answer = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    reasoning = _count(answer.get("reasoning_tokens")) if isinstance(answer, dict) else None
    # Most servers count reasoning within the answer; where the total shows that it comes on top, it is added.
    counted = prompt is not None and completion is not None and reasoning is not None
    if counted and usage.get("total_tokens") == prompt + completion + reasoning:  # type: ignore[operator]
        completion += reasoning  # type: ignore[operator]
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
    )


def _count(value: object) -> int | None:
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS
        else None
    )


def _tokens(logprobs: object) -> tuple[Token, ...] | None:
    if not isinstance(logprobs, dict):
        return None
    content = logprobs.get("content")
    if isinstance(content, list):
        return _chat_tokens(content)
    if isinstance(logprobs.get("tokens"), list):
        return _legacy_tokens(logprobs)
    return None


def _chat_tokens(content: list[Any]) -> tuple[Token, ...] | None:
    found: list[Token] = []
    for entry in content:
        chance = _chance(entry)
        if chance is None:
            # One unreadable token would shift every later character, so the whole list is worth nothing.
            return None
        alternatives = entry.get("top_logprobs")
        top = [_chance(other) for other in alternatives] if isinstance(alternatives, list) else []
        found.append(_token(chance, [other for other in top if other is not None]))
    return tuple(found) or None


def _legacy_tokens(logprobs: dict[str, Any]) -> tuple[Token, ...] | None:
    """The shape of `/completions`: parallel lists, alternatives as {token: log-probability}."""
    tokens, chances, tops = (
        logprobs["tokens"],
        logprobs.get("token_logprobs"),
        logprobs.get("top_logprobs"),
    )
    if not isinstance(chances, list) or len(chances) != len(tokens):
        return None
    found: list[Token] = []
    for position, (token, logprob) in enumerate(zip(tokens, chances, strict=True)):
        chance = _chance({"token": token, "logprob": logprob})
        if chance is None:
            return None
        here = tops[position] if isinstance(tops, list) and position < len(tops) else None
        pairs = here.items() if isinstance(here, dict) else ()
        top = [_chance({"token": other, "logprob": value}) for other, value in pairs]
        found.append(_token(chance, [other for other in top if other is not None]))
    return tuple(found) or None


def _token(chance: TokenChance, top: list[TokenChance]) -> Token:
    ordered = tuple(sorted(top, key=lambda other: -other.logprob))
    return Token(token=chance.token, bytes=chance.bytes, logprob=chance.logprob, top=ordered)


def _chance(entry: object) -> TokenChance | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return None
    logprob = entry.get("logprob")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or math.isnan(logprob):
        return None
    raw = entry.get("bytes")
    octets: tuple[int, ...] | None = None
    if isinstance(raw, list) and all(
        isinstance(b, int) and not isinstance(b, bool) and 0 <= b < 256 for b in raw
    ):
        octets = tuple(raw)
    # Rounding can put a certain token a hair above 0, and some servers send -inf for what a grammar forbids.
    bounded = min(0.0, max(_LOWEST_LOGPROB, float(logprob))) if abs(logprob) < 1e300 else _LOWEST_LOGPROB
    return TokenChance(token=clean(entry["token"]), bytes=octets, logprob=bounded)
