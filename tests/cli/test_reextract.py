"""``archiver reextract``: old pages read by today's extractor, in a directory and in a bucket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.command import Command, LocalPlace, Place, S3Place, flipped
from tests.s3server import S3Server
from tests.stories import CAPTCHA, story
from tests.wirelog import WireLog

ALLOW = ("save", "--allow-private")
OLD = {"name": "article-archiver", "version": "0.0.1", "profile": "news"}


def rewrite(place: Place, change: Callable[[dict[str, Any]], None], *, only: str = "") -> None:
    """Have the first articles files say something else, as an older extractor would have, and forget the index."""
    for key in place.stored():
        if key.startswith("articles/") and ".r" not in key and only in key:
            articles = [json.loads(line) for line in gzip.decompress(place.read(key)).splitlines()]
            for article in articles:
                change(article)
            lines = (json.dumps(article).encode() + b"\n" for article in articles)
            place.write(key, b"".join(gzip.compress(line, mtime=0) for line in lines))
    for path in place.indexes():
        path.unlink()


def make_old(article: dict[str, Any]) -> None:
    article.update(extractor=OLD, title="Misread", text="Teaser", text_sha256="0" * 64)


def revisions(place: Place, number: int = 2) -> list[str]:
    return [key for key in place.stored() if key.endswith(f".r{number}.jsonl.gz")]


@pytest.fixture
def urls(place: Place, server: WireLog) -> list[str]:
    """Two segments: two stories, then the first one unchanged and a page that is blocked."""
    urls = [server.page("/bridge", story("Bridge")), server.page("/flood", story("Flood"))]
    place.command(*ALLOW, *urls)
    blocked = server.page("/blocked", CAPTCHA, status="403 Forbidden")
    place.command(*ALLOW, urls[0], blocked, code=1)
    return [*urls, blocked]


def test_old_articles_are_read_again_and_the_old_files_stay(place: Place, urls: list[str]) -> None:
    before = {url: place.command("get", url, "--json").object for url in urls}
    rewrite(place, make_old)
    old_files = {key: place.read(key) for key in place.stored() if key.startswith("articles/")}
    assert place.command("get", urls[0]).lines == ["Misread", "", "Teaser"]
    done = place.command("reextract", "--json").object
    assert done == {"segments": 2, "articles": 4, "changed": 4, "failed": 0, "unreadable": 0, "current": 0}
    assert {key: place.read(key) for key in old_files} == old_files
    assert len(revisions(place)) == 2
    assert {url: place.command("get", url, "--json").object for url in urls} == before, "also version and outcome"
    assert place.command("verify", "--json").object["clean"]
    assert place.leftovers() == []


def test_a_second_run_does_nothing(place: Place, urls: list[str]) -> None:
    (line,) = place.command("reextract").lines
    assert line == "0 segments: 0 articles read again, 0 changed; 2 segments were up to date"
    rewrite(place, make_old)
    (line,) = place.command("reextract").lines
    assert line == "2 segments: 4 articles read again, 4 changed; 0 segments were up to date"
    stored = place.stored()
    assert place.command("reextract", "--json").object["articles"] == 0
    assert place.stored() == stored


def test_only_what_is_asked_for_is_read(place: Place, urls: list[str]) -> None:
    rewrite(place, make_old)
    assert place.command("reextract", "--to", "2001", "--json").object["articles"] == 0
    assert place.command("reextract", "--site", "elsewhere", "--json").object["articles"] == 0
    assert revisions(place) == []
    done = place.command("reextract", "--url", urls[1], "--from", "2001", "--json").object
    assert (done["segments"], done["articles"]) == (1, 1)
    (key,) = revisions(place)
    titles = [json.loads(line)["title"] for line in gzip.decompress(place.read(key)).splitlines()]
    assert sorted(titles) == ["Flood", "Misread"], "the file is whole: what was not asked for is in it as it was"
    assert place.command("get", urls[0]).lines[0] == "Misread"
    done = place.command("reextract", "--json").object
    assert (done["segments"], done["articles"]) == (2, 3)
    assert len(revisions(place, 2)) == 2
    assert len(revisions(place, 3)) == 1
    assert place.command("get", urls[0]).lines[0] == "Bridge"
    assert place.command("verify", "--json").object["clean"]


def test_a_segment_that_was_read_is_not_read_again_by_the_next_run(place: Place, urls: list[str]) -> None:
    first = next(key for key in place.stored() if key.startswith("articles/"))
    rewrite(place, make_old, only=first)
    done = place.command("reextract", "--json").object
    assert (done["segments"], done["articles"], done["current"]) == (1, 2, 1)
    assert revisions(place) == [first.replace(".jsonl", ".r2.jsonl")]


def test_a_damaged_capture_keeps_the_article_it_has(place: Place, urls: list[str]) -> None:
    saved = place.command("snapshots", "--json", urls[1]).object["warc"]
    rewrite(place, make_old)
    with flipped(place, saved["file"], saved["offset"] + saved["length"] // 2):
        done = place.command("reextract", "--json", code=1)
        assert (done.object["articles"], done.object["unreadable"]) == (3, 1)
        assert place.command("get", urls[1]).lines[0] == "Misread"
        stored = place.stored()
        place.command("reextract", code=1)
        assert place.stored() == stored, "nothing new could be said"
    assert place.command("reextract", "--json").object["articles"] == 1
    assert place.command("get", urls[1]).lines[0] == "Flood"


def test_articles_lost_to_damage_are_read_again(place: Place, urls: list[str]) -> None:
    first = next(key for key in place.stored() if key.startswith("articles/"))
    place.write(first, b"\0" * len(place.read(first)))
    for path in place.indexes():
        path.unlink()
    assert {each["outcome"] for each in place.command("snapshots", "--json", urls[1]).objects} == {None}
    done = place.command("reextract", "--json").object
    assert (done["segments"], done["articles"]) == (1, 2)
    assert place.command("get", urls[1]).lines[0] == "Flood"
    assert place.command("reextract", "--json").object["articles"] == 0


def test_another_machine_sees_what_was_read_again(server: WireLog, s3: S3Server, tmp_path: Any) -> None:
    location = f"s3://{s3.make_bucket()}/news"
    desk, laptop = (Command(tmp_path / name, location, s3.env) for name in ("desk", "laptop"))
    for machine in (desk, laptop):
        machine.home.mkdir()
    url = server.page("/bridge", story("Bridge"))
    desk(*ALLOW, url)
    rewrite(S3Place(desk, s3), make_old)
    assert laptop("get", url).lines[0] == "Misread"
    assert desk("reextract", "--json").object["articles"] == 1
    assert laptop("get", url).lines[0] == "Bridge"
    assert laptop("reextract", "--json").object["articles"] == 0
    assert laptop("verify", "--json").object["clean"]


def test_an_article_as_a_safe_page(archiver: Command, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge & <river>", "He typed <script>alert(1)</script> and left."))
    archiver(*ALLOW, url)
    page = archiver("get", url, "--format", "clean").out
    assert page.startswith("<!doctype html>\n")
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "<h1>Bridge &amp;" in page
    assert "He typed &lt;script&gt;alert(1)&lt;/script&gt; and left." in page
    assert "<p>The council met on Tuesday evening" in page


def test_an_archive_that_is_empty_has_nothing_to_read(archiver: Command, server: WireLog) -> None:
    assert "there is no archive" in archiver("reextract", code=1).complaint
    archiver(*ALLOW, server.page("/bridge", story("Bridge")))
    assert archiver("reextract", "-q").out == ""
    assert "is no date" in archiver("reextract", "--from", "soon", code=2).complaint
    assert not LocalPlace(archiver).leftovers()
