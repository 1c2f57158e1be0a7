"""Reads mutated pages and checks what the reader promises of any of them.

    python -m tests.fuzz.fuzz_extract --seconds 600 --seed 1 --keep /tmp/findings

Pages are bred from the test pages, the demo site and the fragments below. A page on which a promise breaks is written
to ``--keep`` under the name of the promise; ``python -m tests.fuzz.fuzz_extract FILE ...`` checks such files again.
``tests.fuzz.guided`` lets coverage choose the pages that the same mutations go on with.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from archiver.article import OUTCOMES, READABLE, Article
from archiver.extract import extract_html
from archiver.page.dates import AHEAD
from archiver.page.safe_html import ATTRIBUTES, ELEMENTS, article_document

ROOT = Path(__file__).resolve().parents[2]
CAPTURED = datetime(2026, 11, 22, 6, 43, 43, tzinfo=UTC)
URL = "https://www.ledgerwire.test/news/story-123.html"
PER_PAGE, PER_BYTE = 2.0, 1 / 60_000
"""Seconds of processor time that a page may take, and what each byte adds: 5.3 s for 200 KB."""
MOST_MEMORY = 400_000_000
"""Bytes that reading one page may add to what the process takes at its peak."""
HANGS = 20
"""Seconds of processor time after which the reader is stopped."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is given to the reader."""

    page: bytes
    url: str = URL
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    captured_at: datetime | None = CAPTURED


class Hangs(BaseException):
    """The reader was stopped."""


def check(case: Case, *, patience: float = 1.0) -> list[str]:
    """Read a page and return the promises that broke; `patience` stretches the time that a page may take."""
    begun, peak = time.process_time(), peak_memory()
    try:
        with _time_limit(round(HANGS * patience)):
            article = read(case)
    except Hangs as error:
        return [f"hangs in {error}"]
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return [f"raises {type(error).__name__}: {error}"]
    taken = time.process_time() - begun
    broken = broken_promises(article, case.captured_at or datetime.now(UTC))
    if taken > patience * (PER_PAGE + PER_BYTE * len(case.page)):
        broken.append("is slow")
    if peak_memory() - peak > MOST_MEMORY:
        broken.append("takes much memory")
    if zlib.crc32(case.page) % READ_TWICE == 0 and taken < 1 and read(case) != article:
        broken.append("reads the same twice")
    return broken


READ_TWICE = 4
"""One page in so many is read again."""


def read(case: Case) -> Article:
    """Read a page with what stands beside it."""
    return extract_html(
        case.page, case.url, content_type=case.content_type, headers=case.headers, captured_at=case.captured_at
    )


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(_: int, frame: FrameType | None) -> None:
        raise Hangs(f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MOMENT = {
    "day": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "minute": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2})?"),
    "second": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2})?"),
}


def broken_promises(article: Article, captured_at: datetime) -> list[str]:
    """Return what an article does not keep of what is promised of every article."""
    return [promise for promise, is_kept in _promises(article, captured_at) if not is_kept]


def _promises(article: Article, captured_at: datetime) -> Iterator[tuple[str, bool]]:
    told = [line for line in article.evidence if line.startswith("reading broke")]
    yield f"is read to its end ({told})", not told
    yield "has a known outcome", article.outcome in OUTCOMES
    yield "has evidence of few lines", 0 < len(article.evidence) < 10 and all(map(_is_line, article.evidence))
    value = article.to_json()
    yield "is JSON in UTF-8", _is_utf8(value)
    yield "survives JSON", Article.from_json(json.loads(json.dumps(value))) == article
    dates = (article.published_at, article.published_precision), (article.modified_at, None)
    yield "has dates of the documented forms", all(_has_form(*date) for date in dates)
    yield "has no dates in the future", not any(_is_after(date, captured_at + AHEAD) for date, _ in dates)
    yield "has source and raw of a date", (article.published_at is None) == (article.published_source is None)
    names = [author.name for author in article.authors]
    yield "has names of one line", all(name and _is_line(name) and len(name) < 200 for name in names)
    yield "has a title of one line", article.title is None or (_is_line(article.title) and len(article.title) <= 1000)
    short = (article.subtitle, article.description, article.site_name, article.section, article.article_type)
    few = (article.license, article.published_raw, article.modified_raw, *article.tags, *article.breadcrumbs)
    captions = [text for image in article.images for text in (image.caption, image.alt)]
    lines = [text for text in (*short, *few, *captions) if text is not None]
    yield "has values of one line", all(text and _is_line(text) and len(text) <= 5000 for text in lines)
    addresses = [article.canonical_url, article.lead_image, *(author.url for author in article.authors)]
    addresses += [each.url for each in (*article.images, *article.media)]
    yield "links to the web only", all(_is_web(address) for address in addresses if address is not None)
    texts = (article.text, article.text_markdown, article.word_count, article.text_sha256)
    yield "has no text unless readable", article.outcome in READABLE or texts == (None,) * 4
    has_text = [part is not None for part in texts]
    yield "has all of the text or nothing", all(has_text) or not any(has_text)
    yield "has text without control characters", not _CONTROL.search((article.text or "").replace("\n", ""))
    yield "is safe as HTML", is_safe(article_document(article))
    # trafilatura keeps line breaks and tabs of <pre> in Markdown
    yield "has clean Markdown", not re.search(r"[\x00-\x08\x0e-\x1f\ud800-\udfff]", article.text_markdown or "")


