"""Articles files: one article JSON a line, each line its own gzip member, so that one can be read alone."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

from storage.cdx import ArticleEntry
from storage.errors import DamagedRecord

_READ_STEP = 1 << 16


def pack_article(article: Mapping[str, Any]) -> bytes:
    """Return the gzip member that holds `article` as one JSON line."""
    line = json.dumps(article, ensure_ascii=False, separators=(",", ":")) + "\n"
    return gzip.compress(line.encode("utf-8", "surrogatepass"), compresslevel=6, mtime=0)


def unpack_article(member: bytes, name: str, offset: int) -> dict[str, Any]:
    """Return the article of one member; raises :class:`DamagedRecord` naming where it came from."""
    try:
        article: dict[str, Any] = json.loads(gzip.decompress(member).decode("utf-8", "surrogatepass"))
        return article
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DamagedRecord(f"{name}: article at offset {offset}: {error}") from None


def locate_article(
    article: Mapping[str, Any], *, segment: str, revision: int = 1, offset: int, length: int
) -> ArticleEntry:
    """Return the index entry of an article that lies at `offset` of its articles file."""
    return ArticleEntry(
        segment=segment,
        capture_offset=article["warc"]["offset"],
        revision=revision,
        offset=offset,
        length=length,
        id=article["id"],
        url=article["url"],
        timestamp=_timestamp(article["captured_at"]),
        site=article.get("site"),
        title=article.get("title"),
        published_at=article.get("published_at"),
        language=article.get("language"),
        outcome=article["outcome"],
        text_sha256=article.get("text_sha256"),
        version=article.get("version"),
        word_count=article.get("word_count"),
    )


def _timestamp(date: str) -> str:
    moment = datetime.fromisoformat(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y%m%d%H%M%S")


def read_articles(
    stream: BinaryIO, name: str, *, segment: str, revision: int = 1
) -> Iterator[tuple[ArticleEntry, dict[str, Any]]]:
    """Yield every article of a file with its index entry; raises :class:`DamagedRecord` where the file is damaged."""
    for offset, member in _members(stream, name):
        article = unpack_article(member, name, offset)
        try:
            entry = locate_article(article, segment=segment, revision=revision, offset=offset, length=len(member))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DamagedRecord(f"{name}: article at offset {offset} is incomplete ({error!r})") from None
        yield entry, article


def _members(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    offset = 0
    rest = b""
    while data := rest or stream.read(_READ_STEP):
        member = bytearray()
        inflater = zlib.decompressobj(31)
        while not inflater.eof:
            if not data:
                raise DamagedRecord(f"{name}: the file ends inside the article at offset {offset}")
            try:
                inflater.decompress(data)
            except zlib.error as error:
                raise DamagedRecord(f"{name}: article at offset {offset}: {error}") from None
            rest = inflater.unused_data
            member += data[: len(data) - len(rest)]
            data = stream.read(_READ_STEP) if not inflater.eof else b""
        yield offset, bytes(member)
        offset += len(member)
