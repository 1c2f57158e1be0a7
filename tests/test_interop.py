"""Other tools accept what a crawl writes, and read out of it what we say is in it.

One archive of odd answers is made by two crawls; warcio, FastWARC, cdxj-indexer, gzip and Python's own HTTP parser are
the judges. None of them shares our reader.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPResponse
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from tests.crawl.crawling import Ask, run_crawl
from tests.oddcases import CASES, Case, head, ok
from tests.wirelog import Exchange, Page, Request, WireLog, path_of, wire_log

BIN = Path(sys.executable).parent
APART = {
    "br": "warcio 1.8.1 breaks off: brotli 1.2 has taken away the attribute it sets",
    "gzip-bomb": "warcio unpacks it, for seconds",
    "header-line-40kb": "FastWARC 2.0.1 reads no HTTP head of more than 32 KB",
    "endless-head": "the same",
    "bare-lf": "FastWARC 2.0.1 sees no end of a head whose lines end in a bare LF, where a payload digest asks for it",
}
"""Cases that one of the tools cannot read, whoever wrote the file; they lie in an archive of their own."""
SMALL_SEGMENTS = 300_000
IDENTICAL_PAYLOAD = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"


@dataclass(frozen=True)
class Record:
    """A record as warcio reads it."""

    fields: Sequence[tuple[str, str]]
    block: bytes

    def __getitem__(self, name: str) -> str | None:
        return next((value for field, value in self.fields if field == name), None)

    @property
    def id(self) -> str:
        return self["WARC-Record-ID"] or ""

    @property
    def is_chunked(self) -> bool:
        start = re.split(rb"\r?\n\r?\n", self.block, maxsplit=1)[0]
        return bool(re.search(rb"^transfer-encoding:.*chunked", start, re.IGNORECASE | re.MULTILINE))


@dataclass(frozen=True)
class Made:
    """An archive, and the server's own account of what went into it."""

    path: Path
    exchanges: Sequence[Exchange]

    @cached_property
    def segments(self) -> dict[Path, list[Record]]:
        """The WARC files and their records as warcio reads them."""
        return {path: list(read_records(path)) for path in sorted(self.path.glob("warc/**/*.warc.gz"))}

    @cached_property
    def records(self) -> dict[str, Record]:
        """Every record by its id."""
        return {record.id: record for records in self.segments.values() for record in records}

    def of_type(self, *types: str) -> list[Record]:
        return [record for record in self.records.values() if record["WARC-Type"] in types]

    def original_of(self, revisit: Record) -> Record:
        return self.records[revisit["WARC-Refers-To"] or ""]


def read_records(path: Path) -> Iterator[Record]:
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, no_record_parse=True):
            yield Record(record.rec_headers.headers, record.raw_stream.read())


def odd_asks(server: WireLog, *, apart: bool) -> Iterator[Ask]:
    for case in CASES.values():
        if (case.name in APART) == apart and "plain" in case.transports:
            query = "q=café|{}[]^`%zz" if case.name == "url-non-ascii" else ""
            yield ask_of(case, server.url(case.name, query=query))
    if not apart:
        for name in ("plain", "chunked", "gzip", "redirect-301", "length-too-long", "tls-without-close-notify"):
            yield ask_of(CASES[name], server.url(name, "https"))


def ask_of(case: Case, url: str) -> Ask:
    limits = {"download_maxsize": case.max_size} if case.max_size else {}
    patience = {"download_timeout": 0.5, "dont_retry": True} if case.stalls else {}
    return Ask(url, case.method, body=case.request_body, meta={**limits, **patience}, page=case.method == "GET")


def page_then_304() -> Page:
    """A page that is not modified any more when it is asked for again."""
    answers = [ok(b"<p>Fresh.</p>", b'ETag: "1"'), head(b"HTTP/1.1 304 Not Modified", b'ETag: "1"')]

    def answer(asked: Request) -> bytes:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return answer


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Nearly all odd cases, twice: the second crawl makes revisits of what the first one's segments hold."""
    archive = tmp_path_factory.mktemp("interop") / "archive"
    with wire_log() as server:
        server.pages["/aging"] = page_then_304()
        server.page("/missing", "<p>Nothing here.</p>", status="404 Not Found")
        pages = [Ask(server.http + path, page=True) for path in ("/aging", "/missing")]
        for _ in range(2):
            asks = [*odd_asks(server, apart=False), *pages]
            run_crawl(archive, asks, ARCHIVER_SEGMENT_BYTES=SMALL_SEGMENTS, RETRY_TIMES=1)
        return Made(archive, server.exchanges)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Made:
    archive = tmp_path_factory.mktemp("apart") / "archive"
    with wire_log() as server:
        run_crawl(archive, list(odd_asks(server, apart=True)))
        return Made(archive, server.exchanges)


@pytest.fixture(scope="module", params=["odd", "apart"])
def made(request: pytest.FixtureRequest) -> Made:
    archive: Made = request.getfixturevalue(request.param)
    return archive


def run(*command: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=60)


