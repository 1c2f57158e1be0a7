"""Every defect is planted in a real archive and has to be named, with its place; a sound archive has to be clean."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import io
import os
import re
import shutil
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from storage.articles import pack_article, read_articles
from storage.blobs import Blobs, LocalBlobs
from storage.cdx import ArticleEntry, Entry, filename_of, index_warc, read_cdxj
from storage.crawls import CrawlLog, recover_crawls
from storage.errors import DamagedIndex, StorageFull, StorageUnavailable
from storage.index import Index
from storage.recovery import recover_segments
from storage.segment import articles_key, cdxj_key, warc_key
from storage.sync import load_segment, rebuild_index
from storage.verify import Verification, verify_archive
from storage.warc import read_records
from storage.writer import SegmentWriter, Stored
from tests.storage.captures import PAGE, WAIT, Place, article_of, later, make_capture, ok, ok_chunked

A, B, C = "http://example.com/a", "http://example.com/b", "http://example.com/c"
REWRITE = "`archiver reindex --from-warc` writes it anew"
NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'


def warc_fields(stored: Stored) -> dict[str, Any]:
    entry = stored.entry
    return {
        "file": warc_key(entry.segment),
        "offset": entry.offset,
        "length": entry.length,
        "record_id": stored.record_id,
        "payload_digest": stored.payload_digest,
    }


def write(writer: SegmentWriter, url: str, response: bytes, *, article: bool = False, **facts: Any) -> Stored | None:
    """Store a capture and, if wanted, an article that fits it."""
    stored = writer.write_capture(make_capture(url, response, **facts), wants_article=article).result(WAIT)
    if article and stored is not None:
        whole = article_of(stored, warc=warc_fields(stored), text_sha256="ab" * 32, word_count=7)
        writer.write_article(stored, whole).result(WAIT)
    return stored


def fill(place: Place) -> None:
    """Two segments with everything a capture can be, revisits across them, and a crawl log."""
    zipped = gzip.compress(PAGE * 9, mtime=0)
    with place.writing() as writer:
        write(writer, A, ok(), article=True)
        write(writer, B, ok_chunked(PAGE * 3, 40), article=True, date=later(1))
        write(writer, C, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped, date=later(2))
        write(writer, A + "/cut", ok(PAGE * 2), truncated="length", date=later(3))
        write(writer, A + "/dead", b"", date=later(4))
        write(writer, A + "/none", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", date=later(5))
        write(writer, A + "/bare", b"<p>no head, and it never ends", date=later(6))
    with place.writing() as writer:
        write(writer, A, ok(), article=True, date=later(100))
        write(writer, A, NOT_MODIFIED, date=later(101))
        write(writer, B + "/same", ok_chunked(PAGE * 3), article=True, date=later(102))
    finish(place)


def finish(place: Place) -> None:
    """Add what an archive has besides segments."""
    place.blobs.put("archive.json", b'{"format": 1, "id": "5d1f", "created": "2026-11-22T06:00:00+00:00"}\n')
    log = CrawlLog(place.spool, "news")
    for outcome in ("saved", "saved", "failed"):
        log.write({"url": A, "outcome": outcome})
    log.close(place.blobs, reason="finished")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound archive, to be copied."""
    place = Place(tmp_path_factory.mktemp("model"))
    fill(place)
    place.index.close()
    assert isinstance(place.spool, Path)
    return place.spool


@pytest.fixture
def place(model: Path, tmp_path: Path) -> Iterator[Place]:
    """A sound archive, to be damaged."""
    place = Place(shutil.copytree(model, tmp_path / "archive"))
    yield place
    place.index.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """An archive of one short segment: a capture with its article, its revisit and a capture in chunks."""
    place = Place(tmp_path / "small")
    with place.writing() as writer:
        write(writer, A, ok(), article=True)
        write(writer, A, ok(), date=later(9))
        write(writer, B, ok_chunked(PAGE * 2, 9), article=True, date=later(10))
    finish(place)
    yield place
    place.index.close()


def verify(place: Place) -> Verification:
    return verify_archive(place.blobs, place.spool, place.index)


def problems(place: Place) -> list[tuple[str, str]]:
    return [(problem.where, problem.what) for problem in verify(place).problems]


def the_problem(place: Place) -> tuple[str, str]:
    (problem,) = problems(place)
    return problem


def segments(place: Place) -> list[str]:
    return [key[5:-8] for key in place.blobs.keys("cdxj/")]


def change(place: Place, key: str, data: bytes) -> None:
    place.blobs.put(key, data, replace=True)


