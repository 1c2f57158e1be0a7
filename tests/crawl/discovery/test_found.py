"""What an entry adds to an article."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from archiver.article import Article, Author, DiscoveredVia
from archiver.crawl.discovery.found import Found, fill, instant
from archiver.page.dates import Moment

URL = "https://example.com/a"
ENTRY = Found(
    url=URL,
    kind="feed",
    via="https://example.com/feed/",
    title="Ferry returns",
    authors=(Author("Ann Lee"),),
    published=Moment("2019-02-07T18:21:30+01:00", "second", "Thu, 07 Feb 2019 18:21:30 +0100", "feed"),
    modified=Moment("2019-02-08", "day", "2019-02-08", "feed"),
    language="en",
    section="Ports",
    tags=("storms",),
)


def test_an_entry_fills_what_the_page_lacks() -> None:
    article = fill(Article(url=URL), ENTRY)
    assert (article.title, article.authors, article.language) == ("Ferry returns", (Author("Ann Lee"),), "en")
    assert (article.section, article.tags) == ("Ports", ("storms",))
    assert (article.published_at, article.published_precision) == ("2019-02-07T18:21:30+01:00", "second")
    assert (article.published_raw, article.published_source) == ("Thu, 07 Feb 2019 18:21:30 +0100", "feed")
    assert (article.modified_at, article.modified_raw) == ("2019-02-08", "2019-02-08")
    assert article.discovered_via == DiscoveredVia("feed", "https://example.com/feed/")


def test_what_the_page_says_goes_first() -> None:
    article = Article(
        url=URL,
        title="Own",
        authors=(Author("Bo Ek"),),
        published_at="2019-02-06",
        published_precision="day",
        published_source="meta",
        modified_at="2019-02-06",
        language="de",
        section="News",
        tags=("own",),
    )
    filled = fill(article, ENTRY)
    assert filled.discovered_via
    assert {**filled.to_json(), "discovered_via": None} == article.to_json()


@pytest.mark.parametrize("source", ["url", "htmldate"])
def test_an_entrys_date_goes_before_a_guess(source: str) -> None:
    article = Article(url=URL, published_at="2019-02-01", published_precision="day", published_source=source)
    assert fill(article, ENTRY).published_source == "feed"


def test_the_lastmod_of_a_sitemap_is_no_modification_of_the_article() -> None:
    entry = Found(url=URL, kind="sitemap", via=URL, modified=Moment("2019-02-08", "day", "2019-02-08", "sitemap"))
    assert fill(Article(url=URL), entry).modified_at is None


def test_a_date_beside_a_link_is_no_publication_date() -> None:
    entry = Found(url=URL, kind="section", via=URL, published=Moment("2019-02-08", "day", "2019-02-08", "section"))
    assert fill(Article(url=URL), entry).published_at is None


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2019-02-07T18:21:30+01:00", datetime(2019, 2, 7, 17, 21, 30, tzinfo=UTC)),
        ("2019-02-07T18:21", datetime(2019, 2, 7, 18, 21, tzinfo=UTC)),
        ("2019-02-07", datetime(2019, 2, 7, tzinfo=UTC)),
    ],
)
def test_moments_sort_as_utc(value: str, date: datetime) -> None:
    assert instant(Moment(value, "minute", value, "feed")) == date


def test_the_latest_date_of_an_entry_counts_as_its_change() -> None:
    assert ENTRY.changed_at == datetime(2019, 2, 8, tzinfo=UTC)
    assert Found(url=URL, kind="link", via=URL).changed_at is None
