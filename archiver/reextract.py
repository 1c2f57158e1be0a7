"""Reads archived pages again with today's extractor, and stores the articles beside the old ones.

A segment is read again when an article asked for was read by another extractor (name, version or profile), or has lines
that its site is known to repeat today, as the first articles of a site do: these are taken out without reading the page
again. Its new articles file ``<segment>.rN.jsonl.gz`` holds every article of the segment, those that were not asked for
unchanged, so the file with the highest number is always the whole truth. It is written in one step: an interrupted run
goes on with the next segment, and a second run finds nothing to do.

What the page says is read anew. What the page does not know stays as it was recorded with the capture: id, place,
time, requested URL, site, discovery, robots.txt, a date that came from a feed or sitemap, and the history: version,
previous, change, and whether a reading was ``unchanged``. So two readings of one version may differ where the new
extractor reads more. Only an article that could not be read before is given a history now, and one that can no longer
be read has none.

What a site repeats is learned from its newest articles in the archive as today's extractor reads them, whether they
have been stored so yet or not; so it does not depend on the order in which pages are done, nor on how often a run was
interrupted. What was left out of an article once stays left out.

Where an articles file is damaged, the pages behind the damage are read as if for the first time.
"""

from __future__ import annotations

import io
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from archiver.article import Article
from archiver.crawl.readers import NOT_READ, Readers
from archiver.errors import ArchiveError, DamagedRecord, KeyExists, KeyNotFound
from archiver.extract import Page
from archiver.reading import READ_AS_ARTICLE, give_history, read_snapshot
from archiver.repeats import leave_out, lines_left_out
from archiver.rights import withheld
from archiver.sitelines import SAMPLE, SiteLines, host_of
from storage.articles import pack_article, read_articles, unpack_article
from storage.cdx import ArticleEntry, Entry
from storage.errors import DamagedIndex
from storage.segment import articles_key
from storage.sync import Progress, article_revisions, load_segment, read_captures
from storage.urls import urlkey

if TYPE_CHECKING:
    from archiver.archive import Archive
    from archiver.sites import Sites

logger = logging.getLogger(__name__)

MOST_AHEAD = 64
"""Segments begun before the oldest of them is done, so that small ones keep all cores busy."""
MOST_KEPT_AHEAD = 500
"""Readings of samples that are kept until their turn comes; of more, the page is read twice."""
FROM_DISCOVERY = ("feed", "sitemap")
"""Sources of a date that the page does not know."""
_PAGES = ("text/html", "application/xhtml+xml")

