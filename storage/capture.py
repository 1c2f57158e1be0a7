"""One HTTP exchange as bytes, before it is a record."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from storage import message

Truncation = Literal["length", "time", "disconnect", "unspecified"]
"""Values of ``WARC-Truncated`` (WARC 1.1, section 5.13)."""

SPOOL_LIMIT = 1 << 20
"""Bytes of a response that stay in memory; what is longer lies in an unlinked temporary file."""


class Spool:
    """Bytes in memory up to a limit, then in a temporary file that vanishes with its last user."""

    __slots__ = ("_directory", "_file", "_limit", "_pieces", "size")

    def __init__(self, *, limit: int = SPOOL_LIMIT, directory: Path | None = None) -> None:
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._limit = limit
        self._directory = directory
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append `data`; raises ``OSError`` when the disk is full."""
        if self._file is None and self.size + len(data) <= self._limit:
            self._pieces.append(data)
        else:
            self._append(self._file or self._spill(), data)
        self.size += len(data)

    def _spill(self) -> IO[bytes]:
        # Unbuffered: what does not fit is reported by the write that brings it, not by a later read or close.
        file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115  closed by close() or with the object
        try:
            self._append(file, b"".join(self._pieces), at=0)
        except BaseException:
            file.close()
            raise
        self._file, self._pieces = file, []
        return file

    def _append(self, file: IO[bytes], data: bytes, *, at: int | None = None) -> None:
        position = self.size if at is None else at
        with memoryview(data) as view:
            written = 0
            while written < len(view):
                written += os.pwrite(file.fileno(), view[written:], position + written)

    def truncate(self, size: int) -> None:
        """Keep the first `size` bytes."""
        if self._file is None:
            self._pieces = [b"".join(self._pieces)[:size]]
        else:
            self._file.truncate(size)
        self.size = min(self.size, size)

    def start(self, length: int) -> bytes:
        """Return the first `length` bytes."""
        if self._file is None:
            if len(self._pieces) > 1:
                self._pieces = [b"".join(self._pieces)]
            return self._pieces[0][:length] if self._pieces else b""
        return self._read(self._file, 0, length)

    def pieces(self, offset: int = 0, *, step: int = 1 << 18) -> Iterator[memoryview]:
        """Yield the bytes from `offset` on, at most `step` at a time."""
        if self._file is None:
            view = memoryview(self.start(self.size))
            for position in range(offset, len(view), step):
                yield view[position : position + step]
            return
        while data := self._read(self._file, offset, step):
            yield memoryview(data)
            offset += len(data)

    def _read(self, file: IO[bytes], offset: int, length: int) -> bytes:
        """Return bytes of the file, never those a failed write has left behind ``size``."""
        return os.pread(file.fileno(), max(0, min(length, self.size - offset)), offset)

    def close(self) -> None:
        """Give memory and file back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._pieces = []


@dataclass(slots=True)
class Capture:
    """One exchange with a server, exactly as it crossed the wire.

    `response` starts at the final head: interim 1xx heads are kept in `interim`, because a record that began with
    ``103 Early Hints`` would be read as a 103 by every tool.
    """

    url: str
    """Requested URL without fragment."""
    method: str
    date: datetime
    """When the request began, aware UTC with microseconds."""
    request: bytes
    """Request head and body; redacted header values are already gone."""
    response: Spool
    """Final head and body as received; empty when the server never answered."""
    duration: float = 0.0
    """Seconds from the first request byte to the last response byte."""
    first_byte: float | None = None
    """Seconds until the first response byte."""
    interim: tuple[bytes, ...] = ()
    ip_address: str | None = None
    """Peer address; ``None`` behind a proxy, whose address says nothing about the site."""
    proxy: str | None = None
    """``host:port`` of the proxy in between."""
    protocols: tuple[str, ...] = ("http/1.1",)
    """Values of ``WARC-Protocol``, such as ``("http/1.1", "tls/1.3")``."""
    cipher_suite: str | None = None
    certificate_sha256: str | None = None
    certificate_trusted: bool | None = None
    """Whether the certificate chain was trusted; ``None`` without TLS."""
    truncated: Truncation | None = None
    redacted: tuple[str, ...] = ()
    """Names of request header fields whose values are not stored."""
    dropped: int = 0
    """Bytes received after the end of the message, which belong to no message and are not kept."""
    connection: int = 0
    """Number of the connection within the crawl; equal numbers mean a kept-alive connection."""
    notes: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)
    """Further lines of the metadata record, such as ``via``."""
    _head: tuple[message.Head | None, int] | None = field(default=None, init=False, repr=False)

    def head(self) -> tuple[message.Head | None, int]:
        """Return the parsed response head and its length; ``(None, 0)`` when no head arrived whole."""
        if self._head is None:
            start = self.response.start(message.MAX_HEAD)
            end = message.head_end(start)
            self._head = (None, 0) if end is None else (message.parse_head(start[:end]), end)
        return self._head