def members(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Offset, gzip member and content of each member, decoded without our own reader."""
    found, offset = [], 0
    while offset < len(data):
        inflater = zlib.decompressobj(31)
        content = inflater.decompress(data[offset:])
        assert inflater.eof
        end = len(data) - len(inflater.unused_data)
        found.append((offset, data[offset:end], content))
        offset = end
    return found


def offsets(place: Place, segment: str, kind: str) -> list[int]:
    """Where the records of one type begin in the WARC of a segment."""
    data = place.blobs.read(warc_key(segment))
    return [offset for offset, _, content in members(data) if f"WARC-Type: {kind}\r\n".encode() in content]


def rewrite(place: Place, segment: str, edit: Callable[[bytes], bytes]) -> None:
    """Edit the records of a WARC, and have CDXJ and index follow; articles are left out."""
    edited = [edit(content) for _, _, content in members(place.blobs.read(warc_key(segment)))]
    assert edited != [content for _, _, content in members(place.blobs.read(warc_key(segment)))]
    change(place, warc_key(segment), b"".join(gzip.compress(content, mtime=0) for content in edited))
    lines = [line for _, line in index_warc(place.blobs.open(warc_key(segment)), filename_of(segment)) if line]
    change(place, cdxj_key(segment), gzip.compress("".join(line + "\n" for line in sorted(lines)).encode(), mtime=0))
    place.blobs.delete(articles_key(segment))
    load_segment(place.blobs, place.index, segment, [])


def swap_field(kind: str, field: str, value: str | None, *, among: str = "") -> Callable[[bytes], bytes]:
    """An edit that gives a header field of all records of one type another value, or takes it away."""

    def edit(content: bytes) -> bytes:
        head, separator, block = content.partition(b"\r\n\r\n")
        if f"WARC-Type: {kind}\r\n".encode() not in head + b"\r\n" or among.encode() not in head:
            return content
        line = b"" if value is None else f"\r\n{field}: {value}".encode()
        head, count = re.subn(rf"\r\n{field}: [^\r]*".encode(), line, head)
        return (head if count else head + line) + separator + block

    return edit


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


def decoded(data: bytes) -> list[bytes] | None:
    """The contents of all members; ``None`` where they are damaged."""
    try:
        return [content for _, _, content in members(data)]
    except (zlib.error, AssertionError):
        return None


# Sound archives.


def test_a_sound_archive_is_clean_in_either_store(blobs: Blobs, tmp_path: Path) -> None:
    place = Place(tmp_path / "archive", blobs)
    fill(place)
    steps: list[tuple[int, int]] = []
    found = verify_archive(
        place.blobs, place.spool, place.index, progress=lambda done, total: steps.append((done, total))
    )
    assert found.problems == ()
    assert found.is_clean
    assert (found.segments, found.open_segments) == (2, 0)
    assert (found.captures, found.revisits, found.articles) == (9, 3, 4)
    assert found.records == 2 + 3 * 9 + 2
    assert found.bytes == sum(place.blobs.size(key) for key in place.blobs.keys("warc/"))
    assert steps == [(1, 2), (2, 2)]
    place.index.close()


def test_an_empty_archive_is_clean(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.blobs.put("archive.json", b'{"format": 1, "id": "5d1f"}')
    assert verify(place) == Verification(0, 0, 0, 0, 0, 0, (), 0)


def test_a_reextraction_is_part_of_a_sound_archive(place: Place) -> None:
    segment = segments(place)[0]
    first = place.blobs.open(articles_key(segment))
    again = [article | {"title": "again"} for _, article in read_articles(first, "", segment=segment)]
    change(place, articles_key(segment, 2), b"".join(map(pack_article, again)))
    where, what = problems(place)[0]
    assert where == f"{articles_key(segment, 2)} offset 0"
    assert "the index lacks this article" in what
    load_segment(place.blobs, place.index, segment, [1, 2])
    assert problems(place) == []


def test_bodies_longer_than_any_buffer_are_clean(tmp_path: Path) -> None:
    place = Place(tmp_path / "archive")
    long = b"".join(b"%07d\n" % number for number in range(70_000))
    headless = b"no head: " + b"x" * 300_000 + b"\r\n\r\nfor that is too late"
    with place.writing() as writer:
        write(writer, A, ok(long))
        write(writer, B, ok_chunked(long[1:], 7, 100_000, 262_144, 1))
        write(writer, C, headless)
    finish(place)
    assert problems(place) == []
    place.index.close()


# Bytes.


def test_every_flipped_byte_of_a_warc_is_found_where_it_is(small: Place) -> None:
    (segment,) = segments(small)
    key = warc_key(segment)
    data = small.blobs.read(key)
    starts = [offset for offset, _, _ in members(data)]
    content = decoded(data)
    harmless = 0
    for position in range(0, len(data), 7):
        broken = flip(data, position)
        change(small, key, broken)
        if decoded(broken) == content:
            harmless += 1
            continue
        place = f"{key} offset {max(start for start in starts if start <= position)}"
        assert place in [where for where, _ in problems(small)], f"byte {position} of {len(data)}"
    assert harmless < 0.7 * len(starts) + 5  # bytes 4 to 9 of a gzip header, and bits that fill up a last byte


@pytest.mark.parametrize("key_of", [cdxj_key, articles_key])
def test_every_flipped_byte_beside_a_warc_is_found(small: Place, key_of: Callable[[str], str]) -> None:
    (segment,) = segments(small)
    key = key_of(segment)
    data = small.blobs.read(key)
    starts = [offset for offset, _, _ in members(data)]
    content = decoded(data)
    for position in range(0, len(data), 7):
        broken = flip(data, position)
        change(small, key, broken)
        if decoded(broken) != content:
            start = max(start for start in starts if start <= position)
            place = key if key_of is cdxj_key else f"{key} offset {start}"
            assert place in [where for where, _ in problems(small)], f"byte {position} of {len(data)}"


def test_a_torn_warc_is_found_wherever_it_ends(small: Place) -> None:
    (segment,) = segments(small)
    key = warc_key(segment)
    data = small.blobs.read(key)
    starts = [offset for offset, _, _ in members(data)]
    for end in [0, *range(3, len(data), 31), len(data) - 4, len(data) - 1]:
        change(small, key, data[:end])
        torn = max(start for start in starts if start <= end)
        place = key if end == 0 else f"{key} offset {torn}"
        assert place in [where for where, _ in problems(small)] or end in starts[1:], f"cut at {end}"


def test_a_warc_cut_between_records_is_found_by_its_cdxj(small: Place) -> None:
    (segment,) = segments(small)
    last = offsets(small, segment, "response")[-1]
    change(small, warc_key(segment), small.blobs.read(warc_key(segment))[:last])
    assert (
        cdxj_key(segment),
        f"a line leads to no capture (line 3, offset {last} of the WARC); {REWRITE}",
    ) in problems(small)


@pytest.mark.parametrize(
    "rest", [b"\0" * 512, b"garbage", gzip.compress(b"no record", mtime=0)[:-1], gzip.compress(b"no record", mtime=0)]
)
def test_bytes_behind_the_end_of_a_warc_are_found(place: Place, rest: bytes) -> None:
    key = warc_key(segments(place)[0])
    data = place.blobs.read(key)
    change(place, key, data + rest)
    where, what = the_problem(place)
    assert where == f"{key} offset {len(data)}"
    assert what.startswith("no whole WARC record (")


def test_bytes_behind_the_end_of_cdxj_and_articles_are_found(place: Place) -> None:
    segment = segments(place)[0]
    articles = place.blobs.read(articles_key(segment))
    change(place, cdxj_key(segment), place.blobs.read(cdxj_key(segment)) + b"rest")
    change(place, articles_key(segment), articles + b"rest")
    found = problems(place)
    assert [where for where, _ in found] == [cdxj_key(segment), f"{articles_key(segment)} offset {len(articles)}"]
    assert found[0][1].startswith("not valid gzip (")
    assert found[1][1].startswith("not a whole article (")


def test_one_damage_does_not_hide_another_behind_it(place: Place) -> None:
    segment = segments(place)[0]
    key = warc_key(segment)
    first, _, third, *_ = offsets(place, segment, "response")
    data = bytearray(place.blobs.read(key))
    data[first + 80] ^= 0x55
    data[third + 80] ^= 0x55
    change(place, key, bytes(data))
    found = problems(place)
    assert [where for where, _ in found][:2] == [f"{key} offset {first}", f"{key} offset {third}"]
    # the first was the original of two revisits; the request behind it could not be read, and nobody misses it
    assert [what.partition(" (")[0] for _, what in found[2:]] == ["the revisit leads to no payload"] * 2
    assert verify(place).captures == 7


def test_what_refers_to_a_damaged_record_is_no_problem_of_its_own(small: Place) -> None:
    (segment,) = segments(small)
    key = warc_key(segment)
    (_, warcinfo, _), (_, response, _), (_, request, _), *_ = members(small.blobs.read(key))
    at = len(warcinfo) + len(request)
    change(small, key, warcinfo + request + flip(response, 80))
    found = problems(small)
    assert found[0][0] == f"{key} offset {at}"
    assert not any("Concurrent-To" in what for _, what in found)


def test_a_file_that_the_disk_refuses_to_read_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    key = warc_key(segments(place)[0])
    real = LocalBlobs.open

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def open_or_fail(self: LocalBlobs, wanted: str) -> BinaryIO:
        return Broken() if wanted == key else real(self, wanted)

    monkeypatch.setattr(LocalBlobs, "open", open_or_fail)
    where, what = problems(place)[0]
    assert (where, what) == (key, "the file cannot be read ([Errno 5] Input/output error)")


def test_damage_in_a_bucket_is_found_and_read_past(s3_blobs: Blobs, tmp_path: Path) -> None:
    place = Place(tmp_path / "archive", s3_blobs)
    fill(place)
    segment = segments(place)[0]
    key = warc_key(segment)
    first, *_ = offsets(place, segment, "response")
    change(place, key, flip(place.blobs.read(key), first + 80))
    found = verify(place)
    assert found.problems[0].where == f"{key} offset {first}"
    assert found.captures == 8
    assert found.bytes == sum(place.blobs.size(key) for key in place.blobs.keys("warc/"))
    place.index.close()


def test_a_bucket_that_does_not_answer_is_no_finding(s3_blobs: Blobs, tmp_path: Path) -> None:
    place = Place(tmp_path / "archive", s3_blobs)
    fill(place)

    class Unreachable:
        def __getattr__(self, name: str) -> Any:
            return getattr(s3_blobs, name)

        def open(self, key: str) -> BinaryIO:
            raise StorageUnavailable("no answer")

    with pytest.raises(StorageUnavailable):
        verify_archive(cast(Blobs, Unreachable()), place.spool, place.index)
    place.index.close()


def test_a_file_damaged_everywhere_is_given_up(tmp_path: Path) -> None:
    place = Place(tmp_path / "archive")
    with place.writing() as writer:
        for number in range(30):
            writer.write_capture(make_capture(f"{A}/{number}", ok(b"page %d" % number)))
    finish(place)
    (segment,) = segments(place)
    data = bytearray(place.blobs.read(warc_key(segment)))
    starts = offsets(place, segment, "response")
    for start in starts:
        data[start + 80] ^= 0x55
    change(place, warc_key(segment), bytes(data))
    found = problems(place)
    assert [where for where, _ in found] == [f"{warc_key(segment)} offset {start}" for start in starts[:21]]
    assert found[-1][1] == "too much damage to look any further; restore the file from a backup"
    place.index.close()


def test_a_warc_without_cdxj_is_read_up_to_its_damage(place: Place) -> None:
    segment = segments(place)[0]
    first, *_ = offsets(place, segment, "response")
    change(place, warc_key(segment), flip(place.blobs.read(warc_key(segment)), first + 80))
    place.blobs.delete(cdxj_key(segment))
    found = dict(problems(place))
    assert found[f"{warc_key(segment)} offset {first}"].startswith("no whole WARC record")
    assert "its CDXJ is missing" in found[warc_key(segment)]
    assert not any(where.startswith("articles/") for where in found)


def test_a_full_temporary_directory_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("storage.verify.ledger.Ledger.add", fail)
    with pytest.raises(StorageFull, match=r"\(database or disk is full\); set SQLITE_TMPDIR to a larger disk"):
        verify(place)


def test_a_file_that_may_not_be_read_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    key = articles_key(segments(place)[0])
    real = LocalBlobs.open

    def open_or_fail(self: LocalBlobs, wanted: str) -> BinaryIO:
        if wanted == key:
            raise StorageUnavailable(f"not allowed to use {key}")
        return real(self, wanted)

    monkeypatch.setattr(LocalBlobs, "open", open_or_fail)
    assert problems(place)[0] == (key, f"the file cannot be read (not allowed to use {key})")


# Files that are missing, swapped or too many.


def test_a_missing_cdxj_is_found(place: Place) -> None:
    segment = segments(place)[0]
    place.blobs.delete(cdxj_key(segment))
    found = dict(problems(place))
    assert "its CDXJ is missing" in found[warc_key(segment)]
    assert "the index knows a segment that is not there" in found[cdxj_key(segment)]
    assert len(found) == 2


def test_a_missing_warc_is_found_and_so_are_its_revisits(place: Place) -> None:
    first, second = segments(place)
    place.blobs.delete(warc_key(first))
    found = problems(place)
    assert found[0][0] == warc_key(first)
    assert found[0][1].startswith(f"the file is missing, though {cdxj_key(first)} is there")
    assert [where for where, _ in found[1:]] == [
        f"{warc_key(second)} offset {offset}" for offset in offsets(place, second, "revisit")
    ]
    assert all(what.startswith("the revisit leads to no payload (http://example.com/") for _, what in found[1:])


def test_missing_articles_are_found_by_the_index(place: Place) -> None:
    segment = segments(place)[0]
    place.blobs.delete(articles_key(segment))
    found = problems(place)
    assert [where for where, _ in found] == [articles_key(segment)] * 2
    assert "the index has an article that the file has not (of the capture at offset " in found[0][1]


def test_articles_without_a_warc_are_found(place: Place) -> None:
    segment = segments(place)[0]
    place.blobs.delete(cdxj_key(segment))
    place.blobs.delete(warc_key(segment))
    place.index.drop_segment(segment)
    assert problems(place)[0] == (
        articles_key(segment),
        f"there is no {warc_key(segment)} for these articles; restore it",
    )


def test_swapped_files_are_found(place: Place) -> None:
    first, second = segments(place)
    for key_of, kind in (
        (warc_key, "the file was written as "),
        (cdxj_key, "a line is about another file (line 1: "),
        (articles_key, "the article is of another file ("),
    ):
        one, other = place.blobs.read(key_of(first)), place.blobs.read(key_of(second))
        change(place, key_of(first), other)
        change(place, key_of(second), one)
        found = problems(place)
        for segment in (first, second):
            place_of_file = cdxj_key(segment) if key_of is cdxj_key else f"{key_of(segment)} offset 0"
            assert any(where == place_of_file and what.startswith(kind) for where, what in found), kind
        change(place, key_of(first), one)
        change(place, key_of(second), other)
    assert problems(place) == []


@pytest.mark.parametrize(
    "key", ["warc/notes.txt", "cdxj/2026/11/22/x.cdx", "articles/2026/x.json.gz", "crawls/2026/11/22/x.log"]
)
def test_a_stray_file_is_found(place: Place, key: str) -> None:
    place.blobs.put(key, b"?")
    assert the_problem(place) == (key, "no archive has a file of this name; move it away")


# CDXJ.

FAR = f'zz,com)/ 20261122064321 {{"url": "{A}", "offset": "{10**30}", "length": "1", "filename": "x"}}'


def edit_lines(place: Place, segment: str, edit: Callable[[list[str]], list[str]]) -> None:
    lines = gzip.decompress(place.blobs.read(cdxj_key(segment))).decode().splitlines(keepends=True)
    change(place, cdxj_key(segment), gzip.compress("".join(edit(lines)).encode()))


def test_a_deleted_line_is_found(place: Place) -> None:
    segment = segments(place)[0]
    with place.blobs.open(cdxj_key(segment)) as stream:
        gone = list(read_cdxj(stream, ""))[2]
    edit_lines(place, segment, lambda lines: lines[:2] + lines[3:])
    what = f"the line of a capture is missing (offset {gone.offset} of the WARC); {REWRITE}"
    assert the_problem(place) == (cdxj_key(segment), what)


def test_a_line_too_many_is_found(place: Place) -> None:
    segment = segments(place)[0]
    edit_lines(place, segment, lambda lines: [*lines, re.sub('"offset": "[0-9]+"', '"offset": "9"', lines[-1])])
    found = problems(place)
    assert (cdxj_key(segment), f"a line leads to no capture (line 7, offset 9 of the WARC); {REWRITE}") in found


def test_an_altered_line_is_found(place: Place) -> None:
    segment = segments(place)[0]
    edit_lines(place, segment, lambda lines: [lines[0].replace('"200"', '"404"'), *lines[1:]])
    where, what = the_problem(place)
    assert where == cdxj_key(segment)
    assert what.startswith("a line differs from its capture (line 1, offset ")


def test_lines_out_of_order_are_found(place: Place) -> None:
    segment = segments(place)[0]
    edit_lines(place, segment, lambda lines: [lines[1], lines[0], *lines[2:]])
    assert the_problem(place) == (cdxj_key(segment), f"a line is out of order (line 2); {REWRITE}")


@pytest.mark.parametrize("line", [FAR + "\n", "no line\n", "\n", "com,example)/z 20261122064321 {", "\ufeff{}\n"])
def test_what_is_no_line_is_found(place: Place, line: str) -> None:
    segment = segments(place)[0]
    edit_lines(place, segment, lambda lines: [*lines, line])
    found = problems(place)
    assert (cdxj_key(segment), f"a line is no CDXJ (line 7); {REWRITE}") in found


def test_a_last_line_that_does_not_end_is_found(place: Place) -> None:
    segment = segments(place)[0]
    edit_lines(place, segment, lambda lines: [*lines[:-1], lines[-1].rstrip("\n")])
    found = problems(place)
    assert found[0] == (cdxj_key(segment), f"a line is no CDXJ (line 6); {REWRITE}")
    assert found[1][1].startswith("the line of a capture is missing")


# Records.

ELSEWHERE = "<urn:uuid:00000000-0000-4000-8000-000000000000>"
ZEROS = "sha1:" + "A" * 32


@pytest.mark.parametrize(
    ("kind", "edit", "what"),
    [
        (
            "request",
            swap_field("request", "WARC-Block-Digest", ZEROS),
            f"WARC-Block-Digest does not fit (it is {ZEROS}",
        ),
        (
            "response",
            swap_field("response", "WARC-Block-Digest", "sha256:00"),
            "WARC-Block-Digest does not fit (it is sha256:00, that of the bytes sha256:",
        ),
        (
            "response",
            swap_field("response", "WARC-Block-Digest", "so-be-it"),
            "WARC-Block-Digest does not fit (it is so",
        ),
        (
            "metadata",
            swap_field("metadata", "WARC-Concurrent-To", ELSEWHERE),
            "WARC-Concurrent-To refers to no record of this file",
        ),
        (
            "request",
            swap_field("request", "WARC-Warcinfo-ID", None),
            "WARC-Warcinfo-ID does not name the first record of the file",
        ),
        ("metadata", swap_field("metadata", "WARC-Record-ID", None), "the record has no WARC-Record-ID"),
        ("request", swap_field("request", "WARC-Target-URI", None), "the request has no WARC-Target-URI"),
        ("request", swap_field("request", "WARC-Date", "yesterday"), "WARC-Date is no date in UTC"),
        (
            "warcinfo",
            swap_field("warcinfo", "WARC-Filename", "other.warc.gz"),
            "the file was written as other.warc.gz; give it that name again",
        ),
    ],
)
def test_a_record_that_is_wrong_in_itself_is_found(
    place: Place, kind: str, edit: Callable[[bytes], bytes], what: str
) -> None:
    segment = segments(place)[0]
    rewrite(place, segment, edit)
    found = problems(place)
    assert [where for where, _ in found] == [f"{warc_key(segment)} offset {at}" for at in offsets(place, segment, kind)]
    assert all(said.startswith(what) for _, said in found)


def test_a_capture_without_a_date_is_found(place: Place) -> None:
    segment = segments(place)[0]
    undated = swap_field("response", "WARC-Date", "yesterday", among=A + "/none")
    data = place.blobs.read(warc_key(segment))
    change(place, warc_key(segment), b"".join(gzip.compress(undated(content)) for _, _, content in members(data)))
    found = [where for where, what in problems(place) if what == "WARC-Date is no date in UTC"]
    assert found == [f"{warc_key(segment)} offset {offsets(place, segment, 'response')[-2]}"]


def test_a_warc_has_to_begin_with_its_warcinfo(place: Place) -> None:
    segment = segments(place)[0]
    rewrite(place, segment, swap_field("warcinfo", "WARC-Type", "conversion"))
    assert (f"{warc_key(segment)} offset 0", "the first record is no warcinfo") in problems(place)


def test_the_payload_digest_is_that_of_the_body_without_its_chunks(place: Place) -> None:
    segment = segments(place)[0]
    (at,) = (offset for offset, _, content in members(place.blobs.read(warc_key(segment))) if b"\r\n28\r\n" in content)
    block = next(read_records(io.BytesIO(place.blobs.read(warc_key(segment))[at:]), "")).read(1 << 20)
    framed = "sha1:" + base64.b32encode(hashlib.sha1(block.partition(b"\r\n\r\n")[2]).digest()).decode()
    rewrite(place, segment, swap_field("response", "WARC-Payload-Digest", framed, among=B))
    (at,) = (offset for offset, _, content in members(place.blobs.read(warc_key(segment))) if b"\r\n28\r\n" in content)
    where, what = problems(place)[0]
    assert where == f"{warc_key(segment)} offset {at}"
    assert what.startswith(f"WARC-Payload-Digest does not fit (it is {framed}, that of the bytes sha1:")


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "SHA-512"])
@pytest.mark.parametrize("form", ["hex", "base32"])
def test_digests_of_other_writers_are_understood(place: Place, algorithm: str, form: str) -> None:
    def edit(content: bytes) -> bytes:
        head, _, rest = content.partition(b"\r\n\r\n")
        digest = hashlib.new(algorithm.lower().replace("-", ""), rest[:-4])
        text = digest.hexdigest() if form == "hex" else base64.b32encode(digest.digest()).decode()
        field = f"\r\nWARC-Block-Digest: {algorithm}:{text}".encode()
        return re.sub(rb"\r\nWARC-Block-Digest: [^\r]*", field, head) + b"\r\n\r\n" + rest

    rewrite(place, segments(place)[0], edit)
    assert problems(place) == []


def test_a_digest_that_cannot_be_computed_here_is_no_problem(place: Place) -> None:
    rewrite(place, segments(place)[0], swap_field("response", "WARC-Block-Digest", "blake3:00"))
    assert problems(place) == []


def test_a_record_id_that_is_used_twice_is_found(place: Place) -> None:
    first, second = segments(place)
    (kept,) = (content for offset, _, content in members(place.blobs.read(warc_key(first))) if offset == 0)
    taken = re.search(rb"WARC-Record-ID: (\S+)", kept)
    assert taken
    rewrite(place, second, swap_field("request", "WARC-Record-ID", taken[1].decode(), among="/b/same"))
    at = offsets(place, second, "request")[-1]
    what = f"another record has the same WARC-Record-ID ({warc_key(first)} offset 0)"
    assert the_problem(place) == (f"{warc_key(second)} offset {at}", what)


def test_a_record_that_goes_with_one_of_another_file_is_found(place: Place) -> None:
    first, second = segments(place)
    taken = re.search(rb"WARC-Record-ID: (\S+)", members(place.blobs.read(warc_key(first)))[0][2])
    assert taken
    rewrite(place, second, swap_field("request", "WARC-Concurrent-To", taken[1].decode(), among="/b/same"))
    at = offsets(place, second, "request")[-1]
    what = "WARC-Concurrent-To refers to no record of this file"
    assert the_problem(place) == (f"{warc_key(second)} offset {at}", what)


def test_a_segment_stored_under_a_second_name_is_found(place: Place) -> None:
    segment = segments(place)[1]
    twin = segment.replace("/news-", "/new-")
    change(place, warc_key(twin), place.blobs.read(warc_key(segment)))
    lines = gzip.decompress(place.blobs.read(cdxj_key(segment))).replace(segment.encode(), twin.encode())
    change(place, cdxj_key(twin), gzip.compress(lines))
    found = problems(place)
    assert found[0] == (
        f"{warc_key(twin)} offset 0",
        f"the file was written as {segment[11:]}.warc.gz; give it that name again",
    )
    assert {what.partition(" (")[0] for _, what in found[1:]} == {"another record has the same WARC-Record-ID"}
    assert len(found) == 1 + len(members(place.blobs.read(warc_key(segment))))


# Revisits.


@pytest.mark.parametrize(
    ("edit_first", "edit_second", "why"),
    [
        (None, swap_field("revisit", "WARC-Refers-To", ELSEWHERE), " is not here)"),
        (None, swap_field("revisit", "WARC-Refers-To-Date", "2026-11-22T06:43:21Z"), "WARC-Refers-To is not "),
        (None, swap_field("revisit", "WARC-Refers-To-Target-URI", None), "it does not say which URI and date"),
        (None, swap_field("revisit", "WARC-Payload-Digest", ZEROS), f"(its payload is {ZEROS}, that of "),
        (swap_field("response", "WARC-Truncated", "time"), None, " is truncated)"),
        (swap_field("response", "WARC-Type", "metadata"), None, " is a metadata)"),
    ],
)
def test_a_revisit_that_leads_to_no_payload_is_found(
    place: Place,
    edit_first: Callable[[bytes], bytes] | None,
    edit_second: Callable[[bytes], bytes] | None,
    why: str,
) -> None:
    first, second = segments(place)
    for segment, edit in ((first, edit_first), (second, edit_second)):
        if edit is not None:
            rewrite(place, segment, edit)
    expected = [f"{warc_key(second)} offset {at}" for at in offsets(place, second, "revisit")]
    found = [(where, what) for where, what in problems(place) if "the revisit leads to no payload" in what]
    assert [where for where, _ in found] == expected
    assert all(why in what for _, what in found)


def test_a_revisit_in_a_segment_that_has_just_come_is_left_to_the_next_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its original may have come even later."""
    first, second = segments(place)
    rewrite(place, second, swap_field("revisit", "WARC-Refers-To", ELSEWHERE))
    assert len(problems(place)) == 3
    monkeypatch.setattr("storage.verify.stored_segments", lambda blobs: [first])
    assert problems(place) == []


def test_a_revisit_may_lead_to_its_original_by_uri_and_date_alone(place: Place) -> None:
    rewrite(place, segments(place)[1], swap_field("revisit", "WARC-Refers-To", None))
    assert problems(place) == []


# Articles.


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("length", 1, "the article does not fit its capture (warc.length is 1, the capture's is "),
        ("record_id", ELSEWHERE, f"the article does not fit its capture (warc.record_id is {ELSEWHERE}, "),
        ("payload_digest", None, "the article does not fit its capture (warc.payload_digest is None, "),
        ("offset", 5, "the article was read from a capture that is not there (offset 5 of the WARC)"),
        ("offset", "5", "the article says not which capture it was read from, or when"),
        ("file", "warc/x.warc.gz", "the article is of another file (warc/x.warc.gz)"),
    ],
)
def test_an_article_that_does_not_fit_its_capture_is_found(place: Place, field: str, value: object, what: str) -> None:
    segment = segments(place)[0]
    with place.blobs.open(articles_key(segment)) as stream:
        (_, first), (_, second) = read_articles(stream, "", segment=segment)
    member = pack_article(first)
    second = {**second, "warc": second["warc"] | {field: value}}
    change(place, articles_key(segment), member + pack_article(second))
    if not isinstance(value, str) or field != "offset":
        load_segment(place.blobs, place.index, segment, [1])
        where, said = the_problem(place)
    else:
        where, said = problems(place)[0]
    assert where == f"{articles_key(segment)} offset {len(member)}"
    assert said.startswith(what)


