"""A news site of any number of generated articles, with feeds, sitemaps and sections, that misbehaves if it is told to.

    python -m benchmarks.crawl.newspaper 20000 --faults 0.1 --log served.jsonl

prints its port and serves until its standard input ends. Which article has which fault follows from seed and number
alone, so a test knows what must come of each. The log has a line for every answer: what was sent, under which digest,
and whether it was sent whole; a request that is not in it was never received.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import json
import random
import signal
import struct
import sys
from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cached_property, lru_cache
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from subprocess import PIPE, Popen
from typing import Any

from benchmarks.crawl.site import make_story

FAULTS: dict[str, frozenset[str]] = {
    "reset": frozenset({"failed"}),
    "reset-once": frozenset({"saved"}),
    "slow": frozenset({"saved"}),
    "storm": frozenset({"failed", "blocked"}),
    "storm-once": frozenset({"saved"}),
    "short": frozenset({"failed"}),
    "long": frozenset({"saved", "failed"}),
    "loop": frozenset({"failed"}),
    "moved": frozenset({"saved"}),
    "missing": frozenset({"gone", "failed"}),
    "garbage": frozenset({"failed"}),
    "silent": frozenset({"failed"}),
}
"""What may be wrong with an article, and the outcomes it may end in."""
RARE: dict[str, frozenset[str]] = {
    "bomb": frozenset({"failed"}),
    "endless": frozenset({"failed"}),
    "drip": frozenset({"failed"}),
    "busy": frozenset({"saved"}),
}
"""Faults that cost time or memory; a site has two of each, if it has any faults."""
IN_SITEMAP = 1000
STORM = 300
"""Of the articles of one sitemap, which come in this order, the first of twelve that the server has no answer for."""
IN_FEED = 50
IN_NEWS_SITEMAP = 100
IN_SECTION = 30
SECTIONS = 5
BOMB = 40 * 2**20
"""Bytes a bomb decodes to."""
_BLOCK = 16 * 1024
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Newspaper:
    """What the site consists of; the same for server and test."""

    pages: int
    faults: float = 0.0
    """Share of the articles that have one."""
    seed: int = 1
    newest: datetime = field(default_factory=lambda: datetime.now(UTC))

    def path_of(self, number: int) -> str:
        date = self.date_of(number)
        words = "-".join(_DIGITS[int(digit)] for digit in str(number))
        return f"/news/{date:%Y/%m/%d}/{words}-boats-in-the-harbour-{number}.html"

    def date_of(self, number: int) -> datetime:
        return self.newest - timedelta(seconds=90 * number)

    def fault_of(self, number: int) -> str | None:
        """Return what is wrong with an article; ``None`` for most."""
        if not self.faults:
            return None
        if (rare := self._rare.get(number)) is not None:
            return rare
        if STORM <= number % IN_SITEMAP < STORM + 12:
            return "storm" if number % 2 else "storm-once"
        chance = random.Random(f"{self.seed}/{number}")
        return chance.choice(list(FAULTS)) if chance.random() < self.faults else None

    @cached_property
    def _rare(self) -> dict[int, str]:
        """Rare faults stand at the beginning, so that what they make a crawl wait for passes during the rest."""
        names = sorted([*RARE, *RARE])
        return {5 + 4 * place: name for place, name in enumerate(names) if 5 + 4 * place < self.pages}

    def outcomes_of(self, number: int) -> frozenset[str]:
        """Return the outcomes a first crawl may end in."""
        fault = self.fault_of(number)
        return frozenset({"saved"}) if fault is None else {**FAULTS, **RARE}[fault]

    def paths(self) -> Iterator[str]:
        """Yield the path of every article, the newest first."""
        return map(self.path_of, range(self.pages))


def number_of(path: str) -> int | None:
    """Return which article a path is of."""
    name = path.partition("?")[0].rpartition("-")[2]
    digits = name.removesuffix(".html")
    return int(digits) if name.endswith(".html") and digits.isdigit() else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: what is sent, how, and what may be said of it afterwards."""

    pieces: tuple[bytes, ...]
    status: int
    payload: bytes | None = None
    """``None`` where no client can have received it whole."""
    end: str = "keep"
    """What becomes of the connection: ``keep``, ``close``, ``reset``, ``hang``, or ``more`` of the last piece."""
    pause: float = 0.0
    """Seconds between two pieces."""


