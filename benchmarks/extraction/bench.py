"""Compares our reading of pages with that of other libraries, against the truth; see docs/extraction.md."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import logging
import os
import platform
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from archiver.sitelines import SiteLines, host_of
from benchmarks.extraction.readers import (
    NAMES,
    OURS,
    OURS_ALONE,
    READERS,
    WITHOUT_BYLINE,
    Reading,
    reading_of,
    version_of,
)
from benchmarks.extraction.score import Scores, Truth, body_score, f1, leaked_lines, score

SHIPPED = Path(__file__).parent
"""The folder of our own pages."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A page with its truth."""

    name: str
    html: bytes
    truth: Truth


@dataclass(frozen=True, slots=True)
class Run:
    """What one reader made of all pages, in their order."""

    readings: list[Reading]
    cpu: list[float]
    """Seconds."""
    errors: list[str | None]
    repeating: list[Reading] | None = None
    """What shows which lines repeat on their sites, where the readings themselves no longer do."""


def load(folder: Path) -> list[Sample]:
    """Read a folder's ``truth.jsonl`` and the pages it names; raises ``ValueError`` for a line without page or url."""
    lines = (folder / "truth.jsonl").read_text("utf-8").splitlines()
    return [_sample(folder, json.loads(line)) for line in lines if line.strip()]


def _sample(folder: Path, line: dict[str, object]) -> Sample:
    page, url, authors = line.get("page"), line.get("url"), line.get("authors")
    if not (isinstance(page, str) and isinstance(url, str)):
        raise ValueError(f"{folder / 'truth.jsonl'}: each line needs page and url: {str(line)[:100]}")
    html = (folder / page).read_bytes()
    truth = Truth(
        url=url,
        text=_text(line.get("text")),
        title=_text(line.get("title")),
        authors=tuple(map(str, authors)) if isinstance(authors, list) else None,
        published=(_text(line.get("published")) or "")[:10] or None,
    )
    return Sample(page, gzip.decompress(html) if page.endswith(".gz") else html, truth)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def read_all(samples: Sequence[Sample], names: Sequence[str]) -> dict[str, Run]:
    """Read each page with every reader before the next page, the first to begin taking turns; then come the sites.

    So whatever slows the machine down slows all of them down. Our own pages are read before, for the imports and for
    what a library loads when it first meets a kind of page.
    """
    alone = list(dict.fromkeys(OURS_ALONE if name == OURS else name for name in names))
    for sample in load(SHIPPED):
        for name in alone:
            _read(name, sample)
    runs = {name: Run([], [], []) for name in alone}
    for number, sample in enumerate(samples):
        first = number % len(alone)
        for name in (*alone[first:], *alone[:first]):
            start = time.process_time()
            reading, error = _read(name, sample)
            runs[name].cpu.append(time.process_time() - start)
            runs[name].readings.append(reading)
            runs[name].errors.append(error)
    if OURS in names:
        runs[OURS] = with_sites(runs[OURS_ALONE])
    return {name: runs[name] for name in names}


def with_sites(alone: Run) -> Run:
    """Leave out of each of our readings what its site repeats on the other pages of the folder.

    They are given as an archive that holds them would give them. Their site's first page pays the CPU of learning them.
    """
    sites: dict[str, list[int]] = defaultdict(list)
    for number, reading in enumerate(alone.readings):
        if reading.article is not None:
            sites[host_of(reading.article.url)].append(number)
    articles = [reading.article for reading in alone.readings]
    lines = SiteLines(lambda url: (each for number in sites[host_of(url)] if (each := articles[number]) is not None))
    run = Run(list(alone.readings), list(alone.cpu), alone.errors, repeating=alone.readings)
    for number in chain.from_iterable(sites.values()):
        start = time.process_time()
        article = articles[number]
        assert article is not None
        run.readings[number] = reading_of(lines.clean(article))
        run.cpu[number] += time.process_time() - start
    return run


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep back what the readers complain about: it shows in their scores."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _read(name: str, sample: Sample) -> tuple[Reading, str | None]:
    try:
        return READERS[name](sample.html, sample.truth.url), None
    except Exception as error:  # noqa: BLE001 - what another library raises is its result on that page
        return Reading(), f"{type(error).__name__}: {error}"[:200]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="with truth.jsonl; default: our pages")
    parser.add_argument("--only", action="append", choices=NAMES, help="this reader only (may be repeated)")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list each reader's N worst pages")
    parser.add_argument("--json", action="store_true", help="print one object, with the score of every page")
    options = parser.parse_args(arguments)
    names = [name for name in NAMES if name in (options.only or NAMES)]
    missing = [name for name in names if version_of(name) is None]
    if missing:
        print(f"Not installed, left out: {', '.join(missing)}. `make bench` installs them.", file=sys.stderr)
    names = [name for name in names if name not in missing]
    if not names:
        parser.exit(1)
    results = []
    for folder in options.folders or [SHIPPED]:
        try:
            samples = load(folder)
        except (OSError, ValueError) as error:
            parser.exit(1, f"{folder}: {error}\n")
        if not samples:
            parser.exit(1, f"{folder}: truth.jsonl names no page\n")
        with _silence():
            runs = read_all(samples, names)
        if options.json:
            results.append({"folder": str(folder), **as_json(samples, runs)})
        else:
            print(f"{folder}: {len(samples)} pages\n\n{as_table(samples, runs)}\n")
            for name in names if options.worst else ():
                print(f"Worst of {name}:\n\n{worst(samples, runs[name], options.worst)}\n")
    if options.json:
        print(json.dumps({**surroundings(names), "folders": results}, ensure_ascii=False, indent=1))
    else:
        print(_format_surroundings(surroundings(names)))


