"""What a crawl does for the servers it visits: robots.txt as RFC 9309 has it, pauses, rests."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import settings
from archiver.crawl.middlewares import retry_after
from tests.crawl.crawling import Ask, Crawl, run_crawl
from tests.oddcases import ok
from tests.wirelog import Request, WireLog, wire_log

RESTING = {**settings.DOWNLOADER_MIDDLEWARES, "archiver.crawl.middlewares.RestWhenAsked": 560}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[WireLog]:
    with wire_log() as server:
        yield server


def crawl_of(server: WireLog, place: Path, *paths: str, **overrides: Any) -> Crawl:
    asks = [Ask(server.http + path, page=True) for path in paths]
    return run_crawl(
        place / "archive", asks, **{"ROBOTSTXT_OBEY": True, "DOWNLOADER_MIDDLEWARES": RESTING, **overrides}
    )


def robots(server: WireLog, text: str, status: str = "200 OK") -> None:
    server.page("/robots.txt", text, status=status, content_type="text/plain")


def outcomes(crawl: Crawl) -> dict[str, tuple[str, str]]:
    """Outcome and last line of evidence, by the last part of the URL."""
    return {line["url"].rpartition("/")[2]: (line["outcome"], line["evidence"][-1]) for line in crawl.pages}


def noting(moments: list[float], answer: Callable[[Request], bytes]) -> Callable[[Request], bytes]:
    def respond(request: Request) -> bytes:
        moments.append(time.monotonic())
        return answer(request)

    return respond


# robots.txt


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"])
def test_while_robots_txt_answers_with_an_error_nothing_is_fetched(
    server: WireLog, tmp_path: Path, status: str
) -> None:
    robots(server, "busy", status)
    crawl = crawl_of(server, tmp_path, "/a", "/b", RETRY_TIMES=0, ARCHIVER_LONGEST_REST=0.01)
    assert {outcome for outcome, _ in outcomes(crawl).values()} == {"robots"}
    assert f"answers {status[:3]}" in outcomes(crawl)["a"][1]
    assert set(server.hits) == {"/robots.txt"}


def test_while_robots_txt_cannot_be_had_nothing_is_fetched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        nobody = f"http://127.0.0.1:{busy.getsockname()[1]}"
    crawl = run_crawl(tmp_path / "archive", [Ask(f"{nobody}/a", page=True)], ROBOTSTXT_OBEY=True, RETRY_TIMES=0)
    assert outcomes(crawl)["a"][0] == "robots"
    assert "cannot be fetched" in outcomes(crawl)["a"][1]
    assert [line["url"] for line in crawl.lines if line["kind"] == "support"] == [f"{nobody}/robots.txt"]
    assert "Traceback" not in crawl.stderr


@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "403 Forbidden", "410 Gone"])
def test_a_site_without_robots_txt_may_be_crawled(server: WireLog, tmp_path: Path, status: str) -> None:
    robots(server, "User-agent: *\nDisallow: /", status)
    server.page("/a", "<p>here</p>")
    crawl = crawl_of(server, tmp_path, "/a")
    assert outcomes(crawl)["a"][0] != "robots"


def test_the_group_with_our_name_counts(server: WireLog, tmp_path: Path) -> None:
    robots(server, "User-agent: *\nDisallow: /\n\nUser-agent: article-archiver\nAllow: /public\nDisallow: /")
    server.page("/public", "<p>here</p>")
    crawl = crawl_of(server, tmp_path, "/public", "/secret")
    assert outcomes(crawl)["public"][0] != "robots"
    assert outcomes(crawl)["secret"] == ("robots", "robots.txt of the site forbids it")


def test_a_crawl_delay_is_kept(server: WireLog, tmp_path: Path) -> None:
    moments: list[float] = []
    robots(server, "User-agent: *\nCrawl-delay: 0.5")
    page = noting(moments, lambda request: ok(b"<p>here</p>"))
    for name in "abcd":
        server.pages[f"/{name}"] = page
    crawl = crawl_of(server, tmp_path, "/a", "/b", "/c", "/d")
    assert len(crawl.pages) == 4
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert min(gaps) > 0.45


def test_a_crawl_delay_nobody_can_wait_for_is_a_refusal(server: WireLog, tmp_path: Path) -> None:
    robots(server, "User-agent: *\nCrawl-delay: 600")
    crawl = crawl_of(server, tmp_path, "/a")
    assert outcomes(crawl)["a"] == ("robots", "robots.txt asks for 600 s between requests, more than 60 s")


# Rests


def test_a_server_that_has_too_much_to_do_is_left_alone_as_long_as_it_asks(server: WireLog, tmp_path: Path) -> None:
    moments: list[float] = []
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"
    robots(server, "")
    server.pages["/a"] = noting(moments, lambda request: busy if len(moments) == 1 else ok(b"<p>here</p>"))
    server.pages["/b"] = noting(moments, lambda request: ok(b"<p>here</p>"))
    crawl = crawl_of(
        server, tmp_path, "/a", "/b", RETRY_HTTP_CODES=[429], CONCURRENT_REQUESTS_PER_DOMAIN=1, RETRY_TIMES=1
    )
    assert {line["status"] for line in crawl.pages} == {200}
    assert len(moments) == 3
    assert moments[1] - moments[0] > 1.9


def test_a_server_that_asks_for_hours_is_not_asked_again(server: WireLog, tmp_path: Path) -> None:
    robots(server, "")
    busy = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n"
    for name in "abc":
        server.pages[f"/{name}"] = busy
    crawl = crawl_of(server, tmp_path, "/a", "/b", "/c", CONCURRENT_REQUESTS_PER_DOMAIN=1, RETRY_TIMES=0)
    found = outcomes(crawl)
    assert len(found) == 3
    assert sum(hits for path, hits in server.hits.items() if path != "/robots.txt") == 1
    reasons = [reason for outcome, reason in found.values() if outcome == "blocked"]
    assert len(reasons) == 2
    assert all(reason.startswith("the server asked to be left alone until 20") for reason in reasons)


def test_a_rest_is_read_from_seconds_or_a_date() -> None:
    assert retry_after(b"120", NOW) == 120
    assert retry_after(format_datetime(NOW + timedelta(minutes=2), usegmt=True).encode(), NOW) == 120
    assert retry_after(format_datetime(NOW - timedelta(days=2), usegmt=True).encode(), NOW) == 0
    for nonsense in (None, b"", b"soon", b"-5", b"1.5", b"\xff", "²".encode("latin-1")):
        assert retry_after(nonsense, NOW) is None


@given(st.binary(max_size=60))
def test_no_retry_after_breaks_anything(value: bytes) -> None:
    rest = retry_after(value, NOW)
    assert rest is None or 0 <= rest <= 1e9
