"""Odd answers that real servers give, and what a faithful archive holds of each.

`CASES` is the table. A case is a script that sends exact bytes, and the facts that a capture of it must show.
Whatever precedes the final response (1xx heads) or follows its end (junk) is not part of the response block: the
archive keeps the former apart and drops the latter. `tests.wirelog` plays the scripts.
"""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from tests.wirelog import Talk

Script = Callable[["Talk"], Awaitable[None]]
Transport = Literal["plain", "tls", "proxy"]
Rule = Literal["exact", "exact-minus-trailing-junk", "prefix"]

EVERYWHERE: tuple[Transport, ...] = ("plain", "tls", "proxy")
DIRECT: tuple[Transport, ...] = ("plain", "tls")
"""For what a proxy does not pass on: the life of the connection itself."""


@dataclass(frozen=True, slots=True)
class Case:
    """One odd answer. All facts speak of the first exchange with a client that has not used its connection before."""

    name: str
    script: Script
    status: int | None = 200
    """None if nothing readable as a final status line was sent."""
    truncated: Literal["length", "time", "disconnect"] | None = None
    """Value of WARC-Truncated. `disconnect` is also the word for a response whose end the client cannot make out."""
    interim: bytes = b""
    """The 1xx heads sent before the final response."""
    junk: bytes = b""
    """What follows the end of the response on the same connection."""
    method: str = "GET"
    request_body: bytes = b""
    query: str = ""
    """To be asked with this query, as typed by a person; it may hold characters that no URL may hold."""
    verbatim: bool = False
    """The query must reach the wire as it is."""
    requests: int = 1
    """Requests for this very URL by a client that retries 503 and follows redirects."""
    max_size: int | None = None
    """The client must be told to stop after so many body bytes."""
    stalls: bool = False
    """The server falls silent (or never ends); the client must be given a time limit, or the case be released."""
    at_least: int = 0
    """Of a response cut by size or time: bytes that the capture holds in any case."""
    reads_body: bool = True
    """False if the server answers before it has read the request's body."""
    transports: tuple[Transport, ...] = EVERYWHERE

    @property
    def rule(self) -> Rule:
        if self.max_size is not None or self.stalls:
            return "prefix"
        return "exact-minus-trailing-junk" if self.junk else "exact"

    def expected_response(self, sent: bytes) -> bytes:
        """The response block for what the server sent; under the rule `prefix`, the longest one possible."""
        return sent.removeprefix(self.interim).removesuffix(self.junk)

    def is_faithful(self, captured: bytes, sent: bytes) -> bool:
        """Whether a captured response block holds what it must of the bytes the server sent."""
        expected = self.expected_response(sent)
        if self.rule == "prefix":
            return expected.startswith(captured) and len(captured) >= self.at_least
        return captured == expected


PAGE = (
    "<!doctype html><html><head><meta charset=utf-8><title>Hochwasser im Süden</title></head><body><article>"
    + "".join(f"<p>Absatz {n}: Der Pegel stieg über Nacht um {n} cm – Anwohner räumen Keller.</p>" for n in range(120))
    + "</article></body></html>"
).encode()
HTML = b"Content-Type: text/html; charset=utf-8"
CHUNKED = b"Transfer-Encoding: chunked"
CLOSE = b"Connection: close"


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


def ok(body: bytes, *lines: bytes) -> bytes:
    """An ordinary 200 with a Content-Length, and further header lines in front of it."""
    return head(b"HTTP/1.1 200 OK", *lines, b"Content-Length: %d" % len(body)) + body


def ok_chunked(body: bytes, *lines: bytes) -> bytes:
    """A 200 whose (already chunked) body is sent as it is."""
    return head(b"HTTP/1.1 200 OK", HTML, *lines) + body


def chunks(body: bytes, sizes: Iterable[int], *, extension: bytes = b"", size_format: bytes = b"%x") -> bytes:
    """Body in chunks of the given sizes, the rest of it in one more; without the last chunk."""
    framed, start = bytearray(), 0
    for size in [*sizes, len(body)]:
        if part := body[start : start + size]:
            framed += size_format % len(part) + extension + b"\r\n" + part + b"\r\n"
        start += size
    return bytes(framed)


