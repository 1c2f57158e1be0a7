"""Pages that list articles: which of their links look like articles, where the sections, feeds and the next page are.

For sites without feeds and sitemaps this is all there is. The shape of the URL counts most; then how the link stands
in the page: a headline of words in a heading or an ``<article>`` speaks for it, a menu or a footer against it. Every
link's reasons are kept with it, so that a person can see why one was taken or left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urljoin, urlsplit

from archiver.crawl.discovery.feeds import is_comments
from archiver.crawl.discovery.found import LIKELY, Discovered, FeedRef, Found, Judgement, Kind, SectionRef
from archiver.crawl.discovery.identity import normal_form, same_site, without_editions
from archiver.crawl.discovery.shapes import (
    has_words,
    judgement,
    looks_like_article,
    page_number,
    trap,
)
from archiver.crawl.discovery.words import HUBS, SERVICES
from archiver.page.dates import AHEAD, Moment, parse_moment
from archiver.page.markup import Node, absolute, clip, text_of
from archiver.page.parse import decode, parse

MOST_LINKS = 5000
"""Links read of one page; front pages have 200 to 900."""
MOST_SECTIONS = 60
MOST_FEEDS = 50
MOST_PAGES = 100
"""The next page of a list is not named beyond this one."""

FEED_PATHS = (
    "/feed/",
    "/rss",
    "/rss.xml",
    "/feed.xml",
    "/atom.xml",
    "/index.xml",
    "/feed.json",
    "/feeds/posts/default",
    "/feeds",
)
"""Where feeds are when no page names one, the usual ones first."""


def known_feeds(home: str) -> list[str]:
    """Return the places to ask for feeds on the host of ``home``."""
    return [urljoin(home, path) for path in FEED_PATHS]


@dataclass(slots=True)
class _Link:
    """All anchors of one page that lead to one URL: a teaser's picture, headline and "read more"."""

    url: str
    title: str = ""
    in_heading: bool = False
    in_article: bool = False
    in_menu: bool = True
    """Whether each of the anchors stands in a menu or a footer."""
    relations: set[str] = field(default_factory=set)
    published: Moment | None = None


def read_listing(
    body: bytes,
    url: str,
    *,
    now: datetime,
    content_type: str | None = None,
    kind: Kind = "section",
    subdomains: bool = True,
) -> Discovered:
    """Return the links of a page that look like articles of the same site, its sections and its feeds; never fails.

    ``url`` is where the page was fetched from. ``kind`` is ``section`` for a page that lists articles, ``link`` for
    others. With ``subdomains`` the whole registrable domain is the site, else the host alone.
    """
    text, notes = decode(body, content_type)
    tree, more = parse(text)
    if tree is None:
        return Discovered(url=url, kind="nothing", notes=("not a page", *notes))
    base = next((absolute(url, each.get("href")) for each in tree.iter("base") if each.get("href")), None) or url
    found, cut = _links(tree, base, url, now)
    links = [link for link in found.values() if same_site(link.url, url, subdomains=subdomains)]
    entries = []
    repeated = _query_floods(links)
    for link in links:
        judged = _judge(link, repeated, now)
        if judged.likely:
            entries.append(_entry(link, judged, kind, url))
    return Discovered(
        url=url,
        kind="section",
        entries=tuple(without_editions(entries)),
        feeds=tuple(_feeds(tree, base, url)),
        sections=tuple(_sections(links, url)),
        next_page=_next_page(tree, base, url),
        title=clip(text_of(tree.find(".//title")), 500),
        language=(tree.get("lang") or "").lower().partition("-")[0][:3] or None,
        notes=(*notes, *more, *cut),
    )


def judge_links(
    body: bytes, url: str, *, now: datetime, content_type: str | None = None
) -> list[tuple[str, Judgement]]:
    """Return every link of a page to its own site with its judgement, the likely ones first: why was it not taken?"""
    tree, _ = parse(decode(body, content_type)[0])
    if tree is None:
        return []
    links = [link for link in _links(tree, url, url, now)[0].values() if same_site(link.url, url)]
    repeated = _query_floods(links)
    judged = [(link.url, _judge(link, repeated, now)) for link in links]
    return sorted(judged, key=lambda pair: -pair[1].score)


def _links(tree: Node, base: str, url: str, now: datetime) -> tuple[dict[str, _Link], tuple[str, ...]]:
    """Collect the links by their normal form, in the order of the page."""
    places = _Places()
    links: dict[str, _Link] = {}
    own = normal_form(url)
    for number, anchor in enumerate(tree.iter("a")):
        if number == MOST_LINKS:
            return links, (f"only the first {MOST_LINKS} links were read",)
        target = absolute(base, anchor.get("href"))
        if not target or (key := normal_form(target)) == own:
            continue
        link = links.setdefault(key, _Link(target.partition("#")[0] if "#!" not in target else target))
        place = places.of(anchor)
        heading = next((each for each in anchor.iter("h1", "h2", "h3", "h4", "h5")), None)
        title = text_of(heading) or text_of(anchor) or _label(anchor)
        is_better = not link.in_heading and (
            heading is not None or place.in_heading or len(link.title) < len(title) <= 300
        )
        if title and is_better:
            link.title = title
        link.in_heading |= heading is not None or place.in_heading
        link.in_article |= place.article is not None
        link.in_menu &= place.in_menu
        link.relations.update((anchor.get("rel") or "").lower().split()[:10])
        if link.published is None and place.article is not None:
            link.published = places.time_in(place.article, now)
    return links, ()


