"""What a page says about itself: JSON-LD, OpenGraph, meta tags, time tags, byline, headers.

Each value is taken from the first source that has it: json-ld, meta, time tag, byline, url, htmldate. What the page
does not say stays ``None``. Nothing here raises on broken markup; a block of JSON-LD that cannot be read is skipped.
"""

from __future__ import annotations

import email.utils
import html
import json
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from lxml import etree

from archiver.article import Author, Image, Media, Precision, Rights

Node: TypeAlias = Any
"""An lxml element; lxml has no types of its own."""
Headers: TypeAlias = Sequence[tuple[str, str]]

EARLIEST = date(1990, 1, 1)
"""No news page is older than the web."""
AHEAD = timedelta(days=2)
"""Clocks and zones differ; a publication date further in the future is a mistake."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date as far as the page tells it; ``value`` is the ISO 8601 form used in the article."""

    value: str
    precision: Precision
    raw: str
    source: str


@dataclass(frozen=True, slots=True)
class Byline:
    """What stands in the lines around the headline, and the text slots that hold them."""

    authors: tuple[str, ...] = ()
    published: Moment | None = None
    modified: Moment | None = None
    slots: tuple[tuple[Node, bool], ...] = ()
    """(element, is its tail); see ``erase``."""

    def erase(self) -> None:
        """Take the lines out of the tree, so that they are not read as text of the article.

        Elements left empty go with them: text that follows an empty heading would be taken for its own.
        """
        for element, is_tail in self.slots:
            if is_tail:
                element.tail = " "
            else:
                element.text = None
        for element, is_tail in self.slots:
            if not is_tail and not len(element) and element.getparent() is not None:
                element.drop_tree()


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything a page claims about itself; fields as in ``Article``."""

    canonical_url: str | None = None
    site_name: str | None = None
    title: str | None = None
    subtitle: str | None = None
    description: str | None = None
    authors: tuple[Author, ...] = ()
    published: Moment | None = None
    modified: Moment | None = None
    language: str | None = None
    section: str | None = None
    breadcrumbs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    lead_image: str | None = None
    images: tuple[Image, ...] = ()
    media: tuple[Media, ...] = ()
    article_type: str | None = None
    accessible_for_free: bool | None = None
    license: str | None = None
    rights: Rights = field(default_factory=Rights)
    headlines: frozenset[str] = frozenset()
    """Normalised forms of the headline, to recognise it at the top of the text."""
    article_body: str | None = None
    """JSON-LD articleBody."""
    declares_article: bool = False
    """JSON-LD or OpenGraph call the page an article, or it carries a publication date in its markup."""
    byline: Byline = field(default_factory=Byline)


def read_metadata(tree: Node, url: str, *, headers: Headers = (), captured_at: datetime | None = None) -> Metadata:
    """Read the metadata of a parsed page. ``captured_at`` bounds plausible dates and defaults to now."""
    latest = (captured_at or datetime.now(UTC)) + AHEAD
    meta, graph = read_meta(tree), read_json_ld(tree)
    item = main_item(graph, url)
    found = _descriptive(tree, url, meta, item, graph, headers)
    title, headline = choose_title(tree, _titles(tree, meta, item), _site_names(url, found.site_name))
    headlines = frozenset(filter(None, map(normal, [*_titles(tree, meta, item), title or "", text_of(headline)])))
    byline = read_byline(tree, headline, headlines, latest)
    published = _published(tree, url, meta, item, byline, latest, headline)
    return replace(
        found,
        title=title,
        headlines=headlines,
        byline=byline,
        authors=_authors(tree, meta, item, byline, _site_names(url, found.site_name), url),
        published=published,
        modified=_modified(tree, meta, item, byline, latest),
        declares_article=bool(item) or (first(meta, "og:type") or "").lower() in {"article", "news"},
    )


def _descriptive(tree: Node, url: str, meta: Meta, item: Json, graph: list[Json], headers: Headers) -> Metadata:
    breadcrumbs = _breadcrumbs(graph)
    images = _images(tree, url, meta, item)
    og_image = absolute(url, first(meta, "og:image", "og:image:url", "twitter:image", "twitter:image:src"))
    return Metadata(
        canonical_url=absolute(url, _link(tree, "canonical") or first(meta, "og:url")),
        site_name=clip(first(meta, "og:site_name", "application-name") or _name(item.get("publisher")), 200),
        subtitle=clip(string(item.get("alternativeHeadline")), 1000),
        description=clip(
            first(meta, "og:description", "description", "twitter:description") or string(item.get("description")), 5000
        ),
        language=_language(tree, meta, item, headers),
        section=_section(meta, item, breadcrumbs),
        breadcrumbs=breadcrumbs,
        tags=_tags(meta, item),
        lead_image=og_image or (images[0].url if images else None),
        images=images,
        media=_media(tree, url, meta, item),
        article_type=type_of(item) or first(meta, "og:type"),
        accessible_for_free=_accessible_for_free(meta, item),
        license=clip(_license(tree, url, item), 1000),
        rights=_rights(meta, headers),
        article_body=string(item.get("articleBody")),
    )


def squeeze(text: str) -> str:
    """Collapse runs of white space and drop characters nobody can see."""
    return " ".join(text.replace("\u200b", "").replace("\ufeff", "").replace("\xad", "").split())


def normal(text: str) -> str:
    """Fold a text for comparison: words only, case and accents' composition folded.

    >>> normal("Markets:  “Up” again!")
    'markets up again'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))


MOST_TEXT = 20_000
"""Characters looked at where a short text is expected: a heading, a link, a line."""


def text_of(element: Node) -> str:
    """Return the start of an element's text on one line; empty for ``None``."""
    return "" if element is None else squeeze("".join(element.itertext())[:MOST_TEXT])


def clip(text: str | None, length: int) -> str | None:
    """Bound a value; pages with a megabyte of title exist."""
    return squeeze(text)[:length] or None if text else None


