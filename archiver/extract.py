"""The reader: a page's bytes in, an ``Article`` out. No archive, network or Scrapy is needed.

``parse`` makes a tree of the bytes, ``metadata`` reads what the page says about itself, trafilatura finds the body,
``teasers`` takes out what is not of it, ``outcome`` judges the result. A page that breaks a parser becomes an article
with the outcome ``failed`` instead of an exception.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata as packages
from itertools import islice

from lxml import etree

from archiver.article import READABLE, Article, Extractor, Http
from archiver.metadata import Metadata, read_metadata
from archiver.outcome import Signs, decide, status_line
from archiver.page.blocks import blocks_of, drop, is_prose
from archiver.page.byline import byline_tokens
from archiver.page.markup import Node, domain_of, normal, squeeze, text_of
from archiver.page.parse import decode, kind_of, parse
from archiver.page.structured import Headers, header
from archiver.page.tables import is_quotes, unwrap_layout
from archiver.page.teasers import Links, drop_teasers, may_hold_links, prune_teasers


@dataclass(frozen=True, slots=True)
class Page:
    """A response as the reader wants it: decoded from its content coding, and picklable."""

    url: str
    """The URL that answered."""
    requested_url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    captured_at: datetime
    """Aware."""
    truncated: bool = False
    """The download was cut short, so the body is known to be incomplete."""
    site: str | None = None


def extract_html(
    html: bytes | str,
    url: str,
    *,
    content_type: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    captured_at: datetime | None = None,
) -> Article:
    """Read a page. Never raises for what stands in it; the outcome says what was found.

    ``content_type`` is the header's value and overrides the one in ``headers``; ``captured_at`` bounds plausible
    dates. Without a status the page is taken for a 200. ``id``, ``warc`` and the version fields are the archive's.
    """
    return _read(html, url, None, content_type or header(headers, "content-type"), headers, captured_at)


def read_page(page: Page) -> Article:
    """Read a response, judged by its status, headers and body."""
    content_type = header(page.headers, "content-type")
    article = _read(page.body, page.url, page.status, content_type, page.headers, page.captured_at)
    evidence = (*article.evidence, "the download was cut short") if page.truncated else article.evidence
    return replace(article, requested_url=page.requested_url, site=page.site, evidence=evidence)


def failed_article(page: Page, evidence: str) -> Article:
    """Account for a page that could not be read."""
    line = status_line(page.status)
    article = _blank(page.url, page.status, header(page.headers, "content-type"), page.headers, page.captured_at)
    return replace(
        article,
        requested_url=page.requested_url,
        site=page.site,
        outcome="failed",
        evidence=(line, evidence) if line else (evidence,),
    )


def _blank(
    url: str, status: int | None, content_type: str | None, headers: Headers, captured_at: datetime | None
) -> Article:
    return Article(
        url=url,
        domain=domain_of(url),
        captured_at=captured_at.astimezone(UTC).isoformat() if captured_at else None,
        http=Http(status, content_type, header(headers, "etag"), header(headers, "last-modified")),
        extractor=extractor(),
    )


@lru_cache(maxsize=1)
def extractor() -> Extractor:
    """Name this reader: another version or profile may read the same page otherwise."""
    try:
        version = packages.version("article-archiver")
    except packages.PackageNotFoundError:
        version = "unknown"
    return Extractor("article-archiver", version, f"news, trafilatura {packages.version('trafilatura')}")


def _read(
    html: bytes | str,
    url: str,
    status: int | None,
    content_type: str | None,
    headers: Headers,
    captured_at: datetime | None,
) -> Article:
    article = _blank(url, status, content_type, headers, captured_at)
    signs = Signs(url, status, {name.lower(): value for name, value in headers}, size=len(html))
    try:
        kind = kind_of(html, content_type)
        if kind != "html" or not html.strip():
            return _judged(article, replace(signs, kind=kind, size=len(html.strip())), ())
        source, notes = decode(html, content_type)
        tree, cuts = parse(source)
        if tree is None:
            return _judged(article, signs, (*notes, *cuts))
        return _read_tree(article, signs, tree, headers, captured_at, (*notes, *cuts))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the page is hostile input; whatever it broke is told as evidence
        reason = squeeze(f"reading broke: {type(error).__name__}: {error}"[:400])[:200]
        return replace(article, outcome="failed", evidence=(*filter(None, [status_line(status)]), reason))


def _read_tree(
    article: Article, signs: Signs, tree: Node, headers: Headers, captured_at: datetime | None, notes: tuple[str, ...]
) -> Article:
    page_title = text_of(next(tree.iter("title"), None))
    metadata = read_metadata(tree, article.url, headers=headers, captured_at=captured_at)
    metadata.byline.erase()
    text, markdown, source = read_body(tree, article.url, metadata)
    article = _described(article, metadata)
    signs = replace(
        signs,
        title=(page_title or metadata.title or "")[:500],
        text=text,
        words=count_words(text),
        prose=sum(len(line.split()) >= 25 for line in text.splitlines()),
        declares_article=metadata.declares_article,
        og_type=metadata.article_type,
        accessible_for_free=metadata.accessible_for_free,
    )
    if not (signs.declares_article and signs.words > 250):
        signs = _with_visible(signs, tree)
    read = replace(
        article,
        text=text or None,
        text_markdown=markdown or None,
        word_count=signs.words if text else None,
        text_sha256=fingerprint(metadata.title, text) if text else None,
    )
    return _judged(read, signs, (*notes, source) if source else notes)


def _judged(article: Article, signs: Signs, notes: tuple[str, ...]) -> Article:
    verdict = decide(signs)
    article = replace(article, outcome=verdict.outcome, evidence=(*verdict.evidence, *notes))
    if verdict.outcome in READABLE:
        return article
    return replace(article, text=None, text_markdown=None, word_count=None, text_sha256=None)


def _described(article: Article, found: Metadata) -> Article:
    published, modified = found.published, found.modified
    return replace(
        article,
        canonical_url=found.canonical_url,
        site_name=found.site_name,
        title=found.title,
        subtitle=found.subtitle,
        description=found.description,
        authors=found.authors,
        published_at=published.value if published else None,
        published_raw=published.raw if published else None,
        published_precision=published.precision if published else None,
        published_source=published.source if published else None,
        modified_at=modified.value if modified else None,
        modified_raw=modified.raw if modified else None,
        language=found.language,
        section=found.section,
        breadcrumbs=found.breadcrumbs,
        tags=found.tags,
        lead_image=found.lead_image,
        images=found.images,
        media=found.media,
        article_type=found.article_type,
        accessible_for_free=found.accessible_for_free,
        license=found.license,
        rights=found.rights,
    )


def fingerprint(title: str | None, text: str) -> str:
    """Return the SHA-256 of title and text, composed (NFC) and with white space collapsed."""
    parts = [" ".join(unicodedata.normalize("NFC", part).split()) for part in (title or "", text)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def count_words(text: str) -> int:
    """Count words; Chinese and Japanese characters count one each.

    >>> count_words("Rain - at last"), count_words("東京 2020")
    (3, 3)
    """
    rest, ideographs = _IDEOGRAPHS.subn(" ", text)
    return ideographs + sum(1 for word in rest.split() if any(map(str.isalnum, word)))


_UNSEEN = ("script", "style", "noscript", "template", "svg", "iframe", "nav", "footer", "head")


def _with_visible(signs: Signs, tree: Node) -> Signs:
    seen = copy.deepcopy(tree)
    etree.strip_elements(seen, *_UNSEEN, with_tail=False)
    visible = squeeze(" ".join(seen.itertext()))
    links = [text for text in map(text_of, seen.iter("a")) if text]
    return replace(
        signs,
        visible=visible[:20_000],
        visible_words=count_words(visible),
        links=len(links),
        link_share=sum(map(len, links)) / max(1, len(visible)),
    )


def read_body(tree: Node, url: str, metadata: Metadata) -> tuple[str, str, str | None]:
    """Return the article's plain text, its Markdown, and a note when they come from elsewhere than its blocks."""
    unwrap_layout(tree)
    prune_teasers(tree)
    body = _best_body(tree, url, f"{metadata.title} {metadata.description}")
    text = markdown = ""
    if body is not None:
        links = Links.of(tree if may_hold_links(body) else None)
        drop_top(body, metadata.headlines, links)
        drop_teasers(body, links)
        text, markdown = _rendered(body)
    declared = squeeze_lines(re.sub(r"<[^<>]{1,500}>", " ", metadata.article_body or ""))
    if count_words(text) < 40 and count_words(declared) > 3 * count_words(text):
        return declared, declared.replace("\n", "\n\n"), "text from json-ld articleBody"
    return text, markdown, None