def test_a_second_article_of_one_capture_is_found(place: Place) -> None:
    segment = segments(place)[0]
    data = place.blobs.read(articles_key(segment))
    _, (_, member, _) = members(data)
    change(place, articles_key(segment), data + member)
    where, what = problems(place)[0]
    assert where == f"{articles_key(segment)} offset {len(data)}"
    assert what.startswith("the second article of one capture (at offset ")


def test_of_two_articles_of_one_capture_the_index_holds_the_later(place: Place) -> None:
    segment = segments(place)[0]
    data = place.blobs.read(articles_key(segment))
    change(place, articles_key(segment), data + members(data)[1][1])
    rebuild_index(place.blobs, place.index)
    _, what = the_problem(place)
    assert what.startswith("the second article of one capture (at offset ")


def test_an_article_that_is_no_json_is_found(place: Place) -> None:
    segment = segments(place)[0]
    change(place, articles_key(segment), gzip.compress(b"{"))
    where, what = problems(place)[0]
    assert where == f"{articles_key(segment)} offset 0"
    assert what.startswith("not a whole article (")


# The index.


def index_of(place: Place, segment: str) -> tuple[list[Entry], list[ArticleEntry]]:
    with place.blobs.open(cdxj_key(segment)) as stream:
        captures = list(read_cdxj(stream, ""))
    with place.blobs.open(articles_key(segment)) as stream:
        return captures, [entry for entry, _ in read_articles(stream, "", segment=segment)]