def test_every_answer_of_the_server_is_exactly_one_record(made: Made) -> None:
    sent = Counter(exchange.path for exchange in made.exchanges if is_answered(exchange))
    kept = Counter(path_of(record["WARC-Target-URI"] or "") for record in made.of_type("response", "revisit"))
    stalled = {exchange.path for exchange in made.exchanges if exchange.case and CASES[exchange.case].stalls}
    assert kept <= sent
    assert (sent - kept).keys() <= stalled  # time may be up before what was sent arrives


def is_answered(exchange: Exchange) -> bool:
    """Whether the server sent any of a final response."""
    return bool(exchange.response.removeprefix(CASES[exchange.case].interim) if exchange.case else exchange.response)


def test_gzip_finds_every_file_whole(made: Made) -> None:
    files = [path for kind in ("warc", "cdxj", "articles", "crawls") for path in made.path.glob(f"{kind}/**/*.gz")]
    assert len(files) >= 4
    tested = run("gzip", "-t", *files)
    assert (tested.returncode, tested.stderr) == (0, b"")


def test_every_record_is_one_gzip_member(made: Made) -> None:
    for path, records in made.segments.items():
        assert count_members(path.read_bytes()) == len(records)


def count_members(data: bytes) -> int:
    members = 0
    while data:
        member = zlib.decompressobj(31)
        assert member.decompress(data).startswith(b"WARC/1.1\r\n")
        assert member.eof
        members, data = members + 1, member.unused_data
    return members


def test_cdxj_indexer_lists_the_same_bytes(made: Made) -> None:
    listed = run(BIN / "cdxj-indexer", "--sort", "--dir-root", made.path / "warc", made.path / "warc")
    ours = [gzip.decompress(path.read_bytes()) for path in made.path.glob("cdxj/**/*.cdxj.gz")]
    assert listed.returncode == 0
    assert listed.stdout == b"".join(sorted(b"".join(ours).splitlines(keepends=True)))


def test_cdxj_indexer_lists_a_segment_as_its_cdxj_file_does(made: Made) -> None:
    """Byte for byte: sorted, nothing more, nothing less."""
    path = max(made.segments, key=lambda each: len(made.segments[each]))
    name = path.relative_to(made.path / "warc")
    listed = run(BIN / "cdxj-indexer", "--sort", "--dir-root", made.path / "warc", path)
    ours = made.path / "cdxj" / f"{str(name).removesuffix('.warc.gz')}.cdxj.gz"
    assert listed.stdout == gzip.decompress(ours.read_bytes())


def test_warcio_doubts_only_payload_digests_of_chunked_answers(odd: Made) -> None:
    """warcio takes the chunk framing for a part of the payload (WARC 1.1, section 5.9, says it is none)."""
    checked = run(BIN / "warcio", "check", *odd.segments)
    assert checked.stderr == b""
    doubts = re.findall(r"offset \d+ WARC-Record-ID (\S+) \S+\n((?:    .*\n)+)", checked.stdout.decode())
    assert doubts
    for record_id, problems in doubts:
        assert odd.records[record_id].is_chunked
        assert all(line.startswith("    payload digest failed") for line in problems.splitlines())


def test_fastwarc_finds_every_block_digest_right(made: Made) -> None:
    for path in made.segments:
        checked = run(BIN / "fastwarc", "check", "--quiet", path)
        assert (checked.returncode, checked.stderr) == (0, b"")


def test_fastwarc_doubts_only_payload_digests_of_chunked_answers(odd: Made, tmp_path: Path) -> None:
    """And those of revisits, whose payload is elsewhere: it compares them with the nothing that follows the head."""
    verdicts: dict[str, str] = {}
    for path in odd.segments:
        checked = run(BIN / "fastwarc", "check", "--quiet", "--verify-payloads", "-o", tmp_path / "verdicts", path)
        assert checked.stderr == b""
        verdicts |= dict(re.findall(r"(\S+): (.+)", (tmp_path / "verdicts").read_text()))
    assert verdicts.keys() == odd.records.keys()
    for record_id, verdict in verdicts.items():
        record = odd.records[record_id]
        assert verdict.startswith("OK")
        if "PAYLOAD_FAIL" in verdict:
            assert record.is_chunked or record["WARC-Type"] == "revisit"


def test_payload_digests_are_those_of_what_a_client_reads(odd: Made) -> None:
    """http.client takes the transfer coding off and leaves the content coding on, as the payload is defined."""
    asked = {record["WARC-Concurrent-To"]: record for record in odd.of_type("request")}
    whole = [record for record in odd.of_type("response") if record["WARC-Truncated"] is None]
    for record in whole:
        method = asked[record.id].block.partition(b" ")[0].decode()
        assert record["WARC-Payload-Digest"] == sha1(read_by_client(record.block, method)), record["WARC-Target-URI"]
    assert len([record for record in whole if record.is_chunked]) > 3


class _Wire:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def read_by_client(block: bytes, method: str) -> bytes:
    shouted = block[:4].upper() + block[4:]  # the name of the protocol, which this client wants in capitals
    response = HTTPResponse(_Wire(shouted), method=method)  # type: ignore[arg-type]
    response.begin()
    return response.read()


