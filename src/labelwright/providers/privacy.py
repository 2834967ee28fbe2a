"""Which addresses may be reached at all, decided before anything is looked up or connected.

Hides the reading of a URL's host, what counts as this machine, and the guard that re-checks every address a name
resolves to, so that a name cannot turn into a forbidden address between the check and the connection.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from labelwright.core.errors import Invalid, PrivacyRefused

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# The services by which cloud machines hand out their own credentials, beyond the link-local range.
_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "168.63.129.16"})
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata"})


@dataclass(frozen=True)
class Privacy:
    """What a project allows.

    Attributes:
        private: Refuse everything that is neither this machine nor in `allowed_hosts`.
        allowed_hosts: Host names or literal addresses, without port; exact match, case does not matter.
    """

    private: bool = False
    allowed_hosts: tuple[str, ...] = ()

    def allows_host(self, host: str) -> bool:
        """Whether this host was named explicitly."""
        return host in {_plain(allowed) for allowed in self.allowed_hosts}

    def check(self, url: str) -> str:
        """The host of `url`, if it may be reached; nothing is looked up.

        Raises:
            Invalid: Not an absolute http(s) URL, or it carries a user name or password.
            PrivacyRefused: The project is private and the host is foreign, or the host hands out credentials of
                the machine (cloud metadata).
        """
        host = host_of(url)
        if self.allows_host(host):
            return host
        address = _literal(host)
        if host in _METADATA_NAMES or (address is not None and _is_forbidden(address)):
            raise PrivacyRefused(
                "metadata_address",
                f"The endpoint {host} is an address by which cloud machines hand out credentials; it is never asked.",
                "Add it to the allowed hosts of the project if a model really answers there.",
            )
        if self.private and not is_local(url):
            raise PrivacyRefused(
                "private_project",
                f"This project is private and {host} is not on this machine; nothing was sent.",
                "Use a model on this machine, or add the host to the allowed hosts of the project.",
            )
        return host


def host_of(url: str) -> str:
    """The host name or address of an http(s) URL: lower case, no brackets, no final dot.

    Raises:
        Invalid: Not an absolute http(s) URL, or it carries a user name or password.
    """
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname, parts.scheme
        _ = parts.port
        with_user = parts.username is not None or parts.password is not None
    except ValueError:
        raise Invalid(
            "bad_url",
            "The address of the endpoint cannot be read.",
            "Use http://host:port/v1.",
        ) from None
    if scheme not in ("http", "https") or not host or any(c.isspace() or ord(c) < 32 for c in url):
        raise Invalid(
            "bad_url",
            "The address of an endpoint starts with http:// or https:// and names a host.",
        )
    if with_user:
        raise Invalid(
            "bad_url",
            "The address must not hold a user name or password.",
            "Store the key separately.",
        )
    return _plain(host)


def is_local(url: str) -> bool:
    """Whether the URL can only mean this machine: a literal loopback address, or the name `localhost`.

    Nothing is looked up, so that asking does not itself tell a name server anything. Other spellings of a loopback
    address (`2130706433`, `0x7f.1`) and names that happen to point here are not local.

    Raises:
        Invalid: Not an absolute http(s) URL.
    """
    host = host_of(url)
    address = _literal(host)
    return host == "localhost" if address is None else _embedded(address).is_loopback


def check_public(url: str, privacy: Privacy) -> str:
    """The host of `url`, if content may be fetched from there: named by the project, or a public host.

    Stricter than `Privacy.check`: whoever writes an address into a file chooses where this server goes, and this machine
    and its neighbours answer it more than they answer others.

    Raises:
        Invalid: Not an absolute http(s) URL, or it carries a user name or password.
        PrivacyRefused: The project is private, or the host is in no public network.
    """
    host = host_of(url)
    if privacy.allows_host(host):
        return host
    if privacy.private:
        raise PrivacyRefused(
            "private_project", f"This project is private; nothing is fetched from {host}.",
            "Download the files and import them, or add the host to the allowed hosts of the project.",
        )  # fmt: skip
    address = _literal(host)
    if host == "localhost" or host in _METADATA_NAMES or (address is not None and not _is_public(address)):
        raise _not_public(host)
    return host


def _not_public(host: str) -> PrivacyRefused:
    return PrivacyRefused(
        "not_public", f"{host} is in no public network; nothing is fetched from there.",
        "Add the host to the allowed hosts of the project if its files are meant.",
    )  # fmt: skip


def _is_public(address: IpAddress) -> bool:
    inner = _embedded(address)
    return inner.is_global and not inner.is_multicast and str(inner) not in _METADATA


class PublicResolver(AbstractResolver):
    """Looks names up for fetching; a name with any address outside of public networks is refused whole."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        """Wrap `inner`, by default the system's resolver in a thread."""
        self._inner = inner or ThreadedResolver()
        self.allowed: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of `host`.

        Raises:
            OSError: None found, or one that is not public.
        """
        found = await self._inner.resolve(host, port, family)
        if _plain(host) in self.allowed:
            return found
        for entry in found:
            address = _literal(entry["host"])
            if address is None or not _is_public(address):
                raise OSError(None, f"{_plain(host)} is in no public network")
        return found

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._inner.close()


class GuardedResolver(AbstractResolver):
    """Looks names up and drops forbidden addresses; `localhost` never leaves the machine, whatever the tables say."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        """Wrap `inner`, by default the system's resolver in a thread."""
        self._inner = inner or ThreadedResolver()
        self.allowed: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of `host`.

        Raises:
            OSError: None found, or only forbidden ones.
        """
        name = _plain(host)
        if name == "localhost":
            families = [family] if family in _LOOPBACK else [socket.AF_INET, socket.AF_INET6]
            return [_entry(name, _LOOPBACK[f], port, f) for f in families]
        found = await self._inner.resolve(host, port, family)
        if name in self.allowed:
            return found
        kept = [entry for entry in found if not _is_forbidden_text(entry["host"])]
        if found and not kept:
            raise OSError(None, f"{name} points to an address that is never asked")
        return kept

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._inner.close()


def _entry(name: str, address: str, port: int, family: int) -> ResolveResult:
    return ResolveResult(
        hostname=name,
        host=address,
        port=port,
        family=family,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").casefold()


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _embedded(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one stands for, if it does (mapped, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_forbidden(address: IpAddress) -> bool:
    inner = _embedded(address)
    return inner.is_link_local or str(inner) in _METADATA


def _is_forbidden_text(host: str) -> bool:
    address = _literal(host)
    return address is not None and _is_forbidden(address)
