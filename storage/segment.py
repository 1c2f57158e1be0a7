"""Segments: one WARC file with its CDXJ and its articles, the unit that is written, finalised and indexed.

While a segment is open it consists of three files in the spool, which for a local archive is the archive itself:

    warc/<segment>.warc.gz.open         records, one gzip member each
    articles/<segment>.jsonl.gz.open    articles, one gzip member each
    warc/<segment>.journal              one JSON line per acknowledged capture or article; locked while its writer lives

Data is written and fsynced before the journal line that acknowledges it, so the journal never promises what is not
there. Finalising moves articles and WARC to their keys and writes the CDXJ last: a segment is complete exactly when
its CDXJ exists. Every step can be repeated, which is how an interrupted finalisation is taken up again.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import re
import secrets
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from storage.blobs import Blobs
from storage.cdx import ArticleEntry, Entry, parse_line, write_cdxj
from storage.errors import DamagedRecord, StorageError, StorageFull, StorageUnavailable
from storage.warc import Member

OPEN = ".open"


def warc_key(segment: str) -> str:
    return f"warc/{segment}.warc.gz"


def cdxj_key(segment: str) -> str:
    return f"cdxj/{segment}.cdxj.gz"


def articles_key(segment: str, revision: int = 1) -> str:
    """Return the key of an articles file; revisions above 1 are re-extractions."""
    return f"articles/{segment}.jsonl.gz" if revision == 1 else f"articles/{segment}.r{revision}.jsonl.gz"


def name_segment(prefix: str, serial: int, now: datetime) -> str:
    """Return a stem no other process on any machine will choose.

    >>> name_segment("news", 1, datetime(2026, 11, 22, 6, 43, 21, 123000, tzinfo=UTC))[:40]
    '2026/11/22/news-20261122064321123-00001-'
    """
    host = re.sub(r"[^A-Za-z0-9.]+", "-", socket.gethostname().split(".")[0]) or "host"
    safe_prefix = re.sub(r"[^A-Za-z0-9_]+", "_", prefix) or "archive"
    stamp = now.strftime("%Y%m%d%H%M%S") + f"{now.microsecond // 1000:03d}"
    return f"{now:%Y/%m/%d}/{safe_prefix}-{stamp}-{serial:05d}-{host}-{os.getpid()}{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class CaptureLine:
    """A journal line that acknowledges one capture."""

    cdxj: str | None
    """``None`` where the server never answered and only the request is kept."""
    warc_end: int
    wants_article: bool

    @property
    def entry(self) -> Entry | None:
        return parse_line(self.cdxj) if self.cdxj else None


@dataclass(frozen=True, slots=True)
class ArticleLine:
    """A journal line that acknowledges one article."""

    entry: ArticleEntry
    articles_end: int


class Journal:
    """The acknowledged content of an open segment, and the lock that says its writer lives."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file
        self._end = 0

    @classmethod
    def create(cls, path: Path) -> Journal:
        return cls(path, create_locked(path))

    @classmethod
    def take_over(cls, path: Path) -> Journal | None:
        """Return the journal of a dead writer, now ours; ``None`` while its writer lives or it is gone."""
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if not path.exists():  # finished between opening and locking
            file.close()
            return None
        return cls(path, file)

    def append(self, lines: Iterable[CaptureLine | ArticleLine]) -> None:
        """Write and fsync `lines`; whole or not at all, as far as readers can tell."""
        data = b"".join(json.dumps(_journal_json(line)).encode() + b"\n" for line in lines)
        self._rewind()
        try:
            _write_all(self._file, data)
            os.fsync(self._file.fileno())
        except OSError:
            self._rewind()
            raise
        self._end += len(data)

    def _rewind(self) -> None:
        """Drop what stands behind the last whole line."""
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def read(self) -> tuple[list[CaptureLine], list[ArticleLine]]:
        """Return every whole line; a torn last line was never acknowledged.

        Raises :class:`DamagedRecord` for lines that another version may have written but this one cannot read.
        """
        self._file.seek(0)
        self._end = 0
        captures: list[CaptureLine] = []
        articles: list[ArticleLine] = []
        for raw in self._file.read().split(b"\n")[:-1]:
            try:
                line = json.loads(raw)
            except ValueError:
                break
            try:
                if "cdxj" in line:
                    captures.append(CaptureLine(**line))
                else:
                    articles.append(ArticleLine(ArticleEntry(**line["article"]), line["articles_end"]))
            except (TypeError, KeyError) as error:
                raise DamagedRecord(
                    f"{self.path}: line at offset {self._end} cannot be read ({error}); "
                    "start the version of this tool that wrote it once more"
                ) from None
            self._end += len(raw) + 1
        return captures, articles

    def remove(self) -> None:
        """The segment is complete: forget the journal, release the lock."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._file.close()

    def close(self) -> None:
        """Release the lock and leave the journal for whoever recovers it."""
        self._file.close()


def create_locked(path: Path) -> IO[bytes]:
    """Create the file `path`, unbuffered, and lock it for as long as it is open."""
    while True:
        file = _create(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # between its creation and its lock somebody took it for that of a dead process, and removed it


def _create(path: Path) -> IO[bytes]:
    """Create the file `path`, unbuffered; its name and those of new folders are durable."""
    new_folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("xb", buffering=0)
    for folder in [path.parent, *(folder.parent for folder in new_folders)]:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return file


_ARTICLE_FACTS = tuple(field.name for field in fields(ArticleEntry))


def _journal_json(line: CaptureLine | ArticleLine) -> dict[str, Any]:
    if isinstance(line, CaptureLine):
        return {"cdxj": line.cdxj, "warc_end": line.warc_end, "wants_article": line.wants_article}
    article = {name: getattr(line.entry, name) for name in _ARTICLE_FACTS}
    return {"article": article, "articles_end": line.articles_end}


def _write_all(file: IO[bytes], data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += file.write(view[written:])


class _Appender:
    """A file that grows by whole members and can forget what was not committed."""

    _STEP = 1 << 20

    def __init__(self, path: Path) -> None:
        self._file = _create(path)
        self.end = 0
        self.committed = 0

    def append(self, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Append one member and return its offset and length; on an error the file is as before."""
        start = self.end
        try:
            buffer = bytearray()
            for piece in pieces:
                buffer += piece
                if len(buffer) >= self._STEP:
                    self._write(buffer)
            self._write(buffer)
        except BaseException:
            self.cut(start)
            raise
        return start, self.end - start

    def _write(self, buffer: bytearray) -> None:
        _write_all(self._file, buffer)
        self.end += len(buffer)
        buffer.clear()

    def commit(self) -> None:
        """Make everything appended so far durable."""
        if self.committed < self.end:
            os.fsync(self._file.fileno())
            self.committed = self.end

    def cut(self, size: int) -> None:
        """Forget everything behind `size`."""
        self._file.truncate(size)
        self._file.seek(size)
        self.end = size
        self.committed = min(self.committed, size)

    def close(self) -> None:
        self._file.close()


