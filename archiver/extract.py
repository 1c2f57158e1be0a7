"""The reader: a page's bytes in, an ``Article`` out. No archive, network or Scrapy is needed.

trafilatura finds the body, ``metadata`` reads what the page says about itself, ``outcome`` judges the result. What
comes from the web is hostile until proven boring, so sizes, depth and counts are bounded before anything walks the
tree, and a page that breaks a parser becomes an article with the outcome ``failed`` instead of an exception.
"""

from __future__ import annotations

import codecs
import copy
import hashlib
import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata as packages
from itertools import pairwise

from lxml import etree
from lxml.html import HTMLParser, document_fromstring

from archiver.article import READABLE, Article, Extractor, Http
from archiver.metadata import (
    Headers,
    Metadata,
    Node,
    byline_tokens,
    domain_of,
    header,
    normal,
    read_metadata,
    squeeze,
    text_of,
)
from archiver.outcome import Signs, decide, status_line

MOST_BYTES = 8 * 2**20
"""A page is read up to here; the largest real articles measured are below 5 MB."""
MOST_TAGS = 200_000
"""Tags read of a page; the pages above it are generated tables and attacks."""


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
        tree = parse(source)
        if tree is None:
            return _judged(article, signs, notes)
        return _read_tree(article, signs, tree, headers, captured_at, notes)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the page is hostile input; whatever it broke is told as evidence
        reason = f"reading broke: {type(error).__name__}: {error}"[:200]
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


_MAGIC = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG", "image"),
    (b"GIF8", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"\x00\x00\x01\x00", "image"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"RIFF", "media"),
    (b"ID3", "media"),
)
_XML_ROOT = re.compile(
    r"\A\W*(?:<\?xml[^>]*>|<!--.*?-->|<!doctype[^>]*>|\s)*<(?:\w+:)?(\w+)", re.IGNORECASE | re.DOTALL
)
_FEEDS = {
    "rss": "feed",
    "feed": "feed",
    "rdf": "feed",
    "urlset": "a sitemap",
    "sitemapindex": "a sitemap",
    "svg": "image",
}
_LOOKS_LIKE_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|title|p|div|a|h1|span|table|br|article|main)\b", re.IGNORECASE
)


def kind_of(body: bytes | str, content_type: str | None) -> str:
    """Say what a body is: html, or pdf, image, json, feed, ...; the bytes win over a header that contradicts them."""
    start = body[:4096]
    if isinstance(start, bytes):
        for magic, kind in _MAGIC:
            if start.startswith(magic):
                return kind
        start = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "replace")
    start = start.lstrip("\ufeff \t\r\n").removeprefix("ï»¿")
    root = _XML_ROOT.match(start)
    if root and root[1].lower() in _FEEDS:
        return _FEEDS[root[1].lower()]
    media_type = (content_type or "").split(";")[0].strip().lower()
    if _LOOKS_LIKE_HTML.search(start) or not start:
        return "html" if not media_type.startswith(("image/", "video/", "audio/")) else media_type.split("/")[0]
    if media_type in ("", "text/html", "application/xhtml+xml"):
        return "json" if start[:1] in "{[" and "<" not in start else "html"
    main, _, sub = media_type.partition("/")
    return main if main in ("image", "video", "audio", "font") else sub.split("+")[-1].removeprefix("x-") or main


