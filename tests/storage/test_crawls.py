from __future__ import annotations

import errno
import fcntl
import gzip
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from storage.blobs import Blobs, LocalBlobs
from storage.crawls import CrawlLog, read_crawl, recover_crawls
from storage.errors import StorageUnavailable

ATTEMPTS: list[dict[str, Any]] = [
    {"url": "http://example.com/a", "outcome": "saved", "status": 200},
    {"url": "http://example.com/ü\u2028\r\n", "outcome": "failed", "reason": "timeout"},
    {"url": "http://example.com/\ud800", "outcome": "saved"},
]


def open_files(spool: Path) -> list[Path]:
    return [path for path in spool.rglob("*") if path.name.endswith((".open", ".part"))]


def lines_of(blobs: Blobs, crawl: str) -> list[dict[str, Any]]:
    return list(read_crawl(blobs.read(f"crawls/{crawl}.jsonl.gz")))


def abandoned(spool: Path) -> CrawlLog:
    """The log of a crawl that was killed."""
    log = CrawlLog(spool, "news")
    for attempt in ATTEMPTS:
        log.write(attempt)
    log._file.close()
    return log


@pytest.fixture
def local(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path)


def test_a_crawl_log_has_every_attempt_and_ends_with_the_summary(blobs: Blobs, tmp_path: Path) -> None:
    spool = blobs.local or tmp_path
    log = CrawlLog(spool, "news")
    for attempt in ATTEMPTS:
        log.write(attempt)
    assert len(open_files(spool)) == 1
    log.close(blobs, reason="finished")
    *attempts, summary = lines_of(blobs, log.id)
    assert attempts == [*ATTEMPTS[:2], {"url": "http://example.com/?", "outcome": "saved"}]
    assert summary["summary"] is True
    assert (summary["crawl"], summary["started"], summary["reason"]) == (log.id, log.started, "finished")
    assert (summary["attempts"], summary["outcomes"]) == (3, {"failed": 1, "saved": 2})
    assert summary["finished"] >= summary["started"]
    assert open_files(spool) == []
    assert recover_crawls(blobs, spool) == 0


def test_a_crawl_without_attempts_has_a_summary(local: LocalBlobs, tmp_path: Path) -> None:
    log = CrawlLog(tmp_path, "page")
    log.close(local, reason="finished")
    (summary,) = lines_of(local, log.id)
    assert summary["attempts"] == 0
    assert log.id.split("/")[3].startswith("page-")


def test_the_log_of_a_killed_crawl_is_stored_as_interrupted(blobs: Blobs, tmp_path: Path) -> None:
    spool = blobs.local or tmp_path
    log = abandoned(spool)
    assert recover_crawls(blobs, spool) == 1
    *attempts, summary = lines_of(blobs, log.id)
    assert len(attempts) == 3
    assert (summary["crawl"], summary["reason"]) == (log.id, "interrupted")
    assert (summary["attempts"], summary["outcomes"]) == (3, {"failed": 1, "saved": 2})
    assert open_files(spool) == []
    assert recover_crawls(blobs, spool) == 0


