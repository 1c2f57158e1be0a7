"""The headline: what a page calls itself, without the name of the site."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from urllib.parse import urlsplit

from archiver.page.lines import lines_of
from archiver.page.markup import Node, Tagged, domain_of, inside, normal, squeeze, text_of
from archiver.page.structured import Json, Meta, first, name_of, string

_TITLE_BREAK = re.compile(r"\s+(?:[-–—|·•»«~]|::?|\|\|)\s+|\s*\|\s*")
_FRONT_PAGE = re.compile(r"\s*(?:(?:https?:)?//[^/?#]+/?|/)(?:index\.\w{3,5})?\s*", re.IGNORECASE)
_MOST_LINES = 500
"""Lines of a page among which a headline without an h1 is looked for."""


@dataclass(frozen=True, slots=True)
class SiteNames:
    """The names a site goes by, folded."""

    likely: frozenset[str]
    """From the host and what the page says: a short text that holds one, or is part of one, names the site."""
    linked: frozenset[str] = frozenset()
    """From links to the front page: only a text that is one of these, whole, names the site."""

    @classmethod
    def of(cls, tree: Node, url: str, site_name: str | None) -> SiteNames:
        """Collect the names from the host, from what the page says and from links to the front page."""
        host = domain_of(url) or ""
        labels = [label for label in host.split(".")[:-1] if len(label) > 2 and label not in _COMMON_LABELS]
        return cls(_folded([site_name or "", host, *labels]), _folded(_front_page_links(tree, url)))

    def equal(self, text: str) -> bool:
        """Tell whether a text is nothing but a name of the site."""
        return _fold(text) in self.likely or _fold(text) in self.linked

    def match(self, text: str) -> bool:
        """Tell whether a text names the site, be it with a word left out or added."""
        joined = _fold(text)
        if not joined or self.equal(text):
            return True
        if len(joined) < 3 or len(normal(text).split()) > 6:
            return False
        return any(len(name) > 2 and (joined in name or name in joined) for name in self.likely)


_COMMON_LABELS = frozenset({"com", "net", "org", "gov"})


def _fold(text: str) -> str:
    return normal(text).replace(" ", "").removeprefix("the")


def _folded(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(map(_fold, texts)) - {""}


_MOST_LINKS = 150
"""Links of a page among which its mast is looked for."""


def _front_page_links(tree: Node, url: str) -> list[str]:
    """Return what the links to the front page say, or show: a name is often a picture."""
    host = domain_of(url)
    found = []
    for link in islice(tree.iter("a"), _MOST_LINKS):
        href = link.get("href")
        if not href or len(href) > 80 or "/" in href[8:-11] or not _FRONT_PAGE.fullmatch(href):
            continue
        if "//" not in href or domain_of(f"https:{href[href.index('//') :]}") == host:
            alts = (squeeze(image.get("alt") or "") for image in islice(link.iter("img"), 20))
            found.append(text_of(link) or " ".join(alts))
    return found[:20]


_TITLE_NAMES = (
    "twitter:title", "dc.title", "dcterms.title", "citation_title", "parsely-title", "sailthru.title", "title",
)  # fmt: skip


def titles_of(elements: Tagged, meta: Meta, item: Json) -> list[str]:
    """Return what the page calls itself, the most reliable first."""
    tags = [
        first(meta, "og:title"),
        string(item.get("headline")) or name_of(item),
        first(meta, *_TITLE_NAMES),
        text_of(next(iter(elements["title"]), None)),
    ]
    return [squeeze(re.sub(r"<[^<>]{1,200}>", "", tag))[:1000] for tag in tags if tag]


def choose_title(
    tree: Node, elements: Tagged, url: str, titles: Sequence[str], site: SiteNames
) -> tuple[str | None, Node | None]:
    """Return the headline and its h1, if the page has one that agrees with what the page calls itself.

    A title that is only the name of the site is none, except on the front page. A headline that says otherwise than
    what is meant for search engines and social networks is what readers see.
    """
    if not _is_front_page(url):
        titles = [title for title in titles if not site.equal(title)]
    headings = [(heading, _PERMALINK.sub("", text_of(heading)[:1000])) for heading in elements["h1"][:20]]
    headings = [(heading, text) for heading, text in headings if text and not site.match(text)]
    for title in titles:
        wanted = _without_site(title, site)
        for heading, text in headings:
            if _same_headline(text, wanted):
                return (wanted if text.isupper() or _has_kicker(heading, text, wanted) else text), heading
    if len(headings) == 1 and titles and _is_shown_headline(*headings[0]):
        return headings[0][1], headings[0][0]
    if base := _without_site(titles[0], site) if titles else None:
        shown = _shown(tree, base)
        return shown or base, headings[0][0] if len(headings) == 1 and not shown else None
    return (headings[0][1], headings[0][0]) if headings else (None, None)


_PERMALINK = re.compile(r"\s?[¶🔗]\ufe0f?$|\s#$")
"""The sign of the link to a headline itself."""
_HEADLINE_MARK = re.compile(r"head|title|hed\b", re.IGNORECASE)


def _is_shown_headline(heading: Node, text: str) -> bool:
    """Tell whether a page's only h1 is a headline by its length and its make-up, and no name of a section."""
    marks = f"{heading.get('class')} {heading.get('itemprop')} {heading.get('id')}"
    is_marked = bool(_HEADLINE_MARK.search(marks)) or inside(heading, {"article"})
    return is_marked and 5 <= len(text.split()) <= 30 and not inside(heading, {"a", "nav", "aside", "footer"})


