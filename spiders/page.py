"""``scrapy crawl page -a url=URL``: archive single pages now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from archiver.crawl.attempt import Attempt
from archiver.crawl.pipeline import UnfetchedPage
from archiver.crawl.saves import SaveRequest, known_attempt
from archiver.crawl.spider import ArchivingSpider
from archiver.errors import ArchiveError, BadRequest
from archiver.urls import check_url, without_password


class PageSpider(ArchivingSpider):
    """Archives the pages it is given and follows no links."""

    name = "page"
    # A person asks for one page, as a browser would: robots.txt is for crawlers.
    custom_settings = {"ROBOTSTXT_OBEY": False, "ARCHIVER_WAIT_FOR_REQUISITES": True}  # noqa: RUF012  Scrapy declares it so

    def __init__(
        self, url: str | None = None, requests: Iterable[SaveRequest] | AsyncIterator[SaveRequest] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._requests = [*map(SaveRequest, (url or "").split())] if url else requests

    async def start(self) -> AsyncIterator[Any]:
        if isinstance(self._requests, AsyncIterator):
            async for request in self._requests:
                yield self._begin(request)
        else:
            for request in self._requests:
                yield self._begin(request)

    def _begin(self, request: SaveRequest) -> Any:
        meta = {"job": request.job}
        try:
            url = check_url(request.url)
            known = self._known(url, request)
            if known is None:
                return self.page_request(url, job=request.job)
        except (BadRequest, ValueError) as error:
            self.recorder.begin()
            return UnfetchedPage(without_password(request.url), "failed", (str(error),), meta)
        self.recorder.begin()
        return UnfetchedPage(url, known.outcome, known.evidence, meta, known)

    def _known(self, url: str, request: SaveRequest) -> Attempt | None:
        if request.if_older_than is None:
            return None
        try:
            return known_attempt(self.archive, url, request.if_older_than)
        except ArchiveError as error:  # what is there cannot be read: all the more reason to fetch it
            self.logger.warning("%s is fetched again: %s", url, error)
            return None
