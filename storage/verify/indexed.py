"""Compare the index, which is a cache, with the files."""

from __future__ import annotations

from collections.abc import Iterable

from storage.errors import ArchiveError, StorageUnavailable
from storage.index import Index
from storage.segment import cdxj_key
from storage.sync import load_segment
from storage.verify.findings import REINDEX, REINDEX_FROM_WARC
from storage.verify.ledger import fingerprint_entry
from storage.verify.survey import Segment, Survey

_UNINDEXED_CAPTURES = """SELECT segment, offset FROM records WHERE entry IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM indexed_captures AS held WHERE held.segment = records.segment AND held.offset = records.offset
    AND held.entry = records.entry)"""
_UNFOUNDED_CAPTURES = """SELECT segment, offset FROM indexed_captures AS held WHERE NOT EXISTS
    (SELECT 1 FROM records WHERE held.segment = records.segment AND held.offset = records.offset
    AND held.entry = records.entry)"""
_UNINDEXED_ARTICLES = """SELECT segment, offset, revision FROM articles WHERE NOT EXISTS
    (SELECT 1 FROM indexed_articles AS held WHERE held.segment = articles.segment
    AND held.capture = articles.capture AND held.revision = articles.revision AND held.entry = articles.entry)
    AND NOT EXISTS (SELECT 1 FROM articles AS later WHERE later.segment = articles.segment
    AND later.capture = articles.capture AND later.revision = articles.revision AND later.offset > articles.offset)"""
"""Of two articles of one capture, which is a problem of its own, the index holds the later."""
_UNFOUNDED_ARTICLES = """SELECT segment, capture, revision FROM indexed_articles AS held WHERE NOT EXISTS
    (SELECT 1 FROM articles WHERE held.segment = articles.segment
    AND held.capture = articles.capture AND held.revision = articles.revision AND held.entry = articles.entry)"""


def read_index(survey: Survey, index: Index, complete: Iterable[Segment]) -> None:
    """Write into the ledger what the index says of complete segments."""
    try:
        _catch_up(survey, index, complete)
        for entry in index.all_captures():
            segment = survey.segment(entry.segment)
            if segment.is_indexed:
                survey.ledger.add("indexed_captures", segment.number, entry.offset, fingerprint_entry(entry))
        for article in index.all_articles():
            segment = survey.segment(article.segment)
            if segment.is_indexed:
                place = (segment.number, article.capture_offset, article.revision)
                survey.ledger.add("indexed_articles", *place, fingerprint_entry(article))
        _find_unfounded_segments(survey, index)
    except ArchiveError as error:
        for segment in survey.segments():
            segment.is_indexed = False
        survey.note("index", str(error))


def _catch_up(survey: Survey, index: Index, complete: Iterable[Segment]) -> None:
    """Load what the index has not seen, as every command does at its start."""
    known = index.final_segments()
    for segment in complete:
        try:
            if segment.name not in known:
                load_segment(survey.blobs, index, segment.name, segment.revisions)
            segment.is_indexed = True
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  whatever the files hold, the others are to be looked at too
            what = f"the index cannot load this segment; {REINDEX_FROM_WARC} unless its articles are to blame"
            survey.note(cdxj_key(segment.name), what, detail=f"{type(error).__name__}: {error}")


def _find_unfounded_segments(survey: Survey, index: Index) -> None:
    for name in sorted(index.final_segments() | index.open_segments()):
        if not survey.segment(name).is_complete and not survey.is_finished_now(name):
            survey.note(cdxj_key(name), f"the index knows a segment that is not there; {REINDEX}")


def compare_index(survey: Survey) -> None:
    """Note where the index and the files differ."""
    _compare_captures(survey)
    _compare_articles(survey)


def _compare_captures(survey: Survey) -> None:
    for number, offset in survey.ledger.ask(_UNINDEXED_CAPTURES):
        segment = survey.numbered(number)
        if segment.is_indexed:
            survey.note(segment.warc, f"the index lacks this capture; {segment.index_remedy}", offset=offset)
    for number, offset in survey.ledger.ask(_UNFOUNDED_CAPTURES):
        segment = survey.numbered(number)
        what = f"the index has a capture here that the WARC has not; {segment.index_remedy}"
        survey.note(segment.warc, what, offset=offset)


def _compare_articles(survey: Survey) -> None:
    for number, offset, revision in survey.ledger.ask(_UNINDEXED_ARTICLES):
        segment = survey.numbered(number)
        if segment.is_indexed:
            survey.note(segment.articles(revision), f"the index lacks this article; {REINDEX}", offset=offset)
    for number, capture, revision in survey.ledger.ask(_UNFOUNDED_ARTICLES):
        what = "the index has an article that the file has not"
        way_out = "`archiver reindex` forgets it, `archiver reextract` reads it"
        detail = f"of the capture at offset {capture}"
        survey.note(survey.numbered(number).articles(revision), f"{what}; {way_out}", detail=detail)
