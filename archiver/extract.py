"""The reader: a page's bytes in, an ``Article`` out. No archive, network or Scrapy is needed.

``parse`` makes a tree of the bytes, ``metadata`` reads what the page says about itself, ``body`` finds the text,
``outcome`` judges the result. A page that breaks a parser becomes an article
with the outcome ``failed`` instead of an exception.
"""

from __future__ import annotations

import copy
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata as packages

from lxml import etree

from archiver.article import READABLE, Article, Extractor, Http
from archiver.metadata import Metadata, read_metadata
from archiver.outcome import Signs, decide, status_line
from archiver.page.body import read_body
from archiver.page.findings import Findings, apply_rules
from archiver.page.language import checked_language
from archiver.page.markup import Node, domain_of, squeeze, text_of
from archiver.page.parse import decode, kind_of, parse
from archiver.page.rules import Rule, rules_digest
from archiver.page.structured import Headers, header


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
    rules: tuple[Rule, ...] = ()
    """The site's rules of the day of the capture."""


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
    return _read(html, url, None, content_type or header(headers, "content-type"), headers, captured_at, ())


def read_page(page: Page) -> Article:
    """Read a response, judged by its status, headers and body."""
    content_type = header(page.headers, "content-type")
    article = _read(page.body, page.url, page.status, content_type, page.headers, page.captured_at, page.rules)
    evidence = (*article.evidence, "the download was cut short") if page.truncated else article.evidence
    by = extractor(page.rules, page.site)
    return replace(article, requested_url=page.requested_url, site=page.site, evidence=evidence, extractor=by)


def failed_article(page: Page, evidence: str) -> Article:
    """Account for a page that could not be read."""
    line = status_line(page.status)
    article = _blank(page.url, page.status, header(page.headers, "content-type"), page.headers, page.captured_at)
    return replace(
        article,
        requested_url=page.requested_url,
        site=page.site,
        extractor=extractor(page.rules, page.site),
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


@lru_cache(maxsize=1024)
def extractor(rules: tuple[Rule, ...] = (), site: str | None = None) -> Extractor:
    """Name this reader, and the rules it reads a site by: another version or profile may read a page otherwise."""
    try:
        version = packages.version("article-archiver")
    except packages.PackageNotFoundError:
        version = "unknown"
    profile = f"news, trafilatura {packages.version('trafilatura')}"
    if rules:
        profile += f", rules of {site or 'a site'} {rules_digest(rules)}"
    return Extractor("article-archiver", version, profile)


def _read(
    html: bytes | str,
    url: str,
    status: int | None,
    content_type: str | None,
    headers: Headers,
    captured_at: datetime | None,
    rules: Sequence[Rule],
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
        found = apply_rules(tree, rules, url, captured_at)
        return _read_tree(article, signs, tree, headers, captured_at, (*notes, *cuts, *found.notes), found)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the page is hostile input; whatever it broke is told as evidence
        reason = squeeze(f"reading broke: {type(error).__name__}: {error}"[:400])[:200]
        return replace(article, outcome="failed", evidence=(*filter(None, [status_line(status)]), reason))


def _read_tree(
    article: Article,
    signs: Signs,
    tree: Node,
    headers: Headers,
    captured_at: datetime | None,
    notes: tuple[str, ...],
    found: Findings,
) -> Article:
    page_title = text_of(next(tree.iter("title"), None))
    metadata = found.improve(read_metadata(tree, article.url, headers=headers, captured_at=captured_at))
    metadata.byline.erase()
    text, markdown, source = found.body(metadata.title) or read_body(tree, article.url, metadata)
    has_rule = "language" in found.values
    language, note = (metadata.language, None) if has_rule else checked_language(metadata.language, text)
    article = replace(_described(article, metadata), language=language)
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
    return _judged(read, signs, (*notes, *filter(None, [source, note])))


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
