"""Every page asked for comes to one outcome, and every page read to one article beside its capture."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from archiver.archive import Archive
from tests.crawl.crawling import ROOT, Ask, Crawl, run_crawl
from tests.oddcases import head
from tests.wirelog import Request, WireLog

WORDS = "The river rose over its banks again on Tuesday night, and the people of the old quarter carried sandbags. "


def story(title: str, *, more: str = "") -> str:
    paragraphs = "".join(f"<p>{WORDS}Paragraph {number} of the report on {title} ends here.</p>" for number in range(6))
    facts = {"@context": "https://schema.org", "@type": "NewsArticle", "headline": title, "datePublished": "2026-11-20"}
    return (
        f'<!doctype html><html lang="en"><head><title>{title}</title>'
        f'<script type="application/ld+json">{json.dumps(facts)}</script></head>'
        f"<body><article><h1>{title}</h1>{paragraphs}{more}</article></body></html>"
    )


CAPTCHA = """<html><head><title>Just a moment...</title></head><body><h1>Checking your browser</h1>
<p>Please complete the CAPTCHA to prove that you are human.</p><div class="g-recaptcha"></div></body></html>"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def moved(location: str, status: str = "301 Moved Permanently") -> bytes:
    return head(f"HTTP/1.1 {status}".encode(), f"Location: {location}".encode(), b"Content-Length: 0")


EXPECTED = {
    "/story": ("saved", 200, 1),
    "/moved": ("saved", 200, 3),
    "/refreshed": ("saved", 200, 2),
    "/missing": ("gone", 404, 1),
    "/deleted": ("gone", 410, 1),
    "/guarded": ("blocked", 403, 1),
    "/overloaded": ("failed", 503, 3),
    "/recovering": ("saved", 200, 2),
    "/too-often": ("blocked", 429, 1),
    "/nothing": ("empty", 204, 1),
    "/picture": ("not_article", 200, 1),
    "/unfollowed": ("failed", 300, 1),
    "/private/story": ("robots", None, 0),
}
"""Path -> outcome, status and number of exchanges."""


def furnish(server: WireLog) -> None:
    hits: Counter[str] = Counter()

    def recovering(request: Request) -> bytes:
        hits[request.path] += 1
        return server.pages["/overloaded" if hits[request.path] == 1 else "/recovered"]  # type: ignore[return-value]

    server.page("/robots.txt", "User-agent: *\nDisallow: /private/", content_type="text/plain")
    server.page("/story", story("Flood in the old quarter"))
    server.page("/arrived", story("Bridge closed for years"))
    server.page("/recovered", story("Trains run again"))
    server.page("/refresh-target", story("Schools stay shut"))
    server.page("/private/story", story("Secret"))
    server.page("/missing", "<p>not here</p>", status="404 Not Found")
    server.page("/deleted", "<p>not any more</p>", status="410 Gone")
    server.page("/guarded", CAPTCHA, status="403 Forbidden")
    server.page("/overloaded", "<p>busy</p>", status="503 Service Unavailable")
    server.page("/too-often", "<p>slow down</p>", status="429 Too Many Requests", headers=[("Retry-After", "0")])
    server.page("/unfollowed", "<p>choose</p>", status="300 Multiple Choices")
    server.page("/refreshed", '<meta http-equiv="refresh" content="0; url=/refresh-target">')
    server.page("/picture", PNG, content_type="image/png")
    server.pages["/nothing"] = head(b"HTTP/1.1 204 No Content")
    server.pages["/moved"] = moved("/moved-again")
    server.pages["/moved-again"] = moved("/arrived", "302 Found")
    server.pages["/recovering"] = recovering


