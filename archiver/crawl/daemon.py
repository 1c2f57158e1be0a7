"""``archiver run``: crawls every site on its schedule and saves what is queued, until it is told to stop.

What is to be done are jobs in the index, so nothing that was asked for is lost with the process. Each crawl runs in a
process of its own; when more sites are due than processes allowed, a process takes several. Saves share one process
that stays. All of them read a copy of the sites file as it last was without mistakes.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.crawl.health import CRAWL, Examiner, Watch
from archiver.crawl.metrics import Metrics
from archiver.crawl.site_job import SiteCrawl
from archiver.crawl.timetable import Timetable
from archiver.crawl.worker import SaveWorker, WorkerGone
from archiver.errors import ArchiveError, BadRequest
from archiver.sites import Site, Sites, site_host
from storage.jobs import MOST_ATTEMPTS, Job, Jobs
from storage.visits import Visits

if TYPE_CHECKING:
    from archiver.archive import Archive

logger = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at queue and timetable."""
HEARTBEAT = timedelta(seconds=15)
UPKEEP = timedelta(minutes=10)
"""Between two looks at what interrupted processes may have left behind, and at the health of all sites."""
MOST_SITES = 20
"""Sites one process crawls when there are too few processes for all that are due."""
MOST_SAVES = 16
OFTEN = timedelta(hours=1)
"""A site that is crawled more often than this does not fetch all its feeds and sitemaps each time."""
SAVE = "save"


class DaemonRuns(ArchiveError):
    """Another daemon works on this archive already."""


@dataclass(slots=True)
class _Running:
    crawl: SiteCrawl
    jobs: list[Job]


