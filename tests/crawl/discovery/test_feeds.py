"""What feeds list, however they are written."""

from __future__ import annotations

import gzip
import json
import socket
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.article import Author
from archiver.crawl.discovery.feeds import MOST_BYTES, read_feed
from archiver.crawl.discovery.found import Discovered, Found
from archiver.crawl.discovery.taming import MOST_ENTRIES

NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://example.com/feed/"


def read(body: bytes | str, url: str = URL) -> Discovered:
    return read_feed(body.encode() if isinstance(body, str) else body, url, now=NOW)


def rss(*items: str, channel: str = "") -> str:
    spaces = (
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:atom="http://www.w3.org/2005/Atom" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
        ' xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0" xmlns:media="http://search.yahoo.com/mrss/"'
    )
    body = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?>\n<rss version="2.0"{spaces}><channel>{channel}{body}</channel></rss>'


def only(body: bytes | str, url: str = URL) -> Found:
    (entry,) = read(body, url).entries
    return entry


def links(body: bytes | str, url: str = URL) -> list[str]:
    return [entry.url for entry in read(body, url).entries]


STORY = "<link>https://example.com/2019/02/07/ferry</link>"


def test_rss_tells_title_author_date_tags_and_language() -> None:
    found = read(
        rss(
            f"<title>Ferry returns &amp;amp; sails</title>{STORY}<dc:creator><![CDATA[Ann Lee & Bo Ek]]></dc:creator>"
            "<pubDate>Thu, 07 Feb 2019 18:21:30 +0100</pubDate><category>Ports</category><category>Storms</category>"
            "<description><![CDATA[<p>Text with </description> in it</p>]]></description>"
            "<guid isPermaLink='false'>7</guid>",
            channel="<title>The Paper</title><language>en-GB</language>",
        )
    )
    (entry,) = found.entries
    assert entry.url == "https://example.com/2019/02/07/ferry"
    assert entry.title == "Ferry returns & sails"
    assert entry.authors == (Author("Ann Lee"), Author("Bo Ek"))
    assert entry.tags == ("Ports", "Storms")
    assert entry.published
    assert entry.published.value == "2019-02-07T18:21:30+01:00"
    assert entry.published.raw == "Thu, 07 Feb 2019 18:21:30 +0100"
    assert (entry.kind, entry.via, entry.language) == ("feed", URL, "en")
    assert (found.kind, found.title, found.notes) == ("feed", "The Paper", ())


def test_atom_tells_the_same_with_its_own_words() -> None:
    entry = only(
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de" xml:base="https://example.com/news/"><title>Z</title>'
        '<link rel="self" href="atom.xml"/><entry><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Fähre '
        '<em>kehrt</em> zurück</div></title><link rel="enclosure" href="a.mp3"/><link rel="edit" href="edit/7"/>'
        '<link href="story/7"/><id>tag:example.com,2019:7</id><published>2019-02-06T10:00:00+02:00</published>'
        "<updated>2019-02-07T18:21:00Z</updated>"
        "<author><name>Ann Lee</name></author><author><name>Bo Ek</name></author>"
        '<category term="hafen" label="Hafen"/><content type="html">&lt;p&gt;Text</content></entry></feed>'
    )
    assert entry.url == "https://example.com/news/story/7"
    assert entry.title == "Fähre kehrt zurück"
    assert entry.authors == (Author("Ann Lee"), Author("Bo Ek"))
    assert entry.published
    assert entry.published.value == "2019-02-06T10:00:00+02:00"
    assert entry.modified
    assert entry.modified.value == "2019-02-07T18:21:00+00:00"
    assert entry.tags == ("Hafen",)
    assert entry.language == "de"


def test_rdf_items_carry_dublin_core() -> None:
    entry = only(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://example.com/"><title>P</title></channel>'
        '<item rdf:about="https://example.com/a"><title>Ferry</title><link>https://example.com/a</link>'
        "<dc:creator>Ann Lee</dc:creator><dc:date>2019-02-07T18:21+01:00</dc:date><dc:subject>Ports</dc:subject></item>"
        "</rdf:RDF>"
    )
    assert (entry.url, entry.title, entry.authors) == ("https://example.com/a", "Ferry", (Author("Ann Lee"),))
    assert entry.published
    assert entry.published.value == "2019-02-07T18:21+01:00"
    assert entry.modified is None


