"""The endpoints that provider tests ask."""

from tests.endpoints.fixtures import pool, scripted, tiny_llama_url

__all__ = ["pool", "scripted", "tiny_llama_url"]
