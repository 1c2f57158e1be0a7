"""What the fuzzer (``tests/fuzz``) has found, kept as pages; each once broke a promise that holds for every page."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.article import Article
from archiver.extract import extract_html
from archiver.page.markup import absolute, squeeze
from archiver.page.parse import decode, kind_of, parse
from archiver.page.teasers import Links, drop_teasers
from tests.fuzz.fuzz_extract import CAPTURED, URL, Case, bred, check, read_case, seeds
from tests.stories import story

HOSTILE = Path(__file__).parent / "hostile"


def read(name: str) -> Article:
    return extract_html((HOSTILE / name).read_bytes(), URL, captured_at=CAPTURED)


@pytest.mark.parametrize("file", sorted(HOSTILE.glob("*.html")), ids=lambda file: file.stem)
def test_every_page_that_broke_a_promise_keeps_them_all(file: Path) -> None:
    assert check(read_case(file)) == []


def test_control_characters_are_no_part_of_what_is_read() -> None:
    article = read("control-characters-in-text.html")
    assert article.outcome == "saved"
    assert article.title == "Rain at last"
    assert [author.name for author in article.authors] == ["Ann Lee"]
    assert "in the town below" in (article.text or "")
    assert "line line" in (article.text or "")


def test_surrogates_in_json_ld_are_dropped() -> None:
    article = read("surrogates-in-json-ld.html")
    assert [author.name for author in article.authors] == ["Ann Lee"]
    assert (article.subtitle, article.section, article.tags) == ("Snow", "News", ("rain", "wind"))
    assert article.images == ()


def test_line_breaks_in_entities_are_spaces() -> None:
    article = read("type-with-line-breaks.html")
    assert (article.title, article.article_type) == ("Rain at last", "x NewsArticle")


def test_links_without_a_host_are_none() -> None:
    article = read("links-without-host.html")
    assert (article.lead_image, article.images, article.media) == (None, (), ())
    assert absolute("ftp://x.test/", "https:story") is None
    assert absolute(URL, "/a b.png") == "https://www.ledgerwire.test/a b.png"


def test_a_name_has_so_many_degrees_only() -> None:
    [author] = read("name-with-many-degrees.html").authors
    assert author.name.startswith("Ann Lee, PhD, PhD")
    assert len(author.name) < 100


def test_header_values_in_evidence_are_short_lines() -> None:
    headers = (("X-Amzn-Waf-Action", "captcha\n\0" + "x" * 500),)
    [line] = extract_html(story("Rain"), URL, headers=headers).evidence
    assert line.startswith("header x-amzn-waf-action: captcha xxx")
    assert len(line) < 120


@pytest.mark.parametrize(
    "reads",
    [
        lambda: kind_of("<!-- x -->" * 400 + "rain", None),
        lambda: kind_of("<!doctype x>" * 300 + "rain", None),
        lambda: decode(b"rain", "text/html; charset=" + " " * 60_000),
        lambda: decode(b"&#0" * 60_000 + b"<meta charset=" + b" " * 8000, None),
        lambda: extract_html(_keywords(" " * 100_000 + "x"), URL),
        lambda: extract_html(_keywords("a," * 100_000), URL),
        lambda: extract_html("".join(f"<meta name=author content={n}>" for n in range(20_000)), URL),
        lambda: extract_html("<h2>Related</h2><p>rain</p>" * 4000, URL),
        lambda: extract_html("<p>a b c d e f g h i j k l</p>" * 9000, URL),
        lambda: extract_html("".join(f"<dt>a{n}</dt><dd>b</dd>" for n in range(80_000)), URL),
        lambda: extract_html("<div>rain" * 90 + "<input type=email>" * 8000, URL),
    ],
    ids=range(11),
)
def test_time_does_not_explode(reads: Callable[[], object]) -> None:
    begun = time.process_time()
    reads()
    assert time.process_time() - begun < 40


def _keywords(words: str) -> str:
    return f'<script type="application/ld+json">{{"@type": "Article", "keywords": "{words}"}}</script><p>Rain</p>'


@pytest.mark.parametrize(
    ("page", "captured_at"),
    [
        pytest.param(
            "".join(f"<span>{n % 30} Feb 2019 | By {n} Feb, 2019</span>" for n in range(1000, 1250)),
            datetime(2018, 1, 1, tzinfo=UTC),
            id="dates-after-the-capture",
        ),
        pytest.param(
            "<table>" * 200 + "".join(f"<h2>Related</h2><li><a href=/{n}>x</a>" for n in range(4000)),
            CAPTURED,
            id="lists-in-nested-tables",
        ),
        pytest.param(
            "\\" * 60_000 + (HOSTILE / "after-many-backslashes.html").read_text("utf-8"),
            CAPTURED,
            id="backslashes",
        ),
    ],
)
def test_time_is_in_proportion_to_size(page: str, captured_at: datetime) -> None:
    assert check(Case(page.encode(), captured_at=captured_at), patience=4) == []  # without its bound each takes minutes


def test_the_lists_below_many_headings_are_taken_out() -> None:
    links = "".join(f"<p>More rain is on its way, number {n}</p>" for n in range(4))
    body, _ = parse(f"<body><p>{'Rain fell on the hills. ' * 9}</p>" + f"<h2>Related</h2>{links}" * 3 + "</body>")
    page, _ = parse("".join(f"<a href=/{n}>More rain is on its way, number {n}</a>" for n in range(4)))
    assert body is not None
    drop_teasers(body.find("body"), Links.of(page))
    assert squeeze("".join(body.itertext())) == ("Rain fell on the hills. " * 9).strip()


def test_some_bred_pages_keep_all_promises() -> None:
    rng, pages = random.Random(7), seeds()
    cases: list[Case] = [bred(rng, pages) for _ in range(25)]
    broken = [(number, check(case)) for number, case in enumerate(cases)]
    assert [each for each in broken if each[1] and each[1] != ["is slow"]] == []
