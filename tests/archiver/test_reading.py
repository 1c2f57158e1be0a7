"""From a capture to its article."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from archiver import Archive
from archiver.article import Article, Outcome
from archiver.reading import article_id, article_of_snapshot, complete_article
from storage.segment import articles_key
from tests.oddcases import ok
from tests.stories import NOT_FREE, story
from tests.wirelog import WireLog, wire_log

DATE = "2026-11-22T06:43:21.123456Z"
WARC = {"file": "warc/x.warc.gz", "offset": 0, "length": 9, "record_id": "<urn:uuid:1>", "payload_digest": None}


@pytest.fixture(scope="module")
def server() -> Iterator[WireLog]:
    with wire_log() as server:
        yield server


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, server: WireLog) -> Iterator[Archive]:
    place = tmp_path_factory.mktemp("archive")
    server.page("/bridge", story("Bridge to be repaired"))
    server.page("/walled", story("Behind a wall", head=NOT_FREE))
    server.pages["/cut"] = ok(story("Cut").encode(), b"Content-Type: text/html").replace(b"Length: ", b"Length: 9")
    with Archive.open(place) as archive:
        for path in ("/bridge", "/walled", "/cut"):
            archive.save(server.http + path, allow_private=True)
        yield archive


def test_an_article_keeps_its_id_when_it_is_read_again() -> None:
    record = "<urn:uuid:3bca5599-5f60-4907-850b-87edf8d5c9c5>"
    assert article_id(record) == article_id(record)
    assert str(UUID(article_id(record))) == article_id(record)
    assert article_id(record) != article_id("<urn:uuid:1ad6282f-384c-48ce-993e-5415904f2451>")
    assert UUID(article_id("<http://example.com/a-record-id-that-is-no-uuid>"))


@pytest.mark.parametrize("path", ["/bridge", "/walled"])
def test_reading_a_capture_again_gives_the_same_article(archive: Archive, server: WireLog, path: str) -> None:
    (stored,) = archive.snapshots(server.http + path)
    assert stored.article is not None
    assert replace(article_of_snapshot(archive, stored), evidence=()) == replace(stored.article, evidence=())


def test_a_capture_that_was_cut_short_is_not_an_article(archive: Archive, server: WireLog) -> None:
    for snapshot in archive.snapshots(f"{server.http}/cut"):  # it was asked for more than once
        assert snapshot.outcome in (None, "failed")
        article = article_of_snapshot(archive, snapshot)
        assert (article.outcome, article.text) == ("failed", None)
        assert article.evidence[-1] == "the answer was cut short (disconnect)"


def _read(archive: Archive, url: str, *, outcome: Outcome = "saved") -> Article:
    article = Article(url=url, requested_url=url, title="Bridge", text="one", outcome=outcome, text_sha256="0" * 64)
    return complete_article(archive, article, warc=WARC, date=DATE)


def test_the_first_version_has_no_history(archive: Archive) -> None:
    article = _read(archive, "http://new.example/")
    assert (article.version, article.previous, article.change) == (1, None, None)
    assert article.captured_at == "2026-11-22T06:43:21.123456+00:00"


def test_what_is_no_article_is_no_version(archive: Archive) -> None:
    others: tuple[Outcome, ...] = ("blocked", "empty", "gone", "failed", "not_article", "consent")
    for outcome in others:
        assert _read(archive, "http://new.example/", outcome=outcome).version is None


def test_a_version_before_that_cannot_be_read_is_no_obstacle(archive: Archive, server: WireLog) -> None:
    url = f"{server.http}/bridge"
    located = archive.index.previous_article(url, "99991231235959")
    assert located is not None
    path = Path(archive.location) / articles_key(located.segment)
    sound = path.read_bytes()
    path.write_bytes(b"\0" * len(sound))
    try:
        article = Article(url=url, title="Other", text="other", outcome="saved", text_sha256="0" * 64)
        later = complete_article(archive, article, warc=WARC, date="2099-01-01T00:00:00Z")
    finally:
        path.write_bytes(sound)
    assert (later.version, later.change) == (2, None)
    assert later.previous is not None
    assert later.previous.id == located.id


def test_headlines_shown_in_turn_are_no_new_versions(archive: Archive, server: WireLog) -> None:
    seen = []
    for headline in ("Wall holds", "Wall holds, just", "Wall holds", "Wall holds, just", "Wall breaks", "Wall holds"):
        server.page("/tested", story(headline))
        article = archive.save(server.http + "/tested", allow_private=True).article
        assert article is not None
        seen.append((article.outcome, article.version, article.title))
    assert seen == [
        ("saved", 1, "Wall holds"),
        ("saved", 2, "Wall holds, just"),
        ("unchanged", 1, "Wall holds"),
        ("unchanged", 2, "Wall holds, just"),
        ("saved", 3, "Wall breaks"),
        ("unchanged", 1, "Wall holds"),
    ]
    assert article is not None
    assert article.evidence[-1] == "the text of version 1 again"
