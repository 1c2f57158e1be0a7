"""Is the archive whole? Every byte is read, every digest computed, every reference followed.

Verification has two halves. The first reads each file once and judges it by itself: gzip members, records, digests,
the fields of a header. What one file says about another it notes in a ledger, a temporary SQLite database that goes
to disk as it grows, so that memory stays the same for one segment and for a million. The second half asks the
ledger: does each CDXJ line lead to its capture, each revisit to its payload, each article to what it was read from,
and does the index say the same?

Others may go on writing meanwhile. What is finalised while this runs is left to the next time, and of a segment
being written only what its journal has acknowledged is read. What cannot be noticed: a WARC cut exactly behind the
response of its last capture, because recovery may leave one like that, and bytes that no decoder looks at, such as
the time in a gzip header.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import gzip
import hashlib
import json
import re
import sqlite3
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, BinaryIO

from storage import message
from storage.articles import read_articles
from storage.blobs import Blobs
from storage.cdx import INDEXED_TYPES, ArticleEntry, Entry, filename_of, line_of_record, parse_line
from storage.errors import (
    ArchiveError,
    DamagedIndex,
    DamagedRecord,
    KeyNotFound,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from storage.index import Index
from storage.recovery import stale_journals
from storage.segment import OPEN, Journal, articles_key, cdxj_key, warc_key
from storage.sync import Progress, load_segment, stored_segments
from storage.warc import Record, parse_date, read_records

_SHOWN = 20
"""Problems of one kind that are named one by one for each file; the others are counted."""
_RESUMES = 20
"""How often reading a damaged WARC is taken up again behind the damage."""

_RESTORE = "restore the file from a backup"
_RECOVER = "any archiver command recovers it"
_ADD = "add the WARC that holds it"
_REINDEX = "`archiver reindex` mends it"
_REWRITE = "`archiver reindex --from-warc` writes it anew"

_WARC = re.compile(r"warc/(.+)\.warc\.gz")
_CDXJ = re.compile(r"cdxj/(.+)\.cdxj\.gz")
_ARTICLES = re.compile(r"articles/(.+?)(?:\.r([2-9]|[1-9][0-9]+))?\.jsonl\.gz")
_CRAWL = re.compile(r"crawls/(.+)\.jsonl\.gz")
_TIMESTAMP = re.compile(r"[0-9]{14}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    where: str
    """The key of the file, with `` offset N`` where one is known; ``index`` for the index as a whole."""
    what: str
    """One line: what is wrong, and the way out where there is one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read, and what is wrong with it."""

    segments: int
    """Complete segments."""
    records: int
    """WARC records, those of open segments among them; so it is with the next four."""
    captures: int
    """Records that are indexed."""
    revisits: int
    """Captures whose payload an earlier one holds."""
    articles: int
    """Lines of articles files, every revision counted."""
    bytes: int
    """Bytes of the WARC files."""
    problems: tuple[Problem, ...]
    open_segments: int
    """Segments that a live process is writing now; they were read up to what their journal acknowledged."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_archive(blobs: Blobs, spool: Path, index: Index, *, progress: Progress | None = None) -> Verification:
    """Read the whole archive and return what is wrong with it; nothing in the archive is changed.

    The index first loads the segments that it has not seen, as it does at every start. `progress` is told how many
    segments are done. Raises :class:`StorageUnavailable` when the store does not answer, :class:`StorageFull` when
    the temporary directory (``SQLITE_TMPDIR``) cannot hold the ledger.
    """
    ledger = _Ledger()
    try:
        return _Verifier(blobs, spool, index, ledger, progress or _no_progress).run()
    except sqlite3.OperationalError as error:
        raise StorageFull(f"no room for temporary files ({error}); set SQLITE_TMPDIR to a larger disk") from error
    finally:
        ledger.close()


def _no_progress(done: int, total: int) -> None:
    pass


