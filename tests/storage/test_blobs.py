"""What every store of blobs promises, and what files on a disk add to it."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import blobs as blobs_module
from storage.blobs import Blobs, LocalBlobs, open_blobs
from storage.errors import KeyExists, KeyNotFound, StorageError, StorageFull, StorageUnavailable

ODD_KEYS = [
    "plain",
    "warc/2026/11/22/news-20261122064343123-00001-host-4242abcd.warc.gz",
    "with space/and+plus/100%25.gz",
    "question?/hash#/amp&eq=.gz",
    "quotes\"'`/<tag>/(a)[b]{c}*.gz",
    "Überschrift/日本語/🗞️.gz",
    "trailing.dot./~tilde",
    "a:b/c,d;e=f@g!$.gz",
    "two../three...dots",
]
BAD_KEYS = [
    "",
    "/etc/passwd",
    "a/../../etc/passwd",
    "..",
    "./a",
    "a/./b",
    "a//b",
    "a/",
    "a\\b",
    "nul\0",
    "line\nbreak",
    "tab\t",
    "\x7f",
    "half of a pair \ud83d",
]


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "; " in text, "names the cause, then the way out"
    assert "Traceback" not in text
    return text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spool.warc.gz.open"
    path.write_bytes(b"recorded" * 1000)
    return path


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_stored_found_and_removed(blobs: Blobs, key: str) -> None:
    blobs.put(key, b"bytes of " + key.encode())

    assert list(blobs.keys()) == [key]
    assert blobs.read(key) == b"bytes of " + key.encode()
    assert blobs.size(key) == len(blobs.read(key))
    with blobs.open(key) as stream:
        assert stream.read() == blobs.read(key)
    blobs.delete(key)
    assert list(blobs.keys()) == []


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_could_leave_the_archive_or_have_two_spellings_are_refused(
    blobs: Blobs, key: str, file: Path
) -> None:
    with pytest.raises(ValueError, match="is not a key; use a relative path"):
        blobs.put(key, b"")
    with pytest.raises(ValueError, match="is not a key"):
        blobs.put_file(key, file)
    for use in (blobs.read, blobs.size, blobs.open, blobs.delete):
        with pytest.raises(ValueError, match="is not a key"):
            use(key)
    assert file.exists()


def test_a_blob_never_changes(blobs: Blobs) -> None:
    blobs.put("archive.json", b"first")

    with pytest.raises(KeyExists) as caught:
        blobs.put("archive.json", b"second")

    assert "archive.json" in one_line(caught.value)
    assert blobs.read("archive.json") == b"first"


def test_storing_the_same_bytes_twice_is_still_taken(blobs: Blobs) -> None:
    blobs.put("a", b"same")
    with pytest.raises(KeyExists):
        blobs.put("a", b"same")


def test_a_blob_changes_where_the_caller_insists(blobs: Blobs) -> None:
    blobs.put("state.json", b"longer than what follows", replace=True)
    blobs.put("state.json", b"second", replace=True)
    assert blobs.read("state.json") == b"second"
    assert list(blobs.keys()) == ["state.json"]


def test_what_is_missing_is_said_by_name(blobs: Blobs) -> None:
    blobs.put("folder/file", b"x")
    for key in ("nothing", "folder", "folder/file/below", "folder/other"):
        for use in (blobs.read, blobs.size, blobs.open):
            with pytest.raises(KeyNotFound) as caught:
                use(key)
            assert key in one_line(caught.value)
        with pytest.raises(KeyNotFound):
            blobs.read(key, 0, 0)


def test_an_empty_store_has_no_keys(blobs: Blobs) -> None:
    assert list(blobs.keys()) == []
    assert list(blobs.keys("warc/2026/")) == []
    with pytest.raises(KeyNotFound):
        blobs.read("archive.json")
    blobs.delete("archive.json")


def test_ranges_are_read_from_where_and_as_far_as_asked(blobs: Blobs) -> None:
    data = random.Random(1).randbytes(300_000)
    blobs.put("a", data)

    assert blobs.read("a", 100, 50) == data[100:150]
    assert blobs.read("a", 0, 1) == data[:1]
    assert blobs.read("a", 299_990) == data[299_990:]
    assert blobs.read("a", 1, 250_000) == data[1:250_001]
    assert blobs.read("a", 5, 0) == b""


def test_a_range_past_the_end_is_short_not_wrong(blobs: Blobs) -> None:
    blobs.put("a", b"0123456789")
    assert blobs.read("a", 8, 50) == b"89"
    assert blobs.read("a", 8, 10**15) == b"89"
    assert blobs.read("a", 10, 5) == b""
    assert blobs.read("a", 99) == b""


def test_a_range_that_counts_backwards_is_refused(blobs: Blobs) -> None:
    blobs.put("a", b"0123456789")
    with pytest.raises(ValueError, match="forward"):
        blobs.read("a", -1)
    with pytest.raises(ValueError, match="forward"):
        blobs.read("a", 0, -1)


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    blobs.put("empty", b"")
    assert blobs.size("empty") == 0
    assert blobs.read("empty") == b""
    assert blobs.read("empty", 0, 10) == b""
    with blobs.open("empty") as stream:
        assert stream.read() == b""
    assert list(blobs.keys()) == ["empty"]


def test_a_stream_is_read_in_any_portions(blobs: Blobs) -> None:
    data = random.Random(2).randbytes(3_000_000)
    blobs.put("a", data)

    with blobs.open("a") as stream:
        head, line = stream.read(10), stream.readline()
        assert head + line + stream.read() == data
        assert stream.read() == b""


def test_keys_come_sorted_by_their_bytes(blobs: Blobs) -> None:
    keys = ["a-b", "a.b", "a/b", "a/b-c/d", "a/b.c", "a0", "B", "é", "z", "\uffff", "🗞"]
    for key in random.Random(3).sample(keys, len(keys)):
        blobs.put(key, b"x")
    assert list(blobs.keys()) == sorted(keys, key=str.encode)


def test_a_prefix_is_a_plain_string(blobs: Blobs) -> None:
    keys = ["cdxj/2026/11/21/b", "cdxj/2026/11/22/a", "cdxj/2026/12/01/c", "cdxj2/x", "warc/2026/11/22/a"]
    for key in keys:
        blobs.put(key, b"x")

    assert list(blobs.keys("cdxj/")) == keys[:3]
    assert list(blobs.keys("cdxj")) == keys[:4]
    assert list(blobs.keys("cdxj/2026/11/2")) == keys[:2]
    assert list(blobs.keys("cdxj/2026/11/22/a")) == [keys[1]]
    assert list(blobs.keys("cdxj/2026/11/22/a/")) == []
    assert list(blobs.keys("c/")) == []


@pytest.mark.parametrize("prefix", ["../", "/", "cdxj//", "./", "a\0", "..\\", "\ud83d"])
def test_a_prefix_no_key_begins_with_finds_nothing(blobs: Blobs, prefix: str) -> None:
    blobs.put("cdxj/a", b"x")
    assert list(blobs.keys(prefix)) == []


def test_half_written_and_hidden_names_are_no_keys(blobs: Blobs) -> None:
    for key in (
        "warc/a.warc.gz.open",
        "warc/a.journal",
        "warc/a.warc.gz.1234-abcd.part",
        "index.sqlite3",
        "index.sqlite3-wal",
        ".check-1",
        "warc/.hidden",
        ".git/config",
    ):
        blobs.put(key, b"x")
    blobs.put("warc/a.warc.gz", b"x")
    blobs.put("warc/index.sqlite3.gz", b"x")

    assert list(blobs.keys()) == ["warc/a.warc.gz", "warc/index.sqlite3.gz"]
    assert list(blobs.keys("warc/.")) == []
    assert list(blobs.keys(".git/")) == []


def test_a_file_is_moved_into_the_store(blobs: Blobs, file: Path) -> None:
    blobs.put_file("warc/a.warc.gz", file)

    assert blobs.read("warc/a.warc.gz") == b"recorded" * 1000
    assert not file.exists()
    assert list(blobs.keys()) == ["warc/a.warc.gz"]


def test_moving_a_file_again_after_a_crash_is_fine(blobs: Blobs, file: Path) -> None:
    blobs.put("warc/a.warc.gz", file.read_bytes())

    blobs.put_file("warc/a.warc.gz", file)

    assert not file.exists()
    assert blobs.read("warc/a.warc.gz") == b"recorded" * 1000


@pytest.mark.parametrize("held", [b"recorded" * 999 + b"Recorded", b"other length", b""])
def test_a_file_never_replaces_other_bytes(blobs: Blobs, file: Path, held: bytes) -> None:
    blobs.put("warc/a.warc.gz", held)

    with pytest.raises(KeyExists) as caught:
        blobs.put_file("warc/a.warc.gz", file)

    assert "warc/a.warc.gz" in one_line(caught.value)
    assert file.read_bytes() == b"recorded" * 1000
    assert blobs.read("warc/a.warc.gz") == held


def test_an_empty_file_is_moved_too(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    blobs.put_file("empty", tmp_path / "empty")
    assert blobs.size("empty") == 0
    assert not (tmp_path / "empty").exists()


def test_a_file_that_is_not_there_is_named(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        blobs.put_file("a", tmp_path / "lost.warc.gz")
    assert "lost.warc.gz" in one_line(caught.value)
    assert list(blobs.keys()) == []


def test_a_link_to_a_file_is_stored_as_the_file(blobs: Blobs, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    blobs.put_file("a", link)
    file.unlink()
    assert blobs.read("a") == b"recorded" * 1000


def test_many_writers_of_different_keys_do_not_disturb_each_other(blobs: Blobs) -> None:
    keys = [f"articles/{number:02}.jsonl.gz" for number in range(16)]
    failures = in_threads([lambda key=key: blobs.put(key, key.encode() * 1000) for key in keys])
    assert failures == []
    assert list(blobs.keys()) == keys
    assert [blobs.read(key) for key in keys] == [key.encode() * 1000 for key in keys]


def test_two_writers_of_the_same_file_are_both_content(blobs: Blobs, tmp_path: Path) -> None:
    paths = [tmp_path / f"copy-{number}" for number in range(4)]
    for path in paths:
        path.write_bytes(b"same")

    failures = in_threads([lambda path=path: blobs.put_file("a", path) for path in paths])

    assert failures == []
    assert blobs.read("a") == b"same"
    assert not any(path.exists() for path in paths)


def in_threads(jobs: list[object]) -> list[Exception]:
    """Run jobs at the same time and return what they raised."""
    failures: list[Exception] = []
    start = threading.Barrier(len(jobs))

    def run(job: object) -> None:
        start.wait()
        try:
            job()  # type: ignore[operator]
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_a_check_leaves_nothing_behind(blobs: Blobs) -> None:
    blobs.check(write=True)
    blobs.check(write=False)
    assert list(blobs.keys()) == []
    assert blobs.local is None or list(blobs.local.iterdir()) == []


def test_a_location_says_which_store_it_is(tmp_path: Path) -> None:
    local = open_blobs(str(tmp_path / "archive"))
    assert (local.location, local.local) == (str(tmp_path / "archive"), tmp_path / "archive")
    assert not (tmp_path / "archive").exists(), "made with the first blob"
    bucket = open_blobs("s3://bucket/news/")
    assert (bucket.location, bucket.local) == ("s3://bucket/news", None)
    assert open_blobs("s3://bucket").location == "s3://bucket"


def test_a_relative_directory_stays_where_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blobs = open_blobs("archive")
    monkeypatch.chdir("/")
    blobs.put("a", b"x")
    assert (tmp_path / "archive/a").read_bytes() == b"x"


@pytest.mark.parametrize("location", ["", "\0", "gs://bucket/x", "file:///x", "s3://", "s3:///x", "s3://bucket/../x"])
def test_a_location_that_is_none_is_refused(location: str) -> None:
    with pytest.raises(StorageUnavailable) as caught:
        open_blobs(location)
    assert "s3://bucket/prefix" in one_line(caught.value)


# Files


def test_a_local_file_is_moved_not_copied(local_blobs: LocalBlobs, file: Path) -> None:
    inode = file.stat().st_ino
    local_blobs.put_file("warc/2026/a.warc.gz", file)
    assert (local_blobs.local / "warc/2026/a.warc.gz").stat().st_ino == inode


def test_finishing_a_file_in_place_is_a_rename(local_blobs: LocalBlobs) -> None:
    local_blobs.put("warc/a.warc.gz.open", b"records")
    local_blobs.put_file("warc/a.warc.gz", local_blobs.local / "warc/a.warc.gz.open")
    assert [path.name for path in (local_blobs.local / "warc").iterdir()] == ["a.warc.gz"]


def test_a_move_interrupted_between_both_names_is_completed(local_blobs: LocalBlobs, file: Path) -> None:
    (local_blobs.local / "warc").mkdir(parents=True)
    os.link(file, local_blobs.local / "warc/a.warc.gz")

    local_blobs.put_file("warc/a.warc.gz", file)

    assert not file.exists()
    assert local_blobs.size("warc/a.warc.gz") == 8000


def test_storing_a_blob_as_itself_does_not_lose_it(local_blobs: LocalBlobs) -> None:
    local_blobs.put("warc/a.warc.gz", b"records")
    (local_blobs.local / "other way").symlink_to(local_blobs.local / "warc")

    local_blobs.put_file("warc/a.warc.gz", local_blobs.local / "warc/a.warc.gz")
    local_blobs.put_file("warc/a.warc.gz", local_blobs.local / "other way/../warc/a.warc.gz")
    local_blobs.put_file("warc/a.warc.gz", local_blobs.local / "other way/a.warc.gz")

    assert local_blobs.read("warc/a.warc.gz") == b"records"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_file_systems_without_hard_links_serve_too(
    local_blobs: LocalBlobs, file: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_link)
    local_blobs.put("a", b"first")
    with pytest.raises(KeyExists):
        local_blobs.put("a", b"second")
    local_blobs.put_file("b", file)
    file.write_bytes(b"other")
    with pytest.raises(KeyExists):
        local_blobs.put_file("b", file)

    assert local_blobs.read("a") == b"first"
    assert file.read_bytes() == b"other"
    assert sorted(path.name for path in local_blobs.local.iterdir()) == ["a", "b"]


def test_names_that_are_no_text_are_passed_over(local_blobs: LocalBlobs) -> None:
    local_blobs.put("a", b"x")
    (local_blobs.local / os.fsdecode(b"latin-\xe9")).touch()
    (local_blobs.local / "back\\slash").touch()
    assert list(local_blobs.keys()) == ["a"]


def test_other_folders_are_not_even_looked_at(local_blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("cdxj/2026/11/a", "cdxj/2026/12/b", "warc/2026/11/a"):
        local_blobs.put(key, b"x")
    seen: list[str] = []
    scandir = os.scandir

    def note(path: Path) -> object:
        seen.append(os.path.relpath(path, local_blobs.local))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", note)

    assert list(local_blobs.keys("cdxj/2026/1")) == ["cdxj/2026/11/a", "cdxj/2026/12/b"]
    assert seen == ["cdxj/2026", "cdxj/2026/11", "cdxj/2026/12"]


def test_a_name_as_long_as_the_file_system_allows_is_stored(local_blobs: LocalBlobs) -> None:
    key = "é" * 127 + "a"
    local_blobs.put(key, b"x")
    assert list(local_blobs.keys()) == [key]
    with pytest.raises(StorageError) as caught:
        local_blobs.put(key + "aa", b"x")
    one_line(caught.value)


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("not a directory")
    blobs = LocalBlobs(tmp_path / "archive")
    for use in (
        lambda: blobs.check(write=True),
        lambda: blobs.check(write=False),
        lambda: list(blobs.keys()),
        lambda: blobs.read("a"),
        lambda: blobs.put("a/b", b"x"),
        lambda: blobs.delete("a"),
    ):
        with pytest.raises(StorageUnavailable) as caught:
            use()
        assert "is not a directory; move it away" in one_line(caught.value)


def test_a_directory_that_is_not_there_is_made_only_for_writing(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "new" / "archive")
    with pytest.raises(StorageUnavailable) as caught:
        blobs.check(write=False)
    assert "there is no directory" in one_line(caught.value)
    assert not (tmp_path / "new").exists()
    blobs.check(write=True)
    assert (tmp_path / "new" / "archive").is_dir()


WRITER = """
import os, sys
from pathlib import Path
from storage.blobs import LocalBlobs

