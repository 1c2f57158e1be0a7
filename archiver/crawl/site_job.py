"""Crawls of sites in a process of their own: a crash, a leak or a hang of one harms no other and not the daemon.

The parent names the sites on the command line, hears of every page in a JSON line, and asks for an end by closing
standard input, which also happens when it dies: no crawl outlives its daemon for longer than the pages under way.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.errors import ArchiveError

if TYPE_CHECKING:
    from archiver.archive import Archive
    from archiver.crawl.attempt import Attempt

LONGEST = 3600
"""Seconds after which a crawl on schedule ends; what is left is due at the next."""


class SiteCrawl:
    """The parent's side of one crawl process."""

    def __init__(
        self,
        archive: Archive,
        sites: Sequence[str],
        *,
        due: bool,
        allow_private: bool,
        sites_file: Path | None,
        heard: Callable[[str, str, int | None], None] = lambda site, outcome, version: None,
    ) -> None:
        """`heard` is told of each page: site, outcome and version; from a thread."""
        command = [sys.executable, "-m", "archiver.crawl.site_job", archive.location]
        command += [word for site in sites for word in ("--site", site)]
        command += ["--sites", str(sites_file)] if sites_file else []
        command += [*(["--due"] if due else []), *(["--allow-private"] if allow_private else [])]
        self.began = time.monotonic()
        self.outcomes: dict[str, Counter[str]] = {site: Counter() for site in sites}
        """Of the pages so far, by site."""
        self.summary: dict[str, Any] = {}
        """What the process said at its end; empty when it said nothing, so died."""
        self.failure = ""
        self._heard = heard
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._listener = threading.Thread(target=self._listen, name="site-crawl", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_done(self) -> bool:
        """Whether the process has ended and all it said was heard."""
        return self._process.poll() is not None and not self._listener.is_alive()

    def ask_to_stop(self) -> None:
        """Let it finish the pages under way."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def kill(self) -> None:
        """End it now; what it reported is kept."""
        self._process.kill()

    def ended_well(self) -> bool:
        """Whether it came to its end by itself or because it was asked to."""
        return self._process.poll() == 0 and bool(self.summary)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "failure" in message:
                self.failure = message["failure"]
            elif "summary" in message:
                self.summary = message["summary"]
            else:
                self.outcomes.setdefault(message["site"], Counter())[message["outcome"]] += 1
                self._heard(message["site"], message["outcome"], message["version"])
        self._process.wait()
        if not self.failure and self._process.returncode:
            self.failure = f"its process died ({self._process.returncode})"


def main() -> int:
    """Crawl the sites named on the command line."""
    from archiver.archive import Archive
    from archiver.crawl.run import SpiderRun, project_settings
    from archiver.logs import set_up_logs

    parser = argparse.ArgumentParser(description="Crawl sites for another process (JSON lines out).")
    parser.add_argument("archive")
    parser.add_argument("--site", action="append", required=True)
    parser.add_argument("--sites")
    parser.add_argument("--due", action="store_true")
    parser.add_argument("--allow-private", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle, until the crawl runs
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints to standard output must not end up among the lines
    set_up_logs(verbose=False)

    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent is gone, and the end of standard input stops us
            out.write(json.dumps(message).encode() + b"\n")

    def report(attempt: Attempt, job: Any) -> None:
        tell({"site": job.site.name, "url": attempt.url, "outcome": attempt.outcome, "version": attempt.version})

    try:
        with Archive.open(options.archive, sites=options.sites) as archive:
            sites = [archive.sites.named(name) for name in options.site]
            settings = project_settings(
                ARCHIVER_ALLOW_PRIVATE=options.allow_private or None, CLOSESPIDER_TIMEOUT=LONGEST
            )
            run = SpiderRun(archive, "news", report, settings=settings)
            threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
            failure = run.run(sites=sites, due=options.due)
            progress = getattr(run.spider, "progress", None)
            if progress is not None:
                tell({"summary": progress.to_json()})
            if failure is not None:
                raise failure
    except ArchiveError as error:
        tell({"failure": str(error)})
        return 1
    return 0


def _stop_at_end_of_input() -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock this thread would still hold when the process ends
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # Scrapy's handler lets pages finish


if __name__ == "__main__":
    sys.exit(main())