_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,30})", re.IGNORECASE)
_NOT_FOR_PAGES = {"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}


def decode(body: bytes | str, content_type: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the text of a page and notes on what was cut.

    The byte order mark decides, then the header's charset, then the page's own. Valid UTF-8 wins over a declared
    single-byte charset, which would accept any bytes; what fits nothing declared is guessed.
    """
    notes: list[str] = []
    if len(body) > MOST_BYTES:
        notes.append(f"only the first {MOST_BYTES // 2**20} MB of {len(body) / 2**20:.0f} MB were read")
        body = body[:MOST_BYTES]
    text = body if isinstance(body, str) else _decoded(body, content_type)
    if text.count("<") > MOST_TAGS:
        notes.append(f"only the first {MOST_TAGS} tags were read")
        text = text[: [match.start() for match, _ in zip(re.finditer("<", text), range(MOST_TAGS), strict=False)][-1]]
    return text.replace("\0", ""), tuple(notes)


def _decoded(body: bytes, content_type: str | None) -> str:
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    declared = [name for name in _declared_charsets(body, content_type) if name]
    multibyte = [name for name in declared if not _is_single_byte(name)]
    for name in (*multibyte, "utf-8", *declared):
        try:
            return body.decode(name)
        except UnicodeDecodeError as error:
            if error.start > len(body) - 4 or (name in declared and _mostly_fits(body, name)):
                return body.decode(name, "replace")  # cut inside a character, or a few stray bytes
    return _guessed(body)


def _declared_charsets(body: bytes, content_type: str | None) -> Iterator[str | None]:
    match = re.search(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", content_type or "", re.IGNORECASE)
    yield _codec(match[1]) if match else None
    if inside := _META_CHARSET.search(body[:8192]):
        name = _codec(inside[1].decode("ascii", "replace"))
        yield "utf-8" if name and name.startswith("utf-16") else name  # it was read as ASCII, so it is not UTF-16


def _codec(label: str) -> str | None:
    try:
        found = codecs.lookup(label)
    except (LookupError, ValueError):
        return None
    if found.name in _NOT_FOR_PAGES or not found._is_text_encoding:
        return None
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}.get(found.name, found.name)


def _is_single_byte(name: str) -> bool:
    return name.startswith(("cp125", "iso8859", "koi8", "mac", "latin", "windows", "cp8"))


def _mostly_fits(body: bytes, name: str) -> bool:
    sample = body[:100_000].decode(name, "replace")
    return sample.count("\ufffd") * 200 < len(sample)


def _guessed(body: bytes) -> str:
    from charset_normalizer import from_bytes  # 60 ms to import, needed by one page in a thousand

    best = from_bytes(body[:50_000]).best()
    return body.decode(best.encoding if best else "cp1252", "replace")


def parse(source: str) -> Node | None:
    """Parse a page; ``None`` if nothing is left of it.

    libxml2 stops at a depth of 256, which also keeps everything that recurses over the tree safe.
    """
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False)
    try:
        return document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


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
    prune_teasers(tree)
    body = _best_body(tree, url, f"{metadata.title} {metadata.description}")
    text = markdown = ""
    if body is not None:
        links = Links.of(tree if _may_hold_links(body) else None)
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
        total = sum(map(len, paragraphs))
        held = sum(len(paragraph) for paragraph in paragraphs if paragraph[:80] in text)
        found = len(subject.intersection(words)) / len(subject) if subject else 1.0
        return cls(len(words), held / total if total else 1.0, found)


def _trafilatura(tree: Node, url: str, *, precision: bool) -> Node | None:
    from trafilatura import bare_extraction  # half a second to import; a process that only fetches never pays it

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it discards, the outcome tells
    document = bare_extraction(
        tree, url=url, include_comments=False, include_formatting=True, favor_precision=precision, deduplicate=False
    )
    return getattr(document, "body", None)


def _rendered(body: Node) -> tuple[str, str]:
    from trafilatura.xml import xmltotxt

    markdown = re.sub(r"\n{3,}", "\n\n", xmltotxt(body, True)).strip()
    return squeeze_lines(xmltotxt(body, False)), markdown


def squeeze_lines(text: str) -> str:
    """Collapse white space within lines and drop empty ones."""
    return "\n".join(filter(None, (squeeze(line) for line in text.splitlines())))


def _drop(block: Node) -> None:
    parent, previous, tail = block.getparent(), block.getprevious(), block.tail
    if tail and tail.strip():
        if previous is not None:
            previous.tail = (previous.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    block.tail = None
    parent.remove(block)


_WRAPPERS = frozenset({"body", "div", "article", "section", "main"})


def blocks_of(body: Node) -> list[Node]:
    """Return the paragraphs, headings, lists, quotes and tables of a body in order, wrappers opened."""
    found: list[Node] = []
    waiting = list(reversed(body))
    while waiting:
        block = waiting.pop()
        if block.tag in _WRAPPERS and len(block) and not squeeze(block.text or ""):
            waiting.extend(reversed(block))
        else:
            found.append(block)
    return found


def drop_top(body: Node, headlines: frozenset[str], links: Links) -> None:
    """Take out what precedes the article: the headline again, names and dates, the link to the section."""
    for block in blocks_of(body)[:6]:
        text = text_of(block)
        if _is_prose(block) and normal(text) not in headlines and not byline_tokens(text):
            break
        if normal(text) in headlines or byline_tokens(text) or (len(text.split()) <= 4 and links.hold(text)):
            _drop(block)


_TEASER_HEADING = re.compile(
    r"(?:last|latest|more|other|top|recent|related|recommended|popular|further|breaking|trending)"
    r"(?: (?:\w+ )?(?:news|stor(?:y|ies)|articles?|headlines|reading|posts?|coverage|content|topics|links|now))?|"
    r"most (?:read|popular|viewed|shared)|more (?:from|on|about|in|like) .+|related to .+|"
    r"read (?:more|next|also|this next)|see also|also read|editors? picks|what to read next|up next|"
    r"(?:recommended|suggested|more) for you|in case you missed it|don ?t miss|"
    r"you (?:may|might) (?:also )?(?:like|be interested in|enjoy).*|"
    r"mehr zum thema|mehr (?:aus|von) .+|lesen sie auch|weitere (?:artikel|nachrichten|meldungen|themen)|meistgelesen|"
    r"das könnte sie (?:auch )?interessieren|(?:à )?lire aussi|sur le même sujet|dans la même rubrique|les plus lus|"
    r"noticias relacionadas|te puede interesar|más noticias|lea también|leia também|leia mais|mais lidas|"
    r"leggi anche|potrebbe interessarti.*|articoli correlati|lees ook|meer nieuws|läs också"
)


def prune_teasers(tree: Node) -> None:
    """Take lists of teasers out of a page before its body is looked for, so that they are not taken for it.

    Only a heading such as "Last news" starts one, and only items that begin with a link, or stand below one that is
    nothing else, belong to it: class names are no evidence, whole articles stand in elements called "related".
    """
    words = [element for element in tree.iter(*_HEADING_TAGS) if not len(element) and 3 < len(element.text or "") < 80]
    headings = [element for element in words if _is_teaser_heading(element) and not _in_link(element)]
    for heading in headings[:30]:
        top = heading
        for _ in range(3):
            items = _teaser_items(top)
            parent = top.getparent()
            if items or parent is None or text_of(parent) != text_of(heading):
                break
            top = parent
        if len(items) >= 2 or any(sum(1 for _ in item.iter("a")) >= 2 for item in items):
            for element in (top, *items):
                if element.getparent() is not None:
                    _drop(element)


_HEADING_TAGS = (
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "div",
    "span",
    "b",
    "strong",
    "header",
    "dt",
    "legend",
    "label",
)


def _in_link(element: Node) -> bool:
    return any(ancestor.tag == "a" for ancestor in element.iterancestors())


def _teaser_items(top: Node) -> list[Node]:
    """Return the siblings after a heading that are teasers."""
    items: list[Node] = []
    after_link = False
    if squeeze(top.tail or ""):
        return []
    for sibling in top.itersiblings():
        text = text_of(sibling)
        is_teaser = not text or _begins_with_link(sibling) or (after_link and len(text.split()) < 60)
        if not is_teaser or len(items) > _MOST_TEASERS:
            break
        after_link = bool(text) and _begins_with_link(sibling) and sibling.tag in _HEADING_TAGS
        items.append(sibling)
        if squeeze(sibling.tail or ""):
            break
    return items


def _begins_with_link(element: Node) -> bool:
    """Tell whether the first words are a link, a date before them aside, and every list item's as well."""
    entries = list(element.iter("li")) or [element]
    return all(_first_link(entry) for entry in entries[:_MOST_TEASERS])


def _first_link(entry: Node) -> bool:
    links = [entry] if entry.tag == "a" else list(entry.iter("a"))
    first = next(filter(None, map(text_of, links)), None)
    if first is None:
        return False
    before = text_of(entry).partition(first)[0]
    return not before.strip() or (len(before) < 40 and any(map(str.isdigit, before)))


def _may_hold_links(body: Node) -> bool:
    """Tell whether the links of the page need to be known at all, which takes a tenth of the time of reading it."""
    blocks = blocks_of(body)
    return any(not _is_prose(block) for block in blocks[:6]) or any(map(_is_teaser_heading, blocks))


@dataclass(frozen=True, slots=True)
class Links:
    """The texts of a page's links, folded, to recognise a line that is nothing but one."""

    texts: frozenset[str]
    by_start: Mapping[str, Sequence[str]]
    """Those long enough to be a headline, by their first characters."""

    @classmethod
    def of(cls, tree: Node | None) -> Links:
        found_links = () if tree is None else tree.iter("a")
        texts = frozenset(normal(text_of(link)) for link in found_links if link.get("href")) - {""}
        by_start: dict[str, list[str]] = {}
        for text in texts:
            if len(text) > _START and len(found := by_start.setdefault(text[:_START], [])) < 20:
                found.append(text)
        return cls(texts, by_start)

    def hold(self, line: str) -> bool:
        """Tell whether a line is a link, or a link with a few words after it, or nothing at all."""
        text = normal(line)
        starts = self.by_start.get(text[:_START], ())
        return not text or text in self.texts or any(text.startswith(s) and len(text) < 3 * len(s) for s in starts)


_START = 20
_MOST_TEASERS = 100
"""Blocks in a list of teasers; what is longer is a page of its own."""


def drop_teasers(body: Node, links: Links) -> None:
    """Take out lists of links to other articles: a heading such as "Related" and the links that follow it.

    A heading with nothing after it has lost its list already and goes too. Anything that follows and is no link,
    no date and no summary directly under a link belongs to the article and stays.
    """
    blocks = blocks_of(body)
    has_begun = False
    start = 0
    while start < len(blocks):
        end = start + 1
        if has_begun and _is_teaser_heading(blocks[start]):
            end += _count_teasers(blocks[start + 1 : start + 1 + _MOST_TEASERS], links)
            if end > start + 1 or end == len(blocks):
                for block in blocks[start:end]:
                    _drop(block)
        has_begun = has_begun or _is_prose(blocks[start])
        start = end


def _is_teaser_heading(block: Node) -> bool:
    text = normal(text_of(block))
    return len(text.split()) <= 8 and bool(_TEASER_HEADING.fullmatch(text))


def _is_prose(block: Node) -> bool:
    return len(text_of(block).split()) >= 8


def _count_teasers(blocks: Sequence[Node], links: Links) -> int:
    """Count the blocks at the start that belong to a list of teasers."""
    is_link = [all(map(links.hold, _block_lines(block))) for block in blocks]
    has_summaries = sum(is_link) >= 2 and all(now or before for before, now in pairwise([False, *is_link]))
    if has_summaries:
        return len(blocks)
    count = 0
    for position, block in enumerate(blocks):
        if is_link[position]:
            count = position + 1
        elif not all(len(line.split()) <= 3 or byline_tokens(line) for line in _block_lines(block)):
            break
    return count


def _block_lines(block: Node) -> Iterator[str]:
    items = list(block.iter("item"))
    for each in items or [block]:
        if text := text_of(each):
            yield text
