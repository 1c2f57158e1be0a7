"""Ctrl-C in the middle of many pages."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.command import Command, Place
from tests.oddcases import Case, ok
from tests.stories import story
from tests.wirelog import Talk, WireLog, wire_log

TOTAL = 60
QUICK = 6
"""Pages that are answered at once; the others wait until the test lets them go."""


async def _slow(talk: Talk) -> None:
    number = int(talk.request.query)
    if number >= QUICK:
        await talk.released()
    await talk.send(ok(story(f"Story {number}").encode(), b"Content-Type: text/html; charset=utf-8"))


@pytest.fixture
def slow_server() -> Iterator[WireLog]:
    with wire_log({"slow": Case("slow", _slow)}) as server:
        yield server


def urls_of(server: WireLog) -> list[str]:
    return [server.url("slow", query=str(number)) for number in range(TOTAL)]


def started(command: Command, server: WireLog) -> tuple[subprocess.Popen[str], list[dict[str, Any]]]:
    """Start saving; return once a page is reported and others are under way, with what was reported so far."""
    process = command.start("save", "--allow-private", "--json", *urls_of(server))
    assert process.stdout
    reported = [json.loads(process.stdout.readline())]
    server.wait_for(lambda: sum(not exchange.finished for exchange in server.exchanges) == 4)
    return process, reported


def finished(process: subprocess.Popen[str], reported: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Wait for an interrupted command; return everything it reported, and the rest of its standard error."""
    assert process.stdout
    assert process.stderr
    with process:
        rest, err = process.stdout.readlines(), process.stderr.read()
        assert process.wait(60) == 130
    return [*reported, *map(json.loads, rest)], err


def assert_all_kept(place: Place, reported: list[dict[str, Any]]) -> None:
    host = reported[0]["url"].partition("/odd/")[0]
    kept = {
        (each["url"], each["timestamp"]): each["outcome"]
        for each in place.command("snapshots", "--json", "--host", host).objects
    }
    assert {(each["url"], each["timestamp"]): each["outcome"] for each in reported}.items() <= kept.items()
    assert place.command("verify", "--json").object["clean"]
    assert place.leftovers() == []


def test_ctrl_c_finishes_what_is_under_way_and_loses_nothing(place: Place, slow_server: WireLog) -> None:
    process, reported = started(place.command, slow_server)
    assert process.stderr
    process.send_signal(signal.SIGINT)
    assert "stopping; pages under way are finished first, Ctrl-C again leaves at once" in process.stderr.readline()
    slow_server.release()
    reported, err = finished(process, reported)
    assert {each["outcome"] for each in reported} == {"saved"}
    assert QUICK < len(reported) < TOTAL
    left = TOTAL - len(reported)
    assert err == f"archiver: interrupted; {left} of 60 URLs were not tried, everything reported as saved is kept\n"
    assert place.leftovers() == [], "nothing waits for a recovery"
    assert_all_kept(place, reported)


def test_a_second_ctrl_c_leaves_at_once_and_loses_nothing(place: Place, slow_server: WireLog) -> None:
    process, reported = started(place.command, slow_server)
    assert process.stderr
    process.send_signal(signal.SIGINT)
    assert "stopping" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    reported, err = finished(process, reported)
    assert "Traceback" not in err
    assert len(reported) <= QUICK
    assert_all_kept(place, reported)
