"""Feeds: RSS 0.9x to 2.0, RDF and Atom through feedparser, JSON Feed by itself.

feedparser is handed a stream, because a string that looks like a URL or a file's name is one for it. Its dates are not
used: it turns what it cannot read into UTC and days into midnights.
"""

from __future__ import annotations

import dataclasses
import html
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import feedparser

from archiver.article import Author
from archiver.crawl.discovery.documents import Plain, decode, root_name
from archiver.crawl.discovery.found import Discovered, Found
from archiver.crawl.discovery.identity import normal_form
from archiver.crawl.discovery.shapes import looks_like_article
from archiver.crawl.discovery.taming import MOST_ENTRIES, Tamer
from archiver.page.dates import AHEAD, Moment, parse_moment
from archiver.page.markup import absolute, clip
from archiver.page.names import split_names

MOST_BYTES = 16 * 2**20
"""Bytes read of one feed."""
_XML_ROOTS = frozenset({"rss", "feed", "rdf", "channel"})
_COMMENTS_URL = re.compile(
    r"/comments?/(?:feed|default|atom|rss)|[?&]feed=comments|/comments?\.(?:rss|xml|atom)|comment-?feed", re.IGNORECASE
)
_COMMENTS_TITLE = re.compile(
    r"^\s*(?:comments? (?:on|for|to)|kommentare (?:zu|für)|commentaires (?:sur|pour|des)|comentarios (?:en|a|de|sobre)"
    r"|commenti (?:a|su|per)|reacties (?:op|voor))\b"
    r"|»\s*(?:comments? feed|kommentar-feed|flux des commentaires|feed de comentarios)",
    re.IGNORECASE,
)


def is_comments(url: str, title: str | None) -> bool:
    """Whether a feed is one of readers' comments, by its address or name.

    >>> is_comments("https://example.com/comments/feed/", None)
    True
    """
    return bool(_COMMENTS_URL.search(url[:2048]) or _COMMENTS_TITLE.search((title or "")[:300]))


_ROOT_SOMEWHERE = re.compile(r"<(?:rss|feed|rdf:RDF|channel)[\s>]")


def looks_like_feed(text: str) -> bool:
    """Whether the start of a document is that of a feed, XML or JSON; words of a failing server may stand before it."""
    if text[:100].lstrip("\ufeff \t\r\n").startswith("{"):
        return "jsonfeed.org/version/" in text.replace("\\/", "/")
    root = root_name(text)
    return root in _XML_ROOTS or (root is None and _ROOT_SOMEWHERE.search(text) is not None)


def read_feed(body: bytes, url: str, *, now: datetime, content_type: str | None = None) -> Discovered:
    """Return what a feed lists, in its order; a document that is none lists nothing and a note says so."""
    plain = Plain(body, most=MOST_BYTES)
    text = decode(plain.read_all(), content_type)
    if text[:1000].lstrip("\ufeff \t\r\n").startswith("{"):
        found = _read_json_feed(text, url, now)
    else:
        found = _read_xml_feed(text, url, now)
    return _with_notes(found, plain.notes)


def _with_notes(found: Discovered, notes: Iterable[str]) -> Discovered:
    return dataclasses.replace(found, notes=(*notes, *found.notes)) if notes else found


def _read_xml_feed(text: str, url: str, now: datetime) -> Discovered:
    if not looks_like_feed(text[:65536]):
        return Discovered(url=url, kind="nothing", notes=("not a feed",))
    tamer = Tamer(text)
    tame = tamer.tame()
    parsed = feedparser.parse(
        io.BytesIO(tame.encode("utf-8", "replace")),
        response_headers={"content-type": "application/xml; charset=utf-8", "content-location": url},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    notes = list(tamer.notes)
    if parsed.get("bozo") and not notes:
        notes.append(f"malformed: {str(parsed.get('bozo_exception'))[:100]}")
    feed = parsed.feed
    title = _text(feed.get("title"))
    links = [link for link in feed.get("links", [])[:200] if isinstance(link, dict)]
    language = _language(feed.get("language"))
    return Discovered(
        url=url,
        kind="feed",
        entries=tuple(_judged(_entries(parsed, url, language, now))),
        next_page=_first(links, ("next", "prev-archive"), url),
        title=title,
        language=language,
        is_comments=is_comments(url, title) or _are_comments(parsed.entries),
        interval=_interval(feed),
        skip_hours=_skip_hours(tame),
        hubs=tuple(
            dict.fromkeys(
                hub for link in links if link.get("rel") == "hub" and (hub := absolute(url, link.get("href")))
            )
        ),
        notes=tuple(notes),
    )


def _entries(parsed: Any, url: str, language: str | None, now: datetime) -> Iterator[Found]:
    is_rss = str(parsed.get("version") or "rss").startswith("rss")
    for entry in parsed.entries[:MOST_ENTRIES]:
        if not (link := _link_of(entry, url)):
            continue
        published = _moment(entry.get("published"), now)
        modified = _moment(entry.get("updated") if "updated" in entry.keys() else None, now)  # noqa: SIM118
        if is_rss and not published:  # dc:date, of an RSS item the day it appeared
            published, modified = modified, None
        yield Found(
            url=link,
            kind="feed",
            via=url,
            title=_text(entry.get("title")),
            authors=_authors(entry),
            published=published,
            modified=modified,
            language=language,
            tags=_tags(tag.get("label") or tag.get("term") for tag in entry.get("tags", [])),
        )


def _link_of(entry: Any, url: str) -> str | None:
    """Return where an entry leads: the address before a feed service's redirect, the page, or the guid that is one."""
    alternates = [link.get("href") for link in entry.get("links", [])[:50] if link.get("rel") == "alternate"]
    for link in (entry.get("feedburner_origlink"), entry.get("link"), *alternates):
        if isinstance(link, str) and (found := absolute(url, link)):
            return found
    return None


def _authors(entry: Any) -> tuple[Author, ...]:
    names: dict[str, None] = {}
    for author in entry.get("authors", [])[:30]:
        written = author.get("name") or ("" if "@" in (entry.get("author") or "") else entry.get("author"))
        names.update(dict.fromkeys(split_names(written or "")))
    return tuple(map(Author, names))


def _tags(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for value in values if isinstance(value, str) and (tag := _text(value[:200]))))[:50]