class _Findings:
    """Problems in the order they were found, many of one kind in one file cut short."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, key: str, what: str, *, offset: int | None = None, detail: str = "") -> None:
        """Note that `what` is wrong with the file `key`; the `detail` follows in brackets."""
        self._counts[key, what] += 1
        if self._counts[key, what] <= _SHOWN:
            where = key if offset is None else f"{key} offset {offset}"
            cause, separator, way_out = what.partition("; ")
            text = f"{cause} ({detail}){separator}{way_out}" if detail else what
            self._problems.append(Problem(where, " ".join(text.split())))

    def all(self) -> tuple[Problem, ...]:
        """Return every problem, and a line for those that were only counted."""
        rest = [
            Problem(key, f"{count - _SHOWN} more times: {what}")
            for (key, what), count in self._counts.items()
            if count > _SHOWN
        ]
        return (*self._problems, *rest)


class _Ledger:
    """Facts that files state about each other, until all have been read. In a temporary file without a name."""

    _TABLES = """
        CREATE TABLE records (segment INTEGER, offset INTEGER, type TEXT, id BLOB, line BLOB, entry BLOB, target BLOB,
            is_whole INTEGER, payload TEXT, claim TEXT, PRIMARY KEY (segment, offset)) WITHOUT ROWID;
        CREATE TABLE lines (segment INTEGER, offset INTEGER, number INTEGER, line BLOB, entry BLOB,
            PRIMARY KEY (segment, offset, number)) WITHOUT ROWID;
        CREATE TABLE concurrent (segment INTEGER, offset INTEGER, id BLOB);
        CREATE TABLE revisits (segment INTEGER, offset INTEGER, id BLOB, target BLOB, payload TEXT, url TEXT,
            date TEXT);
        CREATE TABLE articles (segment INTEGER, capture INTEGER, revision INTEGER, offset INTEGER, claim TEXT,
            entry BLOB, PRIMARY KEY (segment, capture, revision, offset)) WITHOUT ROWID;
        CREATE TABLE indexed_captures (segment INTEGER, offset INTEGER, entry BLOB);
        CREATE TABLE indexed_articles (segment INTEGER, capture INTEGER, revision INTEGER, entry BLOB);
    """
    _INDEXES = """
        CREATE INDEX by_id ON records (id) WHERE id IS NOT NULL;
        CREATE INDEX by_target ON records (target) WHERE target IS NOT NULL;
        CREATE INDEX by_place ON indexed_captures (segment, offset);
        CREATE INDEX by_capture ON indexed_articles (segment, capture, revision);
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "" names a temporary file
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -32768; {self._TABLES} BEGIN;")

    def close(self) -> None:
        self._db.close()

    def add(self, table: str, *row: object) -> None:
        """Add a row to a table."""
        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def sort(self) -> None:
        """Make ready for questions about everything, when all has been added."""
        for statement in self._INDEXES.split(";"):
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
            (segment, start, 1 << 62 if end is None else end),
        )


# Questions to the ledger. Each answers with the segment's number and an offset, then what the message needs.

_LINES_WITHOUT_CAPTURE = """SELECT segment, offset, number FROM lines WHERE NOT EXISTS (SELECT 1 FROM records
    WHERE records.segment = lines.segment AND records.offset = lines.offset AND records.line IS NOT NULL)"""
_LINES_THAT_DIFFER = """SELECT segment, offset, number FROM lines JOIN records USING (segment, offset)
    WHERE lines.line <> records.line"""
_CAPTURES_WITHOUT_LINE = """SELECT segment, offset FROM records WHERE line IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM lines WHERE lines.segment = records.segment AND lines.offset = records.offset)"""
_SHARED_IDS = "SELECT id FROM records WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1"
_LONE_RECORDS = """SELECT segment, offset FROM concurrent WHERE NOT EXISTS
    (SELECT 1 FROM records INDEXED BY by_id
    WHERE records.id = concurrent.id AND records.segment = concurrent.segment)"""
_DANGLING_REVISITS = """SELECT segment, offset, id, target, payload, url, date FROM revisits WHERE NOT EXISTS
    (SELECT 1 FROM records INDEXED BY by_target WHERE records.target = revisits.target AND is_whole
    AND (revisits.id IS NULL OR records.id = revisits.id)
    AND (revisits.payload IS NULL OR records.payload = revisits.payload))"""
_ORIGINAL = """SELECT type, target, is_whole, payload FROM records WHERE {0} IS NOT NULL AND {0} = ?
    AND type <> 'damaged' ORDER BY is_whole DESC LIMIT 1"""
_ARTICLE_CLAIMS = """SELECT articles.segment, articles.offset, revision, capture, articles.claim, records.claim
    FROM articles LEFT JOIN records ON records.segment = articles.segment AND records.offset = capture
    WHERE articles.claim IS NOT records.claim"""
_UNINDEXED_CAPTURES = """SELECT segment, offset FROM records WHERE entry IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM indexed_captures AS held WHERE held.segment = records.segment AND held.offset = records.offset
    AND held.entry = records.entry)"""
_UNFOUNDED_CAPTURES = """SELECT segment, offset FROM indexed_captures AS held WHERE NOT EXISTS
    (SELECT 1 FROM records WHERE held.segment = records.segment AND held.offset = records.offset
    AND held.entry = records.entry)"""
_UNINDEXED_ARTICLES = """SELECT segment, offset, revision FROM articles WHERE NOT EXISTS
    (SELECT 1 FROM indexed_articles AS held WHERE held.segment = articles.segment
    AND held.capture = articles.capture AND held.revision = articles.revision AND held.entry = articles.entry)"""
_UNFOUNDED_ARTICLES = """SELECT segment, capture, revision FROM indexed_articles AS held WHERE NOT EXISTS
    (SELECT 1 FROM articles WHERE held.segment = articles.segment
    AND held.capture = articles.capture AND held.revision = articles.revision AND held.entry = articles.entry)"""


