"""Reads pages in processes of their own, so that one page can neither stop nor bring down a crawl.

Each worker is a fresh interpreter that talks over a socket pair: a page goes there pickled, an article comes back as
JSON, so that nothing a hostile page might have done to the worker is unpickled here. ``multiprocessing`` is not used:
forking copies the locks of the reactor's threads, spawning runs the user's main module again.

A page has a time and a memory limit. A worker that breaks one, or dies, is replaced, and its page becomes an article
with the outcome ``failed`` that says why. Workers start when there is something to read, end when their socket
closes, as it does when the parent dies however it may, and are set apart from the terminal, so Ctrl-C is the parent's.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from archiver.article import Article
from archiver.extract import Page, failed_article

READ_PAGE = "archiver.extract.read_page"
MOST_WORKERS = 4
NOT_READ = ("reader did not start", "reader pool")
"""How evidence begins that says nothing of the page: nobody looked at it."""
START_LIMIT = 120.0
"""Seconds a worker may take to import its libraries, which is long on a machine with other work."""
_LENGTH = struct.Struct(">Q")
_MOST_REPLY = 256 * 2**20


class Readers:
    """A pool of reader processes.

    ``read`` may be awaited from any event loop and from several at once; pages wait their turn when all workers are
    busy. ``close`` ends every worker, and pages still being read then come back as failed.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        time_limit: float = 30.0,
        memory_limit: int = 2**30,
        pages_per_worker: int = 2000,
        function: str = READ_PAGE,
    ) -> None:
        """``time_limit`` is seconds of wall time per page, ``memory_limit`` bytes a worker may grow by.

        ``function`` names what reads a page: a dotted name of a callable from ``Page`` to ``Article``.
        """
        count = workers or min(os.cpu_count() or 1, MOST_WORKERS)
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        self._pages_per_worker = pages_per_worker
        self._function = function
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="reader")
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    async def read(self, page: Page) -> Article:
        """Read a page in a worker. Never raises for what the page does to its reader."""
        if self._closed:
            return failed_article(page, "reader pool is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, page)

    def read_and_wait(self, page: Page) -> Article:
        """Read a page in a worker; as :meth:`read`, for callers without an event loop."""
        return self._read(page)

    def close(self) -> None:
        """End all workers at once. Idempotent."""
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
            self._idle.clear()
        for worker in workers:
            worker.kill()
        self._threads.shutdown()
        for worker in workers:
            worker.stop()

    def _read(self, page: Page) -> Article:
        try:
            worker = self._take()
            try:
                return worker.read(page, self._time_limit)
            finally:
                self._give_back(worker)
        except _Stopped as stopped:
            return failed_article(page, "reader pool was closed" if self._closed else str(stopped))

    def _take(self) -> _Worker:
        """Return the worker used last, whose memory is warm, or a new one."""
        while True:
            with self._lock:
                if self._closed:
                    raise _Stopped("reader pool was closed")
                worker = self._idle.pop() if self._idle else None
                if worker is None:
                    worker = _Worker(self._function, self._memory_limit, self._time_limit)
                self._busy.add(worker)
            if worker.is_alive():
                return self._ready(worker)
            self._give_back(worker)

    def _ready(self, worker: _Worker) -> _Worker:
        try:
            worker.wait_until_ready()
        except _Stopped:
            self._give_back(worker)
            raise
        return worker

    def _give_back(self, worker: _Worker) -> None:
        is_usable = worker.is_alive() and worker.pages_read < self._pages_per_worker
        with self._lock:
            self._busy.discard(worker)
            if is_usable and not self._closed:
                self._idle.append(worker)
                return
        worker.stop()


def read_now(page: Page) -> Article:
    """Read a page in this process, without limits: for one page, and for programs that trust their input."""
    from archiver.extract import read_page

    return read_page(page)


class _Stopped(Exception):
    """A worker gave no article; the message is the evidence."""


class _Worker:
    """One reader process, used by one thread at a time; ``kill`` may be called from any."""

    def __init__(self, function: str, memory_limit: int, time_limit: float) -> None:
        self.pages_read = 0
        self._memory_limit = memory_limit
        self._is_ready = False
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    _command(theirs.fileno(), function, memory_limit, time_limit),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            self._socket.close()
            raise _Stopped(f"reader did not start: {error}") from error

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for the worker's first word, which says that it could import what it needs."""
        if self._is_ready:
            return
        try:
            self._socket.settimeout(START_LIMIT)
            message = _receive(self._socket)
        except TimeoutError:
            self.stop()
            raise _Stopped(f"reader did not start within {START_LIMIT:g} s") from None
        except OSError:
            raise _Stopped(f"reader did not start: {self._death()}") from None
        if message:
            self.stop()
            raise _Stopped(f"reader did not start: {message.decode('utf-8', 'replace')}")
        self._is_ready = True

    def read(self, page: Page, time_limit: float) -> Article:
        """Have a page read. Raises _Stopped; the worker is then dead, unless the page only broke its function."""
        self.pages_read += 1
        deadline = time.monotonic() + time_limit
        try:
            self._socket.settimeout(time_limit)
            _send(self._socket, pickle.dumps(page))
            reply = json.loads(_receive(self._socket, deadline))
            if reply == {"stopped": "memory"}:
                self.stop()
                raise _Stopped(f"reader stopped: the page needs more than {self._memory_limit / 2**20:g} MB of memory")
            if "stopped" in reply:
                raise _Stopped(reply["stopped"])
            return Article.from_json(reply)
        except TimeoutError:
            self.stop()
            raise _Stopped(f"reader stopped after {time_limit:g} s") from None
        except OSError:
            raise _Stopped(self._death()) from None
        except (ValueError, TypeError) as error:
            self.stop()
            raise _Stopped(f"reader answered nonsense: {error}"[:200]) from None

    def kill(self) -> None:
        """End the process, which holds nothing that could be lost; the thread waiting for its answer wakes up."""
        self._process.kill()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Kill, and clear away what is left."""
        self.kill()
        self._process.wait()
        self._socket.close()

    def _death(self) -> str:
        """Say how the process ended; its socket is closed, so it has ended or is ending."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.stop()
            return "reader stopped: it closed its connection"
        if code >= 0:
            return f"reader died with exit code {code}"
        return f"reader died of signal {-code} ({signal.strsignal(-code) or 'unknown'})"


def _command(descriptor: int, function: str, memory_limit: int, time_limit: float) -> list[str]:
    """Start the same interpreter with the same path, but none of the parent's main module."""
    program = (
        f"import sys; sys.path[:] = {sys.path!a}; "
        f"from archiver.crawl.readers import _serve; _serve({descriptor}, {function!r}, {memory_limit}, {time_limit})"
    )
    return [sys.executable, "-c", program]


def _send(connection: socket.socket, message: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(message)))
    connection.sendall(message)


