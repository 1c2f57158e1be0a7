"""Where a URL stands in the index: its urlkey, and the ranges of urlkeys a search covers.

A urlkey is the URL in SURT form: host names reversed, then the path, all of it lower-cased and cleaned of
``www.``, default ports, session ids and the order of query arguments. Sorted, the pages of one host lie side
by side, next to those of its subdomains::

    com,example)/               the host example.com
    com,example)/news
    com,example,blog)/          a host below it
    com,example:8080)/          the same host on another port

So a prefix, a host or a domain is one to three ranges of urlkeys.
"""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from typing import Any, Literal

Match = Literal["exact", "prefix", "host", "domain"]

_BEHIND_ANY_KEY = "\U0010ffff"
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_NUMBERS_AND_DOTS = re.compile(rb"[0-9]+(?:\.[0-9]+){1,3}")


@lru_cache(maxsize=8192)
def urlkey(url: str) -> str:
    """Return the SURT form of ``url`` as pywb and cdxj-indexer write it; every string has one.

    What ``surt`` cannot parse is its own key. A key never holds a space, so that it stays one word of a CDXJ line.

    >>> urlkey("https://WWW.Example.com:443/News/?b=2&a=1#top")
    'com,example)/news?a=1&b=2'
    >>> urlkey("http://example.com:no-port/")
    'http://example.com:no-port/'
    """
    from surt import surt  # here, because it brings tldextract and requests along: 0.1 s of CPU

    url = url.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    try:
        key: str = surt(url, canonicalizer=_canonicalize)
    except Exception:  # noqa: BLE001 - surt raises six kinds of error on malformed URLs, and documents none
        key = url
    return _UNPRINTABLE.sub(lambda match: f"%{ord(match[0]):02x}", key)


def key_ranges(url: str, match: Match) -> list[tuple[str, str]]:
    """Return the half-open ranges of urlkeys that ``match`` covers, in sorted order; ``ValueError`` for any other word.

    ``prefix`` takes the URL with or without a closing ``*``. ``host`` is the host on every port, or on the port
    the URL names; ``domain`` adds all hosts below it. A URL without a host has neither.

    >>> [low for low, high in key_ranges("http://example.com/a", "domain")]
    ['com,example)', 'com,example,', 'com,example:']
    """
    if match == "exact":
        return [_only(urlkey(url))]
    if match == "prefix":
        return _prefix_ranges(url.removesuffix("*"))
    if match not in ("host", "domain"):
        raise ValueError(f"match is exact, prefix, host or domain, not {match!r}")
    host, closing, _ = urlkey(url).partition(")")
    if not closing:
        return []
    if match == "domain":
        name, _, port = host.partition(":")
        return [_under((name if port.isdigit() else host) + follower) for follower in "),:"]
    return [_under(host + follower) for follower in (")" if ":" in host else "):")]


def _prefix_ranges(prefix: str) -> list[tuple[str, str]]:
    """Give back what the urlkey loses at the end of ``prefix``, lest ``/a/`` finds ``/ab``.

    The pages ``/a/`` and ``/a/?page=2`` have the urlkeys of ``/a`` and ``/a?page=2``; they begin with ``/a/`` too.
    """
    if prefix.endswith(("?", "&")):
        return [_under(urlkey(prefix[:-1]) + prefix[-1])]
    key = urlkey(prefix)
    if prefix.endswith("/") and not key.endswith("/"):
        return [_only(key), _under(key + "/"), _under(key + "?")]
    return [_under(key)]


def _only(key: str) -> tuple[str, str]:
    return key, key + "\0"


def _under(prefix: str) -> tuple[str, str]:
    return prefix, prefix + _BEHIND_ANY_KEY


def _canonicalize(url: Any, **options: Any) -> Any:
    """Canonicalise as ``surt`` does by default, but never ask the DNS.

    For hosts of numbers and dots that are no IPv4 address, such as ``1.2.3.999``, ``surt`` calls the resolver: slow,
    seen by others, and not the same everywhere. Here they stay as they are, as when the resolver knows no such name.
    """
    from surt import DefaultIAURLCanonicalizer, GoogleURLCanonicalizer

    host = GoogleURLCanonicalizer.unescapeRepeatedly(url.host or b"").replace(b"..", b".").strip(b".")
    if not _NUMBERS_AND_DOTS.fullmatch(host) or _is_ipv4(host):
        return DefaultIAURLCanonicalizer.canonicalize(url, **options)
    url.host = b"host"
    url = DefaultIAURLCanonicalizer.canonicalize(url, **options)
    url.host = host
    return url


def _is_ipv4(host: bytes) -> bool:
    """Whether the resolver reads ``host`` as an address by itself; short and octal forms such as ``127.1`` count."""
    try:
        socket.inet_aton(host.decode())
    except OSError:
        return False
    return True
