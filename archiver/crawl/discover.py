"""Discovery: what a document that a crawl fetched says about where articles are.

    found = read(body, url, content_type, now=now)     # whatever it is: feed, sitemap, index, robots.txt, page
    for entry in found.entries:                        # each with title, dates, authors as far as it told
        if judged(entry).likely and not_in_index(seen_key(entry.url)): ...
    order_sitemaps(found.sitemaps, now=now, since=…)    # which children to fetch first

Nothing here fetches or remembers: what was seen is in the index, when to look again is the schedule's business. Where
nothing is named, ``known_feeds`` and ``known_sitemaps`` say where to ask.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from archiver.crawl.discovery.documents import Plain, decode, read_fully, root_name
from archiver.crawl.discovery.feeds import looks_like_feed, read_feed
from archiver.crawl.discovery.found import (
    LIKELY,
    Discovered,
    FeedRef,
    Found,
    Judgement,
    Kind,
    SectionRef,
    SitemapRef,
    fill,
    instant,
)
from archiver.crawl.discovery.identity import normal_form, plain_form, same_site, seen_key, without_editions
from archiver.crawl.discovery.listings import is_feed_url, judge_links, known_feeds, read_listing
from archiver.crawl.discovery.robots import read_robots
from archiver.crawl.discovery.shapes import judged, looks_like_article, page_number, trap
from archiver.crawl.discovery.sitemaps import SitemapReader, is_older, known_sitemaps, order_sitemaps, read_sitemap
from archiver.outcome import path_of

__all__ = [
    "LIKELY",
    "Discovered",
    "FeedRef",
    "Found",
    "Judgement",
    "Kind",
    "SectionRef",
    "SitemapReader",
    "SitemapRef",
    "fill",
    "instant",
    "is_feed_url",
    "is_older",
    "judge_links",
    "judged",
    "known_feeds",
    "known_sitemaps",
    "looks_like_article",
    "normal_form",
    "order_sitemaps",
    "page_number",
    "plain_form",
    "read",
    "read_feed",
    "read_listing",
    "read_robots",
    "read_sitemap",
    "same_site",
    "seen_key",
    "trap",
    "without_editions",
]

_SNIFFED = 16384


def read(
    body: bytes,
    url: str,
    content_type: str | None = None,
    *,
    now: datetime,
    since: datetime | None = None,
    subdomains: bool = True,
) -> Discovered:
    """Return what a document tells, whatever kind it turns out to be; never fails.

    ``body`` is without its content coding, ``url`` where it was fetched from. The bytes decide the kind: servers send
    feeds as ``text/html`` and error pages as feeds. ``since`` leaves out older entries of sitemaps and feeds.
    """
    if path_of(url) == "/robots.txt":
        return read_robots(body, url)
    start = decode(read_fully(Plain(body), _SNIFFED))
    if looks_like_feed(start):
        return _recent(read_feed(body, url, now=now, content_type=content_type), since)
    if root_name(start) in ("urlset", "sitemapindex") or start.lstrip("\ufeff \t\r\n")[:8].startswith(
        ("http://", "https://")
    ):
        return read_sitemap(body, url, now=now, since=since)
    if "<" in start:
        return read_listing(body, url, now=now, content_type=content_type, subdomains=subdomains)
    return Discovered(url=url, kind="nothing", notes=("neither a feed nor a sitemap nor a page",))


def _recent(feed: Discovered, since: datetime | None) -> Discovered:
    if since is None:
        return feed
    kept = tuple(entry for entry in feed.entries if not is_older(entry, since))
    return dataclasses.replace(feed, entries=kept, older=len(feed.entries) - len(kept))
