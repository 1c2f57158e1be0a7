"""Blobs: bytes under keys, in a directory or in an S3 bucket.

A key is a relative path with slashes, such as ``cdxj/2026/11/22/news-….cdxj.gz``. A blob appears whole or not at
all and never changes afterwards; the few that may (``replace=True``) change in one step. What a blob's name hides
from ``keys()`` (``*.open``, ``*.journal``, ``*.part``, dot files, the index) is work in progress, or not a blob.

    LocalBlobs    a directory; blobs are plain files that other tools can read
    S3Blobs       a bucket, see storage/s3.py
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.errors import KeyExists, KeyNotFound, StorageError, StorageFull, StorageUnavailable, UploadMismatch

CHUNK = 1 << 20
"""Bytes read or compared at a time."""

_NEVER_IN_KEYS = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")  # control characters, backslash, what is no UTF-8
_UNLISTED_ENDINGS = (".open", ".journal", ".part")
_UNLISTED_STARTS = (".", "index.sqlite3")
_NO_SUCH_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class Blobs(Protocol):
    """A store of blobs; every method is safe to call from several threads and processes at once."""

    @property
    def location(self) -> str:
        """Where the blobs are, as a user would type it."""

    @property
    def local(self) -> Path | None:
        """The directory that holds the blobs; ``None`` where they are not files of this machine."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that begin with ``prefix`` (any string, not only a folder), sorted by their UTF-8 bytes."""

    def size(self, key: str) -> int:
        """Return the length of a blob in bytes; KeyNotFound where there is none."""

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer where the blob ends sooner; ``None`` reads to the end."""

    def open(self, key: str) -> BinaryIO:
        """Open a blob to be read from its first to its last byte; KeyNotFound where there is none."""

    def put(self, key: str, data: bytes, *, replace: bool = False) -> None:
        """Store ``data``, durable on return; a key that is taken raises KeyExists unless ``replace`` is true."""

    def put_file(self, key: str, path: Path) -> None:
        """Store a local file, verify what was stored, then remove the file.

        May be repeated after a crash: a key that already holds these bytes is fine, other bytes raise KeyExists.
        On every error the local file is still there.
        """

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def check(self, *, write: bool) -> None:
        """Raise StorageUnavailable unless the store can be read and, if ``write``, a small blob stored and removed."""


def open_blobs(location: str) -> Blobs:
    """Return the blobs at ``s3://bucket/prefix`` or in a directory; neither is contacted or made yet."""
    scheme, separator, _ = location.partition("://")
    if not separator and location and "\0" not in location:
        return LocalBlobs(location)
    if scheme != "s3":
        raise StorageUnavailable(f"{location!r} is no place for an archive; give a directory or s3://bucket/prefix")
    from storage.s3 import S3Blobs  # a local archive needs none of it

    return S3Blobs(location)


def is_key(key: str) -> bool:
    """Tell whether every store can hold ``key``.

    >>> is_key("warc/a.warc.gz"), is_key("/etc/passwd"), is_key("a/../b"), is_key("a//b")
    (True, False, False, False)
    """
    return not _NEVER_IN_KEYS.search(key) and not any(part in ("", ".", "..") for part in key.split("/"))


def check_key(key: str) -> str:
    """Return ``key``, or raise ValueError where no store may hold it."""
    if not is_key(key):
        raise ValueError(
            f"{key!r} is not a key; use a relative path with slashes and without '.', '..', empty parts, backslashes "
            "or control characters"
        )
    return key


def is_listed(key: str) -> bool:
    """Tell whether ``keys()`` may name ``key``: it is one, and neither hidden nor half-written nor the index.

    >>> is_listed("warc/a.warc.gz"), is_listed("warc/a.warc.gz.open"), is_listed("index.sqlite3-wal")
    (True, False, False)
    """
    return not (key.endswith(_UNLISTED_ENDINGS) or key.startswith(_UNLISTED_STARTS) or "/." in key) and is_key(key)


