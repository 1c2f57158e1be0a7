"""The authors: names as they stand in a byline, and the first source that names a person."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree

from archiver.article import Author
from archiver.page.dates import find_date
from archiver.page.markup import Node, absolute, inside, squeeze, text_of
from archiver.page.structured import Json, Meta, string, types_of
from archiver.page.titles import SiteNames

_SUFFIX = re.compile(
    r"(?:ph\.?d|m\.?d|jr|sr|ii|iii|iv|esq|mba|cpa|cfa|rn|dds|dvm|msc|bsc|ma|llm|jd|obe|mbe|cbe|mp)\.?", re.I
)
ROLE = re.compile(
    r"\b(?:reporters?|editors?|correspondents?|writers?|staff|columnists?|contributors?|journalists?|producers?|analysts?|"
    r"bureau chief|desk|redakteur(?:in)?|korrespondent(?:in)?|journaliste|photographers?|photos?|director|professor)\b",
    re.I,
)
BY = re.compile(
    r"^\W*(?:(?:written|posted|published|reported|words|story|text|article|analysis|opinion)\s+by|by|von|par|por|di|"
    r"authors?|autor(?:in)?|auteur)(?:\s*:\s*|\s+|$)",
    re.I,
)
_NOT_A_NAME = re.compile(
    r"https?:|www\.|@|\d|view all posts|see all|follow|subscribe|read more|\bshare\b|comments?\b|\bupdated|published|"
    r"posted on|^admin$",
    re.IGNORECASE,
)
# fmt: off
PARTICLES = frozenset({
    "and", "&", "of", "for", "the", "de", "da", "do", "dos", "du", "von", "van", "der", "den", "del", "della", "di",
    "la", "le", "el", "al", "bin", "ibn", "ter", "ten", "y", "e", "et", "und"
})
# fmt: on


def split_names(text: str) -> list[str]:
    """Read the names in a byline.

    >>> split_names("By Tom O'Neil, PhD, Ann Lee and Bo Ek, Senior Reporter")
    ["Tom O'Neil, PhD", 'Ann Lee', 'Bo Ek']
    """
    text = squeeze(re.sub(r"<[^<>]{1,200}>", " ", html.unescape(text[:500])))
    text = BY.sub("", re.sub(r"https?:\S+|www\.\S+|\S+@\S+|\(@?\w+\)|@\w+", "", text))
    names: list[str] = []
    for part in re.split(r"\s*[;|•·/\n]\s*|\s+(?:and|und|et|&)\s+|\s+-\s+", text):
        for piece in _comma_pieces(part):
            if names and _SUFFIX.fullmatch(piece):
                names[-1] += f", {piece}" if len(names[-1]) < 80 else ""
            elif name := _clean_name(piece):
                names.append(name)
    return list(dict.fromkeys(names))


def _comma_pieces(part: str) -> list[str]:
    """Split at commas, but leave "Surname, Forename" whole."""
    pieces = [piece for piece in re.split(r"\s*,\s*(?:and\s+)?", part) if piece]
    if len(pieces) == 2 and all(len(piece.split()) == 1 for piece in pieces) and not _SUFFIX.fullmatch(pieces[1]):
        return [", ".join(pieces)]
    return pieces


def _clean_name(piece: str) -> str | None:
    piece = BY.sub("", piece).strip(" \t.,:;-–—|•·\"'“”()[]*")
    piece = re.split(r"\s+(?:for|in|at|from|with)\s+(?=[A-Z])", piece)[0]
    words = piece.split()
    if not 0 < len(words) <= 6 or len(piece) > 60 or len(piece) < 2 or _NOT_A_NAME.search(piece):
        return None
    if (ROLE.search(piece) and len(words) < 5 and not piece.lower().endswith(("news", "staff"))) or find_date(piece):
        return None
    return piece


def like_a_name(text: str) -> bool:
    """Tell whether a text could be a name: a few words, none in lower case but such as "of" and "van"."""
    words = text.split()
    return 0 < len(words) <= 8 and all(not word[0].islower() or word.lower() in PARTICLES for word in words)


def read_authors(
    tree: Node, meta: Meta, item: Json, in_byline: Sequence[str], site: SiteNames, url: str
) -> tuple[Author, ...]:
    """Persons of the first source that names any; else what stands in the byline; else whoever published."""
    fallback = [Author(name) for name in in_byline]
    for source in _author_sources(tree, meta, item, in_byline, url):
        authors = list({author.name.casefold(): author for author in reversed(source)}.values())[::-1]
        persons = [author for author in authors if not site.match(author.name)]
        if persons:
            return tuple(persons[:30])
        fallback = fallback or authors
    return tuple(fallback[:30])


def _author_sources(tree: Node, meta: Meta, item: Json, in_byline: Sequence[str], url: str) -> Iterator[list[Author]]:
    persons, organisations = _declared_authors(item.get("author") or item.get("creator"), url)
    yield persons
    names = ("author", "article:author", "byl", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator")
    for name in (*names, "citation_author", "article:author_name", "twitter:creator_name"):
        yield [Author(each) for value in meta.get(name, [])[:20] for each in split_names(value)]
    yield [Author(name) for name in in_byline]
    yield _marked_authors(tree, url)
    yield organisations


def _declared_authors(value: Any, url: str) -> tuple[list[Author], list[Author]]:
    persons: list[Author] = []
    organisations: list[Author] = []
    for each in value[:30] if isinstance(value, list) else [value]:
        group, link = persons, None
        names: Any = each
        if isinstance(each, dict):
            group = organisations if any("Organization" in kind for kind in types_of(each)) else persons
            link, names = absolute(url, string(each.get("url"))), each.get("name")
        for text in names[:20] if isinstance(names, list) else [names]:
            found = split_names(text) if isinstance(text, str) else []
            group.extend(Author(name, link if len(found) == 1 else None) for name in found)
    return persons, organisations


_AUTHOR_MARKS = etree.XPath(
    "//*[contains(concat(' ', @rel, ' '), ' author ') or @itemprop='author' or contains(@class, 'author')"
    " or contains(@class, 'byline') or contains(@class, 'Author') or contains(@class, 'Byline')]"
)


def _marked_authors(tree: Node, url: str) -> list[Author]:
    """Return the names in the first element whose markup says author or byline."""
    for element in _AUTHOR_MARKS(tree)[:20]:
        text = text_of(element)
        if not 3 < len(text) < 100 or element.tag in ("meta", "link") or inside(element, {"aside", "footer", "nav"}):
            continue
        dated = find_date(text)
        names = split_names(text[: dated.start] if dated else text)
        if names and all(like_a_name(name) for name in names):
            link = absolute(url, element.get("href")) if len(names) == 1 else None
            return [Author(name, link) for name in names]
    return []