def absolute(base: str, href: str | None) -> str | None:
    """Resolve a link; ``None`` for what is no http(s) URL."""
    if not href or len(href) > 4000:
        return None
    try:
        joined = urljoin(base, href.strip())
        return joined if urlsplit(joined).scheme in ("http", "https") else None
    except ValueError:
        return None


def domain_of(url: str) -> str | None:
    """Return the host in lower case without port and ``www.``.

    >>> domain_of("https://www.Example.com:8080/a")
    'example.com'
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None


Meta: TypeAlias = Mapping[str, list[str]]


def read_meta(tree: Node) -> Meta:
    """Collect meta tags by lower-case name, property, itemprop or http-equiv, in page order."""
    found: dict[str, list[str]] = {}
    for tag in tree.iter("meta"):
        content = squeeze(tag.get("content") or "")
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            name = (tag.get(attribute) or "").strip().lower()
            if name and content and content not in found.setdefault(name, []):
                found[name].append(html.unescape(content))
    return found


def first(meta: Meta, *names: str) -> str | None:
    """Return the first value of the first of these names that the page has."""
    return next((meta[name][0] for name in names if meta.get(name)), None)


def header(headers: Headers, name: str) -> str | None:
    """Return a header's value, repeats joined with a comma (RFC 9110, section 5.3)."""
    values = [value.strip() for key, value in headers if key.lower() == name]
    return ", ".join(values) or None


def _link(tree: Node, rel: str) -> str | None:
    for link in tree.iter("link"):
        if rel in (link.get("rel") or "").lower().split() and link.get("href"):
            return str(link.get("href"))
    return None


def _rights(meta: Meta, headers: Headers) -> Rights:
    reservation = header(headers, "tdm-reservation") or first(meta, "tdm-reservation")
    robots = [value for name in ("robots", "googlebot") for value in meta.get(name, [])]
    return Rights(
        robots_meta=", ".join(dict.fromkeys(robots))[:500] or None,
        x_robots_tag=clip(header(headers, "x-robots-tag"), 500),
        tdm_reservation={"1": True, "0": False}.get((reservation or "").strip()),
        tdm_policy=clip(header(headers, "tdm-policy") or first(meta, "tdm-policy"), 1000),
        content_signal=clip(header(headers, "content-signal"), 500),
    )


def _language(tree: Node, meta: Meta, item: Json, headers: Headers) -> str | None:
    declared = item.get("inLanguage")
    root = tree.getroottree().getroot()
    candidates = [
        string(declared.get("alternateName") or declared.get("name") if isinstance(declared, dict) else declared),
        root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or root.get("xml:lang"),
        first(meta, "content-language", "language", "dc.language"),
        first(meta, "og:locale"),
        header(headers, "content-language"),
    ]
    for candidate in candidates:
        match = re.fullmatch(r"([a-z]{2,3})(?:[-_][a-z0-9_-]+)?", (candidate or "").strip(), re.IGNORECASE)
        if match:
            return match[1].lower()
    return None


# JSON-LD ------------------------------------------------------------------------------------------------------

Json: TypeAlias = dict[str, Any]
_MOST_ITEMS = 500
_ARTICLE_TYPE = re.compile(r"(?:Article|BlogPosting|Posting|Report|Review|Recipe)$")


def read_json_ld(tree: Node) -> list[Json]:
    """Return the top-level objects of every JSON-LD script, lists and @graph opened, references resolved."""
    items: list[Json] = []
    for script in tree.iter("script"):
        if "ld+json" in (script.get("type") or "").lower():
            items.extend(_top_level(_loads(script.text or "")))
        if len(items) > _MOST_ITEMS:
            break
    by_id = {item["@id"]: item for item in items if isinstance(item.get("@id"), str) and len(item) > 1}
    return [_resolved(item, by_id) for item in items[:_MOST_ITEMS]]


