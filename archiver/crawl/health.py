"""How sites are doing: whether what names their articles can be read, and whether anything new comes.

    health = Examiner(archive).examine(site)
    health.state, health.reason         "silent", "nothing new for 3 days, usually every 25 min"

All of it is in the index: the visits, the first captures of articles and the jobs. A site is silent when nothing new
came for three times its normal gap. Nights, weekends and holidays are no reason to worry, so a silence that is not
longer than half a day, or hardly longer than those the site has kept before, does not count; and what counts is the
time until the site was last looked at, so that a crawl that did not run makes no site silent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from archiver.crawl.pace import CONFIRMATIONS
from archiver.crawl.plan import utc_now
from storage.arrivals import Arrival, Arrivals
from storage.jobs import Jobs
from storage.visits import Visit, Visits

if TYPE_CHECKING:
    from archiver.archive import Archive
    from archiver.sites import Site

logger = logging.getLogger(__name__)

State = Literal["new", "ok", "silent", "failing"]
"""Never crawled; as it should be; nothing new for too long; its feeds, sitemaps and sections cannot be read."""

TIMES_THE_GAP = 3
SHORTEST_SILENCE = timedelta(hours=12)
SHORTEST_AT_FIRST = timedelta(days=3)
"""Until it is known how a site keeps its weekends."""
WEEKENDS = timedelta(days=15)
"""What has to be known of a site to have seen two of them."""
WITHOUT_GAP = timedelta(days=30)
"""After so long a site is silent whose normal gap is not known."""
LEAST = 5
"""Articles, and times at which any came, from which on a site has a normal gap."""
RECENT = 200
"""Articles whose gaps are looked at."""
TOGETHER = timedelta(minutes=2)
"""Articles that follow each other so closely are of one crawl; it is no gap of the site's."""
REMEMBERED = timedelta(days=35)
"""In which silences count as those a site keeps."""
USUAL_SILENCES = 3
"""So many silences of a length make it usual: a weekend each week, but not one holiday and one failure."""
FAILED_OFTEN = 3
"""Times in a row after which a document that the sites file names is missed."""
CRAWL = "crawl"
"""Kind of the jobs that crawl a site."""


@dataclass(frozen=True, slots=True)
class FailingDocument:
    """A feed, sitemap or section that could not be read at its last visits."""

    kind: str
    url: str
    failures: int
    """Times in a row."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a site's crawls."""

    site: str
    state: State
    reason: str | None
    """Why it is silent or failing, for people."""
    last: Arrival | None
    """The article that came last."""
    last_7_days: int
    """Articles that came."""
    last_30_days: int
    next_visit: datetime | None
    """When something is due next, or has been for longest; ``None`` when nothing ever is."""
    normal_gap: timedelta | None
    """Median of the times between new articles; ``None`` while too few have come."""
    failing: tuple[FailingDocument, ...]
    waiting: int
    """Pages that were discovered and not fetched yet."""
    gone: int
    """Pages that were not there any more at three visits."""

    @property
    def is_bad(self) -> bool:
        return self.state in ("silent", "failing")

    def to_json(self) -> dict[str, Any]:
        """Return what ``archiver sites list --json`` adds to the configuration."""
        return {
            "health": self.state,
            "reason": self.reason,
            "last_article": self.last and {"at": self.last.date.isoformat(), "title": self.last.title},
            "articles_7_days": self.last_7_days,
            "articles_30_days": self.last_30_days,
            "next_visit": self.next_visit and self.next_visit.isoformat(timespec="seconds"),
            "normal_gap": self.normal_gap and int(self.normal_gap.total_seconds()),
            "failing": [{"kind": each.kind, "url": each.url, "failures": each.failures} for each in self.failing],
            "waiting": self.waiting,
            "gone": self.gone,
        }