def _is_line(text: str) -> bool:
    return not _CONTROL.search(text)


_OF_THE_DOCUMENT = {"html", "head", "meta", "title", "body", "article", "h1"}
_HARMLESS = {("html", "lang"), ("meta", "charset"), ("meta", "http-equiv"), ("meta", "name"), ("meta", "content")}


class _Strict(HTMLParser):
    """Notes whether a document has an element or attribute that could act or load."""

    is_safe = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {(tag, name) for name, _ in attrs} <= ATTRIBUTES | _HARMLESS
        web = all(name != "href" or _is_web(value or "") for name, value in attrs)
        self.is_safe = self.is_safe and tag in ELEMENTS | _OF_THE_DOCUMENT and known and web


def is_safe(document: str) -> bool:
    """Tell whether a clean document has nothing but what such documents may have."""
    reader = _Strict()
    reader.feed(document)
    reader.close()
    return reader.is_safe and document.count("<meta") == 3


def _is_utf8(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError):
        return False
    return True


def _has_form(value: str | None, precision: str | None) -> bool:
    if value is None:
        return precision is None
    forms = [_MOMENT[precision]] if precision else _MOMENT.values()
    return any(form.fullmatch(value) for form in forms) and datetime.fromisoformat(value).year >= 1990


def _is_after(value: str | None, latest: datetime) -> bool:
    if value is None or not any(form.fullmatch(value) for form in _MOMENT.values()):
        return False
    when = datetime.fromisoformat(value)
    if when.tzinfo is None:  # it is already tomorrow somewhere
        return when.date() > latest.astimezone(timezone(timedelta(hours=14))).date()
    return when > latest


def _is_web(address: str) -> bool:
    parts = urlsplit(address)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", address)
    )


SURROGATES = ["\\ud800", "\\udfff", "\\u0000", "\\u0001", "\\n", "\\u2028", "\\u001f", "\\u202e"]
SHAPES = ["null", "0", "-1", "1e999", "NaN", "true", "[]", "{}", '""', "[[]]", "[null]", "[[[{}]]]", '{"@value":[]}',
          '{"@id":"#a"}', '{"@id":"#b","name":{"@id":"#a"}}', '[{"@id":"#a"},{"@id":"#a"}]', '{"name":null}',
          '{"name":["Ann Lee",7,null]}', '{"@type":["Person",null,{}],"name":"Bo Ek"}', '{"@value":"x"}',
          '{"url":"javascript:alert(1)"}', '{"url":"http:x"}', '"http://["', '"data:,x"', '"//[::1"', '"0001-01-01"',
          '"9999-12-31T23:59:60Z"', '"2019-02-07T24:00:00"', '"2019-02-30"', '"9999999999"', '"1549563690000"',
          '"٢٠١٩-٠٢-٠٧"', '"Thu, 07 Feb 2019 18:21:30 -9999"', '"2019-02-07T18:21:30+24:00"',
          '"2019-02-07T18:21-23:59"',
          '"Thu, 32 Foo 99999 25:61:61 GMT"', '"12/31/9999"', '"1990-01-01T00:00:00+14:00"', '"Ann\\nLee\\u0000"',
          '"\\ud83d\\ude00 \\ud83d"', '"&#10;&#0;&#xD800;&lt;script&gt;"', str(10**50), '"' + "x" * 3000 + '"',
          '"' + " " * 3000 + '"', '"' + "\\n" * 500 + '"', '"' + "Ann Lee, " * 200 + '"']  # fmt: skip