def _loads(text: str) -> Any:
    text = re.sub(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*$", "", text.strip())
    for attempt in (text, re.sub(r",(\s*[\]}])", r"\1", text), text.rstrip().rstrip(";")):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _top_level(value: Any) -> Iterator[Json]:
    waiting = deque([value])
    while waiting:
        value = waiting.popleft()
        if isinstance(value, list):
            waiting.extend(value[:_MOST_ITEMS])
        elif isinstance(value, dict):
            yield value
            waiting.extend(value[key] for key in ("@graph", "mainEntity") if isinstance(value.get(key), (list, dict)))
            if isinstance(value.get("mainEntityOfPage"), dict) and type_of(value["mainEntityOfPage"]):
                waiting.append(value["mainEntityOfPage"])


def _resolved(item: Json, by_id: Mapping[str, Json]) -> Json:
    """Replace ``{"@id": ...}`` by what it points to, one level deep."""

    def target(value: Any) -> Any:
        if isinstance(value, list):
            return [target(each) if isinstance(each, dict) else each for each in value[:_MOST_ITEMS]]
        if isinstance(value, dict) and set(value) <= {"@id", "@type", "name"} and isinstance(value.get("@id"), str):
            return by_id.get(value["@id"], value)
        return value

    return {key: target(value) for key, value in item.items()}


def types_of(item: Json) -> list[str]:
    """Return the schema.org types of an object without prefix."""
    kinds = item.get("@type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return [re.split(r"[/:#]", kind)[-1] for kind in kinds if isinstance(kind, str)]


def type_of(item: Json) -> str | None:
    """Return the article type of an object, or ``None`` if it describes no article."""
    return next((kind for kind in types_of(item) if _ARTICLE_TYPE.search(kind) and kind != "JobPosting"), None)


def main_item(graph: Sequence[Json], url: str) -> Json:
    """Choose the object that describes the page's article: the one that names this URL, else the first."""
    articles = [item for item in graph if type_of(item)]
    for item in articles:
        page = item.get("mainEntityOfPage")
        names = [item.get("url"), item.get("@id"), page.get("@id") if isinstance(page, dict) else page]
        if any(isinstance(name, str) and name.split("#")[0].rstrip("/") == url.rstrip("/") for name in names):
            return item
    with_headline = [item for item in articles if item.get("headline")]
    return (with_headline or articles or [{}])[0]


def string(value: Any) -> str | None:
    """Return a JSON-LD text value: a string, the first of a list, or the @value of an object."""
    if isinstance(value, list):
        return (
            next(filter(None, map(string, value[:20])), None) if not any(isinstance(v, list) for v in value) else None
        )
    if isinstance(value, dict):
        value = value.get("@value")
    return html.unescape(value).strip() or None if isinstance(value, str) else None


def _name(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    return string(value.get("name")) if isinstance(value, dict) else string(value)


def _breadcrumbs(graph: Sequence[Json]) -> tuple[str, ...]:
    for item in graph:
        steps = item.get("itemListElement")
        if "BreadcrumbList" in types_of(item) and isinstance(steps, list):
            named = [
                (_position(step), _name(step) or _name(step.get("item"))) for step in steps if isinstance(step, dict)
            ]
            return tuple(squeeze(name)[:200] for _, name in sorted(named, key=lambda pair: pair[0])[:20] if name)
    return ()


def _position(step: Json) -> float:
    try:
        return float(step.get("position") or 0)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _section(meta: Meta, item: Json, breadcrumbs: Sequence[str]) -> str | None:
    crumbs = [crumb for crumb in breadcrumbs if normal(crumb) not in {"home", "news", "start", "accueil", "startseite"}]
    declared = string(item.get("articleSection")) or first(meta, "article:section", "section")
    return clip(declared or (crumbs[0] if len(crumbs) > 1 else None), 200)


def _tags(meta: Meta, item: Json) -> tuple[str, ...]:
    keywords = item.get("keywords")
    if isinstance(keywords, list):
        keywords = [_name(word) for word in keywords]
    for source in (keywords, meta.get("article:tag"), meta.get("news_keywords"), meta.get("keywords")):
        words = [source] if isinstance(source, str) else [word for word in source or () if isinstance(word, str)]
        if len(words) == 1:
            words = re.split(r"\s*[,;]\s*", words[0])
        if tags := tuple(dict.fromkeys(squeeze(html.unescape(word))[:200] for word in words if word.strip())):
            return tags[:100]
    return ()


def _accessible_for_free(meta: Meta, item: Json) -> bool | None:
    declared = _truth(item.get("isAccessibleForFree"))
    if declared is None:
        parts = item.get("hasPart")
        parts = parts if isinstance(parts, list) else [parts]
        if any(_truth(part.get("isAccessibleForFree")) is False for part in parts if isinstance(part, dict)):
            return False
        tier = (first(meta, "article:content_tier") or "").lower()
        return {"free": True, "locked": False}.get(tier)
    return declared


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = (string(value) or "").rsplit("/", 1)[-1].lower()
    return {"true": True, "yes": True, "false": False, "no": False}.get(word)


def _license(tree: Node, url: str, item: Json) -> str | None:
    declared = item.get("license")
    if isinstance(declared, dict):
        declared = declared.get("url") or declared.get("@id") or declared.get("name")
    return string(declared) or absolute(url, _link(tree, "license"))


def _images(tree: Node, url: str, meta: Meta, item: Json) -> tuple[Image, ...]:
    found: dict[str, Image] = {}
    candidates = [*_declared_images(item), *((src, None, None) for src in meta.get("og:image", [])), *_figures(tree)]
    for src, caption, alt in candidates:
        if address := absolute(url, src):
            known = found.get(address, Image(address))
            found[address] = replace(
                known, caption=known.caption or clip(caption, 1000), alt=known.alt or clip(alt, 1000)
            )
        if len(found) == 30:
            break
    return tuple(found.values())


def _declared_images(item: Json) -> Iterator[tuple[str | None, str | None, str | None]]:
    images = item.get("image") or item.get("thumbnailUrl")
    for image in images[:20] if isinstance(images, list) else [images]:
        if isinstance(image, dict):
            yield string(image.get("url") or image.get("contentUrl")), string(image.get("caption")), None
        else:
            yield string(image), None, None


def _figures(tree: Node) -> Iterator[tuple[str | None, str | None, str | None]]:
    for figure in tree.iter("figure"):
        image = next(figure.iter("img"), None)
        if image is not None and not _inside(figure, {"aside", "footer", "nav", "header"}):
            yield (
                image.get("src") or image.get("data-src"),
                text_of(next(figure.iter("figcaption"), None)),
                image.get("alt"),
            )


def _media(tree: Node, url: str, meta: Meta, item: Json) -> tuple[Media, ...]:
    found: dict[str, Media] = {}
    for kind in ("video", "audio"):
        declared = item.get(kind)
        sources = [
            string(each.get("contentUrl") or each.get("embedUrl") or each.get("url"))
            for each in (declared[:20] if isinstance(declared, list) else [declared])
            if isinstance(each, dict)
        ]
        sources += [first(meta, f"og:{kind}:secure_url", f"og:{kind}", f"og:{kind}:url")]
        sources += [tag.get("src") for element in tree.iter(kind) for tag in element.iter(kind, "source")]
        for address in filter(None, (absolute(url, source) for source in sources)):
            found.setdefault(address, Media(address, "audio" if kind == "audio" else "video"))
    return tuple(found.values())[:20]


def _inside(element: Node, tags: set[str]) -> bool:
    return any(ancestor.tag in tags for ancestor in element.iterancestors())


_TITLE_BREAK = re.compile(r"\s+(?:[-–—|·•»«~]|::?|\|\|)\s+|\s*\|\s*")


def _titles(tree: Node, meta: Meta, item: Json) -> list[str]:
    tags = [
        first(meta, "og:title"),
        string(item.get("headline")) or _name(item),
        first(meta, "twitter:title", "dc.title", "title", "parsely-title"),
        text_of(next(tree.iter("title"), None)),
    ]
    return [squeeze(re.sub(r"<[^<>]{1,200}>", "", tag))[:1000] for tag in tags if tag]


def _site_names(url: str, site_name: str | None) -> frozenset[str]:
    host = domain_of(url) or ""
    labels = [label for label in host.split(".")[:-1] if len(label) > 2 and label not in {"com", "net", "org", "gov"}]
    names = [normal(site_name or "").replace(" ", ""), host, host.replace(".", ""), *labels]
    return frozenset(name for name in names if name)


def choose_title(tree: Node, titles: Sequence[str], site_names: frozenset[str]) -> tuple[str | None, Node | None]:
    """Return the headline and its h1, if the page has one that agrees with what the page calls itself."""
    headings = [(heading, text_of(heading)[:1000]) for heading in list(tree.iter("h1"))[:20]]
    headings = [(heading, text) for heading, text in headings if text and not _names_site(text, site_names)]
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
    while breaks and _names_site(title[breaks[-1].end() :], site_names):
        title = title[: breaks.pop().start()]
    if breaks and _names_site(title[: breaks[0].start()], site_names):
        title = title[breaks[0].end() :]
    before, colon, after = title.partition(": ")
    if colon and normal(before).replace(" ", "") in site_names:
        title = after
    return title.strip()


def _names_site(text: str, site_names: frozenset[str]) -> bool:
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


_SUFFIX = re.compile(
    r"(?:ph\.?d|m\.?d|jr|sr|ii|iii|iv|esq|mba|cpa|cfa|rn|dds|dvm|msc|bsc|ma|llm|jd|obe|mbe|cbe|mp)\.?", re.I
)
_ROLE = re.compile(
    r"\b(?:reporters?|editors?|correspondents?|writers?|staff|columnists?|contributors?|journalists?|producers?|analysts?|"
    r"bureau chief|desk|redakteur(?:in)?|korrespondent(?:in)?|journaliste|photographers?|photos?|director|professor)\b",
    re.I,
)
_BY = re.compile(
    r"^\W*(?:(?:written|posted|published|reported|words|story|text|article|analysis|opinion)\s+by|by|von|par|por|di|"
    r"authors?|autor(?:in)?|auteur)(?:\s*:\s*|\s+|$)",
    re.I,
)
_NOT_A_NAME = re.compile(
    r"https?:|www\.|@|\d|view all posts|see all|follow|subscribe|read more|\bshare\b|comments?\b|\bupdated|published|"
    r"posted on|^admin$",
    re.IGNORECASE,
)
# fmt: off
_PARTICLES = frozenset({
    "and", "&", "of", "for", "the", "de", "da", "do", "dos", "du", "von", "van", "der", "den", "del", "della", "di",
    "la", "le", "el", "al", "bin", "ibn", "ter", "ten", "y", "e", "et", "und"
})
# fmt: on


def split_names(text: str) -> list[str]:
    """Read the names in a byline.

    >>> split_names("By Tom O'Neil, PhD, Ann Lee and Bo Ek, Senior Reporter")
    ["Tom O'Neil, PhD", 'Ann Lee', 'Bo Ek']
    """
    text = squeeze(re.sub(r"<[^<>]{1,200}>", " ", html.unescape(text[:500])))
    text = _BY.sub("", re.sub(r"https?:\S+|www\.\S+|\S+@\S+|\(@?\w+\)|@\w+", "", text))
    names: list[str] = []
    for part in re.split(r"\s*[;|•·/\n]\s*|\s+(?:and|und|et|&)\s+|\s+-\s+", text):
        for piece in _comma_pieces(part):
            if names and _SUFFIX.fullmatch(piece):
                names[-1] += f", {piece}"
            elif name := _clean_name(piece):
                names.append(name)
    return list(dict.fromkeys(names))


def _comma_pieces(part: str) -> list[str]:
    """Split at commas, but leave "Surname, Forename" whole."""
    pieces = [piece for piece in re.split(r"\s*,\s*(?:and\s+)?", part) if piece]
    if len(pieces) == 2 and all(len(piece.split()) == 1 for piece in pieces) and not _SUFFIX.fullmatch(pieces[1]):
        return [", ".join(pieces)]
    return pieces


def _clean_name(piece: str) -> str | None:
    piece = _BY.sub("", piece).strip(" \t.,:;-–—|•·\"'“”()[]*")
    piece = re.split(r"\s+(?:for|in|at|from|with)\s+(?=[A-Z])", piece)[0]
    words = piece.split()
    if not 0 < len(words) <= 6 or len(piece) > 60 or len(piece) < 2 or _NOT_A_NAME.search(piece):
        return None
    if (_ROLE.search(piece) and len(words) < 5 and not piece.lower().endswith(("news", "staff"))) or find_date(piece):
        return None
    return piece


def _authors(
    tree: Node, meta: Meta, item: Json, byline: Byline, site_names: frozenset[str], url: str
) -> tuple[Author, ...]:
    """Persons of the first source that names any; else what stands in the byline; else whoever published."""
    fallback = [Author(name) for name in byline.authors]
    for source in _author_sources(tree, meta, item, byline, url):
        authors = list({author.name.casefold(): author for author in reversed(source)}.values())[::-1]
        persons = [author for author in authors if not _names_site(author.name, site_names)]
        if persons:
            return tuple(persons[:30])
        fallback = fallback or authors
    return tuple(fallback[:30])


def _author_sources(tree: Node, meta: Meta, item: Json, byline: Byline, url: str) -> Iterator[list[Author]]:
    persons, organisations = _declared_authors(item.get("author") or item.get("creator"), url)
    yield persons
    names = ("author", "article:author", "byl", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator")
    for name in (*names, "citation_author", "article:author_name", "twitter:creator_name"):
        yield [Author(each) for value in meta.get(name, [])[:20] for each in split_names(value)]
    yield [Author(name) for name in byline.authors]
    yield _marked_authors(tree, url)
    yield organisations


def _declared_authors(value: Any, url: str) -> tuple[list[Author], list[Author]]:
    persons: list[Author] = []
    organisations: list[Author] = []
    for each in value[:30] if isinstance(value, list) else [value]:
        group, link = persons, None
        names: Any = each
        if isinstance(each, dict):
            group = organisations if any("Organization" in kind for kind in types_of(each)) else persons
            link, names = absolute(url, string(each.get("url"))), each.get("name")
        for text in names[:20] if isinstance(names, list) else [names]:
            found = split_names(text) if isinstance(text, str) else []
            group.extend(Author(name, link if len(found) == 1 else None) for name in found)
    return persons, organisations


_AUTHOR_MARKS = etree.XPath(
    "//*[contains(concat(' ', @rel, ' '), ' author ') or @itemprop='author' or contains(@class, 'author')"
    " or contains(@class, 'byline') or contains(@class, 'Author') or contains(@class, 'Byline')]"
)


def _marked_authors(tree: Node, url: str) -> list[Author]:
    """Return the names in the first element whose markup says author or byline."""
    for element in _AUTHOR_MARKS(tree)[:20]:
        text = text_of(element)
        if not 3 < len(text) < 100 or element.tag in ("meta", "link") or _inside(element, {"aside", "footer", "nav"}):
            continue
        dated = find_date(text)
        names = split_names(text[: dated.start] if dated else text)
        if names and all(_like_a_name(name) for name in names):
            link = absolute(url, element.get("href")) if len(names) == 1 else None
            return [Author(name, link) for name in names]
    return []


def _like_a_name(text: str) -> bool:
    words = text.split()
    return 0 < len(words) <= 8 and all(not word[0].islower() or word.lower() in _PARTICLES for word in words)


_MONTHS = (
    "jan january januar janvier enero gennaio janeiro januari jän jänner ene janv gen",
    "feb february februar février febrero febbraio fevereiro februari fév févr fev",
    "mar march märz mars marzo março maart mär mrz mrt",
    "apr april avril abril aprile avr abr",
    "may mai mayo maggio maio mei mag",
    "jun june juni juin junio giugno junho giu",
    "jul july juli juillet julio luglio julho juil lug",
    "aug august août agosto augustus ago aoû augusti",
    "sep sept september septembre septiembre settembre setembro set",
    "oct october oktober octobre octubre ottobre outubro okt ott out",
    "nov november novembre noviembre novembro",
    "dec december dezember décembre diciembre dicembre dezembro desember dez déc dic december",
)
_MONTH_NUMBER = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_MONTH = "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True))
_ORDINAL = r"(?:st|nd|rd|th|er|\.|º|ª)?"
_DATE = re.compile(
    rf"(?<!\d)(?:(?P<ya>\d{{4}})[-/](?P<ma>\d\d)[-/](?P<da>\d\d)"
    rf"|(?P<db>\d{{1,2}}){_ORDINAL}[\s-]+(?:de\s+|of\s+)?(?P<mb>{_MONTH})\.?,?[\s-]+(?:de\s+|del\s+)?(?P<yb>\d{{4}})"
    rf"|\b(?P<mc>{_MONTH})\.?\s+(?P<dc>\d{{1,2}}){_ORDINAL},?\s+(?P<yc>\d{{4}})"
    r"|(?P<yd>\d{4})\s?年\s?(?P<md>\d{1,2})\s?月\s?(?P<dd>\d{1,2})\s?日"
    r"|(?P<de>\d{1,2})(?P<sep>[./])(?P<me>\d{1,2})(?P=sep)(?P<ye>\d{4}))(?!\d)",
    re.IGNORECASE,
)
_ZONES = {"Z": 0, "GMT": 0, "UTC": 0, "BST": 60, "WET": 0, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180,
          "EST": -300, "EDT": -240, "PST": -480, "PDT": -420, "JST": 540, "AEST": 600, "AEDT": 660}  # fmt: skip
"""Minutes east; names that mean several zones (CST, IST) are left out and their times stay local."""
_CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>[01]?\d|2[0-3])(?:(?P<mark>[:.h])(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d+)?)?)?"
    r"\s*(?P<half>[ap]\.?\s?m\b\.?)?\s*(?P<zone>(?:GMT|UTC)?[+-]\d\d:?\d\d|\(?\b[A-Z]{1,4}\b\)?|[zZ]\b)?",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d)(:\d\d(?:[.,]\d+)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?\s*(?:GMT|UTC)?", re.I
)
_URL_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([/_-]?)(0?[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01]|[1-9](?!\d))(?!\d)")


@dataclass(frozen=True, slots=True)
class Found:
    """A calendar date in a text and where it stands."""

    day: date
    start: int
    end: int


def find_date(text: str) -> Found | None:
    """Find the first calendar date with a year in a text; 03/04/2019 is ambiguous and no date."""
    for match in _DATE.finditer(text[:300]):
        if day := _day(match):
            return Found(day, match.start(), match.end())
    return None


def _day(match: re.Match[str]) -> date | None:
    form = next(form for form in "abcde" if match["y" + form])
    year, month, day = match["y" + form], match["m" + form], match["d" + form]
    try:
        numbers = int(year), _MONTH_NUMBER.get(month.lower()) or int(month), int(day)
        if form == "e" and match["sep"] == "/":
            return _slashed(*numbers)
        return date(*numbers)
    except ValueError:
        return None


def _slashed(year: int, second: int, first: int) -> date | None:
    if first <= 12 and second <= 12 and first != second:
        return None
    return date(year, first, second) if second > 12 else date(year, second, first)


def find_clock(text: str) -> tuple[time, Precision, int, int] | None:
    """Find a time of day: (time with zone if told, precision, start, end). A bare number is none."""
    for match in _CLOCK.finditer(text[:300]):
        if not match["minute"] and not match["half"]:
            continue
        hour = int(match["hour"])
        if match["half"]:
            if not 1 <= hour <= 12:
                continue
            hour = hour % 12 + (12 if match["half"][0].lower() == "p" else 0)
        elif match["mark"] == "." and not match["zone"]:
            continue  # 18.21 alone is more often a number than a time
        zone = _zone(match["zone"])
        clock = time(hour, int(match["minute"] or 0), int(match["second"] or 0), tzinfo=zone)
        known = match["zone"] is None or zone is not None
        return (
            clock,
            "second" if match["second"] else "minute",
            match.start(),
            match.end() if known else match.start("zone"),
        )
    return None


def _zone(text: str | None) -> timezone | None:
    text = (text or "").strip("() ").upper()
    if text in _ZONES:
        return timezone(timedelta(minutes=_ZONES[text]))
    match = re.fullmatch(r"(?:GMT|UTC)?([+-])(\d\d):?(\d\d)?", text)
    if not match or int(match[2]) > 23 or int(match[3] or 0) > 59:
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


def parse_moment(raw: str | None, source: str, latest: datetime) -> Moment | None:
    """Read a date as pages write them; ``None`` if unreadable, before 1990 or later than ``latest``.

    >>> parse_moment("2019-02-07T18:21:30Z", "meta", datetime(2030, 1, 1, tzinfo=UTC)).value
    '2019-02-07T18:21:30+00:00'
    """
    text = squeeze(raw or "")[:200]
    if match := _ISO.fullmatch(text):
        return _iso_moment(match, text, source, latest)
    if re.fullmatch(r"\d{10}|\d{13}", text):
        return moment(datetime.fromtimestamp(int(text[:10]), UTC), "second", text, source, latest)
    if re.match(r"[A-Z][a-z]{2}, \d", text):
        try:
            return moment(email.utils.parsedate_to_datetime(text), "second", text, source, latest)
        except (ValueError, OverflowError, TypeError):
            pass
    if not (found := find_date(text)):
        return None
    clock = find_clock(text[found.end :]) or find_clock(text[: found.start])
    if clock:
        return moment(datetime.combine(found.day, clock[0]), clock[1], text, source, latest)
    return moment(found.day, "day", text, source, latest)


def _iso_moment(match: re.Match[str], raw: str, source: str, latest: datetime) -> Moment | None:
    day, clock, seconds, zone = match.groups()
    try:
        if clock is None:
            return moment(date.fromisoformat(day), "day", raw, source, latest)
        known = datetime.fromisoformat(f"{day}T{clock}{(seconds or '')[:3]}")
    except ValueError:
        return None
    offset = _zone(zone) or (UTC if raw[-3:].upper() in ("GMT", "UTC") else None)
    return moment(known.replace(tzinfo=offset), "second" if seconds else "minute", raw, source, latest)


def moment(when: date | datetime, precision: Precision, raw: str, source: str, latest: datetime) -> Moment | None:
    """Build a moment from a plausible date, cut to its precision."""
    latest = latest if latest.tzinfo else latest.replace(tzinfo=UTC)
    last_day = latest.astimezone(timezone(timedelta(hours=14))).date()
    day = when.date() if isinstance(when, datetime) else when
    if not EARLIEST <= day <= last_day:
        return None
    if isinstance(when, datetime) and when.tzinfo and when > latest:
        return None
    if precision == "day" or not isinstance(when, datetime):
        return Moment(day.isoformat(), "day", raw, source)
    return Moment(when.isoformat(timespec="minutes" if precision == "minute" else "seconds"), precision, raw, source)


# fmt: off
_PUBLISHED_META = (
    "article:published_time", "og:published_time", "datepublished", "parsely-pub-date", "sailthru.date",
    "dc.date.issued", "dcterms.issued", "dcterms.created", "dc.date", "dc.date.created", "pubdate", "publishdate",
    "publish-date", "publish_date", "publication_date", "article.published", "citation_date",
    "citation_publication_date", "cxenseparse:recs:publishtime", "article:published", "date", "bt:pubdate",
    "originalpublicationdate", "displaydate", "rnews:datepublished", "timestamp",
)
# fmt: on
# fmt: off
_MODIFIED_META = (
    "article:modified_time", "og:updated_time", "datemodified", "article:modified", "dcterms.modified",
    "dc.date.modified", "last-modified", "lastmod", "article.updated", "bt:moddate", "revised",
)
# fmt: on


def _published(
    tree: Node, url: str, meta: Meta, item: Json, byline: Byline, latest: datetime, headline: Node
) -> Moment | None:
    for value in (item.get("datePublished"), item.get("dateCreated")):
        if found := parse_moment(string(value), "json-ld", latest):
            return found
    for name in _PUBLISHED_META:
        if found := parse_moment(first(meta, name), "meta", latest):
            return found
    return (
        _time_tag(tree, latest, headline, modified=False)
        or byline.published
        or url_date(url, latest)
        or _htmldate(tree, latest)
    )


def _modified(tree: Node, meta: Meta, item: Json, byline: Byline, latest: datetime) -> Moment | None:
    if found := parse_moment(string(item.get("dateModified")), "json-ld", latest):
        return found
    for name in _MODIFIED_META:
        if found := parse_moment(first(meta, name), "meta", latest):
            return found
    return _time_tag(tree, latest, None, modified=True) or byline.modified


_MODIFIED_MARK = re.compile(r"modif|updat|edited|aktualis", re.I)


def _time_tag(tree: Node, latest: datetime, headline: Node, *, modified: bool) -> Moment | None:
    """Read the time tag that speaks of this article: marked as such, or the first one after the headline."""
    tags = [tag for tag in list(tree.iter("time"))[:50] if not _inside(tag, {"aside", "footer", "nav"})]
    marks = [" ".join(filter(None, map(tag.get, ("itemprop", "class", "id", "pubdate")))) for tag in tags]
    is_modified = [
        bool(_MODIFIED_MARK.search(mark)) or bool(_MODIFIED_MARK.search(_text_before(tag)))
        for tag, mark in zip(tags, marks, strict=True)
    ]
    chosen = [tag for tag, flag in zip(tags, is_modified, strict=True) if flag is modified]
    if not modified and headline is not None:
        following = _after(tree, headline, chosen)
        named = [
            tag for tag, mark in zip(tags, marks, strict=True) if "datepublished" in mark.lower() and tag in chosen
        ]
        chosen = named or following
    for tag in chosen[:1]:
        return parse_moment(tag.get("datetime") or tag.get("content") or text_of(tag), "time tag", latest)
    return None


def _text_before(tag: Node) -> str:
    previous = tag.getprevious()
    text = (previous.tail if previous is not None else tag.getparent().text) or ""
    return text[-40:] or (text_of(previous)[-40:] if previous is not None else "")


def _after(tree: Node, headline: Node, tags: list[Node]) -> list[Node]:
    """Keep the tags that stand after the headline, in page order."""
    wanted = set(tags)
    seen = False
    following = []
    for element in tree.iter("h1", "time"):
        seen = seen or element is headline
        if seen and element in wanted:
            following.append(element)
    return following


def url_date(url: str, latest: datetime) -> Moment | None:
    """Read a day from the path of a URL.

    >>> url_date("https://example.com/2019/02/07/rain", datetime(2030, 1, 1, tzinfo=UTC)).value
    '2019-02-07'
    """
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    for match in _URL_DATE.finditer(path):
        try:
            day = date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
        if found := moment(day, "day", match[0], "url", latest):
            return found
    return None


def _htmldate(tree: Node, latest: datetime) -> Moment | None:
    """Ask htmldate, which guesses from any text: a last resort, and slow, so only when all else is silent."""
    from htmldate import find_date as guess  # imports dateparser: a second nobody should pay for a crawl

    try:
        day = guess(tree, original_date=True, max_date=latest.date().isoformat())
        return moment(date.fromisoformat(day), "day", day, "htmldate", latest) if day else None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, etree.LxmlError):
        return None


# fmt: off
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "ins", "label", "mark", "q", "s", "small",
    "span", "strong", "sub", "sup", "time", "tt", "u", "var"
})
# fmt: on
_UNSEEN = frozenset(["script", "style", "noscript", "template", "svg", "head", "iframe", "select", "button"])
_LABELS = re.compile(
    r"\b(?P<updated>(?:last\s+|zuletzt\s+)?"
    r"(?:updated|modified|edited|aktualisiert|geändert|mis à jour|actualizado|aggiornato|atualizado)"
    r"(?:\s+(?:on|at|am|le|el|em|il))?\s*:?)"
    r"|\b(?P<published>(?:first\s+)?(?:published|posted|created|veröffentlicht|publié|publicado|pubblicato|date)"
    r"(?:\s+(?:on|at|am|le|el|em|il))?\s*:?)(?!\s+by\b)",
    re.IGNORECASE,
)
# fmt: off
_SMALL_WORDS = _PARTICLES | frozenset({
    "at", "on", "in", "min", "mins", "minute", "minutes", "read", "ago", "hours", "hour", "updated", "am", "pm",
    "o'clock", "uhr", "est", "from"
})
# fmt: on
_WINDOW = 14
_PROSE = 20
"""Words from which a line is taken for a paragraph."""


