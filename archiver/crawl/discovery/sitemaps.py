"""Sitemaps: urlset, index and text, gzip or not, Google News titles and dates, read as a stream in bounded memory.

Sites get everything wrong that the protocol (sitemaps.org) lets them: names without ``.xml``, other namespaces or none,
stray ``&``, an error page with status 200. So elements are known by their local names, the parser recovers, and what
was readable before a fault counts.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

from archiver.crawl.discovery.documents import MOST_INFLATED, Chain, Plain, Readable, read_fully, root_name
from archiver.crawl.discovery.feeds import looks_like_feed, read_feed
from archiver.crawl.discovery.found import Discovered, Found, SitemapRef, instant
from archiver.page.dates import AHEAD, Moment, parse_moment
from archiver.page.markup import Node, absolute, clip

MOST_ENTRIES = 50_000
"""Entries that ``read_sitemap`` returns, as many as the protocol allows; ``SitemapReader`` yields all of them."""
_MOST_PARTS = 2000
"""Elements read within one ``url``: images by the hundred are real, more is an attack."""
_MOST_ELEMENTS = 5_000_000
"""Elements read of one sitemap; 50,000 URLs with a dozen images each have 3 million."""
_SNIFFED = 16384

KNOWN_PATHS = (
    "/sitemap_index.xml",
    "/sitemap.xml",
    "/sitemap-index.xml",
    "/wp-sitemap.xml",
    "/news-sitemap.xml",
    "/sitemap-news.xml",
    "/sitemap_news.xml",
    "/googlenews.xml",
    "/sitemap/news.xml",
    "/sitemaps/news.xml",
    "/sitemap.xml.gz",
    "/sitemap.txt",
)
"""Where sitemaps are when robots.txt names none, the usual ones first."""


def known_sitemaps(home: str) -> list[str]:
    """Return the places to ask for sitemaps on the host of ``home``."""
    return [urljoin(home, path) for path in KNOWN_PATHS]


_RESOLVED = re.compile(r"https?://[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,10}/[!-~]{0,2000}")


class SitemapReader:
    """Yields the entries and child sitemaps of one document while it is read.

    ``kind``, ``notes`` and ``older`` are complete when the iteration is. With ``since``, entries whose own dates are
    all older are counted in ``older`` and left out.
    """

    def __init__(
        self,
        source: bytes | Readable,
        url: str,
        *,
        now: datetime,
        since: datetime | None = None,
        most_bytes: int = MOST_INFLATED,
    ) -> None:
        self.kind = "nothing"
        self.older = 0
        self.notes: list[str] = []
        self._source = source
        self._most_bytes = most_bytes
        self._url = url
        self._latest = now + AHEAD
        self._now = now
        self._since = since

    def __iter__(self) -> Iterator[Found | SitemapRef]:
        plain = Plain(self._source, most=self._most_bytes)
        start = read_fully(plain, _SNIFFED)
        text = start.decode("utf-16" if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8", "replace")
        root = root_name(text)
        if looks_like_feed(text):
            yield from self._recent(self._feed(start, plain))
        elif root and root not in ("html", "body", "head"):
            yield from self._recent(self._elements(Chain(start, plain), root))
        elif re.match(r"\ufeff?\s*https?://\S", text):
            yield from self._recent(self._lines(Chain(start, plain)))
        else:
            self.notes.append("not a sitemap" + (f" but {root}" if root else ""))
        self.notes[:0] = plain.notes

    def _recent(self, items: Iterable[Found | SitemapRef]) -> Iterator[Found | SitemapRef]:
        for item in items:
            if isinstance(item, Found) and self._since and is_older(item, self._since):
                self.older += 1
            else:
                yield item

    def _feed(self, start: bytes, plain: Plain) -> Iterator[Found]:
        feed = read_feed(start + plain.read_all(), self._url, now=self._now)
        self.kind = "sitemap"
        self.notes += feed.notes
        yield from feed.entries

    def _lines(self, source: Readable) -> Iterator[Found]:
        self.kind = "sitemap"
        decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        rest = ""
        while data := source.read(65536):
            *lines, rest = (rest + decoder.decode(data)).replace("\r", "\n").split("\n")
            rest = rest[-4096:]
            yield from filter(None, map(self._line, lines))
        yield from filter(None, [self._line(rest)])

    def _line(self, line: str) -> Found | None:
        link = self._link(line) if line.lstrip().startswith("http") else None
        return self._found(link, {}) if link else None

    def _elements(self, source: Readable, root: str) -> Iterator[Found | SitemapRef]:
        self.kind = "sitemap-index" if root == "sitemapindex" else "sitemap"
        whole = _Healed(source)
        events = etree.iterparse(
            whole,
            events=("start", "end"),
            recover=True,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        waiting: Found | SitemapRef | None = None
        try:
            for element in _each_url(events):
                if waiting:
                    yield waiting
                waiting = self._item(element)
        except _TooMany as error:
            self.notes.append(str(error))
        except (etree.LxmlError, SyntaxError) as error:
            self.notes.append(f"malformed: {str(error)[:100]}")
        else:
            self.notes += [f"malformed: {line.message[:100]}" for line in list(events.error_log)[:1]]
        if whole.is_cut:
            self.notes.append("it was read up to a tag or a text longer than 1 MB")
        if waiting and not whole.breaks_off_in_a_link():
            yield waiting

    def _item(self, element: Node) -> Found | SitemapRef | None:
        said: dict[str, Any] = {}
        for child in element:
            _read_child(child, said)
        link = self._link(said.get("loc"))
        if link is None:
            return None
        if _local(element.tag) == "sitemap":
            self.kind = "sitemap-index"
            return SitemapRef(link, self._moment(said.get("lastmod")), _period(link, said.get("lastmod")))
        return self._found(link, said)

    def _found(self, link: str, said: dict[str, Any]) -> Found:
        news: dict[str, str | None] = said.get("news") or {}
        keywords = (news.get("keywords") or "")[:2000].split(",")
        return Found(
            url=link,
            kind="news-sitemap" if "news" in said else "sitemap",
            via=self._url,
            title=clip(news.get("title"), 500),
            published=self._moment(news.get("publication_date")),
            modified=self._moment(said.get("lastmod")),
            language=_language(news.get("language")),
            tags=tuple(dict.fromkeys(tag for word in keywords if (tag := clip(word, 200))))[:50],
            priority=_priority(said.get("priority")),
            alternates=tuple(
                (language, target)
                for language, href in said.get("alternates", ())[:100]
                if (target := absolute(self._url, href))
            ),
        )

    def _link(self, href: str | None) -> str | None:
        """Resolve a link; the usual one needs no resolving, which costs more than all the rest of an entry."""
        if href and _RESOLVED.fullmatch(href) and "/." not in href:
            return href
        return absolute(self._url, href)

    def _moment(self, raw: str | None) -> Moment | None:
        return parse_moment(raw, "sitemap", self._latest) if raw else None


def read_sitemap(body: bytes, url: str, *, now: datetime, since: datetime | None = None) -> Discovered:
    """Return a sitemap's entries, or an index's children, at most ``MOST_ENTRIES``; never fails."""
    reader = SitemapReader(body, url, now=now, since=since)
    entries: list[Found] = []
    sitemaps: list[SitemapRef] = []
    for item in reader:
        if len(entries) + len(sitemaps) == MOST_ENTRIES:
            reader.notes.append(f"only the first {MOST_ENTRIES:,} entries were read")
            break
        if isinstance(item, Found):
            entries.append(item)
        else:
            sitemaps.append(item)
    return Discovered(
        url=url,
        kind=reader.kind,  # type: ignore[arg-type]
        entries=tuple(entries),
        sitemaps=tuple(sitemaps),
        older=reader.older,
        notes=tuple(reader.notes),
    )


class _TooMany(Exception):
    """The document has more elements than any sitemap."""


def _each_url(events: Iterable[tuple[str, Node]]) -> Iterator[Node]:
    """Yield each ``url`` and ``sitemap`` element once it is whole, and free it and all that stands between them."""
    names: dict[Any, str] = {}
    inside: Node = None
    parts = 0
    for number, (event, element) in enumerate(events):
        if number > 2 * _MOST_ELEMENTS:
            raise _TooMany(f"only the first {_MOST_ELEMENTS:,} elements were read")
        if event == "start":
            if inside is None and (names.get(element.tag) or _remembered(element.tag, names)) in ("url", "sitemap"):
                inside, parts = element, 0
            continue
        if element is inside:
            yield element
            inside = None
        elif inside is not None:
            parts += 1
            if parts <= _MOST_PARTS:
                continue
        _forget(element)


def _remembered(tag: Any, names: dict[Any, str]) -> str:
    name = _local(tag)
    if len(names) < 100:
        names[tag] = name
    return name


def _local(tag: Any) -> str:
    """Return the local name of a tag in lower case, whatever its namespace or undeclared prefix."""
    return str(tag).rpartition("}")[2].rpartition(":")[2].lower()


def _forget(element: Node) -> None:
    """Free an element that was read and what stands before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def _read_child(child: Node, said: dict[str, Any]) -> None:
    name = _local(child.tag)
    if name in ("loc", "lastmod", "priority") and "image" not in child.tag and "video" not in child.tag:
        said.setdefault(name, _text(child))
    elif name == "news":
        news = said.setdefault("news", {})
        for part in child.iter():
            news.setdefault(_local(part.tag), _text(part))
    elif name == "link" and child.get("hreflang") and child.get("href"):
        said.setdefault("alternates", []).append((child.get("hreflang")[:20], child.get("href")))


