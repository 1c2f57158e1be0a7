"""Why a request came to nothing, in one line that names cause and way out."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from OpenSSL import SSL
from scrapy import Request
from scrapy.core.downloader.handlers.http11 import TunnelError
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    NotSupported,
    ResponseDataLossError,
    UnsupportedURLSchemeError,
)
from twisted.internet import error as network
from twisted.web._newclient import ParseError, ResponseNeverReceived

from archiver.crawl.address import PrivateAddress
from archiver.crawl.middlewares import LeftAlone
from archiver.crawl.robots import RobotsForbid
from archiver.errors import ArchiveError

_CLOSED = (network.ConnectionLost, network.ConnectionDone, ResponseNeverReceived)


def explain(error: BaseException | None, request: Request) -> tuple[str, str]:
    """Return the outcome of a failed request and the reason for it."""
    causes = list(_causes(error))
    if error is None:
        return "failed", "the request came to nothing"
    if private := next((each for each in causes if isinstance(each, PrivateAddress)), None):
        return "refused", str(private)
    if isinstance(error, RobotsForbid):
        return "robots", str(error)
    if isinstance(error, LeftAlone):
        return "blocked", str(error)
    if isinstance(error, IgnoreRequest):
        return _ignored(error)
    if isinstance(error, ArchiveError):
        return "failed", str(error)
    return "failed", _reason(error, causes, request)


def _ignored(error: IgnoreRequest) -> tuple[str, str]:
    text = str(error)
    if "decompression" in text:
        return "failed", "the body decodes to more than the limit (a decompression bomb?); it is kept as it came"
    if "redirections" in text:
        return "failed", "it redirects in a circle, or too often"
    return "failed", text.splitlines()[0] if text else "the request was dropped"


def _reason(error: BaseException, causes: list[BaseException], request: Request) -> str:
    place = _place(request.url)
    server = f"the proxy {_place(request.meta['proxy'])}" if request.meta.get("proxy") else place
    tls = next((each for each in causes if isinstance(each, SSL.Error)), None)
    if tls is not None:
        return f"TLS with {place} failed: {_tls_reason(tls)}; is it an https site, and is its certificate in order?"
    if isinstance(error, TunnelError) or any(isinstance(each, TunnelError) for each in causes):
        return f"the proxy opened no tunnel to {place}; check ARCHIVER_PROXY"
    match error:
        case CannotResolveHostError():
            name = urlsplit(request.meta.get("proxy") or request.url).hostname
            return f"the name {name} cannot be resolved; check its spelling and your network"
        case DownloadConnectionRefusedError():
            return f"{server} refused the connection; is the server running?"
        case DownloadTimeoutError():
            return f"{place} gave no complete answer in time; what came of it is kept"
        case DownloadCancelledError():
            return "the answer exceeds the size limit; what came of it is kept (ARCHIVER_MAX_CAPTURE sets the limit)"
        case ResponseDataLossError():
            return "the connection broke off before the answer was complete; what came of it is kept"
        case UnsupportedURLSchemeError() | NotSupported():
            return "only http and https pages can be archived"
        case ValueError():
            return _no_url(request)
    if any(isinstance(each, ParseError) for each in causes):
        return f"{place} did not answer in HTTP; what it sent is kept"
    if any(isinstance(each, network.TimeoutError | network.TCPTimedOutError) for each in causes):
        return f"{server} did not answer the connection in time; try again later"
    if any(isinstance(each, _CLOSED) for each in causes):
        return f"{place} closed the connection without an answer; try again later"
    if any(isinstance(each, network.ConnectError) for each in causes):
        return f"{server} cannot be reached ({_in_words(causes[-1])}); check your network"
    if isinstance(error, DownloadFailedError):
        return f"{place} answered in HTTP that cannot be understood ({_in_words(causes[-1])}); what it sent is kept"
    return _in_words(error)


def _place(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _no_url(request: Request) -> str:
    """Say which URL it was that no request can be made for; the error itself might repeat a password."""
    hops = request.meta.get("captures")
    if hops and hops[-1].entry.url == request.url:
        return "it redirects to something that is no URL"
    if "@" in urlsplit(request.url).netloc:
        return "a URL with a user name or password in it cannot be fetched; leave them out"
    return "this is no URL that can be fetched; copy it from the browser"


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and everything inside it: explicit causes, and the failures Twisted collects."""
    if error is None:
        return
    yield error
    for failure in getattr(error, "reasons", None) or ():
        yield from _causes(getattr(failure, "value", None))
    yield from _causes(error.__cause__)


def _tls_reason(error: SSL.Error) -> str:
    try:
        return str(error.args[0][0][2])
    except (IndexError, TypeError):
        return str(error) or type(error).__name__
