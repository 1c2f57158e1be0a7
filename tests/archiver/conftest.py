"""Archives to open and a server to save from, for tests of the Python side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3server import S3Server, use_environment


@pytest.fixture(autouse=True, scope="package")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep spools and caches of these tests out of the user's own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        for name in ("ARCHIVER_ARCHIVE", "ARCHIVER_SPOOL", "SCRAPY_SETTINGS_MODULE"):
            patch.delenv(name, raising=False)
        yield


def place_for(request: pytest.FixtureRequest, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Return a new place for an archive, of the kind that the fixture's parameter names."""
    if request.param == "local":
        return str(folder / "archive")
    s3: S3Server = request.getfixturevalue("s3")
    use_environment(patch, s3.env)
    return f"s3://{s3.make_bucket()}/news"


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return place_for(request, tmp_path, monkeypatch)