def test_the_index_lists_everything_it_holds(place: Place) -> None:
    captures, articles = zip(*(index_of(place, segment) for segment in segments(place)), strict=True)
    everything = list(place.index.all_captures())
    assert everything == sorted(everything, key=lambda entry: (entry.urlkey, entry.timestamp))
    assert sorted(everything, key=str) == sorted((entry for part in captures for entry in part), key=str)
    again = replace(articles[0][0], revision=2, title="again")
    place.index.add([], [again])
    expected = [again, *(entry for part in articles for entry in part)]
    assert sorted(place.index.all_articles(), key=str) == sorted(expected, key=str)


def test_what_the_index_lacks_is_found(place: Place) -> None:
    segment = segments(place)[0]
    captures, articles = index_of(place, segment)
    place.index.load_segment(segment, captures[1:], articles[1:])
    assert problems(place) == [
        (
            f"{warc_key(segment)} offset {captures[0].offset}",
            "the index lacks this capture; `archiver reindex` mends it",
        ),
        (f"{articles_key(segment)} offset 0", "the index lacks this article; `archiver reindex` mends it"),
    ]


def test_what_the_index_has_too_much_is_found(place: Place) -> None:
    segment = segments(place)[0]
    captures, articles = index_of(place, segment)
    place.index.add([replace(captures[0], offset=5)], [replace(articles[0], capture_offset=6)])
    (place_of_capture, capture), (place_of_article, article) = problems(place)
    assert place_of_capture == f"{warc_key(segment)} offset 5"
    assert capture.startswith("the index has a capture here that the WARC has not")
    assert place_of_article == articles_key(segment)
    assert article.startswith("the index has an article that the file has not (of the capture at offset 6);")