class Daemon:
    """The scheduler and worker of one archive on this machine."""

    def __init__(
        self,
        archive: Archive,
        load_sites: Callable[[], Sites],
        *,
        processes: int,
        allow_private: bool = False,
        metrics: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`metrics` is where they are served, as ``HOST:PORT``."""
        self._archive = archive
        self._load_sites = load_sites
        self._jobs = Jobs(archive.index)
        self._visits = Visits(archive.index)
        self._processes = processes
        self._allow_private = allow_private
        self._now = now
        self._machine = f"{socket.gethostname()}/"
        self._name = f"{self._machine}{os.getpid()}"
        self._wake = threading.Event()
        self._is_stopping = self._ends_at_once = False
        self._running: list[_Running] = []
        self._saving: dict[str, Future[None]] = {}
        self._saver: SaveWorker | None = None
        self._threads = ThreadPoolExecutor(MOST_SAVES, thread_name_prefix="save")
        self._outcomes: Counter[str] = Counter()
        self._sites_state: object = None
        self._sites_seen: object = None
        self._sites_file: Path | None = None
        self._watch = Watch(Examiner(archive, now=now))
        self._metrics_address = metrics
        self._metrics = Metrics()
        self._table = Timetable((), {}, now())
        self._names: dict[str, Site] = {}
        self._unseen: set[str] = set()  # sites whose entry is new, or another than at their last crawl
        self._last_heartbeat = self._last_upkeep = now()

    def run(self) -> None:
        """Work until :meth:`stop` is called, then let what is under way come to its end."""
        with claim_archive(self._archive):
            self._jobs.rescue(worker=self._machine)  # whoever had them held the lock that is ours now
            self._plan_sites()
            with ExitStack() as stack:
                if self._metrics_address:
                    served = self._metrics.served(
                        self._metrics_address, self._jobs.waiting, lambda: self._watch.healths
                    )
                    logger.info("metrics at %s", stack.enter_context(served))
                stack.callback(self._end)
                logger.info("%d sites on schedule, at most %d crawls at once", len(self._table), self._processes)
                while not (self._is_stopping and not self._running and not self._saving):
                    self._turn()
                    self._wake.wait(TICK)
                    self._wake.clear()

    def stop(self, *, at_once: bool = False) -> None:
        """Ask for an end; safe to call from a signal handler. `at_once` leaves the pages under way unfinished."""
        # Nothing but this: a signal comes while a crawl is being started, or while the lock of an event is held.
        self._is_stopping = True
        self._ends_at_once = at_once

    def _turn(self) -> None:
        now = self._now()
        self._collect()
        if self._is_stopping:
            self._end_what_runs()
        else:
            self._plan_sites()
            for site in self._table.due(now):
                if self._has_nothing_due(site, now):
                    self._table.done(site.name, now)
                    continue
                self._unseen.discard(site.name)
                lock = site_host(site.homepage)
                self._jobs.put(CRAWL, site.name, {"due": is_often(site)}, lock=lock, priority=10, due=now, once=True)
            self._start_crawls(now)
            self._start_saves(now)
        if now - self._last_heartbeat >= HEARTBEAT:
            self._last_heartbeat = now
            for job in [*(job.id for each in self._running for job in each.jobs), *self._saving]:
                self._jobs.touch(job, self._name)
        if now - self._last_upkeep >= UPKEEP:
            self._last_upkeep = now
            self._jobs.rescue()
            self._jobs.sweep()
            self._archive.recover()
            self._watch.look(self._scheduled())

    def _has_nothing_due(self, site: Site, now: datetime) -> bool:
        """Tell whether a crawl would fetch nothing; to start its process costs a second of CPU."""
        if not is_often(site) or site.name in self._unseen:
            return False
        due = self._visits.next_due(site.name)
        return due is not None and due > now

    def _end_what_runs(self) -> None:
        for running in self._running:
            running.crawl.kill() if self._ends_at_once else running.crawl.ask_to_stop()
        if self._ends_at_once and self._saver is not None:
            self._saver.kill()

    def _plan_sites(self) -> None:
        """Read the sites file if it was changed; one with mistakes is told of and leaves everything as it was."""
        state = _state_of(self._archive.sites_file)
        is_settled, self._sites_seen = state == self._sites_seen, state
        if state == self._sites_state or not (is_settled or self._sites_state is None):
            return  # an editor may be in the middle of writing it
        is_first, self._sites_state = self._sites_state is None, state
        try:
            sites = list(self._load_sites())
        except ArchiveError as error:
            if is_first:
                raise
            logger.error("the sites file has mistakes, so the one before stays in force: %s", error)
            return
        self._sites_file = copy_sites_file(self._archive)
        self._unseen |= {site.name for site in sites if self._names.get(site.name) != site}
        self._names = {site.name: site for site in sites}
        self._table = Timetable(sites, self._jobs.last_started(CRAWL), self._now())
        self._watch.keep_only(site.name for site in self._scheduled())
        self._watch.look(self._scheduled())
        if not is_first:
            logger.info("the sites file was changed: %d sites on schedule", len(self._table))
            self._retire_saver()

    def _scheduled(self) -> list[Site]:
        return [site for site in self._names.values() if site.schedule is not None]

    # Crawls

    def _start_crawls(self, now: datetime) -> None:
        while (free := self._processes - len(self._running)) > 0:
            job = self._jobs.claim(self._name, [CRAWL], now=now)
            if job is None:
                return
            batch = [job]
            if job.attempts == 1:
                waiting = sum(each.state == "queued" and each.due <= now for each in self._jobs.waiting(CRAWL))
                size = min(MOST_SITES, 1 + waiting // free)
                while len(batch) < size and (more := self._jobs.claim(self._name, [CRAWL], now=now)) is not None:
                    batch.append(more)
            self._start_crawl(batch)

    def _start_crawl(self, batch: Sequence[Job]) -> None:
        known = [job for job in batch if job.subject in self._names]
        for job in batch:
            if job not in known:
                self._jobs.finish(job.id, {"error": "the site is not in the sites file any more"}, failed=True)
        for due in (True, False):
            jobs = [job for job in known if bool(job.arguments.get("due")) == due]
            if jobs:
                sites = [job.subject for job in jobs]
                crawl = SiteCrawl(
                    self._archive,
                    sites,
                    due=due,
                    allow_private=self._allow_private,
                    sites_file=self._sites_file,
                    heard=self._metrics.page,
                )
                self._running.append(_Running(crawl, jobs))
                for job in jobs:
                    self._metrics.crawl_began(job)

    def _collect(self) -> None:
        for running in [each for each in self._running if each.crawl.is_done()]:
            self._running.remove(running)
            crawl = running.crawl
            self._metrics.process_ended(time.monotonic() - crawl.began)
            for job in running.jobs:
                outcomes = crawl.outcomes.get(job.subject, Counter())
                self._outcomes += outcomes
                if crawl.ended_well():
                    self._jobs.finish(job.id, {"outcomes": dict(outcomes), "lists": crawl.summary["documents"]})
                    self._metrics.crawl_ended(job.subject, "done")
                    logger.info("crawl of %s: %s", job.subject, _in_words(outcomes))
                elif self._is_stopping:
                    self._jobs.give_back(job.id, counts=False)
                elif job.attempts < MOST_ATTEMPTS:
                    logger.error("crawl of %s: %s; it is tried again", job.subject, crawl.failure)
                    self._jobs.give_back(job.id, due=self._now() + timedelta(minutes=job.attempts))
                    continue
                else:
                    logger.error("crawl of %s: %s", job.subject, crawl.failure)
                    self._jobs.finish(job.id, {"error": crawl.failure}, failed=True)
                    self._metrics.crawl_ended(job.subject, "failed")
                if (site := self._names.get(job.subject)) is not None:
                    self._watch.look([site])
                self._table.done(job.subject, job.started or self._now())
        for identifier in [each for each, future in self._saving.items() if future.done()]:
            del self._saving[identifier]

    # Saves

    def _start_saves(self, now: datetime) -> None:
        while len(self._saving) < MOST_SAVES:
            job = self._jobs.claim(self._name, [SAVE], now=now)
            if job is None:
                return
            self._saving[job.id] = self._threads.submit(self._save, job)

    def _save(self, job: Job) -> None:
        seconds = job.arguments.get("if_older_than")
        try:
            age = None if seconds is None else timedelta(seconds=seconds)
            answer = self._ask_to_save(job.subject, age)
            self._jobs.finish(job.id, answer, failed=answer["outcome"] in ("failed", "refused"))
            self._metrics.save_ended(answer["outcome"])
            logger.info("save of %s: %s", job.subject, answer["outcome"])
        except ArchiveError as error:
            if self._ends_at_once:
                self._jobs.give_back(job.id, counts=False)
                return
            logger.error("save of %s: %s", job.subject, error)
            if job.attempts < MOST_ATTEMPTS:
                self._jobs.give_back(job.id, due=self._now() + timedelta(seconds=10 * job.attempts))
            else:
                self._jobs.finish(job.id, {"error": str(error)}, failed=True)
        except Exception as error:
            logger.exception("save of %s", job.subject)
            self._jobs.finish(job.id, {"error": f"{type(error).__name__}: {error}"}, failed=True)
        finally:
            self._wake.set()

    def _ask_to_save(self, url: str, age: timedelta | None) -> dict[str, Any]:
        try:
            return self._save_worker().save(url, age)
        except WorkerGone:  # it was retired just now
            return self._save_worker().save(url, age)

    _saver_lock = threading.Lock()

    def _save_worker(self) -> SaveWorker:
        with self._saver_lock:
            if self._saver is None or not self._saver.is_alive():
                self._saver = SaveWorker(
                    self._archive.location, allow_private=self._allow_private, sites_file=self._sites_file
                )
            return self._saver

    def _retire_saver(self) -> None:
        """Let the save process end when it has done what it took; the next save starts one that knows the new sites."""
        with self._saver_lock:
            retired, self._saver = self._saver, None
        if retired is not None:
            self._threads.submit(retired.stop)

    def _end(self) -> None:
        for running in self._running:
            running.crawl.kill()
        self._threads.shutdown()
        if self._saver is not None:
            self._saver.stop()
        self._jobs.rescue(worker=self._name)
        logger.info("stopped after %s", _in_words(self._outcomes))


def copy_sites_file(archive: Archive) -> Path | None:
    """Copy the sites file beside the index, for the processes of the daemon; return where, ``None`` without one.

    They must not see it half edited, when its mistakes would stop every crawl.
    """
    if archive.sites_file is None:
        return None
    copy = archive.index.path.with_name("run.sites.toml")
    new = copy.with_suffix(".new")
    new.write_bytes(archive.sites_file.read_bytes())
    new.replace(copy)
    return copy


@contextmanager
def claim_archive(archive: Archive) -> Iterator[None]:
    """Be the only daemon of an archive's index; raises :class:`DaemonRuns`."""
    path = lock_path(archive)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            about = read_lock(archive) or {}
            raise DaemonRuns(
                f"`archiver run` works on this archive already (process {about.get('pid', 'unknown')}, since "
                f"{about.get('started', 'unknown')}); stop that one first"
            ) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "started": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}).encode())
        file.flush()
        yield