def stop(*_, **__):
    print("here", flush=True)
    sys.stdin.read()

setattr(os, sys.argv[2], stop)
store, spool = LocalBlobs(sys.argv[1]), sys.argv[3]
if spool:
    store.put_file("warc/a.warc.gz", Path(spool))
else:
    store.put("warc/a.warc.gz", b"x" * 5_000_000)
"""


@pytest.mark.parametrize("moment", ["fsync", "link"])
@pytest.mark.parametrize("spooled", [False, True])
def test_nothing_half_written_is_visible_after_a_kill(
    local_blobs: LocalBlobs, tmp_path: Path, moment: str, spooled: bool
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(b"x" * 5_000_000)
    arguments = [str(local_blobs.local), moment, str(spool) if spooled else ""]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"here\n"
        writer.send_signal(signal.SIGKILL)

    assert list(local_blobs.keys()) == []
    with pytest.raises(KeyNotFound):
        local_blobs.size("warc/a.warc.gz")
    local_blobs.put_file("warc/a.warc.gz", spool)
    assert local_blobs.size("warc/a.warc.gz") == 5_000_000


def test_a_writer_killed_at_any_moment_leaves_a_whole_blob_or_none(local_blobs: LocalBlobs) -> None:
    program = "from storage.blobs import LocalBlobs; import sys; s = LocalBlobs(sys.argv[1])\nfor n in range(500):\n"
    program += "    s.put(f'blob-{n}', b'x' * 1_000_000); print(n, flush=True)"
    for kills in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(local_blobs.local / str(kills))], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(3)]
            writer.kill()
            acknowledged += map(int, writer.stdout.read().split())
        keys = set(local_blobs.keys(f"{kills}/"))
        assert keys >= {f"{kills}/blob-{number}" for number in acknowledged}
        assert {local_blobs.size(key) for key in keys} == {1_000_000}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, which can also be made read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"mounting a small file system takes root: {mount.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(small_disk: Path, file: Path) -> None:
    blobs = LocalBlobs(small_disk)
    blobs.put("small", b"x" * 1000)
    file.write_bytes(b"y" * 2_000_000)

    for use in (
        lambda: blobs.put("warc/large", bytes(2_000_000)),
        lambda: blobs.put("small", bytes(2_000_000), replace=True),
        lambda: blobs.put_file("warc/large", file),
    ):
        with pytest.raises(StorageFull) as caught:
            use()
        assert "free some space" in one_line(caught.value)

    assert file.stat().st_size == 2_000_000
    assert list(blobs.keys()) == ["small"]
    assert blobs.read("small") == b"x" * 1000
    assert list((small_disk / "warc").iterdir()) == []
    blobs.put("other", b"there is room again")


def test_a_file_from_another_disk_is_copied_and_compared(small_disk: Path, file: Path) -> None:
    blobs = LocalBlobs(small_disk / "archive")
    blobs.put_file("warc/a.warc.gz", file)
    assert blobs.read("warc/a.warc.gz") == b"recorded" * 1000
    assert not file.exists()
    assert [path.name for path in (small_disk / "archive/warc").iterdir()] == ["a.warc.gz"]


def test_a_read_only_disk_is_said(small_disk: Path, file: Path) -> None:
    blobs = LocalBlobs(small_disk)
    blobs.put("a", b"x")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    blobs.check(write=False)
    assert blobs.read("a") == b"x"
    for use in (
        lambda: blobs.check(write=True),
        lambda: blobs.put("b", b"x"),
        lambda: blobs.put_file("b", file),
        lambda: blobs.delete("a"),
    ):
        with pytest.raises(StorageUnavailable) as caught:
            use()
        assert "is read-only; remount it" in one_line(caught.value)
    assert file.exists()


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (errno.EDQUOT, StorageFull, "quota"),
        (errno.EACCES, StorageUnavailable, "give this user access"),
        (errno.EIO, StorageError, "check the disk"),
    ],
)
def test_every_refusal_of_the_disk_names_the_way_out(
    local_blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[StorageError], words: str
) -> None:
    local_blobs.put("a", b"x")

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(expected) as caught:
        local_blobs.put("b", b"x")
    assert words in one_line(caught.value)
    assert [path.name for path in local_blobs.local.iterdir()] == ["a"]


def test_a_copy_that_came_out_wrong_is_not_published(
    small_disk: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop_the_end(source: object, target: object, length: int) -> None:
        target.write(source.read()[:-1])  # type: ignore[attr-defined]

    monkeypatch.setattr(blobs_module.shutil, "copyfileobj", drop_the_end)
    blobs = LocalBlobs(small_disk)
    with pytest.raises(StorageError) as caught:
        blobs.put_file("a", file)
    assert "differs" in one_line(caught.value)
    assert file.stat().st_size == 8000
    assert list(small_disk.iterdir()) == []
