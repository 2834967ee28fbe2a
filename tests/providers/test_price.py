"""What an answer costs."""

from decimal import Decimal

from labelwright.core.exchange import Usage
from labelwright.providers import cost_usd
from labelwright.providers.price import add_usage


def test_cost_is_exact_to_the_fraction_of_a_cent() -> None:
    assert cost_usd(Usage(prompt_tokens=1_234, completion_tokens=5), 0.1, 0.3) == Decimal("0.0001249")


def test_cost_is_unknown_without_a_price_or_a_count() -> None:
    assert cost_usd(Usage(prompt_tokens=1, completion_tokens=1), None, 1.0) is None
    assert cost_usd(Usage(prompt_tokens=1), 1.0, 1.0) is None


def test_a_price_of_zero_is_a_price() -> None:
    assert cost_usd(Usage(prompt_tokens=1, completion_tokens=1), 0.0, 0.0) == 0


def test_a_sum_knows_what_any_attempt_said() -> None:
    total = add_usage([Usage(), Usage(prompt_tokens=3), Usage(prompt_tokens=4, completion_tokens=1)])
    assert (total.prompt_tokens, total.completion_tokens, total.cached_tokens) == (
        7,
        1,
        None,
    )