class Examiner:
    """Reads the health of sites out of an archive's index, some milliseconds for each."""

    def __init__(self, archive: Archive, *, now: Callable[[], datetime] = utc_now) -> None:
        self._arrivals = Arrivals(archive.index)
        self._visits = Visits(archive.index)
        self._jobs = Jobs(archive.index)
        self._now = now

    def examine(self, site: Site) -> Health:
        """Return the health of a site."""
        now, name = self._now(), site.name
        documents = self._visits.documents(name)
        last = self._arrivals.last(name)
        gap = normal_gap(self._arrivals.newest(name, RECENT)) if last else None
        state, reason = self._judge(site, documents, last, gap)
        week, month = self._arrivals.count(name, now - timedelta(days=7), now - timedelta(days=30))
        return Health(
            site=name,
            state=state,
            reason=reason,
            last=last,
            last_7_days=week,
            last_30_days=month,
            next_visit=self._visits.next_due(name),
            normal_gap=gap,
            failing=tuple(FailingDocument(each.kind, each.url, each.failures) for each in documents if each.failures),
            waiting=self._visits.waiting(name),
            gone=self._visits.missing(name, misses=len(CONFIRMATIONS) + 1),
        )

    def _judge(
        self, site: Site, documents: Sequence[Visit], last: Arrival | None, gap: timedelta | None
    ) -> tuple[State, str | None]:
        if (error := self._broke_off(site)) is not None:
            return "failing", f"its last crawl broke off: {error}"
        visited = [each for each in documents if each.visited]
        if not visited:
            return "new", None
        if (reason := _what_fails(site, visited)) is not None:
            return "failing", reason
        read = [each for each in visited if not each.failures] or visited
        looked = max(each.visited for each in read if each.visited)
        since = last.date if last else min(each.changed or looked for each in visited)
        silence = looked - since
        if silence <= TIMES_THE_GAP * (gap or WITHOUT_GAP / TIMES_THE_GAP) or silence <= self._bearable(site, looked):
            return "ok", None
        usually = f", usually every {in_words(gap)}" if gap else ""
        return "silent", f"nothing new for {in_words(silence)}{usually}"

    def _broke_off(self, site: Site) -> str | None:
        job = self._jobs.last_of(CRAWL, site.name)
        return str((job.result or {}).get("error", "")) if job is not None and job.state == "failed" else None

    def _bearable(self, site: Site, looked: datetime) -> timedelta:
        """Return how long a silence may be that the site has kept before."""
        hours = self._arrivals.hours(site.name, looked - REMEMBERED)
        silences = sorted((later - earlier for earlier, later in pairwise(hours)), reverse=True)
        usual = silences[USUAL_SILENCES - 1] * 1.25 if len(silences) >= USUAL_SILENCES else timedelta(0)
        is_known = bool(hours) and hours[-1] - hours[0] >= WEEKENDS
        return max(usual, SHORTEST_SILENCE if is_known else SHORTEST_AT_FIRST)


def normal_gap(newest: Sequence[datetime]) -> timedelta | None:
    """Return the median of the gaps between articles, given when they came, the last first."""
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(newest) if later - earlier > TOGETHER]
    return timedelta(seconds=median(gaps)) if len(gaps) >= LEAST - 1 else None


def _what_fails(site: Site, visited: Sequence[Visit]) -> str | None:
    """Return why a site counts as failing: it cannot be read at all, or not what its entry names."""
    failing = [each for each in visited if each.failures]
    if len(failing) == len(visited):
        worst = max(failing, key=lambda each: each.failures)
        if worst.failures > 1 or not any(each.changed for each in visited):
            return f"none of its feeds, sitemaps and sections can be read ({_failed(worst)})"
        return None
    named = {*(site.feeds or ()), *(site.sitemaps or ()), *(site.sections or ())}
    missed = next((each for each in failing if each.failures >= FAILED_OFTEN and each.url in named), None)
    return f"its sites file entry names what cannot be read ({_failed(missed)})" if missed is not None else None


def _failed(visit: Visit) -> str:
    return f"{visit.url} failed {'once' if visit.failures == 1 else f'{visit.failures} times in a row'}"


def in_words(time: timedelta) -> str:
    """Return a length of time as people say it.

    >>> in_words(timedelta(minutes=25)), in_words(timedelta(hours=40)), in_words(timedelta(days=12))
    ('25 min', '40 h', '12 days')
    """
    seconds = max(0, int(time.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 3 * 86400 else f"{seconds // 86400} days"


class Watch:
    """Tells of sites whose health changes: a warning when one becomes silent or failing, a line when it recovers."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner
        self.healths: dict[str, Health] = {}
        """As last seen, by site."""

    def look(self, sites: Iterable[Site]) -> None:
        """Examine sites and log what has changed."""
        for site in sites:
            before, health = self.healths.get(site.name), self._examiner.examine(site)
            self.healths[site.name] = health
            if health.is_bad and (before is None or before.state != health.state):
                logger.warning("%s is %s: %s", site.name, health.state, health.reason)
            elif before is not None and before.is_bad and not health.is_bad:
                logger.info("%s has recovered from being %s", site.name, before.state)

    def keep_only(self, sites: Iterable[str]) -> None:
        """Forget sites that are configured no more."""
        kept = set(sites)
        self.healths = {name: health for name, health in self.healths.items() if name in kept}