@pytest.mark.parametrize(
    "other",
    [{"url": A + "?"}, {"timestamp": "20000101000000"}, {"status": 418}, {"length": 1}, {"payload_digest": ZEROS}],
)
def test_what_the_index_says_otherwise_is_found(place: Place, other: dict[str, Any]) -> None:
    segment = segments(place)[0]
    captures, articles = index_of(place, segment)
    place.index.load_segment(segment, [replace(captures[0], **other), *captures[1:]], articles)
    found = problems(place)
    assert [where for where, _ in found] == [f"{warc_key(segment)} offset {captures[0].offset}"] * 2
    assert found[0][1].startswith("the index lacks this capture")


def test_an_article_of_which_the_index_says_otherwise_is_found(place: Place) -> None:
    segment = segments(place)[0]
    captures, articles = index_of(place, segment)
    place.index.load_segment(segment, captures, [replace(articles[0], outcome="blocked"), *articles[1:]])
    assert problems(place)[0] == (
        f"{articles_key(segment)} offset 0",
        "the index lacks this article; `archiver reindex` mends it",
    )


def test_segments_that_the_index_has_not_seen_are_loaded_not_reported(place: Place) -> None:
    place.index.clear()
    assert problems(place) == []
    assert place.index.final_segments() == set(segments(place))


