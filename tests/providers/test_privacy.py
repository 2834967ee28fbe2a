"""Which addresses a project may reach, and that a refused one is never connected to."""

import asyncio
import socket
import threading
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from labelwright.core.errors import Invalid, PrivacyRefused, ProviderError
from labelwright.core.exchange import Message, Reply, Request
from labelwright.providers import Endpoint, Pool, Privacy, is_local
from labelwright.providers.privacy import GuardedResolver
from tests.endpoints.scripted import ScriptedServer

QUESTION = Request(model="m", messages=(Message(role="user", content="private text"),))
PRIVATE = Privacy(private=True)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://127.9.9.9/v1", "http://[::1]:8080/v1",
            "http://LOCALHOST./v1", "http://[::ffff:127.0.0.1]/v1"],
)  # fmt: skip
def test_loopback_is_local(url: str) -> None:
    assert is_local(url)
    PRIVATE.check(url)


@pytest.mark.parametrize(
    "url", ["http://example.org/v1", "http://10.0.0.1/v1", "http://0.0.0.0/v1", "http://2130706433/v1",
            "http://0x7f.1/v1", "http://localhost.example.org/v1", "http://127.0.0.1.nip.io/v1",
            "http://[::ffff:10.0.0.1]/v1", "http://[fe80::1%25lo]/v1"],
)  # fmt: skip
def test_anything_else_is_foreign(url: str) -> None:
    assert not is_local(url)
    with pytest.raises(PrivacyRefused):
        PRIVATE.check(url)


def test_an_allowed_host_may_be_reached_and_only_it() -> None:
    allowing = Privacy(private=True, allowed_hosts=("Models.Example.org",))
    assert allowing.check("https://models.example.org:8443/v1") == "models.example.org"
    with pytest.raises(PrivacyRefused):
        allowing.check("https://models.example.org.evil.example/v1")


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/v1", "http://[::ffff:169.254.169.254]/v1", "http://[64:ff9b::a9fe:a9fe]/v1",
            "http://metadata.google.internal/v1", "http://[fd00:ec2::254]/v1"],
)  # fmt: skip
def test_metadata_addresses_are_refused_even_without_privacy(url: str) -> None:
    with pytest.raises(PrivacyRefused) as caught:
        Privacy().check(url)
    assert caught.value.code == "metadata_address"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://localhost/v1", "localhost:8080", "", "http://", "http://[::1", "http://a b/",
            "http://user:pw@localhost/v1", "http://localhost:99999/v1", "http://localhost\r\n/v1"],
)  # fmt: skip
def test_only_plain_http_addresses_are_taken(url: str) -> None:
    with pytest.raises(Invalid):
        Privacy().check(url)


class Listener:
    """A real listening socket that counts who connects."""

    def __init__(self, address: str) -> None:
        self.accepts = 0
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.accepts += 1
            connection.close()


def own_address() -> str:
    """This machine's address on its network, without sending anything; empty when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            found = str(probe.getsockname()[0])
        except OSError:
            return ""
    return "" if found.startswith("127.") else found


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that any socket connects to, and every name that is looked up."""
    seen: list[Any] = []
    lookup = socket.getaddrinfo

    def spy_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(("lookup", host))
        return lookup(host, *args, **kwargs)

    selector = asyncio.selector_events.BaseSelectorEventLoop
    connect = selector.sock_connect

    async def spy_connect(self: Any, sock: Any, address: Any) -> Any:
        seen.append(("connect", address))
        return await connect(self, sock, address)

    monkeypatch.setattr(socket, "getaddrinfo", spy_lookup)
    monkeypatch.setattr(selector, "sock_connect", spy_connect)
    return seen


def test_a_private_project_opens_no_connection_to_a_foreign_address(pool: Pool, connects: list[Any]) -> None:
    address = own_address()
    listener = Listener(address or "127.0.0.1")
    urls = [
        f"http://{socket.gethostname()}.invalid:{listener.port}/v1",
        "http://models.example.org/v1",
    ]
    if address:
        urls.append(f"http://{address}:{listener.port}/v1")
    connects.clear()
    outcomes: list[Any] = []
    for url in urls:
        with pytest.raises(PrivacyRefused):
            pool.ask(
                Endpoint(url, "key"),
                [QUESTION],
                lambda *o: outcomes.append(o),
                privacy=PRIVATE,
            )
        with pytest.raises(PrivacyRefused):
            pool.get_json(Endpoint(url), "/models", privacy=PRIVATE)
    assert outcomes == []
    assert connects == []
    assert listener.accepts == 0
    if address:
        # The same listener is reached without the switch, so the count above would have moved.
        pool.ask(Endpoint(urls[-1]), [QUESTION], lambda *o: None, privacy=Privacy())
        assert listener.accepts > 0
        assert ("connect", (address, listener.port)) in connects
    listener.socket.close()


def test_localhost_is_this_machine_whatever_the_tables_say() -> None:
    class Lying(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: Any = socket.AF_INET
        ) -> list[ResolveResult]:
            raise AssertionError("looked up")

        async def close(self) -> None:
            pass

    found = asyncio.run(GuardedResolver(Lying()).resolve("localhost", 80, socket.AF_UNSPEC))
    assert {entry["host"] for entry in found} == {"127.0.0.1", "::1"}


def test_a_name_that_turns_into_a_metadata_address_is_not_connected_to() -> None:
    class Rebinding(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: Any = socket.AF_INET
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host,
                    host="169.254.169.254",
                    port=port,
                    family=family,
                    proto=0,
                    flags=0,
                )
            ]

        async def close(self) -> None:
            pass

    with pytest.raises(OSError, match="never asked"):
        asyncio.run(GuardedResolver(Rebinding()).resolve("innocent.example", 80))


def test_a_private_project_reaches_a_model_on_this_machine(pool: Pool, scripted: ScriptedServer) -> None:
    reply = pool.ask_one(Endpoint(scripted.base_url), QUESTION, privacy=PRIVATE)
    assert isinstance(reply, Reply)
    by_name = Endpoint(f"http://localhost:{scripted.port}/v1")
    assert pool.ask_one(by_name, QUESTION, privacy=PRIVATE).text == "{}"


def test_a_redirect_is_not_followed(pool: Pool, scripted: ScriptedServer) -> None:
    from tests.endpoints.scripted import Step

    with ScriptedServer() as other:
        scripted.script = Step("redirect", text=f"{other.base_url}/chat/completions")
        with pytest.raises(ProviderError) as caught:
            pool.ask_one(Endpoint(scripted.base_url, "key"), QUESTION, privacy=Privacy())
        assert caught.value.code == "redirected"
        assert other.seen.accepts == 0