def test_json_feed_is_read_without_feedparser() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Paper",
        "language": "en-US",
        "next_url": "https://example.com/feed.json?page=2",
        "hubs": [{"type": "WebSub", "url": "https://hub.example/"}],
        "items": [
            {
                "id": "7",
                "url": "/a",
                "title": "Ferry",
                "date_published": "2019-02-07T18:21:30-05:00",
                "date_modified": "2019-02-08T00:00:00Z",
                "authors": [{"name": "Ann Lee", "url": "/ann"}],
                "tags": ["Ports", 7, None],
            },
            {"id": "https://example.com/b", "author": {"name": "Bo Ek"}},
            {"id": "no address"},
            "nonsense",
        ],
    }
    found = read("\ufeff" + json.dumps(feed))
    first, second = found.entries
    assert (first.url, first.title, first.tags) == ("https://example.com/a", "Ferry", ("Ports",))
    assert first.authors == (Author("Ann Lee", "https://example.com/ann"),)
    assert first.published
    assert first.published.value == "2019-02-07T18:21:30-05:00"
    assert (second.url, second.authors) == ("https://example.com/b", (Author("Bo Ek"),))
    assert (found.next_page, found.hubs) == ("https://example.com/feed.json?page=2", ("https://hub.example/",))


@pytest.mark.parametrize(
    "value", ['{"items": 7}', "{", "[]", '{"version": "https://jsonfeed.org/version/1", "items": {}}']
)
def test_json_that_is_no_feed_is_nothing(value: str) -> None:
    found = read(value)
    assert (found.kind, found.entries) == ("nothing", ())
    assert found.notes


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("Thu, 07 Feb 2019 18:21:30 GMT", "2019-02-07T18:21:30+00:00"),
        ("Thu, 07 Feb 2019 18:21:30 EST", "2019-02-07T18:21:30-05:00"),
        ("Thu, 07 Feb 2019 18:21:30", "2019-02-07T18:21:30"),
        ("2019-02-07T18:21:30.123+05:30", "2019-02-07T18:21:30+05:30"),
        ("2019-02-07 18:21", "2019-02-07T18:21"),
        ("2019-02-07", "2019-02-07"),
        ("7 February 2019", "2019-02-07"),
    ],
)
def test_dates_keep_their_offset_and_gain_nothing(raw: str, value: str) -> None:
    published = only(rss(f"{STORY}<pubDate>{raw}</pubDate>")).published
    assert published
    assert (published.value, published.raw, published.source) == (value, raw, "feed")


@pytest.mark.parametrize(
    "raw", ["", "yesterday", "0000-00-00", "Thu, 07 Feb 2099 18:21:30 GMT", "1970-01-01T00:00:00Z", "2019-02"]
)
def test_dates_that_cannot_be_are_none(raw: str) -> None:
    assert only(rss(f"{STORY}<pubDate>{raw}</pubDate>")).published is None


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ("<link>/a?x=1&amp;y=2</link>", "https://example.com/a?x=1&y=2"),
        ("<link>https://example.com/a?x=1&y=2&copy=3</link>", "https://example.com/a?x=1&y=2&copy=3"),
        ("<link><![CDATA[ https://example.com/a?x=1&y=2 ]]></link>", "https://example.com/a?x=1&y=2"),
        ("<guid>https://example.com/a</guid>", "https://example.com/a"),
        (
            "<guid isPermaLink='true'>https://example.com/a</guid><enclosure url='/a.mp3' type='audio/mpeg'/>",
            "https://example.com/a",
        ),
        (
            "<link>https://example.com/a</link><enclosure url='/a.mp3' type='audio/mpeg' length='1'/>",
            "https://example.com/a",
        ),
        (
            "<link>https://r.example/7</link><feedburner:origLink>https://example.com/a</feedburner:origLink>",
            "https://example.com/a",
        ),
        ("<atom:link rel='alternate' href='https://example.com/a'/>", "https://example.com/a"),
        (
            "<title>T</title><link>https://example.com/a</link><source url='https://b.example/rss'>B</source>",
            "https://example.com/a",
        ),
        (
            "<link>https://example.com/a</link><media:content url='https://example.com/b.jpg'>"
            "<media:title>B</media:title></media:content>",
            "https://example.com/a",
        ),
    ],
)
def test_where_an_entry_leads(item: str, url: str) -> None:
    assert only(rss(item)).url == url


@pytest.mark.parametrize(
    "item",
    [
        "<guid>7</guid>",
        "<guid isPermaLink='false'>https://example.com/a</guid>",
        "<guid>tag:example.com,2019:7</guid>",
        "<enclosure url='https://example.com/a.mp3'/>",
        "<link>javascript:alert(1)</link>",
        "<link>file:///etc/passwd</link>",
        "<link></link>",
        "",
    ],
)
def test_entries_that_lead_nowhere_are_left_out(item: str) -> None:
    assert links(rss(item, STORY)) == ["https://example.com/2019/02/07/ferry"]


