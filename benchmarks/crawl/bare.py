"""Scrapy as it comes, trafilatura in the callback, nothing kept. Run by ``benchmarks.crawl.bench``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import trafilatura
from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from trafilatura.settings import Document

from benchmarks.crawl.site import path_of

SETTINGS: dict[str, Any] = {
    "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
    "ROBOTSTXT_OBEY": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "LOG_LEVEL": "WARNING",
    "LOG_INSTALL_ROOT_HANDLER": False,
}
"""The same for both sides."""


class BareSpider(Spider):
    name = "bare"
    origin = ""
    pages = 0
    read: set[str]

    async def start(self) -> AsyncIterator[Any]:
        for number in range(self.pages):
            yield Request(self.origin + path_of(number), dont_filter=True)

    def parse(self, response: Response, **kwargs: Any) -> None:
        article = trafilatura.bare_extraction(response.text, url=response.url, with_metadata=True)
        if isinstance(article, Document) and article.title and article.text:
            self.read.add(response.url)


def main(origin: str, pages: int) -> None:
    """Print how many pages of the site have a title and a text, and that nothing is left behind."""
    read: set[str] = set()
    process = AsyncCrawlerProcess(SETTINGS)
    process.crawl(BareSpider, origin=origin, pages=pages, read=read)
    process.start()
    print(len(read), 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
