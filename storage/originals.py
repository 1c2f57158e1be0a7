"""Which earlier capture already holds a payload, so that a revisit can refer to it.

A revisit must lead a reader to its payload in one step, so an original is a whole ``response`` record, durable and
not truncated, never a revisit. The index only suggests candidates; each is confirmed from its record header, which
also gives the exact WARC-Date and record id that the revisit has to carry.

Readers take the head from the revisit and the body from the original. pywb then looks into the revisit's head for the
framing of the original's body, so the original of an answer that was not chunked must not be chunked either.
"""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterable

from storage.blobs import Blobs
from storage.cdx import Entry
from storage.errors import ArchiveError, DamagedRecord
from storage.index import Index
from storage.message import head_end, is_chunked, parse_head
from storage.segment import OPEN, warc_key
from storage.warc import Original, Record, read_record

logger = logging.getLogger(__name__)

_REMEMBERED = 50_000
_HEADER_BYTES = 16384
"""Compressed bytes that are sure to hold a record header."""


class Originals:
    """Finds the original of a payload or of a ``304 Not Modified``. Used by one thread."""

    def __init__(self, blobs: Blobs, index: Index) -> None:
        self._blobs, self._index = blobs, index
        self._recent: OrderedDict[tuple[str, bool], tuple[Original, str]] = OrderedDict()
        self._final: set[str] = set()

    def identical(self, payload_digest: str, url: str, segment: str | None, *, chunked: bool) -> Original | None:
        """Return an original with this payload, of the same URL if there is one.

        `chunked` says how the new answer is framed, `segment` is the one being written. In a bucket, what lies in
        another segment that is not uploaded yet does not count: it could still be lost with this machine.
        """
        for framing in (False, True)[: 1 + chunked]:
            known = self._recent.get((payload_digest, framing))
            if known and self._is_safe(known[1], segment):
                return known[0]
        try:
            candidates = self._index.originals(payload_digest, final_only=self._blobs.local is None)
        except ArchiveError as error:
            logger.warning("looking for an earlier copy failed (%s); the payload is stored again", error)
            return None
        return self._confirmed(sorted(candidates, key=lambda entry: entry.url != url), payload_digest, chunked=chunked)

    def not_modified(self, url: str, segment: str | None) -> Original | None:
        """Return the capture a ``304`` for `url` stands for: the newest whole one with status 200."""
        try:
            captures = list(self._index.captures(url, reverse=True, limit=20))
        except ArchiveError:
            return None
        for entry in captures:
            if entry.url != url or entry.status != 200:
                continue
            if entry.is_revisit and entry.payload_digest:
                return self.identical(entry.payload_digest, url, segment, chunked=True)
            if self._blobs.local is not None or entry.segment in self._index.final_segments():
                return self._confirmed([entry], None, chunked=True)
        return None

    def remember(self, payload_digest: str, original: Original, segment: str, *, chunked: bool) -> None:
        """Note a whole response that has just become durable, and whether its body is chunked."""
        self._recent[payload_digest, chunked] = (original, segment)
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    def finalised(self, segment: str) -> None:
        """Note that a segment has reached its final place."""
        self._final.add(segment)

    def _is_safe(self, held_in: str, segment: str | None) -> bool:
        return self._blobs.local is not None or held_in == segment or held_in in self._final

    def _confirmed(self, candidates: Iterable[Entry], payload_digest: str | None, *, chunked: bool) -> Original | None:
        for entry in candidates:
            try:
                if original := self._read(entry, payload_digest, chunked=chunked):
                    return original
            except (ArchiveError, OSError) as error:
                logger.warning("earlier copy at %s offset %d is unusable: %s", entry.segment, entry.offset, error)
        return None

    def _read(self, entry: Entry, payload_digest: str | None, *, chunked: bool) -> Original | None:
        key = warc_key(entry.segment)
        data = self._read_start(key, entry.offset)
        record = read_record(data, key, entry.offset)
        whole = record.type == "response" and record.field("WARC-Truncated") is None
        same = payload_digest is None or record.field("WARC-Payload-Digest") == payload_digest
        record_id, date = record.field("WARC-Record-ID"), record.field("WARC-Date")
        if whole and same and record_id and date and (chunked or not _is_chunked(record)):
            return Original(record_id, record.url or entry.url, date)
        return None

    def _read_start(self, key: str, offset: int) -> bytes:
        if self._blobs.local is not None:
            with contextlib.suppress(FileNotFoundError), (self._blobs.local / (key + OPEN)).open("rb") as file:
                file.seek(offset)
                return file.read(_HEADER_BYTES)
        return self._blobs.read(key, offset, _HEADER_BYTES)


def _is_chunked(record: Record) -> bool:
    try:
        start = record.read(_HEADER_BYTES // 2)
    except DamagedRecord:
        return True  # it does not fit into what was read: better no revisit than one that may mislead
    end = head_end(start)
    return end is None or is_chunked(parse_head(start[:end]))
