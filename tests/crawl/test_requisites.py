"""What pages and style sheets name, and what hostile ones must not do to the reader."""

from __future__ import annotations

import time

import pytest

from archiver.crawl.requisites import DEEPEST, MOST_LINKS, Rank, links_of_page, links_of_sheet, parse_srcset

PAGE = "https://example.com/news/story"
SHEET = "https://cdn.example.net/css/site.css"


def named(head: str = "", body: str = "") -> dict[str, Rank]:
    page = f"<!doctype html><html><head>{head}</head><body>{body}<p>Text</p></body></html>"
    return {link.url: link.rank for link in links_of_page(page.encode(), PAGE, "text/html; charset=utf-8")}


def inside(css: str, *, depth: int = 1) -> dict[str, Rank]:
    return {link.url: link.rank for link in links_of_sheet(css.encode(), SHEET, "text/css", depth=depth)}


@pytest.mark.parametrize(
    ("markup", "url", "rank"),
    [
        ('<link rel="stylesheet" href="/a.css">', "https://example.com/a.css", Rank.SHEET),
        ('<LINK REL="StyleSheet preload" HREF="a.css">', "https://example.com/news/a.css", Rank.SHEET),
        ('<link rel="preload" as="style" href="/a.css">', "https://example.com/a.css", Rank.SHEET),
        ('<link rel="preload" as="font" href="/a.woff2">', "https://example.com/a.woff2", Rank.INSIDE_SHEET),
        ('<link rel="modulepreload" href="/a.mjs">', "https://example.com/a.mjs", Rank.SCRIPT),
        ('<link rel="shortcut icon" href="/favicon.ico">', "https://example.com/favicon.ico", Rank.IMAGE),
        ('<link rel="apple-touch-icon" href="/touch.png">', "https://example.com/touch.png", Rank.IMAGE),
        ('<link rel="manifest" href="/site.webmanifest">', "https://example.com/site.webmanifest", Rank.IMAGE),
        ('<script src="//cdn.example.net/a.js"></script>', "https://cdn.example.net/a.js", Rank.SCRIPT),
        ('<style>@import "b.css";</style>', "https://example.com/news/b.css", Rank.SHEET),
        ("<style>p{background:url(/p.png)}</style>", "https://example.com/p.png", Rank.INSIDE_SHEET),
        ('<img src="/a.jpg#top">', "https://example.com/a.jpg", Rank.IMAGE),
        ('<img src="data:image/gif;base64,R0" data-src="/lazy.jpg">', "https://example.com/lazy.jpg", Rank.IMAGE),
        ('<noscript><img src="/plain.jpg"></noscript>', "https://example.com/plain.jpg", Rank.IMAGE),
        ('<img data-srcset="/l.jpg 2x">', "https://example.com/l.jpg", Rank.IMAGE),
        ('<picture><source srcset="/s.webp 320w"></picture>', "https://example.com/s.webp", Rank.IMAGE),
        ('<video poster="/v.jpg"></video>', "https://example.com/v.jpg", Rank.IMAGE),
        ('<input type="image" src="/go.png">', "https://example.com/go.png", Rank.IMAGE),
        ('<p style="background-image:url(&quot;/b.png&quot;)">', "https://example.com/b.png", Rank.IMAGE),
        ('<div data-bg="/bg.jpg"></div>', "https://example.com/bg.jpg", Rank.IMAGE),
        ('<svg><use xlink:href="/icons.svg#menu"></use></svg>', "https://example.com/icons.svg", Rank.IMAGE),
    ],
)
def test_what_a_browser_needs_is_found(markup: str, url: str, rank: Rank) -> None:
    assert named(markup).get(url, named(body=markup).get(url)) == rank


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="/other">Other</a>',
        '<iframe src="/frame.html"></iframe>',
        '<video src="/v.mp4"><source src="/v.webm"></video>',
        '<link rel="alternate" type="application/rss+xml" href="/feed">',
        '<link rel="alternate stylesheet" href="/night.css">',
        '<link rel="canonical" href="/story">',
        '<link rel="preconnect" href="https://cdn.example.net">',
        '<img src="data:image/png;base64,R0lGOD">',
        '<img src="">',
        '<img src="javascript:alert(1)">',
        '<img src="file:///etc/passwd">',
        '<div data-background="dark"></div>',
        '<svg><use href="#menu"></use></svg>',
        '<img src="http://[::1">',
    ],
)
def test_what_is_a_page_of_its_own_or_no_web_address_is_not(markup: str) -> None:
    assert named(body=markup) == {}


def test_the_base_of_a_page_counts() -> None:
    assert named('<base href="https://static.example.com/x/"><link rel="icon" href="i.png">') == {
        "https://static.example.com/x/i.png": Rank.IMAGE
    }


