"""Two of Scrapy's downloader middlewares, made fit for an archive."""

from __future__ import annotations

import logging

import tldextract
from scrapy import Request, Spider
from scrapy.downloadermiddlewares import cookies
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

logger = logging.getLogger(__name__)

# Scrapy lets tldextract fetch the public suffix list on first use; the one it ships is enough to keep jars apart.
cookies._split_domain = tldextract.TLDExtract(suffix_list_urls=(), include_psl_private_domains=True, cache_dir=None)


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
