"""When a page was published and modified: the first source that tells a plausible moment, said as exactly as any does.

The order is json-ld, meta, microdata, microformats, time tag, byline, feed or sitemap, url, htmldate. Sources that
repeat the day of the first add what it leaves out: the time, the offset, the day in the zone of the readers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from lxml import etree

from archiver.page.byline import Byline
from archiver.page.dates import EARLIEST, OLDEST, Moment, as_read, moment, parse_moment, url_date
from archiver.page.markup import Node, Tagged, inside, text_of
from archiver.page.structured import Json, Meta, Microdata, string

# fmt: off
_PUBLISHED_META = (
    "article:published_time", "og:article:published_time", "og:published_time", "datepublished", "parsely-pub-date",
    "sailthru.date", "dc.date.issued", "dcterms.issued", "dc.issued", "citation_publication_date", "citation_date",
    "citation_online_date", "article.published", "article:published", "article:published_date", "article:post_date",
    "pubdate", "pub_date", "publishdate", "publish-date", "publish_date", "publication_date", "publication-date",
    "publicationdate", "published", "published_at", "publish_time", "published-date", "date_published", "dateposted",
    "published_time", "published_time_telegram", "bt:pubdate", "originalpublicationdate", "article_date_original",
    "cxenseparse:recs:publishtime", "cxenseparse:publishtime", "rnews:datepublished", "content_create_date",
    "article.created", "analyticsattributes.articledate", "sentdate", "ptime", "displaydate", "dc.date",
    "dc.date.created", "dcterms.date", "dcterms.created", "dc.created", "datecreated", "date_created", "created",
    "date", "timestamp",
)
_MODIFIED_META = (
    "article:modified_time", "og:article:modified_time", "og:updated_time", "og:modified_time", "datemodified",
    "article:modified", "article:modified_date", "dcterms.modified", "dc.date.modified", "dc.modified",
    "last-modified", "lastmodified", "lastmod", "article.updated", "bt:moddate", "modified_time", "updated_time",
    "modified", "revised", "revision_date",
)
# fmt: on
_ASIDE = {"aside", "footer", "nav"}
_NO_DATES = frozenset(map(date.fromisoformat, ("1970-01-01", "1969-12-31", "1900-01-01", "1899-12-30", "1601-01-01")))
"""Zero, as programs count time."""


@dataclass(frozen=True, slots=True)
class Dates:
    """When a page was published and modified; ``None`` where it does not say."""

    published: Moment | None = None
    modified: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a page tells its dates."""

    tree: Node
    elements: Tagged
    url: str
    meta: Meta
    items: Sequence[Json]
    """JSON-LD: of the article, then of the page."""
    microdata: Microdata
    byline: Byline
    headline: Node | None
    latest: datetime
    last_modified: datetime | None
    """The header; bounds what is only guessed."""
    day_first: bool | None

    def read(self, raw: str | None, source: str) -> Moment | None:
        """Read a date; one before 1990, too, since others may confirm it."""
        return parse_moment(raw, source, self.latest, day_first=self.day_first, earliest=OLDEST)


def read_dates(sources: Sources) -> Dates:
    """Return when the page was published and modified.

    A modification before the publication is none, unless the page shows the later of the two as its update: then
    the publisher mixed them up.
    """
    times = _Times.of(sources)
    modified = _modified(sources, times)
    published = _published(sources, times, modified)
    if published and modified and modified.is_before(published):
        shown = sources.byline.modified or times.modified
        if shown and shown.day == published.day and not sources.byline.published:
            return Dates(modified, published)
        modified = None
    return Dates(published, modified)


def _published(sources: Sources, times: _Times, modified: Moment | None) -> Moment | None:
    stated = [found for raw, source in _stated(sources) if (found := sources.read(raw, source))]
    if not stated:
        stated = [found for raw, source in _marked(sources) if (found := sources.read(raw, source))]
    shown = list(filter(None, [times.text, sources.byline.published]))
    in_url = url_date(sources.url, sources.latest)
    seen = [*stated, *filter(None, [times.published]), *shown, *filter(None, [in_url])]
    chosen = next((each for each in seen if _is_plausible(each, seen)), None)
    if chosen is None:
        return _guessed(sources)
    if in_url and _contradicts(chosen, in_url, shown):
        chosen = next((each for each in shown if each.day == in_url.day), in_url)
    updates = [modified] if modified else []
    chosen = _completed(chosen, seen)
    return as_read(chosen, list(filter(None, [*shown, times.published, in_url])), updates)


