"""WARC/1.1 records: written with the block verbatim, read back without trusting the file.

warcio builds and parses record headers. Three things are our own, because the bytes have to survive: the HTTP block is
copied, never parsed and re-serialised; the payload digest is taken after removing the chunk framing, as WARC 1.1
section 5.9 says (warcio digests the framing too); and every record is one gzip member whose checksum and end are
verified on reading (warcio accepts a torn last member).
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import uuid4

from warcio.recordbuilder import RecordBuilder
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException

from storage import message
from storage.capture import Capture
from storage.errors import DamagedRecord

VERSION = "WARC/1.1"
IDENTICAL_PAYLOAD = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
CONFORMS_TO = "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"
RECORD_END = b"\r\n\r\n"
MAX_HEADER = 1 << 16
"""Longest record header that is read, in bytes; a longer one is damage or an attack."""

_READ_STEP = 1 << 16
_HTTP_PARSER = StatusAndHeadersParser(["HTTP/1.0", "HTTP/1.1"], verify=False)
_HEADER_PARSER = StatusAndHeadersParser(["WARC/1.1", "WARC/1.0", "WARC/0.18", "WARC/0.17"])


@dataclass(frozen=True, slots=True)
class Digests:
    """What the writer has to know of a capture before it can write the header."""

    block: str
    payload: str
    block_length: int
    payload_length: int
    malformed_chunks: bool


@dataclass(frozen=True, slots=True)
class Original:
    """The capture a revisit refers to (WARC 1.1 section 6.7)."""

    record_id: str
    url: str
    date: str
    """Its WARC-Date as written, with the fraction: readers find it by this."""


@dataclass(frozen=True, slots=True)
class Member:
    """One record, serialised as one gzip member."""

    record_id: str
    pieces: Iterable[bytes]


def new_record_id() -> str:
    """Return a fresh ``<urn:uuid:…>``."""
    return f"<urn:uuid:{uuid4()}>"


def format_date(date: datetime) -> str:
    """Return a WARC-Date in UTC with microseconds.

    >>> format_date(datetime(2026, 11, 22, 6, 43, 21, 1500, tzinfo=UTC))
    '2026-11-22T06:43:21.001500Z'
    """
    return date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_date(text: str) -> datetime:
    """Return the aware UTC datetime of a WARC-Date with any number of fraction digits; raises ``ValueError``."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text)
    if not match:
        raise ValueError(f"{text!r} is not a WARC-Date")
    fraction = (match[2] or "").ljust(6, "0")[:6]
    return datetime.fromisoformat(match[1]).replace(microsecond=int(fraction), tzinfo=UTC)


def date_to_timestamp(text: str) -> str:
    """Return the 14 digits of a WARC-Date.

    >>> date_to_timestamp("2026-11-22T06:43:21.001500Z")
    '20261122064321'
    """
    return re.sub(r"\D", "", text[:19])


def format_digest(sha1: bytes) -> str:
    """Return ``sha1:`` and the base32 form of a 20-byte digest."""
    return "sha1:" + base64.b32encode(sha1).decode("ascii")


def http_facts(start: bytes) -> tuple[str | None, str | None]:
    """Return status and declared media type of a response block, read the way every warcio-based tool reads them.

    `start` is the block up to the end of its head. Both are text as found: an answer that is no HTTP has a status that
    is no number. ``None`` means absent.
    """
    if not start:
        return None, None
    head = _HTTP_PARSER.parse(io.BytesIO(start))
    if not head:  # neither words behind a first one nor fields
        return None, None
    return head.get_statuscode(), media_type(head.get_header("Content-Type"))


def media_type(content_type: str | None) -> str | None:
    """Return a Content-Type without its parameters, cut where every warcio-based tool cuts it.

    >>> media_type("text/html; charset=utf-8")
    'text/html'
    """
    return re.split(r"[;\s]", content_type, maxsplit=1)[0].strip() if content_type else content_type


def target_uri(url: str) -> str:
    """Return `url` as a record header can hold it and as warcio-based tools read it back: one line, spaces as ``%20``.

    >>> target_uri(" http://example.com/a b")
    'http://example.com/a%20b'
    """
    return _one_line(url).strip().replace(" ", "%20")


EMPTY_PAYLOAD = format_digest(hashlib.sha1(b"", usedforsecurity=False).digest())


