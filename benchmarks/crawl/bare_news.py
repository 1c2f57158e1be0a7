"""Scrapy's spider for sitemaps as it comes, trafilatura in the callback, nothing kept. Run by ``benchmarks.crawl``."""

from __future__ import annotations

import sys
from typing import Any

import trafilatura
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from scrapy.spiders import SitemapSpider
from trafilatura.settings import Document

from benchmarks.crawl.bare import SETTINGS


class BareNewsSpider(SitemapSpider):
    name = "bare-news"
    sitemap_rules = [("/news/", "parse")]  # noqa: RUF012  Scrapy declares it so
    read: set[str]

    def parse(self, response: Response, **kwargs: Any) -> None:
        article = trafilatura.bare_extraction(response.text, url=response.url, with_metadata=True)
        if isinstance(article, Document) and article.title and article.text:
            self.read.add(response.url)


def main(origin: str) -> None:
    """Print how many pages of the site have a title and a text, and that nothing is left behind."""
    read: set[str] = set()
    process = AsyncCrawlerProcess(SETTINGS)
    process.crawl(BareNewsSpider, sitemap_urls=[f"{origin}/robots.txt"], read=read)
    process.start()
    print(len(read), 0)


if __name__ == "__main__":
    main(sys.argv[1])
