"""The sites file: every mistake named by its line, sites found by URL, and rules by the day of the capture."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from archiver.archive import Archive, find_sites_file
from archiver.errors import BadRequest, BadSites
from archiver.extract import Page, extractor
from archiver.page.rules import Rule
from archiver.reading import article_of_snapshot
from archiver.sites import LADDER, Schedule, Site, Sites, parse_duration
from archiver.sites_file import parse_sites, read_sites
from archiver.toml_lines import key_lines
from tests.stories import story
from tests.wirelog import WireLog

FULL = """\
[[site]]
name = "courier"
homepage = "https://www.courier.example/"
hosts = ["courier-archive.example", "*.courier.example"]
labels = ["local", "coast"]
schedule = "0 6 * * MON-FRI"
timezone = "Europe/London"
feeds = ["/feed.xml", "https://feeds.example/courier"]
sitemaps = []
sections = "/news/"
article = ['/\\d{4}/\\d\\d/']
ignore = ['/members/']
delay = 2
concurrency = 1
requisites = true
revisit = ["1h", "1d", "1y"]

[[site.rule]]
field = "title"
css = "h1.new"
valid_from = 2017-01-01

[[site.rule]]
field = "title"
css = "h1.old"
valid_until = 2016-12-31

[[site]]
homepage = "http://plain.example"
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(BadSites) as caught:
        parse_sites(text)
    return list(caught.value.problems)


def test_every_key_is_read() -> None:
    courier, plain = parse_sites(FULL)
    assert courier == Site(
        name="courier",
        homepage="https://www.courier.example/",
        hosts=("courier-archive.example", "*.courier.example"),
        labels=("local", "coast"),
        schedule=Schedule("0 6 * * MON-FRI", "Europe/London"),
        feeds=("https://www.courier.example/feed.xml", "https://feeds.example/courier"),
        sitemaps=(),
        sections=("https://www.courier.example/news/",),
        article=(r"/\d{4}/\d\d/",),
        ignore=("/members/",),
        delay=2.0,
        concurrency=1,
        requisites=True,
        revisit=(timedelta(hours=1), timedelta(days=1), timedelta(days=365)),
        rules=(
            Rule(field="title", css="h1.new", valid_from=date(2017, 1, 1)),
            Rule(field="title", css="h1.old", valid_until=date(2016, 12, 31)),
        ),
    )
    assert (courier.line, [rule.line for rule in courier.rules], plain.line) == (1, [18, 23], 28)


def test_the_homepage_alone_is_enough() -> None:
    plain = parse_sites(FULL)[1]
    assert (plain.name, plain.feeds, plain.revisit, plain.schedule) == ("plain.example", None, LADDER, None)


BAD = """\
# a comment
[[site]]
name = "one"
homepge = "https://one.example/"
delay = "2"

[[site]]
name = "two"
homepage = "ftp://two.example/"
schedule = "every day"
feeds = [
  "/rss",
  7,
]
article = ["(", "ok"]

  [[site.rule]]
  field = "titel"
  css = "h1"

  [[site.rule]]
  field = "text"
  css = "div["
  valid_from = "2019-01-01"

[[site]]
name = "two"
homepage = "https://three.example/"
revisit = ["3h", "1h"]

[sites]
"""


def test_all_mistakes_are_named_at_once_each_with_its_line() -> None:
    found = mistakes(BAD)
    assert [line.partition(": ")[0].removeprefix("sites.toml:") for line in found] == [
        "2", "4", "5", "9", "10", "13", "15", "18", "24", "27", "29", "31",
    ]  # fmt: skip
    assert found[0] == "sites.toml:2: site 'one': homepage is missing, the only key that every site needs"
    assert found[1] == "sites.toml:4: site 'one': unknown key 'homepge'; did you mean 'homepage'?"
    assert found[2] == "sites.toml:5: site 'one': delay: this has to be a number of seconds, 0 to 3600"
    assert "only http and https pages" in found[3]
    assert "'every day' is no schedule" in found[4]
    assert found[5] == "sites.toml:13: site 'two': feeds: this has to be a text"
    assert "article: '(' is no regular expression" in found[6]
    assert "did you mean 'title'?" in found[7]
    assert found[8] == "sites.toml:24: site 'two': valid_from has to be a date without quotes, such as 2019-02-07"
    assert found[9] == "sites.toml:27: site 'two': the site in line 7 has this name too"
    assert "may not become shorter" in found[10]
    assert found[11] == "sites.toml:31: unknown key 'sites'; did you mean 'site'?"


