"""What an endpoint can do, found out by one tiny request each; no table of providers is trusted."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from labelwright.core.errors import ProviderError
from labelwright.core.exchange import Message, Reply, Request
from labelwright.core.project import Capabilities
from labelwright.providers.chat import Structure, clean
from labelwright.providers.pool import Endpoint, Pool
from labelwright.providers.privacy import Privacy
from labelwright.providers.tokenizer import probe_tokenizer

_MOST_MODELS = 1_000
# No model says these words unless the schema makes it.
_CODEWORDS = ("quartz-41", "velvet-87")


def probe(
    pool: Pool, endpoint: Endpoint, now: datetime, *, privacy: Privacy, model: str = ""
) -> Capabilities:
    """Ask an endpoint what it can do.

    Args:
        pool: The door.
        endpoint: Where; known capabilities are not used.
        now: Time of the probe.
        privacy: Of whoever asks.
        model: Which model to try; the first one the endpoint names when empty.

    Raises:
        ProviderError: It cannot be reached, refuses the key, or has no model to try.
        PrivacyRefused: It may not be asked.
    """
    endpoint = Endpoint(endpoint.base_url, endpoint.key, endpoint.concurrency, endpoint.timeout_s)
    names, context = _models(pool, endpoint, privacy, model)
    model = model or next(iter(names), "")
    if not model:
        raise ProviderError("no_model", "The endpoint names no models.", "Enter the name of a model.")
    plain = _try(pool, endpoint, _request(model), privacy)
    if isinstance(plain, ProviderError):
        raise plain
    top_max, reply = 0, plain
    for top in (20, 5, 1):
        outcome = _try(pool, endpoint, _request(model, top_logprobs=top), privacy)
        if isinstance(outcome, Reply) and outcome.tokens:
            top_max, reply = (
                min(top, max(len(token.top) for token in outcome.tokens)),
                outcome,
            )
            break
    return Capabilities(
        structured=_structure(pool, endpoint, model, privacy),
        logprobs=bool(reply.tokens),
        top_logprobs_max=min(20, top_max),
        models=tuple(names) or (model,),
        context_tokens=context,
        tokenizer=probe_tokenizer(pool, endpoint, model, privacy),
        checked_at=now,
    )


def _request(model: str, **changes: Any) -> Request:
    hello = (Message(role="user", content="Say hello in one word."),)
    return Request(model=model, messages=hello, max_tokens=4, seed=1).model_copy(update=changes)


def _try(pool: Pool, endpoint: Endpoint, request: Request, privacy: Privacy) -> Reply | ProviderError:
    try:
        return pool.ask_one(endpoint, request, privacy=privacy)
    except ProviderError as error:
        return error


def _structure(pool: Pool, endpoint: Endpoint, model: str, privacy: Privacy) -> Structure:
    schema = {
        "type": "object",
        "properties": {"codeword": {"type": "string", "enum": list(_CODEWORDS)}},
        "required": ["codeword"],
        "additionalProperties": False,
    }
    strict = _request(model, output_schema=schema, max_tokens=200, structured="json_schema")
    answer = _object(_try(pool, endpoint, strict, privacy))
    if answer is not None and answer.get("codeword") in _CODEWORDS:
        return "json_schema"
    loose = strict.model_copy(
        update={
            "structured": "json_object",
            "messages": (
                Message(
                    role="user",
                    content='Answer with the JSON object {"hello": "world"}.',
                ),
            ),
        }
    )
    return "json_object" if _object(_try(pool, endpoint, loose, privacy)) is not None else "none"


def _object(outcome: Reply | ProviderError) -> dict[str, Any] | None:
    if isinstance(outcome, ProviderError):
        return None
    try:
        answer = json.loads(outcome.text)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _models(pool: Pool, endpoint: Endpoint, privacy: Privacy, wanted: str) -> tuple[list[str], int | None]:
    """Names of the models, and the context of the wanted one (or the first) in tokens where the endpoint says it."""
    try:
        answer = pool.get_json(endpoint, "/models", privacy=privacy)
    except ProviderError as error:
        if error.code in ("not_found", "bad_request", "malformed_reply") and wanted:
            return [], None
        raise
    rows = answer.get("data")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    named = [
        (clean(row["id"]), row) for row in rows[:_MOST_MODELS] if isinstance(row.get("id"), str) and row["id"]
    ]
    about = next((row for name, row in named if name == wanted), named[0][1] if named else {})
    meta = about.get("meta")
    sources: Sequence[dict[str, Any]] = (about, meta if isinstance(meta, dict) else {})
    keys = (
        "max_model_len",
        "context_length",
        "context_window",
        "n_ctx",
        "max_context_length",
        "n_ctx_train",
    )
    found = [source.get(key) for key in keys for source in sources]
    context = next(
        (n for n in found if isinstance(n, int) and not isinstance(n, bool) and 0 < n < 2**31),
        None,
    )
    return [name for name, _ in named], context
