"""A news site of generated pages, and the server that hands them out.

Page `n` is the same bytes in every run. Pages have what news pages are made of: metadata in three dialects, styles and
scripts inline, menus, an article with figures and a read-more box, teasers, comments, a footer. They are 20 to 200 KB
long, most of them nearer to 20; what varies most is what surrounds the article. ``python -m benchmarks.crawl.site N``
serves N of them gzip-coded over keep-alive connections, prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

SMALLEST, LARGEST = 20_000, 200_000
"""Bytes of a page before it is gzip-coded."""

_SMALL_WORDS = re.findall(
    r"\w+",
    """
the of to and a in that is was for on it with as be at by from had has have this are not but they
which an were will would there been their more when who its out so about into than them can only other some could
these two may then do first any my now such like our over even most after also did many before must through back
years where much your way well should because each just those how too good very make still own see men work long get
here between both under never same another know while last might us great old off come since against go came right
used take three""",
)
_LARGE_WORDS = re.findall(
    r"\w+",
    """
council budget harbour minister report village flood bridge railway election court hospital teacher
winter summer market price energy company worker union strike museum river farmer harvest climate police inquiry
witness school student university research vaccine patient doctor nurse airport runway ferry island coast storm
warning rescue volunteer charity parliament debate amendment committee chairman spokesman resident neighbour street
housing tenant landlord mortgage inflation currency export import tariff factory engine battery vehicle cyclist
pavement traffic festival orchestra theatre audience novel author library archive football stadium supporter
goalkeeper champion tournament medal athlete coach injury season contract transfer investor shareholder profit
revenue quarter forecast analyst regulator licence network broadcaster journalist editor newspaper interview statement
evidence decision appeal sentence prison reform border treaty summit ambassador refugee convoy ceasefire satellite
telescope laboratory experiment species forest wildfire drought reservoir pipeline turbine reactor""",
)
_SECTIONS = ("World", "Politics", "Business", "Science", "Culture", "Sport", "Region")


class _Writer:
    """One page under way."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.random = random.Random(number)
        self.section = self.random.choice(_SECTIONS)
        self.title = self.headline()
        self.author = " ".join(word.capitalize() for word in self.random.sample(_LARGE_WORDS, 2))
        self.published = datetime(2026, 1, 1) + timedelta(minutes=number * 97)

    def words(self, count: int) -> list[str]:
        small = self.random.choices(_SMALL_WORDS, k=count)
        large = self.random.choices(_LARGE_WORDS, k=count)
        return [large[i] if self.random.random() < 0.45 else small[i] for i in range(count)]

    def sentence(self) -> str:
        words = self.words(self.random.randint(7, 26))
        if len(words) > 14:
            words[len(words) // 2] += ","
        return " ".join(words).capitalize() + "."

    def headline(self) -> str:
        return " ".join(self.words(self.random.randint(5, 11))).capitalize()

    def paragraph(self) -> str:
        sentences = [self.sentence() for _ in range(self.random.randint(2, 5))]
        if self.random.random() < 0.3:
            sentences[0] = f'<a href="/{self.section.lower()}/{self.random.randint(1, 9999)}">{sentences[0]}</a>'
        if self.random.random() < 0.2:
            sentences[-1] = f"“{sentences[-1]}” <em>{self.author}</em> said."
        return f"<p>{' '.join(sentences)}</p>"

    def path(self) -> str:
        return "/" + "-".join(self.words(4)) + f"-{self.random.randint(10**6, 10**7)}.html"

    def image(self, width: int = 320) -> str:
        name = f"/img/{self.random.getrandbits(64):016x}"
        sizes = ", ".join(f"{name}-{size}.webp {size}w" for size in (width, 2 * width, 3 * width))
        alt = " ".join(self.words(5))
        return (
            f'<picture><source type="image/webp" srcset="{sizes}" sizes="(max-width:600px) 100vw, 33vw">'
            f'<img src="{name}.jpg" alt="{alt}" width="{width}" height="{width * 9 // 16}" loading="lazy"></picture>'
        )


def _metadata(page: _Writer) -> str:
    """What crawlers and social networks are told, in three dialects."""
    date = page.published.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    facts = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": page.title,
        "datePublished": date,
        "dateModified": date,
        "author": [{"@type": "Person", "name": page.author, "url": f"/by/{page.number % 40}"}],
        "publisher": {"@type": "NewsMediaOrganization", "name": "The Daily Benchmark", "logo": "/logo.png"},
        "image": [f"/img/lead-{page.number}-{size}.jpg" for size in (400, 800, 1200)],
        "articleSection": page.section,
        "isAccessibleForFree": True,
    }
    properties = {"og:title": page.title, "og:type": "article", "og:site_name": "The Daily Benchmark"}
    properties |= {"article:published_time": date, "article:section": page.section, "og:description": page.sentence()}
    lines = [f'<meta property="{name}" content="{value}">' for name, value in properties.items()]
    names = {"description": page.sentence(), "author": page.author, "twitter:card": "summary", "viewport": "width=700"}
    lines += [f'<meta name="{name}" content="{value}">' for name, value in names.items()]
    lines += [f'<link rel="preload" as="font" href="/fonts/{n}.woff2" crossorigin>' for n in range(6)]
    return "".join([*lines, f'<script type="application/ld+json">{json.dumps(facts)}</script>'])


