"""Fixtures: the three endpoints and a pool that does not dawdle."""

from collections.abc import Iterator

import pytest

from labelwright.providers import Pool, RetryPolicy
from labelwright.providers.lane import BreakerPolicy

from . import tiny_llama
from .scripted import ScriptedServer


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A scripted endpoint; set its `script`."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="session")
def tiny_llama_url() -> Iterator[str]:
    """The address of llama.cpp's own server with random weights."""
    reason = tiny_llama.missing()
    if reason:
        pytest.skip(f"llama.cpp's server is {reason}")
    with tiny_llama.running() as url:
        yield url


@pytest.fixture
def pool() -> Iterator[Pool]:
    """A pool with short back-offs."""
    made = Pool(
        RetryPolicy(base_s=0.01, cap_s=0.05, deadline_s=30, body_limit_bytes=2**20),
        BreakerPolicy(span_s=0.0),
    )
    yield made
    made.close()