@dataclass(slots=True)
class _Line:
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


def read_byline(tree: Node, headline: Node, headlines: frozenset[str], latest: datetime) -> Byline:
    """Read the short lines next to the headline that say who wrote the page and when.

    A line belongs to the block when nothing but names, dates, times, separators and words like "By" or "Updated" stand
    in it. Dates above the headline are taken only with such a word: bare ones there are today's date.
    """
    reader = _BylineReader(latest)
    paragraphs = 0
    for line, is_above in _lines_near(tree, headline, headlines):
        if reader.take(line, labelled_only=is_above) or (not is_above and _take_start(reader, line)):
            continue
        paragraphs += not is_above and len(line.text.split()) >= _PROSE
        if paragraphs == 2:
            break
    return reader.result()


def _take_start(reader: _BylineReader, line: _Line) -> bool:
    """Read a byline that runs on into the text without a break, as rows of spans do."""
    for length in range(min(len(line.pieces) - 1, 12), 1, -1):
        start = _Line(line.pieces[:length], line.slots[:length])
        kinds = {kind for kind, _, _ in byline_tokens(start.text) or ()}
        if {"by", "date"} <= kinds:
            return reader.take(start, labelled_only=True)
    return False


def _lines_near(tree: Node, headline: Node, headlines: frozenset[str]) -> Iterator[tuple[_Line, bool]]:
    above: deque[_Line] = deque(maxlen=3)
    below = -1
    for line in _lines(tree):
        if below < 0 and _is_headline(line, headline, headlines):
            yield from ((each, True) for each in above)
            below = 0
        elif below < 0:
            above.append(line)
        elif below < _WINDOW:
            below += 1
            yield line, False
        else:
            return