def test_a_line_with_an_impossible_date_is_named(place: Place) -> None:
    segment = segments(place)[0]
    edit_lines(place, segment, lambda lines: [re.sub(" [0-9]{14} ", " 20261322064321 ", lines[0]), *lines[1:]])
    place.index.clear()
    found = problems(place)
    assert {where for where, _ in found} == {cdxj_key(segment)}
    assert found[0][1].startswith("a line is no CDXJ (line 1)")


def test_a_segment_that_the_index_cannot_load_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Index, segment: str, captures: object, articles: object) -> None:
        raise ValueError("no such day")

    monkeypatch.setattr(Index, "load_segment", refuse)
    place.index.clear()
    found = problems(place)
    assert {where for where, _ in found} == {cdxj_key(segment) for segment in segments(place)}
    assert {what.partition(" (")[0] for _, what in found} == {"the index cannot load this segment"}


def test_a_segment_that_only_the_index_knows_is_found(place: Place) -> None:
    segment = segments(place)[0]
    captures, _ = index_of(place, segment)
    place.index.add([replace(captures[0], segment="2026/11/22/lost")])
    place.index.mark_final("2026/11/22/gone")
    what = "the index knows a segment that is not there; `archiver reindex` mends it"
    assert problems(place) == [(cdxj_key("2026/11/22/gone"), what), (cdxj_key("2026/11/22/lost"), what)]


def test_an_index_that_is_damaged_is_a_problem_not_the_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> Iterator[Entry]:
        raise DamagedIndex("index.sqlite3 is no usable index; `archiver reindex` rebuilds it")

    monkeypatch.setattr("storage.index.Index.all_captures", fail)
    assert the_problem(place) == ("index", "index.sqlite3 is no usable index; `archiver reindex` rebuilds it")


# Ways out.

Harm = Callable[[Place, str], None]


def harm_lines(edit: Callable[[list[str]], list[str]]) -> Harm:
    return lambda place, segment: edit_lines(place, segment, edit)


def harm_lines_and_index(edit: Callable[[list[str]], list[str]]) -> Harm:
    """The index is loaded from the CDXJ when that is wrong already."""

    def harm(place: Place, segment: str) -> None:
        edit_lines(place, segment, edit)
        rebuild_index(place.blobs, place.index)

    return harm


def harm_index(edit: Callable[[list[Entry], list[ArticleEntry]], tuple[list[Entry], list[ArticleEntry]]]) -> Harm:
    return lambda place, segment: place.index.load_segment(segment, *edit(*index_of(place, segment)))


def delete_cdxj(place: Place, segment: str) -> None:
    place.blobs.delete(cdxj_key(segment))


def delete_cdxj_unseen(place: Place, segment: str) -> None:
    place.blobs.delete(cdxj_key(segment))
    place.index.drop_segment(segment)


def damage_cdxj(place: Place, segment: str) -> None:
    change(place, cdxj_key(segment), place.blobs.read(cdxj_key(segment))[:-9])


def load_lost_segments(place: Place, segment: str) -> None:
    captures, _ = index_of(place, segment)
    place.index.add([replace(captures[0], segment="2026/11/22/lost")])
    place.index.mark_final("2026/11/22/gone")


def date_a_line_wrongly(place: Place, segment: str) -> None:
    edit_lines(place, segment, lambda lines: [re.sub(" [0-9]{14} ", " 20261322064321 ", lines[0]), *lines[1:]])
    place.index.drop_segment(segment)


def drop_line(lines: list[str]) -> list[str]:
    return lines[1:]


def add_line(lines: list[str]) -> list[str]:
    return [*lines, re.sub('"offset": "[0-9]+"', '"offset": "9"', lines[-1])]


def alter_line(lines: list[str]) -> list[str]:
    return [lines[0].replace('"200"', '"404"'), *lines[1:]]


