"""Read the files beside the segments: crawl logs and ``archive.json``."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from typing import Any, BinaryIO

from storage.verify.findings import RESTORE
from storage.verify.survey import Survey

_CRAWL = re.compile(r"crawls/(.+)\.jsonl\.gz")


def read_crawl_logs(survey: Survey) -> None:
    """Check that the summary of each crawl log is its last line and adds up."""
    for match in survey.matching("crawls/", _CRAWL):
        key, crawl = match[0], match[1]
        with survey.reporting(key), survey.blobs.open(key) as stream:
            try:
                summary, outcomes = _count_outcomes(stream)
            except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, AttributeError, TypeError) as error:
                survey.note(key, f"not a whole crawl log; {RESTORE}", detail=f"{type(error).__name__}: {error}")
            else:
                _check_summary(survey, key, crawl, summary, outcomes)


def _count_outcomes(stream: BinaryIO) -> tuple[dict[str, Any] | None, Counter[str]]:
    """Return the summary a crawl log ends with, ``None`` where it has none, and what it has to say."""
    outcomes: Counter[str] = Counter()
    summary: dict[str, Any] | None = None
    with gzip.open(stream) as lines:
        for line in lines:
            if summary is not None:
                raise ValueError("lines follow the summary")
            attempt = json.loads(line)
            summary = attempt if attempt.get("summary") is True else None
            if summary is None:
                outcomes[attempt["outcome"]] += 1
    return summary, outcomes


def _check_summary(
    survey: Survey, key: str, crawl: str, summary: dict[str, Any] | None, outcomes: Counter[str]
) -> None:
    if summary is None:
        survey.note(key, f"the last line is no summary; {RESTORE}")
    elif summary.get("crawl") != crawl:
        survey.note(key, "this is the log of another crawl", detail=str(summary.get("crawl")))
    elif summary.get("attempts") != outcomes.total() or summary.get("outcomes") != dict(outcomes):
        counted = f"{outcomes.total()} attempts, {dict(sorted(outcomes.items()))}"
        survey.note(key, f"the summary does not count these lines; {RESTORE}", detail=f"they are {counted}")


def read_archive_json(survey: Survey) -> None:
    """Check that the archive says what it is."""
    key = "archive.json"
    with survey.reporting(key):
        try:
            known = json.loads(survey.blobs.read(key))
        except ValueError:
            known = None
        if not isinstance(known, dict) or type(known.get("format")) is not int or not known.get("id"):
            survey.note(key, f"it names no format and id; {RESTORE}")
