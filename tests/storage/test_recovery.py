from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import random
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from storage.articles import read_articles
from storage.blobs import Blobs, LocalBlobs
from storage.cdx import Entry
from storage.errors import StorageUnavailable
from storage.index import Index
from storage.recovery import Recovered, recover_segments
from storage.s3 import S3Blobs
from storage.segment import OPEN, Journal, articles_key, cdxj_key, warc_key
from storage.sync import sync_index
from storage.warc import read_record
from storage.writer import SegmentWriter, Stored
from tests.storage.captures import (
    URL,
    WAIT,
    Place,
    article_of,
    cdxj_lines,
    indexed_in_process,
    later,
    make_capture,
    ok,
    save,
)


def recover(place: Place, **options: Any) -> list[Recovered]:
    return recover_segments(place.blobs, place.spool, place.index, **options)


def die(writer: SegmentWriter) -> None:
    """Leave everything as a killed process does: files as they are, locks gone."""
    for segment in (writer._current, *writer._draining.values()):
        if segment is not None:
            segment._journal.close()


def left_behind(place: Place, count: int = 3, *, articles: int = 0) -> list[Stored]:
    """Captures in a segment whose writer has died; the first `articles` of them have their article."""
    writer = place.writer()
    stored = []
    for number in range(count):
        capture = make_capture(f"{URL}/{number}", ok(b"%d" % number), date=later(number))
        each = writer.write_capture(capture, wants_article=True).result(WAIT)
        assert each is not None
        stored.append(each)
        if number < articles:
            writer.write_article(each, article_of(each, title=f"article {number}")).result(WAIT)
    die(writer)
    return stored


def articles_of(place: Place, segment: str) -> dict[int, str]:
    stream = io.BytesIO(place.blobs.read(articles_key(segment)))
    found = list(read_articles(stream, "x", segment=segment))
    titles = {entry.capture_offset: article["title"] for entry, article in found}
    assert len(titles) == len(found), "an article is there twice"
    return titles


def assert_complete(place: Place, stored: list[Stored]) -> None:
    """Every capture is in place, its index and CDXJ right, and nothing is left over."""
    assert place.open_files() == []
    assert recover(place) == []
    for segment in {each.entry.segment for each in stored}:
        warc = place.blobs.read(warc_key(segment))
        for each in stored:
            member = warc[each.entry.offset : each.entry.offset + each.entry.length]
            assert read_record(member, "x", each.entry.offset).field("WARC-Record-ID") == each.record_id
        path = place.spool / "again.warc.gz"
        path.write_bytes(warc)
        others = [line.replace("again.warc.gz", f"{segment}.warc.gz") for line in indexed_in_process(path, place.spool)]
        path.unlink()
        assert cdxj_lines(place.blobs.read(cdxj_key(segment))) == others
        assert segment in place.index.final_segments()
    for each in stored:
        assert each.entry in list(place.index.captures(each.entry.url))
    assert sync_index(place.blobs, place.index) == 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_a_dead_writer_left_is_finished(place: Place) -> None:
    stored = left_behind(place, articles=2)
    (recovered,) = recover(place)
    assert recovered == Recovered(stored[0].entry.segment, captures=3, articles=2, bytes_cut=0)
    assert_complete(place, stored)
    assert articles_of(place, recovered.segment) == {
        stored[0].entry.offset: "article 0",
        stored[1].entry.offset: "article 1",
    }
    assert len(place.index.articles(each.entry for each in stored)) == 2


def test_an_empty_spool_needs_no_recovery(place: Place) -> None:
    assert recover(place) == []
    assert recover_segments(place.blobs, place.spool / "nowhere", place.index) == []


def test_a_live_writer_is_not_disturbed(place: Place) -> None:
    with place.writing() as writer:
        stored = [save(writer, make_capture(), article={})]
        before = place.open_files()
        assert recover(place) == []
        assert place.open_files() == before
        stored += [save(writer, make_capture(f"{URL}/2", ok(b"2")))]
    assert_complete(place, stored)


def test_a_writer_in_another_process_is_not_disturbed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with Victim(tmp_path, seed=1) as victim:
        victim.read_lines(at_least=5)
        before = len(place.open_files())
        assert recover(place) == []
        assert len(place.open_files()) >= before
        assert victim.process.poll() is None


