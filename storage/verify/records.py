"""Judge one record by itself, and note in the ledger what it says of others."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from storage import message
from storage.cdx import Entry, filename_of, is_capture, line_of_record, parse_line
from storage.errors import DamagedIndex
from storage.verify.findings import RESTORE
from storage.verify.ledger import fingerprint, fingerprint_entry, storable
from storage.verify.survey import Segment, Survey
from storage.warc import Record, parse_date

CLAIMED = ("length", "record_id", "payload_digest")
"""What an article says of the capture it was read from, besides the offset."""


def format_claim(length: object, record_id: object, payload_digest: object) -> str:
    """Return the values of :data:`CLAIMED` as the ledger holds them."""
    return json.dumps([length, record_id, payload_digest])


@dataclass(slots=True)
class Reading:
    """A WARC file while it is read."""

    segment: Segment
    key: str
    end: int = 0
    """Offset behind the last whole record."""
    warcinfo_id: str | None = None


def check_record(survey: Survey, reading: Reading, record: Record) -> None:
    """Read a record to its end and judge it; raises :class:`storage.errors.DamagedRecord` when it is not whole."""
    digests = _Digests(record)
    line = line_of_record(record, filename_of(reading.segment.name)) if is_capture(record) else None
    record.finish()  # from here on the record is whole
    for name, detail in digests.faults():
        survey.note(reading.key, f"{name} does not fit; {RESTORE}", offset=record.offset, detail=detail)
    for what in _header_faults(reading, record):
        survey.note(reading.key, what, offset=record.offset)
    if record.offset == 0 and record.type == "warcinfo":
        reading.warcinfo_id = record.field("WARC-Record-ID")
    survey.counts["records"] += 1
    _enter(survey, reading, record, line)


def _enter(survey: Survey, reading: Reading, record: Record, line: str | None) -> None:
    """Write into the ledger what others say, or have to say, of a record."""
    place = (reading.segment.number, record.offset)
    record_id, concurrent_to = record.field("WARC-Record-ID"), record.field("WARC-Concurrent-To")
    facts = (None, None, None, 0, None, None) if line is None else _capture_facts(record, line)
    survey.counts["captures"] += line is not None
    survey.ledger.add("records", *place, record.type, record_id and fingerprint(record_id), *facts)
    if concurrent_to:
        survey.ledger.add("concurrent", *place, fingerprint(concurrent_to))
    if record.type == "revisit":
        survey.ledger.add("revisits", *place, *_reference(record))
        survey.counts["revisits"] += 1


def _capture_facts(record: Record, line: str) -> tuple[object, ...]:
    entry = _entry_of(line)
    payload = entry and entry.payload_digest
    return (
        fingerprint(line),
        entry and fingerprint_entry(entry),
        fingerprint(record.url, record.field("WARC-Date")),
        record.type in ("response", "resource") and record.field("WARC-Truncated") is None,
        payload,
        entry and format_claim(entry.length, record.field("WARC-Record-ID"), payload),
    )


def _entry_of(line: str) -> Entry | None:
    """Return the entry of a capture's line; ``None`` where its date is none, which the header's faults tell."""
    try:
        return parse_line(line)
    except DamagedIndex:
        return None


def _reference(record: Record) -> tuple[object, ...]:
    """Return what a revisit says of the capture that holds its payload."""
    refers_to = record.field("WARC-Refers-To")
    url, date = record.field("WARC-Refers-To-Target-URI"), record.field("WARC-Refers-To-Date")
    target = fingerprint(url, date) if url and date else None
    payload = record.field("WARC-Payload-Digest")
    return (refers_to and fingerprint(refers_to), target, payload, url and storable(url), date)


def _header_faults(reading: Reading, record: Record) -> Iterator[str]:
    """Yield what is wrong with the header of a record."""
    for name in ("WARC-Type", "WARC-Record-ID", "WARC-Date"):
        if not record.field(name):
            yield f"the record has no {name}"
    if not record.url and record.type in ("response", "request", "revisit", "resource"):
        yield f"the {record.type} has no WARC-Target-URI"
    if not _is_date(record.field("WARC-Date")):
        yield "WARC-Date is no date in UTC"
    filename = f"{reading.segment.name.rpartition('/')[2]}.warc.gz"
    if record.offset == 0 and record.type != "warcinfo":
        yield "the first record is no warcinfo"
    elif record.offset == 0 and record.field("WARC-Filename") not in (None, filename):
        yield f"the file was written as {record.field('WARC-Filename')}; give it that name again"
    elif record.offset > 0 and reading.warcinfo_id not in (None, record.field("WARC-Warcinfo-ID")):
        yield "WARC-Warcinfo-ID does not name the first record of the file"


def _is_date(text: str | None) -> bool:
    try:
        parse_date(text or "")
    except ValueError:
        return False
    return True


class _Digest:
    """A digest field, and the bytes it is a digest of. One of an algorithm unknown here fits everything."""

    def __init__(self, name: str, field: str | None) -> None:
        self.name = name
        self._field = field or ""
        self._algorithm, self._colon, self._stored = self._field.partition(":")
        known = self._algorithm.lower().replace("-", "")
        self._hash = hashlib.new(known, usedforsecurity=False) if known in _ALGORITHMS else None

    def update(self, data: bytes | memoryview) -> None:
        """Add bytes."""
        if self._hash is not None:
            self._hash.update(data)

    def fault(self) -> str | None:
        """Return how the digest differs from that of the bytes; ``None`` where it fits, or there is none."""
        if self._field and not self._colon:
            return f"it is {self._field}"
        if self._hash is None:
            return None
        computed = base64.b32encode(self._hash.digest()).decode("ascii").rstrip("=")
        if self._stored.upper().rstrip("=") in (computed, self._hash.hexdigest().upper()):
            return None
        return f"it is {self._field}, that of the bytes {self._algorithm}:{computed}"


_ALGORITHMS = ("sha1", "sha256", "sha384", "sha512", "md5")


class _Digests:
    """The digests of a record, computed from whatever is read of its block, by whomever."""

    def __init__(self, record: Record) -> None:
        self._block = _Digest("WARC-Block-Digest", record.field("WARC-Block-Digest"))
        is_own = record.type != "revisit"  # the payload of a revisit is elsewhere
        self._payload = _Digest("WARC-Payload-Digest", record.field("WARC-Payload-Digest") if is_own else None)
        is_http = (record.field("Content-Type") or "").lower().startswith("application/http")
        self._head: bytes | None = b"" if is_http else None
        """What has come of an HTTP head; ``None`` behind it."""
        self._dechunker: message.Dechunker | None = None
        read = record.read

        def read_and_digest(size: int = 1 << 16) -> bytes:
            data = read(size)
            self._add(data)
            return data

        record.read = read_and_digest  # type: ignore[method-assign]  # so that one reading serves all

    def faults(self) -> list[tuple[str, str]]:
        """Return the digests that do not fit, and why."""
        return [(digest.name, fault) for digest in (self._block, self._payload) if (fault := digest.fault())]

    def _add(self, data: bytes) -> None:
        self._block.update(data)
        if self._head is None:
            self._payload.update(self._dechunker.feed(data) if self._dechunker else data)
        elif len(self._head) < message.MAX_HEAD:  # a head that has not ended by then never ends: no payload
            self._end_head(self._head + data)

    def _end_head(self, start: bytes) -> None:
        end = message.head_end(start[: message.MAX_HEAD])
        self._head = start if end is None else None
        if end is not None:
            self._dechunker = message.Dechunker() if message.is_chunked(message.parse_head(start[:end])) else None
            body = start[end:]
            self._payload.update(self._dechunker.feed(body) if self._dechunker else body)
