"""What can go wrong with stored bytes.

    ArchiveError                  the root; archiver.errors grows from it too
    ├── StorageError              the store refused or failed
    │   ├── KeyNotFound
    │   ├── KeyExists             blobs are immutable
    │   ├── StorageUnavailable    no bucket, wrong credentials, no answer, not a directory
    │   ├── StorageFull           no space or quota left
    │   └── UploadMismatch        what arrived is not what was sent
    ├── NewerFormat               written by a newer version of this tool
    ├── DamagedRecord             bytes that are not a whole WARC record
    └── DamagedIndex              the index file is no index

Every message is one line: the cause, then the way out.
"""

from __future__ import annotations


class ArchiveError(Exception):
    """Root of every error this project raises on purpose; ``str()`` is one line for people."""


class StorageError(ArchiveError):
    """The store refused a request or failed while serving it."""


class KeyNotFound(StorageError):
    """No blob is stored under this key."""


class KeyExists(StorageError):
    """The key already holds other bytes; blobs never change."""


class StorageUnavailable(StorageError):
    """The store cannot be used at all: missing bucket, wrong credentials, no answer, not a directory."""


class StorageFull(StorageError):
    """No space or quota is left; nothing half-written remains."""


class UploadMismatch(StorageError):
    """Size or checksum of the stored blob differs from the local file, which is therefore kept."""


class NewerFormat(ArchiveError):
    """The archive or index was written by a newer version; it is left untouched."""


class DamagedRecord(ArchiveError):
    """These bytes are not a whole WARC record; the message names file and offset."""


class DamagedIndex(ArchiveError):
    """The index file cannot be read as an index; it can be rebuilt from the archive."""
