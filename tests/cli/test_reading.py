"""``archiver snapshots`` and ``archiver get``, on one archive in a directory and one in a bucket."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest
from warcio.archiveiterator import ArchiveIterator

from tests.cli.command import Command, Done, Place
from tests.cli.conftest import make_place
from tests.oddcases import chunked, head, ok, ok_chunked
from tests.stories import story
from tests.wirelog import WireLog, wire_log

CHUNKED = story("A chunked story").encode()
FIRST, SECOND = story("The bridge is closed"), story("The bridge is open again", "People danced on it until morning.")


@dataclass(frozen=True)
class Shelf:
    """An archive with something of everything, and the server it came from."""

    place: Place
    server: WireLog

    @property
    def command(self) -> Command:
        return self.place.command

    def url(self, path: str) -> str:
        return self.server.http + path

    def get(self, path: str, form: str = "text", *more: str, code: int = 0) -> Done:
        return self.command("get", self.url(path), "--format", form, *more, code=code)

    def __hash__(self) -> int:
        return id(self)

    @cached_property
    def times(self) -> list[str]:
        """Timestamps of the snapshots of ``/bridge``."""
        return [each["timestamp"] for each in self.command("snapshots", "--json", self.url("/bridge")).objects]


@pytest.fixture(scope="module", params=["local", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Two visits, with an edited page, one that was blocked at the second, and one that stayed as it was."""
    place = make_place(request, tmp_path_factory.mktemp("home"))
    html = b"Content-Type: text/html; charset=utf-8"
    with wire_log() as server:
        server.page("/bridge", FIRST)
        server.page("/guarded", story("A story that was free to read"))
        server.page("/same", story("A story that stays"))
        server.page("/news/flood", story("Flood"))
        server.page("/untitled", story("").replace("<title></title>", "").replace("<h1></h1>", ""))
        server.pages["/moved"] = head(b"HTTP/1.1 301 Moved Permanently", b"Location: /bridge", b"Content-Length: 0")
        server.pages["/chunked"] = ok_chunked(
            chunked(gzip.compress(CHUNKED, mtime=0)), b"Content-Encoding: gzip", b"Transfer-Encoding: chunked"
        )
        server.pages["/odd-head"] = ok(b"<p>hi", b"x-B: 1", b"X-a:  2 ", html, b"X-b: caf\xe9")
        everything = [
            server.http + path
            for path in ("/guarded", "/same", "/news/flood", "/untitled", "/moved", "/chunked", "/odd-head")
        ]
        place.command("save", "--allow-private", *everything)
        _let_a_second_pass()
        server.page("/bridge", SECOND)
        server.page("/guarded", "<h1>Forbidden</h1>", status="403 Forbidden")
        again = [server.http + path for path in ("/bridge", "/guarded", "/same")]
        place.command("save", "--allow-private", *again, code=1)
        yield Shelf(place, server)


def _let_a_second_pass() -> None:
    """Wait for the next second of the clock: timestamps are no finer."""
    time.sleep(1.01 - time.time() % 1)


def test_text_is_the_title_and_the_article(shelf: Shelf) -> None:
    title, empty, *paragraphs = shelf.get("/bridge").lines
    assert (title, empty) == ("The bridge is open again", "")
    assert paragraphs[-1] == "People danced on it until morning."
    assert not any("<" in line for line in paragraphs)


def test_markdown_has_a_heading(shelf: Shelf) -> None:
    assert shelf.get("/bridge", "markdown").lines[0] == "# The bridge is open again"


def test_json_is_the_article_with_its_place_and_history(shelf: Shelf) -> None:
    article = shelf.get("/bridge", "json").object
    assert (article["title"], article["outcome"], article["version"]) == ("The bridge is open again", "saved", 2)
    assert article["warc"]["file"] in shelf.place.stored()
    assert article["previous"]["timestamp"] == shelf.times[0]
    assert shelf.command("get", "--json", shelf.url("/bridge")).object == article


def test_html_is_the_body_decoded_but_untouched(shelf: Shelf) -> None:
    assert shelf.get("/chunked", "html").stdout == CHUNKED
    assert shelf.get("/bridge", "html").stdout == SECOND.encode()


def test_headers_are_the_head_as_it_was_sent(shelf: Shelf) -> None:
    (exchange,) = shelf.server.find("/odd-head")
    assert shelf.get("/odd-head", "headers").stdout == exchange.response.partition(b"<p>")[0]


def test_warc_can_be_read_by_warcio(shelf: Shelf) -> None:
    (exchange,) = shelf.server.find("/chunked")
    found = _records(shelf.get("/chunked", "warc").stdout)
    assert found["request"] == exchange.request
    assert found["response"] == exchange.response
    assert found.keys() == {"request", "response", "metadata"}


def test_warc_of_a_revisit_is_the_revisit_and_its_request(shelf: Shelf) -> None:
    _, exchange = shelf.server.find("/same")
    found = _records(shelf.get("/same", "warc").stdout)
    assert found["revisit"] == exchange.response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert found["request"] == exchange.request
    assert shelf.get("/same", "html").stdout == exchange.response.partition(b"\r\n\r\n")[2]
    assert shelf.get("/same", "headers").stdout == found["revisit"]
    assert shelf.get("/same").lines[0] == "A story that stays"


def _records(data: bytes) -> dict[str, bytes]:
    records = ArchiveIterator(io.BytesIO(data), no_record_parse=True)
    return {record.rec_type: record.raw_stream.read() for record in records}