class OpenSegment:
    """A segment being written. Not thread-safe: one writer thread owns it."""

    def __init__(self, spool: Path, segment: str, *, opened_at: float) -> None:
        self.segment = segment
        self.opened_at = opened_at
        self.awaited_articles = 0
        """Captures whose article has not come yet; the segment stays open for them."""
        self._spool = spool
        with storage_errors(spool):
            self._journal = Journal.create(spool / f"warc/{segment}.journal")
            try:
                self._warc = _Appender(spool / (warc_key(segment) + OPEN))
            except BaseException:
                self._journal.remove()
                raise
        self._articles: _Appender | None = None
        self._lines: list[CaptureLine | ArticleLine] = []
        self._opening_end = 0
        self.cdxj_lines: list[str] = []
        self.article_entries: list[ArticleEntry] = []
        self._is_empty = True

    @property
    def size(self) -> int:
        """Bytes of the WARC so far."""
        return self._warc.end

    def append_record(self, member: Member) -> tuple[int, int]:
        """Append one record; returns offset and length. The first is the warcinfo that opens the file, and stays."""
        with storage_errors(self._spool):
            offset, length = self._warc.append(member.pieces)
        self._opening_end = self._opening_end or length
        return offset, length

    def append_article(self, member: bytes) -> tuple[int, int]:
        """Append one article; returns offset and length in the articles file."""
        with storage_errors(self._spool):
            if self._articles is None:
                self._articles = _Appender(self._spool / (articles_key(self.segment) + OPEN))
            return self._articles.append([member])

    def rewind_records(self, size: int) -> None:
        """Forget the records appended behind `size`: a capture is kept whole or not at all."""
        with storage_errors(self._spool):
            self._warc.cut(size)

    def note_capture(self, cdxj: str | None, *, wants_article: bool) -> None:
        """Let the next commit acknowledge a capture that has been appended."""
        self._lines.append(CaptureLine(cdxj, self._warc.end, wants_article))

    def note_article(self, entry: ArticleEntry) -> None:
        """Let the next commit acknowledge an article that has been appended."""
        assert self._articles is not None
        self._lines.append(ArticleLine(entry, self._articles.end))

    def commit(self) -> None:
        """Make everything noted so far durable: data first, then the journal. On an error nothing of it remains."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        files = [file for file in (self._warc, self._articles) if file is not None]
        acknowledged = [max(file.committed, self._opening_end if file is self._warc else 0) for file in files]
        try:
            with storage_errors(self._spool):
                for file in files:
                    file.commit()
                self._journal.append(lines)
        except StorageError:
            with storage_errors(self._spool):
                for file, size in zip(files, acknowledged, strict=True):
                    file.cut(size)
            raise
        self.article_entries += [line.entry for line in lines if isinstance(line, ArticleLine)]
        captures = [line for line in lines if isinstance(line, CaptureLine)]
        self.cdxj_lines += [line.cdxj for line in captures if line.cdxj is not None]
        self._is_empty = self._is_empty and not captures

    def finalise(self, blobs: Blobs) -> None:
        """Move the segment to its place; returns once it is durable there."""
        self.commit()
        self._warc.close()
        if self._articles is not None:
            self._articles.close()
        if self._is_empty:
            discard(self._spool, self.segment)
        else:
            publish(blobs, self._spool, self.segment, self.cdxj_lines)
        self._journal.remove()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been acknowledged yet."""
        return self._is_empty

    def abandon(self) -> None:
        """Close the files as they are; the next start recovers them. What nothing was acknowledged in vanishes."""
        self._warc.close()
        if self._articles is not None:
            self._articles.close()
        if not self._is_empty:
            self._journal.close()
            return
        discard(self._spool, self.segment)
        self._journal.remove()