def test_an_entry_listed_twice_counts_once() -> None:
    assert links(rss(STORY, STORY.replace("ferry", "ferry?utm_source=rss"))) == ["https://example.com/2019/02/07/ferry"]


@pytest.mark.parametrize(
    "damage",
    [
        rss(STORY, "<title>R&D at 5 < 6</title><link>https://example.com/b</link>"),
        rss(STORY, "<title>Caf&eacute; &nbsp; &unknown;</title><link>https://example.com/b</link>"),
        rss(STORY, "<title>a\x08b</title><link>https://example.com/b</link>"),
        rss(STORY + "<description>open", "<link>https://example.com/b</link><description>closed</description>"),
        rss(STORY, "<link>https://example.com/b</link>").replace("</item>", "", 1),
        rss(STORY, "<link>https://example.com/b</link>").replace("</channel></rss>", ""),
        rss(STORY, "<link>https://example.com/b</link><desc")[: -len("</item></channel></rss>")],
        rss(STORY, "<link>https://example.com/b</link><title a='<b>'>x</title>"),
        rss(STORY, "<link>https://example.com/b</link><new:tag>x</new:tag>"),
        rss(STORY, "<link>https://example.com/b</link><br><b><i>x</b></i>"),
        "\n\n  " + rss(STORY, "<link>https://example.com/b</link>"),
        "Warning: mysql_connect() in /var/www/feed.php\n" + rss(STORY, "<link>https://example.com/b</link>"),
        rss(STORY, "<link>https://example.com/b</link>").replace("https://", "HTTPS://"),
    ],
)
def test_entries_of_malformed_feeds_are_kept(damage: str) -> None:
    assert [link.lower() for link in links(damage)] == ["https://example.com/2019/02/07/ferry", "https://example.com/b"]


def test_a_malformed_feed_says_what_was_wrong() -> None:
    assert read(rss(STORY).replace("</channel></rss>", "")).notes == ("malformed: it ends before it is complete",)


@pytest.mark.parametrize(
    "body",
    [
        rss(f"<title>Fähre</title>{STORY}").encode("utf-16"),
        rss(f"<title>Fähre</title>{STORY}").replace("?>", ' encoding="iso-8859-1"?>', 1).encode("latin-1"),
        rss(f"<title>Fähre</title>{STORY}").encode("cp1252"),
        b"\xef\xbb\xbf" + rss(f"<title>Fähre</title>{STORY}").encode(),
        rss(f"<title>Fähre</title>{STORY}").replace("?>", ' encoding="iso-8859-1"?>', 1).encode(),
        gzip.compress(rss(f"<title>Fähre</title>{STORY}").encode()),
    ],
    ids=["utf-16", "declared latin-1", "undeclared cp1252", "byte order mark", "declared wrongly", "gzip"],
)
def test_titles_are_decoded(body: bytes) -> None:
    assert only(body).title == "Fähre"


def test_one_bad_byte_does_not_spoil_the_others() -> None:
    body = rss(f"<title>Fähre über Öresund</title>{STORY}").encode()
    assert only(body.replace(b"</channel>", b"\xff</channel>")).title == "Fähre über Öresund"


def test_hints_for_the_schedule_are_read() -> None:
    channel = (
        "<ttl>15</ttl><sy:updatePeriod> hourly </sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>"
        "<skipHours><hour>0</hour><hour>24</hour><hour>5</hour></skipHours>"
        "<atom:link rel='hub' href='https://hub.example/'/><atom:link rel='self' href='https://example.com/feed/'/>"
    )
    found = read(rss(STORY, channel=channel))
    assert found.interval == timedelta(minutes=30)
    assert found.skip_hours == {0, 5}
    assert found.hubs == ("https://hub.example/",)
    assert read(rss(STORY, channel="<ttl>soon</ttl>")).interval is None


@pytest.mark.parametrize(
    ("link", "next_page"),
    [
        ("<atom:link rel='next' href='/feed/?paged=2'/>", "https://example.com/feed/?paged=2"),
        ("<atom:link rel='prev-archive' href='https://example.com/2019/01'/>", "https://example.com/2019/01"),
        ("<atom:link rel='next' href='https://example.com/feed/'/>", None),
        ("<atom:link rel='next' href='https://evil.example/feed/'/>", None),
    ],
)
def test_the_next_page_of_a_feed_is_on_the_same_host_and_another(link: str, next_page: str | None) -> None:
    assert read(rss(STORY, channel=link)).next_page == next_page


