"""Bodies as they come: gzip undone by its magic, XML decoded, and everything of a size that was agreed on."""

from __future__ import annotations

import codecs
import io
import re
import zlib
from typing import Protocol

MOST_INFLATED = 128 * 2**20
"""Bytes read of one sitemap after gunzip; the protocol allows 50 MB."""
_CHUNK = 65536
_GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """Anything with ``read(size) -> bytes``."""

    def read(self, size: int = -1, /) -> bytes: ...


def read_fully(source: Readable, size: int) -> bytes:
    """Read as many bytes, fewer only where the source ends."""
    pieces, left = [], size
    while left > 0 and (piece := source.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


class Plain:
    """A stream without gzip around it, up to a size; ``notes`` tells afterwards what was cut or broken.

    Gzip is known by its first bytes, never by a name or a header, and may be wrapped twice: a ``.xml.gz`` that the
    server coded once more. What came before a fault is delivered.
    """

    def __init__(self, source: bytes | Readable, *, most: int = MOST_INFLATED) -> None:
        self._source: Readable = io.BytesIO(source) if isinstance(source, bytes) else source
        self._left = most
        self._most = most
        self._begun = False
        self._over = False
        self.notes: list[str] = []

    def read(self, size: int = -1) -> bytes:
        if not self._begun:
            self._begin()
        if self._over:
            return b""
        wanted = min(_CHUNK if size < 0 else size, self._left)
        data = self._source.read(wanted)
        self._left -= len(data)
        if self._left <= 0 and self._source.read(1):
            self.notes.append(f"only the first {self._most / 2**20:.0f} MB were read")
        if not data or self._left <= 0:
            self._over = True
        return data

    def read_all(self) -> bytes:
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def _begin(self) -> None:
        """Unwrap gzip and skip the white space that some servers put before the XML declaration."""
        self._begun = True
        for _ in range(2):
            start = read_fully(self._source, 2)
            self._source = Chain(start, self._source)
            if start != _GZIP:
                break
            self._source = _Gunzip(self._source, self.notes)
        start = read_fully(self._source, 1024)
        mark = codecs.BOM_UTF8 if start.startswith(codecs.BOM_UTF8) else b""
        trimmed = start.removeprefix(mark).lstrip(b" \t\r\n")
        self._source = Chain(trimmed if trimmed[:1] in (b"<", b"{") else start, self._source)


class Chain:
    """A stream after bytes already read of it."""

    def __init__(self, start: bytes, rest: Readable) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if self._start:
            size = len(self._start) if size < 0 else size
            data, self._start = self._start[:size], self._start[size:]
            return data
        return self._rest.read(size)


class _Gunzip:
    def __init__(self, source: Readable, notes: list[str]) -> None:
        self._source = source
        self._notes = notes
        self._inflater = zlib.decompressobj(31)
        self._waiting = b""
        self._over = False

    def read(self, size: int = -1, /) -> bytes:
        size = _CHUNK if size <= 0 else size
        while not self._over:
            compressed = self._waiting or self._source.read(_CHUNK)
            if not compressed:
                self._over = True
                self._notes.append("the gzip data ends too early")
                return b""
            try:
                data = self._inflater.decompress(compressed, size)
            except zlib.error as error:
                self._over = True
                self._notes.append(f"the gzip data is damaged ({error})")
                return b""
            self._waiting = self._inflater.unconsumed_tail
            if self._inflater.eof:
                self._next_member()
            if data:
                return data
        return b""

    def _next_member(self) -> None:
        following = self._inflater.unused_data or self._source.read(_CHUNK)
        if following.startswith(_GZIP):
            self._inflater = zlib.decompressobj(31)
            self._waiting = following
        else:
            self._over = True


_DECLARED = re.compile(rb"""^\s{0,100}<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{2,30})""")
_HEADER_CHARSET = re.compile(r"charset\s{0,9}=[\s\"']{0,9}([\w.:-]{2,30})", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
)


def decode(body: bytes, content_type: str | None = None) -> str:
    """Return an XML, JSON or text body as text; never fails.

    A byte order mark decides (RFC 7303, section 3). Bytes that are valid UTF-8 are UTF-8, whatever is declared: what
    old feeds get wrong is the declaration. Then the declaration counts, then the header, then Windows-1252.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace").removeprefix("\ufeff")
    inside, header = _DECLARED.match(body[:400]), _HEADER_CHARSET.search((content_type or "")[:500])
    declared = [inside and inside[1].decode("ascii", "replace"), header and header[1]]
    labels = [label for label in declared if label and _is_charset(label)]
    for label in ("utf-8", *labels):
        try:
            return body.decode(label)
        except UnicodeError:
            if label == "utf-8" and _is_damaged_utf8(body):
                break
    else:
        return body.decode("cp1252", "replace")
    return body.decode("utf-8", "replace")


def _is_damaged_utf8(body: bytes) -> bool:
    """Whether more characters beyond ASCII are whole than broken: one bad byte must not spoil all the others."""
    beyond = [character for character in body[:200_000].decode("utf-8", "replace") if character > "\x7f"]
    return 2 * beyond.count("\ufffd") < len(beyond)


def _is_charset(label: str) -> bool:
    """Whether a label names a charset; Python has codecs that are none, and some of them are slow on purpose."""
    try:
        found = codecs.lookup(label)
    except (LookupError, ValueError):
        return False
    return found._is_text_encoding and found.name not in (
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
        "utf-7",
    )


def _refuse() -> str:
    raise LookupError


_NO_ROOT = re.compile(
    r"\s+|<\?[^>]*>|<!--(?:(?!-->).)*+-->|<!DOCTYPE[^>\[]*+(?:\[[^\]]*+\]\s*+)?>", re.IGNORECASE | re.DOTALL
)
_ROOT = re.compile(r"<(?:[\w.-]{1,40}:)?([\w.-]{1,40})")


def root_name(text: str) -> str | None:
    """Return the local name of the first element, in lower case, of the start of a document.

    >>> root_name('<?xml version="1.0"?><!-- news --><rdf:RDF xmlns="…">')
    'rdf'
    """
    position = 0
    text = text[:16384].lstrip("\ufeff")
    while match := _NO_ROOT.match(text, position):
        position = match.end()
    root = _ROOT.match(text, position)
    return root[1].lower() if root else None
