"""The item pipeline: reads pages off the reactor thread, stores their articles, accounts for every attempt."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from archiver.article import Article
from archiver.crawl.attempt import Attempt, warc_json
from archiver.crawl.discovery.found import Found, fill
from archiver.crawl.gatherer import Gatherer
from archiver.crawl.readers import Readers
from archiver.crawl.recorder import Recorder
from archiver.errors import ArchiveError
from archiver.extract import Page, failed_article
from archiver.reading import complete_article
from archiver.repeats import reasons_of
from archiver.rights import as_permitted
from archiver.sites import Site
from storage.writer import Stored

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class FetchedPage:
    """A page that was fetched and is to be read. `meta` is the request's, with what was captured for it."""

    page: Page = field(repr=False)
    meta: dict[str, Any] = field(repr=False)
    failure: str | None = None
    """Why the page is not to be read although it was captured; the outcome is ``failed`` then."""


@dataclass(slots=True)
class UnfetchedPage:
    """A page that could not be fetched, or did not have to be."""

    url: str
    outcome: str
    evidence: tuple[str, ...]
    meta: dict[str, Any] = field(default_factory=dict)
    known: Attempt | None = None
    """The attempt to report instead: the page is archived already."""


class ArticlePipeline:
    """Turns what spiders yield into articles and outcomes."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._recorder = Recorder.of(crawler)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        settings = crawler.settings
        self._gatherer = Gatherer(crawler)
        self._waits_for_requisites = settings.getbool("ARCHIVER_WAIT_FOR_REQUISITES")
        self._obeys_opt_out = settings.getbool("ARCHIVER_OBEY_OPT_OUT")
        self._readers = Readers(
            workers=settings.getint("ARCHIVER_READERS") or None, time_limit=settings.getfloat("ARCHIVER_READ_SECONDS")
        )

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> ArticlePipeline:
        return cls(crawler)

    async def process_item(self, item: Any) -> Any:
        if isinstance(item, FetchedPage):
            await self._finish(await self._read(item), item.meta)
        elif isinstance(item, UnfetchedPage):
            self._recorder.release(item.meta)
            await self._recorder.finish(_unfetched(item), item.meta.get("job"))
        return item

    async def _finish(self, attempt: Attempt, meta: dict[str, Any]) -> None:
        """Account for a page that was read, and have its requisites gathered; before, if the page waits for them."""
        job, jar = meta.get("job"), meta.get("cookiejar")
        is_wanted = self._gatherer.wants(attempt, getattr(job, "site", None))
        if is_wanted and self._waits_for_requisites:
            attempt = replace(attempt, requisites=await self._gatherer.gather(attempt, jar))
        await self._recorder.finish(attempt, job)
        if is_wanted and not self._waits_for_requisites:
            self._gatherer.gather_later(attempt, jar)

    async def close_spider(self) -> None:
        await self._gatherer.close()
        await asyncio.to_thread(self._readers.close)

    async def _read(self, item: FetchedPage) -> Attempt:
        captures: tuple[Stored, ...] = tuple(item.meta.get("captures", ()))
        stored: Stored | None = item.meta.pop("awaiting_article", None)
        url = item.page.requested_url
        if stored is None:
            return Attempt(url, "failed", ("the answer could not be captured",), captures=captures)
        try:
            read = failed_article(item.page, item.failure) if item.failure else await self._readers.read(item.page)
            read = self._as_permitted(_with_what_led_there(read, item.meta), item.meta.get("job"))
            async with self._turn(stored.entry.urlkey):
                article = await asyncio.to_thread(self._complete, read, stored)
                await self._recorder.write_article(stored, article)
        except ArchiveError as error:
            return replace(_located(url, stored, captures), outcome="failed", evidence=(str(error),))
        except Exception as error:
            self._recorder.release({"awaiting_article": stored})
            logger.exception("the article of %s could not be kept", url)
            reason = f"the article could not be kept: {type(error).__name__}: {error}"
            return replace(_located(url, stored, captures), outcome="failed", evidence=(reason,))
        except BaseException:
            self._recorder.release({"awaiting_article": stored})
            raise
        return replace(
            _located(url, stored, captures),
            outcome=article.outcome,
            evidence=reasons_of(article),
            title=article.title,
            version=article.version,
        )

    def _as_permitted(self, article: Article, job: Any) -> Article:
        """Return the article, without its text where the publisher reserves it and we obey."""
        site: Site | None = getattr(job, "site", None) or self._recorder.archive.sites.of(article.url)
        return as_permitted(article, site, obey=self._obeys_opt_out)

    def _turn(self, urlkey: str) -> asyncio.Lock:
        """Return the lock of one page: a version is compared with the one before only when that one is written."""
        lock = self._turns.get(urlkey)
        if lock is None:
            lock = self._turns[urlkey] = asyncio.Lock()
        return lock

    def _complete(self, article: Article, stored: Stored) -> Article:
        return complete_article(self._recorder.archive, article, warc=warc_json(stored), date=stored.date)


def _with_what_led_there(article: Article, meta: dict[str, Any]) -> Article:
    """Return the article with what the crawl knows besides the page: the entry that led to it, and robots.txt."""
    found: Found | None = meta.get("found")
    if found is not None:
        article = fill(article, found)
    if (statement := meta.get("robots_txt")) is not None:
        article = replace(article, rights=replace(article.rights, robots_txt=statement))
    return article


def _located(url: str, stored: Stored, captures: tuple[Stored, ...]) -> Attempt:
    return Attempt(
        url,
        "saved",
        final_url=stored.entry.url,
        timestamp=stored.entry.timestamp,
        status=stored.entry.status,
        warc=warc_json(stored),
        captures=captures,
    )


def _unfetched(item: UnfetchedPage) -> Attempt:
    if item.known is not None:
        return item.known
    captures: tuple[Stored, ...] = tuple(item.meta.get("captures", ()))
    last = captures[-1] if captures else None
    attempt = Attempt(item.url, item.outcome, item.evidence, captures=captures)
    if last is None:
        return attempt
    return replace(
        attempt,
        final_url=last.entry.url,
        timestamp=last.entry.timestamp,
        status=last.entry.status,
        warc=warc_json(last),
    )
