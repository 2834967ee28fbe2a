"""The one place that opens connections: HTTP exchanges with an endpoint, bounded in time and size, told as one kind of error.

Hides the session, the guard over what names resolve to, and every way in which a connection can fail.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import aiohttp

from labelwright.core.errors import ProviderError, Unreachable
from labelwright.core.project import Capabilities
from labelwright.providers.lane import Limits
from labelwright.providers.privacy import GuardedResolver, PublicResolver, host_of

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Endpoint:
    """Where to ask.

    Attributes:
        base_url: Up to and including `/v1`.
        key: Sent as a bearer token; empty for none. Never shown in `repr`, errors or logs.
        concurrency: Most requests in flight, 1 to 512.
        timeout_s: Longest wait for one attempt, in seconds.
        capabilities: What a probe found; decides the first try where known.
        requests_per_min: Most requests sent in a minute; None for no limit.
        tokens_per_min: Most tokens, prompt and answer together, in a minute; None for no limit.
        hedge: Ask a second time when an answer takes longer than 19 of 20 do; the first one counts, both are billed.
    """

    base_url: str
    key: str = field(default="", repr=False)
    concurrency: int = 8
    timeout_s: float = 120.0
    capabilities: Capabilities | None = None
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    hedge: bool = False

    @property
    def limits(self) -> Limits:
        """How fast it may be asked."""
        return Limits(self.concurrency, self.requests_per_min, self.tokens_per_min)


@dataclass(frozen=True)
class Form:
    """A file to send, with the fields that go with it."""

    fields: Mapping[str, str]
    name: str
    file: BinaryIO


class Wire:
    """HTTP from inside the pool's event loop."""

    def __init__(self, body_limit_bytes: int) -> None:
        """Nothing is opened before the first exchange."""
        self._limit = body_limit_bytes
        self._session: aiohttp.ClientSession | None = None
        self._resolver: GuardedResolver | None = None
        self._web: aiohttp.ClientSession | None = None
        self._web_resolver: PublicResolver | None = None

    def allow(self, host: str, named: bool) -> None:
        """Let this host resolve to any address, because somebody named it."""
        if self._resolver is None:
            self._resolver = GuardedResolver()
        (self._resolver.allowed.add if named else self._resolver.allowed.discard)(host)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()
        if self._web is not None:
            await self._web.close()
        if self._web_resolver is not None:
            await self._web_resolver.close()

    async def exchange(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        sent: dict[str, Any] | Form | None = None,
        into: BinaryIO | None = None,
    ) -> tuple[int, Headers, bytes]:
        """One exchange: (status, headers with lower-case names, whole body).

        Args:
            endpoint: Where.
            method: Of HTTP.
            path: After the base URL.
            sent: JSON, or a file.
            into: Where the body of a success is written instead of being returned; it may be of any size.

        Raises:
            ProviderError: No whole answer within the limits.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "labelwright"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        data: bytes | aiohttp.FormData | None = None
        if isinstance(sent, Form):
            data = aiohttp.FormData(dict(sent.fields))
            data.add_field("file", sent.file, filename=sent.name, content_type="application/jsonl")
        elif sent is not None:
            headers["Content-Type"] = "application/json"
        host = host_of(endpoint.base_url)
        try:
            if sent is not None and not isinstance(sent, Form):
                data = json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()
            async with self._http().request(
                method,
                endpoint.base_url.rstrip("/") + path,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
            ) as response:
                raw = await self._read(response, into if response.status == 200 else None)
                return response.status, {name.lower(): value for name, value in response.headers.items()}, raw
        except TimeoutError:
            raise Unreachable(
                "timeout", f"{host} did not answer within {endpoint.timeout_s:g} s.",
                "Raise the time limit of this provider, or lower its concurrency.",
            ) from None  # fmt: skip
        except aiohttp.ClientConnectorError as error:
            reason = error.os_error.strerror or type(error.os_error).__name__
            raise Unreachable(
                "unreachable", f"No connection to {host}: {reason}.",
                "Check that the model server runs and that the address and port are right.",
            ) from None  # fmt: skip
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(
                "connection_cut", f"The connection to {host} broke off ({type(error).__name__})."
            ) from None
        except ValueError as error:
            raise ProviderError(
                "bad_request", f"The request cannot be sent ({type(error).__name__})."
            ) from None

    async def fetch(
        self, url: str, named: bool, into: BinaryIO, limit_bytes: int, timeout_s: float
    ) -> tuple[int, str]:
        """The content of an address on the web, written to a file: (status, where it redirects to or empty).

        Args:
            url: Checked already (`privacy.check_public`).
            named: Whether the project names the host, so that it may lie in any network.
            into: Where the body of a success goes.
            limit_bytes: Most that is taken.
            timeout_s: For all of it.

        Raises:
            ProviderError: No whole answer within the limits.
        """
        host = host_of(url)
        if self._web is None or self._web_resolver is None:
            self._web_resolver = PublicResolver()
            self._web = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=self._web_resolver, limit=8, use_dns_cache=False),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        (self._web_resolver.allowed.add if named else self._web_resolver.allowed.discard)(host)
        try:
            async with self._web.get(
                url, headers={"User-Agent": "labelwright", "Accept": "*/*"}, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:  # fmt: skip
                if response.status == 200:
                    size = 0
                    async for chunk in response.content.iter_chunked(2**16):
                        size += len(chunk)
                        if size > limit_bytes:
                            raise ProviderError("file_too_large", f"it is larger than {limit_bytes:,} bytes")
                        into.write(chunk)
                return response.status, response.headers.get("Location", "")
        except TimeoutError:
            raise Unreachable("timeout", f"{host} did not send it within {timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable("unreachable", f"No file came from {host} ({type(error).__name__}).") from None

    async def _read(self, response: aiohttp.ClientResponse, into: BinaryIO | None) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(2**16):
            if into is not None:
                into.write(chunk)
                continue
            size += len(chunk)
            if size > self._limit:
                response.close()
                raise ProviderError(
                    "answer_too_large", f"The endpoint's answer is larger than {self._limit:,} bytes."
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._resolver = self._resolver or GuardedResolver()
            self._session = aiohttp.ClientSession(
                # The lanes bound what is in flight; a limit here would only hide waiting from the time limit.
                connector=aiohttp.TCPConnector(resolver=self._resolver, limit=0, use_dns_cache=False),
                # No proxies or netrc from the environment: what leaves is decided here alone. No cookies either.
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
