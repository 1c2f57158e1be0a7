"""Finds the body of an article in a page.

One cheap reading serves most pages: our own look at where the prose stands (``prose``) crops the page, trafilatura
reads what is left for precision, without its fallbacks. Only where the result does not hold what the page shows or says
of itself are the expensive readings made, and the one chosen that the others and the page agree with most.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from archiver.metadata import Metadata
from archiver.page.blocks import blocks_of, drop, is_prose
from archiver.page.byline import byline_tokens
from archiver.page.labels import drop_boxes, drop_deks, drop_labels, drop_lines
from archiver.page.markup import Node, normal, squeeze, text_of
from archiver.page.prose import Prose, crop, keep_linked, make_paragraphs
from archiver.page.state import read_state
from archiver.page.strays import drop_dialogs, drop_further_articles, unroll_live_blog
from archiver.page.tables import is_quotes, unwrap_layout
from archiver.page.teasers import Links, drop_teasers, may_hold_links, prune_teasers


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reading of the body."""

    body: Node
    """In the elements of trafilatura: p, head, list with item, quote, table with row and cell."""
    source: str | None = None
    """Where it stands, if not in the elements of the page."""

    @property
    def text(self) -> str:
        """All of its text, white space collapsed."""
        return " ".join(" ".join(self.body.itertext()).split())


def read_body(tree: Node, url: str, metadata: Metadata) -> tuple[str, str, str | None]:
    """Return the article's plain text, its Markdown, and a note when they come from elsewhere than its elements.

    The tree is changed: scripts go, and lists of teasers.
    """
    scripts = _taken_scripts(tree)
    is_live = metadata.article_type == "LiveBlogPosting"
    unwrap_layout(tree)
    drop_dialogs(tree)
    drop_further_articles(tree, metadata.headlines)
    prune_teasers(tree)
    drop_labels(tree)
    drop_boxes(tree)
    drop_deks(tree, frozenset(filter(None, (normal(metadata.description or ""), normal(metadata.subtitle or "")))))
    if is_live:
        unroll_live_blog(tree)
    chosen = _best_body(tree, scripts, url, metadata)
    if chosen is None:
        return "", "", None
    links = Links.of(tree if may_hold_links(chosen.body) else None)
    drop_top(chosen.body, metadata.headlines, links, keep_times=is_live)
    drop_teasers(chosen.body, links)
    drop_lines(chosen.body)
    text, markdown = _rendered(chosen.body)
    return text, markdown, chosen.source


def _taken_scripts(tree: Node) -> list[str]:
    """Remove scripts and what else nobody sees, and return the text of those that may hold the page's state."""
    texts = [
        script.text
        for script in tree.iter("script")
        if script.text and len(script.text) > 400 and "ld+json" not in (script.get("type") or "")
    ]
    etree.strip_elements(tree, "script", "style", "template", "svg", "noscript", with_tail=False)
    return texts


def _best_body(tree: Node, scripts: Sequence[str], url: str, metadata: Metadata) -> Candidate | None:
    subject = f"{metadata.title or ''} {metadata.description or ''}"
    declared = _declared(metadata)
    is_news = metadata.declares_article and metadata.article_type != "DiscussionForumPosting"
    prose, body = _read_quickly(tree, url, is_news=is_news)
    first = None if body is None else Candidate(body)
    page = _Page(prose, _words_of(subject), normal(" ".join(declared)))
    if first is not None and page.is_held_by(first.text):
        return first
    readings = [] if first is None else [first]
    if first is None or not (page.is_whole(first.text) or _is_crowded(tree)):
        others = (_read_balanced(tree, url), _read_readable(tree, url))
        readings.extend(Candidate(other) for other in others if other is not None)
    if declared:
        readings.append(Candidate(_body_of(declared), "text from json-ld articleBody"))
    best = page.best(readings)
    if declared and best is not None and page.is_denied(best.text):
        best = readings[-1]
    length = 0 if best is None else len(best.text)
    if length >= _STUB:
        return best
    if sum(map(len, declared)) > _LONGER * length:
        return readings[-1]
    state = read_state(scripts, subject)
    if sum(map(len, state)) > _LONGER * length:
        return Candidate(_body_of(state), "text from the state embedded in a script")
    return best


_STUB = 600
"""Characters below which the elements of a page may show a beginning only, whose rest its scripts hold."""
_LONGER = 2.5
"""How many times longer than a stub the whole article is, at least."""


def _declared(metadata: Metadata) -> list[str]:
    text = re.sub(r"<[^<>]{1,500}>", " ", metadata.article_body or "")
    return squeeze_lines(text).splitlines()


