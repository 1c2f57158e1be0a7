"""What sitemaps list, however long, wrong or hostile they are."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.crawl.discovery.found import Discovered, Found, SitemapRef
from archiver.crawl.discovery.sitemaps import (
    KNOWN_PATHS,
    MOST_ENTRIES,
    SitemapReader,
    is_older,
    known_sitemaps,
    order_sitemaps,
    read_sitemap,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://example.com/map"
SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
SPACES = (
    f'xmlns="{SPACE}" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    ' xmlns:video="http://www.google.com/schemas/sitemap-video/1.1"'
)


def urlset(*urls: str) -> str:
    inside = "".join(f"<url>{url}</url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {SPACES}>{inside}</urlset>'


def index(*children: str) -> str:
    return (
        f'<sitemapindex xmlns="{SPACE}">{"".join(f"<sitemap>{child}</sitemap>" for child in children)}</sitemapindex>'
    )


def read(body: str | bytes, since: datetime | None = None) -> Discovered:
    return read_sitemap(body.encode() if isinstance(body, str) else body, URL, now=NOW, since=since)


def links(body: str | bytes) -> list[str]:
    return [entry.url for entry in read(body).entries]


HEAD = urlset().removesuffix("</urlset>")
A, B = "<loc>https://example.com/a</loc>", "<loc>https://example.com/b</loc>"
BOTH = ["https://example.com/a", "https://example.com/b"]


def test_a_news_sitemap_tells_title_date_language_and_keywords() -> None:
    (entry,) = read(
        urlset(
            f"{A}<lastmod>2019-02-08T07:00:00Z</lastmod><news:news><news:publication><news:name>Paper</news:name>"
            "<news:language>en-gb</news:language></news:publication><news:publication_date>2019-02-07T18:21+01:00"
            "</news:publication_date><news:title>Ferry returns &amp; sails</news:title>"
            "<news:keywords>ports, storms , </news:keywords></news:news>"
        )
    ).entries
    assert (entry.kind, entry.via, entry.title) == ("news-sitemap", URL, "Ferry returns & sails")
    assert entry.published
    assert (entry.published.value, entry.published.source) == ("2019-02-07T18:21+01:00", "sitemap")
    assert entry.modified
    assert entry.modified.value == "2019-02-08T07:00:00+00:00"
    assert (entry.language, entry.tags) == ("en", ("ports", "storms"))
    assert entry.discovered_via.type == "news-sitemap"


def test_images_videos_and_other_languages_stand_beside_the_page() -> None:
    (entry,) = read(
        urlset(
            "<image:image><image:loc>https://example.com/i.jpg</image:loc><image:title>I</image:title></image:image>"
            "<video:video><video:title>V</video:title><video:publication_date>2018-01-01</video:publication_date></video:video>"
            f"{A}<priority>0.8</priority>"
            '<xhtml:link rel="alternate" hreflang="de" href="/de/a"/>'
            '<xhtml:link rel="alternate" hreflang="x" href="ftp:x"/>'
        )
    ).entries
    assert (entry.url, entry.title, entry.published, entry.priority) == ("https://example.com/a", None, None, 0.8)
    assert entry.alternates == (("de", "https://example.com/de/a"),)


@pytest.mark.parametrize(
    ("lastmod", "value"),
    [
        ("2019-02-07", "2019-02-07"),
        ("2019-02-07T18:21Z", "2019-02-07T18:21+00:00"),
        ("2019-02-07T18:21+01:00", "2019-02-07T18:21+01:00"),
        ("2019-02-07T18:21:30+01:00", "2019-02-07T18:21:30+01:00"),
        ("2019-02-07T18:21:30.45+01:00", "2019-02-07T18:21:30+01:00"),
        (" 2019-02-07T18:21:30-0500\n", "2019-02-07T18:21:30-05:00"),
        ("2019-02-07 18:21:30 +0100", "2019-02-07T18:21:30+01:00"),
        ("2019-02-07T18:21:30", "2019-02-07T18:21:30"),
    ],
)
def test_lastmod_keeps_its_offset_and_gains_nothing(lastmod: str, value: str) -> None:
    (entry,) = read(urlset(f"{A}<lastmod>{lastmod}</lastmod>")).entries
    assert entry.modified
    assert entry.modified.value == value


@pytest.mark.parametrize("lastmod", ["2019", "2019-02", "", "now", "0001-01-01T00:00:00+00:00", "2099-01-01"])
def test_a_lastmod_without_a_day_or_sense_is_none(lastmod: str) -> None:
    (entry,) = read(urlset(f"{A}<lastmod>{lastmod}</lastmod>")).entries
    assert entry.modified is None


@pytest.mark.parametrize(
    "body",
    [
        urlset(A, B).replace(SPACE, "http://www.google.com/schemas/sitemap/0.84"),
        urlset(A, B).replace(f'xmlns="{SPACE}" ', ""),
        urlset(A, B).replace("<", "<x:").replace("</x:", "</x:").replace("<x:/", "</x:").replace("<x:?", "<?"),
        urlset(A, B).upper().replace("HTTPS://EXAMPLE.COM/A", BOTH[0]).replace("HTTPS://EXAMPLE.COM/B", BOTH[1]),
        "\n\n  " + urlset(A, B),
        "\ufeff" + urlset(A, B),
        urlset(A, B).replace("<loc>", "<loc>\n   <![CDATA[ ").replace("</loc>", " ]]>\n</loc>"),
        urlset("<loc>/a</loc>", "<loc>//example.com/b</loc>"),
        urlset(A, "<news:news><news:title>R&D</news:title></news:news>" + B),
        urlset(A, "<foo:bar>undeclared</foo:bar>" + B),
        urlset(A, B).replace("</urlset>", ""),
        urlset(A, B) + "<!-- generated in 3 s -->\ntrailing words",
        "<!-- by hand --><?xml-stylesheet href='a.xsl'?>" + urlset(A, B).partition("?>")[2],
        f"<!DOCTYPE urlset [<!ELEMENT urlset ANY>]>{urlset(A, B).partition('?>')[2]}",
        gzip.compress(urlset(A, B).encode()),
        gzip.compress(gzip.compress(urlset(A, B).encode())),
        gzip.compress(urlset(A).encode()[:-9]) + gzip.compress(f"<url>{B}</url></urlset>".encode()),
        urlset(A, B).replace("UTF-8", "UTF-16").encode("utf-16"),
        "https://example.com/a\r\nhttps://example.com/b\r\n",
        "\ufeffhttps://example.com/a\n\n# words\nhttps://example.com/b",
        f"<rss><channel><item><link>{BOTH[0]}</link></item><item><link>{BOTH[1]}</link></item></channel></rss>",
        f"<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='{BOTH[0]}'/></entry>"
        "<entry><link href='/b'/></entry></feed>",
    ],
)
def test_sitemaps_of_every_kind_are_read(body: str | bytes) -> None:
    found = read(body)
    assert [entry.url for entry in found.entries] == BOTH
    assert found.kind == "sitemap"


def test_arguments_behind_a_stray_ampersand_are_kept() -> None:
    url = "https://example.com/a?id=7&lang=en&copy=2"
    for written in (url, url.replace("&", "&amp;"), url.replace("&", "&amp;amp;"), f"<![CDATA[{url}]]>"):
        assert links(urlset(f"<loc>{written}</loc>")) == [url]


def test_an_ampersand_may_fall_between_two_reads() -> None:
    body = urlset(*["<loc>https://example.com/a?x=1&y=2&amp;z=3</loc>"] * 500).encode()

    class Dribble:
        position = 0

        def read(self, size: int = -1) -> bytes:
            piece = body[self.position : self.position + 7]
            self.position += len(piece)
            return piece

    found = [item.url for item in SitemapReader(Dribble(), URL, now=NOW)]
    assert found == ["https://example.com/a?x=1&y=2&z=3"] * 500


@pytest.mark.parametrize("cut", range(1, 60))
def test_what_came_before_a_break_is_kept_and_no_url_is_cut_short(cut: int) -> None:
    body = urlset(A, B, "<loc>https://example.com/c</loc>")
    found = links(body[: len(body) - cut])
    assert found == [*BOTH, "https://example.com/c"][: len(found)]
    assert found[:2] == BOTH


def test_damaged_gzip_gives_what_came_and_a_note() -> None:
    body = gzip.compress(urlset(*[f"<loc>https://example.com/{number}</loc>" for number in range(20_000)]).encode())
    cut = read(body[: len(body) // 2])
    assert 1000 < len(cut.entries) < 20_000
    assert "the gzip data ends too early" in cut.notes
    broken = read(body[: len(body) // 2] + b"\xff" * 1000 + body[len(body) // 2 + 1000 :])
    assert len(broken.entries) > 1000
    assert broken.notes[0].startswith("the gzip data is damaged")


def test_an_index_names_its_children() -> None:
    found = read(
        index(
            f"{A}<lastmod>2019-02-07T10:00:00+01:00</lastmod>",
            "<loc>https://example.com/sitemap-2018-11.xml.gz</loc>",
            "<loc>https://example.com/sitemap?yyyy=2017&amp;mm=4</loc>",
            "<loc>https://example.com/archive/2016.xml</loc><lastmod>2016-05</lastmod>",
        )
    )
    assert found.kind == "sitemap-index"
    assert found.entries == ()
    first, *others = found.sitemaps
    assert first.modified
    assert first.modified.value == "2019-02-07T10:00:00+01:00"
    assert [(other.period, other.modified) for other in others] == [
        ((2018, 11), None),
        ((2017, 4), None),
        ((2016, 0), None),
    ]


@pytest.mark.parametrize(
    "body", ["", "<html><body>Not found</body></html>", "<!DOCTYPE html><html>", "words", "\0\1\2", "{}"]
)
def test_what_is_no_sitemap_is_nothing_and_says_so(body: str) -> None:
    found = read(body)
    assert (found.kind, found.entries, found.sitemaps) == ("nothing", (), ())
    assert found.notes[0].startswith("not a sitemap")


def test_old_entries_are_left_out_and_counted() -> None:
    since = datetime(2019, 2, 7, 12, tzinfo=UTC)
    found = read(
        urlset(
            "<loc>/older</loc><lastmod>2019-02-05</lastmod>",
            "<loc>/that-day</loc><lastmod>2019-02-07</lastmod>",
            "<loc>/newer</loc><lastmod>2019-02-07T12:00:01Z</lastmod>",
            "<loc>/just-older</loc><lastmod>2019-02-07T11:59:59Z</lastmod>",
            "<loc>/undated</loc>",
            "<loc>/edited</loc><lastmod>2019-03-01</lastmod><news:news><news:publication_date>2018-01-01</news:publication_date></news:news>",
        ),
        since,
    )
    assert [entry.url.rpartition("/")[2] for entry in found.entries] == ["that-day", "newer", "undated", "edited"]
    assert found.older == 2


MEASURED = """
import re, sys
from datetime import UTC, datetime
from archiver.crawl.discovery.sitemaps import SitemapReader

