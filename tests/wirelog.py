"""A web server and a proxy on loopback that write down every byte of every exchange.

The log is the other witness: whatever an archive claims to have captured must equal what this server read and
sent. Bytes are logged before they are written, so a client never holds a byte that the log does not.

    with wire_log() as server:
        fetch(server.url("chunked-trailers"))
        (exchange,) = server.find("/odd/chunked-trailers")
        assert exchange.response == captured

Three listeners run in one background thread: plain HTTP, TLS, and a forward proxy (absolute-form and CONNECT).
`/odd/<name>` plays the case of that name from `tests.oddcases`; any other path is looked up in `server.pages`.
Nothing here waits a fixed time for something to happen: a case that stalls goes on when the test calls
`release()`, or ends when its client leaves.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import trustme

from tests.oddcases import CASES, Case

Listener = Literal["plain", "tls", "proxy"]
BLOCK = 64 * 1024
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nno such page\n"


class ClientGone(Exception):
    """The client closed its connection: nobody is left to answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the client asked: its head as it came, and its body."""

    method: str
    target: str
    head: bytes
    body: bytes = b""

    @classmethod
    def parse(cls, head: bytes) -> Request:
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        return cls(method, rest.rpartition(" ")[0], head)

    @property
    def path(self) -> str:
        """Path without query, also of an absolute-form target."""
        return path_of(self.target).partition("?")[0]

    @property
    def query(self) -> str:
        return path_of(self.target).partition("?")[2]

    def header(self, name: str) -> str | None:
        """First value of a header, as latin-1; None if it was not sent."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None

    @property
    def closes(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        connection = (self.header("Connection") or "").lower()
        return "close" in connection or (" HTTP/1.0\r\n" in self.head.decode("latin-1") and connection != "keep-alive")


Page = bytes | Callable[[Request], bytes]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, exactly as they crossed the socket."""

    listener: Listener
    method: str
    target: str
    """As in the request line: absolute at the proxy, `host:port` for CONNECT."""
    request: bytes
    """Head and body as far as the server read them."""
    response: bytes
    """Everything sent for this request: 1xx heads, response, junk after it. For CONNECT the proxy's own head only."""
    connection: int
    """Number of the client's connection, from 1; the same number means the connection was kept alive."""
    case: str
    """Name of the odd case, empty for a page."""
    finished: bool = True
    """False while the server may still send or read."""

    @property
    def path(self) -> str:
        """Path and query."""
        return path_of(self.target)


def path_of(target: str) -> str:
    """Path and query of a request target.

    >>> path_of("http://127.0.0.1:8000/a?b")
    '/a?b'
    """
    if target.startswith("/"):
        return target
    return "/" + target.partition("://")[2].partition("/")[2]


def ends_by_itself(method: str, response: bytes) -> bool:
    """Whether a client can tell the end of this response while the connection stays open (RFC 9112, section 6.3)."""
    head, _, body = _split_head(response)
    while head.startswith(b"http/1.1 1"):
        head, _, body = _split_head(body)
    status_line, *lines = head.splitlines() or [b""]
    persistent = status_line.startswith(b"http/1.1") or b"connection: keep-alive" in lines
    if not persistent or b"connection: close" in lines:
        return False
    if method == "HEAD" or status_line[9:12] in (b"204", b"304"):
        return not body
    if any(line.startswith(b"transfer-encoding:") and b"chunked" in line for line in lines):
        return body.endswith(b"\r\n\r\n")
    return b"content-length: %d" % len(body) in lines


def _split_head(response: bytes) -> tuple[bytes, bytes, bytes]:
    """Head in lower case, blank line, and body; all empty if the head is not complete. Bare LF ends a line too."""
    if not (blank := re.search(rb"\r?\n\r?\n", response)):
        return b"", b"", b""
    return response[: blank.start()].lower(), blank.group(), response[blank.end() :]


@dataclass(slots=True)
class _Entry:
    """An exchange under way."""

    listener: Listener
    asked: Request
    connection: int
    case: str
    hit: int
    request: bytearray = field(default_factory=bytearray)
    response: bytearray = field(default_factory=bytearray)
    finished: Exchange | None = None

    def exchange(self, finished: bool = False) -> Exchange:
        return self.finished or Exchange(
            self.listener, self.asked.method, self.asked.target, bytes(self.request), bytes(self.response),
            self.connection, self.case, finished,
        )  # fmt: skip


class _Log:
    """Exchanges in the order in which their request heads were complete. Written in one thread, read in any."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._changed = threading.Condition()
        self.hits: Counter[str] = Counter()
        self._asked: Counter[tuple[Listener, str]] = Counter()

    @contextmanager
    def exchange(self, listener: Listener, asked: Request, connection: int, case: str) -> Iterator[_Entry]:
        target = (listener, path_of(asked.target))
        with self._changed:
            self._asked[target] += 1
            if listener != "proxy":
                self.hits[asked.path] += 1
            entry = _Entry(listener, asked, connection, case, self._asked[target], bytearray(asked.head))
            self._entries.append(entry)
            self._changed.notify_all()
        try:
            yield entry
        finally:
            with self._changed:
                entry.finished = entry.exchange(finished=True)
                self._changed.notify_all()

    def received(self, entry: _Entry, data: bytes) -> None:
        with self._changed:
            entry.request += data

    def sent(self, entry: _Entry, data: bytes) -> None:
        with self._changed:
            entry.response += data
            self._changed.notify_all()

    def exchanges(self) -> list[Exchange]:
        with self._changed:
            return [entry.exchange() for entry in self._entries]

    def wait_for(self, claim: Callable[[], bool], seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(claim, seconds)


class _Connection:
    """A client's connection: its number, and what was read from it but not used yet."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.requests = 0
        self.writer = writer
        self._reader = reader
        self._unread = bytearray()

    async def _fill(self) -> bool:
        """Read some more; False when the client has closed."""
        data = await self._reader.read(BLOCK)
        self._unread += data
        return bool(data)

    async def read_head(self) -> Request:
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            if not await self._fill():
                raise ClientGone
        self.requests += 1
        return Request.parse(self._take(end + 4))

    async def read(self, limit: int = BLOCK) -> bytes:
        """What there is, at most `limit` bytes; empty when the client has closed."""
        if not self._unread:
            await self._fill()
        return self._take(limit)

    def _take(self, size: int) -> bytes:
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    async def asks_more(self) -> None:
        """Return once the client sends another request, or closes."""
        if not self._unread:
            await self._fill()

    async def is_closed(self) -> None:
        """Return once the client closes."""
        while await self._fill():
            pass

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with a TCP RST instead of a FIN."""
        if not self.writer.is_closing():
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


class Talk:
    """What the script of a case has in hand: the request, and the ways to answer it or not."""

    def __init__(
        self, request: Request, connection: _Connection, log: _Log, entry: _Entry, released: asyncio.Event
    ) -> None:
        self.request = request
        self.keep_alive: bool | None = None
        """Whether the connection stays open afterwards; None lets the response's own framing decide."""
        self._connection = connection
        self._log = log
        self._entry = entry
        self._released = released

    @property
    def nth_on_connection(self) -> int:
        """1 for the first request on this connection."""
        return self._connection.requests

    @property
    def hit(self) -> int:
        """How often this listener was asked for this path and query, this time included."""
        return self._entry.hit

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            if self._connection.writer.is_closing():
                raise ClientGone
            self._log.sent(self._entry, piece)
            await self._connection.write(piece)

    async def trickle(self, *pieces: bytes) -> None:
        """Send pieces so that the client is likely, but not certain, to read them one by one."""
        for piece in pieces:
            await self.send(piece)
            await asyncio.sleep(0.002)

    async def released(self) -> None:
        """Wait until the test releases this case; the script ends here if the client leaves first."""
        if await _first_of(self._released.wait(), self._connection.is_closed()) == 1:
            raise ClientGone

    async def released_while_idle(self) -> bool:
        """True when the test releases this case, False when the client asks something else or leaves first."""
        return await _first_of(self._released.wait(), self._connection.asks_more()) == 0

    async def read_until_closed(self) -> None:
        """Read on, and log, whatever the client still sends, until it leaves."""
        while data := await self._connection.read():
            self._log.received(self._entry, data)

    def reset(self) -> None:
        """Close with a TCP RST."""
        self._connection.reset()
        self.keep_alive = False

    def vanish(self) -> None:
        """Close the socket; over TLS without close_notify."""
        self._connection.writer.transport.abort()
        self.keep_alive = False

    @property
    def keeps_open(self) -> bool:
        if self.request.closes:
            return False
        if self.keep_alive is None:
            return ends_by_itself(self.request.method, bytes(self._entry.response))
        return self.keep_alive


async def _first_of(*works: Coroutine[Any, Any, object]) -> int:
    """Index of the work that ended first; its error is raised, the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(index for index, task in enumerate(tasks) if task.done())
        tasks[first].result()
        return first
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]]) -> None:
    while data := await read():
        await write(data)


class WireLog:
    """The servers. Made by `wire_log()`; every public attribute may be used from the test's thread."""

    def __init__(self, directory: Path, cases: Mapping[str, Case] = CASES) -> None:
        self.http = self.https = self.proxy = ""
        """Base URLs without a final slash."""
        self.ca_pem = directory / "ca.pem"
        """The CA to trust; its certificate is good for localhost and 127.0.0.1."""
        self.pages: dict[str, Page] = {}
        """Path, with or without query -> the whole response, or a quick function that makes it from the request."""
        self._cases = cases
        self._log = _Log()
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._numbers = count(1)
        self._tls = self._make_certificate()
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="wirelog", daemon=True)

    @property
    def exchanges(self) -> list[Exchange]:
        """A copy of the log, with exchanges under way as far as they got."""
        return self._log.exchanges()

    @property
    def hits(self) -> Counter[str]:
        """How often each path (without query) was asked for at the plain and TLS listeners."""
        return self._log.hits

    def find(self, path: str, listener: Listener | None = None) -> list[Exchange]:
        """Exchanges of a path, oldest first: with its query if `path` has one, else with any query."""
        return [
            exchange
            for exchange in self.exchanges
            if path in (exchange.path, exchange.path.partition("?")[0]) and listener in (None, exchange.listener)
        ]

    def wait_for(self, claim: Callable[[], bool], seconds: float = 20) -> None:
        """Return as soon as a claim about the log holds; TimeoutError if it never does."""
        if not self._log.wait_for(claim, seconds):
            raise TimeoutError(f"still not true after {seconds} s; the log holds {len(self.exchanges)} exchanges")

    def url(self, case: str, scheme: Literal["http", "https"] = "http", query: str = "") -> str:
        """URL of an odd case, with the case's own query if it has one and none is given."""
        query = query or self._cases[case].query
        return f"{self.https if scheme == 'https' else self.http}/odd/{case}" + (f"?{query}" if query else "")

    def page(
        self, path: str, html: str | bytes, *, status: str = "200 OK", content_type: str = "text/html; charset=utf-8",
        headers: Sequence[tuple[str, str]] = (),
    ) -> str:  # fmt: skip
        """Serve an ordinary page from now on; returns its plain HTTP URL."""
        body = html.encode() if isinstance(html, str) else html
        lines = [f"{name}: {value}" for name, value in (("Content-Type", content_type), *headers)]
        head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""])
        self.pages[path] = head.encode("latin-1") + body
        return self.http + path

    def release(self, *cases: str) -> None:
        """Let the named cases (all of them if none is named) go on, now and whenever they would stall again."""
        loop, _ = self._started.result()
        for case in cases or self._cases:
            loop.call_soon_threadsafe(self._gates[case].set)

    def start(self) -> None:
        self._thread.start()
        self._started.result()

    def close(self) -> None:
        """Stop listening, drop every connection, end the thread; raises what went wrong inside a script or page."""
        loop, stop = self._started.result()
        if self._thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            self._thread.join()
        failures = [error for task in self._tasks if not task.cancelled() and (error := task.exception())]
        if failures:
            raise BaseExceptionGroup("scripts or pages failed", failures)

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        finally:
            if not self._started.done():
                self._started.set_exception(RuntimeError("the servers did not start"))

    async def _listen(self) -> None:
        servers = [await self._bind("plain"), await self._bind("tls", ssl=self._tls), await self._bind("proxy")]
        plain, tls, proxy = (server.sockets[0].getsockname()[1] for server in servers)
        self.http, self.https = f"http://127.0.0.1:{plain}", f"https://localhost:{tls}"
        self.proxy = f"http://127.0.0.1:{proxy}"
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()
        for server in servers:
            server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _bind(self, listener: Listener, **options: Any) -> asyncio.Server:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            connection = _Connection(next(self._numbers), reader, writer)
            self._tasks.append(asyncio.get_running_loop().create_task(self._serve(listener, connection)))

        return await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1024, **options)

    def _make_certificate(self) -> ssl.SSLContext:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        return context

    async def _serve(self, listener: Listener, connection: _Connection) -> None:
        answer = self._answer_as_proxy if listener == "proxy" else self._answer
        try:
            while await answer(listener, connection):
                pass
        except (ClientGone, OSError):
            pass  # clients may vanish at any moment; the log says how far it got
        finally:
            connection.writer.close()

    async def _answer(self, listener: Listener, connection: _Connection) -> bool:
        """Serve one request; False when the connection is to be closed."""
        asked = await connection.read_head()
        case = self._case_of(asked)
        with self._log.exchange(listener, asked, connection.number, case.name if case else "") as entry:
            if case is None or case.reads_body:
                asked = await self._read_body(asked, connection, entry)
            talk = Talk(asked, connection, self._log, entry, self._gates[case.name if case else ""])
            if case:
                await case.script(talk)
            else:
                await talk.send(self._page_for(asked))
            return talk.keeps_open

    def _case_of(self, asked: Request) -> Case | None:
        return self._cases.get(asked.path.removeprefix("/odd/")) if asked.path.startswith("/odd/") else None

    def _page_for(self, asked: Request) -> bytes:
        page = self.pages.get(path_of(asked.target)) or self.pages.get(asked.path) or NOT_FOUND
        response = page(asked) if callable(page) else page
        return response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if asked.method == "HEAD" else response

    async def _read_body(self, asked: Request, connection: _Connection, entry: _Entry) -> Request:
        """Read as many bytes as the request's Content-Length says; chunked requests are not understood."""
        body, missing = bytearray(), int(asked.header("Content-Length") or 0)
        while missing > len(body):
            data = await connection.read(missing - len(body))
            if not data:
                raise ClientGone
            self._log.received(entry, data)
            body += data
        return Request(asked.method, asked.target, asked.head, bytes(body))

    async def _answer_as_proxy(self, listener: Listener, connection: _Connection) -> bool:
        asked = await connection.read_head()
        case = self._case_of(asked)
        with self._log.exchange(listener, asked, connection.number, case.name if case else "") as entry:
            if asked.method != "CONNECT":
                return await self._forward(asked, connection, entry)
            upstream, up = await self._dial(f"//{asked.target}", connection, entry)
            await self._reply(b"HTTP/1.1 200 Connection established\r\n\r\n", connection, entry)
        await self._tunnel(upstream, up, connection)
        return False

    async def _dial(
        self, url: str, connection: _Connection, entry: _Entry
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the port of a URL, always on loopback whatever its host is called."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port or 80)
        except OSError as error:
            await self._reply(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", connection, entry)
            raise ClientGone from error
        self._writers.append(writer)
        return reader, writer

    async def _reply(self, data: bytes, connection: _Connection, entry: _Entry) -> None:
        self._log.sent(entry, data)
        await connection.write(data)

    async def _forward(self, asked: Request, connection: _Connection, entry: _Entry) -> bool:
        """Pass a request on in origin form on a connection of its own, and its answer back as it comes."""
        asked = await self._read_body(asked, connection, entry)
        upstream, up = await self._dial(asked.target, connection, entry)

        async def read() -> bytes:
            return await upstream.read(BLOCK)

        async def reply(data: bytes) -> None:
            await self._reply(data, connection, entry)

        try:
            up.write(_origin_form(asked) + asked.body)
            await _first_of(_pump(read, reply), connection.is_closed())
        except ConnectionError:
            connection.reset()
            raise
        finally:
            up.transport.abort()
        return not asked.closes and ends_by_itself(asked.method, bytes(entry.response))

    async def _tunnel(self, upstream: asyncio.StreamReader, up: asyncio.StreamWriter, connection: _Connection) -> None:
        async def read() -> bytes:
            return await upstream.read(BLOCK)

        async def write(data: bytes) -> None:
            up.write(data)
            await up.drain()

        try:
            await _first_of(_pump(read, connection.write), _pump(connection.read, write))
        except ConnectionError:
            connection.reset()
            raise
        finally:
            up.close()


def _origin_form(asked: Request) -> bytes:
    """The head a forward proxy sends on: path only, and one connection per request."""
    request_line, *lines = asked.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    version = request_line.rpartition(b" ")[2]
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"proxy-connection:"))]
    first = f"{asked.method} {path_of(asked.target)} ".encode("latin-1") + version
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


@contextmanager
def wire_log(cases: Mapping[str, Case] = CASES) -> Iterator[WireLog]:
    """The servers, running until the block ends."""
    with tempfile.TemporaryDirectory(prefix="wirelog-") as directory:
        server = WireLog(Path(directory), cases)
        server.start()
        try:
            yield server
        finally:
            server.close()
