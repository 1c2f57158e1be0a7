"""When a page was published and modified: the first source that tells a plausible moment.

The order is json-ld, meta, time tag, byline, url, htmldate.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from lxml import etree

from archiver.page.dates import Moment, moment, parse_moment, url_date
from archiver.page.markup import Node, inside, text_of
from archiver.page.structured import Json, Meta, first, string

# fmt: off
_PUBLISHED_META = (
    "article:published_time", "og:published_time", "datepublished", "parsely-pub-date", "sailthru.date",
    "dc.date.issued", "dcterms.issued", "dcterms.created", "dc.date", "dc.date.created", "pubdate", "publishdate",
    "publish-date", "publish_date", "publication_date", "article.published", "citation_date",
    "citation_publication_date", "cxenseparse:recs:publishtime", "article:published", "date", "bt:pubdate",
    "originalpublicationdate", "displaydate", "rnews:datepublished", "timestamp",
)
_MODIFIED_META = (
    "article:modified_time", "og:updated_time", "datemodified", "article:modified", "dcterms.modified",
    "dc.date.modified", "last-modified", "lastmod", "article.updated", "bt:moddate", "revised",
)
# fmt: on


def read_published(
    tree: Node, url: str, meta: Meta, item: Json, in_byline: Moment | None, latest: datetime, headline: Node
) -> Moment | None:
    """Return the first plausible moment of publication; a date in the future gives way to the next source."""
    for value in (item.get("datePublished"), item.get("dateCreated")):
        if found := parse_moment(string(value), "json-ld", latest):
            return found
    for name in _PUBLISHED_META:
        if found := parse_moment(first(meta, name), "meta", latest):
            return found
    return (
        _time_tag(tree, latest, headline, modified=False)
        or in_byline
        or url_date(url, latest)
        or _htmldate(tree, latest)
    )


def read_modified(tree: Node, meta: Meta, item: Json, in_byline: Moment | None, latest: datetime) -> Moment | None:
    """Return the first plausible moment of modification; ``None`` when the page tells of none."""
    if found := parse_moment(string(item.get("dateModified")), "json-ld", latest):
        return found
    for name in _MODIFIED_META:
        if found := parse_moment(first(meta, name), "meta", latest):
            return found
    return _time_tag(tree, latest, None, modified=True) or in_byline


_MODIFIED_MARK = re.compile(r"modif|updat|edited|aktualis", re.I)


def _time_tag(tree: Node, latest: datetime, headline: Node, *, modified: bool) -> Moment | None:
    """Read the time tag that speaks of this article: marked as such, or the first one after the headline."""
    tags = [tag for tag in list(tree.iter("time"))[:50] if not inside(tag, {"aside", "footer", "nav"})]
    marks = [" ".join(filter(None, map(tag.get, ("itemprop", "class", "id", "pubdate")))) for tag in tags]
    is_modified = [
        bool(_MODIFIED_MARK.search(mark)) or bool(_MODIFIED_MARK.search(_text_before(tag)))
        for tag, mark in zip(tags, marks, strict=True)
    ]
    chosen = [tag for tag, flag in zip(tags, is_modified, strict=True) if flag is modified]
    if not modified and headline is not None:
        following = _after(tree, headline, chosen)
        named = [
            tag for tag, mark in zip(tags, marks, strict=True) if "datepublished" in mark.lower() and tag in chosen
        ]
        chosen = named or following
    for tag in chosen[:1]:
        return parse_moment(tag.get("datetime") or tag.get("content") or text_of(tag), "time tag", latest)
    return None


def _text_before(tag: Node) -> str:
    previous = tag.getprevious()
    text = (previous.tail if previous is not None else tag.getparent().text) or ""
    return text[-40:] or (text_of(previous)[-40:] if previous is not None else "")


def _after(tree: Node, headline: Node, tags: list[Node]) -> list[Node]:
    """Keep the tags that stand after the headline, in page order."""
    wanted = set(tags)
    seen = False
    following = []
    for element in tree.iter("h1", "time"):
        seen = seen or element is headline
        if seen and element in wanted:
            following.append(element)
    return following


def _htmldate(tree: Node, latest: datetime) -> Moment | None:
    """Ask htmldate, which guesses from any text: a last resort, and slow, so only when all else is silent."""
    from htmldate import find_date as guess  # imports dateparser: a second nobody should pay for a crawl

    try:
        day = guess(tree, original_date=True, max_date=latest.date().isoformat())
        return moment(date.fromisoformat(day), "day", day, "htmldate", latest) if day else None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, etree.LxmlError):
        return None
