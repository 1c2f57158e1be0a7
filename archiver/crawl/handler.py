"""The download handler: Scrapy's own HTTP/1.1 client with every exchange captured and stored.

``download_request`` returns only after the captures of the request are durable, so nothing a spider sees can be
missing from the archive, and a slow disk slows the crawl instead of filling the memory. Where the captures lie is
appended to ``request.meta["captures"]``; the list follows the request through redirects and retries.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Set as AbstractSet
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urlsplit

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.exceptions import CannotResolveHostError, DownloadCancelledError, DownloadTimeoutError, StopDownload
from scrapy.http import Response
from scrapy.utils.url import add_http_if_no_scheme
from twisted.internet.defer import Deferred

from archiver.crawl.address import (
    PrivateAddress,
    forbid_private_literal,
    guard,
    guard_reactor,
    refusal,
    refused_names,
)
from archiver.crawl.recorder import Recorder
from archiver.crawl.wire import CapturingPool, Wiretap
from storage.capture import Capture, Truncation

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

SECRET_FIELDS = (b"authorization", b"proxy-authorization", b"cookie")
"""Request header fields whose values are not stored unless ``ARCHIVER_KEEP_CREDENTIALS`` is set."""
REDACTED = b"[redacted]"
MAX_COOKIES = 100_000
"""Cookies set by servers that are remembered, to tell them from the user's own."""

_FIELD = re.compile(rb"^(?P<name>[^:\r\n]+):[ \t]*(?P<value>[^\r\n]*)", re.MULTILINE)


class CaptureDownloadHandler(HTTP11DownloadHandler):
    """Downloads with Scrapy's HTTP/1.1 client and stores every exchange byte for byte."""

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        from twisted.internet import reactor

        pool = _Pool(reactor, persistent=True)  # type: ignore[no-untyped-call]  # Twisted has no types here
        pool.maxPersistentPerHost = self._pool.maxPersistentPerHost
        settings = crawler.settings
        pool.readable_bytes = settings.getint("DOWNLOAD_MAXSIZE") or pool.readable_bytes
        self._pool: _Pool = pool
        self._default_maxsize = settings.getint("ARCHIVER_MAX_CAPTURE")
        self._default_warnsize = 0
        self._keeps_credentials = settings.getbool("ARCHIVER_KEEP_CREDENTIALS")
        self._allows_private = settings.getbool("ARCHIVER_ALLOW_PRIVATE")
        self._proxy = settings.get("ARCHIVER_PROXY")
        self._served_cookies: set[bytes] = set()
        self._recorder = Recorder.of(crawler)
        self._recorder.handler_opened()
        guard.allows_private = self._allows_private
        guard_reactor(reactor)

    async def download_request(self, request: Request) -> Response:
        if self._proxy:
            use_proxy(request, self._proxy)
        wiretap = Wiretap(self._recorder.spool)
        self._pool.next_wiretap = wiretap
        try:
            if request.meta.get("proxy") and not self._allows_private:
                forbid_private_literal(request.url)
            response = await super().download_request(request)
        except BaseException as error:
            meant = _refusal_behind(error, request) or error
            await self._store(request, wiretap, _truncation_by(error), meant)
            if meant is error:
                raise
            raise meant from None
        finally:
            self._pool.next_wiretap = None
        await self._store(request, wiretap, "length" if "download_stopped" in response.flags else "disconnect")
        return response

    async def _store(
        self, request: Request, wiretap: Wiretap, truncation: Truncation, error: BaseException | None = None
    ) -> None:
        url, proxy = urldefrag(request.url)[0], _host_of(request.meta.get("proxy"))
        if error is not None and truncation != "disconnect":
            wiretap.cut_short()
        captures = wiretap.captures(url, request.method, proxy=proxy, truncation=truncation)
        for capture in captures:
            if not self._keeps_credentials:
                redact(capture, self._served_cookies)
                self._remember_cookies(capture)
            if via := request.headers.get("Referer"):
                capture.annotations["via"] = via.decode("latin-1")
            if capture.notes:
                request.meta["fault"] = capture.notes[-1]
        # Shielded: a cancelled download must not leave a capture half accounted for.
        await asyncio.shield(self._recorder.store(request, captures, error))

    def _remember_cookies(self, capture: Capture) -> None:
        head, _ = capture.head()
        if head is not None and len(self._served_cookies) < MAX_COOKIES:
            self._served_cookies.update(value.partition(b";")[0].strip() for value in head.values(b"Set-Cookie"))

    async def close(self) -> None:
        await super().close()
        await self._recorder.handler_closed()


