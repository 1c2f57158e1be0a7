from __future__ import annotations

import asyncio
import errno
import gzip
import io
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.articles import read_articles, unpack_article
from storage.blobs import Blobs, LocalBlobs
from storage.errors import ArchiveError, DamagedIndex, StorageError, StorageFull, StorageUnavailable, UploadMismatch
from storage.index import Index
from storage.s3 import S3Blobs
from storage.segment import OPEN, articles_key, cdxj_key, warc_key
from storage.sync import rebuild_index, sync_index
from storage.warc import EMPTY_PAYLOAD, read_record
from storage.writer import SegmentWriter, Stored
from tests.storage.captures import (
    PAGE,
    URL,
    WAIT,
    Place,
    article_of,
    cdxj_lines,
    fix_identities,
    later,
    make_capture,
    ok,
    ok_chunked,
    save,
    spooled,
)

NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, list[int]]]:
    """Hold fsync back while the body runs; yields when it was first called for, and the list of those done."""
    real, came, go_on = os.fsync, threading.Event(), threading.Event()
    synced: list[int] = []

    def fsync(file: int) -> None:
        came.set()
        assert go_on.wait(WAIT)
        synced.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    yield came, synced
    go_on.set()


def read_back(place: Place, stored: Stored) -> bytes:
    """The block of a stored capture, read as a user of the index would."""
    entry = stored.entry
    path = place.spool / (warc_key(entry.segment) + OPEN)
    if path.exists():
        member = path.read_bytes()[entry.offset : entry.offset + entry.length]
    else:
        member = place.blobs.read(warc_key(entry.segment), entry.offset, entry.length)
    record = read_record(member, "x", entry.offset)
    block = b"".join(record.block())
    assert record.finish() == entry.length
    return block


# Acknowledged means there


def test_an_acknowledged_capture_can_be_read_and_found_at_once(place: Place) -> None:
    with place.writing() as writer:
        stored = save(writer, make_capture())
        assert (place.spool / (warc_key(stored.entry.segment) + OPEN)).exists()
        assert read_back(place, stored) == ok()
        assert place.index.latest(URL) == stored.entry
        assert place.index.open_segments() == {stored.entry.segment}
    assert read_back(place, stored) == ok()
    assert place.index.final_segments() == {stored.entry.segment}
    assert place.open_files() == []


def test_an_acknowledged_article_can_be_read_and_found_at_once(place: Place) -> None:
    with place.writing() as writer:
        stored = save(writer, make_capture(), article={"title": "Flut"})
        entry = place.index.articles([stored.entry])[stored.entry.segment, stored.entry.offset]
        data = (place.spool / (articles_key(stored.entry.segment) + OPEN)).read_bytes()
        member = data[entry.offset : entry.offset + entry.length]
        assert unpack_article(member, "x", 0)["title"] == entry.title == "Flut"
    assert place.blobs.read(articles_key(stored.entry.segment)) == data


def test_what_is_stored_tells_all_about_the_capture(place: Place) -> None:
    with place.writing() as writer:
        stored = save(writer, make_capture(response=ok_chunked(PAGE, 5), truncated="disconnect"))
    record = place.stored_record(stored)
    assert (stored.record_id, stored.date) == (record.value("WARC-Record-ID"), record.value("WARC-Date"))
    assert stored.payload_digest == record.value("WARC-Payload-Digest") == stored.entry.payload_digest
    assert stored.payload_length == len(PAGE)
    assert (stored.revisit_of, stored.truncated) == (None, "disconnect")


def test_a_server_that_never_answered_leaves_its_request_and_no_entry(place: Place) -> None:
    with place.writing() as writer:
        future = writer.write_capture(make_capture(response=b"", notes=("connection refused",)), wants_article=True)
        assert future.result(WAIT) is None
        (segment,) = [name.removesuffix(".journal")[5:] for name in place.open_files() if name.endswith(".journal")]
    types = [record.value("WARC-Type") for record in place.records(segment)]
    assert types == ["warcinfo", "request", "metadata"]
    assert b"note: connection refused" in place.records(segment)[2].block
    assert cdxj_lines(place.blobs.read(cdxj_key(segment))) == []


