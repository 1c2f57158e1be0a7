"""How good a reading is. Pure functions: truth and readings in, figures out.

Body text is compared as the public article-extraction benchmark does it: texts become multisets of four consecutive
words, each page has a precision and a recall, and F1 is taken of their means over all pages, so that a page where
everything is lost costs as much as any other page gains.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from urllib.parse import urlsplit

from benchmarks.extraction.readers import Reading

_WORD = re.compile(r"\w+")
_QUOTES = str.maketrans("‘’‚“”„«»´`", "'''\"\"\"\"\"''")


@dataclass(frozen=True, slots=True)
class Truth:
    """What stands on a page; ``None`` is not known and not scored. Empty ``authors`` say that the page names nobody."""

    url: str
    text: str | None = None
    title: str | None = None
    authors: tuple[str, ...] | None = None
    published: str | None = None
    """The day, ``2026-11-22``."""

    @property
    def site(self) -> str:
        """The host, without ``www.``."""
        return (urlsplit(self.url).hostname or "").removeprefix("www.")


def shingles(text: str, size: int = 4) -> Counter[tuple[str, ...]]:
    """Count the runs of ``size`` words; a shorter text is one run.

    >>> sorted(shingles("Rain, rain, go away today"))
    [('Rain', 'rain', 'go', 'away'), ('rain', 'go', 'away', 'today')]
    """
    words = _WORD.findall(text)
    if not words:
        return Counter()
    return Counter(tuple(words[start : start + size]) for start in range(max(1, len(words) - size + 1)))


def body_score(truth: str, text: str) -> tuple[float, float]:
    """Return precision and recall; nothing read where nothing stands is perfect."""
    expected, found = shingles(truth), shingles(text)
    if not expected and not found:
        return 1.0, 1.0
    common = (expected & found).total()
    return common / found.total() if found else 0.0, common / expected.total() if expected else 0.0


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def fold(text: str | None) -> str:
    """Compose (NFKC), make quotes alike, collapse white space: what is left to differ, differs.

    >>> fold(" “Rain”  at\\xa0last ")
    '"Rain" at last'
    """
    return " ".join(unicodedata.normalize("NFKC", text or "").translate(_QUOTES).split())


def author_score(truth: Sequence[str], authors: Sequence[str]) -> tuple[bool, float]:
    """Return whether the sets are equal, and their F1; order and case don't count."""
    expected, found = ({fold(name).casefold() for name in names} for names in (truth, authors))
    if not expected and not found:
        return True, 1.0
    return expected == found, 2 * len(expected & found) / (len(expected) + len(found))


def leaked_lines(
    truths: Sequence[Truth], readings: Sequence[Reading], *, repeating: Sequence[Reading] | None = None
) -> list[list[str]]:
    """Return, for each page, the lines of its reading that repeat on its site and are not in its truth.

    A line repeats when it stands in the readings of two or more pages of a site; in `repeating`, where these are given:
    a line that was left out of one page only still leaks on the other. Only words count: bullets and the rules of
    tables are a renderer's. Pages without a true text help to find such lines and leak none.
    """
    pages = list(map(_lines, readings))
    seen: dict[str, Counter[str]] = {}
    for truth, reading in zip(truths, readings if repeating is None else repeating, strict=True):
        seen.setdefault(truth.site, Counter()).update(set(_lines(reading)))
    return [
        [line for line in lines if seen[truth.site][line] >= 2 and f" {line} " not in f" {_words(truth.text)} "]
        if truth.text is not None
        else []
        for truth, lines in zip(truths, pages, strict=True)
    ]


def _lines(reading: Reading) -> list[str]:
    return [line for line in map(_words, reading.text.splitlines()) if line]


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text))


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of one reader over a set; shares are of 1, and ``None`` when there was nothing to judge."""

    pages: int
    failed: int
    """Pages on which the reader raised; they count as read empty."""
    precision: float | None
    recall: float | None
    f1: float | None
    title: float | None
    authors: float | None
    """Share of pages with equal sets."""
    authors_f1: float | None
    published: float | None
    leaked: float | None
    """Share of the output's lines."""
    cpu_mean: float
    """Milliseconds per page."""
    cpu_median: float


def score(
    truths: Sequence[Truth],
    readings: Sequence[Reading],
    cpu: Sequence[float],
    *,
    failed: int = 0,
    has_byline: bool = True,
    repeating: Sequence[Reading] | None = None,
) -> Scores:
    """Score a reader's readings of the pages that ``truths`` tell of, in the same order.

    ``cpu`` is in seconds. Without ``has_byline`` the reader looks for neither authors nor dates. ``repeating`` are
    readings that show which lines repeat, where these readings no longer do.
    """
    pairs = list(zip(truths, readings, strict=True))
    bodies = [body_score(truth.text, reading.text) for truth, reading in pairs if truth.text is not None]
    precision, recall = _mean([each[0] for each in bodies]), _mean([each[1] for each in bodies])
    bylines = pairs if has_byline else []
    authors = [author_score(truth.authors, reading.authors) for truth, reading in bylines if truth.authors is not None]
    lines = sum(len(_lines(reading)) for truth, reading in pairs if truth.text is not None)
    leaked = sum(map(len, leaked_lines(truths, readings, repeating=repeating)))
    return Scores(
        pages=len(pairs),
        failed=failed,
        precision=precision,
        recall=recall,
        f1=None if precision is None or recall is None else f1(precision, recall),
        title=_mean([fold(truth.title) == fold(reading.title) for truth, reading in pairs if truth.title]),
        authors=_mean([equal for equal, _ in authors]),
        authors_f1=_mean([share for _, share in authors]),
        published=_mean([truth.published == reading.published for truth, reading in bylines if truth.published]),
        leaked=leaked / lines if lines else None,
        cpu_mean=1000 * fmean(cpu),
        cpu_median=1000 * median(cpu),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
