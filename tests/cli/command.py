"""The ``archiver`` command as its users have it: the installed script, in a process and a home of its own.

    archiver = Command(tmp_path, "./archive")
    done = archiver("save", url)                      # fails the test unless the exit code is 0
    archiver("get", url, code=1).err                  # or the one that is named

Whatever a command meets, it never shows a traceback; every call checks that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from tests.s3server import S3Server

SCRIPTS = Path(sys.executable).parent
HANG = 120
"""Seconds after which a command is taken to hang; none comes near it."""
HALF_WRITTEN = (".open", ".journal", ".part")


@dataclass(frozen=True)
class Done:
    """What a command left on its outputs."""

    code: int
    stdout: bytes
    err: str

    @cached_property
    def out(self) -> str:
        return self.stdout.decode()

    @cached_property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """Of ``--json``: one object per line."""
        return [json.loads(line) for line in self.lines]

    @cached_property
    def object(self) -> dict[str, Any]:
        (only,) = self.objects
        return only

    @cached_property
    def complaint(self) -> str:
        """The one line on standard error."""
        (only,) = self.err.splitlines()
        return only


@dataclass(frozen=True)
class Command:
    """Runs the command on one archive."""

    home: Path
    archive: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """A new user's environment."""
        own = {"HOME": str(self.home), "PATH": f"{SCRIPTS}:{os.defpath}", "LANG": "C.UTF-8", **self.extra}
        return own | {"ARCHIVER_ARCHIVE": self.archive}

    def __call__(
        self, *arguments: str, code: int = 0, stdin: str | None = None, env: Mapping[str, str] | None = None,
        script: str = "archiver", cwd: Path | None = None,
    ) -> Done:  # fmt: skip
        run = subprocess.run(
            [SCRIPTS / script, *arguments],
            input=stdin.encode() if stdin is not None else None,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=self.env | dict(env or {}),
            cwd=cwd or self.home,
            timeout=HANG,
        )
        done = Done(run.returncode, run.stdout, run.stderr.decode())
        assert b"Traceback" not in run.stdout + run.stderr, done.err
        assert done.code == code, f"{arguments} ended with {done.code}:\n{done.out}\n{done.err}"
        return done

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, to be interrupted."""
        return subprocess.Popen(
            [SCRIPTS / "archiver", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.env | dict(env or {}), cwd=self.home, start_new_session=True,
        )  # fmt: skip


class Place(Protocol):
    """Where an archive lies, looked at behind the command's back."""

    @property
    def command(self) -> Command: ...

    def stored(self) -> list[str]:
        """Every stored key that is part of the archive, sorted."""

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, data: bytes) -> None: ...

    def indexes(self) -> list[Path]:
        """The files of the index."""

    def leftovers(self) -> list[str]:
        """Names of files that no command may leave behind."""


@dataclass(frozen=True)
class LocalPlace:
    command: Command

    @property
    def directory(self) -> Path:
        return self.command.home / self.command.archive

    def stored(self) -> list[str]:
        files = (path for path in self.directory.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.directory)) for path in files if "index.sqlite3" not in path.name)

    def read(self, key: str) -> bytes:
        return (self.directory / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        (self.directory / key).write_bytes(data)

    def indexes(self) -> list[Path]:
        return sorted(self.directory.glob("index.sqlite3*"))

    def leftovers(self) -> list[str]:
        return [key for key in self.stored() if key.endswith(HALF_WRITTEN)]


@dataclass(frozen=True)
class S3Place:
    command: Command
    server: S3Server

    @property
    def _bucket(self) -> str:
        return self.command.archive.removeprefix("s3://").partition("/")[0]

    @property
    def _prefix(self) -> str:
        return self.command.archive.removeprefix("s3://").partition("/")[2] + "/"

    def stored(self) -> list[str]:
        pages = self.server.client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        return sorted(item["Key"].removeprefix(self._prefix) for page in pages for item in page.get("Contents", ()))

    def read(self, key: str) -> bytes:
        data: bytes = self.server.client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.server.client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def indexes(self) -> list[Path]:
        return sorted(self.command.home.glob(".cache/article-archiver/*/index.sqlite3*"))

    def leftovers(self) -> list[str]:
        spool = self.command.home / ".local/state/article-archiver"
        spooled = [str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file()]
        return [key for key in self.stored() if key.endswith(HALF_WRITTEN)] + spooled


@contextmanager
def flipped(place: Place, key: str, offset: int) -> Iterator[None]:
    """Have one bit of a stored file turned over."""
    sound = place.read(key)
    damaged = bytearray(sound)
    damaged[offset] ^= 0x10
    place.write(key, bytes(damaged))
    try:
        yield
    finally:
        place.write(key, sound)
