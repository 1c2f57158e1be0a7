"""Is the archive whole? Every byte is read, every digest computed, every reference followed.

Verification has two halves. The first reads each file once and judges it by itself: gzip members, records, digests,
the fields of a header. What one file says about another it notes in a ledger, a temporary SQLite database that goes
to disk as it grows, so that memory stays the same for one segment and for a million. The second half asks the
ledger: does each CDXJ line lead to its capture, each revisit to its payload, each article to what it was read from,
and does the index say the same?

    findings      what is wrong, and the commands that mend it
    ledger        the temporary database
    survey        what is known of each segment so far
    records       first half: one record
    files         first half: the files of a segment
    beside        first half: crawl logs and archive.json
    unfinished    first half: segments being written, and what the dead have left
    references    second half: files against each other
    indexed       second half: the index against the files

Others may go on writing meanwhile. What is finalised while this runs is left to the next time, and of a segment
being written only what its journal has acknowledged is read. What cannot be noticed: a WARC cut exactly behind the
response of its last capture, because recovery may leave one like that, and bytes that no decoder looks at, such as
the time in a gzip header.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from storage.blobs import Blobs
from storage.errors import StorageFull
from storage.index import Index
from storage.sync import Progress, stored_segments
from storage.verify.beside import read_archive_json, read_crawl_logs
from storage.verify.files import read_partial, read_segment
from storage.verify.findings import Problem, Verification
from storage.verify.indexed import compare_index, read_index
from storage.verify.ledger import Ledger
from storage.verify.references import check_references
from storage.verify.survey import Survey
from storage.verify.unfinished import find_leftovers, read_journals, read_open

__all__ = ["Problem", "Verification", "verify_archive"]


def verify_archive(blobs: Blobs, spool: Path, index: Index, *, progress: Progress | None = None) -> Verification:
    """Read the whole archive and return what is wrong with it; nothing in the archive is changed.

    The index first loads the segments that it has not seen, as it does at every start. `progress` is told how many
    segments are done. Raises :class:`StorageUnavailable` when the store does not answer, :class:`StorageFull` when
    the temporary directory (``SQLITE_TMPDIR``) cannot hold the ledger.
    """
    ledger = Ledger()
    try:
        return _verify(Survey(blobs, spool, ledger), index, progress or _no_progress)
    except sqlite3.OperationalError as error:
        raise StorageFull(f"no room for temporary files ({error}); set SQLITE_TMPDIR to a larger disk") from error
    finally:
        ledger.close()


def _no_progress(done: int, total: int) -> None:
    pass


def _verify(survey: Survey, index: Index, progress: Progress) -> Verification:
    # A revisit may refer to any capture that is durable. Whatever the revisits of `settled` refer to was complete
    # or open then: now it has a journal, or is complete by the time keys are listed.
    settled = set(stored_segments(survey.blobs))
    journals = list(read_journals(survey))
    complete = survey.list_segments()
    unfinished = {each.name: each for each in journals if not survey.segment(each.name).is_complete}
    total = len(complete) + len(unfinished)
    for number, segment in enumerate(complete):
        read_segment(survey, segment)
        progress(number + 1, total)
    for number, each in enumerate(unfinished.values()):
        read_open(survey, each)
        progress(len(complete) + number + 1, total)
    for segment in survey.segments():
        if not segment.is_complete and segment.name not in unfinished:
            read_partial(survey, segment)
    read_crawl_logs(survey)
    read_archive_json(survey)
    read_index(survey, index, complete)
    survey.ledger.sort()
    check_references(survey, settled)
    compare_index(survey)
    find_leftovers(survey, journals)
    open_segments = sum(each.is_written for each in unfinished.values())
    return survey.result(segments=len(complete), open_segments=open_segments)
