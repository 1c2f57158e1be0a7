"""The daemon under a clock that the test sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.archive import Archive
from archiver.crawl.daemon import Daemon
from archiver.crawl.sites import load_sites
from tests.cli.test_crawl import feed, page, wait_for
from tests.wirelog import WireLog

STORY = "/2026/11/22/the-harbour-wall-held-through-the-night"
SITES = """
[[site]]
name = "paper"
homepage = "{url}/"
feeds = ["/feed"]
sections = []
sitemaps = []
schedule = "1m"
{more}
[[site]]
name = "clock"
homepage = "{url}/clock/"
feeds = ["/clock/feed"]
sections = []
sitemaps = []
schedule = "* * * * *"
"""


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def running(daemon: Daemon) -> Iterator[None]:
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield
    finally:
        daemon.stop(at_once=True)
        thread.join()


def crawls(archive: Archive, site: str) -> int:
    """How many crawls of a site have come to their end."""
    question = "SELECT count(*) FROM jobs WHERE kind = 'crawl' AND subject = ? AND state = 'done'"
    with archive.index.reading() as db:
        (number,) = db.execute(question, (site,)).fetchone()
    return int(number)


def test_no_process_is_started_for_a_site_of_which_nothing_is_due(server: WireLog, tmp_path: Path) -> None:
    server.page(STORY, page("The wall"))
    for path in ("/feed", "/clock/feed"):
        server.page(path, feed(server.http, STORY), content_type="application/rss+xml")
    sites = tmp_path / "sites.toml"
    sites.write_text(SITES.format(url=server.http, more=""))
    clock = Clock()
    with Archive.open(tmp_path / "archive", sites=sites) as archive:
        daemon = Daemon(archive, lambda: load_sites(sites), processes=2, allow_private=True, now=clock)
        with running(daemon):
            wait_for(lambda: (crawls(archive, "paper"), crawls(archive, "clock")) == (1, 1))
            clock.now += timedelta(minutes=3)
            wait_for(lambda: crawls(archive, "clock") == 2)
            assert crawls(archive, "paper") == 1, "its feed is due in an hour"
            sites.write_text(SITES.format(url=server.http, more="delay = 0"))
            wait_for(lambda: crawls(archive, "paper") == 2)  # whose entry has changed
            clock.now += timedelta(hours=2)
            wait_for(lambda: crawls(archive, "paper") == 3)  # whose feed is due
