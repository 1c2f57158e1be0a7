"""Gathers the requisites of pages that are archived: asks for what the archive does not hold, and accounts for it.

A requisite is a capture like any other and a line of kind ``support`` in the crawl's log. It is asked for after its
page is durable, under the same politeness, robots.txt and address checks, wherever it lies; each URL once per crawl,
and not if the archive holds a capture of it younger than a day. What becomes of it changes nothing for its page.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from scrapy import Request, signals
from scrapy.exceptions import DontCloseSpider, DownloadCancelledError
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from archiver.archive import Snapshot
from archiver.crawl.attempt import Attempt
from archiver.crawl.downloader import BEHIND
from archiver.crawl.failures import explain
from archiver.crawl.recorder import Recorder
from archiver.crawl.requisites import Link, Rank, links_of_page, links_of_sheet
from archiver.errors import ArchiveError
from archiver.outcome import status_line
from archiver.sites import Site
from storage.cdx import Entry
from storage.message import ContentTooLarge
from storage.writer import Stored

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

WORTH_IT = ("saved", "unchanged", "paywalled", "not_article", "empty")
"""Outcomes of pages that somebody may want to look at; ``empty`` ones are often written by their scripts."""
FRESH = timedelta(days=1)
"""A capture younger than this is not made again."""
PAGES_AT_ONCE = 4
"""Pages of a crawl whose requisites are gathered at a time."""
AT_ONCE = 6
"""Requisites of one page that are asked for at a time, as browsers do."""
LONGEST = 30.0
"""Seconds a requisite may take."""
MOST_SILENCES = 3
"""Times in a row that a host may leave requisites without an answer; then it is left alone."""
MOST_REMEMBERED = 50_000
"""URLs asked for in this crawl that are remembered; the archive itself knows of the others."""
MOST_SHEETS = 64
"""Style sheets whose links are remembered."""
MOST_TWINS = 50
"""Captures looked at among those whose URLs differ by no more than the order of a query or the case of a path."""
_MOST_BODY = 2**26

How = Literal["saved", "known", "failed"]
_GONE = (404, 410)
_BLOCKED = (401, 403, 429)


@dataclass(slots=True)
class _Page:
    """A page whose requisites are wanted."""

    stored: Stored
    cookiejar: Any
    is_waited_for: bool


class Gatherer:
    """Gathers requisites for one crawl."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._recorder = Recorder.of(crawler)
        self._archive = self._recorder.archive
        self._is_on = settings.getbool("ARCHIVER_REQUISITES")
        self._most_per_page = settings.getint("ARCHIVER_REQUISITES_PER_PAGE")
        self._most_bytes = settings.getint("ARCHIVER_REQUISITE_BYTES")
        self._timeout = min(LONGEST, settings.getfloat("DOWNLOAD_TIMEOUT"))
        self._patience = settings.getfloat("ARCHIVER_REQUISITES_SECONDS")
        self._per_host = max(1, settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN"))
        self._all = asyncio.Semaphore(max(1, settings.getint("CONCURRENT_REQUESTS")))
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._asking: dict[str, asyncio.Task[How]] = {}
        self._asked: OrderedDict[str, How] = OrderedDict()
        self._sheets: OrderedDict[str, list[Link]] = OrderedDict()
        self._silences: Counter[str] = Counter()
        self._waiting: deque[_Page] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        crawler.signals.connect(self._idle, signals.spider_idle)

    def wants(self, attempt: Attempt, site: Site | None) -> bool:
        """Tell whether requisites of the page of this attempt are to be gathered; `site` is that of its crawl."""
        if attempt.outcome not in WORTH_IT or attempt.status != 200 or not attempt.captures:
            return False
        if self._is_on or (site is not None and site.requisites):
            return True
        own: Site | None = getattr(self._crawler.spider, "site", None)
        page = attempt.captures[-1].entry.url
        found = own if own is not None and own.covers(page) else self._archive.sites.of(page)
        return found is not None and found.requisites

    async def gather(self, attempt: Attempt, cookiejar: Any) -> dict[str, int]:
        """Gather the requisites of a page; return how many were saved, known and not to be had."""
        return await self._gather(_Page(attempt.captures[-1], cookiejar, is_waited_for=True))

    def gather_later(self, attempt: Attempt, cookiejar: Any) -> None:
        """Gather the requisites of a page while the crawl goes on; pages go before them."""
        self._waiting.append(_Page(attempt.captures[-1], cookiejar, is_waited_for=False))
        self._start_worker()

    async def close(self) -> None:
        """Let what is under way come to its end; what has not begun is left."""
        if self._waiting:
            logger.info("requisites of %d pages were not gathered any more", len(self._waiting))
            self._waiting.clear()
        if self._workers:
            await asyncio.wait(self._workers)

    # Pages

    def _start_worker(self) -> None:
        if self._waiting and len(self._workers) < PAGES_AT_ONCE and not self._is_closing():
            worker = asyncio.ensure_future(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worked)

    async def _work(self) -> None:
        while self._waiting and not self._is_closing():
            await self._gather(self._waiting.popleft())

    def _worked(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            logger.error("requisites could not be gathered", exc_info=error)
        self._start_worker()  # for what came between its last look and its end
        slot = getattr(self._crawler.engine, "_slot", None)
        if slot is not None:  # the engine looks for an end when something ends, or else every five seconds
            slot.nextcall.schedule()

    def _idle(self) -> None:
        if self._workers and not self._is_closing():
            raise DontCloseSpider

    def _is_closing(self) -> bool:
        slot = getattr(self._crawler.engine, "_slot", None)
        return slot is None or bool(slot.closing)

    async def _gather(self, page: _Page) -> dict[str, int]:
        counts: Counter[How] = Counter()
        try:
            waiting = await asyncio.to_thread(self._links_of_page, page.stored.entry)
        except (ArchiveError, ContentTooLarge) as error:
            logger.warning("the requisites of %s cannot be read: %s", page.stored.entry.url, error)
            waiting = []
        except Exception:  # as below
            logger.exception("the requisites of %s could not be gathered", page.stored.entry.url)
            waiting = []
        named = {link.url for link in waiting}
        begun, deadline = 0, monotonic() + self._patience if page.is_waited_for else inf

        def goes_on() -> bool:
            return begun < self._most_per_page and monotonic() < deadline and not self._is_closing()

        under_way: set[asyncio.Task[tuple[How, list[Link]]]] = set()
        while under_way or (waiting and goes_on()):
            while waiting and len(under_way) < AT_ONCE and goes_on():
                begun += 1
                under_way.add(asyncio.ensure_future(self._gather_one(heapq.heappop(waiting), page)))
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                how, further = task.result()
                counts[how] += 1
                for each in further:
                    if each.url not in named:
                        named.add(each.url)
                        heapq.heappush(waiting, each)
        counts["failed"] += min(len(waiting), self._most_per_page - begun)  # there was no time for them
        for how, count in counts.items():
            self._crawler.stats.inc_value(f"requisites/{how}", count)
        return {"saved": counts["saved"], "failed": counts["failed"], "known": counts["known"]}

    def _links_of_page(self, entry: Entry) -> list[Link]:
        body, content_type = self._read(entry)
        links = links_of_page(body, entry.url, content_type)
        heapq.heapify(links)
        return links

    # Requisites

    async def _gather_one(self, link: Link, page: _Page) -> tuple[How, list[Link]]:
        try:
            how = await self._once(link, page)
            if how == "failed" or link.rank != Rank.SHEET:
                return how, []
            if (links := self._sheets.get(link.url)) is None:
                links = await asyncio.to_thread(self._links_of_sheet, link)
                self._remember_sheet(link.url, links)
        except Exception:  # the page must not suffer from it
            logger.exception("%s could not be gathered", link.url)
            return "failed", []
        return how, links

    def _remember_sheet(self, url: str, links: list[Link]) -> None:
        self._sheets[url] = links
        if len(self._sheets) > MOST_SHEETS:
            self._sheets.popitem(last=False)

    async def _once(self, link: Link, page: _Page) -> How:
        """Ask for a requisite unless that is done or under way; who comes later waits for who came first."""
        if (before := self._asked.get(link.url)) is not None:
            return "known" if before == "saved" else before
        if (asking := self._asking.get(link.url)) is not None:
            how = await asyncio.shield(asking)
            return "known" if how == "saved" else how
        asking = self._asking[link.url] = asyncio.ensure_future(self._ask(link, page))
        try:
            how = await asking
        finally:
            del self._asking[link.url]
        self._asked[link.url] = how
        if len(self._asked) > MOST_REMEMBERED:
            self._asked.popitem(last=False)
        return how

    async def _ask(self, link: Link, page: _Page) -> How:
        if await asyncio.to_thread(self._held, link.url):
            return "known"
        host = urlsplit(link.url).netloc
        own = self._hosts.setdefault(host, asyncio.Semaphore(self._per_host))
        async with own, self._all:
            if self._is_closing():
                return "failed"
            if self._silences[host] >= MOST_SILENCES:
                attempt = Attempt(link.url, "failed", ("its host gave no answer before",), kind="support")
            else:
                attempt = await self._fetch(link, page)
                is_silent = attempt.outcome == "failed" and not attempt.captures
                self._silences[host] = self._silences[host] + 1 if is_silent else 0
        self._recorder.log(attempt)
        return "saved" if attempt.outcome == "not_article" else "failed"

    async def _fetch(self, link: Link, page: _Page) -> Attempt:
        assert self._crawler.engine
        request = self._request(link, page)
        error: Exception | None = None
        response: Response | None = None
        try:
            response = await self._crawler.engine.download_async(request)
        except Exception as caught:  # noqa: BLE001  whatever kept it away is told
            error = caught
        captures: tuple[Stored, ...] = tuple(request.meta["captures"])
        outcome, reason = self._judged(request, response, error, captures)
        if link.rank == Rank.SHEET and response is not None and outcome == "not_article":
            content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
            links = await asyncio.to_thread(links_of_sheet, response.body, response.url, content_type, depth=link.depth)
            self._remember_sheet(link.url, links)
        last = captures[-1] if captures else None
        return Attempt(
            link.url,
            outcome,
            (reason,) if reason else (),
            kind="support",
            final_url=last.entry.url if last else None,
            timestamp=last.entry.timestamp if last else None,
            status=last.entry.status if last else None,
            captures=captures,
        )

    def _request(self, link: Link, page: _Page) -> Request:
        headers = {"Accept": "text/css,*/*;q=0.1" if link.rank == Rank.SHEET else "*/*"}
        if referrer := _referrer(page.stored.entry.url, link.url):
            headers["Referer"] = referrer
        meta = {
            "attempt": 0,  # it is accounted for here
            "captures": [],
            "cookiejar": page.cookiejar,
            "download_maxsize": self._most_bytes,
            "download_timeout": self._timeout,
            "max_retry_times": 1,
            BEHIND: not page.is_waited_for,
        }
        return Request(link.url, headers=headers, meta=meta, callback=NO_CALLBACK, dont_filter=True)

    def _judged(
        self, request: Request, response: Response | None, error: Exception | None, captures: tuple[Stored, ...]
    ) -> tuple[str, str]:
        if isinstance(error, DownloadCancelledError):
            return "failed", f"it has more than {self._most_bytes:,} bytes (ARCHIVER_REQUISITE_BYTES sets the limit)"
        if error is not None:
            return explain(error, request)
        if response is None or not captures or captures[-1].truncated:
            return "failed", "no complete answer"
        if response.status < 400:
            return "not_article", ""
        outcome = "gone" if response.status in _GONE else "blocked" if response.status in _BLOCKED else "failed"
        return outcome, status_line(response.status) or ""

    # What the archive holds; these run in threads.

    def _held(self, url: str) -> bool:
        """Tell whether the archive has a capture of a URL that is young enough; also one that says it is gone."""
        return any(entry.status is not None and _is_settled(entry.status) for entry in self._captures(url))

    def _captures(self, url: str) -> list[Entry]:
        """Return the newest captures of exactly this URL that are young enough, the newest first."""
        oldest = (datetime.now(UTC) - FRESH).strftime("%Y%m%d%H%M%S")
        found = self._archive.index.captures(url, since=oldest, reverse=True, limit=MOST_TWINS)
        return [entry for entry in found if entry.url == url]

    def _links_of_sheet(self, link: Link) -> list[Link]:
        """Return what a style sheet names that the archive holds."""
        try:
            for url in self._archive.redirects_of(link.url):
                if entry := next((each for each in self._captures(url) if each.status == 200), None):
                    body, content_type = self._read(entry)
                    return links_of_sheet(body, url, content_type, depth=link.depth)
        except (ArchiveError, ContentTooLarge) as error:
            logger.warning("the style sheet %s cannot be read: %s", link.url, error)
        return []

    def _read(self, entry: Entry) -> tuple[bytes, str | None]:
        snapshot = Snapshot(self._archive, entry)
        value = self._archive.resolve(snapshot).head.value(b"Content-Type")
        return snapshot.body(limit=_MOST_BODY), value.decode("latin-1") if value else None


def _is_settled(status: int) -> bool:
    return status < 400 or status in _GONE


def _referrer(page: str, url: str) -> str | None:
    """Return what a browser would name as the place of the link: strict-origin-when-cross-origin.

    >>> _referrer("https://example.com/a", "https://example.com/b.css")
    'https://example.com/a'
    >>> _referrer("https://example.com/a", "https://cdn.example.net/b.css")
    'https://example.com/'
    """
    here, there = urlsplit(page), urlsplit(url)
    if here.scheme == "https" and there.scheme != "https":
        return None
    if (here.scheme, here.netloc) == (there.scheme, there.netloc):
        return page.partition("#")[0]
    return f"{here.scheme}://{here.netloc.rpartition('@')[2]}/"
