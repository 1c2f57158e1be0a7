"""What a page says about itself, each value from the first source that has it.

The sources are JSON-LD, OpenGraph and meta tags, time tags, the visible byline, headers and the URL, in an order that
differs from value to value. What the page does not say stays ``None``. Nothing here raises on broken markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from archiver.article import Author, Image, Media, Rights
from archiver.page.byline import Byline, read_byline
from archiver.page.dates import AHEAD, Moment
from archiver.page.markup import MOST_TEXT, Node, absolute, clip, normal, squeeze, text_of
from archiver.page.media import read_images, read_media
from archiver.page.names import read_authors
from archiver.page.publication import read_modified, read_published
from archiver.page.structured import (
    Headers,
    Json,
    Meta,
    first,
    header,
    link_of,
    main_item,
    name_of,
    read_json_ld,
    read_meta,
    string,
    type_of,
    types_of,
)
from archiver.page.titles import SiteNames, choose_title, titles_of


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
    site = SiteNames.of(tree, url, found.site_name)
    titles = titles_of(tree, meta, item)
    title, headline = choose_title(tree, url, titles, site)
    headlines = frozenset(filter(None, map(normal, [*titles, title or "", text_of(headline)])))
    byline = read_byline(tree, headline, headlines, latest)
    published = read_published(tree, url, meta, item, byline.published, latest, headline)
    return replace(
        found,
        title=title,
        headlines=headlines,
        byline=byline,
        authors=read_authors(tree, meta, item, byline.authors, site, url),
        published=published,
        modified=read_modified(tree, meta, item, byline.modified, latest),
        declares_article=bool(item) or (first(meta, "og:type") or "").lower() in {"article", "news"},
    )


def _descriptive(tree: Node, url: str, meta: Meta, item: Json, graph: list[Json], headers: Headers) -> Metadata:
    breadcrumbs = _breadcrumbs(graph)
    images = read_images(tree, url, meta, item)
    og_image = absolute(url, first(meta, "og:image", "og:image:url", "twitter:image", "twitter:image:src"))
    return Metadata(
        canonical_url=absolute(url, link_of(tree, "canonical") or first(meta, "og:url")),
        site_name=clip(first(meta, "og:site_name", "application-name") or name_of(item.get("publisher")), 200),
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
        media=read_media(tree, url, meta, item),
        article_type=clip(type_of(item) or first(meta, "og:type"), 200),
        accessible_for_free=_accessible_for_free(meta, item),
        license=clip(_license(tree, url, item), 1000),
        rights=_rights(meta, headers),
        article_body=string(item.get("articleBody")),
    )


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


def _breadcrumbs(graph: Sequence[Json]) -> tuple[str, ...]:
    for item in graph:
        steps = item.get("itemListElement")
        if "BreadcrumbList" in types_of(item) and isinstance(steps, list):
            named = [
                (_position(step), name_of(step) or name_of(step.get("item")))
                for step in steps
                if isinstance(step, dict)
            ]
            names = [squeeze(name)[:200] for _, name in sorted(named, key=lambda pair: pair[0])[:20] if name]
            return tuple(filter(None, names))
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
        keywords = [name_of(word) for word in keywords]
    for source in (keywords, meta.get("article:tag"), meta.get("news_keywords"), meta.get("keywords")):
        words = [source] if isinstance(source, str) else [word for word in source or () if isinstance(word, str)]
        if len(words) == 1:
            words = re.split("[,;]", words[0][:MOST_TEXT])
        if tags := dict.fromkeys(filter(None, (squeeze(html.unescape(word[:1000]))[:200] for word in words))):
            return tuple(tags)[:100]
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
    return string(declared) or absolute(url, link_of(tree, "license"))
