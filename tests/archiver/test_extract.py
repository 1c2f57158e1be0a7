import dataclasses
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.article import OUTCOMES, Article, Author
from archiver.extract import MOST_BYTES, Page, count_words, extract_html, failed_article, fingerprint, read_page

PAGES = Path(__file__).parent.parent / "pages"
CAPTURED = datetime(2026, 11, 22, 6, 43, 43, tzinfo=UTC)
URL = "https://www.ledgerwire.test/news/story-123.html"


def read_file(name: str, url: str = URL) -> Article:
    return extract_html((PAGES / name).read_bytes(), url, captured_at=CAPTURED)


MARKET_DESK = {
    "market-desk-plain.html": (
        "Border garrison thins out as soldiers desert",
        ["More than six hundred soldiers", "The ministry of defence called", "Oil traders took the reports",
         '"They were not paid in November', "The central bank left its rate", "Analysts at Hollis Grange"],
    ),
    "market-desk-soup.html": (
        "Conscripts leave the hill forts in their hundreds",
        ["Conscripts have been leaving", "At the fort of Ashmere", "Holders of the country's dollar bonds",
         '"Deserting is too large a word', "The currency was unchanged."],
    ),
    "market-desk-one-line.html": (
        "Deserters from the river guard cross into the delta",
        ["A steady trickle has become", "Soldiers of the river guard are deserting", "He has counted 412",
         "Two lenders with branches", "The commander of the guard"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MARKET_DESK)
def test_a_byline_block_is_read_and_kept_out_of_the_text(name: str) -> None:
    title, paragraphs = MARKET_DESK[name]
    article = read_file(name)
    assert article.outcome == "saved"
    assert article.title == title
    assert [author.name for author in article.authors] == ["Sharecast News"]
    assert (article.published_at, article.published_precision) == ("2019-02-07", "day")
    assert (article.published_source, article.published_raw) == ("byline", "07 Feb, 2019")
    assert (article.modified_at, article.modified_raw) == ("2019-02-07T18:21", "18:21")
    lines = (article.text or "").split("\n")
    assert [line[: len(start)] for line, start in zip(lines, paragraphs, strict=True)] == paragraphs


@pytest.mark.parametrize("name", MARKET_DESK)
def test_the_list_of_last_news_is_kept_out_of_text_and_markdown(name: str) -> None:
    article = read_file(name)
    for text in (article.text or "", article.text_markdown or ""):
        assert "Last news" not in text
        assert "Updated" not in text
        assert "Sharecast" not in text


def test_structured_data_is_read_through_graph_and_references() -> None:
    article = read_file("json-ld-graph.html", "https://skerrypost.test/2024/03/05/lighthouse")
    assert article.title == "Lighthouse keepers vote to stay"
    assert article.subtitle == "Pay was only part of it"
    assert article.authors == (Author("Tom O'Neil, PhD", "https://skerrypost.test/people/tom"), Author("Ann Lee"))
    assert (article.published_at, article.published_source) == ("2024-03-05T08:15:00+01:00", "json-ld")
    assert article.modified_at == "2024-03-05T11:02:30+01:00"
    assert (article.language, article.section, article.breadcrumbs) == ("en", "Islands", ("Home", "Islands"))
    assert article.tags == ("lighthouses", "pay")
    assert article.site_name == "The Skerry Post"
    assert article.canonical_url == "https://skerrypost.test/2024/03/05/lighthouse"
    assert article.lead_image == "https://skerrypost.test/img/light.jpg"
    assert [image.caption for image in article.images] == ["The light at Muck"]
    assert article.accessible_for_free is True
    assert article.article_type == "NewsArticle"
    assert article.license == "https://creativecommons.org/licenses/by/4.0/"
    assert (article.rights.tdm_reservation, article.rights.robots_meta) == (True, "max-image-preview:large")


def test_text_is_plain_and_markdown_keeps_headings_and_emphasis() -> None:
    article = read_file("json-ld-graph.html")
    assert "What comes next\n" in (article.text or "")
    assert "## What comes next\n" in (article.text_markdown or "")
    assert "**supplies**" in (article.text_markdown or "")
    assert "Lighthouse keepers vote to stay" not in (article.text or "")


def test_the_archive_fills_in_the_rest() -> None:
    article = read_file("json-ld-graph.html")
    assert (article.id, article.warc, article.version, article.previous, article.change) == ("", None, None, None, None)
    assert dataclasses.replace(article, id="x").id == "x"


def test_a_page_is_read_with_the_facts_of_its_response() -> None:
    page = Page(
        url="https://www.example.com:8080/a",
        requested_url="http://example.com/a",
        status=200,
        headers=(
            ("Content-Type", "text/html; charset=utf-8"),
            ("ETag", '"e1"'),
            ("Last-Modified", "Thu, 07 Feb 2019 18:21:30 GMT"),
            ("X-Robots-Tag", "noarchive"),
            ("Content-Language", "de-CH"),
        ),
        body=b"<html><body><h1>Rain</h1><p>" + TEXT.encode() + b"</p></body></html>",
        captured_at=CAPTURED,
        truncated=True,
        site="skerry",
    )
    article = read_page(page)
    assert (article.requested_url, article.domain, article.site) == ("http://example.com/a", "example.com", "skerry")
    assert (article.http.status, article.http.content_type) == (200, "text/html; charset=utf-8")
    assert (article.http.etag, article.http.last_modified) == ('"e1"', "Thu, 07 Feb 2019 18:21:30 GMT")
    assert article.rights.x_robots_tag == "noarchive"
    assert article.language == "de"
    assert article.captured_at == "2026-11-22T06:43:43+00:00"
    assert article.evidence[-1] == "the download was cut short"
    assert article.extractor is not None
    assert "trafilatura" in (article.extractor.profile or "")


def test_a_page_nobody_could_read_is_accounted_for() -> None:
    page = Page("https://example.com/a", "https://example.com/a", 200, (), b"x", CAPTURED)
    article = failed_article(page, "reader stopped after 30 s")
    assert (article.outcome, article.evidence) == ("failed", ("HTTP 200 OK", "reader stopped after 30 s"))
    assert article.http.status == 200


def page_with(text: str, charset: str, *, meta: str = "", bom: bytes = b"") -> bytes:
    head = f'<meta charset="{meta}">' if meta else ""
    body = f"<html><head>{head}<title>Übergröße</title></head><body><h1>Übergröße</h1><p>{text}</p></body></html>"
    return bom + body.encode(charset)


TEXT = (
    "Der Bürgermeister sagte am Dienstag, die Straße über den Fluß werde für Fußgänger geöffnet, sobald es wärmer wird."
)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (page_with(TEXT, "utf-8"), None),
        (page_with(TEXT, "utf-8"), "text/html; charset=ISO-8859-1"),
        (page_with(TEXT, "utf-8", meta="iso-8859-1"), None),
        (page_with(TEXT, "cp1252", meta="iso-8859-1"), None),
        (page_with(TEXT, "cp1252"), "text/html; charset=windows-1252"),
        (page_with(TEXT, "utf-8", meta="no-such-charset"), "text/html; charset=zlib"),
        (page_with(TEXT, "utf-16-le", bom=b"\xff\xfe"), "text/html"),
        (page_with(TEXT, "utf-8", bom=b"\xef\xbb\xbf"), "text/html; charset=cp1252"),
        (page_with(TEXT, "utf-8", meta="utf-16"), None),
        (page_with(TEXT, "utf-8").replace(b"</p>", b"\xff</p>"), "text/html; charset=utf-8"),
    ],
)
def test_the_charset_is_found_or_survived(body: bytes, content_type: str | None) -> None:
    article = extract_html(body, URL, content_type=content_type)
    assert article.title == "Übergröße"
    assert (article.text or "").replace("\ufffd", "").startswith(TEXT)


