"""Does a URL look like an article's?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from archiver.crawl.discovery.found import Found, Judgement
from archiver.crawl.discovery.shapes import has_words, judged, looks_like_article, page_number, trap
from archiver.page.dates import Moment

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "path",
    [
        "/2019/02/07/ferry",
        "/2019/02/07/ferry-returns-after-storm.html",
        "/world/2019/feb/07/ferry-returns",
        "/news/20190207/ferry",
        "/politics/minister-resigns-over-harbour-plan",
        "/politik/minister-tritt-zurueck-wegen-hafenplan-a-1234567.html",
        "/news/world-europe-47151234",
        "/news/article/minister-resigns-today",
        "/story/492621/americans-gradually-leave",
        "/news/local/article283401873.html",
        "/nieuws/artikel/5089123/kabinet-valt-over-havenplan",
        "/?p=12345",
        "/index.php?id=4711",
        "/news/%E6%B8%AF%E3%81%AE%E3%83%95%E3%82%A7%E3%83%AA%E3%83%BC%E5%86%8D%E9%96%8B",
        "/politics/a-long-look-at-the-login-page",
        "/weather/storm-ingrid-shuts-the-coast-road",
    ],
)
def test_article_urls_are_likely(path: str) -> None:
    judgement = looks_like_article("https://example.com" + path)
    assert judgement.likely, judgement


@pytest.mark.parametrize(
    "path",
    [
        "/", "", "/index.html", "/de/", "/politics", "/politics/", "/news/europe", "/tag/ferries", "/tags/a-b",
        "/author/jo-doe", "/autor/jo-doe/", "/category/news/", "/kategorie/sport", "/etiqueta/puerto", "/auteur/jo",
        "/thema/hafen", "/login", "/subscribe/now", "/privacy-policy", "/impressum", "/mentions-legales",
        "/about-us", "/newsletter/", "/search?q=ferry", "/?s=ferry-returns-after-the-storm", "/2019/02/",
        "/2019/02/07/", "/archive/2019/02/07", "/page/2/", "/news/page/17",
        "/files/annual-report-of-the-harbour.pdf", "/images/ferry-returns-after-storm.jpg", "/podcast/episode.mp3",
        "/feed/", "/wp-login.php", "/cart", "/jobs/",
    ],
)  # fmt: skip
def test_urls_of_lists_services_and_files_are_not(path: str) -> None:
    judgement = looks_like_article("https://example.com" + path)
    assert not judgement.likely, judgement


def test_every_point_has_its_reason() -> None:
    judgement = looks_like_article("https://example.com/2019/02/07/ferry-returns-after-the-storm")
    assert judgement == Judgement(9, ("+4 a day in its path", "+4 a slug of 5 words", "+1 in a folder"))


def test_an_entry_of_a_feed_is_likely_unless_its_url_speaks_against_it() -> None:
    def judge(path: str) -> Judgement:
        entry = Found(url="https://example.com" + path, kind="feed", via="https://example.com/feed")
        return judged(entry)

    assert judge("/x7").likely
    assert not judge("/tag/x7").likely
    assert not judge("/x7.pdf").likely


def test_a_news_sitemap_and_a_publication_date_count() -> None:
    url, via = "https://example.com/x7", "https://example.com/news.xml"
    news = Found(url=url, kind="news-sitemap", via=via, published=Moment("2019-02-07", "day", "", "sitemap"))
    assert "+2 has a publication date" in judged(news).reasons
    assert judged(news).likely
    assert not judged(Found(url=url, kind="sitemap", via=via)).likely


def test_a_judgement_once_made_is_kept() -> None:
    entry = Found(
        url="https://example.com/", kind="link", via="https://example.com/", judgement=Judgement(9, ("+9 seen",))
    )
    assert judged(entry).reasons == ("+9 seen",)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.com/" + "a" * 3000, "longer than"),
        ("https://example.com/a/b/a/b/a/b", "repeats itself"),
        ("https://example.com" + "".join(f"/{number}" for number in range(14)), "levels deep"),
        ("https://example.com/a/http://example.com/b", "URL within"),
        ("https://example.com/a?" + "&".join(f"k{number}=1" for number in range(12)), "arguments"),
        ("https://example.com/a?f[]=1&f[]=2&f[]=3&f[]=4", "an argument repeated"),
        ("https://example.com/list?sort=a&order=b&view=c", "to leaf through"),
        ("https://example.com/events/?month=5", "to leaf through"),
        ("https://example.com/2031/05/", "the year 2031"),
        ("https://example.com/calendar/2027/05", "the year 2027"),
        ("https://[::1", "not a URL"),
    ],
)
def test_traps_are_recognised(url: str, reason: str) -> None:
    assert reason in (trap(url, now=NOW) or "")


@pytest.mark.parametrize(
    "url",
    ["https://example.com/2026/11/22/a-b", "https://example.com/news?page=2", "https://example.com/a/b/c?id=1&lang=de"],
)
def test_ordinary_urls_are_no_traps(url: str) -> None:
    assert trap(url, now=NOW) is None


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("https://example.com/news", 1),
        ("https://example.com/news/page/2/", 2),
        ("https://example.com/news?page=12&x=1", 12),
        ("https://example.com/nachrichten/seite-3", 3),
        ("https://example.com/news?paged=4", 4),
        ("https://[::1", 1),
    ],
)
def test_the_number_of_a_page(url: str, number: int) -> None:
    assert page_number(url) == number


def test_words_are_counted_in_every_writing() -> None:
    assert has_words("Ferry returns after storm", 4)
    assert has_words("港のフェリー再開", 4)
    assert not has_words("Weiterlesen →", 4)