def _moment(raw: Any, now: datetime) -> Moment | None:
    return parse_moment(raw, "feed", now + AHEAD) if isinstance(raw, str) else None


_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")


def _text(value: Any) -> str | None:
    """Return a title as plain text; feeds write it as text, as HTML and as HTML escaped twice."""
    if not isinstance(value, str):
        return None
    return clip(html.unescape(_TAG.sub("", html.unescape(value[:2000]))), 500)


def _language(value: Any) -> str | None:
    match = re.match(r"\s*([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]+)*\s*$", value[:40]) if isinstance(value, str) else None
    return match[1].lower() if match else None


def _first(links: list[Any], relations: tuple[str, ...], url: str) -> str | None:
    own = normal_form(url)
    for relation in relations:
        for link in links:
            target = absolute(url, link.get("href")) if link.get("rel") == relation else None
            if target and normal_form(target) != own and urlsplit(target).hostname == urlsplit(url).hostname:
                return target
    return None


def _are_comments(entries: list[Any]) -> bool:
    linked = [entry for entry in entries[:50] if entry.get("link")]
    return len(linked) > 1 and all("#comment" in entry["link"] for entry in linked)


_PERIODS = {"hourly": 60, "daily": 1440, "weekly": 10080, "monthly": 43200, "yearly": 525600}


def _interval(feed: Any) -> timedelta | None:
    """Return the longer of ``ttl`` (minutes) and ``sy:updatePeriod`` divided by its frequency."""
    ttl, frequency = _number(feed.get("ttl")), _number(feed.get("sy_updatefrequency")) or 1
    period = _PERIODS.get(str(feed.get("sy_updateperiod", "")).strip().lower(), 0)
    minutes = max(ttl, period // frequency)
    return timedelta(minutes=min(minutes, 525600)) if minutes > 0 else None


def _number(value: Any) -> int:
    text = str(value or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _skip_hours(text: str) -> frozenset[int]:
    block = re.search(r"<skiphours>(.{0,2000}?)</skiphours>", text[:65536], re.IGNORECASE | re.DOTALL)
    hours = re.findall(r"<hour>\s*(\d{1,2})\s*</hour>", block[1], re.IGNORECASE) if block else []
    skipped = frozenset(int(hour) % 24 for hour in hours)
    return skipped if len(skipped) < 24 else frozenset()


def _judged(entries: Iterable[Found]) -> Iterator[Found]:
    """Leave out repeats and judge the rest."""
    seen = set()
    for entry in entries:
        if (key := normal_form(entry.url)) not in seen:
            seen.add(key)
            yield dataclasses.replace(entry, judgement=looks_like_article(entry.url, entry))


def _read_json_feed(text: str, url: str, now: datetime) -> Discovered:
    try:
        feed = json.loads(text.lstrip("\ufeff"), strict=False)
    except (ValueError, RecursionError) as error:
        return Discovered(url=url, kind="nothing", notes=(f"not a JSON feed: {str(error)[:100]}",))
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list):
        return Discovered(url=url, kind="nothing", notes=("not a JSON feed: no items",))
    language, title = _language(feed.get("language")), _text(feed.get("title"))
    entries = (_json_entry(item, url, language, now) for item in items[:MOST_ENTRIES] if isinstance(item, dict))
    hubs = [hub.get("url") for hub in _objects(feed.get("hubs"))]
    return Discovered(
        url=url,
        kind="feed",
        entries=tuple(_judged(entry for entry in entries if entry)),
        next_page=_first([{"rel": "next", "href": feed.get("next_url")}], ("next",), url),
        title=title,
        language=language,
        is_comments=is_comments(url, title),
        hubs=tuple(hub for href in hubs if (hub := absolute(url, _string(href)))),
        notes=() if len(items) <= MOST_ENTRIES else (f"only the first {MOST_ENTRIES} entries were read",),
    )


def _json_entry(item: dict[str, Any], url: str, language: str | None, now: datetime) -> Found | None:
    written = [_string(item.get(key)) for key in ("url", "external_url", "id")]
    links = [
        absolute(url, link) for link in (*written[:2], written[2] if re.match("https?:", written[2] or "") else None)
    ]
    link = next(filter(None, links), None)
    if link is None:
        return None
    authors = _objects(item.get("authors")) or _objects([item.get("author")])
    tags = item.get("tags")
    return Found(
        url=link,
        kind="feed",
        via=url,
        title=_text(item.get("title")),
        authors=tuple(
            Author(name, absolute(url, _string(author.get("url"))))
            for author in authors
            for name in split_names(_string(author.get("name")) or "")
        ),
        published=_moment(item.get("date_published"), now),
        modified=_moment(item.get("date_modified"), now),
        language=_language(item.get("language")) or language,
        tags=_tags(tags if isinstance(tags, list) else ()),
    )


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values[:30] if isinstance(value, dict)] if isinstance(values, list) else []
