"""Lists of links to other articles, which are no part of this one: recognised by a heading and what follows it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise

from archiver.page.blocks import block_lines, blocks_of, drop, is_prose
from archiver.page.byline import byline_tokens
from archiver.page.markup import MOST_TEXT, Node, normal, squeeze, text_of

_TEASER_HEADING = re.compile(
    r"(?:last|latest|more|other|top|recent|related|recommended|popular|further|breaking|trending)"
    r"(?: (?:\w+ )?(?:news|stor(?:y|ies)|articles?|headlines|reading|posts?|coverage|content|topics|links|now))?|"
    r"most (?:read|popular|viewed|shared)|more (?:from|on|about|in|like) .+|related to .+|"
    r"read (?:more|next|also|this next)|see also|also read|editors? picks|what to read next|up next|"
    r"(?:recommended|suggested|more) for you|in case you missed it|don ?t miss|"
    r"(?:more )?(?:news|stories|articles) you (?:may|might) have missed|"
    r"you (?:may|might) (?:also )?(?:like|be interested in|enjoy).*|"
    r"mehr zum thema|mehr (?:aus|von) .+|lesen sie auch|weitere (?:artikel|nachrichten|meldungen|themen)|meistgelesen|"
    r"das könnte sie (?:auch )?interessieren|(?:à )?lire aussi|sur le même sujet|dans la même rubrique|les plus lus|"
    r"noticias relacionadas|te puede interesar|más noticias|lea también|leia também|leia mais|mais lidas|"
    r"leggi anche|potrebbe interessarti.*|articoli correlati|lees ook|meer nieuws|läs också"
)
_TEASER_START = re.compile(
    r"\W{0,9}(?:la(?:st|test)|mo(?:re|st)|news|stor|art|other|top|re(?:cent|lated|commended|ad)|pop|fur|brea|tren|see|also|edit|what|up|"
    r"sugg|in case|don|you|mehr|meer|les|weit|meist|das|à|lire|sur|dans|noti|te |más|lea|leia|mais|leggi|potr|arti|"
    r"lees|läs)",
    re.IGNORECASE,
)
"""How each of them begins, to tell most lines apart without folding them."""
_MOST_TEASERS = 100
"""Blocks in a list of teasers; what is longer is a page of its own."""


def prune_teasers(tree: Node) -> None:
    """Take lists of teasers out of a page before its body is looked for, so that they are not taken for it.

    Only a heading such as "Last news" starts one, and only items that begin with a link, or stand below one that is
    nothing else, belong to it: class names are no evidence, whole articles stand in elements called "related".
    """
    words = [element for element in tree.iter(*_HEADING_TAGS) if not len(element) and 3 < len(element.text or "") < 80]
    headings = [element for element in words if is_teaser_heading(element) and not _in_link(element)]
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
                    drop(element)


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
        is_link = bool(text) and _begins_with_link(sibling, text)
        is_teaser = not text or is_link or (after_link and len(text.split()) < 60)
        if not is_teaser or len(items) > _MOST_TEASERS:
            break
        after_link = is_link and sibling.tag in _HEADING_TAGS
        items.append(sibling)
        if squeeze(sibling.tail or ""):
            break
    return items


def _begins_with_link(element: Node, text: str) -> bool:
    """Tell whether the first words are a link, a date before them aside, and every list item's as well."""
    entries = list(islice(element.iter("li"), _MOST_TEASERS))
    if not entries:
        return _is_link_first(element, text)
    return all(_is_link_first(entry, text_of(entry)) for entry in entries)


def _is_link_first(entry: Node, text: str) -> bool:
    first = text if entry.tag == "a" else next(filter(None, map(text_of, entry.iter("a"))), None)
    if not first:
        return False
    before = text.partition(first)[0]
    return not before.strip() or (len(before) < 40 and any(map(str.isdigit, before)))


def may_hold_links(body: Node) -> bool:
    """Tell whether the links of the page need to be known at all, which takes a tenth of the time of reading it."""
    blocks = blocks_of(body)
    return any(not is_prose(block) for block in blocks[:6]) or any(map(is_teaser_heading, blocks))


_START = 20


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


def drop_teasers(body: Node, links: Links) -> None:
    """Take out lists of links to other articles: a heading such as "Related" and the links that follow it.

    A heading with nothing after it has lost its list already and goes too. Anything that follows and is no link,
    no date and no summary directly under a link belongs to the article and stays.
    """
    blocks = blocks_of(body)
    kinds = _Kinds(blocks, links)
    has_begun = False
    start = 0
    while start < len(blocks):
        end = start + 1
        if has_begun and is_teaser_heading(blocks[start]):
            end += _count_teasers(kinds, start + 1, min(start + 1 + _MOST_TEASERS, len(blocks)))
            if end > start + 1 or end == len(blocks):
                for block in blocks[start:end]:
                    drop(block)
        has_begun = has_begun or is_prose(blocks[start])
        start = end


def is_teaser_heading(block: Node) -> bool:
    """Tell whether a block is a heading such as "Last news", of at most eight words."""
    line = (block.text or "" if not len(block) else "".join(block.itertext())[:MOST_TEXT]).strip()
    if len(line) > 200 or not _TEASER_START.match(line):
        return False
    text = normal(line)
    return len(text.split()) <= 8 and bool(_TEASER_HEADING.fullmatch(text))


class _Kinds:
    """What each block could be in a list of teasers, found out once: each may be asked about below many headings."""

    def __init__(self, blocks: Sequence[Node], links: Links) -> None:
        self.is_link = cache(lambda at: all(map(links.hold, block_lines(blocks[at]))))
        self.is_short = cache(
            lambda at: all(len(line.split()) <= 3 or byline_tokens(line) for line in block_lines(blocks[at]))
        )


def _count_teasers(kinds: _Kinds, start: int, end: int) -> int:
    """Count the blocks from ``start`` that belong to a list of teasers."""
    is_link = [kinds.is_link(at) for at in range(start, end)]
    has_summaries = sum(is_link) >= 2 and all(now or before for before, now in pairwise([False, *is_link]))
    if has_summaries:
        return len(is_link)
    count = 0
    for position in range(end - start):
        if is_link[position]:
            count = position + 1
        elif not kinds.is_short(start + position):
            break
    return count
