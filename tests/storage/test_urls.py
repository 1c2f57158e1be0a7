import doctest
import itertools
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from cdxj_indexer.main import CDXJIndexer  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

import storage.urls
from storage.urls import Match, key_ranges, urlkey

HOSTS = st.sampled_from(["example.com", "WWW.Example.COM", "www3.a.b.example", "bücher.example", "127.0.0.1", "[::1]"])
PORTS = st.sampled_from(["", ":80", ":443", ":8080", ":", ":99999", ":x"])
PIECES = st.text(st.sampled_from("aB1/.%2f?&=;#*~ü'\"()[]é\\|+-_:@,"), max_size=20)


@st.composite
def web_urls(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["http", "https", "HTTP"]))
    return f"{scheme}://{draw(HOSTS)}{draw(PORTS)}{draw(st.sampled_from(['', '/', '/?', '?', '#']))}{draw(PIECES)}"


def covered(url: str, match: Match, urls: list[str]) -> list[str]:
    ranges = key_ranges(url, match)
    return [each for each in urls if any(low <= urlkey(each) < high for low, high in ranges)]


def hostname(url: str) -> str:
    return urlsplit(url).hostname or ""


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(storage.urls).failed == 0


@given(web_urls())
def test_keys_are_those_of_cdxj_indexer(url: str) -> None:
    assert urlkey(url) == CDXJIndexer(None, []).get_url_key(url)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://127.0.0.1:8765/", "1,0,0,127:8765)/"),
        ("https://WWW.Example.com:443/A/B/?b=2&a=1#x", "com,example)/a/b?a=1&b=2"),
        ("http://e.com/ü", "com,e)/%c3%bc"),
        ("http://e.com/?sid=0123456789abcdef0123456789abcdef", "com,e)/"),
        ("http://e.com/?utm_source=x", "com,e)/?utm_source=x"),
        ("https://u:p@e.com//a/../b/", "com,e)/b"),
        ("dns:e.com", "dns:e.com"),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_keys_are_surt(url: str, key: str) -> None:
    assert urlkey(url) == key


@given(st.text() | st.text(st.characters(codec="ascii")).map("http://".__add__))
def test_every_string_has_a_key_of_one_word(url: str) -> None:
    assert urlkey(url)
    assert len(urlkey(url).encode().split()) == 1


@pytest.mark.parametrize(
    "url", ["", " ", "\n", "http://", "http:///", "http://e.com:x/a b", "filedesc:a b", "http://\ud800/"]
)
def test_odd_strings_have_a_key_of_one_word(url: str) -> None:
    key = urlkey(url)
    assert key
    assert " " not in key
    assert "\n" not in key


@pytest.fixture
def no_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(name: object) -> None:
        raise AssertionError(f"asked the DNS for {name!r}")

    monkeypatch.setattr(socket, "gethostbyname_ex", refuse)
    urlkey.cache_clear()
    yield
    urlkey.cache_clear()


@pytest.mark.usefixtures("no_resolver")
@pytest.mark.parametrize("host", ["1.2.3.999", "%31.2.3.999", "1..2.3.999", "1.2.3.999."])
def test_no_key_asks_the_dns(host: str) -> None:
    assert urlkey(f"http://{host}/A") == "999,3,2,1)/a"


PAGES = [
    "http://e.com/",
    "https://www.e.com/",
    "http://e.com:8080/",
    "http://e.com/a",
    "http://e.com/a/",
    "http://e.com/a?p=2",
    "http://e.com/a/b",
    "http://e.com/ab",
    "http://blog.e.com/a",
    "http://blog.e.com:8080/a",
    "http://e.community/a",
    "http://e-f.com/a",
    "http://fe.com/a",
]


def test_an_exact_match_covers_the_urls_of_one_key() -> None:
    assert covered("https://E.com", "exact", PAGES) == ["http://e.com/", "https://www.e.com/"]
    assert covered("http://e.com/a", "exact", PAGES) == ["http://e.com/a", "http://e.com/a/"]


@pytest.mark.parametrize("host", ["http://e.com", "http://e.com/", "http://e.com/*", "http://www.e.com/*"])
def test_a_prefix_of_only_a_host_covers_all_its_pages(host: str) -> None:
    assert covered(host, "prefix", PAGES) == [url for url in PAGES if url.split("/")[2] in ("e.com", "www.e.com")]


@pytest.mark.parametrize("closing", ["", "*"])
def test_a_prefix_covers_longer_words(closing: str) -> None:
    found = covered("http://e.com/a" + closing, "prefix", PAGES)
    assert found == [f"http://e.com/a{rest}" for rest in ("", "/", "?p=2", "/b", "b")]


@pytest.mark.parametrize("closing", ["", "*"])
def test_a_prefix_with_a_closing_slash_keeps_it(closing: str) -> None:
    found = covered("http://e.com/a/" + closing, "prefix", PAGES)
    assert found == [f"http://e.com/a{rest}" for rest in ("", "/", "?p=2", "/b")]


def test_a_prefix_that_ends_within_the_query_keeps_its_delimiter() -> None:
    pages = ["http://e.com/a", "http://e.com/ab", "http://e.com/a?p=1", "http://e.com/a?p=1&q=2", "http://e.com/a?p=12"]
    assert covered("http://e.com/a?*", "prefix", pages) == [pages[2], pages[3], pages[4]]
    assert covered("http://e.com/a?p=1&*", "prefix", pages) == [pages[3]]


def test_a_host_covers_all_its_ports() -> None:
    assert covered("http://e.com/a", "host", PAGES) == [url for url in PAGES if hostname(url) in ("e.com", "www.e.com")]


def test_a_host_with_a_port_covers_that_port() -> None:
    assert covered("http://e.com:8080/", "host", PAGES) == ["http://e.com:8080/"]


@pytest.mark.parametrize("url", ["http://e.com/a", "http://www.e.com:8080/"])
def test_a_domain_covers_the_hosts_below_it(url: str) -> None:
    assert covered(url, "domain", PAGES) == [
        url for url in PAGES if hostname(url) == "e.com" or hostname(url).endswith(".e.com")
    ]


def test_an_ipv6_address_is_no_host_with_a_port() -> None:
    pages = ["http://[::1]/", "http://[::1:2]/", "http://[::2]/"]
    assert covered("http://[::1]/", "host", pages) == ["http://[::1]/"]


@pytest.mark.parametrize("match", ["host", "domain"])
def test_what_has_no_host_has_no_neighbours(match: Match) -> None:
    assert key_ranges("urn:uuid:1", match) == []


@given(web_urls(), st.sampled_from(["exact", "prefix", "host", "domain"]))
def test_ranges_are_sorted_and_apart_and_hold_the_url_itself(url: str, match: Match) -> None:
    ranges = key_ranges(url, match)
    assert all(low < high for low, high in ranges)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(ranges))
    if match == "exact" or (match != "prefix" and ")" in urlkey(url)):
        assert any(low <= urlkey(url) < high for low, high in ranges)


def test_an_unknown_kind_of_match_is_refused() -> None:
    with pytest.raises(ValueError, match="'fuzzy'"):
        key_ranges("http://e.com/", "fuzzy")  # type: ignore[arg-type]
