"""What is wrong, and what to do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

SHOWN = 20
"""Problems of one kind that are named one by one for each file; the others are counted."""

RESTORE = "restore the file from a backup"
RECOVER = "any archiver command recovers it"
ADD = "add the WARC that holds it"
MAKE_CDXJ = "`archiver reindex` makes it from the WARC"
"""Where there is no CDXJ; one that is there, `archiver reindex` believes."""
REWRITE_CDXJ = "`archiver reindex --from-warc` writes it anew"
REINDEX = "`archiver reindex` mends it"
REINDEX_FROM_WARC = "`archiver reindex --from-warc` mends it"
"""Where the index is loaded from a CDXJ that is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    where: str
    """The key of the file, with `` offset N`` where one is known; ``index`` for the index as a whole."""
    what: str
    """One line: what is wrong, and the way out where there is one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read, and what is wrong with it."""

    segments: int
    """Complete segments."""
    records: int
    """WARC records, those of open segments among them; so it is with the next four."""
    captures: int
    """Records that are indexed."""
    revisits: int
    """Captures whose payload an earlier one holds."""
    articles: int
    """Lines of articles files, every revision counted."""
    bytes: int
    """Bytes of the WARC files."""
    problems: tuple[Problem, ...]
    open_segments: int
    """Segments that a live process is writing now; they were read up to what their journal acknowledged."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Findings:
    """Problems in the order they were found, many of one kind in one file cut short."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, key: str, what: str, *, offset: int | None = None, detail: str = "") -> None:
        """Note that `what` is wrong with the file `key`; the `detail` follows in brackets."""
        self._counts[key, what] += 1
        if self._counts[key, what] <= SHOWN:
            where = key if offset is None else f"{key} offset {offset}"
            cause, separator, way_out = what.partition("; ")
            text = f"{cause} ({detail}){separator}{way_out}" if detail else what
            self._problems.append(Problem(where, " ".join(text.split())))

    def all(self) -> tuple[Problem, ...]:
        """Return every problem, and a line for those that were only counted."""
        rest = [
            Problem(key, f"{count - SHOWN} more times: {what}")
            for (key, what), count in self._counts.items()
            if count > SHOWN
        ]
        return (*self._problems, *rest)
