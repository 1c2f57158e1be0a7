"""When to look again: at an article on a ladder of widening waits, at a feed or sitemap as often as it has news.

Pure: a standing and what a visit found give the next standing, a standing gives the wait. Nothing else is remembered
about a page between two visits, so that replaying its captures gives the same plan again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

Finding = Literal["new", "same", "changed", "missing", "failed"]
"""What a visit found: the first capture; the text known; another text; 404 or 410; no answer that says anything."""

LADDER = (
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=30),
    timedelta(days=90),
    timedelta(days=365),
)
"""Waits between the visits of an article nobody edits; the last one repeats."""
STEPS_BACK = 2
"""An edit brings further edits: so many steps back up the ladder."""
CONFIRMATIONS = (timedelta(hours=1), timedelta(hours=24))
"""Waits after the first and the second 404; the third makes the page gone."""
GONE_STEP = 6
"""Where on the ladder a page stands that is gone: it may come back, which takes months rather than hours."""
FIRST_RETRY = timedelta(minutes=15)
LAST_RETRY = timedelta(days=1)
"""Waits after failures double from the first to the last."""
JITTER = 0.1
"""Share by which a wait may be longer, so that a thousand pages found together do not come due together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a page stands between two visits."""

    step: int = 0
    """On the ladder."""
    misses: int = 0
    """Times in a row it was missing."""
    failures: int = 0
    """Times in a row a visit failed, since anything else was found."""

    @property
    def is_gone(self) -> bool:
        return self.misses > len(CONFIRMATIONS)

    def after(self, finding: Finding) -> Standing:
        """Return the standing after a visit.

        >>> Standing(step=5).after("changed")
        Standing(step=3, misses=0, failures=0)
        """
        match finding:
            case "failed":
                return replace(self, failures=self.failures + 1)
            case "missing":
                missing = replace(self, misses=self.misses + 1, failures=0)
                if missing.misses == len(CONFIRMATIONS) + 1:
                    return replace(missing, step=max(self.step, GONE_STEP))
                return replace(missing, step=self.step + missing.is_gone)
            case "new":
                return Standing()
            case "changed":
                return Standing(step=max(0, self.step - STEPS_BACK))
            case "same":
                return Standing(step=self.step if self.misses else self.step + 1)

    def wait(self, ladder: tuple[timedelta, ...] = LADDER) -> timedelta:
        """Return how long to wait for the next visit, without jitter."""
        if self.failures:
            doublings = min(self.failures - 1, 20)
            return min(FIRST_RETRY * (1 << doublings), LAST_RETRY)
        if 0 < self.misses <= len(CONFIRMATIONS):
            return CONFIRMATIONS[self.misses - 1]
        return ladder[min(self.step, len(ladder) - 1)]


def replay(findings: Iterable[Finding]) -> Standing:
    """Return the standing of a page after these visits, the oldest first."""
    standing = Standing()
    for finding in findings:
        standing = standing.after(finding)
    return standing


def spread(wait: timedelta, key: str) -> timedelta:
    """Lengthen a wait by up to a tenth, always the same for the same page."""
    fraction = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=4).digest()) / 2**32
    return wait * (1 + JITTER * fraction)


SHORTEST = timedelta(minutes=10)
LONGEST = timedelta(hours=24)
FIRST_INTERVAL = timedelta(hours=1)
LONGEST_OF_THE_DEAD = timedelta(days=30)
"""Feeds come back from what looks like death, so none is ever given up."""
SHARE_OF_SILENCE = 1 / 8
"""An interval is no longer than this share of the time without news: a night's silence must not cost the morning."""


@dataclass(frozen=True, slots=True)
class Interval:
    """How often a feed or a sitemap is fetched."""

    current: timedelta = FIRST_INTERVAL
    failures: int = 0
    """Times in a row."""

    def after(self, *, has_news: bool, silence: timedelta | None = None, hint: timedelta | None = None) -> Interval:
        """Return the interval after a fetch.

        `silence` is how long there has been nothing new; `hint` how often the document says that it changes.
        """
        if has_news:
            current = 0.8 * self.current + 0.2 * SHORTEST
        else:
            current = 1.5 * self.current
            if silence is not None:
                current = min(current, max(silence * SHARE_OF_SILENCE, self.current))
        floor = SHORTEST if hint is None else min(max(hint, SHORTEST), LONGEST)
        return Interval(min(max(current, floor), LONGEST))

    def after_failure(self) -> Interval:
        """Return the interval after a fetch that failed."""
        return replace(self, failures=self.failures + 1)

    @property
    def wait(self) -> timedelta:
        """How long to wait for the next fetch: longer with every failure."""
        if not self.failures:
            return self.current
        return min(self.current * (1 + self.failures), LONGEST_OF_THE_DEAD)