def test_a_selector_that_cannot_be_read_is_named() -> None:
    text = '[[site]]\nhomepage = "https://a.example/"\n[[site.rule]]\nfield = "text"\ncss = "div["\n'
    assert mistakes(text)[0].startswith("sites.toml:5: site 'a.example': 'div[' is no CSS selector:")


@pytest.mark.parametrize(
    ("second", "line", "words"),
    [
        ('name = "a"\nhomepage = "https://b.example/"', 4, "the site in line 1 has this name too"),
        ('homepage = "https://www.a.example"', 4, "the site in line 1 has this homepage too"),
    ],
)
def test_twins_are_mistakes(second: str, line: int, words: str) -> None:
    (found,) = mistakes(f'[[site]]\nname = "a"\nhomepage = "https://a.example/"\n[[site]]\n{second}\n')
    assert found.startswith(f"sites.toml:{line + 1}: ")
    assert words in found


def test_a_homepage_that_is_no_url_is_a_mistake() -> None:
    (found,) = mistakes('[[site]]\nhomepage = "http://[::1"\n')
    assert found.startswith("sites.toml:2: homepage: 'http://[::1' is not a URL")


def with_rules(*spans: str) -> str:
    rules = "".join(f'[[site.rule]]\nfield = "title"\ncss = "h1"\n{span}\n' for span in spans)
    return f'[[site]]\nhomepage = "https://a.example/"\n{rules}'


def test_times_that_overlap_in_part_are_a_mistake() -> None:
    (found,) = mistakes(with_rules("valid_until = 2019-06-30", "valid_from = 2019-06-30"))
    assert found.startswith("sites.toml:7: site 'a.example': its time overlaps in part with that of the rule of line 3")
    assert "until 2019-06-30" in found


@pytest.mark.parametrize(
    "spans",
    [
        ("valid_until = 2019-06-30", "valid_from = 2019-07-01"),
        ("valid_until = 2019-06-30", ""),
        ("valid_until = 2019-06-30", "valid_until = 2019-06-30"),
        ("", ""),
    ],
)
def test_times_apart_equal_or_within_each_other_are_none(spans: tuple[str, str]) -> None:
    assert len(parse_sites(with_rules(*spans))[0].rules) == 2


def test_what_is_no_toml_is_told_with_its_line() -> None:
    assert mistakes("[[site]]\nname = \n")[0].startswith("sites.toml:2: this is no TOML: ")
    assert mistakes("[[site]]\nname = '''")[0].startswith("sites.toml:2: this is no TOML: ")
    assert mistakes('[site]\nhomepage = "https://a.example/"')[0] == (
        "sites.toml:1: a site is written as [[site]], in double brackets, and its keys below"
    )


def test_one_mistake_stands_for_all_where_there_is_one_line_only() -> None:
    with pytest.raises(BadSites) as caught:
        parse_sites(BAD)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("(and 11 more; `archiver sites check` lists them all)")


def test_lines_are_right_where_toml_makes_it_hard() -> None:
    text = 'a = """\n[[site]]\n""""\n"b.c" = [ # [\n 1.5, {d = \'}\'},\n]\n'
    text += "[[s]]\r\n[[s.r]]\n[[s.r]]\nx.y = 2020-01-01\n[[s]]\n"
    assert key_lines(text) == {
        ("a",): 1, ("b.c",): 4, ("b.c", 0): 5, ("b.c", 1): 5, ("b.c", 1, "d"): 5, ("s",): 7, ("s", 0): 7,
        ("s", 0, "r"): 8, ("s", 0, "r", 0): 8, ("s", 0, "r", 1): 9, ("s", 0, "r", 1, "x"): 10,
        ("s", 0, "r", 1, "x", "y"): 10, ("s", 1): 11,
    }  # fmt: skip


def test_a_schedule_is_an_interval_or_cron_in_its_time_zone() -> None:
    noon = datetime(2026, 3, 27, 12, tzinfo=UTC)  # a Friday; clocks change on the Sunday
    assert Schedule("15m").next_after(noon) == datetime(2026, 3, 27, 12, 15, tzinfo=UTC)
    assert Schedule("0 6 * * *").next_after(noon) == datetime(2026, 3, 28, 6, tzinfo=UTC)
    assert Schedule("0 6 * * MON", "Europe/London").next_after(noon) == datetime(2026, 3, 30, 5, tzinfo=UTC)
    assert Schedule("1h 30m").interval == timedelta(minutes=90)


