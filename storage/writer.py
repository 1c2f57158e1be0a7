"""The one thread that writes an archive: records and articles in, durable acknowledgements out.

Everything handed in while the last batch was being fsynced forms the next batch, so many captures share one fsync
(group commit). A future resolves only after the batch is durable; what it resolves to can be read back at once.
Segments that are complete are put in their place by a second thread, because an upload may take minutes.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from storage.articles import locate_article, pack_article
from storage.blobs import Blobs
from storage.capture import Capture
from storage.cdx import REVISIT_MIME, ArticleEntry, Entry, filename_of, format_line, parse_line
from storage.errors import ArchiveError, StorageError
from storage.index import Index
from storage.message import MAX_HEAD, is_chunked
from storage.originals import Originals
from storage.segment import OpenSegment, as_storage_error, name_segment, now_utc
from storage.warc import (
    Digests,
    Original,
    RecordWriter,
    date_to_timestamp,
    digest_capture,
    format_date,
    http_facts,
    new_record_id,
    target_uri,
)

logger = logging.getLogger(__name__)

MAX_SEGMENT_BYTES = 1_000_000_000
MAX_SEGMENT_AGE = 900.0
"""Seconds after which a segment is finalised, so that a reader elsewhere waits no longer for it."""
_MAX_BATCH = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """A durable capture: where it lies and what identifies it."""

    entry: Entry
    record_id: str
    date: str
    """WARC-Date, with microseconds."""
    payload_digest: str | None
    """``None`` for ``304 Not Modified``, which has no payload of its own."""
    payload_length: int
    revisit_of: Original | None
    truncated: str | None
    is_chunked: bool


@dataclass(slots=True)
class _CaptureJob:
    capture: Capture
    wants_article: bool
    future: Future[Stored | None]


@dataclass(slots=True)
class _ArticleJob:
    stored: Stored
    article: Mapping[str, Any] | None
    future: Future[ArticleEntry | None]


@dataclass(slots=True)
class _FinaliseJob:
    future: Future[None]
    stop: bool = False
    awaited: set[str] = field(default_factory=set)
    failure: BaseException | None = None


@dataclass(slots=True)
class _PublishedJob:
    """What the publishing thread has to say: a segment is in its place, or why it is not."""

    segment: OpenSegment
    failure: BaseException | None
    future: Future[None]


_Job = _CaptureJob | _ArticleJob | _FinaliseJob | _PublishedJob


@dataclass(frozen=True, slots=True)
class _Done:
    """A job that was appended and waits for its segment's commit."""

    job: _CaptureJob | _ArticleJob
    result: Stored | ArticleEntry | None
    segment: OpenSegment


