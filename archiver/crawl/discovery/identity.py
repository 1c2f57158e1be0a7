"""When two URLs are the same page: a normal form, the index's view of it, and variants that are only related.

Three forms, each coarser than the one before:

* ``normal_form`` can be fetched instead of the URL: spelling is settled and what only tracks the reader is gone. The
  scheme, ``www.``, a closing slash and the order of arguments stay, because servers may tell them apart.
* ``seen_key`` is the SURT urlkey of the normal form, and what "seen before" is asked of the index with: it also joins
  http and https, ``www.`` and the bare host, letter case and the order of arguments.
* ``plain_form`` is where an AMP, mobile or print edition probably belongs. That is a guess: it relates two URLs and
  never makes them one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from archiver.crawl.discovery.found import Found
from archiver.crawl.discovery.words import PLACES, TRACKING, WHERE_FROM
from storage.urls import urlkey

LONGEST = 2048
"""Characters in a URL that is worth following."""

_TRACKING_PREFIX = re.compile(r"(?:utm|hsa|piwik|matomo|mtm|etcc)_|aspsessionid", re.IGNORECASE)

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff\"<>\\^`{|}]|[^\x00-\x7f]")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SESSION = re.compile(r";(?:jsessionid|sessionid|sid)=[^/;]*", re.IGNORECASE)
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@lru_cache(maxsize=4096)
def normal_form(url: str) -> str:
    """Return the URL as it is compared; applying it again changes nothing, and what is no URL stays as it is.

    >>> normal_form("HTTPS://Example.com:443/a/../b%7ec?utm_source=rss&id=7#top")
    'https://example.com/b~c?id=7'
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or not host:
        return url
    if (name := _host(host)) is None:
        return url
    user, at, _ = parts.netloc.rpartition("@")
    is_default = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    netloc = user + at + name + ("" if is_default else f":{port}")
    path = _without_dots(_escaped(_SESSION.sub("", parts.path))) or "/"
    fragment = _escaped(parts.fragment) if parts.fragment.startswith("!") else ""
    return urlunsplit(SplitResult(parts.scheme, netloc, path, _escaped(_query(parts.query)), fragment))


def seen_key(url: str) -> str:
    """Return the urlkey under which the index knows the page.

    >>> seen_key("http://www.example.com/A?utm_source=rss")
    'com,example)/a'
    """
    return urlkey(normal_form(url))


def _host(host: str) -> str | None:
    """Settle a host name; ``None`` where it cannot be one."""
    if ":" in host:
        return f"[{host}]"
    name = host.rstrip(".").lower()
    if name.isascii():
        return name or None
    import idna  # browsers' mapping (UTS 46); the standard library's makes straße.de another site

    try:
        return idna.encode(name, uts46=True, transitional=False).decode("ascii").rstrip(".") or None
    except (idna.IDNAError, UnicodeError):
        return None


def _escaped(text: str) -> str:
    """Escape what must be, unescape what need not be (RFC 3986, section 6.2.2), with hexadecimals in capitals."""
    if "%" in text:
        text = _PERCENT.sub(_settled, _BROKEN_PERCENT.sub("%25", text))
    return _UNSAFE.sub(lambda match: quote(match[0].encode("utf-8", "replace")), text) if text else text


def _settled(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """Resolve ``.`` and ``..`` (RFC 3986, section 5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept) if len(kept) > 1 else "/"


def _query(query: str) -> str:
    return "&".join(piece for piece in query.split("&") if piece and not _tracks(piece)) if query else ""


def _tracks(argument: str) -> bool:
    name, _, value = argument.partition("=")
    name = name.lower()
    if name in WHERE_FROM:
        return value.lower() in PLACES
    return name in TRACKING or _TRACKING_PREFIX.match(name) is not None


@lru_cache(maxsize=4096)
def site_of(host: str) -> str:
    """Return the registrable domain of a host; an address or a name without a public suffix is its own.

    >>> site_of("sport.example.co.uk"), site_of("me.github.io"), site_of("127.0.0.1")
    ('example.co.uk', 'me.github.io', '127.0.0.1')
    """
    return _public_suffixes()(host).top_domain_under_public_suffix or host


@lru_cache(maxsize=1)
def _public_suffixes() -> Any:
    import tldextract  # here, for its 0.1 s; without URLs it reads the list it brought along and asks nobody

    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)


def same_site(url: str, home: str, *, subdomains: bool = True) -> bool:
    """Whether a URL belongs to the site of ``home``: the same registrable domain, or the same host but for ``www.``.

    Hosts without a public suffix (addresses, ``localhost``) must be equal, port included.
    """
    try:
        one, other = urlsplit(url), urlsplit(home)
        hosts = [(_host(part.hostname or "") or "").removeprefix("www.") for part in (one, other)]
        ports = [part.port for part in (one, other)]
    except ValueError:
        return False
    if one.scheme not in ("http", "https") or not all(hosts):
        return False
    if hosts[0] == hosts[1]:
        return ports[0] == ports[1] or {*ports} <= {None, 80, 443}
    sites = [site_of(host) for host in hosts]
    return subdomains and sites[0] == sites[1]


_EDITION_HOST = re.compile(r"^(amp|m|mobile|touch|wap)\.(?=.+\.)", re.IGNORECASE)
_EDITION_PATH = re.compile(
    r"^/(amp|mobile)(?=/.)|/(amp|print|drucken)/?$|\.(amp|print)(?=\.html?$)|\.(amp)$", re.IGNORECASE
)
_EDITION_ARGUMENT = re.compile(
    r"(?:amp|outputType|output|view|print|printable|m|mobile)(?:=(?:amp|1|true|print|mobile|yes))?"
)


def plain_form(url: str) -> str | None:
    """Guess the normal form of the page that an AMP, mobile or print edition belongs to; ``None`` if it is no edition.

    >>> plain_form("https://m.example.com/news/rain/amp/?outputType=amp")
    'https://example.com/news/rain'
    """
    normal = normal_form(url)
    try:
        parts = urlsplit(normal)
    except ValueError:
        return None
    host = _EDITION_HOST.sub("", parts.netloc)
    path = _EDITION_PATH.sub("", parts.path) or "/"
    query = "&".join(piece for piece in parts.query.split("&") if not _EDITION_ARGUMENT.fullmatch(piece))
    plain = urlunsplit((parts.scheme, host, path, query, ""))
    return plain if plain != urlunsplit((*parts[:4], "")) else None


def without_editions(entries: Iterable[Found]) -> list[Found]:
    """Leave out AMP, mobile and print editions whose page is among the entries too; the others stay."""
    every = list(entries)
    keys = {_loose(entry.url) for entry in every}
    return [entry for entry in every if not ((plain := plain_form(entry.url)) and _loose(plain) in keys)]


def _loose(url: str) -> str:
    return normal_form(url).rstrip("/").replace("://www.", "://", 1)
