"""The door to model endpoints: privacy, limits, retries and price around one OpenAI-compatible chat protocol.

Hides every network connection the package opens by itself. `pool.Pool` is the only place that opens one.
"""

from labelwright.providers.batch import BatchApi
from labelwright.providers.pool import Pool, RetryPolicy
from labelwright.providers.price import cost_usd
from labelwright.providers.privacy import Privacy, is_local
from labelwright.providers.probe import probe
from labelwright.providers.tokenizer import count_tokens
from labelwright.providers.wire import Endpoint

__all__ = [
    "BatchApi",
    "Endpoint",
    "Pool",
    "Privacy",
    "RetryPolicy",
    "cost_usd",
    "count_tokens",
    "is_local",
    "probe",
]