def _fingerprint(*facts: object) -> bytes:
    """Return 16 bytes that stand for these facts."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


def _of_entry(entry: Entry | ArticleEntry) -> bytes:
    """Return the fingerprint of an entry as the index gives it back: what is no Unicode was replaced there."""
    facts = _capture_facts(entry) if isinstance(entry, Entry) else _article_facts(entry)
    return _fingerprint(*(_storable(value) if isinstance(value, str) else value for value in facts))


_capture_facts = attrgetter(*(field.name for field in fields(Entry)))
_article_facts = attrgetter(*(field.name for field in fields(ArticleEntry)))


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@dataclass(slots=True)
class _Reading:
    """A WARC file while it is read."""

    number: int
    segment: str
    key: str
    end: int = 0
    """Offset behind the last whole record."""
    warcinfo_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """A segment that is not complete: its journal, read once."""

    segment: str
    journal: str
    is_written: bool
    """Whether its writer lives."""
    lines: list[tuple[str, Entry]]
    """CDXJ lines, parsed as well."""
    warc_end: int
    """Bytes of the WARC that were acknowledged."""
    articles_end: int


class _Verifier:
    """One verification of one archive."""

    def __init__(self, blobs: Blobs, spool: Path, index: Index, ledger: _Ledger, progress: Progress) -> None:
        self._blobs, self._spool, self._index, self._ledger, self._progress = blobs, spool, index, ledger, progress
        self._findings = _Findings()
        self._note = self._findings.note
        self._counts: Counter[str] = Counter()
        self._names: list[str] = []
        """Names of the segments by the numbers they have in the ledger."""
        self._numbers: dict[str, int] = {}
        self._warcs: set[str] = set()
        self._revisions: dict[str, list[int]] = defaultdict(list)
        self._journals: dict[int, str] = {}
        """Keys of the journals of open segments, by number."""
        self._damaged: set[int] = set()
        """Segments whose WARC could not be read from end to end."""
        self._unlisted: set[int] = set()
        """Segments without a CDXJ that could be read from end to end."""
        self._indexed: set[int] = set()
        """Segments that the index has to know."""

    def run(self) -> Verification:
        # A revisit may refer to any capture that is durable. Whatever the revisits of `settled` refer to was complete
        # or open then: now it has a journal, or is complete by the time keys are listed.
        settled = set(stored_segments(self._blobs))
        open_segments = list(self._read_journals())
        stored = self._list_keys()
        unfinished = [each for each in open_segments if each.segment not in stored]
        partial = (self._warcs | self._revisions.keys()).difference(stored, (each.segment for each in unfinished))
        total = len(stored) + len(unfinished)
        for number, segment in enumerate(sorted(stored)):
            self._read_segment(segment)
            self._progress(number + 1, total)
        for number, each in enumerate(unfinished):
            self._read_open(each)
            self._progress(len(stored) + number + 1, total)
        for segment in sorted(partial):
            self._read_partial(segment)
        for match in self._matching("crawls/", _CRAWL):
            self._read_crawl(match[0], match[1])
        self._read_archive_json()
        self._read_index(stored)
        self._cross_check({self._numbers[segment] for segment in settled if segment in stored})
        self._find_leftovers(open_segments)
        return self._result(len(stored), sum(each.is_written for each in unfinished))

    def _result(self, segments: int, open_segments: int) -> Verification:
        names = ("records", "captures", "revisits", "articles", "bytes")
        counts = {name: self._counts[name] for name in names}
        return Verification(segments=segments, problems=self._findings.all(), open_segments=open_segments, **counts)

    # What there is.

    def _list_keys(self) -> set[str]:
        """Sort the keys; return the complete segments. CDXJ files come first because they are written last."""
        stored = {match[1] for match in self._matching("cdxj/", _CDXJ)}
        self._warcs = {match[1] for match in self._matching("warc/", _WARC)}
        for match in self._matching("articles/", _ARTICLES):
            self._revisions[match[1]].append(int(match[2] or 1))
        return stored

    def _matching(self, prefix: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        for key in self._blobs.keys(prefix):
            if match := pattern.fullmatch(key):
                yield match
            else:
                self._note(key, "no archive has a file of this name; move it away")

    def _number(self, segment: str) -> int:
        if segment not in self._numbers:
            self._numbers[segment] = len(self._names)
            self._names.append(segment)
        return self._numbers[segment]

    @contextlib.contextmanager
    def _reporting(self, key: str) -> Iterator[None]:
        """Note what keeps a file from being read; a store that does not answer at all ends the verification."""
        try:
            yield
        except KeyNotFound:
            self._note(key, f"the file is missing; {_RESTORE}")
        except (StorageError, OSError) as error:
            if isinstance(error, StorageUnavailable) and self._blobs.local is None:
                raise
            self._note(key, "the file cannot be read", detail=str(error))

    # Complete segments.

    def _read_segment(self, segment: str) -> None:
        number = self._number(segment)
        self._read_cdxj(number, segment)
        if segment in self._warcs:
            self._read_warc(number, segment)
        else:
            self._note(warc_key(segment), f"the file is missing, though {cdxj_key(segment)} is there; {_RESTORE}")
            self._skip_damage(number, 0, None)
        for revision in sorted(self._revisions.get(segment, ())):
            self._read_articles(number, segment, revision)

    def _read_partial(self, segment: str) -> None:
        """Read a segment that has no CDXJ and no journal here. Its writer may still be at work on another machine."""
        number = self._number(segment)
        self._unlisted.add(number)
        if segment in self._warcs:
            self._read_warc(number, segment)
        for revision in sorted(self._revisions.get(segment, ())):
            if segment in self._warcs:
                self._read_articles(number, segment, revision)
            elif not self._is_finished_now(segment):
                self._note(
                    articles_key(segment, revision), f"there is no {warc_key(segment)} for these articles; restore it"
                )
        if segment in self._warcs and not self._is_finished_now(segment):
            self._note(
                warc_key(segment),
                f"its CDXJ is missing, so nothing in it is found; if its writer is dead, {_REWRITE}",
                detail=cdxj_key(segment),
            )

    def _is_finished_now(self, segment: str) -> bool:
        if (self._spool / f"warc/{segment}.journal").exists():
            return True
        with contextlib.suppress(KeyNotFound):
            self._blobs.size(cdxj_key(segment))
            return True
        return False

    def _read_cdxj(self, number: int, segment: str) -> None:
        key = cdxj_key(segment)
        self._unlisted.add(number)
        with self._reporting(key), self._blobs.open(key) as stream:
            try:
                with gzip.open(stream) as lines:
                    self._read_lines(number, segment, lines)
                self._unlisted.discard(number)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                self._note(key, f"not valid gzip; {_REWRITE}", detail=str(error))

    def _read_lines(self, number: int, segment: str, lines: Iterable[bytes]) -> None:
        key = cdxj_key(segment)
        before = b""
        for count, raw in enumerate(lines, 1):
            if raw <= before:
                self._note(key, f"a line is out of order; {_REWRITE}", detail=f"line {count}")
            before = raw
            try:
                if not raw.endswith(b"\n"):
                    raise ValueError("it does not end")
                entry = parse_line(raw.decode())
                if not _is_offset(entry.offset):
                    raise ValueError("no file is that long")
            except (DamagedIndex, ValueError):
                self._note(key, f"a line is no CDXJ; {_REWRITE}", detail=f"line {count}")
                continue
            if entry.segment != segment:
                self._note(key, f"a line is about another file; {_REWRITE}", detail=f"line {count}: {entry.segment}")
            self._add_line(number, count, raw.decode(), entry)

    def _add_line(self, number: int, count: int, line: str, entry: Entry) -> None:
        self._ledger.add("lines", number, entry.offset, count, _fingerprint(line.rstrip("\n")), _of_entry(entry))

    def _read_warc(self, number: int, segment: str) -> None:
        """Read a WARC file, behind damage from the next capture that the CDXJ knows."""
        reading = _Reading(number, segment, warc_key(segment))
        for _ in range(_RESUMES):
            is_whole = None
            with self._reporting(reading.key), self._blobs.open(reading.key) as stream:
                _skip(stream, reading.end)
                is_whole = self._read_records(reading, stream)
            if is_whole:
                break
            resumed = None if is_whole is None else self._ledger.next_line(number, reading.end)
            self._skip_damage(number, reading.end, resumed)
            if resumed is None:
                break
            reading.end = resumed
        else:
            self._skip_damage(number, reading.end, None)
            self._note(reading.key, f"too much damage to look any further; {_RESTORE}", offset=reading.end)
        self._counts["bytes"] += reading.end

    def _skip_damage(self, number: int, start: int, end: int | None) -> None:
        self._damaged.add(number)
        self._ledger.trust_lines(number, start, end)

    def _read_records(self, reading: _Reading, stream: BinaryIO, *, until: int | None = None) -> bool:
        """Check record by record; return false at the first byte that is not part of a whole one."""
        try:
            for record in read_records(stream, reading.key, offset=reading.end):
                self._check_record(reading, record)
                reading.end = record.offset + record.finish()
                if until is not None and reading.end >= until:
                    break
        except DamagedRecord as error:
            cause = str(error).removeprefix(f"{reading.key}: record at offset {reading.end}: ")
            self._note(reading.key, f"no whole WARC record; {_RESTORE}", offset=reading.end, detail=cause)
            return False
        if reading.end == 0:
            self._note(reading.key, f"the file is empty; {_RESTORE}")
        return True

    # One record.

    def _check_record(self, reading: _Reading, record: Record) -> None:
        digests = _Digests(record)
        line = line_of_record(record, filename_of(reading.segment)) if _is_capture(record) else None
        record.finish()  # from here on the record is whole
        for name, detail in digests.faults():
            self._note(reading.key, f"{name} does not fit; {_RESTORE}", offset=record.offset, detail=detail)
        for what in _header_faults(reading, record):
            self._note(reading.key, what, offset=record.offset)
        if record.offset == 0 and record.type == "warcinfo":
            reading.warcinfo_id = record.field("WARC-Record-ID")
        self._counts["records"] += 1
        self._enter(reading, record, line)

    def _enter(self, reading: _Reading, record: Record, line: str | None) -> None:
        """Write into the ledger what others say, or have to say, of a record."""
        place = (reading.number, record.offset)
        record_id, concurrent_to = record.field("WARC-Record-ID"), record.field("WARC-Concurrent-To")
        facts: tuple[object, ...] = (None, None, None, 0, None, None)
        if line is not None:
            entry = parse_line(line)
            facts = (
                _fingerprint(line),
                _of_entry(entry),
                _fingerprint(record.url, record.field("WARC-Date")),
                record.type in ("response", "resource") and record.field("WARC-Truncated") is None,
                entry.payload_digest,
                _claim(entry.length, record_id, entry.payload_digest),
            )
            self._counts["captures"] += 1
        self._ledger.add("records", *place, record.type, record_id and _fingerprint(record_id), *facts)
        if concurrent_to:
            self._ledger.add("concurrent", *place, _fingerprint(concurrent_to))
        if record.type == "revisit":
            self._enter_revisit(place, record)

    def _enter_revisit(self, place: tuple[int, int], record: Record) -> None:
        refers_to = record.field("WARC-Refers-To")
        url, date = record.field("WARC-Refers-To-Target-URI"), record.field("WARC-Refers-To-Date")
        target = _fingerprint(url, date) if url and date else None
        payload = record.field("WARC-Payload-Digest")
        row = (refers_to and _fingerprint(refers_to), target, payload, url and _storable(url), date)
        self._ledger.add("revisits", *place, *row)
        self._counts["revisits"] += 1

    # Articles.

    def _read_articles(self, number: int, segment: str, revision: int) -> None:
        key = articles_key(segment, revision)
        with self._reporting(key), self._blobs.open(key) as stream:
            self._read_article_lines(number, key, stream, segment, revision)

    def _read_article_lines(
        self, number: int, key: str, stream: BinaryIO, segment: str, revision: int, *, until: int | None = None
    ) -> int:
        """Enter the articles of a file into the ledger; return the offset behind the last one."""
        end = 0
        seen: set[int] = set()
        try:
            for entry, article in read_articles(stream, key, segment=segment, revision=revision):
                self._check_article(number, key, entry, article, seen)
                end = entry.offset + entry.length
                if until is not None and end >= until:
                    break
        except DamagedRecord as error:
            cause = str(error).removeprefix(f"{key}: ")
            way_out = "restore the file from a backup, or `archiver reextract`"
            self._note(key, f"not a whole article; {way_out}", offset=end, detail=cause)
        return end

    def _check_article(
        self, number: int, key: str, entry: ArticleEntry, article: dict[str, Any], seen: set[int]
    ) -> None:
        self._counts["articles"] += 1
        capture, warc = entry.capture_offset, article["warc"]
        if not _is_offset(capture) or not _TIMESTAMP.fullmatch(entry.timestamp):
            self._note(key, "the article says not which capture it was read from, or when", offset=entry.offset)
            return
        if warc.get("file") != warc_key(entry.segment):
            self._note(key, "the article is of another file", offset=entry.offset, detail=str(warc.get("file")))
        if capture in seen:
            self._note(key, "the second article of one capture", offset=entry.offset, detail=f"at offset {capture}")
        seen.add(capture)
        claim = _claim(warc.get("length"), warc.get("record_id"), warc.get("payload_digest"))
        self._ledger.add("articles", number, capture, entry.revision, entry.offset, claim, _of_entry(entry))

    # Segments that are being written, or were when their writer died.

    def _read_journals(self) -> Iterator[_Open]:
        for path in stale_journals(self._spool):
            segment = str(path.relative_to(self._spool / "warc")).removesuffix(".journal")
            key = self._spooled(path)
            try:
                with path.open("rb") as file:
                    is_written = _is_locked(file)
                    captures, articles = Journal(path, file).read()
                lines = [(line.cdxj, entry) for line in captures if line.cdxj and (entry := line.entry)]
            except FileNotFoundError:
                continue  # finished meanwhile
            except (ArchiveError, OSError, TypeError, KeyError) as error:
                self._note(key, "the journal cannot be read", detail=f"{type(error).__name__}: {error}")
                continue
            warc_end = captures[-1].warc_end if captures else 0
            yield _Open(segment, key, is_written, lines, warc_end, articles[-1].articles_end if articles else 0)

    def _spooled(self, path: Path) -> str:
        """Return how a file in the spool is called: in a local archive its key, else its path."""
        return path.relative_to(self._spool).as_posix() if self._spool == self._blobs.local else str(path)

    def _read_open(self, each: _Open) -> None:
        number = self._number(each.segment)
        self._journals[number] = each.journal
        if each.warc_end:
            self._read_open_warc(number, each)
        if each.articles_end:
            self._read_open_articles(number, each)

    def _read_open_warc(self, number: int, each: _Open) -> None:
        for count, (line, entry) in enumerate(each.lines, 1):
            self._add_line(number, count, line, entry)
        reading = _Reading(number, each.segment, self._spooled(self._spool / (warc_key(each.segment) + OPEN)))
        with self._reporting(reading.key), self._open_spooled(warc_key(each.segment)) as stream:
            if self._read_records(reading, stream, until=each.warc_end):
                self._check_end(reading.key, reading.end, each.warc_end)
        self._counts["bytes"] += reading.end
        if reading.end < each.warc_end:
            self._skip_damage(number, reading.end, None)

    def _read_open_articles(self, number: int, each: _Open) -> None:
        key = articles_key(each.segment)
        spooled = self._spooled(self._spool / (key + OPEN))
        with self._reporting(spooled), self._open_spooled(key) as stream:
            end = self._read_article_lines(number, spooled, stream, each.segment, 1, until=each.articles_end)
            self._check_end(spooled, end, each.articles_end)

    def _check_end(self, key: str, end: int, acknowledged: int) -> None:
        if end != acknowledged:
            detail = f"{acknowledged} bytes were acknowledged"
            self._note(key, f"what was acknowledged is whole up to here only; {_RESTORE}", offset=end, detail=detail)

    def _open_spooled(self, key: str) -> BinaryIO:
        try:
            return (self._spool / (key + OPEN)).open("rb")
        except FileNotFoundError:
            return self._blobs.open(key)  # it has just been moved there

    def _find_leftovers(self, open_segments: list[_Open]) -> None:
        """Note what the dead have left in the spool."""
        for each in open_segments:
            if not each.is_written and (self._spool / f"warc/{each.segment}.journal").exists():
                self._note(each.journal, f"the writer of this segment died before it was complete; {_RECOVER}")
        for folder, ending in (("warc", ".warc.gz"), ("articles", ".jsonl.gz")):
            for path in sorted((self._spool / folder).glob(f"*/*/*/*{ending}{OPEN}")):
                segment = str(path.relative_to(self._spool / folder)).removesuffix(ending + OPEN)
                if not (self._spool / f"warc/{segment}.journal").exists() and path.exists():
                    what = "no journal says what of this unfinished file was acknowledged"
                    self._note(self._spooled(path), f"{what}; look at it by hand, then move it away")
        for path in sorted((self._spool / "crawls").glob(f"*/*/*/*.jsonl{OPEN}")):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                if not _is_locked(file) and path.exists():
                    self._note(self._spooled(path), f"the crawl that wrote this log died; {_RECOVER}")

    # Files beside the segments.

    def _read_crawl(self, key: str, crawl: str) -> None:
        """Check that the summary of a crawl log is its last line and adds up."""
        outcomes: Counter[str] = Counter()
        summary: dict[str, Any] | None = None
        with self._reporting(key), self._blobs.open(key) as stream:
            try:
                with gzip.open(stream) as lines:
                    for line in lines:
                        if summary is not None:
                            raise ValueError("lines follow the summary")
                        attempt = json.loads(line)
                        summary = attempt if attempt.get("summary") is True else None
                        if summary is None:
                            outcomes[attempt["outcome"]] += 1
            except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, AttributeError, TypeError) as error:
                self._note(key, f"not a whole crawl log; {_RESTORE}", detail=f"{type(error).__name__}: {error}")
                return
            self._check_summary(key, crawl, summary, outcomes)

    def _check_summary(self, key: str, crawl: str, summary: dict[str, Any] | None, outcomes: Counter[str]) -> None:
        if summary is None:
            self._note(key, f"the last line is no summary; {_RESTORE}")
        elif summary.get("crawl") != crawl:
            self._note(key, "this is the log of another crawl", detail=str(summary.get("crawl")))
        elif summary.get("attempts") != outcomes.total() or summary.get("outcomes") != dict(outcomes):
            counted = f"{outcomes.total()} attempts, {dict(sorted(outcomes.items()))}"
            self._note(key, f"the summary does not count these lines; {_RESTORE}", detail=f"they are {counted}")

    def _read_archive_json(self) -> None:
        key = "archive.json"
        with self._reporting(key):
            try:
                known = json.loads(self._blobs.read(key))
            except ValueError:
                known = None
            if not isinstance(known, dict) or type(known.get("format")) is not int or not known.get("id"):
                self._note(key, f"it names no format and id; {_RESTORE}")

    # The index.

    def _read_index(self, stored: set[str]) -> None:
        """Write into the ledger what the index says of complete segments."""
        try:
            self._catch_up(stored)
            for entry in self._index.all_captures():
                if (number := self._numbers.get(entry.segment)) in self._indexed:
                    self._ledger.add("indexed_captures", number, entry.offset, _of_entry(entry))
            for article in self._index.all_articles():
                if (number := self._numbers.get(article.segment)) in self._indexed:
                    place = (number, article.capture_offset, article.revision)
                    self._ledger.add("indexed_articles", *place, _of_entry(article))
            self._find_unfounded_segments(stored)
        except ArchiveError as error:
            self._indexed.clear()
            self._note("index", str(error))

    def _catch_up(self, stored: set[str]) -> None:
        """Load what the index has not seen, as every command does at its start."""
        known = self._index.final_segments()
        for segment in sorted(stored):
            try:
                if segment not in known:
                    load_segment(self._blobs, self._index, segment, sorted(self._revisions.get(segment, ())))
                self._indexed.add(self._numbers[segment])
            except StorageUnavailable:
                raise
            except Exception as error:  # noqa: BLE001  whatever the files hold, the others are to be looked at too
                detail = f"{type(error).__name__}: {error}"
                self._note(cdxj_key(segment), f"the index cannot load this segment; {_REINDEX}", detail=detail)

    def _find_unfounded_segments(self, stored: set[str]) -> None:
        for segment in sorted(self._index.final_segments() | self._index.open_segments()):
            if segment not in stored and not self._is_finished_now(segment):
                self._note(cdxj_key(segment), f"the index knows a segment that is not there; {_REINDEX}")

    # Second half: what files say about each other.

    def _cross_check(self, settled: set[int]) -> None:
        self._ledger.sort()
        self._check_lines()
        self._check_ids()
        for number, offset, *reference in self._ledger.ask(_DANGLING_REVISITS):
            if number in settled:
                why = self._why_dangling(*reference)
                self._note(self._warc(number), f"the revisit leads to no payload; {_ADD}", offset=offset, detail=why)
        self._check_claims()
        self._check_captures_in_index()
        self._check_articles_in_index()

    def _warc(self, number: int) -> str:
        """Return what the WARC of a segment is called."""
        key = warc_key(self._names[number])
        return self._spooled(self._spool / (key + OPEN)) if number in self._journals else key

    def _lines_file(self, number: int) -> str:
        return self._journals.get(number) or cdxj_key(self._names[number])

    def _check_lines(self) -> None:
        for number, offset, line in self._ledger.ask(_LINES_WITHOUT_CAPTURE):
            detail = f"line {line}, offset {offset} of the WARC"
            self._note(self._lines_file(number), f"a line leads to no capture; {_REWRITE}", detail=detail)
        for number, offset, line in self._ledger.ask(_LINES_THAT_DIFFER):
            detail = f"line {line}, offset {offset} of the WARC"
            self._note(self._lines_file(number), f"a line differs from its capture; {_REWRITE}", detail=detail)
        for number, offset in self._ledger.ask(_CAPTURES_WITHOUT_LINE):
            if number not in self._unlisted:
                detail = f"offset {offset} of the WARC"
                self._note(self._lines_file(number), f"the line of a capture is missing; {_REWRITE}", detail=detail)

    def _check_ids(self) -> None:
        for (record_id,) in self._ledger.ask(_SHARED_IDS):
            (first, start), *others = self._ledger.ask("SELECT segment, offset FROM records WHERE id = ?", record_id)
            for number, offset in others:
                what, detail = "another record has the same WARC-Record-ID", f"{self._warc(first)} offset {start}"
                self._note(self._warc(number), what, offset=offset, detail=detail)
        for number, offset in self._ledger.ask(_LONE_RECORDS):
            if number not in self._damaged:
                what = "WARC-Concurrent-To refers to no record of this file"
                self._note(self._warc(number), what, offset=offset)

    def _why_dangling(
        self, record_id: bytes | None, target: bytes | None, payload: str | None, url: str | None, date: str | None
    ) -> str:
        """Return why a revisit does not lead to its payload."""
        if target is None:
            return "it does not say which URI and date it refers to"
        column, value = ("target", target) if record_id is None else ("id", record_id)
        found = next(self._ledger.ask(_ORIGINAL.format(column), value), None)
        if found is None:
            return f"{url} of {date} is not here"
        kind, found_target, is_whole, found_payload = found
        if kind not in ("response", "resource"):
            return f"{url} of {date} is a {kind}"
        if not is_whole:
            return f"{url} of {date} is truncated"
        if found_target != target:
            return f"WARC-Refers-To is not {url} of {date}"
        return f"its payload is {payload}, that of {url} of {date} is {found_payload}"

    def _check_claims(self) -> None:
        for number, offset, revision, capture, claimed, held in self._ledger.ask(_ARTICLE_CLAIMS):
            key = articles_key(self._names[number], revision)
            if held is None and number in self._damaged:
                continue
            if held is None:
                detail = f"offset {capture} of the WARC"
                self._note(key, "the article was read from a capture that is not there", offset=offset, detail=detail)
                continue
            for name, says, has in zip(_CLAIMED, json.loads(claimed), json.loads(held), strict=True):
                if says != has:
                    detail = f"warc.{name} is {says}, the capture's is {has}"
                    self._note(key, "the article does not fit its capture", offset=offset, detail=detail)

    def _check_captures_in_index(self) -> None:
        for number, offset in self._ledger.ask(_UNINDEXED_CAPTURES):
            if number in self._indexed:
                self._note(warc_key(self._names[number]), f"the index lacks this capture; {_REINDEX}", offset=offset)
        for number, offset in self._ledger.ask(_UNFOUNDED_CAPTURES):
            what = f"the index has a capture here that the WARC has not; {_REINDEX}"
            self._note(warc_key(self._names[number]), what, offset=offset)

    def _check_articles_in_index(self) -> None:
        for number, offset, revision in self._ledger.ask(_UNINDEXED_ARTICLES):
            if number in self._indexed:
                key = articles_key(self._names[number], revision)
                self._note(key, f"the index lacks this article; {_REINDEX}", offset=offset)
        for number, capture, revision in self._ledger.ask(_UNFOUNDED_ARTICLES):
            key = articles_key(self._names[number], revision)
            what = "the index has an article that the file has not; `archiver reindex` forgets it, `reextract` reads it"
            self._note(key, what, detail=f"of the capture at offset {capture}")


_CLAIMED = ("length", "record_id", "payload_digest")


def _claim(length: object, record_id: object, payload_digest: object) -> str:
    """Return what an article says of the capture it was read from, besides the offset."""
    return json.dumps([length, record_id, payload_digest])


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 62


def _skip(stream: BinaryIO, length: int) -> None:
    if stream.seekable():
        stream.seek(length)
        return
    while length and (data := stream.read(min(length, 1 << 20))):
        length -= len(data)


def _is_locked(file: IO[bytes]) -> bool:
    """Whether a live process holds the lock on a file in the spool."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _is_capture(record: Record) -> bool:
    """Whether a record has a line in the CDXJ, as :func:`storage.cdx.index_warc` decides it."""
    if record.type in ("resource", "metadata") and record.field("Content-Type") == "application/warc-fields":
        return False
    return record.type in INDEXED_TYPES and bool(record.url)