def test_a_string_is_read_as_it_is() -> None:
    assert extract_html(page_with(TEXT, "utf-8").decode(), URL).text == TEXT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"<",
        b"<html>",
        b"<?xml version='1.0' encoding='utf-8'?><html xmlns='http://www.w3.org/1999/xhtml'><body><p>Rain</p></body></html>",
        b"<p>Rain \x00 and \x0b wind \xed\xa0\x80</p>",
        b"<div>" * 200_000,
        b"<b>" * 200_000 + b"rain",
        b"<table><tr><td>" * 60_000,
        b"<a href='//[bad'>x</a><link rel=canonical href='http://[::1'><img src='http://['>" * 10,
        b"<title>" + b"r" * 1_000_000,
        b"<!--" + b"-" * 1_000_000,
        b"&" * 500_000,
        b"<p a='" + b"x" * 1_000_000,
        b"<script type='application/ld+json'>" + b"[" * 500_000,
        "<p>\ud800 rain</p>",
    ],
    ids=range(16),
)
def test_hostile_pages_raise_nothing(body: bytes | str) -> None:
    for url in (URL, "http://[bad", ""):
        article = extract_html(body, url)
        assert article.outcome in OUTCOMES
        assert article.evidence


def test_an_enormous_page_is_read_up_to_the_limit() -> None:
    start = b"<html><body><h1>Rain</h1><p>" + TEXT.encode() + b"</p><!-- "
    article = extract_html(start + b"x" * 50 * 2**20, URL)
    assert article.evidence[-1] == f"only the first {MOST_BYTES // 2**20} MB of 50 MB were read"
    assert article.text == TEXT


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing(body: bytes) -> None:
    extract_html(body, URL).to_json()


_PIECES = st.sampled_from(
    ["<h1>", "</h1>", "<p>", "</p>", "<div>", "</div>", "<ul><li>", "</ul>", "<a href='/x'>", "</a>", "<br>", "\0", "ß",
     "<table><tr>", "<td>", "<time datetime='2019-02-07'>", "<script type='application/ld+json'>", "</script>", "<!--",
     "<blockquote>", "<title>", '{"@type":"NewsArticle","author":[{}]}', "<meta property='og:title' content='Rain'>",
     "By ", "Updated : 18:21", " | 07 Feb, 2019", "Last news", "</title>", "-->",
     "Rain fell on the hills all day and nobody in the town below seemed to mind it much. "]
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PIECES | st.text(max_size=20), max_size=40))
def test_random_markup_raises_nothing(pieces: list[str]) -> None:
    article = extract_html("".join(pieces), URL, captured_at=CAPTURED)
    assert Article.from_json(article.to_json()) == article
    assert not any(line.startswith("reading broke") for line in article.evidence), article.evidence


