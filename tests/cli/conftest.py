"""A web server to archive from, and archives of both kinds to archive into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command, LocalPlace, Place, S3Place
from tests.s3server import S3Server


@pytest.fixture
def archiver(tmp_path: Path) -> Command:
    """The command on a local archive that is not there yet."""
    return Command(tmp_path, "./archive")


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of archive in turn; the S3 server starts only when its turn comes."""
    return make_place(request, tmp_path)


def make_place(request: pytest.FixtureRequest, home: Path) -> Place:
    """Return an archive of the kind that the fixture's parameter names."""
    if request.param == "local":
        return LocalPlace(Command(home, "./archive"))
    s3: S3Server = request.getfixturevalue("s3")
    return S3Place(Command(home, f"s3://{s3.make_bucket()}/news", s3.env), s3)