def test_at_finds_the_nearest_in_time(shelf: Shelf) -> None:
    first, second = shelf.times
    assert shelf.get("/bridge", "text", "--at", first).lines[0] == "The bridge is closed"
    assert shelf.get("/bridge", "text", "--at", second).lines[0] == "The bridge is open again"
    assert shelf.get("/bridge", "html", "--at", "1999").stdout == FIRST.encode()
    assert shelf.get("/bridge", "html", "--at", "2100-01-01").stdout == SECOND.encode()


def test_a_redirect_leads_to_its_article(shelf: Shelf) -> None:
    assert shelf.get("/moved").lines[0] == "The bridge is open again"
    assert shelf.get("/moved", "text", "--at", shelf.times[0]).lines[0] == "The bridge is closed"
    redirect = shelf.get("/moved", "html")
    assert (redirect.out, redirect.complaint) == ("", "archiver: this is a redirect to /bridge")
    assert redirect.code == 0
    assert shelf.get("/moved", "headers").lines[:2] == ["HTTP/1.1 301 Moved Permanently", "Location: /bridge"]


def test_an_older_article_is_read_when_the_newest_is_blocked(shelf: Shelf) -> None:
    found = shelf.get("/guarded")
    assert found.lines[0] == "A story that was free to read"
    assert re.fullmatch(r"archiver: the newest snapshot \(\d{14}\) is blocked", found.complaint)
    assert shelf.get("/guarded", "html").out == "<h1>Forbidden</h1>"


def test_a_page_without_a_title_is_headed_by_its_url(shelf: Shelf) -> None:
    assert shelf.get("/untitled").lines[0] == shelf.url("/untitled")


def test_snapshots_are_listed_oldest_first(shelf: Shelf) -> None:
    lines = shelf.command("snapshots", shelf.url("/bridge")).lines
    moments = [time.strftime("%Y-%m-%d %H:%M:%S", time.strptime(each, "%Y%m%d%H%M%S")) for each in shelf.times]
    assert lines == [
        f"{moments[0]}  200  saved        v1  text/html  The bridge is closed",
        f"{moments[1]}  200  saved        v2  text/html  The bridge is open again",
    ]


def test_snapshots_as_json_have_the_facts_of_the_index(shelf: Shelf) -> None:
    first, second = shelf.command("snapshots", "--json", shelf.url("/same")).objects
    assert (first["mime"], second["mime"]) == ("text/html", "warc/revisit")
    assert first["digest"] == second["digest"]
    assert [first["outcome"], second["outcome"]] == ["saved", "unchanged"]
    assert first.keys() >= {"url", "timestamp", "status", "mime", "digest", "outcome"}


@pytest.mark.parametrize(
    ("option", "where", "found"),
    [
        ("--prefix", "/news/", {"/news/flood"}),
        ("--prefix", "/b", {"/bridge"}),
        ("--host", "/anything", None),
        ("--domain", "", None),
    ],
)
def test_snapshots_of_many_urls(shelf: Shelf, option: str, where: str, found: set[str] | None) -> None:
    listed = shelf.command("snapshots", "--json", option, shelf.url(where)).objects
    paths = {each["url"].removeprefix(shelf.server.http) for each in listed}
    assert paths == (found or {exchange.path for exchange in shelf.server.exchanges})
    assert shelf.command("snapshots", option, shelf.url(where)).lines[0].endswith(listed[0]["url"])


def test_from_and_to_bound_the_list_inclusively(shelf: Shelf) -> None:
    url, (first, second) = shelf.url("/bridge"), shelf.times

    def listed(*options: str) -> list[str]:
        return [each["timestamp"] for each in shelf.command("snapshots", "--json", url, *options).objects]

    assert listed("--from", second) == [second]
    assert listed("--to", first) == [first]
    assert listed("--from", first[:8], "--to", second[:8]) == [first, second]
    none = shelf.command("snapshots", url, "--to", "2001", code=1)
    assert none.complaint == f"archiver: {url} has no snapshot in that time; --from and --to set it"


def test_what_is_not_archived_is_said_with_the_way_to_archive_it(shelf: Shelf) -> None:
    url = shelf.url("/never")
    for command in (["snapshots", url], ["get", url], ["get", url, "--format", "warc"]):
        complaint = shelf.command(*command, code=1).complaint
        assert complaint == f'archiver: {url} has no snapshot; "archiver save {url}" makes one'
    assert shelf.command("snapshots", url, "--json", code=1).out == ""
    complaint = shelf.command("snapshots", "http://other.example/", "--host", code=1).complaint
    assert complaint.startswith("archiver: nothing is archived by the host of http://other.example/")


def test_stats_count_what_there_is(shelf: Shelf) -> None:
    counts = shelf.command("stats", "--json", "--by", "outcome", "--by", "status").object
    captures = shelf.command("snapshots", "--json", "--host", shelf.url("/")).objects
    assert counts["captures"] == len(captures) == len(shelf.server.exchanges)
    assert counts["revisits"] == sum(each["mime"] == "warc/revisit" for each in captures)
    assert sum(row["captures"] for row in counts["by"]) == len(captures)
    assert {"outcome": "blocked", "status": 403, "captures": 1} in counts["by"]
    table = shelf.command("stats").lines
    assert table[0].startswith(f"{len(captures)} captures ")
    assert table[2].split() == ["outcome", "captures"]


def test_output_fits_terminals_that_are_not_unicode(shelf: Shelf) -> None:
    plain = {"PYTHONIOENCODING": "ascii"}
    title = "Überschwemmung 🌊"
    url = shelf.server.page("/umlaut", story(title))
    saved = shelf.command("save", "--allow-private", url, env=plain)
    assert saved.lines[0].endswith(r'"\xdcberschwemmung \U0001f30a" (version 1)')
    assert shelf.command("get", "--json", url, env=plain).object["title"] == title
    assert json.loads(shelf.command("snapshots", "--json", url, env=plain).out)["title"] == title
