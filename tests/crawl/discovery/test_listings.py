"""What pages that list articles tell."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.crawl.discovery.found import Discovered, Found
from archiver.crawl.discovery.listings import MOST_LINKS, is_feed_url, judge_links, known_feeds, read_listing

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOME = "https://www.example.com/"

FRONT = """<!doctype html><html lang="en-GB"><head><title>The Paper</title>
<link rel="alternate" type="application/rss+xml" title="Paper » Comments Feed" href="/comments/feed/">
<link rel="alternate" type="application/rss+xml" title="Paper » Feed" href="/feed/">
<link rel="alternate" type="application/json+oembed" href="/wp-json/oembed/1.0/embed">
<link rel="alternate" type="application/json" href="/wp-json/wp/v2/pages/7">
<link rel="alternate" type="application/feed+json" href="/feed.json">
<link rel="alternate" hreflang="de" href="/de/">
</head><body>
<header><a href="/"><img alt="The Paper" src="l.png"></a>
<nav class="main"><ul><li><a href="/politics">Politics</a><li><a href="/sport/football/">Football</a>
<li><a href="/login">Log in</a><li><a href="/tag/storms">Storms</a><li><a href="https://shop.example.org/">Shop</a>
<li><a href="/epaper.pdf">E-paper</a></ul></nav></header>
<main>
<article><a href="/politics/minister-resigns-over-plan"><img alt="A minister" src="m.jpg"></a>
<h2><a href="/politics/minister-resigns-over-plan#top">Minister resigns over harbour plan</a></h2>
<time datetime="2026-11-21T18:21:00+00:00">yesterday</time>
<a rel="author" href="/people-of-the-paper/ann-lee-is-here">Ann Lee</a>
<a href="/politics/minister-resigns-over-plan?utm_source=home">Read more</a></article>
<div class="teaser"><a href="/x/c5y4p6"><h3>Ferry returns after the storm</h3><p>It was late.</p></a></div>
<a href="https://sport.example.com/2026/11/20/cup-final">Cup final tonight: what you need to know</a>
<a href="https://elsewhere.example.org/2026/11/20/some-story-of-others">Some story of others</a>
<a href="/tag/ferries-and-other-ships">All about ferries and ships</a>
<a href="/files/annual-report-of-the-harbour.pdf">The annual report of the harbour</a>
<a href="mailto:news@example.com">Write to us about anything</a><a>no address at all</a>
</main>
<footer><a href="/2019/01/01/our-editorial-code">Our code</a><a href="/privacy">Privacy</a></footer>
</body></html>"""


def read(body: str, url: str = HOME, *, subdomains: bool = True) -> Discovered:
    return read_listing(
        body.encode("utf-8", "surrogatepass"),
        url,
        now=NOW,
        content_type="text/html; charset=utf-8",
        subdomains=subdomains,
    )


def page(*parts: str) -> str:
    return "<html><body>" + "".join(parts) + "</body></html>"


def entry(path: str) -> Found:
    return next(each for each in read(FRONT).entries if each.url.endswith(path))


def test_articles_are_told_from_the_rest_of_a_front_page() -> None:
    assert [each.url for each in read(FRONT).entries] == [
        "https://www.example.com/politics/minister-resigns-over-plan",
        "https://www.example.com/x/c5y4p6",
        "https://sport.example.com/2026/11/20/cup-final",
    ]


def test_the_site_can_be_its_host_alone() -> None:
    assert len(read(FRONT, subdomains=False).entries) == 2


def test_a_teasers_picture_headline_and_more_are_one_entry() -> None:
    found = entry("/minister-resigns-over-plan")
    assert found.title == "Minister resigns over harbour plan"
    assert found.published
    assert (found.published.value, found.published.source) == ("2026-11-21T18:21:00+00:00", "section")
    assert (found.kind, found.via) == ("section", HOME)


def test_the_reasons_are_kept() -> None:
    found = entry("/c5y4p6")
    assert found.title == "Ferry returns after the storm"
    assert found.judgement
    assert {"+2 linked by a headline", "+2 in a heading"} < {*found.judgement.reasons}


def test_a_service_above_a_headline_is_believed_only_with_more_evidence() -> None:
    path = "/shop/why-the-old-harbour-shop-closes"
    assert read(page(f"<a href='{path}'>Shop</a>")).entries == ()
    (found,) = read(page(f"<h2><a href='{path}'>Why the old harbour shop closes</a></h2>")).entries
    assert found.judgement
    assert "-3 service: /shop/" in found.judgement.reasons


def test_every_link_can_be_asked_why_it_was_not_taken() -> None:
    judged = dict(judge_links(FRONT.encode(), HOME, now=NOW))
    assert "-4 in a menu or the footer" in judged["https://www.example.com/2019/01/01/our-editorial-code"].reasons
    assert "-8 list: /tag/" in judged["https://www.example.com/tag/ferries-and-other-ships"].reasons
    assert "-8 rel=author" in judged["https://www.example.com/people-of-the-paper/ann-lee-is-here"].reasons
    assert judged["https://www.example.com/files/annual-report-of-the-harbour.pdf"].reasons == (
        "-10 a file: .pdf",
        "+2 linked by a headline",
    )


def test_sections_come_from_the_menus() -> None:
    assert [(section.url, section.title) for section in read(FRONT).sections] == [
        ("https://www.example.com/politics", "Politics"),
        ("https://www.example.com/sport/football/", "Football"),
    ]


def test_feeds_of_articles_are_named_and_those_of_comments_left_out() -> None:
    assert [feed.url for feed in read(FRONT).feeds] == [
        "https://www.example.com/feed/",
        "https://www.example.com/feed.json",
    ]


def test_the_main_feed_comes_before_those_of_a_section_an_author_or_a_podcast() -> None:
    kind = 'rel="alternate" type="application/rss+xml"'
    found = read(
        f'<html><head><link {kind} title="Podcast" href="/podcast/feed"><link {kind} href="/author/jo/feed/">'
        f'<link {kind} href="/feed/">'
        f'<link {kind} href="/sport/football/feed/"></head><body><a href="/rss/world.xml">RSS</a>'
        '<a href="https://feeds.feedburner.com/paper">x</a></body></html>'
    )
    urls = [feed.url.removeprefix(HOME) for feed in found.feeds]
    assert urls[:2] == ["feed/", "sport/football/feed/"]
    assert {*urls[2:]} == {"podcast/feed", "author/jo/feed/", "rss/world.xml", "https://feeds.feedburner.com/paper"}


@pytest.mark.parametrize(
    ("url", "is_feed"),
    [
        ("https://example.com/feed", True),
        ("https://example.com/feeds/posts/default", True),
        ("https://example.com/news/rss.xml", True),
        ("https://example.com/?feed=rss2", True),
        ("https://feeds.example.com/news", True),
        ("https://example.com/index.rdf", True),
        ("https://example.com/feeding-the-ducks", False),
        ("https://example.com/rss-explained-for-readers", False),
        ("https://example.com/wp-json/feed", False),
    ],
)
def test_urls_of_feeds(url: str, is_feed: bool) -> None:
    assert is_feed_url(url) is is_feed


def test_relative_links_follow_the_base_of_the_page() -> None:
    body = page(
        "<base href='https://www.example.com/news/'>",
        "<h2><a href='ferry-returns-after-storm'>Ferry returns after storm</a></h2>",
    )
    assert [each.url for each in read(body, "https://www.example.com/x/y").entries] == [
        "https://www.example.com/news/ferry-returns-after-storm"
    ]


def test_an_amp_edition_beside_its_page_is_left_out() -> None:
    links = "".join(
        f"<h2><a href='/2026/11/20/{name}'>Ferry returns after storm</a></h2>"
        for name in ("a-ferry", "a-ferry/amp", "b/amp")
    )
    assert [each.url.rpartition("/20/")[2] for each in read(page(links)).entries] == ["a-ferry", "b/amp"]


@pytest.mark.parametrize(
    ("url", "markup", "next_page"),
    [
        ("https://example.com/news", "<link rel='next' href='/news?page=2'>", "https://example.com/news?page=2"),
        (
            "https://example.com/news",
            "<a rel='nofollow next' href='/news/page/2/'>Older</a>",
            "https://example.com/news/page/2/",
        ),
        (
            "https://example.com/news",
            "<a href='?page=2'>2</a><a href='?page=3'>3</a>",
            "https://example.com/news?page=2",
        ),
        (
            "https://example.com/news/page/2/",
            "<a href='/news/'>1</a><a href='/news/page/3/'>Next »</a>",
            "https://example.com/news/page/3/",
        ),
        (
            "https://example.com/news?x=1&page=2",
            "<a href='/news?x=1&page=3'>weiter</a>",
            "https://example.com/news?x=1&page=3",
        ),
        ("https://example.com/news", "<a href='/sport?page=2'>2</a>", None),
        ("https://example.com/news", "<a rel='next' href='https://example.org/news?page=2'>2</a>", None),
        ("https://example.com/news", "<a rel='next' href='/news#2'>2</a>", None),
        ("https://example.com/news?page=7", "<a rel='next' href='/news?page=9'>9</a>", None),
        ("https://example.com/news?page=100", "<a rel='next' href='/news?page=101'>101</a>", None),
    ],
)
def test_the_next_page_of_a_list(url: str, markup: str, next_page: str | None) -> None:
    assert read(page(markup), url).next_page == next_page


def test_calendars_and_filters_are_not_followed() -> None:
    days = [f"<a href='/calendar/2027/05/{day:02}'>Events of this very day</a>" for day in range(1, 29)]
    filters = [
        f"<a href='/list-of-all-good-articles?colour={one}&size={two}'>One more combination here</a>"
        for one in range(6)
        for two in range(6)
    ]
    found = read(page(*days, *filters))
    assert (found.entries, found.next_page) == ((), None)


@pytest.mark.parametrize("body", ["", "   ", "<!-- -->", "\0"])
def test_an_empty_page_lists_nothing(body: str) -> None:
    assert read(body).entries == ()


def test_common_places_of_feeds_are_on_the_sites_host() -> None:
    assert known_feeds("https://example.com/news/")[:2] == ["https://example.com/feed/", "https://example.com/rss"]


HOSTILE = {
    "links": page(
        *[f"<a href='/one-two-three-four-{number}'>Ferry returns after storm</a>" for number in range(60_000)]
    ),
    "depth": page("<div class='nav'>" * 20_000, "<a href='/one-two-three-four-five'>x</a>"),
    "dates in one article": page("<article>", "<time datetime='2019-02-07'>x</time><a href='/a'>x</a>" * 40_000),
    "feeds": "<link rel='alternate' type='application/rss+xml' href='/feed/'>" * 50_000,
    "long link": page(f"<a href='/{'a-' * 500_000}'>x</a>"),
    "long class": page(f"<div class='{'nav-' * 300_000}x'><a href='/one-two-three-four-five'>x</a></div>"),
    "headings in a link": page("<a href='/one-two-three-four-five'>", "<b>" * 200, "</b>" * 200, "</a>") * 400,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_pages_are_read_in_bounded_time(body: str) -> None:
    began = time.process_time()
    assert len(read(body).entries) <= MOST_LINKS
    assert time.process_time() - began < 20


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<a href='", "/one-two-three-four'", ">", "</a>", "<nav>", "<h2>", "<base href='", "http://[", "\x00", "é"]
        )
    ).map("".join)
)
def test_any_mixture_is_read_without_failing(soup: str) -> None:
    read(soup)