def read(source):
    return sum(1 for _ in SitemapReader(source, "https://example.com/map", now=datetime(2026, 11, 22, tzinfo=UTC)))

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

read(b"<urlset><url><loc>https://example.com/a</loc><lastmod>2019-02-07</lastmod></url></urlset>")
before = peak()
with open(sys.argv[1], "rb") as source:
    print(read(source), peak() - before)
"""


def measure(body: bytes, folder: Path) -> tuple[int, float]:
    """Read a sitemap in a process of its own: how many entries it yields, and by how many megabytes that one grows."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the highest memory of a process since it began; getrusage counts its parent's")
    (folder / "sitemap").write_bytes(body)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(folder / "sitemap")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    entries, grown = done.stdout.split()
    return int(entries), float(grown)


def test_two_hundred_thousand_entries_are_read_in_bounded_memory(tmp_path: Path) -> None:
    entry = (
        "<url><loc>https://example.com/2019/02/07/some-story-{}</loc><lastmod>2019-02-07T10:00+01:00</lastmod></url>"
    )
    body = (HEAD + "".join(map(entry.format, range(200_000))) + "</urlset>").encode()
    entries, grown = measure(gzip.compress(body, 1), tmp_path)
    assert entries == 200_000
    assert grown < 16


def test_the_list_form_is_cut_at_the_protocols_limit() -> None:
    found = read("https://example.com/a\n" * (MOST_ENTRIES + 1))
    assert len(found.entries) == MOST_ENTRIES
    assert found.notes == ("only the first 50,000 entries were read",)


