"""Reading archived pages again, from Python."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archiver import Archive
from archiver import reextract as rooms
from archiver.article import Article, Change, DiscoveredVia, Extractor, Previous, Rights
from archiver.crawl.readers import Readers
from archiver.errors import ArchiveError
from archiver.extract import Page, extractor, read_page
from archiver.reading import read_snapshot
from archiver.reextract import Selection, keep_what_was_known, reextract
from archiver.repeats import LEFT_OUT, read_as
from storage.articles import pack_article
from storage.blobs import LocalBlobs
from storage.segment import articles_key
from storage.sync import article_revisions
from tests.stories import story
from tests.wirelog import WireLog

OLD = Extractor("article-archiver", "0.0.1")
URL = "https://a.example/story"


def hanging(page: Page) -> Article:
    """A reader that one page never lets go of."""
    while b"Flood" in page.body:
        pass
    return read_page(page)


@pytest.fixture
def archive(tmp_path: Path, server: WireLog) -> Iterator[Archive]:
    """Two segments of one story each, read by an older extractor."""
    for title in ("Bridge", "Flood"):
        with Archive.open(tmp_path / "archive") as archive:
            archive.save(server.page(f"/{title}", story(title)), allow_private=True)
    with Archive.open(tmp_path / "archive") as archive:
        for segment in archive.index.final_segments():
            path = tmp_path / "archive" / articles_key(segment)
            articles = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
            old = [article | {"extractor": {"name": "x", "version": "0", "profile": None}} for article in articles]
            path.write_bytes(b"".join(map(pack_article, old)))
        archive.reindex()
        yield archive


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have another function read the pages."""

    def use(function: str) -> None:
        monkeypatch.setattr(rooms, "Readers", lambda count, **more: Readers(count, function=function, **more))

    return use


PLEA = "Our reporting is free for everybody. Please support the Courier with a gift today."


@pytest.fixture
def pleading(tmp_path: Path, server: WireLog) -> Iterator[Archive]:
    """Six stories with a plea, a segment each, read by an older extractor that found next to nothing."""
    for number in range(6):
        with Archive.open(tmp_path / "pleading") as archive:
            archive.save(server.page(f"/{number}", story(f"Story {number}", PLEA)), allow_private=True)
    with Archive.open(tmp_path / "pleading") as archive:
        old = {"extractor": None, "text": "Teaser", "text_markdown": "Teaser", "evidence": []}
        for path in sorted((tmp_path / "pleading").glob("articles/**/*.gz")):
            path.write_bytes(pack_article(json.loads(gzip.decompress(path.read_bytes())) | old))
        archive.reindex()
        yield archive


@pytest.mark.parametrize("workers", [1, 4])
def test_what_a_site_repeats_does_not_depend_on_the_order_of_pages(
    pleading: Archive, server: WireLog, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "MOST_KEPT_AHEAD", 2 * workers)  # some of the sample are read twice
    put, stored = LocalBlobs.put, []

    def dying(self: LocalBlobs, key: str, data: bytes, *, replace: bool = False) -> None:
        if len(stored) == 3:
            raise KeyboardInterrupt
        stored.append(key)
        put(self, key, data, replace=replace)

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobs, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            pleading.reextract(workers=workers)
    assert pleading.reextract(workers=workers).articles == 3
    for snapshot in pleading.snapshots(server.http, match="host"):
        if snapshot.article:
            assert PLEA not in (snapshot.article.text or "")
            assert snapshot.article.evidence[-1] == LEFT_OUT + PLEA
    assert pleading.reextract(workers=workers).articles == 0


def test_the_text_follows_from_the_capture_and_the_evidence(pleading: Archive, server: WireLog) -> None:
    pleading.reextract()
    found = [each for each in pleading.snapshots(server.http, match="host") if each.article]
    assert len(found) == 6
    for snapshot in found:
        stored, reading = snapshot.article, read_snapshot(pleading, snapshot)
        assert stored
        assert PLEA in (reading.text or "")
        again = read_as(reading, stored)
        assert (again.text, again.text_markdown) == (stored.text, stored.text_markdown)
        assert (again.text_sha256, again.word_count) == (stored.text_sha256, stored.word_count)
        assert set(again.evidence) == set(stored.evidence)


def test_a_page_with_nothing_but_what_its_site_repeats_becomes_empty(pleading: Archive, server: WireLog) -> None:
    pleading.reextract()
    plea = Path(pleading.location) / articles_key(min(pleading.index.final_segments()), 2)
    (article,) = (json.loads(line) for line in gzip.decompress(plea.read_bytes()).splitlines())
    bare = article | {"text": PLEA, "text_markdown": PLEA, "evidence": ["HTTP 200 OK"]}
    plea.write_bytes(pack_article(bare))
    pleading.reindex()
    done = pleading.reextract()
    assert (done.articles, done.changed) == (1, 1)
    emptied = next(each.article for each in pleading.snapshots(article["url"]) if each.article)
    assert (emptied.outcome, emptied.text, emptied.version) == ("empty", None, None)
    assert pleading.reextract().articles == 0


def snapshot_outcomes(archive: Archive, server: WireLog) -> dict[str, str | None]:
    return {each.url.rpartition("/")[2]: each.outcome for each in archive.snapshots(server.http, match="host")}


