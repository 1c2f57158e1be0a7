"""``archiver save``."""

from __future__ import annotations

import logging
import os
import re
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.cli.output import one_line, opened, print_json
from archiver.errors import BadRequest

if TYPE_CHECKING:
    from archiver.crawl.attempt import Attempt

GOOD = ("saved", "unchanged", "paywalled", "not_article")
"""Outcomes with which a save has done what it was asked: the page as it is, is kept."""
NONE = {"saved": 0, "failed": 0, "known": 0}
"""The requisites of a page that has none, or was not fetched."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def save(options: Namespace) -> int:
    """Save every URL named; 0 if each of them is kept as it should be, else 1."""
    urls = [*options.urls, *_urls_in(options.from_file)]
    if not urls:
        raise BadRequest("no URL to save; write `archiver save https://example.com/story`, or use --from-file")
    age = parse_age(options.if_older_than) if options.if_older_than else None

    from archiver.crawl.run import project_settings, run_saves
    from archiver.crawl.saves import SaveRequest

    settings = project_settings(
        ARCHIVER_ALLOW_PRIVATE=options.allow_private or None,
        ARCHIVER_WAIT_FOR_UPLOAD=True,
        ARCHIVER_REQUISITES=options.requisites or None,
        DOWNLOAD_DELAY=options.delay,
    )
    with opened(options, create=True) as archive, _Reporter(options, len(urls)) as reporter:
        requests = [SaveRequest(url, age) for url in urls]
        failure = run_saves(archive, requests, reporter.report, settings=settings, interrupted=say_stopping)
    if failure is not None:
        raise failure
    return reporter.conclude()


def parse_age(text: str) -> timedelta:
    """Return an age such as ``30m``, ``12h``, ``3d 5h`` or plain seconds; raises :class:`BadRequest`.

    >>> parse_age("1h 30m")
    datetime.timedelta(seconds=5400)
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", text)
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", "", text).strip():
        raise BadRequest(f"{text!r} is no age; write 30m, 12h, 7d or a number of seconds")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit or "s"] for number, unit in parts))
    except OverflowError:
        raise BadRequest(f"{text!r} is longer than any archive; write 30m, 12h or 7d") from None


def _urls_in(name: str | None) -> list[str]:
    if name is None:
        return []
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadRequest(f"{name} cannot be read ({reason}); --from-file wants a text file, one URL a line") from None
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def say_stopping() -> None:
    """Written past Python's buffers, because a signal may come while they are in use."""
    os.write(2, b"archiver: stopping; pages under way are finished first, Ctrl-C again leaves at once\n")


class _Reporter:
    """Prints one line per attempt, and a bar when there are many and somebody looks."""

    def __init__(self, options: Namespace, total: int) -> None:
        self._options, self._total = options, total
        self._outcomes: Counter[str] = Counter()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Reporter:
        if self._total > 1 and sys.stderr.isatty() and not self._options.quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            columns = ("saving", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, attempt: Attempt, job: Any) -> None:
        """Print an attempt that is accounted for."""
        self._outcomes[attempt.outcome] += 1
        if self._options.json:
            line = attempt.to_json()
            print_json({"requisites": NONE, **line} if self._options.requisites else line)
        else:
            print(describe(attempt), flush=True)
        if self._bar is not None:
            self._bar.advance(self._task)

    def conclude(self) -> int:
        """Print the sum and return the exit code."""
        done = self._outcomes.total()
        if done < self._total:
            left = f"{self._total - done} of {self._total} URLs were not tried"
            print(f"archiver: interrupted; {left}, everything reported as saved is kept", file=sys.stderr)
            return 130
        if self._total > 1 and not self._options.quiet and not self._options.json:
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))
            print(f"{self._total} URLs: {counts}; kept in {self._options.archive}", file=sys.stderr)
        logging.getLogger(__name__).info("outcomes: %s", dict(self._outcomes))
        return 0 if all(outcome in GOOD for outcome in self._outcomes) else 1


def describe(attempt: Attempt) -> str:
    """Return the line for people: outcome, URL, and its title or why there is none."""
    version = f" (version {attempt.version})" if attempt.version else ""
    what = f'"{attempt.title}"{version}' if attempt.outcome in ("saved", "unchanged") and attempt.title else ""
    why = "" if what else "; ".join(attempt.evidence)
    line = f"{attempt.outcome:<11} {attempt.url}  {what or why}".rstrip()
    return one_line(f"{line}, {describe_requisites(attempt.requisites)}" if attempt.requisites else line)


def describe_requisites(counts: Mapping[str, int]) -> str:
    """Say how many requisites were gathered.

    >>> describe_requisites({"saved": 3, "known": 12, "failed": 1})
    '3 requisites saved, 12 held already, 1 failed'
    """
    said = [f"{counts['saved']} requisites saved"]
    said += [f"{counts['known']} held already"] if counts["known"] else []
    said += [f"{counts['failed']} failed"] if counts["failed"] else []
    return ", ".join(said)
