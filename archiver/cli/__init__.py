"""The ``archiver`` command: one verb per thing a user does, the same verbs as :class:`archiver.Archive`."""

from __future__ import annotations

import argparse
import io
import logging
import math
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from archiver import __version__

DEFAULT_ARCHIVE = "./archive"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 failed, 2 not understood, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are printed as one line unless ``-v`` asks for more."""
    from archiver.errors import BadRequest
    from archiver.logs import set_up_logs
    from storage.errors import ArchiveError

    options = _parser().parse_args(arguments)
    set_up_logs(verbose=options.verbose)
    if isinstance(sys.stdout, io.TextIOWrapper):  # titles come from strangers: no character may stop a listing
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        module, _, function = options.run.partition(":")
        code: int = getattr(import_module(f"archiver.cli.{module}"), function)(options)
        sys.stdout.flush()
    except ArchiveError as error:
        if options.verbose:
            logging.getLogger(__name__).exception("%s", type(error).__name__)
        print(f"archiver: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadRequest) else 1
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("archiver: interrupted; everything reported as saved is kept", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="archiver",
        description="Archive news articles byte for byte, and read, compare and search what was archived.",
        epilog="`archiver COMMAND --help` explains a command. Documentation: docs/ and README.md.",
    )
    parser.add_argument("--version", action="version", version=f"archiver {__version__}")
    _add_common(parser, is_top=True)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_save(commands)
    _add_crawl(commands)
    _add_reading(commands)
    _add_keeping(commands)
    _add_sites(commands)
    demo = _add(commands, "demo", "demo:demo", "archive a small news site on this machine, and see how it looks")
    demo.add_argument("--keep", metavar="DIR", help="put the demo's archive there instead of ./archive-demo")
    return parser


def _add_save(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    save = _add(commands, "save", "save:save", "archive pages now, one line per URL as it is durable")
    save.add_argument("urls", nargs="*", metavar="URL")
    save.add_argument("--from-file", metavar="FILE", help="more URLs, one a line; - reads standard input")
    save.add_argument(
        "--if-older-than", metavar="AGE", help="leave pages archived within AGE alone, such as 30m, 12h or 7d"
    )
    save.add_argument("--requisites", action="store_true", help="images, style sheets, scripts and fonts of pages too")
    save.add_argument("--delay", metavar="S", type=_seconds, default=0.0, help="seconds between requests to one host")
    save.add_argument("--allow-private", action="store_true", help="allow addresses of this machine and local networks")


def _add_crawl(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    crawl = _add(commands, "crawl", "crawl:crawl", "archive what is new on news sites, and look again at what is due")
    crawl.epilog = "Without SITE or --url, all sites of the sites file. Exit code 1: nothing could be read."
    crawl.add_argument("site", nargs="*", metavar="SITE", help="name of a site in the sites file")
    crawl.add_argument(
        "--url", action="append", metavar="HOMEPAGE", help="a site that needs no sites file; may be repeated"
    )
    crawl.add_argument("--since", metavar="DATE", help="older articles too, down to DATE, such as 2019-02")
    crawl.add_argument("--max-articles", type=_count, metavar="N", help="fetch no more than N articles")
    crawl.add_argument("--due", action="store_true", help="only feeds, sitemaps and sections whose time has come")
    crawl.add_argument("--requisites", action="store_true", help="images, style sheets, scripts and fonts of pages too")
    crawl.add_argument(
        "--obey-opt-out", action="store_true", help="read no article whose publisher reserves its use by machines"
    )
    crawl.add_argument("--delay", metavar="S", type=_seconds, help="seconds between requests to one host (default: 1)")
    crawl.add_argument("--allow-private", action="store_true", help="allow addresses of this machine and its networks")
    run = _add(commands, "run", "run:run", "crawl all sites on their schedules and save what is queued, until stopped")
    run.epilog = (
        "Ctrl-C or SIGTERM lets the pages under way finish; what is left is done after the next start. "
        "With --json, log lines are JSON objects."
    )
    run.add_argument("--processes", type=_count, default=4, metavar="N", help="crawls at once (default: 4)")
    run.add_argument(
        "--metrics", metavar="HOST:PORT", help="serve metrics for Prometheus there, such as 127.0.0.1:9464"
    )
    run.add_argument("--status", action="store_true", help="show what the running one does and what waits, and exit")
    run.add_argument("--allow-private", action="store_true", help="allow addresses of this machine and its networks")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


_count.__name__ = "number"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"  # what argparse calls it in its message


def _add_reading(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    snapshots = _add(commands, "snapshots", "reading:snapshots", "list the snapshots of a URL, oldest first")
    snapshots.add_argument("url", metavar="URL")
    scope = snapshots.add_mutually_exclusive_group()
    for match, what in (
        ("prefix", "of every URL that begins so"),
        ("host", "of every page of its host"),
        ("domain", "of its host and all below it"),
    ):
        scope.add_argument(f"--{match}", dest="match", action="store_const", const=match, help=what)
    _add_span(snapshots)
    get = _add(commands, "get", "reading:get", "print a snapshot: the newest, or the one nearest to a date")
    get.add_argument("url", metavar="URL")
    get.add_argument("--at", metavar="DATE", help="nearest to this date, such as 2019-02-07 or 2019-02-07T18:21")
    get.add_argument(
        "--format",
        choices=("text", "markdown", "clean", "json", "html", "warc", "headers"),
        default="text",
        help="text, markdown, json: the article; clean: the article as a safe web page; html: the page as sent; "
        "warc: its records; headers: its head",
    )


def _add_span(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="since", metavar="DATE", help="not before, such as 2019-02 or 2019-02-07")
    parser.add_argument("--to", dest="until", metavar="DATE", help="not after, the whole of DATE included")


def _add_keeping(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = _add(commands, "verify", "keeping:verify", "check every digest, record and reference, and the index")
    verify.epilog = "Exit code 1 names what is wrong."
    reindex = _add(commands, "reindex", "keeping:reindex", "rebuild the index from the archived files")
    reindex.add_argument("--from-warc", action="store_true", help="make the CDXJ files anew too (slower)")
    reextract = _add(commands, "reextract", "keeping:reextract", "read archived pages again with today's extractor")
    reextract.epilog = "Articles it has read already are left alone; an interrupted run goes on where it was."
    reextract.add_argument("--site", metavar="NAME", help="only articles of this site")
    _add_span(reextract)
    reextract.add_argument("--url", action="append", metavar="URL", help="only articles of this URL; may be repeated")
    stats = _add(commands, "stats", "keeping:stats", "count what is archived")
    stats.add_argument(
        "--by",
        action="append",
        choices=("site", "day", "outcome", "status", "mime"),
        help="one row for each of these; may be repeated (default: outcome)",
    )


def _add_sites(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sites = commands.add_parser("sites", help="list the configured sites, and test how their pages are read")
    verbs = sites.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(verbs, "list", "sites:list_sites", "list the configured sites")
    add = _add(verbs, "add", "adding:add", "find out where a site names its articles, and add it to the sites file")
    add.epilog = "The pages looked at are archived like any other. With --opml nothing is fetched."
    add.add_argument("url", nargs="?", metavar="URL", help="its homepage")
    add.add_argument("--name", metavar="NAME", help="what to call it (default: its host)")
    add.add_argument(
        "--schedule", default="15m", metavar="WHEN", help="15m, cron's five fields, or none (default: 15m)"
    )
    add.add_argument("--label", action="append", metavar="WORD", help="a word to group sites by; may be repeated")
    add.add_argument("--opml", metavar="FILE", help="all feeds of a list that a feed reader has exported")
    add.add_argument("--delay", metavar="S", type=_seconds, help="seconds between requests to one host (default: 1)")
    add.add_argument("--allow-private", action="store_true", help="allow addresses of this machine and its networks")
    check = _add(verbs, "check", "sites:check", "check the sites file, and what the rules of a site find on a page")
    check.epilog = "Without SITE or --url only the file is checked. Exit code 1: a rule found nothing; 2: bad file."
    check.add_argument("site", nargs="?", metavar="SITE", help="what would be found there, and how one article is read")
    check.add_argument("--url", metavar="URL", help="how this page is read")
    check.add_argument("--delay", metavar="S", type=_seconds, help="seconds between requests to one host (default: 1)")
    check.add_argument("--at", metavar="DATE", help="not a new capture, but the archived one nearest to this date")
    check.add_argument("--allow-private", action="store_true", help="allow addresses of this machine and its networks")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    command.set_defaults(run=run)
    _add_common(command, is_top=False)
    return command


def _add_common(parser: argparse.ArgumentParser, *, is_top: bool) -> None:
    """Add what every command takes; it may stand before or after the command."""

    def default(value: object) -> object:
        return value if is_top else argparse.SUPPRESS

    parser.add_argument(
        "--archive",
        metavar="PLACE",
        default=default(os.environ.get("ARCHIVER_ARCHIVE") or DEFAULT_ARCHIVE),
        help="a directory or s3://bucket/prefix (default: $ARCHIVER_ARCHIVE or ./archive)",
    )
    parser.add_argument(
        "--sites",
        metavar="FILE",
        default=default(None),
        help="the sites file (default: $ARCHIVER_SITES, or ./sites.toml if it is there)",
    )
    parser.add_argument("--json", action="store_true", default=default(False), help="one JSON object a line")
    parser.add_argument("-v", "--verbose", action="store_true", default=default(False), help="say what is going on")
    parser.add_argument("-q", "--quiet", action="store_true", default=default(False), help="no progress, no summary")