@pytest.mark.parametrize("tail", ["whole capture", "half a record", "zeros", "garbage"])
def test_the_end_is_cut_behind_the_last_whole_record(tail: str, place: Place) -> None:
    stored = left_behind(place)
    segment = stored[0].entry.segment
    path = place.spool / (warc_key(segment) + OPEN)
    last = path.read_bytes()[stored[-1].entry.offset :]
    extra = {"whole capture": last, "half a record": last[:100], "zeros": bytes(4096), "garbage": os.urandom(100)}[tail]
    with path.open("ab") as file:
        file.write(extra)
    (recovered,) = recover(place)
    assert recovered.bytes_cut == (0 if tail == "whole capture" else len(extra))
    assert recovered.captures == (4 if tail == "whole capture" else 3)
    assert_complete(place, stored)


def test_every_way_to_tear_the_unacknowledged_end_is_survived(tmp_path: Path) -> None:
    source = Place(tmp_path / "source")
    stored = left_behind(source, 2, articles=2)
    segment = stored[0].entry.segment
    names = {"warc": f"{warc_key(segment)}{OPEN}", "articles": f"{articles_key(segment)}{OPEN}"}
    files = {kind: (source.spool / name).read_bytes() for kind, name in names.items()}
    journal = (source.spool / f"warc/{segment}.journal").read_bytes()
    lines = journal.splitlines(keepends=True)
    acknowledged = b"".join(lines[:2])  # one capture and its article
    for number, end in enumerate(range(stored[1].entry.offset, len(files["warc"]), 37)):
        place = Place(tmp_path / str(number))
        for kind, name in names.items():
            (place.spool / name).parent.mkdir(parents=True)
            whole = files[kind]
            (place.spool / name).write_bytes(whole[:end] if kind == "warc" else whole[: len(whole) - number % 50])
        torn = lines[2][: number * 7 % len(lines[2])]
        (place.spool / f"warc/{segment}.journal").write_bytes(acknowledged + torn)
        assert len(recover(place)) == 1
        assert_complete(place, stored[:1])
        assert articles_of(place, segment) == {stored[0].entry.offset: "article 0"}
        place.index.close()


def test_articles_that_were_not_acknowledged_are_cut(place: Place) -> None:
    stored = left_behind(place, articles=1)
    path = place.spool / (articles_key(stored[0].entry.segment) + OPEN)
    path.write_bytes(path.read_bytes() * 2)
    recover(place)
    assert list(articles_of(place, stored[0].entry.segment).values()) == ["article 0"]
    assert_complete(place, stored)


def test_articles_of_which_none_was_acknowledged_leave_no_file(place: Place) -> None:
    stored = left_behind(place)
    path = place.spool / (articles_key(stored[0].entry.segment) + OPEN)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half an article")
    recover(place)
    assert list(place.blobs.keys("articles/")) == []
    assert_complete(place, stored)