class SegmentWriter:
    """Writes captures and articles into segments from any thread.

    An article goes into the segment of its capture, so a capture stored with ``wants_article`` keeps its segment open
    until :meth:`write_article` or :meth:`release` is called for it.
    """

    def __init__(
        self,
        blobs: Blobs,
        spool: Path,
        index: Index,
        *,
        prefix: str,
        software: str,
        warcinfo: Mapping[str, str] | None = None,
        max_bytes: int = MAX_SEGMENT_BYTES,
        max_age: float = MAX_SEGMENT_AGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._blobs, self._spool, self._index = blobs, spool, index
        self._prefix, self._software, self._warcinfo = prefix, software, warcinfo
        self._max_bytes, self._max_age, self._clock = max_bytes, max_age, clock
        self._originals = Originals(blobs, index)
        self._current: OpenSegment | None = None
        self._records: RecordWriter | None = None
        self._draining: dict[str, OpenSegment] = {}
        self._publishing: set[str] = set()
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="segment-publisher")
        self._serial = 0
        self._finalising: list[_FinaliseJob] = []
        self._incomplete: set[str] = set()
        self._jobs: queue.Queue[_Job] = queue.Queue()
        self._door = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="segment-writer", daemon=True)
        self._thread.start()

    def write_capture(self, capture: Capture, *, wants_article: bool = False) -> Future[Stored | None]:
        """Store a capture; the future resolves once it is durable, or fails with a :class:`StorageError`.

        It resolves to ``None`` when the server never answered: the request is kept, but there is no response to find.
        """
        job = _CaptureJob(capture, wants_article, Future())
        self._put(job)
        return job.future

    def write_article(self, stored: Stored, article: Mapping[str, Any]) -> Future[ArticleEntry | None]:
        """Store the article read from a capture, beside it."""
        job = _ArticleJob(stored, article, Future())
        self._put(job)
        return job.future

    def release(self, stored: Stored) -> None:
        """Say that the article a capture was stored for will not come."""
        self._put(_ArticleJob(stored, None, Future()))

    def finalise(self) -> Future[None]:
        """Finalise what is open; the future resolves once everything written so far is in its final place."""
        job = _FinaliseJob(Future())
        self._put(job)
        return job.future

    def close(self) -> None:
        """Finalise everything and stop; raises the :class:`StorageError` that prevented it, keeping the spool."""
        job = _FinaliseJob(Future(), stop=True)
        is_first = self._put(job)
        self._thread.join()
        if is_first:
            job.future.result()

    def _put(self, job: _Job) -> bool:
        job.future.set_running_or_notify_cancel()  # whoever stops waiting for it must not disturb the others
        with self._door:
            if not self._is_closed:
                self._is_closed = isinstance(job, _FinaliseJob) and job.stop
                self._jobs.put(job)
                return True
        job.future.set_exception(StorageError("this writer is closed; open the archive again"))
        return False

    # Below here everything runs in the writer thread.

    def _run(self) -> None:
        stopping = False
        while not stopping or self._publishing:
            batch = self._next_batch()
            stopping = stopping or any(isinstance(job, _FinaliseJob) and job.stop for job in batch)
            try:
                self._write_batch(batch)
                self._roll_over()
            except BaseException as error:  # the thread must never die silently: whoever waits has to be told
                logger.exception("the segment writer failed")
                for job in batch:
                    if not job.future.done():
                        job.future.set_exception(error)
                self._finalising = [job for job in self._finalising if not job.future.done()]
        self._publisher.shutdown()

    def _next_batch(self) -> list[_Job]:
        try:
            batch = [self._jobs.get(timeout=1.0)]
        except queue.Empty:
            return []
        while len(batch) < _MAX_BATCH and not isinstance(batch[-1], _FinaliseJob):
            try:
                batch.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return batch

    def _write_batch(self, batch: list[_Job]) -> None:
        done: list[_Done] = []
        for job in batch:
            if isinstance(job, _FinaliseJob | _PublishedJob):
                continue
            try:
                done.append(_Done(job, *self._append(job)))
            except OSError as error:
                job.future.set_exception(as_storage_error(error, self._spool))
            except Exception as error:  # noqa: BLE001  one capture that cannot be written must not take others along
                job.future.set_exception(error)
            finally:
                if isinstance(job, _CaptureJob):
                    job.capture.response.close()
        self._commit(done)
        for job in batch:
            if isinstance(job, _FinaliseJob):
                self._finalise_all(job)
            elif isinstance(job, _PublishedJob):
                self._published(job)

    def _append(self, job: _CaptureJob | _ArticleJob) -> tuple[Stored | ArticleEntry | None, OpenSegment]:
        return self._append_capture(job) if isinstance(job, _CaptureJob) else self._append_article(job)

    def _commit(self, done: list[_Done]) -> None:
        failed: dict[str, StorageError] = {}
        for segment in {each.segment.segment: each.segment for each in done}.values():
            try:
                segment.commit()
            except StorageError as error:
                failed[segment.segment] = error
        durable = [each.result for each in done if each.segment.segment not in failed]
        self._note_in_index(durable)
        for result in durable:
            if isinstance(result, Stored) and result.payload_digest and not (result.revisit_of or result.truncated):
                original = Original(result.record_id, result.entry.url, result.date)
                held_in, chunked = result.entry.segment, result.is_chunked
                self._originals.remember(result.payload_digest, original, held_in, chunked=chunked)
        for each in done:
            if each.segment.segment not in failed:
                each.job.future.set_result(each.result)  # type: ignore[arg-type]  # _append made the pair
                continue
            if isinstance(each.result, Stored) and isinstance(each.job, _CaptureJob):
                each.segment.awaited_articles -= each.job.wants_article
            each.job.future.set_exception(failed[each.segment.segment])

    def _note_in_index(self, results: list[Stored | ArticleEntry | None]) -> None:
        captures = [result.entry for result in results if isinstance(result, Stored)]
        articles = [result for result in results if isinstance(result, ArticleEntry)]
        if not captures and not articles:
            return
        try:
            self._index.add(captures, articles)
        except (ArchiveError, ValueError) as error:  # the index is a cache; the capture is safe
            self._incomplete.update({each.segment for each in captures} | {each.segment for each in articles})
            logger.warning("index not updated (%s); it catches up when the segment is finalised", error)

    def _append_capture(self, job: _CaptureJob) -> tuple[Stored | None, OpenSegment]:
        capture = job.capture
        digests = digest_capture(capture)
        original = self._original_of(capture, digests)
        segment, records = self._open_segment()
        start = segment.size
        try:
            kept = _append_records(segment, records, capture, digests, original)
        except BaseException:
            segment.rewind_records(start)
            raise
        stored, cdxj = kept or (None, None)
        segment.note_capture(cdxj, wants_article=job.wants_article and stored is not None)
        segment.awaited_articles += job.wants_article and stored is not None
        return stored, segment

    def _original_of(self, capture: Capture, digests: Digests) -> Original | None:
        head, _ = capture.head()
        if head is None or capture.truncated or capture.method not in ("GET", "HEAD"):
            return None
        segment = self._current.segment if self._current else None
        url = target_uri(capture.url)
        if digests.payload_length == 0:
            return self._originals.not_modified(url, segment) if head.status == 304 else None
        return self._originals.identical(digests.payload, url, segment, chunked=is_chunked(head))

    def _append_article(self, job: _ArticleJob) -> tuple[ArticleEntry | None, OpenSegment]:
        name = job.stored.entry.segment
        segment = self._current if self._current and self._current.segment == name else self._draining.get(name)
        if segment is None:
            raise StorageError(f"segment {name} is already finalised; `archiver reextract` reads its captures again")
        segment.awaited_articles = max(0, segment.awaited_articles - 1)
        if job.article is None:
            return None, segment
        member = pack_article(job.article)
        entry = locate_article(job.article, segment=name, offset=0, length=len(member))
        offset, _ = segment.append_article(member)
        entry = replace(entry, offset=offset)
        segment.note_article(entry)
        return entry, segment

    def _open_segment(self) -> tuple[OpenSegment, RecordWriter]:
        if self._current is None or self._records is None:
            now = now_utc()
            self._serial += 1
            name = name_segment(self._prefix, self._serial, now)
            segment = OpenSegment(self._spool, name, opened_at=self._clock())
            filename = f"{name.rpartition('/')[2]}.warc.gz"
            records = RecordWriter(filename, software=self._software, extra=self._warcinfo)
            try:
                segment.append_record(records.warcinfo(now))
            except BaseException:
                segment.abandon()
                raise
            self._current, self._records = segment, records
        return self._current, self._records

    def _roll_over(self) -> None:
        current = self._current
        if current and (current.size >= self._max_bytes or self._clock() - current.opened_at >= self._max_age):
            self._set_draining()
        for segment in [each for each in self._draining.values() if each.awaited_articles == 0]:
            self._finalise_segment(segment)

    def _set_draining(self) -> None:
        if self._current is not None:
            self._draining[self._current.segment] = self._current
        self._current = self._records = None

    def _finalise_all(self, job: _FinaliseJob) -> None:
        self._set_draining()
        job.awaited = {*self._draining, *self._publishing}
        self._finalising.append(job)
        for segment in list(self._draining.values()):
            if segment.awaited_articles == 0 or job.stop:
                self._finalise_segment(segment)
        self._tell_finalised(None, None)

    def _finalise_segment(self, segment: OpenSegment) -> None:
        del self._draining[segment.segment]
        self._publishing.add(segment.segment)
        publishing = self._publisher.submit(segment.finalise, self._blobs)
        publishing.add_done_callback(lambda done: self._jobs.put(_PublishedJob(segment, done.exception(), Future())))

    def _published(self, job: _PublishedJob) -> None:
        segment, failure = job.segment, job.failure
        self._publishing.discard(segment.segment)
        if failure is None:
            self._originals.finalised(segment.segment)
            self._load_into_index(segment)
        else:
            failure = as_storage_error(failure, self._spool) if isinstance(failure, OSError) else failure
            logger.error("%s stays in the spool %s: %s", segment.segment, self._spool, failure)
            segment.abandon()
        self._tell_finalised(segment.segment, failure)

    def _load_into_index(self, segment: OpenSegment) -> None:
        """Have the index hold the whole segment, also what it refused or was made to forget meanwhile."""
        if segment.is_empty:
            return
        try:
            if self._is_in_index(segment):
                self._index.mark_final(segment.segment)
            else:
                self._index.load_segment(segment.segment, map(parse_line, segment.cdxj_lines), segment.article_entries)
        except (ArchiveError, ValueError) as error:
            logger.warning("index not updated (%s); it catches up at the next start", error)
        self._incomplete.discard(segment.segment)

    def _is_in_index(self, segment: OpenSegment) -> bool:
        """Whether the index took every batch and, as it still has the first, was not cleared since."""
        if segment.segment in self._incomplete or not segment.cdxj_lines:
            return False
        first = parse_line(segment.cdxj_lines[0])
        return first in self._index.captures(first.url, since=first.timestamp, until=first.timestamp)

    def _tell_finalised(self, segment: str | None, failure: BaseException | None) -> None:
        for job in list(self._finalising):
            if failure is not None and segment in job.awaited:
                job.failure = failure
            job.awaited.discard(segment or "")
            if job.awaited:
                continue
            self._finalising.remove(job)
            if job.failure is not None:
                job.future.set_exception(job.failure)
            else:
                job.future.set_result(None)


