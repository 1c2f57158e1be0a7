"""A crawl of a site that misbehaves in every way we know; the long form is ``make soak``."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from archiver.crawl.middlewares import MOST_JARS, OfflineCookies
from archiver.crawl.site_spider import MOST_PAGES
from benchmarks.crawl.newspaper import FAULTS, RARE, Newspaper, number_of, serve
from tests.crawl.soak import CEILING, Soak, soak

PAGES = 600


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Soak:
    return soak(tmp_path_factory.mktemp("soak"), Newspaper(PAGES, faults=0.15))


def test_every_attempt_is_accounted_for(done: Soak) -> None:
    assert list(done.mistakes()) == []


def test_every_fault_was_met(done: Soak) -> None:
    faults = Counter(map(done.paper.fault_of, range(PAGES)))
    assert set(faults) == {None, *FAULTS, *RARE}
    asked = Counter(number_of(urlsplit(each["path"]).path) for each in done.answers)
    assert all(asked[number] >= 1 for number in range(PAGES))
    cut = [each for each in done.answers if not each["whole"]]
    assert len({done.paper.fault_of(number_of(urlsplit(each["path"]).path) or 0) for each in cut}) >= 6


def test_what_leads_on_for_ever_is_left_in_the_end(done: Soak) -> None:
    asked = Counter(each["path"].split("/")[1] for each in done.answers)
    assert asked["endless"] == MOST_PAGES + 1  # the second crawl reads the first page of the list again
    assert asked["phantom"] <= MOST_PAGES + 1
    assert asked["calendar"] <= 2 * MOST_PAGES
    assert not {"a", "find", "private"} & set(asked)


def test_memory_stays_below_the_ceiling(done: Soak) -> None:
    assert 0 < done.first.memory.peak < CEILING


def test_cookies_of_pages_long_done_are_let_go_of() -> None:
    jars = OfflineCookies().jars
    first = {number: jars[number] for number in range(MOST_JARS)}
    assert jars[0] is first[0]
    assert jars["one more"] is jars["one more"]
    assert len(jars) == MOST_JARS
    assert 0 in jars
    assert 1 not in jars


# The site itself: what it says it does is what its clients see.


def test_the_newspaper_says_what_is_wrong_with_each_article() -> None:
    one, same, other = (Newspaper(2000, 0.1, seed) for seed in (1, 1, 2))
    assert [one.fault_of(number) for number in range(2000)] == [same.fault_of(number) for number in range(2000)]
    assert [one.fault_of(number) for number in range(2000)] != [other.fault_of(number) for number in range(2000)]
    assert not any(map(Newspaper(2000).fault_of, range(2000)))


def test_the_newspaper_writes_down_what_it_sent(tmp_path: Path) -> None:
    paper = Newspaper(3, newest=datetime(2026, 11, 22, 12, tzinfo=UTC))
    with serve(paper, log=tmp_path / "log") as served:
        body = gzip.decompress(urlopen(served.url + paper.path_of(2)).read())
        sitemap = urlopen(f"{served.url}/sitemaps/0.xml.gz").read()
    assert b"NewsArticle" in body
    assert gzip.decompress(sitemap).count(b"<loc>") == 3
    assert [(each["path"], each["status"], each["whole"]) for each in served.answers()] == [
        ("/news/2026/11/22/two-boats-in-the-harbour-2.html", 200, True),
        ("/sitemaps/0.xml.gz", 200, True),
    ]