def _style(page: _Writer) -> str:
    names = page.words(12)
    rules = [
        f".{a}-{b}__{page.random.randint(1, 99)}{{margin:{page.random.randint(0, 40)}px auto;color:#{n * 4099:06x}}}"
        for n, (a, b) in enumerate(zip(names, reversed(names), strict=True))
    ]
    return f"<style>{''.join(rules)}</style>"


def _script(page: _Writer) -> str:
    config = {
        "slot": "/".join(page.words(3)),
        "ids": [page.random.getrandbits(48) for _ in range(8)],
        "labels": page.words(20),
        "flags": {word: page.random.random() < 0.5 for word in page.words(14)},
    }
    return f"<script>window.__queue=window.__queue||[];window.__queue.push({json.dumps(config)});</script>"


def _menu(page: _Writer) -> str:
    items = [f'<li class="nav__item"><a href="{page.path()}">{word.capitalize()}</a></li>' for word in page.words(9)]
    return f'<nav aria-label="{page.section}"><ul class="nav">{"".join(items)}</ul></nav>'


def _teaser(page: _Writer) -> str:
    return (
        f'<article class="card card--s"><a class="card__link" href="{page.path()}"><div class="card__media">'
        f'{page.image()}</div><span class="kicker">{page.section}</span><h3 class="card__title">{page.headline()}</h3>'
        f'</a><p class="card__text">{page.sentence()}</p><time datetime="{page.published:%Y-%m-%d}">'
        f"{page.published:%d %B %Y}</time></article>"
    )


def _comment(page: _Writer) -> str:
    return (
        f'<li class="comment" id="c{page.random.randint(1, 10**6)}"><b class="who">{page.random.choice(_LARGE_WORDS)}'
        f'</b><div class="comment__body"><p>{page.sentence()} {page.sentence()}</p></div>'
        f'<button type="button">Reply</button></li>'
    )


def _article(page: _Writer) -> str:
    body = [page.paragraph() for _ in range(page.random.randint(6, 28))]
    body.insert(3, f"<figure>{page.image(640)}<figcaption>{page.sentence()} Photo: {page.author}</figcaption></figure>")
    body.insert(5, f'<aside class="more"><h4>Read more</h4><a href="{page.path()}">{page.headline()}</a></aside>')
    for place in range(8, len(body), 7):
        body.insert(place, f"<h2>{page.headline()}</h2>")
    if page.number % 3 == 0:
        body.append(f"<blockquote><p>{page.sentence()}</p></blockquote>")
    date = page.published
    return (
        f'<article class="story"><header><p class="kicker">{page.section}</p><h1>{page.title}</h1>'
        f'<p class="standfirst">{page.sentence()}</p><p class="byline">By <a rel="author" href="/by/1">'
        f'{page.author}</a></p><time datetime="{date:%Y-%m-%dT%H:%MZ}">{date:%d %B %Y, %H:%M}</time></header>'
        f"{''.join(body)}</article>"
    )


