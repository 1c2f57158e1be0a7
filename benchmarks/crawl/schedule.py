"""What it costs ``archiver run`` to keep its sites on schedule, the crawls themselves left out."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from archiver.archive import Archive
from archiver.crawl import daemon
from archiver.crawl.daemon import Daemon
from archiver.crawl.sites import load_sites
from storage.jobs import Jobs

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
CRAWLS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """What a daemon did in a stretch of simulated time."""

    sites: int
    hours: float
    crawls: int
    cpu: float
    """Seconds."""
    real_cpu: float
    """Share of one CPU that the daemon takes in real time while nothing is due."""

    @property
    def share(self) -> float:
        """Of one CPU, in simulated time."""
        return self.cpu / (self.hours * 3600)


class _Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class _NoCrawl:
    """In place of a crawl's process: it found nothing, and is done at the daemon's next look."""

    archive: Archive
    sites: Sequence[str]
    due: bool
    allow_private: bool
    sites_file: Path | None = None
    heard: Callable[..., None] | None = None
    began: float = field(default_factory=time.monotonic)
    failure: str = ""

    def __post_init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {site: Counter() for site in self.sites}
        self.summary: dict[str, Any] = {"documents": 1}

    def is_done(self) -> bool:
        return True

    def ended_well(self) -> bool:
        return True

    def ask_to_stop(self) -> None:
        """There is nothing to stop."""

    kill = ask_to_stop


def keep_schedule(sites: int, hours: float, *, waits: int = 10) -> Kept:
    """Run a daemon over so many sites, each crawled every quarter of an hour, second by simulated second.

    Then it waits so many times in real time.
    """
    clock = _Clock()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as place,
        patch.object(daemon, "SiteCrawl", _NoCrawl),
        patch("storage.jobs._now", clock),
    ):
        file = Path(place, "sites.toml")
        file.write_text(
            "".join(
                f'[[site]]\nname = "site-{number}"\nhomepage = "https://site-{number}.example/"\nschedule = "15m"\n\n'
                for number in range(sites)
            )
        )
        with Archive.open(f"{place}/archive", sites=str(file)) as archive:
            keeper = Daemon(archive, lambda: load_sites(file), processes=CRAWLS_AT_ONCE, now=clock)
            for _ in range(60):  # the first crawl of each, and what is done once
                _second(keeper, clock)
            began = time.process_time()
            for _ in range(int(hours * 3600)):
                _second(keeper, clock)
            cpu = time.process_time() - began
            idle = _real_share(keeper, waits)
            crawls = sum(Jobs(archive.index).counts().values())
            keeper._end()
    return Kept(sites, hours, crawls, cpu, idle)


def _second(keeper: Daemon, clock: _Clock) -> None:
    keeper._turn()
    clock.now += timedelta(seconds=1)


def _real_share(keeper: Daemon, waits: int) -> float:
    """Return the CPU a second of waiting takes, as :meth:`Daemon.run` waits."""
    wake = threading.Event()
    began, cpu = time.monotonic(), time.process_time()
    for _ in range(waits):
        keeper._turn()
        wake.wait(daemon.TICK)
    return (time.process_time() - cpu) / (time.monotonic() - began)
