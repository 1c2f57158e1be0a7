"""Does a URL look like an article's? Evidence from its shape and the entry that named it, before anything is fetched.

Points are added for what article URLs of news sites have and few others do (a date, a headline as slug, an id) and
taken off for what they never have. The sum decides only what is worth fetching first, or at all where a page offers
hundreds of links; an entry of a feed is fetched unless its URL speaks against it. What a page is, ``archiver.outcome``
says afterwards.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

from archiver.crawl.discovery.found import Found, Judgement
from archiver.crawl.discovery.identity import LONGEST
from archiver.crawl.discovery.words import ARTICLE_WORDS, HUBS, MOVES, SERVICES
from archiver.page.dates import EARLIEST

_NO_PAGE = re.compile(
    r"\.(?:pdf|jpe?g|png|gif|webp|avif|svg|ico|bmp|mp3|m4a|aac|ogg|wav|mp4|m4v|webm|mov|avi|m3u8|zip|gz|tgz|rar|7z|exe|dmg|apk"
    r"|docx?|xlsx?|pptx?|csv|txt|epub|css|m?js|json|xml|rss|atom|rdf|woff2?|ttf|ics|vcf)$",
    re.IGNORECASE,
)
_PAGE_ENDING = re.compile(r"\.(?:s?html?|php|aspx?|jsp|ece|cms|stm)$", re.IGNORECASE)
_DAY = re.compile(r"/(?:19|20)\d\d[/_-]?(?:0[1-9]|1[0-2]|[1-9](?!\d))[/_-]?(?:0[1-9]|[12]\d|3[01]|[1-9](?!\d))(?!\d)")
_NAMED_MONTH = re.compile(
    r"/(?:19|20)\d\d/(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}/\d{1,2}(?!\d)", re.IGNORECASE
)
_MONTH = re.compile(r"/(?:19|20)\d\d[/-](?:0[1-9]|1[0-2])/")
_YEAR = re.compile(r"/((?:19|20)\d\d)(?=/|-|$)")
_ID = re.compile(r"(?<!\d)\d{5,12}(?!\d)")
_LONG_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-|(?<![0-9a-z])(?=[a-f]{0,39}\d[a-f]{0,39}\d)[0-9a-f]{10,40}(?![0-9a-z])|(?<=-)[A-Z0-9]{26}$"
)
_CODE = re.compile(r"(?=[a-z]{0,20}\d)(?=\d{0,20}[a-z])[a-z\d]{5,20}", re.IGNORECASE)
"""A name that says nothing, of letters and digits."""
_NAMED_ARTICLE = re.compile(
    r"(?:article|story|artikel|beitrag|articolo|articulo|noticia|art|news)[-_]?[a-z]?\d{4,}", re.IGNORECASE
)
_QUERY_ID = re.compile(
    r"(?:p|id|aid|sid|nid|article_?id|story_?id|newsid|news_?id|item_?id|artid|idxno)", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_PAGE_NUMBER = re.compile(r"/(?:page|seite|pagina|p)[/-]?(\d{1,6})/?$", re.IGNORECASE)
_PAGE_ARGUMENT = re.compile(r"(?:^|&)(?:page|paged|pg|seite|pagina|p)=(\d{1,6})(?=&|$)", re.IGNORECASE)


def looks_like_article(url: str, entry: Found | None = None) -> Judgement:
    """Judge a URL by its shape and, if given, by the entry that led to it.

    >>> looks_like_article("https://example.com/2019/02/07/ferry-returns-after-storm").likely
    True
    >>> looks_like_article("https://example.com/tag/ferries").reasons
    ('-8 list: /tag/', '-2 short name')
    """
    points = _by_shape(url) + (_by_entry(entry) if entry else [])
    return judgement(points)


def judged(entry: Found) -> Judgement:
    """Return how an entry was judged, or judge it now."""
    return entry.judgement or looks_like_article(entry.url, entry)


def judgement(points: list[tuple[int, str]]) -> Judgement:
    """Sum up points; each reason shows its share."""
    return Judgement(sum(value for value, _ in points), tuple(f"{value:+d} {reason}" for value, reason in points))


def _by_entry(entry: Found) -> list[tuple[int, str]]:
    points = []
    if entry.kind == "news-sitemap":
        points.append((7, "in a news sitemap"))
    elif entry.kind == "feed":
        points.append((6, "in a feed"))
    elif entry.kind == "sitemap":
        points.append((1, "in a sitemap"))
    if entry.published:
        points.append((2, "has a publication date"))
    if entry.title and has_words(entry.title, 4):
        points.append((1, "titled like an article"))
    return points


def _by_shape(url: str) -> list[tuple[int, str]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return [(-10, "not a URL")]
    path = parts.path[:LONGEST]
    segments = [segment for segment in path.split("/") if segment]
    if trapped := trap(url):
        return [(-10, trapped)]
    if _NO_PAGE.search(path):
        return [(-10, f"a file: .{path.rpartition('.')[2][:10]}")]
    if not segments or (
        len(segments) == 1 and re.fullmatch(r"(?:index|home|default)\b.{0,6}|[a-z]{2}(?:-[a-z]{2})?", segments[0])
    ):
        return _by_query(parts.query) or [(-10, "a front page")]
    dated, named = _by_date(path), _by_name(segments)
    if dated and named == [_SHORT]:
        named = []  # below a date, one word will do
    points = _by_words(segments) + dated + named + _by_query(parts.query)
    if page_number(url) > 1:
        points.append((-6, "a further page of a list"))
    return points


def _by_words(segments: list[str]) -> list[tuple[int, str]]:
    names = [segment.lower() for segment in segments[:12]]
    for position, name in enumerate(names):
        is_slug = position == len(names) - 1 and name.count("-") > 2
        if name in SERVICES and not (is_slug or position > 1):
            is_above_a_slug = names[-1].count("-") > 2  # a shop has articles about it too
            return [(-3 if is_above_a_slug else -8, f"service: /{name}/")]
        if name in HUBS and position >= len(names) - 3 and not is_slug:
            return [(-8, f"list: /{name}/")]
    word = next((name for name in names[:-1] if name in ARTICLE_WORDS), None)
    return [(2, f"/{word}/ in its path")] if word else []


def _by_date(path: str) -> list[tuple[int, str]]:
    dated = _DAY.search(path) or _NAMED_MONTH.search(path)
    if dated:
        is_all = not path[dated.end() :].strip("/")
        return [(-4, "a day's list")] if is_all and dated[0].count("/") > 1 else [(4, "a day in its path")]
    month = _MONTH.search(path)
    if month:
        return [(3, "a month in its path")] if path[month.end() :].strip("/") else [(-4, "a month's list")]
    return []


_SHORT = (-2, "short name")


def _by_name(segments: list[str]) -> list[tuple[int, str]]:
    """Judge the last segment, or the one before an id: the headline in small letters, or the one word of a section."""
    names = [_PAGE_ENDING.sub("", unquote(segment[:500])) for segment in segments[-2:]]
    words = max(len(_WORD.findall(names[-1])), len(_WORD.findall(names[0])) if names[0].count("-") > 2 else 0)
    wide = sum(character > "\u2e7f" for character in names[-1])  # writing without spaces
    points = []
    if words >= 5 or wide >= 8:
        points.append((4, f"a slug of {words} words"))
    elif words >= 3:
        points.append((words - 1, f"a slug of {words} words"))
    if any(_ID.search(name) or _LONG_ID.search(name) for name in names):
        points.append((3, "an id in its name"))
    if _NAMED_ARTICLE.match(names[-1]):
        points.append((2, "named an article"))
    if not points and not _CODE.fullmatch(names[-1]):
        return [_SHORT]
    return [*points, (1, "in a folder")] if len(segments) > 1 else points


def _by_query(query: str) -> list[tuple[int, str]]:
    arguments = parse_qsl(query[:LONGEST], max_num_fields=100) if query.count("&") < 100 else []
    if any(_QUERY_ID.fullmatch(name) and re.fullmatch(r"\d{2,12}", value) for name, value in arguments):
        return [(4, "an id in its query")]
    if any(name.lower() in ("s", "q", "query", "search", "replytocom", "share") for name, _ in arguments):
        return [(-8, "a search or a service")]
    return []


def has_words(text: str, number: int) -> bool:
    """Whether a text has as many words; six characters of a writing without spaces count for four words.

    >>> has_words("Ferry returns after storm", 4), has_words("More", 4)
    (True, False)
    """
    text = text[:500]
    return len(_WORD.findall(text)) >= number or sum(character > "\u2e7f" for character in text) * 2 >= number * 3


def page_number(url: str) -> int:
    """Return which page of a list a URL is; 1 when it does not say.

    >>> page_number("https://example.com/news/page/3/"), page_number("https://example.com/news?page=2")
    (3, 2)
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return 1
    found = _PAGE_NUMBER.search(parts.path[-40:]) or (parts.query and _PAGE_ARGUMENT.search(parts.query[:LONGEST]))
    return max(int(found[1]), 1) if found else 1


