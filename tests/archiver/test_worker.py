"""The process that saves for another: it may die at any moment, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from archiver import Archive
from archiver.crawl import worker
from archiver.errors import NewerFormat, StorageError
from tests.oddcases import Case, head, ok
from tests.stories import story
from tests.wirelog import Talk, WireLog, wire_log

ROOT = Path(__file__).parents[2]
HALF_WRITTEN = ("**/*.open", "**/*.journal", "**/*.part")

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


async def _slow(talk: Talk) -> None:
    await talk.released()
    await talk.send(ok(story("A slow story").encode(), b"Content-Type: text/html; charset=utf-8"))


@pytest.fixture
def slow_server() -> Iterator[WireLog]:
    with wire_log({"slow": Case("slow", _slow)}) as server:
        yield server


def leftovers(place: Path) -> list[Path]:
    return [path for pattern in HALF_WRITTEN for path in place.glob(pattern)]


def the_worker(archive: Archive) -> worker.SaveWorker:
    return worker._workers[archive.location, True, archive.sites_file]


def test_a_worker_killed_over_a_save_is_reported_and_replaced(tmp_path: Path, slow_server: WireLog) -> None:
    quick, slow = slow_server.page("/quick", story("A quick story")), slow_server.url("slow")
    with Archive.open(tmp_path / "archive") as archive, ThreadPoolExecutor(1) as thread:
        kept = archive.save(quick, allow_private=True)
        doomed = thread.submit(archive.save, slow, allow_private=True)
        slow_server.wait_for(lambda: slow_server.hits["/odd/slow"] == 1)
        os.kill(the_worker(archive)._process.pid, signal.SIGKILL)
        with pytest.raises(StorageError, match=r"ended before it was done; what it acknowledged is kept, try again"):
            doomed.result(30)
        slow_server.release()
        article = archive.save(slow, allow_private=True).article
        assert article is not None
        assert article.title == "A slow story"
        assert archive.snapshot(quick).entry == kept.entry
        assert archive.verify().is_clean
    assert leftovers(tmp_path) == []


def test_a_worker_that_died_between_saves_is_replaced_unnoticed(tmp_path: Path, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    with Archive.open(tmp_path / "archive") as archive:
        archive.save(url, allow_private=True)
        dead = the_worker(archive)
        os.kill(dead._process.pid, signal.SIGKILL)
        dead._process.wait(30)
        assert archive.save(url, allow_private=True).outcome == "unchanged"
        assert the_worker(archive) is not dead


def test_closing_an_archive_lets_others_of_its_place_go_on(tmp_path: Path, slow_server: WireLog) -> None:
    first, second = Archive.open(tmp_path / "archive"), Archive.open(tmp_path / "archive")
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(second.save, slow_server.url("slow"), allow_private=True)
        slow_server.wait_for(lambda: slow_server.hits["/odd/slow"] == 1)
        old = the_worker(second)
        closing = threads.submit(first.close)
        while (second.location, True, second.sites_file) in worker._workers:
            time.sleep(0.01)
        quick = second.save(slow_server.page("/quick", story("A quick story")), allow_private=True)
        assert the_worker(second) is not old
        slow_server.release()
        assert slow.result(30).outcome == quick.outcome == "saved"
        closing.result(30)
    second.close()
    assert not old.is_alive()
    assert leftovers(tmp_path) == []


def test_a_request_that_a_worker_never_took_goes_to_the_next(tmp_path: Path, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    with Archive.open(tmp_path / "archive") as archive:
        archive.save(url, allow_private=True)
        stopped = the_worker(archive)
        stopped.stop()
        with pytest.raises(worker.WorkerGone):
            stopped.save(url, None)
        assert archive.save(url, allow_private=True).outcome == "unchanged"


def test_why_a_worker_could_not_start_is_told(tmp_path: Path, server: WireLog) -> None:
    with Archive.open(tmp_path / "archive") as archive:
        (tmp_path / "archive/archive.json").write_text('{"format": 7, "id": "a"}')
        with pytest.raises(StorageError, match="has format 7, this version of archiver reads up to 1"):
            archive.save(server.page("/bridge", story("Bridge")), allow_private=True)
    with pytest.raises(NewerFormat):
        Archive.open(tmp_path / "archive")


def test_an_old_redirect_is_followed_again(tmp_path: Path, server: WireLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is fresh, the redirect to it is not: by now it may lead elsewhere."""
    moved = f"{server.http}/moved"
    server.pages["/moved"] = head(b"HTTP/1.1 302 Found", b"Location: /old", b"Content-Length: 0")
    server.page("/old", story("Where it used to lead"))
    new = server.page("/new", story("Where it leads now"))
    with Archive.open(tmp_path / "archive") as archive:
        archive.save(moved, allow_private=True)
        time.sleep(1.5)
        archive.save(f"{server.http}/old", allow_private=True)
        server.pages["/moved"] = head(b"HTTP/1.1 302 Found", b"Location: /new", b"Content-Length: 0")
        found = archive.save(moved, allow_private=True, if_older_than=timedelta(seconds=1))
    assert found.url == new


def _run(place: Path, program: str, mark: str, **options: object) -> subprocess.Popen[str]:
    setting = f"from archiver import Archive\narchive = Archive.open({str(place)!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", setting + textwrap.dedent(program)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"ARCHIVER_TEST_MARK": mark},
    )  # fmt: skip


def _marked(mark: str) -> list[int]:
    """Processes that were started, by whomever, with the mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _until(claim: Callable[[], bool]) -> bool:
    """Whether a claim comes true within half a minute."""
    deadline = time.monotonic() + 30
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.05)
    return claim()


@needs_proc
def test_a_program_that_ends_leaves_no_process_and_no_open_file(tmp_path: Path, server: WireLog) -> None:
    url, mark = server.page("/bridge", story("Bridge to be repaired")), uuid.uuid4().hex
    program = f"print(archive.save({url!r}, allow_private=True).outcome, flush=True)"
    with _run(tmp_path / "archive", program, mark) as process:
        assert process.stdout
        assert process.stdout.read() == "saved\n"
        assert process.wait(30) == 0
    assert _marked(mark) == []
    assert leftovers(tmp_path) == []


@needs_proc
def test_a_program_that_is_killed_takes_its_worker_along(tmp_path: Path, server: WireLog) -> None:
    url, mark = server.page("/bridge", story("Bridge to be repaired")), uuid.uuid4().hex
    program = f"""
        print(archive.save({url!r}, allow_private=True).outcome, flush=True)
        import signal; signal.pause()
    """
    with _run(tmp_path / "archive", program, mark) as process:
        assert process.stdout
        assert process.stdout.readline() == "saved\n"
        process.kill()
    assert _until(lambda: _marked(mark) == [])
    with Archive.open(tmp_path / "archive") as archive:
        assert archive.recovered == []
        assert archive.snapshot(url).outcome == "saved"
        assert archive.verify().is_clean
    assert leftovers(tmp_path) == []
