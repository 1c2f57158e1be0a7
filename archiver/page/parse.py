"""A body's bytes in, a tree out: what kind of content it is, in which charset, and its elements.

What comes from the web is hostile until proven boring, so sizes, depth and counts are bounded before anything walks
the tree.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from lxml import etree
from lxml.html import HTMLParser, document_fromstring

from archiver.page.markup import Node

MOST_BYTES = 8 * 2**20
"""A page is read up to here; the largest real articles measured are below 5 MB."""
MOST_TAGS = 100_000
"""Tags read of a page, start and end; those above it are generated tables and attacks, at 50 microseconds a tag."""
MOST_LEVELS = 2048
"""Elements within each other that libxml2 reads when asked for as many as it can."""
MOST_TEXT = 2_000_000
"""Characters of text read of a page, three novels; reading takes some seconds for each million."""
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
    r"\A[^\w<]*+(?>(?:<\?xml[^>]*>|<!--.*?-->|<!doctype[^>]*>)[^\w<]*+)*+<(?:\w+:)?(\w+)", re.IGNORECASE | re.DOTALL
)
"""The first element. Atomic: each of thirty comments could else end at the end of any later one, in 2^30 ways."""
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
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=[\s\"']*+([\w.:-]{2,30})", re.IGNORECASE)
_NOT_FOR_PAGES = {"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}


_ODD_SPACE = re.compile(r"[\x0b\x0c\x1c-\x1f]")
_NOT_XML = re.compile(r"[\x00-\x08\x0e-\x1b\ufffe\uffff]")
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32)])
_NOT_XML_REFERENCE = re.compile(
    r"&#(?:0*+(?:[1-8]|1[124-9]|2[0-9]|3[01]|6553[45])(?![0-9])"
    r"|[xX]0*+(?:[1-8b-cB-CeEfF]|1[0-9a-fA-F]|[fF]{3}[eEfF])(?![0-9a-fA-F]));?"
)
"""The parser takes these, but lxml refuses to write them: one of them, in a text that is moved, broke the reading."""


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
    return _NOT_XML_REFERENCE.sub(" ", _without_controls(text)), tuple(notes)


def _without_controls(text: str) -> str:
    """Drop what no XML may hold. Looking for it in bytes first takes a tenth of the time."""
    encoded = text.encode("utf-8", "surrogatepass")
    is_clean = len(encoded.translate(None, _CONTROLS)) == len(encoded) and "\ufffe" not in text and "\uffff" not in text
    return text if is_clean else _NOT_XML.sub("", _ODD_SPACE.sub(" ", text))


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
    match = re.search(r"charset\s*+=[\s\"']*+([\w.:-]+)", (content_type or "")[:1000], re.IGNORECASE)
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


def parse(source: str) -> tuple[Node | None, tuple[str, ...]]:
    """Return the tree of a page, ``None`` if nothing is left of it, and notes on what was cut.

    libxml2 stops at 256 levels, which pages reach that never close a ``<font>``. They are parsed once more, up to its
    higher limit, and flattened, since everything that recurses over the tree relies on the lower one.
    """
    notes: list[str] = []
    tree, is_too_deep = _parsed(source, huge_tree=False)
    if is_too_deep:
        tree, is_too_deep = _parsed(source, huge_tree=True)
        if is_too_deep:
            notes.append(f"nested deeper than {MOST_LEVELS:,} levels; what follows was not read")
        if tree is not None:
            _flatten(tree, _FLAT_FROM)
    elif tree is not None and source.count("<") > _MANY_TAGS and _is_heavy(tree):
        _flatten(tree, _FLAT_HEAVY_FROM)
    if tree is not None:
        _rename_odd(tree)
    if tree is not None and len(source) > MOST_TEXT and _cut_text(tree):
        notes.append(f"only the first {MOST_TEXT:,} characters of text were read")
    return tree, tuple(notes)


def _parsed(source: str, *, huge_tree: bool) -> tuple[Node | None, bool]:
    """Parse, and tell whether the parser stopped because elements were nested too deep for it."""
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False, huge_tree=huge_tree)
    try:
        tree = document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        tree = None
    return tree, any("depth" in (error.message or "").lower() for error in parser.error_log)


_ODD_NAMES = etree.XPath("//*[translate(name(), 'abcdefghijklmnopqrstuvwxyz0123456789-', '') != '']")
_NAME = re.compile(r"[a-z][a-z0-9._-]*")


def _rename_odd(tree: Node) -> None:
    """Make spans of elements such as ``<o:p>`` and ``<i'>``, whose names the parser takes and lxml does not make."""
    for element in _ODD_NAMES(tree):
        if not _NAME.fullmatch(element.tag):
            element.tag = "span"


_FLAT_FROM = 100
_FLAT_HEAVY_FROM = 30
_FLAT_HEIGHT = 15
_MANY_TAGS = 10_000
_MOST_HELD = 1_000_000
"""Elements in each element, summed up; the largest articles measured come to a fifth of it."""


def _is_heavy(tree: Node) -> bool:
    """Tell whether so much stands within so many elements that looking into each of them takes minutes."""
    level = held = 0
    for event, _ in etree.iterwalk(tree, events=("start", "end")):
        level += 1 if event == "start" else -1
        held += level
    return held > 2 * _MOST_HELD


def _flatten(tree: Node, first: int) -> None:
    """Bring a tree down: below the ``first`` level, what holds more than a few is put before what it holds."""
    heights: dict[Node, int] = {}
    tops: list[Node] = []
    level = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        level += 1 if event == "start" else -1
        if event == "end":
            heights[element] = 1 + max(map(heights.__getitem__, element), default=0)
            if level == first - 1 and heights[element] > _FLAT_HEIGHT:
                tops.append(element)
    for top in tops:
        _spread(top, heights)


def _spread(top: Node, heights: dict[Node, int]) -> None:
    """Make children of all descendants that are too high, in page order, and leave the others where they are."""
    steps: list[tuple[str, Node]] = []
    walk = etree.iterwalk(top, events=("start", "end"))
    for event, element in walk:
        steps.append((event, element))
        if event == "start" and heights[element] < _FLAT_HEIGHT:
            walk.skip_subtree()
    tails: dict[Node, str] = {}
    for event, element in steps[1:-1]:
        if event == "start":
            tails[element], element.tail = element.tail or "", None
            top.append(element)
        else:
            top[-1].tail = (top[-1].tail or "") + tails[element] or None


def _cut_text(tree: Node) -> bool:
    """Remove what follows the first ``MOST_TEXT`` characters that are no script, and tell whether anything did."""
    seen = 0
    for element in tree.iter():
        seen += len(element.tail or "") + (0 if element.tag in ("script", "style") else len(element.text or ""))
        if seen > MOST_TEXT:
            element.text = (element.text or "")[:MOST_TEXT]
            for each in (element, *element.iterancestors()):
                each.tail = None
                for following in list(each.itersiblings()):
                    following.getparent().remove(following)
            return True
    return False
