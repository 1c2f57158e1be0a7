"""Compares our spiders with bare Scrapy: CPU of the whole process tree, run in turn; see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.crawl import parts
from benchmarks.crawl.newspaper import Newspaper, serve
from benchmarks.crawl.schedule import keep_schedule
from benchmarks.memory import watch

ROOT = Path(__file__).parents[2]
NAMES = {
    "ours": "page spider: fetch, WARC, article JSON, index",
    "bare": "Scrapy, trafilatura inline, nothing kept",
    "news": "site crawl: the same, discovery, plan",
    "bare_news": "Scrapy's SitemapSpider, trafilatura inline, nothing kept",
}
KEEPING = ("ours", "news")
PARTS = ("crawls", "news", "parts", "again", "schedule")
SAMPLE_EVERY = 0.2
"""Seconds between two looks at the memory of a process tree."""


@dataclass(frozen=True, slots=True)
class Run:
    """One crawl."""

    pages: int
    cpu: float
    """Seconds, user and system, of the process and of all it has started and waited for."""
    wall: float
    peak: int
    """Most bytes that all processes of the tree had at once, pages they share counted once."""
    left: int
    """Bytes in the archive."""

    @property
    def cpu_per_page(self) -> float:
        """Milliseconds, start-up included."""
        return self.cpu * 1000 / self.pages


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crawl", description=__doc__)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the others out; may be repeated")
    parser.add_argument("--articles", type=int, default=3000, help="of the site that is crawled a second time")
    parser.add_argument("--sites", type=int, default=1000, help="that are kept on schedule")
    options = parser.parse_args(arguments)
    print(_surroundings(), flush=True)
    chosen = options.only or PARTS
    if "crawls" in chosen:
        with _site(options.pages) as origin:
            print(_table_of_crawls(("bare", "ours"), origin, options.pages, options.rounds), flush=True)
    if "news" in chosen:
        with serve(Newspaper(options.pages)) as paper:
            print(_table_of_crawls(("bare_news", "news"), paper.url, options.pages, options.rounds), flush=True)
    if "parts" in chosen:
        print(_table_of_parts(min(options.pages, 100), options.rounds), flush=True)
    if "again" in chosen:
        print(_second_crawl(options.articles), flush=True)
    if "schedule" in chosen:
        print(_schedule(options.sites), flush=True)


def _surroundings() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("scrapy", "trafilatura", "lxml", "warcio"))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"Python {platform.python_version()}, {libraries}; {os.cpu_count()} CPUs, load average {load} at the start\n"


def _table_of_crawls(names: tuple[str, str], origin: str, pages: int, rounds: int) -> str:
    """Run the crawls `names` in turn, the first to compare the second with."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with _small_site(names) as small:
        startup = {name: crawl(name, small, 1).cpu for name in names}
    for round_ in range(rounds):
        for name in runs:
            runs[name].append(crawl(name, origin, pages))
            print(f"round {round_ + 1}: {name} {runs[name][-1].cpu_per_page:.1f} ms/page", file=sys.stderr)
    rows = [_row_of_crawl(name, runs[name], startup[name]) for name in names]
    title = f"{pages} pages, {rounds} rounds, in turn; CPU of the whole process tree, start-up included"
    header = ("", "CPU ms/page (min-max)", "start-up CPU s", "pages/s (min-max)", "peak MB", "kept KB/page")
    pairs = list(zip(*(runs[name] for name in names), strict=True))
    cpu, speed = [ours.cpu / bare.cpu for bare, ours in pairs], [bare.wall / ours.wall for bare, ours in pairs]
    return f"{title}\n\n{_table(header, rows)}\n\nours / bare: CPU {_median(cpu)}; pages/s {_median(speed)}\n"


@contextlib.contextmanager
def _small_site(names: tuple[str, str]) -> Iterator[str]:
    """Serve a site of one page, of the kind that these crawls are for."""
    if "news" in names:
        with serve(Newspaper(1)) as paper:
            yield paper.url
    else:
        with _site(1) as origin:
            yield origin