HOSTILE = {
    "gzip bomb": gzip.compress(HEAD.encode() + b"<a>" + b"\n" * 300_000_000, 1),
    "endless nesting": HEAD + "<a>" * 1_000_000,
    "endless siblings": HEAD + "<a/>" * 1_000_000,
    "endless url": HEAD + "<url>" + "<a/>" * 1_000_000,
    "endless word": HEAD + "<url><loc>https://example.com/" + "a" * 20_000_000,
    "endless attributes": HEAD + "<url " + " ".join(f"a{number}='b'" for number in range(1_000_000)),
    "endless names": HEAD + "".join(f"<n{number}/>" for number in range(200_000)),
    "ampersands": HEAD + "<url><loc>" + "&" * 5_000_000,
    "text on one line": "https://example.com/" * 500_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_sitemaps_are_read_in_bounded_memory(body: str | bytes, tmp_path: Path) -> None:
    entries, grown = measure(body.encode() if isinstance(body, str) else body, tmp_path)
    assert entries == 0
    assert grown < 40


def test_an_url_longer_than_any_is_left_out_and_not_cut() -> None:
    assert links(urlset(A, f"<loc>https://example.com/{'a' * 5000}</loc>", B)) == BOTH


def test_entities_are_neither_expanded_nor_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    laughs = "".join(f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 12))
    outside = '<!ENTITY x SYSTEM "file:///etc/hostname"><!ENTITY % y SYSTEM "http://127.0.0.1/y"> %y;'
    body = f'<!DOCTYPE urlset [<!ENTITY a0 "ha">{laughs}{outside}]>' + urlset(
        A + "<news:news><news:title>&a11; &x;</news:title></news:news>", B
    ).partition("?>")[2].replace("<url>", "<url note='&a11;'>")
    found = read(body)
    assert [entry.url for entry in found.entries] == BOTH
    assert found.entries[0].title == "&a11; &x;"


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<url>", "</url>", "<loc>", "</loc>", "https://e.example/a", "&", "<", "<!--", "]]>", "<sitemap>", "é"]
        )
    ).map("".join)
)
def test_any_mixture_is_read_without_failing(soup: str) -> None:
    read(HEAD + soup)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_failing(body: bytes) -> None:
    read(body)
    read(HEAD.encode() + body)
    read(b"\x1f\x8b" + body)