def _text(element: Node) -> str | None:
    """Return an element's text; ``&amp;`` in it was escaped twice, by the site or in a CDATA section by ``_Healed``."""
    text: str | None = element.text
    return text[:40_000].strip().replace("&amp;", "&") if text else None


_STRAY = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_LOC = re.compile(rb"<(?:[\w.-]{1,40}:)?loc\s*>\s*")


_LONGEST_PIECE = 2**20


class _Healed:
    """A stream whose stray ``&`` are escaped, where the parser would drop an argument of a URL without a word.

    It ends in the middle of a tag or a text longer than a megabyte: a million attributes need much memory.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._piece = 0
        self._held = b""
        self._tail = b""
        self._is_ascii: bool | None = None

    def read(self, size: int = -1, /) -> bytes:
        if self.is_cut:
            return b""
        data = self._source.read(size)
        end = data.rfind(b">")
        self._piece = self._piece + len(data) if end < 0 else len(data) - end
        if self._is_ascii is None:
            self._is_ascii = b"\0" not in data[:4]
        if not self._is_ascii:
            return data
        data, self._held = self._held + data, b""
        if data and (start := data.rfind(b"&", -10)) > 0:
            data, self._held = data[:start], data[start:]
        self._tail = (self._tail + data)[-8192:]
        return _STRAY.sub(b"&amp;", data) if b"&" in data else data

    @property
    def is_cut(self) -> bool:
        return self._piece > _LONGEST_PIECE

    def breaks_off_in_a_link(self) -> bool:
        """Whether the end came within a ``loc``, whose URL then is another one."""
        end = max((match.end() for match in _LOC.finditer(self._tail)), default=None)
        rest = b"<" if end is None else self._tail[end:]
        return b"]]>" not in rest if rest.startswith(b"<![CDATA[") else b"<" not in rest


def _priority(raw: str | None) -> float | None:
    return float(raw) if raw and re.fullmatch(r"0?\.[0-9]{1,6}|0|1|1\.0{1,6}|0\.", raw) else None


def _language(raw: str | None) -> str | None:
    match = re.fullmatch(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8}){0,3}", raw or "")
    return match[1].lower() if match else None


_YEAR_MONTH = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-_/.]?(0[1-9]|1[0-2])(?!\d)|[-_/.]([1-9])(?!\d))?")
_DATED_ARGUMENTS = re.compile(r"(?:yyyy|year|y)=((?:19|20)\d\d)(?:&(?:mm|month|m)=(\d{1,2}))?", re.IGNORECASE)


def _period(url: str, lastmod: str | None) -> tuple[int, int] | None:
    """Read the year and month that a child sitemap is about off its name, or off a ``lastmod`` without a day."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    match = _DATED_ARGUMENTS.search(parts.query[:2048])
    if not match:
        match = next(iter(_YEAR_MONTH.finditer(parts.path[-200:])), None)
    if not match and lastmod and re.fullmatch(r"\d{4}(?:-\d\d)?", lastmod):
        match = _YEAR_MONTH.fullmatch(lastmod)
    if not match:
        return None
    month = int(next(filter(None, match.groups()[1:]), 0))
    return (int(match[1]), month if month <= 12 else 0)


