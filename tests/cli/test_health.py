"""How sites are doing, as ``archiver sites list``, ``crawl`` and ``run`` tell it; and the daemon's metrics and end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.index import Index
from storage.jobs import Jobs
from storage.visits import Visit, Visits
from tests.cli.command import Command
from tests.cli.test_crawl import archiver_processes, daemon, feed, message, page, wait_for
from tests.storage.test_arrivals import article
from tests.wirelog import NOT_FOUND, WireLog

PATH = "/2026/11/22/the-harbour-wall-held-through-the-night"


def write_sites(archiver: Command, server: WireLog, more: str = "") -> None:
    (archiver.home / "sites.toml").write_text(
        f'[[site]]\nname = "paper"\nhomepage = "{server.http}/"\nfeeds = ["/feed"]\nsections = []\nsitemaps = []\n'
        f'delay = 0\nschedule = "15m"\n{more}'
    )


def publish(server: WireLog, *paths: str) -> None:
    for path in paths:
        server.page(path, page(path))
    server.page("/feed", feed(server.http, *paths), content_type="application/rss+xml")


@contextmanager
def index_of(archiver: Command) -> Iterator[Index]:
    index = Index.open(archiver.home / archiver.archive / "index.sqlite3")
    try:
        yield index
    finally:
        index.close()


def make_silent(archiver: Command, server: WireLog) -> None:
    """Let the archive know of a site that brought an article a day until nine days ago."""
    archiver("reindex")
    now = datetime.now(UTC)
    dates = [(now - timedelta(days=day)).strftime("%Y%m%d%H%M%S") for day in range(9, 40)]
    with index_of(archiver) as index:
        index.add((), [article(f"a{number}", date, site="paper") for number, date in enumerate(dates)])
        url, past = server.http + "/feed", now - timedelta(days=40)
        Visits(index).put([Visit(f"feed {url}", url, "paper", "feed", now, now, past)])


def site_in_list(archiver: Command) -> dict[str, Any]:
    return next(each for each in archiver("sites", "list", "--json").objects if each["name"] == "paper")


@pytest.fixture
def archive(archiver: Command, server: WireLog) -> Command:
    """An archive that is there, and a site with an empty feed."""
    archiver("save", "--allow-private", server.page("/about", page("About us")))
    write_sites(archiver, server)
    publish(server)
    return archiver


def test_the_list_says_how_sites_are(archiver: Command, server: WireLog) -> None:
    write_sites(archiver, server)
    publish(server, PATH)
    assert "health" not in site_in_list(archiver), "there is no archive yet"
    archiver("crawl", "--allow-private", "paper")
    header, paper, in_code = archiver("sites", "list").lines
    assert re.split(r"  +", header) == [
        "name", "homepage", "schedule", "last article", "next visit", "normal gap", "health",
    ]  # fmt: skip
    assert re.split(r"  +", paper)[:3] == ["paper", server.http + "/", "15m"]
    assert paper.split()[-1] == "ok"
    assert in_code.split()[-1] == "new"
    facts = site_in_list(archiver)
    assert facts["last_article"]["title"] == PATH
    assert (facts["articles_7_days"], facts["articles_30_days"], facts["normal_gap"]) == (1, 1, None)
    assert (facts["health"], facts["waiting"], facts["gone"], facts["failing"]) == ("ok", 0, 0, [])
    assert datetime.fromisoformat(facts["next_visit"]) > datetime.now(UTC)
    hits = server.hits.total()
    archiver("sites", "list")
    assert server.hits.total() == hits, "nothing is fetched for it"


def test_a_crawl_says_that_a_site_fails(archive: Command, server: WireLog) -> None:
    server.pages["/feed"] = NOT_FOUND
    done = archive("crawl", "--allow-private", "paper", code=1)
    said = "paper is failing: none of its feeds, sitemaps and sections can be read "
    assert f"{said}({server.http}/feed failed once)" in done.err
    facts = site_in_list(archive)
    assert (facts["health"], facts["failing"]) == (
        "failing",
        [{"kind": "feed", "url": server.http + "/feed", "failures": 1}],
    )
    assert any(line.startswith("paper is failing: ") for line in archive("run", "--status", code=1).lines)


def test_a_crawl_says_that_a_site_is_silent(archive: Command, server: WireLog) -> None:
    make_silent(archive, server)
    assert site_in_list(archive)["reason"] == "nothing new for 9 days, usually every 24 h"
    done = archive("crawl", "--allow-private", "paper")
    assert "paper is silent: nothing new for 9 days, usually every 24 h" in done.err
    (unwell,) = archive("run", "--status", "--json", code=1).object["unwell"]
    assert (unwell["site"], unwell["health"]) == ("paper", "silent")
    publish(server, PATH)
    assert "silent" not in archive("crawl", "--allow-private", "paper").err
    assert site_in_list(archive)["health"] == "ok"


def logged(process: subprocess.Popen[str], logger: str) -> dict[str, Any]:
    assert process.stderr
    lines = (json.loads(line) for line in process.stderr if line.startswith("{"))
    return next(line for line in lines if line["logger"] == logger)


def test_the_daemon_warns_of_a_silent_site_and_says_when_it_has_recovered(archive: Command, server: WireLog) -> None:
    make_silent(archive, server)
    publish(server, PATH)
    with daemon(archive) as process:
        warning = logged(process, "archiver.crawl.health")
        assert (warning["level"], warning["message"].partition(":")[0]) == ("warning", "paper is silent")
        recovery = logged(process, "archiver.crawl.health")
        assert (recovery["level"], recovery["message"]) == ("info", "paper has recovered from being silent")


def test_prometheus_reads_what_the_daemon_does(archive: Command, server: WireLog) -> None:
    publish(server, PATH)
    with daemon(archive, "--metrics", "127.0.0.1:0") as process:
        address = message(process, "metrics at ").removeprefix("metrics at ")
        message(process, "crawl of paper: ")
        text = urllib.request.urlopen(address, timeout=20).read().decode()
        values = {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"
        }
        expected = {
            'archiver_pages_total{outcome="saved",site="paper"}': 1,
            'archiver_crawls_total{result="done",site="paper"}': 1,
            "archiver_crawl_seconds_count": 1,
            "archiver_crawl_lateness_seconds_count": 1,
            'archiver_running_jobs{kind="crawl"}': 0,
            'archiver_queued_jobs{kind="crawl"}': 0,
            'archiver_oldest_queued_job_seconds{kind="crawl"}': 0,
            'archiver_sites{health="ok"}': 1,
            'archiver_sites{health="silent"}': 0,
            'archiver_site_ok{site="paper"}': 1,
            'archiver_failing_documents{site="paper"}': 0,
        }
        assert {name: values[name] for name in expected} == expected
        assert values["process_start_time_seconds"] > 1.7e9
        assert values['archiver_last_article_timestamp_seconds{site="paper"}'] > 1.7e9
        other = Command(archive.home, "./other")
        taken = other("run", "--metrics", address.removeprefix("http://").removesuffix("/metrics"), code=2)
        assert "--metrics 127.0.0.1:" in taken.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize("address", ["9464", "localhost:", "127.0.0.1:http", "127.0.0.1:99999"])
def test_an_address_for_metrics_that_is_none_is_named(archiver: Command, address: str) -> None:
    assert "write HOST:PORT, such as 127.0.0.1:9464" in archiver("run", "--metrics", address, code=2).complaint


# The daemon and the sites file; its end.


def test_a_sites_file_with_mistakes_stops_no_crawl(archive: Command, server: WireLog) -> None:
    write_sites(archive, server)
    with daemon(archive) as process:
        message(process, "crawl of paper: ")
        publish(server, PATH)
        text = (archive.home / "sites.toml").read_text()
        (archive.home / "sites.toml").write_text(text + "feedss = 1\n")
        assert "feedss" in message(process, "the sites file has mistakes")
        with index_of(archive) as index:
            Jobs(index).put("crawl", "paper", {"due": False})
        assert message(process, "crawl of paper: ") == "crawl of paper: 1 saved"


def test_saves_know_the_sites_file_as_it_is_now(archive: Command, server: WireLog) -> None:
    urls = [
        server.page(f"/story-{number}", page("A title").replace("<h1>", "<h2>Ours</h2><h1>")) for number in range(2)
    ]

    def save(url: str) -> None:
        with index_of(archive) as index:
            Jobs(index).put("save", url)

    with daemon(archive) as process:
        save(urls[0])
        message(process, "save of ")
        write_sites(archive, server, '[[site.rule]]\nfield = "title"\ncss = "h2"\n')
        message(process, "the sites file was changed")
        save(urls[1])
        message(process, "save of ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    titles = [archive("get", "--format", "json", url).object["title"] for url in urls]
    assert titles == ["A title", "Ours"]


def test_the_second_signal_ends_at_once_and_nothing_is_forgotten(archive: Command, server: WireLog) -> None:
    endless = server.url("silent-mid-body")
    server.page("/feed", feed(server.http, "/odd/silent-mid-body"), content_type="application/rss+xml")
    write_sites(archive, server, 'article = ["/odd/"]\n')
    with index_of(archive) as index:
        Jobs(index).put("save", endless)
    with daemon(archive) as process:
        wait_for(lambda: server.hits["/odd/silent-mid-body"] == 2)
        process.send_signal(signal.SIGTERM)
        assert process.stderr
        assert any("pages under way are finished first" in line for line in process.stderr)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    wait_for(lambda: not archiver_processes(archive.home))
    with index_of(archive) as index:
        assert sorted((job.kind, job.state) for job in Jobs(index).waiting()) == [
            ("crawl", "queued"),
            ("save", "queued"),
        ]
    assert archive("verify", "--json").object["clean"]