@pytest.mark.parametrize(
    ("harm", "command"),
    [
        pytest.param(delete_cdxj, "reindex", id="no CDXJ"),
        pytest.param(delete_cdxj_unseen, "reindex", id="no CDXJ, not in the index"),
        pytest.param(damage_cdxj, "reindex --from-warc", id="CDXJ cut short"),
        pytest.param(harm_lines(drop_line), "reindex --from-warc", id="missing line"),
        pytest.param(harm_lines(add_line), "reindex --from-warc", id="extra line"),
        pytest.param(harm_lines(alter_line), "reindex --from-warc", id="wrong line"),
        pytest.param(harm_lines(lambda lines: lines[::-1]), "reindex --from-warc", id="disorder"),
        pytest.param(harm_lines(lambda lines: [*lines, "?\n"]), "reindex --from-warc", id="no line"),
        pytest.param(harm_lines_and_index(drop_line), "reindex --from-warc", id="missing line, indexed"),
        pytest.param(harm_lines_and_index(add_line), "reindex --from-warc", id="extra line, indexed"),
        pytest.param(harm_lines_and_index(alter_line), "reindex --from-warc", id="wrong line, indexed"),
        pytest.param(date_a_line_wrongly, "reindex --from-warc", id="line that cannot be indexed"),
        pytest.param(harm_index(lambda captures, articles: (captures[1:], articles[1:])), "reindex", id="index lacks"),
        pytest.param(
            harm_index(lambda captures, articles: ([*captures, replace(captures[0], offset=5)], articles)),
            "reindex",
            id="index has too much",
        ),
        pytest.param(
            harm_index(lambda captures, articles: (captures, [replace(articles[0], revision=2), *articles])),
            "reindex",
            id="index has an article too much",
        ),
        pytest.param(
            harm_index(lambda captures, articles: ([replace(captures[0], status=418), *captures[1:]], articles)),
            "reindex",
            id="index says otherwise",
        ),
        pytest.param(load_lost_segments, "reindex", id="index has segments too many"),
    ],
)
def test_the_command_that_every_problem_names_mends_it(place: Place, harm: Harm, command: str) -> None:
    harm(place, segments(place)[0])
    found = problems(place)
    assert found
    assert {re.findall("`archiver (reindex[^`]*)`", what)[0] for _, what in found} == {command}
    rebuild_index(place.blobs, place.index, from_warc=command.endswith("--from-warc"))
    assert problems(place) == []


def test_a_journal_with_a_wrong_line_is_mended_once_its_segment_is_complete(place: Place) -> None:
    with place.writing() as writer:
        write(writer, C, ok(b"new"), date=later(200))
        (journal,) = place.spool.glob("warc/**/*.journal")
        lines = journal.read_bytes()
        with journal.open("r+b") as file:  # the writer holds the lock on this very file
            file.write(lines.replace(rb"\"200\"", rb"\"404\""))
        where, what = the_problem(place)
    assert where == str(journal.relative_to(place.spool))
    assert what.startswith("a line differs from its capture (line 1, offset ")
    assert what.endswith("; once the segment is complete, `archiver reindex --from-warc` mends it")
    rebuild_index(place.blobs, place.index, from_warc=True)
    assert problems(place) == []


# Segments that are being written.


def test_a_segment_being_written_is_read_as_far_as_it_was_acknowledged(place: Place) -> None:
    before = verify(place)
    torn = b"\x1f\x8b half a record"
    with place.writing() as writer:
        for number in range(3):
            write(writer, f"{C}/{number}", ok(b"page %d" % number), article=True, date=later(200))
        write(writer, A, ok(), date=later(201))
        (warc,) = place.spool.glob("warc/**/*.open")
        (articles,) = place.spool.glob("articles/**/*.open")
        for path in (warc, articles):
            with path.open("ab") as file:
                file.write(torn)
        found = verify(place)
        assert found.problems == ()
        assert (found.segments, found.open_segments) == (2, 1)
        assert found.captures == before.captures + 4
        assert found.articles == before.articles + 3
        for path in (warc, articles):
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - len(torn))
    assert verify(place).open_segments == 0
    assert problems(place) == []


@pytest.mark.parametrize("folder", ["warc", "articles"])
def test_damage_to_what_was_acknowledged_in_an_open_segment_is_found(place: Place, folder: str) -> None:
    with place.writing() as writer:
        write(writer, C, ok(b"new"), article=True, date=later(200))
        (path,) = place.spool.glob(f"{folder}/**/*.open")
        key = str(path.relative_to(place.spool))
        data = path.read_bytes()
        path.write_bytes(data[:-20])
        found = problems(place)
        last = members(data)[-1][0]
        assert found[0][0] == f"{key} offset {last}"
        assert "the file ends inside" in found[0][1]
        path.write_bytes(data[:last])
        assert (f"{key} offset {last}", f"what was acknowledged is whole up to here only ({len(data)} bytes were "
                "acknowledged); restore the file from a backup") in problems(place)  # fmt: skip
        path.write_bytes(data)


def test_damage_to_a_capture_in_an_open_segment_is_one_problem(place: Place) -> None:
    with place.writing() as writer:
        stored = write(writer, C, ok(b"new"), article=True, date=later(200))
        assert stored is not None
        (path,) = place.spool.glob("warc/**/*.open")
        data = path.read_bytes()
        path.write_bytes(flip(data, stored.entry.offset + 80))
        where, what = the_problem(place)
        assert where == f"{path.relative_to(place.spool)} offset {stored.entry.offset}"
        assert what.startswith("no whole WARC record (not valid gzip")
        path.write_bytes(data)


def test_a_segment_that_is_just_being_finalised_is_no_problem(place: Place) -> None:
    writer = place.writer()
    write(writer, C, ok(b"new"), article=True, date=later(200))
    for path in [*place.spool.glob("articles/**/*.open"), *place.spool.glob("warc/**/*.open")]:
        path.rename(path.with_suffix(""))
        found = verify(place)
        assert found.problems == ()
        assert found.open_segments == 1
    writer.close()
    assert problems(place) == []


def test_what_is_finished_meanwhile_is_left_to_the_next_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = segments(place)[0]
    line_file = place.blobs.read(cdxj_key(segment))
    place.blobs.delete(cdxj_key(segment))
    real = LocalBlobs.open

    def finish_and_open(self: LocalBlobs, key: str) -> BinaryIO:
        if key == warc_key(segment):
            change(place, cdxj_key(segment), line_file)
        return real(self, key)

    monkeypatch.setattr(LocalBlobs, "open", finish_and_open)
    assert verify(place).segments == 1
    assert problems(place) == []


