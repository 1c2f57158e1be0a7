"""A long crawl of a site that misbehaves, and whether every attempt is accounted for.

    make soak                                    # 20,000 articles
    python -m tests.crawl.soak --pages 2000 --faults 0.2

The server of the site runs in a process of its own and writes down what it sent; that, not the archive, is what the
archive is compared with.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.crawl.newspaper import Newspaper, number_of, serve
from benchmarks.memory import Memory, watch
from tests.cli.command import Command

CEILING = 400 * 2**20
"""Bytes of memory that all processes of a crawl may take together."""
LIMITS = {"ARCHIVER_MAX_CAPTURE": str(4 * 2**20), "DOWNLOAD_TIMEOUT": "8"}
"""So that bodies without end cost seconds and not minutes."""
SECTIONS = ["/", *(f"/section/{number}" for number in range(5)), "/calendar/2026/11", "/endless/0"]


@dataclass(frozen=True, slots=True)
class Crawled:
    """One run of ``archiver crawl``."""

    reported: list[dict[str, Any]]
    """What it printed, an object for each page."""
    lines: list[dict[str, Any]]
    """Of its log."""
    summary: dict[str, Any]
    memory: Memory
    cpu: float
    """Seconds of all its processes."""
    wall: float

    @property
    def pages(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == "page"]


@dataclass(frozen=True)
class Soak:
    """Two crawls of a newspaper, the second right after the first, and what its server says it sent."""

    paper: Newspaper
    archiver: Command
    first: Crawled
    second: Crawled
    answers: list[dict[str, Any]]

    @cached_property
    def outcomes(self) -> Mapping[int, list[str]]:
        """The outcomes of each article of the first crawl; one of each, if all is well."""
        found: dict[int, list[str]] = defaultdict(list)
        for line in self.first.pages:
            if (number := number_of(urlsplit(line["url"]).path)) is not None:
                found[number].append(line["outcome"])
        return found

    @cached_property
    def kept(self) -> Counter[tuple[str, str | None]]:
        """What the archive holds: path and payload digest."""
        every = self.archiver("snapshots", "--json", "--host", self.first.lines[0]["url"]).objects
        return Counter((_path(each["url"]), each["digest"]) for each in every)

    @property
    def sent(self) -> Counter[tuple[str, str | None]]:
        """What the server sent whole."""
        return Counter((each["path"], each["digest"]) for each in self.answers if each["whole"])

    def mistakes(self) -> Iterator[str]:
        """Yield what does not add up."""
        for crawl in (self.first, self.second):
            counted = Counter(line["outcome"] for line in crawl.lines)
            if crawl.summary["attempts"] != len(crawl.lines) or crawl.summary["outcomes"] != dict(counted):
                yield f"the summary {crawl.summary} does not count the lines: {counted}"
            if Counter(map(_attempt, crawl.reported)) != Counter(map(_attempt, crawl.pages)):
                yield "what was reported is not what was logged"
            places = Counter(_place(each) for line in crawl.lines for each in line["captures"])
            if places and max(places.values()) > 1:
                yield "a capture belongs to two attempts"
        for number in range(self.paper.pages):
            found, allowed = self.outcomes.get(number, []), self.paper.outcomes_of(number)
            if len(found) != 1 or found[0] not in allowed:
                yield f"{self.paper.path_of(number)} ({self.paper.fault_of(number)}) ended in {found}, not {allowed}"
        if missing := self.sent - self.kept:
            yield f"{missing.total()} answers that were sent whole are not kept, such as {next(iter(missing))}"
        logged = sum(len(line["captures"]) for crawl in (self.first, self.second) for line in crawl.lines)
        if logged != self.kept.total():
            yield f"the logs name {logged} captures, the archive holds {self.kept.total()}"
        for line in self.second.pages:
            if number_of(_path(line["url"])) is not None:
                yield f"{line['url']} was fetched again, although it was not due"
        if not self.archiver("verify", "--json").object["clean"]:
            yield "the archive is not clean"


def soak(home: Path, paper: Newspaper) -> Soak:
    """Crawl a newspaper twice."""
    archiver = Command(home, "./archive", LIMITS)
    with serve(paper, log=home / "served.jsonl") as served:
        sections = ", ".join(f'"{path}"' for path in SECTIONS)
        (home / "sites.toml").write_text(
            f'[[site]]\nname = "paper"\nhomepage = "{served.url}/"\nsections = [{sections}]\n'
            f'feeds = ["/feed.xml"]\nsitemaps = ["/news-sitemap.xml", "/sitemap-index.xml"]\nconcurrency = 8\n'
        )
        first, second = crawl(archiver), crawl(archiver)
    return Soak(paper, archiver, first, second, served.answers())


def crawl(archiver: Command) -> Crawled:
    """Run ``archiver crawl`` with an eye on its memory; raises unless it ends as it should."""
    before = set(_logs(archiver))
    command = [Path(sys.executable).parent / "archiver", "crawl", "--json", "--allow-private", "--delay", "0", "paper"]
    began = time.monotonic()
    with open(archiver.home / "reported", "w+b") as reported, open(archiver.home / "complaints", "w+b") as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=reported, stderr=complaints, cwd=archiver.home, env=archiver.env
        )
        with watch(process.pid) as memory:
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        reported.seek(0)
        objects = [json.loads(line) for line in reported]
        complaints.seek(0)
        said = complaints.read().decode()
    if process.returncode or "Traceback" in said:
        raise RuntimeError(f"archiver crawl ended with {process.returncode}: {said[-3000:]}")
    (log,) = set(_logs(archiver)) - before
    *lines, summary = map(json.loads, gzip.decompress(log.read_bytes()).splitlines())
    return Crawled(objects, lines, summary, memory, used.ru_utime + used.ru_stime, wall)


def _logs(archiver: Command) -> Iterator[Path]:
    return (archiver.home / archiver.archive).glob("crawls/**/*.jsonl.gz")


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _attempt(line: Mapping[str, Any]) -> tuple[str, str]:
    return line["url"], line["outcome"]


def _place(capture: Mapping[str, Any]) -> tuple[str, int]:
    return capture["warc"]["file"], capture["warc"]["offset"]


def main() -> int:
    """Run a soak and print what came of it; 1 if something does not add up or takes too much memory."""
    parser = argparse.ArgumentParser(prog="python -m tests.crawl.soak", description=__doc__)
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--faults", type=float, default=0.05, help="share of the articles that have one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        done = soak(Path(home), Newspaper(options.pages, options.faults, options.seed))
        mistakes = list(done.mistakes())
    memory, first = done.first.memory, done.first
    print(f"{len(first.lines)} attempts: {dict(sorted(first.summary['outcomes'].items()))}")
    faults = Counter(filter(None, map(done.paper.fault_of, range(options.pages))))
    print(f"{faults.total()} articles with faults: {dict(sorted(faults.items()))}")
    print(f"{len(done.answers)} answers, {done.sent.total()} of them sent whole; {done.kept.total()} captures")
    print(f"first crawl {first.cpu:.0f} s of CPU in {first.wall:.0f} s; second {done.second.cpu:.1f} s of CPU, "
          f"{len(done.second.pages)} pages")  # fmt: skip
    quarters = ", ".join(f"{memory.of_part(part / 4, part / 4 + 0.25) / 2**20:.0f}" for part in range(4))
    print(f"memory of all processes (PSS): peak {memory.peak / 2**20:.0f} MB; by quarters {quarters} MB")
    if memory.peak > CEILING:
        mistakes.append(f"the crawl took {memory.peak / 2**20:.0f} MB, more than {CEILING / 2**20:.0f} MB")
    for mistake in mistakes[:20]:
        print(f"MISTAKE {mistake}")
    print("every attempt is accounted for" if not mistakes else f"{len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