def test_records_of_a_capture_stand_together_behind_one_warcinfo(place: Place) -> None:
    stored = place.save(make_capture(), make_capture("http://example.com/b", ok(b"other")))
    records = place.records(stored[0].entry.segment)
    types = [record.value("WARC-Type") for record in records]
    assert types == ["warcinfo", *["response", "request", "metadata"] * 2]
    assert records[0].value("WARC-Filename") == stored[0].entry.segment.split("/")[-1] + ".warc.gz"
    assert {record.value("WARC-Warcinfo-ID") for record in records[1:]} == {records[0].value("WARC-Record-ID")}


def test_the_same_captures_make_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = []
    for name in ("one", "two"):
        fix_identities(monkeypatch)
        place = Place(tmp_path / name)
        with place.writing() as writer:
            save(writer, make_capture(), article={"title": "Flut"})
            save(writer, make_capture(date=later(1)))
        contents.append({key: place.blobs.read(key) for key in place.blobs.keys("")})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3


# One fsync for many


def test_captures_that_arrive_together_share_one_fsync(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.writing() as writer:
        save(writer, make_capture())
        with held_up(monkeypatch) as (came, synced):
            futures = [writer.write_capture(make_capture(f"{URL}/0", ok(b"0")))]
            assert came.wait(WAIT)
            futures += [writer.write_capture(make_capture(f"{URL}/{n}", ok(b"%d" % n))) for n in range(1, 41)]
            assert not any(future.done() for future in futures)
        for future in futures:
            assert future.result(WAIT)
        assert len(synced) == 4  # twice WARC and journal: for the first alone, then for the forty behind it
        monkeypatch.undo()


def test_many_threads_can_write_at_once(place: Place) -> None:
    stored: list[Stored] = []

    def work(name: int) -> None:
        for number in range(20):
            body = b"%d of %d" % (number, name)
            stored.append(save(writer, make_capture(f"{URL}/{name}/{number}", ok(body)), article={}))

    with place.writing(max_bytes=20_000) as writer:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({(each.entry.segment, each.entry.offset) for each in stored}) == 160
    assert place.index.counts().captures == place.index.counts().articles == 160
    assert len(place.index.final_segments()) > 1
    for each in stored:
        _, _, path = each.entry.url.rpartition("story/")
        name, number = path.split("/")
        assert read_back(place, each) == ok(f"{number} of {name}".encode())


# Roll-over


def test_a_segment_ends_when_it_is_large_enough(place: Place) -> None:
    with place.writing(max_bytes=3000) as writer:
        stored = [save(writer, make_capture(f"{URL}/{n}", ok(os.urandom(1000)))) for n in range(4)]
        segments = [each.entry.segment for each in stored]
        assert segments[0] == segments[1] != segments[2] == segments[3]
    assert len(place.index.final_segments()) == 2
    assert [name.split("-")[2] for name in sorted(set(segments))] == ["00001", "00002"]


def test_a_segment_ends_when_it_is_old_enough(place: Place) -> None:
    now = [100.0]
    with place.writing(max_age=60, clock=lambda: now[0]) as writer:
        first = save(writer, make_capture())
        now[0] += 59
        same = save(writer, make_capture(f"{URL}/2", ok(b"2")))
        now[0] += 1
        last = save(writer, make_capture(f"{URL}/3", ok(b"3")))
        other = save(writer, make_capture(f"{URL}/4", ok(b"4")))
    assert first.entry.segment == same.entry.segment == last.entry.segment != other.entry.segment


def test_an_old_segment_ends_though_nothing_more_is_written(place: Place) -> None:
    with place.writing(max_age=0.05) as writer:
        stored = save(writer, make_capture())
        done = threading.Event()
        waited = 0
        while place.index.final_segments() != {stored.entry.segment}:
            done.wait(0.05)
            waited += 1
            assert waited < WAIT * 20


def test_nothing_written_leaves_nothing_behind(place: Place) -> None:
    with place.writing() as writer:
        writer.finalise().result(WAIT)
    assert [path for path in place.spool.rglob("*") if "index.sqlite3" not in path.name] == []


def test_finalise_resolves_when_everything_is_in_its_place(place: Place) -> None:
    with place.writing() as writer:
        futures = [writer.write_capture(make_capture(f"{URL}/{n}", ok(b"%d" % n))) for n in range(100)]
        writer.finalise().result(WAIT)
        assert all(future.done() for future in futures)
        assert place.open_files() == []
        assert len(list(place.blobs.keys("cdxj/"))) == 1
        save(writer, make_capture())
        assert len(place.open_files()) == 2
        writer.finalise().result(WAIT)
        writer.finalise().result(WAIT)
    assert len(list(place.blobs.keys("cdxj/"))) == 2


# Articles


def test_an_article_lands_in_the_segment_of_its_capture_though_that_is_over(place: Place) -> None:
    with place.writing(max_bytes=1) as writer:
        first = writer.write_capture(make_capture(), wants_article=True).result(WAIT)
        second = save(writer, make_capture(f"{URL}/2", ok(b"2")))
        assert first is not None
        assert first.entry.segment != second.entry.segment
        assert first.entry.segment not in place.index.final_segments()
        entry = writer.write_article(first, article_of(first)).result(WAIT)
        assert entry is not None
        assert entry.segment == first.entry.segment
    stream = io.BytesIO(place.blobs.read(articles_key(first.entry.segment)))
    ((found, article),) = read_articles(stream, "x", segment=first.entry.segment)
    assert found == entry
    assert article["url"] == URL
    assert not list(place.blobs.keys(articles_key(second.entry.segment)))


def test_finalise_waits_for_articles_that_are_still_to_come(place: Place) -> None:
    with place.writing() as writer:
        one = writer.write_capture(make_capture(), wants_article=True).result(WAIT)
        two = writer.write_capture(make_capture(f"{URL}/2", ok(b"2")), wants_article=True).result(WAIT)
        assert one
        assert two
        finalised = writer.finalise()
        writer.write_article(one, article_of(one)).result(WAIT)
        assert not finalised.done()
        writer.release(two)
        finalised.result(WAIT)
        assert place.open_files() == []


def test_closing_does_not_wait_for_articles(place: Place) -> None:
    writer = place.writer()
    stored = writer.write_capture(make_capture(), wants_article=True).result(WAIT)
    writer.close()
    assert stored is not None
    assert place.index.final_segments() == {stored.entry.segment}
    assert list(place.blobs.keys("articles/")) == []


def test_an_article_that_comes_too_late_is_refused_with_a_way_out(place: Place) -> None:
    with place.writing() as writer:
        stored = save(writer, make_capture())
        writer.finalise().result(WAIT)
        with pytest.raises(StorageError, match="already finalised; `archiver reextract`"):
            writer.write_article(stored, article_of(stored)).result(WAIT)


@pytest.mark.parametrize("article", [{}, {"outcome": "saved"}, {"captured_at": "yesterday"}])
def test_an_article_that_cannot_be_located_leaves_no_trace(article: dict[str, Any], place: Place) -> None:
    with place.writing() as writer:
        stored = writer.write_capture(make_capture(), wants_article=True).result(WAIT)
        assert stored is not None
        bad = {**article_of(stored), **article} if "captured_at" in article else article
        with pytest.raises((KeyError, ValueError)):
            writer.write_article(stored, bad).result(WAIT)
        writer.write_article(stored, article_of(stored)).result(WAIT)
    stream = io.BytesIO(place.blobs.read(articles_key(stored.entry.segment)))
    assert len(list(read_articles(stream, "x", segment=stored.entry.segment))) == 1


# Revisits


def test_a_payload_already_held_becomes_a_revisit_that_names_its_original(place: Place) -> None:
    with place.writing() as writer:
        original = save(writer, make_capture())
        revisit = save(writer, make_capture("http://example.com/other", ok_chunked(PAGE, 3), date=later(1)))
    assert revisit.entry.is_revisit
    assert revisit.revisit_of is not None
    assert revisit.payload_digest == original.payload_digest
    record = place.stored_record(revisit)
    assert record.value("WARC-Refers-To") == original.record_id
    assert record.value("WARC-Refers-To-Target-URI") == URL
    assert record.value("WARC-Refers-To-Date") == original.date == "2026-11-22T06:43:21.123456Z"
    assert record.block == ok_chunked()[: ok_chunked().index(b"\r\n\r\n") + 4]


def test_an_original_is_found_across_segments_and_across_runs(place: Place) -> None:
    with place.writing(max_bytes=1) as writer:
        original = save(writer, make_capture())
        near = save(writer, make_capture(date=later(1)))
    with place.writing() as writer:
        far = save(writer, make_capture(date=later(2)))
    assert len({each.entry.segment for each in (original, near, far)}) == 3
    for revisit in (near, far):
        assert place.stored_record(revisit).value("WARC-Refers-To") == original.record_id
        assert place.stored_record(revisit).value("WARC-Refers-To-Date") == original.date


def test_an_original_in_a_segment_another_process_has_open_is_good_locally(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path)
    with place.writing() as writer, other.writing() as other_writer:
        original = save(writer, make_capture())
        revisit = save(other_writer, make_capture(date=later(1)))
    assert place.stored_record(revisit).value("WARC-Refers-To") == original.record_id


def test_an_original_of_the_same_url_is_preferred(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    there = place.save(make_capture("http://example.com/first", truncated=None))
    with place.writing() as writer:
        monkeypatch.setattr(writer._originals, "identical", lambda *_, **__: None)  # as on a machine of its own
        same = save(writer, make_capture(date=later(1)))
        last = save(writer, make_capture("http://example.com/third", date=later(2)))
    assert not same.entry.is_revisit
    with place.writing() as writer:
        revisit = save(writer, make_capture(date=later(3)))
    assert place.stored_record(revisit).value("WARC-Refers-To") == same.record_id
    assert there[0].entry.payload_digest == last.entry.payload_digest


def test_an_answer_that_is_not_chunked_never_refers_to_a_chunked_original(place: Place) -> None:
    chunked = [place.save(make_capture(response=ok_chunked(PAGE, 9 + n), date=later(n)))[0] for n in range(2)]
    (plain,) = place.save(make_capture(date=later(2)))
    with place.writing() as writer:
        then = [
            save(writer, make_capture(response=response, date=later(3 + n)))
            for n, response in enumerate([ok(), ok_chunked(PAGE, 4), ok()])
        ]
    assert chunked[1].revisit_of is not None
    assert chunked[1].revisit_of.record_id == chunked[0].record_id
    assert plain.revisit_of is None
    assert [each.revisit_of and each.revisit_of.record_id for each in then][::2] == [plain.record_id] * 2
    assert then[1].revisit_of is not None


def test_no_revisit_ever_refers_to_a_revisit(place: Place) -> None:
    stored = [place.save(make_capture(f"{URL}/{n}", date=later(n)))[0] for n in range(4)]
    with place.writing() as writer:
        stored += [save(writer, make_capture(f"{URL}/{n}", date=later(n))) for n in range(4, 8)]
    for each in stored[1:]:
        assert place.stored_record(each).value("WARC-Refers-To") == stored[0].record_id


def test_a_truncated_capture_is_neither_original_nor_revisit(place: Place) -> None:
    truncated, whole, again = (
        place.save(make_capture(date=later(n), truncated="length" if n != 1 else None))[0] for n in range(3)
    )
    with place.writing() as writer:
        cut = save(writer, make_capture(f"{URL}/2", ok(b"2"), truncated="time"))
        not_cut = save(writer, make_capture(f"{URL}/2", ok(b"2")))
    for each in (truncated, whole, again, cut, not_cut):
        assert not each.entry.is_revisit
    assert place.save(make_capture(date=later(3)))[0].revisit_of is not None


def test_captures_of_one_batch_do_not_refer_to_each_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.writing() as writer:
        with held_up(monkeypatch):
            futures = [writer.write_capture(make_capture(f"{URL}/{n}", date=later(n))) for n in range(10)]
        stored = [future.result(WAIT) for future in futures]
        monkeypatch.undo()
        after = save(writer, make_capture(date=later(11)))
    durable_first = {each.record_id for each in stored if each and not each.entry.is_revisit}
    assert after.revisit_of is not None
    assert after.revisit_of.record_id in durable_first
    for each in stored:
        assert each is not None
        assert each.revisit_of is None or each.revisit_of.record_id in durable_first


def test_an_original_that_was_not_acknowledged_is_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.writing() as writer:
        save(writer, make_capture(f"{URL}/other", ok(b"other")))

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            writer.write_capture(make_capture()).result(WAIT)
        monkeypatch.undo()
        stored = save(writer, make_capture(date=later(1)))
    assert stored.revisit_of is None
    assert read_back(place, stored) == ok()


def test_an_empty_payload_is_never_a_revisit(place: Place) -> None:
    redirect = b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n"
    stored = place.save(*(make_capture(f"{URL}/{n}", redirect, date=later(n)) for n in range(3)))
    assert [each.revisit_of for each in stored] == [None, None, None]
    assert {each.payload_digest for each in stored} == {EMPTY_PAYLOAD}


def test_only_answers_to_get_are_compared(place: Place) -> None:
    place.save(make_capture())
    (posted,) = place.save(make_capture(method="POST", date=later(1)))
    assert posted.revisit_of is None


def test_a_not_modified_answer_refers_to_the_newest_whole_capture(place: Place) -> None:
    place.save(make_capture(response=ok(b"old")))
    (newest,) = place.save(make_capture(date=later(1)))
    place.save(make_capture(response=b"HTTP/1.1 500 Oops\r\n\r\nsorry", date=later(2)))
    (revisit,) = place.save(make_capture(response=NOT_MODIFIED, date=later(3)))
    record = place.stored_record(revisit)
    assert revisit.entry.is_revisit
    assert revisit.payload_digest is None
    assert record.value("WARC-Refers-To") == newest.record_id
    assert record.value("WARC-Refers-To-Date") == newest.date
    assert str(record.value("WARC-Profile")).endswith("/server-not-modified")
    assert record.block == NOT_MODIFIED


def test_a_not_modified_answer_after_a_revisit_refers_to_what_that_refers_to(place: Place) -> None:
    (original,) = place.save(make_capture("http://example.com/first"))
    place.save(make_capture(date=later(1)))
    (revisit,) = place.save(make_capture(response=NOT_MODIFIED, date=later(2)))
    assert place.stored_record(revisit).value("WARC-Refers-To") == original.record_id
    assert place.stored_record(revisit).value("WARC-Refers-To-Target-URI") == "http://example.com/first"


def test_a_not_modified_answer_without_an_earlier_capture_stands_alone(place: Place) -> None:
    (stored,) = place.save(make_capture(response=NOT_MODIFIED))
    assert not stored.entry.is_revisit
    assert read_back(place, stored) == NOT_MODIFIED


def test_a_not_modified_answer_with_a_body_is_kept_with_it(place: Place) -> None:
    place.save(make_capture())
    odd = NOT_MODIFIED + b"unasked-for body"
    (stored,) = place.save(make_capture(response=odd, date=later(1)))
    assert stored.revisit_of is None
    assert read_back(place, stored) == odd


def test_an_original_whose_bytes_are_damaged_is_not_referred_to(place: Place) -> None:
    (original,) = place.save(make_capture())
    path = place.spool / warc_key(original.entry.segment)
    data = bytearray(path.read_bytes())
    data[original.entry.offset : original.entry.offset + 50] = bytes(50)
    path.write_bytes(data)
    (again,) = place.save(make_capture(date=later(1)))
    assert again.revisit_of is None


def test_in_a_bucket_only_uploaded_originals_and_those_of_the_same_file_count(
    s3_blobs: S3Blobs, tmp_path: Path
) -> None:
    here, elsewhere = Place(tmp_path / "here", s3_blobs), Place(tmp_path / "elsewhere", s3_blobs)
    with here.writing() as writer:
        original = save(writer, make_capture())
        same_file = save(writer, make_capture(date=later(1)))
        assert same_file.revisit_of is not None
        # Another machine, whose index even knows of the capture, must not rely on it yet.
        elsewhere.index.add([original.entry])
        with elsewhere.writing() as other:
            assert save(other, make_capture(date=later(2))).revisit_of is None
        # Nor must the next segment of this one, while the first waits for an article.
        held = writer.write_capture(make_capture(f"{URL}/2", ok(b"2")), wants_article=True).result(WAIT)
        assert held is not None
        finalised = writer.finalise()
        next_file = save(writer, make_capture(date=later(3)))
        assert next_file.entry.segment != original.entry.segment
        writer.release(held)
        finalised.result(WAIT)
        after = save(writer, make_capture(date=later(4)))
        assert after.revisit_of is not None
    assert next_file.revisit_of is None
    for segment in (original.entry.segment, next_file.entry.segment):
        assert s3_blobs.size(warc_key(segment))
    assert here.open_files() == []


# When storage fails


def full_after(room: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let `room` more bytes be written to the spool, then none; the returned function frees space."""
    left = [room]

    class Disk:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            part = bytes(data[: left[0]])
            left[0] -= len(part)
            return int(self.file.write(part))

    import storage.segment

    real = storage.segment._write_all
    monkeypatch.setattr("storage.segment._write_all", lambda file, data: real(Disk(file), data))  # type: ignore[arg-type]

    def free() -> None:
        left[0] = 1 << 60

    return free


@pytest.mark.parametrize("room", [0, 1, 200, 500, 900, 1300, 1700, 2500])
def test_a_full_disk_fails_what_does_not_fit_and_keeps_what_was_acknowledged(
    room: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = full_after(room, monkeypatch)
    stored: list[Stored] = []
    with place.writing() as writer:
        for number in range(10):
            future = writer.write_capture(make_capture(f"{URL}/{number}", ok(b"%d" % number)), wants_article=True)
            try:
                each = future.result(WAIT)
                assert each is not None
                stored.append(each)
                writer.write_article(each, article_of(each)).result(WAIT)
            except StorageFull:
                continue
        assert len(stored) < 10
        for each in stored:
            assert read_back(place, each) == ok(each.entry.url.rpartition("/")[2].encode())
        free()
        stored.append(save(writer, make_capture(f"{URL}/after", ok(b"after")), article={}))
    assert place.open_files() == []
    assert {line.split(" ")[0] for key in place.blobs.keys("cdxj/") for line in cdxj_lines(place.blobs.read(key))} == {
        each.entry.urlkey for each in stored
    }
    for segment in place.index.final_segments():
        assert place.records(segment)[0].value("WARC-Type") == "warcinfo"


def test_a_really_full_file_system_fails_what_does_not_fit(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        index = Index.open(tmp_path / "index.sqlite3")
        writer = SegmentWriter(LocalBlobs(disk), disk, index, prefix="a", software="test")
        stored, bodies, failures = [], {}, 0
        for number in range(12):
            bodies[f"{URL}/{number}"] = body = os.urandom(300_000)
            try:
                stored.append(save(writer, make_capture(f"{URL}/{number}", ok(body))))
            except StorageFull:
                failures += 1
        assert stored
        assert failures
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        with pytest.raises(StorageFull):
            save(writer, make_capture(f"{URL}/none", ok(os.urandom(50_000))))
        filler.unlink()
        stored.append(save(writer, make_capture(f"{URL}/small", ok(b"small"))))
        bodies[f"{URL}/small"] = b"small"
        writer.close()
        place = Place(tmp_path / "other", LocalBlobs(disk))
        assert [read_back(place, each) for each in stored] == [ok(bodies[each.entry.url]) for each in stored]
        assert place.open_files() == []
        index.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_response_that_cannot_be_read_from_its_spool_fails_alone(place: Place) -> None:
    class Broken:
        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def pieces(self, offset: int = 0) -> Iterator[memoryview]:
            yield memoryview(b"HTTP/1.1 200 OK\r\n\r\n")
            if offset:
                raise OSError(errno.EIO, "Input/output error")

    capture = make_capture()
    capture.response = Broken(spooled(ok(os.urandom(3 << 20))))  # type: ignore[assignment]
    with place.writing() as writer:
        before = save(writer, make_capture(f"{URL}/1", ok(b"1")))
        future = writer.write_capture(capture)
        after = writer.write_capture(make_capture(f"{URL}/2", ok(b"2")))
        with pytest.raises(StorageUnavailable):
            future.result(WAIT)
        stored = after.result(WAIT)
    assert stored is not None
    assert [record.value("WARC-Type") for record in place.records(before.entry.segment)][1:] == [
        *["response", "request", "metadata"] * 2
    ]
    assert (read_back(place, before), read_back(place, stored)) == (ok(b"1"), ok(b"2"))


def test_a_capture_nobody_can_write_does_not_take_others_along(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.writing() as writer:
        with held_up(monkeypatch):
            futures = [
                writer.write_capture(make_capture(url, ok(url.encode("utf-8", "replace"))))
                for url in (f"{URL}/1", f"{URL}/\ud800", f"{URL}/2")
            ]
        with pytest.raises(UnicodeEncodeError):
            futures[1].result(WAIT)
        assert futures[0].result(WAIT)
        assert futures[2].result(WAIT)
    assert place.index.counts().captures == 2


class Failing(LocalBlobs):
    """A store that fails where it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.fails: dict[str, Exception] = {}

    def put_file(self, key: str, path: Path) -> None:
        self._fail(key)
        super().put_file(key, path)

    def put(self, key: str, data: bytes, *, replace: bool = False) -> None:
        self._fail(key)
        super().put(key, data, replace=replace)

    def _fail(self, key: str) -> None:
        for start, error in self.fails.items():
            if key.startswith(start):
                raise error


@pytest.mark.parametrize("step", ["articles/", "warc/", "cdxj/"])
@pytest.mark.parametrize(
    "error",
    [UploadMismatch("what arrived differs; try again"), OSError(errno.EIO, "broken"), RuntimeError("a bug elsewhere")],
)
def test_a_store_that_fails_is_reported_and_everything_stays_in_the_spool(
    step: str, error: Exception, tmp_path: Path
) -> None:
    blobs = Failing(tmp_path)
    place = Place(tmp_path, blobs)
    blobs.fails = {step: error}
    writer = place.writer()
    stored = save(writer, make_capture(), article={})
    finalised = writer.finalise()
    with pytest.raises((UploadMismatch, StorageUnavailable, RuntimeError)):
        finalised.result(WAIT)
    assert f"warc/{stored.entry.segment}.journal" in place.open_files()
    assert read_back(place, stored) == ok()
    assert not list(blobs.keys("cdxj/"))
    blobs.fails = {}
    other = save(writer, make_capture(f"{URL}/2", ok(b"2")))
    writer.close()
    assert list(blobs.keys("cdxj/")) == [cdxj_key(other.entry.segment)]


def test_close_raises_what_kept_the_last_segment_from_its_place(tmp_path: Path) -> None:
    blobs = Failing(tmp_path)
    place = Place(tmp_path, blobs)
    writer = place.writer()
    save(writer, make_capture())
    blobs.fails = {"warc/": StorageUnavailable("the bucket is gone; check it")}
    with pytest.raises(StorageUnavailable, match="the bucket is gone"):
        writer.close()
    assert len(place.open_files()) == 2
    writer.close()


def test_a_closed_writer_refuses_at_once(place: Place) -> None:
    writer = place.writer()
    stored = save(writer, make_capture())
    writer.close()
    writer.close()
    for future in (writer.write_capture(make_capture()), writer.write_article(stored, {}), writer.finalise()):
        with pytest.raises(StorageError, match="this writer is closed"):
            future.result(WAIT)
    writer.release(stored)


def test_whoever_stops_waiting_does_not_disturb_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def give_up() -> None:
        with held_up(monkeypatch):
            waiting = [asyncio.wrap_future(future) for future in futures[:2]]
            waiting[0].cancel()
            futures[1].cancel()
            await asyncio.sleep(0)

    with place.writing() as writer:
        futures = [writer.write_capture(make_capture(f"{URL}/{n}", ok(b"%d" % n))) for n in range(3)]
        asyncio.run(give_up())
        assert futures[2].result(WAIT)
        monkeypatch.undo()
        save(writer, make_capture())
    assert place.index.counts().captures == 4


# The index is a cache


def test_an_index_that_refuses_loses_no_capture_and_catches_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DamagedIndex("locked; wait a little")

    with place.writing() as writer:
        monkeypatch.setattr(place.index, "add", refuse, raising=False)
        stored = save(writer, make_capture(), article={})
        assert place.index.latest(URL) is None
        monkeypatch.undo()
    assert place.index.latest(URL) == stored.entry
    assert place.index.articles([stored.entry])


def test_an_index_rebuilt_while_a_segment_is_written_knows_all_of_it_in_the_end(place: Place) -> None:
    place.save(make_capture(f"{URL}/1", ok(b"1")))
    with place.writing() as writer:
        stored = [save(writer, make_capture(), article={})]
        rebuild_index(place.blobs, place.index)
        stored += [save(writer, make_capture(f"{URL}/2", ok(b"2")))]
    assert sync_index(place.blobs, place.index) == 0
    assert [place.index.latest(each.entry.url) for each in stored] == [each.entry for each in stored]
    assert len(place.index.articles([stored[0].entry])) == 1
    assert place.index.counts().captures == 3


def test_both_stores_hold_the_same_in_the_end(blobs: Blobs, tmp_path: Path) -> None:
    place = Place(tmp_path, blobs) if blobs.local is None else Place(blobs.local, blobs)
    with place.writing() as writer:
        stored = save(writer, make_capture(), article={"title": "Flut"})
        writer.finalise().result(WAIT)
        again = save(writer, make_capture(date=later(1)))
    assert place.open_files() == []
    assert read_back(place, stored) == ok()
    assert again.revisit_of is not None
    assert len(list(blobs.keys("cdxj/"))) == 2
    assert gzip.decompress(blobs.read(articles_key(stored.entry.segment))).count(b"\n") == 1
    assert issubclass(StorageFull, ArchiveError)
