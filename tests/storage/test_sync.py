from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from storage.articles import pack_article
from storage.blobs import Blobs, LocalBlobs
from storage.cdx import Entry
from storage.errors import StorageUnavailable
from storage.index import Index
from storage.segment import articles_key, cdxj_key, warc_key
from storage.sync import article_revisions, rebuild_index, stored_segments, sync_index
from storage.writer import Stored
from tests.storage.captures import URL, Place, article_of, later, make_capture, ok, save


def everything(index: Index) -> tuple[list[Entry], object, set[str]]:
    captures = list(index.captures("http://example.com/", match="prefix"))
    return captures, index.articles(captures), index.final_segments()


def fill(place: Place, *, segments: int = 3) -> list[Stored]:
    """Segments of two captures each, one of them with an article, and a revisit in all but the first."""
    stored = []
    for number in range(segments):
        with place.writing() as writer:
            body = ok(b"%d" % number)
            stored.append(
                save(writer, make_capture(f"{URL}/{number}", body, date=later(number)), article={"version": 1})
            )
            stored.append(save(writer, make_capture(date=later(100 + number))))
    return stored


def new_index(tmp_path: Path) -> Index:
    return Index.open(tmp_path / "another/index.sqlite3")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "archive")


def test_an_index_made_from_the_segments_equals_the_one_the_writer_made(blobs: Blobs, tmp_path: Path) -> None:
    place = Place(tmp_path, blobs) if blobs.local is None else Place(blobs.local, blobs)
    fill(place)
    written = everything(place.index)
    assert len(written[0]) == 6
    index = new_index(tmp_path)
    assert sync_index(blobs, index) == 3
    assert everything(index) == written
    assert sync_index(blobs, index) == 0
    assert rebuild_index(blobs, index) == 3
    assert everything(index) == written


