"""How commands speak: lines for people, JSON lines for machines, progress on the terminal only."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from archiver.archive import Archive
from storage.sync import Progress


def print_json(value: Any) -> None:
    """Print one JSON object as one line, escaping what the output's encoding lacks."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    print(json.dumps(value, ensure_ascii=not is_unicode), flush=True)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, file: TextIO | None = None) -> None:
    """Print rows in columns, to standard output unless told otherwise; numbers stand to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(header), *cells]) for column in range(len(header))]
    print("  ".join(title.ljust(width) for title, width in zip(header, widths, strict=True)).rstrip(), file=file)
    for row, values in zip(cells, rows, strict=True):
        aligned = [
            cell.rjust(width) if isinstance(value, int) else cell.ljust(width)
            for cell, width, value in zip(row, widths, values, strict=True)
        ]
        print("  ".join(aligned).rstrip(), file=file)


def one_line(text: str) -> str:
    """Return `text` without what could move the cursor or colour the terminal: titles come from strangers."""
    return "".join(char if char.isprintable() else " " for char in text)


@contextmanager
def progress(options: Namespace, what: str) -> Iterator[Progress | None]:
    """Yield something to report progress to; it shows on a terminal and nowhere else."""
    if options.quiet or options.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def opened(options: Namespace, *, create: bool = False) -> Iterator[Archive]:
    """Open the archive the command names, telling what had to be recovered."""
    with progress(options, "Reading new segments") as report:
        archive = Archive.open(options.archive, create=create, sites=options.sites, progress=report)
    with archive:
        for recovered in archive.recovered:
            if not options.quiet:
                print(
                    f"recovered {recovered.captures} captures that an interrupted command had left in "
                    f"{recovered.segment.rpartition('/')[2]}",
                    file=sys.stderr,
                )
        yield archive


def _cell(value: object) -> str:
    return "-" if value is None else one_line(str(value))
