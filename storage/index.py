"""The index: where each capture and each article lies, answered in microseconds. One SQLite file, only a cache.

Four tables carry it, those of :mod:`storage.visits` and :mod:`storage.jobs` aside::

    segments   id, name, final, captures          captures counts the rows the segment has below
    urls       id, urlkey, url                    each URL once
    captures   url, timestamp, segment, offset -> length, mime, status, digest
    articles   segment, capture_offset, revision -> offset, length and the facts searches ask for

Captures of one URL lie side by side in order of time, so a lookup is two seeks. The file stays small (about 140
bytes a capture, measured with five captures a URL) because digests are 20 bytes instead of 37 characters, and
because a URL whose path is the path of its urlkey, as most are, is stored up to its path only.

Many threads and processes may use one file: readers see the last committed state and never wait; writers take turns.
An ``Index`` does not survive ``os.fork``: open it anew in the child.
"""

from __future__ import annotations

import calendar
import errno
import itertools
import re
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from storage import arrivals, jobs, visits
from storage.cdx import REVISIT_MIME, ArticleEntry, Entry
from storage.errors import ArchiveError, DamagedIndex, NewerFormat, StorageFull, StorageUnavailable
from storage.urls import Match, key_ranges, urlkey

CountKey = Literal["site", "day", "outcome", "status", "mime"]

SCHEMA_VERSION = 2
"""Raised by every change of the tables; an index of an older version is emptied, as it can be rebuilt."""

_APPLICATION_ID = 0x41724978
"""Tells our file from any other SQLite database."""

_WAIT_SECONDS = 30
"""How long a writer waits for its turn."""

_FORMAT_FIELDS = "application_id", "user_version"

_REVISIT_ID = 1
"""Row of ``warc/revisit`` in ``mimes``; a constant, since the condition of a partial index must be one."""