def _is_headline(line: _Line, headline: Node, headlines: frozenset[str]) -> bool:
    if headline is None:
        return normal(line.text) in headlines
    return any(owner is headline or headline in owner.iterancestors() for owner in line.owners() if owner is not None)


def _lines(tree: Node) -> Iterator[_Line]:
    """Yield the page's text in lines as a reader sees them: broken at blocks and at <br>."""
    line = _Line()
    unseen = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else "script"
        if event == "start":
            unseen += tag in _UNSEEN
        if tag not in _INLINE and line.slots and not unseen:
            yield line
            line = _Line()
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


@lru_cache(maxsize=256)
def byline_tokens(text: str) -> tuple[tuple[str, Any, str], ...] | None:
    """Cut a line into (kind, value, raw) of by, updated, published, date, clock, text; ``None`` if it is no byline.

    >>> [kind for kind, _, _ in byline_tokens("Example News | 07 Feb, 2019 Updated : 18:21")]
    ['text', 'date', 'updated', 'clock']
    >>> byline_tokens("By the end of 7 February 2019 most of the soldiers had gone home.")
    """
    if not text or len(text) > 160:
        return None
    tokens = tuple(_tokens(text))
    kinds = {kind for kind, _, _ in tokens}
    texts = [value for kind, value, _ in tokens if kind == "text"]
    if not kinds & {"by", "date", "updated", "published"} or sum(len(each.split()) for each in texts) > 14:
        return None
    if kinds <= {"updated", "text"} or kinds <= {"published", "text"}:
        return tokens if not texts and text.rstrip().endswith(":") else None
    return tokens if all(_byline_words(each) for each in texts) else None