_AROUND: tuple[tuple[Callable[[_Writer], str], int], ...] = (
    (_style, 3), (_script, 8), (_menu, 4), (_teaser, 14), (_comment, 3),
)  # fmt: skip
"""What surrounds an article, and how often of 32 pieces."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around an article."""

    styles: str
    scripts: tuple[str, str]
    """In the head, and at the end of the body."""
    menus: str
    teasers: str
    comments: str

    @classmethod
    def make(cls, page: _Writer, size: float) -> _Around:
        """Make about `size` characters of it."""
        pieces: dict[Callable[[_Writer], str], list[str]] = {kind: [] for kind, _ in _AROUND}
        kinds, weights = zip(*_AROUND, strict=True)
        while size > 0:
            kind = page.random.choices(kinds, weights)[0]
            pieces[kind].append(kind(page))
            size -= len(pieces[kind][-1])
        styles, menus, teasers, comments = ("".join(pieces[kind]) for kind in (_style, _menu, _teaser, _comment))
        half = len(pieces[_script]) // 2
        scripts = "".join(pieces[_script][:half]), "".join(pieces[_script][half:])
        return cls(styles, scripts, menus, teasers, comments)


def make_page(number: int) -> bytes:
    """Return page `number` as UTF-8 HTML."""
    page = _Writer(number)
    size = _size_of(page)
    article = _article(page)
    return _assemble(page, article, _Around.make(page, size - len(article) - 3500))


SHELVES = 64


def make_story(number: int) -> bytes:
    """Return page `number` of an endless series, at a quarter of the cost: what is around the articles repeats."""
    page = _Writer(number)
    return _assemble(page, _article(page), _shelf(number % SHELVES))


@lru_cache(SHELVES)
def _shelf(number: int) -> _Around:
    page = _Writer(number)
    return _Around.make(page, _size_of(page) - 10_500)


def _size_of(page: _Writer) -> float:
    return SMALLEST * (LARGEST / SMALLEST) ** page.random.random()


def _assemble(page: _Writer, article: str, around: _Around) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{page.title} | The Daily Benchmark</title>'
        f'{_metadata(page)}{around.styles}{around.scripts[0]}</head><body class="page"><div class="consent" '
        f'role="dialog" hidden><p>We value your privacy.</p><button>Agree</button></div><header>{around.menus}</header>'
        f'<main>{article}<section class="related"><h2>More on this</h2>{around.teasers}</section>'
        f'<section class="comments"><h2>Comments</h2><ul>{around.comments}</ul></section></main>'
        f"<footer>{_menu(page)}<p>© The Daily Benchmark</p>"
        f"</footer>{around.scripts[1]}</body></html>"
    ).encode()


def path_of(number: int) -> str:
    """Return the path of a page."""
    return f"/news/{number:05}.html"


def make_response(number: int) -> bytes:
    """Return the whole HTTP response for a page."""
    body = gzip.compress(make_page(number), 6, mtime=0)
    head = (
        "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sun, 22 Nov 2026 06:43:21 GMT\r\n"
        "Content-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
        f'ETag: "{number:x}-{len(body):x}"\r\nCache-Control: max-age=60\r\nContent-Length: {len(body)}\r\n\r\n'
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    responses: dict[bytes, bytes]
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.unread = transport, b""

    def data_received(self, data: bytes) -> None:
        *requests, self.unread = (self.unread + data).split(b"\r\n\r\n")
        for request in requests:
            missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            self.transport.write(self.responses.get(request.split(b" ", 2)[1], missing))


async def _serve(pages: int) -> None:
    _Connection.responses = {path_of(number).encode(): make_response(number) for number in range(pages)}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
