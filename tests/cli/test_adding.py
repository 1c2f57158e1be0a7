"""``archiver sites add``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from archiver.demo.site import DemoSite
from tests.cli.command import Command

OPML = """<opml version="2.0"><body>
 <outline text="Coast">
  <outline text="The Courier" xmlUrl="https://a.example/feed" htmlUrl="https://a.example/"/>
  <outline text="Courier sport" xmlUrl="https://a.example/sport/feed" htmlUrl="https://www.a.example/"/>
 </outline>
 <outline text="Gazette" xmlUrl="https://b.example/rss"/>
 <outline text="Broken" xmlUrl="nonsense"/>
</body></opml>"""


@pytest.fixture
def paper() -> Iterator[DemoSite]:
    with DemoSite() as paper:
        yield paper


def sites(archiver: Command) -> list[dict[str, Any]]:
    text = (archiver.home / "sites.toml").read_text()
    found: list[dict[str, Any]] = tomllib.loads(text)["site"]
    return found


def test_a_homepage_is_all_it_takes(archiver: Command, paper: DemoSite) -> None:
    done = archiver("sites", "add", paper.url, "--allow-private", "--delay", "0")
    assert any(line.startswith("feed ") and line.endswith(paper.url + "/feed.xml") for line in done.lines)
    assert "One article read: saved, " in done.out
    name = paper.url.removeprefix("http://").replace(":", "-")
    assert sites(archiver) == [{"name": name, "homepage": paper.url, "schedule": "15m"}]
    found = archiver("crawl", "--json", "--allow-private", "--delay", "0", name).objects
    assert len(found) == 14, "the article that was read as a sample is not due again"
    assert archiver("sites", "check").code == 0


def test_the_file_keeps_what_stands_in_it(archiver: Command, paper: DemoSite) -> None:
    before = '# my sites\n[[site]]\nname = "other"  # the best\nhomepage = "https://other.example/"\n'
    (archiver.home / "sites.toml").write_text(before)
    added = archiver(
        "sites", "add", paper.url, "--json", "--name", "courier", "--label", "coast", "--schedule", "0 6 * * *",
        "--allow-private", "--delay", "0",
    ).object  # fmt: skip
    assert added["site"]["name"] == "courier"
    assert {each["kind"] for each in added["found"]} == {"feed", "sitemap", "section"}
    assert (archiver.home / "sites.toml").read_text().startswith(before)
    assert sites(archiver)[1] == {
        "name": "courier",
        "homepage": paper.url,
        "schedule": "0 6 * * *",
        "labels": ["coast"],
    }
    complaint = archiver("sites", "add", paper.url + "/", "--allow-private", code=2).complaint
    assert "sites.toml:6 has" in complaint
    assert "'courier'" in complaint


def test_a_site_that_does_not_answer_is_not_added(archiver: Command) -> None:
    done = archiver("sites", "add", "http://127.0.0.1:9/", "--allow-private", code=1)
    assert "could not be read, so nothing was added" in done.err
    assert not (archiver.home / "sites.toml").exists()


def test_a_bad_schedule_is_named_before_anything_is_fetched(archiver: Command) -> None:
    assert "--schedule: " in archiver("sites", "add", "https://a.example/", "--schedule", "often", code=2).complaint


def test_a_list_of_feeds_becomes_sites_once(archiver: Command) -> None:
    (archiver.home / "feeds.opml").write_text(OPML)
    done = archiver("sites", "add", "--opml", "feeds.opml", "--schedule", "1h")
    assert "2 sites added to sites.toml" in done.out
    assert "Broken is left out" in done.err
    assert sites(archiver) == [
        {
            "name": "the-courier",
            "homepage": "https://a.example/",
            "labels": ["Coast"],
            "schedule": "1h",
            "feeds": ["https://a.example/feed", "https://a.example/sport/feed"],
        },
        {
            "name": "gazette",
            "homepage": "https://b.example/",
            "schedule": "1h",
            "feeds": ["https://b.example/rss"],
        },
    ]
    assert "0 sites added" in archiver("sites", "add", "--opml", "feeds.opml").out
    assert len(sites(archiver)) == 2
