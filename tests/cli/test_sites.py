"""``archiver sites``, and commands that read pages of configured sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command, Place
from tests.stories import story
from tests.wirelog import WireLog

HEAD = '<script type="application/ld+json">{"@type": "NewsArticle", "datePublished": "2019-02-07T10:00:00Z"}</script>'
PAGE = story("Everybody's title", head=HEAD).replace(
    "<h1>", '<h2 class="right">The right title</h2><p class="author">Ann Lee</p><h1>'
)
RULES = """
[[site.rule]]
field = "title"
css = "h2.right"

[[site.rule]]
field = "authors"
css = ".author"

[[site.rule]]
field = "title"
css = "h2.older"
valid_until = 2018-12-31
"""


def write(home: Path, server: WireLog, rules: str = RULES, name: str = "sites.toml") -> None:
    entry = f'[[site]]\nname = "courier"\nhomepage = "{server.http}/"\nschedule = "15m"\n'
    (home / name).write_text(entry + rules)


def test_sites_are_listed_those_of_the_file_and_those_in_code(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server)
    lines = [line.split() for line in archiver("sites", "list").lines]
    assert lines[0] == ["name", "homepage", "schedule", "rules", "written", "in"]
    assert lines[1] == ["courier", f"{server.http}/", "15m", "3", "sites.toml:1"]
    assert lines[2][0] == "sharecast"
    assert lines[2][-1] == "code"
    courier, sharecast = archiver("sites", "list", "--json").objects
    assert (courier["name"], courier["homepage"], courier["schedule"]) == ("courier", f"{server.http}/", "15m")
    assert courier["rules"][2]["valid_until"] == "2018-12-31"
    assert sharecast["line"] is None
    assert not (archiver.home / "archive").exists()


def test_without_a_file_only_sites_in_code_are_there(archiver: Command) -> None:
    assert [site["name"] for site in archiver("sites", "list", "--json").objects] == ["sharecast"]
    assert "there is no sites file" in archiver("sites", "check").out


def test_check_alone_says_that_the_file_is_sound(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server)
    assert archiver("sites", "check").lines == ["sites.toml: 1 sites with 3 rules, all in order"]
    assert archiver("sites", "check", "--json").object == {"file": "sites.toml", "sites": 1, "rules": 3}
    assert server.hits == {}


def test_check_names_every_mistake_in_a_line_of_its_own(archiver: Command) -> None:
    (archiver.home / "sites.toml").write_text('[[site]]\nhomepge = "x"\ndelay = "1"\n')
    for command in ("check", "list"):
        done = archiver("sites", command, code=2)
        assert done.out == ""
        assert [line.partition(": ")[0] for line in done.err.splitlines()] == [
            "sites.toml:1", "sites.toml:2", "sites.toml:3",
        ]  # fmt: skip
        assert "did you mean 'homepage'?" in done.err


def test_check_shows_how_a_page_is_read_and_by_what(place: Place, server: WireLog) -> None:
    archiver, url = place.command, server.page("/story", PAGE)
    write(archiver.home, server)
    done = archiver("sites", "check", "courier", "--url", url, "--allow-private")
    table = {line.split("  ")[0]: line for line in done.lines}
    assert "The right title" in table["title"]
    assert "rule in line 6" in table["title"]
    assert table["title"].endswith("Everybody's title")
    assert "rule in line 10" in table["authors"]
    assert table["published_at"].split()[-6:] == [
        "2019-02-07T10:00:00+00:00",
        "generic",
        "reader",
        "(json-ld)",
        "the",
        "same",
    ]
    assert "not in force: valid until 2018-12-31" in done.out
    assert len(archiver("snapshots", url).lines) == 1
    assert place.leftovers() == []


def test_check_as_json_has_each_field_and_each_rule(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server)
    said = archiver("sites", "check", "--url", server.page("/story", PAGE), "--allow-private", "--json").object
    assert (said["site"], said["outcome"], said["sound"]) == ("courier", "saved", True)
    fields = {each["field"]: each for each in said["fields"]}
    assert fields["title"] == {
        "field": "title", "value": "The right title", "source": "rule in line 6", "generic": "Everybody's title",
    }  # fmt: skip
    assert fields["authors"]["value"] == [{"name": "Ann Lee", "url": None}]
    assert fields["text"]["source"] == "generic reader"
    assert [(rule["line"], rule["found"]) for rule in said["rules"]] == [
        (6, "value"),
        (10, "value"),
        (14, "not in force"),
    ]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('field = "section"\ncss = ".nowhere"', "nothing"),
        ('field = "remove"\ncss = ".nowhere"', "nothing"),
        ('field = "published_at"\ncss = ".author"', "nothing, of 1 selected"),
        ('field = "text"\nxpath = "//p/text()"', "error: it selects something else than elements"),
    ],
)
def test_a_rule_that_finds_nothing_fails_the_check(archiver: Command, server: WireLog, rule: str, found: str) -> None:
    write(archiver.home, server, f"{RULES}\n[[site.rule]]\n{rule}\n")
    url = server.page("/story", PAGE)
    done = archiver("sites", "check", "courier", "--url", url, "--allow-private", code=1)
    (line,) = [line for line in done.lines if line.startswith("rule in line 19  ")]
    assert line.endswith(f"  {found}")


def test_a_rule_that_is_not_needed_may_find_nothing(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server, f'{RULES}\n[[site.rule]]\nfield = "title"\ncss = "h7"\n')
    archiver("sites", "check", "courier", "--url", server.page("/story", PAGE), "--allow-private")


def test_without_a_url_what_is_found_is_shown_and_one_article_is_read(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server)
    path = "/2026/11/22/the-wall-held-through-the-night"
    server.page("/", f'<main><h2><a href="{path}">The wall held through the night</a></h2></main>')
    server.page(path, PAGE)
    checked = archiver("sites", "check", "courier", "--json", "--allow-private", "--delay", "0").object
    assert {"kind": "section", "url": server.http + "/", "entries": 1} in checked["found"]
    assert "The right title" in archiver("sites", "check", "courier", "--allow-private", "--delay", "0").out, "again"
    assert server.hits[path] == 1


def test_a_site_without_articles_is_told(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server)
    server.page("/", "<html><body><h1>Courier</h1><p>No story here.</p></body></html>")
    done = archiver("sites", "check", "courier", "--allow-private", "--delay", "0", code=1)
    assert "no article of courier was found there" in done.complaint


def test_an_old_capture_is_checked_by_the_rules_of_today_or_of_its_day(archiver: Command, server: WireLog) -> None:
    url = server.page("/story", PAGE)
    archiver("save", "--allow-private", url)
    write(archiver.home, server)
    server.page("/story", "gone meanwhile", status="410 Gone")
    assert "The right title" in archiver("sites", "check", "--url", url, "--at", "2026").out
    assert server.hits == {"/story": 1}


def test_what_cannot_be_checked_is_told_in_a_line(archiver: Command, server: WireLog) -> None:
    write(archiver.home, server)
    assert (
        "no site is called 'courir' in sites.toml; did you mean 'courier'?"
        in archiver("sites", "check", "courir", code=2).complaint
    )
    assert (
        "is on no host of a configured site"
        in archiver("sites", "check", "--url", "https://other.example/", code=2).complaint
    )
    refused = archiver("sites", "check", "courier", code=1).complaint
    assert "private" in refused


def test_save_reads_a_page_by_the_rules_of_its_site(place: Place, server: WireLog) -> None:
    archiver, url = place.command, server.page("/story", PAGE)
    write(archiver.home, server, name="mine.toml")
    done = archiver("save", "--allow-private", "--sites", "mine.toml", url)
    assert done.lines == [f'saved       {url}  "The right title" (version 1)']
    article = archiver("get", url, "--json").object
    assert (article["site"], article["title"], article["authors"][0]["name"]) == (
        "courier",
        "The right title",
        "Ann Lee",
    )
    assert ", rules of courier " in article["extractor"]["profile"]
    assert archiver("stats", "--by", "site").lines[-1].split() == ["courier", "1"]


def test_the_environment_names_the_file_too(archiver: Command, server: WireLog) -> None:
    url = server.page("/story", PAGE)
    write(archiver.home, server, name="mine.toml")
    done = archiver("save", "--allow-private", url, env={"ARCHIVER_SITES": "mine.toml"})
    assert '"The right title"' in done.out


def test_scrapy_reads_by_the_rules_too(archiver: Command, server: WireLog) -> None:
    url = server.page("/story", PAGE)
    write(archiver.home, server, name="mine.toml")
    project = {"SCRAPY_SETTINGS_MODULE": "archiver.settings"}
    settings = ("-s", "ARCHIVER_ALLOW_PRIVATE=1", "-s", "ARCHIVER_SITES=mine.toml")
    archiver("crawl", "page", "-a", f"url={url}", *settings, script="scrapy", env=project)
    assert archiver("get", url, "--json").object["title"] == "The right title"


def test_a_named_file_that_is_not_there_is_an_error(archiver: Command, server: WireLog) -> None:
    url = server.page("/story", PAGE)
    for command in (("save", url), ("sites", "list"), ("stats",)):
        done = archiver(*command, "--sites", "nowhere.toml", code=2)
        assert done.complaint == "archiver: there is no sites file nowhere.toml; docs/sites.md says how one is written"
    assert server.hits == {}


def test_a_mistake_in_the_file_stops_a_save_before_anything_is_fetched(archiver: Command, server: WireLog) -> None:
    (archiver.home / "sites.toml").write_text('[[site]]\nhomepge = "x"\ndelay = "1"\n')
    done = archiver("save", "--allow-private", server.page("/story", PAGE), code=2)
    assert done.complaint.startswith("archiver: sites.toml:1: homepage is missing")
    assert done.complaint.endswith("(and 2 more; `archiver sites check` lists them all)")
    assert server.hits == {}
