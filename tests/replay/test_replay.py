"""pywb replays what a crawl wrote: the same bytes, revisits included.

Every page is archived by two crawls, hence lies in two segments; what the second one brings is a revisit of the first.
pywb reads our WARC files where they lie and makes its own index of them.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.crawl.crawling import Ask, run_crawl
from tests.oddcases import CHUNKED, HTML, chunked, gzipped, head, ok, ok_chunked
from tests.replay.pywb import Pywb
from tests.wirelog import Page, Request, WireLog, wire_log

GZIP = b"Content-Encoding: gzip"


def plain(body: bytes, *lines: bytes) -> bytes:
    return ok(body, HTML, *lines)


def in_chunks(body: bytes, *lines: bytes) -> bytes:
    return ok_chunked(chunked(body), CHUNKED, *lines)


@dataclass(frozen=True)
class Kind:
    """How a page is framed at the first and at the second visit, and whether it is gzip-coded."""

    first: Callable[..., bytes]
    second: Callable[..., bytes]
    gzipped: bool = False


PAGES = {
    "/plain": Kind(plain, plain),
    "/gzip": Kind(plain, plain, gzipped=True),
    "/chunked": Kind(in_chunks, in_chunks),
    "/chunked-gzip": Kind(in_chunks, in_chunks, gzipped=True),
    "/chunked-no-more": Kind(in_chunks, plain),
    "/chunked-no-more-gzip": Kind(in_chunks, plain, gzipped=True),
    "/chunked-now": Kind(plain, in_chunks),
    "/chunked-now-gzip": Kind(plain, in_chunks, gzipped=True),
    "/caf%C3%A9?q=%C3%BCber": Kind(plain, plain),
}
KEPT_AGAIN = ("/chunked-no-more", "/chunked-no-more-gzip")
"""pywb would take the original's chunk framing for content, so their second visits are no revisits."""
MOVED = head(b"HTTP/1.1 301 Moved Permanently", b"Location: /elsewhere", b"Content-Length: 5") + b"moved"
FRESH = plain(b"<p>Fresh.</p>", b'ETag: "1"')
NOT_MODIFIED = head(b"HTTP/1.1 304 Not Modified", b'ETag: "1"')
VISITS = (1, 2)


def text_of(path: str) -> bytes:
    """A text of its own for each page, so that nothing is a revisit by chance."""
    return f"<!doctype html><meta charset=utf-8><title>{path}</title><p>Über {path}: ".encode() + b"the flood. " * 999


def payload_of(path: str) -> bytes:
    return gzipped(text_of(path)) if PAGES[path].gzipped else text_of(path)


def answers_of(path: str) -> list[bytes]:
    kind = PAGES[path]
    coding = [GZIP] if kind.gzipped else []
    frames = (kind.first, kind.second)
    return [frame(payload_of(path), *coding, b"X-Visit: %d" % n) for n, frame in enumerate(frames, 1)]


def one_by_one(answers: Sequence[bytes]) -> Page:
    """Answer each request with the next of `answers`, the last one being for all that follow."""
    left = list(answers)

    def answer(asked: Request) -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


class Wayback(Pywb):
    """pywb, asked for more."""

    def coded(self, url: str, timestamp: str) -> tuple[http.client.HTTPMessage, bytes]:
        """What pywb replays unrewritten to a client that undoes gzip itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", f"/coll/{timestamp}id_/{url}", headers={"Accept-Encoding": "gzip"})
            response = connection.getresponse()
            return response.headers, response.read()
        finally:
            connection.close()

    def timemap(self, url: str) -> list[str]:
        """The lines of the TimeMap that are mementos."""
        _, _, body = self._get(f"/coll/timemap/link/{url}")
        return [line for line in body.decode().splitlines() if 'rel="memento"' in line]


@dataclass(frozen=True)
class Replay:
    """pywb serving the archive of both crawls, and what was archived when."""

    pywb: Wayback
    origin: str
    timestamps: dict[int, dict[str, str]]
    """By visit and path."""

    def page(self, path: str, visit: int) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self.pywb.raw(self.origin + path, self.timestamps[visit][path])

    def listed(self, path: str) -> list[dict[str, str]]:
        """The facts of pywb's own index lines, oldest first."""
        return [json.loads(line.split(" ", 2)[2]) for line in self.pywb.cdx(self.origin + path)]


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    archive = tmp_path_factory.mktemp("replay") / "archive"
    pywb = Wayback(archive)  # skips before anything is crawled for nothing
    with wire_log() as server:
        server.pages |= {path: one_by_one(answers_of(path)) for path in PAGES}
        server.pages |= {"/moved": MOVED, "/not-modified": one_by_one([FRESH, NOT_MODIFIED])}
        server.page("/twin", text_of("/plain"))
        server.page("/missing", "<p>Nothing here.</p>", status="404 Not Found")
        first = crawl_all(server, archive, *PAGES, "/moved", "/missing", "/not-modified")
        while f"{datetime.now(UTC):%Y%m%d%H%M%S}" in first.values():
            time.sleep(0.05)  # an index tells captures of a URL apart by their second
        second = crawl_all(server, archive, *PAGES, "/twin", "/not-modified")
        replay = Replay(pywb, server.http, {1: first, 2: second})
    with pywb:
        yield replay