KEYS = ["@type", "@id", "@graph", "@context", "headline", "name", "alternativeHeadline", "description", "author",
        "creator", "publisher", "datePublished", "dateCreated", "dateModified", "image", "thumbnailUrl", "video",
        "audio", "keywords", "articleSection", "articleBody", "inLanguage", "isAccessibleForFree", "hasPart", "license",
        "mainEntity", "mainEntityOfPage", "url", "itemListElement", "position", "item", "caption", "contentUrl",
        "embedUrl"]  # fmt: skip
METAS = ["og:title", "og:type", "og:url", "og:image", "og:video", "og:audio", "og:site_name", "og:description",
         "og:locale", "article:published_time", "article:modified_time", "article:author", "article:tag",
         "article:section", "article:content_tier", "author", "keywords", "news_keywords", "description", "robots",
         "date", "timestamp", "dc.creator", "twitter:title", "tdm-policy", "tdm-reservation", "language"]  # fmt: skip
VALUES = ["", " ", "x", "Ann Lee", "2019-02-07", "2019-02-07T18:21:30Z", "07 Feb, 2019", "18:21", "99:99", "1549563690",
          "Rain | Ledger Wire", "https://x.test/a", "javascript:alert(1)", "http:", "http:x", "//x", "http://[", "#",
          "&amp;#10;a&amp;#1;b", "&#10;a&#13;b", "&#0;", "&#xD800;", "&#x110000;", "\x01", "\x7f", "\x85", "\u2028",
          "\ufeff", "\u202e", "\xad", "a,b;c", "article", "0", "1", "false", "İ" * 50, "ﬃ" * 50, "\U000e0001",
          "e\u0301" * 99, "http://x.test/\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
          "https://x.test/a b\tc", "http://user:pw@x.test:99999/", "2026-11-24", "2026-11-25T23:59:59-12:00",
          "31.12.2026", "7 février 2019 à 18h21", "2019年2月7日"]  # fmt: skip
WORDS = "Rain fell on the hills all day and nobody in the town below seemed to mind it very much at all. "
FRAGMENTS = [
    "<p>", "</p>", "<div>", "</div>", "<br>", "<h1>", "</h1>", "<h1>Rain at last</h1>", "<title>Rain at last</title>",
    "<ul><li>", "</ul>", "<table><tr><td>", "</table>", "<a href='/x'>Rain at last</a>", "<a href='//x", "<!--", "-->",
    "<![CDATA[", "]]>", "<?xml version='1.0' encoding='x'?>", "<!DOCTYPE html [<!ENTITY a 'b'>]>", "&a;", "&#", "&#x;",
    "<svg>", "</svg>", "<math>", "<frameset><frame src='x'>", "<noscript>", "<template>", "<plaintext>", "<xmp>",
    "<textarea>", "<select><option>", "<base href='javascript:x'>", "<base href='http://['>", "<html amp lang='x'>",
    "<html xmlns='http://www.w3.org/1999/xhtml' xml:lang='de'>", "<time datetime='2019-02-07T18:21:30'>", "</time>",
    "<time>yesterday</time>", "<figure><img src='/i.png' alt='a&#10;b'><figcaption>c", "</figure>", "<video src='/v'>",
    "<span class='byline author'>By Ann Lee", "</span>", "By ", "By\n", "Updated: ", "Published ", "07 Feb, 2019",
    "18:21 GMT", " | ", "<h2>Related</h2>", "<h3>Last news</h3>", "<article>", "</article>", "<pre>\t\x0b\x0c\n</pre>",
    "<p>\x00\x01\x02\x1b\x7f\x80", "\ufeff", "\u2028", "\x85", "<body>", "</body>", "</html>", "<head>", "</head>",
    "<meta charset=utf-16>", "<meta charset=utf-7>", "<meta charset='x-user-defined'>", "<link rel=canonical href=",
    "<link rel='license' href='http:x'>", "<blockquote>", "<q>", "<code>", "<ins>", "<sup>", "<hr>", "<iframe src=x>",
    "<o:p>", "<a:b c:d='e'>", "<x-y>", "<p/>", "< p>", "</", "<", ">", "'", '"', "=", WORDS, f"<p>{WORDS}{WORDS}</p>",
    "Just a moment...", "We value your privacy. Cookies, consent, accept all.", "Subscribe to continue reading",
    "page not found", "<table><tr><th>x<td>1.5%", "<font>", "<b>", "<i>", "<s>", "<script>", "</script>", "<style>",
]  # fmt: skip
TYPES = [None, "", "text/html", "text/html; charset=utf-8", "text/html;charset=" + " " * 300,
         "text/html; charset=utf-16",
         "text/html; charset=hex", "text/html; charset=utf-7", "text/html; charset=idna", "text/html; charset='big5",
         "text/html; charset=\x00", "text/html; charset=iso-2022-jp", "application/xhtml+xml", "application/json",
         "image/svg+xml", "text/plain", "/", ";", "é/ü", "application/xml; charset=shift_jis",
         "text/html; charset=utf_8_sig", "text/html; charset=unicode-escape"]  # fmt: skip