def test_of_several_sizes_all_count_and_the_largest_comes_first() -> None:
    found = named(body='<img src="/m.jpg" srcset="/s.jpg 320w, /l.jpg 1280w,/m.jpg 640w">')
    assert found == {
        "https://example.com/m.jpg": Rank.IMAGE,
        "https://example.com/l.jpg": Rank.IMAGE,
        "https://example.com/s.jpg": Rank.CANDIDATE,
    }


@pytest.mark.parametrize(
    ("srcset", "candidates"),
    [
        ("a.jpg", [("a.jpg", 1.0)]),
        ("a.jpg, b.jpg 2x", [("a.jpg", 1.0), ("b.jpg", 2.0)]),
        ("  a.jpg 1x,b.jpg 1.5x ,", [("a.jpg", 1.0), ("b.jpg", 1.5)]),
        (
            "w_320,h_200/a.jpg 320w, w_640,h_400/a.jpg 640w",
            [("w_320,h_200/a.jpg", 320.0), ("w_640,h_400/a.jpg", 640.0)],
        ),
        ("a.jpg 100w 50h", [("a.jpg", 100.0)]),
        ("a.jpg wide", [("a.jpg", 0.0)]),
        ("", []),
        (" , ,", []),
    ],
)
def test_candidates_are_told_apart_as_browsers_do(srcset: str, candidates: list[tuple[str, float]]) -> None:
    assert parse_srcset(srcset) == candidates


def test_a_style_sheet_names_imports_fonts_and_pictures() -> None:
    css = r"""
    @charset "utf-8"; @namespace svg url(http://www.w3.org/2000/svg);
    @import url("reset.css") screen; @import 'print.css' print; @IMPORT/**/URL( /grid.css );
    @font-face { font-family: "url(no.woff)";
        src: local("Arial"), url(../f/a.woff2) format("woff2"), url('../f/a.eot?#iefix') }
    /* url(commented.png) @import "commented.css"; */
    .a { background: URL( "b\20 c.png" ) no-repeat, url(d\).png) } .b::before { content: "url(said.png)" }
    .c { background: url(data:image/png;base64,R0lGOD) }
    .d { background: url(unclosed.png
    """
    assert inside(css) == {
        "https://cdn.example.net/css/reset.css": Rank.SHEET,
        "https://cdn.example.net/css/print.css": Rank.SHEET,
        "https://cdn.example.net/grid.css": Rank.SHEET,
        "https://cdn.example.net/f/a.woff2": Rank.INSIDE_SHEET,
        "https://cdn.example.net/f/a.eot": Rank.INSIDE_SHEET,
        "https://cdn.example.net/css/b c.png": Rank.INSIDE_SHEET,
        "https://cdn.example.net/css/d).png": Rank.INSIDE_SHEET,
    }


def test_style_sheets_that_import_each_other_come_to_an_end() -> None:
    assert inside('@import "deeper.css"; p { background: url(p.png) }', depth=DEEPEST) == {
        "https://cdn.example.net/css/p.png": Rank.INSIDE_SHEET
    }
    (deeper,) = links_of_sheet(b'@import "deeper.css"', SHEET, "text/css", depth=2)
    assert deeper.depth == 3


def test_what_is_no_html_names_nothing() -> None:
    assert links_of_page(b"%PDF-1.7 <img src=/a.png>", PAGE, "application/pdf") == []
    assert links_of_page(b"", PAGE, "text/html") == []
    assert links_of_page(b'{"img": "<img src=/a.png>"}', PAGE, "application/json") == []


def test_no_more_links_are_taken_than_anybody_needs() -> None:
    assert len(named(body="".join(f'<img src="/{number}.png">' for number in range(5000)))) == MOST_LINKS
    assert len(inside("".join(f"a{{background:url({number}.png)}}" for number in range(5000)))) == MOST_LINKS


PIECES = (
    *('"', "'", "/*", "/**/", "*/", "url(", "url( ", "url('", 'url("\\', "\\", "url(a\\", "url(a "),
    *("@import ", "@import/*", "@import/**/", "@import url(", "@namespace ", '"\\\n'),
)


@pytest.mark.parametrize("piece", PIECES)
def test_no_style_sheet_takes_more_than_linear_time(piece: str) -> None:
    before = time.process_time()
    links_of_sheet((piece * 100_000).encode(), SHEET, "text/css")
    assert time.process_time() - before < 10


@pytest.mark.parametrize("piece", [",", " ", ", ", "a ", "a,", "a 1x", "a 1x 2x 3x "])
def test_no_srcset_takes_more_than_linear_time(piece: str) -> None:
    before = time.process_time()
    parse_srcset(piece * 100_000)
    parse_srcset("a" + piece * 100_000 + "\N{EM SPACE}")
    assert time.process_time() - before < 10