def _best_body(tree: Node, url: str, subject: str) -> Node | None:
    """Read for precision; where that leaves out most of the page's paragraphs or nearly all text, read balanced.

    Precision alone is better on news (measured: +1.3 points of 4-gram F1) but loses whole bodies elsewhere. What the
    balanced reading adds must still speak of the subject: consent dialogs have paragraphs too.
    """
    paragraphs = [text for text in (normal(text_of(p)) for p in tree.iter("p")) if len(text.split()) >= 12]
    words = {word for word in normal(subject).split() if len(word) > 3}
    precise = _trafilatura(tree, url, precision=True)
    fit = _Fit.of(precise, paragraphs, words)
    if fit.share >= 0.5 and fit.length >= (80 if fit.share < 0.8 else 25):
        return precise
    balanced = _trafilatura(tree, url, precision=False)
    other = _Fit.of(balanced, paragraphs, words)
    is_longer = fit.length < 25 and other.length > 1.5 * fit.length
    if precise is None or ((other.share > fit.share + 0.2 or is_longer) and other.subject >= fit.subject - 0.1):
        return balanced
    return precise


_MOST_COMPARED = 300
"""Paragraphs looked for in a body; of more, every second or third, since each search reads the whole body."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well a body fits its page."""

    length: int
    """Words."""
    share: float
    """Of the text in the page's paragraphs."""
    subject: float
    """Share of the words of headline and description that occur."""

    @classmethod
    def of(cls, body: Node | None, paragraphs: Sequence[str], subject: set[str]) -> _Fit:
        text = "" if body is None else normal(" ".join(body.itertext()))
        words = text.split()
        sample = paragraphs[:: 1 + len(paragraphs) // _MOST_COMPARED]
        total = sum(map(len, sample))
        held = sum(len(paragraph) for paragraph in sample if paragraph[:80] in text)
        found = len(subject.intersection(words)) / len(subject) if subject else 1.0
        return cls(len(words), held / total if total else 1.0, found)


def _trafilatura(tree: Node, url: str, *, precision: bool) -> Node | None:
    from trafilatura import bare_extraction  # half a second to import; a process that only fetches never pays it

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it discards, the outcome tells
    document = bare_extraction(
        tree,
        url=url,
        fast=_is_crowded(tree),
        include_comments=False,
        include_formatting=True,
        favor_precision=precision,
        deduplicate=False,
    )
    return getattr(document, "body", None)


_CROWDED = 5000


def _is_crowded(tree: Node) -> bool:
    """Tell whether a page has so many blocks that jusText, the fallback, takes minutes: it is quadratic."""
    blocks = tree.iter("p", "div", "li", "tr", "td", "th", "dt", "dd", "option", "pre", "blockquote", "br")
    return next(islice(blocks, _CROWDED, None), None) is not None


def _rendered(body: Node) -> tuple[str, str]:
    from trafilatura.xml import xmltotxt

    markdown = re.sub(r"\n{3,}", "\n\n", xmltotxt(body, True)).strip()
    return squeeze_lines(xmltotxt(body, False)), markdown


def squeeze_lines(text: str) -> str:
    """Collapse white space within lines and drop empty ones."""
    return "\n".join(filter(None, (squeeze(line) for line in text.splitlines())))


def drop_top(body: Node, headlines: frozenset[str], links: Links) -> None:
    """Take out what precedes the article: the headline again, names and dates, the link to the section, quotes."""
    blocks = blocks_of(body)
    has_text = sum(block.tag != "table" and is_prose(block) for block in blocks) >= 2
    for block in blocks[:6]:
        text = text_of(block)
        if has_text and block.tag == "table" and is_quotes(block):
            drop(block)
            continue
        if is_prose(block) and normal(text) not in headlines and not byline_tokens(text):
            break
        if normal(text) in headlines or byline_tokens(text) or (len(text.split()) <= 4 and links.hold(text)):
            drop(block)
