"""What was read from one capture: the article JSON of schema version 1.

Every value is a claim of the page or a fact of the capture, never a guess dressed up as one: what is unknown is
``None`` (``null``), what cannot be known more exactly says so (``published_precision``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

SCHEMA_VERSION = 1

Outcome = Literal[
    "saved",
    "unchanged",
    "blocked",
    "paywalled",
    "consent",
    "empty",
    "gone",
    "not_article",
    "robots",
    "refused",
    "failed",
]
Precision = Literal["second", "minute", "day"]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

READABLE: frozenset[str] = frozenset({"saved", "unchanged", "paywalled"})
"""Outcomes whose article may carry text."""


@dataclass(frozen=True, slots=True)
class Author:
    """A person or, where the page names nobody, an organisation."""

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of the article; the URL is absolute."""

    url: str
    caption: str | None = None
    alt: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A video or a sound recording; the URL is absolute."""

    url: str
    type: Literal["video", "audio"] = "video"


@dataclass(frozen=True, slots=True)
class Rights:
    """What the publisher says machines may do with the page, recorded and not interpreted."""

    robots_meta: str | None = None
    """Content of ``<meta name="robots">``."""
    x_robots_tag: str | None = None
    """The header of that name; several are joined with ", "."""
    tdm_reservation: bool | None = None
    """TDMRep: ``True`` reserves text and data mining, ``None`` says nothing."""
    tdm_policy: str | None = None
    """TDMRep: URL of the policy."""
    content_signal: str | None = None
    """The Content-Signal header, such as ``search=yes, ai-train=no``."""
    robots_txt: str | None = None
    """What robots.txt said about this URL; filled in by whoever asked it."""


@dataclass(frozen=True, slots=True)
class Http:
    """Facts of the response that say whether and when the page changed."""

    status: int | None = None
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class WarcRef:
    """Where the capture lies; offsets and lengths are bytes of the compressed record."""

    file: str
    offset: int
    length: int
    record_id: str | None = None
    payload_digest: str | None = None


@dataclass(frozen=True, slots=True)
class DiscoveredVia:
    """How the crawl came to know the URL: feed, sitemap, section, link, user."""

    type: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Previous:
    """The snapshot this one is compared with."""

    timestamp: str
    id: str


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the previous snapshot."""

    kind: str
    fields: tuple[str, ...] = ()
    chars_added: int = 0
    chars_removed: int = 0


@dataclass(frozen=True, slots=True)
class Extractor:
    """Who read the page, so that it can be read again by someone better."""

    name: str
    version: str
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One reading of one capture. Lists of the JSON are tuples here.

    Dates are ISO 8601 strings, cut to what is known: ``2019-02-07`` (day), ``2019-02-07T18:21`` (minute),
    ``2019-02-07T18:21:30`` (second), the last two with an offset when the page tells one. A time without an offset
    is the local time of the publisher; which zone that is, the page did not say.
    """

    schema_version: int = SCHEMA_VERSION
    id: str = ""
    """Set by the archive; empty for a page read without one."""
    url: str
    """The URL whose response was read, after redirects."""
    requested_url: str | None = None
    canonical_url: str | None = None
    """What the page calls itself; misleading where a site points every page at its front page."""
    domain: str | None = None
    """Host in lower case, without port and leading ``www.``."""
    site: str | None = None
    """Name of the configured site, ``None`` for a URL saved by hand."""
    site_name: str | None = None
    """What the publisher calls itself."""
    title: str | None = None
    """The headline without the name of the site."""
    subtitle: str | None = None
    description: str | None = None
    text: str | None = None
    """Plain text, one paragraph a line; ``None`` unless the outcome is saved, unchanged or paywalled."""
    text_markdown: str | None = None
    authors: tuple[Author, ...] = ()
    published_at: str | None = None
    """See the class; midnight is never invented: with precision ``day`` this is the plain date."""
    published_raw: str | None = None
    """The date as the page wrote it."""
    published_precision: Precision | None = None
    published_source: str | None = None
    """rule, json-ld, meta, time tag, byline, url or htmldate; feed or sitemap when discovery supplied it."""
    modified_at: str | None = None
    """Same form as ``published_at``; what the publisher says, not what was observed."""
    modified_raw: str | None = None
    language: str | None = None
    """Primary language as declared by the page, such as ``en``; never guessed from the text."""
    section: str | None = None
    breadcrumbs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    lead_image: str | None = None
    images: tuple[Image, ...] = ()
    media: tuple[Media, ...] = ()
    article_type: str | None = None
    """The schema.org or OpenGraph type."""
    accessible_for_free: bool | None = None
    """The publisher's own declaration."""
    license: str | None = None
    rights: Rights = Rights()
    word_count: int | None = None
    """Words of ``text``; scripts without spaces (Chinese, Japanese) count characters."""
    captured_at: str | None = None
    """UTC."""
    outcome: Outcome = "saved"
    evidence: tuple[str, ...] = ()
    """Why the outcome is what it is, in short lines for people."""
    http: Http = Http()
    warc: WarcRef | None = None
    discovered_via: DiscoveredVia | None = None
    version: int | None = None
    """1 for the first article of this URL; set by the archive."""
    previous: Previous | None = None
    text_sha256: str | None = None
    """SHA-256 of normalised title and text: equal means unchanged."""
    change: Change | None = None
    extractor: Extractor | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, keys in the order of the schema.

        >>> Article(url="https://example.com/", authors=(Author("Ada"),)).to_json()["authors"]
        [{'name': 'Ada', 'url': None}]
        """
        return cast(dict[str, Any], _plain(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Article:
        """Read what ``to_json`` wrote; keys of newer minor versions are ignored.

        Raises ValueError when the schema version is a newer one or ``url`` is missing.
        """
        version = value.get("schema_version", SCHEMA_VERSION)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise ValueError(f"article JSON has schema version {version}; this program reads up to {SCHEMA_VERSION}")
        if not value.get("url"):
            raise ValueError("article JSON has no url")
        return cls(**{name: _field(name, value[name]) for name in _FIELDS if name in value})


_FIELDS = tuple(field.name for field in dataclasses.fields(Article))
_NESTED: dict[str, type] = {
    "rights": Rights,
    "http": Http,
    "warc": WarcRef,
    "discovered_via": DiscoveredVia,
    "previous": Previous,
    "change": Change,
    "extractor": Extractor,
}
_LISTS: dict[str, type] = {"authors": Author, "images": Image, "media": Media}
_NEVER_NULL = {"rights": Rights(), "http": Http()}


_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in dataclasses.fields(kind))
    for kind in (Article, *_NESTED.values(), *_LISTS.values())
}


def _plain(value: Any) -> Any:
    if (names := _NAMES.get(type(value))) is not None:
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _field(name: str, value: Any) -> Any:
    if name in _NESTED:
        return _NEVER_NULL.get(name) if value is None else _build(_NESTED[name], value)
    if name in _LISTS:
        return tuple(_build(_LISTS[name], item) for item in value or ())
    if isinstance(value, list):
        return tuple(value)
    return value


def _build(kind: type, value: Mapping[str, Any]) -> Any:
    known = _NAMES[kind]
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in value.items() if key in known})
