"""Segments that are being written, or were when their writer died, and whatever else the dead have left."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from storage.cdx import Entry
from storage.errors import ArchiveError
from storage.recovery import stale_journals
from storage.segment import OPEN, Journal, articles_key, warc_key
from storage.verify.files import add_line, read_article_lines, read_warc_records, skip_damage
from storage.verify.findings import RECOVER, RESTORE
from storage.verify.records import Reading
from storage.verify.survey import Segment, Survey

_FOLDERS = ("warc", "cdxj", "articles", "crawls")
_PART = ".part"
_PART_SECONDS = 24 * 60 * 60
"""Age of a half-stored blob that nobody is storing any more; storing one takes minutes."""


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment that is not complete: its journal, read once."""

    name: str
    journal: str
    is_written: bool
    """Whether its writer lives."""
    lines: list[tuple[str, Entry]]
    """CDXJ lines, parsed as well."""
    warc_end: int
    """Bytes of the WARC that were acknowledged."""
    articles_end: int


def read_journals(survey: Survey) -> Iterator[OpenSegment]:
    """Yield the segments that have a journal."""
    for path in stale_journals(survey.spool):
        name = str(path.relative_to(survey.spool / "warc")).removesuffix(".journal")
        key = survey.spooled(path)
        try:
            with path.open("rb") as file:
                is_written = _is_locked(file)
                captures, articles = Journal(path, file).read()
            lines = [(line.cdxj, entry) for line in captures if line.cdxj and (entry := line.entry)]
        except FileNotFoundError:
            continue  # finished meanwhile
        except (ArchiveError, OSError, TypeError, KeyError) as error:
            survey.note(key, "the journal cannot be read", detail=f"{type(error).__name__}: {error}")
            continue
        warc_end = captures[-1].warc_end if captures else 0
        yield OpenSegment(name, key, is_written, lines, warc_end, articles[-1].articles_end if articles else 0)


def read_open(survey: Survey, each: OpenSegment) -> None:
    """Read an open segment as far as its journal has acknowledged it."""
    segment = survey.segment(each.name)
    segment.journal = each.journal
    segment.open_warc = survey.spooled(survey.spool / (warc_key(each.name) + OPEN))
    if each.warc_end:
        _read_open_warc(survey, segment, each)
    if each.articles_end:
        _read_open_articles(survey, segment, each)


def _read_open_warc(survey: Survey, segment: Segment, each: OpenSegment) -> None:
    for count, (line, entry) in enumerate(each.lines, 1):
        add_line(survey, segment, count, line, entry)
    reading = Reading(segment, segment.warc)
    with survey.reporting(reading.key), _open_spooled(survey, warc_key(each.name)) as stream:
        if read_warc_records(survey, reading, stream, until=each.warc_end):
            _check_end(survey, reading.key, reading.end, each.warc_end)
    survey.counts["bytes"] += reading.end
    if reading.end < each.warc_end:
        skip_damage(survey, segment, reading.end)


def _read_open_articles(survey: Survey, segment: Segment, each: OpenSegment) -> None:
    key = articles_key(each.name)
    spooled = survey.spooled(survey.spool / (key + OPEN))
    with survey.reporting(spooled), _open_spooled(survey, key) as stream:
        end = read_article_lines(survey, segment, spooled, stream, revision=1, until=each.articles_end)
        _check_end(survey, spooled, end, each.articles_end)


def _check_end(survey: Survey, key: str, end: int, acknowledged: int) -> None:
    if end != acknowledged:
        what = f"what was acknowledged is whole up to here only; {RESTORE}"
        survey.note(key, what, offset=end, detail=f"{acknowledged} bytes were acknowledged")


def _open_spooled(survey: Survey, key: str) -> BinaryIO:
    try:
        return (survey.spool / (key + OPEN)).open("rb")
    except FileNotFoundError:
        return survey.blobs.open(key)  # it has just been moved there


def find_leftovers(survey: Survey, journals: Iterable[OpenSegment]) -> None:
    """Note what the dead have left in the spool, and half-stored blobs in a local archive."""
    for each in journals:
        if not each.is_written and survey.journal_path(each.name).exists():
            survey.note(each.journal, f"the writer of this segment died before it was complete; {RECOVER}")
    for folder, ending in (("warc", ".warc.gz"), ("articles", ".jsonl.gz")):
        for path in sorted((survey.spool / folder).glob(f"*/*/*/*{ending}{OPEN}")):
            name = str(path.relative_to(survey.spool / folder)).removesuffix(ending + OPEN)
            if not survey.journal_path(name).exists() and path.exists():
                what = "no journal says what of this unfinished file was acknowledged"
                survey.note(survey.spooled(path), f"{what}; look at it by hand, then move it away")
    for path in sorted((survey.spool / "crawls").glob(f"*/*/*/*.jsonl{OPEN}")):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if not _is_locked(file) and path.exists():
                survey.note(survey.spooled(path), f"the crawl that wrote this log died; {RECOVER}")
    if survey.blobs.local is not None:
        _find_parts(survey, survey.blobs.local)


def _find_parts(survey: Survey, directory: Path) -> None:
    """Note what a killed process has left of blobs it was storing. ``keys()`` hides it, recovery knows some of it."""
    aged = time.time() - _PART_SECONDS
    for folder in _FOLDERS:
        for path in sorted((directory / folder).rglob(f"*{_PART}")):
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_mtime < aged:
                    survey.note(path.relative_to(directory).as_posix(), "left by a killed process; it may be deleted")


def _is_locked(file: IO[bytes]) -> bool:
    """Whether a live process holds the lock on a file in the spool."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
