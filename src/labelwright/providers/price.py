"""What an answer costs: tokens billed times the price of a million; unknown stays unknown, never zero."""

from collections.abc import Sequence
from decimal import Decimal

from labelwright.core.exchange import Usage
from labelwright.core.price import Price

_MILLION = Decimal(1_000_000)


def cost_usd(usage: Usage, price: Price | None, *, batch: bool = False) -> Decimal | None:
    """USD for these tokens; None when the price or a count is unknown.

    Cached prompt tokens are charged at their own price where the row has one, else in full. Reasoning tokens are part of
    the answer's.

    Args:
        usage: What the endpoint counted.
        price: The row of the model.
        batch: Whether it came through the provider's batch API.
    """
    if price is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    cached, cached_price = 0, price.cached_input_usd_per_mtok
    if cached_price is not None:
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
    # str() first: Decimal(0.1) would drag the binary noise of the float into every sum.
    full = (
        Decimal(usage.prompt_tokens - cached) * Decimal(str(price.input_usd_per_mtok))
        + Decimal(cached) * Decimal(str(cached_price or 0))
        + Decimal(usage.completion_tokens) * Decimal(str(price.output_usd_per_mtok))
    ) / _MILLION
    return full * Decimal(str(price.batch_multiplier)) if batch else full


def add_usage(usages: Sequence[Usage]) -> Usage:
    """The sum; a count is None only when no attempt gave it."""

    def total(counts: list[int | None]) -> int | None:
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    return Usage(
        prompt_tokens=total([u.prompt_tokens for u in usages]),
        cached_tokens=total([u.cached_tokens for u in usages]),
        completion_tokens=total([u.completion_tokens for u in usages]),
        reasoning_tokens=total([u.reasoning_tokens for u in usages]),
    )