def ref(name: str, lastmod: str | None = None) -> str:
    return f"<loc>https://example.com/{name}</loc>" + (f"<lastmod>{lastmod}</lastmod>" if lastmod else "")


def ordered(*children: str, since: datetime | None = None, limit: int | None = None) -> list[str]:
    sitemaps = read(index(*children)).sitemaps
    return [each.url.rpartition("/")[2] for each in order_sitemaps(sitemaps, now=NOW, since=since, limit=limit)]


def test_news_comes_first_then_the_newest_and_what_holds_no_articles_last() -> None:
    assert ordered(
        ref("category-sitemap.xml", "2026-11-22"),
        ref("sitemap-2019-03.xml", "2026-11-22"),
        ref("sitemap-2026-11.xml"),
        ref("posts-1.xml", "2026-11-01"),
        ref("posts-2.xml", "2026-11-20"),
        ref("other-1.xml"),
        ref("other-2.xml"),
        ref("news.xml"),
        ref("news.xml"),
        ref("sitemap-2020.xml"),
    ) == [
        "news.xml",
        "sitemap-2026-11.xml",
        "posts-2.xml",
        "posts-1.xml",
        "other-2.xml",
        "other-1.xml",
        "sitemap-2020.xml",
        "sitemap-2019-03.xml",
        "category-sitemap.xml",
    ]


def test_with_since_old_years_stay_for_a_backfill() -> None:
    children = [
        ref("sitemap-2019-03.xml"),
        ref("sitemap-2020.xml"),
        ref("a.xml", "2020-12-30"),
        ref("b.xml", "2021-01-02"),
        ref("c.xml"),
    ]
    assert ordered(*children, since=datetime(2021, 1, 1, tzinfo=UTC)) == ["c.xml", "b.xml"]
    assert ordered(*children, limit=2) == ["c.xml", "b.xml"]


def test_a_month_is_old_when_it_is_over() -> None:
    sitemap = SitemapRef("https://example.com/2020-12.xml", period=(2020, 12))
    assert not is_older(sitemap, datetime(2020, 12, 31, 23, tzinfo=UTC))
    assert is_older(sitemap, datetime(2021, 1, 2, tzinfo=UTC))
    assert not is_older(Found(url="https://example.com/", kind="sitemap", via=URL), NOW)


def test_known_places_are_on_the_sites_host() -> None:
    assert known_sitemaps("https://example.com/news/")[0] == "https://example.com/sitemap_index.xml"
    assert len(known_sitemaps("https://example.com/")) == len(KNOWN_PATHS)