def _header_faults(reading: _Reading, record: Record) -> Iterator[str]:
    """Yield what is wrong with the header of a record."""
    for name in ("WARC-Type", "WARC-Record-ID", "WARC-Date"):
        if not record.field(name):
            yield f"the record has no {name}"
    if not record.url and record.type in ("response", "request", "revisit", "resource"):
        yield f"the {record.type} has no WARC-Target-URI"
    if not _is_date(record.field("WARC-Date")):
        yield "WARC-Date is no date in UTC"
    filename = f"{reading.segment.rpartition('/')[2]}.warc.gz"
    if record.offset == 0 and record.type != "warcinfo":
        yield "the first record is no warcinfo"
    elif record.offset == 0 and record.field("WARC-Filename") not in (None, filename):
        yield f"the file was written as {record.field('WARC-Filename')}; give it that name again"
    elif record.offset > 0 and reading.warcinfo_id not in (None, record.field("WARC-Warcinfo-ID")):
        yield "WARC-Warcinfo-ID does not name the first record of the file"


def _is_date(text: str | None) -> bool:
    try:
        parse_date(text or "")
    except ValueError:
        return False
    return True


class _Digest:
    """A digest field, and the bytes it is a digest of. One of an algorithm unknown here fits everything."""

    def __init__(self, name: str, field: str | None) -> None:
        self.name = name
        self._field = field or ""
        self._algorithm, self._colon, self._stored = self._field.partition(":")
        known = self._algorithm.lower().replace("-", "")
        self._hash = hashlib.new(known, usedforsecurity=False) if known in _ALGORITHMS else None

    def update(self, data: bytes | memoryview) -> None:
        """Add bytes."""
        if self._hash is not None:
            self._hash.update(data)

    def fault(self) -> str | None:
        """Return how the digest differs from that of the bytes; ``None`` where it fits, or there is none."""
        if self._field and not self._colon:
            return f"it is {self._field}"
        if self._hash is None:
            return None
        computed = base64.b32encode(self._hash.digest()).decode("ascii").rstrip("=")
        if self._stored.upper().rstrip("=") in (computed, self._hash.hexdigest().upper()):
            return None
        return f"it is {self._field}, that of the bytes {self._algorithm}:{computed}"