def test_a_segment_in_which_nothing_was_acknowledged_vanishes(place: Place) -> None:
    journal = Journal.create(place.spool / "warc/2026/11/22/x.journal")
    (place.spool / "warc/2026/11/22/x.warc.gz.open").write_bytes(b"half a warcinfo")
    journal.close()
    assert recover(place) == []
    assert place.open_files() == []
    assert list(place.blobs.keys("warc/")) == []
    assert place.index.open_segments() == set()


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_damage_before_the_acknowledged_end_is_left_untouched_and_reported(
    how: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = left_behind(place)
    healthy = left_behind(place)
    path = place.spool / (warc_key(damaged[0].entry.segment) + OPEN)
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[damaged[1].entry.offset + 50] ^= 1
        path.write_bytes(data)
    elif how == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    before = place.open_files()
    with caplog.at_level(logging.ERROR):
        (recovered,) = recover(place)
    assert recovered.segment == healthy[0].entry.segment
    assert damaged[0].entry.segment in caplog.text
    assert "left as it is" in caplog.text
    kept = [name for name in before if damaged[0].entry.segment in name]
    assert place.open_files() == kept
    assert path.exists() == (how != "gone")
    if how == "flipped":
        assert path.read_bytes() == data


def test_acknowledged_articles_that_are_lost_are_reported(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    stored = left_behind(place, articles=2)
    path = place.spool / (articles_key(stored[0].entry.segment) + OPEN)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert recover(place) == []
    assert "has lost bytes that were acknowledged" in caplog.text
    path.unlink()
    assert recover(place) == []
    assert "is missing; restore it from a backup" in caplog.text
    path.write_bytes(whole)
    assert len(recover(place)) == 1
    assert_complete(place, stored)


def test_a_journal_of_another_version_is_left_for_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    stored = left_behind(place)
    path = place.spool / f"warc/{stored[0].entry.segment}.journal"
    path.write_text(path.read_text().replace('"warc_end"', '"warc_ends"'))
    before = place.open_files()
    assert recover(place) == []
    assert "left as it is" in caplog.text
    assert place.open_files() == before


# Articles that are missing


def read_again(place: Place) -> Any:
    def read(entry: Entry, warc: Path) -> dict[str, object] | None:
        with warc.open("rb") as file:
            file.seek(entry.offset)
            record = read_record(file.read(entry.length), str(warc), entry.offset)
        body = b"".join(record.block()).rpartition(b"\r\n\r\n")[2].decode()
        return {
            "id": "again",
            "url": entry.url,
            "title": f"read again: {body}",
            "captured_at": str(record.field("WARC-Date")),
            "outcome": "saved",
            "warc": {"offset": entry.offset},
        }

    return read


@pytest.mark.parametrize("present", [0, 1, 3])
def test_articles_that_were_wanted_but_not_written_are_read_from_their_captures(present: int, place: Place) -> None:
    stored = left_behind(place, articles=present)
    (recovered,) = recover(place, read_article=read_again(place))
    assert recovered.articles == 3
    titles = articles_of(place, recovered.segment)
    assert [titles[each.entry.offset] for each in stored] == [
        f"article {number}" if number < present else f"read again: {number}" for number in range(3)
    ]
    entries = place.index.articles(each.entry for each in stored)
    assert [entries[each.entry.segment, each.entry.offset].title for each in stored] == list(titles.values())
    assert_complete(place, stored)


def test_a_page_that_cannot_be_read_again_does_not_hold_up_its_segment(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    stored = left_behind(place)
    again = read_again(place)

    def read(entry: Entry, warc: Path) -> dict[str, object] | None:
        if entry.url.endswith("/0"):
            raise RecursionError("deep page")
        if entry.url.endswith("/1"):
            return {"no": "article"}
        result: dict[str, object] | None = again(entry, warc)
        return result

    recover(place, read_article=read)
    assert f"{URL}/0" in caplog.text
    assert list(articles_of(place, stored[0].entry.segment).values()) == ["read again: 2"]
    assert_complete(place, stored)


def test_captures_without_an_article_to_read_leave_no_articles_file(place: Place) -> None:
    stored = left_behind(place)
    recover(place, read_article=lambda entry, warc: None)
    assert list(place.blobs.keys("articles/")) == []
    assert_complete(place, stored)


def test_a_recovery_killed_while_it_reads_articles_is_taken_up_again(place: Place) -> None:
    stored = left_behind(place, articles=1)
    again = read_again(place)

    class Killed(BaseException):
        pass

    def read(entry: Entry, warc: Path) -> dict[str, object] | None:
        if entry.url.endswith("/2"):
            raise Killed
        result: dict[str, object] | None = again(entry, warc)
        return result

    with pytest.raises(Killed):
        recover(place, read_article=read)
    recover(place, read_article=again)
    assert list(articles_of(place, stored[0].entry.segment).values()) == ["article 0", "read again: 1", "read again: 2"]
    assert_complete(place, stored)


# Finalisation that was interrupted


class Crash(BaseException):
    """What nobody catches."""


class Crashing:
    """A store whose process dies before or after one of the steps of finalisation."""

    def __init__(self, blobs: Blobs, step: str, when: str) -> None:
        self._blobs, self._step, self._when = blobs, step, when
        self.local, self.location = blobs.local, blobs.location

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def put_file(self, key: str, path: Path) -> None:
        if not key.startswith(self._step):
            self._blobs.put_file(key, path)
            return
        if self._when == "before":
            raise Crash
        if self._when == "between":  # stored, but the local file is still there
            data = path.read_bytes()
            if self._blobs.local is None:
                self._blobs.put_file(key, path)
                path.write_bytes(data)
            else:
                target = self._blobs.local / key
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
        else:
            self._blobs.put_file(key, path)
        raise Crash

    def put(self, key: str, data: bytes, *, replace: bool = False) -> None:
        if key.startswith(self._step) and self._when == "before":
            raise Crash
        if key.startswith(self._step) and self._when == "between" and self._blobs.local is not None:
            target = self._blobs.local / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f"{target.name}.123-abcd.part").write_bytes(data[:5])
            raise Crash
        self._blobs.put(key, data, replace=replace)
        if key.startswith(self._step):
            raise Crash


@pytest.mark.parametrize("reread", [False, True], ids=["", "reading what is missing"])
@pytest.mark.parametrize("when", ["before", "between", "after"])
@pytest.mark.parametrize("step", ["articles/", "warc/", "cdxj/"])
def test_a_finalisation_interrupted_at_any_step_is_completed(
    step: str, when: str, reread: bool, blobs: Blobs, tmp_path: Path
) -> None:
    place = Place(blobs.local or tmp_path, blobs)
    stored = left_behind(place, articles=2)
    crashing = Crashing(blobs, step, when)
    with pytest.raises(Crash):
        recover_segments(crashing, place.spool, place.index)
    options = {"read_article": read_again(place)} if reread else {}
    (recovered,) = recover(place, **options)
    assert recovered.captures == 3
    assert_complete(place, stored)
    titles = list(articles_of(place, recovered.segment).values())
    assert titles[:2] == ["article 0", "article 1"]
    assert len(titles) == 3 if reread and (step, when) == ("articles/", "before") else len(titles) == 2
    indexed = place.index.articles(each.entry for each in stored)
    assert {entry.title for entry in indexed.values()} == set(titles)


def test_a_segment_the_store_refuses_is_kept_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored = left_behind(place, articles=3)
    before = place.open_files()

    def refuse(self: LocalBlobs, key: str, path: Path) -> None:
        raise StorageUnavailable("the bucket is gone; check it")

    monkeypatch.setattr(LocalBlobs, "put_file", refuse)
    assert recover(place) == []
    assert place.open_files() == before
    assert "the bucket is gone" in caplog.text
    monkeypatch.undo()
    assert len(recover(place)) == 1
    assert_complete(place, stored)


def test_what_is_recovered_serves_as_original(place: Place) -> None:
    left_behind(place, 1)
    recover(place)
    with place.writing() as writer:
        assert save(writer, make_capture(f"{URL}/0", ok(b"0"), date=later(9))).revisit_of is not None


def test_a_spool_for_a_bucket_is_recovered_into_it(s3_blobs: S3Blobs, tmp_path: Path) -> None:
    place = Place(tmp_path, s3_blobs)
    stored = left_behind(place, articles=3)
    recover(place)
    assert_complete(place, stored)
    assert len(articles_of(place, stored[0].entry.segment)) == 3


# kill -9


VICTIM = """
import hashlib, json, os, random, sys
from pathlib import Path
from storage.blobs import LocalBlobs
from storage.index import Index
from storage.urls import urlkey
from storage.writer import SegmentWriter
from tests.storage.captures import article_of, later, make_capture, ok

place, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
writer = SegmentWriter(
    LocalBlobs(place), place, Index.open(place / "index.sqlite3"), prefix="victim", software="test", max_bytes=60_000
)

def tell(**facts):
    os.write(1, json.dumps(facts).encode() + b"\\n")

def told(future, **facts):
    future.add_done_callback(lambda done: tell(**facts, **found(done.result())))

def found(stored):
    return {"segment": stored.segment if hasattr(stored, "segment") else stored.entry.segment} | (
        {"offset": stored.capture_offset} if hasattr(stored, "capture_offset") else {"offset": stored.entry.offset}
    )

urlkey("http://example.com/")  # loads what takes long to load
tell(ready=True)
for number in range(100_000):
    waiting = []
    for part in range(chance.randrange(1, 6)):
        body = chance.randbytes(chance.choice([5, 300, 3000, 30_000])) if chance.random() < 0.8 else b"the same"
        response = ok(body)
        capture = make_capture(f"http://example.com/{seed}/{number}/{part}", response, date=later(number))
        future = writer.write_capture(capture, wants_article=True)
        told(future, kind="capture", url=capture.url, sha1=hashlib.sha1(response).hexdigest())
        waiting.append(future)
    for future in waiting:
        stored = future.result()
        if chance.random() < 0.2:
            writer.release(stored)
        else:
            told(writer.write_article(stored, article_of(stored, title=stored.entry.url)), kind="article",
                 url=stored.entry.url)
    if chance.random() < 0.1:
        writer.finalise()
"""


class Victim:
    """A process that writes and says what was acknowledged, until it is killed."""

    def __init__(self, directory: Path, *, seed: int) -> None:
        command = [sys.executable, "-c", textwrap.dedent(VICTIM), str(directory), str(seed)]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, bufsize=0)
        self._data = b""
        self.read_lines(at_least=1)

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def read_lines(self, *, at_least: int = 0, seconds: float = 0.0) -> None:
        """Read what it says until so many lines have come and so much time has passed."""
        assert self.process.stdout
        end = time.monotonic() + seconds
        while self._data.count(b"\n") < at_least or time.monotonic() < end:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()) or WAIT)
            if ready:
                piece = os.read(self.process.stdout.fileno(), 1 << 16)
                assert piece, "the victim died by itself"
                self._data += piece

    def kill(self) -> list[dict[str, Any]]:
        """Kill it and return everything it said was acknowledged."""
        assert self.process.stdout
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            self._data += self.process.stdout.read()
            self.process.wait()
            self.process.stdout.close()
        lines = self._data.splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n") and b"ready" not in line]


