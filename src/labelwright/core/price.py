"""What a model costs: rows that people keep, and the one that counts for a model on a day."""

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase

from pydantic import Field

from labelwright.core.value import Value

_MOST_USD = 1e6


class Price(Value):
    """A price; USD per million tokens.

    Attributes:
        model: Name of the model; `*` and `?` stand for any letters, case does not matter.
        cached_input_usd_per_mtok: Of prompt tokens the provider had in its own cache; None charges them in full.
        output_usd_per_mtok: Of answer tokens, reasoning included.
        batch_multiplier: What the provider's batch API costs of it, such as 0.5.
        valid_from: First day (UTC) it holds; None for ever before.
    """

    model: str = Field(default="*", min_length=1, max_length=300)
    input_usd_per_mtok: float = Field(ge=0, le=_MOST_USD, allow_inf_nan=False)
    cached_input_usd_per_mtok: float | None = Field(default=None, ge=0, le=_MOST_USD, allow_inf_nan=False)
    output_usd_per_mtok: float = Field(ge=0, le=_MOST_USD, allow_inf_nan=False)
    batch_multiplier: float = Field(default=1.0, ge=0, le=100, allow_inf_nan=False)
    valid_from: date | None = None


def price_of(prices: Iterable[Price], model: str, day: date) -> Price | None:
    """The row that counts: the most exact name, then the newest that is valid; None when there is none."""
    name = model.casefold()
    matching = [
        price
        for price in prices
        if (price.valid_from is None or price.valid_from <= day) and fnmatchcase(name, _plain(price.model))
    ]
    return max(
        matching, key=lambda price: (*_exactness(price.model), price.valid_from or date.min), default=None
    )


def _plain(pattern: str) -> str:
    # Square brackets occur in names of models; here they mean themselves.
    return pattern.casefold().replace("[", "[[]")


def _exactness(pattern: str) -> tuple[bool, int]:
    return not set(pattern) & {"*", "?"}, sum(letter not in "*?" for letter in pattern)
