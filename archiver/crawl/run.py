"""Run a spider in this process, from the command line or a worker: once, because a reactor runs only once."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from types import FrameType
from typing import Any

from scrapy import Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.settings import Settings
from scrapy.utils.project import get_project_settings

from archiver import settings as defaults
from archiver.archive import Archive
from archiver.crawl.attempt import Attempt, attempt_finished
from archiver.crawl.recorder import Recorder, lend_archive
from archiver.crawl.saves import SaveRequest
from archiver.errors import ArchiveError, BadRequest

Report = Callable[[Attempt, Any], None]
"""Called with every page attempt that is accounted for, and the job it was asked for under."""


def project_settings(**overrides: Any) -> Settings:
    """Return the project's settings wherever the command is run, with `overrides` above them; ``None`` is none.

    Raises :class:`archiver.errors.BadRequest` for a value that makes no sense, which came from the environment.
    """
    settings = get_project_settings() if "SCRAPY_SETTINGS_MODULE" in os.environ else Settings()
    if not settings.get("ARCHIVER_ARCHIVE"):
        settings.setmodule(defaults, priority="project")
    for name, value in overrides.items():
        if value is not None:
            settings.set(name, value, priority="cmdline")
    for name in _NUMBERS:
        _check_number(settings, name)
    return settings


_NUMBERS = (
    "ARCHIVER_MAX_CAPTURE",
    "ARCHIVER_SEGMENT_BYTES",
    "ARCHIVER_SEGMENT_AGE",
    "ARCHIVER_LONGEST_CRAWL_DELAY",
    "ARCHIVER_LONGEST_REST",
    "ARCHIVER_READERS",
    "ARCHIVER_READ_SECONDS",
    "ARCHIVER_REQUISITES_PER_PAGE",
    "ARCHIVER_REQUISITE_BYTES",
    "ARCHIVER_REQUISITES_SECONDS",
    "DOWNLOAD_TIMEOUT",
    "DOWNLOAD_MAXSIZE",
)


def _check_number(settings: Settings, name: str) -> None:
    try:
        if settings.getfloat(name) >= 0:
            return
    except (TypeError, ValueError):
        pass
    raise BadRequest(f"{name} is {settings.get(name)!r}, it has to be a number; docs/settings.md explains it")


def run_saves(
    archive: Archive,
    requests: Iterable[SaveRequest] | AsyncIterator[SaveRequest],
    report: Report,
    *,
    settings: Settings,
    handles_signals: bool = True,
    interrupted: Callable[[], None] = lambda: None,
) -> ArchiveError | None:
    """Save every requested page; otherwise as :class:`SpiderRun`."""
    spider = SpiderRun(archive, "page", report, settings=settings)
    return spider.run(handles_signals=handles_signals, interrupted=interrupted, requests=requests)


class SpiderRun:
    """One run of a spider that writes into an archive that is open already."""

    def __init__(self, archive: Archive, name: str, report: Report, *, settings: Settings) -> None:
        """`report` is told of each page as it is durable."""
        lend_archive(archive)
        settings.set("ARCHIVER_ARCHIVE", archive.location, priority="cmdline")
        settings.set("LOG_INSTALL_ROOT_HANDLER", False, priority="cmdline")
        self._process = AsyncCrawlerProcess(settings)
        self._crawler = self._process.create_crawler(name)

        def told(attempt: Attempt, job: Any) -> None:
            report(attempt, job)

        self._told = told  # signals hold their receivers weakly
        self._crawler.signals.connect(told, attempt_finished)

    @property
    def spider(self) -> Spider | None:
        """The spider; ``None`` before it starts."""
        return self._crawler.spider

    def run(
        self,
        *,
        handles_signals: bool = True,
        interrupted: Callable[[], None] = lambda: None,
        **arguments: Any,
    ) -> ArchiveError | None:
        """Run to the end; return what kept a segment in the spool.

        With `handles_signals`, the first SIGINT lets what is under way come to its end, after a call of `interrupted`
        from the signal handler; the second leaves at once. `arguments` are the spider's.
        """
        self._process.crawl(self._crawler, **arguments)
        if handles_signals:
            _announce_interrupt(interrupted)
        self._process.start(install_signal_handlers=handles_signals)
        return Recorder.of(self._crawler).failure


def _announce_interrupt(interrupted: Callable[[], None]) -> None:
    """Once the reactor runs, put `interrupted` in front of what Scrapy does at the first SIGINT."""
    from twisted.internet import reactor

    def install() -> None:
        stop = signal.getsignal(signal.SIGINT)

        def announce(number: int, frame: FrameType | None) -> None:
            interrupted()
            if callable(stop):
                stop(number, frame)

        signal.signal(signal.SIGINT, announce)

    reactor.callWhenRunning(reactor.callLater, 0, install)  # Scrapy installs its handler when the reactor starts