def test_a_crawl_killed_for_real_counts_what_it_had_written(local: LocalBlobs, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from storage.crawls import CrawlLog\n"
        "log = CrawlLog(Path(sys.argv[1]), 'news')\n"
        "for n in range(500): log.write({'n': n, 'outcome': 'saved' if n % 5 else 'robots'})\n"
        "print(log.id, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, cwd=root)
    assert recover_crawls(local, tmp_path) == 1
    *attempts, summary = lines_of(local, done.stdout.strip())
    assert [attempt["n"] for attempt in attempts] == list(range(500))
    assert summary["outcomes"] == {"robots": 100, "saved": 400}


def test_a_running_crawl_is_not_disturbed(local: LocalBlobs, tmp_path: Path) -> None:
    log = CrawlLog(tmp_path, "news")
    log.write(ATTEMPTS[0])
    assert recover_crawls(local, tmp_path) == 0
    log.write(ATTEMPTS[1])
    log.close(local, reason="finished")
    assert len(lines_of(local, log.id)) == 3


@pytest.mark.parametrize("torn", [b'{"url": "http://exa', b'{"url": "x"}\n', b"\0\0\0\n", b"[]\n", b'"x"\n'])
def test_a_torn_line_is_left_out_and_the_counts_add_up(torn: bytes, local: LocalBlobs, tmp_path: Path) -> None:
    log = abandoned(tmp_path)
    with open_files(tmp_path)[0].open("ab") as file:
        file.write(torn + (b'{"outcome": "gone"}\n' if torn.endswith(b"\n") else b""))
    recover_crawls(local, tmp_path)
    *attempts, summary = lines_of(local, log.id)
    assert summary["attempts"] == len(attempts) == sum(summary["outcomes"].values())
    assert summary["attempts"] == (4 if torn.endswith(b"\n") else 3)


def test_a_crawl_killed_after_its_end_keeps_its_own_summary(local: LocalBlobs, tmp_path: Path) -> None:
    log = abandoned(tmp_path)
    path = open_files(tmp_path)[0]
    content = path.read_bytes()
    log._file = path.open("r+b", buffering=0)
    log.close(local, reason="finished")
    path.write_bytes(content)
    (path.parent / f"{log.id.rpartition('/')[2]}.jsonl.gz.1-a.part").write_bytes(b"half")
    assert recover_crawls(local, tmp_path) == 0
    assert lines_of(local, log.id)[-1]["reason"] == "finished"
    assert open_files(tmp_path) == []


def test_a_log_taken_for_a_dead_one_while_it_is_made_is_made_anew(
    local: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    removed: list[Path] = []

    def flock(file: object, how: int) -> None:
        if not removed:
            removed.extend(open_files(tmp_path))
            removed[0].unlink()
        real(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", flock)
    log = CrawlLog(tmp_path, "news")
    log.write(ATTEMPTS[0])
    log.close(local, reason="finished")
    assert len(lines_of(local, log.id)) == 2


def test_what_a_full_disk_does_not_take_is_noted_later_and_never_lost(local: LocalBlobs, tmp_path: Path) -> None:
    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file
            self.room = 1 << 20

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, data: bytes) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            part = data[: self.room]
            self.room -= len(part)
            return int(self._file.write(part))

    log = CrawlLog(tmp_path, "news")
    disk = Full(log._file)
    log._file = disk  # type: ignore[assignment]
    log.write(ATTEMPTS[0])
    disk.room = 10
    log.write(ATTEMPTS[1])
    disk.room = 1 << 20
    log.write({"outcome": "x"})
    assert [json.loads(line)["outcome"] for line in open_files(tmp_path)[0].read_bytes().splitlines()] == [
        "saved",
        "failed",
        "x",
    ]
    disk.room = 0
    log.write({"outcome": "y"})
    log.close(local, reason="finished")
    *attempts, summary = lines_of(local, log.id)
    assert attempts == [*ATTEMPTS[:2], {"outcome": "x"}, {"outcome": "y"}]
    assert (summary["attempts"], summary["outcomes"]) == (4, {"failed": 1, "saved": 1, "x": 1, "y": 1})


def test_a_store_that_fails_keeps_the_log_for_the_next_start(
    local: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = CrawlLog(tmp_path, "news")
    log.write(ATTEMPTS[0])
    other = abandoned(tmp_path)

    def refuse(self: LocalBlobs, key: str, data: bytes, *, replace: bool = False) -> None:
        raise StorageUnavailable("the bucket is gone; check it")

    monkeypatch.setattr(LocalBlobs, "put", refuse)
    with pytest.raises(StorageUnavailable):
        log.close(local, reason="finished")
    assert recover_crawls(local, tmp_path) == 0
    assert "the bucket is gone" in caplog.text
    monkeypatch.undo()
    assert recover_crawls(local, tmp_path) == 2
    assert lines_of(local, log.id)[0] == ATTEMPTS[0]
    assert len(lines_of(local, other.id)) == 4


def test_threads_share_a_log(local: LocalBlobs, tmp_path: Path) -> None:
    log = CrawlLog(tmp_path, "news")

    def work() -> None:
        for _ in range(100):
            log.write({"outcome": "saved", "text": "x" * 300})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close(local, reason="finished")
    lines = lines_of(local, log.id)
    assert len(lines) == 401
    assert lines[-1]["outcomes"] == {"saved": 400}


def test_a_stored_log_is_plain_json_lines(local: LocalBlobs, tmp_path: Path) -> None:
    log = CrawlLog(tmp_path, "news")
    log.write(ATTEMPTS[1])
    log.close(local, reason="finished")
    data = gzip.decompress(local.read(f"crawls/{log.id}.jsonl.gz"))
    assert [json.loads(line)["url"] for line in data.decode().split("\n")[:1]] == [ATTEMPTS[1]["url"]]
    assert data.count(b"\n") == 2