def _byline_words(text: str) -> bool:
    words = text.split()
    if len(words) > 3 and text.endswith((".", "!", "?")):
        return False
    return len(words) <= 9 and all(not w[0].islower() or w.lower().strip(".,") in _SMALL_WORDS for w in words)


def _tokens(text: str) -> Iterator[tuple[str, Any, str]]:
    rest = text
    if match := _BY.match(rest):
        yield "by", None, match[0]
        rest = rest[match.end() :]
    while rest:
        found = find_date(rest)
        clock = find_clock(rest)
        label = _LABELS.search(rest)
        marks: list[tuple[int, int, str, Any]] = []
        if found:
            marks.append((found.start, found.end, "date", found.day))
        if clock:
            marks.append((clock[2], clock[3], "clock", clock[:2]))
        if label:
            marks.append((label.start(), label.end(), "updated" if label["updated"] else "published", None))
        start, end, kind, value = min(marks, default=(len(rest), len(rest), "", None), key=lambda mark: mark[:1])
        yield from _plain_tokens(rest[:start])
        if kind:
            yield kind, value, rest[start:end].strip()
        rest = rest[end:]


def _plain_tokens(text: str) -> Iterator[tuple[str, Any, str]]:
    for part in re.split(r"\s*[|•·●/–—]\s*|\s-\s", text):
        part = re.sub(r"^\W+|[\s,:;|(-]+$", "", re.sub(_WEEKDAY, "", part))
        if match := _BY.match(part):
            yield "by", None, match[0]
            part = part[match.end() :]
        if part:
            yield "text", part, part


