"""One question for every document: where are articles?"""

from __future__ import annotations

import ast
import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archiver.crawl.discover
from archiver.crawl.discover import read

NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://example.com/document"
STORY = "https://example.com/2019/02/07/ferry-returns-after-storm"

DOCUMENTS = {
    "feed": f"<rss><channel><item><link>{STORY}</link></item></channel></rss>",
    "atom": f"<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='{STORY}'/></entry></feed>",
    "json feed": '{"version": "https:\\/\\/jsonfeed.org\\/version\\/1.1", "items": [{"url": "' + STORY + '"}]}',
    "json feed, version last": '{"items": [{"url": "' + STORY + '"}], "version": "https://jsonfeed.org/version/1"}',
    "feed behind a warning": f"Warning: x in y.php\n<rss><channel><item><link>{STORY}</link></item></channel></rss>",
    "sitemap": f"<urlset><url><loc>{STORY}</loc></url></urlset>",
    "text sitemap": f"\n{STORY}\n",
    "page": f"<!doctype html><html><body><a href='{STORY}'>Ferry returns after storm</a></body></html>",
}
KINDS = {"sitemap": "sitemap", "text sitemap": "sitemap", "page": "section"}
"""All the others are feeds."""


@pytest.mark.parametrize(
    "content_type", [None, "text/html", "application/octet-stream", "application/rss+xml; charset=utf-8", "text/plain"]
)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_bytes_decide_what_a_document_is(name: str, content_type: str | None) -> None:
    found = read(DOCUMENTS[name].encode(), URL, content_type, now=NOW)
    assert found.kind == KINDS.get(name, "feed")
    assert [entry.url for entry in found.entries] == [STORY]
    assert found.entries[0].via == URL


@pytest.mark.parametrize("name", ["feed", "sitemap"])
def test_gzip_is_known_by_its_bytes(name: str) -> None:
    found = read(gzip.compress(DOCUMENTS[name].encode()), URL, "text/xml", now=NOW)
    assert [entry.url for entry in found.entries] == [STORY]


def test_an_index_and_robots_name_sitemaps() -> None:
    index = read(b"<sitemapindex><sitemap><loc>/a.xml</loc></sitemap></sitemapindex>", URL, now=NOW)
    robots = read(b"Sitemap: /a.xml", "https://example.com/robots.txt", "text/plain", now=NOW)
    assert (
        [sitemap.url for sitemap in index.sitemaps]
        == ["https://example.com/a.xml"]
        == [each.url for each in robots.sitemaps]
    )


def test_older_entries_of_feeds_are_left_out_too() -> None:
    items = "".join(f"<item><link>/{year}</link><pubDate>{year}-05-01</pubDate></item>" for year in (2018, 2019, 2020))
    found = read(
        f"<rss><channel>{items}</channel></rss>".encode(), URL, now=NOW, since=datetime(2019, 1, 1, tzinfo=UTC)
    )
    assert ([entry.url[-4:] for entry in found.entries], found.older) == (["2019", "2020"], 1)


@pytest.mark.parametrize("body", [b"", b"\x89PNG\r\n\x1a\n", b"words", b"{}", b"%PDF-1.7", b"\x1f\x8b\x08"])
def test_other_documents_are_nothing(body: bytes) -> None:
    found = read(body, URL, now=NOW)
    assert (found.kind, found.entries) == ("nothing", ())
    assert found.notes


@settings(deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["", *DOCUMENTS.values()]),
    st.sampled_from([URL, "", "http://[", "https://example.com/robots.txt"]),
)
def test_reading_never_fails(body: bytes, start: str, url: str) -> None:
    read(start.encode() + body, url, now=NOW)
    read(start.encode()[: len(body)] + body, url, now=NOW)


def test_discovery_needs_no_crawler() -> None:
    folder = Path(archiver.crawl.discover.__file__).parent
    for file in [folder / "discover.py", *(folder / "discovery").glob("*.py")]:
        names = {
            name
            for node in ast.walk(ast.parse(file.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not [name for name in names if name.split(".")[0] in ("scrapy", "twisted", "requests")]
