from __future__ import annotations

import fcntl
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.blobs import LocalBlobs
from storage.cdx import ArticleEntry
from storage.errors import DamagedRecord, StorageFull, StorageUnavailable
from storage.segment import (
    ArticleLine,
    CaptureLine,
    Journal,
    OpenSegment,
    articles_key,
    as_storage_error,
    cdxj_key,
    cut_spool_file,
    name_segment,
    publish,
    warc_key,
)
from storage.warc import Member
from tests.storage.captures import cdxj_lines

SEGMENT = "2026/11/22/news-20261122064321123-00001-host-1"
LINE = 'com,example)/ 20261122064321 {"url": "http://example.com/", "length": "4", "offset": "4", "filename": "x"}'
ARTICLE = ArticleEntry(
    segment=SEGMENT,
    capture_offset=4,
    revision=1,
    offset=0,
    length=3,
    id="1",
    url="http://example.com/",
    timestamp="20261122064321",
    site=None,
    title="Übel \ud800",
    published_at=None,
    language=None,
    outcome="saved",
    text_sha256=None,
    version=None,
    word_count=None,
)


def member(data: bytes) -> Member:
    return Member("<urn:uuid:1>", [data[:2], data[2:]])


def files(spool: Path) -> list[str]:
    return sorted(str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file())


def open_segment(spool: Path) -> OpenSegment:
    """A segment with its warcinfo, one acknowledged capture and one acknowledged article."""
    segment = OpenSegment(spool, SEGMENT, opened_at=0.0)
    segment.append_record(member(b"info"))
    segment.append_record(member(b"warc"))
    segment.note_capture(LINE, wants_article=True)
    segment.append_article(b"art")
    segment.note_article(ARTICLE)
    segment.commit()
    return segment


def test_names_tell_crawl_time_and_host_and_never_collide() -> None:
    now = datetime(2026, 11, 22, 6, 43, 21, 4999, tzinfo=UTC)
    names = {name_segment("päge one/x", 7, now) for _ in range(100)}
    assert len(names) == 100
    for name in names:
        assert re.fullmatch(r"2026/11/22/p_ge_one_x-20261122064321004-00007-[A-Za-z0-9.-]+-[0-9]+[0-9a-f]{8}", name)
    assert "/" not in name_segment("", 1, now)[11:]


def test_keys_of_a_segment_follow_its_name() -> None:
    assert warc_key("d/s") == "warc/d/s.warc.gz"
    assert cdxj_key("d/s") == "cdxj/d/s.cdxj.gz"
    assert articles_key("d/s") == "articles/d/s.jsonl.gz"
    assert articles_key("d/s", 3) == "articles/d/s.r3.jsonl.gz"


# The journal


def test_a_journal_gives_back_what_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "a/b/x.journal"
    journal = Journal.create(path)
    journal.append([CaptureLine(LINE, 8, True), ArticleLine(ARTICLE, 3)])
    journal.append([CaptureLine(None, 12, False)])
    journal.close()
    again = Journal.take_over(path)
    assert again is not None
    captures, articles = again.read()
    assert captures == [CaptureLine(LINE, 8, True), CaptureLine(None, 12, False)]
    assert articles == [ArticleLine(ARTICLE, 3)]
    assert captures[0].entry is not None
    assert captures[0].entry.offset == 4
    assert captures[1].entry is None
    again.remove()
    assert not path.exists()
    again.remove()


