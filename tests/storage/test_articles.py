from __future__ import annotations

import gzip
import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.articles import locate_article, pack_article, read_articles, unpack_article
from storage.errors import DamagedRecord

ARTICLE: dict[str, Any] = {
    "id": "a1",
    "url": "http://example.com/story",
    "site": "example",
    "title": "Überschwemmung",
    "captured_at": "2026-11-22T06:43:21.123456+00:00",
    "published_at": "2026-11-21",
    "language": "de",
    "outcome": "saved",
    "text_sha256": "00" * 32,
    "version": 3,
    "word_count": 12,
    "text": "Der Pegel stieg.\u2028Zeile\r\nzwei",
    "warc": {"offset": 4711},
}


def read_all(data: bytes) -> list[tuple[int, int, str]]:
    entries = read_articles(io.BytesIO(data), "articles/x", segment="2026/11/22/x", revision=2)
    return [(entry.offset, entry.length, article["title"]) for entry, article in entries]


def test_each_line_of_an_articles_file_can_be_read_alone(tmp_path: Path) -> None:
    members = [pack_article(ARTICLE | {"title": title}) for title in ("one", "zwei", "три", "x" * 200_000)]
    data = b"".join(members)
    entries = read_all(data)
    assert [title[:5] for _, _, title in entries] == ["one", "zwei", "три", "xxxxx"]
    for (offset, length, title), member in zip(entries, members, strict=True):
        assert data[offset : offset + length] == member
        assert unpack_article(member, "x", offset)["title"] == title
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(data)
    lines = subprocess.run(["gzip", "-dc", str(path)], check=True, capture_output=True).stdout
    assert lines.count(b"\n") == 4


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.characters(categories=["Cs"])))
def test_an_article_survives_whatever_its_text(article: dict[str, Any]) -> None:
    member = pack_article(article)
    assert unpack_article(member, "x", 0) == article
    assert gzip.decompress(member).count(b"\n") == 1


def test_the_entry_of_an_article_has_what_searches_ask_for() -> None:
    entry = locate_article(ARTICLE, segment="2026/11/22/x", revision=2, offset=10, length=20)
    assert (entry.segment, entry.capture_offset, entry.revision) == ("2026/11/22/x", 4711, 2)
    assert (entry.offset, entry.length, entry.timestamp) == (10, 20, "20261122064321")
    for name in ("id", "url", "site", "title", "published_at", "language", "outcome", "text_sha256", "version"):
        assert getattr(entry, name) == ARTICLE[name]
    assert entry.word_count == 12


@pytest.mark.parametrize(
    ("date", "timestamp"),
    [
        ("2026-11-22T06:43:21Z", "20261122064321"),
        ("2026-11-22T06:43:21.9+00:00", "20261122064321"),
        ("2026-11-22T01:43:21-05:00", "20261122064321"),
        ("2026-11-22T06:43:21", "20261122064321"),
    ],
)
def test_the_timestamp_is_utc_whatever_offset_the_date_has(date: str, timestamp: str) -> None:
    article = ARTICLE | {"captured_at": date}
    assert locate_article(article, segment="x", offset=0, length=1).timestamp == timestamp


def test_facts_an_article_lacks_are_none() -> None:
    least = {name: ARTICLE[name] for name in ("id", "url", "captured_at", "outcome", "warc")}
    entry = locate_article(least, segment="x", offset=0, length=1)
    assert (entry.site, entry.title, entry.version, entry.revision) == (None, None, None, 1)


def test_a_torn_file_gives_every_whole_article_and_names_the_place() -> None:
    one, two = pack_article(ARTICLE), pack_article(ARTICLE | {"title": "two"})
    for end in range(len(one) + 1, len(one) + len(two)):
        entries = read_articles(io.BytesIO((one + two)[:end]), "articles/x", segment="s")
        assert next(entries)[1]["title"] == "Überschwemmung"
        with pytest.raises(DamagedRecord, match=rf"articles/x: the file ends inside the article at offset {len(one)}"):
            next(entries)


@pytest.mark.parametrize(
    "tail",
    [bytes(8), b"junk", *(gzip.compress(text, mtime=0) for text in (b"no json", b"[]", b"{}", b"\xff\n"))],
)
def test_what_is_no_article_is_refused_with_its_offset(tail: bytes) -> None:
    one = pack_article(ARTICLE)
    with pytest.raises(DamagedRecord, match=rf"articles/x: article at offset {len(one)}"):
        read_all(one + tail)


@pytest.mark.parametrize("change", [{"captured_at": None}, {"captured_at": "yesterday"}, {"warc": None}, {"warc": {}}])
def test_an_article_without_what_locates_it_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DamagedRecord, match="article at offset 0 is incomplete"):
        read_all(pack_article(ARTICLE | change))


def test_a_flipped_byte_in_an_article_is_noticed() -> None:
    member = bytearray(pack_article(ARTICLE))
    member[-6] ^= 1
    with pytest.raises(DamagedRecord, match="articles/x: article at offset 99"):
        unpack_article(bytes(member), "articles/x", 99)


def test_an_empty_file_has_no_articles() -> None:
    assert read_all(b"") == []
