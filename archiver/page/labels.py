"""Labels and small boxes of a page's make-up that stand between the paragraphs of an article and are no part of it.

Advertisement labels, counters of pictures, offers of a newsletter, notes on rights. All of it is short and recognised
as a whole, so that no paragraph that only speaks of such things is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

from lxml import etree

from archiver.page.blocks import blocks_of, drop
from archiver.page.markup import Node, inside, normal, text_of

_EDGES = " \t\r\n\xa0.:…-–—*|•[](){}<>【】▼▾↓"


def _label(text: str) -> str:
    return text.strip(_EDGES).casefold()


_LABELS = frozenset(map(_label, (
    "Advertisement", "Advertising", "Advertorial", "Sponsored", "Sponsored content", "Paid content",
    "Advertisement - scroll to continue", "Article continues below", "Article continues below advertisement",
    "Article continues below this ad", "Story continues below", "Story continues below advertisement",
    "Story continues", "Continue reading below", "Scroll to continue", "Continue reading", "Scroll down",
    "Loading", "Listen", "Share", "Share this", "Share this article", "Share article", "Print", "Ends",
    "Be the first to get Breaking News", "Please turn on JavaScript to use this feature",
    "Please enable JavaScript", "This video can not be played", "Skip advertisement", "Report this ad",
    "Anzeige", "Werbung", "Artikel wird nach der Werbung fortgesetzt", "Publicidad", "Publicidade", "Anuncio",
    "Publicité", "Pubblicità", "Advertentie", "Annons", "Annonse", "Annonce", "Mainos", "Reklama", "Hirdetés",
    "Publicitate", "Реклама", "Διαφήμιση", "Reklam", "إعلان", "פרסומת", "विज्ञापन", "広告", "PR", "광고", "广告",
    "廣告", "โฆษณา", "Quảng cáo",
)))  # fmt: skip
"""Lines that say nothing but that something else stands here."""
_BLOCK_TAGS = ("p", "div", "button")
_LABEL_TAGS = (*_BLOCK_TAGS, "span", "small", "b", "strong", "em", "i")
_LONGEST_LABEL = 60
"""Characters."""
_COUNTER = re.compile(r"\d{1,3} (?:of|von|de|di|van|sur|из) \d{1,3}")


def drop_labels(tree: Node) -> None:
    """Take out elements whose whole text is a label, or the number of a picture in a gallery.

    What is inline must be all of a short line, and no code: the words are common ones.
    """
    for element in list(tree.iter(*_LABEL_TAGS)):
        text = element.text
        if text and len(text) <= _LONGEST_LABEL and _is_label(text) and not len(element) and _stands_alone(element):
            drop(element)


def _is_label(text: str) -> bool:
    label = _label(text)
    return label in _LABELS or bool(_COUNTER.fullmatch(label))


def _stands_alone(element: Node) -> bool:
    if inside(element, {"pre", "code"}):
        return False
    if element.tag in _BLOCK_TAGS:
        return True
    previous, parent = element.getprevious(), element.getparent()
    before = parent.text if previous is None else previous.tail
    if (before or "").strip() or (element.tail or "").strip():
        return False
    return bool(_COUNTER.fullmatch(_label(element.text))) or not _is_longer(parent, _LONGEST_LABEL)


_MOST_BOX = 450
"""Characters of a box that offers something; what is longer may be the story."""
_MOST_FIELDS = 8
_MOST_AROUND = 6
_ADDRESS_FIELDS = etree.XPath("//input[@type='email' or contains(@name, 'email') or contains(@id, 'email')]")
_BOX_NAME = re.compile(
    r"(?:^|[\s_-])(?:newsletter|subscri(?:be|ption)|sign-?up|pr-box|advert(?:isement)?|promo-?box|app-promo|"
    r"donat(?:e|ion)|verdict|pros-?(?:and-?)?cons|procon|toc|table-of-contents|signature|legal-?notice|disclaimer|"
    r"affiliate)(?:$|[\s_-])",
    re.IGNORECASE,
)
_BOX_TAGS = ("div", "section", "aside", "p", "nav")


def drop_boxes(tree: Node) -> None:
    """Take out small boxes: around a field for an address, and those whose names tell what they are.

    Names alone are no evidence, since wrappers of whole articles carry any; here the box must be short as well.
    """
    for box in [*_around_address_fields(tree), *_named(tree, _BOX_NAME, _BOX_TAGS)]:
        if (
            box.getparent() is not None
            and len(text_of(box)) <= _MOST_BOX
            and next(box.iter("h1", "article"), None) is None
        ):
            drop(box)


def _around_address_fields(tree: Node) -> Iterator[Node]:
    for field in _ADDRESS_FIELDS(tree)[:_MOST_FIELDS]:
        box = None
        for ancestor in islice(field.iterancestors(), _MOST_AROUND):
            if ancestor.tag in ("body", "html", "article", "main") or _is_longer(ancestor, _MOST_BOX):
                break
            box = ancestor
        if box is not None:
            yield box


def _is_longer(element: Node, most: int) -> bool:
    length = 0
    for text in element.itertext():
        length += len(text.strip())
        if length > most:
            return True
    return False


def _named(tree: Node, name: re.Pattern[str], tags: Sequence[str]) -> Iterator[Node]:
    """Yield the elements one of whose classes has this name in it, cut at hyphens and underscores."""
    verdicts: dict[str, bool] = {"": False}
    for element in tree.iter(*tags):
        names = (element.get("class") or "")[:300]
        if names not in verdicts:
            verdicts[names] = bool(name.search(names))
        if verdicts[names]:
            yield element


_DEK = re.compile(
    r"(?:^|[\s_-])(?:dek|deck|sub-?title|sub-?head(?:line|ing)?|stand-?first|strap-?line|subline|intro)(?:$|[\s_-])",
    re.IGNORECASE,
)
_DEK_TAGS = ("p", "h2", "h3", "div", "span")
_LONGEST_DEK = 300
"""Characters."""


def drop_deks(tree: Node, deks: frozenset[str]) -> None:
    """Take out the line below the headline where it repeats what the page gives as its description, folded.

    Only where it is named so, and then wherever it stands again: many descriptions are the first paragraph.
    """
    named = [each for each in _named(tree, _DEK, _DEK_TAGS) if len(text_of(each)) <= _LONGEST_DEK]
    found = {normal(text_of(each)) for each in named} & deks
    if not found:
        return
    for element in list(tree.iter("p", "h2", "h3", "div")):
        start = (element.text or "")[: _LONGEST_DEK + 1].strip()
        if start and not len(element) and normal(start) in found:
            drop(element)
    for element in named:
        if element.getparent() is not None and normal(text_of(element)) in found:
            drop(element)


_ALSO = re.compile(
    r"\W{0,3}(?:read(?: more| also| next)?|more|also|also read|see also|related|watch(?: this)?|lire aussi|"
    r"lesen sie auch|mehr dazu|lea también|leia também|leggi anche|lees ook|läs också|читайте также)\s?[:|>]",
    re.IGNORECASE,
)
_LONGEST_ALSO = 160
_NOTE = re.compile(
    r"\W{0,3}(?:©|\(c\) ?\d{4}|copyright\b.{0,40}\d{4}|all rights reserved|this document is subject to copyright|"
    r"citation: .+retrieved|more information:|"
    r"this (?:story|article) was originally published (?:on )?\w+ \d{1,2}, \d{4})",
    re.IGNORECASE | re.DOTALL,
)
_MOST_NOTES = 8
"""Blocks at the end of an article among which notes on rights and sources are looked for."""
_PROS = frozenset({"pros", "cons", "pros cons", "pros and cons"})


_LEFT_OVER = frozenset(
    {"read more", "read also", "also read", "lire aussi", "à lire aussi", "lesen sie auch", "lea también"}
)
"""Headings of links that are gone already."""


def drop_lines(body: Node) -> None:
    """Take out what leads elsewhere ("Read more: ..."), lists of pros and cons, and notes on rights below the text."""
    blocks = blocks_of(body)
    for block, following in zip_longest(blocks, blocks[1:]):
        if block.tag not in ("p", "head"):
            continue
        text = text_of(block)
        is_short = len(text) <= _LONGEST_LABEL
        is_label = is_short and ((block.tag == "p" and _is_label(text)) or _label(text) in _LEFT_OVER)
        if is_label or (len(text) < _LONGEST_ALSO and _ALSO.match(text)):
            drop(block)
        elif is_short and normal(text) in _PROS:
            drop(block)
            if following is not None and following.tag == "list":
                drop(following)
    left = [block for block in blocks if block.getparent() is not None]
    for block in islice(reversed(left[len(left) // 2 + 1 :]), _MOST_NOTES):
        if _NOTE.match(text_of(block)[:1000]):
            drop(block)