Read = Callable[[Page], Article]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which articles to read again; all of them unless told otherwise."""

    site: str | None = None
    since: str | None = None
    """The first digits of a timestamp, inclusive; so is ``until``."""
    until: str | None = None
    urls: frozenset[str] = frozenset()
    """Urlkeys."""

    @property
    def is_everything(self) -> bool:
        return self == Selection()

    def holds(self, located: ArticleEntry) -> bool:
        """Tell whether an article is to be read again."""
        return (
            (self.site is None or located.site == self.site)
            and (self.since is None or located.timestamp >= self.since)
            and (self.until is None or located.timestamp[: len(self.until)] <= self.until)
            and (not self.urls or urlkey(located.url) in self.urls)
        )


@dataclass(slots=True)
class Reextraction:
    """What a run has done."""

    segments: int = 0
    """Segments that have got a new articles file."""
    articles: int = 0
    """Articles read again, those that failed among them."""
    changed: int = 0
    """Of these, how many have another outcome, title or text than before."""
    failed: int = 0
    """Of these, how many now have the outcome ``failed`` and had another."""
    unreadable: int = 0
    """Articles left as they were, because their capture cannot be read; `archiver verify` says why."""
    current: int = 0
    """Segments left alone: the present extractor has read them already."""

    def add(self, part: Reextraction) -> None:
        """Count what was done to one more segment."""
        for name, value in asdict(part).items():
            setattr(self, name, getattr(self, name) + value)


def reextract(
    archive: Archive,
    selection: Selection,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    time_limit: float = 30.0,
) -> Reextraction:
    """Read the selected articles again, on all cores; `progress` is told articles done and articles in all."""
    count = workers or os.cpu_count() or 1
    readers = Readers(count, time_limit=time_limit)
    threads = ThreadPoolExecutor(count, thread_name_prefix="reextract")
    run = _Run(archive, selection, threads, readers.read_and_wait, progress)
    try:
        return run.all(ahead=4 * count)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        readers.close()
        threads.shutdown()


@dataclass(frozen=True, slots=True)
class _Reading:
    """An article read again, packed: a segment may hold tens of thousands."""

    member: bytes
    is_changed: bool
    has_failed: bool
    """And had not before."""
    lacks_history: bool

    @classmethod
    def of(cls, new: Article, old: Article | None) -> _Reading:
        return cls(
            member=pack_article(new.to_json()),
            is_changed=old is None or (new.outcome, new.title, new.text) != (old.outcome, old.title, old.text),
            has_failed=new.outcome == "failed" and (old is None or old.outcome != "failed"),
            lacks_history=new.version is None and new.outcome in READ_AS_ARTICLE,
        )

    def finished(self, archive: Archive) -> bytes:
        """Return the article as it is to be stored."""
        if not self.lacks_history:
            return self.member
        article = Article.from_json(unpack_article(self.member, "an article just read", 0))
        return pack_article(give_history(archive, article).to_json())


@dataclass(slots=True)
class _Segment:
    """The articles a segment has, and which of them are to be read."""

    name: str
    revisions: list[int]
    members: dict[int, bytes] = field(default_factory=dict)
    """By offset of the capture, as they lie in the newest articles file that has them."""
    stale: set[int] = field(default_factory=set)
    repeating: set[int] = field(default_factory=set)
    """Articles of today's extractor with lines that their site repeats."""
    is_whole: bool = True
    readings: dict[int, Future[_Reading]] = field(default_factory=dict)

    @classmethod
    def load(
        cls, archive: Archive, selection: Selection, sites: SiteLines, name: str, revisions: list[int]
    ) -> _Segment:
        segment = cls(name, sorted(revisions))
        for revision in segment.revisions:
            with suppress(KeyNotFound):  # removed a moment ago
                data = archive.blobs.read(articles_key(name, revision))
                segment._load(data, revision, selection, sites, archive.sites)
        return segment

    def _load(self, data: bytes, revision: int, selection: Selection, sites: SiteLines, configured: Sites) -> None:
        key = articles_key(self.name, revision)
        try:
            for entry, article in read_articles(io.BytesIO(data), key, segment=self.name, revision=revision):
                offset = entry.capture_offset
                self.members[offset] = data[entry.offset : entry.offset + entry.length]
                self.stale.discard(offset)
                present = configured.extractor_for(entry.url, entry.timestamp, site=entry.site)
                if selection.holds(entry) and article.get("extractor") != asdict(present):
                    self.stale.add(offset)
                elif selection.holds(entry) and revision == self.revisions[-1] and self._repeats(offset, sites):
                    self.repeating.add(offset)
        except DamagedRecord as error:
            logger.warning("%s; the pages behind it are read again", error)
            self.is_whole = False

    def _repeats(self, offset: int, sites: SiteLines) -> bool:
        with suppress(DamagedRecord):
            article = self.old(offset)
            return article is not None and sites.clean(article) is not article
        return False

    def to_read(self, captures: dict[int, Entry], selection: Selection) -> list[int]:
        """Return the captures to read, in the order in which they were made."""
        lost: set[int] = set()
        if not self.is_whole and selection.is_everything:
            lost = {offset for offset, entry in captures.items() if _is_page(entry) and offset not in self.members}
        return sorted(self.stale | lost)

    def old(self, offset: int) -> Article | None:
        """Return the article as it was read before; ``None`` where that is lost."""
        member = self.members.get(offset)
        if member is None:
            return None
        try:
            return Article.from_json(unpack_article(member, self.name, offset))
        except (ValueError, TypeError, AttributeError) as error:
            raise DamagedRecord(f"{self.name}: the article of the capture at offset {offset}: {error}") from None


def _is_page(entry: Entry) -> bool:
    is_answer = entry.status is not None and not 300 <= entry.status < 400
    return is_answer and (entry.mime in _PAGES or entry.is_revisit) and not entry.url.endswith("/robots.txt")


