"""What a page says to machines: headers, meta tags, JSON-LD and microdata (schema.org).

Nothing here raises on broken markup. JSON-LD that breaks the rules is read as far as it goes: see ``loose_json``.
"""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from lxml import etree

from archiver.page.loose_json import read_json
from archiver.page.markup import Node, Tagged, normal, squeeze, text_of

Headers: TypeAlias = Sequence[tuple[str, str]]


def header(headers: Headers, name: str) -> str | None:
    """Return a header's value, repeats joined with a comma (RFC 9110, section 5.3)."""
    values = [value.strip() for key, value in headers if key.lower() == name]
    return ", ".join(values) or None


Meta: TypeAlias = Mapping[str, list[str]]
_MOST_VALUE = 20_000
_MOST_METAS = 5000
_META_NAMES = frozenset({"property", "name", "itemprop", "http-equiv"})


def read_meta(elements: Tagged) -> Meta:
    """Collect meta tags by lower-case name, property, itemprop or http-equiv, in page order."""
    found: dict[str, dict[str, None]] = {}  # ordered sets: pages with 200,000 tags of one name exist
    for tag in elements["meta"][:_MOST_METAS]:
        content = tag.get("content") or tag.get("value")
        if not content:
            continue
        content = squeeze(html.unescape(content[:_MOST_VALUE]))
        for attribute, name in tag.items():
            if attribute in _META_NAMES and content:
                found.setdefault(name[:200].strip().lower(), {})[content] = None
    for page in list(found.get("parsely-page", ()))[:1]:
        for name, value in _parsely(page):
            found.setdefault(name, {})[value] = None
    return {name: list(contents) for name, contents in found.items()}


_PARSELY = {"title": "title", "pub_date": "pub-date", "author": "author", "authors": "author", "section": "section"}


def _parsely(page: str) -> Iterator[tuple[str, str]]:
    """Read the old form of Parse.ly's tags: all in one, as JSON."""
    said = read_json(page)
    for key, name in _PARSELY.items() if isinstance(said, dict) else ():
        for value in said[key][:20] if isinstance(said.get(key), list) else [said.get(key)]:
            if isinstance(value, str) and value.strip():
                yield f"parsely-{name}", squeeze(value)


def first(meta: Meta, *names: str) -> str | None:
    """Return the first value of the first of these names that the page has."""
    return next((meta[name][0] for name in names if meta.get(name)), None)


Links: TypeAlias = Mapping[str, str]


def read_links(elements: Tagged) -> Links:
    """Collect the first ``<link>`` of each relation: its address, as written."""
    found: dict[str, str] = {}
    for link in elements["link"][:2000]:
        rel, href = link.get("rel"), link.get("href")
        for name in rel.lower().split()[:5] if rel and href else ():
            found.setdefault(name, href)
    return found


def linked(headers: Headers, rel: str) -> str | None:
    """Return the address of the first Link header of a relation (RFC 8288).

    >>> linked([("Link", '<https://example.com/a>; rel="canonical"')], "canonical")
    'https://example.com/a'
    """
    for target, parameters in re.findall(r"<([^<>]{1,4000})>([^<]{0,500})", (header(headers, "link") or "")[:20_000]):
        match = re.search(r"""\brel\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([\w-]+))""", parameters, re.I)
        if match and rel in (match[1] or match[2] or match[3] or "").lower().split():
            return str(target).strip()
    return None


Json: TypeAlias = dict[str, Any]
_MOST_ITEMS = 500
_MOST_SCRIPTS = 200
_MOST_JSON = 4_000_000
"""Characters of JSON-LD read of a page; the largest seen on a real one is half a million."""
_MOST_NODES = 20_000
_ARTICLE_TYPE = re.compile(r"(?:Article|BlogPosting|Posting|Report|Review|Recipe|ImageGallery|MediaGallery)$")


def read_json_ld(elements: Tagged) -> list[Json]:
    """Return the top-level objects of every JSON-LD script, lists and @graph opened, references resolved."""
    items: list[Json] = []
    left = _MOST_JSON
    scripts = (each for each in elements["script"] if "ld+json" in (each.get("type") or "").lower())
    for script in islice(scripts, _MOST_SCRIPTS):
        text = script.text or ""
        items.extend(islice(_top_level(read_json(text[:left])), _MOST_ITEMS))
        left -= len(text)
        if len(items) >= _MOST_ITEMS or left <= 0:
            break
    items = items[:_MOST_ITEMS]
    by_id = _by_id(items)
    return [_resolved(item, by_id) for item in items] if by_id else items


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


def _by_id(items: Sequence[Json]) -> dict[str, Json]:
    """Collect what objects say at the place where they say most, wherever they stand."""
    found: dict[str, Json] = {}
    waiting: deque[Any] = deque(items)
    for _ in range(_MOST_NODES):
        if not waiting:
            break
        value = waiting.popleft()
        if isinstance(value, dict):
            name = value.get("@id")
            if isinstance(name, str) and 1 < len(value) > len(found.get(name, {})):
                found[name] = value
            waiting.extend(each for each in value.values() if isinstance(each, (dict, list)))
        else:
            waiting.extend(each for each in value[:_MOST_ITEMS] if isinstance(each, (dict, list)))
    return found


