"""The headline: what a page calls itself, without the name of the site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from archiver.markup import Node, domain_of, normal, squeeze, text_of
from archiver.structured import Json, Meta, first, name_of, string

_TITLE_BREAK = re.compile(r"\s+(?:[-–—|·•»«~]|::?|\|\|)\s+|\s*\|\s*")


def titles_of(tree: Node, meta: Meta, item: Json) -> list[str]:
    tags = [
        first(meta, "og:title"),
        string(item.get("headline")) or name_of(item),
        first(meta, "twitter:title", "dc.title", "title", "parsely-title"),
        text_of(next(tree.iter("title"), None)),
    ]
    return [squeeze(re.sub(r"<[^<>]{1,200}>", "", tag))[:1000] for tag in tags if tag]


def names_of_site(url: str, site_name: str | None) -> frozenset[str]:
    host = domain_of(url) or ""
    labels = [label for label in host.split(".")[:-1] if len(label) > 2 and label not in {"com", "net", "org", "gov"}]
    names = [normal(site_name or "").replace(" ", ""), host, host.replace(".", ""), *labels]
    return frozenset(name for name in names if name)


def choose_title(tree: Node, titles: Sequence[str], site_names: frozenset[str]) -> tuple[str | None, Node | None]:
    """Return the headline and its h1, if the page has one that agrees with what the page calls itself."""
    headings = [(heading, text_of(heading)[:1000]) for heading in list(tree.iter("h1"))[:20]]
    headings = [(heading, text) for heading, text in headings if text and not names_site(text, site_names)]
    base = _without_site(titles[0], site_names) if titles else None
    for title in titles:
        wanted = _without_site(title, site_names)
        for heading, text in headings:
            if _same_headline(text, wanted):
                return (wanted if text.isupper() else text), heading
    if base:
        return base, headings[0][0] if len(headings) == 1 else None
    return (headings[0][1], headings[0][0]) if headings else (None, None)


def _without_site(title: str, site_names: frozenset[str]) -> str:
    """Cut the name of the site off a title.

    >>> _without_site("Rain at last | The Daily Example", frozenset({"dailyexample"}))
    'Rain at last'
    """
    breaks = list(_TITLE_BREAK.finditer(title))
    while breaks and names_site(title[breaks[-1].end() :], site_names):
        title = title[: breaks.pop().start()]
    if breaks and names_site(title[: breaks[0].start()], site_names):
        title = title[breaks[0].end() :]
    before, colon, after = title.partition(": ")
    if colon and normal(before).replace(" ", "") in site_names:
        title = after
    return title.strip()


def names_site(text: str, site_names: frozenset[str]) -> bool:
    words = normal(text).split()
    joined = "".join(words).removeprefix("the")
    if not joined or len(words) > 6:
        return not joined
    return any(
        joined == (name := known.removeprefix("the"))
        or (len(name) > 2 and (joined in name or name in joined) and len(joined) > 2)
        for known in site_names
    )


def _same_headline(heading: str, title: str) -> bool:
    one, other = normal(heading), normal(title)
    if not one or not other:
        return False
    if one == other or (other.startswith(one + " ") and len(one) > 15) or one.startswith(other.rstrip(".… ")):
        return True
    return SequenceMatcher(None, one[:300], other[:300]).ratio() > 0.8