def plain(
    body: bytes,
    content_type: str = "text/html; charset=utf-8",
    *fields: str,
    status: str = "200 OK",
    chunked: bool = False,
) -> Answer:
    """Return an answer as it should be, HTML gzip-coded."""
    if content_type.startswith("text/"):
        body = gzip.compress(body, 1, mtime=0)
        fields = ("Content-Encoding: gzip", *fields)
    head = head_of(status, f"Content-Type: {content_type}", *fields, *framing(body, chunked=chunked))
    return Answer((head + (chunks(body) if chunked else body),), int(status[:3]), body)


def head_of(status: str, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Server: newspaper", *fields, "", ""]).encode()


def framing(body: bytes, *, chunked: bool) -> list[str]:
    return ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {len(body)}"]


def chunks(body: bytes) -> bytes:
    parts = [body[start : start + _BLOCK] for start in range(0, len(body), _BLOCK)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@lru_cache(1)
def bomb() -> bytes:
    return gzip.compress(bytes(BOMB), 9, mtime=0)


class Site:
    """Answers requests."""

    def __init__(self, paper: Newspaper) -> None:
        self.paper = paper
        self.origin = ""
        self.hits: Counter[str] = Counter()

    def answer(self, path: str, head: bytes) -> Answer:
        self.hits[path] += 1
        number = number_of(path)
        if number is not None and 0 <= number < self.paper.pages:
            return self._article(number, path, head)
        for prefix, make in self._others().items():
            if path.startswith(prefix):
                return make(path)
        return self._front() if path == "/" else plain(b"<p>no such page</p>", status="404 Not Found")

    # Articles

    def _article(self, number: int, path: str, head: bytes) -> Answer:
        fault = self.paper.fault_of(number)
        if fault is None or (fault == "moved" and path.startswith("/moved/")):
            return self._story(number, head)
        return getattr(self, f"_{fault.replace('-', '_')}")(number, path, head)

    def _story(self, number: int, head: bytes) -> Answer:
        etag = f'ETag: "{self.paper.seed:x}-{number:x}"'
        if f"If-None-Match: {etag[6:]}".lower().encode() in head.lower():
            return Answer((head_of("304 Not Modified", etag),), 304, b"")
        modified = f"Last-Modified: {format_datetime(self.paper.date_of(number), usegmt=True)}"
        cookies = [f"Set-Cookie: {name}={number:032x}; Path=/; Max-Age=9999" for name in ("visitor", "session", "test")]
        return plain(make_story(number), "text/html; charset=utf-8", etag, modified, *cookies, chunked=number % 4 == 0)

    def _half(self, number: int) -> bytes:
        whole = self._story(number, b"").pieces[0]
        return whole[: len(whole) // 2]

    def _reset(self, number: int, path: str, head: bytes) -> Answer:
        return Answer((self._half(number),), 200, end="reset")

    def _reset_once(self, number: int, path: str, head: bytes) -> Answer:
        return self._reset(number, path, head) if self.hits[path] == 1 else self._story(number, head)

    def _slow(self, number: int, path: str, head: bytes) -> Answer:
        whole = self._story(number, head)
        (data,) = whole.pieces
        step = len(data) // 8 + 1
        pieces = tuple(data[start : start + step] for start in range(0, len(data), step))
        return Answer(pieces, whole.status, whole.payload, pause=0.03)

    def _storm(self, number: int, path: str, head: bytes) -> Answer:
        return plain(b"<h1>Internal Server Error</h1>", status=f"{(500, 502, 504)[number % 3]} Out of order")

    def _storm_once(self, number: int, path: str, head: bytes) -> Answer:
        return self._storm(number, path, head) if self.hits[path] <= 2 else self._story(number, head)

    def _short(self, number: int, path: str, head: bytes) -> Answer:
        body = make_story(number)
        return Answer((head_of("200 OK", "Content-Type: text/html", f"Content-Length: {len(body) + 999}") + body,), 200,
                      end="close")  # fmt: skip

    def _long(self, number: int, path: str, head: bytes) -> Answer:
        body = make_story(number)
        said = len(body) - 40
        answer = head_of("200 OK", "Content-Type: text/html", f"Content-Length: {said}") + body
        return Answer((answer,), 200, body[:said], end="close")

    def _loop(self, number: int, path: str, head: bytes) -> Answer:
        turn = int(path.partition("?turn=")[2] or 0)
        base = path.partition("?")[0]
        target = f"{base}?turn={(turn + 1) % 3}" if number % 2 else f"{base}?turn={turn + 1}"
        return redirect(target)

    def _moved(self, number: int, path: str, head: bytes) -> Answer:
        return redirect(path.replace("/news/", "/moved/"))

    def _missing(self, number: int, path: str, head: bytes) -> Answer:
        return plain(b"<h1>Not found</h1>", status="404 Not Found" if number % 2 else "410 Gone")

    def _garbage(self, number: int, path: str, head: bytes) -> Answer:
        return Answer((b"\x16\x03\x01 this is no HTTP at all\r\n\r\n" * 3,), 0, end="close")

    def _silent(self, number: int, path: str, head: bytes) -> Answer:
        return Answer((), 0, end="close" if number % 2 else "reset")

    def _bomb(self, number: int, path: str, head: bytes) -> Answer:
        fields = ("Content-Type: text/html", "Content-Encoding: gzip", f"Content-Length: {len(bomb())}")
        return Answer((head_of("200 OK", *fields) + bomb(),), 200, bomb())

    def _endless(self, number: int, path: str, head: bytes) -> Answer:
        start = head_of("200 OK", "Content-Type: text/html", "Transfer-Encoding: chunked")
        return Answer((start, b"4000\r\n" + b"<p>and so on</p>" * 1024 + b"\r\n"), 200, end="more")

    def _drip(self, number: int, path: str, head: bytes) -> Answer:
        return Answer((head_of("200 OK", "Content-Type: text/html", "Content-Length: 99999"), b"."), 200,
                      end="more", pause=0.2)  # fmt: skip

    def _busy(self, number: int, path: str, head: bytes) -> Answer:
        if self.hits[path] > 1:
            return self._story(number, head)
        return Answer((head_of("429 Too Many Requests", "Retry-After: 1", "Content-Length: 0"),), 429, b"")

    # Where articles are named

    def _others(self) -> dict[str, Callable[[str], Answer]]:
        return {
            "/robots.txt": self._robots,
            "/feed.xml": self._feed,
            "/news-sitemap.xml": self._news_sitemap,
            "/sitemap-index.xml": self._index,
            "/sitemaps/": self._sitemap,
            "/section/": self._section,
            "/calendar/": self._calendar,
            "/endless/": self._list_without_end,
        }

    def _robots(self, path: str) -> Answer:
        lines = ["User-agent: *", "Disallow: /private/"]
        lines += [f"Sitemap: {self.origin}/{name}.xml" for name in ("news-sitemap", "sitemap-index")]
        return plain("\n".join(lines).encode(), "text/plain")

    def _front(self) -> Answer:
        feed = f'<link rel="alternate" type="application/rss+xml" title="News" href="{self.origin}/feed.xml">'
        sections = "".join(f'<li><a href="/section/{number}">Section {number}</a></li>' for number in range(SECTIONS))
        return plain(page_of(feed, f"<nav><ul>{sections}</ul></nav>{TRAPS}{self._teasers(0)}"))

    def _teasers(self, first: int) -> str:
        numbers = range(first, min(first + IN_SECTION, self.paper.pages))
        return "".join(f'<h2><a href="{self.paper.path_of(each)}">{headline(each)}</a></h2>' for each in numbers)

    def _section(self, path: str) -> Answer:
        number = int(path.partition("/section/")[2] or 0)
        return plain(page_of("", TRAPS + self._teasers(number * IN_SECTION % max(1, self.paper.pages))))

    def _feed(self, path: str) -> Answer:
        items = [
            f"<item><title>{headline(each)}</title><link>{self.origin}{self.paper.path_of(each)}?utm_source=rss</link>"
            f"<pubDate>{format_datetime(self.paper.date_of(each))}</pubDate></item>"
            for each in range(min(IN_FEED, self.paper.pages))
        ]
        text = f'<rss version="2.0"><channel><title>Paper</title>{"".join(items)}</channel></rss>'
        return plain(text.encode(), "application/rss+xml")

    def _news_sitemap(self, path: str) -> Answer:
        news = 'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
        return plain(self._urlset(0, IN_NEWS_SITEMAP, news, self._news_entry), "application/xml")

    def _news_entry(self, number: int) -> str:
        date = self.paper.date_of(number).isoformat()
        return (
            f"<news:news><news:publication><news:name>Paper</news:name><news:language>en</news:language>"
            f"</news:publication><news:publication_date>{date}</news:publication_date>"
            f"<news:title>{headline(number)}</news:title></news:news>"
        )

    def _index(self, path: str) -> Answer:
        parts = range((self.paper.pages + IN_SITEMAP - 1) // IN_SITEMAP)
        entries = "".join(f"<sitemap><loc>{self.origin}/sitemaps/{part}.xml.gz</loc></sitemap>" for part in parts)
        return plain(f"<sitemapindex {_SITEMAPS}>{entries}</sitemapindex>".encode(), "application/xml")

    def _sitemap(self, path: str) -> Answer:
        part = int(path.partition("/sitemaps/")[2].removesuffix(".xml.gz"))
        body = self._urlset(part * IN_SITEMAP, IN_SITEMAP, "", lambda number: "")
        return plain(gzip.compress(body, 1, mtime=0), "application/gzip")

    def _urlset(self, first: int, most: int, namespace: str, more: Callable[[int], str]) -> bytes:
        entries = [
            f"<url><loc>{self.origin}{self.paper.path_of(each)}</loc>"
            f"<lastmod>{self.paper.date_of(each).isoformat()}</lastmod>{more(each)}</url>"
            for each in range(first, min(first + most, self.paper.pages))
        ]
        return f"<urlset {_SITEMAPS} {namespace}>{''.join(entries)}</urlset>".encode()

    # Traps

    def _calendar(self, path: str) -> Answer:
        year, month = map(int, path.split("/")[2:4])
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        days = "".join(f'<a href="/calendar/{year}/{month}/{day}">What is on today</a>' for day in range(1, 29))
        return plain(page_of("", f'{days}<a rel="next" href="/calendar/{year}/{month}">next month</a>'))

    def _list_without_end(self, path: str) -> Answer:
        """Each page of it names another story that does not exist, and a further page."""
        number = int(path.rpartition("/")[2] or 0)
        story = f"/phantom/2026/11/22/a-story-that-is-not-there-{number}"
        link = f'<h2><a href="{story}">A story that is not there, told for the {number}th time</a></h2>'
        return plain(page_of(f'<link rel="next" href="/endless/{number + 1}">', link))


def redirect(target: str) -> Answer:
    return Answer((head_of("302 Found", f"Location: {target}", "Content-Length: 0"),), 302, b"")


def headline(number: int) -> str:
    return f"{_DIGITS[number % 10].capitalize()} boats are in the harbour after the storm, number {number}"


def page_of(head: str, body: str) -> bytes:
    html = f'<!doctype html><html lang="en"><head><title>The Daily Benchmark</title>{head}</head>'
    return f"{html}<body><main>{body}</main></body></html>".encode()


_SITEMAPS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
TRAPS = """<aside><a href="/calendar/2026/11">Calendar</a>
<a href="/a/b/a/b/a/b/a/b/">Round and round we go for ever</a>
<a href="/find?sort=1&amp;order=2&amp;view=3&amp;filter=4">Arrange all of our stories as you like them</a>
<a href="/private/2026/11/22/nobody-may-read-this-story-of-ours">Nobody may read this story of ours</a></aside>"""


class _Connection(asyncio.Protocol):
    site: Site
    log: Any
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.unread, self.is_open, self.is_full = transport, b"", True, False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def data_received(self, data: bytes) -> None:
        *heads, self.unread = (self.unread + data).split(b"\r\n\r\n")
        for head in heads:
            path = head.split(b" ", 2)[1].decode("latin-1")
            answer = self.site.answer(path, head)
            self._send(path, answer, list(answer.pieces))

    def _send(self, path: str, answer: Answer, pieces: list[bytes]) -> None:
        if not self.is_open:
            self._note(path, answer, whole=False)
            return
        if pieces and not self.is_full:
            self.transport.write(pieces.pop(0))
        if pieces or answer.end == "more":
            further = pieces or [answer.pieces[-1]]
            wait = max(answer.pause, 0.002) if pieces or not answer.pause else answer.pause
            asyncio.get_running_loop().call_later(wait, self._send, path, answer, further)
            return
        self._note(path, answer, whole=answer.payload is not None)
        if answer.end == "close":
            self.transport.close()
        elif answer.end == "reset":
            # Half of it should arrive; what the kernel has not handed over yet is lost with the reset.
            asyncio.get_running_loop().call_later(0.02, self._reset)

    def _reset(self) -> None:
        if (socket := self.transport.get_extra_info("socket")) is not None:
            with suppress(OSError):
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _note(self, path: str, answer: Answer, *, whole: bool) -> None:
        if self.log is None:
            return
        digest = None
        if whole and answer.payload is not None:
            digest = "sha1:" + b32encode(hashlib.sha1(answer.payload).digest()).decode()
        line = {"path": path, "status": answer.status, "digest": digest, "whole": whole}
        self.log.write(json.dumps(line) + "\n")


async def _serve(site: Site, log: Any) -> None:
    _Connection.site, _Connection.log = site, log
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    site.origin = f"http://127.0.0.1:{port}"
    print(port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@dataclass(slots=True)
class Served:
    """A newspaper that a process of its own serves."""

    url: str
    log: Path | None
    process: Popen[bytes]

    def answers(self) -> list[dict[str, Any]]:
        """Return what the log says, once the server has ended."""
        assert self.log is not None
        return list(map(json.loads, self.log.read_text().splitlines()))


@contextmanager
def serve(paper: Newspaper, *, log: Path | None = None) -> Iterator[Served]:
    """Serve a newspaper while the context lasts; its log is complete afterwards."""
    command = [sys.executable, "-m", "benchmarks.crawl.newspaper", str(paper.pages), "--faults", str(paper.faults)]
    command += ["--seed", str(paper.seed), "--newest", paper.newest.isoformat(), *(["--log", str(log)] if log else [])]
    root = Path(__file__).parents[2]
    with Popen(command, stdin=PIPE, stdout=PIPE, cwd=root, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Served(f"http://127.0.0.1:{int(process.stdout.readline())}", log, process)
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crawl.newspaper", description=__doc__)
    parser.add_argument("pages", type=int)
    parser.add_argument("--faults", type=float, default=0.0, help="share of the articles that have one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--newest", type=datetime.fromisoformat, default=datetime.now(UTC), help="date of the newest")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    paper = Newspaper(options.pages, options.faults, options.seed, options.newest)
    with open(options.log or "/dev/null", "w") as log:
        asyncio.run(_serve(Site(paper), log if options.log else None))


if __name__ == "__main__":
    main()
