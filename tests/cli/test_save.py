"""``archiver save``, into a directory and into a bucket."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections import Counter
from itertools import pairwise

import pytest

from tests.cli.command import Command, Place
from tests.oddcases import Case, head, ok
from tests.stories import CAPTCHA, EMPTY, NOT_FREE, story
from tests.wirelog import Talk, WireLog, wire_log

SAVE = ("save", "--allow-private")


def test_a_page_is_reported_in_one_line_with_its_title(place: Place, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    done = place.command(*SAVE, url)
    assert done.lines == [f'saved       {url}  "Bridge to be repaired" (version 1)']
    assert done.err == ""
    assert place.leftovers() == []


def test_json_says_what_was_kept_and_where(place: Place, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    said = place.command(*SAVE, "--json", url).object
    assert (said["url"], said["outcome"], said["status"]) == (url, "saved", 200)
    assert said["title"] == "Bridge to be repaired"
    assert re.fullmatch(r"20\d{12}", said["timestamp"])
    start, length = said["warc"]["offset"], said["warc"]["length"]
    record = gzip.decompress(place.read(said["warc"]["file"])[start : start + length])
    (exchange,) = server.exchanges
    assert record.startswith(b"WARC/1.1\r\nWARC-Type: response\r\n")
    assert record.endswith(b"\r\n\r\n" + exchange.response + b"\r\n\r\n")


def test_urls_come_from_arguments_files_and_standard_input(place: Place, server: WireLog) -> None:
    urls = [server.page(f"/{number}", story(f"Story {number}")) for number in range(4)]
    listed = place.command.home / "urls.txt"
    listed.write_text(f"# two more\n{urls[1]}\n\n  {urls[2]}  \n")
    done = place.command(*SAVE, "--json", urls[0], "--from-file", "urls.txt")
    assert sorted(each["url"] for each in done.objects) == urls[:3]
    done = place.command(*SAVE, "--from-file", "-", stdin=f"{urls[3]}\n")
    assert done.lines == [f'saved       {urls[3]}  "Story 3" (version 1)']


def test_many_urls_end_with_their_sum(archiver: Command, server: WireLog) -> None:
    good, bad = server.page("/good", story("Good")), server.http + "/missing"
    done = archiver(*SAVE, good, bad, code=1)
    assert sorted(line.split()[0] for line in done.lines) == ["gone", "saved"]
    assert done.complaint == "2 URLs: 1 gone, 1 saved; kept in ./archive"
    assert archiver("-q", *SAVE, good, bad, code=1).err == ""


def test_a_recent_page_is_not_asked_for_again(place: Place, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    moved = server.http + "/moved"
    server.pages["/moved"] = head(b"HTTP/1.1 302 Found", b"Location: /bridge", b"Content-Length: 0")
    first = place.command(*SAVE, "--json", moved).object
    assert server.hits == {"/moved": 1, "/bridge": 1}
    again = place.command(*SAVE, "--json", "--if-older-than", "1h", url, moved).objects
    assert server.hits == {"/moved": 1, "/bridge": 1}
    for said in again:
        assert (said["outcome"], said["status"], said["title"]) == ("unchanged", 200, "Bridge to be repaired")
        assert (said["timestamp"], said["warc"]) == (first["timestamp"], first["warc"])
        assert "archived at" in said["evidence"][0]
    assert {said["url"] for said in again} == {url, moved}
    place.command(*SAVE, "--if-older-than", "0s", url)
    assert server.hits["/bridge"] == 2


def test_a_page_that_was_blocked_is_asked_for_again(archiver: Command, server: WireLog) -> None:
    url = server.page("/bridge", "no", status="403 Forbidden")
    archiver(*SAVE, url, code=1)
    server.page("/bridge", story("Bridge to be repaired"))
    assert archiver(*SAVE, "--if-older-than", "1h", url).lines[0].startswith("saved ")


def test_an_edited_page_is_a_new_version(place: Place, server: WireLog) -> None:
    url = server.page("/bridge", story("Bridge to be repaired"))
    place.command(*SAVE, url)
    assert place.command(*SAVE, "--json", url).object["outcome"] == "unchanged"
    server.page("/bridge", story("Bridge to be replaced", "The mayor changed her mind overnight."))
    edited = place.command(*SAVE, "--json", url).object
    assert (edited["outcome"], edited["version"], edited["title"]) == ("saved", 2, "Bridge to be replaced")
    article = place.command("get", url, "--format", "json").object
    assert article["change"]["kind"] == "edited"
    assert set(article["change"]["fields"]) == {"title", "text"}
    assert article["change"]["chars_added"] > 30
    versions = [each["version"] for each in place.command("snapshots", "--json", url).objects]
    assert versions == [1, 1, 2]


def test_every_outcome_is_named_and_nothing_else_passes_for_an_article(place: Place, server: WireLog) -> None:
    expected = {
        server.page("/story", story("A story")): "saved",
        server.page("/forbidden", "<h1>Forbidden</h1>", status="403 Forbidden"): "blocked",
        server.page("/slower", "<h1>Slower, please</h1>", status="429 Too Many Requests"): "blocked",
        server.page("/captcha", CAPTCHA): "blocked",
        server.page("/walled", story("Behind a wall", head=NOT_FREE)): "paywalled",
        server.page("/empty", EMPTY): "empty",
        server.page("/gone", "<h1>Gone</h1>", status="410 Gone"): "gone",
        server.page("/image", b"\x89PNG\r\n\x1a\n" + bytes(99), content_type="image/png"): "not_article",
        server.url("no-content-204"): "empty",
    }
    done = place.command(*SAVE, "--json", *expected, code=1)
    assert {each["url"]: each["outcome"] for each in done.objects} == expected
    assert all(each["warc"] and each["evidence"] for each in done.objects)
    listed = place.command("snapshots", server.http + "/", "--host", "--json").objects
    assert {each["url"]: each["outcome"] for each in listed} == expected
    for path in ("/captcha", "/walled", "/empty"):
        complaint = place.command("get", server.http + path, code=1).complaint
        assert f" is {expected[server.http + path]}: " in complaint
        assert "--format html shows what was kept" in complaint
        (exchange,) = server.find(path)
        kept = place.command("get", server.http + path, "--format", "html").stdout
        assert kept == exchange.response.partition(b"\r\n\r\n")[2]


def test_a_blocked_page_fails_the_save_and_a_paywalled_one_does_not(archiver: Command, server: WireLog) -> None:
    archiver(*SAVE, server.page("/walled", story("Behind a wall", head=NOT_FREE)))
    line = archiver(*SAVE, server.page("/captcha", CAPTCHA), code=1).lines[0]
    assert line.startswith("blocked     ")
    assert 'the page says "Just a moment..."' in line


@pytest.fixture
def crowded() -> dict[str, int]:
    return {"now": 0, "most": 0}


def test_four_pages_of_a_host_are_fetched_at_once(archiver: Command, crowded: dict[str, int]) -> None:
    async def busy(talk: Talk) -> None:
        crowded["now"] += 1
        crowded["most"] = max(crowded["most"], crowded["now"])
        while crowded["most"] < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # the time in which a fifth would come, were it allowed to
        crowded["now"] -= 1
        await talk.send(ok(story(talk.request.query).encode(), b"Content-Type: text/html; charset=utf-8"))

    with wire_log({"busy": Case("busy", busy)}) as server:
        urls = [server.url("busy", query=f"n={number}") for number in range(12)]
        done = archiver(*SAVE, "--json", *urls)
    assert Counter(each["url"] for each in done.objects) == Counter(urls)
    assert crowded == {"now": 0, "most": 4}


def test_delay_keeps_requests_to_one_host_apart(archiver: Command) -> None:
    moments: list[float] = []

    async def watch(talk: Talk) -> None:
        moments.append(time.monotonic())
        await talk.send(ok(story(talk.request.query).encode(), b"Content-Type: text/html; charset=utf-8"))

    with wire_log({"watch": Case("watch", watch)}) as server:
        archiver(*SAVE, "--delay", "0.6", *(server.url("watch", query=f"n={number}") for number in range(3)))
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert len(gaps) == 2
    assert min(gaps) > 0.25, "half of the delay is the least that Scrapy's random share leaves of it"


def test_scrapy_runs_the_same_spider(place: Place, server: WireLog) -> None:
    project = {"SCRAPY_SETTINGS_MODULE": "archiver.settings"}
    assert "page" in place.command("list", script="scrapy", env=project).lines
    url = server.page("/bridge", story("Bridge to be repaired"))
    allow = ("-s", "ARCHIVER_ALLOW_PRIVATE=1")
    place.command("crawl", "page", "-a", f"url={url}", *allow, script="scrapy", env=project)
    assert place.command("get", url).lines[0] == "Bridge to be repaired"
    assert place.leftovers() == []