def _receive(connection: socket.socket, deadline: float | None = None) -> bytes:
    """Read one message. Raises ConnectionError at the end of the stream, TimeoutError at the deadline."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline))
    if length > _MOST_REPLY:
        raise ValueError(f"a message of {length} bytes")
    return _exactly(connection, length, deadline)


def _exactly(connection: socket.socket, length: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < length:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        chunk = connection.recv(min(length - len(received), 2**20))
        if not chunk:
            raise ConnectionError("end of stream")
        received += chunk
    return bytes(received)


def _serve(descriptor: int, function: str, memory_limit: int, time_limit: float) -> NoReturn:
    """Read pages until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    try:
        read = _named(function)
        _warm_up(function)
        _limit_memory(memory_limit)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear it
        _send(connection, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    _send(connection, b"")
    with contextlib.suppress(OSError):
        while True:
            page = pickle.loads(_receive(connection))
            signal.alarm(int(time_limit) + 10)  # ends a page that hangs after the parent was killed
            reply = _reply(read, page)
            signal.alarm(0)
            _send(connection, reply)
            if reply == _OUT_OF_MEMORY:
                break
    os._exit(0)


_OUT_OF_MEMORY = b'{"stopped": "memory"}'


def _reply(read: Callable[[Page], Article], page: Page) -> bytes:
    try:
        return json.dumps(read(page).to_json()).encode()
    except MemoryError:
        return _OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - one page's fault, told as its evidence
        return json.dumps({"stopped": f"reader broke: {type(error).__name__}: {error}"[:200]}).encode()


def _named(function: str) -> Callable[[Page], Article]:
    module, _, name = function.rpartition(".")
    read: Callable[[Page], Article] = getattr(importlib.import_module(module), name)
    return read


def _warm_up(function: str) -> None:
    """Import what reading needs before the first page's clock runs."""
    if function == READ_PAGE:
        from archiver.extract import extract_html

        extract_html(
            b"<html><body><h1>Ready</h1><p>The reader is ready for its first page.</p></body></html>", "http://a/"
        )


def _limit_memory(growth: int) -> None:
    """Bound the address space to what is used now plus ``growth``, so that allocations fail instead of the machine."""
    try:
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + growth
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):
        return  # no such limit on this system; the time limit stands