def _append_records(
    segment: OpenSegment, records: RecordWriter, capture: Capture, digests: Digests, original: Original | None
) -> tuple[Stored, str] | None:
    """Append response (or revisit), request and metadata of one capture; return what was stored and its CDXJ line.

    A server that never answered leaves request and metadata only: nothing to index, hence ``None``.
    """
    record_id, request_id = new_record_id(), new_record_id()
    if digests.block_length == 0:
        segment.append_record(records.request(capture, None, request_id))
        segment.append_record(records.metadata(capture, request_id, digests))
        return None
    not_modified = original is not None and digests.payload_length == 0
    payload_digest = None if not_modified else digests.payload
    if original is not None:
        member = records.revisit(capture, payload_digest, original, record_id)
    else:
        member = records.response(capture, digests, record_id)
    offset, length = segment.append_record(member)
    segment.append_record(records.request(capture, record_id, request_id))
    segment.append_record(records.metadata(capture, record_id, digests))
    head, head_length = capture.head()
    url = target_uri(capture.url)
    is_http = url.startswith(("http:", "https:"))
    status, mime = http_facts(capture.response.start(head_length or MAX_HEAD)) if is_http else (None, None)
    date = format_date(capture.date)
    cdxj = format_line(
        url,
        date_to_timestamp(date),
        mime=REVISIT_MIME if original else mime,
        status=status,
        digest=payload_digest,
        length=length,
        offset=offset,
        filename=filename_of(segment.segment),
    )
    stored = Stored(
        parse_line(cdxj),
        record_id,
        date,
        payload_digest,
        digests.payload_length,
        original,
        capture.truncated,
        head is not None and is_chunked(head),
    )
    return stored, cdxj
