"""Tokens of a text as the endpoint's own model counts them, where the server offers that (llama.cpp, vLLM)."""

from dataclasses import replace
from typing import Any, Literal

from labelwright.core.errors import ProviderError
from labelwright.providers.pool import Endpoint, Pool
from labelwright.providers.privacy import Privacy

Tokenizer = Literal["", "llama.cpp", "vllm"]

_PROBE = "Twelve tokens, more or less."


def count_tokens(
    pool: Pool, endpoint: Endpoint, model: str, text: str, *, kind: Tokenizer, privacy: Privacy
) -> int:
    """How many tokens `text` is for this model.

    Raises:
        ProviderError: The endpoint does not say.
        PrivacyRefused: The project does not allow this endpoint.
    """
    body: dict[str, Any]
    if kind == "vllm":
        body = {"model": model, "prompt": text, "add_special_tokens": False}
    else:
        body = {"content": text, "add_special": False}
    answer = pool.post_json(_root(endpoint), "/tokenize", body, privacy=privacy)
    tokens, count = answer.get("tokens"), answer.get("count")
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    if isinstance(tokens, list):
        return len(tokens)
    raise ProviderError("malformed_reply", "The endpoint's token count cannot be read.")


def probe_tokenizer(pool: Pool, endpoint: Endpoint, model: str, privacy: Privacy) -> Tokenizer:
    """In which way the endpoint counts tokens; empty when it does not."""
    kinds: tuple[Tokenizer, ...] = ("llama.cpp", "vllm")
    for kind in kinds:
        try:
            n = count_tokens(pool, endpoint, model, _PROBE, kind=kind, privacy=privacy)
        except ProviderError:
            continue
        # A server that ignores the field it does not know would count nothing.
        if 0 < n <= len(_PROBE):
            return kind
    return ""


def _root(endpoint: Endpoint) -> Endpoint:
    """Both servers have this route beside `/v1`, not under it."""
    url = endpoint.base_url.rstrip("/")
    return replace(endpoint, base_url=url[: -len("/v1")] if url.endswith("/v1") else url)
