"""Downloader middlewares: two of Scrapy's made fit for an archive, and one that lets a busy server rest."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import tldextract
from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares import cookies
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from archiver.crawl.downloader import PunctualDownloader

logger = logging.getLogger(__name__)

# Scrapy lets tldextract fetch the public suffix list on first use; the one it ships is enough to keep jars apart.
cookies._split_domain = tldextract.TLDExtract(suffix_list_urls=(), include_psl_private_domains=True, cache_dir=None)


MOST_JARS = 1000
"""Cookie jars that are kept: each page has its own, and Scrapy would keep those of all pages until the crawl ends."""


class OfflineCookies(cookies.CookiesMiddleware):
    """Cookies as Scrapy keeps them, without a network request of its own, of the jars used last."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self.jars = _Jars(CookieJar)


class _Jars(defaultdict[Any, CookieJar]):
    def __getitem__(self, key: Any) -> CookieJar:
        jar = self.pop(key) if key in self else CookieJar()  # an empty one is false
        self[key] = jar  # the last one now
        if len(self) > MOST_JARS:
            del self[next(iter(self))]
        return jar


class LenientCompression(HttpCompressionMiddleware):
    """Decodes bodies; one that does not hold what its Content-Encoding says is passed on as it came."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        try:
            return super().process_response(request, response)
        except IgnoreRequest:  # decodes to more than the limit
            raise
        except Exception as error:  # noqa: BLE001  every decoder has an error of its own
            logger.info("%s is not %s: %s", response.url, response.headers.get("Content-Encoding"), error)
            return response


FIRST_REST = 5.0
"""Seconds a host rests that says it has too much to do, but not for how long; they double every time."""


class LeftAlone(IgnoreRequest):
    """The server asked for a longer rest than a crawl can wait; the message says until when."""


class RestWhenAsked:
    """Lets a host rest that answers 429 or 503, as long as ``Retry-After`` says.

    Requests wait meanwhile. A rest longer than ``ARCHIVER_LONGEST_REST`` ends the crawl of that host instead.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._longest = crawler.settings.getfloat("ARCHIVER_LONGEST_REST")
        self._times: Counter[str] = Counter()
        self._closed: dict[str, LeftAlone] = {}
        # Sent before the next request of the host leaves its queue; process_response comes after.
        crawler.signals.connect(self._answered, signals.response_downloaded)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> RestWhenAsked:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        if closed := self._closed.get(urlsplit(request.url).hostname or ""):
            raise closed

    def _answered(self, response: Response, request: Request) -> None:
        host = urlsplit(request.url).hostname or ""
        downloader = self._crawler.engine.downloader if self._crawler.engine else None
        if response.status not in (429, 503) or not isinstance(downloader, PunctualDownloader):
            self._times.pop(host, None)
            return
        self._times[host] += 1
        now = datetime.now(UTC)
        rest = retry_after(response.headers.get("Retry-After"), now)
        if rest is None:
            rest = min(FIRST_REST * 2 ** min(self._times[host] - 1, 20), self._longest)
        if rest <= self._longest:
            logger.info("%s answers %d and rests for %d s", host, response.status, rest)
            downloader.let_rest(host, rest)
            return
        until = now + timedelta(seconds=min(rest, 10 * 365 * 86400))
        self._closed[host] = LeftAlone(f"the server asked to be left alone until {until:%Y-%m-%d %H:%M} UTC")
        logger.warning("%s: %s", host, self._closed[host])
        downloader.dismiss(host, self._closed[host])


def retry_after(value: bytes | None, now: datetime) -> float | None:
    """Return the seconds a ``Retry-After`` field asks for (RFC 9110, section 10.2.3); ``None`` without a usable one.

    >>> retry_after(b"Sun, 22 Nov 2026 12:01:00 GMT", datetime(2026, 11, 22, 12, tzinfo=UTC))
    60.0
    """
    text = (value or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), 1e9)