def check_span(offset: int, length: int | None) -> None:
    """Raise ValueError for a range that counts backwards."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"no range begins at {offset} with length {length}; both count forward from 0")


def same_bytes(one: BinaryIO, other: BinaryIO) -> bool:
    """Tell whether two streams hold the same bytes from here to their ends."""
    while True:
        chunk = one.read(CHUNK)
        if chunk != other.read(CHUNK):
            return False
        if not chunk:
            return True


class LocalBlobs:
    """Blobs as files in a directory, which is made when the first one is stored.

    A blob is written to a ``.part`` file beside it, synced, then linked to its name: linking fails where the name is
    taken, so two writers never overwrite each other. File systems without hard links get a look and a rename.
    """

    def __init__(self, directory: str | Path) -> None:
        self.location = str(directory)
        self.local = Path(os.path.expanduser(directory)).absolute()

    def __repr__(self) -> str:
        return f"LocalBlobs({self.location!r})"

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield keys lazily, reading only the directories that can match."""
        if not is_key(prefix + "x"):
            return
        folder, slash, _ = prefix.rpartition("/")
        yield from self._walk(folder + slash, prefix)

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        for name in self._names(folder):
            key = folder + name
            if not key.startswith(prefix):
                continue
            if name.endswith("/"):
                yield from self._walk(key, prefix)
            elif is_listed(key):
                yield key

    def _names(self, folder: str) -> list[str]:
        """Return the sorted names in a folder, those of folders with the slash that their keys sort by."""
        if "/." in "/" + folder:
            return []
        try:
            with os.scandir(self.local / folder) as entries:
                names = [entry.name + "/" if entry.is_dir() else entry.name for entry in entries]
        except OSError as error:
            if error.errno in _NO_SUCH_FILE and self._may_be_a_directory():
                return []
            raise self._explain(error, folder) from error
        return sorted(name for name in names if not name.startswith(".") and is_key(name.removesuffix("/")))

    def size(self, key: str) -> int:
        """Return the length of the file in bytes."""
        with self._reading(key) as file:
            return os.fstat(file.fileno()).st_size

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return part of the file."""
        check_span(offset, length)
        with self._reading(key) as file:
            rest = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(offset)
            return file.read(rest if length is None else min(length, rest))

    def open(self, key: str) -> BinaryIO:
        """Open the file."""
        return self._open(key, CHUNK)

    def _open(self, key: str, buffering: int = -1) -> BinaryIO:
        path = self.local / check_key(key)
        try:
            return open(path, "rb", buffering)
        except OSError as error:
            if error.errno in _NO_SUCH_FILE and self._may_be_a_directory():
                raise KeyNotFound(f'{self.location} holds no {key}; "archiver verify" tells what is missing') from error
            raise self._explain(error, key) from error

    @contextmanager
    def _reading(self, key: str) -> Iterator[BinaryIO]:
        with self._open(key) as file:
            try:
                yield file
            except OSError as error:
                raise self._explain(error, key) from error

    def put(self, key: str, data: bytes, *, replace: bool = False) -> None:
        """Store ``data`` in one visible step."""
        path = self.local / check_key(key)
        with self._writing(key):
            _make_folder(path.parent)
            if not replace and os.path.lexists(path):
                raise self._taken(key)
            with _part_file(path) as part:
                part.write(data)
                _sync_file(part)
                if replace:
                    os.replace(part.name, path)
                else:
                    self._link(Path(part.name), path, key)
            _sync_folder(path.parent)

    def put_file(self, key: str, path: Path) -> None:
        """Move a file to its key: by its name alone on one file system, else by a copy that is compared."""
        target = self.local / check_key(key)
        with self._writing(key):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            _make_folder(target.parent)
            if _is_same_entry(path, target):
                _sync_folder(target.parent)
                return
            try:
                self._place(path, target, key)
            except KeyExists:
                if not _same_files(path, target):
                    raise
            _sync_folder(target.parent)
            path.unlink(missing_ok=True)

    def _place(self, path: Path, target: Path, key: str) -> None:
        if not path.is_symlink():
            try:
                self._link(path, target, key)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        if os.path.lexists(target):
            raise self._taken(key)
        with _part_file(target) as part:
            with open(path, "rb") as original:
                shutil.copyfileobj(original, part, CHUNK)
            _sync_file(part)
            _forget_cached(part)
            if not _same_files(path, Path(part.name)):
                raise UploadMismatch(f"the copy of {path} in {self.location} differs; check that disk and try again")
            self._link(Path(part.name), target, key)

    def _link(self, source: Path, target: Path, key: str) -> None:
        """Give ``source`` the name ``target``; afterwards ``source`` may or may not still be there as well."""
        try:
            os.link(source, target)
        except FileExistsError:
            raise self._taken(key) from None
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            if os.path.lexists(target):
                raise self._taken(key) from None
            os.rename(source, target)

    def delete(self, key: str) -> None:
        """Remove the file; its folder stays."""
        path = self.local / check_key(key)
        try:
            path.unlink()
            _sync_folder(path.parent)
        except OSError as error:
            if error.errno not in _NO_SUCH_FILE or not self._may_be_a_directory():
                raise self._explain(error, key) from error

    def check(self, *, write: bool) -> None:
        """Raise StorageUnavailable unless the directory can be used; ``write`` makes it where it is missing."""
        if write:
            probe = f".check-{secrets.token_hex(8)}"
            self.put(probe, b"check")
            self.delete(probe)
        elif not os.path.lexists(self.local):
            raise StorageUnavailable(f"there is no directory {self.location}; check the name, or save something first")
        else:
            self._names("")

    def _may_be_a_directory(self) -> bool:
        return self.local.is_dir() or not os.path.lexists(self.local)

    def _taken(self, key: str) -> KeyExists:
        return KeyExists(f"{self.location} already holds {key}, and blobs never change; use another key")

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._explain(error, key) from error

    def _explain(self, error: OSError, key: str) -> StorageError:
        where, place = error.filename or self.location, self.location
        match error.errno:
            case errno.ENOSPC:
                return StorageFull(f"no space is left in {place} for {key}; free some space or use a larger disk")
            case errno.EDQUOT:
                return StorageFull(f"the disk quota of {place} leaves no room for {key}; free some space or raise it")
            case errno.EROFS:
                return StorageUnavailable(f"{place} is read-only; remount it writable or use another directory")
            case errno.EACCES | errno.EPERM:
                return StorageUnavailable(f"not allowed to use {where}; give this user access or use another directory")
            case errno.ENOTDIR | errno.EEXIST:
                file = where if self._may_be_a_directory() else place
                return StorageUnavailable(f"{file} is not a directory; move it away or use another directory")
            case errno.ENOENT:
                return StorageError(f"{where} is missing; check the path")
        reason = error.strerror or type(error).__name__
        return StorageError(f"{where}: {reason}; check the disk and the key {key}")


@contextmanager
def _part_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside ``path``; unless it was renamed meanwhile, its name is gone afterwards."""
    name = os.fsdecode(os.fsencode(path.name)[:200])  # names end at 255 bytes
    part = path.with_name(f"{name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            yield file
    finally:
        part.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents, each durable in the one above."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_cached(file: BinaryIO) -> None:
    """Have the next read of a synced file come from the disk rather than from memory, where the system can."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _same_files(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with open(one, "rb") as first, open(other, "rb") as second:
        return same_bytes(first, second)


def _is_same_entry(one: Path, other: Path) -> bool:
    """Tell whether two paths are one name of one file, so that removing either would remove the blob."""
    if not other.exists() or not one.samefile(other):
        return False
    spelled_alike = os.path.realpath(one.parent) == os.path.realpath(other.parent) and one.name == other.name
    return spelled_alike or (other.stat().st_nlink == 1 and not one.is_symlink())