def block_of(place: Place, entry: Entry) -> bytes:
    """The block of a capture; of a revisit, its head and the body of its original."""
    record = read_record(place.blobs.read(warc_key(entry.segment), entry.offset, entry.length), "x", entry.offset)
    block = b"".join(record.block())
    if not entry.is_revisit:
        return block
    date = str(record.field("WARC-Refers-To-Date"))
    for original in place.index.captures(str(record.field("WARC-Refers-To-Target-URI"))):
        held = read_record(place.blobs.read(warc_key(original.segment), original.offset, original.length), "x", 0)
        if held.field("WARC-Record-ID") == record.field("WARC-Refers-To") and held.field("WARC-Date") == date:
            return block + b"".join(held.block()).partition(b"\r\n\r\n")[2]
    raise AssertionError(f"the original of {entry} is not there")


def test_nothing_acknowledged_is_lost_when_the_process_is_killed_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    captures = articles = 0
    for seed in range(15):
        directory = tmp_path / str(seed % 3)  # archives that have been through it before
        directory.mkdir(exist_ok=True)
        with Victim(directory, seed=seed) as victim:
            victim.read_lines(at_least=chance.randrange(60), seconds=chance.uniform(0, 0.05))
            said = victim.kill()
        place = Place(directory)
        if chance.random() < 0.3:
            (directory / "index.sqlite3").rename(tmp_path / f"lost-{seed}")
            place.index.close()
            place.index = Index.open(directory / "index.sqlite3")
        recover(place)
        sync_index(place.blobs, place.index)
        assert place.open_files() == []
        assert recover(place) == []
        for line in said:
            found = [entry for entry in place.index.captures(line["url"]) if entry.url == line["url"]]
            assert [(entry.segment, entry.offset) for entry in found] == [(line["segment"], line["offset"])]
            if line["kind"] == "capture":
                captures += 1
                assert hashlib.sha1(block_of(place, found[0])).hexdigest() == line["sha1"]
            else:
                articles += 1
                article = place.index.articles(found)[line["segment"], line["offset"]]
                assert article.title == line["url"]
                assert articles_of(place, line["segment"])[line["offset"]] == line["url"]
        for segment in {line["segment"] for line in said}:
            written = cdxj_lines(place.blobs.read(cdxj_key(segment)))
            assert written == indexed_in_process(directory / warc_key(segment), directory / "warc")
        place.index.close()
    assert captures > 100
    assert articles > 50
