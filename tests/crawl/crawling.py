"""Real crawls, each in a process of its own because a reactor runs only once, and what they leave on disk.

    crawl = run_crawl(tmp_path, [Ask(server.url("plain"))])
    (kept,) = crawl.exchanges
    assert kept.response == ...

The crawl runs under the project's own settings. Everything a test looks at afterwards is read back from the files
of the archive; nothing is handed over inside the crawling process but what the spider itself was told.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from scrapy import Request
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from twisted.python.failure import Failure

from archiver.crawl.run import project_settings
from archiver.crawl.spider import ArchivingSpider
from storage.cdx import Entry, read_cdxj
from storage.crawls import read_crawl
from storage.warc import Record, read_records

ROOT = Path(__file__).parents[2]
HANG = 150
"""Seconds after which a crawl is taken to hang; no test comes near it."""
LOOPBACK = {"ARCHIVER_ALLOW_PRIVATE": True, "ROBOTSTXT_OBEY": False}
"""Settings without which a crawl of loopback is no crawl."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing the spider asks for."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    meta: Mapping[str, Any] = field(default_factory=dict)
    page: bool = False
    """Whether it is to be read as an article and accounted for; else it is support, as robots.txt is."""
    then: tuple[Ask, ...] = ()
    """What to ask for once this one is answered, or has failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an ask that is no page, as the spider was told."""

    status: int | None = None
    error: str = ""
    """Name of the exception, empty if there was none."""


@dataclass(frozen=True, slots=True)
class _Job:
    asks: tuple[Ask, ...]
    settings: dict[str, Any]
    arrange: Callable[[], None] | None
    report: Path


@dataclass(slots=True)
class _Report:
    answers: dict[str, Answer] = field(default_factory=dict)
    peak: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """One exchange as the archive holds it: request and metadata record, and the response record if there is one."""

    url: str
    request: bytes
    response: bytes
    """Block of the response or revisit record; empty if nothing was answered."""
    kind: str
    """WARC-Type of that record, empty if there is none."""
    fields: dict[str, list[str]]
    """Header of that record."""
    request_fields: dict[str, list[str]]
    metadata: dict[str, list[str]]
    """The lines of the metadata record."""
    entry: Entry | None
    """Its CDXJ line."""

    def field(self, name: str) -> str | None:
        """First value of a header field of the response record, or of the request's if there is no response."""
        return ((self.fields or self.request_fields).get(name) or [None])[0]


class Crawl:
    """What a crawl left behind."""

    def __init__(self, archive: Path, report: _Report, stderr: str) -> None:
        self.archive = archive
        self.answers = report.answers
        self.peak = report.peak
        """Largest resident size of the crawling process, in bytes."""
        self.stderr = stderr
        *self.lines, self.summary = read_crawl(max(archive.glob("crawls/**/*.jsonl.gz")).read_bytes())
        """The crawl log: its lines, and the summary at its end."""

    @cached_property
    def exchanges(self) -> list[Kept]:
        """Every exchange in the archive, in the order of the files."""
        return read_exchanges(self.archive)

    @property
    def pages(self) -> list[dict[str, Any]]:
        """The lines of what was asked for, without robots.txt and the like."""
        return [line for line in self.lines if line["kind"] == "page"]

    def line(self, url: str) -> dict[str, Any]:
        """The one line of a URL that was asked for."""
        (line,) = [line for line in self.pages if line["url"] == url]
        return line

    def find(self, part: str) -> list[Kept]:
        """Exchanges whose URL holds `part`."""
        return [kept for kept in self.exchanges if part in kept.url]

    def holds(self, secret: bytes) -> list[str]:
        """Names of the files, `stderr` among them, in which `secret` stands, compressed or not."""
        import gzip

        found = ["stderr"] if secret in self.stderr.encode() else []
        for path in sorted(self.archive.rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            if secret in (gzip.decompress(data) if path.suffix == ".gz" else data):
                found.append(path.name)
        return found


def run_crawl(
    archive: Path,
    asks: Sequence[Ask],
    *,
    arrange: Callable[[], None] | None = None,
    env: Mapping[str, str] | None = None,
    **settings: Any,
) -> Crawl:
    """Crawl in a new process and return what it left.

    `arrange`, a module-level function, is called in the new process before the crawl. Private addresses are allowed
    and robots.txt is not obeyed unless `settings` say otherwise.
    """
    scratch = archive.parent / f"{archive.name}.report"
    job = _Job(tuple(asks), {**LOOPBACK, "ARCHIVER_ARCHIVE": str(archive), **settings}, arrange, scratch)
    ours = ("ARCHIVER_", "SCRAPY_", "SSL_CERT", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-c", "from tests.crawl.crawling import main; main()"],
        input=pickle.dumps(job),
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**inherited, **(env or {})},
        timeout=HANG,
    )
    stderr = done.stderr.decode()
    assert done.returncode == 0, stderr
    report: _Report = pickle.loads(scratch.read_bytes())
    scratch.unlink()
    return Crawl(archive, report, stderr)


def read_exchanges(archive: Path) -> list[Kept]:
    """Every exchange in the finalised files of an archive.

    Fails unless each response has one request, one metadata record and one CDXJ line that leads to it.
    """
    entries = _entries(archive)
    exchanges = []
    for path in sorted(archive.glob("warc/**/*.warc.gz")):
        segment = str(path.relative_to(archive / "warc")).removesuffix(".warc.gz")
        exchanges += _exchanges_of(path, {key[1]: entry for key, entry in entries.items() if key[0] == segment})
    indexed = [kept for kept in exchanges if kept.kind]
    assert len(indexed) == len(entries), "every response has a CDXJ line, and no line leads elsewhere"
    return exchanges


