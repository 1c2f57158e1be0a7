"""Archives pages with the page spider, as ``archiver save`` does. Run by ``benchmarks.crawl.bench``."""

from __future__ import annotations

import logging
import sys
from typing import Any

from archiver.archive import Archive
from archiver.crawl.attempt import Attempt
from archiver.crawl.run import project_settings, run_saves
from archiver.crawl.saves import SaveRequest
from benchmarks.crawl.bare import SETTINGS
from benchmarks.crawl.site import path_of


def main(origin: str, pages: int, directory: str) -> None:
    """Print how many pages of the site became articles with a text, and how many bytes that left behind."""
    logging.getLogger().setLevel(logging.WARNING)
    requests = [SaveRequest(origin + path_of(number)) for number in range(pages)]
    read: list[str] = []

    def report(attempt: Attempt, job: Any) -> None:
        read.extend([attempt.url] if attempt.outcome == "saved" and attempt.title else [])

    with Archive.open(directory) as archive:
        settings = project_settings(ARCHIVER_ALLOW_PRIVATE=True, **SETTINGS)
        failure = run_saves(archive, requests, report, settings=settings)
        if failure:
            raise failure
        print(len(set(read)), sum(map(archive.blobs.size, archive.blobs.keys())))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