def test_what_a_dead_writer_has_left_is_found(place: Place, tmp_path: Path) -> None:
    with place.writing() as writer:
        write(writer, C, ok(b"new"), article=True, date=later(200))
        log = CrawlLog(place.spool, "news")
        (journal,) = place.spool.glob("warc/**/*.journal")
        key = str(journal.relative_to(place.spool))
        copy = Place(shutil.copytree(place.spool, tmp_path / "copy"))  # nobody holds the locks of a copy
        assert verify(place).problems == ()
    found = verify(copy)
    assert [(problem.where, problem.what) for problem in found.problems] == [
        (key, "the writer of this segment died before it was complete; any archiver command recovers it"),
        (f"crawls/{log.id}.jsonl.open", "the crawl that wrote this log died; any archiver command recovers it"),
    ]
    assert found.open_segments == 0
    recover_segments(copy.blobs, copy.spool, copy.index)
    recover_crawls(copy.blobs, copy.spool)
    assert problems(copy) == []
    copy.index.close()
    log.close(place.blobs, reason="finished")


def test_a_journal_that_a_dead_writer_left_beside_its_complete_segment_is_found(place: Place) -> None:
    with place.writing() as writer:
        write(writer, C, ok(b"new"), article=True, date=later(200))
        (journal,) = place.spool.glob("warc/**/*.journal")
        lines = journal.read_bytes()
    before = verify(place)
    journal.write_bytes(lines)
    found = verify(place)
    assert [problem.where for problem in found.problems] == [str(journal.relative_to(place.spool))]
    assert replace(found, problems=()) == before


def test_open_files_without_a_journal_are_found(place: Place) -> None:
    for key in ("warc/2026/11/22/a.warc.gz.open", "articles/2026/11/22/a.jsonl.gz.open"):
        (place.spool / key).write_bytes(b"?")
    what = "no journal says what of this unfinished file was acknowledged; look at it by hand, then move it away"
    assert problems(place) == [
        ("warc/2026/11/22/a.warc.gz.open", what),
        ("articles/2026/11/22/a.jsonl.gz.open", what),
    ]


def test_a_journal_that_cannot_be_read_is_found(place: Place) -> None:
    (place.spool / "warc/2026/11/22/a.journal").write_bytes(b'{"cdxj": "no line", "warc_end": 1, "wants_article": 0}\n')
    where, what = the_problem(place)
    assert where == "warc/2026/11/22/a.journal"
    assert what.startswith("the journal cannot be read (")


@pytest.mark.parametrize("folder", ["warc", "cdxj", "articles", "crawls"])
def test_what_a_killed_process_has_half_stored_is_found_after_a_day(place: Place, folder: str) -> None:
    key = f"{folder}/2026/11/22/a.gz.4242-0123abcd.part"
    (place.spool / key).write_bytes(b"?")
    day = 24 * 60 * 60
    os.utime(place.spool / key, (time.time() - day + 600,) * 2)
    assert problems(place) == []  # it may be growing
    os.utime(place.spool / key, (time.time() - day - 600,) * 2)
    assert problems(place) == [(key, "left by a killed process; it may be deleted")]
    (place.spool / key).unlink()
    assert problems(place) == []


# Beside the segments.


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (
            lambda lines: lines[1:],
            "the summary does not count these lines (they are 2 attempts, {'failed': 1, 'saved': 1})",
        ),
        (lambda lines: lines[:-1], "the last line is no summary"),
        (lambda lines: [*lines, lines[0]], "not a whole crawl log (ValueError: lines follow the summary)"),
        (lambda lines: [b"{}", *lines], "not a whole crawl log (KeyError: 'outcome')"),
        (lambda lines: [b"[]", *lines], "not a whole crawl log (AttributeError: "),
        (lambda lines: [*lines[:-1], lines[-1].replace(b"news-", b"olds-")], "this is the log of another crawl ("),
    ],
)
def test_a_crawl_log_that_does_not_add_up_is_found(
    place: Place, edit: Callable[[list[bytes]], list[bytes]], what: str
) -> None:
    (key,) = place.blobs.keys("crawls/")
    lines = gzip.decompress(place.blobs.read(key)).splitlines()
    change(place, key, gzip.compress(b"".join(line + b"\n" for line in edit(lines))))
    where, said = the_problem(place)
    assert where == key
    assert said.startswith(what)


def test_a_damaged_crawl_log_is_found(place: Place) -> None:
    (key,) = place.blobs.keys("crawls/")
    data = place.blobs.read(key)
    for broken in (data[:-3], b"", flip(data, len(data) // 2), flip(data, len(data) - 6)):
        change(place, key, broken)
        assert the_problem(place)[0] == key


@pytest.mark.parametrize("data", [None, b"", b"[1]", b'{"format": "1", "id": "x"}', b'{"format": 1}'])
def test_an_archive_json_that_says_nothing_is_found(place: Place, data: bytes | None) -> None:
    place.blobs.delete("archive.json")
    if data is not None:
        place.blobs.put("archive.json", data)
    where, what = the_problem(place)
    assert where == "archive.json"
    assert what.startswith("the file is missing" if data is None else "it names no format and id")


def test_many_problems_of_one_kind_are_counted(tmp_path: Path) -> None:
    place = Place(tmp_path / "archive")
    with place.writing() as writer:
        for number in range(30):
            writer.write_capture(make_capture(f"{A}/{number}", ok(b"page %d" % number)))
    finish(place)
    (segment,) = segments(place)
    rewrite(place, segment, swap_field("request", "WARC-Block-Digest", ZEROS))
    found = problems(place)
    assert len(found) == 21
    what = "10 more times: WARC-Block-Digest does not fit; restore the file from a backup"
    assert found[-1] == (warc_key(segment), what)
    place.index.close()


def test_records_of_other_writers_are_captures_where_the_index_says_so(small: Place) -> None:
    """A file with every type of record is indexed by the same rules as it is verified."""
    (segment,) = segments(small)
    kinds = ["resource", "metadata", "conversion", "continuation", "response", "revisit", "request", "x"]
    types = ["application/warc-fields", "text/plain", "application/http; msgtype=response", "text/dns"]
    warcinfo = next(content for _, _, content in members(small.blobs.read(warc_key(segment))))
    match = re.search(rb"WARC-Record-ID: (\S+)", warcinfo)
    assert match
    records = [warcinfo]
    for number, (kind, media_type) in enumerate((kind, media_type) for kind in kinds for media_type in types):
        head = (
            f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Date: 2026-11-22T06:43:21Z"
            f"\r\nWARC-Target-URI: http://example.com/{number}\r\nWARC-Warcinfo-ID: {match[1].decode()}\r\n"
            f"Content-Type: {media_type}\r\nContent-Length: {len(ok())}\r\n\r\n"
        )
        records.append(head.encode() + ok() + b"\r\n\r\n")
    change(small, warc_key(segment), b"".join(map(gzip.compress, records)))
    lines = [line for _, line in index_warc(small.blobs.open(warc_key(segment)), filename_of(segment)) if line]
    change(small, cdxj_key(segment), gzip.compress("".join(line + "\n" for line in sorted(lines)).encode()))
    small.blobs.delete(articles_key(segment))
    load_segment(small.blobs, small.index, segment, [])
    found = verify(small)
    assert found.captures == len(lines) > 8
    assert {problem.what.partition(" (")[0] for problem in found.problems} == {"the revisit leads to no payload"}
