"""The survey: what a verification knows of each segment so far."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from storage.blobs import Blobs
from storage.errors import KeyNotFound, StorageError, StorageUnavailable
from storage.segment import articles_key, cdxj_key, warc_key
from storage.verify.findings import REINDEX, REINDEX_FROM_WARC, RESTORE, REWRITE_CDXJ, Findings, Verification
from storage.verify.ledger import Ledger

_WARC = re.compile(r"warc/(.+)\.warc\.gz")
_CDXJ = re.compile(r"cdxj/(.+)\.cdxj\.gz")
_ARTICLES = re.compile(r"articles/(.+?)(?:\.r([2-9]|[1-9][0-9]+))?\.jsonl\.gz")


@dataclass(slots=True, eq=False)
class Segment:
    """A segment, and what its files have shown so far."""

    number: int
    """Its name in the ledger."""
    name: str
    is_complete: bool = False
    """Whether it has a CDXJ."""
    has_warc: bool = False
    """Whether its WARC is in its final place."""
    revisions: list[int] = field(default_factory=list)
    """Of its articles files in their final places."""
    open_warc: str | None = None
    """What problems call the WARC of an open segment; ``None`` where it is called by its key."""
    journal: str | None = None
    """What problems call the journal of an open segment, which holds its CDXJ lines."""
    is_damaged: bool = False
    """Whether its WARC could not be read from end to end."""
    is_unlisted: bool = False
    """Whether it has no CDXJ that could be read from end to end."""
    has_wrong_lines: bool = False
    """Whether its CDXJ was found to be wrong, so that an index loaded from it is wrong as well."""
    is_indexed: bool = False
    """Whether the index has to know it."""

    @property
    def warc(self) -> str:
        """What problems call its WARC."""
        return self.open_warc or warc_key(self.name)

    @property
    def cdxj(self) -> str:
        """What problems call the file of its CDXJ lines."""
        return self.journal or cdxj_key(self.name)

    def articles(self, revision: int = 1) -> str:
        """Return what problems call an articles file of a complete segment."""
        return articles_key(self.name, revision)

    @property
    def index_remedy(self) -> str:
        """The command after which the index says what the files of this segment say."""
        return REINDEX_FROM_WARC if self.has_wrong_lines else REINDEX


class Survey:
    """One verification of one archive."""

    def __init__(self, blobs: Blobs, spool: Path, ledger: Ledger) -> None:
        self.blobs, self.spool, self.ledger = blobs, spool, ledger
        self.counts: Counter[str] = Counter()
        self._findings = Findings()
        self.note = self._findings.note
        self._numbered: list[Segment] = []
        self._named: dict[str, Segment] = {}

    def result(self, *, segments: int, open_segments: int) -> Verification:
        """Return what was counted and found."""
        names = ("records", "captures", "revisits", "articles", "bytes")
        counts = {name: self.counts[name] for name in names}
        return Verification(segments=segments, problems=self._findings.all(), open_segments=open_segments, **counts)

    def segment(self, name: str) -> Segment:
        """Return the segment of a name, which need not be known yet."""
        if name not in self._named:
            self._named[name] = Segment(len(self._numbered), name)
            self._numbered.append(self._named[name])
        return self._named[name]

    def numbered(self, number: int) -> Segment:
        """Return the segment that has this number in the ledger."""
        return self._numbered[number]

    def segments(self) -> list[Segment]:
        """Return every segment known so far, by name."""
        return sorted(self._numbered, key=lambda segment: segment.name)

    def list_segments(self) -> list[Segment]:
        """List the files of segments; return the complete ones. CDXJ come first because they are written last."""
        for match in self.matching("cdxj/", _CDXJ):
            self.segment(match[1]).is_complete = True
        for match in self.matching("warc/", _WARC):
            self.segment(match[1]).has_warc = True
        for match in self.matching("articles/", _ARTICLES):
            self.segment(match[1]).revisions.append(int(match[2] or 1))
        for segment in self._numbered:
            segment.revisions.sort()
        return [segment for segment in self.segments() if segment.is_complete]

    def matching(self, prefix: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yield a match for each key below a prefix; a key that does not match is a problem."""
        for key in self.blobs.keys(prefix):
            if match := pattern.fullmatch(key):
                yield match
            else:
                self.note(key, "no archive has a file of this name; move it away")

    def note_lines(self, segment: Segment, what: str, *, detail: str) -> None:
        """Note what is wrong with the CDXJ lines of a segment."""
        segment.has_wrong_lines = True
        remedy = REWRITE_CDXJ if segment.journal is None else f"once the segment is complete, {REINDEX_FROM_WARC}"
        self.note(segment.cdxj, f"{what}; {remedy}", detail=detail)

    @contextlib.contextmanager
    def reporting(self, key: str) -> Iterator[None]:
        """Note what keeps a file from being read; a store that does not answer at all ends the verification."""
        try:
            yield
        except KeyNotFound:
            self.note(key, f"the file is missing; {RESTORE}")
        except (StorageError, OSError) as error:
            if isinstance(error, StorageUnavailable) and self.blobs.local is None:
                raise
            self.note(key, "the file cannot be read", detail=str(error))

    def spooled(self, path: Path) -> str:
        """Return how a file in the spool is called: in a local archive its key, else its path."""
        return path.relative_to(self.spool).as_posix() if self.spool == self.blobs.local else str(path)

    def journal_path(self, name: str) -> Path:
        """Return where the journal of a segment is, if it has one."""
        return self.spool / f"warc/{name}.journal"

    def is_finished_now(self, name: str) -> bool:
        """Whether somebody writes a segment, or has completed it since it was listed without a CDXJ."""
        if self.journal_path(name).exists():
            return True
        with contextlib.suppress(KeyNotFound):
            self.blobs.size(cdxj_key(name))
            return True
        return False
