"""Compares the page spider with bare Scrapy: CPU of the whole process tree, run in turn; see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.crawl import parts

ROOT = Path(__file__).parents[2]
NAMES = {"ours": "page spider: fetch, WARC, article JSON, index", "bare": "Scrapy, trafilatura inline, nothing kept"}
SAMPLE_EVERY = 0.1
"""Seconds between two looks at the memory of a process tree."""


@dataclass(frozen=True, slots=True)
class Run:
    """One crawl."""

    pages: int
    cpu: float
    """Seconds, user and system, of the process and of all it has started and waited for."""
    wall: float
    peak_rss: int
    """Most bytes that all processes of the tree had resident at once, shared pages counted in each."""
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
    parser.add_argument("--only", choices=("crawls", "parts"), help="leave the other out")
    options = parser.parse_args(arguments)
    print(_surroundings(), flush=True)
    if options.only != "parts":
        print(_table_of_crawls(options.pages, options.rounds), flush=True)
    if options.only != "crawls":
        print(_table_of_parts(min(options.pages, 100), options.rounds), flush=True)


def _surroundings() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("scrapy", "trafilatura", "lxml", "warcio"))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"Python {platform.python_version()}, {libraries}; {os.cpu_count()} CPUs, load average {load} at the start\n"


def _table_of_crawls(pages: int, rounds: int) -> str:
    runs: dict[str, list[Run]] = {"bare": [], "ours": []}
    with _site(pages) as origin:
        startup = {name: crawl(name, origin, 1).cpu for name in runs}
        for round_ in range(rounds):
            for name in runs:
                runs[name].append(crawl(name, origin, pages))
                print(f"round {round_ + 1}: {name} {runs[name][-1].cpu_per_page:.1f} ms/page", file=sys.stderr)
    rows = [_row_of_crawl(name, runs[name], startup[name]) for name in runs]
    title = f"{pages} pages, {rounds} rounds, in turn; CPU of the whole process tree, start-up included"
    header = ("", "CPU ms/page (min-max)", "start-up CPU s", "pages/s (min-max)", "peak RSS MB", "kept KB/page")
    ratios = [one.cpu / other.cpu for one, other in zip(runs["ours"], runs["bare"], strict=True)]
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return f"{title}\n\n{_table(header, rows)}\n\nCPU of ours / bare: median {statistics.median(ratios):.2f} ({each})\n"


def _row_of_crawl(name: str, runs: Sequence[Run], startup: float) -> Sequence[str]:
    return (
        NAMES[name],
        _spread([run.cpu_per_page for run in runs]),
        f"{startup:.1f}",
        _spread([run.pages / run.wall for run in runs]),
        f"{max(run.peak_rss for run in runs) / 1e6:.0f}",
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
        command = [sys.executable, "-m", f"benchmarks.crawl.{name}", origin, str(pages)]
        command += [f"{directory}/archive"] if name == "ours" else []
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        with _watch_memory(process.pid) as peak:
            output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        process.stdout.close()
    read, left = map(int, output.split()) if process.returncode == 0 else (0, 0)
    if read != pages:
        raise RuntimeError(f"{name} read {read} of {pages} pages (exit code {process.returncode})")
    return Run(pages, used.ru_utime + used.ru_stime, wall, peak(), left)


@contextlib.contextmanager
def _watch_memory(process: int) -> Iterator[Callable[[], int]]:
    """Sample the memory of a process tree from a thread; yields what tells the peak."""
    peaks = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_EVERY):
            peaks.append(sum(map(_resident, _tree(process))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(peaks)
    finally:
        done.set()
        thread.join()


def _tree(process: int) -> Iterator[int]:
    """Yield a process and its descendants, as far as they still live."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from _tree(int(child))


def _resident(process: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
