"""The archive as most people need it: open it, save into it, read snapshots out of it."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin

from archiver.article import Article
from archiver.errors import ArchiveError, BadRequest, KeyNotFound, NewerFormat, NoArchive, NotArchived
from storage import message
from storage.articles import unpack_article
from storage.blobs import Blobs, open_blobs
from storage.cdx import ArticleEntry, Entry
from storage.crawls import recover_crawls
from storage.errors import DamagedRecord, KeyExists
from storage.index import Index
from storage.recovery import Recovered, recover_segments, stale_journals
from storage.segment import OPEN, articles_key, warc_key
from storage.sync import Progress, rebuild_index, sync_index
from storage.urls import urlkey
from storage.warc import Record, parse_date, read_record, read_records

if TYPE_CHECKING:
    from types import TracebackType

    from archiver.extract import Page
    from archiver.reextract import Reextraction
    from archiver.sites import Sites
    from storage.verify import Verification

FORMAT = 1
"""Version of the archive's layout; ``archive.json`` names it."""
SITES_FILE = "sites.toml"
"""The sites file that is read when none is named."""
MAX_BODY = 1 << 28
"""Most bytes a decoded body may have when it is read back (256 MiB): a bomb stays a bomb in the archive."""

MAX_COMPANIONS = 1 << 20
"""Bytes behind a response within which its request and metadata records lie."""
AS_ARTICLE = ("saved", "unchanged")
"""Outcomes under which the text may stand for the article; behind a paywall it is a teaser."""
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10

Match = Literal["exact", "prefix", "host", "domain"]

_DATE = re.compile(r"[0-9]{4}[0-9T:. Z+-]*")
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")  # of an archive; it becomes the name of a folder


@dataclass(frozen=True)
class Snapshot:
    """A capture found again. Its bytes and its article are read when they are first asked for."""

    archive: Archive
    entry: Entry

    @property
    def url(self) -> str:
        """The URL as it was requested."""
        return self.entry.url

    @property
    def timestamp(self) -> str:
        """14 digits, UTC."""
        return self.entry.timestamp

    @property
    def date(self) -> datetime:
        """When the request began, aware UTC, to the second."""
        return datetime.strptime(self.entry.timestamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)

    @property
    def status(self) -> int | None:
        """HTTP status; ``None`` where the answer had none that can be read."""
        return self.entry.status

    @property
    def outcome(self) -> str | None:
        """What reading the capture came to; ``None`` for captures nobody reads, such as redirects and robots.txt."""
        return self._article_entry.outcome if self._article_entry else None

    @cached_property
    def article(self) -> Article | None:
        """The article read from this capture, whatever its outcome; ``None`` where nothing was to be read."""
        located = self._article_entry
        return self.archive.read_article(located) if located else None

    @cached_property
    def _article_entry(self) -> ArticleEntry | None:
        found = self.archive.index.articles([self.entry])
        return found.get((self.entry.segment, self.entry.offset))

    @cached_property
    def head(self) -> message.Head:
        """The response head as received; a revisit has its own."""
        return message.parse_head(self.head_bytes)

    @property
    def head_bytes(self) -> bytes:
        """Status line and header fields byte for byte, with the empty line."""
        return self._block[: message.head_end(self._block) or len(self._block)]

    @cached_property
    def payload(self) -> bytes:
        """The body without its transfer coding, content coding kept; of a revisit, the original's."""
        if self.entry.is_revisit:
            return self.archive.resolve(self).payload
        end = message.head_end(self._block)
        if end is None:
            return b""
        chunked = message.is_chunked(self.head)
        return b"".join(map(bytes, message.payload_of([self._block[end:]], chunked=chunked)))

    def body(self, *, limit: int = MAX_BODY) -> bytes:
        """Return the payload with its content coding undone; raises ``message.ContentTooLarge`` beyond `limit`."""
        is_304 = self.entry.is_revisit and self.entry.payload_digest is None  # whose head says nothing of a body
        head = self.archive.resolve(self).head if is_304 else self.head
        return message.decode_content(self.payload, message.content_codings(head), limit=limit)

    def record_bytes(self) -> bytes:
        """Return the exchange as it lies in the WARC file: response or revisit, request and metadata, gzipped."""
        return self.archive.read_exchange(self.entry)

    @cached_property
    def _block(self) -> bytes:
        return b"".join(self.archive.read_record(self.entry).block())

    def to_json(self) -> dict[str, Any]:
        """Return the facts of the listing: what ``archiver snapshots --json`` prints."""
        return {
            "url": self.url,
            "timestamp": self.timestamp,
            "status": self.status,
            "mime": self.entry.mime,
            "digest": self.entry.payload_digest,
            "outcome": self.outcome,
            "title": self._article_entry.title if self._article_entry else None,
            "version": self._article_entry.version if self._article_entry else None,
            "warc": {
                "file": warc_key(self.entry.segment),
                "offset": self.entry.offset,
                "length": self.entry.length,
            },
        }