@given(st.text(max_size=50), st.text(max_size=50))
def test_the_fingerprint_ignores_white_space_and_composition(title: str, text: str) -> None:
    spaced = f"  {unicodedata.normalize('NFD', text)}\n"
    assert fingerprint(title, text) == fingerprint(f"{title} ", unicodedata.normalize("NFC", spaced))


def test_a_changed_word_changes_the_fingerprint() -> None:
    assert fingerprint("Rain", "at last") != fingerprint("Rain", "at least")


def test_chinese_counts_characters_and_english_words() -> None:
    assert count_words("東京は 2020 年") == 5
    assert count_words("It's raining – again.") == 3


def test_related_links_go_but_later_paragraphs_stay() -> None:
    long = "The council met on Tuesday and agreed to close the pool until its roof is mended, which may take a year."
    body = f"""<html><body><h1>Pool to close</h1><p>{long} First.</p><p>{long} Second.</p><h3>Related</h3>
    <ul><li><a href="/1">Roof of the library mended at last</a></li><li><a href="/2">Swimmers fear</a></li></ul>
    <p>{long} Third.</p><h3>Read more</h3><p>Read more about pools in the council's report, which is long and dull.</p>
    <p>{long} Fourth.</p></body></html>"""
    text = extract_html(body, URL).text or ""
    assert [word for word in ("First", "Second", "Third", "Fourth") if f"{word}." in text] == [
        "First",
        "Second",
        "Third",
        "Fourth",
    ]
    assert "library" not in text
    assert "Related" not in text
    assert "long and dull" in text


@pytest.mark.parametrize(
    "shown", ["Loading", "<p>The first paragraph is all that stands in the page itself; " + "rain " * 20 + "</p>"]
)
def test_an_article_kept_in_json_ld_alone_is_found(shown: str) -> None:
    text = " ".join(f"Sentence number {n} of a story that only its script tells." for n in range(20))
    body = f"""<html><head><script type="application/ld+json">{{"@type": "NewsArticle", "headline": "Rain",
    "articleBody": "{text}"}}</script></head><body><h1>Rain</h1><div id="root">{shown}</div></body></html>"""
    assert extract_html(body, URL).text == text


def test_reading_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys, archiver.extract, archiver.crawl.readers; print({'trafilatura', 'htmldate'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PAGES.parent.parent
    )
    assert done.stdout.strip() == "set()"


PARAGRAPHS = [
    "The harbour was closed for the third day running because nobody could be found to man the pilot boat.",
    "Two ships turned back.",
    "The pilots say that the boat leaks, and that they have said so in writing to the board every month since June.",
]
TEASERS = [
    "Ferry fares to rise again in spring",
    "Old cranes sold for scrap to a museum",
    "Divers find the lost anchor",
]


@pytest.mark.parametrize(
    "paragraph",
    ["<p>{}</p>", "<div>{}</div>", "<span class='b'>{}</span> ", "{}<br><br>"],
    ids=["p", "div", "span", "br"],
)
@pytest.mark.parametrize(
    "teaser",
    [
        "<li><a href='/t'>{}</a></li>",
        "<div><span>07 Feb</span> <a href='/t'>{}</a></div>",
        "<div><h4><a href='/t'>{}</a></h4><p>A summary of it, which goes on for more than a dozen words.</p></div>",
    ],
    ids=["list", "dated", "summaries"],
)
@pytest.mark.parametrize("heading", ["Last news", "More from Harbours", "Read more"])
def test_every_paragraph_stays_and_every_teaser_goes(paragraph: str, teaser: str, heading: str) -> None:
    text = "".join(map(paragraph.format, PARAGRAPHS))
    teasers = "".join(map(teaser.format, TEASERS))
    body = f"""<html><body><div><h1>Harbour closed</h1><p>By Ann Lee | 07 Feb, 2019</p><div class="t">{text}</div></div>
    <div><b>{heading}</b>{teasers}</div></body></html>"""
    article = extract_html(body, URL, captured_at=CAPTURED)
    assert " ".join((article.text or "").split()) == " ".join(PARAGRAPHS)


def test_a_byline_that_runs_on_into_the_text_is_cut_off() -> None:
    body = f"""<html><body><h1>Harbour closed</h1><span>By</span> <span>Ann Lee</span> | <span>07 Feb, 2019</span>
    <span>{PARAGRAPHS[0]}</span> <span>{PARAGRAPHS[2]}</span></body></html>"""
    article = extract_html(body, URL, captured_at=CAPTURED)
    assert article.authors == (Author("Ann Lee"),)
    assert article.published_at == "2019-02-07"
    assert "Ann Lee" not in (article.text or "")
