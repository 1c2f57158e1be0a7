"""Where the lines of a site come from."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from archiver import Archive
from archiver.article import Article, Outcome, WarcRef
from archiver.repeats import Line, leave_out
from archiver.sitelines import MOST_READS, MOST_SITES, MOST_TEXT, SAMPLE, SiteLines, host_of, newest_articles
from storage.articles import locate_article, pack_article
from storage.blobs import LocalBlobs
from storage.segment import articles_key
from tests.archiver.test_repeats import PLEA, article, own, texts


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive") as archive:
        yield archive


def shelve(archive: Archive, segment: str, *stories: Article) -> None:
    """Put an articles file into the archive."""
    data, entries = b"", []
    for number, story in enumerate(stories):
        place = WarcRef(file=f"warc/{segment}.warc.gz", offset=100 * number, length=9)
        placed = replace(story, id=f"{segment} {number}", warc=place)
        member = pack_article(placed.to_json())
        entries.append(locate_article(placed.to_json(), segment=segment, offset=len(data), length=len(member)))
        data += member
    archive.blobs.put(articles_key(segment), data)
    archive.index.load_segment(segment, (), entries)


def told(name: str, *more: str, minute: int = 0, outcome: Outcome = "saved") -> Article:
    url = f"https://www.a.example/{name.replace(' ', '-')}"
    return article(*own(name), *more, url=url, captured_at=f"2026-11-22T06:{minute:02}:00+00:00", outcome=outcome)


def test_the_archive_is_the_memory(archive: Archive) -> None:
    shelve(archive, "2026/11/22/a", told("flood", PLEA))
    assert texts(SiteLines.of(archive).clean(told("bridge", PLEA))) == own("bridge")


def test_what_was_left_out_of_articles_in_the_archive_is_not_forgotten(archive: Archive) -> None:
    shelve(archive, "2026/11/22/a", leave_out(told("flood", PLEA), [Line.of(PLEA)]))
    assert texts(SiteLines.of(archive).clean(told("bridge", PLEA))) == own("bridge")


def test_only_the_newest_articles_are_read(archive: Archive) -> None:
    shelve(archive, "2026/11/22/a", *(told(f"flood {minute}", minute=minute) for minute in range(SAMPLE + 5)))
    found = [each.url.rpartition("-")[2] for each in newest_articles(archive, "https://a.example/")]
    assert found == [str(minute) for minute in range(5, SAMPLE + 5)]


def test_every_completed_article_is_learned(archive: Archive) -> None:
    sites = SiteLines.of(archive)
    assert sites.clean(told("flood", PLEA), learn=True).text == told("flood", PLEA).text
    assert texts(sites.clean(told("bridge", PLEA), learn=True)) == own("bridge")
    assert SiteLines.of(archive) is sites


def test_sites_learn_nothing_from_each_other(archive: Archive) -> None:
    shelve(archive, "2026/11/22/a", replace(told("flood", PLEA), url="https://b.example/flood"))
    page = told("bridge", PLEA)
    assert SiteLines.of(archive).clean(page) is page


def test_what_could_not_be_read_teaches_nothing(archive: Archive) -> None:
    shelve(archive, "2026/11/22/a", told("flood", PLEA, outcome="consent"))
    page = told("bridge", PLEA)
    assert SiteLines.of(archive).clean(page) is page
    blocked = replace(page, outcome="blocked")
    assert SiteLines.of(archive).clean(blocked, learn=True) is blocked


def test_articles_of_one_segment_are_read_together(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    for segment in range(MOST_READS + 4):
        stories = [told(f"flood {segment} {number}", minute=segment) for number in range(2 if segment % 2 else 1)]
        shelve(archive, f"2026/11/22/{segment:02}", *stories)
    reads: list[str] = []
    read = LocalBlobs.read

    def counting(self: LocalBlobs, key: str, offset: int = 0, length: int | None = None) -> bytes:
        reads.append(key)
        return read(self, key, offset, length)

    monkeypatch.setattr(LocalBlobs, "read", counting)
    found = list(newest_articles(archive, "https://a.example/"))
    assert len(reads) == len(set(reads)) == MOST_READS
    assert len(found) == MOST_READS * 3 // 2
    assert [each.captured_at for each in found] == sorted(str(each.captured_at) for each in found)
    assert found[-1].url == "https://www.a.example/flood-15-1"


def test_damaged_articles_are_passed_over(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    shelve(archive, "2026/11/22/a", told("flood", PLEA))
    shelve(archive, "2026/11/22/b", told("tide", PLEA, minute=1), told("mill", minute=1))
    key = articles_key("2026/11/22/b")
    data = bytearray(archive.blobs.read(key))
    data[30] ^= 0x10
    archive.blobs.put(key, bytes(data), replace=True)
    with caplog.at_level(logging.WARNING):
        assert [each.url[-5:] for each in newest_articles(archive, "https://a.example/")] == ["flood", "/mill"]
    assert "tells nothing of its site" in caplog.text


def test_articles_that_are_gone_are_passed_over(archive: Archive) -> None:
    shelve(archive, "2026/11/22/a", told("flood"))
    (Path(archive.location) / articles_key("2026/11/22/a")).unlink()
    assert list(newest_articles(archive, "https://a.example/")) == []


def test_a_huge_text_is_left_alone() -> None:
    huge = told("flood", *(f"{PLEA} {number}" for number in range(MOST_TEXT // len(PLEA))))
    sites = SiteLines(lambda url: [huge])
    assert sites.clean(huge, learn=True) is huge
    page = told("bridge", f"{PLEA} 1")
    assert sites.clean(page) is page


def test_only_so_many_sites_are_remembered() -> None:
    loaded: list[str] = []

    def load(url: str) -> list[Article]:
        loaded.append(host_of(url))
        return []

    sites = SiteLines(load)
    for number in (*range(MOST_SITES + 1), MOST_SITES, 0):
        sites.clean(replace(told("flood"), url=f"https://{number}.example/"))
    assert len(loaded) == MOST_SITES + 2
    assert loaded[-1] == "example,0"


def test_many_threads_may_learn_at_once() -> None:
    loaded: list[str] = []

    def load(url: str) -> list[Article]:
        loaded.append(url)
        return [told("tide", PLEA)]

    sites = SiteLines(load)
    pages = [told(f"flood {number}", PLEA) for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda page: sites.clean(page, learn=True), pages))
    assert [texts(page) for page in done] == [own(f"flood {number}") for number in range(64)]
    assert len(loaded) == 1


def test_an_archive_is_let_go_of(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "other")
    SiteLines.of(archive).clean(told("flood"))
    archive.close()
    held = weakref.ref(archive)
    del archive
    gc.collect()
    assert held() is None