def digest_capture(capture: Capture) -> Digests:
    """Digest block and payload of the response in one pass."""
    head, head_length = capture.head()
    dechunker = message.Dechunker() if head is not None and message.is_chunked(head) else None
    block = hashlib.sha1(usedforsecurity=False)
    payload = hashlib.sha1(usedforsecurity=False)
    position = payload_length = 0
    for piece in capture.response.pieces():
        block.update(piece)
        if head is not None:
            body = piece[max(head_length - position, 0) :]
            part = dechunker.feed(body) if dechunker else body
            payload.update(part)
            payload_length += len(part)
        position += len(piece)
    return Digests(
        format_digest(block.digest()),
        format_digest(payload.digest()),
        position,
        payload_length,
        dechunker is not None and dechunker.malformed,
    )


class RecordWriter:
    """Serialises the records of one WARC file."""

    def __init__(self, filename: str, *, software: str, extra: Mapping[str, str] | None = None) -> None:
        self.filename = filename
        self.warcinfo_id = new_record_id()
        self._info = {"software": software, "format": "WARC File Format 1.1", "conformsTo": CONFORMS_TO}
        self._info |= extra or {}

    def warcinfo(self, date: datetime) -> Member:
        """Return the record that opens the file."""
        block = _warc_fields(self._info.items())
        header = [
            ("WARC-Type", "warcinfo"),
            ("WARC-Record-ID", self.warcinfo_id),
            ("WARC-Date", format_date(date)),
            ("WARC-Filename", self.filename),
            *_small_block("application/warc-fields", block),
        ]
        return Member(self.warcinfo_id, _deflated([_record_header(header), block, RECORD_END]))

    def response(self, capture: Capture, digests: Digests, record_id: str) -> Member:
        """Return the response record, its block byte for byte."""
        header = [
            ("WARC-Type", "response"),
            *self._identity(capture, record_id),
            *_network(capture),
            *([("WARC-Truncated", capture.truncated)] if capture.truncated else []),
            ("WARC-Block-Digest", digests.block),
            ("WARC-Payload-Digest", digests.payload),
            ("Content-Type", "application/http; msgtype=response"),
            ("Content-Length", str(digests.block_length)),
        ]
        head, head_length = capture.head()
        start = _record_header(header) + capture.response.start(head_length)
        body = capture.response.pieces(head_length)
        if head is not None and _is_incompressible(head):
            return Member(record_id, _stored(start, body))
        return Member(record_id, _deflated(itertools.chain([start], body, [RECORD_END])))

    def revisit(self, capture: Capture, payload_digest: str | None, original: Original, record_id: str) -> Member:
        """Return a revisit record: the new response head, and where its payload is.

        `payload_digest` is ``None`` for ``304 Not Modified``, whose own payload is nothing.
        """
        _, head_length = capture.head()
        block = capture.response.start(head_length)
        header = [
            ("WARC-Type", "revisit"),
            *self._identity(capture, record_id),
            *_network(capture),
            ("WARC-Profile", IDENTICAL_PAYLOAD if payload_digest else NOT_MODIFIED),
            ("WARC-Refers-To", original.record_id),
            ("WARC-Refers-To-Target-URI", original.url),
            ("WARC-Refers-To-Date", original.date),
            *([("WARC-Truncated", "length"), ("WARC-Payload-Digest", payload_digest)] if payload_digest else []),
            *_small_block("application/http; msgtype=response", block),
        ]
        return Member(record_id, _deflated([_record_header(header), block, RECORD_END]))

    def request(self, capture: Capture, concurrent_to: str | None, record_id: str) -> Member:
        """Return the request record; a field that was redacted is named in ``WARC-Redacted-Fields``."""
        header = [
            ("WARC-Type", "request"),
            *self._identity(capture, record_id),
            *_network(capture),
            *([("WARC-Concurrent-To", concurrent_to)] if concurrent_to else []),
            *([("WARC-Redacted-Fields", ", ".join(capture.redacted))] if capture.redacted else []),
            *_small_block("application/http; msgtype=request", capture.request),
        ]
        return Member(record_id, _deflated([_record_header(header), capture.request, RECORD_END]))

    def metadata(self, capture: Capture, concurrent_to: str, digests: Digests) -> Member:
        """Return the metadata record: timing, connection, what was left out of the response."""
        record_id = new_record_id()
        block = _warc_fields(_metadata_fields(capture, digests))
        header = [
            ("WARC-Type", "metadata"),
            *self._identity(capture, record_id),
            ("WARC-Concurrent-To", concurrent_to),
            *_small_block("application/warc-fields", block),
        ]
        return Member(record_id, _deflated([_record_header(header), block, RECORD_END]))

    def _identity(self, capture: Capture, record_id: str) -> list[tuple[str, str]]:
        return [
            ("WARC-Record-ID", record_id),
            ("WARC-Target-URI", target_uri(capture.url)),
            ("WARC-Date", format_date(capture.date)),
            ("WARC-Warcinfo-ID", self.warcinfo_id),
        ]


