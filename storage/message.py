"""HTTP/1.1 messages as bytes: heads, interim responses, chunk framing, content codings.

A captured response is ``interim* head body``. A head ends at the first empty line, whatever its first line looks
like, so that answers no HTTP parser accepts (``ICY 200 OK``, a bare HTML page) still divide the way other WARC
tools divide them. The *payload* is the body with transfer coding removed and content coding kept (WARC 1.1, and
RFC 9110 section 6.4); nothing here does any I/O.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

MAX_HEAD = 1 << 18
"""Longest head that is looked for, in bytes; browsers stop at the same 256 KiB."""


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed message head; fields keep their order, case and repeats."""

    version: bytes
    """``HTTP/1.1``, or whatever word stood first."""
    status: int | None
    """Status code; ``None`` for a request or a status line without a three-digit code."""
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of the field `name` (any case), in order.

        >>> parse_head(b"HTTP/1.1 200 OK\\r\\nSet-Cookie: a\\r\\nset-cookie: b\\r\\n\\r\\n").values(b"Set-Cookie")
        [b'a', b'b']
        """
        wanted = name.lower()
        return [value for field, value in self.fields if field.lower() == wanted]

    def value(self, name: bytes) -> bytes | None:
        """Return the first value of the field `name`, or ``None``."""
        values = self.values(name)
        return values[0] if values else None


def head_end(data: bytes, start: int = 0) -> int | None:
    """Return the offset just past the empty line that ends the head at `start`; ``None`` if it has not come.

    >>> head_end(b"HTTP/1.1 204 No Content\\n\\nrest")
    25
    """
    position = start
    while (newline := data.find(b"\n", position)) >= 0:
        line = data[position:newline].rstrip(b"\r")
        position = newline + 1
        if not line:
            return position
    return None


def parse_head(head: bytes) -> Head:
    """Parse a head leniently: folded lines are joined, lines without a colon skipped.

    >>> parse_head(b"HTTP/1.1 404  Not here\\r\\nServer:x\\r\\n\\r\\n")
    Head(version=b'HTTP/1.1', status=404, reason=b'Not here', fields=((b'Server', b'x'),))
    """
    lines = head.split(b"\n")
    version, _, rest = lines[0].rstrip(b"\r").partition(b" ")
    code, _, reason = rest.strip().partition(b" ")
    fields: list[tuple[bytes, bytes]] = []
    for raw in lines[1:]:
        line = raw.rstrip(b"\r")
        if not line:
            break
        if line[:1] in b" \t" and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + b" " + line.strip())
            continue
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name.strip(), value.strip()))
    status = int(code) if len(code) == 3 and code.isdigit() else None
    return Head(version, status, reason.strip(), tuple(fields))


def split_interim(data: bytes) -> tuple[list[bytes], int]:
    """Return the 1xx heads at the start of `data` and the offset of the final head.

    ``101 Switching Protocols`` ends the exchange, so it counts as final (RFC 9110 section 15.2).
    """
    interim: list[bytes] = []
    position = 0
    while data[position : position + 5].upper() == b"HTTP/":
        words = data[position : position + 64].split(b"\n", 1)[0].split()
        if len(words) < 2 or len(words[1]) != 3 or not words[1].startswith(b"1") or words[1] == b"101":
            break
        end = head_end(data, position)
        if end is None:
            break
        interim.append(data[position:end])
        position = end
    return interim, position


def is_chunked(head: Head) -> bool:
    """Whether chunked is the last transfer coding, which then frames the body (RFC 9112 section 6.1)."""
    codings = b",".join(head.values(b"Transfer-Encoding")).lower().split(b",")
    return codings[-1].strip() == b"chunked"


class Dechunker:
    """Remove chunk framing piece by piece; lenient, and never loses what came before a fault.

    A body that does not start with a chunk size at all was never chunked, whatever its head says: it passes through.
    """

    __slots__ = ("_buffer", "_left", "_state", "malformed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0
        self._state = "first"
        self.malformed = False
        """Whether the framing broke off or never was there."""

    def feed(self, data: bytes | memoryview) -> bytes:
        """Return the payload bytes that `data` completes."""
        if self._state == "plain":
            return bytes(data)
        self._buffer += data
        out: list[bytes] = []
        while self._step(out):
            pass
        return b"".join(out)

    def _step(self, out: list[bytes]) -> bool:
        match self._state:
            case "first" | "size":
                return self._read_size(out)
            case "data":
                piece = bytes(self._buffer[: self._left])
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                out.append(piece)
                if self._left == 0:
                    self._state = "end of chunk"
                return self._left == 0
            case "end of chunk":
                return self._skip_newline()
            case _:
                self._buffer.clear()
                return False

    def _read_size(self, out: list[bytes]) -> bool:
        newline = self._buffer.find(b"\n", 0, _MAX_SIZE_LINE)
        word, extension, _ = bytes(self._buffer[: newline if newline >= 0 else _MAX_SIZE_LINE]).partition(b";")
        size = _chunk_size(word.strip())
        if newline < 0 and len(self._buffer) < _MAX_SIZE_LINE and (size is not None or not (word.strip() or extension)):
            return False
        if size is None or newline < 0:
            self.malformed = True
            if self._state == "first":
                out.append(bytes(self._buffer))
                self._buffer.clear()
                self._state = "plain"
            else:
                self._state = "over"
            return False
        del self._buffer[: newline + 1]
        self._left = size
        self._state = "data" if size else "over"
        return True

    def _skip_newline(self) -> bool:
        if not self._buffer or self._buffer == b"\r":
            return False
        del self._buffer[: 2 if self._buffer.startswith(b"\r\n") else self._buffer.startswith(b"\n")]
        self._state = "size"
        return True


_MAX_SIZE_LINE = 4096
"""Longest line that is read as a chunk size with its extensions."""


def _chunk_size(word: bytes) -> int | None:
    if not word or len(word) > 16 or word.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(word, 16)


def payload_of(body: Iterable[bytes | memoryview], *, chunked: bool) -> Iterator[bytes | memoryview]:
    """Yield the payload of a body, piece by piece."""
    if not chunked:
        yield from body
        return
    dechunker = Dechunker()
    for piece in body:
        if payload := dechunker.feed(piece):
            yield payload


def content_codings(head: Head) -> list[str]:
    """Return the content codings in the order they were applied, ``identity`` left out."""
    words = b",".join(head.values(b"Content-Encoding")).decode("latin-1").lower().split(",")
    return [word.strip() for word in words if word.strip() not in ("", "identity")]


class ContentTooLarge(Exception):
    """The decoded body exceeds the limit it was given."""


def decode_content(payload: bytes, codings: list[str], *, limit: int) -> bytes:
    """Undo `codings`; what is damaged or unknown is returned as far as it could be decoded.

    Raises :class:`ContentTooLarge` once more than `limit` bytes come out, which is how decompression bombs end.

    >>> import gzip
    >>> decode_content(gzip.compress(b"text"), ["gzip"], limit=100)
    b'text'
    """
    for coding in reversed(codings):
        decoder = _DECODERS.get(coding)
        if decoder is None:
            return payload
        payload = decoder(payload, limit)
    return payload


class _Decoder(Protocol):
    """A decompressor as zlib and zstd have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_STEP = 1 << 14