class Archive:
    """An archive in a directory or a bucket. Thread-safe."""

    def __init__(
        self, blobs: Blobs, spool: Path, index: Index, *, archive_id: str, sites_file: Path | None = None
    ) -> None:
        self.blobs, self.spool, self.index = blobs, spool, index
        self.id = archive_id
        self.sites_file = sites_file
        """Where :attr:`sites` come from, besides those in code."""
        self.recovered: list[Recovered] = []
        """Segments that a killed process had left open and that opening this archive has finished."""

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str] = "./archive",
        *,
        create: bool = True,
        sites: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Archive:
        """Open the archive at `location`, a directory or ``s3://bucket/prefix``.

        What a killed process left behind is recovered, and the index brought up to date; `progress` is told how far
        that has come. `sites` names the sites file; without it that of ``ARCHIVER_SITES``, or ``./sites.toml`` if it is
        there. Raises :class:`NoArchive` when there is none and `create` is false, :class:`NewerFormat` when it
        was made by a newer version.
        """
        sites_file = find_sites_file(sites)
        blobs = open_blobs(os.fspath(location))
        archive_id = _identify(blobs, create=create)
        spool = _spool_of(blobs, archive_id)
        index = Index.open(_index_path(blobs, archive_id))
        archive = cls(blobs, spool, index, archive_id=archive_id, sites_file=sites_file)
        archive.recover()
        sync_index(blobs, index, progress=progress)
        return archive

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop what works for this archive in the background and let go of the index."""
        from archiver.crawl.worker import stop_worker

        stop_worker(self)
        self.index.close()

    @cached_property
    def sites(self) -> Sites:
        """The configured sites, read when they are first needed; raises :class:`archiver.errors.BadSites`."""
        from archiver.crawl.sites import load_sites

        return load_sites(self.sites_file)

    @property
    def location(self) -> str:
        """The place as the user named it."""
        return self.blobs.location

    def save(self, url: str, *, allow_private: bool = False, if_older_than: timedelta | None = None) -> Snapshot:
        """Fetch `url` now, store every exchange, read the article; return the snapshot once it is durable.

        A page that is blocked, paywalled or empty is a snapshot too, named so by its ``outcome``. Raises
        :class:`archiver.errors.SaveFailed` when there is nothing to return.
        """
        from archiver.crawl.worker import save

        return save(self, url, allow_private=allow_private, if_older_than=if_older_than)

    def snapshots(
        self, url: str, *, match: Match = "exact", since: str | None = None, until: str | None = None
    ) -> list[Snapshot]:
        """Return the snapshots of `url`, oldest first.

        `since` and `until` are inclusive: dates such as ``2019-02-07`` or timestamps of 4 to 14 digits.
        """
        entries = self.index.captures(
            url, match=match, since=_bound(since) if since else None, until=_bound(until) if until else None
        )
        return [Snapshot(self, entry) for entry in entries]

    def snapshot(self, url: str, *, at: str | datetime | None = None) -> Snapshot:
        """Return the snapshot of `url` nearest to `at`, the newest without it; raises :class:`NotArchived`.

        A day means its noon, a month its middle: the nearest snapshot is one of that day if there is any.
        """
        entry = self.index.nearest(url, instant(at)) if at else self.index.latest(url)
        if entry is None:
            raise NotArchived(url)
        return Snapshot(self, entry)

    def find_article(self, url: str, *, at: str | datetime | None = None) -> Snapshot:
        """Return the snapshot nearest to `at` that is an article, the newest without it.

        Redirects are followed inside the archive. Where none is an article, the nearest snapshot is returned, of the
        page a redirect led to, whose outcome says why; raises :class:`NotArchived` when there is none at all.
        """
        fallback = self.snapshot(url, at=at)
        moment = datetime.strptime(instant(at), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if at else datetime.now(UTC)
        for place in self.redirects_of(url, at=at):
            by_distance = sorted(self.snapshots(place), key=lambda each: abs(each.date - moment))
            for snapshot in by_distance:
                if snapshot.outcome in AS_ARTICLE:
                    return snapshot
            fallback = next((each for each in by_distance if each.outcome), fallback)
        return fallback

    def redirects_of(self, url: str, *, at: str | datetime | None = None) -> Iterator[str]:
        """Yield `url` and the URLs its redirects led to at the time, as far as the archive knows."""
        for _ in range(MAX_REDIRECTS):
            yield url
            try:
                snapshot = self.snapshot(url, at=at)
                location = snapshot.head.value(b"Location") if snapshot.status in REDIRECTS else None
            except ArchiveError:
                return
            if location is None:
                return
            try:
                url, at = urljoin(snapshot.url, location.decode("latin-1")), snapshot.date
            except ValueError:  # it leads nowhere
                return

    def resolve(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot that holds the payload of a revisit, any other snapshot itself."""
        if not snapshot.entry.is_revisit:
            return snapshot
        record = self.read_record(snapshot.entry)
        url, date = record.field("WARC-Refers-To-Target-URI"), record.field("WARC-Refers-To-Date")
        if url and date:
            timestamp = parse_date(date).strftime("%Y%m%d%H%M%S")
            for entry in self.index.captures(url, since=timestamp, until=timestamp):
                if not entry.is_revisit and entry.payload_digest in (snapshot.entry.payload_digest, None):
                    return Snapshot(self, entry)
                if not entry.is_revisit and snapshot.entry.payload_digest is None:
                    return Snapshot(self, entry)
        for entry in self.index.originals(snapshot.entry.payload_digest or "", final_only=False, limit=1):
            return Snapshot(self, entry)
        raise DamagedRecord(
            f"{warc_key(snapshot.entry.segment)}: the revisit at offset {snapshot.entry.offset} refers to a capture of "
            f"{url} that is not in this archive; add the WARC file that holds it and run `archiver reindex`"
        )

    def verify(self, *, progress: Progress | None = None) -> Verification:
        """Check every digest, gzip member and reference, and the index against the files."""
        from storage.verify import verify_archive

        return verify_archive(self.blobs, self.spool, self.index, progress=progress)

    def reindex(self, *, from_warc: bool = False, progress: Progress | None = None) -> int:
        """Rebuild the index from the segments; return how many there are.

        With `from_warc` their CDXJ files are made anew too, from the WARC files, which is slower.
        """
        self.recover()
        return rebuild_index(self.blobs, self.index, from_warc=from_warc, progress=progress)

    def reextract(
        self,
        *,
        site: str | None = None,
        since: str | None = None,
        until: str | None = None,
        urls: Iterable[str] = (),
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Reextraction:
        """Read articles again from their WARC files, where another extractor than today's has read them.

        New articles files are written beside the old. Without a filter every article counts; `since` and `until` are
        as in :meth:`snapshots`. An interrupted call is continued by the next one; a second one does nothing.
        """
        from archiver.reextract import Selection, reextract

        between = (_bound(since) if since else None, _bound(until) if until else None)
        selection = Selection(site, *between, frozenset(map(urlkey, urls)))
        return reextract(self, selection, workers=workers, progress=progress)

    def recover(self) -> list[Recovered]:
        """Finish what killed processes left open; done by :meth:`open` already."""
        found: list[Recovered] = []
        if any(stale_journals(self.spool)):
            found = self._recover_segments()
        recover_crawls(self.blobs, self.spool)
        self.recovered += found
        return found

    def read_member(self, entry: Entry) -> bytes:
        """Return the gzip member of a capture's record, from its final place or from the spool."""
        return self._read(warc_key(entry.segment), entry.offset, entry.length)

    def read_exchange(self, entry: Entry) -> bytes:
        """Return the gzip members of a capture's record and of those written with it."""
        member, behind = self.read_member(entry), entry.offset + entry.length
        key = warc_key(entry.segment)
        rest = self._read(key, behind, MAX_COMPANIONS)
        end = 0
        with suppress(DamagedRecord):  # the read ends inside some later record
            for record in read_records(io.BytesIO(rest), key):
                if record.type not in ("request", "metadata"):
                    break
                end = record.offset + record.finish()
        return member + rest[:end]

    def read_record(self, entry: Entry) -> Record:
        """Return the record of a capture, its block unread."""
        return read_record(self.read_member(entry), warc_key(entry.segment), entry.offset)

    def read_article(self, located: ArticleEntry) -> Article:
        """Return the article that lies at an index entry."""
        key = articles_key(located.segment, located.revision)
        member = self._read(key, located.offset, located.length)
        return Article.from_json(unpack_article(member, key, located.offset))

    def _read(self, key: str, offset: int, length: int) -> bytes:
        try:
            return self.blobs.read(key, offset, length)
        except KeyNotFound:
            try:
                with (self.spool / (key + OPEN)).open("rb") as file:
                    file.seek(offset)
                    return file.read(length)
            except FileNotFoundError:
                return self.blobs.read(key, offset, length)  # finalised between the two looks, or really gone

    def _recover_segments(self) -> list[Recovered]:
        from archiver.crawl.readers import Readers
        from archiver.reading import article_of_snapshot
        from archiver.rights import as_permitted

        readers = Readers(1)  # in a process of its own: a page may be what killed the other one

        def read_page(page: Page) -> Article:
            return as_permitted(readers.read_and_wait(page), self.sites.of(page.url))

        def read(entry: Entry, warc: Path) -> dict[str, object]:
            return article_of_snapshot(self, Snapshot(self, entry), read=read_page).to_json()

        try:
            return recover_segments(self.blobs, self.spool, self.index, read_article=read)
        finally:
            readers.close()


def instant(at: str | datetime) -> str:
    """Return the 14 digits that `at` means: a date or timestamp cut short means the middle of what it names.

    >>> instant("2019-02-07")
    '20190207120000'
    >>> instant("2019-02-07T18:21:00+01:00")
    '20190207172100'
    """
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y%m%d%H%M%S")
    digits = at.strip()
    if not digits.isdigit():
        try:
            parsed = datetime.fromisoformat(digits)
        except ValueError:
            digits = digits.replace("-", "")
        else:
            if len(at.strip()) > 10:
                return instant(parsed)
            digits = parsed.strftime("%Y%m%d")
    middle = {4: "0701000000", 6: "15120000", 8: "120000", 10: "3000", 12: "30", 14: ""}
    full = digits + middle.get(len(digits), "?")
    try:
        if not _DATE.fullmatch(at.strip()):
            raise ValueError
        datetime.strptime(full, "%Y%m%d%H%M%S")
    except ValueError:
        raise BadRequest(f"{at!r} is no date; write 2019-02-07, 2019-02-07T18:21 or 20190207182100") from None
    return full


def _bound(date: str) -> str:
    moment, digits = instant(date), re.sub(r"[-T: ]", "", date.strip())
    return digits if digits.isdigit() else moment  # what names an offset or a fraction is as long as it can be


def find_sites_file(named: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the sites file: the one named, else ``ARCHIVER_SITES``, else ``./sites.toml`` if there is one.

    Raises :class:`archiver.errors.BadRequest` when one is named that is not there.
    """
    wanted = named or os.environ.get("ARCHIVER_SITES")
    path = Path(wanted or SITES_FILE)
    if path.is_file():
        return path
    if wanted:
        raise BadRequest(f"there is no sites file {path}; docs/sites.md says how one is written")
    return None


def _identify(blobs: Blobs, *, create: bool) -> str:
    """Return the id in ``archive.json``, writing that file for a new archive."""
    try:
        known = json.loads(blobs.read("archive.json"))
    except KeyNotFound:
        if not create:
            raise NoArchive(
                f"there is no archive at {blobs.location}; `archiver save URL` makes one, --archive names another"
            ) from None
        blobs.check(write=True)
        made = {"format": FORMAT, "id": str(uuid.uuid4()), "created": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            blobs.put("archive.json", json.dumps(made).encode() + b"\n")
        except KeyExists:  # somebody else was faster
            return _identify(blobs, create=False)
        return str(made["id"])
    except ValueError:
        raise NewerFormat(f"archive.json at {blobs.location} cannot be read; restore it from a backup") from None
    version = known.get("format") if isinstance(known, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise NewerFormat(
            f"the archive at {blobs.location} has format {version}, this version of archiver reads up to {FORMAT}; "
            "install a newer one"
        )
    if not isinstance(version, int) or not _ID.fullmatch(str(known.get("id", ""))):
        raise NewerFormat(f"archive.json at {blobs.location} cannot be read; restore it from a backup")
    return str(known["id"])


def _spool_of(blobs: Blobs, archive_id: str) -> Path:
    if blobs.local is not None:
        return blobs.local
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    default = state / "article-archiver"
    return Path(os.environ.get("ARCHIVER_SPOOL") or default) / archive_id / socket.gethostname()


def set_aside_index(location: str | os.PathLike[str]) -> Path:
    """Rename an index that cannot be used, so that a new one can be made, and return its new path."""
    blobs = open_blobs(os.fspath(location))
    path = _index_path(blobs, _identify(blobs, create=False))
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{path}.damaged{ending}")
    return Path(f"{path}.damaged")


def _index_path(blobs: Blobs, archive_id: str) -> Path:
    if blobs.local is not None:
        return blobs.local / "index.sqlite3"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "article-archiver" / archive_id / "index.sqlite3"
