"""The spider of news sites: fetches the documents that name articles, then the articles that are new or due.

What is known of a site is its :class:`archiver.crawl.plan.Plan`. Requests are made only as fast as they are fetched, so
that a site of a million pages takes no more memory than one of a hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.robotstxt import RobotParser
from scrapy.settings import SETTINGS_PRIORITIES
from twisted.python.failure import Failure

from archiver import settings
from archiver.archive import Snapshot
from archiver.crawl.attempt import Attempt, attempt_finished
from archiver.crawl.discover import (
    Discovered,
    Found,
    is_older,
    judged,
    known_feeds,
    known_sitemaps,
    order_sitemaps,
    read,
    same_site,
    seen_key,
    trap,
    without_editions,
)
from archiver.crawl.downloader import PunctualDownloader
from archiver.crawl.plan import NOT_MODIFIED, Plan, Validators, conditions, read_found, utc_now
from archiver.crawl.spider import ArchivingSpider
from archiver.errors import ArchiveError
from archiver.extract import Page
from archiver.sites import Site, Sites
from archiver.urls import check_url
from storage.cdx import Entry
from storage.message import ContentTooLarge
from storage.visits import Kind, Visit
from storage.writer import Stored

COMMAND_LINE = SETTINGS_PRIORITIES["cmdline"]
AHEAD = 100
"""Articles that are asked for at once; the next are taken when the scheduler has none left."""
RECENT = timedelta(days=30)
"""Of a large sitemap, and of an index of sitemaps, what is older is left to a crawl that asks for it."""
LARGEST_DOCUMENT = 64 * 2**20
"""Bytes of a sitemap; the protocol allows 50 MB."""
LARGE = 5000
"""Entries from which on a sitemap is large."""
MOST_CHILDREN = 50
"""Children of a sitemap index that one crawl fetches, unless it asks for the past."""
MOST_FEEDS = 5
MOST_SECTIONS = 20
MOST_GUESSES = 6
MOST_PAGES = 20
"""Pages of one list, of which each names the next; some lists have no end."""
MOST_PAGES_BACK = 1000
"""The same for a crawl that asks for the past."""
PATIENCE = 5.0
"""Seconds for which articles wait for the feeds and sitemaps of the first round."""
MOST_LISTED = 100
MOST_VANISHED = 50
"""Entries that may vanish from a list at once; of more, it was the list that changed."""
_DOCUMENTS_FIRST = 100
_FRESH_FIRST = 10


@dataclass(slots=True)
class Task:
    """A page of a site that is being fetched; comes back with its attempt."""

    site: Site
    visit: Visit
    validators: Validators | None = None


@dataclass(slots=True)
class Progress:
    """What a crawl of sites has done so far."""

    documents: int = 0
    """Feeds, sitemaps and section pages read."""
    found: int = 0
    """Entries that named a page not known yet, or edited since."""
    older: int = 0
    """Entries left out for their age."""
    lists: list[tuple[str, str, int]] = field(default_factory=list)
    """Kind, URL and number of usable entries of the documents read, the first hundred of them."""
    failed_documents: dict[str, str] = field(default_factory=dict)
    """URL and reason."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class SiteSpider(ArchivingSpider):
    """Archives what is new on its sites and looks again at what is due."""

    custom_settings = {  # noqa: RUF012  Scrapy declares it so
        "ROBOTSTXT_OBEY": True,
        "DOWNLOAD_DELAY": 1.0,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 2,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": 0.0,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": 2.0,
        "RETRY_HTTP_CODES": [408, 429, 500, 502, 503, 504, 522, 524],
        "DOWNLOADER_MIDDLEWARES": {
            **settings.DOWNLOADER_MIDDLEWARES,
            "archiver.crawl.middlewares.RestWhenAsked": 560,
        },
    }
    site: Site | None = None
    """The site a spider in code is for; ``-a homepage=URL`` crawls it at another address, such as a copy of it."""

    def __init__(
        self,
        *,
        sites: Sequence[Site] = (),
        homepage: str | None = None,
        since: datetime | None = None,
        max_articles: int | None = None,
        due: bool = False,
        **kwargs: Any,
    ) -> None:
        """`due` fetches only documents whose time has come; without it, all of them."""
        super().__init__(**kwargs)
        if homepage and self.site:
            self.site = self.site.moved_to(check_url(homepage))
        self.sites = list(sites) or ([self.site] if self.site else [])
        self.since = since
        self.progress = Progress()
        self._left = max_articles
        self._due = due
        self._open_documents = 0
        self._something_happened = asyncio.Event()
        self._asked: set[str] = set()
        self._sitemaps_of: dict[str, list[str]] = {}
        self._taken: dict[str, Task] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> SiteSpider:
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider._robots_parsed, signals.robots_parsed)
        crawler.signals.connect(spider._attempt_finished, attempt_finished)
        crawler.signals.connect(spider._closed, signals.spider_closed)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        self._plan = Plan(self.archive)
        for site in self.sites:
            self._set_pace(site)
        if self.crawler.engine:  # what waits for its host in the downloader is fetched even after Ctrl-C
            self.crawler.engine.downloader.total_concurrency = min(64, 8 * len(self.sites))
        for site in self.sites:
            for visit in await asyncio.to_thread(self._first_documents, site):
                yield self._document_request(site, visit)
        await self._first_documents_read()
        while True:
            self._something_happened.clear()
            tasks = await asyncio.to_thread(self._take)
            for task in tasks:
                yield self._article_request(task)
            if tasks:
                await self.crawler.signals.wait_for(signals.scheduler_empty)
            elif self._open_documents:
                await self._something_happened.wait()
            else:
                return

    async def _first_documents_read(self) -> None:
        """Wait a moment for all documents, because a feed knows more of an article than the front page does."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while self._open_documents and (left := deadline - loop.time()) > 0:
            self._something_happened.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something_happened.wait(), left)

    # Documents

    def _first_documents(self, site: Site) -> Iterable[Visit]:
        configured: list[tuple[Kind, Sequence[str] | None]] = [
            ("feed", site.feeds),
            ("sitemap", site.sitemaps),
            ("section", (site.homepage,) if site.sections is None else site.sections),
        ]
        known = {visit.key: visit for visit in self._plan.documents(site, due=False)}
        for kind, urls in configured:
            if urls is not None and not (kind == "section" and site.sections is None):
                known = {key: visit for key, visit in known.items() if visit.kind != kind}
            known |= {visit.key: visit for url in urls or () if (visit := self._plan.document(site, url, kind))}
        now = utc_now()
        return [visit for visit in known.values() if not self._due or visit.due is None or visit.due <= now]

    def _document_request(self, site: Site, visit: Visit, page: int = 1) -> Request:
        """Return the request for a document; `page` counts the pages of a list on which each named the next."""
        self._asked.add(visit.key)
        self._open_documents += 1
        return Request(
            visit.url,
            headers=conditions(visit),
            callback=self.parse_document,
            errback=self.document_failed,
            dont_filter=True,
            priority=_DOCUMENTS_FIRST,
            cb_kwargs={"site": site, "visit": visit, "page": page},
        )

    async def parse_document(self, response: Response, site: Site, visit: Visit, page: int) -> AsyncIterator[Request]:
        """Take in what a feed, sitemap or section page names, and follow it to further ones."""
        try:
            if response.status not in (200, 304):
                self._document_failed(visit, f"HTTP {response.status}")
                return
            found, number = await asyncio.to_thread(self._read_document, response, site, visit)
            self.progress.documents += 1
            for further in self._further_documents(site, visit, found):
                yield self._document_request(site, further)
            if number and page < (MOST_PAGES_BACK if self.since else MOST_PAGES):
                for further in self._next_page(site, visit, found):
                    yield self._document_request(site, further, page + 1)
        finally:
            self._document_closed()

    async def document_failed(self, failure: Failure) -> AsyncIterator[Request]:
        """Read a document that was too large to be handed over from the archive; note that any other failed."""
        from archiver.crawl.failures import explain

        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        stored: Stored | None = (request.meta.get("captures") or [None])[-1]
        if isinstance(failure.value, IgnoreRequest) and stored is not None and stored.entry.status == 200:
            response = Response(request.url, request=request)
            if (body := await asyncio.to_thread(self._stored_body, stored)) is not None:
                async for further in self.parse_document(response.replace(body=body), **request.cb_kwargs):
                    yield further
                return
        self._document_failed(request.cb_kwargs["visit"], explain(failure.value, request)[1])
        self._document_closed()

    def _stored_body(self, stored: Stored) -> bytes | None:
        """Return the body of a capture; ``None`` when it is larger than any sitemap may be, or cannot be read."""
        try:
            return Snapshot(self.archive, stored.entry).body(limit=LARGEST_DOCUMENT)
        except (ArchiveError, ContentTooLarge):
            return None

    def _document_failed(self, visit: Visit, reason: str) -> None:
        if visit.visited is None and visit.url not in self._named(visit):
            return  # a guess that was wrong
        self.progress.failed_documents[visit.url] = reason
        self.logger.warning("%s could not be read: %s", visit.url, reason)
        self._plan.note_failure(visit)

    def _named(self, visit: Visit) -> Sequence[str]:
        """Return the documents that a site's entry or robots.txt names, whose failures are told."""
        site = next(site for site in self.sites if site.name == visit.site)
        named = (*(site.feeds or ()), *(site.sitemaps or ()), *(site.sections or (site.homepage,)))
        return (*named, *chain.from_iterable(self._sitemaps_of.values()))

    def _document_closed(self) -> None:
        self._open_documents -= 1
        self._something_happened.set()

    def _read_document(self, response: Response, site: Site, visit: Visit) -> tuple[Discovered, int]:
        """Read a document, note its entries and when to fetch it again; runs in a thread."""
        if response.status == 304:
            self._plan.note_document(visit, has_news=False, validators=NOT_MODIFIED)
            return Discovered(url=response.url, kind="nothing"), 0
        content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
        body = response.body
        if len(body) >= self.settings.getint("DOWNLOAD_MAXSIZE"):  # which is where it was cut off
            body = self._stored_body(response.meta["captures"][-1]) or body
        found = read(body, response.url, content_type, now=utc_now(), since=self.since)
        entries = [] if found.is_comments else list(self._wanted(site, found))
        number = self._plan.take_in(site, entries)
        number += self._plan.bring_forward(vanished(self._read_before(response), found))
        self.progress.found += number
        self.progress.older += found.older
        if len(self.progress.lists) < MOST_LISTED:
            self.progress.lists.append((found.kind, response.url, len(entries)))
        for note in found.notes:
            self.logger.info("%s: %s", response.url, note)
        if found.kind != "nothing":
            validators = self._validators(response, visit)
            self._plan.note_document(visit, has_news=number > 0, hint=found.interval, validators=validators)
        return found, number

    def _read_before(self, response: Response) -> Discovered | None:
        """Return what the document told at the capture before, if that was something else."""
        stored = (response.meta.get("captures") or [None])[-1]
        before = self._capture_before(stored) if stored is not None else None
        if before is None or before.payload_digest == stored.payload_digest:
            return None
        try:
            body = Snapshot(self.archive, before).body(limit=len(response.body) * 4 + 2**20)
        except (ArchiveError, ContentTooLarge):
            return None
        return read(body, response.url, before.mime, now=utc_now())

    def _capture_before(self, stored: Stored) -> Entry | None:
        entry = stored.entry
        earlier = self.archive.index.captures(entry.url, until=entry.timestamp, reverse=True, limit=4)
        place = (entry.segment, entry.offset)
        return next((each for each in earlier if each.status == 200 and (each.segment, each.offset) != place), None)

    def _wanted(self, site: Site, found: Discovered) -> Iterator[Found]:
        """Yield the entries that may be articles of the site."""
        entries: Iterable[Found] = without_editions(found.entries)
        if len(found.entries) > LARGE and self.since is None and found.kind == "sitemap":
            recent = utc_now() - RECENT
            fresh = [entry for entry in entries if not is_older(entry, recent) and entry.changed_at]
            self.progress.older += len(found.entries) - len(fresh)
            entries = fresh
        for entry in entries:
            if not (site.covers(entry.url) or same_site(entry.url, site.homepage)):
                continue
            if site.may_be_article(entry.url) and not trap(entry.url) and (site.article or judged(entry).likely):
                yield entry

    def _further_documents(self, site: Site, visit: Visit, found: Discovered) -> Iterator[Visit]:
        wanted: list[tuple[Kind, str]] = []
        is_home = seen_key(visit.url) == seen_key(site.homepage)
        if found.kind == "sitemap-index":
            wanted += [("sitemap", url) for url in self._children(found)]
        if is_home and site.feeds is None:
            feeds = [feed.url for feed in found.feeds if feed.score >= 0][:MOST_FEEDS]
            wanted += [("feed", url) for url in feeds]
        if is_home and site.sitemaps is None:
            wanted += [("sitemap", url) for url in self._sitemaps_of.get(_origin(visit.url), ())]
        if is_home and visit.visited is None and not wanted:
            wanted += [("feed", url) for url in known_feeds(site.homepage)[:MOST_GUESSES] if site.feeds is None]
            wanted += [
                ("sitemap", url) for url in known_sitemaps(site.homepage)[:MOST_GUESSES] if site.sitemaps is None
            ]
            if site.sections is None:
                wanted += [("section", section.url) for section in found.sections[:MOST_SECTIONS]]
        return self._not_asked(site, wanted)

    def _next_page(self, site: Site, visit: Visit, found: Discovered) -> Iterator[Visit]:
        is_wanted = found.kind in ("feed", "section") and (self.since or visit.visited is None)
        return self._not_asked(site, [(visit.kind, found.next_page)] if found.next_page and is_wanted else [])

    def _not_asked(self, site: Site, documents: Iterable[tuple[Kind, str]]) -> Iterator[Visit]:
        for kind, url in documents:
            further = self._plan.document(site, url, kind)
            is_due = not self._due or further.due is None or further.due <= utc_now()
            if further.key not in self._asked and is_due and not trap(url):
                yield further

    def _children(self, found: Discovered) -> list[str]:
        """Return the sitemaps of an index that are worth fetching: of a long one, the recent ones."""
        is_long = len(found.sitemaps) > MOST_CHILDREN
        since = self.since or (utc_now() - RECENT if is_long else None)
        limit = MOST_CHILDREN if is_long and not self.since else None
        return [child.url for child in order_sitemaps(found.sitemaps, now=utc_now(), since=since, limit=limit)]

    def _robots_parsed(self, robotparser: RobotParser, request: Request) -> None:
        parser = getattr(robotparser, "rp", None)
        self._sitemaps_of[_origin(request.url)] = list(islice(getattr(parser, "sitemaps", ()), MOST_CHILDREN))

    # Articles

    def _take(self) -> list[Task]:
        """Return what to fetch next, of each site in its turn."""
        tasks: list[Task] = []
        for site in self.sites:
            limit = AHEAD if self._left is None else min(AHEAD, self._left)
            taken = [Task(site, visit) for visit in self._plan.next_articles(site, limit)] if limit else []
            if self._left is not None:
                self._left -= len(taken)
            tasks += taken
        self._taken |= {task.visit.key: task for task in tasks}
        return tasks

    def _article_request(self, task: Task) -> Request:
        visit = task.visit
        request = self.page_request(visit.url, job=task)
        request.headers.update(conditions(visit))
        request.priority = _FRESH_FIRST if visit.visited is None else 0
        request.meta["found"] = read_found(visit.url, visit.found)
        return request

    def parse_page(self, response: Response) -> Iterator[Any]:
        task: Task | None = response.meta.get("job")
        if task is not None and response.status == 200:
            task.validators = self._validators(response, task.visit)
        elif task is not None and response.status == 304:
            task.validators = NOT_MODIFIED
        yield from super().parse_page(response)

    def _prepared(self, page: Page, meta: dict[str, Any]) -> Page:
        task: Task | None = meta.get("job")
        if task is None or not task.site.covers(page.url):
            return super()._prepared(page, meta)
        return Sites([task.site]).prepared(page)

    def _validators(self, response: Response, visit: Visit) -> Validators:
        """Return what an answer says of its version, and if that is what was said before, whether it is the truth."""
        etag, modified = (response.headers.get(name) for name in ("ETag", "Last-Modified"))
        said = [value.decode("latin-1") if value else None for value in (etag, modified)]
        is_repeated = any(said) and said == [visit.etag, visit.last_modified]
        stored = (response.meta.get("captures") or [None])[-1]
        before = self._capture_before(stored) if stored is not None and is_repeated else None
        same = None if before is None or stored is None else before.payload_digest == stored.payload_digest
        return Validators(*said, same_payload=same)

    def _attempt_finished(self, attempt: Attempt, job: Any) -> None:
        if isinstance(job, Task):
            self._taken.pop(job.visit.key, None)
            self._plan.note_article(job.site, job.visit, attempt, job.validators)

    # The crawl

    def _set_pace(self, site: Site) -> None:
        downloader = self.crawler.engine.downloader if self.crawler.engine else None
        if not isinstance(downloader, PunctualDownloader):
            return
        is_told = self.settings.getpriority("DOWNLOAD_DELAY") or 0
        delay = site.delay if is_told < COMMAND_LINE else None
        for host in site.all_hosts:
            for name in (host, f"www.{host}"):
                downloader.set_pace(name, delay=delay, at_once=site.concurrency)

    def _closed(self) -> None:
        if hasattr(self, "_plan"):
            self._plan.give_back(task.visit for task in self._taken.values())
            self._plan.flush()


def vanished(before: Discovered | None, now: Discovered) -> list[str]:
    """Return the URLs that a feed or sitemap named before and names no more, although older ones still stand there.

    They may have been withdrawn. The oldest leave such lists in any case, and a list that is made anew says nothing.
    """
    if before is None or before.kind != now.kind or now.kind not in ("feed", "sitemap"):
        return []
    named = {seen_key(entry.url) for entry in now.entries}
    oldest = min((entry.changed_at for entry in now.entries if entry.changed_at), default=None)
    stays = [seen_key(entry.url) in named for entry in before.entries]
    gone = []
    for number, entry in enumerate(before.entries):
        if not stays[number]:
            is_between = any(stays[:number]) and any(stays[number + 1 :])
            is_younger = entry.changed_at is not None and oldest is not None and entry.changed_at > oldest
            if is_between or is_younger:
                gone.append(entry.url)
    return gone if len(gone) <= MOST_VANISHED else []


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
