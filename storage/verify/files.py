"""Read the files of a segment: CDXJ, WARC, articles. What is damaged is named, and what lies behind it read on."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

from storage.articles import read_articles
from storage.cdx import ArticleEntry, Entry, parse_line
from storage.errors import DamagedIndex, DamagedRecord
from storage.segment import cdxj_key, warc_key
from storage.verify.findings import MAKE_CDXJ, RESTORE
from storage.verify.ledger import MAX_OFFSET, fingerprint, fingerprint_entry
from storage.verify.records import Reading, check_record, format_claim
from storage.verify.survey import Segment, Survey
from storage.warc import read_records

_RESUMES = 20
"""How often reading a damaged WARC is taken up again behind the damage."""

_TIMESTAMP = re.compile(r"[0-9]{14}")


def read_segment(survey: Survey, segment: Segment) -> None:
    """Read a complete segment."""
    _read_cdxj(survey, segment)
    if segment.has_warc:
        _read_warc(survey, segment)
    else:
        what = f"the file is missing, though {cdxj_key(segment.name)} is there; {RESTORE}"
        survey.note(warc_key(segment.name), what)
        skip_damage(survey, segment, 0)
    for revision in segment.revisions:
        _read_articles(survey, segment, revision)


def read_partial(survey: Survey, segment: Segment) -> None:
    """Read a segment that has no CDXJ and no journal here. Its writer may still be at work on another machine."""
    segment.is_unlisted = True
    if segment.has_warc:
        _read_warc(survey, segment)
    for revision in segment.revisions:
        if segment.has_warc:
            _read_articles(survey, segment, revision)
        elif not survey.is_finished_now(segment.name):
            what = f"there is no {warc_key(segment.name)} for these articles; restore it"
            survey.note(segment.articles(revision), what)
    if segment.has_warc and not survey.is_finished_now(segment.name):
        what = f"its CDXJ is missing, so nothing in it is found; if its writer is dead, {MAKE_CDXJ}"
        survey.note(warc_key(segment.name), what, detail=cdxj_key(segment.name))


# CDXJ.


def _read_cdxj(survey: Survey, segment: Segment) -> None:
    segment.is_unlisted = True
    key = cdxj_key(segment.name)
    with survey.reporting(key), survey.blobs.open(key) as stream:
        try:
            with gzip.open(stream) as lines:
                _read_lines(survey, segment, lines)
            segment.is_unlisted = False
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            survey.note_lines(segment, "not valid gzip", detail=str(error))


def _read_lines(survey: Survey, segment: Segment, lines: Iterable[bytes]) -> None:
    before = b""
    for count, raw in enumerate(lines, 1):
        if raw <= before:
            survey.note_lines(segment, "a line is out of order", detail=f"line {count}")
        before = raw
        try:
            entry = _entry_of(raw)
        except (DamagedIndex, ValueError):
            survey.note_lines(segment, "a line is no CDXJ", detail=f"line {count}")
            continue
        if entry.segment != segment.name:
            survey.note_lines(segment, "a line is about another file", detail=f"line {count}: {entry.segment}")
        add_line(survey, segment, count, raw.decode(), entry)


def _entry_of(raw: bytes) -> Entry:
    if not raw.endswith(b"\n"):
        raise ValueError("it does not end")
    entry = parse_line(raw.decode())
    if not _is_offset(entry.offset):
        raise ValueError("no file is that long")
    return entry


def add_line(survey: Survey, segment: Segment, count: int, line: str, entry: Entry) -> None:
    """Write a CDXJ line, the `count`-th of its file, into the ledger."""
    facts = (fingerprint(line.rstrip("\n")), fingerprint_entry(entry))
    survey.ledger.add("lines", segment.number, entry.offset, count, *facts)


# WARC.


def _read_warc(survey: Survey, segment: Segment) -> None:
    """Read a WARC file, behind damage from the next capture that the CDXJ knows."""
    reading = Reading(segment, warc_key(segment.name))
    for _ in range(_RESUMES):
        is_whole = None
        with survey.reporting(reading.key), survey.blobs.open(reading.key) as stream:
            _skip(stream, reading.end)
            is_whole = read_warc_records(survey, reading, stream)
        if is_whole:
            break
        resumed = None if is_whole is None else survey.ledger.next_line(segment.number, reading.end)
        skip_damage(survey, segment, reading.end, resumed)
        if resumed is None:
            break
        reading.end = resumed
    else:
        skip_damage(survey, segment, reading.end)
        survey.note(reading.key, f"too much damage to look any further; {RESTORE}", offset=reading.end)
    survey.counts["bytes"] += reading.end


def _skip(stream: BinaryIO, length: int) -> None:
    if stream.seekable():
        stream.seek(length)
        return
    while length and (data := stream.read(min(length, 1 << 20))):
        length -= len(data)


def skip_damage(survey: Survey, segment: Segment, start: int, end: int | None = None) -> None:
    """Pass over a part of a WARC that cannot be read; what its captures were, the CDXJ says."""
    segment.is_damaged = True
    survey.ledger.trust_lines(segment.number, start, end)


def read_warc_records(survey: Survey, reading: Reading, stream: BinaryIO, *, until: int | None = None) -> bool:
    """Check record by record; return false at the first byte that is not part of a whole one."""
    try:
        for record in read_records(stream, reading.key, offset=reading.end):
            check_record(survey, reading, record)
            reading.end = record.offset + record.finish()
            if until is not None and reading.end >= until:
                break
    except DamagedRecord as error:
        cause = str(error).removeprefix(f"{reading.key}: record at offset {reading.end}: ")
        survey.note(reading.key, f"no whole WARC record; {RESTORE}", offset=reading.end, detail=cause)
        return False
    if reading.end == 0:
        survey.note(reading.key, f"the file is empty; {RESTORE}")
    return True


# Articles.


def _read_articles(survey: Survey, segment: Segment, revision: int) -> None:
    key = segment.articles(revision)
    with survey.reporting(key), survey.blobs.open(key) as stream:
        read_article_lines(survey, segment, key, stream, revision=revision)


def read_article_lines(
    survey: Survey, segment: Segment, key: str, stream: BinaryIO, *, revision: int, until: int | None = None
) -> int:
    """Enter the articles of a file into the ledger; return the offset behind the last one."""
    end = 0
    seen: set[int] = set()
    try:
        for entry, article in read_articles(stream, key, segment=segment.name, revision=revision):
            survey.counts["articles"] += 1
            _check_article(survey, segment, key, entry, article["warc"], seen)
            end = entry.offset + entry.length
            if until is not None and end >= until:
                break
    except DamagedRecord as error:
        cause = str(error).removeprefix(f"{key}: ")
        survey.note(key, f"not a whole article; {RESTORE}, or `archiver reextract`", offset=end, detail=cause)
    return end


def _check_article(
    survey: Survey, segment: Segment, key: str, entry: ArticleEntry, warc: dict[str, Any], seen: set[int]
) -> None:
    capture = entry.capture_offset
    if not _is_offset(capture) or not _TIMESTAMP.fullmatch(entry.timestamp):
        survey.note(key, "the article says not which capture it was read from, or when", offset=entry.offset)
        return
    if warc.get("file") != warc_key(segment.name):
        survey.note(key, "the article is of another file", offset=entry.offset, detail=str(warc.get("file")))
    if capture in seen:
        survey.note(key, "the second article of one capture", offset=entry.offset, detail=f"at offset {capture}")
    seen.add(capture)
    claim = format_claim(warc.get("length"), warc.get("record_id"), warc.get("payload_digest"))
    place = (segment.number, capture, entry.revision, entry.offset)
    survey.ledger.add("articles", *place, claim, fingerprint_entry(entry))


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= MAX_OFFSET
