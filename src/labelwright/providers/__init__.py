"""The door to model endpoints: privacy, limits, retries and price around one OpenAI-compatible chat protocol.

Hides every network connection the package opens by itself. `pool.Pool` is the only place that opens one.
"""

from labelwright.providers.pool import Endpoint, Pool, RetryPolicy
from labelwright.providers.price import cost_usd
from labelwright.providers.privacy import Privacy, is_local
from labelwright.providers.probe import probe
from labelwright.providers.tokenizer import count_tokens

__all__ = [
    "Endpoint",
    "Pool",
    "Privacy",
    "RetryPolicy",
    "cost_usd",
    "count_tokens",
    "is_local",
    "probe",
]
