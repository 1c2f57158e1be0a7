"""``kill -9`` at twenty random moments of saving two hundred pages."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, LocalPlace
from tests.oddcases import Case, ok
from tests.stories import story
from tests.wirelog import Talk, WireLog, wire_log

PAGES = 200
ROUNDS = 20
SEED = int(os.environ.get("ARCHIVER_TEST_SEED") or random.SystemRandom().randrange(10**6))
"""Printed when the test fails; the environment sets it again."""


async def _page(talk: Talk) -> None:
    body = story(f"Story {talk.request.query}", f"This was edition {talk.hit // 3}.")
    await talk.send(ok(body.encode(), b"Content-Type: text/html; charset=utf-8"))


@pytest.fixture
def server() -> Iterator[WireLog]:
    with wire_log({"page": Case("page", _page)}) as server:
        yield server


@dataclass
class Ledger:
    """What the command has acknowledged so far."""

    reported: list[dict[str, Any]] = field(default_factory=list)

    def take(self, out: bytes) -> None:
        """Note every whole line; one that the kill tore off was not reported."""
        self.reported += map(json.loads, out.split(b"\n")[:-1])


def test_nothing_reported_as_saved_is_lost(tmp_path: Path, server: WireLog) -> None:
    print(f"ARCHIVER_TEST_SEED={SEED}")
    moments = random.Random(SEED)
    archiver, ledger = Command(tmp_path, "./archive"), Ledger()
    urls = [server.url("page", query=f"n={number}") for number in range(PAGES)]
    for number in range(ROUNDS):
        # By the clock, which hits starting and saving alike; by what is reported; and as it comes to its end.
        seconds, pages = moments.uniform(0.3, 3.0), moments.randrange(1, PAGES // 6)
        how = {"seconds": seconds} if number % 2 else {"pages": PAGES if number == ROUNDS - 2 else pages}
        ledger.take(_killed(archiver, urls, **how))
        _assert_kept(archiver, ledger, server)
    print(f"{len(ledger.reported)} reports survived {ROUNDS} kills")
    assert ledger.reported, "no page was ever reported: nothing has been tested"
    assert archiver("verify", "--json").object["problems"] == []
    assert LocalPlace(archiver).leftovers() == []
    _assert_whole(archiver, ledger, server)


def _killed(archiver: Command, urls: list[str], *, seconds: float = 60, pages: int = PAGES + 1) -> bytes:
    """Save, kill the whole process group after so many seconds or reports, and return what was reported by then."""
    with archiver.start("save", "--allow-private", "--json", *urls) as process:
        assert process.stdout
        out, deadline = b"", time.monotonic() + seconds
        while time.monotonic() < deadline and out.count(b"\n") < pages:
            if select.select([process.stdout], [], [], 0.005)[0]:
                data = os.read(process.stdout.fileno(), 1 << 16)
                out += data
                if not data:
                    break
        os.killpg(process.pid, signal.SIGKILL)
        while data := os.read(process.stdout.fileno(), 1 << 16):
            out += data
    return out


def _assert_kept(archiver: Command, ledger: Ledger, server: WireLog) -> None:
    """The next command finds every report exactly once."""
    if not ledger.reported:
        return
    listed = archiver("snapshots", "--json", "--host", server.http, code=0).objects
    found = Counter(map(_place, listed))
    assert set(found.values()) == {1}
    places = list(map(_place, ledger.reported))
    assert set(places) <= found.keys()
    assert len(set(places)) == len(places), "no two reports share a capture"


def _place(said: dict[str, Any]) -> tuple[object, ...]:
    return said["url"], said["timestamp"], said["warc"]["file"], said["warc"]["offset"]


def _assert_whole(archiver: Command, ledger: Ledger, server: WireLog) -> None:
    """Every report's bytes are those the server sent, and its article can be read."""
    from archiver import Archive

    sent = {exchange.response for exchange in server.exchanges}
    with Archive.open(archiver.home / "archive") as archive:
        for each in ledger.reported:
            at = each["timestamp"]
            found = archive.snapshots(each["url"], since=at, until=at)
            (snapshot,) = [one for one in found if _place(one.to_json()) == _place(each)]
            assert snapshot.head_bytes + snapshot.body() in sent
            assert snapshot.article is not None
            assert snapshot.article.outcome == each["outcome"] in ("saved", "unchanged"), each["evidence"]
            assert snapshot.article.title == each["title"]
            assert each["title"] in (snapshot.article.text or "")