URLS = [URL, "https://x.test/", "https://x.test/2019/02/07/rain", "http://[::1]/a", "http://x.test:99999/2019/13/45/a",
        "https://www.test/", "x", "https://consent.x.test/a", "https://x.test/99991231", "http://[bad",
        "https://x.test/?id=1"]  # fmt: skip
HEADERS: list[tuple[tuple[str, str], ...]] = [
    (), (("Content-Type", "text/html; charset=koi8-r"), ("Last-Modified", "Thu, 99 Feb 2019"), ("ETag", "\x00")),
    (("content-language", "de, en"), ("X-Robots-Tag", "noarchive\n"), ("x-robots-tag", "a" * 2000)),
    (("tdm-reservation", "1"), ("TDM-Policy", "\x01"), ("content-signal", "\u2028")),
    (("x-amzn-waf-action", "captcha\n\x00" + "x" * 500),), (("", ""), (" ", " "), ("content-type", "")),
]  # fmt: skip
MOMENTS = [CAPTURED, None, datetime(2019, 2, 7, tzinfo=UTC), datetime(1980, 1, 1, tzinfo=UTC),
           datetime(2026, 11, 22, 23, 59, tzinfo=timezone(timedelta(hours=14)))]  # fmt: skip


def seeds() -> list[str]:
    """Return the pages that others are bred from."""
    names = ("tests/pages", "tests/archiver/hostile", "archiver/demo/site", "benchmarks/extraction")
    folders = [ROOT / name for name in names]
    files = sorted(file for folder in folders for file in folder.rglob("*.html"))
    found = [file.read_bytes().decode("latin-1") for file in files]
    xml = [
        "<?xml version='1.0'?><rss><channel><item><title>Rain</title></item></channel></rss>",
        "<svg xmlns='http://www.w3.org/2000/svg'><text>Rain</text></svg>",
        "<html><frameset cols='*'><frame src='a'><noframes><p>Rain</p></noframes></frameset></html>",
        "<!doctype html><html ⚡><head><script async src='v0.js'></script></head><body><amp-img src='a'></body></html>",
    ]
    return [page[:60_000] for page in (*found, *xml)]


def bred(rng: random.Random, pages: list[str]) -> Case:
    """Return a case made of a page by a few mutations."""
    page = rng.choice(pages) if rng.random() < 0.85 else ""
    for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
        page = mutated(rng, page, pages)[:190_000]
    common = rng.random() < 0.5
    return Case(
        encoded(rng, page),
        URL if common else rng.choice(URLS),
        None if common else rng.choice(TYPES),
        () if common else rng.choice(HEADERS),
        CAPTURED if common else rng.choice(MOMENTS),
    )


def mutated(rng: random.Random, page: str, pages: list[str]) -> str:
    """Return a page changed in one of many ways; ``pages`` are others to mix with."""
    return rng.choice(_MUTATIONS)(rng, page, pages)


def encoded(rng: random.Random, page: str) -> bytes:
    """Return a page in one of some encodings, whether it names it or not."""
    codec = rng.choice(("latin-1", "latin-1", "utf-8", "utf-8", "utf-16", "cp1252", "shift_jis"))
    try:
        return page.encode(codec)
    except UnicodeEncodeError:
        return page.encode("utf-8", "surrogatepass")


def _place(rng: random.Random, page: str) -> int:
    """Return a place where something is put: anywhere, or next to a tag."""
    if rng.random() < 0.3 or "<" not in page:
        return rng.randint(0, len(page))
    return page.find("<", rng.randint(0, len(page) - 1)) + 1 or len(page)


def _put(rng: random.Random, page: str, _: list[str]) -> str:
    at = max(0, _place(rng, page) - rng.randint(0, 1))
    return page[:at] + "".join(rng.choices(FRAGMENTS, k=rng.randint(1, 6))) + page[at:]