_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
        final INTEGER NOT NULL, captures INTEGER NOT NULL)""",
    """CREATE TABLE urls (
        id INTEGER PRIMARY KEY AUTOINCREMENT, urlkey TEXT NOT NULL, url BLOB NOT NULL, UNIQUE (urlkey, url))""",
    "CREATE TABLE mimes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    f"INSERT INTO mimes VALUES ({_REVISIT_ID}, '{REVISIT_MIME}')",
    """CREATE TABLE captures (
        url_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, segment_id INTEGER NOT NULL, offset INTEGER NOT NULL,
        length INTEGER NOT NULL, mime_id INTEGER NOT NULL, status INTEGER, digest BLOB,
        PRIMARY KEY (url_id, timestamp, segment_id, offset)) WITHOUT ROWID""",
    # Eight bytes of the digest tell payloads apart well enough for an index.
    f"CREATE INDEX originals ON captures (substr(digest, -8), timestamp) WHERE mime_id <> {_REVISIT_ID}",
    """CREATE TABLE articles (
        segment_id INTEGER NOT NULL, capture_offset INTEGER NOT NULL, revision INTEGER NOT NULL,
        offset INTEGER NOT NULL, length INTEGER NOT NULL, id TEXT NOT NULL, url_id INTEGER NOT NULL,
        timestamp INTEGER NOT NULL, site TEXT, title TEXT, published_at TEXT, language TEXT, outcome TEXT NOT NULL,
        text_sha256 BLOB, version INTEGER, word_count INTEGER,
        PRIMARY KEY (segment_id, capture_offset, revision)) WITHOUT ROWID""",
    "CREATE INDEX article_history ON articles (url_id, timestamp)",
    *arrivals.SCHEMA,
    *visits.SCHEMA,
    *jobs.SCHEMA,
)
"""Ids are never used twice, so that whoever still holds one of a dropped row finds nothing rather than another row."""

_INSERT_URL = "INSERT INTO urls (urlkey, url) VALUES (?, ?) ON CONFLICT DO NOTHING"
_INSERT_MIME = "INSERT INTO mimes (name) VALUES (?) ON CONFLICT DO NOTHING"
_INSERT_SEGMENT = "INSERT INTO segments (name, final, captures) VALUES (?, 0, 0) ON CONFLICT DO NOTHING"
_URL_ID = "(SELECT id FROM urls WHERE urlkey = ? AND url = ?)"
_INSERT_CAPTURE = f"""INSERT INTO captures
    VALUES ({_URL_ID}, ?, ?, ?, ?, (SELECT id FROM mimes WHERE name = ?), ?, ?) ON CONFLICT DO NOTHING"""
_DELETE_CAPTURE = f"DELETE FROM captures WHERE url_id = {_URL_ID} AND timestamp = ? AND segment_id = ? AND offset = ?"
_INSERT_ARTICLE = f"INSERT OR REPLACE INTO articles VALUES (?, ?, ?, ?, ?, ?, {_URL_ID}, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE_UNUSED_URL = """
    DELETE FROM urls WHERE id = ? AND NOT EXISTS (SELECT 1 FROM captures WHERE url_id = urls.id)
    AND NOT EXISTS (SELECT 1 FROM articles WHERE url_id = urls.id)"""

# CROSS JOIN keeps the order of the tables: SQLite has no statistics here, and guesses wrong for large prefixes.
_CAPTURES = """
    SELECT urlkey, url, timestamp, segment_id, captures.offset, length, mimes.name, status, digest, segments.name
    FROM urls CROSS JOIN captures ON url_id = urls.id
    CROSS JOIN mimes ON mimes.id = mime_id CROSS JOIN segments ON segments.id = segment_id """
_OF_URL = f"""{_CAPTURES} WHERE urls.id = ? AND timestamp BETWEEN ? AND ?
    ORDER BY timestamp {{0}}, segment_id {{0}}, captures.offset {{0}}"""
_OF_KEYS = f"""{_CAPTURES} WHERE urlkey >= ? AND urlkey < ? AND timestamp BETWEEN ? AND ?
    ORDER BY urlkey {{0}}, timestamp {{0}}, segment_id {{0}}, captures.offset {{0}}"""
_AT_OR_BEFORE = f"""{_CAPTURES} WHERE urls.id = ? AND timestamp <= ?
    ORDER BY timestamp DESC, segment_id DESC, captures.offset DESC LIMIT 1"""
_AFTER = f"""{_CAPTURES} WHERE urls.id = ? AND timestamp > ?
    ORDER BY timestamp, segment_id DESC, captures.offset DESC LIMIT 1"""
_ORIGINALS = f"""
    SELECT urlkey, url, timestamp, segment_id, captures.offset, length, mimes.name, status, digest, segments.name
    FROM captures CROSS JOIN segments ON segments.id = segment_id
    CROSS JOIN urls ON urls.id = url_id CROSS JOIN mimes ON mimes.id = mime_id
    WHERE substr(digest, -8) = substr(?, -8) AND digest = ? AND mime_id <> {_REVISIT_ID} AND final >= ?
    ORDER BY timestamp DESC, segment_id DESC, captures.offset DESC LIMIT ?"""

_ARTICLES = """
    SELECT segments.name, capture_offset, revision, articles.offset, length, articles.id, urlkey, url, timestamp,
        site, title, published_at, language, outcome, text_sha256, version, word_count
    FROM articles CROSS JOIN segments ON segments.id = segment_id CROSS JOIN urls ON urls.id = url_id """
_ARTICLE_OF = f"""{_ARTICLES} WHERE segment_id = (SELECT id FROM segments WHERE name = ?) AND capture_offset = ?
    ORDER BY revision DESC LIMIT 1"""
_HAS_REVISION = """SELECT EXISTS (SELECT 1 FROM articles
    WHERE segment_id = (SELECT id FROM segments WHERE name = ?) AND revision = ?)"""
_IS_NEWEST_REVISION = """NOT EXISTS (SELECT 1 FROM articles AS later WHERE later.segment_id = articles.segment_id
    AND later.capture_offset = articles.capture_offset AND later.revision > articles.revision)"""
_PREVIOUS_ARTICLE = f"""{_ARTICLES} WHERE url_id = ? AND timestamp < ?
    AND outcome IN ('saved', 'unchanged', 'paywalled') AND {_IS_NEWEST_REVISION}
    ORDER BY timestamp DESC, segment_id DESC, capture_offset DESC LIMIT 1"""
_ARTICLE_WITH_TEXT = f"""{_ARTICLES} WHERE url_id = ? AND text_sha256 = ? AND timestamp >= ? AND timestamp < ?
    AND {_IS_NEWEST_REVISION} ORDER BY timestamp DESC LIMIT 1"""
_MOST_URLS_OF_HOST = 5000
_URLS_OF_HOST = "SELECT id, urlkey FROM urls WHERE urlkey >= ? AND urlkey < ? ORDER BY urlkey DESC LIMIT ?"

_COUNTED: dict[str, str] = {
    "site": "site",
    "day": "substr(captures.timestamp, 1, 4) || '-' || substr(captures.timestamp, 5, 2) || '-' "
    "|| substr(captures.timestamp, 7, 2)",
    "outcome": "outcome",
    "status": "status",
    "mime": "mimes.name",
}

_TIMESTAMP = re.compile(r"(?!0000)[0-9]{4}(?:0[1-9]|1[0-2])[0-9]{8}")
_PARTIAL_TIMESTAMP = re.compile(r"[0-9]{4,14}")
_END_OF_TIME = "99991231235959"
_BEHIND_ALL_KEYS = "\U0010ffff"
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE32_TO_INT = bytes(b"0123456789abcdefghijklmnopqrstuv!"[_BASE32.find(byte)] for byte in range(256))
"""What ``int(..., 32)`` reads; any other byte becomes one that it refuses."""
_BASE32_PAIRS = [bytes(pair).decode() for pair in itertools.product(_BASE32, repeat=2)]

_CaptureRow = tuple[str, str | bytes, int, int, int, int, str, int | None, bytes | str | None, str]


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """What an index holds."""

    captures: int
    """All captures, revisits among them."""
    revisits: int
    urls: int
    """Different URLs, compared exactly."""
    articles: int
    """Captures that have an article; its revisions count once."""
    segments: int
    """Open and final ones."""
    first_timestamp: str | None
    """Of the oldest capture; ``None`` in an empty index."""
    last_timestamp: str | None


class Index:
    """The captures and articles of one archive, in one SQLite file. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Use :meth:`open`."""
        self._path = path
        self._turn = threading.Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        with _clear_errors(path):
            self._writer = self._connect()
            try:
                _prepare(self._writer, path)
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def open(cls, path: Path) -> Index:
        """Open the index at `path`, or create an empty one; an index of an older version is emptied.

        Raises :class:`NewerFormat`, :class:`DamagedIndex`, :class:`StorageUnavailable` or :class:`StorageFull`; so
        does every other method, as far as it can happen there.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageUnavailable
            raise kind(f"{path.parent}: {error.strerror}; make room for the index, or name another place") from error
        return cls(path)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def close(self) -> None:
        """Close the file; the index cannot be used any more."""
        self._closed = True
        with self._turn:
            while self._idle:
                self._idle.pop().close()
            self._writer.close()

    def add(self, captures: Iterable[Entry], articles: Iterable[ArticleEntry] = ()) -> None:
        """Add captures and articles in one transaction; a capture known already stays, an article is replaced.

        Segments not heard of before become known as open; final ones stay final. A malformed timestamp is a
        ``ValueError``, and nothing is added.
        """
        new = _Rows(captures, articles)
        with self.writing() as db:
            new.insert(db, {name: _segment_id(db, name) for name in new.segments})

    def load_segment(self, segment: str, captures: Iterable[Entry], articles: Iterable[ArticleEntry]) -> None:
        """Replace whatever is known of `segment` by these rows and mark it final, in one transaction.

        Loading what is there already costs no more than loading it; if rows vanish, the whole table is searched
        for them (about a second per ten million captures).
        """
        new = _Rows(captures, articles, segment=segment)
        with self.writing() as db:
            segment_id = _segment_id(db, segment)
            (held,) = db.execute("SELECT captures FROM segments WHERE id = ?", (segment_id,)).fetchone()
            if held and new.delete_equal(db, segment, segment_id) < held:
                _delete_rows(db, segment_id)
            db.execute("DELETE FROM articles WHERE segment_id = ?", (segment_id,))
            db.execute("UPDATE segments SET final = 1, captures = 0 WHERE id = ?", (segment_id,))
            new.insert(db, {segment: segment_id})

    def mark_final(self, segment: str) -> None:
        """Note that `segment` is complete and at its final place."""
        with self.writing() as db:
            db.execute("UPDATE segments SET final = 1 WHERE id = ?", (_segment_id(db, segment),))

    def drop_segment(self, segment: str) -> None:
        """Forget a segment, its captures, its articles and the URLs nothing else needs; it need not be known."""
        with self.writing() as db:
            row = db.execute("SELECT id FROM segments WHERE name = ?", (segment,)).fetchone()
            if row is not None:
                _delete_rows(db, row[0])
                db.execute("DELETE FROM segments WHERE id = ?", row)

    def clear(self) -> None:
        """Forget everything, in one transaction."""
        with self.writing() as db:
            for table in ("captures", "articles", "urls", "segments"):
                db.execute(f"DELETE FROM {table}")

    def final_segments(self) -> set[str]:
        """Return the names of the segments that are complete."""
        return self._segments(final=1)

    def lacking_revisions(self, newest: Mapping[str, int]) -> set[str]:
        """Return which segments have no article of the revision named here; a question of microseconds for each.

        A segment whose articles file of that revision cannot be read lacks it for ever.
        """
        with self.reading() as db:
            return {each[0] for each in newest.items() if db.execute(_HAS_REVISION, each).fetchone() == (0,)}

    def open_segments(self) -> set[str]:
        """Return the names of the segments that are still being written, or whose writer died."""
        return self._segments(final=0)

    def captures(
        self,
        url: str,
        *,
        match: Match = "exact",
        since: str | None = None,
        until: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Return the captures of a URL, or of all URLs below it, by urlkey and timestamp.

        `match` is as in :func:`storage.urls.key_ranges`. `since` and `until` are timestamps of 4 to 14 digits, both
        inclusive: ``until="2026"`` includes all of 2026. Captures of one second come as they were written. `reverse`
        turns the whole order, and `limit` counts in it. What is added while the result is being read may be missed.
        """
        between = _padded(since, "0"), _padded(until, "9")
        if limit is not None and limit < 0:
            raise ValueError(f"limit is a number of captures, it cannot be {limit}")
        ranges = key_ranges(url, match)
        if match == "exact":
            return self._captures(partial(_rows_of_key, ranges[0][0], between, reverse), limit)
        return self._captures(partial(_rows_of_ranges, ranges, between, reverse), limit)

    def nearest(self, url: str, timestamp: str) -> Entry | None:
        """Return the capture nearest in time to `timestamp` (14 digits); of two equally near ones the earlier.

        All URLs with the urlkey of `url` count; of equally near captures, those of `url` itself come first.
        """
        moment = _moment(timestamp)
        with self.reading() as db:
            rows = [
                row
                for url_id in _url_ids(db, urlkey(url))
                for question in (_AT_OR_BEFORE, _AFTER)
                for row in db.execute(question, (url_id, moment))
            ]
        wanted = _seconds(moment)

        def distance(row: _CaptureRow) -> tuple[int, bool, int, int, int]:
            is_other = _unpack_url(row[0], row[1]) != url
            return abs(_seconds(row[2]) - wanted), is_other, row[2], -row[3], -row[4]

        nearest = min(rows, key=distance, default=None)
        return None if nearest is None else _entry(nearest)

    def latest(self, url: str) -> Entry | None:
        """Return the newest capture among the URLs with the urlkey of `url`."""
        return self.nearest(url, _END_OF_TIME)

    def originals(self, payload_digest: str, *, final_only: bool, limit: int = 8) -> list[Entry]:
        """Return captures that hold this payload themselves, so never revisits, newest first.

        With `final_only`, only from segments that are complete.
        """
        with self.reading() as db:
            digest = _pack_digest(payload_digest)
            rows = db.execute(_ORIGINALS, (digest, digest, int(final_only), limit)).fetchall()
        return [_entry(row) for row in rows]

    def articles(self, captures: Iterable[Entry]) -> dict[tuple[str, int], ArticleEntry]:
        """Return the article of each capture that has one, by segment and offset: its highest revision."""
        keys = [(capture.segment, capture.offset) for capture in captures]
        with self.reading() as db:
            rows = [row for key in keys for row in db.execute(_ARTICLE_OF, key)]
        articles = map(_article, rows)
        return {(article.segment, article.capture_offset): article for article in articles}

    def previous_article(self, url: str, before: str) -> ArticleEntry | None:
        """Return the newest article captured strictly before a timestamp (14 digits) under the urlkey of `url`.

        Only articles that were read count: their outcome is saved, unchanged or paywalled.
        """
        moment = _moment(before)
        with self.reading() as db:
            ids = _url_ids(db, urlkey(url))
            rows = [row for url_id in ids for row in db.execute(_PREVIOUS_ARTICLE, (url_id, moment))]
        return max(map(_article, rows), key=lambda article: article.timestamp, default=None)

    def newest_articles(self, url: str, *, limit: int) -> list[ArticleEntry]:
        """Return the newest articles of the host of `url`, one for each urlkey, newest first.

        Only articles that were read count. Of a host with more than 5,000 URLs, those with the last urlkeys are looked
        at (a tenth of a second): where the path begins with the date, the newest.
        """
        newest: dict[str, tuple[Any, ...]] = {}
        with self.reading() as db:
            for low, high in reversed(key_ranges(url, "host")):
                for url_id, key in db.execute(_URLS_OF_HOST, (low, high, _MOST_URLS_OF_HOST)).fetchall():
                    row = db.execute(_PREVIOUS_ARTICLE, (url_id, int(_END_OF_TIME))).fetchone()
                    if row and (key not in newest or row[8] > newest[key][8]):
                        newest[key] = row
        found = sorted(map(_article, newest.values()), key=lambda each: (each.timestamp, each.id), reverse=True)
        return found[:limit]

    def highest_version(self, url: str, before: str) -> int:
        """Return the highest version among the articles captured strictly before a timestamp; 0 if there is none."""
        question = "SELECT max(version) FROM articles WHERE url_id = ? AND timestamp < ?"
        with self.reading() as db:
            ids = _url_ids(db, urlkey(url))
            found = [db.execute(question, (url_id, _moment(before))).fetchone()[0] for url_id in ids]
        return max(filter(None, found), default=0)

    def article_with_text(self, url: str, text_sha256: str, *, since: str, before: str) -> ArticleEntry | None:
        """Return the newest article with this text captured in between (14 digits each) under the urlkey of `url`."""
        values = _pack_hex(text_sha256), _moment(since), _moment(before)
        with self.reading() as db:
            ids = _url_ids(db, urlkey(url))
            rows = [row for url_id in ids for row in db.execute(_ARTICLE_WITH_TEXT, (url_id, *values))]
        return max(map(_article, rows), key=lambda article: article.timestamp, default=None)

    def all_captures(self) -> Iterator[Entry]:
        """Return every capture by urlkey and timestamp: one state of the index, that of the first item."""
        always = _padded(None, "0"), _padded(None, "9")
        return self._captures(partial(_rows_of_ranges, [("", _BEHIND_ALL_KEYS)], always, False), None)

    def all_articles(self) -> Iterator[ArticleEntry]:
        """Return every revision of every article: one state of the index, that of the first item."""
        with self.reading() as db, closing(db.execute(_ARTICLES)) as rows:
            yield from map(_article, rows)

    def counts(self) -> IndexCounts:
        """Count everything; this reads the whole index (about 0.3 s per million captures)."""
        question = f"SELECT count(*), sum(mime_id = {_REVISIT_ID}), min(timestamp), max(timestamp) FROM captures"
        with self.reading() as db:
            captures, revisits, first, last = db.execute(question).fetchone()
            return IndexCounts(
                captures=captures,
                revisits=revisits or 0,
                urls=_number(db, "urls WHERE EXISTS (SELECT 1 FROM captures WHERE url_id = urls.id)"),
                articles=_number(db, f"articles WHERE {_IS_NEWEST_REVISION}"),
                segments=_number(db, "segments"),
                first_timestamp=first and _timestamp(first),
                last_timestamp=last and _timestamp(last),
            )

    def count_by(self, *keys: CountKey) -> list[tuple[str | int | None, ...]]:
        """Count captures by these facts: rows of one value per key and, last, the number; sorted, ``None`` first.

        A day is an ISO date in UTC. Site and outcome are those of the capture's article, ``None`` where it has none.
        """
        for key in keys:
            if key not in _COUNTED:
                raise ValueError(f"captures are counted by {', '.join(_COUNTED)}, not by {key!r}")
        columns = "".join(f"{_COUNTED[key]}, " for key in keys)
        tables = "captures CROSS JOIN mimes ON mimes.id = mime_id"
        if {"site", "outcome"} & set(keys):
            tables += f""" LEFT JOIN articles ON articles.segment_id = captures.segment_id
                AND capture_offset = captures.offset AND {_IS_NEWEST_REVISION}"""
        numbers = ", ".join(str(number + 1) for number in range(len(keys)))
        grouping = f"GROUP BY {numbers} ORDER BY {numbers}" if keys else ""
        with self.reading() as db:
            return db.execute(f"SELECT {columns}count(*) FROM {tables} {grouping}").fetchall()

    def _segments(self, *, final: int) -> set[str]:
        with self.reading() as db:
            return {name for (name,) in db.execute("SELECT name FROM segments WHERE final = ?", (final,))}

    def _captures(
        self, find: Callable[[sqlite3.Connection], Generator[_CaptureRow, None, None]], limit: int | None
    ) -> Iterator[Entry]:
        with self.reading() as db, closing(find(db)) as rows:
            yield from map(_entry, itertools.islice(rows, limit))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of its own, so that nobody reads the old state that another, unfinished reader holds.

        This and :meth:`writing` are for the rooms beside this one, which keep their tables in the same file.
        """
        self._check_open()
        with _clear_errors(self._path):
            try:
                db = self._idle.pop()
            except IndexError:
                db = self._connect()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._idle.append(db)
            if self._closed:
                self.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the one transaction that may write; all of it happens, or nothing."""
        self._check_open()
        with _clear_errors(self._path), self._turn, _transaction(self._writer):
            yield self._writer

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"the index {self._path} is closed")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last commits, never consistency
        return db


class _Rows:
    """Captures and articles as rows to insert, made before the transaction begins, to keep that short."""

    def __init__(
        self, captures: Iterable[Entry], articles: Iterable[ArticleEntry], *, segment: str | None = None
    ) -> None:
        """Take all rows for those of `segment`, where one is given."""
        self._captures: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for capture in captures:
            self._captures[segment or capture.segment].append(_capture_row(capture))
        for rows in self._captures.values():
            rows.sort(key=itemgetter(0, 2))  # by urlkey and timestamp, as the tables are: nearly twice as fast
        self._articles: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for article in articles:
            self._articles[segment or article.segment].append(_article_row(article))
        self.segments = list(self._captures | self._articles)

    def insert(self, db: sqlite3.Connection, segment_ids: dict[str, int]) -> None:
        """Insert all rows, unless a capture is there already; an article replaces its equal."""
        self._insert_names(db)
        for segment, captures in self._captures.items():
            number = segment_ids[segment]
            rows = ((*row[:3], number, *row[3:]) for row in captures)
            added = db.executemany(_INSERT_CAPTURE, rows).rowcount
            db.execute("UPDATE segments SET captures = captures + ? WHERE id = ?", (added, number))
        for segment, articles in self._articles.items():
            db.executemany(_INSERT_ARTICLE, ((segment_ids[segment], *row) for row in articles))

    def delete_equal(self, db: sqlite3.Connection, segment: str, segment_id: int) -> int:
        """Delete the captures of `segment` that these rows would replace; return how many there were."""
        rows = ((*row[:3], segment_id, row[3]) for row in self._captures[segment])
        return db.executemany(_DELETE_CAPTURE, rows).rowcount

    def _insert_names(self, db: sqlite3.Connection) -> None:
        captures = list(itertools.chain.from_iterable(self._captures.values()))
        articles = itertools.chain.from_iterable(self._articles.values())
        urls = dict.fromkeys(row[:2] for row in captures) | dict.fromkeys(row[5:7] for row in articles)
        db.executemany(_INSERT_URL, urls)
        db.executemany(_INSERT_MIME, {(row[5],) for row in captures})


def _capture_row(capture: Entry) -> tuple[Any, ...]:
    key = _text(capture.urlkey)
    return (
        key,
        _pack_url(key, _text(capture.url)),
        _moment(capture.timestamp),
        capture.offset,
        capture.length,
        _text(capture.mime),
        capture.status,
        _pack_digest(capture.payload_digest),
    )


def _article_row(article: ArticleEntry) -> tuple[Any, ...]:
    key = urlkey(article.url)
    return (
        article.capture_offset,
        article.revision,
        article.offset,
        article.length,
        _text(article.id),
        key,
        _pack_url(key, _text(article.url)),
        _moment(article.timestamp),
        *(value and _text(value) for value in (article.site, article.title, article.published_at, article.language)),
        _text(article.outcome),
        _pack_hex(article.text_sha256),
        article.version,
        article.word_count,
    )


def _entry(row: _CaptureRow) -> Entry:
    key, url, timestamp, _, offset, length, mime, status, digest, segment = row
    return Entry(
        key,
        _timestamp(timestamp),
        _unpack_url(key, url),
        mime,
        status,
        _unpack_digest(digest),
        offset,
        length,
        segment,
    )


def _article(row: tuple[Any, ...]) -> ArticleEntry:
    segment, capture_offset, revision, offset, length, article_id, key, url, timestamp, *facts = row
    site, title, published_at, language, outcome, text_sha256, version, word_count = facts
    return ArticleEntry(
        segment=segment,
        capture_offset=capture_offset,
        revision=revision,
        offset=offset,
        length=length,
        id=article_id,
        url=_unpack_url(key, url),
        timestamp=_timestamp(timestamp),
        site=site,
        title=title,
        published_at=published_at,
        language=language,
        outcome=outcome,
        text_sha256=text_sha256.hex() if isinstance(text_sha256, bytes) else text_sha256,
        version=version,
        word_count=word_count,
    )


def _text(value: str) -> str:
    """Return `value` without lone surrogates, which cannot be stored; broken JSON brings them into titles."""
    return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _pack_url(key: str, url: str) -> str | bytes:
    """Return what to store of a URL beside its urlkey: as bytes, what comes before the path they share.

    >>> _pack_url("com,example)/a", "https://www.example.com/a"), _pack_url("com,example)/a", "https://example.com/A")
    (b'https://www.example.com', 'https://example.com/A')
    """
    path = key.partition(")")[2]
    return url[: -len(path)].encode() if path and url.endswith(path) else url


def _unpack_url(key: str, stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode() + key.partition(")")[2]


def _pack_digest(digest: str | None) -> bytes | str | None:
    """Return a ``sha1:BASE32`` digest as its 20 bytes, any other as it is."""
    if digest is None or len(digest) != 37 or not digest.startswith("sha1:"):
        return digest and _text(digest)
    try:
        number = int(digest[5:].encode("utf-8", "replace").translate(_BASE32_TO_INT), 32)
    except ValueError:
        return _text(digest)
    return number.to_bytes(20, "big")


def _unpack_digest(stored: bytes | str | None) -> str | None:
    if not isinstance(stored, bytes):
        return stored
    number = int.from_bytes(stored, "big")  # base64.b32encode takes twice as long, which shows in lookups
    return "sha1:" + "".join([_BASE32_PAIRS[number >> shift & 1023] for shift in range(150, -1, -10)])


def _pack_hex(digest: str | None) -> bytes | str | None:
    if digest is None:
        return None
    try:
        packed = bytes.fromhex(digest)
    except ValueError:
        return _text(digest)
    return packed if packed.hex() == digest else digest


def _moment(timestamp: str) -> int:
    """Return a timestamp as the tables keep it: the number its 14 digits make."""
    if not _TIMESTAMP.fullmatch(timestamp):
        raise ValueError(f"a timestamp has 14 digits, YYYYMMDDhhmmss, unlike {timestamp!r}")
    return int(timestamp)


def _timestamp(moment: int) -> str:
    return f"{moment:014}"


def _padded(timestamp: str | None, digit: str) -> int:
    """Return the first or last moment that begins with these 4 to 14 digits; of all time for ``None``."""
    if timestamp is not None and not _PARTIAL_TIMESTAMP.fullmatch(timestamp):
        raise ValueError(f"a point in time has 4 to 14 digits, YYYY to YYYYMMDDhhmmss, unlike {timestamp!r}")
    return int((timestamp or "").ljust(14, digit))


def _seconds(moment: int) -> int:
    """Return seconds since 1970; days that a month does not have count on into the next."""
    rest, second = divmod(moment, 100)
    rest, minute = divmod(rest, 100)
    rest, hour = divmod(rest, 100)
    rest, day = divmod(rest, 100)
    year, month = divmod(rest, 100)
    return calendar.timegm((year, month, day, hour, minute, second))


def _rows_of_key(
    key: str, between: tuple[int, int], reverse: bool, db: sqlite3.Connection
) -> Generator[_CaptureRow, None, None]:
    """Yield the captures of all URLs with this urlkey; each URL's lie sorted already."""
    question = _OF_URL.format("DESC" if reverse else "ASC")
    with ExitStack() as stack:
        urls = [stack.enter_context(closing(db.execute(question, (url_id, *between)))) for url_id in _url_ids(db, key)]
        yield from urls[0] if len(urls) == 1 else merge(*urls, key=itemgetter(2, 3, 4), reverse=reverse)


def _rows_of_ranges(
    ranges: list[tuple[str, str]], between: tuple[int, int], reverse: bool, db: sqlite3.Connection
) -> Generator[_CaptureRow, None, None]:
    question = _OF_KEYS.format("DESC" if reverse else "ASC")
    for low, high in reversed(ranges) if reverse else ranges:
        with closing(db.execute(question, (low, high, *between))) as cursor:
            yield from cursor


def _url_ids(db: sqlite3.Connection, key: str) -> list[int]:
    return [url_id for (url_id,) in db.execute("SELECT id FROM urls WHERE urlkey = ?", (key,))]


def _segment_id(db: sqlite3.Connection, segment: str) -> int:
    """Return the id of a segment; one not heard of becomes known as open."""
    db.execute(_INSERT_SEGMENT, (segment,))
    (number,) = db.execute("SELECT id FROM segments WHERE name = ?", (segment,)).fetchone()
    return int(number)


def _delete_rows(db: sqlite3.Connection, segment_id: int) -> None:
    """Delete all captures and articles of a segment, and the URLs that nothing refers to any more."""
    question = """SELECT url_id FROM captures WHERE segment_id = ?
        UNION SELECT url_id FROM articles WHERE segment_id = ?"""
    urls = db.execute(question, (segment_id, segment_id)).fetchall()
    db.execute("DELETE FROM captures WHERE segment_id = ?", (segment_id,))
    db.execute("DELETE FROM articles WHERE segment_id = ?", (segment_id,))
    db.executemany(_DELETE_UNUSED_URL, urls)


def _number(db: sqlite3.Connection, rows: str) -> int:
    (number,) = db.execute(f"SELECT count(*) FROM {rows}").fetchone()
    return int(number)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make sure that the file is an index of this version; nothing else is ever written to."""
    if _format(db) != (_APPLICATION_ID, SCHEMA_VERSION):
        with _transaction(db):
            _create(db, path)
    _use_wal(db)


def _format(db: sqlite3.Connection) -> tuple[int, int]:
    ((application_id,), (version,)) = (db.execute(f"PRAGMA {name}").fetchone() for name in _FORMAT_FIELDS)
    return application_id, version


def _create(db: sqlite3.Connection, path: Path) -> None:
    """Create the tables, in place of those of an older version."""
    application_id, version = _format(db)
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'")
    names = [name for (name,) in tables]
    if names and application_id != _APPLICATION_ID:
        raise DamagedIndex(f"{path} belongs to another program; move it away, then `archiver reindex` makes an index")
    if version > SCHEMA_VERSION:
        raise NewerFormat(
            f"{path} was written by a newer version of archiver; upgrade, or remove the file and run `archiver reindex`"
        )
    if names and version == SCHEMA_VERSION:
        return  # another process was faster
    for name in names:
        if name != jobs.TABLE:  # nothing else knows what is queued there
            db.execute(f'DROP TABLE "{name}"')
    for statement in _SCHEMA:
        db.execute(statement)


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; for this one step SQLite does not wait its turn by itself."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        explained = _explain(error, path)
        if explained is None:
            raise
        raise explained from error


def _explain(error: sqlite3.DatabaseError, path: Path) -> ArchiveError | None:
    """Return what an error of SQLite means to the user; ``None`` where the fault is ours."""
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    if kind == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StorageFull(f"no space is left for the index {path}; make room, nothing half-written was kept")
    if kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT) or _is_damage(error):
        return DamagedIndex(f"{path} is no usable index ({error}); `archiver reindex` rebuilds it")
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return StorageUnavailable(
            f"another process has kept the index {path} locked for {_WAIT_SECONDS} s; try again when it is done"
        )
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return StorageUnavailable(
            f"the index {path} cannot be used ({error}); check its disk, quota and permissions, or name another place"
        )
    return None


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether a table is missing, or holds what is no text."""
    return str(error).startswith(("no such table", "no such column", "Could not decode to UTF-8"))