def lock_path(archive: Archive) -> Path:
    return archive.index.path.with_name("run.lock")


def read_lock(archive: Archive) -> dict[str, Any] | None:
    """Return process and start of the daemon that runs; ``None`` when none does."""
    try:
        with lock_path(archive).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                about: dict[str, Any] = json.loads(file.read() or b"{}")
                return about
    except (FileNotFoundError, ValueError):
        pass
    return None


def handle_signals(daemon: Daemon) -> None:
    """Let SIGTERM and SIGINT end a daemon: the first lets pages finish, the second does not."""

    def stop(number: int, frame: object) -> None:
        os.write(
            2, b"archiver: ending at once\n" if stopped else b"archiver: stopping; pages under way are finished first\n"
        )
        daemon.stop(at_once=bool(stopped))
        stopped.append(number)

    stopped: list[int] = []
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def check_schedules(sites: Sites) -> None:
    """Raise :class:`BadRequest` when there is nothing that could ever be due."""
    if not any(site.schedule for site in sites):
        raise BadRequest(
            'no site has a schedule; write schedule = "15m" into the sites file, or `archiver sites add URL`'
        )


def is_often(site: Site) -> bool:
    """Tell whether crawls of a site fetch only the feeds and sitemaps that are due."""
    interval = site.schedule.interval if site.schedule else None
    return interval is not None and interval < OFTEN


def _in_words(outcomes: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())) or "nothing new"


def _state_of(path: Path | None) -> object:
    try:
        found = path.stat() if path else None
    except OSError:
        return "missing"
    return (found.st_mtime_ns, found.st_size) if found else "none"
