"""Which addresses a URL may lead to, enforced where connections are made.

The check sits below everything a URL can pass through (redirects, retries, robots.txt, DNS answers that change): the
resolver drops forbidden addresses, and ``reactor.connectTCP``, through which every Twisted TCP connection goes,
refuses them. What was checked is what is connected to; there is no second look-up that could answer differently.

Behind a proxy the proxy resolves names, so there only address literals in the URL itself can be judged.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.exceptions import IgnoreRequest
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer, provider

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA special-purpose registries; not left to ``is_global`` alone, whose table differs between Python releases.
_SPECIAL_NETWORKS = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    ::/128 ::1/128 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10
    fec0::/10 ff00::/8
"""
_FORBIDDEN = tuple(map(ipaddress.ip_network, _SPECIAL_NETWORKS.split()))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class PrivateAddress(IgnoreRequest):
    """The address is not a public one; never retried."""


def is_public(host: str) -> bool:
    """Return whether an address literal is public, IPv4 inside IPv6 included; raises ``ValueError`` for a name.

    >>> [is_public(a) for a in ("93.184.216.34", "10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe")]
    [True, False, False, False, False]
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    return all(_is_public(each) for each in _meanings(address))


def _meanings(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    inner = [each for each in embedded if each is not None]
    return list(inner) if address.ipv4_mapped else [address, *inner]


def _is_public(address: Address) -> bool:
    return address.is_global and not any(
        address in network for network in _FORBIDDEN if network.version == address.version
    )


def refusal(host: str) -> str:
    """Return the line that tells people why `host` was refused and what to do."""
    return f"{host} is a private address; if it is meant, save it with --allow-private"


def forbid_private_literal(url: str) -> None:
    """Raise :class:`PrivateAddress` if the URL names a private address outright."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        public = is_public(_usual_form(host))
    except ValueError:
        public = host != "localhost" and not host.endswith(".localhost")
    if not public:
        raise PrivateAddress(refusal(host))


def _usual_form(host: str) -> str:
    """Return an IPv4 address in four decimal parts, however it is written; anything else as it is.

    >>> [_usual_form(host) for host in ("2130706433", "0x7f.1", "0177.0.0.1", "::1", "example.com")]
    ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1', 'example.com']
    """
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return host


class Guard:
    """Decides for one process which addresses may be connected to."""

    def __init__(self) -> None:
        self.allows_private = False
        self.trusted: set[tuple[str, int]] = set()
        """Host and port of proxies the operator configured."""

    def check(self, host: str, port: int) -> None:
        """Raise :class:`PrivateAddress` unless `host`, an address literal, may be connected to."""
        if self.allows_private or (host, port) in self.trusted:
            return
        try:
            public = is_public(host)
        except ValueError:
            raise PrivateAddress(f"{host} was not resolved before connecting; refused") from None
        if not public:
            raise PrivateAddress(refusal(host))


guard = Guard()
"""The guard of this process: a reactor exists once, and so does what may be reached through it."""


@implementer(IHostnameResolver)
class PublicResolver:
    """Twisted's resolver (``TWISTED_DNS_RESOLVER``) without the addresses that may not be connected to."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._inner = reactor.nameResolver

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: Any) -> PublicResolver:
        return cls(reactor)

    def install_on_reactor(self) -> None:
        """Take the resolver's place, once."""
        if not isinstance(self._reactor.nameResolver, PublicResolver):
            self._reactor.installNameResolver(self)
        guard_reactor(self._reactor)

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        @provider(IResolutionReceiver)
        class PublicOnly:
            refused: str | None = None
            found = False

            @staticmethod
            def resolutionBegan(resolution: IHostResolution) -> None:
                resolutionReceiver.resolutionBegan(resolution)

            @classmethod
            def addressResolved(cls, address: Any) -> None:
                if (hostName, portNumber) in guard.trusted:  # a proxy, named by the operator
                    guard.trusted.add((address.host, portNumber))
                try:
                    guard.check(address.host, portNumber)
                except PrivateAddress:
                    cls.refused = address.host
                else:
                    cls.found = True
                    resolutionReceiver.addressResolved(address)

            @classmethod
            def resolutionComplete(cls) -> None:
                if cls.refused and not cls.found:
                    refused_names[hostName] = cls.refused
                resolutionReceiver.resolutionComplete()

        if not _can_be_looked_up(hostName):
            unknown = _NoResolution(hostName)
            resolutionReceiver.resolutionBegan(unknown)
            resolutionReceiver.resolutionComplete()
            return unknown
        return self._inner.resolveHostName(PublicOnly, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IHostResolution)
class _NoResolution:
    """The look-up of a name that cannot be one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Nothing is under way."""


def _can_be_looked_up(name: str) -> bool:
    """Whether ``getaddrinfo`` takes `name`; Twisted waits for ever for an answer to one that it does not."""
    try:
        return b"\0" not in name.encode("idna")
    except UnicodeError:
        return False


refused_names: dict[str, str] = {}
"""Names that resolved to private addresses only: Twisted reports those as unresolvable, which would mislead."""


def guard_reactor(reactor: Any) -> None:
    """Let every TCP connection of `reactor` pass the guard; may be called again."""
    if getattr(reactor, "archiver_is_guarded", False):
        return
    connect = reactor.connectTCP

    def connect_checked(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        guard.check(host, port)
        return connect(host, port, *args, **kwargs)

    reactor.connectTCP = connect_checked
    reactor.archiver_is_guarded = True
