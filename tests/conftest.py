"""What every test may use, and a rule: where everything is installed, a skip is a failure."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.s3server import S3Server, s3_server
from tests.wirelog import WireLog, wire_log

EVERYTHING_IS_HERE = bool(os.environ.get("ARCHIVER_TEST_ALL"))
"""Set where the servers some tests need were installed; then nothing has an excuse."""


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server() -> Iterator[WireLog]:
    with wire_log() as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_excuse((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_excuse((yield))


def _without_excuse(report: Any) -> Any:
    if EVERYTHING_IS_HERE and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"ARCHIVER_TEST_ALL is set, so nothing may be skipped, but: {reason}"
    return report
