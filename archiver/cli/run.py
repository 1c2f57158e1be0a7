"""``archiver run``: the daemon, and what it is doing."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from archiver.cli.output import one_line, opened, print_json, print_table
from archiver.errors import BadRequest
from archiver.logs import set_up_service_logs

if TYPE_CHECKING:
    from archiver.archive import Archive


def run(options: Namespace) -> int:
    """Crawl and save until stopped; with ``--status``, say what a running daemon does."""
    if options.status:
        with opened(options) as archive:
            return _status(archive, options)
    if options.processes < 1:
        raise BadRequest("--processes has to be 1 at least")
    from archiver.crawl.daemon import Daemon, check_schedules, handle_signals
    from archiver.crawl.metrics import parse_address
    from archiver.crawl.sites import load_sites

    if options.metrics:
        parse_address(options.metrics)
    set_up_service_logs(as_json=options.json, verbose=options.verbose, quiet=options.quiet)
    with opened(options, create=True) as archive:
        check_schedules(archive.sites)
        daemon = Daemon(
            archive,
            lambda: load_sites(archive.sites_file),
            processes=options.processes,
            allow_private=options.allow_private,
            metrics=options.metrics,
        )
        handle_signals(daemon)
        daemon.run()
    return 0


def _status(archive: Archive, options: Namespace) -> int:
    from archiver.crawl.daemon import is_often, read_lock
    from archiver.crawl.health import CRAWL, Examiner
    from archiver.crawl.timetable import Timetable
    from storage.jobs import Jobs
    from storage.visits import Visits

    jobs = Jobs(archive.index)
    about = read_lock(archive)
    now = datetime.now(UTC)
    waiting = jobs.waiting()
    busy = {job.subject for job in waiting if job.kind == CRAWL}
    planned = Timetable(archive.sites, jobs.last_started(CRAWL), now).moments()
    for site in archive.sites:  # a crawl of these begins only when something is due
        if site.name in planned and is_often(site) and (due := Visits(archive.index).next_due(site.name)) is not None:
            planned[site.name] = max(due, planned[site.name])
    examiner = Examiner(archive)
    bad = [health for site in archive.sites if (health := examiner.examine(site)).is_bad]
    upcoming = sorted((moment, name) for name, moment in planned.items() if name not in busy)
    if options.json:
        print_json(
            {
                "running": about is not None,
                "pid": (about or {}).get("pid"),
                "started": (about or {}).get("started"),
                "jobs": [
                    {
                        "id": job.id,
                        "kind": job.kind,
                        "subject": job.subject,
                        "state": job.state,
                        "since": (job.started if job.state == "running" else job.created).isoformat(),  # type: ignore[union-attr]  # a running job was started
                        "attempts": job.attempts,
                    }
                    for job in waiting
                ],
                "next": [{"site": name, "at": moment.isoformat()} for moment, name in upcoming],
                "unwell": [{"site": each.site, "health": each.state, "reason": each.reason} for each in bad],
                "finished": {f"{kind} {state}": count for (kind, state), count in sorted(jobs.counts().items())},
            }
        )
        return 0 if about else 1
    if about is None:
        print("archiver: `archiver run` is not running on this archive", file=sys.stderr)
    else:
        print(f"running as process {about['pid']} since {about['started']}")
    if waiting:
        rows = [(job.kind, job.subject, job.state, _age(job.started or job.created, now)) for job in waiting[:50]]
        print_table(("job", "of", "state", "for"), rows)
    if upcoming:
        print_table(("next", "in"), [(name, _age(now, moment)) for moment, name in upcoming[:20]])
    for health in bad:
        print(one_line(f"{health.site} is {health.state}: {health.reason}"))
    return 0 if about else 1


def _age(earlier: datetime, later: datetime) -> str:
    seconds = max(0, int((later - earlier).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
