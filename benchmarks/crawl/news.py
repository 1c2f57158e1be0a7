"""Crawls a news site as ``archiver crawl`` does. Run by ``benchmarks.crawl``."""

from __future__ import annotations

import logging
import sys
from typing import Any

from archiver.archive import Archive
from archiver.crawl.attempt import Attempt
from archiver.crawl.run import SpiderRun, project_settings
from archiver.sites import Site
from benchmarks.crawl.bare import SETTINGS


def main(origin: str, directory: str) -> None:
    """Print how many pages of the site became articles with a text, and how many bytes that left behind."""
    logging.getLogger().setLevel(logging.WARNING)
    read: set[str] = set()

    def report(attempt: Attempt, job: Any) -> None:
        if attempt.outcome == "saved" and attempt.title:
            read.add(attempt.url)

    site = Site(homepage=f"{origin}/", concurrency=SETTINGS["CONCURRENT_REQUESTS_PER_DOMAIN"])
    with Archive.open(directory) as archive:
        run = SpiderRun(
            archive, "news", report, settings=project_settings(ARCHIVER_ALLOW_PRIVATE=True, DOWNLOAD_DELAY=0)
        )
        if failure := run.run(sites=[site]):
            raise failure
        print(len(read), sum(map(archive.blobs.size, archive.blobs.keys())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