def test_only_segments_not_seen_before_are_read(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(place, segments=2)
    index = new_index(tmp_path)
    sync_index(place.blobs, index)
    (new,) = {each.entry.segment for each in fill(place, segments=1)}
    opened: list[str] = []
    real = LocalBlobs.open

    def noting(self: LocalBlobs, key: str) -> BinaryIO:
        opened.append(key)
        return real(self, key)

    monkeypatch.setattr(LocalBlobs, "open", noting)
    assert sync_index(place.blobs, index) == 1
    assert opened == [cdxj_key(new), articles_key(new)]


def test_progress_is_told_segment_by_segment(place: Place, tmp_path: Path) -> None:
    fill(place)
    told: list[tuple[int, int]] = []
    sync_index(place.blobs, new_index(tmp_path), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_segments_that_are_gone_are_forgotten(place: Place) -> None:
    stored = fill(place)
    for key in (cdxj_key, warc_key, articles_key):
        place.blobs.delete(key(stored[0].entry.segment))
    assert sync_index(place.blobs, place.index) == 0
    captures, articles, segments = everything(place.index)
    assert stored[0].entry not in captures
    assert len(captures) == 4
    assert stored[0].entry.segment not in segments
    assert isinstance(articles, dict)
    assert len(articles) == 2


def test_open_segments_stay_known(place: Place) -> None:
    fill(place)
    with place.writing() as writer:
        stored = save(writer, make_capture(f"{URL}/open", ok(b"open")))
        assert sync_index(place.blobs, place.index) == 0
        assert place.index.latest(f"{URL}/open") == stored.entry


def test_a_segment_finalised_while_the_archive_is_listed_is_not_forgotten(tmp_path: Path) -> None:
    class Listing(LocalBlobs):
        """While its keys are listed, another process finalises a segment behind the place already reached."""

        def keys(self, prefix: str = "") -> Iterator[str]:
            found = list(super().keys(prefix))
            if prefix == "cdxj/":
                with Place(tmp_path, LocalBlobs(tmp_path)).writing() as writer:
                    late.append(save(writer, make_capture(f"{URL}/late", ok(b"late"))))
            yield from found

    late: list[Stored] = []
    place = Place(tmp_path)
    fill(place, segments=1)
    sync_index(Listing(tmp_path), place.index)
    assert place.index.latest(f"{URL}/late") == late[0].entry
    assert late[0].entry.segment in place.index.final_segments()


def test_a_new_revision_of_the_articles_counts(place: Place, tmp_path: Path) -> None:
    stored = fill(place, segments=1)[0]
    for revision in (2, 11, 3):
        member = pack_article(article_of(stored, title=f"revision {revision}"))
        place.blobs.put(articles_key(stored.entry.segment, revision), member)
    assert article_revisions(place.blobs) == {stored.entry.segment: [1, 11, 2, 3]}
    index = new_index(tmp_path)
    sync_index(place.blobs, index)
    (entry,) = index.articles([stored.entry]).values()
    assert (entry.revision, entry.title) == (11, "revision 11")


def test_a_revision_made_on_another_machine_is_noticed(place: Place, tmp_path: Path) -> None:
    stored, _, other, _ = fill(place, segments=2)
    index = new_index(tmp_path)
    sync_index(place.blobs, index)
    for revision in (2, 3):
        member = pack_article(article_of(stored, title=f"revision {revision}"))
        place.blobs.put(articles_key(stored.entry.segment, revision), member)
        assert sync_index(place.blobs, index) == 1, "only the segment that has a new file is read"
        assert index.articles([stored.entry])[stored.entry.segment, stored.entry.offset].revision == revision
        assert sync_index(place.blobs, index) == 0
    assert index.articles([other.entry])[other.entry.segment, other.entry.offset].revision == 1
    captures = list(index.captures("http://example.com/", match="prefix"))
    assert captures == list(place.index.captures("http://example.com/", match="prefix"))


def test_what_is_no_segment_is_no_segment(place: Place) -> None:
    stored = fill(place, segments=1)
    for key in ("cdxj/README", "cdxj/2026/x.cdxj", "articles/notes.txt", "warc/2026/11/22/alone.warc.gz"):
        place.blobs.put(key, b"x")
    assert stored_segments(place.blobs) == [stored[0].entry.segment]
    assert list(article_revisions(place.blobs)) == [stored[0].entry.segment]


@pytest.mark.parametrize("damage", [b"", b"no gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xffgarbage"])
def test_a_damaged_cdxj_is_made_up_for_by_the_warc(
    damage: bytes, place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = fill(place)
    before = everything(place.index)
    place.blobs.put(cdxj_key(stored[0].entry.segment), damage or b"\x1f\x8b", replace=True)
    index = new_index(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert sync_index(place.blobs, index) == 3
    assert everything(index) == before
    assert stored[0].entry.segment in caplog.text


def test_of_a_damaged_articles_file_what_can_be_read_counts(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = fill(place, segments=2)
    path = place.spool / articles_key(stored[0].entry.segment)
    path.write_bytes(path.read_bytes() + b"garbage")
    other = place.spool / articles_key(stored[2].entry.segment)
    other.write_bytes(b"garbage")
    index = new_index(tmp_path)
    sync_index(place.blobs, index)
    assert len(index.articles([stored[0].entry])) == 1
    assert index.articles([stored[2].entry]) == {}
    assert "reextract" in caplog.text


def test_a_store_that_does_not_answer_is_no_empty_archive(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place)
    before = everything(place.index)

    def refuse(self: LocalBlobs, prefix: str = "") -> Iterator[str]:
        yield cdxj_key("2026/11/22/a")
        raise StorageUnavailable("no answer; check the network")

    monkeypatch.setattr(LocalBlobs, "keys", refuse)
    with pytest.raises(StorageUnavailable):
        sync_index(place.blobs, place.index)
    assert everything(place.index) == before


def test_a_cdxj_made_anew_keeps_the_captures_behind_a_damaged_record(place: Place) -> None:
    first, second = fill(place, segments=1)
    warc = place.spool / warc_key(first.entry.segment)
    data = bytearray(warc.read_bytes())
    data[first.entry.offset + first.entry.length // 2] ^= 0xFF
    warc.write_bytes(data)
    rebuild_index(place.blobs, place.index, from_warc=True)
    assert [entry.offset for entry in everything(place.index)[0]] == [second.entry.offset]


@pytest.mark.parametrize("timestamp", ["20261322000000", "20260230250000", "00000101000000", "2026112"])
def test_an_impossible_date_in_a_cdxj_locks_nobody_out(timestamp: str, place: Place, tmp_path: Path) -> None:
    stored = fill(place, segments=1)
    before = everything(place.index)
    key = cdxj_key(stored[0].entry.segment)
    lines = gzip.decompress(place.blobs.read(key)).replace(stored[0].entry.timestamp.encode(), timestamp.encode())
    place.blobs.put(key, gzip.compress(lines), replace=True)
    index = new_index(tmp_path)
    sync_index(place.blobs, index)
    assert everything(index) == before
