"""What one crawl writes: captures, articles and its log, shared by both download handlers and the pipeline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from scrapy import Request, signals

from archiver import __version__
from archiver.archive import Archive
from archiver.article import Article
from archiver.crawl.attempt import Attempt, attempt_finished
from archiver.crawl.failures import explain
from archiver.errors import ArchiveError
from storage.capture import Capture
from storage.crawls import CrawlLog
from storage.writer import SegmentWriter, Stored

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

SOFTWARE = f"article-archiver/{__version__}"
UPLOAD_WINDOW = 2.0
"""Seconds for which finished saves wait for others, so that they share one upload."""


_lent: dict[str, Archive] = {}


def lend_archive(archive: Archive) -> None:
    """Let the crawls of this process that name this archive's location use it, and leave it open."""
    archive.sites  # noqa: B018  a mistake in the sites file shows before anything is fetched
    _lent[archive.location] = archive


class Recorder:
    """Keeps what a crawl fetches. One per crawler; lives until its last download handler is closed."""

    _all: ClassVar[WeakKeyDictionary[Crawler, Recorder]] = WeakKeyDictionary()

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        location = settings["ARCHIVER_ARCHIVE"]
        self._owns_archive = location not in _lent
        self.archive = _lent.get(location) or Archive.open(location, sites=settings.get("ARCHIVER_SITES"))
        self.archive.sites  # noqa: B018  as above, for a crawl that opens its archive itself
        self.spool = self.archive.spool
        name = crawler.spider.name if crawler.spider else "crawl"
        self._log = CrawlLog(self.spool, name)
        self._writer = SegmentWriter(
            self.archive.blobs,
            self.spool,
            self.archive.index,
            prefix=name,
            software=SOFTWARE,
            warcinfo={"isPartOf": self.archive.id, "robots": _robots_policy(crawler), **_operator(crawler)},
            max_bytes=settings.getint("ARCHIVER_SEGMENT_BYTES"),
            max_age=settings.getfloat("ARCHIVER_SEGMENT_AGE"),
        )
        self._waits_for_upload = self.archive.blobs.local is None and settings.getbool("ARCHIVER_WAIT_FOR_UPLOAD")
        self._finalises_when_idle = settings.getbool("ARCHIVER_FINALISE_WHEN_IDLE")
        self._upload: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._handlers = 0
        self._reason = "finished"
        self.failure: ArchiveError | None = None
        """What kept the last segment from its final place, if anything did."""
        crawler.signals.connect(self._spider_closed, signals.spider_closed)

    @classmethod
    def of(cls, crawler: Crawler) -> Recorder:
        """Return the recorder of `crawler`, made at the first call."""
        if crawler not in cls._all:
            cls._all[crawler] = cls(crawler)
        return cls._all[crawler]

    def handler_opened(self) -> None:
        """Count a download handler that will store captures here."""
        self._handlers += 1

    async def handler_closed(self) -> None:
        """Count a handler out; the last one finalises everything."""
        self._handlers -= 1
        if self._handlers == 0:
            await asyncio.to_thread(self._close)

    async def store(self, request: Request, captures: Sequence[Capture], error: BaseException | None = None) -> None:
        """Store the captures of one request; returns once they are durable.

        Where they lie is appended to ``request.meta["captures"]``. `error` is what the request itself failed with.
        Raises :class:`storage.errors.StorageError`.
        """
        wants_article = bool(request.meta.get("read_article"))
        kept: list[Stored] = []
        try:
            for number, capture in enumerate(captures):
                is_last = number == len(captures) - 1
                wanted = wants_article and is_last and _may_be_read(capture)
                stored = await asyncio.wrap_future(self._writer.write_capture(capture, wants_article=wanted))
                if stored is not None:
                    kept.append(stored)
                    self._note(request, stored, awaits_article=wanted)
        except ArchiveError as failure:
            error = failure
            raise
        finally:
            if "attempt" not in request.meta:
                self._log_support(request, kept, error)

    def _note(self, request: Request, stored: Stored, *, awaits_article: bool) -> None:
        chain: list[Stored] = request.meta.setdefault("captures", [])
        self.release(request.meta)
        chain.append(stored)
        if awaits_article:
            request.meta["awaiting_article"] = stored

    def release(self, meta: dict[str, Any]) -> None:
        """Give up waiting for the article of the capture that `meta` names, if any."""
        if (awaiting := meta.pop("awaiting_article", None)) is not None:
            self._writer.release(awaiting)

    async def write_article(self, stored: Stored, article: Article) -> None:
        """Store the article of a capture; returns once it is durable."""
        await asyncio.wrap_future(self._writer.write_article(stored, article.to_json()))

    def log(self, attempt: Attempt) -> None:
        """Account for an attempt that nobody waits for."""
        self._log.write(attempt.to_json())

    def begin(self) -> None:
        """Count an attempt in."""
        self._in_flight += 1

    async def finish(self, attempt: Attempt, job: Any = None) -> None:
        """Count an attempt out: log it and tell those who listen, once what it kept is where it has to be.

        `job` is what the attempt was asked for under; listeners get it back.
        """
        waiting = asyncio.ensure_future(self._wait_for_upload()) if attempt.captures else None
        self._in_flight -= 1
        if waiting is not None:
            attempt = await self._with_upload(attempt, waiting)
        self._log.write(attempt.to_json())
        self._crawler.signals.send_catch_log(attempt_finished, attempt=attempt, job=job)
        if self._finalises_when_idle and self._in_flight == 0:
            self._writer.finalise()

    async def _with_upload(self, attempt: Attempt, waiting: asyncio.Future[None]) -> Attempt:
        try:
            await waiting
        except ArchiveError as error:
            return replace(attempt, outcome="failed", evidence=(f"kept in {self.spool}, not uploaded: {error}",))
        return attempt

    async def _wait_for_upload(self) -> None:
        if not self._waits_for_upload:
            return
        if self._upload is None:
            self._upload = asyncio.ensure_future(self._upload_soon())
        await asyncio.shield(self._upload)

    async def _upload_soon(self) -> None:
        """Wait until nothing is in flight or the window closes, then finalise for everybody who waits."""
        deadline = asyncio.get_running_loop().time() + UPLOAD_WINDOW
        while self._in_flight > 0 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        self._upload = None  # who comes from here on needs the next upload
        await asyncio.wrap_future(self._writer.finalise())

    def _log_support(self, request: Request, kept: Sequence[Stored], error: BaseException | None) -> None:
        last = kept[-1] if kept else None
        outcome, reason = "not_article", ""
        if error is not None:
            outcome, reason = explain(error, request)
        elif last is None or last.truncated:
            outcome, reason = "failed", "no complete answer"
        attempt = Attempt(
            url=request.url,
            outcome=outcome,
            evidence=(reason,) if reason else (),
            kind="support",
            final_url=request.url if last else None,
            timestamp=last.entry.timestamp if last else None,
            status=last.entry.status if last else None,
            captures=tuple(kept),
        )
        self._log.write(attempt.to_json())

    def _spider_closed(self, spider: Spider, reason: str) -> None:
        self._reason = reason

    def _close(self) -> None:
        try:
            self._writer.close()
        except ArchiveError as error:
            self.failure = error
        try:
            self._log.close(self.archive.blobs, reason=self._reason)
        except ArchiveError as error:
            self.failure = self.failure or error
        if self._owns_archive:
            self.archive.close()


def _may_be_read(capture: Capture) -> bool:
    head, _ = capture.head()
    is_redirect = head is not None and head.status in (301, 302, 303, 307, 308) and head.value(b"Location") is not None
    return not is_redirect


def _robots_policy(crawler: Crawler) -> str:
    return "obey" if crawler.settings.getbool("ROBOTSTXT_OBEY") else "ignore"


def _operator(crawler: Crawler) -> dict[str, str]:
    settings = crawler.settings
    fields = {"operator": settings.get("ARCHIVER_OPERATOR"), "http-header-user-agent": settings["USER_AGENT"]}
    return {name: value for name, value in fields.items() if value}
