"""What publishers reserve: whether a page says that machines shall not make use of its text, and how it says so.

Recording these statements is the reader's work; here they are understood. No statement grants what another withholds,
because a publisher who says no anywhere means it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from archiver import settings
from archiver.article import READABLE, Article, Rights

if TYPE_CHECKING:
    from archiver.sites import Site

AGENT = "article-archiver"
"""How robots tags would address us."""
AI_AGENTS = frozenset(
    {
        "gptbot",
        "claudebot",
        "anthropic-ai",
        "ccbot",
        "google-extended",
        "applebot-extended",
        "perplexitybot",
        "meta-externalagent",
        "cohere-ai",
    }
)
"""Crawlers that collect texts for language models. A ban of one speaks of that use, and so of all who serve it;
Bytespider and Amazonbot are not among them, which are banned for the load they make just as often."""
_FORBIDS_TEXT = frozenset({"noai", "noml"})
"""Robots directives. ``noimageai`` speaks of images only, ``noindex`` and ``noarchive`` of search engines."""
_USES = frozenset({"ai-train", "ai-input", "train-ai", "train-genai", "ai", "bots"})
"""Keys of Content-Signal, and of Content-Usage as drafted by the IETF; ``search`` is no use of this kind."""
_NO = frozenset({"no", "n", "0", "false", "?0"})
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Robots directives with a colon after them, which are no names of programs."""
_NAME = re.compile(r"\s*([\w.-]{1,60})\s*:\s*(.*)", re.DOTALL)
_PAIR = re.compile(r"([a-z-]{2,20})\s*=\s*([a-z0-9?]{1,8})")


def reservation(rights: Rights) -> str | None:
    """Return the statement by which a publisher reserves the use of a text by machines; ``None`` if there is none.

    >>> reservation(Rights(content_signal="search=yes, ai-train=no"))
    'Content-Signal: ai-train=no'
    >>> reservation(Rights(robots_meta="noindex, max-snippet: 20")) is None
    True
    """
    return next(_reservations(rights), None)


def _reservations(rights: Rights) -> Iterator[str]:
    if rights.tdm_reservation:
        yield "tdm-reservation: 1"
    for directive in _forbidding(rights.robots_meta):
        yield f"robots meta tag: {directive}"
    for directive in _forbidding(rights.x_robots_tag):
        yield f"X-Robots-Tag: {directive}"
    for signal in _signals(rights.content_signal):
        yield f"Content-Signal: {signal}"
    yield from _of_robots_txt(rights.robots_txt)


def _forbidding(directives: str | None) -> Iterator[str]:
    """Yield the directives that forbid use by machines and are meant for all programs, for us or for AI crawlers.

    A directive is meant for the program that was named last before it.
    """
    agent = ""
    for part in (directives or "").split(","):
        named = _NAME.fullmatch(part)
        directive = part
        if named and named[1].lower() not in _VALUED:
            agent, directive = named[1].lower(), named[2]
        directive = directive.strip().lower()
        if directive in _FORBIDS_TEXT and agent in ("", "*", AGENT, *AI_AGENTS):
            yield f"{agent}: {directive}" if agent else directive


def _signals(text: str | None) -> Iterator[str]:
    for key, value in _PAIR.findall((text or "").lower()):
        if key in _USES and value in _NO:
            yield f"{key}={value}"


def _of_robots_txt(statement: str | None) -> Iterator[str]:
    for part in (statement or "").split("; "):
        if part.startswith("Disallow: "):
            banned = [name for name in part.removeprefix("Disallow: ").split(", ") if name.lower() in AI_AGENTS]
            if banned:
                yield f"robots.txt bans {', '.join(banned)}"
        else:
            for signal in _signals(part):
                yield f"robots.txt: {signal}"


def as_permitted(article: Article, site: Site | None, *, obey: bool | None = None) -> Article:
    """Return an article without its text where its publisher reserves it and we obey.

    The site's own key decides, then `obey`, then the setting ``ARCHIVER_OBEY_OPT_OUT``.
    """
    own = site.obey_opt_out if site is not None else None
    if own is None:
        own = obey if obey is not None else str(settings.ARCHIVER_OBEY_OPT_OUT).lower() in ("1", "true")
    statement = reservation(article.rights) if own else None
    return withheld(article, statement) if statement else article


def withheld(article: Article, statement: str) -> Article:
    """Return an article without what was read of its text, which the publisher reserves by this statement.

    What was no article anyway stays as it is.
    """
    if article.outcome not in READABLE:
        return article
    status = article.evidence[:1] if article.evidence and article.evidence[0].startswith("HTTP ") else ()
    return replace(
        article,
        outcome="robots",
        evidence=(*status, f"the publisher reserves the use of its texts by machines ({statement})"),
        text=None,
        text_markdown=None,
        text_sha256=None,
        word_count=None,
        subtitle=None,
        description=None,
    )
