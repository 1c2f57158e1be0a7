"""``archiver crawl``."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from archiver.cli.output import one_line, opened, print_json, print_table
from archiver.cli.save import describe, describe_requisites, say_stopping
from archiver.errors import BadRequest

if TYPE_CHECKING:
    from archiver.archive import Archive
    from archiver.crawl.attempt import Attempt
    from archiver.crawl.health import Health
    from archiver.crawl.run import SpiderRun
    from archiver.crawl.site_spider import SiteSpider
    from archiver.sites import Site

SUMMARY = {
    "saved": "new, or another text than before",
    "unchanged": "the text known",
    "paywalled": "shown in part only",
    "gone": "not there any more, or never was",
    "not_article": "pages that are no article",
    "blocked": "refused to us",
    "robots": "forbidden by robots.txt, or reserved by the publisher",
    "consent": "a consent wall instead of the page",
    "empty": "nothing to read",
    "refused": "addresses that may not be reached",
    "failed": "no usable answer",
}


def crawl(options: Namespace) -> int:
    """Crawl sites once; 0 when anything could be read, 1 when nothing could, 130 when interrupted."""
    from archiver.crawl.health import Examiner
    from archiver.crawl.run import SpiderRun, project_settings

    since = _date(options.since) if options.since else None
    settings = project_settings(
        ARCHIVER_ALLOW_PRIVATE=options.allow_private or None,
        ARCHIVER_WAIT_FOR_UPLOAD=False,
        ARCHIVER_REQUISITES=options.requisites or None,
        ARCHIVER_OBEY_OPT_OUT=options.obey_opt_out or None,
        DOWNLOAD_DELAY=options.delay,
    )
    with opened(options, create=True) as archive:
        sites = _sites(archive, options)
        with _Reporter(options) as reporter:
            run = reporter.run = SpiderRun(archive, "news", reporter.report, settings=settings)
            failure = run.run(
                interrupted=reporter.stop,
                sites=sites,
                since=since,
                max_articles=options.max_articles,
                due=options.due,
            )
        if failure is not None:
            raise failure
        return reporter.conclude([health for site in sites if (health := Examiner(archive).examine(site)).is_bad])


def _sites(archive: Archive, options: Namespace) -> list[Site]:
    from archiver.sites import Site
    from archiver.urls import check_url

    sites = [archive.sites.named(name) for name in options.site]
    for url in options.url or ():
        homepage = check_url(url)
        sites.append(archive.sites.of(homepage) or Site(homepage=homepage))
    if not sites:
        sites = [site for site in archive.sites if site.line is not None]
    if not sites:
        raise BadRequest("no site to crawl; write `archiver crawl --url https://example.com/`, or make a sites.toml")
    return list({site.name: site for site in sites}.values())


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text if len(text) > 7 else f"{text}-01" if len(text) == 7 else f"{text}-01-01")
    except ValueError:
        raise BadRequest(f"{text!r} is no date; write 2019, 2019-02 or 2019-02-07") from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


class _Reporter:
    """Prints a line per page, a moving line while somebody looks, and a table in the end."""

    run: SpiderRun

    def __init__(self, options: Namespace) -> None:
        self._options = options
        self._outcomes: Counter[str] = Counter()
        self._changed = 0
        self._began = time.monotonic()
        self._status: Any = None
        self._is_stopping = False

    def __enter__(self) -> _Reporter:
        if sys.stderr.isatty() and not self._options.quiet:
            from rich.console import Console

            self._status = Console(stderr=True).status("looking for articles ...")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def stop(self) -> None:
        """Say that Ctrl-C was heard."""
        self._is_stopping = True
        say_stopping()

    def report(self, attempt: Attempt, job: Any) -> None:
        """Print an attempt that is accounted for."""
        self._outcomes[attempt.outcome] += 1
        self._changed += attempt.outcome == "saved" and (attempt.version or 1) > 1
        if self._options.json:
            print_json(attempt.to_json())
        elif not self._options.quiet:
            print(describe(attempt), flush=True)
        if self._status is not None:
            self._status.update(self._line())

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._began, 0.001)
        pages, progress = self._outcomes.total(), self._spider.progress
        left = max(0, progress.found - pages)
        rate = pages / seconds
        rest = f", about {_duration(left / rate)} left" if left and pages > 5 else ""
        return (
            f"{pages} pages ({self._outcomes['saved']} saved, {self._changed} changed, {self._outcomes['failed']} "
            f"failed), {progress.documents} lists read, {rate:.1f} pages/s{rest}"
        )

    @property
    def _spider(self) -> SiteSpider:
        return self.run.spider  # type: ignore[return-value]  # the one it was made with

    def conclude(self, unwell: Sequence[Health]) -> int:
        """Print the sum, and the sites that are silent or failing, and return the exit code."""
        progress = self._spider.progress
        if not self._options.quiet and not self._options.json:
            print(file=sys.stderr)
            self._print_summary()
            for health in unwell:
                print(one_line(f"{health.site} is {health.state}: {health.reason}"), file=sys.stderr)
        for url, reason in progress.failed_documents.items():
            print(f"archiver: {one_line(url)} could not be read: {one_line(reason)}", file=sys.stderr)
        if self._is_stopping:
            print("archiver: interrupted; the next crawl goes on where this one was", file=sys.stderr)
            return 130
        return 0 if progress.documents or self._outcomes else 1

    def _requisites(self) -> dict[str, int]:
        """Return how many requisites were gathered; empty when none were asked for."""
        stats = self._spider.crawler.stats
        counts = {how: stats.get_value(f"requisites/{how}", 0) for how in ("saved", "known", "failed")}
        return counts if any(counts.values()) else {}

    def _print_summary(self) -> None:
        progress = self._spider.progress
        rows = [
            (outcome, self._outcomes[outcome], what) for outcome, what in SUMMARY.items() if self._outcomes[outcome]
        ]
        if rows:
            print_table(("outcome", "pages", "which are"), rows, file=sys.stderr)
        said = [f"{progress.documents} feeds, sitemaps and sections read"]
        if not rows:
            said.insert(0, "nothing new, nothing due")
        if self._changed:
            said.append(f"{self._changed} articles changed")
        if requisites := self._requisites():
            said.append(describe_requisites(requisites))
        if progress.older:
            said.append(f"{progress.older} old entries left out (--since takes them)")
        seconds = _duration(time.monotonic() - self._began)
        print(f"{'; '.join(said)}; {seconds}; kept in {self._options.archive}", file=sys.stderr)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