def sha1(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


EVERY = {"WARC-Type", "WARC-Record-ID", "WARC-Date", "Content-Length"}
CAPTURE = EVERY | {"WARC-Target-URI", "WARC-Warcinfo-ID", "WARC-Block-Digest", "Content-Type", "WARC-IP-Address"}
REQUIRED = {
    "warcinfo": EVERY | {"Content-Type", "WARC-Filename"},
    "response": CAPTURE | {"WARC-Payload-Digest", "WARC-Protocol"},
    "request": CAPTURE | {"WARC-Protocol"},
    "metadata": CAPTURE - {"WARC-IP-Address"} | {"WARC-Concurrent-To"},
    "revisit": CAPTURE
    | {"WARC-Profile", "WARC-Refers-To", "WARC-Refers-To-Target-URI", "WARC-Refers-To-Date", "WARC-Protocol"},
}
REFERS = {"WARC-Refers-To-Target-URI", "WARC-Refers-To-Date", "WARC-Profile", "WARC-Refers-To"}
FORBIDDEN = {
    "warcinfo": REFERS | {"WARC-Target-URI", "WARC-Warcinfo-ID", "WARC-Concurrent-To", "WARC-IP-Address"},
    "response": REFERS | {"WARC-Filename"},
    "request": REFERS | {"WARC-Filename"},
    "metadata": REFERS | {"WARC-Filename"},
    "revisit": {"WARC-Filename"},
}
REPEATABLE = {"WARC-Concurrent-To", "WARC-Protocol"}
FORMS = {
    "WARC-Record-ID": r"<urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}>",
    "WARC-Date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "WARC-Block-Digest": r"sha1:[A-Z2-7]{32}",
    "WARC-Payload-Digest": r"sha1:[A-Z2-7]{32}",
    "WARC-Truncated": r"length|time|disconnect|unspecified",
    "WARC-Target-URI": r"https?://[!-~]+",
    "WARC-Profile": f"{re.escape(IDENTICAL_PAYLOAD)}|{re.escape(NOT_MODIFIED)}",
}
"""WARC 1.1, sections 5 and 6, as strict as the strictest reader; ``WARC-Target-URI`` as RFC 3986 wants it."""


def test_every_record_has_the_fields_of_warc_1_1(made: Made) -> None:
    for record in made.records.values():
        names = Counter(name for name, _ in record.fields)
        kind = record["WARC-Type"] or ""
        assert REQUIRED[kind] <= names.keys()
        assert not FORBIDDEN[kind] & names.keys()
        assert {name for name, number in names.items() if number > 1} <= REPEATABLE
        assert record["Content-Length"] == str(len(record.block))
        for name, value in record.fields:
            assert re.fullmatch(FORMS.get(name, r".*"), value), (name, value)


def test_no_record_id_is_used_twice(made: Made) -> None:
    ids = Counter(record.id for records in made.segments.values() for record in records)
    assert [record_id for record_id, number in ids.items() if number > 1] == []


def test_each_file_opens_with_its_warcinfo_and_every_record_names_it(made: Made) -> None:
    for path, (first, *rest) in made.segments.items():
        assert first["WARC-Type"] == "warcinfo"
        assert first["WARC-Filename"] == path.name
        assert {record["WARC-Warcinfo-ID"] for record in rest} == {first.id}


def test_records_of_one_exchange_share_its_date_and_url(made: Made) -> None:
    linked = [record for record in made.records.values() if record["WARC-Concurrent-To"]]
    assert linked
    for record in linked:
        other = made.records[record["WARC-Concurrent-To"] or ""]
        assert (record["WARC-Date"], record["WARC-Target-URI"]) == (other["WARC-Date"], other["WARC-Target-URI"])


def test_revisits_lead_to_a_whole_response_with_their_payload_in_one_step(odd: Made) -> None:
    revisits = [record for record in odd.of_type("revisit") if record["WARC-Profile"] == IDENTICAL_PAYLOAD]
    assert len(revisits) > 50
    for record in revisits:
        original = odd.original_of(record)
        assert (original["WARC-Type"], original["WARC-Truncated"]) == ("response", None)
        assert original["WARC-Target-URI"] == record["WARC-Refers-To-Target-URI"]
        assert original["WARC-Date"] == record["WARC-Refers-To-Date"]
        assert original["WARC-Payload-Digest"] == record["WARC-Payload-Digest"]
        assert record["WARC-Truncated"] == "length"
        assert record.block.count(b"\r\n\r\n") <= 1


def test_revisits_refer_across_segments(odd: Made) -> None:
    segment_of = {record.id: path for path, records in odd.segments.items() for record in records}
    pairs = [(segment_of[record.id], segment_of[odd.original_of(record).id]) for record in odd.of_type("revisit")]
    assert any(one != other for one, other in pairs)


def test_a_304_refers_to_the_page_it_stands_for(odd: Made) -> None:
    (record,) = (each for each in odd.of_type("revisit") if each["WARC-Profile"] == NOT_MODIFIED)
    original = odd.original_of(record)
    assert record["WARC-Payload-Digest"] is None
    assert original["WARC-Target-URI"] == record["WARC-Target-URI"]
    assert original.block.endswith(b"Fresh.</p>")