def _is_reference(value: Json) -> bool:
    return "@id" in value and value.keys() <= {"@id", "@type", "name"}


def _resolved(item: Json, by_id: Mapping[str, Json]) -> Json:
    """Replace ``{"@id": ...}`` by what it points to, one level deep."""

    def target(value: Any) -> Any:
        if isinstance(value, list):
            return [target(each) if isinstance(each, dict) else each for each in value[:_MOST_ITEMS]]
        if isinstance(value, dict) and isinstance(value.get("@id"), str) and _is_reference(value):
            return by_id.get(value["@id"], value)
        return value

    return {key: target(value) for key, value in item.items()}


def types_of(item: Json) -> list[str]:
    """Return the schema.org types of an object without prefix."""
    kinds = item.get("@type")
    kinds = kinds[:20] if isinstance(kinds, list) else [kinds]
    return [re.split(r"[/:#]", kind[:500])[-1] for kind in kinds if isinstance(kind, str)]


def type_of(item: Json) -> str | None:
    """Return the article type of an object, or ``None`` if it describes no article."""
    return next((kind for kind in types_of(item) if _ARTICLE_TYPE.search(kind) and kind != "JobPosting"), None)


def main_item(graph: Sequence[Json], url: str, titles: Sequence[str | None] = ()) -> Json:
    """Choose the object that describes the page's article.

    It is the one that names this URL, else the one that has a title of the page as its headline, else the first with
    a headline: pages list other articles, too.
    """
    articles = [item for item in graph if type_of(item)]
    if len(articles) < 2:
        return articles[0] if articles else {}
    wanted = _bare(url)
    for item in articles:
        page = item.get("mainEntityOfPage")
        names = [item.get("url"), item.get("@id"), page.get("@id") if isinstance(page, dict) else page]
        if any(isinstance(name, str) and _bare(name) == wanted for name in names):
            return item
    with_headline = [item for item in articles if string(item.get("headline"))]
    known = {normal(title[:1000]) for title in titles if title}
    same = [item for item in with_headline if normal((string(item["headline"]) or "")[:1000]) in known]
    return (same or with_headline or articles)[0]


def _bare(url: str) -> str:
    """Cut off what differs between two spellings of an address: scheme, www, query, slash at the end."""
    return re.sub(r"^(?:https?:)?//(?:www\.)?", "", url[:4000].strip()).split("#")[0].split("?")[0].rstrip("/").lower()


def page_item(graph: Sequence[Json]) -> Json:
    """Return the object that describes the page itself, where nothing describes an article."""
    pages = [item for item in graph if any(kind.endswith(("Page", "CreativeWork")) for kind in types_of(item))]
    return next((item for item in pages if item.get("datePublished")), {})


def string(value: Any) -> str | None:
    """Return a JSON-LD text value: a string, the first of a list, or the @value of an object."""
    if isinstance(value, list):
        value = next((text for each in value[:20] if not isinstance(each, list) and (text := string(each))), None)
        return value if isinstance(value, str) else None
    if isinstance(value, dict):
        value = value.get("@value")
    return html.unescape(value).strip() or None if isinstance(value, str) else None


def name_of(value: Any) -> str | None:
    """Return the name of a JSON-LD object, or of the first of a list, or the text that stands in its place."""
    if isinstance(value, list):
        value = value[0] if value else None
    return string(value.get("name")) if isinstance(value, dict) else string(value)


Microdata: TypeAlias = Callable[[], Json]
"""Reads the microdata when first asked: pages with JSON-LD need none."""
_PROPERTIES = etree.XPath("//*[@itemprop]")
_MOST_PROPERTIES = 300


def read_microdata(tree: Node) -> Json:
    """Read the properties of the page's article from ``itemprop`` attributes, in the form of a JSON-LD object.

    They count when they stand in an article's ``itemscope`` or, as careless templates write them, in none at all.
    """
    found: Json = {}
    main: Node | None = None
    for element in _PROPERTIES(tree)[:_MOST_PROPERTIES]:
        scope = _scope_of(element)
        if scope is not None and main is None and type_of({"@type": scope.get("itemtype")}):
            main, found = scope, {"@type": scope.get("itemtype"), **found}
        if scope is not None and scope is not main:
            continue
        if value := _microdata_value(element):
            for name in element.get("itemprop").split()[:5]:
                found.setdefault(name, []).append(value)
    return found


def _scope_of(element: Node) -> Node | None:
    return next((each for each in element.iterancestors() if each.get("itemscope") is not None), None)


def _microdata_value(element: Node) -> Any:
    if element.get("itemscope") is not None:
        parts = list(islice((each for each in element.iterdescendants() if each.get("itemprop")), 20))
        values = {each.get("itemprop"): _plain_value(each) for each in reversed(parts)}
        return {"@type": element.get("itemtype") or "", **values} if values else text_of(element)
    return _plain_value(element)


def _plain_value(element: Node) -> str:
    """Return what an element says to machines; a link with a name in it says the name, unless it is the address."""
    attribute = {"link": "href", "img": "src", "time": "datetime"}.get(element.tag, "content")
    if element.tag == "a" and element.get("itemprop") == "url":
        attribute = "href"
    value = element.get("content") or element.get(attribute) or ""
    return squeeze(value[:_MOST_VALUE]) or text_of(element)
