"""Text and links as they stand in markup: what an element says, how it compares, where a link leads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

Node: TypeAlias = Any
"""An lxml element; lxml has no types of its own."""
Tagged: TypeAlias = Mapping[str, Sequence[Node]]
"""The elements of some tags, each tag's in page order."""
_COLLECTED = ("meta", "link", "script", "h1", "title", "time", "figure", "video", "audio")
MOST_TEXT = 20_000
"""Characters looked at where a short text is expected: a heading, a link, a line."""


_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\ufeff\ud800-\udfff]")
"""Control characters that are no white space, soft hyphens, marks, and surrogates, which JSON-LD can smuggle in."""


def squeeze(text: str) -> str:
    """Collapse runs of white space and drop characters nobody can see."""
    squeezed = " ".join(text.split())
    return squeezed if squeezed.isprintable() else " ".join(_INVISIBLE.sub("", text).split())


def normal(text: str) -> str:
    """Fold a text for comparison: words only, case and accents' composition folded.

    >>> normal("Markets:  “Up” again!")
    'markets up again'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))


def clip(text: str | None, length: int) -> str | None:
    """Bound a value; pages with a megabyte of title exist."""
    return squeeze(text)[:length] or None if text else None


def text_of(element: Node) -> str:
    """Return the start of an element's text on one line; empty for ``None``."""
    return "" if element is None else squeeze("".join(element.itertext())[:MOST_TEXT])


def tagged(tree: Node) -> Tagged:
    """Collect the elements that tell metadata in one walk; a walk for each tag costs as much as reading them."""
    found: dict[str, list[Node]] = {tag: [] for tag in _COLLECTED}
    for element in tree.iter(*_COLLECTED):
        found[element.tag].append(element)
    return found


def inside(element: Node, tags: set[str]) -> bool:
    """Tell whether an element stands within one of these."""
    return any(ancestor.tag in tags for ancestor in element.iterancestors())


_NOT_IN_URLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def absolute(base: str, href: str | None) -> str | None:
    """Resolve a link; ``None`` for what is no http(s) URL with a host."""
    if not href or len(href) > 4000:
        return None
    try:
        href = href.strip()
        joined = href if href.startswith(("https://", "http://")) else urljoin(base, href)
        parts = urlsplit(joined)
    except ValueError:
        return None
    is_web = parts.scheme in ("http", "https") and parts.hostname
    return joined if is_web and not _NOT_IN_URLS.search(joined) else None


def domain_of(url: str) -> str | None:
    """Return the host in lower case without port and ``www.``.

    >>> domain_of("https://www.Example.com:8080/a")
    'example.com'
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None
