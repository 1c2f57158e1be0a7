"""What discovery finds: entries that may be articles, further places to look, and what a document said of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from archiver.article import Article, Author, DiscoveredVia
from archiver.page.dates import Moment

Kind = Literal["feed", "sitemap", "news-sitemap", "section", "link"]
"""Where an entry stood. ``section`` is a listing page of the site, ``link`` any other page."""

LIKELY = 4
"""Points from which a URL is taken for an article's before it is fetched; see ``shapes.looks_like_article``."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How much a URL looks like an article's, and why; what the page really is, its outcome says."""

    score: int
    reasons: tuple[str, ...] = ()

    @property
    def likely(self) -> bool:
        return self.score >= LIKELY


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry that led to a URL: what it said, ``None`` or empty where it said nothing."""

    url: str
    """Absolute, as the document meant it; ``identity.normal_form`` tells whether two are the same."""
    kind: Kind
    via: str
    """URL of the document the entry stood in."""
    title: str | None = None
    authors: tuple[Author, ...] = ()
    published: Moment | None = None
    modified: Moment | None = None
    """``updated`` of a feed, ``lastmod`` of a sitemap. Many sites put the time of generation here."""
    language: str | None = None
    section: str | None = None
    tags: tuple[str, ...] = ()
    alternates: tuple[tuple[str, str], ...] = ()
    """Other languages of the page: (hreflang, URL)."""
    priority: float | None = None
    """A sitemap's own ``priority``, 0 to 1."""
    judgement: Judgement | None = None
    """How much a link looks like an article's; ``None`` for what was not judged, as in sitemaps of 50,000."""

    @property
    def discovered_via(self) -> DiscoveredVia:
        return DiscoveredVia(self.kind, self.via)

    @property
    def changed_at(self) -> datetime | None:
        """The latest date the entry names, for sorting and comparing; see :func:`instant`."""
        dates = [instant(moment) for moment in (self.published, self.modified) if moment]
        return max(dates, default=None)


@dataclass(frozen=True, slots=True)
class FeedRef:
    """A feed that a page or a feed points at."""

    url: str
    title: str | None = None
    score: int = 0
    """Higher reads first; comment feeds are below zero."""


@dataclass(frozen=True, slots=True)
class SitemapRef:
    """A sitemap named by robots.txt or an index."""

    url: str
    modified: Moment | None = None
    period: tuple[int, int] | None = None
    """Year and month (0: the whole year) its name or ``lastmod`` tells it is about."""


@dataclass(frozen=True, slots=True)
class SectionRef:
    """A page of the same site that lists articles, as far as its place in the navigation tells."""

    url: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """All that one document told."""

    url: str
    kind: Literal["feed", "sitemap", "sitemap-index", "section", "robots", "nothing"]
    entries: tuple[Found, ...] = ()
    feeds: tuple[FeedRef, ...] = ()
    sitemaps: tuple[SitemapRef, ...] = ()
    sections: tuple[SectionRef, ...] = ()
    next_page: str | None = None
    """The next older page: of a listing, or of a feed (RFC 5005)."""
    title: str | None = None
    language: str | None = None
    is_comments: bool = False
    """A feed of readers' comments; its entries are none of ours."""
    interval: timedelta | None = None
    """How often the publisher says the feed is worth asking for."""
    skip_hours: frozenset[int] = frozenset()
    """Hours in GMT in which the publisher asks to be left alone."""
    hubs: tuple[str, ...] = ()
    """WebSub hubs that would push the feed."""
    older: int = 0
    """Entries left out because they are older than asked for."""
    notes: tuple[str, ...] = ()
    """What was wrong with the document or cut off it, for people."""


def instant(moment: Moment) -> datetime:
    """Return a moment as a UTC date that sorts: a day is its midnight, a time without offset is taken for UTC.

    >>> instant(Moment("2019-02-07T18:21+01:00", "minute", "", "feed"))
    datetime.datetime(2019, 2, 7, 17, 21, tzinfo=datetime.timezone.utc)
    """
    date = datetime.fromisoformat(moment.value)
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


_WEAKER_THAN_AN_ENTRY = (None, "url", "htmldate")
"""Sources of a publication date that an entry's own date goes before."""


def fill(article: Article, found: Found) -> Article:
    """Return the article with what its page lacks and the entry knew; ``text_sha256`` remains that of the page."""
    known: dict[str, Any] = {
        "title": article.title or found.title,
        "authors": article.authors or found.authors,
        "language": article.language or found.language,
        "section": article.section or found.section,
        "tags": article.tags or found.tags,
    }
    is_told = found.published is not None and found.published.source in ("feed", "sitemap")
    if found.published and is_told and article.published_source in _WEAKER_THAN_AN_ENTRY:
        known |= {
            "published_at": found.published.value,
            "published_raw": found.published.raw,
            "published_precision": found.published.precision,
            "published_source": found.published.source,
        }
    if found.modified and found.modified.source == "feed" and not article.modified_at:
        known |= {"modified_at": found.modified.value, "modified_raw": found.modified.raw}
    return dataclasses.replace(article, discovered_via=found.discovered_via, **known)