def _median(ratios: Sequence[float]) -> str:
    return f"median {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})"


def _second_crawl(articles: int) -> str:
    """Crawl a site twice with the command and tell what the second time took; raises unless nothing was fetched."""
    with serve(Newspaper(articles)) as paper, tempfile.TemporaryDirectory(prefix="bench-") as directory:
        command = [str(Path(sys.executable).with_name("archiver")), "--archive", f"{directory}/archive", "crawl"]
        command += ["--json", "--allow-private", "--delay", "0", "--url", f"{paper.url}/"]
        found = []
        for _ in range(3):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=directory)
            assert process.stdout is not None
            outcomes = [json.loads(line)["outcome"] for line in process.stdout]
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stdout.close()
            found.append((outcomes, used.ru_utime + used.ru_stime))
    (first, first_cpu), *again = found
    if first.count("saved") != articles or any(outcomes for outcomes, _ in again):
        raise RuntimeError(f"saved {first.count('saved')} of {articles}; then fetched {again}")
    seconds = ", ".join(f"{cpu:.2f}" for _, cpu in again)
    return (
        f"{articles} articles crawled with {first_cpu:.0f} s of CPU; crawled again, twice: none fetched, {seconds} s\n"
    )


def _schedule(sites: int) -> str:
    kept = keep_schedule(sites, hours=1)
    return (
        f"{kept.sites} sites every 15 minutes, {kept.hours:g} simulated hour, {kept.crawls} crawls that do nothing: "
        f"{kept.cpu:.1f} s of CPU, {kept.share:.2%} of one; {kept.real_cpu:.2%} of one in real time with nothing due\n"
    )


def _row_of_crawl(name: str, runs: Sequence[Run], startup: float) -> Sequence[str]:
    return (
        NAMES[name],
        _spread([run.cpu_per_page for run in runs]),
        f"{startup:.1f}",
        _spread([run.pages / run.wall for run in runs]),
        f"{max(run.peak for run in runs) / 1e6:.0f}",
        f"{statistics.median(run.left / run.pages for run in runs) / 1e3:.1f}",
    )


def _table_of_parts(pages: int, passes: int) -> str:
    compared = parts.compare(pages, passes)
    others = {"reading a page": "trafilatura, with_metadata"}
    rows = []
    for name, results in compared.items():
        ratio = statistics.median(ours / theirs for ours, theirs in results)
        ours, theirs = (_spread([each[side] for each in results], digits=3) for side in (0, 1))
        rows.append((name, ours, f"{theirs} {others.get(name, 'warcio, a pair')}", f"{ratio:.2f}"))
    title = f"Parts of {pages} pages, in one process, page by page in turn; CPU ms/page, median (min-max) of the passes"
    return f"{title}\n\n{_table(('', 'ours', 'other', 'ours / other'), rows)}\n"


def _spread(values: Sequence[float], *, digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
                     for line in lines)  # fmt: skip


@contextlib.contextmanager
def _site(pages: int) -> Iterator[str]:
    """Serve the pages from a process of its own; yields the origin."""
    command = [sys.executable, "-m", "benchmarks.crawl.site", str(pages)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.stdin.close()


def crawl(name: str, origin: str, pages: int) -> Run:
    """Run one crawl in a process of its own and measure it; raises ``RuntimeError`` unless it read every page."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        command = [sys.executable, "-m", f"benchmarks.crawl.{name}", origin]
        command += [str(pages)] if name in ("ours", "bare") else []
        command += [f"{directory}/archive"] if name in KEEPING else []
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        with watch(process.pid, every=SAMPLE_EVERY) as memory:
            output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        process.stdout.close()
    read, left = map(int, output.split()) if process.returncode == 0 else (0, 0)
    if read != pages:
        raise RuntimeError(f"{name} read {read} of {pages} pages (exit code {process.returncode})")
    return Run(pages, used.ru_utime + used.ru_stime, wall, memory.peak, left)
