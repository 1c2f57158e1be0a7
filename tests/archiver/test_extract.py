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
from archiver.demo.site import STORIES, DemoSite
from archiver.extract import Page, count_words, extract_html, failed_article, fingerprint, read_page

PAGES = Path(__file__).parent.parent / "pages"

CAPTURED = datetime(2026, 11, 22, 6, 43, 43, tzinfo=UTC)

URL = "https://www.ledgerwire.test/news/story-123.html"

TEXT = (
    "Der Bürgermeister sagte am Dienstag, die Straße über den Fluß werde für Fußgänger geöffnet, sobald es wärmer wird."
)

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


def test_a_byline_that_runs_on_into_the_text_is_cut_off() -> None:
    body = f"""<html><body><h1>Harbour closed</h1><span>By</span> <span>Ann Lee</span> | <span>07 Feb, 2019</span>
    <span>{TEXT}</span> <span>{TEXT}</span></body></html>"""
    article = extract_html(body, URL, captured_at=CAPTURED)
    assert article.authors == (Author("Ann Lee"),)
    assert article.published_at == "2019-02-07"
    assert "Ann Lee" not in (article.text or "")


def test_every_story_of_the_demo_is_read_under_its_headline() -> None:
    with DemoSite() as site:
        answers = [(story, site.answer(story.path)) for story in STORIES]
        for story, answer in answers:
            article = extract_html(answer.body, site.url + story.path, content_type=answer.content_type)
            assert article.title == story.headline
            assert (article.published_at or "").startswith(f"{story.published:%Y-%m-%d}")
            named = " and ".join(author.name for author in article.authors)
            assert named in (story.author, ""), "only the page without a byline names nobody"
