"""Three of Scrapy's downloader middlewares, made fit for an archive."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

import tldextract
from scrapy import Request, Spider
from scrapy.downloadermiddlewares import cookies
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.robotstxt import RobotParser
from twisted.internet.defer import Deferred

logger = logging.getLogger(__name__)

# Scrapy lets tldextract fetch the public suffix list on first use; the one it ships is enough to keep jars apart.
cookies._split_domain = tldextract.TLDExtract(suffix_list_urls=(), include_psl_private_domains=True, cache_dir=None)


class PatientRobots(RobotsTxtMiddleware):
    """Obeys robots.txt, also for requests that come while it is being fetched.

    Scrapy 2.19 lets them all await one Deferred, which gives its result to the first and ``None``, no rules, to the
    others: at the start of a crawl a host would be asked for what it forbids.
    """

    async def robot_parser(self, request: Request) -> RobotParser | None:
        pending = self._parsers.get(urlsplit(request.url).netloc)
        if not isinstance(pending, Deferred):
            return await super().robot_parser(request)
        arrived: asyncio.Future[RobotParser | None] = asyncio.get_running_loop().create_future()

        def pass_on(parser: RobotParser | None) -> RobotParser | None:
            if not arrived.done():
                arrived.set_result(parser)
            return parser

        pending.addCallback(pass_on)
        return await arrived


class OfflineCookies(cookies.CookiesMiddleware):
    """Cookies as Scrapy keeps them, without a network request of its own."""


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
