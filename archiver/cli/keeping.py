"""``archiver verify``, ``archiver reindex``, ``archiver reextract`` and ``archiver stats``."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from archiver.archive import set_aside_index
from archiver.cli.output import opened, print_json, print_table, progress
from archiver.errors import DamagedIndex

if TYPE_CHECKING:
    from archiver.reextract import Reextraction


def verify(options: Namespace) -> int:
    """Check everything; 1 when something is wrong."""
    with opened(options) as archive:
        with progress(options, "Verifying segments") as report:
            found = archive.verify(progress=report)
        if options.json:
            print_json({**asdict(found), "clean": found.is_clean})
            return 0 if found.is_clean else 1
        for problem in found.problems:
            print(f"{problem.where}: {problem.what}")
        if not options.quiet:
            state = "everything is in order" if found.is_clean else f"{len(found.problems)} problems"
            print(
                f"{found.segments} segments, {found.records} records, {found.captures} captures "
                f"({found.revisits} revisits), {found.articles} articles: {state}",
                file=sys.stderr if found.problems else sys.stdout,
            )
    return 0 if found.is_clean else 1


def reindex(options: Namespace) -> int:
    """Rebuild the index; one that cannot even be opened is set aside."""
    try:
        return _reindex(options)
    except DamagedIndex as error:
        aside = set_aside_index(options.archive)
        if not options.quiet:
            print(f"archiver: {str(error).partition(';')[0]}; it is {aside} now", file=sys.stderr)
        return _reindex(options)


def _reindex(options: Namespace) -> int:
    with opened(options) as archive:
        with progress(options, "Reading segments") as report:
            segments = archive.reindex(from_warc=options.from_warc, progress=report)
        counts = archive.index.counts()
        if options.json:
            print_json({"segments": segments, "captures": counts.captures, "articles": counts.articles})
        elif not options.quiet:
            print(f"{segments} segments: {counts.captures} captures and {counts.articles} articles are indexed")
    return 0


def reextract(options: Namespace) -> int:
    """Read articles again; 1 when the captures of some cannot be read."""
    with opened(options) as archive:
        with progress(options, "Reading pages") as report:
            done = archive.reextract(
                site=options.site,
                since=options.since,
                until=options.until,
                urls=options.url or (),
                progress=report,
            )
        if options.json:
            print_json(asdict(done))
        elif not options.quiet:
            print(_reextracted(done))
    return 1 if done.unreadable else 0


def _reextracted(done: Reextraction) -> str:
    parts = [f"{done.segments} segments: {done.articles} articles read again, {done.changed} changed"]
    if done.failed:
        parts.append(f"{done.failed} failed now")
    if done.unreadable:
        parts.append(f"{done.unreadable} left as they were, since `archiver verify` finds their captures damaged")
    return f"{', '.join(parts)}; {done.current} segments were up to date"


def stats(options: Namespace) -> int:
    """Count captures and articles."""
    keys = options.by or ["outcome"]
    with opened(options) as archive:
        counts = archive.index.counts()
        rows = archive.index.count_by(*keys)
        if options.json:
            table = [dict(zip([*keys, "captures"], row, strict=True)) for row in rows]
            print_json({**asdict(counts), "by": table})
            return 0
        print(
            f"{counts.captures} captures ({counts.revisits} revisits) of {counts.urls} URLs, {counts.articles} read as "
            f"pages, in {counts.segments} segments, {_day(counts.first_timestamp)} to {_day(counts.last_timestamp)}\n"
        )
        print_table([*keys, "captures"], rows)
        if "outcome" in keys and any(row[keys.index("outcome")] is None for row in rows):
            print("\n-: redirects, robots.txt and other captures that are not read as articles")
    return 0


def _day(timestamp: str | None) -> str:
    return f"{timestamp[:4]}-{timestamp[4:6]}-{timestamp[6:8]}" if timestamp else "-"