@dataclass(slots=True)
class _Newest:
    """The newest articles of each host as a run finds them when it begins."""

    _hosts: dict[str, dict[str, ArticleEntry]] = field(default_factory=dict)

    def add(self, located: ArticleEntry) -> None:
        """Take note of an article that can be read."""
        if located.outcome not in READ_AS_ARTICLE:
            return
        key = urlkey(located.url)
        pages = self._hosts.setdefault(key.partition(")")[0], {})
        if key not in pages or _age(pages[key]) < _age(located):
            pages[key] = located
        if len(pages) > 2 * SAMPLE:
            for oldest in sorted(pages, key=lambda page: _age(pages[page]))[:SAMPLE]:
                del pages[oldest]

    def of(self, url: str) -> list[ArticleEntry]:
        """Return the newest articles of the host of a URL, oldest first."""
        return sorted(self._hosts.get(host_of(url), {}).values(), key=_age)[-SAMPLE:]


def _age(located: ArticleEntry) -> tuple[str, str]:
    return located.timestamp, located.id


@dataclass(slots=True)
class _Run:
    archive: Archive
    selection: Selection
    threads: ThreadPoolExecutor
    read: Read
    progress: Progress | None
    done: Reextraction = field(default_factory=Reextraction)
    _newest: _Newest = field(default_factory=_Newest)
    _sites: SiteLines = field(init=False)
    _ahead: dict[tuple[str, int], Article] = field(default_factory=dict)
    """Readings made to learn what their site repeats, until they are asked for."""
    _seen: int = 0
    _total: int = 0

    def __post_init__(self) -> None:
        self._sites = SiteLines(self._sample)

    def all(self, *, ahead: int) -> Reextraction:
        """Finish segments one after the other, while the pages of those behind are being read."""
        revisions = article_revisions(self.archive.blobs)
        expected = self._expected(revisions)
        self._total = expected.total()
        begun: deque[_Segment] = deque()
        for name in sorted(expected):
            begun.append(self._begin(name, revisions.get(name, [])))
            while begun and (len(begun) >= MOST_AHEAD or _waiting(begun) >= ahead):
                self._finish(begun[0], expected[begun.popleft().name])
        while begun:
            self._finish(begun[0], expected[begun.popleft().name])
        return self.done

    def _expected(self, revisions: dict[str, list[int]]) -> Counter[str]:
        """Return how many articles to look at in each complete segment that has any."""
        final = self.archive.index.final_segments()
        expected: Counter[str] = Counter()
        articles = groupby(self.archive.index.all_articles(), key=lambda each: (each.segment, each.capture_offset))
        for (segment, _), revisions_of_one in articles:
            *older, located = revisions_of_one
            self._newest.add(located)
            if segment in final and any(map(self.selection.holds, (*older, located))):
                expected[segment] += 1
        if self.selection.is_everything:  # also where not one article could be read
            expected.update({name: 0 for name in final.intersection(revisions) if name not in expected})
        return expected

    def _begin(self, name: str, revisions: list[int]) -> _Segment:
        segment = _Segment.load(self.archive, self.selection, self._sites, name, revisions)
        for offset in sorted(segment.repeating):
            segment.readings[offset] = self.threads.submit(self._clean, segment, offset)
        if segment.is_whole and not segment.stale:
            return segment
        captures = self._captures(name)
        for offset in segment.to_read(captures, self.selection):
            segment.readings[offset] = self.threads.submit(self._reread, segment, captures.get(offset), offset)
        return segment

    def _captures(self, name: str) -> dict[int, Entry]:
        try:
            return {entry.offset: entry for entry in read_captures(self.archive.blobs, name)}
        except (DamagedIndex, KeyNotFound) as error:
            logger.error("%s; `archiver reindex --from-warc` mends it", error)
            return {}

    def _reread(self, segment: _Segment, capture: Entry | None, offset: int) -> _Reading:
        old = segment.old(offset)
        if capture is None:
            raise DamagedRecord(f"{segment.name}: no capture is known at offset {offset}")
        new = self._ahead.pop((segment.name, offset), None) or self._read(capture, old)
        new = self._sites.clean(leave_out(new, lines_left_out(old) if old else ()))
        return _Reading.of(new if old is None else keep_what_was_known(new, old), old)

    def _read(self, capture: Entry, old: Article | None) -> Article:
        from archiver.archive import Snapshot

        def read(page: Page) -> Article:
            if old is not None:
                page = replace(page, requested_url=old.requested_url or page.requested_url)
                page = self.archive.sites.prepared(page, site=old.site)
            return self.read(page)

        new = read_snapshot(self.archive, Snapshot(self.archive, capture), read=read)
        if new.evidence and new.evidence[-1].startswith(NOT_READ):
            raise ArchiveError(f"{new.evidence[-1]}; see that the machine has memory to spare and run it once more")
        return new

    def _clean(self, segment: _Segment, offset: int) -> _Reading:
        old = segment.old(offset)
        assert old is not None
        new = replace(self._sites.clean(old), version=None, previous=None, change=None)
        return _Reading.of(keep_what_was_known(new, old), old)

    def _sample(self, url: str) -> Iterator[Article]:
        """Yield the newest articles of a host, oldest first, as today's extractor reads them."""
        for located in self._newest.of(url):
            try:
                old = self.archive.read_article(located)
                if old.extractor == self.archive.sites.extractor_for(located.url, located.timestamp, site=old.site):
                    yield old
                    continue
                moment = located.timestamp
                for capture in self.archive.index.captures(located.url, since=moment, until=moment):
                    place = (capture.segment, capture.offset)
                    if place == (located.segment, located.capture_offset):
                        reading = self._read(capture, old)
                        if len(self._ahead) < MOST_KEPT_AHEAD:
                            self._ahead[place] = reading
                        yield reading
            except (DamagedRecord, KeyNotFound, ValueError, TypeError) as error:
                logger.warning("%s; the article tells nothing of its site", error)

    def _finish(self, segment: _Segment, expected: int) -> None:
        new: dict[int, bytes] = {}
        tally = Reextraction(segments=1)
        for offset, reading in segment.readings.items():
            try:
                new[offset] = self._take(reading.result(), tally)
            except (DamagedRecord, KeyNotFound) as error:
                logger.error("%s; the article stays as it was", error)
                self.done.unreadable += 1
            self._report(1 if expected else 0)
        if not new:
            self.done.current += not segment.readings
        elif self._store(segment, segment.members | new):
            self.done.add(tally)
        self._report(max(0, expected - len(segment.readings)))

    def _take(self, reading: _Reading, tally: Reextraction) -> bytes:
        tally.articles += 1
        tally.changed += reading.is_changed
        tally.failed += reading.has_failed
        return reading.finished(self.archive)

    def _store(self, segment: _Segment, members: dict[int, bytes]) -> bool:
        """Write the new file and tell the index; false when somebody else has just written one."""
        number = max(segment.revisions, default=0) + 1
        data = b"".join(member for _, member in sorted(members.items()))
        blobs, revisions = self.archive.blobs, [*segment.revisions, number]
        try:
            blobs.put(articles_key(segment.name, number), data)
        except KeyExists:
            logger.warning("%s was just written by another process; its reading is taken", segment.name)
            load_segment(blobs, self.archive.index, segment.name, revisions)
            return False
        load_segment(blobs, self.archive.index, segment.name, revisions)
        return True

    def _report(self, articles: int) -> None:
        self._seen += articles
        if self.progress and articles:
            self.progress(self._seen, self._total)