def _label(anchor: Node) -> str:
    """Return what a link without text is called: its label, or the picture's in it."""
    image = next(anchor.iter("img"), None)
    return (
        clip(anchor.get("aria-label") or anchor.get("title") or (image is not None and image.get("alt")) or "", 300)
        or ""
    )


@dataclass(frozen=True, slots=True)
class _Place:
    in_menu: bool = False
    in_heading: bool = False
    article: Node = None


_MENU_TAGS = frozenset({"nav", "footer", "menu"})
_MENU_ROLES = frozenset({"navigation", "contentinfo", "menu", "menubar", "banner"})
_MENU_WORD = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|mainnav|menu|submenu|megamenu|footer|breadcrumbs?|share|sharing|social|cookies?|comments?)"
    r"(?:$|[\s_-])",
    re.IGNORECASE,
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5"})
_PLAIN = frozenset({"html", "body", "main", "article", "section", "form"})


class _Places:
    """Where elements of a page stand; each element is looked at once."""

    def __init__(self) -> None:
        self._known: dict[Node, _Place] = {}
        self._times: dict[Node, Moment | None] = {}

    def of(self, element: Node) -> _Place:
        above = []
        each = element.getparent()
        while each is not None and each not in self._known:
            above.append(each)
            each = each.getparent()
        place = _Place() if each is None else self._known[each]
        for each in reversed(above):
            place = self._known[each] = self._within(each, place)
        return place

    def _within(self, element: Node, outer: _Place) -> _Place:
        tag = element.tag
        marks = f"{element.get('class') or ''} {element.get('id') or ''}"[:500]
        in_menu = outer.in_menu or tag in _MENU_TAGS or (element.get("role") or "") in _MENU_ROLES
        if not in_menu and tag not in _PLAIN and tag not in _HEADINGS:
            in_menu = _MENU_WORD.search(marks) is not None
        article = element if tag == "article" else outer.article
        in_heading = outer.in_heading or tag in _HEADINGS
        if (in_menu, in_heading, article) == (outer.in_menu, outer.in_heading, outer.article):
            return outer
        return _Place(in_menu, in_heading, article)

    def time_in(self, article: Node, now: datetime) -> Moment | None:
        """Return the one date of a teaser; with several it is not clear whose they are."""
        if article not in self._times:
            raw = [time.get("datetime") for time, _ in zip(article.iter("time"), range(2), strict=False)]
            self._times[article] = parse_moment(raw[0], "section", now + AHEAD) if len(raw) == 1 else None
        return self._times[article]


def _judge(link: _Link, repeated: set[str], now: datetime) -> Judgement:
    shape = looks_like_article(link.url)
    points = [(int(value), reason) for value, _, reason in (each.partition(" ") for each in shape.reasons)]
    if trapped := trap(link.url, now=now):
        return judgement([(-10, trapped)])
    if has_words(link.title, 4):
        points.append((2, "linked by a headline"))
    if link.in_heading:
        points.append((2, "in a heading"))
    if link.in_article:
        points.append((2, "in an <article>"))
    if link.in_menu:
        points.append((-4, "in a menu or the footer"))
    if link.relations & {"tag", "author", "sponsored", "search", "license"}:
        points.append((-8, "rel=" + min(link.relations & {"tag", "author", "sponsored", "search", "license"})))
    if urlsplit(link.url).path in repeated:
        points.append((-8, "one of many combinations of arguments"))
    return judgement(points)


_MOST_COMBINATIONS = 20


def _query_floods(links: list[_Link]) -> set[str]:
    """Return the paths that a page links with many combinations of two and more arguments: filters, not articles."""
    counts = Counter(parts.path for link in links if "&" in (parts := urlsplit(link.url)).query)
    return {path for path, count in counts.items() if count > _MOST_COMBINATIONS}


def _entry(link: _Link, judged: Judgement, kind: Kind, url: str) -> Found:
    title = clip(link.title, 300) if has_words(link.title, 2) else None
    return Found(url=link.url, kind=kind, via=url, title=title, published=link.published, judgement=judged)


def _sections(links: list[_Link], url: str) -> Iterator[SectionRef]:
    """Return what the menus link that could list articles: short names, one or two levels deep."""
    found: set[str] = set()
    for link in links:
        segments = [segment.lower() for segment in urlsplit(link.url).path.split("/") if segment]
        is_listing = (
            link.in_menu
            and 0 < len(link.title) <= 40
            and 0 < len(segments) <= 2
            and not urlsplit(link.url).query
            and not {*segments} & (SERVICES | HUBS)
            and not _SERVICE.match(segments[-1])
            and looks_like_article(link.url).score < LIKELY
            and not _is_file(link.url)
        )
        key = normal_form(link.url).rstrip("/")
        if is_listing and key not in found and len(found) < MOST_SECTIONS:
            found.add(key)
            yield SectionRef(link.url, link.title)