@pytest.fixture(scope="module")
def first(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    furnish(server)
    asks = [Ask(server.http + path, page=True) for path in EXPECTED]
    crawl = run_crawl(tmp_path_factory.mktemp("pages") / "archive", asks, ROBOTSTXT_OBEY=True)
    return _read(crawl)


@pytest.fixture(scope="module")
def second(server: WireLog, first: Crawl) -> Crawl:
    """A later crawl into the same archive; one story has changed meanwhile."""
    server.page("/arrived", story("Bridge closed for years", more="<p>It will open in spring, the mayor said.</p>"))
    asks = [Ask(server.http + path, page=True) for path in ("/story", "/moved", "/missing")]
    return _read(run_crawl(first.archive, asks))


def _read(crawl: Crawl) -> Crawl:
    """Read what the crawl left before another crawl adds to it."""
    assert crawl.exchanges is not None
    return crawl


def articles(archive: Path) -> list[dict[str, Any]]:
    paths = sorted(archive.glob("articles/**/*.jsonl.gz"))
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize("path", EXPECTED)
def test_a_page_has_one_outcome(server: WireLog, first: Crawl, path: str) -> None:
    line = first.line(server.http + path)
    assert (line["outcome"], line["status"], len(line["captures"])) == EXPECTED[path]
    assert line["evidence"]


def test_every_line_but_those_of_pages_is_support(first: Crawl, server: WireLog) -> None:
    assert len(first.pages) == len(EXPECTED)
    assert [(line["url"], line["kind"], line["outcome"]) for line in first.lines if line["kind"] != "page"] == [
        (server.http + "/robots.txt", "support", "not_article")
    ]
    assert first.summary["attempts"] == len(first.lines)
    assert first.summary["outcomes"] == Counter(line["outcome"] for line in first.lines)


def test_every_exchange_is_kept_and_named_in_the_log(server: WireLog, first: Crawl) -> None:
    assert sum(len(line["captures"]) for line in first.lines) == len(first.exchanges)
    assert Counter(kept.request for kept in first.exchanges) == Counter(
        each.request for each in server.exchanges[: len(first.exchanges)]
    )


def test_every_page_that_answered_has_one_article_at_its_capture(server: WireLog, first: Crawl, second: Crawl) -> None:
    places = {
        (f"warc/{kept.entry.segment}.warc.gz", kept.entry.offset): kept.url for kept in second.exchanges if kept.entry
    }
    read = articles(first.archive)
    answered = [line for line in first.pages + second.pages if line["captures"]]
    assert Counter((line["final_url"], line["outcome"], line["version"]) for line in answered) == Counter(
        (article["url"], article["outcome"], article["version"]) for article in read
    )
    for article in read:
        assert places[article["warc"]["file"], article["warc"]["offset"]] == article["url"]


def test_a_redirected_page_is_read_where_it_ended(server: WireLog, first: Crawl) -> None:
    line = first.line(server.http + "/moved")
    assert line["final_url"] == server.http + "/arrived"
    assert line["title"] == "Bridge closed for years"
    assert [capture["status"] for capture in line["captures"]] == [301, 302, 200]
    (article,) = [each for each in articles(first.archive) if each["url"].endswith("/arrived") and each["version"] == 1]
    assert article["requested_url"] == server.http + "/moved"


def test_what_has_not_changed_is_unchanged_and_what_has_is_a_new_version(
    server: WireLog, first: Crawl, second: Crawl
) -> None:
    assert (first.line(server.http + "/story")["version"], first.line(server.http + "/moved")["version"]) == (1, 1)
    same, changed = second.line(server.http + "/story"), second.line(server.http + "/moved")
    assert (same["outcome"], same["version"]) == ("unchanged", 1)
    assert (changed["outcome"], changed["version"]) == ("saved", 2)
    (article,) = [each for each in articles(second.archive) if each["version"] == 2]
    assert article["change"]["chars_added"] > 0
    assert article["previous"]["timestamp"] == first.line(server.http + "/moved")["timestamp"]


def test_the_payload_of_an_unchanged_page_is_stored_once(server: WireLog, second: Crawl) -> None:
    assert [kept.kind for kept in second.find("/story") if "/private" not in kept.url] == ["response", "revisit"]


def test_the_archive_finds_what_the_crawls_kept(server: WireLog, first: Crawl, second: Crawl) -> None:
    with Archive.open(first.archive, create=False) as archive:
        stories = archive.snapshots(server.http + "/story")
        assert [snapshot.outcome for snapshot in stories] == ["saved", "unchanged"]
        assert stories[0].payload == stories[1].payload


def test_scrapy_crawl_page_archives_urls_and_accounts_for_what_is_none(server: WireLog, tmp_path: Path) -> None:
    """The page spider as Scrapy's own command runs it, with two good URLs and two that cannot be fetched."""
    archive = tmp_path / "archive"
    good = [server.page("/by-command", story("Saved by command")), server.http + "/not-there"]
    bad = ["ftp://127.0.0.1/file", "nonsense"]
    command = [sys.executable, "-m", "scrapy", "crawl", "page", "-a", f"url={' '.join([*good, *bad])}"]
    settings = ["-s", f"ARCHIVER_ARCHIVE={archive}", "-s", "ARCHIVER_ALLOW_PRIVATE=1"]
    subprocess.run([*command, *settings], cwd=ROOT, check=True, capture_output=True, timeout=120)
    (log,) = archive.glob("crawls/**/*.jsonl.gz")
    *lines, summary = map(json.loads, gzip.decompress(log.read_bytes()).splitlines())
    assert {line["url"]: line["outcome"] for line in lines} == {
        **dict(zip(good, ("saved", "gone"), strict=True)),
        **dict.fromkeys(bad, "failed"),
    }
    assert summary["outcomes"] == {"failed": 2, "gone": 1, "saved": 1}


def test_every_request_waits_for_robots_txt(server: WireLog, tmp_path: Path) -> None:
    """Also those that come while it is being fetched, of which there are many when a crawl begins."""
    furnish(server)
    asks = [Ask(f"{server.http}/private/story?{number}", page=True) for number in range(12)]
    crawl = run_crawl(tmp_path / "archive", asks, ROBOTSTXT_OBEY=True, CONCURRENT_REQUESTS_PER_DOMAIN=16)
    assert {line["outcome"] for line in crawl.pages} == {"robots"}
    assert [kept.url for kept in crawl.exchanges] == [server.http + "/robots.txt"]
