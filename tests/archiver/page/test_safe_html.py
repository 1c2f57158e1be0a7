"""Clean HTML holds nothing but what is listed, whatever the page tried."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from archiver.article import Article, Author, Image
from archiver.extract import extract_html
from archiver.page.safe_html import ATTRIBUTES, ELEMENTS, MOST_MARKDOWN, article_document, article_html

VECTORS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<u onclick=alert(1)>u</u>",
    '"><script>alert(1)</script>',
    "'\"><iframe src=//evil.example></iframe>",
    "</title></head><body onload=alert(1)>",
    "</code></pre><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<math><mtext><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:x)",
    '[a](http://x.example/" onmouseover="alert(1))',
    '[a](http://x.example/ "title\\" onclick=alert(1)")',
    "[a](http://x.example/'><script>)",
    "[a](//evil.example/path)",
    "![a](javascript:alert(1))",
    "![a](http://evil.example/pixel.gif)",
    "<javascript:alert(1)>",
    '<http://x.example/"onclick=alert(1)>',
    "[x]: javascript:alert(1)\n\n[x]",
    '```js"onclick=alert(1)\n<script>\n```',
    "`<script>`",
    "| <script> | b |\n|---|:-:|\n| <img src=x> | [c](javascript:x) |",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\ud800<b>\udfff",
    "- " * 500 + "x",
    "> " * 500 + "<script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "﹤script﹥ ＜script＞",
)
MARKS = ("<", ">", '"', "'", "&", "`", "*", "_", "[", "](", ")", "!", "\\", "|", "\n", "\n\n", "# ", "- ", "1. ", "> ")
MORE = ("    ", "```", "~~", "<sub>", "</sub>", "javascript:", "http://a.example/", "&#x3c;", "&Tab;", "text")
PIECES = st.sampled_from([*VECTORS, *MARKS, *MORE])
HOSTILE = st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join)

PAGE_ELEMENTS = ELEMENTS | {"html", "head", "meta", "title", "body", "article", "h1"}
PAGE_ATTRIBUTES = ATTRIBUTES | {("html", "lang"), ("meta", "charset"), ("meta", "content"), ("meta", "http-equiv")}
PAGE_ATTRIBUTES |= {("meta", "name")}
PAGE_METAS = 3


def check_fragment(fragment: str) -> None:
    tree = html.fragment_fromstring(fragment, create_parent="main")
    _check(list(tree.iterdescendants()), ELEMENTS, ATTRIBUTES)


def check_document(document: str) -> None:
    elements = list(html.document_fromstring(document).iter())
    _check(elements, PAGE_ELEMENTS, PAGE_ATTRIBUTES)
    tags = [element.tag for element in elements]
    assert (tags.count("meta"), tags.count("title"), tags.count("h1")) == (PAGE_METAS, 1, 1)
    assert elements[0].xpath("//meta[@http-equiv]")[0].get("content").startswith("default-src 'none'")


def _check(elements: list[html.HtmlElement], tags: frozenset[str], attributes: frozenset[tuple[str, str]]) -> None:
    for element in elements:
        assert element.tag in tags
        assert {(element.tag, name) for name in element.attrib} <= attributes
        if element.tag == "a":
            assert element.get("href").startswith(("http://", "https://"))
            assert element.get("rel") == "nofollow noopener"


@pytest.mark.parametrize("vector", VECTORS)
def test_no_vector_gets_through(vector: str) -> None:
    check_fragment(article_html(vector, "https://a.example/story"))
    check_document(article_document(_hostile_article(vector)))


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_nothing_outside_the_list_gets_through(text: str) -> None:
    check_fragment(article_html(text, "https://a.example/story"))


@settings(max_examples=150, deadline=None)
@given(HOSTILE, HOSTILE)
def test_no_title_name_or_date_gets_through_either(text: str, other: str) -> None:
    check_document(article_document(_hostile_article(text, other)))


def _hostile_article(text: str, other: str = "") -> Article:
    return Article(
        url=text or "http://a.example/",
        title=text,
        subtitle=other,
        site_name=text,
        language=text,
        text_markdown=other or text,
        authors=(Author(text, other),),
        published_at=text,
        images=(Image(text, caption=other or text, alt=text), Image("javascript:alert(1)", caption=text)),
    )


def test_the_form_of_an_article_is_kept() -> None:
    shown = article_html(
        "# Flood\n\nThe *river* **rose** by `3 m`, [they said](/more?a=1&b=2).\n\n- one\n    - two\n\n1. first\n\n"
        "> a quote\n\n| place | level |\n|---|---|\n| Skarra | 3 m |\n\n```\n<raw>\n```\n##### Small",
        "https://a.example/story",
    )
    tree = html.fragment_fromstring(shown, create_parent="main")
    tags = [element.tag for element in tree.iterdescendants()]
    assert set(tags) >= ELEMENTS - {"br", "figcaption", "figure", "h3", "s"}
    assert tree.find(".//a").get("href") == "https://a.example/more?a=1&b=2"
    assert tree.find(".//pre").text_content() == "<raw>\n"


def test_a_dropped_link_leaves_its_words() -> None:
    assert article_html("[the words](javascript:alert(1))") == "<p>the words</p>\n"


def test_a_page_read_and_shown_keeps_its_text() -> None:
    sentence = "The council met on Tuesday & agreed to repair the bridge <over> the river, as it had *promised*."
    escaped = sentence.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    page = f"<html><title>Bridge</title><body><article><h1>Bridge</h1>{f'<p>{escaped}</p>' * 6}</article></body></html>"
    article = extract_html(page, "https://a.example/bridge")
    assert article.text
    tree = html.document_fromstring(article_document(article))
    assert sentence in [paragraph.text_content() for paragraph in tree.iter("p")]


def test_captions_lead_to_their_pictures_but_nothing_is_loaded() -> None:
    article = Article(url="https://a.example/", images=(Image("https://a.example/ferry.png", caption="The <ferry>"),))
    document = article_document(article)
    assert '<figcaption><a href="https://a.example/ferry.png" rel="nofollow noopener">The &lt;ferry&gt;</a>' in document
    assert "src=" not in document


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, ("[" * 9_000 + "\n\n") * 30, "> " * 100_000, "|" * 100_000 + "\n" + "|-" * 50_000, "*a_ " * 2_000,
     "\n".join("  " * depth + "- a" for depth in range(600)), "x" * (MOST_MARKDOWN + 1)],
    ids=["brackets", "paragraphs", "quotes", "table", "emphasis", "lists", "long"],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    check_fragment(article_html(text))
    assert time.process_time() - began < 40


def test_what_is_nested_too_deep_keeps_its_words() -> None:
    shown = article_html("\n".join("  " * depth + f"- item{depth}" for depth in range(60)))
    assert all(f"item{depth}" in shown for depth in range(60))
