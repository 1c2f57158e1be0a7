"""The witness every capture is compared with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wirelog import WireLog, wire_log


@pytest.fixture(scope="module")
def server() -> Iterator[WireLog]:
    """A server for all tests of a module: they tell their exchanges apart by query."""
    with wire_log() as server:
        yield server
