"""Saves on demand: what is asked for, and whether the archive has it already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from archiver.crawl.attempt import Attempt

if TYPE_CHECKING:
    from archiver.archive import Archive

GOOD_ENOUGH = ("saved", "unchanged", "paywalled", "not_article")
"""Outcomes after which a page need not be fetched again for a while."""


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """A page somebody asked for; `job` comes back with its outcome."""

    url: str
    if_older_than: timedelta | None = None
    """A capture not older than this is good enough."""
    job: Any = None


def known_attempt(archive: Archive, url: str, if_older_than: timedelta) -> Attempt | None:
    """Return the attempt to report when `url` was archived recently enough, else ``None``."""
    oldest = (datetime.now(UTC) - if_older_than).strftime("%Y%m%d%H%M%S")
    for place in archive.redirects_of(url):
        captured = archive.snapshots(place, since=oldest)
        if not captured:  # a redirect that is too old may lead elsewhere by now
            return None
        recent = [each for each in captured if each.outcome in GOOD_ENOUGH]
        snapshot = recent[-1] if recent else None
        article = snapshot.article if snapshot else None
        if snapshot is not None and article is not None and article.warc is not None:
            facts = snapshot.to_json()
            return Attempt(
                url,
                "unchanged",
                (f"archived at {snapshot.date:%Y-%m-%d %H:%M:%S} UTC already",),
                final_url=snapshot.url,
                timestamp=snapshot.timestamp,
                status=snapshot.status,
                title=article.title,
                version=article.version,
                warc={**facts["warc"], "record_id": article.warc.record_id, "payload_digest": facts["digest"]},
            )
    return None
