from __future__ import annotations

import gzip
import io
import itertools
import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest

from storage.cdx import Entry, filename_of, format_line, index_warc, parse_line, read_cdxj, write_cdxj
from storage.errors import DamagedIndex, DamagedRecord
from storage.segment import cdxj_key, warc_key
from tests.storage.captures import (
    DATE,
    PAGE,
    Place,
    cdxj_lines,
    indexed_by_others,
    later,
    make_capture,
    ok,
    ok_chunked,
)

HTML = b"Content-Type: text/html"
ODD_RESPONSES = {
    "plain": ok(),
    "chunked": ok_chunked(PAGE, 5),
    "ICY": b"ICY 200 OK\r\nicy-name: radio\r\nContent-Type: audio/mpeg\r\n\r\n\xff\xfb\x90",
    "HTTP/0.9": b"<html><p>a page and nothing else</p></html>",
    "HTTP/0.9 with an empty line": b"<html>\n\n<p>a: page</p>",
    "no status": b"HTTP/1.1\r\n" + HTML + b"\r\n\r\nx",
    "empty status": b"HTTP/1.1  \r\n" + HTML + b"\r\n\r\nx",
    "status 999": b"HTTP/1.1 999 Request denied\r\n" + HTML + b"\r\n\r\ndenied",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\nx",
    "status word": b"HTTP/1.1 OK 200\r\n\r\nx",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\nx",
    "tab": b"HTTP/1.1\t200 OK\r\n\r\nx",
    "superscript status": b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\nx",
    "UTF-8 digits": "HTTP/1.1 ٢٠٠ OK\r\n\r\nx".encode(),
    "latin-1": "HTTP/1.1 200 Schön\r\nContent-Type: text/höchst; charset=latin-1\r\n\r\nx".encode("latin-1"),
    "UTF-8 reason": "HTTP/1.1 200 Schön\r\nContent-Type: text/höchst\r\n\r\nx".encode(),
    "mime with parameters": b"HTTP/1.1 200 OK\r\nContent-Type: text/html ; charset=utf-8; x=y\r\n\r\nx",
    "mime with a tab": b"HTTP/1.1 200 OK\r\ncontent-TYPE:\ttext/html\tx\r\n\r\nx",
    "mime in quotes": b'HTTP/1.1 200 OK\r\nContent-Type: "text/html"\r\n\r\nx',
    "only parameters": b"HTTP/1.1 200 OK\r\nContent-Type: ; charset=utf-8\r\n\r\nx",
    "empty mime": b"HTTP/1.1 200 OK\r\nContent-Type:\r\n\r\nx",
    "no mime": b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nx",
    "two mimes": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\nx",
    "folded mime": b"HTTP/1.1 200 OK\r\nContent-Type:\r\n text/html\r\n\r\nx",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Type : text/html\r\n\r\nx",
    "mime with no-break spaces": b"HTTP/1.1 200 OK\r\nContent-Type: \xa0text/html\xa0x\r\n\r\nx",
    "a line of blanks": b"HTTP/1.1 200 OK\r\n \t\r\nContent-Type: text/html\r\n\r\nx",
    "a line that is no field": b"HTTP/1.1 200 OK\r\nnonsense\r\n folded\r\nContent-Type: text/html\r\n\r\nx",
    "bare newlines": b"HTTP/1.1 200 OK\nContent-Type: text/css\n\nx",
    "bare returns": b"HTTP/1.1 200 OK\rContent-Type: text/css\r\rx",
    "empty head": b"\r\n\r\nx",
    "one newline": b"\n",
    "one byte": b"x",
    "zeros": bytes(100),
    "lower case": b"http/1.1 200 ok\r\ncontent-type: TEXT/HTML\r\n\r\nx",
    "no blank before the code": b"HTTP/1.1:200 OK\r\n\r\nx",
    "cut head": b"HTTP/1.1 200 OK\r\nContent-Type: text/ht",
    "cut status line": b"HTTP/1.1 20",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "redirect": b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Type: text/html\r\n\r\n",
    "long": ok(b"<p>" + b"word " * 100_000),
    "jpeg": b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + random.Random(1).randbytes(100_000),
    "a head of 100 KB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Type: text/plain\r\n\r\nx",
}
ODD_URLS = [
    "https://WWW.Example.com:443/A/B/?b=2&a=1",
    "http://example.com",
    "http://example.com/?",
    "http://127.0.0.1:8765/",
    "http://[2001:db8::1]:8080/x",
    "http://example.com/ü/ß?q=ä",
    "http://example.com/%FC%zz",
    "http://bücher.example/",
    "http://xn--bcher-kva.example/",
    "http://example.com/a b",
    "http://user:pw@example.com/x?phpsessid=0123456789abcdef0123456789abcdef",
    "http://example.com:no-port/",
    "http://example.com//double//slash/",
    'http://example.com/"quoted"\\back',
    "http://example.com/\U0001f30a?x={json}",
    "http:///no-host",
    "http://example.com/" + "long/" * 500,
    "http://a_b.example.com/under_score",
]