_CALENDAR = re.compile(
    r"/(?:calendar|kalender|calendario|calendrier|agenda|events?|veranstaltungen|termine)(?:/|$)", re.IGNORECASE
)
MOST_ARGUMENTS = 8
DEEPEST = 12


def trap(url: str, *, now: datetime | None = None) -> str | None:
    """Say why following a URL could go on for ever; ``None`` for most.

    Calendars without end, paths that repeat themselves, filters combined at will, a URL within a path. With ``now``,
    years in the path that lie more than one ahead are a calendar too.

    >>> trap("https://example.com/a/b/a/b/a/b/")
    'its path repeats itself'
    """
    if len(url) > LONGEST:
        return f"longer than {LONGEST} characters"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "not a URL"
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) > DEEPEST:
        return f"more than {DEEPEST} levels deep"
    if any(count > 2 for count in Counter(segments).values()):
        return "its path repeats itself"
    if re.search(r"/https?:/|/www\.[^/]+\.[a-z]{2,}/", parts.path, re.IGNORECASE):
        return "a URL within its path"
    if parts.query.count("&") >= MOST_ARGUMENTS:
        return f"more than {MOST_ARGUMENTS} arguments"
    names = [piece.partition("=")[0].lower().removesuffix("[]") for piece in parts.query.split("&") if piece]
    if any(count > 3 for count in Counter(names).values()):
        return "an argument repeated"
    moving = sum(name in MOVES for name in names)
    if moving > 2 or (moving and _CALENDAR.search(parts.path)):
        return "a calendar or a table to leaf through"
    return _impossible_year(parts.path, now) if now else None


def _impossible_year(path: str, now: datetime) -> str | None:
    latest = (now + timedelta(days=366)).year
    years = [int(year) for year in _YEAR.findall(path)]
    if _CALENDAR.search(path):
        latest = now.year
    return next((f"the year {year} in its path" for year in years if not EARLIEST.year <= year <= latest), None)
