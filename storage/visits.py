"""What a scheduled crawl has seen and when it will look again: a table of the index, so that nothing else remembers.

A row stands for a page, feed, sitemap or section that was discovered, under a key that the crawl chooses; rows cost
some 200 bytes. Losing them, as `archiver reindex` does, loses no capture: what the archive holds of a page says when
it was visited and what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal

from storage.database import Database

Kind = Literal["article", "alias", "feed", "sitemap", "section"]
"""An alias is another URL of an article, seen but never due."""

SCHEMA = (
    """CREATE TABLE visits (
        key TEXT PRIMARY KEY, url TEXT NOT NULL, site TEXT NOT NULL, kind TEXT NOT NULL, due REAL, visited REAL,
        changed REAL, step INTEGER NOT NULL, misses INTEGER NOT NULL, failures INTEGER NOT NULL, interval REAL,
        etag TEXT, last_modified TEXT, trust INTEGER NOT NULL, found TEXT) WITHOUT ROWID""",
    "CREATE INDEX visits_due ON visits (site, due) WHERE due IS NOT NULL",
    "CREATE INDEX visits_documents ON visits (site) WHERE kind IN ('feed', 'sitemap', 'section')",
    "CREATE INDEX visits_waiting ON visits (site, due) WHERE kind = 'article' AND visited IS NULL AND due IS NOT NULL",
    "CREATE INDEX visits_missing ON visits (site, misses) WHERE misses > 0",
)
_COLUMNS = """key, url, site, kind, due, visited, changed, step, misses, failures, interval,
    etag, last_modified, trust, found"""
_PUT = f"INSERT OR REPLACE INTO visits ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"
_AT_ONCE = 500
"""Keys asked for in one question."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a page stands: when it was last visited, what came of it, and when its turn comes."""

    key: str
    url: str
    site: str
    kind: Kind
    due: datetime | None = None
    """Aware; ``None`` is never."""
    visited: datetime | None = None
    """Aware; ``None`` when it was only discovered."""
    changed: datetime | None = None
    """When another text, or something new to fetch, was last found there."""
    step: int = 0
    misses: int = 0
    failures: int = 0
    interval: float | None = None
    """Seconds, of what is fetched for its links."""
    etag: str | None = None
    last_modified: str | None = None
    trust: int = 0
    """How often the server's validators have told the truth; negative once they have not."""
    found: str | None = None
    """What led to a page that was not visited yet, as the crawl wrote it down."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due on a site."""

    site: str
    count: int
    first: datetime
    """When the first of it was or comes due, aware."""


class Visits:
    """The visits of one archive. As safe to share between threads as the index it lies in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, visits: Iterable[Visit]) -> None:
        """Add visits, or replace those with the same key, in one transaction."""
        rows = [_row(visit) for visit in visits]
        if rows:
            with self._database.writing() as db:
                db.executemany(_PUT, rows)

    def get(self, keys: Iterable[str]) -> dict[str, Visit]:
        """Return the visits with these keys, as far as there are any."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Visit] = {}
        with self._database.reading() as db:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                question = f"SELECT {_COLUMNS} FROM visits WHERE key IN ({', '.join('?' * len(part))})"
                found.update((row[0], _visit(row)) for row in db.execute(question, part))
        return found

    def due(self, site: str, moment: datetime, *, kinds: Sequence[Kind], new: bool, limit: int = -1) -> list[Visit]:
        """Return what is due on a site at `moment`, that which has waited longest first.

        With `new`, only what was never visited, else only what was.
        """
        question = f"""SELECT {_COLUMNS} FROM visits WHERE site = ? AND due <= ? AND (visited IS NULL) = ?
            AND kind IN ({", ".join("?" * len(kinds))}) ORDER BY due, key LIMIT ?"""
        with self._database.reading() as db:
            rows = db.execute(question, (site, moment.timestamp(), new, *kinds, limit)).fetchall()
        return list(map(_visit, rows))

    def of_site(self, site: str, kinds: Sequence[Kind] = ()) -> Iterator[Visit]:
        """Yield the visits of a site, of these kinds only if any are named, by key."""
        chosen = f"AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        question = f"SELECT {_COLUMNS} FROM visits WHERE site = ? {chosen} ORDER BY key"
        with self._database.reading() as db, closing(db.execute(question, (site, *kinds))) as rows:
            yield from map(_visit, rows)

    def documents(self, site: str) -> list[Visit]:
        """Return the feeds, sitemaps and sections of a site, by key."""
        question = f"""SELECT {_COLUMNS} FROM visits
            WHERE site = ? AND kind IN ('feed', 'sitemap', 'section') ORDER BY key"""
        with self._database.reading() as db:
            return list(map(_visit, db.execute(question, (site,))))

    def waiting(self, site: str) -> int:
        """Return how many pages of a site were discovered and never visited."""
        question = """SELECT count(*) FROM visits
            WHERE site = ? AND kind = 'article' AND visited IS NULL AND due IS NOT NULL"""
        return self._number(question, (site,))

    def missing(self, site: str, *, misses: int) -> int:
        """Return how many pages of a site were missing at so many visits in a row, or more."""
        return self._number("SELECT count(*) FROM visits WHERE site = ? AND misses > 0 AND misses >= ?", (site, misses))

    def _number(self, question: str, values: Sequence[object]) -> int:
        with self._database.reading() as db:
            (number,) = db.execute(question, values).fetchone()
        return int(number)

    def due_by_site(self, sites: Iterable[str], moment: datetime, *, limit: int = 1000) -> dict[str, Due]:
        """Return, for each of these sites that has anything due at `moment`, since when, and how much up to `limit`."""
        question = """SELECT count(*), min(due) FROM
            (SELECT due FROM visits WHERE site = ? AND due <= ? ORDER BY due LIMIT ?)"""
        found: dict[str, Due] = {}
        with self._database.reading() as db:
            for site in sites:
                count, first = db.execute(question, (site, moment.timestamp(), limit)).fetchone()
                if count:
                    found[site] = Due(site, count, _date(first))
        return found

    def next_due(self, site: str) -> datetime | None:
        """Return when something of a site is due next, or has been for longest; ``None`` when nothing ever is."""
        with self._database.reading() as db:
            question = "SELECT min(due) FROM visits WHERE site = ? AND due IS NOT NULL"
            (first,) = db.execute(question, (site,)).fetchone()
        return None if first is None else _date(first)

    def forget(self, site: str) -> int:
        """Remove all visits of a site; return how many."""
        with self._database.writing() as db:
            return db.execute("DELETE FROM visits WHERE site = ?", (site,)).rowcount


_DATES = range(4, 7)
"""Columns that hold seconds since 1970."""


_values = attrgetter(*(field.name for field in fields(Visit)))


def _row(visit: Visit) -> list[object]:
    values = list(_values(visit))
    for column in _DATES:
        values[column] = None if values[column] is None else _seconds(values[column])
    return values


def _visit(row: tuple[Any, ...]) -> Visit:
    values = list(row)
    for column in _DATES:
        values[column] = None if row[column] is None else _date(row[column])
    return Visit(*values)


def _seconds(date: datetime) -> float:
    if date.tzinfo is None:
        raise ValueError(f"{date} has no time zone")
    return date.timestamp()


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
