"""``Sitemap:`` lines of robots.txt, and nothing else of it: who may fetch what is asked elsewhere."""

from __future__ import annotations

import re

from archiver.crawl.discovery.documents import decode
from archiver.crawl.discovery.found import Discovered, SitemapRef
from archiver.page.markup import absolute

MOST_BYTES = 500 * 1024
"""As much of robots.txt as RFC 9309, section 2.5, asks for."""
MOST_SITEMAPS = 500
_LINE = re.compile(r"^[ \t]*site-?map[ \t]*:[ \t]*([^\s#]\S*)", re.IGNORECASE | re.MULTILINE)


def read_robots(body: bytes, url: str) -> Discovered:
    """Return the sitemaps that robots.txt names; they belong to no user-agent group and may stand on other hosts."""
    text = decode(body[:MOST_BYTES]).replace("\r", "\n")
    found = dict.fromkeys(link for match in _LINE.finditer(text) if (link := absolute(url, match[1])))
    notes = (
        (f"only the first {MOST_SITEMAPS} of {len(found)} sitemaps were taken",) if len(found) > MOST_SITEMAPS else ()
    )
    return Discovered(url=url, kind="robots", sitemaps=tuple(map(SitemapRef, list(found)[:MOST_SITEMAPS])), notes=notes)
