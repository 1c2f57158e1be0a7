"""Where the prose of a page stands: its paragraphs, and the element that holds the article's.

A cheap reading of our own beside trafilatura's. It shows trafilatura where to look, and afterwards tells whether what
came back holds the article.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from lxml import etree

from archiver.page.blocks import drop
from archiver.page.markup import Node, squeeze

_LONG = etree.XPath(".//text()[string-length(normalize-space()) > 40]")
_MOST_PARAGRAPHS = 1500
"""Paragraphs looked at; each is told to all elements around it."""
# fmt: off
_INLINE = frozenset({
    "a", "abbr", "b", "cite", "code", "em", "font", "i", "ins", "label", "mark", "q", "s", "small", "span", "strike",
    "strong", "sub", "sup", "time", "u"
})
# fmt: on
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CONTAINERS = frozenset({"article", "body", "center", "div", "form", "main", "section", "td"})
_ASIDE = re.compile(
    r"comment|related|recirc|recommend|promo|newsletter|sign-?up|subscri|donat|support|sponsor|hidden|modal|dialog|"
    r"popup|consent|cookie|sidebar|footer|widget|outbrain|taboola|teaser|trending|most-?read|latest|more-|share|social|"
    r"caption|author|\bbio\b|disclaimer|\bads?\b",
    re.IGNORECASE,
)
"""Names of elements whose prose counts a tenth: enough to choose between two, too little to remove anything."""
_NEAR = 8
"""Elements around a paragraph whose names count; farther out, wrappers of the whole page carry any name."""

Make: TypeAlias = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A block with some long text that is no link and no heading."""

    place: tuple[Node, ...]
    """The block and the elements around it, the innermost first."""
    start: str
    """First characters of its longest run without markup."""
    weight: float
    """Characters, fewer by far where the names around tell of something else than the article."""
    times: int = 1
    """How often it stands there; repeats elsewhere on the page are not counted."""

    @property
    def make(self) -> Make | None:
        """Tag and class, or that of the element around, which the paragraphs of one text have in common."""
        block, *around = self.place
        own, outer = block.get("class"), around[0].get("class") if around else None
        return (block.tag, own, None if own else outer) if own or outer else None

    def times_in(self, text: str) -> int:
        """Count it in a text, at most as often as it stands on the page."""
        return int(self.start in text) if self.times == 1 else min(self.times, text.count(self.start))


@dataclass(frozen=True, slots=True)
class Prose:
    """All paragraphs of a page, and where most of them stand."""

    paragraphs: Sequence[Paragraph]
    mass: Mapping[Node, float]
    """Weight of the paragraphs within each element."""
    container: Node | None
    """The element that holds the article's paragraphs; ``None`` on a page without any."""

    @classmethod
    def of(cls, tree: Node) -> Prose:
        """Find the paragraphs of a page, a repeated one once."""
        paragraphs = _paragraphs(tree)
        mass: defaultdict[Node, float] = defaultdict(float)
        scores: defaultdict[Node, float] = defaultdict(float)
        for paragraph in paragraphs:
            for element in paragraph.place:
                mass[element] += paragraph.weight
            around = paragraph.place if paragraph.place[0].tag in _CONTAINERS else paragraph.place[1:]
            for element, share in zip(around, (1, 0.5, 0.25), strict=False):
                scores[element] += paragraph.weight * share
        best = max(scores, key=scores.__getitem__, default=None)
        return cls(paragraphs, mass, best if best is None else _widened(best, paragraphs))

    @property
    def inside(self) -> list[Paragraph]:
        """The paragraphs of the container."""
        return [paragraph for paragraph in self.paragraphs if self.container in paragraph.place]

    @property
    def total(self) -> float:
        """Weight of all paragraphs."""
        return sum(paragraph.weight for paragraph in self.paragraphs)

    def share_in(self, text: str) -> float:
        """Return how much of the container's prose stands in a text; 1 when there is none."""
        inside = self.inside
        total = sum(paragraph.weight * paragraph.times for paragraph in inside)
        return sum(paragraph.weight * paragraph.times_in(text) for paragraph in inside) / total if total else 1.0


def _paragraphs(tree: Node) -> list[Paragraph]:
    texts: dict[Node, list[str]] = {}
    for text in islice(_LONG(tree), 2 * _MOST_PARAGRAPHS):
        element = text.getparent().getparent() if text.is_tail else text.getparent()
        is_link = False
        while element is not None and element.tag in _INLINE:
            is_link |= element.tag == "a"
            element = element.getparent()
        if element is not None and not is_link and element.tag not in _HEADINGS:
            texts.setdefault(element, []).append(squeeze(text[:10_000]))
    found: dict[str, Paragraph] = {}
    verdicts: dict[str, bool] = {}
    for block, parts in islice(texts.items(), _MOST_PARAGRAPHS):
        start = max(parts, key=len)[:60].strip()
        if start not in found:
            place = (block, *block.iterancestors())
            is_aside = any(_is_aside(element, verdicts) for element in place[:_NEAR])
            found[start] = Paragraph(place, start, sum(map(len, parts)) * (0.1 if is_aside else 1.0))
        elif found[start].place[1:2] == (block.getparent(),):
            found[start] = replace(found[start], times=found[start].times + 1)
    return list(found.values())


