"""A body as blocks: its paragraphs, headings, lists, quotes and tables in order."""

from __future__ import annotations

from collections.abc import Iterator

from archiver.page.markup import Node, squeeze, text_of

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


def drop(block: Node) -> None:
    """Take a block out; text that follows it stays."""
    parent, previous, tail = block.getparent(), block.getprevious(), block.tail
    if tail and tail.strip():
        if previous is not None:
            previous.tail = (previous.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    block.tail = None
    parent.remove(block)


def is_prose(block: Node) -> bool:
    """Tell whether a block is long enough for a sentence."""
    return len(text_of(block).split()) >= 8


def block_lines(block: Node) -> Iterator[str]:
    """Yield the text of a block, of a list item by item."""
    items = list(block.iter("item"))
    for each in items or [block]:
        if text := text_of(each):
            yield text