def _decoded(
    make: Callable[[], _Decoder],
    data: bytes,
    limit: int,
    *,
    error: type[Exception],
    many: bool = False,
    careful_from: int | None = None,
) -> tuple[bytes, Literal["whole", "cut", "damaged"]]:
    """Return what `data` decodes to, and in what state it is; with `many`, one stream may follow another.

    A decoder that meets a fault gives nothing of the piece it was fed, so that piece is then fed byte by byte.
    """
    out = bytearray()
    position = 0
    decoder = make()
    while position < len(data):
        if decoder.eof:
            if not many:
                break
            decoder = make()
        is_careful = careful_from is not None and position >= careful_from
        piece = data[position : position + (1 if is_careful else _STEP)]
        try:
            out += decoder.decompress(piece, limit + 1 - len(out))
        except error:
            if is_careful:
                return bytes(out), "damaged"
            return _decoded(make, data, limit, error=error, many=many, careful_from=position)
        if len(out) > limit:
            raise ContentTooLarge(f"decoded body exceeds {limit} bytes")
        position += len(piece) - len(decoder.unused_data)
    return bytes(out), "whole" if decoder.eof else "cut"


def _gunzip(data: bytes, limit: int) -> bytes:
    out, state = _decoded(lambda: zlib.decompressobj(31), data, limit, error=zlib.error, many=True)
    return out if out or state != "damaged" else data


def _inflate(data: bytes, limit: int) -> bytes:
    """Undo ``deflate``, which is zlib by the standard and the bare stream by many servers."""
    out, state = _decoded(zlib.decompressobj, data, limit, error=zlib.error)
    if out or state == "whole":
        return out
    out, state = _decoded(lambda: zlib.decompressobj(-15), data, limit, error=zlib.error)
    # A bare stream has no mark and no checksum: text that was never deflated may "decode" for a few bytes.
    return out if state == "whole" or len(out) > len(data) else data


class _Brotli:
    """A brotli decompressor in the shape of the others."""

    unused_data = b""

    def __init__(self) -> None:
        import brotli

        self._decoder = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return bytes(self._decoder.process(data, output_buffer_limit=max_length))


def _unbrotli(data: bytes, limit: int) -> bytes:
    import brotli

    out, state = _decoded(_Brotli, data, limit, error=brotli.error)
    return out if out or state != "damaged" else data


def _unzstd(data: bytes, limit: int) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    out, state = _decoded(zstd.ZstdDecompressor, data, limit, error=zstd.ZstdError, many=True)
    return out if out or state != "damaged" else data


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