def segment_files(place: Place, segment: str) -> tuple[list[str], list[str], list[str]]:
    """What three say of a segment: its own CDXJ, its WARC read again, and cdxj-indexer."""
    warc = place.blobs.read(warc_key(segment))
    again = [line for _, line in index_warc(io.BytesIO(warc), filename_of(segment)) if line]
    others = indexed_by_others(place.spool / warc_key(segment), place.spool / "warc")
    written = cdxj_lines(place.blobs.read(cdxj_key(segment)))
    return written, sorted(again, key=lambda line: line.encode()), others


def test_the_cdxj_of_odd_responses_is_what_cdxj_indexer_writes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    captures = [
        make_capture(f"http://example.com/{number}", response, date=later(number))
        for number, response in enumerate(ODD_RESPONSES.values())
    ]
    stored = place.save(*captures)
    written, again, others = segment_files(place, stored[0].entry.segment)
    assert written == others
    assert again == others
    assert len(written) == len(ODD_RESPONSES)


def test_the_cdxj_of_odd_urls_is_what_cdxj_indexer_writes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    stored = place.save(*(make_capture(url, ok(url.encode())) for url in ODD_URLS))
    written, again, others = segment_files(place, stored[0].entry.segment)
    assert written == others
    assert again == others
    assert [parse_line(line).url for line in written] == [
        entry.url for entry in sorted((each.entry for each in stored), key=lambda entry: entry.urlkey.encode())
    ]


def test_revisits_and_requests_without_answer_are_indexed_as_cdxj_indexer_does(tmp_path: Path) -> None:
    place = Place(tmp_path)
    not_modified = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"
    place.save(make_capture())
    stored = place.save(
        make_capture(date=later(1)),
        make_capture("http://example.com/same", ok_chunked(PAGE, 3), date=later(2)),
        make_capture(response=not_modified, date=later(3)),
        make_capture("http://example.com/never", not_modified, date=later(4)),
    )
    with place.writing() as writer:
        assert writer.write_capture(make_capture(response=b"", notes=("timeout",))).result(30) is None
        writer.write_capture(make_capture(method="HEAD", response=ok()[: -len(PAGE)])).result(30)
    written, again, others = segment_files(place, stored[0].entry.segment)
    assert written == again == others
    entries = [parse_line(line) for line in written]
    assert [(entry.mime, entry.status) for entry in entries] == [
        ("unk", 304),
        ("warc/revisit", 200),
        ("warc/revisit", 200),
        ("warc/revisit", 304),
    ]
    assert entries[3].payload_digest is None
    for segment in place.index.final_segments():
        written, again, others = segment_files(place, segment)
        assert written == again == others


def foreign_record(type_: str, block: bytes, *fields: str) -> bytes:
    lines = ["WARC/1.0", f"WARC-Type: {type_}", *fields, f"Content-Length: {len(block)}", "", ""]
    return gzip.compress("\r\n".join(lines).encode() + block + b"\r\n\r\n", mtime=0)


FOREIGN = {
    "resource": foreign_record(
        "resource",
        b"<p>x</p>",
        "WARC-Target-URI: urn:x",
        "WARC-Date: 2020-01-02T03:04:05Z",
        "Content-Type: text/html; a=b",
    ),
    "metadata": foreign_record(
        "metadata",
        b"{}",
        "WARC-Target-URI: http://example.com/m",
        "WARC-Date: 2020-01-02T03:04:05Z",
        "Content-Type: application/json",
    ),
    "bookkeeping": foreign_record(
        "metadata",
        b"via: x\r\n",
        "WARC-Target-URI: http://example.com/m",
        "WARC-Date: 2020-01-02T03:04:05Z",
        "Content-Type: application/warc-fields",
    ),
    "dns": foreign_record(
        "response",
        b"20200102 example.com. A 192.0.2.1",
        "WARC-Target-URI: dns:example.com",
        "WARC-Date: 2020-01-02T03:04:05Z",
        "Content-Type: text/dns",
    ),
    "no payload digest": foreign_record(
        "response", ok(), "WARC-Target-URI: <http://example.com/d>", "WARC-Date: 2020-01-02T03:04:05.678901Z"
    ),
    "long, no payload digest": foreign_record(
        "response",
        ok(b"word " * 200_000),
        "WARC-Target-URI: http://example.com/l",
        "WARC-Date: 2020-01-02T03:04:05Z",
    ),
    "conversion": foreign_record(
        "conversion", b"text", "WARC-Target-URI: http://example.com/c", "WARC-Date: 2020-01-02T03:04:05Z"
    ),
    "empty revisit": foreign_record(
        "revisit", b"", "WARC-Target-URI: http://example.com/r", "WARC-Date: 2020-01-02T03:04:05Z"
    ),
}


