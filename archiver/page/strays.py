"""What stands in a page beside its article and is easily taken for it: dialogs, and the articles that follow.

Also the one kind of article that is easily taken for many: a live blog, whose entries look like articles themselves.
"""

from __future__ import annotations

from itertools import islice

from lxml import etree

from archiver.page.blocks import drop
from archiver.page.markup import Node, normal, text_of

_DIALOGS = etree.XPath(
    "//*[self::dialog or @role='dialog' or @role='alertdialog' or @aria-modal='true' or @id='CybotCookiebotDialog' or "
    "starts-with(@id, 'onetrust-') or starts-with(@id, 'didomi-') or starts-with(@id, 'usercentrics') or "
    "starts-with(@id, 'sp_message_') or starts-with(@class, 'qc-cmp2') or starts-with(@class, 'fc-consent')]"
)
_LONG = etree.XPath(".//text()[string-length(normalize-space()) > 40]")
_LEAST_LEFT = 200
"""Characters of prose outside of all dialogs without which the dialog may be what the page is about."""


def drop_dialogs(tree: Node) -> None:
    """Take out dialogs, which ask for consent, a subscription or an address, and may be longer than the story.

    One that holds a headline of the first order is a page shown as a dialog, and stays.
    """
    dialogs = [dialog for dialog in _DIALOGS(tree) if next(dialog.iter("h1", "body", "article"), None) is None]
    outer = [dialog for dialog in dialogs if not _is_within(dialog, set(dialogs))]
    if not outer:
        return
    left = _prose_in(tree) - sum(map(_prose_in, outer))
    if left >= _LEAST_LEFT:
        for dialog in outer:
            drop(dialog)


def _is_within(element: Node, others: set[Node]) -> bool:
    return any(ancestor in others for ancestor in element.iterancestors())


def _prose_in(element: Node) -> int:
    return sum(map(len, _LONG(element)))


_MOST_HEADLINES = 50


def drop_further_articles(tree: Node, headlines: frozenset[str]) -> None:
    """Take out articles that follow the page's own, as pages do that go on with the next one when scrolled.

    One is recognised by a headline of the first order that is not this page's, in an ``article`` element apart from
    the one with this page's headline.
    """
    headings = list(islice(tree.iter("h1"), _MOST_HEADLINES))
    own = next((heading for heading in headings if normal(text_of(heading)) in headlines), None)
    if own is None:
        return
    around = {own, *own.iterancestors()}
    for heading in headings[headings.index(own) + 1 :]:
        if normal(text_of(heading)) in headlines:
            continue
        top = next((each for each in heading.iterancestors("article") if each not in around), None)
        while top is not None and (outer := top.getparent()) is not None and outer not in around:
            top = outer
        if top is not None and top.getparent() is not None:
            drop(top)


_LEAST_ENTRIES = 3


def unroll_live_blog(tree: Node) -> None:
    """Make plain parts of the entries of a live blog, so that all are read, and lines of the times above them."""
    parents: dict[tuple[Node, str, str], list[Node]] = {}
    for time in tree.iter("time"):
        for element in islice(time.iterancestors(), 6):
            parent = element.getparent()
            if parent is not None:
                group = parents.setdefault((parent, element.tag, element.get("class") or ""), [])
                if not group or group[-1] is not element:
                    group.append(element)
    entries = max(parents.values(), key=len, default=[])
    if len(entries) < _LEAST_ENTRIES:
        return
    for entry in entries:
        entry.tag = "div"
        entry.attrib.clear()
        for part in list(entry.iter("header", "footer", "time")):
            stands_alone = part.tag != "time" or not any(each.tag in ("p", "span", "a") for each in _near(part, entry))
            part.tag = "div" if part.tag != "time" else "p" if stands_alone else "span"
            for element in (part, *_near(part, entry)):
                element.attrib.pop("class", None)


def _near(part: Node, entry: Node) -> list[Node]:
    found = []
    for ancestor in part.iterancestors():
        if ancestor is entry:
            break
        found.append(ancestor)
    return found
