"""A process that saves pages for another one: the reactor, and what it may reach, stay out of the caller.

The parent side (:func:`save`) starts one worker per archive and keeps it warm. They talk in JSON lines: requests on
the worker's standard input, one answer per request on its standard output. The worker ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.errors import ArchiveError, SaveFailed, StorageError
from archiver.urls import check_url

if TYPE_CHECKING:
    from archiver.archive import Archive, Snapshot
    from archiver.crawl.attempt import Attempt

_workers: dict[tuple[str, bool, Path | None], SaveWorker] = {}
_starting = threading.Lock()


def save(archive: Archive, url: str, *, allow_private: bool, if_older_than: timedelta | None) -> Snapshot:
    """Save a page through the worker of `archive`, starting it if need be; see ``Archive.save``."""
    from archiver.archive import Snapshot

    answer = _ask(archive, check_url(url), allow_private, if_older_than)
    warc, timestamp, final_url = answer.get("warc"), answer.get("timestamp"), answer.get("final_url")
    if warc and timestamp and final_url:
        for entry in archive.index.captures(final_url, since=timestamp, until=timestamp):
            if warc["file"] == f"warc/{entry.segment}.warc.gz" and warc["offset"] == entry.offset:
                return Snapshot(archive, entry)
    raise SaveFailed(url, answer["outcome"], tuple(answer["evidence"]))


def _ask(archive: Archive, url: str, allow_private: bool, if_older_than: timedelta | None) -> dict[str, Any]:
    try:
        return _worker_of(archive, allow_private).save(url, if_older_than)
    except WorkerGone:  # another thread closed its archive just now, and the worker with it
        return _worker_of(archive, allow_private).save(url, if_older_than)


def stop_worker(archive: Archive) -> None:
    """End the workers of `archive`, after what they are doing."""
    with _starting:
        mine = [key for key in _workers if key[0] == archive.location]
        stopping = [_workers.pop(key) for key in mine]
    for worker in stopping:
        worker.stop()


def _worker_of(archive: Archive, allow_private: bool) -> SaveWorker:
    key = (archive.location, allow_private, archive.sites_file)
    with _starting:
        worker = _workers.get(key)
        if worker is None or not worker.is_alive():
            worker = SaveWorker(archive.location, allow_private=allow_private, sites_file=archive.sites_file)
            _workers[key] = worker
        return worker


@atexit.register
def _stop_all() -> None:
    for worker in list(_workers.values()):
        worker.stop()


class WorkerGone(StorageError):
    """A worker had ended before it could take a request."""


class SaveWorker:
    """The parent's side of one worker process. Thread-safe."""

    def __init__(self, location: str, *, allow_private: bool, sites_file: Path | None = None) -> None:
        command = [sys.executable, "-m", "archiver.crawl.worker", location]
        command += ["--allow-private"] if allow_private else []
        command += ["--sites", str(sites_file)] if sites_file else []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._last = 0
        self._failure = "the save worker ended before it was done; what it acknowledged is kept, try again"
        self._listener = threading.Thread(target=self._listen, name="save-worker", daemon=True)
        self._listener.start()

    def save(self, url: str, if_older_than: timedelta | None) -> dict[str, Any]:
        """Return the answer to one save request; raises :class:`StorageError` when the worker dies over it.

        :class:`WorkerGone` says that it never took the request.
        """
        answer: Future[dict[str, Any]] = Future()
        seconds = if_older_than.total_seconds() if if_older_than is not None else None
        with self._lock:
            self._last += 1
            self._answers[self._last] = answer
            request = {"id": self._last, "url": url, "if_older_than": seconds}
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            except (OSError, ValueError):  # a broken pipe, or one that `stop` has closed
                del self._answers[self._last]
                raise WorkerGone("the save worker has ended; try again") from None
        return answer.result()

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it now; what it answered is kept."""
        self._process.kill()

    def stop(self) -> None:
        """Let the worker finish what it is doing, finalise its segment and end."""
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.close()
        self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "failure" in message:
                self._failure = message["failure"]
                continue
            with self._lock:
                answer = self._answers.pop(message.pop("id"))
            answer.set_result(message)
        self._process.wait()
        with self._lock:
            lost, self._answers = list(self._answers.values()), {}
        for answer in lost:
            answer.set_exception(StorageError(self._failure))


# The worker's own side.


async def _requests() -> AsyncIterator[Any]:
    """Yield the requests that come on standard input, until it ends."""
    from archiver.crawl.saves import SaveRequest

    reader = asyncio.StreamReader(limit=1 << 20)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        seconds = request["if_older_than"]
        yield SaveRequest(request["url"], timedelta(seconds=seconds) if seconds is not None else None, request["id"])


def main() -> int:
    """Serve save requests until standard input ends."""
    from archiver.archive import Archive
    from archiver.crawl.run import project_settings, run_saves
    from archiver.logs import set_up_logs

    parser = argparse.ArgumentParser(description="Save pages for another process (JSON lines in, JSON lines out).")
    parser.add_argument("archive")
    parser.add_argument("--allow-private", action="store_true")
    parser.add_argument("--sites")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints to standard output must not end up among the answers
    set_up_logs(verbose=False)

    def report(attempt: Attempt, job: Any) -> None:
        answers.write(json.dumps({"id": job, **attempt.to_json()}).encode() + b"\n")

    try:
        with Archive.open(options.archive, sites=options.sites) as archive:
            settings = project_settings(
                ARCHIVER_ALLOW_PRIVATE=options.allow_private or None,
                ARCHIVER_WAIT_FOR_UPLOAD=True,
                ARCHIVER_FINALISE_WHEN_IDLE=True,
            )
            run_saves(archive, _requests(), report, settings=settings, handles_signals=False)
    except ArchiveError as error:
        answers.write(json.dumps({"failure": str(error)}).encode() + b"\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
