"""Crawl logs: one line per attempt with its outcome, the last line a summary.

While a crawl runs its log is ``crawls/<day>/<crawl id>.jsonl.open`` in the spool, locked by the crawl; at its end, or
when the next start finds it unlocked, it becomes ``crawls/<day>/<crawl id>.jsonl.gz``.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import io
import itertools
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from storage.blobs import CHUNK, Blobs
from storage.errors import ArchiveError, KeyNotFound
from storage.segment import create_locked, name_segment, now_utc, remove_parts, storage_errors

logger = logging.getLogger(__name__)


class CrawlLog:
    """The log of one running crawl. Thread-safe."""

    def __init__(self, spool: Path, spider: str) -> None:
        started = now_utc()
        self.id = name_segment(spider, 1, started)
        """Crawl id with its day, such as ``2026/11/22/page-20261122064321123-00001-host-42``."""
        self.started = started.isoformat(timespec="milliseconds")
        self.outcomes: Counter[str] = Counter()
        self._path = spool / f"crawls/{self.id}.jsonl.open"
        self._lock = threading.Lock()
        with storage_errors(spool):
            self._file = create_locked(self._path)
        self._end = 0
        self._unwritten = b""

    def write(self, attempt: Mapping[str, Any]) -> None:
        """Append one attempt; it has an ``outcome``.

        What a full disk does not take is kept in memory and goes with the next line, or into the stored log: an
        attempt must not lack its outcome because it cannot be noted at once.
        """
        line = json.dumps(attempt, ensure_ascii=False) + "\n"
        with self._lock:
            self._unwritten += line.encode("utf-8", "replace")
            self.outcomes[attempt["outcome"]] += 1
            try:
                self._flush()
            except ArchiveError as error:
                logger.warning("crawl log is behind by %d bytes: %s", len(self._unwritten), error)

    def _flush(self) -> None:
        with storage_errors(self._path):
            self._file.seek(self._end)  # over what a full disk may have left of another line
            written = 0
            while written < len(self._unwritten):
                written += self._file.write(self._unwritten[written:])
        self._end += written
        self._unwritten = b""

    def close(self, blobs: Blobs, *, reason: str) -> None:
        """Add the summary and store the log."""
        summary = {
            "summary": True,
            "crawl": self.id,
            "started": self.started,
            "finished": now_utc().isoformat(timespec="milliseconds"),
            "reason": reason,
            "attempts": self.outcomes.total(),
            "outcomes": dict(sorted(self.outcomes.items())),
        }
        with self._lock:
            try:
                lines = itertools.chain(_start_of(self._path, self._end), [self._unwritten])
                _publish(blobs, self._path, self.id, lines, summary)
            finally:
                self._file.close()


def read_crawl(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the lines of a stored crawl log, the summary last."""
    for line in gzip.decompress(data).splitlines():
        yield json.loads(line)


def recover_crawls(blobs: Blobs, spool: Path) -> int:
    """Store the logs of crawls that were killed; return how many. One that resists is logged and left as it is."""
    recovered = 0
    for path in sorted((spool / "crawls").glob("*/*/*/*.jsonl.open")):
        try:
            with path.open("rb") as file:
                if _lock(file) and path.exists():
                    recovered += _recover(blobs, path, spool, file.read())
        except FileNotFoundError:
            continue
        except (ArchiveError, OSError) as error:
            logger.error("crawl log %s could not be recovered and is left as it is: %s", path, error)
    return recovered


def _recover(blobs: Blobs, path: Path, spool: Path, data: bytes) -> bool:
    crawl = str(path.relative_to(spool / "crawls")).removesuffix(".jsonl.open")
    key = f"crawls/{crawl}.jsonl.gz"
    remove_parts(blobs, key)
    with contextlib.suppress(KeyNotFound):
        blobs.size(key)
        path.unlink()  # its crawl had come to its end and stored it
        return False
    lines = [line for line in data.split(b"\n")[:-1] if _outcome(line) is not None]
    outcomes = Counter(str(_outcome(line)) for line in lines)
    summary = {
        "summary": True,
        "crawl": crawl,
        "reason": "interrupted",
        "attempts": len(lines),
        "outcomes": dict(sorted(outcomes.items())),
    }
    _publish(blobs, path, crawl, (line + b"\n" for line in lines), summary)
    return True


def _outcome(line: bytes) -> str | None:
    """Return the outcome of an attempt, ``None`` for a line that is torn."""
    try:
        outcome: str = json.loads(line)["outcome"]
    except (ValueError, TypeError, KeyError):
        return None
    return outcome


def _lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_of(path: Path, length: int) -> Iterator[bytes]:
    """Yield the first bytes of a file, piece by piece: the log of a long crawl has a kilobyte for every page."""
    with path.open("rb") as file:
        while length > 0 and (piece := file.read(min(length, CHUNK))):
            length -= len(piece)
            yield piece


def _publish(blobs: Blobs, path: Path, crawl: str, lines: Iterable[bytes], summary: Mapping[str, Any]) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        for piece in lines:
            file.write(piece)
        file.write(json.dumps(summary).encode() + b"\n")
    blobs.put(f"crawls/{crawl}.jsonl.gz", packed.getvalue(), replace=True)
    path.unlink(missing_ok=True)
