"""Where the lines of a site come from: its stories that the archive holds, and those read since.

The archive is the memory. When the first article of a host is completed in a process, the newest others of that host
are loaded; from then on every completed article is learned. What is kept of them are hashes of lines.

A site is a host here: the lines of its templates stand on all of its pages, however they came into the archive.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from archiver.article import READABLE, Article
from archiver.errors import ArchiveError, KeyNotFound
from archiver.repeats import (
    SiteStories,
    find_repeats,
    leave_out,
    lines_left_out,
    lines_of,
    sizes_of,
)
from storage.articles import unpack_article
from storage.cdx import ArticleEntry
from storage.segment import articles_key
from storage.urls import urlkey

if TYPE_CHECKING:
    from archiver.archive import Archive

logger = logging.getLogger(__name__)

SAMPLE = 24
"""Articles of a host that are loaded, at most."""
MOST_READS = 12
"""Requests this may take; articles of one segment that lie near each other come in one."""
MOST_GAP = 1 << 18
"""Bytes between two articles up to which reading on is cheaper than another request."""
MOST_SITES = 64
"""Hosts remembered at a time."""
MOST_TEXT = 1 << 19
"""Characters of a text beyond which it is no story of a site, and neither cleaned nor learned."""

Load = Callable[[str], Iterable[Article]]
"""Gives articles of the host of a URL, oldest first."""


def host_of(url: str) -> str:
    """Return the host as it stands in urlkeys.

    >>> host_of("https://www.example.com/a")
    'com,example'
    """
    return urlkey(url).partition(")")[0]


@dataclass(slots=True)
class _Site:
    lock: threading.Lock = field(default_factory=threading.Lock)
    stories: SiteStories | None = None
    """``None`` until they are loaded."""


_of_archives: WeakKeyDictionary[Archive, SiteLines] = WeakKeyDictionary()
_making = threading.Lock()


class SiteLines:
    """The lines that sites repeat, as far as is known here. Thread-safe."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._sites: OrderedDict[str, _Site] = OrderedDict()

    @classmethod
    def of(cls, archive: Archive) -> SiteLines:
        """Return what this process knows of the sites of `archive`."""
        with _making:
            if archive not in _of_archives:
                held = ref(archive)  # or the archive would never be let go of

                def load(url: str) -> Iterator[Article]:
                    archive = held()
                    return iter(()) if archive is None else newest_articles(archive, url)

                _of_archives[archive] = cls(load)
            return _of_archives[archive]

    def clean(self, article: Article, *, learn: bool = False) -> Article:
        """Return an article without the lines its site repeats; with `learn`, remember its own."""
        if article.outcome not in READABLE or not article.text or len(article.text) > MOST_TEXT:
            return article
        page = urlkey(article.url)
        site = self._site(article.url)
        with site.lock:
            if site.stories is None:
                site.stories = self._stories(article.url)
            found = find_repeats(article, page, site.stories)
            if learn:
                learn_article(site.stories, article)
        return leave_out(article, found)

    def _site(self, url: str) -> _Site:
        with self._lock:
            host = host_of(url)
            site = self._sites.setdefault(host, _Site())
            self._sites.move_to_end(host)
            if len(self._sites) > MOST_SITES:
                self._sites.popitem(last=False)
            return site

    def _stories(self, url: str) -> SiteStories:
        stories = SiteStories()
        for article in self._load(url):
            learn_article(stories, article)
        return stories


def learn_article(stories: SiteStories, article: Article) -> None:
    """Remember the lines of an article, those left out of it included."""
    if len(article.text or "") > MOST_TEXT:
        return
    stories.learn(urlkey(article.url), sizes_of((*lines_of(article), *lines_left_out(article))))


def newest_articles(archive: Archive, url: str) -> Iterator[Article]:
    """Yield the newest articles of a host that can be read, oldest first; damaged ones are passed over."""
    entries = archive.index.newest_articles(url, limit=SAMPLE)
    return read_together(archive, entries)


def read_together(archive: Archive, entries: Sequence[ArticleEntry]) -> Iterator[Article]:
    """Yield the articles at these index entries, last first, as far as ``MOST_READS`` requests bring them."""
    runs = _runs(entries)[:MOST_READS]
    found = {(entry.segment, entry.offset): article for run in runs for entry, article in _read_run(archive, run)}
    for entry in reversed(entries):
        if (entry.segment, entry.offset) in found:
            yield found[entry.segment, entry.offset]


def _runs(entries: Sequence[ArticleEntry]) -> list[list[ArticleEntry]]:
    """Group what is to be read in one request; runs stand in the order in which their first entries do."""
    files: dict[tuple[str, int], list[ArticleEntry]] = defaultdict(list)
    for entry in entries:
        files[entry.segment, entry.revision].append(entry)
    runs: list[list[ArticleEntry]] = []
    for members in files.values():
        end: int | None = None
        for entry in sorted(members, key=lambda each: each.offset):
            if end is None or entry.offset - end > MOST_GAP:
                runs.append([])
            runs[-1].append(entry)
            end = entry.offset + entry.length
    return runs


def _read_run(archive: Archive, run: Sequence[ArticleEntry]) -> Iterator[tuple[ArticleEntry, Article]]:
    start, end = run[0].offset, run[-1].offset + run[-1].length
    key = articles_key(run[0].segment, run[0].revision)
    try:
        data = archive.blobs.read(key, start, end - start)
    except KeyNotFound:  # still in the spool
        data = None
    except ArchiveError as error:
        logger.warning("%s; its articles tell nothing of their site", error)
        return
    for entry in run:
        try:
            if data is None:
                yield entry, archive.read_article(entry)
            else:
                member = data[entry.offset - start :][: entry.length]
                yield entry, Article.from_json(unpack_article(member, key, entry.offset))
        except (ArchiveError, ValueError, TypeError, AttributeError) as error:
            logger.warning("%s; the article tells nothing of its site", error)