def _refusal_behind(error: BaseException, request: Request) -> PrivateAddress | None:
    """Return the refusal that came back as an unresolvable name: it does resolve, to a place that is off limits."""
    name = urlsplit(request.url).hostname or ""
    if isinstance(error, CannotResolveHostError) and name in refused_names:
        return PrivateAddress(refusal(refused_names[name]))
    return None


def _truncation_by(error: BaseException) -> Truncation:
    """Return why an answer that `error` ended is not complete."""
    if isinstance(error, DownloadTimeoutError):
        return "time"
    return "length" if isinstance(error, DownloadCancelledError | StopDownload) else "disconnect"


def _host_of(proxy: str | None) -> str | None:
    """Return ``host:port`` of a proxy URL, without its credentials."""
    return urlsplit(add_http_if_no_scheme(proxy)).netloc.rpartition("@")[2] if proxy else None


def use_proxy(request: Request, proxy: str) -> None:
    """Send `request` through `proxy`, whose address needs no check: the operator named it."""
    parts = urlsplit(add_http_if_no_scheme(proxy))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.username:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.headers["Proxy-Authorization"] = b"Basic " + base64.b64encode(secret)
    request.meta["proxy"] = f"{parts.scheme}://{parts.hostname}:{port}"
    guard.trusted.add((parts.hostname or "", port))


def redact(capture: Capture, served_cookies: AbstractSet[bytes] = frozenset()) -> None:
    """Replace the values of secret request fields, and say so on the capture.

    Of a ``Cookie`` field only what the crawled servers did not set themselves is the user's secret.
    """
    head, separator, body = capture.request.partition(b"\r\n\r\n")
    found: list[str] = []

    def replace(match: re.Match[bytes]) -> bytes:
        name, value = match["name"], match["value"]
        if name.strip().lower() not in SECRET_FIELDS:
            return match[0]
        kept = _redact_cookies(value, served_cookies) if name.strip().lower() == b"cookie" else REDACTED
        if kept != value:
            found.append(name.decode("latin-1"))
        return match[0] if kept == value else name + b": " + kept

    capture.request = _FIELD.sub(replace, head) + separator + body
    capture.redacted = tuple(found)


def _redact_cookies(value: bytes, served: AbstractSet[bytes]) -> bytes:
    return b"; ".join(pair if pair in served else _redact_cookie(pair) for pair in value.split(b"; "))


def _redact_cookie(pair: bytes) -> bytes:
    name, equals, _ = pair.partition(b"=")
    return name + b"=" + REDACTED if equals else REDACTED  # without a name it is all value


class _Pool(CapturingPool):
    """Bounds what Scrapy keeps of a body in memory; the capture itself goes to the spool."""

    readable_bytes = 1 << 25

    def getConnection(self, key: Any, endpoint: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = super().getConnection(key, endpoint)
        return deferred.addCallback(_BoundedConnection, self.readable_bytes)


class _BoundedConnection:
    """Hands out responses whose readers keep only the start of a body."""

    def __init__(self, connection: Any, limit: int) -> None:
        self._connection, self._limit = connection, limit

    def request(self, request: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = self._connection.request(request)
        return deferred.addCallback(self._bound)

    def _bound(self, response: Any) -> Any:
        deliver = response.deliverBody

        def deliver_start(reader: Any) -> None:
            reader._bodybuf = _Start(self._limit)
            deliver(reader)

        response.deliverBody = deliver_start
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Start(BytesIO):
    """Takes everything and keeps the first `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: Any) -> int:
        super().write(data[: max(0, self._limit - self.tell())])
        return len(data)
