"""The readers that are compared, all of one shape: a page's bytes and URL in, a ``Reading`` out, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archiver.article import Article


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found on a page."""

    text: str = ""
    title: str | None = None
    authors: tuple[str, ...] = ()
    published: str | None = None
    """The day, ``2026-11-22``."""
    article: Article | None = None
    """Our own reading; nothing else can be read again with what its site repeats."""


Reader = Callable[[bytes, str], Reading]


def read_ours(html: bytes, url: str) -> Reading:
    """Read as ``archiver save`` does the first page of a site."""
    from archiver.extract import extract_html

    return reading_of(extract_html(html, url))


def reading_of(article: Article) -> Reading:
    """Return what our reader found."""
    authors = tuple(author.name for author in article.authors)
    return Reading(article.text or "", article.title, authors, (article.published_at or "")[:10] or None, article)


def read_trafilatura(html: bytes, url: str) -> Reading:
    """Read with its defaults, except that reader comments are no text."""
    from trafilatura import bare_extraction

    document: Any = bare_extraction(html, url=url, with_metadata=True, include_comments=False)
    if document is None:
        return Reading()
    authors = tuple(filter(None, (name.strip() for name in (document.author or "").split(";"))))
    return Reading(document.text or "", document.title, authors, document.date)


def read_newspaper4k(html: bytes, url: str) -> Reading:
    """Read with its defaults, except that it may not download the images."""
    from newspaper import Article, Config
    from trafilatura.utils import decode_file

    config = Config()
    config.fetch_images = False
    article = Article(url, config=config)
    article.download(input_html=decode_file(html))
    article.parse()
    day = article.publish_date.date().isoformat() if article.publish_date else None
    return Reading(article.text or "", article.title, tuple(article.authors), day)


def read_readability(html: bytes, url: str) -> Reading:
    """Read body and title; it knows no authors and no dates."""
    from readability import Document

    document = Document(html, url=url)
    return Reading(lines_of(document.summary(html_partial=True)), document.short_title())


_BLOCKS = re.compile(
    "address|article|aside|blockquote|br|d[dlt]|details|div|fieldset|fig(caption|ure)|footer|form|h[1-6]|header|hr|li"
    "|main|nav|[ou]l|p|pre|section|table|t[dhr]"
)
_BREAK = "\u2029"


def lines_of(html: str) -> str:
    """Render HTML as text, a line for each block.

    >>> lines_of("<div><p>Rain <b>fell</b>.</p>Wind<br>rose.</div>")
    'Rain fell.\\nWind\\nrose.'
    """
    from lxml import html as lxml_html

    if not html.strip():
        return ""
    root = lxml_html.fromstring(html)
    for node in root.iter():
        if isinstance(node.tag, str) and _BLOCKS.fullmatch(node.tag):
            node.text = _BREAK + (node.text or "")
            node.tail = _BREAK + (node.tail or "")
    lines = "".join(root.xpath(".//text()")).split(_BREAK)
    return "\n".join(filter(None, (re.sub(r"\s+", " ", line).strip() for line in lines)))


OURS, OURS_ALONE = "ours", "ours, page alone"

READERS: Mapping[str, Reader] = {
    OURS_ALONE: read_ours,
    "trafilatura": read_trafilatura,
    "newspaper4k": read_newspaper4k,
    "readability-lxml": read_readability,
}
"""Each reads a page by itself."""

NAMES = (OURS, *READERS)
"""``ours`` is our reading of a page alone, without what its site repeats on the other pages."""

WITHOUT_BYLINE = frozenset({"readability-lxml"})
"""Readers that look for neither authors nor dates."""

_PACKAGES = {OURS: "article-archiver", OURS_ALONE: "article-archiver"}


def version_of(reader: str) -> str | None:
    """Return the installed version, ``None`` when a reader is not installed."""
    try:
        return version(_PACKAGES.get(reader, reader))
    except PackageNotFoundError:
        return None
