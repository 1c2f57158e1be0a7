"""CDXJ lines: where each capture of a segment lies.

A line is ``urlkey SP timestamp SP {json}``, every JSON value a string, keys and order as ``cdxj-indexer`` writes them,
so that its output for a segment and ours are the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from storage import message, warc
from storage.errors import DamagedIndex
from storage.urls import urlkey

REVISIT_MIME = "warc/revisit"
_TIMESTAMP = re.compile(
    "(?!0000)[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9]|60)"
)
INDEXED_TYPES = ("response", "revisit", "resource", "metadata")


@dataclass(frozen=True, slots=True)
class Entry:
    """One indexed capture, the facts of one CDXJ line."""

    urlkey: str
    """SURT form of the URL, made by the ``surt`` package."""
    timestamp: str
    """14 digits, UTC, when the request began."""
    url: str
    """The URL exactly as requested."""
    mime: str
    """Media type the server declared; ``warc/revisit`` for a revisit, ``unk`` when none was declared."""
    status: int | None
    """HTTP status; ``None`` where the response has no readable status line."""
    payload_digest: str | None
    """``sha1:BASE32`` of the payload; ``None`` where no payload could be told apart."""
    offset: int
    """Byte offset of the record's gzip member in the WARC file."""
    length: int
    """Length of that gzip member in bytes."""
    segment: str
    """Stem of the segment, such as ``2026/11/22/news-20261122064343123-00001-host-4242``."""

    @property
    def is_revisit(self) -> bool:
        """Whether the payload is held by an earlier capture."""
        return self.mime == REVISIT_MIME


@dataclass(frozen=True, slots=True)
class ArticleEntry:
    """One line of an articles file, located, with the facts the index answers from."""

    segment: str
    capture_offset: int
    """Offset of the capture's record in the segment's WARC file."""
    revision: int
    """1 for ``<segment>.jsonl.gz``, 2 for ``<segment>.r2.jsonl.gz``, and so on; the highest counts."""
    offset: int
    """Byte offset of the article's gzip member in the articles file."""
    length: int
    id: str
    url: str
    timestamp: str
    site: str | None
    title: str | None
    published_at: str | None
    language: str | None
    outcome: str
    text_sha256: str | None
    version: int | None
    word_count: int | None


def filename_of(segment: str) -> str:
    """Return the CDXJ ``filename`` of a segment: its key under ``warc/``."""
    return f"{segment}.warc.gz"


def format_line(
    url: str,
    timestamp: str,
    *,
    mime: str | None,
    status: str | None,
    digest: str | None,
    length: int,
    offset: int,
    filename: str,
) -> str:
    """Return one CDXJ line without its newline; what is ``None`` is left out."""
    facts = {
        "url": url,
        "mime": mime,
        "status": status,
        "digest": digest,
        "length": str(length),
        "offset": str(offset),
        "filename": filename,
    }
    present = {name: value for name, value in facts.items() if value is not None}
    return f"{urlkey(url)} {timestamp} {json.dumps(present)}"


def parse_line(line: str) -> Entry:
    """Return the entry of a CDXJ line; raises :class:`DamagedIndex` for anything else."""
    try:
        key, timestamp, facts = line.rstrip("\n").split(" ", 2)
        values = json.loads(facts)
        status = values.get("status", "")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise ValueError(f"{timestamp!r} is no timestamp")
        return Entry(
            urlkey=key,
            timestamp=timestamp,
            url=values["url"],
            mime=values.get("mime") or "unk",
            status=int(status) if re.fullmatch("[0-9]{3}", status) else None,
            payload_digest=values.get("digest"),
            offset=int(values["offset"]),
            length=int(values["length"]),
            segment=values["filename"].removesuffix(".warc.gz"),
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamagedIndex(f"not a CDXJ line: {line[:80]!r} ({error}); `archiver reindex` rebuilds it") from None


def index_warc(stream: BinaryIO, filename: str) -> Iterator[tuple[int, str | None]]:
    """Yield, for every record of a WARC file, the offset behind it and its CDXJ line.

    The line is ``None`` for records that are no captures (warcinfo, request, bookkeeping). Each record has been
    verified to be whole before it is yielded. Raises :class:`storage.errors.DamagedRecord` at the first byte that is
    not part of a whole record.
    """
    for record in warc.read_records(stream, filename):
        line = line_of_record(record, filename) if is_capture(record) else None
        yield record.offset + record.finish(), line


def is_capture(record: warc.Record) -> bool:
    """Whether a record has a CDXJ line: it has one of :data:`INDEXED_TYPES` and a URL, and is no bookkeeping."""
    is_bookkeeping = (
        record.type in ("resource", "metadata") and record.field("Content-Type") == "application/warc-fields"
    )
    return record.type in INDEXED_TYPES and bool(record.url) and not is_bookkeeping


def line_of_record(record: warc.Record, filename: str) -> str:
    """Return the CDXJ line of a record that has not been read yet; reads it to its end.

    A payload digest that the record lacks is computed, except for a revisit, whose payload is elsewhere.
    """
    url = record.url or ""
    start = record.read(message.MAX_HEAD)
    is_http = record.type in ("response", "revisit") and url.startswith(("http:", "https:"))
    status, mime = warc.http_facts(start) if is_http else (None, None)
    if record.type not in ("response", "revisit"):
        mime = warc.media_type(record.field("Content-Type"))
    digest = record.field("WARC-Payload-Digest")
    if record.type == "revisit":
        mime = REVISIT_MIME
    elif not digest:
        digest = _digest_payload(record, start, is_http=is_http)
    return format_line(
        url,
        warc.date_to_timestamp(record.field("WARC-Date") or ""),
        mime=mime,
        status=status,
        digest=digest,
        length=record.finish(),
        offset=record.offset,
        filename=filename,
    )


def _digest_payload(record: warc.Record, start: bytes, *, is_http: bool) -> str:
    head_length = (message.head_end(start) or len(start)) if is_http else 0
    chunked = is_http and message.is_chunked(message.parse_head(start[:head_length]))
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in message.payload_of(itertools.chain([start[head_length:]], record.block()), chunked=chunked):
        digest.update(piece)
    return warc.format_digest(digest.digest())


def write_cdxj(lines: Iterable[str]) -> bytes:
    """Return the content of a ``.cdxj.gz`` file: the lines sorted by their bytes, duplicates left out."""
    ordered = sorted({line.encode("utf-8") for line in lines})
    return gzip.compress(b"".join(line + b"\n" for line in ordered), mtime=0)


def read_cdxj(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Yield the entries of a ``.cdxj.gz`` file; raises :class:`DamagedIndex` naming it."""
    try:
        with gzip.open(stream, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield parse_line(line)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DamagedIndex(f"{name} is damaged ({error}); `archiver reindex` reads the WARC files instead") from None