def _has_kicker(heading: Node, text: str, title: str) -> bool:
    """Tell whether a heading begins with the name of a section or a series that is no part of the headline."""
    if not normal(text).endswith(" " + normal(title)):
        return False
    kicker = normal(text)[: -len(normal(title))].strip()
    if len(kicker.split()) > 4:
        return False
    start = next((each for each in heading if normal(text_of(each))), None)
    is_apart = start is not None and not normal(heading.text or "") and normal(text_of(start)) == kicker
    return is_apart or bool(re.match(rf"(?:\W*\w+){{{len(kicker.split())}}}\s*[|•»]", text))


def _is_front_page(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.path in ("", "/") and not parts.query


def _without_site(title: str, site: SiteNames) -> str:
    """Cut the name of the site off a title.

    >>> _without_site("Rain at last | The Daily Example", SiteNames(frozenset({"dailyexample"})))
    'Rain at last'
    """
    breaks = list(_TITLE_BREAK.finditer(title))
    while breaks and site.match(title[breaks[-1].end() :]):
        title = title[: breaks.pop().start()]
    if breaks and site.match(title[: breaks[0].start()]):
        title = title[breaks[0].end() :]
    before, colon, after = title.partition(": ")
    if colon and site.equal(before):
        title = after
    return title.strip()


def _shown(tree: Node, title: str) -> str | None:
    """Return the part of a title that stands in the page as a line of its own; the rest is the site or a section."""
    parts = {normal(part): part for part in _parts(title)}
    if not parts:
        return None
    lines = list(islice(lines_of(tree), _MOST_LINES))
    found = {normal(line.text) for line in lines if not all(map(_in_link, line.owners()))} & set(parts)
    return parts[max(found, key=len)] if found else None


def _parts(title: str) -> Iterator[str]:
    """Yield what is left when a title is cut at its breaks, as long as its longest piece is kept."""
    breaks = list(_TITLE_BREAK.finditer(title))[:8]
    starts = [0, *(found.end() for found in breaks)]
    ends = [*(found.start() for found in breaks), len(title)]
    longest = max(range(len(starts)), key=lambda piece: ends[piece] - starts[piece])
    for start in starts[: longest + 1] if breaks else ():
        for end in ends[longest:]:
            if len(title[start:end].split()) >= 3:
                yield title[start:end]


def _in_link(element: Node) -> bool:
    return element.tag == "a" or inside(element, {"a"})


_ALIKE = 0.8


def _same_headline(heading: str, title: str) -> bool:
    one, other = normal(heading), normal(title)
    if not one or not other:
        return False
    if one == other or (other.startswith(one + " ") and len(one) > 15) or one.startswith(other.rstrip(".… ")):
        return True
    alike = SequenceMatcher(None, one[:300], other[:300])
    return alike.real_quick_ratio() > _ALIKE and alike.quick_ratio() > _ALIKE and alike.ratio() > _ALIKE
