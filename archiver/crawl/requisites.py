"""Requisites: what a browser needs to show a page, named by the page and by its style sheets.

Pure: bytes and their URL in, links out. Both are read no further than a bound, by a parser that forgives everything and
by a scanner that never goes back.

Of ``srcset`` every candidate counts, as in Heritrix and wget, since nobody knows the screen of who will look; the
largest comes before the others. Video and sound are left out, and so are the documents of frames, which are pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import urldefrag

from archiver.page.markup import Node, absolute
from archiver.page.parse import decode, kind_of, parse

MOST_LINKS = 1000
"""Links taken of one page or style sheet."""
MOST_CSS = 4 * 2**20
"""Characters of a style sheet that are looked at."""
DEEPEST = 5
"""Style sheets that may import each other in a row, the first one included."""


class Rank(IntEnum):
    """How soon a requisite is wanted: what changes the look of a page most comes first."""

    SHEET = 0
    SCRIPT = 1
    IMAGE = 2
    INSIDE_SHEET = 3
    """Fonts and background images."""
    CANDIDATE = 4
    """Another size of an image."""


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A requisite that a page or style sheet names."""

    rank: Rank
    url: str
    """Absolute, without fragment."""
    depth: int = 1
    """Of style sheets: by how many imports it was reached, and one."""


def links_of_page(body: bytes, url: str, content_type: str | None) -> list[Link]:
    """Return the requisites that a page names, those that matter most first; none for what is no HTML."""
    if not body.strip() or kind_of(body, content_type) != "html":
        return []
    tree, _ = parse(decode(body, content_type)[0])
    if tree is None:
        return []
    base = next((absolute(url, node.get("href")) for node in tree.iter("base") if node.get("href")), None) or url
    return _links(_named_in(tree), base, depth=1)


def links_of_sheet(body: bytes, url: str, content_type: str | None, *, depth: int = 1) -> list[Link]:
    """Return what a style sheet reached at `depth` imports and names; the imports of one too deep are left out."""
    text = decode(body[:MOST_CSS], content_type)[0]
    found = ((rank, name) for rank, name in _named_in_css(text) if rank != Rank.SHEET or depth < DEEPEST)
    return _links(found, url, depth=depth + 1)


def _links(named: Iterator[tuple[Rank, str]], base: str, *, depth: int) -> list[Link]:
    found: dict[str, Link] = {}
    for rank, name in named:
        joined = absolute(base, name)
        if joined is None:
            continue
        place = urldefrag(joined)[0]
        if place == urldefrag(base)[0]:
            continue
        if place not in found or rank < found[place].rank:
            found[place] = Link(rank, place, depth)
        if len(found) >= MOST_LINKS:
            break
    return sorted(found.values(), key=lambda link: link.rank)


# What a page names.

_ICONS = frozenset({"icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon", "fluid-icon", "manifest"})
_PRELOADS = {"style": Rank.SHEET, "script": Rank.SCRIPT, "font": Rank.INSIDE_SHEET, "image": Rank.IMAGE}
_IMAGE_SOURCES = ("src", "data-src", "data-lazy-src", "data-original", "lowsrc")
_IMAGE_SETS = ("srcset", "data-srcset", "data-lazy-srcset", "imagesrcset")
_BACKGROUNDS = ("background", "data-bg", "data-background", "data-background-image")
"""Attributes that hold a URL, a ``url()``, or something else, such as the name of a colour."""


def _named_in(tree: Node) -> Iterator[tuple[Rank, str]]:
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue
        if (named := _BY_TAG.get(element.tag)) is not None:
            yield from named(element)
        if css := element.get("style"):
            yield from _inside(css)
        for name in _BACKGROUNDS:
            value = element.get(name) or ""
            if "url(" in value:
                yield from _inside(value)
            elif "/" in value or "." in value:
                yield Rank.IMAGE, value


def _of_link(element: Node) -> Iterator[tuple[Rank, str]]:
    relations = set((element.get("rel") or "").lower().split())
    href = element.get("href") or ""
    if "stylesheet" in relations and "alternate" not in relations:
        yield Rank.SHEET, href
    elif relations & _ICONS:
        yield Rank.IMAGE, href
    elif "modulepreload" in relations:
        yield Rank.SCRIPT, href
    elif "preload" in relations and (rank := _PRELOADS.get((element.get("as") or "").lower())) is not None:
        yield rank, href
        yield from _of_sets(element)


def _of_image(element: Node) -> Iterator[tuple[Rank, str]]:
    for name in _IMAGE_SOURCES:
        if value := element.get(name):
            yield Rank.IMAGE, value
    yield from _of_sets(element)


