"""Whatever becomes of a page, the crawl log says so in exactly one line that a person can act on."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.crawl.crawling import Ask, Crawl, resolve_as, run_crawl
from tests.oddcases import noise, ok
from tests.wirelog import WireLog, wire_log

TIMES = 2
"""How often a request is made that fails in a way that may pass."""


def redirect_to(location: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location


@contextmanager
def speechless() -> Iterator[str]:
    """A port that answers every connection with a line that is no TLS, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def resolve_nothing() -> None:
    resolve_as({"no-such-host.invalid": []})


@pytest.fixture(scope="module")
def places(server: WireLog) -> Iterator[dict[str, str]]:
    """URLs that cannot be saved, by what is wrong with them."""
    server.pages |= {
        "/in-a-circle": redirect_to(b"/in-a-circle"),
        "/to-a-file": redirect_to(b"file:///etc/passwd"),
        "/to-nonsense": redirect_to(b"http://[broken/\xff"),
        "/to-a-port-that-is-none": redirect_to(b"http://127.0.0.1:99999/"),
        "/to-a-password": redirect_to(server.http.replace("//", "//user:secret@").encode()),
        "/to-a-closed-port": redirect_to(b"http://127.0.0.1:%d/" % closed_port()),
    }
    with speechless() as no_tls:
        yield {
            "unknown name": "http://no-such-host.invalid/",
            "name that is none": "http://a..b/",
            "refused port": f"http://127.0.0.1:{closed_port()}/",
            "no TLS": f"https://{no_tls}/",
            "TLS asked in plain": server.https.replace("https:", "http:").replace("localhost", "127.0.0.1") + "/",
            "closed": server.url("closed-without-answer"),
            "reset": server.url("reset-without-answer"),
            "reset in head": server.url("reset-mid-head"),
            "reset in body": server.url("reset-mid-body"),
            "body cut off": server.url("chunked-cut"),
            "silence": server.url("silent"),
            "silence in body": server.url("silent-mid-body"),
            "circle": server.http + "/in-a-circle",
            "to a file": server.http + "/to-a-file",
            "to nonsense": server.http + "/to-nonsense",
            "to no port": server.http + "/to-a-port-that-is-none",
            "to a password": server.http + "/to-a-password",
            "to a closed port": server.http + "/to-a-closed-port",
            "no HTTP": server.url("icy"),
            "no head": server.url("http-0.9"),
            "two lengths": server.url("length-conflict"),
            "odd transfer coding": server.url("transfer-gzip-chunked"),
            "other scheme": "ftp://127.0.0.1/file",
            "password": server.http.replace("//", "//user:secret@") + "/",
        }