def _record_header(fields: list[tuple[str, str]]) -> bytes:
    """Serialise a record header with warcio, in UTF-8."""
    safe = [(name, _one_line(value)) for name, value in fields]
    header: bytes = StatusAndHeaders("", safe, protocol=RecordBuilder.WARC_1_1).to_bytes()
    return header


def _network(capture: Capture) -> list[tuple[str, str]]:
    fields = [("WARC-IP-Address", capture.ip_address), ("WARC-Proxy-Host", capture.proxy)]
    fields += [("WARC-Protocol", protocol) for protocol in capture.protocols]
    fields += [("WARC-Cipher-Suite", capture.cipher_suite)]
    return [(name, value) for name, value in fields if value]


def _small_block(content_type: str, block: bytes) -> list[tuple[str, str]]:
    digest = format_digest(hashlib.sha1(block, usedforsecurity=False).digest())
    return [("WARC-Block-Digest", digest), ("Content-Type", content_type), ("Content-Length", str(len(block)))]


def _warc_fields(fields: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {_one_line(value)}\r\n" for name, value in fields).encode("utf-8")


def _one_line(value: str) -> str:
    return re.sub(r"[\r\n]+", " ", value) if "\n" in value or "\r" in value else value


def _metadata_fields(capture: Capture, digests: Digests) -> Iterator[tuple[str, str]]:
    yield "fetchTimeMs", str(round(capture.duration * 1000))
    if capture.first_byte is not None:
        yield "timeToFirstByteMs", str(round(capture.first_byte * 1000))
    yield "connection", str(capture.connection)
    if capture.dropped:
        yield "bytesAfterMessageDropped", str(capture.dropped)
    if digests.malformed_chunks:
        yield "note", "chunk framing malformed; the payload digest covers what could be decoded"
    for head in capture.interim:
        yield "interimResponseBase64", base64.b64encode(head).decode("ascii")
    if capture.certificate_sha256:
        yield "tlsCertificateSha256", capture.certificate_sha256
    if capture.certificate_trusted is not None:
        yield "tlsCertificateTrusted", "yes" if capture.certificate_trusted else "no"
    for note in capture.notes:
        yield "note", note
    yield from capture.annotations.items()


# One gzip member per record. Trying to deflate what is already compressed costs 0.5 ms a page and wins nothing, so
# such bodies go into stored blocks of the same member (RFC 1951 section 3.2.4).

_COMPRESSED_TYPES = re.compile(
    rb"image/(?!svg|bmp)|video/|audio/|font/woff|application/(?:zip|gzip|x-gzip|pdf|zstd)", re.IGNORECASE
)
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED_MAX = 65535


def _is_incompressible(head: message.Head) -> bool:
    if message.content_codings(head):
        return True
    return bool(_COMPRESSED_TYPES.match(head.value(b"Content-Type") or b""))


def _deflated(parts: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31)
    for part in parts:
        if data := deflater.compress(part):
            yield data
    yield deflater.flush()


def _stored(start: bytes, body: Iterable[memoryview]) -> Iterator[bytes]:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    yield _GZIP_HEADER + deflater.compress(start) + deflater.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(start)
    size = len(start)
    for piece in itertools.chain(body, (memoryview(RECORD_END),)):
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
        for position in range(0, len(piece), _STORED_MAX):
            block = piece[position : position + _STORED_MAX]
            yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF) + block
    yield struct.pack("<BHH", 1, 0, 0xFFFF) + struct.pack("<II", checksum, size & 0xFFFFFFFF)