def _put_value(rng: random.Random, page: str, _: list[str]) -> str:
    spots = list(re.finditer(r"(?<==[\"'])[^\"'<>]{0,300}|(?<=>)[^<>]{1,300}", page))
    if not spots:
        return page + rng.choice(VALUES)
    spot = rng.choice(spots)
    return page[: spot.start()] + rng.choice(VALUES) + page[spot.end() :]


def _put_meta(rng: random.Random, page: str, _: list[str]) -> str:
    tags = [
        f'<meta {rng.choice(("property", "name", "itemprop"))}="{rng.choice(METAS)}" content="{_some_value(rng)}">'
        for _ in range(rng.randint(1, 5))
    ]
    return "".join(tags) + page


def _some_value(rng: random.Random) -> str:
    return "".join(rng.choices(VALUES, k=rng.choice((1, 1, 1, 3)))).replace('"', "")


def _put_json_ld(rng: random.Random, page: str, _: list[str]) -> str:
    return f'<script type="application/ld+json">{_json(rng, 0)}</script>{page}'


def _json(rng: random.Random, level: int) -> str:
    if level > 3:
        return rng.choice(SHAPES)
    kind = '"@type":' + rng.choice(
        ('"NewsArticle"', '"NewsArticle"', '["Article"]', '"BreadcrumbList"', '"Article\\n"')
    )
    pairs = [f"{json.dumps(key)}:{_json_value(rng, level)}" for key in rng.choices(KEYS, k=rng.randint(1, 9))]
    text = "{" + ",".join([kind, *pairs]) + "}"
    return rng.choice((text, text, text, f"[{text},{text}]", f'{{"@graph":[{text}]}}', text[:-1], f"<!--{text}-->"))


def _json_value(rng: random.Random, level: int) -> str:
    dice = rng.random()
    if dice < 0.5:
        return rng.choice(SHAPES)
    if dice < 0.7:
        text = rng.choice(("Ann Lee", "Rain at last", "https://x.test/a", "2019-02-07T18:21:30", WORDS * 30))
        return f'"{text}{rng.choice(SURROGATES)}{text}"'
    return (
        "[" + ",".join(_json(rng, level + 1) for _ in range(rng.randint(1, 3))) + "]"
        if dice < 0.8
        else _json(rng, level + 1)
    )


def _mutate_json(rng: random.Random, page: str, pages: list[str]) -> str:
    spots = list(re.finditer(r'(?<=:)\s*(?:"[^"<>]{0,400}"|[\d.]+|true|false|null)', page))
    if not spots:
        return _put_json_ld(rng, page, pages)
    spot = rng.choice(spots)
    return page[: spot.start()] + rng.choice(SHAPES) + page[spot.end() :]


def _delete(rng: random.Random, page: str, _: list[str]) -> str:
    at = rng.randint(0, len(page))
    return page[:at] + page[at + rng.choice((1, 3, 20, 200, 2000)) :]


def _repeat(rng: random.Random, page: str, _: list[str]) -> str:
    at = _place(rng, page)
    piece = rng.choice((page[at - 1 : at + rng.choice((1, 8, 40, 300))], rng.choice(FRAGMENTS), rng.choice(VALUES)))
    return page[:at] + piece * rng.choice((2, 10, 100, 1000, 5000)) + page[at:]


def _nest(rng: random.Random, page: str, _: list[str]) -> str:
    tags = rng.choices(("div", "span", "b", "ul", "li", "table", "td", "a", "p", "blockquote", "figure", "font"), k=3)
    opening = "".join(f"<{tag}>" for tag in tags)
    at = _place(rng, page) - 1
    return page[: max(at, 0)] + opening * rng.choice((10, 90, 300, 1500, 5000)) + page[max(at, 0) :]


def _swell(rng: random.Random, page: str, _: list[str]) -> str:
    """Put a long run of something where values stand."""
    size = rng.choice((300, 3000, 20_000, 60_000))
    # fmt: off
    run = rng.choice((" ", "\n", "a", "<", "&", "-", "--", "|", " | ", "a ", "1", "1-", "/", ",", ";", "\x01", "é", "[",
                      "{", "&amp;", "'", "=", "<!---->", "07 Feb, ", "By ", "By Ann Lee, ", "\xa0", ". ", "\\")) * size
    # fmt: on
    run = run[:size]
    name = rng.choice(("title", "h1", "p", "a", "span", "time", "figcaption", "h2", "td"))
    return rng.choice(
        (
            f"<{name}>{run}</{name}>",
            f"<{name} class='{run}'>",
            f"<meta name='{rng.choice(METAS)}' content='{run}'>",
            f"<script type='application/ld+json'>{{\"@type\":\"Article\",\"{rng.choice(KEYS)}\":\"{run}\"}}</script>",
            run,
            f"<link rel=canonical href='{run}'>",
            f"<a href='{run}'>x</a>" * 3,
        )
    ) + page  # fmt: skip


