"""What an answer costs: tokens billed times the price of a million; unknown stays unknown, never zero."""

from collections.abc import Sequence
from decimal import Decimal

from labelwright.core.exchange import Usage

_MILLION = Decimal(1_000_000)


def cost_usd(
    usage: Usage, input_usd_per_mtok: float | None, output_usd_per_mtok: float | None
) -> Decimal | None:
    """USD for these tokens; None when a price or a count is unknown.

    Prices are USD per million tokens. Cached prompt tokens are charged at the full price: the provider's rebate is
    not known here, so the figure is an upper bound where a cache was hit.
    """
    if input_usd_per_mtok is None or output_usd_per_mtok is None:
        return None
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    # str() first: Decimal(0.1) would drag the binary noise of the float into every sum.
    return (
        Decimal(usage.prompt_tokens) * Decimal(str(input_usd_per_mtok))
        + Decimal(usage.completion_tokens) * Decimal(str(output_usd_per_mtok))
    ) / _MILLION


def add_usage(usages: Sequence[Usage]) -> Usage:
    """The sum; a count is None only when no attempt gave it."""

    def total(counts: list[int | None]) -> int | None:
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    return Usage(
        prompt_tokens=total([u.prompt_tokens for u in usages]),
        cached_tokens=total([u.cached_tokens for u in usages]),
        completion_tokens=total([u.completion_tokens for u in usages]),
    )