def is_older(item: Found | SitemapRef, since: datetime) -> bool:
    """Whether all that an entry or a sitemap says of its age lies before ``since``; undated ones never are."""
    if isinstance(item, Found):
        ends = [_end(moment) for moment in (item.published, item.modified) if moment]
        return bool(ends) and max(ends) < since
    if item.modified:
        return _end(item.modified) < since
    if item.period:
        year, month = item.period
        return (year, month or 12) < (since.year, since.month)
    return False


def _end(moment: Moment) -> datetime:
    """Return the last instant a moment may mean; a time without offset may be half a day later than it looks."""
    date = instant(moment)
    if moment.precision == "day":
        return date + timedelta(days=1.5)
    return date if datetime.fromisoformat(moment.value).tzinfo else date + timedelta(hours=12)


_NOT_ARTICLES = re.compile(
    r"(?:image|video|photo|bild|author|autor|categor(?:y|ies|ia)|kategorie|tag|topic|thema|page|taxonom(?:y|ies)|section"
    r"|static|product|profile|event|job|shop|podcast|recipe)(?:s|en)?[-_.]?(?:sitemap|\d{0,4}\.xml)"
    r"|sitemap[-_.]?(?:image|video|author|categor|tag|topic)",
    re.IGNORECASE,
)
_NEWS = re.compile(r"news|nachrichten|noticia|latest|recent|aktuell|breaking|today", re.IGNORECASE)


