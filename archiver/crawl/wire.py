"""The tee: what Twisted's HTTP/1.1 client writes and reads, byte for byte, per exchange.

Twisted keeps one protocol object per connection and hands it one request after another. Each request carries a
:class:`Wiretap`; the protocol opens an exchange on it when the request is written, feeds it what arrives, and closes
it at the exact end of the message, which only Twisted's parser knows. A request that Twisted silently repeats on a
fresh connection, because the kept-alive one had gone stale, opens a second exchange on the same wiretap.

An exception in a hook would leave Twisted's request hanging for ever, beyond any timeout, so every hook catches what
it can raise, drops the exchange and says so.
"""

from __future__ import annotations

import itertools
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scrapy.core.downloader.handlers.http11 import _LenientHTTP11ClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool, _HTTP11ClientFactory

from archiver.crawl.trust import is_trusted
from storage.capture import Capture, Spool, Truncation
from storage.message import MAX_HEAD, split_interim

logger = logging.getLogger(__name__)

_connections = itertools.count(1)


@dataclass(slots=True)
class TLSFacts:
    """What the handshake settled."""

    version: str
    cipher_suite: str
    certificate_sha256: str | None
    trusted: bool | None


@dataclass(slots=True)
class Exchange:
    """One request on one connection and what came back."""

    response: Spool
    connection: int
    ip_address: str | None
    directory: Path | None
    """Where long responses are spooled."""
    date: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    request: bytearray = field(default_factory=bytearray)
    first_byte: float | None = None
    finished: float | None = None
    is_complete: bool = False
    dropped: int = 0
    tls: TLSFacts | None = None
    fault: str | None = None
    is_sealed: bool = False
    """What has been handed over to be stored must not change, but a connection that is being closed may still read."""

    def feed(self, data: bytes) -> None:
        if self.is_sealed:
            return
        if self.first_byte is None:
            self.first_byte = time.monotonic()
        self.response.write(data)

    def complete(self, rest: bytes) -> None:
        """The message ended; `rest` was received behind it and belongs to nothing."""
        if self.is_sealed:
            return
        self.finished = time.monotonic()
        self.is_complete = True
        if rest:
            self.dropped = len(rest)
            self.response.truncate(self.response.size - len(rest))


class Wiretap:
    """Collects the exchanges made for one Scrapy request."""

    def __init__(self, spool_directory: Path | None) -> None:
        self._directory = spool_directory
        self.exchanges: list[Exchange] = []

    def open_exchange(self, protocol: CapturingProtocol) -> Exchange:
        transport: Any = protocol.transport
        peer = getattr(transport.getPeer(), "host", None)
        spool = Spool(directory=self._directory)
        exchange = Exchange(spool, protocol.connection, peer, self._directory, tls=protocol.tls)
        self.exchanges.append(exchange)
        return exchange

    def cut_short(self) -> None:
        """The last exchange was ended by us; if its connection then closed, that was not the server's doing."""
        if self.exchanges:
            self.exchanges[-1].is_complete = False

    def captures(self, url: str, method: str, *, proxy: str | None, truncation: Truncation) -> list[Capture]:
        """Return what was captured; only the last exchange can have been cut for the reason `truncation`."""
        return [
            _capture(exchange, url, method, proxy, truncation if exchange is self.exchanges[-1] else "disconnect")
            for exchange in self.exchanges
            if exchange.request
        ]


def _capture(exchange: Exchange, url: str, method: str, proxy: str | None, cut: Truncation) -> Capture:
    exchange.is_sealed = True
    interim, start = split_interim(exchange.response.start(MAX_HEAD))
    tls = exchange.tls
    now = exchange.finished or time.monotonic()
    return Capture(
        url=url,
        method=method,
        date=exchange.date,
        request=bytes(exchange.request),
        response=_without_start(exchange.response, start, exchange.directory),
        duration=now - exchange.started,
        first_byte=exchange.first_byte - exchange.started if exchange.first_byte else None,
        interim=tuple(interim),
        ip_address=None if proxy else exchange.ip_address,
        proxy=proxy,
        protocols=("http/1.1", tls.version) if tls else ("http/1.1",),
        cipher_suite=tls.cipher_suite if tls else None,
        certificate_sha256=tls.certificate_sha256 if tls else None,
        certificate_trusted=tls.trusted if tls else None,
        truncated=None if exchange.is_complete else "unspecified" if exchange.fault else cut,
        dropped=exchange.dropped,
        connection=exchange.connection,
        notes=(exchange.fault,) if exchange.fault else (),
    )


def _without_start(spool: Spool, start: int, directory: Path | None) -> Spool:
    if not start:
        return spool
    rest = Spool(directory=directory)
    for piece in spool.pieces(start):
        rest.write(bytes(piece))
    spool.close()
    return rest