def _waiting(segments: Iterable[_Segment]) -> int:
    return sum(not reading.done() for segment in segments for reading in segment.readings.values())


def keep_what_was_known(new: Article, old: Article) -> Article:
    """Return `new`, another reading of the capture of `old`, with what only the capture's own time knew.

    >>> old = Article(url="http://a/", title="Flod", version=2, outcome="unchanged", site="a")
    >>> kept = keep_what_was_known(Article(url="http://a/", title="Flood"), old)
    >>> kept.title, kept.version, kept.outcome, kept.site
    ('Flood', 2, 'unchanged', 'a')
    """
    kept = replace(
        new,
        id=old.id,
        requested_url=old.requested_url,
        site=old.site or new.site,
        captured_at=old.captured_at,
        discovered_via=old.discovered_via,
        rights=replace(new.rights, robots_txt=old.rights.robots_txt),
    )
    if old.published_source in FROM_DISCOVERY and (new.published_at is None or new.published_source == "htmldate"):
        kept = replace(
            kept,
            published_at=old.published_at,
            published_raw=old.published_raw,
            published_precision=old.published_precision,
            published_source=old.published_source,
        )
    if new.outcome not in READ_AS_ARTICLE:
        return kept
    if old.outcome == "robots":  # its publisher's word at the time of the capture
        return replace(withheld(kept, ""), evidence=old.evidence)
    outcome = "unchanged" if new.outcome == "saved" and old.outcome == "unchanged" else new.outcome
    return replace(kept, outcome=outcome, version=old.version, previous=old.previous, change=old.change)