def order_sitemaps(
    sitemaps: Iterable[SitemapRef], *, now: datetime, since: datetime | None = None, limit: int | None = None
) -> list[SitemapRef]:
    """Return sitemaps in the order worth fetching: news, then by date, the newest first, those of no articles last.

    With ``since`` those that can hold nothing newer are left out: the old years stay for a backfill. Undated ones come
    after those of the present and before those of the past, the later named first, as most index files grow at their
    end. Repeats are dropped.
    """
    unique = {sitemap.url: sitemap for sitemap in sitemaps if since is None or not is_older(sitemap, since)}
    recent = (now - timedelta(days=45)).timestamp()

    def rank(numbered: tuple[int, SitemapRef]) -> tuple[bool, bool, float, int]:
        position, sitemap = numbered
        path = urlsplit(sitemap.url).path
        return (bool(_NOT_ARTICLES.search(path)), not _NEWS.search(path), -_age(sitemap, recent - 1), -position)

    return [sitemap for _, sitemap in sorted(enumerate(unique.values()), key=rank)][:limit]


def _age(sitemap: SitemapRef, undated: float) -> float:
    if sitemap.period:  # what it is about says more than when it was written, which is often every night
        year, month = sitemap.period
        return datetime(year, month or 12, 28).timestamp()
    return instant(sitemap.modified).timestamp() if sitemap.modified else undated
