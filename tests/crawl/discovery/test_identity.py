"""When two URLs are the same page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.crawl.discovery.found import Found
from archiver.crawl.discovery.identity import normal_form, plain_form, same_site, seen_key, site_of, without_editions
from storage.urls import urlkey


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://example.com/a/./b/../c/", "https://example.com/a/c/"),
        ("https://example.com/../../a", "https://example.com/a"),
        ("https://example.com/a/..", "https://example.com/"),
        ("https://example.com/%7ejo/%c3%a9", "https://example.com/~jo/%C3%A9"),
        ("https://example.com/é b", "https://example.com/%C3%A9%20b"),
        ("https://example.com/100%", "https://example.com/100%25"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://example.com/a#comments", "https://example.com/a"),
        ("https://example.com/#!/story/7", "https://example.com/#!/story/7"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://example.com/a?&&x=1&", "https://example.com/a?x=1"),
        ("https://example.com/a;jsessionid=0A1B?x=1", "https://example.com/a?x=1"),
        ("https://[2001:DB8::1]/a", "https://[2001:db8::1]/a"),
        ("  https://example.com/a\n", "https://example.com/a"),
    ],
)
def test_spelling_is_settled(url: str, normal: str) -> None:
    assert normal_form(url) == normal


@pytest.mark.parametrize(
    "argument",
    [
        "utm_source=rss", "UTM_Campaign=x", "fbclid=1", "gclid=1", "msclkid=1", "mc_cid=1", "_ga=1",
        "at_medium=RSS", "ref=rss", "source=newsletter", "xtor=RSS-1", "guccounter=1", "feedType=RSS",
        "PHPSESSID=abc", "igshid=x", "utm_source",
    ],
)  # fmt: skip
def test_what_only_tracks_the_reader_is_left_out(argument: str) -> None:
    assert normal_form(f"https://example.com/a?id=7&{argument}&page=2") == "https://example.com/a?id=7&page=2"


@pytest.mark.parametrize(
    "query",
    ["id=7", "p=123", "page=2", "ref=main", "source=reuters", "from=2019", "at=1", "b=2&a=1", "a=1&a=2", "q=a+b", "a="],
)
def test_arguments_that_may_mean_something_stay_as_they_are(query: str) -> None:
    assert normal_form(f"https://example.com/a?{query}") == f"https://example.com/a?{query}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "mailto:jo@example.com",
        "http://",
        "http://[::1",
        "https://example.com:port/",
        "javascript:void(0)",
    ],
)
def test_what_is_no_web_address_stays_as_it_is(url: str) -> None:
    assert normal_form(url) == url


def test_scheme_www_and_closing_slash_are_told_apart_until_the_index_is_asked() -> None:
    urls = ["http://example.com/a", "https://example.com/a", "https://www.example.com/a", "https://example.com/a/"]
    assert len({normal_form(url) for url in urls}) == 4
    assert {seen_key(url) for url in urls} == {"com,example)/a"}


def test_the_key_of_a_page_does_not_depend_on_how_it_was_reached() -> None:
    assert seen_key("https://example.com/a?utm_source=x&id=1") == urlkey("https://example.com/a?id=1")


_urls = st.builds(
    "{}://{}{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    st.sampled_from(
        ["example.com", "WWW.example.com.", "münchen.example", "jo:pw@example.com", "[::1]", "127.0.0.1", "a..b"]
    ),
    st.sampled_from(["", ":80", ":443", ":8080", ":"]),
    st.text(st.sampled_from("/./aé%7e;~ \\|^"), max_size=20).map(lambda path: "/" + path),
    st.text(st.sampled_from("a=&utm_%2+?é"), max_size=20).map(lambda query: "?" + query),
    st.text(st.sampled_from("#!a%é /"), max_size=8),
)


@settings(deadline=None)
@given(_urls | st.text() | st.text().map("https://example.com/{}".format))
def test_the_normal_form_of_a_normal_form_is_itself(url: str) -> None:
    once = normal_form(url)
    assert normal_form(once) == once


@settings(deadline=None)
@given(_urls)
def test_a_normal_form_can_be_sent(url: str) -> None:
    if (normal := normal_form(url)) != url:
        assert normal.isascii()
        assert " " not in normal


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://example.com/news/rain/amp/", "https://example.com/news/rain"),
        ("https://example.com/amp/news/rain", "https://example.com/news/rain"),
        ("https://amp.example.com/news/rain", "https://example.com/news/rain"),
        ("https://m.example.com/news/rain", "https://example.com/news/rain"),
        ("https://example.com/news/rain.amp.html", "https://example.com/news/rain.html"),
        ("https://example.com/news/rain?outputType=amp", "https://example.com/news/rain"),
        ("https://example.com/news/rain?print=1&id=2", "https://example.com/news/rain?id=2"),
    ],
)
def test_editions_are_related_to_their_page_and_not_merged(url: str, plain: str) -> None:
    assert plain_form(url) == plain
    assert normal_form(url) != normal_form(plain)


@pytest.mark.parametrize(
    "url", ["https://example.com/news/rain", "https://m.example/", "https://example.com/camp/", "nonsense"]
)
def test_most_urls_are_no_edition(url: str) -> None:
    assert plain_form(url) is None


def test_an_edition_is_left_out_only_beside_its_page() -> None:
    def found(path: str) -> Found:
        return Found(url="https://example.com" + path, kind="section", via="https://example.com/")

    entries = [found("/one/amp"), found("/one/"), found("/two/amp/")]
    assert [entry.url for entry in without_editions(entries)] == [
        "https://example.com/one/",
        "https://example.com/two/amp/",
    ]


@pytest.mark.parametrize(
    ("url", "home", "subdomains", "same"),
    [
        ("https://www.example.com/a", "https://example.com/", False, True),
        ("http://example.com/a", "https://example.com/", False, True),
        ("https://sport.example.com/a", "https://www.example.com/", True, True),
        ("https://sport.example.com/a", "https://www.example.com/", False, False),
        ("https://example.org/a", "https://example.com/", True, False),
        ("https://notexample.com/a", "https://example.com/", True, False),
        ("https://other.co.uk/a", "https://example.co.uk/", True, False),
        ("https://jo.github.io/", "https://ann.github.io/", True, False),
        ("https://bücher.example/a", "https://www.xn--bcher-kva.example./", False, True),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8001/", True, False),
        ("http://localhost:8000/a", "http://localhost:8000/", True, True),
        ("mailto:jo@example.com", "https://example.com/", True, False),
        ("https://[::1", "https://example.com/", True, False),
    ],
)
def test_which_urls_are_of_one_site(url: str, home: str, subdomains: bool, same: bool) -> None:
    assert same_site(url, home, subdomains=subdomains) is same


def test_the_registrable_domain_knows_public_suffixes() -> None:
    assert site_of("news.example.co.uk") == "example.co.uk"
