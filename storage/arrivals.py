"""When articles of a site came into the archive: the first capture of each, found through an index of their table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from storage.database import Database

SCHEMA = (
    """CREATE INDEX articles_of_site ON articles (site, timestamp, version, outcome, url_id)
        WHERE site IS NOT NULL""",
)
# A paywalled page stays `paywalled` at every visit, so its first capture is that before which there is none. Of a
# capture that was read several times, the first reading counts; nearly all are answered by the index alone.
_FIRST = """site = ? AND version = 1 AND (outcome = 'saved' OR outcome = 'paywalled' AND NOT EXISTS
        (SELECT 1 FROM articles AS earlier WHERE earlier.url_id = articles.url_id
        AND earlier.timestamp < articles.timestamp))
    AND (revision = 1 OR NOT EXISTS (SELECT 1 FROM articles AS earlier WHERE earlier.segment_id = articles.segment_id
        AND earlier.capture_offset = articles.capture_offset AND earlier.revision < articles.revision
        AND earlier.site = articles.site AND earlier.version = 1 AND earlier.outcome IN ('saved', 'paywalled')))"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The first capture of an article."""

    date: datetime
    """Aware, UTC."""
    title: str | None


class Arrivals:
    """The first captures of an archive's articles. As safe to share between threads as the index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, site: str) -> Arrival | None:
        """Return the article of a site that came last; ``None`` when there is none."""
        question = f"SELECT timestamp, title FROM articles WHERE {_FIRST} ORDER BY timestamp DESC LIMIT 1"
        with self._database.reading() as db:
            row = db.execute(question, (site,)).fetchone()
        return None if row is None else Arrival(_date(row[0]), row[1])

    def newest(self, site: str, limit: int) -> list[datetime]:
        """Return when the newest articles of a site came, the last first."""
        question = f"SELECT timestamp FROM articles WHERE {_FIRST} ORDER BY timestamp DESC LIMIT ?"
        with self._database.reading() as db:
            return [_date(moment) for (moment,) in db.execute(question, (site, limit))]

    def hours(self, site: str, since: datetime) -> list[datetime]:
        """Return the hours since then in which anything new came, the oldest first."""
        question = f"SELECT DISTINCT timestamp / 10000 FROM articles WHERE {_FIRST} AND timestamp >= ? ORDER BY 1"
        with self._database.reading() as db:
            return [_date(hour * 10000) for (hour,) in db.execute(question, (site, _moment(since)))]

    def count(self, site: str, *since: datetime) -> list[int]:
        """Return how many articles came since each of these dates."""
        sums = ", ".join("coalesce(sum(timestamp >= ?), 0)" for _ in since)
        question = f"SELECT {sums} FROM articles WHERE {_FIRST} AND timestamp >= ?"
        moments = [_moment(date) for date in since]
        with self._database.reading() as db:
            return list(db.execute(question, (*moments, site, min(moments))).fetchone())


def _moment(date: datetime) -> int:
    return int(date.astimezone(UTC).strftime("%Y%m%d%H%M%S"))


def _date(moment: int) -> datetime:
    rest, second = divmod(moment, 100)
    rest, minute = divmod(rest, 100)
    rest, hour = divmod(rest, 100)
    rest, day = divmod(rest, 100)
    year, month = divmod(rest, 100)
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