def _stated(sources: Sources) -> Iterator[tuple[str | None, str]]:
    for name in ("datePublished", "coverageStartTime", "uploadDate", "dateCreated"):
        for item in sources.items:
            yield string(item.get(name)), "json-ld"
    for name in _PUBLISHED_META:
        for value in sources.meta.get(name, ())[:2]:
            yield value, "meta"


def _marked(sources: Sources) -> Iterator[tuple[str | None, str]]:
    """Yield what stands in the page's markup; looking for it costs more than all the rest."""
    for name in ("datePublished", "dateCreated"):
        yield string(sources.microdata().get(name)), "microdata"
    yield _microformat(sources.tree), "microformats"


def _is_plausible(found: Moment, all_found: Sequence[Moment]) -> bool:
    """Tell whether a date is of the web's time, or two sources agree on an older one."""
    if found.day >= EARLIEST:
        return True
    return found.day not in _NO_DATES and any(
        other.day == found.day and other.source != found.source for other in all_found
    )


def _contradicts(chosen: Moment, in_url: Moment, shown: Sequence[Moment]) -> bool:
    """Tell whether the day in the address is to be believed rather than another: it is older, or shown.

    Addresses are given when a story is first published; dates in the markup change with systems and updates.
    """
    if abs(chosen.day - in_url.day) <= timedelta(days=1):
        return False
    if chosen.source not in ("json-ld", "meta", "microdata"):
        return True
    if any(each.day == chosen.day for each in shown):
        return False
    return in_url.day < chosen.day or any(each.day == in_url.day for each in shown)


def _completed(chosen: Moment, seen: Sequence[Moment]) -> Moment:
    """Take a statement of the same day that tells the time, or of the same clock that tells the offset."""
    if chosen.precision == "day":
        return next((each for each in seen if each.precision != "day" and each.day == chosen.day), chosen)
    if chosen.instant is None:
        return next((each for each in seen if each.instant and each.value[:16] == chosen.value[:16]), chosen)
    return chosen


def _modified(sources: Sources, times: _Times) -> Moment | None:
    values = [(string(item.get("dateModified")), "json-ld") for item in sources.items]
    values += [(value, "meta") for name in _MODIFIED_META for value in sources.meta.get(name, ())[:1]]
    stated = [found for raw, source in values if (found := sources.read(raw, source)) and found.day >= EARLIEST]
    shown = list(filter(None, [times.modified, sources.byline.modified]))
    if not stated and (found := sources.read(string(sources.microdata().get("dateModified")), "microdata")):
        stated = [found] if found.day >= EARLIEST else []
    if not stated:
        return shown[0] if shown else None
    return as_read(_completed(stated[0], [*stated, *shown]), shown)


_PUBLISHED_MARKS = etree.XPath("//@class[contains(., 'published')]/..")
_MOST_MARKS = 20


def _microformat(tree: Node) -> str | None:
    """Read the date of an h-entry (``dt-published``) or, with the date in an attribute, of hAtom (``published``)."""
    for element in _PUBLISHED_MARKS(tree)[:_MOST_MARKS]:
        marks = element.get("class").split()
        stated = element.get("datetime") or element.get("title") or element.get("value")
        if ("dt-published" in marks or ("published" in marks and stated)) and not inside(element, _ASIDE):
            return stated or text_of(element)[:200]
    return None


_MODIFIED_MARK = re.compile(r"modif|updat|edited|aktualis|actualiz|aggiorn|mis à jour", re.I)
_PUBLISHED_MARK = re.compile(r"datepublished|dt-published|pubdate|entry-date|publish|posted", re.I)
_MOST_TIMES = 50
_TAGS_COUNTED = 12
_ABOVE, _BELOW = 25, 150
"""Elements between the headline and a time tag that speaks of the same article."""
_POSITION = etree.XPath("count(preceding::*) + count(ancestor::*)")


@dataclass(frozen=True, slots=True)
class _Times:
    """What the time tags beside the headline say, to machines and to people."""

    published: Moment | None = None
    text: Moment | None = None
    """The text of the tag that ``published`` is read from."""
    modified: Moment | None = None

    @classmethod
    def of(cls, sources: Sources) -> _Times:
        tags = [tag for tag in sources.elements["time"][:_MOST_TIMES] if not inside(tag, _ASIDE)]
        if not tags:
            return cls()
        published: list[Node] = []
        modified: list[Node] = []
        for tag in tags:
            (modified if _is_update(tag) else published).append(tag)
        chosen, update = _nearest(published, sources.headline), _nearest(modified, sources.headline)
        said, text = (None, None) if chosen is None else _moments_of(chosen, sources)
        return cls(said, text, None if update is None else _moments_of(update, sources)[0])


def _marks_of(tag: Node) -> str:
    return " ".join(filter(None, map(tag.get, ("itemprop", "class", "id", "pubdate", "data-testid"))))