_SERVICE = re.compile(
    r"log-?in|sign-?(?:in|up|out)|register|subscri|privacy|about|contact|our-|terms|polic|cookie|newsletter|advert|site-?map"
)


def _is_file(url: str) -> bool:
    return any(reason.startswith("-10") for reason in looks_like_article(url).reasons)


_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json"})
_VAGUE_TYPES = frozenset({"text/xml", "application/xml", "application/json", "text/json"})
_FEED_URL = re.compile(
    r"/(?:feeds?|rss2?|atom)(?:/|$|\.(?:xml|json|rss|php)$)|\.(?:rss|atom|rdf)$|/(?:rss|feed|atom)[\w-]{0,30}\.xml$|^feeds?\.|feedburner\.com/"
    r"|[?&]feed=(?:rss2?|atom|rdf)|[?&](?:format|output|type)=(?:rss|atom)",
    re.IGNORECASE,
)


def is_feed_url(url: str) -> bool:
    """Whether a URL looks like that of a feed.

    >>> is_feed_url("https://example.com/news/rss.xml"), is_feed_url("https://example.com/feeding-time-at-the-zoo")
    (True, False)
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    where = [parts.path[-200:], (parts.hostname or "") + parts.path[-200:], "?" + parts.query[:500]]
    return any(_FEED_URL.search(each) for each in where) and "oembed" not in url and "wp-json" not in url


def _feeds(tree: Node, base: str, url: str) -> list[FeedRef]:
    """Return the feeds a page names in its head or links to, those of articles first, without those of comments."""
    found: dict[str, FeedRef] = {}
    for link in tree.iter("link", "a"):
        target = absolute(base, link.get("href"))
        if not target or len(found) == MOST_FEEDS:
            continue
        relations, kind = (
            (link.get("rel") or "").lower().split(),
            (link.get("type") or "").lower().partition(";")[0].strip(),
        )
        is_declared = ("alternate" in relations or "feed" in relations) and (
            kind in _FEED_TYPES or (kind in _VAGUE_TYPES and is_feed_url(target)) or ("feed" in relations and not kind)
        )
        if not is_declared and not (link.tag == "a" and is_feed_url(target)):
            continue
        title = clip(link.get("title") or (text_of(link) if link.tag == "a" else None), 200)
        if normal_form(target) not in found and not is_comments(target, title):
            found[normal_form(target)] = FeedRef(
                target, title, _feed_score(target, title, url, is_declared=is_declared)
            )
    return sorted(found.values(), key=lambda feed: -feed.score)


_NO_NEWS_FEED = re.compile(
    r"podcast|audio|video|job|event|forum|author|/tag/|category feed|schlagwort|[?&]s=", re.IGNORECASE
)


def _feed_score(feed: str, title: str | None, url: str, *, is_declared: bool) -> int:
    score = 5 if is_declared else 1
    if same_site(feed, url) or "feedburner" in feed or "//feeds." in feed:
        score += 2
    if _NO_NEWS_FEED.search(f"{feed[:500]} {title or ''}"):
        score -= 4
    return score - min(len([segment for segment in urlsplit(feed).path.split("/") if segment]), 3)


_NEXT = re.compile(
    r"(?:next|older|more|weiter|nächste|ältere|suivante?|siguiente|anteriores|successiv[ao]|próxima|volgende|nästa|næste|następna|次)"
    r"(?:\s(?:page|posts|articles|entries|stories|seite|beiträge|artikel|página|pagina|sida))?\W{0,5}",
    re.IGNORECASE,
)
_PAGE_PART = re.compile(
    r"/(?:page|seite|pagina|p)[/-]?\d{1,6}/?$|(?<=[?&])(?:page|paged|pg|seite|pagina|p)=\d{1,6}&?", re.IGNORECASE
)


def _next_page(tree: Node, base: str, url: str) -> str | None:
    """Return the page of the same list that follows: by ``rel=next``, else by a number one higher in the same URL."""
    current, own = page_number(url), normal_form(url)
    if current >= MOST_PAGES:
        return None
    candidates = []
    for number, link in enumerate(tree.iter("link", "a")):
        target = absolute(base, link.get("href")) if number < MOST_LINKS else None
        if not target or normal_form(target) == own or not same_site(target, url, subdomains=False):
            continue
        is_next = "next" in (link.get("rel") or "").lower().split()
        if is_next and page_number(target) in (1, current + 1):
            return target
        if page_number(target) == current + 1 and _list_of(target) == _list_of(url):
            candidates.append((not _NEXT.fullmatch(text_of(link)), target))
    return min(candidates, key=lambda pair: pair[0])[1] if candidates else None


def _list_of(url: str) -> str:
    return _PAGE_PART.sub("", normal_form(url)).rstrip("/?&")