class Record:
    """One record of a file, its block read as a stream.

    The block must be read (or skipped with :meth:`finish`) before the next record can be.
    """

    def __init__(self, source: _MemberSource, offset: int, header: StatusAndHeaders) -> None:
        self._source = source
        self._header = header
        self.offset = offset
        self.block_length = self._declared_length()
        self._left = self.block_length
        self._length: int | None = None

    @property
    def type(self) -> str:
        """WARC-Type, or an empty string."""
        return self.field("WARC-Type") or ""

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Every header field in order."""
        return list(self._header.headers)

    def field(self, name: str) -> str | None:
        """Return the first value of a header field."""
        value: str | None = self._header.get_header(name)
        return value

    @property
    def url(self) -> str | None:
        """WARC-Target-URI, without the angle brackets WARC/1.0 writers put around it, spaces as ``%20``."""
        url = self.field("WARC-Target-URI")
        if url and url.startswith("<") and url.endswith(">"):
            url = url[1:-1]
        return url and url.replace(" ", "%20")

    def read(self, size: int = _READ_STEP) -> bytes:
        """Return up to `size` bytes of the block, nothing at its end; raises :class:`DamagedRecord`."""
        wanted = min(size, self._left)
        data = self._source.read(wanted) if wanted else b""
        if wanted and not data:
            raise self._source.damage(f"the block ends {self._left} bytes early")
        self._left -= len(data)
        return data

    def block(self) -> Iterator[bytes]:
        """Yield the rest of the block in pieces."""
        while data := self.read():
            yield data

    def finish(self) -> int:
        """Skip what is left, verify the record's end and the member's checksum; return the member's length."""
        if self._length is None:
            for _ in self.block():
                pass
            if (end := self._source.read(4)) != RECORD_END:
                raise self._source.damage(f"the record ends with {end!r} instead of two empty lines")
            self._length = self._source.end_of_member() - self.offset
        return self._length

    def _declared_length(self) -> int:
        declared = self.field("Content-Length") or ""
        if not re.fullmatch("[0-9]{1,18}", declared):
            raise self._source.damage(f"Content-Length is {declared!r}")
        return int(declared)


class _MemberSource:
    """Decompressed bytes of one gzip member after another."""

    def __init__(self, stream: BinaryIO, name: str, offset: int = 0) -> None:
        self._stream = stream
        self._name = name
        self._raw = b""
        self._position = offset
        self._start = offset
        self._inflater = zlib.decompressobj(31)
        self._ready = bytearray()

    def next_member(self) -> int | None:
        """Go to the next member and return its offset; ``None`` at the end of the file."""
        self._start = self._position
        self._inflater = zlib.decompressobj(31)
        self._ready.clear()
        if not self._raw:
            self._raw = self._stream.read(_READ_STEP)
        return self._start if self._raw else None

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end of the member."""
        while len(self._ready) < size and not self._inflater.eof:
            self._inflate(size - len(self._ready))
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def read_header(self) -> bytes:
        """Return a record header up to and including its empty line."""
        while (end := self._ready.find(b"\r\n\r\n")) < 0 and not self._inflater.eof:
            if len(self._ready) > MAX_HEADER:
                raise self.damage(f"no end of the record header within {MAX_HEADER} bytes")
            self._inflate(4096)
        if end < 0:
            raise self.damage("no end of the record header")
        return self.read(end + 4)

    def end_of_member(self) -> int:
        """Verify that the member ends here and return the offset behind it."""
        if self.read(1):
            raise self.damage("bytes follow the record inside its gzip member")
        return self._position

    def damage(self, what: str) -> DamagedRecord:
        return DamagedRecord(f"{self._name}: record at offset {self._start}: {what}")

    def _inflate(self, room: int) -> None:
        if not self._raw:
            self._raw = self._stream.read(_READ_STEP)
            if not self._raw:
                raise self.damage("the file ends inside a gzip member")
        try:
            self._ready += self._inflater.decompress(self._raw, max(room, 64))
        except zlib.error as error:
            raise self.damage(f"not valid gzip ({error})") from None
        rest = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        self._position += len(self._raw) - len(rest)
        self._raw = rest


def read_records(stream: BinaryIO, name: str, *, offset: int = 0) -> Iterator[Record]:
    """Yield every record of a gzip-per-record WARC file from `offset` on.

    A record is verified when the next one is asked for. Raises :class:`DamagedRecord` naming `name` and the offset
    at which the bytes stop being whole records; everything yielded before it was whole.
    """
    source = _MemberSource(stream, name, offset)
    while (start := source.next_member()) is not None:
        record = Record(source, start, _parse_header(source))
        yield record
        record.finish()


def _parse_header(source: _MemberSource) -> StatusAndHeaders:
    try:
        header = _HEADER_PARSER.parse(io.BytesIO(source.read_header()))
    except (StatusAndHeadersParserException, EOFError):
        header = None
    if header is None or not header.protocol:
        raise source.damage("the header does not begin with a WARC version")
    return header


def read_record(data: bytes, name: str, offset: int) -> Record:
    """Return the record whose gzip member is `data`; `name` and `offset` say in errors where it came from."""
    source = _MemberSource(io.BytesIO(data), name, offset)
    if source.next_member() is None:
        raise source.damage("nothing is stored there")
    return Record(source, offset, _parse_header(source))