def _is_update(tag: Node) -> bool:
    text = text_of(tag)[:200]
    if (said := _MODIFIED_MARK.search(text)) and (posted := _PUBLISHED_MARK.search(text)):
        return said.start() < posted.start()
    return bool(said or _MODIFIED_MARK.search(_marks_of(tag)) or _MODIFIED_MARK.search(_text_before(tag)))


def _text_before(tag: Node) -> str:
    previous = tag.getprevious()
    text = (previous.tail if previous is not None else tag.getparent().text) or ""
    return text[-40:] or (text_of(previous)[-40:] if previous is not None else "")


def _nearest(tags: Sequence[Node], headline: Node | None) -> Node | None:
    """Choose the tag beside the headline, before all others one that is marked as the publication."""
    marked = [tag for tag in tags if _PUBLISHED_MARK.search(_marks_of(tag)) or tag.get("pubdate") is not None]
    if headline is None:
        return (marked or list(tags) or [None])[0]
    start = _POSITION(headline)
    distances = {tag: _POSITION(tag) - start for tag in (*marked[:_TAGS_COUNTED], *tags[:_TAGS_COUNTED])}
    near = {tag: abs(far) * (4 if far < 0 else 1) for tag, far in distances.items() if -_ABOVE <= far <= _BELOW}
    wanted = [tag for tag in marked if tag in near] or list(near)
    return min(wanted, key=near.__getitem__, default=None)


def _moments_of(tag: Node, sources: Sources) -> tuple[Moment | None, Moment | None]:
    """Read a tag's attribute and its text; where they are days apart, a template left the attribute behind."""
    said = sources.read(tag.get("datetime") or tag.get("content") or tag.get("title"), "time tag")
    text = sources.read(text_of(tag)[:200], "time tag")
    if said and text and abs(said.day - text.day) > timedelta(days=1):
        said = text
    return said or text, text


_MOST_GUESSED = 200_000
"""Characters of a page in which htmldate may look for a date; it takes a second for each million."""
_LONGEST_PIECE = 2000
_MOST_ELEMENTS = 20_000
_MOST_DATES = 60
"""Short texts with the digits and letters of a date; htmldate asks dateparser about each, 20 ms and more a text."""


def _guessed(sources: Sources) -> Moment | None:
    """Ask htmldate, which guesses from any text: a last resort, and slow, so only when all else is silent."""
    from htmldate import find_date as guess  # imports dateparser: a second nobody should pay for a crawl

    bound = sources.latest
    if sources.last_modified and sources.last_modified.year > 1995:
        bound = min(bound, sources.last_modified + timedelta(days=1))
    tree, is_whole = _searchable(sources.tree)
    try:
        day = guess(tree, extensive_search=is_whole, original_date=True, max_date=bound.date().isoformat())
        if not day or (day.endswith("-01-01") and not _NEW_YEAR.search(" ".join(tree.itertext()))):
            return None  # made of a year alone, that of the copyright
        return moment(date.fromisoformat(day), "day", day, "htmldate", sources.latest)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, etree.LxmlError):
        return None


_NEW_YEAR = re.compile(
    r"\b0?1[./-]\s?0?1[./-]|[-/]0?1[-/]0?1\b|\bjan\w{0,6}\.?\s0?1(?:st)?\b|\b0?1(?:st|er|\.|º)?\s(?:de\s)?(?:jan|ene|gen)",
    re.IGNORECASE,
)


def _searchable(tree: Node) -> tuple[Node, bool]:
    """Return a tree without long texts if there is too much of them, and whether all may be searched."""
    pieces = [len(each.text or "") + len(each.tail or "") for each in tree.iter()]
    if sum(pieces) <= _MOST_GUESSED:
        return tree, len(pieces) <= _MOST_ELEMENTS and not _is_full_of_dates(tree)
    tree = copy.deepcopy(tree)
    left = _MOST_GUESSED
    for element in tree.iter():
        for part in ("text", "tail"):
            text = getattr(element, part) or ""
            if len(text) > min(left, _LONGEST_PIECE):
                setattr(element, part, " ")
            left -= min(len(text), left)
    return tree, len(pieces) <= _MOST_ELEMENTS and not _is_full_of_dates(tree)


_FIRST = 52
"""Characters of a text in which htmldate looks for a date."""


def _is_full_of_dates(tree: Node) -> bool:
    texts = {
        text.strip()[:_FIRST] for each in tree.iter() for text in (each.text, each.tail, each.get("title")) if text
    }
    dates = (text for text in texts if 4 <= sum(map(str.isdigit, text)) <= 18 and any(map(str.isalpha, text)))
    return next(islice(dates, _MOST_DATES, None), None) is not None