def _body_of(paragraphs: Sequence[str]) -> Node:
    body = etree.Element("body")
    for paragraph in paragraphs:
        etree.SubElement(body, "p").text = paragraph
    return body


def _read_quickly(tree: Node, url: str, *, is_news: bool) -> tuple[Prose, Node | None]:
    """Read with trafilatura's rules alone, for precision on news, and return the prose they were to find.

    Precision is better on news (measured: +1.3 points of 4-gram F1) and loses whole bodies elsewhere, as cropping does.
    """
    from trafilatura.htmlprocessing import convert_tags, prune_unwanted_nodes, tree_cleaning
    from trafilatura.main_extractor import extract_content
    from trafilatura.settings import Extractor
    from trafilatura.xpaths import RAW_TREE_PRUNE_XPATH, REMOVE_COMMENTS_XPATH

    _silence()
    options = Extractor(fast=True, precision=is_news, comments=False, formatting=True, url=url)
    cleaned = tree_cleaning(copy(tree), options)
    prose = Prose.of(cleaned)
    article = crop(cleaned, prose, least=0.6 if is_news else 0.8)
    if article is not None and article.tag in ("article", "div", "main", "section"):
        article.set("itemprop", "articleBody")  # the first of the marks that trafilatura looks for
    make_paragraphs(prose)
    keep_linked(prose)
    cleaned = prune_unwanted_nodes(cleaned, RAW_TREE_PRUNE_XPATH)
    cleaned = convert_tags(cleaned, options, url)
    cleaned = prune_unwanted_nodes(cleaned, REMOVE_COMMENTS_XPATH)
    body, text = extract_content(cleaned, options)
    return prose, body if text else None


def _read_balanced(tree: Node, url: str) -> Node | None:
    """Read as trafilatura does by default, with all its fallbacks."""
    from trafilatura import bare_extraction

    document = bare_extraction(
        tree,
        url=url,
        fast=_is_crowded(tree),
        include_comments=False,
        include_formatting=True,
        deduplicate=False,
    )
    body = getattr(document, "body", None)
    return _body_of(body[0].text.splitlines()) if body is not None and _is_dump(body) else body


def _is_dump(body: Node) -> bool:
    """Tell whether trafilatura, at its wits' end, put all text of the page into one paragraph, line by line."""
    return len(body) == 1 and body[0].tag == "p" and not len(body[0]) and "\n" in (body[0].text or "")


def _read_readable(tree: Node, url: str) -> Node | None:
    from trafilatura.external import sanitize_tree, try_readability
    from trafilatura.settings import Extractor

    if _is_crowded(tree):
        return None
    body, text = sanitize_tree(try_readability(copy(tree)), Extractor(comments=False, formatting=True, url=url))
    return body if text else None


def _silence() -> None:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it discards, the outcome tells


_CROWDED = 3000


def _is_crowded(tree: Node) -> bool:
    """Tell whether a page has so many blocks that jusText, the fallback, takes minutes: it is quadratic."""
    blocks = tree.iter("p", "div", "li", "tr", "td", "th", "dt", "dd", "option", "pre", "blockquote", "br")
    return next(islice(blocks, _CROWDED, None), None) is not None