def test_a_page_that_hangs_fails_with_evidence_and_the_old_article_stays(
    archive: Archive, server: WireLog, readers: Any
) -> None:
    readers("tests.archiver.test_reextract.hanging")
    done = reextract(archive, Selection(), workers=2, time_limit=3)
    assert (done.segments, done.articles, done.failed) == (2, 2, 1)
    snapshot = archive.snapshot(f"{server.http}/Flood")
    assert snapshot.article
    assert (snapshot.outcome, snapshot.article.text, snapshot.article.version) == ("failed", None, None)
    assert snapshot.article.evidence[-1] == "reader stopped after 3 s"
    assert archive.snapshot(f"{server.http}/Bridge").outcome == "saved"
    assert archive.verify().is_clean
    assert archive.reextract().articles == 0, "it is not tried again and again"


def test_readers_that_do_not_start_are_no_fault_of_the_pages(archive: Archive, readers: Any) -> None:
    readers("tests.no_such_module.read")
    with pytest.raises(ArchiveError, match=r"reader did not start: .* run it once more"):
        archive.reextract(workers=1)
    assert all(each == [1] for each in article_revisions(archive.blobs).values())


def test_an_interrupted_run_is_continued(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    put, stored = LocalBlobs.put, []

    def dying(self: LocalBlobs, key: str, data: bytes, *, replace: bool = False) -> None:
        if stored:
            raise KeyboardInterrupt
        stored.append(key)
        put(self, key, data, replace=replace)

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobs, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            archive.reextract()
    assert sorted(map(len, article_revisions(archive.blobs).values())) == [1, 2]
    done = archive.reextract()
    assert (done.segments, done.articles, done.current) == (1, 1, 1)
    assert sorted(map(len, article_revisions(archive.blobs).values())) == [2, 2]


def test_a_file_the_index_was_never_told_of_is_found_at_the_next_start(
    archive: Archive, server: WireLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rooms, "load_segment", dying)
        with pytest.raises(KeyboardInterrupt):
            archive.reextract()
    assert read_by(archive, server) == {"0"}
    with Archive.open(archive.location) as again:
        assert read_by(again, server) == {"0", extractor().version}


def read_by(archive: Archive, server: WireLog) -> set[str]:
    articles = [each.article for each in archive.snapshots(server.http, match="host")]
    return {article.extractor.version for article in articles if article and article.extractor}


def test_two_at_once_write_one_file(archive: Archive, server: WireLog, monkeypatch: pytest.MonkeyPatch) -> None:
    put = LocalBlobs.put

    def late(self: LocalBlobs, key: str, data: bytes, *, replace: bool = False) -> None:
        put(self, key, data)  # somebody else's
        put(self, key, data, replace=replace)

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobs, "put", late)
        assert archive.reextract().segments == 0
    assert all(each == [1, 2] for each in article_revisions(archive.blobs).values())
    assert read_by(archive, server) == {extractor().version}
    assert archive.reextract().current == 2


def test_progress_counts_articles(archive: Archive) -> None:
    told: list[tuple[int, int]] = []
    archive.reextract(progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_what_the_page_does_not_know_is_kept() -> None:
    old = Article(
        url=URL, requested_url="https://a.example/s", id="i", site="a", captured_at="2026-11-22T06:43:21+00:00",
        title="Misread", text="Teaser", outcome="unchanged", version=3, previous=Previous("20261121000000", "p"),
        change=Change("text"), discovered_via=DiscoveredVia("feed", "https://a.example/feed"), extractor=OLD,
        rights=Rights(robots_txt="allowed"), published_at="2026-11-20", published_source="feed",
    )  # fmt: skip
    new = Article(url=URL, title="Bridge", text="All of it", rights=Rights(tdm_reservation=True), extractor=extractor())
    kept = keep_what_was_known(new, old)
    assert kept == replace(
        old, title="Bridge", text="All of it", rights=Rights(tdm_reservation=True, robots_txt="allowed"),
        extractor=extractor(),
    )  # fmt: skip
    dated = keep_what_was_known(replace(new, published_at="2026-11-19", published_source="json-ld"), old)
    assert (dated.published_at, dated.published_source) == ("2026-11-19", "json-ld")


def test_what_can_no_longer_be_read_has_no_history() -> None:
    old = Article(url=URL, outcome="saved", version=2, previous=Previous("20261121000000", "p"))
    kept = keep_what_was_known(Article(url=URL, outcome="blocked"), old)
    assert (kept.outcome, kept.version, kept.previous, kept.change) == ("blocked", None, None, None)


def test_what_could_not_be_read_before_gets_a_history(archive: Archive, server: WireLog, readers: Any) -> None:
    readers("tests.archiver.test_reextract.hanging")
    reextract(archive, Selection(), workers=1, time_limit=3)
    for segment, (_, newest) in article_revisions(archive.blobs).items():
        path = Path(archive.location) / articles_key(segment, newest)
        (article,) = (json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines())
        path.write_bytes(pack_article(article | {"extractor": None}))
    archive.reindex()
    readers("archiver.extract.read_page")
    assert archive.reextract().changed == 1
    assert snapshot_outcomes(archive, server)["Flood"] == "saved"
    article = archive.snapshot(f"{server.http}/Flood").article
    assert article
    assert (article.version, article.previous) == (1, None)