def _exchanges_of(path: Path, entries: Mapping[int, Entry]) -> Iterator[Kept]:
    answers: dict[str, tuple[Record, bytes, int]] = {}
    requests: dict[str, tuple[Record, bytes]] = {}
    metadata: dict[str, bytes] = {}
    with path.open("rb") as file:
        for record in read_records(file, path.name):
            block = b"".join(record.block())
            record_id, concurrent = record.field("WARC-Record-ID") or "", record.field("WARC-Concurrent-To")
            if record.type in ("response", "revisit"):
                answers[record_id] = (record, block, record.finish())
            elif record.type == "request":
                key = concurrent or record_id
                assert key not in requests
                requests[key] = (record, block)
            elif record.type == "metadata":
                assert concurrent
                assert concurrent not in metadata
                metadata[concurrent] = block
            else:
                assert record.type == "warcinfo"
    assert requests.keys() == metadata.keys() >= answers.keys()
    for key, (request, block) in requests.items():
        answer, response, length = answers.get(key, (None, b"", 0))
        entry = entries[answer.offset] if answer else None
        assert entry is None or entry.length == length
        yield Kept(
            url=request.url or "",
            request=block,
            response=response,
            kind=answer.type if answer else "",
            fields=_many(answer.fields) if answer else {},
            request_fields=_many(request.fields),
            metadata=_many(re.findall(r"^([^:\r\n]+): ([^\r\n]*)\r$", metadata[key].decode(), re.MULTILINE)),
            entry=entry,
        )


def _many(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    values = defaultdict(list)
    for name, value in fields:
        values[name].append(value)
    return dict(values)


def _entries(archive: Path) -> dict[tuple[str, int], Entry]:
    found = {}
    for path in sorted(archive.glob("cdxj/**/*.cdxj.gz")):
        with path.open("rb") as file:
            found |= {(entry.segment, entry.offset): entry for entry in read_cdxj(file, path.name)}
    return found


# In the crawling process.


class AskingSpider(ArchivingSpider):
    """Asks for what the test wants and remembers what it was told."""

    name = "asking"

    def __init__(self, job: _Job, report: _Report, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._job, self._report = job, report

    async def start(self) -> AsyncIterator[Request]:
        for ask in self._job.asks:
            yield self._request(ask)

    def _request(self, ask: Ask) -> Request:
        if ask.page:
            request = self.page_request(ask.url)
            return request.replace(headers=ask.headers, cookies=ask.cookies, meta={**request.meta, **ask.meta})
        return Request(
            ask.url, method=ask.method, headers=ask.headers, cookies=ask.cookies, body=ask.body, meta={**ask.meta},
            callback=self.answered, errback=self.failed, cb_kwargs={"ask": ask}, dont_filter=True,
        )  # fmt: skip

    def answered(self, response: Response, ask: Ask) -> Iterator[Request]:
        self._report.answers[ask.url] = Answer(response.status)
        yield from map(self._request, ask.then)

    def failed(self, failure: Failure) -> Iterator[Request]:
        ask: Ask = failure.request.cb_kwargs["ask"]
        self._report.answers[ask.url] = Answer(error=type(failure.value).__name__)
        yield from map(self._request, ask.then)


def main() -> None:
    """Run the crawl that is pickled on standard input."""
    job: _Job = pickle.load(sys.stdin.buffer)
    report = _Report()
    if job.arrange:
        job.arrange()
    process = AsyncCrawlerProcess(project_settings(**job.settings))
    process.crawl(AskingSpider, job=job, report=report)
    process.start()
    report.peak = peak_memory()
    job.report.write_bytes(pickle.dumps(report))


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes; 0 where Linux's /proc is not there to tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


# Arrangements that several tests share.


def connect_anew() -> None:
    """Give every request a connection of its own, kept alive as ever."""
    from itertools import count

    from twisted.web.client import HTTPConnectionPool

    numbers, get_connection = count(), HTTPConnectionPool.getConnection
    HTTPConnectionPool.getConnection = lambda pool, key, endpoint: get_connection(pool, (*key, next(numbers)), endpoint)


def store_every_payload() -> None:
    """Store a response whole although its payload is held already, so that its framing can be compared too."""
    from storage.originals import Originals

    Originals.identical = Originals.not_modified = lambda *_, **__: None  # type: ignore[method-assign, assignment]


def resolve_as(names: Mapping[str, Sequence[str]]) -> None:
    """Let these names have these addresses, below everything the project does about names; others are looked up."""
    from scrapy.utils.reactor import install_reactor

    install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
    from twisted.internet import reactor
    from twisted.internet.address import IPv4Address, IPv6Address
    from twisted.internet.interfaces import IHostnameResolver
    from zope.interface import implementer

    inner = reactor.nameResolver  # type: ignore[attr-defined]  # the module is the reactor

    @implementer(IHostnameResolver)
    class Resolver:
        def resolveHostName(self, receiver: Any, name: str, port: int = 0, *rest: Any) -> Any:
            if name not in names:
                return inner.resolveHostName(receiver, name, port, *rest)
            receiver.resolutionBegan(None)
            for address in names[name]:
                receiver.addressResolved((IPv6Address if ":" in address else IPv4Address)("TCP", address, port))
            receiver.resolutionComplete()
            return None

    reactor.installNameResolver(Resolver())  # type: ignore[attr-defined]
