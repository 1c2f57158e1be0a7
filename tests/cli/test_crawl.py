"""``archiver crawl`` and ``archiver run``, on sites served on loopback."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.demo.site import DemoSite
from storage.index import Index
from storage.visits import Visits
from tests.cli.command import HANG, Command
from tests.oddcases import ok
from tests.wirelog import Request, WireLog

NEW = ("--allow-private", "--delay", "0")


@pytest.fixture
def paper() -> Iterator[DemoSite]:
    with DemoSite() as paper:
        yield paper


def outcomes(done_objects: list[dict[str, Any]]) -> Counter[str]:
    return Counter(each["outcome"] for each in done_objects)


def logs(archiver: Command) -> list[list[dict[str, Any]]]:
    """The crawl logs, the oldest first; each with its summary last."""
    paths = sorted((archiver.home / archiver.archive).glob("crawls/**/*.jsonl.gz"))
    return [list(map(json.loads, gzip.decompress(path.read_bytes()).splitlines())) for path in paths]


def paths_of(objects: list[dict[str, Any]], site: str) -> set[str]:
    return {each["url"].removeprefix(site) for each in objects}


def page(title: str, text: str = "The harbour wall held through the night, the master said. ") -> str:
    paragraphs = "".join(f"<p>{text * 4}</p>" for _ in range(4))
    return (
        f"<html><head><title>{title}</title></head><body><article><h1>{title}</h1>{paragraphs}</article></body></html>"
    )


def feed(site: str, *paths: str) -> str:
    items = "".join(f"<item><title>{path}</title><link>{site}{path}</link></item>" for path in paths)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'


def sitemap(site: str, *entries: tuple[str, str]) -> str:
    urls = "".join(f"<url><loc>{site}{path}</loc><lastmod>{lastmod}</lastmod></url>" for path, lastmod in entries)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


def furnish(archiver: Command, server: WireLog, names: Sequence[str], more: str = "") -> None:
    """Serve stories named in a feed, and write the site into the sites file as ``paper``."""
    server.page("/", "<title>Paper</title>")
    server.page("/feed", feed(server.http, *names), content_type="application/rss+xml")
    for name in names:
        server.page(name, page(name))
    (archiver.home / "sites.toml").write_text(
        f'[[site]]\nname = "paper"\nhomepage = "{server.http}/"\nfeeds = ["/feed"]\nsections = []\nsitemaps = []\n'
        + more
    )


# A crawl, an edition, a crawl.


def test_a_second_crawl_finds_what_was_edited_and_what_is_gone_and_nothing_else(
    archiver: Command, paper: DemoSite
) -> None:
    first = archiver("crawl", "--json", "--url", paper.url + "/", *NEW).objects
    assert outcomes(first) == {"saved": 11, "paywalled": 1, "blocked": 1, "gone": 1, "robots": 1}
    paper.next_edition()
    second = archiver("crawl", "--json", "--url", paper.url + "/", *NEW).objects
    assert sorted((each["outcome"], each["version"]) for each in second) == [("gone", None), ("saved", 2), ("saved", 2)]
    assert archiver("crawl", "--json", "--url", paper.url + "/", *NEW).objects == []
    assert archiver("verify", "--json").object["clean"]
    for *lines, summary in logs(archiver):
        assert summary["attempts"] == len(lines)
        assert summary["outcomes"] == dict(sorted(outcomes(lines).items()))


def test_a_crawl_tells_people_what_came_of_it(archiver: Command, paper: DemoSite) -> None:
    done = archiver("crawl", "--url", paper.url + "/", *NEW)
    assert any(line.startswith("saved ") and '"Night ferry returns' in line for line in done.lines)
    assert "saved         11  new, or another text than before" in done.err
    assert "feeds, sitemaps and sections read" in done.err
    again = archiver("crawl", "--url", paper.url + "/", *NEW)
    assert again.lines == []
    assert "nothing new, nothing due" in again.err


def test_the_entry_that_led_to_an_article_is_kept_with_it(archiver: Command, paper: DemoSite) -> None:
    archiver("crawl", "--url", paper.url + "/", *NEW)
    article = archiver("get", "--format", "json", paper.url + "/news/2019/02/08/night-ferry-returns.html").object
    assert article["discovered_via"]["type"] in ("feed", "news-sitemap")
    assert article["discovered_via"]["url"] in (paper.url + "/feed.xml", paper.url + "/news-sitemap.xml")


def test_a_site_of_the_sites_file_is_crawled_by_its_name(archiver: Command, paper: DemoSite) -> None:
    (archiver.home / "sites.toml").write_text(
        f'[[site]]\nname = "courier"\nhomepage = "{paper.url}/"\ndelay = 0\nignore = ["/sport/", "/members/"]\n'
    )
    found = archiver("crawl", "--json", "--allow-private", "courier").objects
    assert outcomes(found)["saved"] == 10
    assert not any("/sport/" in each["url"] for each in found)
    counted = archiver("stats", "--json", "--by", "site").object["by"]
    assert {row["site"]: row["captures"] for row in counted}["courier"] == sum(bool(each["status"]) for each in found)
    complaint = archiver("crawl", "currier", code=2).complaint
    assert "did you mean 'courier'" in complaint


def test_a_crawl_without_a_site_says_how_to_name_one(archiver: Command) -> None:
    assert "archiver crawl --url https://example.com/" in archiver("crawl", code=2).complaint


def test_a_site_that_does_not_answer_is_a_failure_with_its_reason(archiver: Command) -> None:
    done = archiver("crawl", "--url", "http://127.0.0.1:9/", *NEW, code=1)
    assert "could not be read: " in done.err


def test_a_crawl_can_be_limited_and_the_next_goes_on(archiver: Command, paper: DemoSite) -> None:
    first = archiver("crawl", "--json", "--url", paper.url + "/", "--max-articles", "4", *NEW).objects
    assert len(first) == 4
    rest = archiver("crawl", "--json", "--url", paper.url + "/", *NEW).objects
    assert len(rest) == 11
    assert paths_of(first, paper.url).isdisjoint(paths_of(rest, paper.url))


def test_an_interrupted_crawl_reports_what_it_kept_and_the_next_goes_on(archiver: Command, server: WireLog) -> None:
    names = [f"/2026/11/22/story-number-{number}-of-the-day" for number in range(30)]
    furnish(archiver, server, names)
    with archiver.start("crawl", "--json", "--allow-private", "--delay", "0.3", "paper") as process:
        assert process.stdout
        reported = [json.loads(process.stdout.readline())["url"] for _ in range(3)]
        process.send_signal(signal.SIGINT)
        reported += [json.loads(line)["url"] for line in process.stdout]
        assert process.wait() == 130
    assert len(reported) < 30
    rest = archiver("crawl", "--json", "--allow-private", "--delay", "0", "paper").objects
    assert sorted([*reported, *(each["url"] for each in rest)]) == sorted(server.http + name for name in names)


# Where articles are found.


def test_a_site_without_feeds_and_sitemaps_is_crawled_by_its_section_pages(archiver: Command, server: WireLog) -> None:
    stories = [f"/news/{2026}/11/2{number}/the-harbour-wall-held-number-{number}" for number in range(4)]
    links = "".join(
        f'<h2><a href="{path}">The harbour wall held for the {path[-1]}th night</a></h2>' for path in stories
    )
    menu = '<nav><a href="/section/town">Town</a> <a href="/login">Log in</a> <a href="/tag/sea">Sea</a></nav>'
    server.page("/", f"<html><body>{menu}<main>{links}</main></body></html>")
    for path in stories:
        server.page(path, page("The harbour wall held " + path))
    found = archiver("crawl", "--json", "--url", server.http + "/", *NEW).objects
    assert paths_of(found, server.http) == set(stories)
    article = archiver("get", "--format", "json", server.http + stories[0]).object
    assert article["discovered_via"] == {"type": "section", "url": server.http + "/"}


def test_sitemaps_named_in_robots_txt_are_followed_into_their_children(archiver: Command, server: WireLog) -> None:
    server.page("/", "<title>Paper</title>")
    server.page("/robots.txt", f"Sitemap: {server.http}/maps", content_type="text/plain")
    index = f"<sitemapindex><sitemap><loc>{server.http}/map-of-2019.gz</loc></sitemap></sitemapindex>"
    server.page("/maps", index, content_type="application/xml")
    paths = [f"/2019/02/0{day}/what-the-tide-brought-on-day-{day}" for day in range(1, 8)]
    child = sitemap(server.http, *((path, path[1:11].replace("/", "-")) for path in paths))
    server.page("/map-of-2019.gz", gzip.compress(child.encode()), content_type="application/octet-stream")
    for path in paths:
        server.page(path, page(path))
    found = archiver("crawl", "--json", "--url", server.http + "/", *NEW).objects
    assert paths_of(found, server.http) == set(paths)


@pytest.mark.parametrize("coding", ["plain", "gzip"])
def test_a_sitemap_too_large_to_be_handed_over_is_read_from_the_archive(
    archiver: Command, server: WireLog, coding: str
) -> None:
    paths = [f"/2019/02/0{day}/what-the-tide-brought-on-day-{day}" for day in range(1, 8)]
    entries = sitemap(server.http, *((path, "2019-02-01") for path in paths))
    entries = entries.replace("<url>", "<!-- tide -->" * 9000 + "<url>", 1)
    server.page("/", "<title>Paper</title>")
    server.page("/robots.txt", f"Sitemap: {server.http}/map.xml", content_type="text/plain")
    if coding == "gzip":
        packed = gzip.compress(entries.encode())
        server.pages["/map.xml"] = ok(packed, b"Content-Type: application/xml", b"Content-Encoding: gzip")
    else:
        server.page("/map.xml", entries, content_type="application/xml")
    for path in paths:
        server.page(path, page(path))
    small = {"DOWNLOAD_MAXSIZE": "60000"}
    found = archiver("crawl", "--json", "--url", server.http + "/", *NEW, env=small).objects
    assert paths_of(found, server.http) == set(paths)


def test_a_later_lastmod_brings_a_visit_forward(archiver: Command, server: WireLog) -> None:
    paths = ["/2026/11/01/quiet-night-at-the-harbour", "/2026/11/02/loud-night-at-the-harbour"]
    server.page("/", "<title>Paper</title>")
    server.page("/robots.txt", f"Sitemap: {server.http}/map.xml", content_type="text/plain")
    server.page("/map.xml", sitemap(server.http, *((path, "2026-11-01T08:00:00Z") for path in paths)))
    for path in paths:
        server.page(path, page(path))
    archiver("crawl", "--json", "--url", server.http + "/", *NEW)
    changed = datetime.now(UTC) + timedelta(seconds=2)
    entries = [(paths[0], "2026-11-01T08:00:00Z"), (paths[1], f"{changed:%Y-%m-%dT%H:%M:%SZ}")]
    server.page("/map.xml", sitemap(server.http, *entries))
    server.page(paths[1], page(paths[1], "Nobody slept in the harbour that night, the master said. "))
    (again,) = archiver("crawl", "--json", "--url", server.http + "/", *NEW).objects
    assert (again["url"], again["outcome"], again["version"]) == (server.http + paths[1], "saved", 2)


def test_what_was_saved_by_hand_is_not_fetched_again_when_a_feed_names_it(archiver: Command, server: WireLog) -> None:
    path = "/2026/11/22/saved-by-hand-before-the-crawl"
    server.page(path, page(path))
    server.page("/", '<link rel="alternate" type="application/rss+xml" href="/feed">')
    server.page("/feed", feed(server.http, path), content_type="application/rss+xml")
    archiver("save", "--allow-private", server.http + path)
    assert archiver("crawl", "--json", "--url", server.http + "/", *NEW).objects == []


def test_the_schedule_survives_a_rebuilt_index(archiver: Command, paper: DemoSite) -> None:
    archiver("crawl", "--url", paper.url + "/", *NEW)
    for path in (archiver.home / archiver.archive).glob("index.sqlite3*"):
        path.unlink()
    again = archiver("crawl", "--json", "--url", paper.url + "/", *NEW).objects
    assert outcomes(again)["saved"] == 0
    assert outcomes(again)["unchanged"] == 0


def test_a_page_the_server_says_is_the_same_is_not_sent_again(archiver: Command, server: WireLog) -> None:
    path = "/2026/11/22/a-page-that-stays-as-it-is"
    asked: list[str | None] = []

    def answer(request: Request) -> bytes:
        asked.append(request.header("If-None-Match"))
        if request.header("If-None-Match") == '"one"':
            return b'HTTP/1.1 304 Not Modified\r\nETag: "one"\r\n\r\n'
        return ok(page("A page that stays").encode(), b"Content-Type: text/html", b'ETag: "one"')

    server.pages[path] = answer
    server.page("/", "<title>Paper</title>")
    server.page("/feed", feed(server.http, path), content_type="application/rss+xml")
    (archiver.home / "sites.toml").write_text(
        f'[[site]]\nname = "paper"\nhomepage = "{server.http}/"\nfeeds = ["/feed"]\nsections = []\nsitemaps = []\n'
    )
    found = []
    for _ in range(4):
        found += archiver("crawl", "--json", *NEW, "paper").objects
        make_due(archiver, "paper")
    assert asked == [None, None, None, '"one"'], "the server is relied on when it told the truth twice"
    assert [(each["outcome"], each["status"], each["version"]) for each in found] == [
        ("saved", 200, 1),
        ("unchanged", 200, 1),
        ("unchanged", 200, 1),
        ("unchanged", 304, 1),
    ]
    article = archiver("get", "--format", "json", server.http + path).object
    assert article["http"]["status"] == 304
    assert article["title"] == "A page that stays"
    assert "The harbour wall held" in article["text"]
    assert archiver("get", "--format", "html", server.http + path).out.startswith("<html>")
    assert archiver("verify", "--json").object["clean"]


def make_due(archiver: Command, site: str) -> None:
    """Let the time of all pages of a site come."""
    index = Index.open(archiver.home / archiver.archive / "index.sqlite3")
    visits = Visits(index)
    past = datetime.now(UTC) - timedelta(days=1)
    visits.put([replace(visit, due=past) for visit in visits.of_site(site) if visit.due])
    index.close()


# The daemon.


@contextmanager
def daemon(archiver: Command, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = archiver.start("run", "--allow-private", "--json", *arguments)
    patience = threading.Timer(HANG, process.kill)  # ends the wait for a line that never comes
    patience.start()
    try:
        yield process
    finally:
        patience.cancel()
        process.kill()
        process.communicate()


def wait_for(claim: Callable[[], Any], seconds: float = 90) -> Any:
    """Wait until a claim is true, and return what it said."""
    deadline = time.monotonic() + seconds
    while not (value := claim()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
    return value


def sites_file(archiver: Command, paper: DemoSite, schedule: str = "1m") -> None:
    (archiver.home / "sites.toml").write_text(
        f'[[site]]\nname = "courier"\nhomepage = "{paper.url}/"\ndelay = 0\nschedule = "{schedule}"\n'
    )


def message(process: subprocess.Popen[str], start: str) -> str:
    """Read the log up to a line that begins so."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["message"].startswith(start):
            return str(json.loads(line)["message"])
    raise AssertionError(f"the daemon ended without saying {start!r}")


