"""Finish what a killed writer left behind.

A writer holds a lock on the journal of its segment; a journal that can be locked belongs to a writer that died. Its
WARC is cut at the last whole record, never before the last acknowledged one, its articles at the last acknowledged
one, and the segment is finalised like any other. No record is ever appended to a recovered WARC.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from storage.articles import locate_article, pack_article
from storage.blobs import Blobs
from storage.cdx import ArticleEntry, Entry, filename_of, index_warc, parse_line
from storage.errors import ArchiveError, DamagedRecord, KeyNotFound
from storage.index import Index
from storage.segment import (
    OPEN,
    ArticleLine,
    CaptureLine,
    Journal,
    articles_key,
    cdxj_key,
    cut_spool_file,
    discard,
    publish,
    remove_parts,
    storage_errors,
    warc_key,
)

logger = logging.getLogger(__name__)

ReadArticle = Callable[[Entry, Path], dict[str, object] | None]
"""Reads the article of a capture out of a spooled WARC file; ``None`` when there is none."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """The data files of an open segment."""

    warc: Path
    articles: Path


@dataclass(frozen=True, slots=True)
class Recovered:
    """One segment that was finished for its dead writer."""

    segment: str
    captures: int
    articles: int
    bytes_cut: int


def recover_segments(
    blobs: Blobs, spool: Path, index: Index, *, read_article: ReadArticle | None = None
) -> list[Recovered]:
    """Finalise every segment in `spool` whose writer is dead; a segment that resists is logged and left as it is."""
    recovered = []
    for journal_path in stale_journals(spool):
        segment = str(journal_path.relative_to(spool / "warc")).removesuffix(".journal")
        journal: Journal | None = None
        try:
            if (journal := Journal.take_over(journal_path)) is None:
                continue
            if (done := _recover(blobs, spool, index, journal, segment, read_article)) is not None:
                recovered.append(done)
                logger.info("recovered %s: %d captures", segment, done.captures)
        except (ArchiveError, OSError) as error:
            logger.error("segment %s could not be recovered and is left as it is: %s", segment, error)
            if journal is not None:
                journal.close()
    return recovered


def stale_journals(spool: Path) -> Iterator[Path]:
    """Yield the journals of open segments, oldest first; some may belong to live writers."""
    yield from sorted((spool / "warc").glob("*/*/*/*.journal"))


def _recover(
    blobs: Blobs, spool: Path, index: Index, journal: Journal, segment: str, read_article: ReadArticle | None
) -> Recovered | None:
    captures, articles = journal.read()
    spooled = Spooled(spool / (warc_key(segment) + OPEN), spool / (articles_key(segment) + OPEN))
    for key in (articles_key(segment), warc_key(segment), cdxj_key(segment)):
        remove_parts(blobs, key)
    if not captures:
        discard(spool, segment)
        index.drop_segment(segment)
        journal.remove()
        return None
    if not spooled.warc.exists():  # an earlier finalisation got this far
        with blobs.open(warc_key(segment)) as stream:
            lines, cut = [line for _, line in index_warc(stream, filename_of(segment)) if line], 0
    else:
        lines, cut = _cut_warc(spooled.warc, segment, acknowledged=captures[-1].warc_end)
        cut_spool_file(spooled.articles, articles[-1].articles_end if articles else 0)
        if not _holds(blobs, articles_key(segment)):  # else an earlier finalisation has put them in their place
            if articles and not spooled.articles.exists():
                raise DamagedRecord(f"{spooled.articles} is missing; restore it from a backup")
            if read_article is not None:
                articles += _read_missing(journal, captures, articles, spooled, read_article)
    publish(blobs, spool, segment, lines)
    index.load_segment(segment, [parse_line(line) for line in lines], [line.entry for line in articles])
    journal.remove()
    return Recovered(segment, len(lines), len(articles), cut)


def _cut_warc(warc: Path, segment: str, *, acknowledged: int) -> tuple[list[str], int]:
    """Cut `warc` behind its last whole record; return the CDXJ lines of what stays and the number of bytes cut."""
    lines: list[str] = []
    end = 0
    damage: DamagedRecord | None = None
    with storage_errors(warc):
        size = warc.stat().st_size
        with warc.open("rb") as file:
            try:
                for record_end, line in index_warc(file, filename_of(segment)):
                    end = record_end
                    lines += [line] if line else []
            except DamagedRecord as error:
                damage = error
        if end < acknowledged:
            raise DamagedRecord(f"{damage or 'the file is too short'}; what was acknowledged behind it needs a backup")
        cut_spool_file(warc, end)
    return lines, size - end


def _read_missing(
    journal: Journal, captures: list[CaptureLine], present: list[ArticleLine], spooled: Spooled, read: ReadArticle
) -> list[ArticleLine]:
    """Read the articles that were wanted but had not been written, and add them to the articles file."""
    have = {line.entry.capture_offset for line in present}
    wanted = [line.entry for line in captures if line.wants_article and line.entry is not None]
    added: list[ArticleLine] = []
    with storage_errors(spooled.articles), _open_to_append(spooled.articles) as file:
        for entry in wanted:
            if entry.offset in have or (read_one := _read_article(read, entry, spooled.warc)) is None:
                continue
            member, located = read_one
            located = replace(located, offset=file.tell())
            file.write(member)
            added.append(ArticleLine(located, file.tell()))
        file.flush()
        os.fsync(file.fileno())
        journal.append(added)
    return added


def _read_article(read: ReadArticle, entry: Entry, warc: Path) -> tuple[bytes, ArticleEntry] | None:
    try:
        if (article := read(entry, warc)) is None:
            return None
        member = pack_article(article)
        return member, locate_article(article, segment=entry.segment, offset=0, length=len(member))
    except Exception:  # the capture is safe; no page may keep its whole segment from being recovered
        logger.exception("%s at offset %d of %s could not be read again", entry.url, entry.offset, warc)
        return None


def _open_to_append(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    file.seek(0, os.SEEK_END)
    return file


def _holds(blobs: Blobs, key: str) -> bool:
    try:
        blobs.size(key)
    except KeyNotFound:
        return False
    return True