@pytest.mark.parametrize("text", ["", "often", "10s", "0 6 * *", "61 * * * *", "0 0 30 2 *", "* * * * * *", "15 m m"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"length of time|schedule|cron|never|often"):
        Schedule(text)


def test_a_duration_is_bounded() -> None:
    with pytest.raises(ValueError):
        parse_duration("9" * 50 + "d")


COURIER = Site(name="courier", homepage="https://www.courier.example/", hosts=("*.courier.example", "old.example"))
SPORT = Site(name="sport", homepage="https://courier.example/sport/")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://courier.example/a", "courier"),
        ("http://WWW.Courier.example:8080/a", "courier"),
        ("https://live.courier.example/a", "courier"),
        ("https://www.old.example/a", "courier"),
        ("https://www.courier.example/sport/rowing", "sport"),
        ("https://www.courier.example/sport", "sport"),
        ("https://www.courier.example/sports", "courier"),
        ("https://notcourier.example/", None),
        ("https://a.old.example/", None),
        ("http://[::1/", None),
    ],
)
def test_a_site_is_found_by_the_host_of_a_url(url: str, name: str | None) -> None:
    found = Sites([COURIER, SPORT]).of(url)
    assert (found.name if found else None) == name
    assert found is None or found.covers(url)


def test_a_page_far_from_its_sites_homepage_is_still_its() -> None:
    assert Sites([SPORT]).of("https://courier.example/culture/a") is SPORT


def test_a_site_is_found_by_name_or_a_near_one_is_named() -> None:
    sites = Sites([COURIER])
    assert sites.named("courier") is COURIER
    with pytest.raises(BadRequest, match="did you mean 'courier'"):
        sites.named("couriers")


def test_patterns_say_what_may_be_an_article() -> None:
    site = replace(COURIER, article=(r"/\d{4}/", r"--\d+\.html$"), ignore=("/members/",))
    assert site.may_be_article("https://courier.example/2019/a")
    assert site.may_be_article("https://courier.example/x--1.html")
    assert not site.may_be_article("https://courier.example/members/2019/a")
    assert not site.may_be_article("https://courier.example/about")
    assert COURIER.may_be_article("https://courier.example/about")


def test_a_pattern_that_explodes_matches_nothing() -> None:
    site = replace(COURIER, article=("(a|aa)+$",))
    assert not site.may_be_article("https://courier.example/" + "a" * 1000 + "!")


def test_a_site_can_be_moved_to_a_copy_of_it() -> None:
    moved = replace(COURIER, feeds=("/rss?x=1",), sections=("/news/",)).moved_to("http://127.0.0.1:8463/")
    assert moved.feeds == ("http://127.0.0.1:8463/rss?x=1",)
    assert moved.sections == ("http://127.0.0.1:8463/news/",)
    assert moved.covers("http://127.0.0.1:8463/a")
    assert (moved.name, moved.sitemaps) == ("courier", None)


def test_a_site_in_code_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"site 'x y': name: .*; delay: "):
        Site(name="x y", homepage="https://a.example/", delay=-1)
    with pytest.raises(ValueError, match="overlaps in part"):
        Site(
            homepage="https://a.example/",
            rules=(
                Rule(field="title", css="h1", valid_until=date(2019, 1, 2)),
                Rule(field="title", css="h2", valid_from=date(2019, 1, 1)),
            ),
        )


OLD_AND_NEW = replace(
    COURIER,
    rules=(
        Rule(field="title", css=".new", valid_from=date(2017, 1, 1)),
        Rule(field="title", css=".old", valid_until=date(2016, 12, 31)),
        Rule(field="section", css=".s"),
    ),
)


def test_rules_are_those_of_the_day_in_utc() -> None:
    sites, url = Sites([OLD_AND_NEW]), "https://courier.example/a"
    new, old, always = OLD_AND_NEW.rules
    assert sites.rules_for(url, date(2016, 12, 31)) == (old, always)
    assert sites.rules_for(url, date(2017, 1, 1)) == (new, always)
    assert sites.rules_for(url, "20161231235959") == (old, always)
    assert sites.rules_for(url, datetime.fromisoformat("2017-01-01T00:30:00+01:00")) == (old, always)
    assert sites.rules_for("https://other.example/", date(2017, 1, 1)) == ()
    assert sites.rules_for("https://other.example/", date(2017, 1, 1), site="courier") == (new, always)