_WEEKDAY = re.compile(
    r"\b(?:(?:mon|tues?|wednes|thurs?|fri|satur|sun)(?:day)?|wed|sat|montag|dienstag|mittwoch|donnerstag|freitag|samstag|"
    r"sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b\.?,?",
    re.I,
)


class _BylineReader:
    """Reads the block line by line; a "By" or "Updated" at a line's end waits for the next line."""

    def __init__(self, latest: datetime) -> None:
        self.latest = latest
        self.names: list[str] = []
        self.days: dict[str, tuple[date, str]] = {}
        self.clocks: dict[str, tuple[tuple[time, Precision], str]] = {}
        self.slots: list[tuple[Node, bool]] = []
        self.waiting = ""
        self.last_day = ""

    def take(self, line: _Line, *, labelled_only: bool) -> bool:
        """Read a line if it belongs to the byline block; return whether it did."""
        tokens = byline_tokens(line.text)
        if tokens is None and self.waiting == "by" and len(line.text) < 80 and _like_a_name(line.text):
            tokens = (("text", line.text, line.text),)
        elif tokens is None and self.waiting in ("updated", "published") and (clock := find_clock(line.text)):
            tokens = (("clock", clock[:2], line.text),) if len(line.text) < 20 else None
        kinds = {kind for kind, _, _ in tokens or ()}
        if tokens is None or (labelled_only and not kinds & {"by", "updated", "published"} and not self.waiting):
            self.waiting = ""
            return False
        for kind, value, raw in tokens:
            self._take_token(kind, value, raw, line)
        self.slots.extend(line.slots)
        return True

    def _take_token(self, kind: str, value: Any, raw: str, line: _Line) -> None:
        if kind in ("by", "updated", "published"):
            self.waiting = kind
        elif kind == "text":
            if self.waiting == "by" or (not self.names and len(value.split()) > 1 and line.is_marked()):
                self.names.extend(split_names(value))
                self.waiting = ""
        elif kind == "date":
            self.last_day = "updated" if self.waiting == "updated" else "published"
            self.days.setdefault(self.last_day, (value, raw))
            self.waiting = ""
        elif kind == "clock":
            self.clocks.setdefault("updated" if self.waiting == "updated" else self.last_day, (value, raw))
            self.waiting = ""

    def result(self) -> Byline:
        published = self._moment("published", self.days.get("published"))
        modified = self._moment("updated", self.days.get("updated") or self._same_day())
        return Byline(tuple(dict.fromkeys(self.names)), published, modified, tuple(self.slots))

    def _same_day(self) -> tuple[date, str] | None:
        """An update told by its time alone happened on the day of publication."""
        day = self.days.get("published")
        return (day[0], "") if day and "updated" in self.clocks else None

    def _moment(self, which: str, day: tuple[date, str] | None) -> Moment | None:
        if day is None:
            return None
        if which not in self.clocks:
            return moment(day[0], "day", day[1], "byline", self.latest)
        (clock, precision), raw = self.clocks[which]
        return moment(datetime.combine(day[0], clock), precision, f"{day[1]} {raw}".strip(), "byline", self.latest)
