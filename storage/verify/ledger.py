"""The ledger: facts that files state about each other, until all have been read."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any

from storage.cdx import ArticleEntry, Entry

_TABLES = """
    CREATE TABLE records (segment INTEGER, offset INTEGER, type TEXT, id BLOB, line BLOB, entry BLOB, target BLOB,
        is_whole INTEGER, payload TEXT, claim TEXT, PRIMARY KEY (segment, offset)) WITHOUT ROWID;
    CREATE TABLE lines (segment INTEGER, offset INTEGER, number INTEGER, line BLOB, entry BLOB,
        PRIMARY KEY (segment, offset, number)) WITHOUT ROWID;
    CREATE TABLE concurrent (segment INTEGER, offset INTEGER, id BLOB);
    CREATE TABLE revisits (segment INTEGER, offset INTEGER, id BLOB, target BLOB, payload TEXT, url TEXT, date TEXT);
    CREATE TABLE articles (segment INTEGER, capture INTEGER, revision INTEGER, offset INTEGER, claim TEXT,
        entry BLOB, PRIMARY KEY (segment, capture, revision, offset)) WITHOUT ROWID;
    CREATE TABLE indexed_captures (segment INTEGER, offset INTEGER, entry BLOB);
    CREATE TABLE indexed_articles (segment INTEGER, capture INTEGER, revision INTEGER, entry BLOB);
"""
"""``line``, ``entry``, ``id`` and ``target`` are fingerprints; ``claim`` is what an article and its capture share."""

_INDEXES = """
    CREATE INDEX by_id ON records (id) WHERE id IS NOT NULL;
    CREATE INDEX by_target ON records (target) WHERE target IS NOT NULL;
    CREATE INDEX by_place ON indexed_captures (segment, offset);
    CREATE INDEX by_capture ON indexed_articles (segment, capture, revision);
"""

MAX_OFFSET = (1 << 62) - 1
"""No file is longer; anything larger in an offset field is nonsense."""


class Ledger:
    """A database in a temporary file without a name; segments go by their numbers there."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "" names a temporary file
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -32768; {_TABLES} BEGIN;")

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def add(self, table: str, *row: object) -> None:
        """Add a row to a table."""
        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def sort(self) -> None:
        """Make ready for questions about everything, when all has been added."""
        for statement in _INDEXES.split(";"):
            self._db.execute(statement)

    def ask(self, question: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Return the rows of an answer, one at a time."""
        return self._db.execute(question, values)

    def next_line(self, segment: int, offset: int) -> int | None:
        """Return the first offset behind `offset` that a CDXJ line of the segment leads to."""
        question = "SELECT min(offset) FROM lines WHERE segment = ? AND offset > ?"
        (found,) = self._db.execute(question, (segment, offset)).fetchone()
        return None if found is None else int(found)

    def trust_lines(self, segment: int, start: int, end: int | None) -> None:
        """Take from the CDXJ what captures in a damaged part of a WARC were."""
        self._db.execute(
            """INSERT OR IGNORE INTO records SELECT segment, offset, 'damaged', NULL, line, entry, NULL, 0, NULL, NULL
            FROM lines WHERE segment = ? AND offset >= ? AND offset < ?""",
            (segment, start, MAX_OFFSET + 1 if end is None else end),
        )


def fingerprint(*facts: object) -> bytes:
    """Return 16 bytes that stand for these facts."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


def fingerprint_entry(entry: Entry | ArticleEntry) -> bytes:
    """Return the fingerprint of an entry as the index gives it back: what is no Unicode was replaced there."""
    facts = _capture_facts(entry) if isinstance(entry, Entry) else _article_facts(entry)
    return fingerprint(*(storable(value) if isinstance(value, str) else value for value in facts))


_capture_facts = attrgetter(*(field.name for field in fields(Entry)))
_article_facts = attrgetter(*(field.name for field in fields(ArticleEntry)))


def storable(text: str) -> str:
    """Return `text` as SQLite can hold it."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