def publish(blobs: Blobs, spool: Path, segment: str, cdxj_lines: Iterable[str]) -> None:
    """Move the files of a segment from the spool to their keys, the CDXJ last.

    May be repeated after an interruption at any point.
    """
    with storage_errors(spool):
        for key in (articles_key(segment), warc_key(segment)):
            path = spool / (key + OPEN)
            if path.exists() and path.stat().st_size == 0:  # articles that were begun but never acknowledged
                path.unlink()
            elif path.exists():
                blobs.put_file(key, path)
        blobs.put(cdxj_key(segment), write_cdxj(cdxj_lines), replace=True)


def remove_parts(blobs: Blobs, key: str) -> None:
    """Remove what a killed process has left of a blob it was storing; nobody else may be storing it."""
    if blobs.local is not None:
        path = blobs.local / key
        for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
            part.unlink(missing_ok=True)


def discard(spool: Path, segment: str) -> None:
    """Remove a segment in which nothing was ever acknowledged."""
    for key in (articles_key(segment), warc_key(segment)):
        (spool / (key + OPEN)).unlink(missing_ok=True)


def now_utc() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn what the operating system says about `place` into our errors."""
    try:
        yield
    except OSError as error:
        raise as_storage_error(error, place) from error


def as_storage_error(error: OSError, place: Path) -> StorageError:
    """Return the storage error that names cause and way out of an ``OSError``."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"no space left in {place}; free some, or choose another place with --archive")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageUnavailable(f"{place} cannot be written ({error.strerror}); check its owner and permissions")
    return StorageUnavailable(f"{place} failed: {error.strerror or error}; check the disk and try again")


def cut_spool_file(path: Path, size: int) -> None:
    """Cut a recovered file to `size` bytes, durably."""
    if path.exists() and path.stat().st_size > size:
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
    if path.exists() and path.stat().st_size < size:
        raise DamagedRecord(f"{path} has lost bytes that were acknowledged; restore it from a backup")