class _TeeTransport:
    """Passes everything on to the transport and copies what is written."""

    def __init__(self, transport: Any, written: bytearray) -> None:
        self._transport, self._written = transport, written

    def write(self, data: bytes) -> None:
        self._written += data
        self._transport.write(data)

    def writeSequence(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CapturingProtocol(_LenientHTTP11ClientProtocol):
    """Scrapy's lenient HTTP/1.1 client protocol, overheard."""

    connection = 0
    tls: TLSFacts | None = None
    _knows_tls = False
    _exchange: Exchange | None = None

    def makeConnection(self, transport: Any) -> None:
        # Called twice for a tunnel, first for TCP, then for TLS inside it: what was said to the proxy stays outside.
        self.connection = next(_connections)
        self.tls, self._knows_tls = None, False
        super().makeConnection(transport)  # type: ignore[no-untyped-call]  # Twisted has no types here

    def request(self, request: Any) -> Deferred[Any]:
        wiretap = getattr(request, "archiver_wiretap", None)
        if wiretap is not None:
            exchange = self._exchange = wiretap.open_exchange(self)
            write_to = request.writeTo
            request.writeTo = lambda transport: write_to(_TeeTransport(transport, exchange.request))
        deferred = super().request(request)
        if wiretap is not None:
            # Leave the request as it was: Twisted may repeat it on another connection.
            request.writeTo = write_to
        if self._parser is not None:
            self._parser.MAX_LENGTH = MAX_HEAD  # Twisted would drop the connection at a header line over 16 KiB
        return deferred

    def dataReceived(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is not None:
            try:
                exchange.feed(data)
            except Exception as error:  # noqa: BLE001  see the module docstring
                self._give_up(exchange, error)
            if not self._knows_tls:
                self._learn_tls()
            exchange.tls = self.tls
        super().dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted has no types here

    def _finishResponse(self, rest: bytes) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            try:
                exchange.complete(rest)
            except Exception as error:  # noqa: BLE001  see the module docstring
                self._give_up(exchange, error)
        super()._finishResponse(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        exchange = self._exchange
        # This may find that the message is complete: a body can end with its connection.
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted has no types here
        self._exchange = None
        if exchange is not None:
            exchange.finished = exchange.finished or time.monotonic()
            if reason.type is not ConnectionDone:  # a reset, or TLS cut off: no proper end for such a body
                exchange.is_complete = False

    def _learn_tls(self) -> None:
        self._knows_tls = True
        try:
            self.tls = _tls_facts(self.transport)
        except Exception as error:  # noqa: BLE001  see the module docstring; the bytes are worth more than the facts
            logger.warning("nothing is known about a TLS connection: %s", error)

    def _give_up(self, exchange: Exchange, error: Exception) -> None:
        logger.error("capture broke off: %s", error)
        exchange.fault = f"capture broke off: {error}"
        self._exchange = None


def _tls_facts(transport: Any) -> TLSFacts | None:
    with suppress(AttributeError):
        connection = transport.getHandle()
        certificate = connection.get_peer_certificate()
        version = connection.get_protocol_version_name().lower().replace("tlsv", "tls/")
        return TLSFacts(
            version=f"{version}.0" if version == "tls/1" else version,
            cipher_suite=connection.get_cipher_name(),
            certificate_sha256=_fingerprint(certificate) if certificate else None,
            trusted=is_trusted(connection) if certificate else None,
        )
    return None


def _fingerprint(certificate: Any) -> str:
    """Return the SHA-256 of a certificate's DER bytes, which need not be a certificate that anything else can read."""
    digest: bytes = certificate.digest("sha256")
    return digest.replace(b":", b"").decode("ascii").lower()


class _CapturingFactory(_HTTP11ClientFactory):
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> CapturingProtocol:
        return CapturingProtocol(self._quiescentCallback)  # type: ignore[no-untyped-call]  # Twisted has no types here


class _TappedConnection:
    """A connection on loan from the pool for one request, which it marks with the wiretap."""

    def __init__(self, connection: Any, wiretap: Wiretap) -> None:
        self._connection, self._wiretap = connection, wiretap

    def request(self, request: Any) -> Any:
        request.archiver_wiretap = self._wiretap
        return self._connection.request(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class CapturingPool(HTTPConnectionPool):
    """A connection pool whose connections are overheard.

    Scrapy's agent calls :meth:`getConnection` before its first await, so the wiretap set in :attr:`next_wiretap` right
    before the request is handed over reaches exactly that request.
    """

    _factory = _CapturingFactory
    next_wiretap: Wiretap | None = None

    def getConnection(self, key: Any, endpoint: Any) -> Deferred[Any]:
        wiretap, self.next_wiretap = self.next_wiretap, None
        deferred: Deferred[Any] = super().getConnection(key, endpoint)
        if wiretap is not None:
            deferred.addCallback(_TappedConnection, wiretap)
        return deferred
