"""Keep the index, which is a cache, equal to the segments, which are the truth."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress

from storage.articles import read_articles
from storage.blobs import Blobs
from storage.cdx import ArticleEntry, Entry, filename_of, index_warc, line_of_record, parse_line, read_cdxj, write_cdxj
from storage.errors import DamagedIndex, DamagedRecord, KeyNotFound
from storage.index import Index
from storage.segment import articles_key, cdxj_key, warc_key
from storage.warc import read_record

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with segments done and segments to do."""

_WARC = re.compile(r"warc/(?P<segment>.+)\.warc\.gz")
_CDXJ = re.compile(r"cdxj/(?P<segment>.+)\.cdxj\.gz")
_ARTICLES = re.compile(r"articles/(?P<segment>.+?)(?:\.r(?P<revision>[0-9]+))?\.jsonl\.gz")


def stored_segments(blobs: Blobs) -> list[str]:
    """Return every complete segment, sorted."""
    return sorted(match["segment"] for key in blobs.keys("cdxj/") if (match := _CDXJ.fullmatch(key)))


def article_revisions(blobs: Blobs) -> dict[str, list[int]]:
    """Return the revisions of articles files each segment has."""
    revisions: dict[str, list[int]] = defaultdict(list)
    for key in blobs.keys("articles/"):
        if match := _ARTICLES.fullmatch(key):
            revisions[match["segment"]].append(int(match["revision"] or 1))
    return revisions


def sync_index(blobs: Blobs, index: Index, *, progress: Progress | None = None) -> int:
    """Load every complete segment the index has not seen, or not with its newest articles file; return how many.

    Segments that the index knows but the archive no longer holds are dropped from it.
    """
    known = index.final_segments()  # first: what somebody finalises from now on is not missing from what is stored
    stored = stored_segments(blobs)
    revisions = article_revisions(blobs)
    newest = {segment: max(revisions[segment]) for segment in known.intersection(revisions)}
    outdated = index.lacking_revisions({segment: number for segment, number in newest.items() if number > 1})
    missing = [segment for segment in stored if segment not in known or segment in outdated]
    for number, segment in enumerate(missing):
        load_segment(blobs, index, segment, revisions.get(segment, []))
        if progress:
            progress(number + 1, len(missing))
    for segment in known.difference(stored):
        index.drop_segment(segment)
    return len(missing)


def load_segment(blobs: Blobs, index: Index, segment: str, revisions: list[int]) -> None:
    """Replace what the index knows of a segment by what its files say.

    A damaged CDXJ is made up for by the WARC; of a damaged articles file what can be read counts.
    """
    try:
        captures = read_captures(blobs, segment)
    except DamagedIndex as error:
        logger.warning("%s; reading %s instead", error, warc_key(segment))
        captures = _read_warc(blobs, segment)
    articles = [entry for revision in revisions for entry in _read_articles(blobs, segment, revision)]
    index.load_segment(segment, captures, articles)


def read_captures(blobs: Blobs, segment: str) -> list[Entry]:
    """Return what the CDXJ of a segment lists; raises :class:`DamagedIndex`."""
    key = cdxj_key(segment)
    with blobs.open(key) as stream:
        return list(read_cdxj(stream, key))


def _read_warc(blobs: Blobs, segment: str) -> list[Entry]:
    entries: list[Entry] = []
    try:
        with blobs.open(warc_key(segment)) as stream:
            entries.extend(parse_line(line) for _, line in index_warc(stream, filename_of(segment)) if line)
    except (DamagedRecord, KeyNotFound) as error:
        logger.error("%s; captures behind it cannot be found", error)
    return entries


def _read_articles(blobs: Blobs, segment: str, revision: int) -> list[ArticleEntry]:
    key = articles_key(segment, revision)
    entries: list[ArticleEntry] = []
    try:
        with blobs.open(key) as stream:
            entries.extend(entry for entry, _ in read_articles(stream, key, segment=segment, revision=revision))
    except DamagedRecord as error:
        logger.error("%s; articles behind it cannot be found, `archiver reextract` reads them again", error)
    return entries


def rebuild_index(blobs: Blobs, index: Index, *, from_warc: bool = False, progress: Progress | None = None) -> int:
    """Forget the index and load every complete segment again; return how many.

    A CDXJ that is missing is made from its WARC; with `from_warc` every CDXJ is made anew. Segments that are still
    being written by somebody stay known through their writer, which loads them at their end.
    """
    complete = set(stored_segments(blobs))
    for segment in _warc_segments(blobs):
        if from_warc or segment not in complete:
            rewrite_cdxj(blobs, segment)
    index.clear()
    return sync_index(blobs, index, progress=progress)


def rewrite_cdxj(blobs: Blobs, segment: str) -> None:
    """Make the CDXJ of a segment from its WARC.

    What is damaged there is left out, and said so; behind the damage captures are found where the old CDXJ has them.
    """
    lines: set[str] = set()
    end = 0
    try:
        with blobs.open(warc_key(segment)) as stream:
            for record_end, line in index_warc(stream, filename_of(segment)):
                end = record_end
                lines.update([line] if line else ())
    except DamagedRecord as error:
        logger.error("%s; `archiver verify` names what is lost", error)
        lines.update(_lines_behind(blobs, segment, end))
    blobs.put(cdxj_key(segment), write_cdxj(lines), replace=True)


def _lines_behind(blobs: Blobs, segment: str, end: int) -> Iterator[str]:
    try:
        known = read_captures(blobs, segment)
    except (DamagedIndex, KeyNotFound):
        return
    for entry in known:
        if entry.offset >= end:
            with suppress(DamagedRecord):
                member = blobs.read(warc_key(segment), entry.offset, entry.length)
                yield line_of_record(read_record(member, warc_key(segment), entry.offset), filename_of(segment))


def _warc_segments(blobs: Blobs) -> list[str]:
    return [match["segment"] for key in blobs.keys("warc/") if (match := _WARC.fullmatch(key))]
