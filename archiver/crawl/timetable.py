"""Which site is crawled when: a heap of moments, so that a thousand sites cost no more than the one that is next.

Pure: it is told the time. A site whose crawl is queued or under way has no moment; when it is done it gets the next.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from archiver.crawl.pace import spread
from archiver.sites import Site

CATCH_UP = timedelta(minutes=15)
"""Over so long the crawls that were missed are spread after a time in which nothing ran."""


class Timetable:
    """The next crawl of each site that has a schedule."""

    def __init__(self, sites: Iterable[Site], last: Mapping[str, datetime], now: datetime) -> None:
        """`last` names when sites were last crawled.

        A site that is new is crawled at once. Crawls that were missed while nothing ran are made up for one by one,
        those that waited longest first, so that a restart is no stampede.
        """
        self._sites: dict[str, Site] = {}
        self._moments: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, int, str]] = []
        self._number = itertools.count()
        missed: list[tuple[datetime, Site]] = []
        for site in sites:
            if site.schedule is None:
                continue
            self._sites[site.name] = site
            moment = self._next(site, last[site.name]) if site.name in last else now
            if site.name in last and moment < now:
                missed.append((moment, site))
            else:
                self._put(site.name, moment)
        step = CATCH_UP / max(1, len(missed))
        for number, (_, site) in enumerate(sorted(missed, key=lambda each: each[0])):
            self._put(site.name, now + number * min(step, timedelta(seconds=1)))

    def __len__(self) -> int:
        return len(self._sites)

    def due(self, now: datetime) -> list[Site]:
        """Take out and return the sites whose moment has come, the latest due last."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            moment, _, name = heapq.heappop(self._heap)
            if self._moments.get(name) == moment:
                del self._moments[name]
                found.append(self._sites[name])
        return found

    def done(self, name: str, started: datetime) -> None:
        """Plan the next crawl of a site that was last begun then."""
        if (site := self._sites.get(name)) is not None:
            self._put(name, self._next(site, started))

    def next_moment(self) -> datetime | None:
        """Return when the next site is due; ``None`` when none ever is."""
        while self._heap and self._moments.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def moments(self) -> dict[str, datetime]:
        """Return the moments of all sites that are neither queued nor under way."""
        return dict(self._moments)

    def _put(self, name: str, moment: datetime) -> None:
        self._moments[name] = moment
        heapq.heappush(self._heap, (moment, next(self._number), name))

    @staticmethod
    def _next(site: Site, started: datetime) -> datetime:
        assert site.schedule is not None
        moment = site.schedule.next_after(started)
        if site.schedule.interval is None:
            return moment
        return started + spread(moment - started, site.name)  # sites added together drift apart