@pytest.mark.parametrize(
    ("url", "channel"),
    [
        ("https://example.com/comments/feed/", ""),
        ("https://example.com/?feed=comments-rss2", ""),
        (URL, "<title>Comments on: Ferry returns</title>"),
        (URL, "<title>Kommentare zu Fähre</title>"),
    ],
)
def test_feeds_of_comments_are_recognised(url: str, channel: str) -> None:
    assert read(rss(STORY, channel=channel), url).is_comments
    assert not read(rss(STORY, channel="<title>Commentary</title>")).is_comments


@pytest.mark.parametrize(
    "body", ["", "<html><body>Not here</body></html>", "plain words", "\0" * 100, "<?xml version='1.0'?>"]
)
def test_what_is_no_feed_is_nothing(body: str) -> None:
    assert (read(body).kind, read(body).entries) == ("nothing", ())


@pytest.mark.parametrize(
    "body", [b"http://127.0.0.1/rss", b"file:///etc/passwd", b"/etc/passwd", b"<rss>http://127.0.0.1/</rss>"]
)
def test_nothing_is_ever_fetched_or_opened(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    assert read(body).entries == ()
    outside = b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname"><!ENTITY % y SYSTEM "http://127.0.0.1/"> %y;]>'
    entry = only(outside + rss(f"<title>a &x; b</title>{STORY}").partition("?>")[2].encode())
    assert entry.title == "a &x; b"


def test_entities_are_never_expanded() -> None:
    laughs = "".join(f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 12))
    body = f'<!DOCTYPE rss [<!ENTITY a0 "ha">{laughs}]>' + rss(f"<title>&a11;</title>{STORY}").partition("?>")[2]
    assert only(body).title == "&a11;"


HOSTILE = {
    "long author": rss(f"{STORY}<author>{'a' * 2**20}</author>"),
    "many long authors": rss(*[f"{STORY}<author>{'a.' * 1000}</author>"] * 500),
    "author in pieces": rss(f"{STORY}<author>{'<![CDATA[aaaaaaaaaa]]>' * 50_000}</author>"),
    "categories": rss(STORY + "".join(f"<category>c{number}</category>" for number in range(50_000))),
    "doctypes": "<!DOCTYPE\n" * 100_000 + rss(STORY),
    "bodies left open": rss(STORY + "<description>" * 50_000),
    "depth": rss(STORY + "<a>" * 100_000),
    "comments left open": rss(STORY) + "<!--" * 200_000,
    "strays": rss(STORY + "<" * 500_000 + "&" * 500_000),
    "closing tags": rss(STORY + "</zz>" * 100_000),
    "long base": rss(*[f"<a xml:base='https://example.com/{'b/' * 1900}'/>{STORY}"] * 200),
    "gzip bomb": gzip.compress(rss(STORY).encode() + b"<a/>" * 10_000_000, 1),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_feeds_are_read_in_bounded_time(body: str | bytes) -> None:
    started = time.process_time()
    found = read(body)
    assert time.process_time() - started < 20
    assert links(body)[:1] == ["https://example.com/2019/02/07/ferry"] or found.kind == "nothing"


def test_the_number_of_entries_is_bounded_and_noted() -> None:
    found = read(rss(*[f"<link>https://example.com/{number}</link>" for number in range(MOST_ENTRIES + 100)]))
    assert len(found.entries) == MOST_ENTRIES
    assert found.notes == (f"only the first {MOST_ENTRIES} entries were read",)


def test_a_feed_without_end_is_cut() -> None:
    body = (
        rss(STORY)
        .encode()
        .replace(b"</channel></rss>", b" " * MOST_BYTES + b"<item><link>/late</link></item></channel></rss>")
    )
    found = read(body)
    assert [entry.url for entry in found.entries] == ["https://example.com/2019/02/07/ferry"]
    assert found.notes[0] == "only the first 16 MB were read"


_pieces = st.sampled_from(
    ["<item>", "</item>", "<title>", "</title>", "<link>", "https://example.com/a", "</link>", "<![CDATA[", "]]>",
     "<!--", "-->", "&", "&#0;",
     "&#x110000;", "<description>", "</description>", "<guid>", "<a b='c'>",
     "<?x", "?>", "<!DOCTYPE x [", "]>", "\x00", "\ud800", "<entry", "é"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_pieces, max_size=40).map("".join))
def test_any_mixture_is_read_without_failing(soup: str) -> None:
    assert read(("<rss><channel>" + soup).encode("utf-8", "surrogatepass")).kind == "feed"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_failing(body: bytes) -> None:
    read(body)
    read(b"<rss>" + body)
    read(b'{"version":"https://jsonfeed.org/version/1","items":[' + body)