_ALGORITHMS = ("sha1", "sha256", "sha384", "sha512", "md5")


class _Digests:
    """The digests of a record, computed from whatever is read of its block, by whomever."""

    def __init__(self, record: Record) -> None:
        self._block = _Digest("WARC-Block-Digest", record.field("WARC-Block-Digest"))
        is_own = record.type != "revisit"  # the payload of a revisit is elsewhere
        self._payload = _Digest("WARC-Payload-Digest", record.field("WARC-Payload-Digest") if is_own else None)
        is_http = (record.field("Content-Type") or "").lower().startswith("application/http")
        self._head: bytes | None = b"" if is_http else None
        """What has come of an HTTP head; ``None`` behind it."""
        self._dechunker: message.Dechunker | None = None
        read = record.read

        def read_and_digest(size: int = 1 << 16) -> bytes:
            data = read(size)
            self._add(data)
            return data

        record.read = read_and_digest  # type: ignore[method-assign]  # so that one reading serves all

    def faults(self) -> list[tuple[str, str]]:
        """Return the digests that do not fit, and why."""
        return [(digest.name, fault) for digest in (self._block, self._payload) if (fault := digest.fault())]

    def _add(self, data: bytes) -> None:
        self._block.update(data)
        if self._head is None:
            self._payload.update(self._dechunker.feed(data) if self._dechunker else data)
        elif len(self._head) < message.MAX_HEAD:  # a head that has not ended by then never ends: no payload
            self._end_head(self._head + data)

    def _end_head(self, start: bytes) -> None:
        end = message.head_end(start[: message.MAX_HEAD])
        self._head = start if end is None else None
        if end is not None:
            self._dechunker = message.Dechunker() if message.is_chunked(message.parse_head(start[:end])) else None
            body = start[end:]
            self._payload.update(self._dechunker.feed(body) if self._dechunker else body)
