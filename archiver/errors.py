"""Every error a user of this project can meet, in one tree.

    ArchiveError                     the root, from storage.errors
    ├── NotArchived                  no snapshot of this URL
    ├── NoArchive                    nothing is archived at this place yet
    ├── BadRequest                   an argument that cannot be understood: URL, date, option
    │   └── BadSites                 a sites file with mistakes; carries all of them
    ├── SaveFailed                   a save ended without a usable snapshot; carries the attempt
    ├── StorageError, …              see storage.errors
    └── NewerFormat, DamagedRecord, DamagedIndex

``str(error)`` is one line: the cause, then the way out.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.errors import (
    ArchiveError,
    DamagedIndex,
    DamagedRecord,
    KeyExists,
    KeyNotFound,
    NewerFormat,
    StorageError,
    StorageFull,
    StorageUnavailable,
    UploadMismatch,
)

__all__ = [
    "ArchiveError",
    "BadRequest",
    "BadSites",
    "DamagedIndex",
    "DamagedRecord",
    "KeyExists",
    "KeyNotFound",
    "NewerFormat",
    "NoArchive",
    "NotArchived",
    "SaveFailed",
    "StorageError",
    "StorageFull",
    "StorageUnavailable",
    "UploadMismatch",
]


class NotArchived(ArchiveError):
    """The archive holds no snapshot of this URL."""

    def __init__(self, url: str) -> None:
        super().__init__(f'{url} has no snapshot; "archiver save {url}" makes one')
        self.url = url


class NoArchive(ArchiveError):
    """There is no archive at this place."""


class BadRequest(ArchiveError):
    """An argument cannot be understood."""


class BadSites(BadRequest):
    """A sites file has mistakes; each of `problems` names its line."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more; `archiver sites check` lists them all)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = tuple(problems)


class SaveFailed(ArchiveError):
    """A page could not be saved; `outcome` and `evidence` say how far it came."""

    def __init__(self, url: str, outcome: str, evidence: tuple[str, ...]) -> None:
        super().__init__(f"{url}: {outcome}: {'; '.join(evidence) or 'no reason known'}")
        self.url, self.outcome, self.evidence = url, outcome, evidence