def crawl_all(server: WireLog, archive: Path, *paths: str) -> dict[str, str]:
    """Archive pages; return the timestamps of their captures by path."""
    crawl = run_crawl(archive, [Ask(server.http + path, page=True) for path in paths])
    captures = [capture for attempt in crawl.pages for capture in attempt["captures"]]
    return {capture["url"].removeprefix(server.http): capture["timestamp"] for capture in captures}


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_replays_as_it_was_at_each_visit(replay: Replay, path: str, visit: int) -> None:
    status, headers, body = replay.page(path, visit)
    assert (status, body) == (200, text_of(path))
    assert headers["Memento-Datetime"] is not None
    moment = parsedate_to_datetime(headers["Memento-Datetime"])
    assert f"{moment:%Y%m%d%H%M%S}" == replay.timestamps[visit][path]


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("path", PAGES)
def test_the_fields_of_the_head_are_those_of_the_visit(replay: Replay, path: str, visit: int) -> None:
    _, headers, _ = replay.page(path, visit)
    assert headers["X-Visit"] == str(visit)


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("path", [path for path in PAGES if PAGES[path].gzipped])
def test_a_client_that_knows_gzip_gets_the_payload_as_it_was_coded(replay: Replay, path: str, visit: int) -> None:
    headers, body = replay.pywb.coded(replay.origin + path, replay.timestamps[visit][path])
    assert (headers["Content-Encoding"], body) == ("gzip", payload_of(path))


@pytest.mark.parametrize("path", [path for path in PAGES if path not in KEPT_AGAIN])
def test_the_second_visit_is_a_revisit_in_another_segment(replay: Replay, path: str) -> None:
    first, second = replay.listed(path)
    assert (first["mime"], second["mime"]) == ("text/html", "warc/revisit")
    assert first["filename"] != second["filename"]


def test_a_revisit_of_another_url_replays_its_payload(replay: Replay) -> None:
    (only,) = replay.listed("/twin")
    assert only["mime"] == "warc/revisit"
    assert replay.page("/twin", 2)[2] == text_of("/plain")


def test_a_304_replays_as_one_and_the_page_it_stands_for_as_it_was(replay: Replay) -> None:
    """pywb gives no body to any revisit whose status is 3xx, although it could find this one's."""
    assert [each["mime"] for each in replay.listed("/not-modified")] == ["text/html", "warc/revisit"]
    assert replay.page("/not-modified", 1)[::2] == (200, b"<p>Fresh.</p>")
    assert replay.page("/not-modified", 2)[::2] == (304, b"")


def test_a_redirect_replays_as_a_redirect(replay: Replay) -> None:
    status, headers, body = replay.page("/moved", 1)
    assert (status, headers["Location"], body) == (301, "/elsewhere", b"moved")


def test_a_missing_page_replays_as_missing(replay: Replay) -> None:
    status, headers, body = replay.page("/missing", 1)
    assert (status, body) == (404, b"<p>Nothing here.</p>")
    assert headers["Memento-Datetime"]  # else it would be pywb itself that has nothing


def test_a_timemap_lists_every_capture(replay: Replay) -> None:
    first, second = replay.pywb.timemap(replay.origin + "/plain")
    assert f"/{replay.timestamps[1]['/plain']}mp_/" in first
    assert f"/{replay.timestamps[2]['/plain']}mp_/" in second