def _bomb(rng: random.Random, page: str, _: list[str]) -> str:
    count = rng.choice((50, 500, 4000))
    value = rng.choice(VALUES)
    bomb = rng.choice(
        (
            "<p " + " ".join(f"a{n}='{value}'" for n in range(count)) + ">",
            "".join(f"<meta name=author content='Ann Lee{n}'>" for n in range(count)),
            "".join(f"<h1>Rain number {n}</h1>" for n in range(count)),
            "".join(f"<a href='/'>Rain {n}</a>" for n in range(count)),
            "".join(f"<time datetime='{value}'>{n}</time>" for n in range(count)),
            "".join(f"<span>{n} Feb 2019 | By {value}</span>" for n in range(count)),
            "".join(f"<tr><td>{n}<td>{value}" for n in range(count)),
            "".join(f"<h2>Related</h2><li><a href=/{n}>x</a>" for n in range(count)),
        )
    )
    at = max(0, _place(rng, page) - 1)
    return page[:at] + bomb + page[at:]


def _cross(rng: random.Random, page: str, pages: list[str]) -> str:
    other = rng.choice(pages)
    return page[: _place(rng, page)] + other[_place(rng, other) :]


def _flip(rng: random.Random, page: str, _: list[str]) -> str:
    letters = list(page)
    for _unused in range(rng.choice((1, 5, 50))):
        if letters:
            letters[rng.randrange(len(letters))] = chr(rng.choice((0, 1, 0x1B, 0x7F, 0x85, 0xFF, rng.randrange(256))))
    return "".join(letters)


_MUTATIONS = (_put, _put, _put_value, _put_value, _put_meta, _put_json_ld, _put_json_ld, _mutate_json, _mutate_json,
              _delete, _repeat, _nest, _swell, _swell, _bomb, _cross, _flip)  # fmt: skip


def run(seconds: float, seed: int, keep: Path) -> int:
    """Fuzz for some time; return the number of pages on which a promise broke."""
    rng, pages, found = random.Random(seed), seeds(), Counter[str]()
    begun, count, slowest = time.monotonic(), 0, 0.0
    while time.monotonic() - begun < seconds:
        case = bred(rng, pages)
        before = time.process_time()
        broken = check(case)
        taken = time.process_time() - before
        count += 1
        if taken > slowest:
            slowest = taken
            print(f"slowest: {taken:.1f} s for {len(case.page)} bytes (page {count})", flush=True)
            if taken > 2:
                keep_case(keep, f"slow-{taken:.0f}s", case)
        for promise in broken:
            name = re.sub(r"\W+", "-", promise)[:100]
            found[name] += 1
            if found[name] <= 3:
                print(f"page {count}: {promise}", flush=True)
                keep_case(keep, f"{name}-{found[name]}", case)
    print(
        f"{count} pages in {time.monotonic() - begun:.0f} s, slowest {slowest:.1f} s, broken: {dict(found)}", flush=True
    )
    return sum(found.values())


def keep_case(keep: Path, name: str, case: Case) -> None:
    """Write a page, and what stood beside it, for :func:`read_case`."""
    keep.mkdir(parents=True, exist_ok=True)
    (keep / f"{name}.html").write_bytes(case.page)
    context = {"url": case.url, "type": case.content_type, "headers": case.headers, "at": str(case.captured_at)}
    (keep / f"{name}.json").write_text(json.dumps(context))


def read_case(file: Path) -> Case:
    """Read a kept page, with what stood beside it if that was kept as well."""
    beside = file.with_suffix(".json")
    if not beside.exists():
        return Case(file.read_bytes())
    told = json.loads(beside.read_text())
    at = None if told["at"] == "None" else datetime.fromisoformat(told["at"])
    return Case(file.read_bytes(), told["url"], told["type"], tuple(map(tuple, told["headers"])), at)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="kept pages to check again")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("/tmp/fuzz-extract"))
    options = parser.parse_args()
    if options.files:
        results = {file: check(read_case(file)) for file in options.files}
        for file, broken in results.items():
            print(f"{file.name}: {broken or 'fine'}")
        return int(any(results.values()))
    return int(run(options.seconds, options.seed, options.keep) > 0)


if __name__ == "__main__":
    sys.exit(main())
