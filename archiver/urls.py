"""URLs as people type them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from archiver.errors import BadRequest

_HOST_AND_PORT = re.compile(r"[\w.-]+:[0-9]+(/|$)")
_MAX_HOST = 253
"""Bytes in the name of a host (RFC 1035, section 2.3.4, without the closing dot)."""


def check_url(text: str) -> str:
    """Return `text` as a URL that can be fetched; raises :class:`BadRequest` naming what is wrong.

    >>> check_url(" https://example.com/story ")
    'https://example.com/story'
    """
    url = text.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadRequest(f"{text!r} is not a URL ({error}); write it like https://example.com/story") from None
    if re.search(r"[\x00-\x20\x7f\ud800-\udfff]", url):
        raise BadRequest(f"{text!r} is not a URL (it holds spaces or control characters); copy it from the browser")
    if parts.scheme in ("http", "https") and host:
        if "@" in parts.netloc:
            shown = without_password(url)
            raise BadRequest(f"{shown!r} names a user, which cannot be passed on; write it without what precedes the @")
        if not _is_host(host):
            raise BadRequest(f"{text!r} is not a URL ({host[:60]!r} cannot be a host); check its spelling")
        return url
    if parts.scheme not in ("", "http", "https") and "." not in parts.scheme and not _HOST_AND_PORT.match(url):
        raise BadRequest(f"{url}: only http and https pages can be archived, not {parts.scheme}:")
    hint = f"; did you mean https://{url}" if re.fullmatch(r"[\w-]+(\.[\w-]+)+(/\S*)?", url) else ""
    raise BadRequest(f"{text!r} is not a URL{hint or '; write it like https://example.com/story'}")


def without_password(url: str) -> str:
    """Return `url` without the user and password in it, which are nobody's business in a log.

    >>> without_password("https://jo:secret@example.com/a@b")
    'https://[redacted]@example.com/a@b'
    """
    return re.sub(r"//[^/?#\s]*@", "//[redacted]@", url, count=1)


def _is_host(host: str) -> bool:
    """Whether `host` is an address or can be a name: labels of 1 to 63 bytes, of letters, digits, ``-`` and ``_``."""
    if ":" in host:
        return True
    try:
        name = host.encode("idna").decode("ascii").removesuffix(".")
    except UnicodeError:
        return False
    return len(name) <= _MAX_HOST and re.fullmatch(r"[\w-]+(\.[\w-]+)*", name) is not None
