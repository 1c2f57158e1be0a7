"""Text and Markdown of elements that are known to hold the article: all that they show, nothing judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from archiver.page.markup import Node, normal, squeeze

# fmt: off
_UNSEEN = frozenset({
    "script", "style", "noscript", "template", "svg", "math", "iframe", "head", "nav", "figcaption", "button",
    "select", "input", "textarea", "video", "audio", "object", "canvas",
})
INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
    "wbr", "acronym", "img", "picture", "source",
})
# fmt: on
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*"}
_PREFIXES = {**{f"h{level}": "#" * level + " " for level in range(1, 7)}, "li": "- ", "blockquote": "> "}
_IN_TEXT = frozenset({"- "})
"""Prefixes that the plain text keeps."""
_NOT_SHOWN = re.compile(r"display\s*:\s*none", re.IGNORECASE)


def read_containers(containers: Sequence[Node], title: str | None) -> tuple[str, str]:
    """Return plain text, one paragraph a line, and Markdown. A heading that repeats the title is left out."""
    reading = _Reading(normal(title or ""))
    for container in containers:
        reading.element(container)
        reading.end_block()
    return "\n".join(reading.lines), "\n\n".join(reading.blocks)


@dataclass(slots=True)
class _Reading:
    title: str
    lines: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    pieces: list[tuple[str, str]] = field(default_factory=list)
    """Texts of the block under way, each with its mark."""
    prefix: str = ""
    mark: str = ""

    def element(self, element: Node) -> None:
        """Read an element; it recurses no deeper than trees are, 256 levels."""
        tag = element.tag
        if not isinstance(tag, str) or tag in _UNSEEN or _is_hidden(element):
            return
        if tag == "table" and (rows := list(_rows(element))):
            self.end_block()
            self.table(rows)
            return
        before = self.prefix, self.mark
        if tag not in INLINE:
            self.end_block()
            self.prefix = _PREFIXES.get(tag, self.prefix)
        self.mark = _MARKS.get(tag, self.mark)
        self.text(element.text)
        for child in element:
            self.element(child)
            self.text(child.tail)
        if tag not in INLINE:
            self.end_block()
        self.prefix, self.mark = before

    def text(self, text: str | None) -> None:
        if text:
            self.pieces.append((text, self.mark))

    def end_block(self) -> None:
        """Write the block under way, if it says anything."""
        pieces, self.pieces = self.pieces, []
        text = squeeze("".join(piece for piece, _ in pieces))
        if not text or (self.prefix[:1] == "#" and normal(text) == self.title):
            return
        self.lines.append((self.prefix if self.prefix in _IN_TEXT else "") + text)
        self.blocks.append(self.prefix + squeeze("".join(_marked(pieces))))
        if self.prefix == "- ":  # further paragraphs of an item are no items
            self.prefix = ""

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        self.lines.extend(" | ".join(filter(None, row)) for row in rows)
        first, *others = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
        self.blocks.append("\n".join([first, f"|{' --- |' * len(rows[0])}", *others]))


def _is_hidden(element: Node) -> bool:
    return element.get("hidden") is not None or bool(_NOT_SHOWN.search(element.get("style", "")[:1000]))


def _marked(pieces: Sequence[tuple[str, str]]) -> Iterator[str]:
    for mark, run in groupby(pieces, key=lambda piece: piece[1]):
        text = "".join(piece for piece, _ in run)
        inner = text.strip()
        if mark and inner:
            start, end = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
            yield f"{start}{mark}{inner}{mark}{end}"
        else:
            yield text


_BLOCKS_IN_CELLS = ("table", "p", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "article", "section")


def _rows(table: Node) -> Iterator[list[str]]:
    """Yield the cells of a table of data; a table that lays out a page has none."""
    if next(table.iterdescendants(*_BLOCKS_IN_CELLS), None) is not None:
        return
    for row in table.iter("tr"):
        cells = [squeeze("".join(cell.itertext())) for cell in row if cell.tag in ("td", "th")]
        if any(cells):
            yield cells