def chunked(body: bytes, **options: Any) -> bytes:
    return chunks(body, (10, 1000, 7, 1, 2500), **options) + b"0\r\n\r\n"


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def raw_deflated(body: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(body) + squeeze.flush()


@cache
def gzip_bomb() -> bytes:
    """One gzip member of about 1 MB that unpacks to 1 GiB of zeros.

    A block compressed with a full flush depends on nothing before it, so it can be repeated.
    """
    mebibyte = bytes(1 << 20)
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = squeeze.compress(mebibyte) + squeeze.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(1024):
        checksum = zlib.crc32(mebibyte, checksum)
    start = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x02\xff"
    end = squeeze.flush() + checksum.to_bytes(4, "little") + (1 << 30).to_bytes(4, "little")
    return start + block * 1024 + end


@cache
def noise(size: int) -> bytes:
    """Bytes that no codec shrinks, the same in every run."""
    return random.Random(size).randbytes(size)


FIRST_HALF = b"the first half of the body"
HALF_HEAD = b"HTTP/1.1 200 OK\r\nX-Half: 1\r\n"
HALF_BODY = head(b"HTTP/1.1 200 OK", HTML, b"Content-Length: 52") + FIRST_HALF
HALF_CHUNK = head(b"HTTP/1.1 200 OK", HTML, CHUNKED) + b"34\r\n" + FIRST_HALF
CONTINUE = head(b"HTTP/1.1 100 Continue")
PROCESSING = head(b"HTTP/1.1 102 Processing")
HINTS = (
    head(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>; rel=preload"),
    head(b"HTTP/1.1 103 Early Hints", b"Link: </b.css>; rel=preload"),
)
IDLE_408 = head(b"HTTP/1.1 408 Request Timeout", b"Content-Length: 0", CLOSE)
ENDLESS_HEAD = head(b"HTTP/1.1 200 OK", HTML, CHUNKED)
BLOCK = noise(50_000)
ENOUGH = 64 << 20
"""Where an endless body stops and falls silent, so that a client without limits harms nobody."""


def answer(name: str, *pieces: bytes, keep_alive: bool | None = None, **facts: Any) -> Case:
    """The case of a server that sends these bytes."""

    async def script(talk: Talk) -> None:
        talk.keep_alive = keep_alive
        await talk.send(*pieces)

    return Case(name, script, **facts)


def stall(name: str, before: bytes, after: bytes, *, interim: bytes = b"", **facts: Any) -> Case:
    """The case of a server that falls silent, and goes on only when released."""

    async def script(talk: Talk) -> None:
        if before:
            await talk.send(before)
        await talk.released()
        await talk.send(after)

    least = len(before.removeprefix(interim))
    return Case(name, script, stalls=True, truncated="time", at_least=least, interim=interim, **facts)


def junk(name: str, response: bytes, junk: bytes, **facts: Any) -> Case:
    """The case of a server that sends more than the response and keeps the connection open.

    Not for the proxy, which would close it: the client, who takes the response for complete, might be using it again.
    """
    return answer(name, response + junk, junk=junk, keep_alive=True, transports=DIRECT, **facts)


def breaks(name: str, before: bytes, how: Literal["reset", "vanish"], **facts: Any) -> Case:
    """The case of a server that tears the connection down."""

    async def script(talk: Talk) -> None:
        if before:
            await talk.send(before)
        (talk.reset if how == "reset" else talk.vanish)()

    return Case(name, script, truncated="disconnect", **facts)


async def send_large(talk: Talk) -> None:
    body = noise(20_000_000)
    await talk.send(head(b"HTTP/1.1 200 OK", b"Content-Type: video/mp4", b"Content-Length: %d" % len(body)))
    for start in range(0, len(body), len(BLOCK)):
        await talk.send(body[start : start + len(BLOCK)])


async def send_bomb(talk: Talk) -> None:
    await talk.send(ok(gzip_bomb(), HTML, b"Content-Encoding: gzip"))


async def send_three_megabytes(talk: Talk) -> None:
    await talk.send(head(b"HTTP/1.1 200 OK", HTML, b"Content-Length: 3000000"))
    for _ in range(60):
        await talk.send(BLOCK)


async def send_three_megabytes_chunked(talk: Talk) -> None:
    await talk.send(ENDLESS_HEAD)
    for _ in range(60):
        await talk.send(chunks(BLOCK, ()))
    await talk.send(b"0\r\n\r\n")


def endless(start: bytes, block: bytes, most: int = ENOUGH) -> Script:
    async def script(talk: Talk) -> None:
        await talk.send(start)
        for _ in range(most // len(block)):
            await talk.send(block)
        talk.keep_alive = False
        await talk.read_until_closed()

    return script


async def drip(talk: Talk) -> None:
    """A byte every few milliseconds: no gap is long enough for an idle timeout."""
    await talk.send(ENDLESS_HEAD)
    while True:
        await talk.trickle(b"1\r\n.\r\n")


async def trickle(talk: Talk) -> None:
    """One byte at a time, so that every CR is parted from its LF and every number from itself."""
    sent = ok_chunked(b"1a\r\n" + FIRST_HALF + b"\r\n0\r\nX-Check: 1\r\n\r\n", b"X-Fold: a\r\n\tb", CHUNKED)
    await talk.trickle(*(bytes([byte]) for byte in sent))


async def hints(talk: Talk) -> None:
    """Two early hints; the second comes together with the first bytes of the final status line."""
    first, second = HINTS
    await talk.trickle(first, second + b"HTTP/1.1 20", b"0 OK\r\nContent-Length: 4\r\n\r\nbody")


async def busy_once(talk: Talk) -> None:
    if talk.hit == 1:
        await talk.send(head(b"HTTP/1.1 503 Busy", b"Retry-After: 0", b"Content-Length: 4") + b"busy")
    else:
        await talk.send(ok(PAGE, HTML))


async def echo_body(talk: Talk) -> None:
    await talk.send(ok(talk.request.body, b"Content-Type: application/octet-stream"))


async def echo_cookie(talk: Talk) -> None:
    await talk.send(ok((talk.request.header("Cookie") or "").encode("latin-1"), b"Content-Type: text/plain"))


async def refuse_early(talk: Talk) -> None:
    """The answer is complete before the request is; then read on, as closing now could destroy the answer."""
    await talk.send(head(b"HTTP/1.1 413 Content Too Large", CLOSE, b"Content-Length: 7") + b"too big")
    await talk.read_until_closed()


async def close_on_reuse(talk: Talk) -> None:
    """Answer on a new connection; on a reused one close without a word, as a server does whose patience just ended."""
    if talk.nth_on_connection > 1:
        talk.keep_alive = False
    else:
        await talk.send(ok(PAGE, HTML))


async def close_when_idle(talk: Talk) -> None:
    await talk.send(ok(PAGE, HTML))
    if await talk.released_while_idle():
        talk.keep_alive = False


async def complain_when_idle(talk: Talk) -> None:
    """After release, a 408 that nobody asked for on the idle connection."""
    await talk.send(ok(PAGE, HTML))
    if await talk.released_while_idle():
        await talk.send(IDLE_408)


ODD_HEADERS = (
    b"date: Mon, 01 Jan 2024 00:00:00 GMT",
    b'ETag: "x"',
    b"X-FB-debug: abc",
    b"Set-Cookie: a=1; Path=/odd",
    b"content-TYPE: text/html; charset=utf-8",
    b"SET-COOKIE: b=2",
    b"WWW-Authenticate:Basic",
    b"X-Latin: caf\xe9",
    b"X-UTF8: caf\xc3\xa9",
    b"X-Spaces:   both sides   ",
    b"X-Fold: one",
    b"\ttwo",
    b"a line without colon",
    b"X-Empty:",
    b"Set-Cookie: c=3",
    b"x-fb-DEBUG: again",
)

_ORDINARY = (
    answer("plain", ok(PAGE, HTML)),
    answer("empty-body", ok(b"", HTML)),
    answer("nul-in-body", ok(b"\x00before\x00\r\n\r\nafter\x00", HTML)),
    answer("body-like-a-head", ok(b"\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", HTML)),
    Case("large-20mb", send_large),
    answer("head-with-length", head(b"HTTP/1.1 200 OK", HTML, b"Content-Length: 12345"), method="HEAD"),
    answer("head-chunked", head(b"HTTP/1.1 200 OK", HTML, CHUNKED), method="HEAD"),
    answer("head-without-length", head(b"HTTP/1.1 200 OK", HTML), method="HEAD"),
    answer("no-content-204", head(b"HTTP/1.1 204 No Content", b"X-a: b"), status=204),
    answer("reset-content-205", head(b"HTTP/1.1 205 Reset Content", b"Content-Length: 0"), status=205),
    answer(
        "not-modified-304",
        head(b"HTTP/1.1 304 Not Modified", b'ETag: "abc"', b"Content-Length: 5000"),
        status=304,
    ),
    answer("close-delimited", head(b"HTTP/1.1 200 OK", HTML, CLOSE) + PAGE),
    answer("close-delimited-unannounced", head(b"HTTP/1.1 200 OK", HTML) + PAGE),
    answer("close-delimited-empty", head(b"HTTP/1.1 200 OK", HTML, CLOSE)),
    answer("http-1.0", head(b"HTTP/1.0 200 OK", HTML) + PAGE),
    answer(
        "http-1.0-keep-alive",
        head(b"HTTP/1.0 200 OK", HTML, b"Connection: keep-alive", b"Content-Length: 4") + b"kept",
    ),
)  # fmt: skip

_CHUNKED = (
    answer("chunked", ok_chunked(chunked(PAGE), CHUNKED)),
    answer("chunked-empty", ok_chunked(b"0\r\n\r\n", CHUNKED)),
    answer("chunked-extensions", ok_chunked(chunked(PAGE, extension=b';name="a;b"; flag'), CHUNKED)),
    answer(
        "chunked-trailers",
        ok_chunked(chunks(PAGE, (99,)) + b"0\r\nX-Check: 1\r\nx-check: 2\r\n\r\n", CHUNKED, b"Trailer: X-Check"),
    ),
    answer("chunked-gzip", ok_chunked(chunked(gzipped(PAGE)), b"Content-Encoding: gzip", CHUNKED)),
    answer("chunked-capital", ok_chunked(chunked(PAGE), b"transfer-encoding: Chunked")),
    answer("chunked-odd-sizes", ok_chunked(chunked(PAGE, size_format=b"000%X"), CHUNKED)),
    answer("chunked-single-bytes", ok_chunked(chunks(PAGE[:402], [1] * 402) + b"0\r\n\r\n", CHUNKED)),
    answer("chunked-long-last-chunk", ok_chunked(chunks(PAGE, ()) + b"0000000000\r\n\r\n", CHUNKED)),
    Case("trickle", trickle),
)

_HEADERS = (
    answer("header-everything-odd", ok(PAGE, *ODD_HEADERS)),
    answer("header-case-and-order", ok(PAGE, b"x-B: 1", b"X-a: 2", b"X-b: 3", b'ETag: W/"1"', b"conTENT-type: a/b")),
    answer("header-whitespace", ok(PAGE, HTML, b"X-Tight:a", b"X-Wide:  \t a \t ", b"X-Empty:", b"X-Blank:   ")),
    answer("header-folded", ok(PAGE, HTML, b"X-Fold: one", b"  two", b"\tthree")),
    answer("header-without-colon", ok(PAGE, HTML, b"this line has none")),
    answer("header-latin-1", ok(PAGE, HTML, b"X-Place: M\xfcnchen", b'Content-Disposition: inline; filename="\xe9"')),
    answer("header-utf-8", ok(PAGE, HTML, "X-Place: München 😀".encode())),
    answer("header-repeated-cookie", ok(PAGE, HTML, *(b"Set-Cookie: c%d=%d; Path=/odd" % (n, n) for n in range(5)))),
    answer("header-300", ok(PAGE, HTML, *(b"X-H%d: %s" % (n, b"v" * 50) for n in range(300)))),
    answer("header-line-40kb", ok(PAGE, HTML, b"X-Long: " + b"v" * 40_000)),
)  # fmt: skip

_CODINGS = (
    answer("gzip", ok(gzipped(PAGE), HTML, b"Content-Encoding: gzip")),
    answer("gzip-upper-case", ok(gzipped(PAGE), HTML, b"CONTENT-ENCODING: X-GZIP")),
    answer("gzip-two-members", ok(gzipped(PAGE[:999]) + gzipped(PAGE[999:]), HTML, b"Content-Encoding: gzip")),
    answer("gzip-cut", ok(gzipped(PAGE)[:-30], HTML, b"Content-Encoding: gzip")),
    answer("gzip-claimed", ok(PAGE, HTML, b"Content-Encoding: gzip")),
    answer("gzip-twice", ok(gzipped(gzipped(PAGE)), HTML, b"Content-Encoding: gzip, gzip")),
    Case("gzip-bomb", send_bomb),
    answer("br", ok(brotli.compress(PAGE), HTML, b"Content-Encoding: br")),
    answer("zstd", ok(zstd.compress(PAGE), HTML, b"Content-Encoding: zstd")),
    answer("deflate", ok(zlib.compress(PAGE), HTML, b"Content-Encoding: deflate")),
    answer("deflate-raw", ok(raw_deflated(PAGE), HTML, b"Content-Encoding: deflate")),
    answer("coding-unknown", ok(PAGE, HTML, b"Content-Encoding: rot13")),
)

_STATUS_LINES = (
    answer("reason-absent", head(b"HTTP/1.1 200", b"Content-Length: 2") + b"ok"),
    answer("reason-empty", head(b"HTTP/1.1 200 ", b"Content-Length: 2") + b"ok"),
    answer("reason-weird", head("HTTP/1.1 200 Très  bien 😀 ".encode(), b"Content-Length: 2") + b"ok"),
    answer("reason-latin-1", head(b"HTTP/1.1 404 Nicht verf\xfcgbar", b"Content-Length: 2") + b"no", status=404),
    answer("status-999", head(b"HTTP/1.1 999 Request denied", b"Content-Length: 2") + b"no", status=999),
    answer("status-407", head(b"HTTP/1.1 407 Proxy Authentication Required", b"Content-Length: 2") + b"no", status=407),
    answer("version-lower-case", head(b"http/1.1 200 ok", b"Content-Length: 2") + b"ok"),
    answer("status-two-spaces", head(b"HTTP/1.1  200 OK", b"Content-Length: 2") + b"ok",
           status=None, truncated="disconnect"),
    answer("icy", head(b"ICY 200 OK", b"content-type: audio/mpeg") + b"\x00\x01stream",
           status=None, truncated="disconnect"),
    answer("http-0.9", b"<html>no head at all</html>\r\n\r\n", status=None, truncated="disconnect"),
    answer("bare-lf", b"HTTP/1.1 200 OK\nContent-Type: text/html\nX-a:  b \nContent-Length: 2\n\nok"),
    answer("interim-100", CONTINUE + ok(PAGE, HTML), interim=CONTINUE),
    answer("interim-102", PROCESSING, ok(PAGE, HTML), interim=PROCESSING),
    Case("interim-103-twice", hints, interim=b"".join(HINTS)),
    answer("interim-103-only", HINTS[0], interim=HINTS[0], status=None, truncated="disconnect"),
)  # fmt: skip

_LIMITS = (
    Case("too-large-announced", send_three_megabytes, max_size=100_000, truncated="length", at_least=78),
    Case("too-large-chunked", send_three_megabytes_chunked, max_size=250_000, truncated="length", at_least=200_000),
    Case("endless-body", endless(head(b"HTTP/1.1 200 OK", HTML, CLOSE), BLOCK), max_size=500_000, truncated="length",
         at_least=400_000),
    Case("endless-chunks", endless(ENDLESS_HEAD, chunks(BLOCK, ())), max_size=500_000, truncated="length",
         at_least=400_000),
    Case("endless-head", endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 999, most=1 << 20), stalls=True,
         truncated="time", at_least=20),
    Case("endless-drip", drip, stalls=True, truncated="time", at_least=len(ENDLESS_HEAD)),
    stall("silent", b"", ok(PAGE, HTML), status=None),
    stall("silent-mid-status-line", b"HTTP/1.1 2", b"00 OK\r\nContent-Length: 0\r\n\r\n", status=None),
    stall("silent-mid-head", HALF_HEAD, b"Content-Length: 0\r\n\r\n"),
    stall("silent-mid-body", HALF_BODY, FIRST_HALF),
    stall("silent-mid-chunk", HALF_CHUNK, FIRST_HALF + b"\r\n0\r\n\r\n"),
    stall("silent-before-last-chunk", ok_chunked(chunks(PAGE, ()), CHUNKED), b"0\r\n\r\n"),
    stall("silent-after-interim", PROCESSING, ok(PAGE, HTML), status=None, interim=PROCESSING),
)  # fmt: skip

_BROKEN = (
    answer("length-too-long", head(b"HTTP/1.1 200 OK", HTML, b"Content-Length: 99999") + PAGE, truncated="disconnect"),
    answer("chunked-cut", ok_chunked(chunked(PAGE)[:5000], CHUNKED), truncated="disconnect"),
    answer("chunked-without-last-chunk", ok_chunked(chunks(PAGE, ()), CHUNKED), truncated="disconnect"),
    answer("chunked-without-last-crlf", ok_chunked(chunks(PAGE, ()) + b"0\r\n", CHUNKED), truncated="disconnect"),
    answer("chunked-bad-size", ok_chunked(b"5\r\nhello\r\nZZ\r\nbroken", CHUNKED), truncated="disconnect"),
    answer("chunked-claimed", ok_chunked(PAGE, CHUNKED, CLOSE), truncated="disconnect"),
    answer("transfer-gzip-chunked", ok_chunked(chunked(gzipped(PAGE)), b"Transfer-Encoding: gzip, chunked"),
           truncated="disconnect"),
    answer("head-cut", HALF_HEAD, truncated="disconnect"),
    answer("length-twice", head(b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 5") + b"hello"),
    answer("length-conflict", head(b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 7") + b"hello",
           keep_alive=False, truncated="disconnect"),
    answer("length-not-a-number", head(b"HTTP/1.1 200 OK", b"Content-Length: five") + b"hello", truncated="disconnect"),
    answer("length-and-chunked", ok_chunked(chunked(PAGE), b"Content-Length: 5", CHUNKED)),
    breaks("closed-without-answer", b"", "vanish", status=None),
    breaks("reset-without-answer", b"", "reset", status=None, transports=DIRECT),
    breaks("reset-mid-head", HALF_HEAD, "reset", transports=DIRECT),
    breaks("reset-mid-body", HALF_BODY, "reset", transports=DIRECT),
    breaks("reset-close-delimited", head(b"HTTP/1.1 200 OK", HTML, CLOSE) + PAGE, "reset", transports=DIRECT),
    breaks("tls-without-close-notify", head(b"HTTP/1.1 200 OK", HTML, CLOSE) + PAGE, "vanish", transports=("tls",)),
)  # fmt: skip

_JUNK = (
    junk("junk-after-body", ok(b"hello", HTML), b"EXTRA JUNK"),
    junk("junk-crlf-after-body", ok(b"hello", HTML), b"\r\n"),
    junk("junk-second-response", ok(b"hello", HTML), ok(b"forged", HTML)),
    junk("junk-after-chunked", ok_chunked(chunked(PAGE), CHUNKED), b"EXTRA JUNK"),
    junk("junk-after-204", head(b"HTTP/1.1 204 No Content", b"Content-Length: 5"), b"hello", status=204),
    junk("junk-after-304", head(b"HTTP/1.1 304 Not Modified"), b"hello", status=304),
    junk("junk-after-head", head(b"HTTP/1.1 200 OK", HTML, b"Content-Length: 5"), b"hello", method="HEAD"),
    Case("idle-408", complain_when_idle, junk=IDLE_408, transports=DIRECT),
    Case("idle-close", close_when_idle, transports=DIRECT),
    Case("closed-on-reuse", close_on_reuse, transports=DIRECT),
)  # fmt: skip

_CONVERSATIONS = (
    answer("redirect-301", head(b"HTTP/1.1 301 Moved Permanently", b"Location: /odd/redirect-302?hop=2",
           b"Set-Cookie: hop=1; Path=/odd", b"Content-Length: 5") + b"moved", status=301),
    answer("redirect-302", head(b"HTTP/1.1 302 Found", b"location: /odd/redirect-308?hop=3", b"Content-Length: 0"),
           status=302),
    answer("redirect-308", head(b"HTTP/1.1 308 Permanent Redirect", b"Location: plain?hop=4", CHUNKED) + b"0\r\n\r\n",
           status=308),
    answer("redirect-broken", head(b"HTTP/1.1 302 Found", b"Location: http://[broken/\xff", b"Content-Length: 0"),
           status=302),
    Case("busy-once-503", busy_once, status=503, requests=2),
    Case("post-binary", echo_body, method="POST", request_body=b"field=value&x=\xff\x00\r\n\r\nbinary"),
    Case("post-empty", echo_body, method="POST"),
    Case("early-413", refuse_early, method="POST", request_body=noise(300_000), status=413, reads_body=False,
         transports=DIRECT),
    answer("cookie-set", ok(b"remember", b"Set-Cookie: sid=abc; Path=/odd", b"Content-Type: text/plain")),
    Case("cookie-echo", echo_cookie),
    answer("url-non-ascii", ok(PAGE, HTML), query="q=café x|{}[]^`%zz"),
    answer("url-verbatim", ok(PAGE, HTML), query="q=%C3%A9%zz|%2f/../x", verbatim=True),
)  # fmt: skip

CASES: dict[str, Case] = {
    case.name: case
    for group in (
        _ORDINARY, _CHUNKED, _HEADERS, _CODINGS, _STATUS_LINES, _LIMITS, _BROKEN, _JUNK, _CONVERSATIONS,
    )
    for case in group
}  # fmt: skip
