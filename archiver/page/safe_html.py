"""The article as HTML that is safe to show anywhere: what it may contain is listed, everything else becomes text.

It is made from the Markdown of the article, not from the page: no element, attribute or link of the page can get
through, because every tag below is written here and every text is escaped. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

from archiver.article import Article
from archiver.page.markup import absolute

ELEMENTS = frozenset(
    {"a", "blockquote", "br", "code", "em", "figcaption", "figure", "h2", "h3", "h4", "li", "ol", "p", "pre", "s"}
    | {"strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
)
"""What :func:`article_html` may contain."""
ATTRIBUTES = frozenset({("a", "href"), ("a", "rel")})
"""Their attributes; a link is http or https."""

MOST_BLOCK = 10_000
"""Characters of one paragraph that are searched for emphasis and links; a longer one is shown as plain text."""
MOST_MARKDOWN = 500_000
"""Characters whose blocks are told apart; what is longer is shown as plain paragraphs."""

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"
_HEADINGS = {"h1": "h2", "h5": "h4", "h6": "h4"}
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_MARKERS = re.compile(r"</?(?:u|su[bp])>")
"""The HTML that our Markdown has."""


def article_html(markdown: str, url: str = "") -> str:
    """Return Markdown as HTML of the elements listed above; links are resolved against `url`. Never raises.

    >>> article_html("## Flood\\n\\nThe *river* [rose](javascript:alert(1)) <b>")
    '<h2>Flood</h2>\\n<p>The <em>river</em> rose &lt;b&gt;</p>\\n'
    """
    text = _UNSEEN.sub("\ufffd", markdown)
    if len(text) > MOST_MARKDOWN:
        return _plain(text)
    try:
        return "".join(_blocks(text, url))
    except Exception:  # noqa: BLE001 - a text that breaks the parser is shown without its form
        return _plain(text)


def article_document(article: Article) -> str:
    """Return the article as a page of its own: title, byline, date, text, captions. Never raises."""
    title = _escaped(article.title or article.url)
    body = article_html(article.text_markdown or article.text or "", article.url)
    return (
        f'<!doctype html>\n<html{_language(article.language)}>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n</head>\n<body>\n<article>\n<h1>{title}</h1>\n"
        f"{''.join(_about(article))}{body}{''.join(_captions(article))}</article>\n</body>\n</html>\n"
    )


def _language(language: str | None) -> str:
    return f' lang="{language}"' if language and re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", language) else ""


def _about(article: Article) -> Iterator[str]:
    authors = ", ".join(author.name for author in article.authors)
    facts = [fact for fact in (authors, article.published_at, article.site_name) if fact]
    if article.subtitle:
        yield f"<p><strong>{_escaped(article.subtitle)}</strong></p>\n"
    if facts:
        yield f"<p>{_escaped(' · '.join(facts))}</p>\n"
    yield f"<p>{_link(article.url, '', _escaped(article.url))}</p>\n"


def _captions(article: Article) -> Iterator[str]:
    """Pictures are not shown, as that would load them, but their captions are and lead to them."""
    for image in article.images:
        if image.caption:
            caption = _link(image.url, article.url, _escaped(image.caption))
            yield f"<figure><figcaption>{caption}</figcaption></figure>\n"


def _link(href: str, base: str, text: str) -> str:
    address = _address(href, base)
    return f'<a href="{address}" rel="nofollow noopener">{text}</a>' if address else text


def _address(href: str, base: str) -> str | None:
    """Return the escaped URL of a link; ``None`` where it is no http(s) URL."""
    address = absolute(base, _UNSEEN.sub("", href))
    return _escaped(address) if address else None


def _escaped(text: str) -> str:
    return escape(_UNSEEN.sub("\ufffd", text))


def _plain(text: str) -> str:
    return "".join(f"<p>{escape(line)}</p>\n" for line in map(str.strip, text.splitlines()) if line)


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Take every link for one, so that those we drop leave their text and not their source."""
        return True


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    """CommonMark with tables, as trafilatura writes it. HTML blocks and link definitions stay text."""
    return (
        _Markdown("commonmark", {"html": True})  # only inline, and there only to know our own markers
        .enable(["table", "strikethrough"])
        .disable(["html_block", "reference", "lheading", "hr", "code", "autolink", "inline"])
    )


def _blocks(markdown: str, url: str) -> Iterator[str]:
    parser = _parser()
    tokens = parser.parse(markdown)
    if any(token.level >= parser.options.maxNesting - 1 for token in tokens):  # what is deeper would be left out
        yield _plain(markdown)
        return
    for token in tokens:
        if token.type == "inline":
            yield from _inline(parser, token.content, url)
        elif token.type == "fence":
            yield f"<pre><code>{escape(token.content)}</code></pre>\n"
        elif not token.hidden:
            yield _tag(token)


def _tag(token: Token) -> str:
    """Return a tag without any attribute; what is not listed has none."""
    name = _HEADINGS.get(token.tag, token.tag)
    if name not in ELEMENTS or not token.nesting:
        return escape(token.content)
    is_end_of_block = token.block and token.nesting < 0
    return f"<{'/' if token.nesting < 0 else ''}{name}>" + ("\n" if is_end_of_block else "")


def _inline(parser: MarkdownIt, content: str, url: str) -> Iterable[str]:
    if len(content) > MOST_BLOCK:
        return [escape(content)]
    tokens: list[Token] = []
    parser.inline.parse(content, parser, {}, tokens)
    return _spans(tokens, url)


def _spans(tokens: Iterable[Token], url: str) -> Iterator[str]:
    is_link: list[bool] = []
    for token in tokens:
        match token.type:
            case "link_open":
                address = _address(str(token.attrGet("href") or ""), url)
                is_link.append(address is not None)
                yield f'<a href="{address}" rel="nofollow noopener">' if address else ""
            case "link_close":
                yield "</a>" if is_link.pop() else ""
            case "hardbreak" | "softbreak":
                yield "<br>\n" if token.type == "hardbreak" else "\n"
            case "code_inline":
                yield f"<code>{escape(token.content)}</code>"
            case "html_inline" if _MARKERS.fullmatch(token.content):
                pass
            case _:
                yield _tag(token)
