"""Both stores, for tests that must hold for either."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.blobs import Blobs, LocalBlobs
from storage.s3 import S3Blobs
from tests.s3server import S3Server, use_environment


@pytest.fixture
def local_blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "archive")


@pytest.fixture
def s3_blobs(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Blobs:
    use_environment(monkeypatch, s3.env)
    return S3Blobs(f"s3://{s3.make_bucket()}/news")


@pytest.fixture(params=["local", "s3"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    """Each store in turn; the server starts only when S3's turn comes."""
    store: Blobs = request.getfixturevalue(f"{request.param}_blobs")
    return store
