"""``scrapy crawl news -a site=NAME``: archive what is new on a configured site, or on any with ``-a url=HOMEPAGE``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from archiver.crawl.site_spider import SiteSpider
from archiver.sites import Site
from archiver.urls import check_url


class NewsSpider(SiteSpider):
    """Crawls sites that need no code of their own, which is nearly all."""

    name = "news"

    def __init__(
        self,
        site: str | None = None,
        url: str | None = None,
        sites: Sequence[Site] = (),
        since: str | datetime | None = None,
        max_articles: str | int | None = None,
        **kwargs: Any,
    ) -> None:
        """`site` names sites of the sites file, with commas between them; `url` is a homepage."""
        if isinstance(since, str):
            since = datetime.fromisoformat(since)
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        super().__init__(
            sites=sites, since=since, max_articles=None if max_articles is None else int(max_articles), **kwargs
        )
        self._names = [name for name in (site or "").split(",") if name]
        self._url = url

    async def start(self) -> AsyncIterator[Any]:
        self.sites += [self.archive.sites.named(name) for name in self._names]
        if self._url:
            homepage = check_url(self._url)
            self.sites.append(self.archive.sites.of(homepage) or Site(homepage=homepage))
        async for request in super().start():
            yield request
