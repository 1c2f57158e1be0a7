"""Text and links as they stand in markup: what an element says, how it compares, where a link leads."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

Node: TypeAlias = Any
"""An lxml element; lxml has no types of its own."""
MOST_TEXT = 20_000
"""Characters looked at where a short text is expected: a heading, a link, a line."""


def squeeze(text: str) -> str:
    """Collapse runs of white space and drop characters nobody can see."""
    return " ".join(text.replace("\u200b", "").replace("\ufeff", "").replace("\xad", "").split())


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


def inside(element: Node, tags: set[str]) -> bool:
    """Tell whether an element stands within one of these."""
    return any(ancestor.tag in tags for ancestor in element.iterancestors())


def absolute(base: str, href: str | None) -> str | None:
    """Resolve a link; ``None`` for what is no http(s) URL."""
    if not href or len(href) > 4000:
        return None
    try:
        joined = urljoin(base, href.strip())
        return joined if urlsplit(joined).scheme in ("http", "https") else None
    except ValueError:
        return None


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
