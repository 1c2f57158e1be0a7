"""What a page says to machines: headers, meta tags, JSON-LD (schema.org).

Nothing here raises on broken markup; a block of JSON-LD that cannot be read is skipped.
"""

from __future__ import annotations

import html
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from archiver.page.markup import Node, squeeze

Headers: TypeAlias = Sequence[tuple[str, str]]


def header(headers: Headers, name: str) -> str | None:
    """Return a header's value, repeats joined with a comma (RFC 9110, section 5.3)."""
    values = [value.strip() for key, value in headers if key.lower() == name]
    return ", ".join(values) or None


Meta: TypeAlias = Mapping[str, list[str]]


def read_meta(tree: Node) -> Meta:
    """Collect meta tags by lower-case name, property, itemprop or http-equiv, in page order."""
    found: dict[str, dict[str, None]] = {}  # ordered sets: pages with 200,000 tags of one name exist
    for tag in tree.iter("meta"):
        content = squeeze(html.unescape(tag.get("content") or ""))
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            name = (tag.get(attribute) or "").strip().lower()
            if name and content:
                found.setdefault(name, {})[content] = None
    return {name: list(contents) for name, contents in found.items()}


def first(meta: Meta, *names: str) -> str | None:
    """Return the first value of the first of these names that the page has."""
    return next((meta[name][0] for name in names if meta.get(name)), None)


def link_of(tree: Node, rel: str) -> str | None:
    """Return the address of the first ``<link>`` of a relation, as written."""
    for link in tree.iter("link"):
        if rel in (link.get("rel") or "").lower().split() and link.get("href"):
            return str(link.get("href"))
    return None


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


def name_of(value: Any) -> str | None:
    """Return the name of a JSON-LD object, or of the first of a list, or the text that stands in its place."""
    if isinstance(value, list):
        value = value[0] if value else None
    return string(value.get("name")) if isinstance(value, dict) else string(value)
