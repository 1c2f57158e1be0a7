"""Sitemap lines of robots.txt."""

from __future__ import annotations

from archiver.crawl.discovery.robots import MOST_SITEMAPS, read_robots

URL = "https://example.com/robots.txt"


def test_sitemap_lines_are_found_however_they_are_written() -> None:
    body = (
        b"\xef\xbb\xbfSITEMAP: https://example.com/a.xml\r\n"
        b"User-agent: *\rDisallow: /sitemap: no\n"
        b"  sitemap :/b.xml   # the second\n"
        b"Sitemap: https://cdn.example.net/c.xml.gz\n"
        b"Sitemap: https://example.com/a.xml\n"
        b"Sitemap:\n#Sitemap: https://example.com/d.xml\n"
        b"Sitemap: ftp://example.com/e.xml"
    )
    found = read_robots(body, URL)
    assert [sitemap.url for sitemap in found.sitemaps] == [
        "https://example.com/a.xml",
        "https://example.com/b.xml",
        "https://cdn.example.net/c.xml.gz",
    ]
    assert found.kind == "robots"


def test_robots_without_sitemaps_names_none() -> None:
    assert read_robots(b"<html>not found</html>", URL).sitemaps == ()
    assert read_robots(b"", URL).sitemaps == ()


def test_ten_thousand_sitemaps_are_cut_and_noted() -> None:
    found = read_robots(b"".join(b"Sitemap: /%d.xml\n" % number for number in range(10_000)), URL)
    assert len(found.sitemaps) == MOST_SITEMAPS
    assert "of 10000 sitemaps" in found.notes[0]
