"""A page as a reader sees it: lines of text, broken at blocks and at ``<br>``, and where they stand in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

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
    return _lines(etree.iterwalk(tree, events=("start", "end")))


def lines_below(element: Node) -> Iterator[Line]:
    """Yield the line that an element begins, and those that follow it to the end of the page."""
    return _lines(_events_from(element))


def lines_above(element: Node) -> Iterator[Line]:
    """Yield the lines that stand before an element, the nearest first."""
    line = Line()
    unseen = 0
    for event, each in _events_before(element):
        tag = each.tag if isinstance(each.tag, str) else "script"
        text = each.tail if event == "end" else each.text
        if text and not unseen and (text.strip() or line.slots):
            line.pieces.append(text)
            line.slots.append((each, event == "end"))
        unseen += tag in _UNSEEN and event == "end"
        if tag not in _INLINE and line.slots and not unseen:
            yield Line(line.pieces[::-1], line.slots[::-1])
            line = Line()
        if event == "start" and tag in _UNSEEN:
            unseen = max(0, unseen - 1)
    if line.slots:
        yield Line(line.pieces[::-1], line.slots[::-1])


Events: TypeAlias = Iterator[tuple[str, Node]]


def _events_from(element: Node) -> Events:
    yield from etree.iterwalk(element, events=("start", "end"))
    for parent in element.iterancestors():
        for sibling in element.itersiblings():
            yield from etree.iterwalk(sibling, events=("start", "end"))
        yield "end", parent
        element = parent


def _events_before(element: Node) -> Events:
    """Walk backwards to the start of the page; elements around the first have no end."""
    for parent in element.iterancestors():
        for sibling in element.itersiblings(preceding=True):
            waiting = [(sibling, False)]
            while waiting:
                each, is_done = waiting.pop()
                yield ("start" if is_done else "end"), each
                if not is_done:
                    waiting.append((each, True))
                    waiting.extend((child, False) for child in each)
        yield "start", parent
        element = parent


def _lines(events: Events) -> Iterator[Line]:
    line = Line()
    unseen = 0
    for event, element in events:
        tag = element.tag if isinstance(element.tag, str) else "script"
        if event == "start":
            unseen += tag in _UNSEEN
        if tag not in _INLINE and line.slots and not unseen:
            yield line
            line = Line()
        if event == "end" and tag in _UNSEEN:
            unseen = max(0, unseen - 1)
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
