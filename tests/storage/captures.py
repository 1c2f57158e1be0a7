"""Captures made of plain bytes, for tests of what stores them."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.blobs import Blobs, LocalBlobs
from storage.capture import Capture, Spool
from storage.index import Index
from storage.segment import OPEN, warc_key
from storage.warc import read_records
from storage.writer import SegmentWriter, Stored

URL = "http://example.com/story"
DATE = datetime(2026, 11, 22, 6, 43, 21, 123456, tzinfo=UTC)
PAGE = b"<!doctype html><title>Flood</title><p>The river rose by 3 m.</p>"
SOFTWARE = "article-archiver/test"
GET = b"GET /story HTTP/1.1\r\nHost: example.com\r\n\r\n"
WAIT = 30
"""Seconds after which a future that should have resolved is a failure."""


def ok(body: bytes = PAGE, *fields: bytes) -> bytes:
    """A plain response with status 200."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: text/html; charset=utf-8", *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


def chunked(body: bytes, *sizes: int) -> bytes:
    """`body` in chunks of `sizes`, the rest of it in one more, and the last chunk."""
    framed, start = bytearray(), 0
    for size in [*sizes, len(body)]:
        if part := body[start : start + size]:
            framed += b"%x\r\n%s\r\n" % (len(part), part)
        start += size
    return bytes(framed) + b"0\r\n\r\n"


def ok_chunked(body: bytes = PAGE, *sizes: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, *sizes)


def spooled(data: bytes, *, limit: int = 1 << 20) -> Spool:
    spool = Spool(limit=limit)
    spool.write(data)
    return spool


def make_capture(url: str = URL, response: bytes | Spool | None = None, **facts: Any) -> Capture:
    """A capture of `url`; whatever is not said is the same in every one."""
    if response is None:
        response = ok()
    spool = response if isinstance(response, Spool) else spooled(response)
    known: dict[str, Any] = {"method": "GET", "date": DATE, "request": GET, "duration": 0.25, "first_byte": 0.125}
    return Capture(url=url, response=spool, **(known | {"ip_address": "192.0.2.7"} | facts))


def later(seconds: float) -> datetime:
    return DATE + timedelta(seconds=seconds)


def article_of(stored: Stored, **facts: Any) -> dict[str, Any]:
    """The least an article must say, and `facts`."""
    return {
        "id": f"{stored.entry.timestamp}/{stored.entry.url}",
        "url": stored.entry.url,
        "title": "Flood",
        "captured_at": stored.date.replace("Z", "+00:00"),
        "outcome": "saved",
        "warc": {"offset": stored.entry.offset},
        **facts,
    }


def fix_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ids count up from 1 and the clock stand still."""
    numbers = itertools.count(1)

    def new_record_id() -> str:
        return f"<urn:uuid:00000000-0000-4000-8000-{next(numbers):012d}>"

    monkeypatch.setattr("storage.warc.new_record_id", new_record_id)
    monkeypatch.setattr("storage.writer.new_record_id", new_record_id)
    monkeypatch.setattr("storage.writer.now_utc", lambda: DATE)
    monkeypatch.setattr(
        "storage.writer.name_segment", lambda prefix, serial, now: f"{now:%Y/%m/%d}/{prefix}-{serial:05d}-host-1"
    )


class Place:
    """An archive as its parts: the store, the spool, the index, and writers to them."""

    def __init__(self, directory: Path, blobs: Blobs | None = None) -> None:
        self.blobs = blobs or LocalBlobs(directory)
        self.spool = self.blobs.local or directory
        self.index = Index.open(directory / "index.sqlite3")

    @contextlib.contextmanager
    def writing(self, **options: Any) -> Iterator[SegmentWriter]:
        writer = self.writer(**options)
        try:
            yield writer
        finally:
            writer.close()

    def writer(self, **options: Any) -> SegmentWriter:
        known: dict[str, Any] = {"prefix": "news", "software": SOFTWARE}
        return SegmentWriter(self.blobs, self.spool, self.index, **(known | options))

    def save(self, *captures: Capture) -> list[Stored]:
        """Store captures, all in one segment, and finalise it."""
        with self.writing() as writer:
            return [save(writer, capture) for capture in captures]

    def open_files(self) -> list[str]:
        """Whatever in the spool is not in its final place."""
        endings = (".open", ".journal", ".part")
        files = (path for path in self.spool.rglob("*") if path.name.endswith(endings))
        return sorted(str(path.relative_to(self.spool)) for path in files)

    def records(self, segment: str) -> list[Record]:
        """Every record of a segment, open or not."""
        return records_in(self.warc_bytes(segment))

    def warc_bytes(self, segment: str) -> bytes:
        path = self.spool / (warc_key(segment) + OPEN)
        return path.read_bytes() if path.exists() else self.blobs.read(warc_key(segment))

    def stored_record(self, stored: Stored) -> Record:
        return self.record_at(stored.entry.segment, stored.entry.offset)

    def record_at(self, segment: str, offset: int) -> Record:
        return next(record for record in self.records(segment) if record.offset == offset)


class Record:
    """A record with its block, read whole."""

    def __init__(self, offset: int, fields: list[tuple[str, str]], block: bytes) -> None:
        self.offset, self.fields, self.block = offset, fields, block

    def values(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def value(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} is repeated"
        return values[0] if values else None


def records_in(data: bytes) -> list[Record]:
    return [
        Record(record.offset, record.fields, b"".join(record.block()))
        for record in read_records(io.BytesIO(data), "test")
    ]


def save(writer: SegmentWriter, capture: Capture, *, article: Mapping[str, Any] | None = None) -> Stored:
    """Store one capture and, if given, facts of its article; return once both are durable."""
    stored = writer.write_capture(capture, wants_article=article is not None).result(WAIT)
    assert stored is not None
    if article is not None:
        assert writer.write_article(stored, article_of(stored, **article)).result(WAIT)
    return stored


def cdxj_lines(data: bytes) -> list[str]:
    return gzip.decompress(data).decode("utf-8").splitlines()


def indexed_by_others(warc: Path, root: Path) -> list[str]:
    """What ``cdxj-indexer``, the program everybody uses, says of a WARC file."""
    program = Path(sys.executable).with_name("cdxj-indexer")
    command = [str(program), "-s", "--dir-root", str(root), str(warc)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return done.stdout.decode("utf-8").splitlines()


def indexed_in_process(warc: Path, root: Path) -> list[str]:
    """The same without the second that starting the program takes."""
    from cdxj_indexer.main import CDXJIndexer  # type: ignore[import-untyped]

    output = warc.with_name("output.cdxj")
    CDXJIndexer(output=str(output), inputs=[str(warc)], sort=True, dir_root=str(root)).process_all()
    lines = output.read_text("utf-8").splitlines()
    output.unlink()
    return lines


def json_lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(data).splitlines()]