@pytest.fixture(scope="module")
def crawl(server: WireLog, places: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    limits = {"silence": {"download_timeout": 2}, "silence in body": {"download_timeout": 2}}
    asks = [Ask(url, page=True, meta=limits.get(wrong, {})) for wrong, url in places.items()]
    archive = tmp_path_factory.mktemp("failures") / "archive"
    return run_crawl(archive, asks, arrange=resolve_nothing, CONCURRENT_REQUESTS_PER_DOMAIN=16, RETRY_TIMES=TIMES - 1)


REASONS = {
    "unknown name": "the name no-such-host.invalid cannot be resolved",
    "name that is none": r"the name a\.\.b cannot be resolved",
    "refused port": "refused the connection",
    "no TLS": "TLS with .* failed: (wrong version number|packet length too long|record layer failure)",
    "TLS asked in plain": "closed the connection without an answer",
    "closed": "closed the connection without an answer",
    "reset": "closed the connection without an answer",
    "reset in head": "closed the connection",
    "reset in body": "broke off before the answer was complete",
    "body cut off": "broke off before the answer was complete",
    "silence": "gave no complete answer in time",
    "silence in body": "gave no complete answer in time",
    "circle": "redirects in a circle",
    "to a file": "it redirects to file:///etc/passwd, which cannot be archived",
    "to nonsense": "redirects to something that is no URL",
    "to no port": "redirects to something that is no URL",
    "to a password": "a URL with a user name or password",
    "to a closed port": "refused the connection",
    "no HTTP": "did not answer in HTTP",
    "no head": "did not answer in HTTP",
    "two lengths": "HTTP that cannot be understood .*conflicting Content-Length",
    "odd transfer coding": "HTTP that cannot be understood .*gzip, chunked",
    "other scheme": "only http and https",
    "password": "a URL with a user name or password",
}

EXCHANGES = {
    "closed": TIMES,
    "reset": TIMES,
    "reset in head": TIMES,
    "reset in body": TIMES,
    "body cut off": TIMES,
    "silence": TIMES,
    "silence in body": TIMES,
    "circle": 11,
    "to a file": 1,
    "to nonsense": 1,
    "to no port": 1,
    "to a password": 1,
    "to a closed port": 1,
    "no HTTP": TIMES,
    "no head": TIMES,
    "two lengths": TIMES,
    "odd transfer coding": TIMES,
}
"""How many exchanges each of them comes to at least; the others never reach anybody who reads HTTP."""


@pytest.mark.parametrize("wrong", REASONS)
def test_a_page_that_fails_has_one_line_with_the_reason(places: dict[str, str], crawl: Crawl, wrong: str) -> None:
    line = crawl.line(places[wrong])
    assert line["outcome"] == "failed"
    assert re.search(REASONS[wrong], line["evidence"][-1])
    for text in line["evidence"]:
        assert "\n" not in text
        assert not re.search("Traceback|Failure|object at 0x|twisted|builtins", text)


def test_the_summary_adds_up_to_the_lines(places: dict[str, str], crawl: Crawl) -> None:
    assert len(crawl.lines) == len(places) == crawl.summary["attempts"]
    assert Counter(line["outcome"] for line in crawl.lines) == crawl.summary["outcomes"]
    assert crawl.summary["reason"] == "finished"


@pytest.mark.parametrize("wrong", EXCHANGES)
def test_what_reached_the_server_is_kept(server: WireLog, places: dict[str, str], crawl: Crawl, wrong: str) -> None:
    path = urlsplit(places[wrong]).path
    sent = server.find(path)
    kept = [each for each in crawl.exchanges if urlsplit(each.url).path == path]
    assert [(each.request, each.response) for each in kept] == [(each.request, each.response) for each in sent]
    assert len(kept) >= EXCHANGES[wrong]  # more where Twisted repeated one on a fresh connection by itself


def test_a_line_names_every_capture_on_the_way(places: dict[str, str], crawl: Crawl) -> None:
    captures = crawl.line(places["circle"])["captures"]
    assert [capture["status"] for capture in captures] == [302] * 11
    assert {capture["url"] for capture in captures} == {places["circle"]}
    captures = crawl.line(places["silence in body"])["captures"]
    assert [capture["truncated"] for capture in captures] == ["time"] * TIMES


def test_a_proxy_that_is_not_there_is_blamed_and_not_the_site(tmp_path: Path) -> None:
    port = closed_port()
    asks = [Ask("http://127.0.0.1:2/", page=True), Ask("https://127.0.0.1:2/", page=True)]
    crawl = run_crawl(tmp_path / "archive", asks, ARCHIVER_PROXY=f"http://127.0.0.1:{port}")
    for ask in asks:
        assert f"proxy 127.0.0.1:{port} refused the connection" in crawl.line(ask.url)["evidence"][-1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of six megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mounting, capture_output=True).returncode:
        tell = pytest.fail if os.environ.get("ARCHIVER_TEST_ALL") and os.geteuid() == 0 else pytest.skip
        tell("a small file system can be mounted by root alone")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_fails_the_pages_that_do_not_fit_and_harms_no_other(small_disk: Path) -> None:
    with wire_log() as server:
        for number in range(9):
            server.pages[f"/{number}"] = ok(noise(900_000 + number), b"Content-Type: image/png")
        server.pages["/large"] = ok(noise(4_000_000), b"Content-Type: image/png")
        asks = [Ask(f"{server.http}/{number}", page=True) for number in (*range(9), "large")]
        crawl = run_crawl(small_disk / "archive", asks, CONCURRENT_REQUESTS=2, RETRY_ENABLED=False)
        kept = {each.url: each.response for each in crawl.exchanges}
    outcomes = Counter(line["outcome"] for line in crawl.pages)
    assert outcomes == crawl.summary["outcomes"]
    assert outcomes.total() == 10
    assert set(outcomes) == {"not_article", "failed"}
    for ask in asks:
        line = crawl.line(ask.url)
        if line["outcome"] == "not_article":
            assert kept[ask.url] == server.pages[urlsplit(ask.url).path]
        else:
            assert re.search("(?i)no space left", line["evidence"][-1])
    assert crawl.summary["reason"] == "finished"