def test_the_daemon_crawls_a_new_site_at_once_and_says_what_it_does(archiver: Command, paper: DemoSite) -> None:
    sites_file(archiver, paper, "15m")
    with daemon(archiver) as process:
        said = message(process, "crawl of courier: ")
        assert "11 saved" in said
        status = archiver("run", "--status", "--json").object
        assert status["running"]
        assert [each["site"] for each in status["next"]] == ["courier"]
        assert status["finished"] == {"crawl done": 1}
        assert "works on this archive already" in archiver("run", code=1).complaint
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not archiver("run", "--status", "--json", code=1).object["running"]
    assert archiver("verify", "--json").object["clean"]


def test_a_daemon_that_is_killed_loses_nothing_and_the_next_goes_on(archiver: Command, server: WireLog) -> None:
    names = [f"/2026/11/22/story-number-{number}-of-the-day" for number in range(40)]
    furnish(archiver, server, names, 'delay = 0.05\nschedule = "1m"\n')
    with daemon(archiver) as process:
        wait_for(lambda: sum(server.hits[name] for name in names) >= 5)
        process.kill()
        process.wait()
    wait_for(lambda: not archiver_processes(archiver.home))
    with daemon(archiver) as process:
        wait_for(lambda: all(server.hits[name] for name in names))
        message(process, "crawl of paper: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    kept = archiver("snapshots", "--json", "--host", server.http).objects
    assert {each["url"].removeprefix(server.http) for each in kept if each["outcome"] == "saved"} == set(names)
    assert archiver("verify", "--json").object["clean"]


def archiver_processes(home: Path) -> list[str]:
    """The processes that work below a directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and str(process.joinpath("cwd").readlink()).startswith(str(home)):
                found.append(process.joinpath("cmdline").read_text())
        except OSError:
            continue
    return found


def test_a_sites_file_without_schedules_has_nothing_to_run(archiver: Command) -> None:
    assert 'schedule = "15m"' in archiver("run", code=2).complaint