@pytest.mark.parametrize("names", [*([name] for name in FOREIGN), list(FOREIGN)], ids=" ".join)
def test_files_of_other_programs_are_indexed_as_cdxj_indexer_does(names: list[str], tmp_path: Path) -> None:
    data = b"".join(FOREIGN[name] for name in names)
    (tmp_path / "x").mkdir()
    path = tmp_path / "x/foreign.warc.gz"
    path.write_bytes(data)
    lines = [line for _, line in index_warc(io.BytesIO(data), "x/foreign.warc.gz") if line]
    assert sorted(lines) == indexed_by_others(path, tmp_path)


def test_the_offset_behind_every_record_is_told_also_of_those_that_are_no_captures(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (stored,) = place.save(make_capture())
    data = place.warc_bytes(stored.entry.segment)
    found = list(index_warc(io.BytesIO(data), "x"))
    assert [line is not None for _, line in found] == [False, True, False, False]
    assert found[1][0] == stored.entry.offset + stored.entry.length
    assert found[-1][0] == len(data)


def test_damage_is_raised_behind_the_last_whole_record(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (stored,) = place.save(make_capture())
    lines = index_warc(io.BytesIO(place.warc_bytes(stored.entry.segment)[:-1]), "x.warc.gz")
    assert len(list(itertools.islice(lines, 3))) == 3
    with pytest.raises(DamagedRecord, match=r"x\.warc\.gz"):
        next(lines)


# Lines


LINE = format_line(
    "http://example.com/ü",
    "20261122064321",
    mime="text/html",
    status="200",
    digest="sha1:ABC",
    length=12,
    offset=34,
    filename="2026/11/22/news-1.warc.gz",
)


def test_a_line_has_its_facts_as_strings_in_the_order_everybody_writes_them() -> None:
    key, timestamp, facts = LINE.split(" ", 2)
    assert (key, timestamp) == ("com,example)/%c3%bc", "20261122064321")
    assert facts == (
        '{"url": "http://example.com/\\u00fc", "mime": "text/html", "status": "200", "digest": "sha1:ABC", '
        '"length": "12", "offset": "34", "filename": "2026/11/22/news-1.warc.gz"}'
    )


def test_a_line_is_read_back() -> None:
    assert parse_line(LINE + "\n") == Entry(
        urlkey="com,example)/%c3%bc",
        timestamp="20261122064321",
        url="http://example.com/ü",
        mime="text/html",
        status=200,
        payload_digest="sha1:ABC",
        offset=34,
        length=12,
        segment="2026/11/22/news-1",
    )


@pytest.mark.parametrize(
    ("status", "read"),
    [("200", 200), ("999", 999), ("20", None), ("2000", None), ("OK", None), ("²²²", None), ("", None)],
)
def test_a_status_that_is_no_number_is_none(status: str, read: int | None) -> None:
    facts = {"url": "http://example.com/", "status": status, "length": "1", "offset": "2", "filename": "a.warc.gz"}
    entry = parse_line(f"com,example)/ 20261122064321 {json.dumps(facts)}")
    assert (entry.status, entry.mime, entry.payload_digest) == (read, "unk", None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "com,example)/ 20261122064321",
        "com,example)/ 20261122064321 {",
        "com,example)/ 20261122064321 []",
        "com,example)/ 20261122064321 {}",
        LINE.replace('"12"', '"x"'),
        LINE.replace('"200"', "200"),
        LINE.replace("20261122064321", "2026"),
        LINE.replace("20261122064321", ""),
        " CDX N b a m s k r M S V g",
    ],
)
def test_what_is_no_line_is_refused_with_a_way_out(line: str) -> None:
    with pytest.raises(DamagedIndex, match="archiver reindex"):
        parse_line(line)


def test_a_cdxj_file_is_sorted_by_bytes_and_holds_each_line_once() -> None:
    lines = ["b 1 {}", "a 2 {}", "B 1 {}", "ü 1 {}", "a 1 {}", "a 2 {}"]
    data = write_cdxj(lines)
    assert cdxj_lines(data) == ["B 1 {}", "a 1 {}", "a 2 {}", "b 1 {}", "ü 1 {}"]
    assert data == write_cdxj(reversed(lines))


def test_a_cdxj_file_is_read_line_by_line_and_damage_names_it() -> None:
    data = write_cdxj([LINE, LINE.replace("20261122064321", "20261122064322")])
    assert [entry.timestamp[-1] for entry in read_cdxj(io.BytesIO(data), "cdxj/a")] == ["1", "2"]
    assert list(read_cdxj(io.BytesIO(write_cdxj([])), "cdxj/a")) == []
    flipped, zeroed = data[:30] + b"xxxx" + data[34:], data[:12] + bytes(20) + data[32:]
    for damaged in (data[:-1], data[:40], b"no gzip", flipped, zeroed):
        with pytest.raises(DamagedIndex, match="cdxj/a is damaged"):
            list(read_cdxj(io.BytesIO(damaged), "cdxj/a"))


def test_a_revisit_says_so() -> None:
    assert parse_line(LINE.replace("text/html", "warc/revisit")).is_revisit
    assert not parse_line(LINE).is_revisit
    assert asdict(parse_line(LINE))["segment"] == "2026/11/22/news-1"
    assert DATE.year == 2026
