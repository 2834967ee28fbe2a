"""What is sent to a model and what comes back, free of any provider's protocol."""

from typing import Any, Literal

from pydantic import Field

from labelwright.core.value import Value


class Message(Value):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class Request(Value):
    """One question put to a chat model.

    Attributes:
        output_schema: JSON schema of the wanted output (strict common subset), or None for plain text.
        schema_name: Name of that schema, for servers that want one.
        max_tokens: Upper bound of the answer.
        top_logprobs: Alternatives wanted per token; 0 for none.
        structured: How to ask for structure; `auto` takes the best the endpoint was seen to have.
        tag: The caller's own key, carried back on the reply.
    """

    model: str
    messages: tuple[Message, ...]
    output_schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    max_tokens: int = Field(default=256, ge=1)
    temperature: float = 0.0
    top_logprobs: int = 0
    seed: int | None = None
    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    tag: str = ""


class TokenChance(Value):
    """One token and its natural-log probability (<= 0; -inf is sent as -1e4). `bytes` where the server gave them."""

    token: str
    bytes: tuple[int, ...] | None = None
    logprob: float


class Token(TokenChance):
    """A generated token with the likeliest alternatives at its place, most likely first."""

    top: tuple[TokenChance, ...] = ()


class Usage(Value):
    """Tokens billed for one attempt; None where the server did not say.

    Attributes:
        cached_tokens: Of the prompt's, those the provider had in its own cache.
        reasoning_tokens: Of the answer's, those nobody sees.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None


class Reply(Value):
    """What came back for one request.

    Attributes:
        text: The assistant's message; empty when there is none.
        tokens: Generated tokens with log-probabilities; None where the server gave none.
        finish: `stop`, `length` (cut: never a label), `refused`, or whatever the server said.
        latency_s: Wall seconds of the last attempt.
        attempts: How many times it was sent.
        usage: Summed over all attempts.
        cached: Taken from this installation's own cache: nothing was sent or billed.
    """

    text: str
    tokens: tuple[Token, ...] | None = None
    finish: str = "stop"
    usage: Usage = Usage()
    latency_s: float = 0.0
    attempts: int = 1
    cached: bool = False
    model: str = ""
    tag: str = ""