def _is_aside(element: Node, verdicts: dict[str, bool]) -> bool:
    if element.tag in ("body", "html"):
        return False
    names = f"{element.get('class') or ''} {element.get('id') or ''}"[:500]
    if names not in verdicts:
        verdicts[names] = bool(_ASIDE.search(names))
    return verdicts[names]


def _widened(best: Node, paragraphs: Sequence[Paragraph]) -> Node:
    """Take in paragraphs of the same make that stand elsewhere: texts are split by advertisements and walls."""
    makes = {paragraph.make for paragraph in paragraphs if best in paragraph.place} - {None}
    for paragraph in paragraphs:
        if paragraph.make in makes:
            while best not in paragraph.place:
                best = best.getparent()
    return best


_SMALL = 0.25
"""Share of the container's prose up to which an element beside it is believed to be something else."""
_PART = 0.1
"""Share from which an element of the same make beside the container is a part of the article."""
_TEXT_TAGS = frozenset({"p", "ul", "ol", "blockquote"})


def crop(tree: Node, prose: Prose, *, least: float) -> Node | None:
    """Take away what stands around the article's container, and return the element that holds the article then.

    Nothing is done, and ``None`` returned, when the container holds less than this share of the page's prose. Bare
    paragraphs before it are the beginning of the article, whose rest stands behind a wall or in a wrapper of its own;
    so is a paragraph right beside the headline.
    """
    container, body = prose.container, next(tree.iter("body"), tree)
    if container is None or prose.mass[container] < least * prose.total:
        return None
    classes = {paragraph.place[0].get("class") for paragraph in prose.inside}
    leads = {element for paragraph in prose.paragraphs if _is_lead(paragraph) for element in paragraph.place}
    top = element = container
    while element is not body and (parent := element.getparent()) is not None:
        is_before = True
        for sibling in list(parent):
            mass = prose.mass.get(sibling, 0.0)
            if sibling is element:
                is_before = False
            elif mass and (
                (is_before and (sibling.tag in _TEXT_TAGS or sibling in leads))
                or (element is container and sibling.tag == "p" and sibling.get("class") in classes)
                or (mass > _PART * prose.mass[container] and _are_alike(sibling, element))
            ):
                top = parent
            elif mass <= _SMALL * prose.mass[container]:
                drop(sibling)
        element = parent
    return top


def _is_lead(paragraph: Paragraph) -> bool:
    block = paragraph.place[0]
    return block.tag == "p" and len(paragraph.place) > 1 and paragraph.place[1].find("h1") is not None


def _are_alike(one: Node, other: Node) -> bool:
    return bool(one.tag == other.tag and one.get("class") == other.get("class"))


_SENTENCE = re.compile(r"\w{2}[.!?…。！？][\"'”’»)]*$")


def make_paragraphs(prose: Prose) -> None:
    """Make paragraphs of ``div`` elements that hold a sentence and stand among the article's paragraphs.

    Trafilatura reads such a lead only where the page has no ``p`` at all.
    """
    if prose.container is None or prose.container.find("p") is None:
        return
    for paragraph in prose.inside:
        block, *around = paragraph.place
        if block.tag != "div" or not around or around[0] is not prose.container:
            continue
        is_plain = all(each.tag in _INLINE and each.tag != "a" for each in block.iterdescendants())
        if is_plain and _SENTENCE.search(squeeze("".join(block.itertext()))):
            block.tag = "p"
            block.attrib.pop("class", None)


_WRAPPED = 3
"""Elements of one class around paragraphs that make it the class of the article's paragraphs."""


def keep_linked(prose: Prose) -> None:
    """Keep short paragraphs that hold a link and stand in a ``div`` of their own.

    Trafilatura measures links in ``div`` elements and drops those as lists of links; as ``section`` they stay. Only
    wrappers of a class that many paragraphs of the article stand in are of it: boxes with promotions look the same.
    """
    wrappers: dict[str, dict[Node, None]] = {}
    for paragraph in prose.inside:
        for element in paragraph.place[1:5]:
            if element is prose.container:
                break
            if element.tag == "div" and element.get("class"):
                wrappers.setdefault(element.get("class"), {})[element] = None
    if prose.container is None or not any(len(elements) >= _WRAPPED for elements in wrappers.values()):
        return
    for element in list(prose.container.iter("div")):
        if len(wrappers.get(element.get("class"), ())) >= _WRAPPED and _is_linked_paragraph(element):
            element.tag = "section"


def _is_linked_paragraph(element: Node) -> bool:
    links = element.findall(".//a")
    if not links or element.find(".//p") is None:
        return False
    length = len(squeeze("".join(element.itertext())))
    return 40 <= length <= 300 and sum(len(squeeze("".join(link.itertext()))) for link in links) < 0.6 * length
