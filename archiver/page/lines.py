"""A page as a reader sees it: lines of text, broken at blocks and at ``<br>``, and where they stand in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from archiver.page.markup import MOST_TEXT, Node, squeeze

# fmt: off
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "ins", "label", "mark", "q", "s", "small",
    "span", "strong", "sub", "sup", "time", "tt", "u", "var"
})
# fmt: on
_UNSEEN = frozenset(["script", "style", "noscript", "template", "svg", "head", "iframe", "select", "button"])


@dataclass(slots=True)
class Line:
    """A line of text as a reader sees it, and where its pieces stand in the tree."""

    pieces: list[str] = field(default_factory=list)
    slots: list[tuple[Node, bool]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The pieces with spaces between: neighbouring spans are set apart by style sheets, not by spaces."""
        return squeeze(" ".join(self.pieces)[:MOST_TEXT])

    def owners(self) -> list[Node]:
        """Return the elements whose content the pieces are."""
        return [element.getparent() if is_tail else element for element, is_tail in self.slots]

    def is_marked(self) -> bool:
        """Tell whether an element of the line, or one near above, is called author or byline."""
        return any(map(_is_author_mark, self.owners()))


def lines_of(tree: Node) -> Iterator[Line]:
    """Yield the page's text in lines as a reader sees them: broken at blocks and at <br>."""
    line = Line()
    unseen = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else "script"
        if event == "start":
            unseen += tag in _UNSEEN
        if tag not in _INLINE and line.slots and not unseen:
            yield line
            line = Line()
        if event == "end":
            unseen -= tag in _UNSEEN
        text = element.text if event == "start" else element.tail
        if text and not unseen and (text.strip() or line.slots):
            line.pieces.append(text)
            line.slots.append((element, event == "end"))
    if line.slots:
        yield line


def _is_author_mark(element: Node) -> bool:
    for _ in range(3):
        if element is None:
            return False
        if re.search(r"author|byline", f"{element.get('class')} {element.get('rel')} {element.get('itemprop')}", re.I):
            return True
        element = element.getparent()
    return False