def test_a_page_is_prepared_with_its_site_and_rules() -> None:
    page = Page(
        "https://courier.example/a", "https://courier.example/a", 200, (), b"", datetime(2018, 1, 1, tzinfo=UTC)
    )
    sites = Sites([OLD_AND_NEW])
    prepared = sites.prepared(page)
    assert (prepared.site, prepared.rules) == ("courier", (OLD_AND_NEW.rules[0], OLD_AND_NEW.rules[2]))
    assert sites.extractor_for(page.url, page.captured_at) == extractor(prepared.rules, "courier")
    stranger = replace(page, url="https://other.example/")
    assert sites.prepared(stranger) == stranger
    assert sites.prepared(stranger, site="gone").site == "gone"
    assert sites.extractor_for(stranger.url, page.captured_at) == extractor()


def test_the_file_is_the_one_named_or_the_one_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_sites_file() is None
    (tmp_path / "sites.toml").write_text(FULL)
    (tmp_path / "other.toml").write_text(FULL)
    assert find_sites_file() == Path("sites.toml")
    monkeypatch.setenv("ARCHIVER_SITES", "other.toml")
    assert find_sites_file() == Path("other.toml")
    assert find_sites_file("sites.toml") == Path("sites.toml")
    with pytest.raises(BadRequest, match="no sites file nowhere"):
        find_sites_file("nowhere.toml")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"\xff\xfe[[site]]")
    with pytest.raises(BadSites, match="not UTF-8"):
        read_sites(path)
    path.write_bytes(b"\xef\xbb\xbf" + FULL.encode())
    assert len(read_sites(path)) == 2


PAGE = story("A title for everybody").replace("<h1>", '<h2 class="right">The right title</h2><h1>')


@pytest.fixture
def sites_file(tmp_path: Path, server: WireLog) -> Path:
    path = tmp_path / "mine.toml"
    rule = '[[site.rule]]\nfield = "title"\ncss = "h2.right"\n'
    path.write_text(f'[[site]]\nname = "mine"\nhomepage = "{server.http}/"\n{rule}')
    return path


def test_a_saved_page_is_read_by_the_rules_of_its_site(tmp_path: Path, server: WireLog, sites_file: Path) -> None:
    url = server.page("/story", PAGE)
    with Archive.open(tmp_path / "archive", sites=sites_file) as archive:
        saved = archive.save(url, allow_private=True)
        assert saved.article is not None
        assert (saved.article.title, saved.article.site) == ("The right title", "mine")
        assert archive.index.count_by("site") == [("mine", 1)]
        again = article_of_snapshot(archive, saved)
        assert (again.title, again.site, again.extractor) == ("The right title", "mine", saved.article.extractor)
        assert again.extractor == archive.sites.extractor_for(url, saved.date)
    with Archive.open(tmp_path / "archive") as archive:
        plain = article_of_snapshot(archive, archive.snapshot(url))
        assert (plain.title, plain.site) == ("A title for everybody", None)


def test_a_mistake_in_the_file_shows_before_anything_is_fetched(
    tmp_path: Path, server: WireLog, sites_file: Path
) -> None:
    sites_file.write_text('[[site]]\nhomepge = "x"\n')
    with Archive.open(tmp_path / "archive", sites=sites_file) as archive:
        with pytest.raises(Exception, match=r"mine\.toml:1: homepage is missing"):
            archive.save(server.page("/story", PAGE), allow_private=True)
        assert server.hits == {}


def test_sites_declared_by_spiders_are_found() -> None:
    from archiver.crawl.sites import load_sites

    assert os.environ.get("SCRAPY_SETTINGS_MODULE") is None
    sharecast = load_sites(None).of("https://sharecast.com/news/a--1.html")
    assert sharecast is not None
    assert (sharecast.name, sharecast.line) == ("sharecast", None)


def test_a_site_in_the_file_stands_before_its_namesake_in_code(tmp_path: Path) -> None:
    from archiver.crawl.sites import load_sites

    path = tmp_path / "sites.toml"
    path.write_text('[[site]]\nname = "sharecast"\nhomepage = "https://www.sharecast.com/"\n')
    assert load_sites(path).named("sharecast").rules == ()


def test_the_documentation_names_every_key_and_its_examples_are_right() -> None:
    from archiver.page.rules import FIELDS, RULE_KEYS
    from archiver.sites import CHECKS

    text = (Path(__file__).parents[2] / "docs/sites.md").read_text("utf-8")
    for key in (*CHECKS, "timezone", *RULE_KEYS, *FIELDS):
        assert f"`{key}`" in text, key
    examples = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    assert all(parse_sites(example) for example in examples)