def surroundings(names: Sequence[str]) -> dict[str, object]:
    """Tell what the figures depend on besides the pages."""
    return {
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in names},
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _format_surroundings(facts: Mapping[str, object]) -> str:
    versions = facts["versions"]
    assert isinstance(versions, dict)
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{listed}; Python {facts['python']}, {facts['cpus']} CPUs, load average {facts['load']}"


def _scores(samples: Sequence[Sample], runs: Mapping[str, Run]) -> dict[str, Scores]:
    truths = [sample.truth for sample in samples]
    return {
        name: score(
            truths,
            run.readings,
            run.cpu,
            failed=sum(error is not None for error in run.errors),
            has_byline=name not in WITHOUT_BYLINE,
            repeating=run.repeating,
        )
        for name, run in runs.items()
    }


def as_json(samples: Sequence[Sample], runs: Mapping[str, Run]) -> dict[str, object]:
    """Return the scores of every reader, and of every page."""
    readers = {
        name: {**asdict(scores), "each": _pages(samples, runs[name])} for name, scores in _scores(samples, runs).items()
    }
    return {"pages": len(samples), "readers": readers}


def _pages(samples: Sequence[Sample], run: Run) -> list[dict[str, object]]:
    leaked = leaked_lines([sample.truth for sample in samples], run.readings, repeating=run.repeating)
    rows = []
    for number, sample in enumerate(samples):
        precision, recall = body_score(sample.truth.text or "", run.readings[number].text)
        reading = run.readings[number]
        rows.append(
            {
                "page": sample.name,
                "f1": f1(precision, recall),
                "precision": precision,
                "recall": recall,
                "title": reading.title,
                "authors": list(reading.authors),
                "published": reading.published,
                "leaked": leaked[number],
                "cpu": 1000 * run.cpu[number],
                "error": run.errors[number],
            }
        )
    return rows


HEADER = (
    "", "F1", "precision", "recall", "title", "authors =", "authors F1", "date", "leaked %", "CPU ms mean / median",
    "CPU ratio", "failed",
)  # fmt: skip


def as_table(samples: Sequence[Sample], runs: Mapping[str, Run]) -> str:
    """Lay out the scores as a Markdown table; the CPU ratio is to plain trafilatura."""
    all_scores = _scores(samples, runs)
    plain = all_scores.get("trafilatura")
    rows = [
        (
            name,
            *map(_figure, (one.f1, one.precision, one.recall, one.title, one.authors, one.authors_f1, one.published)),
            "-" if one.leaked is None else f"{100 * one.leaked:.2f}",
            f"{one.cpu_mean:.1f} / {one.cpu_median:.1f}",
            f"{one.cpu_mean / plain.cpu_mean:.2f}" if plain else "-",
            str(one.failed),
        )
        for name, one in all_scores.items()
    ]
    return _table(HEADER, rows)


def worst(samples: Sequence[Sample], run: Run, count: int) -> str:
    """Lay out the pages with the lowest F1."""
    pages = sorted(_pages(samples, run), key=lambda page: (page["f1"], page["page"]))[:count]
    rows = [
        (str(page["page"]), *(f"{page[name]:.3f}" for name in ("f1", "precision", "recall")), str(page["error"] or ""))
        for page in pages
    ]
    return _table(("page", "F1", "precision", "recall", "error"), rows)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    cells = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(f"| {line} |" for line in cells)
