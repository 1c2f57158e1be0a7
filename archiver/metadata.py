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
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

from archiver.article import Author, Image, Media, Rights
from archiver.page.byline import Byline, read_byline
from archiver.page.dates import AHEAD, Moment, is_day_first
from archiver.page.markup import MOST_TEXT, Node, Tagged, absolute, clip, normal, squeeze, tagged, text_of
from archiver.page.media import read_images, read_media
from archiver.page.names import read_authors
from archiver.page.publication import Sources, read_dates
from archiver.page.structured import (
    Headers,
    Json,
    Links,
    Meta,
    first,
    header,
    linked,
    main_item,
    name_of,
    page_item,
    read_json_ld,
    read_links,
    read_meta,
    read_microdata,
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


def read_metadata(
    tree: Node,
    url: str,
    *,
    headers: Headers = (),
    captured_at: datetime | None = None,
) -> Metadata:
    """Read the metadata of a parsed page; ``captured_at`` bounds plausible dates and defaults to now."""
    latest = (captured_at or datetime.now(UTC)) + AHEAD
    elements = tagged(tree)
    meta, graph = read_meta(elements), read_json_ld(elements)
    item = main_item(graph, url, [first(meta, "og:title"), text_of(next(iter(elements["title"]), None))])
    microdata = cache(lambda: read_microdata(tree))
    found = _descriptive(tree, elements, url, meta, item, graph, headers)
    site = SiteNames.of(tree, url, found.site_name)
    titles = titles_of(elements, meta, item) or [clip(string(microdata().get("headline")), 1000) or ""]
    title, headline = choose_title(tree, elements, url, titles, site)
    headlines = frozenset(filter(None, map(normal, [*titles, title or "", text_of(headline)])))
    day_first = is_day_first(_declared_locale(tree, meta, item, headers))
    byline = read_byline(tree, headline, headlines, latest, day_first)
    dates = read_dates(
        Sources(
            tree=tree,
            elements=elements,
            url=url,
            meta=meta,
            items=[each for each in (item, page_item(graph)) if each],
            microdata=microdata,
            byline=byline,
            headline=headline,
            latest=latest,
            last_modified=_last_modified(headers),
            day_first=day_first,
        )
    )
    return replace(
        found,
        title=title,
        headlines=headlines,
        byline=byline,
        authors=read_authors(
            tree,
            meta,
            item,
            microdata,
            byline.authors,
            byline.perhaps,
            site,
            url,
        ),
        published=dates.published,
        modified=dates.modified,
        declares_article=bool(item) or (first(meta, "og:type") or "").lower() in {"article", "news"},
    )


def _descriptive(
    tree: Node, elements: Tagged, url: str, meta: Meta, item: Json, graph: list[Json], headers: Headers
) -> Metadata:
    breadcrumbs = _breadcrumbs(graph)
    links = read_links(elements)
    images = read_images(elements, url, meta, item)
    og_image = absolute(url, first(meta, "og:image", "og:image:url", "twitter:image", "twitter:image:src"))
    return Metadata(
        canonical_url=absolute(url, links.get("canonical") or linked(headers, "canonical") or first(meta, "og:url")),
        site_name=clip(
            first(meta, "og:site_name", "application-name")
            or name_of(item.get("publisher"))
            or first(meta, "dc.publisher", "dcterms.publisher", "citation_journal_title"),
            200,
        ),
        subtitle=clip(string(item.get("alternativeHeadline")), 1000),
        description=clip(
            first(
                meta,
                "og:description",
                "description",
                "twitter:description",
                "dc.description",
                "dcterms.abstract",
                "sailthru.description",
            )
            or string(item.get("description")),
            5000,
        ),
        language=_language(tree, meta, item, headers),
        section=_section(meta, item, breadcrumbs),
        breadcrumbs=breadcrumbs,
        tags=_tags(meta, item),
        lead_image=og_image or (images[0].url if images else None),
        images=images,
        media=read_media(elements, url, meta, item),
        article_type=clip(type_of(item) or first(meta, "og:type"), 200),
        accessible_for_free=_accessible_for_free(meta, item),
        license=clip(_license(url, item, links, headers), 1000),
        rights=_rights(meta, headers),
        article_body=string(item.get("articleBody")),
    )


_AGENTS = re.compile(
    r"(?!robots)(?:[a-z0-9._-]{0,40}(?:bot|crawler|spider|fetcher|slurp)[a-z0-9._-]{0,40}|[a-z]{1,20}-extended|anthropic-ai|teoma)"
)
"""Names by which programs are addressed in robots meta tags."""


def _rights(meta: Meta, headers: Headers) -> Rights:
    reservation = header(headers, "tdm-reservation") or first(meta, "tdm-reservation")
    signals = [header(headers, "content-signal"), header(headers, "content-usage")]
    declared = [*signals, first(meta, "content-signal", "content-usage")]
    return Rights(
        robots_meta=clip(_robots_meta(meta), 500),
        x_robots_tag=clip(_robots_header(headers), 500),
        tdm_reservation={"1": True, "0": False}.get((reservation or "").split(",")[0].strip()),
        tdm_policy=clip(header(headers, "tdm-policy") or first(meta, "tdm-policy"), 1000),
        content_signal=clip(", ".join(dict.fromkeys(filter(None, declared))), 500),
    )


_NAMED = re.compile(r"(?!unavailable_after|max-)[\w.-]{1,60}\s*:", re.IGNORECASE)
"""How an X-Robots-Tag field begins that is for one program only."""


def _robots_header(headers: Headers) -> str:
    """Join the X-Robots-Tag fields, those for all programs first: after a name, what follows seems meant for it."""
    fields = [value.strip() for name, value in headers if name.lower() == "x-robots-tag"]
    return ", ".join(sorted(fields, key=lambda field: bool(_NAMED.match(field))))


def _robots_meta(meta: Meta) -> str:
    """Join what robots tags say: to all as it stands, to one program with its name before it, as in X-Robots-Tag."""
    said = meta.get("robots", [])[:20]
    for name, values in meta.items():
        if _AGENTS.fullmatch(name):
            said += [f"{name}: {value}" for value in values[:5]]
    return ", ".join(dict.fromkeys(said))


def _language(tree: Node, meta: Meta, item: Json, headers: Headers) -> str | None:
    return _primary(_declared_locale(tree, meta, item, headers))


def _primary(locale: str | None) -> str | None:
    locale = (locale or "").strip()
    return re.split("[-_]", locale)[0].lower() if _LOCALE.fullmatch(locale) else None


_LOCALE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{1,8}){0,4}", re.IGNORECASE)