def _of_sets(element: Node) -> Iterator[tuple[Rank, str]]:
    for name in _IMAGE_SETS:
        candidates = parse_srcset(element.get(name) or "")
        largest = max(candidates, key=lambda candidate: candidate[1], default=None)
        for candidate in candidates:
            yield Rank.IMAGE if candidate is largest else Rank.CANDIDATE, candidate[0]


def _of_source(element: Node) -> Iterator[tuple[Rank, str]]:
    parent = element.getparent()
    if parent is None or parent.tag not in ("video", "audio"):
        yield from _of_image(element)


def _of_script(element: Node) -> Iterator[tuple[Rank, str]]:
    if source := element.get("src"):
        yield Rank.SCRIPT, source


def _of_style(element: Node) -> Iterator[tuple[Rank, str]]:
    yield from _named_in_css((element.text or "")[:MOST_CSS])


def _of_video(element: Node) -> Iterator[tuple[Rank, str]]:
    if poster := element.get("poster") or element.get("data-poster"):
        yield Rank.IMAGE, poster


def _of_input(element: Node) -> Iterator[tuple[Rank, str]]:
    if (element.get("type") or "").lower() == "image":
        yield Rank.IMAGE, element.get("src") or ""


def _of_drawing(element: Node) -> Iterator[tuple[Rank, str]]:
    target = element.get("href") or element.get("xlink:href") or ""
    if not target.startswith("#"):
        yield Rank.IMAGE, target


_BY_TAG: dict[str, Callable[[Node], Iterator[tuple[Rank, str]]]] = {
    "link": _of_link,
    "img": _of_image,
    "amp-img": _of_image,
    "source": _of_source,
    "script": _of_script,
    "style": _of_style,
    "video": _of_video,
    "input": _of_input,
    "image": _of_drawing,
    "use": _of_drawing,
}


_CANDIDATE = re.compile(r"[\s,]*+([^\s,](?:[^\s,]|,(?=[^\s,]))*+)(?:,|((?:\s++[^\s,]++){0,3}+))", re.ASCII)
_BETWEEN = ", \t\n\r\f\v"


def parse_srcset(text: str) -> list[tuple[str, float]]:
    """Return the candidates of a ``srcset`` with their width or density; commas inside a URL stay there.

    >>> parse_srcset("/a.jpg?w=1,2 480w, /b.jpg 960w")
    [('/a.jpg?w=1,2', 480.0), ('/b.jpg', 960.0)]
    >>> parse_srcset("/a.jpg, /a@2x.jpg 2x")
    [('/a.jpg', 1.0), ('/a@2x.jpg', 2.0)]
    """
    candidates = []
    for match in _CANDIDATE.finditer(text.rstrip(_BETWEEN)):  # with nothing behind them, each would be tried in vain
        sizes = [_size(word) for word in (match[2] or "").split()]
        candidates.append((match[1], max(sizes, default=1.0)))
        if len(candidates) >= MOST_LINKS:
            break
    return candidates


def _size(descriptor: str) -> float:
    try:
        return float(descriptor[:-1]) if descriptor[-1:] in "wx" else 0.0
    except ValueError:
        return 0.0


# What a style sheet names (CSS Syntax Level 3): comments, strings and url() are told apart, so that none hides another.

_STRING = r'"(?P<{0}d>(?:[^"\\\n]|\\.)*+)(?:"|$)|\'(?P<{0}s>(?:[^\'\\\n]|\\.)*+)(?:\'|$)'
_URL = r'url\(\s*+(?:{0}|(?P<{1}u>(?:[^\s"\'()\\]|\\.)++))\s*+\)'
_GAP = r"(?:\s|/\*(?:[^*]|\*(?!/))*+\*/)*+"
_TOKEN = re.compile(
    rf"/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
    rf"|@namespace[^;]*+"
    rf"|@import{_GAP}(?:{_URL.format(_STRING.format('a'), 'a')}|{_STRING.format('b')})"
    rf"|{_URL.format(_STRING.format('c'), 'c')}"
    rf"|{_STRING.format('d')}",
    re.IGNORECASE | re.DOTALL,
)
_IMPORTS = ("ad", "as", "au", "bd", "bs")
_NAMES = ("cd", "cs", "cu")
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|\n|(.))", re.DOTALL)


def _named_in_css(text: str) -> Iterator[tuple[Rank, str]]:
    for match in _TOKEN.finditer(text):
        for names, rank in ((_IMPORTS, Rank.SHEET), (_NAMES, Rank.INSIDE_SHEET)):
            if name := next(filter(None, map(match.group, names)), None):
                yield rank, _unescaped(name)


def _inside(css: str) -> Iterator[tuple[Rank, str]]:
    """Yield what the style of one element names: pictures, which are part of the page."""
    for rank, name in _named_in_css(css[:MOST_CSS]):
        if rank == Rank.INSIDE_SHEET:
            yield Rank.IMAGE, name


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    if match[1]:
        code = int(match[1], 16)
        return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return match[2] or ""