def test_a_journal_torn_at_any_byte_gives_the_lines_before_and_takes_more(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    journal = Journal.create(path)
    journal.append([CaptureLine(LINE, 8, True)])
    first = path.stat().st_size
    journal.append([CaptureLine(LINE, 16, True)])
    journal.close()
    whole = path.read_bytes()
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        torn = Journal.take_over(path)
        assert torn is not None
        assert [line.warc_end for line in torn.read()[0]] == [8]
        torn.append([CaptureLine(LINE, 24, True)])
        assert [line.warc_end for line in torn.read()[0]] == [8, 24]
        torn.close()


def test_a_journal_is_locked_while_its_writer_lives(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    journal = Journal.create(path)
    assert Journal.take_over(path) is None
    journal.close()
    assert Journal.take_over(tmp_path / "other.journal") is None
    again = Journal.take_over(path)
    assert again is not None
    again.close()


def test_a_journal_taken_for_a_dead_one_while_it_is_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.journal"
    real = fcntl.flock
    calls = []

    def flock(file: object, how: int) -> None:
        calls.append(how)
        if len(calls) == 1:  # somebody recovers between creation and lock
            path.unlink()
        real(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", flock)
    journal = Journal.create(path)
    journal.append([CaptureLine(LINE, 8, True)])
    assert b"com,example" in path.read_bytes()
    assert len(calls) == 2
    journal.close()


def test_a_journal_line_that_does_not_fit_leaves_no_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.create(tmp_path / "x.journal")
    journal.append([CaptureLine(LINE, 8, True)])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        journal.append([CaptureLine(LINE, 16, True)])
    monkeypatch.undo()
    journal.append([CaptureLine(LINE, 24, True)])
    journal.close()
    again = Journal.take_over(tmp_path / "x.journal")
    assert again is not None
    assert [line.warc_end for line in again.read()[0]] == [8, 24]
    again.close()


@pytest.mark.parametrize("line", [{"cdxj": None, "warc_end": 1, "wants_article": True, "new": 1}, {"x": 1}, []])
def test_a_journal_of_another_version_is_refused_not_misread(line: object, tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_text(json.dumps(line) + "\n")
    journal = Journal.take_over(path)
    assert journal is not None
    with pytest.raises(DamagedRecord, match="the version of this tool that wrote it"):
        journal.read()
    journal.close()


# Open segments


def test_an_open_segment_consists_of_three_files(tmp_path: Path) -> None:
    segment = open_segment(tmp_path)
    assert files(tmp_path) == [
        f"articles/{SEGMENT}.jsonl.gz.open",
        f"warc/{SEGMENT}.journal",
        f"warc/{SEGMENT}.warc.gz.open",
    ]
    assert segment.size == 8
    assert not segment.is_empty
    segment.abandon()
    assert len(files(tmp_path)) == 3


def test_a_finalised_segment_is_in_place_and_nothing_else_remains(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    open_segment(tmp_path).finalise(blobs)
    assert files(tmp_path) == [articles_key(SEGMENT), cdxj_key(SEGMENT), warc_key(SEGMENT)]
    assert cdxj_lines(blobs.read(cdxj_key(SEGMENT))) == [LINE]


@pytest.mark.parametrize("how", ["finalise", "abandon"])
def test_a_segment_with_nothing_in_it_leaves_no_file(how: str, tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, SEGMENT, opened_at=0.0)
    segment.append_record(member(b"info"))
    segment.finalise(LocalBlobs(tmp_path)) if how == "finalise" else segment.abandon()
    assert files(tmp_path) == []


def test_a_commit_that_fails_leaves_what_was_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = open_segment(tmp_path)
    segment.append_record(member(b"more"))
    segment.note_capture(LINE, wants_article=False)
    segment.append_article(b"more")
    segment.note_article(ARTICLE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="no space left"):
        segment.commit()
    monkeypatch.undo()
    assert (tmp_path / f"{warc_key(SEGMENT)}.open").read_bytes() == b"infowarc"
    assert (tmp_path / f"{articles_key(SEGMENT)}.open").read_bytes() == b"art"
    segment.append_record(member(b"next"))
    segment.note_capture(LINE.replace("/", "/next"), wants_article=False)
    segment.finalise(LocalBlobs(tmp_path))
    assert (tmp_path / warc_key(SEGMENT)).read_bytes() == b"infowarcnext"
    assert len(cdxj_lines((tmp_path / cdxj_key(SEGMENT)).read_bytes())) == 2


def test_the_record_that_opens_a_file_survives_a_first_commit_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = OpenSegment(tmp_path, SEGMENT, opened_at=0.0)
    segment.append_record(member(b"info"))
    segment.append_record(member(b"lost"))
    segment.note_capture(LINE, wants_article=False)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        segment.commit()
    monkeypatch.undo()
    assert segment.is_empty
    assert segment.append_record(member(b"next")) == (4, 4)
    segment.note_capture(LINE, wants_article=False)
    segment.finalise(LocalBlobs(tmp_path))
    assert (tmp_path / warc_key(SEGMENT)).read_bytes() == b"infonext"


def test_articles_that_were_begun_but_never_acknowledged_leave_no_file(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, SEGMENT, opened_at=0.0)
    segment.append_record(member(b"info"))
    segment.note_capture(LINE, wants_article=True)
    segment.commit()
    segment.abandon()
    (tmp_path / f"articles/{SEGMENT}.jsonl.gz.open").parent.mkdir(parents=True)
    (tmp_path / f"articles/{SEGMENT}.jsonl.gz.open").write_bytes(b"")
    publish(LocalBlobs(tmp_path), tmp_path, SEGMENT, [LINE])
    assert articles_key(SEGMENT) not in files(tmp_path)


def test_publishing_twice_changes_nothing(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    open_segment(tmp_path).finalise(blobs)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    publish(blobs, tmp_path, SEGMENT, [LINE])
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_spool_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StorageUnavailable, match="file"):
        OpenSegment(tmp_path / "file", SEGMENT, opened_at=0.0)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (28, StorageFull, "no space left"),
        (122, StorageFull, "free some"),
        (13, StorageUnavailable, "cannot be written"),
        (30, StorageUnavailable, "permissions"),
        (5, StorageUnavailable, "check the disk"),
    ],
)
def test_what_the_system_says_becomes_cause_and_way_out(number: int, kind: type[Exception], words: str) -> None:
    error = as_storage_error(OSError(number, os.strerror(number)), Path("/spool"))
    assert isinstance(error, kind)
    assert words in str(error)
    assert "/spool" in str(error)


def test_cutting_never_makes_a_file_longer(tmp_path: Path) -> None:
    path = tmp_path / "x"
    cut_spool_file(path, 0)
    path.write_bytes(b"0123456789")
    cut_spool_file(path, 4)
    assert path.read_bytes() == b"0123"
    with pytest.raises(DamagedRecord, match="has lost bytes that were acknowledged"):
        cut_spool_file(path, 5)
