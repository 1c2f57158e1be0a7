"""The spider the others grow from: requests that are accounted for, whatever becomes of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scrapy import Request, Spider
from scrapy.http import Response
from twisted.python.failure import Failure

from archiver.crawl.failures import explain
from archiver.crawl.pipeline import FetchedPage, UnfetchedPage
from archiver.crawl.recorder import Recorder
from archiver.extract import Page
from storage.writer import Stored

if TYPE_CHECKING:
    from archiver.archive import Archive

_attempts = itertools.count(1)


class ArchivingSpider(Spider):
    """A spider whose page requests each end in exactly one outcome.

    Use :meth:`page_request` for what is to become an article; everything else a subclass requests is captured as well.
    """

    @property
    def recorder(self) -> Recorder:
        return Recorder.of(self.crawler)

    @property
    def archive(self) -> Archive:
        return self.recorder.archive

    def page_request(self, url: str, *, job: Any = None) -> Request:
        """Return a request whose answer is stored, read as an article and accounted for."""
        number = next(_attempts)
        meta = {
            "attempt": number,
            "cookiejar": number,  # what one page sets must not colour the next
            "read_article": True,
            "asked": url,
            "job": job,
            "captures": [],
        }
        request = Request(url, callback=self.parse_page, errback=self.page_failed, dont_filter=True, meta=meta)
        self.recorder.begin()
        return request

    def parse_page(self, response: Response) -> Iterator[FetchedPage | UnfetchedPage]:
        """Hand a fetched page to the pipeline, which reads it."""
        meta = response.meta
        stored: Stored | None = meta.get("awaiting_article")
        if stored is None and (target := response.headers.get("Location")):
            reason = f"it redirects to {target.decode('latin-1')}, which cannot be archived"
            yield UnfetchedPage(meta["asked"], "failed", (reason,), meta)
            return
        failure = None
        if stored is not None and stored.truncated:
            failure = meta.get("fault") or f"the answer was cut short ({stored.truncated})"
        yield FetchedPage(self._prepared(_page_of(response), meta), meta, failure)

    def page_failed(self, failure: Failure) -> Iterator[FetchedPage | UnfetchedPage]:
        """Account for a page that could not be fetched, or not whole."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        outcome, reason = explain(failure.value, request)
        stored: Stored | None = request.meta.get("awaiting_article")
        if stored is None or outcome != "failed":
            yield UnfetchedPage(request.meta["asked"], outcome, (reason,), request.meta)
            return
        page = Page(
            url=stored.entry.url,
            requested_url=request.meta["asked"],
            status=stored.entry.status or 0,
            headers=(),
            body=b"",
            captured_at=datetime.fromisoformat(stored.date),
            truncated=stored.truncated is not None,
        )
        yield FetchedPage(self._prepared(page, request.meta), request.meta, reason)

    def _prepared(self, page: Page, meta: dict[str, Any]) -> Page:
        """Return a page with its site and the site's rules."""
        return self.archive.sites.prepared(page)


def _page_of(response: Response) -> Page:
    stored: Stored | None = response.meta.get("awaiting_article")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    )
    return Page(
        url=response.url,
        requested_url=response.meta["asked"],
        status=response.status,
        headers=headers,
        body=response.body,
        captured_at=datetime.fromisoformat(stored.date) if stored else datetime.now(UTC),
    )