_PROMOTES = re.compile(
    r"\b(?:subscri\w+|newsletters?|sign up|cookies?|consent|privacy policy|unsubscribe|abonnieren|einwilligung)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_LEAST_DECLARED = 500
"""Characters from which an articleBody is more than a teaser."""
_MOST_COMPARED = 100_000
"""Characters of a reading that are compared with the page."""
_MOST_GRAMS = 5000
"""Words of a reading that are compared with the others."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What a reading is measured by."""

    prose: Prose
    subject: frozenset[str]
    """Words of headline and description."""
    declared: str
    """The JSON-LD articleBody, folded."""

    def is_held_by(self, text: str) -> bool:
        """Tell whether a text holds what the page shows and says, so that no better one need be looked for."""
        return (
            len(text) >= 250
            and self.is_whole(text)
            and self._share_declared(text) >= 0.4
            and self._share_of_subject(text) >= 0.25
            and _share_promoting(text) <= 0.15
        )

    def is_whole(self, text: str) -> bool:
        """Tell whether a text holds the prose that the page shows."""
        return bool(text and self.prose.inside) and self.prose.share_in(text) >= 0.8

    def is_denied(self, text: str) -> bool:
        """Tell whether the articleBody is another text altogether, and speaks of the subject no less."""
        own = self._share_of_subject(self.declared) - self._share_of_subject(text)
        return self._share_declared(text) < 0.1 and own >= -0.1

    def best(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the reading that the others and the page agree with most; the first of equals."""
        texts = [candidate.text for candidate in candidates]
        grams = [_grams(text) for text in texts]
        best, most = None, float("-inf")
        for number, candidate in enumerate(candidates):
            others = [_similarity(grams[number], other) for at, other in enumerate(grams) if at != number]
            score = self._fit(texts[number]) + (sum(others) / len(others) if others else 0.0)
            if texts[number] and score > most + 0.01:
                best, most = candidate, score
        return best

    def _fit(self, text: str) -> float:
        return (
            self.prose.share_in(text)
            + 0.5 * self._share_of_subject(text)
            + self._share_declared(text)
            - _share_promoting(text)
            - _share_repeated(text)
        )

    def _share_of_subject(self, text: str) -> float:
        folded = text[:_MOST_COMPARED].casefold()
        return sum(word in folded for word in self.subject) / len(self.subject) if self.subject else 1.0

    def _share_declared(self, text: str) -> float:
        """Return how many of a dozen places in the articleBody stand in a text."""
        if len(self.declared) < _LEAST_DECLARED:
            return 1.0
        folded = normal(text[:_MOST_COMPARED])
        places = range(0, len(self.declared) - _PLACE, 1 + len(self.declared) // 12)
        return sum(self.declared[start : start + _PLACE] in folded for start in places) / len(places)


_PLACE = 30
"""Characters."""


def _words_of(text: str) -> frozenset[str]:
    return frozenset(word for word in normal(text[:2000]).split() if len(word) > 3)


def _share_promoting(text: str) -> float:
    text = text[:_MOST_COMPARED]
    if not _PROMOTES.search(text):
        return 0.0
    return sum(len(one) for one in _SENTENCE_END.split(text) if _PROMOTES.search(one)) / len(text)


def _share_repeated(text: str) -> float:
    sentences = [one for one in _SENTENCE_END.split(text[:_MOST_COMPARED]) if len(one) > 40]
    return 1 - len(set(sentences)) / len(sentences) if sentences else 0.0


def _grams(text: str) -> Counter[tuple[str, ...]]:
    words = text.split()[:_MOST_GRAMS]
    return Counter(zip(words, words[1:], words[2:], words[3:], strict=False))


def _similarity(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def _rendered(body: Node) -> tuple[str, str]:
    from trafilatura.xml import xmltotxt

    _bound_backslashes(body)
    markdown = re.sub(r"\n{3,}", "\n\n", xmltotxt(body, True)).strip()
    return squeeze_lines(xmltotxt(body, False)), markdown


_FORMULA = re.compile(r"\\([(\[])")
_MOST_SEARCHED = 5_000_000
"""Characters; trafilatura looks for the end of a formula from each of its beginnings, to the end of the text."""
_BACKSLASHES = re.compile(r"\\{50,}")
"""Trafilatura looks for their end from each of them."""


def _bound_backslashes(body: Node) -> None:
    """Shorten runs of backslashes, and take them from beginnings of formulas, where they would cost minutes."""
    for element in body.iter():
        element.text, element.tail = _with_few_backslashes(element.text), _with_few_backslashes(element.tail)


def _with_few_backslashes(text: str | None) -> str | None:
    if not text or "\\" not in text:
        return text
    text = _BACKSLASHES.sub(lambda run: run[0][:50], text)
    if len(_FORMULA.findall(text)) * len(text) > _MOST_SEARCHED:
        return _FORMULA.sub(r"\1", text)
    return text


def squeeze_lines(text: str) -> str:
    """Collapse white space within lines and drop empty ones."""
    return "\n".join(filter(None, (squeeze(line) for line in text.splitlines())))


def drop_top(body: Node, headlines: frozenset[str], links: Links, *, keep_times: bool = False) -> None:
    """Take out what precedes the article: the headline again, names and dates, the link to the section, quotes.

    ``keep_times`` is for live blogs: the time above the first entry looks like a byline.
    """
    blocks = blocks_of(body)
    has_text = sum(block.tag != "table" and is_prose(block) for block in blocks) >= 2
    for block in blocks[:6]:
        text = text_of(block)
        if has_text and block.tag == "table" and is_quotes(block):
            drop(block)
            continue
        is_byline = not keep_times and bool(byline_tokens(text))
        if is_prose(block) and normal(text) not in headlines and not is_byline:
            break
        if normal(text) in headlines or is_byline or (len(text.split()) <= 4 and links.hold(text)):
            drop(block)