def _declared_locale(tree: Node, meta: Meta, item: Json, headers: Headers) -> str | None:
    declared = item.get("inLanguage")
    root = tree.getroottree().getroot()
    candidates = [
        string(declared.get("alternateName") or declared.get("name") if isinstance(declared, dict) else declared),
        root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or root.get("xml:lang"),
        first(meta, "content-language", "language", "dc.language", "dcterms.language", "inlanguage"),
        first(meta, "og:locale"),
        header(headers, "content-language"),
    ]
    for candidate in candidates:
        locale = (candidate or "").split(",")[0].strip()
        if _LOCALE.fullmatch(locale):
            return locale
    return None


def _last_modified(headers: Headers) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(header(headers, "last-modified") or "")
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


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
    declared = string(item.get("articleSection")) or first(
        meta,
        "article:section",
        "og:article:section",
        "articlesection",
        "parsely-section",
        "cxenseparse:section",
        "section",
    )
    return clip(declared or (crumbs[0] if len(crumbs) > 1 else None), 200)


_TAG_NAMES = (
    "article:tag", "og:article:tag", "news_keywords", "keywords", "parsely-tags", "sailthru.tags", "dc.subject",
    "dcterms.subject", "citation_keywords",
)  # fmt: skip


def _tags(meta: Meta, item: Json) -> tuple[str, ...]:
    keywords = item.get("keywords")
    if isinstance(keywords, list):
        keywords = [name_of(word) for word in keywords]
    declared = [meta.get(name) for name in _TAG_NAMES]
    for source in (keywords, *declared):
        listed = source[:200] if isinstance(source, list) else [source]
        words = [word for word in listed if isinstance(word, str)]
        if len(words) == 1:
            words = re.split("[,;]", words[0][:MOST_TEXT])
        if tags := dict.fromkeys(filter(None, (squeeze(html.unescape(word[:1000]))[:200] for word in words))):
            return tuple(tags)[:100]
    return ()


def _accessible_for_free(meta: Meta, item: Json) -> bool | None:
    declared = _truth(item.get("isAccessibleForFree") if item else first(meta, "isaccessibleforfree"))
    if declared is None:
        parts = item.get("hasPart")
        parts = parts[:50] if isinstance(parts, list) else [parts]
        if any(_truth(part.get("isAccessibleForFree")) is False for part in parts if isinstance(part, dict)):
            return False
        tier = (first(meta, "article:content_tier", "og:article:content_tier") or "").lower()
        return {"free": True, "locked": False, "premium": False, "paid": False, "subscriber": False}.get(tier)
    return declared


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        said = [_truth(each) for each in value[:5] if not isinstance(each, list)]
        return next((each for each in said if each is not None), None)
    if isinstance(value, dict):
        value = value.get("@id") or value.get("@value")
    if isinstance(value, (bool, int)):
        return {1: True, 0: False}.get(int(value))
    word = re.split("[/:#]", (string(value) or "")[:200])[-1].strip().lower()
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(word)


def _license(url: str, item: Json, links: Links, headers: Headers) -> str | None:
    declared = item.get("license")
    if isinstance(declared, dict):
        declared = declared.get("url") or declared.get("@id") or declared.get("name")
    return string(declared) or absolute(url, links.get("license") or linked(headers, "license"))
